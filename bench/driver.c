/* SPDX-License-Identifier: LGPL-2.1-only */
/* The driver's whole path to an NBD server, natively (target.h): it talks TCP to the server at PORT. */
#include "target.h"

#include <nt.h>
#include <wnbd_ioctl.h>

#include "nbd/nbd.h"
#include "pool.h"
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>

static BENCH Bench;

/* Milliseconds, one per disk: until it is made, until Windows has it, until it is away. */
static double MapMs[BENCH_DISKS_MAX], ReadyMs[BENCH_DISKS_MAX], UnmapMs[BENCH_DISKS_MAX];
static uint64_t DiskBytes;

static double MsSince(uint64_t BeganNs)
{
    return (double)(BenchNowNs() - BeganNs) / 1e6;
}

static void Map(uint32_t Number)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties = {.Flags.UseKernelNbd = 1, .NbdProperties.PortNumber = Bench.Port};
    snprintf(Properties.NbdProperties.Hostname, sizeof(Properties.NbdProperties.Hostname), "127.0.0.1");
    uint64_t BeganNs = BenchNowNs();
    TargetCreate(Number, &Properties, &Result);
    MapMs[Number] = MsSince(BeganNs);
    TargetAwait(Number);
    ReadyMs[Number] = MsSince(BeganNs);
}

static void Unmap(uint32_t Number)
{
    uint64_t BeganNs = BenchNowNs();
    TargetRemove(Number);
    UnmapMs[Number] = MsSince(BeganNs);
}

static void MapAll(void)
{
    uint64_t Before = NativePoolBytes(WNBD_POOL_TAG);
    for (uint32_t Number = 0; Number < Bench.Disks; Number++) {
        Map(Number);
    }
    DiskBytes = (NativePoolBytes(WNBD_POOL_TAG) - Before) / Bench.Disks;
}

static void UnmapAll(void)
{
    for (uint32_t Number = Bench.Disks; Number-- > 0;) {
        Unmap(Number);
    }
}

static int Compare(const void *A, const void *B)
{
    double Left = *(const double *)A, Right = *(const double *)B;
    return (Left > Right) - (Left < Right);
}

static double Median(double *Values)
{
    qsort(Values, Bench.Disks, sizeof(*Values), Compare);
    return Values[Bench.Disks / 2];
}

int main(int ArgumentCount, char **Arguments)
{
    char Extra[256];
    BenchStart(&Bench, "driver", ArgumentCount, Arguments);
    TargetsStart(&Bench);
    MapAll();
    TargetsRun();
    UnmapAll();
    TargetsStop();
    snprintf(Extra, sizeof(Extra),
             ", \"map_ms\": %.3f, \"ready_ms\": %.3f, \"unmap_ms\": %.3f, \"disk_bytes\": %llu, \"slot_bytes\": %zu",
             Median(MapMs), Median(ReadyMs), Median(UnmapMs), (unsigned long long)DiskBytes,
             2 * sizeof(REQUEST) + sizeof(WIRE) + sizeof(SLOT) + sizeof(NBD_SLOT));
    BenchReport(&Bench, Extra);
    return 0;
}
