/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IOCTL_STORAGE_MANAGE_DATA_SET_ATTRIBUTES with DeviceDsmAction_Trim: ranges of bytes become UNMAP commands, one after
 * the other, as in the published classpnp sample (ClasspDeviceTrimProcess). A range that isn't made of whole blocks of
 * the disk fails the request as a whole; nothing is rounded.
 */
#include "packet.h"
#include "scsi_command.h"

#define UNMAP_HEADER_BYTES 8u
#define UNMAP_DESCRIPTOR_BYTES 16u
#define UNMAP_LIST_MAX 0xFFFFu /* PARAMETER LIST LENGTH has two bytes */
#define STATUS_TRIM_READ_ZERO_NOT_SUPPORTED ((NTSTATUS)0xC0000472)

C_ASSERT(sizeof(DEVICE_MANAGE_DATA_SET_ATTRIBUTES) == 0x1C && sizeof(DEVICE_DATA_SET_RANGE) == 0x10);

typedef struct {
    DISK *Disk;
    PIRP Irp;
    ULONG BlockBytes;
    ULONG DescriptorsMax; /* of one UNMAP */
    DEVICE_DATA_SET_RANGE Whole;
    DEVICE_DATA_SET_RANGE *Ranges; /* Whole, or in the IRP's buffer; shortened from the front as they are sent */
    ULONG Count;
    ULONG Next; /* the first range with something left */
} TRIM;

static PACKET_DONE TrimPacketDone;

static VOID TrimFinish(TRIM *Trim, NTSTATUS Status)
{
    DISK *Disk = Trim->Disk;
    PIRP Irp = Trim->Irp;

    ExFreePoolWithTag(Trim, DISK_TAG);
    DiskComplete(Disk, Irp, Status, 0);
}

/* Moves up to BlocksMax blocks from the ranges into descriptors. Returns how many descriptors there are. */
static ULONG TrimFill(TRIM *Trim, UCHAR *Descriptors, ULONGLONG BlocksMax)
{
    ULONGLONG Blocks = 0;
    ULONG Count = 0;

    while (Trim->Next < Trim->Count && Count < Trim->DescriptorsMax && Blocks < BlocksMax) {
        DEVICE_DATA_SET_RANGE *Range = &Trim->Ranges[Trim->Next];
        ULONGLONG Now = Range->LengthInBytes / Trim->BlockBytes;

        Now = Now < 0xFFFFFFFF ? Now : 0xFFFFFFFF;
        Now = Now < BlocksMax - Blocks ? Now : BlocksMax - Blocks;
        PutBe64(Descriptors + Count * UNMAP_DESCRIPTOR_BYTES, (ULONGLONG)Range->StartingOffset / Trim->BlockBytes);
        PutBe32(Descriptors + Count * UNMAP_DESCRIPTOR_BYTES + 8, (ULONG)Now);
        Range->StartingOffset += (LONGLONG)(Now * Trim->BlockBytes);
        Range->LengthInBytes -= Now * Trim->BlockBytes;
        Blocks += Now;
        Count++;
        if (Range->LengthInBytes == 0) {
            Trim->Next++;
        }
    }
    return Count;
}

/* Status: of the command before, which is the request's when nothing is left. */
static VOID TrimSendNext(TRIM *Trim, NTSTATUS Status)
{
    UCHAR Cdb[10] = {CDB_UNMAP};
    UCHAR *List;
    PACKET *Packet;
    ULONG Bytes;

    if (Trim->Next == Trim->Count) {
        TrimFinish(Trim, Status);
        return;
    }
    Packet = PacketCreateWithBuffer(Trim->Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT,
                                    UNMAP_HEADER_BYTES + Trim->DescriptorsMax * UNMAP_DESCRIPTOR_BYTES);
    if (Packet == NULL) {
        TrimFinish(Trim, STATUS_INSUFFICIENT_RESOURCES);
        return;
    }
    List = Packet->OwnBuffer;
    Bytes = UNMAP_DESCRIPTOR_BYTES * TrimFill(Trim, List + UNMAP_HEADER_BYTES, Trim->Disk->Provisioning.UnmapBlocks);
    PutBe16(List, (USHORT)(UNMAP_HEADER_BYTES - 2 + Bytes));
    PutBe16(List + 2, (USHORT)Bytes);
    PutBe16(&Packet->Srb.Cdb[7], (USHORT)(UNMAP_HEADER_BYTES + Bytes));
    Packet->DataBytes = UNMAP_HEADER_BYTES + Bytes;
    PacketSend(Packet, TrimPacketDone, Trim);
}

static VOID TrimPacketDone(PACKET *Packet, NTSTATUS Status)
{
    TRIM *Trim = Packet->Context;

    PacketFree(Packet);
    TrimSendNext(Trim, Status);
}

/* Whether the header names ranges inside the input, or the whole disk and no ranges. */
static BOOLEAN TrimHeaderGood(const DEVICE_MANAGE_DATA_SET_ATTRIBUTES *Input, ULONG InputBytes)
{
    if ((Input->Flags & DEVICE_DSM_FLAG_ENTIRE_DATA_SET_RANGE) != 0) {
        return Input->DataSetRangesOffset == 0 && Input->DataSetRangesLength == 0;
    }
    return Input->DataSetRangesOffset >= sizeof(*Input) && Input->DataSetRangesOffset % 8 == 0 &&
           Input->DataSetRangesLength >= sizeof(DEVICE_DATA_SET_RANGE) && Input->DataSetRangesOffset <= InputBytes &&
           Input->DataSetRangesLength <= InputBytes - Input->DataSetRangesOffset;
}

static BOOLEAN TrimRangesGood(const TRIM *Trim, ULONGLONG LengthBytes, ULONGLONG FirstByte)
{
    ULONG Index;

    for (Index = 0; Index < Trim->Count; Index++) {
        const DEVICE_DATA_SET_RANGE *Range = &Trim->Ranges[Index];
        ULONGLONG Offset = (ULONGLONG)Range->StartingOffset;

        if (Offset % Trim->BlockBytes != 0 || Range->LengthInBytes % Trim->BlockBytes != 0 || Offset < FirstByte ||
            Range->LengthInBytes == 0 || Offset > LengthBytes || Range->LengthInBytes > LengthBytes - Offset) {
            return FALSE;
        }
    }
    return TRUE;
}

/* Ranges, limits and refusals, before anything is sent. */
static NTSTATUS TrimPrepare(TRIM *Trim, DEVICE_MANAGE_DATA_SET_ATTRIBUTES *Input, ULONG InputBytes)
{
    const PROVISIONING *Provisioning = &Trim->Disk->Provisioning;
    DISK_SIZE Size = DiskSize(Trim->Disk);
    ULONGLONG First = (ULONGLONG)Provisioning->AlignmentBlocks * Size.BlockBytes;
    ULONG ListBytes = UNMAP_LIST_MAX < Trim->Disk->MaxTransferBytes ? UNMAP_LIST_MAX : Trim->Disk->MaxTransferBytes;

    if (!TrimHeaderGood(Input, InputBytes)) {
        return STATUS_INVALID_PARAMETER;
    }
    if (!Provisioning->Unmap || Provisioning->UnmapBlocks == 0 || Provisioning->UnmapDescriptors == 0) {
        return STATUS_NOT_SUPPORTED;
    }
    Trim->BlockBytes = Size.BlockBytes;
    Trim->DescriptorsMax = (ListBytes - UNMAP_HEADER_BYTES) / UNMAP_DESCRIPTOR_BYTES;
    if (Provisioning->UnmapDescriptors < Trim->DescriptorsMax) {
        Trim->DescriptorsMax = Provisioning->UnmapDescriptors;
    }
    if ((Input->Flags & DEVICE_DSM_FLAG_ENTIRE_DATA_SET_RANGE) != 0) {
        Trim->Whole.StartingOffset = (LONGLONG)First;
        Trim->Whole.LengthInBytes = Size.LengthBytes - First;
        Trim->Ranges = &Trim->Whole;
        Trim->Count = 1;
    } else {
        Trim->Ranges = (DEVICE_DATA_SET_RANGE *)((UCHAR *)Input + Input->DataSetRangesOffset);
        Trim->Count = Input->DataSetRangesLength / (ULONG)sizeof(DEVICE_DATA_SET_RANGE);
    }
    if (!TrimRangesGood(Trim, Size.LengthBytes, First)) {
        return STATUS_INVALID_PARAMETER;
    }
    if ((Input->Flags & DEVICE_DSM_FLAG_TRIM_NOT_FS_ALLOCATED) == 0 && !Provisioning->ReadZeros) {
        /* A file's blocks: what is read there afterwards must not be another file's. */
        return STATUS_TRIM_READ_ZERO_NOT_SUPPORTED;
    }
    return AttributesReadOnly(Trim->Disk) ? STATUS_MEDIA_WRITE_PROTECTED : STATUS_SUCCESS;
}

NTSTATUS TrimDispatch(DISK *Disk, PIRP Irp)
{
    DEVICE_MANAGE_DATA_SET_ATTRIBUTES *Input = Irp->AssociatedIrp.SystemBuffer;
    TRIM *Trim;
    NTSTATUS Status;

    if (Input->Action != DeviceDsmAction_Trim) {
        return IoctlBelow(Disk, Irp);
    }
    Trim = DiskAllocate(sizeof(*Trim));
    if (Trim == NULL) {
        return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    Trim->Disk = Disk;
    Trim->Irp = Irp;
    Status = TrimPrepare(Trim, Input, IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.InputBufferLength);
    if (!NT_SUCCESS(Status)) {
        TrimFinish(Trim, Status);
        return Status;
    }
    IoMarkIrpPending(Irp);
    TrimSendNext(Trim, STATUS_SUCCESS);
    return STATUS_PENDING;
}
