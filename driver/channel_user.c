/* SPDX-License-Identifier: LGPL-2.1-only */
/* channel_user.h: requests on their way to the process. */
#include "channel_user.h"

#include "base/invariant.h"
#include "log.h"
#include "pend.h"
#include "pool.h"

static const UCHAR UserTypes[WIRE_COMMAND_COUNT] = {[WIRE_COMMAND_READ] = WnbdReqTypeRead,
                                                    [WIRE_COMMAND_WRITE] = WnbdReqTypeWrite,
                                                    [WIRE_COMMAND_FLUSH] = WnbdReqTypeFlush,
                                                    [WIRE_COMMAND_UNMAP] = WnbdReqTypeUnmap,
                                                    [WIRE_COMMAND_RESERVE_IN] = WnbdReqTypePersistResIn,
                                                    [WIRE_COMMAND_RESERVE_OUT] = WnbdReqTypePersistResOut};

_IRQL_requires_max_(DISPATCH_LEVEL)
WnbdRequestType UserChannelType(const WIRE *Wire)
{
    return (WnbdRequestType)UserTypes[Wire->Command];
}

/* ---- the end of a fetch ---- */

/* Its place is free again; what has to be done still is in *Ended. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static void FetchLetGo(USER_CHANNEL *User, FETCH *Fetch, FETCH *Ended)
{
    *Ended = *Fetch;
    InsertHeadList(&User->Free, &Fetch->Link);
}

/* What a fetch that has succeeded returns: the command, or the request alone where there is no room for more. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static ULONG FetchOutput(PIRP Irp)
{
    PWNBD_IOCTL_FETCH_REQ_COMMAND Command = Irp->AssociatedIrp.SystemBuffer;
    ULONG RoomBytes = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.OutputBufferLength;
    if (RoomBytes >= sizeof(*Command)) {
        return sizeof(*Command);
    }
    RtlMoveMemory(Command, &Command->Request, sizeof(Command->Request));
    return sizeof(Command->Request);
}

/* Completes its IRP. No lock held; the channel may be gone afterwards. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static void FetchEnd(USER_CHANNEL *User, FETCH *Ended)
{
    DISK *Disk = User->Disk;
    UserMemoryUnlock(&Ended->Memory);
    OwnerUnlocks(&User->Owner);
    ServiceComplete(Disk->Adapter, Ended->Irp, Ended->Status, NT_SUCCESS(Ended->Status) ? FetchOutput(Ended->Irp) : 0);
    AdapterPendEnd(Disk->Adapter);
    DiskRelease(Disk);
}

_IRQL_requires_(DISPATCH_LEVEL)
static VOID NTAPI FetchCancel(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    USER_CHANNEL *User = Irp->Tail.Overlay.DriverContext[0];
    FETCH *Fetch = Irp->Tail.Overlay.DriverContext[1];
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    FETCH Ended;
    KIRQL Irql;
    KeAcquireSpinLock(&User->Disk->Lock, &Irql);
    RemoveEntryList(&Fetch->Link);
    Fetch->Status = STATUS_CANCELLED;
    FetchLetGo(User, Fetch, &Ended);
    KeReleaseSpinLock(&User->Disk->Lock, Irql);
    FetchEnd(User, &Ended);
}

/* ---- pended fetches ---- */

/* FALSE: it was cancelled. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN FetchPend(USER_CHANNEL *User, FETCH *Fetch)
{
    Fetch->Irp->Tail.Overlay.DriverContext[0] = User;
    Fetch->Irp->Tail.Overlay.DriverContext[1] = Fetch;
    InsertTailList(&User->Pended, &Fetch->Link);
    if (PendArm(Fetch->Irp, FetchCancel)) {
        return TRUE;
    }
    RemoveEntryList(&Fetch->Link);
    Fetch->Status = STATUS_CANCELLED;
    return FALSE;
}

/* The oldest that isn't being cancelled, NULL if there is none. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static FETCH *FetchTake(USER_CHANNEL *User)
{
    for (PLIST_ENTRY Entry = User->Pended.Flink; Entry != &User->Pended; Entry = Entry->Flink) {
        FETCH *Fetch = CONTAINING_RECORD(Entry, FETCH, Link);
        if (PendDisarm(Fetch->Irp)) {
            RemoveEntryList(Entry);
            return Fetch;
        }
    }
    return NULL;
}

/* ---- filling ---- */

/* The fetch ends with a request of this kind, which the caller describes further. */
_IRQL_requires_(DISPATCH_LEVEL)
static PWNBD_IO_REQUEST FetchAnswer(FETCH *Fetch, WnbdRequestType Type)
{
    PWNBD_IOCTL_FETCH_REQ_COMMAND Command = Fetch->Irp->AssociatedIrp.SystemBuffer;
    RtlZeroMemory(&Command->Request, sizeof(Command->Request));
    Command->Request.RequestHandle = Fetch->Handle;
    Command->Request.RequestType = Type;
    Command->DataBufferSize = Fetch->FilledBytes;
    Fetch->Status = STATUS_SUCCESS;
    return &Command->Request;
}

/* All of a wire request's payload is there: the process gets it. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static void FetchDeliver(const QUEUE *Queue, FETCH *Fetch, const WIRE *Wire)
{
    PWNBD_IO_REQUEST Request = FetchAnswer(Fetch, UserChannelType(Wire));
    switch (Wire->Command) {
    case WIRE_COMMAND_READ:
        Request->Cmd.Read.BlockAddress = Wire->Offset / Queue->BlockSize;
        Request->Cmd.Read.BlockCount = (UINT32)(Wire->LengthBytes / Queue->BlockSize);
        Request->Cmd.Read.ForceUnitAccess = Wire->Fua ? 1 : 0;
        break;
    case WIRE_COMMAND_WRITE:
        Request->Cmd.Write.BlockAddress = Wire->Offset / Queue->BlockSize;
        Request->Cmd.Write.BlockCount = (UINT32)(Wire->LengthBytes / Queue->BlockSize);
        Request->Cmd.Write.ForceUnitAccess = Wire->Fua ? 1 : 0;
        break;
    case WIRE_COMMAND_UNMAP:
        Request->Cmd.Unmap.Count = Fetch->FilledBytes / sizeof(WNBD_UNMAP_DESCRIPTOR);
        Request->Cmd.Unmap.Anchor = Wire->Request->Anchor ? 1 : 0;
        break;
    case WIRE_COMMAND_RESERVE_IN:
        Request->Cmd.PersistResIn.ServiceAction = Wire->Request->ServiceAction;
        Request->Cmd.PersistResIn.AllocationLength = (USHORT)Wire->Request->ListBytes;
        break;
    case WIRE_COMMAND_RESERVE_OUT:
        Request->Cmd.PersistResOut.ServiceAction = Wire->Request->ServiceAction;
        Request->Cmd.PersistResOut.Scope = Wire->Request->Scope & 0xFu;
        Request->Cmd.PersistResOut.Type = Wire->Request->Type & 0xFu;
        Request->Cmd.PersistResOut.ParameterListLength = (USHORT)Fetch->FilledBytes;
        break;
    default: /* a flush is of everything: from block 0 on */
        break;
    }
}

/* Those that cover anything: the others ask for nothing. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static void FetchDescriptors(FETCH *Fetch, const REQUEST *Request)
{
    Fetch->FilledBytes = 0;
    for (ULONG Index = 0; Index < Request->DescriptorCount; Index++) {
        WNBD_UNMAP_DESCRIPTOR Descriptor = {0};
        QueueUnmapDescriptor(Request, Index, &Descriptor.BlockAddress, &Descriptor.BlockCount);
        if (Descriptor.BlockCount != 0) {
            /* The process's buffer begins where it likes. */
            RtlCopyMemory(Fetch->Memory.Bytes + Fetch->FilledBytes, &Descriptor, sizeof(Descriptor));
            Fetch->FilledBytes += sizeof(Descriptor);
        }
    }
}

/* A piece of the payload. TRUE: all of it is there. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN FetchCopy(FETCH *Fetch, const WIRE *Wire)
{
    if (Wire->Command == WIRE_COMMAND_UNMAP) {
        FetchDescriptors(Fetch, Wire->Request);
        return TRUE;
    }
    if (Wire->Command != WIRE_COMMAND_WRITE && Wire->Command != WIRE_COMMAND_RESERVE_OUT) {
        return TRUE;
    }
    ULONG TotalBytes = Wire->Command == WIRE_COMMAND_WRITE ? (ULONG)Wire->LengthBytes : Wire->Request->ListBytes;
    ULONG Left = TotalBytes - Fetch->FilledBytes;
    ULONG LengthBytes = Left < USER_PIECE_BYTES ? Left : USER_PIECE_BYTES;
    RtlCopyMemory(Fetch->Memory.Bytes + Fetch->FilledBytes, Wire->Data + Fetch->FilledBytes, LengthBytes);
    Fetch->FilledBytes += LengthBytes;
    return LengthBytes == Left;
}

/* What becomes of a fetch that has been taken. */
typedef enum {
    FETCH_FILLS, /* more of its payload has to be copied */
    FETCH_PENDS, /* there is no request for it (any more) */
    FETCH_ENDS   /* as its Status says */
} FETCH_NEXT;

/* Chooses the request that goes into the fetch. FETCH_FILLS: it has one. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static FETCH_NEXT FetchBegin(USER_CHANNEL *User, FETCH *Fetch)
{
    QUEUE *Queue = &User->Disk->Queue;
    ULONG PayloadBytes;
    Fetch->Handle = 0;
    Fetch->FilledBytes = 0;
    if (User->Closed) {
        FetchAnswer(Fetch, WnbdReqTypeDisconnect);
        return FETCH_ENDS;
    }
    if (!QueueReady(Queue, &PayloadBytes)) {
        return FetchPend(User, Fetch) ? FETCH_PENDS : FETCH_ENDS;
    }
    if (PayloadBytes > Fetch->Memory.SizeBytes) {
        /* The request stays where it is, for one that has room. */
        Fetch->Status = STATUS_BUFFER_TOO_SMALL;
        return FETCH_ENDS;
    }
    Fetch->Handle = SlotMapHandle(&Queue->Slots, QueueNextWire(Queue));
    return FETCH_FILLS;
}

/* One step with a fetch that has been taken. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static FETCH_NEXT FetchStep(USER_CHANNEL *User, FETCH *Fetch)
{
    QUEUE *Queue = &User->Disk->Queue;
    USHORT Slot = SlotMapFind(&Queue->Slots, Fetch->Handle);
    if (Slot == SLOT_NONE) {
        /* The first step, or the SRB was given back while it was being copied. */
        FETCH_NEXT Next = FetchBegin(User, Fetch);
        if (Next != FETCH_FILLS) {
            return Next;
        }
        Slot = SlotMapFind(&Queue->Slots, Fetch->Handle);
    }
    const WIRE *Wire = &Queue->Wires[Slot];
    if (!FetchCopy(Fetch, Wire)) {
        return FETCH_FILLS;
    }
    FetchDeliver(Queue, Fetch, Wire);
    QueueWireDelivered(Queue, Slot);
    return FETCH_ENDS;
}

_IRQL_requires_(DISPATCH_LEVEL)
static FETCH *FetchForWork(USER_CHANNEL *User)
{
    ULONG PayloadBytes;
    if (IsListEmpty(&User->Pended)) {
        return NULL;
    }
    return User->Closed || QueueReady(&User->Disk->Queue, &PayloadBytes) ? FetchTake(User) : NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void UserChannelServe(USER_CHANNEL *User)
{
    DISK *Disk = User->Disk;
    FETCH *Fetch = NULL;
    FETCH Ended;
    ULONG Passes = 0;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    OwnerAwaited(&User->Owner);
    while (Fetch != NULL || (Passes < USER_PASSES && (Fetch = FetchForWork(User)) != NULL)) {
        FETCH_NEXT Next = FetchStep(User, Fetch);
        if (Next == FETCH_ENDS) {
            FetchLetGo(User, Fetch, &Ended);
        }
        KeReleaseSpinLock(&Disk->Lock, Irql);
        if (Next == FETCH_ENDS) {
            FetchEnd(User, &Ended);
        }
        if (Next != FETCH_FILLS) {
            Fetch = NULL;
        }
        Passes++;
        KeAcquireSpinLock(&Disk->Lock, &Irql);
    }
    ULONG PayloadBytes;
    /* What is pended keeps the disk: it is there when the DPC runs, or its end flushes the DPC. */
    if (Passes >= USER_PASSES && !IsListEmpty(&User->Pended) &&
        (User->Closed || QueueReady(&Disk->Queue, &PayloadBytes))) {
        KeInsertQueueDpc(&User->Dpc, NULL, NULL);
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
}

/* The disk is there: its end flushes DPCs. */
_IRQL_requires_(DISPATCH_LEVEL)
static VOID NTAPI UserDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    UserChannelServe(Context);
}

/* ---- the command ---- */

/* What of the process's buffer a request may use. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static ULONG FetchRoom(const WNBD_IOCTL_FETCH_REQ_COMMAND *Command)
{
    return Command->DataBufferSize < WNBD_DEFAULT_MAX_TRANSFER_LENGTH ? Command->DataBufferSize
                                                                      : WNBD_DEFAULT_MAX_TRANSFER_LENGTH;
}

/*
 * Whether a request waits whose payload fits RoomBytes and is copied in one go. The fetch ends with it if its memory
 * suffices. No lock held.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN FetchTry(USER_CHANNEL *User, FETCH *Fetch, ULONG RoomBytes, ULONG *PayloadBytes)
{
    DISK *Disk = User->Disk;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    BOOLEAN Waits =
        QueueReady(&Disk->Queue, PayloadBytes) && *PayloadBytes <= RoomBytes && *PayloadBytes <= USER_PIECE_BYTES;
    if (Waits && *PayloadBytes <= Fetch->Memory.SizeBytes) {
        FetchStep(User, Fetch);
        OwnerHeard(&User->Owner);
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    return Waits;
}

/*
 * A request that waits already is taken without pending anything, with no more memory locked than its payload needs: of
 * a READ none. TRUE: the IRP has been completed with it.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN FetchAtOnce(USER_CHANNEL *User, PIRP Irp)
{
    const WNBD_IOCTL_FETCH_REQ_COMMAND *Command = Irp->AssociatedIrp.SystemBuffer;
    PVOID Buffer = Command->DataBuffer;
    ULONG RoomBytes = FetchRoom(Command);
    ULONG PayloadBytes;
    FETCH Fetch = {.Irp = Irp, .Status = STATUS_PENDING};
    BOOLEAN Waits = FetchTry(User, &Fetch, RoomBytes, &PayloadBytes);
    if (Waits && Fetch.Status == STATUS_PENDING) {
        OwnerLocks(&User->Owner);
        if (NT_SUCCESS(UserMemoryLock(&Fetch.Memory, Buffer, PayloadBytes, IoWriteAccess))) {
            FetchTry(User, &Fetch, RoomBytes, &PayloadBytes);
            UserMemoryUnlock(&Fetch.Memory);
        }
        OwnerUnlocks(&User->Owner);
    }
    if (Fetch.Status == STATUS_PENDING) {
        return FALSE;
    }
    ServiceComplete(User->Disk->Adapter, Irp, Fetch.Status, FetchOutput(Irp));
    return TRUE;
}

/* STATUS_PENDING: the IRP has a place, and is nobody's to touch any more. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static NTSTATUS FetchEnter(USER_CHANNEL *User, PIRP Irp, const USER_MEMORY *Memory)
{
    if (IsListEmpty(&User->Free)) {
        return STATUS_QUOTA_EXCEEDED;
    }
    FETCH *Fetch = CONTAINING_RECORD(RemoveHeadList(&User->Free), FETCH, Link);
    Fetch->Irp = Irp;
    Fetch->Memory = *Memory;
    Fetch->Handle = 0;
    Fetch->FilledBytes = 0;
    if (FetchPend(User, Fetch)) {
        return STATUS_PENDING;
    }
    InsertHeadList(&User->Free, &Fetch->Link);
    return Fetch->Status;
}

_Use_decl_annotations_
NTSTATUS UserChannelFetch(DISK *Disk, PIRP Irp)
{
    const WNBD_IOCTL_FETCH_REQ_COMMAND *Command = Irp->AssociatedIrp.SystemBuffer;
    USER_CHANNEL *User;
    USER_MEMORY Memory;
    NTSTATUS Status = UserChannelOf(Disk, Irp, &User);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (FetchAtOnce(User, Irp)) {
        return STATUS_PENDING;
    }
    OwnerLocks(&User->Owner);
    Status = UserMemoryLock(&Memory, Command->DataBuffer, FetchRoom(Command), IoWriteAccess);
    if (!NT_SUCCESS(Status)) {
        OwnerUnlocks(&User->Owner);
        return Status;
    }
    /* The pended IRP's, until it is completed. */
    DiskReference(Disk);
    AdapterPendBegin(Disk->Adapter);
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    OwnerHeard(&User->Owner);
    Status = FetchEnter(User, Irp, &Memory);
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (Status == STATUS_PENDING) {
        UserChannelServe(User);
        return Status;
    }
    UserMemoryUnlock(&Memory);
    OwnerUnlocks(&User->Owner);
    AdapterPendEnd(Disk->Adapter);
    DiskRelease(Disk);
    return Status;
}

/* ---- what the queue and the disk ask of the channel ---- */

_IRQL_requires_max_(DISPATCH_LEVEL)
static void UserKick(CHANNEL *Channel, BOOLEAN Alone)
{
    /* Each fetch takes one request: there is nothing to gather for. */
    UNREFERENCED_PARAMETER(Alone);
    UserChannelServe((USER_CHANNEL *)Channel);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void UserClose(CHANNEL *Channel)
{
    USER_CHANNEL *User = (USER_CHANNEL *)Channel;
    DISK *Disk = User->Disk;
    LIST_ENTRY Done;
    KIRQL Irql;
    InitializeListHead(&Done);
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    User->Closed = TRUE;
    QueueDisconnect(&Disk->Queue, &Done);
    QueueUnlock(Disk, Irql, &Done);
    UserChannelServe(User);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void UserFree(CHANNEL *Channel)
{
    USER_CHANNEL *User = (USER_CHANNEL *)Channel;
    INVARIANT(IsListEmpty(&User->Pended));
    OwnerRelease(&User->Owner);
    PoolFree(User->Fetches);
    PoolFree(User);
}

/* Nothing is owed by what has been sent: a fetch is completed with all of it. So there is nothing to rescue. */
static const CHANNEL_TYPE UserType = {.Kick = UserKick, .Close = UserClose, .Free = UserFree};

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN UserChannelOwnedBy(const DISK *Disk, PEPROCESS Process)
{
    return Disk->Channel->Type == &UserType && ((const USER_CHANNEL *)Disk->Channel)->Owner.Process == Process;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserChannelOf(DISK *Disk, PIRP Irp, USER_CHANNEL **User)
{
    PEPROCESS Process = IoGetRequestorProcess(Irp);
    /* In another process's context, addresses would be another's: a filter above may have put the request off. */
    if (Process == NULL || Process != IoGetCurrentProcess() || !UserChannelOwnedBy(Disk, Process)) {
        return STATUS_ACCESS_DENIED;
    }
    *User = (USER_CHANNEL *)Disk->Channel;
    return STATUS_SUCCESS;
}

_Use_decl_annotations_
NTSTATUS UserChannelResize(DISK *Disk, PIRP Irp)
{
    const WNBD_IOCTL_SET_SIZE_COMMAND *Command = Irp->AssociatedIrp.SystemBuffer;
    USER_CHANNEL *User;
    if (Disk->Channel->Type != &UserType) {
        return STATUS_NOT_SUPPORTED; /* its size is its server's */
    }
    NTSTATUS Status = UserChannelOf(Disk, Irp, &User);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (!ScsiSizeIsValid(Command->BlockCount, Disk->Scsi.BlockSize)) {
        return STATUS_INVALID_PARAMETER;
    }
    DiskResize(Disk, Command->BlockCount);
    LOG(DiskResized, Disk->Properties.InstanceName, Command->BlockCount);
    return STATUS_SUCCESS;
}

/* What the process says of its disk, as SCSI and as the queue needs it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void UserDescribe(DISK *Disk)
{
    const WNBD_PROPERTIES *Properties = &Disk->Properties;
    SCSI_DISK *Scsi = &Disk->Scsi;
    BOOLEAN Flush = Properties->Flags.FlushSupported;
    BOOLEAN Fua = Properties->Flags.FUASupported;
    Scsi->BlockCount = Properties->BlockCount;
    Scsi->BlockSize = Properties->BlockSize;
    Scsi->PhysicalBlockSize = Properties->BlockSize;
    Scsi->MaximumUnmapDescriptors = Properties->MaxUnmapDescCount;
    Scsi->ReadOnly = Properties->Flags.ReadOnly;
    Scsi->WriteCache = Flush;
    Scsi->ForceUnitAccess = Fua || Flush;
    Scsi->Unmap = Properties->Flags.UnmapSupported && !Scsi->ReadOnly;
    Scsi->UnmapAnchor = Properties->Flags.UnmapAnchorSupported && Scsi->Unmap;
    Scsi->PersistentReservations = Properties->Flags.PersistResSupported;
    Disk->Queue.BlockSize = Properties->BlockSize;
    Disk->Queue.MaximumPayload = WNBD_DEFAULT_MAX_TRANSFER_LENGTH;
    Disk->Queue.BackendFua = Fua;
    Disk->Queue.WriteThrough = Fua && !Flush;
    Disk->Queue.Whole = TRUE;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserChannelCreate(DISK *Disk, PEPROCESS Owner, CHANNEL **Channel)
{
    USER_CHANNEL *User = PoolAllocate(sizeof(*User));
    FETCH *Fetches = PoolAllocate(USER_FETCHES_MAX * sizeof(FETCH));
    NTSTATUS Status =
        User != NULL && Fetches != NULL ? OwnerAdopt(&User->Owner, Disk, Owner) : STATUS_INSUFFICIENT_RESOURCES;
    if (!NT_SUCCESS(Status)) {
        PoolFree(User);
        PoolFree(Fetches);
        return Status;
    }
    User->Channel.Type = &UserType;
    User->Disk = Disk;
    User->Fetches = Fetches;
    InitializeListHead(&User->Free);
    InitializeListHead(&User->Pended);
    KeInitializeDpc(&User->Dpc, UserDpc, User);
    for (ULONG Index = 0; Index < USER_FETCHES_MAX; Index++) {
        InsertTailList(&User->Free, &Fetches[Index].Link);
    }
    UserDescribe(Disk);
    *Channel = &User->Channel;
    return STATUS_SUCCESS;
}
