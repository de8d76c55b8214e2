/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Winsock Kernel over the ground's sockets. Each call becomes an operation
 * (WSK_OP) with the caller's IRP. It is completed by the call itself or by the
 * engine's thread at DISPATCH_LEVEL; which of both is left to chance where both
 * are possible.
 *
 * Sockets stay in memory, closed, until the test bed ends, so that a late call
 * has a name. Locks: SOCKET.Lock, then NtEngine's; neither is held in a completion.
 */
#pragma once

#include "internal.h"

#include <wsk.h>

typedef struct WSK_CLIENT {
    LONG Captures;
    LONG Sockets;
    LONG Requests; /* of the provider's table, under way */
    struct WSK_CLIENT *Next;
} WSK_CLIENT;

typedef enum { OP_SIMPLE, OP_CONNECT, OP_SEND, OP_RECEIVE, OP_CLOSE } WSK_OP_KIND;

typedef enum { SOCKET_OPEN, SOCKET_BOUND, SOCKET_CONNECTING, SOCKET_CONNECTED, SOCKET_CLOSED } SOCKET_STATE;

struct SOCKET;

typedef struct WSK_OP {
    LIST_ENTRY Link; /* in one of the socket's queues, or the engine's */
    WSK_OP_KIND Kind;
    PIRP Irp;
    struct SOCKET *Socket; /* NULL: of the client */
    WSK_CLIENT *Client;
    WSK_BUF Buffer;
    SIZE_T Done;
    bool WaitAll;
    bool NewSocket;  /* WskSocketConnect: the socket exists only if this succeeds */
    bool Finished;   /* has a result, and is left to its running cancel routine */
    bool Cancelable; /* has, or had, a cancel routine */
    NTSTATUS Status;
    ULONG_PTR Information;
} WSK_OP;

typedef struct SOCKET {
    WSK_SOCKET Public; /* first */
    WSK_CLIENT *Client;
    GROUND_LOCK Lock; /* guards the rest */
    int Fd;
    bool V6;
    SOCKET_STATE State;
    bool Disconnected; /* by WskDisconnect: the close is not abortive then */
    bool Closing;
    NTSTATUS Broken;  /* STATUS_SUCCESS, or what ended the connection */
    LONG Executing;   /* calls inside this provider */
    LONG Outstanding; /* operations whose completion routine has not returned */
    WSK_OP *Connect;
    WSK_OP *Close;
    LIST_ENTRY Sends;
    LIST_ENTRY Receives;
    struct SOCKET *Next; /* all sockets ever */
} SOCKET;

extern const WSK_PROVIDER_CONNECTION_DISPATCH WskConnectionDispatch;
extern NATIVE_OPTIONS WskOptions;

/* wsk_engine.c */

/* Takes the caller's IRP over; stops the process if it is not as the page demands. */
WSK_OP *OpCreate(WSK_OP_KIND Kind, WSK_CLIENT *Client, SOCKET *Socket, PIRP Irp, const char *Function);
/* Ends an operation that no queue holds: now, or by the engine. What the WSK function returns. */
NTSTATUS OpFinishCall(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information);
/* The same; Now: before the call returns. */
NTSTATUS OpFinish(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information, bool Now);
/* Makes it pending in Queue (or none), cancelable; the socket's lock is held. False: it was cancelled before. */
bool OpQueue(WSK_OP *Op, PLIST_ENTRY Queue);
/* Completes it by the engine's thread, with the result that it has. Locks may be held. */
void OpPost(WSK_OP *Op);
/* Takes a result for an operation that was queued, under the socket's lock; false: its cancel routine completes it. */
bool OpClaim(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information);
/* Calls the completion routine in this thread. No locks. */
void OpComplete(WSK_OP *Op);
/* Tries what the head of the queue can do now; under the lock. */
bool SocketTrySend(SOCKET *Socket, WSK_OP *Op);
bool SocketTryReceive(SOCKET *Socket, WSK_OP *Op);
void SocketArm(SOCKET *Socket);
void SocketForget(SOCKET *Socket);
void SocketBreak(SOCKET *Socket, NTSTATUS Status);
void EngineStart(void);
void EngineStop(void);
NTSTATUS NetStatus(GROUND_NET Result);

/* wsk_client.c */
SOCKET *SocketCreate(WSK_CLIENT *Client, bool V6, NTSTATUS *Status);
void SocketGone(SOCKET *Socket);

/* wsk_socket.c */
bool AddressFromSockaddr(const SOCKADDR *Sockaddr, GROUND_ADDRESS *Address);
void AddressToSockaddr(const GROUND_ADDRESS *Address, SOCKADDR *Sockaddr);
NTSTATUS SocketBindTo(SOCKET *Socket, const SOCKADDR *Local);
/* Starts connecting, and ends the call's Executing; the lock is not held. STATUS_PENDING: the operation is queued. */
NTSTATUS SocketConnectTo(SOCKET *Socket, WSK_OP *Op, const SOCKADDR *Remote);
