/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Processes that serve disks, and fall silent (decision 0010): what is
 * silence, for how long, and what is none, as the machine's sleep.
 */
#include "options.h"
#include "owned.h"
#include "settings.h"

#include <stdio.h>

static void Limits(bool Remove, LONG64 RequestMs, LONG64 ConnectionMs)
{
    InterlockedExchange64(&OptionValues[OptionRemoveStaleConnections], Remove);
    InterlockedExchange64(&OptionValues[OptionStaleReqTimeoutMs], RequestMs);
    InterlockedExchange64(&OptionValues[OptionStaleConnTimeoutMs], ConnectionMs);
}

static void Pass(ULONGLONG Seconds)
{
    atomic_fetch_add(&ClockAhead, Seconds * SECOND);
    AwaitLooks(2);
}

static void Silence(void)
{
    static SERVED Served;
    BED Bed;
    printf("silence\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    /* Nobody has asked it for anything. */
    NATIVE_REQUEST *Fetch = FetchBegin(&Served);
    Pass(100000);
    CHECK(BedDiskCount(&Bed) == 1);
    /* It holds a request not too long, and after it was idle. */
    Request(&Served, 0x88, 4096);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS);
    Limits(true, 15000, 3600000);
    Pass(1800);
    CHECK(BedDiskCount(&Bed) == 1);
    /* Still not, as it has called meanwhile. */
    Fetch = ProviderFetchBegin(&Served.Provider, Served.Buffer, WRITE_BYTES, &(WNBD_IOCTL_FETCH_REQ_COMMAND){0});
    Pass(2700);
    CHECK(BedDiskCount(&Bed) == 1);
    CHECK(Answer(&Served) == STATUS_SUCCESS);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_SUCCESS);
    NativeRequestCancel(Fetch);
    CHECK(NativeRequestWait(Fetch, NULL) == STATUS_CANCELLED);
    Pass(100000);
    /* The request has to be old, too. */
    Limits(true, 36000000, 3600000);
    Request(&Served, 0x88, 4096);
    Pass(7200);
    CHECK(BedDiskCount(&Bed) == 1);
    /* And somebody may not want it at all. */
    Limits(false, 15000, 3600000);
    AwaitLooks(2);
    CHECK(BedDiskCount(&Bed) == 1);
    Limits(true, 15000, 3600000);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    CheckGone(&Served, &Bed, 0);
    /* It lives, and hears of it. */
    CHECK(ProviderFetch(&Served.Provider, Served.Buffer, 4096, &Served.Fetch) == STATUS_OBJECT_NAME_NOT_FOUND);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* Nobody answers while the machine sleeps, which is neither silence nor makes a request old. */
static void Sleep(void)
{
    static SERVED Served;
    BED Bed;
    printf("the machine sleeps\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    /* Each limit by itself. */
    for (int Silence = 0; Silence < 2; Silence++) {
        Limits(true, Silence ? 0 : 3600000, Silence ? 3600000 : 0);
        Request(&Served, 0x88, 4096);
        FetchOne(&Served);
        atomic_fetch_add(&Asleep, 36000 * SECOND);
        AwaitLooks(2);
        CHECK(BedDiskCount(&Bed) == 1);
        CHECK(Answer(&Served) == STATUS_SUCCESS);
        CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_SUCCESS);
    }
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    CheckGone(&Served, &Bed, 0);
    EndProvider(&Served);
    BedStop(&Bed);
}

/* An answer ends it as a fetch does: for what is asked later, and for what is owed still. */
static void AnswersAreHeard(void)
{
    static SERVED Served;
    static DISK_IO Other;
    static UCHAR Data[4096];
    UCHAR Cdb[16];
    BED Bed;
    printf("silence, and answers\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Limits(true, 15000, 3600000);
    Works(&Served);
    Pass(100000);
    Request(&Served, 0x88, 4096);
    Pass(1800);
    CHECK(BedDiskCount(&Bed) == 1);
    DiskCdb16(Cdb, 0x88, 8, sizeof(Data) / BLOCK_BYTES, false);
    DiskBegin(&Served.Disk, &Other, false, Cdb, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    FetchOne(&Served);
    WNBD_IOCTL_FETCH_REQ_COMMAND First = Served.Fetch;
    FetchOne(&Served);
    Pass(2700);
    CHECK(Answer(&Served) == STATUS_SUCCESS);
    Pass(2700);
    CHECK(BedDiskCount(&Bed) == 1);
    Served.Fetch = First;
    CHECK(Answer(&Served) == STATUS_SUCCESS);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_SUCCESS && DiskWait(&Other, NULL) == SRB_STATUS_SUCCESS);
    EndProvider(&Served);
    CheckGone(&Served, &Bed, 0);
    BedStop(&Bed);
}

/* Windows gives the request up: the answer is owed nevertheless, even if the process has asked for more since. */
static void SilenceAfterReset(bool Asks)
{
    static SERVED Served;
    BED Bed;
    NATIVE_REQUEST *Fetch = NULL;
    printf("silence, after a reset%s\n", Asks ? " and another fetch" : "");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, 4096);
    FetchOne(&Served);
    Reset(&Bed);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    if (Asks) {
        Fetch = FetchBegin(&Served);
    }
    CHECK(BedDiskCount(&Bed) == 1);
    atomic_fetch_add(&ClockAhead, 100 * SECOND);
    CheckGone(&Served, &Bed, 0);
    if (Asks) {
        CHECK(NativeRequestWait(Fetch, NULL) == STATUS_SUCCESS);
        CHECK(Served.Fetch.Request.RequestType == WnbdReqTypeDisconnect);
    }
    EndProvider(&Served);
    BedStop(&Bed);
}

/* A request that was given up before it was fetched is owed by nobody. */
static void NothingIsOwed(void)
{
    static SERVED Served;
    BED Bed;
    printf("silence, and nothing is owed any more\n");
    fflush(stdout);
    Start(&Bed, 0);
    Serve(&Served, &Bed, "served", 1);
    Request(&Served, 0x88, 4096);
    Reset(&Bed);
    CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    Pass(100000);
    CHECK(BedDiskCount(&Bed) == 1);
    Works(&Served);
    EndProvider(&Served);
    CheckGone(&Served, &Bed, 0);
    BedStop(&Bed);
}

/* Of two requests the older one counts, wherever the driver keeps it; given up as well. */
static void OldestCounts(bool GivenUp)
{
    static SERVED Served;
    static DISK_IO Younger;
    static UCHAR Data[4096];
    UCHAR Cdb[16];
    BED Bed;
    printf("silence, the oldest of two requests%s\n", GivenUp ? ", which was given up" : "");
    fflush(stdout);
    atomic_store(&ClockAhead, 0);
    NativeStart(&(NATIVE_OPTIONS){.Seed = 7});
    /* So the driver has room for four requests, and uses the first again for the younger one. */
    NativeRegistrySetQword(SETTINGS_STATE, "MaxIOReqPerLun", 2);
    BedLoad(&Bed);
    Serve(&Served, &Bed, "served", 1);
    for (int Index = 0; Index < 3; Index++) {
        Works(&Served);
    }
    Limits(true, 3600000, 1000);
    Request(&Served, 0x88, 4096);
    if (GivenUp) {
        FetchOne(&Served);
        Reset(&Bed);
        CHECK(DiskWait(&Served.Io, NULL) == SRB_STATUS_BUS_RESET);
    }
    Pass(3000);
    CHECK(BedDiskCount(&Bed) == 1);
    DiskCdb16(Cdb, 0x88, 0, sizeof(Data) / BLOCK_BYTES, false);
    DiskBegin(&Served.Disk, &Younger, false, Cdb, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    atomic_fetch_add(&ClockAhead, 700 * SECOND);
    CheckGone(&Served, &Bed, 0);
    CHECK(DiskWait(&Younger, NULL) == SRB_STATUS_NO_DEVICE);
    CHECK(GivenUp || DiskWait(&Served.Io, NULL) == SRB_STATUS_NO_DEVICE);
    EndProvider(&Served);
    BedStop(&Bed);
}

int main(void)
{
    Silence();
    AnswersAreHeard();
    SilenceAfterReset(false);
    SilenceAfterReset(true);
    NothingIsOwed();
    OldestCounts(false);
    OldestCounts(true);
    Sleep();
    printf("ok\n");
    return 0;
}
