/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A long life under a model: requests of every kind at random, answered in
 * random order with random results, the answers cut at random places and
 * delayed at random. Whatever happens, each request is given back exactly
 * once, with its own result and its own bytes. Each seed is one life; the
 * number of a failing one is in the message.
 */
#include "nbd_bench.h"

#define LIVES 60u
#define STEPS 1500u
#define SLOTS 24u
#define DISK_SIZE (UINT64_C(1) << 41)
#define LONGEST_READ 2048u
#define FLAGS                                                                                                          \
    (NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES)

/* What the model knows of a request. */
typedef enum { FREE, ASKED, ANSWERED } STAGE;

typedef struct {
    STAGE Stage;
    uint64_t Cookie;
    NBD_COMMAND Command;
    uint32_t Length;
    uint32_t WireError; /* the answer's */
    uint32_t Received;  /* payload bytes that have come */
} REQUEST;

typedef struct {
    NBD_CLIENT Client;
    NBD_SLOT Slots[SLOTS];
    REQUEST Requests[SLOTS];
    uint64_t Generation;
    uint32_t InFlight;
    uint8_t Pipe[SLOTS * (16 + LONGEST_READ)]; /* said by the server, not yet received */
    size_t PipeLength;
    uint32_t Seed;
} LIFE;

static uint32_t Random(LIFE *Life, uint32_t Below)
{
    return (BenchRandom(&Life->Seed) >> 4) % Below;
}

/* The bytes at a place of a disk are a function of the request, so that bytes of another one are noticed. */
static uint8_t Content(uint64_t Cookie, uint32_t Offset)
{
    return (uint8_t)(Cookie * 31 + (Cookie >> 16) * 17 + Offset * 7 + (Offset >> 8));
}

static void Ask(LIFE *Life)
{
    static const NBD_COMMAND Commands[] = {NBD_CMD_READ,  NBD_CMD_READ, NBD_CMD_WRITE,
                                           NBD_CMD_FLUSH, NBD_CMD_TRIM, NBD_CMD_WRITE_ZEROES};
    uint32_t Slot = Random(Life, SLOTS);
    REQUEST *Request = &Life->Requests[Slot];
    uint8_t Wire[NBD_REQUEST_SIZE];
    const NBD_REQUEST *Sent = (const NBD_REQUEST *)Wire;
    uint64_t Offset = (uint64_t)Random(Life, 1u << 20) * 512;

    if (Request->Stage != FREE) {
        return;
    }
    Request->Stage = ASKED;
    Request->Cookie = ++Life->Generation << 16 | Slot;
    Request->Command = Commands[Random(Life, sizeof(Commands) / sizeof(Commands[0]))];
    Request->Length = Request->Command == NBD_CMD_FLUSH ? 0 : 512 * (1 + Random(Life, LONGEST_READ / 512));
    Request->Received = 0;
    Offset = Request->Command == NBD_CMD_FLUSH ? 0 : Offset;
    NbdRequest(&Life->Client, Request->Cookie, Request->Command, 0, Offset, Request->Length, Wire);
    Life->InFlight++;
    assert_int_equal(Be32Load(Sent->Magic), NBD_REQUEST_MAGIC);
    assert_true(Be64Load(Sent->Cookie) == Request->Cookie);
    assert_true(Be64Load(Sent->Offset) == Offset);
    assert_int_equal(Be32Load(Sent->Length), Request->Length);
}

static void Answer(LIFE *Life)
{
    static const uint32_t Errors[] = {0, 0, 0, 0, 1, 5, 12, 22, 28, 75, 95, 108, 1234567};
    REQUEST *Request = &Life->Requests[Random(Life, SLOTS)];
    NBD_SIMPLE_REPLY Reply;

    if (Request->Stage != ASKED || Life->PipeLength + 16 + LONGEST_READ > sizeof(Life->Pipe)) {
        return;
    }
    Request->Stage = ANSWERED;
    Request->WireError = Errors[Random(Life, sizeof(Errors) / sizeof(Errors[0]))];
    Be32Store(&Reply.Magic, NBD_SIMPLE_REPLY_MAGIC);
    Be32Store(&Reply.Error, Request->WireError);
    Be64Store(&Reply.Cookie, Request->Cookie);
    memcpy(Life->Pipe + Life->PipeLength, &Reply, sizeof(Reply));
    Life->PipeLength += sizeof(Reply);
    if (Request->Command == NBD_CMD_READ && Request->WireError == 0) {
        for (uint32_t Offset = 0; Offset < Request->Length; Offset++) {
            Life->Pipe[Life->PipeLength++] = Content(Request->Cookie, Offset);
        }
    }
}

static void Check(LIFE *Life, const NBD_EVENT *Event, const uint8_t *Input, size_t Length)
{
    REQUEST *Request;
    bool HasPayload;

    assert_int_equal(Event->Type, NBD_EVENT_REPLY);
    assert_true((Event->Cookie & 0xFFFF) < SLOTS);
    Request = &Life->Requests[Event->Cookie & 0xFFFF];
    assert_int_equal(Request->Stage, ANSWERED);
    assert_true(Request->Cookie == Event->Cookie);
    HasPayload = Request->Command == NBD_CMD_READ && Request->WireError == 0;
    assert_int_equal(Event->Offset, Request->Received);
    assert_int_equal(Event->Length > 0, HasPayload);
    if (Event->Length > 0) {
        assert_true(Event->Data >= Input && Event->Data + Event->Length <= Input + Length);
    }
    for (uint32_t Index = 0; Index < Event->Length; Index++) {
        assert_int_equal(Event->Data[Index], Content(Event->Cookie, Event->Offset + Index));
    }
    Request->Received += Event->Length;
    assert_int_equal(Event->Last, !HasPayload || Request->Received == Request->Length);
    if (Event->Last) {
        assert_int_equal(Event->Error, Request->WireError == 1234567 ? NBD_EINVAL : (NBD_ERROR)Request->WireError);
        Request->Stage = FREE;
        Life->InFlight--;
    }
    assert_int_equal(Life->Client.InFlight, Life->InFlight);
}

static void Receive(LIFE *Life)
{
    size_t Length = Random(Life, 8) == 0 ? Random(Life, 4096) : Random(Life, 40);
    uint8_t *Input;
    size_t Done = 0;

    Length = Length < Life->PipeLength ? Length : Life->PipeLength;
    Input = malloc(Length + 1);
    assert_non_null(Input);
    memcpy(Input, Life->Pipe, Length);
    while (Done < Length) {
        NBD_EVENT Event;
        size_t Consumed = NbdReceive(&Life->Client, Input + Done, Length - Done, &Event);

        assert_true(Consumed > 0 && Consumed <= Length - Done);
        Done += Consumed;
        if (Event.Type != NBD_EVENT_NONE) {
            Check(Life, &Event, Input, Length);
        }
    }
    free(Input);
    Life->PipeLength -= Length;
    memmove(Life->Pipe, Life->Pipe + Length, Life->PipeLength);
}

static void LivesByTheModel(void **State)
{
    static LIFE Life;
    static const NBD_CONFIG Config = {
        .Goal = NBD_GOAL_TRANSMISSION, .SkipHandshake = true, .SkippedSize = DISK_SIZE, .SkippedFlags = FLAGS};

    (void)State;
    for (uint32_t Number = 1; Number <= LIVES; Number++) {
        uint64_t Finished;

        memset(&Life, 0, sizeof(Life));
        Life.Seed = Number * 2654435761u;
        NbdInitialize(&Life.Client, &Config, Life.Slots, SLOTS);
        print_message("life %u\n", Number);
        for (uint32_t Step = 0; Step < STEPS; Step++) {
            Ask(&Life);
            Answer(&Life);
            Receive(&Life);
        }
        Finished = Life.Generation - Life.InFlight;
        while (Life.PipeLength > 0) {
            Receive(&Life);
        }
        for (uint32_t Slot = 0; Slot < SLOTS; Slot++) {
            assert_int_not_equal(Life.Requests[Slot].Stage, ANSWERED);
        }
        assert_true(Finished > SLOTS); /* it was a life, not a standstill */
    }
}

static const struct CMUnitTest Tests[] = {cmocka_unit_test(LivesByTheModel)};

BENCH_MAIN("nbd.property")
