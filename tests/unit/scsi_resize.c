/* SPDX-License-Identifier: LGPL-2.1-only */
/* A disk's size changes while another thread decodes: each command sees one size, from beginning to end. */
#include "scsi_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define SMALL 100u
#define LARGE 1000u
#define BETWEEN 500u
#define DESCRIPTORS 4095u /* the longest list: time for the size to change */
#define COMMANDS 500u

typedef struct {
    SCSI_DISK Disk;
    atomic_bool Stop;
} RESIZED;

static void *Resize(void *Context)
{
    RESIZED *Resized = Context;

    while (!atomic_load(&Resized->Stop)) {
        ScsiResize(&Resized->Disk, SMALL);
        ScsiResize(&Resized->Disk, LARGE);
    }
    return NULL;
}

/* UNMAP of blocks between the two sizes; returns whether they were inside the disk. */
static bool UnmapBetween(const RESIZED *Resized)
{
    static uint8_t List[8 + 16 * DESCRIPTORS];
    const uint8_t Cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, sizeof(List) >> 8, sizeof(List) & 0xFF};
    SCSI_RESULT Result;

    memset(List, 0xFF, 4); /* lengths: all that is there */
    for (size_t Index = 0; Index < DESCRIPTORS; Index++) {
        uint8_t *Descriptor = List + 8 + 16 * Index;

        Descriptor[6] = BETWEEN >> 8;
        Descriptor[7] = BETWEEN & 0xFF;
        Descriptor[11] = 1;
    }
    ScsiDecode(&Resized->Disk, Cdb, sizeof(Cdb), List, sizeof(List), &Result);
    if (Result.Action == SCSI_ACTION_DONE) {
        assert_int_equal(Result.Sense.Asc, 0x21);
        return false;
    }
    assert_int_equal(Result.Action, SCSI_ACTION_UNMAP);
    assert_int_equal(Result.DescriptorCount, DESCRIPTORS);
    assert_int_equal(Result.UnmapLimit, LARGE);
    return true;
}

static void EachCommandSeesOneSize(void **State)
{
    static RESIZED Resized; /* a check that fails leaves the thread running */
    unsigned Inside = 0, Outside = 0;
    pthread_t Thread;

    (void)State;
    Resized.Disk = TestDisk();
    Resized.Disk.BlockCount = LARGE;
    assert_int_equal(pthread_create(&Thread, NULL, Resize, &Resized), 0);
    while (Inside < COMMANDS || Outside < COMMANDS) {
        if (UnmapBetween(&Resized)) {
            Inside++;
        } else {
            Outside++;
        }
    }
    atomic_store(&Resized.Stop, true);
    assert_int_equal(pthread_join(Thread, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest Tests[] = {
        cmocka_unit_test(EachCommandSeesOneSize),
    };

    return cmocka_run_group_tests_name("scsi.resize", Tests, NULL, NULL);
}
