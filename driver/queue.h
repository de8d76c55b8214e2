/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk's requests and all their states.
 *
 * Two things, kept apart: a REQUEST is what Windows asked, one for each SRB;
 * a WIRE is what goes to the backend, with a slot and a handle (the NBD
 * cookie, the RequestHandle of a process). A request becomes one wire request
 * in the common case, several for a split at the backend's maximum, for an UNMAP
 * with several descriptors where the backend takes one at a time, for FUA made
 * of write and flush. It is completed when its last part has ended.
 *
 * Everything is allocated with the disk; nothing on the I/O path. All of it is
 * protected by the disk's lock, which the caller of a function marked "lock
 * held" owns. SRBs are completed outside the lock: functions that end
 * requests move them to a list, which goes to QueueUnlock.
 */
#pragma once

#include "nt.h"
#include "channel.h"
#include "base/slot_map.h"
#include "scsi/scsi.h"
#include "wnbd_ioctl.h"

/* Name, who owns the request in it, legal next states. tools/draw-states makes docs/states.md of both. */
#define REQUEST_STATES(STATE)                                                                                          \
    STATE(REQUEST_FREE, "nobody", BIT(REQUEST_QUEUED))                                                                 \
    STATE(REQUEST_QUEUED, "the submit or the held list: parts to send", BIT(REQUEST_ACTIVE) | BIT(REQUEST_COMPLETING)) \
    STATE(REQUEST_ACTIVE, "its wire requests", BIT(REQUEST_QUEUED) | BIT(REQUEST_COMPLETING))                          \
    STATE(REQUEST_COMPLETING, "who moved it there, outside the lock", BIT(REQUEST_FREE))

#define WIRE_STATES(STATE)                                                                                             \
    STATE(WIRE_FREE, "nobody", BIT(WIRE_QUEUED))                                                                       \
    STATE(WIRE_QUEUED, "the channel, not sent yet", BIT(WIRE_SENDING) | BIT(WIRE_FREE))                                \
    STATE(WIRE_SENDING, "the channel, header sent, payload being copied",                                              \
          BIT(WIRE_WAITING) | BIT(WIRE_QUEUED) | BIT(WIRE_ABORTED) | BIT(WIRE_FREE))                                   \
    STATE(WIRE_WAITING, "the server", BIT(WIRE_RECEIVING) | BIT(WIRE_QUEUED) | BIT(WIRE_ABORTED) | BIT(WIRE_FREE))     \
    STATE(WIRE_RECEIVING, "the receiver, payload being copied", BIT(WIRE_QUEUED) | BIT(WIRE_ABORTED) | BIT(WIRE_FREE)) \
    STATE(WIRE_ABORTED, "nobody: its answer will be swallowed", BIT(WIRE_FREE))

#define QUEUE_STATE_NAME(Name, Owner, Next) Name,
typedef enum { REQUEST_STATES(QUEUE_STATE_NAME) REQUEST_STATE_COUNT } REQUEST_STATE;
typedef enum { WIRE_STATES(QUEUE_STATE_NAME) WIRE_STATE_COUNT } WIRE_STATE;
#undef QUEUE_STATE_NAME

/* What a wire request asks for. */
typedef enum {
    WIRE_COMMAND_NONE,
    WIRE_COMMAND_READ,
    WIRE_COMMAND_WRITE,
    WIRE_COMMAND_FLUSH,
    WIRE_COMMAND_UNMAP,       /* its range; QUEUE.Whole: the request's descriptors */
    WIRE_COMMAND_RESERVE_IN,  /* PERSISTENT RESERVE IN */
    WIRE_COMMAND_RESERVE_OUT, /* PERSISTENT RESERVE OUT */
    WIRE_COMMAND_COUNT
} WIRE_COMMAND;

/* What Windows asked. */
typedef struct {
    LIST_ENTRY Link;    /* free, submit, held or completion list, by State */
    UCHAR State;        /* REQUEST_STATE */
    UCHAR Action;       /* SCSI_ACTION */
    UCHAR SrbStatus;    /* COMPLETING: other than SUCCESS, ends the SRB with it and no sense */
    BOOLEAN Fua;        /* the part itself carries FUA */
    BOOLEAN FlushAfter; /* FUA without server FUA: a flush follows the write */
    BOOLEAN Submitted;  /* a part has been sent */
    BOOLEAN Failed;     /* no further parts are sent */
    UCHAR Status;       /* SCSI_STATUS that the SRB ends with, and its sense */
    SCSI_SENSE Sense;
    USHORT Parts; /* wire requests that have not ended */
    PVOID Srb;
    PUCHAR Data;              /* READ, WRITE, PERSISTENT RESERVE: the SRB's memory */
    const UCHAR *Descriptors; /* UNMAP: inside the SRB's memory */
    ULONG DescriptorCount;
    ULONG DescriptorIndex;
    UINT64 UnmapLimit; /* UNMAP: bound of the descriptors, which are read again from the SRB's memory */
    UINT64 Offset;     /* next byte of the disk that has no part yet */
    UINT64 Left;       /* bytes that have no part yet */
    UINT64 Bytes;      /* of the disk that it is about, as far as they are known: all once the last part is made */
    ULONG64 Since;     /* unbiased interrupt time at which it came */
    UINT64 Span;       /* an UNMAP that goes whole: bytes from Offset on, of which it covers some */
    UCHAR OnceLeft;    /* WIRE_COMMAND of a part without a range that has to be made */
    BOOLEAN Anchor;    /* UNMAP */
    /* PERSISTENT RESERVE: its parameters, and the bytes at Data: of the list, of room for the answer, of the answer */
    UCHAR ServiceAction;
    UCHAR Scope;
    UCHAR Type;
    ULONG ListBytes;
} REQUEST;

/* What a reset SRB's extension holds while it waits. */
typedef struct QUEUE_RESET QUEUE_RESET;
struct QUEUE_RESET {
    LIST_ENTRY Link;
    PVOID Srb;
    void (*Done)(PVOID Extension, QUEUE_RESET *Reset); /* nothing is left in this queue; no lock held */
    ULONG NextTarget;                                  /* Done's: the targets that it has to wait for still */
    ULONG LastTarget;
};

/* What goes to the backend. */
struct WIRE {
    UCHAR State;   /* WIRE_STATE */
    UCHAR Command; /* WIRE_COMMAND */
    BOOLEAN Fua;
    BOOLEAN PayloadOwed; /* WRITE: bytes of it have still to be copied to the channel */
    BOOLEAN Ended;       /* PayloadOwed: the answer came before all of it was out */
    UCHAR Status;        /* SCSI_STATUS of the answer, and its sense */
    SCSI_SENSE Sense;
    UINT64 Offset;
    UINT64 LengthBytes; /* below 2^32, but for an UNMAP that goes whole */
    REQUEST *Request;   /* NULL when ABORTED */
    ULONG64 Since;      /* the request's */
    PUCHAR Data;        /* where its bytes are; NULL: there are none, or they are to be dropped (VERIFY, ABORTED) */
};

typedef struct {
    USHORT Depth;
    ULONG RequestCount; /* more than Depth: Storport sends the next request before the last one's place is free */
    REQUEST *Requests;
    WIRE *Wires; /* Depth, by slot */
    SLOT *SlotMemory;
    SLOT_MAP Slots;
    LIST_ENTRY Free;      /* REQUEST_FREE */
    LIST_ENTRY Submit;    /* REQUEST_QUEUED, in the order of arrival */
    LIST_ENTRY Held;      /* REQUEST_QUEUED, behind an aborted write to the same blocks */
    LIST_ENTRY Done;      /* REQUEST_COMPLETING: for DoneDpc, or for a reset that comes before it */
    KDPC DoneDpc;         /* completes what was ended below DISPATCH_LEVEL */
    LIST_ENTRY Resets;    /* SRB extensions of resets that wait for Completing */
    ULONG AbortedWires;   /* WIRE_ABORTED */
    ULONG Completing;     /* in Done, or on their way to Storport on some processor: requests, resets */
    ULONG MaximumPayload; /* bytes of one READ or WRITE part */
    ULONG BlockSize;      /* bytes */
    BOOLEAN BackendFua;
    BOOLEAN WriteThrough; /* the backend has FUA and no FLUSH: each write carries it, as there is no other way */
    BOOLEAN Whole;        /* the backend takes SCSI's requests as they are: all of an UNMAP, FUA with a READ */
    BOOLEAN Closed;       /* SRB_STATUS_NO_DEVICE for everything new */
    WNBD_DRV_STATS Stats;
    WNBD_OPERATION_STATS Operations[WNBD_OPERATION_COUNT]; /* statistics.h */
} QUEUE;

typedef enum {
    QUEUE_ACCEPTED, /* the SRB is the queue's */
    QUEUE_NOTHING,  /* it asks for nothing: done, GOOD */
    QUEUE_FULL,     /* no room: BUSY; nobody has seen the SRB */
    QUEUE_CLOSED    /* the disk is gone */
} QUEUE_RESULT;

/* Longest TRIM, VERIFY part: below 2^32 and a multiple of every block size. */
#define QUEUE_PART_MAX 0x40000000u

/* Parts of one request that are on the wire at a time, so that a long VERIFY or UNMAP leaves slots to others. */
#define QUEUE_PARTS_MAX 32u

/* Allocates for Depth requests. <= DISPATCH_LEVEL. */
_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS QueueInitialize(QUEUE *Queue, USHORT Depth);
_IRQL_requires_max_(DISPATCH_LEVEL)
void QueueFree(QUEUE *Queue);

/* Takes an SRB whose CDB was decoded to Result; Data is its memory (READ, WRITE). Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
QUEUE_RESULT QueueSubmit(QUEUE *Queue, PVOID Srb, const SCSI_RESULT *Result, PUCHAR Data);

/*
 * Makes the next part of the oldest request that may send one: WIRE_QUEUED.
 * SLOT_NONE: nothing to send, or no slot. A request waits while an aborted
 * write or trim to its blocks is unanswered: the server could carry that out
 * later, over what was written since. Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
USHORT QueueNextWire(QUEUE *Queue);

/* When the oldest came that has not ended, or is aborted and owes its answer; 0: there is none. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
ULONG64 QueueOldest(const QUEUE *Queue);

/*
 * Whether there is a part to send, and a slot for it: QueueNextWire makes it then. PayloadBytes: what goes with it, for
 * a backend that takes it with the request (QUEUE.Whole). Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN QueueReady(QUEUE *Queue, ULONG *PayloadBytes);

/*
 * Descriptor Index of an UNMAP: Blocks blocks at Lba, perhaps none. It is read from the SRB's memory, whose owner may
 * have changed it. Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueUnmapDescriptor(const REQUEST *Request, ULONG Index, UINT64 *Lba, UINT32 *Blocks);

/* The wire request's header goes out; if it owes payload, all of that has been copied. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireSending(QUEUE *Queue, USHORT Slot);
_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireSent(QUEUE *Queue, USHORT Slot, LIST_ENTRY *Done);
/* All of it goes out at once, with its payload: what is given back before is as if it had never been made. Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueWireDelivered(QUEUE *Queue, USHORT Slot);

/* A piece of the answer to a READ, which goes Offset bytes into it. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueReplyData(QUEUE *Queue, USHORT Slot, ULONG Offset, const UCHAR *Data, ULONG LengthBytes);
/* The answer is complete: the wire request has ended. Sense counts for CHECK CONDITION only. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueReplyEnd(QUEUE *Queue, USHORT Slot, SCSI_STATUS Status, const SCSI_SENSE *Sense, LIST_ENTRY *Done);
/* Whether that is the end of something that was done: then a READ has its data. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN QueueReplyGood(SCSI_STATUS Status, const SCSI_SENSE *Sense);

/*
 * Ends every request with SrbStatus. What is on the wire becomes ABORTED; its
 * answers will be swallowed. The channel rescues payload that is still owed.
 * Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueAbort(QUEUE *Queue, UCHAR SrbStatus, CHANNEL *Channel, LIST_ENTRY *Done);

/* Ends every request with NO_DEVICE and takes no new ones. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueClose(QUEUE *Queue, CHANNEL *Channel, LIST_ENTRY *Done);

/* The channel is gone for good: wire requests end unanswered, requests with NO_DEVICE. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueDisconnect(QUEUE *Queue, LIST_ENTRY *Done);

/*
 * A reset SRB waits until nothing of its scope is left. TRUE: nothing is; FALSE: Reset->Done will be called after the
 * last completion. Lock held.
 */
_IRQL_requires_(DISPATCH_LEVEL)
BOOLEAN QueueResetDone(QUEUE *Queue, QUEUE_RESET *Reset);

/*
 * Lets go of the disk's lock, whose acquisition returned Irql, and completes what is on the list, without any lock.
 * SRBs are completed at DISPATCH_LEVEL only: below that, a DPC does it, which runs when the lock is let go. So who
 * waits for a completion (QueueSettle) waits for another processor, never for a thread that it has interrupted.
 */
_IRQL_requires_(DISPATCH_LEVEL)
void QueueUnlock(DISK *Disk, KIRQL Irql, LIST_ENTRY *Done);

/*
 * Waits until every request that has been ended is Storport's again. For callers that may not leave one behind: the
 * others are in StorPortNotification, on other processors at DISPATCH_LEVEL. <= DISPATCH_LEVEL, no lock held, not from
 * inside a completion.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
void QueueSettle(DISK *Disk);
