/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IOCTL_SCSI_PASS_THROUGH and its DIRECT variant for a unit: the caller's CDB as a request. The IRP is pended; the data
 * pass through a buffer of ours, because the caller's memory need not be reachable when the request completes.
 */
#include "port.h"
#include "storage_ioctl.h"

typedef struct {
    BOOLEAN Direct;
    UCHAR DataIn;
    ULONG OutputLength;
    UCHAR Sense[PORT_SENSE_MAX];
    UCHAR Data[1];
} PASS;

static VOID PassDone(REQUEST *Request)
{
    PIRP Irp = Request->Irp;
    PASS *Pass = Request->Context;
    PORT_SCSI_PASS_THROUGH *Call = Irp->AssociatedIrp.SystemBuffer;
    const SRB_FIELDS *Fields = &Request->Fields;
    NTSTATUS Status = PortSrbStatusToNt(Fields->SrbStatus);
    ULONG Information = sizeof(*Call);

    Call->ScsiStatus = Fields->ScsiStatus;
    Call->DataTransferLength = Fields->DataLength;
    if ((Fields->SrbStatus & SRB_STATUS_AUTOSENSE_VALID) == 0) {
        Call->SenseInfoLength = 0;
    } else {
        Call->SenseInfoLength = Fields->SenseLength;
        RtlCopyMemory((PUCHAR)Call + Call->SenseInfoOffset, Pass->Sense, Fields->SenseLength);
        Information = Call->SenseInfoOffset + Fields->SenseLength;
        Status = STATUS_SUCCESS; /* the sense data are the answer */
    }
    if (Pass->DataIn == PORT_SCSI_IOCTL_DATA_IN && NT_SUCCESS(Status) && Fields->DataLength != 0) {
        if (Pass->Direct) {
            Status = PortPlatformWriteUser(Irp, (PVOID)Call->Data, Pass->Data, Fields->DataLength);
        } else {
            RtlCopyMemory((PUCHAR)Call + Call->Data, Pass->Data, Fields->DataLength);
            Information = (ULONG)Call->Data + Fields->DataLength;
        }
    }
    if (Information > Pass->OutputLength)
        Information = Pass->OutputLength;
    ExFreePoolWithTag(Pass, PORT_TAG);
    PortRequestFree(Request);
    PortIrpComplete(Irp, Status, NT_SUCCESS(Status) ? Information : 0);
}

/* Both buffers have the size of the larger one; everything that the caller names must lie inside. */
static NTSTATUS CheckCall(const PORT_SCSI_PASS_THROUGH *Call, ULONG Length, const ADAPTER *Adapter, BOOLEAN Direct)
{
    if (Length < sizeof(*Call) || Call->Length != sizeof(*Call))
        return STATUS_REVISION_MISMATCH;
    if (Call->CdbLength == 0 || Call->CdbLength > sizeof(Call->Cdb) || Call->DataIn > PORT_SCSI_IOCTL_DATA_UNSPECIFIED)
        return STATUS_INVALID_PARAMETER;
    if (Call->DataTransferLength > Adapter->Config.MaximumTransferLength)
        return STATUS_INVALID_PARAMETER;
    if (Call->SenseInfoLength != 0 && (Call->SenseInfoOffset < sizeof(*Call) || Call->SenseInfoOffset > Length ||
                                       Call->SenseInfoLength > Length - Call->SenseInfoOffset))
        return STATUS_INVALID_PARAMETER;
    if (Call->DataTransferLength != 0 && !Direct &&
        (Call->Data < sizeof(*Call) || Call->Data > Length || Call->DataTransferLength > Length - Call->Data))
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

static NTSTATUS FillRequest(REQUEST *Request, PIRP Irp, PASS *Pass)
{
    const PORT_SCSI_PASS_THROUGH *Call = Irp->AssociatedIrp.SystemBuffer;
    SRB_FIELDS *Fields = &Request->Fields;

    Fields->Function = SRB_FUNCTION_EXECUTE_SCSI;
    Fields->Flags = SRB_FLAGS_NO_QUEUE_FREEZE;
    Fields->TimeoutSeconds = Call->TimeOutValue;
    Fields->CdbLength = Call->CdbLength;
    RtlCopyMemory(Fields->Cdb, Call->Cdb, Call->CdbLength);
    if (Call->SenseInfoLength != 0) {
        Fields->Sense = Pass->Sense;
        Fields->SenseLength = Call->SenseInfoLength;
    }
    Request->Irp = Irp;
    Request->Context = Pass;
    Request->Done = PassDone;
    if (Call->DataTransferLength == 0)
        return STATUS_SUCCESS;
    Fields->Flags |= Call->DataIn == PORT_SCSI_IOCTL_DATA_IN    ? SRB_FLAGS_DATA_IN
                     : Call->DataIn == PORT_SCSI_IOCTL_DATA_OUT ? SRB_FLAGS_DATA_OUT
                                                                : SRB_FLAGS_UNSPECIFIED_DIRECTION;
    if (Call->DataIn == PORT_SCSI_IOCTL_DATA_OUT) {
        NTSTATUS Status = STATUS_SUCCESS;

        if (Pass->Direct)
            Status = PortPlatformReadUser(Irp, Pass->Data, (PVOID)Call->Data, Call->DataTransferLength);
        else
            RtlCopyMemory(Pass->Data, (const UCHAR *)Call + Call->Data, Call->DataTransferLength);
        if (!NT_SUCCESS(Status))
            return Status;
    }
    return PortRequestDescribe(Request, Pass->Data, Call->DataTransferLength);
}

NTSTATUS PortPassThrough(UNIT *Unit, PIRP Irp, BOOLEAN Direct)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const ULONG In = Stack->Parameters.DeviceIoControl.InputBufferLength;
    const ULONG Out = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    const PORT_SCSI_PASS_THROUGH *Call = Irp->AssociatedIrp.SystemBuffer;
    NTSTATUS Status =
        In < sizeof(*Call) ? STATUS_INVALID_PARAMETER : CheckCall(Call, In > Out ? In : Out, Unit->Adapter, Direct);
    REQUEST *Request;
    PASS *Pass;

    if (!NT_SUCCESS(Status))
        return PortIrpComplete(Irp, Status, 0);
    Request = PortRequestMake(Unit);
    Pass = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Pass) + Call->DataTransferLength, PORT_TAG);
    Status = STATUS_INSUFFICIENT_RESOURCES;
    if (Request != NULL && Pass != NULL) {
        RtlZeroMemory(Pass, sizeof(*Pass) + Call->DataTransferLength);
        Pass->Direct = Direct;
        Pass->DataIn = Call->DataIn;
        Pass->OutputLength = Out;
        Status = FillRequest(Request, Irp, Pass);
    }
    if (!NT_SUCCESS(Status)) {
        if (Pass != NULL)
            ExFreePoolWithTag(Pass, PORT_TAG);
        if (Request != NULL)
            PortRequestFree(Request);
        return PortIrpComplete(Irp, Status, 0);
    }
    IoMarkIrpPending(Irp);
    PortQueueSubmit(Request);
    return STATUS_PENDING;
}
