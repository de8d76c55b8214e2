/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Disks without a handshake, whose size and abilities are the caller's words;
 * the published command that makes disks; and a server of several addresses,
 * which are tried one after the other. Names, sockets and connections of the
 * test bed are the test's (the linker's --wrap).
 */
#include "bed.h"
#include "ground.h"
#include "script.h"
#include "server.h"
#include "status.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WIRE_READ 0
#define WIRE_WRITE 1
#define WIRE_FLUSH 3
#define WIRE_TRIM 4
#define WIRE_FLAG_FUA 1
#define HEARD_MOST 64u
#define ADDRESSES_TRIED 8u /* of a name, at most */

/* ---- What stands in for Linux ---- */

static struct {
    int Count;            /* addresses that the name "many" has */
    int Good;             /* the one that is there; -1: none */
    int V6;               /* one of version 6, of which this machine has none; -1: none */
    atomic_uint Connects; /* made since the counter was cleared */
    uint16_t Port;
} Name;

int __real_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity);
int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity);
GROUND_NET __real_GroundSocketOpen(bool V6, int *Socket);
GROUND_NET __wrap_GroundSocketOpen(bool V6, int *Socket);
GROUND_NET __real_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address);
GROUND_NET __wrap_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address);

int __wrap_GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses,
                         int Capacity)
{
    if (strcmp(Host, "many") != 0) {
        return __real_GroundResolve(Host, Service, NumericOnly, Addresses, Capacity);
    }
    for (int Index = 0; Index < Name.Count && Index < Capacity; Index++) {
        Addresses[Index] = (GROUND_ADDRESS){.V6 = Index == Name.V6, .Ip = {127, 0, 0, (uint8_t)(1 + Index)}};
    }
    return Name.Count < Capacity ? Name.Count : Capacity;
}

GROUND_NET __wrap_GroundSocketOpen(bool V6, int *Socket)
{
    return V6 ? GROUND_NET_UNSUPPORTED : __real_GroundSocketOpen(V6, Socket);
}

GROUND_NET __wrap_GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address)
{
    Name.Connects++;
    if (Name.Count != 0 && Address->Ip[3] != 1 + Name.Good) {
        return GROUND_NET_REFUSED;
    }
    return __real_GroundSocketConnect(Socket, &(GROUND_ADDRESS){.Ip = {127, 0, 0, 1}, .Port = Address->Port});
}

/* ---- A server that expects no handshake ---- */

static SCRIPT_REQUEST Heard[HEARD_MOST];
static atomic_uint HeardCount; /* the test reads when what it sent has been answered */

static void Play(PEER *Peer)
{
    static const uint8_t Data[65536];
    SCRIPT_REQUEST Request;
    while (PeerHearRequest(Peer, &Request)) {
        CHECK(HeardCount < HEARD_MOST && Request.Length <= sizeof(Data));
        Heard[HeardCount] = Request;
        HeardCount++;
        PeerReply(Peer, 0, Request.Cookie, Data, Request.Type == WIRE_READ ? Request.Length : 0);
    }
}

static SCRIPT Script = {.Play = Play};

static UCHAR Send(DISK *Disk, UCHAR Code, bool Fua, ULONG Direction)
{
    static UCHAR Data[4096];
    UCHAR Cdb[16];
    DiskCdb16(Cdb, Code, 1, Direction != 0 ? 1 : 0, Fua);
    return DiskCommand(Disk, Cdb, 16, Direction, Data, Direction != 0 ? Disk->BlockSize : 0, NULL);
}

static UCHAR SendUnmap(DISK *Disk)
{
    static const UCHAR Cdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24};
    UCHAR List[24] = {0, 22, 0, 16};
    List[19] = 3;
    return DiskCommand(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT, List, sizeof(List), NULL);
}

/* The requests that the server has heard since the last look: types and flags. */
static void ExpectHeard(const char *Expected)
{
    char Text[256] = "";
    for (unsigned Index = 0; Index < HeardCount; Index++) {
        static const char *const Types[] = {"read", "write", "?", "flush", "trim"};
        snprintf(Text + strlen(Text), sizeof(Text) - strlen(Text), "%s%s ",
                 Heard[Index].Type <= WIRE_TRIM ? Types[Heard[Index].Type] : "?",
                 (Heard[Index].Flags & WIRE_FLAG_FUA) != 0 ? "+fua" : "");
    }
    if (strcmp(Text, Expected) != 0) {
        fprintf(stderr, "heard: %s\n", Text);
    }
    CHECK(strcmp(Text, Expected) == 0);
    HeardCount = 0;
}

/* Uses a disk with these abilities and says what came of it. */
static void TestAbilities(BED *Bed, WNBD_FLAGS Flags, uint32_t BlockSize, const char *Expected)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    DISK Disk;
    BedProperties(&Properties, "disk", Script.Port);
    Properties.Flags = Flags;
    Properties.Flags.UseKernelNbd = 1;
    Properties.NbdProperties.Flags.SkipNegotiation = 1;
    Properties.BlockSize = BlockSize;
    Properties.BlockCount = 100;
    HeardCount = 0;
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    CHECK(Result.ConnectionInfo.Properties.BlockCount == 100);
    DiskOpen(&Disk, Bed, 1);
    CHECK(Disk.BlockCount == 100 && Disk.BlockSize == (BlockSize != 0 ? BlockSize : 512));
    CHECK(Send(&Disk, 0x88, false, SRB_FLAGS_DATA_IN) == SRB_STATUS_SUCCESS);
    UCHAR Wanted = Flags.ReadOnly ? SRB_STATUS_ERROR : SRB_STATUS_SUCCESS;
    CHECK(Send(&Disk, 0x8A, false, SRB_FLAGS_DATA_OUT) == Wanted);
    CHECK(Send(&Disk, 0x91, false, 0) == SRB_STATUS_SUCCESS);
    if (Flags.FUASupported || Flags.FlushSupported) {
        CHECK(Send(&Disk, 0x8A, true, SRB_FLAGS_DATA_OUT) == Wanted);
    }
    CHECK(SendUnmap(&Disk) == (Flags.UnmapSupported ? Wanted : SRB_STATUS_ERROR));
    ExpectHeard(Expected);
    BedUnmapDisk(Bed, &Disk);
}

static void TestSizes(BED *Bed)
{
    static const UINT64 Wrong[] = {0, (UINT64)MAXLONGLONG / 4096 + 1, UINT64_MAX};
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, "disk", Script.Port);
    Properties.NbdProperties.Flags.SkipNegotiation = 1;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Wrong); Index++) {
        Properties.BlockCount = Wrong[Index];
        CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
        CHECK(Result.Status == WIN32_INVALID_PARAMETER && Result.Phase == WnbdCreatePhaseRequest);
    }
    Properties.BlockCount = (UINT64)MAXLONGLONG / 4096;
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    CHECK(NativeChildWait(Bed->Adapter, 1, 20000));
    CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
}

/* IOCTL_WNBD_CREATE: the connection info, or a status. */
static void TestPublished(BED *Bed)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE};
    WNBD_CONNECTION_INFO Info;
    ULONG Used = 0;
    BedProperties(&Command.Properties, "disk", Script.Port);
    Command.Properties.NbdProperties.Flags.SkipNegotiation = 1;
    Command.Properties.BlockCount = 100;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(Info) && strcmp(Info.Properties.InstanceName, "disk") == 0);
    CHECK(Info.Properties.BlockCount == 100 && Info.Properties.BlockSize == 512 && Info.ConnectionId != 0);
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), &Used) ==
          STATUS_OBJECT_NAME_COLLISION);
    CHECK(NativeChildWait(Bed->Adapter, 1, 20000));
    CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    Command.Properties.NbdProperties.PortNumber = ServerRefusing();
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), &Used) ==
          StatusOfWin32(WIN32_CONNECTION_REFUSED));
    CHECK(Used == 0);
}

/* Count addresses, the Good-th of which is there: Connects are made. */
static void TestAddresses(BED *Bed, int Count, int Good, int V6, unsigned Connects, uint32_t Status)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, "disk", Script.Port);
    snprintf(Properties.NbdProperties.Hostname, sizeof(Properties.NbdProperties.Hostname), "many");
    Properties.NbdProperties.Flags.SkipNegotiation = 1;
    Properties.BlockCount = 100;
    Name.Count = Count;
    Name.Good = Good;
    Name.V6 = V6;
    Name.Connects = 0;
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    if (Result.Status != Status || Name.Connects != Connects) {
        fprintf(stderr, "status %u, %u connects: %s\n", Result.Status, Name.Connects, Result.Message);
    }
    CHECK(Result.Status == Status && Name.Connects == Connects);
    CHECK(Status == 0 || Result.Phase == (Count == 0 ? WnbdCreatePhaseResolve : WnbdCreatePhaseConnect));
    if (Status == 0) {
        CHECK(NativeChildWait(Bed->Adapter, 1, 20000));
        CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
        CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    }
    Name.Count = 0;
}

int main(int Count, char **Arguments)
{
    BED Bed;
    ScriptStart(&Script);
    BedStart(&Bed,
             &(NATIVE_OPTIONS){.Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1, .WskSynchronousOneIn = 2});
    printf("abilities\n");
    fflush(stdout);
    TestAbilities(&Bed, (WNBD_FLAGS){0}, 0, "read write ");
    TestAbilities(&Bed, (WNBD_FLAGS){.ReadOnly = 1, .UnmapSupported = 1}, 4096, "read ");
    TestAbilities(&Bed, (WNBD_FLAGS){.FlushSupported = 1}, 512, "read write flush write flush ");
    TestAbilities(&Bed, (WNBD_FLAGS){.FlushSupported = 1, .FUASupported = 1, .UnmapSupported = 1}, 4096,
                  "read write flush write+fua trim ");
    /* Nothing can be flushed: every write is on stable storage. */
    TestAbilities(&Bed, (WNBD_FLAGS){.FUASupported = 1}, 512, "read write+fua write+fua ");
    printf("sizes\n");
    fflush(stdout);
    TestSizes(&Bed);
    printf("the published command\n");
    fflush(stdout);
    TestPublished(&Bed);
    printf("addresses\n");
    fflush(stdout);
    TestAddresses(&Bed, 1, 0, -1, 1, 0);
    TestAddresses(&Bed, 5, 4, -1, 5, 0);
    TestAddresses(&Bed, 5, 4, 2, 4, 0);
    TestAddresses(&Bed, 12, -1, -1, ADDRESSES_TRIED, WIN32_CONNECTION_REFUSED);
    TestAddresses(&Bed, 12, 11, 0, ADDRESSES_TRIED - 1, WIN32_CONNECTION_REFUSED);
    BedStop(&Bed);
    ScriptStop(&Script);
    printf("ok\n");
    return 0;
}
