/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sends SCSI commands to the port driver: IRP_MJ_SCSI with the SRB in the stack location and the memory in the IRP's
 * MDL, as classpnp does (its TransferPkt), and sends them again where classpnp would. See packet.h.
 *
 * Lock: RetryLock protects the packets that wait for another try; one timer serves all disks, so that no packet and no
 * disk has to outlive a timer of its own.
 */
#include "packet.h"

#define TIMEOUT_S 60u        /* Services\disk\TimeOutValue as Windows sets it */
#define UNITS_PER_MS 10000ll /* of KeSetTimer: 100 ns */

static KSPIN_LOCK RetryLock;
static LIST_ENTRY RetryList;
static KTIMER RetryTimer;
static KDPC RetryDpc;

static VOID PacketSubmit(PACKET *Packet);

PACKET *PacketCreate(DISK *Disk, const UCHAR *Cdb, UCHAR CdbBytes, ULONG Flags)
{
    PACKET *Packet = DiskAllocate(sizeof(*Packet));

    if (Packet == NULL) {
        return NULL;
    }
    Packet->Irp = IoAllocateIrp(Disk->Lower->StackSize, FALSE);
    if (Packet->Irp == NULL) {
        ExFreePoolWithTag(Packet, DISK_TAG);
        return NULL;
    }
    Packet->Disk = Disk;
    Packet->RetriesLeft = PACKET_RETRIES;
    Packet->Srb.Length = sizeof(Packet->Srb);
    Packet->Srb.Function = SRB_FUNCTION_EXECUTE_SCSI;
    Packet->Srb.QueueAction = SRB_SIMPLE_TAG_REQUEST;
    Packet->Srb.QueueTag = SP_UNTAGGED;
    Packet->Srb.SrbFlags = Flags | SRB_FLAGS_QUEUE_ACTION_ENABLE | SRB_FLAGS_NO_QUEUE_FREEZE;
    Packet->Srb.TimeOutValue = TIMEOUT_S;
    Packet->Srb.CdbLength = CdbBytes;
    RtlCopyMemory(Packet->Srb.Cdb, Cdb, CdbBytes);
    return Packet;
}

PACKET *PacketCreateWithBuffer(DISK *Disk, const UCHAR *Cdb, UCHAR CdbBytes, ULONG Flags, ULONG BufferBytes)
{
    PACKET *Packet = PacketCreate(Disk, Cdb, CdbBytes, Flags);

    if (Packet == NULL) {
        return NULL;
    }
    Packet->OwnBuffer = DiskAllocate(BufferBytes);
    if (Packet->OwnBuffer != NULL) {
        Packet->Mdl = IoAllocateMdl(Packet->OwnBuffer, BufferBytes, FALSE, FALSE, NULL);
    }
    if (Packet->Mdl == NULL) {
        PacketFree(Packet);
        return NULL;
    }
    MmBuildMdlForNonPagedPool(Packet->Mdl);
    /* What that call does to the MDL on Windows; Wine's is a stub. */
    Packet->Mdl->MappedSystemVa = Packet->OwnBuffer;
    Packet->Mdl->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
    Packet->Data = Packet->OwnBuffer;
    Packet->DataBytes = BufferBytes;
    return Packet;
}

VOID PacketFree(PACKET *Packet)
{
    /* The MDL is freed here or is somebody else's; Wine's IoFreeIrp would free it too. */
    Packet->Irp->MdlAddress = NULL;
    IoFreeIrp(Packet->Irp);
    if (Packet->OwnBuffer != NULL) {
        if (Packet->Mdl != NULL) {
            IoFreeMdl(Packet->Mdl);
        }
        ExFreePoolWithTag(Packet->OwnBuffer, DISK_TAG);
    }
    ExFreePoolWithTag(Packet, DISK_TAG);
}

/* Starts the timer for the packet that is due first. RetryLock is held. */
static VOID RetryArm(ULONGLONG Now)
{
    ULONGLONG First = (ULONGLONG)-1;
    LARGE_INTEGER Due;
    PLIST_ENTRY Entry;

    for (Entry = RetryList.Flink; Entry != &RetryList; Entry = Entry->Flink) {
        PACKET *Packet = CONTAINING_RECORD(Entry, PACKET, RetryLink);

        if (Packet->RetryTime < First) {
            First = Packet->RetryTime;
        }
    }
    if (!IsListEmpty(&RetryList)) {
        Due.QuadPart = First > Now ? -(LONGLONG)(First - Now) * UNITS_PER_MS : -1;
        KeSetTimer(&RetryTimer, Due, &RetryDpc);
    }
}

static VOID RetryLater(PACKET *Packet, ULONG DelayMs)
{
    ULONGLONG Now = ClockMs();
    KIRQL Irql;

    KeAcquireSpinLock(&RetryLock, &Irql);
    Packet->RetryTime = Now + DelayMs;
    InsertTailList(&RetryList, &Packet->RetryLink);
    RetryArm(Now);
    KeReleaseSpinLock(&RetryLock, Irql);
}

static PACKET *RetryTakeDue(ULONGLONG Now)
{
    PACKET *Due = NULL;
    PLIST_ENTRY Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&RetryLock, &Irql);
    for (Entry = RetryList.Flink; Entry != &RetryList && Due == NULL; Entry = Entry->Flink) {
        PACKET *Packet = CONTAINING_RECORD(Entry, PACKET, RetryLink);

        if (Packet->RetryTime <= Now) {
            Due = Packet;
        }
    }
    if (Due != NULL) {
        RemoveEntryList(&Due->RetryLink);
    } else {
        RetryArm(Now);
    }
    KeReleaseSpinLock(&RetryLock, Irql);
    return Due;
}

static VOID NTAPI RetryTimerExpired(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    ULONGLONG Now = ClockMs();
    PACKET *Packet;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    while ((Packet = RetryTakeDue(Now)) != NULL) {
        DISK_STATE State = DiskState(Packet->Disk);

        if (State == DISK_SURPRISE_REMOVED || State == DISK_REMOVED) {
            Packet->Done(Packet, STATUS_DEVICE_DOES_NOT_EXIST);
        } else {
            PacketSubmit(Packet);
        }
    }
}

VOID PacketInitialize(VOID)
{
    KeInitializeSpinLock(&RetryLock);
    InitializeListHead(&RetryList);
    KeInitializeTimer(&RetryTimer);
    KeInitializeDpc(&RetryDpc, RetryTimerExpired, NULL);
}

VOID PacketUninitialize(VOID)
{
    /* No disk is left, so the list is empty; the timer may still be running out. */
    KeCancelTimer(&RetryTimer);
    KeFlushQueuedDpcs();
}

/* The capacity packet of its own that a unit attention calls for; the result shows in the disk's size. */
static VOID PacketCapacityChanged(DISK *Disk)
{
    if (InterlockedCompareExchange(&Disk->CapacityRefreshing, 1, 0) != 0) {
        return;
    }
    if (!NT_SUCCESS(DiskEnter(Disk, &Disk->CapacityRefreshing))) {
        InterlockedExchange(&Disk->CapacityRefreshing, 0);
        return;
    }
    ProbeCapacityAgain(Disk, NULL);
}

static NTSTATUS NTAPI PacketCompleted(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    PACKET *Packet = Context;
    VERDICT Verdict = SenseJudge(&Packet->Srb, Packet->Sense);

    UNREFERENCED_PARAMETER(Device);
    if (Packet->Srb.SrbStatus == SRB_STATUS_PENDING) {
        /* The port driver refused the IRP without looking at the SRB: it is removing the device. */
        Verdict.Status = NT_SUCCESS(Irp->IoStatus.Status) ? STATUS_IO_DEVICE_ERROR : Irp->IoStatus.Status;
        Verdict.Retry = FALSE;
    }
    if (Verdict.CapacityChanged) {
        PacketCapacityChanged(Packet->Disk);
    }
    if (Verdict.Retry && Packet->RetriesLeft > 0) {
        Packet->RetriesLeft--;
        RetryLater(Packet, Verdict.DelayMs);
    } else {
        Packet->Done(Packet, Verdict.Status);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID PacketSubmit(PACKET *Packet)
{
    SCSI_REQUEST_BLOCK *Srb = &Packet->Srb;
    PIO_STACK_LOCATION Next;

    Srb->SrbStatus = SRB_STATUS_PENDING;
    Srb->ScsiStatus = 0;
    Srb->DataBuffer = Packet->Data;
    Srb->DataTransferLength = Packet->DataBytes;
    Srb->SenseInfoBuffer = Packet->Sense;
    Srb->SenseInfoBufferLength = PACKET_SENSE_BYTES;
    Srb->NextSrb = NULL;
    Srb->SrbExtension = NULL;
    Srb->OriginalRequest = Packet->Irp;
    RtlZeroMemory(Packet->Sense, sizeof(Packet->Sense));

    IoReuseIrp(Packet->Irp, STATUS_NOT_SUPPORTED);
    Packet->Irp->MdlAddress = Packet->Mdl;
    Next = IoGetNextIrpStackLocation(Packet->Irp);
    Next->MajorFunction = IRP_MJ_SCSI;
    Next->MinorFunction = IRP_MN_SCSI_CLASS;
    Next->Parameters.Scsi.Srb = Srb;
    IoSetCompletionRoutine(Packet->Irp, PacketCompleted, Packet, TRUE, TRUE, TRUE);
    IoCallDriver(Packet->Disk->Lower, Packet->Irp);
}

VOID PacketSend(PACKET *Packet, PACKET_DONE *Done, PVOID Context)
{
    Packet->Done = Done;
    Packet->Context = Context;
    PacketSubmit(Packet);
}

typedef struct {
    KEVENT Event;
    NTSTATUS Status;
} WAIT;

static VOID PacketWake(PACKET *Packet, NTSTATUS Status)
{
    WAIT *Wait = Packet->Context;

    Wait->Status = Status;
    KeSetEvent(&Wait->Event, IO_NO_INCREMENT, FALSE);
}

NTSTATUS PacketSendAndWait(PACKET *Packet)
{
    WAIT Wait;

    KeInitializeEvent(&Wait.Event, NotificationEvent, FALSE);
    PacketSend(Packet, PacketWake, &Wait);
    KeWaitForSingleObject(&Wait.Event, Executive, KernelMode, FALSE, NULL);
    return Wait.Status;
}
