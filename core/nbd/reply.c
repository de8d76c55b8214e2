/* SPDX-License-Identifier: LGPL-2.1-only */
/* Replies of the transmission phase (proto, "Simple reply message" and "Error values"). */
#include "nbd.h"

#include "../base/byte_order.h"
#include "engine.h"
#include "wire.h"

/* "Error values": what the document doesn't list counts as NBD_EINVAL. */
static NBD_ERROR NbdErrorOfWire(uint32_t Error)
{
    switch (Error) {
    case NBD_OK:
    case NBD_EPERM:
    case NBD_EIO:
    case NBD_ENOMEM:
    case NBD_EINVAL:
    case NBD_ENOSPC:
    case NBD_EOVERFLOW:
    case NBD_ENOTSUP:
    case NBD_ESHUTDOWN:
        return (NBD_ERROR)Error;
    default:
        return NBD_EINVAL;
    }
}

/* Ends the connection because of a reply that doesn't begin with the magic of simple replies. */
static void NbdFailMagic(NBD_CLIENT *Client, uint32_t Magic)
{
    if (Magic == NBD_STRUCTURED_REPLY_MAGIC || Magic == NBD_EXTENDED_REPLY_MAGIC) {
        NbdBreachValue(Client, "a reply must be a simple one (magic 0x67446698) where no other kind was negotiated",
                       Magic, 8);
    } else {
        NbdBreachValue(Client, "the magic of a reply must be 0x67446698", Magic, 8);
    }
}

/* Ends the connection because of a reply that belongs to no request in flight. */
static void NbdFailCookie(NBD_CLIENT *Client, uint64_t Cookie)
{
    uint16_t Index = (uint16_t)(Cookie & 0xFFFF);
    bool Stale = Index < Client->SlotCount && Client->Slots[Index].InFlight;
    TEXT Text = NbdBreach(Client, "a reply must carry the cookie of a request in flight, but it carries ");

    TextAppendHex(&Text, Cookie, 16);
    if (Stale) {
        TextAppend(&Text, ", whose place belongs to the request ");
        TextAppendHex(&Text, Client->Slots[Index].Cookie, 16);
    } else if (Index < Client->SlotCount) {
        TextAppend(&Text, ", whose place has no request in flight");
    } else {
        TextAppend(&Text, ", whose place does not exist");
    }
}

/* The request in flight that Cookie names, NULL if it names none. */
static NBD_SLOT *NbdFindSlot(const NBD_CLIENT *Client, uint64_t Cookie)
{
    uint16_t Index = (uint16_t)(Cookie & 0xFFFF);
    NBD_SLOT *Slot = Index < Client->SlotCount ? &Client->Slots[Index] : NULL;

    return Slot != NULL && Slot->InFlight && Slot->Cookie == Cookie ? Slot : NULL;
}

/* Gives a request back to the caller: the event is the last of its reply. */
static void NbdFinish(NBD_CLIENT *Client, NBD_SLOT *Slot, NBD_ERROR Error, NBD_EVENT *Event)
{
    Slot->InFlight = false;
    Client->InFlight--;
    Event->Last = true;
    Event->Error = Error;
}

void NbdHandleReply(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    const NBD_SIMPLE_REPLY *Reply = (const NBD_SIMPLE_REPLY *)Message;
    uint64_t Cookie = Be64Load(Reply->Cookie);
    NBD_ERROR Error = NbdErrorOfWire(Be32Load(Reply->Error));
    NBD_SLOT *Slot = NbdFindSlot(Client, Cookie);

    if (Be32Load(Reply->Magic) != NBD_SIMPLE_REPLY_MAGIC) {
        NbdFailMagic(Client, Be32Load(Reply->Magic));
        return;
    }
    if (Slot == NULL) {
        NbdFailCookie(Client, Cookie);
        return;
    }
    if (Slot->Command == NBD_CMD_READ && Error == NBD_OK) {
        NbdEnterState(Client, NBD_STATE_PAYLOAD);
        Client->Remaining = Slot->Length;
        Client->ReplySlot = (uint16_t)(Cookie & 0xFFFF);
        return;
    }
    Event->Type = NBD_EVENT_REPLY;
    Event->Cookie = Cookie;
    NbdFinish(Client, Slot, Error, Event);
}

/*
 * The usual case on a short way: a success that lies in the caller's bytes with all of its payload. Returns their
 * number, with the event, or 0, having touched nothing: the states say what it is then.
 */
static size_t NbdTakeWholeReply(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event)
{
    const NBD_SIMPLE_REPLY *Reply = (const NBD_SIMPLE_REPLY *)Bytes;
    NBD_SLOT *Slot;
    uint32_t Payload;

    if (Client->State != NBD_STATE_REPLY || Client->Have != 0 || Length < sizeof(*Reply) ||
        Be32Load(Reply->Magic) != NBD_SIMPLE_REPLY_MAGIC || Be32Load(Reply->Error) != NBD_OK) {
        return 0;
    }
    Slot = NbdFindSlot(Client, Be64Load(Reply->Cookie));
    if (Slot == NULL) {
        return 0;
    }
    Payload = Slot->Command == NBD_CMD_READ ? Slot->Length : 0;
    if (Payload > Length - sizeof(*Reply)) {
        return 0;
    }
    *Event = (NBD_EVENT){.Type = NBD_EVENT_REPLY, .Cookie = Slot->Cookie, .Length = Payload};
    Event->Data = Payload != 0 ? Bytes + sizeof(*Reply) : NULL;
    NbdFinish(Client, Slot, NBD_OK, Event);
    return sizeof(*Reply) + Payload;
}

size_t NbdReceive(NBD_CLIENT *Client, const void *Bytes, size_t Length, NBD_EVENT *Event)
{
    size_t Consumed = NbdTakeWholeReply(Client, Bytes, Length, Event);

    return Consumed != 0 ? Consumed : NbdReceiveByState(Client, Bytes, Length, Event);
}

size_t NbdHandlePayload(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event)
{
    NBD_SLOT *Slot = &Client->Slots[Client->ReplySlot];
    uint32_t Piece = Length < Client->Remaining ? (uint32_t)Length : Client->Remaining;

    Event->Type = NBD_EVENT_REPLY;
    Event->Cookie = Slot->Cookie;
    Event->Offset = Slot->Length - Client->Remaining;
    Event->Length = Piece;
    Event->Data = Bytes;
    Client->Remaining -= Piece;
    if (Client->Remaining == 0) {
        NbdEnterState(Client, NBD_STATE_REPLY);
        NbdFinish(Client, Slot, NBD_OK, Event);
    }
    return Piece;
}
