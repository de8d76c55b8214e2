/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * TCP for the driver. Every operation is asynchronous and ends with exactly
 * one call of its NET_OP's Done, which may come before the call returns
 * (WDK, Using IRPs with Winsock Kernel Functions). Done runs at <=
 * DISPATCH_LEVEL in an arbitrary context and must do no more than note the
 * result and queue a DPC or work item: WSK calls from completion routines can
 * exhaust the stack.
 *
 * One seam: net_wsk.c implements it over WSK, for Windows, Wine and the
 * native test bed alike.
 */
#pragma once

#include "nt.h"
#include <wsk.h>

typedef _IRQL_requires_max_(DISPATCH_LEVEL)
void NET_DONE(void *Context, NTSTATUS Status, ULONG_PTR Information);

/* One operation that can be under way; reusable, not for two at a time. */
typedef struct {
    PIRP Irp;
    NET_DONE *Done;
    void *Context;
} NET_OP;

/* Non-paged memory with the description that WSK wants of it. */
typedef struct {
    PUCHAR Bytes;
    ULONG SizeBytes;
    PMDL Mdl;
} NET_BUFFER;

/* Registration with WSK, one per adapter. */
typedef struct {
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    KSPIN_LOCK Lock; /* protects Captured */
    BOOLEAN Registered;
    BOOLEAN Captured;
} NET;

/* Registers with WSK; does not wait for the network to come up. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NetStart(NET *Net);

/* Releases and deregisters; waits for WSK. Every socket has been closed. Safe if NetStart failed. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void NetStop(NET *Net);

/*
 * Makes sure that the network can be used. STATUS_DEVICE_NOT_READY: TCP/IP has
 * not started yet (early in the boot). Does not wait. PASSIVE_LEVEL.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NetCapture(NET *Net);

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetOpInitialize(NET_OP *Op, NET_DONE *Done, void *Context);
/* The operation is not under way. Safe if NetOpInitialize failed or never ran on zeroed memory. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetOpFree(NET_OP *Op);

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetBufferAllocate(NET_BUFFER *Buffer, ULONG SizeBytes);
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferFree(NET_BUFFER *Buffer);

/* One send takes both: First, which it takes whole, and then Second. Until NetBufferSplit. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferJoin(NET_BUFFER *First, NET_BUFFER *Second);
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferSplit(NET_BUFFER *First);

/* Host and *List stay until Done; *List is for NetFreeAddresses. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void NetResolve(NET *Net, NET_OP *Op, PUNICODE_STRING Host, PADDRINFOEXW *List);
_IRQL_requires_max_(PASSIVE_LEVEL)
void NetFreeAddresses(NET *Net, PADDRINFOEXW List); /* PASSIVE_LEVEL */

/* Done's Information is the PWSK_SOCKET. <= DISPATCH_LEVEL, like all below. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetSocket(NET *Net, NET_OP *Op, ADDRESS_FAMILY Family);
/* Binds to the wildcard address of Family; needed before NetConnect. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBind(PWSK_SOCKET Socket, NET_OP *Op, ADDRESS_FAMILY Family);
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetConnect(PWSK_SOCKET Socket, NET_OP *Op, PSOCKADDR Address);
/*
 * Sends Length bytes from the buffer's start; Information tells how many went. Calls for a socket come one by one. The
 * operation ends as any other does; a failure is returned too, and when the operation ends then is not said (WDK,
 * PFN_WSK_SEND): what is sent afterwards would take the place of these bytes.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetSend(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer, ULONG LengthBytes);
/* Receives at least one byte; Information 0 with success: the peer has closed. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetReceive(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer);
/* No other call on the socket may be executing; pending operations end with an error before this one does. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void NetClose(PWSK_SOCKET Socket, NET_OP *Op);
