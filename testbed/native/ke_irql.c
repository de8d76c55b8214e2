/* SPDX-License-Identifier: LGPL-2.1-only */
/* IRQL, spin locks, exception guards: all of it state of the calling thread. */
#include "internal.h"

/* A free lock's value: not 0, so that a lock that nobody initialised shows. */
#define LOCK_FREE ((ULONG_PTR)0x4C4F434B46524545u)

KIRQL KeGetCurrentIrql(VOID)
{
    return KeGetCurrentThread()->Irql;
}

void NtEnter(const char *Function, KIRQL Highest)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->Irql > Highest) {
        NtViolation(RULE_IRQL, Function, "called at IRQL %u, allowed up to %u", (unsigned)Thread->Irql,
                    (unsigned)Highest);
    }
    GroundStep();
}

KIRQL NtSetIrql(KIRQL Irql)
{
    PKTHREAD Thread = KeGetCurrentThread();
    KIRQL Old = Thread->Irql;
    Thread->Irql = Irql;
    return Old;
}

KIRQL KfRaiseIrql(KIRQL NewIrql)
{
    PKTHREAD Thread = KeGetCurrentThread();
    KIRQL Old = Thread->Irql;
    if (NewIrql < Old) {
        NtViolation(RULE_IRQL_RAISE, __func__, "from %u to %u", (unsigned)Old, (unsigned)NewIrql);
    }
    Thread->Irql = NewIrql;
    return Old;
}

KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    return KfRaiseIrql(DISPATCH_LEVEL);
}

VOID KeLowerIrql(KIRQL NewIrql)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (NewIrql > Thread->Irql || (Thread->LockCount != 0 && NewIrql < DISPATCH_LEVEL)) {
        NtViolation(RULE_IRQL_LOWER, __func__, "from %u to %u", (unsigned)Thread->Irql, (unsigned)NewIrql);
    }
    Thread->Irql = NewIrql;
}

VOID NativePagedCode(const char *Function)
{
    KIRQL Irql = KeGetCurrentIrql();
    if (Irql > APC_LEVEL) {
        NtViolation(RULE_PAGED_CODE, Function, "runs at IRQL %u", (unsigned)Irql);
    }
}

void NtCallbackEnter(NT_FRAME *Frame, const char *What)
{
    PKTHREAD Thread = KeGetCurrentThread();
    Frame->What = What;
    Frame->Irql = Thread->Irql;
    Frame->Locks = Thread->LockCount;
}

void NtCallbackLeave(const NT_FRAME *Frame)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->LockCount != Frame->Locks) {
        NtViolation(RULE_LOCK_CALLBACK, Frame->What, "called with %u locks held, returned with %u",
                    (unsigned)Frame->Locks, (unsigned)Thread->LockCount);
    }
    if (Thread->Irql != Frame->Irql) {
        NtViolation(RULE_IRQL_CALLBACK, Frame->What, "called at IRQL %u, returned at %u", (unsigned)Frame->Irql,
                    (unsigned)Thread->Irql);
    }
}

void NtCheckNoLocks(NATIVE_RULE Rule, const char *Function)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->LockCount != 0) {
        NtViolation(Rule, Function, "the thread holds the spin lock at %p",
                    (const void *)Thread->Locks[Thread->LockCount - 1].Lock);
    }
}

/* ---- Spin locks: the value is LOCK_FREE or the owner's thread ---- */

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock)
{
    PoolCheckResident((const void *)SpinLock, __func__);
    __atomic_store_n(SpinLock, LOCK_FREE, __ATOMIC_RELEASE);
}

static volatile LONG LocksNested;

uint32_t NativeLocksNested(void)
{
    return (uint32_t)ReadAcquire(&LocksNested);
}

static void LockAcquire(PKSPIN_LOCK SpinLock, PKTHREAD Thread, const char *Function, BOOLEAN Raised, KIRQL OldIrql)
{
    for (ULONG Index = 0; Index < Thread->LockCount; Index++) {
        if (Thread->Locks[Index].Lock == SpinLock) {
            NtViolation(RULE_LOCK_RECURSION, Function, "the thread already owns the lock at %p",
                        (const void *)SpinLock);
        }
    }
    if (Thread->LockCount == NATIVE_LOCKS_MAX) {
        NtViolation(RULE_LOCK_RECURSION, Function, "the thread holds %u locks", (unsigned)Thread->LockCount);
    }
    for (;;) {
        ULONG_PTR Expected = LOCK_FREE;
        if (__atomic_compare_exchange_n(SpinLock, &Expected, (ULONG_PTR)Thread, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            break;
        }
        if (Expected == 0 && GroundIsStatic((const void *)SpinLock)) {
            /* A lock in the image's own data is free while it is zero: what KeInitializeSpinLock writes on Windows. */
            __atomic_compare_exchange_n(SpinLock, &Expected, LOCK_FREE, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
            continue;
        }
        if (Expected == 0) {
            NtViolation(RULE_LOCK_INIT, Function, "the lock at %p", (const void *)SpinLock);
        }
        GroundYield();
    }
    if (Thread->LockCount != 0) {
        InterlockedIncrement(&LocksNested);
    }
    Thread->Locks[Thread->LockCount].Lock = SpinLock;
    Thread->Locks[Thread->LockCount].OldIrql = OldIrql;
    Thread->Locks[Thread->LockCount].Raised = Raised;
    Thread->LockCount++;
}

/*
 * Locks may be released in another order than that of a stack, with their IRQLs exchanged: the one that is released to
 * another's IRQL leaves its own to that one. False: no held lock was acquired at NewIrql.
 */
static bool LockHandIrqlOn(PKTHREAD Thread, ULONG Released, KIRQL NewIrql)
{
    for (ULONG Index = 0; Index < Thread->LockCount; Index++) {
        if (Index != Released && Thread->Locks[Index].Raised && Thread->Locks[Index].OldIrql == NewIrql) {
            Thread->Locks[Index].OldIrql = Thread->Locks[Released].OldIrql;
            return true;
        }
    }
    return false;
}

static void LockRelease(PKSPIN_LOCK SpinLock, PKTHREAD Thread, const char *Function, BOOLEAN Raised, KIRQL NewIrql)
{
    ULONG Index = Thread->LockCount;
    while (Index > 0 && Thread->Locks[Index - 1].Lock != SpinLock) {
        Index--;
    }
    if (Index == 0) {
        NtViolation(RULE_LOCK_OWNER, Function, "the thread does not own the lock at %p", (const void *)SpinLock);
    }
    Index--;
    if (Thread->Locks[Index].Raised != Raised) {
        NtViolation(RULE_LOCK_DPC, Function, "the lock at %p was acquired with the other variant",
                    (const void *)SpinLock);
    }
    if (Raised && Thread->Locks[Index].OldIrql != NewIrql && !LockHandIrqlOn(Thread, Index, NewIrql)) {
        NtViolation(RULE_LOCK_IRQL, Function, "acquired at IRQL %u, released to %u",
                    (unsigned)Thread->Locks[Index].OldIrql, (unsigned)NewIrql);
    }
    Thread->LockCount--;
    for (; Index < Thread->LockCount; Index++) {
        Thread->Locks[Index] = Thread->Locks[Index + 1];
    }
    __atomic_store_n(SpinLock, LOCK_FREE, __ATOMIC_RELEASE);
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    NT_ENTER(DISPATCH_LEVEL);
    PKTHREAD Thread = KeGetCurrentThread();
    KIRQL Old = Thread->Irql;
    Thread->Irql = DISPATCH_LEVEL;
    LockAcquire(SpinLock, Thread, __func__, TRUE, Old);
    return Old;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->Irql != DISPATCH_LEVEL) {
        NtViolation(RULE_LOCK_IRQL, __func__, "called at IRQL %u", (unsigned)Thread->Irql);
    }
    LockRelease(SpinLock, Thread, __func__, TRUE, NewIrql);
    if (NewIrql < DISPATCH_LEVEL && Thread->LockCount != 0) {
        NtViolation(RULE_LOCK_IRQL, __func__, "released to IRQL %u with another lock held", (unsigned)NewIrql);
    }
    Thread->Irql = NewIrql;
    GroundStep();
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->Irql < DISPATCH_LEVEL) {
        NtViolation(RULE_LOCK_DPC, __func__, "called at IRQL %u", (unsigned)Thread->Irql);
    }
    LockAcquire(SpinLock, Thread, __func__, FALSE, Thread->Irql);
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock)
{
    PKTHREAD Thread = KeGetCurrentThread();
    if (Thread->Irql < DISPATCH_LEVEL) {
        NtViolation(RULE_LOCK_DPC, __func__, "called at IRQL %u", (unsigned)Thread->Irql);
    }
    LockRelease(SpinLock, Thread, __func__, FALSE, Thread->Irql);
}

VOID KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE Handle)
{
    Handle->Lock = SpinLock;
    Handle->OldIrql = KeAcquireSpinLockRaiseToDpc(SpinLock);
}

VOID KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE Handle)
{
    KeReleaseSpinLock(Handle->Lock, Handle->OldIrql);
}

/* ---- Exception guards ---- */

VOID NativeGuardEnter(NATIVE_GUARD *Guard)
{
    PKTHREAD Thread = KeGetCurrentThread();
    Guard->Status = STATUS_SUCCESS;
    Guard->Outer = Thread->Guard;
    Thread->Guard = Guard;
}

VOID NativeGuardLeave(NATIVE_GUARD *Guard)
{
    KeGetCurrentThread()->Guard = Guard->Outer;
}

VOID ExRaiseStatus(NTSTATUS Status)
{
    PKTHREAD Thread = KeGetCurrentThread();
    NATIVE_GUARD *Guard = Thread->Guard;
    if (Guard == NULL) {
        NtViolation(RULE_BUG_CHECK, __func__, "exception 0x%08x with no handler (0x1E)", (unsigned)Status);
    }
    Thread->Guard = Guard->Outer;
    Guard->Status = Status;
    longjmp(Guard->Target, 1);
}
