/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fetches that are pended, when they end: cancelled, too many, with the disk, with the adapter. A process whose disk
 * is its own customer. PERSISTENT RESERVE. Disks that come and go while several processes serve.
 */
#include "ground.h"
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK 512u
#define BLOCKS 8192u
#define FETCHES 300
#define FETCHES_MOST 256 /* on one disk */

static BED Bed;
static DISK Disk;
static PROVIDER Provider;
static UCHAR *Buffer; /* of the process */

static WNBD_IOCTL_FETCH_REQ_COMMAND Fetches[FETCHES];
static NATIVE_REQUEST *Requests[FETCHES];

static void Prepare(const NATIVE_OPTIONS *Options, bool Reservations)
{
    WNBD_PROPERTIES Properties;
    BedStart(&Bed, Options);
    ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
    Properties.Flags.PersistResSupported = Reservations;
    ProviderStart(&Provider, &Bed, &Properties);
    Buffer = NativeUserAllocate(Provider.Process, PROVIDER_BUFFER_BYTES);
    DiskOpen(&Disk, &Bed, 1);
}

static void Dismiss(void)
{
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
    BedStop(&Bed);
}

static void PendAll(void)
{
    for (int Index = 0; Index < FETCHES; Index++) {
        Requests[Index] = ProviderFetchBegin(&Provider, Buffer, PAGE_SIZE, &Fetches[Index]);
        if (Index >= FETCHES_MOST) {
            CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_QUOTA_EXCEEDED);
        }
    }
    CHECK(!NativeRequestPoll(Requests[0], 0) && !NativeRequestPoll(Requests[FETCHES_MOST - 1], 0));
}

static void ExpectDisconnects(void)
{
    for (int Index = 0; Index < FETCHES_MOST; Index++) {
        CHECK(NativeRequestPoll(Requests[Index], 60000));
        CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_SUCCESS);
        CHECK(Fetches[Index].Request.RequestType == WnbdReqTypeDisconnect);
        CHECK(Fetches[Index].Request.RequestHandle == 0 && Fetches[Index].DataBufferSize == 0);
    }
}

static void DiskRemoved(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response = {0};
    Prepare(&(NATIVE_OPTIONS){.Seed = 1}, false);
    PendAll();
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    ExpectDisconnects();
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Fetch) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(ProviderSend(&Provider, &Response, NULL, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
    Dismiss();
}

/* Those that are cancelled end so; the others go on, in the order in which they came. */
static void Cancelled(void)
{
    UCHAR Cdb[16], Data[BLOCK] = {0};
    DISK_IO Io;
    Prepare(&(NATIVE_OPTIONS){.Seed = 2}, false);
    PendAll();
    for (int Index = 0; Index < FETCHES_MOST; Index++) {
        if (Index != 100 && Index != 200) {
            NativeRequestCancel(Requests[Index]);
            CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_CANCELLED);
        }
    }
    DiskCdb16(Cdb, 0x8A, 0, 1, false);
    DiskBegin(&Disk, &Io, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data, BLOCK);
    CHECK(NativeRequestWait(Requests[100], NULL) == STATUS_SUCCESS && !NativeRequestPoll(Requests[200], 0));
    WNBD_IO_RESPONSE Response;
    ProviderSuccess(&Response, &Fetches[100].Request);
    CHECK(ProviderSend(&Provider, &Response, NULL, 0) == STATUS_SUCCESS);
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_SUCCESS);
    NativeRequestCancel(Requests[200]);
    CHECK(NativeRequestWait(Requests[200], NULL) == STATUS_CANCELLED);
    /* None is left, and each place can be used again; the disk is there still. */
    PendAll();
    CHECK(BedDiskCount(&Bed) == 1 && BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    ExpectDisconnects();
    Dismiss();
}

static void AdapterRemoved(void)
{
    Prepare(&(NATIVE_OPTIONS){.Seed = 3}, false);
    PendAll();
    DiskClose(&Disk);
    NativeDeviceSurpriseRemove(Bed.Adapter);
    ExpectDisconnects();
    ProviderEnd(&Provider);
    NativeClose(Bed.File);
    NativeDriverUnload(Bed.Driver);
    NativeStop();
}

/* Each write makes the process read its own disk before it answers: another thread of its own has to serve that. */
static bool Customer(SERVER_THREAD *Server, const WNBD_IO_REQUEST *Request, UINT32 Bytes, WNBD_IO_RESPONSE *Response)
{
    ProviderObey(Server, Request, Bytes, Response);
    if (Request->RequestType == WnbdReqTypeWrite) {
        UCHAR Cdb[16], Data[BLOCK];
        DiskCdb16(Cdb, 0x88, Request->Cmd.Write.BlockAddress + 1, 1, false);
        CHECK(DiskCommand(&Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, BLOCK, NULL) == SRB_STATUS_SUCCESS);
        CHECK(memcmp(Data, Server->Provider->Medium + (Request->Cmd.Write.BlockAddress + 1) * BLOCK, BLOCK) == 0);
    }
    return true;
}

static void OwnCustomer(void)
{
    UCHAR Cdb[16], Data[3][BLOCK];
    DISK_IO Io[3];
    Prepare(&(NATIVE_OPTIONS){.Seed = 4}, false);
    ProviderServe(&Provider, 4, Customer);
    for (uint32_t Round = 0; Round < 200; Round++) {
        for (uint32_t Index = 0; Index < 3; Index++) {
            memset(Data[Index], (int)(Round + Index), BLOCK);
            DiskCdb16(Cdb, 0x8A, 2 * Index, 1, false);
            DiskBegin(&Disk, &Io[Index], false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data[Index], BLOCK);
        }
        for (uint32_t Index = 0; Index < 3; Index++) {
            CHECK(DiskWait(&Io[Index], NULL) == SRB_STATUS_SUCCESS);
        }
    }
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    ProviderJoin(&Provider);
    Dismiss();
}

static void Reservations(void)
{
    static const UCHAR In[10] = {0x5E, 0x00, [7] = 0x00, 64};
    static const UCHAR Out[10] = {0x5F, 0x00, [8] = 24};
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response;
    UCHAR Data[64];
    ULONG Moved;
    DISK_IO Io;
    Prepare(&(NATIVE_OPTIONS){.Seed = 5}, true);
    memset(Data, 0xEE, sizeof(Data));
    /* Fewer bytes than were asked for are usual, more are a failure. */
    memset(Buffer, 0x11, sizeof(Data) + 1);
    DiskBegin(&Disk, &Io, true, In, sizeof(In), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    CHECK(ProviderFetch(&Provider, NULL, 0, &Fetch) == STATUS_SUCCESS);
    ProviderSuccess(&Response, &Fetch.Request);
    CHECK(ProviderSend(&Provider, &Response, Buffer, sizeof(Data) + 1) == STATUS_INVALID_BUFFER_SIZE);
    CHECK(DiskWait(&Io, &Moved) == SRB_STATUS_ERROR && Moved == 0 && Data[0] == 0xEE);
    CHECK((Io.Sense[2] & 0xF) == 0x4 && Io.Sense[12] == 0x44);
    DiskBegin(&Disk, &Io, true, In, sizeof(In), SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    CHECK(ProviderFetch(&Provider, NULL, 0, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypePersistResIn && Fetch.Request.Cmd.PersistResIn.ServiceAction == 0);
    CHECK(Fetch.Request.Cmd.PersistResIn.AllocationLength == sizeof(Data));
    ProviderSuccess(&Response, &Fetch.Request);
    CHECK(ProviderSend(&Provider, &Response, Buffer, 16) == STATUS_SUCCESS);
    CHECK(DiskWait(&Io, &Moved) == SRB_STATUS_SUCCESS);
    CHECK(Moved == 16 && Data[15] == 0x11 && Data[16] == 0xEE);
    for (int Index = 0; Index < 24; Index++) {
        Data[Index] = (UCHAR)Index;
    }
    DiskBegin(&Disk, &Io, false, Out, sizeof(Out), SRB_FLAGS_DATA_OUT, Data, 24);
    CHECK(ProviderFetch(&Provider, Buffer, 23, &Fetch) == STATUS_BUFFER_TOO_SMALL);
    CHECK(ProviderFetch(&Provider, Buffer, 24, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypePersistResOut && Fetch.DataBufferSize == 24);
    CHECK(Fetch.Request.Cmd.PersistResOut.ParameterListLength == 24 && memcmp(Buffer, Data, 24) == 0);
    ProviderSuccess(&Response, &Fetch.Request);
    Response.Status.ScsiStatus = 0x18; /* RESERVATION CONFLICT */
    CHECK(ProviderSend(&Provider, &Response, NULL, 0) == STATUS_SUCCESS);
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_ERROR && Io.Srb.Classic.ScsiStatus == 0x18);
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    Dismiss();
}

/* Reads and writes until its disk is gone, where nobody else does. */
static void *Reader(void *Context)
{
    static atomic_uint Readers;
    DISK *Own = Context;
    uint32_t First = atomic_fetch_add(&Readers, 1) * 128 % BLOCKS;
    UCHAR Cdb[16], Data[8 * BLOCK] = {0};
    for (uint32_t Round = 0;; Round++) {
        bool Write = Round % 2 == 0;
        DiskCdb16(Cdb, Write ? 0x8A : 0x88, First + Round % 64, 8, false);
        UCHAR Status =
            DiskCommand(Own, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL);
        if (Status != SRB_STATUS_SUCCESS) {
            CHECK(Status == SRB_STATUS_NO_DEVICE);
            return NULL;
        }
    }
}

/* A disk is removed while its threads fetch, copy and answer. */
static void ComeAndGo(void)
{
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 6});
    for (int Round = 0; Round < 20; Round++) {
        WNBD_PROPERTIES Properties;
        pthread_t Readers[3];
        ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
        ProviderStart(&Provider, &Bed, &Properties);
        ProviderServe(&Provider, 4, ProviderObey);
        DiskOpen(&Disk, &Bed, 1);
        for (int Index = 0; Index < 3; Index++) {
            CHECK(pthread_create(&Readers[Index], NULL, Reader, &Disk) == 0);
        }
        while (atomic_load(&Provider.Threads[0].Fetched) < (unsigned)Round) {
            GroundSleep(1000);
        }
        CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
        ProviderJoin(&Provider);
        for (int Index = 0; Index < 3; Index++) {
            CHECK(pthread_join(Readers[Index], NULL) == 0);
        }
        CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
        DiskClose(&Disk);
        ProviderEnd(&Provider);
    }
    BedStop(&Bed);
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(void);
    } Tests[] = {
        {"the disk is removed", DiskRemoved},      {"fetches are cancelled", Cancelled},
        {"the adapter is pulled", AdapterRemoved}, {"a process that uses its disk", OwnCustomer},
        {"persistent reservations", Reservations}, {"disks that come and go", ComeAndGo},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run();
    }
    printf("ok\n");
    return 0;
}
