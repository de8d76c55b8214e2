/* SPDX-License-Identifier: LGPL-2.1-only */
/* Device interfaces and remove locks. */
#include "pnp.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct INTERFACE {
    struct INTERFACE *Next;
    GUID Class;
    PDEVICE_OBJECT Pdo; /* NULL once the device was removed */
    bool Enabled;
    char Link[256];
} INTERFACE;

static GROUND_LOCK InterfaceLock = GROUND_LOCK_INITIALIZER;
static INTERFACE *Interfaces;

static void InterfaceName(char *Name, size_t Size, PDEVICE_OBJECT Pdo, const GUID *Class)
{
    const NATIVE_DEVICE *Node = Pdo->Native->Node;
    char Id[200];
    size_t Used = 0;
    for (const char *Text = Node->Ids; *Text != '\0' && Used + 1 < sizeof(Id); Text++) {
        Id[Used++] = *Text == '\\' ? '#' : *Text;
    }
    Id[Used] = '\0';
    snprintf(Name, Size, "\\??\\%.100s#%.60s#{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", Id, Node->Instance,
             Class->Data1, Class->Data2, Class->Data3, Class->Data4[0], Class->Data4[1], Class->Data4[2],
             Class->Data4[3], Class->Data4[4], Class->Data4[5], Class->Data4[6], Class->Data4[7]);
}

/* Under the lock. */
static INTERFACE *InterfaceByName(const char *Name)
{
    INTERFACE *Entry = Interfaces;
    while (Entry != NULL && !TextEqualNoCase(Entry->Link, Name)) {
        Entry = Entry->Next;
    }
    return Entry;
}

NTSTATUS IoRegisterDeviceInterface(PDEVICE_OBJECT PhysicalDeviceObject, const GUID *InterfaceClass,
                                   PUNICODE_STRING Reference, PUNICODE_STRING SymbolicLinkName)
{
    char Name[256];
    NTSTATUS Status = STATUS_OBJECT_NAME_EXISTS;
    UNREFERENCED_PARAMETER(Reference);
    NT_ENTER(PASSIVE_LEVEL);
    if (PhysicalDeviceObject->Native->Node == NULL) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    InterfaceName(Name, sizeof(Name), PhysicalDeviceObject, InterfaceClass);
    INTERFACE *New = Fault(__func__) ? NULL : calloc(1, sizeof(*New));
    if (New == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    GroundLockEnter(&InterfaceLock);
    INTERFACE *Entry = InterfaceByName(Name);
    if (Entry == NULL) {
        *New = (INTERFACE){.Next = Interfaces, .Class = *InterfaceClass};
        snprintf(New->Link, sizeof(New->Link), "%s", Name);
        Interfaces = Entry = New;
        New = NULL;
        Status = STATUS_SUCCESS;
    }
    Entry->Pdo = PhysicalDeviceObject;
    GroundLockLeave(&InterfaceLock);
    free(New);

    USHORT Size = (USHORT)((strlen(Name) + 1) * sizeof(WCHAR));
    SymbolicLinkName->Buffer = ExAllocatePoolWithTag(NonPagedPoolNx, Size, 'niSN');
    if (SymbolicLinkName->Buffer == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    TextToWide(SymbolicLinkName->Buffer, Size / sizeof(WCHAR), Name);
    SymbolicLinkName->Length = (USHORT)(Size - sizeof(WCHAR));
    SymbolicLinkName->MaximumLength = Size;
    return Status;
}

NTSTATUS IoSetDeviceInterfaceState(PUNICODE_STRING SymbolicLinkName, BOOLEAN Enable)
{
    char Name[256];
    NTSTATUS Status = STATUS_SUCCESS;
    NT_ENTER(PASSIVE_LEVEL);
    if (Enable && Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    TextFromWide(Name, sizeof(Name), SymbolicLinkName->Buffer, SymbolicLinkName->Length / sizeof(WCHAR));
    GroundLockEnter(&InterfaceLock);
    INTERFACE *Entry = InterfaceByName(Name);
    if (Entry != NULL && Entry->Enabled == (Enable != FALSE)) {
        Status = Enable ? STATUS_OBJECT_NAME_EXISTS : STATUS_OBJECT_NAME_NOT_FOUND;
    } else if (Entry != NULL) {
        Entry->Enabled = Enable != FALSE;
    }
    GroundLockLeave(&InterfaceLock);
    if (Entry == NULL) {
        NtViolation(RULE_INTERFACE, __func__, "no interface is registered as %s", Name);
    }
    return Status;
}

void InterfaceCheckRemoved(PDEVICE_OBJECT Pdo)
{
    const INTERFACE *Left = NULL;
    GroundLockEnter(&InterfaceLock);
    for (INTERFACE *Entry = Interfaces; Entry != NULL; Entry = Entry->Next) {
        if (Entry->Pdo == Pdo && Entry->Enabled) {
            Left = Entry;
        }
        if (Entry->Pdo == Pdo) {
            Entry->Pdo = NULL;
        }
    }
    GroundLockLeave(&InterfaceLock);
    if (Left != NULL) {
        NtViolation(RULE_INTERFACE, "IRP_MN_REMOVE_DEVICE", "the interface %s is still enabled", Left->Link);
    }
}

PDEVICE_OBJECT InterfaceFind(const GUID *Class)
{
    PDEVICE_OBJECT Found = NULL;
    GroundLockEnter(&InterfaceLock);
    for (INTERFACE *Entry = Interfaces; Entry != NULL && Found == NULL; Entry = Entry->Next) {
        if (Entry->Enabled && Entry->Pdo != NULL && IsEqualGUID(&Entry->Class, Class)) {
            Found = Entry->Pdo;
        }
    }
    GroundLockLeave(&InterfaceLock);
    return Found;
}

void InterfaceClear(void)
{
    while (Interfaces != NULL) {
        INTERFACE *Entry = Interfaces;
        Interfaces = Entry->Next;
        free(Entry);
    }
}

/* ---- Remove locks: a count, and an event for its end ---- */

VOID IoInitializeRemoveLock(PIO_REMOVE_LOCK Lock, ULONG Tag, ULONG MaxLockedMinutes, ULONG HighWatermark)
{
    UNREFERENCED_PARAMETER(MaxLockedMinutes);
    UNREFERENCED_PARAMETER(HighWatermark);
    NT_ENTER(PASSIVE_LEVEL);
    Lock->IoCount = 1;
    Lock->Removed = FALSE;
    Lock->Tag = Tag;
    KeInitializeEvent(&Lock->RemoveEvent, SynchronizationEvent, FALSE);
}

VOID IoReleaseRemoveLock(PIO_REMOVE_LOCK Lock, PVOID Tag)
{
    UNREFERENCED_PARAMETER(Tag);
    NT_ENTER(DISPATCH_LEVEL);
    LONG Left = InterlockedDecrement(&Lock->IoCount);
    if (Left < 0) {
        NtViolation(RULE_REMOVE_LOCK, __func__, "released more often than acquired");
    }
    if (Left == 0) {
        KeSetEvent(&Lock->RemoveEvent, IO_NO_INCREMENT, FALSE);
    }
}

NTSTATUS IoAcquireRemoveLock(PIO_REMOVE_LOCK Lock, PVOID Tag)
{
    NT_ENTER(DISPATCH_LEVEL);
    InterlockedIncrement(&Lock->IoCount);
    if (ReadAcquire(&Lock->Removed)) {
        IoReleaseRemoveLock(Lock, Tag);
        return STATUS_DELETE_PENDING;
    }
    return STATUS_SUCCESS;
}

VOID IoReleaseRemoveLockAndWait(PIO_REMOVE_LOCK Lock, PVOID Tag)
{
    NT_ENTER(PASSIVE_LEVEL);
    InterlockedExchange(&Lock->Removed, TRUE);
    IoReleaseRemoveLock(Lock, Tag);
    if (InterlockedDecrement(&Lock->IoCount) > 0) {
        KeWaitForSingleObject(&Lock->RemoveEvent, Executive, KernelMode, FALSE, NULL);
    }
}
