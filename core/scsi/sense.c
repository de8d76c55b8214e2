/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sense data: the refusals by name, their fixed format, and REQUEST SENSE.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define RESPONSE_FIXED_CURRENT 0x70u
#define RESPONSE_DESCRIPTOR_CURRENT 0x72u
#define FLAG_DESC 0x01u

const SCSI_SENSE ScsiParameterListLength = {SCSI_SENSE_ILLEGAL_REQUEST, 0x1A, 0x00};
const SCSI_SENSE ScsiInvalidOpcode = {SCSI_SENSE_ILLEGAL_REQUEST, 0x20, 0x00};
const SCSI_SENSE ScsiLbaOutOfRange = {SCSI_SENSE_ILLEGAL_REQUEST, 0x21, 0x00};
const SCSI_SENSE ScsiInvalidFieldInCdb = {SCSI_SENSE_ILLEGAL_REQUEST, 0x24, 0x00};
const SCSI_SENSE ScsiInvalidFieldInList = {SCSI_SENSE_ILLEGAL_REQUEST, 0x26, 0x00};
const SCSI_SENSE ScsiSavingNotSupported = {SCSI_SENSE_ILLEGAL_REQUEST, 0x39, 0x00};
const SCSI_SENSE ScsiWriteProtected = {SCSI_SENSE_DATA_PROTECT, 0x27, 0x00};

_Static_assert(sizeof(SENSE_FIXED) == SCSI_SENSE_SIZE, "the public size is that of the layout");

size_t ScsiSenseBuild(const SCSI_SENSE *Sense, uint8_t *Buffer, size_t Size)
{
    SENSE_FIXED Fixed = {.ResponseCode = RESPONSE_FIXED_CURRENT,
                         .Key = Sense->Key,
                         .AdditionalLength = sizeof(Fixed) - 8,
                         .Asc = Sense->Asc,
                         .Ascq = Sense->Ascq};
    size_t Length = Size < sizeof(Fixed) ? Size : sizeof(Fixed);

    if (Length != 0) {
        memcpy(Buffer, &Fixed, Length);
    }
    return Length;
}

/*
 * REQUEST SENSE of SPC-4. Every CHECK CONDITION carries its sense data with
 * it (autosense), so there is never any left to report here: NO SENSE.
 */
void ScsiRequestSense(const SCSI_COMMAND *Command)
{
    static const SCSI_SENSE NoSense = {SCSI_SENSE_NO_SENSE, 0x00, 0x00};
    static const SENSE_DESCRIPTOR Descriptor = {.ResponseCode = RESPONSE_DESCRIPTOR_CURRENT};
    const CDB_REQUEST_SENSE *Cdb = Command->Cdb;
    uint8_t Fixed[SCSI_SENSE_SIZE];

    if (Cdb->Flags & FLAG_DESC) {
        ScsiAnswer(Command, &Descriptor, sizeof(Descriptor), Cdb->Allocation);
        return;
    }
    ScsiAnswer(Command, Fixed, ScsiSenseBuild(&NoSense, Fixed, sizeof(Fixed)), Cdb->Allocation);
}
