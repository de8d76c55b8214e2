/* SPDX-License-Identifier: LGPL-2.1-only */
/* See talk.h. */
#include "talk.h"

#include <string.h>
#include <wchar.h>

/* Winsock's errors as the codes that WNBD_CREATE_RESULT documents. */
static DWORD NetworkError(int Error)
{
    switch (Error) {
    case WSAECONNREFUSED:
        return ERROR_CONNECTION_REFUSED;
    case WSAEHOSTUNREACH:
    case WSAENETUNREACH:
    case WSAENETDOWN:
        return ERROR_HOST_UNREACHABLE;
    case WSAECONNRESET:
    case WSAECONNABORTED:
        return ERROR_CONNECTION_ABORTED;
    default:
        return (DWORD)Error;
    }
}

DWORD TalkFailureError(NBD_FAILURE Failure)
{
    switch (Failure) {
    case NBD_FAILURE_LIST_UNSUPPORTED:
        return ERROR_NOT_SUPPORTED;
    case NBD_FAILURE_UNKNOWN_EXPORT:
        return ERROR_BAD_NET_NAME;
    case NBD_FAILURE_BLOCK_SIZE:
        return ERROR_INVALID_BLOCK_LENGTH;
    case NBD_FAILURE_SIZE:
        return ERROR_INVALID_PARAMETER;
    case NBD_FAILURE_POLICY:
    case NBD_FAILURE_TLS_REQUIRED:
        return ERROR_NETWORK_ACCESS_DENIED;
    case NBD_FAILURE_SHUTDOWN:
    case NBD_FAILURE_CLOSED:
        return ERROR_CONNECTION_ABORTED;
    default:
        return ERROR_BAD_NET_RESP;
    }
}

/* Waits until the socket can be read or written; a failed connect is found by the caller. */
static DWORD WaitFor(const CONVERSATION *Talk, bool Write)
{
    fd_set Ready, Failed;
    DWORD Left = DeadlineLeft(&Talk->Deadline, MAXLONG);
    struct timeval Wait = {(long)(Left / 1000), (long)(Left % 1000) * 1000};
    FD_ZERO(&Ready);
    FD_ZERO(&Failed);
    FD_SET(Talk->Socket, &Ready);
    FD_SET(Talk->Socket, &Failed);
    int Count = Left ? select(0, Write ? NULL : &Ready, Write ? &Ready : NULL, &Failed, &Wait) : 0;
    if (Count == SOCKET_ERROR) {
        return NetworkError(WSAGetLastError());
    }
    return Count ? ERROR_SUCCESS : WSAETIMEDOUT;
}

static DWORD ConnectTo(CONVERSATION *Talk, const ADDRINFOW *Address)
{
    Talk->Socket = socket(Address->ai_family, SOCK_STREAM, IPPROTO_TCP);
    if (Talk->Socket == INVALID_SOCKET) {
        return NetworkError(WSAGetLastError());
    }
    u_long NonBlocking = 1;
    int Cause = 0;
    int CauseSize = sizeof(Cause);
    DWORD Error = ERROR_SUCCESS;
    if (ioctlsocket(Talk->Socket, (long)FIONBIO, &NonBlocking)) {
        Error = NetworkError(WSAGetLastError());
    } else if (connect(Talk->Socket, Address->ai_addr, (int)Address->ai_addrlen)) {
        Error = WSAGetLastError() == WSAEWOULDBLOCK ? WaitFor(Talk, true) : NetworkError(WSAGetLastError());
    }
    if (!Error && !getsockopt(Talk->Socket, SOL_SOCKET, SO_ERROR, (char *)&Cause, &CauseSize) && Cause) {
        Error = NetworkError(Cause);
    }
    if (Error) {
        closesocket(Talk->Socket);
        Talk->Socket = INVALID_SOCKET;
    }
    return Error;
}

DWORD TalkConnect(CONVERSATION *Talk)
{
    WCHAR Host[WNBD_MAX_NAME_LENGTH], Service[8];
    ADDRINFOW Hints = {0};
    ADDRINFOW *Addresses = NULL;
    Hints.ai_family = AF_UNSPEC;
    Hints.ai_socktype = SOCK_STREAM;
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, Talk->Hostname, -1, Host, WNBD_MAX_NAME_LENGTH)) {
        return ERROR_INVALID_PARAMETER;
    }
    swprintf(Service, sizeof(Service) / sizeof(Service[0]), L"%u", Talk->Port);
    DWORD Error = (DWORD)GetAddrInfoW(Host, Service, &Hints, &Addresses);
    if (Error) {
        LogError("cannot find the address of %s: %s", Talk->Hostname, ErrorText(Error).Text);
        return Error;
    }
    Error = WSAHOST_NOT_FOUND;
    for (const ADDRINFOW *Address = Addresses; Address; Address = Address->ai_next) {
        Error = ConnectTo(Talk, Address);
        if (!Error) {
            break;
        }
    }
    FreeAddrInfoW(Addresses);
    if (Error) {
        LogError("cannot connect to %s:%u: %s", Talk->Hostname, Talk->Port, ErrorText(Error).Text);
    }
    return Error;
}

DWORD TalkSend(const CONVERSATION *Talk, const uint8_t *Bytes, size_t Length)
{
    while (Length) {
        int Sent = send(Talk->Socket, (const char *)Bytes, (int)Length, 0);
        if (Sent > 0) {
            Bytes += Sent;
            Length -= (size_t)Sent;
            continue;
        }
        int Cause = WSAGetLastError();
        DWORD Error = Cause == WSAEWOULDBLOCK ? WaitFor(Talk, true) : NetworkError(Cause);
        if (Error) {
            return Error;
        }
    }
    return ERROR_SUCCESS;
}

DWORD TalkReceive(const CONVERSATION *Talk, uint8_t *Bytes, size_t Size, size_t *Length)
{
    for (;;) {
        DWORD Error = WaitFor(Talk, false);
        if (Error) {
            return Error;
        }
        int Received = recv(Talk->Socket, (char *)Bytes, (int)Size, 0);
        if (Received >= 0) {
            *Length = (size_t)Received;
            return ERROR_SUCCESS;
        }
        if (WSAGetLastError() != WSAEWOULDBLOCK) {
            return NetworkError(WSAGetLastError());
        }
    }
}

DWORD TalkFlush(const CONVERSATION *Talk, NBD_CLIENT *Client)
{
    uint8_t Output[NBD_OUTPUT_BUFFER];
    size_t Length;
    DWORD Error = ERROR_SUCCESS;
    while (!Error && (Length = NbdTakeOutput(Client, Output, sizeof(Output))) != 0) {
        Error = TalkSend(Talk, Output, Length);
    }
    return Error;
}
