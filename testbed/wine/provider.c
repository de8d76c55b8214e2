/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * provider.exe: serves disks in memory with libwnbd.dll, as badly as a test
 * wants it.
 *
 *   provider NAME MIB [OPTIONS]     until its disks are removed
 *     --disks N     so many, named NAME-0 and on; without it one, NAME
 *     --threads N   of each disk's dispatcher, 4 by default
 *     --hold N      answers wait until there are N of them, or no more come, and leave in random order, from other
 *                   threads than the dispatcher's
 *     --seed S      of that order
 *     --garbage N   before each answer N that are wrong in one thing, each of which has to be refused as the header
 *                   says, some of them for the disk "other" if there is one
 *
 * Prints "serving" and the disks' numbers, then, when it ends, what it did.
 * Exit status: 0 as it should be, 1 not, 2 wrong usage.
 */
#include <wnbd.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 512u
#define DISKS_MAX 255
#define HELD_MAX 1024
#define ANSWERERS 2
/* After so long without another request no more will come that could be waited for. */
#define LULL_MS 400
#define NUMBER_TIMEOUT_MS 60000

/* An answer that waits. */
typedef struct {
    PWNBD_DISK Disk;
    WNBD_IO_RESPONSE Response;
    BYTE *Data; /* of a read, from the heap */
    UINT32 Bytes;
} HELD;

static struct {
    UINT64 Mib;
    UINT64 Count; /* 0: one disk, named without a number */
    UINT64 Threads;
    UINT64 Hold;
    UINT64 Seed;
    UINT64 Garbage;
} Options = {.Threads = 4, .Seed = 1};

static PWNBD_DISK Disks[DISKS_MAX];
static volatile LONG Failures, Answered, Refused;

/* The answers that wait, under Lock. */
static SRWLOCK Lock = SRWLOCK_INIT;
static CONDITION_VARIABLE Changed = CONDITION_VARIABLE_INIT;
static HELD Helds[HELD_MAX];
static UINT32 HeldCount, HeldMost, Overtaken;
static bool Leaving; /* those that wait are on their way */
static bool Over;

static void Fail(const char *What, DWORD Error)
{
    InterlockedIncrement(&Failures);
    fprintf(stderr, "provider: %s: error %lu\n", What, Error);
}

static BYTE *MemoryOf(PWNBD_DISK Disk)
{
    PVOID Context = NULL;
    WnbdGetUserContext(Disk, &Context);
    return Context;
}

/* ---- answers that have to be refused ---- */

static volatile LONG64 OldHandle; /* of a request that has been answered, 0: none */
static HANDLE Adapter;
static WNBD_CONNECTION_ID Other; /* another process's disk, 0: there is none */

typedef struct {
    WNBD_CONNECTION_ID Id;
    WNBD_IO_RESPONSE Response;
    void *Data;
    UINT32 Bytes;
} WRONG;

static DWORD WrongOther(WRONG *Wrong)
{
    Wrong->Id = Other;
    return Other ? ERROR_ACCESS_DENIED : ERROR_FILE_NOT_FOUND;
}

static DWORD WrongDisk(WRONG *Wrong)
{
    Wrong->Id += 1000000; /* nobody has it yet */
    return ERROR_FILE_NOT_FOUND;
}

static DWORD WrongHandle(WRONG *Wrong)
{
    Wrong->Response.RequestHandle = ~Wrong->Response.RequestHandle;
    return ERROR_NOT_FOUND;
}

static DWORD WrongTime(WRONG *Wrong)
{
    Wrong->Response.RequestHandle = (UINT64)OldHandle;
    return ERROR_NOT_FOUND;
}

static DWORD WrongType(WRONG *Wrong)
{
    Wrong->Response.RequestType = Wrong->Response.RequestType == WnbdReqTypeFlush ? WnbdReqTypeUnmap : WnbdReqTypeFlush;
    Wrong->Bytes = 0;
    return ERROR_INVALID_HANDLE; /* STATUS_OBJECT_TYPE_MISMATCH */
}

static DWORD WrongReserved(WRONG *Wrong)
{
    Wrong->Response.Reserved[sizeof(Wrong->Response.Reserved) - 1] = 1;
    return ERROR_INVALID_PARAMETER;
}

static DWORD WrongMemory(WRONG *Wrong)
{
    Wrong->Data = (void *)4096; /* below everything that a process may have */
    return Wrong->Bytes ? ERROR_NOACCESS : ERROR_SUCCESS;
}

/* Without a further request this changes nothing, neither for the right answer nor for anybody else. */
static void SendGarbage(PWNBD_DISK Disk, const WNBD_IO_RESPONSE *Response, void *Data, UINT32 Bytes)
{
    static DWORD (*const Kinds[])(WRONG *) = {WrongOther, WrongDisk,     WrongHandle, WrongTime,
                                              WrongType,  WrongReserved, WrongMemory};
    static volatile LONG Next;
    for (UINT64 Left = Options.Garbage; Left > 0; Left--) {
        WRONG Wrong = {.Id = Disk->ConnectionInfo.ConnectionId, .Response = *Response, .Data = Data, .Bytes = Bytes};
        DWORD Expected = Kinds[(ULONG)InterlockedIncrement(&Next) % (sizeof(Kinds) / sizeof(Kinds[0]))](&Wrong);
        if (Expected == ERROR_SUCCESS) {
            continue;
        }
        DWORD Error = WnbdIoctlSendResponse(Adapter, Wrong.Id, &Wrong.Response, Wrong.Data, Wrong.Bytes, NULL);
        if (Error != Expected) {
            fprintf(stderr, "provider: a wrong answer should have ended with error %lu\n", Expected);
            Fail("it ended otherwise", Error);
        }
        InterlockedIncrement(&Refused);
    }
}

/* ---- answers ---- */

static void Send(PWNBD_DISK Disk, WNBD_IO_RESPONSE *Response, void *Data, UINT32 Bytes)
{
    DWORD Error = WnbdSendResponse(Disk, Response, Data, Bytes);
    /* With the disk its requests end; the library may not know of it yet. */
    if (Error && Error != ERROR_FILE_NOT_FOUND && Error != ERROR_NOT_FOUND) {
        Fail("an answer was refused", Error);
    }
    InterlockedIncrement(&Answered);
    InterlockedExchange64(&OldHandle, (LONG64)Response->RequestHandle);
}

static void Hold(PWNBD_DISK Disk, const WNBD_IO_RESPONSE *Response, const void *Data, UINT32 Bytes)
{
    HELD Held = {.Disk = Disk, .Response = *Response, .Bytes = Bytes};
    if (Bytes) {
        Held.Data = malloc(Bytes);
        memcpy(Held.Data, Data, Bytes);
    }
    AcquireSRWLockExclusive(&Lock);
    Helds[HeldCount++] = Held;
    HeldMost = HeldCount > HeldMost ? HeldCount : HeldMost;
    ReleaseSRWLockExclusive(&Lock);
    WakeConditionVariable(&Changed);
}

/* Waits until answers may leave. False: there are none, and no more come. Lock held. */
static bool AwaitLeaving(void)
{
    while (HeldCount == 0 || !Leaving) {
        Leaving = HeldCount >= Options.Hold || (Over && HeldCount);
        if (Leaving) {
            break;
        }
        if (Over) {
            return false;
        }
        UINT32 Before = HeldCount;
        SleepConditionVariableSRW(&Changed, &Lock, HeldCount ? LULL_MS : INFINITE, 0);
        Leaving = HeldCount && HeldCount == Before;
    }
    return true;
}

/* Any of those that wait. */
static bool Take(HELD *Held)
{
    AcquireSRWLockExclusive(&Lock);
    bool Some = AwaitLeaving();
    if (Some) {
        Options.Seed = Options.Seed * 6364136223846793005u + 1442695040888963407u;
        UINT32 Index = (UINT32)(Options.Seed >> 33) % HeldCount;
        Overtaken += Index != 0;
        *Held = Helds[Index];
        HeldCount--;
        memmove(&Helds[Index], &Helds[Index + 1], (HeldCount - Index) * sizeof(*Held));
        Leaving = HeldCount != 0;
    }
    ReleaseSRWLockExclusive(&Lock);
    return Some;
}

static DWORD WINAPI Answerer(LPVOID Parameter)
{
    HELD Held;
    (void)Parameter;
    while (Take(&Held)) {
        Send(Held.Disk, &Held.Response, Held.Data, Held.Bytes);
        free(Held.Data);
    }
    return 0;
}

static void Answer(PWNBD_DISK Disk, UINT64 Handle, WnbdRequestType Type, void *Data, UINT32 Bytes)
{
    WNBD_IO_RESPONSE Response = {.RequestHandle = Handle, .RequestType = Type};
    SendGarbage(Disk, &Response, Data, Bytes);
    if (Options.Hold) {
        Hold(Disk, &Response, Data, Bytes);
    } else {
        Send(Disk, &Response, Data, Bytes);
    }
}

/* ---- the callbacks ---- */

static VOID Read(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                 BOOLEAN ForceUnitAccess)
{
    (void)ForceUnitAccess;
    memcpy(Buffer, MemoryOf(Disk) + BlockAddress * BLOCK_BYTES, (size_t)BlockCount * BLOCK_BYTES);
    Answer(Disk, RequestHandle, WnbdReqTypeRead, Buffer, BlockCount * BLOCK_BYTES);
}

static VOID Write(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                  BOOLEAN ForceUnitAccess)
{
    (void)ForceUnitAccess;
    memcpy(MemoryOf(Disk) + BlockAddress * BLOCK_BYTES, Buffer, (size_t)BlockCount * BLOCK_BYTES);
    Answer(Disk, RequestHandle, WnbdReqTypeWrite, NULL, 0);
}

static VOID Flush(PWNBD_DISK Disk, UINT64 RequestHandle, UINT64 BlockAddress, UINT32 BlockCount)
{
    (void)BlockAddress;
    (void)BlockCount;
    Answer(Disk, RequestHandle, WnbdReqTypeFlush, NULL, 0);
}

static const WNBD_INTERFACE Callbacks = {.Read = Read, .Write = Write, .Flush = Flush};

/* ---- the disks ---- */

static DWORD Make(PWNBD_DISK *Disk, const char *Name, UINT64 Index)
{
    WNBD_PROPERTIES Properties = {.BlockSize = BLOCK_BYTES, .BlockCount = (Options.Mib << 20) / BLOCK_BYTES};
    BYTE *Memory = VirtualAlloc(NULL, (SIZE_T)(Options.Mib << 20), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (Options.Count) {
        snprintf(Properties.InstanceName, sizeof(Properties.InstanceName), "%s-%llu", Name, Index);
    } else {
        snprintf(Properties.InstanceName, sizeof(Properties.InstanceName), "%s", Name);
    }
    strcpy(Properties.Owner, "provider");
    Properties.Flags.FlushSupported = 1;
    if (!Memory) {
        return ERROR_OUTOFMEMORY;
    }
    DWORD Error = WnbdCreate(&Properties, (PWNBD_INTERFACE)&Callbacks, Memory, Disk);
    return Error ? Error : WnbdStartDispatcher(*Disk, (DWORD)Options.Threads);
}

/* Whom garbage goes to. */
static DWORD Meet(void)
{
    WNBD_CONNECTION_INFO Info;
    if (WnbdShow("other", &Info) == 0) {
        Other = Info.ConnectionId;
    }
    return WnbdOpenAdapter(&Adapter);
}

static DWORD Serve(const char *Name)
{
    UINT64 Count = Options.Count ? Options.Count : 1;
    HANDLE Threads[ANSWERERS];
    DWORD ThreadCount = Options.Hold ? ANSWERERS : 0;
    DWORD Error = Meet();
    for (DWORD Index = 0; Index < ThreadCount; Index++) {
        Threads[Index] = CreateThread(NULL, 0, Answerer, NULL, 0, NULL);
    }
    for (UINT64 Index = 0; !Error && Index < Count; Index++) {
        Error = Make(&Disks[Index], Name, Index);
    }
    printf("serving");
    for (UINT64 Index = 0; !Error && Index < Count; Index++) {
        DWORD Number = 0;
        Error = WnbdPollDiskNumber(Disks[Index]->Properties.InstanceName, TRUE, TRUE, NUMBER_TIMEOUT_MS, 20, &Number);
        printf(" %lu", Number);
    }
    printf("\n");
    fflush(stdout);
    for (UINT64 Index = 0; !Error && Index < Count; Index++) {
        Error = WnbdWaitDispatcher(Disks[Index]);
    }
    AcquireSRWLockExclusive(&Lock);
    Over = true;
    ReleaseSRWLockExclusive(&Lock);
    WakeAllConditionVariable(&Changed);
    if (ThreadCount) {
        WaitForMultipleObjects(ThreadCount, Threads, TRUE, INFINITE);
    }
    for (UINT64 Index = 0; Index < Count; Index++) {
        WnbdClose(Disks[Index]);
    }
    return Error;
}

static bool Option(const char *Name, const char *Value)
{
    static const struct {
        const char *Name;
        UINT64 *Value;
        UINT64 Least, Most;
    } Known[] = {
        {"--disks", &Options.Count, 1, DISKS_MAX},
        {"--threads", &Options.Threads, WNBD_MIN_DISPATCHER_THREAD_COUNT, WNBD_MAX_DISPATCHER_THREAD_COUNT},
        {"--hold", &Options.Hold, 1, HELD_MAX / 2},
        {"--seed", &Options.Seed, 0, MAXUINT64},
        {"--garbage", &Options.Garbage, 1, 100},
    };
    for (size_t Index = 0; Index < sizeof(Known) / sizeof(Known[0]); Index++) {
        if (strcmp(Name, Known[Index].Name) == 0) {
            *Known[Index].Value = strtoull(Value, NULL, 10);
            return *Known[Index].Value >= Known[Index].Least && *Known[Index].Value <= Known[Index].Most;
        }
    }
    return false;
}

int main(int Count, char **Arguments)
{
    bool Good = Count >= 3 && Count % 2 == 1;
    for (int Index = 3; Good && Index < Count; Index += 2) {
        Good = Option(Arguments[Index], Arguments[Index + 1]);
    }
    Options.Mib = Good ? strtoull(Arguments[2], NULL, 10) : 0;
    if (!Options.Mib) {
        fprintf(stderr, "usage: provider NAME MIB [--disks N] [--threads N] [--hold N] [--seed S] [--garbage N]\n");
        return 2;
    }
    DWORD Error = Serve(Arguments[1]);
    if (Error) {
        Fail("cannot serve", Error);
    }
    printf("%ld answered, %u overtaken, %u at once, %ld refused\n", Answered, Overtaken, HeldMost, Refused);
    return Failures != 0;
}
