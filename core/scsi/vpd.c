/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Vital product data (SPC-4, SBC-3): who a disk is (80h, 83h) and what
 * it can do (B0h, B1h, B2h), as one table of pages.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define PAGE_PAYLOAD_MAX 288u
#define SERIAL_UNKNOWN_LENGTH 8u

/* Page 83h */
#define CODE_SET_BINARY 0x01u
#define CODE_SET_ASCII 0x02u
#define DESIGNATOR_T10 0x01u /* association 0: the logical unit */
#define DESIGNATOR_NAA 0x03u
#define IDENTIFICATION_MAX 255u /* all of page 83h: a class driver asks for no more and ignores half a designator */
#define NAA_LENGTH_MAX 16u
#define DESIGNATOR_LENGTH_MAX                                                                                          \
    (IDENTIFICATION_MAX - sizeof(VPD_HEADER) - 2 * sizeof(VPD_DESIGNATION) - NAA_LENGTH_MAX) /* of the T10 one: 227 */

#define ROTATION_NONE 0x0001u /* 0: not reported */
#define UNMAP_NO_LIMIT 0xFFFFFFFFu
#define FLAG_LBPU 0x80u
#define FLAG_ANC_SUP 0x02u
#define PROVISIONING_THIN 0x02u

/* Writes the page after its header into Payload, PAGE_PAYLOAD_MAX bytes of zeros, and returns its length. */
typedef size_t VPD_FILL(const SCSI_DISK *Disk, uint8_t *Payload);

typedef struct {
    uint8_t Code;
    VPD_FILL *Fill;
} VPD_PAGE;

static VPD_FILL FillSupportedPages;
static VPD_FILL FillSerialNumber;
static VPD_FILL FillIdentification;
static VPD_FILL FillBlockLimits;
static VPD_FILL FillBlockCharacteristics;
static VPD_FILL FillProvisioning;

/* Ascending by page code, as page 00h lists them. */
static const VPD_PAGE VpdPages[] = {
    {0x00, FillSupportedPages}, {0x80, FillSerialNumber},         {0x83, FillIdentification},
    {0xB0, FillBlockLimits},    {0xB1, FillBlockCharacteristics}, {0xB2, FillProvisioning},
};

#define PAGE_COUNT (sizeof(VpdPages) / sizeof(VpdPages[0]))

void ScsiVitalProductData(const SCSI_COMMAND *Command)
{
    const CDB_INQUIRY *Cdb = Command->Cdb;
    struct {
        VPD_HEADER Header;
        uint8_t Payload[PAGE_PAYLOAD_MAX];
    } Page = {.Header.PageCode = Cdb->PageCode};

    for (size_t Index = 0; Index < PAGE_COUNT; Index++) {
        if (VpdPages[Index].Code == Cdb->PageCode) {
            size_t Length = VpdPages[Index].Fill(Command->Disk, Page.Payload);

            Be16Store(&Page.Header.PageLength, (uint16_t)Length);
            ScsiAnswer(Command, &Page, sizeof(Page.Header) + Length, Be16Load(Cdb->Allocation));
            return;
        }
    }
    ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
}

/* 00h, Supported VPD Pages. */
static size_t FillSupportedPages(const SCSI_DISK *Disk, uint8_t *Payload)
{
    (void)Disk;
    for (size_t Index = 0; Index < PAGE_COUNT; Index++) {
        Payload[Index] = VpdPages[Index].Code;
    }
    return PAGE_COUNT;
}

static size_t SerialLength(const SCSI_DISK *Disk)
{
    size_t Length = 0;

    while (Length < SCSI_SERIAL_MAX && Disk->SerialNumber[Length] != '\0') {
        Length++;
    }
    return Length;
}

static bool IsPrintable(char Character)
{
    return Character >= 0x20 && Character <= 0x7E;
}

/* The first Length characters; what ASCII can't print, and the standard therefore doesn't allow, appears as '_'. */
static void PutSerial(const SCSI_DISK *Disk, uint8_t *To, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++) {
        To[Index] = IsPrintable(Disk->SerialNumber[Index]) ? (uint8_t)Disk->SerialNumber[Index] : '_';
    }
}

/* 80h, Unit Serial Number: spaces if the number isn't known. */
static size_t FillSerialNumber(const SCSI_DISK *Disk, uint8_t *Payload)
{
    size_t Length = SerialLength(Disk);

    if (Length == 0) {
        memset(Payload, ' ', SERIAL_UNKNOWN_LENGTH);
        return SERIAL_UNKNOWN_LENGTH;
    }
    PutSerial(Disk, Payload, Length);
    return Length;
}

/* 64 bit FNV-1a of the serial number as sixteen hexadecimal digits. */
static void PutSerialHash(const SCSI_DISK *Disk, uint8_t *To)
{
    static const char Digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
    uint64_t Hash = 0xCBF29CE484222325u;
    size_t Length = SerialLength(Disk);

    for (size_t Index = 0; Index < Length; Index++) {
        Hash = (Hash ^ (uint8_t)Disk->SerialNumber[Index]) * 0x100000001B3u;
    }
    for (size_t Index = 0; Index < 16; Index++) {
        To[Index] = (uint8_t)Digits[Hash >> (60 - 4 * Index) & 0xF];
    }
}

/*
 * The serial number as part of an identity, at most Room bytes. Two disks must
 * not get the same one: where it has to be cut, or characters had to be
 * replaced, its hash stands at the end.
 */
static size_t PutIdentity(const SCSI_DISK *Disk, uint8_t *To, size_t Room)
{
    size_t Length = SerialLength(Disk);
    bool Exact = Length <= Room;

    for (size_t Index = 0; Exact && Index < Length; Index++) {
        Exact = IsPrintable(Disk->SerialNumber[Index]);
    }
    if (Exact) {
        PutSerial(Disk, To, Length);
        return Length;
    }
    if (Length > Room - 17) {
        Length = Room - 17;
    }
    PutSerial(Disk, To, Length);
    To[Length] = '-';
    PutSerialHash(Disk, To + Length + 1);
    return Length + 17;
}

static size_t PutDesignation(uint8_t *To, uint8_t CodeSet, uint8_t Type, size_t Length)
{
    VPD_DESIGNATION Designation = {.CodeSet = CodeSet, .Type = Type, .Length = (uint8_t)Length};

    memcpy(To, &Designation, sizeof(Designation));
    return sizeof(Designation) + Length;
}

/*
 * Length of an NAA designator by its type, the first four bits (SPC-4, NAA designator format):
 * 6 is sixteen bytes long; 2, 3 and 5 are eight; no others are defined.
 */
static size_t NaaLength(const SCSI_DISK *Disk)
{
    switch (Disk->Naa[0] >> 4) {
    case 2:
    case 3:
    case 5:
        return 8;
    case 6:
        return 16;
    default:
        return 0;
    }
}

/*
 * 83h, Device Identification: the NAA identifier, if the disk has a valid one, then
 * vendor and serial number. Without a serial number the latter would be the
 * same for all such disks and is left out. Its room doesn't depend on the NAA
 * identifier's being there.
 */
static size_t FillIdentification(const SCSI_DISK *Disk, uint8_t *Payload)
{
    const size_t VendorLength = sizeof(SCSI_VENDOR) - 1;
    size_t Naa = Disk->NaaSpecified ? NaaLength(Disk) : 0;
    size_t Length = 0;

    if (Naa != 0) {
        memcpy(Payload + sizeof(VPD_DESIGNATION), Disk->Naa, Naa);
        Length = PutDesignation(Payload, CODE_SET_BINARY, DESIGNATOR_NAA, Naa);
    }
    if (SerialLength(Disk) != 0) {
        uint8_t *Designator = Payload + Length + sizeof(VPD_DESIGNATION);
        size_t Identity;

        memcpy(Designator, SCSI_VENDOR, VendorLength);
        Identity = PutIdentity(Disk, Designator + VendorLength, DESIGNATOR_LENGTH_MAX - VendorLength);
        Length += PutDesignation(Payload + Length, CODE_SET_ASCII, DESIGNATOR_T10, VendorLength + Identity);
    }
    return Length;
}

_Static_assert(IDENTIFICATION_MAX <= PAGE_PAYLOAD_MAX, "page 83h fits");
_Static_assert(SCSI_SERIAL_MAX <= PAGE_PAYLOAD_MAX && sizeof(VPD_BLOCK_LIMITS) <= PAGE_PAYLOAD_MAX, "pages fit");

/*
 * B0h, Block Limits. Reads, writes and unmaps of whole physical blocks are the
 * best ones. UNMAP has no limit in blocks; COMPARE AND WRITE, WRITE SAME and
 * PRE-FETCH, whose limits are 0, are not supported.
 */
static size_t FillBlockLimits(const SCSI_DISK *Disk, uint8_t *Payload)
{
    uint32_t Granularity = Disk->PhysicalBlockSize / Disk->BlockSize;
    VPD_BLOCK_LIMITS Limits = {0};

    Be16Store(&Limits.OptimalGranularity, Granularity <= UINT16_MAX ? (uint16_t)Granularity : 0);
    Be32Store(&Limits.MaximumTransfer, Disk->MaximumBlocks);
    Be32Store(&Limits.OptimalTransfer, Disk->OptimalBlocks);
    if (Disk->Unmap) {
        Be32Store(&Limits.MaximumUnmapBlocks, UNMAP_NO_LIMIT);
        Be32Store(&Limits.MaximumUnmapDescriptors,
                  Disk->MaximumUnmapDescriptors != 0 ? Disk->MaximumUnmapDescriptors : UNMAP_NO_LIMIT);
        Be32Store(&Limits.OptimalUnmapGranularity, Granularity);
    }
    memcpy(Payload, &Limits, sizeof(Limits));
    return sizeof(Limits);
}

/* B1h, Block Device Characteristics. */
static size_t FillBlockCharacteristics(const SCSI_DISK *Disk, uint8_t *Payload)
{
    VPD_BLOCK_CHARACTERISTICS Characteristics = {0};

    if (!Disk->Rotational) {
        Be16Store(&Characteristics.RotationRate, ROTATION_NONE);
    }
    memcpy(Payload, &Characteristics, sizeof(Characteristics));
    return sizeof(Characteristics);
}

/* B2h, Logical Block Provisioning. LBPRZ is 0 as in READ CAPACITY (16); WRITE SAME doesn't unmap. */
static size_t FillProvisioning(const SCSI_DISK *Disk, uint8_t *Payload)
{
    VPD_PROVISIONING Provisioning = {0};

    if (Disk->Unmap) {
        Provisioning.Flags5 = Disk->UnmapAnchor ? FLAG_LBPU | FLAG_ANC_SUP : FLAG_LBPU;
        Provisioning.ProvisioningType = PROVISIONING_THIN;
    }
    memcpy(Payload, &Provisioning, sizeof(Provisioning));
    return sizeof(Provisioning);
}
