/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * wnbddisk.sys: a disk class driver for systems that have none (Wine). It attaches to the logical units that the port
 * driver enumerates, and serves each as \\.\PhysicalDriveN. A system with a real disk.sys uses the port driver alone.
 *
 * It behaves as disk.sys and classpnp.sys are documented, or are known from their published samples, to behave towards
 * the two sides that the tests see: the SRBs that reach the port driver, and the results that applications get.
 *
 * Threads: dispatch routines never wait, every request that needs the device is pended (Wine dispatches all IRPs of
 * all drivers in one thread). Completions come in any thread, at IRQL <= DISPATCH_LEVEL; nothing here is pageable.
 * Only START, REMOVE and AddDevice wait, in the PnP manager's thread at PASSIVE_LEVEL.
 */
#pragma once

#include "nt.h"
#include "storport.h"
#include <ntdddisk.h>
#include <ntddscsi.h>
#include <ntddstor.h>

#define DISK_TAG 0x6B736944u /* "Disk" in a pool listing */

/* A disk's life in PnP's terms. */
typedef enum {
    DISK_ADDED,            /* attached, or stopped: no I/O yet */
    DISK_STARTED,          /* serves I/O */
    DISK_REMOVE_PENDING,   /* agreed to go: serves I/O, refuses new handles */
    DISK_SURPRISE_REMOVED, /* the device is gone: every request fails */
    DISK_REMOVED           /* detached, waiting to be deleted */
} DISK_STATE;

/* Vital product data pages B0h and B2h: what classpnp keeps of them, and what it assumes without B0h. */
typedef struct {
    BOOLEAN Unmap;          /* LBPU */
    BOOLEAN ReadZeros;      /* LBPRZ */
    BOOLEAN Anchor;         /* ANC_SUP */
    BOOLEAN Thin;           /* the provisioning type */
    BOOLEAN AlignmentValid; /* UGAVALID */
    ULONG UnmapBlocks;      /* the most in one UNMAP; 0xFFFFFFFF: no limit */
    ULONG UnmapDescriptors; /* likewise */
    ULONG GranularityBlocks;
    ULONG AlignmentBlocks;
} PROVISIONING;

#define IDENTITY_BYTES 64u /* of page 83h, enough to tell disks apart */

/* What has become of IRP_MN_REMOVE_DEVICE after a surprise removal. */
typedef enum {
    REMOVAL_NONE,
    REMOVAL_WAITS, /* for the last handle, as Windows' PnP manager waits before it sends the request */
    REMOVAL_RUNS   /* the port driver is being told */
} REMOVAL;

typedef struct {
    /* Set by AddDevice, constant afterwards. */
    PDEVICE_OBJECT Fdo;
    PDEVICE_OBJECT Pdo;
    PDEVICE_OBJECT Lower;
    ULONG Number;     /* N of PhysicalDriveN */
    ULONG Sequence;   /* n of DRn: never used twice, so a disk that lingers blocks nobody's name */
    HANDLE Directory; /* \Device\HarddiskN, ours until the number is given back */

    /* Set by START, constant while the disk serves I/O. */
    ULONG MaxTransferBytes;
    ULONG MaxPages; /* 0: no limit */
    BOOLEAN WriteCache;
    BOOLEAN ForceUnitAccess;
    BOOLEAN NoSeekPenalty;
    BOOLEAN RemovableMedia;
    BOOLEAN SurpriseRemovalOk;
    PROVISIONING Provisioning;
    UCHAR Identity[IDENTITY_BYTES];
    BOOLEAN LinkCreated;
    UNICODE_STRING Interface;

    /* Set while the removal waits or runs. */
    PIO_WORKITEM RemovalWork;
    KEVENT RemovalDone;

    /* Counts the requests in flight; REMOVE waits for them. */
    IO_REMOVE_LOCK RemoveLock;
    LONG CapacityRefreshing; /* interlocked: a READ CAPACITY after a unit attention is on its way */

    /* Protected by Lock. */
    KSPIN_LOCK Lock;
    DISK_STATE State;
    REMOVAL Removal;
    ULONG OpenCount;    /* open handles, by whatever name */
    ULONG OwnOpenCount; /* of these, the ones whose file object points to Fdo itself */
    ULONG BlockBytes;
    ULONG PhysicalBlockBytes;
    ULONGLONG LengthBytes;
    ULONGLONG Attributes; /* DISK_ATTRIBUTE_... */

    /* Protected by the lock of name.c: removed disks whose device objects are to be deleted. */
    LIST_ENTRY LingerLink;
    ULONGLONG LingerSince; /* ClockMs */
} DISK;

/* A consistent view of what READ CAPACITY said. IRQL <= DISPATCH_LEVEL. */
typedef struct {
    ULONG BlockBytes;
    ULONG PhysicalBlockBytes;
    ULONGLONG LengthBytes;
} DISK_SIZE;

DISK_SIZE DiskSize(DISK *Disk);
DISK_STATE DiskState(DISK *Disk);

/*
 * Entry of every request that needs the device: takes the remove lock, unless the disk can't serve (any more). On
 * failure nothing is held and the status is what the caller completes the IRP with: STATUS_DEVICE_DOES_NOT_EXIST after
 * a removal, as classpnp, STATUS_DEVICE_NOT_READY before START.
 */
NTSTATUS DiskEnter(DISK *Disk, PVOID Tag);

/* Completes an IRP that entered, and leaves. IRQL <= DISPATCH_LEVEL, no lock held. Returns Status. */
NTSTATUS DiskComplete(DISK *Disk, PIRP Irp, NTSTATUS Status, ULONG_PTR Information);

/* Completes an IRP that did not enter. Returns Status. */
NTSTATUS IrpComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information);

/*
 * Milliseconds of a clock that only counts. Not KeQueryInterruptTime: that reads shared memory at a fixed address,
 * which Wine has to emulate instruction by instruction.
 */
ULONGLONG ClockMs(VOID);

/* Non-paged, zeroed pool; NULL when there is none. */
PVOID DiskAllocate(SIZE_T Bytes);

/* pnp.c */
DRIVER_ADD_DEVICE DiskAddDevice;
DRIVER_DISPATCH DiskPnp;

/* The last handle of a disk whose removal waits was closed; the caller has set REMOVAL_RUNS. <= DISPATCH_LEVEL. */
VOID DiskRemovalGoesOn(DISK *Disk);

/* probe.c: asks the device what it is, as Windows does on arrival. PASSIVE_LEVEL, waits. */
NTSTATUS ProbeDisk(DISK *Disk);

/* Reads the capacity again without waiting; Irp (may be NULL) is completed with the result, after having entered. */
NTSTATUS ProbeCapacityAgain(DISK *Disk, PIRP Irp);

/* transfer.c: IRP_MJ_READ, IRP_MJ_WRITE and IRP_MJ_FLUSH_BUFFERS of a disk that was entered. */
NTSTATUS TransferReadWrite(DISK *Disk, PIRP Irp);
NTSTATUS TransferFlush(DISK *Disk, PIRP Irp);

/*
 * Has an orderly removal's last word: flushes the disk's write cache, after the last request. (On Windows the file
 * system does that when it dismounts; here there is none.) PASSIVE_LEVEL, waits.
 */
VOID TransferFlushLast(DISK *Disk);

/* ioctl.c: IRP_MJ_DEVICE_CONTROL of a disk that was entered. */
NTSTATUS IoctlDispatch(DISK *Disk, PIRP Irp);

/* Hands the IRP of a disk that was entered to the port driver, and leaves when that has completed it. */
NTSTATUS IoctlBelow(DISK *Disk, PIRP Irp);

/*
 * The handlers of ioctl.c's table in other files: each completes the IRP of a disk that was entered, or pends it. The
 * table has checked the sizes of the buffers.
 */
NTSTATUS PropertyQuery(DISK *Disk, PIRP Irp);
NTSTATUS TrimDispatch(DISK *Disk, PIRP Irp);
NTSTATUS AttributesGet(DISK *Disk, PIRP Irp);
NTSTATUS AttributesSet(DISK *Disk, PIRP Irp);

/* attributes.c: what was set to last for a disk of this identity. PASSIVE_LEVEL, at START. */
VOID AttributesRestore(DISK *Disk);

/* Whether writes are refused by the disk's attributes. IRQL <= DISPATCH_LEVEL. */
BOOLEAN AttributesReadOnly(DISK *Disk);
