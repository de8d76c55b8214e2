/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Resets beside what other processors do: while one is in the middle of
 * completing an SRB, while a disk is being withdrawn, while HwStartIo runs. A
 * reset is over when every SRB of its scope is Storport's again (the host
 * checks that), and touches nothing outside its scope.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"
#include "flight.h"
#include "port.h"
#include "server.h"
#include "storage_ioctl.h"

#define DEPTH 8u
#define READ_BYTES 4096u
#define HELD_LONGER_US 100000u
#define CALLERS 3u
#define RESETS 150u

static const char *const Plugin[] = {"memory", "64M", NULL};

/* Holds the first processor that completes a READ, from Arm on until the moment that Until names, and a little longer.
 */
static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    bool Armed;
    bool Held;
    bool Open;
    PORT_MOMENT Until;
    unsigned UnitResets;
    unsigned BusResets;
} Gate = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

static bool IsRead(PVOID Srb)
{
    SRB_FIELDS Fields;
    PortSrbRead(Srb, &Fields);
    return Fields.Function == SRB_FUNCTION_EXECUTE_SCSI && Fields.Cdb[0] == 0x88;
}

static bool IsUnitReset(PVOID Srb)
{
    SRB_FIELDS Fields;
    PortSrbRead(Srb, &Fields);
    return Fields.Function == SRB_FUNCTION_RESET_LOGICAL_UNIT;
}

static void Hook(PORT_MOMENT Moment, PVOID Srb)
{
    bool UnitReset = Moment == PORT_AT_START_IO && IsUnitReset(Srb);
    bool Hold = Moment == PORT_AT_COMPLETION && IsRead(Srb);
    pthread_mutex_lock(&Gate.Lock);
    Gate.UnitResets += UnitReset;
    Gate.BusResets += Moment == PORT_AT_RESET_BUS;
    if (Moment == Gate.Until && (Moment == PORT_AT_RESET_BUS || UnitReset)) {
        Gate.Open = true;
    }
    Hold = Hold && Gate.Armed;
    if (Hold) {
        /* So that a reset which waits for it doesn't wait for a thread that it has interrupted. */
        CHECK(KeGetCurrentIrql() == DISPATCH_LEVEL);
        Gate.Armed = false;
        Gate.Held = true;
    }
    pthread_cond_broadcast(&Gate.Changed);
    while (Hold && !Gate.Open) {
        pthread_cond_wait(&Gate.Changed, &Gate.Lock);
    }
    pthread_mutex_unlock(&Gate.Lock);
    if (Hold) {
        usleep(HELD_LONGER_US);
    }
}

static void Arm(PORT_MOMENT Until)
{
    pthread_mutex_lock(&Gate.Lock);
    Gate.Armed = true;
    Gate.Held = false;
    Gate.Open = false;
    Gate.Until = Until;
    Gate.UnitResets = 0;
    Gate.BusResets = 0;
    pthread_mutex_unlock(&Gate.Lock);
}

static void WaitHeld(void)
{
    pthread_mutex_lock(&Gate.Lock);
    while (!Gate.Held) {
        pthread_cond_wait(&Gate.Changed, &Gate.Lock);
    }
    pthread_mutex_unlock(&Gate.Lock);
}

static unsigned BusResets(void)
{
    pthread_mutex_lock(&Gate.Lock);
    unsigned Count = Gate.BusResets;
    pthread_mutex_unlock(&Gate.Lock);
    return Count;
}

static NTSTATUS ResetBus(BED *Bed)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    return NativeIoctl(Bed->File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL);
}

static void ReadBegin(DISK *Disk, DISK_IO *Io, uint32_t Index, UCHAR *Data)
{
    UCHAR Cdb[16];
    uint32_t Blocks = READ_BYTES / Disk->BlockSize;
    DiskCdb16(Cdb, 0x88, (uint64_t)Index * Blocks, Blocks, false);
    DiskBegin(Disk, Io, Index % 2 == 0, Cdb, 16, SRB_FLAGS_DATA_IN, Data, READ_BYTES);
}

/* A class driver's reset of its unit, or of the bus. */
static UCHAR ClassReset(DISK *Disk, UCHAR Function)
{
    DISK_IO Io;
    memset(&Io, 0, sizeof(Io));
    Io.Srb.Classic.Length = sizeof(Io.Srb.Classic);
    Io.Srb.Classic.Function = Function;
    Io.Srb.Classic.TimeOutValue = 60;
    Io.Request = NativeScsiBegin(Disk->File, &Io.Srb.Classic, NULL, 0);
    return DiskWait(&Io, NULL);
}

static void Map(BED *Bed, const char *Name, uint16_t Port, DISK *Disk, size_t Count)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, Name, Port);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(Disk, Bed, Count);
}

/* A processor has the answer of a request in hand when the reset of the bus or, by a timeout, of the unit comes. */
static void TestCompleting(const char *Words, PORT_MOMENT Until, PORT_OPTIONS Options)
{
    UCHAR Data[READ_BYTES];
    SERVER Server;
    BED Bed;
    DISK Disk;
    DISK_IO Io;
    printf("a request is being completed: %s\n", Words);
    Options.Hook = Hook;
    PortOptions = Options;
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 40});
    BedMapDisk(&Bed, &Disk, Server.Port);
    Arm(Until);
    Disk.TimeoutSeconds = Until == PORT_AT_RESET_BUS ? 60 : 1;
    ReadBegin(&Disk, &Io, 0, Data);
    WaitHeld();
    CHECK(Until != PORT_AT_RESET_BUS || ResetBus(&Bed) == STATUS_SUCCESS);
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_SUCCESS);
    CHECK(BusResets() == (Until == PORT_AT_RESET_BUS));
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

static void *Unmap(void *Context)
{
    CHECK(BedUnmap(Context, "gone") == STATUS_SUCCESS);
    return NULL;
}

/* The disk's requests are being given back: they count, and the reset of the unit leads to no reset of the other disk.
 */
static void TestWithdrawing(const char *Words, PORT_MOMENT Until)
{
    static UCHAR Data[2][DEPTH][READ_BYTES];
    SERVER Servers[2];
    BED Bed;
    DISK Gone, Other;
    DISK_IO Ios[2][DEPTH];
    pthread_t Thread;
    UCHAR Expected = Until == PORT_AT_RESET_BUS ? SRB_STATUS_BUS_RESET : SRB_STATUS_SUCCESS;
    printf("a disk is being withdrawn: %s\n", Words);
    PortOptions = (PORT_OPTIONS){.Hook = Hook};
    ServerStart(&Servers[0], Plugin);
    ServerStart(&Servers[1], Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 41});
    Map(&Bed, "gone", Servers[0].Port, &Gone, 1);
    Map(&Bed, "other", Servers[1].Port, &Other, 2);
    ServerPause(&Servers[0]);
    ServerPause(&Servers[1]);
    Arm(Until);
    Gone.TimeoutSeconds = Until == PORT_AT_RESET_BUS ? 60 : 2;
    for (uint32_t Index = 0; Index < DEPTH; Index++) {
        ReadBegin(&Gone, &Ios[0][Index], Index, Data[0][Index]);
        ReadBegin(&Other, &Ios[1][Index], Index, Data[1][Index]);
    }
    CHECK(pthread_create(&Thread, NULL, Unmap, &Bed) == 0);
    WaitHeld();
    CHECK(Until != PORT_AT_RESET_BUS || ResetBus(&Bed) == STATUS_SUCCESS);
    for (uint32_t Index = 0; Index < DEPTH; Index++) {
        CHECK(DiskWait(&Ios[0][Index], NULL) == SRB_STATUS_NO_DEVICE);
    }
    CHECK(pthread_join(Thread, NULL) == 0);
    ServerResume(&Servers[1]);
    for (uint32_t Index = 0; Index < DEPTH; Index++) {
        CHECK(DiskWait(&Ios[1][Index], NULL) == Expected);
    }
    CHECK(BusResets() == (Until == PORT_AT_RESET_BUS));
    CHECK(NativeChildWait(Bed.Adapter, 1, 20000));
    DiskClose(&Gone);
    CHECK(BedUnmap(&Bed, "other") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Other);
    BedStop(&Bed);
    ServerResume(&Servers[0]);
    ServerStop(&Servers[0]);
    ServerStop(&Servers[1]);
    PortOptions = (PORT_OPTIONS){0};
}

/* Windows doesn't know yet that the disk has gone. */
static void TestGone(void)
{
    SERVER Server;
    BED Bed;
    DISK Disk;
    printf("a disk is gone already\n");
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 42});
    BedMapDisk(&Bed, &Disk, Server.Port);
    CHECK(ClassReset(&Disk, SRB_FUNCTION_RESET_LOGICAL_UNIT) == SRB_STATUS_SUCCESS);
    CHECK(ClassReset(&Disk, SRB_FUNCTION_RESET_DEVICE) == SRB_STATUS_SUCCESS);
    CHECK(ClassReset(&Disk, SRB_FUNCTION_RESET_BUS) == SRB_STATUS_SUCCESS);
    InterlockedExchange(&PortOptions.MissBusChanges, 1);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS);
    CHECK(ClassReset(&Disk, SRB_FUNCTION_RESET_LOGICAL_UNIT) == SRB_STATUS_SUCCESS);
    CHECK(ClassReset(&Disk, SRB_FUNCTION_RESET_DEVICE) == SRB_STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 60000));
    DiskClose(&Disk);
    BedStop(&Bed);
    ServerStop(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

typedef struct {
    DISK *Disk;
    bool Resets; /* sends class resets, too */
    unsigned Given;
    pthread_t Thread;
} CALLER;

static bool Stop;

static void *Call(void *Context)
{
    CALLER *Caller = Context;
    static const UCHAR Functions[] = {SRB_FUNCTION_RESET_LOGICAL_UNIT, SRB_FUNCTION_RESET_DEVICE,
                                      SRB_FUNCTION_RESET_BUS};
    FLIGHT Flight;
    for (unsigned Round = 0; !__atomic_load_n(&Stop, __ATOMIC_ACQUIRE); Round++) {
        FlightBegin(&Flight, Caller->Disk, DEPTH, READ_BYTES);
        CHECK(!Caller->Resets || ClassReset(Caller->Disk, Functions[Round % 3]) == SRB_STATUS_SUCCESS);
        Caller->Given += FlightEnd(&Flight);
    }
    return NULL;
}

/* Callers on other processors are anywhere in HwStartIo and in completions while resets of all kinds come. */
static void TestBeside(const char *Words, PORT_OPTIONS Options)
{
    CALLER Callers[2 * CALLERS];
    SERVER Server;
    BED Bed;
    DISK Disks[2];
    unsigned Given = 0;
    printf("beside running requests: %s\n", Words);
    PortOptions = Options;
    ServerStart(&Server, Plugin);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 43, .WskSynchronousOneIn = 4});
    Map(&Bed, "disk", Server.Port, &Disks[0], 1);
    Map(&Bed, "other", Server.Port, &Disks[1], 2);
    __atomic_store_n(&Stop, false, __ATOMIC_RELEASE);
    for (unsigned Index = 0; Index < 2 * CALLERS; Index++) {
        Callers[Index] = (CALLER){.Disk = &Disks[Index % 2], .Resets = Index < 2};
        CHECK(pthread_create(&Callers[Index].Thread, NULL, Call, &Callers[Index]) == 0);
    }
    for (unsigned Reset = 0; Reset < RESETS; Reset++) {
        CHECK(ResetBus(&Bed) == STATUS_SUCCESS);
        usleep(2000);
    }
    __atomic_store_n(&Stop, true, __ATOMIC_RELEASE);
    for (unsigned Index = 0; Index < 2 * CALLERS; Index++) {
        CHECK(pthread_join(Callers[Index].Thread, NULL) == 0);
        Given += Callers[Index].Given;
    }
    printf("%u requests were given back\n", Given);
    CHECK(Given != 0);
    CHECK(BedUnmap(&Bed, "disk") == STATUS_SUCCESS && BedUnmap(&Bed, "other") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disks[0]);
    DiskClose(&Disks[1]);
    BedStop(&Bed);
    ServerStop(&Server);
    PortOptions = (PORT_OPTIONS){0};
}

int main(void)
{
    TestCompleting("reset of the bus", PORT_AT_RESET_BUS, (PORT_OPTIONS){0});
    TestCompleting("reset of the bus, without HwStartIo", PORT_AT_RESET_BUS,
                   (PORT_OPTIONS){.ResetExcludesStartIo = TRUE});
    TestCompleting("reset of the unit", PORT_AT_START_IO, (PORT_OPTIONS){0});
    TestWithdrawing("reset of the bus", PORT_AT_RESET_BUS);
    TestWithdrawing("reset of the unit", PORT_AT_START_IO);
    TestGone();
    TestBeside("HwStartIo at PASSIVE_LEVEL", (PORT_OPTIONS){0});
    TestBeside("HwStartIo at DISPATCH_LEVEL", (PORT_OPTIONS){.StartIoAtDispatch = TRUE});
    TestBeside("HwResetBus without HwStartIo", (PORT_OPTIONS){.ResetExcludesStartIo = TRUE});
    printf("ok\n");
    return 0;
}
