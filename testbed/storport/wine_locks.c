/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Books of the spin locks that the miniport's threads hold and of the IRQL that they are at, kept by the functions to
 * which its imports are redirected. Wine itself returns PASSIVE_LEVEL for whatever thread acquires a lock.
 *
 * Concurrency: both are per thread, in slots found by the thread's number.
 */
#include "port.h"
#include "wine_ground.h"

#define THREADS 512u

typedef struct {
    PVOID volatile ThreadId;
    LONG Locks;
    KIRQL Irql;
} THREAD_LOCKS;

static THREAD_LOCKS Threads[THREADS];

static THREAD_LOCKS *ThisThread(VOID)
{
    PVOID Id = PsGetCurrentThreadId();
    ULONG i, Slot = (ULONG)((ULONG_PTR)Id >> 2) % THREADS;

    for (i = 0; i < THREADS; ++i, Slot = (Slot + 1) % THREADS) {
        if (Threads[Slot].ThreadId == Id)
            return &Threads[Slot];
        if (Threads[Slot].ThreadId == NULL &&
            InterlockedCompareExchangePointer(&Threads[Slot].ThreadId, Id, NULL) == NULL)
            return &Threads[Slot];
    }
    return NULL;
}

static VOID CountLock(LONG Change)
{
    THREAD_LOCKS *Mine = ThisThread();

    if (Mine != NULL)
        Mine->Locks += Change;
}

KIRQL WineIrql(VOID)
{
    const THREAD_LOCKS *Mine = ThisThread();

    return Mine == NULL ? PASSIVE_LEVEL : Mine->Irql;
}

KIRQL WineSetIrql(KIRQL Irql)
{
    THREAD_LOCKS *Mine = ThisThread();
    const KIRQL Was = WineIrql();

    if (Mine != NULL)
        Mine->Irql = Irql;
    return Was;
}

static KIRQL NTAPI TrackAcquireRaise(PKSPIN_LOCK SpinLock)
{
    KeAcquireSpinLockRaiseToDpc(SpinLock);
    CountLock(1);
    return WineSetIrql(DISPATCH_LEVEL);
}

static VOID NTAPI TrackRelease(PKSPIN_LOCK SpinLock, KIRQL Irql)
{
    CountLock(-1);
    KeReleaseSpinLock(SpinLock, Irql);
    WineSetIrql(Irql);
}

static VOID NTAPI TrackAcquireAtDpc(PKSPIN_LOCK SpinLock)
{
    KeAcquireSpinLockAtDpcLevel(SpinLock);
    CountLock(1);
}

static VOID NTAPI TrackReleaseFromDpc(PKSPIN_LOCK SpinLock)
{
    CountLock(-1);
    KeReleaseSpinLockFromDpcLevel(SpinLock);
}

static VOID NTAPI TrackAcquireQueued(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE Handle)
{
    KeAcquireInStackQueuedSpinLock(SpinLock, Handle);
    CountLock(1);
    Handle->OldIrql = WineSetIrql(DISPATCH_LEVEL);
}

static VOID NTAPI TrackReleaseQueued(PKLOCK_QUEUE_HANDLE Handle)
{
    const KIRQL Irql = Handle->OldIrql;

    CountLock(-1);
    KeReleaseInStackQueuedSpinLock(Handle);
    WineSetIrql(Irql);
}

#define REDIRECT(Name, Function) {Name, (PVOID)(ULONG_PTR)(Function), NULL}

const WINE_REDIRECTION WineLockRedirections[] = {
    REDIRECT("KeAcquireSpinLockRaiseToDpc", TrackAcquireRaise),
    REDIRECT("KeReleaseSpinLock", TrackRelease),
    REDIRECT("KeAcquireSpinLockAtDpcLevel", TrackAcquireAtDpc),
    REDIRECT("KeReleaseSpinLockFromDpcLevel", TrackReleaseFromDpc),
    REDIRECT("KeAcquireInStackQueuedSpinLock", TrackAcquireQueued),
    REDIRECT("KeReleaseInStackQueuedSpinLock", TrackReleaseQueued),
};
const ULONG WineLockRedirectionCount = RTL_NUMBER_OF(WineLockRedirections);

ULONG WineTrackLocksHeld(VOID)
{
    const THREAD_LOCKS *Mine = ThisThread();

    return Mine == NULL ? 0 : (ULONG)Mine->Locks;
}
