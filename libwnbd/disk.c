/* SPDX-License-Identifier: LGPL-2.1-only */
/* Disks: making, looking at and closing them. Removing is in remove.c. */
#include "disk.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* Says in the result, and in the log, why there is no disk. */
static DWORD CreateFail(PWNBD_CREATE_RESULT Result, DWORD Error, const char *Message)
{
    Result->Status = Error;
    snprintf(Result->Message, sizeof(Result->Message), "%s", Message);
    LogError("%s", Message);
    return Error;
}

/* Sends IOCTL_WNBD_CREATE_EX and reports what the driver said. */
static DWORD CreateOn(HANDLE Adapter, WNBD_PROPERTIES *Properties, PWNBD_CREATE_RESULT Result)
{
    DWORD Error = WnbdIoctlCreateEx(Adapter, Properties, Result, NULL);
    if (Error) {
        memset(Result, 0, sizeof(*Result));
        return CreateFail(Result, Error, FormatText("the driver refused the request: %s", ErrorText(Error).Text).Text);
    }
    Result->Message[sizeof(Result->Message) - 1] = 0;
    if (Result->Status) {
        LogError("cannot map %s: %s", Properties->InstanceName,
                 Result->Message[0] ? Result->Message : ErrorText(Result->Status).Text);
    } else if (Result->Message[0]) {
        LogWarning("%s: %s", Properties->InstanceName, Result->Message);
    }
    return Result->Status;
}

/* Makes an NBD disk and, if Adapter isn't NULL, gives the adapter's handle to the caller. */
static DWORD CreateNbd(const WNBD_PROPERTIES *Properties, PWNBD_CREATE_RESULT Result, HANDLE *Adapter)
{
    TEXT Cause;
    WNBD_PROPERTIES Own = {0};
    memset(Result, 0, sizeof(*Result));
    if (Properties) {
        Own = *Properties;
        Own.Flags.UseKernelNbd = 1;
    }
    if (!PropertiesAreValid(Properties ? &Own : NULL, &Cause)) {
        return CreateFail(Result, ERROR_INVALID_PARAMETER, Cause.Text);
    }
    if (Own.Flags.UseUserspaceNbd) {
        return CreateFail(Result, ERROR_INVALID_PARAMETER, "UseKernelNbd and UseUserspaceNbd exclude each other");
    }
    HANDLE Opened;
    DWORD Error = AdapterOpen(&Opened, &Cause);
    if (Error) {
        return CreateFail(Result, Error, Cause.Text);
    }
    Error = CreateOn(Opened, &Own, Result);
    if (Error || !Adapter) {
        CloseHandle(Opened);
    } else {
        *Adapter = Opened;
    }
    return Error;
}

DWORD WnbdCreateNbd(const PWNBD_PROPERTIES Properties, PWNBD_CREATE_RESULT Result)
{
    if (!Result) {
        return ERROR_INVALID_PARAMETER;
    }
    return CreateNbd(Properties, Result, NULL);
}

void DiskReference(DISK *Disk)
{
    InterlockedIncrement(&Disk->References);
}

void DiskRelease(DISK *Disk)
{
    if (InterlockedDecrement(&Disk->References)) {
        return;
    }
    DispatcherFree(Disk);
    if (Disk->Stop) {
        CloseHandle(Disk->Stop);
    }
    if (Disk->Public.Handle) {
        CloseHandle(Disk->Public.Handle);
    }
    HeapFree(GetProcessHeap(), 0, Disk);
}

/* A callback that is missing is an ability that the disk doesn't have. */
static WNBD_PROPERTIES ProvidedProperties(const WNBD_PROPERTIES *Properties, const WNBD_INTERFACE *Interface)
{
    WNBD_PROPERTIES Own = *Properties;
    Own.Flags.ReadOnly = Own.Flags.ReadOnly || !Interface->Write;
    Own.Flags.FlushSupported = Own.Flags.FlushSupported && Interface->Flush;
    Own.Flags.FUASupported = Own.Flags.FUASupported && Interface->Write;
    Own.Flags.UnmapSupported = Own.Flags.UnmapSupported && Interface->Unmap;
    Own.Flags.UnmapAnchorSupported = Own.Flags.UnmapAnchorSupported && Interface->Unmap;
    Own.Flags.PersistResSupported =
        Own.Flags.PersistResSupported && Interface->PersistResIn && Interface->PersistResOut;
    return Own;
}

/* Makes a disk that this process serves. */
static DWORD CreateProvided(const WNBD_PROPERTIES *Properties, const WNBD_INTERFACE *Interface, DISK *Disk)
{
    if (!Interface || !Interface->Read) {
        LogError("disk %.*s: there is no callback that reads", WNBD_MAX_NAME_LENGTH, Properties->InstanceName);
        return ERROR_INVALID_PARAMETER;
    }
    Disk->Stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!Disk->Stop) {
        return ERROR_OUTOFMEMORY;
    }
    WNBD_PROPERTIES Own = ProvidedProperties(Properties, Interface);
    HANDLE Adapter;
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Disk->Public.Handle = Adapter;
    Error = WnbdIoctlCreate(Adapter, &Own, &Disk->Public.ConnectionInfo, NULL);
    if (Error) {
        LogError("cannot make disk %.*s: %s", WNBD_MAX_NAME_LENGTH, Own.InstanceName, ErrorText(Error).Text);
    }
    return Error;
}

DWORD WnbdCreate(const PWNBD_PROPERTIES Properties, const PWNBD_INTERFACE Interface, PVOID Context, PWNBD_DISK *PDisk)
{
    if (!Properties || !PDisk) {
        return ERROR_INVALID_PARAMETER;
    }
    DISK *Disk = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(*Disk));
    if (!Disk) {
        return ERROR_OUTOFMEMORY;
    }
    Disk->References = 1;
    InitializeSRWLock(&Disk->Lock);
    Disk->Public.Context = Context;
    Disk->Public.Interface = Interface;
    DWORD Error;
    if (Properties->Flags.UseKernelNbd) {
        WNBD_CREATE_RESULT Result;
        Error = CreateNbd(Properties, &Result, &Disk->Public.Handle);
        Disk->Public.ConnectionInfo = Result.ConnectionInfo;
    } else {
        Error = CreateProvided(Properties, Interface, Disk);
    }
    if (Error) {
        DiskRelease(Disk);
        return Error;
    }
    Disk->Public.Properties = Disk->Public.ConnectionInfo.Properties;
    *PDisk = &Disk->Public;
    return ERROR_SUCCESS;
}

VOID WnbdClose(PWNBD_DISK Disk)
{
    if (!Disk) {
        return;
    }
    if (DiskOf(Disk)->Stop) {
        DispatcherClose(DiskOf(Disk));
    }
    DiskRelease(DiskOf(Disk));
}

DWORD WnbdGetUserContext(PWNBD_DISK Disk, PVOID *Context)
{
    if (!Disk || !Context) {
        return ERROR_INVALID_PARAMETER;
    }
    *Context = Disk->Context;
    return ERROR_SUCCESS;
}

DWORD WnbdGetConnectionInfo(PWNBD_DISK Disk, PWNBD_CONNECTION_INFO ConnectionInfo)
{
    if (!Disk || !ConnectionInfo) {
        return ERROR_INVALID_PARAMETER;
    }
    AcquireSRWLockShared(&DiskOf(Disk)->Lock);
    *ConnectionInfo = Disk->ConnectionInfo;
    ReleaseSRWLockShared(&DiskOf(Disk)->Lock);
    return ERROR_SUCCESS;
}

DWORD WnbdList(PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize)
{
    if (!BufferSize || (!ConnectionList && *BufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    HANDLE Adapter;
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    DWORD Given = *BufferSize;
    Error = WnbdIoctlList(Adapter, ConnectionList, BufferSize, NULL);
    if (!Error && Given >= sizeof(*ConnectionList) && ConnectionList->Count) {
        WINDOWS_DISKS Found;
        Error = WindowsDisksFind(Adapter, &Found);
        for (UINT32 Index = 0; !Error && Index < ConnectionList->Count; Index++) {
            BYTE *Element = (BYTE *)ConnectionList->Connections + (size_t)Index * ConnectionList->ElementSize;
            PWNBD_CONNECTION_INFO Info = (PWNBD_CONNECTION_INFO)Element;
            WindowsDiskDescribe(WindowsDiskOf(&Found, Info), Info);
        }
        WindowsDisksFree(&Found);
    }
    CloseHandle(Adapter);
    return Error;
}

DWORD DiskShow(HANDLE Adapter, const char *InstanceName, WNBD_CONNECTION_INFO *Info)
{
    WINDOWS_DISKS Found;
    DWORD Error = WnbdIoctlShow(Adapter, InstanceName, Info, NULL);
    if (Error) {
        return Error;
    }
    Error = WindowsDisksFind(Adapter, &Found);
    if (Error) {
        LogError("cannot look for the disk of %s: %s", InstanceName, ErrorText(Error).Text);
        return Error;
    }
    WindowsDiskDescribe(WindowsDiskOf(&Found, Info), Info);
    WindowsDisksFree(&Found);
    return ERROR_SUCCESS;
}

DWORD WnbdShow(const char *InstanceName, PWNBD_CONNECTION_INFO ConnectionInfo)
{
    CHAR Name[WNBD_MAX_NAME_LENGTH];
    HANDLE Adapter;
    if (!ConnectionInfo || !TextCopyName(Name, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Error = DiskShow(Adapter, Name, ConnectionInfo);
    CloseHandle(Adapter);
    return Error;
}

DWORD WnbdGetDriverStats(const char *InstanceName, PWNBD_DRV_STATS Stats)
{
    CHAR Name[WNBD_MAX_NAME_LENGTH];
    HANDLE Adapter;
    if (!Stats || !TextCopyName(Name, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Error = WnbdIoctlStats(Adapter, Name, Stats, NULL);
    CloseHandle(Adapter);
    return Error;
}

DWORD WnbdGetDriverStatsEx(const char *InstanceName, PWNBD_DRV_STATS_EX Stats)
{
    CHAR Name[WNBD_MAX_NAME_LENGTH];
    HANDLE Adapter;
    if (!Stats || !TextCopyName(Name, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Error = WnbdIoctlStatsEx(Adapter, Name, Stats, NULL);
    CloseHandle(Adapter);
    return Error;
}

/* Whether \\.\PhysicalDriveN opens for what the disk allows. */
static bool DiskOpens(const WNBD_CONNECTION_INFO *Info)
{
    WCHAR Path[64];
    DWORD Access = Info->Properties.Flags.ReadOnly ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE;
    swprintf(Path, sizeof(Path) / sizeof(Path[0]), L"\\\\.\\PhysicalDrive%d", Info->DiskNumber);
    HANDLE Device = CreateFileW(Path, Access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (Device == INVALID_HANDLE_VALUE) {
        LogDebug("%s doesn't open yet: %s", NarrowText(Path).Text, ErrorText(GetLastError()).Text);
        return false;
    }
    CloseHandle(Device);
    return true;
}

DWORD WnbdPollDiskNumber(const char *InstanceName, BOOLEAN ExpectMapped, BOOLEAN TryOpen, DWORD TimeoutMs,
                         DWORD RetryIntervalMs, PDWORD DiskNumber)
{
    CHAR Name[WNBD_MAX_NAME_LENGTH];
    HANDLE Adapter;
    if (!DiskNumber || !TextCopyName(Name, InstanceName)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    DEADLINE Deadline = DeadlineAfter(TimeoutMs == INFINITE ? 0 : TimeoutMs, TimeoutMs == INFINITE);
    for (;;) {
        WNBD_CONNECTION_INFO Info;
        Error = DiskShow(Adapter, Name, &Info);
        if (!Error && Info.DiskNumber >= 0 && (!TryOpen || DiskOpens(&Info))) {
            *DiskNumber = (DWORD)Info.DiskNumber;
            break;
        }
        if (Error && (Error != ERROR_FILE_NOT_FOUND || ExpectMapped)) {
            break;
        }
        if (!DeadlinePause(&Deadline, RetryIntervalMs)) {
            LogError("Windows has made no disk of %s within %lu ms", Name, TimeoutMs);
            Error = ERROR_TIMEOUT;
            break;
        }
    }
    CloseHandle(Adapter);
    return Error;
}
