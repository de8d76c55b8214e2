/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Random READ, WRITE with and without FUA, UNMAP and SYNCHRONIZE CACHE at
 * depth, beside a model of the disk. What is read must be what the model has.
 *
 *     RunStart(&Run, &Mix, Seed, Bytes);   the model is all zero, as the disk has to be
 *     DiskOpen(&Run.Disk, ...);
 *     RunRequests(&Run, 600);
 *     ... Run.Model is what the disk holds, on the server's medium
 *     RunEnd(&Run);
 */
#pragma once

#include "bed.h"

#define RANDOM_DEPTH_MAX 64

typedef enum { KIND_READ, KIND_WRITE, KIND_UNMAP, KIND_FLUSH, KIND_COUNT } KIND;

typedef struct {
    uint32_t Shares[KIND_COUNT]; /* how often each kind comes, beside the others */
    uint32_t LargeOneIn;         /* one request in so many has up to LargeBytes, the others up to SmallBytes */
    uint32_t LargeBytes;
    uint32_t SmallBytes;
    uint32_t FuaOneIn;
    uint32_t Depth; /* requests at once, up to RANDOM_DEPTH_MAX */
} RANDOM_MIX;

typedef struct {
    DISK_IO Io;
    bool Busy;
    KIND Kind;
    uint64_t Block;
    uint32_t Count;
    UCHAR *Data;
} WORKER;

typedef struct {
    const RANDOM_MIX *Mix;
    DISK Disk;
    UCHAR *Model;
    WORKER Workers[RANDOM_DEPTH_MAX];
    uint64_t Random;
    unsigned Done[KIND_COUNT];
} RUN;

void RunStart(RUN *Run, const RANDOM_MIX *Mix, uint64_t Seed, size_t DiskBytes);
/* So many requests, all of them waited for, and a SYNCHRONIZE CACHE. */
void RunRequests(RUN *Run, int Operations);
void RunEnd(RUN *Run);
