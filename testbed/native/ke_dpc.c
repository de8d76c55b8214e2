/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * DPCs: one queue, served by as many threads as there are processors to
 * pretend, so that a DPC that is queued again while it runs may run beside
 * itself, as on Windows. With one processor the network's thread serves it,
 * between two of its own completions.
 */
#include "internal.h"

#define DPC_PROCESSORS 2

typedef struct {
    KTHREAD Thread;
    GROUND_THREAD *Ground;
    uint64_t Serving; /* number of the DPC that runs, 0: none */
} DPC_PROCESSOR;

static struct {
    GROUND_LOCK Lock;
    GROUND_SIGNAL Work; /* something was queued, or the end */
    GROUND_SIGNAL Done; /* a DPC has ended */
    LIST_ENTRY Queue;
    uint64_t Queued; /* how many were ever queued: the number of the last one */
    uint64_t Taken;  /* how many left the queue at its head or by removal */
    bool Stopping;
    bool OneProcessor; /* constant after DpcStart */
    DPC_PROCESSOR Processors[DPC_PROCESSORS];
} Dpcs = {.Lock = GROUND_LOCK_INITIALIZER};

static void DpcServe(DPC_PROCESSOR *Processor, PKDPC Dpc)
{
    PKDEFERRED_ROUTINE Routine = Dpc->DeferredRoutine;
    PVOID Context = Dpc->DeferredContext, Argument1 = Dpc->SystemArgument1, Argument2 = Dpc->SystemArgument2;
    NT_FRAME Frame;
    RemoveEntryList(&Dpc->Link);
    Dpc->Queued = FALSE;
    Processor->Serving = ++Dpcs.Taken;
    GroundLockLeave(&Dpcs.Lock);

    /* From here on the DPC object may be queued again, or be gone. */
    KIRQL Old = NtSetIrql(DISPATCH_LEVEL);
    NtCallbackEnter(&Frame, "DPC routine");
    Routine(Dpc, Context, Argument1, Argument2);
    NtCallbackLeave(&Frame);
    NtSetIrql(Old);

    GroundLockEnter(&Dpcs.Lock);
    Processor->Serving = 0;
    GroundSignalWakeAll(&Dpcs.Done);
}

static void DpcMain(void *Context)
{
    DPC_PROCESSOR *Processor = Context;
    ThreadInitialize(&Processor->Thread, "DPC");
    Processor->Thread.InDpc = TRUE;
    ThreadSetCurrent(&Processor->Thread);
    GroundLockEnter(&Dpcs.Lock);
    while (!Dpcs.Stopping || !IsListEmpty(&Dpcs.Queue)) {
        if (IsListEmpty(&Dpcs.Queue)) {
            GroundSignalWait(&Dpcs.Work, &Dpcs.Lock, UINT64_MAX);
        } else {
            DpcServe(Processor, CONTAINING_RECORD(Dpcs.Queue.Flink, KDPC, Link));
        }
    }
    GroundLockLeave(&Dpcs.Lock);
}

/* All that were queued before have ended; under the lock. */
static bool DpcAllEnded(uint64_t Last)
{
    if (Dpcs.Taken < Last) {
        return false;
    }
    for (int Index = 0; Index < DPC_PROCESSORS; Index++) {
        if (Dpcs.Processors[Index].Serving != 0 && Dpcs.Processors[Index].Serving <= Last) {
            return false;
        }
    }
    return true;
}

bool DpcServeAll(void)
{
    if (!Dpcs.OneProcessor) {
        return false;
    }
    GroundLockEnter(&Dpcs.Lock);
    bool Any = !IsListEmpty(&Dpcs.Queue);
    while (!IsListEmpty(&Dpcs.Queue)) {
        DpcServe(&Dpcs.Processors[0], CONTAINING_RECORD(Dpcs.Queue.Flink, KDPC, Link));
    }
    GroundLockLeave(&Dpcs.Lock);
    return Any;
}

void DpcStart(bool OneProcessor)
{
    GroundSignalInitialize(&Dpcs.Work);
    GroundSignalInitialize(&Dpcs.Done);
    InitializeListHead(&Dpcs.Queue);
    Dpcs.Stopping = false;
    Dpcs.OneProcessor = OneProcessor;
    for (int Index = 0; Index < DPC_PROCESSORS; Index++) {
        Dpcs.Processors[Index].Serving = 0;
        if (OneProcessor) {
            continue;
        }
        Dpcs.Processors[Index].Ground = GroundThreadStart(DpcMain, &Dpcs.Processors[Index], "dpc");
    }
}

void DpcStop(void)
{
    GroundLockEnter(&Dpcs.Lock);
    Dpcs.Stopping = true;
    GroundSignalWakeAll(&Dpcs.Work);
    while (Dpcs.OneProcessor && !DpcAllEnded(Dpcs.Queued)) {
        GroundSignalWait(&Dpcs.Done, &Dpcs.Lock, UINT64_MAX);
    }
    GroundLockLeave(&Dpcs.Lock);
    for (int Index = 0; Index < DPC_PROCESSORS && !Dpcs.OneProcessor; Index++) {
        GroundThreadJoin(Dpcs.Processors[Index].Ground);
    }
    GroundSignalDestroy(&Dpcs.Work);
    GroundSignalDestroy(&Dpcs.Done);
}

static void DpcCheck(const KDPC *Dpc, const char *Function)
{
    if (Dpc->Kind != NATIVE_OBJECT_DPC) {
        NtViolation(RULE_OBJECT_INIT, Function, "there is no DPC at %p", (const void *)Dpc);
    }
}

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE Routine, PVOID Context)
{
    PoolCheckResident(Dpc, __func__);
    /* Initialising a DPC that is queued would tear the queue. */
    DpcCheckFree(Dpc, sizeof(*Dpc));
    Dpc->DeferredRoutine = Routine;
    Dpc->DeferredContext = Context;
    Dpc->SystemArgument1 = NULL;
    Dpc->SystemArgument2 = NULL;
    Dpc->Queued = FALSE;
    Dpc->Kind = NATIVE_OBJECT_DPC;
}

static BOOLEAN DpcQueue(PKDPC Dpc, PVOID Argument1, PVOID Argument2)
{
    GroundLockEnter(&Dpcs.Lock);
    BOOLEAN Inserted = !Dpc->Queued;
    if (Inserted) {
        Dpc->SystemArgument1 = Argument1;
        Dpc->SystemArgument2 = Argument2;
        Dpc->Queued = TRUE;
        Dpcs.Queued++;
        InsertTailList(&Dpcs.Queue, &Dpc->Link);
        GroundSignalWakeAll(&Dpcs.Work);
    }
    GroundLockLeave(&Dpcs.Lock);
    if (Inserted && Dpcs.OneProcessor) {
        WskWake();
    }
    return Inserted;
}

BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    DpcCheck(Dpc, __func__); /* any IRQL */
    return DpcQueue(Dpc, SystemArgument1, SystemArgument2);
}

void DpcInsert(PKDPC Dpc, PVOID Argument1, PVOID Argument2)
{
    DpcCheck(Dpc, "KeSetTimer");
    DpcQueue(Dpc, Argument1, Argument2);
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc)
{
    DpcCheck(Dpc, __func__);
    GroundLockEnter(&Dpcs.Lock);
    BOOLEAN Removed = Dpc->Queued;
    if (Removed) {
        RemoveEntryList(&Dpc->Link);
        Dpc->Queued = FALSE;
        Dpcs.Taken++;
        GroundSignalWakeAll(&Dpcs.Done);
    }
    GroundLockLeave(&Dpcs.Lock);
    return Removed;
}

VOID KeFlushQueuedDpcs(VOID)
{
    NT_ENTER(PASSIVE_LEVEL);
    GroundLockEnter(&Dpcs.Lock);
    uint64_t Last = Dpcs.Queued;
    while (!DpcAllEnded(Last)) {
        GroundSignalWait(&Dpcs.Done, &Dpcs.Lock, UINT64_MAX);
    }
    GroundLockLeave(&Dpcs.Lock);
}

void DpcCheckFree(const void *Address, size_t Length)
{
    GroundLockEnter(&Dpcs.Lock);
    const KDPC *Found = NULL;
    for (PLIST_ENTRY Entry = Dpcs.Queue.Flink; Entry != NULL && Entry != &Dpcs.Queue; Entry = Entry->Flink) {
        const KDPC *Dpc = CONTAINING_RECORD(Entry, KDPC, Link);
        if ((uintptr_t)Dpc - (uintptr_t)Address < Length) {
            Found = Dpc;
        }
    }
    GroundLockLeave(&Dpcs.Lock);
    if (Found != NULL) {
        NtViolation(RULE_POOL_IN_USE, "DPC", "the DPC at %p is queued, its memory is freed or initialised again",
                    (const void *)Found);
    }
}

void DpcCheckUnload(void)
{
    GroundLockEnter(&Dpcs.Lock);
    bool Empty = IsListEmpty(&Dpcs.Queue) && DpcAllEnded(Dpcs.Queued);
    GroundLockLeave(&Dpcs.Lock);
    if (!Empty) {
        NtViolation(RULE_QUEUED_AT_UNLOAD, "DriverUnload", "a DPC is queued or running");
    }
}
