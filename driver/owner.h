/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Who serves a disk that a process serves, and when he is gone. Storport tells
 * a virtual miniport nothing of handles, so there are three signs, each enough
 * where it comes (decision 0010):
 *
 * - The system's notification of a process's exit: the process's disks are
 *   withdrawn, and its memory is unlocked, before it returns. There can be 64
 *   routines in a system; without a place for ours the other signs remain.
 * - The process itself, as an object that is signalled once it has ended. It
 *   is asked every OWNER_LOOK_MS as long as there is such a disk at all.
 * - Silence: no fetch and no answer for StaleConnTimeoutMs although something
 *   is awaited, and there is a request that is StaleReqTimeoutMs old, handed
 *   out or waiting, given up by Windows or not. For processes that live and
 *   hang; unless RemoveStaleConnections is false. Looked for at the same time.
 *
 * That its pended fetches are cancelled is no sign: a thread's exit or
 * CancelIoEx does that, too.
 *
 * The time in which the machine sleeps counts neither as silence nor as a
 * request's age.
 *
 * Concurrency: all owners of the driver are in one list, held for PASSIVE_LEVEL
 * work; what a call of the process changes is under the disk's lock.
 */
#pragma once

#include "nt.h"

typedef struct ADAPTER ADAPTER;
typedef struct DISK DISK;

#define OWNER_LOOK_MS 1000u

typedef struct {
    LIST_ENTRY Link; /* in the list from OwnerAdopt to OwnerRelease */
    DISK *Disk;
    PEPROCESS Process; /* as long as Handle is open, no other process has this address */
    HANDLE Handle;
    volatile LONG Locked; /* fetches of the process with memory that is, or is being, locked */
    ULONG64 SilentSince;  /* unbiased interrupt time; 0: nothing is awaited. Under the disk's lock */
} OWNER;

/* An adapter's part; protected by the list. */
typedef struct {
    ULONG Count; /* owners of its disks */
    BOOLEAN Looking;
    KEVENT Idle; /* not Looking */
    KTIMER Timer;
    KDPC Dpc;
    PIO_WORKITEM Work;
} OWNER_WATCH;

/* Before all others, from DriverEntry. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnersStart(void);
/* An adapter comes; it goes when its last disk has. Warns if there is no place for the notification routine. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OwnersEnter(ADAPTER *Adapter);
_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnersLeave(ADAPTER *Adapter);

/* Process, the current one, serves Disk, which isn't in the adapter's table yet. *Owner is zero and stays in place. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OwnerAdopt(OWNER *Owner, DISK *Disk, PEPROCESS Process);
/* Before the disk's memory goes. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnerRelease(OWNER *Owner);

/* Around the time in which memory of the process is locked. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void OwnerLocks(OWNER *Owner)
{
    InterlockedIncrement(&Owner->Locked);
}
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void OwnerUnlocks(OWNER *Owner)
{
    InterlockedDecrement(&Owner->Locked);
}

/* There may be something for the process to do. Disk's lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void OwnerAwaited(OWNER *Owner);
/* It has fetched or answered. Disk's lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void OwnerHeard(OWNER *Owner);
