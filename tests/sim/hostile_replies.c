/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Servers that break the rules of the transmission phase: every request that
 * was not answered before ends with an error, the disk ends with exactly these
 * words in the log, and nothing is left of it. Errors that are allowed fail
 * their request and nothing else.
 */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>

#define BREACH "disk: the server broke the NBD protocol: "
#define COOKIE_RULE BREACH "a reply must carry the cookie of a request in flight, but it carries "
#define SIMPLE_RULE                                                                                                    \
    BREACH "a reply must be a simple one (magic 0x67446698) where no other kind was negotiated, but it is "
#define MAGIC_RULE BREACH "the magic of a reply must be 0x67446698, but it is "

/* Three requests are in flight when the server begins to speak, in this order. */
enum { REQUEST_READ, REQUEST_WRITE, REQUEST_FLUSH, REQUEST_COUNT };

/* The case's server: says what it likes. Requests: those in flight, by the order above. */
typedef void PLAY(PEER *Peer, const SCRIPT_REQUEST *Requests);

typedef struct {
    const char *What;
    PLAY *Play;
    unsigned Answered;    /* bit set of the requests that were answered properly before the breach */
    const char *Text;     /* the line in the log; "%" is the cookie's place */
    uint64_t CookieOther; /* exclusive-or'ed with the read's cookie makes the one in the text */
} CASE;

static void PlaySilent(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    (void)Requests;
    PeerStall(Peer);
}

static void SayHeader(PEER *Peer, const char *Magic, const SCRIPT_REQUEST *Request)
{
    uint8_t Header[16] = {0};
    memcpy(Header, Magic, 4);
    for (int Index = 0; Index < 8; Index++) {
        Header[8 + Index] = (uint8_t)(Request->Cookie >> (56 - 8 * Index));
    }
    PeerSay(Peer, Header, sizeof(Header));
}

static void PlayWrongMagic(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayHeader(Peer, "\x67\x44\x66\x99", &Requests[REQUEST_FLUSH]);
}

static void PlayRequestMagic(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayHeader(Peer, "\x25\x60\x95\x13", &Requests[REQUEST_FLUSH]);
}

static void PlayOtherOrder(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayHeader(Peer, "\x98\x66\x44\x67", &Requests[REQUEST_FLUSH]);
}

static void PlayZeroes(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    static const uint8_t Zeroes[4096];
    (void)Requests;
    PeerSay(Peer, Zeroes, sizeof(Zeroes));
}

static void PlayExtended(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayHeader(Peer, "\x6E\x8A\x27\x8C", &Requests[REQUEST_READ]);
}

/* A structured chunk: Flags 1 is DONE; Type 1 is OFFSET_DATA, 2 OFFSET_HOLE, 0 NONE. */
static void SayChunk(PEER *Peer, const SCRIPT_REQUEST *Request, uint8_t Flags, uint8_t Type, uint64_t Offset,
                     uint32_t DataLength)
{
    uint8_t Chunk[20 + 8 + 1024] = {0x66, 0x8E, 0x33, 0xEF, 0, Flags, 0, Type};
    uint32_t Length = DataLength != 0 ? 8 + DataLength : 0;
    for (int Index = 0; Index < 8; Index++) {
        Chunk[8 + Index] = (uint8_t)(Request->Cookie >> (56 - 8 * Index));
        Chunk[20 + Index] = (uint8_t)(Offset >> (56 - 8 * Index));
    }
    Chunk[18] = (uint8_t)(Length >> 8);
    Chunk[19] = (uint8_t)Length;
    PeerSay(Peer, Chunk, 20 + Length);
}

static void PlayOverlap(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayChunk(Peer, &Requests[REQUEST_READ], 0, 1, 0, 512);
    SayChunk(Peer, &Requests[REQUEST_READ], 1, 1, 256, 512);
}

static void PlayHole(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayChunk(Peer, &Requests[REQUEST_READ], 1, 1, 0, 256);
}

static void PlayExcess(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    SayChunk(Peer, &Requests[REQUEST_READ], 1, 1, UINT64_MAX - 511, 1024);
}

static void PlayAfterDone(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    PeerReply(Peer, 0, Requests[REQUEST_FLUSH].Cookie, "", 0);
    SayChunk(Peer, &Requests[REQUEST_FLUSH], 1, 0, 0, 0);
    SayChunk(Peer, &Requests[REQUEST_FLUSH], 1, 0, 0, 0);
}

static void PlayStale(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie ^ 0x50000, "", 0);
}

static void PlayForged(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie ^ (UINT64_C(1) << 63), "", 0);
}

static void PlayNoPlace(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    PeerReply(Peer, 5, Requests[REQUEST_READ].Cookie ^ 0x8000, "", 0);
}

static void PlayFreePlace(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie ^ 0x40, "", 0);
}

static void PlayTwice(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    uint8_t Data[512] = {0};
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie, Data, sizeof(Data));
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie, Data, sizeof(Data));
}

static void PlayErrorWithData(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    uint8_t Data[512];
    memset(Data, 0x11, sizeof(Data));
    PeerReply(Peer, 5, Requests[REQUEST_READ].Cookie, Data, sizeof(Data));
}

static void PlayFlushWithData(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    uint8_t Data[512];
    memset(Data, 0x22, sizeof(Data));
    PeerReply(Peer, 0, Requests[REQUEST_FLUSH].Cookie, Data, sizeof(Data));
}

/* Longer data than was asked for: what follows is taken for the next reply. */
static void PlayLongData(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    uint8_t Data[516];
    memset(Data, 0x33, sizeof(Data));
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie, Data, sizeof(Data));
    PeerReply(Peer, 0, Requests[REQUEST_FLUSH].Cookie, "", 0);
}

/* Shorter data: the replies behind it are taken for data, and then there are no more. */
static void PlayShortData(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    uint8_t Data[256] = {0};
    PeerReply(Peer, 0, Requests[REQUEST_READ].Cookie, Data, sizeof(Data));
    PeerReply(Peer, 0, Requests[REQUEST_WRITE].Cookie, "", 0);
    PeerReply(Peer, 0, Requests[REQUEST_FLUSH].Cookie, "", 0);
    Peer->Over = true; /* closes */
}

static void PlayOptionReply(PEER *Peer, const SCRIPT_REQUEST *Requests)
{
    (void)Requests;
    PeerAnswer(Peer, SCRIPT_OPT_GO, SCRIPT_REP_ACK, "", 0);
}

#define BIT_OF(Request) (1u << (Request))

static const CASE Cases[] = {
    {"another magic", PlayWrongMagic, 0, MAGIC_RULE "0x67446699", 0},
    {"the magic of requests", PlayRequestMagic, 0, MAGIC_RULE "0x25609513", 0},
    {"the magic in the other byte order", PlayOtherOrder, 0, MAGIC_RULE "0x98664467", 0},
    {"zeroes", PlayZeroes, 0, MAGIC_RULE "0x00000000", 0},
    {"an option reply", PlayOptionReply, 0, MAGIC_RULE "0x0003e889", 0},
    {"an extended reply", PlayExtended, 0, SIMPLE_RULE "0x6e8a278c", 0},
    {"structured replies that overlap", PlayOverlap, 0, SIMPLE_RULE "0x668e33ef", 0},
    {"structured replies that miss a range", PlayHole, 0, SIMPLE_RULE "0x668e33ef", 0},
    {"structured replies beyond the request", PlayExcess, 0, SIMPLE_RULE "0x668e33ef", 0},
    {"chunks after the last one", PlayAfterDone, BIT_OF(REQUEST_FLUSH), SIMPLE_RULE "0x668e33ef", 0},
    {"the cookie of an earlier request", PlayStale, 0, COOKIE_RULE "%, whose place belongs to the request ", 0x50000},
    {"the highest bit of a cookie", PlayForged, 0, COOKIE_RULE "%, whose place belongs to the request ",
     UINT64_C(1) << 63},
    {"the cookie of a place that there is not", PlayNoPlace, 0, COOKIE_RULE "%, whose place does not exist", 0x8000},
    {"the cookie of a free place", PlayFreePlace, 0, COOKIE_RULE "%, whose place has no request in flight", 0x40},
    {"an answer given twice", PlayTwice, BIT_OF(REQUEST_READ), COOKIE_RULE "%, whose place has no request in flight",
     0},
    {"an error with data", PlayErrorWithData, 0, MAGIC_RULE "0x11111111", 0},
    {"a flush with data", PlayFlushWithData, BIT_OF(REQUEST_FLUSH), MAGIC_RULE "0x22222222", 0},
    {"more data than was asked for", PlayLongData, BIT_OF(REQUEST_READ), MAGIC_RULE "0x33333333", 0},
    {"less data than was asked for", PlayShortData, 0, "disk: the server closed the connection; requests in flight: 3",
     0},
};

typedef struct {
    PLAY *Play;
    SCRIPT_REQUEST Requests[REQUEST_COUNT];
} STAGE;

static void PlayRequests(PEER *Peer)
{
    STAGE *Stage = (STAGE *)(uintptr_t)Peer->Script->Context;
    if (!PeerConnect(Peer, HOSTILE_SIZE)) {
        return;
    }
    for (int Count = 0; Count < REQUEST_COUNT; Count++) {
        SCRIPT_REQUEST Request;
        if (!PeerHearRequest(Peer, &Request)) {
            return;
        }
        /* NBD_CMD_READ 0, NBD_CMD_WRITE 1, NBD_CMD_FLUSH 3 */
        Stage->Requests[Request.Type == 3 ? REQUEST_FLUSH : Request.Type] = Request;
    }
    Stage->Play(Peer, Stage->Requests);
    if (!Peer->Over) {
        PeerStall(Peer);
    }
}

typedef struct {
    DISK Disk;
    DISK_IO Io[REQUEST_COUNT];
    UCHAR Data[2][512];
} TRAFFIC;

static void TrafficMap(HOSTILE *Hostile, TRAFFIC *Traffic, const SCRIPT *Script)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    BedProperties(&Properties, "disk", Script->Port);
    CHECK(BedMap(&Hostile->Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(&Traffic->Disk, &Hostile->Bed, 2);
}

static void TrafficBegin(TRAFFIC *Traffic)
{
    static const UCHAR Flush[10] = {0x35};
    UCHAR Cdb[16];
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    DiskBegin(&Traffic->Disk, &Traffic->Io[REQUEST_READ], false, Cdb, 16, SRB_FLAGS_DATA_IN, Traffic->Data[0], 512);
    DiskCdb16(Cdb, 0x8A, 1, 1, false);
    DiskBegin(&Traffic->Disk, &Traffic->Io[REQUEST_WRITE], true, Cdb, 16, SRB_FLAGS_DATA_OUT, Traffic->Data[1], 512);
    DiskBegin(&Traffic->Disk, &Traffic->Io[REQUEST_FLUSH], false, Flush, 10, 0, NULL, 0);
}

/* The case's line, with the cookies that only the run knows. */
static void CaseText(const CASE *Case, const STAGE *Stage, char *Line, size_t Size)
{
    const char *Place = strchr(Case->Text, '%');
    unsigned long long Cookie = (unsigned long long)Stage->Requests[REQUEST_READ].Cookie;
    if (Place == NULL) {
        snprintf(Line, Size, "%s", Case->Text);
        return;
    }
    int Length = snprintf(Line, Size, "%.*s0x%016llx%s", (int)(Place - Case->Text), Case->Text,
                          Cookie ^ (unsigned long long)Case->CookieOther, Place + 1);
    if (Line[Length - 1] == ' ') {
        snprintf(Line + Length, Size - (size_t)Length, "0x%016llx", Cookie);
    }
}

static void TestCases(HOSTILE *Hostile)
{
    static TRAFFIC Traffic;
    printf("breaches: requests fail, the disk ends\n");
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Cases); Index++) {
        const CASE *Case = &Cases[Index];
        STAGE Stage = {.Play = Case->Play};
        SCRIPT Script = {.Play = PlayRequests, .Context = &Stage};
        char Line[512];
        HostileBegin(Case->What);
        ScriptStart(&Script);
        TrafficMap(Hostile, &Traffic, &Script);
        TrafficBegin(&Traffic);
        for (unsigned Request = 0; Request < REQUEST_COUNT; Request++) {
            UCHAR Status = DiskWait(&Traffic.Io[Request], NULL);
            CHECK((Status == SRB_STATUS_SUCCESS) == ((Case->Answered >> Request & 1) != 0));
            CHECK(Status != SRB_STATUS_PENDING);
        }
        ScriptStop(&Script);
        CaseText(Case, &Stage, Line, sizeof(Line));
        HostileExpectLog(Line);
        CHECK(HostileLogLines() == 1);
        CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, 60000));
        DiskClose(&Traffic.Disk);
        HostileEnd(Hostile);
    }
}

/* ---- what comes before there is a request ---- */

static void PlayEarly(PEER *Peer)
{
    if (PeerConnect(Peer, HOSTILE_SIZE)) {
        PeerReply(Peer, 0, 0x10000, "", 0);
        PeerStall(Peer);
    }
}

static void TestReplyBeforeRequest(HOSTILE *Hostile)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SCRIPT Script = {.Play = PlayEarly};
    HostileBegin("a reply before any request");
    ScriptStart(&Script);
    BedProperties(&Properties, "disk", Script.Port);
    CHECK(BedMap(&Hostile->Bed, &Properties, &Result) == STATUS_SUCCESS);
    HostileExpectLog(COOKIE_RULE "0x0000000000010000, whose place has no request in flight");
    ScriptStop(&Script);
    HostileEnd(Hostile);
}

/* ---- errors that a server may give ---- */

static void PlayErrors(PEER *Peer)
{
    const uint32_t *Error = Peer->Script->Context;
    SCRIPT_REQUEST Request;
    if (!PeerConnect(Peer, HOSTILE_SIZE)) {
        return;
    }
    while (PeerHearRequest(Peer, &Request) && Request.Type != 2) {
        PeerReply(Peer, *Error, Request.Cookie, "", 0);
    }
}

static void TestErrors(HOSTILE *Hostile)
{
    static const struct {
        uint32_t Error;
        UCHAR Key; /* SPC-4, sense keys */
    } Rows[] = {{1, 7},  {2, 5},  {5, 3},          {12, 11},        {22, 5},        {28, 7},
                {75, 5}, {95, 5}, {0x7FFFFFFF, 5}, {0x80000000, 5}, {0xFFFFFFFF, 5}};
    static TRAFFIC Traffic;
    printf("errors: the request fails, the disk stays\n");
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        char What[32];
        SCRIPT Script = {.Play = PlayErrors, .Context = &Rows[Index].Error};
        snprintf(What, sizeof(What), "error 0x%x", Rows[Index].Error);
        HostileBegin(What);
        ScriptStart(&Script);
        TrafficMap(Hostile, &Traffic, &Script);
        for (int Round = 0; Round < 3; Round++) {
            TrafficBegin(&Traffic);
            for (int Request = 0; Request < REQUEST_COUNT; Request++) {
                CHECK(DiskWait(&Traffic.Io[Request], NULL) == SRB_STATUS_ERROR);
                CHECK((Traffic.Io[Request].Sense[2] & 0xF) == Rows[Index].Key);
            }
        }
        CHECK(NativeChildCount(Hostile->Bed.Adapter) == 2 && HostileLogLines() == 0);
        CHECK(BedUnmap(&Hostile->Bed, "disk") == STATUS_SUCCESS);
        CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, 60000));
        DiskClose(&Traffic.Disk);
        ScriptStop(&Script);
        HostileEnd(Hostile);
    }
}

static void TestShutdown(HOSTILE *Hostile)
{
    static const uint32_t Shutdown = 108;
    static TRAFFIC Traffic;
    SCRIPT Script = {.Play = PlayErrors, .Context = &Shutdown};
    HostileBegin("NBD_ESHUTDOWN ends the disk");
    ScriptStart(&Script);
    TrafficMap(Hostile, &Traffic, &Script);
    TrafficBegin(&Traffic);
    for (int Request = 0; Request < REQUEST_COUNT; Request++) {
        CHECK(DiskWait(&Traffic.Io[Request], NULL) != SRB_STATUS_SUCCESS);
    }
    HostileExpectLog("disk: the server is shutting down");
    CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, 60000));
    DiskClose(&Traffic.Disk);
    ScriptStop(&Script);
    HostileEnd(Hostile);
}

/* A server that answers nothing at all: Storport's time limit ends the requests, and the disk can be taken away. */
static void TestSilence(HOSTILE *Hostile)
{
    static TRAFFIC Traffic;
    STAGE Stage = {.Play = PlaySilent};
    SCRIPT Script = {.Play = PlayRequests, .Context = &Stage};
    HostileBegin("no reply to anything");
    ScriptStart(&Script);
    TrafficMap(Hostile, &Traffic, &Script);
    Traffic.Disk.TimeoutSeconds = 1;
    TrafficBegin(&Traffic);
    for (int Request = 0; Request < REQUEST_COUNT; Request++) {
        CHECK(DiskWait(&Traffic.Io[Request], NULL) != SRB_STATUS_SUCCESS);
    }
    BedUnmap(&Hostile->Bed, "disk"); /* if it has not ended by itself */
    CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, 60000));
    DiskClose(&Traffic.Disk);
    ScriptStop(&Script);
    HostileEnd(Hostile);
}

int main(int Count, char **Arguments)
{
    static HOSTILE Hostile;
    HostileStart(&Hostile, Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1);
    TestCases(&Hostile);
    TestReplyBeforeRequest(&Hostile);
    TestErrors(&Hostile);
    TestShutdown(&Hostile);
    TestSilence(&Hostile);
    HostileStop(&Hostile);
    printf("ok\n");
    return 0;
}
