/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The dispatcher: threads that fetch the requests to a disk of this process,
 * check them and call the disk's callbacks.
 *
 * It ends when the driver says that the disk is gone (DISCONNECT), when it
 * can't be asked any more, or when this process has removed the disk hard. Who
 * of the threads learns of it first sets the event Stop, and each of the
 * others takes its own fetch back.
 */
#include "disk.h"

/* SPC, "Sense key and sense code definitions". */
#define SENSE_ILLEGAL_REQUEST 0x05
#define ASC_INVALID_COMMAND 0x20
#define ASC_INVALID_FIELD 0x24

#define BUFFER_BYTES ((UINT32)WNBD_DEFAULT_MAX_TRANSFER_LENGTH)

struct WORKER {
    DISK *Disk;
    HANDLE Thread;
    DWORD ThreadId;
    bool Wanted;  /* the dispatcher has been started */
    HANDLE Done;  /* event of Fetch */
    PVOID Buffer; /* BUFFER_BYTES */
    OVERLAPPED Fetch;
    WNBD_IOCTL_FETCH_REQ_COMMAND Command;
};

/* ---- one request ---- */

/* Whether Count blocks at Address are a range, and fit into Bytes. */
static bool RangeFits(const DISK *Disk, UINT64 Address, UINT32 Count, UINT32 Bytes)
{
    return Count > 0 && Address <= MAXUINT64 - Count &&
           (UINT64)Count * Disk->Public.Properties.BlockSize <= (UINT64)Bytes;
}

/* Why a request can't be given to a callback, as an additional sense code; 0 if it can. */
static UINT8 RequestRefusal(const WORKER *Worker)
{
    const DISK *Disk = Worker->Disk;
    const WNBD_INTERFACE *Interface = Disk->Public.Interface;
    const WNBD_IO_REQUEST *Request = &Worker->Command.Request;
    UINT32 Filled = Worker->Command.DataBufferSize;
    bool Known, Good;
    if (Filled > BUFFER_BYTES) {
        Filled = 0;
    }
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        Known = Interface->Read != NULL;
        Good = RangeFits(Disk, Request->Cmd.Read.BlockAddress, Request->Cmd.Read.BlockCount, BUFFER_BYTES);
        break;
    case WnbdReqTypeWrite:
        Known = Interface->Write != NULL;
        Good = RangeFits(Disk, Request->Cmd.Write.BlockAddress, Request->Cmd.Write.BlockCount, Filled);
        break;
    case WnbdReqTypeFlush:
        Known = Interface->Flush != NULL;
        Good = true;
        break;
    case WnbdReqTypeUnmap:
        Known = Interface->Unmap != NULL;
        Good = Request->Cmd.Unmap.Count > 0 && Request->Cmd.Unmap.Count <= Filled / sizeof(WNBD_UNMAP_DESCRIPTOR);
        break;
    case WnbdReqTypePersistResIn:
        Known = Interface->PersistResIn != NULL;
        Good = true;
        break;
    case WnbdReqTypePersistResOut:
        Known = Interface->PersistResOut != NULL;
        Good = Request->Cmd.PersistResOut.ParameterListLength <= Filled;
        break;
    case WnbdReqTypeUnknown:
    case WnbdReqTypeDisconnect:
    default:
        Known = false;
        Good = false;
        break;
    }
    return Known ? (Good ? 0 : ASC_INVALID_FIELD) : ASC_INVALID_COMMAND;
}

/* Answers a request in place of the program. */
static void RequestRefuse(const WORKER *Worker, UINT8 Asc)
{
    const WNBD_IO_REQUEST *Request = &Worker->Command.Request;
    DISK *Disk = Worker->Disk;
    WNBD_IO_RESPONSE Response = {0};
    LogWarning("%s: a request of type %d (%s) is refused: %s", Disk->Public.Properties.InstanceName,
               (int)Request->RequestType, WnbdRequestTypeToStr(Request->RequestType),
               Asc == ASC_INVALID_COMMAND ? "the disk has no callback for it" : "its values don't fit together");
    Response.RequestHandle = Request->RequestHandle;
    Response.RequestType = Request->RequestType;
    WnbdSetSense(&Response.Status, SENSE_ILLEGAL_REQUEST, Asc);
    DWORD Error =
        WnbdIoctlSendResponse(Disk->Public.Handle, Disk->Public.ConnectionInfo.ConnectionId, &Response, NULL, 0, NULL);
    if (Error) {
        LogDebug("the driver did not take the refusal: %s", ErrorText(Error).Text);
    }
}

static void RequestCall(const WORKER *Worker)
{
    PWNBD_DISK Disk = &Worker->Disk->Public;
    const WNBD_INTERFACE *Interface = Disk->Interface;
    const WNBD_IO_REQUEST *Request = &Worker->Command.Request;
    UINT64 Handle = Request->RequestHandle;
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        Interface->Read(Disk, Handle, Worker->Buffer, Request->Cmd.Read.BlockAddress, Request->Cmd.Read.BlockCount,
                        (BOOLEAN)Request->Cmd.Read.ForceUnitAccess);
        break;
    case WnbdReqTypeWrite:
        Interface->Write(Disk, Handle, Worker->Buffer, Request->Cmd.Write.BlockAddress, Request->Cmd.Write.BlockCount,
                         (BOOLEAN)Request->Cmd.Write.ForceUnitAccess);
        break;
    case WnbdReqTypeFlush:
        Interface->Flush(Disk, Handle, Request->Cmd.Flush.BlockAddress, Request->Cmd.Flush.BlockCount);
        break;
    case WnbdReqTypeUnmap:
        Interface->Unmap(Disk, Handle, Worker->Buffer, Request->Cmd.Unmap.Count);
        break;
    case WnbdReqTypePersistResIn:
        Interface->PersistResIn(Disk, Handle, Request->Cmd.PersistResIn.ServiceAction);
        break;
    case WnbdReqTypePersistResOut:
        Interface->PersistResOut(Disk, Handle, Request->Cmd.PersistResOut.ServiceAction,
                                 Request->Cmd.PersistResOut.Scope, Request->Cmd.PersistResOut.Type, Worker->Buffer,
                                 Request->Cmd.PersistResOut.ParameterListLength);
        break;
    case WnbdReqTypeUnknown:
    case WnbdReqTypeDisconnect:
    default:
        break;
    }
}

static void RequestDispatch(const WORKER *Worker)
{
    StatsReceived(Worker->Disk);
    UINT8 Asc = RequestRefusal(Worker);
    if (Asc) {
        StatsInvalid(Worker->Disk);
        RequestRefuse(Worker, Asc);
    } else {
        StatsSubmitted(Worker->Disk, &Worker->Command.Request);
        RequestCall(Worker);
    }
}

/* ---- the threads ---- */

static bool IsStopped(const DISK *Disk)
{
    return WaitForSingleObject(Disk->Stop, 0) == WAIT_OBJECT_0;
}

/* Waits for a request; ERROR_OPERATION_ABORTED if the dispatcher is told to stop first. */
static DWORD WorkerFetch(WORKER *Worker)
{
    HANDLE Adapter = Worker->Disk->Public.Handle;
    const OVERLAPPED None = {0};
    const WNBD_IOCTL_FETCH_REQ_COMMAND Empty = {0};
    DWORD Answered = 0;
    if (IsStopped(Worker->Disk)) {
        return ERROR_OPERATION_ABORTED;
    }
    Worker->Command = Empty;
    Worker->Command.IoControlCode = IOCTL_WNBD_FETCH_REQ;
    Worker->Command.ConnectionId = Worker->Disk->Public.ConnectionInfo.ConnectionId;
    Worker->Command.DataBuffer = Worker->Buffer;
    Worker->Command.DataBufferSize = BUFFER_BYTES;
    Worker->Fetch = None;
    /* The low bit keeps the result away from a completion port of the program's. */
    Worker->Fetch.hEvent = (HANDLE)((ULONG_PTR)Worker->Done | 1);
    DWORD Error = ControlSend(Adapter, &Worker->Command, sizeof(Worker->Command), &Worker->Command,
                              sizeof(Worker->Command), 0, NULL, &Worker->Fetch);
    if (Error == ERROR_IO_PENDING) {
        const HANDLE Either[] = {Worker->Done, Worker->Disk->Stop};
        if (WaitForMultipleObjects(2, Either, FALSE, INFINITE) != WAIT_OBJECT_0) {
            CancelIoEx(Adapter, &Worker->Fetch);
        }
        Error = ERROR_SUCCESS;
    }
    if (!Error && !GetOverlappedResult(Adapter, &Worker->Fetch, &Answered, TRUE)) {
        Error = GetLastError();
    }
    return !Error && Answered < sizeof(Worker->Command) ? ERROR_INVALID_DATA : Error;
}

/* What a thread that stops fetching says about the disk. Error: 0 if the driver disconnected. */
static void WorkerEnd(DISK *Disk, DWORD Error)
{
    AcquireSRWLockExclusive(&Disk->Lock);
    if (!Disk->Ended && !IsStopped(Disk)) {
        /*
         * Whoever removed it, a fetch that comes after the driver's farewell is told that there is no such disk. Where
         * this process removes it, any error is how the driver says that it is gone.
         */
        bool Gone = Error == ERROR_FILE_NOT_FOUND || Disk->Removals || Disk->Removed;
        Disk->Error = Gone ? ERROR_SUCCESS : Error;
        if (Disk->Error) {
            LogError("%s can't be served any more: %s", Disk->Public.Properties.InstanceName,
                     ErrorText(Disk->Error).Text);
        }
        Disk->Ended = true;
        Disk->Public.Stopping = TRUE;
    }
    SetEvent(Disk->Stop);
    if (--Disk->Living == 0) {
        Disk->Public.Stopped = TRUE;
    }
    ReleaseSRWLockExclusive(&Disk->Lock);
}

static DWORD WINAPI WorkerRun(LPVOID Parameter)
{
    WORKER *Worker = Parameter;
    DISK *Disk = Worker->Disk;
    /* Free when all threads are there, or when that has failed. */
    AcquireSRWLockShared(&Disk->Lock);
    bool Wanted = Worker->Wanted;
    ReleaseSRWLockShared(&Disk->Lock);
    if (Wanted) {
        DWORD Error = WorkerFetch(Worker);
        while (!Error && Worker->Command.Request.RequestType != WnbdReqTypeDisconnect) {
            RequestDispatch(Worker);
            Error = WorkerFetch(Worker);
        }
        WorkerEnd(Disk, Error);
    }
    DiskRelease(Disk);
    return 0;
}

static bool WorkerCreate(DISK *Disk, WORKER *Worker)
{
    Worker->Disk = Disk;
    Worker->Done = CreateEventW(NULL, TRUE, FALSE, NULL);
    Worker->Buffer = VirtualAlloc(NULL, BUFFER_BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!Worker->Done || !Worker->Buffer) {
        return false;
    }
    DiskReference(Disk);
    Worker->Thread = CreateThread(NULL, 0, WorkerRun, Worker, 0, &Worker->ThreadId);
    if (!Worker->Thread) {
        DiskRelease(Disk);
        return false;
    }
    return true;
}

static void WorkersFree(WORKER *Workers, DWORD Count)
{
    for (DWORD Index = 0; Index < Count; Index++) {
        if (Workers[Index].Thread) {
            CloseHandle(Workers[Index].Thread);
        }
        if (Workers[Index].Done) {
            CloseHandle(Workers[Index].Done);
        }
        if (Workers[Index].Buffer) {
            VirtualFree(Workers[Index].Buffer, 0, MEM_RELEASE);
        }
    }
    HeapFree(GetProcessHeap(), 0, Workers);
}

/* Waits for threads; those that were never made are left out. */
static void WorkersAwait(const WORKER *Workers, DWORD Count)
{
    for (DWORD Index = 0; Index < Count; Index++) {
        if (Workers[Index].Thread) {
            WaitForSingleObject(Workers[Index].Thread, INFINITE);
        }
    }
}

/* Gives the disk its threads, which then run. Lock held. */
static void WorkersStart(DISK *Disk, WORKER *Workers, HANDLE *Threads, DWORD Count)
{
    for (DWORD Index = 0; Index < Count; Index++) {
        Workers[Index].Wanted = true;
        Threads[Index] = Workers[Index].Thread;
    }
    Disk->Workers = Workers;
    Disk->Living = Count;
    Disk->Public.DispatcherThreads = Threads;
    Disk->Public.DispatcherThreadsCount = Count;
    Disk->Public.Started = TRUE;
}

DWORD WnbdStartDispatcher(PWNBD_DISK PublicDisk, DWORD ThreadCount)
{
    DISK *Disk = DiskOf(PublicDisk);
    if (!Disk || ThreadCount < WNBD_MIN_DISPATCHER_THREAD_COUNT || ThreadCount > WNBD_MAX_DISPATCHER_THREAD_COUNT) {
        return ERROR_INVALID_PARAMETER;
    }
    if (!Disk->Stop) {
        return ERROR_NOT_SUPPORTED;
    }
    WORKER *Workers = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, ThreadCount * sizeof(*Workers));
    HANDLE *Threads = (HANDLE *)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, ThreadCount * sizeof(*Threads));
    DWORD Error = Workers && Threads ? ERROR_SUCCESS : ERROR_OUTOFMEMORY;
    AcquireSRWLockExclusive(&Disk->Lock);
    if (!Error && Disk->Public.Started) {
        Error = ERROR_ALREADY_INITIALIZED;
    }
    for (DWORD Index = 0; !Error && Index < ThreadCount; Index++) {
        Error = WorkerCreate(Disk, &Workers[Index]) ? ERROR_SUCCESS : ERROR_OUTOFMEMORY;
    }
    if (!Error) {
        WorkersStart(Disk, Workers, Threads, ThreadCount);
    }
    ReleaseSRWLockExclusive(&Disk->Lock);
    if (Error) {
        LogError("cannot start %lu threads for %s: %s", ThreadCount, PublicDisk->Properties.InstanceName,
                 ErrorText(Error).Text);
        if (Workers) {
            WorkersAwait(Workers, ThreadCount);
            WorkersFree(Workers, ThreadCount);
        }
        if (Threads) {
            HeapFree(GetProcessHeap(), 0, (void *)Threads);
        }
    }
    return Error;
}

/* Whether the calling thread is one of the dispatcher's. */
static bool IsWorker(DISK *Disk)
{
    DWORD Self = GetCurrentThreadId();
    bool Found = false;
    AcquireSRWLockShared(&Disk->Lock);
    for (UINT32 Index = 0; Index < Disk->Public.DispatcherThreadsCount && !Found; Index++) {
        Found = Disk->Workers[Index].ThreadId == Self;
    }
    ReleaseSRWLockShared(&Disk->Lock);
    return Found;
}

DWORD WnbdWaitDispatcher(PWNBD_DISK PublicDisk)
{
    DISK *Disk = DiskOf(PublicDisk);
    if (!Disk) {
        return ERROR_INVALID_PARAMETER;
    }
    AcquireSRWLockShared(&Disk->Lock);
    bool Started = PublicDisk->Started;
    ReleaseSRWLockShared(&Disk->Lock);
    if (!Started) {
        return ERROR_NOT_READY;
    }
    if (IsWorker(Disk)) {
        return ERROR_POSSIBLE_DEADLOCK;
    }
    WorkersAwait(Disk->Workers, PublicDisk->DispatcherThreadsCount);
    return Disk->Error;
}

/* ---- the end ---- */

static DWORD RemoveNow(DISK *Disk, const WNBD_REMOVE_OPTIONS *Options)
{
    /* The dispatcher ends before this does, and whoever waits for it may close the disk. */
    DiskReference(Disk);
    AcquireSRWLockExclusive(&Disk->Lock);
    Disk->Removals++;
    Disk->Public.Stopping = TRUE;
    ReleaseSRWLockExclusive(&Disk->Lock);
    DWORD Error = DiskRemove(Disk->Public.Properties.InstanceName, Disk->Public.ConnectionInfo.ConnectionId, Options);
    AcquireSRWLockExclusive(&Disk->Lock);
    Disk->Removals--;
    Disk->Removed = Disk->Removed || !Error;
    Disk->Public.Stopping = Disk->Removals || Disk->Removed || Disk->Ended;
    ReleaseSRWLockExclusive(&Disk->Lock);
    if (!Error && Options->Flags.HardRemove) {
        /* After a soft removal the driver says when the last request is answered; after this one nobody waits. */
        SetEvent(Disk->Stop);
    }
    DiskRelease(Disk);
    return Error;
}

/* What a removal needs that another thread carries out. */
typedef struct {
    DISK *Disk;
    WNBD_REMOVE_OPTIONS Options;
} ERRAND;

static DWORD WINAPI ErrandRun(LPVOID Parameter)
{
    ERRAND *Errand = Parameter;
    RemoveNow(Errand->Disk, &Errand->Options);
    DiskRelease(Errand->Disk);
    HeapFree(GetProcessHeap(), 0, Errand);
    return 0;
}

static DWORD RemoveByErrand(DISK *Disk, const WNBD_REMOVE_OPTIONS *Options)
{
    ERRAND *Errand = HeapAlloc(GetProcessHeap(), 0, sizeof(*Errand));
    if (!Errand) {
        return ERROR_OUTOFMEMORY;
    }
    Errand->Disk = Disk;
    Errand->Options = *Options;
    DiskReference(Disk);
    HANDLE Thread = CreateThread(NULL, 0, ErrandRun, Errand, 0, NULL);
    if (!Thread) {
        DiskRelease(Disk);
        HeapFree(GetProcessHeap(), 0, Errand);
        return ERROR_OUTOFMEMORY;
    }
    CloseHandle(Thread);
    return ERROR_SUCCESS;
}

DWORD DispatcherRemove(DISK *Disk, const WNBD_REMOVE_OPTIONS *Options)
{
    return IsWorker(Disk) ? RemoveByErrand(Disk, Options) : RemoveNow(Disk, Options);
}

DWORD WnbdStopDispatcher(PWNBD_DISK Disk, PWNBD_REMOVE_OPTIONS RemoveOptions)
{
    if (Disk && !DiskOf(Disk)->Stop) {
        return ERROR_NOT_SUPPORTED;
    }
    return WnbdRemove(Disk, RemoveOptions);
}

/* Whether the driver still has this disk, and not another one of the same name. */
static bool DiskIsThere(DISK *Disk)
{
    WNBD_CONNECTION_INFO Info;
    return !WnbdIoctlShow(Disk->Public.Handle, Disk->Public.Properties.InstanceName, &Info, NULL) &&
           Info.ConnectionId == Disk->Public.ConnectionInfo.ConnectionId && !Info.ConnectionFlags.Disconnecting;
}

void DispatcherClose(DISK *Disk)
{
    SetEvent(Disk->Stop);
    if (DiskIsThere(Disk)) {
        LogWarning("%s is closed while it is there: it is removed", Disk->Public.Properties.InstanceName);
        WnbdIoctlRemove(Disk->Public.Handle, Disk->Public.Properties.InstanceName, NULL, NULL);
    }
    if (!IsWorker(Disk)) {
        WorkersAwait(Disk->Workers, Disk->Public.DispatcherThreadsCount);
    }
}

void DispatcherFree(DISK *Disk)
{
    if (Disk->Workers) {
        WorkersFree(Disk->Workers, Disk->Public.DispatcherThreadsCount);
        HeapFree(GetProcessHeap(), 0, (void *)Disk->Public.DispatcherThreads);
    }
}
