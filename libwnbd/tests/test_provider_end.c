/* SPDX-License-Identifier: LGPL-2.1-only */
/* How a disk that a process serves ends: by the driver, by itself, from anywhere. */
#include "provider.h"

#include <string.h>

static WNBD_REMOVE_OPTIONS Soft(DWORD TimeoutMs)
{
    WNBD_REMOVE_OPTIONS Options = {.SoftRemoveTimeoutMs = TimeoutMs, .SoftRemoveRetryIntervalMs = 20};
    return Options;
}

/* Every thread ends, whether the driver tells each of them, only one, or none as none was waiting for a request. */
void TestDisconnect(void)
{
    static const FAKE_END Ends[] = {FakeSaysDisconnect, FakeSaysDisconnectOnce, FakeSaysGone};
    for (size_t Index = 0; Index < ARRAYSIZE(Ends); Index++) {
        PWNBD_DISK Disk = MakeDisk(8);
        CHECK(FakeAwaitFetches(8));
        Fake.End = Ends[Index];
        FakeTakeAway();
        RETURNS(0, WnbdWaitDispatcher(Disk));
        RETURNS(0, WnbdWaitDispatcher(Disk)); /* as often as one likes */
        CHECK(Disk->Stopping && Disk->Stopped && Disk->Started);
        CHECK(StatsOf(Disk).TotalReceivedRequests == 0); /* a farewell is no request */
        CHECK((Fake.Cancelled > 0) == (Ends[Index] == FakeSaysDisconnectOnce));
        WnbdClose(Disk);
        CHECK(Fake.Removed == 0);
    }
}

void TestFailure(void)
{
    /* The driver fails, and nobody here has asked for an end. */
    PWNBD_DISK Disk = MakeDisk(3);
    CHECK(FakeAwaitFetches(3));
    Fake.End = FakeSaysError;
    FakeTakeAway();
    RETURNS(ERROR_GEN_FAILURE, WnbdWaitDispatcher(Disk));
    CHECK(Disk->Stopping && Disk->Stopped);
    WnbdClose(Disk);
    /* It never could be asked. */
    Disk = MakeDisk(0);
    Fake.Errors[IOCTL_WNBD_FETCH_REQ] = ERROR_ACCESS_DENIED;
    RETURNS(0, WnbdStartDispatcher(Disk, 2));
    RETURNS(ERROR_ACCESS_DENIED, WnbdWaitDispatcher(Disk));
    WnbdClose(Disk);
    CHECK(Fake.Removed == 1); /* it was still there, and nobody would ever have served it */
    /* One of several fails: the others end with it. */
    Disk = MakeDisk(4);
    CHECK(FakeAwaitFetches(4));
    Fake.Errors[IOCTL_WNBD_FETCH_REQ] = ERROR_GEN_FAILURE;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeFlush, 1);
    FakeRequest(&Request, NULL, 0);
    RETURNS(ERROR_GEN_FAILURE, WnbdWaitDispatcher(Disk));
    CHECK(FakeAnswer(1, NULL) && Fake.Cancelled == 3);
    WnbdClose(Disk);
}

void TestSoftStop(void)
{
    /* Windows flushes before it lets go; a fetch that fails when the disk is gone is no failure here. */
    WNBD_REMOVE_OPTIONS Options = Soft(FAKE_PATIENCE_MS);
    PWNBD_DISK Disk = MakeDisk(1);
    Fake.Made = Fake.EjectNeedsIo = true;
    Fake.End = FakeSaysError;
    RETURNS(0, WnbdStopDispatcher(Disk, &Options));
    CHECK(Fake.Ejected == 1 && Fake.Removed == 1 && LastCall.Type == WnbdReqTypeFlush);
    RETURNS(0, WnbdWaitDispatcher(Disk));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdStopDispatcher(Disk, &Options));
    WnbdClose(Disk);
    /* The same by WnbdRemove. */
    Disk = MakeDisk(2);
    Fake.Made = Fake.EjectNeedsIo = true;
    RETURNS(0, WnbdRemove(Disk, &Options));
    RETURNS(0, WnbdWaitDispatcher(Disk));
    CHECK(Fake.Removed == 1);
    WnbdClose(Disk);
    /* Windows refuses: the disk goes on as before, and how it ends later is not excused. */
    Options = Soft(100);
    Disk = MakeDisk(2);
    Fake.Made = true;
    Fake.EjectError = ERROR_BUSY;
    RETURNS(ERROR_TIMEOUT, WnbdStopDispatcher(Disk, &Options));
    RETURNS(ERROR_TIMEOUT, WnbdRemove(Disk, &Options));
    Fake.EjectError = ERROR_REMOVE_FAILED;
    RETURNS(ERROR_REMOVE_FAILED, WnbdRemove(Disk, &Options));
    CHECK(!Disk->Stopping && Fake.Removed == 0);
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeFlush, 2);
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAnswer(2, NULL));
    Fake.End = FakeSaysError;
    FakeTakeAway();
    RETURNS(ERROR_GEN_FAILURE, WnbdWaitDispatcher(Disk));
    WnbdClose(Disk);
    /* Removed before it was started, and not again by WnbdClose. */
    Disk = MakeDisk(0);
    RETURNS(0, WnbdStopDispatcher(Disk, NULL));
    WnbdClose(Disk);
    CHECK(Fake.Removed == 1);
}

/* Requests that wait when a soft removal begins are served before the threads end; so are those of a fallback. */
static void SoftServesAll(void)
{
    enum { COUNT = 200 };
    WNBD_REMOVE_OPTIONS Options = Soft(FAKE_PATIENCE_MS);
    PWNBD_DISK Disk = MakeDisk(1);
    Fake.Made = true;
    for (UINT64 Handle = 1; Handle <= COUNT; Handle++) {
        WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, Handle);
        FakeRequest(&Request, NULL, 0);
    }
    RETURNS(0, WnbdRemove(Disk, &Options));
    RETURNS(0, WnbdWaitDispatcher(Disk));
    CHECK(FakeAnswers() == COUNT && StatsOf(Disk).TotalReceivedReplies == COUNT);
    WnbdClose(Disk);
}

static HANDLE Gate;

static void WaitAtGate(PWNBD_DISK Disk)
{
    (void)Disk;
    CHECK(WaitForSingleObject(Gate, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
}

void TestHardStop(void)
{
    SoftServesAll();
    /* A driver that leaves fetches waiting: the threads take them back. */
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    PWNBD_DISK Disk = MakeDisk(5);
    CHECK(FakeAwaitFetches(5));
    Fake.End = FakeSaysDisconnectOnce;
    Fake.Made = true;
    RETURNS(0, WnbdStopDispatcher(Disk, &Options));
    RETURNS(0, WnbdWaitDispatcher(Disk));
    CHECK(Fake.Ejected == 0 && Fake.Removed == 1 && Disk->Stopped);
    WnbdClose(Disk);
    /* What waits in the driver is not fetched any more. */
    Disk = MakeDisk(1);
    Gate = CreateEventW(NULL, TRUE, FALSE, NULL);
    DuringCall = WaitAtGate;
    for (UINT64 Handle = 1; Handle <= 3; Handle++) {
        WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeFlush, Handle);
        FakeRequest(&Request, NULL, 0);
    }
    RETURNS(0, WnbdRemove(Disk, &Options));
    SetEvent(Gate);
    RETURNS(0, WnbdWaitDispatcher(Disk));
    CHECK(CallCount == 1 || CallCount == 0);
    CloseHandle(Gate);
    WnbdClose(Disk);
    /* The driver fails to: the dispatcher goes on. */
    Disk = MakeDisk(1);
    Fake.Errors[IOCTL_WNBD_REMOVE] = ERROR_GEN_FAILURE;
    RETURNS(ERROR_GEN_FAILURE, WnbdStopDispatcher(Disk, &Options));
    CHECK(!Disk->Stopping);
    Fake.Errors[IOCTL_WNBD_REMOVE] = 0;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeFlush, 9);
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAnswer(9, NULL));
    EndDisk(Disk);
}

static DWORD ResultInCallback;

static void StopSoftly(PWNBD_DISK Disk)
{
    WNBD_REMOVE_OPTIONS Options = Soft(FAKE_PATIENCE_MS);
    DuringCall = NULL;
    ResultInCallback = WnbdStopDispatcher(Disk, &Options);
    RETURNS(ERROR_POSSIBLE_DEADLOCK, WnbdWaitDispatcher(Disk));
}

static void StopHard(PWNBD_DISK Disk)
{
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    DuringCall = NULL;
    ResultInCallback = WnbdRemove(Disk, &Options);
}

/* The one thread that there is asks for the end, which needs that thread: Windows flushes first. */
void TestStopInCallback(void)
{
    static void (*const Stops[])(PWNBD_DISK) = {StopSoftly, StopHard};
    for (size_t Index = 0; Index < ARRAYSIZE(Stops); Index++) {
        PWNBD_DISK Disk = MakeDisk(1);
        Fake.Made = Fake.EjectNeedsIo = true;
        DuringCall = Stops[Index];
        ResultInCallback = MAXDWORD;
        WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 1);
        FakeRequest(&Request, NULL, 0);
        CHECK(FakeAnswer(1, NULL));
        RETURNS(0, WnbdWaitDispatcher(Disk));
        RETURNS(0, ResultInCallback);
        CHECK(Fake.Removed == 1);
        WnbdClose(Disk);
    }
    /* No thread for it: it is said, and the disk stays. */
    PWNBD_DISK Disk = MakeDisk(1);
    Fake.ThreadsUntilFailure = 0;
    DuringCall = StopHard;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 1);
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAnswer(1, NULL));
    RETURNS(ERROR_OUTOFMEMORY, ResultInCallback);
    CHECK(Fake.There);
    EndDisk(Disk);
}

/* Another disk has the name now: it is not ours to remove. */
void TestOtherLife(void)
{
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    PWNBD_DISK Disk = MakeDisk(1);
    Fake.ShownConnectionId = Disk->ConnectionInfo.ConnectionId + 1;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemove(Disk, &Options));
    Options = Soft(FAKE_PATIENCE_MS);
    Fake.Made = true;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemove(Disk, &Options));
    WnbdClose(Disk);
    CHECK(Fake.Removed == 0 && Fake.Ejected == 0);
    /* Who says the name means whoever has it. */
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(Fake.Removed == 1);
}

static volatile LONG Closed;

static void CloseHere(PWNBD_DISK Disk)
{
    DuringCall = NULL;
    AnswerAtOnce = false;
    WnbdClose(Disk);
    InterlockedIncrement(&Closed);
}

static volatile LONG Finished;

/* Goes on until the disk is being closed. */
static void AwaitRemoval(PWNBD_DISK Disk)
{
    (void)Disk;
    CHECK(FakeAwait((volatile LONG *)&Fake.Removed, 1));
    Sleep(1);
    InterlockedExchange(&Finished, 1);
}

/* WnbdClose has waited for the callback that was under way. */
static void CloseDuringCall(void)
{
    PWNBD_DISK Disk = MakeDisk(2);
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeFlush, 1);
    Finished = 0;
    DuringCall = AwaitRemoval;
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAwaitFetches(1));
    WnbdClose(Disk);
    CHECK(Finished == 1 && FakeAnswer(1, NULL));
}

void TestClose(void)
{
    CloseDuringCall();
    /* While it is served: the threads have ended when WnbdClose returns. */
    PWNBD_DISK Disk = MakeDisk(6);
    CHECK(FakeAwaitFetches(6));
    Fake.End = FakeSaysDisconnectOnce;
    WnbdClose(Disk);
    CHECK(Fake.Removed == 1 && Fake.Ejected == 0 && FakeAwaitFetches(0));
    /* By a callback, which must not wait for its own thread. */
    Disk = MakeDisk(3);
    HANDLE Threads[3];
    for (int Index = 0; Index < 3; Index++) {
        CHECK(DuplicateHandle(GetCurrentProcess(), Disk->DispatcherThreads[Index], GetCurrentProcess(), &Threads[Index],
                              0, FALSE, DUPLICATE_SAME_ACCESS));
    }
    Closed = 0;
    DuringCall = CloseHere;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 1);
    FakeRequest(&Request, NULL, 0);
    CHECK(WaitForMultipleObjects(3, Threads, TRUE, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
    CHECK(Closed == 1 && Fake.Removed == 1);
    for (int Index = 0; Index < 3; Index++) {
        CloseHandle(Threads[Index]);
    }
    /* Never served: nobody would, so it goes. */
    Disk = MakeDisk(0);
    WnbdClose(Disk);
    CHECK(Fake.Removed == 1 && !Fake.There);
    WnbdClose(NULL);
}

void TestSize(void)
{
    WNBD_CONNECTION_INFO Info;
    PWNBD_DISK Disk = MakeDisk(1);
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSetDiskSize(NULL, 1));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSetDiskSize(Disk, 0));
    RETURNS(0, WnbdSetDiskSize(Disk, 4711));
    CHECK(Fake.Info.Properties.BlockCount == 4711 && Disk->Properties.BlockCount == 4711);
    RETURNS(0, WnbdGetConnectionInfo(Disk, &Info));
    CHECK(Info.Properties.BlockCount == 4711);
    Fake.Errors[IOCTL_WNBD_SET_DISK_SIZE] = ERROR_FILE_NOT_FOUND;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdSetDiskSize(Disk, 1));
    CHECK(Disk->Properties.BlockCount == 4711);
    EndDisk(Disk);
}
