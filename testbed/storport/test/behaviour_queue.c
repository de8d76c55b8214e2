/* SPDX-License-Identifier: LGPL-2.1-only */
/* Holding requests back, retrying them, timing them out. */
#include "behaviour.h"

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
