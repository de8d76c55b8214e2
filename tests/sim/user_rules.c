/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the driver refuses of the process that serves a disk, and of others who would: after each refusal the request
 * is where it was, and is served in the end. And what Windows is told of the process's answers.
 */
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCK 512u
#define BLOCKS 8192u
#define KERNEL_ADDRESS ((void *)0xFFFF800000000000ull)

static BED Bed;
static DISK Disk;
static PROVIDER Provider;
static UCHAR *Buffer; /* of the process, PROVIDER_BUFFER_BYTES */

/* One transfer, on its way. */
typedef struct {
    DISK_IO Io;
    UCHAR Data[16 * BLOCK];
} TRANSFER;

static void Begin(TRANSFER *Transfer, bool Write, uint64_t Block, uint32_t Count)
{
    UCHAR Cdb[16];
    CHECK(Count * BLOCK <= sizeof(Transfer->Data));
    memset(Transfer->Data, Write ? 0x5A : 0xEE, sizeof(Transfer->Data));
    DiskCdb16(Cdb, Write ? 0x8A : 0x88, Block, Count, false);
    DiskBegin(&Disk, &Transfer->Io, Block % 2 == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
              Transfer->Data, Count * BLOCK);
}

/* The request that Windows has sent is still there. */
static bool Waits(TRANSFER *Transfer)
{
    return !NativeRequestPoll(Transfer->Io.Request, 0);
}

static WNBD_IO_RESPONSE Success(const WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch)
{
    WNBD_IO_RESPONSE Response;
    ProviderSuccess(&Response, &Fetch->Request);
    return Response;
}

static void End(TRANSFER *Transfer, const WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch, uint32_t Bytes)
{
    WNBD_IO_RESPONSE Response = Success(Fetch);
    CHECK(Waits(Transfer));
    CHECK(ProviderSend(&Provider, &Response, Buffer, Bytes) == STATUS_SUCCESS);
    CHECK(DiskWait(&Transfer->Io, NULL) == SRB_STATUS_SUCCESS);
}

static WNBD_DRV_STATS Counters(void)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "served"};
    WNBD_DRV_STATS Result;
    CHECK(NativeIoctl(Bed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), NULL) ==
          STATUS_SUCCESS);
    return Result;
}

/* ---- who ---- */

static void OtherProcesses(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    TRANSFER Read;
    PROVIDER Other = Provider;
    Other.Process = NativeProcessCreate();
    Other.File = NativeOpen(&WNBD_GUID, Other.Process);
    void *Own = NativeUserAllocate(Other.Process, PROVIDER_BUFFER_BYTES);
    Begin(&Read, false, 0, 1);
    CHECK(ProviderFetch(&Other, Own, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_ACCESS_DENIED);
    CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
    WNBD_IO_RESPONSE Response = Success(&Fetch);
    CHECK(ProviderSend(&Other, &Response, Own, BLOCK) == STATUS_ACCESS_DENIED);
    /* The process's own request, with somebody else's memory. */
    CHECK(ProviderSend(&Provider, &Response, Own, BLOCK) == STATUS_ACCESS_VIOLATION);
    End(&Read, &Fetch, BLOCK);
    NativeClose(Other.File);
    NativeProcessDelete(Other.Process);
}

static void Lives(void)
{
    static const uint64_t Wrong[] = {0, 1, 0xFF, 0x1FF, 0x200, 0x10000, UINT64_MAX};
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response = {0};
    uint64_t Id = Provider.Info.ConnectionId;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Wrong); Index++) {
        Provider.Info.ConnectionId = Id ^ Wrong[Index];
        if (Wrong[Index] != 0) {
            CHECK(ProviderFetch(&Provider, Buffer, BLOCK, &Fetch) == STATUS_OBJECT_NAME_NOT_FOUND);
            CHECK(ProviderSend(&Provider, &Response, NULL, 0) == STATUS_OBJECT_NAME_NOT_FOUND);
        }
    }
    Provider.Info.ConnectionId = Id;
}

/* ---- memory ---- */

static void MemoryOfFetches(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    TRANSFER Write;
    UCHAR Stack[BLOCK];
    UCHAR *Small = NativeUserAllocate(Provider.Process, PAGE_SIZE);
    /* To wait with, all of the buffer has to be there; for a request that waits, what that needs of it. */
    CHECK(ProviderFetch(&Provider, Small, PAGE_SIZE + 1, &Fetch) == STATUS_ACCESS_VIOLATION);
    CHECK(ProviderFetch(&Provider, Small, UINT32_MAX, &Fetch) == STATUS_ACCESS_VIOLATION);
    Begin(&Write, true, 4, 2);
    CHECK(ProviderFetch(&Provider, NULL, 2 * BLOCK, &Fetch) == STATUS_ACCESS_VIOLATION);
    CHECK(ProviderFetch(&Provider, KERNEL_ADDRESS, 2 * BLOCK, &Fetch) == STATUS_ACCESS_VIOLATION);
    CHECK(ProviderFetch(&Provider, (void *)(UINTPTR_MAX - 16), 2 * BLOCK, &Fetch) == STATUS_ACCESS_VIOLATION);
    CHECK(ProviderFetch(&Provider, Stack, sizeof(Stack), &Fetch) == STATUS_ACCESS_VIOLATION);
    CHECK(ProviderFetch(&Provider, Small + PAGE_SIZE - 2 * BLOCK + 1, 2 * BLOCK, &Fetch) == STATUS_ACCESS_VIOLATION);
    NativeUserProtect(Small, false);
    CHECK(ProviderFetch(&Provider, Small, PAGE_SIZE, &Fetch) == STATUS_ACCESS_VIOLATION);
    NativeUserProtect(Small, true);
    /* Too small for this request, which stays. */
    CHECK(ProviderFetch(&Provider, Small, 2 * BLOCK - 1, &Fetch) == STATUS_BUFFER_TOO_SMALL);
    CHECK(ProviderFetch(&Provider, NULL, 0, &Fetch) == STATUS_BUFFER_TOO_SMALL);
    CHECK(Waits(&Write) && Counters().TotalSubmittedIORequests == Counters().TotalReceivedIOReplies);
    memset(Small, 0, PAGE_SIZE);
    CHECK(ProviderFetch(&Provider, Small, UINT32_MAX, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeWrite && Fetch.DataBufferSize == 2 * BLOCK);
    CHECK(Fetch.Request.Cmd.Write.BlockAddress == 4 && Fetch.Request.Cmd.Write.BlockCount == 2);
    CHECK(memcmp(Small, Write.Data, 2 * BLOCK) == 0 && Small[2 * BLOCK] == 0);
    End(&Write, &Fetch, 0);
    NativeUserFree(Small);
}

/* A request without data needs no room for any; more room than a request can fill is not looked at. */
static void MemoryThatIsNotNeeded(void)
{
    static const UCHAR Cdb[10] = {0x35};
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    TRANSFER Read, Flush;
    Begin(&Read, false, 0, 1);
    CHECK(ProviderFetch(&Provider, NULL, 0, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeRead && Fetch.DataBufferSize == 0);
    End(&Read, &Fetch, BLOCK);
    DiskBegin(&Disk, &Flush.Io, true, Cdb, sizeof(Cdb), 0, NULL, 0);
    CHECK(ProviderFetch(&Provider, Buffer, UINT32_MAX, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestType == WnbdReqTypeFlush && Fetch.DataBufferSize == 0);
    End(&Flush, &Fetch, 0);
}

/* Room for the request alone, as for a caller that keeps the rest of the command elsewhere. */
static void ShortOutput(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                          .ConnectionId = Provider.Info.ConnectionId};
    WNBD_IO_REQUEST Request;
    ULONG Used;
    TRANSFER Read;
    Begin(&Read, false, 3, 1);
    CHECK(NativeIoctl(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Fetch, sizeof(Fetch), &Request, sizeof(Request),
                      &Used) == STATUS_SUCCESS);
    CHECK(Used == sizeof(Request) && Request.RequestType == WnbdReqTypeRead);
    CHECK(Request.Cmd.Read.BlockAddress == 3 && Request.Cmd.Read.BlockCount == 1);
    Fetch.Request = Request;
    End(&Read, &Fetch, BLOCK);
}

/* The process takes its memory away, or the right to write there, while a fetch waits with it. */
static void MemoryThatGoes(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetches[2];
    NATIVE_REQUEST *Requests[2];
    TRANSFER Writes[2];
    for (uint32_t Index = 0; Index < 2; Index++) {
        UCHAR *Memory = NativeUserAllocate(Provider.Process, PAGE_SIZE);
        Requests[Index] = ProviderFetchBegin(&Provider, Memory, PAGE_SIZE, &Fetches[Index]);
        if (Index == 0) {
            NativeUserFree(Memory);
        } else {
            NativeUserProtect(Memory, false);
        }
        Begin(&Writes[Index], true, Index, 1);
        CHECK(NativeRequestWait(Requests[Index], NULL) == STATUS_SUCCESS);
        if (Index == 1) {
            CHECK(memcmp(Memory, Writes[Index].Data, BLOCK) == 0);
            NativeUserFree(Memory);
        }
        End(&Writes[Index], &Fetches[Index], 0);
    }
}

/* ---- answers ---- */

static void WrongAnswers(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    TRANSFER Read;
    UCHAR *Small = NativeUserAllocate(Provider.Process, PAGE_SIZE);
    Begin(&Read, false, 8, 2);
    CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
    WNBD_IO_RESPONSE Good = Success(&Fetch), Bad;
    memset(Buffer, 0x3C, 4 * BLOCK);
#define REFUSED(Change, Memory, Bytes, Status)                                                                         \
    (Bad = Good, Change, CHECKED(ProviderSend(&Provider, &Bad, Memory, Bytes) == (Status)))
#define CHECKED(Condition) ((Condition) && Waits(&Read) ? (void)0 : BedFail(__FILE__, __LINE__, #Condition))
    REFUSED(Bad.RequestHandle++, Buffer, 2 * BLOCK, STATUS_NOT_FOUND);
    REFUSED(Bad.RequestHandle -= 0x10000, Buffer, 2 * BLOCK, STATUS_NOT_FOUND);
    REFUSED(Bad.RequestHandle += 0x10000, Buffer, 2 * BLOCK, STATUS_NOT_FOUND);
    REFUSED(Bad.RequestHandle = 0, Buffer, 2 * BLOCK, STATUS_NOT_FOUND);
    REFUSED(Bad.RequestHandle = UINT64_MAX, Buffer, 2 * BLOCK, STATUS_NOT_FOUND);
    REFUSED(Bad.RequestType = WnbdReqTypeWrite, Buffer, 2 * BLOCK, STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(Bad.RequestType = WnbdReqTypeDisconnect, Buffer, 2 * BLOCK, STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(Bad.RequestType = WnbdReqTypePersistResIn, Buffer, 2 * BLOCK, STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(Bad.RequestType = (WnbdRequestType)77, Buffer, 2 * BLOCK, STATUS_OBJECT_TYPE_MISMATCH);
    REFUSED(Bad.Reserved[31] = 1, Buffer, 2 * BLOCK, STATUS_INVALID_PARAMETER);
    REFUSED(Bad.Status.ReservedCSI = 1, Buffer, 2 * BLOCK, STATUS_INVALID_PARAMETER);
    REFUSED(Bad.Status.ReservedSKS = 1, Buffer, 2 * BLOCK, STATUS_INVALID_PARAMETER);
    REFUSED(Bad.Status.ReservedFRU = 1, Buffer, 2 * BLOCK, STATUS_INVALID_PARAMETER);
    REFUSED((void)0, NULL, 2 * BLOCK, STATUS_ACCESS_VIOLATION);
    REFUSED((void)0, KERNEL_ADDRESS, 2 * BLOCK, STATUS_ACCESS_VIOLATION);
    REFUSED((void)0, Small + PAGE_SIZE - BLOCK, 2 * BLOCK, STATUS_ACCESS_VIOLATION);
#undef CHECKED
#undef REFUSED
    /* To be read, it need not be writable. */
    memset(Small, 0x77, PAGE_SIZE);
    NativeUserProtect(Small, false);
    CHECK(ProviderSend(&Provider, &Good, Small, 2 * BLOCK) == STATUS_SUCCESS);
    CHECK(DiskWait(&Read.Io, NULL) == SRB_STATUS_SUCCESS);
    CHECK(memcmp(Read.Data, Small, 2 * BLOCK) == 0);
    CHECK(ProviderSend(&Provider, &Good, Small, 2 * BLOCK) == STATUS_NOT_FOUND);
    NativeUserFree(Small);
}

static void ExpectInternalFailure(TRANSFER *Transfer)
{
    ULONG Moved;
    CHECK(DiskWait(&Transfer->Io, &Moved) == SRB_STATUS_ERROR && Moved == 0);
    CHECK((Transfer->Io.Sense[2] & 0xF) == 0x4 && Transfer->Io.Sense[12] == 0x44 && Transfer->Io.Sense[13] == 0);
    for (size_t Index = 0; Index < sizeof(Transfer->Data); Index++) {
        CHECK(Transfer->Data[Index] == 0xEE);
    }
}

/* A success with another number of bytes than were asked for ends the request as a failure, and both sides hear so. */
static void WrongLengths(void)
{
    static const uint32_t Lengths[] = {
        0, 1, 2 * BLOCK - 1, 2 * BLOCK + 1, PROVIDER_BUFFER_BYTES, PROVIDER_BUFFER_BYTES + 1, UINT32_MAX};
    static const UCHAR RecoveredError = 1;
    memset(Buffer, 0x3C, PROVIDER_BUFFER_BYTES);
    for (size_t Index = 0; Index < 2 * RTL_NUMBER_OF(Lengths); Index++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        TRANSFER Read;
        Begin(&Read, false, 8 + Index, 2);
        CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
        WNBD_IO_RESPONSE Response = Success(&Fetch);
        if (Index % 2 == 0) {
            Response.Status = (WNBD_STATUS){.ScsiStatus = 0x02, .SenseKey = RecoveredError};
        }
        CHECK(ProviderSend(&Provider, &Response, Buffer, Lengths[Index / 2]) == STATUS_INVALID_BUFFER_SIZE);
        ExpectInternalFailure(&Read);
        CHECK(ProviderSend(&Provider, &Response, Buffer, 2 * BLOCK) == STATUS_NOT_FOUND);
    }
}

/* A request that the process hasn't been given has a handle that can be guessed, once a slot is used again. */
static void GuessedHandle(void)
{
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    TRANSFER Write;
    Begin(&Write, true, 0, 1);
    CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
    WNBD_IO_RESPONSE Response = Success(&Fetch);
    End(&Write, &Fetch, 0);
    Response.RequestHandle += 0x10000;
    Begin(&Write, true, 0, 1);
    CHECK(ProviderSend(&Provider, &Response, NULL, 0) == STATUS_NOT_FOUND);
    CHECK(Waits(&Write));
    CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
    CHECK(Fetch.Request.RequestHandle == Response.RequestHandle);
    End(&Write, &Fetch, 0);
}

/* What the process says, and what Windows gets of it. */
static void Statuses(void)
{
    static const struct {
        UINT8 Status, Key, Asc, Ascq;
        UINT64 Information;
        UCHAR SrbStatus, ScsiStatus, ToldKey, ToldAsc, ToldAscq;
    } Rows[] = {
        {0x00, 3, 0x11, 0, 0, SRB_STATUS_SUCCESS, 0x00, 0, 0, 0},
        {0x02, 3, 0x11, 4, 0x123456, SRB_STATUS_ERROR, 0x02, 3, 0x11, 4},
        {0x02, 7, 0x27, 7, 0, SRB_STATUS_ERROR, 0x02, 7, 0x27, 7},
        {0x02, 1, 0x17, 1, 0, SRB_STATUS_ERROR, 0x02, 1, 0x17, 1},
        {0x02, 0xF, 0x17, 1, 0, SRB_STATUS_ERROR, 0x02, 0xF, 0x17, 1},
        {0x02, 0, 0x11, 0, 0, SRB_STATUS_ERROR, 0x02, 4, 0x44, 0},
        {0x02, 0x1F, 0x11, 0, 0, SRB_STATUS_ERROR, 0x02, 4, 0x44, 0},
        {0x08, 0, 0, 0, 0, SRB_STATUS_ERROR, 0x02, 0xB, 0x55, 3},
        {0x18, 0, 0, 0, 0, SRB_STATUS_ERROR, 0x18, 0, 0, 0},
        {0x77, 3, 0x11, 0, 0, SRB_STATUS_ERROR, 0x02, 4, 0x44, 0},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        TRANSFER Read;
        ULONG Moved;
        bool Data =
            Rows[Index].SrbStatus == SRB_STATUS_SUCCESS || Rows[Index].ToldKey == 1 || Rows[Index].ToldKey == 0xF;
        Begin(&Read, false, Index, 1);
        CHECK(ProviderFetch(&Provider, Buffer, PROVIDER_BUFFER_BYTES, &Fetch) == STATUS_SUCCESS);
        WNBD_IO_RESPONSE Response = Success(&Fetch);
        Response.Status = (WNBD_STATUS){.ScsiStatus = Rows[Index].Status,
                                        .SenseKey = Rows[Index].Key,
                                        .ASC = Rows[Index].Asc,
                                        .ASCQ = Rows[Index].Ascq,
                                        .Information = Rows[Index].Information,
                                        .InformationValid = Rows[Index].Information != 0};
        memset(Buffer, 0x42, BLOCK);
        CHECK(ProviderSend(&Provider, &Response, Data ? Buffer : NULL, BLOCK) == STATUS_SUCCESS);
        CHECK(DiskWait(&Read.Io, &Moved) == Rows[Index].SrbStatus);
        CHECK(Moved == (Data ? BLOCK : 0) && Read.Data[0] == (Data ? 0x42 : 0xEE));
        CHECK((Read.Io.CdbBlock != NULL ? Read.Io.CdbBlock->ScsiStatus : Read.Io.Srb.Classic.ScsiStatus) ==
              Rows[Index].ScsiStatus);
        CHECK((Read.Io.Sense[2] & 0xF) == Rows[Index].ToldKey && Read.Io.Sense[12] == Rows[Index].ToldAsc &&
              Read.Io.Sense[13] == Rows[Index].ToldAscq);
        CHECK(((Read.Io.Sense[0] & 0x80) != 0) == (Rows[Index].Information != 0));
        CHECK(Read.Io.Sense[6] == (UCHAR)Rows[Index].Information);
    }
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(void);
    } Tests[] = {
        {"other processes are refused", OtherProcesses},
        {"other lives of a disk are", Lives},
        {"memory that can't be fetched into", MemoryOfFetches},
        {"memory that isn't needed", MemoryThatIsNotNeeded},
        {"a request alone", ShortOutput},
        {"memory that goes while a fetch waits", MemoryThatGoes},
        {"answers that fit nothing", WrongAnswers},
        {"answers of another length", WrongLengths},
        {"a handle that was guessed", GuessedHandle},
        {"statuses and sense", Statuses},
    };
    WNBD_PROPERTIES Properties;
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 1, .LogLevel = 1});
    ProviderProperties(&Properties, "served", BLOCKS, BLOCK);
    ProviderStart(&Provider, &Bed, &Properties);
    Buffer = NativeUserAllocate(Provider.Process, PROVIDER_BUFFER_BYTES);
    /* Windows looks at the disk without reading it: nobody has to serve it for that. */
    DiskOpen(&Disk, &Bed, 1);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        Tests[Index].Run();
        WNBD_DRV_STATS Now = Counters();
        CHECK(Now.OutstandingIOCount == 0 && Now.PendingSubmittedIORequests == 0 && Now.UnsubmittedIORequests == 0);
        CHECK(Now.TotalSubmittedIORequests == Now.TotalReceivedIOReplies);
    }
    CHECK(BedUnmap(&Bed, "served") == STATUS_SUCCESS);
    CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
    DiskClose(&Disk);
    ProviderEnd(&Provider);
    BedStop(&Bed);
    printf("ok\n");
    return 0;
}
