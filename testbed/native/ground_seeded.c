/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground_seeded.h: threads, locks, signals, chance and time of the seeded ground. */
#include "ground_seeded.h"

#include "ground_fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2026-01-01 in units of 100 ns since 1601: where virtual time begins. */
#define SYSTEM_TIME_BEGIN 134116128000000000u
/* A thread that spins alone so often waits for what never happens. */
#define SPINS_MOST 100000u
/* On a slow machine a deadline may pass while threads could still run: so far ahead, and so much in all. */
#define JUMP_MOST (500u * 10000u)
#define JUMPS_MOST (3u * 10000000u)

typedef enum { THREAD_READY, THREAD_WAITING, THREAD_ENDED } THREAD_STATE;

struct GROUND_THREAD {
    FIBER Fiber;
    struct GROUND_THREAD *Next; /* all threads, in the order of their start */
    void (*Routine)(void *);
    void *Context;
    char Name[24];
    THREAD_STATE State;
    const void *Awaited; /* lock, signal or thread; NULL: only the deadline */
    uint64_t Deadline;   /* UINT64_MAX: none */
    uint32_t Number;
    uint32_t Weight; /* how often it is chosen, beside the others */
    bool Owned;      /* by who started it: until it is joined or released */
    bool Report;     /* woken to print its stack */
    _Alignas(16) unsigned char Local[GROUND_LOCAL_BYTES];
};

static struct {
    GROUND_THREAD Main;
    GROUND_THREAD *Threads;
    GROUND_THREAD *Current;
    uint32_t Count;
    uint64_t Now;
    uint64_t Random;
    uint64_t Trace;
    uint64_t Switches;
    uint32_t StepsMost; /* between two hand-overs of a thread that needn't wait, twice the mean */
    uint32_t StepsLeft;
    uint32_t JumpOneIn; /* 0: never */
    uint64_t JumpsLeft; /* time that may still be jumped over, so that no time limit passes by jumps alone */
    uint32_t Spins;
} Seeded;

/* ---- Chance and the trace ---- */

/* SplitMix64. */
static uint64_t Mix(uint64_t X)
{
    X = (X ^ (X >> 30)) * 0xBF58476D1CE4E5B9u;
    X = (X ^ (X >> 27)) * 0x94D049BB133111EBu;
    return X ^ (X >> 31);
}

uint64_t SeededNumber(void)
{
    Seeded.Random += 0x9E3779B97F4A7C15u;
    return Mix(Seeded.Random);
}

uint32_t SeededBelow(uint32_t Below)
{
    return (uint32_t)((SeededNumber() >> 32) * Below >> 32);
}

bool SeededChance(uint32_t Thousandths)
{
    return SeededBelow(1000) < Thousandths;
}

bool GroundOneIn(uint32_t N)
{
    return N != 0 && SeededBelow(N) == 0;
}

void SeededNote(uint64_t Value)
{
    Seeded.Trace = Mix(Seeded.Trace ^ Value) + 0x9E3779B97F4A7C15u;
}

uint64_t SeededTrace(void)
{
    return Seeded.Trace;
}

uint64_t SeededSwitches(void)
{
    return Seeded.Switches;
}

static void ThreadForget(GROUND_THREAD *Thread)
{
    GROUND_THREAD **Link = &Seeded.Threads;
    while (*Link != Thread) {
        Link = &(*Link)->Next;
    }
    *Link = Thread->Next;
    FiberFree(&Thread->Fiber);
    free(Thread);
}

/* Those that have ended and belong to nobody; they can't free the stack that they run on. */
static void ThreadsSweep(void)
{
    for (GROUND_THREAD *Thread = Seeded.Threads, *Next; Thread != NULL; Thread = Next) {
        Next = Thread->Next;
        if (Thread->State == THREAD_ENDED && !Thread->Owned) {
            ThreadForget(Thread);
        }
    }
}

/* Released threads end in their own time. */
static void ThreadsFinish(void)
{
    ThreadsSweep();
    for (uint32_t Count = 0; Count < SPINS_MOST && Seeded.Main.Next != NULL; Count++) {
        GroundYield();
        ThreadsSweep();
    }
    if (Seeded.Current != &Seeded.Main || Seeded.Main.Next != NULL) {
        GroundWrite("seeded ground: a run begins while threads of the last one are left\n");
        SeededReport();
        abort();
    }
}

static uint32_t WeightDraw(void)
{
    static const uint32_t Weights[] = {1, 4, 4, 4, 16};
    return Weights[SeededBelow(5)];
}

void SeededBegin(uint64_t Seed)
{
    static const uint32_t Steps[] = {2, 8, 32, 128, 1024};
    if (Seeded.Current != NULL) {
        ThreadsFinish();
    }
    memset(&Seeded, 0, sizeof(Seeded));
    Seeded.Random = Mix(Seed + 1);
    Seeded.Threads = &Seeded.Main;
    Seeded.Current = &Seeded.Main;
    Seeded.Main.Deadline = UINT64_MAX;
    Seeded.Main.Weight = WeightDraw();
    strcpy(Seeded.Main.Name, "main");
    FiberMain(&Seeded.Main.Fiber);
    Seeded.StepsMost = Steps[SeededBelow(5)];
    Seeded.StepsLeft = 1 + SeededBelow(Seeded.StepsMost);
    Seeded.JumpsLeft = JUMPS_MOST;
    Seeded.JumpOneIn = SeededBelow(4) == 0 ? 500 + SeededBelow(5000) : 0;
}

/* The test bed's start: the seed is drawn from the run's. */
void GroundSeed(uint64_t Seed)
{
    if (Seeded.Current == NULL) {
        SeededBegin(Seed);
    } else {
        Seeded.Random = Mix(Seeded.Random ^ Seed);
    }
}

void SeededName(const char *Name)
{
    snprintf(Seeded.Current->Name, sizeof(Seeded.Current->Name), "%s", Name);
}

void *GroundLocal(void)
{
    if (Seeded.Current == NULL) {
        SeededBegin(0);
    }
    return Seeded.Current->Local;
}

/* ---- Who runs ---- */

static void ReportHere(void)
{
    char Line[160];
    const GROUND_THREAD *Thread = Seeded.Current;
    char Until[40] = "";
    if (Thread->State == THREAD_WAITING && Thread->Deadline != UINT64_MAX) {
        snprintf(Until, sizeof(Until), ", %lld ms more", (long long)(Thread->Deadline - Seeded.Now) / 10000);
    }
    snprintf(Line, sizeof(Line), "\nthread %u \"%s\": %s%s\n", Thread->Number, Thread->Name,
             Thread->State == THREAD_READY ? "can run" : "waits", Until);
    GroundWrite(Line);
    GroundBacktrace();
}

static void SwitchTo(GROUND_THREAD *Thread)
{
    GROUND_THREAD *From = Seeded.Current;
    Seeded.Current = Thread;
    FiberSwitch(&From->Fiber, &Thread->Fiber, From->State == THREAD_ENDED);
    while (Seeded.Current->Report) {
        GROUND_THREAD *Reporter = Seeded.Threads;
        ReportHere();
        Seeded.Current->Report = false;
        while (!Reporter->Report) {
            Reporter = Reporter->Next;
        }
        From = Seeded.Current;
        Seeded.Current = Reporter;
        FiberSwitch(&From->Fiber, &Reporter->Fiber, false);
    }
}

void SeededReport(void)
{
    GROUND_THREAD *Reporter = Seeded.Current;
    char Line[120];
    snprintf(Line, sizeof(Line), "virtual time %llu.%07llu s, %llu hand-overs\n",
             (unsigned long long)(Seeded.Now / 10000000), (unsigned long long)(Seeded.Now % 10000000),
             (unsigned long long)Seeded.Switches);
    GroundWrite(Line);
    ReportHere();
    for (GROUND_THREAD *Thread = Seeded.Threads; Thread != NULL; Thread = Thread->Next) {
        if (Thread != Reporter && Thread->State != THREAD_ENDED && FiberHasRun(&Thread->Fiber)) {
            /* It prints, and comes back to the one that is marked still. */
            Thread->Report = true;
            Reporter->Report = true;
            Seeded.Current = Thread;
            FiberSwitch(&Reporter->Fiber, &Thread->Fiber, false);
            Reporter->Report = false;
        }
    }
}

static void Stop(const char *Words)
{
    GroundWrite("seeded ground: ");
    GroundWrite(Words);
    GroundWrite("\n");
    SeededReport();
    abort();
}

/* The next deadline of a waiting thread; UINT64_MAX: none. */
static uint64_t NextDeadline(void)
{
    uint64_t Next = UINT64_MAX;
    for (const GROUND_THREAD *Thread = Seeded.Threads; Thread != NULL; Thread = Thread->Next) {
        if (Thread->State == THREAD_WAITING && Thread->Deadline < Next) {
            Next = Thread->Deadline;
        }
    }
    return Next;
}

static void TimeAdvance(uint64_t Now)
{
    if (Now > Seeded.Now) {
        Seeded.Now = Now;
        SeededNote(Now);
    }
}

/* Wakes whom the time has come for; returns the sum of the weights of those that can run, apart from Not. */
static uint32_t CollectReady(const GROUND_THREAD *Not)
{
    uint32_t Sum = 0;
    for (GROUND_THREAD *Thread = Seeded.Threads; Thread != NULL; Thread = Thread->Next) {
        if (Thread->State == THREAD_WAITING && Thread->Deadline <= Seeded.Now) {
            Thread->State = THREAD_READY;
        }
        if (Thread->State == THREAD_READY && Thread != Not) {
            Sum += Thread->Weight;
        }
    }
    return Sum;
}

/* Hands over to a thread that can run; Not is one that would rather not (it spins). */
static void Reschedule(GROUND_THREAD *Not)
{
    if (Seeded.JumpOneIn != 0 && SeededBelow(Seeded.JumpOneIn) == 0) {
        uint64_t Next = NextDeadline();
        if (Next != UINT64_MAX && Next > Seeded.Now && Next - Seeded.Now <= JUMP_MOST &&
            Next - Seeded.Now <= Seeded.JumpsLeft) {
            Seeded.JumpsLeft -= Next - Seeded.Now;
            TimeAdvance(Next);
        }
    }
    uint32_t Sum = CollectReady(Not);
    while (Sum == 0) {
        uint64_t Next = NextDeadline();
        if (Next == UINT64_MAX) {
            if (Not == NULL || ++Seeded.Spins > SPINS_MOST) {
                Stop(Not == NULL ? "every thread waits, and nothing will wake one" : "a thread spins for ever");
            }
            return;
        }
        TimeAdvance(Next);
        Sum = CollectReady(Not);
    }
    Seeded.Spins = 0;
    uint32_t Chosen = SeededBelow(Sum);
    GROUND_THREAD *Thread = Seeded.Threads;
    for (;; Thread = Thread->Next) {
        if (Thread->State != THREAD_READY || Thread == Not) {
            continue;
        }
        if (Chosen < Thread->Weight) {
            break;
        }
        Chosen -= Thread->Weight;
    }
    Seeded.StepsLeft = 1 + SeededBelow(Seeded.StepsMost);
    if (Thread != Seeded.Current) {
        Seeded.Switches++;
        SeededNote(Thread->Number);
        SwitchTo(Thread);
    }
}

void GroundStep(void)
{
    if (Seeded.Current != NULL && --Seeded.StepsLeft == 0) {
        Reschedule(NULL);
    }
}

void GroundYield(void)
{
    Reschedule(Seeded.Current);
}

/* Until somebody wakes who waits for Awaited, or the deadline. */
static void Wait(const void *Awaited, uint64_t Deadline)
{
    GROUND_THREAD *Thread = Seeded.Current;
    Thread->State = THREAD_WAITING;
    Thread->Awaited = Awaited;
    Thread->Deadline = Deadline;
    Reschedule(NULL);
    Thread->Awaited = NULL;
    Thread->Deadline = UINT64_MAX;
}

static void Wake(const void *Awaited)
{
    for (GROUND_THREAD *Thread = Seeded.Threads; Thread != NULL; Thread = Thread->Next) {
        if (Thread->State == THREAD_WAITING && Thread->Awaited == Awaited) {
            Thread->State = THREAD_READY;
        }
    }
}

/* ---- Threads ---- */

void GroundThreadExit(void)
{
    Seeded.Current->State = THREAD_ENDED;
    Wake(Seeded.Current);
    Reschedule(NULL);
    abort(); /* nobody chooses it again */
}

static void ThreadMain(void)
{
    Seeded.Current->Routine(Seeded.Current->Context);
    GroundThreadExit();
}

GROUND_THREAD *GroundThreadStart(void (*Routine)(void *), void *Context, const char *Name)
{
    GROUND_THREAD *Thread = calloc(1, sizeof(*Thread));
    if (Thread == NULL) {
        return NULL;
    }
    ThreadsSweep();
    Thread->Routine = Routine;
    Thread->Context = Context;
    snprintf(Thread->Name, sizeof(Thread->Name), "%s", Name);
    Thread->Deadline = UINT64_MAX;
    Thread->Number = ++Seeded.Count;
    Thread->Weight = WeightDraw();
    Thread->Owned = true;
    FiberMake(&Thread->Fiber, ThreadMain);
    GROUND_THREAD **Link = &Seeded.Threads;
    while (*Link != NULL) {
        Link = &(*Link)->Next;
    }
    *Link = Thread;
    GroundStep();
    return Thread;
}

void GroundThreadJoin(GROUND_THREAD *Thread)
{
    while (Thread->State != THREAD_ENDED) {
        Wait(Thread, UINT64_MAX);
    }
    ThreadForget(Thread);
}

void GroundThreadRelease(GROUND_THREAD *Thread)
{
    Thread->Owned = false;
    ThreadsSweep();
}

/* ---- Locks and signals ---- */

void GroundLockEnter(GROUND_LOCK *Lock)
{
    GroundStep();
    while (Lock->Owner != NULL) {
        if (Lock->Owner == Seeded.Current) {
            Stop("a thread enters a lock that it has entered already");
        }
        Wait(Lock, UINT64_MAX);
    }
    Lock->Owner = Seeded.Current;
}

void GroundLockLeave(GROUND_LOCK *Lock)
{
    Lock->Owner = NULL;
    Wake(Lock);
    GroundStep();
}

void GroundSignalInitialize(GROUND_SIGNAL *Signal)
{
    memset(Signal, 0, sizeof(*Signal));
}

void GroundSignalDestroy(GROUND_SIGNAL *Signal)
{
    (void)Signal;
}

void GroundSignalWait(GROUND_SIGNAL *Signal, GROUND_LOCK *Lock, uint64_t Deadline)
{
    Lock->Owner = NULL;
    Wake(Lock);
    Wait(Signal, Deadline);
    while (Lock->Owner != NULL) {
        Wait(Lock, UINT64_MAX);
    }
    Lock->Owner = Seeded.Current;
}

void GroundSignalWakeAll(GROUND_SIGNAL *Signal)
{
    Wake(Signal);
}

/* ---- Time ---- */

uint64_t GroundNow(void)
{
    return ++Seeded.Now; /* a little more each time, so that no two moments are the same */
}

uint64_t GroundSystemTime(void)
{
    return SYSTEM_TIME_BEGIN + GroundNow();
}

void GroundSleep(uint64_t Duration)
{
    Wait(NULL, Seeded.Now + Duration);
}
