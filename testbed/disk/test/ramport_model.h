/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramport.sys: a disk behind the port driver, a piece of memory that answers SCSI commands. Called by one thread.
 */
#pragma once

#include "nt.h"
#include "storport.h"

#include "ramport.h"

/* The start of a disk; behind it writes are lost and reads give zeroes. */
#define MEDIUM_MOST (64ull << 20)

typedef struct {
    RAMPORT_DISK Disk;
    UCHAR *Medium;
    ULONGLONG MediumBytes;
} MODEL;

/* Makes a disk's medium, zeroed, in pool with this tag; the caller frees it. STATUS_INSUFFICIENT_RESOURCES. */
NTSTATUS ModelCreate(MODEL *Model, const RAMPORT_DISK *Wanted, ULONG Tag);

/* Completes the SRB's status fields with CHECK CONDITION and the given sense. */
VOID ModelSense(SCSI_REQUEST_BLOCK *Srb, ULONG Key, ULONG Code, ULONG Qualifier);

/* Performs the command; Data is the mapped buffer, NULL without one. */
VOID ModelServe(const MODEL *Model, SCSI_REQUEST_BLOCK *Srb, UCHAR *Data);
