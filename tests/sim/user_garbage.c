/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process that answers with garbage: handles, types, statuses, sense,
 * lengths and memory at random, fetches into anything, commands of random
 * bytes, for its own disk and for that of another process. Each request that
 * Windows has sent to its disk ends, and the other disk does not notice.
 *
 *     sim_user_garbage [REQUESTS [SEED]]
 */
#include "neighbour.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_USUAL 3000u
#define BLOCK_BYTES 512u
#define BLOCKS 4096u
#define DEPTH 24u
#define LENGTH_BLOCKS_MAX 64u
#define THREADS 4u
#define BUFFER_BYTES (LENGTH_BLOCKS_MAX * BLOCK_BYTES)
#define HANDLES 64u
#define GONE_MS 60000u

/* One thread of the process. */
typedef struct {
    pthread_t Thread;
    uint64_t Random;
    UCHAR *Buffer;
    UINT64 Handles[HANDLES]; /* that it has been given */
    unsigned Refused;
} VANDAL;

static BED Bed;
static PROVIDER Provider;
static VANDAL Vandals[THREADS];

/* xorshift64*, Vigna 2014 */
static uint64_t Next(uint64_t *Random)
{
    *Random ^= *Random >> 12;
    *Random ^= *Random << 25;
    *Random ^= *Random >> 27;
    return *Random * 0x2545F4914F6CDD1Dull;
}

static uint32_t Below(uint64_t *Random, uint32_t Limit)
{
    return (uint32_t)(Next(Random) >> 33) % Limit;
}

static void Fill(uint64_t *Random, void *Bytes, size_t Count)
{
    for (size_t Index = 0; Index < Count; Index++) {
        ((UCHAR *)Bytes)[Index] = (UCHAR)(Next(Random) >> 56);
    }
}

/* Memory that may be the process's. */
static void *SomeMemory(VANDAL *Vandal)
{
    switch (Below(&Vandal->Random, 6)) {
    case 0:
        return NULL;
    case 1:
        return (void *)0xFFFF800000000000ull;
    case 2:
        return (void *)(uintptr_t)Next(&Vandal->Random);
    case 3:
        return Vandal->Buffer + BUFFER_BYTES - Below(&Vandal->Random, 4096);
    default:
        return Vandal->Buffer + Below(&Vandal->Random, 2048);
    }
}

static UINT32 SomeBytes(VANDAL *Vandal)
{
    switch (Below(&Vandal->Random, 4)) {
    case 0:
        return (UINT32)Next(&Vandal->Random);
    case 1:
        return 0;
    default:
        return (1 + Below(&Vandal->Random, LENGTH_BLOCKS_MAX)) * BLOCK_BYTES;
    }
}

static WNBD_CONNECTION_ID SomeId(VANDAL *Vandal)
{
    switch (Below(&Vandal->Random, 6)) {
    case 0:
        return Next(&Vandal->Random);
    case 1:
    case 2:
        return NeighbourId();
    default:
        return Provider.Info.ConnectionId;
    }
}

static void SomeStatus(VANDAL *Vandal, WNBD_STATUS *Status)
{
    if (Below(&Vandal->Random, 8) == 0) {
        Fill(&Vandal->Random, Status, sizeof(*Status));
        return;
    }
    Status->ScsiStatus = Below(&Vandal->Random, 2) == 0 ? 2 : (UINT8)Next(&Vandal->Random);
    Status->SenseKey = (UINT8)Below(&Vandal->Random, 17);
    Status->ASC = (UINT8)Next(&Vandal->Random);
    Status->ASCQ = (UINT8)Next(&Vandal->Random);
    Status->Information = Next(&Vandal->Random);
    Status->InformationValid = Below(&Vandal->Random, 2) & 1u;
}

/* Every refusal has a reason that wnbd_ioctl.h tells; to another process's disk there is nothing but refusals. */
static void CheckOutcome(VANDAL *Vandal, WNBD_CONNECTION_ID Id, NTSTATUS Status)
{
    Vandal->Refused += !NT_SUCCESS(Status);
    CHECK(!NT_SUCCESS(Status) || Id == Provider.Info.ConnectionId);
    CHECK(NT_SUCCESS(Status) || Status == STATUS_INVALID_PARAMETER || Status == STATUS_NOT_FOUND ||
          Status == STATUS_OBJECT_NAME_NOT_FOUND || Status == STATUS_ACCESS_DENIED ||
          Status == STATUS_ACCESS_VIOLATION || Status == STATUS_OBJECT_TYPE_MISMATCH ||
          Status == STATUS_INVALID_BUFFER_SIZE);
}

/* An answer of which each part may be right. */
static void AnswerWrongly(VANDAL *Vandal, const WNBD_IO_REQUEST *Request)
{
    uint64_t *Random = &Vandal->Random;
    WNBD_IOCTL_SEND_RSP_COMMAND Send = {.IoControlCode = IOCTL_WNBD_SEND_RSP};
    Send.ConnectionId = SomeId(Vandal);
    Send.DataBuffer = SomeMemory(Vandal);
    Send.DataBufferSize = SomeBytes(Vandal);
    Send.Response.RequestHandle = Below(Random, 4) == 0   ? Next(Random)
                                  : Below(Random, 2) == 0 ? Vandal->Handles[Below(Random, HANDLES)]
                                                          : Request->RequestHandle + Below(Random, 3) - 1;
    Send.Response.RequestType = Below(Random, 3) == 0 ? (WnbdRequestType)Below(Random, 10) : Request->RequestType;
    if (Below(Random, 3) != 0) {
        SomeStatus(Vandal, &Send.Response.Status);
    }
    if (Below(Random, 16) == 0) {
        Fill(Random, Send.Response.Reserved, sizeof(Send.Response.Reserved));
    }
    CheckOutcome(Vandal, Send.ConnectionId,
                 NativeIoctl(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Send, sizeof(Send), NULL, 0, NULL));
}

/* Bytes of any number, behind one of the provider's codes; the size is not for this. */
static void SendBytes(VANDAL *Vandal)
{
    UCHAR Bytes[sizeof(WNBD_IOCTL_SEND_RSP_COMMAND) + 64];
    ULONG Code = Below(&Vandal->Random, 2) == 0 ? IOCTL_WNBD_SEND_RSP : IOCTL_WNBD_FETCH_REQ;
    WNBD_CONNECTION_ID Id = NeighbourId();
    Fill(&Vandal->Random, Bytes, sizeof(Bytes));
    memcpy(Bytes, &Code, sizeof(Code));
    if (Below(&Vandal->Random, 2) == 0) {
        size_t Offset = Code == IOCTL_WNBD_SEND_RSP ? offsetof(WNBD_IOCTL_SEND_RSP_COMMAND, ConnectionId)
                                                    : offsetof(WNBD_IOCTL_FETCH_REQ_COMMAND, ConnectionId);
        memcpy(Bytes + Offset, &Id, sizeof(Id));
    }
    CheckOutcome(Vandal, Id,
                 NativeIoctl(Provider.File, WNBD_IOCTL_CONTROL_CODE, Bytes,
                             4 + Below(&Vandal->Random, sizeof(Bytes) - 4), Bytes,
                             Below(&Vandal->Random, sizeof(Bytes)), NULL));
}

/* A fetch that may be given a request, which then waits for its answer as any other does. */
static void FetchWrongly(VANDAL *Vandal)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ, .ConnectionId = NeighbourId()};
    Fetch.DataBuffer = SomeMemory(Vandal);
    Fetch.DataBufferSize = SomeBytes(Vandal);
    CheckOutcome(
        Vandal, Fetch.ConnectionId,
        NativeIoctl(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Fetch, sizeof(Fetch), &Fetch, sizeof(Fetch), NULL));
}

/* At last a right answer, if garbage hasn't been one. */
static void AnswerRightly(VANDAL *Vandal, const WNBD_IO_REQUEST *Request)
{
    WNBD_IO_RESPONSE Response;
    bool Read = Request->RequestType == WnbdReqTypeRead;
    ProviderSuccess(&Response, Request);
    NTSTATUS Status =
        ProviderSend(&Provider, &Response, Vandal->Buffer, Read ? Request->Cmd.Read.BlockCount * BLOCK_BYTES : 0);
    CHECK(Status == STATUS_SUCCESS || Status == STATUS_NOT_FOUND);
}

static void *VandalMain(void *Context)
{
    VANDAL *Vandal = Context;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    for (;;) {
        CHECK(ProviderFetch(&Provider, Vandal->Buffer, BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
        if (Fetch.Request.RequestType == WnbdReqTypeDisconnect) {
            return NULL;
        }
        Vandal->Handles[Below(&Vandal->Random, HANDLES)] = Fetch.Request.RequestHandle;
        for (uint32_t Left = Below(&Vandal->Random, 12); Left > 0; Left--) {
            switch (Below(&Vandal->Random, 6)) {
            case 0:
                SendBytes(Vandal);
                break;
            case 1:
                FetchWrongly(Vandal);
                break;
            default:
                AnswerWrongly(Vandal, &Fetch.Request);
                break;
            }
        }
        AnswerRightly(Vandal, &Fetch.Request);
    }
}

/* ---- what Windows asks meanwhile ---- */

static struct {
    DISK_IO Io;
    bool Busy;
    UCHAR Data[LENGTH_BLOCKS_MAX * BLOCK_BYTES];
} Slots[DEPTH];
static unsigned Good, Bad;

static void SlotWait(uint32_t Index)
{
    if (Slots[Index].Busy) {
        UCHAR Status = DiskWait(&Slots[Index].Io, NULL);
        /* Busy was said by the process, and is not passed on. */
        CHECK(Status == SRB_STATUS_SUCCESS || Status == SRB_STATUS_ERROR);
        Good += Status == SRB_STATUS_SUCCESS;
        Bad += Status != SRB_STATUS_SUCCESS;
        Slots[Index].Busy = false;
    }
}

static void Ask(DISK *Disk, uint32_t Requests, uint64_t *Random)
{
    for (uint32_t Count = 0; Count < Requests; Count++) {
        UCHAR Cdb[16];
        uint32_t Index = Below(Random, DEPTH);
        uint32_t Blocks = 1 + Below(Random, LENGTH_BLOCKS_MAX);
        bool Write = Below(Random, 2) == 0;
        SlotWait(Index);
        DiskCdb16(Cdb, Write ? 0x8A : 0x88, Below(Random, BLOCKS - Blocks), Blocks, false);
        DiskBegin(Disk, &Slots[Index].Io, Below(Random, 2) == 0, Cdb, 16,
                  Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Slots[Index].Data, Blocks * BLOCK_BYTES);
        Slots[Index].Busy = true;
    }
    for (uint32_t Index = 0; Index < DEPTH; Index++) {
        SlotWait(Index);
    }
}

static void CheckCounters(void)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "garbage"};
    WNBD_DRV_STATS Now;
    CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Now, sizeof(Now), NULL) ==
          STATUS_SUCCESS);
    CHECK(Now.OutstandingIOCount == 0 && Now.PendingSubmittedIORequests == 0 && Now.UnsubmittedIORequests == 0);
    CHECK(Now.TotalSubmittedIORequests == Now.TotalReceivedIOReplies && Now.AbortedSubmittedIORequests == 0);
}

int main(int Count, char **Arguments)
{
    uint32_t Requests = Count > 1 ? (uint32_t)strtoul(Arguments[1], NULL, 0) : REQUESTS_USUAL;
    uint64_t Seed = Count > 2 ? strtoull(Arguments[2], NULL, 0) : 1;
    uint64_t Random = Seed * 0x9E3779B97F4A7C15ull + 1;
    WNBD_PROPERTIES Properties;
    unsigned Refused = 0;
    DISK Disk;
    printf("garbage for %u requests, seed %llu\n", Requests, (unsigned long long)Seed);
    fflush(stdout);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .LogLevel = DPFLTR_ERROR_LEVEL});
    NeighbourStart(&Bed, Seed);
    ProviderProperties(&Properties, "garbage", BLOCKS, BLOCK_BYTES);
    ProviderStart(&Provider, &Bed, &Properties);
    for (unsigned Index = 0; Index < THREADS; Index++) {
        Vandals[Index].Random = Next(&Random) | 1;
        Vandals[Index].Buffer = NativeUserAllocate(Provider.Process, BUFFER_BYTES);
        CHECK(pthread_create(&Vandals[Index].Thread, NULL, VandalMain, &Vandals[Index]) == 0);
    }
    DiskOpen(&Disk, &Bed, 2);
    Disk.TimeoutSeconds = 600;
    NeighbourBegin();
    Ask(&Disk, Requests, &Random);
    unsigned Others = NeighbourRest();
    CheckCounters();
    CHECK(BedUnmap(&Bed, "garbage") == STATUS_SUCCESS);
    for (unsigned Index = 0; Index < THREADS; Index++) {
        CHECK(pthread_join(Vandals[Index].Thread, NULL) == 0);
        Refused += Vandals[Index].Refused;
    }
    CHECK(NativeChildWait(Bed.Adapter, 1, GONE_MS));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
    NeighbourStop();
    BedStop(&Bed);
    printf("%u good, %u bad, %u refusals, meanwhile %u rounds of the other disk\n", Good, Bad, Refused, Others);
    fflush(stdout);
    CHECK(Requests < 1000 || (Good > Requests / 20 && Bad > Requests / 20 && Refused > Requests && Others > 1));
    printf("ok\n");
    return 0;
}
