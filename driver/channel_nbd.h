/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The NBD channel: one TCP connection to an NBD server, driven by completions,
 * without a thread. channel_nbd.c has its life (resolve, connect, handshake,
 * close), channel_nbd_io.c what goes over it.
 *
 * Concurrency: everything is protected by the disk's lock. Two loops touch the
 * socket, each at most once at a time: the drain (control calls and receives,
 * run by the connection's DPC) and the transmitter (sends, run by whoever has
 * work). Neither holds the lock during a WSK call. WSK's completion routines
 * note their result and queue the DPC.
 */
#pragma once

#include "channel.h"
#include "disk.h"
#include "ioctl.h"
#include "nbd/nbd.h"
#include "net.h"

/* Name, what is under way, legal next states. tools/draw-states makes docs/states.md of it. */
#define CONNECTION_STATES(STATE)                                                                                       \
    STATE(CONNECTION_RESOLVING, "the name is being resolved", BIT(CONNECTION_RESOLVED))                                \
    STATE(CONNECTION_RESOLVED, "an address has to be tried", BIT(CONNECTION_OPENING) | BIT(CONNECTION_CLOSED))         \
    STATE(CONNECTION_OPENING, "the socket is being made", BIT(CONNECTION_BINDING) | BIT(CONNECTION_RESOLVED))          \
    STATE(CONNECTION_BINDING, "the socket is being bound", BIT(CONNECTION_CONNECTING) | BIT(CONNECTION_CLOSING))       \
    STATE(CONNECTION_CONNECTING, "TCP is connecting", BIT(CONNECTION_HANDSHAKE) | BIT(CONNECTION_CLOSING))             \
    STATE(CONNECTION_HANDSHAKE, "the NBD handshake",                                                                   \
          BIT(CONNECTION_READY) | BIT(CONNECTION_LEAVING) | BIT(CONNECTION_CLOSING))                                   \
    STATE(CONNECTION_READY, "requests and replies", BIT(CONNECTION_LEAVING) | BIT(CONNECTION_CLOSING))                 \
    STATE(CONNECTION_LEAVING, "last replies, then a farewell", BIT(CONNECTION_CLOSING))                                \
    STATE(CONNECTION_CLOSING, "the socket is being closed", BIT(CONNECTION_RESOLVED) | BIT(CONNECTION_CLOSED))         \
    STATE(CONNECTION_CLOSED, "nothing; the disk ends", 0)

#define CONNECTION_STATE_NAME(Name, Meaning, Next) Name,
typedef enum { CONNECTION_STATES(CONNECTION_STATE_NAME) CONNECTION_STATE_COUNT } CONNECTION_STATE;
#undef CONNECTION_STATE_NAME

/* Addresses of a name that are tried, in the order in which the resolver gives them. */
#define CONNECTION_ADDRESSES 8u
/* Sends that may be in flight at most; the adapter's SendWindow is 1 to this. */
#define CONNECTION_SEND_WINDOW_MAX 8u
#define CONNECTION_TRANSMIT_BYTES (128u * 1024)
#define CONNECTION_RECEIVE_BYTES (256u * 1024)
/* Payload handled in one go under the disk's lock. */
#define CONNECTION_PIECE_BYTES (64u * 1024)
/* WSK calls in one pass of a loop; more is left to the next DPC (bug check 0x133, DPC_WATCHDOG_VIOLATION). */
#define CONNECTION_PASSES 16u

#define CONNECTION_CONNECT_TIMEOUT_MS 15000u
#define CONNECTION_HANDSHAKE_TIMEOUT_MS 15000u
#define CONNECTION_LEAVE_TIMEOUT_MS 2000u

typedef struct CONNECTION CONNECTION;

/* Bytes that wait for, or are in, a send. */
typedef struct TRANSMIT TRANSMIT;
struct TRANSMIT {
    CONNECTION *Connection;
    NET_OP Op;
    NET_BUFFER Buffer;
    ULONG LengthBytes;
    BOOLEAN InFlight;
    TRANSMIT *Joined; /* leaves with the same send, behind this one, which is full */
};

struct CONNECTION {
    CHANNEL Channel; /* first: a CHANNEL of this type is a CONNECTION */
    DISK *Disk;      /* holds a reference until CONNECTION_CLOSED */
    PIO_WORKITEM ResolveWork;
    KDPC Dpc;
    KTIMER Timer;
    KDPC TimerDpc;

    /* used while CONNECTION_RESOLVING only */
    WCHAR Host[WNBD_MAX_NAME_LENGTH];
    UNICODE_STRING HostString;
    PADDRINFOEXW Resolved;

    /* protected by the disk's lock */
    CONNECTION_STATE State;
    BOOLEAN Stop;     /* asked to end */
    BOOLEAN Draining; /* somebody runs the drain */
    BOOLEAN DrainAgain;
    BOOLEAN Established;    /* has been READY: the end of the connection is the end of the disk */
    BOOLEAN Announce;       /* READY has to be told */
    BOOLEAN Withdrawn;      /* the disk has been withdrawn, or is being */
    BOOLEAN Finished;       /* CLOSED has been told */
    ULONG64 Since;          /* unbiased interrupt time at which the attempt began, then at which Established came */
    UINT64 DeadlineAt;      /* interrupt time at which the state has lasted too long, 0: none */
    CREATE_OUTCOME Outcome; /* the failure of the last attempt */
    CREATE_OUTCOME Success; /* constant once Established: what the creator is told */

    SOCKADDR_STORAGE Addresses[CONNECTION_ADDRESSES];
    ULONG AddressCount;
    ULONG AddressNext;

    PWSK_SOCKET Socket;
    NET_OP Control; /* resolve, socket, bind, connect */
    BOOLEAN ControlBusy;
    NTSTATUS ControlStatus;
    ULONG_PTR ControlInformation;
    NET_OP Close;
    BOOLEAN CloseBusy;
    BOOLEAN CloseIssued;

    NBD_CLIENT Client;
    NBD_SLOT *Slots; /* as many as the queue is deep */

    NET_OP Receive;
    NET_BUFFER ReceiveBuffer;
    BOOLEAN ReceiveBusy;
    ULONG ReceivedBytes; /* in ReceiveBuffer */
    ULONG ConsumedBytes; /* of those */

    TRANSMIT Transmit[CONNECTION_SEND_WINDOW_MAX + 1];
    ULONG TransmitCount; /* SendWindow + 1: one is filled while the others are sent */
    ULONG Filling;       /* index of the one that is being filled */
    ULONG InFlightCount; /* transmit buffers that are being sent */
    BOOLEAN Sending;     /* somebody runs the transmitter */
    BOOLEAN Farewell;    /* NBD_CMD_DISC is in the transmit buffers */

    /* the WRITE whose payload is being copied to the transmit buffers, SLOT_NONE: none */
    USHORT StreamSlot;
    const UCHAR *StreamData;
    ULONG StreamLeftBytes;
    PUCHAR Rescued; /* payload saved from an SRB that was given back */
};

/* Allocates a channel for Disk, whose properties name the server. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NbdChannelCreate(DISK *Disk, CHANNEL **Channel);
/* Starts connecting; the outcome goes to IoctlCreateDone. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void NbdChannelStart(CHANNEL *Channel);

/* ---- between channel_nbd.c, channel_nbd_start.c and channel_nbd_io.c; "lock" is the disk's ---- */

/* Does what the connection's state asks for until it has to wait. <= DISPATCH_LEVEL, no lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void ConnectionDrain(CONNECTION *Connection);
KDEFERRED_ROUTINE ConnectionDpc;
KDEFERRED_ROUTINE ConnectionTimerDpc;
IO_WORKITEM_ROUTINE ConnectionResolved;
NET_DONE ConnectionControlDone;
NET_DONE ConnectionCloseDone;

/* Notes why it doesn't go on. The first failure of an attempt counts. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionNote(CONNECTION *Connection, UINT32 Win32Error, UINT32 ServerError, const char *Words);

/* Notes a failure and ends the connection: CONNECTION_CLOSING, if it is not there yet. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionFail(CONNECTION *Connection, UINT32 Win32Error, const char *Words);
/* The same with what the NBD engine says. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionFailNbd(CONNECTION *Connection);
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionMove(CONNECTION *Connection, CONNECTION_STATE State);
_IRQL_requires_max_(DISPATCH_LEVEL)
void ConnectionQueueDpc(CONNECTION *Connection);
/* The handshake has succeeded: the disk's properties become known: CONNECTION_READY. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionEstablished(CONNECTION *Connection);

/* Allocates and frees buffers and operations of the transfers. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS TransferInitialize(CONNECTION *Connection);
_IRQL_requires_max_(PASSIVE_LEVEL)
void TransferFree(CONNECTION *Connection);
/* Forgets everything of an earlier attempt; nothing is in flight. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void TransferReset(CONNECTION *Connection);
/* Handles received bytes, at most CONNECTION_PIECE_BYTES of payload. TRUE: there are more. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN TransferConsume(CONNECTION *Connection, LIST_ENTRY *Done);
/* Sends what there is to send. No lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void TransferTransmit(CONNECTION *Connection);
/* Nothing is left to be sent. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN TransferIdle(const CONNECTION *Connection);
/* CHANNEL_TYPE.Rescue */
_IRQL_requires_(DISPATCH_LEVEL)
void TransferRescue(CHANNEL *Channel, WIRE *Wire);
