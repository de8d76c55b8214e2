/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the measuring programs share: the workload, what is measured, and
 * the result, one JSON object on standard output. tools/bench runs them in
 * turn and reads that.
 *
 *     PROGRAM PORT OPERATION BLOCK DEPTH DISKS SECONDS [COUNT]
 *
 * OPERATION is read, write, randread or randwrite; BLOCK is bytes of one
 * request, DEPTH requests in flight on each of DISKS disks (connections) to
 * the server at 127.0.0.1:PORT; bench_user has no server, but as many threads
 * as PORT says. It ends after SECONDS, or COUNT requests.
 *
 * Every 4 KiB of the server's medium begin with their own place (fill, of the
 * wire client, sees to that), which is checked in the first and the last 4 KiB
 * of every read and kept by every write.
 *
 * Threads: all functions in the one thread that completes requests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_DISKS_MAX 64u
#define BENCH_DEPTH_MAX 255u
#define BENCH_STAMP_BYTES 4096u

typedef enum { BENCH_WARMING, BENCH_MEASURING, BENCH_ENDING } BENCH_PHASE;

/* One place for a request. */
typedef struct {
    uint8_t *Data; /* BlockBytes of it */
    uint64_t Offset;
    uint64_t BeganNs;
} BENCH_SLOT;

typedef struct {
    const char *Program;
    const char *Operation;
    uint16_t Port;
    bool Write;
    bool Random;
    uint32_t BlockBytes;
    uint32_t Depth; /* of each disk */
    uint32_t Disks;
    uint64_t MeasureNs;
    uint64_t CountMax;
    uint64_t SizeBytes; /* of the medium; set by the program */
    uint64_t Ended;     /* requests, in all phases */

    BENCH_PHASE Phase;
    uint64_t PhaseEndNs;
    uint64_t Next[BENCH_DISKS_MAX]; /* state of the generator, or the next block, of each disk */

    /* since the measuring began; after it, for the time until it ended */
    uint64_t BeganNs;
    uint64_t ElapsedNs;
    uint64_t Count;
    double CpuUs;
    uint64_t Transfers; /* calls that move bytes over sockets */
    uint64_t Polls;     /* calls that wait for sockets */
    uint64_t Ioctls;    /* of the process that serves a disk */
} BENCH;

/* Reads the arguments; ends the program with a sentence where they make no sense. */
void BenchStart(BENCH *Bench, const char *Program, int ArgumentCount, char **Arguments);
void BenchSlot(const BENCH *Bench, BENCH_SLOT *Slot);
/* Chooses the next place on a disk, and prepares the data of a write. */
void BenchBegin(BENCH *Bench, BENCH_SLOT *Slot, uint32_t Disk);
/* A request has succeeded. False: its slot is not used again. */
bool BenchEnded(BENCH *Bench, BENCH_SLOT *Slot);
/* Prints the result. Extra: further members, each beginning with a comma, or "". */
void BenchReport(const BENCH *Bench, const char *Extra);
void BenchFail(const char *What) __attribute__((noreturn));

uint64_t BenchNowNs(void);

/* calls.c: what this process has called of the system's network functions. */
extern uint64_t CallsTransfers;
extern uint64_t CallsPolls;
/* What it has sent to the adapter; counted by the program. */
extern uint64_t CallsIoctls;

/* measured.c: for callgrind, whose counting begins and ends with the measuring. */
void MeasuredBegin(void);
void MeasuredEnd(void);
