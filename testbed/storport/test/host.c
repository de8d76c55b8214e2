/* SPDX-License-Identifier: LGPL-2.1-only */
/* See host.h. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVICE "ramdisk"
#define PARAMETERS NATIVE_SERVICES SERVICE "\\Parameters"

DRIVER_INITIALIZE RamDriverEntry;

static const GUID RamInterface = {0x7A5C4B2E, 0x2B7A, 0x4B43, {0x9D, 0x55, 0x52, 0x41, 0x4D, 0x44, 0x49, 0x53}};

void HostFail(const char *File, int Line, const char *Condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", File, Line, Condition);
    abort();
}

void HostSleep(unsigned Ms)
{
    LARGE_INTEGER Pause = {.QuadPart = -(LONGLONG)Ms * 10000};

    KeDelayExecutionThread(KernelMode, FALSE, &Pause);
}

unsigned HostNow(void)
{
    return (unsigned)(KeQueryInterruptTime() / 10000);
}

void HostStart(HOST *Host, const char *Fault, bool Extended)
{
    NTSTATUS Status;

    NativeStart(&(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 0});
    NativeRegistrySetDword(PARAMETERS, "BusType", 0xE);
    NativeRegistrySetDword(PARAMETERS, "SrbType", Extended);
    if (Fault != NULL)
        NativeRegistrySetString(PARAMETERS, "Fault", Fault);
    Host->Extended = Extended;
    Host->Driver = NativeDriverLoad(SERVICE, RamDriverEntry, &Status);
    CHECK(Host->Driver != NULL);
    Host->Adapter = NativeDeviceAdd(Host->Driver, "root\\wnbdramdisk", &Status);
    CHECK(Host->Adapter != NULL);
    CHECK(NT_SUCCESS(NativeDeviceStart(Host->Adapter)));
    CHECK(NativeChildWait(Host->Adapter, 1, 10000));
    Host->File = NativeOpen(&RamInterface, NULL);
    CHECK(Host->File != NULL);
}

void HostStop(HOST *Host)
{
    NativeClose(Host->File);
    CHECK(NT_SUCCESS(NativeDeviceRemove(Host->Adapter)));
    NativeDriverUnload(Host->Driver);
    NativeStop();
}

RAM_STATE HostCommand(HOST *Host, RAM_COMMAND_CODE Command, unsigned Target, unsigned Value)
{
    const RAM_COMMAND In = {Command, Target, Value};
    RAM_STATE State = {0};
    ULONG Used = 0;

    CHECK(NT_SUCCESS(NativeIoctl(Host->File, RAM_IOCTL, &In, sizeof(In), &State, sizeof(State), &Used)));
    CHECK(Used == sizeof(State));
    return State;
}

void DiskOpen(HOST *Host, DISK *Disk, size_t Index)
{
    CHECK(NativeChildWait(Host->Adapter, Index + 1, 10000));
    Disk->Child = NativeChild(Host->Adapter, Index);
    CHECK(Disk->Child != NULL);
    Disk->File = NativeOpenDevice(Disk->Child);
}

void DiskClose(DISK *Disk)
{
    NativeClose(Disk->File);
    NativeChildRelease(Disk->Child);
}

static void BuildClassic(IO *Io, const IO_PARAMETERS *Parameters)
{
    SCSI_REQUEST_BLOCK *Srb = &Io->Srb.Classic;

    Srb->Length = sizeof(*Srb);
    Srb->Function = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->QueueTag = SP_UNTAGGED;
    Srb->SrbFlags = Parameters->Flags;
    Srb->TimeOutValue = Parameters->TimeoutSeconds;
    Srb->CdbLength = Parameters->CdbLength;
    memcpy(Srb->Cdb, Parameters->Cdb, Parameters->CdbLength);
    Srb->DataBuffer = Parameters->Data == NULL ? NULL : Parameters->Data + Parameters->Offset;
    Srb->DataTransferLength = Parameters->Length;
    Srb->SenseInfoBuffer = Parameters->SenseLength == 0 ? NULL : Io->Sense;
    Srb->SenseInfoBufferLength = Parameters->SenseLength;
}

static void BuildExtended(IO *Io, const IO_PARAMETERS *Parameters)
{
    STORAGE_REQUEST_BLOCK *Srb = &Io->Srb.Extended;
    const ULONG AddressOffset = sizeof(*Srb), CdbOffset = sizeof(*Srb) + 16;
    STOR_ADDR_BTL8 *Address = (STOR_ADDR_BTL8 *)(Io->Srb.Bytes + AddressOffset);

    Io->Cdb = (SRBEX_DATA_SCSI_CDB16 *)(Io->Srb.Bytes + CdbOffset);
    Srb->Length = offsetof(STORAGE_REQUEST_BLOCK, Signature);
    Srb->Function = SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    Srb->Signature = SRB_SIGNATURE;
    Srb->Version = STORAGE_REQUEST_BLOCK_VERSION_1;
    Srb->SrbLength = CdbOffset + sizeof(*Io->Cdb);
    Srb->SrbFunction = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->SrbFlags = Parameters->Flags;
    Srb->TimeOutValue = Parameters->TimeoutSeconds;
    Srb->AddressOffset = AddressOffset;
    Srb->NumSrbExData = 1;
    Srb->SrbExDataOffset[0] = CdbOffset;
    Srb->DataBuffer = Parameters->Data == NULL ? NULL : Parameters->Data + Parameters->Offset;
    Srb->DataTransferLength = Parameters->Length;
    Address->Type = STOR_ADDRESS_TYPE_BTL8;
    Address->AddressLength = STOR_ADDR_BTL8_ADDRESS_LENGTH;
    Io->Cdb->Type = SrbExDataTypeScsiCdb16;
    Io->Cdb->Length = SRBEX_DATA_SCSI_CDB16_LENGTH;
    Io->Cdb->CdbLength = Parameters->CdbLength;
    memcpy(Io->Cdb->Cdb, Parameters->Cdb, Parameters->CdbLength);
    Io->Cdb->SenseInfoBuffer = Parameters->SenseLength == 0 ? NULL : Io->Sense;
    Io->Cdb->SenseInfoBufferLength = Parameters->SenseLength;
}

void IoBegin(DISK *Disk, IO *Io, const IO_PARAMETERS *Parameters)
{
    memset(Io, 0, sizeof(*Io));
    Io->IsExtended = Parameters->Extended;
    if (Parameters->Extended)
        BuildExtended(Io, Parameters);
    else
        BuildClassic(Io, Parameters);
    Io->Request =
        NativeScsiBegin(Disk->File, &Io->Srb.Classic, Parameters->Data, Parameters->Length + Parameters->Offset);
}

UCHAR IoWait(IO *Io)
{
    NativeRequestWait(Io->Request, NULL);
    return Io->Srb.Classic.SrbStatus;
}

ULONG IoLength(const IO *Io)
{
    return Io->IsExtended ? Io->Srb.Extended.DataTransferLength : Io->Srb.Classic.DataTransferLength;
}

UCHAR IoSenseLength(const IO *Io)
{
    return Io->IsExtended ? Io->Cdb->SenseInfoBufferLength : Io->Srb.Classic.SenseInfoBufferLength;
}

void IoTransfer(DISK *Disk, IO *Io, bool Write, ULONG Block, PUCHAR Data, ULONG Length)
{
    const ULONG Blocks = Length / RAM_BLOCK_SIZE;
    const UCHAR Cdb[10] = {Write ? 0x2A : 0x28, 0, (UCHAR)(Block >> 24), (UCHAR)(Block >> 16), (UCHAR)(Block >> 8),
                           (UCHAR)Block,        0, (UCHAR)(Blocks >> 8), (UCHAR)Blocks,        0};
    const IO_PARAMETERS Parameters = {.Cdb = Cdb,
                                      .CdbLength = sizeof(Cdb),
                                      .Flags = Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
                                      .Data = Data,
                                      .Length = Length,
                                      .SenseLength = sizeof(Io->Sense),
                                      .TimeoutSeconds = 20};

    IoBegin(Disk, Io, &Parameters);
}

void IoReady(DISK *Disk, IO *Io, ULONG TimeoutSeconds)
{
    static const UCHAR Cdb[6] = {0};
    const IO_PARAMETERS Parameters = {
        .Cdb = Cdb, .CdbLength = 6, .SenseLength = sizeof(Io->Sense), .TimeoutSeconds = TimeoutSeconds};

    IoBegin(Disk, Io, &Parameters);
}
