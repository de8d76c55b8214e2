/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Map, read and write at random beside a model of the disk, flush, unmap: the
 * driver, the Storport host, NT and WSK in this process, nbdkit outside.
 * Argument: the seed.
 */
#include "bed.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define DISK_BYTES (64u * 1024 * 1024)
#define DEPTH 32
#define OPERATIONS 600

typedef struct {
    DISK_IO Io;
    bool Busy;
    bool Write;
    uint64_t Block;
    uint32_t Count;
    UCHAR *Data;
} WORKER;

typedef struct {
    DISK Disk;
    UCHAR *Model;
    WORKER Workers[DEPTH];
    uint64_t Random;
    uint32_t Blocks; /* at most, per operation */
} RUN;

static uint32_t RunRandom(RUN *Run, uint32_t Below)
{
    Run->Random = Run->Random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(Run->Random >> 33) % Below;
}

/* Operations in flight at the same time must not touch the same blocks: their order is nobody's promise. */
static bool RunOverlaps(const RUN *Run, uint64_t Block, uint32_t Count)
{
    for (int Index = 0; Index < DEPTH; Index++) {
        const WORKER *Worker = &Run->Workers[Index];
        if (Worker->Busy && Block < Worker->Block + Worker->Count && Worker->Block < Block + Count) {
            return true;
        }
    }
    return false;
}

static void WorkerFinish(RUN *Run, WORKER *Worker)
{
    size_t Offset = Worker->Block * Run->Disk.BlockSize, Length = (size_t)Worker->Count * Run->Disk.BlockSize;
    ULONG Moved;
    CHECK(DiskWait(&Worker->Io, &Moved) == SRB_STATUS_SUCCESS);
    CHECK(Moved == Length);
    if (!Worker->Write) {
        CHECK(memcmp(Worker->Data, Run->Model + Offset, Length) == 0);
    }
    free(Worker->Data);
    Worker->Busy = false;
}

static void WorkerBegin(RUN *Run, WORKER *Worker)
{
    UCHAR Cdb[16];
    do {
        Worker->Count = RunRandom(Run, 8) == 0 ? 1 + RunRandom(Run, Run->Blocks) : 1 + RunRandom(Run, 16);
        Worker->Block = RunRandom(Run, (uint32_t)Run->Disk.BlockCount - Worker->Count + 1);
    } while (RunOverlaps(Run, Worker->Block, Worker->Count));
    size_t Offset = Worker->Block * Run->Disk.BlockSize, Length = (size_t)Worker->Count * Run->Disk.BlockSize;
    Worker->Write = RunRandom(Run, 2) == 0;
    Worker->Busy = true;
    Worker->Data = malloc(Length);
    CHECK(Worker->Data != NULL);
    if (Worker->Write) {
        for (size_t Index = 0; Index < Length; Index += 4) {
            uint32_t Word = RunRandom(Run, 0x7FFFFFFF);
            memcpy(Worker->Data + Index, &Word, 4);
        }
        memcpy(Run->Model + Offset, Worker->Data, Length);
    }
    DiskCdb16(Cdb, Worker->Write ? 0x8A : 0x88, Worker->Block, Worker->Count, RunRandom(Run, 4) == 0);
    DiskBegin(&Run->Disk, &Worker->Io, RunRandom(Run, 2) == 0, Cdb, 16,
              Worker->Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Worker->Data, (ULONG)Length);
}

static void RunRandomIo(RUN *Run)
{
    for (int Count = 0; Count < OPERATIONS; Count++) {
        WORKER *Worker = &Run->Workers[RunRandom(Run, DEPTH)];
        if (Worker->Busy) {
            WorkerFinish(Run, Worker);
        }
        WorkerBegin(Run, Worker);
    }
    for (int Index = 0; Index < DEPTH; Index++) {
        if (Run->Workers[Index].Busy) {
            WorkerFinish(Run, &Run->Workers[Index]);
        }
    }
}

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
    const UCHAR Flush[10] = {0x35};
    SERVER Server;
    BED Bed;
    WNBD_PROPERTIES Properties;
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    printf("sim map_io, seed %llu\n", (unsigned long long)Seed);
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .LogLevel = 1});
    Run.Random = Seed;
    Run.Model = calloc(1, DISK_BYTES);
    CHECK(Run.Model != NULL);

    BedProperties(&Properties, "disk", Server.Port);
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS);
    printf("mapped: status %u, phase %d, \"%s\"\n", Result.Status, (int)Result.Phase, Result.Message);
    CHECK(Result.Status == 0);
    DiskOpen(&Run.Disk, &Bed, 1);
    CHECK(NativeDeviceHasId(Run.Disk.Child, "GenDisk"));
    CHECK(Run.Disk.BlockCount * Run.Disk.BlockSize == DISK_BYTES);
    Run.Blocks = WNBD_DEFAULT_MAX_TRANSFER_LENGTH / Run.Disk.BlockSize;

    RunRandomIo(&Run);
    CHECK(DiskCommand(&Run.Disk, Flush, 10, 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS);
    RunVerifyAll(&Run);

    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Run.Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    free(Run.Model);
    printf("ok\n");
    return 0;
}
