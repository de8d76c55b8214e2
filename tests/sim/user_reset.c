/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What comes while a request is on its way to the process that serves the disk, or an answer on its way back: a reset,
 * a removal, a cancellation, at each place where the driver takes a lock. No chance, no time: the linker puts a hook
 * into KeAcquireSpinLock (--wrap), which does it in the driver's own thread, between two pieces of the payload. What is
 * given back by then is freed at once: the sanitizer sees who touches it afterwards.
 */
#include "provider.h"
#include "storage_ioctl.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK 512u
#define LARGE WNBD_DEFAULT_MAX_TRANSFER_LENGTH
#define LARGE_BLOCKS (LARGE / BLOCK)
#define BLOCKS (4 * LARGE_BLOCKS)
#define PIECES 32u /* of LARGE, at least so many places are between two of them */
#define OLD 0xA5
#define NEW 0x5A

static BED Bed;
static DISK Disk;
static PROVIDER Provider;
static UCHAR *Buffer; /* of the process, LARGE */

/* ---- the hook ---- */

static _Thread_local void (*Hook)(void);
static _Thread_local unsigned HookLeft; /* locks to take before it runs */

KIRQL __real_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);

KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    if (Hook != NULL && NativeLocksHeld() == 0 && KeGetCurrentIrql() == PASSIVE_LEVEL && HookLeft-- == 0) {
        void (*Run)(void) = Hook;
        Hook = NULL;
        Run();
    }
    return __real_KeAcquireSpinLockRaiseToDpc(SpinLock);
}

static void HookArm(void (*Run)(void), unsigned Place)
{
    HookLeft = Place;
    Hook = Run;
}

/* True: it has run. */
static bool HookDisarm(void)
{
    bool Ran = Hook == NULL;
    Hook = NULL;
    return Ran;
}

/* ---- a request of Windows ---- */

static struct {
    DISK_IO Io;
    UCHAR *Data;
} Large;

static void LargeBegin(bool Write, UCHAR Fill)
{
    UCHAR Cdb[16];
    Large.Data = malloc(LARGE);
    CHECK(Large.Data != NULL);
    memset(Large.Data, Fill, LARGE);
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, 0, LARGE_BLOCKS, false);
    DiskBegin(&Disk, &Large.Io, true, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Large.Data, LARGE);
}

static UCHAR LargeEnd(void)
{
    UCHAR Status = DiskWait(&Large.Io, NULL);
    free(Large.Data);
    return Status;
}

static bool Filled(const UCHAR *Bytes, size_t Length, UCHAR Fill)
{
    return Bytes[0] == Fill && memcmp(Bytes, Bytes + 1, Length - 1) == 0;
}

static NTSTATUS AnswerTo(const WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch, UINT32 Bytes)
{
    WNBD_IO_RESPONSE Response;
    ProviderSuccess(&Response, &Fetch->Request);
    return ProviderSend(&Provider, &Response, Buffer, Bytes);
}

static WNBD_DRV_STATS Counters(void)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "served"};
    WNBD_DRV_STATS Result;
    CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), NULL) ==
          STATUS_SUCCESS);
    return Result;
}

static void Reset(void)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    CHECK(NativeIoctl(Bed.File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL) ==
          STATUS_SUCCESS);
}

static void ResetLarge(void)
{
    Reset();
    CHECK(LargeEnd() == SRB_STATUS_BUS_RESET);
}

/* Writes small, which the process gets next, and takes it through. */
static void SmallThrough(NATIVE_REQUEST *Request, WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch)
{
    UCHAR Cdb[16], Data[BLOCK];
    DISK_IO Io;
    memset(Data, NEW, sizeof(Data));
    DiskCdb16(Cdb, 0x8A, LARGE_BLOCKS, 1, false);
    DiskBegin(&Disk, &Io, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, sizeof(Data));
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS);
    CHECK(Fetch->Request.RequestType == WnbdReqTypeWrite && Fetch->DataBufferSize == BLOCK);
    CHECK(Fetch->Request.Cmd.Write.BlockAddress == LARGE_BLOCKS && Fetch->Request.Cmd.Write.BlockCount == 1);
    CHECK(Filled(Buffer, BLOCK, NEW));
    CHECK(AnswerTo(Fetch, 0) == STATUS_SUCCESS);
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_SUCCESS);
}

/* ---- the tests ---- */

/* A write that is being copied to the process is given back: the process never hears of it. */
static void ResetInFetch(void)
{
    unsigned Place, Undelivered = 0;
    bool Ran = true;
    for (Place = 0; Ran; Place++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        WNBD_DRV_STATS Before = Counters();
        LargeBegin(true, OLD);
        HookArm(ResetLarge, Place);
        NATIVE_REQUEST *Request = ProviderFetchBegin(&Provider, Buffer, LARGE, &Fetch);
        Ran = HookDisarm();
        if (Ran && !NativeRequestPoll(Request, 0)) {
            CHECK(Counters().AbortedUnsubmittedIORequests == Before.AbortedUnsubmittedIORequests + 1);
            CHECK(Counters().AbortedSubmittedIORequests == Before.AbortedSubmittedIORequests);
            Undelivered++;
            SmallThrough(Request, &Fetch);
            continue;
        }
        /* All of it was there before. */
        CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS);
        CHECK(Fetch.DataBufferSize == LARGE && Filled(Buffer, LARGE, OLD));
        CHECK(AnswerTo(&Fetch, 0) == STATUS_SUCCESS);
        CHECK(Counters().CompletedAbortedIORequests == Before.CompletedAbortedIORequests + (Ran ? 1 : 0));
        CHECK(Ran || LargeEnd() == SRB_STATUS_SUCCESS);
    }
    printf("  %u places, at %u of them the write was not delivered\n", Place - 1, Undelivered);
    CHECK(Undelivered >= PIECES);
}

static UCHAR ResetStatus;

/* The answer may have been taken already. */
static void ResetAnswered(void)
{
    Reset();
    CHECK(NativeRequestPoll(Large.Io.Request, 60000));
    bool New = Filled(Large.Data, LARGE, NEW);
    ResetStatus = LargeEnd();
    CHECK(ResetStatus == SRB_STATUS_BUS_RESET || (ResetStatus == SRB_STATUS_SUCCESS && New));
}

/* What was read is being copied to memory that goes back. */
static void ResetInAnswer(void)
{
    unsigned Place, Lost = 0;
    bool Ran = true;
    for (Place = 0; Ran; Place++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        WNBD_DRV_STATS Before = Counters();
        LargeBegin(false, OLD);
        CHECK(ProviderFetch(&Provider, Buffer, LARGE, &Fetch) == STATUS_SUCCESS);
        memset(Buffer, NEW, LARGE);
        HookArm(ResetAnswered, Place);
        NTSTATUS Status = AnswerTo(&Fetch, LARGE);
        Ran = HookDisarm();
        CHECK(Status == STATUS_SUCCESS);
        Lost += Ran && ResetStatus == SRB_STATUS_BUS_RESET;
        WNBD_DRV_STATS After = Counters();
        CHECK(After.PendingSubmittedIORequests == 0);
        CHECK(After.CompletedAbortedIORequests - Before.CompletedAbortedIORequests ==
              After.AbortedSubmittedIORequests - Before.AbortedSubmittedIORequests);
        if (!Ran) {
            CHECK(NativeRequestPoll(Large.Io.Request, 60000) && Filled(Large.Data, LARGE, NEW));
            CHECK(LargeEnd() == SRB_STATUS_SUCCESS);
        }
    }
    printf("  %u places, at %u of them the read was given back\n", Place - 1, Lost);
    CHECK(Lost >= PIECES);
}

static WNBD_IOCTL_FETCH_REQ_COMMAND TheFetch;
static NTSTATUS SecondStatus;

static void AnswerAgain(void)
{
    SecondStatus = AnswerTo(&TheFetch, LARGE);
}

/* Two answers to one request, the second while the first is being taken. */
static void AnsweredTwice(void)
{
    bool Ran = true;
    for (unsigned Place = 0; Ran; Place++) {
        LargeBegin(false, OLD);
        CHECK(ProviderFetch(&Provider, Buffer, LARGE, &TheFetch) == STATUS_SUCCESS);
        memset(Buffer, NEW, LARGE);
        HookArm(AnswerAgain, Place);
        NTSTATUS Status = AnswerTo(&TheFetch, LARGE);
        Ran = HookDisarm();
        CHECK(NativeRequestPoll(Large.Io.Request, 60000) && Filled(Large.Data, LARGE, NEW));
        CHECK(LargeEnd() == SRB_STATUS_SUCCESS);
        /* One of them has been taken. */
        CHECK(!Ran || (Status == STATUS_SUCCESS) != (SecondStatus == STATUS_SUCCESS));
        CHECK(!Ran || Status == STATUS_NOT_FOUND || SecondStatus == STATUS_NOT_FOUND);
        CHECK(AnswerTo(&TheFetch, LARGE) == STATUS_NOT_FOUND);
    }
}

static UINT64 Guess;
static NTSTATUS GuessStatus;

static void AnswerGuess(void)
{
    WNBD_IO_RESPONSE Response = {.RequestHandle = Guess, .RequestType = WnbdReqTypeWrite};
    GuessStatus = ProviderSend(&Provider, &Response, NULL, 0);
}

/* The next handle of a slot can be guessed. While its request is on its way, an answer comes too early. */
static void AnsweredEarly(void)
{
    unsigned Early = 0;
    bool Ran = true;
    Guess = 0;
    for (unsigned Place = 0; Ran; Place++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        LargeBegin(true, OLD);
        HookArm(AnswerGuess, Place);
        CHECK(ProviderFetch(&Provider, Buffer, LARGE, &Fetch) == STATUS_SUCCESS);
        Ran = HookDisarm();
        CHECK(Filled(Buffer, LARGE, OLD));
        CHECK(Guess == 0 || Fetch.Request.RequestHandle == Guess);
        Guess = Fetch.Request.RequestHandle + 0x10000;
        if (Ran && GuessStatus == STATUS_SUCCESS) {
            /* It had been delivered. */
            CHECK(AnswerTo(&Fetch, 0) == STATUS_NOT_FOUND);
        } else {
            CHECK(!Ran || GuessStatus == STATUS_NOT_FOUND);
            Early += Ran;
            CHECK(!NativeRequestPoll(Large.Io.Request, 0));
            CHECK(AnswerTo(&Fetch, 0) == STATUS_SUCCESS);
        }
        CHECK(LargeEnd() == SRB_STATUS_SUCCESS);
    }
    CHECK(Early > PIECES);
}

static NATIVE_REQUEST *TheRequest;

static void CancelFetch(void)
{
    NativeRequestCancel(TheRequest);
}

/* A fetch is cancelled at any moment: the request goes with it, or stays for the next. */
static void CancelInFetch(void)
{
    unsigned Cancelled = 0, Place;
    bool Ran = true;
    for (Place = 0; Ran; Place++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                              .ConnectionId = Provider.Info.ConnectionId,
                                              .DataBuffer = Buffer,
                                              .DataBufferSize = LARGE};
        LargeBegin(true, OLD);
        TheRequest =
            NativeIoctlMake(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Fetch, sizeof(Fetch), &Fetch, sizeof(Fetch));
        HookArm(CancelFetch, Place);
        NativeRequestSend(Provider.File, TheRequest);
        Ran = HookDisarm();
        NTSTATUS Status = NativeRequestWait(TheRequest, NULL);
        CHECK(Status == STATUS_SUCCESS || (Ran && Status == STATUS_CANCELLED));
        if (Status == STATUS_CANCELLED) {
            Cancelled++;
            CHECK(ProviderFetch(&Provider, Buffer, LARGE, &Fetch) == STATUS_SUCCESS);
        }
        CHECK(Fetch.DataBufferSize == LARGE && Filled(Buffer, LARGE, OLD));
        CHECK(AnswerTo(&Fetch, 0) == STATUS_SUCCESS);
        CHECK(LargeEnd() == SRB_STATUS_SUCCESS);
    }
    printf("  %u places, cancelled at %u\n", Place - 1, Cancelled);
    CHECK(Cancelled != 0 && Cancelled < Place - 1);
}

static void CancelAndReset(void)
{
    CancelFetch();
    ResetLarge();
}

/* The request that goes into a fetch is given back while the fetch is cancelled: it doesn't wait for another. */
static void CancelledAndReset(void)
{
    unsigned Cancelled = 0, Place;
    bool Ran = true;
    for (Place = 0; Ran; Place++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                              .ConnectionId = Provider.Info.ConnectionId,
                                              .DataBuffer = Buffer,
                                              .DataBufferSize = LARGE};
        LargeBegin(true, OLD);
        TheRequest =
            NativeIoctlMake(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Fetch, sizeof(Fetch), &Fetch, sizeof(Fetch));
        HookArm(CancelAndReset, Place);
        NativeRequestSend(Provider.File, TheRequest);
        Ran = HookDisarm();
        CHECK(NativeRequestPoll(TheRequest, 60000));
        NTSTATUS Status = NativeRequestWait(TheRequest, NULL);
        CHECK(Status == STATUS_SUCCESS || (Ran && Status == STATUS_CANCELLED));
        Cancelled += Status == STATUS_CANCELLED;
        if (Status == STATUS_SUCCESS) {
            CHECK(Fetch.DataBufferSize == LARGE && Filled(Buffer, LARGE, OLD));
            CHECK(AnswerTo(&Fetch, 0) == STATUS_SUCCESS);
        }
        CHECK(Ran || LargeEnd() == SRB_STATUS_SUCCESS);
    }
    printf("  %u places, cancelled at %u\n", Place - 1, Cancelled);
    CHECK(Cancelled > PIECES);
}

/* Fetched and not answered: given back, and the answer that comes at last is counted. Writes there wait for it. */
static void LateAnswers(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Late, Other, Next;
    WNBD_DRV_STATS Before = Counters();
    UCHAR Cdb[16], Data[BLOCK] = {0};
    DISK_IO Held, Free;
    LargeBegin(true, OLD);
    CHECK(ProviderFetch(&Provider, Buffer, LARGE, &Late) == STATUS_SUCCESS);
    ResetLarge();
    CHECK(Counters().AbortedSubmittedIORequests == Before.AbortedSubmittedIORequests + 1);
    DiskCdb16(Cdb, 0x88, LARGE_BLOCKS - 1, 1, false);
    DiskBegin(&Disk, &Held, false, Cdb, 16, SRB_FLAGS_DATA_IN, Data, BLOCK);
    DiskCdb16(Cdb, 0x8A, LARGE_BLOCKS, 1, false);
    DiskBegin(&Disk, &Free, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, BLOCK);
    NATIVE_REQUEST *Request = ProviderFetchBegin(&Provider, Buffer, LARGE, &Other);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Other.Request.RequestType == WnbdReqTypeWrite);
    CHECK(AnswerTo(&Other, 0) == STATUS_SUCCESS && DiskWait(&Free, NULL) == SRB_STATUS_SUCCESS);
    Request = ProviderFetchBegin(&Provider, Buffer, LARGE, &Next);
    CHECK(!NativeRequestPoll(Request, 0));
    CHECK(AnswerTo(&Late, 0) == STATUS_SUCCESS);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Next.Request.RequestType == WnbdReqTypeRead);
    CHECK(Next.Request.Cmd.Read.BlockAddress == LARGE_BLOCKS - 1);
    CHECK(AnswerTo(&Late, 0) == STATUS_NOT_FOUND);
    CHECK(AnswerTo(&Next, BLOCK) == STATUS_SUCCESS && DiskWait(&Held, NULL) == SRB_STATUS_SUCCESS);
    CHECK(Counters().CompletedAbortedIORequests == Before.CompletedAbortedIORequests + 1);
}

static void Prepare(void)
{
    WNBD_PROPERTIES Properties;
    ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
    ProviderStart(&Provider, &Bed, &Properties);
    Buffer = NativeUserAllocate(Provider.Process, LARGE);
    DiskOpen(&Disk, &Bed, 1);
}

static void Dismiss(void)
{
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
}

static void RemoveLarge(void)
{
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    UCHAR Status = LargeEnd();
    /* The answer may have been taken already. */
    CHECK(Status == SRB_STATUS_NO_DEVICE || Status == SRB_STATUS_SUCCESS);
}

/* The disk is removed at such a moment: the fetch ends with DISCONNECT, or with what it had got. */
static void RemovedInFetch(void)
{
    static const unsigned Places[] = {0, 1, 2, 3, 10, 33, 34, 35, 36, 37, 38, 39, 40};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Places); Index++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        Prepare();
        LargeBegin(true, OLD);
        HookArm(RemoveLarge, Places[Index]);
        NTSTATUS Status = ProviderFetch(&Provider, Buffer, LARGE, &Fetch);
        bool Ran = HookDisarm();
        CHECK(Status == STATUS_SUCCESS || (Ran && Status == STATUS_OBJECT_NAME_NOT_FOUND));
        if (Status == STATUS_SUCCESS && Fetch.Request.RequestType == WnbdReqTypeWrite) {
            CHECK(Fetch.DataBufferSize == LARGE && Filled(Buffer, LARGE, OLD));
        } else if (Status == STATUS_SUCCESS) {
            CHECK(Fetch.Request.RequestType == WnbdReqTypeDisconnect && Fetch.DataBufferSize == 0);
        }
        if (!Ran) {
            RemoveLarge();
        }
        CHECK(AnswerTo(&Fetch, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
        Dismiss();
    }
}

static void RemovedInAnswer(void)
{
    static const unsigned Places[] = {0, 1, 2, 10, 33, 34, 35, 36};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Places); Index++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        Prepare();
        LargeBegin(false, OLD);
        CHECK(ProviderFetch(&Provider, Buffer, LARGE, &Fetch) == STATUS_SUCCESS);
        HookArm(RemoveLarge, Places[Index]);
        NTSTATUS Status = AnswerTo(&Fetch, LARGE);
        bool Ran = HookDisarm();
        CHECK(Status == STATUS_SUCCESS || Status == STATUS_NOT_FOUND || Status == STATUS_OBJECT_NAME_NOT_FOUND);
        if (!Ran) {
            CHECK(LargeEnd() == SRB_STATUS_SUCCESS && BedUnmap(&Bed, "served") == STATUS_SUCCESS);
        }
        Dismiss();
    }
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(void);
        bool Prepares;
    } Tests[] = {
        {"reset while a write is fetched", ResetInFetch, false},
        {"reset while a read is answered", ResetInAnswer, false},
        {"answered twice at once", AnsweredTwice, false},
        {"answered while it is fetched", AnsweredEarly, false},
        {"cancelled while a write is fetched", CancelInFetch, false},
        {"cancelled and reset meanwhile", CancelledAndReset, false},
        {"late answers", LateAnswers, false},
        {"removed while a write is fetched", RemovedInFetch, true},
        {"removed while a read is answered", RemovedInAnswer, true},
    };
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 1});
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        if (!Tests[Index].Prepares) {
            Prepare();
        }
        Tests[Index].Run();
        if (!Tests[Index].Prepares) {
            WNBD_DRV_STATS Now = Counters();
            CHECK(Now.OutstandingIOCount == 0 && Now.PendingSubmittedIORequests == 0 && Now.UnsubmittedIORequests == 0);
            CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
            Dismiss();
        }
    }
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
