/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random READ, WRITE with and without FUA, UNMAP and SYNCHRONIZE CACHE at depth, beside a model of the disk, with one
 * server after the other; then what the server holds, as a second connection (nbdcopy) reads it. Argument: the seed.
 */
#include "random_io.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DISK_BYTES (8u * 1024 * 1024)
#define OPERATIONS 600

static const RANDOM_MIX Mix = {.Shares = {3, 4, 2, 1},
                               .LargeOneIn = 16,
                               .LargeBytes = 1024 * 1024,
                               .SmallBytes = 32 * 1024,
                               .FuaOneIn = 3,
                               .Depth = 32};

/* What the server holds, read by another client over a connection of its own. */
static void RunCompare(const RUN *Run, uint16_t Port, const char *Folder)
{
    char Command[256], Name[64];
    UCHAR *Data = malloc(DISK_BYTES);
    FILE *Copy;
    CHECK(Data != NULL);
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
    static RUN Run;
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SERVER Server;
    BED Bed;
    RunStart(&Run, &Mix, Seed, DISK_BYTES);
    ServerStartLine(&Server, Line, Folder);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .LogLevel = 1});
    BedProperties(&Properties, "disk", Server.Port);
    strcpy(Properties.NbdProperties.ExportName, "disk");
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(&Run.Disk, &Bed, 1);
    CHECK(Run.Disk.BlockCount * Run.Disk.BlockSize == DISK_BYTES);
    RunRequests(&Run, OPERATIONS);
    RunCompare(&Run, Server.Port, Folder);
    BedUnmapDisk(&Bed, &Run.Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    RunEnd(&Run);
    printf("%s: blocks of %u; %u reads, %u writes, %u unmaps, %u flushes\n", Name, Run.Disk.BlockSize, Run.Done[0],
           Run.Done[1], Run.Done[2], Run.Done[3]);
}

#define NBDKIT "exec nbdkit -f -i 127.0.0.1 -p $PORT "
#define QEMU "exec qemu-nbd -b 127.0.0.1 -p $PORT -t -e 4 -x disk --discard=unmap "
/*
 * nbd-server puts itself into a session of its own, which a guard ends when nobody holds the pipe any more. The guard
 * is there first: this test may be killed at any moment.
 */
#define DAEMON                                                                                                         \
    "mkfifo hold; exec 3<>hold 4<hold; setsid -f sh -c 'cat <&4; for n in 1 2 3 4 5 6 7 8 9; do "                      \
    "kill -9 -$(cat pid) && break; sleep 0.1; done' 3>&- >/dev/null 2>&1; exec 4<&-; "                                 \
    "nbd-server -C config -p $PWD/pid 3>&-; exec sleep infinity"

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
