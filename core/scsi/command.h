/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the command handlers share: the command at hand, the two ways to end it
 * at once (an answer, a refusal), and the handlers that the table in decode.c
 * names. Private to core/scsi.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#pragma once

#include "scsi/layout.h"
#include "scsi/scsi.h"

#define SCSI_VENDOR "WNBD    "          /* T10 vendor identification, 8 characters */
#define SCSI_PRODUCT "WNBD_DISK       " /* product identification, 16 characters */

typedef struct {
    const SCSI_DISK *Disk;
    uint64_t BlockCount; /* of the disk while the command is decoded; Disk->BlockCount may change meanwhile */
    const void *Cdb;     /* all bytes of the command are there; cast to its layout */
    void *Data;
    size_t DataLength;
    SCSI_RESULT *Result; /* starts as DONE, GOOD, all zero */
} SCSI_COMMAND;

typedef void SCSI_HANDLER(const SCSI_COMMAND *Command);

/* The sense data of every refusal, SPC-4, additional sense codes. */
extern const SCSI_SENSE ScsiParameterListLength; /* 5/1A/00 */
extern const SCSI_SENSE ScsiInvalidOpcode;       /* 5/20/00 */
extern const SCSI_SENSE ScsiLbaOutOfRange;       /* 5/21/00 */
extern const SCSI_SENSE ScsiInvalidFieldInCdb;   /* 5/24/00 */
extern const SCSI_SENSE ScsiInvalidFieldInList;  /* 5/26/00 */
extern const SCSI_SENSE ScsiSavingNotSupported;  /* 5/39/00 */
extern const SCSI_SENSE ScsiWriteProtected;      /* 7/27/00 */

/* Ends the command with CHECK CONDITION and Sense. */
void ScsiRefuse(const SCSI_COMMAND *Command, const SCSI_SENSE *Sense);

/* Bytes of the data buffer that can be touched: 0 where there is only its length. */
size_t ScsiRoom(const SCSI_COMMAND *Command);

/*
 * Ends the command with GOOD and the first bytes of Answer: as many as there
 * are, as Allocation asks for and as the data buffer holds. A cut is no error,
 * an allocation length of 0 neither (SPC-4, allocation length).
 */
void ScsiAnswer(const SCSI_COMMAND *Command, const void *Answer, size_t Length, size_t Allocation);

/* True if Blocks blocks at Lba are inside the disk (none at its end are); else the command is refused. */
bool ScsiCheckRange(const SCSI_COMMAND *Command, uint64_t Lba, uint32_t Blocks);

/* Answers a REQUEST SENSE with Sense. */
void ScsiAnswerSense(const SCSI_COMMAND *Command, const SCSI_SENSE *Sense);

/* Answers an INQUIRY with EVPD. */
SCSI_HANDLER ScsiVitalProductData;

SCSI_HANDLER ScsiInquiry;
SCSI_HANDLER ScsiModeSense6;
SCSI_HANDLER ScsiModeSense10;
SCSI_HANDLER ScsiPersistentReserveIn;
SCSI_HANDLER ScsiPersistentReserveOut;
SCSI_HANDLER ScsiRead;
SCSI_HANDLER ScsiReadCapacity10;
SCSI_HANDLER ScsiRequestSense;
SCSI_HANDLER ScsiServiceActionIn16;
SCSI_HANDLER ScsiSynchronizeCache;
SCSI_HANDLER ScsiUnmap;
SCSI_HANDLER ScsiVerify;
SCSI_HANDLER ScsiWrite;
