/* SPDX-License-Identifier: LGPL-2.1-only */
/* Events and waits. One lock guards every object's state; a waiter has its own signal. */
#include "internal.h"

typedef struct {
    LIST_ENTRY Link;
    const DISPATCHER_HEADER *Object;
    GROUND_SIGNAL Signal;
} NT_WAITER;

GROUND_LOCK NtDispatcherLock = GROUND_LOCK_INITIALIZER;
static LIST_ENTRY NtWaiters = {&NtWaiters, &NtWaiters};

void NtWakeWaiters(const DISPATCHER_HEADER *Object)
{
    for (PLIST_ENTRY Entry = NtWaiters.Flink; Entry != &NtWaiters; Entry = Entry->Flink) {
        NT_WAITER *Waiter = CONTAINING_RECORD(Entry, NT_WAITER, Link);
        if (Waiter->Object == Object) {
            GroundSignalWakeAll(&Waiter->Signal);
        }
    }
}

void NtSignal(DISPATCHER_HEADER *Object)
{
    GroundLockEnter(&NtDispatcherLock);
    Object->SignalState = 1;
    NtWakeWaiters(Object);
    GroundLockLeave(&NtDispatcherLock);
}

static void EventCheck(const KEVENT *Event, const char *Function)
{
    ULONG Kind = Event->Header.Kind;
    if (Kind != NATIVE_OBJECT_NOTIFICATION && Kind != NATIVE_OBJECT_SYNCHRONIZATION) {
        NtViolation(RULE_OBJECT_INIT, Function, "there is no event at %p", (const void *)Event);
    }
}

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State)
{
    PoolCheckResident(Event, __func__);
    Event->Header.Kind = Type == NotificationEvent ? NATIVE_OBJECT_NOTIFICATION : NATIVE_OBJECT_SYNCHRONIZATION;
    Event->Header.SignalState = State ? 1 : 0;
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY Increment, BOOLEAN Wait)
{
    UNREFERENCED_PARAMETER(Increment);
    /* With Wait, the caller must wait next, which it can do below DISPATCH_LEVEL only. */
    NtEnter(__func__, Wait ? APC_LEVEL : DISPATCH_LEVEL);
    GroundLockEnter(&NtDispatcherLock);
    EventCheck(Event, __func__);
    LONG Old = Event->Header.SignalState;
    Event->Header.SignalState = 1;
    NtWakeWaiters(&Event->Header);
    GroundLockLeave(&NtDispatcherLock);
    return Old;
}

LONG KeResetEvent(PRKEVENT Event)
{
    NT_ENTER(DISPATCH_LEVEL);
    GroundLockEnter(&NtDispatcherLock);
    EventCheck(Event, __func__);
    LONG Old = Event->Header.SignalState;
    Event->Header.SignalState = 0;
    GroundLockLeave(&NtDispatcherLock);
    return Old;
}

VOID KeClearEvent(PRKEVENT Event)
{
    KeResetEvent(Event);
}

LONG KeReadStateEvent(PRKEVENT Event)
{
    NT_ENTER(DISPATCH_LEVEL);
    GroundLockEnter(&NtDispatcherLock);
    EventCheck(Event, __func__);
    LONG State = Event->Header.SignalState;
    GroundLockLeave(&NtDispatcherLock);
    return State;
}

/* Timeout as NT gives it: negative relative, otherwise system time; to GroundNow's clock. */
static uint64_t WaitDeadline(const LARGE_INTEGER *Timeout)
{
    uint64_t Now = GroundNow();
    if (Timeout == NULL) {
        return UINT64_MAX;
    }
    if (Timeout->QuadPart <= 0) {
        return Now + (uint64_t)-Timeout->QuadPart;
    }
    uint64_t System = GroundSystemTime();
    return (uint64_t)Timeout->QuadPart > System ? Now + ((uint64_t)Timeout->QuadPart - System) : Now;
}

static void WaitCheck(const char *Function, const LARGE_INTEGER *Timeout)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Timeout != NULL && Timeout->QuadPart == 0) {
        NtEnter(Function, DISPATCH_LEVEL);
        return;
    }
    NtCheckNoLocks(RULE_LOCK_WAIT, Function);
    if (Thread->InDpc) {
        NtViolation(RULE_DPC_WAIT, Function, "waits in a DPC or completion at IRQL %u", (unsigned)Thread->Irql);
    }
    NtEnter(Function, APC_LEVEL);
}

static bool WaitIsSignalled(DISPATCHER_HEADER *Object, const char *Function)
{
    switch (Object->Kind) {
    case NATIVE_OBJECT_NOTIFICATION:
    case NATIVE_OBJECT_TIMER:
    case NATIVE_OBJECT_THREAD:
    case NATIVE_OBJECT_PROCESS:
        return Object->SignalState > 0;
    case NATIVE_OBJECT_SYNCHRONIZATION:
    case NATIVE_OBJECT_SYNCHRONIZATION_TIMER:
        if (Object->SignalState > 0) {
            Object->SignalState = 0;
            return true;
        }
        return false;
    default:
        NtViolation(RULE_OBJECT_INIT, Function, "there is nothing to wait for at %p", (const void *)Object);
    }
}

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON Reason, KPROCESSOR_MODE Mode, BOOLEAN Alertable,
                               PLARGE_INTEGER Timeout)
{
    UNREFERENCED_PARAMETER(Reason);
    UNREFERENCED_PARAMETER(Mode);
    UNREFERENCED_PARAMETER(Alertable);
    WaitCheck(__func__, Timeout);
    uint64_t Deadline = WaitDeadline(Timeout);
    NT_WAITER Waiter = {.Object = Object};
    NTSTATUS Status = STATUS_SUCCESS;
    GroundSignalInitialize(&Waiter.Signal);
    GroundLockEnter(&NtDispatcherLock);
    InsertTailList(&NtWaiters, &Waiter.Link);
    while (!WaitIsSignalled(Object, __func__)) {
        if (Deadline != UINT64_MAX && GroundNow() >= Deadline) {
            Status = STATUS_TIMEOUT;
            break;
        }
        GroundSignalWait(&Waiter.Signal, &NtDispatcherLock, Deadline);
    }
    RemoveEntryList(&Waiter.Link);
    GroundLockLeave(&NtDispatcherLock);
    GroundSignalDestroy(&Waiter.Signal);
    return Status;
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    UNREFERENCED_PARAMETER(Mode);
    UNREFERENCED_PARAMETER(Alertable);
    WaitCheck(__func__, NULL);
    uint64_t Deadline = WaitDeadline(Interval);
    uint64_t Now = GroundNow();
    if (Deadline > Now) {
        GroundSleep(Deadline - Now);
    }
    return STATUS_SUCCESS;
}
