/* SPDX-License-Identifier: LGPL-2.1-only */
/* Time and timers. One thread sleeps until the next is due; timer state is guarded by NtDispatcherLock. */
#include "internal.h"

static struct {
    GROUND_SIGNAL Changed;
    LIST_ENTRY Queue; /* by due time */
    bool Stopping;
    GROUND_THREAD *Ground;
    KTHREAD Thread;
} Timers;

/* The time of the last clock interrupt [kequeryinterrupttime]: it may stand still while a processor is busy. */
ULONGLONG KeQueryInterruptTime(VOID)
{
    uint64_t Tick = KeGetCurrentThread()->Tick;
    return Tick != 0 ? Tick : GroundNow();
}

/* Without the time asleep [kequeryunbiasedinterrupttime]: nothing sleeps here. */
ULONGLONG KeQueryUnbiasedInterruptTime(VOID)
{
    return KeQueryInterruptTime();
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER Frequency)
{
    LARGE_INTEGER Counter = {.QuadPart = (LONGLONG)GroundNow()};
    if (Frequency != NULL) {
        Frequency->QuadPart = 10000000;
    }
    return Counter;
}

VOID KeQuerySystemTime(PLARGE_INTEGER Time)
{
    Time->QuadPart = (LONGLONG)GroundSystemTime();
}

VOID KeQueryTickCount(PLARGE_INTEGER Count)
{
    Count->QuadPart = (LONGLONG)(GroundNow() / 156250);
}

/* ---- Timers ---- */

static void TimerCheck(const KTIMER *Timer, const char *Function)
{
    if (Timer->Header.Kind != NATIVE_OBJECT_TIMER && Timer->Header.Kind != NATIVE_OBJECT_SYNCHRONIZATION_TIMER) {
        NtViolation(RULE_OBJECT_INIT, Function, "there is no timer at %p", (const void *)Timer);
    }
}

VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type)
{
    PoolCheckResident(Timer, __func__);
    TimerCheckFree(Timer, sizeof(*Timer));
    Timer->Header.Kind = Type == NotificationTimer ? NATIVE_OBJECT_TIMER : NATIVE_OBJECT_SYNCHRONIZATION_TIMER;
    Timer->Header.SignalState = 0;
    Timer->PeriodMs = 0;
    Timer->Queued = FALSE;
    Timer->Dpc = NULL;
}

VOID KeInitializeTimer(PKTIMER Timer)
{
    KeInitializeTimerEx(Timer, NotificationTimer);
}

/* Into the queue, by due time; under the lock. */
static void TimerInsert(PKTIMER Timer)
{
    PLIST_ENTRY Entry = Timers.Queue.Blink;
    while (Entry != &Timers.Queue && CONTAINING_RECORD(Entry, KTIMER, Link)->DueTime > Timer->DueTime) {
        Entry = Entry->Blink;
    }
    InsertHeadList(Entry, &Timer->Link);
    Timer->Queued = TRUE;
    GroundSignalWakeAll(&Timers.Changed);
}

static BOOLEAN TimerTakeOut(PKTIMER Timer)
{
    BOOLEAN Queued = Timer->Queued;
    if (Queued) {
        RemoveEntryList(&Timer->Link);
        Timer->Queued = FALSE;
    }
    return Queued;
}

BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG PeriodMs, PKDPC Dpc)
{
    NT_ENTER(DISPATCH_LEVEL);
    TimerCheck(Timer, __func__);
    uint64_t Now = GroundNow();
    GroundLockEnter(&NtDispatcherLock);
    BOOLEAN Queued = TimerTakeOut(Timer);
    Timer->Header.SignalState = 0;
    Timer->PeriodMs = (ULONG)PeriodMs;
    Timer->Dpc = Dpc;
    if (DueTime.QuadPart <= 0) {
        Timer->DueTime = Now + (uint64_t)-DueTime.QuadPart;
    } else {
        uint64_t System = GroundSystemTime();
        Timer->DueTime = (uint64_t)DueTime.QuadPart > System ? Now + ((uint64_t)DueTime.QuadPart - System) : Now;
    }
    TimerInsert(Timer);
    GroundLockLeave(&NtDispatcherLock);
    return Queued;
}

BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc)
{
    return KeSetTimerEx(Timer, DueTime, 0, Dpc);
}

BOOLEAN KeCancelTimer(PKTIMER Timer)
{
    NT_ENTER(DISPATCH_LEVEL);
    TimerCheck(Timer, __func__);
    GroundLockEnter(&NtDispatcherLock);
    BOOLEAN Queued = TimerTakeOut(Timer);
    GroundLockLeave(&NtDispatcherLock);
    return Queued;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer)
{
    NT_ENTER(DISPATCH_LEVEL);
    TimerCheck(Timer, __func__);
    GroundLockEnter(&NtDispatcherLock);
    BOOLEAN State = Timer->Header.SignalState > 0;
    GroundLockLeave(&NtDispatcherLock);
    return State;
}

/*
 * Under the lock. The DPC is queued under it too (its lock is taken after the
 * dispatcher's): whoever cancels the timer afterwards and then removes the DPC
 * finds it.
 */
static void TimerExpire(PKTIMER Timer, uint64_t Now)
{
    TimerTakeOut(Timer);
    Timer->Header.SignalState = 1;
    NtWakeWaiters(&Timer->Header);
    if (Timer->PeriodMs != 0) {
        Timer->DueTime = Now + (uint64_t)Timer->PeriodMs * 10000;
        TimerInsert(Timer);
    }
    if (Timer->Dpc != NULL) {
        DpcInsert(Timer->Dpc, NULL, NULL);
    }
}

static void TimerMain(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    ThreadInitialize(&Timers.Thread, "timer");
    ThreadSetCurrent(&Timers.Thread);
    GroundLockEnter(&NtDispatcherLock);
    while (!Timers.Stopping) {
        PKTIMER First = IsListEmpty(&Timers.Queue) ? NULL : CONTAINING_RECORD(Timers.Queue.Flink, KTIMER, Link);
        uint64_t Now = GroundNow();
        if (First != NULL && First->DueTime <= Now) {
            TimerExpire(First, Now);
        } else {
            GroundSignalWait(&Timers.Changed, &NtDispatcherLock, First == NULL ? UINT64_MAX : First->DueTime);
        }
    }
    GroundLockLeave(&NtDispatcherLock);
}

void TimerStart(void)
{
    GroundSignalInitialize(&Timers.Changed);
    InitializeListHead(&Timers.Queue);
    Timers.Stopping = false;
    Timers.Ground = GroundThreadStart(TimerMain, NULL, "timer");
}

void TimerStop(void)
{
    GroundLockEnter(&NtDispatcherLock);
    Timers.Stopping = true;
    GroundSignalWakeAll(&Timers.Changed);
    GroundLockLeave(&NtDispatcherLock);
    GroundThreadJoin(Timers.Ground);
    GroundSignalDestroy(&Timers.Changed);
}

void TimerCheckFree(const void *Address, size_t Length)
{
    const KTIMER *Found = NULL;
    GroundLockEnter(&NtDispatcherLock);
    for (PLIST_ENTRY Entry = Timers.Queue.Flink; Entry != NULL && Entry != &Timers.Queue; Entry = Entry->Flink) {
        const KTIMER *Timer = CONTAINING_RECORD(Entry, KTIMER, Link);
        if ((uintptr_t)Timer - (uintptr_t)Address < Length) {
            Found = Timer;
        }
    }
    GroundLockLeave(&NtDispatcherLock);
    if (Found != NULL) {
        NtViolation(RULE_POOL_IN_USE, "timer", "the timer at %p is queued, its memory is freed or initialised again",
                    (const void *)Found);
    }
}

void TimerCheckUnload(void)
{
    GroundLockEnter(&NtDispatcherLock);
    bool Empty = IsListEmpty(&Timers.Queue);
    GroundLockLeave(&NtDispatcherLock);
    if (!Empty) {
        NtViolation(RULE_QUEUED_AT_UNLOAD, "DriverUnload", "a timer is queued");
    }
}
