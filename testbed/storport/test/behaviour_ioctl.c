/* SPDX-License-Identifier: LGPL-2.1-only */
/* Device control requests to units and to the adapter, service IRPs. */
#include "behaviour.h"
#include "storage_ioctl.h"

void BehaviourAddress(HOST *Host)
{
    PORT_SCSI_ADDRESS Address;
    PORT_IO_SCSI_CAPABILITIES Capabilities;
    ULONG Used;
    DISK Disk;

    HostCommand(Host, RAM_PLUG, 2, 0);
    DiskOpen(Host, &Disk, 1);
    CHECK(NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_SCSI_GET_ADDRESS, NULL, 0, &Address, sizeof(Address), &Used)));
    CHECK(Used == 8 && Address.Length == 8 && Address.PathId == 0 && Address.TargetId == 2 && Address.Lun == 0);
    CHECK(NativeIoctl(Disk.File, PORT_IOCTL_SCSI_GET_ADDRESS, NULL, 0, &Address, 7, &Used) == STATUS_BUFFER_TOO_SMALL);
    CHECK(NT_SUCCESS(NativeIoctl(Host->File, PORT_IOCTL_SCSI_GET_ADDRESS, NULL, 0, &Address, sizeof(Address), &Used)));
    CHECK(NT_SUCCESS(
        NativeIoctl(Disk.File, PORT_IOCTL_SCSI_GET_CAPABILITIES, NULL, 0, &Capabilities, sizeof(Capabilities), &Used)));
    CHECK(Capabilities.MaximumTransferLength == RAM_MAX_TRANSFER && Capabilities.MaximumPhysicalPages == 65);
    DiskClose(&Disk);
}

static const char *At(const UCHAR *Descriptor, ULONG Offset)
{
    return (const char *)Descriptor + Offset;
}

void BehaviourProperties(HOST *Host)
{
    PORT_STORAGE_PROPERTY_QUERY Query = {PORT_STORAGE_DEVICE_PROPERTY, PORT_PROPERTY_STANDARD_QUERY, {0}};
    UCHAR Buffer[512];
    const PORT_STORAGE_DEVICE_DESCRIPTOR *Device = (const PORT_STORAGE_DEVICE_DESCRIPTOR *)Buffer;
    const PORT_STORAGE_ADAPTER_DESCRIPTOR *Adapter = (const PORT_STORAGE_ADAPTER_DESCRIPTOR *)Buffer;
    ULONG Used;
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    CHECK(NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Buffer,
                                 sizeof(Buffer), &Used)));
    CHECK(Used == Device->Size && Device->BusType == 0xE && Device->DeviceType == 0);
    CHECK(strcmp(At(Buffer, Device->VendorIdOffset), "WNBDTEST") == 0);
    CHECK(strcmp(At(Buffer, Device->ProductIdOffset), "RAM DISK") == 0);
    CHECK(strcmp(At(Buffer, Device->SerialNumberOffset), "RAM0") == 0);
    /* A buffer for the header alone tells the size. */
    CHECK(
        NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Buffer, 8, &Used)));
    CHECK(Used == 8 && Device->Size > 8);
    Query.PropertyId = PORT_STORAGE_ADAPTER_PROPERTY;
    CHECK(NT_SUCCESS(NativeIoctl(Host->File, PORT_IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Buffer,
                                 sizeof(Buffer), &Used)));
    CHECK(Used == sizeof(*Adapter) && Adapter->MaximumTransferLength == RAM_MAX_TRANSFER);
    CHECK(Adapter->MaximumPhysicalPages == 65 && Adapter->BusType == 0xE && Adapter->SrbType == Host->Extended);
    Query.PropertyId = PORT_STORAGE_DEVICE_ID_PROPERTY;
    CHECK(NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Buffer,
                                 sizeof(Buffer), &Used)));
    CHECK(Used == 12 + 24 && ((const ULONG *)Buffer)[2] == 1 && memcmp(Buffer + 12 + 16, "WNBDTES0", 8) == 0);
    Query.PropertyId = 77;
    CHECK(NativeIoctl(Disk.File, PORT_IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Buffer, sizeof(Buffer),
                      &Used) == STATUS_NOT_SUPPORTED);
    DiskClose(&Disk);
}

/* SCSI_PASS_THROUGH with its sense and data areas behind it. */
typedef struct {
    PORT_SCSI_PASS_THROUGH Call;
    UCHAR Sense[32];
    UCHAR Data[512];
} PASS_BUFFER;

static void PassBuild(PASS_BUFFER *Buffer, const UCHAR *Cdb, UCHAR CdbLength, UCHAR Direction, ULONG Length)
{
    memset(Buffer, 0, sizeof(*Buffer));
    Buffer->Call.Length = sizeof(Buffer->Call);
    Buffer->Call.CdbLength = CdbLength;
    memcpy(Buffer->Call.Cdb, Cdb, CdbLength);
    Buffer->Call.DataIn = Direction;
    Buffer->Call.DataTransferLength = Length;
    Buffer->Call.TimeOutValue = 10;
    Buffer->Call.SenseInfoLength = sizeof(Buffer->Sense);
    Buffer->Call.SenseInfoOffset = offsetof(PASS_BUFFER, Sense);
    Buffer->Call.Data = offsetof(PASS_BUFFER, Data);
}

void BehaviourPassThrough(HOST *Host)
{
    static const UCHAR Inquiry[6] = {0x12, 0, 0, 0, 36, 0}, Invalid[6] = {0xFF};
    static const UCHAR WriteOne[10] = {0x2A, 0, 0, 0, 0, 7, 0, 0, 1, 0},
                       ReadOne[10] = {0x28, 0, 0, 0, 0, 7, 0, 0, 1, 0};
    UCHAR Direct[512];
    PASS_BUFFER Buffer;
    ULONG Used;
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    PassBuild(&Buffer, Inquiry, 6, PORT_SCSI_IOCTL_DATA_IN, 100);
    CHECK(NT_SUCCESS(
        NativeIoctl(Disk.File, PORT_IOCTL_SCSI_PASS_THROUGH, &Buffer, sizeof(Buffer), &Buffer, sizeof(Buffer), &Used)));
    CHECK(Buffer.Call.DataTransferLength == 36 && memcmp(Buffer.Data + 8, "WNBDTEST", 8) == 0);
    PassBuild(&Buffer, Invalid, 6, PORT_SCSI_IOCTL_DATA_UNSPECIFIED, 0);
    CHECK(NT_SUCCESS(
        NativeIoctl(Disk.File, PORT_IOCTL_SCSI_PASS_THROUGH, &Buffer, sizeof(Buffer), &Buffer, sizeof(Buffer), &Used)));
    CHECK(Buffer.Call.ScsiStatus == SCSISTAT_CHECK_CONDITION && Buffer.Call.SenseInfoLength == 18);
    CHECK(Buffer.Sense[2] == 5 && Buffer.Sense[12] == 0x20);
    PassBuild(&Buffer, WriteOne, 10, PORT_SCSI_IOCTL_DATA_OUT, 512);
    Buffer.Call.Data = (ULONG_PTR)Direct;
    memset(Direct, 0x3C, sizeof(Direct));
    CHECK(NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_SCSI_PASS_THROUGH_DIRECT, &Buffer, sizeof(Buffer), &Buffer,
                                 sizeof(Buffer), &Used)));
    PassBuild(&Buffer, ReadOne, 10, PORT_SCSI_IOCTL_DATA_IN, 512);
    Buffer.Call.Data = (ULONG_PTR)Direct;
    memset(Direct, 0, sizeof(Direct));
    CHECK(NT_SUCCESS(NativeIoctl(Disk.File, PORT_IOCTL_SCSI_PASS_THROUGH_DIRECT, &Buffer, sizeof(Buffer), &Buffer,
                                 sizeof(Buffer), &Used)));
    CHECK(Direct[0] == 0x3C && Direct[511] == 0x3C && Buffer.Call.DataTransferLength == 512);
    DiskClose(&Disk);
}

static NTSTATUS Refused(DISK *Disk, const PASS_BUFFER *Buffer, ULONG Length)
{
    PASS_BUFFER Out;

    return NativeIoctl(Disk->File, PORT_IOCTL_SCSI_PASS_THROUGH, Buffer, Length, &Out, Length, NULL);
}

void BehaviourPassThroughRefused(HOST *Host)
{
    static const UCHAR Inquiry[6] = {0x12, 0, 0, 0, 36, 0};
    PASS_BUFFER Buffer;
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    PassBuild(&Buffer, Inquiry, 6, PORT_SCSI_IOCTL_DATA_IN, 36);
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer.Call) - 1) == STATUS_INVALID_PARAMETER);
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer.Call)) == STATUS_INVALID_PARAMETER);
    Buffer.Call.Data = (ULONG_PTR)-16;
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer)) == STATUS_INVALID_PARAMETER);
    Buffer.Call.Data = sizeof(Buffer) - 35;
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer)) == STATUS_INVALID_PARAMETER);
    PassBuild(&Buffer, Inquiry, 6, PORT_SCSI_IOCTL_DATA_IN, 36);
    Buffer.Call.SenseInfoOffset = sizeof(Buffer) - 31;
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer)) == STATUS_INVALID_PARAMETER);
    PassBuild(&Buffer, Inquiry, 6, PORT_SCSI_IOCTL_DATA_IN, 36);
    Buffer.Call.CdbLength = 17;
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer)) == STATUS_INVALID_PARAMETER);
    PassBuild(&Buffer, Inquiry, 6, PORT_SCSI_IOCTL_DATA_IN, RAM_MAX_TRANSFER + 1);
    CHECK(Refused(&Disk, &Buffer, sizeof(Buffer)) == STATUS_INVALID_PARAMETER);
    DiskClose(&Disk);
}

void BehaviourServiceCancelled(HOST *Host)
{
    const RAM_COMMAND Pend = {RAM_PEND, 0, 0};
    NATIVE_REQUEST *Request = NativeIoctlBegin(Host->File, RAM_IOCTL, &Pend, sizeof(Pend), NULL, 0);

    CHECK(!NativeRequestPoll(Request, 100));
    NativeRequestCancel(Request);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_CANCELLED);
}

/* The adapter goes while a request is pending and its interface is open. */
void BehaviourServiceAtRemoval(HOST *Host)
{
    const RAM_COMMAND Pend = {RAM_PEND, 0, 0};
    NATIVE_REQUEST *Request = NativeIoctlBegin(Host->File, RAM_IOCTL, &Pend, sizeof(Pend), NULL, 0);

    CHECK(!NativeRequestPoll(Request, 50));
    NativeDeviceSurpriseRemove(Host->Adapter);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_DEVICE_REMOVED);
    NativeClose(Host->File);
    NativePnpSettle();
    NativeDriverUnload(Host->Driver);
    NativeStop();
    Host->Driver = NULL;
}
