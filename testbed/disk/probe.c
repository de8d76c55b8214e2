/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asks a disk what it is when it starts, with the commands that Windows' disk.sys and classpnp.sys send on arrival:
 * INQUIRY and its vital product data, READ CAPACITY (10) and (16), MODE SENSE; and the port driver for its limits.
 */
#include "packet.h"
#include "scsi_command.h"

#define INQUIRY_BYTES 36u
#define VPD_BYTES 255u
#define CAPACITY_10_BYTES 8u
#define CAPACITY_16_BYTES 32u
#define MODE_BYTES 192u

/* Sends one command, waits, copies what came back. Result: bytes received, 0 after a failure. */
static ULONG ProbeCommand(DISK *Disk, const UCHAR *Cdb, UCHAR CdbBytes, UCHAR *Answer, ULONG AnswerBytes)
{
    PACKET *Packet = PacketCreateWithBuffer(Disk, Cdb, CdbBytes, SRB_FLAGS_DATA_IN, AnswerBytes);
    ULONG Bytes = 0;

    RtlZeroMemory(Answer, AnswerBytes);
    if (Packet == NULL) {
        return 0;
    }
    if (NT_SUCCESS(PacketSendAndWait(Packet))) {
        Bytes = Packet->Srb.DataTransferLength < AnswerBytes ? Packet->Srb.DataTransferLength : AnswerBytes;
        RtlCopyMemory(Answer, Packet->OwnBuffer, Bytes);
    }
    PacketFree(Packet);
    return Bytes;
}

static ULONG ProbeVpd(DISK *Disk, UCHAR Page, UCHAR *Answer)
{
    const UCHAR Cdb[6] = {CDB_INQUIRY, INQUIRY_EVPD, Page, 0, VPD_BYTES, 0};
    ULONG Bytes = ProbeCommand(Disk, Cdb, sizeof(Cdb), Answer, VPD_BYTES);

    return Bytes >= 4 && Answer[1] == Page ? Bytes : 0;
}

/* Page B0h, SBC-3; what classpnp takes from it, if it is long enough. */
static VOID ProbeLimits(PROVISIONING *Provisioning, const UCHAR *Page, ULONG Bytes)
{
    if (Bytes < 0x24) {
        return;
    }
    Provisioning->UnmapBlocks = GetBe32(Page + 20);
    Provisioning->UnmapDescriptors = GetBe32(Page + 24);
    Provisioning->GranularityBlocks = GetBe32(Page + 28);
    Provisioning->AlignmentValid = (Page[32] & 0x80) != 0;
    Provisioning->AlignmentBlocks = Provisioning->AlignmentValid ? GetBe32(Page + 32) & 0x7FFFFFFF : 0;
}

/* Page B2h, SBC-3. LBPRZ is one bit here, as classpnp sees it. */
static VOID ProbeProvisioning(PROVISIONING *Provisioning, const UCHAR *Page, ULONG Bytes)
{
    if (Bytes < 8) {
        return;
    }
    Provisioning->Unmap = (Page[5] & 0x80) != 0;
    Provisioning->ReadZeros = (Page[5] & 0x04) != 0;
    Provisioning->Anchor = (Page[5] & 0x02) != 0;
    Provisioning->Thin = (Page[6] & 0x07) == 2;
}

static VOID ProbePage(DISK *Disk, UCHAR Code, const UCHAR *Page, ULONG Bytes)
{
    switch (Code) {
    case 0x83:
        RtlCopyMemory(Disk->Identity, Page, Bytes < IDENTITY_BYTES ? Bytes : IDENTITY_BYTES);
        break;
    case 0xB0:
        ProbeLimits(&Disk->Provisioning, Page, Bytes);
        break;
    case 0xB1:
        Disk->NoSeekPenalty = Bytes >= 6 && Page[4] == 0 && Page[5] == 1; /* medium rotation rate: does not rotate */
        break;
    case 0xB2:
        ProbeProvisioning(&Disk->Provisioning, Page, Bytes);
        break;
    default:
        break;
    }
}

static VOID ProbePages(DISK *Disk)
{
    static const UCHAR Wanted[] = {0x80, 0x83, 0xB0, 0xB1, 0xB2};
    UCHAR Supported[VPD_BYTES];
    UCHAR Answer[VPD_BYTES];
    ULONG Bytes = ProbeVpd(Disk, 0x00, Supported);
    PROVISIONING *Provisioning = &Disk->Provisioning;
    ULONG Index;

    Disk->NoSeekPenalty = FALSE;
    RtlZeroMemory(Disk->Identity, sizeof(Disk->Identity));
    RtlZeroMemory(Provisioning, sizeof(*Provisioning));
    Provisioning->UnmapBlocks = 0xFFFFFFFF;
    Provisioning->UnmapDescriptors = 0xFFFFFFFF;
    Provisioning->GranularityBlocks = 1;
    for (Index = 0; Index < sizeof(Wanted); Index++) {
        ULONG At;

        for (At = 4; At < Bytes && At < 4u + Supported[3]; At++) {
            if (Supported[At] == Wanted[Index]) {
                ULONG Got = ProbeVpd(Disk, Wanted[Index], Answer);

                ProbePage(Disk, Wanted[Index], Answer, Got);
            }
        }
    }
}

static VOID CapacitySet(DISK *Disk, ULONGLONG LastBlock, ULONG BlockBytes, UCHAR PhysicalExponent)
{
    KIRQL Irql;

    if (BlockBytes < 512 || (BlockBytes & (BlockBytes - 1)) != 0 || BlockBytes > 65536 ||
        LastBlock >= 0x7FFFFFFFFFFFFFFFull / BlockBytes) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: a capacity of %I64u blocks of %lu bytes is not usable\n", Disk->Number,
                 LastBlock + 1, BlockBytes);
        return;
    }
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Disk->BlockBytes = BlockBytes;
    Disk->PhysicalBlockBytes = BlockBytes << (PhysicalExponent & 0x0F);
    Disk->LengthBytes = (LastBlock + 1) * BlockBytes;
    KeReleaseSpinLock(&Disk->Lock, Irql);
}

static VOID CapacitySet16(DISK *Disk, const UCHAR *Answer)
{
    CapacitySet(Disk, GetBe64(Answer), GetBe32(Answer + 8), Answer[13]);
}

static const UCHAR Capacity16Cdb[16] = {CDB_SERVICE_ACTION_IN_16,
                                        CDB_READ_CAPACITY_16_ACTION, [13] = CAPACITY_16_BYTES};

static VOID ProbeCapacity(DISK *Disk)
{
    static const UCHAR Cdb[10] = {CDB_READ_CAPACITY_10};
    UCHAR Answer[CAPACITY_16_BYTES];
    ULONG Bytes = ProbeCommand(Disk, Cdb, sizeof(Cdb), Answer, CAPACITY_10_BYTES);

    if (Bytes == CAPACITY_10_BYTES && GetBe32(Answer) != 0xFFFFFFFF) {
        CapacitySet(Disk, GetBe32(Answer), GetBe32(Answer + 4), 0);
    }
    Bytes = ProbeCommand(Disk, Capacity16Cdb, sizeof(Capacity16Cdb), Answer, CAPACITY_16_BYTES);
    if (Bytes >= 14) {
        CapacitySet16(Disk, Answer);
    }
}

static VOID ProbeModes(DISK *Disk)
{
    static const UCHAR Cdb[6] = {CDB_MODE_SENSE_6, 0, MODE_PAGE_CACHING, 0, MODE_BYTES, 0};
    UCHAR Answer[MODE_BYTES];
    ULONG Bytes = ProbeCommand(Disk, Cdb, sizeof(Cdb), Answer, MODE_BYTES);
    ULONG Page = 4u + Answer[3]; /* after the header and the block descriptors */

    Disk->WriteCache = FALSE;
    Disk->ForceUnitAccess = FALSE;
    if (Bytes >= 4) {
        Disk->ForceUnitAccess = (Answer[2] & MODE_DEVICE_DPOFUA) != 0;
    }
    if (Bytes >= Page + 3 && (Answer[Page] & 0x3F) == MODE_PAGE_CACHING) {
        Disk->WriteCache = (Answer[Page + 2] & MODE_CACHING_WCE) != 0;
    }
}

/* The port driver's limits, from its adapter descriptor; what Windows assumes when it has none. */
static VOID ProbeAdapter(DISK *Disk)
{
    /* One buffer for question and answer: Wine has the answer written over the question and copies nothing back. */
    union {
        STORAGE_PROPERTY_QUERY Query;
        STORAGE_ADAPTER_DESCRIPTOR Descriptor;
    } Buffer;
    IO_STATUS_BLOCK Result;
    KEVENT Event;
    NTSTATUS Status;
    PIRP Irp;

    Disk->MaxTransferBytes = 64 * 1024;
    Disk->MaxPages = 17;
    RtlZeroMemory(&Buffer, sizeof(Buffer));
    Buffer.Query.PropertyId = StorageAdapterProperty;
    Buffer.Query.QueryType = PropertyStandardQuery;
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    Irp = IoBuildDeviceIoControlRequest(IOCTL_STORAGE_QUERY_PROPERTY, Disk->Lower, &Buffer, sizeof(Buffer), &Buffer,
                                        sizeof(Buffer), FALSE, &Event, &Result);
    if (Irp == NULL) {
        return;
    }
    Status = IoCallDriver(Disk->Lower, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        Status = Result.Status;
    }
    if (!NT_SUCCESS(Status) ||
        Result.Information < RTL_SIZEOF_THROUGH_FIELD(STORAGE_ADAPTER_DESCRIPTOR, AlignmentMask)) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: the port driver does not describe its adapter: status 0x%08lx\n",
                 Disk->Number, (ULONG)Status);
        return;
    }
    Disk->MaxTransferBytes =
        Buffer.Descriptor.MaximumTransferLength < PAGE_SIZE ? PAGE_SIZE : Buffer.Descriptor.MaximumTransferLength;
    Disk->MaxPages = Buffer.Descriptor.MaximumPhysicalPages == 1 ? 2 : Buffer.Descriptor.MaximumPhysicalPages;
}

/* How the device may leave, from its bus driver. */
static VOID ProbeCapabilities(DISK *Disk)
{
    DEVICE_CAPABILITIES Capabilities;
    IO_STATUS_BLOCK Result;
    NTSTATUS Status;
    KEVENT Event;
    PIRP Irp;

    Disk->SurpriseRemovalOk = FALSE;
    RtlZeroMemory(&Capabilities, sizeof(Capabilities));
    Capabilities.Size = sizeof(Capabilities);
    Capabilities.Version = 1;
    Capabilities.Address = 0xFFFFFFFF;
    Capabilities.UINumber = 0xFFFFFFFF;
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    Irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, Disk->Lower, NULL, 0, NULL, &Event, &Result);
    if (Irp == NULL) {
        return;
    }
    Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    IoGetNextIrpStackLocation(Irp)->MinorFunction = IRP_MN_QUERY_CAPABILITIES;
    IoGetNextIrpStackLocation(Irp)->Parameters.DeviceCapabilities.Capabilities = &Capabilities;
    Status = IoCallDriver(Disk->Lower, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        Status = Result.Status;
    }
    Disk->SurpriseRemovalOk = NT_SUCCESS(Status) && Capabilities.SurpriseRemovalOK;
}

NTSTATUS ProbeDisk(DISK *Disk)
{
    static const UCHAR Cdb[6] = {CDB_INQUIRY, 0, 0, 0, INQUIRY_BYTES, 0};
    UCHAR Answer[INQUIRY_BYTES];

    ProbeAdapter(Disk);
    if (ProbeCommand(Disk, Cdb, sizeof(Cdb), Answer, INQUIRY_BYTES) < 5) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: does not answer INQUIRY\n", Disk->Number);
        return STATUS_NO_SUCH_DEVICE;
    }
    if (Answer[0] != 0) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: INQUIRY says peripheral 0x%02x, not a disk\n", Disk->Number, Answer[0]);
        return STATUS_NO_SUCH_DEVICE;
    }
    Disk->RemovableMedia = (Answer[1] & 0x80) != 0;
    ProbeCapabilities(Disk);
    ProbePages(Disk);
    AttributesRestore(Disk);
    ProbeCapacity(Disk);
    ProbeModes(Disk);
    return STATUS_SUCCESS;
}

static VOID CapacityAgainDone(PACKET *Packet, NTSTATUS Status)
{
    DISK *Disk = Packet->Disk;
    PIRP Irp = Packet->Context;

    if (NT_SUCCESS(Status) && Packet->Srb.DataTransferLength >= 14) {
        CapacitySet16(Disk, Packet->OwnBuffer);
    }
    PacketFree(Packet);
    if (Irp != NULL) {
        DiskComplete(Disk, Irp, Status, 0);
    } else {
        InterlockedExchange(&Disk->CapacityRefreshing, 0);
        IoReleaseRemoveLock(&Disk->RemoveLock, &Disk->CapacityRefreshing);
    }
}

NTSTATUS ProbeCapacityAgain(DISK *Disk, PIRP Irp)
{
    PACKET *Packet =
        PacketCreateWithBuffer(Disk, Capacity16Cdb, sizeof(Capacity16Cdb), SRB_FLAGS_DATA_IN, CAPACITY_16_BYTES);

    if (Packet != NULL) {
        if (Irp != NULL) {
            IoMarkIrpPending(Irp);
        }
        PacketSend(Packet, CapacityAgainDone, Irp);
        return STATUS_PENDING;
    }
    if (Irp != NULL) {
        return DiskComplete(Disk, Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    InterlockedExchange(&Disk->CapacityRefreshing, 0);
    IoReleaseRemoveLock(&Disk->RemoveLock, &Disk->CapacityRefreshing);
    return STATUS_INSUFFICIENT_RESOURCES;
}
