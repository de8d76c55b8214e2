/* SPDX-License-Identifier: LGPL-2.1-only */
/* options.h over Zw*Key. */
#include "options.h"

#include "channel_nbd.h"
#include "trace.h"

#define OPTIONS_DEFAULT_SEND_WINDOW 4u

/* ...\Services\wnbd\Parameters; constant after DriverEntry. Static: no callback at unload is certain to come. */
static WCHAR OptionsPath[512];
static UNICODE_STRING OptionsKey;

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsStart(PUNICODE_STRING RegistryPath)
{
    static const WCHAR Parameters[] = L"\\Parameters";
    if (RegistryPath->Length > sizeof(OptionsPath) - sizeof(Parameters)) {
        return STATUS_NAME_TOO_LONG;
    }
    RtlCopyMemory(OptionsPath, RegistryPath->Buffer, RegistryPath->Length);
    RtlCopyMemory((PUCHAR)OptionsPath + RegistryPath->Length, Parameters, sizeof(Parameters));
    RtlInitUnicodeString(&OptionsKey, OptionsPath);
    return STATUS_SUCCESS;
}

/* A DWORD of the key; FALSE if it is missing or of another type. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN OptionsReadDword(PCWSTR Name, ULONG *Value)
{
    struct {
        KEY_VALUE_PARTIAL_INFORMATION Information;
        UCHAR Data[sizeof(ULONG)];
    } Buffer;
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING NameString;
    HANDLE Key;
    ULONG LengthBytes;
    InitializeObjectAttributes(&Attributes, &OptionsKey, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwOpenKey(&Key, KEY_READ, &Attributes))) {
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
        TraceWarning("SendWindow is %u, which is not 1 to %u: %u is used", Window, CONNECTION_SEND_WINDOW_MAX,
                     OPTIONS_DEFAULT_SEND_WINDOW);
        return OPTIONS_DEFAULT_SEND_WINDOW;
    }
    return Window;
}
