/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk "other" that a process serves well, and random I/O to it beside
 * whatever a test does to others: what is read there is what was written, or
 * the test fails. There is one.
 */
#pragma once

#include "provider.h"

/* The first disk of Bed. When it returns, all is allocated that the disk ever needs. */
void NeighbourStart(BED *Bed, uint64_t Seed);
/* The I/O, until NeighbourRest, which returns how many rounds of it there were. */
void NeighbourBegin(void);
unsigned NeighbourRest(void);
void NeighbourStop(void);
/* For those who would misuse it. */
WNBD_CONNECTION_ID NeighbourId(void);
