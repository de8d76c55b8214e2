/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What goes wrong, and must not go further: servers that are not there, do not
 * know the export, say nothing, die during I/O; disks taken away during I/O;
 * an adapter that vanishes. After each, the adapter works as before.
 */
#include "bed.h"
#include "flight.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define WIN32_NOT_READY 21
#define WIN32_BAD_NET_NAME 67
#define WIN32_ALREADY_EXISTS 183
#define WIN32_CONNECTION_REFUSED 1225

static const char *const Memory[] = {"memory", "16M", NULL};
static WNBD_CREATE_RESULT Result;

static void Map(BED *Bed, const char *Name, uint16_t Port, uint32_t Expected)
{
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, Name, Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    if (Result.Status != Expected) {
        fprintf(stderr, "status %u, expected %u: %s\n", Result.Status, Expected, Result.Message);
    }
    CHECK(Result.Status == Expected);
    CHECK((Result.Status == 0) == (Result.Phase == WnbdCreatePhaseDone));
    CHECK(Result.Status == 0 || strlen(Result.Message) > 10);
}

static void MapUseUnmap(BED *Bed, const char *Name, uint16_t Port)
{
    DISK Disk;
    UCHAR Cdb[16], Block[4096];
    Map(Bed, Name, Port, 0);
    DiskOpen(&Disk, Bed, 1);
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    CHECK(DiskCommand(&Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Block, Disk.BlockSize, NULL) == SRB_STATUS_SUCCESS);
    CHECK(BedUnmap(Bed, Name) == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    DiskClose(&Disk);
}

static void ServerAbsent(BED *Bed)
{
    Map(Bed, "absent", ServerRefusing(), WIN32_CONNECTION_REFUSED);
    CHECK(Result.Phase == WnbdCreatePhaseConnect);
    CHECK(BedUnmap(Bed, "absent") != STATUS_SUCCESS);
}

static void ExportUnknown(BED *Bed)
{
    static const char *const Strict[] = {"--filter=exportname",    "memory", "16M", "exportname=good",
                                         "exportname-strict=true", NULL};
    SERVER Server;
    ServerStart(&Server, Strict);
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, "unknown", Server.Port);
    snprintf(Properties.NbdProperties.ExportName, sizeof(Properties.NbdProperties.ExportName), "bad");
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS);
    CHECK(Result.Status == WIN32_BAD_NET_NAME && Result.Phase == WnbdCreatePhaseHandshake);
    ServerStop(&Server);
}

static void NameTaken(BED *Bed)
{
    SERVER Server;
    ServerStart(&Server, Memory);
    Map(Bed, "taken", Server.Port, 0);
    CHECK(NativeChildWait(Bed->Adapter, 1, 20000));
    Map(Bed, "taken", Server.Port, WIN32_ALREADY_EXISTS);
    CHECK(BedUnmap(Bed, "taken") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    ServerStop(&Server);
}

/* A server that says nothing: the caller gives up, at once and more than once. */
static void SilentServerCancelled(BED *Bed)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    uint16_t Port = ServerSilent();
    BedProperties(&Command.Properties, "silent", Port);
    for (int Round = 0; Round < 5; Round++) {
        NATIVE_REQUEST *Request =
            NativeIoctlBegin(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result));
        CHECK(!NativeRequestPoll(Request, Round == 0 ? 300 : Round));
        NativeRequestCancel(Request);
        CHECK(NativeRequestWait(Request, NULL) == STATUS_CANCELLED);
    }
}

/* ---- I/O under way when something ends ---- */

#define DEPTH 32u
#define LENGTH_BYTES 65536u

static void ServerDies(BED *Bed)
{
    static const char *const Slow[] = {"--filter=delay", "memory", "16M", "rdelay=200ms", "wdelay=200ms", NULL};
    FLIGHT Flight;
    DISK Disk;
    SERVER Server;
    ServerStart(&Server, Slow);
    Map(Bed, "dies", Server.Port, 0);
    DiskOpen(&Disk, Bed, 1);
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    ServerKill(&Server);
    CHECK(FlightEnd(&Flight) > 0);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    /* The handle still answers. */
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    CHECK(FlightEnd(&Flight) == DEPTH);
    DiskClose(&Disk);
    CHECK(BedUnmap(Bed, "dies") != STATUS_SUCCESS);
}

static void UnmappedDuringIo(BED *Bed)
{
    static const char *const Slow[] = {"--filter=delay", "memory", "16M", "rdelay=100ms", "wdelay=100ms", NULL};
    FLIGHT Flight;
    DISK Disk;
    SERVER Server;
    ServerStart(&Server, Slow);
    Map(Bed, "busy", Server.Port, 0);
    DiskOpen(&Disk, Bed, 1);
    FlightBegin(&Flight, &Disk, DEPTH, LENGTH_BYTES);
    CHECK(BedUnmap(Bed, "busy") == STATUS_SUCCESS);
    FlightEnd(&Flight);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
    DiskClose(&Disk);
    ServerStop(&Server);
}

static void SeveralDisks(BED *Bed)
{
    static const char *const Names[] = {"one", "two", "three", "four"};
    FLIGHT Flights[4];
    DISK Disks[4];
    SERVER Server;
    ServerStart(&Server, Memory);
    for (size_t Index = 0; Index < 4; Index++) {
        Map(Bed, Names[Index], Server.Port, 0);
        DiskOpen(&Disks[Index], Bed, Index + 1);
    }
    for (size_t Index = 0; Index < 4; Index++) {
        FlightBegin(&Flights[Index], &Disks[Index], DEPTH, LENGTH_BYTES);
    }
    for (size_t Index = 0; Index < 4; Index++) {
        CHECK(FlightEnd(&Flights[Index]) == 0);
    }
    for (size_t Index = 0; Index < 4; Index++) {
        CHECK(BedUnmap(Bed, Names[Index]) == STATUS_SUCCESS);
        CHECK(NativeChildWait(Bed->Adapter, 3 - Index, 20000));
        DiskClose(&Disks[Index]);
    }
    ServerStop(&Server);
}

/* The adapter goes with disks on it, one of them being made; nothing asks before. */
static void AdapterVanishes(BED *Bed)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    DISK Disk;
    SERVER Server;
    ServerStart(&Server, Memory);
    Map(Bed, "left", Server.Port, 0);
    DiskOpen(&Disk, Bed, 1);
    BedProperties(&Command.Properties, "never", ServerSilent());
    NATIVE_REQUEST *Request =
        NativeIoctlBegin(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result));
    DiskClose(&Disk);
    NativeDeviceSurpriseRemove(Bed->Adapter);
    NTSTATUS Status = NativeRequestWait(Request, NULL);
    CHECK(!NT_SUCCESS(Status) || Result.Status != 0);
    NativeClose(Bed->File); /* now the adapter is removed */
    NativePnpSettle();
    CHECK(!NativeDevicePresent(Bed->Adapter));
    ServerStop(&Server);
}

int main(int Count, char **Arguments)
{
    BED Bed;
    SERVER Server;
    uint64_t Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1;
    NATIVE_OPTIONS Options = {.Seed = Seed, .WskSynchronousOneIn = 2, .WskShortReceiveOneIn = 5, .LogLevel = 0};
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {
        {"a server that is not there", ServerAbsent},
        {"an export that the server does not have", ExportUnknown},
        {"an instance name that is taken", NameTaken},
        {"a silent server, and a caller that gives up", SilentServerCancelled},
        {"a server that dies during I/O", ServerDies},
        {"a disk unmapped during I/O", UnmappedDuringIo},
        {"four disks at once", SeveralDisks},
    };
    ServerStart(&Server, Memory);
    BedStart(&Bed, &Options);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run(&Bed);
        MapUseUnmap(&Bed, "again", Server.Port);
    }
    BedStop(&Bed);

    printf("an adapter that vanishes\n");
    fflush(stdout);
    BedStart(&Bed, &Options);
    AdapterVanishes(&Bed);
    NativeDriverUnload(Bed.Driver);
    NativeStop();

    printf("a network that comes late\n");
    fflush(stdout);
    Options.WskLateCaptures = 1;
    BedStart(&Bed, &Options);
    Map(&Bed, "early", Server.Port, WIN32_NOT_READY);
    MapUseUnmap(&Bed, "early", Server.Port);
    BedStop(&Bed);
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
