/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A command that makes a disk, and finds no memory: each call that its thread makes and that can fail does so once.
 * The disk is refused, nothing of it is left, and the next one works.
 */
#include "provider.h"
#include "server.h"

#include <stdio.h>

static _Thread_local bool Counts; /* this thread's calls */
static unsigned Calls;
static unsigned Failing; /* the one that fails; the first is 1 */

static bool Chosen(const char *Function)
{
    UNREFERENCED_PARAMETER(Function);
    return Counts && ++Calls == Failing;
}

/* Whether there was a disk, although the call failed. */
static bool Try(BED *Bed, const WNBD_PROPERTIES *Properties, unsigned Call)
{
    static WNBD_CREATE_RESULT Result;
    memset(&Result, 0, sizeof(Result));
    Calls = 0;
    Failing = Call;
    Counts = true;
    NTSTATUS Status = BedMap(Bed, Properties, &Result);
    Counts = false;
    if (Status == STATUS_SUCCESS && Result.Status == 0) {
        CHECK(BedUnmap(Bed, Properties->InstanceName) == STATUS_SUCCESS);
        CHECK(NativeChildWait(Bed->Adapter, 0, 20000));
        return true;
    }
    CHECK(Calls >= Call && BedDiskCount(Bed) == 0);
    CHECK(Status != STATUS_SUCCESS || Result.Message[0] != '\0');
    return false;
}

static void Starve(const char *Kind, const WNBD_PROPERTIES *Properties, unsigned Least)
{
    static NATIVE_FAULTS Plan = {.Chosen = Chosen};
    unsigned Refused = 0, Call = 0;
    BED Bed;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .Faults = &Plan});
    do {
        Refused += !Try(&Bed, Properties, ++Call);
    } while (Calls >= Call);
    printf("%s: %u calls, refused %u times\n", Kind, Calls, Refused);
    fflush(stdout);
    CHECK(Refused >= Least);
    BedStop(&Bed);
}

int main(void)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    WNBD_PROPERTIES Properties;
    SERVER Server;
    ServerStart(&Server, Memory);
    BedProperties(&Properties, "disk", Server.Port);
    Starve("a server's disk", &Properties, 20);
    ServerStop(&Server);
    ProviderProperties(&Properties, "disk", 2048, 512);
    Starve("a process's disk", &Properties, 5);
    printf("ok\n");
    return 0;
}
