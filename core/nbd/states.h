/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The states of a connection: one row each, and nothing about them elsewhere.
 *
 *   X(name, phase, bytes, awaits, next)
 *   phase   what the owner of the client sees
 *   bytes   length of the message that is awaited; 0: an earlier message says
 *   awaits  the message in words, for errors
 *   next    the states that may follow
 */
#pragma once

#include <stdint.h>

#include "nbd.h"

#define NBD_TO(Name) (1u << NBD_STATE_##Name)
#define NBD_TO_END (NBD_TO(DONE) | NBD_TO(FAILED))

#define NBD_STATES(X)                                                                                                  \
    X(MAGIC, HANDSHAKE, 8, "its greeting", NBD_TO(STYLE) | NBD_TO_END)                                                 \
    X(STYLE, HANDSHAKE, 8, "the second number of its greeting", NBD_TO(FLAGS) | NBD_TO_END)                            \
    X(FLAGS, HANDSHAKE, 2, "its handshake flags", NBD_TO(OPTION_REPLY) | NBD_TO(EXPORT_ANSWER) | NBD_TO_END)           \
    X(OPTION_REPLY, HANDSHAKE, 20, "its reply to an option",                                                           \
      NBD_TO(OPTION_REPLY) | NBD_TO(OPTION_DATA) | NBD_TO(EXPORT_ANSWER) | NBD_TO(REPLY) | NBD_TO_END)                 \
    X(OPTION_DATA, HANDSHAKE, 0, "the data of its reply to an option",                                                 \
      NBD_TO(OPTION_SKIP) | NBD_TO(OPTION_REPLY) | NBD_TO(EXPORT_ANSWER) | NBD_TO_END)                                 \
    X(OPTION_SKIP, HANDSHAKE, 0, "the data of its reply to an option", NBD_TO(OPTION_REPLY) | NBD_TO_END)              \
    X(EXPORT_ANSWER, HANDSHAKE, 10, "its answer to NBD_OPT_EXPORT_NAME", NBD_TO(ZEROES) | NBD_TO(REPLY) | NBD_TO_END)  \
    X(ZEROES, HANDSHAKE, 0, "the zeroes after its answer to NBD_OPT_EXPORT_NAME", NBD_TO(REPLY) | NBD_TO_END)          \
    X(REPLY, TRANSMISSION, 16, "a reply", NBD_TO(PAYLOAD) | NBD_TO_END)                                                \
    X(PAYLOAD, TRANSMISSION, 0, "the payload of a reply", NBD_TO(REPLY) | NBD_TO_END)                                  \
    X(DONE, DONE, 0, "nothing", 0)                                                                                     \
    X(FAILED, FAILED, 0, "nothing", 0)

typedef enum {
#define X(Name, Phase, Bytes, Awaits, Next) NBD_STATE_##Name,
    NBD_STATES(X)
#undef X
        NBD_STATE_COUNT
} NBD_STATE;

typedef struct {
    const char *Name;
    NBD_PHASE Phase;
    uint32_t Bytes;
    const char *Awaits;
    uint32_t Next; /* bit set of NBD_STATE */
} NBD_STATE_ROW;

/* The table, indexed by NBD_STATE. */
extern const NBD_STATE_ROW NbdStateTable[NBD_STATE_COUNT];
