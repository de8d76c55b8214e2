/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Restarting the adapter: Windows stops the device, if nobody objects, and
 * starts it again, which makes the driver read what it reads only then.
 */
#include "internal.h"

/* How long the adapter may take to work again. */
#define START_TIMEOUT_MS 15000

/* Whether there are disks, which a restart would end. */
static DWORD AdapterIsFree(TEXT *Cause)
{
    HANDLE Adapter;
    DWORD Needed = 0;
    DWORD Error = AdapterOpen(&Adapter, Cause);
    if (Error) {
        return Error;
    }
    Error = WnbdIoctlList(Adapter, NULL, &Needed, NULL);
    CloseHandle(Adapter);
    if (Error) {
        *Cause = ErrorText(Error);
    } else if (Needed > offsetof(WNBD_CONNECTION_LIST, Connections)) {
        *Cause = FormatText("there are disks");
        Error = ERROR_BUSY;
    }
    return Error;
}

/* One attempt to stop the adapter. */
static DWORD AdapterStop(DEVINST *Node, TEXT *Cause)
{
    DWORD Error = AdapterIsFree(Cause);
    if (Error) {
        return Error;
    }
    if (!AdapterDevInst(Node)) {
        *Cause = FormatText("there is no WNBD adapter");
        return ERROR_OPEN_FAILED;
    }
    return DeviceStop(*Node, Cause);
}

DWORD WnbdResetAdapterEx(DWORD TimeoutMs, DWORD RetryIntervalMs)
{
    DEVINST Node = 0;
    TEXT Cause;
    DEADLINE Deadline = DeadlineAfter(TimeoutMs == INFINITE ? 0 : TimeoutMs, TimeoutMs == INFINITE);
    DWORD Error = AdapterStop(&Node, &Cause);
    while (Error == ERROR_BUSY && DeadlinePause(&Deadline, RetryIntervalMs)) {
        Error = AdapterStop(&Node, &Cause);
    }
    if (!Error) {
        Error = DeviceStart(Node, &Cause);
    }
    if (!Error && !AdapterAwait(START_TIMEOUT_MS)) {
        Cause = FormatText("it did not start again within %d s", START_TIMEOUT_MS / 1000);
        Error = ERROR_DEVICE_NOT_AVAILABLE;
    }
    if (Error) {
        LogError("cannot restart the WNBD adapter: %s", Cause.Text);
    }
    return Error;
}

DWORD WnbdResetAdapter(VOID)
{
    return WnbdResetAdapterEx(0, 0);
}
