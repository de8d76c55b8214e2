/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IOCTL_STORAGE_QUERY_PROPERTY: the properties that the class driver knows or asks the device for, as the published
 * classpnp sample does (ClasspAccessAlignmentProperty and its neighbours). All others are the port driver's.
 */
#include "packet.h"
#include "scsi_command.h"

#define MODE_BYTES 192u
#define MODE_CHANGEABLE 0x40 /* page control: changeable values */

/* DEVICE_LB_PROVISIONING_DESCRIPTOR since Windows 8.1; mingw-w64's ntddstor.h has the older one. */
typedef struct {
    ULONG Version;
    ULONG Size;
    UCHAR ThinProvisioningEnabled : 1;
    UCHAR ThinProvisioningReadZeros : 1;
    UCHAR AnchorSupported : 3;
    UCHAR UnmapGranularityAlignmentValid : 1;
    UCHAR GetFreeSpaceSupported : 1;
    UCHAR MapSupported : 1;
    UCHAR Reserved1[7];
    ULONGLONG OptimalUnmapGranularity;   /* bytes */
    ULONGLONG UnmapGranularityAlignment; /* bytes */
    ULONG MaxUnmapLbaCount;
    ULONG MaxUnmapBlockDescriptorCount;
} PROVISIONING_DESCRIPTOR;

#define PROVISIONING_V1_BYTES ((ULONG)FIELD_OFFSET(PROVISIONING_DESCRIPTOR, MaxUnmapLbaCount))

C_ASSERT(sizeof(PROVISIONING_DESCRIPTOR) == 0x28 && PROVISIONING_V1_BYTES == 0x20);
C_ASSERT(sizeof(STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR) == 0x1C);
C_ASSERT(sizeof(DEVICE_SEEK_PENALTY_DESCRIPTOR) == 0x0C && sizeof(DEVICE_TRIM_DESCRIPTOR) == 0x0C);
C_ASSERT(sizeof(STORAGE_WRITE_CACHE_PROPERTY) == 0x1C);

static ULONG PropertyRoom(PIRP Irp)
{
    return IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength;
}

/* What doesn't depend on the device: STATUS_PENDING when the descriptor is really wanted. */
static NTSTATUS PropertyCheck(PIRP Irp)
{
    const STORAGE_PROPERTY_QUERY *Query = Irp->AssociatedIrp.SystemBuffer;

    if (Query->QueryType == PropertyExistsQuery) {
        return STATUS_SUCCESS;
    }
    return Query->QueryType == PropertyStandardQuery ? STATUS_PENDING : STATUS_NOT_SUPPORTED;
}

/* The whole descriptor, or only its header, which says how long it is, to a caller with room for no more. */
static NTSTATUS PropertyAnswer(DISK *Disk, PIRP Irp, const VOID *Descriptor, ULONG Bytes)
{
    NTSTATUS Status = PropertyCheck(Irp);
    ULONG Room = PropertyRoom(Irp);

    if (Status != STATUS_PENDING) {
        return DiskComplete(Disk, Irp, Status, 0);
    }
    if (Room < sizeof(STORAGE_DESCRIPTOR_HEADER)) {
        return DiskComplete(Disk, Irp, STATUS_BUFFER_TOO_SMALL, 0);
    }
    Room = Room < Bytes ? (ULONG)sizeof(STORAGE_DESCRIPTOR_HEADER) : Bytes;
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Descriptor, Room);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, Room);
}

static NTSTATUS PropertyAlignment(DISK *Disk, PIRP Irp)
{
    STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR Answer;
    DISK_SIZE Size = DiskSize(Disk);

    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Version = sizeof(Answer);
    Answer.Size = sizeof(Answer);
    Answer.BytesPerLogicalSector = Size.BlockBytes;
    Answer.BytesPerPhysicalSector = Size.PhysicalBlockBytes;
    return PropertyAnswer(Disk, Irp, &Answer, sizeof(Answer));
}

static NTSTATUS PropertySeekPenalty(DISK *Disk, PIRP Irp)
{
    DEVICE_SEEK_PENALTY_DESCRIPTOR Answer;

    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Version = sizeof(Answer);
    Answer.Size = sizeof(Answer);
    Answer.IncursSeekPenalty = !Disk->NoSeekPenalty;
    return PropertyAnswer(Disk, Irp, &Answer, sizeof(Answer));
}

static NTSTATUS PropertyTrim(DISK *Disk, PIRP Irp)
{
    DEVICE_TRIM_DESCRIPTOR Answer;

    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Version = sizeof(Answer);
    Answer.Size = sizeof(Answer);
    Answer.TrimEnabled =
        Disk->Provisioning.Unmap && Disk->Provisioning.UnmapBlocks != 0 && Disk->Provisioning.UnmapDescriptors != 0;
    return PropertyAnswer(Disk, Irp, &Answer, sizeof(Answer));
}

/* Limits that nobody asked for in the disk's words stay out: without LBPU they are 0. */
static NTSTATUS PropertyProvisioning(DISK *Disk, PIRP Irp)
{
    const PROVISIONING *Provisioning = &Disk->Provisioning;
    DISK_SIZE Size = DiskSize(Disk);
    ULONG Room = PropertyRoom(Irp);
    ULONG Bytes = sizeof(PROVISIONING_DESCRIPTOR);
    PROVISIONING_DESCRIPTOR Answer;

    if (Room >= PROVISIONING_V1_BYTES && Room < Bytes) {
        Bytes = PROVISIONING_V1_BYTES; /* a caller that knows the older structure */
    }
    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Version = Bytes;
    Answer.Size = Bytes;
    Answer.ThinProvisioningEnabled = Provisioning->Thin && Provisioning->Unmap;
    Answer.ThinProvisioningReadZeros = Provisioning->ReadZeros;
    Answer.AnchorSupported = Provisioning->Anchor;
    Answer.UnmapGranularityAlignmentValid = Provisioning->AlignmentValid;
    Answer.OptimalUnmapGranularity = (ULONGLONG)Provisioning->GranularityBlocks * Size.BlockBytes;
    Answer.UnmapGranularityAlignment = (ULONGLONG)Provisioning->AlignmentBlocks * Size.BlockBytes;
    Answer.MaxUnmapLbaCount = Provisioning->UnmapBlocks;
    Answer.MaxUnmapBlockDescriptorCount = Provisioning->UnmapDescriptors;
    return PropertyAnswer(Disk, Irp, &Answer, Bytes);
}

/*
 * The write cache is asked for in three commands, one after the other; the answer gathers in the IRP's buffer. Byte 2
 * of the caching page in a MODE SENSE answer, or -1 without it.
 */
static int CachingFlags(const PACKET *Packet)
{
    const UCHAR *Answer = Packet->OwnBuffer;
    ULONG Bytes = Packet->Srb.DataTransferLength;
    ULONG Page = 4u + Answer[3];

    return Bytes >= 4 && Bytes >= Page + 3 && (Answer[Page] & 0x3F) == MODE_PAGE_CACHING ? Answer[Page + 2] : -1;
}

static VOID WriteCacheSend(DISK *Disk, PIRP Irp, PACKET *Packet, PACKET_DONE *Done)
{
    if (Packet == NULL) {
        DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    } else {
        PacketSend(Packet, Done, Irp);
    }
}

static PACKET *WriteCacheModes(DISK *Disk, UCHAR PageControl)
{
    const UCHAR Cdb[6] = {CDB_MODE_SENSE_6, 0, PageControl | MODE_PAGE_CACHING, 0, MODE_BYTES, 0};

    return PacketCreateWithBuffer(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, MODE_BYTES);
}

static VOID WriteCacheChangeableDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;
    STORAGE_WRITE_CACHE_PROPERTY *Answer = Irp->AssociatedIrp.SystemBuffer;
    int Flags = NT_SUCCESS(Status) ? CachingFlags(Packet) : -1;

    Answer->WriteCacheChangeable = Flags < 0                         ? WriteCacheChangeUnknown
                                   : (Flags & MODE_CACHING_WCE) != 0 ? WriteCacheChangeable
                                                                     : WriteCacheNotChangeable;
    PacketFree(Packet);
    DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(*Answer));
}

static VOID WriteCacheCurrentDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;
    STORAGE_WRITE_CACHE_PROPERTY *Answer = Irp->AssociatedIrp.SystemBuffer;
    int Flags = NT_SUCCESS(Status) ? CachingFlags(Packet) : -1;
    BOOLEAN Fua = NT_SUCCESS(Status) && (((const UCHAR *)Packet->OwnBuffer)[2] & MODE_DEVICE_DPOFUA) != 0;

    PacketFree(Packet);
    if (!NT_SUCCESS(Status)) {
        DiskComplete(Disk, Irp, STATUS_IO_DEVICE_ERROR, 0);
        return;
    }
    if (Flags >= 0) {
        BOOLEAN On = (Flags & MODE_CACHING_WCE) != 0;

        Answer->WriteCacheEnabled = On ? WriteCacheEnabled : WriteCacheDisabled;
        Answer->WriteCacheType = On ? WriteCacheTypeWriteBack : WriteCacheTypeUnknown;
    }
    Answer->WriteThroughSupported = Fua ? WriteThroughSupported : WriteThroughNotSupported;
    WriteCacheSend(Disk, Irp, WriteCacheModes(Disk, MODE_CHANGEABLE), WriteCacheChangeableDone);
}

static VOID WriteCacheFlushDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;
    STORAGE_WRITE_CACHE_PROPERTY *Answer = Irp->AssociatedIrp.SystemBuffer;

    Answer->FlushCacheSupported = NT_SUCCESS(Status);
    PacketFree(Packet);
    WriteCacheSend(Disk, Irp, WriteCacheModes(Disk, 0), WriteCacheCurrentDone);
}

static NTSTATUS PropertyWriteCache(DISK *Disk, PIRP Irp)
{
    static const UCHAR Cdb[10] = {CDB_SYNCHRONIZE_CACHE_10};
    STORAGE_WRITE_CACHE_PROPERTY *Answer = Irp->AssociatedIrp.SystemBuffer;
    NTSTATUS Status = PropertyCheck(Irp);
    ULONG Room = PropertyRoom(Irp);

    if (Status != STATUS_PENDING) {
        return DiskComplete(Disk, Irp, Status, 0);
    }
    if (Room < sizeof(STORAGE_DESCRIPTOR_HEADER)) {
        return DiskComplete(Disk, Irp, STATUS_INFO_LENGTH_MISMATCH, 0);
    }
    RtlZeroMemory(Answer, Room);
    Answer->Version = sizeof(*Answer);
    Answer->Size = sizeof(*Answer);
    if (Room < sizeof(*Answer)) {
        return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(STORAGE_DESCRIPTOR_HEADER));
    }
    IoMarkIrpPending(Irp);
    WriteCacheSend(Disk, Irp, PacketCreate(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_NO_DATA_TRANSFER), WriteCacheFlushDone);
    return STATUS_PENDING;
}

NTSTATUS PropertyQuery(DISK *Disk, PIRP Irp)
{
    const STORAGE_PROPERTY_QUERY *Query = Irp->AssociatedIrp.SystemBuffer;

    switch (Query->PropertyId) {
    case StorageAccessAlignmentProperty:
        return PropertyAlignment(Disk, Irp);
    case StorageDeviceSeekPenaltyProperty:
        return PropertySeekPenalty(Disk, Irp);
    case StorageDeviceTrimProperty:
        return PropertyTrim(Disk, Irp);
    case StorageDeviceLBProvisioningProperty:
        return PropertyProvisioning(Disk, Irp);
    case StorageDeviceWriteCacheProperty:
        return PropertyWriteCache(Disk, Irp);
    default:
        return IoctlBelow(Disk, Irp);
    }
}
