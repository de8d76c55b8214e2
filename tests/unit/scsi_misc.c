/* SPDX-License-Identifier: LGPL-2.1-only */
/* TEST UNIT READY, START STOP UNIT, REPORT LUNS, and what holds for every CDB. */
#include "scsi_support.h"

#include <string.h>

static void TestUnitReadyIsAlwaysReady(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectDone(&Disk, BYTES(0x00, 0, 0, 0, 0, 0));
    ExpectDone(&Disk, BYTES(0x00, 0xE0, 0, 0, 0, 0)); /* LUN 7 in the place that SCSI-2 had for it */
}

static void StartAndStopSucceed(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectDone(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x01, 0)); /* start */
    ExpectDone(&Disk, BYTES(0x1B, 0x01, 0, 0, 0x01, 0)); /* start, IMMED */
    ExpectDone(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x04, 0)); /* stop, NO_FLUSH */
    ExpectDone(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x05, 0)); /* start, NO_FLUSH */
}

static void StopWritesTheCache(void **State)
{
    SCSI_DISK Disk = TestDisk();
    SCSI_RESULT Result = Run(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x00, 0), 0);

    (void)State;
    assert_int_equal(Result.Action, SCSI_ACTION_FLUSH);
    assert_int_equal(Result.Lba, 0);
    assert_int_equal(Result.Blocks, 0);
    assert_int_equal(Result.DataLength, 0);
    Disk.WriteCache = false;
    ExpectDone(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x00, 0));
}

static void StartStopRefusesWhatTheDiskHasNot(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectRefused(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x02, 0), INVALID_FIELD); /* eject */
    ExpectRefused(&Disk, BYTES(0x1B, 0x00, 0, 0, 0x03, 0), INVALID_FIELD); /* load */
    for (uint8_t Condition = 1; Condition <= 15; Condition++) {
        ExpectRefused(&Disk, BYTES(0x1B, 0x00, 0, 0, (uint8_t)(Condition << 4), 0), INVALID_FIELD);
    }
}

static void ReportLunsListsTheDisk(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (uint8_t Select = 0; Select <= 2; Select += 2) { /* all but well known, all */
        ExpectAnswer(&Disk, BYTES(0xA0, 0, Select, 0, 0, 0, ZEROS_4, 0, 0), 6, 4,
                     BYTES(0, 0, 0, 8, ZEROS_4, 0, 0, 0, 0, 0, 0, 0, 0));
    }
    ExpectAnswer(&Disk, BYTES(0xA0, 0, 1, 0, 0, 0, ZEROS_4, 0, 0), 6, 4, BYTES(0, 0, 0, 0, ZEROS_4)); /* well known */
    ExpectRefused(&Disk, BYTES(0xA0, 0, 0x03, 0, 0, 0, 0, 0, 0, 16, 0, 0), INVALID_FIELD);
    ExpectRefused(&Disk, BYTES(0xA0, 0, 0x10, 0, 0, 0, 0, 0, 0, 16, 0, 0), INVALID_FIELD);
    ExpectRefused(&Disk, BYTES(0xA0, 0, 0xFF, 0, 0, 0, 0, 0, 0, 16, 0, 0), INVALID_FIELD);
}

/* Every command that is there, as it does something useful, with the length of its CDB. */
static const struct {
    uint8_t Length;
    uint8_t Cdb[16];
} Commands[] = {
    {6, {0x00}},
    {6, {0x03}},
    {6, {0x08, 0, 0, 0, 1}},
    {6, {0x0A, 0, 0, 0, 1}},
    {6, {0x12}},
    {6, {0x1A, 0, 0x3F}},
    {6, {0x1B, 0, 0, 0, 1}},
    {10, {0x25}},
    {10, {0x28}},
    {10, {0x2A}},
    {10, {0x2F}},
    {10, {0x35}},
    {10, {0x42}},
    {10, {0x5A, 0, 0x3F}},
    {10, {0x5E}},
    {10, {0x5F, 0, 0, 0, 0, 0, 0, 0, 24}},
    {16, {0x88}},
    {16, {0x8A}},
    {16, {0x8F}},
    {16, {0x91}},
    {16, {0x9E, 0x10}},
    {12, {0xA0}},
    {12, {0xA8}},
    {12, {0xAA}},
};

#define COMMAND_COUNT (sizeof(Commands) / sizeof(Commands[0]))

/* GOOD, with a buffer large enough for all of Commands (READ (6) of 256 blocks). */
static void ExpectGood(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength)
{
    static uint8_t Data[256 * 512];
    SCSI_RESULT Result;

    memset(&Result, 0xA5, sizeof(Result));
    ScsiDecode(Disk, Cdb, CdbLength, Data, sizeof(Data), &Result);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
}

static void EveryOtherOpcodeIsRefused(void **State)
{
    SCSI_DISK Disk = TestDisk();
    unsigned Refused = 0;

    (void)State;
    Disk.PersistentReservations = true;
    for (unsigned Opcode = 0; Opcode <= 0xFF; Opcode++) {
        bool Known = false;

        for (size_t Index = 0; Index < COMMAND_COUNT; Index++) {
            Known = Known || Commands[Index].Cdb[0] == Opcode;
        }
        if (!Known) {
            ExpectRefused(&Disk, BYTES((uint8_t)Opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), INVALID_OPCODE);
            ExpectRefused(&Disk, BYTES((uint8_t)Opcode), INVALID_OPCODE);
            Refused++;
        }
    }
    assert_int_equal(Refused, 256 - COMMAND_COUNT);
}

static void CdbLengthsAreChecked(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[32] = {0};

    (void)State;
    Disk.PersistentReservations = true;
    ExpectRefused(&Disk, Cdb, 0, INVALID_OPCODE);
    for (size_t Index = 0; Index < COMMAND_COUNT; Index++) {
        memcpy(Cdb, Commands[Index].Cdb, 16);
        for (size_t Length = 1; Length <= sizeof(Cdb); Length++) {
            if (Length >= Commands[Index].Length && Length <= 16) {
                ExpectGood(&Disk, Cdb, Length);
            } else {
                ExpectRefused(&Disk, Cdb, Length, INVALID_FIELD);
            }
        }
    }
}

static void NacaIsRefusedAndTheRestOfControlIgnored(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.PersistentReservations = true;
    for (size_t Index = 0; Index < COMMAND_COUNT; Index++) {
        uint8_t Length = Commands[Index].Length;
        uint8_t Cdb[16];

        memcpy(Cdb, Commands[Index].Cdb, sizeof(Cdb));
        Cdb[Length - 1] = 0xFB;
        ExpectGood(&Disk, Cdb, Length);
        Cdb[Length - 1] = 0x04;
        ExpectRefused(&Disk, Cdb, Length, INVALID_FIELD);
    }
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(TestUnitReadyIsAlwaysReady), cmocka_unit_test(StartAndStopSucceed),
        cmocka_unit_test(StopWritesTheCache),         cmocka_unit_test(StartStopRefusesWhatTheDiskHasNot),
        cmocka_unit_test(ReportLunsListsTheDisk),     cmocka_unit_test(EveryOtherOpcodeIsRefused),
        cmocka_unit_test(CdbLengthsAreChecked),       cmocka_unit_test(NacaIsRefusedAndTheRestOfControlIgnored),
    };

    return cmocka_run_group_tests_name("scsi.misc", Tests, NULL, NULL);
}
