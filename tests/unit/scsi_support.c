/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the SCSI tests share. */
#include "scsi_support.h"

#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 0xA5
#define SCRATCH_LENGTH 512u

SCSI_DISK TestDisk(void)
{
    SCSI_DISK Disk = {.BlockCount = 2048,
                      .BlockSize = 512,
                      .PhysicalBlockSize = 512,
                      .WriteCache = true,
                      .ForceUnitAccess = true,
                      .Unmap = true,
                      .Revision = "1.02",
                      .SerialNumber = "disk-1"};

    return Disk;
}

SCSI_RESULT Run(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength)
{
    uint8_t *Copy = malloc(CdbLength);
    SCSI_RESULT Result;

    assert_non_null(Copy);
    memcpy(Copy, Cdb, CdbLength);
    memset(&Result, UNTOUCHED, sizeof(Result));
    ScsiDecode(Disk, Copy, CdbLength, NULL, DataLength, &Result);
    free(Copy);
    return Result;
}

void ExpectRefused(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, uint8_t Key, uint8_t Asc, uint8_t Ascq)
{
    uint8_t Data[SCRATCH_LENGTH], Before[SCRATCH_LENGTH];
    SCSI_RESULT Result;

    memset(Data, UNTOUCHED, sizeof(Data));
    memset(Before, UNTOUCHED, sizeof(Before));
    memset(&Result, UNTOUCHED, sizeof(Result));
    ScsiDecode(Disk, Cdb, CdbLength, Data, sizeof(Data), &Result);
    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_CHECK_CONDITION);
    assert_int_equal(Result.Sense.Key, Key);
    assert_int_equal(Result.Sense.Asc, Asc);
    assert_int_equal(Result.Sense.Ascq, Ascq);
    assert_int_equal(Result.DataLength, 0);
    assert_memory_equal(Data, Before, sizeof(Data));
}

void ExpectDone(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength)
{
    SCSI_RESULT Result = Run(Disk, Cdb, CdbLength, 0);

    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.Sense.Key, 0);
    assert_int_equal(Result.DataLength, 0);
}

static void ExpectPrefix(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t DataLength,
                         const uint8_t *Expected, size_t PrefixLength)
{
    uint8_t *Data = malloc(DataLength != 0 ? DataLength : 1);
    SCSI_RESULT Result;

    assert_non_null(Data);
    memset(Data, UNTOUCHED, DataLength);
    memset(&Result, UNTOUCHED, sizeof(Result));
    ScsiDecode(Disk, Cdb, CdbLength, DataLength != 0 ? Data : NULL, DataLength, &Result);
    assert_int_equal(Result.Action, SCSI_ACTION_DONE);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.DataLength, PrefixLength);
    assert_memory_equal(Data, Expected, PrefixLength);
    for (size_t Index = PrefixLength; Index < DataLength; Index++) {
        assert_int_equal(Data[Index], UNTOUCHED);
    }
    free(Data);
}

static void StoreAllocation(uint8_t *Cdb, size_t Offset, size_t Size, size_t Value)
{
    for (size_t Index = 0; Index < Size; Index++) {
        Cdb[Offset + Index] = (uint8_t)(Value >> 8 * (Size - 1 - Index));
    }
}

void ExpectAnswer(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, size_t AllocationOffset,
                  size_t AllocationSize, const uint8_t *Expected, size_t ExpectedLength)
{
    uint8_t Copy[16];

    memcpy(Copy, Cdb, CdbLength);
    StoreAllocation(Copy, AllocationOffset, AllocationSize, SIZE_MAX);
    for (size_t DataLength = 0; DataLength <= ExpectedLength + 2; DataLength++) {
        size_t Prefix = DataLength < ExpectedLength ? DataLength : ExpectedLength;

        if (AllocationSize != 1 || Prefix <= 0xFF) {
            ExpectPrefix(Disk, Copy, CdbLength, DataLength, Expected, Prefix);
        }
    }
    assert_int_equal(Run(Disk, Copy, CdbLength, ExpectedLength).DataLength, 0); /* a length, but no buffer */
    for (size_t Allocation = 0; AllocationSize != 0 && Allocation <= ExpectedLength + 2; Allocation++) {
        StoreAllocation(Copy, AllocationOffset, AllocationSize, Allocation);
        ExpectPrefix(Disk, Copy, CdbLength, ExpectedLength + 2, Expected,
                     Allocation < ExpectedLength ? Allocation : ExpectedLength);
    }
}
