/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What holds of a disk's queue (driver/queue.h) whenever nobody works on it:
 * looked at each time that the disk's lock is let go, which the linker brings
 * here (--wrap), as it does the queues' making, whose depth the seed decides:
 * in one of a few slots, a lost one is missed at once.
 */
#pragma once

/* A life begins. */
void InvariantsBegin(void);
