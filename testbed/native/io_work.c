/* SPDX-License-Identifier: LGPL-2.1-only */
/* Work items: one queue, two worker threads at PASSIVE_LEVEL. A queued item holds its device. */
#include "internal.h"

#include <stdlib.h>

#define WORK_THREADS 2

struct _IO_WORKITEM {
    LIST_ENTRY Link;
    PDEVICE_OBJECT Device;
    PIO_WORKITEM_ROUTINE Routine;
    PIO_WORKITEM_ROUTINE_EX RoutineEx;
    PVOID Context;
    bool Queued;
};

static struct {
    GROUND_LOCK Lock;
    GROUND_SIGNAL Changed;
    LIST_ENTRY Queue;
    bool Stopping;
    ULONG Running; /* routines that a worker is in, with their devices referenced */
    GROUND_THREAD *Ground[WORK_THREADS];
    KTHREAD Threads[WORK_THREADS];
} Work = {.Lock = GROUND_LOCK_INITIALIZER};

static void WorkServe(PIO_WORKITEM Item)
{
    NT_FRAME Frame;
    PDEVICE_OBJECT Device = Item->Device;
    PIO_WORKITEM_ROUTINE Routine = Item->Routine;
    PIO_WORKITEM_ROUTINE_EX RoutineEx = Item->RoutineEx;
    PVOID Context = Item->Context;
    RemoveEntryList(&Item->Link);
    Item->Queued = false;
    Work.Running++;
    GroundLockLeave(&Work.Lock);

    /* The routine may queue the item again or free it. */
    NtCallbackEnter(&Frame, "work item routine");
    if (RoutineEx != NULL) {
        RoutineEx(Device, Context, Item);
    } else {
        Routine(Device, Context);
    }
    NtCallbackLeave(&Frame);
    DeviceDereference(Device);
    GroundLockEnter(&Work.Lock);
    if (--Work.Running == 0) {
        GroundSignalWakeAll(&Work.Changed);
    }
}

void WorkSettle(void)
{
    GroundLockEnter(&Work.Lock);
    while (Work.Running != 0) {
        GroundSignalWait(&Work.Changed, &Work.Lock, UINT64_MAX);
    }
    GroundLockLeave(&Work.Lock);
}

static void WorkMain(void *Context)
{
    PKTHREAD Thread = Context;
    ThreadInitialize(Thread, "worker");
    ThreadSetCurrent(Thread);
    GroundLockEnter(&Work.Lock);
    while (!Work.Stopping || !IsListEmpty(&Work.Queue)) {
        if (IsListEmpty(&Work.Queue)) {
            GroundSignalWait(&Work.Changed, &Work.Lock, UINT64_MAX);
        } else {
            WorkServe(CONTAINING_RECORD(Work.Queue.Flink, struct _IO_WORKITEM, Link));
        }
    }
    GroundLockLeave(&Work.Lock);
}

void WorkStart(void)
{
    GroundSignalInitialize(&Work.Changed);
    InitializeListHead(&Work.Queue);
    Work.Stopping = false;
    for (int Index = 0; Index < WORK_THREADS; Index++) {
        Work.Ground[Index] = GroundThreadStart(WorkMain, &Work.Threads[Index], "worker");
    }
}

void WorkStop(void)
{
    GroundLockEnter(&Work.Lock);
    Work.Stopping = true;
    GroundSignalWakeAll(&Work.Changed);
    GroundLockLeave(&Work.Lock);
    for (int Index = 0; Index < WORK_THREADS; Index++) {
        GroundThreadJoin(Work.Ground[Index]);
    }
    GroundSignalDestroy(&Work.Changed);
}

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    NT_ENTER(DISPATCH_LEVEL);
    PIO_WORKITEM Item = Fault(__func__) ? NULL : calloc(1, sizeof(*Item));
    if (Item != NULL) {
        Item->Device = DeviceObject;
        TrackAdd(TRACK_WORK_ITEM, Item, 0, 0, __builtin_return_address(0));
    }
    return Item;
}

VOID IoFreeWorkItem(PIO_WORKITEM WorkItem)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (!TrackRemove(TRACK_WORK_ITEM, WorkItem, NULL, NULL)) {
        NtViolation(RULE_WORK_ITEM, __func__, "there is no work item at %p", (void *)WorkItem);
    }
    GroundLockEnter(&Work.Lock);
    bool Queued = WorkItem->Queued;
    GroundLockLeave(&Work.Lock);
    if (Queued) {
        NtViolation(RULE_WORK_ITEM, __func__, "the work item at %p is queued", (void *)WorkItem);
    }
    free(WorkItem);
}

static void WorkQueue(PIO_WORKITEM Item, PIO_WORKITEM_ROUTINE Routine, PIO_WORKITEM_ROUTINE_EX RoutineEx, PVOID Context,
                      const char *Function)
{
    if (!TrackHas(TRACK_WORK_ITEM, Item)) {
        NtViolation(RULE_WORK_ITEM, Function, "there is no work item at %p", (void *)Item);
    }
    DeviceReference(Item->Device);
    GroundLockEnter(&Work.Lock);
    if (Item->Queued) {
        NtViolation(RULE_WORK_ITEM, Function, "the work item at %p is queued already", (void *)Item);
    }
    Item->Queued = true;
    Item->Routine = Routine;
    Item->RoutineEx = RoutineEx;
    Item->Context = Context;
    InsertTailList(&Work.Queue, &Item->Link);
    GroundSignalWakeAll(&Work.Changed);
    GroundLockLeave(&Work.Lock);
}

VOID IoQueueWorkItem(PIO_WORKITEM WorkItem, PIO_WORKITEM_ROUTINE Routine, WORK_QUEUE_TYPE Queue, PVOID Context)
{
    UNREFERENCED_PARAMETER(Queue);
    NT_ENTER(DISPATCH_LEVEL);
    WorkQueue(WorkItem, Routine, NULL, Context, __func__);
}

VOID IoQueueWorkItemEx(PIO_WORKITEM WorkItem, PIO_WORKITEM_ROUTINE_EX Routine, WORK_QUEUE_TYPE Queue, PVOID Context)
{
    UNREFERENCED_PARAMETER(Queue);
    NT_ENTER(DISPATCH_LEVEL);
    WorkQueue(WorkItem, NULL, Routine, Context, __func__);
}
