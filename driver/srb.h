/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The two kinds of storage request block behind one set of accessors. Nothing
 * else in the driver looks into an SRB. Which kind it is says byte 02, the
 * function (WDK, HwStorStartIo, remarks): an extended one has
 * SRB_FUNCTION_STORAGE_REQUEST_BLOCK there. In an extended SRB, CDB, SCSI
 * status and sense live in a data block, the rest in the header.
 *
 * IRQL: any <= DISPATCH_LEVEL. The SRB is the driver's, from HwStartIo until
 * it is completed.
 */
#pragma once

#include "nt.h"
#include <storport.h>
#include "scsi/scsi.h"

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline bool SrbIsExtended(const void *Srb)
{
    return ((const SCSI_REQUEST_BLOCK *)Srb)->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
}

/* The data block of Type in an extended SRB, NULL if it has none. Offsets are checked against the SRB's length. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline PSRBEX_DATA SrbBlock(PSTORAGE_REQUEST_BLOCK Srb, ULONG First, ULONG Last)
{
    for (ULONG Index = 0; Index < Srb->NumSrbExData; Index++) {
        ULONG Offset = Srb->SrbExDataOffset[Index];
        if (Offset < sizeof(STORAGE_REQUEST_BLOCK) || Offset > Srb->SrbLength - sizeof(SRBEX_DATA)) {
            continue;
        }
        PSRBEX_DATA Block = (PSRBEX_DATA)((PUCHAR)Srb + Offset);
        if ((ULONG)Block->Type >= First && (ULONG)Block->Type <= Last) {
            return Block;
        }
    }
    return NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline PSRBEX_DATA SrbScsiBlock(void *Srb)
{
    return SrbBlock(Srb, SrbExDataTypeScsiCdb16, SrbExDataTypeScsiCdb32);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline ULONG SrbFunction(const void *Srb)
{
    return SrbIsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->SrbFunction
                              : ((const SCSI_REQUEST_BLOCK *)Srb)->Function;
}

/* Bus, target and unit of the request. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbAddress(const void *Srb, UCHAR *Path, UCHAR *Target, UCHAR *Lun)
{
    if (SrbIsExtended(Srb)) {
        const STORAGE_REQUEST_BLOCK *Extended = Srb;
        const STOR_ADDR_BTL8 *Address = (const STOR_ADDR_BTL8 *)((const UCHAR *)Srb + Extended->AddressOffset);
        *Path = Address->Path;
        *Target = Address->Target;
        *Lun = Address->Lun;
    } else {
        const SCSI_REQUEST_BLOCK *Classic = Srb;
        *Path = Classic->PathId;
        *Target = Classic->TargetId;
        *Lun = Classic->Lun;
    }
}

/* The CDB, NULL in an extended SRB that carries none that we know. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline const UCHAR *SrbCdb(void *Srb, UCHAR *Length)
{
    if (!SrbIsExtended(Srb)) {
        PSCSI_REQUEST_BLOCK Classic = Srb;
        *Length = Classic->CdbLength;
        return Classic->CdbLength <= sizeof(Classic->Cdb) ? Classic->Cdb : NULL;
    }
    PSRBEX_DATA Block = SrbScsiBlock(Srb);
    if (Block == NULL) {
        return NULL;
    }
    /* CDB16 and CDB32 differ in nothing but the room for the CDB. */
    PSRBEX_DATA_SCSI_CDB16 Scsi = (PSRBEX_DATA_SCSI_CDB16)Block;
    *Length = Scsi->CdbLength;
    return Scsi->CdbLength <= (Block->Type == SrbExDataTypeScsiCdb16 ? 16 : 32) ? Scsi->Cdb : NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline PVOID SrbDataBuffer(const void *Srb)
{
    return SrbIsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->DataBuffer
                              : ((const SCSI_REQUEST_BLOCK *)Srb)->DataBuffer;
}

/* Bytes of the data buffer. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline ULONG SrbDataLength(const void *Srb)
{
    return SrbIsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->DataTransferLength
                              : ((const SCSI_REQUEST_BLOCK *)Srb)->DataTransferLength;
}

/* Bytes that were moved; never more than asked. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbSetDataLength(void *Srb, ULONG LengthBytes)
{
    if (SrbIsExtended(Srb)) {
        ((PSTORAGE_REQUEST_BLOCK)Srb)->DataTransferLength = LengthBytes;
    } else {
        ((PSCSI_REQUEST_BLOCK)Srb)->DataTransferLength = LengthBytes;
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline ULONG SrbFlags(const void *Srb)
{
    return SrbIsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->SrbFlags
                              : ((const SCSI_REQUEST_BLOCK *)Srb)->SrbFlags;
}

/* SrbExtensionSize bytes of ours that live as long as we own the SRB; uninitialised. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline PVOID SrbExtension(const void *Srb)
{
    return SrbIsExtended(Srb) ? ((const STORAGE_REQUEST_BLOCK *)Srb)->MiniportContext
                              : ((const SCSI_REQUEST_BLOCK *)Srb)->SrbExtension;
}

/* SRB_STATUS_* without the flags. Both kinds have it at offset 03. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbSetStatus(void *Srb, UCHAR Status)
{
    if (SrbIsExtended(Srb)) {
        ((PSTORAGE_REQUEST_BLOCK)Srb)->SrbStatus = Status;
    } else {
        ((PSCSI_REQUEST_BLOCK)Srb)->SrbStatus = Status;
    }
}

/* Action and flags of an SRB_FUNCTION_PNP; false if an extended SRB lacks the block. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline bool SrbPnp(void *Srb, STOR_PNP_ACTION *Action, ULONG *Flags)
{
    if (!SrbIsExtended(Srb)) {
        PSCSI_PNP_REQUEST_BLOCK Classic = Srb;
        *Action = Classic->PnPAction;
        *Flags = Classic->SrbPnPFlags;
        return true;
    }
    PSRBEX_DATA_PNP Pnp = (PSRBEX_DATA_PNP)SrbBlock(Srb, SrbExDataTypePnP, SrbExDataTypePnP);
    if (Pnp == NULL) {
        return false;
    }
    *Action = Pnp->PnPAction;
    *Flags = Pnp->SrbPnPFlags;
    return true;
}

/*
 * Ends with a SCSI status. Sense, which counts for CHECK CONDITION only, goes
 * out if the SRB has room and does not forbid it; the status says which (WDK,
 * SCSI_REQUEST_BLOCK, SrbStatus and SenseInfoBuffer).
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbSetScsiResult(void *Srb, SCSI_STATUS Status, const SCSI_SENSE *Sense)
{
    UCHAR *ScsiStatus;
    UCHAR *SenseLength;
    PVOID Buffer;
    if (SrbIsExtended(Srb)) {
        PSRBEX_DATA_SCSI_CDB16 Scsi = (PSRBEX_DATA_SCSI_CDB16)SrbScsiBlock(Srb);
        ScsiStatus = &Scsi->ScsiStatus;
        SenseLength = &Scsi->SenseInfoBufferLength;
        Buffer = Scsi->SenseInfoBuffer;
    } else {
        PSCSI_REQUEST_BLOCK Classic = Srb;
        ScsiStatus = &Classic->ScsiStatus;
        SenseLength = &Classic->SenseInfoBufferLength;
        Buffer = Classic->SenseInfoBuffer;
    }
    *ScsiStatus = (UCHAR)Status;
    if (Status == SCSI_STATUS_GOOD) {
        SrbSetStatus(Srb, SRB_STATUS_SUCCESS);
        return;
    }
    if (Status != SCSI_STATUS_CHECK_CONDITION || Buffer == NULL || *SenseLength == 0 ||
        (SrbFlags(Srb) & SRB_FLAGS_DISABLE_AUTOSENSE) != 0) {
        SrbSetStatus(Srb, SRB_STATUS_ERROR);
        return;
    }
    *SenseLength = (UCHAR)ScsiSenseBuild(Sense, Buffer, *SenseLength);
    SrbSetStatus(Srb, SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID);
}

/* No room at present: Storport tries again (WDK, Storport Queue Management). The length stays as it is. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbSetQueueFull(void *Srb)
{
    if (SrbIsExtended(Srb)) {
        ((PSRBEX_DATA_SCSI_CDB16)SrbScsiBlock(Srb))->ScsiStatus = SCSISTAT_QUEUE_FULL;
    } else {
        ((PSCSI_REQUEST_BLOCK)Srb)->ScsiStatus = SCSISTAT_QUEUE_FULL;
    }
    SrbSetStatus(Srb, SRB_STATUS_BUSY);
}

/* Gives the SRB back; nothing of it may be touched afterwards. No lock that HwStartIo takes may be held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void SrbComplete(PVOID Extension, void *Srb)
{
    StorPortNotification(RequestComplete, Extension, Srb);
}
