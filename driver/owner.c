/* SPDX-License-Identifier: LGPL-2.1-only */
/* owner.h. */
#include "owner.h"

#include "disk.h"
#include "log.h"
#include "options.h"

/* Interrupt time is in 100 ns; here it is the one without sleep, in which nobody can call. */
#define OWNER_UNITS_PER_MS 10000u

static LIST_ENTRY Owners;
/* Both are locks for PASSIVE_LEVEL; who holds the second one may take the first one. */
static KEVENT OwnersFree;
static KEVENT OwnersEntering;
static ULONG OwnersAdapters; /* with OwnersEntering */
static BOOLEAN OwnersNotified;

/* A thread that is suspended holding one would stop the exit of every process: suspension is a kernel APC. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void OwnersHold(PKEVENT Lock)
{
    KeEnterCriticalRegion();
    KeWaitForSingleObject(Lock, Executive, KernelMode, FALSE, NULL);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void OwnersLetGo(PKEVENT Lock)
{
    KeSetEvent(Lock, IO_NO_INCREMENT, FALSE);
    KeLeaveCriticalRegion();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnersStart(void)
{
    InitializeListHead(&Owners);
    KeInitializeEvent(&OwnersFree, SynchronizationEvent, TRUE);
    KeInitializeEvent(&OwnersEntering, SynchronizationEvent, TRUE);
    OwnersAdapters = 0;
}

/* ---- the end of one. The list is held. ---- */

/* SilentMs 0: the process has ended; otherwise it hangs. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void OwnerGone(OWNER *Owner, UINT64 SilentMs)
{
    DISK *Disk = Owner->Disk;
    const WNBD_PROPERTIES *Properties = &Disk->Properties;
    if (AdapterDiskReference(Disk->Adapter, Disk)) {
        if (SilentMs == 0) {
            LOG(ProcessEnded, Properties->InstanceName, (UINT32)Properties->Pid);
        } else {
            LOG(ProcessHangs, Properties->InstanceName, (UINT32)Properties->Pid, SilentMs);
        }
        DiskWithdraw(Disk);
        DiskRelease(Disk);
    }
}

/* Fetches that another processor fills, or cancels, end in a moment: nothing that they wait for is the process's. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void OwnerAwaitUnlocked(OWNER *Owner)
{
    LARGE_INTEGER Moment = {.QuadPart = -(LONGLONG)OWNER_UNITS_PER_MS};
    while (InterlockedCompareExchange(&Owner->Locked, 0, 0) != 0) {
        KeDelayExecutionThread(KernelMode, FALSE, &Moment);
    }
}

/* WDK: PCREATE_PROCESS_NOTIFY_ROUTINE. PASSIVE_LEVEL, in the context of the last thread of the process that ends. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI OwnersNotify(HANDLE ParentId, HANDLE ProcessId, BOOLEAN Create)
{
    UNREFERENCED_PARAMETER(ParentId);
    if (Create) {
        return;
    }
    OwnersHold(&OwnersFree);
    for (PLIST_ENTRY Entry = Owners.Flink; Entry != &Owners; Entry = Entry->Flink) {
        OWNER *Owner = CONTAINING_RECORD(Entry, OWNER, Link);
        /* If the id is another process's by now, this one has ended, too. */
        if (PsGetProcessId(Owner->Process) == ProcessId) {
            OwnerGone(Owner, 0);
            OwnerAwaitUnlocked(Owner);
        }
    }
    OwnersLetGo(&OwnersFree);
}

/* ---- the look ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN OwnerEnded(const OWNER *Owner)
{
    LARGE_INTEGER Now = {.QuadPart = 0};
    return ZwWaitForSingleObject(Owner->Handle, FALSE, &Now) == STATUS_SUCCESS;
}

/* For how many milliseconds it has been silent, if that is for too long; 0 otherwise. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static UINT64 OwnerSilentMs(const OWNER *Owner)
{
    DISK *Disk = Owner->Disk;
    if (!OptionsValue(OptionRemoveStaleConnections)) {
        return 0;
    }
    ULONG64 SilenceUnits = (ULONG64)OptionsValue(OptionStaleConnTimeoutMs) * OWNER_UNITS_PER_MS;
    ULONG64 AgeUnits = (ULONG64)OptionsValue(OptionStaleReqTimeoutMs) * OWNER_UNITS_PER_MS;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    ULONG64 Now = KeQueryUnbiasedInterruptTime();
    ULONG64 Oldest = QueueOldest(&Disk->Queue);
    ULONG64 SilentUnits = Owner->SilentSince != 0 ? Now - Owner->SilentSince : 0;
    BOOLEAN Silent = Owner->SilentSince != 0 && SilentUnits >= SilenceUnits && Oldest != 0 && Now - Oldest >= AgeUnits;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return Silent ? SilentUnits / OWNER_UNITS_PER_MS : 0;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void OwnersArm(OWNER_WATCH *Watch)
{
    LARGE_INTEGER Due = {.QuadPart = -(LONGLONG)OWNER_LOOK_MS * OWNER_UNITS_PER_MS};
    KeSetTimer(&Watch->Timer, Due, &Watch->Dpc);
}

/* The adapter is there: OwnersLeave waits until it isn't looked for its owners any more. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI OwnersLook(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    ADAPTER *Adapter = Context;
    OWNER_WATCH *Watch = &Adapter->Owners;
    OwnersHold(&OwnersFree);
    for (PLIST_ENTRY Entry = Owners.Flink; Entry != &Owners; Entry = Entry->Flink) {
        OWNER *Owner = CONTAINING_RECORD(Entry, OWNER, Link);
        if (Owner->Disk->Adapter != Adapter) {
            continue;
        }
        BOOLEAN Ended = OwnerEnded(Owner);
        UINT64 SilentMs = Ended ? 0 : OwnerSilentMs(Owner);
        if (Ended || SilentMs != 0) {
            OwnerGone(Owner, SilentMs);
        }
    }
    if (Watch->Count != 0) {
        OwnersArm(Watch);
    } else {
        Watch->Looking = FALSE;
        KeSetEvent(&Watch->Idle, IO_NO_INCREMENT, FALSE);
    }
    OwnersLetGo(&OwnersFree);
}

/* The adapter is there: OwnersLeave flushes DPCs. */
_IRQL_requires_(DISPATCH_LEVEL)
static VOID NTAPI OwnersDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    ADAPTER *Adapter = Context;
    /* Waiting and unlocking are for PASSIVE_LEVEL. */
    IoQueueWorkItem(Adapter->Owners.Work, OwnersLook, DelayedWorkQueue, Adapter);
}

/* ---- adapters ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OwnersEnter(ADAPTER *Adapter)
{
    OWNER_WATCH *Watch = &Adapter->Owners;
    Watch->Work = IoAllocateWorkItem(Adapter->Fdo);
    if (Watch->Work == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KeInitializeEvent(&Watch->Idle, NotificationEvent, TRUE);
    KeInitializeTimer(&Watch->Timer);
    KeInitializeDpc(&Watch->Dpc, OwnersDpc, Adapter);
    OwnersHold(&OwnersEntering);
    if (OwnersAdapters++ == 0) {
        NTSTATUS Status = PsSetCreateProcessNotifyRoutine(OwnersNotify, FALSE);
        OwnersNotified = NT_SUCCESS(Status);
        if (!OwnersNotified) {
            LOG(ProcessesUnwatched, (UINT32)Status);
        }
    }
    OwnersLetGo(&OwnersEntering);
    return STATUS_SUCCESS;
}

/* No owner is left, and none comes. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void OwnersStopLooking(OWNER_WATCH *Watch)
{
    OwnersHold(&OwnersFree);
    if (Watch->Looking && KeCancelTimer(&Watch->Timer)) {
        Watch->Looking = FALSE;
        KeSetEvent(&Watch->Idle, IO_NO_INCREMENT, FALSE);
    }
    OwnersLetGo(&OwnersFree);
    KeWaitForSingleObject(&Watch->Idle, Executive, KernelMode, FALSE, NULL);
    /* Who has set the event has let go of the list then, and of the adapter. */
    OwnersHold(&OwnersFree);
    OwnersLetGo(&OwnersFree);
    KeFlushQueuedDpcs();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnersLeave(ADAPTER *Adapter)
{
    OWNER_WATCH *Watch = &Adapter->Owners;
    if (Watch->Work == NULL) {
        return;
    }
    OwnersStopLooking(Watch);
    IoFreeWorkItem(Watch->Work);
    Watch->Work = NULL;
    OwnersHold(&OwnersEntering);
    if (--OwnersAdapters == 0 && OwnersNotified) {
        /* May wait for notifications that are under way: they take the list only. */
        PsSetCreateProcessNotifyRoutine(OwnersNotify, TRUE);
    }
    OwnersLetGo(&OwnersEntering);
}

/* ---- owners ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OwnerAdopt(OWNER *Owner, DISK *Disk, PEPROCESS Process)
{
    OWNER_WATCH *Watch = &Disk->Adapter->Owners;
    /* Of which type it is needs no check for a pointer of the system's own (WDK, ObOpenObjectByPointer). */
    NTSTATUS Status =
        ObOpenObjectByPointer(Process, OBJ_KERNEL_HANDLE, NULL, SYNCHRONIZE, NULL, KernelMode, &Owner->Handle);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Owner->Disk = Disk;
    Owner->Process = Process;
    OwnersHold(&OwnersFree);
    InsertTailList(&Owners, &Owner->Link);
    Watch->Count++;
    if (!Watch->Looking) {
        Watch->Looking = TRUE;
        KeClearEvent(&Watch->Idle);
        OwnersArm(Watch);
    }
    OwnersLetGo(&OwnersFree);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void OwnerRelease(OWNER *Owner)
{
    OwnersHold(&OwnersFree);
    RemoveEntryList(&Owner->Link);
    Owner->Disk->Adapter->Owners.Count--;
    OwnersLetGo(&OwnersFree);
    ZwClose(Owner->Handle);
}

/* ---- what is heard of them ---- */

_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN OwnerOwes(const OWNER *Owner)
{
    const QUEUE *Queue = &Owner->Disk->Queue;
    return Queue->Stats.OutstandingIOCount != 0 || Queue->AbortedWires != 0;
}

_IRQL_requires_(DISPATCH_LEVEL)
void OwnerAwaited(OWNER *Owner)
{
    if (Owner->SilentSince == 0 && OwnerOwes(Owner)) {
        Owner->SilentSince = KeQueryUnbiasedInterruptTime();
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
void OwnerHeard(OWNER *Owner)
{
    Owner->SilentSince = OwnerOwes(Owner) ? KeQueryUnbiasedInterruptTime() : 0;
}
