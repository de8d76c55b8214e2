/* SPDX-License-Identifier: LGPL-2.1-only */
/* The RAM disk miniport's commands, and the one service IRP that it may keep. */
#include "ramdisk_driver.h"

static PIRP TakePended(RAM *Ram, PIRP Only)
{
    PIRP Irp = NULL;
    KIRQL Irql;

    KeAcquireSpinLock(&Ram->Lock, &Irql);
    if (Ram->Pended != NULL && (Only == NULL || Only == Ram->Pended)) {
        Irp = Ram->Pended;
        Ram->Pended = NULL;
    }
    KeReleaseSpinLock(&Ram->Lock, Irql);
    return Irp;
}

static VOID Finish(RAM *Ram, PIRP Irp, NTSTATUS Status, ULONG Length)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Length;
    StorPortCompleteServiceIrp(Ram, Irp);
}

/* The extension's address is kept in the IRP for this. */
static VOID CancelPended(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    RAM *Ram = Irp->Tail.Overlay.DriverContext[0];

    UNREFERENCED_PARAMETER(DeviceObject);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    if (TakePended(Ram, Irp) != NULL)
        Finish(Ram, Irp, STATUS_CANCELLED, 0);
}

static VOID Pend(RAM *Ram, PIRP Irp)
{
    KIRQL Irql;

    Irp->Tail.Overlay.DriverContext[0] = Ram;
    KeAcquireSpinLock(&Ram->Lock, &Irql);
    Ram->Pended = Irp;
    KeReleaseSpinLock(&Ram->Lock, Irql);
    IoSetCancelRoutine(Irp, CancelPended);
    if (Irp->Cancel && IoSetCancelRoutine(Irp, NULL) != NULL && TakePended(Ram, Irp) != NULL)
        Finish(Ram, Irp, STATUS_CANCELLED, 0);
}

static NTSTATUS Plug(RAM *Ram, ULONG Target)
{
    if (Ram->Disks[Target] == NULL) {
        PUCHAR Disk = ExAllocatePoolWithTag(NonPagedPoolNx, RAM_DISK_SIZE, RAM_TAG);

        if (Disk == NULL)
            return STATUS_INSUFFICIENT_RESOURCES;
        RtlZeroMemory(Disk, RAM_DISK_SIZE);
        Ram->Disks[Target] = Disk;
    }
    Ram->Vanished[Target] = FALSE;
    Ram->Present[Target] = TRUE;
    StorPortNotification(BusChangeDetected, Ram, 0);
    return STATUS_SUCCESS;
}

static VOID SetCounter(RAM *Ram, ULONG *Counter, ULONG Value)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Ram->Lock, &Irql);
    *Counter = Value;
    KeReleaseSpinLock(&Ram->Lock, Irql);
}

/* What the port driver is asked to do with queues; FALSE: the command is another. */
static BOOLEAN Throttle(RAM *Ram, const RAM_COMMAND *Command)
{
    const UCHAR Target = (UCHAR)Command->Target;

    switch (Command->Command) {
    case RAM_PAUSE:
        Ram->State.Result = StorPortPauseDevice(Ram, 0, Target, 0, Command->Value);
        return TRUE;
    case RAM_RESUME:
        Ram->State.Result = StorPortResumeDevice(Ram, 0, Target, 0);
        return TRUE;
    case RAM_UNIT_BUSY:
        Ram->State.Result = StorPortDeviceBusy(Ram, 0, Target, 0, Command->Value);
        return TRUE;
    case RAM_UNIT_READY:
        Ram->State.Result = StorPortDeviceReady(Ram, 0, Target, 0);
        return TRUE;
    case RAM_ADAPTER_BUSY:
        Ram->State.Result = StorPortBusy(Ram, Command->Value);
        return TRUE;
    case RAM_ADAPTER_READY:
        Ram->State.Result = StorPortReady(Ram);
        return TRUE;
    case RAM_ADAPTER_PAUSE:
        Ram->State.Result = StorPortPause(Ram, Command->Value);
        return TRUE;
    case RAM_ADAPTER_RESUME:
        Ram->State.Result = StorPortResume(Ram);
        return TRUE;
    case RAM_LINK:
        StorPortNotification(Command->Value != 0 ? LinkUp : LinkDown, Ram);
        return TRUE;
    default:
        return FALSE;
    }
}

static NTSTATUS Run(RAM *Ram, const RAM_COMMAND *Command)
{
    const UCHAR Target = (UCHAR)Command->Target;

    if (Target >= RAM_TARGETS)
        return STATUS_INVALID_PARAMETER;
    if (Throttle(Ram, Command))
        return STATUS_SUCCESS;
    switch (Command->Command) {
    case RAM_QUERY:
        return STATUS_SUCCESS;
    case RAM_PLUG:
        return Plug(Ram, Target);
    case RAM_UNPLUG:
        Ram->Present[Target] = FALSE;
        StorPortNotification(BusChangeDetected, Ram, 0);
        return STATUS_SUCCESS;
    case RAM_VANISH:
        Ram->Vanished[Target] = TRUE;
        StorPortNotification(BusChangeDetected, Ram, 0);
        return STATUS_SUCCESS;
    case RAM_BUSY:
        SetCounter(Ram, &Ram->Busy, Command->Value);
        return STATUS_SUCCESS;
    case RAM_FULL:
        SetCounter(Ram, &Ram->Full, Command->Value);
        return STATUS_SUCCESS;
    case RAM_HOLD:
        SetCounter(Ram, &Ram->Hold, Command->Value);
        return STATUS_SUCCESS;
    case RAM_RELEASE:
        SetCounter(Ram, &Ram->Hold, 0);
        RamRelease(Ram, 0);
        return STATUS_SUCCESS;
    case RAM_RELEASE_ONE:
        RamReleaseOne(Ram);
        return STATUS_SUCCESS;
    case RAM_DEPTH:
        Ram->State.Result = StorPortSetDeviceQueueDepth(Ram, 0, Target, 0, Command->Value);
        return STATUS_SUCCESS;
    case RAM_DEFER:
        Ram->Defer = TRUE;
        return STATUS_SUCCESS;
    case RAM_RESET_FAILS:
        SetCounter(Ram, &Ram->ResetFails, Command->Value);
        return STATUS_SUCCESS;
    case RAM_RESET_HANGS:
        SetCounter(Ram, &Ram->ResetHangs, Command->Value);
        return STATUS_SUCCESS;
    default:
        return STATUS_INVALID_PARAMETER;
    }
}

VOID RamProcessServiceRequest(PVOID DeviceExtension, PVOID Request)
{
    RAM *Ram = DeviceExtension;
    PIRP Irp = Request;
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const ULONG Room = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    RAM_COMMAND Command;
    NTSTATUS Status;
    ULONG Length = 0;
    KIRQL Irql;

    if (RamFaultInService(Ram, Irp))
        return;
    if (Stack->Parameters.DeviceIoControl.InputBufferLength < sizeof(Command)) {
        Finish(Ram, Irp, STATUS_INVALID_PARAMETER, 0);
        return;
    }
    RtlCopyMemory(&Command, Irp->AssociatedIrp.SystemBuffer, sizeof(Command));
    if (Command.Command == RAM_PEND) {
        Pend(Ram, Irp);
        return;
    }
    Status = Run(Ram, &Command);
    if (NT_SUCCESS(Status) && Room >= sizeof(Ram->State)) {
        KeAcquireSpinLock(&Ram->Lock, &Irql);
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, &Ram->State, sizeof(Ram->State));
        KeReleaseSpinLock(&Ram->Lock, Irql);
        Length = sizeof(Ram->State);
    }
    Finish(Ram, Irp, Status, Length);
}

VOID RamCompleteServiceIrp(PVOID DeviceExtension)
{
    RAM *Ram = DeviceExtension;
    PIRP Irp = RamIsFaulty(Ram, "SERVICE_LEFT") ? NULL : TakePended(Ram, NULL);

    if (Irp != NULL) {
        IoSetCancelRoutine(Irp, NULL);
        Finish(Ram, Irp, STATUS_DEVICE_REMOVED, 0);
    }
}
