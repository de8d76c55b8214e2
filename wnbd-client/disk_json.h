/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Disks and counters as JSON. Scripts read it: docs/statistics.md has the keys, which only ever grow. Each function
 * returns 0, or a Win32 error code after reporting it.
 */
#pragma once

#include <stdint.h>

#include <wnbd.h>

#include "disk_limits.h"

/* All of `list --json`. */
uint32_t DiskJsonPrintList(const WNBD_CONNECTION_LIST *List);

/* All of `show --json`. */
uint32_t DiskJsonPrintInfo(const WNBD_CONNECTION_INFO *Info, const DISK_LIMITS *Limits);

/* All of `stats --json`; with an earlier look at the same disk also what happened since, otherwise Before is NULL. */
uint32_t DiskJsonPrintStats(const char *InstanceName, const WNBD_DRV_STATS_EX *Stats, const WNBD_DRV_STATS_EX *Before);
