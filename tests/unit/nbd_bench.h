/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A bench for the NBD engine: the test plays the server, message by message,
 * and reads what happened from a log with one line per event. The engine gets
 * the bytes in pieces of BenchChunk, so that every test of a message is also a
 * test of its parts; the log is the same for every chunking.
 */
#pragma once

#include "unit.h"

#include "nbd/nbd.h"
#include "nbd/wire.h"

#define BENCH_SLOTS 64u
#define BENCH_FOREIGN_COOKIE (UINT64_C(0x0123456789AB0000) | BENCH_SLOTS)
#define BENCH_LOG_SIZE (256u * 1024)

typedef struct {
    NBD_CLIENT Client;
    NBD_SLOT Slots[BENCH_SLOTS + 1]; /* one more than the client may touch, with BENCH_FOREIGN_COOKIE in flight */
    uint32_t Received[BENCH_SLOTS];  /* payload bytes of the reply in progress */
    uint32_t Sum[BENCH_SLOTS];       /* FNV-1a over them */
    uint8_t Output[4096];            /* what the client has sent */
    size_t OutputLength;
    char Log[BENCH_LOG_SIZE];
    size_t LogLength;
} BENCH;

/* Most bytes per call of NbdReceive; SIZE_MAX: all that there are. */
extern size_t BenchChunk;

/* NBD_GOAL_TRANSMISSION for the export "disk". */
extern const NBD_CONFIG BenchDisk;
extern const NBD_CONFIG BenchList;

/* A new connection and an empty log. */
void BenchStart(BENCH *Bench, const NBD_CONFIG *Config);

/* Bytes from the server. Returns false once the client has failed. */
bool BenchFeed(BENCH *Bench, const void *Bytes, size_t Length);

/* The server closes the connection. */
void BenchCloses(BENCH *Bench);

/* Messages of the server. */
void BenchGreets(BENCH *Bench, uint16_t HandshakeFlags);
void BenchAnswers(BENCH *Bench, uint32_t Option, uint32_t Type, const void *Data, uint32_t Length);
void BenchInfoExport(BENCH *Bench, uint64_t Size, uint16_t Flags);
void BenchInfoBlockSize(BENCH *Bench, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum);
void BenchLists(BENCH *Bench, const char *Name, const char *Description);
void BenchExportAnswer(BENCH *Bench, uint64_t Size, uint16_t Flags);
void BenchReplies(BENCH *Bench, uint32_t Error, uint64_t Cookie, const void *Data, size_t Length);

/* All of a handshake with NBD_OPT_GO, for tests of what comes after it; empties log and output. */
void BenchConnect(BENCH *Bench, const NBD_CONFIG *Config, uint64_t Size, uint16_t Flags);

/* Sends a request and appends its wire form to the output. */
void BenchRequests(BENCH *Bench, uint64_t Cookie, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset,
                   uint32_t Length);

/* The log, or the output, since the last look is exactly this. */
void BenchExpectLog(BENCH *Bench, const char *Expected);
void BenchExpectOutput(BENCH *Bench, const void *Expected, size_t Length);

/* The client failed for this reason, with this sentence, after nothing else happened; it accepts nothing more. */
void BenchExpectFailure(BENCH *Bench, NBD_FAILURE Failure, const char *Text);

/* FNV-1a, as in the log's lines about payload. */
uint32_t BenchSum(const void *Bytes, size_t Length);

/* The next random number; *Seed is never 0. */
uint32_t BenchRandom(uint32_t *Seed);

/* main of a test: runs the group; an argument is BenchChunk. */
#define BENCH_MAIN(Name)                                                                                               \
    int main(int Count, char **Arguments)                                                                              \
    {                                                                                                                  \
        BenchChunk = Count > 1 ? strtoul(Arguments[1], NULL, 10) : SIZE_MAX;                                           \
        return cmocka_run_group_tests_name(Name, Tests, NULL, NULL);                                                   \
    }
