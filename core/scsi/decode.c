/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The table of commands, what is checked for all of them, and the commands
 * that need no more than a few lines.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define CDB_LENGTH_MAX 16u
#define CONTROL_NACA 0x04u

/* START STOP UNIT byte 4 */
#define FLAG_START 0x01u
#define FLAG_LOEJ 0x02u
#define FLAG_NO_FLUSH 0x04u
#define FLAG_POWER_CONDITION 0xF0u

/* REPORT LUNS: SELECT REPORT */
#define SELECT_WELL_KNOWN 0x01u
#define SELECT_ALL 0x02u

typedef struct {
    uint8_t Opcode;
    uint8_t Length; /* bytes of the CDB; the last one is CONTROL */
    SCSI_HANDLER *Handler;
} SCSI_OPERATION;

static SCSI_HANDLER TestUnitReady;
static SCSI_HANDLER StartStopUnit;
static SCSI_HANDLER ReportLuns;

/* Ascending by operation code. */
static const SCSI_OPERATION Operations[] = {
    {0x00, 6, TestUnitReady},
    {0x03, 6, ScsiRequestSense},
    {0x08, 6, ScsiRead},
    {0x0A, 6, ScsiWrite},
    {0x12, 6, ScsiInquiry},
    {0x1A, 6, ScsiModeSense6},
    {0x1B, 6, StartStopUnit},
    {0x25, 10, ScsiReadCapacity10},
    {0x28, 10, ScsiRead},
    {0x2A, 10, ScsiWrite},
    {0x2F, 10, ScsiVerify},
    {0x35, 10, ScsiSynchronizeCache},
    {0x42, 10, ScsiUnmap},
    {0x5A, 10, ScsiModeSense10},
    {0x88, 16, ScsiRead},
    {0x8A, 16, ScsiWrite},
    {0x8F, 16, ScsiVerify},
    {0x91, 16, ScsiSynchronizeCache},
    {0x9E, 16, ScsiServiceActionIn16},
    {0xA0, 12, ReportLuns},
    {0xA8, 12, ScsiRead},
    {0xAA, 12, ScsiWrite},
};

void ScsiRefuse(const SCSI_COMMAND *Command, const SCSI_SENSE *Sense)
{
    memset(Command->Result, 0, sizeof(*Command->Result));
    Command->Result->Action = SCSI_ACTION_DONE;
    Command->Result->Status = SCSI_STATUS_CHECK_CONDITION;
    Command->Result->Sense = *Sense;
}

size_t ScsiRoom(const SCSI_COMMAND *Command)
{
    return Command->Data != NULL ? Command->DataLength : 0;
}

void ScsiAnswer(const SCSI_COMMAND *Command, const void *Answer, size_t Length, size_t Allocation)
{
    if (Length > Allocation) {
        Length = Allocation;
    }
    if (Length > ScsiRoom(Command)) {
        Length = ScsiRoom(Command);
    }
    if (Length != 0) {
        memcpy(Command->Data, Answer, Length);
    }
    Command->Result->DataLength = Length;
}

/*
 * What holds for every command. The CDB may be longer than the command (some
 * callers always send 16 bytes), never shorter. NACA asks for a way of error
 * handling that NORMACA in the INQUIRY data denies: refused (SAM-5, CONTROL byte). The
 * other bits of CONTROL are vendor specific, reserved or obsolete: ignored.
 */
static bool CheckCdb(const SCSI_COMMAND *Command, size_t CdbLength, size_t Length)
{
    const uint8_t *Cdb = Command->Cdb;

    if (CdbLength >= Length && CdbLength <= CDB_LENGTH_MAX && !(Cdb[Length - 1] & CONTROL_NACA)) {
        return true;
    }
    ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    return false;
}

void ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                SCSI_RESULT *Result)
{
    SCSI_COMMAND Command = {Disk, Cdb, Data, DataLength, Result};

    memset(Result, 0, sizeof(*Result));
    Result->Action = SCSI_ACTION_DONE;
    Result->Status = SCSI_STATUS_GOOD;
    for (size_t Index = 0; CdbLength != 0 && Index < sizeof(Operations) / sizeof(Operations[0]); Index++) {
        const SCSI_OPERATION *Operation = &Operations[Index];

        if (Operation->Opcode == Cdb[0]) {
            if (CheckCdb(&Command, CdbLength, Operation->Length)) {
                Operation->Handler(&Command);
            }
            return;
        }
    }
    ScsiRefuse(&Command, &ScsiInvalidOpcode);
}

/* TEST UNIT READY of SPC-4: a disk that is not ready is not there at all. */
static void TestUnitReady(const SCSI_COMMAND *Command)
{
    (void)Command;
}

/*
 * START STOP UNIT of SBC-3. There is no motor and there are no power
 * conditions: start and stop succeed and change nothing. A stop without
 * NO_FLUSH writes the cache first, as the standard demands. Load and eject need
 * the removable medium that the INQUIRY data denies, power conditions their
 * mode page: both are refused. IMMED permits an early answer, no more.
 */
static void StartStopUnit(const SCSI_COMMAND *Command)
{
    const CDB_START_STOP *Cdb = Command->Cdb;

    if (Cdb->Flags & (FLAG_LOEJ | FLAG_POWER_CONDITION)) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    } else if (!(Cdb->Flags & (FLAG_START | FLAG_NO_FLUSH)) && Command->Disk->WriteCache) {
        Command->Result->Action = SCSI_ACTION_FLUSH;
    }
}

/* REPORT LUNS of SPC-4. The LUN is 0; well known logical units don't exist. */
static void ReportLuns(const SCSI_COMMAND *Command)
{
    const CDB_REPORT_LUNS *Cdb = Command->Cdb;
    bool Listed = Cdb->Select != SELECT_WELL_KNOWN;
    LUN_LIST List = {0};

    if (Cdb->Select > SELECT_ALL) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    Be32Store(&List.ListLength, Listed ? sizeof(List.Lun) : 0);
    ScsiAnswer(Command, &List, Listed ? sizeof(List) : sizeof(List) - sizeof(List.Lun), Be32Load(Cdb->Allocation));
}
