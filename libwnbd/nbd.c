/* SPDX-License-Identifier: LGPL-2.1-only */
/* Asking an NBD server for its exports. One conversation per call; nothing is shared between calls. */
#include "talk.h"

#include <string.h>

/* Exports that are taken from one server; a hostile one could list for ever. */
#define MOST_EXPORTS 65536u

/* How long a conversation may take where the caller doesn't say, milliseconds. */
#define DEFAULT_TIMEOUT_MS 30000

/* Where the names go. */
typedef struct {
    PWNBD_EXPORT_LIST List;
    UINT32 Room;    /* names that fit */
    UINT32 Count;   /* names seen */
    UINT32 LeftOut; /* exports that can't be mapped: their names are too long */
} NAME_SINK;

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

static DWORD AskForList(const CONVERSATION *Talk, NAME_SINK *Sink)
{
    NBD_CONFIG Config = {0};
    NBD_SLOT Slot = {0};
    NBD_CLIENT Client;
    uint8_t Input[4096];
    Config.Goal = NBD_GOAL_LIST;
    Config.ExportName = "";
    NbdInitialize(&Client, &Config, &Slot, 1);

    DWORD Error = TalkFlush(Talk, &Client);
    while (!Error && Client.Phase == NBD_PHASE_HANDSHAKE) {
        size_t Length = 0;
        Error = TalkReceive(Talk, Input, sizeof(Input), &Length);
        if (!Error && Length == 0) {
            NbdServerClosed(&Client);
        }
        if (!Error) {
            Digest(&Client, Input, Length, Sink);
            /* After the list only a farewell is left, which may come too late. */
            DWORD Sent = TalkFlush(Talk, &Client);
            Error = Client.Phase == NBD_PHASE_HANDSHAKE ? Sent : ERROR_SUCCESS;
        }
    }
    if (Error) {
        LogError("cannot list the exports of %s:%u: %s", Talk->Hostname, Talk->Port, ErrorText(Error).Text);
        return Error;
    }
    if (Client.Phase == NBD_PHASE_FAILED) {
        LogError("cannot list the exports of %s:%u: %s", Talk->Hostname, Talk->Port, NbdFailureText(&Client));
        return TalkFailureError(Client.Failure);
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
    Error = TalkConnect(&Talk);
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
