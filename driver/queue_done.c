/* SPDX-License-Identifier: LGPL-2.1-only */
/* queue.h: how requests that have ended go back to Storport. */
#include "queue_states.h"

#include "disk.h"
#include "srb.h"

_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN QueueResetDone(QUEUE *Queue, QUEUE_RESET *Reset)
{
    if (Queue->Completing == 0) {
        return TRUE;
    }
    InsertTailList(&Queue->Resets, &Reset->Link);
    return FALSE;
}

/* Gives the SRB of a request in COMPLETING back to Storport. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void RequestGiveBack(DISK *Disk, REQUEST *Request)
{
    if (Request->SrbStatus != SRB_STATUS_SUCCESS) {
        SrbSetDataLength(Request->Srb, 0);
        SrbSetStatus(Request->Srb, Request->SrbStatus);
    } else {
        if (Request->Failed) {
            SrbSetDataLength(Request->Srb, 0);
        } else if (Request->Action == SCSI_ACTION_PERSISTENT_RESERVE_IN) {
            SrbSetDataLength(Request->Srb, Request->ListBytes);
        }
        SrbSetScsiResult(Request->Srb, (SCSI_STATUS)Request->Status, &Request->Sense);
    }
    SrbComplete(Disk->Adapter, Request->Srb);
}

/* The requests of a list are free again. */
_IRQL_requires_(DISPATCH_LEVEL)
static void QueueFreeList(QUEUE *Queue, LIST_ENTRY *List)
{
    for (PLIST_ENTRY Entry = List->Flink; Entry != List; Entry = Entry->Flink) {
        RequestMove(CONTAINING_RECORD(Entry, REQUEST, Link), REQUEST_FREE);
        Queue->Completing--;
    }
    /* The whole chain goes behind the last free one. */
    PLIST_ENTRY First = List->Flink, Last = List->Blink, Before = Queue->Free.Blink;
    Before->Flink = First;
    First->Blink = Before;
    Last->Flink = &Queue->Free;
    Queue->Free.Blink = Last;
    InitializeListHead(List);
}

/* All that is on From goes to the end of To. */
_IRQL_requires_(DISPATCH_LEVEL)
static void QueueMoveList(LIST_ENTRY *From, LIST_ENTRY *To)
{
    while (!IsListEmpty(From)) {
        InsertTailList(To, RemoveHeadList(From));
    }
}

/* DISPATCH_LEVEL if there is anything on the list; no lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void QueueCompleteList(DISK *Disk, LIST_ENTRY *Done)
{
    if (IsListEmpty(Done)) {
        return;
    }
    for (PLIST_ENTRY Entry = Done->Flink; Entry != Done; Entry = Entry->Flink) {
        RequestGiveBack(Disk, CONTAINING_RECORD(Entry, REQUEST, Link));
    }
    QUEUE *Queue = &Disk->Queue;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    QueueFreeList(Queue, Done);
    while (Queue->Completing == 0 && !IsListEmpty(&Queue->Resets)) {
        QUEUE_RESET *Reset = CONTAINING_RECORD(RemoveHeadList(&Queue->Resets), QUEUE_RESET, Link);
        Queue->Completing++;
        KeReleaseSpinLock(&Disk->Lock, Irql);
        Reset->Done(Disk->Adapter, Reset);
        KeAcquireSpinLock(&Disk->Lock, &Irql);
        Queue->Completing--;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
}

_IRQL_requires_(DISPATCH_LEVEL)
void QueueUnlock(DISK *Disk, KIRQL Irql, LIST_ENTRY *Done)
{
    QUEUE *Queue = &Disk->Queue;
    if (Irql < DISPATCH_LEVEL && !IsListEmpty(Done)) {
        QueueMoveList(Done, &Queue->Done);
        KeInsertQueueDpc(&Queue->DoneDpc, NULL, NULL);
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    QueueCompleteList(Disk, Done);
}

/* The disk is there: its end flushes DPCs. */
_Use_decl_annotations_
VOID NTAPI QueueDoneDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    DISK *Disk = Context;
    LIST_ENTRY Done;
    InitializeListHead(&Done);
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    QueueMoveList(&Disk->Queue.Done, &Done);
    QueueUnlock(Disk, Irql, &Done);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void QueueSettle(DISK *Disk)
{
    BOOLEAN Settled;
    do {
        LIST_ENTRY Done;
        InitializeListHead(&Done);
        KIRQL Irql;
        KeAcquireSpinLock(&Disk->Lock, &Irql);
        Settled = Disk->Queue.Completing == 0;
        QueueMoveList(&Disk->Queue.Done, &Done);
        QueueUnlock(Disk, Irql, &Done);
        YieldProcessor();
    } while (!Settled);
}
