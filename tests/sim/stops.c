/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter stops and starts again in every order that the documentation
 * leaves open, with disks, I/O and a waiting create request: sleep and wake by
 * ScsiRestartAdapter or by HwFindAdapter at DISPATCH_LEVEL, a PnP stop and
 * start with the old extension, removal with HwCompleteServiceIrp before and
 * after ScsiStopAdapter, removal of an adapter that never started.
 */
#include "bed.h"
#include "flight.h"
#include "port.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 24u
#define LENGTH_BYTES (64u * 1024)
#define BLOCK_BYTES 4096u

static const char *const Plugin[] = {"memory", "64M", NULL};

static void Transfer(DISK *Disk, bool Write, UCHAR Fill)
{
    UCHAR Data[BLOCK_BYTES], Cdb[16];
    uint32_t Blocks = BLOCK_BYTES / Disk->BlockSize;
    memset(Data, Write ? Fill : 0, sizeof(Data));
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, 8192, Blocks, false);
    CHECK(DiskCommand(Disk, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL) ==
          SRB_STATUS_SUCCESS);
    for (size_t Index = 0; Index < sizeof(Data); Index++) {
        CHECK(Data[Index] == Fill);
    }
}

/* With I/O of a server that stands still: it is waited for, here until its time is over. */
static void TestSleep(const char *Words, PORT_OPTIONS Options)
{
    static FLIGHT Flight;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("sleep: %s\n", Words);
    PortOptions = Options;
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 30});
    BedMapDisk(&Bed, &Disk, Server.Port);
    Transfer(&Disk, true, 0x31);
    ServerPause(&Server);
    Disk.TimeoutSeconds = 1;
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    CHECK(NativeDevicePower(Bed.Adapter, false) == STATUS_SUCCESS);
    CHECK(FlightEnd(&Flight) == DEPTH);
    /* What comes now waits for the adapter to wake, and for the server. */
    Disk.TimeoutSeconds = 60;
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    CHECK(!NativeRequestPoll(Flight.Io[DEPTH - 1].Request, 200));
    ServerResume(&Server);
    CHECK(!NativeRequestPoll(Flight.Io[DEPTH - 1].Request, 200));
    CHECK(NativeDevicePower(Bed.Adapter, true) == STATUS_SUCCESS);
    CHECK(FlightEnd(&Flight) == 0);
    Transfer(&Disk, false, 0x31);
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

/* PnP may give an adapter other resources: its disks are the same afterwards. */
static void TestPnpStop(void)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("stopped by PnP and started again: the disk is still there\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 31});
    BedMapDisk(&Bed, &Disk, Server.Port);
    for (UCHAR Round = 1; Round <= 3; Round++) {
        Transfer(&Disk, true, Round);
        CHECK(NativeDeviceStop(Bed.Adapter) == STATUS_SUCCESS);
        CHECK(NativeDeviceStart(Bed.Adapter) == STATUS_SUCCESS);
        CHECK(NativeChildWait(Bed.Adapter, 1, 60000));
        Transfer(&Disk, false, Round);
    }
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ServerStop(&Server);
}

/* The adapter goes with a disk, I/O and a create request that waits for its server. */
static void TestRemoval(const char *Words, BOOLEAN StopBeforeServiceIrps)
{
    static FLIGHT Flight;
    static WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    static WNBD_CREATE_RESULT Result;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("removed: %s\n", Words);
    PortOptions.StopBeforeServiceIrps = StopBeforeServiceIrps;
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 32});
    BedMapDisk(&Bed, &Disk, Server.Port);
    ServerPause(&Server);
    Disk.TimeoutSeconds = 1;
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    BedProperties(&Command.Properties, "late", Server.Port);
    NATIVE_REQUEST *Request =
        NativeIoctlBegin(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result));
    CHECK(!NativeRequestPoll(Request, 100));
    NativeDeviceSurpriseRemove(Bed.Adapter);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Result.Status == 1115);
    CHECK(FlightEnd(&Flight) == DEPTH);
    DiskClose(&Disk);
    NativeClose(Bed.File);
    NativePnpSettle();
    NativeDriverUnload(Bed.Driver);
    NativeStop();
    ServerKill(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

DRIVER_INITIALIZE DriverEntry;

/* Storport sends the PnP request for the removal to an extension that HwFindAdapter never saw. */
static void TestNeverStarted(void)
{
    NTSTATUS Status;
    printf("removed: never started\n");
    NativeStart(&(NATIVE_OPTIONS){.Seed = 33});
    NATIVE_DRIVER *Driver = NativeDriverLoad("wnbd", DriverEntry, &Status);
    CHECK(Driver != NULL);
    NATIVE_DEVICE *Adapter = NativeDeviceAdd(Driver, WNBD_HARDWAREID, &Status);
    CHECK(Adapter != NULL);
    CHECK(NativeDeviceRemove(Adapter) == STATUS_SUCCESS);
    NativeDriverUnload(Driver);
    NativeStop();
}

int main(void)
{
    TestSleep("ScsiRestartAdapter", (PORT_OPTIONS){0});
    TestSleep("ScsiRestartAdapter, StartIo at DISPATCH_LEVEL", (PORT_OPTIONS){.StartIoAtDispatch = TRUE});
    TestSleep("HwFindAdapter at DISPATCH_LEVEL", (PORT_OPTIONS){.FindToRestart = TRUE});
    TestPnpStop();
    TestRemoval("HwCompleteServiceIrp before ScsiStopAdapter", FALSE);
    TestRemoval("ScsiStopAdapter before HwCompleteServiceIrp", TRUE);
    TestNeverStarted();
    printf("ok\n");
    return 0;
}
