/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A process that serves a disk: its memory, its threads, and what it does with
 * a request. What fails stops the test.
 *
 *     ProviderStart(&Provider, Bed, &Properties);   the disk is there
 *     ProviderServe(&Provider, Threads, Answer);    until the disk goes
 *     ... BedUnmap ...
 *     ProviderJoin(&Provider);
 *     ProviderEnd(&Provider);
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "bed.h"

#define PROVIDER_THREADS_MAX 16
#define PROVIDER_BUFFER_BYTES WNBD_DEFAULT_MAX_TRANSFER_LENGTH

typedef struct PROVIDER PROVIDER;

/* One thread of it, with a buffer of the process's memory. */
typedef struct {
    PROVIDER *Provider;
    unsigned Index;
    pthread_t Thread;
    void *Buffer;
    atomic_uint Fetched; /* requests */
} SERVER_THREAD;

/*
 * What becomes of a request. Its data are in the thread's buffer (Bytes of them), where those of a READ go. True:
 * answer with *Response, which is prepared as a success.
 */
typedef bool PROVIDER_ANSWER(SERVER_THREAD *Server, const WNBD_IO_REQUEST *Request, UINT32 Bytes,
                             WNBD_IO_RESPONSE *Response);

struct PROVIDER {
    PEPROCESS Process;
    NATIVE_FILE *File; /* the adapter, opened by the process */
    WNBD_CONNECTION_INFO Info;
    UCHAR *Medium; /* all blocks */
    PROVIDER_ANSWER *Answer;
    unsigned ThreadCount;
    SERVER_THREAD Threads[PROVIDER_THREADS_MAX];
};

/* Properties of a disk that the process serves. */
void ProviderProperties(WNBD_PROPERTIES *Properties, const char *Name, uint64_t BlockCount, uint32_t BlockSize);
/* A process that makes the disk. */
void ProviderStart(PROVIDER *Provider, BED *Bed, const WNBD_PROPERTIES *Properties);
/* The same by IOCTL_WNBD_CREATE_EX, which tells more. Returns WNBD_CREATE_RESULT.Status. */
UINT32 ProviderTry(NATIVE_FILE *File, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result);
void ProviderServe(PROVIDER *Provider, unsigned Threads, PROVIDER_ANSWER *Answer);
/* Waits until each thread has been told that the disk is gone. */
void ProviderJoin(PROVIDER *Provider);
/* The process ends. */
void ProviderEnd(PROVIDER *Provider);

/* One fetch, into a buffer of the process. */
NATIVE_REQUEST *ProviderFetchBegin(PROVIDER *Provider, void *Buffer, UINT32 Bytes, WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch);
NTSTATUS ProviderFetch(PROVIDER *Provider, void *Buffer, UINT32 Bytes, WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch);
NTSTATUS ProviderSend(PROVIDER *Provider, const WNBD_IO_RESPONSE *Response, const void *Buffer, UINT32 Bytes);
/* A success for Request. */
void ProviderSuccess(WNBD_IO_RESPONSE *Response, const WNBD_IO_REQUEST *Request);

/* What a good process does: reads and writes its medium. */
PROVIDER_ANSWER ProviderObey;
