/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Lives of an adapter, one for each seed:
 *
 *     sim_seeds --seed 17              one
 *     sim_seeds --seed 1 --count 1000  a thousand
 *     sim_seeds --seed 1 --seconds 60  as many as there is time for
 *     --faults N                       one in N calls that can fail does so; 0: none; without it, the seed decides
 *     --twice                          each seed two times: the traces must be the same, those of two seeds not
 *     --verbose                        what happens, on standard error
 *
 * A failure prints the seed and the command that repeats it.
 */
#include "life.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The sanitizers', in a program that has one. */
extern void __sanitizer_set_death_callback(void (*Callback)(void)) __attribute__((weak));

#define FAULTS_DRAWN UINT64_MAX

/* Real seconds after which one life is stuck. */
#define LIFE_LIMIT_S 300

typedef struct {
    uint64_t Seed;
    uint64_t Count;
    uint64_t Seconds;
    uint64_t Faults; /* FAULTS_DRAWN: as the seed has it */
    bool Twice;
} ARGUMENTS;

/*
 * Much is allocated and freed: shorter stacks of that, and memory that comes back sooner, halve the time. So does it
 * that functions' variables aren't watched after their return, for which each fiber would get a second stack: all other
 * tests of the same code do that.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=8:quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1:"
           "detect_stack_use_after_return=0";
}

static const char *Program;
static volatile uint64_t CurrentSeed, DoneCount;
static volatile uint32_t CurrentFaults;

/* In any state of the process. */
static void TellSeed(void)
{
    static bool Told;
    char Text[400], Failing[80] = "";
    if (!Told) {
        Told = true;
        if (CurrentFaults != 0) {
            snprintf(Failing, sizeof(Failing), " One in %" PRIu32 " calls failed on purpose, %" PRIu32 " in all.",
                     CurrentFaults, FaultsGiven());
        }
        snprintf(Text, sizeof(Text),
                 "\nseed %" PRIu64 " failed, after %" PRIu64 " that did not.%s To repeat it:\n"
                 "    %s --seed %" PRIu64 " --faults %" PRIu32 "\n",
                 CurrentSeed, DoneCount, Failing, Program, CurrentSeed, CurrentFaults);
        GroundWrite(Text);
    }
}

/* Broken rules and checks abort, the driver's invariants trap. */
static void OnEnd(int Signal)
{
    TellSeed();
    if (Signal != SIGABRT) {
        GroundBacktrace();
    }
    signal(Signal, SIG_DFL);
    raise(Signal);
}

static void OnAlarm(int Signal)
{
    (void)Signal;
    GroundWrite("the life doesn't end:\n");
    SeededReport();
    abort();
}

static uint64_t Number(const char *Text)
{
    char *End;
    errno = 0;
    uint64_t Value = strtoull(Text, &End, 10);
    if (errno != 0 || *End != '\0' || End == Text) {
        fprintf(stderr, "sim_seeds: '%s' is no number\n", Text);
        exit(2);
    }
    return Value;
}

static void Parse(int Count, char **Words, ARGUMENTS *Arguments)
{
    *Arguments = (ARGUMENTS){.Seed = 1, .Count = 1, .Faults = FAULTS_DRAWN};
    for (int Index = 1; Index < Count; Index++) {
        bool Value = Index + 1 < Count;
        if (strcmp(Words[Index], "--seed") == 0 && Value) {
            Arguments->Seed = Number(Words[++Index]);
        } else if (strcmp(Words[Index], "--count") == 0 && Value) {
            Arguments->Count = Number(Words[++Index]);
        } else if (strcmp(Words[Index], "--seconds") == 0 && Value) {
            Arguments->Seconds = Number(Words[++Index]);
            Arguments->Count = UINT64_MAX;
        } else if (strcmp(Words[Index], "--faults") == 0 && Value) {
            Arguments->Faults = Number(Words[++Index]);
        } else if (strcmp(Words[Index], "--twice") == 0) {
            Arguments->Twice = true;
        } else if (strcmp(Words[Index], "--verbose") == 0) {
            LifeVerbose = true;
        } else {
            fprintf(stderr, "usage: sim_seeds [--seed N] [--count M] [--seconds S] [--faults N] [--twice] "
                            "[--verbose]\n");
            exit(2);
        }
    }
}

static uint64_t RealSeconds(void)
{
    struct timespec Time;
    clock_gettime(CLOCK_MONOTONIC, &Time);
    return (uint64_t)Time.tv_sec;
}

static uint64_t RunOne(uint64_t Seed, uint64_t Faults)
{
    CurrentSeed = Seed;
    CurrentFaults = Faults == FAULTS_DRAWN ? FaultsDraw(Seed) : (uint32_t)Faults;
    alarm(LIFE_LIMIT_S);
    uint64_t Trace = LifeRun(Seed, CurrentFaults);
    alarm(0);
    return Trace;
}

int main(int Count, char **Words)
{
    ARGUMENTS Arguments;
    Program = Words[0];
    Parse(Count, Words, &Arguments);
    signal(SIGABRT, OnEnd);
    signal(SIGILL, OnEnd);
    signal(SIGTRAP, OnEnd);
    signal(SIGALRM, OnAlarm);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(TellSeed);
    }
    uint64_t Begin = RealSeconds(), Traces = 0, Last = 0;
    while (DoneCount < Arguments.Count && (Arguments.Seconds == 0 || RealSeconds() - Begin < Arguments.Seconds)) {
        uint64_t Seed = Arguments.Seed + DoneCount;
        uint64_t Trace = RunOne(Seed, Arguments.Faults);
        if (Arguments.Twice && RunOne(Seed, Arguments.Faults) != Trace) {
            fprintf(stderr, "the same seed has led to another life\n");
            abort();
        }
        if (LifeVerbose) {
            printf("seed %" PRIu64 ": %" PRIu64 " hand-overs, %" PRIu32 " failed calls, trace %016" PRIx64 "\n", Seed,
                   SeededSwitches(), FaultsGiven(), Trace);
        }
        if (Arguments.Twice && Trace == Last) {
            fprintf(stderr, "two seeds have led to the same life\n");
            abort();
        }
        Last = Trace;
        Traces ^= Trace;
        DoneCount++;
    }
    printf("%" PRIu64 " seeds from %" PRIu64 " in %" PRIu64 " s; their traces: %016" PRIx64 "\n", (uint64_t)DoneCount,
           Arguments.Seed, RealSeconds() - Begin, Traces);
    return 0;
}
