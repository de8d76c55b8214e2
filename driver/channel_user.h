/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The user channel: a process serves the disk. It fetches requests and sends
 * answers, each with an ioctl (IOCTL_WNBD_FETCH_REQ, _SEND_RSP), from as many
 * threads as it likes.
 *
 * A fetch that finds a request waiting takes it at once, with as much memory
 * locked as that needs, unless its payload is more than one piece. Any other
 * is pended with all of its memory locked until there is a request for it.
 * Whoever brings the two together (StartIo, another fetch, an answer, the DPC)
 * copies the request's payload and completes the fetch. An answer is taken in
 * its own call. Nothing waits.
 *
 * Concurrency: everything is protected by the disk's lock. Payload is copied
 * under it, in pieces, and the wire request is looked up by its handle for
 * each: a reset, which gives an SRB back under the lock, ends the copying.
 */
#pragma once

#include "channel.h"
#include "disk.h"
#include "owner.h"
#include "user_memory.h"

/* Fetches that may be pended on one disk: more than the library has threads. */
#define USER_FETCHES_MAX 256u
/* Payload copied in one go under the disk's lock. */
#define USER_PIECE_BYTES (64u * 1024)
/* Pieces and requests handled in one go, perhaps at DISPATCH_LEVEL; the rest is left to a DPC (bug check 0x133). */
#define USER_PASSES 64u

/* A request to fetch that is pended, or is being filled. */
typedef struct {
    LIST_ENTRY Link; /* USER_CHANNEL.Free or .Pended; in none while it is being filled */
    PIRP Irp;
    USER_MEMORY Memory;
    UINT64 Handle;     /* of the wire request that goes into it, 0: none yet */
    ULONG FilledBytes; /* of Memory */
    NTSTATUS Status;   /* how it ends */
} FETCH;

typedef struct {
    CHANNEL Channel;   /* first: a CHANNEL of this type is a USER_CHANNEL */
    DISK *Disk;        /* whose channel this is; each fetch holds a reference to it */
    OWNER Owner;       /* the only one to serve the disk */
    KDPC Dpc;          /* goes on where a pass has ended */
    FETCH *Fetches;    /* USER_FETCHES_MAX */
    LIST_ENTRY Free;   /* of Fetches */
    LIST_ENTRY Pended; /* of Fetches, each with a cancel routine, in the order of arrival */
    BOOLEAN Closed;    /* fetches end with WnbdReqTypeDisconnect */
} USER_CHANNEL;

/* Allocates a channel for Disk, which Owner serves; makes of its properties what Windows sees. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserChannelCreate(DISK *Disk, PEPROCESS Owner, CHANNEL **Channel);

/* Whether a process serves the disk, and Process is the one. */
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN UserChannelOwnedBy(const DISK *Disk, PEPROCESS Process);

/*
 * The commands of the process, in its thread's context, with a reference to the disk; the IRP's buffer is the command.
 * STATUS_PENDING: the IRP is the channel's, and may have been completed by now.
 */
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS USER_COMMAND(DISK *Disk, PIRP Irp);
USER_COMMAND UserChannelFetch;
USER_COMMAND UserChannelRespond;
/* STATUS_NOT_SUPPORTED: a disk of another kind. */
USER_COMMAND UserChannelResize;

/* ---- between channel_user.c and channel_user_answer.c ---- */

/* What the process knows the wire request as. */
_IRQL_requires_max_(DISPATCH_LEVEL)
WnbdRequestType UserChannelType(const WIRE *Wire);
/* The disk's channel for the process that has sent Irp: STATUS_ACCESS_DENIED for any other. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserChannelOf(DISK *Disk, PIRP Irp, USER_CHANNEL **User);
/* Brings requests and fetches together until one of both has run out. No lock held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void UserChannelServe(USER_CHANNEL *User);
