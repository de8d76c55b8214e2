/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the test bed stands on: threads, time and sockets of Linux, behind one
 * header. There are two grounds: the free-running one (ground_threads.c, ground_net.c)
 * and the seeded one, one step at a time with virtual time and a simulated network
 * (ground_seeded.c, ground_simnet.c); ground_process.c belongs to both. A program
 * chooses by what it links. Nothing here knows NT; nothing else of the test bed
 * calls Linux.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Threads ---- */

typedef struct GROUND_THREAD GROUND_THREAD;
typedef union {
    pthread_mutex_t Mutex;
    GROUND_THREAD *Owner; /* the seeded ground's */
} GROUND_LOCK;
typedef union {
    pthread_cond_t Condition;
    uint64_t Given; /* the seeded ground's */
} GROUND_SIGNAL;

#define GROUND_LOCK_INITIALIZER {PTHREAD_MUTEX_INITIALIZER}

GROUND_THREAD *GroundThreadStart(void (*Routine)(void *), void *Context, const char *Name);
/* Waits for the thread's end and frees it. */
void GroundThreadJoin(GROUND_THREAD *Thread);
/* Lets the thread free itself when it ends. */
void GroundThreadRelease(GROUND_THREAD *Thread);
/* Ends the calling thread, whose routine doesn't return then. */
void GroundThreadExit(void) __attribute__((noreturn));

void GroundLockEnter(GROUND_LOCK *Lock);
void GroundLockLeave(GROUND_LOCK *Lock);
void GroundSignalInitialize(GROUND_SIGNAL *Signal);
void GroundSignalDestroy(GROUND_SIGNAL *Signal);
/* Waits until the signal is given or Deadline (GroundNow's clock) has passed; UINT64_MAX: no limit. May wake early. */
void GroundSignalWait(GROUND_SIGNAL *Signal, GROUND_LOCK *Lock, uint64_t Deadline);
void GroundSignalWakeAll(GROUND_SIGNAL *Signal);

/* The calling thread spins: another one has to run. */
void GroundYield(void);
/* A place where another thread may run: every entry into NT. Costs little. */
void GroundStep(void);
/* Memory of the calling thread's own, GROUND_LOCAL_BYTES, zero when the thread begins. */
#define GROUND_LOCAL_BYTES 1024u
void *GroundLocal(void);
/* How many of the next N cases one thing happens in: true once in N calls or so; N 0: never. Any thread. */
bool GroundOneIn(uint32_t N);
void GroundSeed(uint64_t Seed);

/* ---- Time, in units of 100 ns ---- */

uint64_t GroundNow(void);        /* since the start of this process; never goes back */
uint64_t GroundSystemTime(void); /* since 1601 */
void GroundSleep(uint64_t Duration);

/* ---- Sockets: TCP, never blocking ---- */

typedef struct {
    bool V6;
    uint8_t Ip[16]; /* network byte order; 4 bytes of it for IPv4 */
    uint16_t Port;  /* host byte order */
    uint32_t Scope;
} GROUND_ADDRESS;

typedef struct {
    void *Base;
    size_t Length;
} GROUND_PIECE;

typedef enum {
    GROUND_NET_OK,
    GROUND_NET_WOULD_BLOCK,
    GROUND_NET_REFUSED,
    GROUND_NET_RESET,
    GROUND_NET_UNREACHABLE,
    GROUND_NET_TIMED_OUT,
    GROUND_NET_NOT_LOCAL,
    GROUND_NET_IN_USE,
    GROUND_NET_NO_RESOURCES,
    GROUND_NET_UNSUPPORTED,
    GROUND_NET_FAILED
} GROUND_NET;

#define GROUND_PIECES_MAX 64

GROUND_NET GroundSocketOpen(bool V6, int *Socket);
void GroundSocketClose(int Socket);
GROUND_NET GroundSocketBind(int Socket, const GROUND_ADDRESS *Address);
/* WOULD_BLOCK: under way; writable, then GroundSocketConnected. */
GROUND_NET GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address);
GROUND_NET GroundSocketConnected(int Socket);
GROUND_NET GroundSocketSend(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Sent);
/* OK with 0 bytes: the peer has closed. */
GROUND_NET GroundSocketReceive(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Received);
/* Ends both directions: with Abort, by a reset. */
void GroundSocketShutdown(int Socket, bool Abort);
GROUND_NET GroundSocketAddress(int Socket, bool Remote, GROUND_ADDRESS *Address);
/* Option by this project's names; false: not supported. */
typedef enum { GROUND_OPTION_KEEPALIVE, GROUND_OPTION_NODELAY } GROUND_OPTION;
bool GroundSocketOption(int Socket, GROUND_OPTION Option, int Value);

/* Waits for sockets to become ready. One poller, one waiting thread. */
typedef struct GROUND_POLLER GROUND_POLLER;
#define GROUND_POLL_READ 1u
#define GROUND_POLL_WRITE 2u
GROUND_POLLER *GroundPollerOpen(void);
void GroundPollerClose(GROUND_POLLER *Poller);
/* Asks for one report of readiness for Events; replaces an earlier request. 0 for both: none any more. */
void GroundPollerArm(GROUND_POLLER *Poller, int Socket, uint32_t Events, void *Context);
void GroundPollerForget(GROUND_POLLER *Poller, int Socket);
/* Makes a wait return. Any thread. */
void GroundPollerWake(GROUND_POLLER *Poller);
typedef struct {
    void *Context;
    uint32_t Events;
} GROUND_READY;
size_t GroundPollerWait(GROUND_POLLER *Poller, GROUND_READY *Ready, size_t Capacity);

/*
 * Resolves a name or a number (UTF-8; either may be empty) to at most Capacity
 * addresses. Blocks. Returns how many, or -1: the name is unknown.
 */
int GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses, int Capacity);

/* ---- The process ---- */

/* Writes to stderr, one call one piece. */
void GroundWrite(const char *Text);
void GroundBacktrace(void);
/* Who called, the innermost first: offsets into the program, the same in each of its runs; libraries' are left out. */
size_t GroundFrames(uint64_t *Offsets, size_t Capacity);
/* Function and line, or the offset again where no sanitizer is linked that could tell. */
void GroundFrameName(uint64_t Offset, char *Text, size_t Size);
/* The address lies in the program's own data. */
bool GroundIsStatic(const void *Address);
/* Marks memory as unusable or usable for the address sanitizer, where there is one. */
void GroundPoison(const void *Address, size_t Length);
void GroundUnpoison(const void *Address, size_t Length);
