/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The control path's edges, below the library, which would never send such
 * requests: sizes, unknown commands, strings without an end, properties that
 * make no disk, and which words come back with command 64.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "status.h"

#define ROOM_BYTES 8192

/* A command as a caller packs it, and the least that both of its buffers must hold (wnbd_ioctl.h). */
typedef struct {
    const char *Name;
    ULONG Code;
    ULONG InputBytes;
    ULONG OutputBytes;
    NTSTATUS Status; /* with buffers of that size; no disk has the empty name */
} COMMAND_ROW;

static const COMMAND_ROW Rows[] = {
    {"PING", IOCTL_WNBD_PING, sizeof(WNBD_IOCTL_PING_COMMAND), 0, STATUS_SUCCESS},
    {"REMOVE", IOCTL_WNBD_REMOVE, sizeof(WNBD_IOCTL_REMOVE_COMMAND), 0, STATUS_OBJECT_NAME_NOT_FOUND},
    {"FETCH_REQ", IOCTL_WNBD_FETCH_REQ, sizeof(WNBD_IOCTL_FETCH_REQ_COMMAND), sizeof(WNBD_IO_REQUEST),
     STATUS_OBJECT_NAME_NOT_FOUND},
    {"SEND_RSP", IOCTL_WNBD_SEND_RSP, sizeof(WNBD_IOCTL_SEND_RSP_COMMAND), 0, STATUS_OBJECT_NAME_NOT_FOUND},
    {"LIST", IOCTL_WNBD_LIST, sizeof(WNBD_IOCTL_LIST_COMMAND), offsetof(WNBD_CONNECTION_LIST, Connections),
     STATUS_SUCCESS},
    {"STATS", IOCTL_WNBD_STATS, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS), STATUS_OBJECT_NAME_NOT_FOUND},
    {"VERSION", IOCTL_WNBD_VERSION, sizeof(WNBD_IOCTL_VERSION_COMMAND), sizeof(WNBD_VERSION), STATUS_SUCCESS},
    {"RELOAD_CONFIG", IOCTL_WNBD_RELOAD_CONFIG, sizeof(WNBD_IOCTL_RELOAD_CONFIG_COMMAND), 0, STATUS_SUCCESS},
    {"GET_DRV_OPT", IOCTL_WNBD_GET_DRV_OPT, sizeof(WNBD_IOCTL_GET_DRV_OPT_COMMAND), sizeof(WNBD_OPTION_VALUE),
     STATUS_OBJECT_NAME_NOT_FOUND},
    {"SET_DRV_OPT", IOCTL_WNBD_SET_DRV_OPT, sizeof(WNBD_IOCTL_SET_DRV_OPT_COMMAND), 0, STATUS_OBJECT_NAME_NOT_FOUND},
    {"RESET_DRV_OPT", IOCTL_WNBD_RESET_DRV_OPT, sizeof(WNBD_IOCTL_RESET_DRV_OPT_COMMAND), 0,
     STATUS_OBJECT_NAME_NOT_FOUND},
    {"LIST_DRV_OPT", IOCTL_WNBD_LIST_DRV_OPT, sizeof(WNBD_IOCTL_LIST_DRV_OPT_COMMAND),
     offsetof(WNBD_OPTION_LIST, Options), STATUS_SUCCESS},
    {"SHOW", IOCTL_WNBD_SHOW, sizeof(WNBD_IOCTL_SHOW_COMMAND), sizeof(WNBD_CONNECTION_INFO),
     STATUS_OBJECT_NAME_NOT_FOUND},
    {"SET_DISK_SIZE", IOCTL_WNBD_SET_DISK_SIZE, sizeof(WNBD_IOCTL_SET_SIZE_COMMAND), 0, STATUS_OBJECT_NAME_NOT_FOUND},
    {"STATS_EX", IOCTL_WNBD_STATS_EX, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS_EX),
     STATUS_OBJECT_NAME_NOT_FOUND},
};

/* Sends a command with exactly that much of both buffers: the sanitizer watches their ends. */
static NTSTATUS Send(BED *Bed, ULONG Code, ULONG InputBytes, ULONG OutputBytes)
{
    UCHAR Input[ROOM_BYTES] = {0};
    UCHAR Output[ROOM_BYTES];
    ULONG Used = 0;
    CHECK(InputBytes <= sizeof(Input) && OutputBytes <= sizeof(Output));
    memcpy(Input, &Code, sizeof(Code));
    NTSTATUS Status = NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, Input, InputBytes, Output, OutputBytes, &Used);
    CHECK(NT_SUCCESS(Status) ? Used <= OutputBytes : Used == 0);
    return Status;
}

/* Those that make disks have a test of their own. */
static void Sizes(BED *Bed)
{
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        const COMMAND_ROW *Row = &Rows[Index];
        printf("  %s\n", Row->Name);
        fflush(stdout);
        CHECK(Send(Bed, Row->Code, Row->InputBytes, Row->OutputBytes) == Row->Status);
        CHECK(Send(Bed, Row->Code, Row->InputBytes + 8, Row->OutputBytes + 8) == Row->Status);
        CHECK(Send(Bed, Row->Code, Row->InputBytes - 1, Row->OutputBytes) == STATUS_INVALID_PARAMETER);
        CHECK(Send(Bed, Row->Code, sizeof(ULONG) - 1, Row->OutputBytes) == STATUS_INVALID_PARAMETER);
        if (Row->OutputBytes != 0) {
            CHECK(Send(Bed, Row->Code, Row->InputBytes, Row->OutputBytes - 1) == STATUS_INVALID_PARAMETER);
            CHECK(Send(Bed, Row->Code, Row->InputBytes, 0) == STATUS_INVALID_PARAMETER);
        }
    }
    CHECK(Send(Bed, IOCTL_WNBD_PING, 0, 0) == STATUS_INVALID_PARAMETER);
    CHECK(Send(Bed, IOCTL_WNBD_PING, 0, 64) == STATUS_INVALID_PARAMETER);
}

/* Good properties, so that nothing but the size stands in the way of a disk. */
static void SizesOfCreate(BED *Bed)
{
    static const ULONG Codes[] = {IOCTL_WNBD_CREATE, IOCTL_WNBD_CREATE_EX};
    static const ULONG Outputs[] = {sizeof(WNBD_CONNECTION_INFO), sizeof(WNBD_CREATE_RESULT)};
    UCHAR Output[ROOM_BYTES];
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Codes); Index++) {
        WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = Codes[Index]};
        BedProperties(&Command.Properties, "never", 1);
        CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command) - 1, Output, Outputs[Index],
                          NULL) == STATUS_INVALID_PARAMETER);
        CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Output, Outputs[Index] - 1,
                          NULL) == STATUS_INVALID_PARAMETER);
    }
}

static void UnknownCommands(BED *Bed)
{
    static const ULONG Unknown[] = {0, IOCTL_WNBD_SET_DISK_SIZE + 1, IOCTL_WNBD_CREATE_EX - 1, IOCTL_WNBD_STATS_EX + 1,
                                    0xFFFFFFFF};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Unknown); Index++) {
        CHECK(Send(Bed, Unknown[Index], ROOM_BYTES, ROOM_BYTES) == STATUS_INVALID_DEVICE_REQUEST);
    }
}

static void NamesWithoutEnd(BED *Bed)
{
    UCHAR Output[sizeof(WNBD_CONNECTION_INFO)];
    WNBD_IOCTL_SHOW_COMMAND Show = {.IoControlCode = IOCTL_WNBD_SHOW};
    WNBD_IOCTL_STATS_COMMAND Stats = {.IoControlCode = IOCTL_WNBD_STATS};
    WNBD_IOCTL_REMOVE_COMMAND Remove = {.IoControlCode = IOCTL_WNBD_REMOVE};
    memset(Show.InstanceName, 'x', sizeof(Show.InstanceName));
    memset(Stats.InstanceName, 'x', sizeof(Stats.InstanceName));
    memset(Remove.InstanceName, 'x', sizeof(Remove.InstanceName));
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Show, sizeof(Show), Output, sizeof(Output), NULL) ==
          STATUS_INVALID_PARAMETER);
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Stats, sizeof(Stats), Output, sizeof(Output), NULL) ==
          STATUS_INVALID_PARAMETER);
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Remove, sizeof(Remove), NULL, 0, NULL) ==
          STATUS_INVALID_PARAMETER);
}

/* Command 64 refuses these properties with the error and words, and command 2 with an error. */
static void Refused(BED *Bed, const WNBD_PROPERTIES *Properties, UINT32 Win32Error, const char *Words)
{
    WNBD_CREATE_RESULT Result;
    WNBD_CONNECTION_INFO Info;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE, .Properties = *Properties};
    CHECK(BedMap(Bed, Properties, &Result) == STATUS_SUCCESS);
    CHECK(Result.Status == Win32Error);
    CHECK(Result.Phase == WnbdCreatePhaseRequest);
    CHECK(strcmp(Result.Message, Words) == 0);
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), NULL) ==
          StatusOfWin32(Win32Error));
}

static void PropertiesOfNoDisk(BED *Bed)
{
    static const char Reserved[] = "a reserved flag or field is set (is the program made for a newer driver?)";
    static const char Both[] =
        "the disk is to be served by the driver and by a process at once (UseKernelNbd, UseUserspaceNbd)";
    static const char Abilities[] = "an NBD disk has neither persistent reservations nor anchored blocks";
    WNBD_PROPERTIES Good;
    WNBD_PROPERTIES Bad;
    BedProperties(&Good, "never", 1);
#define WITH(Change, Win32Error, Words) (Bad = Good, Change, Refused(Bed, &Bad, Win32Error, Words))
    WITH(memset(Bad.InstanceName, 'x', sizeof(Bad.InstanceName)), WIN32_INVALID_PARAMETER,
         "the instance name is too long or not terminated (at most 255 bytes)");
    WITH(memset(Bad.SerialNumber, 'x', sizeof(Bad.SerialNumber)), WIN32_INVALID_PARAMETER,
         "the serial number is too long or not terminated (at most 255 bytes)");
    WITH(memset(Bad.Owner, 'x', sizeof(Bad.Owner)), WIN32_INVALID_PARAMETER,
         "the owner is too long or not terminated (at most 15 bytes)");
    WITH(memset(Bad.NbdProperties.Hostname, 'x', sizeof(Bad.NbdProperties.Hostname)), WIN32_INVALID_PARAMETER,
         "the server's name is too long or not terminated (at most 255 bytes)");
    WITH(memset(Bad.NbdProperties.ExportName, 'x', sizeof(Bad.NbdProperties.ExportName)), WIN32_INVALID_PARAMETER,
         "the export name is too long or not terminated (at most 255 bytes)");
    WITH(Bad.InstanceName[0] = '\0', WIN32_INVALID_PARAMETER, "the instance name is empty");
    WITH(Bad.NbdProperties.Hostname[0] = '\0', WIN32_INVALID_PARAMETER, "the server's name is empty");
    WITH(Bad.Flags.Reserved = 1, WIN32_INVALID_PARAMETER, Reserved);
    WITH(Bad.NbdProperties.Flags.Reserved = 1, WIN32_INVALID_PARAMETER, Reserved);
    WITH(Bad.Reserved[239] = 1, WIN32_INVALID_PARAMETER, Reserved);
    WITH(Bad.NbdProperties.Reserved[0] = 1, WIN32_INVALID_PARAMETER, Reserved);
    WITH(Bad.Flags.UseUserspaceNbd = 1, WIN32_INVALID_PARAMETER, Both);
    WITH(Bad.Flags.PersistResSupported = 1, WIN32_NOT_SUPPORTED, Abilities);
    WITH(Bad.Flags.UnmapAnchorSupported = 1, WIN32_NOT_SUPPORTED, Abilities);
    WITH(Bad.NbdProperties.PortNumber = 0, WIN32_INVALID_PARAMETER, "the port is not 1 to 65535");
    WITH(Bad.NbdProperties.PortNumber = 65536, WIN32_INVALID_PARAMETER, "the port is not 1 to 65535");
    WITH(Bad.BlockSize = 1024, WIN32_INVALID_BLOCK_LENGTH, "the block size is neither 512 nor 4096");
    WITH(Bad.NbdProperties.Flags.SkipNegotiation = 1, WIN32_INVALID_PARAMETER,
         "without a handshake the disk's size has to be given, below 2^63 bytes");
    /* Disks that a process serves. */
    Good.Flags.UseKernelNbd = 0;
    Good.BlockCount = 8;
    Good.BlockSize = 512;
    WITH(Bad.BlockSize = 0, WIN32_INVALID_BLOCK_LENGTH, "the block size is neither 512 nor 4096");
    WITH(Bad.BlockCount = 0, WIN32_INVALID_PARAMETER, "the disk's size has to be given, below 2^63 bytes");
    WITH(Bad.BlockCount = 1ull << 54, WIN32_INVALID_PARAMETER, "the disk's size has to be given, below 2^63 bytes");
    WITH(Bad.MaxUnmapDescCount = 4096, WIN32_INVALID_PARAMETER,
         "more descriptors are allowed in an UNMAP command than the 4095 that one can have");
    WITH(Bad.Flags.UnmapAnchorSupported = 1, WIN32_INVALID_PARAMETER,
         "blocks can be anchored only where they can be unmapped");
    Good.Flags.UseUserspaceNbd = 1;
    WITH(Bad.NbdProperties.Hostname[0] = '\0', WIN32_INVALID_PARAMETER, "the server's name is empty");
    WITH(Bad.NbdProperties.PortNumber = 0, WIN32_INVALID_PARAMETER, "the port is not 1 to 65535");
#undef WITH
}

/* A request of a driver has no process that could serve the disk. */
static void NobodyServes(BED *Bed)
{
    WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    BedProperties(&Command.Properties, "nobody's", 1);
    Command.Properties.Flags.UseKernelNbd = 0;
    Command.Properties.BlockCount = 8;
    Command.Properties.BlockSize = 512;
    CHECK(NativeIoctlOfDriver(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result)) ==
          STATUS_SUCCESS);
    CHECK(Result.Status == WIN32_INVALID_PARAMETER);
    CHECK(strcmp(Result.Message, "no process has asked for the disk, so none would serve it") == 0);
}

static void CommandOfTheFuture(BED *Bed)
{
    WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    BedProperties(&Command.Properties, "never", 1);
    Command.Reserved[0] = 1;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), NULL) ==
          STATUS_SUCCESS);
    CHECK(Result.Status == WIN32_INVALID_PARAMETER);
    CHECK(strcmp(Result.Message, "a reserved field of the command is set (is the program made for a newer driver?)") ==
          0);
}

/* What a connection that is not made is called. Most of these can't be provoked on one machine. */
static void WordsOfConnecting(BED *Bed)
{
    static const struct {
        NTSTATUS Status;
        UINT32 Win32Error;
        const char *Words;
    } Expected[] = {
        {STATUS_CONNECTION_REFUSED, WIN32_CONNECTION_REFUSED, "connection refused (is the NBD server running there?)"},
        {STATUS_CONNECTION_RESET, WIN32_CONNECTION_REFUSED, "connection reset (is the NBD server running there?)"},
        {STATUS_NETWORK_UNREACHABLE, WIN32_NETWORK_UNREACHABLE,
         "no route to that network (check the network's settings)"},
        {STATUS_HOST_UNREACHABLE, WIN32_HOST_UNREACHABLE, "host unreachable (check the address and the network)"},
        {STATUS_IO_TIMEOUT, WIN32_TIMED_OUT, "connecting timed out (check the address, the port and firewalls)"},
        {STATUS_UNSUCCESSFUL, WIN32_HOST_UNREACHABLE,
         "the connection could not be made (check the address and the network)"},
    };
    UNREFERENCED_PARAMETER(Bed);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Expected); Index++) {
        const char *Words;
        CHECK(StatusOfConnect(Expected[Index].Status, &Words) == Expected[Index].Win32Error);
        CHECK(strcmp(Words, Expected[Index].Words) == 0);
    }
}

/* What has no number of its own, and what no connection of a disk ends with. */
static void NumbersOfTheRest(BED *Bed)
{
    UNREFERENCED_PARAMETER(Bed);
    CHECK(StatusOfWin32(4242) == STATUS_UNSUCCESSFUL);
    CHECK(StatusToWin32(STATUS_BUFFER_OVERFLOW) == WIN32_GEN_FAILURE);
    CHECK(StatusOfNbdFailure(NBD_FAILURE_NONE) == 0);
    CHECK(StatusOfNbdFailure(NBD_FAILURE_LIST_UNSUPPORTED) == WIN32_BAD_NET_RESP);
    CHECK(StatusOfNbdFailure((NBD_FAILURE)99) == WIN32_BAD_NET_RESP);
}

int main(int Count, char **Arguments)
{
    BED Bed;
    NATIVE_OPTIONS Options = {.Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1, .LogLevel = 0};
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {
        {"sizes of every command's buffers", Sizes},
        {"sizes of the buffers of those that make disks", SizesOfCreate},
        {"commands that there are not", UnknownCommands},
        {"names without an end", NamesWithoutEnd},
        {"properties that make no disk", PropertiesOfNoDisk},
        {"a disk that nobody would serve", NobodyServes},
        {"a command of which more is known elsewhere", CommandOfTheFuture},
        {"words for connections that are not made", WordsOfConnecting},
        {"numbers of the rest", NumbersOfTheRest},
    };
    BedStart(&Bed, &Options);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run(&Bed);
    }
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
