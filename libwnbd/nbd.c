/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The library's own NBD client: asks a server for its exports, over a Winsock
 * socket with the engine of core/nbd. One conversation per call; nothing is
 * shared between calls.
 */
#include <winsock2.h>
#include <ws2tcpip.h>

#include "internal.h"

#include <string.h>
#include <wchar.h>
#include <nbd/nbd.h>

/* Exports that are taken from one server; a hostile one could list for ever. */
#define MOST_EXPORTS 65536u

/* How long a conversation may take where the caller doesn't say, milliseconds. */
#define DEFAULT_TIMEOUT_MS 30000

/* A conversation with a server. */
typedef struct {
    SOCKET Socket;
    DEADLINE Deadline;
    const char *Hostname; /* for messages */
    UINT32 Port;
} CONVERSATION;

/* Where the names go. */
typedef struct {
    PWNBD_EXPORT_LIST List;
    UINT32 Room;    /* names that fit */
    UINT32 Count;   /* names seen */
    UINT32 LeftOut; /* exports that can't be mapped: their names are too long */
} NAME_SINK;

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

static DWORD FailureError(NBD_FAILURE Failure)
{
    switch (Failure) {
    case NBD_FAILURE_LIST_UNSUPPORTED:
        return ERROR_NOT_SUPPORTED;
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

/* Resolves and connects to the first address that answers. */
static DWORD Connect(CONVERSATION *Talk)
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

static DWORD Send(const CONVERSATION *Talk, const uint8_t *Bytes, size_t Length)
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

/* Receives something; *Length 0 if the server closed. */
static DWORD Receive(const CONVERSATION *Talk, uint8_t *Bytes, size_t Size, size_t *Length)
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

static void SinkAdd(NAME_SINK *Sink, const char *Name)
{
    size_t Length = strlen(Name);
    if (Length >= WNBD_MAX_NAME_LENGTH || Sink->Count == MOST_EXPORTS) {
        Sink->LeftOut++;
        return;
    }
    if (Sink->Count < Sink->Room) {
        memset(Sink->List->Names[Sink->Count], 0, WNBD_MAX_NAME_LENGTH);
        memcpy(Sink->List->Names[Sink->Count], Name, Length);
    }
    Sink->Count++;
}

/* Feeds what was received to the engine. */
static void Digest(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NAME_SINK *Sink)
{
    while (Length && Client->Phase == NBD_PHASE_HANDSHAKE) {
        NBD_EVENT Event;
        size_t Used = NbdReceive(Client, Bytes, Length, &Event);
        if (Event.Type == NBD_EVENT_LISTED) {
            SinkAdd(Sink, Event.Name);
        }
        Bytes += Used;
        Length -= Used;
    }
}

/* Sends what the engine has to say. */
static DWORD Flush(const CONVERSATION *Talk, NBD_CLIENT *Client)
{
    uint8_t Output[NBD_OUTPUT_BUFFER];
    size_t Length;
    DWORD Error = ERROR_SUCCESS;
    while (!Error && (Length = NbdTakeOutput(Client, Output, sizeof(Output))) != 0) {
        Error = Send(Talk, Output, Length);
    }
    return Error;
}

static DWORD AskForList(const CONVERSATION *Talk, NAME_SINK *Sink)
{
    NBD_CONFIG Config = {0};
    NBD_SLOT Slot = {0};
    NBD_CLIENT Client;
    uint8_t Input[4096];
    Config.Goal = NBD_GOAL_LIST;
    Config.ExportName = "";
    NbdInitialize(&Client, &Config, &Slot, 1);

    DWORD Error = Flush(Talk, &Client);
    while (!Error && Client.Phase == NBD_PHASE_HANDSHAKE) {
        size_t Length = 0;
        Error = Receive(Talk, Input, sizeof(Input), &Length);
        if (!Error && Length == 0) {
            NbdServerClosed(&Client);
        }
        if (!Error) {
            Digest(&Client, Input, Length, Sink);
            /* After the list only a farewell is left, which may come too late. */
            DWORD Sent = Flush(Talk, &Client);
            Error = Client.Phase == NBD_PHASE_HANDSHAKE ? Sent : ERROR_SUCCESS;
        }
    }
    if (Error) {
        LogError("cannot list the exports of %s:%u: %s", Talk->Hostname, Talk->Port, ErrorText(Error).Text);
        return Error;
    }
    if (Client.Phase == NBD_PHASE_FAILED) {
        LogError("cannot list the exports of %s:%u: %s", Talk->Hostname, Talk->Port, NbdFailureText(&Client));
        return FailureError(Client.Failure);
    }
    if (Sink->LeftOut) {
        /* Once: how many there are is the server's choice. */
        LogWarning("%u exports of %s:%u are left out: their names are too long, or there are too many", Sink->LeftOut,
                   Talk->Hostname, Talk->Port);
    }
    return ERROR_SUCCESS;
}

DWORD WnbdListExports(const char *Hostname, UINT32 PortNumber, DWORD TimeoutMs, PWNBD_EXPORT_LIST List,
                      PDWORD BufferSize)
{
    CHAR Host[WNBD_MAX_NAME_LENGTH];
    WSADATA Winsock;
    if (!TextCopyName(Host, Hostname) || PortNumber > 65535 || !BufferSize || (!List && *BufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    const DWORD Fixed = offsetof(WNBD_EXPORT_LIST, Names);
    NAME_SINK Sink = {List, *BufferSize > Fixed ? (*BufferSize - Fixed) / WNBD_MAX_NAME_LENGTH : 0, 0, 0};
    CONVERSATION Talk = {INVALID_SOCKET, DeadlineAfter(TimeoutMs ? TimeoutMs : DEFAULT_TIMEOUT_MS, false), Host,
                         PortNumber ? PortNumber : NBD_DEFAULT_PORT};
    DWORD Error = (DWORD)WSAStartup(MAKEWORD(2, 2), &Winsock);
    if (Error) {
        return Error;
    }
    Error = Connect(&Talk);
    if (!Error) {
        Error = AskForList(&Talk, &Sink);
        closesocket(Talk.Socket);
    }
    WSACleanup();
    if (Error) {
        return Error;
    }
    if (*BufferSize >= Fixed) {
        List->Count = Sink.Count < Sink.Room ? Sink.Count : Sink.Room;
        List->Reserved = 0;
    }
    *BufferSize = Fixed + Sink.Count * WNBD_MAX_NAME_LENGTH;
    return ERROR_SUCCESS;
}
