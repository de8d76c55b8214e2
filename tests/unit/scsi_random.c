/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random disks, CDBs and data buffers from fixed seeds, to be run under the
 * address and undefined behaviour sanitizers: whatever comes in, what goes out
 * keeps its promises.
 */
#include "scsi_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_PER_SEED 100000u
#define BUFFER_MAX 400u
#define ACTION_COUNT (SCSI_ACTION_PERSISTENT_RESERVE_OUT + 1)

typedef struct {
    uint64_t State;
    unsigned Actions[ACTION_COUNT];
    unsigned Refusals;
    unsigned Answers;
} RANDOM;

/* SplitMix64. */
static uint64_t Next(RANDOM *Random)
{
    uint64_t Value = Random->State += 0x9E3779B97F4A7C15;

    Value = (Value ^ Value >> 30) * 0xBF58476D1CE4E5B9;
    Value = (Value ^ Value >> 27) * 0x94D049BB133111EB;
    return Value ^ Value >> 31;
}

static uint32_t Below(RANDOM *Random, uint32_t Limit)
{
    return (uint32_t)(Next(Random) % Limit);
}

static bool Chance(RANDOM *Random, uint32_t OneIn)
{
    return Below(Random, OneIn) == 0;
}

static SCSI_DISK RandomDisk(RANDOM *Random)
{
    SCSI_DISK Disk = {0};
    size_t Serial = Below(Random, SCSI_SERIAL_MAX + 1);

    Disk.BlockCount = 1 + Next(Random) % (Chance(Random, 3) ? 16 : UINT64_MAX);
    Disk.BlockSize = Chance(Random, 2) ? 512 : 4096;
    Disk.PhysicalBlockSize = Disk.BlockSize << Below(Random, 19);
    Disk.OptimalBlocks = Below(Random, 3000);
    Disk.MaximumBlocks = Chance(Random, 2) ? 0 : Below(Random, 100);
    Disk.MaximumUnmapDescriptors = Chance(Random, 2) ? 0 : Below(Random, 5);
    Disk.ReadOnly = Chance(Random, 4);
    Disk.WriteCache = Chance(Random, 2);
    Disk.ForceUnitAccess = Chance(Random, 2);
    Disk.Unmap = !Chance(Random, 4);
    Disk.UnmapAnchor = Chance(Random, 2);
    Disk.PersistentReservations = !Chance(Random, 4);
    Disk.Rotational = Chance(Random, 2);
    Disk.NaaSpecified = Chance(Random, 2);
    for (size_t Index = 0; Index < sizeof(Disk.Naa); Index++) {
        Disk.Naa[Index] = (uint8_t)Next(Random);
    }
    for (size_t Index = 0; Index < Serial; Index++) {
        Disk.SerialNumber[Index] = (char)(1 + Below(Random, 255));
    }
    memcpy(Disk.Revision, "abcd", Below(Random, 5));
    return Disk;
}

/* Mostly commands that exist, mostly with small numbers in them, so that all of the code is reached. */
static size_t RandomCdb(RANDOM *Random, uint8_t *Cdb)
{
    static const uint8_t Opcodes[] = {0x00, 0x03, 0x08, 0x0A, 0x12, 0x1A, 0x1B, 0x25, 0x28, 0x2A, 0x2F, 0x35,
                                      0x42, 0x5A, 0x5E, 0x5F, 0x88, 0x8A, 0x8F, 0x91, 0x9E, 0xA0, 0xA8, 0xAA};
    static const uint8_t Pages[] = {0x00, 0x08, 0x0A, 0x3F, 0x80, 0x83, 0xB0, 0xB1, 0xB2, 0x7F};

    for (size_t Index = 0; Index < 16; Index++) {
        Cdb[Index] = Chance(Random, 3) ? (uint8_t)(Next(Random) & Next(Random)) : 0;
    }
    Cdb[0] = Chance(Random, 10) ? (uint8_t)Next(Random) : Opcodes[Below(Random, sizeof(Opcodes))];
    if (Cdb[0] == 0x12 || Cdb[0] == 0x1A || Cdb[0] == 0x5A) {
        Cdb[2] = Pages[Below(Random, sizeof(Pages))];
    }
    if (Cdb[0] == 0x9E && Chance(Random, 2)) {
        Cdb[1] = 0x10;
    }
    if (Cdb[0] == 0x5F && Chance(Random, 2)) {
        Cdb[5] = Cdb[6] = Cdb[7] = 0;
        Cdb[8] = (uint8_t)(20 + Below(Random, 16));
    }
    return Chance(Random, 10) ? Below(Random, 17) : 16;
}

static void FillBuffer(RANDOM *Random, uint8_t *Data, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++) {
        Data[Index] = Chance(Random, 8) ? (uint8_t)Next(Random) : 0;
    }
    for (size_t Index = 1; Index < 4 && Index < Length; Index += 2) {
        Data[Index] = (uint8_t)Below(Random, 128); /* lengths of an UNMAP list */
    }
}

static void CheckRange(const SCSI_DISK *Disk, uint64_t Lba, uint32_t Blocks)
{
    assert_true(Lba <= Disk->BlockCount);
    assert_true(Blocks <= Disk->BlockCount - Lba);
}

static void CheckUnmap(const SCSI_DISK *Disk, const SCSI_RESULT *Result, const uint8_t *Data, size_t DataLength)
{
    uint64_t Lba;
    uint32_t Blocks;

    assert_true(Disk->Unmap && !Disk->ReadOnly);
    assert_true(!Result->Anchor || Disk->UnmapAnchor);
    assert_true(Result->DataLength <= DataLength);
    assert_true(Disk->MaximumUnmapDescriptors == 0 || Result->DescriptorCount <= Disk->MaximumUnmapDescriptors);
    if (Result->DescriptorCount != 0) {
        assert_true(Result->Descriptors == Data + 8);
        assert_true(8 + 16 * (size_t)Result->DescriptorCount <= Result->DataLength);
    }
    for (uint32_t Index = 0; Index < Result->DescriptorCount; Index++) {
        ScsiUnmapDescriptor(Result, Index, &Lba, &Blocks);
        CheckRange(Disk, Lba, Blocks);
    }
}

static void CheckBlocks(const SCSI_DISK *Disk, const SCSI_RESULT *Result, size_t DataLength)
{
    CheckRange(Disk, Result->Lba, Result->Blocks);
    assert_true(Disk->MaximumBlocks == 0 || Result->Blocks <= Disk->MaximumBlocks);
    assert_true(!Result->Fua || Disk->ForceUnitAccess);
    if (Result->Action == SCSI_ACTION_VERIFY) {
        assert_int_equal(Result->DataLength, 0);
    } else {
        assert_int_equal(Result->DataLength, (uint64_t)Result->Blocks * Disk->BlockSize);
        assert_true(Result->DataLength <= DataLength);
        assert_true(Result->Action == SCSI_ACTION_READ || !Disk->ReadOnly);
    }
}

static void CheckReserve(const SCSI_DISK *Disk, const SCSI_RESULT *Result, size_t DataLength)
{
    assert_true(Disk->PersistentReservations);
    assert_true(Result->DataLength <= DataLength);
    if (Result->Action == SCSI_ACTION_PERSISTENT_RESERVE_IN) {
        assert_in_range(Result->ServiceAction, 0, 3);
        assert_int_equal(Result->Scope | Result->Type, 0);
    } else {
        assert_in_range(Result->ServiceAction, 0, 8);
        assert_in_range(Result->DataLength, 24, 0xFFFF);
        assert_true(Result->Scope <= 0xF && Result->Type <= 0xF);
    }
}

static void CheckDone(const SCSI_RESULT *Result, size_t DataLength)
{
    if (Result->Status == SCSI_STATUS_CHECK_CONDITION) {
        assert_true(Result->Sense.Key == SCSI_SENSE_ILLEGAL_REQUEST || Result->Sense.Key == SCSI_SENSE_DATA_PROTECT);
        assert_true(Result->Sense.Asc != 0);
        assert_int_equal(Result->DataLength, 0);
    } else {
        assert_int_equal(Result->Sense.Key | Result->Sense.Asc | Result->Sense.Ascq, 0);
        assert_true(Result->DataLength <= DataLength);
    }
    assert_int_equal(Result->Blocks, 0);
    assert_null(Result->Descriptors);
}

static void Check(RANDOM *Random, const SCSI_DISK *Disk, const SCSI_RESULT *Result, const uint8_t *Before,
                  const uint8_t *Data, size_t DataLength)
{
    size_t Written = Result->Action == SCSI_ACTION_DONE ? Result->DataLength : 0;

    assert_in_range(Result->Action, SCSI_ACTION_DONE, ACTION_COUNT - 1);
    assert_true(Result->Action == SCSI_ACTION_DONE || Result->Status == SCSI_STATUS_GOOD);
    switch (Result->Action) {
    case SCSI_ACTION_DONE:
        CheckDone(Result, DataLength);
        break;
    case SCSI_ACTION_READ:
    case SCSI_ACTION_WRITE:
    case SCSI_ACTION_VERIFY:
        CheckBlocks(Disk, Result, DataLength);
        break;
    case SCSI_ACTION_FLUSH:
        assert_true(Disk->WriteCache);
        CheckRange(Disk, Result->Lba, Result->Blocks);
        break;
    case SCSI_ACTION_UNMAP:
        CheckUnmap(Disk, Result, Data, DataLength);
        break;
    case SCSI_ACTION_PERSISTENT_RESERVE_IN:
    case SCSI_ACTION_PERSISTENT_RESERVE_OUT:
        CheckReserve(Disk, Result, DataLength);
        break;
    }
    assert_memory_equal(Data + Written, Before + Written, DataLength - Written);
    Random->Actions[Result->Action]++;
    Random->Refusals += Result->Status == SCSI_STATUS_CHECK_CONDITION;
    Random->Answers += Written != 0;
}

static void OneCommand(RANDOM *Random, const SCSI_DISK *Disk)
{
    size_t DataLength = Below(Random, BUFFER_MAX);
    uint8_t *Data = malloc(DataLength + 1); /* used from its second byte: ends where it ends, and is never NULL */
    uint8_t *Start = Data + 1;
    uint8_t Before[BUFFER_MAX], Bytes[16];
    size_t CdbLength = RandomCdb(Random, Bytes);
    uint8_t *Cdb = malloc(CdbLength + 1);
    SCSI_RESULT Result, Again;

    assert_non_null(Data);
    assert_non_null(Cdb);
    memcpy(Cdb + 1, Bytes, CdbLength);
    FillBuffer(Random, Start, DataLength);
    memcpy(Before, Start, DataLength);
    memset(&Result, 0xA5, sizeof(Result));
    ScsiDecode(Disk, Cdb + 1, CdbLength, Start, DataLength, &Result);
    Check(Random, Disk, &Result, Before, Start, DataLength);
    if (Result.Action == SCSI_ACTION_UNMAP && DataLength > 8) { /* the sender writes to its list meanwhile */
        for (size_t Index = 8; Index < DataLength; Index++) {
            Start[Index] = (uint8_t)Next(Random);
        }
        CheckUnmap(Disk, &Result, Start, DataLength);
    }
    if (Result.Action != SCSI_ACTION_UNMAP) { /* same command, same result: nothing is remembered */
        memset(&Again, 0x5A, sizeof(Again));
        ScsiDecode(Disk, Cdb + 1, CdbLength, Start, DataLength, &Again);
        assert_int_equal(Again.Action, Result.Action);
        assert_int_equal(Again.Status, Result.Status);
        assert_int_equal(Again.DataLength, Result.DataLength);
        assert_int_equal(Again.Lba, Result.Lba);
    }
    free(Cdb);
    free(Data);
}

/* Large transfers, with a length and no buffer, so that reads and writes at both ends of the disk occur often. */
static void OneTransfer(RANDOM *Random, const SCSI_DISK *Disk)
{
    static const uint8_t Opcodes[] = {0x88, 0x8A, 0x8F, 0x91};
    uint64_t Lba = Chance(Random, 2) ? Next(Random) : Disk->BlockCount + Below(Random, 9) - 4;
    uint32_t Blocks = Chance(Random, 2) ? (uint32_t)Next(Random) : Below(Random, 9);
    uint8_t Cdb[16] = {Opcodes[Below(Random, sizeof(Opcodes))]};
    bool Inside = Lba <= Disk->BlockCount && Blocks <= Disk->BlockCount - Lba;
    SCSI_RESULT Result;

    for (size_t Index = 0; Index < 8; Index++) {
        Cdb[2 + Index] = (uint8_t)(Lba >> (56 - 8 * Index));
    }
    for (size_t Index = 0; Index < 4; Index++) {
        Cdb[10 + Index] = (uint8_t)(Blocks >> (24 - 8 * Index));
    }
    memset(&Result, 0xA5, sizeof(Result));
    ScsiDecode(Disk, Cdb, sizeof(Cdb), NULL, SIZE_MAX, &Result);
    if (Result.Action != SCSI_ACTION_DONE) {
        assert_true(Inside);
        assert_int_equal(Result.Lba, Lba);
        assert_int_equal(Result.Blocks, Blocks);
        Random->Actions[Result.Action]++;
        if (Result.Action != SCSI_ACTION_FLUSH) {
            CheckBlocks(Disk, &Result, SIZE_MAX);
        }
    } else if (!Inside) {
        assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    }
}

static void RandomCommandsKeepTheirPromises(void **State)
{
    static const uint64_t Seeds[] = {1, 2, 0x5EED, 0xFFFFFFFFFFFFFFFF};

    (void)State;
    for (size_t Index = 0; Index < sizeof(Seeds) / sizeof(Seeds[0]); Index++) {
        RANDOM Random = {.State = Seeds[Index]};

        print_message("seed %llu\n", (unsigned long long)Seeds[Index]);
        for (unsigned Command = 0; Command < COMMANDS_PER_SEED; Command++) {
            SCSI_DISK Disk = RandomDisk(&Random);

            OneCommand(&Random, &Disk);
            OneTransfer(&Random, &Disk);
        }
        for (size_t Action = 0; Action < ACTION_COUNT; Action++) { /* else this proved nothing */
            assert_true(Random.Actions[Action] > 200);
        }
        assert_true(Random.Refusals > 1000);
        assert_true(Random.Answers > 1000);
    }
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(RandomCommandsKeepTheirPromises),
    };

    return cmocka_run_group_tests_name("scsi.random", Tests, NULL, NULL);
}
