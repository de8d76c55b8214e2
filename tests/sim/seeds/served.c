/* SPDX-License-Identifier: LGPL-2.1-only */
/* served.h: the process, its threads, and what they fetch. */
#include "served_private.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE 600000000u /* 100 ns */
#define KILL_WAYS (NATIVE_END_NOTIFY_FIRST | NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK)

/* ---- what it is like ---- */

void ServedDraw(SLOT *Slot)
{
    SERVER_PLAN *Plan = &Slot->Plan;
    Slot->Tiny = false;
    Slot->Reachable = 0;
    Slot->WantReadOnly = (Plan->Flags & SERVED_READ_ONLY) != 0;
    *Plan = (SERVER_PLAN){.SizeBytes = (uint64_t)Slot->Medium.Sectors * SECTOR_BYTES,
                          .Flags = Plan->Flags,
                          .DelayMost = Plan->DelayMost,
                          .ErrorThousandths = Plan->ErrorThousandths};
    Slot->Conduct = SeededBelow(2) == 0 ? CONDUCT_GOOD : (CONDUCT)SeededBelow(CONDUCT_COUNT);
    Slot->MayEnd = Slot->Conduct == CONDUCT_SILENT || Slot->Conduct == CONDUCT_DIES;
    Slot->MayReset = Slot->Conduct != CONDUCT_GOOD;
}

static const char *const ConductWords[CONDUCT_COUNT] = {"is good", "is slow", "falls silent", "dies"};

static void PropertiesFill(const SLOT *Slot, WNBD_PROPERTIES *Properties)
{
    const uint16_t Flags = Slot->Plan.Flags;
    memset(Properties, 0, sizeof(*Properties));
    strcpy(Properties->InstanceName, Slot->Name);
    Properties->BlockSize = SeededBelow(2) == 0 ? 512 : 4096;
    Properties->BlockCount = Slot->Plan.SizeBytes / Properties->BlockSize;
    Properties->MaxUnmapDescCount = 2 + SeededBelow(64);
    Properties->Flags.ReadOnly = (Flags & SERVED_READ_ONLY) != 0;
    Properties->Flags.FlushSupported = (Flags & SERVED_FLUSH) != 0;
    Properties->Flags.FUASupported = (Flags & SERVED_FUA) != 0;
    Properties->Flags.UnmapSupported = (Flags & SERVED_TRIM) != 0;
}

static SERVED *ServedMake(SLOT *Slot, const WNBD_PROPERTIES *Properties)
{
    SERVED *Served = calloc(1, sizeof(*Served));
    CHECK(Served != NULL);
    Served->Slot = Slot;
    Served->BlockBytes = Properties->BlockSize;
    Served->MostDescriptors = Properties->MaxUnmapDescCount;
    Served->BufferBytes = (uint32_t)Slot->Plan.SizeBytes < WNBD_DEFAULT_MAX_TRANSFER_LENGTH
                              ? (uint32_t)Slot->Plan.SizeBytes
                              : WNBD_DEFAULT_MAX_TRANSFER_LENGTH;
    Served->ThreadCount = 1 + SeededBelow(SERVED_THREADS_MOST);
    Served->Rude = SeededBelow(2) == 0;
    /* At once or soon, so that what all workers ask for is done within a request's time limit. */
    uint32_t Most = Served->ThreadCount * 500000;
    Served->DelayMost = Slot->Plan.DelayMost < Most ? Slot->Plan.DelayMost : Most;
    Served->EndsAt = SeededBelow(SeededBelow(2) == 0 ? 10 : 100);
    Served->Process = NativeProcessCreate();
    return Served;
}

/* ---- the disk is made ---- */

/* What went against it, unless it's what happens to the adapter. */
static void MapCheck(SLOT *Slot, NTSTATUS Status, const WNBD_CREATE_RESULT *Answer, uint32_t Ends)
{
    const LIFE *Life = Slot->Life;
    bool Made = NT_SUCCESS(Status) && Answer->Status == 0;
    bool Disturbed = Slot->Ending || Life->Stopping || Life->Gone || Life->Excuses.Ends != Ends;
    SeededNote((uint32_t)Status);
    LifeSay(Slot, "a process that %s makes it: status 0x%08x, %u %s", ConductWords[Slot->Conduct], (unsigned)Status,
            Answer->Status, Answer->Message);
    if (!Made && !Disturbed && !FaultsRefuse(Slot, Status, Answer)) {
        LifeFail(Slot, "a process was refused: 0x%08x, %u %s", (unsigned)Status, Answer->Status, Answer->Message);
    }
}

static bool Map(SERVED *Served, const WNBD_PROPERTIES *Properties)
{
    SLOT *Slot = Served->Slot;
    WNBD_IOCTL_CREATE_COMMAND Command = {.Properties = *Properties};
    WNBD_CREATE_RESULT Answer = {0};
    bool Extended = SeededBelow(2) == 0;
    uint32_t Ends = Slot->Life->Excuses.Ends;
    Command.IoControlCode = Extended ? IOCTL_WNBD_CREATE_EX : IOCTL_WNBD_CREATE;
    NTSTATUS Status = NativeIoctl(Served->Files[0], WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command),
                                  Extended ? (void *)&Answer : &Answer.ConnectionInfo,
                                  Extended ? sizeof(Answer) : sizeof(Answer.ConnectionInfo), NULL);
    MapCheck(Slot, Status, &Answer, Ends);
    if (!NT_SUCCESS(Status) || Answer.Status != 0) {
        return false;
    }
    const WNBD_CONNECTION_INFO *Info = &Answer.ConnectionInfo;
    CHECK(Info->ConnectionId != 0 && strcmp(Info->Properties.InstanceName, Slot->Name) == 0);
    CHECK(Info->Properties.Pid == (INT32)(uintptr_t)PsGetProcessId(Served->Process));
    Served->Connection = Info->ConnectionId;
    return true;
}

/* ---- its end ---- */

void ServedEnd(SERVED *Served, NATIVE_PROCESS_END Way)
{
    if (Served->Dying) {
        return;
    }
    LifeSay(Served->Slot, "its process ends, way %d", (int)Way);
    Served->Dying = true;
    /* A thread comes out of the driver before it ends; what it has pended is left behind. */
    while (Served->Inside != 0) {
        GroundSleep(1);
    }
    NativeProcessEnd(Served->Process, Way);
    Served->Ended = true;
}

void ServedKill(SERVED *Served)
{
    NATIVE_PROCESS_END Way = (NATIVE_PROCESS_END)SeededBelow(KILL_WAYS + 1);
    Served->Slot->MayEnd = true;
    Served->Slot->MayReset = true;
    /* With neither sign only silence is left, and only if something is owed. */
    Served->Condemned =
        (Way & (NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK)) != (NATIVE_END_UNNOTIFIED | NATIVE_END_STUCK);
    ServedEnd(Served, Way);
}

bool ServedCondemned(const SERVED *Served)
{
    return Served->Condemned;
}

SERVER_COUNTS ServedCounts(const SERVED *Served)
{
    return Served->Counts;
}

/* ---- calls ---- */

static bool MayBeGone(const SERVED *Served)
{
    const SLOT *Slot = Served->Slot;
    const LIFE *Life = Slot->Life;
    return Slot->Ending || Slot->MayEnd || Life->Stopping || Life->Gone || Life->Excuses.Ends != Served->Ends;
}

bool ServedRefused(const SERVED *Served, NTSTATUS Status)
{
    SLOT *Slot = Served->Slot;
    bool Refused =
        Status == STATUS_OBJECT_NAME_NOT_FOUND || Status == STATUS_NOT_FOUND || Status == STATUS_DEVICE_NOT_READY;
    if (!Refused || !MayBeGone(Served)) {
        return false;
    }
    if (Status == STATUS_DEVICE_NOT_READY) {
        Slot->MayEnd = true;
        Slot->MayReset = true;
    }
    return true;
}

bool ServedCallFailed(const SERVED *Served, const FAULTS *Before, NTSTATUS Status)
{
    const LIFE *Life = Served->Slot->Life;
    return (Status == STATUS_INSUFFICIENT_RESOURCES || Status == STATUS_WORKING_SET_QUOTA) &&
           (FaultsSince(Life, Before, FAULT_MEMORY) != 0 || FaultsSince(Life, Before, FAULT_MAPPING) != 0);
}

/* Threads share the process's handles. */
NATIVE_FILE *ServedFile(SERVED *Served)
{
    return Served->Files[SeededBelow(SERVED_FILES)];
}

/* ---- a thread's buffer ---- */

/* Begins anywhere in a page. */
static void BufferMake(SERVED_THREAD *Thread)
{
    SERVED *Served = Thread->Served;
    if (Thread->Memory == NULL) {
        uint32_t Shift = SeededBelow(2) == 0 ? 0 : SeededBelow(PAGE_SIZE);
        Thread->Memory = NativeUserAllocate(Served->Process, Served->BufferBytes + PAGE_SIZE);
        Thread->Bytes = Thread->Memory + Shift;
    }
}

/* What the driver has locked stays with it. */
static void BufferLose(SERVED_THREAD *Thread)
{
    NativeUserFree(Thread->Memory);
    Thread->Memory = NULL;
    Thread->Bytes = NULL;
}

/* ---- fetching ---- */

typedef enum { FETCHED_REQUEST, FETCHED_NOTHING, FETCHED_END } FETCHED;

/* What has come of a fetch, which has to have a reason. */
static FETCHED FetchResult(SERVED_THREAD *Thread, NTSTATUS Status, const FAULTS *Before, uint32_t Cancels)
{
    SERVED *Served = Thread->Served;
    bool Told = Status == STATUS_SUCCESS && Thread->Fetch.Request.RequestType == WnbdReqTypeDisconnect;
    if (ServedRefused(Served, Told ? STATUS_OBJECT_NAME_NOT_FOUND : Status)) {
        return FETCHED_END;
    }
    if (Status == STATUS_SUCCESS && !Told) {
        return FETCHED_REQUEST;
    }
    bool Cancelled = Thread->Cancelled || Served->Dying || Served->Cancels != Cancels || Served->Cancelling != 0;
    bool Known = (Status == STATUS_CANCELLED && Cancelled) || (Status == STATUS_BUFFER_TOO_SMALL && Thread->Small) ||
                 ServedCallFailed(Served, Before, Status);
    if (!Known) {
        LifeFail(Served->Slot, "a fetch ended with status 0x%08x, type %d", (unsigned)Status,
                 (int)Thread->Fetch.Request.RequestType);
    }
    return FETCHED_NOTHING;
}

/* While it is pended: taken back, or its memory taken away. */
static void FetchDisturb(SERVED_THREAD *Thread, NATIVE_REQUEST *Request)
{
    SERVED *Served = Thread->Served;
    if (SeededBelow(8) != 0 || NativeRequestPoll(Request, SeededBelow(SeededBelow(2) == 0 ? 20 : 3000)) ||
        Served->Dying) {
        return;
    }
    if (Served->Rude && SeededBelow(3) == 0) {
        Served->Inside++;
        BufferLose(Thread);
        Served->Inside--;
        return;
    }
    Thread->Cancelled = true;
    NativeRequestCancel(Request);
}

static FETCHED Fetch(SERVED_THREAD *Thread)
{
    SERVED *Served = Thread->Served;
    const FAULTS Before = Served->Slot->Life->Faults;
    const uint32_t Cancels = Served->Cancels;
    Served->Inside++;
    BufferMake(Thread);
    /* Too small for most writes: they stay for others, and this thread has more room the next time. */
    Thread->Small = !Thread->Small && SeededBelow(16) == 0;
    Thread->Cancelled = false;
    Thread->RoomBytes = Thread->Small ? SeededBelow(Served->BufferBytes) : Served->BufferBytes;
    Thread->Fetch = (WNBD_IOCTL_FETCH_REQ_COMMAND){.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                                   .ConnectionId = Served->Connection,
                                                   .DataBuffer = Thread->Bytes,
                                                   .DataBufferSize = Thread->RoomBytes};
    NATIVE_REQUEST *Request = NativeIoctlBegin(ServedFile(Served), WNBD_IOCTL_CONTROL_CODE, &Thread->Fetch,
                                               sizeof(Thread->Fetch), &Thread->Fetch, sizeof(Thread->Fetch));
    Served->Inside--;
    FetchDisturb(Thread, Request);
    NTSTATUS Status = NativeRequestWait(Request, NULL);
    SeededNote((uint32_t)Status);
    return FetchResult(Thread, Status, &Before, Cancels);
}

/* ---- threads ---- */

/* All threads do nothing any more, and one of them at least owes an answer. */
static void BeSilent(SERVED *Served)
{
    if (!Served->Silent) {
        LifeSay(Served->Slot, "its process falls silent");
        Served->Silent = true;
        Served->Condemned = true;
    }
    while (!Served->Stop && !Served->Ended) {
        GroundSleep(MINUTE / 60);
    }
}

/* False: the process has ended, or does nothing any more. */
static bool MisdeedDue(SERVED *Served)
{
    CONDUCT Conduct = Served->Slot->Conduct;
    if (Served->Counts.Requests < Served->EndsAt || Conduct < CONDUCT_SILENT) {
        return false;
    }
    if (Conduct == CONDUCT_DIES) {
        ServedKill(Served);
    } else {
        BeSilent(Served);
    }
    return true;
}

static void ThreadMain(void *Context)
{
    SERVED_THREAD *Thread = Context;
    SERVED *Served = Thread->Served;
    FETCHED Fetched = FETCHED_NOTHING;
    SeededName("process");
    while (Fetched != FETCHED_END && !Served->Dying) {
        if (Served->Silent) {
            BeSilent(Served);
            break;
        }
        Fetched = Fetch(Thread);
        if (Fetched != FETCHED_REQUEST) {
            continue;
        }
        Served->Counts.Requests++;
        if (Served->Dying || MisdeedDue(Served)) {
            break;
        }
        ServedAnswer(Thread);
    }
}

bool ServedStart(SLOT *Slot, WNBD_PROPERTIES *Properties)
{
    PropertiesFill(Slot, Properties);
    SERVED *Served = ServedMake(Slot, Properties);
    Slot->Served = Served;
    Slot->Medium.WriteThrough = (Slot->Plan.Flags & (SERVED_FLUSH | SERVED_FUA)) == 0;
    Served->Ends = Slot->Life->Excuses.Ends;
    for (uint32_t Index = 0; Index < SERVED_FILES; Index++) {
        Served->Files[Index] = NativeOpen(&WNBD_GUID, Served->Process);
        if (Served->Files[Index] == NULL) {
            CHECK(Slot->Life->Stopping || Slot->Life->Gone);
            return false;
        }
    }
    if (!Map(Served, Properties)) {
        return false;
    }
    for (uint32_t Index = 0; Index < Served->ThreadCount; Index++) {
        Served->Threads[Index].Served = Served;
        Served->Threads[Index].Thread = GroundThreadStart(ThreadMain, &Served->Threads[Index], "process");
    }
    return true;
}

void ServedStop(SLOT *Slot)
{
    SERVED *Served = Slot->Served;
    Served->Stop = true;
    for (uint32_t Index = 0; Index < Served->ThreadCount; Index++) {
        if (Served->Threads[Index].Thread != NULL) {
            GroundThreadJoin(Served->Threads[Index].Thread);
        }
    }
    Slot->Served = NULL;
    ServedEnd(Served, 0);
    for (uint32_t Index = 0; Index < SERVED_FILES; Index++) {
        if (Served->Files[Index] != NULL) {
            NativeClose(Served->Files[Index]);
        }
    }
    NativeProcessDelete(Served->Process);
    free(Served);
}
