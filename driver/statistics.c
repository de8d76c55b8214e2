/* SPDX-License-Identifier: LGPL-2.1-only */
/* statistics.h: a few instructions for each request, under the lock that its end needs anyway. */
#include "statistics.h"

#include "base/bits.h"

#define UNITS_PER_US 10u /* of 100 ns */

static const UCHAR Operations[] = {
    [SCSI_ACTION_READ] = WnbdOperationRead,
    [SCSI_ACTION_WRITE] = WnbdOperationWrite,
    [SCSI_ACTION_VERIFY] = WnbdOperationOther,
    [SCSI_ACTION_FLUSH] = WnbdOperationFlush,
    [SCSI_ACTION_UNMAP] = WnbdOperationUnmap,
    [SCSI_ACTION_PERSISTENT_RESERVE_IN] = WnbdOperationOther,
    [SCSI_ACTION_PERSISTENT_RESERVE_OUT] = WnbdOperationOther,
};

/* The first element of Latencies that reaches as far: 2^N us are its largest. */
_IRQL_requires_(DISPATCH_LEVEL)
static ULONG LatencyBucket(ULONG64 Latency)
{
    ULONG64 Us = Latency != 0 ? (Latency - 1) / UNITS_PER_US : 0;
    ULONG Bucket = BitsLength(Us < UINT32_MAX ? (UINT32)Us : UINT32_MAX);
    return Bucket < WNBD_LATENCY_BUCKETS ? Bucket : WNBD_LATENCY_BUCKETS - 1;
}

_IRQL_requires_(DISPATCH_LEVEL)
void StatisticsCount(QUEUE *Queue, const REQUEST *Request)
{
    PWNBD_OPERATION_STATS Stats = &Queue->Operations[Operations[Request->Action]];
    if (Request->SrbStatus != SRB_STATUS_SUCCESS) {
        Stats->Aborted++;
        return;
    }
    ULONG64 Latency = KeQueryUnbiasedInterruptTime() - Request->Since;
    Stats->Completed++;
    Stats->LatencySum += Latency;
    Stats->Latencies[LatencyBucket(Latency)]++;
    if (Request->Failed) {
        Stats->Failed++;
    } else {
        Stats->Bytes += Request->Bytes;
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void StatisticsRead(DISK *Disk, PWNBD_DRV_STATS_EX Stats)
{
    RtlZeroMemory(Stats, sizeof(*Stats));
    Stats->Version = WNBD_STATS_VERSION;
    Stats->SizeBytes = sizeof(*Stats);
    Stats->ConnectionId = Disk->ConnectionId;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Stats->Timestamp = KeQueryInterruptTime();
    Stats->Counters = Disk->Queue.Stats;
    RtlCopyMemory(Stats->Operations, Disk->Queue.Operations, sizeof(Stats->Operations));
    KeReleaseSpinLock(&Disk->Lock, Irql);
}
