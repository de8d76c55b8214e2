/* SPDX-License-Identifier: LGPL-2.1-only */
/* UNMAP and its parameter list. */
#include "scsi_support.h"

#include <stdlib.h>
#include <string.h>

#define ONE_AT(Lba, Blocks) 0, 0, 0, 0, 0, 0, (uint8_t)((Lba) >> 8), (uint8_t)(Lba), 0, 0, 0, (uint8_t)(Blocks), ZEROS_4

/* Runs UNMAP with a list of that length in the CDB and a buffer that is a copy of List; free with free(*Copy). */
static SCSI_RESULT Unmap(const SCSI_DISK *Disk, uint8_t Flags, size_t ListLength, const uint8_t *List, size_t Length,
                         uint8_t **Copy)
{
    uint8_t Cdb[10] = {0x42, Flags, 0, 0, 0, 0, 0, (uint8_t)(ListLength >> 8), (uint8_t)ListLength, 0};
    SCSI_RESULT Result;

    *Copy = malloc(Length != 0 ? Length : 1);
    assert_non_null(*Copy);
    if (Length != 0) {
        memcpy(*Copy, List, Length);
    }
    memset(&Result, 0xA5, sizeof(Result));
    ScsiDecode(Disk, Cdb, sizeof(Cdb), Length != 0 ? *Copy : NULL, Length, &Result);
    if (Length != 0) {
        assert_memory_equal(*Copy, List, Length); /* only read */
    }
    return Result;
}

static void ExpectUnmapRefused(const SCSI_DISK *Disk, uint8_t Flags, size_t ListLength, const uint8_t *List,
                               size_t Length, uint8_t Key, uint8_t Asc, uint8_t Ascq)
{
    uint8_t *Copy;
    SCSI_RESULT Result = Unmap(Disk, Flags, ListLength, List, Length, &Copy);

    free(Copy);
    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(Result.Sense.Key, Key);
    assert_int_equal(Result.Sense.Asc, Asc);
    assert_int_equal(Result.Sense.Ascq, Ascq);
    assert_int_equal(Result.DescriptorCount, 0);
    assert_null(Result.Descriptors);
}

static void ExpectUnmapCount(const SCSI_DISK *Disk, size_t ListLength, const uint8_t *List, size_t Length,
                             uint32_t Count)
{
    uint8_t *Copy;
    SCSI_RESULT Result = Unmap(Disk, 0, ListLength, List, Length, &Copy);

    free(Copy);
    assert_int_equal(Result.Action, SCSI_ACTION_UNMAP);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.DescriptorCount, Count);
    assert_int_equal(Result.DataLength, ListLength);
}

static void DescriptorsAreRead(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t *Copy;
    uint64_t Lba;
    uint32_t Blocks;
    SCSI_RESULT Result;

    (void)State;
    Disk.BlockCount = UINT64_MAX;
    Result = Unmap(&Disk, 0, 40,
                   BYTES(0, 38, 0, 32, ZEROS_4, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0x0F, 0xED, 0xCB, 0xA9,
                         0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, ZEROS_4),
                   &Copy);
    assert_int_equal(Result.Action, SCSI_ACTION_UNMAP);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.DescriptorCount, 2);
    assert_ptr_equal(Result.Descriptors, Copy + 8);
    assert_false(Result.Anchor);
    ScsiUnmapDescriptor(&Result, 0, &Lba, &Blocks);
    assert_int_equal(Lba, 0x123456789ABCDEF0);
    assert_int_equal(Blocks, 0x0FEDCBA9);
    ScsiUnmapDescriptor(&Result, 1, &Lba, &Blocks);
    assert_int_equal(Lba, 7);
    assert_int_equal(Blocks, 1);
    free(Copy);
}

static void WithoutSupportItIsNoCommand(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.Unmap = false;
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)), INVALID_OPCODE);
    ExpectRefused(&Disk, BYTES(0x42), INVALID_OPCODE); /* whatever follows */
    Disk.ReadOnly = true;
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)), INVALID_OPCODE);
}

static void ReadOnlyDisksAreNotUnmapped(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.ReadOnly = true;
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)), WRITE_PROTECTED);
    ExpectUnmapRefused(&Disk, 0, 0, NULL, 0, WRITE_PROTECTED);
}

static void AnchorNeedsSupport(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t *Copy;
    SCSI_RESULT Result;

    (void)State;
    ExpectUnmapRefused(&Disk, 1, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)), INVALID_FIELD);
    Disk.UnmapAnchor = true;
    Result = Unmap(&Disk, 1, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)), &Copy);
    free(Copy);
    assert_int_equal(Result.Action, SCSI_ACTION_UNMAP);
    assert_true(Result.Anchor);
}

static void ListLengthIsChecked(void **State)
{
    static const uint8_t List[24] = {0, 22, 0, 16, ZEROS_4, ONE_AT(0, 1)};
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectUnmapCount(&Disk, 0, NULL, 0, 0); /* no data is no error */
    ExpectUnmapCount(&Disk, 0, List, sizeof(List), 0);
    for (size_t Length = 1; Length < 8; Length++) {
        ExpectUnmapRefused(&Disk, 0, Length, List, sizeof(List), LIST_LENGTH_ERROR);
    }
    for (size_t Length = 8; Length < 24; Length++) { /* cut descriptor: ignored */
        ExpectUnmapCount(&Disk, Length, List, sizeof(List), 0);
    }
    ExpectUnmapCount(&Disk, 24, List, sizeof(List), 1);
    for (size_t Length = 0; Length < 24; Length++) { /* less data than the CDB says */
        ExpectUnmapRefused(&Disk, 0, 24, List, Length, LIST_LENGTH_ERROR);
    }
    ExpectUnmapRefused(&Disk, 0, 0xFFFF, List, sizeof(List), LIST_LENGTH_ERROR);
    assert_int_equal(Run(&Disk, BYTES(0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0), 24).Sense.Asc, 0x1A); /* length, no buffer */
}

static void TheShortestLengthCounts(void **State)
{
    uint8_t List[56] = {0, 54, 0, 48, ZEROS_4, ONE_AT(0, 1), ONE_AT(1, 1), ONE_AT(2, 1)};
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectUnmapCount(&Disk, 56, List, sizeof(List), 3);
    ExpectUnmapCount(&Disk, 55, List, sizeof(List), 2);
    ExpectUnmapCount(&Disk, 40, List, sizeof(List), 2);
    for (uint8_t Length = 0; Length <= 60; Length++) { /* block descriptor data length */
        List[3] = Length;
        ExpectUnmapCount(&Disk, 56, List, sizeof(List), Length / 16 < 3 ? Length / 16 : 3);
    }
    List[3] = 48;
    for (uint8_t Length = 0; Length <= 60; Length++) { /* unmap data length */
        uint32_t Whole = Length < 6 ? 0 : (Length - 6u) / 16;

        List[1] = Length;
        ExpectUnmapCount(&Disk, 56, List, sizeof(List), Whole < 3 ? Whole : 3);
    }
    memset(List, 0xFF, 4);
    ExpectUnmapCount(&Disk, 56, List, sizeof(List), 3);
}

static void DescriptorCountIsLimited(void **State)
{
    static const uint8_t List[56] = {0, 54, 0, 48, ZEROS_4, ONE_AT(0, 1), ONE_AT(1, 1), ONE_AT(2, 1)};
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.MaximumUnmapDescriptors = 3;
    ExpectUnmapCount(&Disk, 56, List, sizeof(List), 3);
    Disk.MaximumUnmapDescriptors = 2;
    ExpectUnmapRefused(&Disk, 0, 56, List, sizeof(List), INVALID_LIST);
    ExpectUnmapCount(&Disk, 40, List, sizeof(List), 2); /* what is cut off doesn't count */
}

static void LongestList(void **State)
{
    enum { LENGTH = 0xFFFF };
    uint8_t *List = calloc(1, LENGTH);
    SCSI_DISK Disk = TestDisk();

    (void)State;
    assert_non_null(List);
    List[0] = List[2] = 0xFF;
    List[1] = 0xFD;
    List[3] = 0xF7;
    ExpectUnmapCount(&Disk, LENGTH, List, LENGTH, 4095);
    List[8 + 16 * 4094 + 5] = 1; /* the last descriptor: LBA 65536 */
    List[8 + 16 * 4094 + 11] = 1;
    ExpectUnmapRefused(&Disk, 0, LENGTH, List, LENGTH, OUT_OF_RANGE);
    free(List);
}

static void RangesAreChecked(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectUnmapCount(&Disk, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(2047, 1)), 1);
    ExpectUnmapCount(&Disk, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(2048, 0)), 1);
    ExpectUnmapCount(&Disk, 24, BYTES(0, 22, 0, 16, ZEROS_4, ZEROS_8, 0, 0, 0x08, 0x00, ZEROS_4), 1);
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(2047, 2)), OUT_OF_RANGE);
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(2048, 1)), OUT_OF_RANGE);
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(2049, 0)), OUT_OF_RANGE);
    ExpectUnmapRefused(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ZEROS_8, 0, 0, 0x08, 0x01, ZEROS_4), OUT_OF_RANGE);
    ExpectUnmapRefused(
        &Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 2, ZEROS_4),
        OUT_OF_RANGE);
    /* a good one first doesn't help */
    ExpectUnmapRefused(&Disk, 0, 40, BYTES(0, 38, 0, 32, ZEROS_4, ONE_AT(0, 1), ONE_AT(2048, 1)), OUT_OF_RANGE);
}

static void AChangedDescriptorIsHarmless(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t *Copy;
    uint64_t Lba;
    uint32_t Blocks;
    SCSI_RESULT Result = Unmap(&Disk, 0, 24, BYTES(0, 22, 0, 16, ZEROS_4, ONE_AT(5, 1)), &Copy);

    (void)State;
    memset(Copy + 8, 0xFF, 16);
    ScsiUnmapDescriptor(&Result, 0, &Lba, &Blocks);
    assert_int_equal(Lba, 0);
    assert_int_equal(Blocks, 0);
    memset(Copy + 8, 0x00, 16);
    Copy[14] = 0x07;
    Copy[15] = 0xFF; /* LBA 2047 */
    Copy[19] = 1;
    ScsiUnmapDescriptor(&Result, 0, &Lba, &Blocks);
    assert_int_equal(Lba, 2047);
    assert_int_equal(Blocks, 1);
    Copy[19] = 2;
    ScsiUnmapDescriptor(&Result, 0, &Lba, &Blocks);
    assert_int_equal(Blocks, 0);
    Result.UnmapLimit = 0; /* a caller that kept no more than the descriptors */
    ScsiUnmapDescriptor(&Result, 0, &Lba, &Blocks);
    assert_int_equal(Lba, 2047);
    assert_int_equal(Blocks, 2);
    free(Copy);
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(DescriptorsAreRead),
        cmocka_unit_test(WithoutSupportItIsNoCommand),
        cmocka_unit_test(ReadOnlyDisksAreNotUnmapped),
        cmocka_unit_test(AnchorNeedsSupport),
        cmocka_unit_test(ListLengthIsChecked),
        cmocka_unit_test(TheShortestLengthCounts),
        cmocka_unit_test(DescriptorCountIsLimited),
        cmocka_unit_test(LongestList),
        cmocka_unit_test(RangesAreChecked),
        cmocka_unit_test(AChangedDescriptorIsHarmless),
    };

    return cmocka_run_group_tests_name("scsi.unmap", Tests, NULL, NULL);
}
