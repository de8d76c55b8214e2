/* SPDX-License-Identifier: LGPL-2.1-only */
/* Members of SRBs of both kinds, for the RAM disk miniport. */
#include "ramdisk_driver.h"

static BOOLEAN IsExtended(const VOID *Srb)
{
    return ((const SCSI_REQUEST_BLOCK *)Srb)->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
}

static PVOID Block(const VOID *Srb)
{
    const STORAGE_REQUEST_BLOCK *Extended = Srb;

    return (PVOID)((ULONG_PTR)Srb + Extended->SrbExDataOffset[0]);
}

ULONG RamFunction(const VOID *Srb)
{
    return IsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->SrbFunction
                           : ((const SCSI_REQUEST_BLOCK *)Srb)->Function;
}

UCHAR RamTarget(const VOID *Srb)
{
    const STORAGE_REQUEST_BLOCK *Extended = Srb;

    return IsExtended(Srb) ? ((const STOR_ADDR_BTL8 *)((ULONG_PTR)Srb + Extended->AddressOffset))->Target
                           : ((const SCSI_REQUEST_BLOCK *)Srb)->TargetId;
}

ULONG RamFlags(const VOID *Srb)
{
    return IsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->SrbFlags
                           : ((const SCSI_REQUEST_BLOCK *)Srb)->SrbFlags;
}

VOID RamSetFlags(PVOID Srb, ULONG Flags)
{
    if (IsExtended(Srb))
        ((STORAGE_REQUEST_BLOCK *)Srb)->SrbFlags = Flags;
    else
        ((SCSI_REQUEST_BLOCK *)Srb)->SrbFlags = Flags;
}

ULONG RamDataLength(const VOID *Srb)
{
    return IsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->DataTransferLength
                           : ((const SCSI_REQUEST_BLOCK *)Srb)->DataTransferLength;
}

PVOID RamDataBuffer(const VOID *Srb)
{
    return IsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->DataBuffer
                           : ((const SCSI_REQUEST_BLOCK *)Srb)->DataBuffer;
}

PUCHAR RamCdb(PVOID Srb)
{
    return IsExtended(Srb) ? ((SRBEX_DATA_SCSI_CDB16 *)Block(Srb))->Cdb : ((SCSI_REQUEST_BLOCK *)Srb)->Cdb;
}

PUCHAR RamSense(PVOID Srb, UCHAR *Room)
{
    if (IsExtended(Srb)) {
        *Room = ((SRBEX_DATA_SCSI_CDB16 *)Block(Srb))->SenseInfoBufferLength;
        return ((SRBEX_DATA_SCSI_CDB16 *)Block(Srb))->SenseInfoBuffer;
    }
    *Room = ((SCSI_REQUEST_BLOCK *)Srb)->SenseInfoBufferLength;
    return ((SCSI_REQUEST_BLOCK *)Srb)->SenseInfoBuffer;
}

PUCHAR RamExtension(PVOID Srb)
{
    return IsExtended(Srb) ? ((STORAGE_REQUEST_BLOCK *)Srb)->MiniportContext
                           : ((SCSI_REQUEST_BLOCK *)Srb)->SrbExtension;
}

STOR_PNP_ACTION RamPnpAction(PVOID Srb)
{
    return IsExtended(Srb) ? ((SRBEX_DATA_PNP *)Block(Srb))->PnPAction : ((SCSI_PNP_REQUEST_BLOCK *)Srb)->PnPAction;
}

VOID RamSetSenseLength(PVOID Srb, UCHAR Length)
{
    if (IsExtended(Srb))
        ((SRBEX_DATA_SCSI_CDB16 *)Block(Srb))->SenseInfoBufferLength = Length;
    else
        ((SCSI_REQUEST_BLOCK *)Srb)->SenseInfoBufferLength = Length;
}

VOID RamSetResult(PVOID Srb, UCHAR Status, UCHAR ScsiStatus, ULONG Length)
{
    const BOOLEAN Scsi = RamFunction(Srb) == SRB_FUNCTION_EXECUTE_SCSI;

    if (IsExtended(Srb)) {
        ((STORAGE_REQUEST_BLOCK *)Srb)->SrbStatus = Status;
        ((STORAGE_REQUEST_BLOCK *)Srb)->DataTransferLength = Length;
        if (Scsi)
            ((SRBEX_DATA_SCSI_CDB16 *)Block(Srb))->ScsiStatus = ScsiStatus;
    } else {
        ((SCSI_REQUEST_BLOCK *)Srb)->SrbStatus = Status;
        ((SCSI_REQUEST_BLOCK *)Srb)->DataTransferLength = Length;
        if (Scsi)
            ((SCSI_REQUEST_BLOCK *)Srb)->ScsiStatus = ScsiStatus;
    }
}
