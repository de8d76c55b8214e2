/* SPDX-License-Identifier: LGPL-2.1-only */
/* pend.h. WDK: "Synchronizing Cancellation in Driver Routines that Process IRPs". */
#include "pend.h"

#include <storport.h>

_IRQL_requires_max_(DISPATCH_LEVEL)
void ServiceComplete(PVOID Extension, PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    /* Not IoCompleteRequest: Storport counts the IRP (WDK, StorPortCompleteServiceIrp). */
    StorPortCompleteServiceIrp(Extension, Irp);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendArm(PIRP Irp, PDRIVER_CANCEL Cancel)
{
    IoSetCancelRoutine(Irp, Cancel);
    /* Cancelled before the routine was there, and nobody has called the routine: it is ours to end. */
    return !(Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendDisarm(PIRP Irp)
{
    /* NULL back: the cancel routine is on its way and waits for the lock. */
    return IoSetCancelRoutine(Irp, NULL) != NULL;
}

_IRQL_requires_(DISPATCH_LEVEL)
static VOID NTAPI PendCancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    PENDED *Pended = Irp->Tail.Overlay.DriverContext[0];
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    KIRQL Irql;
    KeAcquireSpinLock(&Pended->Lock, &Irql);
    Pended->Irp = NULL;
    KeReleaseSpinLock(&Pended->Lock, Irql);
    ServiceComplete(Pended->Extension, Irp, STATUS_CANCELLED, 0);
    Pended->Cancelled(Pended);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void PendInitialize(PENDED *Pended, PVOID Extension, void (*Cancelled)(PENDED *Pended))
{
    KeInitializeSpinLock(&Pended->Lock);
    Pended->Irp = NULL;
    Pended->Extension = Extension;
    Pended->Cancelled = Cancelled;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendIrp(PENDED *Pended, PIRP Irp)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Pended->Lock, &Irql);
    Irp->Tail.Overlay.DriverContext[0] = Pended;
    Pended->Irp = Irp;
    BOOLEAN Pend = PendArm(Irp, PendCancel);
    if (!Pend) {
        Pended->Irp = NULL;
    }
    KeReleaseSpinLock(&Pended->Lock, Irql);
    return Pend;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
PIRP PendTake(PENDED *Pended)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Pended->Lock, &Irql);
    PIRP Irp = Pended->Irp;
    Pended->Irp = NULL;
    if (Irp != NULL && !PendDisarm(Irp)) {
        Irp = NULL;
    }
    KeReleaseSpinLock(&Pended->Lock, Irql);
    return Irp;
}
