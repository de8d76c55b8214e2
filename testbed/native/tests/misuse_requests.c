/* SPDX-License-Identifier: LGPL-2.1-only */
/* Misuse of IRPs, cancel routines, devices, PnP and MDLs. */
#include "internal.h"
#include "misuse.h"

#define TAG ((ULONG)'tseT')

static NTSTATUS Complete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

/* Has the driver answer one ioctl in this way. */
static void WithDispatch(PDRIVER_DISPATCH Dispatch)
{
    Conduct.DeviceControl = Dispatch;
    MisuseLoad(true);
    MisuseIoctl();
}

static NTSTATUS DispatchUnderLock(PDEVICE_OBJECT Device, PIRP Irp)
{
    KIRQL Irql;
    KSPIN_LOCK Lock;
    UNREFERENCED_PARAMETER(Device);
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static void CompletedUnderLock(void)
{
    WithDispatch(DispatchUnderLock);
}

static NTSTATUS DispatchTwice(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Complete(Irp, STATUS_SUCCESS, 0);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static void CompletedTwice(void)
{
    WithDispatch(DispatchTwice);
}

static VOID CancelNothing(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
}

static NTSTATUS DispatchCancelable(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoSetCancelRoutine(Irp, CancelNothing);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static void CompletedCancelable(void)
{
    WithDispatch(DispatchCancelable);
}

static NTSTATUS DispatchPendingStatus(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    return Complete(Irp, STATUS_PENDING, 0);
}

static void CompletedPending(void)
{
    WithDispatch(DispatchPendingStatus);
}

static NTSTATUS DispatchTooMuch(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    return Complete(Irp, STATUS_SUCCESS, 9);
}

static void CompletedWithTooMuch(void)
{
    WithDispatch(DispatchTooMuch);
}

static NTSTATUS DispatchUnmarked(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Complete(Irp, STATUS_SUCCESS, 0);
    return STATUS_PENDING;
}

static void PendingUnmarked(void)
{
    WithDispatch(DispatchUnmarked);
}

static NTSTATUS DispatchMarked(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoMarkIrpPending(Irp);
    return Complete(Irp, STATUS_SUCCESS, 0);
}

static void MarkedNotPending(void)
{
    WithDispatch(DispatchMarked);
}

static NTSTATUS DispatchForgets(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    return STATUS_SUCCESS;
}

static void Forgotten(void)
{
    WithDispatch(DispatchForgets);
}

static NTSTATUS DispatchPends(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoMarkIrpPending(Irp);
    IoSetCancelRoutine(Irp, CancelNothing);
    return STATUS_PENDING;
}

static void CancelKeepsLock(void)
{
    Conduct.DeviceControl = DispatchPends;
    MisuseLoad(true);
    NATIVE_FILE *File = NativeOpen(&MisuseGuid, NULL);
    NativeRequestCancel(NativeIoctlBegin(File, MISUSE_IOCTL, NULL, 0, NULL, 0));
}

static void FreedUsed(void)
{
    PIRP Irp = IoAllocateIrp(1, FALSE);
    IoFreeIrp(Irp);
    IoReuseIrp(Irp, STATUS_SUCCESS);
}

static void StackTooSmall(void)
{
    MisuseLoad(true);
    PIRP Irp = IoAllocateIrp(1, FALSE);
    IoSetNextIrpStackLocation(Irp);
    IoCallDriver(MisuseDevice, Irp);
}

static NTSTATUS DispatchKeeps(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoMarkIrpPending(Irp);
    return STATUS_PENDING;
}

static NTSTATUS RoutineSucceeds(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    UNREFERENCED_PARAMETER(Context);
    return STATUS_SUCCESS;
}

static PIRP SendOwn(PDRIVER_DISPATCH Dispatch)
{
    Conduct.DeviceControl = Dispatch;
    MisuseLoad(true);
    PIRP Irp = IoAllocateIrp(2, FALSE);
    IoGetNextIrpStackLocation(Irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    IoSetCompletionRoutine(Irp, RoutineSucceeds, NULL, TRUE, TRUE, TRUE);
    IoCallDriver(MisuseDevice, Irp);
    return Irp;
}

static void FreedInFlight(void)
{
    IoFreeIrp(SendOwn(DispatchKeeps));
}

static void OwnCompletedBySuccess(void)
{
    SendOwn(NULL);
}

static void IrpLeaked(void)
{
    MisuseLoad(false);
    IoAllocateIrp(1, FALSE);
    MisuseUnload();
}

static void DeviceDeletedAttached(void)
{
    MisuseLoad(true);
    IoDeleteDevice(MisuseDevice);
}

static void DeviceLeaked(void)
{
    MisuseLoad(true);
    MisuseNode = NULL; /* not removed */
    MisuseUnload();
}

static NTSTATUS AddUnfinished(PDRIVER_OBJECT Driver, PDEVICE_OBJECT Pdo)
{
    PDEVICE_OBJECT Device;
    IoCreateDevice(Driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Device);
    IoAttachDeviceToDeviceStack(Device, Pdo);
    return STATUS_SUCCESS;
}

static void AddLeavesInitializing(void)
{
    Conduct.AddDevice = AddUnfinished;
    MisuseLoad(true);
}

static void InterfaceUnknown(void)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\??\\nobody");
    IoSetDeviceInterfaceState(&Name, TRUE);
}

static UCHAR Bytes[64];

static void MdlNotBuilt(void)
{
    MmGetSystemAddressForMdlSafe(IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL),
                                 NormalPagePriority | MdlMappingNoExecute);
}

static void MdlFreedLocked(void)
{
    PMDL Mdl = IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL);
    MmProbeAndLockPages(Mdl, KernelMode, IoReadAccess);
    IoFreeMdl(Mdl);
}

static void MdlPartBeyond(void)
{
    PMDL Whole = IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL);
    PMDL Part = IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Whole);
    IoBuildPartialMdl(Whole, Part, Bytes + 32, 33);
}

static void MdlLeaked(void)
{
    MisuseLoad(false);
    IoAllocateMdl(Bytes, sizeof(Bytes), FALSE, FALSE, NULL);
    MisuseUnload();
}

static void ProcessEndsLocked(void)
{
    PEPROCESS Process = NativeProcessCreate();
    PMDL Mdl = IoAllocateMdl(NativeUserAllocate(Process, PAGE_SIZE), PAGE_SIZE, FALSE, FALSE, NULL);
    KeGetCurrentThread()->Process = Process;
    MmProbeAndLockPages(Mdl, UserMode, IoWriteAccess);
    NativeProcessDelete(Process);
}

#define CASE(Rule, Function) {RULE_##Rule, #Function, Function}

const MISUSE MisuseRequests[] = {
    CASE(LOCK_COMPLETION, CompletedUnderLock),
    CASE(IRP_TWICE, CompletedTwice),
    CASE(IRP_CANCELABLE, CompletedCancelable),
    CASE(IRP_STATUS, CompletedPending),
    CASE(IRP_LENGTH, CompletedWithTooMuch),
    CASE(IRP_PENDING, PendingUnmarked),
    CASE(IRP_PENDING, MarkedNotPending),
    CASE(IRP_FORGOTTEN, Forgotten),
    CASE(CANCEL_LOCK, CancelKeepsLock),
    CASE(IRP_FREED, FreedUsed),
    CASE(IRP_STACK, StackTooSmall),
    CASE(IRP_IN_FLIGHT, FreedInFlight),
    CASE(IRP_ROUTINE, OwnCompletedBySuccess),
    CASE(IRP_LEAK, IrpLeaked),
    CASE(DEVICE, DeviceDeletedAttached),
    CASE(DEVICE_LEAK, DeviceLeaked),
    CASE(PNP_ANSWER, AddLeavesInitializing),
    CASE(INTERFACE, InterfaceUnknown),
    CASE(MDL_STATE, MdlNotBuilt),
    CASE(MDL_STATE, MdlFreedLocked),
    CASE(MDL_RANGE, MdlPartBeyond),
    CASE(MDL_LEAK, MdlLeaked),
    CASE(PROCESS_LOCKED, ProcessEndsLocked),
};
const size_t MisuseRequestsCount = RTL_NUMBER_OF(MisuseRequests);
