/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the files of core/nbd share with each other, and with their tests, only. */
#pragma once

#include "../base/text.h"
#include "nbd.h"
#include "states.h"

/* Most replies to one option: many for a list of exports, few for the facts about one. */
#define NBD_LIST_REPLIES_MAX 65536u
#define NBD_GO_REPLIES_MAX 256u

/* Longest reply that isn't a string, bytes: none of the document's comes near it. */
#define NBD_INFO_LENGTH_MAX 65536u

/* ---- client.c ---- */

/* Moves to State, which must be among the table's successors of the present one. */
void NbdEnterState(NBD_CLIENT *Client, NBD_STATE State);

/* Appends to the bytes that wait for NbdTakeOutput. */
void NbdPutOutput(NBD_CLIENT *Client, const void *Bytes, size_t Length);

/* NbdReceive for everything that is not a reply in one piece. */
size_t NbdReceiveByState(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event);

/* ---- failure.c ---- */

/* Ends the connection with Failure; the caller writes the sentence into the text that it gets. */
TEXT NbdFail(NBD_CLIENT *Client, NBD_FAILURE Failure);

/* NBD_FAILURE_PROTOCOL; the text begins with Rule, the caller may go on. */
TEXT NbdBreach(NBD_CLIENT *Client, const char *Rule);

/* The same for one value: "<Rule>, but it is 0x<Seen>". Digits: the value's width. */
void NbdBreachValue(NBD_CLIENT *Client, const char *Rule, uint64_t Seen, unsigned Digits);

/* The name of an option that has replies, for sentences. */
const char *NbdOptionName(uint32_t Option);

/* Ends the connection because of an error reply to the present option. Words: the server's, Length bytes. */
void NbdFailByServer(NBD_CLIENT *Client, uint32_t Type, const void *Words, size_t Length);

/* ---- handshake.c ---- */

/* Puts the header of an option with Length bytes of data into the output. */
void NbdPutOption(NBD_CLIENT *Client, uint32_t Option, uint32_t Length);

/* Checks the first Length bytes of the greeting as they come, for a stranger may never send all of it. */
void NbdHandleMagic(NBD_CLIENT *Client, const uint8_t *Message, uint32_t Length);

/* One step each: Message has the state's bytes, at most one event is set. */
void NbdHandleStyle(NBD_CLIENT *Client, const uint8_t *Message);
void NbdHandleFlags(NBD_CLIENT *Client, const uint8_t *Message);
void NbdHandleOptionReply(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event);
void NbdHandleOptionData(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event);
void NbdHandleExportAnswer(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event);

/* Says "connected", or why not, once everything that the server has to say about the export is known. */
void NbdBeginTransmission(NBD_CLIENT *Client, NBD_EVENT *Event);

/* ---- list.c ---- */

/* The data of an NBD_REP_SERVER, Client->ReplyLength bytes. */
void NbdHandleListed(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event);

/* NBD_REP_ACK after the last export. */
void NbdHandleListEnd(NBD_CLIENT *Client, NBD_EVENT *Event);

/* ---- export.c ---- */

/* Forgets what a server said about the export. */
void NbdForgetExport(NBD_CLIENT *Client);

/* Takes over what the server says; a value that the protocol forbids ends the connection. */
void NbdSetSizeAndFlags(NBD_CLIENT *Client, uint64_t Size, uint16_t Flags);
void NbdSetBlockSizes(NBD_CLIENT *Client, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum);

/* Chooses the disk's block size; false, and failed, where the export can't be a disk. */
bool NbdChooseBlockSize(NBD_CLIENT *Client);

/* ---- request.c ---- */

/* Puts NBD_CMD_DISC into the output: the farewell of a client that could not use the export. */
void NbdPutDisconnect(NBD_CLIENT *Client);

/* ---- reply.c ---- */

void NbdHandleReply(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event);

/* Reports up to Length bytes of payload that lie at Bytes and returns how many. */
size_t NbdHandlePayload(NBD_CLIENT *Client, const uint8_t *Bytes, size_t Length, NBD_EVENT *Event);
