/* SPDX-License-Identifier: LGPL-2.1-only */
/* Many transfers under way at once, writes and reads by turns, for what happens to them when something ends. */
#pragma once

#include "bed.h"

#define FLIGHT_DEPTH_MAX 48u

typedef struct {
    uint32_t Depth;
    DISK_IO Io[FLIGHT_DEPTH_MAX];
    UCHAR *Data[FLIGHT_DEPTH_MAX];
} FLIGHT;

/* Begins Depth transfers (up to FLIGHT_DEPTH_MAX) of LengthBytes each, one behind the other on the disk. */
void FlightBegin(FLIGHT *Flight, DISK *Disk, uint32_t Depth, uint32_t LengthBytes);

/*
 * Every request ends; its memory is gone right after. Returns how many were lost; the others must have succeeded.
 * BUS_RESET is Storport's way to empty a bus that goes away.
 */
unsigned FlightEnd(FLIGHT *Flight);
