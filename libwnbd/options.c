/* SPDX-License-Identifier: LGPL-2.1-only */
/* The driver's options, and what Windows grants its disks. */
#include "internal.h"

#include <string.h>
#include <winioctl.h>

/* A name given by a caller as the driver's commands have it. */
static bool OptionName(WCHAR *Buffer, const char *Name)
{
    CHAR Copy[WNBD_MAX_NAME_LENGTH];
    if (!TextCopyName(Copy, Name)) {
        return false;
    }
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, Copy, -1, Buffer, WNBD_MAX_NAME_LENGTH)) {
        LogError("an option's name is not UTF-8");
        return false;
    }
    return true;
}

DWORD WnbdIoctlGetDrvOpt(HANDLE Adapter, const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent,
                         LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_GET_DRV_OPT_COMMAND Command = {0};
    if (!Value || !OptionName(Command.Name, Name)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_GET_DRV_OPT;
    Command.Persistent = Persistent;
    return ControlSend(Adapter, &Command, sizeof(Command), Value, sizeof(*Value), sizeof(*Value), NULL, Overlapped);
}

DWORD WnbdIoctlSetDrvOpt(HANDLE Adapter, const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent,
                         LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Command = {0};
    if (!Value || !OptionName(Command.Name, Name)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_SET_DRV_OPT;
    Command.Value = *Value;
    Command.Persistent = Persistent;
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

DWORD WnbdIoctlResetDrvOpt(HANDLE Adapter, const char *Name, BOOLEAN Persistent, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_RESET_DRV_OPT_COMMAND Command = {0};
    if (!OptionName(Command.Name, Name)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_RESET_DRV_OPT;
    Command.Persistent = Persistent;
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

DWORD WnbdIoctlListDrvOpt(HANDLE Adapter, PWNBD_OPTION_LIST OptionList, PDWORD BufferSize, BOOLEAN Persistent,
                          LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_LIST_DRV_OPT_COMMAND Command = {0};
    Command.IoControlCode = IOCTL_WNBD_LIST_DRV_OPT;
    Command.Persistent = Persistent;
    return ControlList(Adapter, &Command, sizeof(Command), OptionList, BufferSize, sizeof(WNBD_OPTION), Overlapped);
}

/* Opens the adapter, for an option whose name can be one. */
static DWORD OptionOpen(const char *Name, HANDLE *Adapter)
{
    WCHAR Wide[WNBD_MAX_NAME_LENGTH];
    return OptionName(Wide, Name) ? WnbdOpenAdapter(Adapter) : ERROR_INVALID_PARAMETER;
}

DWORD WnbdGetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent)
{
    HANDLE Adapter;
    DWORD Error = Value ? OptionOpen(Name, &Adapter) : ERROR_INVALID_PARAMETER;
    if (!Error) {
        Error = WnbdIoctlGetDrvOpt(Adapter, Name, Value, Persistent, NULL);
        CloseHandle(Adapter);
    }
    return Error;
}

DWORD WnbdSetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent)
{
    HANDLE Adapter;
    DWORD Error = Value ? OptionOpen(Name, &Adapter) : ERROR_INVALID_PARAMETER;
    if (!Error) {
        Error = WnbdIoctlSetDrvOpt(Adapter, Name, Value, Persistent, NULL);
        CloseHandle(Adapter);
    }
    return Error;
}

DWORD WnbdResetDrvOpt(const char *Name, BOOLEAN Persistent)
{
    HANDLE Adapter;
    DWORD Error = OptionOpen(Name, &Adapter);
    if (!Error) {
        Error = WnbdIoctlResetDrvOpt(Adapter, Name, Persistent, NULL);
        CloseHandle(Adapter);
    }
    return Error;
}

DWORD WnbdListDrvOpt(PWNBD_OPTION_LIST OptionList, PDWORD BufferSize, BOOLEAN Persistent)
{
    if (!BufferSize || (!OptionList && *BufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    HANDLE Adapter;
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (!Error) {
        Error = WnbdIoctlListDrvOpt(Adapter, OptionList, BufferSize, Persistent, NULL);
        CloseHandle(Adapter);
    }
    return Error;
}

/* STORAGE_DEVICE_IO_CAPABILITY_DESCRIPTOR, which not every winioctl.h has. */
typedef struct {
    DWORD Version;
    DWORD Size;
    DWORD LunMaxIoCount;
    DWORD AdapterMaxIoCount;
} IO_CAPABILITY;
_Static_assert(sizeof(IO_CAPABILITY) == 16, "as Windows defines it");

#define IO_CAPABILITY_PROPERTY ((STORAGE_PROPERTY_ID)48) /* StorageDeviceIoCapabilityProperty */

DWORD WnbdIoctlGetIOLimits(HANDLE DiskHandle, PDWORD LunMaxIoCount, PDWORD AdapterMaxIoCount, LPOVERLAPPED Overlapped)
{
    STORAGE_PROPERTY_QUERY Query = {.PropertyId = IO_CAPABILITY_PROPERTY, .QueryType = PropertyStandardQuery};
    IO_CAPABILITY Answer = {0};
    DWORD Answered = 0;
    if (!DiskHandle || DiskHandle == INVALID_HANDLE_VALUE || !LunMaxIoCount || !AdapterMaxIoCount) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = ControlDevice(DiskHandle, IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), &Answer,
                                sizeof(Answer), &Answered, Overlapped);
    if (!Error && (Answered < sizeof(Answer) || Answer.Size < sizeof(Answer))) {
        Error = ERROR_INVALID_DATA;
    }
    if (Error) {
        LogDebug("the disk does not tell its limits: %s", ErrorText(Error).Text);
        return Error;
    }
    *LunMaxIoCount = Answer.LunMaxIoCount;
    *AdapterMaxIoCount = Answer.AdapterMaxIoCount;
    return ERROR_SUCCESS;
}
