/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One service IRP that waits for something, with its cancel routine: a pended
 * IRP without one makes its process unkillable. Exactly one side gets the IRP:
 * who takes it, or the cancel routine, which completes it and then calls
 * Cancelled.
 *
 * IRQL: <= DISPATCH_LEVEL. The memory stays until the IRP is taken or
 * Cancelled has returned.
 */
#pragma once

#include "nt.h"

typedef struct PENDED PENDED;
struct PENDED {
    KSPIN_LOCK Lock;
    PIRP Irp;
    PVOID Extension; /* of the adapter, to complete through */
    _IRQL_requires_max_(DISPATCH_LEVEL)
    void (*Cancelled)(PENDED *Pended);
};

_IRQL_requires_max_(DISPATCH_LEVEL)
void PendInitialize(PENDED *Pended, PVOID Extension, void (*Cancelled)(PENDED *Pended));

/* FALSE: the IRP was cancelled already and stays the caller's. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendIrp(PENDED *Pended, PIRP Irp);

/* The IRP, which is the caller's now; NULL if there is none or it was cancelled. */
_IRQL_requires_max_(DISPATCH_LEVEL)
PIRP PendTake(PENDED *Pended);

/*
 * The same for IRPs that a list of the caller's holds; its lock is held, and the cancel routine takes it before it
 * looks for the IRP. FALSE of PendArm: the IRP was cancelled already and stays the caller's. FALSE of PendDisarm:
 * Cancel is on its way, and the IRP its.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendArm(PIRP Irp, PDRIVER_CANCEL Cancel);
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN PendDisarm(PIRP Irp);

/* Completes a service IRP. No lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void ServiceComplete(PVOID Extension, PIRP Irp, NTSTATUS Status, ULONG_PTR Information);
