/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * MaxIOReqPerLun and MaxIOReqPerAdapter: what Storport is told when an adapter
 * starts, and that so many requests and no more are with the server at once,
 * which stands still meanwhile.
 */
#include "server.h"
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES 4096u
#define REQUESTS_MAX 1100u
#define DISKS_MAX 3u
#define LONGEST_MS 60000u
#define IO_CAPABILITY_PROPERTY 48u
#define STORAGE_QUERY_PROPERTY 0x002D1400u

typedef struct {
    uint32_t PerDisk;
    uint32_t PerAdapter;
} LIMITS;

/* What Storport grants, as a program asks it [STORAGE_DEVICE_IO_CAPABILITY_DESCRIPTOR]. */
static LIMITS Granted(DISK *Disk)
{
    const ULONG Query[3] = {IO_CAPABILITY_PROPERTY, 0, 0};
    ULONG Answer[4] = {0};
    ULONG Used = 0;
    CHECK(NativeIoctl(Disk->File, STORAGE_QUERY_PROPERTY, Query, sizeof(Query), Answer, sizeof(Answer), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(Answer));
    return (LIMITS){.PerDisk = Answer[2], .PerAdapter = Answer[3]};
}

static const char *DiskName(uint32_t Index)
{
    static const char *const Names[DISKS_MAX] = {"disk0", "disk1", "disk2"};
    return Names[Index];
}

static WNBD_DRV_STATS Stats(BED *Bed, uint32_t Disk)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS};
    WNBD_DRV_STATS Result;
    snprintf(Command.InstanceName, sizeof(Command.InstanceName), "%s", DiskName(Disk));
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), NULL) ==
          STATUS_SUCCESS);
    return Result;
}

static int64_t Outstanding(BED *Bed, uint32_t Disks)
{
    int64_t Sum = 0;
    for (uint32_t Index = 0; Index < Disks; Index++) {
        Sum += Stats(Bed, Index).OutstandingIOCount;
    }
    return Sum;
}

static DISK_IO Io[DISKS_MAX * REQUESTS_MAX];
static UCHAR Data[DISKS_MAX * REQUESTS_MAX][BLOCK_BYTES];

/* So many reads of each disk while its server stands still: Wanted of them are with the driver, and stay so many. */
static void Fill(BED *Bed, DISK *Disks, uint32_t DiskCount, uint32_t Each, int64_t Wanted, const SERVER *Server)
{
    LARGE_INTEGER Pause = {.QuadPart = -10 * 10000};
    UCHAR Cdb[16];
    ServerPause(Server);
    for (uint32_t Index = 0; Index < DiskCount * Each; Index++) {
        DISK *Disk = &Disks[Index / Each];
        DiskCdb16(Cdb, 0x88, Index % 64, BLOCK_BYTES / Disk->BlockSize, false);
        DiskBegin(Disk, &Io[Index], Index % 2 == 0, Cdb, 16, SRB_FLAGS_DATA_IN, Data[Index], BLOCK_BYTES);
    }
    ULONGLONG Begin = KeQueryInterruptTime();
    while (Outstanding(Bed, DiskCount) < Wanted) {
        CHECK((KeQueryInterruptTime() - Begin) / 10000 < LONGEST_MS);
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
    /* Each request that could go further has done so on its way here, in the thread that brought it. */
    CHECK(Outstanding(Bed, DiskCount) == Wanted);
    ServerResume(Server);
    for (uint32_t Index = 0; Index < DiskCount * Each; Index++) {
        CHECK(DiskWait(&Io[Index], NULL) == SRB_STATUS_SUCCESS);
    }
    CHECK(Outstanding(Bed, DiskCount) == 0);
}

static void Map(BED *Bed, DISK *Disks, uint32_t Count, uint16_t Port)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    for (uint32_t Index = 0; Index < Count; Index++) {
        BedProperties(&Properties, DiskName(Index), Port);
        CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
        DiskOpen(&Disks[Index], Bed, Index + 1);
        Disks[Index].TimeoutSeconds = 100;
    }
}

static void Unmap(BED *Bed, DISK *Disks, uint32_t Count)
{
    for (uint32_t Index = 0; Index < Count; Index++) {
        CHECK(BedUnmap(Bed, DiskName(Index)) == STATUS_SUCCESS);
        DiskClose(&Disks[Index]);
    }
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
}

typedef struct {
    const char *PerDisk; /* what is set; NULL: nothing */
    const char *PerAdapter;
    LIMITS Granted;
    uint32_t Disks;
    uint32_t Each; /* requests of each disk */
    int64_t Outstanding;
} ROW;

static const ROW Rows[] = {
    {NULL, NULL, {255, 1000}, 1, 300, 255},
    {"1", NULL, {1, 1000}, 1, 20, 1},
    {"1024", "2000", {1024, 2000}, 1, 1100, 1024},
    {"1024", NULL, {1000, 1000}, 1, 1100, 1000}, /* a disk has no more than all together */
    {"300", "131072", {300, 131072}, 3, 320, 3 * 300},
    {NULL, "300", {255, 300}, 2, 280, 300},
    {NULL, "1", {1, 1}, 2, 5, 1},
};

static void Limit(BED *Bed, const ROW *Row, const SERVER *Server)
{
    static DISK Disks[DISKS_MAX];
    CHECK(Row->PerDisk == NULL || SettingSetText(Bed, "MaxIOReqPerLun", Row->PerDisk, true) == STATUS_SUCCESS);
    CHECK(Row->PerAdapter == NULL ||
          SettingSetText(Bed, "MaxIOReqPerAdapter", Row->PerAdapter, true) == STATUS_SUCCESS);
    SettingRestartAdapter(Bed);
    Map(Bed, Disks, Row->Disks, Server->Port);
    for (uint32_t Index = 0; Index < Row->Disks; Index++) {
        LIMITS Now = Granted(&Disks[Index]);
        CHECK(Now.PerDisk == Row->Granted.PerDisk && Now.PerAdapter == Row->Granted.PerAdapter);
    }
    Fill(Bed, Disks, Row->Disks, Row->Each, Row->Outstanding, Server);
    Unmap(Bed, Disks, Row->Disks);
    CHECK(SettingReset(Bed, "MaxIOReqPerLun", true) == STATUS_SUCCESS);
    CHECK(SettingReset(Bed, "MaxIOReqPerAdapter", true) == STATUS_SUCCESS);
}

/* An adapter that has started keeps its limits, also when PnP stops and starts it with its disks. */
static void Kept(BED *Bed, const SERVER *Server)
{
    DISK Disks[2];
    SettingRestartAdapter(Bed);
    Map(Bed, Disks, 1, Server->Port);
    CHECK(SettingSetText(Bed, "MaxIOReqPerLun", "1024", true) == STATUS_SUCCESS);
    CHECK(SettingSetText(Bed, "MaxIOReqPerAdapter", "5000", true) == STATUS_SUCCESS);
    CHECK(Granted(&Disks[0]).PerDisk == 255 && Granted(&Disks[0]).PerAdapter == 1000);
    CHECK(NT_SUCCESS(NativeDeviceStop(Bed->Adapter)));
    CHECK(NT_SUCCESS(NativeDeviceStart(Bed->Adapter)));
    CHECK(NativeChildWait(Bed->Adapter, 1, 20000));
    CHECK(Granted(&Disks[0]).PerDisk == 255 && Granted(&Disks[0]).PerAdapter == 1000);
    Fill(Bed, Disks, 1, 300, 255, Server);
    Unmap(Bed, Disks, 1);
    SettingRestartAdapter(Bed);
    Map(Bed, Disks, 1, Server->Port);
    CHECK(Granted(&Disks[0]).PerDisk == 1024 && Granted(&Disks[0]).PerAdapter == 5000);
    Unmap(Bed, Disks, 1);
}

int main(void)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    BED Bed;
    SERVER Server;
    NATIVE_OPTIONS Options = {.Seed = 1};
    ServerStart(&Server, Memory);
    BedStart(&Bed, &Options);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        printf("%s of each disk, %s of all\n", Rows[Index].PerDisk != NULL ? Rows[Index].PerDisk : "no limit set",
               Rows[Index].PerAdapter != NULL ? Rows[Index].PerAdapter : "no limit set");
        fflush(stdout);
        Limit(&Bed, &Rows[Index], &Server);
    }
    printf("limits of an adapter that has started\n");
    fflush(stdout);
    Kept(&Bed, &Server);
    BedStop(&Bed);
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
