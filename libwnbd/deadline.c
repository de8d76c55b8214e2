/* SPDX-License-Identifier: LGPL-2.1-only */
/* Trying again until a moment. */
#include "internal.h"

/* Shortest pause between two attempts, so that an interval of 0 doesn't burn a processor. */
#define SHORTEST_PAUSE_MS 10

DEADLINE DeadlineAfter(DWORD TimeoutMs, bool Never)
{
    DEADLINE Deadline = {GetTickCount64() + TimeoutMs, Never};
    return Deadline;
}

DWORD DeadlineLeft(const DEADLINE *Deadline, DWORD Most)
{
    ULONGLONG Now = GetTickCount64();
    if (Deadline->Never) {
        return Most;
    }
    if (Now >= Deadline->AtMs) {
        return 0;
    }
    ULONGLONG Left = Deadline->AtMs - Now;
    return Left < Most ? (DWORD)Left : Most;
}

bool DeadlinePause(const DEADLINE *Deadline, DWORD IntervalMs)
{
    DWORD Pause = DeadlineLeft(Deadline, IntervalMs > SHORTEST_PAUSE_MS ? IntervalMs : SHORTEST_PAUSE_MS);
    if (Pause == 0) {
        return false;
    }
    /* The clock goes in steps longer than a millisecond: what is left may be less than a step. */
    Sleep(Pause > SHORTEST_PAUSE_MS ? Pause : SHORTEST_PAUSE_MS);
    return true;
}
