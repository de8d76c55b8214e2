/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The other side of the simulated network, for servers in the same process:
 * what GroundSocketConnect reaches is a listener of these. Between the two
 * sides lies a weather, which the seed decides: delays, small buffers, bytes
 * that arrive one by one. Functions that wait do so in virtual time.
 */
#pragma once

#include "ground.h"

/* How the network is at a listener; new connections take it over. Times in units of 100 ns. */
typedef struct {
    uint32_t DelayMost;     /* of bytes on the way, 0: none */
    uint32_t CapacityBytes; /* of each direction's buffer, at least 1 */
    uint32_t SplitOneIn;    /* one in so many receives and sends is cut short, 0: none, 1: all */
    bool Single;            /* what is cut short is one byte, else anything */
} SIM_WEATHER;

/* What becomes of one attempt to connect. */
typedef struct {
    GROUND_NET Result; /* OK, or why not; WOULD_BLOCK: never an answer */
    uint32_t Delay;    /* until it is known */
} SIM_FATE;

typedef struct SIM_LISTENER SIM_LISTENER;
typedef struct SIM_END SIM_END;

/* Port on every address of the simulated network, which is all of 127.0.0.0/8 and the names *.sim. */
SIM_LISTENER *SimListen(uint16_t Port, const SIM_WEATHER *Weather);
void SimWeather(SIM_LISTENER *Listener, const SIM_WEATHER *Weather);
/* What happens to the next attempts; Fates is copied. After the last one, all succeed at once. */
void SimFates(SIM_LISTENER *Listener, const SIM_FATE *Fates, size_t Count);
/* Refuses from now on, resets what waits to be accepted, wakes SimAccept. */
void SimListenerClose(SIM_LISTENER *Listener);
void SimListenerFree(SIM_LISTENER *Listener);
/* Waits for a connection; NULL: the listener is closed. The caller owns it until SimClose. */
SIM_END *SimAccept(SIM_LISTENER *Listener);

/* Waits for all of Length bytes; false: the peer has closed or reset before, or the deadline (GroundNow's) passed. */
bool SimReceive(SIM_END *End, void *Bytes, size_t Length, uint64_t Deadline);
/* Waits until all bytes are on their way; false: the connection is broken. */
bool SimSend(SIM_END *End, const void *Bytes, size_t Length);
/* The next SimReceive and SimSend, and those that wait, fail. Any thread. */
void SimBreak(SIM_END *End, bool Reset);
/* Gives the end back; no other thread may use it any more. */
void SimClose(SIM_END *End);
/* Everybody has closed everything: for the end of a run. */
bool SimIsEmpty(void);
