/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library's log: one logger and one level for the process, both replaced
 * atomically. A message that is being written while the logger is replaced may
 * still go to the old one.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static PVOID volatile Logger; /* a LogMessageFunc */
static LONG volatile Level = WnbdLogLevelWarning;

VOID WnbdSetLogger(LogMessageFunc NewLogger)
{
    InterlockedExchangePointer(&Logger, (PVOID)(ULONG_PTR)NewLogger);
}

VOID WnbdSetLogLevel(WnbdLogLevel LogLevel)
{
    InterlockedExchange(&Level, (LONG)LogLevel);
}

/* Names of source files are logged without the path that they had at build time. */
static const char *LogFileName(const char *Path)
{
    const char *Slash = strrchr(Path, '/');
    const char *Backslash = strrchr(Path, '\\');
    const char *Last = Slash > Backslash ? Slash : Backslash;
    return Last ? Last + 1 : Path;
}

void LogWrite(WnbdLogLevel MessageLevel, const char *File, UINT32 Line, const char *Function, const char *Format, ...)
{
    if ((LONG)MessageLevel > InterlockedCompareExchange(&Level, 0, 0)) {
        return;
    }
    char Message[WNBD_LOG_MESSAGE_MAX_SIZE];
    va_list Arguments;
    va_start(Arguments, Format);
    int Length = vsnprintf(Message, sizeof(Message), Format, Arguments);
    va_end(Arguments);
    if (Length < 0) {
        return;
    }
    /* msvcrt's vsnprintf leaves a text that is too long without its end. */
    Message[sizeof(Message) - 1] = 0;

    LogMessageFunc Write = (LogMessageFunc)(ULONG_PTR)InterlockedCompareExchangePointer(&Logger, NULL, NULL);
    if (Write) {
        Write(MessageLevel, Message, LogFileName(File), Line, Function);
    } else {
        fprintf(stderr, "libwnbd.dll: %s: %s\n", WnbdLogLevelToStr(MessageLevel), Message);
    }
}
