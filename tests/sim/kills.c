/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk is mapped again and again, each time from a server that dies at a
 * random moment: in the handshake, after it, after some of the requests of 32
 * in flight; now and then the disk is unmapped at the same time. Nothing is
 * left (the test bed looks), and the name is free for the next.
 *
 *     sim_kills [ROUNDS [SEED]]
 */
#include "bed.h"
#include "flight.h"
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS_USUAL 150u
#define DEPTH 32u
#define BLOCK_BYTES 512u
#define PAUSE_US 1000u
#define LENGTH_BYTES (16u * 1024)
#define DISK_BYTES (1024u * 1024)
#define HANDSHAKE_BYTES_MAX 160u

/* How a server's life goes on after the handshake. */
typedef struct {
    uint32_t Answers; /* so many requests are answered; the next one is death */
} LIFE;

static void Play(PEER *Peer)
{
    static const UCHAR Zeroes[LENGTH_BYTES];
    const LIFE *Life = Peer->Script->Context;
    SCRIPT_REQUEST Request;
    bool Good = PeerConnect(Peer, DISK_BYTES);
    for (uint32_t Answered = 0; Good && PeerHearRequest(Peer, &Request) && Answered < Life->Answers; Answered++) {
        Good = PeerReply(Peer, 0, Request.Cookie, Zeroes, Request.Type == 0 ? Request.Length : 0);
    }
}

/* xorshift64*, Vigna 2014 */
static uint32_t Below(uint64_t *Random, uint32_t Limit)
{
    *Random ^= *Random >> 12;
    *Random ^= *Random << 25;
    *Random ^= *Random >> 27;
    return (uint32_t)((*Random * 0x2545F4914F6CDD1Dull) >> 33) % Limit;
}

/* Dies in the handshake, or just after it: there may be a disk for a moment, or none. */
static void RoundUnused(BED *Bed, uint64_t *Random)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    LIFE Life = {0};
    SCRIPT Script = {.Play = Play, .Context = &Life, .Allowed = 1 + Below(Random, HANDSHAKE_BYTES_MAX)};
    ScriptStart(&Script);
    BedProperties(&Properties, "disk", Script.Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    /* A server that outlives the handshake waits for requests until its disk goes. */
    BedUnmap(Bed, "disk");
    CHECK(NativeChildWait(Bed->Adapter, 0, 60000));
    ScriptStop(&Script);
}

/*
 * Windows may see a disk of an earlier round, which is gone already, only now: that one answers nothing. The disk of
 * this round does, because its server dies of a request at the earliest.
 */
static void OpenLiving(BED *Bed, DISK *Disk)
{
    UCHAR Capacity[8], Cdb[10] = {0x25};
    for (int Try = 0;; Try++, usleep(PAUSE_US)) {
        CHECK(Try < 60000 && NativeChildWait(Bed->Adapter, 1, 60000));
        *Disk = (DISK){.Child = NativeChild(Bed->Adapter, 0), .BlockSize = BLOCK_BYTES, .TimeoutSeconds = 30};
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

/* Dies with requests in flight. */
static void RoundInFlight(BED *Bed, uint64_t *Random)
{
    static WNBD_CREATE_RESULT Result;
    static FLIGHT Flight;
    WNBD_PROPERTIES Properties;
    LIFE Life = {.Answers = Below(Random, DEPTH)};
    SCRIPT Script = {.Play = Play, .Context = &Life};
    DISK Disk;
    ScriptStart(&Script);
    BedProperties(&Properties, "disk", Script.Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    OpenLiving(Bed, &Disk);
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    if (Below(Random, 3) == 0) {
        BedUnmap(Bed, "disk");
    }
    CHECK(FlightEnd(&Flight) > 0);
    BedAwaitDisks(Bed, 0);
    CHECK(NativeChildWait(Bed->Adapter, 0, 60000));
    DiskClose(&Disk);
    CHECK(BedUnmap(Bed, "disk") == STATUS_OBJECT_NAME_NOT_FOUND);
    ScriptStop(&Script);
}

int main(int Count, char **Arguments)
{
    uint32_t Rounds = Count > 1 ? (uint32_t)strtoul(Arguments[1], NULL, 0) : ROUNDS_USUAL;
    uint64_t Seed = Count > 2 ? strtoull(Arguments[2], NULL, 0) : 1;
    uint64_t Random = Seed * 0x9E3779B97F4A7C15ull + 1;
    BED Bed;
    printf("killed at random moments: %u rounds, seed %llu\n", Rounds, (unsigned long long)Seed);
    fflush(stdout);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .LogLevel = 1});
    for (uint32_t Round = 0; Round < Rounds; Round++) {
        if (Below(&Random, 2) == 0) {
            RoundUnused(&Bed, &Random);
        } else {
            RoundInFlight(&Bed, &Random);
        }
    }
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
