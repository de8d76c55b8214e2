/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hostile callers at the same time: requests of any kind from several threads
 * while disks come and go, pended requests cancelled at random moments, more
 * disks than there can be, and the adapter taken away from under all of that.
 * Each thread's requests follow from the seed; how they meet does not. Where
 * disks have to wait, they wait for a name, which is looked up as long as the
 * test likes (the linker's --wrap): a server that says nothing has a time limit.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bed.h"
#include "ground.h"
#include "server.h"

#define CALLERS 4u
#define TARGETS 255u /* of the adapter */
#define DISKS_MAX (TARGETS + 65u)
#define WIN32_NO_SYSTEM_RESOURCES 1450
#define WIN32_OPERATION_ABORTED 995
#define SLOW_HOST "slow"

/* ---- A name that is looked up until somebody lets it end; nobody has it ---- */

static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    bool Ends;
} Slow = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

int __real_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity);
int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity);

int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity)
{
    if (strcmp(Host, SLOW_HOST) != 0) {
        return __real_GroundResolve(Host, Service, NumericOnly, Addresses, Capacity);
    }
    pthread_mutex_lock(&Slow.Lock);
    while (!Slow.Ends) {
        pthread_cond_wait(&Slow.Changed, &Slow.Lock);
    }
    pthread_mutex_unlock(&Slow.Lock);
    return -1;
}

static void SlowEnds(bool Ends)
{
    pthread_mutex_lock(&Slow.Lock);
    Slow.Ends = Ends;
    pthread_cond_broadcast(&Slow.Changed);
    pthread_mutex_unlock(&Slow.Lock);
}

/* ---- Callers ---- */

typedef struct {
    BED *Bed;
    uint64_t State;
    uint16_t Port;   /* of a server */
    uint16_t Silent; /* of one that says nothing */
    unsigned Rounds;
    bool Leaving; /* the adapter may be gone */
    pthread_t Thread;
} CALLER;

static uint32_t Random(CALLER *Caller)
{
    Caller->State = Caller->State * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(Caller->State >> 33);
}

/* An option that there is, with a value that changes nothing here, whatever text or type it is said to be. */
static void FillOption(CALLER *Caller, ULONG Code, UCHAR *Input)
{
    static const WCHAR Names[][24] = {L"StaleReqTimeoutMs", L"EtwLoggingEnabled", L"RemoveStaleConnections"};
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Command = {0}; /* the others begin as it does, and want zeroes where its value is */
    memcpy(Command.Name, Names[Random(Caller) % RTL_NUMBER_OF(Names)], sizeof(Names[0]));
    if (Code == IOCTL_WNBD_SET_DRV_OPT) {
        Command.Value.Type = (WnbdOptValType)(Random(Caller) % 5);
        Command.Value.Data.AsInt64 = Random(Caller) % 4;
        Command.Persistent = Random(Caller) % 2 == 0;
    }
    memcpy(Input, &Command, sizeof(Command));
}

static void ThrowOne(CALLER *Caller)
{
    static const ULONG Codes[] = {IOCTL_WNBD_PING,          IOCTL_WNBD_CREATE,       IOCTL_WNBD_REMOVE,
                                  IOCTL_WNBD_LIST,          IOCTL_WNBD_STATS,        IOCTL_WNBD_VERSION,
                                  IOCTL_WNBD_SHOW,          IOCTL_WNBD_CREATE_EX,    IOCTL_WNBD_FETCH_REQ,
                                  IOCTL_WNBD_SEND_RSP,      IOCTL_WNBD_GET_DRV_OPT,  IOCTL_WNBD_SET_DRV_OPT,
                                  IOCTL_WNBD_RESET_DRV_OPT, IOCTL_WNBD_LIST_DRV_OPT, IOCTL_WNBD_RELOAD_CONFIG,
                                  IOCTL_WNBD_SET_DISK_SIZE, IOCTL_WNBD_STATS_EX};
    UCHAR Input[2048] = {0}, Output[8192];
    ULONG Code = Random(Caller) % 8 == 0 ? Random(Caller) : Codes[Random(Caller) % RTL_NUMBER_OF(Codes)];
    ULONG Used = 0, OutputBytes = Random(Caller) % sizeof(Output);
    if (Random(Caller) % 4 == 0) {
        for (size_t Index = 4; Index < sizeof(Input); Index++) {
            Input[Index] = (UCHAR)Random(Caller);
        }
    } else if (Code >= IOCTL_WNBD_GET_DRV_OPT && Code <= IOCTL_WNBD_RESET_DRV_OPT) {
        FillOption(Caller, Code, Input);
    } else if (Code != IOCTL_WNBD_CREATE && Code != IOCTL_WNBD_CREATE_EX) {
        snprintf((char *)Input + 4, 32, "disk%u", Random(Caller) % CALLERS);
    }
    memcpy(Input, &Code, sizeof(Code));
    NTSTATUS Status = NativeIoctl(Caller->Bed->File, WNBD_IOCTL_CONTROL_CODE, Input, Random(Caller) % sizeof(Input),
                                  Output, OutputBytes, &Used);
    CHECK(NT_SUCCESS(Status) ? Used <= OutputBytes : Used == 0);
}

static void *Thrower(void *Context)
{
    CALLER *Caller = Context;
    for (unsigned Round = 0; Round < Caller->Rounds * 50; Round++) {
        ThrowOne(Caller);
    }
    return NULL;
}

/* Maps and unmaps; every second time the request is cancelled somewhere on its way. */
static void *Mapper(void *Context)
{
    CALLER *Caller = Context;
    for (unsigned Round = 0; Round < Caller->Rounds; Round++) {
        WNBD_CREATE_RESULT Result = {0};
        WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
        char Name[32];
        snprintf(Name, sizeof(Name), "disk%u", Random(Caller) % CALLERS);
        BedProperties(&Command.Properties, Name, Random(Caller) % 3 == 0 ? Caller->Silent : Caller->Port);
        bool Cancel = Round % 2 == 0 || Command.Properties.NbdProperties.PortNumber == Caller->Silent;
        NATIVE_REQUEST *Request = NativeIoctlBegin(Caller->Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command,
                                                   sizeof(Command), &Result, sizeof(Result));
        if (Cancel) {
            NativeRequestPoll(Request, Random(Caller) % 4);
            NativeRequestCancel(Request);
        }
        NTSTATUS Status = NativeRequestWait(Request, NULL);
        CHECK(Status == STATUS_SUCCESS || (Cancel && Status == STATUS_CANCELLED) || Caller->Leaving);
        CHECK(Status != STATUS_SUCCESS || Result.Status == 0 || Result.Message[0] != '\0');
        if (Status == STATUS_SUCCESS && Result.Status == 0) {
            Status = BedUnmap(Caller->Bed, Name);
            CHECK(Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND || Caller->Leaving);
        }
    }
    return NULL;
}

static void Begin(BED *Bed, CALLER *Callers, uint64_t Seed, const SERVER *Server, uint16_t Silent, bool Leaving)
{
    for (unsigned Index = 0; Index < 2 * CALLERS; Index++) {
        Callers[Index] = (CALLER){.Bed = Bed,
                                  .State = Seed * 1000 + Index,
                                  .Port = Server->Port,
                                  .Silent = Silent,
                                  .Rounds = 60,
                                  .Leaving = Leaving};
        CHECK(pthread_create(&Callers[Index].Thread, NULL, Index % 2 == 0 ? Thrower : Mapper, &Callers[Index]) == 0);
    }
}

static void End(CALLER *Callers)
{
    for (unsigned Index = 0; Index < 2 * CALLERS; Index++) {
        CHECK(pthread_join(Callers[Index].Thread, NULL) == 0);
    }
}

/* ---- Disks that wait ---- */

static NATIVE_REQUEST *CreateBegin(BED *Bed, unsigned Number, const char *Host, uint16_t Port,
                                   WNBD_CREATE_RESULT *Result)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    char Name[32];
    snprintf(Name, sizeof(Name), "many%u", Number);
    BedProperties(&Command.Properties, Name, Port);
    strcpy(Command.Properties.NbdProperties.Hostname, Host);
    return NativeIoctlBegin(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result));
}

/* A request for each address waits; the next one is told why not. */
static void TooMany(BED *Bed)
{
    static WNBD_CREATE_RESULT Results[TARGETS], Result;
    NATIVE_REQUEST *Requests[TARGETS];
    SlowEnds(false);
    for (unsigned Index = 0; Index < TARGETS; Index++) {
        Requests[Index] = CreateBegin(Bed, Index, SLOW_HOST, 1, &Results[Index]);
    }
    CHECK(BedDiskCount(Bed) == TARGETS);
    for (unsigned Round = 0; Round < 100; Round++) {
        CHECK(NativeRequestWait(CreateBegin(Bed, TARGETS, SLOW_HOST, 1, &Result), NULL) == STATUS_SUCCESS);
        CHECK(Result.Status == WIN32_NO_SYSTEM_RESOURCES &&
              strcmp(Result.Message, "the adapter has no free address: too many disks") == 0);
    }
    for (unsigned Index = 0; Index < TARGETS; Index++) {
        CHECK(!NativeRequestPoll(Requests[Index], 0));
        NativeRequestCancel(Requests[Index]);
        CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_CANCELLED);
    }
    CHECK(BedDiskCount(Bed) == 0);
    SlowEnds(true);
}

/*
 * Each is cancelled at once, and stays in memory as long as its name is being looked up: not without a limit. So many
 * others do so already.
 */
static void TooManyThatEnd(BED *Bed, unsigned Others, uint16_t Silent)
{
    static WNBD_CREATE_RESULT Result;
    unsigned Made = 0;
    for (;; Made++) {
        NATIVE_REQUEST *Request = CreateBegin(Bed, Made, SLOW_HOST, 1, &Result);
        NativeRequestCancel(Request);
        if (NativeRequestWait(Request, NULL) == STATUS_SUCCESS) {
            break;
        }
        CHECK(Made < DISKS_MAX);
    }
    CHECK(Made == DISKS_MAX - Others);
    CHECK(Result.Status == WIN32_NO_SYSTEM_RESOURCES &&
          strcmp(Result.Message, "too many disks exist or are still ending") == 0);
    CHECK(BedDiskCount(Bed) == 0);
    SlowEnds(true);
    for (unsigned Tries = 0;; Tries++) {
        CHECK(Tries < 6000);
        NATIVE_REQUEST *Request = CreateBegin(Bed, 0, "127.0.0.1", Silent, &Result);
        if (!NativeRequestPoll(Request, 10)) {
            NativeRequestCancel(Request);
            CHECK(NativeRequestWait(Request, NULL) == STATUS_CANCELLED);
            return;
        }
        CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Result.Status == WIN32_NO_SYSTEM_RESOURCES);
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
}

/* Removed by somebody else while its name is being looked up: its creator is told at once, and the
 * looking up goes on. */
static void RemovedWhileMade(BED *Bed)
{
    static WNBD_CREATE_RESULT Result;
    SlowEnds(false);
    NATIVE_REQUEST *Request = CreateBegin(Bed, 0, SLOW_HOST, 1, &Result);
    CHECK(BedUnmap(Bed, "many0") == STATUS_SUCCESS);
    CHECK(NativeRequestPoll(Request, 0));
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS);
    CHECK(Result.Status == WIN32_OPERATION_ABORTED && strstr(Result.Message, "removed while") != NULL);
}

int main(int Count, char **Arguments)
{
    static const char *const Memory[] = {"memory", "16M", NULL};
    static CALLER Callers[2 * CALLERS];
    BED Bed;
    SERVER Server;
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    NATIVE_OPTIONS Options = {.Seed = Seed, .WskSynchronousOneIn = 2};
    uint16_t Silent = ServerSilent();
    printf("seed %llu\n", (unsigned long long)Seed);
    ServerStart(&Server, Memory);

    printf("requests of any kind while disks come and go\n");
    fflush(stdout);
    BedStart(&Bed, &Options);
    Begin(&Bed, Callers, Seed, &Server, Silent, false);
    End(Callers);
    CHECK(BedDiskCount(&Bed) == 0);
    CHECK(NativeChildWait(Bed.Adapter, 0, 30000));
    printf("more disks than addresses\n");
    fflush(stdout);
    TooMany(&Bed);
    BedStop(&Bed);

    printf("more disks than may be ending\n");
    fflush(stdout);
    BedStart(&Bed, &Options);
    RemovedWhileMade(&Bed);
    TooManyThatEnd(&Bed, 1, Silent);
    BedStop(&Bed);

    printf("the adapter goes meanwhile\n");
    fflush(stdout);
    for (unsigned Round = 0; Round < 10; Round++) {
        BedStart(&Bed, &Options);
        Begin(&Bed, Callers, Seed + 1 + Round, &Server, Silent, true);
        struct timespec Pause = {.tv_nsec = (long)(Round * 7 % 10) * 1000 * 1000};
        nanosleep(&Pause, NULL);
        NativeDeviceSurpriseRemove(Bed.Adapter);
        End(Callers);
        NativeClose(Bed.File);
        NativePnpSettle();
        CHECK(!NativeDevicePresent(Bed.Adapter));
        NativeDriverUnload(Bed.Driver);
        NativeStop();
    }
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
