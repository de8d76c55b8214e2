/* SPDX-License-Identifier: LGPL-2.1-only */
/* options.h over Zw*Key. */
#include "options.h"

#include "channel_nbd.h"
#include "log.h"

#define OPTIONS_DEFAULT_SEND_WINDOW 4u

#define OPTION_ROW(Name, Type, Default, Minimum, Maximum, Effect)                                                      \
    {L"" #Name, #Name, WnbdOpt##Type, Default, Minimum, Maximum},
const OPTION_TYPE OptionTypes[OPTION_COUNT] = {OPTION_TABLE(OPTION_ROW)};

/* The table is below the published header and repeats its numbers. */
#define OPTION_LIMITS(Name, Type, Usual, Least, Most, Effect) enum { Name##Default = (Usual), Name##Maximum = (Most) };
OPTION_TABLE(OPTION_LIMITS)
C_ASSERT(MaxIOReqPerAdapterDefault == WNBD_DEFAULT_MAX_IO_REQ_PER_ADAPTER);
C_ASSERT(MaxIOReqPerAdapterMaximum == WNBD_ABS_MAX_IO_REQ_PER_ADAPTER);
C_ASSERT(MaxIOReqPerLunDefault == WNBD_DEFAULT_MAX_IO_REQ_PER_LUN);
C_ASSERT(MaxIOReqPerLunMaximum == WNBD_ABS_MAX_IO_REQ_PER_LUN);
C_ASSERT(StaleReqTimeoutMsDefault == WNBD_DEFAULT_STALE_REQ_TIMEOUT_MS);
C_ASSERT(StaleConnTimeoutMsDefault == WNBD_DEFAULT_STALE_CONN_TIMEOUT_MS);

volatile LONG64 OptionValues[OPTION_COUNT];

/* Constant after DriverEntry. Static, as all here: no callback at unload is certain to come. */
static PDRIVER_OBJECT OptionsDriver;
/* ...\Services\wnbd\Parameters */
static WCHAR OptionsPath[512];
static UNICODE_STRING OptionsKey;

/* The key of the persistent values, constant once OptionsStateKey has a length; the same for every adapter. */
static union {
    KEY_NAME_INFORMATION Information;
    UCHAR Bytes[1024];
} OptionsState;
static UNICODE_STRING OptionsStateKey;

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsStart(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    static const WCHAR Parameters[] = L"\\Parameters";
    for (ULONG Option = 0; Option < OPTION_COUNT; Option++) {
        InterlockedExchange64(&OptionValues[Option], OptionTypes[Option].Default);
    }
    OptionsDriver = DriverObject;
    OptionsStateKey.Length = 0;
    if (RegistryPath->Length > sizeof(OptionsPath) - sizeof(Parameters)) {
        return STATUS_NAME_TOO_LONG;
    }
    RtlCopyMemory(OptionsPath, RegistryPath->Buffer, RegistryPath->Length);
    RtlCopyMemory((PUCHAR)OptionsPath + RegistryPath->Length, Parameters, sizeof(Parameters));
    RtlInitUnicodeString(&OptionsKey, OptionsPath);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsOpen(PUNICODE_STRING Path, ACCESS_MASK Access, PHANDLE Key)
{
    OBJECT_ATTRIBUTES Attributes;
    InitializeObjectAttributes(&Attributes, Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwOpenKey(Key, Access, &Attributes);
}

/* ---- persistent values: a Bool is a REG_DWORD, an Int64 a REG_QWORD ---- */

/*
 * Asks where the driver's state is. The function that knows wants a system thread (WDK, IoOpenDriverRegistryKey), and
 * says nothing of the use of its handle in other processes, whose threads bring the commands: those open it by name.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsLocate(void)
{
    HANDLE Key;
    ULONG LengthBytes;
    if (OptionsStateKey.Length != 0) {
        return STATUS_SUCCESS;
    }
    NTSTATUS Status =
        IoOpenDriverRegistryKey(OptionsDriver, DriverRegKeyPersistentState, KEY_READ | KEY_WRITE, 0, &Key);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ZwQueryKey(Key, KeyNameInformation, &OptionsState, sizeof(OptionsState), &LengthBytes);
    ZwClose(Key);
    if (NT_SUCCESS(Status)) {
        OptionsStateKey.Buffer = OptionsState.Information.Name;
        OptionsStateKey.MaximumLength = (USHORT)OptionsState.Information.NameLength;
        OptionsStateKey.Length = OptionsStateKey.MaximumLength;
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsOpenState(ACCESS_MASK Access, PHANDLE Key)
{
    return OptionsStateKey.Length == 0 ? STATUS_DEVICE_NOT_READY : OptionsOpen(&OptionsStateKey, Access, Key);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static ULONG OptionsRegistryType(OPTION Option, ULONG *SizeBytes)
{
    BOOLEAN Bool = OptionTypes[Option].Type == WnbdOptBool;
    *SizeBytes = Bool ? sizeof(ULONG) : sizeof(LONG64);
    return Bool ? REG_DWORD : REG_QWORD;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsQuery(HANDLE Key, OPTION Option, LONG64 *Value)
{
    struct {
        KEY_VALUE_PARTIAL_INFORMATION Information;
        UCHAR Data[sizeof(LONG64)];
    } Buffer;
    const OPTION_TYPE *Type = &OptionTypes[Option];
    UNICODE_STRING Name;
    ULONG LengthBytes, SizeBytes;
    ULONG RegistryType = OptionsRegistryType(Option, &SizeBytes);
    RtlInitUnicodeString(&Name, Type->Name);
    NTSTATUS Status = ZwQueryValueKey(Key, &Name, KeyValuePartialInformation, &Buffer, sizeof(Buffer), &LengthBytes);
    /* Too long for the buffer, it is of another type. */
    if (!NT_SUCCESS(Status) && Status != STATUS_BUFFER_OVERFLOW) {
        return Status;
    }
    if (!NT_SUCCESS(Status) || Buffer.Information.Type != RegistryType || Buffer.Information.DataLength != SizeBytes) {
        LOG(OptionOfWrongType, Type->NarrowName);
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    LONG64 Read = 0; /* a REG_DWORD is the lower half */
    RtlCopyMemory(&Read, Buffer.Information.Data, SizeBytes);
    if (Read < Type->Minimum || Read > Type->Maximum) {
        LOG(OptionOutOfRange, Type->NarrowName, Read, Type->Minimum, Type->Maximum);
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    *Value = Read;
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsReload(void)
{
    HANDLE Key;
    NTSTATUS Status = OptionsOpenState(KEY_READ, &Key);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    LONG64 Values[OPTION_COUNT];
    for (ULONG Option = 0; Option < OPTION_COUNT && NT_SUCCESS(Status); Option++) {
        Values[Option] = OptionTypes[Option].Default;
        Status = OptionsQuery(Key, Option, &Values[Option]);
        if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
            Status = STATUS_SUCCESS;
        }
    }
    ZwClose(Key);
    for (ULONG Option = 0; Option < OPTION_COUNT && NT_SUCCESS(Status); Option++) {
        InterlockedExchange64(&OptionValues[Option], Values[Option]);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void OptionsLoad(void)
{
    NTSTATUS Status = OptionsLocate();
    if (NT_SUCCESS(Status)) {
        Status = OptionsReload();
    }
    if (!NT_SUCCESS(Status)) {
        LOG(OptionsUnreadable, (UINT32)Status);
    }
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsPersistent(OPTION Option, LONG64 *Value)
{
    HANDLE Key;
    NTSTATUS Status = OptionsOpenState(KEY_READ, &Key);
    if (NT_SUCCESS(Status)) {
        Status = OptionsQuery(Key, Option, Value);
        ZwClose(Key);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsWrite(OPTION Option, LONG64 Value)
{
    UNICODE_STRING Name;
    HANDLE Key;
    ULONG SizeBytes;
    ULONG RegistryType = OptionsRegistryType(Option, &SizeBytes);
    NTSTATUS Status = OptionsOpenState(KEY_WRITE, &Key);
    if (NT_SUCCESS(Status)) {
        RtlInitUnicodeString(&Name, OptionTypes[Option].Name);
        Status = ZwSetValueKey(Key, &Name, 0, RegistryType, &Value, SizeBytes);
        ZwClose(Key);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsSet(OPTION Option, LONG64 Value, BOOLEAN Persistent)
{
    NTSTATUS Status = Persistent ? OptionsWrite(Option, Value) : STATUS_SUCCESS;
    if (NT_SUCCESS(Status)) {
        InterlockedExchange64(&OptionValues[Option], Value);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsDelete(OPTION Option)
{
    UNICODE_STRING Name;
    HANDLE Key;
    NTSTATUS Status = OptionsOpenState(KEY_WRITE, &Key);
    if (NT_SUCCESS(Status)) {
        RtlInitUnicodeString(&Name, OptionTypes[Option].Name);
        Status = ZwDeleteValueKey(Key, &Name);
        ZwClose(Key);
    }
    return Status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsReset(OPTION Option, BOOLEAN Persistent)
{
    NTSTATUS Status = Persistent ? OptionsDelete(Option) : STATUS_SUCCESS;
    if (NT_SUCCESS(Status)) {
        InterlockedExchange64(&OptionValues[Option], OptionTypes[Option].Default);
    }
    return Status;
}

/* ---- Parameters ---- */

/* A DWORD of the key; FALSE if it is missing or of another type. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN OptionsReadDword(PCWSTR Name, ULONG *Value)
{
    struct {
        KEY_VALUE_PARTIAL_INFORMATION Information;
        UCHAR Data[sizeof(ULONG)];
    } Buffer;
    UNICODE_STRING NameString;
    HANDLE Key;
    ULONG LengthBytes;
    if (!NT_SUCCESS(OptionsOpen(&OptionsKey, KEY_READ, &Key))) {
        return FALSE;
    }
    RtlInitUnicodeString(&NameString, Name);
    NTSTATUS Status =
        ZwQueryValueKey(Key, &NameString, KeyValuePartialInformation, &Buffer, sizeof(Buffer), &LengthBytes);
    ZwClose(Key);
    if (!NT_SUCCESS(Status) || Buffer.Information.Type != REG_DWORD || Buffer.Information.DataLength != sizeof(ULONG)) {
        return FALSE;
    }
    RtlCopyMemory(Value, Buffer.Information.Data, sizeof(ULONG));
    return TRUE;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
ULONG OptionsSendWindow(void)
{
    ULONG Window;
    if (!OptionsReadDword(L"SendWindow", &Window)) {
        return OPTIONS_DEFAULT_SEND_WINDOW;
    }
    if (Window < 1 || Window > CONNECTION_SEND_WINDOW_MAX) {
        LOG(SendWindowOutOfRange, Window, CONNECTION_SEND_WINDOW_MAX, OPTIONS_DEFAULT_SEND_WINDOW);
        return OPTIONS_DEFAULT_SEND_WINDOW;
    }
    return Window;
}
