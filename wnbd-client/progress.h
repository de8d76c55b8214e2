/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Tells who watches what a command waits for, once that takes longer than a second.
 */
#pragma once

/*
 * From now on the console that standard error is shows What (ASCII, which stays where it is) and for how many seconds.
 * NULL, or no console: nothing. One at a time.
 */
void ProgressBegin(const char *What);

/* The end of it, if it has begun. In the thread that began it. */
void ProgressEnd(void);
