/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * SRBs of both kinds: read into SRB_FIELDS, built from them, results written back, and compared with a copy. Which
 * kind it is, the Function byte says (HW_STARTIO, remarks).
 */
#include "port.h"

#define EXTENDED_ADDRESS_OFFSET ((ULONG)sizeof(STORAGE_REQUEST_BLOCK))
#define EXTENDED_DATA_OFFSET (EXTENDED_ADDRESS_OFFSET + 0x10u) /* the address, padded to eight bytes */
/* What a miniport must not read through: other people's members. Not a canonical address. */
#define FOREIGN_POINTER ((PVOID)(ULONG_PTR)0xDEADF00DDEADF00Dull)

static BOOLEAN IsExtended(const VOID *Srb)
{
    return ((const SCSI_REQUEST_BLOCK *)Srb)->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
}

static SRBEX_DATA *ExtendedData(const VOID *Srb, SRBEXDATATYPE Type)
{
    const STORAGE_REQUEST_BLOCK *Extended = Srb;
    ULONG i;

    for (i = 0; i < Extended->NumSrbExData; ++i) {
        const ULONG Offset = Extended->SrbExDataOffset[i];

        if (Offset != 0 && ((SRBEX_DATA *)((ULONG_PTR)Srb + Offset))->Type == Type)
            return (SRBEX_DATA *)((ULONG_PTR)Srb + Offset);
    }
    return NULL;
}

static VOID ReadClassic(const SCSI_REQUEST_BLOCK *Srb, SRB_FIELDS *Fields)
{
    Fields->Function = Srb->Function;
    Fields->Path = Srb->PathId;
    Fields->Target = Srb->TargetId;
    Fields->Lun = Srb->Lun;
    Fields->SrbStatus = Srb->SrbStatus;
    Fields->Flags = Srb->SrbFlags;
    Fields->DataLength = Srb->DataTransferLength;
    Fields->TimeoutSeconds = Srb->TimeOutValue;
    Fields->DataBuffer = Srb->DataBuffer;
    if (Srb->Function == SRB_FUNCTION_PNP) {
        Fields->PnpAction = ((const SCSI_PNP_REQUEST_BLOCK *)Srb)->PnPAction;
        Fields->PnpFlags = ((const SCSI_PNP_REQUEST_BLOCK *)Srb)->SrbPnPFlags;
        return;
    }
    if (Srb->Function == SRB_FUNCTION_POWER) {
        Fields->PowerState = ((const SCSI_POWER_REQUEST_BLOCK *)Srb)->DevicePowerState;
        Fields->PowerAction = ((const SCSI_POWER_REQUEST_BLOCK *)Srb)->PowerAction;
        return;
    }
    Fields->ScsiStatus = Srb->ScsiStatus;
    Fields->QueueAction = Srb->QueueAction;
    Fields->SenseLength = Srb->SenseInfoBufferLength;
    Fields->Sense = Srb->SenseInfoBuffer;
    Fields->CdbLength = Srb->CdbLength;
    RtlCopyMemory(Fields->Cdb, Srb->Cdb, sizeof(Fields->Cdb));
}

static VOID ReadExtended(const STORAGE_REQUEST_BLOCK *Srb, SRB_FIELDS *Fields)
{
    const STOR_ADDR_BTL8 *Address = (const STOR_ADDR_BTL8 *)((ULONG_PTR)Srb + Srb->AddressOffset);
    const SRBEX_DATA_SCSI_CDB16 *Cdb = (const SRBEX_DATA_SCSI_CDB16 *)ExtendedData(Srb, SrbExDataTypeScsiCdb16);
    const SRBEX_DATA_PNP *Pnp = (const SRBEX_DATA_PNP *)ExtendedData(Srb, SrbExDataTypePnP);

    Fields->Function = Srb->SrbFunction;
    Fields->Path = Address->Path;
    Fields->Target = Address->Target;
    Fields->Lun = Address->Lun;
    Fields->SrbStatus = Srb->SrbStatus;
    Fields->Flags = Srb->SrbFlags;
    Fields->DataLength = Srb->DataTransferLength;
    Fields->TimeoutSeconds = Srb->TimeOutValue;
    Fields->DataBuffer = Srb->DataBuffer;
    Fields->QueueAction = (UCHAR)Srb->RequestAttribute;
    if (Cdb != NULL) {
        Fields->ScsiStatus = Cdb->ScsiStatus;
        Fields->SenseLength = Cdb->SenseInfoBufferLength;
        Fields->Sense = Cdb->SenseInfoBuffer;
        Fields->CdbLength = Cdb->CdbLength;
        RtlCopyMemory(Fields->Cdb, Cdb->Cdb, sizeof(Fields->Cdb));
    }
    if (Pnp != NULL) {
        Fields->PnpAction = Pnp->PnPAction;
        Fields->PnpFlags = Pnp->SrbPnPFlags;
    }
}

VOID PortSrbRead(const VOID *Srb, SRB_FIELDS *Fields)
{
    RtlZeroMemory(Fields, sizeof(*Fields));
    if (IsExtended(Srb))
        ReadExtended(Srb, Fields);
    else
        ReadClassic(Srb, Fields);
}

VOID PortSrbWriteResult(PVOID Srb, const SRB_FIELDS *Fields)
{
    if (IsExtended(Srb)) {
        STORAGE_REQUEST_BLOCK *Extended = Srb;
        SRBEX_DATA_SCSI_CDB16 *Cdb = (SRBEX_DATA_SCSI_CDB16 *)ExtendedData(Srb, SrbExDataTypeScsiCdb16);

        Extended->SrbStatus = Fields->SrbStatus;
        Extended->DataTransferLength = Fields->DataLength;
        if (Cdb != NULL) {
            Cdb->ScsiStatus = Fields->ScsiStatus;
            Cdb->SenseInfoBufferLength = Fields->SenseLength;
        }
    } else {
        SCSI_REQUEST_BLOCK *Classic = Srb;

        Classic->SrbStatus = Fields->SrbStatus;
        Classic->DataTransferLength = Fields->DataLength;
        if (Classic->Function != SRB_FUNCTION_PNP && Classic->Function != SRB_FUNCTION_POWER) {
            Classic->ScsiStatus = Fields->ScsiStatus;
            Classic->SenseInfoBufferLength = Fields->SenseLength;
        }
    }
}

ULONG PortSrbLength(UCHAR SrbType, const SRB_FIELDS *Fields)
{
    if (SrbType == SRB_TYPE_SCSI_REQUEST_BLOCK)
        return sizeof(SCSI_REQUEST_BLOCK);
    if (Fields->Function == SRB_FUNCTION_EXECUTE_SCSI)
        return EXTENDED_DATA_OFFSET + (ULONG)sizeof(SRBEX_DATA_SCSI_CDB16);
    if (Fields->Function == SRB_FUNCTION_PNP)
        return EXTENDED_DATA_OFFSET + (ULONG)sizeof(SRBEX_DATA_PNP);
    if (Fields->Function == SRB_FUNCTION_POWER)
        return EXTENDED_DATA_OFFSET + (ULONG)sizeof(SRBEX_DATA_POWER);
    if (Fields->Function == SRB_FUNCTION_WMI)
        return EXTENDED_DATA_OFFSET + (ULONG)sizeof(SRBEX_DATA_WMI);
    return EXTENDED_DATA_OFFSET;
}

static VOID BuildClassic(const SRB_FIELDS *Fields, PVOID Sense, PVOID Extension, SCSI_REQUEST_BLOCK *Srb)
{
    Srb->Length = sizeof(*Srb);
    Srb->Function = (UCHAR)Fields->Function;
    Srb->PathId = Fields->Path;
    Srb->TargetId = Fields->Target;
    Srb->Lun = Fields->Lun;
    Srb->SrbFlags = Fields->Flags;
    Srb->DataTransferLength = Fields->DataLength;
    Srb->TimeOutValue = Fields->TimeoutSeconds;
    Srb->DataBuffer = Fields->DataBuffer;
    Srb->NextSrb = FOREIGN_POINTER;
    Srb->OriginalRequest = FOREIGN_POINTER;
    Srb->SrbExtension = Extension;
    if (Fields->Function == SRB_FUNCTION_PNP) {
        ((SCSI_PNP_REQUEST_BLOCK *)Srb)->PnPAction = Fields->PnpAction;
        ((SCSI_PNP_REQUEST_BLOCK *)Srb)->SrbPnPFlags = Fields->PnpFlags;
        return;
    }
    if (Fields->Function == SRB_FUNCTION_POWER) {
        ((SCSI_POWER_REQUEST_BLOCK *)Srb)->DevicePowerState = Fields->PowerState;
        ((SCSI_POWER_REQUEST_BLOCK *)Srb)->PowerAction = Fields->PowerAction;
        return;
    }
    if (Fields->Function == SRB_FUNCTION_WMI) {
        ((SCSI_WMI_REQUEST_BLOCK *)Srb)->DataPath = FOREIGN_POINTER;
        return;
    }
    Srb->QueueTag = SP_UNTAGGED;
    Srb->QueueAction = Fields->QueueAction;
    Srb->SenseInfoBuffer = Sense;
    Srb->SenseInfoBufferLength = Sense == NULL ? 0 : Fields->SenseLength;
    Srb->CdbLength = Fields->CdbLength;
    RtlCopyMemory(Srb->Cdb, Fields->Cdb, sizeof(Srb->Cdb));
}

static VOID BuildExtendedCdb(const SRB_FIELDS *Fields, PVOID Sense, SRBEX_DATA_SCSI_CDB16 *Cdb)
{
    Cdb->Type = SrbExDataTypeScsiCdb16;
    Cdb->Length = SRBEX_DATA_SCSI_CDB16_LENGTH;
    Cdb->CdbLength = Fields->CdbLength;
    Cdb->SenseInfoBuffer = Sense;
    Cdb->SenseInfoBufferLength = Sense == NULL ? 0 : Fields->SenseLength;
    RtlCopyMemory(Cdb->Cdb, Fields->Cdb, sizeof(Cdb->Cdb));
}

static VOID BuildExtended(const SRB_FIELDS *Fields, PVOID Sense, PVOID Extension, STORAGE_REQUEST_BLOCK *Srb)
{
    STOR_ADDR_BTL8 *Address = (STOR_ADDR_BTL8 *)((PUCHAR)Srb + EXTENDED_ADDRESS_OFFSET);
    PUCHAR Data = (PUCHAR)Srb + EXTENDED_DATA_OFFSET;

    Srb->Length = offsetof(STORAGE_REQUEST_BLOCK, Signature);
    Srb->Function = SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    Srb->Signature = SRB_SIGNATURE;
    Srb->Version = STORAGE_REQUEST_BLOCK_VERSION_1;
    Srb->SrbLength = PortSrbLength(SRB_TYPE_STORAGE_REQUEST_BLOCK, Fields);
    Srb->SrbFunction = Fields->Function;
    Srb->SrbFlags = Fields->Flags;
    Srb->RequestAttribute = Fields->QueueAction;
    Srb->TimeOutValue = Fields->TimeoutSeconds;
    Srb->AddressOffset = EXTENDED_ADDRESS_OFFSET;
    Srb->DataTransferLength = Fields->DataLength;
    Srb->DataBuffer = Fields->DataBuffer;
    Srb->OriginalRequest = FOREIGN_POINTER;
    Srb->ClassContext = FOREIGN_POINTER;
    Srb->PortContext = FOREIGN_POINTER;
    Srb->NextSrb = FOREIGN_POINTER;
    Srb->MiniportContext = Extension;
    Address->Type = STOR_ADDRESS_TYPE_BTL8;
    Address->AddressLength = STOR_ADDR_BTL8_ADDRESS_LENGTH;
    Address->Path = Fields->Path;
    Address->Target = Fields->Target;
    Address->Lun = Fields->Lun;
    if (Fields->Function == SRB_FUNCTION_EXECUTE_SCSI) {
        BuildExtendedCdb(Fields, Sense, (SRBEX_DATA_SCSI_CDB16 *)Data);
    } else if (Fields->Function == SRB_FUNCTION_PNP) {
        SRBEX_DATA_PNP *Pnp = (SRBEX_DATA_PNP *)Data;

        Pnp->Type = SrbExDataTypePnP;
        Pnp->Length = SRBEX_DATA_PNP_LENGTH;
        Pnp->PnPAction = Fields->PnpAction;
        Pnp->SrbPnPFlags = Fields->PnpFlags;
    } else if (Fields->Function == SRB_FUNCTION_POWER) {
        SRBEX_DATA_POWER *Power = (SRBEX_DATA_POWER *)Data;

        Power->Type = SrbExDataTypePower;
        Power->Length = sizeof(*Power) - offsetof(SRBEX_DATA_POWER, SrbPowerFlags);
        Power->DevicePowerState = Fields->PowerState;
        Power->PowerAction = Fields->PowerAction;
    } else if (Fields->Function == SRB_FUNCTION_WMI) {
        SRBEX_DATA_WMI *Wmi = (SRBEX_DATA_WMI *)Data;

        Wmi->Type = SrbExDataTypeWmi;
        Wmi->Length = sizeof(*Wmi) - offsetof(SRBEX_DATA_WMI, WMISubFunction);
        Wmi->DataPath = FOREIGN_POINTER;
    } else {
        return;
    }
    Srb->NumSrbExData = 1;
    Srb->SrbExDataOffset[0] = EXTENDED_DATA_OFFSET;
}

VOID PortSrbBuild(UCHAR SrbType, const SRB_FIELDS *Fields, PVOID Sense, PVOID Extension, PVOID Srb)
{
    RtlZeroMemory(Srb, PortSrbLength(SrbType, Fields));
    if (SrbType == SRB_TYPE_SCSI_REQUEST_BLOCK)
        BuildClassic(Fields, Sense, Extension, Srb);
    else
        BuildExtended(Fields, Sense, Extension, Srb);
}

/* Makes the members that a miniport may write equal in both, so that memcmp sees the others only. */
static VOID CopyWritable(const VOID *From, PVOID To)
{
    if (IsExtended(From)) {
        const STORAGE_REQUEST_BLOCK *Source = From;
        STORAGE_REQUEST_BLOCK *Target = To;

        Target->SrbStatus = Source->SrbStatus;
        Target->SystemStatus = Source->SystemStatus;
        Target->DataTransferLength = Source->DataTransferLength;
        if (Target->SrbFunction == SRB_FUNCTION_EXECUTE_SCSI && Source->SrbFunction == SRB_FUNCTION_EXECUTE_SCSI) {
            const SRBEX_DATA_SCSI_CDB16 *SourceCdb =
                (const SRBEX_DATA_SCSI_CDB16 *)((ULONG_PTR)From + EXTENDED_DATA_OFFSET);
            SRBEX_DATA_SCSI_CDB16 *TargetCdb = (SRBEX_DATA_SCSI_CDB16 *)((PUCHAR)To + EXTENDED_DATA_OFFSET);

            TargetCdb->ScsiStatus = SourceCdb->ScsiStatus;
            TargetCdb->SenseInfoBufferLength = SourceCdb->SenseInfoBufferLength;
        }
    } else {
        const SCSI_REQUEST_BLOCK *Source = From;
        SCSI_REQUEST_BLOCK *Target = To;

        Target->SrbStatus = Source->SrbStatus;
        Target->DataTransferLength = Source->DataTransferLength;
        if (Target->Function == SRB_FUNCTION_EXECUTE_SCSI) {
            Target->ScsiStatus = Source->ScsiStatus;
            Target->SenseInfoBufferLength = Source->SenseInfoBufferLength;
            Target->InternalStatus = Source->InternalStatus;
        }
    }
}

BOOLEAN PortSrbFieldsKept(const VOID *Srb, const VOID *Original, ULONG Length)
{
    UCHAR Copy[EXTENDED_DATA_OFFSET + sizeof(SRBEX_DATA_SCSI_CDB16)];

    if (((const SCSI_REQUEST_BLOCK *)Srb)->Function != ((const SCSI_REQUEST_BLOCK *)Original)->Function)
        return FALSE;
    NT_ASSERT(Length <= sizeof(Copy));
    RtlCopyMemory(Copy, Original, Length);
    CopyWritable(Srb, Copy);
    return RtlCompareMemory(Copy, Srb, Length) == Length;
}

NTSTATUS PortSrbStatusToNt(UCHAR SrbStatus)
{
    switch (SRB_STATUS(SrbStatus)) {
    case SRB_STATUS_SUCCESS:
        return STATUS_SUCCESS;
    case SRB_STATUS_BUSY:
        return STATUS_DEVICE_BUSY;
    case SRB_STATUS_DATA_OVERRUN:
        return STATUS_BUFFER_OVERFLOW;
    case SRB_STATUS_TIMEOUT:
    case SRB_STATUS_COMMAND_TIMEOUT:
    case SRB_STATUS_ABORTED:
        return STATUS_IO_TIMEOUT;
    case SRB_STATUS_SELECTION_TIMEOUT:
        return STATUS_DEVICE_NOT_CONNECTED;
    case SRB_STATUS_NO_DEVICE:
    case SRB_STATUS_NO_HBA:
    case SRB_STATUS_INVALID_LUN:
    case SRB_STATUS_INVALID_TARGET_ID:
    case SRB_STATUS_INVALID_PATH_ID:
        return STATUS_DEVICE_DOES_NOT_EXIST;
    case SRB_STATUS_INVALID_REQUEST:
    case SRB_STATUS_BAD_FUNCTION:
    case SRB_STATUS_BAD_SRB_BLOCK_LENGTH:
        return STATUS_INVALID_DEVICE_REQUEST;
    default:
        return STATUS_IO_DEVICE_ERROR;
    }
}
