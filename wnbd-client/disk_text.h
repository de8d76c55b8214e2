/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How disks and counters are written. Scripts read this text: names, order and columns are fixed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <wnbd.h>

#include "disk_limits.h"

/* The header and one line for `list`. */
void DiskTextPrintHeader(void);
void DiskTextPrintRow(const WNBD_CONNECTION_INFO *Info);

/* All of `show`. */
void DiskTextPrintInfo(const WNBD_CONNECTION_INFO *Info, const DISK_LIMITS *Limits);

/*
 * All of `stats`. Now is the present interrupt time in 100 ns units, the clock of the driver's time stamps. Times are
 * printed in milliseconds; -1 for what has not happened, 0 if a time stamp is ahead of Now (the clock ticks coarsely).
 */
void DiskTextPrintStats(const WNBD_DRV_STATS *Stats, uint64_t Now);

/* `stats --watch`: the header, and the lines for what each operation did between two looks; "idle" if none did
 * anything. */
void DiskTextPrintWatchHeader(void);
void DiskTextPrintWatch(const WNBD_DRV_STATS_EX *Before, const WNBD_DRV_STATS_EX *Now);
