/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the files of libwnbd-provider-test share: a disk whose callbacks note what they are asked. */
#pragma once

#include "fake_adapter.h"

#define BLOCK 512u

/* One call of a callback. */
typedef struct {
    WnbdRequestType Type;
    UINT64 Handle;
    UINT64 Address;
    UINT32 Count;
    BOOLEAN Fua;
    UINT8 Action, Scope, Kind;
    BYTE Data[64]; /* the beginning of the buffer */
} CALL;

/* The last call, and how many there were. */
extern CALL LastCall;
extern volatile LONG CallCount;

/* Whether the callbacks answer at once, and with which sense key (0: good). */
extern bool AnswerAtOnce;
extern UINT8 AnswerKey;

/* Called in each callback, if not NULL. */
extern void (*DuringCall)(PWNBD_DISK Disk);

/* All callbacks. */
extern const WNBD_INTERFACE NotingInterface;

/* A disk of 2048 blocks that can do everything. */
WNBD_PROPERTIES ProviderProperties(void);

/* Resets the fake, makes the disk, and starts so many threads; 0: none. */
PWNBD_DISK MakeDisk(DWORD Threads);

/* Removes the disk hard, waits and closes it. */
void EndDisk(PWNBD_DISK Disk);

/* A request of a kind, whose values are in order. */
WNBD_IO_REQUEST MakeRequest(WnbdRequestType Type, UINT64 Handle);

WNBD_USR_STATS StatsOf(PWNBD_DISK Disk);

void TestCommands(void);
void TestCreate(void);
void TestStart(void);
void TestCallbacks(void);
void TestRefusals(void);
void TestAnswers(void);
void TestDisconnect(void);
void TestFailure(void);
void TestSoftStop(void);
void TestHardStop(void);
void TestStopInCallback(void);
void TestOtherLife(void);
void TestClose(void);
void TestSize(void);
void TestThreads(void);
void TestReset(void);
void TestDaemon(void);
void TestDaemonEnds(void);
