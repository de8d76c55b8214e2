/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver's whole path to a process that serves a disk, natively (target.h): the process is this one, its medium is
 * memory, and its threads, as many as PORT says, do what libwnbd's dispatchers do: fetch a request into a buffer of
 * 2 MiB, copy between it and the medium, send the answer; each an ioctl that waits for its end.
 */
#include "target.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MEDIUM_BYTES (64u * 1024 * 1024)
#define BLOCK_BYTES 512u
#define THREADS_MAX 255u

typedef struct {
    pthread_t Thread;
    void *Buffer; /* memory of the process, as large as a request can be */
} SERVER;

static BENCH Bench;
static WNBD_CREATE_RESULT Disk;
static uint8_t *Medium;
static SERVER Servers[THREADS_MAX];

static NTSTATUS Ioctl(const void *Command, ULONG CommandBytes, void *Output, ULONG OutputBytes)
{
    __atomic_fetch_add(&CallsIoctls, 1, __ATOMIC_RELAXED);
    return NativeIoctl(TargetControl, WNBD_IOCTL_CONTROL_CODE, Command, CommandBytes, Output, OutputBytes, NULL);
}

/* Does what is asked. Returns how many bytes of the buffer go with the answer. */
static uint32_t Obey(const SERVER *Server, const WNBD_IO_REQUEST *Request)
{
    uint32_t Bytes;
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        Bytes = Request->Cmd.Read.BlockCount * BLOCK_BYTES;
        memcpy(Server->Buffer, Medium + Request->Cmd.Read.BlockAddress * BLOCK_BYTES, Bytes);
        return Bytes;
    case WnbdReqTypeWrite:
        Bytes = Request->Cmd.Write.BlockCount * BLOCK_BYTES;
        memcpy(Medium + Request->Cmd.Write.BlockAddress * BLOCK_BYTES, Server->Buffer, Bytes);
        return 0;
    default:
        BenchFail("a request that nobody has sent");
    }
}

static void *Serve(void *Context)
{
    const SERVER *Server = Context;
    uint64_t Id = Disk.ConnectionInfo.ConnectionId;
    for (;;) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                              .ConnectionId = Id,
                                              .DataBuffer = Server->Buffer,
                                              .DataBufferSize = WNBD_DEFAULT_MAX_TRANSFER_LENGTH};
        NTSTATUS Status = Ioctl(&Fetch, sizeof(Fetch), &Fetch, sizeof(Fetch));
        if (Status == STATUS_OBJECT_NAME_NOT_FOUND || Fetch.Request.RequestType == WnbdReqTypeDisconnect) {
            return NULL;
        }
        if (!NT_SUCCESS(Status)) {
            BenchFail("a fetch fails");
        }
        WNBD_IOCTL_SEND_RSP_COMMAND Send = {.IoControlCode = IOCTL_WNBD_SEND_RSP,
                                            .ConnectionId = Id,
                                            .Response.RequestHandle = Fetch.Request.RequestHandle,
                                            .Response.RequestType = Fetch.Request.RequestType,
                                            .DataBuffer = Server->Buffer,
                                            .DataBufferSize = Obey(Server, &Fetch.Request)};
        if (!NT_SUCCESS(Ioctl(&Send, sizeof(Send), NULL, 0))) {
            BenchFail("an answer is refused");
        }
    }
}

static void MediumMake(void)
{
    Medium = malloc(MEDIUM_BYTES);
    if (Medium == NULL) {
        BenchFail("no memory");
    }
    memset(Medium, 0x5A, MEDIUM_BYTES);
    for (uint64_t At = 0; At < MEDIUM_BYTES; At += BENCH_STAMP_BYTES) {
        memcpy(Medium + At, &At, sizeof(At));
    }
}

static void ServersStart(uint32_t Count)
{
    for (uint32_t Index = 0; Index < Count; Index++) {
        Servers[Index].Buffer = NativeUserAllocate(NativeFileProcess(TargetControl), WNBD_DEFAULT_MAX_TRANSFER_LENGTH);
        if (pthread_create(&Servers[Index].Thread, NULL, Serve, &Servers[Index]) != 0) {
            BenchFail("a thread does not start");
        }
    }
}

static void ServersJoin(uint32_t Count)
{
    for (uint32_t Index = 0; Index < Count; Index++) {
        pthread_join(Servers[Index].Thread, NULL);
        NativeUserFree(Servers[Index].Buffer);
    }
}

int main(int ArgumentCount, char **Arguments)
{
    const WNBD_PROPERTIES Properties = {.BlockCount = MEDIUM_BYTES / BLOCK_BYTES, .BlockSize = BLOCK_BYTES};
    BenchStart(&Bench, "user", ArgumentCount, Arguments);
    if (Bench.Port > THREADS_MAX || Bench.Disks != 1) {
        BenchFail("a process serves one disk, with at most 255 threads");
    }
    MediumMake();
    TargetsStart(&Bench);
    TargetCreate(0, &Properties, &Disk);
    ServersStart(Bench.Port);
    TargetAwait(0);
    TargetsRun();
    TargetRemove(0);
    ServersJoin(Bench.Port);
    TargetsStop();
    free(Medium);
    BenchReport(&Bench, "");
    return 0;
}
