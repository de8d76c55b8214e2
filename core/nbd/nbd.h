/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An NBD client as a sans-I/O engine: bytes from the server go in, bytes for
 * the server and events come out. It opens no socket, reads no clock and
 * allocates nothing; the caller owns all memory.
 *
 * Source: the NBD protocol document (doc/proto.md of the NBD project), named
 * "proto" in the comments, by its section titles.
 *
 * Threads: an NBD_CLIENT has no lock. Calls for the same client must not
 * overlap; the caller serialises them (the driver: under its disk's lock).
 * IRQL: <= DISPATCH_LEVEL; neither code nor data is pageable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Proto, "Newstyle negotiation": the port reserved for NBD. */
#define NBD_DEFAULT_PORT 10809u

/* Longest export name that a client may ask for, in bytes without terminator. */
#define NBD_EXPORT_NAME_MAX 255u

/* Longest text that is kept of what a server says about itself or an error, with terminator. */
#define NBD_TEXT_MAX 512u

/* Size of a request on the wire, without payload ("Request message"). */
#define NBD_REQUEST_SIZE 28u

/* Payload limit where the server names none ("Size constraints": 32 MiB is portable). */
#define NBD_DEFAULT_MAX_PAYLOAD (32u * 1024 * 1024)

/* Transmission flags ("Flag fields"), as sent by the server. */
#define NBD_FLAG_HAS_FLAGS 0x0001u
#define NBD_FLAG_READ_ONLY 0x0002u
#define NBD_FLAG_SEND_FLUSH 0x0004u
#define NBD_FLAG_SEND_FUA 0x0008u
#define NBD_FLAG_ROTATIONAL 0x0010u
#define NBD_FLAG_SEND_TRIM 0x0020u
#define NBD_FLAG_SEND_WRITE_ZEROES 0x0040u
#define NBD_FLAG_SEND_DF 0x0080u
#define NBD_FLAG_CAN_MULTI_CONN 0x0100u
#define NBD_FLAG_SEND_RESIZE 0x0200u
#define NBD_FLAG_SEND_CACHE 0x0400u
#define NBD_FLAG_SEND_FAST_ZERO 0x0800u
#define NBD_FLAG_BLOCK_STAT_PAYLOAD 0x1000u

/* Request types ("Request types"). */
typedef enum {
    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_WRITE_ZEROES = 6
} NBD_COMMAND;

/* Command flags ("Command flags"). */
#define NBD_CMD_FLAG_FUA 0x0001u
#define NBD_CMD_FLAG_NO_HOLE 0x0002u

/*
 * Error values of replies ("Error values"). A value that the document doesn't
 * list is reported as NBD_EINVAL, as the document asks.
 */
typedef enum {
    NBD_OK = 0,
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_EOVERFLOW = 75,
    NBD_ENOTSUP = 95,
    NBD_ESHUTDOWN = 108
} NBD_ERROR;

/* What the caller wants of the connection. */
typedef enum {
    NBD_GOAL_TRANSMISSION, /* NBD_OPT_GO, or NBD_OPT_EXPORT_NAME where the server has no GO */
    NBD_GOAL_LIST          /* NBD_OPT_LIST, then NBD_OPT_ABORT */
} NBD_GOAL;

typedef struct {
    NBD_GOAL Goal;
    const char *ExportName;  /* UTF-8, copied; not terminated by the length below */
    size_t ExportNameLength; /* 0 (the server's default export) to NBD_EXPORT_NAME_MAX */
    /*
     * The disk's logical block size in bytes: 512 or 4096, or 0 to let the
     * server's smallest block decide between the two. A server whose smallest
     * block is larger is refused (NBD_FAILURE_BLOCK_SIZE).
     */
    uint32_t BlockSize;
    /*
     * Skips the handshake: the transmission phase begins with the first byte.
     * Size and flags of the export are then the caller's words.
     */
    bool SkipHandshake;
    uint64_t SkippedSize;  /* bytes; used with SkipHandshake only */
    uint16_t SkippedFlags; /* NBD_FLAG_*; used with SkipHandshake only */
} NBD_CONFIG;

/* What the server said about the export; valid from NBD_EVENT_CONNECTED on. */
typedef struct {
    uint64_t Size;           /* bytes, as the server gave it */
    uint16_t Flags;          /* NBD_FLAG_* */
    uint32_t BlockSize;      /* the disk's logical block size, 512 or 4096 */
    uint32_t MinimumBlock;   /* server's smallest request and alignment, bytes; 1 where it named none */
    uint32_t PreferredBlock; /* server's preferred request size, bytes; 4096 where it named none */
    uint32_t MaximumPayload; /* largest READ or WRITE, bytes, a multiple of BlockSize */
} NBD_EXPORT;

/*
 * Why a connection can't go on. Each has a sentence with the rule that was
 * broken; NbdFailureText returns it together with the numbers seen.
 */
typedef enum {
    NBD_FAILURE_NONE,
    NBD_FAILURE_NOT_NBD,          /* the peer's first bytes are not an NBD server's */
    NBD_FAILURE_OLDSTYLE,         /* oldstyle negotiation, or newstyle that isn't "fixed", where that is needed */
    NBD_FAILURE_UNKNOWN_EXPORT,   /* NBD_REP_ERR_UNKNOWN, or closed in answer to NBD_OPT_EXPORT_NAME */
    NBD_FAILURE_POLICY,           /* NBD_REP_ERR_POLICY */
    NBD_FAILURE_TLS_REQUIRED,     /* NBD_REP_ERR_TLS_REQD */
    NBD_FAILURE_SHUTDOWN,         /* NBD_REP_ERR_SHUTDOWN */
    NBD_FAILURE_REFUSED,          /* any other NBD_REP_ERR_* that ends the negotiation */
    NBD_FAILURE_LIST_UNSUPPORTED, /* the server doesn't list its exports */
    NBD_FAILURE_BLOCK_SIZE,       /* the server's smallest block is larger than the disk's */
    NBD_FAILURE_SIZE,             /* the export is smaller than one block, or larger than 2^63 - 1 bytes */
    NBD_FAILURE_PROTOCOL,         /* the server broke a rule of the protocol */
    NBD_FAILURE_CLOSED            /* the server closed the connection (said by NbdServerClosed) */
} NBD_FAILURE;

/* Where a connection is; see states.h for the transitions inside the handshake. */
typedef enum {
    NBD_PHASE_HANDSHAKE,
    NBD_PHASE_TRANSMISSION,
    NBD_PHASE_DONE,  /* ended by us: list complete, or disconnected */
    NBD_PHASE_FAILED /* Failure says why; nothing further is accepted */
} NBD_PHASE;

typedef enum {
    NBD_EVENT_NONE,      /* the input was consumed, nothing to report */
    NBD_EVENT_LISTED,    /* one export of NBD_OPT_LIST: Name, Description */
    NBD_EVENT_LIST_END,  /* the list is complete: send the output, then close; phase is NBD_PHASE_DONE */
    NBD_EVENT_CONNECTED, /* transmission begins: Client->Export is filled */
    NBD_EVENT_REPLY,     /* a piece of a reply, or the whole of it */
    NBD_EVENT_FAILED     /* close the connection; Client->Failure and NbdFailureText say why */
} NBD_EVENT_TYPE;

/*
 * One event. A request's reply arrives as one or more NBD_EVENT_REPLY; the one
 * with Last set ends the request and gives its slot back to the caller. Pieces
 * of a READ name the place of their bytes, so that they may come in any order.
 */
typedef struct {
    NBD_EVENT_TYPE Type;
    uint64_t Cookie;         /* REPLY: as given to NbdRequest */
    uint32_t Offset;         /* REPLY: place of Data inside the request's payload, bytes */
    uint32_t Length;         /* REPLY: bytes at Data, 0 if none */
    const uint8_t *Data;     /* REPLY: inside the input that was given; valid as long as that is */
    bool Last;               /* REPLY: the request is finished */
    NBD_ERROR Error;         /* REPLY with Last: the request's result */
    const char *Name;        /* LISTED: UTF-8, terminated, valid until the next call */
    const char *Description; /* LISTED: the same; "" if none */
} NBD_EVENT;

/* What the engine knows of a request in flight; the memory is the caller's. */
typedef struct {
    uint64_t Cookie; /* exact value that the reply must carry */
    uint32_t Length; /* payload expected by a READ, bytes */
    uint8_t Command; /* NBD_COMMAND */
    bool InFlight;
} NBD_SLOT;

/* Largest option reply that is kept whole: an export's name and description of 4096 bytes each, and a length. */
#define NBD_OPTION_BUFFER 8196u
/* Largest amount of handshake bytes that can wait for NbdTakeOutput. */
#define NBD_OUTPUT_BUFFER 640u

/* An engine. Fields below the line are private to core/nbd. */
typedef struct {
    NBD_PHASE Phase;
    NBD_FAILURE Failure;
    uint32_t ServerError; /* NBD_REP_ERR_* that ended the negotiation, or 0 */
    NBD_EXPORT Export;
    uint32_t InFlight; /* requests without their last reply */

    /* ---- private ---- */
    uint8_t State; /* NBD_STATE of states.h */
    NBD_GOAL Goal;
    uint32_t WantedBlockSize;
    uint16_t HandshakeFlags;
    uint16_t SlotCount;
    NBD_SLOT *Slots;
    uint32_t Need;        /* bytes of the message that the present state awaits */
    uint32_t Have;        /* bytes of it gathered in Input */
    uint32_t Remaining;   /* bytes that follow and are thrown away, or reported as payload */
    uint32_t Option;      /* the option that the server has to reply to */
    uint32_t ReplyType;   /* of the option reply being read */
    uint32_t ReplyLength; /* of its data, bytes */
    uint32_t ReplyCount;  /* replies to the option so far */
    bool SawExport;       /* Export has size and flags */
    bool SawBlockSizes;   /* Export has the server's sizes of blocks */
    uint16_t ReplySlot;   /* slot whose payload is being received */
    size_t ExportNameLength;
    char ExportName[NBD_EXPORT_NAME_MAX];
    uint32_t OutputLength; /* bytes in Output, */
    uint32_t OutputTaken;  /* of which the caller has these already */
    uint8_t Output[NBD_OUTPUT_BUFFER];
    uint8_t Input[NBD_OPTION_BUFFER];
    char ListedName[NBD_TEXT_MAX];
    char ListedDescription[NBD_TEXT_MAX];
    char Message[NBD_TEXT_MAX]; /* of NbdFailureText */
} NBD_CLIENT;

/*
 * Makes Client ready for a new connection. Slots (SlotCount of them, 1 to
 * 65535) is memory for the requests in flight; a request's slot is the low 16
 * bits of its cookie; with NBD_GOAL_LIST there may be none. With SkipHandshake
 * the client is in transmission at once: NBD_EVENT_CONNECTED does not come,
 * Phase and Failure tell.
 */
void NbdInitialize(NBD_CLIENT *Client, const NBD_CONFIG *Config, NBD_SLOT *Slots, uint16_t SlotCount);

/*
 * Copies handshake bytes that must be sent now to Buffer (at most Size bytes)
 * and forgets them; returns their number, 0 if there are none. To be called
 * until it returns 0, after NbdReceive has consumed its input. A failed or
 * finished client may still have a farewell (NBD_OPT_ABORT or NBD_CMD_DISC) to
 * send before the connection is closed.
 */
size_t NbdTakeOutput(NBD_CLIENT *Client, void *Buffer, size_t Size);

/*
 * Takes bytes from the server, in any chunking, and returns how many were
 * consumed, with at most one event. The caller goes on with the rest until
 * all is consumed. Consumes at least one byte unless the event is
 * NBD_EVENT_FAILED, after which nothing is accepted any more.
 */
size_t NbdReceive(NBD_CLIENT *Client, const void *Bytes, size_t Length, NBD_EVENT *Event);

/*
 * Encodes a request into Wire and expects its reply. The caller sends Wire,
 * then, for NBD_CMD_WRITE, Length bytes of payload.
 *
 * Cookie: the low 16 bits are a slot below SlotCount that is not in flight,
 * the rest is the caller's generation.
 * Offset, Length: bytes; inside the export, multiples of its MinimumBlock,
 * READ and WRITE 1 to MaximumPayload; both 0 for NBD_CMD_FLUSH.
 * The caller has checked all of that and the export's flags; it is asserted.
 */
void NbdRequest(NBD_CLIENT *Client, uint64_t Cookie, NBD_COMMAND Command, uint16_t CommandFlags, uint64_t Offset,
                uint32_t Length, uint8_t Wire[NBD_REQUEST_SIZE]);

/* Encodes NBD_CMD_DISC into Wire: the last thing sent; Phase becomes NBD_PHASE_DONE. Transmission only. */
void NbdDisconnect(NBD_CLIENT *Client, uint8_t Wire[NBD_REQUEST_SIZE]);

/*
 * Gives up a handshake: the phase becomes NBD_PHASE_DONE, and the caller closes
 * the connection. NBD_OPT_ABORT appears in the output if the protocol allows it
 * here, which it does not while the server owes an answer to an option. Does
 * nothing in the other phases.
 */
void NbdAbort(NBD_CLIENT *Client);

/*
 * Says that the server closed the connection. The client fails with what that
 * means where it stands (an unknown export, say, after NBD_OPT_EXPORT_NAME).
 */
void NbdServerClosed(NBD_CLIENT *Client);

/*
 * One sentence about Client->Failure, without a full stop: the rule that was
 * broken with the values seen, and the server's own words where it said some.
 * UTF-8, at most NBD_TEXT_MAX bytes; "" if there is no failure.
 */
const char *NbdFailureText(const NBD_CLIENT *Client);
