/* SPDX-License-Identifier: LGPL-2.1-only */
/* invariants.h. */
#include "invariants.h"

#include "channel_user.h"
#include "ground_seeded.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUES_MOST 256u
/* A queue deeper than this is walked once in so many times, as the walk takes long. */
#define SHALLOW 32u
#define DEEP_ONE_IN 16u

static struct {
    QUEUE *Queues[QUEUES_MOST];
    ULONG Count;
    ULONG Skipped;
    ULONG Fetches;
    bool Shallow; /* this life's queues */
} Known;

/* What a walk over a queue has found. */
typedef struct {
    ULONG Wires[WIRE_STATE_COUNT];
    ULONG Requests[REQUEST_STATE_COUNT];
    ULONG Unsubmitted;
} CENSUS;

NTSTATUS __real_QueueInitialize(QUEUE *Queue, USHORT Depth);
NTSTATUS __wrap_QueueInitialize(QUEUE *Queue, USHORT Depth);
void __real_QueueFree(QUEUE *Queue);
void __wrap_QueueFree(QUEUE *Queue);
VOID __real_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql);
VOID __wrap_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql);

static void Require(bool Holds, const char *Words)
{
    char Line[200];
    if (!Holds) {
        snprintf(Line, sizeof(Line), "simulation: %.6f queue: %s\n", (double)GroundNow() / 1e7, Words);
        GroundWrite(Line);
        SeededReport();
        abort();
    }
}

static ULONG Length(const LIST_ENTRY *List)
{
    ULONG Count = 0;
    for (const LIST_ENTRY *Entry = List->Flink; Entry != List; Entry = Entry->Flink) {
        Count++;
    }
    return Count;
}

static void CheckRequest(const QUEUE *Queue, const REQUEST *Request, CENSUS *Census)
{
    bool Alive = Request->State == REQUEST_QUEUED || Request->State == REQUEST_ACTIVE;
    ULONG Parts = 0;
    Census->Requests[Request->State]++;
    Census->Unsubmitted += Alive && !Request->Submitted;
    for (USHORT Slot = 0; Alive && Slot < Queue->Depth; Slot++) {
        Parts += Queue->Wires[Slot].State != WIRE_FREE && Queue->Wires[Slot].Request == Request;
    }
    Require(!Alive || Parts == Request->Parts, "a request has other parts than are under way");
}

static void CheckWire(const QUEUE *Queue, USHORT Slot, CENSUS *Census)
{
    const WIRE *Wire = &Queue->Wires[Slot];
    Census->Wires[Wire->State]++;
    Require(Queue->Slots.Slots[Slot].InUse == (Wire->State != WIRE_FREE), "a slot is used, or free, without its wire");
    if (Wire->State == WIRE_ABORTED) {
        Require(Wire->Request == NULL, "an aborted wire request knows its request still");
    } else if (Wire->State != WIRE_FREE) {
        Require(Wire->Request != NULL &&
                    (Wire->Request->State == REQUEST_QUEUED || Wire->Request->State == REQUEST_ACTIVE),
                "a request has ended before its wire request");
    }
}

/* Everything against everything: lists, states and counters. */
static void CheckAll(const QUEUE *Queue)
{
    CENSUS Census = {{0}, {0}, 0};
    ULONG Free = 0;
    for (USHORT Slot = 0; Slot < Queue->Depth; Slot++) {
        CheckWire(Queue, Slot, &Census);
    }
    for (ULONG Index = 0; Index < Queue->RequestCount; Index++) {
        CheckRequest(Queue, &Queue->Requests[Index], &Census);
    }
    for (USHORT Slot = Queue->Slots.FirstFree; Slot != SLOT_NONE; Slot = Queue->Slots.Slots[Slot].NextFree) {
        Free++;
    }
    Require(Free + Queue->Slots.Used == Queue->Depth, "free slots and used ones are not all");
    Require(Free == Census.Wires[WIRE_FREE], "free slots and free wires are not as many");
    /* One is while a process's fetch is being filled with it. */
    Require(Queue->Whole || Census.Wires[WIRE_QUEUED] == 0, "a wire request has a slot and isn't sent");
    Require(Queue->Slots.Used == Queue->Stats.PendingSubmittedIORequests + Census.Wires[WIRE_QUEUED],
            "used slots, wires under way and those that are being handed out differ");
    Require(Census.Wires[WIRE_ABORTED] == Queue->AbortedWires, "aborted wires are miscounted");
    Require(Census.Requests[REQUEST_FREE] == Length(&Queue->Free), "a request is lost, or free and not free");
    Require(Census.Requests[REQUEST_QUEUED] == Length(&Queue->Submit) + Length(&Queue->Held),
            "a request that has to be sent is on no list");
    Require(Census.Requests[REQUEST_COMPLETING] <= Queue->Completing, "completions are miscounted");
    Require((LONG64)Census.Unsubmitted == Queue->Stats.UnsubmittedIORequests, "unsubmitted requests are miscounted");
    Require((LONG64)Census.Requests[REQUEST_QUEUED] + Census.Requests[REQUEST_ACTIVE] ==
                Queue->Stats.OutstandingIOCount,
            "outstanding requests are miscounted");
}

/* A process's fetches: those that are pended, and no others, have their memory locked or a place. */
static void CheckFetches(const QUEUE *Queue)
{
    const DISK *Disk = CONTAINING_RECORD(Queue, DISK, Queue);
    if (!Queue->Whole || Disk->Channel == NULL) {
        return;
    }
    const USER_CHANNEL *User = (const USER_CHANNEL *)Disk->Channel;
    ULONG Free = Length(&User->Free), Pended = Length(&User->Pended);
    Require(Free + Pended <= USER_FETCHES_MAX, "a fetch has two places");
    Require((ULONG)User->Owner.Locked >= Pended, "a fetch is pended whose memory isn't locked");
    Require(User->Owner.Locked != 0 || Free == USER_FETCHES_MAX, "a fetch has ended, and its place isn't free");
}

static void Check(const QUEUE *Queue)
{
    Require(Queue->Slots.Used >= Queue->Stats.PendingSubmittedIORequests &&
                (Queue->Whole || Queue->Slots.Used == Queue->Stats.PendingSubmittedIORequests),
            "used slots and wires under way differ");
    Require(Queue->AbortedWires <= Queue->Slots.Used, "more wires are aborted than there are");
    Require(IsListEmpty(&Queue->Held) || Queue->AbortedWires != 0, "a request is held back for nothing");
    Require(IsListEmpty(&Queue->Resets) || Queue->Completing != 0, "nobody will answer a reset");
    if (Queue->Depth <= SHALLOW || ++Known.Skipped % DEEP_ONE_IN == 0) {
        CheckAll(Queue);
    }
    if (Queue->Whole && ++Known.Fetches % DEEP_ONE_IN == 0) {
        CheckFetches(Queue);
    }
}

void InvariantsBegin(void)
{
    Known.Count = 0;
    Known.Skipped = 0;
    Known.Fetches = 0;
    Known.Shallow = SeededBelow(2) == 0;
}

NTSTATUS __wrap_QueueInitialize(QUEUE *Queue, USHORT Depth)
{
    NTSTATUS Status = __real_QueueInitialize(Queue, Known.Shallow ? (USHORT)(2 + SeededBelow(SHALLOW - 1)) : Depth);
    if (NT_SUCCESS(Status)) {
        Require(Known.Count < QUEUES_MOST, "too many of them");
        Known.Queues[Known.Count++] = Queue;
    }
    return Status;
}

void __wrap_QueueFree(QUEUE *Queue)
{
    ULONG Index = 0;
    while (Index < Known.Count && Known.Queues[Index] != Queue) {
        Index++;
    }
    if (Index < Known.Count) {
        Known.Queues[Index] = Known.Queues[--Known.Count];
    }
    __real_QueueFree(Queue);
}

VOID __wrap_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql)
{
    for (ULONG Index = 0; Index < Known.Count; Index++) {
        if (SpinLock == &CONTAINING_RECORD(Known.Queues[Index], DISK, Queue)->Lock) {
            Check(Known.Queues[Index]);
        }
    }
    __real_KeReleaseSpinLock(SpinLock, Irql);
}
