/* SPDX-License-Identifier: LGPL-2.1-only */
/* A conversation with an NBD server: a Winsock socket on which nobody waits longer than until a deadline. */
#pragma once

#include <winsock2.h>
#include <ws2tcpip.h>

#include "internal.h"

#include <nbd/nbd.h>

typedef struct {
    SOCKET Socket;
    DEADLINE Deadline;
    const char *Hostname; /* UTF-8; also for messages */
    UINT32 Port;
} CONVERSATION;

/* Resolves the name and connects to the first address that answers. Logs a failure; the caller closes the socket. */
DWORD TalkConnect(CONVERSATION *Talk);

/* Sends all of it. One thread at a time; another one may receive meanwhile. */
DWORD TalkSend(const CONVERSATION *Talk, const uint8_t *Bytes, size_t Length);

/* Receives something; *Length 0 if the server has closed. */
DWORD TalkReceive(const CONVERSATION *Talk, uint8_t *Bytes, size_t Size, size_t *Length);

/* Sends what the engine has to say. */
DWORD TalkFlush(const CONVERSATION *Talk, NBD_CLIENT *Client);

/* The engine's failures as the codes that WNBD_CREATE_RESULT documents. */
DWORD TalkFailureError(NBD_FAILURE Failure);
