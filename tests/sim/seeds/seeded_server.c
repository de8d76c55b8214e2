/* SPDX-License-Identifier: LGPL-2.1-only */
/* The simulated server's life: listening, connections, their end. */
#include "seeded_server_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t Consequences;
    const char *Words;
} Misdeeds[] = {
#define MISDEED_ROW(Name, Consequences, Words) {Consequences, Words},
    MISDEEDS(MISDEED_ROW)
#undef MISDEED_ROW
};

const char *MisdeedText(MISDEED Misdeed)
{
    return Misdeeds[Misdeed].Words;
}

uint32_t MisdeedConsequences(MISDEED Misdeed)
{
    return Misdeeds[Misdeed].Consequences;
}

void ServedAccuse(const SERVED *Served, const char *Format, ...)
{
    char Text[300];
    va_list Arguments;
    va_start(Arguments, Format);
    vsnprintf(Text, sizeof(Text), Format, Arguments);
    va_end(Arguments);
    GroundWrite("simulated server: the client breaks the protocol: ");
    GroundWrite(Text);
    GroundWrite(Served->Server->Counts.Transmitted ? " (transmission)\n" : " (handshake)\n");
    abort();
}

bool ServedCommits(SERVED *Served, MISDEED Misdeed, uint64_t At)
{
    SEEDED_SERVER *Server = Served->Server;
    if (Server->Plan.Misdeed != Misdeed || At < Server->Plan.MisdeedAt || Server->Counts.Committed) {
        return false;
    }
    Server->Counts.Committed = true;
    return true;
}

/* Up to the byte at which a misdeed of that kind is due. */
static size_t ServedUntilByte(const SERVED *Served, size_t Length)
{
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    bool AtByte = Plan->Misdeed == MISDEED_CLOSE || Plan->Misdeed == MISDEED_RESET || Plan->Misdeed == MISDEED_STALL ||
                  Plan->Misdeed == MISDEED_PAUSE;
    if (!AtByte || Served->Server->Counts.Committed || Served->SentBytes + Length <= Plan->MisdeedAt) {
        return Length;
    }
    return Plan->MisdeedAt > Served->SentBytes ? (size_t)(Plan->MisdeedAt - Served->SentBytes) : 0;
}

void ServedStandStill(SERVED *Served)
{
    GroundLockEnter(&Served->Lock);
    while (!Served->Dead) {
        GroundSignalWait(&Served->Changed, &Served->Lock, UINT64_MAX);
    }
    GroundLockLeave(&Served->Lock);
}

bool ServedSend(SERVED *Served, const void *Bytes, size_t Length)
{
    size_t Part = ServedUntilByte(Served, Length);
    bool Sent = SimSend(Served->End, Bytes, Part);
    Served->SentBytes += Part;
    if (!Sent || Part == Length) {
        return Sent;
    }
    Served->Server->Counts.Committed = true;
    switch (Served->Server->Plan.Misdeed) {
    case MISDEED_CLOSE:
        SimBreak(Served->End, false);
        return false;
    case MISDEED_RESET:
        SimBreak(Served->End, true);
        return false;
    case MISDEED_STALL:
        ServedStandStill(Served);
        return false;
    default:
        GroundSleep((1 + SeededBelow(40)) * 10000000ull);
        Served->SentBytes += Length - Part;
        return SimSend(Served->End, (const unsigned char *)Bytes + Part, Length - Part);
    }
}

bool ServedReceive(SERVED *Served, void *Bytes, size_t Length)
{
    return SimReceive(Served->End, Bytes, Length, UINT64_MAX);
}

static void ServedMain(void *Context)
{
    SERVED *Served = Context;
    if (ServedHandshake(Served)) {
        Served->Reading = true;
        GROUND_THREAD *Answerer = GroundThreadStart(ServedAnswers, Served, "server-answers");
        ServedRequests(Served);
        GroundLockEnter(&Served->Lock);
        Served->Reading = false;
        GroundSignalWakeAll(&Served->Changed);
        GroundLockLeave(&Served->Lock);
        GroundThreadJoin(Answerer);
    }
    SimBreak(Served->End, false);
}

static void ServerMain(void *Context)
{
    SEEDED_SERVER *Server = Context;
    SIM_END *End;
    while ((End = SimAccept(Server->Listener)) != NULL) {
        SERVED *Served = calloc(1, sizeof(*Served));
        if (Served == NULL) {
            abort();
        }
        Served->Server = Server;
        Served->End = End;
        GroundSignalInitialize(&Served->Changed);
        Served->Reader = GroundThreadStart(ServedMain, Served, "server-reads");
        GroundLockEnter(&Server->Lock);
        Served->Next = Server->Connections;
        Server->Connections = Served;
        Server->Counts.Connections++;
        GroundLockLeave(&Server->Lock);
    }
}

SEEDED_SERVER *SeededServerStart(MEDIUM *Medium, uint16_t Port, const SERVER_PLAN *Plan, const SIM_WEATHER *Weather)
{
    SEEDED_SERVER *Server = calloc(1, sizeof(*Server));
    if (Server == NULL) {
        abort();
    }
    Server->Medium = Medium;
    Server->Plan = *Plan;
    Server->Listener = SimListen(Port, Weather);
    Server->Acceptor = GroundThreadStart(ServerMain, Server, "server");
    return Server;
}

SIM_LISTENER *SeededServerListener(SEEDED_SERVER *Server)
{
    return Server->Listener;
}

SERVER_COUNTS SeededServerCounts(const SEEDED_SERVER *Server)
{
    return Server->Counts;
}

void SeededServerDrop(SEEDED_SERVER *Server, bool Reset)
{
    GroundLockEnter(&Server->Lock);
    for (SERVED *Served = Server->Connections; Served != NULL; Served = Served->Next) {
        GroundLockEnter(&Served->Lock);
        Served->Dead = true;
        GroundSignalWakeAll(&Served->Changed);
        GroundLockLeave(&Served->Lock);
        SimBreak(Served->End, Reset);
    }
    GroundLockLeave(&Server->Lock);
}

void SeededServerStop(SEEDED_SERVER *Server)
{
    SimListenerClose(Server->Listener);
    GroundThreadJoin(Server->Acceptor);
    SeededServerDrop(Server, SeededBelow(2) == 0);
    while (Server->Connections != NULL) {
        SERVED *Served = Server->Connections;
        Server->Connections = Served->Next;
        GroundThreadJoin(Served->Reader);
        SimClose(Served->End);
        free(Served);
    }
    SimListenerFree(Server->Listener);
    free(Server);
}
