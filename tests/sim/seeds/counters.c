/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the driver has counted of a disk: life.h. */
#include "life.h"

#include <string.h>

/* How many requests have ended, by the counters of each operation, which must add up at any moment. */
static uint64_t OperationsEnded(SLOT *Slot, const WNBD_DRV_STATS_EX *Stats)
{
    uint64_t Ended = 0;
    for (unsigned Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        const WNBD_OPERATION_STATS *Operation = &Stats->Operations[Index];
        uint64_t Latencies = 0;
        for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
            Latencies += Operation->Latencies[Bucket];
        }
        if (Latencies != Operation->Completed || Operation->Failed > Operation->Completed) {
            LifeFail(Slot, "operation %u: %llu latencies of %llu requests, %llu of them failed", Index,
                     (unsigned long long)Latencies, (unsigned long long)Operation->Completed,
                     (unsigned long long)Operation->Failed);
        }
        Ended += Operation->Completed + Operation->Aborted;
    }
    return Ended;
}

void CountersCheck(SLOT *Slot)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS_EX};
    WNBD_DRV_STATS_EX All;
    ULONG Used;
    strcpy(Command.InstanceName, Slot->Name);
    NTSTATUS Status = FaultsAsk(Slot->Life, &Command, sizeof(Command), &All, sizeof(All), &Used);
    if (!NT_SUCCESS(Status)) {
        if (!(Slot->Ending || Slot->MayEnd || Slot->Life->Gone || Slot->Life->Stopping ||
              Slot->Life->Excuses.Ends != 0)) {
            LifeFail(Slot, "IOCTL_WNBD_STATS_EX: 0x%08x", (unsigned)Status);
        }
        return;
    }
    SERVER_COUNTS Counts = SlotCounts(Slot);
    WNBD_DRV_STATS Stats = All.Counters;
    uint64_t Received = (uint64_t)Stats.TotalReceivedIORequests, Submitted = (uint64_t)Stats.TotalSubmittedIORequests;
    uint64_t Replies = (uint64_t)Stats.TotalReceivedIOReplies, Pending = (uint64_t)Stats.PendingSubmittedIORequests;
    uint64_t Ended = OperationsEnded(Slot, &All);
    bool Healthy = !Slot->MayEnd && !Slot->Ending && !Slot->Life->Gone;
    bool Good = Ended == Received && Submitted == Replies + Pending && Stats.OutstandingIOCount == 0 &&
                Stats.UnsubmittedIORequests == 0 &&
                Stats.AbortedSubmittedIORequests == Stats.CompletedAbortedIORequests + (int64_t)Pending &&
                Received >= Slot->Counted && Received <= Slot->Counted + Slot->Uncounted;
    if (Healthy) {
        Good = Good && Counts.Requests <= Submitted && Counts.Replies >= Replies;
        /* Without resets, nothing that was sent is still on its way. */
        Good = Good && (Stats.AbortedSubmittedIORequests != 0 || (Pending == 0 && Counts.Requests == Submitted));
    }
    if (Healthy && !Good) {
        LifeFail(
            Slot,
            "counters: ended %llu, received %llu (host: %llu to %llu), submitted %llu (server: %llu), replies %llu "
            "(server: %llu), pending %llu, unsubmitted %lld, outstanding %lld, aborted %lld, of these answered %lld",
            (unsigned long long)Ended, (unsigned long long)Received, (unsigned long long)Slot->Counted,
            (unsigned long long)(Slot->Counted + Slot->Uncounted), (unsigned long long)Submitted,
            (unsigned long long)Counts.Requests, (unsigned long long)Replies, (unsigned long long)Counts.Replies,
            (unsigned long long)Pending, (long long)Stats.UnsubmittedIORequests, (long long)Stats.OutstandingIOCount,
            (long long)Stats.AbortedSubmittedIORequests, (long long)Stats.CompletedAbortedIORequests);
    }
}
