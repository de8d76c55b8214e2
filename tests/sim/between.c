/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What comes in between: a thread in the driver stands still in front of a
 * spin lock, of each that it takes in turn, and at that very place somebody
 * else makes, removes or loses the same disk. No chance, no time: the linker
 * puts a gate into KeAcquireSpinLock (--wrap), and the test opens it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bed.h"
#include "internal.h"
#include "script.h"
#include "server.h"

#define DEADLINE_MS 60000u
#define WIN32_ALREADY_EXISTS 183
#define WIN32_OPERATION_ABORTED 995
#define WIN32_SHUTDOWN_IN_PROGRESS 1115
#define WIN32_CONNECTION_REFUSED 1225

/* Who stands still at the gate: a thread of the test, or one that runs DPCs. */
typedef enum { WHO_NOBODY, WHO_VICTIM, WHO_DPC } WHO;

static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    WHO Who;
    unsigned Left; /* places to pass before the one to stand at */
    bool Stands;   /* somebody does */
    bool Open;     /* who stands may go on */
    unsigned Net;  /* locks that the network's thread has released: it has told the driver something */
} Gate = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

static _Thread_local bool IsVictim;

KIRQL __real_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock);
VOID __real_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql);
VOID __wrap_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql);

/* The threads of the test bed have names. */
static bool IsNamed(const char *Name)
{
    return strcmp(KeGetCurrentThread()->Name, Name) == 0;
}

KIRQL __wrap_KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock)
{
    if (NativeLocksHeld() == 0) {
        pthread_mutex_lock(&Gate.Lock);
        bool Meant = (Gate.Who == WHO_VICTIM && IsVictim) || (Gate.Who == WHO_DPC && IsNamed("DPC"));
        if (Meant && !Gate.Stands && !Gate.Open && Gate.Left-- == 0) {
            Gate.Stands = true;
            while (!Gate.Open) {
                pthread_cond_wait(&Gate.Changed, &Gate.Lock);
            }
            Gate.Stands = false;
        }
        pthread_mutex_unlock(&Gate.Lock);
    }
    return __real_KeAcquireSpinLockRaiseToDpc(SpinLock);
}

VOID __wrap_KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL Irql)
{
    __real_KeReleaseSpinLock(SpinLock, Irql);
    if (IsNamed("network")) {
        pthread_mutex_lock(&Gate.Lock);
        Gate.Net++;
        pthread_mutex_unlock(&Gate.Lock);
    }
}

/* The Place-th lock that Who takes from now on is where he stands still. */
static void GateArm(WHO Who, unsigned Place)
{
    pthread_mutex_lock(&Gate.Lock);
    Gate.Who = Who;
    Gate.Left = Place;
    Gate.Open = false;
    pthread_mutex_unlock(&Gate.Lock);
}

static void GateOpen(void)
{
    pthread_mutex_lock(&Gate.Lock);
    Gate.Open = true;
    Gate.Who = WHO_NOBODY;
    pthread_cond_broadcast(&Gate.Changed);
    pthread_mutex_unlock(&Gate.Lock);
}

static bool GateStands(void)
{
    pthread_mutex_lock(&Gate.Lock);
    bool Stands = Gate.Stands;
    pthread_mutex_unlock(&Gate.Lock);
    return Stands;
}

static unsigned GateNet(void)
{
    pthread_mutex_lock(&Gate.Lock);
    unsigned Net = Gate.Net;
    pthread_mutex_unlock(&Gate.Lock);
    return Net;
}

static void Pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
}

/* ---- the victim: a thread with one request ---- */

typedef struct {
    BED *Bed;
    void (*Run)(BED *Bed);
    pthread_t Thread;
    bool Ended;
} VICTIM;

static void *VictimMain(void *Context)
{
    VICTIM *Victim = Context;
    IsVictim = true;
    Victim->Run(Victim->Bed);
    pthread_mutex_lock(&Gate.Lock);
    Victim->Ended = true;
    pthread_mutex_unlock(&Gate.Lock);
    return NULL;
}

/* Starts it; true: it stands at its Place-th lock. False: it has ended before it came to that one. */
static bool VictimStart(VICTIM *Victim, unsigned Place)
{
    GateArm(WHO_VICTIM, Place);
    CHECK(pthread_create(&Victim->Thread, NULL, VictimMain, Victim) == 0);
    for (unsigned Tries = 0;; Tries++) {
        CHECK(Tries < DEADLINE_MS);
        pthread_mutex_lock(&Gate.Lock);
        bool Ended = Victim->Ended, Stands = Gate.Stands;
        pthread_mutex_unlock(&Gate.Lock);
        if (Ended || Stands) {
            return Stands;
        }
        Pause();
    }
}

static void VictimEnd(VICTIM *Victim)
{
    GateOpen();
    CHECK(pthread_join(Victim->Thread, NULL) == 0);
}

/* ---- disks, all named "disk" ---- */

static uint16_t Port;

typedef struct {
    NATIVE_REQUEST *Request;
    WNBD_CREATE_RESULT Result;
} CREATE;

static void CreateBegin(BED *Bed, CREATE *Create)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    BedProperties(&Command.Properties, "disk", Port);
    memset(&Create->Result, 0xCC, sizeof(Create->Result));
    Create->Request = NativeIoctlBegin(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Create->Result,
                                       sizeof(Create->Result));
}

static bool CreateWaits(const CREATE *Create)
{
    return !NativeRequestPoll(Create->Request, 0);
}

static void CreateEnd(CREATE *Create, UINT32 Expected)
{
    CHECK(NativeRequestPoll(Create->Request, DEADLINE_MS));
    CHECK(NativeRequestWait(Create->Request, NULL) == STATUS_SUCCESS);
    if (Create->Result.Status != Expected) {
        fprintf(stderr, "status %u, expected %u: %s\n", Create->Result.Status, Expected, Create->Result.Message);
    }
    CHECK(Create->Result.Status == Expected);
}

/* The disk that came in between is still waiting for its server, alone, and is told when it is removed. */
static void ExpectUntouched(BED *Bed, CREATE *Create)
{
    CHECK(CreateWaits(Create) && BedDiskCount(Bed) == 1);
    CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
    CreateEnd(Create, WIN32_OPERATION_ABORTED);
    CHECK(BedDiskCount(Bed) == 0);
}

/* ---- a removal stands still ---- */

static NTSTATUS RemoveStatus;

static void Remove(BED *Bed)
{
    RemoveStatus = BedUnmap(Bed, "disk");
}

/* Another disk of the name is made there. It is refused as long as the name is taken, which ends before its creator
 * hears of the removal; once accepted, the removal of the old one doesn't touch it. */
static bool CreateInRemoval(BED *Bed, unsigned Place, unsigned *Accepted)
{
    VICTIM Victim = {.Bed = Bed, .Run = Remove};
    CREATE Old, New;
    CreateBegin(Bed, &Old);
    CHECK(CreateWaits(&Old));
    if (!VictimStart(&Victim, Place)) {
        VictimEnd(&Victim);
        CreateEnd(&Old, WIN32_OPERATION_ABORTED);
        return false;
    }
    bool Waited = CreateWaits(&Old);
    CreateBegin(Bed, &New);
    bool Taken = !CreateWaits(&New);
    CHECK(Waited || !Taken);
    VictimEnd(&Victim);
    CHECK(RemoveStatus == STATUS_SUCCESS);
    CreateEnd(&Old, WIN32_OPERATION_ABORTED);
    if (Taken) {
        CreateEnd(&New, WIN32_ALREADY_EXISTS);
        CHECK(BedDiskCount(Bed) == 0);
    } else {
        ExpectUntouched(Bed, &New);
        ++*Accepted;
    }
    return true;
}

/* Somebody else removes the disk there, and makes another of the name: one of both removals is the disk's, and neither
 * is the new one's. */
static bool RemoveInRemoval(BED *Bed, unsigned Place, unsigned *Accepted)
{
    VICTIM Victim = {.Bed = Bed, .Run = Remove};
    CREATE Old, New;
    CreateBegin(Bed, &Old);
    if (!VictimStart(&Victim, Place)) {
        VictimEnd(&Victim);
        CreateEnd(&Old, WIN32_OPERATION_ABORTED);
        return false;
    }
    NTSTATUS Status = BedUnmap(Bed, "disk");
    CreateBegin(Bed, &New);
    CHECK(CreateWaits(&New));
    VictimEnd(&Victim);
    /* Before it has looked the name up, it removes whichever there is. */
    bool Both = Status == STATUS_SUCCESS && RemoveStatus == STATUS_SUCCESS;
    CHECK(Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(Status == STATUS_SUCCESS || RemoveStatus == STATUS_SUCCESS);
    CreateEnd(&Old, WIN32_OPERATION_ABORTED);
    if (Both) {
        CreateEnd(&New, WIN32_OPERATION_ABORTED);
        CHECK(BedDiskCount(Bed) == 0);
    } else {
        CHECK(RemoveStatus == STATUS_SUCCESS || RemoveStatus == STATUS_OBJECT_NAME_NOT_FOUND);
        ExpectUntouched(Bed, &New);
        ++*Accepted;
    }
    return true;
}

/* ---- a create request stands still ---- */

static CREATE Made;

static void Make(BED *Bed)
{
    CreateBegin(Bed, &Made);
}

/* The disk is removed there, as far as there is one, and another of the name is made. */
static bool RemoveInCreate(BED *Bed, unsigned Place, unsigned *Accepted)
{
    VICTIM Victim = {.Bed = Bed, .Run = Make};
    CREATE New;
    if (!VictimStart(&Victim, Place)) {
        VictimEnd(&Victim);
        ExpectUntouched(Bed, &Made);
        return false;
    }
    NTSTATUS Status = BedUnmap(Bed, "disk");
    CHECK(Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND);
    CreateBegin(Bed, &New);
    CHECK(CreateWaits(&New));
    VictimEnd(&Victim);
    CreateEnd(&Made, Status == STATUS_SUCCESS ? WIN32_OPERATION_ABORTED : WIN32_ALREADY_EXISTS);
    ExpectUntouched(Bed, &New);
    *Accepted += Status == STATUS_SUCCESS;
    return true;
}

/* ---- a connection that ends stands still ---- */

static void CreateBeginAt(BED *Bed, CREATE *Create, uint16_t At)
{
    uint16_t Kept = Port;
    Port = At;
    CreateBegin(Bed, Create);
    Port = Kept;
}

/* Waits until the DPC stands, or until there is nothing left for it to do. */
static bool WaitForDpc(BED *Bed, const CREATE *Create)
{
    for (unsigned Tries = 0; !GateStands(); Tries++) {
        CHECK(Tries < DEADLINE_MS);
        if (!CreateWaits(Create) && BedDiskCount(Bed) == 0) {
            return false;
        }
        Pause();
    }
    return true;
}

/* A server refuses. Who has been told may use the name again, at once. */
static bool CreateInRefusal(BED *Bed, unsigned Place, unsigned *Accepted)
{
    static uint16_t Refusing;
    CREATE Old, New;
    Refusing = Refusing != 0 ? Refusing : ServerRefusing();
    GateArm(WHO_DPC, Place);
    CreateBeginAt(Bed, &Old, Refusing);
    bool Stands = WaitForDpc(Bed, &Old);
    bool Told = !CreateWaits(&Old);
    CreateBegin(Bed, &New);
    bool Taken = !CreateWaits(&New);
    CHECK(!Told || !Taken);
    GateOpen();
    CreateEnd(&Old, WIN32_CONNECTION_REFUSED);
    if (Taken) {
        CreateEnd(&New, WIN32_ALREADY_EXISTS);
    } else {
        ExpectUntouched(Bed, &New);
        ++*Accepted;
    }
    return Stands;
}

/* ---- a disk is removed in the handshake, and its server closes ---- */

static struct {
    bool Heard;  /* the client's option: the rest is the test's */
    bool Closes; /* the server does */
} Talk;

static bool TalkIs(const bool *What)
{
    pthread_mutex_lock(&Gate.Lock);
    bool Is = *What;
    pthread_mutex_unlock(&Gate.Lock);
    return Is;
}

static void TalkSet(bool *What, bool Value)
{
    pthread_mutex_lock(&Gate.Lock);
    *What = Value;
    pthread_mutex_unlock(&Gate.Lock);
}

static void PlayHandshake(PEER *Peer)
{
    uint32_t Option;
    if (PeerSay(Peer, "NBDMAGICIHAVEOPT\0\3", 18) && PeerHearOption(Peer, true, &Option)) {
        TalkSet(&Talk.Heard, true);
        while (!TalkIs(&Talk.Closes)) {
            Pause();
        }
    }
}

static void WaitFor(const bool *What)
{
    for (unsigned Tries = 0; !TalkIs(What); Tries++) {
        CHECK(Tries < DEADLINE_MS);
        Pause();
    }
}

static bool CloseInFarewell(BED *Bed, unsigned Place, unsigned *Accepted)
{
    SCRIPT Script = {.Play = PlayHandshake};
    CREATE Old;
    Talk.Heard = false;
    Talk.Closes = false;
    ScriptStart(&Script);
    CreateBeginAt(Bed, &Old, Script.Port);
    WaitFor(&Talk.Heard);
    KeFlushQueuedDpcs();
    GateArm(WHO_DPC, Place);
    CHECK(BedUnmap(Bed, "disk") == STATUS_SUCCESS);
    CreateEnd(&Old, WIN32_OPERATION_ABORTED);
    bool Stands;
    for (unsigned Tries = 0; Stands = GateStands(), !Stands && NativeCounts().Sockets != 0; Tries++) {
        CHECK(Tries < DEADLINE_MS);
        Pause();
    }
    unsigned Net = GateNet();
    TalkSet(&Talk.Closes, true);
    /* The driver hears of it, unless it has closed its end before. */
    for (unsigned Tries = 0; Stands && GateNet() == Net && Tries < 100; Tries++) {
        Pause();
    }
    *Accepted += Stands && GateNet() != Net;
    GateOpen();
    for (unsigned Tries = 0; NativeCounts().Sockets != 0; Tries++) {
        CHECK(Tries < DEADLINE_MS);
        Pause();
    }
    ScriptStop(&Script);
    return Stands;
}

/* ---- the adapter is taken away ---- */

static _Thread_local bool IsRemover;
static unsigned RemoverWaits; /* protected by Gate.Lock; odd: it waits now */

NTSTATUS __real_KeWaitForSingleObject(PVOID Object, KWAIT_REASON Reason, KPROCESSOR_MODE Mode, BOOLEAN Alertable,
                                      PLARGE_INTEGER Timeout);
NTSTATUS __wrap_KeWaitForSingleObject(PVOID Object, KWAIT_REASON Reason, KPROCESSOR_MODE Mode, BOOLEAN Alertable,
                                      PLARGE_INTEGER Timeout);

static void RemoverCount(void)
{
    pthread_mutex_lock(&Gate.Lock);
    RemoverWaits += IsRemover;
    pthread_mutex_unlock(&Gate.Lock);
}

NTSTATUS __wrap_KeWaitForSingleObject(PVOID Object, KWAIT_REASON Reason, KPROCESSOR_MODE Mode, BOOLEAN Alertable,
                                      PLARGE_INTEGER Timeout)
{
    RemoverCount();
    NTSTATUS Status = __real_KeWaitForSingleObject(Object, Reason, Mode, Alertable, Timeout);
    RemoverCount();
    return Status;
}

static void *RemoverMain(void *Context)
{
    VICTIM *Remover = Context;
    IsRemover = true;
    NativeDeviceSurpriseRemove(Remover->Bed->Adapter);
    TalkSet(&Remover->Ended, true);
    return NULL;
}

/* Until it has ended, or has come to something that it waits for. */
static void WaitForRemover(const VICTIM *Remover)
{
    unsigned Waits = 0;
    for (unsigned Same = 0; Same < 20 && !TalkIs(&Remover->Ended); Pause()) {
        pthread_mutex_lock(&Gate.Lock);
        Same = RemoverWaits == Waits && Waits % 2 != 0 ? Same + 1 : 0;
        Waits = RemoverWaits;
        pthread_mutex_unlock(&Gate.Lock);
    }
}

/* The adapter goes while a create request stands: it is answered, and nobody waits for it for ever. */
static bool LeaveInCreate(unsigned Place)
{
    BED Bed;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = Place});
    VICTIM Victim = {.Bed = &Bed, .Run = Make}, Remover = {.Bed = &Bed};
    bool Stands = VictimStart(&Victim, Place);
    pthread_mutex_lock(&Gate.Lock);
    RemoverWaits = 0;
    pthread_mutex_unlock(&Gate.Lock);
    CHECK(pthread_create(&Remover.Thread, NULL, RemoverMain, &Remover) == 0);
    WaitForRemover(&Remover);
    VictimEnd(&Victim);
    CHECK(pthread_join(Remover.Thread, NULL) == 0);
    CHECK(NativeRequestPoll(Made.Request, DEADLINE_MS));
    CHECK(NativeRequestWait(Made.Request, NULL) != STATUS_SUCCESS || Made.Result.Status == WIN32_SHUTDOWN_IN_PROGRESS);
    NativeClose(Bed.File);
    NativePnpSettle();
    NativeDriverUnload(Bed.Driver);
    NativeStop();
    return Stands;
}

/* What the driver says has a text. */
static void LogTake(uint32_t Level, const char *Text)
{
    (void)Level;
    CHECK(strstr(Text, ": \n") == NULL);
}

int main(void)
{
    static const struct {
        const char *Name;
        bool (*Try)(BED *Bed, unsigned Place, unsigned *Accepted);
    } Tests[] = {
        {"a disk of the same name is made during a removal", CreateInRemoval},
        {"it is removed and made during a removal", RemoveInRemoval},
        {"it is removed and made while it is made", RemoveInCreate},
        {"it is made when a server has refused", CreateInRefusal},
        {"the server closes when it is removed in the handshake", CloseInFarewell},
    };
    Port = ServerSilent();
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        unsigned Places = 0, Accepted = 0;
        BED Bed;
        BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .Log = LogTake});
        while (Tests[Index].Try(&Bed, Places, &Accepted)) {
            CHECK(++Places < 200);
        }
        BedStop(&Bed);
        printf("%s: %u places, %u times in time\n", Tests[Index].Name, Places, Accepted);
        fflush(stdout);
        CHECK(Places > 2 && Accepted > 0);
    }
    unsigned Places = 0;
    while (LeaveInCreate(Places)) {
        CHECK(++Places < 200);
    }
    printf("the adapter goes while it is made: %u places\n", Places);
    CHECK(Places > 2);
    printf("ok\n");
    return 0;
}
