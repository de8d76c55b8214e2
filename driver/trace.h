/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver tells a debugger: DbgPrintEx under the component that is
 * meant for third parties' drivers (WDK, Reading and Filtering Debugging
 * Messages), as far as the options LogLevel and DbgPrintEnabled want it. Not
 * for the I/O path. IRQL: any; no %ws, %S, %Z above PASSIVE.
 */
#pragma once

#include "nt.h"
#include "options.h"

#define TraceWrite(Level, Format, ...)                                                                                 \
    ((void)(OptionsValue(OptionDbgPrintEnabled) && OptionsValue(OptionLogLevel) >= (Level) &&                          \
            DbgPrintEx(DPFLTR_IHVDRIVER_ID, (Level), "wnbd: " Format "\n" __VA_OPT__(, ) __VA_ARGS__)))
#define TraceError(...) TraceWrite(DPFLTR_ERROR_LEVEL, __VA_ARGS__)
#define TraceWarning(...) TraceWrite(DPFLTR_WARNING_LEVEL, __VA_ARGS__)
#define TraceInfo(...) TraceWrite(DPFLTR_INFO_LEVEL, __VA_ARGS__)
