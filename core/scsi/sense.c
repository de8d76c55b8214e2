/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sense data: the refusals by name, what backends say, the fixed format, and
 * REQUEST SENSE.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define RESPONSE_FIXED_CURRENT 0x70u
#define RESPONSE_DESCRIPTOR_CURRENT 0x72u
#define FLAG_VALID 0x80u /* with the response code of fixed format: INFORMATION is valid */
#define FLAG_DESC 0x01u

const SCSI_SENSE ScsiParameterListLength = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x1A, .Ascq = 0x00};
const SCSI_SENSE ScsiInvalidOpcode = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x20, .Ascq = 0x00};
const SCSI_SENSE ScsiLbaOutOfRange = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x21, .Ascq = 0x00};
const SCSI_SENSE ScsiInvalidFieldInCdb = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x24, .Ascq = 0x00};
const SCSI_SENSE ScsiInvalidFieldInList = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x26, .Ascq = 0x00};
const SCSI_SENSE ScsiSavingNotSupported = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x39, .Ascq = 0x00};
const SCSI_SENSE ScsiWriteProtected = {.Key = SCSI_SENSE_DATA_PROTECT, .Asc = 0x27, .Ascq = 0x00};

const SCSI_SENSE ScsiCapacityChanged = {.Key = SCSI_SENSE_UNIT_ATTENTION, .Asc = 0x2A, .Ascq = 0x09};
static const SCSI_SENSE InternalFailure = {.Key = SCSI_SENSE_HARDWARE_ERROR, .Asc = 0x44, .Ascq = 0x00};
static const SCSI_SENSE InsufficientResources = {.Key = SCSI_SENSE_ABORTED_COMMAND, .Asc = 0x55, .Ascq = 0x03};

_Static_assert(sizeof(SENSE_FIXED) == SCSI_SENSE_SIZE, "the public size is that of the layout");

size_t ScsiSenseBuild(const SCSI_SENSE *Sense, uint8_t *Buffer, size_t Size)
{
    SENSE_FIXED Fixed = {.ResponseCode = RESPONSE_FIXED_CURRENT,
                         .Key = Sense->Key,
                         .AdditionalLength = sizeof(Fixed) - 8,
                         .Asc = Sense->Asc,
                         .Ascq = Sense->Ascq};
    size_t Length = Size < sizeof(Fixed) ? Size : sizeof(Fixed);

    if (Sense->InformationValid && Sense->Information <= UINT32_MAX) {
        Fixed.ResponseCode |= FLAG_VALID;
        Be32Store(&Fixed.Information, (uint32_t)Sense->Information);
    }
    if (Length != 0) {
        memcpy(Buffer, &Fixed, Length);
    }
    return Length;
}

/*
 * NO SENSE doesn't say what went wrong, and some class drivers go on as if
 * nothing had; keys have four bits.
 */
static bool IsFailureKey(uint8_t Key)
{
    return Key != SCSI_SENSE_NO_SENSE && Key <= SCSI_SENSE_COMPLETED;
}

SCSI_STATUS ScsiBackendStatus(uint8_t Status, SCSI_SENSE *Sense)
{
    switch (Status) {
    case SCSI_STATUS_GOOD:
        return SCSI_STATUS_GOOD;
    case SCSI_STATUS_RESERVATION_CONFLICT:
        return SCSI_STATUS_RESERVATION_CONFLICT;
    case SCSI_STATUS_BUSY:
    case SCSI_STATUS_TASK_SET_FULL:
        *Sense = InsufficientResources;
        return SCSI_STATUS_CHECK_CONDITION;
    default:
        if (Status != SCSI_STATUS_CHECK_CONDITION || !IsFailureKey(Sense->Key)) {
            *Sense = InternalFailure;
        }
        return SCSI_STATUS_CHECK_CONDITION;
    }
}

/* No information is ever answered here, so descriptor format has no descriptors. */
void ScsiAnswerSense(const SCSI_COMMAND *Command, const SCSI_SENSE *Sense)
{
    const CDB_REQUEST_SENSE *Cdb = Command->Cdb;
    SENSE_DESCRIPTOR Descriptor = {
        .ResponseCode = RESPONSE_DESCRIPTOR_CURRENT, .Key = Sense->Key, .Asc = Sense->Asc, .Ascq = Sense->Ascq};
    uint8_t Fixed[SCSI_SENSE_SIZE];

    if (Cdb->Flags & FLAG_DESC) {
        ScsiAnswer(Command, &Descriptor, sizeof(Descriptor), Cdb->Allocation);
        return;
    }
    ScsiAnswer(Command, Fixed, ScsiSenseBuild(Sense, Fixed, sizeof(Fixed)), Cdb->Allocation);
}

/*
 * REQUEST SENSE of SPC-4. Every CHECK CONDITION carries its sense data with
 * it (autosense), so there is never any left to report here: NO SENSE. Unit
 * attention conditions are told by ScsiReportAttention.
 */
void ScsiRequestSense(const SCSI_COMMAND *Command)
{
    static const SCSI_SENSE NoSense = {.Key = SCSI_SENSE_NO_SENSE};

    ScsiAnswerSense(Command, &NoSense);
}
