/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sends SCSI commands to the port driver: IRP_MJ_SCSI with the SRB in the stack location and the memory in the IRP's
 * MDL, as classpnp does (its TransferPkt), and sends them again where classpnp would. See packet.h.
 *
 * Lock: RetryLock protects the packets that wait for another try. One thread sends them again, for all disks, so that
 * no packet and no disk has to outlive a timer of its own. A timer would do on Windows; Wine's KeSetTimer waits for a
 * DPC of that timer that still runs, with a lock held that the DPC needs.
 */
#include "packet.h"

#define TIMEOUT_S 60u        /* Services\disk\TimeOutValue as Windows sets it */
#define UNITS_PER_MS 10000ll /* of a wait: 100 ns */
#define NEVER (~0ull)

static KSPIN_LOCK RetryLock;
static LIST_ENTRY RetryList;
static KEVENT RetryWake; /* a packet has come, or RetryStopping */
static volatile BOOLEAN RetryStopping;
static PVOID RetryThread;

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

static VOID RetryLater(PACKET *Packet, ULONG DelayMs)
{
    KIRQL Irql;

    KeAcquireSpinLock(&RetryLock, &Irql);
    Packet->RetryTime = ClockMs() + DelayMs;
    InsertTailList(&RetryList, &Packet->RetryLink);
    KeReleaseSpinLock(&RetryLock, Irql);
    KeSetEvent(&RetryWake, IO_NO_INCREMENT, FALSE);
}

/* The packet that is due first, taken from the list; NULL when none is due: the next is at *NextMs, perhaps NEVER. */
static PACKET *RetryTakeDue(ULONGLONG NowMs, ULONGLONG *NextMs)
{
    PACKET *First = NULL;
    PLIST_ENTRY Entry;
    KIRQL Irql;

    *NextMs = NEVER;
    KeAcquireSpinLock(&RetryLock, &Irql);
    for (Entry = RetryList.Flink; Entry != &RetryList; Entry = Entry->Flink) {
        PACKET *Packet = CONTAINING_RECORD(Entry, PACKET, RetryLink);

        if (Packet->RetryTime < *NextMs) {
            *NextMs = Packet->RetryTime;
            First = Packet;
        }
    }
    if (*NextMs <= NowMs) {
        RemoveEntryList(&First->RetryLink);
    } else {
        First = NULL;
    }
    KeReleaseSpinLock(&RetryLock, Irql);
    return First;
}

static VOID RetryNow(PACKET *Packet)
{
    DISK_STATE State = DiskState(Packet->Disk);

    if (State == DISK_SURPRISE_REMOVED || State == DISK_REMOVED) {
        Packet->Done(Packet, STATUS_DEVICE_DOES_NOT_EXIST);
    } else {
        PacketSubmit(Packet);
    }
}

static VOID NTAPI RetryWorker(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    while (!RetryStopping) {
        ULONGLONG NowMs = ClockMs();
        ULONGLONG NextMs;
        PACKET *Packet = RetryTakeDue(NowMs, &NextMs);

        if (Packet != NULL) {
            RetryNow(Packet);
        } else {
            LARGE_INTEGER Pause = {.QuadPart = -(LONGLONG)(NextMs - NowMs) * UNITS_PER_MS};

            KeWaitForSingleObject(&RetryWake, Executive, KernelMode, FALSE, NextMs == NEVER ? NULL : &Pause);
        }
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS PacketInitialize(VOID)
{
    NTSTATUS Status;
    HANDLE Handle;

    KeInitializeSpinLock(&RetryLock);
    InitializeListHead(&RetryList);
    KeInitializeEvent(&RetryWake, SynchronizationEvent, FALSE);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, RetryWorker, NULL);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Status = ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, NULL, KernelMode, &RetryThread, NULL);
    ZwClose(Handle);
    return Status;
}

VOID PacketUninitialize(VOID)
{
    /* No disk is left, so the list is empty. */
    RetryStopping = TRUE;
    KeSetEvent(&RetryWake, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(RetryThread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(RetryThread);
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
