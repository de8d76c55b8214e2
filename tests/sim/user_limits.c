/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a process can say of its disk and ask for: abilities, UNMAP and PERSISTENT RESERVE to the last
 * field, more requests at once than one pass serves, and callers that are no process or serve another disk.
 */
#include "provider.h"
#include "server.h"
#include "storage_ioctl.h"

#include <stdio.h>

#define BLOCK 512u
#define BLOCKS 8192u
#define MANY 100u /* more than USER_PASSES */
#define LONGEST_MS 60000u

static BED Bed;
static DISK Disk;
static PROVIDER Provider;
static UCHAR *Buffer; /* of the process, PAGE_SIZE */

static void Prepare(const WNBD_PROPERTIES *Properties)
{
    ProviderStart(&Provider, &Bed, Properties);
    Buffer = NativeUserAllocate(Provider.Process, PAGE_SIZE);
    DiskOpen(&Disk, &Bed, 1);
}

static void Dismiss(void)
{
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS && NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
}

static void PrepareUsual(void)
{
    WNBD_PROPERTIES Properties;
    ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
    Properties.Flags.PersistResSupported = 1;
    Properties.Flags.UnmapAnchorSupported = 1;
    Prepare(&Properties);
}

static NTSTATUS Answer(const WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch, UINT32 Bytes)
{
    WNBD_IO_RESPONSE Response;
    ProviderSuccess(&Response, &Fetch->Request);
    return ProviderSend(&Provider, &Response, Buffer, Bytes);
}

static void Reset(void)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    CHECK(NativeIoctl(Bed.File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL) ==
          STATUS_SUCCESS);
}

/* ---- what the disk says of itself ---- */

typedef struct {
    bool Flush, Fua, ReadOnly, Unmap, Anchor;
    UINT32 Descriptors;
    UCHAR Device;       /* MODE SENSE: WP is 0x80, DPOFUA 0x10 */
    UCHAR Provisioning; /* VPD page B2h: LBPU is 0x80, ANC_SUP 0x02 */
    UINT32 Told;        /* VPD page B0h: the most descriptors of an UNMAP */
} ABILITIES;

static void CheckAbilities(const ABILITIES *Row)
{
    static const UCHAR Caching[6] = {0x1A, 0x08, 0x08, 0, 64};
    static const UCHAR Limits[6] = {0x12, 1, 0xB0, 0, 64};
    static const UCHAR Provisioning[6] = {0x12, 1, 0xB2, 0, 64};
    UCHAR Data[64];
    CHECK(DiskCommand(&Disk, Caching, 6, SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL) == SRB_STATUS_SUCCESS);
    CHECK(Data[2] == Row->Device && Data[4] == 0x08 && ((Data[6] & 0x04) != 0) == Row->Flush);
    CHECK(DiskCommand(&Disk, Limits, 6, SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL) == SRB_STATUS_SUCCESS);
    CHECK(((UINT32)Data[24] << 24 | (UINT32)Data[25] << 16 | (UINT32)Data[26] << 8 | Data[27]) == Row->Told);
    CHECK(DiskCommand(&Disk, Provisioning, 6, SRB_FLAGS_DATA_IN, Data, sizeof(Data), NULL) == SRB_STATUS_SUCCESS);
    CHECK(Data[5] == Row->Provisioning);
}

static void Abilities(void)
{
    static const ABILITIES Rows[] = {
        {false, false, false, false, false, 7, 0x00, 0x00, 0}, {true, false, false, false, false, 0, 0x10, 0x00, 0},
        {false, true, false, true, false, 7, 0x10, 0x80, 7},   {false, false, false, true, true, 0, 0x00, 0x82, 1},
        {true, true, true, true, true, 7, 0x90, 0x00, 0},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        WNBD_PROPERTIES Properties;
        ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
        Properties.Flags.FlushSupported = Rows[Index].Flush;
        Properties.Flags.FUASupported = Rows[Index].Fua;
        Properties.Flags.ReadOnly = Rows[Index].ReadOnly;
        Properties.Flags.UnmapSupported = Rows[Index].Unmap;
        Properties.Flags.UnmapAnchorSupported = Rows[Index].Anchor;
        Properties.MaxUnmapDescCount = Rows[Index].Descriptors;
        Prepare(&Properties);
        CheckAbilities(&Rows[Index]);
        Dismiss();
    }
}

/* ---- who makes and serves ---- */

/* The older command makes a disk, too; its answer is the connection alone. */
static void CreatePlainly(void)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE};
    WNBD_CONNECTION_INFO Info;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    ULONG Used;
    PROVIDER Plain = {.Process = NativeProcessCreate()};
    Plain.File = NativeOpen(&WNBD_GUID, Plain.Process);
    ProviderProperties(&Command.Properties, "served", BLOCKS, BLOCK);
    CHECK(NativeIoctl(Plain.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Info, sizeof(Info), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(Info) && strcmp(Info.Properties.InstanceName, "served") == 0);
    CHECK(Info.Properties.Pid == (INT)(ULONG_PTR)PsGetProcessId(Plain.Process));
    Plain.Info = Info;
    NATIVE_REQUEST *Request = ProviderFetchBegin(&Plain, NULL, 0, &Fetch);
    CHECK(NativeChildWait(Bed.Adapter, 1, 20000));
    CHECK(!NativeRequestPoll(Request, 0) && BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Fetch.Request.RequestType == WnbdReqTypeDisconnect);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    ProviderEnd(&Plain);
}

/* A driver's request has no process whose memory could be meant. */
static void NoProcess(void)
{
    PrepareUsual();
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                          .ConnectionId = Provider.Info.ConnectionId};
    WNBD_IOCTL_SEND_RSP_COMMAND Send = {.IoControlCode = IOCTL_WNBD_SEND_RSP,
                                        .ConnectionId = Provider.Info.ConnectionId};
    CHECK(NativeIoctlOfDriver(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Fetch, sizeof(Fetch), &Fetch, sizeof(Fetch)) ==
          STATUS_ACCESS_DENIED);
    CHECK(NativeIoctlOfDriver(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Send, sizeof(Send), NULL, 0) == STATUS_ACCESS_DENIED);
    Dismiss();
}

/* An NBD disk that a driver has made is nobody's, and no process serves it. */
static void OfAnotherKind(void)
{
    static const char *const Memory[] = {"memory", "1M", NULL};
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response = {0};
    SERVER Server;
    ServerStart(&Server, Memory);
    BedProperties(&Command.Properties, "another", Server.Port);
    CHECK(NativeIoctlOfDriver(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result)) ==
          STATUS_SUCCESS);
    CHECK(Result.Status == 0 && Result.ConnectionInfo.Properties.Pid == 0);
    PROVIDER Other = {.Process = NativeProcessCreate(), .Info = Result.ConnectionInfo};
    Other.File = NativeOpen(&WNBD_GUID, Other.Process);
    CHECK(ProviderFetch(&Other, NULL, 0, &Fetch) == STATUS_ACCESS_DENIED);
    CHECK(ProviderSend(&Other, &Response, NULL, 0) == STATUS_ACCESS_DENIED);
    CHECK(NativeChildWait(Bed.Adapter, 1, 20000));
    CHECK(BedUnmap(&Bed, "another") == STATUS_SUCCESS && NativeChildWait(Bed.Adapter, 0, 20000));
    ProviderEnd(&Other);
    ServerStop(&Server);
}

/* ---- what the process is told ---- */

static void Descriptors(void)
{
    static const UCHAR Cdb[10] = {0x42, 0x01, [8] = 72};
    static const struct {
        UCHAR Lba, Count;
    } Rows[4] = {{100, 4}, {5, 0}, {20, 8}, {50, 2}};
    UCHAR List[72] = {[1] = 70, [3] = 64};
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_UNMAP_DESCRIPTOR Got;
    DISK_IO Io;
    PrepareUsual();
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        List[8 + 16 * Index + 7] = Rows[Index].Lba;
        List[8 + 16 * Index + 11] = Rows[Index].Count;
    }
    DiskBegin(&Disk, &Io, false, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT, List, sizeof(List));
    /* What covers nothing is not told. */
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeUnmap && Fetch.Request.Cmd.Unmap.Anchor == 1);
    CHECK(Fetch.Request.Cmd.Unmap.Count == 3 && Fetch.DataBufferSize == 3 * sizeof(Got));
    for (size_t Index = 0, Told = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        if (Rows[Index].Count != 0) {
            memcpy(&Got, Buffer + Told++ * sizeof(Got), sizeof(Got));
            CHECK(Got.BlockAddress == Rows[Index].Lba && Got.BlockCount == Rows[Index].Count && Got.Reserved == 0);
        }
    }
    CHECK(Answer(&Fetch, 0) == STATUS_SUCCESS && DiskWait(&Io, NULL) == SRB_STATUS_SUCCESS);
    /* Given up, it keeps what lies between its blocks from others: the process may do it at any time. */
    UCHAR Cdb16[16], Data[BLOCK];
    DISK_IO Inside;
    DiskBegin(&Disk, &Io, false, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_OUT, List, sizeof(List));
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Fetch) == STATUS_SUCCESS);
    Reset();
    CHECK(DiskWait(&Io, NULL) == SRB_STATUS_BUS_RESET);
    DiskCdb16(Cdb16, 0x88, 103, 1, false);
    DiskBegin(&Disk, &Inside, false, Cdb16, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    WNBD_IOCTL_FETCH_REQ_COMMAND Next;
    NATIVE_REQUEST *Request = ProviderFetchBegin(&Provider, Buffer, PAGE_SIZE, &Next);
    CHECK(!NativeRequestPoll(Request, 0) && Answer(&Fetch, 0) == STATUS_SUCCESS);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS && Next.Request.RequestType == WnbdReqTypeRead);
    CHECK(Answer(&Next, BLOCK) == STATUS_SUCCESS && DiskWait(&Inside, NULL) == SRB_STATUS_SUCCESS);
    Dismiss();
}

/* After a reservation that was given up, and may be made still, another one waits, and a read does not. */
static void Reservations(void)
{
    static const UCHAR Out[10] = {0x5F, 0x04, 0xA5, [8] = 24};
    static const UCHAR In[10] = {0x5E, 0x02, [8] = 64};
    WNBD_IOCTL_FETCH_REQ_COMMAND Late, Fetch;
    UCHAR Cdb[16], List[24] = {0}, Keys[64], Data[BLOCK];
    DISK_IO Given, Held, Free;
    PrepareUsual();
    DiskBegin(&Disk, &Given, true, Out, sizeof(Out), SRB_FLAGS_DATA_OUT, List, sizeof(List));
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Late) == STATUS_SUCCESS);
    CHECK(Late.Request.RequestType == WnbdReqTypePersistResOut && Late.Request.Cmd.PersistResOut.ServiceAction == 4);
    CHECK(Late.Request.Cmd.PersistResOut.Scope == 0xA && Late.Request.Cmd.PersistResOut.Type == 5);
    Reset();
    CHECK(DiskWait(&Given, NULL) == SRB_STATUS_BUS_RESET);
    DiskBegin(&Disk, &Held, true, In, sizeof(In), SRB_FLAGS_DATA_IN, Keys, sizeof(Keys));
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    DiskBegin(&Disk, &Free, false, Cdb, 16, SRB_FLAGS_DATA_IN, Data, sizeof(Data));
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeRead);
    CHECK(Answer(&Fetch, BLOCK) == STATUS_SUCCESS && DiskWait(&Free, NULL) == SRB_STATUS_SUCCESS);
    NATIVE_REQUEST *Request = ProviderFetchBegin(&Provider, Buffer, PAGE_SIZE, &Fetch);
    CHECK(!NativeRequestPoll(Request, 0) && Answer(&Late, 0) == STATUS_SUCCESS);
    CHECK(NativeRequestWait(Request, NULL) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypePersistResIn && Fetch.Request.Cmd.PersistResIn.ServiceAction == 2);
    CHECK(Answer(&Fetch, sizeof(Keys)) == STATUS_SUCCESS && DiskWait(&Held, NULL) == SRB_STATUS_SUCCESS);
    Dismiss();
}

/* Many requests become free by one answer, as many fetches wait for them: none is left behind. */
static void ManyAtOnce(void)
{
    static WNBD_IOCTL_FETCH_REQ_COMMAND Fetches[MANY];
    static NATIVE_REQUEST *Requests[MANY];
    static DISK_IO Reads[MANY];
    static UCHAR Data[MANY][BLOCK];
    WNBD_IOCTL_FETCH_REQ_COMMAND Late;
    UCHAR Cdb[16];
    DISK_IO Write;
    PrepareUsual();
    DiskCdb16(Cdb, 0x8A, 0, 1, false);
    DiskBegin(&Disk, &Write, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Data[0], BLOCK);
    CHECK(ProviderFetch(&Provider, Buffer, PAGE_SIZE, &Late) == STATUS_SUCCESS);
    Reset();
    CHECK(DiskWait(&Write, NULL) == SRB_STATUS_BUS_RESET);
    for (size_t Index = 0; Index < MANY; Index++) {
        DiskCdb16(Cdb, 0x88, 0, 1, false);
        DiskBegin(&Disk, &Reads[Index], Index % 2 == 0, Cdb, 16, SRB_FLAGS_DATA_IN, Data[Index], BLOCK);
        Requests[Index] = ProviderFetchBegin(&Provider, NULL, 0, &Fetches[Index]);
        CHECK(!NativeRequestPoll(Requests[Index], 0));
    }
    CHECK(Answer(&Late, 0) == STATUS_SUCCESS);
    for (size_t Index = 0; Index < MANY; Index++) {
        CHECK(NativeRequestPoll(Requests[Index], LONGEST_MS));
        CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_SUCCESS);
        CHECK(Fetches[Index].Request.RequestType == WnbdReqTypeRead);
    }
    for (size_t Index = 0; Index < MANY; Index++) {
        CHECK(Answer(&Fetches[Index], BLOCK) == STATUS_SUCCESS);
    }
    for (size_t Index = 0; Index < MANY; Index++) {
        CHECK(DiskWait(&Reads[Index], NULL) == SRB_STATUS_SUCCESS);
    }
    Dismiss();
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(void);
    } Tests[] = {
        {"abilities", Abilities},     {"the older command", CreatePlainly},
        {"no process", NoProcess},    {"a disk of another kind", OfAnotherKind},
        {"descriptors", Descriptors}, {"reservations", Reservations},
        {"many at once", ManyAtOnce},
    };
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 0});
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run();
    }
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
