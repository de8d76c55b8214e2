/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter: one per root device, the owner of the table of disks. It is
 * Storport's device extension, which is zeroed when first allocated and not
 * when the adapter is started again: AdapterFind sets every field, after it has
 * looked at Started.
 *
 * Addresses: one bus, one disk per target, always unit 0, so that REPORT LUNS
 * to unit 0 finds each. An address is used again only when Windows has heard
 * that the unit is gone and has let go of the device that was there.
 */
#pragma once

#include "nt.h"
#include "net.h"
#include "owner.h"
#include <storport.h>

typedef struct DISK DISK;

/* Targets of the bus; Storport's maximum (WDK, PORT_CONFIGURATION_INFORMATION). */
#define ADAPTER_TARGETS 255u

/* A ConnectionId is a number that is never used again, and behind it, in so many bits, the target. */
#define ADAPTER_ID_SHIFT 8

/*
 * Disks that may exist. One that was withdrawn has no address and keeps its memory until its connection is closed,
 * which may take as long as resolving a name: without a limit, a caller who makes and cancels fills the pool.
 */
#define ADAPTER_DISKS_MAX (ADAPTER_TARGETS + 65u)

typedef struct {
    DISK *Disk;   /* NULL: no disk answers here */
    BOOLEAN Seen; /* an INQUIRY was answered, and nothing with NO_DEVICE since: Windows takes the unit for there */
    BOOLEAN Made; /* Windows has made a device of the unit and has not removed it yet */
    BOOLEAN Lost; /* of that device Windows knows that its unit is gone; it ends with its last handle */
} ADAPTER_TARGET;

struct ADAPTER {
    BOOLEAN Started; /* AdapterFree has something to do */

    /* constant between AdapterFind and AdapterFree */
    PDEVICE_OBJECT Fdo;
    UNICODE_STRING InterfaceLink;
    BOOLEAN InterfaceEnabled;
    ULONG64 StartedAt; /* unbiased interrupt time */
    ULONG SendWindow;  /* sends that a connection may have in flight */
    ULONG MaxRequests; /* that Storport lets be in flight to all disks, and to each */
    USHORT DiskDepth;
    NET Net;

    OWNER_WATCH Owners; /* has a lock of its own */

    KSPIN_LOCK Lock; /* protects what follows */
    ADAPTER_TARGET Targets[ADAPTER_TARGETS];
    UINT64 NextConnectionId;
    ULONG DiskCount;    /* disks that exist, whether in the table or not */
    BOOLEAN Leaving;    /* no new disks, and nobody to tell of changes */
    BOOLEAN Stopped;    /* between ScsiStopAdapter and the restart: no timer */
    ULONG PendedCount;  /* create and fetch requests that are pended, or being completed */
    KEVENT NoPended;    /* PendedCount is 0 */
    ULONG WatchMs;      /* until AdapterWatch looks again; 0: there is nothing to look for */
    ULONG WatchChanges; /* of WatchMs, Leaving and Stopped */
    KEVENT NoDisks;     /* DiskCount is 0 */
};

/* Storport's callbacks; see their pages for IRQL and order. */
VIRTUAL_HW_FIND_ADAPTER AdapterFind;
HW_INITIALIZE AdapterInitialize;
HW_ADAPTER_CONTROL AdapterControl;
HW_FREE_ADAPTER_RESOURCES AdapterFree;
/* Answers what is pended and takes all disks away; no new ones come. */
HW_COMPLETE_SERVICE_IRP AdapterCompleteServiceIrps;
/* Around the pending of a request, until StorPortCompleteServiceIrp has returned. <= DISPATCH_LEVEL, no lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterPendBegin(ADAPTER *Adapter);
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterPendEnd(ADAPTER *Adapter);
/* For a create request that was pended while that ran: answers it if it did. <= DISPATCH_LEVEL. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterAnswerIfLeaving(ADAPTER *Adapter, DISK *Disk);

/*
 * The disk at an address with a reference for the caller. NULL if there is
 * none: the caller says so to Windows (NO_DEVICE). <= DISPATCH_LEVEL.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskAt(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun);

/*
 * For resets: the disk that SRBs of this target may still belong to, in whatever state, with a reference. NULL: every
 * SRB that one had is complete. <= DISPATCH_LEVEL.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskToReset(ADAPTER *Adapter, ULONG Target);

/* The disk of that name (bytes compared), with a reference; NULL if there is none. */
_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskNamed(ADAPTER *Adapter, const CHAR *InstanceName);

/* The disk of that ConnectionId unless it is being withdrawn, with a reference; NULL if there is none (any more). */
_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskOf(ADAPTER *Adapter, UINT64 ConnectionId);

/* A reference to Disk, which is there somehow, unless it isn't in the table (any more) or is being withdrawn. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN AdapterDiskReference(ADAPTER *Adapter, DISK *Disk);

/*
 * The disk with the lowest ConnectionId above Id that is not being withdrawn, with a reference; NULL at the end. For
 * walking all disks.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskAfter(ADAPTER *Adapter, UINT64 Id);

/*
 * Enters a new disk: gives it a target and a ConnectionId. Fails with
 * STATUS_OBJECT_NAME_COLLISION, STATUS_SHUTDOWN_IN_PROGRESS (the adapter is going
 * away) or STATUS_INSUFFICIENT_RESOURCES (no address free).
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS AdapterAddDisk(ADAPTER *Adapter, DISK *Disk);
/* Takes a disk that is DISK_GONE out of the table; the table's reference stays the caller's. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterRemoveDisk(ADAPTER *Adapter, DISK *Disk);

/*
 * Counts the disks that exist: AdapterFree waits for the last. PASSIVE_LEVEL. Fails with STATUS_SHUTDOWN_IN_PROGRESS
 * (the adapter is going away) or STATUS_QUOTA_EXCEEDED (ADAPTER_DISKS_MAX).
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS AdapterDiskCreated(ADAPTER *Adapter);
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterDiskDestroyed(ADAPTER *Adapter);

/*
 * What Windows knows of a unit, on which the reuse of its address depends: an
 * INQUIRY is answered (FALSE: Disk has just been withdrawn, say NO_DEVICE);
 * there is a device for it; the device has lost its unit; it is removed.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN AdapterUnitSeen(ADAPTER *Adapter, const DISK *Disk);
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitMade(ADAPTER *Adapter, UCHAR Target);
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitLost(ADAPTER *Adapter, UCHAR Target);
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitRemoved(ADAPTER *Adapter, UCHAR Target);

/*
 * Asks Windows to look at the bus again, and again until it has seen what
 * changed: Storport has been seen to ignore a notification that came soon after
 * another. Any number of processors at once. That looks with Storport's one
 * timer (WDK, StorPortNotification for RequestTimerCall routine; of the older
 * model, SCSI Miniport Driver's HwScsiTimer Routine: a call on its way is not
 * cancelled any more), which is cancelled while the adapter is stopped and when
 * it goes (WDK, SCSI_ADAPTER_CONTROL_TYPE: ScsiStopAdapter halts everything).
 * <= DISPATCH_LEVEL, no lock held.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterRescan(ADAPTER *Adapter);
