/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A libwnbd.dll for tests: it answers as the script in the file FAKE_WNBD_SCRIPT says and appends each call, with its
 * arguments, to the file FAKE_WNBD_CALLS. A script has lines of fields that are separated by tabs:
 *
 *   FUNCTION status KEY=VALUE...   what FUNCTION returns and fills in; FUNCTION without a line returns 0 and zeroes;
 *                                  WnbdGetDriverStatsEx may have one for each call
 *   disk KEY=VALUE...              a disk for WnbdList; the first of the name asked for is WnbdShow's
 *   export NAME                    an export for WnbdListExports
 *   option KEY=VALUE...            an option for WnbdListDrvOpt: Name, Type (WnbdOptValType), Default, Value
 *
 * WnbdRunNbdDaemon may have Serves=1, which lets it wait until the disk's number is asked for, and Logged=, an error of
 * the library's log. DelayMs: how long a function takes. Values may have \xNN for a byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wnbd.h>

#define MAX_LINES 64
#define MAX_LINE 4096

static char Lines[MAX_LINES][MAX_LINE];
static int LineCount = -1;
static LogMessageFunc CurrentLogger;
static WnbdLogLevel CurrentLevel = WnbdLogLevelInfo;
static HANDLE Announced; /* set when WnbdPollDiskNumber has been called */

static void Unescape(char *Text)
{
    char *To = Text;
    while (*Text != '\0') {
        if (Text[0] == '\\' && Text[1] == 'x') {
            const char Digits[] = {Text[2], Text[3], '\0'};
            *To++ = (char)strtoul(Digits, NULL, 16);
            Text += 4;
        } else {
            *To++ = *Text++;
        }
    }
    *To = '\0';
}

static void ScriptRead(void)
{
    const char *Path = getenv("FAKE_WNBD_SCRIPT");
    FILE *File = Path == NULL ? NULL : fopen(Path, "rb");
    LineCount = 0;
    while (File != NULL && LineCount < MAX_LINES && fgets(Lines[LineCount], MAX_LINE, File) != NULL) {
        Lines[LineCount][strcspn(Lines[LineCount], "\r\n")] = '\0';
        Unescape(Lines[LineCount]);
        LineCount++;
    }
    if (File != NULL) {
        fclose(File);
    }
}

/* Returns the fields after the first one of the Nth line (from 0) that starts with Name; NULL: there is none. */
static const char *ScriptFind(const char *Name, int Nth)
{
    if (LineCount < 0) {
        ScriptRead();
    }
    for (int Index = 0; Index < LineCount; Index++) {
        size_t Length = strcspn(Lines[Index], "\t");
        if (strlen(Name) == Length && strncmp(Lines[Index], Name, Length) == 0 && Nth-- == 0) {
            return Lines[Index] + Length + (Lines[Index][Length] == '\t');
        }
    }
    return NULL;
}

/* Copies the value of Key from Fields to Buffer; false: it has none. */
static BOOL FieldText(const char *Fields, const char *Key, char *Buffer, size_t Size)
{
    size_t KeyLength = strlen(Key);
    while (Fields != NULL && *Fields != '\0') {
        size_t Length = strcspn(Fields, "\t");
        if (strncmp(Fields, Key, KeyLength) == 0 && Fields[KeyLength] == '=') {
            size_t Count = Length - KeyLength - 1;
            Count = Count < Size ? Count : Size - 1;
            memcpy(Buffer, Fields + KeyLength + 1, Count);
            Buffer[Count] = '\0';
            return TRUE;
        }
        Fields += Length + (Fields[Length] == '\t');
    }
    return FALSE;
}

static INT64 FieldNumber(const char *Fields, const char *Key, INT64 Default)
{
    char Text[64];
    return FieldText(Fields, Key, Text, sizeof(Text)) ? strtoll(Text, NULL, 0) : Default;
}

static DWORD StatusOf(const char *Name)
{
    const char *Fields = ScriptFind(Name, 0);
    Sleep((DWORD)FieldNumber(Fields, "DelayMs", 0));
    return Fields == NULL ? ERROR_SUCCESS : strtoul(Fields, NULL, 0);
}

static void Record(const char *Format, ...)
{
    const char *Path = getenv("FAKE_WNBD_CALLS");
    FILE *File = Path == NULL ? NULL : fopen(Path, "ab");
    if (File != NULL) {
        va_list Arguments;
        va_start(Arguments, Format);
        vfprintf(File, Format, Arguments);
        va_end(Arguments);
        fclose(File);
    }
}

static void Log(WnbdLogLevel Level, const char *Message)
{
    if (Level <= CurrentLevel && CurrentLogger != NULL) {
        CurrentLogger(Level, Message, "fake_libwnbd.c", 7, "Log");
    }
}

static void FlagsFill(const char *Fields, WNBD_FLAGS *Flags)
{
    Flags->ReadOnly = FieldNumber(Fields, "ReadOnly", 0) != 0;
    Flags->FlushSupported = FieldNumber(Fields, "FlushSupported", 0) != 0;
    Flags->FUASupported = FieldNumber(Fields, "FUASupported", 0) != 0;
    Flags->UnmapSupported = FieldNumber(Fields, "UnmapSupported", 0) != 0;
    Flags->UnmapAnchorSupported = FieldNumber(Fields, "UnmapAnchorSupported", 0) != 0;
    Flags->UseKernelNbd = FieldNumber(Fields, "UseKernelNbd", 0) != 0;
    Flags->UseUserspaceNbd = FieldNumber(Fields, "UseUserspaceNbd", 0) != 0;
}

static void InfoFill(const char *Fields, WNBD_CONNECTION_INFO *Info)
{
    WNBD_PROPERTIES *Properties = &Info->Properties;
    NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    char Text[WNBD_MAX_NAME_LENGTH];
    memset(Info, 0, sizeof(*Info));
    FieldText(Fields, "InstanceName", Properties->InstanceName, sizeof(Properties->InstanceName));
    FieldText(Fields, "SerialNumber", Properties->SerialNumber, sizeof(Properties->SerialNumber));
    FieldText(Fields, "Owner", Properties->Owner, sizeof(Properties->Owner));
    FlagsFill(Fields, &Properties->Flags);
    Properties->BlockCount = (UINT64)FieldNumber(Fields, "BlockCount", 0);
    Properties->BlockSize = (UINT32)FieldNumber(Fields, "BlockSize", 0);
    Properties->MaxUnmapDescCount = (UINT32)FieldNumber(Fields, "MaxUnmapDescCount", 0);
    Properties->Pid = (INT32)FieldNumber(Fields, "Pid", 0);
    FieldText(Fields, "Hostname", Nbd->Hostname, sizeof(Nbd->Hostname));
    FieldText(Fields, "ExportName", Nbd->ExportName, sizeof(Nbd->ExportName));
    Nbd->PortNumber = (UINT32)FieldNumber(Fields, "PortNumber", 0);
    Nbd->Flags.SkipNegotiation = FieldNumber(Fields, "SkipNegotiation", 0) != 0;
    Info->DiskNumber = (INT32)FieldNumber(Fields, "DiskNumber", -1);
    if (FieldText(Fields, "PNPDeviceID", Text, sizeof(Text))) {
        MultiByteToWideChar(CP_UTF8, 0, Text, -1, Info->PNPDeviceID, WNBD_MAX_NAME_LENGTH);
    }
    Info->BusNumber = (USHORT)FieldNumber(Fields, "BusNumber", 0);
    Info->TargetId = (USHORT)FieldNumber(Fields, "TargetId", 0);
    Info->Lun = (USHORT)FieldNumber(Fields, "Lun", 0);
}

static DWORD VersionFill(const char *Function, PWNBD_VERSION Version)
{
    const char *Fields = ScriptFind(Function, 0);
    Record("%s\n", Function);
    memset(Version, 0, sizeof(*Version));
    FieldText(Fields, "Description", Version->Description, sizeof(Version->Description));
    Version->Major = (UINT32)FieldNumber(Fields, "Major", 0);
    Version->Minor = (UINT32)FieldNumber(Fields, "Minor", 0);
    Version->Patch = (UINT32)FieldNumber(Fields, "Patch", 0);
    return StatusOf(Function);
}

DWORD WnbdGetLibVersion(PWNBD_VERSION Version)
{
    return VersionFill("WnbdGetLibVersion", Version);
}

DWORD WnbdGetDriverVersion(PWNBD_VERSION Version)
{
    return VersionFill("WnbdGetDriverVersion", Version);
}

/* The first call of the client, while it has one thread. */
VOID WnbdSetLogger(LogMessageFunc Logger)
{
    if (LineCount < 0) {
        ScriptRead();
    }
    CurrentLogger = Logger;
}

VOID WnbdSetLogLevel(WnbdLogLevel LogLevel)
{
    CurrentLevel = LogLevel;
    Record("WnbdSetLogLevel %s\n", WnbdLogLevelToStr(LogLevel));
}

DWORD WnbdGetAdapterDevInst(PDEVINST DeviceInst)
{
    *DeviceInst = 1;
    return StatusOf("WnbdGetAdapterDevInst");
}

DWORD WnbdList(PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize)
{
    static int Calls;
    const char *Fields = ScriptFind("WnbdList", 0);
    UINT32 ElementSize = (UINT32)FieldNumber(Fields, "ElementSize", sizeof(WNBD_CONNECTION_INFO));
    int Count = 0;
    Record("WnbdList\n");
    Log(WnbdLogLevelError, "listing");
    while (ScriptFind("disk", Count) != NULL) {
        Count++;
    }
    /* Grow: so many disks appear before each call, up to those of the script. */
    int Grow = (int)FieldNumber(Fields, "Grow", 0);
    Calls++;
    if (Grow != 0 && Calls * Grow < Count) {
        Count = Calls * Grow;
    }
    DWORD Given = *BufferSize;
    *BufferSize = (DWORD)offsetof(WNBD_CONNECTION_LIST, Connections) + (DWORD)Count * ElementSize;
    if (Given < offsetof(WNBD_CONNECTION_LIST, Connections)) {
        return StatusOf("WnbdList");
    }
    ConnectionList->ElementSize = ElementSize;
    ConnectionList->Count = 0;
    for (int Index = 0; Index < Count; Index++) {
        size_t At = offsetof(WNBD_CONNECTION_LIST, Connections) + (size_t)Index * ElementSize;
        if (At + ElementSize > Given) {
            break;
        }
        WNBD_CONNECTION_INFO Info;
        InfoFill(ScriptFind("disk", Index), &Info);
        memcpy((char *)ConnectionList + At, &Info, ElementSize < sizeof(Info) ? ElementSize : sizeof(Info));
        ConnectionList->Count++;
    }
    return StatusOf("WnbdList");
}

DWORD WnbdShow(const char *InstanceName, PWNBD_CONNECTION_INFO ConnectionInfo)
{
    if (ScriptFind("WnbdRunNbdDaemon", 0) != NULL) {
        /* Asked until the disk is this process's own: how often is chance, so nobody expects it. */
        ConnectionInfo->Properties.Pid = (INT32)GetCurrentProcessId();
        return Announced != NULL ? ERROR_SUCCESS : ERROR_FILE_NOT_FOUND;
    }
    Record("WnbdShow %s\n", InstanceName);
    InfoFill(ScriptFind("disk", 0), ConnectionInfo);
    return StatusOf("WnbdShow");
}

/* A time stamp so many milliseconds ago; 0: never. */
static UINT64 StampFill(const char *Fields, const char *Key)
{
    INT64 AgoMs = FieldNumber(Fields, Key, INT64_MIN);
    return AgoMs == INT64_MIN ? 0 : (UINT64)((INT64)GetTickCount64() - AgoMs) * 10000;
}

static void CountersFill(const char *Fields, WNBD_DRV_STATS *Stats)
{
    memset(Stats, 0, sizeof(*Stats));
    Stats->TotalReceivedIORequests = FieldNumber(Fields, "TotalReceivedIORequests", 0);
    Stats->TotalSubmittedIORequests = FieldNumber(Fields, "TotalSubmittedIORequests", 0);
    Stats->TotalReceivedIOReplies = FieldNumber(Fields, "TotalReceivedIOReplies", 0);
    Stats->UnsubmittedIORequests = FieldNumber(Fields, "UnsubmittedIORequests", 0);
    Stats->PendingSubmittedIORequests = FieldNumber(Fields, "PendingSubmittedIORequests", 0);
    Stats->AbortedSubmittedIORequests = FieldNumber(Fields, "AbortedSubmittedIORequests", 0);
    Stats->AbortedUnsubmittedIORequests = FieldNumber(Fields, "AbortedUnsubmittedIORequests", 0);
    Stats->CompletedAbortedIORequests = FieldNumber(Fields, "CompletedAbortedIORequests", 0);
    Stats->OutstandingIOCount = FieldNumber(Fields, "OutstandingIOCount", 0);
}

DWORD WnbdGetDriverStats(const char *InstanceName, PWNBD_DRV_STATS Stats)
{
    const char *Fields = ScriptFind("WnbdGetDriverStats", 0);
    Record("WnbdGetDriverStats %s\n", InstanceName);
    CountersFill(Fields, Stats);
    Stats->LastReceivedReqTimestamp = StampFill(Fields, "ReceivedAgoMs");
    Stats->LastSubmittedReqTimestamp = StampFill(Fields, "SubmittedAgoMs");
    Stats->LastReplyTimestamp = StampFill(Fields, "ReplyAgoMs");
    return StatusOf("WnbdGetDriverStats");
}

/* COMPLETED,FAILED,ABORTED,BYTES,SUM then BUCKET:COUNT for each that is not 0, separated by commas. */
static void OperationFill(const char *Fields, const char *Key, WNBD_OPERATION_STATS *Stats)
{
    char Text[1024] = "";
    UINT64 *const Values[] = {&Stats->Completed, &Stats->Failed, &Stats->Aborted, &Stats->Bytes, &Stats->LatencySum};
    FieldText(Fields, Key, Text, sizeof(Text));
    char *At = Text;
    for (size_t Index = 0; *At != '\0'; Index++) {
        UINT64 First = strtoull(At, &At, 10);
        if (*At == ':') {
            Stats->Latencies[First] = strtoull(At + 1, &At, 10);
        } else {
            *Values[Index] = First;
        }
        At += *At == ',';
    }
}

/* Each call has a line of its own; without one it is like the last that has. */
DWORD WnbdGetDriverStatsEx(const char *InstanceName, PWNBD_DRV_STATS_EX Stats)
{
    static const char *const Keys[WNBD_OPERATION_COUNT] = {"Read", "Write", "Flush", "Unmap", "Other"};
    static const char *Fields;
    static int Calls;
    const char *Own = ScriptFind("WnbdGetDriverStatsEx", Calls++);
    Fields = Own != NULL ? Own : Fields;
    Record("WnbdGetDriverStatsEx %s\n", InstanceName);
    memset(Stats, 0, sizeof(*Stats));
    Stats->Version = WNBD_STATS_VERSION;
    Stats->SizeBytes = sizeof(*Stats);
    Stats->ConnectionId = (UINT64)FieldNumber(Fields, "ConnectionId", 1);
    Stats->Timestamp = (UINT64)FieldNumber(Fields, "Timestamp", 0);
    CountersFill(Fields, &Stats->Counters);
    Stats->Counters.LastReceivedReqTimestamp = (UINT64)FieldNumber(Fields, "LastReceivedReqTimestamp", 0);
    for (size_t Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        OperationFill(Fields, Keys[Index], &Stats->Operations[Index]);
    }
    return Fields != NULL ? strtoul(Fields, NULL, 0) : ERROR_SUCCESS;
}

DWORD WnbdRunNbdDaemon(const PWNBD_PROPERTIES Properties)
{
    Record("WnbdRunNbdDaemon InstanceName=%s Hostname=%s PortNumber=%u ExportName=%s ReadOnly=%u UseKernelNbd=%u\n",
           Properties->InstanceName, Properties->NbdProperties.Hostname, Properties->NbdProperties.PortNumber,
           Properties->NbdProperties.ExportName, Properties->Flags.ReadOnly, Properties->Flags.UseKernelNbd);
    const char *Fields = ScriptFind("WnbdRunNbdDaemon", 0);
    char Message[WNBD_CREATE_MESSAGE_LENGTH];
    if (FieldNumber(Fields, "Serves", 0) != 0) {
        HANDLE Event = CreateEventW(NULL, TRUE, FALSE, NULL);
        InterlockedExchangePointer(&Announced, Event);
        WaitForSingleObject(Event, INFINITE);
    }
    if (FieldText(Fields, "Logged", Message, sizeof(Message))) {
        Log(WnbdLogLevelError, Message);
    }
    return StatusOf("WnbdRunNbdDaemon");
}

DWORD WnbdCreateNbd(const PWNBD_PROPERTIES Properties, PWNBD_CREATE_RESULT Result)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    const char *Fields = ScriptFind("WnbdCreateNbd", 0);
    Record("WnbdCreateNbd InstanceName=%s Hostname=%s PortNumber=%u ExportName=%s SkipNegotiation=%u ReadOnly=%u "
           "UseKernelNbd=%u BlockCount=%llu BlockSize=%u Owner=%s SerialNumber=%s\n",
           Properties->InstanceName, Nbd->Hostname, Nbd->PortNumber, Nbd->ExportName, Nbd->Flags.SkipNegotiation,
           Properties->Flags.ReadOnly, Properties->Flags.UseKernelNbd, (unsigned long long)Properties->BlockCount,
           Properties->BlockSize, Properties->Owner, Properties->SerialNumber);
    memset(Result, 0, sizeof(*Result));
    FieldText(Fields, "Message", Result->Message, sizeof(Result->Message));
    Result->ServerError = (UINT32)FieldNumber(Fields, "ServerError", 0);
    Result->Phase = (WnbdCreatePhase)FieldNumber(Fields, "Phase", WnbdCreatePhaseRequest);
    Result->Status = StatusOf("WnbdCreateNbd");
    return Result->Status;
}

DWORD WnbdListExports(const char *Hostname, UINT32 PortNumber, DWORD TimeoutMs, PWNBD_EXPORT_LIST List,
                      PDWORD BufferSize)
{
    UINT32 Count = 0;
    DWORD Status = StatusOf("WnbdListExports");
    if (List == NULL) {
        Record("WnbdListExports %s %u %lu\n", Hostname, PortNumber, TimeoutMs);
    } else {
        List->Count = 0;
    }
    DWORD Given = *BufferSize;
    while (ScriptFind("export", (int)Count) != NULL) {
        size_t At = offsetof(WNBD_EXPORT_LIST, Names) + (size_t)Count * WNBD_MAX_NAME_LENGTH;
        if (List != NULL && At + WNBD_MAX_NAME_LENGTH <= Given) {
            snprintf(List->Names[Count], WNBD_MAX_NAME_LENGTH, "%s", ScriptFind("export", (int)Count));
            List->Count++;
        }
        Count++;
    }
    *BufferSize = (DWORD)offsetof(WNBD_EXPORT_LIST, Names) + Count * WNBD_MAX_NAME_LENGTH;
    return Status;
}

DWORD WnbdPollDiskNumber(const char *InstanceName, BOOLEAN ExpectMapped, BOOLEAN TryOpen, DWORD TimeoutMs,
                         DWORD RetryIntervalMs, PDWORD DiskNumber)
{
    Record("WnbdPollDiskNumber %s ExpectMapped=%u TryOpen=%u TimeoutMs=%lu RetryIntervalMs=%lu\n", InstanceName,
           ExpectMapped, TryOpen, TimeoutMs, RetryIntervalMs);
    *DiskNumber = (DWORD)FieldNumber(ScriptFind("WnbdPollDiskNumber", 0), "DiskNumber", 0);
    if (Announced != NULL) {
        SetEvent(Announced);
    }
    return StatusOf("WnbdPollDiskNumber");
}

DWORD WnbdRemoveEx(const char *InstanceName, PWNBD_REMOVE_OPTIONS RemoveOptions)
{
    if (RemoveOptions == NULL) {
        Record("WnbdRemoveEx %s\n", InstanceName);
        return StatusOf("WnbdRemoveEx");
    }
    Record("WnbdRemoveEx %s HardRemove=%u HardRemoveFallback=%u SoftRemoveTimeoutMs=%lu "
           "SoftRemoveRetryIntervalMs=%lu\n",
           InstanceName, RemoveOptions->Flags.HardRemove, RemoveOptions->Flags.HardRemoveFallback,
           RemoveOptions->SoftRemoveTimeoutMs, RemoveOptions->SoftRemoveRetryIntervalMs);
    Log(WnbdLogLevelDebug, "vetoed by volume {123}");
    Log(WnbdLogLevelError, "cannot remove");
    char Warning[MAX_LINE];
    if (FieldText(ScriptFind("WnbdRemoveEx", 0), "Warning", Warning, sizeof(Warning))) {
        Log(WnbdLogLevelWarning, Warning);
    }
    return StatusOf("WnbdRemoveEx");
}

static void ValueFill(const char *Fields, const char *Key, PWNBD_OPTION_VALUE Value)
{
    char Text[WNBD_MAX_NAME_LENGTH] = "";
    memset(Value, 0, sizeof(*Value));
    Value->Type = (WnbdOptValType)FieldNumber(Fields, "Type", WnbdOptInt64);
    if (Value->Type == WnbdOptBool) {
        Value->Data.AsBool = FieldNumber(Fields, Key, 0) != 0;
    } else if (Value->Type == WnbdOptInt64) {
        Value->Data.AsInt64 = FieldNumber(Fields, Key, 0);
    } else if (FieldText(Fields, Key, Text, sizeof(Text))) {
        MultiByteToWideChar(CP_UTF8, 0, Text, -1, Value->Data.AsWstr, WNBD_MAX_NAME_LENGTH);
    }
}

DWORD WnbdListDrvOpt(PWNBD_OPTION_LIST OptionList, PDWORD BufferSize, BOOLEAN Persistent)
{
    UINT32 ElementSize =
        (UINT32)FieldNumber(ScriptFind("WnbdListDrvOpt", 0), "ElementSize", (INT64)sizeof(WNBD_OPTION));
    DWORD Given = *BufferSize;
    UINT32 Count = 0;
    Record("WnbdListDrvOpt Persistent=%u\n", Persistent);
    OptionList->ElementSize = ElementSize;
    OptionList->Count = 0;
    for (const char *Fields; (Fields = ScriptFind("option", (int)Count)) != NULL; Count++) {
        char Name[WNBD_MAX_OPT_NAME_LENGTH] = "";
        WNBD_OPTION Option;
        size_t At = offsetof(WNBD_OPTION_LIST, Options) + (size_t)Count * ElementSize;
        memset(&Option, 0, sizeof(Option));
        FieldText(Fields, "Name", Name, sizeof(Name));
        MultiByteToWideChar(CP_UTF8, 0, Name, -1, Option.Name, WNBD_MAX_OPT_NAME_LENGTH);
        ValueFill(Fields, "Default", &Option.Default);
        ValueFill(Fields, "Value", &Option.Value);
        Option.Type = Option.Value.Type;
        if (At + ElementSize <= Given) {
            memcpy((char *)OptionList + At, &Option, ElementSize < sizeof(Option) ? ElementSize : sizeof(Option));
            OptionList->Count++;
        }
    }
    *BufferSize = (DWORD)offsetof(WNBD_OPTION_LIST, Options) + Count * ElementSize;
    return StatusOf("WnbdListDrvOpt");
}

DWORD WnbdGetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent)
{
    Record("WnbdGetDrvOpt %s Persistent=%u\n", Name, Persistent);
    ValueFill(ScriptFind("WnbdGetDrvOpt", 0), "Value", Value);
    return StatusOf("WnbdGetDrvOpt");
}

DWORD WnbdSetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent)
{
    char Text[WNBD_MAX_NAME_LENGTH * 3] = "";
    WideCharToMultiByte(CP_UTF8, 0, Value->Data.AsWstr, -1, Text, sizeof(Text), NULL, NULL);
    Record("WnbdSetDrvOpt %s Type=%d Value=%s Persistent=%u\n", Name, (int)Value->Type, Text, Persistent);
    return StatusOf("WnbdSetDrvOpt");
}

DWORD WnbdResetDrvOpt(const char *Name, BOOLEAN Persistent)
{
    Record("WnbdResetDrvOpt %s Persistent=%u\n", Name, Persistent);
    return StatusOf("WnbdResetDrvOpt");
}

/* No test has a disk of Windows' that could be asked. */
DWORD WnbdIoctlGetIOLimits(HANDLE DiskHandle, PDWORD LunMaxIoCount, PDWORD AdapterMaxIoCount, LPOVERLAPPED Overlapped)
{
    (void)DiskHandle;
    (void)LunMaxIoCount;
    (void)AdapterMaxIoCount;
    (void)Overlapped;
    return ERROR_NOT_SUPPORTED;
}

DWORD WnbdOpenAdapter(PHANDLE Handle)
{
    Record("WnbdOpenAdapter\n");
    *Handle = CreateEventW(NULL, TRUE, FALSE, NULL); /* something that can be closed */
    return StatusOf("WnbdOpenAdapter");
}

DWORD WnbdRemoveAllDisks(HANDLE AdapterHandle)
{
    (void)AdapterHandle;
    Record("WnbdRemoveAllDisks\n");
    return StatusOf("WnbdRemoveAllDisks");
}

DWORD WnbdResetAdapterEx(DWORD TimeoutMs, DWORD RetryIntervalMs)
{
    Record("WnbdResetAdapterEx TimeoutMs=%lu RetryIntervalMs=%lu\n", TimeoutMs, RetryIntervalMs);
    return StatusOf("WnbdResetAdapterEx");
}

DWORD WnbdInstallDriver(CONST CHAR *FileName, PBOOL RebootRequired)
{
    const char *Fields = ScriptFind("WnbdInstallDriver", 0);
    Record("WnbdInstallDriver %s\n", FileName);
    *RebootRequired = FieldNumber(Fields, "RebootRequired", 0) != 0;
    return StatusOf("WnbdInstallDriver");
}

DWORD WnbdUninstallDriver(PBOOL RebootRequired)
{
    const char *Fields = ScriptFind("WnbdUninstallDriver", 0);
    Record("WnbdUninstallDriver\n");
    *RebootRequired = FieldNumber(Fields, "RebootRequired", 0) != 0;
    return StatusOf("WnbdUninstallDriver");
}
