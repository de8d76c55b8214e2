/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk whose process may go or fall silent, and a clock of the test's, which
 * the linker puts in front of the system's, so that limits of a minute pass in
 * no time: LINKER:--wrap of the functions in owned.c.
 */
#pragma once

#include "provider.h"

#include <stdatomic.h>

#define BLOCK_BYTES 512u
#define WRITE_BYTES (2u * 1024 * 1024)
#define SECOND 10000000ull
#define GONE_MS 60000u

typedef struct {
    PROVIDER Provider;
    DISK Disk;
    void *Buffer; /* of the process */
    UCHAR Data[WRITE_BYTES];
    DISK_IO Io;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
} SERVED;

extern _Atomic ULONGLONG ClockAhead; /* 100 ns */
extern _Atomic ULONGLONG Asleep;     /* 100 ns, of the machine */
extern atomic_uint Delays;           /* waits for memory to be unlocked */

void Pause(void);
/* Foreign: how many of the system's process notifications others have taken. */
void Start(BED *Bed, uint32_t Foreign);
/* The Count-th disk. */
void Serve(SERVED *Served, BED *Bed, const char *Name, size_t Count);
void Request(SERVED *Served, UCHAR Code, ULONG Bytes);
NATIVE_REQUEST *FetchBegin(SERVED *Served);
void FetchOne(SERVED *Served);
NTSTATUS Answer(SERVED *Served);
/* A read there and back. */
void Works(SERVED *Served);
void EndProvider(SERVED *Served);
/* The disk goes, and its name is free. */
void CheckGone(SERVED *Served, BED *Bed, size_t Children);
void Reset(BED *Bed);
/* So many looks at processes have been begun and ended from now on, and nothing has come of them. */
void AwaitLooks(unsigned Count);
