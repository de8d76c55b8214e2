/* SPDX-License-Identifier: LGPL-2.1-only */
/* From the server's greeting to the transmission phase (proto, "Newstyle negotiation" and "Fixed newstyle"). */
#include "nbd.h"

#include "../base/byte_order.h"
#include "../base/invariant.h"
#include "engine.h"
#include "wire.h"

void NbdHandleMagic(NBD_CLIENT *Client, const uint8_t *Message, uint32_t Length)
{
    BE64 Magic;

    Be64Store(&Magic, NBD_GREETING_MAGIC);
    for (uint32_t Index = 0; Index < Length; Index++) {
        if (Message[Index] != Magic.Bytes[Index]) {
            TEXT Text = NbdFail(Client, NBD_FAILURE_NOT_NBD);

            TextAppend(&Text, "the peer is not an NBD server: byte ");
            TextAppendDecimal(&Text, Index);
            TextAppend(&Text, " of its greeting is ");
            TextAppendHex(&Text, Message[Index], 2);
            TextAppend(&Text, ", where \"NBDMAGIC\" has ");
            TextAppendHex(&Text, Magic.Bytes[Index], 2);
            return;
        }
    }
    if (Length == sizeof(Magic)) {
        NbdEnterState(Client, NBD_STATE_STYLE);
    }
}

void NbdHandleStyle(NBD_CLIENT *Client, const uint8_t *Message)
{
    uint64_t Style = Be64Load(*(const BE64 *)Message);
    TEXT Text;

    if (Style == NBD_NEWSTYLE_MAGIC) {
        NbdEnterState(Client, NBD_STATE_FLAGS);
        return;
    }
    if (Style == NBD_OLDSTYLE_MAGIC) {
        Text = NbdFail(Client, NBD_FAILURE_OLDSTYLE);
        TextAppend(&Text,
                   "the server speaks the oldstyle negotiation, which has no export names (its second number is ");
    } else {
        Text = NbdFail(Client, NBD_FAILURE_NOT_NBD);
        TextAppend(&Text,
                   "the peer is not an NBD server: the second number of its greeting must be \"IHAVEOPT\" (it is ");
    }
    TextAppendHex(&Text, Style, 16);
    TextAppend(&Text, ")");
}

void NbdPutOption(NBD_CLIENT *Client, uint32_t Option, uint32_t Length)
{
    NBD_OPTION_HEADER Header;

    Be64Store(&Header.Magic, NBD_NEWSTYLE_MAGIC);
    Be32Store(&Header.Option, Option);
    Be32Store(&Header.Length, Length);
    NbdPutOutput(Client, &Header, sizeof(Header));
}

static void NbdAskForList(NBD_CLIENT *Client)
{
    NbdPutOption(Client, NBD_OPT_LIST, 0);
    Client->Option = NBD_OPT_LIST;
    NbdEnterState(Client, NBD_STATE_OPTION_REPLY);
}

static void NbdAskWithGo(NBD_CLIENT *Client)
{
    BE32 NameLength;
    struct {
        BE16 Count;
        BE16 BlockSize;
    } Informations;

    Be32Store(&NameLength, (uint32_t)Client->ExportNameLength);
    Be16Store(&Informations.Count, 1);
    Be16Store(&Informations.BlockSize, NBD_INFO_BLOCK_SIZE);
    NbdPutOption(Client, NBD_OPT_GO, (uint32_t)(sizeof(NameLength) + Client->ExportNameLength + sizeof(Informations)));
    NbdPutOutput(Client, &NameLength, sizeof(NameLength));
    NbdPutOutput(Client, Client->ExportName, Client->ExportNameLength);
    NbdPutOutput(Client, &Informations, sizeof(Informations));
    Client->Option = NBD_OPT_GO;
    NbdEnterState(Client, NBD_STATE_OPTION_REPLY);
}

static void NbdAskWithExportName(NBD_CLIENT *Client)
{
    NbdPutOption(Client, NBD_OPT_EXPORT_NAME, (uint32_t)Client->ExportNameLength);
    NbdPutOutput(Client, Client->ExportName, Client->ExportNameLength);
    NbdEnterState(Client, NBD_STATE_EXPORT_ANSWER);
}

static void NbdPutClientFlags(NBD_CLIENT *Client)
{
    BE32 Flags;

    Be32Store(&Flags, Client->HandshakeFlags);
    NbdPutOutput(Client, &Flags, sizeof(Flags));
}

void NbdHandleFlags(NBD_CLIENT *Client, const uint8_t *Message)
{
    uint16_t Flags = Be16Load(*(const BE16 *)Message);

    /* "Client flags": only what the server offers; flags unknown to us are to be ignored. */
    Client->HandshakeFlags = Flags & (NBD_HANDSHAKE_FIXED_NEWSTYLE | NBD_HANDSHAKE_NO_ZEROES);
    if (Client->Goal == NBD_GOAL_LIST && (Flags & NBD_HANDSHAKE_FIXED_NEWSTYLE) == 0) {
        TEXT Text = NbdFail(Client, NBD_FAILURE_OLDSTYLE);

        TextAppend(&Text, "the server speaks the newstyle negotiation that isn't \"fixed\" (handshake flags ");
        TextAppendHex(&Text, Flags, 4);
        TextAppend(&Text, "), which can't list exports");
        return;
    }
    NbdPutClientFlags(Client);
    if (Client->Goal == NBD_GOAL_LIST) {
        NbdAskForList(Client);
    } else if ((Flags & NBD_HANDSHAKE_FIXED_NEWSTYLE) != 0) {
        NbdAskWithGo(Client);
    } else {
        NbdAskWithExportName(Client);
    }
}

/* Checks the header of an option reply against what may come; false, and failed, if it may not. */
static bool NbdCheckOptionReply(NBD_CLIENT *Client, const NBD_OPTION_REPLY *Reply)
{
    uint32_t Limit = Client->Option == NBD_OPT_LIST ? NBD_LIST_REPLIES_MAX : NBD_GO_REPLIES_MAX;
    TEXT Text;

    if (Be64Load(Reply->Magic) != NBD_OPTION_REPLY_MAGIC) {
        NbdBreachValue(Client, "the magic of an option reply must be 0x0003e889045565a9", Be64Load(Reply->Magic), 16);
        return false;
    }
    if (Be32Load(Reply->Option) != Client->Option) {
        Text = NbdBreach(Client, "an option reply must name the option that was sent, ");
        TextAppendHex(&Text, Client->Option, 8);
        TextAppend(&Text, ", but it names ");
        TextAppendHex(&Text, Be32Load(Reply->Option), 8);
        return false;
    }
    if (Client->ReplyCount >= Limit) {
        Text = NbdBreach(Client, "replies to an option must come to an end, but those to ");
        TextAppend(&Text, NbdOptionName(Client->Option));
        TextAppend(&Text, " are more than ");
        TextAppendDecimal(&Text, Limit);
        return false;
    }
    Client->ReplyCount++;
    return true;
}

/* The least and most bytes of data that a reply of this type may have; false if the type is not allowed here. */
static bool NbdReplyLengths(const NBD_CLIENT *Client, uint32_t Type, uint32_t *Least, uint32_t *Most)
{
    *Least = 0;
    if ((Type & NBD_REP_IS_ERROR) != 0) {
        *Most = NBD_STRING_MAX;
        return true;
    }
    if (Type == NBD_REP_ACK) {
        *Most = 0;
        return true;
    }
    if (Type == NBD_REP_INFO && Client->Option == NBD_OPT_GO) {
        *Least = sizeof(BE16);
        *Most = NBD_INFO_LENGTH_MAX;
        return true;
    }
    if (Type == NBD_REP_SERVER && Client->Option == NBD_OPT_LIST) {
        *Least = sizeof(BE32);
        *Most = (uint32_t)sizeof(BE32) + 2 * NBD_STRING_MAX;
        return true;
    }
    return false;
}

static void NbdHandleAck(NBD_CLIENT *Client, NBD_EVENT *Event)
{
    if (Client->Option == NBD_OPT_LIST) {
        NbdHandleListEnd(Client, Event);
    } else if (!Client->SawExport) {
        NbdBreach(Client, "NBD_INFO_EXPORT must come before the NBD_REP_ACK of NBD_OPT_GO, but it did not");
    } else {
        NbdBeginTransmission(Client, Event);
    }
}

static void NbdHandleOptionError(NBD_CLIENT *Client, const uint8_t *Message)
{
    if (Client->Option == NBD_OPT_GO && Client->ReplyType == NBD_REP_ERR_UNSUP) {
        NbdForgetExport(Client);
        NbdAskWithExportName(Client);
        return;
    }
    if (Client->Option == NBD_OPT_GO && Client->ReplyType == NBD_REP_ERR_BLOCK_SIZE_REQD) {
        NbdBreach(Client,
                  "NBD_REP_ERR_BLOCK_SIZE_REQD must not answer an NBD_OPT_GO that asks for NBD_INFO_BLOCK_SIZE");
        return;
    }
    NbdFailByServer(Client, Client->ReplyType, Message, Client->ReplyLength);
    NbdPutOption(Client, NBD_OPT_ABORT, 0);
}

void NbdHandleOptionReply(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    const NBD_OPTION_REPLY *Reply = (const NBD_OPTION_REPLY *)Message;
    uint32_t Type = Be32Load(Reply->Type);
    uint32_t Length = Be32Load(Reply->Length);
    uint32_t Least;
    uint32_t Most;
    TEXT Text;

    if (!NbdCheckOptionReply(Client, Reply)) {
        return;
    }
    if (!NbdReplyLengths(Client, Type, &Least, &Most)) {
        Text = NbdBreach(Client, "replies of type ");
        TextAppendHex(&Text, Type, 8);
        TextAppend(&Text, " must not answer ");
        TextAppend(&Text, NbdOptionName(Client->Option));
        return;
    }
    if (Length < Least || Length > Most) {
        Text = NbdBreach(Client, "the data of an option reply of type ");
        TextAppendHex(&Text, Type, 8);
        TextAppend(&Text, " must have ");
        TextAppendHex(&Text, Least, 1);
        TextAppend(&Text, " to ");
        TextAppendHex(&Text, Most, 1);
        TextAppend(&Text, " bytes, but it has ");
        TextAppendHex(&Text, Length, 1);
        return;
    }
    Client->ReplyType = Type;
    Client->ReplyLength = Length;
    if (Type == NBD_REP_ACK) {
        NbdHandleAck(Client, Event);
    } else if (Length == 0) {
        NbdHandleOptionError(Client, Message);
    } else {
        NbdEnterState(Client, NBD_STATE_OPTION_DATA);
        Client->Need = Length < NBD_OPTION_BUFFER ? Length : NBD_OPTION_BUFFER;
        Client->Remaining = Length - Client->Need;
    }
}

/* One NBD_REP_INFO; types that we don't know, or didn't ask for, are ignored as the document demands. */
static void NbdHandleInfo(NBD_CLIENT *Client, const uint8_t *Message)
{
    uint16_t Type = Be16Load(*(const BE16 *)Message);

    if (Type == NBD_INFO_EXPORT) {
        const NBD_INFO_EXPORT_REPLY *Export = (const NBD_INFO_EXPORT_REPLY *)Message;

        if (Client->ReplyLength != sizeof(*Export)) {
            NbdBreachValue(Client, "the length of NBD_INFO_EXPORT must be 0xc", Client->ReplyLength, 1);
            return;
        }
        NbdSetSizeAndFlags(Client, Be64Load(Export->Size), Be16Load(Export->Flags));
    } else if (Type == NBD_INFO_BLOCK_SIZE) {
        const NBD_INFO_BLOCK_SIZE_REPLY *Sizes = (const NBD_INFO_BLOCK_SIZE_REPLY *)Message;

        if (Client->ReplyLength != sizeof(*Sizes)) {
            NbdBreachValue(Client, "the length of NBD_INFO_BLOCK_SIZE must be 0xe", Client->ReplyLength, 1);
            return;
        }
        NbdSetBlockSizes(Client, Be32Load(Sizes->Minimum), Be32Load(Sizes->Preferred), Be32Load(Sizes->Maximum));
    }
}

void NbdHandleOptionData(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    if ((Client->ReplyType & NBD_REP_IS_ERROR) != 0) {
        NbdHandleOptionError(Client, Message);
        return;
    }
    if (Client->ReplyType == NBD_REP_SERVER) {
        NbdHandleListed(Client, Message, Event);
    } else {
        NbdHandleInfo(Client, Message);
    }
    if (Client->Phase != NBD_PHASE_FAILED) {
        NbdEnterState(Client, Client->Remaining > 0 ? NBD_STATE_OPTION_SKIP : NBD_STATE_OPTION_REPLY);
    }
}

void NbdHandleExportAnswer(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    const NBD_EXPORT_ANSWER *Answer = (const NBD_EXPORT_ANSWER *)Message;

    NbdSetSizeAndFlags(Client, Be64Load(Answer->Size), Be16Load(Answer->Flags));
    if (Client->Phase == NBD_PHASE_FAILED) {
        return;
    }
    if ((Client->HandshakeFlags & NBD_HANDSHAKE_NO_ZEROES) != 0) {
        NbdBeginTransmission(Client, Event);
        return;
    }
    NbdEnterState(Client, NBD_STATE_ZEROES);
    Client->Remaining = NBD_EXPORT_ANSWER_ZEROES;
}

void NbdBeginTransmission(NBD_CLIENT *Client, NBD_EVENT *Event)
{
    /* The server is in the transmission phase now, whether we like the export or not. */
    NbdEnterState(Client, NBD_STATE_REPLY);
    if (NbdChooseBlockSize(Client)) {
        Event->Type = NBD_EVENT_CONNECTED;
    } else {
        NbdPutDisconnect(Client);
    }
}

void NbdAbort(NBD_CLIENT *Client)
{
    /* An option that the server doesn't know of yet can be taken back; one that it has must be answered first. */
    bool Unsaid = Client->OutputLength > 0 && Client->OutputTaken == 0;

    if (Client->Phase != NBD_PHASE_HANDSHAKE) {
        return;
    }
    Client->OutputLength = 0;
    Client->OutputTaken = 0;
    if (Unsaid && (Client->HandshakeFlags & NBD_HANDSHAKE_FIXED_NEWSTYLE) != 0) {
        if (Client->ReplyCount == 0) {
            NbdPutClientFlags(Client);
        }
        NbdPutOption(Client, NBD_OPT_ABORT, 0);
    }
    NbdEnterState(Client, NBD_STATE_DONE);
}
