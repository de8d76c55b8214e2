/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the tests of hostile servers share: an adapter with a disk on a good
 * server, which must not notice anything; the driver's log; and a look whether
 * everything is as it was before a case.
 */
#pragma once

#include "bed.h"
#include "script.h"
#include "server.h"

/* Size of the exports, bytes, where it does not matter. */
#define HOSTILE_SIZE (1024u * 1024)

typedef struct {
    BED Bed;
    SERVER Good;
    DISK GoodDisk;
    UCHAR Pattern;
    NATIVE_COUNTS Before; /* with "good" and nothing else */
} HOSTILE;

/* Starts the test bed and maps "good", which is the adapter's first child. */
void HostileStart(HOSTILE *Hostile, uint64_t Seed);
void HostileStop(HOSTILE *Hostile);

/* A case begins: empties the log. */
void HostileBegin(const char *What);
/*
 * It ends: waits until no disk but "good" is left and memory, IRPs, MDLs, work items, devices, handles, sockets are as
 * after HostileStart; "good" is written and read.
 */
void HostileEnd(HOSTILE *Hostile);

/* Waits until the driver has logged this line: "wnbd: <Text> (...)", where the fields follow. */
void HostileExpectLog(const char *Text);
/* Empties the log in the middle of a case. */
void HostileForgetLog(void);
/* How many lines of warnings and errors, without those of failed requests, there have been since the case began. */
unsigned HostileLogLines(void);
