/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The life of an adapter, made from a seed: disks that come and go at servers
 * of all kinds, I/O to them, and what else happens to an adapter meanwhile.
 *
 *   life.c     beginning, end, and the threads in between
 *   session.c  one disk from its mapping to its end, again and again
 *   worker.c   random SRBs to a disk, their results against the model
 *   chaos.c    ioctls, power, stops and removals that nobody has asked for
 *   served.c   in some lives: a process that serves a disk in a server's place
 *   invariants.c  what holds of a disk's queue at each of these steps
 *   faults.c   in some lives: calls that fail on purpose, and what that excuses
 *
 * All threads are the seeded ground's: what one does between two places where
 * it may hand over (ground.h) is one step, so shared counters need no lock.
 */
#pragma once

#include "bed.h"

#include "ground_seeded.h"
#include "model.h"
#include "seeded_server.h"

#define LIFE_SLOTS_MOST 3u
#define LIFE_WORKERS_MOST 4u

/* Why an SRB may fail although nothing is wrong. Counters that grow and never fall: who remembers one sees a change. */
typedef struct {
    uint32_t Resets; /* begun and ended */
    uint32_t Ends;
} EXCUSES;

/* Calls that may fail on purpose, by what comes of it. */
typedef enum {
    FAULT_MEMORY,   /* pool, IRPs, MDLs, work items */
    FAULT_MAPPING,  /* of a class driver's MDL */
    FAULT_CONNECT,  /* an attempt to connect: a socket, its bind, its connect */
    FAULT_TRANSFER, /* a send or a receive, and the connection with it */
    FAULT_RESOLVE,
    FAULT_CAPTURE, /* of WSK's provider */
    FAULT_THREAD,  /* the port driver's scan */
    FAULT_START,   /* what else an adapter needs when it starts, and new devices */
    FAULT_KINDS
} FAULT_KIND;

/* How many have failed: who remembers it sees how many more. */
typedef struct {
    uint32_t Given[FAULT_KINDS];
} FAULTS;

/* What a process that serves a disk is like. */
typedef enum { CONDUCT_GOOD, CONDUCT_SLOW, CONDUCT_SILENT, CONDUCT_DIES, CONDUCT_COUNT } CONDUCT;

struct LIFE;
typedef struct SERVED SERVED;

typedef struct {
    struct LIFE *Life;
    uint32_t Number;
    char Name[16];
    uint16_t Port;
    GROUND_THREAD *Thread;
    MEDIUM Medium;
    MODEL Model;

    /* the session's */
    SERVER_PLAN Plan;
    SIM_WEATHER Weather;
    SEEDED_SERVER *Server;
    bool ByProcess; /* instead of a server */
    CONDUCT Conduct;
    SERVED *Served;
    bool Tiny;             /* bytes travel alone: few and small requests */
    bool Large;            /* most requests are of many blocks */
    bool WantReadOnly;     /* the mapper */
    uint32_t Reachable;    /* so many of its addresses let the driver connect */
    bool Ending;           /* somebody takes the disk away */
    bool Open;             /* Disk is valid */
    bool MayReset;         /* requests may reach their time limit */
    bool MayEnd;           /* the server may end it */
    uint32_t ResetsActive; /* asked for, not answered yet */
    uint32_t WorkersLeft;
    EXCUSES Excuses;
    FAULTS Faults; /* before it was mapped */
    DISK Disk;
    uint64_t ErrorsSeen;
    uint64_t Counted;   /* SRBs that the driver must have counted */
    uint64_t Uncounted; /* SRBs that it may have counted */
} SLOT;

typedef struct LIFE {
    BED Bed;
    uint64_t Seed;
    SLOT Slots[LIFE_SLOTS_MOST];
    uint32_t SlotCount;
    uint32_t SlotsLeft;
    uint32_t Rounds;       /* sessions of each slot */
    uint32_t Operations;   /* of each worker, about */
    bool Processes;        /* they serve some of the disks */
    uint32_t LateCaptures; /* the network starts after so many attempts to use it */
    bool Stopping;         /* the adapter is stopped, or on its way */
    bool Gone;             /* the adapter was pulled out */
    uint32_t BusResetsActive;
    EXCUSES Excuses;
    FAULTS Faults;
    uint64_t SrbsDone;
} LIFE;

/* One life, in which one in FaultOneIn calls that can fail does so (0: none). Returns the trace's hash. */
uint64_t LifeRun(uint64_t Seed, uint32_t FaultOneIn);
/* What happens, on stderr, with --verbose. */
extern bool LifeVerbose;
void LifeSay(const SLOT *Slot, const char *Format, ...) __attribute__((format(printf, 2, 3)));
/* Stops the test; Slot may be NULL. */
_Noreturn void LifeFail(const SLOT *Slot, const char *Format, ...) __attribute__((format(printf, 2, 3)));

/* A thread's routine; its context is the SLOT. */
void SessionMain(void *Context);
/* IOCTL_WNBD_REMOVE. */
NTSTATUS SlotUnmap(SLOT *Slot);
/* What its server, or the process in its place, has done so far. */
SERVER_COUNTS SlotCounts(const SLOT *Slot);
/* Nothing is under way: the counters must add up, among themselves, with the host's and with the server's. */
void CountersCheck(SLOT *Slot);
/* A thread's routine; its context is the LIFE. Ends when no slot is left. */
void ChaosMain(void *Context);

/* So many random requests, at random depth, until they are done or the disk is gone. */
void WorkerRun(SLOT *Slot, uint32_t Operations);
/* SRB_FUNCTION_RESET_LOGICAL_UNIT, _RESET_DEVICE or _RESET_BUS, waited for. */
void WorkerReset(SLOT *Slot, ULONG Function);
void WorkerResetBus(SLOT *Slot);

/* FaultOneIn as the seed has it: 0 for most. */
uint32_t FaultsDraw(uint64_t Seed);
/* A life begins. What NativeStart has to be told. */
NATIVE_FAULTS *FaultsBegin(LIFE *Life, uint32_t OneIn);
/* So many calls have failed in this life. */
uint32_t FaultsGiven(void);
/* So many calls of a kind have failed since Before was the life's Faults. */
uint32_t FaultsSince(const LIFE *Life, const FAULTS *Before, FAULT_KIND Kind);
bool FaultsAny(const LIFE *Life, const FAULTS *Before);
/* Whether the refusal of a map is what the documents say of calls that have failed since it was begun. */
bool FaultsRefuse(const SLOT *Slot, NTSTATUS Status, const WNBD_CREATE_RESULT *Answer);
/* Whether the port driver has refused an SRB, which it has not touched, for want of what calls since Before lacked. */
bool FaultsRefuseSrb(const LIFE *Life, const FAULTS *Before, UCHAR SrbStatus);
/* Takes notice of what is said to a debugger: a failed call has ended a connection, or made the host reset the bus. */
void FaultsHear(const char *Text);
/* The driver's ioctl, again as often as it could not be sent because a call has failed. */
NTSTATUS FaultsAsk(LIFE *Life, const void *Command, ULONG CommandBytes, void *Answer, ULONG AnswerBytes, ULONG *Used);
