/* SPDX-License-Identifier: LGPL-2.1-only */
/* READ, WRITE, VERIFY, SYNCHRONIZE CACHE, READ CAPACITY. */
#include "scsi_support.h"

#include <string.h>

#define LARGE_BUFFER ((size_t)1 << 40)

static const uint8_t Reads[] = {0x28, 0xA8, 0x88};
static const uint8_t Writes[] = {0x2A, 0xAA, 0x8A};

/* A CDB for Opcode, whose form follows from its upper bits. */
static size_t MakeCdb(uint8_t *Cdb, uint8_t Opcode, uint8_t Flags, uint64_t Lba, uint32_t Blocks)
{
    size_t Length = Opcode >> 5 == 4 ? 16 : Opcode >> 5 == 5 ? 12 : 10;
    size_t LbaSize = Length == 16 ? 8 : 4;
    size_t BlocksAt = Length == 16 ? 10 : Length == 12 ? 6 : 7;
    size_t BlocksSize = Length == 10 ? 2 : 4;

    memset(Cdb, 0, 16);
    Cdb[0] = Opcode;
    Cdb[1] = Flags;
    for (size_t Index = 0; Index < LbaSize; Index++) {
        Cdb[2 + Index] = (uint8_t)(Lba >> 8 * (LbaSize - 1 - Index));
    }
    for (size_t Index = 0; Index < BlocksSize; Index++) {
        Cdb[BlocksAt + Index] = (uint8_t)(Blocks >> 8 * (BlocksSize - 1 - Index));
    }
    return Length;
}

static void ExpectBlocks(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, SCSI_ACTION Action, uint64_t Lba,
                         uint32_t Blocks, size_t DataLength)
{
    SCSI_RESULT Result = Run(Disk, Cdb, CdbLength, LARGE_BUFFER);

    assert_int_equal(Result.Action, Action);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.Sense.Key, 0);
    assert_int_equal(Result.Lba, Lba);
    assert_int_equal(Result.Blocks, Blocks);
    assert_int_equal(Result.DataLength, DataLength);
}

/* Refused whatever the size of the buffer. */
static void ExpectRefusedBlocks(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, uint8_t Key, uint8_t Asc,
                                uint8_t Ascq)
{
    SCSI_RESULT Result = Run(Disk, Cdb, CdbLength, LARGE_BUFFER);

    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(Result.Sense.Key, Key);
    assert_int_equal(Result.Sense.Asc, Asc);
    assert_int_equal(Result.Sense.Ascq, Ascq);
    assert_int_equal(Result.DataLength, 0);
    assert_int_equal(Result.Blocks, 0);
}

static void FieldsOfEveryForm(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.BlockCount = UINT64_MAX;
    ExpectBlocks(&Disk, BYTES(0x08, 0x12, 0x34, 0x56, 0x78, 0), SCSI_ACTION_READ, 0x123456, 0x78, 0x78 * 512);
    ExpectBlocks(&Disk, BYTES(0x0A, 0x1F, 0xFF, 0xFF, 0x01, 0), SCSI_ACTION_WRITE, 0x1FFFFF, 1, 512);
    ExpectBlocks(&Disk, BYTES(0x28, 0, 0x12, 0x34, 0x56, 0x78, 0x1F, 0x9A, 0xBC, 0), SCSI_ACTION_READ, 0x12345678,
                 0x9ABC, 0x9ABC * 512);
    ExpectBlocks(&Disk, BYTES(0x2A, 0, 0xFE, 0xDC, 0xBA, 0x98, 0, 0xFF, 0xFE, 0), SCSI_ACTION_WRITE, 0xFEDCBA98, 0xFFFE,
                 0xFFFE * 512);
    ExpectBlocks(&Disk, BYTES(0xA8, 0, 0x12, 0x34, 0x56, 0x78, 0x01, 0x23, 0x45, 0x67, 0x1F, 0), SCSI_ACTION_READ,
                 0x12345678, 0x01234567, 0x01234567ull * 512);
    ExpectBlocks(&Disk, BYTES(0xAA, 0, 0xFE, 0xDC, 0xBA, 0x98, 0x01, 0x23, 0x45, 0x67, 0, 0), SCSI_ACTION_WRITE,
                 0xFEDCBA98, 0x01234567, 0x01234567ull * 512);
    ExpectBlocks(&Disk, BYTES(0x88, 0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x01, 0x23, 0x45, 0x67, 0x1F, 0),
                 SCSI_ACTION_READ, 0x123456789ABCDEF0, 0x01234567, 0x01234567ull * 512);
    ExpectBlocks(&Disk, BYTES(0x8A, 0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x01, 0x23, 0x45, 0x67, 0x1F, 0),
                 SCSI_ACTION_WRITE, 0x123456789ABCDEF0, 0x01234567, 0x01234567ull * 512);
    ExpectBlocks(&Disk, BYTES(0x2F, 0, 0x12, 0x34, 0x56, 0x78, 0, 0x9A, 0xBC, 0), SCSI_ACTION_VERIFY, 0x12345678,
                 0x9ABC, 0);
    ExpectBlocks(&Disk, BYTES(0x8F, 0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x01, 0x23, 0x45, 0x67, 0, 0),
                 SCSI_ACTION_VERIFY, 0x123456789ABCDEF0, 0x01234567, 0);
    ExpectBlocks(&Disk, BYTES(0x35, 0, 0x12, 0x34, 0x56, 0x78, 0, 0x9A, 0xBC, 0), SCSI_ACTION_FLUSH, 0x12345678, 0x9ABC,
                 0);
    ExpectBlocks(&Disk, BYTES(0x91, 0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x01, 0x23, 0x45, 0x67, 0, 0),
                 SCSI_ACTION_FLUSH, 0x123456789ABCDEF0, 0x01234567, 0);
}

static void LengthZeroOfTheSixByteFormIs256(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectBlocks(&Disk, BYTES(0x08, 0, 0, 0, 0, 0), SCSI_ACTION_READ, 0, 256, 256 * 512);
    ExpectBlocks(&Disk, BYTES(0x0A, 0, 0, 5, 0, 0), SCSI_ACTION_WRITE, 5, 256, 256 * 512);
    Disk.BlockCount = 255;
    ExpectRefusedBlocks(&Disk, BYTES(0x08, 0, 0, 0, 0, 0), OUT_OF_RANGE);
}

static void LunBitsOfTheSixByteFormAreIgnored(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectBlocks(&Disk, BYTES(0x08, 0xE0, 0, 7, 1, 0), SCSI_ACTION_READ, 7, 1, 512);
    ExpectBlocks(&Disk, BYTES(0x0A, 0xE0, 0, 7, 1, 0), SCSI_ACTION_WRITE, 7, 1, 512);
}

static void BlocksOf4096Bytes(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.BlockSize = 4096;
    ExpectBlocks(&Disk, BYTES(0x28, 0, 0, 0, 0, 1, 0, 0, 3, 0), SCSI_ACTION_READ, 1, 3, 3 * 4096);
    Disk.BlockCount = UINT64_MAX; /* more bytes than 32 bits can count */
    ExpectBlocks(&Disk, BYTES(0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0F, 0xFF, 0xFF, 0xFF, 0, 0), SCSI_ACTION_READ, 0,
                 0x0FFFFFFF, 0x0FFFFFFFull * 4096);
}

static void FuaNeedsSupport(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (size_t Index = 0; Index < sizeof(Reads); Index++) {
        uint8_t Cdb[16];
        size_t Length = MakeCdb(Cdb, Reads[Index], 0x08, 0, 1);

        Disk.ForceUnitAccess = true;
        assert_true(Run(&Disk, Cdb, Length, 512).Fua);
        Disk.ForceUnitAccess = false;
        ExpectRefusedBlocks(&Disk, Cdb, Length, INVALID_FIELD);
        Length = MakeCdb(Cdb, Writes[Index], 0x08, 0, 1);
        ExpectRefusedBlocks(&Disk, Cdb, Length, INVALID_FIELD);
        Disk.ForceUnitAccess = true;
        assert_true(Run(&Disk, Cdb, Length, 512).Fua);
        Cdb[1] = 0;
        assert_false(Run(&Disk, Cdb, Length, 512).Fua);
    }
}

static void HintsAreAccepted(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.ForceUnitAccess = false;
    for (size_t Index = 0; Index < sizeof(Reads); Index++) {
        uint8_t Cdb[16];
        size_t Length = MakeCdb(Cdb, Reads[Index], 0x10 | 0x04 | 0x02 | 0x01, 3, 1); /* DPO, RARC, FUA_NV, RELADR */

        ExpectBlocks(&Disk, Cdb, Length, SCSI_ACTION_READ, 3, 1, 512);
        Length = MakeCdb(Cdb, Writes[Index], 0x10 | 0x02 | 0x01, 3, 1);
        ExpectBlocks(&Disk, Cdb, Length, SCSI_ACTION_WRITE, 3, 1, 512);
    }
    ExpectBlocks(&Disk, BYTES(0x2F, 0x10, 0, 0, 0, 3, 0, 0, 1, 0), SCSI_ACTION_VERIFY, 3, 1, 0);
}

static void ProtectionInformationIsRefused(void **State)
{
    static const uint8_t Opcodes[] = {0x28, 0xA8, 0x88, 0x2A, 0xAA, 0x8A, 0x2F, 0x8F};
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (size_t Index = 0; Index < sizeof(Opcodes); Index++) {
        for (unsigned Protect = 1; Protect <= 7; Protect++) {
            uint8_t Cdb[16];
            size_t Length = MakeCdb(Cdb, Opcodes[Index], (uint8_t)(Protect << 5), 0, 1);

            ExpectRefusedBlocks(&Disk, Cdb, Length, INVALID_FIELD);
        }
    }
}

static void ComparingVerifyIsRefused(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (uint8_t Check = 1; Check <= 3; Check++) {
        ExpectRefusedBlocks(&Disk, BYTES(0x2F, (uint8_t)(Check << 1), 0, 0, 0, 0, 0, 0, 1, 0), INVALID_FIELD);
        ExpectRefusedBlocks(&Disk, BYTES(0x8F, (uint8_t)(Check << 1), ZEROS_8, 0, 0, 0, 1, 0, 0), INVALID_FIELD);
    }
}

static void ReadOnlyDisksAreNotWritten(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[16];

    (void)State;
    Disk.ReadOnly = true;
    ExpectRefusedBlocks(&Disk, BYTES(0x0A, 0, 0, 0, 1, 0), WRITE_PROTECTED);
    ExpectBlocks(&Disk, BYTES(0x08, 0, 0, 0, 1, 0), SCSI_ACTION_READ, 0, 1, 512);
    for (size_t Index = 0; Index < sizeof(Writes); Index++) {
        size_t Length = MakeCdb(Cdb, Writes[Index], 0, 0, 1);

        ExpectRefusedBlocks(&Disk, Cdb, Length, WRITE_PROTECTED);
        Length = MakeCdb(Cdb, Writes[Index], 0, 0, 0);
        ExpectRefusedBlocks(&Disk, Cdb, Length, WRITE_PROTECTED);
        Length = MakeCdb(Cdb, Reads[Index], 0, 0, 1);
        ExpectBlocks(&Disk, Cdb, Length, SCSI_ACTION_READ, 0, 1, 512);
    }
    ExpectBlocks(&Disk, BYTES(0x2F, 0, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_ACTION_VERIFY, 0, 1, 0);
}

/* What every command with Lba and Blocks does at the end of a disk of Count blocks; Unit is its bytes per block. */
static void ExpectEdges(SCSI_DISK *Disk, uint8_t Opcode, SCSI_ACTION Action, uint64_t Count, size_t Unit)
{
    uint8_t Cdb[16];

    Disk->BlockCount = Count;
    ExpectBlocks(Disk, Cdb, MakeCdb(Cdb, Opcode, 0, Count - 1, 1), Action, Count - 1, 1, Unit);
    ExpectBlocks(Disk, Cdb, MakeCdb(Cdb, Opcode, 0, Count - 9, 9), Action, Count - 9, 9, 9 * Unit);
    ExpectRefusedBlocks(Disk, Cdb, MakeCdb(Cdb, Opcode, 0, Count - 9, 10), OUT_OF_RANGE);
    ExpectRefusedBlocks(Disk, Cdb, MakeCdb(Cdb, Opcode, 0, Count - 1, 2), OUT_OF_RANGE);
    ExpectRefusedBlocks(Disk, Cdb, MakeCdb(Cdb, Opcode, 0, Count - 1, 0xFFFF), OUT_OF_RANGE);
}

static void RangesAtTheEnd(void **State)
{
    static const struct {
        uint8_t Opcode;
        SCSI_ACTION Action;
        size_t Unit;
    } Rows[] = {
        {0x28, SCSI_ACTION_READ, 512},  {0xA8, SCSI_ACTION_READ, 512},  {0x88, SCSI_ACTION_READ, 512},
        {0x2A, SCSI_ACTION_WRITE, 512}, {0xAA, SCSI_ACTION_WRITE, 512}, {0x8A, SCSI_ACTION_WRITE, 512},
        {0x2F, SCSI_ACTION_VERIFY, 0},  {0x8F, SCSI_ACTION_VERIFY, 0},  {0x35, SCSI_ACTION_FLUSH, 0},
        {0x91, SCSI_ACTION_FLUSH, 0},
    };
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (size_t Index = 0; Index < sizeof(Rows) / sizeof(Rows[0]); Index++) {
        uint8_t Opcode = Rows[Index].Opcode;
        uint8_t Cdb[16];

        ExpectEdges(&Disk, Opcode, Rows[Index].Action, 2048, Rows[Index].Unit);
        ExpectEdges(&Disk, Opcode, Rows[Index].Action, 0xFFFFFFFF, Rows[Index].Unit);
        Disk.BlockCount = 2048; /* nothing at the end is inside, nothing behind it is not */
        ExpectBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, 2048, 0), Rows[Index].Action, 2048, 0, 0);
        ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, 2048, 1), OUT_OF_RANGE);
        ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, 2049, 0), OUT_OF_RANGE);
        ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, 0xFFFFFFFF, 1), OUT_OF_RANGE);
        if (Opcode >> 5 == 4) { /* 64 bit addresses: sums that wrap */
            ExpectEdges(&Disk, Opcode, Rows[Index].Action, UINT64_MAX, Rows[Index].Unit);
            ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, UINT64_MAX, 1), OUT_OF_RANGE);
            ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, UINT64_MAX - 1, 0xFFFFFFFF), OUT_OF_RANGE);
            Disk.BlockCount = 2048;
            ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, UINT64_MAX, 2), OUT_OF_RANGE);
            ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, UINT64_MAX - 1, 2), OUT_OF_RANGE);
            ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcode, 0, (uint64_t)1 << 32, 1), OUT_OF_RANGE);
        }
    }
}

static void MaximumTransferLength(void **State)
{
    static const uint8_t Opcodes[] = {0x28, 0xA8, 0x88, 0x2A, 0xAA, 0x8A, 0x2F, 0x8F};
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[16];

    (void)State;
    Disk.MaximumBlocks = 64;
    for (size_t Index = 0; Index < sizeof(Opcodes); Index++) {
        assert_int_equal(Run(&Disk, Cdb, MakeCdb(Cdb, Opcodes[Index], 0, 0, 64), LARGE_BUFFER).Blocks, 64);
        ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, Opcodes[Index], 0, 0, 65), INVALID_FIELD);
    }
    ExpectRefusedBlocks(&Disk, BYTES(0x08, 0, 0, 0, 0, 0), INVALID_FIELD);
    ExpectBlocks(&Disk, BYTES(0x35, 0, 0, 0, 0, 0, 0, 0, 65, 0), SCSI_ACTION_FLUSH, 0, 65, 0);
}

static void BufferMustHoldTheTransfer(void **State)
{
    SCSI_DISK Disk = TestDisk();
    SCSI_RESULT Result;
    uint8_t Cdb[16];

    (void)State;
    for (size_t Index = 0; Index < sizeof(Reads); Index++) {
        size_t Length = MakeCdb(Cdb, Reads[Index], 0, 0, 3);

        assert_int_equal(Run(&Disk, Cdb, Length, 3 * 512).Action, SCSI_ACTION_READ);
        Result = Run(&Disk, Cdb, Length, 3 * 512 - 1);
        assert_int_equal(Result.Action, SCSI_ACTION_DONE);
        assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
        assert_int_equal(Result.Sense.Asc, 0x24);
        Length = MakeCdb(Cdb, Writes[Index], 0, 0, 3);
        assert_int_equal(Run(&Disk, Cdb, Length, 3 * 512).Action, SCSI_ACTION_WRITE);
        assert_int_equal(Run(&Disk, Cdb, Length, 0).Status, SCSI_STATUS_CHECK_CONDITION);
    }
    Disk.BlockCount = UINT64_MAX; /* 2^32 - 1 blocks of 4096 bytes are not 32 bits of bytes */
    Disk.BlockSize = 4096;
    Result = Run(&Disk, Cdb, MakeCdb(Cdb, 0x88, 0, 0, 0xFFFFFFFF), 0xFFFFF000);
    assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(Run(&Disk, Cdb, MakeCdb(Cdb, 0x88, 0, 0, 0xFFFFFFFF), 0xFFFFFFFFull * 4096).Status,
                     SCSI_STATUS_GOOD);
}

static void NothingToSynchronizeWithoutACache(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.WriteCache = false;
    ExpectDone(&Disk, BYTES(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    ExpectDone(&Disk, BYTES(0x91, 0, ZEROS_8, 0, 0, 0, 0, 0, 0));
    ExpectRefused(&Disk, BYTES(0x35, 0, 0, 0, 0x10, 0, 0, 0, 1, 0), OUT_OF_RANGE);
    Disk.WriteCache = true;
    ExpectBlocks(&Disk, BYTES(0x35, 0x02, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_ACTION_FLUSH, 0, 0, 0); /* IMMED */
}

static void Capacity10(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[10] = {0x25};

    (void)State;
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0x00, 0x00, 0x07, 0xFF, 0x00, 0x00, 0x02, 0x00));
    Disk.BlockCount = 1;
    Disk.BlockSize = 4096;
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00));
    Disk.BlockCount = 0xFFFFFFFF; /* 2 TiB - 512 bytes with small blocks: the last LBA that fits */
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0xFF, 0xFF, 0xFF, 0xFE, 0x00, 0x00, 0x10, 0x00));
    Disk.BlockCount = 0x100000000;
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x10, 0x00));
    Disk.BlockCount = 0x100000001;
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x10, 0x00));
    Disk.BlockCount = UINT64_MAX;
    ExpectAnswer(&Disk, Cdb, 10, 0, 0, BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x10, 0x00));
}

static void Capacity16(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[16] = {0x9E, 0x10};

    (void)State;
    ExpectAnswer(&Disk, Cdb, 16, 10, 4,
                 BYTES(ZEROS_4, 0x00, 0x00, 0x07, 0xFF, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x80, 0x00, ZEROS_16));
    Disk.Unmap = false;
    Disk.PhysicalBlockSize = 4096;
    ExpectAnswer(&Disk, Cdb, 16, 10, 4,
                 BYTES(ZEROS_4, 0x00, 0x00, 0x07, 0xFF, 0x00, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x00, ZEROS_16));
    Disk.BlockCount = UINT64_MAX;
    Disk.BlockSize = 4096;
    ExpectAnswer(&Disk, Cdb, 16, 10, 4,
                 BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00,
                       ZEROS_16));
    Disk.BlockSize = 512;
    Disk.PhysicalBlockSize = 0x80000000; /* 2^31 bytes: more than the four bits can say */
    ExpectAnswer(&Disk, Cdb, 16, 10, 4,
                 BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0x00, 0x00, 0x02, 0x00, 0x00, 0x0F, 0x00, 0x00,
                       ZEROS_16));
}

static void SizesAreBelow2To63Bytes(void **State)
{
    (void)State;
    assert_false(ScsiSizeIsValid(0, 512));
    assert_false(ScsiSizeIsValid(0, 4096));
    assert_true(ScsiSizeIsValid(1, 512));
    assert_true(ScsiSizeIsValid(1, 4096));
    assert_true(ScsiSizeIsValid(((uint64_t)1 << 54) - 1, 512));
    assert_false(ScsiSizeIsValid((uint64_t)1 << 54, 512));
    assert_true(ScsiSizeIsValid(((uint64_t)1 << 51) - 1, 4096));
    assert_false(ScsiSizeIsValid((uint64_t)1 << 51, 4096));
    assert_false(ScsiSizeIsValid(UINT64_MAX, 512)); /* products that wrap: to 2^64 - 512, to 512 */
    assert_false(ScsiSizeIsValid(((uint64_t)1 << 55) + 1, 512));
}

/* The largest disks that are allowed, to their last block. */
static void LargestDisks(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Cdb[16];

    (void)State;
    for (Disk.BlockSize = 512; Disk.BlockSize <= 4096; Disk.BlockSize *= 8) {
        uint64_t Last = (uint64_t)INT64_MAX / Disk.BlockSize - 1;

        Disk.BlockCount = Last + 1;
        ExpectBlocks(&Disk, Cdb, MakeCdb(Cdb, 0x8A, 0, Last, 1), SCSI_ACTION_WRITE, Last, 1, Disk.BlockSize);
        ExpectRefusedBlocks(&Disk, Cdb, MakeCdb(Cdb, 0x8A, 0, Last, 2), OUT_OF_RANGE);
        assert_true((Last + 1) * Disk.BlockSize <= INT64_MAX);
    }
}

static void SizesChange(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ScsiResize(&Disk, 4096);
    ExpectBlocks(&Disk, BYTES(0x28, 0, 0, 0, 0x0F, 0xFF, 0, 0, 1, 0), SCSI_ACTION_READ, 4095, 1, 512);
    ExpectAnswer(&Disk, BYTES(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, 0, BYTES(0, 0, 0x0F, 0xFF, 0, 0, 2, 0));
    ScsiResize(&Disk, 1);
    ExpectRefusedBlocks(&Disk, BYTES(0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0), OUT_OF_RANGE);
    ExpectAnswer(&Disk, BYTES(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, 0, BYTES(0, 0, 0, 0, 0, 0, 2, 0));
    ScsiResize(&Disk, 0x123456789ABCDEF0);
    ExpectAnswer(&Disk, BYTES(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, 0, BYTES(0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0));
}

static void OtherServiceActionsAreRefused(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (uint8_t Action = 0; Action <= 0x1F; Action++) {
        if (Action != 0x10) {
            ExpectRefused(&Disk, BYTES(0x9E, Action, ZEROS_8, 0, 0, 0, 32, 0, 0), INVALID_FIELD);
        }
    }
}

static void CapacityLbaNeedsPmi(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectRefused(&Disk, BYTES(0x25, 0, 0, 0, 0, 1, 0, 0, 0, 0), INVALID_FIELD);
    ExpectRefused(&Disk, BYTES(0x25, 0, 1, 0, 0, 0, 0, 0, 0, 0), INVALID_FIELD);
    ExpectAnswer(&Disk, BYTES(0x25, 0, 0, 0, 0, 1, 0, 0, 1, 0), 0, 0, BYTES(0, 0, 0x07, 0xFF, 0, 0, 2, 0));
    ExpectRefused(&Disk, BYTES(0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 32, 0, 0), INVALID_FIELD);
    ExpectAnswer(&Disk, BYTES(0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0), 10, 4,
                 BYTES(ZEROS_4, 0, 0, 7, 0xFF, 0, 0, 2, 0, 0, 0, 0x80, 0, ZEROS_16));
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(FieldsOfEveryForm),
        cmocka_unit_test(LengthZeroOfTheSixByteFormIs256),
        cmocka_unit_test(LunBitsOfTheSixByteFormAreIgnored),
        cmocka_unit_test(BlocksOf4096Bytes),
        cmocka_unit_test(FuaNeedsSupport),
        cmocka_unit_test(HintsAreAccepted),
        cmocka_unit_test(ProtectionInformationIsRefused),
        cmocka_unit_test(ComparingVerifyIsRefused),
        cmocka_unit_test(ReadOnlyDisksAreNotWritten),
        cmocka_unit_test(RangesAtTheEnd),
        cmocka_unit_test(MaximumTransferLength),
        cmocka_unit_test(BufferMustHoldTheTransfer),
        cmocka_unit_test(NothingToSynchronizeWithoutACache),
        cmocka_unit_test(Capacity10),
        cmocka_unit_test(Capacity16),
        cmocka_unit_test(SizesAreBelow2To63Bytes),
        cmocka_unit_test(LargestDisks),
        cmocka_unit_test(SizesChange),
        cmocka_unit_test(OtherServiceActionsAreRefused),
        cmocka_unit_test(CapacityLbaNeedsPmi),
    };

    return cmocka_run_group_tests_name("scsi.block", Tests, NULL, NULL);
}
