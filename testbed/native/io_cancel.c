/* SPDX-License-Identifier: LGPL-2.1-only */
/* Cancellation and cancel-safe queues (WDK, Cancel-Safe IRP Queues). */
#include "internal.h"

/* The system's one cancel spin lock; the value is a free lock's from the start (KeInitializeSpinLock in NativeStart).
 */
static KSPIN_LOCK IoCancelLock;

void CancelStart(void)
{
    KeInitializeSpinLock(&IoCancelLock);
}

VOID IoAcquireCancelSpinLock(PKIRQL Irql)
{
    NT_ENTER(DISPATCH_LEVEL);
    *Irql = KeAcquireSpinLockRaiseToDpc(&IoCancelLock);
}

VOID IoReleaseCancelSpinLock(KIRQL Irql)
{
    KeReleaseSpinLock(&IoCancelLock, Irql);
}

PDRIVER_CANCEL IoSetCancelRoutine(PIRP Irp, PDRIVER_CANCEL CancelRoutine)
{
    NT_ENTER(DISPATCH_LEVEL);
    IrpCheck(Irp, IRP_SENT, __func__);
    return __atomic_exchange_n(&Irp->CancelRoutine, CancelRoutine, __ATOMIC_SEQ_CST);
}

BOOLEAN IoCancelIrp(PIRP Irp)
{
    KIRQL Irql;
    NT_ENTER(DISPATCH_LEVEL);
    if (__atomic_load_n(&Irp->Native->State, __ATOMIC_ACQUIRE) == IRP_FREED) {
        NtViolation(RULE_IRP_FREED, __func__, "IRP %p was freed", (void *)Irp);
    }
    IoAcquireCancelSpinLock(&Irql);
    __atomic_store_n(&Irp->Cancel, TRUE, __ATOMIC_SEQ_CST);
    PDRIVER_CANCEL Routine = __atomic_exchange_n(&Irp->CancelRoutine, NULL, __ATOMIC_SEQ_CST);
    if (Routine == NULL) {
        IoReleaseCancelSpinLock(Irql);
        return FALSE;
    }
    PKTHREAD Thread = KeGetCurrentThread();
    ULONG Locks = Thread->LockCount;
    Irp->CancelIrql = Irql;
    Routine(IoGetCurrentIrpStackLocation(Irp)->DeviceObject, Irp);
    if (Thread->LockCount != Locks - 1 || Thread->Irql != Irql) {
        NtViolation(RULE_CANCEL_LOCK, "cancel routine", "returned with %u locks held, %u expected, at IRQL %u",
                    (unsigned)Thread->LockCount, (unsigned)Locks - 1, (unsigned)Thread->Irql);
    }
    return TRUE;
}

/* ---- Cancel-safe queues ---- */

#define CSQ_TYPE_CONTEXT 1
#define CSQ_TYPE_QUEUE 2
#define CSQ_TYPE_QUEUE_EX 3

NTSTATUS IoCsqInitialize(PIO_CSQ Csq, IO_CSQ_INSERT_IRP *Insert, IO_CSQ_REMOVE_IRP *Remove, IO_CSQ_PEEK_NEXT_IRP *Peek,
                         IO_CSQ_ACQUIRE_LOCK *Acquire, IO_CSQ_RELEASE_LOCK *Release,
                         IO_CSQ_COMPLETE_CANCELED_IRP *CompleteCanceled)
{
    *Csq = (IO_CSQ){.Type = CSQ_TYPE_QUEUE,
                    .CsqInsertIrp = Insert,
                    .CsqRemoveIrp = Remove,
                    .CsqPeekNextIrp = Peek,
                    .CsqAcquireLock = Acquire,
                    .CsqReleaseLock = Release,
                    .CsqCompleteCanceledIrp = CompleteCanceled};
    return STATUS_SUCCESS;
}

NTSTATUS IoCsqInitializeEx(PIO_CSQ Csq, IO_CSQ_INSERT_IRP_EX *Insert, IO_CSQ_REMOVE_IRP *Remove,
                           IO_CSQ_PEEK_NEXT_IRP *Peek, IO_CSQ_ACQUIRE_LOCK *Acquire, IO_CSQ_RELEASE_LOCK *Release,
                           IO_CSQ_COMPLETE_CANCELED_IRP *CompleteCanceled)
{
    IoCsqInitialize(Csq, NULL, Remove, Peek, Acquire, Release, CompleteCanceled);
    Csq->Type = CSQ_TYPE_QUEUE_EX;
    Csq->CsqInsertIrpEx = Insert;
    return STATUS_SUCCESS;
}

static void CsqForget(PIRP Irp)
{
    ULONG *Type = Irp->Tail.Overlay.DriverContext[3];
    if (*Type == CSQ_TYPE_CONTEXT) {
        ((PIO_CSQ_IRP_CONTEXT)Type)->Irp = NULL;
    }
    Irp->Tail.Overlay.DriverContext[3] = NULL;
}

static VOID CsqCancelRoutine(PDEVICE_OBJECT Device, PIRP Irp)
{
    KIRQL Irql;
    UNREFERENCED_PARAMETER(Device);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    ULONG *Type = Irp->Tail.Overlay.DriverContext[3];
    PIO_CSQ Csq = *Type == CSQ_TYPE_CONTEXT ? ((PIO_CSQ_IRP_CONTEXT)Type)->Csq : (PIO_CSQ)Type;
    Csq->CsqAcquireLock(Csq, &Irql);
    Csq->CsqRemoveIrp(Csq, Irp);
    CsqForget(Irp);
    Csq->CsqReleaseLock(Csq, Irql);
    Csq->CsqCompleteCanceledIrp(Csq, Irp);
}

NTSTATUS IoCsqInsertIrpEx(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context, PVOID InsertContext)
{
    KIRQL Irql;
    NTSTATUS Status = STATUS_SUCCESS;
    NT_ENTER(DISPATCH_LEVEL);
    if (Context != NULL) {
        *Context = (IO_CSQ_IRP_CONTEXT){CSQ_TYPE_CONTEXT, Irp, Csq};
        Irp->Tail.Overlay.DriverContext[3] = Context;
    } else {
        Irp->Tail.Overlay.DriverContext[3] = Csq;
    }
    Csq->CsqAcquireLock(Csq, &Irql);
    if (Csq->Type == CSQ_TYPE_QUEUE_EX) {
        Status = Csq->CsqInsertIrpEx(Csq, Irp, InsertContext);
        if (!NT_SUCCESS(Status)) {
            CsqForget(Irp);
            Csq->CsqReleaseLock(Csq, Irql);
            return Status;
        }
    } else {
        Csq->CsqInsertIrp(Csq, Irp);
    }
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, CsqCancelRoutine);
    if (__atomic_load_n(&Irp->Cancel, __ATOMIC_SEQ_CST) && IoSetCancelRoutine(Irp, NULL) != NULL) {
        /* Cancelled before it had a routine, and nobody calls the routine now. */
        Csq->CsqRemoveIrp(Csq, Irp);
        CsqForget(Irp);
        Csq->CsqReleaseLock(Csq, Irql);
        Csq->CsqCompleteCanceledIrp(Csq, Irp);
        return Status;
    }
    Csq->CsqReleaseLock(Csq, Irql);
    return Status;
}

VOID IoCsqInsertIrp(PIO_CSQ Csq, PIRP Irp, PIO_CSQ_IRP_CONTEXT Context)
{
    IoCsqInsertIrpEx(Csq, Irp, Context, NULL);
}

PIRP IoCsqRemoveIrp(PIO_CSQ Csq, PIO_CSQ_IRP_CONTEXT Context)
{
    KIRQL Irql;
    NT_ENTER(DISPATCH_LEVEL);
    Csq->CsqAcquireLock(Csq, &Irql);
    PIRP Irp = Context->Irp;
    /* Without a routine to take away, the cancel routine is running and owns the IRP. */
    if (Irp != NULL && IoSetCancelRoutine(Irp, NULL) != NULL) {
        Csq->CsqRemoveIrp(Csq, Irp);
        CsqForget(Irp);
    } else {
        Irp = NULL;
    }
    Csq->CsqReleaseLock(Csq, Irql);
    return Irp;
}

PIRP IoCsqRemoveNextIrp(PIO_CSQ Csq, PVOID PeekContext)
{
    KIRQL Irql;
    NT_ENTER(DISPATCH_LEVEL);
    Csq->CsqAcquireLock(Csq, &Irql);
    PIRP Irp = Csq->CsqPeekNextIrp(Csq, NULL, PeekContext);
    while (Irp != NULL && IoSetCancelRoutine(Irp, NULL) == NULL) {
        Irp = Csq->CsqPeekNextIrp(Csq, Irp, PeekContext);
    }
    if (Irp != NULL) {
        Csq->CsqRemoveIrp(Csq, Irp);
        CsqForget(Irp);
    }
    Csq->CsqReleaseLock(Csq, Irql);
    return Irp;
}
