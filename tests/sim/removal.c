/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Windows sees of disks that come and go: a change that it misses is
 * notified again until it has seen it, and the address of a disk that is gone
 * is used again only when its device is, too.
 */
#include "bed.h"
#include "port.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 60000

static const char *const Plugin[] = {"memory", "64M", NULL};

static UINT32 Map(BED *Bed, const char *Name, uint16_t Port)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, Name, Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    return Result.ConnectionInfo.TargetId;
}

static void Miss(LONG Count)
{
    NativePnpSettle();
    InterlockedExchange(&PortOptions.MissBusChanges, Count);
}

static BOOLEAN Missed(void)
{
    return InterlockedCompareExchange(&PortOptions.MissBusChanges, 0, 0) == 0;
}

static void TestMissed(void)
{
    SERVER Server;
    BED Bed;
    printf("missed: a disk that Windows has not seen come or go is notified again\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 9});
    Miss(2);
    Map(&Bed, "disk", Server.Port);
    CHECK(NativeChildWait(Bed.Adapter, 1, WAIT_MS) && Missed());
    Miss(2);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildCount(Bed.Adapter) == 1);
    CHECK(NativeChildWait(Bed.Adapter, 0, WAIT_MS) && Missed());
    BedStop(&Bed);
    ServerStop(&Server);
}

/* The device is removed with its last handle (WDK, Handling an IRP_MN_SURPRISE_REMOVAL Request). */
static void TestAddress(void)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("address: not used again before the old device is gone\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 10});
    UINT32 Old = Map(&Bed, "disk", Server.Port);
    DiskOpen(&Disk, &Bed, 1);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, WAIT_MS));
    for (int Round = 0; Round < 3; Round++) {
        CHECK(Map(&Bed, "other", Server.Port) != Old);
        CHECK(NativeChildWait(Bed.Adapter, 1, WAIT_MS));
        CHECK(BedUnmap(&Bed, "other") == STATUS_SUCCESS);
        CHECK(NativeChildWait(Bed.Adapter, 0, WAIT_MS));
    }
    DiskClose(&Disk);
    NativePnpSettle();
    CHECK(Map(&Bed, "other", Server.Port) == Old);
    BedStop(&Bed);
    ServerStop(&Server);
}

int main(void)
{
    TestMissed();
    TestAddress();
    printf("ok\n");
    return 0;
}
