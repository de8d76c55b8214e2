/* SPDX-License-Identifier: LGPL-2.1-only */
/* Between faults.c, which lives the lives, and faults_served.c, whose disk a process serves. */
#pragma once

#include "bed.h"

/* One try of something; it may fail if a call did meanwhile. */
void TryBegin(void);
bool TryEnd(bool Worked, const char *What);
/* So many calls have failed so far. */
LONG TryGiven(void);

/* A process that makes a disk and serves it. False: a call has failed, and there is none. */
bool ServedMake(void);
/* Keeps an option, and asks for all of them. */
bool ServedTryOptions(BED *Bed);
/* The process ends, and so does its disk; or the disk has been taken away. */
void ServedKill(BED *Bed);
void ServedEnd(void);
