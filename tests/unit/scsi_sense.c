/* SPDX-License-Identifier: LGPL-2.1-only */
/* Sense data: its format, what backends say, REQUEST SENSE and unit attention conditions. */
#include "scsi_support.h"

#include <string.h>

static void RequestSenseHasNothingToReport(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x03, 0, 0, 0, 0, 0), 4, 1,
                 BYTES(0x70, 0x00, 0x00, ZEROS_4, 0x0A, ZEROS_4, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00));
    ExpectAnswer(&Disk, BYTES(0x03, 0x01, 0, 0, 0, 0), 4, 1, BYTES(0x72, 0x00, 0x00, 0x00, 0, 0, 0, 0x00));
}

static void ExpectBuilt(const SCSI_SENSE *Sense, const uint8_t *Expected)
{
    for (size_t Size = 0; Size <= SCSI_SENSE_SIZE + 2; Size++) {
        size_t Length = Size < SCSI_SENSE_SIZE ? Size : SCSI_SENSE_SIZE;
        uint8_t Buffer[SCSI_SENSE_SIZE + 2];

        memset(Buffer, 0xA5, sizeof(Buffer));
        assert_int_equal(ScsiSenseBuild(Sense, Buffer, Size), Length);
        assert_memory_equal(Buffer, Expected, Length);
        for (size_t Index = Length; Index < sizeof(Buffer); Index++) {
            assert_int_equal(Buffer[Index], 0xA5);
        }
    }
}

static void SenseIsFixedFormatAndCut(void **State)
{
    static const uint8_t Expected[SCSI_SENSE_SIZE] = {0x70, 0, 0x05, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x24, 0x01};
    SCSI_SENSE Sense = {.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x24, .Ascq = 0x01};

    (void)State;
    ExpectBuilt(&Sense, Expected);
    Sense.Information = 0x12345678; /* not valid */
    ExpectBuilt(&Sense, Expected);
}

static void InformationIsFourBytes(void **State)
{
    static const uint8_t Small[SCSI_SENSE_SIZE] = {0xF0, 0, 0x03, 0x12, 0x34, 0x56, 0x78, 0x0A, 0, 0, 0, 0, 0x11, 0x00};
    static const uint8_t Zero[SCSI_SENSE_SIZE] = {0xF0, 0, 0x03, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x11, 0x00};
    static const uint8_t Last[SCSI_SENSE_SIZE] = {0xF0, 0, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0x0A, 0, 0, 0, 0, 0x11, 0x00};
    static const uint8_t None[SCSI_SENSE_SIZE] = {0x70, 0, 0x03, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x11, 0x00};
    SCSI_SENSE Sense = {.Key = SCSI_SENSE_MEDIUM_ERROR, .Asc = 0x11, .InformationValid = true};

    (void)State;
    ExpectBuilt(&Sense, Zero);
    Sense.Information = 0x12345678;
    ExpectBuilt(&Sense, Small);
    Sense.Information = 0xFFFFFFFF;
    ExpectBuilt(&Sense, Last);
    Sense.Information = 0x100000000; /* does not fit: not a wrong block, but none */
    ExpectBuilt(&Sense, None);
    Sense.Information = UINT64_MAX;
    ExpectBuilt(&Sense, None);
}

/* What a backend said, and what becomes of it. */
static const struct {
    uint8_t Status;
    uint8_t Said[3];
    uint8_t Wanted;
    uint8_t Sense[3]; /* with CHECK CONDITION */
} Answers[] = {
    {0x00, {0, 0, 0}, 0x00, {0, 0, 0}},
    {0x00, {3, 0x11, 0}, 0x00, {0, 0, 0}}, /* the status counts */
    {0x02, {1, 0x17, 1}, 0x02, {1, 0x17, 1}},
    {0x02, {3, 0x11, 4}, 0x02, {3, 0x11, 4}},
    {0x02, {5, 0x24, 0}, 0x02, {5, 0x24, 0}},
    {0x02, {6, 0x2A, 3}, 0x02, {6, 0x2A, 3}},
    {0x02, {7, 0x27, 7}, 0x02, {7, 0x27, 7}},
    {0x02, {0xF, 0x00, 0}, 0x02, {0xF, 0x00, 0}},
    {0x02, {4, 0xFF, 0xFF}, 0x02, {4, 0xFF, 0xFF}},
    {0x02, {0, 0x00, 0}, 0x02, {4, 0x44, 0}}, /* failed, but nobody says how */
    {0x02, {0, 0x11, 0}, 0x02, {4, 0x44, 0}},
    {0x02, {0x10, 0x11, 0}, 0x02, {4, 0x44, 0}}, /* would be other bits: EOM, ILI, FILEMARK */
    {0x02, {0xFF, 0x11, 0}, 0x02, {4, 0x44, 0}},
    {0x18, {0, 0, 0}, 0x18, {0, 0, 0}},
    {0x18, {3, 0x11, 0}, 0x18, {0, 0, 0}},
    {0x08, {0, 0, 0}, 0x02, {0xB, 0x55, 3}},
    {0x28, {3, 0x11, 0}, 0x02, {0xB, 0x55, 3}},
    {0x04, {0, 0, 0}, 0x02, {4, 0x44, 0}}, /* CONDITION MET, which no command of ours ends with */
    {0x30, {0, 0, 0}, 0x02, {4, 0x44, 0}}, /* ACA ACTIVE */
    {0x40, {0, 0, 0}, 0x02, {4, 0x44, 0}}, /* TASK ABORTED */
    {0x01, {0, 0, 0}, 0x02, {4, 0x44, 0}},
    {0x03, {3, 0x11, 0}, 0x02, {4, 0x44, 0}},
    {0xFF, {3, 0x11, 0}, 0x02, {4, 0x44, 0}},
};

static void BackendsAreUnderstood(void **State)
{
    (void)State;
    for (size_t Index = 0; Index < sizeof(Answers) / sizeof(Answers[0]); Index++) {
        const uint8_t *Said = Answers[Index].Said, *Wanted = Answers[Index].Sense;
        SCSI_SENSE Sense = {
            .Key = Said[0], .Asc = Said[1], .Ascq = Said[2], .InformationValid = true, .Information = 7};
        bool Kept = memcmp(Said, Wanted, 3) == 0;

        assert_int_equal(ScsiBackendStatus(Answers[Index].Status, &Sense), Answers[Index].Wanted);
        if (Answers[Index].Wanted == 0x02) {
            assert_int_equal(Sense.Key, Wanted[0]);
            assert_int_equal(Sense.Asc, Wanted[1]);
            assert_int_equal(Sense.Ascq, Wanted[2]);
            assert_int_equal(Sense.InformationValid, Kept);
            assert_int_equal(Sense.Information, Kept ? 7 : 0);
        }
    }
}

/* Every status and key: never a key that doesn't fit, never a failure that says nothing. */
static void NoBackendBreaksTheFormat(void **State)
{
    (void)State;
    for (unsigned Both = 0; Both <= 0xFFFF; Both++) {
        SCSI_SENSE Sense = {.Key = (uint8_t)Both};
        SCSI_STATUS Status = ScsiBackendStatus((uint8_t)(Both >> 8), &Sense);

        assert_int_equal(Status == SCSI_STATUS_GOOD, Both >> 8 == 0);
        assert_int_equal(Status == SCSI_STATUS_RESERVATION_CONFLICT, Both >> 8 == 0x18);
        if (Status != SCSI_STATUS_GOOD && Status != SCSI_STATUS_RESERVATION_CONFLICT) {
            assert_int_equal(Status, SCSI_STATUS_CHECK_CONDITION);
            assert_in_range(Sense.Key, 1, 0xF);
        }
    }
}

static bool Report(const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength, SCSI_RESULT *Result)
{
    memset(Result, 0xA5, sizeof(*Result));
    return ScsiReportAttention(&ScsiCapacityChanged, Cdb, CdbLength, Data, DataLength, Result);
}

static void AttentionEndsCommands(void **State)
{
    (void)State;
    for (unsigned Opcode = 0; Opcode <= 0xFF; Opcode++) {
        bool Silent = Opcode == 0x12 || Opcode == 0xA0; /* INQUIRY, REPORT LUNS */
        uint8_t Cdb[16] = {(uint8_t)Opcode};
        uint8_t Data[64], Before[64];
        SCSI_RESULT Result;

        memset(Data, 0xA5, sizeof(Data));
        memset(Before, 0xA5, sizeof(Before));
        if (Opcode == 0x03) {
            continue;
        }
        assert_int_equal(Report(Cdb, sizeof(Cdb), Data, sizeof(Data), &Result), !Silent);
        assert_memory_equal(Data, Before, sizeof(Data));
        if (!Silent) {
            assert_int_equal(Result.Action, SCSI_ACTION_DONE);
            assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
            assert_int_equal(Result.Sense.Key, 0x6);
            assert_int_equal(Result.Sense.Asc, 0x2A);
            assert_int_equal(Result.Sense.Ascq, 0x09);
            assert_int_equal(Result.DataLength, 0);
        }
    }
}

static void ExpectAttention(uint8_t Flags, size_t DataLength, uint8_t Allocation, const uint8_t *Expected,
                            size_t ExpectedLength)
{
    const uint8_t Cdb[6] = {0x03, Flags, 0, 0, Allocation, 0};
    uint8_t Data[32];
    SCSI_RESULT Result;

    memset(Data, 0xA5, sizeof(Data));
    assert_true(Report(Cdb, sizeof(Cdb), Data, DataLength, &Result));
    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.DataLength, ExpectedLength);
    assert_memory_equal(Data, Expected, ExpectedLength);
    for (size_t Index = ExpectedLength; Index < sizeof(Data); Index++) {
        assert_int_equal(Data[Index], 0xA5);
    }
}

static void AttentionIsWhatRequestSenseAnswers(void **State)
{
    static const uint8_t Fixed[18] = {0x70, 0, 0x06, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x2A, 0x09};
    static const uint8_t Descriptor[8] = {0x72, 0x06, 0x2A, 0x09};

    (void)State;
    for (uint8_t Length = 0; Length <= 20; Length++) {
        size_t FixedLength = Length < 18 ? Length : 18, DescriptorLength = Length < 8 ? Length : 8;

        ExpectAttention(0, 32, Length, Fixed, FixedLength);
        ExpectAttention(0, Length, 252, Fixed, FixedLength);
        ExpectAttention(1, 32, Length, Descriptor, DescriptorLength);
        ExpectAttention(1, Length, 252, Descriptor, DescriptorLength);
    }
}

static void AttentionOutlivesBrokenCommands(void **State)
{
    uint8_t Data[32];
    SCSI_RESULT Result;

    (void)State;
    assert_false(Report(BYTES(0x03, 0, 0, 0, 18), Data, sizeof(Data), &Result));       /* too short */
    assert_false(Report(BYTES(0x03, 0, 0, 0, 18, 0x04), Data, sizeof(Data), &Result)); /* NACA */
    assert_false(Report((const uint8_t[]){0x00}, 0, Data, sizeof(Data), &Result));     /* none at all */
    assert_true(Report((const uint8_t[]){0x28}, 1, Data, sizeof(Data), &Result));      /* has precedence */
    assert_int_equal(Result.Sense.Asc, 0x2A);
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(RequestSenseHasNothingToReport),
        cmocka_unit_test(SenseIsFixedFormatAndCut),
        cmocka_unit_test(InformationIsFourBytes),
        cmocka_unit_test(BackendsAreUnderstood),
        cmocka_unit_test(NoBackendBreaksTheFormat),
        cmocka_unit_test(AttentionEndsCommands),
        cmocka_unit_test(AttentionIsWhatRequestSenseAnswers),
        cmocka_unit_test(AttentionOutlivesBrokenCommands),
    };

    return cmocka_run_group_tests_name("scsi.sense", Tests, NULL, NULL);
}
