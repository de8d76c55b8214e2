/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver reads of the registry when an adapter starts: the send
 * window, and what it makes of values that are none. And what it does without
 * a registry: before an adapter has started, or if its key's name is too long.
 */
#include "options.h"
#include "bed.h"
#include "options_ioctl.h"
#include "server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PARAMETERS NATIVE_SERVICES "wnbd\\Parameters"

static pthread_mutex_t LogLock = PTHREAD_MUTEX_INITIALIZER;
static char LogText[4096];

static void LogTake(uint32_t Level, const char *Text)
{
    pthread_mutex_lock(&LogLock);
    if (Level <= DPFLTR_WARNING_LEVEL && strncmp(Text, "wnbd: ", 6) == 0) {
        snprintf(LogText + strlen(LogText), sizeof(LogText) - strlen(LogText), "%s", Text);
    }
    pthread_mutex_unlock(&LogLock);
}

/* Starts, uses and stops an adapter with these parameters; Expected is all that the driver warns of. */
static void Run(SERVER *Server, void (*Set)(void), const char *Expected)
{
    BED Bed;
    DISK Disk;
    UCHAR Cdb[16], Data[8192];
    LogText[0] = '\0';
    NATIVE_OPTIONS Options = {.Seed = 1, .Log = LogTake};
    NativeStart(&Options);
    Set();
    BedLoad(&Bed);
    BedMapDisk(&Bed, &Disk, Server->Port);
    DiskCdb16(Cdb, 0x8A, 0, sizeof(Data) / Disk.BlockSize, false);
    memset(Data, 0x42, sizeof(Data));
    for (int Round = 0; Round < 20; Round++) {
        CHECK(DiskCommand(&Disk, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, sizeof(Data), NULL) == SRB_STATUS_SUCCESS);
    }
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    if (strcmp(LogText, Expected) != 0) {
        fprintf(stderr, "logged: %sexpected: %s", LogText, Expected);
    }
    CHECK(strcmp(LogText, Expected) == 0);
}

static void SetNothing(void)
{
}

static void SetOne(void)
{
    NativeRegistrySetDword(PARAMETERS, "SendWindow", 1);
}

static void SetMost(void)
{
    NativeRegistrySetDword(PARAMETERS, "SendWindow", 8);
}

static void SetNone(void)
{
    NativeRegistrySetDword(PARAMETERS, "SendWindow", 0);
}

static void SetMore(void)
{
    NativeRegistrySetDword(PARAMETERS, "SendWindow", 9);
}

static void SetText(void)
{
    NativeRegistrySetString(PARAMETERS, "SendWindow", "8");
}

static void SetOther(void)
{
    NativeRegistrySetDword(PARAMETERS, "BusType", 14);
}

/* ...\Parameters behind it has 511 characters at most. */
#define PATH_MOST 500

DRIVER_INITIALIZE DriverEntry;

static UNICODE_STRING LongPath(USHORT Length)
{
    static WCHAR Text[PATH_MOST + 1];
    for (USHORT Index = 0; Index < RTL_NUMBER_OF(Text); Index++) {
        Text[Index] = 'x';
    }
    return (UNICODE_STRING){.Length = Length * sizeof(WCHAR), .MaximumLength = sizeof(Text), .Buffer = Text};
}

static void PathTooLong(void)
{
    UNICODE_STRING Most = LongPath(PATH_MOST), More = LongPath(PATH_MOST + 1);
    CHECK(OptionsStart(NULL, &Most) == STATUS_SUCCESS);
    CHECK(OptionsStart(NULL, &More) == STATUS_NAME_TOO_LONG);
    CHECK(DriverEntry(NULL, &More) == STATUS_NAME_TOO_LONG);
}

/* Values are there, and can be changed; what would have to be kept is refused, and changes nothing. */
static void NoKeyYet(void)
{
    static UCHAR Room[sizeof(WNBD_OPTION_LIST) + OPTION_COUNT * sizeof(WNBD_OPTION)];
    UNICODE_STRING Path = LongPath(10);
    ULONG_PTR Used = 0;
    LONG64 Value;
    CHECK(OptionsStart(NULL, &Path) == STATUS_SUCCESS && OptionsValue(OptionLogLevel) == 1);
    CHECK(OptionsPersistent(OptionLogLevel, &Value) == STATUS_DEVICE_NOT_READY);
    CHECK(OptionsReload() == STATUS_DEVICE_NOT_READY);
    CHECK(OptionsSet(OptionLogLevel, 3, FALSE) == STATUS_SUCCESS && OptionsValue(OptionLogLevel) == 3);
    CHECK(OptionsSet(OptionLogLevel, 4, TRUE) == STATUS_DEVICE_NOT_READY && OptionsValue(OptionLogLevel) == 3);
    CHECK(OptionsReset(OptionLogLevel, TRUE) == STATUS_DEVICE_NOT_READY && OptionsValue(OptionLogLevel) == 3);
    CHECK(OptionsIoctlList((PWNBD_OPTION_LIST)Room, sizeof(Room), TRUE, &Used) == STATUS_DEVICE_NOT_READY && Used == 0);
    CHECK(OptionsReset(OptionLogLevel, FALSE) == STATUS_SUCCESS && OptionsValue(OptionLogLevel) == 1);
}

int main(void)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    SERVER Server;
    PathTooLong();
    NoKeyYet();
    ServerStart(&Server, Memory);
    Run(&Server, SetNothing, "");
    Run(&Server, SetOther, "");
    Run(&Server, SetOne, "");
    Run(&Server, SetMost, "");
    Run(&Server, SetText, "");
    Run(&Server, SetNone, "wnbd: SendWindow is 0, which is not 1 to 8: 4 is used\n");
    Run(&Server, SetMore, "wnbd: SendWindow is 9, which is not 1 to 8: 4 is used\n");
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
