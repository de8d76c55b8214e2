/* SPDX-License-Identifier: LGPL-2.1-only */
/* The one place that talks to the driver, and the functions that send one command each. */
#include "internal.h"

#include <string.h>

/* With an OVERLAPPED that has an event, or is of a handle that nobody else uses. */
static DWORD ControlFinish(HANDLE Device, DWORD Code, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD *Returned,
                           LPOVERLAPPED Overlapped)
{
    DWORD Error = ERROR_SUCCESS;
    *Returned = 0;
    if (!DeviceIoControl(Device, Code, In, InSize, Out, OutSize, NULL, Overlapped)) {
        Error = GetLastError();
    }
    if (Error == ERROR_IO_PENDING || Error == ERROR_SUCCESS) {
        Error = GetOverlappedResult(Device, Overlapped, Returned, TRUE) ? ERROR_SUCCESS : GetLastError();
    }
    return Error;
}

DWORD ControlDevice(HANDLE Device, DWORD Code, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD *Returned,
                    LPOVERLAPPED Overlapped)
{
    OVERLAPPED Wait = {0};
    if (Overlapped) {
        return ControlFinish(Device, Code, In, InSize, Out, OutSize, Returned, Overlapped);
    }
    HANDLE Event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!Event) {
        return GetLastError();
    }
    /* The event's low bit keeps the result away from a completion port of the caller's. */
    Wait.hEvent = (HANDLE)((ULONG_PTR)Event | 1);
    DWORD Error = ControlFinish(Device, Code, In, InSize, Out, OutSize, Returned, &Wait);
    CloseHandle(Event);
    return Error;
}

DWORD ControlSend(HANDLE Adapter, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD MinimumOut, DWORD *Returned,
                  LPOVERLAPPED Overlapped)
{
    ULONG Command = *(const ULONG *)In;
    if (!Adapter || Adapter == INVALID_HANDLE_VALUE) {
        LogError("command %lu: no adapter handle was given", Command);
        return ERROR_INVALID_PARAMETER;
    }
    if (Overlapped) {
        /* The control code is METHOD_BUFFERED: the system has copied In when this returns. */
        if (DeviceIoControl(Adapter, WNBD_IOCTL_CONTROL_CODE, In, InSize, Out, OutSize, NULL, Overlapped)) {
            return ERROR_SUCCESS;
        }
        return GetLastError();
    }
    DWORD Answered = 0;
    DWORD Error = ControlDevice(Adapter, WNBD_IOCTL_CONTROL_CODE, In, InSize, Out, OutSize, &Answered, NULL);
    if (Error == ERROR_SUCCESS && Answered < MinimumOut) {
        LogError("command %lu: the driver answered with %lu bytes instead of %lu (are wnbd.sys and libwnbd.dll of the "
                 "same version?)",
                 Command, Answered, MinimumOut);
        Error = ERROR_INVALID_DATA;
    }
    if (Returned) {
        *Returned = Answered;
    }
    LogDebug("command %lu: %lu bytes, error %lu", Command, Answered, Error);
    return Error;
}

DWORD WnbdIoctlPing(HANDLE Adapter, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_PING_COMMAND Command = {IOCTL_WNBD_PING};
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

/* PropertiesAreValid with a log message. */
static bool PropertiesAccepted(const WNBD_PROPERTIES *Properties)
{
    TEXT Cause;
    if (PropertiesAreValid(Properties, &Cause)) {
        return true;
    }
    LogError("%s", Cause.Text);
    return false;
}

DWORD WnbdIoctlCreate(HANDLE Adapter, PWNBD_PROPERTIES Properties, PWNBD_CONNECTION_INFO ConnectionInfo,
                      LPOVERLAPPED Overlapped)
{
    if (!PropertiesAccepted(Properties) || !ConnectionInfo) {
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_IOCTL_CREATE_COMMAND Command = {0};
    Command.IoControlCode = IOCTL_WNBD_CREATE;
    Command.Properties = *Properties;
    return ControlSend(Adapter, &Command, sizeof(Command), ConnectionInfo, sizeof(*ConnectionInfo),
                       sizeof(*ConnectionInfo), NULL, Overlapped);
}

DWORD WnbdIoctlCreateEx(HANDLE Adapter, PWNBD_PROPERTIES Properties, PWNBD_CREATE_RESULT Result,
                        LPOVERLAPPED Overlapped)
{
    if (!PropertiesAccepted(Properties) || !Result) {
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_IOCTL_CREATE_COMMAND Command = {0};
    Command.IoControlCode = IOCTL_WNBD_CREATE_EX;
    Command.Properties = *Properties;
    return ControlSend(Adapter, &Command, sizeof(Command), Result, sizeof(*Result), sizeof(*Result), NULL, Overlapped);
}

DWORD WnbdIoctlRemove(HANDLE Adapter, const char *InstanceName, PWNBD_REMOVE_COMMAND_OPTIONS RemoveOptions,
                      LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_REMOVE_COMMAND Command = {0};
    if (!TextCopyName(Command.InstanceName, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_REMOVE;
    if (RemoveOptions) {
        Command.Options = *RemoveOptions;
    }
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

/* How every list begins. */
typedef struct {
    UINT32 ElementSize;
    UINT32 Count;
} LIST_HEADER;
_Static_assert(offsetof(WNBD_CONNECTION_LIST, Connections) == sizeof(LIST_HEADER) &&
                   offsetof(WNBD_OPTION_LIST, Options) == sizeof(LIST_HEADER),
               "a list's elements follow its header");

/* Bytes of a list of Count elements; a count that can't be is as large as a DWORD gets. */
static DWORD ListSize(const LIST_HEADER *List, UINT32 Count)
{
    UINT64 Size = sizeof(*List) + (UINT64)Count * List->ElementSize;
    return Size > MAXDWORD ? MAXDWORD : (DWORD)Size;
}

DWORD ControlList(HANDLE Adapter, void *In, DWORD InSize, void *List, PDWORD BufferSize, UINT32 ElementBytes,
                  LPOVERLAPPED Overlapped)
{
    if (!BufferSize || (!List && (*BufferSize || Overlapped))) {
        return ERROR_INVALID_PARAMETER;
    }
    if (Overlapped) {
        return ControlSend(Adapter, In, InSize, List, *BufferSize, 0, NULL, Overlapped);
    }
    /* The count comes with any answer: a buffer too small for that is replaced by one of ours. */
    LIST_HEADER Own = {0};
    LIST_HEADER *Target = *BufferSize < sizeof(Own) ? &Own : List;
    DWORD TargetSize = *BufferSize < sizeof(Own) ? sizeof(Own) : *BufferSize;
    DWORD Answered = 0;
    DWORD Error = ControlSend(Adapter, In, InSize, Target, TargetSize, sizeof(Own), &Answered, NULL);
    if (Error) {
        return Error;
    }
    if (Target->ElementSize < ElementBytes) {
        LogError("the driver lists elements of %u bytes, %u are expected", Target->ElementSize, ElementBytes);
        return ERROR_INVALID_DATA;
    }
    UINT32 Total = Target->Count;
    UINT32 Stored = (Answered - (DWORD)sizeof(Own)) / Target->ElementSize;
    Target->Count = Total < Stored ? Total : Stored;
    *BufferSize = ListSize(Target, Total);
    return ERROR_SUCCESS;
}

DWORD WnbdIoctlList(HANDLE Adapter, PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_LIST_COMMAND Command = {IOCTL_WNBD_LIST};
    return ControlList(Adapter, &Command, sizeof(Command), ConnectionList, BufferSize, sizeof(WNBD_CONNECTION_INFO),
                       Overlapped);
}

DWORD WnbdIoctlShow(HANDLE Adapter, const char *InstanceName, PWNBD_CONNECTION_INFO ConnectionInfo,
                    LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_SHOW_COMMAND Command = {0};
    if (!ConnectionInfo || !TextCopyName(Command.InstanceName, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_SHOW;
    return ControlSend(Adapter, &Command, sizeof(Command), ConnectionInfo, sizeof(*ConnectionInfo),
                       sizeof(*ConnectionInfo), NULL, Overlapped);
}

DWORD WnbdIoctlStats(HANDLE Adapter, const char *InstanceName, PWNBD_DRV_STATS Stats, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_STATS_COMMAND Command = {0};
    if (!Stats || !TextCopyName(Command.InstanceName, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_STATS;
    return ControlSend(Adapter, &Command, sizeof(Command), Stats, sizeof(*Stats), sizeof(*Stats), NULL, Overlapped);
}

DWORD WnbdIoctlStatsEx(HANDLE Adapter, const char *InstanceName, PWNBD_DRV_STATS_EX Stats, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_STATS_COMMAND Command = {0};
    if (!Stats || !TextCopyName(Command.InstanceName, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_STATS_EX;
    return ControlSend(Adapter, &Command, sizeof(Command), Stats, sizeof(*Stats), sizeof(*Stats), NULL, Overlapped);
}

DWORD WnbdIoctlVersion(HANDLE Adapter, PWNBD_VERSION Version, LPOVERLAPPED Overlapped)
{
    if (!Version) {
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_IOCTL_VERSION_COMMAND Command = {IOCTL_WNBD_VERSION};
    return ControlSend(Adapter, &Command, sizeof(Command), Version, sizeof(*Version), sizeof(*Version), NULL,
                       Overlapped);
}

DWORD WnbdIoctlReloadConfig(HANDLE Adapter, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_RELOAD_CONFIG_COMMAND Command = {IOCTL_WNBD_RELOAD_CONFIG};
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}
