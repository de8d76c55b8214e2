/* SPDX-License-Identifier: LGPL-2.1-only */
/* The commands of a process that serves a disk: one function each. */
#include "disk.h"

DWORD WnbdIoctlFetchRequest(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, PWNBD_IO_REQUEST Request, PVOID DataBuffer,
                            UINT32 DataBufferSize, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Command = {0};
    if (!Request || (!DataBuffer && DataBufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_FETCH_REQ;
    Command.ConnectionId = ConnectionId;
    Command.DataBuffer = DataBuffer;
    Command.DataBufferSize = DataBufferSize;
    if (Overlapped) {
        /* Only the caller's memory lives long enough: the driver is asked for the request alone. */
        return ControlSend(Adapter, &Command, sizeof(Command), Request, sizeof(*Request), 0, NULL, Overlapped);
    }
    DWORD Error =
        ControlSend(Adapter, &Command, sizeof(Command), &Command, sizeof(Command), sizeof(Command), NULL, NULL);
    if (!Error) {
        *Request = Command.Request;
    }
    return Error;
}

DWORD WnbdIoctlSendResponse(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, PWNBD_IO_RESPONSE Response,
                            PVOID DataBuffer, UINT32 DataBufferSize, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_SEND_RSP_COMMAND Command = {0};
    if (!Response || (!DataBuffer && DataBufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_SEND_RSP;
    Command.ConnectionId = ConnectionId;
    Command.Response = *Response;
    Command.DataBuffer = DataBuffer;
    Command.DataBufferSize = DataBufferSize;
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

DWORD WnbdIoctlSetDiskSize(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, UINT64 BlockCount, LPOVERLAPPED Overlapped)
{
    WNBD_IOCTL_SET_SIZE_COMMAND Command = {0};
    if (!BlockCount) {
        return ERROR_INVALID_PARAMETER;
    }
    Command.IoControlCode = IOCTL_WNBD_SET_DISK_SIZE;
    Command.ConnectionId = ConnectionId;
    Command.BlockCount = BlockCount;
    return ControlSend(Adapter, &Command, sizeof(Command), NULL, 0, 0, NULL, Overlapped);
}

DWORD WnbdSetDiskSize(PWNBD_DISK Disk, UINT64 BlockCount)
{
    if (!Disk) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = WnbdIoctlSetDiskSize(Disk->Handle, Disk->ConnectionInfo.ConnectionId, BlockCount, NULL);
    if (Error) {
        LogError("cannot change the size of %s to %llu blocks: %s", Disk->Properties.InstanceName, BlockCount,
                 ErrorText(Error).Text);
        return Error;
    }
    AcquireSRWLockExclusive(&DiskOf(Disk)->Lock);
    Disk->Properties.BlockCount = BlockCount;
    Disk->ConnectionInfo.Properties.BlockCount = BlockCount;
    ReleaseSRWLockExclusive(&DiskOf(Disk)->Lock);
    return ERROR_SUCCESS;
}
