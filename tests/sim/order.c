/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Order between requests: what a reset has given back must not be carried out
 * over what was written since, a long command must not keep others from the
 * server, and what is written is written when the answer comes.
 */
#include "bed.h"
#include "script.h"
#include "server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BLOCK 512u

static void Start(BED *Bed, DISK *Disk, SERVER *Server, const char *const *Plugin, uint64_t Seed)
{
    ServerStart(Server, Plugin);
    BedStart(Bed, &(NATIVE_OPTIONS){.Seed = Seed});
    BedMapDisk(Bed, Disk, Server->Port);
    CHECK(Disk->BlockSize == BLOCK);
}

static void Stop(BED *Bed, DISK *Disk, SERVER *Server)
{
    BedUnmapDisk(Bed, Disk);
    BedStop(Bed);
    ServerStop(Server);
}

static UCHAR Move(DISK *Disk, bool Write, uint64_t Block, UCHAR *Data)
{
    UCHAR Cdb[16];
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, Block, 1, false);
    return DiskCommand(Disk, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Data, BLOCK, NULL);
}

/* The server takes three seconds for its first write to the first block, and serves others meanwhile. */
static void TestLateWrite(void)
{
    static const char *const Plugin[] = {
        "eval",
        "get_size=truncate -s 1M $tmpdir/data; echo 1M",
        "thread_model=echo parallel",
        "can_write=exit 0",
        "pread=dd if=$tmpdir/data iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none",
        "pwrite=if [ $4 = 0 ] && mkdir $tmpdir/late 2>/dev/null; then sleep 3; fi; "
        "dd of=$tmpdir/data oflag=seek_bytes seek=$4 conv=notrunc status=none",
        NULL};
    UCHAR Data[BLOCK];
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("late write: what was given back is not carried out over what was written since\n");
    Start(&Bed, &Disk, &Server, Plugin, 1);
    Disk.TimeoutSeconds = 1;
    memset(Data, 0xA5, sizeof(Data));
    CHECK(Move(&Disk, true, 0, Data) == SRB_STATUS_BUS_RESET);
    Disk.TimeoutSeconds = 30;
    /* Other blocks don't wait. */
    time_t Before = time(NULL);
    CHECK(Move(&Disk, true, 1, Data) == SRB_STATUS_SUCCESS);
    CHECK(time(NULL) - Before < 2);
    memset(Data, 0x5A, sizeof(Data));
    CHECK(Move(&Disk, true, 0, Data) == SRB_STATUS_SUCCESS);
    nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    memset(Data, 0, sizeof(Data));
    CHECK(Move(&Disk, false, 0, Data) == SRB_STATUS_SUCCESS);
    for (uint32_t Index = 0; Index < BLOCK; Index++) {
        CHECK(Data[Index] == 0x5A);
    }
    Stop(&Bed, &Disk, &Server);
}

/* 4096 pieces of 4 KiB, sixteen at a time, 10 ms each: two and a half seconds. */
static void TestLongVerify(void)
{
    static const char *const Plugin[] = {
        "--filter=blocksize-policy", "--filter=delay",       "memory", "16M", "rdelay=10ms",
        "blocksize-preferred=4K",    "blocksize-maximum=4K", NULL};
    UCHAR Cdb[16], Data[BLOCK];
    DISK_IO Verify;
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("long verify: a read does not wait for its end\n");
    Start(&Bed, &Disk, &Server, Plugin, 2);
    DiskCdb16(Cdb, 0x8F, 0, (uint32_t)Disk.BlockCount, false);
    DiskBegin(&Disk, &Verify, false, Cdb, 16, 0, NULL, 0);
    CHECK(Move(&Disk, false, 5, Data) == SRB_STATUS_SUCCESS);
    CHECK(!NativeRequestPoll(Verify.Request, 500));
    CHECK(DiskWait(&Verify, NULL) == SRB_STATUS_SUCCESS);
    Stop(&Bed, &Disk, &Server);
}

/* Without FLUSH, Windows is told of no cache and never asks for FUA; the server's cache must not lose writes. */
static void TestWriteThrough(void)
{
    static const char *const Plugin[] = {"eval",
                                         "get_size=echo 1M",
                                         "can_write=exit 0",
                                         "can_flush=exit 3",
                                         "can_fua=echo native",
                                         "pread=exit 1",
                                         "pwrite=cat >/dev/null; case \"$5\" in *fua*) exit 0;; *) exit 1;; esac",
                                         NULL};
    UCHAR Data[BLOCK] = {0};
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("write through: each write carries FUA where the server has FUA and no FLUSH\n");
    Start(&Bed, &Disk, &Server, Plugin, 3);
    CHECK(Move(&Disk, true, 7, Data) == SRB_STATUS_SUCCESS);
    Stop(&Bed, &Disk, &Server);
}

/* ---- a server without FUA: a flush follows the last part of a write, not the first that is answered ---- */

enum { CMD_READ = 0, CMD_WRITE = 1, CMD_FLUSH = 3 };

static struct {
    atomic_bool FirstAnswered; /* the first part of the write was, the second was not */
    atomic_bool FlushedEarly;
    atomic_bool FlushedLast;
} Seen;

/* The greeting and NBD_OPT_GO, with blocks of 4 KiB at most and no FUA. */
static bool ConnectWithParts(PEER *Peer)
{
    static const uint8_t Export[12] = {0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x05};
    static const uint8_t Sizes[14] = {0, 3, 0, 0, 2, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0};
    uint32_t Option;
    return PeerSay(Peer, "NBDMAGICIHAVEOPT\0\3", 18) && PeerHearOption(Peer, true, &Option) &&
           PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_INFO, Export, sizeof(Export)) &&
           PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_INFO, Sizes, sizeof(Sizes)) &&
           PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_ACK, "", 0);
}

static void PlayParts(PEER *Peer)
{
    static const uint8_t Block[BLOCK];
    SCRIPT_REQUEST Parts[2], Next;
    if (!ConnectWithParts(Peer) || !PeerHearRequest(Peer, &Parts[0]) || !PeerHearRequest(Peer, &Parts[1])) {
        return;
    }
    CHECK(Parts[0].Type == CMD_WRITE && Parts[1].Type == CMD_WRITE);
    PeerReply(Peer, 0, Parts[0].Cookie, "", 0);
    atomic_store(&Seen.FirstAnswered, true);
    for (int Reads = 0; Reads < 2 && PeerHearRequest(Peer, &Next);) {
        bool Read = Next.Type == CMD_READ;
        PeerReply(Peer, 0, Next.Cookie, Block, Read ? BLOCK : 0);
        Reads += Read;
        if (!Read) {
            atomic_store(&Seen.FlushedEarly, true);
        }
    }
    PeerReply(Peer, 0, Parts[1].Cookie, "", 0);
    while (PeerHearRequest(Peer, &Next) && Next.Type != 2 /* NBD_CMD_DISC */) {
        atomic_store(&Seen.FlushedLast, Next.Type == CMD_FLUSH);
        PeerReply(Peer, 0, Next.Cookie, "", 0);
    }
}

/*
 * When the first read has been answered, so has the first part of the write before it; what the driver has made of
 * that is in front of the second read.
 */
static void TestFlushAfterParts(void)
{
    static UCHAR Data[8192];
    SCRIPT Script = {.Play = PlayParts};
    UCHAR Cdb[16], Byte512[BLOCK];
    DISK_IO Write;
    BED Bed;
    DISK Disk;
    printf("flush of a write with FUA: after its last part\n");
    ScriptStart(&Script);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 3});
    BedMapDisk(&Bed, &Disk, Script.Port);
    DiskCdb16(Cdb, 0x8A, 0, sizeof(Data) / BLOCK, true);
    DiskBegin(&Disk, &Write, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, sizeof(Data));
    for (unsigned Tries = 0; !atomic_load(&Seen.FirstAnswered); Tries++) {
        CHECK(Tries < 60000);
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    CHECK(Move(&Disk, false, 100, Byte512) == SRB_STATUS_SUCCESS);
    CHECK(Move(&Disk, false, 100, Byte512) == SRB_STATUS_SUCCESS);
    CHECK(!atomic_load(&Seen.FlushedEarly));
    CHECK(DiskWait(&Write, NULL) == SRB_STATUS_SUCCESS);
    CHECK(atomic_load(&Seen.FlushedLast));
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ScriptStop(&Script);
}

int main(void)
{
    TestLateWrite();
    TestLongVerify();
    TestWriteThrough();
    TestFlushAfterParts();
    printf("ok\n");
    return 0;
}
