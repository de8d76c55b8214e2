/* SPDX-License-Identifier: LGPL-2.1-only */
/* The dispatcher's threads, what they give to the callbacks, and the answers. */
#include "provider.h"

#include <string.h>

void TestStart(void)
{
    PWNBD_DISK Disk = MakeDisk(0);
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    RETURNS(ERROR_INVALID_PARAMETER, WnbdStartDispatcher(NULL, 1));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdStartDispatcher(Disk, 0));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdStartDispatcher(Disk, WNBD_MAX_DISPATCHER_THREAD_COUNT + 1));
    RETURNS(ERROR_NOT_READY, WnbdWaitDispatcher(Disk));
    /* A thread or a buffer that can't be had: nothing is left of the others, and it may be tried again. */
    Fake.ThreadsUntilFailure = 3;
    RETURNS(ERROR_OUTOFMEMORY, WnbdStartDispatcher(Disk, 5));
    Fake.ThreadsUntilFailure = -1;
    Fake.BuffersUntilFailure = 2;
    RETURNS(ERROR_OUTOFMEMORY, WnbdStartDispatcher(Disk, 5));
    Fake.BuffersUntilFailure = -1;
    CHECK(!Disk->Started && Disk->DispatcherThreadsCount == 0 && Fake.Commands[IOCTL_WNBD_FETCH_REQ] == 0);
    RETURNS(0, WnbdStartDispatcher(Disk, WNBD_MAX_DISPATCHER_THREAD_COUNT));
    CHECK(FakeAwaitFetches(WNBD_MAX_DISPATCHER_THREAD_COUNT));
    CHECK(Disk->Started && Disk->DispatcherThreadsCount == WNBD_MAX_DISPATCHER_THREAD_COUNT);
    CHECK(WaitForSingleObject(Disk->DispatcherThreads[254], 0) == WAIT_TIMEOUT);
    RETURNS(ERROR_ALREADY_INITIALIZED, WnbdStartDispatcher(Disk, 1));
    EndDisk(Disk);
    Disk = MakeDisk(WNBD_MIN_DISPATCHER_THREAD_COUNT);
    CHECK(FakeAwaitFetches(1));
    EndDisk(Disk);
    /* A disk that the driver serves has no dispatcher. */
    WNBD_PROPERTIES Properties = ProviderProperties();
    Properties.Flags.UseKernelNbd = 1;
    Properties.NbdProperties.PortNumber = 10809;
    strcpy(Properties.NbdProperties.Hostname, "127.0.0.1");
    WNBD_IO_RESPONSE Response = {0};
    FakeReset();
    RETURNS(0, WnbdCreate(&Properties, NULL, NULL, &Disk));
    RETURNS(ERROR_NOT_SUPPORTED, WnbdStartDispatcher(Disk, 1));
    RETURNS(ERROR_NOT_SUPPORTED, WnbdStopDispatcher(Disk, &Options));
    RETURNS(ERROR_NOT_SUPPORTED, WnbdSendResponse(Disk, &Response, NULL, 0));
    RETURNS(ERROR_NOT_READY, WnbdWaitDispatcher(Disk));
    WnbdClose(Disk);
    CHECK(Fake.There && Fake.Removed == 0); /* it outlives its handle */
    RETURNS(ERROR_INVALID_PARAMETER, WnbdStopDispatcher(NULL, &Options));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdWaitDispatcher(NULL));
}

/* Sends a request and waits until it is answered; what the callback saw is in LastCall. */
static void Ask(const WNBD_IO_REQUEST *Request, const void *Data, UINT32 Filled)
{
    FAKE_ANSWER Answer;
    FakeRequest(Request, Data, Filled);
    CHECK(FakeAnswer(Request->RequestHandle, &Answer));
    CHECK(Answer.Response.RequestType == Request->RequestType && Answer.Response.Status.ScsiStatus == 0);
    CHECK(LastCall.Handle == Request->RequestHandle && LastCall.Type == Request->RequestType);
}

void TestCallbacks(void)
{
    PWNBD_DISK Disk = MakeDisk(1);
    BYTE Data[2 * BLOCK];
    memset(Data, 0x37, sizeof(Data));
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 101);
    Ask(&Request, NULL, 0);
    CHECK(LastCall.Address == 0x123456789 && LastCall.Count == 2 && LastCall.Fua == FALSE);
    Request.Cmd.Read.BlockCount = WNBD_DEFAULT_MAX_TRANSFER_LENGTH / BLOCK;
    Request.Cmd.Read.ForceUnitAccess = 1;
    Ask(&Request, NULL, 0);
    CHECK(LastCall.Count == 4096 && LastCall.Fua == TRUE);
    Request = MakeRequest(WnbdReqTypeWrite, 102);
    Request.Cmd.Write.ForceUnitAccess = 1;
    Ask(&Request, Data, sizeof(Data));
    CHECK(LastCall.Address == 0x123456789 && LastCall.Count == 2 && LastCall.Fua == TRUE && LastCall.Data[63] == 0x37);
    Request = MakeRequest(WnbdReqTypeFlush, 103);
    Request.Cmd.Flush.BlockAddress = 5;
    Request.Cmd.Flush.BlockCount = 6;
    Ask(&Request, NULL, 0);
    CHECK(LastCall.Address == 5 && LastCall.Count == 6);
    WNBD_UNMAP_DESCRIPTOR Ranges[2] = {{.BlockAddress = 7, .BlockCount = 8}, {.BlockAddress = 9, .BlockCount = 10}};
    Request = MakeRequest(WnbdReqTypeUnmap, 104);
    Request.Cmd.Unmap.Count = 2;
    Ask(&Request, Ranges, sizeof(Ranges));
    CHECK(LastCall.Count == 2 && memcmp(LastCall.Data, Ranges, sizeof(Ranges)) == 0);
    Request = MakeRequest(WnbdReqTypePersistResIn, 105);
    Request.Cmd.PersistResIn.ServiceAction = 2;
    Ask(&Request, NULL, 0);
    CHECK(LastCall.Action == 2);
    Request = MakeRequest(WnbdReqTypePersistResOut, 106);
    Request.Cmd.PersistResOut.ServiceAction = 4;
    Request.Cmd.PersistResOut.Scope = 1;
    Request.Cmd.PersistResOut.Type = 3;
    Request.Cmd.PersistResOut.ParameterListLength = 24;
    Ask(&Request, Data, 24);
    CHECK(LastCall.Action == 4 && LastCall.Scope == 1 && LastCall.Kind == 3 && LastCall.Count == 24);
    CHECK(LastCall.Data[23] == 0x37);
    CHECK(FakeAwaitFetches(1));
    WNBD_USR_STATS Stats = StatsOf(Disk);
    CHECK(Stats.TotalReceivedRequests == 7 && Stats.TotalSubmittedRequests == 7 && Stats.TotalReceivedReplies == 7);
    CHECK(Stats.TotalRWRequests == 3 && Stats.TotalReadBlocks == 2 + 4096 && Stats.TotalWrittenBlocks == 2);
    CHECK(Stats.UnsubmittedRequests == 0 && Stats.PendingSubmittedRequests == 0 && Stats.PendingReplies == 0);
    CHECK(Stats.InvalidRequests == 0 && Stats.ReadErrors == 0);
    EndDisk(Disk);
}

/* Sends a request that no callback may see. */
static void AskWrongly(const WNBD_IO_REQUEST *Request, UINT32 Filled, UINT8 Asc)
{
    static BYTE Data[4 * BLOCK];
    FAKE_ANSWER Answer;
    LONG Before = CallCount;
    FakeRequest(Request, Filled && Filled <= sizeof(Data) ? Data : NULL, Filled);
    CHECK(FakeAnswer(Request->RequestHandle, &Answer));
    CHECK(Answer.Response.RequestType == Request->RequestType && Answer.Response.Status.ScsiStatus == 2);
    CHECK(Answer.Response.Status.SenseKey == 5 && Answer.Response.Status.ASC == Asc && !Answer.HasData);
    CHECK(CallCount == Before);
}

void TestRefusals(void)
{
    PWNBD_DISK Disk = MakeDisk(1);
    WNBD_IO_REQUEST Request = MakeRequest((WnbdRequestType)77, 1);
    AskWrongly(&Request, 0, 0x20);
    Request = MakeRequest(WnbdReqTypeUnknown, 2);
    AskWrongly(&Request, 0, 0x20);
    Request = MakeRequest(WnbdReqTypeRead, 3);
    Request.Cmd.Read.BlockCount = 0;
    AskWrongly(&Request, 0, 0x24);
    Request.Cmd.Read.BlockCount = WNBD_DEFAULT_MAX_TRANSFER_LENGTH / BLOCK + 1;
    AskWrongly(&Request, 0, 0x24);
    Request.Cmd.Read.BlockCount = 2;
    Request.Cmd.Read.BlockAddress = MAXUINT64 - 1;
    AskWrongly(&Request, 0, 0x24);
    /* Less data than is to be written, or more than there can be. */
    Request = MakeRequest(WnbdReqTypeWrite, 4);
    AskWrongly(&Request, 2 * BLOCK - 1, 0x24);
    AskWrongly(&Request, WNBD_DEFAULT_MAX_TRANSFER_LENGTH + 1, 0x24);
    Request = MakeRequest(WnbdReqTypeUnmap, 5);
    AskWrongly(&Request, sizeof(WNBD_UNMAP_DESCRIPTOR) - 1, 0x24);
    Request.Cmd.Unmap.Count = 0;
    AskWrongly(&Request, sizeof(WNBD_UNMAP_DESCRIPTOR), 0x24);
    Request = MakeRequest(WnbdReqTypePersistResOut, 6);
    Request.Cmd.PersistResOut.ParameterListLength = 24;
    AskWrongly(&Request, 23, 0x24);
    CHECK(FakeAwaitFetches(1));
    WNBD_USR_STATS Stats = StatsOf(Disk);
    CHECK(Stats.TotalReceivedRequests == 10 && Stats.InvalidRequests == 10 && Stats.UnsubmittedRequests == 0);
    CHECK(Stats.TotalSubmittedRequests == 0 && Stats.TotalReceivedReplies == 0 && Stats.TotalRWRequests == 0);
    /* A driver that doesn't take the refusal is no reason to end. */
    Fake.Errors[IOCTL_WNBD_SEND_RSP] = ERROR_GEN_FAILURE;
    Request = MakeRequest(WnbdReqTypeUnknown, 7);
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAwaitFetches(1) && StatsOf(Disk).InvalidRequests == 11);
    EndDisk(Disk);
}

/* Each kind of request to a disk that has no callback for it. */
static void RefusalsWithout(void)
{
    static const WnbdRequestType Types[] = {WnbdReqTypeWrite, WnbdReqTypeFlush, WnbdReqTypeUnmap,
                                            WnbdReqTypePersistResIn, WnbdReqTypePersistResOut};
    WNBD_INTERFACE OnlyRead = {.Read = NotingInterface.Read};
    WNBD_PROPERTIES Properties = ProviderProperties();
    PWNBD_DISK Disk = NULL;
    FakeReset();
    RETURNS(0, WnbdCreate(&Properties, &OnlyRead, NULL, &Disk));
    RETURNS(0, WnbdStartDispatcher(Disk, 2));
    for (size_t Index = 0; Index < ARRAYSIZE(Types); Index++) {
        WNBD_IO_REQUEST Request = MakeRequest(Types[Index], 10 + Index);
        AskWrongly(&Request, 2 * BLOCK, 0x20);
    }
    EndDisk(Disk);
}

static volatile LONG Sent;

static DWORD WINAPI AnswerLater(LPVOID Parameter)
{
    static BYTE Data[2 * BLOCK];
    WNBD_IO_RESPONSE Response = {.RequestHandle = 21, .RequestType = WnbdReqTypeRead};
    memset(Data, 0x42, sizeof(Data));
    RETURNS(0, WnbdSendResponse(Parameter, &Response, Data, sizeof(Data)));
    InterlockedIncrement(&Sent);
    return 0;
}

static void AnswersLater(PWNBD_DISK Disk)
{
    FAKE_ANSWER Answer;
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 21);
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAwait(&CallCount, 1) && FakeAwaitFetches(1)); /* the callback is back */
    CHECK(StatsOf(Disk).PendingSubmittedRequests == 1 && FakeAnswers() == 0);
    HANDLE Thread = CreateThread(NULL, 0, AnswerLater, Disk, 0, NULL);
    CHECK(FakeAnswer(21, &Answer) && Answer.Size == 2 * BLOCK && Answer.Data[BLOCK] == 0x42);
    CHECK(WaitForSingleObject(Thread, FAKE_PATIENCE_MS) == WAIT_OBJECT_0 && Sent == 1);
    CloseHandle(Thread);
    WNBD_USR_STATS Stats = StatsOf(Disk);
    CHECK(Stats.PendingSubmittedRequests == 0 && Stats.TotalReceivedReplies == 1 && Stats.PendingReplies == 0);
}

/* Data goes with good answers to reads and PERSISTENT RESERVE IN, and with no others. */
static void AnswersData(PWNBD_DISK Disk)
{
    static const struct {
        WnbdRequestType Type;
        UINT8 Key;
        bool Data;
    } Cases[] = {
        {WnbdReqTypeRead, 0, true},         {WnbdReqTypeRead, 3, false},   {WnbdReqTypeWrite, 0, false},
        {WnbdReqTypePersistResIn, 0, true}, {WnbdReqTypeUnmap, 0, false},  {WnbdReqTypePersistResIn, 5, false},
        {WnbdReqTypeFlush, 0, false},       {WnbdReqTypeWrite, 3, false},  {WnbdReqTypePersistResOut, 5, false},
        {WnbdReqTypeFlush, 3, false},       {WnbdReqTypeUnmap, 11, false},
    };
    BYTE Data[BLOCK];
    FAKE_ANSWER Answer;
    memset(Data, 1, sizeof(Data));
    for (size_t Index = 0; Index < ARRAYSIZE(Cases); Index++) {
        WNBD_IO_RESPONSE Response = {.RequestHandle = Index, .RequestType = Cases[Index].Type};
        if (Cases[Index].Key) {
            WnbdSetSenseEx(&Response.Status, Cases[Index].Key, 0x11, 99);
        }
        RETURNS(0, WnbdSendResponse(Disk, &Response, Data, sizeof(Data)));
        CHECK(FakeAnswer(Index, &Answer) && Answer.HasData == Cases[Index].Data);
        CHECK(Answer.Size == (Cases[Index].Data ? sizeof(Data) : 0));
        CHECK(memcmp(&Answer.Response, &Response, sizeof(Response)) == 0);
    }
    WNBD_USR_STATS Stats = StatsOf(Disk);
    CHECK(Stats.ReadErrors == 1 && Stats.WriteErrors == 1 && Stats.FlushErrors == 1 && Stats.UnmapErrors == 1);
    CHECK(Stats.PersistResInErrors == 1 && Stats.PersistResOutErrors == 1);
    CHECK(Stats.PendingSubmittedRequests == 0); /* answers that nobody asked for */
}

static void AnswersOverlapped(PWNBD_DISK Disk)
{
    DWORD Bytes;
    OVERLAPPED Wait = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    WNBD_IO_RESPONSE Response = {.RequestHandle = 30, .RequestType = WnbdReqTypeFlush};
    Fake.Hold = true;
    RETURNS(ERROR_IO_PENDING, WnbdSendResponseEx(Disk, &Response, NULL, 0, &Wait));
    CHECK(WaitForSingleObject(Wait.hEvent, 0) == WAIT_TIMEOUT);
    FakeRelease();
    CHECK(GetOverlappedResult(Disk->Handle, &Wait, &Bytes, TRUE));
    Fake.Hold = false;
    CHECK(FakeAnswer(30, NULL) && StatsOf(Disk).PendingReplies == 0);
    RETURNS(0, WnbdSendResponseEx(Disk, &Response, NULL, 0, NULL));
    CHECK(FakeAnswer(30, NULL));
    CloseHandle(Wait.hEvent);
}

void TestAnswers(void)
{
    RefusalsWithout();
    PWNBD_DISK Disk = MakeDisk(1);
    WNBD_IO_RESPONSE Response = {.RequestHandle = 40, .RequestType = WnbdReqTypeRead};
    AnswerAtOnce = false;
    Sent = 0;
    AnswersLater(Disk);
    AnswersData(Disk);
    AnswersOverlapped(Disk);
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSendResponse(NULL, &Response, NULL, 0));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSendResponse(Disk, NULL, NULL, 0));
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSendResponse(Disk, &Response, NULL, 1));
    /* An answer that the driver refuses is none: it may be given again. */
    WNBD_IO_REQUEST Request = MakeRequest(WnbdReqTypeRead, 40);
    CallCount = 0;
    FakeRequest(&Request, NULL, 0);
    CHECK(FakeAwait(&CallCount, 1));
    WNBD_USR_STATS Before = StatsOf(Disk);
    WnbdSetSense(&Response.Status, 3, 0x11);
    Fake.Errors[IOCTL_WNBD_SEND_RSP] = ERROR_INVALID_PARAMETER;
    RETURNS(ERROR_INVALID_PARAMETER, WnbdSendResponse(Disk, &Response, NULL, 0));
    WNBD_USR_STATS After = StatsOf(Disk);
    CHECK(memcmp(&Before, &After, sizeof(Before)) == 0 && After.PendingSubmittedRequests == 1);
    Fake.Errors[IOCTL_WNBD_SEND_RSP] = ERROR_NOT_FOUND; /* as the driver says to a second answer */
    RETURNS(ERROR_NOT_FOUND, WnbdSendResponse(Disk, &Response, NULL, 0));
    After = StatsOf(Disk);
    CHECK(memcmp(&Before, &After, sizeof(Before)) == 0);
    /* What went with the disk is answered nevertheless. */
    Fake.Errors[IOCTL_WNBD_SEND_RSP] = ERROR_FILE_NOT_FOUND;
    RETURNS(ERROR_FILE_NOT_FOUND, WnbdSendResponse(Disk, &Response, NULL, 0));
    CHECK(StatsOf(Disk).PendingSubmittedRequests == 0 && StatsOf(Disk).ReadErrors == Before.ReadErrors + 1);
    EndDisk(Disk);
}
