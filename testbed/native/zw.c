/* SPDX-License-Identifier: LGPL-2.1-only */
/* Handles and a registry in memory: a list of keys by full path, each with its values. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Handles: small numbers, 4 apart as on Windows ---- */

typedef struct HANDLE_ENTRY {
    struct HANDLE_ENTRY *Next;
    ULONG_PTR Number;
    HANDLE_KIND Kind;
    void *Object;
} HANDLE_ENTRY;

static GROUND_LOCK ZwLock = GROUND_LOCK_INITIALIZER; /* handles, keys */
static HANDLE_ENTRY *ZwHandles;
static ULONG_PTR ZwNextHandle = 0x100;

HANDLE HandleOpen(HANDLE_KIND Kind, void *Object)
{
    HANDLE_ENTRY *Entry = calloc(1, sizeof(*Entry));
    if (Entry == NULL) {
        abort();
    }
    Entry->Kind = Kind;
    Entry->Object = Object;
    GroundLockEnter(&ZwLock);
    Entry->Number = ZwNextHandle += 4;
    Entry->Next = ZwHandles;
    ZwHandles = Entry;
    GroundLockLeave(&ZwLock);
    TrackAdd(TRACK_HANDLE, (void *)Entry->Number, (uint64_t)Kind, 0, __builtin_return_address(0));
    return (HANDLE)Entry->Number;
}

void *HandleGet(HANDLE Handle, HANDLE_KIND Kind, const char *Function)
{
    GroundLockEnter(&ZwLock);
    HANDLE_ENTRY *Entry = ZwHandles;
    while (Entry != NULL && (HANDLE)Entry->Number != Handle) {
        Entry = Entry->Next;
    }
    void *Object = Entry != NULL && Entry->Kind == Kind ? Entry->Object : NULL;
    GroundLockLeave(&ZwLock);
    if (Object == NULL) {
        NtViolation(RULE_HANDLE, Function, "handle %p is not open, or of another kind", Handle);
    }
    return Object;
}

NTSTATUS ZwClose(HANDLE Handle)
{
    NT_ENTER(PASSIVE_LEVEL);
    GroundLockEnter(&ZwLock);
    HANDLE_ENTRY **Link = &ZwHandles;
    while (*Link != NULL && (HANDLE)(*Link)->Number != Handle) {
        Link = &(*Link)->Next;
    }
    HANDLE_ENTRY *Entry = *Link;
    if (Entry != NULL) {
        *Link = Entry->Next;
    }
    GroundLockLeave(&ZwLock);
    if (Entry == NULL) {
        NtViolation(RULE_HANDLE, __func__, "handle %p is not open", Handle);
    }
    TrackRemove(TRACK_HANDLE, Handle, NULL, NULL);
    if (Entry->Kind == HANDLE_THREAD || Entry->Kind == HANDLE_PROCESS) {
        ObfDereferenceObject(Entry->Object);
    }
    free(Entry);
    return STATUS_SUCCESS;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK Access, POBJECT_TYPE Type, KPROCESSOR_MODE Mode,
                                   PVOID *Object, PVOID Information)
{
    UNREFERENCED_PARAMETER(Access);
    UNREFERENCED_PARAMETER(Mode);
    UNREFERENCED_PARAMETER(Information);
    NT_ENTER(PASSIVE_LEVEL);
    if (Type != NULL && Type != *PsThreadType) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    *Object = HandleGet(Handle, HANDLE_THREAD, __func__);
    ObfReferenceObject(*Object);
    return STATUS_SUCCESS;
}

/* ---- Registry ---- */

typedef struct REGISTRY_VALUE {
    struct REGISTRY_VALUE *Next;
    char Name[128];
    ULONG Type;
    ULONG Length;
    UCHAR Data[];
} REGISTRY_VALUE;

typedef struct REGISTRY_KEY {
    struct REGISTRY_KEY *Next;
    REGISTRY_VALUE *Values;
    char Path[512];
} REGISTRY_KEY;

static REGISTRY_KEY *RegistryKeys; /* keys live until RegistryClear: a handle's key never goes away */

/* Under ZwLock. */
static REGISTRY_KEY *RegistryFind(const char *Path, bool Create)
{
    REGISTRY_KEY *Key = RegistryKeys;
    while (Key != NULL && !TextEqualNoCase(Key->Path, Path)) {
        Key = Key->Next;
    }
    if (Key == NULL && Create) {
        Key = calloc(1, sizeof(*Key));
        if (Key == NULL) {
            abort();
        }
        snprintf(Key->Path, sizeof(Key->Path), "%s", Path);
        Key->Next = RegistryKeys;
        RegistryKeys = Key;
    }
    return Key;
}

static REGISTRY_VALUE **RegistryFindValue(REGISTRY_KEY *Key, const char *Name)
{
    REGISTRY_VALUE **Link = &Key->Values;
    while (*Link != NULL && !TextEqualNoCase((*Link)->Name, Name)) {
        Link = &(*Link)->Next;
    }
    return Link;
}

static void RegistrySet(REGISTRY_KEY *Key, const char *Name, ULONG Type, const void *Data, ULONG Length)
{
    REGISTRY_VALUE *Value = calloc(1, sizeof(*Value) + Length);
    if (Value == NULL) {
        abort();
    }
    snprintf(Value->Name, sizeof(Value->Name), "%s", Name);
    Value->Type = Type;
    Value->Length = Length;
    memcpy(Value->Data, Data, Length);
    REGISTRY_VALUE **Link = RegistryFindValue(Key, Name);
    if (*Link != NULL) {
        Value->Next = (*Link)->Next;
        free(*Link);
    }
    *Link = Value;
}

void NativeRegistrySetDword(const char *Path, const char *Name, uint32_t Value)
{
    GroundLockEnter(&ZwLock);
    RegistrySet(RegistryFind(Path, true), Name, REG_DWORD, &Value, sizeof(Value));
    GroundLockLeave(&ZwLock);
}

void NativeRegistrySetQword(const char *Path, const char *Name, uint64_t Value)
{
    GroundLockEnter(&ZwLock);
    RegistrySet(RegistryFind(Path, true), Name, REG_QWORD, &Value, sizeof(Value));
    GroundLockLeave(&ZwLock);
}

bool NativeRegistryGet(const char *Path, const char *Name, uint32_t *Type, uint64_t *Value)
{
    GroundLockEnter(&ZwLock);
    REGISTRY_KEY *Key = RegistryFind(Path, false);
    const REGISTRY_VALUE *Found = Key != NULL ? *RegistryFindValue(Key, Name) : NULL;
    *Value = 0;
    if (Found != NULL) {
        *Type = Found->Type;
        memcpy(Value, Found->Data, Found->Length < sizeof(*Value) ? Found->Length : sizeof(*Value));
    }
    GroundLockLeave(&ZwLock);
    return Found != NULL;
}

void NativeRegistrySetString(const char *Path, const char *Name, const char *Value)
{
    WCHAR Wide[512];
    TextToWide(Wide, 512, Value);
    GroundLockEnter(&ZwLock);
    RegistrySet(RegistryFind(Path, true), Name, REG_SZ, Wide, (ULONG)((NativeWcslen(Wide) + 1) * sizeof(WCHAR)));
    GroundLockLeave(&ZwLock);
}

void RegistryClear(void)
{
    while (RegistryKeys != NULL) {
        REGISTRY_KEY *Key = RegistryKeys;
        RegistryKeys = Key->Next;
        while (Key->Values != NULL) {
            REGISTRY_VALUE *Value = Key->Values;
            Key->Values = Value->Next;
            free(Value);
        }
        free(Key);
    }
}

static NTSTATUS RegistryOpenAt(POBJECT_ATTRIBUTES Attributes, bool Create, PHANDLE Handle, PULONG Disposition)
{
    char Path[512];
    size_t Used = 0;
    if (Attributes->RootDirectory != NULL) {
        REGISTRY_KEY *Root = HandleGet(Attributes->RootDirectory, HANDLE_KEY, "ZwOpenKey");
        Used = (size_t)snprintf(Path, sizeof(Path), "%s\\", Root->Path);
    }
    TextFromWide(Path + Used, sizeof(Path) - Used, Attributes->ObjectName->Buffer,
                 Attributes->ObjectName->Length / sizeof(WCHAR));
    GroundLockEnter(&ZwLock);
    REGISTRY_KEY *Key = RegistryFind(Path, false);
    if (Disposition != NULL) {
        *Disposition = Key == NULL ? 1 : 2; /* REG_CREATED_NEW_KEY, REG_OPENED_EXISTING_KEY */
    }
    if (Key == NULL && Create) {
        Key = RegistryFind(Path, true);
    }
    GroundLockLeave(&ZwLock);
    if (Key == NULL) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    *Handle = HandleOpen(HANDLE_KEY, Key);
    return STATUS_SUCCESS;
}

NTSTATUS ZwOpenKey(PHANDLE Key, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes)
{
    UNREFERENCED_PARAMETER(Access);
    NT_ENTER(PASSIVE_LEVEL);
    return Fault(__func__) ? STATUS_INSUFFICIENT_RESOURCES : RegistryOpenAt(Attributes, false, Key, NULL);
}

NTSTATUS ZwCreateKey(PHANDLE Key, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, ULONG TitleIndex,
                     PUNICODE_STRING Class, ULONG Options, PULONG Disposition)
{
    UNREFERENCED_PARAMETER(Access);
    UNREFERENCED_PARAMETER(TitleIndex);
    UNREFERENCED_PARAMETER(Class);
    UNREFERENCED_PARAMETER(Options);
    NT_ENTER(PASSIVE_LEVEL);
    return Fault(__func__) ? STATUS_INSUFFICIENT_RESOURCES : RegistryOpenAt(Attributes, true, Key, Disposition);
}

NTSTATUS IoOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE RegKeyType, ACCESS_MASK DesiredAccess,
                                 ULONG Flags, PHANDLE DriverRegKey)
{
    char Path[512];
    UNREFERENCED_PARAMETER(DesiredAccess);
    NT_ENTER(PASSIVE_LEVEL);
    if (PsGetCurrentProcess() != PsInitialSystemProcess) {
        NtViolation(RULE_SYSTEM_THREAD, __func__, "called in a thread of process %p",
                    (void *)PsGetProcessId(PsGetCurrentProcess()));
    }
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (Flags != 0 || RegKeyType > DriverRegKeyPersistentState) {
        return STATUS_INVALID_PARAMETER;
    }
    const UNICODE_STRING *Service = &DriverObject->DriverExtension->ServiceKeyName;
    TextFromWide(Path, sizeof(Path), Service->Buffer, Service->Length / sizeof(WCHAR));
    size_t Used = strlen(Path);
    snprintf(Path + Used, sizeof(Path) - Used, RegKeyType == DriverRegKeyParameters ? "\\Parameters" : "\\State");
    GroundLockEnter(&ZwLock);
    REGISTRY_KEY *Key = RegistryFind(Path, true);
    GroundLockLeave(&ZwLock);
    *DriverRegKey = HandleOpen(HANDLE_KEY, Key);
    return STATUS_SUCCESS;
}

NTSTATUS ZwQueryKey(HANDLE Handle, KEY_INFORMATION_CLASS Class, PVOID Information, ULONG Length, PULONG ResultLength)
{
    NT_ENTER(PASSIVE_LEVEL);
    REGISTRY_KEY *Key = HandleGet(Handle, HANDLE_KEY, __func__);
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (Class != KeyNameInformation) {
        return STATUS_INVALID_PARAMETER;
    }
    const ULONG Header = offsetof(KEY_NAME_INFORMATION, Name);
    PKEY_NAME_INFORMATION Answer = Information;
    WCHAR Wide[512];
    TextToWide(Wide, 512, Key->Path);
    ULONG NameLength = (ULONG)(NativeWcslen(Wide) * sizeof(WCHAR));
    *ResultLength = Header + NameLength;
    if (Length < Header) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    ULONG Room = Length - Header;
    Answer->NameLength = NameLength;
    memcpy(Answer->Name, Wide, Room < NameLength ? Room : NameLength);
    return Room < NameLength ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

NTSTATUS ZwQueryValueKey(HANDLE Handle, PUNICODE_STRING Name, KEY_VALUE_INFORMATION_CLASS Class, PVOID Information,
                         ULONG Length, PULONG ResultLength)
{
    char Text[128];
    NTSTATUS Status = STATUS_SUCCESS;
    NT_ENTER(PASSIVE_LEVEL);
    REGISTRY_KEY *Key = HandleGet(Handle, HANDLE_KEY, __func__);
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (Class != KeyValuePartialInformation) {
        return STATUS_INVALID_PARAMETER;
    }
    TextFromWide(Text, sizeof(Text), Name->Buffer, Name->Length / sizeof(WCHAR));
    GroundLockEnter(&ZwLock);
    const REGISTRY_VALUE *Value = *RegistryFindValue(Key, Text);
    if (Value == NULL) {
        Status = STATUS_OBJECT_NAME_NOT_FOUND;
    } else {
        ULONG Header = offsetof(KEY_VALUE_PARTIAL_INFORMATION, Data);
        PKEY_VALUE_PARTIAL_INFORMATION Partial = Information;
        *ResultLength = Header + Value->Length;
        if (Length < Header) {
            Status = STATUS_BUFFER_TOO_SMALL;
        } else {
            ULONG Room = Length - Header;
            Partial->TitleIndex = 0;
            Partial->Type = Value->Type;
            Partial->DataLength = Value->Length;
            memcpy(Partial->Data, Value->Data, Room < Value->Length ? Room : Value->Length);
            Status = Room < Value->Length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
        }
    }
    GroundLockLeave(&ZwLock);
    return Status;
}

NTSTATUS ZwSetValueKey(HANDLE Handle, PUNICODE_STRING Name, ULONG TitleIndex, ULONG Type, PVOID Data, ULONG DataSize)
{
    char Text[128];
    UNREFERENCED_PARAMETER(TitleIndex);
    NT_ENTER(PASSIVE_LEVEL);
    REGISTRY_KEY *Key = HandleGet(Handle, HANDLE_KEY, __func__);
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    TextFromWide(Text, sizeof(Text), Name->Buffer, Name->Length / sizeof(WCHAR));
    GroundLockEnter(&ZwLock);
    RegistrySet(Key, Text, Type, Data, DataSize);
    GroundLockLeave(&ZwLock);
    return STATUS_SUCCESS;
}

NTSTATUS ZwDeleteValueKey(HANDLE Handle, PUNICODE_STRING Name)
{
    char Text[128];
    NT_ENTER(PASSIVE_LEVEL);
    REGISTRY_KEY *Key = HandleGet(Handle, HANDLE_KEY, __func__);
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    TextFromWide(Text, sizeof(Text), Name->Buffer, Name->Length / sizeof(WCHAR));
    GroundLockEnter(&ZwLock);
    REGISTRY_VALUE **Link = RegistryFindValue(Key, Text);
    REGISTRY_VALUE *Found = *Link;
    if (Found != NULL) {
        *Link = Found->Next;
    }
    GroundLockLeave(&ZwLock);
    free(Found);
    return Found != NULL ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}
