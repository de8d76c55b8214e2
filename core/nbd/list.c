/* SPDX-License-Identifier: LGPL-2.1-only */
/* The server's list of exports (proto, NBD_OPT_LIST and NBD_REP_SERVER). */
#include "nbd.h"

#include "../base/byte_order.h"
#include "engine.h"
#include "wire.h"

void NbdHandleListed(NBD_CLIENT *Client, const uint8_t *Message, NBD_EVENT *Event)
{
    uint32_t NameLength = Be32Load(*(const BE32 *)Message);
    uint32_t Rest = Client->ReplyLength - (uint32_t)sizeof(BE32);
    const uint8_t *Name = Message + sizeof(BE32);
    TEXT Text;

    if (NameLength > Rest) {
        Text = NbdBreach(Client, "the length of a name must not exceed its NBD_REP_SERVER's length less 4, ");
        TextAppendHex(&Text, Rest, 1);
        TextAppend(&Text, ", but it is ");
        TextAppendHex(&Text, NameLength, 1);
        return;
    }
    if (NameLength > NBD_STRING_MAX) {
        NbdBreachValue(Client, "the length of an export's name must not exceed 0x1000", NameLength, 1);
        return;
    }
    if (Rest - NameLength > NBD_STRING_MAX) {
        NbdBreachValue(Client, "the length of an export's description must not exceed 0x1000", Rest - NameLength, 1);
        return;
    }
    TextInitialize(&Text, Client->ListedName, sizeof(Client->ListedName));
    TextAppendForeign(&Text, Name, NameLength);
    TextInitialize(&Text, Client->ListedDescription, sizeof(Client->ListedDescription));
    TextAppendForeign(&Text, Name + NameLength, Rest - NameLength);
    Event->Type = NBD_EVENT_LISTED;
    Event->Name = Client->ListedName;
    Event->Description = Client->ListedDescription;
}

void NbdHandleListEnd(NBD_CLIENT *Client, NBD_EVENT *Event)
{
    NbdPutOption(Client, NBD_OPT_ABORT, 0);
    NbdEnterState(Client, NBD_STATE_DONE);
    Event->Type = NBD_EVENT_LIST_END;
}
