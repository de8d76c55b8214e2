/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver's options: what they are called and begin with, what they take
 * and refuse, what outlives the adapter and what doesn't, values in the
 * registry that are none, and what those do that do something at once.
 */
#include "server.h"
#include "settings.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define OPTIONS 10u
#define ROOM (OPTIONS + 2u)
#define WIN32_SHUTDOWN_IN_PROGRESS 1115u

/* The published table, in words of this test's own. */
static const struct {
    const char *Name;
    WnbdOptValType Type;
    int64_t Default;
    int64_t Least;
    int64_t Most;
} Table[OPTIONS] = {
    {"LogLevel", WnbdOptInt64, 1, 0, 4},
    {"NewMappingsAllowed", WnbdOptBool, 1, 0, 1},
    {"EtwLoggingEnabled", WnbdOptBool, 1, 0, 1},
    {"WppLoggingEnabled", WnbdOptBool, 0, 0, 1},
    {"DbgPrintEnabled", WnbdOptBool, 1, 0, 1},
    {"MaxIOReqPerAdapter", WnbdOptInt64, 1000, 1, 131072},
    {"MaxIOReqPerLun", WnbdOptInt64, 255, 1, 1024},
    {"RemoveStaleConnections", WnbdOptBool, 1, 0, 1},
    {"StaleReqTimeoutMs", WnbdOptInt64, 15000, 1, 2147483647},
    {"StaleConnTimeoutMs", WnbdOptInt64, 60000, 1, 2147483647},
};

static pthread_mutex_t LogLock = PTHREAD_MUTEX_INITIALIZER;
static char LogText[8192];

static void LogTake(uint32_t Level, const char *Text)
{
    UNREFERENCED_PARAMETER(Level);
    pthread_mutex_lock(&LogLock);
    if (strncmp(Text, "wnbd: ", 6) == 0) {
        size_t Used = strlen(LogText);
        snprintf(LogText + Used, sizeof(LogText) - Used, "%s", Text);
    }
    pthread_mutex_unlock(&LogLock);
}

static void LogClear(void)
{
    pthread_mutex_lock(&LogLock);
    LogText[0] = '\0';
    pthread_mutex_unlock(&LogLock);
}

static bool Logged(const char *Text)
{
    pthread_mutex_lock(&LogLock);
    bool Found = strstr(LogText, Text) != NULL;
    pthread_mutex_unlock(&LogLock);
    return Found;
}

/* ---- the list ---- */

static union {
    WNBD_OPTION_LIST List;
    UCHAR Bytes[offsetof(WNBD_OPTION_LIST, Options) + ROOM * sizeof(WNBD_OPTION)];
} Listed;

/* Lists in a buffer of so many bytes; returns the count that the driver tells. */
static UINT32 List(BED *Bed, bool Persistent, ULONG Bytes)
{
    WNBD_IOCTL_LIST_DRV_OPT_COMMAND Command = {.IoControlCode = IOCTL_WNBD_LIST_DRV_OPT, .Persistent = Persistent};
    const ULONG Header = offsetof(WNBD_OPTION_LIST, Options);
    ULONG Used = 0;
    memset(&Listed, 0xCC, sizeof(Listed));
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Listed, Bytes, &Used) ==
          STATUS_SUCCESS);
    CHECK(Listed.List.ElementSize == sizeof(WNBD_OPTION));
    ULONG Fit = (Bytes - Header) / (ULONG)sizeof(WNBD_OPTION);
    CHECK(Used == Header + (Fit < Listed.List.Count ? Fit : Listed.List.Count) * sizeof(WNBD_OPTION));
    CHECK(Listed.Bytes[Used] == 0xCC);
    return Listed.List.Count;
}

static int64_t Number(const WNBD_OPTION_VALUE *Value, WnbdOptValType Type)
{
    CHECK(Value->Type == Type);
    for (size_t Index = 0; Index < sizeof(Value->Reserved); Index++) {
        CHECK(Value->Reserved[Index] == 0);
    }
    return Type == WnbdOptBool ? Value->Data.AsBool : Value->Data.AsInt64;
}

static void CheckElement(const WNBD_OPTION *Element, size_t Row, int64_t Value)
{
    for (size_t Index = 0; Index <= strlen(Table[Row].Name); Index++) {
        CHECK(Element->Name[Index] == (WCHAR)Table[Row].Name[Index]);
    }
    CHECK(Element->Type == Table[Row].Type);
    CHECK(Number(&Element->Default, Table[Row].Type) == Table[Row].Default);
    CHECK(Number(&Element->Value, Table[Row].Type) == Value);
}

static void Lists(BED *Bed)
{
    const ULONG Header = offsetof(WNBD_OPTION_LIST, Options);
    CHECK(List(Bed, false, sizeof(Listed) - 1) == OPTIONS);
    for (size_t Row = 0; Row < OPTIONS; Row++) {
        CheckElement(&Listed.List.Options[Row], Row, Table[Row].Default);
    }
    CHECK(List(Bed, false, Header) == OPTIONS);
    CHECK(List(Bed, false, Header + sizeof(WNBD_OPTION) - 1) == OPTIONS);
    CHECK(List(Bed, false, Header + 3 * sizeof(WNBD_OPTION)) == OPTIONS);
    CheckElement(&Listed.List.Options[2], 2, Table[2].Default);
    CHECK(List(Bed, true, sizeof(Listed) - 1) == 0);
}

/* ---- what each takes, and what it refuses ---- */

static WNBD_OPTION_VALUE Typed(WnbdOptValType Type, int64_t Value)
{
    WNBD_OPTION_VALUE Result = {.Type = Type};
    if (Type == WnbdOptBool) {
        Result.Data.AsBool = (BOOLEAN)Value;
    } else {
        Result.Data.AsInt64 = Value;
    }
    return Result;
}

static void Takes(BED *Bed, size_t Row, int64_t Value)
{
    char Text[32];
    const char *Name = Table[Row].Name;
    WNBD_OPTION_VALUE Given = Typed(Table[Row].Type, Value);
    snprintf(Text, sizeof(Text), "%lld", (long long)Value);
    CHECK(SettingSet(Bed, Name, &Given, false) == STATUS_SUCCESS && Setting(Bed, Name) == Value);
    CHECK(SettingReset(Bed, Name, false) == STATUS_SUCCESS && Setting(Bed, Name) == Table[Row].Default);
    CHECK(SettingSetText(Bed, Name, Text, false) == STATUS_SUCCESS && Setting(Bed, Name) == Value);
    CHECK(List(Bed, false, sizeof(Listed) - 1) == OPTIONS);
    CheckElement(&Listed.List.Options[Row], Row, Value);
}

static void Refuses(BED *Bed, size_t Row, const WNBD_OPTION_VALUE *Value)
{
    int64_t Before = Setting(Bed, Table[Row].Name);
    CHECK(SettingSet(Bed, Table[Row].Name, Value, false) == STATUS_INVALID_PARAMETER);
    CHECK(SettingSet(Bed, Table[Row].Name, Value, true) == STATUS_INVALID_PARAMETER);
    CHECK(Setting(Bed, Table[Row].Name) == Before);
}

static void Values(BED *Bed)
{
    static const char *const Bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1.0", "yes", "truex", "tru", "9223372036854775808", "18446744073709551617"};
    for (size_t Row = 0; Row < OPTIONS; Row++) {
        bool Bool = Table[Row].Type == WnbdOptBool;
        Takes(Bed, Row, Table[Row].Least);
        Takes(Bed, Row, Table[Row].Most);
        WNBD_OPTION_VALUE Other = Typed(Bool ? WnbdOptInt64 : WnbdOptBool, 1);
        Refuses(Bed, Row, &Other);
        Other = (WNBD_OPTION_VALUE){.Type = WnbdOptUnknown};
        Refuses(Bed, Row, &Other);
        Other = (WNBD_OPTION_VALUE){.Type = 4};
        Refuses(Bed, Row, &Other);
        Other = Typed(Table[Row].Type, Table[Row].Default);
        Other.Reserved[63] = 1;
        Refuses(Bed, Row, &Other);
        if (!Bool) {
            Other = Typed(WnbdOptInt64, Table[Row].Least - 1);
            Refuses(Bed, Row, &Other);
            Other = Typed(WnbdOptInt64, Table[Row].Most + 1);
            Refuses(Bed, Row, &Other);
        }
        Other = (WNBD_OPTION_VALUE){.Type = WnbdOptWstr};
        memset(Other.Data.AsWstr, '1', sizeof(Other.Data.AsWstr)); /* without end */
        Refuses(Bed, Row, &Other);
        for (size_t Index = 0; Index < RTL_NUMBER_OF(Bad); Index++) {
            CHECK(SettingSetText(Bed, Table[Row].Name, Bad[Index], false) == STATUS_INVALID_PARAMETER);
        }
        CHECK((SettingSetText(Bed, Table[Row].Name, "true", false) == STATUS_SUCCESS) == Bool);
        CHECK(SettingReset(Bed, Table[Row].Name, false) == STATUS_SUCCESS);
    }
    CHECK(SettingSetText(Bed, "WppLoggingEnabled", "TRUE", false) == STATUS_SUCCESS);
    CHECK(Setting(Bed, "WppLoggingEnabled") == 1);
    CHECK(SettingSetText(Bed, "WppLoggingEnabled", "False", false) == STATUS_SUCCESS);
    CHECK(Setting(Bed, "WppLoggingEnabled") == 0);
    CHECK(SettingSetText(Bed, "NewMappingsAllowed", "2", false) == STATUS_INVALID_PARAMETER);
    WNBD_OPTION_VALUE Nonzero = Typed(WnbdOptBool, 0x80);
    CHECK(SettingSet(Bed, "WppLoggingEnabled", &Nonzero, true) == STATUS_SUCCESS);
    CHECK(Setting(Bed, "WppLoggingEnabled") == 1 && SettingReload(Bed) == STATUS_SUCCESS);
    CHECK(Setting(Bed, "WppLoggingEnabled") == 1);
    CHECK(SettingReset(Bed, "WppLoggingEnabled", true) == STATUS_SUCCESS);
}

static void Names(BED *Bed)
{
    static const char *const Unknown[] = {"",          "LogLeve",    "LogLevels", "LogLevel ",
                                          "Log Level", "SendWindow", "BusType"};
    WNBD_OPTION_VALUE Value;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Unknown); Index++) {
        CHECK(SettingGet(Bed, Unknown[Index], false, &Value) == STATUS_OBJECT_NAME_NOT_FOUND);
        CHECK(SettingGet(Bed, Unknown[Index], true, &Value) == STATUS_OBJECT_NAME_NOT_FOUND);
        CHECK(SettingSetText(Bed, Unknown[Index], "1", true) == STATUS_OBJECT_NAME_NOT_FOUND);
        CHECK(SettingReset(Bed, Unknown[Index], true) == STATUS_OBJECT_NAME_NOT_FOUND);
    }
    CHECK(SettingSetText(Bed, "lOGLEVEL", "3", false) == STATUS_SUCCESS && Setting(Bed, "loglevel") == 3);
    CHECK(SettingReset(Bed, "LOGLEVEL", false) == STATUS_SUCCESS && Setting(Bed, "LogLevel") == 1);
}

/* ---- what outlives what ---- */

static void CheckPersistent(BED *Bed, size_t Row, bool There, int64_t Value)
{
    WNBD_OPTION_VALUE Got;
    uint32_t Type;
    uint64_t Raw;
    NTSTATUS Status = SettingGet(Bed, Table[Row].Name, true, &Got);
    CHECK(Status == (There ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND));
    CHECK(NativeRegistryGet(SETTINGS_STATE, Table[Row].Name, &Type, &Raw) == There);
    CHECK(!There || (Number(&Got, Table[Row].Type) == Value && (int64_t)Raw == Value &&
                     Type == (Table[Row].Type == WnbdOptBool ? REG_DWORD : REG_QWORD)));
}

static void Persistence(BED *Bed)
{
    for (size_t Row = 0; Row < OPTIONS; Row++) {
        int64_t Kept = Table[Row].Default == Table[Row].Least ? Table[Row].Most : Table[Row].Least;
        char Text[32];
        snprintf(Text, sizeof(Text), "%lld", (long long)Kept);
        CheckPersistent(Bed, Row, false, 0);
        CHECK(SettingSetText(Bed, Table[Row].Name, Text, false) == STATUS_SUCCESS);
        CheckPersistent(Bed, Row, false, 0);
        CHECK(SettingSetText(Bed, Table[Row].Name, Text, true) == STATUS_SUCCESS);
        CheckPersistent(Bed, Row, true, Kept);
        CHECK(List(Bed, true, sizeof(Listed) - 1) == 1);
        CheckElement(&Listed.List.Options[0], Row, Kept);
        /* Back to the default for now only. */
        CHECK(SettingReset(Bed, Table[Row].Name, false) == STATUS_SUCCESS);
        CHECK(Setting(Bed, Table[Row].Name) == Table[Row].Default);
        CheckPersistent(Bed, Row, true, Kept);
        SettingRestartAdapter(Bed);
        CHECK(Setting(Bed, Table[Row].Name) == Kept);
        CHECK(SettingReset(Bed, Table[Row].Name, true) == STATUS_SUCCESS);
        CHECK(SettingReset(Bed, Table[Row].Name, true) == STATUS_SUCCESS); /* nothing to delete is nothing wrong */
        CheckPersistent(Bed, Row, false, 0);
        CHECK(Setting(Bed, Table[Row].Name) == Table[Row].Default);
    }
    /* What isn't kept is forgotten when the adapter starts again, and by RELOAD_CONFIG. */
    CHECK(SettingSetText(Bed, "StaleReqTimeoutMs", "77", false) == STATUS_SUCCESS);
    SettingRestartAdapter(Bed);
    CHECK(Setting(Bed, "StaleReqTimeoutMs") == 15000);
    CHECK(SettingSetText(Bed, "StaleReqTimeoutMs", "78", false) == STATUS_SUCCESS);
    NativeRegistrySetQword(SETTINGS_STATE, "StaleConnTimeoutMs", 79);
    CHECK(Setting(Bed, "StaleConnTimeoutMs") == 60000);
    CHECK(SettingReload(Bed) == STATUS_SUCCESS);
    CHECK(Setting(Bed, "StaleReqTimeoutMs") == 15000 && Setting(Bed, "StaleConnTimeoutMs") == 79);
    CHECK(SettingReset(Bed, "StaleConnTimeoutMs", true) == STATUS_SUCCESS);
}

/* ---- values that are none ---- */

static void WriteWrongType(const char *Name, WnbdOptValType Type)
{
    if (Type == WnbdOptBool) {
        NativeRegistrySetQword(SETTINGS_STATE, Name, 1);
    } else {
        NativeRegistrySetDword(SETTINGS_STATE, Name, 3);
    }
}

static void CheckCorrupt(BED *Bed, size_t Row, const char *Warning)
{
    WNBD_OPTION_VALUE Value;
    const char *Name = Table[Row].Name;
    char Expected[160];
    snprintf(Expected, sizeof(Expected), "wnbd: the persistent value of %s %s and does not count\n", Name, Warning);
    LogClear();
    SettingRestartAdapter(Bed);
    if (!Logged(Expected)) {
        fprintf(stderr, "not logged: %s", Expected);
    }
    CHECK(Logged(Expected));
    CHECK(Setting(Bed, Name) == Table[Row].Default);
    CHECK(SettingGet(Bed, Name, true, &Value) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(List(Bed, true, sizeof(Listed) - 1) == 0);
    CHECK(SettingReload(Bed) == STATUS_SUCCESS && Setting(Bed, Name) == Table[Row].Default);
    CHECK(SettingReset(Bed, Name, true) == STATUS_SUCCESS);
}

static void Corrupt(BED *Bed)
{
    static const char WrongType[] = "has not the type of its option,";
    char Warning[80];
    for (size_t Row = 0; Row < OPTIONS; Row++) {
        const char *Name = Table[Row].Name;
        NativeRegistrySetString(SETTINGS_STATE, Name, "1");
        CheckCorrupt(Bed, Row, WrongType);
        NativeRegistrySetString(SETTINGS_STATE, Name, "a text that is longer than any number");
        CheckCorrupt(Bed, Row, WrongType);
        WriteWrongType(Name, Table[Row].Type);
        CheckCorrupt(Bed, Row, WrongType);
        int64_t Beyond = Table[Row].Most + 1;
        if (Table[Row].Type == WnbdOptBool) {
            NativeRegistrySetDword(SETTINGS_STATE, Name, (uint32_t)Beyond);
        } else {
            NativeRegistrySetQword(SETTINGS_STATE, Name, (uint64_t)Beyond);
        }
        snprintf(Warning, sizeof(Warning), "is %lld, which is not %lld to %lld,", (long long)Beyond,
                 (long long)Table[Row].Least, (long long)Table[Row].Most);
        CheckCorrupt(Bed, Row, Warning);
    }
    /* One that is none doesn't take the others with it. */
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", (uint64_t)-1);
    NativeRegistrySetQword(SETTINGS_STATE, "StaleReqTimeoutMs", 5);
    SettingRestartAdapter(Bed);
    CHECK(Setting(Bed, "LogLevel") == 1 && Setting(Bed, "StaleReqTimeoutMs") == 5);
    CHECK(SettingReset(Bed, "LogLevel", true) == STATUS_SUCCESS);
    CHECK(SettingReset(Bed, "StaleReqTimeoutMs", true) == STATUS_SUCCESS);
}

/* ---- what they do ---- */

static uint16_t ServerPort;

static void NewMappings(BED *Bed)
{
    static const char Words[] = "no new disks are made as long as the option NewMappingsAllowed is false";
    static WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE};
    WNBD_CONNECTION_INFO Info;
    DISK Disk;
    BedMapDisk(Bed, &Disk, ServerPort);
    CHECK(SettingSetText(Bed, "NewMappingsAllowed", "false", false) == STATUS_SUCCESS);
    BedProperties(&Command.Properties, "another", ServerPort);
    CHECK(BedMap(Bed, &Command.Properties, &Result) == STATUS_SUCCESS);
    CHECK(Result.Status == WIN32_SHUTDOWN_IN_PROGRESS && Result.Phase == WnbdCreatePhaseRequest);
    CHECK(strcmp(Result.Message, Words) == 0);
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), NULL) ==
          STATUS_SHUTDOWN_IN_PROGRESS);
    CHECK(BedDiskCount(Bed) == 1);
    CHECK(SettingSetText(Bed, "NewMappingsAllowed", "true", false) == STATUS_SUCCESS);
    CHECK(BedMap(Bed, &Command.Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    CHECK(NativeChildWait(Bed->Adapter, 2, 20000));
    CHECK(BedUnmap(Bed, "another") == STATUS_SUCCESS && NativeChildWait(Bed->Adapter, 1, 20000));
    BedUnmapDisk(Bed, &Disk);
}

/* A disk comes and goes, which is information, after one that nobody serves, which is a warning. */
static void Say(BED *Bed)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    DISK Disk;
    LogClear();
    BedProperties(&Properties, "unserved", ServerRefusing());
    CHECK(BedMap(Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status != 0);
    BedMapDisk(Bed, &Disk, ServerPort);
    BedUnmapDisk(Bed, &Disk);
}

static void Logging(BED *Bed)
{
    static const struct {
        const char *Level, *Enabled;
        bool Warning, Information;
    } Rows[] = {{"0", "true", false, false}, {"1", "true", true, false}, {"2", "true", true, false},
                {"3", "true", true, true},   {"4", "true", true, true},  {"4", "false", false, false}};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        CHECK(SettingSetText(Bed, "LogLevel", Rows[Index].Level, false) == STATUS_SUCCESS);
        CHECK(SettingSetText(Bed, "DbgPrintEnabled", Rows[Index].Enabled, false) == STATUS_SUCCESS);
        Say(Bed);
        CHECK(Logged("connection refused") == Rows[Index].Warning);
        CHECK(Logged("disk: connected, at target") == Rows[Index].Information);
    }
    SettingRestartAdapter(Bed);
}

/* The driver starts with what is kept, and says nothing if it may not. */
static void StartsWith(void)
{
    BED Bed;
    NATIVE_OPTIONS Options = {.Seed = 1, .Log = LogTake};
    NativeStart(&Options);
    NativeRegistrySetQword(SETTINGS_STATE, "LogLevel", 0);
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "SendWindow", 99);
    LogClear();
    BedLoad(&Bed);
    CHECK(Setting(&Bed, "LogLevel") == 0 && !Logged("SendWindow"));
    CHECK(SettingReset(&Bed, "LogLevel", true) == STATUS_SUCCESS);
    SettingRestartAdapter(&Bed);
    CHECK(Logged("SendWindow is 99"));
    BedStop(&Bed);
}

int main(void)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {{"list", Lists},      {"values", Values},
                 {"names", Names},     {"persistence", Persistence},
                 {"corrupt", Corrupt}, {"new mappings", NewMappings},
                 {"log", Logging}};
    SERVER Server;
    ServerStart(&Server, Memory);
    ServerPort = Server.Port;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        BED Bed;
        NATIVE_OPTIONS Options = {.Seed = 1, .Log = LogTake};
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        BedStart(&Bed, &Options);
        Tests[Index].Run(&Bed);
        BedStop(&Bed);
    }
    StartsWith();
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
