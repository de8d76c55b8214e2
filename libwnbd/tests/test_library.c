/* SPDX-License-Identifier: LGPL-2.1-only */
/* Arguments that must be refused, the adapter that isn't there, the log, and what needs no driver. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#define REFUSED ERROR_INVALID_PARAMETER

/* A name with one byte too many. */
static char LongName[WNBD_MAX_NAME_LENGTH + 1];

/* Any handle that is none of the adapter's: nothing may be sent to it. */
static HANDLE SomeHandle;

static void ArgumentsOfDisks(void)
{
    WNBD_CONNECTION_INFO Info;
    WNBD_DRV_STATS Stats;
    WNBD_DRV_STATS_EX StatsEx;
    WNBD_PROPERTIES Properties = GoodProperties();
    WNBD_DISK Disk;
    PVOID Context;
    PWNBD_DISK Created;
    DWORD Size = sizeof(Info), Number;
    memset(&Disk, 0, sizeof(Disk));
    RETURNS(REFUSED, WnbdCreate(NULL, NULL, NULL, &Created));
    RETURNS(REFUSED, WnbdCreate(&Properties, NULL, NULL, NULL));
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, NULL));
    RETURNS(REFUSED, WnbdRemove(NULL, NULL));
    RETURNS(REFUSED, WnbdRemove(&Disk, NULL)); /* a disk without a name */
    RETURNS(REFUSED, WnbdRemoveEx(NULL, NULL));
    RETURNS(REFUSED, WnbdRemoveEx("", NULL));
    RETURNS(REFUSED, WnbdRemoveEx(LongName, NULL));
    RETURNS(REFUSED, WnbdRemoveAllDisks(NULL));
    RETURNS(REFUSED, WnbdRemoveAllDisks(INVALID_HANDLE_VALUE));
    RETURNS(REFUSED, WnbdList(NULL, NULL));
    RETURNS(REFUSED, WnbdList(NULL, &Size));
    RETURNS(REFUSED, WnbdShow(NULL, &Info));
    RETURNS(REFUSED, WnbdShow("", &Info));
    RETURNS(REFUSED, WnbdShow(LongName, &Info));
    RETURNS(REFUSED, WnbdShow("foo", NULL));
    RETURNS(REFUSED, WnbdGetDriverStats(LongName, &Stats));
    RETURNS(REFUSED, WnbdGetDriverStats("foo", NULL));
    RETURNS(REFUSED, WnbdGetDriverStatsEx(LongName, &StatsEx));
    RETURNS(REFUSED, WnbdGetDriverStatsEx("foo", NULL));
    RETURNS(REFUSED, WnbdGetConnectionInfo(NULL, &Info));
    RETURNS(REFUSED, WnbdGetConnectionInfo(&Disk, NULL));
    RETURNS(REFUSED, WnbdGetUserContext(NULL, &Context));
    RETURNS(REFUSED, WnbdGetUserContext(&Disk, NULL));
    RETURNS(REFUSED, WnbdPollDiskNumber(LongName, TRUE, FALSE, 0, 0, &Number));
    RETURNS(REFUSED, WnbdPollDiskNumber("foo", TRUE, FALSE, 0, 0, NULL));
    WnbdClose(NULL);
}

static void ArgumentsOfOptions(void)
{
    DWORD Size = sizeof(WNBD_OPTION_LIST);
    DWORD None = 0;
    OVERLAPPED Overlapped;
    memset(&Overlapped, 0, sizeof(Overlapped));
    WNBD_OPTION_VALUE Value = {.Type = WnbdOptInt64};
    DWORD Limit;
    RETURNS(REFUSED, WnbdIoctlReloadConfig(NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlGetDrvOpt(SomeHandle, LongName, &Value, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlGetDrvOpt(SomeHandle, "\xff", &Value, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlGetDrvOpt(SomeHandle, "LogLevel", NULL, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlSetDrvOpt(SomeHandle, NULL, &Value, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlSetDrvOpt(SomeHandle, "LogLevel", NULL, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlResetDrvOpt(SomeHandle, "", FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlListDrvOpt(SomeHandle, NULL, NULL, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlListDrvOpt(SomeHandle, NULL, &Size, FALSE, NULL));
    RETURNS(REFUSED, WnbdIoctlListDrvOpt(SomeHandle, NULL, &None, FALSE, &Overlapped));
    RETURNS(REFUSED, WnbdGetDrvOpt(LongName, &Value, FALSE));
    RETURNS(REFUSED, WnbdGetDrvOpt("LogLevel", NULL, FALSE));
    RETURNS(REFUSED, WnbdSetDrvOpt("", &Value, FALSE));
    RETURNS(REFUSED, WnbdSetDrvOpt("LogLevel", NULL, FALSE));
    RETURNS(REFUSED, WnbdResetDrvOpt(NULL, FALSE));
    RETURNS(REFUSED, WnbdListDrvOpt(NULL, NULL, FALSE));
    RETURNS(REFUSED, WnbdListDrvOpt(NULL, &Size, FALSE));
    RETURNS(REFUSED, WnbdIoctlGetIOLimits(NULL, &Limit, &Limit, NULL));
    RETURNS(REFUSED, WnbdIoctlGetIOLimits(INVALID_HANDLE_VALUE, &Limit, &Limit, NULL));
    RETURNS(REFUSED, WnbdIoctlGetIOLimits(SomeHandle, NULL, &Limit, NULL));
    RETURNS(REFUSED, WnbdIoctlGetIOLimits(SomeHandle, &Limit, NULL, NULL));
}

static void ArgumentsOfCommands(void)
{
    WNBD_CONNECTION_INFO Info;
    WNBD_CREATE_RESULT Result;
    WNBD_DRV_STATS Stats;
    WNBD_DRV_STATS_EX StatsEx;
    WNBD_PROPERTIES Properties = GoodProperties();
    OVERLAPPED Overlapped;
    DWORD Size = sizeof(Info);
    DWORD None = 0;
    memset(&Overlapped, 0, sizeof(Overlapped));
    RETURNS(REFUSED, WnbdIoctlPing(NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlPing(INVALID_HANDLE_VALUE, NULL));
    RETURNS(REFUSED, WnbdIoctlPing(NULL, &Overlapped));
    RETURNS(REFUSED, WnbdIoctlCreate(SomeHandle, NULL, &Info, NULL));
    RETURNS(REFUSED, WnbdIoctlCreate(SomeHandle, &Properties, NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlCreateEx(SomeHandle, NULL, &Result, NULL));
    RETURNS(REFUSED, WnbdIoctlCreateEx(SomeHandle, &Properties, NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlRemove(SomeHandle, NULL, NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlRemove(SomeHandle, LongName, NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlList(SomeHandle, NULL, NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlList(SomeHandle, NULL, &Size, NULL));
    RETURNS(REFUSED, WnbdIoctlList(SomeHandle, NULL, &None, &Overlapped));
    RETURNS(REFUSED, WnbdIoctlShow(SomeHandle, LongName, &Info, NULL));
    RETURNS(REFUSED, WnbdIoctlShow(SomeHandle, "foo", NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlStats(SomeHandle, LongName, &Stats, NULL));
    RETURNS(REFUSED, WnbdIoctlStats(SomeHandle, "foo", NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlStatsEx(SomeHandle, LongName, &StatsEx, NULL));
    RETURNS(REFUSED, WnbdIoctlStatsEx(SomeHandle, "foo", NULL, NULL));
    RETURNS(REFUSED, WnbdIoctlVersion(SomeHandle, NULL, NULL));
    RETURNS(REFUSED, WnbdOpenAdapter(NULL));
    RETURNS(REFUSED, WnbdGetAdapterDevInst(NULL));
    RETURNS(REFUSED, WnbdGetLibVersion(NULL));
    RETURNS(REFUSED, WnbdGetDriverVersion(NULL));
    RETURNS(REFUSED, WnbdInstallDriver(NULL, NULL));
    RETURNS(REFUSED, WnbdInstallDriver("", NULL));
}

/* Every text of the properties without its terminator or with bytes that no name has, and values that can't be. */
static void ArgumentsOfProperties(void)
{
    static const struct {
        size_t Offset;
        size_t Size;
        const char *Word;
    } Texts[] = {
        {offsetof(WNBD_PROPERTIES, InstanceName), WNBD_MAX_NAME_LENGTH, "instance name"},
        {offsetof(WNBD_PROPERTIES, SerialNumber), WNBD_MAX_NAME_LENGTH, "serial number"},
        {offsetof(WNBD_PROPERTIES, Owner), WNBD_MAX_OWNER_LENGTH, "owner"},
        {offsetof(WNBD_PROPERTIES, NbdProperties.Hostname), WNBD_MAX_NAME_LENGTH, "host name"},
        {offsetof(WNBD_PROPERTIES, NbdProperties.ExportName), WNBD_MAX_NAME_LENGTH, "export name"},
    };
    static const char *const BadNames[] = {"a\nb", "\x7f", "caf\xe9", "\xe2\x80\xae", "\xc0\xaf"};
    WNBD_CREATE_RESULT Result;
    WNBD_CONNECTION_INFO Info;
    WNBD_PROPERTIES Properties;
    for (size_t Index = 0; Index < sizeof(Texts) / sizeof(Texts[0]); Index++) {
        Properties = GoodProperties();
        memset((char *)&Properties + Texts[Index].Offset, 'x', Texts[Index].Size);
        RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
        CHECK(Result.Status == REFUSED && Result.Phase == WnbdCreatePhaseRequest);
        char Words[128];
        snprintf(Words, sizeof(Words), "the %s is longer than %u bytes", Texts[Index].Word,
                 (unsigned)Texts[Index].Size - 1);
        CHECK(strcmp(Result.Message, Words) == 0);
        memcpy((char *)&Properties + Texts[Index].Offset, "a\nb", 4);
        RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
        snprintf(Words, sizeof(Words),
                 "the %s is not UTF-8, or has control characters or ones that turn the direction of writing",
                 Texts[Index].Word);
        CHECK(strcmp(Result.Message, Words) == 0);
        RETURNS(REFUSED, WnbdIoctlCreate(SomeHandle, &Properties, &Info, NULL));
        RETURNS(REFUSED, WnbdIoctlCreateEx(SomeHandle, &Properties, &Result, NULL));
        for (size_t Name = 0; Name < sizeof(BadNames) / sizeof(BadNames[0]); Name++) {
            Properties = GoodProperties();
            strcpy((char *)&Properties + Texts[Index].Offset, BadNames[Name]);
            RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
            CHECK(Result.Status == REFUSED && Result.Phase == WnbdCreatePhaseRequest);
            CHECK(strstr(Result.Message, Texts[Index].Word) != NULL && strstr(Result.Message, "UTF-8") != NULL);
            RETURNS(REFUSED, WnbdIoctlCreate(SomeHandle, &Properties, &Info, NULL));
        }
    }
    RETURNS(REFUSED, WnbdCreateNbd(NULL, &Result));
    CHECK(strcmp(Result.Message, "no properties of the disk were given") == 0);
    Properties = GoodProperties();
    Properties.InstanceName[0] = 0;
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
    Properties = GoodProperties();
    Properties.NbdProperties.Hostname[0] = 0;
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
    CHECK(strstr(Result.Message, ": the name of the NBD server is empty") != NULL);
    Properties = GoodProperties();
    Properties.NbdProperties.PortNumber = 65536;
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
    CHECK(strstr(Result.Message, ": there is no TCP port 65536") != NULL);
    Properties.NbdProperties.PortNumber = 0;
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
    Properties = GoodProperties();
    Properties.Flags.UseUserspaceNbd = 1;
    RETURNS(REFUSED, WnbdCreateNbd(&Properties, &Result));
    CHECK(strcmp(Result.Message, "UseKernelNbd and UseUserspaceNbd exclude each other") == 0);
}

void TestArguments(void)
{
    memset(LongName, 'x', WNBD_MAX_NAME_LENGTH);
    SomeHandle = CreateEventW(NULL, TRUE, FALSE, NULL);
    ArgumentsOfDisks();
    ArgumentsOfCommands();
    ArgumentsOfOptions();
    ArgumentsOfProperties();
    CloseHandle(SomeHandle);
}

void TestNoAdapter(void)
{
    WNBD_OPTION_VALUE Value = {.Type = WnbdOptInt64};
    HANDLE Adapter = NULL;
    DEVINST Node;
    WNBD_CREATE_RESULT Result;
    WNBD_CONNECTION_INFO Info;
    WNBD_DRV_STATS Stats;
    WNBD_DRV_STATS_EX StatsEx;
    WNBD_VERSION Version;
    WNBD_PROPERTIES Properties = GoodProperties();
    PWNBD_DISK Disk = NULL;
    DWORD Size = 0, Number;

    RETURNS(ERROR_OPEN_FAILED, WnbdOpenAdapter(&Adapter));
    CHECK(LastLevel == WnbdLogLevelError && strstr(LastMessage, "not installed") != NULL);
    RETURNS(ERROR_OPEN_FAILED, WnbdGetAdapterDevInst(&Node));
    RETURNS(ERROR_OPEN_FAILED, WnbdList(NULL, &Size));
    RETURNS(ERROR_OPEN_FAILED, WnbdShow("foo", &Info));
    RETURNS(ERROR_OPEN_FAILED, WnbdGetDriverStats("foo", &Stats));
    RETURNS(ERROR_OPEN_FAILED, WnbdGetDriverStatsEx("foo", &StatsEx));
    RETURNS(ERROR_OPEN_FAILED, WnbdGetDriverVersion(&Version));
    RETURNS(ERROR_OPEN_FAILED, WnbdGetDrvOpt("LogLevel", &Value, FALSE));
    RETURNS(ERROR_OPEN_FAILED, WnbdSetDrvOpt("LogLevel", &Value, TRUE));
    RETURNS(ERROR_OPEN_FAILED, WnbdResetDrvOpt("LogLevel", TRUE));
    RETURNS(ERROR_OPEN_FAILED, WnbdListDrvOpt(NULL, &Size, FALSE));
    RETURNS(ERROR_OPEN_FAILED, WnbdRemoveEx("foo", NULL));
    RETURNS(ERROR_OPEN_FAILED, WnbdPollDiskNumber("foo", TRUE, FALSE, 0, 0, &Number));
    RETURNS(ERROR_OPEN_FAILED, WnbdCreate(&Properties, NULL, NULL, &Disk));
    CHECK(Disk == NULL);

    memset(&Result, 0xcc, sizeof(Result));
    RETURNS(ERROR_OPEN_FAILED, WnbdCreateNbd(&Properties, &Result));
    CHECK(Result.Status == ERROR_OPEN_FAILED && Result.Phase == WnbdCreatePhaseRequest && Result.ServerError == 0);
    CHECK(strcmp(Result.Message, "there is no WNBD adapter: the driver is not installed, or its device is disabled (to "
                                 "install it, run wnbd-client install-driver)") == 0);
    /* A longest name is no error of its own. */
    memset(Properties.InstanceName, 'x', WNBD_MAX_NAME_LENGTH - 1);
    RETURNS(ERROR_OPEN_FAILED, WnbdShow(Properties.InstanceName, &Info));

    RETURNS(ERROR_FILE_NOT_FOUND, WnbdInstallDriver("C:\\no such directory\\wnbd.inf", NULL));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdInstallDriver("C:\\windows", NULL));
}

void TestLog(void)
{
    HANDLE Adapter;
    WnbdSetLogLevel(WnbdLogLevelCritical);
    WnbdOpenAdapter(&Adapter);
    CHECK(MessageCount == 0);
    WnbdSetLogLevel(WnbdLogLevelError);
    WnbdOpenAdapter(&Adapter);
    CHECK(MessageCount == 1);
    CHECK(strcmp(LastFile, "adapter.c") == 0);

    /* Messages longer than the longest are cut, and have an end. */
    char Path[WNBD_LOG_MESSAGE_MAX_SIZE * 2];
    memset(Path, 'x', sizeof(Path) - 1);
    Path[sizeof(Path) - 1] = 0;
    WnbdInstallDriver(Path, NULL);
    CHECK(strlen(LastMessage) == WNBD_LOG_MESSAGE_MAX_SIZE - 1);

    /* Without a logger, messages go to stderr and not to the old one. */
    LogForget();
    WnbdSetLogger(NULL);
    WnbdOpenAdapter(&Adapter);
    CHECK(MessageCount == 0);
}

void TestSmallThings(void)
{
    WNBD_STATUS Status;
    WNBD_VERSION Version;
    char Expected[WNBD_MAX_VERSION_STR_LENGTH];
    memset(&Status, 0xcc, sizeof(Status));
    WnbdSetSense(&Status, 3, 0x11);
    CHECK(Status.ScsiStatus == 2 && Status.SenseKey == 3 && Status.ASC == 0x11 && Status.ASCQ == 0);
    CHECK(Status.InformationValid == 0 && Status.Information == 0 && Status.ReservedCSI == 0);
    WnbdSetSenseEx(&Status, 5, 0x21, 0x123456789abcULL);
    CHECK(Status.ScsiStatus == 2 && Status.SenseKey == 5 && Status.ASC == 0x21);
    CHECK(Status.InformationValid == 1 && Status.Information == 0x123456789abcULL);
    WnbdSetSense(NULL, 3, 0x11);
    WnbdSetSenseEx(NULL, 3, 0x11, 0);

    memset(&Version, 0xcc, sizeof(Version));
    RETURNS(0, WnbdGetLibVersion(&Version));
    snprintf(Expected, sizeof(Expected), "%u.%u.%u", Version.Major, Version.Minor, Version.Patch);
    CHECK(strncmp(Version.Description, Expected, strlen(Expected)) == 0);
    CHECK(Version.Reserved[0] == 0 && Version.Reserved[255] == 0);
}
