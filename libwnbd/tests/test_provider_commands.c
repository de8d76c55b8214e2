/* SPDX-License-Identifier: LGPL-2.1-only */
/* Each command with and without an OVERLAPPED, and the making of a disk. */
#include "provider.h"

#include <string.h>

static HANDLE Adapter;
static OVERLAPPED Wait;

/* What became of a command with an OVERLAPPED that the driver holds back. */
static DWORD Released(DWORD Error)
{
    DWORD Bytes;
    RETURNS(ERROR_IO_PENDING, Error);
    CHECK(Wait.Internal == 0x103 && WaitForSingleObject(Wait.hEvent, 0) == WAIT_TIMEOUT);
    FakeRelease();
    return GetOverlappedResult(Adapter, &Wait, &Bytes, TRUE) ? ERROR_SUCCESS : GetLastError();
}

/* Every command that needs no more than a disk: as a function of its OVERLAPPED. */
static WNBD_CONNECTION_INFO Info;
static WNBD_CREATE_RESULT Result;
static WNBD_CONNECTION_LIST List;
static WNBD_DRV_STATS Stats;
static WNBD_DRV_STATS_EX StatsEx;
static WNBD_VERSION Version;

static DWORD SendPing(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlPing(Adapter, Overlapped);
}

static DWORD SendCreate(LPOVERLAPPED Overlapped)
{
    WNBD_PROPERTIES Properties = ProviderProperties();
    return WnbdIoctlCreate(Adapter, &Properties, &Info, Overlapped);
}

static DWORD SendCreateEx(LPOVERLAPPED Overlapped)
{
    WNBD_PROPERTIES Properties = ProviderProperties();
    return WnbdIoctlCreateEx(Adapter, &Properties, &Result, Overlapped);
}

static DWORD SendList(LPOVERLAPPED Overlapped)
{
    DWORD Size = sizeof(List);
    return WnbdIoctlList(Adapter, &List, &Size, Overlapped);
}

static DWORD SendShow(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlShow(Adapter, "foo", &Info, Overlapped);
}

static DWORD SendStats(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlStats(Adapter, "foo", &Stats, Overlapped);
}

static DWORD SendStatsEx(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlStatsEx(Adapter, "foo", &StatsEx, Overlapped);
}

static DWORD SendReload(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlReloadConfig(Adapter, Overlapped);
}

static DWORD SendVersion(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlVersion(Adapter, &Version, Overlapped);
}

static DWORD SendSize(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlSetDiskSize(Adapter, Fake.Info.ConnectionId, 4096, Overlapped);
}

static DWORD SendAnswer(LPOVERLAPPED Overlapped)
{
    static BYTE Data[2] = {1, 2};
    WNBD_IO_RESPONSE Response = {.RequestHandle = 7, .RequestType = WnbdReqTypeRead};
    return WnbdIoctlSendResponse(Adapter, Fake.Info.ConnectionId, &Response, Data, sizeof(Data), Overlapped);
}

static DWORD SendRemove(LPOVERLAPPED Overlapped)
{
    return WnbdIoctlRemove(Adapter, "foo", NULL, Overlapped);
}

/* In an order in which each finds a disk, and leaves one. */
static const struct {
    ULONG Number;
    DWORD (*Send)(LPOVERLAPPED);
} Commands[] = {
    {IOCTL_WNBD_CREATE, SendCreate},
    {IOCTL_WNBD_CREATE_EX & 15, SendCreateEx},
    {IOCTL_WNBD_PING, SendPing},
    {IOCTL_WNBD_LIST, SendList},
    {IOCTL_WNBD_SHOW, SendShow},
    {IOCTL_WNBD_STATS, SendStats},
    {IOCTL_WNBD_STATS_EX & 15, SendStatsEx},
    {IOCTL_WNBD_RELOAD_CONFIG, SendReload},
    {IOCTL_WNBD_VERSION, SendVersion},
    {IOCTL_WNBD_SET_DISK_SIZE, SendSize},
    {IOCTL_WNBD_SEND_RSP, SendAnswer},
    {IOCTL_WNBD_REMOVE, SendRemove},
};

static void CommandsEach(void)
{
    for (size_t Index = 0; Index < ARRAYSIZE(Commands); Index++) {
        ULONG Number = Commands[Index].Number;
        UINT32 Before = Fake.Commands[Number];
        if (Number == IOCTL_WNBD_REMOVE) {
            RETURNS(0, Commands[Index].Send(NULL));
            RETURNS(0, SendCreate(NULL));
        } else {
            RETURNS(0, Commands[Index].Send(NULL));
        }
        Fake.Hold = true;
        RETURNS(0, Released(Commands[Index].Send(&Wait)));
        CHECK(Fake.Commands[Number] == Before + 2);
        Fake.Errors[Number] = ERROR_GEN_FAILURE;
        RETURNS(ERROR_GEN_FAILURE, Released(Commands[Index].Send(&Wait)));
        Fake.Hold = false;
        RETURNS(ERROR_GEN_FAILURE, Commands[Index].Send(NULL));
        RETURNS(ERROR_GEN_FAILURE, Commands[Index].Send(&Wait));
        Fake.Errors[Number] = ERROR_SUCCESS;
    }
    CHECK(strcmp(Info.Properties.InstanceName, "foo") == 0 && Result.Phase == WnbdCreatePhaseDone);
    CHECK(List.Count == 1 && Stats.OutstandingIOCount != 0 && StatsEx.Version == 0x01010101 && Version.Major != 0);
    CHECK(Fake.Info.Properties.BlockCount != 0 && Fake.Removed == 2);
    FAKE_ANSWER Answer;
    CHECK(FakeAnswer(7, &Answer) && Answer.Size == 2 && Answer.Data[1] == 2);
    CHECK(Answer.Response.RequestType == WnbdReqTypeRead);
}

static void CommandsFetch(void)
{
    static BYTE Data[64];
    BYTE Buffer[64];
    DWORD Bytes;
    struct {
        WNBD_IO_REQUEST Request;
        BYTE Behind[128];
    } Memory;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeWrite, 8);
    memset(Data, 0x5A, sizeof(Data));
    RETURNS(0, SendCreate(NULL));
    UINT64 Id = Fake.Info.ConnectionId;
    FakeRequest(&Request, Data, sizeof(Data));
    memset(&Memory, 0xCC, sizeof(Memory));
    RETURNS(0, WnbdIoctlFetchRequest(Adapter, Id, &Memory.Request, Buffer, sizeof(Buffer), NULL));
    CHECK(memcmp(&Memory.Request, &Request, sizeof(Request)) == 0 && memcmp(Buffer, Data, sizeof(Data)) == 0);
    CHECK(Memory.Behind[0] == 0xCC);
    /* With an OVERLAPPED the caller's memory is all that there is: nothing behind it may change. */
    memset(&Memory, 0xCC, sizeof(Memory));
    memset(Buffer, 0, sizeof(Buffer));
    RETURNS(ERROR_IO_PENDING, WnbdIoctlFetchRequest(Adapter, Id, &Memory.Request, Buffer, sizeof(Buffer), &Wait));
    CHECK(FakeAwaitFetches(1) && WaitForSingleObject(Wait.hEvent, 0) == WAIT_TIMEOUT);
    FakeRequest(&Request, Data, sizeof(Data));
    CHECK(GetOverlappedResult(Adapter, &Wait, &Bytes, TRUE) && Bytes == sizeof(Request));
    CHECK(memcmp(&Memory.Request, &Request, sizeof(Request)) == 0 && memcmp(Buffer, Data, sizeof(Data)) == 0);
    CHECK(Memory.Behind[0] == 0xCC && Memory.Behind[63] == 0xCC);
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdIoctlFetchRequest(Adapter, Id + 1, &Request, NULL, 0, NULL));
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdIoctlFetchRequest(Adapter, Id + 1, &Request, NULL, 0, &Wait));
    Fake.Errors[IOCTL_WNBD_FETCH_REQ] = ERROR_ACCESS_DENIED; /* another process's disk */
    RETURNS(ERROR_ACCESS_DENIED, WnbdIoctlFetchRequest(Adapter, Id, &Request, NULL, 0, NULL));
    Fake.Errors[IOCTL_WNBD_FETCH_REQ] = 0;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlFetchRequest(Adapter, Id, NULL, NULL, 0, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlFetchRequest(Adapter, Id, &Request, NULL, 1, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlFetchRequest(NULL, Id, &Request, NULL, 0, NULL));
}

void TestCommands(void)
{
    WNBD_IO_RESPONSE Response = {0};
    FakeReset();
    RETURNS(0, WnbdOpenAdapter(&Adapter));
    memset(&Wait, 0, sizeof(Wait));
    Wait.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    CommandsEach();
    CommandsFetch();
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlSendResponse(Adapter, 1, NULL, NULL, 0, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlSendResponse(Adapter, 1, &Response, NULL, 1, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlSendResponse(NULL, 1, &Response, NULL, 0, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlSetDiskSize(Adapter, 1, 0, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdIoctlReloadConfig(INVALID_HANDLE_VALUE, NULL));
    CloseHandle(Wait.hEvent);
    CloseHandle(Adapter);
}

/* The flags that a disk with these callbacks gets. */
static WNBD_FLAGS FlagsWith(const WNBD_INTERFACE *Interface)
{
    WNBD_PROPERTIES Properties = ProviderProperties();
    PWNBD_DISK Disk = NULL;
    FakeReset();
    RETURNS(0, WnbdCreate(&Properties, (PWNBD_INTERFACE)Interface, NULL, &Disk));
    CHECK(memcmp(&Fake.Asked.Flags, &Disk->Properties.Flags, sizeof(WNBD_FLAGS)) == 0);
    WnbdClose(Disk);
    return Fake.Asked.Flags;
}

static void CreateFlags(void)
{
    WNBD_INTERFACE Interface = NotingInterface;
    WNBD_FLAGS Flags = FlagsWith(&Interface);
    CHECK(!Flags.ReadOnly && Flags.FlushSupported && Flags.FUASupported && Flags.UnmapSupported &&
          Flags.UnmapAnchorSupported && Flags.PersistResSupported);
    Interface.Write = NULL;
    Flags = FlagsWith(&Interface);
    CHECK(Flags.ReadOnly && !Flags.FUASupported && Flags.FlushSupported);
    Interface = NotingInterface;
    Interface.Flush = NULL;
    CHECK(!FlagsWith(&Interface).FlushSupported && FlagsWith(&Interface).FUASupported);
    Interface = NotingInterface;
    Interface.Unmap = NULL;
    CHECK(!FlagsWith(&Interface).UnmapSupported && !FlagsWith(&Interface).UnmapAnchorSupported);
    Interface = NotingInterface;
    Interface.PersistResIn = NULL;
    CHECK(!FlagsWith(&Interface).PersistResSupported);
    Interface = NotingInterface;
    Interface.PersistResOut = NULL;
    CHECK(!FlagsWith(&Interface).PersistResSupported);
}

void TestCreate(void)
{
    WNBD_PROPERTIES Properties = ProviderProperties();
    WNBD_INTERFACE NoRead = NotingInterface;
    PWNBD_INTERFACE All = (PWNBD_INTERFACE)&NotingInterface;
    PWNBD_DISK Disk = NULL;
    PVOID Context = NULL;
    CreateFlags();
    FakeReset();
    NoRead.Read = NULL;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdCreate(&Properties, NULL, NULL, &Disk));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdCreate(&Properties, &NoRead, NULL, &Disk));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdCreate(NULL, All, NULL, &Disk));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdCreate(&Properties, All, NULL, NULL));
    Properties.InstanceName[0] = 0;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdCreate(&Properties, All, NULL, &Disk));
    CHECK(Fake.Commands[IOCTL_WNBD_CREATE] == 0);
    Properties = ProviderProperties();
    Fake.Errors[IOCTL_WNBD_CREATE] = ERROR_ALREADY_EXISTS;
    RETURNS(ERROR_ALREADY_EXISTS, WnbdCreate(&Properties, All, NULL, &Disk));
    Fake.Errors[IOCTL_WNBD_CREATE] = ERROR_SHUTDOWN_IN_PROGRESS;
    RETURNS(ERROR_SHUTDOWN_IN_PROGRESS, WnbdCreate(&Properties, All, NULL, &Disk));
    Fake.Errors[IOCTL_WNBD_CREATE] = 0;
    Fake.AdapterMissing = true;
    RETURNS(ERROR_OPEN_FAILED, WnbdCreate(&Properties, All, NULL, &Disk));
    Fake.AdapterMissing = false;
    CHECK(Disk == NULL);

    RETURNS(0, WnbdCreate(&Properties, All, &Properties, &Disk));
    CHECK(Disk->Interface == All && !Disk->Started && !Disk->Stopping && Disk->Handle != NULL);
    CHECK(Disk->Properties.BlockCount == 2048 && Disk->Properties.Pid == (INT)GetCurrentProcessId());
    RETURNS(0, WnbdGetUserContext(Disk, &Context));
    CHECK(Context == &Properties);
    RETURNS(0, WnbdGetConnectionInfo(Disk, &Info));
    CHECK(Info.ConnectionId == Fake.Info.ConnectionId);
    CHECK(StatsOf(Disk).TotalReceivedRequests == 0);
    RETURNS(ERROR_INVALID_PARAMETER, WnbdGetUserspaceStats(Disk, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdGetUserspaceStats(NULL, &(WNBD_USR_STATS){0}));
    WnbdClose(Disk);
}
