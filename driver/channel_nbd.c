/* SPDX-License-Identifier: LGPL-2.1-only */
/* The life of an NBD connection: see channel_nbd.h. */
#include "channel_nbd.h"

#include "base/invariant.h"
#include "log.h"
#include "pool.h"
#include "status.h"

#define BIT(State) (1u << (State))
#define CONNECTION_STATE_NEXT(Name, Meaning, Next) Next,
static const USHORT ConnectionNext[CONNECTION_STATE_COUNT] = {CONNECTION_STATES(CONNECTION_STATE_NEXT)};

/* What the drain does next, outside the lock. */
typedef enum {
    ACTION_NONE,
    ACTION_AGAIN, /* nothing, but let go of the lock: SRBs have to be completed */
    ACTION_SOCKET,
    ACTION_BIND,
    ACTION_CONNECT,
    ACTION_RECEIVE,
    ACTION_CLOSE,
    ACTION_ANNOUNCE,
    ACTION_WITHDRAW,
    ACTION_FINISH
} ACTION;

_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionMove(CONNECTION *Connection, CONNECTION_STATE State)
{
    INVARIANT(ConnectionNext[Connection->State] & BIT(State));
    Connection->State = State;
    Connection->DeadlineAt = 0;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void ConnectionQueueDpc(CONNECTION *Connection)
{
    KeInsertQueueDpc(&Connection->Dpc, NULL, NULL);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void ConnectionSetTimer(CONNECTION *Connection, ULONGLONG Interval)
{
    LARGE_INTEGER Due = {.QuadPart = -(LONGLONG)Interval};
    KeSetTimer(&Connection->Timer, Due, &Connection->TimerDpc);
}

/* The present state may last so long. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionDeadline(CONNECTION *Connection, ULONG TimeoutMs)
{
    ULONGLONG Interval = (ULONGLONG)TimeoutMs * 10000;
    Connection->DeadlineAt = KeQueryInterruptTime() + Interval;
    ConnectionSetTimer(Connection, Interval);
}

_IRQL_requires_(DISPATCH_LEVEL)
static BOOLEAN ConnectionLate(const CONNECTION *Connection)
{
    return Connection->DeadlineAt != 0 && KeQueryInterruptTime() >= Connection->DeadlineAt;
}

_IRQL_requires_(DISPATCH_LEVEL)
static WnbdCreatePhase ConnectionPhase(const CONNECTION *Connection)
{
    switch (Connection->State) {
    case CONNECTION_RESOLVING:
    case CONNECTION_RESOLVED:
        return WnbdCreatePhaseResolve;
    case CONNECTION_OPENING:
    case CONNECTION_BINDING:
    case CONNECTION_CONNECTING:
        return WnbdCreatePhaseConnect;
    default:
        return WnbdCreatePhaseHandshake;
    }
}

_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionLog(const CONNECTION *Connection)
{
    const CHAR *Disk = Connection->Disk->Properties.InstanceName;
    const NBD_CONNECTION_PROPERTIES *Nbd = &Connection->Disk->Properties.NbdProperties;
    const CREATE_OUTCOME *Outcome = &Connection->Outcome;
    UINT64 DurationMs = LogMsSince(Connection->Since);
    BOOLEAN TimedOut = Outcome->Win32Error == WIN32_TIMED_OUT;
    NBD_FAILURE Failure = Connection->Client.Failure;
#define CONNECTION_LOG(Event)                                                                                          \
    LOG(Event, Disk, Nbd->Hostname, Nbd->PortNumber, Outcome->Win32Error, DurationMs, Outcome->Message)
    if (Outcome->Phase == WnbdCreatePhaseResolve) {
        CONNECTION_LOG(ResolveFailed);
    } else if (Outcome->Phase == WnbdCreatePhaseConnect && TimedOut) {
        CONNECTION_LOG(ConnectTimedOut);
    } else if (Outcome->Phase == WnbdCreatePhaseConnect) {
        CONNECTION_LOG(ConnectFailed);
    } else if (Failure == NBD_FAILURE_PROTOCOL || Failure == NBD_FAILURE_NOT_NBD) {
        CONNECTION_LOG(ProtocolViolated);
    } else if (Connection->Established) {
        CONNECTION_LOG(ConnectionLost);
    } else if (TimedOut) {
        CONNECTION_LOG(HandshakeTimedOut);
    } else {
        CONNECTION_LOG(HandshakeRefused);
    }
#undef CONNECTION_LOG
}

/* Notes why it doesn't go on. The first failure of an attempt counts; what follows is its consequence. */
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionNote(CONNECTION *Connection, UINT32 Win32Error, UINT32 ServerError, const char *Words)
{
    CREATE_OUTCOME *Outcome = &Connection->Outcome;
    if (Outcome->Win32Error != 0) {
        return;
    }
    OutcomeSet(Outcome, Win32Error, ConnectionPhase(Connection), ServerError, Words);
    ConnectionLog(Connection);
}

_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionClose(CONNECTION *Connection)
{
    if (Connection->State != CONNECTION_CLOSING && Connection->State != CONNECTION_CLOSED) {
        ConnectionMove(Connection, CONNECTION_CLOSING);
    }
    ConnectionQueueDpc(Connection);
}

/* Sends what has to be sent still, then closes. */
_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionLeave(CONNECTION *Connection)
{
    ConnectionMove(Connection, CONNECTION_LEAVING);
    ConnectionDeadline(Connection, CONNECTION_LEAVE_TIMEOUT_MS);
    ConnectionQueueDpc(Connection);
}

_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionFail(CONNECTION *Connection, UINT32 Win32Error, const char *Words)
{
    /* A peer that closes after our farewell, or an operation that our closing has ended, is no failure. */
    if (Connection->State != CONNECTION_CLOSING && !Connection->Farewell) {
        ConnectionNote(Connection, Win32Error, 0, Words);
    }
    ConnectionClose(Connection);
}

_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionFailNbd(CONNECTION *Connection)
{
    /* After NbdAbort the engine awaits nothing more: a peer that closes then is no failure, and there is no text. */
    BOOLEAN Failed = Connection->Client.Failure != NBD_FAILURE_NONE;
    if (Failed && Connection->State != CONNECTION_CLOSING && !Connection->Farewell) {
        ConnectionNote(Connection, StatusOfNbdFailure(Connection->Client.Failure), Connection->Client.ServerError,
                       NbdFailureText(&Connection->Client));
    }
    if (Connection->State == CONNECTION_HANDSHAKE && Connection->Client.Failure != NBD_FAILURE_CLOSED) {
        /* The engine may have NBD_OPT_ABORT to send. */
        ConnectionLeave(Connection);
    } else {
        ConnectionClose(Connection);
    }
}

/* ---- completions of the control operations ---- */

_Use_decl_annotations_
void ConnectionControlDone(void *Context, NTSTATUS Status, ULONG_PTR Information)
{
    CONNECTION *Connection = Context;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    Connection->ControlBusy = FALSE;
    Connection->ControlStatus = Status;
    Connection->ControlInformation = Information;
    BOOLEAN Resolving = Connection->State == CONNECTION_RESOLVING;
    if (!Resolving) {
        ConnectionQueueDpc(Connection);
    }
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
    if (Resolving) {
        /* WskFreeAddressInfo wants PASSIVE_LEVEL. */
        IoQueueWorkItem(Connection->ResolveWork, ConnectionResolved, DelayedWorkQueue, Connection);
    }
}

_Use_decl_annotations_
void ConnectionCloseDone(void *Context, NTSTATUS Status, ULONG_PTR Information)
{
    UNREFERENCED_PARAMETER(Status);
    UNREFERENCED_PARAMETER(Information);
    CONNECTION *Connection = Context;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    Connection->CloseBusy = FALSE;
    ConnectionQueueDpc(Connection);
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
}

/* ---- the drain: one step after the other, decided under the lock, done outside it ---- */

/* The next address of the server, or the end. */
_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionTryNext(CONNECTION *Connection)
{
    if (Connection->Stop || Connection->AddressNext == Connection->AddressCount) {
        ConnectionMove(Connection, CONNECTION_CLOSED);
        return ACTION_AGAIN;
    }
    RtlZeroMemory(&Connection->Outcome, sizeof(Connection->Outcome));
    TransferReset(Connection);
    Connection->CloseIssued = FALSE;
    Connection->AddressNext++;
    Connection->Since = KeQueryUnbiasedInterruptTime();
    ConnectionMove(Connection, CONNECTION_OPENING);
    Connection->ControlBusy = TRUE;
    return ACTION_SOCKET;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static PSOCKADDR ConnectionAddress(CONNECTION *Connection)
{
    return (PSOCKADDR)&Connection->Addresses[Connection->AddressNext - 1];
}

_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionFailConnect(CONNECTION *Connection, NTSTATUS Status)
{
    const char *Words;
    UINT32 Win32Error = StatusOfConnect(Status, &Words);
    const WNBD_PROPERTIES *Properties = &Connection->Disk->Properties;
    LOG(AddressFailed, Properties->InstanceName, Properties->NbdProperties.Hostname,
        Properties->NbdProperties.PortNumber, Connection->AddressNext, (UINT32)Status);
    ConnectionNote(Connection, Win32Error, 0, Words);
}

_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionOpened(CONNECTION *Connection)
{
    if (Connection->ControlBusy) {
        return ACTION_NONE;
    }
    if (!NT_SUCCESS(Connection->ControlStatus)) {
        ConnectionFailConnect(Connection, Connection->ControlStatus);
        ConnectionMove(Connection, CONNECTION_RESOLVED);
        return ACTION_AGAIN;
    }
    Connection->Socket = (PWSK_SOCKET)Connection->ControlInformation;
    ConnectionMove(Connection, CONNECTION_BINDING);
    Connection->ControlBusy = TRUE;
    return ACTION_BIND;
}

/* A step of connecting has ended; Next does what comes after a success. */
_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionStepped(CONNECTION *Connection, ACTION (*Next)(CONNECTION *Connection))
{
    if (Connection->ControlBusy) {
        if (!Connection->Stop && !ConnectionLate(Connection)) {
            return ACTION_NONE;
        }
        /* Closing the socket ends the operation. */
        if (!Connection->Stop) {
            ConnectionFailConnect(Connection, STATUS_IO_TIMEOUT);
        }
        ConnectionMove(Connection, CONNECTION_CLOSING);
        return ACTION_AGAIN;
    }
    if (Connection->Stop || !NT_SUCCESS(Connection->ControlStatus)) {
        if (!NT_SUCCESS(Connection->ControlStatus)) {
            ConnectionFailConnect(Connection, Connection->ControlStatus);
        }
        ConnectionMove(Connection, CONNECTION_CLOSING);
        return ACTION_AGAIN;
    }
    return Next(Connection);
}

_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionBound(CONNECTION *Connection)
{
    ConnectionMove(Connection, CONNECTION_CONNECTING);
    ConnectionDeadline(Connection, CONNECTION_CONNECT_TIMEOUT_MS);
    Connection->ControlBusy = TRUE;
    return ACTION_CONNECT;
}

_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionConnected(CONNECTION *Connection)
{
    DISK *Disk = Connection->Disk;
    const NBD_CONNECTION_PROPERTIES *Nbd = &Disk->Properties.NbdProperties;
    const WNBD_FLAGS *Flags = &Disk->Properties.Flags;
    NBD_CONFIG Config = {
        .Goal = NBD_GOAL_TRANSMISSION,
        .ExportName = Nbd->ExportName,
        .ExportNameLength = strlen(Nbd->ExportName),
        .BlockSize = Disk->Properties.BlockSize,
        .SkipHandshake = Nbd->Flags.SkipNegotiation,
        .SkippedSize = Disk->Properties.BlockCount * Disk->Properties.BlockSize,
        .SkippedFlags = (uint16_t)(NBD_FLAG_HAS_FLAGS | (Flags->ReadOnly ? NBD_FLAG_READ_ONLY : 0) |
                                   (Flags->FlushSupported ? NBD_FLAG_SEND_FLUSH : 0) |
                                   (Flags->FUASupported ? NBD_FLAG_SEND_FUA : 0) |
                                   (Flags->UnmapSupported ? NBD_FLAG_SEND_TRIM : 0)),
    };
    NbdInitialize(&Connection->Client, &Config, Connection->Slots, Disk->Queue.Depth);
    ConnectionMove(Connection, CONNECTION_HANDSHAKE);
    ConnectionDeadline(Connection, CONNECTION_HANDSHAKE_TIMEOUT_MS);
    if (Connection->Client.Phase == NBD_PHASE_FAILED) {
        ConnectionFailNbd(Connection);
    } else if (Config.SkipHandshake) {
        ConnectionEstablished(Connection);
    }
    return ACTION_AGAIN;
}

/* The disk is gone before its requests end: who sees those fail finds it in no list, and its name free. */
_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionWithdraw(CONNECTION *Connection)
{
    Connection->Withdrawn = TRUE;
    return ACTION_WITHDRAW;
}

/* HANDSHAKE, READY, LEAVING: bytes come and go. */
_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionTransfer(CONNECTION *Connection, LIST_ENTRY *Done)
{
    if (TransferConsume(Connection, Done)) {
        return ACTION_AGAIN;
    }
    if (Connection->State == CONNECTION_CLOSING) {
        return ACTION_AGAIN;
    }
    if (Connection->Announce) {
        Connection->Announce = FALSE;
        return ACTION_ANNOUNCE;
    }
    if (ConnectionLate(Connection)) {
        if (Connection->State == CONNECTION_HANDSHAKE) {
            ConnectionNote(Connection, WIN32_TIMED_OUT, 0,
                           "the server did not finish the NBD handshake within 15 seconds (is it an NBD server?)");
        }
        ConnectionMove(Connection, CONNECTION_CLOSING);
        return ACTION_AGAIN;
    }
    if (Connection->Stop && Connection->State == CONNECTION_HANDSHAKE) {
        NbdAbort(&Connection->Client);
        ConnectionLeave(Connection);
        return ACTION_AGAIN;
    }
    if (Connection->Stop && Connection->State == CONNECTION_READY) {
        ConnectionLeave(Connection);
        return ConnectionWithdraw(Connection);
    }
    if (Connection->Farewell && TransferIdle(Connection)) {
        ConnectionMove(Connection, CONNECTION_CLOSING);
        return ACTION_AGAIN;
    }
    if (!Connection->ReceiveBusy) {
        Connection->ReceiveBusy = TRUE;
        Connection->ReceivedBytes = 0;
        Connection->ConsumedBytes = 0;
        return ACTION_RECEIVE;
    }
    return ACTION_NONE;
}

_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionClosing(CONNECTION *Connection, LIST_ENTRY *Done)
{
    if (Connection->Established && !Connection->Withdrawn) {
        return ConnectionWithdraw(Connection);
    }
    if (Connection->Established) {
        /* Nothing of an SRB's memory is in WSK's hands: the requests can end before the socket does. */
        QueueDisconnect(&Connection->Disk->Queue, Done);
    }
    if (!Connection->CloseIssued) {
        if (Connection->Sending) {
            return ACTION_NONE; /* the transmitter queues the DPC when it is out of its call */
        }
        Connection->CloseIssued = TRUE;
        Connection->CloseBusy = TRUE;
        return ACTION_CLOSE;
    }
    if (Connection->CloseBusy || Connection->ControlBusy || Connection->ReceiveBusy || Connection->InFlightCount != 0) {
        return ACTION_NONE;
    }
    Connection->Socket = NULL;
    /* Another address is worth a try if this one could not be reached, not if the server there said no. */
    BOOLEAN TryNext = !Connection->Established && Connection->Outcome.Phase == WnbdCreatePhaseConnect;
    ConnectionMove(Connection, TryNext ? CONNECTION_RESOLVED : CONNECTION_CLOSED);
    return ACTION_AGAIN;
}

_IRQL_requires_(DISPATCH_LEVEL)
static ACTION ConnectionDecide(CONNECTION *Connection, LIST_ENTRY *Done)
{
    switch (Connection->State) {
    case CONNECTION_RESOLVING:
        return ACTION_NONE;
    case CONNECTION_RESOLVED:
        return ConnectionTryNext(Connection);
    case CONNECTION_OPENING:
        return ConnectionOpened(Connection);
    case CONNECTION_BINDING:
        return ConnectionStepped(Connection, ConnectionBound);
    case CONNECTION_CONNECTING:
        return ConnectionStepped(Connection, ConnectionConnected);
    case CONNECTION_HANDSHAKE:
    case CONNECTION_READY:
    case CONNECTION_LEAVING:
        return ConnectionTransfer(Connection, Done);
    case CONNECTION_CLOSING:
        return ConnectionClosing(Connection, Done);
    case CONNECTION_CLOSED:
        if (!Connection->Finished) {
            Connection->Finished = TRUE;
            return ACTION_FINISH;
        }
        return ACTION_NONE;
    default:
        return ACTION_NONE;
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void ConnectionFinish(CONNECTION *Connection)
{
    DISK *Disk = Connection->Disk;
    if (Connection->Outcome.Win32Error == 0) {
        Connection->Outcome = OutcomeRemoved;
    }
    KeCancelTimer(&Connection->Timer);
    /* In this order: who hears of the failure may use the name again at once. */
    DiskWithdraw(Disk);
    IoctlCreateDone(Disk, &Connection->Outcome);
    DiskRelease(Disk);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void ConnectionPerform(CONNECTION *Connection, ACTION Action)
{
    NET *Net = &Connection->Disk->Adapter->Net;
    switch (Action) {
    case ACTION_SOCKET:
        NetSocket(Net, &Connection->Control, ConnectionAddress(Connection)->sa_family);
        break;
    case ACTION_BIND:
        NetBind(Connection->Socket, &Connection->Control, ConnectionAddress(Connection)->sa_family);
        break;
    case ACTION_CONNECT:
        NetConnect(Connection->Socket, &Connection->Control, ConnectionAddress(Connection));
        break;
    case ACTION_RECEIVE:
        NetReceive(Connection->Socket, &Connection->Receive, &Connection->ReceiveBuffer);
        break;
    case ACTION_CLOSE:
        NetClose(Connection->Socket, &Connection->Close);
        break;
    case ACTION_ANNOUNCE:
        if (DiskOnline(Connection->Disk)) {
            IoctlCreateDone(Connection->Disk, &Connection->Success);
        }
        break;
    case ACTION_WITHDRAW:
        DiskWithdraw(Connection->Disk);
        break;
    case ACTION_FINISH:
        ConnectionFinish(Connection);
        break;
    case ACTION_NONE:
    case ACTION_AGAIN:
        break;
    }
}

/*
 * Does what the connection's state asks for until it has to wait, or until it
 * has done enough for once and leaves the rest to the DPC. Callers hold a
 * reference to the disk, or are DPCs, which the disk's end waits for.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
void ConnectionDrain(CONNECTION *Connection)
{
    DISK *Disk = Connection->Disk;
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    if (Connection->Draining) {
        Connection->DrainAgain = TRUE;
        KeReleaseSpinLock(&Disk->Lock, Irql);
        return;
    }
    Connection->Draining = TRUE;
    ACTION Action;
    ULONG Passes = 0;
    do {
        LIST_ENTRY Done;
        InitializeListHead(&Done);
        BOOLEAN Enough = Passes++ == CONNECTION_PASSES;
        Connection->DrainAgain = Enough;
        Action = Enough ? ACTION_NONE : ConnectionDecide(Connection, &Done);
        QueueUnlock(Disk, Irql, &Done);
        if (Action == ACTION_NONE) {
            TransferTransmit(Connection);
        } else if (Action != ACTION_FINISH) {
            ConnectionPerform(Connection, Action);
        }
        KeAcquireSpinLock(&Disk->Lock, &Irql);
    } while (Action != ACTION_FINISH &&
             (Action != ACTION_NONE || (Connection->DrainAgain && Passes <= CONNECTION_PASSES)));
    Connection->Draining = FALSE;
    if (Action == ACTION_NONE && Connection->DrainAgain) {
        ConnectionQueueDpc(Connection);
    }
    KeReleaseSpinLock(&Disk->Lock, Irql);
    if (Action == ACTION_FINISH) {
        ConnectionPerform(Connection, ACTION_FINISH);
    }
}

_Use_decl_annotations_
VOID NTAPI ConnectionDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    ConnectionDrain(Context);
}

_Use_decl_annotations_
VOID NTAPI ConnectionTimerDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    CONNECTION *Connection = Context;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    UINT64 Now = KeQueryInterruptTime();
    BOOLEAN Early = Connection->DeadlineAt > Now;
    if (Early) {
        /* A timer of an earlier state, or a clock that lags behind the timers. */
        ConnectionSetTimer(Connection, Connection->DeadlineAt - Now);
    }
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
    if (!Early) {
        ConnectionDrain(Connection);
    }
}
