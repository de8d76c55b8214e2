/* SPDX-License-Identifier: LGPL-2.1-only */
/* What happens to an adapter beside its disks' own lives: life.h. */
#include "served.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_MOST 300000000u          /* 30 s */
#define LIFE_MOST (7200ull * 10000000) /* two hours: everything has a time limit, and those are minutes */

static SLOT *AnySlot(LIFE *Life)
{
    return &Life->Slots[SeededBelow(Life->SlotCount)];
}

static void List(LIFE *Life)
{
    WNBD_IOCTL_LIST_COMMAND Command = {.IoControlCode = IOCTL_WNBD_LIST};
    ULONG Room = offsetof(WNBD_CONNECTION_LIST, Connections) + SeededBelow(5) * sizeof(WNBD_CONNECTION_INFO), Used = 0;
    WNBD_CONNECTION_LIST *Answer = malloc(Room);
    CHECK(Answer != NULL);
    if (NT_SUCCESS(FaultsAsk(Life, &Command, sizeof(Command), Answer, Room, &Used))) {
        CHECK(Used <= Room && Answer->Count <= Life->SlotCount && Answer->ElementSize == sizeof(WNBD_CONNECTION_INFO));
        SeededNote(Answer->Count);
    }
    free(Answer);
}

static void Show(LIFE *Life)
{
    WNBD_IOCTL_SHOW_COMMAND Command = {.IoControlCode = IOCTL_WNBD_SHOW};
    WNBD_CONNECTION_INFO Info;
    ULONG Used = 0;
    strcpy(Command.InstanceName, SeededBelow(4) == 0 ? "nobody" : AnySlot(Life)->Name);
    if (NT_SUCCESS(FaultsAsk(Life, &Command, sizeof(Command), &Info, sizeof(Info), &Used))) {
        CHECK(Used == sizeof(Info) && strcmp(Info.Properties.InstanceName, Command.InstanceName) == 0);
    }
}

static void Stats(LIFE *Life)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS};
    WNBD_DRV_STATS S;
    ULONG Used = 0;
    strcpy(Command.InstanceName, AnySlot(Life)->Name);
    if (NT_SUCCESS(FaultsAsk(Life, &Command, sizeof(Command), &S, sizeof(S), &Used))) {
        CHECK(Used == sizeof(S));
        /* Equal, as CountersCheck demands, until the connection is lost: what was on its way then is neither. */
        CHECK(S.TotalSubmittedIORequests >= S.TotalReceivedIOReplies + S.PendingSubmittedIORequests);
        CHECK(S.OutstandingIOCount >= S.UnsubmittedIORequests && S.UnsubmittedIORequests >= 0);
        CHECK(S.AbortedSubmittedIORequests - S.CompletedAbortedIORequests <= S.PendingSubmittedIORequests);
    }
}

/* Sizes that don't fit, numbers that nobody knows. */
static void Nonsense(LIFE *Life)
{
    UCHAR Bytes[64];
    for (size_t Index = 0; Index < sizeof(Bytes); Index++) {
        Bytes[Index] = (UCHAR)SeededBelow(256);
    }
    ULONG Code = SeededBelow(20);
    memcpy(Bytes, &Code, sizeof(Code));
    UCHAR Answer[64];
    FaultsAsk(Life, Bytes, SeededBelow(sizeof(Bytes)), Answer, SeededBelow(sizeof(Answer)), NULL);
}

/* A program that maps at a port where nobody is, or at a name that doesn't exist, and dies meanwhile or not. */
static void Stranger(LIFE *Life)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    WNBD_CREATE_RESULT Answer;
    NATIVE_FILE *File = NativeOpen(&WNBD_GUID, NULL);
    if (File == NULL) {
        CHECK(Life->Stopping || Life->Gone);
        return;
    }
    BedProperties(&Command.Properties, "stranger", 9);
    strcpy(Command.Properties.NbdProperties.Hostname, SeededBelow(2) == 0 ? "no-such.name" : "dead-1.sim");
    NATIVE_REQUEST *Request =
        NativeIoctlBegin(File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Answer, sizeof(Answer));
    if (SeededBelow(2) == 0) {
        GroundSleep(SeededBelow(20000));
        NativeRequestCancel(Request);
    }
    NTSTATUS Status = NativeRequestWait(Request, NULL);
    CHECK(!NT_SUCCESS(Status) || Answer.Status != 0);
    NativeClose(File);
}

static void Unmap(LIFE *Life)
{
    SLOT *Slot = AnySlot(Life);
    if (Slot->Server != NULL || Slot->Served != NULL) {
        LifeSay(Slot, "somebody unmaps it");
        Slot->Ending = true;
        SlotUnmap(Slot);
    }
}

static void Sleep(LIFE *Life)
{
    LifeSay(NULL, "the adapter sleeps");
    CHECK(NT_SUCCESS(NativeDevicePower(Life->Bed.Adapter, false)));
    GroundSleep(SeededBelow(50000000));
    CHECK(NT_SUCCESS(NativeDevicePower(Life->Bed.Adapter, true)));
    LifeSay(NULL, "the adapter is awake");
}

static void Pull(LIFE *Life)
{
    LifeSay(NULL, "the adapter is pulled out");
    Life->Gone = true;
    Life->Excuses.Ends++;
    NativeDeviceSurpriseRemove(Life->Bed.Adapter);
}

/* Stopped by PnP, and started again. */
static void Stop(LIFE *Life)
{
    LifeSay(NULL, "the adapter is stopped");
    Life->Stopping = true;
    Life->Excuses.Ends++;
    CHECK(NT_SUCCESS(NativeDeviceStop(Life->Bed.Adapter)));
    GroundSleep(SeededBelow(50000000));
    FAULTS Before = Life->Faults;
    bool Started = NT_SUCCESS(NativeDeviceStart(Life->Bed.Adapter));
    Life->Excuses.Ends++;
    Life->Stopping = false;
    LifeSay(NULL, "the adapter is %s", Started ? "started" : "not started");
    if (!Started) {
        /* As Windows does with a device that fails to start again. */
        CHECK(FaultsSince(Life, &Before, FAULT_THREAD) != 0);
        Pull(Life);
    }
}

static void Intrude(LIFE *Life)
{
    SLOT *Slot = AnySlot(Life);
    if (Slot->Served != NULL) {
        ServedIntrude(Slot);
    }
}

/* Options are set to what they are by default, kept, forgotten and asked for: nothing changes by it. */
static void Options(LIFE *Life)
{
    static const struct {
        const char *Name;
        INT64 Value;
    } Known[] = {{"StaleReqTimeoutMs", WNBD_DEFAULT_STALE_REQ_TIMEOUT_MS},
                 {"StaleConnTimeoutMs", WNBD_DEFAULT_STALE_CONN_TIMEOUT_MS}};
    static const ULONG Codes[] = {IOCTL_WNBD_GET_DRV_OPT, IOCTL_WNBD_SET_DRV_OPT, IOCTL_WNBD_RESET_DRV_OPT,
                                  IOCTL_WNBD_RELOAD_CONFIG};
    /* The longest; those that begin with a name have it at the same place. */
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Command = {.IoControlCode = Codes[SeededBelow(4)]};
    WNBD_OPTION_VALUE Answer;
    uint32_t Option = SeededBelow(2);
    bool Get = Command.IoControlCode == IOCTL_WNBD_GET_DRV_OPT, Set = Command.IoControlCode == IOCTL_WNBD_SET_DRV_OPT;
    for (size_t Index = 0; Known[Option].Name[Index] != '\0'; Index++) {
        Command.Name[Index] = (WCHAR)Known[Option].Name[Index];
    }
    if (Set) {
        Command.Value.Type = WnbdOptInt64;
        Command.Value.Data.AsInt64 = Known[Option].Value;
        Command.Persistent = SeededBelow(2) == 0;
    }
    NTSTATUS Status = FaultsAsk(Life, &Command, sizeof(Command), Get ? &Answer : NULL, Get ? sizeof(Answer) : 0, NULL);
    SeededNote((uint32_t)Status);
    CHECK(!Get || !NT_SUCCESS(Status) || (Answer.Type == WnbdOptInt64 && Answer.Data.AsInt64 == Known[Option].Value));
}

void ChaosMain(void *Context)
{
    static void (*const Often[])(LIFE *) = {List, Show, Stats, Nonsense, Stranger, Stats, Intrude, Options};
    static void (*const Seldom[])(LIFE *) = {Unmap, Sleep, Stop};
    LIFE *Life = Context;
    bool Rough = SeededBelow(3) == 0, Pulls = SeededBelow(12) == 0;
    SeededName("chaos");
    /* Less and less: most lives are short, and long ones wait. */
    for (uint32_t Pause = 5000000; Life->SlotsLeft != 0 && !Life->Gone; Pause += Pause < PAUSE_MOST ? Pause / 8 : 0) {
        GroundSleep(1 + SeededBelow(Pause));
        if (GroundNow() > LIFE_MOST) {
            LifeFail(NULL, "something waits for ever");
        }
        if (Pulls && SeededBelow(20) == 0) {
            Pull(Life);
        } else if (Rough && SeededBelow(8) == 0) {
            Seldom[SeededBelow(3)](Life);
        } else {
            Often[SeededBelow(Life->Processes ? 8 : 6)](Life);
        }
    }
}
