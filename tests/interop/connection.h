/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The NBD engine on a POSIX socket: what the tests against real servers use.
 * One thread; calls block. Every error prints a sentence and ends the program
 * with status 1: a test has nothing to recover.
 */
#pragma once

#include "nbd/nbd.h"

#define CONNECTION_DEPTH 64

/* A request in flight; its index is the cookie's slot. */
typedef struct {
    uint8_t *Buffer; /* where a READ's bytes go; the caller's */
    uint64_t Cookie;
    bool Busy;
    NBD_ERROR Error; /* valid when no longer Busy */
} REQUEST;

typedef struct {
    int Socket;
    NBD_CLIENT Client;
    NBD_SLOT Slots[CONNECTION_DEPTH];
    REQUEST Requests[CONNECTION_DEPTH];
    uint64_t Generation;
    bool Closed; /* the server closed; the engine was told */
} CONNECTION;

/* Ends the program with status 1 after printing a sentence. */
_Noreturn void Fail(const char *Format, ...) __attribute__((format(printf, 1, 2)));

/* Connects to 127.0.0.1. Nothing is sent yet. */
void ConnectionOpen(CONNECTION *Connection, uint16_t Port, const NBD_CONFIG *Config);

/*
 * Sends what the engine has to send and feeds it what the server sends, until
 * it has connected, listed, or failed. Names of a list are printed, one a line.
 */
void ConnectionHandshake(CONNECTION *Connection);

/*
 * Starts a request on a free slot and returns the slot; waits for one to
 * become free. Payload is sent for a WRITE; Buffer receives a READ's bytes.
 */
unsigned ConnectionStart(CONNECTION *Connection, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset, uint32_t Length,
                         uint8_t *Buffer);

/* Waits until the slot's request is answered and returns its result. */
NBD_ERROR ConnectionWait(CONNECTION *Connection, unsigned Slot);

/* Sends NBD_CMD_DISC and closes. */
void ConnectionClose(CONNECTION *Connection);
