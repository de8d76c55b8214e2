/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The table of commands, what is checked for all of them, and the commands
 * that need no more than a few lines.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "base/compiler.h"
#include "scsi/command.h"

#define OPCODE_REQUEST_SENSE 0x03u
#define OPCODE_INQUIRY 0x12u
#define OPCODE_REPORT_LUNS 0xA0u

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
    bool (*Exists)(const SCSI_DISK *Disk); /* NULL: on every disk */
} SCSI_OPERATION;

static SCSI_HANDLER TestUnitReady;
static SCSI_HANDLER StartStopUnit;
static SCSI_HANDLER ReportLuns;

static bool CanUnmap(const SCSI_DISK *Disk)
{
    return Disk->Unmap;
}

static bool CanReserve(const SCSI_DISK *Disk)
{
    return Disk->PersistentReservations;
}

/* Ascending by operation code. */
static const SCSI_OPERATION Operations[] = {
    {0x00, 6, TestUnitReady, NULL},
    {OPCODE_REQUEST_SENSE, 6, ScsiRequestSense, NULL},
    {0x08, 6, ScsiRead, NULL},
    {0x0A, 6, ScsiWrite, NULL},
    {OPCODE_INQUIRY, 6, ScsiInquiry, NULL},
    {0x1A, 6, ScsiModeSense6, NULL},
    {0x1B, 6, StartStopUnit, NULL},
    {0x25, 10, ScsiReadCapacity10, NULL},
    {0x28, 10, ScsiRead, NULL},
    {0x2A, 10, ScsiWrite, NULL},
    {0x2F, 10, ScsiVerify, NULL},
    {0x35, 10, ScsiSynchronizeCache, NULL},
    {0x42, 10, ScsiUnmap, CanUnmap},
    {0x5A, 10, ScsiModeSense10, NULL},
    {0x5E, 10, ScsiPersistentReserveIn, CanReserve},
    {0x5F, 10, ScsiPersistentReserveOut, CanReserve},
    {0x88, 16, ScsiRead, NULL},
    {0x8A, 16, ScsiWrite, NULL},
    {0x8F, 16, ScsiVerify, NULL},
    {0x91, 16, ScsiSynchronizeCache, NULL},
    {0x9E, 16, ScsiServiceActionIn16, NULL},
    {OPCODE_REPORT_LUNS, 12, ReportLuns, NULL},
    {0xA8, 12, ScsiRead, NULL},
    {0xAA, 12, ScsiWrite, NULL},
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

void ScsiResize(SCSI_DISK *Disk, uint64_t BlockCount)
{
    COMPILER_STORE64(&Disk->BlockCount, BlockCount);
}

void ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                SCSI_RESULT *Result)
{
    SCSI_COMMAND Command = {Disk, COMPILER_LOAD64(&Disk->BlockCount), Cdb, Data, DataLength, Result};

    memset(Result, 0, sizeof(*Result));
    Result->Action = SCSI_ACTION_DONE;
    Result->Status = SCSI_STATUS_GOOD;
    for (size_t Index = 0; CdbLength != 0 && Index < sizeof(Operations) / sizeof(Operations[0]); Index++) {
        const SCSI_OPERATION *Operation = &Operations[Index];

        if (Operation->Opcode == Cdb[0] && (Operation->Exists == NULL || Operation->Exists(Disk))) {
            if (CheckCdb(&Command, CdbLength, Operation->Length)) {
                Operation->Handler(&Command);
            }
            return;
        }
    }
    ScsiRefuse(&Command, &ScsiInvalidOpcode);
}

/* SPC-4, INQUIRY, REPORT LUNS and REQUEST SENSE: what each does about unit attention conditions. */
bool ScsiReportAttention(const SCSI_SENSE *Attention, const uint8_t *Cdb, size_t CdbLength, void *Data,
                         size_t DataLength, SCSI_RESULT *Result)
{
    SCSI_COMMAND Command = {.Cdb = Cdb, .Data = Data, .DataLength = DataLength, .Result = Result};

    if (CdbLength == 0 || Cdb[0] == OPCODE_INQUIRY || Cdb[0] == OPCODE_REPORT_LUNS) {
        return false;
    }
    memset(Result, 0, sizeof(*Result));
    if (Cdb[0] != OPCODE_REQUEST_SENSE) {
        ScsiRefuse(&Command, Attention);
        return true;
    }
    if (!CheckCdb(&Command, CdbLength, sizeof(CDB_REQUEST_SENSE))) {
        return false;
    }
    ScsiAnswerSense(&Command, Attention);
    return true;
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
