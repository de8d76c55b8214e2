/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An NBD server of which every byte is the test's: a thread that accepts
 * connections on a free port of 127.0.0.1, one after the other (or several at
 * once), and lets a function of the test play the server. Knows nothing of NT, nor of the
 * product: it has the protocol's numbers from the document, not from core/nbd.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a literal, without its terminator. */
typedef struct {
    const void *Bytes;
    size_t Length;
} BYTES;
#define BYTES_OF(Literal) {Literal, sizeof(Literal) - 1}

#define SCRIPT_OPT_EXPORT_NAME 1u
#define SCRIPT_OPT_GO 7u
#define SCRIPT_REP_ACK 1u
#define SCRIPT_REP_INFO 3u

/* HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM */
#define SCRIPT_EXPORT_FLAGS 0x002Du

typedef struct SCRIPT SCRIPT;

/* One client, as the playing function sees it. */
typedef struct {
    SCRIPT *Script;
    int Socket;
    uint64_t Allowed; /* bytes that may still be said; then it ends as Script->Stalls says */
    bool Over;        /* the client has gone, or nothing more may be said */
} PEER;

struct SCRIPT {
    void (*Play)(PEER *Peer); /* plays the server; the connection is closed when it returns */
    const void *Context;      /* the test's */
    uint64_t Allowed;         /* bytes that are said on each connection; 0: all */
    bool Stalls;              /* after those it stands still until the client goes; otherwise it closes */
    bool Several;             /* each connection has a thread of its own */
    uint16_t Port;
    int Listener;
    pthread_t Thread;
    pthread_mutex_t Lock;
    pthread_cond_t Ended;
    unsigned Playing; /* connections with a thread of their own; under Lock */
    unsigned Played;  /* those that have ended, since ScriptStart; under Lock */
};

/* A request of the client. */
typedef struct {
    uint16_t Flags;
    uint16_t Type;
    uint64_t Cookie;
    uint64_t Offset;
    uint32_t Length;
} SCRIPT_REQUEST;

/* Starts to listen; everything above Port is the caller's to fill before. Stops the test if it can't. */
void ScriptStart(SCRIPT *Script);
/* Waits for the end of the connections that there are, and ends. */
void ScriptStop(SCRIPT *Script);

/* With Several: how many connections have ended since ScriptStart. */
unsigned ScriptPlayed(SCRIPT *Script);

/* Says or hears so many bytes; false: it is over. */
bool PeerSay(PEER *Peer, const void *Bytes, size_t Length);
bool PeerHear(PEER *Peer, void *Bytes, size_t Length);
/* Stands still until the client goes. */
void PeerStall(PEER *Peer);

/* Hears the client's flags, if any are due, and an option with its data. */
bool PeerHearOption(PEER *Peer, bool WithFlags, uint32_t *Option);
bool PeerAnswer(PEER *Peer, uint32_t Option, uint32_t Type, const void *Data, uint32_t Length);
/* The greeting, and all of NBD_OPT_GO for an export with SCRIPT_EXPORT_FLAGS: the transmission phase begins. */
bool PeerConnect(PEER *Peer, uint64_t Size);
/* Hears a request, and the payload of a write (which is dropped). */
bool PeerHearRequest(PEER *Peer, SCRIPT_REQUEST *Request);
bool PeerReply(PEER *Peer, uint32_t Error, uint64_t Cookie, const void *Data, size_t Length);
