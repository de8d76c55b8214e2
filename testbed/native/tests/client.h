/* SPDX-License-Identifier: LGPL-2.1-only */
/* A WSK client that does one thing after the other and waits for each. PASSIVE_LEVEL. */
#pragma once

#include <nt.h>
#include <wsk.h>

typedef struct {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    PWSK_SOCKET Socket;
    const WSK_PROVIDER_CONNECTION_DISPATCH *Calls;
} CLIENT;

/* An operation's IRP, with the routine that the page demands. */
typedef struct {
    PIRP Irp;
    KEVENT Done;
    LONG Count; /* of completions */
} CLIENT_IRP;

void ClientOpen(CLIENT *Client);  /* registers and captures */
void ClientClose(CLIENT *Client); /* closes the socket, releases, deregisters */
NTSTATUS ClientSocket(CLIENT *Client, ADDRESS_FAMILY Family);
NTSTATUS ClientBind(CLIENT *Client, ADDRESS_FAMILY Family);
NTSTATUS ClientConnect(CLIENT *Client, uint16_t Port);
/* All of it, to 127.0.0.1. */
void ClientConnected(CLIENT *Client, uint16_t Port);

void ClientIrpStart(CLIENT_IRP *Irp);
/* Waits for the completion; frees the IRP. Returns its status; Information may be NULL. */
NTSTATUS ClientIrpWait(CLIENT_IRP *Irp, ULONG_PTR *Information);
/* A buffer of non-paged pool with its MDL. */
PMDL ClientBuffer(ULONG Length);
void ClientBufferFree(PMDL Mdl);
