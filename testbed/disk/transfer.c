/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reads, writes and flushes. A request longer than the port driver's maximum becomes several packets that run side by
 * side; the request completes when the last of them does.
 *
 * Every packet carries the request's own, whole MDL, with the SRB's DataBuffer pointing into its range of virtual
 * addresses; the port driver finds the part by that offset. This is what classpnp does too unless a port driver asks it
 * for partial MDLs (and Wine's IoBuildPartialMdl is a stub).
 */
#include "packet.h"
#include "scsi_command.h"

typedef struct {
    DISK *Disk;
    PIRP Irp;
    LONG Remaining; /* packets that have not completed; interlocked */
    LONG Status;    /* of the first that failed, else STATUS_SUCCESS; interlocked */
    ULONG LengthBytes;
    ULONG PacketCount;
    PACKET *Packets[];
} TRANSFER;

static VOID TransferFree(TRANSFER *Transfer)
{
    ULONG Index;

    for (Index = 0; Index < Transfer->PacketCount; Index++) {
        if (Transfer->Packets[Index] != NULL) {
            PacketFree(Transfer->Packets[Index]);
        }
    }
    ExFreePoolWithTag(Transfer, DISK_TAG);
}

static VOID TransferPacketDone(PACKET *Packet, NTSTATUS Status)
{
    TRANSFER *Transfer = Packet->Context;
    DISK *Disk = Transfer->Disk;
    PIRP Irp = Transfer->Irp;
    ULONG LengthBytes = Transfer->LengthBytes;

    if (NT_SUCCESS(Status) && Packet->Srb.DataTransferLength != Packet->DataBytes) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: %lu of %lu bytes transferred, reported as success\n", Disk->Number,
                 Packet->Srb.DataTransferLength, Packet->DataBytes);
        Status = STATUS_IO_DEVICE_ERROR;
    }
    if (!NT_SUCCESS(Status)) {
        InterlockedCompareExchange(&Transfer->Status, Status, STATUS_SUCCESS);
    }
    if (InterlockedDecrement(&Transfer->Remaining) != 0) {
        return;
    }
    Status = Transfer->Status;
    TransferFree(Transfer);
    DiskComplete(Disk, Irp, Status, NT_SUCCESS(Status) ? LengthBytes : 0);
}

/* READ or WRITE (10) where the address fits, (16) beyond. Returns the CDB's length. */
static UCHAR TransferCdb(UCHAR *Cdb, BOOLEAN Write, BOOLEAN ForceUnitAccess, ULONGLONG Block, ULONG BlockCount)
{
    UCHAR Flags = Write && ForceUnitAccess ? CDB_FUA : 0;

    RtlZeroMemory(Cdb, 16);
    Cdb[1] = Flags;
    if (Block + BlockCount <= 0x100000000ull && BlockCount <= 0xFFFF) {
        Cdb[0] = Write ? CDB_WRITE_10 : CDB_READ_10;
        PutBe32(&Cdb[2], (ULONG)Block);
        PutBe16(&Cdb[7], (USHORT)BlockCount);
        return 10;
    }
    Cdb[0] = Write ? CDB_WRITE_16 : CDB_READ_16;
    PutBe64(&Cdb[2], Block);
    PutBe32(&Cdb[10], BlockCount);
    return 16;
}

/*
 * The longest transfer that the port driver takes: its maximum length, and its maximum of pages, of which one is
 * reserved for data that does not start on a page boundary.
 */
static ULONG TransferMaxBytes(const DISK *Disk, PVOID Data, ULONG BlockBytes)
{
    ULONG Bytes = Disk->MaxTransferBytes;
    ULONG Pages = BYTE_OFFSET(Data) == 0 ? Disk->MaxPages : Disk->MaxPages - 1;

    if (Disk->MaxPages != 0 && Pages < Bytes / PAGE_SIZE) {
        Bytes = Pages * PAGE_SIZE;
    }
    Bytes -= Bytes % BlockBytes;
    return Bytes != 0 ? Bytes : BlockBytes;
}

static TRANSFER *TransferCreate(DISK *Disk, PIRP Irp, ULONG BlockBytes)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    BOOLEAN Write = Stack->MajorFunction == IRP_MJ_WRITE;
    BOOLEAN ForceUnitAccess = Disk->ForceUnitAccess && (Stack->Flags & SL_WRITE_THROUGH) != 0;
    UCHAR *Data = MmGetMdlVirtualAddress(Irp->MdlAddress);
    ULONG LengthBytes = Stack->Parameters.Read.Length;
    ULONGLONG Offset = (ULONGLONG)Stack->Parameters.Read.ByteOffset.QuadPart;
    ULONG MaxBytes = TransferMaxBytes(Disk, Data, BlockBytes);
    ULONG Count = LengthBytes / MaxBytes + (LengthBytes % MaxBytes != 0);
    TRANSFER *Transfer = DiskAllocate(sizeof(*Transfer) + Count * sizeof(PACKET *));
    ULONG Done = 0;
    ULONG Index;
    UCHAR Cdb[16];

    if (Transfer == NULL) {
        return NULL;
    }
    Transfer->Disk = Disk;
    Transfer->Irp = Irp;
    Transfer->Remaining = (LONG)Count;
    Transfer->LengthBytes = LengthBytes;
    Transfer->PacketCount = Count;
    for (Index = 0; Index < Count; Index++) {
        ULONG Bytes = LengthBytes - Done < MaxBytes ? LengthBytes - Done : MaxBytes;
        UCHAR CdbBytes = TransferCdb(Cdb, Write, ForceUnitAccess, (Offset + Done) / BlockBytes, Bytes / BlockBytes);
        PACKET *Packet = PacketCreate(Disk, Cdb, CdbBytes, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN);

        if (Packet == NULL) {
            TransferFree(Transfer);
            return NULL;
        }
        Packet->Mdl = Irp->MdlAddress;
        Packet->Data = Data + Done;
        Packet->DataBytes = Bytes;
        Transfer->Packets[Index] = Packet;
        Done += Bytes;
    }
    return Transfer;
}

/* The checks of the disk class driver, with its results. */
static NTSTATUS TransferCheck(const DISK_SIZE *Size, LONGLONG Offset, ULONG LengthBytes)
{
    if (Offset < 0 || (ULONGLONG)Offset > Size->LengthBytes || (ULONGLONG)Offset % Size->BlockBytes != 0 ||
        LengthBytes % Size->BlockBytes != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (LengthBytes > Size->LengthBytes - (ULONGLONG)Offset) {
        return STATUS_NONEXISTENT_SECTOR;
    }
    return STATUS_SUCCESS;
}

NTSTATUS TransferReadWrite(DISK *Disk, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    DISK_SIZE Size = DiskSize(Disk);
    ULONG LengthBytes = Stack->Parameters.Read.Length;
    NTSTATUS Status = TransferCheck(&Size, Stack->Parameters.Read.ByteOffset.QuadPart, LengthBytes);
    TRANSFER *Transfer;
    ULONG Count;
    ULONG Index;

    if (NT_SUCCESS(Status) && Stack->MajorFunction == IRP_MJ_WRITE && AttributesReadOnly(Disk)) {
        Status = STATUS_MEDIA_WRITE_PROTECTED;
    }
    if (!NT_SUCCESS(Status) || LengthBytes == 0) {
        return DiskComplete(Disk, Irp, Status, 0);
    }
    Transfer = TransferCreate(Disk, Irp, Size.BlockBytes);
    if (Transfer == NULL) {
        return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(Irp);
    /* The transfer is gone as soon as the last packet, once sent, completes. */
    Count = Transfer->PacketCount;
    for (Index = 0; Index < Count; Index++) {
        PacketSend(Transfer->Packets[Index], TransferPacketDone, Transfer);
    }
    return STATUS_PENDING;
}

static PACKET *FlushPacket(DISK *Disk)
{
    static const UCHAR Cdb[10] = {CDB_SYNCHRONIZE_CACHE_10};

    return PacketCreate(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_NO_DATA_TRANSFER);
}

static VOID FlushDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;

    PacketFree(Packet);
    DiskComplete(Disk, Irp, Status, 0);
}

NTSTATUS TransferFlush(DISK *Disk, PIRP Irp)
{
    PACKET *Packet;

    if (!Disk->WriteCache) {
        /* As disk.sys: a disk without a write cache has nothing to flush. */
        return DiskComplete(Disk, Irp, STATUS_SUCCESS, 0);
    }
    Packet = FlushPacket(Disk);
    if (Packet == NULL) {
        return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(Irp);
    PacketSend(Packet, FlushDone, Irp);
    return STATUS_PENDING;
}

VOID TransferFlushLast(DISK *Disk)
{
    NTSTATUS Status = STATUS_INSUFFICIENT_RESOURCES;
    PACKET *Packet;

    if (!Disk->WriteCache) {
        return;
    }
    Packet = FlushPacket(Disk);
    if (Packet != NULL) {
        Status = PacketSendAndWait(Packet);
        PacketFree(Packet);
    }
    if (!NT_SUCCESS(Status)) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: the last flush failed: status 0x%08lx\n", Disk->Number, (ULONG)Status);
    }
}
