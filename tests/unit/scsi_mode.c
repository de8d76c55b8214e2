/* SPDX-License-Identifier: LGPL-2.1-only */
/* MODE SENSE (6) and (10), byte for byte. */
#include "scsi_support.h"

#define CACHING(Flags) 0x08, 0x12, Flags, 0, ZEROS_16
#define CONTROL 0x0A, 0x0A, 0x02, 0x10, ZEROS_8
#define CACHING_MASK 0x08, 0x12, 0, 0, ZEROS_16
#define CONTROL_MASK 0x0A, 0x0A, 0, 0, ZEROS_8

static void AllPagesOfTheShortForm(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    /* 2048 blocks of 512 bytes, DPOFUA, WCE */
    ExpectAnswer(&Disk, BYTES(0x1A, 0, 0x3F, 0, 0, 0), 4, 1,
                 BYTES(43, 0x00, 0x10, 8, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x02, 0x00, CACHING(0x04), CONTROL));
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x3F, 0, 0, 0), 4, 1, /* DBD */
                 BYTES(35, 0x00, 0x10, 0, CACHING(0x04), CONTROL));
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x3F, 0xFF, 0, 0), 4, 1, /* and all subpages: none */
                 BYTES(35, 0x00, 0x10, 0, CACHING(0x04), CONTROL));
}

static void AllPagesOfTheLongForm(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 46, 0x00, 0x10, 0x00, 0x00, 0, 8, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x02, 0x00,
                       CACHING(0x04), CONTROL));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x08, 0x3F, 0, 0, 0, 0, 0, 0, 0), 7, 2, /* DBD */
                 BYTES(0, 38, 0x00, 0x10, 0x00, 0x00, 0, 0, CACHING(0x04), CONTROL));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x10, 0x3F, 0, 0, 0, 0, 0, 0, 0), 7, 2, /* LLBAA */
                 BYTES(0, 54, 0x00, 0x10, 0x01, 0x00, 0, 16, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0x00, ZEROS_4,
                       0x00, 0x00, 0x02, 0x00, CACHING(0x04), CONTROL));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x18, 0x3F, 0, 0, 0, 0, 0, 0, 0), 7, 2, /* DBD and LLBAA */
                 BYTES(0, 38, 0x00, 0x10, 0x00, 0x00, 0, 0, CACHING(0x04), CONTROL));
}

static void SinglePages(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x08, 0, 0, 0), 4, 1, BYTES(23, 0x00, 0x10, 0, CACHING(0x04)));
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x0A, 0, 0, 0), 4, 1, BYTES(15, 0x00, 0x10, 0, CONTROL));
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x0A, 0xFF, 0, 0), 4, 1, BYTES(15, 0x00, 0x10, 0, CONTROL));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x08, 0x08, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 26, 0x00, 0x10, 0x00, 0x00, 0, 0, CACHING(0x04)));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x08, 0x0A, 0xFF, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 18, 0x00, 0x10, 0x00, 0x00, 0, 0, CONTROL));
}

static void WriteProtectAndCacheFollowTheDisk(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.ReadOnly = true;
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x08, 0, 0, 0), 4, 1, BYTES(23, 0x00, 0x90, 0, CACHING(0x04)));
    Disk.ForceUnitAccess = false;
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x08, 0, 0, 0), 4, 1, BYTES(23, 0x00, 0x80, 0, CACHING(0x04)));
    Disk.ReadOnly = false;
    Disk.WriteCache = false;
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x08, 0, 0, 0), 4, 1, BYTES(23, 0x00, 0x00, 0, CACHING(0x00)));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x08, 0x08, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 26, 0x00, 0x00, 0x00, 0x00, 0, 0, CACHING(0x00)));
}

static void PageControl(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    /* changeable: nothing */
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x40 | 0x3F, 0, 0, 0), 4, 1,
                 BYTES(35, 0x00, 0x10, 0, CACHING_MASK, CONTROL_MASK));
    ExpectAnswer(&Disk, BYTES(0x5A, 0x08, 0x40 | 0x08, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 26, 0x00, 0x10, 0x00, 0x00, 0, 0, CACHING_MASK));
    /* default */
    ExpectAnswer(&Disk, BYTES(0x1A, 0x08, 0x80 | 0x3F, 0, 0, 0), 4, 1,
                 BYTES(35, 0x00, 0x10, 0, CACHING(0x04), CONTROL));
    /* saved */
    ExpectRefused(&Disk, BYTES(0x1A, 0x08, 0xC0 | 0x3F, 0, 0xFF, 0), SAVING_NOT_SUPPORTED);
    ExpectRefused(&Disk, BYTES(0x1A, 0x00, 0xC0 | 0x08, 0, 0xFF, 0), SAVING_NOT_SUPPORTED);
    ExpectRefused(&Disk, BYTES(0x5A, 0x10, 0xC0 | 0x0A, 0, 0, 0, 0, 0, 0xFF, 0), SAVING_NOT_SUPPORTED);
}

static void OtherPagesAndSubpagesAreRefused(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    for (unsigned Page = 0; Page <= 0x3F; Page++) {
        bool Known = Page == 0x08 || Page == 0x0A || Page == 0x3F;

        for (unsigned Subpage = 0; Subpage <= 0xFF; Subpage++) {
            if (!Known || (Subpage != 0x00 && Subpage != 0xFF)) {
                ExpectRefused(&Disk, BYTES(0x1A, 0, (uint8_t)Page, (uint8_t)Subpage, 0xFF, 0), INVALID_FIELD);
                ExpectRefused(&Disk, BYTES(0x5A, 0, (uint8_t)Page, (uint8_t)Subpage, 0, 0, 0, 0, 0xFF, 0),
                              INVALID_FIELD);
            }
        }
    }
}

static void ShortDescriptorSaysWhenTheDiskIsLarger(void **State)
{
    SCSI_DISK Disk = TestDisk();

    (void)State;
    Disk.BlockSize = 4096;
    Disk.BlockCount = 0xFFFFFFFE;
    ExpectAnswer(&Disk, BYTES(0x1A, 0, 0x0A, 0, 0, 0), 4, 1,
                 BYTES(23, 0x00, 0x10, 8, 0xFF, 0xFF, 0xFF, 0xFE, 0x00, 0x00, 0x10, 0x00, CONTROL));
    Disk.BlockCount = 0xFFFFFFFF;
    ExpectAnswer(&Disk, BYTES(0x1A, 0, 0x0A, 0, 0, 0), 4, 1,
                 BYTES(23, 0x00, 0x10, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x10, 0x00, CONTROL));
    Disk.BlockCount = 0x100000000;
    ExpectAnswer(&Disk, BYTES(0x5A, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 26, 0x00, 0x10, 0x00, 0x00, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x10, 0x00, CONTROL));
    Disk.BlockCount = 0xFEDCBA9876543210;
    ExpectAnswer(&Disk, BYTES(0x5A, 0x10, 0x0A, 0, 0, 0, 0, 0, 0, 0), 7, 2,
                 BYTES(0, 34, 0x00, 0x10, 0x01, 0x00, 0, 16, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10, ZEROS_4,
                       0x00, 0x00, 0x10, 0x00, CONTROL));
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(AllPagesOfTheShortForm),
        cmocka_unit_test(AllPagesOfTheLongForm),
        cmocka_unit_test(SinglePages),
        cmocka_unit_test(WriteProtectAndCacheFollowTheDisk),
        cmocka_unit_test(PageControl),
        cmocka_unit_test(OtherPagesAndSubpagesAreRefused),
        cmocka_unit_test(ShortDescriptorSaysWhenTheDiskIsLarger),
    };

    return cmocka_run_group_tests_name("scsi.mode", Tests, NULL, NULL);
}
