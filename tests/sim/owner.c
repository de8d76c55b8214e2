/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Processes that serve disks, and go: killed with fetches pended, while they
 * hold a request or send an answer, with nothing in the driver at all; each
 * with one sign of their end after another left out (decision 0010). And what
 * is no end: a thread's, a handle's, another process's.
 */
#include "owned.h"

#include <stdio.h>

/* Holds a processor before the Left-th spin lock that it takes from now on. */
static _Thread_local bool IsHeld;
static atomic_int Left;
static atomic_bool Stands;
static atomic_bool Open;

KIRQL __real_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    if (IsHeld && NativeLocksHeld() == 0 && atomic_fetch_sub(&Left, 1) == 1) {
        atomic_store(&Stands, true);
        while (!atomic_load(&Open)) {
            Pause();
        }
    }
    return __real_KeAcquireSpinLockRaiseToDpc(SpinLock);
}

static void Hold(int Place)
{
    atomic_store(&Stands, false);
    atomic_store(&Open, false);
    atomic_store(&Left, Place);
}

/* ---- a process's end ---- */

typedef enum { HAS_NOTHING, HAS_FETCHES, HAS_REQUEST, HAS_UNFETCHED, HAS_COUNT } HAS;
static const char *const HasWords[HAS_COUNT] = {"nothing", "fetches pended", "a request", "a request to fetch"};

static void Killed(HAS Has, NATIVE_PROCESS_END End, uint32_t Foreign, ULONGLONG Ahead)
{
    static SERVED Served;
    NATIVE_REQUEST *Fetches[3];
    WNBD_IOCTL_FETCH_REQ_COMMAND Commands[3];
    BED Bed;
    printf("ends with %s, way %d, %u others\n", HasWords[Has], (int)End, Foreign);
    fflush(stdout);
    Start(&Bed, Foreign);
    Serve(&Served, &Bed, "served", 1);
    Works(&Served);
    for (int Index = 0; Has == HAS_FETCHES && Index < 3; Index++) {
        Fetches[Index] = ProviderFetchBegin(&Served.Provider, Served.Buffer, WRITE_BYTES, &Commands[Index]);
    }
    if (Has == HAS_REQUEST || Has == HAS_UNFETCHED) {
        Request(&Served, 0x88, 4096);
    }
    if (Has == HAS_REQUEST) {
        FetchOne(&Served);
    }
    NativeProcessEnd(Served.Provider.Process, End);
    for (int Index = 0; Has == HAS_FETCHES && Index < 3; Index++) {
        NTSTATUS Status = NativeRequestWait(Fetches[Index], NULL);
        CHECK(Status == STATUS_CANCELLED || (Status == STATUS_SUCCESS && (End & NATIVE_END_NOTIFY_FIRST) &&
                                             Commands[Index].Request.RequestType == WnbdReqTypeDisconnect));
    }
    atomic_store(&ClockAhead, Ahead);
    if (!(End & NATIVE_END_UNNOTIFIED) && Foreign == 0) {
        /* At once: the notification has returned. */
        CHECK(BedDiskCount(&Bed) == 0);
    }
    if (Has == HAS_REQUEST || Has == HAS_UNFETCHED) {
        CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    }
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

static void *EndFirstMain(void *Context)
{
    NativeProcessEnd(Context, NATIVE_END_NOTIFY_FIRST);
    return NULL;
}

static void *EndMain(void *Context)
{
    NativeProcessEnd(Context, 0);
    return NULL;
}

static void *WriteMain(void *Context)
{
    SERVED *Served = Context;
    IsHeld = true;
    Request(Served, 0x8A, WRITE_BYTES);
    IsHeld = false;
    return NULL;
}

/* Another processor fills a fetch, so its memory is locked, and the notification waits (bug check 0x76). */
static void KilledWhileFilled(void)
{
    static SERVED Served;
    pthread_t Writer, Ender;
    BED Bed;
    printf("ends while a fetch is being filled\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    NATIVE_REQUEST *Fetch = FetchBegin(&Served);
    Hold(20);
    CHECK(pthread_create(&Writer, NULL, WriteMain, &Served) == 0);
    while (!atomic_load(&Stands)) {
        Pause();
    }
    CHECK(!NativeRequestPoll(Fetch, 0));
    unsigned Waited = atomic_load(&Delays);
    CHECK(pthread_create(&Ender, NULL, EndFirstMain, Served.Provider.Process) == 0);
    while (atomic_load(&Delays) == Waited) {
        Pause();
    }
    atomic_store(&Open, true);
    CHECK(pthread_join(Ender, NULL) == 0 && pthread_join(Writer, NULL) == 0);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS &&
          Served.Fetch.Request.RequestType == WnbdReqTypeDisconnect);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

static void *AnswerMain(void *Context)
{
    SERVED *Served = Context;
    IsHeld = true;
    CHECK(Answer(Served) == STATUS_SUCCESS);
    IsHeld = false;
    return NULL;
}

/* A thread that is in the driver gets out of it before its process ends; the disk may have gone meanwhile. */
static void KilledWhileAnswering(bool Unmapped)
{
    static SERVED Served;
    pthread_t Answerer, Ender;
    BED Bed;
    printf("ends while it answers%s\n", Unmapped ? ", the disk before" : "");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, WRITE_BYTES);
    FetchOne(&Served);
    Hold(10);
    CHECK(pthread_create(&Answerer, NULL, AnswerMain, &Served) == 0);
    while (!atomic_load(&Stands)) {
        Pause();
    }
    if (Unmapped) {
        CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    }
    CHECK(pthread_create(&Ender, NULL, EndMain, Served.Provider.Process) == 0);
    atomic_store(&Open, true);
    CHECK(pthread_join(Answerer, NULL) == 0 && pthread_join(Ender, NULL) == 0);
    UCHAR Status = DiskWait(&Served.Io, NULL);
    CHECK(Status == SRB_STATUS_NO_DEVICE || (Status == SRB_STATUS_SUCCESS && !Unmapped));
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* ---- what is no end ---- */

/* One of two threads ends with its fetch, then the handle of the other one is closed, too. */
static void ThreadAndHandle(void)
{
    static SERVED Served;
    WNBD_IOCTL_FETCH_REQ_COMMAND Command;
    BED Bed;
    printf("a thread ends, a handle is closed\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    PROVIDER Other = Served.Provider;
    Other.File = NativeOpen(&WNBD_GUID, Other.Process);
    NATIVE_REQUEST *Fetch = ProviderFetchBegin(&Other, Served.Buffer, WRITE_BYTES, &Command);
    NativeThreadEnd(Other.File);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_CANCELLED);
    AwaitLooks(3);
    CHECK(BedDiskCount(&Bed) == 1);
    Works(&Served);
    NativeClose(Served.Provider.File);
    AwaitLooks(3);
    CHECK(BedDiskCount(&Bed) == 1);
    Served.Provider.File = Other.File;
    Works(&Served);
    EndProvider(&Served);
    CheckGone(&Served, &Bed, 0);
    BedStop(&Bed);
}

/* Whoever comes after the process and gets its id is another one. */
static void IdReused(void)
{
    static SERVED Served;
    BED Bed;
    printf("its id is used again\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, 4096);
    PEPROCESS Process = Served.Provider.Process;
    NativeProcessEnd(Process, NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK);
    PROVIDER Heir = Served.Provider;
    Heir.Process = NativeProcessCreateAfter(Process);
    CHECK(PsGetProcessId(Heir.Process) == PsGetProcessId(Process));
    Heir.File = NativeOpen(&WNBD_GUID, Heir.Process);
    void *Buffer = NativeUserAllocate(Heir.Process, 4096);
    CHECK(ProviderFetch(&Heir, Buffer, 4096, &Served.Fetch) == STATUS_ACCESS_DENIED);
    CHECK(BedDiskCount(&Bed) == 1);
    NativeClose(Heir.File);
    NativeProcessDelete(Heir.Process);
    /* It was told of somebody who had the id: then the owner has none. */
    CHECK(BedDiskCount(&Bed) == 0);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* Another provider's disk, and an adapter that goes with it. */
static void TwoProviders(NATIVE_PROCESS_END End)
{
    static SERVED One, Two;
    BED Bed;
    printf("two, of which one ends, way %d\n", (int)End);
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&One, &Bed, "one", 1);
    Serve(&Two, &Bed, "two", 2);
    Request(&Two, 0x88, 4096);
    FetchOne(&Two);
    NativeProcessEnd(One.Provider.Process, End);
    CheckGone(&One, &Bed, 1);
    CHECK(Answer(&Two) == STATUS_SUCCESS);
    CHECK(DiskWait(&Two.Io, NULL) == SRB_STATUS_SUCCESS);
    NATIVE_REQUEST *Fetch = FetchBegin(&Two);
    AwaitLooks(4);
    CHECK(!NativeRequestPoll(Fetch, 0) && BedDiskCount(&Bed) == 1);
    EndProvider(&One);
    DiskClose(&Two.Disk);
    NativeDeviceSurpriseRemove(Bed.Adapter);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS && Two.Fetch.Request.RequestType == WnbdReqTypeDisconnect);
    ProviderEnd(&Two.Provider);
    NativeClose(Bed.File);
    NativePnpSettle();
    NativeDriverUnload(Bed.Driver);
    NativeStop();
}

int main(void)
{
    for (HAS Has = 0; Has < HAS_COUNT; Has++) {
        Killed(Has, 0, 0, 0);
        Killed(Has, NATIVE_END_NOTIFY_FIRST, 0, 0);
        Killed(Has, NATIVE_END_STUCK, 0, 0);
        Killed(Has, NATIVE_END_UNNOTIFIED, 0, 0);
        Killed(Has, 0, 64, 0);
    }
    Killed(HAS_REQUEST, NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK, 0, 100 * SECOND);
    Killed(HAS_UNFETCHED, NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK, 0, 100 * SECOND);
    KilledWhileFilled();
    KilledWhileAnswering(false);
    KilledWhileAnswering(true);
    ThreadAndHandle();
    IdReused();
    TwoProviders(0);
    TwoProviders(NATIVE_END_UNNOTIFIED);
    printf("ok\n");
    return 0;
}
