/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libwnbd-remove-test.exe: the rules of removal (remove.c), with a driver and
 * a Windows that are a few variables of this file: who objects how often, and
 * what was asked of whom. The library's own code is linked in, not the DLL.
 */
#include "check.h"
#include "../disk.h"

#include <stdio.h>
#include <string.h>

char LastMessage[WNBD_LOG_MESSAGE_MAX_SIZE];
WnbdLogLevel LastLevel;
static int Checks;
static int Failures;

/* What there is. */
static struct {
    bool Known;         /* the driver has the disk */
    bool Made;          /* Windows has made it */
    int Objections;     /* times that Windows will refuse */
    DWORD EjectError;   /* what asking Windows fails with, once there are no objections */
    bool EjectEndsDisk; /* the driver takes the ejection as the end */
    DWORD RemoveError;  /* what the driver fails with */
    int Lingering;      /* times that Windows still shows the disk after that */
    UINT32 Listed;      /* disks in the driver's list */
    DWORD ListError;    /* what listing fails with */
    /* What happened. */
    int Asked;
    int Removed;
} World;

void CheckThat(bool Good, const char *Text, const char *File, int Line)
{
    Checks++;
    if (!Good) {
        Failures++;
        printf("  FAIL %s:%d: %s (asked %d, removed %d)\n", File, Line, Text, World.Asked, World.Removed);
    }
}

void CheckResult(DWORD Result, DWORD Wanted, const char *Text, const char *File, int Line)
{
    Checks++;
    if (Result != Wanted) {
        Failures++;
        printf("  FAIL %s:%d: %s is %lu instead of %lu\n", File, Line, Text, Result, Wanted);
    }
}

/* ---- the parts of the library that remove.c stands on ---- */

DWORD WnbdOpenAdapter(PHANDLE Handle)
{
    *Handle = CreateEventW(NULL, TRUE, FALSE, NULL);
    return ERROR_SUCCESS;
}

DWORD DiskShow(HANDLE Adapter, const char *InstanceName, WNBD_CONNECTION_INFO *Info)
{
    (void)Adapter;
    CHECK(strcmp(InstanceName, "foo") == 0);
    memset(Info, 0, sizeof(*Info));
    Info->DiskNumber = World.Made ? 1 : -1;
    wcscpy(Info->PNPDeviceID, World.Made ? L"SCSI\\Disk\\1" : L"");
    return World.Known ? ERROR_SUCCESS : ERROR_FILE_NOT_FOUND;
}

bool WindowsDiskIsThere(const WCHAR *InstanceId)
{
    CHECK(wcscmp(InstanceId, L"SCSI\\Disk\\1") == 0 && World.Removed > 0);
    return World.Lingering-- > 0;
}

DWORD EjectDevice(const char *Name, const WCHAR *InstanceId, TEXT *Cause)
{
    CHECK(strcmp(Name, "foo") == 0 && wcscmp(InstanceId, L"SCSI\\Disk\\1") == 0);
    World.Asked++;
    *Cause = FormatText("vetoed by number %d", World.Asked);
    if (World.Objections > 0) {
        World.Objections--;
        return ERROR_BUSY;
    }
    World.Known = World.Known && !World.EjectEndsDisk;
    return World.EjectError;
}

DWORD WnbdIoctlRemove(HANDLE Adapter, const char *InstanceName, PWNBD_REMOVE_COMMAND_OPTIONS RemoveOptions,
                      LPOVERLAPPED Overlapped)
{
    (void)Adapter;
    (void)InstanceName;
    CHECK(RemoveOptions == NULL && Overlapped == NULL);
    World.Removed++;
    if (!World.Known) {
        return ERROR_FILE_NOT_FOUND;
    }
    return World.RemoveError;
}

DWORD WnbdIoctlList(HANDLE Adapter, PWNBD_CONNECTION_LIST List, PDWORD BufferSize, LPOVERLAPPED Overlapped)
{
    (void)Adapter;
    (void)Overlapped;
    DWORD Needed = offsetof(WNBD_CONNECTION_LIST, Connections) + World.Listed * sizeof(WNBD_CONNECTION_INFO);
    if (*BufferSize >= Needed && List) {
        List->ElementSize = sizeof(WNBD_CONNECTION_INFO);
        List->Count = World.Listed;
    }
    *BufferSize = Needed;
    return World.ListError;
}

DWORD DispatcherRemove(DISK *Disk, const WNBD_REMOVE_OPTIONS *Options)
{
    (void)Disk;
    (void)Options;
    return ERROR_CALL_NOT_IMPLEMENTED;
}

/* ---- the tests ---- */

static void WorldReset(void)
{
    memset(&World, 0, sizeof(World));
    World.Known = true;
    World.Made = true;
}

static WNBD_REMOVE_OPTIONS Soft(DWORD TimeoutMs, bool Fallback)
{
    WNBD_REMOVE_OPTIONS Options;
    memset(&Options, 0, sizeof(Options));
    Options.SoftRemoveTimeoutMs = TimeoutMs;
    Options.SoftRemoveRetryIntervalMs = 50;
    Options.Flags.HardRemoveFallback = Fallback;
    return Options;
}

static void TestHard(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(100, false);
    Options.Flags.HardRemove = 1;
    WorldReset();
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 0 && World.Removed == 1);
    WorldReset();
    World.Known = false;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 0);
}

static void TestSoft(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(5000, false);
    WorldReset();
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 1 && World.Removed == 1);
    /* Two objections, then consent; and the pauses between. */
    WorldReset();
    World.Objections = 2;
    ULONGLONG Before = GetTickCount64();
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    ULONGLONG Took = GetTickCount64() - Before;
    CHECK(World.Asked == 3 && World.Removed == 1);
    CHECK(Took >= 90 && Took < 4000);
    /* The driver may have ended the disk when Windows ejected it. */
    WorldReset();
    World.EjectEndsDisk = true;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    /* A disk that Windows has not made yet: there is nobody to ask. */
    WorldReset();
    World.Made = false;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 0 && World.Removed == 1);
    WorldReset();
    World.Known = false;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 0);
    WorldReset();
    World.RemoveError = ERROR_GEN_FAILURE;
    RETURNS(ERROR_GEN_FAILURE, WnbdRemoveEx("foo", &Options));
}

static void TestTimeout(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(200, false);
    WorldReset();
    World.Objections = 1000;
    ULONGLONG Before = GetTickCount64();
    RETURNS(ERROR_TIMEOUT, WnbdRemoveEx("foo", &Options));
    ULONGLONG Took = GetTickCount64() - Before;
    CHECK(World.Removed == 0 && World.Asked >= 2 && World.Asked <= 8);
    CHECK(Took >= 190 && Took < 2000);
    /* A pause longer than what is left doesn't prolong it. */
    WorldReset();
    World.Objections = 1000;
    Options.SoftRemoveRetryIntervalMs = 60000;
    Before = GetTickCount64();
    RETURNS(ERROR_TIMEOUT, WnbdRemoveEx("foo", &Options));
    CHECK(GetTickCount64() - Before < 2000);
    /* 0 waits for ever: here, longer than any of the timeouts above. */
    WorldReset();
    World.Objections = 30;
    Options = Soft(0, false);
    Options.SoftRemoveRetryIntervalMs = 0;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 31 && World.Removed == 1);
}

static void TestLinger(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(5000, false);
    /* Not removed before Windows shows it no more, however it was removed. */
    WorldReset();
    World.Lingering = 3;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Removed == 1 && World.Lingering == -1);
    WorldReset();
    World.Lingering = 3;
    Options.Flags.HardRemove = 1;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Removed == 1 && World.Lingering == -1);
    /* Windows had not made it: nothing to wait for. */
    WorldReset();
    World.Made = false;
    World.Lingering = 3;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Lingering == 3);
    /* The address has a new disk of the same id: the old one is gone. */
    WorldReset();
    World.Lingering = 1000;
    World.Listed = 1;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Lingering == 999);
    /* The driver has failed: nothing will go. */
    WorldReset();
    World.Lingering = 3;
    World.RemoveError = ERROR_GEN_FAILURE;
    RETURNS(ERROR_GEN_FAILURE, WnbdRemoveEx("foo", &Options));
    CHECK(World.Lingering == 3);
}

static void TestFallback(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(100, true);
    WorldReset();
    World.Objections = 1000;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked >= 1 && World.Removed == 1);
    WorldReset();
    World.EjectError = ERROR_REMOVE_FAILED;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(World.Asked == 1 && World.Removed == 1);
    /* Without fallback the disk stays. */
    Options = Soft(100, false);
    WorldReset();
    World.EjectError = ERROR_REMOVE_FAILED;
    RETURNS(ERROR_REMOVE_FAILED, WnbdRemoveEx("foo", &Options));
    CHECK(World.Removed == 0);
    /* The fallback is the default. */
    WorldReset();
    World.EjectError = ERROR_REMOVE_FAILED;
    RETURNS(0, WnbdRemoveEx("foo", NULL));
    CHECK(World.Asked == 1 && World.Removed == 1);
}

static void TestAll(void)
{
    HANDLE Adapter = NULL;
    WorldReset();
    RETURNS(0, WnbdOpenAdapter(&Adapter));
    RETURNS(0, WnbdRemoveAllDisks(Adapter));
    CHECK(World.Removed == 0);
    World.Listed = 3;
    RETURNS(0, WnbdRemoveAllDisks(Adapter));
    CHECK(World.Removed == 3 && World.Asked == 0);
    /* It goes on after a failure, and says it; a disk that went meanwhile is none. */
    WorldReset();
    World.Listed = 3;
    World.RemoveError = ERROR_GEN_FAILURE;
    RETURNS(ERROR_GEN_FAILURE, WnbdRemoveAllDisks(Adapter));
    CHECK(World.Removed == 3);
    World.Known = false;
    RETURNS(0, WnbdRemoveAllDisks(Adapter));
    CloseHandle(Adapter);
}

/* A removal against Windows' will is said, and who objected last; what fails is said as well. */
static void TestWarning(void)
{
    WNBD_REMOVE_OPTIONS Options = Soft(100, true);
    WorldReset();
    World.Objections = 1000;
    LastMessage[0] = 0;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    char Wanted[WNBD_LOG_MESSAGE_MAX_SIZE];
    snprintf(Wanted, sizeof(Wanted), "foo was removed hard, without Windows' consent: vetoed by number %d",
             World.Asked);
    CHECK(strcmp(LastMessage, Wanted) == 0 && LastLevel == WnbdLogLevelWarning);
    /* Not when it was removed as asked, or not at all. */
    WorldReset();
    LastMessage[0] = 0;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    Options.Flags.HardRemove = 1;
    RETURNS(0, WnbdRemoveEx("foo", &Options));
    CHECK(LastMessage[0] == 0);
    WorldReset();
    World.Objections = 1000;
    World.RemoveError = ERROR_GEN_FAILURE;
    Options.Flags.HardRemove = 0;
    RETURNS(ERROR_GEN_FAILURE, WnbdRemoveEx("foo", &Options));
    CHECK(strstr(LastMessage, "cannot remove foo: ") == LastMessage && LastLevel == WnbdLogLevelError);
}

/* No failure without a word, not even of a call that makes no sense. */
static void TestWords(void)
{
    static const char *const Names[] = {NULL, ""};
    for (size_t Index = 0; Index < sizeof(Names) / sizeof(Names[0]); Index++) {
        LastMessage[0] = 0;
        RETURNS(ERROR_INVALID_PARAMETER, WnbdRemoveEx(Names[Index], NULL));
        CHECK(LastMessage[0] != 0);
    }
    LastMessage[0] = 0;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdRemove(NULL, NULL));
    CHECK(LastMessage[0] != 0);
    LastMessage[0] = 0;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdRemoveAllDisks(NULL));
    CHECK(LastMessage[0] != 0);
    WorldReset();
    World.ListError = ERROR_GEN_FAILURE;
    LastMessage[0] = 0;
    HANDLE Adapter = NULL;
    RETURNS(0, WnbdOpenAdapter(&Adapter));
    RETURNS(ERROR_GEN_FAILURE, WnbdRemoveAllDisks(Adapter));
    CHECK(LastMessage[0] != 0);
    CloseHandle(Adapter);
}

static VOID Remember(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                     const char *FunctionName)
{
    (void)FileName;
    (void)Line;
    (void)FunctionName;
    LastLevel = LogLevel;
    snprintf(LastMessage, sizeof(LastMessage), "%s", Message);
}

static void Run(const char *Name, void (*Test)(void))
{
    int Before = Failures;
    WnbdSetLogger(Remember);
    WnbdSetLogLevel(WnbdLogLevelWarning);
    Test();
    printf("%s %s\n", Failures == Before ? "ok  " : "FAIL", Name);
    fflush(stdout);
}

int main(void)
{
    Run("remove.hard", TestHard);
    Run("remove.soft", TestSoft);
    Run("remove.timeout", TestTimeout);
    Run("remove.linger", TestLinger);
    Run("remove.fallback", TestFallback);
    Run("remove.warning", TestWarning);
    Run("remove.words", TestWords);
    Run("remove.all", TestAll);
    printf("%d checks, %d failed\n", Checks, Failures);
    return Failures != 0;
}
