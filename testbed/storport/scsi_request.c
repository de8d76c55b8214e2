/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IRP_MJ_SCSI: a class driver's SRB, of either kind, becomes a request. Its data are described by the IRP's MDL, with
 * DataBuffer inside it; the SRB is written back before the IRP is completed.
 */
#include "port.h"

static VOID RequestDone(REQUEST *Request)
{
    PIRP Irp = Request->Irp;
    const NTSTATUS Status = PortSrbStatusToNt(Request->Fields.SrbStatus);
    const ULONG Information = Request->Fields.DataLength;

    PortSrbWriteResult(Request->ClassSrb, &Request->Fields);
    PortRequestFree(Request);
    PortIrpComplete(Irp, Status, Information);
}

static NTSTATUS Answer(PIRP Irp, PVOID Srb, SRB_FIELDS *Fields, UCHAR SrbStatus)
{
    Fields->SrbStatus = SrbStatus;
    PortSrbWriteResult(Srb, Fields);
    return PortIrpComplete(Irp, PortSrbStatusToNt(SrbStatus), 0);
}

static NTSTATUS SetFrozen(UNIT *Unit, PIRP Irp, PVOID Srb, SRB_FIELDS *Fields, BOOLEAN Frozen)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Unit->Adapter->Lock, &Irql);
    Unit->Frozen = Frozen;
    KeReleaseSpinLock(&Unit->Adapter->Lock, Irql);
    if (!Frozen)
        PortQueuePump(Unit);
    return Answer(Irp, Srb, Fields, SRB_STATUS_SUCCESS);
}

/* Where the data are, for the system and for the MDL. FALSE: DataBuffer isn't inside the MDL. */
static BOOLEAN FindData(REQUEST *Request, PIRP Irp)
{
    const SRB_FIELDS *Fields = &Request->Fields;
    ULONG_PTR Offset;
    PUCHAR Base;

    if (Fields->DataLength == 0 || (Fields->Flags & SRB_FLAGS_UNSPECIFIED_DIRECTION) == 0)
        return TRUE;
    if (Irp->MdlAddress == NULL)
        return Fields->DataBuffer != NULL &&
               NT_SUCCESS(PortRequestDescribe(Request, Fields->DataBuffer, Fields->DataLength));
    Offset = (ULONG_PTR)Fields->DataBuffer - (ULONG_PTR)MmGetMdlVirtualAddress(Irp->MdlAddress);
    if (Offset > MmGetMdlByteCount(Irp->MdlAddress) || Fields->DataLength > MmGetMdlByteCount(Irp->MdlAddress) - Offset)
        return FALSE;
    Base = MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority | MdlMappingNoExecute);
    if (Base == NULL)
        return FALSE;
    Request->Mdl = Irp->MdlAddress;
    Request->SystemAddress = Base + Offset;
    return TRUE;
}

static NTSTATUS Submit(UNIT *Unit, PIRP Irp, PVOID Srb, SRB_FIELDS *Fields)
{
    REQUEST *Request;

    if (Fields->DataLength > Unit->Adapter->Config.MaximumTransferLength) {
        DbgPrint("storport: a class driver asked for %u bytes in one request, the adapter's maximum is %u\n",
                 (unsigned)Fields->DataLength, (unsigned)Unit->Adapter->Config.MaximumTransferLength);
        return Answer(Irp, Srb, Fields, SRB_STATUS_INVALID_REQUEST);
    }
    Request = PortRequestMake(Unit);
    if (Request == NULL)
        return Answer(Irp, Srb, Fields, SRB_STATUS_INTERNAL_ERROR);
    Request->Fields = *Fields;
    Request->Fields.Path = Unit->Path;
    Request->Fields.Target = Unit->Target;
    Request->Fields.Lun = Unit->Lun;
    Request->Irp = Irp;
    Request->ClassSrb = Srb;
    Request->Done = RequestDone;
    if (!FindData(Request, Irp)) {
        PortRequestFree(Request);
        return Answer(Irp, Srb, Fields, SRB_STATUS_INVALID_REQUEST);
    }
    IoMarkIrpPending(Irp);
    PortQueueSubmit(Request);
    return STATUS_PENDING;
}

NTSTATUS PortScsiRequest(UNIT *Unit, PIRP Irp)
{
    PVOID Srb = IoGetCurrentIrpStackLocation(Irp)->Parameters.Others.Argument1;
    SRB_FIELDS Fields;

    PortSrbRead(Srb, &Fields);
    switch (Fields.Function) {
    case SRB_FUNCTION_EXECUTE_SCSI:
    case SRB_FUNCTION_IO_CONTROL:
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_RESET_DEVICE:
    case SRB_FUNCTION_RESET_BUS:
        return Submit(Unit, Irp, Srb, &Fields);
    case SRB_FUNCTION_SHUTDOWN:
    case SRB_FUNCTION_FLUSH:
        if (Unit->Adapter->Config.CachesData)
            return Submit(Unit, Irp, Srb, &Fields);
        return Answer(Irp, Srb, &Fields, SRB_STATUS_SUCCESS);
    case SRB_FUNCTION_CLAIM_DEVICE:
        if (Unit->Claimed)
            return Answer(Irp, Srb, &Fields, SRB_STATUS_BUSY);
        Unit->Claimed = TRUE;
        return Answer(Irp, Srb, &Fields, SRB_STATUS_SUCCESS);
    case SRB_FUNCTION_RELEASE_DEVICE:
    case SRB_FUNCTION_REMOVE_DEVICE:
        Unit->Claimed = FALSE;
        return Answer(Irp, Srb, &Fields, SRB_STATUS_SUCCESS);
    case SRB_FUNCTION_LOCK_QUEUE:
    case SRB_FUNCTION_QUIESCE_DEVICE:
        return SetFrozen(Unit, Irp, Srb, &Fields, TRUE);
    case SRB_FUNCTION_UNLOCK_QUEUE:
    case SRB_FUNCTION_RELEASE_QUEUE:
        return SetFrozen(Unit, Irp, Srb, &Fields, FALSE);
    case SRB_FUNCTION_FLUSH_QUEUE:
        PortQueueFail(Unit, SRB_STATUS_REQUEST_FLUSHED);
        return Answer(Irp, Srb, &Fields, SRB_STATUS_SUCCESS);
    default:
        return Answer(Irp, Srb, &Fields, SRB_STATUS_INVALID_REQUEST);
    }
}
