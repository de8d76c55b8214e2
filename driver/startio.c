/* SPDX-License-Identifier: LGPL-2.1-only */
/* startio.h: what each kind of SRB becomes. */
#include "startio.h"

#include "disk.h"
#include "log.h"
#include "srb.h"

#define SCSI_OPERATION_INQUIRY 0x12
#define SCSI_OPERATION_READ_CAPACITY_10 0x25
#define SCSI_OPERATION_SERVICE_ACTION_IN_16 0x9E /* READ CAPACITY (16) */

_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoEnd(ADAPTER *Adapter, PVOID Srb, UCHAR Status)
{
    SrbSetStatus(Srb, Status);
    SrbComplete(Adapter, Srb);
}

/* The answer is complete. A transfer that is shorter than asked lowers the length (WDK, SCSI_REQUEST_BLOCK). */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoAnswer(ADAPTER *Adapter, PVOID Srb, const SCSI_RESULT *Result)
{
    BOOLEAN Good = Result->Status == SCSI_STATUS_GOOD;
    ULONG LengthBytes = Good ? (ULONG)Result->DataLength : 0;
    if (LengthBytes < SrbDataLength(Srb)) {
        SrbSetDataLength(Srb, LengthBytes);
    }
    SrbSetScsiResult(Srb, Result->Status, &Result->Sense);
    SrbComplete(Adapter, Srb);
}

/* Where the SRB's bytes are. FALSE: there is no way to them, and the SRB has been completed. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN StartIoMap(ADAPTER *Adapter, PVOID Srb, PVOID *Data)
{
    ULONG Status = StorPortGetSystemAddress(Adapter, Srb, Data);
    if (Status == STOR_STATUS_SUCCESS) {
        return TRUE;
    }
    if (Status == STOR_STATUS_INSUFFICIENT_RESOURCES) {
        /* Not at present; nobody else has seen the SRB, so Storport may take it back. */
        SrbSetQueueFull(Srb);
        SrbComplete(Adapter, Srb);
    } else {
        /* It has no memory, and will have none when it is tried again. */
        SrbSetDataLength(Srb, 0);
        StartIoEnd(Adapter, Srb, SRB_STATUS_INVALID_REQUEST);
    }
    return FALSE;
}

/* Hands a block request to the disk's queue. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoSubmit(DISK *Disk, PVOID Srb, SCSI_RESULT *Result)
{
    ADAPTER *Adapter = Disk->Adapter;
    PVOID Data = NULL;
    BOOLEAN Moves = Result->Action == SCSI_ACTION_READ || Result->Action == SCSI_ACTION_WRITE ||
                    Result->Action == SCSI_ACTION_PERSISTENT_RESERVE_IN ||
                    Result->Action == SCSI_ACTION_PERSISTENT_RESERVE_OUT;
    if (Moves && Result->DataLength != 0 && !StartIoMap(Adapter, Srb, &Data)) {
        return;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    QUEUE_RESULT Queued = QueueSubmit(&Disk->Queue, Srb, Result, Data);
    if (Queued == QUEUE_ACCEPTED && Moves && Result->DataLength < SrbDataLength(Srb)) {
        SrbSetDataLength(Srb, (ULONG)Result->DataLength);
    }
    BOOLEAN Alone = Disk->Queue.Stats.OutstandingIOCount == 1;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    switch (Queued) {
    case QUEUE_ACCEPTED:
        Disk->Channel->Type->Kick(Disk->Channel, Alone);
        break;
    case QUEUE_NOTHING:
        Result->Status = SCSI_STATUS_GOOD;
        Result->DataLength = 0;
        StartIoAnswer(Adapter, Srb, Result);
        break;
    case QUEUE_FULL:
        SrbSetQueueFull(Srb);
        SrbComplete(Adapter, Srb);
        break;
    case QUEUE_CLOSED:
        SrbSetDataLength(Srb, 0);
        StartIoEnd(Adapter, Srb, SRB_STATUS_NO_DEVICE);
        break;
    }
}

/*
 * TRUE: Result tells Windows that the disk has another size, in place of what was asked for. One command does. No other
 * notice is given: a scan sends INQUIRY and REPORT LUNS only, which don't tell, and class drivers that hear it read the
 * capacity again (WDK, classpnp sample, ClassInterpretSenseInfo).
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN StartIoResized(DISK *Disk, PVOID Srb, const UCHAR *Cdb, UCHAR CdbLength, SCSI_RESULT *Result)
{
    return ReadNoFence(&Disk->SizeChanged) != FALSE &&
           ScsiReportAttention(&ScsiCapacityChanged, Cdb, CdbLength, SrbDataBuffer(Srb), SrbDataLength(Srb), Result) &&
           InterlockedExchange(&Disk->SizeChanged, FALSE) != FALSE;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoScsi(DISK *Disk, PVOID Srb)
{
    ADAPTER *Adapter = Disk->Adapter;
    UCHAR CdbLength = 0;
    const UCHAR *Cdb = SrbCdb(Srb, &CdbLength);
    if (Cdb == NULL || CdbLength == 0) {
        SrbSetDataLength(Srb, 0);
        StartIoEnd(Adapter, Srb, SRB_STATUS_INVALID_REQUEST);
        return;
    }
    if (Cdb[0] == SCSI_OPERATION_INQUIRY && !AdapterUnitSeen(Adapter, Disk)) {
        SrbSetDataLength(Srb, 0);
        StartIoEnd(Adapter, Srb, SRB_STATUS_NO_DEVICE);
        return;
    }
    if (Cdb[0] == SCSI_OPERATION_READ_CAPACITY_10 || Cdb[0] == SCSI_OPERATION_SERVICE_ACTION_IN_16) {
        /* Not a scan's, but a class driver's. */
        AdapterUnitMade(Adapter, Disk->Target);
    }
    SCSI_RESULT Result;
    if (!StartIoResized(Disk, Srb, Cdb, CdbLength, &Result)) {
        ScsiDecode(&Disk->Scsi, Cdb, CdbLength, SrbDataBuffer(Srb), SrbDataLength(Srb), &Result);
    }
    if (Result.Action == SCSI_ACTION_DONE) {
        StartIoAnswer(Adapter, Srb, &Result);
    } else {
        StartIoSubmit(Disk, Srb, &Result);
    }
}

/* Gives back every SRB of the targets. Some may be on their way to Storport on other processors when it returns. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoAbort(ADAPTER *Adapter, ULONG FirstTarget, ULONG LastTarget)
{
    for (ULONG Target = FirstTarget; Target <= LastTarget; Target++) {
        DISK *Disk = AdapterDiskToReset(Adapter, Target);
        if (Disk == NULL) {
            continue;
        }
        LIST_ENTRY Done;
        InitializeListHead(&Done);
        KIRQL Irql;
        KeAcquireSpinLock(&Disk->Lock, &Irql);
        ULONG Requests = (ULONG)Disk->Queue.Stats.OutstandingIOCount;
        ULONG64 Oldest = QueueOldest(&Disk->Queue);
        LOG(DiskReset, Disk->Properties.InstanceName, Target, Requests, Oldest != 0 ? LogMsSince(Oldest) : 0);
        QueueAbort(&Disk->Queue, SRB_STATUS_BUS_RESET, Disk->Channel, &Done);
        QueueUnlock(Disk, Irql, &Done);
        DiskRelease(Disk);
    }
}

/*
 * Answers a reset SRB, whose targets have given back everything, when nothing of that is on its way to Storport: now,
 * or called again by the last completion.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoResetOn(PVOID Extension, QUEUE_RESET *Reset)
{
    while (Reset->NextTarget <= Reset->LastTarget) {
        DISK *Disk = AdapterDiskToReset(Extension, Reset->NextTarget++);
        if (Disk == NULL) {
            continue;
        }
        KIRQL Irql;
        KeAcquireSpinLock(&Disk->Lock, &Irql);
        BOOLEAN Finished = QueueResetDone(&Disk->Queue, Reset);
        KeReleaseSpinLock(&Disk->Lock, Irql);
        DiskRelease(Disk);
        if (!Finished) {
            return;
        }
    }
    StartIoEnd(Extension, Reset->Srb, SRB_STATUS_SUCCESS);
}

/*
 * A target has one unit. Where there is no disk (any more), nothing is left to give back, and the reset has succeeded:
 * a failure would only lead to the reset of a bus full of healthy disks.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void StartIoReset(ADAPTER *Adapter, PVOID Srb, ULONG FirstTarget, ULONG LastTarget)
{
    QUEUE_RESET *Reset = SrbExtension(Srb);
    Reset->Srb = Srb;
    Reset->Done = StartIoResetOn;
    Reset->NextTarget = FirstTarget;
    Reset->LastTarget = LastTarget;
    StartIoAbort(Adapter, FirstTarget, LastTarget);
    StartIoResetOn(Adapter, Reset);
}

_Use_decl_annotations_
BOOLEAN StartIoResetBus(PVOID Extension, ULONG PathId)
{
    UNREFERENCED_PARAMETER(PathId);
    StartIoAbort(Extension, 0, ADAPTER_TARGETS - 1);
    /* What another processor was completing meanwhile counts, too (WDK, bug check 0xF0, 1). */
    for (ULONG Target = 0; Target < ADAPTER_TARGETS; Target++) {
        DISK *Disk = AdapterDiskToReset(Extension, Target);
        if (Disk != NULL) {
            QueueSettle(Disk);
            DiskRelease(Disk);
        }
    }
    return TRUE;
}

/*
 * The disk can be ejected by software and survives being pulled. With these
 * bits Windows doesn't offer it in "Safely Remove Hardware".
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
static UCHAR StartIoCapabilities(PVOID Srb)
{
    if (SrbDataLength(Srb) < sizeof(STOR_DEVICE_CAPABILITIES_EX) || SrbDataBuffer(Srb) == NULL) {
        return SRB_STATUS_DATA_OVERRUN;
    }
    PSTOR_DEVICE_CAPABILITIES_EX Capabilities = SrbDataBuffer(Srb);
    RtlZeroMemory(Capabilities, sizeof(*Capabilities));
    Capabilities->Version = STOR_DEVICE_CAPABILITIES_EX_VERSION_1;
    Capabilities->Size = sizeof(*Capabilities);
    Capabilities->Removable = 1;
    Capabilities->SilentInstall = 1;
    Capabilities->SurpriseRemovalOK = 1;
    SrbSetDataLength(Srb, sizeof(*Capabilities));
    return SRB_STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static UCHAR StartIoPnp(ADAPTER *Adapter, PVOID Srb, UCHAR Target)
{
    STOR_PNP_ACTION Action;
    ULONG Flags;
    if (!SrbPnp(Srb, &Action, &Flags)) {
        return SRB_STATUS_INVALID_REQUEST;
    }
    BOOLEAN ForAdapter = (Flags & SRB_PNP_FLAGS_ADAPTER_REQUEST) != 0;
    if (!ForAdapter && (Action == StorQueryCapabilities || Action == StorStartDevice)) {
        AdapterUnitMade(Adapter, Target);
    }
    switch (Action) {
    case StorQueryCapabilities:
        return ForAdapter ? SRB_STATUS_INVALID_REQUEST : StartIoCapabilities(Srb);
    case StorRemoveDevice:
        if (!ForAdapter) {
            AdapterUnitRemoved(Adapter, Target);
        }
        return SRB_STATUS_SUCCESS;
    case StorSurpriseRemoval:
        if (!ForAdapter) {
            AdapterUnitLost(Adapter, Target);
        }
        return SRB_STATUS_SUCCESS;
    case StorStopDevice:
        return SRB_STATUS_SUCCESS;
    default:
        return SRB_STATUS_INVALID_REQUEST;
    }
}

_Use_decl_annotations_
BOOLEAN StartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)
{
    ADAPTER *Adapter = Extension;
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    ULONG Addressed;
    DISK *Disk;
    SrbAddress(Srb, &Path, &Target, &Lun);
    switch (SrbFunction(Srb)) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        Disk = AdapterDiskAt(Adapter, Path, Target, Lun);
        if (Disk == NULL) {
            SrbSetDataLength(Srb, 0);
            StartIoEnd(Adapter, Srb, SRB_STATUS_NO_DEVICE);
        } else {
            StartIoScsi(Disk, Srb);
            DiskRelease(Disk);
        }
        break;
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
    case SRB_FUNCTION_RESET_DEVICE:
        Addressed = Path == 0 ? Target : ADAPTER_TARGETS; /* there is one bus only */
        StartIoReset(Adapter, Srb, Addressed, Addressed);
        break;
    case SRB_FUNCTION_RESET_BUS:
        StartIoReset(Adapter, Srb, 0, ADAPTER_TARGETS - 1);
        break;
    case SRB_FUNCTION_PNP:
        StartIoEnd(Adapter, Srb, StartIoPnp(Adapter, Srb, Target));
        break;
    case SRB_FUNCTION_FLUSH: /* the driver caches nothing: class drivers flush with SYNCHRONIZE CACHE */
    case SRB_FUNCTION_SHUTDOWN:
    case SRB_FUNCTION_POWER:
        StartIoEnd(Adapter, Srb, SRB_STATUS_SUCCESS);
        break;
    default:
        StartIoEnd(Adapter, Srb, SRB_STATUS_INVALID_REQUEST);
        break;
    }
    return TRUE;
}

_Use_decl_annotations_
SCSI_UNIT_CONTROL_STATUS StartIoUnitControl(PVOID Extension, SCSI_UNIT_CONTROL_TYPE Type, PVOID Parameters)
{
    switch (Type) {
    case ScsiQuerySupportedUnitControlTypes: {
        PSCSI_SUPPORTED_CONTROL_TYPE_LIST List = Parameters;
        if (ScsiUnitRemove < List->MaxControlType) {
            List->SupportedTypeList[ScsiUnitRemove] = TRUE;
        }
        return ScsiUnitControlSuccess;
    }
    case ScsiUnitRemove: {
        const STOR_ADDR_BTL8 *Address = Parameters;
        AdapterUnitRemoved(Extension, Address->Target);
        return ScsiUnitControlSuccess;
    }
    default:
        return ScsiUnitControlUnsuccessful;
    }
}
