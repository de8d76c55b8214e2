/* SPDX-License-Identifier: LGPL-2.1-only */
/* live.h. */
#include "live.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "ground.h"

#define CMD_READ 0
#define CMD_WRITE 1
#define LIST_MOST 64u

BED LiveBed;
DISK LiveDisks[2];
uint8_t LiveMemory[LIVE_MEMORY_BYTES];

static SCRIPT Server;
static size_t DisksKept;
static atomic_uint Connections; /* that the driver has made */
static NATIVE_COUNTS Before;

/* ---- No way out: these take the place of the test bed's (the linker's --wrap) ---- */

int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity);
GROUND_NET __wrap_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address);
GROUND_NET __real_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address);

/* Names that begin with "?" are unknown; each further "?" is an address more. */
int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity)
{
    int Count = 0;
    (void)Service;
    (void)NumericOnly;
    if (Host[0] == '?' && Host[1] == '\0') {
        return -1;
    }
    do {
        Addresses[Count] = (GROUND_ADDRESS){.Ip = {127, 0, 0, 1}, .Port = Server.Port};
        Count++;
    } while (Count < Capacity && Host[Count] == '?');
    return Count;
}

/* A port that isn't divisible by eight refuses. */
GROUND_NET __wrap_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address)
{
    GROUND_ADDRESS Own = {.Ip = {127, 0, 0, 1}, .Port = Server.Port};
    if (Address->V6 || Address->Port % 8 != 0) {
        return GROUND_NET_REFUSED;
    }
    GROUND_NET Result = __real_GroundSocketConnect(Socket, &Own);
    if (Result == GROUND_NET_OK || Result == GROUND_NET_WOULD_BLOCK) {
        atomic_fetch_add(&Connections, 1);
    }
    return Result;
}

/* ---- A server without a fault ---- */

static uint64_t BigEndian(const uint8_t *Bytes, int Count)
{
    uint64_t Value = 0;
    while (Count-- > 0) {
        Value = Value << 8 | *Bytes++;
    }
    return Value;
}

void LiveServe(PEER *Peer)
{
    uint8_t Wire[28];
    if (!PeerConnect(Peer, LIVE_MEMORY_BYTES)) {
        return;
    }
    while (PeerHear(Peer, Wire, sizeof(Wire))) {
        uint64_t Type = BigEndian(Wire + 6, 2), Cookie = BigEndian(Wire + 8, 8);
        uint64_t Offset = BigEndian(Wire + 16, 8), Length = BigEndian(Wire + 24, 4);
        MUST(BigEndian(Wire, 4) == 0x25609513);
        MUST(Offset <= LIVE_MEMORY_BYTES && Length <= LIVE_MEMORY_BYTES - Offset);
        if (Type == CMD_WRITE && !PeerHear(Peer, LiveMemory + Offset, Length)) {
            return;
        }
        PeerReply(Peer, 0, Cookie, LiveMemory + Offset, Type == CMD_READ ? Length : 0);
    }
}

/* ---- Beginning and end ---- */

static void Pause(void)
{
    struct timespec Time = {.tv_nsec = 200 * 1000};
    nanosleep(&Time, NULL);
}

uint32_t LiveMap(const char *Name, bool ReadOnly)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, Name, 8);
    Properties.Flags.ReadOnly = ReadOnly;
    Properties.BlockSize = ReadOnly ? 4096 : 512;
    MUST(BedMap(&LiveBed, &Properties, &Result) == STATUS_SUCCESS);
    return Result.Status;
}

/* All disks but the oldest DisksKept; whether there were any. */
static bool RemoveDisks(void)
{
    static UCHAR Output[offsetof(WNBD_CONNECTION_LIST, Connections) + LIST_MOST * sizeof(WNBD_CONNECTION_INFO)];
    PWNBD_CONNECTION_LIST List = (PWNBD_CONNECTION_LIST)Output;
    WNBD_IOCTL_LIST_COMMAND Command = {IOCTL_WNBD_LIST};
    MUST(NativeIoctl(LiveBed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Output, sizeof(Output), NULL) ==
         STATUS_SUCCESS);
    MUST(List->Count >= DisksKept);
    for (size_t Index = DisksKept; Index < List->Count && Index < LIST_MOST; Index++) {
        BedUnmap(&LiveBed, List->Connections[Index].Properties.InstanceName);
    }
    return List->Count > DisksKept;
}

static void PrintCounts(const char *When, const NATIVE_COUNTS *Counts)
{
    fprintf(stderr,
            "%s: pool %zu, IRPs %zu, MDLs %zu, work items %zu, devices %zu, handles %zu, sockets %zu, addresses %zu, "
            "threads %zu\n",
            When, Counts->PoolAllocations, Counts->Irps, Counts->Mdls, Counts->WorkItems, Counts->Devices,
            Counts->Handles, Counts->Sockets, Counts->AddressLists, Counts->Threads);
}

/* Waits until there are no disks but those of LiveStart, nor a thread of the server that reads the input. */
static void SettleDisks(void)
{
    uint64_t Deadline = GroundNow() + LIVE_DEADLINE_MS * UINT64_C(10000);
    while (RemoveDisks()) {
        MUST(GroundNow() < Deadline);
        Pause();
    }
    MUST(NativeChildWait(LiveBed.Adapter, DisksKept, LIVE_DEADLINE_MS));
    NativePnpSettle();
    while (ScriptPlayed(&Server) + DisksKept != atomic_load(&Connections)) {
        MUST(GroundNow() < Deadline);
        Pause();
    }
}

void LiveSettle(void)
{
    NATIVE_COUNTS Now;
    uint64_t Deadline = GroundNow() + LIVE_DEADLINE_MS * UINT64_C(10000);
    SettleDisks();
    while (Now = NativeCounts(), memcmp(&Now, &Before, sizeof(Now)) != 0) {
        if (GroundNow() > Deadline) {
            PrintCounts("before", &Before);
            PrintCounts("after", &Now);
            MUST(!"everything is as before the input");
        }
        Pause();
    }
}

/* libFuzzer ends with exit. */
static void LiveStop(void)
{
    for (size_t Index = 0; Index < DisksKept; Index++) {
        DiskClose(&LiveDisks[Index]);
    }
    DisksKept = 0;
    SettleDisks();
    BedStop(&LiveBed);
    ScriptStop(&Server);
}

void LiveStart(void (*Play)(PEER *Peer), const char *const *Disks, size_t DiskCount)
{
    static bool Started;
    if (Started) {
        return;
    }
    Started = true;
    signal(SIGPIPE, SIG_IGN);
    Server.Play = Play;
    Server.Several = true;
    ScriptStart(&Server);
    BedStart(&LiveBed, &(NATIVE_OPTIONS){.Seed = 1, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4});
    for (size_t Index = 0; Index < DiskCount; Index++) {
        MUST(LiveMap(Disks[Index], strncmp(Disks[Index], "ro", 2) == 0) == 0);
        DiskOpen(&LiveDisks[Index], &LiveBed, Index + 1);
    }
    DisksKept = DiskCount;
    Before = BedQuietCounts();
    atexit(LiveStop);
}
