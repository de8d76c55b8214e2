/* SPDX-License-Identifier: LGPL-2.1-only */
/* INQUIRY: the standard data and every page of vital product data, byte for byte. */
#include "scsi_support.h"

#include <string.h>

#define VENDOR 'W', 'N', 'B', 'D', ' ', ' ', ' ', ' '
#define PRODUCT 'W', 'N', 'B', 'D', '_', 'D', 'I', 'S', 'K', ' ', ' ', ' ', ' ', ' ', ' ', ' '

static void StandardData(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0, 0, 0, 0, 0), 3, 2,
                 BYTES(0x00, /* connected direct access block device */
                       0x00, /* not removable */
                       0x06, /* SPC-4 */
                       0x02, /* NORMACA 0, HISUP 0, response data format 2 */
                       91,   /* 96 bytes in all */
                       0x00, /* no PROTECT, no TPGS */
                       0x00, /* one port */
                       0x02, /* CMDQUE */
                       VENDOR, PRODUCT, '1', '.', '0', '2', ZEROS_16, ZEROS_4, 0, 0, /* to byte 57 */
                       0x00, 0xA0,                                                   /* SAM-5 */
                       0x04, 0x60,                                                   /* SPC-4 */
                       0x04, 0xC0,                                                   /* SBC-3 */
                       0, 0, ZEROS_8, /* five free descriptors, to byte 73 */
                       ZEROS_16, ZEROS_4, 0, 0));
}

static void RevisionIsPadded(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Data[36];
    SCSI_RESULT Result;

    (void)State;
    memcpy(Disk.Revision, "7\0xx", 5);
    ScsiDecode(&Disk, BYTES(0x12, 0, 0, 0, 36, 0), Data, sizeof(Data), &Result);
    assert_int_equal(Result.DataLength, 36);
    assert_memory_equal(Data + 32, "7   ", 4);
}

static void AllocationLengthHasTwoBytes(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Data[96];
    SCSI_RESULT Result;

    (void)State;
    ScsiDecode(&Disk, BYTES(0x12, 0, 0, 0x01, 0x00, 0), Data, sizeof(Data), &Result);
    assert_int_equal(Result.DataLength, 96);
}

static void PageCodeNeedsEvpd(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectRefused(&Disk, BYTES(0x12, 0x00, 0x80, 0, 96, 0), INVALID_FIELD);
    ExpectRefused(&Disk, BYTES(0x12, 0x00, 0x01, 0, 96, 0), INVALID_FIELD);
    ExpectRefused(&Disk, BYTES(0x12, 0x02, 0x00, 0, 96, 0), INVALID_FIELD); /* CMDDT */
    ExpectRefused(&Disk, BYTES(0x12, 0x03, 0x00, 0, 96, 0), INVALID_FIELD);
}

static void UnknownPagesAreRefused(void **State)
{
    static const uint8_t Known[] = {0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2};
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (unsigned Code = 0; Code <= 0xFF; Code++) {
        if (memchr(Known, (int)Code, sizeof(Known)) == NULL) {
            ExpectRefused(&Disk, BYTES(0x12, 0x01, (uint8_t)Code, 0, 0xFF, 0), INVALID_FIELD);
        }
    }
}

static void SupportedPages(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x00, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0x00, 0, 6, 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2));
    ExpectAnswer(&Disk, BYTES(0x12, 0xE1, 0x00, 0, 0, 0), 3, 2, /* LUN bits of SCSI-2 */
                 BYTES(0x00, 0x00, 0, 6, 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2));
}

static void SerialNumber(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x80, 0, 0, 0), 3, 2, BYTES(0x00, 0x80, 0, 6, 'd', 'i', 's', 'k', '-', '1'));
    memset(Disk.SerialNumber, 0, sizeof(Disk.SerialNumber));
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x80, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0x80, 0, 8, ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '));
    memcpy(Disk.SerialNumber, "a\xC3\xA4\n\x7F ~", 8);
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x80, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0x80, 0, 7, 'a', '_', '_', '_', '_', ' ', '~'));
}

static void LongestSerialNumber(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Expected[4 + SCSI_SERIAL_MAX] = {0x00, 0x80, 0x00, 0xFF};

    (void)State;
    memset(Disk.SerialNumber, 'x', SCSI_SERIAL_MAX);
    memset(Expected + 4, 'x', SCSI_SERIAL_MAX);
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x80, 0, 0, 0), 3, 2, Expected, sizeof(Expected));
    Disk.SerialNumber[SCSI_SERIAL_MAX] = 'x'; /* even without a terminator nothing beyond is read */
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x80, 0, 0, 0), 3, 2, Expected, sizeof(Expected));
}

static void IdentificationByVendorAndSerial(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0x83, 0, 18, 0x02, 0x01, 0x00, 14, VENDOR, 'd', 'i', 's', 'k', '-', '1'));
    memset(Disk.SerialNumber, 0, sizeof(Disk.SerialNumber));
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2, BYTES(0x00, 0x83, 0, 0));
}

static void IdentificationByNaaOfSixteenBytes(void **State)
{
    SCSI_DISK Disk = TestDisk();
    static const uint8_t Naa[16] = {0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    (void)State;
    memcpy(Disk.Naa, Naa, sizeof(Naa));
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2, /* not specified */
                 BYTES(0x00, 0x83, 0, 18, 0x02, 0x01, 0x00, 14, VENDOR, 'd', 'i', 's', 'k', '-', '1'));
    Disk.NaaSpecified = true;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0x83, 0, 38, 0x01, 0x03, 0x00, 16, 0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                       0x02, 0x01, 0x00, 14, VENDOR, 'd', 'i', 's', 'k', '-', '1'));
}

static void IdentificationByNaaOfEightBytes(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.NaaSpecified = true;
    memset(Disk.Naa, 0x77, sizeof(Disk.Naa));
    for (uint8_t Type = 0; Type <= 0xF; Type++) {
        Disk.Naa[0] = (uint8_t)(Type << 4 | 0x7);
        if (Type == 2 || Type == 3 || Type == 5) {
            ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2,
                         BYTES(0x00, 0x83, 0, 30, 0x01, 0x03, 0x00, 8, Disk.Naa[0], 0x77, 0x77, 0x77, 0x77, 0x77, 0x77,
                               0x77, 0x02, 0x01, 0x00, 14, VENDOR, 'd', 'i', 's', 'k', '-', '1'));
        } else if (Type != 6) { /* not defined: no designator */
            ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2,
                         BYTES(0x00, 0x83, 0, 18, 0x02, 0x01, 0x00, 14, VENDOR, 'd', 'i', 's', 'k', '-', '1'));
        }
    }
}

static void LongestIdentification(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Expected[255] = {0x00, 0x83, 0x00, 0xFB, 0x01, 0x03, 0x00, 16}; /* classpnp reads 255 bytes */

    (void)State;
    Disk.NaaSpecified = true;
    memset(Disk.Naa, 0x6A, sizeof(Disk.Naa));
    memset(Disk.SerialNumber, 'y', 219);
    memset(Expected + 8, 0x6A, 16);
    memcpy(Expected + 24, "\x02\x01\x00\xE3WNBD    ", 12);
    memset(Expected + 36, 'y', 219);
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0x83, 0, 0, 0), 3, 2, Expected, sizeof(Expected));
}

/* The vendor designator of Disk, 227 bytes at most. */
static size_t Designator(const SCSI_DISK *Disk, uint8_t *Data)
{
    uint8_t Page[300];
    SCSI_RESULT Result;

    ScsiDecode(Disk, BYTES(0x12, 0x01, 0x83, 0x01, 0x2C, 0), Page, sizeof(Page), &Result);
    assert_int_equal(Result.Status, SCSI_STATUS_GOOD);
    assert_int_equal(Result.DataLength, 8u + Page[7]);
    memcpy(Data, Page + 8, Page[7]);
    return Page[7];
}

static void IdentityIsNotLostInACut(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Name[255];

    (void)State;
    memset(Disk.SerialNumber, 'z', SCSI_SERIAL_MAX);
    assert_int_equal(Designator(&Disk, Name), 227);
    for (size_t Index = 8; Index < 8 + 202; Index++) {
        assert_int_equal(Name[Index], 'z');
    }
    assert_memory_equal(Name + 8 + 202, "-b36170a8ce31d3bd", 17); /* FNV-1a of all 255 */
    Disk.SerialNumber[SCSI_SERIAL_MAX - 1] = 'y';
    assert_int_equal(Designator(&Disk, Name), 227);
    assert_memory_equal(Name + 8 + 202, "-b3616da8ce31cea4", 17);
}

static void IdentityIsNotLostInReplacing(void **State)
{
    SCSI_DISK Disk = TestDisk();
    uint8_t Name[255];

    (void)State;
    memset(Disk.SerialNumber, 0, sizeof(Disk.SerialNumber));
    memcpy(Disk.SerialNumber, "\xC3\xA4", 2);
    assert_int_equal(Designator(&Disk, Name), 27);
    assert_memory_equal(Name, "WNBD    __-0ac21207b7181582", 27);
    memcpy(Disk.SerialNumber, "\xC3\xB6", 2);
    assert_int_equal(Designator(&Disk, Name), 27);
    assert_memory_equal(Name, "WNBD    __-0ac20007b717f6ec", 27);
}

static void BlockLimits(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.PhysicalBlockSize = 4096;
    Disk.OptimalBlocks = 0x00000800;
    Disk.MaximumBlocks = 0x00010002;
    Disk.MaximumUnmapDescriptors = 0x00000100;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB0, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0xB0, 0x00, 0x3C, 0x00, 0x00, /* WSNZ, no COMPARE AND WRITE */
                       0x00, 0x08,                         /* optimal granularity */
                       0x00, 0x01, 0x00, 0x02,             /* maximum transfer */
                       0x00, 0x00, 0x08, 0x00,             /* optimal transfer */
                       ZEROS_4,                            /* no PRE-FETCH */
                       0xFF, 0xFF, 0xFF, 0xFF,             /* unmap: blocks */
                       0x00, 0x00, 0x01, 0x00,             /* unmap: descriptors */
                       0x00, 0x00, 0x00, 0x08,             /* unmap: granularity */
                       ZEROS_4,                            /* unmap: alignment not valid */
                       ZEROS_8,                            /* no WRITE SAME */
                       ZEROS_16, ZEROS_4));
}

static void BlockLimitsWithoutAny(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB0, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0xB0, 0x00, 0x3C, 0x00, 0x00, 0x00, 0x01, ZEROS_4, ZEROS_4, ZEROS_4, 0xFF, 0xFF, 0xFF,
                       0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01, ZEROS_4, ZEROS_8, ZEROS_16, ZEROS_4));
    Disk.Unmap = false;
    Disk.MaximumUnmapDescriptors = 7;
    Disk.PhysicalBlockSize = 0x80000000; /* more blocks than the field can say */
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB0, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0xB0, 0x00, 0x3C, 0x00, 0x00, 0x00, 0x00, ZEROS_4, ZEROS_4, ZEROS_4, ZEROS_4, ZEROS_4,
                       ZEROS_4, ZEROS_4, ZEROS_8, ZEROS_16, ZEROS_4));
}

static void BlockCharacteristics(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB1, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0xB1, 0x00, 0x3C, 0x00, 0x01, ZEROS_16, ZEROS_16, ZEROS_16, ZEROS_8, 0, 0));
    Disk.Rotational = true;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB1, 0, 0, 0), 3, 2,
                 BYTES(0x00, 0xB1, 0x00, 0x3C, 0x00, 0x00, ZEROS_16, ZEROS_16, ZEROS_16, ZEROS_8, 0, 0));
}

static void Provisioning(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB2, 0, 0, 0), 3, 2, BYTES(0x00, 0xB2, 0x00, 0x04, 0x00, 0x80, 0x02, 0x00));
    Disk.UnmapAnchor = true;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB2, 0, 0, 0), 3, 2, BYTES(0x00, 0xB2, 0x00, 0x04, 0x00, 0x82, 0x02, 0x00));
    Disk.Unmap = false;
    ExpectAnswer(&Disk, BYTES(0x12, 0x01, 0xB2, 0, 0, 0), 3, 2, BYTES(0x00, 0xB2, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00));
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(StandardData),
        cmocka_unit_test(RevisionIsPadded),
        cmocka_unit_test(AllocationLengthHasTwoBytes),
        cmocka_unit_test(PageCodeNeedsEvpd),
        cmocka_unit_test(UnknownPagesAreRefused),
        cmocka_unit_test(SupportedPages),
        cmocka_unit_test(SerialNumber),
        cmocka_unit_test(LongestSerialNumber),
        cmocka_unit_test(IdentificationByVendorAndSerial),
        cmocka_unit_test(IdentificationByNaaOfSixteenBytes),
        cmocka_unit_test(IdentificationByNaaOfEightBytes),
        cmocka_unit_test(LongestIdentification),
        cmocka_unit_test(IdentityIsNotLostInACut),
        cmocka_unit_test(IdentityIsNotLostInReplacing),
        cmocka_unit_test(BlockLimits),
        cmocka_unit_test(BlockLimitsWithoutAny),
        cmocka_unit_test(BlockCharacteristics),
        cmocka_unit_test(Provisioning),
    };

    return cmocka_run_group_tests_name("scsi.inquiry", Tests, NULL, NULL);
}
