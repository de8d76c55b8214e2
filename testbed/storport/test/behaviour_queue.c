/* SPDX-License-Identifier: LGPL-2.1-only */
/* Holding requests back, retrying them, timing them out. */
#include "behaviour.h"
#include "storage_ioctl.h"

#define SOME 6u

static void BeginSome(DISK *Disk, IO *Ios, unsigned Count, ULONG TimeoutSeconds)
{
    unsigned i;

    for (i = 0; i < Count; ++i)
        IoReady(Disk, &Ios[i], TimeoutSeconds);
}

static void WaitSome(IO *Ios, unsigned Count, UCHAR Status)
{
    unsigned i;

    for (i = 0; i < Count; ++i)
        CHECK(SRB_STATUS(IoWait(&Ios[i])) == Status);
}

void BehaviourBusyRetried(HOST *Host)
{
    const unsigned Start = HostNow();
    DISK Disk;
    IO Io;

    DiskOpen(Host, &Disk, 0);
    HostCommand(Host, RAM_BUSY, 0, 3);
    IoReady(&Disk, &Io, 20);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    CHECK(HostNow() - Start >= 3 * PORT_BUSY_PAUSE_MS);
    DiskClose(&Disk);
}

void BehaviourBusyGivenUp(HOST *Host)
{
    DISK Disk;
    IO Io;

    DiskOpen(Host, &Disk, 0);
    HostCommand(Host, RAM_BUSY, 0, 1000);
    IoReady(&Disk, &Io, 20);
    CHECK(IoWait(&Io) == SRB_STATUS_BUSY);
    HostCommand(Host, RAM_BUSY, 0, 0);
    DiskClose(&Disk);
}

/* Five are held; the sixth is told QUEUE FULL and comes again only after others have completed. */
void BehaviourQueueFull(HOST *Host)
{
    IO Ios[SOME];
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    HostCommand(Host, RAM_HOLD, 0, SOME - 1);
    BeginSome(&Disk, Ios, SOME - 1, 20);
    HOST_WAIT(Host, Held, SOME - 1);
    HostCommand(Host, RAM_FULL, 0, 1);
    IoReady(&Disk, &Ios[SOME - 1], 20);
    HostSleep(2 * PORT_BUSY_PAUSE_MS);
    CHECK(!NativeRequestPoll(Ios[SOME - 1].Request, 0));
    HostCommand(Host, RAM_RELEASE, 0, 0);
    WaitSome(Ios, SOME, SRB_STATUS_SUCCESS);
    DiskClose(&Disk);
}

void BehaviourDepth(HOST *Host)
{
    IO Ios[SOME];
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    CHECK(HostCommand(Host, RAM_DEPTH, 0, 33).Result == FALSE);
    CHECK(HostCommand(Host, RAM_DEPTH, 3, 2).Result == FALSE);
    CHECK(HostCommand(Host, RAM_DEPTH, 0, 2).Result == TRUE);
    HostCommand(Host, RAM_HOLD, 0, SOME);
    BeginSome(&Disk, Ios, SOME, 20);
    HostSleep(200);
    CHECK(HostCommand(Host, RAM_QUERY, 0, 0).Held == 2);
    CHECK(HostCommand(Host, RAM_DEPTH, 0, 4).Result == TRUE);
    HOST_WAIT(Host, Held, 4);
    CHECK(HostCommand(Host, RAM_RELEASE, 0, 0).MaximumHeld == 4);
    WaitSome(Ios, SOME, SRB_STATUS_SUCCESS);
    DiskClose(&Disk);
}

void BehaviourPause(HOST *Host)
{
    DISK Disk;
    IO Io;

    DiskOpen(Host, &Disk, 0);
    CHECK(HostCommand(Host, RAM_PAUSE, 0, 60).Result == TRUE);
    IoReady(&Disk, &Io, 20);
    CHECK(!NativeRequestPoll(Io.Request, 300));
    CHECK(HostCommand(Host, RAM_RESUME, 0, 0).Result == TRUE);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    /* A pause ends by itself. */
    HostCommand(Host, RAM_PAUSE, 0, 1);
    IoReady(&Disk, &Io, 20);
    CHECK(!NativeRequestPoll(Io.Request, 500));
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    DiskClose(&Disk);
}

/* Requests to both disks wait until On is told. */
static void Waits(HOST *Host, DISK *Disks, RAM_COMMAND_CODE On, unsigned Value)
{
    IO Ios[2];

    IoReady(&Disks[0], &Ios[0], 20);
    IoReady(&Disks[1], &Ios[1], 20);
    CHECK(!NativeRequestPoll(Ios[0].Request, 200) && !NativeRequestPoll(Ios[1].Request, 0));
    HostCommand(Host, On, 0, Value);
    WaitSome(Ios, 2, SRB_STATUS_SUCCESS);
}

static void OpenTwo(HOST *Host, DISK *Disks)
{
    DiskOpen(Host, &Disks[0], 0);
    HostCommand(Host, RAM_PLUG, 1, 0);
    DiskOpen(Host, &Disks[1], 1);
}

/* [StorPortPause; StorPortResume; StorPortNotification: LinkDown, LinkUp] */
void BehaviourAdapterPause(HOST *Host)
{
    DISK Disks[2];
    IO Io;

    OpenTwo(Host, Disks);
    CHECK(HostCommand(Host, RAM_ADAPTER_PAUSE, 0, 60).Result == TRUE);
    Waits(Host, Disks, RAM_ADAPTER_RESUME, 0);
    HostCommand(Host, RAM_LINK, 0, FALSE);
    Waits(Host, Disks, RAM_LINK, TRUE);
    /* A pause ends by itself. */
    HostCommand(Host, RAM_ADAPTER_PAUSE, 0, 1);
    IoReady(&Disks[1], &Io, 20);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    DiskClose(&Disks[0]);
    DiskClose(&Disks[1]);
}

/* So many are kept, and no more come. */
static void KeepsHeld(HOST *Host, unsigned Count)
{
    HostSleep(200);
    CHECK(HostCommand(Host, RAM_QUERY, 0, 0).Held == Count);
}

/* The unit gets nothing until so many requests, or all, have completed; another unit does [StorPortDeviceBusy]. */
void BehaviourUnitBusy(HOST *Host)
{
    DISK Disks[2];
    IO Ios[SOME], Other;

    OpenTwo(Host, Disks);
    HostCommand(Host, RAM_HOLD, 0, 3);
    BeginSome(&Disks[0], Ios, 3, 60);
    HOST_WAIT(Host, Held, 3);
    HostCommand(Host, RAM_HOLD, 0, 0);
    CHECK(HostCommand(Host, RAM_UNIT_BUSY, 0, 2).Result == TRUE);
    IoReady(&Disks[1], &Other, 60);
    CHECK(IoWait(&Other) == SRB_STATUS_SUCCESS);
    IoReady(&Disks[0], &Ios[3], 60);
    CHECK(!NativeRequestPoll(Ios[3].Request, 200));
    HostCommand(Host, RAM_RELEASE_ONE, 0, 0);
    CHECK(!NativeRequestPoll(Ios[3].Request, 200));
    HostCommand(Host, RAM_RELEASE_ONE, 0, 0);
    CHECK(IoWait(&Ios[3]) == SRB_STATUS_SUCCESS);
    KeepsHeld(Host, 1);
    /* More than there are: until the last. */
    CHECK(HostCommand(Host, RAM_UNIT_BUSY, 0, 100).Result == TRUE);
    IoReady(&Disks[0], &Ios[4], 60);
    CHECK(!NativeRequestPoll(Ios[4].Request, 200));
    HostCommand(Host, RAM_RELEASE_ONE, 0, 0);
    CHECK(IoWait(&Ios[4]) == SRB_STATUS_SUCCESS);
    WaitSome(Ios, 3, SRB_STATUS_SUCCESS);
    DiskClose(&Disks[0]);
    DiskClose(&Disks[1]);
}

/* No unit gets anything until so many requests of any have completed, or StorPortReady [StorPortBusy]. */
void BehaviourAdapterBusy(HOST *Host)
{
    DISK Disks[2];
    IO Ios[3];

    OpenTwo(Host, Disks);
    HostCommand(Host, RAM_HOLD, 0, 3);
    BeginSome(&Disks[0], Ios, 3, 60);
    HOST_WAIT(Host, Held, 3);
    HostCommand(Host, RAM_HOLD, 0, 0);
    CHECK(HostCommand(Host, RAM_ADAPTER_BUSY, 0, 1).Result == TRUE);
    Waits(Host, Disks, RAM_RELEASE_ONE, 0);
    KeepsHeld(Host, 2);
    CHECK(HostCommand(Host, RAM_ADAPTER_BUSY, 0, 2).Result == TRUE);
    Waits(Host, Disks, RAM_ADAPTER_READY, 0);
    KeepsHeld(Host, 2);
    HostCommand(Host, RAM_RELEASE, 0, 0);
    WaitSome(Ios, 3, SRB_STATUS_SUCCESS);
    DiskClose(&Disks[0]);
    DiskClose(&Disks[1]);
}

static RAM_STATE TimeOut(HOST *Host, RAM_COMMAND_CODE How, unsigned Resets)
{
    const unsigned Start = HostNow();
    IO Ios[2], After;
    RAM_STATE State;
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    HostCommand(Host, How, 0, Resets);
    HostCommand(Host, RAM_HOLD, 0, 2);
    IoReady(&Disk, &Ios[0], 1);
    IoReady(&Disk, &Ios[1], 60); /* of the same unit: goes with the reset */
    WaitSome(Ios, 2, SRB_STATUS_BUS_RESET);
    CHECK(HostNow() - Start >= 1000);
    State = HostCommand(Host, RAM_QUERY, 0, 0);
    IoReady(&Disk, &After, 20);
    CHECK(IoWait(&After) == SRB_STATUS_SUCCESS);
    DiskClose(&Disk);
    return State;
}

void BehaviourLunReset(HOST *Host)
{
    const RAM_STATE State = TimeOut(Host, RAM_RESET_FAILS, 0);

    CHECK(State.LunResets == 1 && State.TargetResets == 0 && State.BusResets == 0);
}

void BehaviourTargetReset(HOST *Host)
{
    const RAM_STATE State = TimeOut(Host, RAM_RESET_FAILS, 1);

    CHECK(State.LunResets == 1 && State.TargetResets == 1 && State.BusResets == 0);
}

void BehaviourBusReset(HOST *Host)
{
    const RAM_STATE State = TimeOut(Host, RAM_RESET_FAILS, 2);

    CHECK(State.LunResets == 1 && State.TargetResets == 1 && State.BusResets == 1);
}

/* A reset that isn't answered in time is as good as one that failed; its late answer does no harm. */
void BehaviourResetHangs(HOST *Host)
{
    const RAM_STATE State = TimeOut(Host, RAM_RESET_HANGS, 1);

    CHECK(State.LunResets == 1 && State.TargetResets == 1 && State.BusResets == 0);
}

void BehaviourResetsHang(HOST *Host)
{
    const RAM_STATE State = TimeOut(Host, RAM_RESET_HANGS, 2);

    CHECK(State.LunResets == 1 && State.TargetResets == 1 && State.BusResets == 1);
}

static struct {
    DISK *Disk;
    IO Io;
    bool Waited;
} DuringReset;

/* A request that comes while the bus is about to be reset. */
static void BeginDuringReset(PORT_MOMENT Moment, PVOID Srb)
{
    UNREFERENCED_PARAMETER(Srb);
    if (Moment != PORT_AT_RESET_BUS)
        return;
    IoReady(DuringReset.Disk, &DuringReset.Io, 20);
    DuringReset.Waited = !NativeRequestPoll(DuringReset.Io.Request, 200);
}

static NTSTATUS ResetBus(HOST *Host, UCHAR Path)
{
    PORT_BUS_RESET_REQUEST Request = {Path};

    return NativeIoctl(Host->File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL);
}

/* IOCTL_STORAGE_RESET_BUS; all queues are paused before HwResetBus [HW_RESET_BUS]. */
void BehaviourResetPauses(HOST *Host)
{
    RAM_STATE State;
    DISK Disk;
    IO Ios[2];

    DiskOpen(Host, &Disk, 0);
    CHECK(ResetBus(Host, 1) == STATUS_INVALID_PARAMETER);
    HostCommand(Host, RAM_HOLD, 0, 2);
    BeginSome(&Disk, Ios, 2, 60);
    HOST_WAIT(Host, Held, 2);
    DuringReset.Disk = &Disk;
    PortOptions.Hook = BeginDuringReset;
    CHECK(ResetBus(Host, 0) == STATUS_SUCCESS);
    PortOptions.Hook = NULL;
    WaitSome(Ios, 2, SRB_STATUS_BUS_RESET);
    CHECK(DuringReset.Waited);
    WaitSome(&DuringReset.Io, 1, SRB_STATUS_SUCCESS);
    State = HostCommand(Host, RAM_QUERY, 0, 0);
    CHECK(State.LunResets == 0 && State.TargetResets == 0 && State.BusResets == 1);
    DiskClose(&Disk);
}
