/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * WnbdListExports against servers that are a thread of this program: a good
 * one, and those that are silent, hang up, speak something else or refuse.
 * Bytes are those of the NBD protocol document, "Fixed newstyle negotiation".
 */
#include "check.h"

#include <stdio.h>
#include <string.h>

/* What the server does with its one connection. */
typedef struct {
    SOCKET Listener;
    UINT32 Port;
    void (*Serve)(SOCKET Client);
    HANDLE Thread;
} SERVER;

static void SendBytes(SOCKET Client, const void *Bytes, int Length)
{
    send(Client, Bytes, Length, 0);
}

static bool ReceiveBytes(SOCKET Client, char *Bytes, int Length)
{
    while (Length > 0) {
        int Received = recv(Client, Bytes, Length, 0);
        if (Received <= 0) {
            return false;
        }
        Bytes += Received;
        Length -= Received;
    }
    return true;
}

static void Put32(unsigned char *Bytes, UINT32 Value)
{
    for (int Index = 0; Index < 4; Index++) {
        Bytes[Index] = (unsigned char)(Value >> (24 - 8 * Index));
    }
}

/* An option reply to NBD_OPT_LIST (3). */
static void SendReply(SOCKET Client, UINT32 Type, const void *Data, UINT32 Length)
{
    unsigned char Header[20] = {0x00, 0x03, 0xe8, 0x89, 0x04, 0x55, 0x65, 0xa9, 0, 0, 0, 3};
    Put32(Header + 12, Type);
    Put32(Header + 16, Length);
    SendBytes(Client, Header, sizeof(Header));
    SendBytes(Client, Data, (int)Length);
}

/* Greets, and reads the client's flags and its option; true if that is NBD_OPT_LIST. */
static bool Greet(SOCKET Client)
{
    char Answer[20];
    SendBytes(Client, "NBDMAGICIHAVEOPT\0\3", 18);
    return ReceiveBytes(Client, Answer, sizeof(Answer)) && Answer[15] == 3;
}

static void SendName(SOCKET Client, const char *Name, UINT32 Length)
{
    unsigned char Data[4 + 512];
    Put32(Data, Length);
    memcpy(Data + 4, Name, Length);
    SendReply(Client, 2, Data, 4 + Length);
}

static void ServeNames(SOCKET Client)
{
    static char Longest[300];
    char Rest[16];
    if (Greet(Client)) {
        memset(Longest, 'y', sizeof(Longest));
        SendName(Client, "foo", 3);
        SendName(Client, Longest, sizeof(Longest)); /* can't be mapped: left out */
        SendName(Client, "", 0);
        SendName(Client, Longest, WNBD_MAX_NAME_LENGTH - 1);
        SendReply(Client, 1, NULL, 0);
        ReceiveBytes(Client, Rest, sizeof(Rest)); /* NBD_OPT_ABORT */
    }
}

static void ServeRefusal(SOCKET Client)
{
    char Rest[16];
    if (Greet(Client)) {
        SendReply(Client, 0x80000002, "not here", 8); /* NBD_REP_ERR_POLICY */
        ReceiveBytes(Client, Rest, sizeof(Rest));
    }
}

static void ServeWithoutList(SOCKET Client)
{
    char Rest[16];
    if (Greet(Client)) {
        SendReply(Client, 0x80000001, NULL, 0); /* NBD_REP_ERR_UNSUP */
        ReceiveBytes(Client, Rest, sizeof(Rest));
    }
}

static void ServeHangUp(SOCKET Client)
{
    Greet(Client);
}

static void ServeSomethingElse(SOCKET Client)
{
    char Rest[16];
    SendBytes(Client, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    ReceiveBytes(Client, Rest, sizeof(Rest));
}

static void ServeNothing(SOCKET Client)
{
    char Rest[16];
    ReceiveBytes(Client, Rest, sizeof(Rest));
}

static DWORD WINAPI ServerThread(PVOID Parameter)
{
    SERVER *Server = Parameter;
    SOCKET Client = accept(Server->Listener, NULL, NULL);
    if (Client != INVALID_SOCKET) {
        Server->Serve(Client);
        closesocket(Client);
    }
    return 0;
}

static void ServerStart(SERVER *Server, void (*Serve)(SOCKET Client))
{
    struct sockaddr_in Address;
    int Length = sizeof(Address);
    memset(&Address, 0, sizeof(Address));
    Address.sin_family = AF_INET;
    Address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Server->Serve = Serve;
    Server->Listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(bind(Server->Listener, (struct sockaddr *)&Address, sizeof(Address)) == 0);
    CHECK(listen(Server->Listener, 1) == 0);
    CHECK(getsockname(Server->Listener, (struct sockaddr *)&Address, &Length) == 0);
    Server->Port = ntohs(Address.sin_port);
    Server->Thread = CreateThread(NULL, 0, ServerThread, Server, 0, NULL);
}

static void ServerStop(SERVER *Server)
{
    CHECK(WaitForSingleObject(Server->Thread, 10000) == WAIT_OBJECT_0);
    CloseHandle(Server->Thread);
    closesocket(Server->Listener);
}

/* Runs one conversation with a server of the given kind. */
static DWORD Ask(void (*Serve)(SOCKET Client), DWORD TimeoutMs, PWNBD_EXPORT_LIST List, DWORD *Size)
{
    SERVER Server;
    ServerStart(&Server, Serve);
    DWORD Error = WnbdListExports("127.0.0.1", Server.Port, TimeoutMs, List, Size);
    ServerStop(&Server);
    return Error;
}

static void ListsOfAllSizes(void)
{
    union {
        WNBD_EXPORT_LIST List;
        BYTE Bytes[8 + 4 * WNBD_MAX_NAME_LENGTH];
    } Buffer;
    const DWORD Needed = 8 + 3 * WNBD_MAX_NAME_LENGTH;
    DWORD Size = sizeof(Buffer);
    memset(&Buffer, 0xcc, sizeof(Buffer));
    RETURNS(0, Ask(ServeNames, 5000, &Buffer.List, &Size));
    CHECK(Size == Needed && Buffer.List.Count == 3 && Buffer.List.Reserved == 0);
    CHECK(strcmp(Buffer.List.Names[0], "foo") == 0);
    CHECK(Buffer.Bytes[8 + WNBD_MAX_NAME_LENGTH] == 0);
    CHECK(strlen((const char *)Buffer.Bytes + 8 + 2 * WNBD_MAX_NAME_LENGTH) == WNBD_MAX_NAME_LENGTH - 1);

    Size = 0;
    RETURNS(0, Ask(ServeNames, 5000, NULL, &Size));
    CHECK(Size == Needed);

    /* Room for one and a half: one is stored, and nothing behind it is touched. */
    memset(&Buffer, 0xcc, sizeof(Buffer));
    Size = 8 + WNBD_MAX_NAME_LENGTH * 3 / 2;
    RETURNS(0, Ask(ServeNames, 5000, &Buffer.List, &Size));
    CHECK(Size == Needed && Buffer.List.Count == 1);
    CHECK(Buffer.Bytes[8 + WNBD_MAX_NAME_LENGTH] == 0xcc);

    memset(&Buffer, 0xcc, sizeof(Buffer));
    Size = 7;
    RETURNS(0, Ask(ServeNames, 5000, &Buffer.List, &Size));
    CHECK(Size == Needed && Buffer.Bytes[0] == 0xcc);
}

/* ---- servers that break rules ---- */

#define BREACH "the server broke the NBD protocol: "

/* What a server says after it was asked for its list, how often, and what the library makes of it. */
typedef struct {
    UINT32 Type;
    UINT32 Announced; /* length in the header */
    const char *Data;
    UINT32 Length; /* bytes that follow */
    UINT32 Times;
    DWORD Error;
    const char *Text; /* after "cannot list the exports of HOST:PORT: " */
} HOSTILE;

static const HOSTILE Hostiles[] = {
    {2, 5, "\0\0\0\1x", 5, 70000, ERROR_BAD_NET_RESP,
     BREACH "replies to an option must come to an end, but those to NBD_OPT_LIST are more than 65536"},
    {2, 5, "\0\0\0\2x", 5, 1, ERROR_BAD_NET_RESP,
     BREACH "the length of a name must not exceed its NBD_REP_SERVER's length less 4, 0x1, but it is 0x2"},
    {2, 5, "\xFF\xFF\xFF\xFFx", 5, 1, ERROR_BAD_NET_RESP,
     BREACH "the length of a name must not exceed its NBD_REP_SERVER's length less 4, 0x1, but it is 0xffffffff"},
    {2, 0xFFFFFFFF, "", 0, 1, ERROR_BAD_NET_RESP,
     BREACH "the data of an option reply of type 0x00000002 must have 0x4 to 0x2004 bytes, but it has 0xffffffff"},
    {3, 2, "\0\0", 2, 1, ERROR_BAD_NET_RESP, BREACH "replies of type 0x00000003 must not answer NBD_OPT_LIST"},
    {1, 1, "x", 1, 1, ERROR_BAD_NET_RESP,
     BREACH "the data of an option reply of type 0x00000001 must have 0x0 to 0x0 bytes, but it has 0x1"},
    {0x80000002, 0xFFFFFFFF, "", 0, 1, ERROR_BAD_NET_RESP,
     BREACH "the data of an option reply of type 0x80000002 must have 0x0 to 0x1000 bytes, but it has 0xffffffff"},
    {0x80000002, 6, "\x1B[2J\0\xFF", 6, 1, ERROR_NETWORK_ACCESS_DENIED,
     "the server's policy forbids it (it answered NBD_OPT_LIST with error 0x80000002); it says: "
     "\xEF\xBF\xBD[2J\xEF\xBF\xBD\xEF\xBF\xBD"},
    {0x80000005, 0, "", 0, 1, ERROR_NETWORK_ACCESS_DENIED,
     "the server insists on TLS (it answered NBD_OPT_LIST with error 0x80000005)"},
    {0xFFFFFFFF, 0, "", 0, 1, ERROR_BAD_NET_RESP,
     "the server refused (it answered NBD_OPT_LIST with error 0xffffffff)"},
};
static const HOSTILE *HostileNow;

/* Many at a time: tens of thousands of small sends would take longer than the library waits. */
static void ServeHostile(SOCKET Client)
{
    static unsigned char Replies[1024][20 + 16];
    unsigned char Reply[20 + 16] = {0x00, 0x03, 0xe8, 0x89, 0x04, 0x55, 0x65, 0xa9, 0, 0, 0, 3};
    UINT32 ReplySize = 20 + HostileNow->Length, Batch = sizeof(Replies) / ReplySize;
    char Rest[16];
    Put32(Reply + 12, HostileNow->Type);
    Put32(Reply + 16, HostileNow->Announced);
    memcpy(Reply + 20, HostileNow->Data, HostileNow->Length);
    for (UINT32 Index = 0; Index < Batch; Index++) {
        memcpy(&Replies[0][0] + (size_t)Index * ReplySize, Reply, ReplySize);
    }
    if (Greet(Client)) {
        for (UINT32 Left = HostileNow->Times, Count; Left != 0; Left -= Count) {
            Count = Left < Batch ? Left : Batch;
            SendBytes(Client, Replies, (int)(Count * ReplySize));
        }
        ReceiveBytes(Client, Rest, sizeof(Rest));
    }
}

static bool EndsWith(const char *Text, const char *End)
{
    size_t Length = strlen(Text), EndLength = strlen(End);
    return Length >= EndLength && strcmp(Text + Length - EndLength, End) == 0;
}

static void ListsOfHostileServers(void)
{
    for (size_t Index = 0; Index < sizeof(Hostiles) / sizeof(Hostiles[0]); Index++) {
        DWORD Size = 0;
        HostileNow = &Hostiles[Index];
        RETURNS(HostileNow->Error, Ask(ServeHostile, 20000, NULL, &Size));
        CHECK(Size == 0);
        if (!EndsWith(LastMessage, HostileNow->Text)) {
            fprintf(stderr, "expected: %s\nlogged:   %s\n", HostileNow->Text, LastMessage);
            CHECK(!"the library says why");
        }
    }
}

static int SaidBytes;
static const char *const Awaited[] = {"its greeting", "the second number of its greeting", "its handshake flags",
                                      "its reply to an option", "the data of its reply to an option"};

/* A session with one export, of which only the first SaidBytes are said. */
static void ServeCut(SOCKET Client)
{
    static const char Session[] = "NBDMAGICIHAVEOPT\0\3\0\3\xE8\x89\4\x55\x65\xA9\0\0\0\3\0\0\0\2\0\0\0\5\0\0\0\1x";
    char Answer[20];
    SendBytes(Client, Session, SaidBytes < 18 ? SaidBytes : 18);
    if (SaidBytes >= 18 && ReceiveBytes(Client, Answer, sizeof(Answer))) {
        SendBytes(Client, Session + 18, SaidBytes - 18);
    }
}

static void ListsThatAreCut(void)
{
    for (SaidBytes = 0; SaidBytes <= 18 + 20 + 5; SaidBytes++) {
        char Text[128];
        DWORD Size = 0;
        int Row = SaidBytes < 8    ? 0
                  : SaidBytes < 16 ? 1
                  : SaidBytes < 18 ? 2
                  : SaidBytes < 38 ? 3
                  : SaidBytes < 43 ? 4
                                   : 3;
        snprintf(Text, sizeof(Text), "the server closed the connection instead of sending %s", Awaited[Row]);
        RETURNS(ERROR_CONNECTION_ABORTED, Ask(ServeCut, 20000, NULL, &Size));
        CHECK(EndsWith(LastMessage, Text));
    }
}

/* Names that can't be mapped, many of them: one warning says how many. */
static void ServeLongNames(SOCKET Client)
{
    static char Longest[300];
    char Rest[16];
    if (Greet(Client)) {
        memset(Longest, 'y', sizeof(Longest));
        for (int Count = 0; Count < 1000; Count++) {
            SendName(Client, Longest, sizeof(Longest));
        }
        SendReply(Client, 1, NULL, 0);
        ReceiveBytes(Client, Rest, sizeof(Rest));
    }
}

/* Never done, never silent: the time limit is for the whole conversation. */
static void ServeDrops(SOCKET Client)
{
    if (Greet(Client)) {
        unsigned char Header[20] = {0x00, 0x03, 0xe8, 0x89, 0x04, 0x55, 0x65, 0xa9, 0, 0,
                                    0,    3,    0x80, 0,    0,    2,    0,    0,    16};
        SendBytes(Client, Header, sizeof(Header));
        while (send(Client, "w", 1, 0) == 1) {
            Sleep(20);
        }
    }
}

static void ListsWithoutEnd(void)
{
    DWORD Size = 0;
    RETURNS(0, Ask(ServeLongNames, 20000, NULL, &Size));
    CHECK(Size == 8);
    CHECK(strncmp(LastMessage, "1000 exports of 127.0.0.1:", 26) == 0);
    Size = 0;
    RETURNS(WSAETIMEDOUT, Ask(ServeDrops, 500, NULL, &Size));
}

void TestExports(void)
{
    WSADATA Winsock;
    WNBD_EXPORT_LIST List;
    DWORD Size = sizeof(List);
    SERVER Closed;
    CHECK(WSAStartup(MAKEWORD(2, 2), &Winsock) == 0);
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports(NULL, 1, 0, &List, &Size));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports("", 1, 0, &List, &Size));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports("127.0.0.1", 65536, 0, &List, &Size));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports("127.0.0.1", 1, 0, &List, NULL));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports("127.0.0.1", 1, 0, NULL, &Size));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdListExports("\xff\xfe", 1, 0, &List, &Size));
    RETURNS(WSAHOST_NOT_FOUND, WnbdListExports("no-such-host.invalid", 1, 2000, &List, &Size));

    ServerStart(&Closed, ServeNothing);
    closesocket(Closed.Listener);
    RETURNS(ERROR_CONNECTION_REFUSED, WnbdListExports("127.0.0.1", Closed.Port, 2000, &List, &Size));
    ServerStop(&Closed);

    ListsOfAllSizes();
    ListsOfHostileServers();
    ListsThatAreCut();
    ListsWithoutEnd();
    RETURNS(ERROR_NETWORK_ACCESS_DENIED, Ask(ServeRefusal, 5000, &List, &Size));
    CHECK(strstr(LastMessage, "not here") != NULL);
    RETURNS(ERROR_NOT_SUPPORTED, Ask(ServeWithoutList, 5000, &List, &Size));
    RETURNS(ERROR_CONNECTION_ABORTED, Ask(ServeHangUp, 5000, &List, &Size));
    RETURNS(ERROR_BAD_NET_RESP, Ask(ServeSomethingElse, 5000, &List, &Size));

    ULONGLONG Before = GetTickCount64();
    RETURNS(WSAETIMEDOUT, Ask(ServeNothing, 300, &List, &Size));
    CHECK(GetTickCount64() - Before < 3000);
    WSACleanup();
}
