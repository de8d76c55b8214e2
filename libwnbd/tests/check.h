/* SPDX-License-Identifier: LGPL-2.1-only */
/* The library's tests that need no driver: a few lines of framework. */
#pragma once

#include <winsock2.h>
#include <wnbd.h>
#include <stdbool.h>

/* Counts a check; prints it if it failed. */
void CheckThat(bool Good, const char *Text, const char *File, int Line);
/* The same for a result, with the value that came. */
void CheckResult(DWORD Result, DWORD Wanted, const char *Text, const char *File, int Line);

#define CHECK(Condition) CheckThat((Condition), #Condition, __FILE__, __LINE__)
#define RETURNS(Wanted, Call) CheckResult((Call), (Wanted), #Call, __FILE__, __LINE__)

/* What the library logged last, and how much since LogForget. */
extern char LastMessage[WNBD_LOG_MESSAGE_MAX_SIZE];
extern char LastFile[MAX_PATH];
extern WnbdLogLevel LastLevel;
extern int MessageCount;
void LogForget(void);

/* Properties of an NBD disk that are in order. */
WNBD_PROPERTIES GoodProperties(void);

void TestArguments(void);
void TestNoAdapter(void);
void TestLog(void);
void TestSmallThings(void);
void TestExports(void);

/* Runs its tests with Run, which prints their names. */
void TestLive(UINT32 Port, void (*Run)(const char *Name, void (*Test)(void)));
