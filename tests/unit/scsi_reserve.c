/* SPDX-License-Identifier: LGPL-2.1-only */
/* PERSISTENT RESERVE IN and OUT. */
#include "scsi_support.h"

#include <string.h>

/* Last service actions of SPC-4: READ FULL STATUS, REPLACE LOST RESERVATION. */
#define LAST_IN 0x03
#define LAST_OUT 0x08

static SCSI_DISK ReservableDisk(void)
{
    SCSI_DISK Disk = TestDisk();

    Disk.PersistentReservations = true;
    return Disk;
}

/* Decodes Cdb for a buffer of DataLength bytes, which is not touched. */
static SCSI_RESULT Decode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength)
{
    static uint8_t Data[0x10000];
    static const uint8_t Zeros[sizeof(Data)];
    SCSI_RESULT Result;

    memset(&Result, 0xA5, sizeof(Result));
    ScsiDecode(Disk, Cdb, CdbLength, Data, DataLength, &Result);
    assert_memory_equal(Data, Zeros, sizeof(Data));
    return Result;
}

static void ExpectIn(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength,
                     uint8_t ServiceAction, size_t Transfer)
{
    SCSI_RESULT Result = Decode(Disk, Cdb, CdbLength, DataLength);

    assert_int_equal(Result.Action, SCSI_ACTION_PERSISTENT_RESERVE_IN);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.ServiceAction, ServiceAction);
    assert_int_equal(Result.DataLength, Transfer);
    assert_int_equal(Result.Scope | Result.Type | Result.Blocks, 0);
}

static void ExpectOut(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength,
                      uint8_t ServiceAction, size_t Transfer)
{
    SCSI_RESULT Result = Decode(Disk, Cdb, CdbLength, DataLength);

    assert_int_equal(Result.Action, SCSI_ACTION_PERSISTENT_RESERVE_OUT);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.ServiceAction, ServiceAction);
    assert_int_equal(Result.DataLength, Transfer);
    assert_int_equal(Result.Blocks, 0);
}

static void ExpectOutRefused(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength)
{
    SCSI_RESULT Result = Decode(Disk, Cdb, CdbLength, DataLength);

    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(Result.Sense.Key, 0x05);
    assert_int_equal(Result.Sense.Asc, 0x1A);
    assert_int_equal(Result.Sense.Ascq, 0x00);
    assert_int_equal(Result.DataLength, 0);
}

static void WithoutSupportTheyAreNoCommands(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectRefused(&Disk, BYTES(0x5E, 0, 0, 0, 0, 0, 0, 0, 8, 0), INVALID_OPCODE);
    ExpectRefused(&Disk, BYTES(0x5F, 0, 0, 0, 0, 0, 0, 0, 24, 0), INVALID_OPCODE);
    ExpectRefused(&Disk, BYTES(0x5E), INVALID_OPCODE); /* whatever follows */
    ExpectRefused(&Disk, BYTES(0x5F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), INVALID_OPCODE);
}

static void FieldsOfIn(void **State)
{
    SCSI_DISK Disk = ReservableDisk();

    (void)State;
    for (uint8_t Action = 0; Action <= LAST_IN; Action++) {
        ExpectIn(&Disk, BYTES(0x5E, Action, 0, 0, 0, 0, 0, 0x12, 0x34, 0), 0x10000, Action, 0x1234);
        /* what is reserved is ignored */
        ExpectIn(&Disk, BYTES(0x5E, 0xE0 | Action, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 8, 0), 0x10000, Action, 8);
    }
    ExpectIn(&Disk, BYTES(0x5E, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), 0x10000, 0, 0xFFFF);
    for (uint8_t Action = LAST_IN + 1; Action <= 0x1F; Action++) {
        ExpectRefused(&Disk, BYTES(0x5E, Action, 0, 0, 0, 0, 0, 0, 8, 0), INVALID_FIELD);
    }
}

static void InIsCutToTheBuffer(void **State)
{
    SCSI_DISK Disk = ReservableDisk();
    SCSI_RESULT Result;

    (void)State;
    ExpectIn(&Disk, BYTES(0x5E, 1, 0, 0, 0, 0, 0, 0, 24, 0), 24, 1, 24);
    ExpectIn(&Disk, BYTES(0x5E, 1, 0, 0, 0, 0, 0, 0, 24, 0), 23, 1, 23);
    ExpectIn(&Disk, BYTES(0x5E, 1, 0, 0, 0, 0, 0, 0, 24, 0), 0, 1, 0);
    ExpectIn(&Disk, BYTES(0x5E, 1, 0, 0, 0, 0, 0, 0, 0, 0), 24, 1, 0); /* no error */
    Result = Run(&Disk, BYTES(0x5E, 1, 0, 0, 0, 0, 0, 0, 24, 0), 24);  /* a length, but no buffer */
    assert_int_equal(Result.Action, SCSI_ACTION_PERSISTENT_RESERVE_IN);
    assert_int_equal(Result.DataLength, 0);
}

static void FieldsOfOut(void **State)
{
    SCSI_DISK Disk = ReservableDisk();
    SCSI_RESULT Result;

    (void)State;
    for (uint8_t Action = 0; Action <= LAST_OUT; Action++) {
        ExpectOut(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0, 24, 0), 24, Action, 24);
        ExpectOut(&Disk, BYTES(0x5F, 0xE0 | Action, 0, 0xFF, 0xFF, 0, 0, 0, 24, 0), 24, Action, 24);
    }
    for (uint8_t Action = LAST_OUT + 1; Action <= 0x1F; Action++) {
        ExpectRefused(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0, 24, 0), INVALID_FIELD);
    }
    Result = Decode(&Disk, BYTES(0x5F, 0x01, 0x25, 0, 0, 0, 0, 0, 24, 0), 24);
    assert_int_equal(Result.Scope, 0x2);
    assert_int_equal(Result.Type, 0x5);
    Result = Decode(&Disk, BYTES(0x5F, 0x01, 0xFF, 0, 0, 0, 0, 0, 24, 0), 24);
    assert_int_equal(Result.Scope, 0xF);
    assert_int_equal(Result.Type, 0xF);
}

static void ListsOfOutAreOf24Bytes(void **State)
{
    SCSI_DISK Disk = ReservableDisk();

    (void)State;
    for (uint8_t Action = 0; Action <= LAST_OUT; Action++) {
        for (uint8_t Length = 0; Length < 24; Length++) {
            ExpectOutRefused(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0, Length, 0), 0x10000);
        }
        if (Action == 0x00 || Action == 0x07) { /* REGISTER, REGISTER AND MOVE: TransportIDs may follow */
            ExpectOut(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0, 25, 0), 25, Action, 25);
            ExpectOut(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0x12, 0x34, 0), 0x10000, Action, 0x1234);
        } else {
            ExpectOutRefused(&Disk, BYTES(0x5F, Action, 0, 0, 0, 0, 0, 0, 25, 0), 0x10000);
        }
    }
}

static void ListsOfOutHaveLengthsOf16Bits(void **State)
{
    SCSI_DISK Disk = ReservableDisk();

    (void)State;
    ExpectOut(&Disk, BYTES(0x5F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0), 0x10000, 0, 0xFFFF);
    ExpectOutRefused(&Disk, BYTES(0x5F, 0, 0, 0, 0, 0, 1, 0, 0, 0), 0x10000);
    ExpectOutRefused(&Disk, BYTES(0x5F, 0, 0, 0, 0, 0, 1, 0, 24, 0), 0x10000); /* 24 in the lower half */
    ExpectOutRefused(&Disk, BYTES(0x5F, 1, 0, 0, 0, 1, 0, 0, 24, 0), 0x10000);
    ExpectOutRefused(&Disk, BYTES(0x5F, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0), 0x10000);
}

static void ListsOfOutHaveToBeThere(void **State)
{
    SCSI_DISK Disk = ReservableDisk();

    (void)State;
    for (size_t Length = 0; Length < 24; Length++) {
        ExpectOutRefused(&Disk, BYTES(0x5F, 1, 0, 0, 0, 0, 0, 0, 24, 0), Length);
    }
    ExpectOut(&Disk, BYTES(0x5F, 1, 0, 0, 0, 0, 0, 0, 24, 0), 25, 1, 24); /* a larger buffer is none of its business */
    ExpectOutRefused(&Disk, BYTES(0x5F, 0, 0, 0, 0, 0, 0, 1, 0, 0), 255);
    assert_int_equal(Run(&Disk, BYTES(0x5F, 1, 0, 0, 0, 0, 0, 0, 24, 0), 24).Sense.Asc, 0x1A); /* length, no buffer */
}

static void ReadOnlyDisksAreReserved(void **State)
{
    SCSI_DISK Disk = ReservableDisk();

    (void)State;
    Disk.ReadOnly = true;
    ExpectIn(&Disk, BYTES(0x5E, 0, 0, 0, 0, 0, 0, 0, 8, 0), 8, 0, 8);
    ExpectOut(&Disk, BYTES(0x5F, 1, 0x01, 0, 0, 0, 0, 0, 24, 0), 24, 1, 24);
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(WithoutSupportTheyAreNoCommands),
        cmocka_unit_test(FieldsOfIn),
        cmocka_unit_test(InIsCutToTheBuffer),
        cmocka_unit_test(FieldsOfOut),
        cmocka_unit_test(ListsOfOutAreOf24Bytes),
        cmocka_unit_test(ListsOfOutHaveLengthsOf16Bits),
        cmocka_unit_test(ListsOfOutHaveToBeThere),
        cmocka_unit_test(ReadOnlyDisksAreReserved),
    };

    return cmocka_run_group_tests_name("scsi.reserve", Tests, NULL, NULL);
}
