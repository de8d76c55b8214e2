/* SPDX-License-Identifier: LGPL-2.1-only */
/* disk.h: a disk's life. */
#include "disk.h"

#include "channel_nbd.h"
#include "channel_user.h"
#include "log.h"
#include "pool.h"
#include "version.h"

/* INQUIRY product revision level: the version, 4 characters. */
#define DISK_REVISION_OF(Major, Minor) #Major "." #Minor " "
#define DISK_REVISION_TEXT(Major, Minor) DISK_REVISION_OF(Major, Minor)
static const CHAR DiskRevision[] = DISK_REVISION_TEXT(WNBD_VERSION_MAJOR, WNBD_VERSION_MINOR);
C_ASSERT(sizeof(DiskRevision) == sizeof(((SCSI_DISK *)NULL)->Revision));

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI DiskDestroy(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    DISK *Disk = Context;
    ADAPTER *Adapter = Disk->Adapter;
    /* The release that brought us here may have come from one of the channel's DPCs; its memory goes now. */
    KeFlushQueuedDpcs();
    if (Disk->Channel != NULL) {
        Disk->Channel->Type->Free(Disk->Channel);
    }
    QueueFree(&Disk->Queue);
    PIO_WORKITEM Work = Disk->DestroyWork;
    PoolFree(Disk);
    AdapterDiskDestroyed(Adapter);
    IoFreeWorkItem(Work);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void DiskCreateCancelled(PENDED *Pended)
{
    DISK *Disk = CONTAINING_RECORD(Pended, DISK, Create);
    AdapterPendEnd(Disk->Adapter);
    DiskWithdraw(Disk);
    DiskRelease(Disk);
}

/* What Windows sees of it before, and apart from, what the server says. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void DiskDefaults(DISK *Disk)
{
    WNBD_PROPERTIES *Properties = &Disk->Properties;
    if (Properties->SerialNumber[0] == '\0') {
        RtlCopyMemory(Properties->SerialNumber, Properties->InstanceName, sizeof(Properties->SerialNumber));
    }
    if (Properties->MaxUnmapDescCount == 0) {
        Properties->MaxUnmapDescCount = Properties->Flags.UseKernelNbd ? DISK_DEFAULT_UNMAP_DESCRIPTORS : 1;
    }
    if (Properties->NbdProperties.Flags.SkipNegotiation && Properties->BlockSize == 0) {
        Properties->BlockSize = WNBD_DEFAULT_BLOCK_SIZE;
    }
    SCSI_DISK *Scsi = &Disk->Scsi;
    RtlCopyMemory(Scsi->SerialNumber, Properties->SerialNumber, sizeof(Scsi->SerialNumber));
    RtlCopyMemory(Scsi->Revision, DiskRevision, sizeof(Scsi->Revision));
    Scsi->NaaSpecified = Properties->Flags.NaaIdSpecified;
    RtlCopyMemory(Scsi->Naa, Properties->NaaIdentifier.data, sizeof(Scsi->Naa));
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS DiskCreate(ADAPTER *Adapter, const WNBD_PROPERTIES *Properties, PEPROCESS Owner, DISK **Result)
{
    NTSTATUS Status = AdapterDiskCreated(Adapter);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    DISK *Disk = PoolAllocate(sizeof(*Disk));
    if (Disk == NULL) {
        AdapterDiskDestroyed(Adapter);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Disk->Adapter = Adapter;
    Disk->References = 1;
    Disk->State = DISK_CONNECTING;
    Disk->Since = KeQueryUnbiasedInterruptTime();
    KeInitializeSpinLock(&Disk->Lock);
    PendInitialize(&Disk->Create, Adapter, DiskCreateCancelled);
    Disk->Properties = *Properties;
    DiskDefaults(Disk);
    Disk->DestroyWork = IoAllocateWorkItem(Adapter->Fdo);
    Status =
        Disk->DestroyWork != NULL ? QueueInitialize(&Disk->Queue, Adapter->DiskDepth) : STATUS_INSUFFICIENT_RESOURCES;
    if (NT_SUCCESS(Status)) {
        Status = Properties->Flags.UseKernelNbd ? NbdChannelCreate(Disk, &Disk->Channel)
                                                : UserChannelCreate(Disk, Owner, &Disk->Channel);
    }
    if (!NT_SUCCESS(Status)) {
        QueueFree(&Disk->Queue);
        if (Disk->DestroyWork != NULL) {
            IoFreeWorkItem(Disk->DestroyWork);
        }
        PoolFree(Disk);
        AdapterDiskDestroyed(Adapter);
        return Status;
    }
    *Result = Disk;
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskReference(DISK *Disk)
{
    InterlockedIncrement(&Disk->References);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskRelease(DISK *Disk)
{
    if (InterlockedDecrement(&Disk->References) == 0) {
        IoQueueWorkItem(Disk->DestroyWork, DiskDestroy, DelayedWorkQueue, Disk);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void DiskLogOnline(const DISK *Disk, UINT64 DurationMs)
{
    const WNBD_PROPERTIES *Properties = &Disk->Properties;
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    if (Properties->Flags.UseKernelNbd) {
        LOG(DiskConnected, Properties->InstanceName, Nbd->Hostname, Nbd->PortNumber, Disk->Target, DurationMs);
    } else {
        LOG(DiskServed, Properties->InstanceName, (UINT32)Properties->Pid, Disk->Target);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN DiskOnline(DISK *Disk)
{
    ADAPTER *Adapter = Disk->Adapter;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    BOOLEAN Online = Disk->State == DISK_CONNECTING;
    UINT64 DurationMs = LogMsSince(Disk->Since);
    if (Online) {
        Disk->State = DISK_ONLINE;
        Disk->Since = KeQueryUnbiasedInterruptTime();
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Online) {
        DiskLogOnline(Disk, DurationMs);
        AdapterRescan(Adapter);
    }
    return Online;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN DiskWithdraw(DISK *Disk)
{
    ADAPTER *Adapter = Disk->Adapter;
    KIRQL Irql;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    DISK_STATE State = Disk->State;
    Disk->State = DISK_GONE;
    UINT64 DurationMs = LogMsSince(Disk->Since);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (State == DISK_GONE) {
        return FALSE;
    }
    LIST_ENTRY Done;
    InitializeListHead(&Done);
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    QueueClose(&Disk->Queue, Disk->Channel, &Done);
    QueueUnlock(Disk, Irql, &Done);
    /* Until its last SRB is Storport's again, a reset finds the disk at its address. */
    QueueSettle(Disk);
    AdapterRemoveDisk(Adapter, Disk);
    Disk->Channel->Type->Close(Disk->Channel);
    if (State == DISK_ONLINE) {
        LOG(DiskWithdrawn, Disk->Properties.InstanceName, Disk->Target, DurationMs);
        AdapterRescan(Adapter);
    }
    DiskRelease(Disk);
    return TRUE;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskResize(DISK *Disk, UINT64 BlockCount)
{
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    if (Disk->Properties.BlockCount != BlockCount) {
        Disk->Properties.BlockCount = BlockCount;
        ScsiResize(&Disk->Scsi, BlockCount);
        /* After the size, which who is told reads next. */
        InterlockedExchange(&Disk->SizeChanged, TRUE);
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void DiskDescribe(DISK *Disk, PWNBD_CONNECTION_INFO Info)
{
    RtlZeroMemory(Info, sizeof(*Info));
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Info->Properties = Disk->Properties;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    Info->TargetId = Disk->Target;
    Info->ConnectionId = Disk->ConnectionId;
    /* Windows' number of the disk is found by libwnbd, which can ask Windows. */
    Info->DiskNumber = -1;
}
