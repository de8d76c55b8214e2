/* SPDX-License-Identifier: LGPL-2.1-only */
/* simnet.h: the server's side of the simulated network. */
#include "simnet_private.h"

#include <stdlib.h>
#include <string.h>

SIM_LISTENER *SimListen(uint16_t Port, const SIM_WEATHER *Weather)
{
    SIM_LISTENER *Listener = calloc(1, sizeof(*Listener));
    if (Listener == NULL) {
        abort();
    }
    Listener->Port = Port;
    Listener->Weather = *Weather;
    GroundSignalInitialize(&Listener->Changed);
    GroundLockEnter(&SimLock);
    Listener->Next = SimListeners;
    SimListeners = Listener;
    GroundLockLeave(&SimLock);
    return Listener;
}

void SimWeather(SIM_LISTENER *Listener, const SIM_WEATHER *Weather)
{
    GroundLockEnter(&SimLock);
    Listener->Weather = *Weather;
    GroundLockLeave(&SimLock);
}

void SimFates(SIM_LISTENER *Listener, const SIM_FATE *Fates, size_t Count)
{
    GroundLockEnter(&SimLock);
    Listener->FateNext = 0;
    Listener->FateCount = Count < FATES_MOST ? Count : FATES_MOST;
    memcpy(Listener->Fates, Fates, Listener->FateCount * sizeof(*Fates));
    GroundLockLeave(&SimLock);
}

void SimListenerClose(SIM_LISTENER *Listener)
{
    GroundLockEnter(&SimLock);
    Listener->Closed = true;
    while (Listener->WaitingCount != 0) {
        SIM_END *End = Listener->Waiting[--Listener->WaitingCount];
        EndFinish(End, true);
        EndFree(End);
    }
    GroundSignalWakeAll(&Listener->Changed);
    GroundLockLeave(&SimLock);
}

void SimListenerFree(SIM_LISTENER *Listener)
{
    GroundLockEnter(&SimLock);
    SIM_LISTENER **Link = &SimListeners;
    while (*Link != Listener) {
        Link = &(*Link)->Next;
    }
    *Link = Listener->Next;
    GroundLockLeave(&SimLock);
    free(Listener);
}

SIM_END *SimAccept(SIM_LISTENER *Listener)
{
    SIM_END *End = NULL;
    GroundLockEnter(&SimLock);
    while (Listener->WaitingCount == 0 && !Listener->Closed) {
        GroundSignalWait(&Listener->Changed, &SimLock, UINT64_MAX);
    }
    if (Listener->WaitingCount != 0) {
        End = Listener->Waiting[0];
        memmove(Listener->Waiting, Listener->Waiting + 1, --Listener->WaitingCount * sizeof(End));
    }
    GroundLockLeave(&SimLock);
    return End;
}

bool SimReceive(SIM_END *End, void *Bytes, size_t Length, uint64_t Deadline)
{
    size_t Done = 0;
    GroundLockEnter(&SimLock);
    while (Done < Length && !End->Broken) {
        size_t Part = EndGet(End, (unsigned char *)Bytes + Done, Length - Done);
        Done += Part;
        if (Part != 0) {
            continue;
        }
        uint64_t Now = GroundNow();
        if (EndIsOver(End, Now) || EndIsLost(End) || Now >= Deadline) {
            break;
        }
        uint64_t Until = EndArrivesAt(End);
        GroundSignalWait(&End->Changed, &SimLock, Until < Deadline ? Until : Deadline);
    }
    bool All = Done == Length && !End->Broken;
    GroundLockLeave(&SimLock);
    return All;
}

bool SimSend(SIM_END *End, const void *Bytes, size_t Length)
{
    size_t Done = 0;
    GroundLockEnter(&SimLock);
    while (Done < Length && !End->Broken && End->Peer != NULL && !End->EndSent) {
        size_t Part = EndPut(End, (const unsigned char *)Bytes + Done, Length - Done);
        Done += Part;
        if (Part == 0) {
            GroundSignalWait(&End->Changed, &SimLock, UINT64_MAX);
        }
    }
    GroundLockLeave(&SimLock);
    return Done == Length;
}

void SimBreak(SIM_END *End, bool Reset)
{
    GroundLockEnter(&SimLock);
    EndFinish(End, Reset);
    EndReset(End);
    GroundLockLeave(&SimLock);
}

void SimClose(SIM_END *End)
{
    GroundLockEnter(&SimLock);
    EndFree(End);
    GroundLockLeave(&SimLock);
}
