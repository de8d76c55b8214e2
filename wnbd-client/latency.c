/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What can be said of latencies; see latency.h.
 */
#include "latency.h"

const char *const LatencyNames[WNBD_OPERATION_COUNT] = {"Read", "Write", "Flush", "Unmap", "Other"};

uint64_t LatencyPercentile(const UINT64 Latencies[WNBD_LATENCY_BUCKETS], unsigned Percent)
{
    uint64_t Total = 0;
    for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
        Total += Latencies[Bucket];
    }
    if (Total == 0) {
        return LATENCY_NONE;
    }
    /* Rounded up, in two steps: the product could be too large. */
    uint64_t Wanted = Total / 100 * Percent + (Total % 100 * Percent + 99) / 100;
    uint64_t Seen = 0;
    for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS - 1; Bucket++) {
        Seen += Latencies[Bucket];
        if (Seen >= Wanted) {
            return UINT64_C(1) << Bucket;
        }
    }
    return LATENCY_BEYOND;
}

double LatencyInterval(const WNBD_DRV_STATS_EX *Before, const WNBD_DRV_STATS_EX *Now)
{
    /* A clock that hasn't moved has moved by less than one of its units. */
    uint64_t Units = Now->Timestamp > Before->Timestamp ? Now->Timestamp - Before->Timestamp : 1;
    return (double)Units / 10000000.0;
}

void LatencyBetween(const WNBD_OPERATION_STATS *Before, const WNBD_OPERATION_STATS *Now, WNBD_OPERATION_STATS *Result)
{
    *Result = (WNBD_OPERATION_STATS){
        .Completed = Now->Completed - Before->Completed,
        .Failed = Now->Failed - Before->Failed,
        .Aborted = Now->Aborted - Before->Aborted,
        .Bytes = Now->Bytes - Before->Bytes,
        .LatencySum = Now->LatencySum - Before->LatencySum,
    };
    for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
        Result->Latencies[Bucket] = Now->Latencies[Bucket] - Before->Latencies[Bucket];
    }
}
