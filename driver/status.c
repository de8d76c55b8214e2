/* SPDX-License-Identifier: LGPL-2.1-only */
/* status.h as tables. */
#include "status.h"

typedef struct {
    UINT32 Win32Error;
    NTSTATUS Status;
} STATUS_PAIR;

static const STATUS_PAIR StatusPairs[] = {
    {0, STATUS_SUCCESS},
    {WIN32_NOT_READY, STATUS_DEVICE_NOT_READY},
    {WIN32_GEN_FAILURE, STATUS_UNSUCCESSFUL},
    {WIN32_NOT_SUPPORTED, STATUS_NOT_SUPPORTED},
    {WIN32_BAD_NET_RESP, STATUS_INVALID_NETWORK_RESPONSE},
    {WIN32_NETWORK_ACCESS_DENIED, STATUS_NETWORK_ACCESS_DENIED},
    {WIN32_BAD_NET_NAME, STATUS_BAD_NETWORK_NAME},
    {WIN32_INVALID_PARAMETER, STATUS_INVALID_PARAMETER},
    {WIN32_ALREADY_EXISTS, STATUS_OBJECT_NAME_COLLISION},
    {WIN32_OPERATION_ABORTED, STATUS_CANCELLED},
    {WIN32_INVALID_BLOCK_LENGTH, STATUS_INVALID_BLOCK_LENGTH},
    {WIN32_SHUTDOWN_IN_PROGRESS, STATUS_SHUTDOWN_IN_PROGRESS},
    {WIN32_CONNECTION_REFUSED, STATUS_CONNECTION_REFUSED},
    {WIN32_NETWORK_UNREACHABLE, STATUS_NETWORK_UNREACHABLE},
    {WIN32_HOST_UNREACHABLE, STATUS_HOST_UNREACHABLE},
    {WIN32_CONNECTION_ABORTED, STATUS_CONNECTION_ABORTED},
    {WIN32_NO_SYSTEM_RESOURCES, STATUS_INSUFFICIENT_RESOURCES},
    {WIN32_NO_SYSTEM_RESOURCES, STATUS_QUOTA_EXCEEDED}, /* this way only */
    /* No status becomes these two; the published command says 121, ERROR_SEM_TIMEOUT, and 53, ERROR_BAD_NETPATH. */
    {WIN32_TIMED_OUT, STATUS_IO_TIMEOUT},
    {WIN32_HOST_NOT_FOUND, STATUS_BAD_NETWORK_PATH},
};

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS StatusOfWin32(UINT32 Win32Error)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(StatusPairs); Index++) {
        if (StatusPairs[Index].Win32Error == Win32Error) {
            return StatusPairs[Index].Status;
        }
    }
    return STATUS_UNSUCCESSFUL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusToWin32(NTSTATUS Status)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(StatusPairs); Index++) {
        if (StatusPairs[Index].Status == Status) {
            return StatusPairs[Index].Win32Error;
        }
    }
    return WIN32_GEN_FAILURE;
}

typedef struct {
    NTSTATUS Status;
    UINT32 Win32Error;
    const char *Words;
} STATUS_WORDS;

static const STATUS_WORDS StatusConnect[] = {
    {STATUS_CONNECTION_REFUSED, WIN32_CONNECTION_REFUSED, "connection refused (is the NBD server running there?)"},
    {STATUS_REMOTE_NOT_LISTENING, WIN32_CONNECTION_REFUSED, "connection refused (is the NBD server running there?)"},
    {STATUS_CONNECTION_RESET, WIN32_CONNECTION_REFUSED, "connection reset (is the NBD server running there?)"},
    {STATUS_NETWORK_UNREACHABLE, WIN32_NETWORK_UNREACHABLE, "no route to that network (check the network's settings)"},
    {STATUS_HOST_UNREACHABLE, WIN32_HOST_UNREACHABLE, "host unreachable (check the address and the network)"},
    {STATUS_IO_TIMEOUT, WIN32_TIMED_OUT, "connecting timed out (check the address, the port and firewalls)"},
    {STATUS_TIMEOUT, WIN32_TIMED_OUT, "connecting timed out (check the address, the port and firewalls)"},
    {STATUS_INSUFFICIENT_RESOURCES, WIN32_NO_SYSTEM_RESOURCES, "out of memory"},
};

_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusOfConnect(NTSTATUS Status, const char **Words)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(StatusConnect); Index++) {
        if (StatusConnect[Index].Status == Status) {
            *Words = StatusConnect[Index].Words;
            return StatusConnect[Index].Win32Error;
        }
    }
    *Words = "the connection could not be made (check the address and the network)";
    return WIN32_HOST_UNREACHABLE;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
UINT32 StatusOfNbdFailure(NBD_FAILURE Failure)
{
    switch (Failure) {
    case NBD_FAILURE_NONE:
        return 0;
    case NBD_FAILURE_UNKNOWN_EXPORT:
        return WIN32_BAD_NET_NAME;
    case NBD_FAILURE_POLICY:
    case NBD_FAILURE_TLS_REQUIRED:
        return WIN32_NETWORK_ACCESS_DENIED;
    case NBD_FAILURE_BLOCK_SIZE:
        return WIN32_INVALID_BLOCK_LENGTH;
    case NBD_FAILURE_SIZE:
        return WIN32_INVALID_PARAMETER;
    case NBD_FAILURE_SHUTDOWN:
    case NBD_FAILURE_CLOSED:
        return WIN32_CONNECTION_ABORTED;
    case NBD_FAILURE_NOT_NBD:
    case NBD_FAILURE_OLDSTYLE:
    case NBD_FAILURE_REFUSED:
    case NBD_FAILURE_LIST_UNSUPPORTED:
    case NBD_FAILURE_PROTOCOL:
        return WIN32_BAD_NET_RESP;
    }
    return WIN32_BAD_NET_RESP;
}
