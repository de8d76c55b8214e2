/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What serves a disk's requests: an NBD connection in the kernel, or a
 * process. A channel takes work with QueueNextWire and reports answers with
 * QueueReplyEnd, under the disk's lock.
 */
#pragma once

#include "nt.h"

typedef struct DISK DISK;
typedef struct CHANNEL CHANNEL;
typedef struct WIRE WIRE;

typedef struct {
    /*
     * There is work in the queue. Alone: nothing else is under way, so it is taken at once; otherwise soon, together
     * with what comes until then. No lock held, <= DISPATCH_LEVEL.
     */
    _IRQL_requires_max_(DISPATCH_LEVEL)
    void (*Kick)(CHANNEL *Channel, BOOLEAN Alone);
    /*
     * Keeps a wire request's payload apart from its SRB's memory, which goes back. Disk's lock held. NULL for a channel
     * that never owes any (QueueWireDelivered).
     */
    _IRQL_requires_(DISPATCH_LEVEL)
    void (*Rescue)(CHANNEL *Channel, WIRE *Wire);
    /* Ends the connection: politely where the other side cooperates, in any case soon. No lock held. */
    _IRQL_requires_max_(DISPATCH_LEVEL)
    void (*Close)(CHANNEL *Channel);
    /* Frees the channel. Nothing of it is under way. PASSIVE_LEVEL. */
    _IRQL_requires_max_(PASSIVE_LEVEL)
    void (*Free)(CHANNEL *Channel);
} CHANNEL_TYPE;

struct CHANNEL {
    const CHANNEL_TYPE *Type;
};
