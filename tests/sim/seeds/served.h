/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process that serves a slot's disk: threads that fetch its requests, carry
 * them out on the slot's medium, and answer them, each in its own time. Some
 * threads take fetches back, have too little room or take their memory away;
 * some send answers that have to be refused: forged, twice, of another type or
 * length. The process may be slow, fall silent, or end at any moment.
 */
#pragma once

#include "life.h"

/* As the seed has it, in the plan that was drawn for a server: what the process promises of the disk, what it does. */
void ServedDraw(SLOT *Slot);
/* The process begins and makes the disk. True: it is there. */
bool ServedStart(SLOT *Slot, WNBD_PROPERTIES *Properties);
SERVER_COUNTS ServedCounts(const SERVED *Served);
/* Ends at once, and the disk with it, sooner or later. */
void ServedKill(SERVED *Served);
/* The process has done what the disk has to go for. */
bool ServedCondemned(const SERVED *Served);
/* The disk is gone, or never was: waits until all threads have noticed, and ends the process. */
void ServedStop(SLOT *Slot);
/* Somebody else fetches the disk's requests, or answers them: he must be refused. */
void ServedIntrude(SLOT *Slot);
