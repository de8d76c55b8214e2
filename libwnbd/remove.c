/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Removing disks.
 *
 * Soft: Windows is asked to eject the disk's device node, so that file systems
 * flush and whoever has the disk open can object (veto); then the driver
 * withdraws the unit. In this order, because a unit that is ejected but still
 * reported would come back with the next scan. Hard: the driver withdraws it
 * at once. Either way the disk counts as removed when Windows shows it no more.
 */
#include "disk.h"

#include <string.h>

/* How long Windows may take to notice that a disk is withdrawn. */
#define GONE_TIMEOUT_MS 60000
#define GONE_POLL_MS 50

/* DiskShow of one life of a disk; of whichever has the name now if ConnectionId is 0. */
static DWORD ShowOne(HANDLE Adapter, const char *Name, WNBD_CONNECTION_ID ConnectionId, WNBD_CONNECTION_INFO *Info)
{
    DWORD Error = DiskShow(Adapter, Name, Info);
    return !Error && ConnectionId && Info->ConnectionId != ConnectionId ? ERROR_FILE_NOT_FOUND : Error;
}

/* Has Windows let go of the disk; 0 if it has, or never had it. Otherwise *Cause says what stands in the way. */
static DWORD RemoveSoftly(HANDLE Adapter, const char *Name, WNBD_CONNECTION_ID ConnectionId,
                          const WNBD_REMOVE_OPTIONS *Options, TEXT *Cause)
{
    DEADLINE Deadline = DeadlineAfter(Options->SoftRemoveTimeoutMs, Options->SoftRemoveTimeoutMs == 0);
    for (;;) {
        /* Looked up at each attempt: Windows may make the disk or lose it meanwhile. */
        WNBD_CONNECTION_INFO Info;
        DWORD Error = ShowOne(Adapter, Name, ConnectionId, &Info);
        if (Error || !Info.PNPDeviceID[0]) {
            *Cause = ErrorText(Error);
            return Error;
        }
        Error = EjectDevice(Name, Info.PNPDeviceID, Cause);
        if (Error != ERROR_BUSY) {
            return Error;
        }
        if (!DeadlinePause(&Deadline, Options->SoftRemoveRetryIntervalMs)) {
            return ERROR_TIMEOUT;
        }
    }
}

/* The list of all disks, which the caller frees; NULL if there are none or Error is set. */
static PWNBD_CONNECTION_LIST ListAll(HANDLE Adapter, DWORD *Error)
{
    DWORD Needed = 0;
    *Error = WnbdIoctlList(Adapter, NULL, &Needed, NULL);
    while (!*Error && Needed > offsetof(WNBD_CONNECTION_LIST, Connections)) {
        DWORD Size = Needed;
        PWNBD_CONNECTION_LIST List = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, Size);
        if (!List) {
            *Error = ERROR_OUTOFMEMORY;
            break;
        }
        *Error = WnbdIoctlList(Adapter, List, &Needed, NULL);
        if (!*Error && Needed <= Size) {
            return List;
        }
        HeapFree(GetProcessHeap(), 0, List);
    }
    return NULL;
}

/* Element Index of a list, whose elements may be larger than ours. */
static PWNBD_CONNECTION_INFO ListElement(PWNBD_CONNECTION_LIST List, UINT32 Index)
{
    return (PWNBD_CONNECTION_INFO)((BYTE *)List->Connections + (size_t)Index * List->ElementSize);
}

/* The driver gives an address to another disk only when Windows has removed the old one's device. */
static bool AddressIsGivenAgain(HANDLE Adapter, const WNBD_CONNECTION_INFO *Old)
{
    DWORD Error;
    PWNBD_CONNECTION_LIST List = ListAll(Adapter, &Error);
    bool Given = false;
    for (UINT32 Index = 0; List && Index < List->Count && !Given; Index++) {
        PWNBD_CONNECTION_INFO Info = ListElement(List, Index);
        Given = Info->BusNumber == Old->BusNumber && Info->TargetId == Old->TargetId && Info->Lun == Old->Lun;
    }
    if (List) {
        HeapFree(GetProcessHeap(), 0, List);
    }
    return Given;
}

/*
 * Waits until Windows shows the disk no more, which it is told by the driver
 * and does on its own: a moment, usually. The driver tells it again if it
 * missed that, after 30 seconds at the latest.
 */
static DWORD AwaitGone(HANDLE Adapter, const char *Name, const WNBD_CONNECTION_INFO *Info)
{
    DEADLINE Deadline = DeadlineAfter(GONE_TIMEOUT_MS, false);
    while (WindowsDiskIsThere(Info->PNPDeviceID) && !AddressIsGivenAgain(Adapter, Info)) {
        if (!DeadlinePause(&Deadline, GONE_POLL_MS)) {
            LogError("%s is withdrawn, but Windows still shows its disk (%s)", Name,
                     NarrowText(Info->PNPDeviceID).Text);
            return ERROR_DEVICE_IN_USE;
        }
    }
    return ERROR_SUCCESS;
}

static DWORD RemoveOn(HANDLE Adapter, const char *Name, WNBD_CONNECTION_ID ConnectionId,
                      const WNBD_REMOVE_OPTIONS *Options)
{
    bool Asked = !Options->Flags.HardRemove;
    bool Forced = false;
    TEXT Cause;
    WNBD_CONNECTION_INFO Info;
    DWORD Shown = ShowOne(Adapter, Name, ConnectionId, &Info);
    if (Shown == ERROR_FILE_NOT_FOUND) {
        return Shown;
    }
    if (Shown) {
        /* Nothing to wait for; what is wrong, the driver says below. */
        Info.PNPDeviceID[0] = 0;
    }
    if (Asked) {
        DWORD Error = RemoveSoftly(Adapter, Name, ConnectionId, Options, &Cause);
        if (Error == ERROR_FILE_NOT_FOUND) {
            return Error;
        }
        if (Error && !Options->Flags.HardRemoveFallback) {
            LogError("Windows does not let go of %s: %s", Name, Cause.Text);
            return Error;
        }
        Forced = Error != ERROR_SUCCESS;
    }
    DWORD Error = WnbdIoctlRemove(Adapter, Name, NULL, NULL);
    /* The driver may have taken the ejection as the end of the disk. */
    if (Asked && !Forced && Error == ERROR_FILE_NOT_FOUND) {
        Error = ERROR_SUCCESS;
    }
    if (!Error && Info.PNPDeviceID[0]) {
        Error = AwaitGone(Adapter, Name, &Info);
    }
    if (!Error && Forced) {
        LogWarning("%s was removed hard, without Windows' consent: %s", Name, Cause.Text);
    }
    return Error;
}

DWORD DiskRemove(const char *InstanceName, WNBD_CONNECTION_ID ConnectionId, const WNBD_REMOVE_OPTIONS *Options)
{
    HANDLE Adapter;
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Error = RemoveOn(Adapter, InstanceName, ConnectionId, Options);
    if (Error) {
        LogError("cannot remove %s: %s", InstanceName, ErrorText(Error).Text);
    }
    CloseHandle(Adapter);
    return Error;
}

/* What a caller wants, or what is done where he doesn't say. */
static WNBD_REMOVE_OPTIONS OptionsOf(const WNBD_REMOVE_OPTIONS *Given)
{
    WNBD_REMOVE_OPTIONS Options = {0};
    Options.Flags.HardRemoveFallback = 1;
    Options.SoftRemoveTimeoutMs = WNBD_DEFAULT_RM_TIMEOUT_MS;
    Options.SoftRemoveRetryIntervalMs = WNBD_DEFAULT_RM_RETRY_INTERVAL_MS;
    return Given ? *Given : Options;
}

DWORD WnbdRemoveEx(const char *InstanceName, PWNBD_REMOVE_OPTIONS RemoveOptions)
{
    CHAR Name[WNBD_MAX_NAME_LENGTH];
    if (!TextCopyName(Name, InstanceName)) {
        LogError("cannot remove a disk: its name is missing, empty or too long");
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_REMOVE_OPTIONS Options = OptionsOf(RemoveOptions);
    return DiskRemove(Name, 0, &Options);
}

DWORD WnbdRemove(PWNBD_DISK Disk, PWNBD_REMOVE_OPTIONS RemoveOptions)
{
    if (!Disk || !Disk->Properties.InstanceName[0]) {
        LogError("cannot remove a disk: none was given");
        return ERROR_INVALID_PARAMETER;
    }
    WNBD_REMOVE_OPTIONS Options = OptionsOf(RemoveOptions);
    if (DiskOf(Disk)->Stop) {
        return DispatcherRemove(DiskOf(Disk), &Options);
    }
    return DiskRemove(Disk->Properties.InstanceName, Disk->ConnectionInfo.ConnectionId, &Options);
}

DWORD WnbdRemoveAllDisks(HANDLE AdapterHandle)
{
    if (!AdapterHandle || AdapterHandle == INVALID_HANDLE_VALUE) {
        LogError("cannot remove the disks: no adapter handle was given");
        return ERROR_INVALID_PARAMETER;
    }
    DWORD First;
    PWNBD_CONNECTION_LIST List = ListAll(AdapterHandle, &First);
    if (First) {
        LogError("cannot list the disks that are to be removed: %s", ErrorText(First).Text);
    }
    for (UINT32 Index = 0; List && Index < List->Count; Index++) {
        PWNBD_CONNECTION_INFO Info = ListElement(List, Index);
        DWORD Error = WnbdIoctlRemove(AdapterHandle, Info->Properties.InstanceName, NULL, NULL);
        if (Error && Error != ERROR_FILE_NOT_FOUND) {
            LogError("cannot remove %s: %s", Info->Properties.InstanceName, ErrorText(Error).Text);
            First = First ? First : Error;
        }
    }
    if (List) {
        HeapFree(GetProcessHeap(), 0, List);
    }
    return First;
}
