/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The simulated network over memory. A connection is two ends, each with the
 * bytes that are on their way to it: simnet_end.c. simnet_server.c is the
 * server's side (simnet.h), ground_simnet.c the client's (ground.h's sockets).
 * One lock for all; nothing is waited for under it but by a signal.
 */
#pragma once

#include "ground_seeded.h"
#include "simnet.h"

#define BATCHES 64u
#define BACKLOG 16u
#define FATES_MOST 16u

typedef enum { END_OPEN, END_CONNECTING, END_CONNECTED } END_STATE;

/* Bytes that arrive at the same moment. */
typedef struct {
    uint64_t At;
    size_t Bytes;
} BATCH;

struct SIM_END {
    END_STATE State;
    SIM_END *Peer; /* NULL: none yet, or it has let go */
    SIM_WEATHER Weather;
    unsigned char *Ring; /* Weather.CapacityBytes */
    size_t Head, Used;
    BATCH Batches[BATCHES];
    size_t BatchFirst, BatchCount;
    bool Ended;      /* the peer sends no more */
    bool EndSent;    /* this end sends no more */
    bool Broken;     /* reset */
    uint64_t EndAt;  /* when the peer's end is seen */
    SIM_FATE Fate;   /* of connecting, and */
    uint64_t FateAt; /* when it is known */
    uint16_t Port;   /* the listener's */
    GROUND_SIGNAL Changed;
    /* of a socket that a poller watches */
    GROUND_SIGNAL *Poller; /* is woken */
    uint32_t Armed;
    void *Context;
};

struct SIM_LISTENER {
    SIM_LISTENER *Next;
    uint16_t Port;
    bool Closed;
    SIM_WEATHER Weather;
    SIM_FATE Fates[FATES_MOST];
    size_t FateCount, FateNext;
    SIM_END *Waiting[BACKLOG];
    size_t WaitingCount;
    GROUND_SIGNAL Changed;
};

extern GROUND_LOCK SimLock;
extern SIM_LISTENER *SimListeners;

/* All under the lock. */

SIM_END *EndMake(void);
void EndFree(SIM_END *End);
/* Connects End with a new end, which waits to be accepted. */
void EndJoin(SIM_END *End, SIM_LISTENER *Listener);
/* The connection is broken for this end. */
void EndReset(SIM_END *End);
/* No more bytes for the peer: it sees the end behind those that are on their way, or a reset. */
void EndFinish(SIM_END *End, bool Reset);
/* When something can be received: bytes, or the end. UINT64_MAX: nobody knows. */
uint64_t EndArrivesAt(const SIM_END *End);
/* All has been received that the peer sent before it ended. */
bool EndIsOver(const SIM_END *End, uint64_t Now);
/* The peer is gone without having ended. */
bool EndIsLost(const SIM_END *End);
/* Sends what fits; the bytes arrive after a delay, in order. 0: no room. */
size_t EndPut(SIM_END *End, const unsigned char *Bytes, size_t Length);
/* Receives what has arrived, perhaps less. 0: nothing yet. */
size_t EndGet(SIM_END *End, unsigned char *Bytes, size_t Length);
