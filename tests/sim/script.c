/* SPDX-License-Identifier: LGPL-2.1-only */
/* script.h over a thread and blocking sockets. */
#include "script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Proto, "Values". */
#define OPTION_REPLY_MAGIC 0x0003E889045565A9u
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC 0x67446698u
#define CMD_WRITE 1u

static void ScriptFail(const char *What)
{
    perror(What);
    exit(1);
}

static void Put(uint8_t *Bytes, uint64_t Value, int Count)
{
    for (int Index = Count - 1; Index >= 0; Index--) {
        Bytes[Index] = (uint8_t)Value;
        Value >>= 8;
    }
}

static uint64_t Get(const uint8_t *Bytes, int Count)
{
    uint64_t Value = 0;
    for (int Index = 0; Index < Count; Index++) {
        Value = Value << 8 | Bytes[Index];
    }
    return Value;
}

static void PeerPlay(PEER *Peer)
{
    Peer->Script->Play(Peer);
    close(Peer->Socket);
}

static void *PeerRun(void *Context)
{
    PEER *Peer = Context;
    SCRIPT *Script = Peer->Script;
    PeerPlay(Peer);
    free(Peer);
    pthread_mutex_lock(&Script->Lock);
    Script->Playing--;
    Script->Played++;
    pthread_cond_signal(&Script->Ended);
    pthread_mutex_unlock(&Script->Lock);
    return NULL;
}

/* Gives the peer a thread of its own. */
static void PeerStart(const PEER *Peer)
{
    pthread_t Thread;
    PEER *Copy = malloc(sizeof(*Copy));
    if (Copy == NULL) {
        ScriptFail("cannot take a connection");
    }
    *Copy = *Peer;
    pthread_mutex_lock(&Peer->Script->Lock);
    Peer->Script->Playing++;
    pthread_mutex_unlock(&Peer->Script->Lock);
    if (pthread_create(&Thread, NULL, PeerRun, Copy) != 0) {
        ScriptFail("cannot start a thread");
    }
    pthread_detach(Thread);
}

static void *ScriptRun(void *Context)
{
    SCRIPT *Script = Context;
    for (;;) {
        PEER Peer = {.Script = Script, .Allowed = Script->Allowed != 0 ? Script->Allowed : UINT64_MAX};
        Peer.Socket = accept(Script->Listener, NULL, NULL);
        if (Peer.Socket < 0) {
            return NULL;
        }
        int One = 1;
        setsockopt(Peer.Socket, IPPROTO_TCP, TCP_NODELAY, &One, sizeof(One));
        if (Script->Several) {
            PeerStart(&Peer);
        } else {
            PeerPlay(&Peer);
        }
    }
}

void ScriptStart(SCRIPT *Script)
{
    struct sockaddr_in Address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t Length = sizeof(Address);
    Script->Listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (Script->Listener < 0 || bind(Script->Listener, (struct sockaddr *)&Address, sizeof(Address)) != 0 ||
        getsockname(Script->Listener, (struct sockaddr *)&Address, &Length) != 0 || listen(Script->Listener, 16) != 0) {
        ScriptFail("cannot listen");
    }
    Script->Port = ntohs(Address.sin_port);
    pthread_mutex_init(&Script->Lock, NULL);
    pthread_cond_init(&Script->Ended, NULL);
    Script->Playing = 0;
    Script->Played = 0;
    if (pthread_create(&Script->Thread, NULL, ScriptRun, Script) != 0) {
        ScriptFail("cannot start a thread");
    }
}

void ScriptStop(SCRIPT *Script)
{
    shutdown(Script->Listener, SHUT_RDWR);
    pthread_join(Script->Thread, NULL);
    close(Script->Listener);
    pthread_mutex_lock(&Script->Lock);
    while (Script->Playing != 0) {
        pthread_cond_wait(&Script->Ended, &Script->Lock);
    }
    pthread_mutex_unlock(&Script->Lock);
}

unsigned ScriptPlayed(SCRIPT *Script)
{
    pthread_mutex_lock(&Script->Lock);
    unsigned Played = Script->Played;
    pthread_mutex_unlock(&Script->Lock);
    return Played;
}

void PeerStall(PEER *Peer)
{
    uint8_t Rest[4096];
    while (recv(Peer->Socket, Rest, sizeof(Rest), 0) > 0) {
    }
    Peer->Over = true;
}

bool PeerSay(PEER *Peer, const void *Bytes, size_t Length)
{
    const uint8_t *Next = Bytes;
    size_t Left = Length < Peer->Allowed ? Length : (size_t)Peer->Allowed;
    bool Cut = Left < Length;
    Peer->Allowed -= Left;
    while (!Peer->Over && Left > 0) {
        ssize_t Sent = send(Peer->Socket, Next, Left, MSG_NOSIGNAL);
        Peer->Over = Sent <= 0;
        Next += Sent > 0 ? Sent : 0;
        Left -= Sent > 0 ? (size_t)Sent : 0;
    }
    if (!Peer->Over && Cut) {
        if (Peer->Script->Stalls) {
            PeerStall(Peer);
        }
        Peer->Over = true;
    }
    return !Peer->Over;
}

bool PeerHear(PEER *Peer, void *Bytes, size_t Length)
{
    if (!Peer->Over && Length > 0 && recv(Peer->Socket, Bytes, Length, MSG_WAITALL) != (ssize_t)Length) {
        Peer->Over = true;
    }
    return !Peer->Over;
}

bool PeerHearOption(PEER *Peer, bool WithFlags, uint32_t *Option)
{
    uint8_t Header[16], Data[512];
    uint32_t Length;
    if ((WithFlags && !PeerHear(Peer, Header, 4)) || !PeerHear(Peer, Header, sizeof(Header))) {
        return false;
    }
    *Option = (uint32_t)Get(Header + 8, 4);
    Length = (uint32_t)Get(Header + 12, 4);
    if (Length > sizeof(Data)) {
        fprintf(stderr, "an option of %u bytes\n", Length);
        exit(1);
    }
    return PeerHear(Peer, Data, Length);
}

bool PeerAnswer(PEER *Peer, uint32_t Option, uint32_t Type, const void *Data, uint32_t Length)
{
    uint8_t Header[20];
    Put(Header, OPTION_REPLY_MAGIC, 8);
    Put(Header + 8, Option, 4);
    Put(Header + 12, Type, 4);
    Put(Header + 16, Length, 4);
    return PeerSay(Peer, Header, sizeof(Header)) && PeerSay(Peer, Data, Length);
}

bool PeerConnect(PEER *Peer, uint64_t Size)
{
    uint8_t Export[12] = {0, 0};
    uint32_t Option;
    Put(Export + 2, Size, 8);
    Put(Export + 10, SCRIPT_EXPORT_FLAGS, 2);
    return PeerSay(Peer, "NBDMAGICIHAVEOPT\0\3", 18) && PeerHearOption(Peer, true, &Option) &&
           PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_INFO, Export, sizeof(Export)) &&
           PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_ACK, "", 0);
}

bool PeerHearRequest(PEER *Peer, SCRIPT_REQUEST *Request)
{
    uint8_t Wire[28], Payload[4096];
    if (!PeerHear(Peer, Wire, sizeof(Wire))) {
        return false;
    }
    if (Get(Wire, 4) != REQUEST_MAGIC) {
        fprintf(stderr, "no request: 0x%llx\n", (unsigned long long)Get(Wire, 8));
        exit(1);
    }
    Request->Flags = (uint16_t)Get(Wire + 4, 2);
    Request->Type = (uint16_t)Get(Wire + 6, 2);
    Request->Cookie = Get(Wire + 8, 8);
    Request->Offset = Get(Wire + 16, 8);
    Request->Length = (uint32_t)Get(Wire + 24, 4);
    for (uint32_t Left = Request->Type == CMD_WRITE ? Request->Length : 0; Left > 0;) {
        uint32_t Piece = Left < sizeof(Payload) ? Left : (uint32_t)sizeof(Payload);
        if (!PeerHear(Peer, Payload, Piece)) {
            return false;
        }
        Left -= Piece;
    }
    return true;
}

bool PeerReply(PEER *Peer, uint32_t Error, uint64_t Cookie, const void *Data, size_t Length)
{
    uint8_t Header[16];
    Put(Header, REPLY_MAGIC, 4);
    Put(Header + 4, Error, 4);
    Put(Header + 8, Cookie, 8);
    return PeerSay(Peer, Header, sizeof(Header)) && PeerSay(Peer, Data, Length);
}
