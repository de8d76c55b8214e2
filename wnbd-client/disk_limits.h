/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How many requests Windows lets be in flight to a disk.
 */
#pragma once

#include <stdint.h>

/* -1: not known, because the disk has no number yet or does not tell. */
typedef struct {
    int64_t PerLun;
    int64_t PerAdapter;
} DISK_LIMITS;

/*
 * Asks the disk \\.\PhysicalDriveN, DiskNumber being N or -1.
 */
DISK_LIMITS DiskLimitsRead(int32_t DiskNumber);
