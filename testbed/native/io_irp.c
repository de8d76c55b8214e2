/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IRPs: allocation, sending, completion. An IRP is OWNED by whoever may free,
 * reuse or send it, and SENT from then until its last completion routine.
 * Freed IRPs stay for a while, unusable, so that a late use has a name.
 */
#include "internal.h"

#include <stdlib.h>

#define IRP_QUARANTINE 64

/*
 * One call of a dispatch routine. It outlives the IRP, whose completion may
 * come after or before the routine's return; whoever is second compares.
 */
typedef struct NT_CALL {
    struct NT_CALL *Outer; /* at the same stack location: the caller skipped it */
    LONG References;       /* the IRP's and the caller's */
    bool Marked;
    bool Completed;
    bool Returned;
    NTSTATUS Status;
} NT_CALL;

static GROUND_LOCK IrpLock = GROUND_LOCK_INITIALIZER; /* NT_CALLs and the quarantine */
static PIRP IrpFreed[IRP_QUARANTINE];
static size_t IrpFreedNext;

static size_t IrpSize(const IRP *Irp)
{
    return sizeof(IRP) + (size_t)Irp->StackCount * sizeof(IO_STACK_LOCATION);
}

void IrpCheck(const IRP *Irp, IRP_STATE State, const char *Function)
{
    LONG Now = __atomic_load_n(&Irp->Native->State, __ATOMIC_ACQUIRE);
    if (Now == IRP_FREED) {
        NtViolation(RULE_IRP_FREED, Function, "IRP %p was freed", (const void *)Irp);
    }
    if (Now != (LONG)State) {
        NtViolation(State == IRP_OWNED ? RULE_IRP_IN_FLIGHT : RULE_IRP_TWICE, Function, "IRP %p %s", (const void *)Irp,
                    Now == IRP_SENT ? "is under way" : "is not under way");
    }
}

static void IrpReset(PIRP Irp, CCHAR StackSize, NTSTATUS Status)
{
    NATIVE_IRP_STATE *Native = Irp->Native;
    memset(Irp, 0, sizeof(IRP) + (size_t)StackSize * sizeof(IO_STACK_LOCATION));
    Irp->Type = NATIVE_TYPE_IRP;
    Irp->Size = (USHORT)(sizeof(IRP) + (size_t)StackSize * sizeof(IO_STACK_LOCATION));
    Irp->StackCount = StackSize;
    Irp->CurrentLocation = (CCHAR)(StackSize + 1);
    Irp->Tail.Overlay.CurrentStackLocation = (PIO_STACK_LOCATION)(Irp + 1) + StackSize;
    Irp->IoStatus.Status = Status;
    InitializeListHead(&Irp->ThreadListEntry);
    Irp->Native = Native;
}

PIRP IoAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    UNREFERENCED_PARAMETER(ChargeQuota);
    NT_ENTER(DISPATCH_LEVEL);
    if (StackSize < 1) {
        NtViolation(RULE_IRP_STACK, __func__, "%d stack locations", StackSize);
    }
    if (Fault(__func__)) {
        return NULL;
    }
    PIRP Irp = malloc(sizeof(IRP) + (size_t)StackSize * sizeof(IO_STACK_LOCATION));
    if (Irp == NULL) {
        return NULL;
    }
    Irp->Native = calloc(1, sizeof(NATIVE_IRP_STATE));
    NT_CALL **Calls = calloc((size_t)StackSize + 2, sizeof(NT_CALL *));
    if (Irp->Native == NULL || Calls == NULL) {
        abort();
    }
    Irp->Native->Calls = Calls;
    IrpReset(Irp, StackSize, STATUS_SUCCESS);
    TrackAdd(TRACK_IRP, Irp, (uint64_t)StackSize, 0, __builtin_return_address(0));
    return Irp;
}

static void IrpDestroy(PIRP Irp)
{
    GroundUnpoison(Irp, offsetof(IRP, Native));
    GroundUnpoison(Irp + 1, IrpSize(Irp) - sizeof(IRP));
    free(Irp->Native->Calls);
    free(Irp->Native);
    free(Irp);
}

static void IrpCheckIdle(PIRP Irp, const char *Function)
{
    IrpCheck(Irp, IRP_OWNED, Function);
    if (__atomic_load_n(&Irp->CancelRoutine, __ATOMIC_ACQUIRE) != NULL) {
        NtViolation(RULE_IRP_CANCELABLE, Function, "IRP %p has a cancel routine", (void *)Irp);
    }
}

VOID IoFreeIrp(PIRP Irp)
{
    NT_ENTER(DISPATCH_LEVEL);
    IrpCheckIdle(Irp, __func__);
    TrackRemove(TRACK_IRP, Irp, NULL, NULL);
    __atomic_store_n(&Irp->Native->State, IRP_FREED, __ATOMIC_RELEASE);
    size_t Stacks = IrpSize(Irp) - sizeof(IRP);
    GroundPoison(Irp, offsetof(IRP, Native));
    GroundPoison(Irp + 1, Stacks);
    GroundLockEnter(&IrpLock);
    PIRP Oldest = IrpFreed[IrpFreedNext];
    IrpFreed[IrpFreedNext] = Irp;
    IrpFreedNext = (IrpFreedNext + 1) % IRP_QUARANTINE;
    GroundLockLeave(&IrpLock);
    if (Oldest != NULL) {
        IrpDestroy(Oldest);
    }
}

void IrpQuarantineEmpty(void)
{
    for (size_t Index = 0; Index < IRP_QUARANTINE; Index++) {
        if (IrpFreed[Index] != NULL) {
            IrpDestroy(IrpFreed[Index]);
            IrpFreed[Index] = NULL;
        }
    }
}

VOID IoReuseIrp(PIRP Irp, NTSTATUS Status)
{
    NT_ENTER(DISPATCH_LEVEL);
    IrpCheckIdle(Irp, __func__);
    IrpReset(Irp, Irp->StackCount, Status);
}

/* ---- Stack locations ---- */

PIO_STACK_LOCATION IoGetCurrentIrpStackLocation(PIRP Irp)
{
    if (Irp->CurrentLocation > Irp->StackCount + 1 || Irp->CurrentLocation < 1) {
        NtViolation(RULE_IRP_STACK, __func__, "IRP %p has %d locations, current is %d", (void *)Irp, Irp->StackCount,
                    Irp->CurrentLocation);
    }
    return Irp->Tail.Overlay.CurrentStackLocation;
}

PIO_STACK_LOCATION IoGetNextIrpStackLocation(PIRP Irp)
{
    if (Irp->CurrentLocation <= 1) {
        NtViolation(RULE_IRP_STACK, __func__, "IRP %p has %d locations, none is left", (void *)Irp, Irp->StackCount);
    }
    return Irp->Tail.Overlay.CurrentStackLocation - 1;
}

VOID IoSetNextIrpStackLocation(PIRP Irp)
{
    IoGetNextIrpStackLocation(Irp);
    Irp->CurrentLocation--;
    Irp->Tail.Overlay.CurrentStackLocation--;
}

VOID IoSkipCurrentIrpStackLocation(PIRP Irp)
{
    IrpCheck(Irp, IRP_SENT, __func__);
    IoGetCurrentIrpStackLocation(Irp);
    Irp->Native->Skipped = true;
    Irp->CurrentLocation++;
    Irp->Tail.Overlay.CurrentStackLocation++;
}

VOID IoCopyCurrentIrpStackLocationToNext(PIRP Irp)
{
    PIO_STACK_LOCATION Next = IoGetNextIrpStackLocation(Irp);
    *Next = *IoGetCurrentIrpStackLocation(Irp);
    Next->CompletionRoutine = NULL;
    Next->Context = NULL;
    Next->Control = 0;
}

VOID IoSetCompletionRoutine(PIRP Irp, PIO_COMPLETION_ROUTINE Routine, PVOID Context, BOOLEAN OnSuccess, BOOLEAN OnError,
                            BOOLEAN OnCancel)
{
    PIO_STACK_LOCATION Next = IoGetNextIrpStackLocation(Irp);
    Next->CompletionRoutine = Routine;
    Next->Context = Context;
    Next->Control = (UCHAR)((OnSuccess ? SL_INVOKE_ON_SUCCESS : 0) | (OnError ? SL_INVOKE_ON_ERROR : 0) |
                            (OnCancel ? SL_INVOKE_ON_CANCEL : 0));
}

VOID IoMarkIrpPending(PIRP Irp)
{
    IrpCheck(Irp, IRP_SENT, __func__);
    IoGetCurrentIrpStackLocation(Irp)->Control |= SL_PENDING_RETURNED;
    GroundLockEnter(&IrpLock);
    for (NT_CALL *Call = Irp->Native->Calls[(int)Irp->CurrentLocation]; Call != NULL; Call = Call->Outer) {
        Call->Marked = true;
    }
    GroundLockLeave(&IrpLock);
}

/* ---- What a dispatch routine returns, against what became of the IRP ---- */

static void CallRelease(NT_CALL *Call)
{
    if (--Call->References == 0) {
        free(Call);
    }
}

/* The later of return and completion, outside the lock. */
static void CallCompare(const NT_CALL *Call)
{
    if ((Call->Status == STATUS_PENDING) != Call->Marked) {
        NtViolation(RULE_IRP_PENDING, "dispatch routine", "returned 0x%08x, and the IRP was %smarked pending",
                    (unsigned)Call->Status, Call->Marked ? "" : "not ");
    }
}

static NT_CALL *CallBegin(PIRP Irp)
{
    NT_CALL *Call = calloc(1, sizeof(*Call));
    if (Call == NULL) {
        abort();
    }
    Call->References = 2;
    GroundLockEnter(&IrpLock);
    Call->Outer = Irp->Native->Calls[(int)Irp->CurrentLocation];
    Irp->Native->Calls[(int)Irp->CurrentLocation] = Call;
    GroundLockLeave(&IrpLock);
    return Call;
}

static void CallReturned(NT_CALL *Call, NTSTATUS Status)
{
    GroundLockEnter(&IrpLock);
    Call->Returned = true;
    Call->Status = Status;
    NT_CALL Copy = *Call;
    CallRelease(Call);
    GroundLockLeave(&IrpLock);
    if (Copy.Completed) {
        CallCompare(&Copy);
    } else if (Status != STATUS_PENDING) {
        NtViolation(RULE_IRP_FORGOTTEN, "dispatch routine", "returned 0x%08x, and the IRP is not completed",
                    (unsigned)Status);
    }
}

/* Completion has passed a stack location. */
static void CallCompleted(PIRP Irp, int Location)
{
    for (;;) {
        GroundLockEnter(&IrpLock);
        NT_CALL *Call = Irp->Native->Calls[Location];
        if (Call == NULL) {
            GroundLockLeave(&IrpLock);
            return;
        }
        Irp->Native->Calls[Location] = Call->Outer;
        Call->Completed = true;
        NT_CALL Copy = *Call;
        CallRelease(Call);
        GroundLockLeave(&IrpLock);
        if (Copy.Returned) {
            CallCompare(&Copy);
        }
    }
}

/* ---- Sending ---- */

PIO_STACK_LOCATION IrpTake(PIRP Irp, const char *Function)
{
    if (__atomic_load_n(&Irp->CancelRoutine, __ATOMIC_ACQUIRE) != NULL) {
        NtViolation(RULE_IRP_CANCELABLE, Function, "IRP %p has a cancel routine", (void *)Irp);
    }
    if (__atomic_load_n(&Irp->Native->State, __ATOMIC_ACQUIRE) == IRP_OWNED) {
        Irp->Native->Base = Irp->CurrentLocation;
        Irp->Native->Skipped = false;
        __atomic_store_n(&Irp->Native->State, IRP_SENT, __ATOMIC_RELEASE);
    } else if (Irp->CurrentLocation != Irp->Native->Base || Irp->Native->Skipped) {
        IrpCheck(Irp, IRP_SENT, Function);
        Irp->Native->Skipped = false;
    } else {
        IrpCheck(Irp, IRP_OWNED, Function);
    }
    IoSetNextIrpStackLocation(Irp);
    return IoGetCurrentIrpStackLocation(Irp);
}

NTSTATUS IofCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    NT_FRAME Frame;
    NT_ENTER(DISPATCH_LEVEL);
    NtCheckNoLocks(RULE_LOCK_COMPLETION, __func__);
    PIO_STACK_LOCATION Stack = IrpTake(Irp, __func__);
    Stack->DeviceObject = DeviceObject;
    if (Stack->MajorFunction == IRP_MJ_PNP || Stack->MajorFunction == IRP_MJ_CREATE ||
        Stack->MajorFunction == IRP_MJ_CLOSE || Stack->MajorFunction == IRP_MJ_CLEANUP) {
        NT_ENTER(PASSIVE_LEVEL);
    }
    NT_CALL *Call = CallBegin(Irp);
    PDRIVER_DISPATCH Dispatch = DeviceObject->DriverObject->MajorFunction[Stack->MajorFunction];
    NtCallbackEnter(&Frame, "dispatch routine");
    NTSTATUS Status = Dispatch(DeviceObject, Irp);
    NtCallbackLeave(&Frame);
    CallReturned(Call, Status);
    return Status;
}

NTSTATUS PoCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return IofCallDriver(DeviceObject, Irp);
}

VOID PoStartNextPowerIrp(PIRP Irp)
{
    UNREFERENCED_PARAMETER(Irp);
    NT_ENTER(DISPATCH_LEVEL);
}

/* ---- Completion ---- */

static bool IrpWantsRoutine(const IRP *Irp, const IO_STACK_LOCATION *Stack)
{
    return Stack->CompletionRoutine != NULL &&
           ((NT_SUCCESS(Irp->IoStatus.Status) && (Stack->Control & SL_INVOKE_ON_SUCCESS)) ||
            (!NT_SUCCESS(Irp->IoStatus.Status) && (Stack->Control & SL_INVOKE_ON_ERROR)) ||
            (Irp->Cancel && (Stack->Control & SL_INVOKE_ON_CANCEL)));
}

static NTSTATUS IrpRunRoutine(PIRP Irp, const IO_STACK_LOCATION *Passed)
{
    NT_FRAME Frame;
    PDEVICE_OBJECT Device =
        Irp->CurrentLocation <= Irp->StackCount ? Irp->Tail.Overlay.CurrentStackLocation->DeviceObject : NULL;
    bool Last = Irp->CurrentLocation == Irp->Native->Base && Irp->Native->Finish == NULL;
    if (Last) {
        /* The sender's own routine: inside, it may free, reuse or send the IRP again. */
        __atomic_store_n(&Irp->Native->State, IRP_OWNED, __ATOMIC_RELEASE);
    }
    NtCallbackEnter(&Frame, "completion routine");
    NTSTATUS Status = Passed->CompletionRoutine(Device, Irp, Passed->Context);
    NtCallbackLeave(&Frame);
    if (Last && Status != STATUS_MORE_PROCESSING_REQUIRED) {
        NtViolation(RULE_IRP_ROUTINE, "completion routine", "returned 0x%08x for IRP %p, which is a driver's own",
                    (unsigned)Status, (void *)Irp);
    }
    return Status;
}

VOID IofCompleteRequest(PIRP Irp, CCHAR PriorityBoost)
{
    UNREFERENCED_PARAMETER(PriorityBoost);
    NT_ENTER(DISPATCH_LEVEL);
    NtCheckNoLocks(RULE_LOCK_COMPLETION, __func__);
    IrpCheck(Irp, IRP_SENT, __func__);
    if (Irp->CurrentLocation > Irp->StackCount) {
        NtViolation(RULE_IRP_TWICE, __func__, "IRP %p has no driver's stack location left", (void *)Irp);
    }
    if (__atomic_load_n(&Irp->CancelRoutine, __ATOMIC_ACQUIRE) != NULL) {
        NtViolation(RULE_IRP_CANCELABLE, __func__, "IRP %p has a cancel routine", (void *)Irp);
    }
    if (Irp->IoStatus.Status == STATUS_PENDING || (ULONG)Irp->IoStatus.Status == 0xFFFFFFFFu) {
        NtViolation(RULE_IRP_STATUS, __func__, "IRP %p has status 0x%08x", (void *)Irp, (unsigned)Irp->IoStatus.Status);
    }
    while (Irp->CurrentLocation <= Irp->StackCount) {
        PIO_STACK_LOCATION Stack = Irp->Tail.Overlay.CurrentStackLocation;
        IO_STACK_LOCATION Passed = *Stack;
        Irp->PendingReturned = (Passed.Control & SL_PENDING_RETURNED) != 0;
        CallCompleted(Irp, Irp->CurrentLocation);
        Stack->CompletionRoutine = NULL;
        Stack->Control = 0;
        Irp->CurrentLocation++;
        Irp->Tail.Overlay.CurrentStackLocation++;
        if (IrpWantsRoutine(Irp, &Passed)) {
            if (IrpRunRoutine(Irp, &Passed) == STATUS_MORE_PROCESSING_REQUIRED) {
                return;
            }
        } else if (Irp->PendingReturned && Irp->CurrentLocation <= Irp->StackCount) {
            IoMarkIrpPending(Irp);
        }
    }
    if (Irp->Native->Finish == NULL) {
        NtViolation(RULE_IRP_ROUTINE, __func__, "IRP %p of a driver reached the I/O manager", (void *)Irp);
    }
    __atomic_store_n(&Irp->Native->State, IRP_OWNED, __ATOMIC_RELEASE);
    Irp->Native->Finish(Irp);
}

/* ---- Requests of the test bed itself ---- */

static void IrpSignalFinished(PIRP Irp)
{
    NtSignal(Irp->Native->Context);
}

NTSTATUS IrpSendAndWait(PDEVICE_OBJECT Device, PIRP Irp)
{
    KEVENT Event;
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    Irp->Native->Context = &Event;
    Irp->Native->Finish = IrpSignalFinished;
    IofCallDriver(Device, Irp);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
    return Irp->IoStatus.Status;
}

PEPROCESS IoGetRequestorProcess(PIRP Irp)
{
    NT_ENTER(DISPATCH_LEVEL);
    PKTHREAD Thread = Irp->Tail.Overlay.Thread;
    return Thread == NULL ? NULL : Thread->Process;
}
