/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * DPCs and timers for Wine. A system thread runs DPCs in the order in which they were queued, one at a time, and queues
 * those of timers when they are due. The thread waits on a counter that every change increments.
 *
 * Concurrency: Lock guards both lists and the fields of KDPC and KTIMER that are used here; it isn't held while a DPC
 * runs. KDPC.DpcData is set while a DPC is queued, KTIMER.Header.Inserted while a timer is.
 */
#include "port.h"
#include "wine_ground.h"
#include "wine_ntdll.h"

static KSPIN_LOCK Lock;
static LIST_ENTRY Dpcs = {&Dpcs, &Dpcs};
static LIST_ENTRY Timers = {&Timers, &Timers};
static volatile LONG Changes;
static volatile LONG Stop;
static PKDPC Running;
static PVOID Thread;
static volatile PVOID ThreadId;

static VOID Wake(VOID)
{
    InterlockedIncrement(&Changes);
    RtlWakeAddressSingle((const VOID *)&Changes);
}

/* Under Lock. */
static BOOLEAN InsertDpc(PKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    if (Dpc->DpcData != NULL)
        return FALSE;
    Dpc->SystemArgument1 = SystemArgument1;
    Dpc->SystemArgument2 = SystemArgument2;
    Dpc->DpcData = Dpc;
    InsertTailList(&Dpcs, &Dpc->DpcListEntry);
    return TRUE;
}

BOOLEAN NTAPI WineInsertQueueDpc(PKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2)
{
    BOOLEAN Inserted;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Inserted = InsertDpc(Dpc, SystemArgument1, SystemArgument2);
    KeReleaseSpinLock(&Lock, Irql);
    if (Inserted)
        Wake();
    return Inserted;
}

BOOLEAN NTAPI WineRemoveQueueDpc(PKDPC Dpc)
{
    BOOLEAN Queued;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Queued = Dpc->DpcData != NULL;
    if (Queued) {
        RemoveEntryList(&Dpc->DpcListEntry);
        Dpc->DpcData = NULL;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Queued;
}

VOID NTAPI WineFlushQueuedDpcs(VOID)
{
    LARGE_INTEGER Pause;
    BOOLEAN Idle;
    KIRQL Irql;

    /* From a DPC itself there is nothing to wait for. */
    if (PsGetCurrentThreadId() == ThreadId)
        return;
    Pause.QuadPart = -(LONGLONG)PORT_MS_100NS;
    for (;;) {
        KeAcquireSpinLock(&Lock, &Irql);
        Idle = IsListEmpty(&Dpcs) && Running == NULL;
        KeReleaseSpinLock(&Lock, Irql);
        if (Idle)
            return;
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
}

/* Under Lock. */
static BOOLEAN RemoveTimer(PKTIMER Timer)
{
    if (!Timer->Header.Inserted)
        return FALSE;
    RemoveEntryList(&Timer->TimerListEntry);
    Timer->Header.Inserted = FALSE;
    return TRUE;
}

BOOLEAN NTAPI WineSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc)
{
    BOOLEAN Was;
    KIRQL Irql;

    /* Without a DPC somebody waits for the timer object itself, which Wine can do. */
    if (Dpc == NULL)
        return KeSetTimerEx(Timer, DueTime, Period, NULL);
    if (DueTime.QuadPart >= 0) {
        LARGE_INTEGER Now;

        KeQuerySystemTime(&Now);
        DueTime.QuadPart = Now.QuadPart < DueTime.QuadPart ? Now.QuadPart - DueTime.QuadPart : -1;
    }
    KeAcquireSpinLock(&Lock, &Irql);
    Was = RemoveTimer(Timer);
    Timer->DueTime.QuadPart = PortPlatformTime() + (ULONGLONG)-DueTime.QuadPart;
    Timer->Period = Period;
    Timer->Dpc = Dpc;
    Timer->Header.Inserted = TRUE;
    InsertTailList(&Timers, &Timer->TimerListEntry);
    KeReleaseSpinLock(&Lock, Irql);
    Wake();
    return Was;
}

BOOLEAN NTAPI WineSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    return WineSetTimerEx(Timer, DueTime, 0, Dpc);
}

BOOLEAN NTAPI WineCancelTimer(PKTIMER Timer)
{
    BOOLEAN Was;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Was = RemoveTimer(Timer);
    if (!Was && Timer->Dpc != NULL && Timer->Dpc->DpcData != NULL) {
        /* Due already: its DPC leaves the queue with it. */
        RemoveEntryList(&Timer->Dpc->DpcListEntry);
        Timer->Dpc->DpcData = NULL;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Was;
}

ULONG WineDpcQueued(VOID)
{
    ULONG Count = 0;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    for (Entry = Dpcs.Flink; Entry != &Dpcs; Entry = Entry->Flink)
        ++Count;
    for (Entry = Timers.Flink; Entry != &Timers; Entry = Entry->Flink)
        ++Count;
    KeReleaseSpinLock(&Lock, Irql);
    return Count;
}

/* Queues the DPCs of due timers; the time until the next one in 100 ns, negative, or 0 when there is none. */
static LONGLONG FireTimers(VOID)
{
    const ULONGLONG Now = PortPlatformTime();
    ULONGLONG Next = ~0ull;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    for (Entry = Timers.Flink; Entry != &Timers;) {
        PKTIMER Timer = CONTAINING_RECORD(Entry, KTIMER, TimerListEntry);

        Entry = Entry->Flink;
        if (Timer->DueTime.QuadPart <= Now) {
            InsertDpc(Timer->Dpc, NULL, NULL);
            if (Timer->Period == 0)
                RemoveTimer(Timer);
            else
                Timer->DueTime.QuadPart = Now + (ULONGLONG)Timer->Period * PORT_MS_100NS;
        }
        if (Timer->Header.Inserted && Timer->DueTime.QuadPart < Next)
            Next = Timer->DueTime.QuadPart;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Next == ~0ull ? 0 : -(LONGLONG)(Next - Now);
}

static BOOLEAN RunOne(VOID)
{
    PVOID Argument1, Argument2;
    PKDPC Dpc = NULL;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    if (!IsListEmpty(&Dpcs)) {
        Dpc = CONTAINING_RECORD(RemoveHeadList(&Dpcs), KDPC, DpcListEntry);
        Dpc->DpcData = NULL;
        Argument1 = Dpc->SystemArgument1;
        Argument2 = Dpc->SystemArgument2;
        Running = Dpc;
    }
    KeReleaseSpinLock(&Lock, Irql);
    if (Dpc == NULL)
        return FALSE;
    /* The DPC may free itself: nothing of it is read afterwards. */
    Dpc->DeferredRoutine(Dpc, Dpc->DeferredContext, Argument1, Argument2);
    KeAcquireSpinLock(&Lock, &Irql);
    Running = NULL;
    KeReleaseSpinLock(&Lock, Irql);
    return TRUE;
}

static VOID NTAPI DpcThread(PVOID Context)
{
    LARGE_INTEGER Timeout;
    LONG Seen;

    UNREFERENCED_PARAMETER(Context);
    ThreadId = PsGetCurrentThreadId();
    WineSetIrql(DISPATCH_LEVEL);
    while (!Stop) {
        Seen = Changes;
        Timeout.QuadPart = FireTimers();
        if (RunOne())
            continue;
        RtlWaitOnAddress((const VOID *)&Changes, &Seen, sizeof(Seen), Timeout.QuadPart == 0 ? NULL : &Timeout);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

VOID WineDpcStart(VOID)
{
    HANDLE Handle;

    Stop = FALSE;
    if (!NT_SUCCESS(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, DpcThread, NULL)))
        return;
    ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, NULL, KernelMode, &Thread, NULL);
    ZwClose(Handle);
}

VOID WineDpcStop(VOID)
{
    Stop = TRUE;
    Wake();
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
    Thread = NULL;
    ThreadId = NULL;
}
