/* SPDX-License-Identifier: LGPL-2.1-only */
/* neighbour.h. */
#include "neighbour.h"

#include "ground.h"
#include "random_io.h"

#include <stdatomic.h>

#define BLOCK_BYTES 512u
#define DISK_BYTES (4u * 1024 * 1024)
#define THREADS 2u
#define ROUND_REQUESTS 20
#define PAUSE 50000u /* 5 ms, in units of 100 ns: there is more to do */
#define GONE_MS 60000u

static const RANDOM_MIX Mix = {.Shares = {4, 4, 1, 1},
                               .LargeOneIn = 10,
                               .LargeBytes = 256 * 1024,
                               .SmallBytes = 16 * 1024,
                               .FuaOneIn = 4,
                               .Depth = 8};

static BED *Home;
static PROVIDER Provider;
static RUN Run;
static pthread_t Thread;
static atomic_bool Over;
static unsigned Rounds;

void NeighbourStart(BED *Bed, uint64_t Seed)
{
    WNBD_PROPERTIES Properties;
    Home = Bed;
    ProviderProperties(&Properties, "other", DISK_BYTES / BLOCK_BYTES, BLOCK_BYTES);
    ProviderStart(&Provider, Bed, &Properties);
    ProviderServe(&Provider, THREADS, ProviderObey);
    RunStart(&Run, &Mix, Seed, DISK_BYTES);
    DiskOpen(&Run.Disk, Bed, 1);
    RunRequests(&Run, ROUND_REQUESTS);
}

static void *Work(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    while (!atomic_load(&Over)) {
        RunRequests(&Run, ROUND_REQUESTS);
        Rounds++;
        GroundSleep(PAUSE);
    }
    return NULL;
}

void NeighbourBegin(void)
{
    atomic_store(&Over, false);
    CHECK(pthread_create(&Thread, NULL, Work, NULL) == 0);
}

unsigned NeighbourRest(void)
{
    atomic_store(&Over, true);
    CHECK(pthread_join(Thread, NULL) == 0);
    CHECK(memcmp(Run.Model, Provider.Medium, DISK_BYTES) == 0);
    return Rounds;
}

void NeighbourStop(void)
{
    CHECK(BedUnmap(Home, "other") == STATUS_SUCCESS);
    ProviderJoin(&Provider);
    CHECK(NativeChildWait(Home->Adapter, 0, GONE_MS));
    DiskClose(&Run.Disk);
    ProviderEnd(&Provider);
    RunEnd(&Run);
}

WNBD_CONNECTION_ID NeighbourId(void)
{
    return Provider.Info.ConnectionId;
}
