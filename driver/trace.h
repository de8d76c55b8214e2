/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver tells a debugger: DbgPrintEx under the component that is
 * meant for third parties' drivers (WDK, Reading and Filtering Debugging
 * Messages). Not for the I/O path. IRQL: any; no %ws, %S, %Z above PASSIVE.
 */
#pragma once

#include "nt.h"

#define TraceError(Format, ...)                                                                                        \
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "wnbd: " Format "\n" __VA_OPT__(, ) __VA_ARGS__)
#define TraceWarning(Format, ...)                                                                                      \
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_WARNING_LEVEL, "wnbd: " Format "\n" __VA_OPT__(, ) __VA_ARGS__)
#define TraceInfo(Format, ...)                                                                                         \
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "wnbd: " Format "\n" __VA_OPT__(, ) __VA_ARGS__)
