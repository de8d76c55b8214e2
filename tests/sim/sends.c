/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * One WskSend fails while others are under way: at once, told by the call and completed later, or after it was pending.
 * Whatever comes first, the server never gets bytes behind those that are missing: it would take what is payload for
 * requests, or write one request's payload where another's belongs.
 */
#include "bed.h"
#include "script.h"

#include <stdatomic.h>
#include <stdio.h>

#define ROUNDS 60u
#define WRITES 4u
#define WRITE_BYTES (512u * 1024)
#define DISK_BYTES ((uint64_t)WRITES * WRITE_BYTES)
#define SENDS 8u /* those that fail, one in each round: the first to this */

static atomic_int SendsLeft; /* before the one that fails; below: it has failed, or isn't to fail */
static atomic_bool Failed;

static bool Chosen(const char *Function)
{
    if (strcmp(Function, "WskSend") != 0 || atomic_fetch_sub(&SendsLeft, 1) != 1) {
        return false;
    }
    atomic_store(&Failed, true);
    return true;
}

/* The payload of a write: each 8 bytes are their place on the disk. */
static bool HearPayload(PEER *Peer, uint64_t Offset, uint32_t Length)
{
    uint64_t Words[512];
    for (uint32_t Heard = 0; Heard < Length; Heard += (uint32_t)sizeof(Words)) {
        if (!PeerHear(Peer, Words, sizeof(Words))) {
            return false;
        }
        for (size_t Index = 0; Index < RTL_NUMBER_OF(Words); Index++) {
            CHECK(Words[Index] == Offset + Heard + Index * sizeof(Words[0]));
        }
    }
    return true;
}

static void Play(PEER *Peer)
{
    bool Good = PeerConnect(Peer, DISK_BYTES);
    while (Good) {
        UCHAR Header[28];
        uint64_t Cookie, Offset;
        uint32_t Length;
        Good = PeerHear(Peer, Header, sizeof(Header));
        if (Good) {
            static const UCHAR Write[] = {0x25, 0x60, 0x95, 0x13, 0, 0, 0, 1};
            CHECK(memcmp(Header, Write, sizeof(Write)) == 0);
            memcpy(&Cookie, Header + 8, sizeof(Cookie));
            memcpy(&Offset, Header + 16, sizeof(Offset));
            memcpy(&Length, Header + 24, sizeof(Length));
            Offset = __builtin_bswap64(Offset);
            Length = __builtin_bswap32(Length);
            CHECK(Offset % sizeof(uint64_t) == 0 && Offset < DISK_BYTES && Length <= DISK_BYTES - Offset);
            Good = HearPayload(Peer, Offset, Length) && PeerReply(Peer, 0, __builtin_bswap64(Cookie), NULL, 0);
        }
    }
}

static void Round(BED *Bed, unsigned Number)
{
    static uint64_t Data[WRITES][WRITE_BYTES / sizeof(uint64_t)];
    DISK_IO Io[WRITES];
    UCHAR Cdb[16];
    DISK Disk;
    SCRIPT Script = {.Play = Play, .Allowed = 0};
    ScriptStart(&Script);
    BedMapDisk(Bed, &Disk, Script.Port);
    atomic_store(&Failed, false);
    atomic_store(&SendsLeft, (int)(1 + Number % SENDS));
    for (uint32_t Index = 0; Index < WRITES; Index++) {
        for (size_t Word = 0; Word < RTL_NUMBER_OF(Data[Index]); Word++) {
            Data[Index][Word] = (uint64_t)Index * WRITE_BYTES + Word * sizeof(uint64_t);
        }
        DiskCdb16(Cdb, 0x8A, (uint64_t)Index * WRITE_BYTES / Disk.BlockSize, WRITE_BYTES / Disk.BlockSize, false);
        DiskBegin(&Disk, &Io[Index], Index % 2 == 0, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT, Data[Index], WRITE_BYTES);
    }
    unsigned Lost = 0;
    for (uint32_t Index = 0; Index < WRITES; Index++) {
        UCHAR Status = DiskWait(&Io[Index], NULL);
        CHECK(Status == SRB_STATUS_SUCCESS || Status == SRB_STATUS_NO_DEVICE);
        Lost += Status == SRB_STATUS_NO_DEVICE;
    }
    CHECK(atomic_load(&Failed) && Lost != 0);
    BedAwaitDisks(Bed, 0);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    DiskClose(&Disk);
    ScriptStop(&Script);
}

int main(void)
{
    static NATIVE_FAULTS Faults = {.Chosen = Chosen};
    BED Bed;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 11, .Faults = &Faults, .WskSynchronousOneIn = 2, .LogLevel = 0});
    for (unsigned Number = 0; Number < ROUNDS; Number++) {
        Round(&Bed, Number);
    }
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
