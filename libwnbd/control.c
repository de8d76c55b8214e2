/* SPDX-License-Identifier: LGPL-2.1-only */
/* The one place that talks to the driver, and the functions that send one command each. */
#include "internal.h"

#include <string.h>

/* Waits for a request of ours. The event's low bit keeps the result away from a completion port of the caller's. */
static DWORD ControlWait(HANDLE Adapter, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD *Returned)
{
    OVERLAPPED Wait = {0};
    HANDLE Event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!Event) {
        return GetLastError();
    }
    Wait.hEvent = (HANDLE)((ULONG_PTR)Event | 1);
    DWORD Error = ERROR_SUCCESS;
    *Returned = 0;
    if (!DeviceIoControl(Adapter, WNBD_IOCTL_CONTROL_CODE, In, InSize, Out, OutSize, NULL, &Wait)) {
        Error = GetLastError();
    }
    if (Error == ERROR_IO_PENDING || Error == ERROR_SUCCESS) {
        Error = GetOverlappedResult(Adapter, &Wait, Returned, TRUE) ? ERROR_SUCCESS : GetLastError();
    }
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
    DWORD Error = ControlWait(Adapter, In, InSize, Out, OutSize, &Answered);
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

/* Bytes of a list of Count disks; a count that can't be is as large as a DWORD gets. */
static DWORD ListSize(UINT32 Count, UINT32 ElementSize)
{
    UINT64 Size = offsetof(WNBD_CONNECTION_LIST, Connections) + (UINT64)Count * ElementSize;
    return Size > MAXDWORD ? MAXDWORD : (DWORD)Size;
}

DWORD WnbdIoctlList(HANDLE Adapter, PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize, LPOVERLAPPED Overlapped)
{
    if (!BufferSize || (!ConnectionList && (*BufferSize || Overlapped))) {
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_IOCTL_LIST_COMMAND Command = {IOCTL_WNBD_LIST};
    if (Overlapped) {
        return ControlSend(Adapter, &Command, sizeof(Command), ConnectionList, *BufferSize, 0, NULL, Overlapped);
    }
    const DWORD HeaderBytes = offsetof(WNBD_CONNECTION_LIST, Connections);
    /* The count comes with any answer: a buffer too small for one disk is replaced by one of ours. */
    WNBD_CONNECTION_LIST Own = {0};
    bool TooSmall = *BufferSize < sizeof(Own);
    PWNBD_CONNECTION_LIST Target = TooSmall ? &Own : ConnectionList;
    DWORD TargetSize = TooSmall ? sizeof(Own) : *BufferSize;
    DWORD Answered = 0;
    DWORD Error = ControlSend(Adapter, &Command, sizeof(Command), Target, TargetSize, HeaderBytes, &Answered, NULL);
    if (Error) {
        return Error;
    }
    if (Target->ElementSize < sizeof(WNBD_CONNECTION_INFO)) {
        LogError("the driver lists disks of %u bytes, %u are expected", Target->ElementSize,
                 (unsigned)sizeof(WNBD_CONNECTION_INFO));
        return ERROR_INVALID_DATA;
    }
    UINT32 Total = Target->Count;
    UINT32 Stored = (Answered - HeaderBytes) / Target->ElementSize;
    Target->Count = Total < Stored ? Total : Stored;
    if (TooSmall && *BufferSize >= HeaderBytes) {
        ConnectionList->ElementSize = Own.ElementSize;
        ConnectionList->Count = 0;
    }
    *BufferSize = ListSize(Total, Target->ElementSize);
    return ERROR_SUCCESS;
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
