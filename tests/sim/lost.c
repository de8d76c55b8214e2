/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Servers that go away or are not there: killed with requests in flight,
 * killed during the handshake, nothing listening, no such name; a create
 * request that is cancelled; the adapter removed with disks and I/O. Every SRB
 * and every request ends, once, and nothing is left (the test bed looks).
 */
#include "bed.h"
#include "flight.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH 48u
#define LENGTH_BYTES (256u * 1024)

static const char *const Plugin[] = {"memory", "64M", NULL};

static void TestKilledInFlight(void)
{
    static FLIGHT Flight;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("killed: requests in flight end with NO_DEVICE, the disk goes, its name is free\n");
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 3, .WskSynchronousOneIn = 3});
    for (int Round = 0; Round < 5; Round++) {
        ServerStart(&Server, Plugin);
        BedMapDisk(&Bed, &Disk, Server.Port);
        ServerPause(&Server);
        FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
        ServerKill(&Server);
        /* Who sees its requests fail finds the disk in no list. */
        CHECK(NativeRequestPoll(Flight.Io[DEPTH - 1].Request, 60000) && BedDiskCount(&Bed) == 0);
        CHECK(FlightEnd(&Flight) > 0);
        CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
        DiskClose(&Disk);
        CHECK(BedUnmap(&Bed, "disk") == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    BedStop(&Bed);
}

static void Refused(BED *Bed, const WNBD_PROPERTIES *Properties, UINT32 Status, WnbdCreatePhase Phase)
{
    static WNBD_CREATE_RESULT Result;
    CHECK(BedMap(Bed, Properties, &Result) == STATUS_SUCCESS);
    printf("  %u, phase %d: %s\n", Result.Status, (int)Result.Phase, Result.Message);
    CHECK(Result.Status == Status && Result.Phase == Phase && Result.Message[0] != '\0');
}

static void TestNotThere(void)
{
    BED Bed;
    WNBD_PROPERTIES Properties;
    printf("not there: refused with the cause\n");
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 4});
    BedProperties(&Properties, "disk", ServerRefusing());
    Refused(&Bed, &Properties, 1225, WnbdCreatePhaseConnect);
    strcpy(Properties.NbdProperties.Hostname, "no-such-host.invalid");
    Refused(&Bed, &Properties, 11001, WnbdCreatePhaseResolve);
    strcpy(Properties.NbdProperties.Hostname, "");
    Refused(&Bed, &Properties, 87, WnbdCreatePhaseRequest);
    BedProperties(&Properties, "", 10809);
    Refused(&Bed, &Properties, 87, WnbdCreatePhaseRequest);
    BedProperties(&Properties, "disk", 10809);
    Properties.BlockSize = 1024;
    Refused(&Bed, &Properties, 1106, WnbdCreatePhaseRequest);
    memset(Properties.SerialNumber, 'x', sizeof(Properties.SerialNumber));
    Refused(&Bed, &Properties, 87, WnbdCreatePhaseRequest);
    BedStop(&Bed);
}

/* A server that stands still answers nothing: the request waits until it is cancelled. */
static void TestCancelledCreate(void)
{
    static WNBD_IOCTL_CREATE_COMMAND Command;
    static WNBD_CREATE_RESULT Result;
    SERVER Server;
    BED Bed;
    printf("cancelled: a create request that waits for its server can be taken back\n");
    ServerStart(&Server, Plugin);
    ServerPause(&Server);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 5});
    Command.IoControlCode = IOCTL_WNBD_CREATE_EX;
    BedProperties(&Command.Properties, "disk", Server.Port);
    NATIVE_REQUEST *Request =
        NativeIoctlBegin(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result));
    CHECK(!NativeRequestPoll(Request, 300));
    NativeRequestCancel(Request);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_CANCELLED);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_OBJECT_NAME_NOT_FOUND);
    BedStop(&Bed);
    ServerKill(&Server);
}

static void TestUnmapInFlight(void)
{
    static FLIGHT Flight;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("unmapped: with requests in flight, and mapped again under the same name\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 6});
    BedMapDisk(&Bed, &Disk, Server.Port);
    ServerPause(&Server);
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(FlightEnd(&Flight) > 0);
    DiskClose(&Disk);
    ServerResume(&Server);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    BedMapDisk(&Bed, &Disk, Server.Port);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    DiskClose(&Disk);
    BedStop(&Bed);
    ServerStop(&Server);
}

/* Disks that come and go faster than Windows looks: in the middle of scans, before it has made devices of them. */
static void TestComeAndGo(void)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SERVER Server;
    BED Bed;
    printf("come and go: no address is lost on a disk that Windows never got hold of\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 8});
    BedProperties(&Properties, "disk", Server.Port);
    /* Many times; and once Windows has looked at those, the first address is free again. */
    for (int Round = 0; Round < 1000 || Result.ConnectionInfo.TargetId != 0; Round++) {
        CHECK(Round < 3000);
        CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
        CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    }
    NativePnpSettle();
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    BedStop(&Bed);
    ServerStop(&Server);
}

static void TestAdapterRemoved(void)
{
    static FLIGHT Flight;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("adapter removed: with a disk and requests in flight\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 7});
    BedMapDisk(&Bed, &Disk, Server.Port);
    ServerPause(&Server);
    Disk.TimeoutSeconds = 1; /* Storport waits for them before it tells the miniport */
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    NativeDeviceSurpriseRemove(Bed.Adapter);
    CHECK(FlightEnd(&Flight) > 0);
    DiskClose(&Disk);
    NativeClose(Bed.File);
    NativeDriverUnload(Bed.Driver);
    NativeStop();
    ServerKill(&Server);
}

int main(void)
{
    TestKilledInFlight();
    TestNotThere();
    TestCancelledCreate();
    TestUnmapInFlight();
    TestComeAndGo();
    TestAdapterRemoved();
    printf("ok\n");
    return 0;
}
