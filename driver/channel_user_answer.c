/* SPDX-License-Identifier: LGPL-2.1-only */
/* channel_user.h: the process's answers. */
#include "channel_user.h"
#include "ioctl_command.h"

#include "log.h"

/* An answer that is being taken. */
typedef struct {
    UINT64 Handle;
    WnbdRequestType Type;
    SCSI_STATUS Status;
    SCSI_SENSE Sense;
    ULONG DataBytes;    /* that the process says to have read */
    USER_MEMORY Memory; /* them, if a request can have so many */
    ULONG TakenBytes;   /* of Memory */
    BOOLEAN Begun;      /* the first piece has been taken: the wire request is RECEIVING for this answer */
} ANSWER;

_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN AnswerReserved(const WNBD_IO_RESPONSE *Response)
{
    return CommandAllZero(Response->Reserved, sizeof(Response->Reserved)) && Response->Status.ReservedCSI == 0 &&
           Response->Status.ReservedSKS == 0 && Response->Status.ReservedFRU == 0;
}

/* Takes over what the process says, or what Windows is told in place of something that a disk can't say. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static NTSTATUS AnswerRead(ANSWER *Answer, const WNBD_IO_RESPONSE *Response)
{
    const WNBD_STATUS *Status = &Response->Status;
    RtlZeroMemory(Answer, sizeof(*Answer));
    Answer->Handle = Response->RequestHandle;
    Answer->Type = Response->RequestType;
    if (!AnswerReserved(Response)) {
        return STATUS_INVALID_PARAMETER;
    }
    Answer->Sense = (SCSI_SENSE){.Key = Status->SenseKey,
                                 .Asc = Status->ASC,
                                 .Ascq = Status->ASCQ,
                                 .InformationValid = Status->InformationValid,
                                 .Information = Status->Information};
    Answer->Status = ScsiBackendStatus(Status->ScsiStatus, &Answer->Sense);
    return STATUS_SUCCESS;
}

/* Whether data belong to it. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN AnswerCarries(const ANSWER *Answer)
{
    return (Answer->Type == WnbdReqTypeRead || Answer->Type == WnbdReqTypePersistResIn) &&
           QueueReplyGood(Answer->Status, &Answer->Sense);
}

/* Whether the answer is for the wire request that its handle names. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static NTSTATUS AnswerFits(const ANSWER *Answer, const WIRE *Wire)
{
    if (Wire->State == WIRE_QUEUED || Wire->State == WIRE_RECEIVING) {
        /* The process has guessed a handle that it hasn't been given, or is answering already. */
        return STATUS_NOT_FOUND;
    }
    return UserChannelType(Wire) == Answer->Type ? STATUS_SUCCESS : STATUS_OBJECT_TYPE_MISMATCH;
}

/* Whether it has as many bytes as Wire, which waits for it, asks for. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN AnswerComplete(const ANSWER *Answer, const WIRE *Wire)
{
    if (!AnswerCarries(Answer)) {
        return TRUE;
    }
    return Wire->Command == WIRE_COMMAND_READ ? Answer->DataBytes == Wire->LengthBytes
                                              : Answer->DataBytes <= Wire->Request->ListBytes;
}

/* The process thinks that it has answered, and won't do so again: Windows is told "internal target failure". */
_IRQL_requires_(DISPATCH_LEVEL)
static NTSTATUS AnswerIncomplete(QUEUE *Queue, USHORT Slot, LIST_ENTRY *Done)
{
    static const SCSI_SENSE Sense = {.Key = SCSI_SENSE_HARDWARE_ERROR, .Asc = 0x44};
    QueueReplyEnd(Queue, Slot, SCSI_STATUS_CHECK_CONDITION, &Sense, Done);
    return STATUS_INVALID_BUFFER_SIZE;
}

/* A piece of what was read. TRUE: all of it is there. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN AnswerCopy(QUEUE *Queue, USHORT Slot, ANSWER *Answer)
{
    ULONG Left = Answer->Memory.SizeBytes - Answer->TakenBytes;
    ULONG LengthBytes = Left < USER_PIECE_BYTES ? Left : USER_PIECE_BYTES;
    if (LengthBytes != 0) {
        QueueReplyData(Queue, Slot, Answer->TakenBytes, Answer->Memory.Bytes + Answer->TakenBytes, LengthBytes);
        Answer->TakenBytes += LengthBytes;
    }
    return LengthBytes == Left;
}

/* One step. STATUS_PENDING: there is more. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static NTSTATUS AnswerStep(QUEUE *Queue, ANSWER *Answer, LIST_ENTRY *Done)
{
    USHORT Slot = SlotMapFind(&Queue->Slots, Answer->Handle);
    if (Slot == SLOT_NONE) {
        /* Begun: the disk has ended meanwhile, and the request with it. */
        return Answer->Begun ? STATUS_SUCCESS : STATUS_NOT_FOUND;
    }
    const WIRE *Wire = &Queue->Wires[Slot];
    NTSTATUS Status = Answer->Begun ? STATUS_SUCCESS : AnswerFits(Answer, Wire);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Wire->State == WIRE_WAITING && !AnswerComplete(Answer, Wire)) {
        return AnswerIncomplete(Queue, Slot, Done);
    }
    Answer->Begun = TRUE;
    /* Of a request that Windows has given up only the fact is taken. */
    if (Wire->State != WIRE_ABORTED && !AnswerCopy(Queue, Slot, Answer)) {
        return STATUS_PENDING;
    }
    if (Wire->State != WIRE_ABORTED && Wire->Command == WIRE_COMMAND_RESERVE_IN) {
        Wire->Request->ListBytes = Answer->TakenBytes;
    }
    QueueReplyEnd(Queue, Slot, Answer->Status, &Answer->Sense, Done);
    return STATUS_SUCCESS;
}

/* Takes all of it, a piece at a time. *Awaited: fetches are pended. No lock held. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS AnswerTake(USER_CHANNEL *User, ANSWER *Answer, BOOLEAN *Awaited)
{
    DISK *Disk = User->Disk;
    NTSTATUS Status;
    do {
        LIST_ENTRY Done;
        InitializeListHead(&Done);
        KIRQL Irql;
        KeAcquireSpinLock(&Disk->Lock, &Irql);
        Status = AnswerStep(&Disk->Queue, Answer, &Done);
        OwnerHeard(&User->Owner);
        *Awaited = !IsListEmpty(&User->Pended);
        QueueUnlock(Disk, Irql, &Done);
    } while (Status == STATUS_PENDING);
    return Status;
}

_Use_decl_annotations_
NTSTATUS UserChannelRespond(DISK *Disk, PIRP Irp)
{
    const WNBD_IOCTL_SEND_RSP_COMMAND *Command = Irp->AssociatedIrp.SystemBuffer;
    USER_CHANNEL *User;
    ANSWER Answer;
    NTSTATUS Status = UserChannelOf(Disk, Irp, &User);
    if (NT_SUCCESS(Status)) {
        Status = AnswerRead(&Answer, &Command->Response);
    }
    if (NT_SUCCESS(Status) && AnswerCarries(&Answer)) {
        Answer.DataBytes = Command->DataBufferSize;
        if (Answer.DataBytes <= WNBD_DEFAULT_MAX_TRANSFER_LENGTH) {
            Status = UserMemoryLock(&Answer.Memory, Command->DataBuffer, Answer.DataBytes, IoReadAccess);
        }
    }
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    BOOLEAN Awaited;
    Status = AnswerTake(User, &Answer, &Awaited);
    if (!NT_SUCCESS(Status)) {
        LOG(AnswerRefused, Disk->Properties.InstanceName, (UINT32)Disk->Properties.Pid, (UINT32)Status);
    }
    UserMemoryUnlock(&Answer.Memory);
    if (Awaited) {
        /* There may be a slot again, a flush that had to wait for its write, a request that was held. */
        UserChannelServe(User);
    }
    return Status;
}
