/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The life of a client: its start, its states, and the loop that cuts the
 * server's bytes into the messages that the states await.
 */
#include "nbd.h"

#include <string.h>

#include "../base/byte_order.h"
#include "../base/invariant.h"
#include "engine.h"
#include "wire.h"

const NBD_STATE_ROW NbdStateTable[NBD_STATE_COUNT] = {
#define X(Name, Phase, Bytes, Awaits, Next) {#Name, NBD_PHASE_##Phase, Bytes, Awaits, Next},
    NBD_STATES(X)
#undef X
};

/* Sets a state without asking where the client comes from. */
static void NbdSetState(NBD_CLIENT *Client, NBD_STATE State)
{
    Client->State = (uint8_t)State;
    Client->Phase = NbdStateTable[State].Phase;
    Client->Need = NbdStateTable[State].Bytes;
}

void NbdEnterState(NBD_CLIENT *Client, NBD_STATE State)
{
    INVARIANT((NbdStateTable[Client->State].Next & (1u << State)) != 0);
    NbdSetState(Client, State);
}

void NbdInitialize(NBD_CLIENT *Client, const NBD_CONFIG *Config, NBD_SLOT *Slots, uint16_t SlotCount)
{
    INVARIANT(Config->ExportNameLength <= NBD_EXPORT_NAME_MAX);
    INVARIANT(Config->BlockSize == 0 || Config->BlockSize == 512 || Config->BlockSize == 4096);
    INVARIANT(SlotCount >= 1 || Config->Goal == NBD_GOAL_LIST);
    INVARIANT(!Config->SkipHandshake || Config->Goal == NBD_GOAL_TRANSMISSION);
    memset(Client, 0, sizeof(*Client));
    Client->Goal = Config->Goal;
    Client->WantedBlockSize = Config->BlockSize;
    Client->Slots = Slots;
    Client->SlotCount = SlotCount;
    Client->ExportNameLength = Config->ExportNameLength;
    if (Config->ExportNameLength > 0) {
        memcpy(Client->ExportName, Config->ExportName, Config->ExportNameLength);
    }
    for (uint16_t Slot = 0; Slot < SlotCount; Slot++) {
        Slots[Slot].InFlight = false;
    }
    NbdForgetExport(Client);
    if (!Config->SkipHandshake) {
        NbdSetState(Client, NBD_STATE_MAGIC);
        return;
    }
    NbdSetState(Client, NBD_STATE_REPLY);
    NbdSetSizeAndFlags(Client, Config->SkippedSize, (uint16_t)(Config->SkippedFlags | NBD_FLAG_HAS_FLAGS));
    if (!NbdChooseBlockSize(Client)) {
        NbdPutDisconnect(Client);
    }
}

void NbdPutOutput(NBD_CLIENT *Client, const void *Bytes, size_t Length)
{
    INVARIANT(Length <= sizeof(Client->Output) - Client->OutputLength);
    if (Length > 0) {
        memcpy(Client->Output + Client->OutputLength, Bytes, Length);
        Client->OutputLength += (uint32_t)Length;
    }
}

size_t NbdTakeOutput(NBD_CLIENT *Client, void *Buffer, size_t Size)
{
    size_t Waiting = Client->OutputLength - Client->OutputTaken;
    size_t Taken = Waiting < Size ? Waiting : Size;

    if (Taken > 0) {
        memcpy(Buffer, Client->Output + Client->OutputTaken, Taken);
        Client->OutputTaken += (uint32_t)Taken;
    }
    if (Client->OutputTaken == Client->OutputLength) {
        Client->OutputTaken = 0;
        Client->OutputLength = 0;
    }
    return Taken;
}

/*
 * Collects the message that the present state awaits, of Client->Need bytes.
 * Returns it once it is complete: where it lies whole in the caller's bytes,
 * there, without a copy.
 */
static const uint8_t *NbdGather(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, size_t *Consumed)
{
    size_t Missing = Client->Need - Client->Have;

    if (Client->Have == 0 && Length >= Missing) {
        *Consumed = Missing;
        return Bytes;
    }
    *Consumed = Length < Missing ? Length : Missing;
    memcpy(Client->Input + Client->Have, Bytes, *Consumed);
    Client->Have += (uint32_t)*Consumed;
    if (*Consumed < Missing) {
        return NULL;
    }
    Client->Have = 0;
    return Client->Input;
}

/* Throws away bytes that mean nothing to us, then goes on to what follows them. */
static size_t NbdSkip(NBD_CLIENT *Client, size_t Length, NBD_EVENT *Event)
{
    size_t Skipped = Length < Client->Remaining ? Length : Client->Remaining;

    Client->Remaining -= (uint32_t)Skipped;
    if (Client->Remaining > 0) {
        return Skipped;
    }
    if (Client->State == NBD_STATE_ZEROES) {
        NbdBeginTransmission(Client, Event);
    } else {
        NbdEnterState(Client, NBD_STATE_OPTION_REPLY);
    }
    return Skipped;
}

static void NbdHandleMessage(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    switch ((NBD_STATE)Client->State) {
    case NBD_STATE_MAGIC:
        NbdHandleMagic(Client, Message, Client->Need);
        break;
    case NBD_STATE_STYLE:
        NbdHandleStyle(Client, Message);
        break;
    case NBD_STATE_FLAGS:
        NbdHandleFlags(Client, Message);
        break;
    case NBD_STATE_OPTION_REPLY:
        NbdHandleOptionReply(Client, Message, Event);
        break;
    case NBD_STATE_OPTION_DATA:
        NbdHandleOptionData(Client, Message, Event);
        break;
    case NBD_STATE_EXPORT_ANSWER:
        NbdHandleExportAnswer(Client, Message, Event);
        break;
    case NBD_STATE_REPLY:
        NbdHandleReply(Client, Message, Event);
        break;
    case NBD_STATE_OPTION_SKIP:
    case NBD_STATE_ZEROES:
    case NBD_STATE_PAYLOAD:
    case NBD_STATE_DONE:
    case NBD_STATE_FAILED:
    case NBD_STATE_COUNT:
        INVARIANT(false); /* these await no message */
        break;
    }
}

/* Consumes one message, or the part of it that is there; at least one byte. */
static size_t NbdStep(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event)
{
    size_t Consumed;
    const uint8_t *Message;

    switch (Client->State) {
    case NBD_STATE_PAYLOAD:
        return NbdHandlePayload(Client, Bytes, Length, Event);
    case NBD_STATE_OPTION_SKIP:
    case NBD_STATE_ZEROES:
        return NbdSkip(Client, Length, Event);
    case NBD_STATE_DONE:
        return Length;
    default:
        break;
    }
    Message = NbdGather(Client, Bytes, Length, &Consumed);
    if (Message != NULL) {
        NbdHandleMessage(Client, Message, Event);
    } else if (Client->State == NBD_STATE_MAGIC) {
        NbdHandleMagic(Client, Client->Input, Client->Have);
    }
    return Consumed;
}

size_t NbdReceiveByState(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event)
{
    size_t Consumed = 0;

    memset(Event, 0, sizeof(*Event));
    while (Client->Phase != NBD_PHASE_FAILED && Event->Type == NBD_EVENT_NONE && Consumed < Length) {
        Consumed += NbdStep(Client, Bytes + Consumed, Length - Consumed, Event);
    }
    if (Client->Phase == NBD_PHASE_FAILED) {
        Event->Type = NBD_EVENT_FAILED;
    }
    return Consumed;
}

void NbdServerClosed(NBD_CLIENT *Client)
{
    const char *Awaited;
    TEXT Text;

    if (Client->Phase == NBD_PHASE_DONE || Client->Phase == NBD_PHASE_FAILED) {
        return;
    }
    if (Client->State == NBD_STATE_EXPORT_ANSWER && Client->Have == 0) {
        Text = NbdFail(Client, NBD_FAILURE_UNKNOWN_EXPORT);
        TextAppend(&Text, "the server closed the connection when asked for export \"");
        TextAppendForeign(&Text, Client->ExportName, Client->ExportNameLength);
        TextAppend(&Text, "\", which is how it says with NBD_OPT_EXPORT_NAME that it has none of that name");
        return;
    }
    if (Client->Phase == NBD_PHASE_TRANSMISSION) {
        Text = NbdFail(Client, NBD_FAILURE_CLOSED);
        TextAppend(&Text, "the server closed the connection; requests in flight: ");
        TextAppendDecimal(&Text, Client->InFlight);
        return;
    }
    Awaited = NbdStateTable[Client->State].Awaits;
    Text = NbdFail(Client, NBD_FAILURE_CLOSED);
    TextAppend(&Text, "the server closed the connection instead of sending ");
    TextAppend(&Text, Awaited);
}
