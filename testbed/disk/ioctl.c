/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * IRP_MJ_DEVICE_CONTROL. What the class driver knows is answered at once, what only the device knows is asked with a
 * packet, everything else (SCSI addresses, pass-through, device and adapter properties) is the port driver's.
 */
#include "packet.h"
#include "scsi_command.h"

typedef NTSTATUS IOCTL_HANDLER(DISK *Disk, PIRP Irp); /* completes the IRP, or pends it */

typedef struct {
    ULONG Code;
    ULONG InputBytes;  /* at least */
    ULONG OutputBytes; /* at least */
    IOCTL_HANDLER *Handler;
} IOCTL;

#define MODE_BYTES 192u

/* Of ntdddisk.h, and the sizes of their structures; mingw-w64 lacks them. */
#define IOCTL_DISK_GET_DISK_ATTRIBUTES 0x000700F0
#define IOCTL_DISK_SET_DISK_ATTRIBUTES 0x0007C0F4
#define GET_ATTRIBUTES_BYTES 16
#define SET_ATTRIBUTES_BYTES 40

static NTSTATUS NTAPI BelowCompleted(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    DISK *Disk = Context;

    UNREFERENCED_PARAMETER(Device);
    if (Irp->PendingReturned) {
        IoMarkIrpPending(Irp);
    }
    IoReleaseRemoveLock(&Disk->RemoveLock, Irp);
    return STATUS_SUCCESS;
}

/* The port driver's business. The disk stays entered until it is done. */
NTSTATUS IoctlBelow(DISK *Disk, PIRP Irp)
{
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, BelowCompleted, Disk, TRUE, TRUE, TRUE);
    return IoCallDriver(Disk->Lower, Irp);
}

static NTSTATUS IoctlLength(DISK *Disk, PIRP Irp)
{
    GET_LENGTH_INFORMATION *Output = Irp->AssociatedIrp.SystemBuffer;

    Output->Length.QuadPart = (LONGLONG)DiskSize(Disk).LengthBytes;
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(*Output));
}

/* The geometry that Windows makes up for a disk of any size: 255 heads, 63 sectors per track. */
static DISK_GEOMETRY IoctlMakeGeometry(const DISK_SIZE *Size)
{
    DISK_GEOMETRY Geometry;

    RtlZeroMemory(&Geometry, sizeof(Geometry));
    Geometry.MediaType = FixedMedia;
    Geometry.TracksPerCylinder = 255;
    Geometry.SectorsPerTrack = 63;
    Geometry.BytesPerSector = Size->BlockBytes;
    Geometry.Cylinders.QuadPart = (LONGLONG)(Size->LengthBytes / Size->BlockBytes / (255 * 63));
    return Geometry;
}

static NTSTATUS IoctlGeometry(DISK *Disk, PIRP Irp)
{
    DISK_SIZE Size = DiskSize(Disk);

    *(DISK_GEOMETRY *)Irp->AssociatedIrp.SystemBuffer = IoctlMakeGeometry(&Size);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(DISK_GEOMETRY));
}

static NTSTATUS IoctlGeometryEx(DISK *Disk, PIRP Irp)
{
    ULONG Room = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength;
    DISK_SIZE Size = DiskSize(Disk);
    DISK_GEOMETRY_EX Answer;

    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Geometry = IoctlMakeGeometry(&Size);
    Answer.DiskSize.QuadPart = (LONGLONG)Size.LengthBytes;
    Room = Room < sizeof(Answer) ? Room : (ULONG)sizeof(Answer);
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, &Answer, Room);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, Room);
}

static NTSTATUS IoctlDeviceNumber(DISK *Disk, PIRP Irp)
{
    STORAGE_DEVICE_NUMBER *Output = Irp->AssociatedIrp.SystemBuffer;

    Output->DeviceType = FILE_DEVICE_DISK;
    Output->DeviceNumber = Disk->Number;
    Output->PartitionNumber = 0; /* the whole disk */
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(*Output));
}

/* DeviceHotplug is what makes Windows prefer quick removal to a write cache [STORAGE_HOTPLUG_INFO]. */
static NTSTATUS IoctlHotplug(DISK *Disk, PIRP Irp)
{
    STORAGE_HOTPLUG_INFO *Output = Irp->AssociatedIrp.SystemBuffer;

    RtlZeroMemory(Output, sizeof(*Output));
    Output->Size = sizeof(*Output);
    Output->MediaRemovable = Disk->RemovableMedia;
    Output->DeviceHotplug = Disk->SurpriseRemovalOk;
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, sizeof(*Output));
}

/* Room for two fields only: the size that the whole needs. */
static NTSTATUS IoctlReadCapacity(DISK *Disk, PIRP Irp)
{
    ULONG Room = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength;
    DISK_SIZE Size = DiskSize(Disk);
    STORAGE_READ_CAPACITY Answer;

    RtlZeroMemory(&Answer, sizeof(Answer));
    Answer.Version = sizeof(Answer);
    Answer.Size = sizeof(Answer);
    Answer.BlockLength = Size.BlockBytes;
    Answer.NumberOfBlocks.QuadPart = (LONGLONG)(Size.LengthBytes / Size.BlockBytes);
    Answer.DiskLength.QuadPart = (LONGLONG)Size.LengthBytes;
    Room = Room < sizeof(Answer) ? (ULONG)sizeof(STORAGE_DESCRIPTOR_HEADER) : (ULONG)sizeof(Answer);
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, &Answer, Room);
    return DiskComplete(Disk, Irp, STATUS_SUCCESS, Room);
}

/* Sends a packet on behalf of the IRP; Done completes both. Takes the packet. */
static NTSTATUS IoctlAsk(DISK *Disk, PIRP Irp, PACKET *Packet, PACKET_DONE *Done)
{
    if (Packet == NULL) {
        return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(Irp);
    PacketSend(Packet, Done, Irp);
    return STATUS_PENDING;
}

static VOID CheckVerifyDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;
    ULONG_PTR Information = 0;

    if (NT_SUCCESS(Status) &&
        IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength >= sizeof(ULONG)) {
        *(ULONG *)Irp->AssociatedIrp.SystemBuffer = 0; /* media changes so far: the medium is fixed */
        Information = sizeof(ULONG);
    }
    PacketFree(Packet);
    DiskComplete(Disk, Irp, Status, Information);
}

static NTSTATUS IoctlCheckVerify(DISK *Disk, PIRP Irp)
{
    static const UCHAR Cdb[6] = {CDB_TEST_UNIT_READY};

    return IoctlAsk(Disk, Irp, PacketCreate(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_NO_DATA_TRANSFER), CheckVerifyDone);
}

static VOID IsWritableDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;
    const UCHAR *Header = Packet->OwnBuffer;

    if (NT_SUCCESS(Status) && Packet->Srb.DataTransferLength < 4) {
        Status = STATUS_IO_DEVICE_ERROR;
    } else if (NT_SUCCESS(Status) && (Header[2] & MODE_DEVICE_WRITE_PROTECTED) != 0) {
        Status = STATUS_MEDIA_WRITE_PROTECTED;
    }
    PacketFree(Packet);
    DiskComplete(Disk, Irp, Status, 0);
}

static NTSTATUS IoctlIsWritable(DISK *Disk, PIRP Irp)
{
    static const UCHAR Cdb[6] = {CDB_MODE_SENSE_6, 0, 0x3F /* all pages */, 0, MODE_BYTES, 0};

    if (AttributesReadOnly(Disk)) {
        return DiskComplete(Disk, Irp, STATUS_MEDIA_WRITE_PROTECTED, 0);
    }
    return IoctlAsk(Disk, Irp, PacketCreateWithBuffer(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, MODE_BYTES),
                    IsWritableDone);
}

static const IOCTL Table[] = {
    {IOCTL_DISK_GET_LENGTH_INFO, 0, sizeof(GET_LENGTH_INFORMATION), IoctlLength},
    {IOCTL_DISK_GET_DRIVE_GEOMETRY, 0, sizeof(DISK_GEOMETRY), IoctlGeometry},
    {IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, 0, FIELD_OFFSET(DISK_GEOMETRY_EX, Data), IoctlGeometryEx},
    {IOCTL_DISK_IS_WRITABLE, 0, 0, IoctlIsWritable},
    {IOCTL_DISK_UPDATE_PROPERTIES, 0, 0, ProbeCapacityAgain},
    {IOCTL_DISK_CHECK_VERIFY, 0, 0, IoctlCheckVerify},
    {IOCTL_STORAGE_CHECK_VERIFY, 0, 0, IoctlCheckVerify},
    {IOCTL_STORAGE_CHECK_VERIFY2, 0, 0, IoctlCheckVerify},
    {IOCTL_STORAGE_GET_DEVICE_NUMBER, 0, sizeof(STORAGE_DEVICE_NUMBER), IoctlDeviceNumber},
    {IOCTL_STORAGE_GET_HOTPLUG_INFO, 0, sizeof(STORAGE_HOTPLUG_INFO), IoctlHotplug},
    {IOCTL_STORAGE_READ_CAPACITY, 0, sizeof(STORAGE_DESCRIPTOR_HEADER), IoctlReadCapacity},
    {IOCTL_STORAGE_QUERY_PROPERTY, FIELD_OFFSET(STORAGE_PROPERTY_QUERY, AdditionalParameters), 0, PropertyQuery},
    {IOCTL_STORAGE_MANAGE_DATA_SET_ATTRIBUTES, sizeof(DEVICE_MANAGE_DATA_SET_ATTRIBUTES), 0, TrimDispatch},
    {IOCTL_DISK_GET_DISK_ATTRIBUTES, 0, GET_ATTRIBUTES_BYTES, AttributesGet},
    {IOCTL_DISK_SET_DISK_ATTRIBUTES, SET_ATTRIBUTES_BYTES, 0, AttributesSet},
};

NTSTATUS IoctlDispatch(DISK *Disk, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG Index;

    for (Index = 0; Index < ARRAYSIZE(Table); Index++) {
        const IOCTL *Entry = &Table[Index];

        if (Entry->Code != Stack->Parameters.DeviceIoControl.IoControlCode) {
            continue;
        }
        if (Stack->Parameters.DeviceIoControl.InputBufferLength < Entry->InputBytes) {
            return DiskComplete(Disk, Irp, STATUS_INFO_LENGTH_MISMATCH, 0);
        }
        if (Stack->Parameters.DeviceIoControl.OutputBufferLength < Entry->OutputBytes) {
            return DiskComplete(Disk, Irp, STATUS_BUFFER_TOO_SMALL, 0);
        }
        return Entry->Handler(Disk, Irp);
    }
    return IoctlBelow(Disk, Irp);
}
