/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the simulated server's files share: seeded_server.c its life, _handshake.c and _replies.c what it says. */
#pragma once

#include "seeded_server.h"

#include "ground_seeded.h"

typedef struct ANSWER {
    struct ANSWER *Next;
    uint64_t Due;
    uint64_t Cookie;
    uint64_t Offset;
    uint32_t Length;
    uint16_t Command;
    bool Fua;
    bool Executed;
    bool Beyond;  /* reaches beyond the medium */
    bool Refused; /* for that */
    uint32_t Error;
    unsigned char *Data; /* of a write, or of a read once executed */
} ANSWER;

typedef struct SERVED {
    struct SERVED *Next;
    SEEDED_SERVER *Server;
    SIM_END *End;
    GROUND_THREAD *Reader;
    GROUND_LOCK Lock; /* guards the rest */
    GROUND_SIGNAL Changed;
    ANSWER *Answers; /* in the order of their requests */
    bool Reading;    /* more requests may come */
    bool Dead;       /* nothing is sent any more */
    uint64_t SentBytes;
    uint64_t LastCookie; /* of a request that was answered */
    uint64_t Served;     /* replies */
} SERVED;

struct SEEDED_SERVER {
    MEDIUM *Medium;
    SERVER_PLAN Plan;
    SIM_LISTENER *Listener;
    GROUND_THREAD *Acceptor;
    GROUND_LOCK Lock; /* Connections, Counts */
    SERVED *Connections;
    SERVER_COUNTS Counts;
    bool Stopping;
};

/* Sends, and commits what happens at a byte. False: the connection is over. */
bool ServedSend(SERVED *Served, const void *Bytes, size_t Length);
bool ServedReceive(SERVED *Served, void *Bytes, size_t Length);
/* The client has broken the protocol: stops the test. */
_Noreturn void ServedAccuse(const SERVED *Served, const char *Format, ...) __attribute__((format(printf, 2, 3)));
/* This misdeed is due now, and is noted as committed. */
bool ServedCommits(SERVED *Served, MISDEED Misdeed, uint64_t At);

/* Does nothing until the connection's end. */
void ServedStandStill(SERVED *Served);

/* True: the transmission phase begins. */
bool ServedHandshake(SERVED *Served);
/* Reads requests until the connection's end. */
void ServedRequests(SERVED *Served);
/* A thread's routine: answers them. */
void ServedAnswers(void *Context);

static inline void Put16(unsigned char *To, uint16_t Value)
{
    To[0] = (unsigned char)(Value >> 8);
    To[1] = (unsigned char)Value;
}

static inline void Put32(unsigned char *To, uint32_t Value)
{
    Put16(To, (uint16_t)(Value >> 16));
    Put16(To + 2, (uint16_t)Value);
}

static inline void Put64(unsigned char *To, uint64_t Value)
{
    Put32(To, (uint32_t)(Value >> 32));
    Put32(To + 4, (uint32_t)Value);
}

static inline uint16_t Get16(const unsigned char *From)
{
    return (uint16_t)(From[0] << 8 | From[1]);
}

static inline uint32_t Get32(const unsigned char *From)
{
    return (uint32_t)Get16(From) << 16 | Get16(From + 2);
}

static inline uint64_t Get64(const unsigned char *From)
{
    return (uint64_t)Get32(From) << 32 | Get32(From + 4);
}
