/* SPDX-License-Identifier: LGPL-2.1-only */
/* queue.h: the life of a request until it has ended. */
#include "queue_states.h"

#include "disk.h"
#include "pool.h"
#include "srb.h"
#include "statistics.h"

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS QueueInitialize(QUEUE *Queue, USHORT Depth)
{
    Queue->Depth = Depth;
    Queue->RequestCount = 2u * Depth;
    InitializeListHead(&Queue->Free);
    InitializeListHead(&Queue->Submit);
    InitializeListHead(&Queue->Held);
    InitializeListHead(&Queue->Done);
    KeInitializeDpc(&Queue->DoneDpc, QueueDoneDpc, CONTAINING_RECORD(Queue, DISK, Queue));
    InitializeListHead(&Queue->Resets);
    Queue->Requests = PoolAllocate(Queue->RequestCount * sizeof(REQUEST));
    Queue->Wires = PoolAllocate(Depth * sizeof(WIRE));
    Queue->SlotMemory = PoolAllocate(Depth * sizeof(SLOT));
    if (Queue->Requests == NULL || Queue->Wires == NULL || Queue->SlotMemory == NULL) {
        QueueFree(Queue);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    SlotMapInitialize(&Queue->Slots, Queue->SlotMemory, Depth);
    for (ULONG Index = 0; Index < Queue->RequestCount; Index++) {
        InsertTailList(&Queue->Free, &Queue->Requests[Index].Link);
    }
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void QueueFree(QUEUE *Queue)
{
    PoolFree(Queue->Requests);
    PoolFree(Queue->Wires);
    PoolFree(Queue->SlotMemory);
    Queue->Requests = NULL;
    Queue->Wires = NULL;
    Queue->SlotMemory = NULL;
}

_IRQL_requires_(DISPATCH_LEVEL)
static void RequestRange(const QUEUE *Queue, REQUEST *Request, const SCSI_RESULT *Result)
{
    Request->Offset = Result->Lba * Queue->BlockSize;
    Request->Left = (UINT64)Result->Blocks * Queue->BlockSize;
    Request->Bytes = Request->Left;
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueUnmapDescriptor(const REQUEST *Request, ULONG Index, UINT64 *Lba, UINT32 *Blocks)
{
    SCSI_RESULT Result = {.Descriptors = Request->Descriptors,
                          .DescriptorCount = Request->DescriptorCount,
                          .UnmapLimit = Request->UnmapLimit};
    uint64_t First;
    uint32_t Count;
    ScsiUnmapDescriptor(&Result, Index, &First, &Count);
    *Lba = First;
    *Blocks = Count;
}

/* An UNMAP that goes as one part, if it covers anything. */
_IRQL_requires_(DISPATCH_LEVEL)
static void RequestSpan(const QUEUE *Queue, REQUEST *Request)
{
    UINT64 First = UINT64_MAX, End = 0;
    for (; Request->DescriptorIndex < Request->DescriptorCount; Request->DescriptorIndex++) {
        UINT64 Lba;
        UINT32 Blocks;
        QueueUnmapDescriptor(Request, Request->DescriptorIndex, &Lba, &Blocks);
        if (Blocks != 0) {
            Request->Bytes += (UINT64)Blocks * Queue->BlockSize;
            First = Lba < First ? Lba : First;
            End = Lba + Blocks > End ? Lba + Blocks : End;
        }
    }
    if (End != 0) {
        Request->OnceLeft = WIRE_COMMAND_UNMAP;
        Request->Offset = First * Queue->BlockSize;
        Request->Span = (End - First) * Queue->BlockSize;
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
static void RequestReserve(REQUEST *Request, const SCSI_RESULT *Result)
{
    BOOLEAN In = Result->Action == SCSI_ACTION_PERSISTENT_RESERVE_IN;
    Request->OnceLeft = In ? WIRE_COMMAND_RESERVE_IN : WIRE_COMMAND_RESERVE_OUT;
    Request->ServiceAction = Result->ServiceAction;
    Request->Scope = Result->Scope;
    Request->Type = Result->Type;
    Request->ListBytes = (ULONG)Result->DataLength;
}

/* The parts that the request will need, from what the CDB says. */
_IRQL_requires_(DISPATCH_LEVEL)
static void RequestPlan(const QUEUE *Queue, REQUEST *Request, const SCSI_RESULT *Result)
{
    switch (Result->Action) {
    case SCSI_ACTION_WRITE:
        Request->Fua = Queue->WriteThrough || (Result->Fua && Queue->BackendFua);
        Request->FlushAfter = Result->Fua && !Queue->BackendFua;
        RequestRange(Queue, Request, Result);
        break;
    case SCSI_ACTION_READ:
        Request->Fua = Result->Fua && Queue->BackendFua && Queue->Whole;
        /* fall through */
    case SCSI_ACTION_VERIFY:
        RequestRange(Queue, Request, Result);
        break;
    case SCSI_ACTION_FLUSH:
        Request->OnceLeft = WIRE_COMMAND_FLUSH;
        break;
    case SCSI_ACTION_UNMAP:
        Request->Descriptors = Result->Descriptors;
        Request->DescriptorCount = Result->DescriptorCount;
        Request->UnmapLimit = Result->UnmapLimit;
        Request->Anchor = Result->Anchor;
        if (Queue->Whole) {
            RequestSpan(Queue, Request);
        }
        break;
    case SCSI_ACTION_PERSISTENT_RESERVE_IN:
    case SCSI_ACTION_PERSISTENT_RESERVE_OUT:
        RequestReserve(Request, Result);
        break;
    case SCSI_ACTION_DONE:
        INVARIANT(false);
    }
}

/* Whether a part can still be made of the request; fetches the next UNMAP descriptor that covers anything. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN RequestHasParts(const QUEUE *Queue, REQUEST *Request)
{
    if (Request->Failed) {
        return FALSE;
    }
    while (Request->Left == 0 && Request->DescriptorIndex < Request->DescriptorCount) {
        UINT64 Lba;
        UINT32 Blocks;
        QueueUnmapDescriptor(Request, Request->DescriptorIndex++, &Lba, &Blocks);
        Request->Offset = Lba * Queue->BlockSize;
        Request->Left = (UINT64)Blocks * Queue->BlockSize;
        Request->Bytes += Request->Left;
    }
    return Request->Left != 0 || Request->OnceLeft != WIRE_COMMAND_NONE;
}

_IRQL_requires_(DISPATCH_LEVEL)
QUEUE_RESULT QueueSubmit(QUEUE *Queue, PVOID Srb, const SCSI_RESULT *Result, PUCHAR Data)
{
    if (Queue->Closed) {
        return QUEUE_CLOSED;
    }
    /* Answers that nobody waits for any more hold their slots: with all of them taken, waiting could take for ever. */
    if (IsListEmpty(&Queue->Free) || Queue->AbortedWires == Queue->Depth) {
        return QUEUE_FULL;
    }
    REQUEST *Request = CONTAINING_RECORD(RemoveHeadList(&Queue->Free), REQUEST, Link);
    UCHAR State = Request->State;
    RtlZeroMemory(Request, sizeof(*Request));
    Request->State = State;
    Request->Srb = Srb;
    Request->Action = (UCHAR)Result->Action;
    Request->Data = Data;
    RequestPlan(Queue, Request, Result);
    if (!RequestHasParts(Queue, Request)) {
        InsertHeadList(&Queue->Free, &Request->Link);
        return QUEUE_NOTHING;
    }
    RequestMove(Request, REQUEST_QUEUED);
    InsertTailList(&Queue->Submit, &Request->Link);
    Queue->Stats.TotalReceivedIORequests++;
    Queue->Stats.UnsubmittedIORequests++;
    Queue->Stats.OutstandingIOCount++;
    Request->Since = KeQueryUnbiasedInterruptTime();
    Queue->Stats.LastReceivedReqTimestamp = KeQueryInterruptTime();
    return QUEUE_ACCEPTED;
}

_IRQL_requires_(DISPATCH_LEVEL)
ULONG64 QueueOldest(const QUEUE *Queue)
{
    ULONG64 Oldest = 0;
    for (ULONG Index = 0; Index < Queue->RequestCount; Index++) {
        const REQUEST *Request = &Queue->Requests[Index];
        BOOLEAN Waits = Request->State == REQUEST_QUEUED || Request->State == REQUEST_ACTIVE;
        if (Waits && (Oldest == 0 || Request->Since < Oldest)) {
            Oldest = Request->Since;
        }
    }
    for (USHORT Slot = 0; Slot < Queue->Depth; Slot++) {
        const WIRE *Wire = &Queue->Wires[Slot];
        if (Wire->State == WIRE_ABORTED && (Oldest == 0 || Wire->Since < Oldest)) {
            Oldest = Wire->Since;
        }
    }
    return Oldest;
}

_IRQL_requires_(DISPATCH_LEVEL)
static WIRE_COMMAND RequestCommand(const REQUEST *Request)
{
    if (Request->Left == 0) {
        return Request->OnceLeft;
    }
    switch (Request->Action) {
    case SCSI_ACTION_WRITE:
        return WIRE_COMMAND_WRITE;
    case SCSI_ACTION_UNMAP:
        return WIRE_COMMAND_UNMAP;
    default:
        return WIRE_COMMAND_READ;
    }
}

/* Cuts the next part off the request. */
_IRQL_requires_(DISPATCH_LEVEL)
static void WireFill(const QUEUE *Queue, WIRE *Wire, REQUEST *Request)
{
    Wire->Request = Request;
    Wire->Since = Request->Since;
    Wire->Command = (UCHAR)RequestCommand(Request);
    Wire->Fua = Request->Fua;
    Wire->PayloadOwed = Wire->Command == WIRE_COMMAND_WRITE;
    Wire->Ended = FALSE;
    Wire->Status = SCSI_STATUS_GOOD;
    Wire->Data = Request->Data;
    Request->Parts++;
    if (Request->Left == 0) {
        Wire->Offset = Request->Span != 0 ? Request->Offset : 0;
        Wire->LengthBytes = Request->Span;
        Request->OnceLeft = WIRE_COMMAND_NONE;
        return;
    }
    ULONG Limit = Wire->Command == WIRE_COMMAND_UNMAP ? QUEUE_PART_MAX : Queue->MaximumPayload;
    Wire->Offset = Request->Offset;
    Wire->LengthBytes = Request->Left < Limit ? Request->Left : Limit;
    Request->Offset += Wire->LengthBytes;
    Request->Left -= Wire->LengthBytes;
    if (Request->Data != NULL) {
        Request->Data += Wire->LengthBytes;
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
static void RequestEnd(QUEUE *Queue, REQUEST *Request, UCHAR SrbStatus, LIST_ENTRY *Done)
{
    RequestMove(Request, REQUEST_COMPLETING);
    Request->SrbStatus = SrbStatus;
    if (!Request->Submitted) {
        Queue->Stats.UnsubmittedIORequests--;
    }
    Queue->Stats.OutstandingIOCount--;
    StatisticsCount(Queue, Request);
    Queue->Completing++;
    InsertTailList(Done, &Request->Link);
}

/* Whether an aborted request that the backend may still carry out would change what this one reads or writes. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN RequestMustWait(const QUEUE *Queue, const REQUEST *Request)
{
    UINT64 End = Request->Offset + (Request->Left != 0 ? Request->Left : Request->Span);
    BOOLEAN Reserves = Request->OnceLeft == WIRE_COMMAND_RESERVE_IN || Request->OnceLeft == WIRE_COMMAND_RESERVE_OUT;
    if (End == Request->Offset && !Reserves) {
        return FALSE;
    }
    for (USHORT Slot = 0; Slot < Queue->Depth; Slot++) {
        const WIRE *Wire = &Queue->Wires[Slot];
        if (Wire->State != WIRE_ABORTED || Wire->Command == WIRE_COMMAND_READ) {
            continue;
        }
        if (Reserves ? Wire->Command == WIRE_COMMAND_RESERVE_OUT
                     : Wire->Offset < End && Request->Offset < Wire->Offset + Wire->LengthBytes) {
            return TRUE;
        }
    }
    return FALSE;
}

/* Puts requests that must wait aside, from the head of the submit list to the first that need not. */
_IRQL_requires_(DISPATCH_LEVEL)
static void QueueHold(QUEUE *Queue)
{
    while (!IsListEmpty(&Queue->Submit)) {
        REQUEST *Request = CONTAINING_RECORD(Queue->Submit.Flink, REQUEST, Link);
        if (!RequestMustWait(Queue, Request)) {
            return;
        }
        RemoveEntryList(&Request->Link);
        InsertTailList(&Queue->Held, &Request->Link);
    }
}

/* Lets the held requests try again, before younger ones. */
_IRQL_requires_(DISPATCH_LEVEL)
static void QueueUnhold(QUEUE *Queue)
{
    while (!IsListEmpty(&Queue->Held)) {
        InsertHeadList(&Queue->Submit, RemoveTailList(&Queue->Held));
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
USHORT QueueNextWire(QUEUE *Queue)
{
    if (Queue->AbortedWires != 0) {
        QueueHold(Queue);
    }
    if (IsListEmpty(&Queue->Submit)) {
        return SLOT_NONE;
    }
    USHORT Slot = SlotMapTake(&Queue->Slots);
    if (Slot == SLOT_NONE) {
        return SLOT_NONE;
    }
    REQUEST *Request = CONTAINING_RECORD(Queue->Submit.Flink, REQUEST, Link);
    WIRE *Wire = &Queue->Wires[Slot];
    WireMove(Wire, WIRE_QUEUED);
    WireFill(Queue, Wire, Request);
    if (!RequestHasParts(Queue, Request) || Request->Parts == QUEUE_PARTS_MAX) {
        RemoveEntryList(&Request->Link);
        RequestMove(Request, REQUEST_ACTIVE);
    }
    return Slot;
}

_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN QueueReady(QUEUE *Queue, ULONG *PayloadBytes)
{
    if (Queue->AbortedWires != 0) {
        QueueHold(Queue);
    }
    if (IsListEmpty(&Queue->Submit) || Queue->Slots.Used == Queue->Slots.Count) {
        return FALSE;
    }
    const REQUEST *Request = CONTAINING_RECORD(Queue->Submit.Flink, REQUEST, Link);
    switch (RequestCommand(Request)) {
    case WIRE_COMMAND_WRITE:
        *PayloadBytes = Request->Left < Queue->MaximumPayload ? (ULONG)Request->Left : Queue->MaximumPayload;
        break;
    case WIRE_COMMAND_UNMAP:
        *PayloadBytes = Request->DescriptorCount * (ULONG)sizeof(WNBD_UNMAP_DESCRIPTOR);
        break;
    case WIRE_COMMAND_RESERVE_OUT:
        *PayloadBytes = Request->ListBytes;
        break;
    default:
        *PayloadBytes = 0;
        break;
    }
    return TRUE;
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireSending(QUEUE *Queue, USHORT Slot)
{
    WIRE *Wire = &Queue->Wires[Slot];
    WireMove(Wire, WIRE_SENDING);
    if (!Wire->Request->Submitted) {
        Wire->Request->Submitted = TRUE;
        Queue->Stats.UnsubmittedIORequests--;
    }
    Queue->Stats.TotalSubmittedIORequests++;
    Queue->Stats.PendingSubmittedIORequests++;
    Queue->Stats.LastSubmittedReqTimestamp = KeQueryInterruptTime();
    if (!Wire->PayloadOwed) {
        WireMove(Wire, WIRE_WAITING);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN QueueReplyGood(SCSI_STATUS Status, const SCSI_SENSE *Sense)
{
    /* SPC-4, sense key descriptions: these are told beside a success. */
    return Status == SCSI_STATUS_GOOD ||
           (Status == SCSI_STATUS_CHECK_CONDITION &&
            (Sense->Key == SCSI_SENSE_RECOVERED_ERROR || Sense->Key == SCSI_SENSE_COMPLETED));
}

/* One part of a request has ended. */
_IRQL_requires_(DISPATCH_LEVEL)
static void RequestPartEnded(QUEUE *Queue, REQUEST *Request, const WIRE *Wire, LIST_ENTRY *Done)
{
    Request->Parts--;
    if (Wire->Status != SCSI_STATUS_GOOD && !Request->Failed) {
        Request->Status = Wire->Status;
        Request->Sense = Wire->Sense;
        Request->Failed = !QueueReplyGood((SCSI_STATUS)Wire->Status, &Wire->Sense);
    }
    if (Request->State == REQUEST_QUEUED) {
        if (!Request->Failed) {
            return;
        }
        /* Its further parts will not be sent. */
        RemoveEntryList(&Request->Link);
        RequestMove(Request, REQUEST_ACTIVE);
    }
    if (Request->Parts == 0 && Request->FlushAfter) {
        Request->FlushAfter = FALSE;
        Request->OnceLeft = WIRE_COMMAND_FLUSH;
    }
    if (RequestHasParts(Queue, Request)) {
        RequestMove(Request, REQUEST_QUEUED);
        InsertTailList(&Queue->Submit, &Request->Link);
    } else if (Request->Parts == 0) {
        RequestEnd(Queue, Request, SRB_STATUS_SUCCESS, Done);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
static void WireEnd(QUEUE *Queue, USHORT Slot, LIST_ENTRY *Done)
{
    WIRE *Wire = &Queue->Wires[Slot];
    REQUEST *Request = Wire->Request;
    Queue->Stats.PendingSubmittedIORequests--;
    if (Wire->State == WIRE_ABORTED) {
        Queue->AbortedWires--;
        Queue->Stats.CompletedAbortedIORequests++;
        QueueUnhold(Queue);
    }
    WireMove(Wire, WIRE_FREE);
    SlotMapFree(&Queue->Slots, Slot);
    if (Request != NULL) {
        RequestPartEnded(Queue, Request, Wire, Done);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireSent(QUEUE *Queue, USHORT Slot, LIST_ENTRY *Done)
{
    WIRE *Wire = &Queue->Wires[Slot];
    Wire->PayloadOwed = FALSE;
    if (Wire->State == WIRE_SENDING) {
        WireMove(Wire, WIRE_WAITING);
    }
    if (Wire->Ended) {
        WireEnd(Queue, Slot, Done);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireDelivered(QUEUE *Queue, USHORT Slot)
{
    Queue->Wires[Slot].PayloadOwed = FALSE;
    QueueWireSending(Queue, Slot);
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueReplyData(QUEUE *Queue, USHORT Slot, ULONG Offset, const UCHAR *Data, ULONG LengthBytes)
{
    WIRE *Wire = &Queue->Wires[Slot];
    if (Wire->State == WIRE_WAITING) {
        WireMove(Wire, WIRE_RECEIVING);
    }
    if (Wire->Data != NULL) {
        RtlCopyMemory(Wire->Data + Offset, Data, LengthBytes);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueReplyEnd(QUEUE *Queue, USHORT Slot, SCSI_STATUS Status, const SCSI_SENSE *Sense, LIST_ENTRY *Done)
{
    WIRE *Wire = &Queue->Wires[Slot];
    Queue->Stats.TotalReceivedIOReplies++;
    Queue->Stats.LastReplyTimestamp = KeQueryInterruptTime();
    if (Status != SCSI_STATUS_GOOD) {
        Wire->Status = (UCHAR)Status;
        Wire->Sense = *Sense;
    }
    Wire->Ended = TRUE;
    /* The rest of its payload is still owed to the server: QueueWireSent ends it. */
    if (!Wire->PayloadOwed) {
        WireEnd(Queue, Slot, Done);
    }
}

/* Ends all requests that have not ended; the wire requests have let go of them. */
_IRQL_requires_(DISPATCH_LEVEL)
static void QueueEndRequests(QUEUE *Queue, UCHAR SrbStatus, LIST_ENTRY *Done)
{
    for (ULONG Index = 0; Index < Queue->RequestCount; Index++) {
        REQUEST *Request = &Queue->Requests[Index];
        if (Request->State == REQUEST_QUEUED) {
            RemoveEntryList(&Request->Link);
        } else if (Request->State != REQUEST_ACTIVE) {
            continue;
        }
        if (!Request->Submitted) {
            Queue->Stats.AbortedUnsubmittedIORequests++;
        }
        RequestEnd(Queue, Request, SrbStatus, Done);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueAbort(QUEUE *Queue, UCHAR SrbStatus, CHANNEL *Channel, LIST_ENTRY *Done)
{
    for (USHORT Slot = 0; Slot < Queue->Depth; Slot++) {
        WIRE *Wire = &Queue->Wires[Slot];
        if (Wire->State == WIRE_FREE || Wire->State == WIRE_ABORTED) {
            continue;
        }
        if (Wire->State == WIRE_QUEUED) {
            WireMove(Wire, WIRE_FREE);
            SlotMapFree(&Queue->Slots, Slot);
            continue;
        }
        if (Wire->PayloadOwed) {
            Channel->Type->Rescue(Channel, Wire);
        } else {
            Wire->Data = NULL;
        }
        Wire->Request = NULL;
        Queue->AbortedWires++;
        Queue->Stats.AbortedSubmittedIORequests++;
        WireMove(Wire, WIRE_ABORTED);
    }
    QueueEndRequests(Queue, SrbStatus, Done);
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueClose(QUEUE *Queue, CHANNEL *Channel, LIST_ENTRY *Done)
{
    Queue->Closed = TRUE;
    QueueAbort(Queue, SRB_STATUS_NO_DEVICE, Channel, Done);
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueDisconnect(QUEUE *Queue, LIST_ENTRY *Done)
{
    Queue->Closed = TRUE;
    for (USHORT Slot = 0; Slot < Queue->Depth; Slot++) {
        WIRE *Wire = &Queue->Wires[Slot];
        if (Wire->State != WIRE_FREE) {
            if (Wire->State != WIRE_QUEUED) {
                Queue->Stats.PendingSubmittedIORequests--;
            }
            WireMove(Wire, WIRE_FREE);
            SlotMapFree(&Queue->Slots, Slot);
        }
    }
    Queue->AbortedWires = 0;
    QueueEndRequests(Queue, SRB_STATUS_NO_DEVICE, Done);
}
