/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random READ, WRITE with and without FUA, UNMAP and SYNCHRONIZE CACHE at depth, beside a model of the disk, with one
 * server after the other; then what the server holds, as a second connection (nbdcopy) reads it. Argument: the seed.
 */
#include "bed.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DISK_BYTES (8u * 1024 * 1024)
#define DEPTH 32
#define OPERATIONS 600

typedef enum { KIND_READ, KIND_WRITE, KIND_UNMAP, KIND_FLUSH } KIND;

typedef struct {
    DISK_IO Io;
    bool Busy;
    KIND Kind;
    uint64_t Block;
    uint32_t Count;
    UCHAR *Data;
} WORKER;

typedef struct {
    DISK Disk;
    UCHAR *Model;
    WORKER Workers[DEPTH];
    uint64_t Random;
    unsigned Done[4]; /* by KIND */
} RUN;

static uint32_t RunRandom(RUN *Run, uint32_t Below)
{
    Run->Random = Run->Random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(Run->Random >> 33) % Below;
}

/* Requests in flight at the same time must not touch the same blocks: their order is nobody's promise. */
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
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, Worker->Block, Worker->Count, RunRandom(Run, 3) == 0);
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

static void WorkerBegin(RUN *Run, WORKER *Worker)
{
    static const KIND Kinds[] = {KIND_READ,  KIND_READ,  KIND_READ,  KIND_WRITE, KIND_WRITE,
                                 KIND_WRITE, KIND_WRITE, KIND_UNMAP, KIND_UNMAP, KIND_FLUSH};
    static const UCHAR Flush[10] = {0x35};
    uint32_t Most = (RunRandom(Run, 16) == 0 ? 1024 * 1024 : 32 * 1024) / Run->Disk.BlockSize;
    do {
        Worker->Count = 1 + RunRandom(Run, Most);
        Worker->Block = RunRandom(Run, (uint32_t)Run->Disk.BlockCount - Worker->Count + 1);
    } while (RunOverlaps(Run, Worker->Block, Worker->Count));
    Worker->Busy = true;
    Worker->Kind = Kinds[RunRandom(Run, sizeof(Kinds) / sizeof(Kinds[0]))];
    if (Worker->Kind == KIND_FLUSH) {
        Worker->Data = NULL;
        Worker->Count = 0;
        DiskBegin(&Run->Disk, &Worker->Io, RunRandom(Run, 2) == 0, Flush, 10, 0, NULL, 0);
    } else if (Worker->Kind == KIND_UNMAP) {
        WorkerUnmap(Run, Worker);
    } else {
        WorkerTransfer(Run, Worker);
    }
}

static void RunRequests(RUN *Run)
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

/* What the server holds, read by another client over a connection of its own. */
static void RunCompare(const RUN *Run, uint16_t Port, const char *Folder)
{
    char Command[256], Name[64];
    UCHAR *Data = Allocate(DISK_BYTES);
    FILE *Copy;
    snprintf(Name, sizeof(Name), "%s/second", Folder);
    snprintf(Command, sizeof(Command), "nbdcopy --request-size=65536 nbd://127.0.0.1:%u/disk %s", Port, Name);
    CHECK(system(Command) == 0);
    Copy = fopen(Name, "rb");
    CHECK(Copy != NULL && fread(Data, 1, DISK_BYTES, Copy) == DISK_BYTES && fgetc(Copy) == EOF);
    fclose(Copy);
    CHECK(memcmp(Data, Run->Model, DISK_BYTES) == 0);
    free(Data);
}

static void RunPeer(const char *Name, const char *Line, uint64_t Seed, const char *Folder)
{
    static const UCHAR Flush[10] = {0x35};
    static RUN Run;
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SERVER Server;
    BED Bed;
    memset(&Run, 0, sizeof(Run));
    Run.Random = Seed;
    Run.Model = calloc(1, DISK_BYTES);
    CHECK(Run.Model != NULL);
    ServerStartLine(&Server, Line, Folder);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .LogLevel = 1});
    BedProperties(&Properties, "disk", Server.Port);
    strcpy(Properties.NbdProperties.ExportName, "disk");
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(&Run.Disk, &Bed, 1);
    CHECK(Run.Disk.BlockCount * Run.Disk.BlockSize == DISK_BYTES);
    RunRequests(&Run);
    CHECK(DiskCommand(&Run.Disk, Flush, 10, 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS);
    RunCompare(&Run, Server.Port, Folder);
    BedUnmapDisk(&Bed, &Run.Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    free(Run.Model);
    printf("%s: blocks of %u; %u reads, %u writes, %u unmaps, %u flushes\n", Name, Run.Disk.BlockSize, Run.Done[0],
           Run.Done[1], Run.Done[2], Run.Done[3]);
}

#define NBDKIT "exec nbdkit -f -i 127.0.0.1 -p $PORT "
#define QEMU "exec qemu-nbd -b 127.0.0.1 -p $PORT -t -e 4 -x disk --discard=unmap "
/* nbd-server puts itself into a session of its own, which ends when what holds the pipe does. */
#define DAEMON                                                                                                         \
    "nbd-server -C config -p $PWD/pid; until [ -s pid ]; do sleep 0.01; done; mkfifo hold; export GROUP=$(cat pid); "  \
    "setsid -f sh -c 'cat hold; kill -9 -$GROUP' >/dev/null 2>&1; exec sleep infinity >hold"

int main(int Count, char **Arguments)
{
    static const char *const Peers[][2] = {
        {"nbd-server",
         "printf '[generic]\\nlistenaddr=127.0.0.1\\nport=%s\\n[disk]\\nexportname=%s/image\\nflush=true\\n"
         "fua=true\\ntrim=true\\n' $PORT $PWD > config; " DAEMON},
        {"nbdkit memory", NBDKIT "memory 8M"},
        {"nbdkit file", NBDKIT "file image"},
        {"nbdkit blocksize-policy",
         NBDKIT "--filter=blocksize-policy file image blocksize-minimum=4096 blocksize-preferred=65536 "
                "blocksize-maximum=256K blocksize-error-policy=error"},
        {"nbdkit delay", NBDKIT "--filter=delay file image rdelay=5ms wdelay=5ms"},
        {"qemu-nbd raw", QEMU "-f raw image"},
        {"qemu-nbd qcow2", "qemu-img create -q -f qcow2 image.qcow2 8M && " QEMU "-f qcow2 image.qcow2"},
    };
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    printf("sim peers, seed %llu\n", (unsigned long long)Seed);
    fflush(stdout);
    for (size_t Index = 0; Index < sizeof(Peers) / sizeof(Peers[0]); Index++) {
        char Folder[] = "/tmp/wnbd-peers-XXXXXX", Image[64], Command[64];
        CHECK(mkdtemp(Folder) != NULL);
        snprintf(Image, sizeof(Image), "%s/image", Folder);
        FILE *File = fopen(Image, "wb");
        CHECK(File != NULL && ftruncate(fileno(File), DISK_BYTES) == 0);
        fclose(File);
        RunPeer(Peers[Index][0], Peers[Index][1], Seed + Index, Folder);
        fflush(stdout);
        snprintf(Command, sizeof(Command), "rm -r %s", Folder);
        CHECK(system(Command) == 0);
    }
    printf("ok\n");
    return 0;
}
