/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Every call of the driver and of the host that can fail fails once, by call
 * stack: a life of the adapter with a disk and I/O is lived in a process for
 * each, with that one call failed. Whatever the life then can't do, it must
 * report; data that it says to have moved are right; the same thing works when
 * it is tried again; and nothing is left at the end.
 *
 *     sim_faults                          all places, in several processes: most of a life is waiting
 *     sim_faults --part I/N               those of one part
 *     sim_faults PLACE...                 these
 *     sim_faults --served [the same]      with disks that a process serves, and the driver's options: the places that
 *                                         the other lives haven't, and those that look after processes
 *     sim_faults --random SEED [COUNT]    lives in which any call may fail
 */
#include "faults.h"
#include "server.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_SECONDS 100
#define ATTEMPTS_AT_RANDOM 5
#define PIECES 6
#define PARTS 8u

DRIVER_INITIALIZE DriverEntry;

static NATIVE_FAULTS *Plan;

static LONG GivenBefore;

LONG TryGiven(void)
{
    return ReadAcquire(&Plan->Given);
}

void TryBegin(void)
{
    GivenBefore = TryGiven();
}

bool TryEnd(bool Worked, const char *What)
{
    if (!Worked) {
        printf("  failed: %s\n", What);
        fflush(stdout);
        CHECK(ReadAcquire(&Plan->Given) != GivenBefore);
    }
    return Worked;
}

/* ---- The adapter ---- */

static void AdapterLoad(BED *Bed)
{
    NTSTATUS Status;
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "BusType", 0xE);
    do {
        TryBegin();
        Bed->Driver = NativeDriverLoad("wnbd", DriverEntry, &Status);
    } while (!TryEnd(Bed->Driver != NULL, "DriverEntry"));
}

static bool AdapterTryStart(BED *Bed)
{
    NTSTATUS Status;
    TryBegin();
    Bed->Adapter = NativeDeviceAdd(Bed->Driver, WNBD_HARDWAREID, &Status);
    if (!TryEnd(Bed->Adapter != NULL, "AddDevice")) {
        return false;
    }
    if (TryEnd(NT_SUCCESS(NativeDeviceStart(Bed->Adapter)), "start")) {
        Bed->File = NativeOpen(&WNBD_GUID, NULL);
        if (TryEnd(Bed->File != NULL, "open")) {
            return true;
        }
    }
    CHECK(NT_SUCCESS(NativeDeviceRemove(Bed->Adapter)));
    return false;
}

static void AdapterEnd(BED *Bed)
{
    NativeClose(Bed->File);
    CHECK(NT_SUCCESS(NativeDeviceRemove(Bed->Adapter)));
    NativeDriverUnload(Bed->Driver);
    NativeStop();
}

/* ---- A disk ---- */

static bool DiskTryOpen(DISK *Disk, BED *Bed)
{
    UCHAR Capacity[8] = {0};
    static const UCHAR ReadCapacity[10] = {0x25};
    *Disk = (DISK){.TimeoutSeconds = 20, .BlockSize = 512};
    if (!TryEnd(NativeChildWait(Bed->Adapter, 1, 20000), "arrival")) {
        return false;
    }
    Disk->Child = NativeChild(Bed->Adapter, 0);
    if (!TryEnd(Disk->Child != NULL, "arrival, and departure")) {
        return false;
    }
    Disk->File = NativeOpenDevice(Disk->Child);
    return TryEnd(DiskCommand(Disk, ReadCapacity, 10, SRB_FLAGS_DATA_IN, Capacity, sizeof(Capacity), NULL) ==
                      SRB_STATUS_SUCCESS,
                  "READ CAPACITY");
}

typedef struct {
    DISK_IO Io;
    UCHAR *Data;
    ULONG Length;
    uint64_t Block;
} PIECE;

/* All at once, of sizes from a block to more than the driver sends as one request. */
static bool PiecesTransfer(DISK *Disk, PIECE *Pieces, bool Write)
{
    bool Worked = true;
    UCHAR Cdb[16];
    for (int Index = 0; Index < PIECES; Index++) {
        PIECE *Piece = &Pieces[Index];
        DiskCdb16(Cdb, Write ? 0x8A : 0x88, Piece->Block, Piece->Length / Disk->BlockSize, Write && Index == 1);
        DiskBegin(Disk, &Piece->Io, Index % 2 == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
                  Piece->Data, Piece->Length);
    }
    for (int Index = 0; Index < PIECES; Index++) {
        ULONG Moved = 0;
        UCHAR Status = DiskWait(&Pieces[Index].Io, &Moved);
        CHECK(Status != SRB_STATUS_SUCCESS || Moved == Pieces[Index].Length);
        Worked &= Status == SRB_STATUS_SUCCESS;
    }
    return Worked;
}

static bool DiskTryData(DISK *Disk)
{
    static const UCHAR Flush[10] = {0x35};
    static const ULONG Lengths[PIECES] = {512, 4096, 512 * 3, 65536, 2 * 1024 * 1024, 8192};
    static UCHAR Marker;
    PIECE Pieces[PIECES];
    uint64_t Block = 0;
    Marker++;
    for (int Index = 0; Index < PIECES; Index++) {
        Pieces[Index] = (PIECE){.Data = malloc(Lengths[Index]), .Length = Lengths[Index], .Block = Block};
        CHECK(Pieces[Index].Data != NULL);
        memset(Pieces[Index].Data, Marker + Index, Lengths[Index]);
        Block += Lengths[Index] / Disk->BlockSize;
    }
    bool Worked = TryEnd(PiecesTransfer(Disk, Pieces, true), "WRITE") &&
                  TryEnd(DiskCommand(Disk, Flush, 10, 0, NULL, 0, NULL) == SRB_STATUS_SUCCESS, "SYNCHRONIZE CACHE");
    for (int Index = 0; Index < PIECES; Index++) {
        memset(Pieces[Index].Data, 0, Lengths[Index]);
    }
    Worked = Worked && TryEnd(PiecesTransfer(Disk, Pieces, false), "READ");
    for (int Index = 0; Index < PIECES; Index++) {
        for (ULONG Byte = 0; Worked && Byte < Lengths[Index]; Byte++) {
            CHECK(Pieces[Index].Data[Byte] == (UCHAR)(Marker + Index));
        }
        free(Pieces[Index].Data);
    }
    return Worked;
}

static bool DiskTryControl(BED *Bed)
{
    static UCHAR Output[65536];
    WNBD_IOCTL_LIST_COMMAND List = {.IoControlCode = IOCTL_WNBD_LIST};
    WNBD_IOCTL_STATS_COMMAND Stats = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "disk"};
    WNBD_IOCTL_SHOW_COMMAND Show = {.IoControlCode = IOCTL_WNBD_SHOW, .InstanceName = "disk"};
    const struct {
        const void *Input;
        ULONG Length;
        const char *Name;
    } Rows[] = {{&List, sizeof(List), "LIST"}, {&Stats, sizeof(Stats), "STATS"}, {&Show, sizeof(Show), "SHOW"}};
    bool Worked = true;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows) && Worked; Index++) {
        Worked = TryEnd(NT_SUCCESS(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, Rows[Index].Input,
                                               Rows[Index].Length, Output, sizeof(Output), NULL)),
                        Rows[Index].Name);
    }
    return Worked;
}

static void DiskEnd(BED *Bed, DISK *Disk)
{
    NTSTATUS Status;
    bool Gone;
    if (Disk->File != NULL) {
        NativeClose(Disk->File);
    }
    if (Disk->Child != NULL) {
        NativeChildRelease(Disk->Child);
    }
    do {
        LONG Before = ReadAcquire(&Plan->Given);
        Status = BedUnmap(Bed, "disk");
        Gone = Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND;
        CHECK(Gone || ReadAcquire(&Plan->Given) != Before);
    } while (!Gone);
    CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
}

static bool DiskMap(BED *Bed, uint16_t Port)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, "disk", Port);
    snprintf(Properties.NbdProperties.Hostname, sizeof(Properties.NbdProperties.Hostname), "localhost");
    NTSTATUS Status = BedMap(Bed, &Properties, &Result);
    if (Status == STATUS_SUCCESS && Result.Status != 0) {
        printf("  refused: %u, \"%s\"\n", Result.Status, Result.Message);
        CHECK(Result.Message[0] != '\0');
    }
    return TryEnd(Status == STATUS_SUCCESS && Result.Status == 0, "map");
}

/* Whose disks there are. */
typedef enum { DISKS_SERVER, DISKS_PROCESS } DISKS;

static DISKS Kind;

/* Killed: of a process that serves it, which then ends before its disk. */
static bool DiskTry(BED *Bed, uint16_t Port, bool Killed)
{
    DISK Disk = {0};
    TryBegin();
    bool Worked = Kind == DISKS_PROCESS ? ServedMake() : DiskMap(Bed, Port);
    Worked = Worked && DiskTryOpen(&Disk, Bed) && DiskTryData(&Disk) && DiskTryControl(Bed);
    if (Kind == DISKS_PROCESS) {
        Worked = Worked && ServedTryOptions(Bed);
        if (Killed) {
            ServedKill(Bed);
        }
    }
    DiskEnd(Bed, &Disk);
    if (Kind == DISKS_PROCESS) {
        ServedEnd();
    }
    return Worked;
}

/* ---- Lives ---- */

typedef struct {
    uint16_t Port;
    uint64_t Seed;
} LIFE;

static void *Live(void *Context)
{
    const LIFE *Life = Context;
    BED Bed;
    int Attempts = ATTEMPTS_AT_RANDOM;
    NATIVE_OPTIONS Options = {.Seed = Life->Seed, .Faults = Plan, .WskSynchronousOneIn = 4, .LogLevel = 1};
    NativeStart(&Options);
    AdapterLoad(&Bed);
    while (!AdapterTryStart(&Bed)) {
    }
    /* Two disks, one after the other: what the first has left would be in the way of the second. */
    for (int Disks = 0; Disks < 2;) {
        Disks += DiskTry(&Bed, Life->Port, Disks == 0);
        if (Plan->OneIn != 0 && --Attempts == 0) {
            Plan->OneIn = 0;
        }
    }
    AdapterEnd(&Bed);
    return NULL;
}

static void LogShow(int Log)
{
    char Text[4096];
    ssize_t Length;
    CHECK(lseek(Log, 0, SEEK_SET) == 0);
    while ((Length = read(Log, Text, sizeof(Text))) > 0) {
        fwrite(Text, 1, (size_t)Length, stdout);
    }
    fflush(stdout);
}

/* In a process of its own, what it says in Log. Returns whether it ended well. */
static bool LiveApart(uint16_t Port, uint64_t Seed, int Log)
{
    int Status = 0;
    fflush(NULL);
    CHECK(ftruncate(Log, 0) == 0 && lseek(Log, 0, SEEK_SET) == 0);
    pid_t Child = fork();
    CHECK(Child >= 0);
    if (Child == 0) {
        dup2(Log, STDOUT_FILENO);
        dup2(Log, STDERR_FILENO);
        alarm(LIFE_SECONDS);
        /* A thread, so that all call stacks begin here. */
        LIFE Life = {.Port = Port, .Seed = Seed};
        pthread_t Thread;
        CHECK(pthread_create(&Thread, NULL, Live, &Life) == 0 && pthread_join(Thread, NULL) == 0);
        exit(0);
    }
    CHECK(waitpid(Child, &Status, 0) == Child);
    if (Status != 0) {
        LogShow(Log);
        if (WIFSIGNALED(Status) && WTERMSIG(Status) == SIGALRM) {
            printf("the life did not end within %d s\n", LIFE_SECONDS);
        }
    }
    return Status == 0;
}

static bool PlaceTest(const NATIVE_FAULT_PLACE *Place, uint16_t Port, int Log, unsigned *Missed)
{
    bool Well = true;
    Plan->Given = 0;
    Plan->Target = Place->Key;
    /* Threads meet in another order each time, and a stack may not come again. */
    for (int Tries = 0; Tries < 3 && Well && Plan->Given == 0; Tries++) {
        Well = LiveApart(Port, 1, Log);
    }
    if (Plan->Given == 0) {
        ++*Missed;
        fflush(stdout);
        fprintf(stderr, "%s did not come again, called by\n", Place->Function);
        NativeFaultPrint(Place);
    }
    if (!Well) {
        fflush(stdout);
        fprintf(stderr, "\nfailed after a failure of %s, called by\n", Place->Function);
        NativeFaultPrint(Place);
        fprintf(stderr, "again: sim_faults %s0x%llx\n", Kind == DISKS_PROCESS ? "--served " : "",
                (unsigned long long)Place->Key);
    }
    return Well;
}

/* Of those that every life has, those that look after the processes, and that keep their options. */
static bool PlaceMatters(const NATIVE_FAULT_PLACE *Place)
{
    return strcmp(Place->Function, "PsSetCreateProcessNotifyRoutine") == 0 || strncmp(Place->Function, "Zw", 2) == 0;
}

/* Lives without a failure find the first places. Known: how many there are that are tested elsewhere. */
static void PlacesFind(DISKS Disks, uint16_t Port, int Log, LONG *Known)
{
    Kind = DISKS_SERVER;
    *Known = 0;
    CHECK(LiveApart(Port, 1, Log));
    if (Disks == DISKS_PROCESS) {
        *Known = Plan->Count;
        Kind = Disks;
        CHECK(LiveApart(Port, 1, Log));
    }
}

static int TestPart(DISKS Disks, unsigned Part, unsigned Parts, uint16_t Port, int Log)
{
    unsigned Tested = 0, Missed = 0, Failed = 0;
    LONG Known;
    PlacesFind(Disks, Port, Log, &Known);
    for (LONG Index = 0; Index < Plan->Count; Index++) {
        const NATIVE_FAULT_PLACE *Place = &Plan->Places[Index];
        if (Place->Key % Parts == Part && (Index >= Known || PlaceMatters(Place))) {
            Tested++;
            Failed += !PlaceTest(Place, Port, Log, &Missed);
        }
    }
    printf("part %u of %u: %u places, %u of which did not come again, %u failed\n", Part, Parts, Tested, Missed,
           Failed);
    /* Ten are many fewer than there are. */
    CHECK(Tested > Missed || (Parts > 10 && Tested == 0));
    return Failed != 0;
}

/* In a process of its own, with a server of its own. What it says is shown at its end. */
static pid_t PartStart(DISKS Disks, unsigned Part, int Said)
{
    char Text[32];
    snprintf(Text, sizeof(Text), "%u/%u", Part, PARTS);
    pid_t Child = fork();
    CHECK(Child >= 0);
    if (Child == 0) {
        dup2(Said, STDOUT_FILENO);
        dup2(Said, STDERR_FILENO);
        if (Disks == DISKS_PROCESS) {
            execl("/proc/self/exe", "sim_faults", "--served", "--part", Text, (char *)NULL);
        } else {
            execl("/proc/self/exe", "sim_faults", "--part", Text, (char *)NULL);
        }
        _exit(1);
    }
    return Child;
}

static int TestParts(DISKS Disks)
{
    pid_t Children[PARTS];
    int Said[PARTS], Result = 0;
    for (unsigned Part = 0; Part < PARTS; Part++) {
        Said[Part] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        CHECK(Said[Part] >= 0);
        Children[Part] = PartStart(Disks, Part, Said[Part]);
    }
    for (unsigned Part = 0; Part < PARTS; Part++) {
        int Status = 0;
        CHECK(waitpid(Children[Part], &Status, 0) == Children[Part]);
        LogShow(Said[Part]);
        close(Said[Part]);
        if (Status != 0) {
            printf("part %u ended with status 0x%x\n", Part, (unsigned)Status);
            Result = 1;
        }
    }
    return Result;
}

static int TestThese(char **Keys, int Count, uint16_t Port, int Log)
{
    unsigned Failed = 0, Missed = 0;
    for (int Index = 0; Index < Count; Index++) {
        NATIVE_FAULT_PLACE Place = {.Key = strtoull(Keys[Index], NULL, 0), .Function = "the call"};
        Failed += !PlaceTest(&Place, Port, Log, &Missed);
    }
    printf("%d places, %u of which did not come, %u failed\n", Count, Missed, Failed);
    return Failed != 0 || Missed != 0;
}

static int TestAtRandom(uint64_t Seed, uint64_t Count, uint16_t Port, int Log)
{
    static const uint32_t Rates[] = {20, 100, 400};
    LONG Given = 0;
    for (uint64_t Last = Seed + Count; Seed != Last; Seed++) {
        Plan->Given = 0;
        Plan->OneIn = Rates[Seed % RTL_NUMBER_OF(Rates)];
        if (!LiveApart(Port, Seed, Log)) {
            printf("again: sim_faults --random %llu\n", (unsigned long long)Seed);
            return 1;
        }
        Given += Plan->Given;
    }
    printf("%llu lives, %d failed calls\n", (unsigned long long)Count, (int)Given);
    return Given == 0;
}

static int Test(DISKS Disks, int Count, char **Words, uint16_t Port, int Log)
{
    unsigned Part, Parts;
    if (Count == 2 && strcmp(Words[0], "--part") == 0) {
        CHECK(sscanf(Words[1], "%u/%u", &Part, &Parts) == 2 && Part < Parts);
        return TestPart(Disks, Part, Parts, Port, Log);
    }
    if (Count >= 2 && strcmp(Words[0], "--random") == 0) {
        return TestAtRandom(strtoull(Words[1], NULL, 0), Count > 2 ? strtoull(Words[2], NULL, 0) : 1, Port, Log);
    }
    Kind = Disks;
    return TestThese(Words, Count, Port, Log);
}

int main(int Count, char **Arguments)
{
    SERVER Server;
    char Folder[] = "/tmp/wnbd-faults-XXXXXX";
    DISKS Disks = Count > 1 && strcmp(Arguments[1], "--served") == 0 ? DISKS_PROCESS : DISKS_SERVER;
    int Used = Disks == DISKS_PROCESS ? 2 : 1;
    if (Count == Used) {
        return TestParts(Disks);
    }
    Plan = mmap(NULL, sizeof(*Plan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(Plan != MAP_FAILED && mkdtemp(Folder) != NULL);
    int Log = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(Log >= 0);
    /* Not nbdkit: it aborts when a client vanishes with replies in flight. */
    ServerStartLine(&Server, "truncate -s 16M disk && exec qemu-nbd -t -e 8 -b 127.0.0.1 -p $PORT -f raw disk", Folder);
    int Result = Test(Disks, Count - Used, Arguments + Used, Server.Port, Log);
    ServerStop(&Server);
    snprintf(Server.PidFile, sizeof(Server.PidFile), "%s/disk", Folder);
    unlink(Server.PidFile);
    rmdir(Folder);
    return Result;
}
