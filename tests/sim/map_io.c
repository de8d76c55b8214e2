/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Map, read and write at random beside a model of the disk, flush, unmap: the
 * driver, the Storport host, NT and WSK in this process, nbdkit outside.
 * Argument: the seed.
 */
#include "random_io.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define DISK_BYTES (64u * 1024 * 1024)
#define OPERATIONS 600

static const RANDOM_MIX Mix = {.Shares = {1, 1},
                               .LargeOneIn = 8,
                               .LargeBytes = WNBD_DEFAULT_MAX_TRANSFER_LENGTH,
                               .SmallBytes = 8 * 1024,
                               .FuaOneIn = 4,
                               .Depth = 32};

static void RunVerifyAll(RUN *Run)
{
    const uint32_t Chunk = 1024 * 1024;
    UCHAR Cdb[16], *Data = malloc(Chunk);
    CHECK(Data != NULL);
    for (size_t Offset = 0; Offset < DISK_BYTES; Offset += Chunk) {
        DiskCdb16(Cdb, 0x88, Offset / Run->Disk.BlockSize, Chunk / Run->Disk.BlockSize, false);
        CHECK(DiskCommand(&Run->Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, Chunk, NULL) == SRB_STATUS_SUCCESS);
        CHECK(memcmp(Data, Run->Model + Offset, Chunk) == 0);
    }
    free(Data);
}

int main(int Count, char **Arguments)
{
    static const char *const Plugin[] = {"memory", "64M", NULL};
    static RUN Run;
    static WNBD_CREATE_RESULT Result;
    SERVER Server;
    BED Bed;
    WNBD_PROPERTIES Properties;
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    printf("sim map_io, seed %llu\n", (unsigned long long)Seed);
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .LogLevel = 1});
    RunStart(&Run, &Mix, Seed, DISK_BYTES);

    BedProperties(&Properties, "disk", Server.Port);
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS);
    printf("mapped: status %u, phase %d, \"%s\"\n", Result.Status, (int)Result.Phase, Result.Message);
    CHECK(Result.Status == 0);
    DiskOpen(&Run.Disk, &Bed, 1);
    CHECK(NativeDeviceHasId(Run.Disk.Child, "GenDisk"));
    CHECK(Run.Disk.BlockCount * Run.Disk.BlockSize == DISK_BYTES);

    RunRequests(&Run, OPERATIONS);
    RunVerifyAll(&Run);

    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Run.Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    RunEnd(&Run);
    printf("ok\n");
    return 0;
}
