/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A side door into the driver, beside the port driver that hosts it: a test
 * calls its callbacks as any Storport might, with SRBs that the one of the test
 * bed never makes. The driver runs as always; only what belongs to the test's
 * SRBs comes here instead (the linker's --wrap).
 *
 *     BedStart(...); the adapter is there
 *     DOOR_SRB Srb;
 *     DoorClassic(&Srb, SRB_FUNCTION_EXECUTE_SCSI, 0, 0, 0);
 *     CHECK(DoorSend(&Srb) == SRB_STATUS_...);
 */
#pragma once

#include "bed.h"

typedef struct {
    union {
        SCSI_REQUEST_BLOCK Classic;
        SCSI_PNP_REQUEST_BLOCK ClassicPnp;
        STORAGE_REQUEST_BLOCK Extended;
        UCHAR Bytes[384];
    } Srb;
    KEVENT Completed;
    UCHAR Sense[32];
    UCHAR Extension[256]; /* SrbExtensionSize */
    ULONG AddressStatus;  /* what StorPortGetSystemAddress says of it; its address is the data buffer */
} DOOR_SRB;

/* What the driver has registered, and its device extension: that of the adapter that was found last. */
extern HW_INITIALIZATION_DATA DoorHw;
extern PVOID DoorExtension;

/* The next command is cancelled when it is with the port driver and not yet with the driver. */
extern bool DoorCancelNext;

/* A classic SRB for an address, with no data and no CDB. */
void DoorClassic(DOOR_SRB *Srb, UCHAR Function, UCHAR Path, UCHAR Target, UCHAR Lun);
/* An extended one with room for one block; returns that block, of BlockType and all zero. */
PVOID DoorExtended(DOOR_SRB *Srb, ULONG Function, UCHAR Target, ULONG BlockType);
/* A classic or an extended one with a CDB for unit 0 of Target. */
void DoorScsi(DOOR_SRB *Srb, bool Extended, UCHAR Target, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
              void *Data, ULONG Length);

/* HwStartIo; DoorWait waits for its end and returns the status without flags. */
void DoorBegin(DOOR_SRB *Srb);
UCHAR DoorWait(DOOR_SRB *Srb);
UCHAR DoorSend(DOOR_SRB *Srb);
