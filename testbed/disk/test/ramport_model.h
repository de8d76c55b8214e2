/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramport.sys: the disk behind the port driver, a piece of memory that answers SCSI commands. Called by one thread.
 */
#pragma once

#include "nt.h"
#include "storport.h"

#include "ramport.h"

extern RAMPORT_DISK Model;
extern UCHAR *Medium;

/* Completes the SRB's status fields with CHECK CONDITION and the given sense. */
VOID ModelSense(SCSI_REQUEST_BLOCK *Srb, ULONG Key, ULONG Code, ULONG Qualifier);

/* Performs the command; Data is the mapped buffer, NULL without one. */
VOID ModelServe(SCSI_REQUEST_BLOCK *Srb, UCHAR *Data);
