/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * WnbdRunNbdDaemon between the fake driver and an NBD server that is a thread
 * of this program. Bytes are those of the NBD protocol document: "Fixed
 * newstyle negotiation", "Request message", "Simple reply message".
 */
#include "provider.h"

#include <string.h>

#define SIZE (1024u * 1024)
#define MAX_PAYLOAD 4096u
/* The server's size, flags (FLUSH, FUA, TRIM) and sizes of blocks. */
#define FLAGS 0x2du

typedef struct {
    SOCKET Listener;
    SOCKET Client;
    UINT16 Port;
    HANDLE Thread;
    BYTE Memory[SIZE];
    UINT64 FailAt;             /* offset whose reads fail with EIO; 0: none */
    bool HangUp;               /* closes instead of answering the first request */
    bool NoExport;             /* has no such export */
    volatile LONG Requests[8]; /* by type */
    volatile LONG Fua;
    volatile LONG Large; /* requests beyond MAX_PAYLOAD */
} SERVER;

static SERVER Server;
static WNBD_PROPERTIES Mapping;
static DWORD Outcome;

static void Put(BYTE *Bytes, UINT64 Value, int Count)
{
    for (int Index = 0; Index < Count; Index++) {
        Bytes[Index] = (BYTE)(Value >> (8 * (Count - 1 - Index)));
    }
}

static UINT64 Get(const BYTE *Bytes, int Count)
{
    UINT64 Value = 0;
    for (int Index = 0; Index < Count; Index++) {
        Value = Value << 8 | Bytes[Index];
    }
    return Value;
}

static bool Take(void *Bytes, UINT32 Length)
{
    char *To = Bytes;
    while (Length) {
        int Received = recv(Server.Client, To, (int)Length, 0);
        if (Received <= 0) {
            return false;
        }
        To += Received;
        Length -= (UINT32)Received;
    }
    return true;
}

static void Give(const void *Bytes, UINT32 Length)
{
    send(Server.Client, Bytes, (int)Length, 0);
}

static void OptionReply(UINT32 Type, const BYTE *Data, UINT32 Length)
{
    BYTE Header[20] = {0x00, 0x03, 0xe8, 0x89, 0x04, 0x55, 0x65, 0xa9, 0, 0, 0, 7};
    Put(Header + 12, Type, 4);
    Put(Header + 16, Length, 4);
    Give(Header, sizeof(Header));
    Give(Data, Length);
}

/* Greets and answers NBD_OPT_GO. */
static bool Negotiate(void)
{
    BYTE Flags[4], Option[16], Data[1024], Info[14];
    Give("NBDMAGICIHAVEOPT\0\3", 18);
    if (!Take(Flags, 4) || !Take(Option, 16) || Get(Option + 12, 4) > sizeof(Data) ||
        !Take(Data, (UINT32)Get(Option + 12, 4))) {
        return false;
    }
    CHECK(Get(Option + 8, 4) == 7 && Get(Data, 4) == 4 && memcmp(Data + 4, "disk", 4) == 0);
    if (Server.NoExport) {
        OptionReply(0x80000006, NULL, 0); /* NBD_REP_ERR_UNKNOWN */
        return false;
    }
    Put(Info, 0, 2); /* NBD_INFO_EXPORT */
    Put(Info + 2, SIZE, 8);
    Put(Info + 10, FLAGS, 2);
    OptionReply(3, Info, 12);
    Put(Info, 3, 2); /* NBD_INFO_BLOCK_SIZE */
    Put(Info + 2, 512, 4);
    Put(Info + 6, MAX_PAYLOAD, 4);
    Put(Info + 10, MAX_PAYLOAD, 4);
    OptionReply(3, Info, 14);
    OptionReply(1, NULL, 0);
    return true;
}

/* One request; false after the last. */
static bool ServeOne(void)
{
    BYTE Header[28], Reply[16] = {0x67, 0x44, 0x66, 0x98};
    if (!Take(Header, sizeof(Header)) || Server.HangUp) {
        return false;
    }
    UINT64 Type = Get(Header + 6, 2), Offset = Get(Header + 16, 8), Length = Get(Header + 24, 4);
    bool Fails = Server.FailAt && Type == 0 && Offset <= Server.FailAt && Server.FailAt < Offset + Length;
    CHECK(Get(Header, 4) == 0x25609513 && Type < 8 && Offset + Length <= SIZE);
    InterlockedExchangeAdd(&Server.Fua, (LONG)(Get(Header + 4, 2) & 1));
    InterlockedExchangeAdd(&Server.Large, Length > MAX_PAYLOAD && Type < 2);
    if (Type == 1 && !Take(Server.Memory + Offset, (UINT32)Length)) {
        return false;
    }
    if (Type == 4) {
        memset(Server.Memory + Offset, 0, Length);
    }
    InterlockedIncrement(&Server.Requests[Type & 7]);
    if (Type == 2) {
        return false;
    }
    Put(Reply + 4, Fails ? 5 : 0, 4);
    memcpy(Reply + 8, Header + 8, 8);
    Give(Reply, sizeof(Reply));
    if (Type == 0 && !Fails) {
        Give(Server.Memory + Offset, (UINT32)Length);
    }
    return true;
}

static DWORD WINAPI ServerRun(LPVOID Parameter)
{
    (void)Parameter;
    Server.Client = accept(Server.Listener, NULL, NULL);
    if (Negotiate()) {
        while (ServeOne()) {
        }
    }
    closesocket(Server.Client);
    return 0;
}

static DWORD WINAPI DaemonRun(LPVOID Parameter)
{
    Outcome = WnbdRunNbdDaemon(Parameter);
    return 0;
}

/* Starts a server, and a daemon for it in a thread that is returned. */
static HANDLE Begin(void)
{
    WSADATA Winsock;
    struct sockaddr_in Address = {.sin_family = AF_INET};
    int Length = sizeof(Address);
    CHECK(WSAStartup(MAKEWORD(2, 2), &Winsock) == 0);
    Address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Server.Listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(Server.Listener, (struct sockaddr *)&Address, sizeof(Address)) == 0 && listen(Server.Listener, 1) == 0);
    CHECK(getsockname(Server.Listener, (struct sockaddr *)&Address, &Length) == 0);
    Server.Thread = CreateThread(NULL, 0, ServerRun, NULL, 0, NULL);
    FakeReset();
    memset(&Mapping, 0, sizeof(Mapping));
    strcpy(Mapping.InstanceName, "foo");
    strcpy(Mapping.NbdProperties.Hostname, "127.0.0.1");
    strcpy(Mapping.NbdProperties.ExportName, "disk");
    Mapping.NbdProperties.PortNumber = ntohs(Address.sin_port);
    Mapping.Flags.UseKernelNbd = 1; /* taken back */
    Outcome = MAXDWORD;
    return CreateThread(NULL, 0, DaemonRun, &Mapping, 0, NULL);
}

/* Waits for the daemon's end, and the server's. */
static DWORD End(HANDLE Daemon)
{
    CHECK(WaitForSingleObject(Daemon, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(Server.Thread, FAKE_PATIENCE_MS) == WAIT_OBJECT_0);
    closesocket(Server.Listener);
    CloseHandle(Server.Thread);
    CloseHandle(Daemon);
    WSACleanup();
    return Outcome;
}

/* A request of 16 blocks, four parts, at block 8; the answer. */
static FAKE_ANSWER Ask(WnbdRequestType Type, UINT64 Handle, const void *Data, UINT32 Filled)
{
    static FAKE_ANSWER Answer;
    WNBD_IO_REQUEST Request = MakeRequest(Type, Handle);
    if (Type == WnbdReqTypeRead || Type == WnbdReqTypeWrite) {
        Request.Cmd.Read.BlockAddress = 8;
        Request.Cmd.Read.BlockCount = 16;
        Request.Cmd.Write.ForceUnitAccess = Type == WnbdReqTypeWrite;
    } else if (Type == WnbdReqTypeUnmap) {
        Request.Cmd.Unmap.Count = Filled / sizeof(WNBD_UNMAP_DESCRIPTOR);
    }
    FakeRequest(&Request, Data, Filled);
    CHECK(FakeAnswer(Handle, &Answer) && Answer.Response.RequestType == Type);
    return Answer;
}

void TestDaemon(void)
{
    static BYTE Data[16 * BLOCK];
    WNBD_UNMAP_DESCRIPTOR Ranges[] = {{.BlockAddress = 8, .BlockCount = 1}, {.BlockAddress = 10, .BlockCount = 2}};
    memset(&Server, 0, sizeof(Server));
    HANDLE Daemon = Begin();
    CHECK(FakeAwaitFetches(4));
    CHECK(Fake.Asked.Flags.UseUserspaceNbd && !Fake.Asked.Flags.UseKernelNbd && Fake.Asked.BlockSize == BLOCK);
    CHECK(Fake.Asked.BlockCount == SIZE / BLOCK && Fake.Asked.Flags.FlushSupported && Fake.Asked.Flags.FUASupported &&
          Fake.Asked.Flags.UnmapSupported && !Fake.Asked.Flags.ReadOnly);
    for (UINT32 Index = 0; Index < sizeof(Data); Index++) {
        Data[Index] = (BYTE)(Index / 300 + 1);
    }
    CHECK(Ask(WnbdReqTypeWrite, 1, Data, sizeof(Data)).Response.Status.ScsiStatus == 0);
    CHECK(memcmp(Server.Memory + 8 * BLOCK, Data, sizeof(Data)) == 0 && Server.Memory[24 * BLOCK] == 0);
    CHECK(Server.Requests[1] == 2 && Server.Fua == 2 && Server.Large == 0);
    FAKE_ANSWER Answer = Ask(WnbdReqTypeRead, 2, NULL, 0);
    CHECK(Answer.Size == sizeof(Data) && memcmp(Answer.Data, Data, sizeof(Answer.Data)) == 0);
    CHECK(Server.Requests[0] == 2);
    CHECK(Ask(WnbdReqTypeFlush, 3, NULL, 0).Response.Status.ScsiStatus == 0 && Server.Requests[3] == 1);
    CHECK(Ask(WnbdReqTypeUnmap, 4, Ranges, sizeof(Ranges)).Response.Status.ScsiStatus == 0);
    CHECK(Server.Requests[4] == 2 && Server.Memory[8 * BLOCK] == 0 && Server.Memory[9 * BLOCK] != 0 &&
          Server.Memory[11 * BLOCK] == 0 && Server.Memory[12 * BLOCK] != 0);
    /* One part of several fails, and so does the request. */
    Server.FailAt = 20 * BLOCK;
    Answer = Ask(WnbdReqTypeRead, 5, NULL, 0);
    CHECK(Answer.Response.Status.SenseKey == 3 && Answer.Response.Status.ASC == 0x11 && !Answer.HasData);
    FakeTakeAway();
    RETURNS(0, End(Daemon));
    CHECK(Server.Requests[2] == 1 && Fake.Removed == 0); /* a farewell */
}

void TestDaemonEnds(void)
{
    /* The server goes away: so does the disk, and nothing stays unanswered. */
    memset(&Server, 0, sizeof(Server));
    Server.HangUp = true;
    HANDLE Daemon = Begin();
    CHECK(FakeAwaitFetches(4));
    CHECK(Ask(WnbdReqTypeRead, 1, NULL, 0).Response.Status.SenseKey == 2);
    RETURNS(ERROR_CONNECTION_ABORTED, End(Daemon));
    CHECK(Fake.Removed == 1 && !Fake.There);
    /* There is nothing to serve: no disk is made. */
    memset(&Server, 0, sizeof(Server));
    Server.NoExport = true;
    RETURNS(ERROR_BAD_NET_NAME, End(Begin()));
    CHECK(Fake.Commands[IOCTL_WNBD_CREATE] == 0);
    /* What can't be. */
    RETURNS(ERROR_INVALID_PARAMETER, WnbdRunNbdDaemon(NULL));
    Mapping.BlockSize = 1024;
    RETURNS(ERROR_INVALID_BLOCK_LENGTH, WnbdRunNbdDaemon(&Mapping));
    Mapping.BlockSize = 512;
    Mapping.NbdProperties.Flags.SkipNegotiation = 1;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdRunNbdDaemon(&Mapping));
    Mapping.NbdProperties.Hostname[0] = 0;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdRunNbdDaemon(&Mapping));
}
