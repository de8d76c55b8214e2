/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Disks of a process get another size: who may, which sizes, how Windows is told, what becomes of requests that are
 * under way, and random sizes during I/O.
 */
#include "provider.h"
#include "server.h"

#include "scsi/scsi.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOCK_BYTES 512u
#define LARGE 4096u
#define SMALL 1024u
#define THREADS 4
#define OPERATIONS 400

/* What the linker puts in front: as many commands wait for each other that are about to be told. */
static atomic_int Missing;

bool __real_ScsiReportAttention(const SCSI_SENSE *Attention, const uint8_t *Cdb, size_t CdbLength, void *Data,
                                size_t DataLength, SCSI_RESULT *Result);
bool __wrap_ScsiReportAttention(const SCSI_SENSE *Attention, const uint8_t *Cdb, size_t CdbLength, void *Data,
                                size_t DataLength, SCSI_RESULT *Result);
bool __wrap_ScsiReportAttention(const SCSI_SENSE *Attention, const uint8_t *Cdb, size_t CdbLength, void *Data,
                                size_t DataLength, SCSI_RESULT *Result)
{
    if (atomic_load(&Missing) > 0) {
        atomic_fetch_sub(&Missing, 1);
        while (atomic_load(&Missing) > 0) {
            sched_yield();
        }
    }
    return __real_ScsiReportAttention(Attention, Cdb, CdbLength, Data, DataLength, Result);
}

typedef struct {
    BED Bed;
    PROVIDER Provider;
    DISK Disk;
} LIFE;

static void Begin(LIFE *Life, unsigned Servers)
{
    WNBD_PROPERTIES Properties;
    BedStart(&Life->Bed, &(NATIVE_OPTIONS){.LogLevel = 1});
    ProviderProperties(&Properties, "served", LARGE, BLOCK_BYTES);
    ProviderStart(&Life->Provider, &Life->Bed, &Properties);
    ProviderServe(&Life->Provider, Servers, ProviderObey);
    DiskOpen(&Life->Disk, &Life->Bed, 1);
}

static void End(LIFE *Life)
{
    CHECK(BedUnmap(&Life->Bed, "served") == STATUS_SUCCESS);
    ProviderJoin(&Life->Provider);
    CHECK(NativeChildWait(Life->Bed.Adapter, 0, 20000));
    DiskClose(&Life->Disk);
    ProviderEnd(&Life->Provider);
    BedStop(&Life->Bed);
}

static NTSTATUS SetSize(NATIVE_FILE *File, UINT64 ConnectionId, UINT64 BlockCount)
{
    WNBD_IOCTL_SET_SIZE_COMMAND Command = {
        .IoControlCode = IOCTL_WNBD_SET_DISK_SIZE, .ConnectionId = ConnectionId, .BlockCount = BlockCount};
    ULONG Used = 1;
    NTSTATUS Status = NativeIoctl(File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, &Used);
    CHECK(Used == 0);
    return Status;
}

static NTSTATUS Resize(LIFE *Life, UINT64 BlockCount)
{
    return SetSize(Life->Provider.File, Life->Provider.Info.ConnectionId, BlockCount);
}

/* Sense of a command that has ended as no success: key, code and qualifier in one number, 0: it has none. */
static uint32_t SenseOf(const DISK_IO *Io)
{
    return Io->Sense[0] == 0x70 ? (uint32_t)(Io->Sense[2] << 16 | Io->Sense[12] << 8 | Io->Sense[13]) : 0;
}

#define CAPACITY_CHANGED 0x062A09u
#define OUT_OF_RANGE 0x052100u

/* One command; returns 0 for success, else its sense. */
static uint32_t Command(LIFE *Life, bool Extended, const UCHAR *Cdb, UCHAR CdbLength, ULONG Flags, void *Data,
                        ULONG Length)
{
    DISK_IO Io;
    DiskBegin(&Life->Disk, &Io, Extended, Cdb, CdbLength, Flags, Data, Length);
    UCHAR Status = DiskWait(&Io, NULL);
    if (Status == SRB_STATUS_SUCCESS) {
        return 0;
    }
    CHECK(Status == SRB_STATUS_ERROR && SenseOf(&Io) != 0);
    return SenseOf(&Io);
}

static uint32_t Transfer(LIFE *Life, UCHAR Code, uint64_t Block, uint32_t Blocks)
{
    UCHAR Cdb[16];
    void *Data = calloc(Blocks, BLOCK_BYTES);
    CHECK(Data != NULL);
    DiskCdb16(Cdb, Code, Block, Blocks, false);
    uint32_t Sense = Command(Life, Block % 2 != 0, Cdb, sizeof(Cdb),
                             Code == 0x88 ? SRB_FLAGS_DATA_IN : SRB_FLAGS_DATA_OUT, Data, Blocks * BLOCK_BYTES);
    free(Data);
    return Sense;
}

/* READ CAPACITY (16). */
static uint32_t Capacity(LIFE *Life, uint64_t *BlockCount)
{
    UCHAR Answer[32] = {0}, Cdb[16] = {0x9E, 0x10};
    Cdb[13] = sizeof(Answer);
    uint32_t Sense = Command(Life, false, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Answer, sizeof(Answer));
    *BlockCount = 1;
    for (int Index = 0; Index < 8; Index++) {
        *BlockCount += (uint64_t)Answer[Index] << (56 - 8 * Index);
    }
    return Sense;
}

static void ExpectCapacity(LIFE *Life, uint64_t Wanted)
{
    uint64_t BlockCount;
    CHECK(Capacity(Life, &BlockCount) == 0 && BlockCount == Wanted);
}

static void ExpectShown(LIFE *Life, uint64_t Wanted)
{
    WNBD_IOCTL_SHOW_COMMAND Show = {.IoControlCode = IOCTL_WNBD_SHOW, .InstanceName = "served"};
    static WNBD_CONNECTION_INFO Info;
    CHECK(NativeIoctl(Life->Bed.File, WNBD_IOCTL_CONTROL_CODE, &Show, sizeof(Show), &Info, sizeof(Info), NULL) ==
          STATUS_SUCCESS);
    CHECK(Info.Properties.BlockCount == Wanted && Info.Properties.BlockSize == BLOCK_BYTES);
}

/* A kernel NBD disk beside it, whose size is its server's. */
static void RefusesNbd(LIFE *Life)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SERVER Server;
    ServerStart(&Server, Memory);
    BedProperties(&Properties, "disk", Server.Port);
    CHECK(BedMap(&Life->Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    CHECK(SetSize(Life->Bed.File, Result.ConnectionInfo.ConnectionId, SMALL) == STATUS_NOT_SUPPORTED);
    CHECK(SetSize(Life->Provider.File, Result.ConnectionInfo.ConnectionId, SMALL) == STATUS_NOT_SUPPORTED);
    CHECK(BedUnmap(&Life->Bed, "disk") == STATUS_SUCCESS);
    ServerStop(&Server);
}

static void Refusals(void)
{
    static LIFE Life;
    Begin(&Life, 1);
    UINT64 Id = Life.Provider.Info.ConnectionId;
    WNBD_IOCTL_SET_SIZE_COMMAND Reserved = {
        .IoControlCode = IOCTL_WNBD_SET_DISK_SIZE, .ConnectionId = Id, .BlockCount = SMALL};
    Reserved.Reserved[31] = 1;
    CHECK(NativeIoctl(Life.Provider.File, WNBD_IOCTL_CONTROL_CODE, &Reserved, sizeof(Reserved), NULL, 0, NULL) ==
          STATUS_INVALID_PARAMETER);
    Reserved.Reserved[31] = 0;
    CHECK(NativeIoctl(Life.Provider.File, WNBD_IOCTL_CONTROL_CODE, &Reserved, sizeof(Reserved) - 1, NULL, 0, NULL) ==
          STATUS_INVALID_PARAMETER);
    CHECK(Resize(&Life, 0) == STATUS_INVALID_PARAMETER);
    CHECK(Resize(&Life, INT64_MAX / BLOCK_BYTES + 1) == STATUS_INVALID_PARAMETER);
    CHECK(Resize(&Life, UINT64_MAX) == STATUS_INVALID_PARAMETER);
    CHECK(SetSize(Life.Bed.File, Id, SMALL) == STATUS_ACCESS_DENIED);
    PEPROCESS Stranger = NativeProcessCreate();
    NATIVE_FILE *File = NativeOpen(&WNBD_GUID, Stranger);
    CHECK(SetSize(File, Id, SMALL) == STATUS_ACCESS_DENIED);
    NativeClose(File);
    NativeProcessDelete(Stranger);
    CHECK(SetSize(Life.Provider.File, 0, SMALL) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(SetSize(Life.Provider.File, Id ^ (UINT64)1 << 40, SMALL) == STATUS_OBJECT_NAME_NOT_FOUND);
    ExpectCapacity(&Life, LARGE); /* and nothing is told */
    RefusesNbd(&Life);
    CHECK(BedUnmap(&Life.Bed, "served") == STATUS_SUCCESS);
    ProviderJoin(&Life.Provider);
    CHECK(Resize(&Life, SMALL) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(NativeChildWait(Life.Bed.Adapter, 0, 20000));
    DiskClose(&Life.Disk);
    ProviderEnd(&Life.Provider);
    BedStop(&Life.Bed);
}

/* What tells nothing and takes nothing away. */
static void ExpectSilent(LIFE *Life)
{
    UCHAR Data[64];
    CHECK(Command(Life, false, (const UCHAR[]){0x12, 0, 0, 0, sizeof(Data), 0}, 6, SRB_FLAGS_DATA_IN, Data,
                  sizeof(Data)) == 0);
    CHECK(Command(Life, true, (const UCHAR[]){0xA0, 0, 0, 0, 0, 0, 0, 0, 0, sizeof(Data), 0, 0}, 12, SRB_FLAGS_DATA_IN,
                  Data, sizeof(Data)) == 0);
}

static void Told(void)
{
    static const uint64_t Sizes[] = {LARGE + 1, SMALL, 1, INT64_MAX / BLOCK_BYTES, LARGE};
    static LIFE Life;
    uint64_t BlockCount;
    Begin(&Life, 2);
    ExpectSilent(&Life);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Sizes); Index++) {
        CHECK(Resize(&Life, Sizes[Index]) == STATUS_SUCCESS);
        ExpectShown(&Life, Sizes[Index]);
        ExpectSilent(&Life);
        CHECK(Capacity(&Life, &BlockCount) == CAPACITY_CHANGED);
        ExpectCapacity(&Life, Sizes[Index]);
        CHECK(Resize(&Life, Sizes[Index]) == STATUS_SUCCESS); /* which it is already */
        ExpectCapacity(&Life, Sizes[Index]);
        CHECK(Transfer(&Life, 0x88, Sizes[Index], 1) == OUT_OF_RANGE);
    }
    CHECK(Resize(&Life, SMALL) == STATUS_SUCCESS);
    CHECK(Transfer(&Life, 0x8A, 0, 1) == CAPACITY_CHANGED); /* and is not written */
    CHECK(Transfer(&Life, 0x8A, SMALL - 1, 1) == 0);
    CHECK(Transfer(&Life, 0x8A, SMALL - 1, 2) == OUT_OF_RANGE);
    CHECK(Resize(&Life, LARGE) == STATUS_SUCCESS && Resize(&Life, SMALL) == STATUS_SUCCESS);
    CHECK(Capacity(&Life, &BlockCount) == CAPACITY_CHANGED); /* once for both */
    ExpectCapacity(&Life, SMALL);
    End(&Life);
}

static void *CapacityMain(void *Context)
{
    uint64_t BlockCount;
    uint32_t Sense = Capacity(Context, &BlockCount);
    CHECK(Sense == CAPACITY_CHANGED || (Sense == 0 && BlockCount == SMALL));
    return Sense == 0 ? NULL : Context;
}

static void ToldOnce(void)
{
    static LIFE Life;
    pthread_t Threads[2];
    void *Told[2];
    Begin(&Life, 1);
    CHECK(Resize(&Life, SMALL) == STATUS_SUCCESS);
    atomic_store(&Missing, 2);
    for (int Index = 0; Index < 2; Index++) {
        CHECK(pthread_create(&Threads[Index], NULL, CapacityMain, &Life) == 0);
    }
    for (int Index = 0; Index < 2; Index++) {
        CHECK(pthread_join(Threads[Index], &Told[Index]) == 0);
    }
    CHECK((Told[0] == NULL) != (Told[1] == NULL));
    End(&Life);
}

static void ToldByRequestSense(void)
{
    static const UCHAR Wanted[18] = {0x70, 0, 0x06, 0, 0, 0, 0, 0x0A, 0, 0, 0, 0, 0x2A, 0x09};
    static const UCHAR Cdb[6] = {0x03, 0, 0, 0, 18, 0};
    static LIFE Life;
    UCHAR Data[18];
    Begin(&Life, 1);
    CHECK(Resize(&Life, SMALL) == STATUS_SUCCESS);
    CHECK(Command(&Life, false, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data)) == 0);
    CHECK(memcmp(Data, Wanted, sizeof(Data)) == 0);
    CHECK(Command(&Life, false, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data)) == 0);
    CHECK(Data[2] == 0 && Data[12] == 0);
    ExpectCapacity(&Life, SMALL);
    End(&Life);
}

/* A READ that the process has, and a WRITE that it hasn't, of blocks that the disk then has no more. */
static void UnderWay(void)
{
    static LIFE Life;
    static WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    static UCHAR Wanted[BLOCK_BYTES], Data[BLOCK_BYTES];
    UCHAR ReadCdb[16], WriteCdb[16];
    DISK_IO Read, Write;
    WNBD_IO_RESPONSE Response;
    uint64_t BlockCount;
    Begin(&Life, 0);
    void *Buffer = NativeUserAllocate(Life.Provider.Process, BLOCK_BYTES);
    memset(Wanted, 0x5A, sizeof(Wanted));
    DiskCdb16(ReadCdb, 0x88, LARGE - 1, 1, false);
    DiskCdb16(WriteCdb, 0x8A, LARGE - 1, 1, false);
    DiskBegin(&Life.Disk, &Read, false, ReadCdb, sizeof(ReadCdb), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    CHECK(ProviderFetch(&Life.Provider, Buffer, BLOCK_BYTES, &Fetch) == STATUS_SUCCESS);
    DiskBegin(&Life.Disk, &Write, true, WriteCdb, sizeof(WriteCdb), SRB_FLAGS_DATA_OUT, Wanted, sizeof(Wanted));
    CHECK(Resize(&Life, SMALL) == STATUS_SUCCESS);
    CHECK(Capacity(&Life, &BlockCount) == CAPACITY_CHANGED);

    CHECK(Fetch.Request.RequestType == WnbdReqTypeRead && Fetch.Request.Cmd.Read.BlockAddress == LARGE - 1);
    memset(Buffer, 0x5A, BLOCK_BYTES);
    ProviderSuccess(&Response, &Fetch.Request);
    CHECK(ProviderSend(&Life.Provider, &Response, Buffer, BLOCK_BYTES) == STATUS_SUCCESS);
    CHECK(DiskWait(&Read, NULL) == SRB_STATUS_SUCCESS && memcmp(Data, Wanted, sizeof(Data)) == 0);

    CHECK(ProviderFetch(&Life.Provider, Buffer, BLOCK_BYTES, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeWrite && Fetch.Request.Cmd.Write.BlockAddress == LARGE - 1);
    ProviderSuccess(&Response, &Fetch.Request);
    Response.Status.ScsiStatus = 0x02;
    Response.Status.SenseKey = 0x05;
    Response.Status.ASC = 0x21;
    CHECK(ProviderSend(&Life.Provider, &Response, NULL, 0) == STATUS_SUCCESS);
    CHECK(DiskWait(&Write, NULL) == SRB_STATUS_ERROR && SenseOf(&Write) == OUT_OF_RANGE);
    NativeUserFree(Buffer);
    End(&Life);
}

/* ---- during I/O ---- */

static struct {
    LIFE Life;
    atomic_uint Told;
    atomic_uint Outside;
    atomic_uint Done;
    atomic_bool Stop;
} Run;

static uint64_t Next(uint64_t *State)
{
    *State = *State * 6364136223846793005u + 1442695040888963407u;
    return *State >> 33;
}

/* READ, WRITE and READ CAPACITY: done, outside where the disk can end, or told; nothing else. */
static void *Work(void *Context)
{
    uint64_t State = (uint64_t)(uintptr_t)Context;
    for (unsigned Operation = 0; Operation < OPERATIONS; Operation++) {
        uint64_t Kind = Next(&State) % 3, Block = Next(&State) % LARGE, BlockCount;
        uint32_t Blocks = 1 + (uint32_t)(Next(&State) % 8), Sense;
        Blocks = Block + Blocks > LARGE ? 1 : Blocks;
        if (Kind == 2) {
            Sense = Capacity(&Run.Life, &BlockCount);
            CHECK(Sense == CAPACITY_CHANGED || (Sense == 0 && (BlockCount == SMALL || BlockCount == LARGE)));
        } else {
            Sense = Transfer(&Run.Life, Kind == 0 ? 0x88 : 0x8A, Block, Blocks);
            CHECK(Sense == 0 || Sense == CAPACITY_CHANGED || (Sense == OUT_OF_RANGE && Block + Blocks > SMALL));
        }
        Run.Done += Sense == 0;
        Run.Told += Sense == CAPACITY_CHANGED;
        Run.Outside += Sense == OUT_OF_RANGE;
    }
    return NULL;
}

static void *Change(void *Context)
{
    unsigned *Changes = Context;
    while (!Run.Stop) {
        unsigned Told = Run.Told;
        CHECK(Resize(&Run.Life, *Changes % 2 == 0 ? SMALL : LARGE) == STATUS_SUCCESS);
        ++*Changes;
        /* Another one before somebody has been told of it would be told with it. */
        while (Told == Run.Told && !Run.Stop) {
            sched_yield();
        }
    }
    return NULL;
}

static void DuringIo(void)
{
    pthread_t Workers[THREADS], Changer;
    unsigned Changes = 0;
    uint64_t BlockCount;
    Begin(&Run.Life, 3);
    CHECK(pthread_create(&Changer, NULL, Change, &Changes) == 0);
    for (uintptr_t Index = 0; Index < THREADS; Index++) {
        CHECK(pthread_create(&Workers[Index], NULL, Work, (void *)(Index + 1)) == 0);
    }
    for (int Index = 0; Index < THREADS; Index++) {
        CHECK(pthread_join(Workers[Index], NULL) == 0);
    }
    Run.Stop = true;
    CHECK(pthread_join(Changer, NULL) == 0);
    /* The last change may not have met anybody. */
    Run.Told += Capacity(&Run.Life, &BlockCount) == CAPACITY_CHANGED;
    printf("%u changes, told %u times; %u done, %u outside\n", Changes, Run.Told, Run.Done, Run.Outside);
    CHECK(Run.Told == Changes && Changes > 10 && Run.Done != 0 && Run.Outside != 0);
    ExpectCapacity(&Run.Life, Changes % 2 == 0 ? LARGE : SMALL);
    End(&Run.Life);
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Test)(void);
    } Tests[] = {
        {"refusals", Refusals},
        {"Windows is told once", Told},
        {"one of two at once is told", ToldOnce},
        {"REQUEST SENSE tells, too", ToldByRequestSense},
        {"requests under way", UnderWay},
        {"during I/O", DuringIo},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Test();
    }
    printf("ok\n");
    return 0;
}
