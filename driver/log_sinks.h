/* SPDX-License-Identifier: LGPL-2.1-only */
/* Between log.c, which decides about events, and log_etw.c and log_wpp.c, which write them where Windows wants them. */
#pragma once

#include "log.h"

typedef struct {
    const CHAR *Name;
    LOG_LEVEL Level;
    const CHAR *Types; /* of the fields: s text, u number, x number of 32 bits in hexadecimal, q 64 bits, i signed */
    const CHAR *Message;
    EVENT_DESCRIPTOR Descriptor;
} LOG_EVENT;

/* The size of a field that is a number of this type. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline ULONG LogFieldSize(CHAR Type)
{
    return Type == 'u' || Type == 'x' ? sizeof(UINT32) : sizeof(UINT64);
}

/* Event Tracing for Windows, where nothing happens while nobody listens. Begin and end while nobody writes. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEtwStart(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEtwStop(void);
_IRQL_requires_max_(DISPATCH_LEVEL)
void LogEtwWrite(const LOG_EVENT *Event, const LOG_VALUE *Values);

/* WPP software tracing, in the same way. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogWppStart(void);
_IRQL_requires_max_(PASSIVE_LEVEL)
void LogWppStop(void);
_IRQL_requires_max_(DISPATCH_LEVEL)
void LogWppWrite(const LOG_EVENT *Event, const LOG_VALUE *Values);
