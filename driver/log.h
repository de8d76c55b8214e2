/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver tells administrators and developers: events, which are
 * defined in packaging/wnbd.man and written by LOG, wherever the options
 * LogLevel, DbgPrintEnabled, EtwLoggingEnabled and WppLoggingEnabled want them.
 *
 * A call site writes LOG_BURST events at once and one per second from then on;
 * what is dropped is counted, and the count told with the next event of the
 * site, or when the last adapter goes. At LogLevel 4 nothing is dropped.
 * None of it is for the I/O path, but where that fails.
 */
#pragma once

#include "nt.h"
#include "options.h"

/* Values of the option LogLevel, and DbgPrintEx's levels of the same meaning. */
typedef enum {
    LOG_ERROR = DPFLTR_ERROR_LEVEL,
    LOG_WARNING = DPFLTR_WARNING_LEVEL,
    LOG_INFO = DPFLTR_INFO_LEVEL,
    LOG_DEBUG = 4
} LOG_LEVEL;

/* Of one call of LOG; zero at first. */
typedef struct LOG_SITE LOG_SITE;
struct LOG_SITE {
    LOG_SITE *Next;
    LONG Event;             /* LOG_EVENT_ID */
    volatile LONG64 NextAt; /* interrupt time from which on it has written as little as it may */
    volatile LONG Dropped;  /* since it last wrote */
    volatile LONG Known;    /* is in the list */
};

/* A field. */
typedef union {
    const CHAR *Text; /* UTF-8 */
    UINT64 Number;
    INT64 Signed;
} LOG_VALUE;

#define LOG_FIELDS_MAX 8u

#include "log_events.h"

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline BOOLEAN LogWanted(LONG64 Level)
{
    return OptionsValue(OptionLogLevel) >= Level;
}

/* Writes an event with its fields, in the order and of the types of packaging/wnbd.man. <= DISPATCH_LEVEL. */
#define LOG(Event, ...)                                                                                                \
    do {                                                                                                               \
        static LOG_SITE LogSite;                                                                                       \
        if (LogWanted(LogLevel##Event)) {                                                                              \
            Log##Event(&LogSite, __VA_ARGS__);                                                                         \
        }                                                                                                              \
    } while (0)

/* Milliseconds since that unbiased interrupt time, without those that the machine slept: the fields DurationMs. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline UINT64 LogMsSince(ULONG64 Since)
{
    ULONG64 Now = KeQueryUnbiasedInterruptTime();
    return Now > Since ? (Now - Since) / 10000 : 0;
}

/* Before all others, from DriverEntry. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogStart(void);
/*
 * Around the life of an adapter, in a system thread: the driver is registered with ETW meanwhile, as nothing is certain
 * to run at unload.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEnter(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogLeave(void);
