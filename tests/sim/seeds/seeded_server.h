/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An NBD server on the simulated network, written from the protocol document
 * (doc/proto.md of the NBD project) without a look at core/nbd, so that a
 * mistake there has no twin here. It serves one export, a MEDIUM, correctly and
 * checks that its client keeps to the protocol; or commits one misdeed.
 *
 * Each connection has a thread that reads requests and one that answers them,
 * in an order and after delays that the seed decides.
 */
#pragma once

#include "medium.h"
#include "simnet.h"

#include "nbd/wire.h"

/* Values of the document that the client has no name for. */
#define SERVED_HAS_FLAGS 0x01u
#define SERVED_READ_ONLY 0x02u
#define SERVED_FLUSH 0x04u
#define SERVED_FUA 0x08u
#define SERVED_ROTATIONAL 0x10u
#define SERVED_TRIM 0x20u

/* What the client may come to see of a misdeed, apart from errors that SERVER_PLAN.ErrorThousandths makes. */
#define MAY_REFUSE 0x1u /* there will be no disk */
#define MAY_END 0x2u    /* the disk goes; with MAY_STALL: or it stalls */
#define MAY_STALL 0x4u  /* requests reach their time limit */

/* Name, consequences, in words. */
#define MISDEEDS(MISDEED)                                                                                              \
    MISDEED(NONE, 0, "none")                                                                                           \
    MISDEED(GREETING, MAY_REFUSE, "greets with wrong numbers")                                                         \
    MISDEED(OLDSTYLE, MAY_REFUSE, "is of the old style")                                                               \
    MISDEED(REFUSE, MAY_REFUSE, "refuses the option")                                                                  \
    MISDEED(OPTION_MAGIC, MAY_REFUSE, "answers the option with a wrong number")                                        \
    MISDEED(NO_EXPORT, MAY_REFUSE, "acknowledges without describing the export")                                       \
    MISDEED(SIZE, MAY_REFUSE, "gives an impossible size")                                                              \
    MISDEED(BLOCK_SIZE, MAY_REFUSE, "wants blocks that are too large")                                                 \
    MISDEED(GARBAGE, MAY_REFUSE, "answers the option with anything")                                                   \
    MISDEED(CLOSE, MAY_REFUSE | MAY_END, "closes at a byte")                                                           \
    MISDEED(RESET, MAY_REFUSE | MAY_END, "resets at a byte")                                                           \
    MISDEED(STALL, MAY_REFUSE | MAY_STALL, "stops for ever at a byte")                                                 \
    MISDEED(PAUSE, MAY_REFUSE | MAY_STALL, "stops for a while at a byte")                                              \
    MISDEED(DEAF, MAY_STALL, "reads no more")                                                                          \
    MISDEED(HOLLOW, 0, "offers what it can't do")                                                                      \
    MISDEED(MORE_REFUSED, 0, "tells of more than it has, and refuses that")                                            \
    MISDEED(MORE_INVENTED, 0, "tells of more than it has, and makes that up")                                          \
    MISDEED(MORE_CUT, MAY_END | MAY_STALL, "tells of more than it has, and leaves that out")                           \
    MISDEED(MORE_SPILT, MAY_END, "tells of more than it has, and replies with too much")                               \
    MISDEED(LOSE_REPLY, MAY_STALL, "loses replies")                                                                    \
    MISDEED(REPLY_MAGIC, MAY_END, "replies with a wrong number")                                                       \
    MISDEED(REPLY_TWICE, MAY_END, "replies twice")                                                                     \
    MISDEED(REPLY_STALE, MAY_END, "replies to a request of long ago")                                                  \
    MISDEED(REPLY_FORGED, MAY_END, "replies to what was never asked")                                                  \
    MISDEED(REPLY_ERROR, 0, "replies with an error of its own")                                                        \
    MISDEED(SHUTDOWN, MAY_END, "says that it shuts down")                                                              \
    MISDEED(DIE, MAY_END, "dies")

typedef enum {
#define MISDEED_NAME(Name, Consequences, Words) MISDEED_##Name,
    MISDEEDS(MISDEED_NAME)
#undef MISDEED_NAME
        MISDEED_COUNT
} MISDEED;

typedef struct {
    uint64_t SizeBytes; /* of the export, as it is told: at most the medium's, but for MISDEED_MORE_* */
    uint16_t Flags;     /* SERVED_* */
    uint32_t Minimum;   /* block sizes, bytes; 0: not told */
    uint32_t Preferred;
    uint32_t Maximum;
    bool NoGo;          /* knows NBD_OPT_EXPORT_NAME only */
    bool Zeroes;        /* doesn't offer to leave the zeroes away */
    uint32_t DelayMost; /* of a reply, 100 ns */
    bool InOrder;       /* replies in the order of the requests */
    uint32_t ErrorThousandths;
    MISDEED Misdeed;
    uint64_t MisdeedAt; /* byte that is sent, or reply, counted from 0 */
} SERVER_PLAN;

typedef struct SEEDED_SERVER SEEDED_SERVER;

/* What has happened so far. */
typedef struct {
    uint64_t Requests; /* received, without NBD_CMD_DISC */
    uint64_t Replies;  /* sent whole */
    uint64_t Errors;   /* of them, with an error, but for refusals of what the export hasn't got */
    uint32_t Connections;
    bool Committed;   /* the misdeed */
    bool Transmitted; /* the handshake's last words have been said, or are being said */
} SERVER_COUNTS;

/* Words for a report. */
const char *MisdeedText(MISDEED Misdeed);
uint32_t MisdeedConsequences(MISDEED Misdeed);

/* Serves Medium, which stays the caller's, at Port. */
SEEDED_SERVER *SeededServerStart(MEDIUM *Medium, uint16_t Port, const SERVER_PLAN *Plan, const SIM_WEATHER *Weather);
SIM_LISTENER *SeededServerListener(SEEDED_SERVER *Server);
SERVER_COUNTS SeededServerCounts(const SEEDED_SERVER *Server);
/* Ends every connection at once; with Reset, by a reset. New ones are served. */
void SeededServerDrop(SEEDED_SERVER *Server, bool Reset);
/* Ends everything and waits; what had been requested and not carried out may be carried out or not. */
void SeededServerStop(SEEDED_SERVER *Server);
