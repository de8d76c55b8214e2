/* SPDX-License-Identifier: LGPL-2.1-only */
/* simnet_private.h: the ends of connections, and what lies between them. */
#include "simnet_private.h"

#include <stdlib.h>
#include <string.h>

GROUND_LOCK SimLock = GROUND_LOCK_INITIALIZER;
SIM_LISTENER *SimListeners;
static size_t SimEnds;

SIM_END *EndMake(void)
{
    SIM_END *End = calloc(1, sizeof(*End));
    if (End == NULL) {
        abort();
    }
    GroundSignalInitialize(&End->Changed);
    SimEnds++;
    return End;
}

static void EndTakeWeather(SIM_END *End, const SIM_WEATHER *Weather)
{
    End->Weather = *Weather;
    End->Ring = malloc(Weather->CapacityBytes);
    if (End->Ring == NULL) {
        abort();
    }
}

/* Something has changed that somebody at this end may wait for. */
static void EndWake(SIM_END *End)
{
    if (End->Poller != NULL && End->Armed != 0) {
        GroundSignalWakeAll(End->Poller);
    }
    GroundSignalWakeAll(&End->Changed);
}

void EndReset(SIM_END *End)
{
    if (!End->Broken) {
        End->Broken = true;
        End->Used = 0;
        End->BatchCount = 0;
        EndWake(End);
    }
}

void EndFinish(SIM_END *End, bool Reset)
{
    SIM_END *Peer = End->Peer;
    if (Peer == NULL) {
        return;
    }
    if (Reset) {
        EndReset(Peer);
    } else if (!End->EndSent) {
        const BATCH *Last =
            Peer->BatchCount == 0 ? NULL : &Peer->Batches[(Peer->BatchFirst + Peer->BatchCount - 1) % BATCHES];
        Peer->Ended = true;
        Peer->EndAt = Last == NULL ? GroundNow() : Last->At;
        EndWake(Peer);
    }
    End->EndSent = true;
}

void EndFree(SIM_END *End)
{
    /* Closing with bytes unread is a reset, as TCP has it. */
    EndFinish(End, End->Used != 0);
    if (End->Peer != NULL) {
        End->Peer->Peer = NULL;
        EndWake(End->Peer);
    }
    free(End->Ring);
    free(End);
    SimEnds--;
}

/* Bytes that have arrived by now. */
static size_t EndArrived(const SIM_END *End, uint64_t Now)
{
    size_t Bytes = 0;
    for (size_t Index = 0; Index < End->BatchCount; Index++) {
        const BATCH *Batch = &End->Batches[(End->BatchFirst + Index) % BATCHES];
        if (Batch->At > Now) {
            break;
        }
        Bytes += Batch->Bytes;
    }
    return Bytes;
}

uint64_t EndArrivesAt(const SIM_END *End)
{
    if (End->BatchCount != 0) {
        return End->Batches[End->BatchFirst].At;
    }
    return End->Ended ? End->EndAt : UINT64_MAX;
}

bool EndIsOver(const SIM_END *End, uint64_t Now)
{
    return End->Ended && End->BatchCount == 0 && End->EndAt <= Now;
}

bool EndIsLost(const SIM_END *End)
{
    return End->Peer == NULL && !End->Ended;
}

static size_t SplitLength(const SIM_END *End, size_t Length)
{
    if (Length > 1 && GroundOneIn(End->Weather.SplitOneIn)) {
        return End->Weather.Single ? 1 : 1 + SeededBelow((uint32_t)Length);
    }
    return Length;
}

static void RingPut(SIM_END *End, const unsigned char *Bytes, size_t Length)
{
    for (size_t Done = 0; Done < Length;) {
        size_t At = (End->Head + End->Used) % End->Weather.CapacityBytes;
        size_t Part = End->Weather.CapacityBytes - At;
        Part = Part < Length - Done ? Part : Length - Done;
        memcpy(End->Ring + At, Bytes + Done, Part);
        End->Used += Part;
        Done += Part;
    }
}

static void RingGet(SIM_END *End, unsigned char *Bytes, size_t Length)
{
    for (size_t Done = 0; Done < Length;) {
        size_t Part = End->Weather.CapacityBytes - End->Head;
        Part = Part < Length - Done ? Part : Length - Done;
        memcpy(Bytes + Done, End->Ring + End->Head, Part);
        End->Head = (End->Head + Part) % End->Weather.CapacityBytes;
        End->Used -= Part;
        Done += Part;
    }
    for (size_t Left = Length; Left > 0;) {
        BATCH *Batch = &End->Batches[End->BatchFirst];
        size_t Part = Batch->Bytes < Left ? Batch->Bytes : Left;
        Batch->Bytes -= Part;
        Left -= Part;
        if (Batch->Bytes == 0) {
            End->BatchFirst = (End->BatchFirst + 1) % BATCHES;
            End->BatchCount--;
        }
    }
}

size_t EndPut(SIM_END *End, const unsigned char *Bytes, size_t Length)
{
    SIM_END *Peer = End->Peer;
    uint64_t At = GroundNow() + (Peer->Weather.DelayMost == 0 ? 0 : SeededBelow(Peer->Weather.DelayMost + 1));
    size_t Room = Peer->Weather.CapacityBytes - Peer->Used;
    Length = Length < Room ? Length : Room;
    if (Length == 0) {
        return 0;
    }
    Length = SplitLength(Peer, Length);
    RingPut(Peer, Bytes, Length);
    BATCH *Last = &Peer->Batches[(Peer->BatchFirst + Peer->BatchCount - 1) % BATCHES];
    if (Peer->BatchCount != 0 && (Last->At >= At || Peer->BatchCount == BATCHES)) {
        Last->Bytes += Length;
        Last->At = Last->At > At ? Last->At : At;
    } else {
        Peer->Batches[(Peer->BatchFirst + Peer->BatchCount++) % BATCHES] = (BATCH){At, Length};
    }
    SeededNote(Length);
    EndWake(Peer);
    return Length;
}

size_t EndGet(SIM_END *End, unsigned char *Bytes, size_t Length)
{
    size_t Arrived = EndArrived(End, GroundNow());
    Length = Length < Arrived ? Length : Arrived;
    if (Length != 0) {
        Length = SplitLength(End, Length);
        RingGet(End, Bytes, Length);
        SeededNote(Length);
        if (End->Peer != NULL) {
            EndWake(End->Peer);
        }
    }
    return Length;
}

void EndJoin(SIM_END *End, SIM_LISTENER *Listener)
{
    SIM_END *Other = EndMake();
    EndTakeWeather(End, &Listener->Weather);
    EndTakeWeather(Other, &Listener->Weather);
    End->Peer = Other;
    Other->Peer = End;
    End->State = Other->State = END_CONNECTED;
    Listener->Waiting[Listener->WaitingCount++] = Other;
    GroundSignalWakeAll(&Listener->Changed);
}

bool SimIsEmpty(void)
{
    return SimEnds == 0 && SimListeners == NULL;
}
