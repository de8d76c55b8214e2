/* SPDX-License-Identifier: LGPL-2.1-only */
/* settings.h. */
#include "settings.h"

static void Widen(WCHAR *Wide, size_t Size, const char *Text)
{
    size_t Length = strlen(Text);
    CHECK(Length < Size);
    for (size_t Index = 0; Index <= Length; Index++) {
        Wide[Index] = (WCHAR)Text[Index];
    }
}

static NTSTATUS Send(BED *Bed, const void *Command, ULONG Bytes, void *Output, ULONG OutputBytes)
{
    ULONG Used = 0;
    NTSTATUS Status = NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, Command, Bytes, Output, OutputBytes, &Used);
    CHECK(Used == (NT_SUCCESS(Status) ? OutputBytes : 0));
    return Status;
}

NTSTATUS SettingGet(BED *Bed, const char *Name, bool Persistent, WNBD_OPTION_VALUE *Value)
{
    WNBD_IOCTL_GET_DRV_OPT_COMMAND Command = {.IoControlCode = IOCTL_WNBD_GET_DRV_OPT, .Persistent = Persistent};
    Widen(Command.Name, RTL_NUMBER_OF(Command.Name), Name);
    memset(Value, 0xCC, sizeof(*Value));
    return Send(Bed, &Command, sizeof(Command), Value, sizeof(*Value));
}

NTSTATUS SettingSet(BED *Bed, const char *Name, const WNBD_OPTION_VALUE *Value, bool Persistent)
{
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Command = {
        .IoControlCode = IOCTL_WNBD_SET_DRV_OPT, .Value = *Value, .Persistent = Persistent};
    Widen(Command.Name, RTL_NUMBER_OF(Command.Name), Name);
    return Send(Bed, &Command, sizeof(Command), NULL, 0);
}

NTSTATUS SettingSetText(BED *Bed, const char *Name, const char *Text, bool Persistent)
{
    WNBD_OPTION_VALUE Value = {.Type = WnbdOptWstr};
    Widen(Value.Data.AsWstr, RTL_NUMBER_OF(Value.Data.AsWstr), Text);
    return SettingSet(Bed, Name, &Value, Persistent);
}

NTSTATUS SettingReset(BED *Bed, const char *Name, bool Persistent)
{
    WNBD_IOCTL_RESET_DRV_OPT_COMMAND Command = {.IoControlCode = IOCTL_WNBD_RESET_DRV_OPT, .Persistent = Persistent};
    Widen(Command.Name, RTL_NUMBER_OF(Command.Name), Name);
    return Send(Bed, &Command, sizeof(Command), NULL, 0);
}

NTSTATUS SettingReload(BED *Bed)
{
    WNBD_IOCTL_RELOAD_CONFIG_COMMAND Command = {IOCTL_WNBD_RELOAD_CONFIG};
    return Send(Bed, &Command, sizeof(Command), NULL, 0);
}

int64_t Setting(BED *Bed, const char *Name)
{
    WNBD_OPTION_VALUE Value;
    CHECK(SettingGet(Bed, Name, false, &Value) == STATUS_SUCCESS);
    CHECK(Value.Type == WnbdOptBool || Value.Type == WnbdOptInt64);
    return Value.Type == WnbdOptBool ? Value.Data.AsBool : Value.Data.AsInt64;
}

void SettingRestartAdapter(BED *Bed)
{
    NTSTATUS Status;
    NativeClose(Bed->File);
    CHECK(NT_SUCCESS(NativeDeviceRemove(Bed->Adapter)));
    Bed->Adapter = NativeDeviceAdd(Bed->Driver, WNBD_HARDWAREID, &Status);
    CHECK(Bed->Adapter != NULL);
    CHECK(NT_SUCCESS(NativeDeviceStart(Bed->Adapter)));
    Bed->File = NativeOpen(&WNBD_GUID, NULL);
    CHECK(Bed->File != NULL);
}
