/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Disks that a process serves: random requests at depth beside a model of the disk, fetched by several threads and
 * answered by others in another order; then what the process holds. Argument: the seed.
 */
#include "provider.h"
#include "random_io.h"

#include <stdio.h>
#include <stdlib.h>

#define DISK_BYTES (32u * 1024 * 1024)
#define OPERATIONS 800
#define FETCHERS 8
#define ANSWERERS 3
#define HELD_MAX 256

static const RANDOM_MIX Mix = {.Shares = {4, 4, 1, 1},
                               .LargeOneIn = 10,
                               .LargeBytes = WNBD_DEFAULT_MAX_TRANSFER_LENGTH,
                               .SmallBytes = 16 * 1024,
                               .FuaOneIn = 3,
                               .Depth = 64};

/* Done and not answered yet. */
typedef struct {
    WNBD_IO_RESPONSE Response;
    void *Data; /* of the process; NULL: none */
    UINT32 Bytes;
} HELD;

static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    HELD Held[HELD_MAX];
    unsigned Count;
    bool Over;
    uint64_t Random;
    unsigned Overtaken; /* answers that left before an older one */
    unsigned Types[WnbdReqTypeUnmap + 1];
    unsigned Fua[WnbdReqTypeUnmap + 1];
} Room = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {{{0}, NULL, 0}}, 0, false, 0, 0, {0}, {0}};

/* Does it at once and leaves the answer to others. */
static bool Hold(SERVER_THREAD *Server, const WNBD_IO_REQUEST *Request, UINT32 Bytes, WNBD_IO_RESPONSE *Response)
{
    PROVIDER *Provider = Server->Provider;
    HELD Held = {.Data = NULL, .Bytes = 0};
    ProviderObey(Server, Request, Bytes, Response);
    Held.Response = *Response;
    if (Request->RequestType == WnbdReqTypeRead) {
        Held.Bytes = Request->Cmd.Read.BlockCount * Provider->Info.Properties.BlockSize;
        Held.Data = NativeUserAllocate(Provider->Process, Held.Bytes);
        memcpy(Held.Data, Server->Buffer, Held.Bytes);
    }
    pthread_mutex_lock(&Room.Lock);
    CHECK(Room.Count < HELD_MAX && Request->RequestType < RTL_NUMBER_OF(Room.Types));
    Room.Held[Room.Count++] = Held;
    Room.Types[Request->RequestType]++;
    Room.Fua[Request->RequestType] += (Request->RequestType == WnbdReqTypeRead && Request->Cmd.Read.ForceUnitAccess) ||
                                      (Request->RequestType == WnbdReqTypeWrite && Request->Cmd.Write.ForceUnitAccess);
    pthread_cond_signal(&Room.Changed);
    pthread_mutex_unlock(&Room.Lock);
    return false;
}

/* Any of those that wait. False: no more will come. */
static bool HeldTake(HELD *Held)
{
    pthread_mutex_lock(&Room.Lock);
    while (Room.Count == 0 && !Room.Over) {
        pthread_cond_wait(&Room.Changed, &Room.Lock);
    }
    bool Taken = Room.Count != 0;
    if (Taken) {
        Room.Random = Room.Random * 6364136223846793005u + 1442695040888963407u;
        unsigned Index = (unsigned)(Room.Random >> 33) % Room.Count;
        Room.Overtaken += Index != 0;
        *Held = Room.Held[Index];
        Room.Count--;
        memmove(&Room.Held[Index], &Room.Held[Index + 1], (Room.Count - Index) * sizeof(*Held));
    }
    pthread_mutex_unlock(&Room.Lock);
    return Taken;
}

static void *Answerer(void *Context)
{
    HELD Held;
    while (HeldTake(&Held)) {
        CHECK(ProviderSend(Context, &Held.Response, Held.Data, Held.Bytes) == STATUS_SUCCESS);
        if (Held.Data != NULL) {
            NativeUserFree(Held.Data);
        }
    }
    return NULL;
}

static void CheckCounters(BED *Bed, const RUN *Run)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "served"};
    WNBD_DRV_STATS Counters;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Counters, sizeof(Counters),
                      NULL) == STATUS_SUCCESS);
    CHECK(Counters.TotalReceivedIORequests >= Run->Done[KIND_READ] + Run->Done[KIND_WRITE] + 2 * Run->Done[KIND_UNMAP]);
    CHECK(Counters.TotalSubmittedIORequests == Counters.TotalReceivedIOReplies);
    CHECK(Counters.TotalSubmittedIORequests == Room.Types[WnbdReqTypeRead] + Room.Types[WnbdReqTypeWrite] +
                                                   Room.Types[WnbdReqTypeFlush] + Room.Types[WnbdReqTypeUnmap]);
    CHECK(Counters.UnsubmittedIORequests == 0 && Counters.PendingSubmittedIORequests == 0);
    CHECK(Counters.OutstandingIOCount == 0 && Counters.CompletedAbortedIORequests == 0);
    CHECK(Counters.AbortedSubmittedIORequests == 0 && Counters.AbortedUnsubmittedIORequests == 0);
    CHECK(Counters.LastReceivedReqTimestamp != 0 && Counters.LastReplyTimestamp >= Counters.LastSubmittedReqTimestamp);
}

/* What the disk says of itself decides how FUA is carried out. */
static void CheckKinds(const RUN *Run, bool Flush, bool Fua)
{
    unsigned Flushes = Flush ? Run->Done[KIND_FLUSH] + 1 : 0;
    CHECK(Room.Types[WnbdReqTypeWrite] == Run->Done[KIND_WRITE]);
    CHECK(Room.Types[WnbdReqTypeUnmap] == Run->Done[KIND_UNMAP]);
    if (Fua) {
        CHECK(Room.Types[WnbdReqTypeFlush] == Flushes);
        CHECK(Room.Fua[WnbdReqTypeRead] != 0 && Room.Fua[WnbdReqTypeRead] < Room.Types[WnbdReqTypeRead]);
        CHECK(Room.Fua[WnbdReqTypeWrite] != 0);
        CHECK((Room.Fua[WnbdReqTypeWrite] < Room.Types[WnbdReqTypeWrite]) == Flush);
    } else {
        CHECK(Room.Types[WnbdReqTypeFlush] > Flushes);
        CHECK(Room.Fua[WnbdReqTypeRead] == 0 && Room.Fua[WnbdReqTypeWrite] == 0);
    }
}

static void Life(uint64_t Seed, uint32_t BlockSize, bool Flush, bool Fua)
{
    static RUN Run;
    static PROVIDER Provider;
    WNBD_PROPERTIES Properties;
    pthread_t Answerers[ANSWERERS];
    BED Bed;
    memset(Room.Types, 0, sizeof(Room.Types));
    memset(Room.Fua, 0, sizeof(Room.Fua));
    Room.Random = Seed;
    Room.Over = false;
    Room.Overtaken = 0;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Seed, .LogLevel = 1});
    RunStart(&Run, &Mix, Seed, DISK_BYTES);
    ProviderProperties(&Properties, "served", DISK_BYTES / BlockSize, BlockSize);
    Properties.Flags.FlushSupported = Flush;
    Properties.Flags.FUASupported = Fua;
    ProviderStart(&Provider, &Bed, &Properties);
    ProviderServe(&Provider, FETCHERS, Hold);
    for (int Index = 0; Index < ANSWERERS; Index++) {
        CHECK(pthread_create(&Answerers[Index], NULL, Answerer, &Provider) == 0);
    }
    DiskOpen(&Run.Disk, &Bed, 1);
    CHECK(Run.Disk.BlockSize == BlockSize && Run.Disk.BlockCount == DISK_BYTES / BlockSize);
    RunRequests(&Run, OPERATIONS);
    CHECK(memcmp(Run.Model, Provider.Medium, DISK_BYTES) == 0);
    CheckCounters(&Bed, &Run);
    CheckKinds(&Run, Flush, Fua);
    CHECK(Room.Overtaken > OPERATIONS / 20);
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    ProviderJoin(&Provider);
    pthread_mutex_lock(&Room.Lock);
    Room.Over = true;
    pthread_cond_broadcast(&Room.Changed);
    pthread_mutex_unlock(&Room.Lock);
    for (int Index = 0; Index < ANSWERERS; Index++) {
        CHECK(pthread_join(Answerers[Index], NULL) == 0);
    }
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Run.Disk);
    ProviderEnd(&Provider);
    BedStop(&Bed);
    RunEnd(&Run);
    printf("blocks of %u, flush %d, FUA %d: %u reads, %u writes, %u unmaps, %u flushes\n", BlockSize, Flush, Fua,
           Run.Done[0], Run.Done[1], Run.Done[2], Run.Done[3]);
    fflush(stdout);
}

int main(int Count, char **Arguments)
{
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    printf("sim user_io, seed %llu\n", (unsigned long long)Seed);
    Life(Seed, 512, true, true);
    Life(Seed + 1, 4096, true, false);
    Life(Seed + 2, 4096, false, true);
    printf("ok\n");
    return 0;
}
