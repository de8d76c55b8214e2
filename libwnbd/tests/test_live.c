/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library with a driver: `libwnbd-test live PORT`, where an NBD server at
 * 127.0.0.1:PORT has an export "disk" of 8 MiB that several clients may use. Begins
 * and ends without disks.
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#define EXPORT_BYTES (8u * 1024 * 1024)
#define LIST_SIZE(Count) (DWORD)(offsetof(WNBD_CONNECTION_LIST, Connections) + (Count) * sizeof(WNBD_CONNECTION_INFO))

static UINT32 ServerPort;
static HANDLE Adapter;

static WNBD_PROPERTIES Named(const char *Name, UINT32 Port)
{
    WNBD_PROPERTIES Properties = GoodProperties();
    snprintf(Properties.InstanceName, sizeof(Properties.InstanceName), "%s", Name);
    snprintf(Properties.NbdProperties.ExportName, sizeof(Properties.NbdProperties.ExportName), "disk");
    Properties.NbdProperties.PortNumber = Port;
    return Properties;
}

static void LiveVersions(void)
{
    WNBD_VERSION Driver, Library;
    RETURNS(0, WnbdGetDriverVersion(&Driver));
    RETURNS(0, WnbdGetLibVersion(&Library));
    CHECK(strcmp(Driver.Description, Library.Description) == 0);
    CHECK(Driver.Major == Library.Major && Driver.Minor == Library.Minor && Driver.Patch == Library.Patch);
}

/* Every command that waits has an event of its own, even on a handle that belongs to a completion port. */
static void LiveCompletionPort(void)
{
    DWORD Bytes;
    ULONG_PTR Key;
    LPOVERLAPPED Completed = NULL;
    HANDLE Own;
    RETURNS(0, WnbdOpenAdapter(&Own));
    HANDLE Port = CreateIoCompletionPort(Own, NULL, 1, 0);
    CHECK(Port != NULL);
    RETURNS(0, WnbdIoctlPing(Own, NULL));
    CHECK(!GetQueuedCompletionStatus(Port, &Bytes, &Key, &Completed, 100) && Completed == NULL);
    CloseHandle(Port);
    CloseHandle(Own);
}

/* The result of a command with an OVERLAPPED, which may be pending. */
static DWORD Finish(DWORD Error, LPOVERLAPPED Overlapped)
{
    DWORD Bytes;
    if (Error && Error != ERROR_IO_PENDING) {
        return Error;
    }
    return GetOverlappedResult(Adapter, Overlapped, &Bytes, TRUE) ? ERROR_SUCCESS : GetLastError();
}

static void LiveOverlapped(void)
{
    OVERLAPPED Wait;
    WNBD_CONNECTION_INFO Info;
    WNBD_DRV_STATS Stats;
    WNBD_VERSION Version;
    WNBD_CONNECTION_LIST List;
    DWORD Size = sizeof(List);
    WNBD_PROPERTIES Properties = Named("one", ServerPort);
    memset(&Wait, 0, sizeof(Wait));
    Wait.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    RETURNS(0, Finish(WnbdIoctlPing(Adapter, &Wait), &Wait));
    RETURNS(0, Finish(WnbdIoctlVersion(Adapter, &Version, &Wait), &Wait));
    RETURNS(0, Finish(WnbdIoctlShow(Adapter, "one", &Info, &Wait), &Wait));
    CHECK(strcmp(Info.Properties.InstanceName, "one") == 0);
    RETURNS(0, Finish(WnbdIoctlStats(Adapter, "one", &Stats, &Wait), &Wait));
    CHECK(Stats.TotalReceivedIORequests > 0);
    RETURNS(ERROR_FILE_NOT_FOUND, Finish(WnbdIoctlShow(Adapter, "none", &Info, &Wait), &Wait));
    RETURNS(ERROR_ALREADY_EXISTS, Finish(WnbdIoctlCreate(Adapter, &Properties, &Info, &Wait), &Wait));
    /* Two disks, room for one: the count is the driver's. */
    RETURNS(0, Finish(WnbdIoctlList(Adapter, &List, &Size, &Wait), &Wait));
    CHECK(List.Count == 2 && List.ElementSize == sizeof(WNBD_CONNECTION_INFO) && Size == sizeof(List));
    CloseHandle(Wait.hEvent);
}

static void CheckNewDisk(const WNBD_CONNECTION_INFO *Info, const char *Name)
{
    CHECK(strcmp(Info->Properties.InstanceName, Name) == 0);
    CHECK(strcmp(Info->Properties.SerialNumber, Name) == 0);
    CHECK(Info->Properties.BlockSize == 512);
    CHECK(Info->Properties.BlockCount == EXPORT_BYTES / 512);
    CHECK(Info->Properties.Flags.UseKernelNbd == 1 && Info->Properties.Flags.UseUserspaceNbd == 0);
    CHECK(Info->Properties.Pid == (INT)GetCurrentProcessId());
    CHECK(Info->Properties.NbdProperties.PortNumber == ServerPort);
    CHECK(Info->ConnectionId != 0 && Info->ConnectionFlags.Disconnecting == 0);
}

static void LiveCreate(void)
{
    WNBD_CREATE_RESULT Result;
    WNBD_CONNECTION_INFO Info;
    PWNBD_DISK Disk = NULL;
    PVOID Context = NULL;
    WNBD_PROPERTIES Properties = Named("one", ServerPort);
    Properties.Flags.UseKernelNbd = 0; /* WnbdCreateNbd sets it */
    RETURNS(0, WnbdCreateNbd(&Properties, &Result));
    CHECK(Result.Status == 0 && Result.Phase == WnbdCreatePhaseDone);
    CheckNewDisk(&Result.ConnectionInfo, "one");
    RETURNS(ERROR_ALREADY_EXISTS, WnbdCreateNbd(&Properties, &Result));
    CHECK(Result.Status == ERROR_ALREADY_EXISTS && Result.Message[0] != 0);

    Properties = Named("two", ServerPort);
    RETURNS(0, WnbdCreate(&Properties, NULL, &Context, &Disk));
    RETURNS(0, WnbdGetUserContext(Disk, &Context));
    CHECK(Context == &Context);
    RETURNS(0, WnbdGetConnectionInfo(Disk, &Info));
    CheckNewDisk(&Info, "two");
    CHECK(Info.ConnectionId != Result.ConnectionInfo.ConnectionId);
    WnbdClose(Disk);
    /* The driver serves it: it outlives its handle. */
    RETURNS(0, WnbdShow("two", &Info));

    /* Published CREATE fails as a request, ours brings words; a name is free as soon as its failure is known. */
    Properties = Named("three", 1);
    for (int Round = 0; Round < 20; Round++) {
        RETURNS(ERROR_CONNECTION_REFUSED, WnbdIoctlCreate(Adapter, &Properties, &Info, NULL));
        RETURNS(0, WnbdIoctlCreateEx(Adapter, &Properties, &Result, NULL));
        RETURNS(ERROR_CONNECTION_REFUSED, Result.Status);
        RETURNS(WnbdCreatePhaseConnect, (DWORD)Result.Phase);
        CHECK(strlen(Result.Message) > 10);
    }
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdShow("three", &Info));
}

static void LiveNumbers(void)
{
    WNBD_CONNECTION_INFO Info;
    DWORD One = MAXDWORD, Two = MAXDWORD;
    RETURNS(0, WnbdPollDiskNumber("one", TRUE, TRUE, 10000, 100, &One));
    RETURNS(0, WnbdPollDiskNumber("two", FALSE, FALSE, INFINITE, 100, &Two));
    CHECK(One != Two);
    RETURNS(0, WnbdShow("one", &Info));
    CHECK((DWORD)Info.DiskNumber == One && Info.PNPDeviceID[0] != 0);
    RETURNS(0, WnbdShow("two", &Info));
    CHECK((DWORD)Info.DiskNumber == Two && Info.PNPDeviceID[0] != 0);
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdPollDiskNumber("none", TRUE, FALSE, 10000, 100, &One));
    ULONGLONG Before = GetTickCount64();
    RETURNS(ERROR_TIMEOUT, WnbdPollDiskNumber("none", FALSE, FALSE, 300, 100, &One));
    CHECK(GetTickCount64() - Before >= 290 && GetTickCount64() - Before < 5000);
}

/* A read is counted when it comes, when it goes to the server and when the reply is there. */
static void LiveStats(void)
{
    WCHAR Path[64];
    WNBD_DRV_STATS Before, After;
    OVERLAPPED Wait;
    DWORD Number = 0, Bytes = 0;
    static BYTE Data[4096];
    memset(&Wait, 0, sizeof(Wait));
    RETURNS(0, WnbdPollDiskNumber("one", TRUE, TRUE, 10000, 100, &Number));
    swprintf(Path, sizeof(Path) / sizeof(Path[0]), L"\\\\.\\PhysicalDrive%lu", Number);
    HANDLE Disk = CreateFileW(Path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    CHECK(Disk != INVALID_HANDLE_VALUE);
    RETURNS(0, WnbdGetDriverStats("one", &Before));
    CHECK(ReadFile(Disk, Data, sizeof(Data), &Bytes, &Wait) && Bytes == sizeof(Data));
    RETURNS(0, WnbdGetDriverStats("one", &After));
    CHECK(After.TotalReceivedIORequests > Before.TotalReceivedIORequests);
    CHECK(After.TotalSubmittedIORequests > Before.TotalSubmittedIORequests);
    CHECK(After.TotalReceivedIOReplies > Before.TotalReceivedIOReplies);
    CHECK(After.PendingSubmittedIORequests == 0 && After.OutstandingIOCount == 0);
    /* Interrupt time: within the last minute of the clock that programs have. */
    UINT64 Now = GetTickCount64() * 10000;
    CHECK(After.LastReplyTimestamp <= Now + 1000000 && After.LastReplyTimestamp + 600000000ULL > Now);
    CloseHandle(Disk);
}

/* WnbdList with Size bytes: Wanted disks are stored, nothing behind Size is touched, the need is told. */
static void CheckList(DWORD Size, UINT32 Wanted)
{
    static union {
        WNBD_CONNECTION_LIST List;
        BYTE Bytes[LIST_SIZE(3)];
    } Buffer;
    DWORD Told = Size;
    memset(&Buffer, 0xcc, sizeof(Buffer));
    RETURNS(0, WnbdList(Size ? &Buffer.List : NULL, &Told));
    CHECK(Told == LIST_SIZE(2));
    CHECK(Size == sizeof(Buffer) || Buffer.Bytes[Size] == 0xcc);
    if (Size < offsetof(WNBD_CONNECTION_LIST, Connections)) {
        return;
    }
    CHECK(Buffer.List.Count == Wanted && Buffer.List.ElementSize == sizeof(WNBD_CONNECTION_INFO));
    for (UINT32 Index = 0; Index < Wanted; Index++) {
        const WNBD_CONNECTION_INFO *Info = (const WNBD_CONNECTION_INFO *)(Buffer.Bytes + LIST_SIZE(Index));
        CHECK(strcmp(Info->Properties.InstanceName, Index ? "two" : "one") == 0);
        CHECK(Info->DiskNumber >= 0 && Info->PNPDeviceID[0] != 0);
    }
}

static void LiveList(void)
{
    CheckList(0, 0);
    CheckList(7, 0);
    CheckList(8, 0);
    CheckList(LIST_SIZE(1) - 1, 0);
    CheckList(LIST_SIZE(1), 1);
    CheckList(LIST_SIZE(2) - 1, 1);
    CheckList(LIST_SIZE(2), 2);
    CheckList(LIST_SIZE(3), 2);
}

/* WnbdListDrvOpt with room for so many options. */
static void CheckOptions(UINT32 Room, BOOLEAN Persistent, UINT32 Wanted, UINT32 All)
{
    static union {
        WNBD_OPTION_LIST List;
        BYTE Bytes[offsetof(WNBD_OPTION_LIST, Options) + 12 * sizeof(WNBD_OPTION)];
    } Buffer;
    const DWORD Header = offsetof(WNBD_OPTION_LIST, Options);
    const DWORD Size = Header + Room * (DWORD)sizeof(WNBD_OPTION);
    DWORD Told = Size;
    memset(&Buffer, 0xcc, sizeof(Buffer));
    RETURNS(0, WnbdListDrvOpt(&Buffer.List, &Told, Persistent));
    CHECK(Told == Header + All * sizeof(WNBD_OPTION));
    CHECK(Buffer.List.Count == Wanted && Buffer.List.ElementSize == sizeof(WNBD_OPTION));
    CHECK(Buffer.Bytes[Size] == 0xcc);
    if (Wanted != 0) {
        CHECK(wcscmp(Buffer.List.Options[0].Name, L"LogLevel") == 0);
        CHECK(Buffer.List.Options[0].Default.Data.AsInt64 == 1);
    }
}

static void LiveOptions(void)
{
    OVERLAPPED Wait;
    WNBD_OPTION_VALUE Value;
    DWORD Size = 0;
    RETURNS(0, WnbdListDrvOpt(NULL, &Size, FALSE));
    CHECK(Size == offsetof(WNBD_OPTION_LIST, Options) + 10 * sizeof(WNBD_OPTION));
    CheckOptions(0, FALSE, 0, 10);
    CheckOptions(3, FALSE, 3, 10);
    CheckOptions(11, FALSE, 10, 10);
    CheckOptions(2, TRUE, 0, 0);
    memset(&Value, 0, sizeof(Value));
    Value.Type = WnbdOptInt64;
    Value.Data.AsInt64 = 3;
    RETURNS(0, WnbdSetDrvOpt("loglevel", &Value, TRUE));
    CheckOptions(2, TRUE, 1, 1);
    RETURNS(0, WnbdResetDrvOpt("LogLevel", FALSE));
    RETURNS(0, WnbdGetDrvOpt("LogLevel", &Value, FALSE));
    CHECK(Value.Type == WnbdOptInt64 && Value.Data.AsInt64 == 1);
    RETURNS(0, WnbdIoctlReloadConfig(Adapter, NULL));
    RETURNS(0, WnbdGetDrvOpt("LogLevel", &Value, FALSE));
    CHECK(Value.Data.AsInt64 == 3);
    RETURNS(0, WnbdResetDrvOpt("LogLevel", TRUE));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdGetDrvOpt("LogLevel", &Value, TRUE));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdGetDrvOpt("LogLevels", &Value, FALSE));
    Value.Type = WnbdOptInt64;
    Value.Data.AsInt64 = 5;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSetDrvOpt("LogLevel", &Value, FALSE));
    Value.Type = WnbdOptBool;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSetDrvOpt("LogLevel", &Value, FALSE));
    memset(&Wait, 0, sizeof(Wait));
    Wait.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    RETURNS(0, Finish(WnbdIoctlGetDrvOpt(Adapter, "MaxIOReqPerLun", &Value, FALSE, &Wait), &Wait));
    CHECK(Value.Data.AsInt64 == 255);
    CloseHandle(Wait.hEvent);
}

/* What the adapter started with, asked over handles of both kinds. */
static void LiveLimits(void)
{
    WCHAR Path[64];
    DWORD Number = 0, PerDisk = 0, PerAdapter = 0;
    OVERLAPPED Wait;
    RETURNS(0, WnbdPollDiskNumber("one", TRUE, TRUE, 10000, 100, &Number));
    swprintf(Path, sizeof(Path) / sizeof(Path[0]), L"\\\\.\\PhysicalDrive%lu", Number);
    memset(&Wait, 0, sizeof(Wait));
    Wait.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    for (int Round = 0; Round < 4; Round++) {
        HANDLE Disk = CreateFileW(Path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                                  Round & 1 ? FILE_FLAG_OVERLAPPED : 0, NULL);
        CHECK(Disk != INVALID_HANDLE_VALUE);
        PerDisk = PerAdapter = 0;
        RETURNS(0, WnbdIoctlGetIOLimits(Disk, &PerDisk, &PerAdapter, Round & 2 ? &Wait : NULL));
        CHECK(PerDisk == 255 && PerAdapter == 1000);
        CloseHandle(Disk);
    }
    /* Not a disk. */
    PerDisk = 7;
    CHECK(WnbdIoctlGetIOLimits(Wait.hEvent, &PerDisk, &PerAdapter, NULL) != 0 && PerDisk == 7);
    CloseHandle(Wait.hEvent);
}

static void LiveUnknown(void)
{
    WNBD_DRV_STATS_EX StatsEx;
    WNBD_DRV_STATS Stats;
    WNBD_CONNECTION_INFO Info;
    WNBD_REMOVE_OPTIONS Options;
    memset(&Options, 0, sizeof(Options));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdShow("none", &Info));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdGetDriverStats("none", &Stats));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdGetDriverStatsEx("none", &StatsEx));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemoveEx("none", NULL));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemoveEx("none", &Options));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdIoctlRemove(Adapter, "none", NULL, NULL));
}

static DWORD WINAPI Reader(PVOID Parameter)
{
    WNBD_CONNECTION_INFO Info;
    WNBD_DRV_STATS Stats;
    LONG *Errors = Parameter;
    for (int Round = 0; Round < 20; Round++) {
        DWORD Size = 0;
        if (WnbdShow("one", &Info) || WnbdGetDriverStats("one", &Stats) || WnbdList(NULL, &Size)) {
            InterlockedIncrement(Errors);
        }
    }
    return 0;
}

/* Several threads look while another disk comes and goes. */
static void LiveThreads(void)
{
    HANDLE Threads[4];
    LONG Errors = 0;
    UINT64 Before = 0;
    for (int Index = 0; Index < 4; Index++) {
        Threads[Index] = CreateThread(NULL, 0, Reader, &Errors, 0, NULL);
    }
    for (int Round = 0; Round < 3; Round++) {
        WNBD_CREATE_RESULT Result;
        WNBD_PROPERTIES Properties = Named("three", ServerPort);
        RETURNS(0, WnbdCreateNbd(&Properties, &Result));
        CHECK(Result.ConnectionInfo.ConnectionId > Before); /* never used again */
        Before = Result.ConnectionInfo.ConnectionId;
        RETURNS(0, WnbdRemoveEx("three", NULL));
    }
    CHECK(WaitForMultipleObjects(4, Threads, TRUE, 60000) == WAIT_OBJECT_0);
    CHECK(Errors == 0);
    for (int Index = 0; Index < 4; Index++) {
        CloseHandle(Threads[Index]);
    }
}

static void LiveRemove(void)
{
    WNBD_CONNECTION_INFO Info;
    WNBD_REMOVE_OPTIONS Options;
    DWORD Size = 0;
    memset(&Options, 0, sizeof(Options));
    Options.Flags.HardRemove = 1;
    RETURNS(0, WnbdRemoveEx("one", &Options));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdShow("one", &Info));
    RETURNS(0, WnbdShow("two", &Info));
    RETURNS(0, WnbdRemoveAllDisks(Adapter));
    RETURNS(0, WnbdList(NULL, &Size));
    CHECK(Size == LIST_SIZE(0));
}

void TestLive(UINT32 Port, void (*Run)(const char *Name, void (*Test)(void)))
{
    ServerPort = Port;
    if (WnbdOpenAdapter(&Adapter)) {
        Adapter = NULL;
    }
    CHECK(Adapter != NULL);
    Run("library.live.versions", LiveVersions);
    Run("library.live.completion-port", LiveCompletionPort);
    Run("library.live.create", LiveCreate);
    Run("library.live.numbers", LiveNumbers);
    Run("library.live.stats", LiveStats);
    Run("library.live.list", LiveList);
    Run("library.live.overlapped", LiveOverlapped);
    Run("library.live.options", LiveOptions);
    Run("library.live.limits", LiveLimits);
    Run("library.live.unknown", LiveUnknown);
    Run("library.live.threads", LiveThreads);
    Run("library.live.remove", LiveRemove);
    CloseHandle(Adapter);
}
