/* SPDX-License-Identifier: LGPL-2.1-only */
/* The simulated server's transmission phase: requests in, replies out (proto, "Transmission"). */
#include "seeded_server_private.h"

#include <stdlib.h>
#include <string.h>

enum { COMMAND_READ, COMMAND_WRITE, COMMAND_DISC, COMMAND_FLUSH, COMMAND_TRIM };

#define COMMAND_FLAG_FUA 1u
#define NBD_REPLY_BYTES 16u
#define PAYLOAD_MOST (32u * 1024 * 1024)
#define ERROR_IO 5u
#define ERROR_NO_SPACE 28u
#define ERROR_INVALID 22u
#define ERROR_SHUTDOWN 108u

/* The client must have kept to what it was told. */
static void CheckRequest(const SERVED *Served, const ANSWER *Answer, uint16_t Flags)
{
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    uint32_t Minimum = Plan->Minimum != 0 && !Plan->NoGo ? Plan->Minimum : 1;
    uint32_t Maximum = Plan->Minimum != 0 && !Plan->NoGo ? Plan->Maximum : PAYLOAD_MOST;
    bool Moves = Answer->Command == COMMAND_READ || Answer->Command == COMMAND_WRITE;
    bool Changes = Answer->Command == COMMAND_WRITE || Answer->Command == COMMAND_TRIM;
    if ((Flags & ~COMMAND_FLAG_FUA) != 0 || (Flags != 0 && (Plan->Flags & SERVED_FUA) == 0)) {
        ServedAccuse(Served, "command %u with flags 0x%x", Answer->Command, Flags);
    }
    if ((Changes && (Plan->Flags & SERVED_READ_ONLY) != 0) ||
        (Answer->Command == COMMAND_TRIM && (Plan->Flags & SERVED_TRIM) == 0) ||
        (Answer->Command == COMMAND_FLUSH && (Plan->Flags & SERVED_FLUSH) == 0) || Answer->Command > COMMAND_TRIM) {
        ServedAccuse(Served, "command %u, which was not offered", Answer->Command);
    }
    if (Answer->Command == COMMAND_FLUSH ? Answer->Offset != 0 || Answer->Length != 0
                                         : Answer->Length == 0 || Answer->Offset > Plan->SizeBytes ||
                                               Answer->Length > Plan->SizeBytes - Answer->Offset) {
        ServedAccuse(Served, "command %u at %llu, %u bytes, of %llu", Answer->Command,
                     (unsigned long long)Answer->Offset, Answer->Length, (unsigned long long)Plan->SizeBytes);
    }
    if (Answer->Offset % Minimum != 0 || Answer->Length % Minimum != 0 || (Moves && Answer->Length > Maximum)) {
        ServedAccuse(Served, "command %u at %llu, %u bytes: blocks are of %u, at most %u", Answer->Command,
                     (unsigned long long)Answer->Offset, Answer->Length, Minimum, Maximum);
    }
}

/* How much of the request the medium has. */
static size_t Held(const SERVED *Served, const ANSWER *Answer)
{
    uint64_t Size = (uint64_t)Served->Server->Medium->Sectors * SECTOR_BYTES;
    uint64_t Left = Answer->Offset < Size ? Size - Answer->Offset : 0;
    return Answer->Length < Left ? Answer->Length : (size_t)Left;
}

static void Invent(unsigned char *Bytes, size_t Length)
{
    for (size_t At = 0; At < Length; At += sizeof(uint64_t)) {
        uint64_t Number = SeededNumber();
        memcpy(Bytes + At, &Number, Length - At < sizeof(Number) ? Length - At : sizeof(Number));
    }
}

static void Execute(SERVED *Served, ANSWER *Answer)
{
    MEDIUM *Medium = Served->Server->Medium;
    size_t Length = Held(Served, Answer);
    Answer->Executed = true;
    if (Answer->Refused) {
        return;
    }
    /* An error may come from a request that was half done; here a write with an error was done, or not at all. */
    if (Answer->Error != 0 && (Answer->Command == COMMAND_READ || SeededBelow(2) == 0)) {
        return;
    }
    switch (Answer->Command) {
    case COMMAND_READ:
        Answer->Data = malloc(Answer->Length);
        if (Answer->Data == NULL) {
            abort();
        }
        MediumRead(Medium, Answer->Offset, Answer->Data, Length);
        Invent(Answer->Data + Length, Answer->Length - Length);
        break;
    case COMMAND_WRITE:
        MediumWrite(Medium, Answer->Offset, Answer->Data, Length, Answer->Fua);
        break;
    case COMMAND_TRIM:
        MediumTrim(Medium, Answer->Offset, Length, Answer->Fua);
        break;
    default:
        MediumFlush(Medium);
        break;
    }
}

static void AnswerFree(ANSWER *Answer)
{
    free(Answer->Data);
    free(Answer);
}

/* Puts a request among those that have to be answered, carried out or not yet. */
static void Accept(SERVED *Served, ANSWER *Answer)
{
    static const uint32_t Errors[] = {1, ERROR_IO, 12, ERROR_INVALID, ERROR_NO_SPACE, 75, 95, 12345};
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    if (SeededChance(Plan->ErrorThousandths)) {
        Answer->Error = Errors[SeededBelow(8)];
    }
    if (Plan->Misdeed == MISDEED_HOLLOW && (Answer->Fua || Answer->Command > COMMAND_DISC)) {
        Answer->Error = ERROR_INVALID;
    }
    Answer->Beyond = Held(Served, Answer) != Answer->Length;
    Answer->Refused = Plan->Misdeed == MISDEED_MORE_REFUSED && Answer->Beyond;
    if (Answer->Refused) {
        /* Proto: "EINVAL ... or ENOSPC", and servers answer a write with either. */
        Answer->Error = Answer->Command == COMMAND_WRITE && SeededBelow(2) == 0 ? ERROR_NO_SPACE : ERROR_INVALID;
    }
    Answer->Due = GroundNow() + (Plan->DelayMost == 0 ? 0 : SeededBelow(Plan->DelayMost));
    if (SeededBelow(2) == 0) {
        Execute(Served, Answer);
    }
    GroundLockEnter(&Served->Lock);
    ANSWER **Link = &Served->Answers;
    while (*Link != NULL) {
        Link = &(*Link)->Next;
    }
    *Link = Answer;
    Served->Server->Counts.Requests++;
    GroundSignalWakeAll(&Served->Changed);
    GroundLockLeave(&Served->Lock);
}

void ServedRequests(SERVED *Served)
{
    unsigned char Header[28];
    while (ServedReceive(Served, Header, sizeof(Header))) {
        ANSWER *Answer = calloc(1, sizeof(*Answer));
        if (Answer == NULL) {
            abort();
        }
        uint16_t Flags = Get16(Header + 4);
        Answer->Command = Get16(Header + 6);
        Answer->Cookie = Get64(Header + 8);
        Answer->Offset = Get64(Header + 16);
        Answer->Length = Get32(Header + 24);
        Answer->Fua = Flags != 0;
        if (Get32(Header) != NBD_REQUEST_MAGIC) {
            ServedAccuse(Served, "a request begins with 0x%08x", Get32(Header));
        }
        if (Answer->Command == COMMAND_DISC) {
            AnswerFree(Answer);
            return;
        }
        CheckRequest(Served, Answer, Flags);
        if (Answer->Command == COMMAND_WRITE) {
            Answer->Data = malloc(Answer->Length);
            if (Answer->Data == NULL) {
                abort();
            }
            if (!ServedReceive(Served, Answer->Data, Answer->Length)) {
                AnswerFree(Answer);
                return;
            }
        }
        Accept(Served, Answer);
        if (ServedCommits(Served, MISDEED_DEAF, Served->Server->Counts.Requests)) {
            ServedStandStill(Served);
        }
    }
}

/* The next one to answer, off the list; under the lock. NULL: not yet, and *Until: when. */
static ANSWER *Choose(SERVED *Served, uint64_t *Until)
{
    uint64_t Now = GroundNow();
    uint32_t Due = 0;
    *Until = UINT64_MAX;
    for (ANSWER *Answer = Served->Answers; Answer != NULL; Answer = Answer->Next) {
        Due += Answer->Due <= Now;
        *Until = Answer->Due < *Until ? Answer->Due : *Until;
    }
    if (Served->Server->Plan.InOrder && Served->Answers != NULL) {
        Due = Served->Answers->Due <= Now;
        *Until = Served->Answers->Due;
    }
    if (Due == 0) {
        return NULL;
    }
    uint32_t Chosen = Served->Server->Plan.InOrder ? 0 : SeededBelow(Due);
    ANSWER **Link = &Served->Answers;
    while ((*Link)->Due > Now || Chosen-- != 0) {
        Link = &(*Link)->Next;
    }
    ANSWER *Answer = *Link;
    *Link = Answer->Next;
    return Answer;
}

/* What was read; of what the medium hasn't got, perhaps less or more than was asked for. */
static bool SendData(SERVED *Served, const ANSWER *Answer)
{
    unsigned char Spilt[1024];
    size_t Length = Answer->Length;
    if (Answer->Beyond && ServedCommits(Served, MISDEED_MORE_CUT, UINT64_MAX)) {
        Length = Held(Served, Answer);
    }
    if (!ServedSend(Served, Answer->Data, Length)) {
        return false;
    }
    if (Answer->Beyond && ServedCommits(Served, MISDEED_MORE_SPILT, UINT64_MAX)) {
        Length = NBD_REPLY_BYTES + SeededBelow(sizeof(Spilt) - NBD_REPLY_BYTES);
        Invent(Spilt, Length);
        return ServedSend(Served, Spilt, Length);
    }
    return true;
}

static bool SendReply(SERVED *Served, const ANSWER *Answer, uint32_t Magic, uint64_t Cookie)
{
    unsigned char Header[NBD_REPLY_BYTES];
    Put32(Header, Magic);
    Put32(Header + 4, Answer->Error);
    Put64(Header + 8, Cookie);
    if (!ServedSend(Served, Header, sizeof(Header))) {
        return false;
    }
    return Answer->Command != COMMAND_READ || Answer->Error != 0 || SendData(Served, Answer);
}

/* A reply that no request has: what becomes of the connection is the client's decision. */
static bool SendWrong(SERVED *Served, const ANSWER *Answer)
{
    if (ServedCommits(Served, MISDEED_REPLY_MAGIC, Served->Served)) {
        return SendReply(Served, Answer, NBD_SIMPLE_REPLY_MAGIC ^ (1u << SeededBelow(32)), Answer->Cookie);
    }
    if (Served->Served != 0 && ServedCommits(Served, MISDEED_REPLY_STALE, Served->Served)) {
        return SendReply(Served, Answer, NBD_SIMPLE_REPLY_MAGIC, Served->LastCookie);
    }
    if (ServedCommits(Served, MISDEED_REPLY_FORGED, Served->Served)) {
        return SendReply(Served, Answer, NBD_SIMPLE_REPLY_MAGIC, Answer->Cookie ^ 0xFFFFFFFF00000000u);
    }
    return true;
}

static bool Send(SERVED *Served, ANSWER *Answer)
{
    if (!SendWrong(Served, Answer)) {
        return false;
    }
    if (ServedCommits(Served, MISDEED_REPLY_ERROR, Served->Served)) {
        Answer->Error = ERROR_IO;
    } else if (ServedCommits(Served, MISDEED_SHUTDOWN, Served->Served)) {
        Answer->Error = ERROR_SHUTDOWN;
    } else if (ServedCommits(Served, MISDEED_DIE, Served->Served)) {
        SimBreak(Served->End, SeededBelow(2) == 0);
        return false;
    }
    if (Answer->Error != 0 && !Answer->Refused) {
        /* Before the client can know it. */
        Served->Server->Counts.Errors++;
    }
    bool Twice = ServedCommits(Served, MISDEED_REPLY_TWICE, Served->Served);
    if (!SendReply(Served, Answer, NBD_SIMPLE_REPLY_MAGIC, Answer->Cookie) ||
        (Twice && !SendReply(Served, Answer, NBD_SIMPLE_REPLY_MAGIC, Answer->Cookie))) {
        return false;
    }
    Served->LastCookie = Answer->Cookie;
    Served->Served++;
    Served->Server->Counts.Replies++;
    return true;
}

/* The connection is over: what was not carried out may be, or not. */
static void Abandon(SERVED *Served)
{
    while (Served->Answers != NULL) {
        ANSWER *Answer = Served->Answers;
        Served->Answers = Answer->Next;
        if (!Answer->Executed && SeededBelow(2) == 0) {
            Execute(Served, Answer);
        }
        AnswerFree(Answer);
    }
}

void ServedAnswers(void *Context)
{
    SERVED *Served = Context;
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    bool Open = true;
    GroundLockEnter(&Served->Lock);
    while (Open && !Served->Dead && (Served->Reading || Served->Answers != NULL)) {
        uint64_t Until;
        ANSWER *Answer = Choose(Served, &Until);
        if (Answer == NULL) {
            GroundSignalWait(&Served->Changed, &Served->Lock, Until);
            continue;
        }
        GroundLockLeave(&Served->Lock);
        if (!Answer->Executed) {
            Execute(Served, Answer);
        }
        /* From the misdeed's moment on, one in three replies is lost. */
        if (Plan->Misdeed == MISDEED_LOSE_REPLY && Served->Served >= Plan->MisdeedAt && SeededBelow(3) == 0) {
            Served->Server->Counts.Committed = true;
        } else {
            Open = Send(Served, Answer);
        }
        AnswerFree(Answer);
        GroundLockEnter(&Served->Lock);
    }
    GroundLockLeave(&Served->Lock);
    if (!Open) {
        SimBreak(Served->End, false);
    }
    while (Served->Reading) {
        GroundLockEnter(&Served->Lock);
        if (Served->Reading) {
            GroundSignalWait(&Served->Changed, &Served->Lock, UINT64_MAX);
        }
        GroundLockLeave(&Served->Lock);
    }
    Abandon(Served);
}
