/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libwnbd-test.exe: tests of libwnbd.dll.
 *
 *   libwnbd-test                      on a system without the driver; exit status 0 if all tests passed
 *   libwnbd-test live PORT            with the driver and an NBD server, see test_live.c
 *   libwnbd-test exports HOST PORT    the exports of a real server, one per line; exit status: the error
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char LastMessage[WNBD_LOG_MESSAGE_MAX_SIZE];
char LastFile[MAX_PATH];
WnbdLogLevel LastLevel;
int MessageCount;

static int Checks;
static int Failures;

void CheckThat(bool Good, const char *Text, const char *File, int Line)
{
    Checks++;
    if (!Good) {
        Failures++;
        printf("  FAIL %s:%d: %s (last message: %s)\n", File, Line, Text, LastMessage);
    }
}

void CheckResult(DWORD Result, DWORD Wanted, const char *Text, const char *File, int Line)
{
    Checks++;
    if (Result != Wanted) {
        Failures++;
        printf("  FAIL %s:%d: %s is %lu instead of %lu (last message: %s)\n", File, Line, Text, Result, Wanted,
               LastMessage);
    }
}

void LogForget(void)
{
    LastMessage[0] = 0;
    LastFile[0] = 0;
    MessageCount = 0;
}

static VOID Remember(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                     const char *FunctionName)
{
    (void)Line;
    (void)FunctionName;
    LastLevel = LogLevel;
    snprintf(LastMessage, sizeof(LastMessage), "%s", Message);
    snprintf(LastFile, sizeof(LastFile), "%s", FileName);
    MessageCount++;
}

WNBD_PROPERTIES GoodProperties(void)
{
    WNBD_PROPERTIES Properties;
    memset(&Properties, 0, sizeof(Properties));
    strcpy(Properties.InstanceName, "foo");
    strcpy(Properties.NbdProperties.Hostname, "127.0.0.1");
    Properties.NbdProperties.PortNumber = 10809;
    Properties.Flags.UseKernelNbd = 1;
    return Properties;
}

static int PrintExports(const char *Host, UINT32 Port)
{
    DWORD Size = 1024 * 1024;
    PWNBD_EXPORT_LIST List = malloc(Size);
    if (!List) {
        return ERROR_OUTOFMEMORY;
    }
    DWORD Error = WnbdListExports(Host, Port, 5000, List, &Size);
    for (UINT32 Index = 0; !Error && Index < List->Count; Index++) {
        printf("%s\n", List->Names[Index]);
    }
    free(List);
    return (int)Error;
}

static void Run(const char *Name, void (*Test)(void))
{
    int Before = Failures;
    WnbdSetLogger(Remember);
    WnbdSetLogLevel(WnbdLogLevelTrace);
    LogForget();
    Test();
    printf("%s %s\n", Failures == Before ? "ok  " : "FAIL", Name);
    fflush(stdout);
}

static int Report(void)
{
    printf("%d checks, %d failed\n", Checks, Failures);
    return Failures != 0;
}

int main(int Count, char **Arguments)
{
    if (Count == 4 && strcmp(Arguments[1], "exports") == 0) {
        return PrintExports(Arguments[2], (UINT32)atoi(Arguments[3]));
    }
    if (Count == 3 && strcmp(Arguments[1], "live") == 0) {
        TestLive((UINT32)atoi(Arguments[2]), Run);
        return Report();
    }
    Run("library.arguments", TestArguments);
    Run("library.no-adapter", TestNoAdapter);
    Run("library.log", TestLog);
    Run("library.small-things", TestSmallThings);
    Run("library.exports", TestExports);
    return Report();
}
