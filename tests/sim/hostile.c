/* SPDX-License-Identifier: LGPL-2.1-only */
/* hostile.h. */
#include "hostile.h"

#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEADLINE_MS 60000
#define PAUSE_MS 2
#define GOOD_BYTES 4096u

static pthread_mutex_t LogLock = PTHREAD_MUTEX_INITIALIZER;
static char LogText[256 * 1024];
static size_t LogLength;
static unsigned LogLines;

static void LogTake(uint32_t Level, const char *Text)
{
    size_t Length = strlen(Text);
    if (strncmp(Text, "wnbd: ", 6) != 0) {
        return;
    }
    pthread_mutex_lock(&LogLock);
    CHECK(LogLength + Length < sizeof(LogText)); /* also a bound for what a server can make the driver say */
    memcpy(LogText + LogLength, Text, Length + 1);
    LogLength += Length;
    LogLines += Level <= DPFLTR_WARNING_LEVEL && strstr(Text, " failed at the server with error ") == NULL;
    pthread_mutex_unlock(&LogLock);
}

static void Pause(void)
{
    struct timespec Time = {.tv_nsec = PAUSE_MS * 1000 * 1000};
    nanosleep(&Time, NULL);
}

static void GoodTransfer(HOSTILE *Hostile)
{
    UCHAR Cdb[16], Data[GOOD_BYTES], Back[GOOD_BYTES];
    DISK *Disk = &Hostile->GoodDisk;
    memset(Data, ++Hostile->Pattern, sizeof(Data));
    DiskCdb16(Cdb, 0x8A, 0, GOOD_BYTES / Disk->BlockSize, false);
    CHECK(DiskCommand(Disk, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, GOOD_BYTES, NULL) == SRB_STATUS_SUCCESS);
    DiskCdb16(Cdb, 0x88, 0, GOOD_BYTES / Disk->BlockSize, false);
    CHECK(DiskCommand(Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Back, GOOD_BYTES, NULL) == SRB_STATUS_SUCCESS);
    CHECK(memcmp(Data, Back, GOOD_BYTES) == 0);
}

void HostileStart(HOSTILE *Hostile, uint64_t Seed)
{
    static const char *const Plugin[] = {"memory", "1M", NULL};
    WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    memset(Hostile, 0, sizeof(*Hostile));
    ServerStart(&Hostile->Good, Plugin);
    NativeStart(&(NATIVE_OPTIONS){.Seed = Seed, .WskSynchronousOneIn = 3, .WskShortReceiveOneIn = 4, .Log = LogTake});
    /* Every line is looked at: nothing may be dropped. */
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", 4);
    BedLoad(&Hostile->Bed);
    BedProperties(&Properties, "good", Hostile->Good.Port);
    CHECK(BedMap(&Hostile->Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(&Hostile->GoodDisk, &Hostile->Bed, 1);
    Hostile->Before = BedQuietCounts();
}

void HostileStop(HOSTILE *Hostile)
{
    CHECK(BedUnmap(&Hostile->Bed, "good") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Hostile->Bed.Adapter, 0, DEADLINE_MS));
    DiskClose(&Hostile->GoodDisk);
    BedStop(&Hostile->Bed);
    ServerStop(&Hostile->Good);
}

void HostileForgetLog(void)
{
    pthread_mutex_lock(&LogLock);
    LogLength = 0;
    LogLines = 0;
    LogText[0] = '\0';
    pthread_mutex_unlock(&LogLock);
}

void HostileBegin(const char *What)
{
    printf("  %s\n", What);
    fflush(stdout);
    HostileForgetLog();
}

static void PrintCounts(const char *When, const NATIVE_COUNTS *Counts)
{
    fprintf(stderr,
            "%s: pool %zu, IRPs %zu, MDLs %zu, work items %zu, devices %zu, handles %zu, sockets %zu, addresses %zu, "
            "threads %zu\n",
            When, Counts->PoolAllocations, Counts->Irps, Counts->Mdls, Counts->WorkItems, Counts->Devices,
            Counts->Handles, Counts->Sockets, Counts->AddressLists, Counts->Threads);
}

void HostileEnd(HOSTILE *Hostile)
{
    NATIVE_COUNTS Now;
    unsigned Tries = 0;
    BedAwaitDisks(&Hostile->Bed, 1);
    CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, DEADLINE_MS));
    CHECK(BedUnmap(&Hostile->Bed, "disk") == STATUS_OBJECT_NAME_NOT_FOUND);
    GoodTransfer(Hostile);
    NativePnpSettle();
    /* What a disk had is freed by a work item, after whoever waited for its end was told. */
    while (Now = NativeCounts(), memcmp(&Now, &Hostile->Before, sizeof(Now)) != 0) {
        if (++Tries > DEADLINE_MS / PAUSE_MS) {
            PrintCounts("before", &Hostile->Before);
            PrintCounts("after", &Now);
            BedFail(__FILE__, __LINE__, "everything is as before");
        }
        Pause();
    }
}

void HostileExpectLog(const char *Text)
{
    char Line[1024];
    snprintf(Line, sizeof(Line), "wnbd: %s (", Text);
    for (unsigned Tries = 0;; Tries++) {
        pthread_mutex_lock(&LogLock);
        bool Found = strstr(LogText, Line) != NULL;
        if (!Found && Tries > DEADLINE_MS / PAUSE_MS) {
            fprintf(stderr, "expected: %s...\nlogged:\n%s", Line, LogText);
            BedFail(__FILE__, __LINE__, "the driver logs it");
        }
        pthread_mutex_unlock(&LogLock);
        if (Found) {
            return;
        }
        Pause();
    }
}

unsigned HostileLogLines(void)
{
    pthread_mutex_lock(&LogLock);
    unsigned Lines = LogLines;
    pthread_mutex_unlock(&LogLock);
    return Lines;
}
