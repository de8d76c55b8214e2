/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A server that stands still at one point of a session and goes on later:
 * Storport's timeout resets the unit, every SRB comes back, its memory is not
 * written any more, the statistics say what was aborted, and the disk is
 * usable again once the server is.
 */
#include "bed.h"
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPORT_BYTES (64u << 20)
#define READ_BYTES 4096u
#define READS 4u
#define WRITE_BYTES (2u << 20)
#define WRITES 8u
#define REPLY_BYTES 16u
#define SCRIBBLE 0xEE
#define LONGEST_MS 60000u

typedef enum { STALL_REPLY, STALL_HEADER, STALL_PAYLOAD, STALL_READING } STALL;

/* Where the server stands still, and whether it may go on. */
static struct {
    pthread_mutex_t Lock;
    pthread_cond_t Changed;
    bool Open;
} Gate = {.Lock = PTHREAD_MUTEX_INITIALIZER, .Changed = PTHREAD_COND_INITIALIZER};

static void GateSet(bool Open)
{
    pthread_mutex_lock(&Gate.Lock);
    Gate.Open = Open;
    pthread_cond_broadcast(&Gate.Changed);
    pthread_mutex_unlock(&Gate.Lock);
}

static void GatePass(void)
{
    pthread_mutex_lock(&Gate.Lock);
    while (!Gate.Open) {
        pthread_cond_wait(&Gate.Changed, &Gate.Lock);
    }
    pthread_mutex_unlock(&Gate.Lock);
}

/* What the disk holds: never 0 and never SCRIBBLE. */
static uint8_t Content(uint64_t Offset)
{
    return (uint8_t)(1 + Offset / READ_BYTES % 100);
}

/* A reply that stops after Said bytes until the gate opens. */
static bool Reply(PEER *Peer, const SCRIPT_REQUEST *Request, size_t Said)
{
    uint8_t Bytes[REPLY_BYTES + READ_BYTES] = {0x67, 0x44, 0x66, 0x98};
    size_t Length = REPLY_BYTES + (Request->Type == 0 ? Request->Length : 0);
    CHECK(Length <= sizeof(Bytes));
    for (int Index = 0; Index < 8; Index++) {
        Bytes[8 + Index] = (uint8_t)(Request->Cookie >> (56 - 8 * Index));
    }
    memset(Bytes + REPLY_BYTES, Content(Request->Offset), Length - REPLY_BYTES);
    if (!PeerSay(Peer, Bytes, Said)) {
        return false;
    }
    GatePass();
    return PeerSay(Peer, Bytes + Said, Length - Said);
}

static void Play(PEER *Peer)
{
    static const size_t Said[] = {[STALL_REPLY] = 0, [STALL_HEADER] = 7, [STALL_PAYLOAD] = REPLY_BYTES + 1000};
    const STALL *Stall = Peer->Script->Context;
    SCRIPT_REQUEST Request;
    if (!PeerConnect(Peer, EXPORT_BYTES)) {
        return;
    }
    if (*Stall == STALL_READING) {
        GatePass();
    }
    while (PeerHearRequest(Peer, &Request) && Request.Type != 2 /* NBD_CMD_DISC */ &&
           Reply(Peer, &Request, *Stall == STALL_READING ? 0 : Said[*Stall])) {
    }
}

static void Stats(BED *Bed, WNBD_DRV_STATS *Result)
{
    WNBD_IOCTL_STATS_COMMAND Command = {.IoControlCode = IOCTL_WNBD_STATS, .InstanceName = "disk"};
    ULONG Used;
    CHECK(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result), &Used) ==
          STATUS_SUCCESS);
}

/* Waits until every aborted request was answered, late. */
static void WaitForLate(BED *Bed)
{
    LARGE_INTEGER Pause = {.QuadPart = -10 * 10000};
    WNBD_DRV_STATS Now;
    ULONGLONG Begin = KeQueryInterruptTime();
    do {
        CHECK((KeQueryInterruptTime() - Begin) / 10000 < LONGEST_MS);
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
        Stats(Bed, &Now);
    } while (Now.CompletedAbortedIORequests != Now.AbortedSubmittedIORequests);
    CHECK(Now.OutstandingIOCount == 0 && Now.PendingSubmittedIORequests == 0 && Now.UnsubmittedIORequests == 0);
    CHECK(Now.TotalReceivedIOReplies == Now.TotalSubmittedIORequests);
}

static void VerifyUsable(DISK *Disk)
{
    static UCHAR Data[READ_BYTES];
    UCHAR Cdb[16];
    Disk->TimeoutSeconds = 60;
    for (uint32_t Chunk = 0; Chunk < 2 * READS; Chunk++) {
        DiskCdb16(Cdb, 0x88, (uint64_t)Chunk * READ_BYTES / Disk->BlockSize, READ_BYTES / Disk->BlockSize, false);
        CHECK(DiskCommand(Disk, Cdb, 16, SRB_FLAGS_DATA_IN, Data, READ_BYTES, NULL) == SRB_STATUS_SUCCESS);
        for (uint32_t Index = 0; Index < READ_BYTES; Index++) {
            CHECK(Data[Index] == Content((uint64_t)Chunk * READ_BYTES));
        }
    }
}

/* Requests that the stall catches all come back; each SRB of them of one kind, the next of the other. */
static void Caught(DISK *Disk, bool Write, uint32_t Count, uint32_t LengthBytes, UCHAR *Data, DISK_IO *Ios)
{
    UCHAR Cdb[16];
    Disk->TimeoutSeconds = 1;
    memset(Data, 1, (size_t)Count * LengthBytes);
    for (uint32_t Index = 0; Index < Count; Index++) {
        DiskCdb16(Cdb, Write ? 0x8A : 0x88, (uint64_t)Index * LengthBytes / Disk->BlockSize,
                  LengthBytes / Disk->BlockSize, false);
        DiskBegin(Disk, &Ios[Index], Index % 2 == 0, Cdb, 16, Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN,
                  Data + (size_t)Index * LengthBytes, LengthBytes);
    }
    for (uint32_t Index = 0; Index < Count; Index++) {
        CHECK(DiskWait(&Ios[Index], NULL) == SRB_STATUS_BUS_RESET);
    }
    memset(Data, SCRIBBLE, (size_t)Count * LengthBytes);
}

static void TestStall(const char *Words, STALL Stall)
{
    static DISK_IO Ios[WRITES];
    SCRIPT Script = {.Play = Play, .Context = &Stall};
    bool Writes = Stall == STALL_READING;
    uint32_t Count = Writes ? WRITES : READS;
    uint32_t LengthBytes = Writes ? WRITE_BYTES : READ_BYTES;
    UCHAR *Data = malloc((size_t)Count * LengthBytes);
    WNBD_DRV_STATS Counters;
    BED Bed;
    DISK Disk;
    CHECK(Data != NULL);
    printf("%s\n", Words);
    GateSet(false);
    ScriptStart(&Script);
    BedStart(&Bed, &(NATIVE_OPTIONS){.Seed = 20 + Stall, .WskSynchronousOneIn = 3});
    BedMapDisk(&Bed, &Disk, Script.Port);
    Caught(&Disk, Writes, Count, LengthBytes, Data, Ios);
    Stats(&Bed, &Counters);
    CHECK(Counters.TotalReceivedIORequests == Count && Counters.OutstandingIOCount == 0);
    CHECK(Counters.AbortedSubmittedIORequests + Counters.AbortedUnsubmittedIORequests == Count);
    CHECK(Counters.AbortedSubmittedIORequests == Counters.TotalSubmittedIORequests);
    /* Read requests are short and were all sent; of large writes some were not. */
    CHECK(Writes ? Counters.AbortedUnsubmittedIORequests > 0 : Counters.AbortedSubmittedIORequests == Count);
    CHECK(Counters.CompletedAbortedIORequests == 0 && Counters.TotalReceivedIOReplies == 0);
    GateSet(true);
    VerifyUsable(&Disk);
    WaitForLate(&Bed);
    for (size_t Index = 0; Index < (size_t)Count * LengthBytes; Index++) {
        CHECK(Data[Index] == SCRIBBLE);
    }
    free(Data);
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    ScriptStop(&Script);
}

int main(void)
{
    TestStall("before a reply", STALL_REPLY);
    TestStall("in the middle of a reply's header", STALL_HEADER);
    TestStall("in the middle of a read's payload", STALL_PAYLOAD);
    TestStall("while it does not read our writes", STALL_READING);
    printf("ok\n");
    return 0;
}
