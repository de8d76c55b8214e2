/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * NBD's messages as they lie on the wire (proto, "Protocol phases" and
 * "Values"). Every structure is packed by construction: its fields are bytes.
 */
#pragma once

#include <stdint.h>

#include "../base/byte_order.h"

/* "Newstyle negotiation" and "Oldstyle negotiation": the first two numbers that a server sends. */
#define NBD_GREETING_MAGIC 0x4E42444D41474943u /* NBDMAGIC */
#define NBD_NEWSTYLE_MAGIC 0x49484156454F5054u /* IHAVEOPT */
#define NBD_OLDSTYLE_MAGIC 0x0000420281861253u
#define NBD_OPTION_REPLY_MAGIC 0x0003E889045565A9u

/* "Handshake flags" of the server and "Client flags" in answer. */
#define NBD_HANDSHAKE_FIXED_NEWSTYLE 0x0001u
#define NBD_HANDSHAKE_NO_ZEROES 0x0002u

/* "Option types". */
#define NBD_OPT_EXPORT_NAME 1u
#define NBD_OPT_ABORT 2u
#define NBD_OPT_LIST 3u
#define NBD_OPT_GO 7u

/* "Option reply types"; errors have the highest bit set. */
#define NBD_REP_ACK 1u
#define NBD_REP_SERVER 2u
#define NBD_REP_INFO 3u
#define NBD_REP_IS_ERROR 0x80000000u
#define NBD_REP_ERR_UNSUP 0x80000001u
#define NBD_REP_ERR_POLICY 0x80000002u
#define NBD_REP_ERR_TLS_REQD 0x80000005u
#define NBD_REP_ERR_UNKNOWN 0x80000006u
#define NBD_REP_ERR_SHUTDOWN 0x80000007u
#define NBD_REP_ERR_BLOCK_SIZE_REQD 0x80000008u

/* Information types of NBD_REP_INFO. */
#define NBD_INFO_EXPORT 0u
#define NBD_INFO_BLOCK_SIZE 3u

/* "Conventions": the longest string of the protocol, bytes. */
#define NBD_STRING_MAX 4096u

/* "Reserved Magic values" and the two reply messages. */
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC 0x668E33EFu
#define NBD_EXTENDED_REPLY_MAGIC 0x6E8A278Cu

/* An option of the client, before its data. */
typedef struct {
    BE64 Magic; /* NBD_NEWSTYLE_MAGIC */
    BE32 Option;
    BE32 Length;
} NBD_OPTION_HEADER;

/* A server's reply to an option, before its data. */
typedef struct {
    BE64 Magic; /* NBD_OPTION_REPLY_MAGIC */
    BE32 Option;
    BE32 Type;
    BE32 Length;
} NBD_OPTION_REPLY;

/* The answer to NBD_OPT_EXPORT_NAME, before its zeroes. */
typedef struct {
    BE64 Size;
    BE16 Flags;
} NBD_EXPORT_ANSWER;

#define NBD_EXPORT_ANSWER_ZEROES 124u

/* NBD_REP_INFO with NBD_INFO_EXPORT. */
typedef struct {
    BE16 Type;
    BE64 Size;
    BE16 Flags;
} NBD_INFO_EXPORT_REPLY;

/* NBD_REP_INFO with NBD_INFO_BLOCK_SIZE. */
typedef struct {
    BE16 Type;
    BE32 Minimum;
    BE32 Preferred;
    BE32 Maximum;
} NBD_INFO_BLOCK_SIZE_REPLY;

/* "Request message". */
typedef struct {
    BE32 Magic; /* NBD_REQUEST_MAGIC */
    BE16 Flags;
    BE16 Type;
    BE64 Cookie;
    BE64 Offset;
    BE32 Length;
} NBD_REQUEST;

/* "Simple reply message", before the data of a READ. */
typedef struct {
    BE32 Magic; /* NBD_SIMPLE_REPLY_MAGIC */
    BE32 Error;
    BE64 Cookie;
} NBD_SIMPLE_REPLY;

_Static_assert(sizeof(NBD_OPTION_HEADER) == 16, "option");
_Static_assert(sizeof(NBD_OPTION_REPLY) == 20, "option reply");
_Static_assert(sizeof(NBD_EXPORT_ANSWER) == 10, "answer to NBD_OPT_EXPORT_NAME");
_Static_assert(sizeof(NBD_INFO_EXPORT_REPLY) == 12, "NBD_INFO_EXPORT");
_Static_assert(sizeof(NBD_INFO_BLOCK_SIZE_REPLY) == 14, "NBD_INFO_BLOCK_SIZE");
_Static_assert(sizeof(NBD_REQUEST) == 28, "request");
_Static_assert(sizeof(NBD_SIMPLE_REPLY) == 16, "simple reply");
