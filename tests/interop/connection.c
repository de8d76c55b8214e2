/* SPDX-License-Identifier: LGPL-2.1-only */
/* The NBD engine on a POSIX socket. */
#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void Fail(const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    fflush(stdout);
    fprintf(stderr, "nbd-exchange: ");
    vfprintf(stderr, Format, Arguments);
    fprintf(stderr, "\n");
    va_end(Arguments);
    exit(1);
}

static void SendAll(CONNECTION *Connection, const void *Bytes, size_t Length)
{
    const uint8_t *Next = Bytes;
    while (Length > 0) {
        ssize_t Sent = send(Connection->Socket, Next, Length, MSG_NOSIGNAL);
        if (Sent < 0) {
            Fail("cannot send %zu bytes: %s", Length, strerror(errno));
        }
        Next += Sent;
        Length -= (size_t)Sent;
    }
}

static void SendOutput(CONNECTION *Connection)
{
    uint8_t Bytes[NBD_OUTPUT_BUFFER];
    size_t Length;
    while ((Length = NbdTakeOutput(&Connection->Client, Bytes, sizeof Bytes)) > 0) {
        SendAll(Connection, Bytes, Length);
    }
}

static void HandleReply(CONNECTION *Connection, const NBD_EVENT *Event)
{
    unsigned Slot = (unsigned)(Event->Cookie & 0xFFFF);
    if (Slot >= CONNECTION_DEPTH) {
        Fail("a reply names slot %u of %u", Slot, CONNECTION_DEPTH);
    }
    REQUEST *Request = &Connection->Requests[Slot];
    if (!Request->Busy || Request->Cookie != Event->Cookie) {
        Fail("a reply names the cookie %#llx, which is not in flight", (unsigned long long)Event->Cookie);
    }
    if (Event->Length > 0) {
        memcpy(Request->Buffer + Event->Offset, Event->Data, Event->Length);
    }
    if (Event->Last) {
        Request->Error = Event->Error;
        Request->Busy = false;
    }
}

static void HandleEvent(CONNECTION *Connection, const NBD_EVENT *Event)
{
    switch (Event->Type) {
    case NBD_EVENT_LISTED:
        printf("%s\t%s\n", Event->Name, Event->Description);
        break;
    case NBD_EVENT_REPLY:
        HandleReply(Connection, Event);
        break;
    case NBD_EVENT_FAILED:
        SendOutput(Connection);
        Fail("%s", NbdFailureText(&Connection->Client));
    case NBD_EVENT_NONE:
    case NBD_EVENT_LIST_END:
    case NBD_EVENT_CONNECTED:
        break;
    }
}

/* Waits for bytes and gives them to the engine. */
static void Pump(CONNECTION *Connection)
{
    static uint8_t Bytes[64 * 1024];
    ssize_t Length = recv(Connection->Socket, Bytes, sizeof Bytes, 0);
    if (Length < 0) {
        Fail("cannot receive: %s", strerror(errno));
    }
    if (Length == 0) {
        NbdServerClosed(&Connection->Client);
        Fail("%s", NbdFailureText(&Connection->Client));
    }
    size_t Used = 0;
    while (Used < (size_t)Length) {
        NBD_EVENT Event;
        Used += NbdReceive(&Connection->Client, Bytes + Used, (size_t)Length - Used, &Event);
        HandleEvent(Connection, &Event);
    }
    SendOutput(Connection);
}

void ConnectionOpen(CONNECTION *Connection, uint16_t Port, const NBD_CONFIG *Config)
{
    memset(Connection, 0, sizeof *Connection);
    Connection->Socket = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in Address = {.sin_family = AF_INET, .sin_port = htons(Port)};
    Address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (Connection->Socket < 0 || connect(Connection->Socket, (struct sockaddr *)&Address, sizeof Address) != 0) {
        Fail("cannot connect to 127.0.0.1:%u: %s", Port, strerror(errno));
    }
    NbdInitialize(&Connection->Client, Config, Connection->Slots, CONNECTION_DEPTH);
}

void ConnectionHandshake(CONNECTION *Connection)
{
    SendOutput(Connection);
    while (Connection->Client.Phase == NBD_PHASE_HANDSHAKE) {
        Pump(Connection);
    }
}

unsigned ConnectionStart(CONNECTION *Connection, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset, uint32_t Length,
                         uint8_t *Buffer)
{
    unsigned Slot = 0;
    while (Connection->Requests[Slot].Busy) {
        if (++Slot == CONNECTION_DEPTH) {
            Pump(Connection);
            Slot = 0;
        }
    }
    uint64_t Cookie = ++Connection->Generation << 16 | Slot;
    uint8_t Wire[NBD_REQUEST_SIZE];
    Connection->Requests[Slot] = (REQUEST){.Buffer = Buffer, .Cookie = Cookie, .Busy = true};
    NbdRequest(&Connection->Client, Cookie, Command, Flags, Offset, Length, Wire);
    SendAll(Connection, Wire, sizeof Wire);
    if (Command == NBD_CMD_WRITE) {
        SendAll(Connection, Buffer, Length);
    }
    return Slot;
}

NBD_ERROR ConnectionWait(CONNECTION *Connection, unsigned Slot)
{
    while (Connection->Requests[Slot].Busy) {
        Pump(Connection);
    }
    return Connection->Requests[Slot].Error;
}

void ConnectionClose(CONNECTION *Connection)
{
    if (Connection->Client.Phase == NBD_PHASE_TRANSMISSION) {
        uint8_t Wire[NBD_REQUEST_SIZE];
        NbdDisconnect(&Connection->Client, Wire);
        SendAll(Connection, Wire, sizeof Wire);
    }
    close(Connection->Socket);
}
