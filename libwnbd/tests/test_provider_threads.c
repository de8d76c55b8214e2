/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Many of everything at once: the driver asks, eight threads dispatch, four
 * others answer, one looks at the counters, which have to add up at each look.
 */
#include "provider.h"

#include "../disk.h"

#include <string.h>

#define REQUESTS 3000
#define ANSWERERS 4

typedef struct {
    UINT64 Handle;
    WnbdRequestType Type;
    UINT32 Count;
} JOB;

/* Jobs for the threads that answer; a job of type Disconnect ends one of them. */
static JOB Jobs[REQUESTS + ANSWERERS];
static UINT32 JobCount, JobTaken;
static SRWLOCK Lock = SRWLOCK_INIT;
static CONDITION_VARIABLE More = CONDITION_VARIABLE_INIT;
static volatile LONG Over;
static volatile LONG Looks;

static void JobAdd(UINT64 Handle, WnbdRequestType Type, UINT32 Count)
{
    AcquireSRWLockExclusive(&Lock);
    Jobs[JobCount++] = (JOB){Handle, Type, Count};
    ReleaseSRWLockExclusive(&Lock);
    WakeConditionVariable(&More);
}

static JOB JobTake(void)
{
    AcquireSRWLockExclusive(&Lock);
    while (JobTaken == JobCount) {
        SleepConditionVariableSRW(&More, &Lock, INFINITE, 0);
    }
    JOB Job = Jobs[JobTaken++];
    ReleaseSRWLockExclusive(&Lock);
    return Job;
}

/* A request's values follow from its handle. */
static UINT32 CountOf(UINT64 Handle)
{
    return 1 + (UINT32)(Handle % 5);
}

static VOID ManyRead(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    (void)Disk;
    (void)Fua;
    memset(Buffer, 0xEE, Count * BLOCK); /* each thread has its own */
    CHECK(Address == Handle && Count == CountOf(Handle));
    JobAdd(Handle, WnbdReqTypeRead, Count);
}

static VOID ManyWrite(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    bool Good = true;
    (void)Disk;
    (void)Fua;
    for (UINT32 Index = 0; Index < Count * BLOCK; Index++) {
        Good = Good && ((BYTE *)Buffer)[Index] == (BYTE)Handle;
    }
    CHECK(Good && Address == Handle && Count == CountOf(Handle));
    JobAdd(Handle, WnbdReqTypeWrite, Count);
}

static VOID ManyFlush(PWNBD_DISK Disk, UINT64 Handle, UINT64 Address, UINT32 Count)
{
    (void)Disk;
    (void)Address;
    JobAdd(Handle, WnbdReqTypeFlush, Count);
}

/* Every seventh request fails. */
static bool Fails(UINT64 Handle)
{
    return Handle % 7 == 0;
}

static DWORD WINAPI AnswerMany(LPVOID Parameter)
{
    BYTE Data[5 * BLOCK];
    for (JOB Job = JobTake(); Job.Type != WnbdReqTypeDisconnect; Job = JobTake()) {
        WNBD_IO_RESPONSE Response = {.RequestHandle = Job.Handle, .RequestType = Job.Type};
        memset(Data, (BYTE)Job.Handle, sizeof(Data));
        if (Fails(Job.Handle)) {
            WnbdSetSense(&Response.Status, 3, 0x11);
        }
        bool HasData = Job.Type == WnbdReqTypeRead;
        RETURNS(0, WnbdSendResponse(Parameter, &Response, HasData ? Data : NULL, HasData ? Job.Count * BLOCK : 0));
    }
    return 0;
}

static DWORD WINAPI LookMany(LPVOID Parameter)
{
    while (!InterlockedCompareExchange(&Over, 0, 0)) {
        WNBD_USR_STATS S = StatsOf(Parameter);
        CHECK(S.TotalReceivedRequests == S.TotalSubmittedRequests + S.UnsubmittedRequests + S.InvalidRequests);
        CHECK(S.TotalSubmittedRequests == S.TotalReceivedReplies + S.PendingSubmittedRequests);
        CHECK(S.PendingReplies <= ANSWERERS && S.UnsubmittedRequests <= 8);
        InterlockedIncrement(&Looks);
        SwitchToThread();
    }
    return 0;
}

/* Sends all requests and adds up what the counters have to say in the end. */
static WNBD_USR_STATS AskMany(void)
{
    static const WnbdRequestType Types[] = {WnbdReqTypeRead, WnbdReqTypeWrite, WnbdReqTypeFlush, WnbdReqTypeUnmap};
    static BYTE Data[5 * BLOCK];
    WNBD_USR_STATS S;
    memset(&S, 0, sizeof(S));
    for (UINT64 Handle = 1; Handle <= REQUESTS; Handle++) {
        WNBD_IO_REQUEST Request = MakeRequest(Types[Handle % ARRAYSIZE(Types)], Handle);
        UINT32 Count = CountOf(Handle);
        S.TotalReceivedRequests++;
        S.InvalidRequests += Request.RequestType == WnbdReqTypeUnmap;
        S.TotalSubmittedRequests += Request.RequestType != WnbdReqTypeUnmap;
        if (Request.RequestType == WnbdReqTypeRead || Request.RequestType == WnbdReqTypeWrite) {
            Request.Cmd.Read.BlockAddress = Handle;
            Request.Cmd.Read.BlockCount = Count;
            S.TotalRWRequests++;
        }
        S.TotalReadBlocks += Request.RequestType == WnbdReqTypeRead ? Count : 0;
        S.TotalWrittenBlocks += Request.RequestType == WnbdReqTypeWrite ? Count : 0;
        S.ReadErrors += Request.RequestType == WnbdReqTypeRead && Fails(Handle);
        S.WriteErrors += Request.RequestType == WnbdReqTypeWrite && Fails(Handle);
        S.FlushErrors += Request.RequestType == WnbdReqTypeFlush && Fails(Handle);
        memset(Data, (BYTE)Handle, sizeof(Data));
        bool HasData = Request.RequestType == WnbdReqTypeWrite;
        FakeRequest(&Request, HasData ? Data : NULL, HasData ? Count * BLOCK : 0);
    }
    S.TotalReceivedReplies = S.TotalSubmittedRequests;
    return S;
}

/* Each request has one answer, with its own data. */
static void CollectMany(void)
{
    static FAKE_ANSWER Answer;
    for (UINT64 Handle = 1; Handle <= REQUESTS; Handle++) {
        CHECK(FakeAnswer(Handle, &Answer));
        bool HasData = Answer.Response.RequestType == WnbdReqTypeRead && !Fails(Handle);
        CHECK(Answer.HasData == HasData);
        CHECK(!HasData || (Answer.Size == CountOf(Handle) * BLOCK && Answer.Data[Answer.Size - 1] == (BYTE)Handle));
        CHECK((Answer.Response.Status.ScsiStatus != 0) ==
              (Fails(Handle) || Answer.Response.RequestType == WnbdReqTypeUnmap));
    }
    CHECK(FakeAnswers() == 0);
}

#define HAMMERS 200000

static DWORD WINAPI Hammer(LPVOID Parameter)
{
    for (int Round = 0; Round < HAMMERS; Round++) {
        StatsReceived(Parameter);
        StatsInvalid(Parameter);
    }
    return 0;
}

/* The counters alone, so often that a change which is lost is seen. */
static void HammerStats(void)
{
    HANDLE Threads[4];
    PWNBD_DISK Disk = MakeDisk(0);
    for (size_t Index = 0; Index < ARRAYSIZE(Threads); Index++) {
        Threads[Index] = CreateThread(NULL, 0, Hammer, DiskOf(Disk), 0, NULL);
    }
    CHECK(WaitForMultipleObjects(ARRAYSIZE(Threads), Threads, TRUE, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
    for (size_t Index = 0; Index < ARRAYSIZE(Threads); Index++) {
        CloseHandle(Threads[Index]);
    }
    CHECK(StatsOf(Disk).TotalReceivedRequests == ARRAYSIZE(Threads) * HAMMERS);
    CHECK(StatsOf(Disk).InvalidRequests == ARRAYSIZE(Threads) * HAMMERS && StatsOf(Disk).UnsubmittedRequests == 0);
    WnbdClose(Disk);
}

void TestThreads(void)
{
    HammerStats();
    WNBD_INTERFACE Interface = {.Read = ManyRead, .Write = ManyWrite, .Flush = ManyFlush};
    WNBD_PROPERTIES Properties = ProviderProperties();
    HANDLE Threads[ANSWERERS + 1];
    PWNBD_DISK Disk = NULL;
    FakeReset();
    RETURNS(0, WnbdCreate(&Properties, &Interface, NULL, &Disk));
    RETURNS(0, WnbdStartDispatcher(Disk, 8));
    for (int Index = 0; Index < ANSWERERS; Index++) {
        Threads[Index] = CreateThread(NULL, 0, AnswerMany, Disk, 0, NULL);
    }
    Threads[ANSWERERS] = CreateThread(NULL, 0, LookMany, Disk, 0, NULL);
    WNBD_USR_STATS Wanted = AskMany();
    CollectMany();
    for (int Index = 0; Index < ANSWERERS; Index++) {
        JobAdd(0, WnbdReqTypeDisconnect, 0);
    }
    InterlockedExchange(&Over, 1);
    CHECK(WaitForMultipleObjects(ARRAYSIZE(Threads), Threads, TRUE, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
    CHECK(FakeAwaitFetches(8) && Looks > 0);
    WNBD_USR_STATS Stats = StatsOf(Disk);
    CHECK(memcmp(&Stats, &Wanted, sizeof(Stats)) == 0);
    for (size_t Index = 0; Index < ARRAYSIZE(Threads); Index++) {
        CloseHandle(Threads[Index]);
    }
    EndDisk(Disk);
}
