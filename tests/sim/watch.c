/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The watch over notifications that Windows has missed, which runs on
 * Storport's one timer: cancelled while the adapter sleeps and when it goes
 * (the host checks that), also by a processor whose request was overtaken by
 * the cancellation; going on afterwards, so that the change is noticed.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "bed.h"
#include "port.h"
#include "server.h"

#define ALL 1000000
/* The watch's pause is over by then (2 s at most), and what the host grants for a late cancellation. */
#define ASLEEP_US 3500000u

static const char *const Plugin[] = {"memory", "64M", NULL};

/* Holds a processor on its way to request a timer call. */
static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    bool Armed;
    bool Held;
    bool Open;
} Gate = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

static void Hook(PORT_MOMENT Moment, PVOID Srb)
{
    pthread_mutex_lock(&Gate.Lock);
    if (Moment == PORT_AT_TIMER && Srb != NULL && Gate.Armed) {
        Gate.Armed = false;
        Gate.Held = true;
        pthread_cond_broadcast(&Gate.Changed);
        while (!Gate.Open) {
            pthread_cond_wait(&Gate.Changed, &Gate.Lock);
        }
    }
    pthread_mutex_unlock(&Gate.Lock);
}

static void *Unmap(void *Context)
{
    CHECK(BedUnmap(Context, "disk") == STATUS_SUCCESS);
    return NULL;
}

static void Start(SERVER *Server, BED *Bed, DISK *Disk, PORT_OPTIONS Options)
{
    PortOptions = Options;
    ServerStart(Server, Plugin);
    BedStart(Bed, &(NATIVE_OPTIONS){.Seed = 50});
    BedMapDisk(Bed, Disk, Server->Port);
}

static void End(SERVER *Server, BED *Bed, DISK *Disk)
{
    CHECK(NativeChildWait(Bed->Adapter, 0, 60000));
    DiskClose(Disk);
    BedStop(Bed);
    ServerStop(Server);
    PortOptions = (PORT_OPTIONS){0};
}

static void TestSleep(const char *Words, bool Find, ULONG AsleepUs)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("asleep, then %s\n", Words);
    Start(&Server, &Bed, &Disk, (PORT_OPTIONS){.FindToRestart = Find});
    InterlockedExchange(&PortOptions.MissBusChanges, ALL);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeDevicePower(Bed.Adapter, false) == STATUS_SUCCESS);
    usleep(AsleepUs);
    InterlockedExchange(&PortOptions.MissBusChanges, 0);
    CHECK(NativeDevicePower(Bed.Adapter, true) == STATUS_SUCCESS);
    End(&Server, &Bed, &Disk);
}

static void TestOvertaken(void)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    pthread_t Thread;
    printf("asleep while a processor requests a timer call\n");
    Start(&Server, &Bed, &Disk, (PORT_OPTIONS){.Hook = Hook});
    pthread_mutex_lock(&Gate.Lock);
    Gate.Armed = true;
    pthread_mutex_unlock(&Gate.Lock);
    CHECK(pthread_create(&Thread, NULL, Unmap, &Bed) == 0);
    pthread_mutex_lock(&Gate.Lock);
    while (!Gate.Held) {
        pthread_cond_wait(&Gate.Changed, &Gate.Lock);
    }
    pthread_mutex_unlock(&Gate.Lock);
    CHECK(NativeDevicePower(Bed.Adapter, false) == STATUS_SUCCESS);
    pthread_mutex_lock(&Gate.Lock);
    Gate.Open = true;
    pthread_cond_broadcast(&Gate.Changed);
    pthread_mutex_unlock(&Gate.Lock);
    CHECK(pthread_join(Thread, NULL) == 0);
    usleep(ASLEEP_US);
    CHECK(NativeDevicePower(Bed.Adapter, true) == STATUS_SUCCESS);
    End(&Server, &Bed, &Disk);
}

/* The adapter goes before Windows has noticed. */
static void TestRemoval(BOOLEAN StopBeforeServiceIrps)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("removed, %s\n", StopBeforeServiceIrps ? "stopped first" : "stopped last");
    Start(&Server, &Bed, &Disk, (PORT_OPTIONS){.StopBeforeServiceIrps = StopBeforeServiceIrps});
    InterlockedExchange(&PortOptions.MissBusChanges, ALL);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    NativeDeviceSurpriseRemove(Bed.Adapter);
    DiskClose(&Disk);
    NativeClose(Bed.File);
    NativePnpSettle();
    NativeDriverUnload(Bed.Driver);
    NativeStop();
    ServerStop(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

int main(void)
{
    TestSleep("ScsiRestartAdapter", false, ASLEEP_US);
    TestSleep("HwFindAdapter at DISPATCH_LEVEL", true, 0);
    TestOvertaken();
    TestRemoval(FALSE);
    TestRemoval(TRUE);
    printf("ok\n");
    return 0;
}
