/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What can be said of latencies that have been counted in buckets.
 */
#pragma once

#include <stdint.h>

#include <wnbd.h>

/* Names of operations, as people see them, by WnbdOperation. */
extern const char *const LatencyNames[WNBD_OPERATION_COUNT];

#define LATENCY_NONE 0            /* no request */
#define LATENCY_BEYOND UINT64_MAX /* longer than the largest bound */

/*
 * So many of 100 requests, Percent, took at most as long: the upper bound of a bucket, microseconds; LATENCY_NONE or
 * LATENCY_BEYOND.
 */
uint64_t LatencyPercentile(const UINT64 Latencies[WNBD_LATENCY_BUCKETS], unsigned Percent);

/* Seconds between two looks at the same disk; more than 0. */
double LatencyInterval(const WNBD_DRV_STATS_EX *Before, const WNBD_DRV_STATS_EX *Now);

/* What has been counted between two looks at the same disk: Result is Now less Before. */
void LatencyBetween(const WNBD_OPERATION_STATS *Before, const WNBD_OPERATION_STATS *Now, WNBD_OPERATION_STATS *Result);
