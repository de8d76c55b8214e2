/* SPDX-License-Identifier: LGPL-2.1-only */
/* Made by tools/events of packaging/wnbd.man; a test compares. For log.h, which has the types. */
#pragma once

#define LOG_PROVIDER {0xFFACC4E7, 0xC115, 0x4FE2, {0x9D, 0x3C, 0x80, 0xFA, 0xE7, 0x3B, 0xAB, 0x91}}

/* Name, id, version, level, channel; the types of the fields, a letter each; what is said of it. */
#define LOG_EVENTS(EVENT)                                                                                              \
    EVENT(AdapterStartFailed, 1, 0, ERROR, SYSTEM, "x", "starting the adapter failed with status %1")                  \
    EVENT(AdapterStarted, 2, 0, INFO, SYSTEM, "suu",                                                                   \
          "version %1: the adapter has started (up to %2 requests at a time, %3 of a disk)")                           \
    EVENT(AdapterStopped, 3, 0, INFO, SYSTEM, "q", "the adapter is gone (after %1 ms)")                                \
    EVENT(OptionOfWrongType, 4, 0, WARNING, SYSTEM, "s",                                                               \
          "the persistent value of %1 has not the type of its option, and does not count")                             \
    EVENT(OptionOutOfRange, 5, 0, WARNING, SYSTEM, "siii",                                                             \
          "the persistent value of %1 is %2, which is not %3 to %4, and does not count")                               \
    EVENT(OptionsUnreadable, 6, 0, WARNING, SYSTEM, "x",                                                               \
          "reading the persistent options failed with status %1: they do not count")                                   \
    EVENT(SendWindowOutOfRange, 7, 0, WARNING, SYSTEM, "uuu", "SendWindow is %1, which is not 1 to %2: %3 is used")    \
    EVENT(DiskRequestsLowered, 8, 0, WARNING, SYSTEM, "uu",                                                            \
          "MaxIOReqPerLun is %1, which is more than MaxIOReqPerAdapter: %2 is used")                                   \
    EVENT(ProcessesUnwatched, 9, 0, WARNING, SYSTEM, "x",                                                              \
          "Windows will not tell when processes end (status %1): their disks stay for a second")                       \
    EVENT(ChangeMissed, 10, 0, WARNING, SYSTEM, "u",                                                                   \
          "Windows has missed that the disks have changed: notifying it again (after %1 ms)")                          \
    EVENT(EventsDropped, 11, 0, WARNING, SYSTEM, "su", "%2 events %1 were not logged: too many at a time")             \
    EVENT(RegistrationFailed, 12, 0, ERROR, SYSTEM, "x", "registering with Storport failed with status %1")            \
    EVENT(DiskConnected, 20, 0, INFO, SYSTEM, "ssuuq", "%1: connected, at target %4 (%2 port %3, after %5 ms)")        \
    EVENT(DiskServed, 21, 0, INFO, SYSTEM, "suu", "%1: connected, at target %3 (served by process %2)")                \
    EVENT(DiskWithdrawn, 22, 0, INFO, SYSTEM, "suq", "%1: withdrawn from target %2 (after %3 ms)")                     \
    EVENT(DiskReset, 23, 0, WARNING, SYSTEM, "suuq",                                                                   \
          "%1: Windows has reset it, at target %2 (%3 requests given back, the oldest after %4 ms)")                   \
    EVENT(ProcessEnded, 24, 0, WARNING, SYSTEM, "su", "%1: the process that serves it has ended (process %2)")         \
    EVENT(ProcessHangs, 25, 0, WARNING, SYSTEM, "suq",                                                                 \
          "%1: the process that serves it hangs (process %2, silent for %3 ms)")                                       \
    EVENT(ExportTailHidden, 26, 0, WARNING, SYSTEM, "sqq",                                                             \
          "%1: the last %3 of the export's %2 bytes are not part of the disk: they are no whole block")                \
    EVENT(RequestFailed, 27, 0, WARNING, SYSTEM, "ssusqquq",                                                           \
          "%1: %4 of %6 bytes at %5 failed at the server with error %7 (%2 port %3, after %8 ms)")                     \
    EVENT(DiskResized, 28, 0, INFO, SYSTEM, "sq", "%1: has %2 blocks now")                                             \
    EVENT(ResolveFailed, 40, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")               \
    EVENT(ConnectFailed, 41, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")               \
    EVENT(ConnectTimedOut, 42, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")             \
    EVENT(HandshakeRefused, 43, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")            \
    EVENT(HandshakeTimedOut, 44, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")           \
    EVENT(ProtocolViolated, 45, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")            \
    EVENT(ConnectionLost, 46, 0, WARNING, SYSTEM, "ssuuqs", "%1: %6 (%2 port %3, error %4, after %5 ms)")              \
    EVENT(ServerShuttingDown, 47, 0, WARNING, SYSTEM, "ssuq",                                                          \
          "%1: the server is shutting down (%2 port %3, after %4 ms)")                                                 \
    EVENT(AddressFailed, 60, 0, DEBUG, NONE, "ssuux", "%1: %2 port %3: address %4 failed with status %5")              \
    EVENT(ResolvedTo, 61, 0, DEBUG, NONE, "ssuux", "%1: %2 port %3: resolved to %4 addresses with status %5")          \
    EVENT(AnswerRefused, 62, 0, DEBUG, NONE, "sux", "%1: an answer of process %2 was refused with status %3")

#define LOG_EVENT_ID(Name, ...) LogEvent##Name,
typedef enum { LOG_EVENTS(LOG_EVENT_ID) LOG_EVENT_COUNT } LOG_EVENT_ID;
#undef LOG_EVENT_ID

#define LOG_EVENT_LEVEL(Name, Id, Version, Level, ...) LogLevel##Name = LOG_##Level,
enum { LOG_EVENTS(LOG_EVENT_LEVEL) };
#undef LOG_EVENT_LEVEL

/* No more than the limit of the call site; any number of processors at once. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void LogWrite(LOG_SITE *Site, LOG_EVENT_ID Event, const LOG_VALUE *Values);

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogAdapterStartFailed(LOG_SITE *Site, UINT32 Status)
{
    const LOG_VALUE Values[] = {{.Number = Status}};
    LogWrite(Site, LogEventAdapterStartFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogAdapterStarted(LOG_SITE *Site, const CHAR *Version, UINT32 Requests, UINT32 DiskRequests)
{
    const LOG_VALUE Values[] = {{.Text = Version}, {.Number = Requests}, {.Number = DiskRequests}};
    LogWrite(Site, LogEventAdapterStarted, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogAdapterStopped(LOG_SITE *Site, UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {{.Number = DurationMs}};
    LogWrite(Site, LogEventAdapterStopped, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogOptionOfWrongType(LOG_SITE *Site, const CHAR *Option)
{
    const LOG_VALUE Values[] = {{.Text = Option}};
    LogWrite(Site, LogEventOptionOfWrongType, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogOptionOutOfRange(LOG_SITE *Site, const CHAR *Option, INT64 Value, INT64 Minimum, INT64 Maximum)
{
    const LOG_VALUE Values[] = {{.Text = Option}, {.Signed = Value}, {.Signed = Minimum}, {.Signed = Maximum}};
    LogWrite(Site, LogEventOptionOutOfRange, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogOptionsUnreadable(LOG_SITE *Site, UINT32 Status)
{
    const LOG_VALUE Values[] = {{.Number = Status}};
    LogWrite(Site, LogEventOptionsUnreadable, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogSendWindowOutOfRange(LOG_SITE *Site, UINT32 Value, UINT32 Maximum, UINT32 Used)
{
    const LOG_VALUE Values[] = {{.Number = Value}, {.Number = Maximum}, {.Number = Used}};
    LogWrite(Site, LogEventSendWindowOutOfRange, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskRequestsLowered(LOG_SITE *Site, UINT32 Value, UINT32 Used)
{
    const LOG_VALUE Values[] = {{.Number = Value}, {.Number = Used}};
    LogWrite(Site, LogEventDiskRequestsLowered, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogProcessesUnwatched(LOG_SITE *Site, UINT32 Status)
{
    const LOG_VALUE Values[] = {{.Number = Status}};
    LogWrite(Site, LogEventProcessesUnwatched, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogChangeMissed(LOG_SITE *Site, UINT32 DelayMs)
{
    const LOG_VALUE Values[] = {{.Number = DelayMs}};
    LogWrite(Site, LogEventChangeMissed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogEventsDropped(LOG_SITE *Site, const CHAR *Event, UINT32 Count)
{
    const LOG_VALUE Values[] = {{.Text = Event}, {.Number = Count}};
    LogWrite(Site, LogEventEventsDropped, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogRegistrationFailed(LOG_SITE *Site, UINT32 Status)
{
    const LOG_VALUE Values[] = {{.Number = Status}};
    LogWrite(Site, LogEventRegistrationFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskConnected(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Target,
                                    UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {
        {.Text = Disk}, {.Text = Server}, {.Number = Port}, {.Number = Target}, {.Number = DurationMs}};
    LogWrite(Site, LogEventDiskConnected, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskServed(LOG_SITE *Site, const CHAR *Disk, UINT32 ProcessId, UINT32 Target)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = ProcessId}, {.Number = Target}};
    LogWrite(Site, LogEventDiskServed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskWithdrawn(LOG_SITE *Site, const CHAR *Disk, UINT32 Target, UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = Target}, {.Number = DurationMs}};
    LogWrite(Site, LogEventDiskWithdrawn, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskReset(LOG_SITE *Site, const CHAR *Disk, UINT32 Target, UINT32 Requests, UINT64 OldestMs)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = Target}, {.Number = Requests}, {.Number = OldestMs}};
    LogWrite(Site, LogEventDiskReset, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogProcessEnded(LOG_SITE *Site, const CHAR *Disk, UINT32 ProcessId)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = ProcessId}};
    LogWrite(Site, LogEventProcessEnded, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogProcessHangs(LOG_SITE *Site, const CHAR *Disk, UINT32 ProcessId, UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = ProcessId}, {.Number = DurationMs}};
    LogWrite(Site, LogEventProcessHangs, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogExportTailHidden(LOG_SITE *Site, const CHAR *Disk, UINT64 Size, UINT64 Hidden)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = Size}, {.Number = Hidden}};
    LogWrite(Site, LogEventExportTailHidden, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogRequestFailed(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port,
                                    const CHAR *Operation, UINT64 Offset, UINT64 Length, UINT32 Error,
                                    UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {{.Text = Disk},     {.Text = Server},   {.Number = Port},  {.Text = Operation},
                                {.Number = Offset}, {.Number = Length}, {.Number = Error}, {.Number = DurationMs}};
    LogWrite(Site, LogEventRequestFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogDiskResized(LOG_SITE *Site, const CHAR *Disk, UINT64 Blocks)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = Blocks}};
    LogWrite(Site, LogEventDiskResized, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogResolveFailed(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                    UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventResolveFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogConnectFailed(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                    UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventConnectFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogConnectTimedOut(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                      UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventConnectTimedOut, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogHandshakeRefused(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                       UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventHandshakeRefused, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogHandshakeTimedOut(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                        UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventHandshakeTimedOut, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogProtocolViolated(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                       UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventProtocolViolated, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogConnectionLost(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Error,
                                     UINT64 DurationMs, const CHAR *Reason)
{
    const LOG_VALUE Values[] = {{.Text = Disk},    {.Text = Server},       {.Number = Port},
                                {.Number = Error}, {.Number = DurationMs}, {.Text = Reason}};
    LogWrite(Site, LogEventConnectionLost, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogServerShuttingDown(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port,
                                         UINT64 DurationMs)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Text = Server}, {.Number = Port}, {.Number = DurationMs}};
    LogWrite(Site, LogEventServerShuttingDown, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogAddressFailed(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Address,
                                    UINT32 Status)
{
    const LOG_VALUE Values[] = {
        {.Text = Disk}, {.Text = Server}, {.Number = Port}, {.Number = Address}, {.Number = Status}};
    LogWrite(Site, LogEventAddressFailed, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogResolvedTo(LOG_SITE *Site, const CHAR *Disk, const CHAR *Server, UINT32 Port, UINT32 Addresses,
                                 UINT32 Status)
{
    const LOG_VALUE Values[] = {
        {.Text = Disk}, {.Text = Server}, {.Number = Port}, {.Number = Addresses}, {.Number = Status}};
    LogWrite(Site, LogEventResolvedTo, Values);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void LogAnswerRefused(LOG_SITE *Site, const CHAR *Disk, UINT32 ProcessId, UINT32 Status)
{
    const LOG_VALUE Values[] = {{.Text = Disk}, {.Number = ProcessId}, {.Number = Status}};
    LogWrite(Site, LogEventAnswerRefused, Values);
}
