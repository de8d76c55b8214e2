/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What goes over an NBD connection. Payload is copied between the SRB's memory
 * and the connection's own buffers, so that WSK never holds a description of
 * an SRB's memory and a reset can give an SRB back at once.
 */
#include "channel_nbd.h"

#include "base/invariant.h"
#include "log.h"
#include "pool.h"
#include "status.h"

/* Bytes of one send. */
_IRQL_requires_(DISPATCH_LEVEL)
static ULONG TransferLength(const TRANSMIT *Transmit)
{
    return Transmit->LengthBytes + (Transmit->Joined != NULL ? Transmit->Joined->LengthBytes : 0);
}

/* A buffer can be filled again. */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferReturn(TRANSMIT *Transmit)
{
    Transmit->InFlight = FALSE;
    Transmit->LengthBytes = 0;
    Transmit->Connection->InFlightCount--;
}

/* There is a hole in what the server gets: nothing may follow. */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferBroken(CONNECTION *Connection)
{
    ConnectionFail(Connection, WIN32_CONNECTION_ABORTED, "the connection to the server was lost while sending");
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void TransferSent(void *Context, NTSTATUS Status, ULONG_PTR Information)
{
    TRANSMIT *Transmit = Context;
    CONNECTION *Connection = Transmit->Connection;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    if (!NT_SUCCESS(Status) || Information != TransferLength(Transmit)) {
        TransferBroken(Connection);
    }
    if (Transmit->Joined != NULL) {
        TransferReturn(Transmit->Joined);
        NetBufferSplit(&Transmit->Buffer);
        Transmit->Joined = NULL;
    }
    TransferReturn(Transmit);
    ConnectionQueueDpc(Connection);
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void TransferReceived(void *Context, NTSTATUS Status, ULONG_PTR Information)
{
    CONNECTION *Connection = Context;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    Connection->ReceiveBusy = FALSE;
    if (!NT_SUCCESS(Status)) {
        ConnectionFail(Connection, WIN32_CONNECTION_ABORTED, "the connection to the server was lost");
    } else if (Information == 0 || Information > Connection->ReceiveBuffer.SizeBytes) {
        NbdServerClosed(&Connection->Client);
        ConnectionFailNbd(Connection);
    } else {
        Connection->ReceivedBytes = (ULONG)Information;
        Connection->ConsumedBytes = 0;
    }
    ConnectionQueueDpc(Connection);
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS TransferInitialize(CONNECTION *Connection)
{
    NTSTATUS Status = NetOpInitialize(&Connection->Receive, TransferReceived, Connection);
    if (NT_SUCCESS(Status)) {
        Status = NetBufferAllocate(&Connection->ReceiveBuffer, CONNECTION_RECEIVE_BYTES);
    }
    for (ULONG Index = 0; NT_SUCCESS(Status) && Index < Connection->TransmitCount; Index++) {
        TRANSMIT *Transmit = &Connection->Transmit[Index];
        Transmit->Connection = Connection;
        Status = NetOpInitialize(&Transmit->Op, TransferSent, Transmit);
        if (NT_SUCCESS(Status)) {
            Status = NetBufferAllocate(&Transmit->Buffer, CONNECTION_TRANSMIT_BYTES);
        }
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void TransferFree(CONNECTION *Connection)
{
    for (ULONG Index = 0; Index < Connection->TransmitCount; Index++) {
        NetBufferFree(&Connection->Transmit[Index].Buffer);
        NetOpFree(&Connection->Transmit[Index].Op);
    }
    NetBufferFree(&Connection->ReceiveBuffer);
    NetOpFree(&Connection->Receive);
    PoolFree(Connection->Rescued);
}

_IRQL_requires_(DISPATCH_LEVEL)
void TransferReset(CONNECTION *Connection)
{
    INVARIANT(Connection->InFlightCount == 0 && !Connection->ReceiveBusy);
    for (ULONG Index = 0; Index < Connection->TransmitCount; Index++) {
        Connection->Transmit[Index].LengthBytes = 0;
    }
    Connection->Filling = 0;
    Connection->ReceivedBytes = 0;
    Connection->ConsumedBytes = 0;
    Connection->Farewell = FALSE;
    Connection->StreamSlot = SLOT_NONE;
    Connection->StreamLeftBytes = 0;
}

/* Copies as much of the present WRITE's payload as there is room for. TRUE: all of it is out. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN TransferStream(CONNECTION *Connection, TRANSMIT *Transmit, LIST_ENTRY *Done)
{
    ULONG Room = Transmit->Buffer.SizeBytes - Transmit->LengthBytes;
    ULONG Length = Connection->StreamLeftBytes < Room ? Connection->StreamLeftBytes : Room;
    RtlCopyMemory(Transmit->Buffer.Bytes + Transmit->LengthBytes, Connection->StreamData, Length);
    Transmit->LengthBytes += Length;
    Connection->StreamData += Length;
    Connection->StreamLeftBytes -= Length;
    if (Connection->StreamLeftBytes != 0) {
        return FALSE;
    }
    USHORT Slot = Connection->StreamSlot;
    Connection->StreamSlot = SLOT_NONE;
    PoolFree(Connection->Rescued);
    Connection->Rescued = NULL;
    QueueWireSent(&Connection->Disk->Queue, Slot, Done);
    return TRUE;
}

static const UCHAR TransferCommands[WIRE_COMMAND_COUNT] = {[WIRE_COMMAND_READ] = NBD_CMD_READ,
                                                           [WIRE_COMMAND_WRITE] = NBD_CMD_WRITE,
                                                           [WIRE_COMMAND_FLUSH] = NBD_CMD_FLUSH,
                                                           [WIRE_COMMAND_UNMAP] = NBD_CMD_TRIM};

static const CHAR *const TransferNames[WIRE_COMMAND_COUNT] = {[WIRE_COMMAND_READ] = "read",
                                                              [WIRE_COMMAND_WRITE] = "write",
                                                              [WIRE_COMMAND_FLUSH] = "flush",
                                                              [WIRE_COMMAND_UNMAP] = "trim"};

/* Encodes the next wire request. FALSE: there is none, or no room. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN TransferEncode(CONNECTION *Connection, TRANSMIT *Transmit)
{
    QUEUE *Queue = &Connection->Disk->Queue;
    if (Transmit->Buffer.SizeBytes - Transmit->LengthBytes < NBD_REQUEST_SIZE) {
        return FALSE;
    }
    USHORT Slot = QueueNextWire(Queue);
    if (Slot == SLOT_NONE) {
        return FALSE;
    }
    WIRE *Wire = &Queue->Wires[Slot];
    NbdRequest(&Connection->Client, SlotMapHandle(&Queue->Slots, Slot), (NBD_COMMAND)TransferCommands[Wire->Command],
               Wire->Fua ? NBD_CMD_FLAG_FUA : 0, Wire->Offset, (ULONG)Wire->LengthBytes,
               Transmit->Buffer.Bytes + Transmit->LengthBytes);
    Transmit->LengthBytes += NBD_REQUEST_SIZE;
    QueueWireSending(Queue, Slot);
    if (Wire->PayloadOwed) {
        Connection->StreamSlot = Slot;
        Connection->StreamData = Wire->Data;
        Connection->StreamLeftBytes = (ULONG)Wire->LengthBytes;
    }
    return TRUE;
}

_IRQL_requires_(DISPATCH_LEVEL)
static void TransferHandshake(CONNECTION *Connection, TRANSMIT *Transmit)
{
    Transmit->LengthBytes += (ULONG)NbdTakeOutput(&Connection->Client, Transmit->Buffer.Bytes + Transmit->LengthBytes,
                                                  Transmit->Buffer.SizeBytes - Transmit->LengthBytes);
}

/* Says goodbye once nothing is owed to us any more ("The client ... SHOULD wait until there are no inflight requests").
 */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferFarewell(CONNECTION *Connection, TRANSMIT *Transmit)
{
    if (!Connection->Established) {
        TransferHandshake(Connection, Transmit);
        Connection->Farewell = TRUE;
        return;
    }
    if (!Connection->Farewell && Connection->Client.InFlight == 0 &&
        Transmit->Buffer.SizeBytes - Transmit->LengthBytes >= NBD_REQUEST_SIZE) {
        NbdDisconnect(&Connection->Client, Transmit->Buffer.Bytes + Transmit->LengthBytes);
        Transmit->LengthBytes += NBD_REQUEST_SIZE;
        Connection->Farewell = TRUE;
    }
}

/* Gathers what can be sent in the buffer that is being filled. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferFill(CONNECTION *Connection, LIST_ENTRY *Done)
{
    TRANSMIT *Transmit = &Connection->Transmit[Connection->Filling];
    if (Transmit->InFlight) {
        return;
    }
    if (Connection->State == CONNECTION_HANDSHAKE) {
        TransferHandshake(Connection, Transmit);
        return;
    }
    if (Connection->State == CONNECTION_LEAVING && !Connection->Established) {
        TransferFarewell(Connection, Transmit);
        return;
    }
    do {
        if (Connection->StreamSlot != SLOT_NONE && !TransferStream(Connection, Transmit, Done)) {
            return;
        }
    } while (TransferEncode(Connection, Transmit));
    if (Connection->State == CONNECTION_LEAVING) {
        TransferFarewell(Connection, Transmit);
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN TransferOpen(const CONNECTION *Connection)
{
    return Connection->State == CONNECTION_HANDSHAKE || Connection->State == CONNECTION_READY ||
           Connection->State == CONNECTION_LEAVING;
}

/* Takes the buffer that was being filled, to be sent; NULL: there is nothing in it, or too many are being sent. */
_IRQL_requires_(DISPATCH_LEVEL)
static TRANSMIT *TransferTake(CONNECTION *Connection)
{
    TRANSMIT *Transmit = &Connection->Transmit[Connection->Filling];
    if (Transmit->InFlight || Transmit->LengthBytes == 0 ||
        Connection->InFlightCount + 1 >= Connection->TransmitCount) {
        return NULL;
    }
    Transmit->InFlight = TRUE;
    Connection->InFlightCount++;
    Connection->Filling = (Connection->Filling + 1) % Connection->TransmitCount;
    return Transmit;
}

/*
 * Fills and takes what goes into one send; NULL: nothing. A payload that goes on is sent by two buffers at a time: each
 * send wakes the peer, whom half as much work finds there.
 */
_IRQL_requires_(DISPATCH_LEVEL)
static TRANSMIT *TransferGather(CONNECTION *Connection, LIST_ENTRY *Done)
{
    TransferFill(Connection, Done);
    TRANSMIT *Transmit = TransferTake(Connection);
    if (Transmit != NULL && Connection->StreamSlot != SLOT_NONE) {
        TransferFill(Connection, Done);
        Transmit->Joined = TransferTake(Connection);
        if (Transmit->Joined != NULL) {
            NetBufferJoin(&Transmit->Buffer, &Transmit->Joined->Buffer);
        }
    }
    return Transmit;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void TransferTransmit(CONNECTION *Connection)
{
    LIST_ENTRY Done;
    InitializeListHead(&Done);
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    if (Connection->Sending) {
        /* Whoever sends looks again before it leaves. */
        KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
        return;
    }
    Connection->Sending = TRUE;
    ULONG Passes;
    for (Passes = 0; Passes < CONNECTION_PASSES && TransferOpen(Connection); Passes++) {
        TRANSMIT *Transmit = TransferGather(Connection, &Done);
        if (Transmit == NULL) {
            break;
        }
        PWSK_SOCKET Socket = Connection->Socket;
        ULONG LengthBytes = TransferLength(Transmit);
        KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
        NTSTATUS Status = NetSend(Socket, &Transmit->Op, &Transmit->Buffer, LengthBytes);
        KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
        if (!NT_SUCCESS(Status)) {
            /* Its completion may be under way still. Those that are pending are TCP's: it leaves nothing out. */
            TransferBroken(Connection);
        }
    }
    Connection->Sending = FALSE;
    /* Only for what the drain waits for: a drain ends here, too, and must not call itself without end. */
    BOOLEAN Close = Connection->State == CONNECTION_CLOSING && !Connection->CloseIssued;
    BOOLEAN Left = Connection->State == CONNECTION_LEAVING && Connection->Farewell && TransferIdle(Connection);
    if (Close || Left || Passes == CONNECTION_PASSES) {
        ConnectionQueueDpc(Connection);
    }
    QueueUnlock(Connection->Disk, Irql, &Done);
}

_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN TransferIdle(const CONNECTION *Connection)
{
    return Connection->InFlightCount == 0 && !Connection->Sending &&
           Connection->Transmit[Connection->Filling].LengthBytes == 0;
}

/* SPC-4 annex F and SBC-3 annex A: what an error of the server means in SCSI. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static SCSI_SENSE TransferSense(NBD_ERROR Error, UCHAR Command)
{
    switch (Error) {
    case NBD_EPERM: /* write protected */
        return (SCSI_SENSE){.Key = SCSI_SENSE_DATA_PROTECT, .Asc = 0x27};
    case NBD_ENOSPC: /* space allocation failed write protect */
        return (SCSI_SENSE){.Key = SCSI_SENSE_DATA_PROTECT, .Asc = 0x27, .Ascq = 0x07};
    case NBD_EINVAL:
    case NBD_EOVERFLOW:
    case NBD_ENOTSUP: /* invalid field in CDB */
        return (SCSI_SENSE){.Key = SCSI_SENSE_ILLEGAL_REQUEST, .Asc = 0x24};
    case NBD_ENOMEM: /* insufficient resources */
        return (SCSI_SENSE){.Key = SCSI_SENSE_ABORTED_COMMAND, .Asc = 0x55, .Ascq = 0x03};
    case NBD_ESHUTDOWN: /* logical unit not ready */
        return (SCSI_SENSE){.Key = SCSI_SENSE_NOT_READY, .Asc = 0x04};
    default: /* unrecovered read error, write error */
        return (SCSI_SENSE){.Key = SCSI_SENSE_MEDIUM_ERROR, .Asc = Command == WIRE_COMMAND_READ ? 0x11 : 0x0C};
    }
}

/* A piece of an answer. It changes nothing about the connection but, perhaps, its wish to end. */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferReply(CONNECTION *Connection, const NBD_EVENT *Event, LIST_ENTRY *Done)
{
    const WNBD_PROPERTIES *Properties = &Connection->Disk->Properties;
    if (Event->Error == NBD_ESHUTDOWN && Event->Last) {
        /* Proto, "Terminating the transmission phase": we must disconnect, softly. */
        LOG(ServerShuttingDown, Properties->InstanceName, Properties->NbdProperties.Hostname,
            Properties->NbdProperties.PortNumber, LogMsSince(Connection->Since));
        Connection->Stop = TRUE;
    }
    QUEUE *Queue = &Connection->Disk->Queue;
    USHORT Slot = SlotMapFind(&Queue->Slots, Event->Cookie);
    INVARIANT(Slot != SLOT_NONE);
    if (Event->Length != 0) {
        QueueReplyData(Queue, Slot, Event->Offset, Event->Data, Event->Length);
    }
    if (Event->Last && Event->Error == NBD_OK) {
        QueueReplyEnd(Queue, Slot, SCSI_STATUS_GOOD, NULL, Done);
    } else if (Event->Last) {
        const WIRE *Wire = &Queue->Wires[Slot];
        LOG(RequestFailed, Properties->InstanceName, Properties->NbdProperties.Hostname,
            Properties->NbdProperties.PortNumber, TransferNames[Wire->Command], Wire->Offset, Wire->LengthBytes,
            (UINT32)Event->Error, LogMsSince(Wire->Since));
        SCSI_SENSE Sense = TransferSense(Event->Error, Wire->Command);
        QueueReplyEnd(Queue, Slot, SCSI_STATUS_CHECK_CONDITION, &Sense, Done);
    }
}

/* Any other event of the engine. */
_IRQL_requires_(DISPATCH_LEVEL)
static void TransferEvent(CONNECTION *Connection, const NBD_EVENT *Event)
{
    switch (Event->Type) {
    case NBD_EVENT_CONNECTED:
        ConnectionEstablished(Connection);
        break;
    case NBD_EVENT_FAILED:
        ConnectionFailNbd(Connection);
        break;
    case NBD_EVENT_NONE:
    case NBD_EVENT_REPLY:
    case NBD_EVENT_LISTED:
    case NBD_EVENT_LIST_END:
        break;
    }
}

/* Whether the engine still wants to hear the server. */
_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN TransferListens(const CONNECTION *Connection)
{
    return TransferOpen(Connection) && Connection->Client.Phase != NBD_PHASE_FAILED &&
           Connection->Client.Phase != NBD_PHASE_DONE;
}

_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN TransferConsume(CONNECTION *Connection, LIST_ENTRY *Done)
{
    const UCHAR *Bytes = Connection->ReceiveBuffer.Bytes + Connection->ConsumedBytes;
    ULONG Left = Connection->ReceivedBytes - Connection->ConsumedBytes;
    Left = Left < CONNECTION_PIECE_BYTES ? Left : CONNECTION_PIECE_BYTES;
    BOOLEAN Listens = TransferListens(Connection);
    while (Left != 0 && Listens) {
        NBD_EVENT Event;
        ULONG Used = (ULONG)NbdReceive(&Connection->Client, Bytes, Left, &Event);
        INVARIANT(Used <= Left && (Used != 0 || Event.Type == NBD_EVENT_FAILED));
        Bytes += Used;
        Left -= Used;
        if (Event.Type == NBD_EVENT_REPLY) {
            TransferReply(Connection, &Event, Done);
        } else {
            TransferEvent(Connection, &Event);
            Listens = TransferListens(Connection);
        }
    }
    Connection->ConsumedBytes = (ULONG)(Bytes - Connection->ReceiveBuffer.Bytes);
    return Connection->ConsumedBytes < Connection->ReceivedBytes && TransferListens(Connection);
}

_IRQL_requires_(DISPATCH_LEVEL)
void TransferRescue(CHANNEL *Channel, WIRE *Wire)
{
    CONNECTION *Connection = (CONNECTION *)Channel;
    /* Only one WRITE at a time is being copied, and it is the one that owes payload. */
    INVARIANT(Connection->StreamSlot != SLOT_NONE && Wire == &Connection->Disk->Queue.Wires[Connection->StreamSlot]);
    Wire->Data = NULL;
    Connection->Rescued = PoolAllocate(Connection->StreamLeftBytes);
    if (Connection->Rescued == NULL) {
        /* What has been sent of it can't be taken back: the connection ends, before anything else is sent. */
        ConnectionFail(Connection, WIN32_NO_SYSTEM_RESOURCES, "no memory for the rest of a write that was given back");
        return;
    }
    RtlCopyMemory(Connection->Rescued, Connection->StreamData, Connection->StreamLeftBytes);
    Connection->StreamData = Connection->Rescued;
}
