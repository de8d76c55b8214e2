/* SPDX-License-Identifier: LGPL-2.1-only */
/* Random SRBs: life.h. */
#include "life.h"

#include <port.h>
#include <storage_ioctl.h>

#include <stdlib.h>

#define BATCH_MOST 6u

typedef enum { OP_READ, OP_WRITE, OP_UNMAP, OP_FLUSH, OP_VERIFY, OP_COUNT } OP;

static const char *const OpNames[OP_COUNT] = {"read", "write", "unmap", "flush", "verify"};

typedef struct {
    DISK_IO Io;
    OP Op;
    uint64_t Block;
    uint32_t Blocks;
    uint32_t Sector;  /* of the model */
    uint32_t Sectors; /* that there are */
    bool Beyond;      /* there are fewer than it asks for: the server has told of more than it has */
    bool Fua;
    bool Refusable; /* asks for what the disk hasn't got */
    uint64_t Value;
    uint64_t Begin; /* the model's */
    UCHAR *Data;
    EXCUSES Slot;
    EXCUSES Life;
    FAULTS Faults;
    bool Excused; /* something was going on when it began */
} FLYING;

/* ---- Begin ---- */

static uint32_t BlocksDraw(const SLOT *Slot)
{
    uint32_t Most = (uint32_t)Slot->Disk.BlockCount;
    uint32_t Wanted = Slot->Tiny ? 2 : SeededBelow(Slot->Large ? 2 : 8) == 0 ? 256 * 1024 / Slot->Disk.BlockSize : 16;
    if (!Slot->Tiny && SeededBelow(64) == 0) {
        Wanted = WNBD_DEFAULT_MAX_TRANSFER_LENGTH / Slot->Disk.BlockSize;
    }
    Wanted = Wanted < Most ? Wanted : Most;
    return 1 + SeededBelow(Wanted);
}

static OP OpDraw(void)
{
    static const UCHAR Ops[] = {OP_READ,  OP_READ,  OP_READ,  OP_READ,  OP_WRITE, OP_WRITE, OP_WRITE,
                                OP_WRITE, OP_WRITE, OP_UNMAP, OP_FLUSH, OP_FLUSH, OP_VERIFY};
    return (OP)Ops[SeededBelow(sizeof(Ops))];
}

static void FlyingTransfer(SLOT *Slot, FLYING *Flying)
{
    bool Write = Flying->Op == OP_WRITE;
    ULONG Length = Flying->Blocks * Slot->Disk.BlockSize;
    UCHAR Cdb[16];
    Flying->Data = malloc(Length);
    CHECK(Flying->Data != NULL);
    memset(Flying->Data, 0xA5, Length);
    if (Write) {
        Flying->Value = ModelValue(&Slot->Model);
        ModelFill(Flying->Value, Flying->Sector, Length / SECTOR_BYTES, Flying->Data);
        ModelWriteBegin(&Slot->Model, Flying->Sector, Flying->Sectors, Flying->Value);
    } else {
        Flying->Begin = ModelReadBegin(&Slot->Model);
    }
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, Flying->Block, Flying->Blocks, Flying->Fua);
    DiskBegin(&Slot->Disk, &Flying->Io, SeededBelow(2) == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
              Flying->Data, Length);
}

/* One descriptor, or the same blocks in two. */
static void FlyingUnmap(SLOT *Slot, FLYING *Flying)
{
    UCHAR Cdb[10] = {0x42}, Address[16];
    UCHAR Two = Flying->Blocks > 1 && SeededBelow(2) == 0 ? 2 : 1;
    UCHAR Length = (UCHAR)(8 + 16 * Two);
    uint32_t First = Two == 2 ? 1 + SeededBelow(Flying->Blocks - 1) : Flying->Blocks;
    Cdb[8] = Length;
    Flying->Data = calloc(1, Length);
    CHECK(Flying->Data != NULL);
    Flying->Data[1] = (UCHAR)(Length - 2);
    Flying->Data[3] = (UCHAR)(Length - 8);
    DiskCdb16(Address, 0, Flying->Block, First, false);
    memcpy(Flying->Data + 8, Address + 2, 12);
    if (Two == 2) {
        DiskCdb16(Address, 0, Flying->Block + First, Flying->Blocks - First, false);
        memcpy(Flying->Data + 24, Address + 2, 12);
    }
    Flying->Begin = ModelTrimBegin(&Slot->Model, Flying->Sector, Flying->Sectors);
    DiskBegin(&Slot->Disk, &Flying->Io, SeededBelow(2) == 0, Cdb, 10, SRB_FLAGS_DATA_OUT, Flying->Data, Length);
}

/* VERIFY(16) without data: the driver reads, and drops what it has read. */
static void FlyingVerify(SLOT *Slot, FLYING *Flying)
{
    UCHAR Cdb[16];
    DiskCdb16(Cdb, 0x8F, Flying->Block, Flying->Blocks, false);
    DiskBegin(&Slot->Disk, &Flying->Io, SeededBelow(2) == 0, Cdb, 16, 0, NULL, 0);
}

/* Where it is in the model, as far as that goes. */
static void FlyingPlace(const SLOT *Slot, FLYING *Flying)
{
    uint32_t BlockSectors = Slot->Disk.BlockSize / SECTOR_BYTES, There = Slot->Medium.Sectors;
    Flying->Sector = (uint32_t)Flying->Block * BlockSectors;
    Flying->Sectors = Flying->Blocks * BlockSectors;
    There = Flying->Sector < There ? There - Flying->Sector : 0;
    if (There < Flying->Sectors) {
        Flying->Sectors = There;
        Flying->Beyond = Flying->Op != OP_FLUSH;
    }
}

static void FlyingBegin(SLOT *Slot, FLYING *Flying)
{
    static const UCHAR Flush[10] = {0x35};
    const uint16_t Flags = Slot->Plan.Flags;
    bool ReadOnly = (Flags & SERVED_READ_ONLY) != 0 || Slot->WantReadOnly;
    *Flying = (FLYING){.Op = OpDraw()};
    Flying->Blocks = BlocksDraw(Slot);
    Flying->Block = SeededBelow((uint32_t)Slot->Disk.BlockCount - Flying->Blocks + 1);
    FlyingPlace(Slot, Flying);
    Flying->Fua = (Flying->Op == OP_READ || Flying->Op == OP_WRITE) && SeededBelow(4) == 0;
    Flying->Refusable = (ReadOnly && (Flying->Op == OP_WRITE || Flying->Op == OP_UNMAP)) ||
                        (Flying->Op == OP_UNMAP && (Flags & SERVED_TRIM) == 0) ||
                        (Flying->Fua && (Flags & (SERVED_FUA | SERVED_FLUSH)) == 0);
    Flying->Slot = Slot->Excuses;
    Flying->Life = Slot->Life->Excuses;
    Flying->Faults = Slot->Life->Faults;
    Flying->Excused = Slot->ResetsActive != 0 || Slot->Life->BusResetsActive != 0;
    switch (Flying->Op) {
    case OP_READ:
    case OP_WRITE:
        FlyingTransfer(Slot, Flying);
        break;
    case OP_UNMAP:
        FlyingUnmap(Slot, Flying);
        break;
    case OP_VERIFY:
        FlyingVerify(Slot, Flying);
        break;
    default:
        Flying->Begin = ModelFlushBegin(&Slot->Model);
        DiskBegin(&Slot->Disk, &Flying->Io, SeededBelow(2) == 0, Flush, sizeof(Flush), 0, NULL, 0);
        break;
    }
}

/* ---- End ---- */

/* Stops the test if nothing has happened that the status could come from. */
static void StatusCheck(SLOT *Slot, const FLYING *Flying, UCHAR Status)
{
    const LIFE *Life = Slot->Life;
    bool Reset = Flying->Excused || Slot->MayReset || Slot->Excuses.Resets != Flying->Slot.Resets ||
                 Life->Excuses.Resets != Flying->Life.Resets;
    if (FaultsRefuseSrb(Life, &Flying->Faults, Status)) {
        return;
    }
    bool End = Slot->MayEnd || Slot->Ending || Life->Stopping || Life->Gone || Life->Excuses.Ends != Flying->Life.Ends;
    bool Refused = Flying->Beyond && Slot->Plan.Misdeed == MISDEED_MORE_REFUSED;
    switch (Status) {
    case SRB_STATUS_SUCCESS:
        if (!Refused) {
            return;
        }
        break;
    case SRB_STATUS_BUS_RESET:
        if (Reset || End) {
            return;
        }
        break;
    case SRB_STATUS_BUSY:
        /*
         * No memory can be mapped, or what resets have aborted, before this began, too, holds every slot until it is
         * answered: so often that the host gives up.
         */
        if (PortOptions.FailMappingEvery != 0 || Reset || Slot->Excuses.Resets != 0 || Life->Excuses.Resets != 0) {
            return;
        }
        break;
    case SRB_STATUS_NO_DEVICE:
        if (End) {
            return;
        }
        break;
    case SRB_STATUS_ERROR:
        if (Flying->Refusable || Refused) {
            return;
        }
        if (++Slot->ErrorsSeen <= SlotCounts(Slot).Errors) {
            return;
        }
        break;
    default:
        break;
    }
    LifeFail(Slot, "%s of %u blocks at %llu ended with SRB status 0x%02x, sense %02x/%02x/%02x, and nobody knows why",
             OpNames[Flying->Op], Flying->Blocks, (unsigned long long)Flying->Block, Status, Flying->Io.Sense[2] & 15,
             Flying->Io.Sense[12], Flying->Io.Sense[13]);
}

static void FlyingLearn(SLOT *Slot, const FLYING *Flying, bool Done)
{
    bool Cached = (Slot->Plan.Flags & SERVED_FLUSH) != 0;
    switch (Flying->Op) {
    case OP_READ:
        if (!ModelReadEnd(&Slot->Model, Flying->Begin, Flying->Sector, Flying->Sectors, Done ? Flying->Data : NULL)) {
            LifeFail(Slot, "a read of %u blocks at %llu is wrong", Flying->Blocks, (unsigned long long)Flying->Block);
        }
        break;
    case OP_WRITE:
        ModelWriteEnd(&Slot->Model, Flying->Sector, Flying->Sectors, Flying->Value, Done, Flying->Fua || !Cached);
        break;
    case OP_UNMAP:
        ModelTrimEnd(&Slot->Model, Flying->Sector, Flying->Sectors, Flying->Begin);
        break;
    case OP_FLUSH:
        /* Without a cache it says nothing, not even of what an earlier server has left in its own. */
        if (Done && Cached) {
            ModelFlushEnd(&Slot->Model, Flying->Begin);
        }
        break;
    default:
        break;
    }
}

static void FlyingEnd(SLOT *Slot, FLYING *Flying)
{
    ULONG Moved;
    UCHAR Status = DiskWait(&Flying->Io, &Moved);
    bool Done = Status == SRB_STATUS_SUCCESS;
    bool Transfer = Flying->Op == OP_READ || Flying->Op == OP_WRITE;
    bool Whole = Done || Status == SRB_STATUS_BUSY || FaultsRefuseSrb(Slot->Life, &Flying->Faults, Status);
    SeededNote(Status);
    StatusCheck(Slot, Flying, Status);
    if (Transfer && Moved != (Whole ? Flying->Blocks * Slot->Disk.BlockSize : 0)) {
        LifeFail(Slot, "%s of %u blocks, status 0x%02x, moved %u bytes", OpNames[Flying->Op], Flying->Blocks, Status,
                 (unsigned)Moved);
    }
    FlyingLearn(Slot, Flying, Done);
    bool Reaches = !Flying->Refusable && !(Flying->Op == OP_FLUSH && (Slot->Plan.Flags & SERVED_FLUSH) == 0);
    if (Reaches && (Done || Status == SRB_STATUS_ERROR)) {
        Slot->Counted++;
    } else if (!Done) {
        Slot->Uncounted++;
    }
    free(Flying->Data);
    Slot->Life->SrbsDone++;
}

void WorkerRun(SLOT *Slot, uint32_t Operations)
{
    FLYING *Batch = calloc(BATCH_MOST, sizeof(*Batch));
    uint32_t Done = 0;
    CHECK(Batch != NULL);
    while (Done < Operations && !Slot->Ending && !Slot->Life->Gone) {
        uint32_t Depth = 1 + SeededBelow(BATCH_MOST);
        for (uint32_t Index = 0; Index < Depth; Index++) {
            FlyingBegin(Slot, &Batch[Index]);
        }
        for (uint32_t Index = 0; Index < Depth; Index++) {
            FlyingEnd(Slot, &Batch[Index]);
        }
        Done += Depth;
        if (SeededBelow(16) == 0) {
            GroundSleep(SeededBelow(20000000));
        }
    }
    free(Batch);
}

/* ---- Resets ---- */

static void ResetBegun(SLOT *Slot, bool Bus)
{
    if (Bus) {
        Slot->Life->BusResetsActive++;
        Slot->Life->Excuses.Resets++;
    } else {
        Slot->ResetsActive++;
        Slot->Excuses.Resets++;
    }
}

static void ResetEnded(SLOT *Slot, bool Bus)
{
    if (Bus) {
        Slot->Life->BusResetsActive--;
        Slot->Life->Excuses.Resets++;
    } else {
        Slot->ResetsActive--;
        Slot->Excuses.Resets++;
    }
}

/* The way that a program has: straight to HwResetBus, after which the host looks for what the driver still holds. */
void WorkerResetBus(SLOT *Slot)
{
    const LIFE *Life = Slot->Life;
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    ResetBegun(Slot, true);
    NTSTATUS Status =
        NativeIoctl(Life->Bed.File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL);
    ResetEnded(Slot, true);
    SeededNote((uint32_t)Status);
    if (!NT_SUCCESS(Status) && Life->Excuses.Ends == 0 && !Life->Gone) {
        LifeFail(Slot, "the reset of the bus failed: 0x%08x", (unsigned)Status);
    }
}

void WorkerReset(SLOT *Slot, ULONG Function)
{
    DISK_IO Io;
    bool Bus = Function == SRB_FUNCTION_RESET_BUS;
    FAULTS Before = Slot->Life->Faults;
    memset(&Io, 0, sizeof(Io));
    Io.Srb.Classic.Length = sizeof(Io.Srb.Classic);
    Io.Srb.Classic.Function = (UCHAR)Function;
    Io.Srb.Classic.TimeOutValue = 30;
    ResetBegun(Slot, Bus);
    Io.Request = NativeScsiBegin(Slot->Disk.File, &Io.Srb.Classic, NULL, 0);
    UCHAR Status = DiskWait(&Io, NULL);
    ResetEnded(Slot, Bus);
    bool Lost = Slot->MayEnd || Slot->Ending || Slot->Life->Stopping || Slot->Life->Gone;
    SeededNote(Status);
    if (Status != SRB_STATUS_SUCCESS && !FaultsRefuseSrb(Slot->Life, &Before, Status) &&
        !((Status == SRB_STATUS_NO_DEVICE || Status == SRB_STATUS_BUS_RESET) && Lost)) {
        LifeFail(Slot, "reset 0x%x ended with SRB status 0x%02x", (unsigned)Function, Status);
    }
}
