/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver writes of a disk that is there: it was reset, resized, its
 * process answers wrongly and hangs, its server fails requests; with the
 * fields that go with it, as the debugger sees them. log.c has how it writes.
 */
#include "options.h"
#include "owned.h"
#include "script.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RESIZED 4096u
#define EIO_OF_NBD 5u
#define AT_BYTE 8192u

static pthread_mutex_t LogLock = PTHREAD_MUTEX_INITIALIZER;
static char LogText[64 * 1024];

static void LogTake(uint32_t Level, const char *Text)
{
    (void)Level;
    pthread_mutex_lock(&LogLock);
    size_t Used = strlen(LogText);
    CHECK(Used + strlen(Text) < sizeof(LogText));
    strcpy(LogText + Used, Text);
    pthread_mutex_unlock(&LogLock);
}

/*
 * Waits for a line that begins and ends so, and returns the number in between: how many milliseconds something took.
 * Both have been written by the driver's own words and the test's numbers.
 */
static uint64_t Logged(const char *Begin, const char *End)
{
    for (unsigned Pauses = 0;; Pauses++) {
        uint64_t Number = 0;
        int Used = 0;
        pthread_mutex_lock(&LogLock);
        const char *Line = strstr(LogText, Begin);
        bool Found = Line != NULL && sscanf(Line + strlen(Begin), "%" SCNu64 "%n", &Number, &Used) == 1 &&
                     strncmp(Line + strlen(Begin) + Used, End, strlen(End)) == 0;
        if (!Found && Pauses > GONE_MS) {
            fprintf(stderr, "expected: %s...%slogged:\n%s", Begin, End, LogText);
        }
        pthread_mutex_unlock(&LogLock);
        if (Found) {
            return Number;
        }
        CHECK(Pauses <= GONE_MS);
        Pause();
    }
}

static void Resize(SERVED *Served)
{
    WNBD_IOCTL_SET_SIZE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_SET_DISK_SIZE,
                                           .ConnectionId = Served->Provider.Info.ConnectionId,
                                           .BlockCount = RESIZED};
    CHECK(NativeIoctl(Served->Provider.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, NULL) ==
          STATUS_SUCCESS);
    CHECK(Logged("wnbd: served: has ", " blocks now\n") == RESIZED);
    /* Windows learns it with the next command, which fails. */
    Request(Served, 0x88, 4096);
    CHECK(DiskWait(&Served->Io, NULL) == SRB_STATUS_ERROR);
}

static void RefusedAnswer(SERVED *Served, UINT64 Process)
{
    char End[96];
    Request(Served, 0x88, 4096);
    FetchOne(Served);
    Served->Fetch.Request.RequestHandle ^= 1;
    CHECK(Answer(Served) == STATUS_NOT_FOUND);
    snprintf(End, sizeof(End), " was refused with status 0x%08x\n", (unsigned)STATUS_NOT_FOUND);
    CHECK(Logged("wnbd: served: an answer of process ", End) == Process);
    Served->Fetch.Request.RequestHandle ^= 1;
}

/* The request of RefusedAnswer is under way still. */
static void ResetDisk(SERVED *Served, BED *Bed)
{
    atomic_fetch_add(&ClockAhead, 3 * SECOND);
    Reset(Bed);
    CHECK(DiskWait(&Served->Io, NULL) == SRB_STATUS_BUS_RESET);
    uint64_t Age =
        Logged("wnbd: served: Windows has reset it, at target 0 (1 requests given back, the oldest after ", " ms)\n");
    CHECK(Age >= 3000 && Age < GONE_MS);
}

static void Hang(SERVED *Served, BED *Bed, UINT64 Process)
{
    char Begin[96];
    InterlockedExchange64(&OptionValues[OptionStaleConnTimeoutMs], 100000);
    atomic_fetch_add(&ClockAhead, 1000 * SECOND);
    CheckGone(Served, Bed, 0);
    snprintf(Begin, sizeof(Begin), "wnbd: served: the process that serves it hangs (process %" PRIu64 ", silent for ",
             (uint64_t)Process);
    uint64_t Silent = Logged(Begin, " ms)\n");
    CHECK(Silent >= 1000000 && Silent < 2000000);
}

static void OfAProcess(BED *Bed)
{
    static SERVED Served;
    Serve(&Served, Bed, "served", 1);
    UINT64 Process = Served.Provider.Info.Properties.Pid;
    Resize(&Served);
    RefusedAnswer(&Served, Process);
    ResetDisk(&Served, Bed);
    Hang(&Served, Bed, Process);
    EndProvider(&Served);
}

static void PlayFailing(PEER *Peer)
{
    SCRIPT_REQUEST Request;
    if (PeerConnect(Peer, 1024 * 1024)) {
        while (PeerHearRequest(Peer, &Request)) {
            PeerReply(Peer, EIO_OF_NBD, Request.Cookie, NULL, 0);
        }
    }
}

static void OfAServer(BED *Bed)
{
    UCHAR Cdb[16], Data[4096] = {0};
    char Begin[160];
    DISK Disk;
    SCRIPT Script = {.Play = PlayFailing};
    ScriptStart(&Script);
    BedMapDisk(Bed, &Disk, Script.Port);
    for (unsigned Writes = 0; Writes < 2; Writes++) {
        DiskCdb16(Cdb, Writes ? 0x8A : 0x88, AT_BYTE / Disk.BlockSize, sizeof(Data) / Disk.BlockSize, false);
        CHECK(DiskCommand(&Disk, Cdb, sizeof(Cdb), Writes ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Data, sizeof(Data),
                          NULL) == SRB_STATUS_ERROR);
        snprintf(Begin, sizeof(Begin),
                 "wnbd: disk: %s of 4096 bytes at 8192 failed at the server with error 5 (127.0.0.1 port %u, after ",
                 Writes ? "write" : "read", Script.Port);
        CHECK(Logged(Begin, " ms)\n") < GONE_MS);
    }
    BedUnmapDisk(Bed, &Disk);
    ScriptStop(&Script);
}

int main(void)
{
    BED Bed;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 7, .LogLevel = NATIVE_LOG_NONE, .Log = LogTake});
    InterlockedExchange64(&OptionValues[OptionLogLevel], 4);
    printf("of a process's disk\n");
    fflush(stdout);
    OfAProcess(&Bed);
    printf("of a server's disk\n");
    fflush(stdout);
    OfAServer(&Bed);
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
