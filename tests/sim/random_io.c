/* SPDX-License-Identifier: LGPL-2.1-only */
/* Random requests at depth; see random_io.h. */
#include "random_io.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t RunRandom(RUN *Run, uint32_t Below)
{
    Run->Random = Run->Random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(Run->Random >> 33) % Below;
}

/* Requests in flight at the same time must not touch the same blocks: their order is nobody's promise. */
static bool RunOverlaps(const RUN *Run, uint64_t Block, uint32_t Count)
{
    for (int Index = 0; Index < RANDOM_DEPTH_MAX; Index++) {
        const WORKER *Worker = &Run->Workers[Index];
        if (Worker->Busy && Block < Worker->Block + Worker->Count && Worker->Block < Block + Count) {
            return true;
        }
    }
    return false;
}

static const UCHAR Flush[10] = {0x35};

static UCHAR *Allocate(size_t Length)
{
    UCHAR *Data = malloc(Length);
    CHECK(Data != NULL);
    return Data;
}

static size_t WorkerOffset(const RUN *Run, const WORKER *Worker)
{
    return (size_t)Worker->Block * Run->Disk.BlockSize;
}

static size_t WorkerLength(const RUN *Run, const WORKER *Worker)
{
    return (size_t)Worker->Count * Run->Disk.BlockSize;
}

/* Each block that was unmapped holds zeroes or what it held: a server may do nothing. The model follows it. */
static void WorkerLearn(RUN *Run, const WORKER *Worker)
{
    static const UCHAR Zeroes[4096];
    size_t Length = WorkerLength(Run, Worker), Size = Run->Disk.BlockSize;
    UCHAR Cdb[16], *Data = Allocate(Length), *Model = Run->Model + WorkerOffset(Run, Worker);
    CHECK(Size <= sizeof(Zeroes));
    DiskCdb16(Cdb, 0x88, Worker->Block, Worker->Count, false);
    CHECK(DiskCommand(&Run->Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, (ULONG)Length, NULL) == SRB_STATUS_SUCCESS);
    for (size_t At = 0; At < Length; At += Size) {
        CHECK(memcmp(Data + At, Zeroes, Size) == 0 || memcmp(Data + At, Model + At, Size) == 0);
    }
    memcpy(Model, Data, Length);
    free(Data);
}

static void WorkerFinish(RUN *Run, WORKER *Worker)
{
    size_t Length = WorkerLength(Run, Worker);
    ULONG Moved;
    CHECK(DiskWait(&Worker->Io, &Moved) == SRB_STATUS_SUCCESS);
    if (Worker->Kind == KIND_READ) {
        CHECK(Moved == Length && memcmp(Worker->Data, Run->Model + WorkerOffset(Run, Worker), Length) == 0);
    } else if (Worker->Kind == KIND_WRITE) {
        CHECK(Moved == Length);
        memcpy(Run->Model + WorkerOffset(Run, Worker), Worker->Data, Length);
    } else if (Worker->Kind == KIND_UNMAP) {
        WorkerLearn(Run, Worker);
    }
    Run->Done[Worker->Kind]++;
    free(Worker->Data);
    Worker->Busy = false;
}

static void WorkerTransfer(RUN *Run, WORKER *Worker)
{
    size_t Length = WorkerLength(Run, Worker);
    bool Write = Worker->Kind == KIND_WRITE;
    UCHAR Cdb[16];
    Worker->Data = Allocate(Length);
    for (size_t Index = 0; Write && Index < Length; Index += 4) {
        uint32_t Word = RunRandom(Run, 0x7FFFFFFF);
        memcpy(Worker->Data + Index, &Word, 4);
    }
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, Worker->Block, Worker->Count, RunRandom(Run, Run->Mix->FuaOneIn) == 0);
    DiskBegin(&Run->Disk, &Worker->Io, RunRandom(Run, 2) == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
              Worker->Data, (ULONG)Length);
}

/* SBC-3 5.28: a list of one descriptor, which READ(16)'s block and count have the byte order of. */
static void WorkerUnmap(RUN *Run, WORKER *Worker)
{
    static const UCHAR Cdb[10] = {0x42, [8] = 24};
    UCHAR Address[16];
    Worker->Data = Allocate(24);
    memset(Worker->Data, 0, 24);
    Worker->Data[1] = 22;
    Worker->Data[3] = 16;
    DiskCdb16(Address, 0, Worker->Block, Worker->Count, false);
    memcpy(Worker->Data + 8, Address + 2, 12);
    DiskBegin(&Run->Disk, &Worker->Io, RunRandom(Run, 2) == 0, Cdb, 10, SRB_FLAGS_DATA_OUT, Worker->Data, 24);
}

static KIND RunKind(RUN *Run)
{
    uint32_t Share =
        RunRandom(Run, Run->Mix->Shares[0] + Run->Mix->Shares[1] + Run->Mix->Shares[2] + Run->Mix->Shares[3]);
    int Kind = KIND_READ;
    while (Share >= Run->Mix->Shares[Kind]) {
        Share -= Run->Mix->Shares[Kind++];
    }
    return (KIND)Kind;
}

static void WorkerBegin(RUN *Run, WORKER *Worker)
{
    const RANDOM_MIX *Mix = Run->Mix;
    uint32_t Most = (RunRandom(Run, Mix->LargeOneIn) == 0 ? Mix->LargeBytes : Mix->SmallBytes) / Run->Disk.BlockSize;
    do {
        Worker->Count = 1 + RunRandom(Run, Most);
        Worker->Block = RunRandom(Run, (uint32_t)Run->Disk.BlockCount - Worker->Count + 1);
    } while (RunOverlaps(Run, Worker->Block, Worker->Count));
    Worker->Busy = true;
    Worker->Kind = RunKind(Run);
    if (Worker->Kind == KIND_FLUSH) {
        Worker->Data = NULL;
        Worker->Count = 0;
        DiskBegin(&Run->Disk, &Worker->Io, RunRandom(Run, 2) == 0, Flush, sizeof(Flush), 0, NULL, 0);
    } else if (Worker->Kind == KIND_UNMAP) {
        WorkerUnmap(Run, Worker);
    } else {
        WorkerTransfer(Run, Worker);
    }
}

void RunStart(RUN *Run, const RANDOM_MIX *Mix, uint64_t Seed, size_t DiskBytes)
{
    memset(Run, 0, sizeof(*Run));
    Run->Mix = Mix;
    Run->Random = Seed;
    Run->Model = calloc(1, DiskBytes);
    CHECK(Run->Model != NULL);
}

void RunRequests(RUN *Run, int Operations)
{
    for (int Count = 0; Count < Operations; Count++) {
        WORKER *Worker = &Run->Workers[RunRandom(Run, Run->Mix->Depth)];
        if (Worker->Busy) {
            WorkerFinish(Run, Worker);
        }
        WorkerBegin(Run, Worker);
    }
    for (int Index = 0; Index < RANDOM_DEPTH_MAX; Index++) {
        if (Run->Workers[Index].Busy) {
            WorkerFinish(Run, &Run->Workers[Index]);
        }
    }
    CHECK(DiskCommand(&Run->Disk, Flush, sizeof(Flush), 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS);
}

void RunEnd(RUN *Run)
{
    free(Run->Model);
}
