/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramport.sys: the disk behind the port driver, a piece of memory that answers SCSI commands. Called by one thread.
 */
#pragma once

#include "nt.h"
#include "storport.h"

#include "ramport.h"

extern RAMPORT_DISK Model;
/* The start of the disk; behind it writes are lost and reads give zeroes. */
#define MEDIUM_MOST (64ull << 20)
extern UCHAR *Medium;
extern ULONGLONG MediumBytes;

/* Completes the SRB's status fields with CHECK CONDITION and the given sense. */
VOID ModelSense(SCSI_REQUEST_BLOCK *Srb, ULONG Key, ULONG Code, ULONG Qualifier);

/* Performs the command; Data is the mapped buffer, NULL without one. */
VOID ModelServe(SCSI_REQUEST_BLOCK *Srb, UCHAR *Data);
