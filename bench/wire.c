/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The second peer: an NBD client with nothing in it but the wire, as a
 * practical limit of what one thread can do. Requests that are ready leave in
 * one writev; replies arrive in one large buffer, and what is left of a large
 * payload goes straight to its place.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BUFFER_BYTES (256u * 1024)
#define DIRECT_BYTES (64u * 1024)
#define PIECES_MAX 64
#define NOBODY UINT32_MAX

typedef struct __attribute__((packed)) {
    uint32_t Magic;
    uint16_t Flags;
    uint16_t Type;
    uint64_t Cookie;
    uint64_t Offset;
    uint32_t Length;
} WIRE_REQUEST;

typedef struct __attribute__((packed)) {
    uint32_t Magic;
    uint32_t Error;
    uint64_t Cookie;
} WIRE_REPLY;

typedef struct {
    int Socket;
    uint32_t Number;
    BENCH_SLOT Slots[BENCH_DEPTH_MAX];
    uint32_t Free[BENCH_DEPTH_MAX];
    uint32_t FreeCount;
    uint32_t InFlight;
    WIRE_REQUEST Requests[BENCH_DEPTH_MAX];
    struct iovec Pieces[2 * BENCH_DEPTH_MAX]; /* to be sent: from First to Last */
    uint32_t First, Last;
    uint8_t Buffer[BUFFER_BYTES]; /* received: from Low to High */
    size_t Low, High;
    uint32_t Current; /* the slot whose payload arrives, or NOBODY */
    size_t Got;       /* of its payload, bytes */
} PEER;

static BENCH Bench;
static PEER Peers[BENCH_DISKS_MAX];

static void ReadAll(int Socket, void *Data, size_t Length)
{
    if (recv(Socket, Data, Length, MSG_WAITALL) != (ssize_t)Length) {
        BenchFail("the server ends the handshake");
    }
}

static void WriteAll(int Socket, const void *Data, size_t Length)
{
    if (send(Socket, Data, Length, MSG_NOSIGNAL) != (ssize_t)Length) {
        BenchFail("cannot send");
    }
}

/* Greeting, then NBD_OPT_EXPORT_NAME for the default export. */
static uint64_t Handshake(int Socket)
{
    struct __attribute__((packed)) {
        uint32_t Flags;
        char Magic[8];
        uint32_t Option, Length;
    } Option = {htonl(3), {'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T'}, htonl(1), 0};
    uint8_t Greeting[18], Answer[10];
    uint64_t Size;
    ReadAll(Socket, Greeting, sizeof(Greeting));
    WriteAll(Socket, &Option, sizeof(Option));
    ReadAll(Socket, Answer, sizeof(Answer));
    memcpy(&Size, Answer, sizeof(Size));
    return be64toh(Size);
}

static void Connect(PEER *Peer, uint32_t Number)
{
    struct sockaddr_in Address = {
        .sin_family = AF_INET, .sin_port = htons(Bench.Port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int One = 1;
    Peer->Number = Number;
    Peer->Current = NOBODY;
    Peer->Socket = socket(AF_INET, SOCK_STREAM, 0);
    if (Peer->Socket < 0 || connect(Peer->Socket, (struct sockaddr *)&Address, sizeof(Address)) != 0) {
        BenchFail("cannot connect");
    }
    setsockopt(Peer->Socket, IPPROTO_TCP, TCP_NODELAY, &One, sizeof(One));
    Bench.SizeBytes = Handshake(Peer->Socket);
    fcntl(Peer->Socket, F_SETFL, O_NONBLOCK);
    for (uint32_t Index = 0; Index < Bench.Depth; Index++) {
        BenchSlot(&Bench, &Peer->Slots[Index]);
        Peer->Free[Peer->FreeCount++] = Index;
    }
}

static void Put(PEER *Peer, void *Data, size_t Length)
{
    Peer->Pieces[Peer->Last++] = (struct iovec){Data, Length};
}

/* Prepares requests for the free slots, once all of the ones before are out. */
static void Issue(PEER *Peer)
{
    while (Peer->FreeCount != 0) {
        uint32_t Index = Peer->Free[--Peer->FreeCount];
        BENCH_SLOT *Slot = &Peer->Slots[Index];
        BenchBegin(&Bench, Slot, Peer->Number);
        Peer->Requests[Index] = (WIRE_REQUEST){.Magic = htonl(0x25609513),
                                               .Type = htons(Bench.Write ? 1 : 0),
                                               .Cookie = Index,
                                               .Offset = htobe64(Slot->Offset),
                                               .Length = htonl(Bench.BlockBytes)};
        Put(Peer, &Peer->Requests[Index], sizeof(WIRE_REQUEST));
        if (Bench.Write) {
            Put(Peer, Slot->Data, Bench.BlockBytes);
        }
        Peer->InFlight++;
    }
}

/* True: everything is out. */
static bool Send(PEER *Peer)
{
    while (Peer->First != Peer->Last) {
        uint32_t Count = Peer->Last - Peer->First;
        ssize_t Sent = writev(Peer->Socket, Peer->Pieces + Peer->First, Count < PIECES_MAX ? (int)Count : PIECES_MAX);
        if (Sent < 0 && errno == EAGAIN) {
            return false;
        }
        if (Sent < 0) {
            BenchFail("cannot send");
        }
        for (size_t Left = (size_t)Sent; Left != 0;) {
            struct iovec *Piece = &Peer->Pieces[Peer->First];
            size_t Out = Left < Piece->iov_len ? Left : Piece->iov_len;
            Piece->iov_base = (char *)Piece->iov_base + Out;
            Piece->iov_len -= Out;
            Left -= Out;
            Peer->First += Piece->iov_len == 0;
        }
    }
    Peer->First = Peer->Last = 0;
    return true;
}

/* True: something came. */
static bool Receive(PEER *Peer)
{
    bool Direct = Peer->Current != NOBODY && Peer->Low == Peer->High && Bench.BlockBytes - Peer->Got >= DIRECT_BYTES;
    ssize_t Length;
    if (Direct) {
        Length = recv(Peer->Socket, Peer->Slots[Peer->Current].Data + Peer->Got, Bench.BlockBytes - Peer->Got, 0);
    } else {
        memmove(Peer->Buffer, Peer->Buffer + Peer->Low, Peer->High - Peer->Low);
        Peer->High -= Peer->Low;
        Peer->Low = 0;
        Length = recv(Peer->Socket, Peer->Buffer + Peer->High, BUFFER_BYTES - Peer->High, 0);
    }
    if (Length < 0 && errno == EAGAIN) {
        return false;
    }
    if (Length <= 0) {
        BenchFail("the server closed the connection");
    }
    if (Direct) {
        Peer->Got += (size_t)Length;
    } else {
        Peer->High += (size_t)Length;
    }
    return true;
}

/* The header of a reply. False: there is none. */
static bool Reply(PEER *Peer)
{
    WIRE_REPLY Header;
    if (Peer->High - Peer->Low < sizeof(Header)) {
        return false;
    }
    memcpy(&Header, Peer->Buffer + Peer->Low, sizeof(Header));
    Peer->Low += sizeof(Header);
    if (Header.Error != 0 || Header.Cookie >= Bench.Depth) {
        BenchFail("the server reports an error");
    }
    Peer->Current = (uint32_t)Header.Cookie;
    Peer->Got = Bench.Write ? Bench.BlockBytes : 0;
    return true;
}

static void Consume(PEER *Peer)
{
    while (Peer->Current != NOBODY || Reply(Peer)) {
        BENCH_SLOT *Slot = &Peer->Slots[Peer->Current];
        size_t Have = Peer->High - Peer->Low, Missing = Bench.BlockBytes - Peer->Got;
        size_t Length = Have < Missing ? Have : Missing;
        memcpy(Slot->Data + Peer->Got, Peer->Buffer + Peer->Low, Length);
        Peer->Got += Length;
        Peer->Low += Length;
        if (Peer->Got != Bench.BlockBytes) {
            return;
        }
        Peer->InFlight--;
        if (BenchEnded(&Bench, Slot)) {
            Peer->Free[Peer->FreeCount++] = Peer->Current;
        }
        Peer->Current = NOBODY;
    }
}

/* What can be done for a connection now. The events to wait for, then. */
static short Serve(PEER *Peer)
{
    for (;;) {
        if (Bench.Phase != BENCH_ENDING && Peer->First == Peer->Last) {
            Issue(Peer);
        }
        bool AllOut = Send(Peer);
        if (!Receive(Peer)) {
            return (short)(POLLIN | (AllOut ? 0 : POLLOUT));
        }
        Consume(Peer);
        if (Bench.Phase == BENCH_ENDING && Peer->InFlight == 0) {
            return POLLIN;
        }
    }
}

static bool Busy(void)
{
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        if (Peers[Disk].InFlight != 0) {
            return true;
        }
    }
    return Bench.Phase != BENCH_ENDING;
}

int main(int ArgumentCount, char **Arguments)
{
    struct pollfd Files[BENCH_DISKS_MAX];
    BenchStart(&Bench, "wire", ArgumentCount, Arguments);
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        Connect(&Peers[Disk], Disk);
        Files[Disk] = (struct pollfd){.fd = Peers[Disk].Socket, .revents = POLLIN};
    }
    while (Busy()) {
        for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
            if (Files[Disk].revents != 0) {
                Files[Disk].events = Serve(&Peers[Disk]);
            }
        }
        if (Busy() && poll(Files, Bench.Disks, -1) < 0) {
            BenchFail("poll");
        }
    }
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        WIRE_REQUEST Farewell = {.Magic = htonl(0x25609513), .Type = htons(2)};
        WriteAll(Peers[Disk].Socket, &Farewell, sizeof(Farewell));
    }
    BenchReport(&Bench, "");
    return 0;
}
