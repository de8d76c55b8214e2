/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process that serves a disk is killed, hundreds of times, each time at a
 * random moment: before anybody reads the disk, or after some of 32 requests
 * in flight, while its threads fetch, copy and answer; now and then the disk
 * is unmapped at the same time. The disk goes, its name is free for the next
 * one, nothing is left (the test bed looks), and a disk that another process
 * serves does not notice: what is read there is what was written.
 *
 *     sim_user_kills [ROUNDS [SEED]]
 */
#include "flight.h"
#include "ground.h"
#include "neighbour.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_USUAL 60u
#define DEPTH 32u
#define LENGTH_BYTES (16u * 1024)
#define BLOCK_BYTES 512u
#define BLOCKS 4096u
#define VICTIM_THREADS 3u
#define FETCHES_MAX 3u /* that nobody waits for */
#define MOMENT 1000u   /* 0.1 ms, in units of 100 ns */
#define GONE_MS 60000u

static BED Bed;

/* xorshift64*, Vigna 2014 */
static uint32_t Below(uint64_t *Random, uint32_t Limit)
{
    *Random ^= *Random >> 12;
    *Random ^= *Random << 25;
    *Random ^= *Random >> 27;
    return (uint32_t)((*Random * 0x2545F4914F6CDD1Dull) >> 33) % Limit;
}

/* ---- the one that is killed ---- */

static struct {
    PROVIDER Provider;
    atomic_bool Killed;
    atomic_uint Living; /* threads */
    atomic_uint Fetched;
    NATIVE_REQUEST *Requests[FETCHES_MAX];
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetches[FETCHES_MAX];
    UCHAR *Buffers[FETCHES_MAX];
    uint32_t FetchCount;
} Victim;

/* One request from its fetch to its answer. False: there are no more. */
static bool VictimServe(SERVER_THREAD *Server)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response;
    NTSTATUS Status = ProviderFetch(Server->Provider, Server->Buffer, PROVIDER_BUFFER_BYTES, &Fetch);
    if (Status == STATUS_CANCELLED || Status == STATUS_OBJECT_NAME_NOT_FOUND) {
        return false;
    }
    CHECK(Status == STATUS_SUCCESS);
    if (Fetch.Request.RequestType == WnbdReqTypeDisconnect) {
        return false;
    }
    atomic_fetch_add(&Victim.Fetched, 1);
    ProviderSuccess(&Response, &Fetch.Request);
    ProviderObey(Server, &Fetch.Request, Fetch.DataBufferSize, &Response);
    Status =
        ProviderSend(Server->Provider, &Response, Server->Buffer,
                     Response.RequestType == WnbdReqTypeRead ? Fetch.Request.Cmd.Read.BlockCount * BLOCK_BYTES : 0);
    CHECK(Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND || Status == STATUS_NOT_FOUND);
    return true;
}

static void *VictimMain(void *Context)
{
    while (!atomic_load(&Victim.Killed) && VictimServe(Context)) {
    }
    atomic_fetch_sub(&Victim.Living, 1);
    return NULL;
}

static void VictimStart(void)
{
    WNBD_PROPERTIES Properties;
    ProviderProperties(&Properties, "victim", BLOCKS, BLOCK_BYTES);
    ProviderStart(&Victim.Provider, &Bed, &Properties);
    atomic_store(&Victim.Killed, false);
    atomic_store(&Victim.Living, VICTIM_THREADS);
    atomic_store(&Victim.Fetched, 0);
    for (unsigned Index = 0; Index < VICTIM_THREADS; Index++) {
        SERVER_THREAD *Server = &Victim.Provider.Threads[Index];
        *Server = (SERVER_THREAD){.Provider = &Victim.Provider, .Index = Index};
        Server->Buffer = NativeUserAllocate(Victim.Provider.Process, PROVIDER_BUFFER_BYTES);
        CHECK(pthread_create(&Server->Thread, NULL, VictimMain, Server) == 0);
    }
}

/* Fetches that the last thread to end has sent. What they are given is never answered. */
static void VictimFetch(uint32_t Count)
{
    Victim.FetchCount = Count;
    for (uint32_t Index = 0; Index < Count; Index++) {
        Victim.Buffers[Index] = NativeUserAllocate(Victim.Provider.Process, LENGTH_BYTES);
        Victim.Requests[Index] =
            ProviderFetchBegin(&Victim.Provider, Victim.Buffers[Index], LENGTH_BYTES, &Victim.Fetches[Index]);
    }
}

/* Each thread ends when it is back from the driver, where what it waits for is cancelled; then the process does. */
static void VictimKill(NATIVE_PROCESS_END End)
{
    atomic_store(&Victim.Killed, true);
    while (atomic_load(&Victim.Living) != 0) {
        NativeThreadEnd(Victim.Provider.File);
    }
    for (unsigned Index = 0; Index < VICTIM_THREADS; Index++) {
        CHECK(pthread_join(Victim.Provider.Threads[Index].Thread, NULL) == 0);
    }
    NativeProcessEnd(Victim.Provider.Process, End);
    for (uint32_t Index = 0; Index < Victim.FetchCount; Index++) {
        NTSTATUS Status = NativeRequestWait(Victim.Requests[Index], NULL);
        CHECK(Status == STATUS_SUCCESS || Status == STATUS_CANCELLED || Status == STATUS_OBJECT_NAME_NOT_FOUND);
    }
}

/* The disk goes by itself, and its name is free. */
static void VictimGone(void)
{
    BedAwaitDisks(&Bed, 1);
    CHECK(NativeChildWait(Bed.Adapter, 1, GONE_MS));
    CHECK(BedUnmap(&Bed, "victim") == STATUS_OBJECT_NAME_NOT_FOUND);
    ProviderEnd(&Victim.Provider);
}

/* ---- the rounds ---- */

/* Of the ways to end, the one in which nobody is told takes up to a second. */
static NATIVE_PROCESS_END RandomEnd(uint64_t *Random)
{
    uint32_t Kind = Below(Random, 32);
    return Kind == 0 ? NATIVE_END_UNNOTIFIED : Kind % 2 == 0 ? NATIVE_END_NOTIFY_FIRST : 0;
}

static void RoundUnused(uint64_t *Random)
{
    VictimStart();
    VictimFetch(Below(Random, FETCHES_MAX + 1));
    GroundSleep(Below(Random, 20 * MOMENT));
    VictimKill(RandomEnd(Random));
    VictimGone();
}

/* As in kills.c: Windows may see a disk of an earlier round only now. That one answers nothing, this one does. */
static void OpenLiving(DISK *Disk)
{
    UCHAR Capacity[8], Cdb[10] = {0x25};
    for (int Try = 0;; Try++, GroundSleep(10 * MOMENT)) {
        CHECK(Try < 60000 && NativeChildWait(Bed.Adapter, 2, GONE_MS));
        *Disk = (DISK){.Child = NativeChild(Bed.Adapter, 1), .BlockSize = BLOCK_BYTES, .TimeoutSeconds = 600};
        if (Disk->Child == NULL) {
            continue;
        }
        Disk->File = NativeOpenDevice(Disk->Child);
        if (DiskCommand(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Capacity, sizeof(Capacity), NULL) ==
            SRB_STATUS_SUCCESS) {
            return;
        }
        DiskClose(Disk);
    }
}

static bool FlightOver(FLIGHT *Flight)
{
    uint32_t Index = 0;
    while (Index < Flight->Depth && NativeRequestPoll(Flight->Io[Index].Request, 0)) {
        Index++;
    }
    return Index == Flight->Depth;
}

static unsigned RoundInFlight(uint64_t *Random)
{
    static FLIGHT Flight;
    DISK Disk;
    VictimStart();
    OpenLiving(&Disk);
    VictimFetch(Below(Random, FETCHES_MAX + 1));
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    uint32_t Served = Below(Random, DEPTH - FETCHES_MAX);
    /* Windows may learn only now that the device was an earlier disk's: it makes another one, and what is lost is lost.
     */
    while (atomic_load(&Victim.Fetched) < Served && !FlightOver(&Flight)) {
        GroundSleep(MOMENT);
    }
    if (Below(Random, 6) == 0) {
        BedUnmap(&Bed, "victim");
    }
    VictimKill(RandomEnd(Random));
    unsigned Lost = FlightEnd(&Flight);
    CHECK(Lost >= Victim.FetchCount);
    BedAwaitDisks(&Bed, 1);
    DiskClose(&Disk);
    VictimGone();
    return Lost;
}

int main(int Count, char **Arguments)
{
    uint32_t Rounds = Count > 1 ? (uint32_t)strtoul(Arguments[1], NULL, 0) : ROUNDS_USUAL;
    uint64_t Seed = Count > 2 ? strtoull(Arguments[2], NULL, 0) : 1;
    uint64_t Random = Seed * 0x9E3779B97F4A7C15ull + 1;
    unsigned Lost = 0;
    printf("processes killed at random moments: %u rounds, seed %llu\n", Rounds, (unsigned long long)Seed);
    fflush(stdout);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .LogLevel = DPFLTR_ERROR_LEVEL});
    NeighbourStart(&Bed, Seed);
    NATIVE_COUNTS Before = BedQuietCounts();
    NeighbourBegin();
    for (uint32_t Round = 0; Round < Rounds; Round++) {
        if (Below(&Random, 4) == 0) {
            RoundUnused(&Random);
        } else {
            Lost += RoundInFlight(&Random);
        }
    }
    unsigned Others = NeighbourRest();
    NATIVE_COUNTS After = BedQuietCounts();
    CHECK(memcmp(&Before, &After, sizeof(Before)) == 0);
    CHECK(Rounds < 10 || (Lost != 0 && Others > 1));
    NeighbourStop();
    BedStop(&Bed);
    printf("%u requests lost, meanwhile %u rounds of the other disk\nok\n", Lost, Others);
    return 0;
}
