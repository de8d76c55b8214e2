/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IOCTL_WNBD_STATS_EX: every request is in exactly one counter, its latency in exactly one bucket, the right one, and
 * its bytes are counted where it did not fail. The clock stands still but where the serving process lets it go on.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ground.h"
#include "port.h"
#include "provider.h"
#include "storage_ioctl.h"

#define BLOCK 512u
#define BLOCKS 65536u
#define US 10u                /* of 100 ns */
#define SLEPT 360000000000ull /* ten hours in units of 100 ns, since the machine booted */

/* ---- what the linker puts in front ---- */

static _Atomic ULONGLONG Clock = 1000000;

ULONGLONG __wrap_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID)
{
    return atomic_load(&Clock) + SLEPT;
}

ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID)
{
    return atomic_load(&Clock);
}

/* ---- the process that serves the disk ---- */

static BED Bed;
static DISK Disk;
static PROVIDER Provider;
static _Atomic ULONGLONG Takes; /* until it answers, 100 ns */
static _Atomic bool Fails, Holds;
static _Atomic UINT64 HeldHandle; /* of the request that it hasn't answered */

static bool Answer(SERVER_THREAD *Server, const WNBD_IO_REQUEST *Request, UINT32 Bytes, WNBD_IO_RESPONSE *Response)
{
    atomic_fetch_add(&Clock, Takes);
    if (Holds) {
        HeldHandle = Request->RequestHandle;
        return false;
    }
    if (Fails) {
        Response->Status = (WNBD_STATUS){.ScsiStatus = 2, .SenseKey = 3, .ASC = 0x11};
        return true;
    }
    return ProviderObey(Server, Request, Bytes, Response);
}

/* ---- what the driver tells ---- */

static WNBD_DRV_STATS_EX Last;

static uint64_t Sum(const WNBD_OPERATION_STATS *Stats)
{
    uint64_t Result = 0;
    for (size_t Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
        Result += Stats->Latencies[Bucket];
    }
    return Result;
}

/* The counters, which add up. */
static WNBD_DRV_STATS_EX Look(void)
{
    static const UINT64 Zero[5];
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS_EX, .InstanceName = "served"};
    WNBD_DRV_STATS_EX Now;
    WNBD_DRV_STATS Counters;
    ULONG Used;
    CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Now, sizeof(Now), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(Now) && Now.Version == WNBD_STATS_VERSION && Now.SizeBytes == sizeof(Now));
    CHECK(Now.ConnectionId == Provider.Info.ConnectionId && Now.Timestamp == Clock + SLEPT);
    CHECK(memcmp(Now.Reserved, Zero, sizeof(Now.Reserved)) == 0);
    uint64_t Ended = 0;
    for (size_t Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        const WNBD_OPERATION_STATS *Stats = &Now.Operations[Index];
        CHECK(Sum(Stats) == Stats->Completed && Stats->Failed <= Stats->Completed);
        CHECK(memcmp(Stats->Reserved, Zero, sizeof(Stats->Reserved)) == 0);
        Ended += Stats->Completed + Stats->Aborted;
    }
    CHECK(Ended + (uint64_t)Now.Counters.OutstandingIOCount == (uint64_t)Now.Counters.TotalReceivedIORequests);
    Command.IoControlCode = IOCTL_WNBD_STATS;
    CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Counters, sizeof(Counters),
                      &Used) == STATUS_SUCCESS);
    CHECK(memcmp(&Counters, &Now.Counters, sizeof(Counters)) == 0);
    return Now;
}

/* Since the last look there has been one request of this kind, and nothing else. */
static void One(WnbdOperation Operation, bool Failed, uint64_t Bytes, uint64_t Latency, size_t Bucket)
{
    WNBD_DRV_STATS_EX Now = Look();
    WNBD_OPERATION_STATS *Stats = &Last.Operations[Operation];
    Stats->Completed++;
    Stats->Failed += Failed;
    Stats->Bytes += Bytes;
    Stats->LatencySum += Latency;
    Stats->Latencies[Bucket]++;
    CHECK(memcmp(Now.Operations, Last.Operations, sizeof(Now.Operations)) == 0);
    Last = Now;
}

/* ---- the tests ---- */

/* READ(16) and the like, of Count blocks; Flags: SRB_FLAGS_DATA_IN, _OUT, 0. */
static UCHAR Move(UCHAR Code, uint32_t Count, ULONG Flags)
{
    UCHAR Cdb[16];
    UCHAR *Data = calloc(Count, BLOCK);
    CHECK(Data != NULL);
    DiskCdb16(Cdb, Code, 8, Count, false);
    UCHAR Status = DiskCommand(&Disk, Cdb, 16, Flags, Flags != 0 ? Data : NULL, Flags != 0 ? Count * BLOCK : 0, NULL);
    free(Data);
    return Status;
}

static void ReadTaking(uint64_t Latency, size_t Bucket)
{
    Takes = Latency;
    CHECK(Move(0x88, 1, SRB_FLAGS_DATA_IN) == SRB_STATUS_SUCCESS);
    Takes = 0;
    One(WnbdOperationRead, false, BLOCK, Latency, Bucket);
}

/* A bucket has its upper bound and not its lower one. */
static void Latencies(void)
{
    ReadTaking(0, 0);
    ReadTaking(1, 0);
    ReadTaking(US, 0);
    for (size_t Bucket = 1; Bucket < WNBD_LATENCY_BUCKETS - 1; Bucket++) {
        uint64_t Bound = (1ull << Bucket) * US;
        ReadTaking(Bound / 2 + 1, Bucket);
        ReadTaking(Bound, Bucket);
    }
    ReadTaking((1ull << (WNBD_LATENCY_BUCKETS - 2)) * US + 1, WNBD_LATENCY_BUCKETS - 1);
    ReadTaking((1ull << 33) * US, WNBD_LATENCY_BUCKETS - 1);
}

static void Unmap(void)
{
    UCHAR Cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 8 + 3 * 16, 0};
    UCHAR List[8 + 3 * 16] = {0, 6 + 3 * 16, 0, 3 * 16};
    List[8 + 11] = 5; /* blocks 0 to 4, nothing, 9 to 10 */
    List[8 + 2 * 16 + 7] = 9;
    List[8 + 2 * 16 + 11] = 2;
    CHECK(DiskCommand(&Disk, Cdb, 10, SRB_FLAGS_DATA_OUT, List, sizeof(List), NULL) == SRB_STATUS_SUCCESS);
}

static void Operations(void)
{
    UCHAR Flush[10] = {0x35};
    Takes = 3 * US;
    CHECK(Move(0x88, 16, SRB_FLAGS_DATA_IN) == SRB_STATUS_SUCCESS);
    One(WnbdOperationRead, false, 16 * BLOCK, 3 * US, 2);
    CHECK(Move(0x8A, 4096, SRB_FLAGS_DATA_OUT) == SRB_STATUS_SUCCESS);
    One(WnbdOperationWrite, false, 4096 * BLOCK, 3 * US, 2);
    CHECK(Move(0x8F, 4, 0) == SRB_STATUS_SUCCESS);
    One(WnbdOperationOther, false, 4 * BLOCK, 3 * US, 2);
    CHECK(DiskCommand(&Disk, Flush, 10, 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS);
    One(WnbdOperationFlush, false, 0, 3 * US, 2);
    Unmap();
    One(WnbdOperationUnmap, false, 7 * BLOCK, 3 * US, 2);
}

static void Errors(void)
{
    Fails = true;
    CHECK(Move(0x88, 16, SRB_FLAGS_DATA_IN) == SRB_STATUS_ERROR);
    One(WnbdOperationRead, true, 0, 3 * US, 2);
    CHECK(Move(0x8A, 16, SRB_FLAGS_DATA_OUT) == SRB_STATUS_ERROR);
    One(WnbdOperationWrite, true, 0, 3 * US, 2);
    Fails = false;
}

/* What a reset gives back counts, and neither its bytes nor how long it waited do; nor does the late answer. */
static void Resets(void)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    UCHAR Cdb[16], Data[BLOCK] = {0};
    DISK_IO Io;
    Holds = true;
    DiskCdb16(Cdb, 0x8A, 8, 1, false);
    DiskBegin(&Disk, &Io, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, sizeof(Data));
    while (HeldHandle == 0) {
        GroundSleep(1000);
    }
    WNBD_DRV_STATS_EX Now = Look();
    CHECK(Now.Counters.OutstandingIOCount == 1);
    CHECK(memcmp(Now.Operations, Last.Operations, sizeof(Now.Operations)) == 0);
    CHECK(NativeIoctl(Bed.File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL) ==
          STATUS_SUCCESS);
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_BUS_RESET);
    Holds = false;
    WNBD_IO_RESPONSE Late = {.RequestHandle = HeldHandle, .RequestType = WnbdReqTypeWrite};
    CHECK(ProviderSend(&Provider, &Late, NULL, 0) == STATUS_SUCCESS);
    Now = Look();
    CHECK(Now.Counters.CompletedAbortedIORequests == 1);
    Last.Operations[WnbdOperationWrite].Aborted++;
    CHECK(memcmp(Now.Operations, Last.Operations, sizeof(Now.Operations)) == 0);
    Last = Now;
    CHECK(Move(0x8A, 1, SRB_FLAGS_DATA_OUT) == SRB_STATUS_SUCCESS);
    One(WnbdOperationWrite, false, BLOCK, 3 * US, 2);
}

int main(void)
{
    WNBD_PROPERTIES Properties;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 1});
    ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
    ProviderStart(&Provider, &Bed, &Properties);
    ProviderServe(&Provider, 1, Answer);
    DiskOpen(&Disk, &Bed, 1);
    Last = Look();
    Latencies();
    Operations();
    Errors();
    Resets();
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    ProviderJoin(&Provider);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
