/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * core/nbd with requests in flight, beside a model of them: each request ends
 * once, a READ with exactly its bytes in order, and nothing is reported that
 * was not asked for, whatever the server says in whatever pieces.
 *
 * Input: a byte for the sizes of pieces (0: whole), the export's flags (2
 * bytes), then steps: a byte whose low three bits are STEP_* and whose other
 * bits are a slot, followed by the step's own bytes.
 */
#include "input.h"

#include "nbd/nbd.h"
#include "nbd/wire.h"

#define SLOTS 32u
#define FOREIGN 4u /* slots behind the engine's, in flight for somebody else */
#define EXPORT_BYTES (UINT64_C(1) << 40)
#define READ_MOST 8192u

enum {
    STEP_REQUEST, /* command (1), length in bytes (2) */
    STEP_REPLY,   /* error (1): the proper reply to the slot's request, its payload included */
    STEP_CUT,     /* error (1), length (2): a reply with so much payload */
    STEP_STALE,   /* bit (1): a reply whose cookie has that bit wrong */
    STEP_RAW,     /* length (1), bytes: as they are */
    STEP_MAGIC,   /* magic (4): a reply that begins so */
    STEP_ERROR,   /* error (4): a reply with any error */
    STEP_END      /* the client disconnects, or (odd slot) the server closes */
};

typedef struct {
    bool InFlight;
    uint8_t Command;
    uint32_t Length;
    uint32_t Received;
    uint64_t Cookie;
} MODEL;

static NBD_CLIENT Client;
static NBD_SLOT Slots[SLOTS + FOREIGN];
static MODEL Models[SLOTS];
static uint32_t ModelCount; /* in flight */
static uint64_t Generation;
static uint32_t Seed; /* 0: whole messages */

static void CheckReply(const NBD_EVENT *Event, const uint8_t *Bytes, size_t Length)
{
    MODEL *Model = &Models[Event->Cookie & 0xFFFF];
    MUST((Event->Cookie & 0xFFFF) < SLOTS && Model->InFlight && Model->Cookie == Event->Cookie);
    if (Event->Length > 0) {
        MUST(Model->Command == NBD_CMD_READ);
        MUST(Event->Data >= Bytes && Event->Length <= Length && Event->Data + Event->Length <= Bytes + Length);
        MUST(Event->Offset == Model->Received);
        MUST(Event->Length <= Model->Length - Model->Received);
        Model->Received += Event->Length;
    } else {
        MUST(Event->Last);
    }
    if (Event->Last) {
        uint32_t Wanted = Event->Error == NBD_OK && Model->Command == NBD_CMD_READ ? Model->Length : 0;
        MUST(Model->Received == Wanted);
        Model->InFlight = false;
        ModelCount--;
    }
    MUST(Client.InFlight == ModelCount);
}

/* What the server has said and the client has not heard yet: several messages may come in one piece. */
static struct {
    uint8_t Bytes[4 * READ_MOST];
    size_t Length;
} Said;

static void Hear(void)
{
    const uint8_t *Next = Said.Bytes;
    while (Said.Length > 0 && Client.Phase == NBD_PHASE_TRANSMISSION) {
        size_t Piece = Seed == 0 ? Said.Length : 1 + InputRandom(&Seed) % 40;
        Piece = Piece < Said.Length ? Piece : Said.Length;
        uint8_t *Copy = malloc(Piece);
        NBD_EVENT Event;
        MUST(Copy != NULL);
        memcpy(Copy, Next, Piece);
        size_t Consumed = NbdReceive(&Client, Copy, Piece, &Event);
        MUST(Consumed <= Piece && (Consumed > 0 || Event.Type == NBD_EVENT_FAILED));
        MUST(Event.Type == NBD_EVENT_NONE || Event.Type == NBD_EVENT_REPLY || Event.Type == NBD_EVENT_FAILED);
        MUST((Event.Type == NBD_EVENT_FAILED) == (Client.Phase == NBD_PHASE_FAILED));
        if (Event.Type == NBD_EVENT_REPLY) {
            CheckReply(&Event, Copy, Piece);
        }
        free(Copy);
        Next += Consumed;
        Said.Length -= Consumed;
    }
    Said.Length = 0;
}

static void Say(const void *Bytes, size_t Length)
{
    if (Length > sizeof(Said.Bytes) - Said.Length) {
        Hear();
    }
    memcpy(Said.Bytes + Said.Length, Bytes, Length);
    Said.Length += Length;
}

static void SayReply(uint32_t Magic, uint32_t Error, uint64_t Cookie, size_t PayloadLength)
{
    static const uint8_t Payload[READ_MOST];
    NBD_SIMPLE_REPLY Reply;
    Be32Store(&Reply.Magic, Magic);
    Be32Store(&Reply.Error, Error);
    Be64Store(&Reply.Cookie, Cookie);
    Say(&Reply, sizeof(Reply));
    Say(Payload, PayloadLength < READ_MOST ? PayloadLength : READ_MOST);
}

static void Request(INPUT *Input, uint16_t Slot)
{
    static const NBD_COMMAND Commands[] = {NBD_CMD_READ, NBD_CMD_WRITE, NBD_CMD_FLUSH, NBD_CMD_TRIM,
                                           NBD_CMD_WRITE_ZEROES};
    static const uint16_t Needed[] = {0, 0, NBD_FLAG_SEND_FLUSH, NBD_FLAG_SEND_TRIM, NBD_FLAG_SEND_WRITE_ZEROES};
    uint8_t Wire[NBD_REQUEST_SIZE];
    Hear(); /* a request is sent after all that */
    if (Client.Phase != NBD_PHASE_TRANSMISSION) {
        return;
    }
    MODEL *Model = &Models[Slot];
    size_t Index = InputByte(Input) % (sizeof(Commands) / sizeof(Commands[0]));
    NBD_COMMAND Command = Commands[Index];
    uint32_t Length = 1 + (uint32_t)InputNumber(Input, 2) % READ_MOST;
    bool ReadOnly =
        (Client.Export.Flags & NBD_FLAG_READ_ONLY) != 0 && Command != NBD_CMD_READ && Command != NBD_CMD_FLUSH;
    /* The caller's part of the contract. */
    if (Model->InFlight || ReadOnly || (Client.Export.Flags & Needed[Index]) != Needed[Index]) {
        return;
    }
    Length = Command == NBD_CMD_FLUSH ? 0 : Length;
    *Model = (MODEL){.InFlight = true, .Command = (uint8_t)Command, .Length = Length};
    Model->Cookie = ++Generation << 16 | Slot;
    NbdRequest(&Client, Model->Cookie, Command, 0, 0, Length, Wire);
    MUST(++ModelCount == Client.InFlight);
}

static void Step(INPUT *Input)
{
    static uint8_t Wire[NBD_REQUEST_SIZE];
    uint8_t What = InputByte(Input);
    uint16_t Slot = What >> 3;
    const MODEL *Model = &Models[Slot];
    uint32_t Error;
    size_t Length;
    switch (What & 7) {
    case STEP_REQUEST:
        Request(Input, Slot);
        break;
    case STEP_REPLY:
        Error = InputByte(Input);
        Length = Model->InFlight && Model->Command == NBD_CMD_READ && Error == 0 ? Model->Length : 0;
        SayReply(NBD_SIMPLE_REPLY_MAGIC, Error, Model->Cookie, Length);
        break;
    case STEP_CUT:
        Error = InputByte(Input);
        SayReply(NBD_SIMPLE_REPLY_MAGIC, Error, Model->Cookie, (size_t)InputNumber(Input, 2));
        break;
    case STEP_STALE:
        SayReply(NBD_SIMPLE_REPLY_MAGIC, 0, Model->Cookie ^ UINT64_C(1) << InputByte(Input) % 64, 0);
        break;
    case STEP_RAW: {
        const uint8_t *Bytes = InputBytes(Input, InputByte(Input), &Length);
        Say(Bytes, Length);
        break;
    }
    case STEP_MAGIC:
        SayReply((uint32_t)InputNumber(Input, 4), 0, Model->Cookie, 0);
        break;
    case STEP_ERROR:
        SayReply(NBD_SIMPLE_REPLY_MAGIC, (uint32_t)InputNumber(Input, 4), Model->Cookie, 0);
        break;
    default:
        Hear();
        if (Client.Phase != NBD_PHASE_TRANSMISSION) {
            break;
        }
        if (Slot % 2 == 0) {
            NbdDisconnect(&Client, Wire);
        } else {
            NbdServerClosed(&Client);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    INPUT Input = {Bytes, Length};
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION, .BlockSize = 512, .SkipHandshake = true};
    Seed = InputByte(&Input);
    Config.SkippedSize = EXPORT_BYTES;
    Config.SkippedFlags = (uint16_t)InputNumber(&Input, 2);
    memset(&Client, 0xA5, sizeof(Client));
    memset(Slots, 0xA5, sizeof(Slots));
    memset(Models, 0, sizeof(Models));
    ModelCount = 0;
    Said.Length = 0;
    Generation = 0;
    for (size_t Slot = SLOTS; Slot < SLOTS + FOREIGN; Slot++) {
        Slots[Slot] = (NBD_SLOT){.Cookie = Slot, .Length = 512, .Command = NBD_CMD_READ, .InFlight = true};
    }
    NbdInitialize(&Client, &Config, Slots, SLOTS);
    MUST(Client.Phase == NBD_PHASE_TRANSMISSION);
    while (Input.Left > 0 && Client.Phase == NBD_PHASE_TRANSMISSION) {
        Step(&Input);
    }
    Hear();
    if (Client.Phase == NBD_PHASE_FAILED) {
        NBD_EVENT Event;
        MUST(NbdFailureText(&Client)[0] != '\0' && memchr(NbdFailureText(&Client), '\0', NBD_TEXT_MAX) != NULL);
        MUST(NbdReceive(&Client, "x", 1, &Event) == 0 && Event.Type == NBD_EVENT_FAILED);
    }
    for (size_t Slot = SLOTS; Slot < SLOTS + FOREIGN; Slot++) {
        MUST(Slots[Slot].InFlight && Slots[Slot].Cookie == Slot);
    }
    return 0;
}
