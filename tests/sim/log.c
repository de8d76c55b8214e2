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
#include <uchar.h>

#define BURST 32u
#define SECOND 10000000u
#define SLEPT 360000000000ull /* ten hours in units of 100 ns, since the machine booted */

static uint16_t RefusingPort; /* where every connection is refused */

static _Atomic(ULONGLONG) Clock = SECOND;

ULONGLONG __wrap_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID)
{
    return atomic_load(&Clock) + SLEPT;
}

ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID)
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

/* ---- event tracing ---- */

#define EVENTS_MOST 64u
#define FIELDS_MOST 8u
#define FIELD_BYTES 1024u

typedef struct {
    EVENT_DESCRIPTOR Descriptor;
    uint32_t Count;
    uint32_t Bytes[FIELDS_MOST];
    uint8_t Fields[FIELDS_MOST][FIELD_BYTES];
} TRACED;

static const GUID Provider = {0xFFACC4E7, 0xC115, 0x4FE2, {0x9D, 0x3C, 0x80, 0xFA, 0xE7, 0x3B, 0xAB, 0x91}};
static TRACED Traced[EVENTS_MOST];
static unsigned TracedCount;

static void TraceTake(const EVENT_DESCRIPTOR *Event, const EVENT_DATA_DESCRIPTOR *Fields, uint32_t Count)
{
    TRACED *One = &Traced[TracedCount++];
    CHECK(TracedCount < EVENTS_MOST && Count <= FIELDS_MOST);
    One->Descriptor = *Event;
    One->Count = Count;
    for (uint32_t Index = 0; Index < Count; Index++) {
        CHECK(Fields[Index].Size <= FIELD_BYTES && Fields[Index].Reserved == 0);
        One->Bytes[Index] = Fields[Index].Size;
        memcpy(One->Fields[Index], (const void *)(uintptr_t)Fields[Index].Ptr, Fields[Index].Size);
    }
}

/* Listens anew, with nothing heard yet. */
static void Listen(uint8_t Level, uint64_t Keywords)
{
    NativeEtwListen(&Provider, Level, Keywords, NULL);
    TracedCount = 0;
    NativeEtwListen(&Provider, Level, Keywords, TraceTake);
}

static const TRACED *Heard(uint16_t Id)
{
    for (unsigned Index = 0; Index < TracedCount; Index++) {
        if (Traced[Index].Descriptor.Id == Id) {
            return &Traced[Index];
        }
    }
    return NULL;
}

/* The field is the text, in UTF-16 with its terminator, or begins with it where it was cut. */
static bool IsText(const TRACED *Event, uint32_t Field, const char16_t *Text, bool Cut)
{
    size_t Units = 0;
    while (Text[Units] != 0) {
        Units++;
    }
    uint32_t Bytes = Event->Bytes[Field];
    return Bytes % 2 == 0 && Bytes >= 2 && memcmp(&Event->Fields[Field][Bytes - 2], "\0", 2) == 0 &&
           (Cut ? Bytes / 2 - 1 < Units : Bytes / 2 - 1 == Units) && memcmp(Event->Fields[Field], Text, Bytes - 2) == 0;
}

static bool IsNumber(const TRACED *Event, uint32_t Field, uint64_t Number, uint32_t Bytes)
{
    return Event->Bytes[Field] == Bytes && memcmp(Event->Fields[Field], &Number, Bytes) == 0;
}

#define SYSTEM_KEYWORD 0x8000000000000000u

static void Tracing(BED *Bed)
{
    const TRACED *Event;
    CHECK(SettingSetText(Bed, "DbgPrintEnabled", "false", false) == STATUS_SUCCESS);
    Listen(5, SYSTEM_KEYWORD);
    Refuse(Bed, 1);
    Event = Heard(41);
    CHECK(Event != NULL && TracedCount == 1 && Event->Count == 6);
    CHECK(Event->Descriptor.Version == 0 && Event->Descriptor.Channel == 8 && Event->Descriptor.Level == 3);
    CHECK(Event->Descriptor.Keyword == SYSTEM_KEYWORD && Event->Descriptor.Task == 0 && Event->Descriptor.Opcode == 0);
    CHECK(IsText(Event, 0, u"disk", false) && IsText(Event, 1, u"127.0.0.1", false));
    CHECK(IsNumber(Event, 2, RefusingPort, 4) && IsNumber(Event, 3, 1225, 4) && IsNumber(Event, 4, 0, 8));
    CHECK(IsText(Event, 5, u"connection refused (is the NBD server running there?)", false));
    /* What it writes for developers has no channel. */
    CHECK(SettingSetText(Bed, "LogLevel", "4", false) == STATUS_SUCCESS);
    Listen(5, SYSTEM_KEYWORD);
    Refuse(Bed, 1);
    Event = Heard(60);
    CHECK(Event != NULL && Event->Descriptor.Channel == 0 && Event->Descriptor.Level == 5 &&
          Event->Descriptor.Keyword == 0 && IsNumber(Event, 4, 0xC0000236, 4));
    /* A session that asks for less, for other keywords, or not at all. */
    Listen(2, SYSTEM_KEYWORD);
    Refuse(Bed, 1);
    CHECK(TracedCount == 0);
    Listen(5, 1);
    Refuse(Bed, 1);
    CHECK(Heard(41) == NULL && Heard(60) != NULL);
    CHECK(SettingSetText(Bed, "EtwLoggingEnabled", "false", false) == STATUS_SUCCESS);
    Listen(5, SYSTEM_KEYWORD);
    Refuse(Bed, 1);
    CHECK(TracedCount == 0);
    /* A start and an end, which the registration outlasts. */
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", 3);
    Listen(5, SYSTEM_KEYWORD);
    SettingRestartAdapter(Bed);
    CHECK(Heard(2) != NULL && Heard(2)->Descriptor.Level == 4 && Heard(3) == NULL);
    Listen(5, SYSTEM_KEYWORD);
    CHECK(SettingReset(Bed, "LogLevel", true) == STATUS_SUCCESS);
    CHECK(SettingSetText(Bed, "LogLevel", "3", false) == STATUS_SUCCESS);
    SettingRestartAdapter(Bed);
    CHECK(Heard(3) != NULL);
    NativeEtwListen(&Provider, 0, 0, NULL);
}

/* Names that aren't ASCII, and texts that have no room. */
static void Texts(BED *Bed)
{
    static char16_t Wide[256];
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x92\xBE", RefusingPort);
    Listen(5, SYSTEM_KEYWORD);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status != 0);
    CHECK(TracedCount == 1 && IsText(&Traced[0], 0, u"\u00E4\u20AC\U0001F4BE", false));
    memset(Properties.InstanceName, 'n', sizeof(Properties.InstanceName) - 1);
    Properties.InstanceName[sizeof(Properties.InstanceName) - 1] = '\0';
    for (size_t Index = 0; Index < sizeof(Properties.InstanceName) - 1; Index++) {
        Wide[Index] = u'n';
    }
    Listen(5, SYSTEM_KEYWORD);
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status != 0);
    CHECK(TracedCount == 1 && IsText(&Traced[0], 0, Wide, true) && IsText(&Traced[0], 1, u"127.0.0.1", false));
    CHECK(IsText(&Traced[0], 5, u"connection refused (is the NBD server running there?)", false));
    NativeEtwListen(&Provider, 0, 0, NULL);
}

/* ---- WPP ---- */

static const GUID WppProvider = {0xE35EAF83, 0x0F07, 0x418A, {0x90, 0x7C, 0x14, 0x1C, 0xD2, 0x00, 0xF2, 0x52}};
static const GUID WppMessages = {0x6E1BD93C, 0x84C7, 0x4E0A, {0xB2, 0x5D, 0x3F, 0x1A, 0x90, 0x6C, 0x5E, 0x27}};
static NATIVE_WPP_MESSAGE Message; /* the last */
static unsigned MessageCount;

static void MessageTake(const NATIVE_WPP_MESSAGE *One)
{
    Message = *One;
    MessageCount++;
}

/* Flags, level, logger. */
#define WPP_SESSION(Flags, Level) ((uint64_t)(Flags) << 32 | (uint64_t)(Level) << 16 | 7u)

static unsigned Messages(BED *Bed, uint64_t Session)
{
    NativeWppListen(&WppProvider, Session, MessageTake);
    MessageCount = 0;
    Refuse(Bed, 1);
    return MessageCount;
}

static void Wpp(BED *Bed)
{
    uint8_t Expected[256];
    uint32_t Port = RefusingPort, Error = 1225, Length = 0;
    CHECK(Messages(Bed, WPP_SESSION(1, 5)) == 0);
    CHECK(SettingSetText(Bed, "WppLoggingEnabled", "true", false) == STATUS_SUCCESS);
    CHECK(Messages(Bed, WPP_SESSION(0xFFFFFFFF, 0xFF)) == 1);
    CHECK(Message.Number == 41 && Message.Flags == 43 && memcmp(&Message.Id, &WppMessages, sizeof(GUID)) == 0);
#define APPEND(Bytes, Count) (memcpy(Expected + Length, Bytes, Count), Length += (uint32_t)(Count))
    APPEND("disk", 5);
    APPEND("127.0.0.1", 10);
    APPEND(&Port, 4);
    APPEND(&Error, 4);
    APPEND("\0\0\0\0\0\0\0", 8);
    APPEND("connection refused (is the NBD server running there?)", 54);
#undef APPEND
    CHECK(Message.Bytes == Length && memcmp(Message.Fields, Expected, Length) == 0);
    CHECK(Messages(Bed, WPP_SESSION(1, 3)) == 1);
    CHECK(Messages(Bed, WPP_SESSION(1, 2)) == 0);
    CHECK(Messages(Bed, WPP_SESSION(2, 5)) == 0);
    /* A session that is there already when the adapter starts, and one that ends. */
    NativeWppListen(&WppProvider, WPP_SESSION(1, 3), MessageTake);
    SettingRestartAdapter(Bed);
    CHECK(SettingSetText(Bed, "WppLoggingEnabled", "true", false) == STATUS_SUCCESS);
    MessageCount = 0;
    Refuse(Bed, 1);
    CHECK(MessageCount == 1);
    CHECK(Messages(Bed, 0) == 0);
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {{"limits", Limits},   {"unlimited", Unlimited}, {"wording", Wording},
                 {"tracing", Tracing}, {"texts", Texts},         {"WPP", Wpp}};
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
