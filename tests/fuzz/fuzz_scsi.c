/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * core/scsi with any disk, any CDB and any data: what it answers fits into the
 * buffer, and what it passes on lies inside the disk.
 *
 * Input: the disk (flags (1), size as an exponent (1), with another flag, and a
 * correction (2), limits (2)), length of the CDB (1), CDB (32), length of the
 * buffer (2), a byte that changes the data after decoding (1), data.
 */
#include "input.h"

#include "scsi/scsi.h"

#define DATA_MOST 4096u
#define CDB_MOST 32u

static SCSI_DISK DiskOf(INPUT *Input)
{
    uint8_t Flags = InputByte(Input);
    uint8_t Exponent = InputByte(Input);
    int16_t Correction = (int16_t)InputNumber(Input, 2);
    uint16_t Limits = (uint16_t)InputNumber(Input, 2);
    SCSI_DISK Disk = {.BlockSize = (Flags & 1) != 0 ? 4096 : 512, .SerialNumber = "fuzz", .Revision = "0.1 "};
    uint64_t Most = (uint64_t)INT64_MAX / Disk.BlockSize;
    Disk.BlockCount = (UINT64_C(1) << Exponent % 64) + (uint64_t)(int64_t)Correction;
    Disk.BlockCount = Disk.BlockCount == 0 || Disk.BlockCount > Most ? Most : Disk.BlockCount;
    Disk.PhysicalBlockSize = Disk.BlockSize << (Limits & 3);
    Disk.OptimalBlocks = Limits >> 2 & 0x3F;
    Disk.MaximumBlocks = (Limits >> 8 & 0xF) * 256u;
    Disk.MaximumUnmapDescriptors = Limits >> 12;
    Disk.ReadOnly = (Flags & 0x02) != 0;
    Disk.WriteCache = (Flags & 0x04) != 0;
    Disk.ForceUnitAccess = (Flags & 0x08) != 0;
    Disk.Unmap = (Flags & 0x10) != 0;
    Disk.UnmapAnchor = (Flags & 0x20) != 0;
    Disk.PersistentReservations = (Exponent & 0x40) != 0;
    Disk.Rotational = (Flags & 0x40) != 0;
    Disk.NaaSpecified = (Flags & 0x80) != 0;
    return Disk;
}

static bool IsInside(const SCSI_DISK *Disk, uint64_t Lba, uint64_t Blocks)
{
    return Lba <= Disk->BlockCount && Blocks <= Disk->BlockCount - Lba;
}

static void CheckUnmap(const SCSI_DISK *Disk, const SCSI_RESULT *Result, uint8_t *Data, size_t Length, uint8_t Change)
{
    uint64_t Lba;
    uint32_t Blocks;
    MUST(!Disk->ReadOnly && Disk->Unmap);
    MUST(!Result->Anchor || Disk->UnmapAnchor);
    MUST(Disk->MaximumUnmapDescriptors == 0 || Result->DescriptorCount <= Disk->MaximumUnmapDescriptors);
    for (uint32_t Index = 0; Index < Result->DescriptorCount; Index++) {
        ScsiUnmapDescriptor(Result, Index, &Lba, &Blocks);
        MUST(IsInside(Disk, Lba, Blocks));
    }
    /* Its sender changes the list under the driver's hands. */
    for (size_t Index = 0; Index < Length; Index++) {
        Data[Index] ^= Change;
    }
    for (uint32_t Index = 0; Index < Result->DescriptorCount; Index++) {
        ScsiUnmapDescriptor(Result, Index, &Lba, &Blocks);
        MUST(IsInside(Disk, Lba, Blocks));
    }
}

static void CheckSense(const SCSI_RESULT *Result)
{
    uint8_t Sense[SCSI_SENSE_SIZE + 1];
    memset(Sense, 0xA5, sizeof(Sense));
    MUST(Result->Status == SCSI_STATUS_CHECK_CONDITION);
    MUST(Result->Sense.Key != SCSI_SENSE_NO_SENSE && Result->Sense.Key <= SCSI_SENSE_ABORTED_COMMAND);
    for (size_t Size = 0; Size <= sizeof(Sense); Size++) {
        size_t Wanted = Size < SCSI_SENSE_SIZE ? Size : SCSI_SENSE_SIZE;
        MUST(ScsiSenseBuild(&Result->Sense, Sense, Size) == Wanted);
        MUST(Sense[Wanted < SCSI_SENSE_SIZE ? Wanted : SCSI_SENSE_SIZE] == 0xA5);
    }
}

static void CheckReserve(const SCSI_DISK *Disk, const SCSI_RESULT *Result, size_t Length)
{
    MUST(Disk->PersistentReservations);
    MUST(Result->DataLength <= Length && Result->DataLength <= UINT16_MAX);
    MUST(Result->ServiceAction <= 0x1F && Result->Scope <= 0xF && Result->Type <= 0xF);
    MUST(Result->Action == SCSI_ACTION_PERSISTENT_RESERVE_IN || Result->DataLength >= 24);
}

static void CheckTransfer(const SCSI_DISK *Disk, const SCSI_RESULT *Result, size_t Length)
{
    MUST(IsInside(Disk, Result->Lba, Result->Blocks));
    MUST(Disk->MaximumBlocks == 0 || Result->Blocks <= Disk->MaximumBlocks || Result->Action == SCSI_ACTION_FLUSH);
    MUST(!Result->Fua || Disk->ForceUnitAccess);
    if (Result->Action == SCSI_ACTION_READ || Result->Action == SCSI_ACTION_WRITE) {
        MUST(Result->DataLength == (uint64_t)Result->Blocks * Disk->BlockSize && Result->DataLength <= Length);
    }
    MUST(Result->Action != SCSI_ACTION_WRITE || !Disk->ReadOnly);
    MUST(Result->Action != SCSI_ACTION_FLUSH || Disk->WriteCache);
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    INPUT Input = {Bytes, Length};
    SCSI_DISK Disk = DiskOf(&Input);
    SCSI_RESULT Result;
    uint8_t Cdb[CDB_MOST] = {0};
    size_t CdbLength = InputByte(&Input) % (CDB_MOST + 1), Taken;
    const uint8_t *From = InputBytes(&Input, CDB_MOST, &Taken);
    memcpy(Cdb, From, Taken);
    uint32_t Claimed = (uint32_t)InputNumber(&Input, 2);
    uint8_t Change = InputByte(&Input);
    /* READ, WRITE and VERIFY are told of large buffers without one. */
    size_t DataLength = Claimed % 8 == 7 ? (size_t)Claimed * 64 : Claimed % (DATA_MOST + 1);
    uint8_t *Data = Claimed % 8 == 7 ? NULL : malloc(DataLength);
    uint8_t *ExactCdb = malloc(CdbLength);
    MUST(ExactCdb != NULL && (Data != NULL || Claimed % 8 == 7));
    memcpy(ExactCdb, Cdb, CdbLength);
    if (Data != NULL) {
        memset(Data, 0, DataLength);
        From = InputBytes(&Input, DataLength, &Taken);
        memcpy(Data, From, Taken);
    }
    ScsiDecode(&Disk, ExactCdb, CdbLength, Data, DataLength, &Result);
    free(ExactCdb);
    if (Result.Action == SCSI_ACTION_DONE && Result.Status != SCSI_STATUS_GOOD) {
        CheckSense(&Result);
    } else if (Result.Action == SCSI_ACTION_DONE) {
        MUST(Result.DataLength <= (Data != NULL ? DataLength : 0));
    } else if (Result.Action == SCSI_ACTION_UNMAP) {
        CheckUnmap(&Disk, &Result, Data, Data != NULL ? DataLength : 0, Change);
    } else if (Result.Action >= SCSI_ACTION_PERSISTENT_RESERVE_IN) {
        CheckReserve(&Disk, &Result, Data != NULL ? DataLength : 0);
    } else {
        CheckTransfer(&Disk, &Result, DataLength);
    }
    free(Data);
    return 0;
}
