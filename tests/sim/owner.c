/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Processes that serve disks, and go: killed with fetches pended, while they
 * hold a request or send an answer, with nothing in the driver at all; each
 * with one sign of their end after another left out (decision 0010), down to
 * silence. And what is no end: a thread's, a handle's, another process's.
 *
 * The linker puts a clock of the test's in front of the system's, so that
 * limits of a minute pass in no time.
 */
#include "options.h"
#include "provider.h"
#include "settings.h"
#include "storage_ioctl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define BLOCKS 8192u
#define BLOCK_BYTES 512u
#define WRITE_BYTES (2u * 1024 * 1024)
#define SECOND 10000000ull
#define GONE_MS 60000u

static void Pause(void)
{
    usleep(1000);
}

/* ---- what the linker puts in front ---- */

static _Atomic ULONGLONG ClockAhead; /* 100 ns */
static _Atomic ULONGLONG Asleep;     /* 100 ns, of the machine */
static atomic_uint Looks;            /* at processes */
static atomic_uint Delays;           /* waits for memory to be unlocked */

ULONGLONG __real_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID)
{
    return __real_KeQueryInterruptTime() + atomic_load(&ClockAhead) + atomic_load(&Asleep);
}

ULONGLONG __real_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID)
{
    return __real_KeQueryUnbiasedInterruptTime() + atomic_load(&ClockAhead);
}

NTSTATUS __real_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS __wrap_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS __wrap_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    NTSTATUS Status = __real_ZwWaitForSingleObject(Handle, Alertable, Timeout);
    atomic_fetch_add(&Looks, 1);
    return Status;
}

NTSTATUS __real_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTSTATUS __wrap_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTSTATUS __wrap_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    atomic_fetch_add(&Delays, 1);
    return __real_KeDelayExecutionThread(Mode, Alertable, Interval);
}

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

/* ---- the beginning and the end of a case ---- */

typedef struct {
    PROVIDER Provider;
    DISK Disk;
    void *Buffer; /* of the process */
    UCHAR Data[WRITE_BYTES];
    DISK_IO Io;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
} SERVED;

static void Serve(SERVED *Served, BED *Bed, const char *Name, size_t Count)
{
    WNBD_PROPERTIES Properties;
    ProviderProperties(&Properties, Name, BLOCKS, BLOCK_BYTES);
    ProviderStart(&Served->Provider, Bed, &Properties);
    Served->Buffer = NativeUserAllocate(Served->Provider.Process, WRITE_BYTES);
    /* Its first commands are answered by the driver. */
    DiskOpen(&Served->Disk, Bed, Count);
    Served->Disk.TimeoutSeconds = 1000000;
}

static void Request(SERVED *Served, UCHAR Code, ULONG Bytes)
{
    UCHAR Cdb[16];
    DiskCdb16(Cdb, Code, 0, Bytes / BLOCK_BYTES, false);
    DiskBegin(&Served->Disk, &Served->Io, false, Cdb, 16, Code == 0x88 ? SRB_FLAGS_DATA_IN : SRB_FLAGS_DATA_OUT,
              Served->Data, Bytes);
}

static NATIVE_REQUEST *FetchBegin(SERVED *Served)
{
    return ProviderFetchBegin(&Served->Provider, Served->Buffer, WRITE_BYTES, &Served->Fetch);
}

static void FetchOne(SERVED *Served)
{
    CHECK(ProviderFetch(&Served->Provider, Served->Buffer, WRITE_BYTES, &Served->Fetch) == STATUS_SUCCESS);
}

static NTSTATUS Answer(SERVED *Served)
{
    WNBD_IO_RESPONSE Response;
    UINT32 Bytes = Served->Fetch.Request.RequestType == WnbdReqTypeRead
                       ? Served->Fetch.Request.Cmd.Read.BlockCount * BLOCK_BYTES
                       : 0;
    ProviderSuccess(&Response, &Served->Fetch.Request);
    return ProviderSend(&Served->Provider, &Response, Served->Buffer, Bytes);
}

/* A read there and back. */
static void Works(SERVED *Served)
{
    Request(Served, 0x88, 4096);
    FetchOne(Served);
    CHECK(Answer(Served) == STATUS_SUCCESS);
    CHECK(DiskWait(&Served->Io, NULL) == SRB_STATUS_SUCCESS);
}

static void EndProvider(SERVED *Served)
{
    ProviderEnd(&Served->Provider);
    DiskClose(&Served->Disk);
}

/* The disk goes, and its name is free. */
static void CheckGone(SERVED *Served, BED *Bed, size_t Children)
{
    CHECK(NativeChildWait(Bed->Adapter, Children, GONE_MS));
    CHECK(BedDiskCount(Bed) == Children);
    CHECK(BedUnmap(Bed, Served->Provider.Info.Properties.InstanceName) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static void Reset(BED *Bed)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    CHECK(NativeIoctl(Bed->File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL) ==
          STATUS_SUCCESS);
}

/* So many looks have been begun and ended from now on, and nothing has come of them. */
static void AwaitLooks(unsigned Count)
{
    unsigned Goal = atomic_load(&Looks) + Count;
    while (atomic_load(&Looks) < Goal) {
        Pause();
    }
}

static char Warning[256]; /* the last one with "Windows will not tell" */
static void Log(uint32_t Level, const char *Text)
{
    if (Level <= DPFLTR_WARNING_LEVEL && strstr(Text, "Windows will not tell") != NULL) {
        snprintf(Warning, sizeof(Warning), "%s", Text);
    }
}

static void Start(BED *Bed, uint32_t Foreign)
{
    Warning[0] = '\0';
    atomic_store(&ClockAhead, 0);
    atomic_store(&Asleep, 0);
    BedStart(Bed, &(NATIVE_OPTIONS){.Seed = 7, .ForeignNotifyRoutines = Foreign, .Log = Log});
    CHECK((Warning[0] != '\0') == (Foreign == 64));
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

/* ---- silence ---- */

static void Limits(bool Remove, LONG64 RequestMs, LONG64 ConnectionMs)
{
    InterlockedExchange64(&OptionValues[OptionRemoveStaleConnections], Remove);
    InterlockedExchange64(&OptionValues[OptionStaleReqTimeoutMs], RequestMs);
    InterlockedExchange64(&OptionValues[OptionStaleConnTimeoutMs], ConnectionMs);
}

static void Pass(ULONGLONG Seconds)
{
    atomic_fetch_add(&ClockAhead, Seconds * SECOND);
    AwaitLooks(2);
}

static void Silence(void)
{
    static SERVED Served;
    BED Bed;
    printf("silence\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    /* Nobody has asked it for anything. */
    NATIVE_REQUEST *Fetch = FetchBegin(&Served);
    Pass(100000);
    CHECK(BedDiskCount(&Bed) == 1);
    /* It holds a request not too long, and after it was idle. */
    Request(&Served, 0x88, 4096);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS);
    Limits(true, 15000, 3600000);
    Pass(1800);
    CHECK(BedDiskCount(&Bed) == 1);
    /* Still not, as it has called meanwhile. */
    Fetch = ProviderFetchBegin(&Served.Provider, Served.Buffer, WRITE_BYTES, &(WNBD_IOCTL_FETCH_REQ_COMMAND){0});
    Pass(2700);
    CHECK(BedDiskCount(&Bed) == 1);
    CHECK(Answer(&Served) == STATUS_SUCCESS);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_SUCCESS);
    NativeRequestCancel(Fetch);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_CANCELLED);
    Pass(100000);
    /* The request has to be old, too. */
    Limits(true, 36000000, 3600000);
    Request(&Served, 0x88, 4096);
    Pass(7200);
    CHECK(BedDiskCount(&Bed) == 1);
    /* And somebody may not want it at all. */
    Limits(false, 15000, 3600000);
    AwaitLooks(2);
    CHECK(BedDiskCount(&Bed) == 1);
    Limits(true, 15000, 3600000);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    CheckGone(&Served, &Bed, 0);
    /* It lives, and hears of it. */
    CHECK(ProviderFetch(&Served.Provider, Served.Buffer, 4096, &Served.Fetch) == STATUS_OBJECT_NAME_NOT_FOUND);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* Nobody answers while the machine sleeps, which is neither silence nor makes a request old. */
static void Sleep(void)
{
    static SERVED Served;
    BED Bed;
    printf("the machine sleeps\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    /* Each limit by itself. */
    for (int Silence = 0; Silence < 2; Silence++) {
        Limits(true, Silence ? 0 : 3600000, Silence ? 3600000 : 0);
        Request(&Served, 0x88, 4096);
        FetchOne(&Served);
        atomic_fetch_add(&Asleep, 36000 * SECOND);
        AwaitLooks(2);
        CHECK(BedDiskCount(&Bed) == 1);
        CHECK(Answer(&Served) == STATUS_SUCCESS);
        CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_SUCCESS);
    }
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* Windows gives the request up: the answer is owed nevertheless, even if the process has asked for more since. */
static void SilenceAfterReset(bool Asks)
{
    static SERVED Served;
    BED Bed;
    NATIVE_REQUEST *Fetch = NULL;
    printf("silence, after a reset%s\n", Asks ? " and another fetch" : "");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, 4096);
    FetchOne(&Served);
    Reset(&Bed);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    if (Asks) {
        Fetch = FetchBegin(&Served);
    }
    CHECK(BedDiskCount(&Bed) == 1);
    atomic_fetch_add(&ClockAhead, 100 * SECOND);
    CheckGone(&Served, &Bed, 0);
    if (Asks) {
        CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS);
        CHECK(Served.Fetch.Request.RequestType == WnbdReqTypeDisconnect);
    }
    EndProvider(&Served);
    BedStop(&Bed);
}

/* A request that was given up before it was fetched is owed by nobody. */
static void NothingIsOwed(void)
{
    static SERVED Served;
    BED Bed;
    printf("silence, and nothing is owed any more\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, 4096);
    Reset(&Bed);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    Pass(100000);
    CHECK(BedDiskCount(&Bed) == 1);
    Works(&Served);
    EndProvider(&Served);
    CheckGone(&Served, &Bed, 0);
    BedStop(&Bed);
}

/* Of two requests the older one counts, wherever the driver keeps it; given up as well. */
static void OldestCounts(bool GivenUp)
{
    static SERVED Served;
    static DISK_IO Younger;
    static UCHAR Data[4096];
    UCHAR Cdb[16];
    BED Bed;
    printf("silence, the oldest of two requests%s\n", GivenUp ? ", which was given up" : "");
    fflush(stdout);
    atomic_store(&ClockAhead, 0);
    NativeStart(&(NATIVE_OPTIONS){.Seed = 7});
    /* So the driver has room for four requests, and uses the first again for the younger one. */
    NativeRegistrySetQword(SETTINGS_STATE, "MaxIOReqPerLun", 2);
    BedLoad(&Bed);
    Serve(&Served, &Bed, "served", 1);
    for (int Index = 0; Index < 3; Index++) {
        Works(&Served);
    }
    Limits(true, 3600000, 1000);
    Request(&Served, 0x88, 4096);
    if (GivenUp) {
        FetchOne(&Served);
        Reset(&Bed);
        CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    }
    Pass(3000);
    CHECK(BedDiskCount(&Bed) == 1);
    DiskCdb16(Cdb, 0x88, 0, sizeof(Data) / BLOCK_BYTES, false);
    DiskBegin(&Served.Disk, &Younger, false, Cdb, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    atomic_fetch_add(&ClockAhead, 700 * SECOND);
    CheckGone(&Served, &Bed, 0);
    CHECK(DiskWait(&Younger, NULL) == SRB_STATUS_NO_DEVICE);
    CHECK(GivenUp || DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    EndProvider(&Served);
    BedStop(&Bed);
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
    Silence();
    SilenceAfterReset(false);
    SilenceAfterReset(true);
    NothingIsOwed();
    OldestCounts(false);
    OldestCounts(true);
    Sleep();
    printf("ok\n");
    return 0;
}
