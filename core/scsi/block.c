/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands about blocks and their number: READ, WRITE, VERIFY, SYNCHRONIZE
 * CACHE, READ CAPACITY.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include "base/checked.h"
#include "scsi/command.h"

/* Byte 1 of READ, WRITE and VERIFY with 10 and more bytes. */
#define FLAG_PROTECT 0xE0u /* RDPROTECT, WRPROTECT, VRPROTECT */
#define FLAG_FUA 0x08u
#define FLAG_BYTCHK 0x06u

#define FLAG_PMI 0x01u
#define SERVICE_ACTION 0x1Fu
#define SERVICE_ACTION_READ_CAPACITY_16 0x10u
#define EXPONENT_MAX 15u
#define LBPME 0x8000u

typedef struct {
    uint8_t Flags; /* byte 1; 0 in the six byte form, which has none */
    uint64_t Lba;
    uint32_t Blocks;
} EXTENT;

/* The operation code's upper three bits tell the CDB's size (SPC-4, operation code). */
static EXTENT ExtentOf(const void *Cdb)
{
    const CDB_BLOCKS_6 *Cdb6 = Cdb;
    const CDB_BLOCKS_10 *Cdb10 = Cdb;
    const CDB_BLOCKS_12 *Cdb12 = Cdb;
    const CDB_BLOCKS_16 *Cdb16 = Cdb;
    EXTENT Extent = {0};

    switch (Cdb6->Opcode >> 5) {
    case 0: /* the bits above the LBA were the LUN once; ignored */
        Extent.Lba = (uint64_t)(Cdb6->LbaHigh & 0x1Fu) << 16 | Be16Load(Cdb6->LbaLow);
        Extent.Blocks = Cdb6->Blocks != 0 ? Cdb6->Blocks : 256;
        break;
    case 4:
        Extent = (EXTENT){Cdb16->Flags, Be64Load(Cdb16->Lba), Be32Load(Cdb16->Blocks)};
        break;
    case 5:
        Extent = (EXTENT){Cdb12->Flags, Be32Load(Cdb12->Lba), Be32Load(Cdb12->Blocks)};
        break;
    default:
        Extent = (EXTENT){Cdb10->Flags, Be32Load(Cdb10->Lba), Be16Load(Cdb10->Blocks)};
        break;
    }
    return Extent;
}

bool ScsiCheckRange(const SCSI_COMMAND *Command, uint64_t Lba, uint32_t Blocks)
{
    if (CheckedRange(Lba, Blocks, Command->BlockCount)) {
        return true;
    }
    ScsiRefuse(Command, &ScsiLbaOutOfRange);
    return false;
}

/* The range, and MAXIMUM TRANSFER LENGTH, which holds for VERIFY as well (SBC-3, Block Limits VPD page). */
static bool CheckExtent(const SCSI_COMMAND *Command, const EXTENT *Extent)
{
    uint32_t Maximum = Command->Disk->MaximumBlocks;

    if (!ScsiCheckRange(Command, Extent->Lba, Extent->Blocks)) {
        return false;
    }
    if (Maximum == 0 || Extent->Blocks <= Maximum) {
        return true;
    }
    ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    return false;
}

static void SetAction(const SCSI_COMMAND *Command, SCSI_ACTION Action, const EXTENT *Extent)
{
    Command->Result->Action = Action;
    Command->Result->Lba = Extent->Lba;
    Command->Result->Blocks = Extent->Blocks;
}

/*
 * Refused are protection information, which the disk doesn't have (PROTECT in
 * the INQUIRY data is 0), and FUA where DPOFUA in the mode parameter header is
 * 0: the bit is not supported then (SBC-3, mode parameter header), and GOOD for a WRITE with it
 * would promise what isn't kept. DPO is a hint to a cache and always accepted;
 * the other bits of byte 1 are obsolete or hints as well.
 */
static void Transfer(const SCSI_COMMAND *Command, SCSI_ACTION Action)
{
    EXTENT Extent = ExtentOf(Command->Cdb);
    uint64_t LengthBytes = (uint64_t)Extent.Blocks * Command->Disk->BlockSize;
    bool Fua = Extent.Flags & FLAG_FUA;

    if ((Extent.Flags & FLAG_PROTECT) || (Fua && !Command->Disk->ForceUnitAccess)) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    if (Action == SCSI_ACTION_WRITE && Command->Disk->ReadOnly) {
        ScsiRefuse(Command, &ScsiWriteProtected);
        return;
    }
    if (!CheckExtent(Command, &Extent)) {
        return;
    }
    if (LengthBytes > Command->DataLength) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    SetAction(Command, Action, &Extent);
    Command->Result->DataLength = (size_t)LengthBytes;
    Command->Result->Fua = Fua;
}

/* READ (6) of SBC-2; READ (10), (12), (16) of SBC-3. */
void ScsiRead(const SCSI_COMMAND *Command)
{
    Transfer(Command, SCSI_ACTION_READ);
}

/* WRITE (6) of SBC-2; WRITE (10), (12), (16) of SBC-3. */
void ScsiWrite(const SCSI_COMMAND *Command)
{
    Transfer(Command, SCSI_ACTION_WRITE);
}

/* VERIFY (10), (16) of SBC-3. Comparing with the data buffer (BYTCHK) is not supported. */
void ScsiVerify(const SCSI_COMMAND *Command)
{
    EXTENT Extent = ExtentOf(Command->Cdb);

    if (Extent.Flags & (FLAG_PROTECT | FLAG_BYTCHK)) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    } else if (CheckExtent(Command, &Extent)) {
        SetAction(Command, SCSI_ACTION_VERIFY, &Extent);
    }
}

/*
 * SYNCHRONIZE CACHE (10), (16) of SBC-3. 0 blocks are all from Lba
 * on. IMMED permits an answer before the data is written, no more. Without a
 * cache there is nothing to write.
 */
void ScsiSynchronizeCache(const SCSI_COMMAND *Command)
{
    EXTENT Extent = ExtentOf(Command->Cdb);

    if (ScsiCheckRange(Command, Extent.Lba, Extent.Blocks) && Command->Disk->WriteCache) {
        SetAction(Command, SCSI_ACTION_FLUSH, &Extent);
    }
}

/* READ CAPACITY's LBA has a meaning only with PMI and must be 0 without it (SBC-2; obsolete in SBC-3). */
static bool CheckPartial(const SCSI_COMMAND *Command, uint64_t Lba, uint8_t Partial)
{
    if (Lba == 0 || (Partial & FLAG_PMI)) {
        return true;
    }
    ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    return false;
}

/* READ CAPACITY (10) of SBC-3: a last LBA beyond 32 bits is shown as FFFFFFFFh. Has no allocation length. */
void ScsiReadCapacity10(const SCSI_COMMAND *Command)
{
    const CDB_READ_CAPACITY_10 *Cdb = Command->Cdb;
    uint64_t LastLba = Command->BlockCount - 1;
    CAPACITY_10 Capacity;

    if (!CheckPartial(Command, Be32Load(Cdb->Lba), Cdb->Partial)) {
        return;
    }
    Be32Store(&Capacity.LastLba, LastLba < UINT32_MAX ? (uint32_t)LastLba : UINT32_MAX);
    Be32Store(&Capacity.BlockLength, Command->Disk->BlockSize);
    ScsiAnswer(Command, &Capacity, sizeof(Capacity), sizeof(Capacity));
}

/*
 * SERVICE ACTION IN (16) with READ CAPACITY (16) of SBC-3. LBPRZ stays 0:
 * nothing promises that an unmapped block reads as zeros.
 */
void ScsiServiceActionIn16(const SCSI_COMMAND *Command)
{
    const CDB_READ_CAPACITY_16 *Cdb = Command->Cdb;
    const SCSI_DISK *Disk = Command->Disk;
    CAPACITY_16 Capacity = {0};

    if ((Cdb->ServiceAction & SERVICE_ACTION) != SERVICE_ACTION_READ_CAPACITY_16) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return;
    }
    if (!CheckPartial(Command, Be64Load(Cdb->Lba), Cdb->Partial)) {
        return;
    }
    Be64Store(&Capacity.LastLba, Command->BlockCount - 1);
    Be32Store(&Capacity.BlockLength, Disk->BlockSize);
    while (Capacity.Exponents < EXPONENT_MAX && Disk->PhysicalBlockSize >> Capacity.Exponents > Disk->BlockSize) {
        Capacity.Exponents++;
    }
    Be16Store(&Capacity.LowestAligned, Disk->Unmap ? LBPME : 0);
    ScsiAnswer(Command, &Capacity, sizeof(Capacity), Be32Load(Cdb->Allocation));
}
