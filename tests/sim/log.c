/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver writes of its life: how it is worded, and that a call site
 * which has too much to say is held back and says how much it dropped. The
 * linker puts the test's clock in front of the system's, which stands still
 * until a test moves it.
 */
#include "settings.h"

#include "server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define BURST 32u
#define SECOND 10000000u

static uint16_t RefusingPort; /* where every connection is refused */

static _Atomic(ULONGLONG) Clock = SECOND;

ULONGLONG __wrap_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID)
{
    return atomic_load(&Clock);
}

static pthread_mutex_t LogLock = PTHREAD_MUTEX_INITIALIZER;
static char LogText[64 * 1024];

static void LogTake(uint32_t Level, const char *Text)
{
    (void)Level;
    if (strncmp(Text, "wnbd: ", 6) == 0) {
        pthread_mutex_lock(&LogLock);
        size_t Used = strlen(LogText);
        CHECK(Used + strlen(Text) < sizeof(LogText));
        strcpy(LogText + Used, Text);
        pthread_mutex_unlock(&LogLock);
    }
}

/* How often the log has the text, which is then forgotten with all others. */
static unsigned Logged(const char *Text)
{
    unsigned Count = 0;
    pthread_mutex_lock(&LogLock);
    for (const char *Next = LogText; (Next = strstr(Next, Text)) != NULL; Next += strlen(Text)) {
        Count++;
    }
    pthread_mutex_unlock(&LogLock);
    return Count;
}

static void LogClear(void)
{
    pthread_mutex_lock(&LogLock);
    LogText[0] = '\0';
    pthread_mutex_unlock(&LogLock);
}

static void Refuse(BED *Bed, unsigned Times)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, "disk", RefusingPort);
    while (Times-- != 0) {
        CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status != 0);
    }
}

#define REFUSED "wnbd: disk: connection refused"

static void Limits(BED *Bed)
{
    LogClear();
    Refuse(Bed, BURST + 8);
    CHECK(Logged(REFUSED) == BURST && Logged("were not logged") == 0);
    atomic_fetch_add(&Clock, SECOND);
    LogClear();
    Refuse(Bed, 3);
    CHECK(Logged(REFUSED) == 1);
    CHECK(Logged("wnbd: 8 events ConnectFailed were not logged: too many at a time\n") == 1);
    /* At rest for long, it may write as much as at first, and no more. */
    atomic_fetch_add(&Clock, 10ull * BURST * SECOND);
    LogClear();
    Refuse(Bed, BURST + 1);
    CHECK(Logged(REFUSED) == BURST && Logged("wnbd: 2 events ConnectFailed were not logged") == 1);
    /* The rest comes with the end, after which everything begins anew. */
    LogClear();
    SettingRestartAdapter(Bed);
    CHECK(Logged("wnbd: 1 events ConnectFailed were not logged") == 1);
    Refuse(Bed, BURST);
    CHECK(Logged(REFUSED) == BURST);
    SettingRestartAdapter(Bed);
}

static void Unlimited(BED *Bed)
{
    CHECK(SettingSetText(Bed, "LogLevel", "4", false) == STATUS_SUCCESS);
    LogClear();
    Refuse(Bed, 2 * BURST);
    CHECK(Logged(REFUSED) == 2 * BURST && Logged("were not logged") == 0);
    CHECK(SettingReset(Bed, "LogLevel", false) == STATUS_SUCCESS);
    atomic_fetch_add(&Clock, (ULONGLONG)BURST * SECOND);
    LogClear();
    Refuse(Bed, BURST);
    CHECK(Logged(REFUSED) == BURST);
    SettingRestartAdapter(Bed);
}

/* Every type of field, and all that goes with a disk. */
static void Wording(BED *Bed)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    char Line[160];
    SERVER Server;
    DISK Disk;
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", 3);
    NativeRegistrySetQword(SETTINGS_STATE, "StaleReqTimeoutMs", (uint64_t)-2);
    LogClear();
    SettingRestartAdapter(Bed);
    CHECK(Logged("wnbd: the persistent value of StaleReqTimeoutMs is -2, which is not 1 to 2147483647, and does not "
                 "count\n") == 1);
    CHECK(Logged(": the adapter has started (up to 1000 requests at a time, 255 of a disk)\n") == 1);
    ServerStart(&Server, Memory);
    BedMapDisk(Bed, &Disk, Server.Port);
    snprintf(Line, sizeof(Line), "wnbd: disk: connected, at target 0 (127.0.0.1 port %u, after 0 ms)\n", Server.Port);
    CHECK(Logged(Line) == 1);
    atomic_fetch_add(&Clock, 3 * SECOND / 2);
    BedUnmapDisk(Bed, &Disk);
    CHECK(Logged("wnbd: disk: withdrawn from target 0 (after 1500 ms)\n") == 1);
    snprintf(Line, sizeof(Line), "%s (is the NBD server running there?) (127.0.0.1 port %u, error 1225, after 0 ms)\n",
             REFUSED, RefusingPort);
    Refuse(Bed, 1);
    if (Logged(Line) != 1) {
        fprintf(stderr, "expected: %slogged:\n%s", Line, LogText);
    }
    CHECK(Logged(Line) == 1);
    CHECK(Logged("with status 0x") == 0);
    CHECK(SettingSetText(Bed, "LogLevel", "4", false) == STATUS_SUCCESS);
    Refuse(Bed, 1);
    CHECK(Logged(": address 1 failed with status 0xc0000236\n") == 1);
    ServerStop(&Server);
    CHECK(SettingReset(Bed, "LogLevel", true) == STATUS_SUCCESS);
    CHECK(SettingReset(Bed, "StaleReqTimeoutMs", true) == STATUS_SUCCESS);
    LogClear();
    SettingRestartAdapter(Bed);
    CHECK(Logged("wnbd: ") == 0);
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {{"limits", Limits}, {"unlimited", Unlimited}, {"wording", Wording}};
    RefusingPort = ServerRefusing();
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        BED Bed;
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = NATIVE_LOG_NONE, .Log = LogTake});
        Tests[Index].Run(&Bed);
        BedStop(&Bed);
    }
    printf("ok\n");
    return 0;
}
