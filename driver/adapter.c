/* SPDX-License-Identifier: LGPL-2.1-only */
/* adapter.h: the adapter's life and its table of disks. */
#include "adapter.h"

#include "disk.h"
#include "ioctl.h"
#include "log.h"
#include "options.h"
#include "status.h"
#include "version.h"

/* Transfers of up to 2 MiB: with one page more, for buffers that don't begin on a page's border. */
#define ADAPTER_PHYSICAL_BREAKS (WNBD_DEFAULT_MAX_TRANSFER_LENGTH / PAGE_SIZE + 1)

/* When to look whether Windows has seen a change, and again if not: each pause is twice as long as the one before. */
#define ADAPTER_WATCH_FIRST_MS 1000u
#define ADAPTER_WATCH_MOST_MS 32000u

/* WDK: PORT_CONFIGURATION_INFORMATION. What isn't set here is Storport's and stays. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterConfigure(const ADAPTER *Adapter, PPORT_CONFIGURATION_INFORMATION Configuration)
{
    Configuration->VirtualDevice = TRUE;
    Configuration->MaximumTransferLength = WNBD_DEFAULT_MAX_TRANSFER_LENGTH;
    Configuration->NumberOfPhysicalBreaks = ADAPTER_PHYSICAL_BREAKS;
    Configuration->AlignmentMask = FILE_BYTE_ALIGNMENT;
    Configuration->NumberOfBuses = 1;
    Configuration->MaximumNumberOfTargets = ADAPTER_TARGETS;
    Configuration->MaximumNumberOfLogicalUnits = 1;
    Configuration->SynchronizationModel = StorSynchronizeFullDuplex;
    Configuration->SrbType = SRB_TYPE_STORAGE_REQUEST_BLOCK;
    /* More than 1000 requests want it; there is no device that could not reach an address. */
    Configuration->Dma64BitAddresses |= SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED;
    Configuration->MaxNumberOfIO = Adapter->MaxRequests;
    Configuration->MaxIOsPerLun = Adapter->DiskDepth;
    Configuration->InitialLunQueueDepth = Adapter->DiskDepth;
}

/* For as long as the adapter is there: its disks are made for these limits. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void AdapterTakeOptions(ADAPTER *Adapter)
{
    OptionsLoad();
    Adapter->SendWindow = OptionsSendWindow();
    Adapter->MaxRequests = (ULONG)OptionsValue(OptionMaxIOReqPerAdapter);
    Adapter->DiskDepth = (USHORT)OptionsValue(OptionMaxIOReqPerLun);
    if (Adapter->DiskDepth > Adapter->MaxRequests) {
        LOG(DiskRequestsLowered, Adapter->DiskDepth, Adapter->MaxRequests);
        Adapter->DiskDepth = (USHORT)Adapter->MaxRequests;
    }
}

/* Changes Stopped or Leaving, and the watch with it. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterSet(ADAPTER *Adapter, BOOLEAN *Member, BOOLEAN Value);

/* Our own device interface, by which libwnbd finds the adapter. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS AdapterEnableInterface(ADAPTER *Adapter, PDEVICE_OBJECT Pdo)
{
    NTSTATUS Status = IoRegisterDeviceInterface(Pdo, &WNBD_GUID, NULL, &Adapter->InterfaceLink);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IoSetDeviceInterfaceState(&Adapter->InterfaceLink, TRUE);
    /* Still enabled from before PnP stopped the adapter and started it again. */
    if (Status == STATUS_OBJECT_NAME_EXISTS) {
        Status = STATUS_SUCCESS;
    }
    Adapter->InterfaceEnabled = NT_SUCCESS(Status);
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void AdapterDisableInterface(ADAPTER *Adapter)
{
    if (Adapter->InterfaceEnabled) {
        IoSetDeviceInterfaceState(&Adapter->InterfaceLink, FALSE);
        Adapter->InterfaceEnabled = FALSE;
    }
    RtlFreeUnicodeString(&Adapter->InterfaceLink);
    RtlInitUnicodeString(&Adapter->InterfaceLink, NULL);
}

/*
 * Once more for an extension that Storport has kept: after PnP has stopped the adapter, or in place of
 * ScsiRestartAdapter at DISPATCH_LEVEL (WDK, HwFindAdapter). Nothing that it holds depends on what was stopped: disks
 * and connections stay.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterFindAgain(ADAPTER *Adapter)
{
    AdapterSet(Adapter, &Adapter->Leaving, FALSE);
    AdapterSet(Adapter, &Adapter->Stopped, FALSE);
}

_Use_decl_annotations_
ULONG AdapterFind(PVOID Extension, PVOID Pdo, PVOID Fdo, PVOID Lower, PCHAR Arguments,
                  PPORT_CONFIGURATION_INFORMATION Configuration, PBOOLEAN Again)
{
    UNREFERENCED_PARAMETER(Lower);
    ADAPTER *Adapter = Extension;
    *Again = FALSE;
    /* No crash dump to a disk that the network serves (WDK, Restrictions on Miniport Drivers that Manage the Boot
     * Drive). */
    if (Arguments != NULL && strstr(Arguments, "dump=1") != NULL) {
        return SP_RETURN_NOT_FOUND;
    }
    if (Adapter->Started) {
        AdapterFindAgain(Adapter);
        AdapterConfigure(Adapter, Configuration);
        return SP_RETURN_FOUND;
    }
    RtlZeroMemory(Adapter, sizeof(*Adapter));
    KeInitializeSpinLock(&Adapter->Lock);
    KeInitializeEvent(&Adapter->NoDisks, NotificationEvent, TRUE);
    KeInitializeEvent(&Adapter->NoPended, NotificationEvent, TRUE);
    Adapter->Fdo = Fdo;
    Adapter->NextConnectionId = 1;
    Adapter->StartedAt = KeQueryUnbiasedInterruptTime();
    LogEnter();
    AdapterTakeOptions(Adapter);
    AdapterConfigure(Adapter, Configuration);
    NTSTATUS Status = NetStart(&Adapter->Net);
    if (NT_SUCCESS(Status)) {
        Status = OwnersEnter(Adapter);
    }
    if (NT_SUCCESS(Status)) {
        Status = AdapterEnableInterface(Adapter, Pdo);
    }
    if (!NT_SUCCESS(Status)) {
        LOG(AdapterStartFailed, (UINT32)Status);
        AdapterDisableInterface(Adapter);
        OwnersLeave(Adapter);
        NetStop(&Adapter->Net);
        LogLeave();
        return SP_RETURN_ERROR;
    }
    Adapter->Started = TRUE;
    LOG(AdapterStarted, WNBD_VERSION_STRING, Adapter->MaxRequests, Adapter->DiskDepth);
    return SP_RETURN_FOUND;
}

_Use_decl_annotations_
BOOLEAN AdapterInitialize(PVOID Extension)
{
    /* Its IRQL is documented in two ways; nothing has to be done here. */
    UNREFERENCED_PARAMETER(Extension);
    return TRUE;
}

_Use_decl_annotations_
SCSI_ADAPTER_CONTROL_STATUS AdapterControl(PVOID Extension, SCSI_ADAPTER_CONTROL_TYPE Type, PVOID Parameters)
{
    ADAPTER *Adapter = Extension;
    static const SCSI_ADAPTER_CONTROL_TYPE Supported[] = {ScsiQuerySupportedControlTypes, ScsiStopAdapter,
                                                          ScsiRestartAdapter};
    switch (Type) {
    case ScsiQuerySupportedControlTypes: {
        PSCSI_SUPPORTED_CONTROL_TYPE_LIST List = Parameters;
        for (ULONG Index = 0; Index < RTL_NUMBER_OF(Supported); Index++) {
            if ((ULONG)Supported[Index] < List->MaxControlType) {
                List->SupportedTypeList[Supported[Index]] = TRUE;
            }
        }
        return ScsiAdapterControlSuccess;
    }
    case ScsiStopAdapter: /* also on the way to sleep: nothing may be freed; Storport has drained the requests */
        AdapterSet(Adapter, &Adapter->Stopped, TRUE);
        return ScsiAdapterControlSuccess;
    case ScsiRestartAdapter: /* connections that did not survive have ended their disks */
        AdapterSet(Adapter, &Adapter->Stopped, FALSE);
        return ScsiAdapterControlSuccess;
    default:
        return ScsiAdapterControlUnsuccessful;
    }
}

/* The adapter goes and takes the disk with it, in whatever state that is. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterDismiss(DISK *Disk)
{
    static const CREATE_OUTCOME Leaving = {.Win32Error = WIN32_SHUTDOWN_IN_PROGRESS,
                                           .Phase = WnbdCreatePhaseConnect,
                                           .Message = "the adapter is being removed"};
    IoctlCreateDone(Disk, &Leaving);
    DiskWithdraw(Disk);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterPendBegin(ADAPTER *Adapter)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Adapter->PendedCount++ == 0) {
        KeClearEvent(&Adapter->NoPended);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterPendEnd(ADAPTER *Adapter)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (--Adapter->PendedCount == 0) {
        KeSetEvent(&Adapter->NoPended, IO_NO_INCREMENT, FALSE);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterAnswerIfLeaving(ADAPTER *Adapter, DISK *Disk)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    BOOLEAN Leaving = Adapter->Leaving;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Leaving) {
        AdapterDismiss(Disk);
    }
}

_Use_decl_annotations_
VOID AdapterCompleteServiceIrps(PVOID Extension)
{
    ADAPTER *Adapter = Extension;
    AdapterSet(Adapter, &Adapter->Leaving, TRUE); /* first: what the walk has passed stays passed */
    DISK *Disk;
    UINT64 Id = 0;
    while ((Disk = AdapterDiskAfter(Adapter, Id)) != NULL) {
        Id = Disk->ConnectionId;
        AdapterDismiss(Disk);
        DiskRelease(Disk);
    }
    /* What somebody else has taken to answer, or has cancelled, is answered in a moment. PASSIVE_LEVEL, no locks. */
    KeWaitForSingleObject(&Adapter->NoPended, Executive, KernelMode, FALSE, NULL);
}

_Use_decl_annotations_
VOID AdapterFree(PVOID Extension)
{
    ADAPTER *Adapter = Extension;
    if (!Adapter->Started) {
        return; /* AdapterFind has failed, or never ran */
    }
    AdapterCompleteServiceIrps(Adapter);
    /* PASSIVE_LEVEL; what is waited for runs in DPCs and work items. */
    KeWaitForSingleObject(&Adapter->NoDisks, Executive, KernelMode, FALSE, NULL);
    /* Who set the event has let go of the lock when we get it. */
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    AdapterDisableInterface(Adapter);
    OwnersLeave(Adapter);
    NetStop(&Adapter->Net);
    Adapter->Started = FALSE;
    LOG(AdapterStopped, LogMsSince(Adapter->StartedAt));
    LogLeave();
}

/* ---- the table ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS AdapterDiskCreated(ADAPTER *Adapter)
{
    NTSTATUS Status = STATUS_SUCCESS;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Adapter->Leaving) {
        /* Checked here, too: what AdapterFree has waited for stays the last. */
        Status = STATUS_SHUTDOWN_IN_PROGRESS;
    } else if (Adapter->DiskCount == ADAPTER_DISKS_MAX) {
        Status = STATUS_QUOTA_EXCEEDED;
    } else if (Adapter->DiskCount++ == 0) {
        KeClearEvent(&Adapter->NoDisks);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Status;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterDiskDestroyed(ADAPTER *Adapter)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    /* Under the lock, which AdapterFree takes after the event: we are done with the adapter then. */
    if (--Adapter->DiskCount == 0) {
        KeSetEvent(&Adapter->NoDisks, IO_NO_INCREMENT, FALSE);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskAt(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun)
{
    if (Path != 0 || Target >= ADAPTER_TARGETS || Lun != 0) {
        return NULL;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    DISK *Disk = Adapter->Targets[Target].Disk;
    if (Disk != NULL && Disk->State == DISK_ONLINE) {
        DiskReference(Disk);
    } else {
        Disk = NULL;
        Adapter->Targets[Target].Seen = FALSE;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Disk;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskToReset(ADAPTER *Adapter, ULONG Target)
{
    if (Target >= ADAPTER_TARGETS) {
        return NULL;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    DISK *Disk = Adapter->Targets[Target].Disk;
    if (Disk != NULL) {
        DiskReference(Disk);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Disk;
}

/* The disk at this place, if it is more than one that is being withdrawn. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static DISK *AdapterPresent(const ADAPTER_TARGET *Place)
{
    return Place->Disk != NULL && Place->Disk->State != DISK_GONE ? Place->Disk : NULL;
}

/* Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static DISK *AdapterFindName(ADAPTER *Adapter, const CHAR *InstanceName)
{
    for (ULONG Target = 0; Target < ADAPTER_TARGETS; Target++) {
        DISK *Disk = AdapterPresent(&Adapter->Targets[Target]);
        if (Disk != NULL && strcmp(Disk->Properties.InstanceName, InstanceName) == 0) {
            return Disk;
        }
    }
    return NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskNamed(ADAPTER *Adapter, const CHAR *InstanceName)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    DISK *Disk = AdapterFindName(Adapter, InstanceName);
    if (Disk != NULL) {
        DiskReference(Disk);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Disk;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskOf(ADAPTER *Adapter, UINT64 ConnectionId)
{
    ULONG Target = (ULONG)(ConnectionId & ((1u << ADAPTER_ID_SHIFT) - 1));
    if (Target >= ADAPTER_TARGETS) {
        return NULL;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    DISK *Disk = AdapterPresent(&Adapter->Targets[Target]);
    if (Disk != NULL && Disk->ConnectionId == ConnectionId) {
        DiskReference(Disk);
    } else {
        Disk = NULL;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Disk;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN AdapterDiskReference(ADAPTER *Adapter, DISK *Disk)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    BOOLEAN There = AdapterPresent(&Adapter->Targets[Disk->Target]) == Disk;
    if (There) {
        DiskReference(Disk);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return There;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
DISK *AdapterDiskAfter(ADAPTER *Adapter, UINT64 Id)
{
    DISK *Next = NULL;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (ULONG Target = 0; Target < ADAPTER_TARGETS; Target++) {
        DISK *Disk = AdapterPresent(&Adapter->Targets[Target]);
        if (Disk != NULL && Disk->ConnectionId > Id && (Next == NULL || Disk->ConnectionId < Next->ConnectionId)) {
            Next = Disk;
        }
    }
    if (Next != NULL) {
        DiskReference(Next);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Next;
}

/* Lock held. ADAPTER_TARGETS: all are taken. */
_IRQL_requires_(DISPATCH_LEVEL)
static ULONG AdapterFreeTarget(const ADAPTER *Adapter)
{
    for (ULONG Target = 0; Target < ADAPTER_TARGETS; Target++) {
        const ADAPTER_TARGET *Place = &Adapter->Targets[Target];
        if (Place->Disk == NULL && !Place->Seen && !Place->Made) {
            return Target;
        }
    }
    return ADAPTER_TARGETS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS AdapterAddDisk(ADAPTER *Adapter, DISK *Disk)
{
    NTSTATUS Status = STATUS_SUCCESS;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    ULONG Target = AdapterFreeTarget(Adapter);
    if (Adapter->Leaving) {
        Status = STATUS_SHUTDOWN_IN_PROGRESS;
    } else if (AdapterFindName(Adapter, Disk->Properties.InstanceName) != NULL) {
        Status = STATUS_OBJECT_NAME_COLLISION;
    } else if (Target == ADAPTER_TARGETS) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
    } else {
        Disk->Target = (UCHAR)Target;
        Disk->ConnectionId = Adapter->NextConnectionId++ << ADAPTER_ID_SHIFT | Target;
        DiskReference(Disk);
        Adapter->Targets[Target].Disk = Disk;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Status;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterRemoveDisk(ADAPTER *Adapter, DISK *Disk)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Targets[Disk->Target].Disk = NULL;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN AdapterUnitSeen(ADAPTER *Adapter, const DISK *Disk)
{
    ADAPTER_TARGET *Place = &Adapter->Targets[Disk->Target];
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    BOOLEAN There = AdapterPresent(Place) == Disk;
    if (There) {
        Place->Seen = TRUE;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return There;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterSetMade(ADAPTER *Adapter, UCHAR Target, BOOLEAN Made, BOOLEAN Lost)
{
    if (Target >= ADAPTER_TARGETS) {
        return;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Targets[Target].Made = Made;
    Adapter->Targets[Target].Lost = Lost;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitMade(ADAPTER *Adapter, UCHAR Target)
{
    AdapterSetMade(Adapter, Target, TRUE, FALSE);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitLost(ADAPTER *Adapter, UCHAR Target)
{
    AdapterSetMade(Adapter, Target, TRUE, TRUE);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterUnitRemoved(ADAPTER *Adapter, UCHAR Target)
{
    AdapterSetMade(Adapter, Target, FALSE, FALSE);
}

/* ---- what Windows has to see ---- */

/* A disk came or went at this place, and Windows doesn't know. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN AdapterUnnoticed(const ADAPTER_TARGET *Place)
{
    const DISK *Disk = AdapterPresent(Place);
    if (Disk == NULL) {
        return Place->Seen || (Place->Made && !Place->Lost);
    }
    return Disk->State == DISK_ONLINE && !Place->Seen;
}

static HW_TIMER AdapterWatch;

/*
 * Has Storport call AdapterWatch when it is time, or not any more. Storport has one timer for this, a request takes the
 * place of the one before, and 0 cancels it [StorPortNotification for RequestTimerCall routine]. Requests of several
 * processors may overtake each other on their way: who was overtaken asks once more, so that the last request is of the
 * last change.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterWatchRequest(ADAPTER *Adapter)
{
    BOOLEAN Overtaken;
    do {
        KIRQL Irql;
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        ULONG Changes = Adapter->WatchChanges;
        ULONG DelayMs = Adapter->Leaving || Adapter->Stopped ? 0 : Adapter->WatchMs;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        StorPortNotification(RequestTimerCall, Adapter, AdapterWatch, DelayMs * 1000);
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Overtaken = Changes != Adapter->WatchChanges;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
    } while (Overtaken);
}

_IRQL_requires_(DISPATCH_LEVEL)
static void AdapterSetWatch(ADAPTER *Adapter, ULONG DelayMs)
{
    Adapter->WatchMs = DelayMs;
    Adapter->WatchChanges++;
}

/* WDK: HW_TIMER. DISPATCH_LEVEL. May have been on its way when it was cancelled. */
_Use_decl_annotations_
static VOID AdapterWatch(PVOID Extension)
{
    ADAPTER *Adapter = Extension;
    BOOLEAN Unnoticed = FALSE;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    ULONG WaitedMs = Adapter->WatchMs;
    BOOLEAN Cancelled = Adapter->Leaving || Adapter->Stopped || WaitedMs == 0;
    for (ULONG Target = 0; Target < ADAPTER_TARGETS && !Unnoticed && !Cancelled; Target++) {
        Unnoticed = AdapterUnnoticed(&Adapter->Targets[Target]);
    }
    if (!Cancelled) {
        ULONG DelayMs = WaitedMs * 2 < ADAPTER_WATCH_MOST_MS ? WaitedMs * 2 : ADAPTER_WATCH_MOST_MS;
        AdapterSetWatch(Adapter, Unnoticed ? DelayMs : 0);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Unnoticed) {
        LOG(ChangeMissed, WaitedMs);
        StorPortNotification(BusChangeDetected, Adapter, 0);
        AdapterWatchRequest(Adapter);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void AdapterRescan(ADAPTER *Adapter)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    AdapterSetWatch(Adapter, ADAPTER_WATCH_FIRST_MS);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    StorPortNotification(BusChangeDetected, Adapter, 0);
    AdapterWatchRequest(Adapter);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void AdapterSet(ADAPTER *Adapter, BOOLEAN *Member, BOOLEAN Value)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    *Member = Value;
    Adapter->WatchChanges++;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    AdapterWatchRequest(Adapter);
}
