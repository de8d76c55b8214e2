/* SPDX-License-Identifier: LGPL-2.1-only */
/* log.h: the limit of a call site, who gets an event, and the debugger. */
#include "log.h"

#include "base/text.h"
#include "log_sinks.h"

/* Interrupt time is in 100 ns. */
#define LOG_INTERVAL 10000000ll
#define LOG_BURST 32

/* A message with its fields. DbgPrintEx passes on 512 bytes (WDK, DbgPrintEx); the most telling fields come first. */
#define LOG_MESSAGE_BYTES 768u

/* Where the event log has its events: its number of the channel, and the keyword of a provider's first channel. */
#define LOG_CHANNEL_SYSTEM 8
#define LOG_KEYWORD_SYSTEM 0x8000000000000000ull
#define LOG_CHANNEL_NONE 0
#define LOG_KEYWORD_NONE 0

/* ETW's numbers of the levels (WDK, EVENT_DESCRIPTOR). */
#define LOG_ETW_ERROR 2
#define LOG_ETW_WARNING 3
#define LOG_ETW_INFO 4
#define LOG_ETW_DEBUG 5

#define LOG_EVENT_ROW(Name, Id, Version, Level, Channel, Types, Message)                                               \
    {#Name,                                                                                                            \
     LOG_##Level,                                                                                                      \
     Types,                                                                                                            \
     Message,                                                                                                          \
     {Id, Version, LOG_CHANNEL_##Channel, LOG_ETW_##Level, 0, 0, LOG_KEYWORD_##Channel}},
static const LOG_EVENT LogEvents[LOG_EVENT_COUNT] = {LOG_EVENTS(LOG_EVENT_ROW)};

/* No spin lock: events are written under every other one. */
static PVOID volatile LogSites; /* the LOG_SITEs that have written */
static KEVENT LogEntering;      /* a lock for PASSIVE_LEVEL, of LogAdapters */
static ULONG LogAdapters;

/* ---- the debugger ---- */

_IRQL_requires_max_(DISPATCH_LEVEL)
static void LogAppendField(TEXT *Text, CHAR Type, const LOG_VALUE *Value)
{
    switch (Type) {
    case 's':
        TextAppendForeign(Text, Value->Text, strlen(Value->Text));
        break;
    case 'x':
        TextAppendHex(Text, Value->Number, 8);
        break;
    case 'i':
        if (Value->Signed < 0) {
            TextAppend(Text, "-");
        }
        TextAppendDecimal(Text, Value->Signed < 0 ? 0 - Value->Number : Value->Number);
        break;
    default:
        TextAppendDecimal(Text, Value->Number);
        break;
    }
}

/* Third parties' drivers have a component of their own (WDK, Reading and Filtering Debugging Messages). */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void LogPrint(const LOG_EVENT *Event, const LOG_VALUE *Values)
{
    CHAR Message[LOG_MESSAGE_BYTES];
    CHAR Piece[2] = {0};
    TEXT Text;
    TextInitialize(&Text, Message, sizeof(Message));
    for (const CHAR *Next = Event->Message; *Next != '\0'; Next++) {
        if (*Next == '%') {
            ULONG Field = (ULONG)(*++Next - '1');
            LogAppendField(&Text, Event->Types[Field], &Values[Field]);
        } else {
            Piece[0] = *Next;
            TextAppend(&Text, Piece);
        }
    }
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, Event->Level, "wnbd: %s\n", Message);
}

/* ---- the limit ---- */

/* To wherever it is wanted. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void LogEmit(LOG_EVENT_ID Id, const LOG_VALUE *Values)
{
    if (OptionsValue(OptionDbgPrintEnabled)) {
        LogPrint(&LogEvents[Id], Values);
    }
    if (OptionsValue(OptionEtwLoggingEnabled)) {
        LogEtwWrite(&LogEvents[Id], Values);
    }
    if (OptionsValue(OptionWppLoggingEnabled)) {
        LogWppWrite(&LogEvents[Id], Values);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void LogEmitDropped(LOG_EVENT_ID Id, ULONG Dropped)
{
    const LOG_VALUE Values[] = {{.Text = LogEvents[Id].Name}, {.Number = Dropped}};
    if (Dropped != 0) {
        LogEmit(LogEventEventsDropped, Values);
    }
}

/* Whether the site may write one more. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN LogAdmit(LOG_SITE *Site)
{
    LONG64 Now = (LONG64)KeQueryInterruptTime();
    for (;;) {
        LONG64 Seen = ReadNoFence64(&Site->NextAt);
        LONG64 From = Seen > Now ? Seen : Now;
        if (From - Now > (LOG_BURST - 1) * LOG_INTERVAL) {
            return LogWanted(LOG_DEBUG);
        }
        if (InterlockedCompareExchange64(&Site->NextAt, From + LOG_INTERVAL, Seen) == Seen) {
            return TRUE;
        }
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void LogRemember(LOG_SITE *Site, LOG_EVENT_ID Event)
{
    PVOID First;
    Site->Event = (LONG)Event;
    do {
        First = InterlockedCompareExchangePointer(&LogSites, NULL, NULL);
        Site->Next = First;
    } while (InterlockedCompareExchangePointer(&LogSites, Site, First) != First);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void LogWrite(LOG_SITE *Site, LOG_EVENT_ID Event, const LOG_VALUE *Values)
{
    if (InterlockedExchange(&Site->Known, 1) == 0) {
        LogRemember(Site, Event);
    }
    if (LogAdmit(Site)) {
        LogEmitDropped(Event, (ULONG)InterlockedExchange(&Site->Dropped, 0));
        LogEmit(Event, Values);
    } else {
        InterlockedIncrement(&Site->Dropped);
    }
}

/* ---- begin and end ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogStart(void)
{
    KeInitializeEvent(&LogEntering, SynchronizationEvent, TRUE);
    LogAdapters = 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEnter(void)
{
    KeWaitForSingleObject(&LogEntering, Executive, KernelMode, FALSE, NULL);
    if (LogAdapters++ == 0) {
        LogEtwStart();
        LogWppStart();
    }
    KeSetEvent(&LogEntering, IO_NO_INCREMENT, FALSE);
}

/* Says what every site has dropped, and forgets the site. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void LogForget(void)
{
    LOG_SITE *Site = InterlockedExchangePointer(&LogSites, NULL);
    while (Site != NULL) {
        LOG_SITE *Next = Site->Next;
        LogEmitDropped((LOG_EVENT_ID)Site->Event, (ULONG)InterlockedExchange(&Site->Dropped, 0));
        InterlockedExchange64(&Site->NextAt, 0);
        InterlockedExchange(&Site->Known, 0); /* the last: it may be remembered again at once */
        Site = Next;
    }
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogLeave(void)
{
    KeWaitForSingleObject(&LogEntering, Executive, KernelMode, FALSE, NULL);
    if (--LogAdapters == 0) {
        LogForget();
        LogEtwStop();
        LogWppStop();
    }
    KeSetEvent(&LogEntering, IO_NO_INCREMENT, FALSE);
}
