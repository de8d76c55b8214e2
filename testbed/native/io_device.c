/* SPDX-License-Identifier: LGPL-2.1-only */
/* Device objects, their stacks and references, symbolic links. */
#include "internal.h"

#include <stdlib.h>

static GROUND_LOCK DeviceLock = GROUND_LOCK_INITIALIZER; /* stacks, lists, references */

static void DeviceCheck(const DEVICE_OBJECT *Device, const char *Function)
{
    if (Device == NULL || !TrackHas(TRACK_DEVICE, Device)) {
        NtViolation(RULE_DEVICE, Function, "there is no device object at %p", (const void *)Device);
    }
}

static NTSTATUS DeviceInvalidRequest(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    Irp->IoStatus.Information = 0;
    IofCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_INVALID_DEVICE_REQUEST;
}

void DriverObjectInitialize(PDRIVER_OBJECT Driver, PDRIVER_EXTENSION Extension)
{
    memset(Driver, 0, sizeof(*Driver));
    memset(Extension, 0, sizeof(*Extension));
    Driver->Type = NATIVE_TYPE_DRIVER;
    Driver->Size = sizeof(*Driver);
    Driver->DriverExtension = Extension;
    Extension->DriverObject = Driver;
    for (int Index = 0; Index <= IRP_MJ_MAXIMUM_FUNCTION; Index++) {
        Driver->MajorFunction[Index] = DeviceInvalidRequest;
    }
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG ExtensionSize, PUNICODE_STRING Name, DEVICE_TYPE Type,
                        ULONG Characteristics, BOOLEAN Exclusive, PDEVICE_OBJECT *DeviceObject)
{
    NT_ENTER(APC_LEVEL);
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    PDEVICE_OBJECT Device = calloc(1, sizeof(DEVICE_OBJECT));
    NATIVE_DEVICE_STATE *State = calloc(1, sizeof(*State));
    PVOID Extension = ExtensionSize == 0 ? NULL : calloc(1, ExtensionSize);
    if (Device == NULL || State == NULL || (ExtensionSize != 0 && Extension == NULL)) {
        abort();
    }
    Device->Type = NATIVE_TYPE_DEVICE;
    Device->Size = sizeof(*Device);
    Device->DriverObject = DriverObject;
    Device->DeviceExtension = Extension;
    Device->DeviceType = Type;
    Device->Characteristics = Characteristics;
    Device->Flags = DO_DEVICE_INITIALIZING | (Exclusive ? DO_EXCLUSIVE : 0);
    Device->StackSize = 1;
    Device->Native = State;
    State->References = 1;
    if (Name != NULL) {
        size_t Length = Name->Length / sizeof(WCHAR);
        memcpy(State->Name, Name->Buffer, (Length < 127 ? Length : 127) * sizeof(WCHAR));
    }
    GroundLockEnter(&DeviceLock);
    Device->NextDevice = DriverObject->DeviceObject;
    DriverObject->DeviceObject = Device;
    GroundLockLeave(&DeviceLock);
    TrackAdd(TRACK_DEVICE, Device, ExtensionSize, 0, __builtin_return_address(0));
    *DeviceObject = Device;
    return STATUS_SUCCESS;
}

static void DeviceFree(PDEVICE_OBJECT Device)
{
    uint64_t Size;
    TrackRemove(TRACK_DEVICE, Device, &Size, NULL);
    DpcCheckFree(Device->DeviceExtension, Size);
    TimerCheckFree(Device->DeviceExtension, Size);
    free(Device->DeviceExtension);
    free(Device->Native);
    free(Device);
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
    NT_ENTER(APC_LEVEL);
    DeviceCheck(DeviceObject, __func__);
    GroundLockEnter(&DeviceLock);
    NATIVE_DEVICE_STATE *State = DeviceObject->Native;
    bool Bad = State->Deleted || State->AttachedTo != NULL || DeviceObject->AttachedDevice != NULL;
    State->Deleted = TRUE;
    PDEVICE_OBJECT *Link = &DeviceObject->DriverObject->DeviceObject;
    while (*Link != NULL && *Link != DeviceObject) {
        Link = &(*Link)->NextDevice;
    }
    if (*Link != NULL) {
        *Link = DeviceObject->NextDevice;
    }
    bool Last = --State->References == 0;
    GroundLockLeave(&DeviceLock);
    if (Bad) {
        NtViolation(RULE_DEVICE, __func__, "the device at %p is attached, or deleted already", (void *)DeviceObject);
    }
    if (Last) {
        DeviceFree(DeviceObject);
    }
}

void DeviceReference(PDEVICE_OBJECT Device)
{
    DeviceCheck(Device, "ObReferenceObject");
    GroundLockEnter(&DeviceLock);
    Device->Native->References++;
    GroundLockLeave(&DeviceLock);
}

void DeviceDereference(PDEVICE_OBJECT Device)
{
    DeviceCheck(Device, "ObDereferenceObject");
    GroundLockEnter(&DeviceLock);
    LONG Left = --Device->Native->References;
    bool Deleted = Device->Native->Deleted;
    GroundLockLeave(&DeviceLock);
    if (Left == 0 && !Deleted) {
        NtViolation(RULE_DEVICE, "ObDereferenceObject", "the device at %p loses its last reference undeleted",
                    (void *)Device);
    }
    if (Left == 0) {
        DeviceFree(Device);
    }
}

PDEVICE_OBJECT DeviceTop(PDEVICE_OBJECT Device)
{
    GroundLockEnter(&DeviceLock);
    while (Device->AttachedDevice != NULL) {
        Device = Device->AttachedDevice;
    }
    GroundLockLeave(&DeviceLock);
    return Device;
}

PDEVICE_OBJECT IoGetAttachedDeviceReference(PDEVICE_OBJECT DeviceObject)
{
    NT_ENTER(DISPATCH_LEVEL);
    PDEVICE_OBJECT Top = DeviceTop(DeviceObject);
    DeviceReference(Top);
    return Top;
}

PDEVICE_OBJECT IoAttachDeviceToDeviceStack(PDEVICE_OBJECT Source, PDEVICE_OBJECT Target)
{
    NT_ENTER(DISPATCH_LEVEL);
    DeviceCheck(Source, __func__);
    DeviceCheck(Target, __func__);
    PDEVICE_OBJECT Top = DeviceTop(Target);
    GroundLockEnter(&DeviceLock);
    Top->AttachedDevice = Source;
    Source->Native->AttachedTo = Top;
    Source->StackSize = (CCHAR)(Top->StackSize + 1);
    GroundLockLeave(&DeviceLock);
    return Top;
}

VOID IoDetachDevice(PDEVICE_OBJECT Target)
{
    NT_ENTER(PASSIVE_LEVEL);
    DeviceCheck(Target, __func__);
    GroundLockEnter(&DeviceLock);
    PDEVICE_OBJECT Upper = Target->AttachedDevice;
    Target->AttachedDevice = NULL;
    if (Upper != NULL) {
        Upper->Native->AttachedTo = NULL;
    }
    GroundLockLeave(&DeviceLock);
    if (Upper == NULL) {
        NtViolation(RULE_DEVICE, __func__, "nothing is attached to the device at %p", (void *)Target);
    }
}

/* ---- Symbolic links: kept for the collision check only; tests open devices by interface ---- */

typedef struct SYMBOLIC_LINK {
    struct SYMBOLIC_LINK *Next;
    char Name[256];
} SYMBOLIC_LINK;
static SYMBOLIC_LINK *SymbolicLinks;

static SYMBOLIC_LINK **SymbolicLinkFind(PUNICODE_STRING Link, char *Name, size_t Size)
{
    TextFromWide(Name, Size, Link->Buffer, Link->Length / sizeof(WCHAR));
    SYMBOLIC_LINK **Place = &SymbolicLinks;
    while (*Place != NULL && !TextEqualNoCase((*Place)->Name, Name)) {
        Place = &(*Place)->Next;
    }
    return Place;
}

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING Link, PUNICODE_STRING Target)
{
    NT_ENTER(PASSIVE_LEVEL);
    UNREFERENCED_PARAMETER(Target);
    SYMBOLIC_LINK *New = Fault(__func__) ? NULL : calloc(1, sizeof(*New));
    NTSTATUS Status = New == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    if (New == NULL) {
        return Status;
    }
    GroundLockEnter(&DeviceLock);
    SYMBOLIC_LINK **Place = SymbolicLinkFind(Link, New->Name, sizeof(New->Name));
    if (*Place != NULL) {
        Status = STATUS_OBJECT_NAME_COLLISION;
        free(New);
    } else {
        *Place = New;
    }
    GroundLockLeave(&DeviceLock);
    return Status;
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING Link)
{
    char Name[256];
    NT_ENTER(PASSIVE_LEVEL);
    GroundLockEnter(&DeviceLock);
    SYMBOLIC_LINK **Place = SymbolicLinkFind(Link, Name, sizeof(Name));
    SYMBOLIC_LINK *Found = *Place;
    if (Found != NULL) {
        *Place = Found->Next;
        free(Found);
    }
    GroundLockLeave(&DeviceLock);
    return Found == NULL ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_SUCCESS;
}
