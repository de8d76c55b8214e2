/* SPDX-License-Identifier: LGPL-2.1-only */
/* Between served.c, which fetches, and served_answer.c, which answers: served.h. */
#pragma once

#include "served.h"

#define SERVED_THREADS_MOST 12u
#define SERVED_FILES 2u

typedef struct {
    SERVED *Served;
    GROUND_THREAD *Thread;
    UCHAR *Memory; /* the process's; NULL: it has none */
    UCHAR *Bytes;  /* its buffer, somewhere in it */
    uint32_t RoomBytes;
    bool Small;     /* less room than a request may need */
    bool Cancelled; /* has taken its fetch back */
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
} SERVED_THREAD;

struct SERVED {
    SLOT *Slot;
    PEPROCESS Process;
    NATIVE_FILE *Files[SERVED_FILES]; /* the adapter, opened by it */
    WNBD_CONNECTION_ID Connection;
    uint32_t BlockBytes;
    uint32_t MostDescriptors;
    uint32_t BufferBytes;
    uint32_t DelayMost;  /* 100 ns: before a request is carried out, and before it is answered */
    bool Rude;           /* some of what it does has to be refused */
    uint64_t EndsAt;     /* after so many requests it dies, or falls silent */
    uint32_t Ends;       /* the life's, when it began */
    uint32_t Inside;     /* threads that are in a call of the driver */
    uint32_t Cancels;    /* grows before and after a thread ends, with all that it had pended */
    uint32_t Cancelling; /* threads that are ending */
    bool Dying;
    bool Ended;  /* its memory is gone */
    bool Silent; /* does nothing more */
    bool Condemned;
    bool Stop; /* the disk is gone */
    uint64_t OldHandle;
    SERVER_COUNTS Counts;
    uint32_t ThreadCount;
    SERVED_THREAD Threads[SERVED_THREADS_MOST];
};

/*
 * Whether a call was refused because there is no disk any more, for a reason. A stopped adapter refuses, too: the disk
 * stays, but the thread doesn't come again.
 */
bool ServedRefused(const SERVED *Served, NTSTATUS Status);
/* Whether a call has come back so because another has failed on purpose. */
bool ServedCallFailed(const SERVED *Served, const FAULTS *Before, NTSTATUS Status);
NATIVE_FILE *ServedFile(SERVED *Served);
/* The process ends, once. */
void ServedEnd(SERVED *Served, NATIVE_PROCESS_END Way);
/* Carries the thread's request out and answers it, perhaps after answers that must be refused. */
void ServedAnswer(SERVED_THREAD *Thread);
