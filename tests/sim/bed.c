/* SPDX-License-Identifier: LGPL-2.1-only */
/* bed.h. */
#include "bed.h"
#include "ground.h"

#include <stdio.h>
#include <stdlib.h>

#define QUIET_PAUSE 20000u /* 2 ms, in units of 100 ns */
#define QUIET_LOOKS 250u
#define QUIET_TRIES 30000u /* a minute */

DRIVER_INITIALIZE DriverEntry;

void BedFail(const char *File, int Line, const char *Condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", File, Line, Condition);
    abort();
}

void BedStart(BED *Bed, const NATIVE_OPTIONS *Options)
{
    NativeStart(Options);
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "BusType", 0xE);
    BedLoad(Bed);
}

bool BedTryLoad(BED *Bed)
{
    NTSTATUS Status;
    Bed->Driver = NativeDriverLoad("wnbd", DriverEntry, &Status);
    if (Bed->Driver == NULL) {
        return false;
    }
    Bed->Adapter = NativeDeviceAdd(Bed->Driver, WNBD_HARDWAREID, &Status);
    if (Bed->Adapter != NULL) {
        Bed->File = NT_SUCCESS(NativeDeviceStart(Bed->Adapter)) ? NativeOpen(&WNBD_GUID, NULL) : NULL;
        if (Bed->File != NULL) {
            return true;
        }
        CHECK(NT_SUCCESS(NativeDeviceRemove(Bed->Adapter)));
    }
    NativeDriverUnload(Bed->Driver);
    return false;
}

void BedLoad(BED *Bed)
{
    CHECK(BedTryLoad(Bed));
}

void BedStop(BED *Bed)
{
    NativeClose(Bed->File);
    CHECK(NT_SUCCESS(NativeDeviceRemove(Bed->Adapter)));
    NativeDriverUnload(Bed->Driver);
    NativeStop();
    /* docs/locking.md promises it: no thread of the driver holds two spin locks, so no order can be wrong. */
    CHECK(NativeLocksNested() == 0);
}

void BedProperties(WNBD_PROPERTIES *Properties, const char *Name, uint16_t Port)
{
    memset(Properties, 0, sizeof(*Properties));
    snprintf(Properties->InstanceName, sizeof(Properties->InstanceName), "%s", Name);
    snprintf(Properties->Owner, sizeof(Properties->Owner), "sim");
    Properties->Flags.UseKernelNbd = 1;
    snprintf(Properties->NbdProperties.Hostname, sizeof(Properties->NbdProperties.Hostname), "127.0.0.1");
    Properties->NbdProperties.PortNumber = Port;
}

NTSTATUS BedMap(BED *Bed, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX, .Properties = *Properties};
    ULONG Used = 0;
    memset(Result, 0xCC, sizeof(*Result));
    NTSTATUS Status =
        NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result), &Used);
    CHECK(!NT_SUCCESS(Status) || Used == sizeof(*Result));
    return Status;
}

NTSTATUS BedUnmap(BED *Bed, const char *Name)
{
    WNBD_IOCTL_REMOVE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_REMOVE};
    snprintf(Command.InstanceName, sizeof(Command.InstanceName), "%s", Name);
    return NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, NULL);
}

UINT32 BedDiskCount(BED *Bed)
{
    WNBD_IOCTL_LIST_COMMAND Command = {IOCTL_WNBD_LIST};
    WNBD_CONNECTION_LIST List;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &List, sizeof(List), NULL) ==
          STATUS_SUCCESS);
    return List.Count;
}

void BedAwaitDisks(BED *Bed, UINT32 Count)
{
    for (unsigned Tries = 0; BedDiskCount(Bed) != Count; Tries++) {
        CHECK(Tries < QUIET_TRIES);
        GroundSleep(QUIET_PAUSE);
    }
}

NATIVE_COUNTS BedQuietCounts(void)
{
    NATIVE_COUNTS Counts, Now;
    unsigned Same = 0;
    memset(&Counts, 0, sizeof(Counts));
    for (unsigned Tries = 0; Same < QUIET_LOOKS; Tries++) {
        CHECK(Tries < QUIET_TRIES);
        NativePnpSettle();
        Now = NativeCounts();
        Same = memcmp(&Now, &Counts, sizeof(Now)) == 0 ? Same + 1 : 0;
        Counts = Now;
        GroundSleep(QUIET_PAUSE);
    }
    return Counts;
}

static uint64_t BigEndian(const UCHAR *Bytes, int Count)
{
    uint64_t Value = 0;
    while (Count-- > 0) {
        Value = Value << 8 | *Bytes++;
    }
    return Value;
}

void DiskOpen(DISK *Disk, BED *Bed, size_t Count)
{
    Disk->TimeoutSeconds = 30;
    UCHAR Capacity[32] = {0}, Cdb[16] = {0x9E, 0x10};
    CHECK(NativeChildWait(Bed->Adapter, Count, 20000));
    Disk->Child = NativeChild(Bed->Adapter, Count - 1);
    CHECK(Disk->Child != NULL);
    Disk->File = NativeOpenDevice(Disk->Child);
    Cdb[13] = sizeof(Capacity);
    CHECK(DiskCommand(Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Capacity, sizeof(Capacity), NULL) == SRB_STATUS_SUCCESS);
    Disk->BlockCount = BigEndian(Capacity, 8) + 1;
    Disk->BlockSize = (uint32_t)BigEndian(Capacity + 8, 4);
}

void DiskClose(DISK *Disk)
{
    NativeClose(Disk->File);
    NativeChildRelease(Disk->Child);
}

void BedMapDisk(BED *Bed, DISK *Disk, uint16_t Port)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, "disk", Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(Disk, Bed, 1);
}

void BedUnmapDisk(BED *Bed, DISK *Disk)
{
    CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    DiskClose(Disk);
}

static void IoBuildClassic(DISK_IO *Io, const UCHAR *Cdb, UCHAR CdbLength, ULONG Flags, void *Data, ULONG Length)
{
    SCSI_REQUEST_BLOCK *Srb = &Io->Srb.Classic;
    Srb->Length = sizeof(*Srb);
    Srb->Function = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->SrbFlags = Flags;
    Srb->CdbLength = CdbLength;
    memcpy(Srb->Cdb, Cdb, CdbLength);
    Srb->DataBuffer = Data;
    Srb->DataTransferLength = Length;
    Srb->SenseInfoBuffer = Io->Sense;
    Srb->SenseInfoBufferLength = sizeof(Io->Sense);
    Srb->QueueTag = 0xFF;
}

static void IoBuildExtended(DISK_IO *Io, const UCHAR *Cdb, UCHAR CdbLength, ULONG Flags, void *Data, ULONG Length)
{
    STORAGE_REQUEST_BLOCK *Srb = &Io->Srb.Extended;
    ULONG AddressOffset = (ULONG)ALIGN_UP_BY(sizeof(*Srb), 8);
    ULONG CdbOffset = (ULONG)ALIGN_UP_BY(AddressOffset + sizeof(STOR_ADDR_BTL8), 8);
    STOR_ADDR_BTL8 *Address = (STOR_ADDR_BTL8 *)(Io->Srb.Bytes + AddressOffset);
    Io->CdbBlock = (SRBEX_DATA_SCSI_CDB16 *)(Io->Srb.Bytes + CdbOffset);
    Srb->Length = offsetof(STORAGE_REQUEST_BLOCK, Signature);
    Srb->Function = SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    Srb->Signature = SRB_SIGNATURE;
    Srb->Version = STORAGE_REQUEST_BLOCK_VERSION_1;
    Srb->SrbLength = CdbOffset + sizeof(*Io->CdbBlock);
    Srb->SrbFunction = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->SrbFlags = Flags;
    Srb->AddressOffset = AddressOffset;
    Srb->NumSrbExData = 1;
    Srb->SrbExDataOffset[0] = CdbOffset;
    Srb->DataTransferLength = Length;
    Srb->DataBuffer = Data;
    Address->Type = STOR_ADDRESS_TYPE_BTL8;
    Address->AddressLength = STOR_ADDR_BTL8_ADDRESS_LENGTH;
    Io->CdbBlock->Type = SrbExDataTypeScsiCdb16;
    Io->CdbBlock->Length = sizeof(*Io->CdbBlock) - 8;
    Io->CdbBlock->CdbLength = CdbLength;
    Io->CdbBlock->SenseInfoBuffer = Io->Sense;
    Io->CdbBlock->SenseInfoBufferLength = sizeof(Io->Sense);
    memcpy(Io->CdbBlock->Cdb, Cdb, CdbLength);
}

void DiskPrepare(DISK *Disk, DISK_IO *Io, bool Extended, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
                 void *Data, ULONG Length)
{
    memset(Io, 0, sizeof(*Io));
    (Extended ? IoBuildExtended : IoBuildClassic)(Io, Cdb, CdbLength, DirectionFlags, Data, Length);
    if (Extended) {
        Io->Srb.Extended.TimeOutValue = Disk->TimeoutSeconds;
    } else {
        Io->Srb.Classic.TimeOutValue = Disk->TimeoutSeconds;
    }
}

void DiskSend(DISK *Disk, DISK_IO *Io, void *Data, ULONG Length)
{
    Io->Request = NativeScsiBegin(Disk->File, &Io->Srb.Classic, Data, Length);
}

void DiskBegin(DISK *Disk, DISK_IO *Io, bool Extended, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
               void *Data, ULONG Length)
{
    DiskPrepare(Disk, Io, Extended, Cdb, CdbLength, DirectionFlags, Data, Length);
    DiskSend(Disk, Io, Data, Length);
}

UCHAR DiskWait(DISK_IO *Io, ULONG *Moved)
{
    NativeRequestWait(Io->Request, NULL);
    if (Io->CdbBlock != NULL) {
        if (Moved != NULL) {
            *Moved = Io->Srb.Extended.DataTransferLength;
        }
        return Io->Srb.Extended.SrbStatus & 0x3F;
    }
    if (Moved != NULL) {
        *Moved = Io->Srb.Classic.DataTransferLength;
    }
    return Io->Srb.Classic.SrbStatus & 0x3F;
}

UCHAR DiskCommand(DISK *Disk, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags, void *Data, ULONG Length,
                  ULONG *Moved)
{
    DISK_IO Io;
    DiskBegin(Disk, &Io, false, Cdb, CdbLength, DirectionFlags, Data, Length);
    return DiskWait(&Io, Moved);
}

void DiskCdb16(UCHAR *Cdb, UCHAR Code, uint64_t Block, uint32_t Count, bool Fua)
{
    memset(Cdb, 0, 16);
    Cdb[0] = Code;
    Cdb[1] = Fua ? 0x08 : 0;
    for (int Index = 0; Index < 8; Index++) {
        Cdb[2 + Index] = (UCHAR)(Block >> (56 - 8 * Index));
    }
    for (int Index = 0; Index < 4; Index++) {
        Cdb[10 + Index] = (UCHAR)(Count >> (24 - 8 * Index));
    }
}
