/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A thread that shows the seconds; see progress.h.
 */
#include "progress.h"

#include <stdio.h>

#include "console.h"

#define SECOND_MS 1000

static HANDLE Thread;
static HANDLE Ended; /* an event */

static DWORD WINAPI ShowSeconds(LPVOID What)
{
    char Text[120];
    for (unsigned Seconds = 1; WaitForSingleObject(Ended, SECOND_MS) == WAIT_TIMEOUT; Seconds++) {
        snprintf(Text, sizeof(Text), "%s: %u s", (const char *)What, Seconds);
        ConsoleTransient(Text);
    }
    ConsoleTransient("");
    return 0;
}

void ProgressBegin(const char *What)
{
    if (What == NULL || !ConsoleIs(GetStdHandle(STD_ERROR_HANDLE))) {
        return;
    }
    Ended = CreateEventW(NULL, TRUE, FALSE, NULL);
    Thread = Ended == NULL ? NULL : CreateThread(NULL, 0, ShowSeconds, (LPVOID)(ULONG_PTR)What, 0, NULL);
    if (Thread == NULL && Ended != NULL) {
        CloseHandle(Ended);
    }
}

void ProgressEnd(void)
{
    if (Thread != NULL) {
        SetEvent(Ended);
        WaitForSingleObject(Thread, INFINITE);
        CloseHandle(Thread);
        CloseHandle(Ended);
        Thread = NULL;
    }
}
