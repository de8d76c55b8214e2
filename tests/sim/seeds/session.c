/* SPDX-License-Identifier: LGPL-2.1-only */
/* One disk's sessions: life.h. */
#include "served.h"

#include <port.h>
#include <storage_ioctl.h>

#include <stdio.h>
#include <string.h>

#define SECOND 10000000ull
#define GONE_LIMIT (300 * SECOND)
#define CANCEL_LIMIT_MS 10000u

/* ---- What kind of server it is this time ---- */

static void WeatherDraw(SLOT *Slot)
{
    static const uint32_t Capacities[] = {4096, 16384, 65536, 262144};
    SIM_WEATHER *Weather = &Slot->Weather;
    *Weather = (SIM_WEATHER){.CapacityBytes = Capacities[SeededBelow(4)]};
    Slot->Tiny = SeededBelow(8) == 0;
    Slot->Large = SeededBelow(6) == 0;
    if (Slot->Tiny) {
        Weather->SplitOneIn = 1 + SeededBelow(3);
        Weather->Single = true;
        Weather->CapacityBytes = SeededBelow(2) == 0 ? 1 + SeededBelow(64) : 4096;
    } else if (SeededBelow(2) == 0) {
        Weather->SplitOneIn = 1 + SeededBelow(8);
    }
    if (SeededBelow(2) == 0) {
        /* The smallest buffers with the longest delays must let what is asked for at once through in seconds. */
        Weather->DelayMost = 1 + SeededBelow(Slot->Tiny ? 60 : 20000);
    }
}

static void MisdeedDraw(SLOT *Slot)
{
    SERVER_PLAN *Plan = &Slot->Plan;
    if (SeededBelow(2) == 0) {
        return;
    }
    Plan->Misdeed = (MISDEED)(1 + SeededBelow(MISDEED_COUNT - 1));
    if (Plan->Misdeed == MISDEED_BLOCK_SIZE) {
        Plan->NoGo = false;
    }
    switch (Plan->Misdeed) {
    case MISDEED_MORE_REFUSED:
    case MISDEED_MORE_INVENTED:
    case MISDEED_MORE_CUT:
    case MISDEED_MORE_SPILT:
        Plan->SizeBytes += (uint64_t)8 * (1 + SeededBelow(SeededBelow(2) == 0 ? 8 : 500)) * SECTOR_BYTES;
        break;
    case MISDEED_CLOSE:
    case MISDEED_RESET:
    case MISDEED_STALL:
    case MISDEED_PAUSE:
        Plan->MisdeedAt = SeededBelow(4) == 0 ? SeededBelow(200) : SeededBelow(Slot->Tiny ? 2000 : 300000);
        break;
    default:
        Plan->MisdeedAt = SeededBelow(Slot->Tiny ? 10 : 100);
        break;
    }
}

static void PlanDraw(SLOT *Slot)
{
    static const uint16_t Caches[] = {
        SERVED_FLUSH, SERVED_FLUSH, SERVED_FLUSH | SERVED_FUA, SERVED_FLUSH | SERVED_FUA, SERVED_FUA, 0};
    static const uint32_t Maxima[] = {4096, 65536, 1048576, 33554432};
    SERVER_PLAN *Plan = &Slot->Plan;
    *Plan = (SERVER_PLAN){.SizeBytes = (uint64_t)Slot->Medium.Sectors * SECTOR_BYTES};
    Plan->Flags = SERVED_HAS_FLAGS | Caches[SeededBelow(6)];
    Plan->Flags |= SeededBelow(3) != 0 ? SERVED_TRIM : 0;
    Plan->Flags |= SeededBelow(8) == 0 ? SERVED_READ_ONLY : 0;
    Plan->Flags |= SeededBelow(4) == 0 ? SERVED_ROTATIONAL : 0;
    Slot->Medium.WriteThrough = (Plan->Flags & (SERVED_FLUSH | SERVED_FUA)) == 0;
    if (SeededBelow(2) == 0) {
        Plan->Minimum = SeededBelow(3) == 0 ? 4096 : SeededBelow(2) == 0 ? 512 : 1;
        Plan->Preferred = 4096;
        Plan->Maximum = Maxima[SeededBelow(4)];
    }
    Plan->NoGo = SeededBelow(6) == 0;
    Plan->Zeroes = SeededBelow(6) == 0;
    Plan->InOrder = SeededBelow(3) == 0;
    Plan->DelayMost = SeededBelow(3) == 0 ? 0 : 1 + SeededBelow(SeededBelow(2) == 0 ? 10000 : 5000000);
    Plan->ErrorThousandths = SeededBelow(4) == 0 ? 1 + SeededBelow(100) : 0;
    WeatherDraw(Slot);
    MisdeedDraw(Slot);
}

/* ---- Mapping ---- */

typedef struct {
    uint32_t Win32; /* 0: there is a disk */
    bool Cancelled;
    bool Begun;   /* the driver has gone beyond looking at the request */
    bool Starved; /* refused, because a call has failed on purpose */
    char Words[WNBD_CREATE_MESSAGE_LENGTH];
} MAP_RESULT;

/* Whether somebody takes the request back, and when it is sent to the driver. */
typedef enum { CANCEL_NEVER, CANCEL_BEFORE, CANCEL_BESIDE } CANCEL;

/* Attempts to connect that fail first: the driver tries the host's other addresses. */
static void FatesDraw(SLOT *Slot, uint32_t Addresses)
{
    static const GROUND_NET Results[] = {GROUND_NET_REFUSED,   GROUND_NET_UNREACHABLE, GROUND_NET_RESET,
                                         GROUND_NET_TIMED_OUT, GROUND_NET_WOULD_BLOCK, GROUND_NET_FAILED};
    SIM_FATE Fates[4];
    uint32_t Count = SeededBelow(4) == 0 ? 1 + SeededBelow(4) : 0;
    for (uint32_t Index = 0; Index < Count; Index++) {
        Fates[Index] = (SIM_FATE){Results[SeededBelow(6)], SeededBelow(200000000)};
    }
    SimFates(SeededServerListener(Slot->Server), Fates, Count);
    Slot->Reachable = Count < Addresses ? Addresses - Count : 0;
}

static void MapProperties(SLOT *Slot, WNBD_PROPERTIES *Properties)
{
    static const struct {
        const char *Name;
        uint32_t Addresses; /* that the server is at */
    } Hosts[] = {{"127.0.0.1", 1}, {"127.0.0.9", 1}, {"1.sim", 1}, {"3.sim", 3}, {"8.sim", 8}, {"dead-2.sim", 1}};
    uint32_t Minimum = Slot->Plan.NoGo ? 0 : Slot->Plan.Minimum, Host = SeededBelow(6);
    BedProperties(Properties, Slot->Name, Slot->Port);
    strcpy(Properties->NbdProperties.Hostname, Hosts[Host].Name);
    FatesDraw(Slot, Hosts[Host].Addresses);
    Slot->WantReadOnly = SeededBelow(10) == 0;
    Properties->Flags.ReadOnly = Slot->WantReadOnly;
    /* 512 where the server's smallest block is larger would be refused. */
    Properties->BlockSize = SeededBelow(3) == 0 ? 0 : SeededBelow(2) == 0 && Minimum <= 512 ? 512 : 4096;
    Properties->MaxUnmapDescCount = SeededBelow(2) == 0 ? 0 : 2 + SeededBelow(64);
}

/* Takes the request back: while it is being sent, soon after, or late. */
static void CancelMain(void *Context)
{
    if (SeededBelow(2) == 0) {
        GroundSleep(SeededBelow(3) == 0 ? SeededBelow(2000000) : SeededBelow(20000));
    }
    NativeRequestCancel(Context);
}

/* Sends the request, and takes it back before or meanwhile, as Cancel says. */
static void MapSend(SLOT *Slot, NATIVE_FILE *File, NATIVE_REQUEST *Request, CANCEL Cancel)
{
    if (Cancel == CANCEL_BEFORE) {
        NativeRequestCancel(Request);
    }
    GROUND_THREAD *Canceller = Cancel == CANCEL_BESIDE ? GroundThreadStart(CancelMain, Request, "cancel") : NULL;
    NativeRequestSend(File, Request);
    if (Canceller != NULL) {
        GroundThreadJoin(Canceller);
    }
    /* Who has it now ends it, and waits for nothing. */
    if (Cancel != CANCEL_NEVER && !NativeRequestPoll(Request, CANCEL_LIMIT_MS)) {
        LifeFail(Slot, "a create request that was cancelled goes on");
    }
}

/* What the answer of IOCTL_WNBD_CREATE_EX (Extended) or IOCTL_WNBD_CREATE says. */
static void MapResult(NTSTATUS Status, bool Extended, ULONG Used, const WNBD_CREATE_RESULT *Answer, MAP_RESULT *Result)
{
    *Result = (MAP_RESULT){.Cancelled = Status == STATUS_CANCELLED};
    if (!NT_SUCCESS(Status)) {
        Result->Win32 = 31; /* ERROR_GEN_FAILURE: the request says no more */
    } else if (Extended) {
        CHECK(Used == sizeof(*Answer));
        Result->Win32 = Answer->Status;
        Result->Begun = Answer->Phase != WnbdCreatePhaseRequest;
        strcpy(Result->Words, Answer->Message);
    } else {
        CHECK(Used == sizeof(Answer->ConnectionInfo));
        Result->Begun = true;
    }
}

/* IOCTL_WNBD_CREATE_EX or IOCTL_WNBD_CREATE; sometimes taken back, with the handle that it came by. */
static void Map(SLOT *Slot, const WNBD_PROPERTIES *Properties, MAP_RESULT *Result)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.Properties = *Properties};
    WNBD_CREATE_RESULT Answer = {0};
    bool Extended = SeededBelow(3) != 0;
    CANCEL Cancel = SeededBelow(12) != 0 ? CANCEL_NEVER : SeededBelow(4) == 0 ? CANCEL_BEFORE : CANCEL_BESIDE;
    NATIVE_FILE *Own = Cancel != CANCEL_NEVER ? NativeOpen(&WNBD_GUID, NULL) : NULL;
    NATIVE_FILE *File = Own != NULL ? Own : Slot->Life->Bed.File;
    ULONG Used = 0;
    Command.IoControlCode = Extended ? IOCTL_WNBD_CREATE_EX : IOCTL_WNBD_CREATE;
    NATIVE_REQUEST *Request = NativeIoctlMake(File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command),
                                              Extended ? (void *)&Answer : &Answer.ConnectionInfo,
                                              Extended ? sizeof(Answer) : sizeof(Answer.ConnectionInfo));
    MapSend(Slot, File, Request, Cancel);
    NTSTATUS Status = NativeRequestWait(Request, &Used);
    if (Own != NULL) {
        NativeClose(Own);
    }
    MapResult(Status, Extended, Used, &Answer, Result);
    Result->Starved = Result->Win32 != 0 && FaultsRefuse(Slot, Status, &Answer);
    SeededNote((uint32_t)Status);
    LifeSay(Slot, "map: status 0x%08x, %u %s", (unsigned)Status, Result->Win32, Result->Words);
    if (Cancel == CANCEL_BEFORE && Result->Begun) {
        LifeFail(Slot, "a create request was carried out that had been cancelled before");
    }
    /* A removal ends IOCTL_WNBD_CREATE with the same status. */
    if (Result->Cancelled && Cancel == CANCEL_NEVER && !Slot->Ending) {
        LifeFail(Slot, "the create request was cancelled by nobody");
    }
}

static bool ServerMayRefuse(const SLOT *Slot)
{
    return (MisdeedConsequences(Slot->Plan.Misdeed) & MAY_REFUSE) != 0;
}

/* A map was refused: there is no disk of that name. */
static void NothingLeftCheck(SLOT *Slot)
{
    WNBD_IOCTL_SHOW_COMMAND Command = {.IoControlCode = IOCTL_WNBD_SHOW};
    WNBD_CONNECTION_INFO Info;
    strcpy(Command.InstanceName, Slot->Name);
    NTSTATUS Status = FaultsAsk(Slot->Life, &Command, sizeof(Command), &Info, sizeof(Info), NULL);
    if (Status != STATUS_OBJECT_NAME_NOT_FOUND && Slot->Life->Excuses.Ends == 0 && !Slot->Life->Gone) {
        LifeFail(Slot, "a map was refused, and the disk is shown with status 0x%08x", (unsigned)Status);
    }
}

/* The server's misdeeds in the handshake and those before it are known; anything else has to lead to a disk. */
static void MapCheck(SLOT *Slot, const MAP_RESULT *Result)
{
    const LIFE *Life = Slot->Life;
    bool Disturbed = Slot->Ending || Life->Stopping || Life->Gone || Life->Excuses.Ends != 0 || Result->Cancelled;
    SERVER_COUNTS Counts = SeededServerCounts(Slot->Server);
    /* As early in a boot. IOCTL_WNBD_CREATE has no words. */
    Disturbed = Disturbed || (Life->LateCaptures != 0 && Counts.Connections == 0 &&
                              (Result->Words[0] == '\0' || strstr(Result->Words, "has not started") != NULL));
    if (Result->Win32 != 0 && !Disturbed && Slot->Reachable != 0 && !(ServerMayRefuse(Slot) && Counts.Committed) &&
        !Result->Starved) {
        LifeFail(Slot, "a good server was refused: %u %s", Result->Win32, Result->Words);
    }
    if (Result->Win32 == 0 && (!Counts.Transmitted || Slot->Reachable == 0)) {
        LifeFail(Slot, "there is a disk, and the server knows nothing of it");
    }
    if (Result->Starved && !Disturbed) {
        NothingLeftCheck(Slot);
    }
}

/* ---- The disk as Windows sees it ---- */

/* The adapter's child with the slot's name for a serial number; the caller releases it. */
static NATIVE_DEVICE *ChildOf(const SLOT *Slot)
{
    const size_t Length = strlen(Slot->Name);
    for (size_t Index = 0;; Index++) {
        NATIVE_DEVICE *Child = NativeChild(Slot->Life->Bed.Adapter, Index);
        if (Child == NULL) {
            return NULL;
        }
        const UNIT_DEVICE *Device = NativeDeviceTop(Child)->DeviceExtension;
        const UNIT *Unit = Device->Unit;
        if (Unit != NULL && Unit->Vpd80Length == 4 + Length && memcmp(Unit->Vpd80 + 4, Slot->Name, Length) == 0) {
            return Child;
        }
        NativeChildRelease(Child);
    }
}

/* Windows has not learned all that it asked for; no program can tell, and the people ask it to look again. */
static void LookAgain(SLOT *Slot, FAULTS *Seen)
{
    if (FaultsAny(Slot->Life, Seen)) {
        *Seen = Slot->Life->Faults;
        NativeIoctl(Slot->Life->Bed.File, PORT_IOCTL_SCSI_RESCAN_BUS, NULL, 0, NULL, 0, NULL);
    }
}

/* False: it went before it came. */
static bool SessionOpen(SLOT *Slot)
{
    uint64_t Deadline = GroundNow() + GONE_LIMIT;
    FAULTS Seen = Slot->Faults;
    NATIVE_DEVICE *Child;
    while ((Child = ChildOf(Slot)) == NULL) {
        if (Slot->Ending || Slot->MayEnd || Slot->Life->Gone || Slot->Life->Stopping) {
            if (GroundNow() > Deadline - GONE_LIMIT + 30 * SECOND) {
                return false;
            }
        } else if (GroundNow() > Deadline) {
            LifeFail(Slot, "the disk doesn't arrive");
        }
        LookAgain(Slot, &Seen);
        GroundSleep(SECOND / 10);
    }
    Slot->Disk = (DISK){.Child = Child, .TimeoutSeconds = 8 + SeededBelow(20)};
    Slot->Disk.File = NativeOpenDevice(Child);
    return true;
}

static uint64_t BigEndian(const UCHAR *Bytes, int Count)
{
    uint64_t Value = 0;
    while (Count-- > 0) {
        Value = Value << 8 | *Bytes++;
    }
    return Value;
}

/* READ CAPACITY(16): must be what the server and the mapper said. False: the disk is gone. */
static bool SessionCapacity(SLOT *Slot, const WNBD_PROPERTIES *Properties)
{
    UCHAR Capacity[32] = {0}, Cdb[16] = {0x9E, 0x10, [13] = sizeof(Capacity)}, Status;
    FAULTS Before;
    do {
        Before = Slot->Life->Faults;
        Status = DiskCommand(&Slot->Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Capacity, sizeof(Capacity), NULL);
    } while (FaultsRefuseSrb(Slot->Life, &Before, Status));
    if (Status != SRB_STATUS_SUCCESS) {
        bool Known = Slot->Ending || Slot->MayEnd || Slot->Life->Gone || Slot->Life->Stopping ||
                     Slot->Life->Excuses.Ends != 0 || Slot->Life->Excuses.Resets != 0;
        if (!Known) {
            LifeFail(Slot, "READ CAPACITY ended with SRB status 0x%02x", Status);
        }
        return false;
    }
    Slot->Disk.BlockCount = BigEndian(Capacity, 8) + 1;
    Slot->Disk.BlockSize = (uint32_t)BigEndian(Capacity + 8, 4);
    uint32_t Minimum = Slot->Plan.NoGo ? 0 : Slot->Plan.Minimum;
    uint32_t BlockSize = Properties->BlockSize != 0 ? Properties->BlockSize : Minimum == 4096 ? 4096 : 512;
    if (Slot->Disk.BlockSize != BlockSize || Slot->Disk.BlockCount != Slot->Plan.SizeBytes / BlockSize) {
        LifeFail(Slot, "%llu blocks of %u bytes; the export has %llu bytes, asked for were %u",
                 (unsigned long long)Slot->Disk.BlockCount, Slot->Disk.BlockSize,
                 (unsigned long long)Slot->Plan.SizeBytes, Properties->BlockSize);
    }
    return true;
}

SERVER_COUNTS SlotCounts(const SLOT *Slot)
{
    return Slot->Served != NULL ? ServedCounts(Slot->Served) : SeededServerCounts(Slot->Server);
}

NTSTATUS SlotUnmap(SLOT *Slot)
{
    WNBD_IOCTL_REMOVE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_REMOVE};
    strcpy(Command.InstanceName, Slot->Name);
    return FaultsAsk(Slot->Life, &Command, sizeof(Command), NULL, 0, NULL);
}

/* ---- I/O ---- */

static void WorkerMain(void *Context)
{
    SLOT *Slot = Context;
    uint32_t Operations = Slot->Life->Operations / (Slot->Tiny ? 20 : Slot->Large ? 4 : 1);
    WorkerRun(Slot, 1 + SeededBelow(Operations + 1) + Operations / 2);
    Slot->WorkersLeft--;
}

static void SessionDrop(SLOT *Slot)
{
    if (Slot->ByProcess) {
        ServedKill(Slot->Served);
        return;
    }
    LifeSay(Slot, "the server drops the connection");
    Slot->MayEnd = true;
    SeededServerDrop(Slot->Server, SeededBelow(2) == 0);
}

/* Somebody else's doings while the workers work. Returns whether the session ends by it. */
static bool SessionEvent(SLOT *Slot)
{
    switch (SeededBelow(12)) {
    case 0:
        WorkerReset(Slot, SRB_FUNCTION_RESET_LOGICAL_UNIT);
        return false;
    case 1:
        WorkerReset(Slot, SRB_FUNCTION_RESET_DEVICE);
        return false;
    case 2:
        if (SeededBelow(4) == 0) {
            WorkerReset(Slot, SRB_FUNCTION_RESET_BUS);
        } else {
            WorkerResetBus(Slot);
        }
        return false;
    case 3:
        if (SeededBelow(2) == 0) {
            SessionDrop(Slot);
            return true;
        }
        return false;
    case 4:
        return SeededBelow(3) == 0; /* taken away with requests in flight */
    default:
        return false;
    }
}

static void SessionWork(SLOT *Slot)
{
    GROUND_THREAD *Workers[LIFE_WORKERS_MOST];
    uint32_t Count = 1 + SeededBelow(LIFE_WORKERS_MOST);
    bool Events = SeededBelow(2) == 0;
    Slot->WorkersLeft = Count;
    for (uint32_t Index = 0; Index < Count; Index++) {
        Workers[Index] = GroundThreadStart(WorkerMain, Slot, "worker-io");
    }
    while (Slot->WorkersLeft != 0 && !Slot->Ending && !Slot->Life->Gone) {
        GroundSleep(1 + SeededBelow(SeededBelow(2) == 0 ? 20000 : 2000000));
        if (Events && Slot->WorkersLeft != 0 && SessionEvent(Slot)) {
            break;
        }
    }
    if (Slot->WorkersLeft == 0) {
        CountersCheck(Slot);
    } else {
        LifeSay(Slot, "ends with I/O");
        Slot->Ending = true;
        SlotUnmap(Slot);
    }
    for (uint32_t Index = 0; Index < Count; Index++) {
        GroundThreadJoin(Workers[Index]);
    }
}

/* ---- The end ---- */

static void WaitUntilGone(SLOT *Slot)
{
    uint64_t Deadline = GroundNow() + GONE_LIMIT;
    NATIVE_DEVICE *Child;
    while ((Child = ChildOf(Slot)) != NULL) {
        NativeChildRelease(Child);
        if (GroundNow() > Deadline) {
            LifeFail(Slot, "the disk doesn't go");
        }
        GroundSleep(SECOND / 10);
    }
}

static void SessionUnmap(SLOT *Slot)
{
    bool Known = Slot->Ending || Slot->MayEnd || Slot->Life->Excuses.Ends != 0;
    Slot->Ending = true;
    NTSTATUS Status = SlotUnmap(Slot);
    while (Status == STATUS_DEVICE_NOT_READY && !Slot->Life->Gone) {
        /* Not while the adapter is stopped. */
        CHECK(Slot->Life->Excuses.Ends != 0);
        GroundSleep(SECOND / 10);
        Status = SlotUnmap(Slot);
    }
    SeededNote((uint32_t)Status);
    if (Status != STATUS_SUCCESS && !Slot->Life->Gone && !(Status == STATUS_OBJECT_NAME_NOT_FOUND && Known)) {
        LifeFail(Slot, "IOCTL_WNBD_REMOVE: 0x%08x", (unsigned)Status);
    }
}

/* The disk ended if it had to. */
static void MisdeedCheck(SLOT *Slot)
{
    uint32_t Consequences = MisdeedConsequences(Slot->Plan.Misdeed) & (MAY_END | MAY_STALL);
    bool Has = Slot->ByProcess ? ServedCondemned(Slot->Served)
                               : Consequences == MAY_END && SeededServerCounts(Slot->Server).Committed;
    if (!Has) {
        return;
    }
    LifeSay(Slot, "the disk has to go");
    WaitUntilGone(Slot);
}

static void SessionServerStop(SLOT *Slot)
{
    bool PowerLost = SeededBelow(2) == 0;
    if (Slot->ByProcess) {
        ServedStop(Slot);
    } else {
        SeededServerStop(Slot->Server);
        Slot->Server = NULL;
    }
    if (PowerLost) {
        MediumLosePower(&Slot->Medium);
    }
    if (!ModelCheckMedium(&Slot->Model, &Slot->Medium, PowerLost)) {
        LifeFail(Slot, "the server's medium is wrong%s", PowerLost ? " after the loss of power" : "");
    }
}

static void SessionReset(SLOT *Slot)
{
    Slot->Ending = false;
    Slot->Faults = Slot->Life->Faults;
    Slot->ErrorsSeen = 0;
    Slot->Counted = 0;
    Slot->Uncounted = 0;
    Slot->MayEnd = (MisdeedConsequences(Slot->Plan.Misdeed) & MAY_END) != 0;
    Slot->MayReset = (MisdeedConsequences(Slot->Plan.Misdeed) & MAY_STALL) != 0;
}

/* Has the disk made; true: it is there. */
static bool SessionMap(SLOT *Slot, WNBD_PROPERTIES *Properties)
{
    MAP_RESULT Result;
    if (Slot->ByProcess) {
        return ServedStart(Slot, Properties);
    }
    LifeSay(Slot, "server: flags 0x%02x, blocks %u, delays %u, misdeed at %llu: %s", Slot->Plan.Flags,
            Slot->Plan.Minimum, Slot->Plan.DelayMost, (unsigned long long)Slot->Plan.MisdeedAt,
            MisdeedText(Slot->Plan.Misdeed));
    Slot->Server = SeededServerStart(&Slot->Medium, Slot->Port, &Slot->Plan, &Slot->Weather);
    MapProperties(Slot, Properties);
    Map(Slot, Properties, &Result);
    MapCheck(Slot, &Result);
    return Result.Win32 == 0;
}

static void Session(SLOT *Slot)
{
    WNBD_PROPERTIES Properties;
    Slot->ByProcess = Slot->Life->Processes && SeededBelow(2) == 0;
    PlanDraw(Slot);
    SessionReset(Slot);
    if (Slot->ByProcess) {
        ServedDraw(Slot);
    }
    bool Mapped = SessionMap(Slot, &Properties);
    if (Mapped && SessionOpen(Slot)) {
        if (SessionCapacity(Slot, &Properties)) {
            Slot->Open = true;
            SessionWork(Slot);
            Slot->Open = false;
        }
        NativeClose(Slot->Disk.File);
        NativeChildRelease(Slot->Disk.Child);
        if (!Slot->Ending && !Slot->Life->Gone && !Slot->Life->Stopping) {
            MisdeedCheck(Slot);
        }
    }
    if (Mapped) {
        SessionUnmap(Slot);
        WaitUntilGone(Slot);
    }
    Slot->Ending = true;
    SessionServerStop(Slot);
}

void SessionMain(void *Context)
{
    SLOT *Slot = Context;
    char Name[16];
    snprintf(Name, sizeof(Name), "session %u", Slot->Number);
    SeededName(Name);
    for (uint32_t Round = 0; Round < Slot->Life->Rounds && !Slot->Life->Gone; Round++) {
        Session(Slot);
    }
    Slot->Life->SlotsLeft--;
}
