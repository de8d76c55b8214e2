/* SPDX-License-Identifier: LGPL-2.1-only */
/* See fake_adapter.h. One lock; whoever waits is woken by every change. */
#include "fake_adapter.h"

#include <stdlib.h>
#include <string.h>

#include "../internal.h"

#undef CreateThread
#undef VirtualAlloc

#define MOST 4096

/* ntstatus.h; those of Win32 errors are what RtlNtStatusToDosError translates back. */
#define STATUS_OF(Error) ((Error) ? (LONG)(0xC0010000u | (Error)) : 0)
#define STATUS_PENDING_ 0x103
#define STATUS_CANCELLED_ ((LONG)0xC0000120)

typedef struct {
    LPOVERLAPPED Overlapped;
    WNBD_IOCTL_FETCH_REQ_COMMAND Command;
    void *Out;
    DWORD OutSize;
} FETCH;

typedef struct {
    WNBD_IO_REQUEST Request;
    BYTE *Data;
    UINT32 Filled;
} REQUEST;

typedef struct {
    LPOVERLAPPED Overlapped;
    LONG Status;
    DWORD Bytes;
} HELD;

FAKE Fake;
static SRWLOCK Lock = SRWLOCK_INIT;
static CONDITION_VARIABLE Changed = CONDITION_VARIABLE_INIT;
static FETCH Fetches[MOST];
static UINT32 FetchCount;
static REQUEST Requests[MOST];
static UINT32 RequestCount;
static FAKE_ANSWER Answers[MOST];
static UINT32 AnswerCount;
static HELD Helds[MOST];
static UINT32 HeldCount;
static bool SaidDisconnect;
static UINT64 LastConnectionId = 40;

void FakeReset(void)
{
    AcquireSRWLockExclusive(&Lock);
    for (UINT32 Index = 0; Index < RequestCount; Index++) {
        free(Requests[Index].Data);
    }
    memset(&Fake, 0, sizeof(Fake));
    Fake.ThreadsUntilFailure = -1;
    Fake.BuffersUntilFailure = -1;
    FetchCount = RequestCount = AnswerCount = HeldCount = 0;
    SaidDisconnect = false;
    ReleaseSRWLockExclusive(&Lock);
}

/* Waits for a change; false: nothing has happened for too long. */
static bool Wait(void)
{
    return SleepConditionVariableSRW(&Changed, &Lock, FAKE_PATIENCE_MS, 0) != FALSE;
}

static void Complete(LPOVERLAPPED Overlapped, LONG Status, DWORD Bytes)
{
    Overlapped->InternalHigh = Bytes;
    MemoryBarrier();
    Overlapped->Internal = (ULONG_PTR)(LONG_PTR)Status;
    SetEvent((HANDLE)((ULONG_PTR)Overlapped->hEvent & ~(ULONG_PTR)1));
}

/* Answers the fetch with a request, and forgets the request. */
static void Serve(const FETCH *Fetch, REQUEST *Request)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Command = Fetch->Command;
    if (Request->Data) {
        UINT32 Length = Request->Filled < Command.DataBufferSize ? Request->Filled : Command.DataBufferSize;
        memcpy(Command.DataBuffer, Request->Data, Length);
        free(Request->Data);
        Request->Data = NULL;
    }
    Command.Request = Request->Request;
    Command.DataBufferSize = Request->Filled;
    if (Fetch->OutSize >= sizeof(Command)) {
        memcpy(Fetch->Out, &Command, sizeof(Command));
        Complete(Fetch->Overlapped, 0, sizeof(Command));
    } else {
        memcpy(Fetch->Out, &Command.Request, sizeof(Command.Request));
        Complete(Fetch->Overlapped, 0, sizeof(Command.Request));
    }
}

/* Brings fetches and requests together; what is left of the fetches of a disk that is gone ends. */
static void Match(void)
{
    UINT32 Used = 0;
    while (Used < FetchCount && Used < RequestCount) {
        Serve(&Fetches[Used], &Requests[Used]);
        Used++;
    }
    FetchCount -= Used;
    RequestCount -= Used;
    memmove(Fetches, Fetches + Used, FetchCount * sizeof(Fetches[0]));
    memmove(Requests, Requests + Used, RequestCount * sizeof(Requests[0]));
    UINT32 Kept = 0;
    for (UINT32 Index = 0; !Fake.There && Index < FetchCount; Index++) {
        REQUEST Farewell = {.Request = {.RequestType = WnbdReqTypeDisconnect}};
        if (Fake.End == FakeSaysError || Fake.End == FakeSaysGone) {
            DWORD Error = Fake.End == FakeSaysGone ? ERROR_FILE_NOT_FOUND : ERROR_GEN_FAILURE;
            Complete(Fetches[Index].Overlapped, STATUS_OF(Error), 0);
        } else if (Fake.End == FakeSaysDisconnect || !SaidDisconnect) {
            SaidDisconnect = true;
            Serve(&Fetches[Index], &Farewell);
        } else {
            Fetches[Kept++] = Fetches[Index];
        }
    }
    FetchCount = Fake.There ? FetchCount : Kept;
    WakeAllConditionVariable(&Changed);
}

void FakeRequest(const WNBD_IO_REQUEST *Request, const void *Data, UINT32 Filled)
{
    AcquireSRWLockExclusive(&Lock);
    REQUEST *New = &Requests[RequestCount++];
    New->Request = *Request;
    New->Filled = Filled;
    New->Data = NULL;
    if (Data) {
        New->Data = malloc(Filled);
        memcpy(New->Data, Data, Filled);
    }
    Match();
    ReleaseSRWLockExclusive(&Lock);
}

bool FakeAnswer(UINT64 Handle, FAKE_ANSWER *Answer)
{
    AcquireSRWLockExclusive(&Lock);
    bool Found = false;
    do {
        for (UINT32 Index = 0; Index < AnswerCount && !Found; Index++) {
            if (Answers[Index].Response.RequestHandle == Handle) {
                Found = true;
                if (Answer) {
                    *Answer = Answers[Index];
                }
                Answers[Index] = Answers[--AnswerCount];
            }
        }
    } while (!Found && Wait());
    ReleaseSRWLockExclusive(&Lock);
    return Found;
}

UINT32 FakeAnswers(void)
{
    AcquireSRWLockShared(&Lock);
    UINT32 Count = AnswerCount;
    ReleaseSRWLockShared(&Lock);
    return Count;
}

bool FakeAwaitFetches(UINT32 Count)
{
    AcquireSRWLockExclusive(&Lock);
    while (FetchCount != Count && Wait()) {
    }
    bool Good = FetchCount == Count;
    ReleaseSRWLockExclusive(&Lock);
    return Good;
}

void FakeTakeAway(void)
{
    AcquireSRWLockExclusive(&Lock);
    Fake.There = false;
    Match();
    ReleaseSRWLockExclusive(&Lock);
}

void FakeRelease(void)
{
    AcquireSRWLockExclusive(&Lock);
    for (UINT32 Index = 0; Index < HeldCount; Index++) {
        Complete(Helds[Index].Overlapped, Helds[Index].Status, Helds[Index].Bytes);
    }
    HeldCount = 0;
    ReleaseSRWLockExclusive(&Lock);
}

bool FakeAwait(volatile LONG *Value, LONG Wanted)
{
    ULONGLONG Limit = GetTickCount64() + FAKE_PATIENCE_MS;
    while (InterlockedCompareExchange(Value, 0, 0) != Wanted && GetTickCount64() < Limit) {
        Sleep(1);
    }
    return InterlockedCompareExchange(Value, 0, 0) == Wanted;
}

/* ---- the driver ---- */

static DWORD Create(const WNBD_PROPERTIES *Properties, WNBD_CONNECTION_INFO *Info)
{
    Fake.Asked = *Properties;
    Fake.There = true;
    memset(&Fake.Info, 0, sizeof(Fake.Info));
    Fake.Info.Properties = *Properties;
    Fake.Info.Properties.Pid = (INT)GetCurrentProcessId();
    Fake.Info.ConnectionId = ++LastConnectionId;
    Fake.Info.DiskNumber = -1;
    *Info = Fake.Info;
    return sizeof(*Info);
}

static DWORD CreateEx(const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result)
{
    memset(Result, 0, sizeof(*Result));
    Create(Properties, &Result->ConnectionInfo);
    Result->Phase = WnbdCreatePhaseDone;
    return sizeof(*Result);
}

static DWORD List(WNBD_CONNECTION_LIST *Target, DWORD OutSize)
{
    Target->ElementSize = sizeof(WNBD_CONNECTION_INFO);
    Target->Count = Fake.There;
    if (!Fake.There || OutSize < sizeof(*Target)) {
        return offsetof(WNBD_CONNECTION_LIST, Connections);
    }
    Target->Connections[0] = Fake.Info;
    return sizeof(*Target);
}

static DWORD Answer(const WNBD_IOCTL_SEND_RSP_COMMAND *Command)
{
    if (Command->ConnectionId != Fake.Info.ConnectionId) {
        return ERROR_FILE_NOT_FOUND;
    }
    FAKE_ANSWER *New = &Answers[AnswerCount++];
    New->Response = Command->Response;
    New->HasData = Command->DataBuffer != NULL;
    New->Size = Command->DataBufferSize;
    if (Command->DataBuffer) {
        memcpy(New->Data, Command->DataBuffer,
               Command->DataBufferSize < sizeof(New->Data) ? Command->DataBufferSize : sizeof(New->Data));
    }
    return ERROR_SUCCESS;
}

static DWORD Fetch(const WNBD_IOCTL_FETCH_REQ_COMMAND *Command, void *Out, DWORD OutSize, LPOVERLAPPED Overlapped)
{
    if (Command->ConnectionId != Fake.Info.ConnectionId) {
        return ERROR_FILE_NOT_FOUND;
    }
    FETCH *New = &Fetches[FetchCount++];
    New->Overlapped = Overlapped;
    New->Command = *Command;
    New->Out = Out;
    New->OutSize = OutSize;
    Overlapped->Internal = STATUS_PENDING_;
    Match();
    return ERROR_IO_PENDING;
}

/* One command that doesn't pend; *Bytes: of output. */
static DWORD Command(const void *In, void *Out, DWORD OutSize, DWORD *Bytes)
{
    const WNBD_IOCTL_CREATE_COMMAND *Creation = In;
    const WNBD_IOCTL_SET_SIZE_COMMAND *Size = In;
    switch (*(const ULONG *)In) {
    case IOCTL_WNBD_CREATE:
        *Bytes = Create(&Creation->Properties, Out);
        return ERROR_SUCCESS;
    case IOCTL_WNBD_CREATE_EX:
        *Bytes = CreateEx(&Creation->Properties, Out);
        return ERROR_SUCCESS;
    case IOCTL_WNBD_REMOVE:
        if (!Fake.There) {
            return ERROR_FILE_NOT_FOUND;
        }
        Fake.Removed++;
        Fake.There = false;
        Match();
        return ERROR_SUCCESS;
    case IOCTL_WNBD_SEND_RSP:
        return Answer(In);
    case IOCTL_WNBD_LIST:
        *Bytes = List(Out, OutSize);
        return ERROR_SUCCESS;
    case IOCTL_WNBD_STATS:
        memset(Out, 1, *Bytes = sizeof(WNBD_DRV_STATS));
        return ERROR_SUCCESS;
    case IOCTL_WNBD_STATS_EX:
        memset(Out, 1, *Bytes = sizeof(WNBD_DRV_STATS_EX));
        return ERROR_SUCCESS;
    case IOCTL_WNBD_VERSION:
        memset(Out, 1, *Bytes = sizeof(WNBD_VERSION));
        return ERROR_SUCCESS;
    case IOCTL_WNBD_SHOW:
        if (!Fake.There) {
            return ERROR_FILE_NOT_FOUND;
        }
        memcpy(Out, &Fake.Info, *Bytes = sizeof(Fake.Info));
        if (Fake.ShownConnectionId) {
            ((WNBD_CONNECTION_INFO *)Out)->ConnectionId = Fake.ShownConnectionId;
        }
        return ERROR_SUCCESS;
    case IOCTL_WNBD_SET_DISK_SIZE:
        if (Size->ConnectionId != Fake.Info.ConnectionId) {
            return ERROR_FILE_NOT_FOUND;
        }
        Fake.Info.Properties.BlockCount = Size->BlockCount;
        return ERROR_SUCCESS;
    default:
        return ERROR_SUCCESS;
    }
}

BOOL FakeDeviceIoControl(HANDLE Device, DWORD Code, LPVOID In, DWORD InSize, LPVOID Out, DWORD OutSize,
                         LPDWORD Returned, LPOVERLAPPED Overlapped)
{
    ULONG Number = *(const ULONG *)In & 15;
    DWORD Bytes = 0;
    DWORD Error;
    (void)InSize;
    (void)Returned;
    CHECK(Device != NULL && Code == WNBD_IOCTL_CONTROL_CODE && Overlapped != NULL && Overlapped->hEvent != NULL);
    ResetEvent((HANDLE)((ULONG_PTR)Overlapped->hEvent & ~(ULONG_PTR)1));
    AcquireSRWLockExclusive(&Lock);
    Fake.Commands[Number]++;
    Error = Fake.Errors[Number];
    if (!Error && Number == IOCTL_WNBD_FETCH_REQ) {
        Error = Fetch(In, Out, OutSize, Overlapped);
    } else if (!Error) {
        Error = Command(In, Out, OutSize, &Bytes);
    }
    if (Fake.Hold && Number != IOCTL_WNBD_FETCH_REQ) {
        HELD *New = &Helds[HeldCount++];
        New->Overlapped = Overlapped;
        New->Status = STATUS_OF(Error);
        New->Bytes = Bytes;
        Overlapped->Internal = STATUS_PENDING_;
        Error = ERROR_IO_PENDING;
    } else if (!Error) {
        Complete(Overlapped, 0, Bytes);
    }
    WakeAllConditionVariable(&Changed);
    ReleaseSRWLockExclusive(&Lock);
    SetLastError(Error);
    return Error == ERROR_SUCCESS;
}

BOOL FakeCancelIoEx(HANDLE File, LPOVERLAPPED Overlapped)
{
    CHECK(File != NULL);
    AcquireSRWLockExclusive(&Lock);
    UINT32 Kept = 0;
    for (UINT32 Index = 0; Index < FetchCount; Index++) {
        if (Fetches[Index].Overlapped == Overlapped) {
            Complete(Overlapped, STATUS_CANCELLED_, 0);
            Fake.Cancelled++;
        } else {
            Fetches[Kept++] = Fetches[Index];
        }
    }
    bool Found = Kept < FetchCount;
    FetchCount = Kept;
    WakeAllConditionVariable(&Changed);
    ReleaseSRWLockExclusive(&Lock);
    SetLastError(Found ? ERROR_SUCCESS : ERROR_NOT_FOUND);
    return Found;
}

/* ---- the rest of the system ---- */

/* Counts down to a failure; true: now. */
static bool Fails(int *Until)
{
    return *Until >= 0 && (*Until)-- == 0;
}

HANDLE FakeCreateThread(LPSECURITY_ATTRIBUTES Attributes, SIZE_T Stack, LPTHREAD_START_ROUTINE Start, LPVOID Parameter,
                        DWORD Flags, LPDWORD Id)
{
    return Fails(&Fake.ThreadsUntilFailure) ? NULL : CreateThread(Attributes, Stack, Start, Parameter, Flags, Id);
}

LPVOID FakeVirtualAlloc(LPVOID Address, SIZE_T Size, DWORD Type, DWORD Protection)
{
    return Fails(&Fake.BuffersUntilFailure) ? NULL : VirtualAlloc(Address, Size, Type, Protection);
}

DWORD AdapterOpen(HANDLE *Adapter, TEXT *Cause)
{
    *Cause = FormatText("there is no adapter");
    *Adapter = Fake.AdapterMissing ? NULL : CreateEventW(NULL, TRUE, FALSE, NULL);
    return Fake.AdapterMissing ? ERROR_OPEN_FAILED : ERROR_SUCCESS;
}

DWORD WnbdOpenAdapter(PHANDLE Handle)
{
    TEXT Cause;
    return AdapterOpen(Handle, &Cause);
}

DWORD WindowsDisksFind(HANDLE Adapter, WINDOWS_DISKS *Found)
{
    (void)Adapter;
    memset(Found, 0, sizeof(*Found));
    return ERROR_SUCCESS;
}

void WindowsDisksFree(WINDOWS_DISKS *Found)
{
    (void)Found;
}

bool WindowsDiskIsThere(const WCHAR *InstanceId)
{
    (void)InstanceId;
    return false;
}

const WINDOWS_DISK *WindowsDiskOf(const WINDOWS_DISKS *Found, const WNBD_CONNECTION_INFO *Info)
{
    (void)Found;
    (void)Info;
    return NULL;
}

void WindowsDiskDescribe(const WINDOWS_DISK *Disk, WNBD_CONNECTION_INFO *Info)
{
    (void)Disk;
    wcscpy(Info->PNPDeviceID, Fake.Made ? L"SCSI\\Disk\\1" : L"");
}

DWORD EjectDevice(const char *Name, const WCHAR *InstanceId, TEXT *Cause)
{
    static const WNBD_IO_REQUEST Flush = {.RequestHandle = 0xF1055, .RequestType = WnbdReqTypeFlush};
    (void)Name;
    (void)InstanceId;
    *Cause = FormatText("the disk was not flushed");
    Fake.Ejected++;
    if (Fake.EjectNeedsIo) {
        FakeRequest(&Flush, NULL, 0);
        if (!FakeAnswer(Flush.RequestHandle, NULL)) {
            return ERROR_REMOVE_FAILED;
        }
    }
    return Fake.EjectError;
}

bool AdapterDevInst(DEVINST *DevInst)
{
    *DevInst = 1;
    return true;
}

bool AdapterAwait(DWORD TimeoutMs)
{
    CHECK(TimeoutMs > 0 && Fake.Started > 0);
    return !Fake.NeverBack;
}

DWORD DeviceStop(DEVINST Node, TEXT *Cause)
{
    CHECK(Node == 1);
    *Cause = FormatText("somebody objects");
    Fake.Stopped++;
    return Fake.StopObjections > 0 && Fake.StopObjections-- ? ERROR_BUSY : Fake.StopError;
}

DWORD DeviceStart(DEVINST Node, TEXT *Cause)
{
    CHECK(Node == 1 && Fake.Stopped > 0);
    *Cause = FormatText("it does not start");
    Fake.Started++;
    return Fake.StartError;
}
