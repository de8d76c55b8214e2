/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A driver with one disk, and a Windows that shows it: a few variables, which
 * a test sets before it calls the library and looks at afterwards.
 */
#pragma once

#include "check.h"

/* How long anything that must happen may take, milliseconds. */
#define FAKE_PATIENCE_MS 60000

/* What a fetch of a disk that is gone is answered with. */
typedef enum {
    FakeSaysDisconnect,     /* every fetch, from now on */
    FakeSaysDisconnectOnce, /* one fetch; the others wait for ever */
    FakeSaysGone,           /* ERROR_FILE_NOT_FOUND, as to a fetch that comes too late for the farewell */
    FakeSaysError           /* ERROR_GEN_FAILURE */
} FAKE_END;

/* An answer that has come. */
typedef struct {
    WNBD_IO_RESPONSE Response;
    bool HasData;
    UINT32 Size;
    BYTE Data[4096]; /* the beginning of it */
} FAKE_ANSWER;

typedef struct {
    /* The script. */
    DWORD Errors[16];    /* by command: what it fails with */
    bool Hold;           /* commands other than fetches pend until FakeRelease */
    bool AdapterMissing; /* there is nothing to open */
    FAKE_END End;
    bool Made;                /* Windows has made the disk */
    bool EjectNeedsIo;        /* Windows flushes first, and waits for it */
    DWORD EjectError;         /* then fails with this */
    int ThreadsUntilFailure;  /* -1: never */
    int BuffersUntilFailure;  /* -1: never */
    int StopObjections;       /* times that Windows will not stop the adapter */
    DWORD StopError;          /* what stopping fails with, once there are no objections */
    DWORD StartError;         /* what starting fails with */
    bool NeverBack;           /* the adapter does not work again */
    UINT64 ShownConnectionId; /* of the disk that has the name now; 0: of ours */
    /* The disk. */
    bool There;
    WNBD_CONNECTION_INFO Info;
    /* What happened. */
    WNBD_PROPERTIES Asked; /* by CREATE */
    UINT32 Removed;
    UINT32 Ejected;
    UINT32 Cancelled;
    UINT32 Stopped;      /* attempts to stop the adapter */
    UINT32 Started;      /* attempts to start it */
    UINT32 Commands[16]; /* by command: how many came */
} FAKE;

extern FAKE Fake;

/* A driver without disk that does everything at once. */
void FakeReset(void);

/* Has the driver ask for something. Data: what a fetch fills the buffer with, Filled bytes of it; may be NULL. */
void FakeRequest(const WNBD_IO_REQUEST *Request, const void *Data, UINT32 Filled);

/* Waits for the answer to a request and takes it; false: it didn't come. Answer may be NULL. */
bool FakeAnswer(UINT64 Handle, FAKE_ANSWER *Answer);

/* Answers that nobody has taken. */
UINT32 FakeAnswers(void);

/* Waits until so many fetches are waiting. */
bool FakeAwaitFetches(UINT32 Count);

/* Takes the disk away; fetches are answered as Fake.End says. */
void FakeTakeAway(void);

/* Completes what Fake.Hold held. */
void FakeRelease(void);

/* Waits until *Value is Wanted, which the caller changes with Interlocked functions. */
bool FakeAwait(volatile LONG *Value, LONG Wanted);
