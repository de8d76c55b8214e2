/* SPDX-License-Identifier: LGPL-2.1-only */
/* served.h. */
#include "served.h"

#include <time.h>

#include "ground.h"

#define BLOCK_BYTES 512u
#define BLOCKS 2048u
#define LARGE_BYTES 0x20000u /* more than the driver copies at once */
#define MEMORY_BYTES 0x40000u
#define READ_ONLY_BYTES 0x1000u
#define UNTOUCHED 0xCC
#define RUBBISH 0xB5 /* what the test bed's pool is filled with */

typedef struct {
    UCHAR Cdb[16];
    UCHAR CdbLength;
    ULONG Direction;
    ULONG Length;
} ASKED;

static const ASKED Kinds[] = {
    {{0x28, [8] = 8}, 10, SRB_FLAGS_DATA_IN, 8 * BLOCK_BYTES},            /* READ */
    {{0x2A, [8] = 4}, 10, SRB_FLAGS_DATA_OUT, 4 * BLOCK_BYTES},           /* WRITE */
    {{0x35}, 10, 0, 0},                                                   /* a flush */
    {{0x42, [8] = 40}, 10, SRB_FLAGS_DATA_OUT, 40},                       /* UNMAP */
    {{0x5E, [8] = 64}, 10, SRB_FLAGS_DATA_IN, 64},                        /* reservations */
    {{0x5F, [8] = 24}, 10, SRB_FLAGS_DATA_OUT, 24},                       /* the same */
    {{0x28, 0x08, [5] = 7, [8] = 1}, 10, SRB_FLAGS_DATA_IN, BLOCK_BYTES}, /* with FUA */
    {{0x2A, [5] = 2, [7] = 1}, 10, SRB_FLAGS_DATA_OUT, LARGE_BYTES},      /* a large one */
};

typedef struct {
    DISK_IO Io;
    const ASKED *Kind;
    UCHAR Data[LARGE_BYTES];
} SERVED_IO;

static bool There; /* the disk was made */
static DISK Disk;
static UINT64 Id;
static UCHAR *Memory, *ReadOnly;
static SERVED_IO Ios[SERVED_ASKED_MOST];
static size_t Asked;
/* What has been fetched, and not answered yet. */
static WNBD_IO_REQUEST Taken[SERVED_ASKED_MOST];
static size_t TakenCount;
static WNBD_IO_REQUEST Answered; /* the last one */

void *ServedAddress(uint64_t Offset)
{
    if (There && Offset < MEMORY_BYTES) {
        return Memory + Offset;
    }
    if (There && Offset >= SERVED_READ_ONLY && Offset < SERVED_READ_ONLY + READ_ONLY_BYTES) {
        return ReadOnly + (Offset - SERVED_READ_ONLY);
    }
    return (void *)(uintptr_t)Offset;
}

static void MakeMemory(void)
{
    PEPROCESS Process = NativeFileProcess(LiveBed.File);
    if (Memory == NULL) {
        Memory = NativeUserAllocate(Process, MEMORY_BYTES);
        ReadOnly = NativeUserAllocate(Process, READ_ONLY_BYTES);
        NativeUserProtect(ReadOnly, false);
    }
    memset(Memory, 0x5A, MEMORY_BYTES);
}

void ServedBegin(void)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties = {.InstanceName = "served", .BlockCount = BLOCKS, .BlockSize = BLOCK_BYTES};
    Properties.Flags.FlushSupported = 1;
    Properties.Flags.FUASupported = 1;
    Properties.Flags.UnmapSupported = 1;
    Properties.Flags.PersistResSupported = 1;
    Properties.MaxUnmapDescCount = 4;
    MakeMemory();
    MUST(BedMap(&LiveBed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    Id = Result.ConnectionInfo.ConnectionId;
    DiskOpen(&Disk, &LiveBed, 1);
    Asked = 0;
    TakenCount = 0;
    memset(&Answered, 0, sizeof(Answered));
    There = true;
}

/* ---- Windows ---- */

/* How many requests the disk has had; 0: it is gone. */
static INT64 Received(void)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "served"};
    WNBD_DRV_STATS Stats = {0};
    NativeIoctl(LiveBed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Stats, sizeof(Stats), NULL);
    return Stats.TotalReceivedIORequests;
}

void ServedAsk(uint8_t Kind)
{
    if (!There || Asked == SERVED_ASKED_MOST) {
        return;
    }
    SERVED_IO *Io = &Ios[Asked++];
    Io->Kind = &Kinds[Kind % RTL_NUMBER_OF(Kinds)];
    memset(Io->Data, Io->Kind->Direction == SRB_FLAGS_DATA_IN ? UNTOUCHED : 0, sizeof(Io->Data));
    if (Io->Kind->Cdb[0] == 0x42) {
        /* Two descriptors, of four blocks each. */
        static const UCHAR List[40] = {0, 38, 0, 32, [8 + 11] = 4, [24 + 7] = 9, [24 + 11] = 4};
        memcpy(Io->Data, List, sizeof(List));
    }
    INT64 Before = Received();
    DiskBegin(&Disk, &Io->Io, Asked % 2 == 0, Io->Kind->Cdb, Io->Kind->CdbLength, Io->Kind->Direction,
              Io->Kind->Length != 0 ? Io->Data : NULL, Io->Kind->Length);
    uint64_t Deadline = GroundNow() + LIVE_DEADLINE_MS * UINT64_C(10000);
    /* The driver has it, or has had it. */
    while (Received() == Before && !NativeRequestPoll(Io->Io.Request, 0)) {
        MUST(GroundNow() < Deadline);
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000}, NULL);
    }
}

/* What has been read is the process's memory, all of it, and nothing else is. */
static void CheckData(const SERVED_IO *Io, ULONG Moved)
{
    MUST(Moved <= Io->Kind->Length);
    for (ULONG Index = 0; Index + 1 < Moved; Index++) {
        MUST(Io->Data[Index] != UNTOUCHED || Io->Data[Index + 1] != UNTOUCHED);
        MUST(Io->Data[Index] != RUBBISH || Io->Data[Index + 1] != RUBBISH);
    }
    for (ULONG Index = Moved; Index < LARGE_BYTES; Index++) {
        MUST(Io->Data[Index] == UNTOUCHED);
    }
}

void ServedEnd(void)
{
    if (!There) {
        return;
    }
    BedUnmap(&LiveBed, "served");
    for (size_t Index = 0; Index < Asked; Index++) {
        ULONG Moved = 0;
        UCHAR Status = DiskWait(&Ios[Index].Io, &Moved);
        if (Status == SRB_STATUS_SUCCESS && Ios[Index].Kind->Direction == SRB_FLAGS_DATA_IN) {
            CheckData(&Ios[Index], Moved);
        }
    }
    DiskClose(&Disk);
    There = false;
}

/* ---- The process ---- */

UINT64 ServedId(void)
{
    return There ? Id : 0;
}

void ServedFetch(WNBD_IOCTL_FETCH_REQ_COMMAND *Command)
{
    Command->ConnectionId = ServedId();
    Command->DataBufferSize = MEMORY_BYTES;
}

void ServedTake(const WNBD_IO_REQUEST *Request)
{
    if (Request->RequestType != WnbdReqTypeDisconnect && TakenCount < SERVED_ASKED_MOST) {
        Taken[TakenCount++] = *Request;
    }
}

static UINT32 DataBytes(const WNBD_IO_REQUEST *Request)
{
    if (Request->RequestType == WnbdReqTypeRead) {
        return Request->Cmd.Read.BlockCount * BLOCK_BYTES;
    }
    return Request->RequestType == WnbdReqTypePersistResIn ? Request->Cmd.PersistResIn.AllocationLength : 0;
}

void ServedAnswer(WNBD_IOCTL_SEND_RSP_COMMAND *Command, bool First)
{
    /* If there is none: what was answered last, once more. */
    if (TakenCount != 0) {
        size_t Index = First ? 0 : TakenCount - 1;
        Answered = Taken[Index];
        TakenCount--;
        memmove(&Taken[Index], &Taken[Index + 1], (TakenCount - Index) * sizeof(Taken[0]));
    }
    Command->ConnectionId = ServedId();
    Command->Response.RequestHandle = Answered.RequestHandle;
    Command->Response.RequestType = Answered.RequestType;
    Command->DataBufferSize = DataBytes(&Answered);
}
