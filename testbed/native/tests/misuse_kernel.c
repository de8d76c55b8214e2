/* SPDX-License-Identifier: LGPL-2.1-only */
/* Misuse of IRQLs, spin locks, pool, DPCs, timers, work items, threads, handles. */
#include "misuse.h"

#define TAG ((ULONG)'tseT')

static KEVENT Event;

static void Assertion(void)
{
    NT_ASSERT(TAG == 0);
}

static void ExceptionUnhandled(void)
{
    ExRaiseStatus(STATUS_ACCESS_VIOLATION);
}

static void IrqlTooHigh(void)
{
    KIRQL Irql;
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ZwClose(NULL);
}

static void IrqlRaisedDown(void)
{
    KIRQL Irql;
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    KeRaiseIrql(PASSIVE_LEVEL, &Irql);
}

static void IrqlLoweredUp(void)
{
    KeLowerIrql(DISPATCH_LEVEL);
}

static VOID WorkRaises(PDEVICE_OBJECT Device, PVOID Context)
{
    KIRQL Irql;
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Context);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
}

static void CallbackLeavesIrql(void)
{
    MisuseLoad(true);
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    IoQueueWorkItem(IoAllocateWorkItem(MisuseDevice), WorkRaises, DelayedWorkQueue, NULL);
    MisuseAwait(&Event);
}

static void PagedCodeRaised(void)
{
    KIRQL Irql;
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    PAGED_CODE();
}

static void LockZeroed(void)
{
    KIRQL Irql;
    PKSPIN_LOCK Lock = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Lock), TAG);
    *Lock = 0;
    KeAcquireSpinLock(Lock, &Irql);
}

static void LockTwice(void)
{
    KIRQL Irql;
    KSPIN_LOCK Lock;
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    KeAcquireSpinLockAtDpcLevel(&Lock);
}

static void LockNotOwned(void)
{
    KIRQL Irql;
    KSPIN_LOCK Lock;
    KeInitializeSpinLock(&Lock);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    KeReleaseSpinLock(&Lock, Irql);
}

static void LockReleasedElsewhere(void)
{
    KIRQL Irql;
    KSPIN_LOCK Lock;
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    KeReleaseSpinLock(&Lock, APC_LEVEL);
}

static void LockAtDpcBelow(void)
{
    KSPIN_LOCK Lock;
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLockAtDpcLevel(&Lock);
}

static void LockHeldInWait(void)
{
    KIRQL Irql;
    KSPIN_LOCK Lock;
    KeInitializeEvent(&Event, NotificationEvent, TRUE);
    KeInitializeSpinLock(&Lock);
    KeAcquireSpinLock(&Lock, &Irql);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
}

static KSPIN_LOCK KeptLock;

static VOID DpcKeepsLock(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    KeAcquireSpinLockAtDpcLevel(&KeptLock);
}

static void CallbackKeepsLock(void)
{
    KDPC Dpc;
    KeInitializeSpinLock(&KeptLock);
    KeInitializeDpc(&Dpc, DpcKeepsLock, NULL);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    KeFlushQueuedDpcs();
}

static void PoolTagEmpty(void)
{
    ExAllocatePoolWithTag(NonPagedPoolNx, 16, 0);
}

static void PoolExecutable(void)
{
    ExAllocatePoolWithTag(NonPagedPool, 16, TAG);
}

static void PagedPoolRaised(void)
{
    KIRQL Irql;
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExAllocatePoolWithTag(PagedPool, 16, TAG);
}

static void PagedPoolFreedRaised(void)
{
    KIRQL Irql;
    PVOID Memory = ExAllocatePoolWithTag(PagedPool, 16, TAG);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    ExFreePoolWithTag(Memory, TAG);
}

static void PagedLock(void)
{
    PCHAR Memory = ExAllocatePoolWithTag(PagedPool, 64, TAG);
    KeInitializeSpinLock((PKSPIN_LOCK)(Memory + 8));
}

static void PagedEvent(void)
{
    KeInitializeEvent(ExAllocatePoolWithTag(PagedPool, sizeof(KEVENT), TAG), NotificationEvent, FALSE);
}

static void PagedDpc(void)
{
    KeInitializeDpc(ExAllocatePoolWithTag(PagedPool, sizeof(KDPC), TAG), DpcKeepsLock, NULL);
}

static void PagedTimer(void)
{
    KeInitializeTimer(ExAllocatePoolWithTag(PagedPool, sizeof(KTIMER), TAG));
}

static void PagedMdl(void)
{
    MmBuildMdlForNonPagedPool(IoAllocateMdl(ExAllocatePoolWithTag(PagedPool, 64, TAG), 64, FALSE, FALSE, NULL));
}

static void PagedStringRaised(void)
{
    KIRQL Irql;
    UNICODE_STRING String = {0, 32, ExAllocatePoolWithTag(PagedPool, 32, TAG)};
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    RtlAppendUnicodeToString(&String, L"x");
}

static void PoolNothing(void)
{
    ExAllocatePoolWithTag(NonPagedPoolNx, 0, TAG);
}

static void PoolFreedTwice(void)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, 16, TAG);
    ExFreePoolWithTag(Memory, TAG);
    ExFreePoolWithTag(Memory, TAG);
}

static void PoolFreedByOther(void)
{
    ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 16, TAG), TAG + 1);
}

static void PoolFreedWithTimer(void)
{
    LARGE_INTEGER Due = {.QuadPart = -10000000};
    PKTIMER Timer = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Timer), TAG);
    KeInitializeTimer(Timer);
    KeSetTimer(Timer, Due, NULL);
    ExFreePoolWithTag(Timer, TAG);
}

static void PoolLeaked(void)
{
    MisuseLoad(false);
    ExAllocatePoolWithTag(NonPagedPoolNx, 16, TAG);
    MisuseUnload();
}

static void EventForgotten(void)
{
    KEVENT Local = {0};
    KeSetEvent(&Local, 0, FALSE);
}

static VOID DpcWaits(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
}

static void WaitInDpc(void)
{
    KDPC Dpc;
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    KeInitializeDpc(&Dpc, DpcWaits, NULL);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    KeFlushQueuedDpcs();
}

static void TimerLeftBehind(void)
{
    static KTIMER Timer;
    LARGE_INTEGER Due = {.QuadPart = -100000000};
    MisuseLoad(false);
    KeInitializeTimer(&Timer);
    KeSetTimer(&Timer, Due, NULL);
    MisuseUnload();
}

static void WorkItemFreedTwice(void)
{
    MisuseLoad(true);
    PIO_WORKITEM Item = IoAllocateWorkItem(MisuseDevice);
    IoFreeWorkItem(Item);
    IoFreeWorkItem(Item);
}

static void WorkItemLeaked(void)
{
    MisuseLoad(true);
    IoAllocateWorkItem(MisuseDevice);
    MisuseUnload();
}

static VOID ThreadWaits(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    MisuseAwait(&Event);
}

static void ThreadLeftBehind(void)
{
    HANDLE Thread;
    KeInitializeEvent(&Event, NotificationEvent, FALSE);
    MisuseLoad(false);
    PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, ThreadWaits, NULL);
    ZwClose(Thread);
    MisuseUnload();
}

static REGHANDLE Provider(void)
{
    static const GUID Id = {1, 2, 3, {4}};
    REGHANDLE Handle = 0;
    EtwRegister(&Id, NULL, NULL, &Handle);
    return Handle;
}

static void ProviderEndedTwice(void)
{
    REGHANDLE Handle = Provider();
    EtwUnregister(Handle);
    EtwUnregister(Handle);
}

static void ProviderWritesAfterEnd(void)
{
    EVENT_DESCRIPTOR Nothing = {.Id = 1};
    REGHANDLE Handle = Provider();
    EtwUnregister(Handle);
    EtwWrite(Handle, &Nothing, NULL, 0, NULL);
}

static void ProviderLeftBehind(void)
{
    MisuseLoad(false);
    Provider();
    MisuseUnload();
}

static VOID NotifiedNothing(HANDLE ParentId, HANDLE ProcessId, BOOLEAN Create)
{
    UNREFERENCED_PARAMETER(ParentId);
    UNREFERENCED_PARAMETER(ProcessId);
    UNREFERENCED_PARAMETER(Create);
}

static void NotifyLeftBehind(void)
{
    MisuseLoad(false);
    PsSetCreateProcessNotifyRoutine(NotifiedNothing, FALSE);
    MisuseUnload();
}

static HANDLE OpenServices(void)
{
    HANDLE Key = NULL;
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\Test");
    OBJECT_ATTRIBUTES Attributes;
    NativeRegistrySetDword("\\Registry\\Machine\\Test", "Value", 1);
    InitializeObjectAttributes(&Attributes, &Name, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwOpenKey(&Key, KEY_READ, &Attributes);
    return Key;
}

static void HandleClosedTwice(void)
{
    HANDLE Key = OpenServices();
    ZwClose(Key);
    ZwClose(Key);
}

static void HandleLeaked(void)
{
    MisuseLoad(false);
    OpenServices();
    MisuseUnload();
}

static NTSTATUS DispatchOpensDriverKey(PDEVICE_OBJECT Device, PIRP Irp)
{
    HANDLE Key;
    IoOpenDriverRegistryKey(Device->DriverObject, DriverRegKeyParameters, KEY_READ, 0, &Key);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static void DriverKeyOpenedForCaller(void)
{
    Conduct.DeviceControl = DispatchOpensDriverKey;
    MisuseLoad(true);
    MisuseIoctl();
}

static void RemoveLockReleasedTwice(void)
{
    IO_REMOVE_LOCK Lock;
    IoInitializeRemoveLock(&Lock, TAG, 0, 0);
    IoReleaseRemoveLock(&Lock, NULL);
    IoReleaseRemoveLock(&Lock, NULL);
}

#define CASE(Rule, Function) {RULE_##Rule, #Function, Function}

const MISUSE MisuseKernel[] = {
    CASE(ASSERTION, Assertion),
    CASE(BUG_CHECK, ExceptionUnhandled),
    CASE(IRQL, IrqlTooHigh),
    CASE(IRQL_RAISE, IrqlRaisedDown),
    CASE(IRQL_LOWER, IrqlLoweredUp),
    CASE(IRQL_CALLBACK, CallbackLeavesIrql),
    CASE(PAGED_CODE, PagedCodeRaised),
    CASE(LOCK_INIT, LockZeroed),
    CASE(LOCK_RECURSION, LockTwice),
    CASE(LOCK_OWNER, LockNotOwned),
    CASE(LOCK_IRQL, LockReleasedElsewhere),
    CASE(LOCK_DPC, LockAtDpcBelow),
    CASE(LOCK_WAIT, LockHeldInWait),
    CASE(LOCK_CALLBACK, CallbackKeepsLock),
    CASE(POOL_TAG, PoolTagEmpty),
    CASE(POOL_TYPE, PoolExecutable),
    CASE(IRQL, PagedPoolRaised),
    CASE(POOL_PAGED, PagedPoolFreedRaised),
    CASE(POOL_PAGED, PagedLock),
    CASE(POOL_PAGED, PagedEvent),
    CASE(POOL_PAGED, PagedDpc),
    CASE(POOL_PAGED, PagedTimer),
    CASE(POOL_PAGED, PagedMdl),
    CASE(POOL_PAGED, PagedStringRaised),
    CASE(POOL_SIZE, PoolNothing),
    CASE(POOL_FREE, PoolFreedTwice),
    CASE(POOL_FREE, PoolFreedByOther),
    CASE(POOL_IN_USE, PoolFreedWithTimer),
    CASE(POOL_LEAK, PoolLeaked),
    CASE(OBJECT_INIT, EventForgotten),
    CASE(DPC_WAIT, WaitInDpc),
    CASE(QUEUED_AT_UNLOAD, TimerLeftBehind),
    CASE(WORK_ITEM, WorkItemFreedTwice),
    CASE(WORK_ITEM_LEAK, WorkItemLeaked),
    CASE(THREAD_AT_UNLOAD, ThreadLeftBehind),
    CASE(NOTIFY_AT_UNLOAD, NotifyLeftBehind),
    CASE(ETW, ProviderEndedTwice),
    CASE(ETW, ProviderWritesAfterEnd),
    CASE(ETW_AT_UNLOAD, ProviderLeftBehind),
    CASE(HANDLE, HandleClosedTwice),
    CASE(HANDLE_LEAK, HandleLeaked),
    CASE(SYSTEM_THREAD, DriverKeyOpenedForCaller),
    CASE(REMOVE_LOCK, RemoveLockReleasedTwice),
};
const size_t MisuseKernelCount = RTL_NUMBER_OF(MisuseKernel);
