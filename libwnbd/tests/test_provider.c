/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libwnbd-provider-test.exe: disks that a process serves, with a driver that
 * is fake_adapter.c. The library's own code is linked in, not the DLL.
 */
#include "provider.h"

#include <stdio.h>
#include <string.h>

static volatile LONG Checks;
static volatile LONG Failures;

CALL LastCall;
volatile LONG CallCount;
bool AnswerAtOnce;
UINT8 AnswerKey;
void (*DuringCall)(PWNBD_DISK Disk);

void CheckThat(bool Good, const char *Text, const char *File, int Line)
{
    InterlockedIncrement(&Checks);
    if (!Good) {
        InterlockedIncrement(&Failures);
        printf("  FAIL %s:%d: %s\n", File, Line, Text);
    }
}

void CheckResult(DWORD Result, DWORD Wanted, const char *Text, const char *File, int Line)
{
    InterlockedIncrement(&Checks);
    if (Result != Wanted) {
        InterlockedIncrement(&Failures);
        printf("  FAIL %s:%d: %s is %lu instead of %lu\n", File, Line, Text, Result, Wanted);
    }
}

/* ---- a disk that notes ---- */

static void Note(PWNBD_DISK Disk, WnbdRequestType Type, UINT64 Handle, UINT64 Address, UINT32 Count, BOOLEAN Fua,
                 const void *Data)
{
    LastCall.Type = Type;
    LastCall.Handle = Handle;
    LastCall.Address = Address;
    LastCall.Count = Count;
    LastCall.Fua = Fua;
    if (Data) {
        memcpy(LastCall.Data, Data, sizeof(LastCall.Data));
    }
    if (DuringCall) {
        DuringCall(Disk);
    }
    if (AnswerAtOnce) {
        static BYTE Zeroes[WNBD_DEFAULT_MAX_TRANSFER_LENGTH];
        WNBD_IO_RESPONSE Response = {.RequestHandle = Handle, .RequestType = Type};
        if (AnswerKey) {
            WnbdSetSense(&Response.Status, AnswerKey, 0);
        }
        RETURNS(0, WnbdSendResponse(Disk, &Response, Type == WnbdReqTypeRead ? Zeroes : NULL,
                                    Type == WnbdReqTypeRead ? Count * BLOCK : 0));
    }
    InterlockedIncrement(&CallCount);
}

static VOID NoteRead(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    memset(Buffer, 0xAA, Count * BLOCK); /* has room for all of it */
    Note(Disk, WnbdReqTypeRead, Handle, Address, Count, Fua, NULL);
}

static VOID NoteWrite(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    Note(Disk, WnbdReqTypeWrite, Handle, Address, Count, Fua, Buffer);
}

static VOID NoteFlush(PWNBD_DISK Disk, UINT64 Handle, UINT64 Address, UINT32 Count)
{
    Note(Disk, WnbdReqTypeFlush, Handle, Address, Count, FALSE, NULL);
}

static VOID NoteUnmap(PWNBD_DISK Disk, UINT64 Handle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count)
{
    Note(Disk, WnbdReqTypeUnmap, Handle, Descriptors[0].BlockAddress, Count, FALSE, Descriptors);
}

static VOID NotePersistResIn(PWNBD_DISK Disk, UINT64 Handle, UINT8 Action)
{
    LastCall.Action = Action;
    Note(Disk, WnbdReqTypePersistResIn, Handle, 0, 0, FALSE, NULL);
}

static VOID NotePersistResOut(PWNBD_DISK Disk, UINT64 Handle, UINT8 Action, UINT8 Scope, UINT8 Type, PVOID Buffer,
                              UINT32 Length)
{
    LastCall.Action = Action;
    LastCall.Scope = Scope;
    LastCall.Kind = Type;
    Note(Disk, WnbdReqTypePersistResOut, Handle, 0, Length, FALSE, Buffer);
}

const WNBD_INTERFACE NotingInterface = {.Read = NoteRead,
                                        .Write = NoteWrite,
                                        .Flush = NoteFlush,
                                        .Unmap = NoteUnmap,
                                        .PersistResIn = NotePersistResIn,
                                        .PersistResOut = NotePersistResOut};

WNBD_PROPERTIES ProviderProperties(void)
{
    WNBD_PROPERTIES Properties;
    memset(&Properties, 0, sizeof(Properties));
    strcpy(Properties.InstanceName, "foo");
    Properties.BlockCount = 2048;
    Properties.BlockSize = BLOCK;
    Properties.MaxUnmapDescCount = 8;
    Properties.Flags.FlushSupported = 1;
    Properties.Flags.FUASupported = 1;
    Properties.Flags.UnmapSupported = 1;
    Properties.Flags.UnmapAnchorSupported = 1;
    Properties.Flags.PersistResSupported = 1;
    return Properties;
}

PWNBD_DISK MakeDisk(DWORD Threads)
{
    PWNBD_DISK Disk = NULL;
    WNBD_PROPERTIES Properties = ProviderProperties();
    FakeReset();
    memset(&LastCall, 0, sizeof(LastCall));
    CallCount = 0;
    AnswerAtOnce = true;
    AnswerKey = 0;
    DuringCall = NULL;
    RETURNS(0, WnbdCreate(&Properties, (PWNBD_INTERFACE)&NotingInterface, NULL, &Disk));
    if (Threads) {
        RETURNS(0, WnbdStartDispatcher(Disk, Threads));
    }
    return Disk;
}

void EndDisk(PWNBD_DISK Disk)
{
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    RETURNS(0, WnbdStopDispatcher(Disk, &Options));
    RETURNS(0, WnbdWaitDispatcher(Disk));
    WnbdClose(Disk);
}

WNBD_IO_REQUEST MakeRequest(WnbdRequestType Type, UINT64 Handle)
{
    WNBD_IO_REQUEST Request = {.RequestHandle = Handle, .RequestType = Type};
    if (Type == WnbdReqTypeRead || Type == WnbdReqTypeWrite) {
        Request.Cmd.Read.BlockAddress = 0x123456789;
        Request.Cmd.Read.BlockCount = 2;
    } else if (Type == WnbdReqTypeUnmap) {
        Request.Cmd.Unmap.Count = 1;
    }
    return Request;
}

WNBD_USR_STATS StatsOf(PWNBD_DISK Disk)
{
    WNBD_USR_STATS Stats;
    RETURNS(0, WnbdGetUserspaceStats(Disk, &Stats));
    return Stats;
}

/* ---- */

static VOID Ignore(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                   const char *FunctionName)
{
    (void)LogLevel;
    (void)Message;
    (void)FileName;
    (void)Line;
    (void)FunctionName;
}

static void Run(const char *Name, void (*Test)(void))
{
    LONG Before = Failures;
    Test();
    printf("%s %s\n", Failures == Before ? "ok  " : "FAIL", Name);
    fflush(stdout);
}

int main(void)
{
    WnbdSetLogger(Ignore);
    WnbdSetLogLevel(WnbdLogLevelTrace);
    Run("provider.commands", TestCommands);
    Run("provider.create", TestCreate);
    Run("provider.start", TestStart);
    Run("provider.callbacks", TestCallbacks);
    Run("provider.refusals", TestRefusals);
    Run("provider.answers", TestAnswers);
    Run("provider.disconnect", TestDisconnect);
    Run("provider.failure", TestFailure);
    Run("provider.soft-stop", TestSoftStop);
    Run("provider.hard-stop", TestHardStop);
    Run("provider.stop-in-callback", TestStopInCallback);
    Run("provider.other-life", TestOtherLife);
    Run("provider.close", TestClose);
    Run("provider.size", TestSize);
    Run("provider.threads", TestThreads);
    Run("provider.reset", TestReset);
    Run("provider.daemon", TestDaemon);
    Run("provider.daemon-ends", TestDaemonEnds);
    printf("%ld checks, %ld failed\n", Checks, Failures);
    return Failures != 0;
}
