/* SPDX-License-Identifier: LGPL-2.1-only */
/* provider.h. */
#include "provider.h"

#include <stdio.h>
#include <stdlib.h>

void ProviderProperties(WNBD_PROPERTIES *Properties, const char *Name, uint64_t BlockCount, uint32_t BlockSize)
{
    memset(Properties, 0, sizeof(*Properties));
    snprintf(Properties->InstanceName, sizeof(Properties->InstanceName), "%s", Name);
    snprintf(Properties->Owner, sizeof(Properties->Owner), "sim");
    Properties->BlockCount = BlockCount;
    Properties->BlockSize = BlockSize;
    Properties->Flags.FlushSupported = 1;
    Properties->Flags.FUASupported = 1;
    Properties->Flags.UnmapSupported = 1;
    Properties->MaxUnmapDescCount = 64;
}

UINT32 ProviderTry(NATIVE_FILE *File, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX, .Properties = *Properties};
    ULONG Used = 0;
    CHECK(NativeIoctl(File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result), &Used) ==
          STATUS_SUCCESS);
    CHECK(Used == sizeof(*Result));
    CHECK(Result->Phase == (Result->Status == 0 ? WnbdCreatePhaseDone : WnbdCreatePhaseRequest));
    CHECK((Result->Status == 0) == (Result->Message[0] == '\0'));
    return Result->Status;
}

void ProviderStart(PROVIDER *Provider, BED *Bed, const WNBD_PROPERTIES *Properties)
{
    static WNBD_CREATE_RESULT Result;
    UNREFERENCED_PARAMETER(Bed);
    memset(Provider, 0, sizeof(*Provider));
    Provider->Process = NativeProcessCreate();
    Provider->File = NativeOpen(&WNBD_GUID, Provider->Process);
    CHECK(Provider->File != NULL);
    CHECK(ProviderTry(Provider->File, Properties, &Result) == 0);
    Provider->Info = Result.ConnectionInfo;
    Provider->Medium = calloc(Properties->BlockCount, Properties->BlockSize);
    CHECK(Provider->Medium != NULL);
}

void ProviderEnd(PROVIDER *Provider)
{
    NativeClose(Provider->File);
    NativeProcessDelete(Provider->Process);
    free(Provider->Medium);
}

NATIVE_REQUEST *ProviderFetchBegin(PROVIDER *Provider, void *Buffer, UINT32 Bytes, WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch)
{
    memset(Fetch, 0, sizeof(*Fetch));
    Fetch->IoControlCode = IOCTL_WNBD_FETCH_REQ;
    Fetch->ConnectionId = Provider->Info.ConnectionId;
    Fetch->DataBuffer = Buffer;
    Fetch->DataBufferSize = Bytes;
    return NativeIoctlBegin(Provider->File, WNBD_IOCTL_CONTROL_CODE, Fetch, sizeof(*Fetch), Fetch, sizeof(*Fetch));
}

NTSTATUS ProviderFetch(PROVIDER *Provider, void *Buffer, UINT32 Bytes, WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch)
{
    ULONG Used = 0;
    NTSTATUS Status = NativeRequestWait(ProviderFetchBegin(Provider, Buffer, Bytes, Fetch), &Used);
    CHECK(Used == (NT_SUCCESS(Status) ? sizeof(*Fetch) : 0));
    CHECK(!NT_SUCCESS(Status) || Fetch->DataBufferSize <= Bytes);
    return Status;
}

NTSTATUS ProviderSend(PROVIDER *Provider, const WNBD_IO_RESPONSE *Response, const void *Buffer, UINT32 Bytes)
{
    WNBD_IOCTL_SEND_RSP_COMMAND Send = {.IoControlCode = IOCTL_WNBD_SEND_RSP,
                                        .Response = *Response,
                                        .ConnectionId = Provider->Info.ConnectionId,
                                        .DataBuffer = (void *)(uintptr_t)Buffer,
                                        .DataBufferSize = Bytes};
    return NativeIoctl(Provider->File, WNBD_IOCTL_CONTROL_CODE, &Send, sizeof(Send), NULL, 0, NULL);
}

void ProviderSuccess(WNBD_IO_RESPONSE *Response, const WNBD_IO_REQUEST *Request)
{
    memset(Response, 0, sizeof(*Response));
    Response->RequestHandle = Request->RequestHandle;
    Response->RequestType = Request->RequestType;
}

static UINT32 ReadBytes(const PROVIDER *Provider, const WNBD_IO_REQUEST *Request)
{
    bool Read = Request->RequestType == WnbdReqTypeRead;
    return Read ? Request->Cmd.Read.BlockCount * Provider->Info.Properties.BlockSize : 0;
}

bool ProviderObey(SERVER_THREAD *Server, const WNBD_IO_REQUEST *Request, UINT32 Bytes, WNBD_IO_RESPONSE *Response)
{
    PROVIDER *Provider = Server->Provider;
    uint64_t Size = Provider->Info.Properties.BlockSize;
    uint64_t Count = Provider->Info.Properties.BlockCount;
    const WNBD_UNMAP_DESCRIPTOR *Descriptors = Server->Buffer;
    UNREFERENCED_PARAMETER(Response);
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        CHECK(Bytes == 0 && Request->Cmd.Read.BlockAddress + Request->Cmd.Read.BlockCount <= Count);
        memcpy(Server->Buffer, Provider->Medium + Request->Cmd.Read.BlockAddress * Size,
               Request->Cmd.Read.BlockCount * Size);
        break;
    case WnbdReqTypeWrite:
        CHECK(Bytes == Request->Cmd.Write.BlockCount * Size);
        CHECK(Request->Cmd.Write.BlockAddress + Request->Cmd.Write.BlockCount <= Count);
        memcpy(Provider->Medium + Request->Cmd.Write.BlockAddress * Size, Server->Buffer, Bytes);
        break;
    case WnbdReqTypeUnmap:
        CHECK(Request->Cmd.Unmap.Count != 0 && Bytes == Request->Cmd.Unmap.Count * sizeof(*Descriptors));
        for (UINT32 Index = 0; Index < Request->Cmd.Unmap.Count; Index++) {
            CHECK(Descriptors[Index].BlockCount != 0 && Descriptors[Index].Reserved == 0);
            CHECK(Descriptors[Index].BlockAddress + Descriptors[Index].BlockCount <= Count);
            memset(Provider->Medium + Descriptors[Index].BlockAddress * Size, 0, Descriptors[Index].BlockCount * Size);
        }
        break;
    default:
        CHECK(Request->RequestType == WnbdReqTypeFlush && Bytes == 0);
        CHECK(Request->Cmd.Flush.BlockAddress == 0 && Request->Cmd.Flush.BlockCount == 0);
        break;
    }
    return true;
}

/* Fetches and answers until the disk is gone. */
static void *ServerMain(void *Context)
{
    SERVER_THREAD *Server = Context;
    PROVIDER *Provider = Server->Provider;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IO_RESPONSE Response;
    for (;;) {
        NTSTATUS Status = ProviderFetch(Provider, Server->Buffer, PROVIDER_BUFFER_BYTES, &Fetch);
        if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
            return NULL; /* gone before it was asked */
        }
        CHECK(Status == STATUS_SUCCESS);
        if (Fetch.Request.RequestType == WnbdReqTypeDisconnect) {
            CHECK(Fetch.DataBufferSize == 0 && Fetch.Request.RequestHandle == 0);
            return NULL;
        }
        atomic_fetch_add(&Server->Fetched, 1);
        ProviderSuccess(&Response, &Fetch.Request);
        if (Provider->Answer(Server, &Fetch.Request, Fetch.DataBufferSize, &Response)) {
            Status = ProviderSend(Provider, &Response, Server->Buffer, ReadBytes(Provider, &Fetch.Request));
            /* With the disk its requests end; the disk may just have been found. */
            CHECK(Status == STATUS_SUCCESS || Status == STATUS_OBJECT_NAME_NOT_FOUND || Status == STATUS_NOT_FOUND);
        }
    }
}

void ProviderServe(PROVIDER *Provider, unsigned Threads, PROVIDER_ANSWER *Answer)
{
    CHECK(Threads <= PROVIDER_THREADS_MAX);
    Provider->Answer = Answer;
    Provider->ThreadCount = Threads;
    for (unsigned Index = 0; Index < Threads; Index++) {
        SERVER_THREAD *Server = &Provider->Threads[Index];
        Server->Provider = Provider;
        Server->Index = Index;
        Server->Buffer = NativeUserAllocate(Provider->Process, PROVIDER_BUFFER_BYTES);
        CHECK(pthread_create(&Server->Thread, NULL, ServerMain, Server) == 0);
    }
}

void ProviderJoin(PROVIDER *Provider)
{
    for (unsigned Index = 0; Index < Provider->ThreadCount; Index++) {
        CHECK(pthread_join(Provider->Threads[Index].Thread, NULL) == 0);
        NativeUserFree(Provider->Threads[Index].Buffer);
    }
}
