/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a completed SRB means to the class driver: NTSTATUS and whether to try again. The rules are those of
 * ClassInterpretSenseInfo in Microsoft's published classpnp sample, as far as a disk without removable media needs
 * them. Sense formats: SPC-4 4.5.2 (descriptor), 4.5.3 (fixed). No state; any IRQL.
 */
#include "packet.h"

#define RETRY_SOON_MS 10u
#define RETRY_LATER_MS 1000u

typedef struct {
    UCHAR Key;
    UCHAR Code;      /* ASC */
    UCHAR Qualifier; /* ASCQ */
} SENSE;

static VERDICT Final(NTSTATUS Status)
{
    VERDICT Verdict = {.Status = Status};

    return Verdict;
}

static VERDICT Again(NTSTATUS Status, ULONG DelayMs)
{
    VERDICT Verdict = {.Status = Status, .Retry = TRUE, .DelayMs = DelayMs};

    return Verdict;
}

static BOOLEAN SenseParse(const UCHAR *Bytes, ULONG Length, SENSE *Sense)
{
    UCHAR Format = Length > 0 ? (UCHAR)(Bytes[0] & 0x7F) : 0;

    RtlZeroMemory(Sense, sizeof(*Sense));
    if ((Format == 0x72 || Format == 0x73) && Length >= 4) {
        Sense->Key = Bytes[1] & 0x0F;
        Sense->Code = Bytes[2];
        Sense->Qualifier = Bytes[3];
        return TRUE;
    }
    if ((Format == 0x70 || Format == 0x71) && Length >= 3) {
        Sense->Key = Bytes[2] & 0x0F;
        if (Length >= 14 && Bytes[7] >= 6) {
            Sense->Code = Bytes[12];
            Sense->Qualifier = Bytes[13];
        }
        return TRUE;
    }
    return FALSE;
}

static VERDICT JudgeNotReady(const SENSE *Sense)
{
    if (Sense->Code == 0x3A) {
        return Final(STATUS_NO_MEDIA_IN_DEVICE);
    }
    if (Sense->Code == 0x04 && Sense->Qualifier == 0x03) {
        return Final(STATUS_DEVICE_NOT_READY); /* manual intervention required */
    }
    return Again(STATUS_DEVICE_NOT_READY, RETRY_LATER_MS);
}

static VERDICT JudgeIllegalRequest(const SENSE *Sense)
{
    switch (Sense->Code) {
    case 0x21:
        return Final(STATUS_NONEXISTENT_SECTOR);
    case 0x25:
        return Final(STATUS_NO_SUCH_DEVICE);
    default:
        return Final(STATUS_INVALID_DEVICE_REQUEST);
    }
}

static VERDICT JudgeUnitAttention(const SENSE *Sense)
{
    VERDICT Verdict = Again(STATUS_IO_DEVICE_ERROR, RETRY_SOON_MS);

    if (Sense->Code == 0x2A && Sense->Qualifier == 0x09) {
        Verdict.CapacityChanged = TRUE;
        Verdict.DelayMs = RETRY_LATER_MS;
    }
    return Verdict;
}

static VERDICT JudgeSense(const SENSE *Sense)
{
    switch (Sense->Key) {
    case 0x0: /* no sense */
    case 0x1: /* recovered error */
        return Final(STATUS_SUCCESS);
    case 0x2:
        return JudgeNotReady(Sense);
    case 0x3: /* medium error */
        return Final(STATUS_DEVICE_DATA_ERROR);
    case 0x5:
        return JudgeIllegalRequest(Sense);
    case 0x6:
        return JudgeUnitAttention(Sense);
    case 0x7:                                                                           /* data protect */
        return Final(Sense->Code == 0x27 && Sense->Qualifier == 0x07 ? STATUS_DISK_FULL /* thin, out of space */
                                                                     : STATUS_MEDIA_WRITE_PROTECTED);
    case 0x8: /* blank check */
        return Final(STATUS_NO_DATA_DETECTED);
    case 0xB: /* aborted command */
        return Again(STATUS_IO_DEVICE_ERROR, RETRY_LATER_MS);
    case 0x4: /* hardware error */
        return Again(STATUS_IO_DEVICE_ERROR, RETRY_SOON_MS);
    default:
        return Final(STATUS_IO_DEVICE_ERROR);
    }
}

/* SRB_STATUS_ERROR without sense: the SCSI status is all there is (SAM-5 5.3.1). */
static VERDICT JudgeScsiStatus(UCHAR ScsiStatus)
{
    switch (ScsiStatus) {
    case 0x08: /* BUSY */
    case 0x28: /* TASK SET FULL */
        return Again(STATUS_DEVICE_NOT_READY, RETRY_LATER_MS);
    case 0x18: /* RESERVATION CONFLICT */
        return Final(STATUS_DEVICE_BUSY);
    default:
        return Again(STATUS_IO_DEVICE_ERROR, RETRY_SOON_MS);
    }
}

static VERDICT JudgeError(const SCSI_REQUEST_BLOCK *Srb, const UCHAR *Bytes)
{
    SENSE Sense;

    if ((Srb->SrbStatus & SRB_STATUS_AUTOSENSE_VALID) != 0 && SenseParse(Bytes, Srb->SenseInfoBufferLength, &Sense)) {
        return JudgeSense(&Sense);
    }
    return JudgeScsiStatus(Srb->ScsiStatus);
}

VERDICT SenseJudge(const SCSI_REQUEST_BLOCK *Srb, const UCHAR *Bytes)
{
    switch (SRB_STATUS(Srb->SrbStatus)) {
    case SRB_STATUS_SUCCESS:
        return Final(STATUS_SUCCESS);
    case SRB_STATUS_ERROR:
        return JudgeError(Srb, Bytes);
    case SRB_STATUS_ABORTED:
        return Again(STATUS_IO_TIMEOUT, RETRY_LATER_MS);
    case SRB_STATUS_TIMEOUT:
    case SRB_STATUS_COMMAND_TIMEOUT:
        return Again(STATUS_IO_TIMEOUT, RETRY_SOON_MS);
    case SRB_STATUS_SELECTION_TIMEOUT:
        return Final(STATUS_DEVICE_NOT_CONNECTED);
    case SRB_STATUS_NO_DEVICE:
    case SRB_STATUS_NO_HBA:
    case SRB_STATUS_INVALID_PATH_ID:
    case SRB_STATUS_INVALID_TARGET_ID:
    case SRB_STATUS_INVALID_LUN:
        return Final(STATUS_NO_SUCH_DEVICE);
    case SRB_STATUS_DATA_OVERRUN:
        return Final(STATUS_DATA_OVERRUN);
    case SRB_STATUS_INVALID_REQUEST:
    case SRB_STATUS_BAD_FUNCTION:
        return Final(STATUS_INVALID_DEVICE_REQUEST);
    case SRB_STATUS_BUSY:
        return Again(STATUS_DEVICE_BUSY, RETRY_LATER_MS);
    case SRB_STATUS_INTERNAL_ERROR:
        return Final((NTSTATUS)Srb->InternalStatus);
    default: /* bus reset, flushed, parity, ... */
        return Again(STATUS_IO_DEVICE_ERROR, RETRY_SOON_MS);
    }
}
