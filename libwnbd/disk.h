/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is behind a PWNBD_DISK. The public structure is the first member, so
 * that its published layout can stay while this one grows.
 *
 * Life: WnbdCreate makes a disk with one reference, the owner's, which
 * WnbdClose gives back. Each thread of the library that works for the disk has
 * one too; the last one to go frees it.
 */
#pragma once

#include "internal.h"

/* A thread of the dispatcher, in dispatch.c. */
typedef struct WORKER WORKER;

typedef struct {
    WNBD_DISK Public;
    volatile LONG References;
    HANDLE Stop;  /* event: fetch nothing any more. NULL: the driver serves the disk. The same as long as the disk */
    SRWLOCK Lock; /* protects Public's flags, sizes and counters, and the rest */
    WORKER *Workers;
    UINT32 Living;   /* threads of the dispatcher that have not ended */
    UINT32 Removals; /* removals that this process has begun and not finished */
    bool Removed;    /* one has succeeded */
    bool Ended;      /* the driver has said, or shown, that the disk is gone */
    DWORD Error;     /* what ended the dispatcher; 0 after a removal */
} DISK;

static inline DISK *DiskOf(PWNBD_DISK Disk)
{
    return (DISK *)Disk;
}

/* ---- disk.c ---- */

void DiskReference(DISK *Disk);

/* Frees the disk with the last reference. */
void DiskRelease(DISK *Disk);

/* ---- dispatch.c ---- */

/*
 * WnbdRemove of a disk that this process serves. Called by one of the
 * dispatcher's own threads it only begins: the removal may need that thread's
 * answers, so another one carries it out.
 */
DWORD DispatcherRemove(DISK *Disk, const WNBD_REMOVE_OPTIONS *Options);

/* Ends the dispatcher, and the disk if it is still there, hard; waits for its threads unless called by one of them. */
void DispatcherClose(DISK *Disk);

/* Frees what the dispatcher had. No thread of it is left, or only the caller. */
void DispatcherFree(DISK *Disk);

/* ---- answer.c ---- */

/* Counts a request that came from the driver. */
void StatsReceived(DISK *Disk);

/* Counts one that goes to its callback now, or that is refused. */
void StatsSubmitted(DISK *Disk, const WNBD_IO_REQUEST *Request);
void StatsInvalid(DISK *Disk);
