/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver's options, in the order in which they are listed: the one table
 * of which the driver makes its own and wnbd-client what it says of them.
 *
 * Name, type (of WnbdOpt...), default, smallest and largest value, and when a
 * value takes effect. A Bool is 0 or 1. What is in milliseconds fits in 100 ns
 * units into 64 bits.
 */
#pragma once

/* A value takes effect: once it is set, when an adapter starts. */
typedef enum { OPTION_EFFECT_AT_ONCE, OPTION_EFFECT_AT_START } OPTION_EFFECT;

#define OPTION_TABLE(OPTION)                                                                                           \
    OPTION(LogLevel, Int64, 1, 0, 4, AT_ONCE)                                                                          \
    OPTION(NewMappingsAllowed, Bool, 1, 0, 1, AT_ONCE)                                                                 \
    OPTION(EtwLoggingEnabled, Bool, 1, 0, 1, AT_ONCE)                                                                  \
    OPTION(WppLoggingEnabled, Bool, 0, 0, 1, AT_ONCE)                                                                  \
    OPTION(DbgPrintEnabled, Bool, 1, 0, 1, AT_ONCE)                                                                    \
    OPTION(MaxIOReqPerAdapter, Int64, 1000, 1, 131072, AT_START)                                                       \
    OPTION(MaxIOReqPerLun, Int64, 255, 1, 1024, AT_START)                                                              \
    OPTION(RemoveStaleConnections, Bool, 1, 0, 1, AT_ONCE)                                                             \
    OPTION(StaleReqTimeoutMs, Int64, 15000, 1, 2147483647, AT_ONCE)                                                    \
    OPTION(StaleConnTimeoutMs, Int64, 60000, 1, 2147483647, AT_ONCE)
