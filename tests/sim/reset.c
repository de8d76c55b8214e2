/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A server that stops in the middle of large transfers: Storport's timeout
 * resets the unit, every SRB comes back although the network still owes it,
 * its memory is used for something else at once, and the disk goes on when
 * the server does. What the server then gets to see of an aborted WRITE is
 * what was to be written, never what the memory holds by then.
 */
#include "bed.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITES 32u
#define READS 8u
#define CHUNK (2u * 1024 * 1024) /* the largest transfer: more than the sockets' buffers take in all */
#define OLD 0xA5
#define NEW 0x5A
#define SCRIBBLE 0xEE

typedef struct {
    DISK_IO Io;
    UCHAR *Data;
} TRANSFER;

static void TransferBegin(DISK *Disk, TRANSFER *Transfer, bool Write, uint32_t Chunk, UCHAR Fill)
{
    UCHAR Cdb[16];
    uint32_t Blocks = CHUNK / Disk->BlockSize;
    Transfer->Data = malloc(CHUNK);
    CHECK(Transfer->Data != NULL);
    memset(Transfer->Data, Fill, CHUNK);
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, (uint64_t)Chunk * Blocks, Blocks, false);
    DiskBegin(Disk, &Transfer->Io, Chunk % 2 == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
              Transfer->Data, CHUNK);
}

/* Waits, then does with the memory what its owner may do with it. */
static UCHAR TransferEnd(TRANSFER *Transfer, ULONG *Moved)
{
    UCHAR Status = DiskWait(&Transfer->Io, Moved);
    memset(Transfer->Data, SCRIBBLE, CHUNK);
    free(Transfer->Data);
    return Status;
}

static void Fill(DISK *Disk)
{
    static TRANSFER Transfer;
    for (uint32_t Chunk = 0; Chunk < WRITES; Chunk++) {
        TransferBegin(Disk, &Transfer, true, Chunk, OLD);
        CHECK(TransferEnd(&Transfer, NULL) == SRB_STATUS_SUCCESS);
    }
}

/* Every 4 KiB are as before the aborted write or as after it. */
static void VerifyOldOrNew(DISK *Disk, uint32_t *NewPages)
{
    UCHAR Cdb[16], *Data = malloc(CHUNK);
    uint32_t Blocks = CHUNK / Disk->BlockSize;
    CHECK(Data != NULL);
    for (uint32_t Chunk = 0; Chunk < WRITES; Chunk++) {
        DiskCdb16(Cdb, 0x88, (uint64_t)Chunk * Blocks, Blocks, false);
        CHECK(DiskCommand(Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, CHUNK, NULL) == SRB_STATUS_SUCCESS);
        for (uint32_t Page = 0; Page < CHUNK; Page += 4096) {
            UCHAR Byte = Data[Page];
            CHECK(Byte == OLD || Byte == NEW);
            for (uint32_t Index = 1; Index < 4096; Index++) {
                CHECK(Data[Page + Index] == Byte);
            }
            *NewPages += Byte == NEW;
        }
    }
    free(Data);
}

static void Stats(BED *Bed, WNBD_DRV_STATS *Result)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "disk"};
    ULONG Used;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(*Result));
}

static void VerifyStats(BED *Bed)
{
    WNBD_DRV_STATS Counters;
    Stats(Bed, &Counters);
    printf("aborted: %lld sent, %lld not sent; late answers: %lld\n", (long long)Counters.AbortedSubmittedIORequests,
           (long long)Counters.AbortedUnsubmittedIORequests, (long long)Counters.CompletedAbortedIORequests);
    CHECK(Counters.AbortedSubmittedIORequests > 0);
    CHECK(Counters.AbortedUnsubmittedIORequests > 0);
    CHECK(Counters.CompletedAbortedIORequests == Counters.AbortedSubmittedIORequests);
    CHECK(Counters.OutstandingIOCount == 0 && Counters.PendingSubmittedIORequests == 0);
    CHECK(Counters.UnsubmittedIORequests == 0);
    CHECK(Counters.TotalSubmittedIORequests == Counters.TotalReceivedIOReplies);
}

static void ResetInTransfer(BED *Bed, DISK *Disk, const SERVER *Server)
{
    static TRANSFER Writes[WRITES], Reads[READS];
    uint32_t NewPages = 0;
    Fill(Disk);
    ServerPause(Server);
    Disk->TimeoutSeconds = 1;
    for (uint32_t Chunk = 0; Chunk < READS; Chunk++) {
        TransferBegin(Disk, &Reads[Chunk], false, Chunk, 0);
    }
    for (uint32_t Chunk = 0; Chunk < WRITES; Chunk++) {
        TransferBegin(Disk, &Writes[Chunk], true, Chunk, NEW);
    }
    for (uint32_t Chunk = 0; Chunk < READS; Chunk++) {
        CHECK(TransferEnd(&Reads[Chunk], NULL) == SRB_STATUS_BUS_RESET);
    }
    for (uint32_t Chunk = 0; Chunk < WRITES; Chunk++) {
        CHECK(TransferEnd(&Writes[Chunk], NULL) == SRB_STATUS_BUS_RESET);
    }
    printf("%u transfers came back while the server stood still\n", WRITES + READS);
    ServerResume(Server);
    Disk->TimeoutSeconds = 60;
    VerifyOldOrNew(Disk, &NewPages);
    printf("%u pages of aborted writes reached the server\n", NewPages);
    VerifyStats(Bed);
}

int main(void)
{
    static const char *const Plugin[] = {"memory", "128M", NULL};
    SERVER Server;
    BED Bed;
    DISK Disk;
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 1});
    BedMapDisk(&Bed, &Disk, Server.Port);

    ResetInTransfer(&Bed, &Disk, &Server);

    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
