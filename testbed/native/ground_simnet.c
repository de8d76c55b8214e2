/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground.h's sockets, poller and names over the simulated network. */
#include "simnet_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKETS_MOST 64
#define LOOPBACK 127

struct GROUND_POLLER {
    GROUND_SIGNAL Changed;
    bool Woken;
};

static SIM_END *SimSockets[SOCKETS_MOST];

GROUND_NET GroundSocketOpen(bool V6, int *Socket)
{
    GROUND_NET Result = GROUND_NET_NO_RESOURCES;
    (void)V6;
    GroundLockEnter(&SimLock);
    for (int Index = 0; Index < SOCKETS_MOST; Index++) {
        if (SimSockets[Index] == NULL) {
            SimSockets[Index] = EndMake();
            *Socket = Index;
            Result = GROUND_NET_OK;
            break;
        }
    }
    GroundLockLeave(&SimLock);
    return Result;
}

void GroundSocketClose(int Socket)
{
    GroundLockEnter(&SimLock);
    EndFree(SimSockets[Socket]);
    SimSockets[Socket] = NULL;
    GroundLockLeave(&SimLock);
}

GROUND_NET GroundSocketBind(int Socket, const GROUND_ADDRESS *Address)
{
    (void)Socket;
    (void)Address;
    return GROUND_NET_OK;
}

static SIM_LISTENER *ListenerAt(uint16_t Port)
{
    SIM_LISTENER *Listener = SimListeners;
    while (Listener != NULL && (Listener->Port != Port || Listener->Closed)) {
        Listener = Listener->Next;
    }
    return Listener;
}

GROUND_NET GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address)
{
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    SIM_LISTENER *Listener = Address->V6 || Address->Ip[0] != LOOPBACK ? NULL : ListenerAt(Address->Port);
    End->Port = Address->Port;
    End->State = END_CONNECTING;
    End->Fate = (SIM_FATE){GROUND_NET_REFUSED, SeededBelow(20000)};
    if (Address->V6 || Address->Ip[0] != LOOPBACK) {
        End->Fate.Result = GROUND_NET_UNREACHABLE;
    } else if (Listener != NULL && Listener->FateNext < Listener->FateCount) {
        End->Fate = Listener->Fates[Listener->FateNext++];
    } else if (Listener != NULL) {
        End->Fate = (SIM_FATE){GROUND_NET_OK, SeededBelow(10000)};
    }
    End->FateAt = End->Fate.Result == GROUND_NET_WOULD_BLOCK ? UINT64_MAX : GroundNow() + End->Fate.Delay;
    GroundLockLeave(&SimLock);
    return GROUND_NET_WOULD_BLOCK;
}

GROUND_NET GroundSocketConnected(int Socket)
{
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    GROUND_NET Result = End->Fate.Result;
    if (End->State == END_CONNECTING && Result == GROUND_NET_OK) {
        SIM_LISTENER *Listener = ListenerAt(End->Port);
        if (Listener == NULL || Listener->WaitingCount == BACKLOG) {
            Result = GROUND_NET_REFUSED;
        } else {
            EndJoin(End, Listener);
        }
    }
    GroundLockLeave(&SimLock);
    return Result;
}

GROUND_NET GroundSocketSend(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Sent)
{
    GROUND_NET Result = GROUND_NET_OK;
    *Sent = 0;
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    for (size_t Index = 0; Index < Count; Index++) {
        if (End->Broken || End->Peer == NULL || End->EndSent) {
            Result = GROUND_NET_RESET;
            break;
        }
        size_t Part = EndPut(End, Pieces[Index].Base, Pieces[Index].Length);
        *Sent += Part;
        if (Part < Pieces[Index].Length) {
            Result = *Sent == 0 ? GROUND_NET_WOULD_BLOCK : GROUND_NET_OK;
            break;
        }
    }
    GroundLockLeave(&SimLock);
    return Result;
}

GROUND_NET GroundSocketReceive(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Received)
{
    GROUND_NET Result = GROUND_NET_OK;
    *Received = 0;
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    for (size_t Index = 0; Index < Count; Index++) {
        size_t Part = End->Broken ? 0 : EndGet(End, Pieces[Index].Base, Pieces[Index].Length);
        *Received += Part;
        if (Part < Pieces[Index].Length) {
            break;
        }
    }
    if (*Received == 0) {
        if (End->Broken || EndIsLost(End)) {
            Result = GROUND_NET_RESET;
        } else if (!EndIsOver(End, GroundNow())) {
            Result = GROUND_NET_WOULD_BLOCK;
        }
    }
    GroundLockLeave(&SimLock);
    return Result;
}

void GroundSocketShutdown(int Socket, bool Abort)
{
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    EndFinish(End, Abort);
    if (Abort) {
        EndReset(End);
    }
    GroundLockLeave(&SimLock);
}

GROUND_NET GroundSocketAddress(int Socket, bool Remote, GROUND_ADDRESS *Address)
{
    GroundLockEnter(&SimLock);
    *Address = (GROUND_ADDRESS){.Ip = {LOOPBACK, 0, 0, 1}, .Port = Remote ? SimSockets[Socket]->Port : 49152};
    GroundLockLeave(&SimLock);
    return GROUND_NET_OK;
}

bool GroundSocketOption(int Socket, GROUND_OPTION Option, int Value)
{
    (void)Socket;
    (void)Option;
    (void)Value;
    return true;
}

/* ---- The poller ---- */

GROUND_POLLER *GroundPollerOpen(void)
{
    GROUND_POLLER *Poller = calloc(1, sizeof(*Poller));
    if (Poller != NULL) {
        GroundSignalInitialize(&Poller->Changed);
    }
    return Poller;
}

void GroundPollerClose(GROUND_POLLER *Poller)
{
    free(Poller);
}

void GroundPollerArm(GROUND_POLLER *Poller, int Socket, uint32_t Events, void *Context)
{
    GroundLockEnter(&SimLock);
    SIM_END *End = SimSockets[Socket];
    End->Poller = &Poller->Changed;
    End->Armed = Events;
    End->Context = Context;
    GroundSignalWakeAll(&Poller->Changed);
    GroundLockLeave(&SimLock);
}

void GroundPollerForget(GROUND_POLLER *Poller, int Socket)
{
    (void)Poller;
    GroundLockEnter(&SimLock);
    SimSockets[Socket]->Armed = 0;
    SimSockets[Socket]->Poller = NULL;
    GroundLockLeave(&SimLock);
}

void GroundPollerWake(GROUND_POLLER *Poller)
{
    GroundLockEnter(&SimLock);
    Poller->Woken = true;
    GroundSignalWakeAll(&Poller->Changed);
    GroundLockLeave(&SimLock);
}

/* What the socket is ready for of that which was asked; otherwise *Next: when that may change by itself. */
static uint32_t EndEvents(const SIM_END *End, uint64_t Now, uint64_t *Next)
{
    uint32_t Events = 0;
    uint64_t At = UINT64_MAX;
    if (End->State == END_CONNECTING) {
        Events = End->FateAt <= Now ? GROUND_POLL_READ | GROUND_POLL_WRITE : 0;
        At = End->FateAt;
    } else {
        Events |= End->Broken || EndArrivesAt(End) <= Now || EndIsLost(End) ? GROUND_POLL_READ : 0;
        bool Room = End->Peer != NULL && End->Peer->Used < End->Peer->Weather.CapacityBytes;
        Events |= End->Broken || End->Peer == NULL || Room ? GROUND_POLL_WRITE : 0;
        At = EndArrivesAt(End);
    }
    Events &= End->Armed;
    if (Events == 0 && At < *Next) {
        *Next = At;
    }
    return Events;
}

size_t GroundPollerWait(GROUND_POLLER *Poller, GROUND_READY *Ready, size_t Capacity)
{
    size_t Used = 0;
    GroundLockEnter(&SimLock);
    for (;;) {
        uint64_t Next = UINT64_MAX, Now = GroundNow();
        /* From anywhere on: no order among sockets is promised. */
        uint32_t First = SeededBelow(SOCKETS_MOST);
        for (uint32_t Index = 0; Index < SOCKETS_MOST && Used < Capacity; Index++) {
            SIM_END *End = SimSockets[(First + Index) % SOCKETS_MOST];
            if (End == NULL || End->Poller != &Poller->Changed || End->Armed == 0) {
                continue;
            }
            uint32_t Events = EndEvents(End, Now, &Next);
            if (Events != 0) {
                Ready[Used++] = (GROUND_READY){End->Context, Events};
                End->Armed = 0;
            }
        }
        if (Used != 0 || Poller->Woken) {
            break;
        }
        GroundSignalWait(&Poller->Changed, &SimLock, Next);
    }
    Poller->Woken = false;
    GroundLockLeave(&SimLock);
    return Used;
}

/* Names under .sim: "n.sim" has n addresses; in front of the name "dead-", the first ones can't be reached. */
int GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses, int Capacity)
{
    unsigned Bytes[4];
    (void)Service;
    if (sscanf(Host, "%u.%u.%u.%u", &Bytes[0], &Bytes[1], &Bytes[2], &Bytes[3]) == 4) {
        Addresses[0] = (GROUND_ADDRESS){.V6 = false};
        for (int Index = 0; Index < 4; Index++) {
            Addresses[0].Ip[Index] = (uint8_t)Bytes[Index];
        }
        return 1;
    }
    const char *Dot = strstr(Host, ".sim");
    if (NumericOnly || Dot == NULL || Dot[4] != '\0') {
        return -1;
    }
    GroundSleep(SeededBelow(5000000));
    bool Dead = strncmp(Host, "dead-", 5) == 0;
    int Count = atoi(Dead ? Host + 5 : Host);
    for (int Index = 0; Index < Count && Index < Capacity; Index++) {
        Addresses[Index] = (GROUND_ADDRESS){.Ip = {(uint8_t)(Dead && Index + 1 < Count ? 10 : LOOPBACK), 0, 0, 1}};
    }
    return Count < Capacity ? Count : Capacity;
}
