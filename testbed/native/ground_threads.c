/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground.h, free running: threads are pthreads, time is the machine's. */
#include "ground.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct GROUND_THREAD {
    pthread_t Id;
    void (*Routine)(void *);
    void *Context;
    int References; /* the thread's, which ends with its start, and the owner's */
};

static void GroundThreadDereference(GROUND_THREAD *Thread)
{
    if (__atomic_sub_fetch(&Thread->References, 1, __ATOMIC_ACQ_REL) == 0) {
        free(Thread);
    }
}

static uint64_t GroundRandomState = 0x9E3779B97F4A7C15u;

static void *GroundThreadMain(void *Context)
{
    GROUND_THREAD *Thread = Context;
    void (*Routine)(void *) = Thread->Routine;
    void *Argument = Thread->Context;
    GroundThreadDereference(Thread);
    Routine(Argument);
    return NULL;
}

GROUND_THREAD *GroundThreadStart(void (*Routine)(void *), void *Context, const char *Name)
{
    GROUND_THREAD *Thread = malloc(sizeof(*Thread));
    char Short[16];
    if (Thread == NULL) {
        return NULL;
    }
    Thread->Routine = Routine;
    Thread->Context = Context;
    Thread->References = 2;
    if (pthread_create(&Thread->Id, NULL, GroundThreadMain, Thread) != 0) {
        free(Thread);
        return NULL;
    }
    strncpy(Short, Name, sizeof(Short) - 1);
    Short[sizeof(Short) - 1] = '\0';
    pthread_setname_np(Thread->Id, Short);
    return Thread;
}

void GroundThreadJoin(GROUND_THREAD *Thread)
{
    pthread_join(Thread->Id, NULL);
    GroundThreadDereference(Thread);
}

void GroundThreadRelease(GROUND_THREAD *Thread)
{
    pthread_detach(Thread->Id);
    GroundThreadDereference(Thread);
}

void GroundThreadExit(void)
{
    pthread_exit(NULL);
}

void GroundLockEnter(GROUND_LOCK *Lock)
{
    pthread_mutex_lock(&Lock->Mutex);
}

void GroundLockLeave(GROUND_LOCK *Lock)
{
    pthread_mutex_unlock(&Lock->Mutex);
}

void GroundSignalInitialize(GROUND_SIGNAL *Signal)
{
    pthread_condattr_t Attributes;
    pthread_condattr_init(&Attributes);
    pthread_condattr_setclock(&Attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&Signal->Condition, &Attributes);
    pthread_condattr_destroy(&Attributes);
}

void GroundSignalDestroy(GROUND_SIGNAL *Signal)
{
    pthread_cond_destroy(&Signal->Condition);
}

static uint64_t GroundClock(clockid_t Clock)
{
    struct timespec Time;
    clock_gettime(Clock, &Time);
    return (uint64_t)Time.tv_sec * 10000000u + (uint64_t)Time.tv_nsec / 100u;
}

/* The monotonic clock at the first use, so that GroundNow starts near 0. */
static uint64_t GroundStart(void)
{
    static uint64_t Start;
    uint64_t Known = __atomic_load_n(&Start, __ATOMIC_RELAXED);
    if (Known == 0) {
        uint64_t Now = GroundClock(CLOCK_MONOTONIC);
        if (__atomic_compare_exchange_n(&Start, &Known, Now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            Known = Now;
        }
    }
    return Known;
}

void GroundSignalWait(GROUND_SIGNAL *Signal, GROUND_LOCK *Lock, uint64_t Deadline)
{
    uint64_t Absolute = Deadline + GroundStart();
    if (Deadline == UINT64_MAX || Absolute < Deadline) {
        pthread_cond_wait(&Signal->Condition, &Lock->Mutex);
        return;
    }
    struct timespec Time = {.tv_sec = (time_t)(Absolute / 10000000u), .tv_nsec = (long)(Absolute % 10000000u * 100u)};
    pthread_cond_timedwait(&Signal->Condition, &Lock->Mutex, &Time);
}

void GroundSignalWakeAll(GROUND_SIGNAL *Signal)
{
    pthread_cond_broadcast(&Signal->Condition);
}

void GroundYield(void)
{
    sched_yield();
}

void GroundStep(void)
{
}

void *GroundLocal(void)
{
    static _Thread_local _Alignas(16) unsigned char Local[GROUND_LOCAL_BYTES];
    return Local;
}

void GroundSeed(uint64_t Seed)
{
    __atomic_store_n(&GroundRandomState, Seed | 1u, __ATOMIC_RELAXED);
}

bool GroundOneIn(uint32_t N)
{
    if (N == 0) {
        return false;
    }
    /* SplitMix64: one atomic addition per number, so that threads need no lock. */
    uint64_t X = __atomic_add_fetch(&GroundRandomState, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED);
    X = (X ^ (X >> 30)) * 0xBF58476D1CE4E5B9u;
    X = (X ^ (X >> 27)) * 0x94D049BB133111EBu;
    X ^= X >> 31;
    return X % N == 0;
}

uint64_t GroundNow(void)
{
    uint64_t Start = GroundStart();
    return GroundClock(CLOCK_MONOTONIC) - Start;
}

uint64_t GroundSystemTime(void)
{
    return GroundClock(CLOCK_REALTIME) + 116444736000000000u; /* 1601 to 1970 */
}

void GroundSleep(uint64_t Duration)
{
    struct timespec Time = {.tv_sec = (time_t)(Duration / 10000000u), .tv_nsec = (long)(Duration % 10000000u * 100u)};
    nanosleep(&Time, NULL);
}
