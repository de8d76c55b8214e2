/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * wnbddisk.sys: the driver's entry, the dispatch table, handles, and what every request passes through.
 */
#include "disk.h"
#include "name.h"
#include "packet.h"

PVOID DiskAllocate(SIZE_T Bytes)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, DISK_TAG);

    if (Memory != NULL) {
        RtlZeroMemory(Memory, Bytes);
    }
    return Memory;
}

ULONGLONG ClockMs(VOID)
{
    LARGE_INTEGER Frequency;
    LARGE_INTEGER Count = KeQueryPerformanceCounter(&Frequency);

    return (ULONGLONG)Count.QuadPart / ((ULONGLONG)Frequency.QuadPart / 1000);
}

NTSTATUS IrpComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, NT_SUCCESS(Status) ? IO_DISK_INCREMENT : IO_NO_INCREMENT);
    return Status;
}

NTSTATUS DiskComplete(DISK *Disk, PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    IrpComplete(Irp, Status, Information);
    IoReleaseRemoveLock(&Disk->RemoveLock, Irp);
    return Status;
}

DISK_STATE DiskState(DISK *Disk)
{
    KIRQL Irql;
    DISK_STATE State;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    State = Disk->State;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return State;
}

DISK_SIZE DiskSize(DISK *Disk)
{
    KIRQL Irql;
    DISK_SIZE Size;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Size.BlockBytes = Disk->BlockBytes;
    Size.PhysicalBlockBytes = Disk->PhysicalBlockBytes;
    Size.LengthBytes = Disk->LengthBytes;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return Size;
}

static NTSTATUS StateRefusal(DISK_STATE State)
{
    switch (State) {
    case DISK_STARTED:
    case DISK_REMOVE_PENDING:
        return STATUS_SUCCESS;
    case DISK_ADDED:
        return STATUS_DEVICE_NOT_READY;
    default:
        return STATUS_DEVICE_DOES_NOT_EXIST;
    }
}

NTSTATUS DiskEnter(DISK *Disk, PVOID Tag)
{
    NTSTATUS Status = StateRefusal(DiskState(Disk));

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = IoAcquireRemoveLock(&Disk->RemoveLock, Tag);
    return NT_SUCCESS(Status) ? STATUS_SUCCESS : STATUS_DEVICE_DOES_NOT_EXIST;
}

/*
 * A file whose CREATE was accepted is marked by its FsContext; only its CLOSE counts. Wine (8.0) gives the program its
 * handle whatever CREATE's status is, so that a CLOSE comes for refused files too. On Windows it doesn't
 * [IRP_MJ_CREATE: a failed open has no file object].
 */
static VOID FileAccept(DISK *Disk, PFILE_OBJECT File)
{
    if (File != NULL) {
        File->FsContext = Disk;
    }
}

static BOOLEAN FileAccepted(const DISK *Disk, const FILE_OBJECT *File)
{
    return File == NULL || File->FsContext == Disk;
}

static NTSTATUS NTAPI DispatchCreate(PDEVICE_OBJECT Device, PIRP Irp)
{
    DISK *Disk = Device->DeviceExtension;
    PFILE_OBJECT File = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    NTSTATUS Status;
    KIRQL Irql;

    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Status = Disk->State == DISK_REMOVE_PENDING ? STATUS_DELETE_PENDING : StateRefusal(Disk->State);
    if (NT_SUCCESS(Status)) {
        FileAccept(Disk, File);
        Disk->OpenCount++;
        if (File != NULL && File->DeviceObject == Device) {
            Disk->OwnOpenCount++;
        }
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return IrpComplete(Irp, Status, 0);
}

static NTSTATUS NTAPI DispatchClose(PDEVICE_OBJECT Device, PIRP Irp)
{
    DISK *Disk = Device->DeviceExtension;
    PFILE_OBJECT File = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    BOOLEAN Last = FALSE;
    BOOLEAN Removal;
    KIRQL Irql;

    if (!FileAccepted(Disk, File)) {
        return IrpComplete(Irp, STATUS_SUCCESS, 0);
    }
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    Disk->OpenCount--;
    if (File != NULL && File->DeviceObject == Device) {
        Disk->OwnOpenCount--;
        Last = Disk->State == DISK_REMOVED && Disk->OwnOpenCount == 0;
    }
    Removal = Disk->OpenCount == 0 && Disk->Removal == REMOVAL_WAITS;
    if (Removal) {
        Disk->Removal = REMOVAL_RUNS;
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (Removal) {
        DiskRemovalGoesOn(Disk);
    }
    if (Last) {
        NameLastClose(Disk);
    }
    return IrpComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI DispatchCleanup(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    return IrpComplete(Irp, STATUS_SUCCESS, 0);
}

/* READ, WRITE, FLUSH_BUFFERS and DEVICE_CONTROL. */
static NTSTATUS NTAPI DispatchRequest(PDEVICE_OBJECT Device, PIRP Irp)
{
    DISK *Disk = Device->DeviceExtension;
    NTSTATUS Status = DiskEnter(Disk, Irp);

    if (!NT_SUCCESS(Status)) {
        return IrpComplete(Irp, Status, 0);
    }
    switch (IoGetCurrentIrpStackLocation(Irp)->MajorFunction) {
    case IRP_MJ_READ:
    case IRP_MJ_WRITE:
        return TransferReadWrite(Disk, Irp);
    case IRP_MJ_FLUSH_BUFFERS:
        return TransferFlush(Disk, Irp);
    default:
        return IoctlDispatch(Disk, Irp);
    }
}

/* What a class driver has no opinion about goes to the port driver: POWER and WMI. */
static NTSTATUS NTAPI DispatchBelow(PDEVICE_OBJECT Device, PIRP Irp)
{
    DISK *Disk = Device->DeviceExtension;
    BOOLEAN Power = IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_POWER;

    if (DiskState(Disk) == DISK_REMOVED) {
        if (Power) {
            PoStartNextPowerIrp(Irp);
        }
        return IrpComplete(Irp, STATUS_DEVICE_DOES_NOT_EXIST, 0);
    }
    if (Power) {
        PoStartNextPowerIrp(Irp);
        IoSkipCurrentIrpStackLocation(Irp);
        return PoCallDriver(Disk->Lower, Irp);
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Disk->Lower, Irp);
}

static VOID NTAPI DriverUnload(PDRIVER_OBJECT Driver)
{
    UNREFERENCED_PARAMETER(Driver);
    PacketUninitialize();
    NameReap(TRUE);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath);

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;

    UNREFERENCED_PARAMETER(RegistryPath);
    NameInitialize();
    Status = PacketInitialize();
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Driver->DriverExtension->AddDevice = DiskAddDevice;
    Driver->DriverUnload = DriverUnload;
    Driver->MajorFunction[IRP_MJ_CREATE] = DispatchCreate;
    Driver->MajorFunction[IRP_MJ_CLOSE] = DispatchClose;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = DispatchCleanup;
    Driver->MajorFunction[IRP_MJ_READ] = DispatchRequest;
    Driver->MajorFunction[IRP_MJ_WRITE] = DispatchRequest;
    Driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = DispatchRequest;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchRequest;
    Driver->MajorFunction[IRP_MJ_PNP] = DiskPnp;
    Driver->MajorFunction[IRP_MJ_POWER] = DispatchBelow;
    Driver->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = DispatchBelow;
    return STATUS_SUCCESS;
}
