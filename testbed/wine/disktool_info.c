/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool: the commands that ask instead of moving data: info, list, scsi.
 */
#include "disktool.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setupapi.h>

#define DESCRIPTOR_BYTES 1024u
#define SENSE_BYTES 252u
#define SCSI_TIMEOUT_S 60u

/* GUID_DEVINTERFACE_DISK */
static const GUID DiskInterface = {0x53f56307, 0xb6bf, 0x11d0, {0x94, 0xf2, 0x00, 0xa0, 0xc9, 0x1e, 0xfb, 0x8b}};

static DWORD QueryProperty(const DISK *Disk, STORAGE_PROPERTY_ID Property, void *Answer, DWORD AnswerBytes)
{
    STORAGE_PROPERTY_QUERY Query = {.PropertyId = Property, .QueryType = PropertyStandardQuery};

    memset(Answer, 0, AnswerBytes);
    return DiskControl(Disk, IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), Answer, AnswerBytes, NULL);
}

/* A string of the device descriptor, without the blanks that pad it. */
static void DescriptorText(const uint8_t *Descriptor, DWORD Offset, char *Text, size_t TextBytes)
{
    size_t Length = 0;

    if (Offset > 0 && Offset < DESCRIPTOR_BYTES) {
        while (Offset + Length < DESCRIPTOR_BYTES && Descriptor[Offset + Length] != 0 && Length + 1 < TextBytes) {
            Text[Length] = (char)Descriptor[Offset + Length];
            Length++;
        }
    }
    while (Length > 0 && Text[Length - 1] == ' ') {
        Length--;
    }
    Text[Length] = '\0';
}

static const char *BusName(unsigned Type)
{
    static const char *const Names[] = {
        "unknown", "SCSI",  "ATAPI", "ATA",  "1394", "SSA", "Fibre",   "USB",
        "RAID",    "iSCSI", "SAS",   "SATA", "SD",   "MMC", "Virtual", "FileBackedVirtual"};

    return Type < sizeof(Names) / sizeof(Names[0]) ? Names[Type] : "other";
}

static bool InfoDevice(const DISK *Disk)
{
    static uint8_t Answer[DESCRIPTOR_BYTES];
    const STORAGE_DEVICE_DESCRIPTOR *Device = (const STORAGE_DEVICE_DESCRIPTOR *)Answer;
    DWORD Error = QueryProperty(Disk, StorageDeviceProperty, Answer, sizeof(Answer));
    char Text[128];

    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: no device descriptor", Disk->Number);
        return false;
    }
    DescriptorText(Answer, Device->VendorIdOffset, Text, sizeof(Text));
    printf("vendor: %s\n", Text);
    DescriptorText(Answer, Device->ProductIdOffset, Text, sizeof(Text));
    printf("product: %s\n", Text);
    DescriptorText(Answer, Device->ProductRevisionOffset, Text, sizeof(Text));
    printf("revision: %s\n", Text);
    DescriptorText(Answer, Device->SerialNumberOffset, Text, sizeof(Text));
    printf("serial: %s\n", Text);
    printf("bus: %s\n", BusName((unsigned)Device->BusType));
    printf("removable: %s\n", Device->RemovableMedia ? "yes" : "no");
    return true;
}

static bool InfoAdapter(const DISK *Disk)
{
    STORAGE_ADAPTER_DESCRIPTOR Adapter;
    DWORD Error = QueryProperty(Disk, StorageAdapterProperty, &Adapter, sizeof(Adapter));

    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: no adapter descriptor", Disk->Number);
        return false;
    }
    printf("adapter bus: %s\n", BusName(Adapter.BusType));
    printf("adapter maximum transfer: %lu\n", (unsigned long)Adapter.MaximumTransferLength);
    printf("adapter maximum pages: %lu\n", (unsigned long)Adapter.MaximumPhysicalPages);
    return true;
}

static bool InfoAddress(const DISK *Disk)
{
    SCSI_ADDRESS Address = {0};
    STORAGE_DEVICE_NUMBER Number = {0};
    DWORD Error = DiskControl(Disk, IOCTL_SCSI_GET_ADDRESS, NULL, 0, &Address, sizeof(Address), NULL);

    if (Error == 0) {
        Error = DiskControl(Disk, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &Number, sizeof(Number), NULL);
    }
    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: no SCSI address or device number", Disk->Number);
        return false;
    }
    printf("device number: %lu\n", (unsigned long)Number.DeviceNumber);
    printf("scsi address: port %u path %u target %u lun %u\n", Address.PortNumber, Address.PathId, Address.TargetId,
           Address.Lun);
    return true;
}

static bool InfoSize(const DISK *Disk)
{
    STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR Alignment;
    DISK_GEOMETRY_EX Geometry = {0};
    DWORD Error = DiskControl(Disk, IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, NULL, 0, &Geometry, sizeof(Geometry), NULL);

    if (Error == 0) {
        Error = QueryProperty(Disk, StorageAccessAlignmentProperty, &Alignment, sizeof(Alignment));
    }
    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: no geometry or alignment", Disk->Number);
        return false;
    }
    if ((uint64_t)Geometry.DiskSize.QuadPart != Disk->LengthBytes) {
        Complain("PhysicalDrive%u: its geometry has %lld bytes, its length is %llu", Disk->Number,
                 (long long)Geometry.DiskSize.QuadPart, (unsigned long long)Disk->LengthBytes);
        return false;
    }
    printf("length: %llu\n", (unsigned long long)Disk->LengthBytes);
    printf("block: %u\n", Disk->BlockBytes);
    printf("physical block: %lu\n", (unsigned long)Alignment.BytesPerPhysicalSector);
    printf("geometry: %lld cylinders, %lu heads, %lu sectors of %lu bytes\n",
           (long long)Geometry.Geometry.Cylinders.QuadPart, (unsigned long)Geometry.Geometry.TracksPerCylinder,
           (unsigned long)Geometry.Geometry.SectorsPerTrack, (unsigned long)Geometry.Geometry.BytesPerSector);
    return true;
}

static bool InfoFeatures(const DISK *Disk)
{
    DEVICE_SEEK_PENALTY_DESCRIPTOR Seek;
    DEVICE_TRIM_DESCRIPTOR Trim;
    DWORD Error = QueryProperty(Disk, StorageDeviceSeekPenaltyProperty, &Seek, sizeof(Seek));

    if (Error == 0) {
        Error = QueryProperty(Disk, StorageDeviceTrimProperty, &Trim, sizeof(Trim));
    }
    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: no seek penalty or trim descriptor", Disk->Number);
        return false;
    }
    printf("seek penalty: %s\n", Seek.IncursSeekPenalty ? "yes" : "no");
    printf("trim: %s\n", Trim.TrimEnabled ? "yes" : "no");
    Error = DiskControl(Disk, IOCTL_DISK_IS_WRITABLE, NULL, 0, NULL, 0, NULL);
    if (Error != 0 && Error != ERROR_WRITE_PROTECT) {
        ComplainError(Error, "PhysicalDrive%u: does not tell whether it is writable", Disk->Number);
        return false;
    }
    printf("writable: %s\n", Error == 0 ? "yes" : "no");
    return true;
}

bool CommandInfo(DISK *Disk, const WORDS *Words)
{
    (void)Words;
    return InfoSize(Disk) && InfoAddress(Disk) && InfoDevice(Disk) && InfoAdapter(Disk) && InfoFeatures(Disk);
}

static bool ListOne(const char *Path)
{
    STORAGE_DEVICE_NUMBER Number = {0};
    GET_LENGTH_INFORMATION Length = {0};
    DISK Disk = {0};
    DWORD Error;

    Disk.Handle = CreateFileA(Path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                              FILE_FLAG_OVERLAPPED, NULL);
    if (Disk.Handle == INVALID_HANDLE_VALUE) {
        ComplainError(GetLastError(), "cannot open %s", Path);
        return false;
    }
    Error = DiskControl(&Disk, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &Number, sizeof(Number), NULL);
    if (Error == 0) {
        Error = DiskControl(&Disk, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &Length, sizeof(Length), NULL);
    }
    CloseHandle(Disk.Handle);
    if (Error != 0) {
        ComplainError(Error, "%s does not tell its number or length", Path);
        return false;
    }
    printf("PhysicalDrive%lu %lld %s\n", (unsigned long)Number.DeviceNumber, (long long)Length.Length.QuadPart, Path);
    return true;
}

bool CommandList(void)
{
    HDEVINFO Set = SetupDiGetClassDevsA(&DiskInterface, NULL, NULL, DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
    SP_DEVICE_INTERFACE_DATA Interface = {.cbSize = sizeof(Interface)};
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_A Detail;
        char Room[1024];
    } Path;
    bool Good = true;
    DWORD Index;

    if (Set == INVALID_HANDLE_VALUE) {
        ComplainError(GetLastError(), "cannot list the disks");
        return false;
    }
    for (Index = 0; SetupDiEnumDeviceInterfaces(Set, NULL, &DiskInterface, Index, &Interface); Index++) {
        Path.Detail.cbSize = sizeof(Path.Detail);
        if (!SetupDiGetDeviceInterfaceDetailA(Set, &Interface, &Path.Detail, sizeof(Path), NULL, NULL)) {
            ComplainError(GetLastError(), "a disk interface has no path");
            Good = false;
        } else if (!ListOne(Path.Detail.DevicePath)) {
            Good = false;
        }
    }
    SetupDiDestroyDeviceInfoList(Set);
    return Good;
}

static bool ParseCdb(const char *Text, SCSI_PASS_THROUGH_DIRECT *Request)
{
    size_t Digits = 0;

    for (; *Text != '\0'; Text++) {
        unsigned Value;

        if (*Text == ' ') {
            continue;
        }
        if (!isxdigit((unsigned char)*Text) || Digits >= 2 * sizeof(Request->Cdb)) {
            Complain("a CDB is 2 to 32 hexadecimal digits");
            return false;
        }
        Value = isdigit((unsigned char)*Text) ? (unsigned)(*Text - '0') : (unsigned)((*Text | 0x20) - 'a' + 10);
        Request->Cdb[Digits / 2] = (UCHAR)(Request->Cdb[Digits / 2] << 4 | Value);
        Digits++;
    }
    if (Digits == 0 || Digits % 2 != 0) {
        Complain("a CDB is 2 to 32 hexadecimal digits, an even number of them");
        return false;
    }
    Request->CdbLength = (UCHAR)(Digits / 2);
    return true;
}

static void PrintBytes(const char *Title, const uint8_t *Data, size_t Bytes)
{
    size_t Index;

    printf("%s: %llu bytes\n", Title, (unsigned long long)Bytes);
    for (Index = 0; Index < Bytes; Index++) {
        if (Index % 16 == 0) {
            printf("%04llx:", (unsigned long long)Index);
        }
        printf(" %02x%s", Data[Index], Index % 16 == 15 || Index + 1 == Bytes ? "\n" : "");
    }
}

static bool LoadFile(const char *Name, SCSI_PASS_THROUGH_DIRECT *Request)
{
    FILE *Stream = fopen(Name, "rb");
    long Bytes;

    if (Stream == NULL || fseek(Stream, 0, SEEK_END) != 0 || (Bytes = ftell(Stream)) <= 0 ||
        fseek(Stream, 0, SEEK_SET) != 0) {
        Complain("%s: cannot open, or empty: %s", Name, strerror(errno));
        return false;
    }
    Request->DataBuffer = AllocatePages((size_t)Bytes);
    Request->DataTransferLength = (ULONG)Bytes;
    Request->DataIn = SCSI_IOCTL_DATA_OUT;
    if (fread(Request->DataBuffer, 1, (size_t)Bytes, Stream) != (size_t)Bytes) {
        Complain("%s: cannot read: %s", Name, strerror(errno));
        fclose(Stream);
        return false;
    }
    fclose(Stream);
    return true;
}

static bool ScsiData(const WORDS *Words, SCSI_PASS_THROUGH_DIRECT *Request)
{
    uint64_t Bytes;

    Request->DataIn = SCSI_IOCTL_DATA_UNSPECIFIED;
    if (Words->Count == 1) {
        return true;
    }
    if (Words->Count == 3 && strcmp(Words->Word[1], "out") == 0) {
        return LoadFile(Words->Word[2], Request);
    }
    if (Words->Count != 3 || strcmp(Words->Word[1], "in") != 0) {
        Complain("usage: disktool N scsi CDBHEX [in LENGTH | out FILE]");
        return false;
    }
    if (!ParseNumber("LENGTH", Words->Word[2], &Bytes)) {
        return false;
    }
    if (Bytes > 0x40000000) {
        Complain("LENGTH: 1G at most, not %llu", (unsigned long long)Bytes);
        return false;
    }
    Request->DataBuffer = AllocatePages(Bytes != 0 ? (size_t)Bytes : 1);
    Request->DataTransferLength = (ULONG)Bytes;
    Request->DataIn = SCSI_IOCTL_DATA_IN;
    return true;
}

bool CommandScsi(DISK *Disk, const WORDS *Words)
{
    struct {
        SCSI_PASS_THROUGH_DIRECT Request;
        ULONG Filler; /* the sense buffer starts aligned */
        UCHAR Sense[SENSE_BYTES];
    } Packet;
    DWORD Returned = 0;
    DWORD Error;

    memset(&Packet, 0, sizeof(Packet));
    Packet.Request.Length = sizeof(Packet.Request);
    Packet.Request.TimeOutValue = SCSI_TIMEOUT_S;
    Packet.Request.SenseInfoLength = SENSE_BYTES;
    Packet.Request.SenseInfoOffset = (ULONG)offsetof(__typeof__(Packet), Sense);
    if (!ParseCdb(Words->Word[0], &Packet.Request) || !ScsiData(Words, &Packet.Request)) {
        return false;
    }
    Error =
        DiskControl(Disk, IOCTL_SCSI_PASS_THROUGH_DIRECT, &Packet, sizeof(Packet), &Packet, sizeof(Packet), &Returned);
    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: SCSI command %s failed", Disk->Number, Words->Word[0]);
        return false;
    }
    printf("scsi status: 0x%02x\n", Packet.Request.ScsiStatus);
    if (Packet.Request.ScsiStatus != 0) {
        PrintBytes("sense", Packet.Sense, Packet.Request.SenseInfoLength);
        return false;
    }
    if (Packet.Request.DataIn == SCSI_IOCTL_DATA_IN) {
        PrintBytes("data", Packet.Request.DataBuffer, Packet.Request.DataTransferLength);
    } else {
        printf("transferred: %lu bytes\n", (unsigned long)Packet.Request.DataTransferLength);
    }
    return true;
}
