/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver, alive for all inputs of a fuzz target: it is loaded with the
 * first one and unloaded, with all checks for what was left behind, when the
 * process ends. After each input everything is as before, or it is a finding.
 *
 * No input reaches the network: whatever address the driver is told to connect
 * to, it is the loopback device's, and the target's own server listens there.
 */
#pragma once

#include "bed.h"
#include "input.h"
#include "script.h"

#define LIVE_DEADLINE_MS 60000u
/* Bytes of the memory behind LiveServe. */
#define LIVE_MEMORY_BYTES (1024u * 1024)

extern BED LiveBed;

/* With the first input: starts the server, loads the driver. Play as in script.h; Disks as in LiveOpen. */
void LiveStart(void (*Play)(PEER *Peer), const char *const *Disks, size_t DiskCount);

/* The disks that exist for all inputs, in the order of LiveStart: a name that begins with "ro" is read-only, 4096. */
extern DISK LiveDisks[2];

/* A Play for LiveStart: a server without a fault, whose medium is LiveMemory. */
void LiveServe(PEER *Peer);
extern uint8_t LiveMemory[LIVE_MEMORY_BYTES];

/* IOCTL_WNBD_CREATE_EX for a disk on the target's server. Returns the result's status, 0 for a disk. */
uint32_t LiveMap(const char *Name, bool ReadOnly);
/* Removes every disk but those of LiveStart and waits until memory, IRPs, sockets and all else are as before. */
void LiveSettle(void);
