/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What becomes of one SRB on the wire, seen by the server (nbdkit's log
 * filter): whole transfers, splits at the server's maximum, FUA where the
 * server has it and where it has not, UNMAP with several descriptors, VERIFY.
 */
#include "bed.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK (2u * 1024 * 1024)

typedef struct {
    SERVER Server;
    BED Bed;
    DISK Disk;
    char LogArgument[96];
    const char *LogPath;
} RUN;

/*
 * How many requests of this kind the server has seen: lines of its log with Command and, behind it, Count and
 * Flags ("" for any; Count as "count=0x...", Flags as " fua=1"). Answers, which have "return", don't count.
 */
static unsigned LogCount(const RUN *Run, const char *Command, const char *Count, const char *Flags)
{
    char Line[512];
    unsigned Found = 0;
    FILE *Log = fopen(Run->LogPath, "r");
    CHECK(Log != NULL);
    while (fgets(Line, sizeof(Line), Log) != NULL) {
        char *At = strstr(Line, Command);
        if (At != NULL && strstr(At, "return") == NULL && strstr(At, Count) != NULL && strstr(At, Flags) != NULL) {
            Found++;
        }
    }
    fclose(Log);
    return Found;
}

/* Maps an export of nbdkit's memory with these filters (NULL ends the list; each "--filter=..." or "name=value"). */
static void RunStart(RUN *Run, const char *const *Filters)
{
    const char *Arguments[16] = {"--filter=log"};
    int Count = 1;
    snprintf(Run->LogArgument, sizeof(Run->LogArgument), "logfile=/tmp/wnbd-sim-parts-%u.log", ServerFreePort());
    Run->LogPath = Run->LogArgument + strlen("logfile=");
    for (const char *const *Filter = Filters; *Filter != NULL; Filter++) {
        if (strncmp(*Filter, "--", 2) == 0) {
            Arguments[Count++] = *Filter;
        }
    }
    Arguments[Count++] = "memory";
    Arguments[Count++] = "64M";
    Arguments[Count++] = Run->LogArgument;
    for (const char *const *Filter = Filters; *Filter != NULL; Filter++) {
        if (strncmp(*Filter, "--", 2) != 0) {
            Arguments[Count++] = *Filter;
        }
    }
    ServerStart(&Run->Server, Arguments);
    BedStart(&Run->Bed, &(NATIVE_OPTIONS){.Seed = 7, .WskSynchronousOneIn = 2, .WskShortReceiveOneIn = 3});
    BedMapDisk(&Run->Bed, &Run->Disk, Run->Server.Port);
}

static void RunStop(RUN *Run)
{
    BedUnmapDisk(&Run->Bed, &Run->Disk);
    BedStop(&Run->Bed);
    ServerStop(&Run->Server);
    remove(Run->LogPath);
}

/* Windows asked Requests times for this, whatever became of it on the wire, and it was Bytes of the disk. */
static void Counted(RUN *Run, WnbdOperation Operation, uint64_t Requests, uint64_t Bytes)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS_EX, .InstanceName = "disk"};
    WNBD_DRV_STATS_EX Stats;
    CHECK(NativeIoctl(Run->Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Stats, sizeof(Stats), NULL) ==
          STATUS_SUCCESS);
    CHECK(Stats.Operations[Operation].Completed == Requests);
    CHECK(Stats.Operations[Operation].Bytes == Bytes);
}

/* One READ or WRITE of CHUNK bytes at the disk's start. */
static void Move(RUN *Run, bool Write, UCHAR Fill, bool Fua)
{
    UCHAR Cdb[16], *Data = malloc(CHUNK);
    ULONG Moved;
    CHECK(Data != NULL);
    memset(Data, Write ? Fill : 0, CHUNK);
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, 0, CHUNK / Run->Disk.BlockSize, Fua);
    CHECK(DiskCommand(&Run->Disk, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Data, CHUNK, &Moved) ==
          SRB_STATUS_SUCCESS);
    CHECK(Moved == CHUNK);
    for (uint32_t Index = 0; Index < CHUNK; Index++) {
        CHECK(Data[Index] == Fill);
    }
    free(Data);
}

static void TestWhole(void)
{
    static const char *const Filters[] = {NULL};
    RUN Run;
    printf("whole: 2 MiB stay one request; FUA is the server's\n");
    RunStart(&Run, Filters);
    Move(&Run, true, 0x11, false);
    Move(&Run, false, 0x11, false);
    CHECK(LogCount(&Run, " Write id=", "count=0x200000", " fua=0") == 1);
    CHECK(LogCount(&Run, " Read id=", "count=0x200000", "") == 1);
    Move(&Run, true, 0x12, true);
    CHECK(LogCount(&Run, " Write id=", "count=0x200000", " fua=1") == 1);
    CHECK(LogCount(&Run, " Flush id=", "", "") == 0);
    RunStop(&Run);
}

static void TestSplit(void)
{
    static const char *const Filters[] = {"--filter=blocksize-policy",    "blocksize-minimum=512",
                                          "blocksize-preferred=4K",       "blocksize-maximum=64K",
                                          "blocksize-error-policy=error", NULL};
    RUN Run;
    printf("split: at the server's maximum of 64 KiB\n");
    RunStart(&Run, Filters);
    Move(&Run, true, 0x21, false);
    Move(&Run, false, 0x21, false);
    CHECK(LogCount(&Run, " Write id=", "count=0x10000 ", "") == 32 && LogCount(&Run, " Write id=", "", "") == 32);
    CHECK(LogCount(&Run, " Read id=", "count=0x10000", "") == 32 && LogCount(&Run, " Read id=", "", "") == 32);
    Counted(&Run, WnbdOperationWrite, 1, CHUNK);
    Counted(&Run, WnbdOperationRead, 1, CHUNK);
    RunStop(&Run);
}

static void TestFlushAfterWrite(void)
{
    static const char *const Filters[] = {"--filter=fua", "--filter=blocksize-policy", "blocksize-maximum=1M", NULL};
    RUN Run;
    printf("fua: a write and, after all its parts, one flush where the server has no FUA\n");
    RunStart(&Run, Filters);
    Move(&Run, true, 0x31, true);
    CHECK(LogCount(&Run, " Write id=", "count=0x100000", " fua=0") == 2);
    CHECK(LogCount(&Run, " Flush id=", "", "") == 1);
    Counted(&Run, WnbdOperationWrite, 1, CHUNK);
    Counted(&Run, WnbdOperationFlush, 0, 0);
    RunStop(&Run);
}

/* Block address and count of UNMAP block descriptor Index, big-endian (SBC-3). */
static void Descriptor(UCHAR *List, unsigned Index, uint64_t Block, uint32_t Count)
{
    UCHAR *At = List + 8 + 16 * Index;
    for (int Byte = 0; Byte < 8; Byte++) {
        At[Byte] = (UCHAR)(Block >> (56 - 8 * Byte));
    }
    for (int Byte = 0; Byte < 4; Byte++) {
        At[8 + Byte] = (UCHAR)(Count >> (24 - 8 * Byte));
    }
}

static void TestUnmap(void)
{
    static const char *const Filters[] = {NULL};
    UCHAR Cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 8 + 3 * 16, 0};
    UCHAR List[8 + 3 * 16] = {0, 6 + 3 * 16, 0, 3 * 16};
    UCHAR Verify[16], Byte512[512];
    RUN Run;
    printf("unmap: each descriptor is a trim, empty ones are nothing; verify reads\n");
    RunStart(&Run, Filters);
    Move(&Run, true, 0x41, false);
    Descriptor(List, 0, 0, 8);
    Descriptor(List, 1, 100, 0);
    Descriptor(List, 2, 64, 16);
    CHECK(DiskCommand(&Run.Disk, Cdb, 10, SRB_FLAGS_DATA_OUT, List, sizeof(List), NULL) == SRB_STATUS_SUCCESS);
    CHECK(LogCount(&Run, " Trim id=", "offset=0x0 count=0x1000", "") == 1);
    CHECK(LogCount(&Run, " Trim id=", "offset=0x8000 count=0x2000", "") == 1);
    CHECK(LogCount(&Run, " Trim id=", "", "") == 2);
    Counted(&Run, WnbdOperationUnmap, 1, (8 + 16) * 512);
    DiskCdb16(Verify, 0x88, 0, 1, false);
    CHECK(DiskCommand(&Run.Disk, Verify, 16, SRB_FLAGS_DATA_IN, Byte512, 512, NULL) == SRB_STATUS_SUCCESS);
    CHECK(Byte512[0] == 0 && Byte512[511] == 0);
    DiskCdb16(Verify, 0x8F, 8, 4, false);
    CHECK(DiskCommand(&Run.Disk, Verify, 16, 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS);
    CHECK(LogCount(&Run, " Read id=", "offset=0x1000 count=0x800", "") == 1);
    Counted(&Run, WnbdOperationOther, 1, 4 * 512);
    RunStop(&Run);
}

int main(void)
{
    TestWhole();
    TestSplit();
    TestFlushAfterWrite();
    TestUnmap();
    printf("ok\n");
    return 0;
}
