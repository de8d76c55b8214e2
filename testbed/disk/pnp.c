/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk's arrival and departure: AddDevice and IRP_MJ_PNP. All at PASSIVE_LEVEL in the PnP manager's thread, which may
 * wait. States: DISK_STATE in disk.h.
 */
#include "disk.h"
#include "name.h"

/* GUID_DEVINTERFACE_DISK */
static const GUID DiskInterface = {0x53f56307, 0xb6bf, 0x11d0, {0x94, 0xf2, 0x00, 0xa0, 0xc9, 0x1e, 0xfb, 0x8b}};

NTSTATUS NTAPI DiskAddDevice(PDRIVER_OBJECT Driver, PDEVICE_OBJECT Pdo)
{
    NTSTATUS Status;
    DISK *Disk;

    NameReap(FALSE);
    Status = NameCreateDevice(Driver, &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Disk->Pdo = Pdo;
    Disk->State = DISK_ADDED;
    Disk->BlockBytes = 512;
    Disk->PhysicalBlockBytes = 512;
    KeInitializeSpinLock(&Disk->Lock);
    IoInitializeRemoveLock(&Disk->RemoveLock, DISK_TAG, 0, 0);
    Disk->Lower = IoAttachDeviceToDeviceStack(Disk->Fdo, Pdo);
    if (Disk->Lower == NULL) {
        Disk->State = DISK_REMOVED;
        NameDelete(Disk);
        return STATUS_NO_SUCH_DEVICE;
    }
    Disk->Fdo->AlignmentRequirement = Disk->Lower->AlignmentRequirement;
    Disk->Fdo->Flags |= DO_DIRECT_IO | (Disk->Lower->Flags & DO_POWER_PAGABLE);
    Disk->Fdo->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI ForwardCompleted(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent((PKEVENT)Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Sends the IRP down and waits; it is ours again afterwards. */
static NTSTATUS ForwardAndWait(DISK *Disk, PIRP Irp)
{
    KEVENT Event;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, ForwardCompleted, &Event, TRUE, TRUE, TRUE);
    IoCallDriver(Disk->Lower, Irp);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
    return Irp->IoStatus.Status;
}

static NTSTATUS Forward(DISK *Disk, PIRP Irp)
{
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Disk->Lower, Irp);
}

static DISK_STATE StateSet(DISK *Disk, DISK_STATE State)
{
    DISK_STATE Previous;
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Previous = Disk->State;
    Disk->State = State;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return Previous;
}

static VOID InterfaceDisable(DISK *Disk)
{
    if (Disk->Interface.Buffer != NULL) {
        IoSetDeviceInterfaceState(&Disk->Interface, FALSE);
        RtlFreeUnicodeString(&Disk->Interface);
        Disk->Interface.Buffer = NULL;
    }
}

static VOID InterfaceEnable(DISK *Disk)
{
    NTSTATUS Status = IoRegisterDeviceInterface(Disk->Pdo, &DiskInterface, NULL, &Disk->Interface);

    if (NT_SUCCESS(Status)) {
        Status = IoSetDeviceInterfaceState(&Disk->Interface, TRUE);
    } else {
        Disk->Interface.Buffer = NULL;
    }
    if (!NT_SUCCESS(Status)) {
        /* The disk works by its number; only a search by interface does not find it. */
        DbgPrint("wnbddisk: PhysicalDrive%lu: cannot register the disk interface: status 0x%08lx\n", Disk->Number,
                 (ULONG)Status);
    }
}

static NTSTATUS PnpStart(DISK *Disk, PIRP Irp)
{
    NTSTATUS Status = ForwardAndWait(Disk, Irp);

    if (NT_SUCCESS(Status)) {
        Status = ProbeDisk(Disk);
    }
    if (NT_SUCCESS(Status) && !Disk->LinkCreated) {
        Status = NameCreateLink(Disk);
    }
    if (NT_SUCCESS(Status)) {
        DISK_SIZE Size = DiskSize(Disk);

        StateSet(Disk, DISK_STARTED);
        if (Disk->Interface.Buffer == NULL) {
            InterfaceEnable(Disk);
        }
        DbgPrint("wnbddisk: PhysicalDrive%lu: %I64u bytes in blocks of %lu\n", Disk->Number, Size.LengthBytes,
                 Size.BlockBytes);
    } else {
        DbgPrint("wnbddisk: PhysicalDrive%lu: cannot start: status 0x%08lx\n", Disk->Number, (ULONG)Status);
    }
    return IrpComplete(Irp, Status, Irp->IoStatus.Information);
}

/*
 * On Windows the PnP manager itself refuses to remove a device with open handles; the test bed's doesn't keep track of
 * them, so the class driver does, and tells their number with the refusal.
 */
static NTSTATUS PnpQueryRemove(DISK *Disk, PIRP Irp)
{
    ULONG OpenCount;
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    OpenCount = Disk->OpenCount;
    if (OpenCount == 0 && Disk->State == DISK_STARTED) {
        Disk->State = DISK_REMOVE_PENDING;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (OpenCount != 0) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: %lu open handles keep it\n", Disk->Number, OpenCount);
        return IrpComplete(Irp, STATUS_DEVICE_BUSY, OpenCount);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return Forward(Disk, Irp);
}

static NTSTATUS PnpCancelRemove(DISK *Disk, PIRP Irp)
{
    NTSTATUS Status;
    KIRQL Irql;

    Irp->IoStatus.Status = STATUS_SUCCESS;
    Status = ForwardAndWait(Disk, Irp);
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    if (Disk->State == DISK_REMOVE_PENDING) {
        Disk->State = DISK_STARTED;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    DbgPrint("wnbddisk: PhysicalDrive%lu: stays after all\n", Disk->Number);
    return IrpComplete(Irp, Status, Irp->IoStatus.Information);
}

/* New requests fail from here on; those in flight are the port driver's to complete. */
static NTSTATUS PnpSurpriseRemoval(DISK *Disk, PIRP Irp)
{
    StateSet(Disk, DISK_SURPRISE_REMOVED);
    InterfaceDisable(Disk);
    NameDeleteLink(Disk);
    DbgPrint("wnbddisk: PhysicalDrive%lu: gone without notice\n", Disk->Number);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return Forward(Disk, Irp);
}

/* The end of every removal: the stack comes apart. */
static VOID RemovalEnd(DISK *Disk)
{
    IoDetachDevice(Disk->Lower);
    StateSet(Disk, DISK_REMOVED);
    NameDelete(Disk);
}

/* The request that was held back, to the port driver. */
static VOID NTAPI RemovalWorker(PDEVICE_OBJECT Device, PVOID Context)
{
    DISK *Disk = Context;
    PIO_WORKITEM Work = Disk->RemovalWork;
    PDEVICE_OBJECT Lower = Disk->Lower;
    PIRP Irp = IoAllocateIrp(Lower->StackSize, FALSE);
    KEVENT Event;

    UNREFERENCED_PARAMETER(Device);
    if (Irp != NULL) {
        PIO_STACK_LOCATION Next = IoGetNextIrpStackLocation(Irp);

        KeInitializeEvent(&Event, NotificationEvent, FALSE);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Next->MajorFunction = IRP_MJ_PNP;
        Next->MinorFunction = IRP_MN_REMOVE_DEVICE;
        IoSetCompletionRoutine(Irp, ForwardCompleted, &Event, TRUE, TRUE, TRUE);
        IoCallDriver(Lower, Irp);
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        IoFreeIrp(Irp);
    }
    DbgPrint("wnbddisk: PhysicalDrive%lu: removed with its last handle\n", Disk->Number);
    RemovalEnd(Disk);
    ObDereferenceObject(Lower);
    KeSetEvent(&Disk->RemovalDone, IO_NO_INCREMENT, FALSE);
    IoFreeWorkItem(Work);
}

VOID DiskRemovalGoesOn(DISK *Disk)
{
    IoQueueWorkItem(Disk->RemovalWork, RemovalWorker, DelayedWorkQueue, Disk);
}

/*
 * TRUE: handles are open, and the removal goes on when the last is closed [Handling an IRP_MN_SURPRISE_REMOVAL
 * Request]. Windows doesn't send IRP_MN_REMOVE_DEVICE before; Wine does.
 */
static BOOLEAN RemovalWaits(DISK *Disk)
{
    BOOLEAN Waits;
    KIRQL Irql;

    Disk->RemovalWork = IoAllocateWorkItem(Disk->Fdo);
    if (Disk->RemovalWork == NULL) {
        return FALSE;
    }
    KeInitializeEvent(&Disk->RemovalDone, NotificationEvent, FALSE);
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Waits = Disk->OpenCount != 0;
    if (Waits) {
        /* The PnP manager forgets the device when this request is done. */
        ObReferenceObject(Disk->Lower);
        Disk->Removal = REMOVAL_WAITS;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (!Waits) {
        IoFreeWorkItem(Disk->RemovalWork);
    }
    return Waits;
}

/* The port driver's adapter goes, and can't wait for handles: the removal that waits takes place now. */
static NTSTATUS PnpRemoveAgain(DISK *Disk, PIRP Irp)
{
    NTSTATUS Status = STATUS_SUCCESS;
    REMOVAL Removal;
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Removal = Disk->Removal;
    if (Removal == REMOVAL_WAITS) {
        Disk->Removal = REMOVAL_RUNS;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (Removal == REMOVAL_WAITS) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Status = Forward(Disk, Irp);
        RemovalEnd(Disk);
        ObDereferenceObject(Disk->Lower);
        IoFreeWorkItem(Disk->RemovalWork);
        return Status;
    }
    if (Removal == REMOVAL_RUNS) {
        KeWaitForSingleObject(&Disk->RemovalDone, Executive, KernelMode, FALSE, NULL);
    }
    return IrpComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS PnpRemove(DISK *Disk, PIRP Irp)
{
    DISK_STATE Previous = StateSet(Disk, DISK_SURPRISE_REMOVED);
    NTSTATUS Status;

    InterfaceDisable(Disk);
    NameDeleteLink(Disk);
    IoReleaseRemoveLockAndWait(&Disk->RemoveLock, Irp);
    if (Previous == DISK_REMOVE_PENDING) {
        TransferFlushLast(Disk);
    }
    if (Previous == DISK_SURPRISE_REMOVED && RemovalWaits(Disk)) {
        return IrpComplete(Irp, STATUS_SUCCESS, 0);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Status = Forward(Disk, Irp);
    if (Previous != DISK_SURPRISE_REMOVED) {
        DbgPrint("wnbddisk: PhysicalDrive%lu: removed\n", Disk->Number);
    }
    RemovalEnd(Disk);
    return Status;
}

static NTSTATUS PnpStop(DISK *Disk, PIRP Irp)
{
    StateSet(Disk, DISK_ADDED);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    return Forward(Disk, Irp);
}

NTSTATUS NTAPI DiskPnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    DISK *Disk = Device->DeviceExtension;
    NTSTATUS Status = IoAcquireRemoveLock(&Disk->RemoveLock, Irp);

    if (!NT_SUCCESS(Status)) {
        return IoGetCurrentIrpStackLocation(Irp)->MinorFunction == IRP_MN_REMOVE_DEVICE
                   ? PnpRemoveAgain(Disk, Irp)
                   : IrpComplete(Irp, STATUS_DEVICE_DOES_NOT_EXIST, 0);
    }
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        Status = PnpStart(Disk, Irp);
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
        Status = PnpQueryRemove(Disk, Irp);
        break;
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
        Status = PnpCancelRemove(Disk, Irp);
        break;
    case IRP_MN_STOP_DEVICE:
        Status = PnpStop(Disk, Irp);
        break;
    case IRP_MN_SURPRISE_REMOVAL:
        Status = PnpSurpriseRemoval(Disk, Irp);
        break;
    case IRP_MN_REMOVE_DEVICE:
        /* Releases the lock itself, for good. */
        return PnpRemove(Disk, Irp);
    default:
        Status = Forward(Disk, Irp);
        break;
    }
    IoReleaseRemoveLock(&Disk->RemoveLock, Irp);
    return Status;
}
