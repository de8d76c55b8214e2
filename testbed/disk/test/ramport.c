/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramport.sys: a port driver in miniature, one disk of RAM below the class driver, for the class driver's tests. It
 * records every command, and answers as it is told to (ramport.h). A thread serves the commands, the youngest first,
 * so that whoever relies on their order fails.
 */
#include "nt.h"
#include "storport.h"
#include <ntddscsi.h>
#include <ntddstor.h>

#include "ramport_model.h"

#define TAG 0x706D6152u
#define LOG_COMMANDS 512u

typedef struct {
    BOOLEAN IsDisk;
    PDEVICE_OBJECT Pdo;   /* port */
    PDEVICE_OBJECT Lower; /* port */
    ULONG Sequence;       /* disk: in its instance's name */
    BOOLEAN Known;        /* disk: PnP has seen it and will remove it; guarded by Lock, as is Gone */
    BOOLEAN Gone;         /* disk: not enumerated any more */
    MODEL Model;          /* disk: its own, since it may be removed after the next one has come */
} EXTENSION;

static PDEVICE_OBJECT Port;
static PDEVICE_OBJECT Disk; /* NULL: nothing plugged; guarded by Lock: PnP asks for it in a thread of its own */
static ULONG Sequence;
static RAMPORT_ANSWER Script;
static RAMPORT_COMMAND Log[LOG_COMMANDS];
static ULONG LogCount;

static KSPIN_LOCK Lock; /* protects the queue, the script and the log */
static LIST_ENTRY Queue;
static BOOLEAN Holding;
static KEVENT Wake;
static BOOLEAN Stopping;
static PVOID Thread;

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static UCHAR *DataOf(PIRP Irp, const SCSI_REQUEST_BLOCK *Srb)
{
    UCHAR *Base = Irp->MdlAddress != NULL ? MmGetSystemAddressForMdlSafe(Irp->MdlAddress, NormalPagePriority) : NULL;

    return Base != NULL ? Base + ((UCHAR *)Srb->DataBuffer - (UCHAR *)MmGetMdlVirtualAddress(Irp->MdlAddress)) : NULL;
}

/* True when the script has an answer for it. */
static BOOLEAN ServeScript(SCSI_REQUEST_BLOCK *Srb)
{
    RAMPORT_ANSWER Answer;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Answer = Script;
    if (Script.Count > 0 && Script.Opcode == Srb->Cdb[0]) {
        Script.Count--;
    } else {
        Answer.Count = 0;
    }
    KeReleaseSpinLock(&Lock, Irql);
    if (Answer.Count == 0 || Answer.Short != 0) {
        return FALSE;
    }
    if ((Answer.SrbStatus & SRB_STATUS_AUTOSENSE_VALID) != 0) {
        ModelSense(Srb, Answer.Key, Answer.Code, Answer.Qualifier);
    }
    Srb->SrbStatus = (UCHAR)Answer.SrbStatus;
    Srb->ScsiStatus = (UCHAR)Answer.ScsiStatus;
    if (SRB_STATUS(Srb->SrbStatus) != SRB_STATUS_SUCCESS) {
        Srb->DataTransferLength = 0;
    }
    return TRUE;
}

static VOID Record(PIRP Irp, const SCSI_REQUEST_BLOCK *Srb)
{
    RAMPORT_COMMAND *Command;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    if (LogCount < LOG_COMMANDS) {
        Command = &Log[LogCount++];
        RtlCopyMemory(Command->Cdb, Srb->Cdb, sizeof(Command->Cdb));
        Command->CdbBytes = Srb->CdbLength;
        Command->DataBytes = Srb->DataTransferLength;
        Command->SrbFlags = Srb->SrbFlags;
        Command->MdlOffset = Irp->MdlAddress == NULL
                                 ? 0xFFFFFFFF
                                 : (ULONG)((UCHAR *)Srb->DataBuffer - (UCHAR *)MmGetMdlVirtualAddress(Irp->MdlAddress));
    }
    KeReleaseSpinLock(&Lock, Irql);
}

static VOID Serve(PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    SCSI_REQUEST_BLOCK *Srb = Stack->Parameters.Scsi.Srb;
    const EXTENSION *Extension = Stack->DeviceObject->DeviceExtension;
    ULONG Short = Script.Count > 0 && Script.Opcode == Srb->Cdb[0] ? Script.Short : 0;

    if (Extension->Gone) {
        Srb->SrbStatus = SRB_STATUS_NO_DEVICE;
    } else if (!ServeScript(Srb)) {
        ModelServe(&Extension->Model, Srb, DataOf(Irp, Srb));
        Srb->DataTransferLength -= Short;
    }
    Complete(Irp, SRB_STATUS(Srb->SrbStatus) == SRB_STATUS_SUCCESS ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR,
             Srb->DataTransferLength);
}

static PIRP Take(VOID)
{
    PIRP Irp = NULL;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    if (!IsListEmpty(&Queue) && !Holding) {
        Irp = CONTAINING_RECORD(RemoveTailList(&Queue), IRP, Tail.Overlay.ListEntry);
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Irp;
}

static VOID NTAPI Worker(PVOID Context)
{
    PIRP Irp;

    UNREFERENCED_PARAMETER(Context);
    while (!Stopping) {
        KeWaitForSingleObject(&Wake, Executive, KernelMode, FALSE, NULL);
        while ((Irp = Take()) != NULL) {
            Serve(Irp);
        }
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS NTAPI DispatchScsi(PDEVICE_OBJECT Device, PIRP Irp)
{
    SCSI_REQUEST_BLOCK *Srb = IoGetCurrentIrpStackLocation(Irp)->Parameters.Scsi.Srb;
    EXTENSION *Extension = Device->DeviceExtension;
    KIRQL Irql;

    if (!Extension->IsDisk) {
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
    Record(Irp, Srb);
    IoMarkIrpPending(Irp);
    KeAcquireSpinLock(&Lock, &Irql);
    InsertTailList(&Queue, &Irp->Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&Lock, Irql);
    KeSetEvent(&Wake, IO_NO_INCREMENT, FALSE);
    return STATUS_PENDING;
}

static VOID SetHolding(BOOLEAN Hold)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Holding = Hold;
    KeReleaseSpinLock(&Lock, Irql);
    KeSetEvent(&Wake, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS Plug(const RAMPORT_DISK *Wanted)
{
    PDEVICE_OBJECT Device;
    EXTENSION *Extension;
    NTSTATUS Status;
    KIRQL Irql;

    if (Disk != NULL) {
        return STATUS_DEVICE_BUSY;
    }
    Status = IoCreateDevice(Port->DriverObject, sizeof(EXTENSION), NULL, FILE_DEVICE_DISK,
                            FILE_AUTOGENERATED_DEVICE_NAME, FALSE, &Device);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension = Device->DeviceExtension;
    Status = ModelCreate(&Extension->Model, Wanted, TAG);
    if (!NT_SUCCESS(Status)) {
        IoDeleteDevice(Device);
        return Status;
    }
    Extension->IsDisk = TRUE;
    Extension->Sequence = ++Sequence;
    Device->Flags |= DO_DIRECT_IO;
    Device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    KeAcquireSpinLock(&Lock, &Irql);
    Disk = Device;
    KeReleaseSpinLock(&Lock, Irql);
    IoInvalidateDeviceRelations(((EXTENSION *)Port->DeviceExtension)->Pdo, BusRelations);
    return STATUS_SUCCESS;
}

static VOID Delete(PDEVICE_OBJECT Device)
{
    ExFreePoolWithTag(((EXTENSION *)Device->DeviceExtension)->Model.Medium, TAG);
    IoDeleteDevice(Device);
}

static NTSTATUS Unplug(VOID)
{
    BOOLEAN Known = FALSE;
    PDEVICE_OBJECT Device;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Device = Disk;
    Disk = NULL;
    if (Device != NULL) {
        EXTENSION *Extension = Device->DeviceExtension;

        Extension->Gone = TRUE;
        Known = Extension->Known;
    }
    KeReleaseSpinLock(&Lock, Irql);
    if (Device == NULL) {
        return STATUS_NO_SUCH_DEVICE;
    }
    if (Known) {
        IoInvalidateDeviceRelations(((EXTENSION *)Port->DeviceExtension)->Pdo, BusRelations);
    } else {
        Delete(Device);
    }
    return STATUS_SUCCESS;
}

static NTSTATUS Resize(uint64_t Blocks)
{
    NTSTATUS Status = STATUS_NO_SUCH_DEVICE;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    if (Disk != NULL) {
        ((EXTENSION *)Disk->DeviceExtension)->Model.Disk.Blocks = Blocks;
        Status = STATUS_SUCCESS;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Status;
}

static NTSTATUS Answered(PDEVICE_OBJECT Target, UCHAR Minor)
{
    IO_STATUS_BLOCK Result;
    NTSTATUS Status;
    KEVENT Event;
    PIRP Irp;

    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    Irp = IoBuildSynchronousFsdRequest(IRP_MJ_PNP, Target, NULL, 0, NULL, &Event, &Result);
    if (Irp == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    IoGetNextIrpStackLocation(Irp)->MinorFunction = Minor;
    Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    Status = IoCallDriver(Target, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
        Status = Result.Status;
    }
    return Status;
}

static NTSTATUS QueryRemove(VOID)
{
    PDEVICE_OBJECT Top;
    NTSTATUS Status;

    if (Disk == NULL) {
        return STATUS_NO_SUCH_DEVICE;
    }
    Top = IoGetAttachedDeviceReference(Disk);
    Status = Answered(Top, IRP_MN_QUERY_REMOVE_DEVICE);
    if (NT_SUCCESS(Status)) {
        Answered(Top, IRP_MN_CANCEL_REMOVE_DEVICE);
    }
    ObDereferenceObject(Top);
    return Status;
}

static NTSTATUS TakeLog(PIRP Irp, ULONG Room)
{
    ULONG Bytes;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Bytes = LogCount * sizeof(Log[0]) < Room ? LogCount * (ULONG)sizeof(Log[0]) : Room;
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, Log, Bytes);
    LogCount = 0;
    KeReleaseSpinLock(&Lock, Irql);
    return Complete(Irp, STATUS_SUCCESS, Bytes);
}

static NTSTATUS PortControl(PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    PVOID Buffer = Irp->AssociatedIrp.SystemBuffer;
    KIRQL Irql;

    switch (Stack->Parameters.DeviceIoControl.IoControlCode) {
    case RAMPORT_PLUG:
        return Complete(Irp, Plug(Buffer), 0);
    case RAMPORT_UNPLUG:
        return Complete(Irp, Unplug(), 0);
    case RAMPORT_SCRIPT:
        KeAcquireSpinLock(&Lock, &Irql);
        Script = *(const RAMPORT_ANSWER *)Buffer;
        KeReleaseSpinLock(&Lock, Irql);
        return Complete(Irp, STATUS_SUCCESS, 0);
    case RAMPORT_RESIZE:
        return Complete(Irp, Resize(*(const uint64_t *)Buffer), 0);
    case RAMPORT_HOLD:
    case RAMPORT_RELEASE:
        SetHolding(Stack->Parameters.DeviceIoControl.IoControlCode == RAMPORT_HOLD);
        return Complete(Irp, STATUS_SUCCESS, 0);
    case RAMPORT_LOG:
        return TakeLog(Irp, Stack->Parameters.DeviceIoControl.OutputBufferLength);
    case RAMPORT_QUERY_REMOVE:
        return Complete(Irp, QueryRemove(), 0);
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS DiskProperty(const MODEL *Model, PIRP Irp)
{
    const STORAGE_PROPERTY_QUERY *Query = Irp->AssociatedIrp.SystemBuffer;
    union {
        STORAGE_ADAPTER_DESCRIPTOR Adapter;
        STORAGE_DEVICE_DESCRIPTOR Device;
        UCHAR Bytes[96];
    } Answer;
    ULONG Room = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength;
    ULONG Bytes;

    RtlZeroMemory(&Answer, sizeof(Answer));
    if (Query->PropertyId == StorageAdapterProperty) {
        Bytes = sizeof(Answer.Adapter);
        Answer.Adapter.MaximumTransferLength = Model->Disk.MaxTransferBytes;
        Answer.Adapter.MaximumPhysicalPages = Model->Disk.MaxPages;
        Answer.Adapter.BusType = BusTypeVirtual;
    } else {
        Bytes = sizeof(Answer);
        Answer.Device.BusType = BusTypeVirtual;
        Answer.Device.VendorIdOffset = 64;
        RtlCopyMemory(&Answer.Bytes[64], "RAM     ", 8);
        Answer.Device.ProductIdOffset = 80;
        RtlCopyMemory(&Answer.Bytes[80], "RAMDISK ", 8);
    }
    Answer.Device.Version = Bytes;
    Answer.Device.Size = Bytes;
    Bytes = Bytes < Room ? Bytes : Room;
    RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, &Answer, Bytes);
    return Complete(Irp, STATUS_SUCCESS, Bytes);
}

static NTSTATUS NTAPI DispatchControl(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    SCSI_ADDRESS *Address;

    if (!((EXTENSION *)Device->DeviceExtension)->IsDisk) {
        return PortControl(Irp);
    }
    switch (Stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_STORAGE_QUERY_PROPERTY:
        return DiskProperty(&((EXTENSION *)Device->DeviceExtension)->Model, Irp);
    case IOCTL_SCSI_GET_ADDRESS:
        if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(*Address)) {
            return Complete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
        }
        Address = Irp->AssociatedIrp.SystemBuffer;
        RtlZeroMemory(Address, sizeof(*Address));
        Address->Length = sizeof(*Address);
        Address->PortNumber = 5;
        Address->TargetId = 3;
        return Complete(Irp, STATUS_SUCCESS, sizeof(*Address));
    default:
        return Complete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS CompleteText(PIRP Irp, const WCHAR *Text, ULONG Bytes)
{
    PVOID Copy = ExAllocatePoolWithTag(PagedPool, Bytes, TAG);

    if (Copy == NULL) {
        return Complete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    RtlCopyMemory(Copy, Text, Bytes);
    return Complete(Irp, STATUS_SUCCESS, (ULONG_PTR)Copy);
}

static NTSTATUS DiskQueryId(const EXTENSION *Extension, PIRP Irp)
{
    static const WCHAR Device[] = L"SCSI\\Disk&Ven_RAM&Prod_RAMDISK";
    static const WCHAR Hardware[] = L"SCSI\\DiskRAM_____RAMDISK\0GenDisk\0";
    static const WCHAR Compatible[] = L"SCSI\\Disk\0SCSI\\RAW\0";
    WCHAR Instance[] = L"000000";

    switch (IoGetCurrentIrpStackLocation(Irp)->Parameters.QueryId.IdType) {
    case BusQueryDeviceID:
        return CompleteText(Irp, Device, sizeof(Device));
    case BusQueryHardwareIDs:
        return CompleteText(Irp, Hardware, sizeof(Hardware));
    case BusQueryCompatibleIDs:
        return CompleteText(Irp, Compatible, sizeof(Compatible));
    case BusQueryInstanceID:
        Instance[4] = (WCHAR)(L'0' + Extension->Sequence / 10 % 10);
        Instance[5] = (WCHAR)(L'0' + Extension->Sequence % 10);
        return CompleteText(Irp, Instance, sizeof(Instance));
    default:
        return Complete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    }
}

static NTSTATUS DiskPnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS Status;

    switch (Stack->MinorFunction) {
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MN_SURPRISE_REMOVAL:
        SetHolding(FALSE); /* whatever is still kept fails now: there is no disk */
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MN_QUERY_ID:
        return DiskQueryId(Device->DeviceExtension, Irp);
    case IRP_MN_QUERY_CAPABILITIES:
        Stack->Parameters.DeviceCapabilities.Capabilities->Removable = 1;
        Stack->Parameters.DeviceCapabilities.Capabilities->SurpriseRemovalOK = 1;
        Stack->Parameters.DeviceCapabilities.Capabilities->UniqueID = 1;
        return Complete(Irp, STATUS_SUCCESS, 0);
    case IRP_MN_REMOVE_DEVICE:
        Status = Complete(Irp, STATUS_SUCCESS, 0);
        if (((EXTENSION *)Device->DeviceExtension)->Gone) {
            Delete(Device);
        }
        return Status;
    default:
        return Complete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    }
}

static NTSTATUS PortRelations(PIRP Irp)
{
    DEVICE_RELATIONS *Relations = ExAllocatePoolWithTag(PagedPool, sizeof(*Relations), TAG);
    KIRQL Irql;

    if (Relations == NULL) {
        return Complete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    Relations->Count = 0;
    KeAcquireSpinLock(&Lock, &Irql);
    if (Disk != NULL) {
        ObReferenceObject(Disk);
        ((EXTENSION *)Disk->DeviceExtension)->Known = TRUE;
        Relations->Objects[Relations->Count++] = Disk;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Complete(Irp, STATUS_SUCCESS, (ULONG_PTR)Relations);
}

static NTSTATUS NTAPI DispatchPnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    static UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\??\\RamPort");
    EXTENSION *Extension = Device->DeviceExtension;
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    NTSTATUS Status;

    if (Extension->IsDisk) {
        return DiskPnp(Device, Irp);
    }
    if (Stack->MinorFunction == IRP_MN_QUERY_DEVICE_RELATIONS &&
        Stack->Parameters.QueryDeviceRelations.Type == BusRelations) {
        return PortRelations(Irp);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Extension->Lower, Irp);
    if (Stack->MinorFunction == IRP_MN_REMOVE_DEVICE) {
        IoDeleteSymbolicLink(&Link);
        IoDetachDevice(Extension->Lower);
        IoDeleteDevice(Device);
    }
    return Status;
}

static NTSTATUS NTAPI DispatchOpen(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI AddDevice(PDRIVER_OBJECT Driver, PDEVICE_OBJECT Pdo)
{
    static UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Device\\RamPort");
    static UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\??\\RamPort");
    EXTENSION *Extension;
    NTSTATUS Status = IoCreateDevice(Driver, sizeof(EXTENSION), &Name, FILE_DEVICE_CONTROLLER, 0, FALSE, &Port);

    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Extension = Port->DeviceExtension;
    Extension->Pdo = Pdo;
    Extension->Lower = IoAttachDeviceToDeviceStack(Port, Pdo);
    Port->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return IoCreateSymbolicLink(&Link, &Name);
}

static VOID NTAPI Unload(PDRIVER_OBJECT Driver)
{
    UNREFERENCED_PARAMETER(Driver);
    Stopping = TRUE;
    KeSetEvent(&Wake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(Thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Thread);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath);

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    NTSTATUS Status;
    HANDLE Handle;

    UNREFERENCED_PARAMETER(RegistryPath);
    KeInitializeSpinLock(&Lock);
    InitializeListHead(&Queue);
    KeInitializeEvent(&Wake, SynchronizationEvent, FALSE);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, Worker, NULL);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, NULL, KernelMode, &Thread, NULL);
    ZwClose(Handle);
    Driver->DriverExtension->AddDevice = AddDevice;
    Driver->DriverUnload = Unload;
    Driver->MajorFunction[IRP_MJ_CREATE] = DispatchOpen;
    Driver->MajorFunction[IRP_MJ_CLOSE] = DispatchOpen;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = DispatchOpen;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchControl;
    Driver->MajorFunction[IRP_MJ_SCSI] = DispatchScsi;
    Driver->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    return Status;
}
