/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Failures in the two languages that callers hear: the Win32 error of
 * WNBD_CREATE_RESULT, and the NTSTATUS that Windows turns into the same Win32
 * error when the published command CREATE fails (RtlNtStatusToDosError).
 */
#pragma once

#include "nt.h"
#include "nbd/nbd.h"

/* Win32 error codes that the driver speaks (winerror.h, which kernel code doesn't include). */
#define WIN32_INVALID_PARAMETER 87u
#define WIN32_BAD_NET_RESP 58u          /* not NBD, or a rule of it broken */
#define WIN32_NETWORK_ACCESS_DENIED 65u /* policy, TLS required */
#define WIN32_BAD_NET_NAME 67u          /* no such export */
#define WIN32_ALREADY_EXISTS 183u
#define WIN32_OPERATION_ABORTED 995u
#define WIN32_INVALID_BLOCK_LENGTH 1106u
#define WIN32_SHUTDOWN_IN_PROGRESS 1115u
#define WIN32_CONNECTION_REFUSED 1225u
#define WIN32_NETWORK_UNREACHABLE 1231u
#define WIN32_HOST_UNREACHABLE 1232u
#define WIN32_CONNECTION_ABORTED 1236u
#define WIN32_NO_SYSTEM_RESOURCES 1450u
#define WIN32_NOT_SUPPORTED 50u
#define WIN32_TIMED_OUT 10060u      /* WSAETIMEDOUT */
#define WIN32_HOST_NOT_FOUND 11001u /* WSAHOST_NOT_FOUND */
#define WIN32_NOT_READY 21u         /* the network has not started */
#define WIN32_GEN_FAILURE 31u

/* The NTSTATUS that arrives in user space as Win32Error, or as near to it as there is one. */
_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS StatusOfWin32(UINT32 Win32Error);

/* What RtlNtStatusToDosError would say of a status of ours. */
_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusToWin32(NTSTATUS Status);

/* The Win32 error for what WSK said of a connect attempt, and words for it: cause and what to do. */
_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusOfConnect(NTSTATUS Status, const char **Words);

_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusOfNbdFailure(NBD_FAILURE Failure);
