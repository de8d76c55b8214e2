/* SPDX-License-Identifier: LGPL-2.1-only */
/* bench.h: workload, clocks, histogram, result. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define WARM_NS 150000000u
#define NS_PER_S 1000000000.0

/* Latencies: 64 steps to each power of two, so a step is at most 1.6 % wide. */
#define STEP_BITS 6u
#define STEPS (1u << STEP_BITS)
static uint32_t Histogram[(64 - STEP_BITS + 1) * STEPS];

void BenchFail(const char *What)
{
    fprintf(stderr, "bench: %s\n", What);
    exit(1);
}

uint64_t BenchNowNs(void)
{
    struct timespec Time;
    clock_gettime(CLOCK_MONOTONIC, &Time);
    return (uint64_t)Time.tv_sec * 1000000000u + (uint64_t)Time.tv_nsec;
}

static double CpuUs(void)
{
    struct rusage Usage;
    getrusage(RUSAGE_SELF, &Usage);
    return (double)(Usage.ru_utime.tv_sec + Usage.ru_stime.tv_sec) * 1e6 + (double)Usage.ru_utime.tv_usec +
           (double)Usage.ru_stime.tv_usec;
}

static uint32_t Number(const char *Text, uint32_t Most)
{
    char *End;
    unsigned long Value = strtoul(Text, &End, 10);
    if (*End != '\0' || Value < 1 || Value > Most) {
        fprintf(stderr, "bench: \"%s\" is not a number from 1 to %u\n", Text, Most);
        exit(2);
    }
    return (uint32_t)Value;
}

void BenchStart(BENCH *Bench, const char *Program, int ArgumentCount, char **Arguments)
{
    if (ArgumentCount < 7 || ArgumentCount > 8) {
        BenchFail("arguments: PORT read|write|randread|randwrite BLOCK DEPTH DISKS SECONDS [COUNT]");
    }
    memset(Bench, 0, sizeof(*Bench));
    Bench->Program = Program;
    Bench->Port = (uint16_t)Number(Arguments[1], 65535);
    Bench->Operation = Arguments[2];
    Bench->Write = strstr(Arguments[2], "write") != NULL;
    Bench->Random = strncmp(Arguments[2], "rand", 4) == 0;
    Bench->BlockBytes = Number(Arguments[3], 2u * 1024 * 1024);
    Bench->Depth = Number(Arguments[4], BENCH_DEPTH_MAX);
    Bench->Disks = Number(Arguments[5], BENCH_DISKS_MAX);
    Bench->MeasureNs = (uint64_t)(atof(Arguments[6]) * NS_PER_S);
    Bench->CountMax = ArgumentCount == 8 ? Number(Arguments[7], 1000000000) : UINT64_MAX;
    if (Bench->BlockBytes % BENCH_STAMP_BYTES != 0 || Bench->MeasureNs == 0) {
        BenchFail("BLOCK must be a multiple of 4096, SECONDS more than 0");
    }
    for (uint32_t Disk = 0; Bench->Random && Disk < BENCH_DISKS_MAX; Disk++) {
        Bench->Next[Disk] = 88172645463325252u + Disk * 0x9E3779B97F4A7C15u;
    }
}

void BenchSlot(const BENCH *Bench, BENCH_SLOT *Slot)
{
    void *Memory;
    if (posix_memalign(&Memory, 4096, Bench->BlockBytes) != 0) {
        BenchFail("no memory");
    }
    memset(Memory, 0x5A, Bench->BlockBytes);
    Slot->Data = Memory;
}

static uint64_t NextBlock(BENCH *Bench, uint32_t Disk)
{
    uint64_t Blocks = Bench->SizeBytes / Bench->BlockBytes, State = Bench->Next[Disk];
    if (!Bench->Random) {
        Bench->Next[Disk] = State + 1;
        return State % Blocks;
    }
    State ^= State << 13;
    State ^= State >> 7;
    State ^= State << 17;
    Bench->Next[Disk] = State;
    return State % Blocks;
}

void BenchBegin(BENCH *Bench, BENCH_SLOT *Slot, uint32_t Disk)
{
    Slot->Offset = NextBlock(Bench, Disk) * Bench->BlockBytes;
    for (uint32_t At = 0; Bench->Write && At < Bench->BlockBytes; At += BENCH_STAMP_BYTES) {
        uint64_t Stamp = Slot->Offset + At;
        memcpy(Slot->Data + At, &Stamp, sizeof(Stamp));
    }
    Slot->BeganNs = BenchNowNs();
}

static void CheckStamp(const BENCH_SLOT *Slot, uint32_t At)
{
    uint64_t Stamp;
    memcpy(&Stamp, Slot->Data + At, sizeof(Stamp));
    if (Stamp != Slot->Offset + At) {
        fprintf(stderr, "bench: wrong data at %" PRIu64 ": it says that it belongs to %" PRIu64 "\n", Slot->Offset + At,
                Stamp);
        exit(1);
    }
}

static void Note(uint64_t Ns)
{
    uint32_t Power = Ns < STEPS ? 0 : 63 - STEP_BITS - (uint32_t)__builtin_clzll(Ns) + 1;
    uint64_t Step = Power == 0 ? Ns : (Ns >> (Power - 1)) - STEPS;
    Histogram[Power * STEPS + Step]++;
}

static void BenchPhase(BENCH *Bench, uint64_t Now)
{
    if (Bench->Phase == BENCH_WARMING) {
        Bench->Phase = BENCH_MEASURING;
        Bench->CpuUs = CpuUs();
        Bench->Transfers = CallsTransfers;
        Bench->Polls = CallsPolls;
        Bench->Ioctls = CallsIoctls;
        Bench->BeganNs = Now;
        Bench->PhaseEndNs = Now + Bench->MeasureNs;
        MeasuredBegin();
    } else {
        MeasuredEnd();
        Bench->Phase = BENCH_ENDING;
        Bench->CpuUs = CpuUs() - Bench->CpuUs;
        Bench->Transfers = CallsTransfers - Bench->Transfers;
        Bench->Polls = CallsPolls - Bench->Polls;
        Bench->Ioctls = CallsIoctls - Bench->Ioctls;
        Bench->ElapsedNs = Now - Bench->BeganNs;
    }
}

bool BenchEnded(BENCH *Bench, BENCH_SLOT *Slot)
{
    uint64_t Now = BenchNowNs();
    Bench->Ended++;
    if (!Bench->Write) {
        CheckStamp(Slot, 0);
        CheckStamp(Slot, Bench->BlockBytes - BENCH_STAMP_BYTES);
    }
    if (Bench->Phase == BENCH_ENDING) {
        return false;
    }
    if (Bench->PhaseEndNs == 0) {
        Bench->PhaseEndNs = Now + (WARM_NS < Bench->MeasureNs ? WARM_NS : Bench->MeasureNs);
    }
    if (Bench->Phase == BENCH_MEASURING) {
        Note(Now - Slot->BeganNs);
        Bench->Count++;
    }
    if (Now >= Bench->PhaseEndNs || Bench->Count >= Bench->CountMax) {
        BenchPhase(Bench, Now);
    }
    return Bench->Phase != BENCH_ENDING;
}

/* Microseconds that this share of the requests took at most. */
static double Percentile(const BENCH *Bench, double Share)
{
    uint64_t Before = 0, Wanted = (uint64_t)((double)Bench->Count * Share);
    for (uint32_t Index = 0; Index < sizeof(Histogram) / sizeof(Histogram[0]); Index++) {
        uint32_t Power = Index / STEPS, Step = Index % STEPS;
        Before += Histogram[Index];
        if (Before > Wanted) {
            return (double)(Power == 0 ? Step : (uint64_t)(STEPS + Step) << (Power - 1)) / 1000.0;
        }
    }
    return 0;
}

void BenchReport(const BENCH *Bench, const char *Extra)
{
    double Seconds = (double)Bench->ElapsedNs / NS_PER_S, Count = (double)Bench->Count;
    if (Bench->Count == 0) {
        BenchFail("no request ended while it was measured");
    }
    printf("{\"program\": \"%s\", \"operation\": \"%s\", \"block\": %u, \"depth\": %u, \"disks\": %u, ", Bench->Program,
           Bench->Operation, Bench->BlockBytes, Bench->Depth, Bench->Disks);
    printf("\"requests\": %" PRIu64 ", \"ended\": %" PRIu64
           ", \"seconds\": %.4f, \"iops\": %.1f, \"mib_per_s\": %.2f, ",
           Bench->Count, Bench->Ended, Seconds, Count / Seconds, Count * Bench->BlockBytes / 1048576.0 / Seconds);
    printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, ", Percentile(Bench, 0.5), Percentile(Bench, 0.99),
           Percentile(Bench, 0.999));
    printf("\"cpu_us_per_io\": %.3f, \"transfers_per_io\": %.4f, \"calls_per_io\": %.4f, ", Bench->CpuUs / Count,
           (double)Bench->Transfers / Count, (double)(Bench->Transfers + Bench->Polls) / Count);
    printf("\"ioctls_per_io\": %.4f%s}\n", (double)Bench->Ioctls / Count, Extra);
}
