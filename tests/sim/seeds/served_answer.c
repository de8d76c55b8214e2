/* SPDX-License-Identifier: LGPL-2.1-only */
/* served.h: what becomes of a request, good answers, and others. */
#include "served_private.h"

#include <string.h>

#define SLOW_MOST 200000000u /* 20 s: twice that is less than a process may be silent */

static const WnbdRequestType TypesKnown[] = {WnbdReqTypeRead, WnbdReqTypeWrite, WnbdReqTypeFlush, WnbdReqTypeUnmap,
                                             WnbdReqTypePersistResOut};

/* ---- sending ---- */

typedef struct {
    WNBD_IOCTL_SEND_RSP_COMMAND Command;
    NTSTATUS Status;
    SERVED *Served;
} ANSWER;

/* False: the process ends. Else as often as it couldn't be taken because a call has failed. */
static bool Send(ANSWER *Answer)
{
    SERVED *Served = Answer->Served;
    FAULTS Before;
    do {
        if (Served->Dying) {
            return false;
        }
        Served->Inside++;
        Before = Served->Slot->Life->Faults;
        Answer->Status = NativeIoctl(ServedFile(Served), WNBD_IOCTL_CONTROL_CODE, &Answer->Command,
                                     sizeof(Answer->Command), NULL, 0, NULL);
        Served->Inside--;
        SeededNote((uint32_t)Answer->Status);
    } while (ServedCallFailed(Served, &Before, Answer->Status));
    return true;
}

/* It has to be refused with Status. */
static void SendBad(ANSWER *Answer, NTSTATUS Status, const char *Words)
{
    if (Send(Answer) && Answer->Status != Status && !ServedRefused(Answer->Served, Answer->Status)) {
        LifeFail(Answer->Served->Slot, "an answer %s ended with status 0x%08x", Words, (unsigned)Answer->Status);
    }
}

/* ---- carrying out ---- */

/* What the driver hands over is inside the disk, and nothing else is set. */
static void RequestCheck(const SERVED_THREAD *Thread)
{
    const SERVED *Served = Thread->Served;
    const WNBD_IO_REQUEST *Request = &Thread->Fetch.Request;
    const uint64_t Blocks = Served->Slot->Plan.SizeBytes / Served->BlockBytes;
    bool Good = Thread->Fetch.DataBufferSize <= Thread->RoomBytes;
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        Good = Good && Request->Cmd.Read.BlockCount != 0 && Request->Cmd.Read.BlockCount <= Blocks &&
               Request->Cmd.Read.BlockAddress <= Blocks - Request->Cmd.Read.BlockCount &&
               Thread->Fetch.DataBufferSize == 0;
        break;
    case WnbdReqTypeWrite:
        Good = Good && Request->Cmd.Write.BlockCount != 0 && Request->Cmd.Write.BlockCount <= Blocks &&
               Request->Cmd.Write.BlockAddress <= Blocks - Request->Cmd.Write.BlockCount &&
               Thread->Fetch.DataBufferSize == Request->Cmd.Write.BlockCount * Served->BlockBytes;
        break;
    case WnbdReqTypeUnmap:
        Good = Good && Request->Cmd.Unmap.Count != 0 && Request->Cmd.Unmap.Count <= Served->MostDescriptors &&
               Thread->Fetch.DataBufferSize == Request->Cmd.Unmap.Count * sizeof(WNBD_UNMAP_DESCRIPTOR);
        break;
    default:
        Good = Good && Request->RequestType == WnbdReqTypeFlush && Request->Cmd.Flush.BlockAddress == 0 &&
               Request->Cmd.Flush.BlockCount == 0 && Thread->Fetch.DataBufferSize == 0;
        break;
    }
    if (!Good) {
        LifeFail(Served->Slot, "the process was given a request of type %d that is wrong, with %u bytes",
                 (int)Request->RequestType, (unsigned)Thread->Fetch.DataBufferSize);
    }
}

static void Unmap(const SERVED_THREAD *Thread)
{
    const SERVED *Served = Thread->Served;
    const uint64_t Blocks = Served->Slot->Plan.SizeBytes / Served->BlockBytes;
    for (UINT32 Index = 0; Index < Thread->Fetch.Request.Cmd.Unmap.Count; Index++) {
        WNBD_UNMAP_DESCRIPTOR Descriptor;
        memcpy(&Descriptor, Thread->Bytes + Index * sizeof(Descriptor), sizeof(Descriptor));
        if (Descriptor.BlockCount == 0 || Descriptor.BlockCount > Blocks || Descriptor.Reserved != 0 ||
            Descriptor.BlockAddress > Blocks - Descriptor.BlockCount) {
            LifeFail(Served->Slot, "the process was given a wrong descriptor");
        }
        MediumTrim(&Served->Slot->Medium, Descriptor.BlockAddress * Served->BlockBytes,
                   (size_t)Descriptor.BlockCount * Served->BlockBytes, false);
    }
}

static void CarryOut(const SERVED_THREAD *Thread)
{
    const SERVED *Served = Thread->Served;
    const WNBD_IO_REQUEST *Request = &Thread->Fetch.Request;
    MEDIUM *Medium = &Served->Slot->Medium;
    switch (Request->RequestType) {
    case WnbdReqTypeRead:
        MediumRead(Medium, Request->Cmd.Read.BlockAddress * Served->BlockBytes, Thread->Bytes,
                   (size_t)Request->Cmd.Read.BlockCount * Served->BlockBytes);
        break;
    case WnbdReqTypeWrite:
        MediumWrite(Medium, Request->Cmd.Write.BlockAddress * Served->BlockBytes, Thread->Bytes,
                    Thread->Fetch.DataBufferSize, Request->Cmd.Write.ForceUnitAccess);
        break;
    case WnbdReqTypeUnmap:
        Unmap(Thread);
        break;
    default:
        MediumFlush(Medium);
        break;
    }
}

/* ---- answers that have to be refused ---- */

/* Too little of what was read: the request fails, unless Windows has given it up. False: it hasn't ended by this. */
static bool SendShort(ANSWER *Answer)
{
    SERVED *Served = Answer->Served;
    WNBD_IOCTL_SEND_RSP_COMMAND *Command = &Answer->Command;
    Command->DataBufferSize -= 1 + SeededBelow(Command->DataBufferSize - 1);
    Served->Counts.Errors++;
    bool Sent = Send(Answer);
    if (Sent && Answer->Status == STATUS_INVALID_BUFFER_SIZE) {
        return true;
    }
    Served->Counts.Errors--;
    if (Sent && Answer->Status != STATUS_SUCCESS && !ServedRefused(Served, Answer->Status)) {
        LifeFail(Served->Slot, "an answer that is too short ended with status 0x%08x", (unsigned)Answer->Status);
    }
    return Sent && Answer->Status == STATUS_SUCCESS;
}

/* One that would be right but for one thing. True: the request has ended by it. */
static bool SendWrong(const ANSWER *Right, uint64_t OldHandle)
{
    SERVED *Served = Right->Served;
    ANSWER Wrong = *Right;
    WNBD_IOCTL_SEND_RSP_COMMAND *Command = &Wrong.Command;
    bool Data =
        Right->Command.Response.RequestType == WnbdReqTypeRead && Right->Command.Response.Status.ScsiStatus == 0;
    switch (SeededBelow(Data ? 7 : 5)) {
    case 0:
        Command->Response.RequestHandle ^= 1ull << SeededBelow(64);
        /* One of another request may be what that makes: then it is of that type, or not. */
        Command->Response.RequestType = WnbdReqTypePersistResIn;
        if (Send(&Wrong) && Wrong.Status != STATUS_NOT_FOUND && Wrong.Status != STATUS_OBJECT_TYPE_MISMATCH &&
            !ServedRefused(Served, Wrong.Status)) {
            LifeFail(Served->Slot, "a forged answer ended with status 0x%08x", (unsigned)Wrong.Status);
        }
        break;
    case 1:
        Command->Response.RequestHandle = OldHandle;
        SendBad(&Wrong, STATUS_NOT_FOUND, "to a request of long ago");
        break;
    case 2:
        do {
            Command->Response.RequestType = TypesKnown[SeededBelow(RTL_NUMBER_OF(TypesKnown))];
        } while (Command->Response.RequestType == Right->Command.Response.RequestType);
        SendBad(&Wrong, STATUS_OBJECT_TYPE_MISMATCH, "of another type");
        break;
    case 3:
        Command->Response.Reserved[SeededBelow(sizeof(Command->Response.Reserved))] = 1;
        SendBad(&Wrong, STATUS_INVALID_PARAMETER, "with a reserved byte");
        break;
    case 4:
        Command->ConnectionId += 1000000; /* nobody has it yet */
        SendBad(&Wrong, STATUS_OBJECT_NAME_NOT_FOUND, "for another disk");
        break;
    case 5:
        Command->DataBuffer = NULL;
        SendBad(&Wrong, STATUS_ACCESS_VIOLATION, "without memory");
        break;
    default:
        return SendShort(&Wrong);
    }
    return false;
}

/* The same answer from another thread. */
static void TwinMain(void *Context)
{
    ANSWER *Answer = Context;
    SeededName("process");
    if (!Send(Answer)) {
        Answer->Status = STATUS_NOT_FOUND;
    }
}

/* Twice at once: one of both counts. */
static void SendTwice(ANSWER *Answer)
{
    SERVED *Served = Answer->Served;
    ANSWER Twin = *Answer;
    GROUND_THREAD *Thread = GroundThreadStart(TwinMain, &Twin, "process");
    bool Sent = Send(Answer);
    GroundThreadJoin(Thread);
    if (!Sent || Served->Dying) {
        return;
    }
    bool Both = Answer->Status == STATUS_SUCCESS && Twin.Status == STATUS_SUCCESS;
    if (Both) {
        LifeFail(Served->Slot, "two answers to the same request have been taken");
    }
    if (Twin.Status == STATUS_SUCCESS) {
        NTSTATUS Status = Answer->Status;
        Answer->Status = Twin.Status;
        Twin.Status = Status;
    }
    if (Twin.Status != STATUS_NOT_FOUND && !ServedRefused(Served, Twin.Status)) {
        LifeFail(Served->Slot, "a second answer ended with status 0x%08x", (unsigned)Twin.Status);
    }
}

/* ---- the answer ---- */

/* Some time passes, before a request is carried out and before it is answered. */
static void Delay(SERVED *Served)
{
    if (Served->Slot->Conduct == CONDUCT_SLOW && SeededBelow(8) == 0) {
        GroundSleep(SeededBelow(SLOW_MOST));
    } else if (Served->DelayMost != 0) {
        GroundSleep(SeededBelow(Served->DelayMost));
    }
}

static void AnswerMake(ANSWER *Answer, const SERVED_THREAD *Thread, bool Failed)
{
    SERVED *Served = Thread->Served;
    const WNBD_IO_REQUEST *Request = &Thread->Fetch.Request;
    *Answer = (ANSWER){.Served = Served,
                       .Command = {.IoControlCode = IOCTL_WNBD_SEND_RSP, .ConnectionId = Served->Connection}};
    Answer->Command.Response.RequestHandle = Request->RequestHandle;
    Answer->Command.Response.RequestType = Request->RequestType;
    if (Failed) {
        /* SPC: a medium error. */
        Answer->Command.Response.Status = (WNBD_STATUS){.ScsiStatus = 2, .SenseKey = 3, .ASC = 0x11};
        Served->Counts.Errors++;
    } else if (Request->RequestType == WnbdReqTypeRead) {
        Answer->Command.DataBuffer = Thread->Bytes;
        Answer->Command.DataBufferSize = Request->Cmd.Read.BlockCount * Served->BlockBytes;
    }
}

/* Until the request has ended; what is refused changes nothing. */
static void AnswerSend(ANSWER *Answer)
{
    SERVED *Served = Answer->Served;
    const uint64_t Handle = Answer->Command.Response.RequestHandle;
    bool Rude = Served->Rude && SeededBelow(4) == 0;
    Served->Counts.Replies++;
    if (Rude && SendWrong(Answer, Served->OldHandle)) {
        Served->OldHandle = Handle;
        return;
    }
    if (Rude && SeededBelow(3) == 0) {
        SendTwice(Answer);
    } else if (!Send(Answer)) {
        return;
    }
    if (Served->Dying) {
        return;
    }
    if (Answer->Status != STATUS_SUCCESS) {
        Served->Counts.Replies--;
        if (!ServedRefused(Served, Answer->Status)) {
            LifeFail(Served->Slot, "an answer ended with status 0x%08x", (unsigned)Answer->Status);
        }
        return;
    }
    Served->OldHandle = Handle;
    if (Rude && SeededBelow(3) == 0) {
        SendBad(Answer, STATUS_NOT_FOUND, "to a request that has been answered");
    }
}

void ServedAnswer(SERVED_THREAD *Thread)
{
    SERVED *Served = Thread->Served;
    ANSWER Answer;
    RequestCheck(Thread);
    Delay(Served);
    if (Served->Dying) {
        return;
    }
    bool Failed = Thread->Memory == NULL || SeededChance(Served->Slot->Plan.ErrorThousandths);
    if (Thread->Memory != NULL && (!Failed || SeededBelow(2) == 0)) {
        CarryOut(Thread);
    }
    AnswerMake(&Answer, Thread, Failed);
    Delay(Served);
    AnswerSend(&Answer);
    /* A thread ends, and another one takes its place. */
    if (Served->Rude && !Served->Dying && SeededBelow(64) == 0) {
        Served->Cancels++;
        Served->Cancelling++;
        NativeThreadEnd(ServedFile(Served));
        Served->Cancelling--;
        Served->Cancels++; /* for fetches that were begun, and cancelled, meanwhile */
    }
}

/* ---- others ---- */

void ServedIntrude(SLOT *Slot)
{
    const LIFE *Life = Slot->Life;
    NATIVE_FILE *File = NativeOpen(&WNBD_GUID, NULL);
    if (File == NULL) {
        CHECK(Life->Stopping || Life->Gone);
        return;
    }
    const SERVED *Served = Slot->Served;
    if (Served != NULL && Served->Connection != 0) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch = {.IoControlCode = IOCTL_WNBD_FETCH_REQ,
                                              .ConnectionId = Served->Connection};
        WNBD_IOCTL_SEND_RSP_COMMAND Answer = {.IoControlCode = IOCTL_WNBD_SEND_RSP,
                                              .Response = {.RequestHandle = Served->OldHandle},
                                              .ConnectionId = Served->Connection};
        bool Fetches = SeededBelow(2) == 0;
        uint32_t Ends = Life->Excuses.Ends;
        const FAULTS Before = Life->Faults;
        NTSTATUS Status = NativeIoctl(File, WNBD_IOCTL_CONTROL_CODE, Fetches ? (void *)&Fetch : &Answer,
                                      Fetches ? sizeof(Fetch) : sizeof(Answer), Fetches ? &Fetch : NULL,
                                      Fetches ? sizeof(Fetch) : 0, NULL);
        bool Stopped = Life->Stopping || Life->Gone || Life->Excuses.Ends != Ends;
        if (Status != STATUS_ACCESS_DENIED && Status != STATUS_OBJECT_NAME_NOT_FOUND &&
            !(Status == STATUS_DEVICE_NOT_READY && Stopped) &&
            !(Status == STATUS_INSUFFICIENT_RESOURCES && FaultsSince(Life, &Before, FAULT_MEMORY) != 0)) {
            LifeFail(Slot, "another process's request ended with status 0x%08x", (unsigned)Status);
        }
    }
    NativeClose(File);
}
