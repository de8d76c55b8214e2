/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Answers to the driver, and the counters of a disk that this process serves.
 *
 * The counters change under the disk's lock, several at a time, so that they
 * agree with each other whenever they are read: what was received is invalid,
 * unsubmitted or submitted, what was submitted is answered or pending. An
 * answer counts before it goes to the driver, so that whoever sees its effect
 * finds it counted; one that the driver refuses is taken out again.
 */
#include "disk.h"

void StatsReceived(DISK *Disk)
{
    AcquireSRWLockExclusive(&Disk->Lock);
    Disk->Public.Stats.TotalReceivedRequests++;
    Disk->Public.Stats.UnsubmittedRequests++;
    ReleaseSRWLockExclusive(&Disk->Lock);
}

void StatsInvalid(DISK *Disk)
{
    AcquireSRWLockExclusive(&Disk->Lock);
    Disk->Public.Stats.UnsubmittedRequests--;
    Disk->Public.Stats.InvalidRequests++;
    ReleaseSRWLockExclusive(&Disk->Lock);
}

void StatsSubmitted(DISK *Disk, const WNBD_IO_REQUEST *Request)
{
    WNBD_USR_STATS *Stats = &Disk->Public.Stats;
    AcquireSRWLockExclusive(&Disk->Lock);
    Stats->UnsubmittedRequests--;
    Stats->TotalSubmittedRequests++;
    Stats->PendingSubmittedRequests++;
    if (Request->RequestType == WnbdReqTypeRead) {
        Stats->TotalRWRequests++;
        Stats->TotalReadBlocks += Request->Cmd.Read.BlockCount;
    } else if (Request->RequestType == WnbdReqTypeWrite) {
        Stats->TotalRWRequests++;
        Stats->TotalWrittenBlocks += Request->Cmd.Write.BlockCount;
    }
    ReleaseSRWLockExclusive(&Disk->Lock);
}

/* The counter of failures of a kind of request; NULL if there is none. */
static UINT64 *StatsErrors(WNBD_USR_STATS *Stats, WnbdRequestType Type)
{
    switch (Type) {
    case WnbdReqTypeRead:
        return &Stats->ReadErrors;
    case WnbdReqTypeWrite:
        return &Stats->WriteErrors;
    case WnbdReqTypeFlush:
        return &Stats->FlushErrors;
    case WnbdReqTypeUnmap:
        return &Stats->UnmapErrors;
    case WnbdReqTypePersistResIn:
        return &Stats->PersistResInErrors;
    case WnbdReqTypePersistResOut:
        return &Stats->PersistResOutErrors;
    case WnbdReqTypeUnknown:
    case WnbdReqTypeDisconnect:
    default:
        return NULL;
    }
}

/* Counts an answer, or takes it out again. Pending: whether a request was counted as waiting for it. Lock held. */
static void StatsAnswer(WNBD_USR_STATS *Stats, const WNBD_IO_RESPONSE *Response, bool Pending, bool Undo)
{
    UINT64 *Errors = Response->Status.ScsiStatus ? StatsErrors(Stats, Response->RequestType) : NULL;
    /* Unsigned arithmetic wraps: adding the largest value is subtracting 1. */
    UINT64 Step = Undo ? (UINT64)-1 : 1;
    Stats->TotalReceivedReplies += Step;
    if (Pending) {
        Stats->PendingSubmittedRequests -= Step;
    }
    if (Errors) {
        *Errors += Step;
    }
}

/* Whether the answer to such a request has data. */
static bool ResponseHasData(const WNBD_IO_RESPONSE *Response)
{
    return Response->Status.ScsiStatus == 0 &&
           (Response->RequestType == WnbdReqTypeRead || Response->RequestType == WnbdReqTypePersistResIn);
}

/* Whether an answer's request still waits for one, or none ever did. Lock held. */
static bool IsRefused(const DISK *Disk, DWORD Error)
{
    switch (Error) {
    case ERROR_SUCCESS:
    case ERROR_IO_PENDING:
    case ERROR_FILE_NOT_FOUND: /* the disk is gone, and its requests with it */
        return false;
    case ERROR_NOT_FOUND: /* no such request: any more, or never */
        return !Disk->Public.Stopping;
    default:
        return true;
    }
}

DWORD WnbdSendResponseEx(PWNBD_DISK PublicDisk, PWNBD_IO_RESPONSE Response, PVOID DataBuffer, UINT32 DataBufferSize,
                         LPOVERLAPPED Overlapped)
{
    DISK *Disk = DiskOf(PublicDisk);
    if (!Disk || !Response || (!DataBuffer && DataBufferSize)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (!Disk->Stop) {
        return ERROR_NOT_SUPPORTED;
    }
    if (!ResponseHasData(Response)) {
        /* Programs pass what was written with the answer to a write. */
        DataBuffer = NULL;
        DataBufferSize = 0;
    }
    AcquireSRWLockExclusive(&Disk->Lock);
    bool Pending = Disk->Public.Stats.PendingSubmittedRequests > 0;
    StatsAnswer(&Disk->Public.Stats, Response, Pending, false);
    Disk->Public.Stats.PendingReplies++;
    ReleaseSRWLockExclusive(&Disk->Lock);

    DWORD Error = WnbdIoctlSendResponse(Disk->Public.Handle, Disk->Public.ConnectionInfo.ConnectionId, Response,
                                        DataBuffer, DataBufferSize, Overlapped);
    AcquireSRWLockExclusive(&Disk->Lock);
    Disk->Public.Stats.PendingReplies--;
    if (IsRefused(Disk, Error)) {
        StatsAnswer(&Disk->Public.Stats, Response, Pending, true);
    }
    ReleaseSRWLockExclusive(&Disk->Lock);
    return Error;
}

DWORD WnbdSendResponse(PWNBD_DISK Disk, PWNBD_IO_RESPONSE Response, PVOID DataBuffer, UINT32 DataBufferSize)
{
    return WnbdSendResponseEx(Disk, Response, DataBuffer, DataBufferSize, NULL);
}

DWORD WnbdGetUserspaceStats(PWNBD_DISK Disk, PWNBD_USR_STATS Stats)
{
    if (!Disk || !Stats) {
        return ERROR_INVALID_PARAMETER;
    }
    AcquireSRWLockShared(&DiskOf(Disk)->Lock);
    *Stats = Disk->Stats;
    ReleaseSRWLockShared(&DiskOf(Disk)->Lock);
    return ERROR_SUCCESS;
}
