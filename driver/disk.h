/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk: what Windows sees, its requests, and the channel that serves them.
 *
 * Lifetime: counted references. The adapter's table holds one from DiskAdd to
 * DiskWithdraw, the channel one until its connection is closed, and each call
 * that works with the disk one of its own. The last one hands the disk to a
 * work item, which frees it at PASSIVE_LEVEL after the DPCs have run out.
 */
#pragma once

#include "nt.h"
#include "adapter.h"
#include "channel.h"
#include "pend.h"
#include "queue.h"
#include "scsi/scsi.h"
#include "wnbd_ioctl.h"

typedef enum {
    DISK_CONNECTING, /* named, not shown to Windows yet */
    DISK_ONLINE,     /* shown to Windows */
    DISK_GONE        /* withdrawn: its address answers NO_DEVICE; in the table until its last SRB has ended */
} DISK_STATE;

/* UNMAP descriptors in one command to an NBD disk where the creator names no limit. */
#define DISK_DEFAULT_UNMAP_DESCRIPTORS 256u

struct DISK {
    /* constant after DiskCreate */
    ADAPTER *Adapter;
    UINT64 ConnectionId;
    UCHAR Target; /* bus 0, unit 0 */
    PIO_WORKITEM DestroyWork;
    BOOLEAN CreateExtended; /* the create request is IOCTL_WNBD_CREATE_EX */

    /* protected by Adapter->Lock */
    DISK_STATE State;
    ULONG64 Since; /* unbiased interrupt time at which it was made, then at which it was shown */

    volatile LONG References;

    /* interlocked: Windows has to hear of a new size, from one command */
    volatile LONG SizeChanged;

    /* the create request, until it is answered; has a lock of its own */
    PENDED Create;

    /*
     * protected by Lock; Scsi and Properties are constant once State is DISK_ONLINE, but for the number of blocks in
     * both, which DiskResize changes: StartIo decodes with Scsi and without the lock, as ScsiResize permits
     */
    KSPIN_LOCK Lock;
    WNBD_PROPERTIES Properties;
    SCSI_DISK Scsi;
    QUEUE Queue;
    CHANNEL *Channel;
};

/*
 * A disk with the properties asked for, one reference, not in the table yet. Without UseKernelNbd its requests go to
 * Owner, which the properties have been made for. PASSIVE_LEVEL.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS DiskCreate(ADAPTER *Adapter, const WNBD_PROPERTIES *Properties, PEPROCESS Owner, DISK **Result);

_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskReference(DISK *Disk);
/* Any IRQL <= DISPATCH_LEVEL, no lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskRelease(DISK *Disk);

/* Shows the disk to Windows: Scsi is filled, the channel can serve. False if it was withdrawn meanwhile. No lock held.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN DiskOnline(DISK *Disk);

/*
 * Takes the disk away from Windows, if it is there: its name is free at once,
 * outstanding SRBs end with NO_DEVICE, it leaves the table, the channel is
 * asked to close. Returns FALSE if somebody else did or does it. No lock held,
 * not from inside a completion.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN DiskWithdraw(DISK *Disk);

/*
 * Gives the disk, which is online, another size (ScsiSizeIsValid). Commands that StartIo hasn't decoded yet see it, and
 * the first of them that can tells Windows. What is queued goes to the backend as it is, wherever the end is now. Lock
 * not held.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskResize(DISK *Disk, UINT64 BlockCount);

/* What the outside may know: the published structure. Lock not held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskDescribe(DISK *Disk, PWNBD_CONNECTION_INFO Info);
