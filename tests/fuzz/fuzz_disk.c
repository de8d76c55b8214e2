/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A server of which every byte is the fuzzer's, through the whole driver: a
 * disk is made, requests are sent to it, and the server answers what the input
 * says. Every request ends; as long as the server is honest, READs have what it
 * said; the disk ends and leaves nothing.
 *
 * Input: DISK_* (1), requests (1, up to eight), each of them: kind (1), length
 * in blocks (1); then the server's steps, as in fuzz_replies.c: a byte whose
 * low three bits are STEP_* and whose other bits are a request, and the step's
 * own bytes. With DISK_HANDSHAKE_RAW all of that is one step, STEP_RAW.
 */
#include "live.h"

#include <sys/socket.h>

#define REQUESTS_MOST 8u
#define BLOCK_BYTES 512u
#define BLOCKS_MOST 128u /* so that pieces go to the SRB's own memory as well */
#define REPLY_MAGIC 0x67446698u
#define WIRE_READ 0
#define DISK_HANDSHAKE_RAW 0x01u
#define DISK_UNMAPS 0x02u /* the disk is removed when the requests are on their way */
#define DISK_SKIPS 0x04u  /* no handshake */

enum { STEP_REPLY, STEP_CUT, STEP_STALE, STEP_RAW, STEP_MAGIC, STEP_ERROR, STEP_HEAR, STEP_END };
enum { KIND_READ, KIND_WRITE, KIND_FLUSH, KIND_UNMAP, KIND_COUNT };

/* One on the wire, as the server heard it. */
typedef struct {
    SCRIPT_REQUEST Wire;
    bool Answered;
} HEARD;

typedef struct {
    DISK_IO Io;
    uint8_t Kind;
    uint32_t Length;
    uint8_t *Data;
} REQUEST;

static INPUT Script; /* the server's, while there is a disk */
static uint8_t Choice;
static uint32_t RequestCount;
static REQUEST Requests[REQUESTS_MOST];
/* The server's thread's, until the disk has ended. */
static HEARD Heard[REQUESTS_MOST];
static uint32_t HeardCount;
static bool Honest; /* nothing has been said that may be taken for an answer that it isn't */
static bool Broken; /* something that ends the connection has: what comes later is no answer */

static void Fill(uint8_t *Data, uint32_t Length, uint32_t Index)
{
    for (uint32_t At = 0; At < Length; At++) {
        Data[At] = (uint8_t)(At * 7 + At / 256 + Index * 31);
    }
}

/* ---- the server's side ---- */

static bool HearUpTo(PEER *Peer, uint32_t Index)
{
    while (HeardCount <= Index) {
        if (!PeerHearRequest(Peer, &Heard[HeardCount].Wire)) {
            return false;
        }
        HeardCount++;
    }
    return true;
}

static void SayReply(PEER *Peer, uint32_t Magic, uint32_t Error, uint64_t Cookie)
{
    uint8_t Header[16];
    for (int Index = 0; Index < 4; Index++) {
        Header[Index] = (uint8_t)(Magic >> (24 - 8 * Index));
        Header[4 + Index] = (uint8_t)(Error >> (24 - 8 * Index));
    }
    for (int Index = 0; Index < 8; Index++) {
        Header[8 + Index] = (uint8_t)(Cookie >> (56 - 8 * Index));
    }
    PeerSay(Peer, Header, sizeof(Header));
}

static void SayProper(PEER *Peer, uint32_t Index)
{
    static uint8_t Data[BLOCKS_MOST * BLOCK_BYTES];
    HEARD *Request = &Heard[Index];
    uint32_t Error = InputByte(&Script) % 2 == 0 ? 0 : 5;
    uint32_t Length = Error == 0 && Request->Wire.Type == WIRE_READ ? Request->Wire.Length : 0;
    Honest = Honest && !Request->Answered;
    Request->Answered = Request->Answered || !Broken;
    Fill(Data, Length, Index);
    SayReply(Peer, REPLY_MAGIC, Error, Request->Wire.Cookie);
    PeerSay(Peer, Data, Length);
}

static void SayWrong(PEER *Peer, uint8_t What, uint64_t Cookie)
{
    static const uint8_t Data[BLOCKS_MOST * BLOCK_BYTES];
    const uint8_t *Bytes;
    size_t Length;
    uint8_t Error;
    uint8_t Bit;
    uint32_t Magic;
    switch (What) {
    case STEP_CUT:
        Honest = false;
        Error = InputByte(&Script);
        Length = (size_t)InputNumber(&Script, 2);
        SayReply(Peer, REPLY_MAGIC, Error, Cookie);
        PeerSay(Peer, Data, Length < sizeof(Data) ? Length : sizeof(Data));
        break;
    case STEP_STALE:
        Bit = InputByte(&Script) % 64;
        /* Below are the slots: another request may have the same generation. */
        Broken = Broken || Bit >= 16;
        Honest = Honest && Bit >= 16;
        SayReply(Peer, REPLY_MAGIC, 0, Cookie ^ UINT64_C(1) << Bit);
        break;
    case STEP_RAW:
        Honest = false;
        Bytes = InputBytes(&Script, InputByte(&Script), &Length);
        PeerSay(Peer, Bytes, Length);
        break;
    case STEP_MAGIC:
        Magic = (uint32_t)InputNumber(&Script, 4);
        Honest = Honest && Magic != REPLY_MAGIC;
        Broken = true;
        SayReply(Peer, Magic, 0, Cookie);
        break;
    default:
        Honest = false;
        SayReply(Peer, REPLY_MAGIC, (uint32_t)InputNumber(&Script, 4), Cookie);
        break;
    }
}

/* Says what the input says, and hears every request before it leaves. */
static void PlaySteps(PEER *Peer)
{
    while (!Peer->Over && Script.Left > 0) {
        uint8_t What = InputByte(&Script);
        uint32_t Index = What >> 3 & (REQUESTS_MOST - 1);
        if (Index >= RequestCount || (What & 7) == STEP_END) {
            break;
        }
        if (!HearUpTo(Peer, (What & 7) == STEP_HEAR ? RequestCount - 1 : Index)) {
            return;
        }
        if ((What & 7) == STEP_REPLY) {
            SayProper(Peer, Index);
        } else if ((What & 7) != STEP_HEAR) {
            SayWrong(Peer, What & 7, Heard[Index].Wire.Cookie);
        }
    }
    if (RequestCount != 0) {
        HearUpTo(Peer, RequestCount - 1);
    }
}

static void Play(PEER *Peer)
{
    if ((Choice & DISK_HANDSHAKE_RAW) != 0) {
        size_t Length;
        const uint8_t *Bytes = InputBytes(&Script, SIZE_MAX, &Length);
        PeerSay(Peer, Bytes, Length);
    } else if ((Choice & DISK_SKIPS) != 0 || PeerConnect(Peer, LIVE_MEMORY_BYTES)) {
        PlaySteps(Peer);
    }
    /* Without a reset, which would take what was said out of the client's hands. */
    shutdown(Peer->Socket, SHUT_WR);
    PeerStall(Peer);
}

/* ---- the client's side ---- */

static uint32_t Map(void)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result;
    BedProperties(&Properties, "disk", 8);
    if ((Choice & DISK_SKIPS) != 0) {
        Properties.NbdProperties.Flags.SkipNegotiation = 1;
        Properties.BlockSize = BLOCK_BYTES;
        Properties.BlockCount = LIVE_MEMORY_BYTES / BLOCK_BYTES;
        Properties.Flags.FlushSupported = 1;
        Properties.Flags.UnmapSupported = 1;
    }
    MUST(BedMap(&LiveBed, &Properties, &Result) == STATUS_SUCCESS);
    MUST((Result.Status == 0) == (Result.Phase == WnbdCreatePhaseDone));
    MUST(Result.Status == 0 || Result.Message[0] != '\0');
    return Result.Status;
}

static void Begin(DISK *Disk, REQUEST *Request, uint32_t Index, uint8_t Kind, uint32_t Blocks)
{
    static const uint8_t Codes[] = {0x88, 0x8A, 0x91, 0x42};
    uint8_t Cdb[16];
    uint32_t Length = Kind <= KIND_WRITE ? Blocks * Disk->BlockSize : Kind == KIND_UNMAP ? 24 : 0;
    ULONG Direction = Kind == KIND_READ ? SRB_FLAGS_DATA_IN : Length != 0 ? SRB_FLAGS_DATA_OUT : 0;
    Request->Kind = Kind;
    Request->Length = Length;
    Request->Data = Length != 0 ? calloc(1, Length) : NULL;
    DiskCdb16(Cdb, Codes[Kind], 0, Kind <= KIND_WRITE ? Blocks : 0, false);
    if (Kind == KIND_UNMAP) {
        memset(Cdb + 1, 0, 15);
        Cdb[8] = 24;
        Request->Data[1] = 22;
        Request->Data[3] = 16;
        Request->Data[19] = (uint8_t)(1 + Blocks % 64);
    }
    DiskBegin(Disk, &Request->Io, Index % 2 == 0, Cdb, Kind == KIND_UNMAP ? 10 : 16, Direction, Request->Data, Length);
}

/* What succeeds has been answered: with the data of one of the answers. */
static void CheckRead(const REQUEST *Request)
{
    static uint8_t Wanted[BLOCKS_MOST * BLOCK_BYTES];
    for (uint32_t Index = 0; Index < HeardCount; Index++) {
        Fill(Wanted, Request->Length, Index);
        if (Heard[Index].Answered && Heard[Index].Wire.Length == Request->Length &&
            memcmp(Wanted, Request->Data, Request->Length) == 0) {
            return;
        }
    }
    MUST(!"a READ that succeeds has what the server said");
}

static void Converse(const uint8_t (*Kinds)[2])
{
    DISK Disk;
    uint32_t Successes = 0, Answers = 0;
    UCHAR Status[REQUESTS_MOST];
    MUST(NativeChildWait(LiveBed.Adapter, 1, LIVE_DEADLINE_MS));
    DiskOpen(&Disk, &LiveBed, 1);
    for (uint32_t Index = 0; Index < RequestCount; Index++) {
        Begin(&Disk, &Requests[Index], Index, Kinds[Index][0] % KIND_COUNT, 1 + Kinds[Index][1] % BLOCKS_MOST);
    }
    if ((Choice & DISK_UNMAPS) != 0) {
        BedUnmap(&LiveBed, "disk");
    }
    for (uint32_t Index = 0; Index < RequestCount; Index++) {
        Status[Index] = DiskWait(&Requests[Index].Io, NULL);
        MUST(Status[Index] != SRB_STATUS_PENDING && Status[Index] != SRB_STATUS_TIMEOUT);
        Successes += Status[Index] == SRB_STATUS_SUCCESS;
    }
    DiskClose(&Disk);
    LiveSettle();
    for (uint32_t Index = 0; Index < HeardCount; Index++) {
        Answers += Heard[Index].Answered;
    }
    MUST(!Honest || Successes <= Answers);
    for (uint32_t Index = 0; Index < RequestCount; Index++) {
        if (Honest && Status[Index] == SRB_STATUS_SUCCESS && Requests[Index].Kind == KIND_READ) {
            CheckRead(&Requests[Index]);
        }
        free(Requests[Index].Data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    INPUT Input = {Bytes, Length};
    uint8_t Kinds[REQUESTS_MOST][2];
    LiveStart(Play, NULL, 0);
    Choice = InputByte(&Input);
    RequestCount = InputByte(&Input) % (REQUESTS_MOST + 1);
    for (uint32_t Index = 0; Index < RequestCount; Index++) {
        Kinds[Index][0] = InputByte(&Input);
        Kinds[Index][1] = InputByte(&Input);
    }
    memset(Heard, 0, sizeof(Heard));
    Script = Input;
    HeardCount = 0;
    Honest = true;
    Broken = false;
    /* A disk that has no requests to wait for ends at once. */
    if (Map() == 0 && RequestCount != 0 && (Choice & DISK_HANDSHAKE_RAW) == 0) {
        Converse(Kinds);
    } else {
        LiveSettle();
    }
    return 0;
}
