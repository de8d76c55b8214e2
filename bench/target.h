/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver's whole path, natively: the program is the class driver that
 * sends SRBs into the Storport host of the test bed, which gives them to the
 * driver; a completed request is sent again from its completion routine. The
 * test bed runs with one processor: everything at DISPATCH_LEVEL happens in one
 * thread, as it does in the peers.
 *
 *     TargetsStart(&Bench);
 *     ... TargetCreate and TargetAwait, from disk 0 on ...
 *     TargetsRun();
 *     ... TargetRemove, down to disk 0 ...
 *     TargetsStop();
 *
 * Threads: the one that has called TargetsStart. What fails ends the program.
 */
#pragma once

#include "bench.h"
#include "native.h"

#include <wnbd_ioctl.h>

/* The adapter, opened by a process. */
extern NATIVE_FILE *TargetControl;

/* NT, the driver, an adapter. */
void TargetsStart(BENCH *Bench);
/* Makes disk Number, whose properties but the name are given. */
void TargetCreate(uint32_t Number, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result);
/* Until Windows has it. */
void TargetAwait(uint32_t Number);
/* Sends what Bench asks for to all of its disks, until it has been measured. */
void TargetsRun(void);
/* Until Windows has forgotten it. */
void TargetRemove(uint32_t Number);
void TargetsStop(void);
