/* SPDX-License-Identifier: LGPL-2.1-only */
/* Why a connection ended: the failure and the sentence about it. */
#include "nbd.h"

#include "engine.h"
#include "wire.h"

TEXT NbdFail(NBD_CLIENT *Client, NBD_FAILURE Failure)
{
    TEXT Text;

    if (Failure == NBD_FAILURE_PROTOCOL) {
        /* "Termination of the session": whoever breaks a rule gets no farewell, nor what was still to be said. */
        Client->OutputLength = 0;
        Client->OutputTaken = 0;
    }
    Client->Failure = Failure;
    NbdEnterState(Client, NBD_STATE_FAILED);
    TextInitialize(&Text, Client->Message, sizeof(Client->Message));
    return Text;
}

TEXT NbdBreach(NBD_CLIENT *Client, const char *Rule)
{
    TEXT Text = NbdFail(Client, NBD_FAILURE_PROTOCOL);

    TextAppend(&Text, "the server broke the NBD protocol: ");
    TextAppend(&Text, Rule);
    return Text;
}

void NbdBreachValue(NBD_CLIENT *Client, const char *Rule, uint64_t Seen, unsigned Digits)
{
    TEXT Text = NbdBreach(Client, Rule);

    TextAppend(&Text, ", but it is ");
    TextAppendHex(&Text, Seen, Digits);
}

const char *NbdOptionName(uint32_t Option)
{
    return Option == NBD_OPT_LIST ? "NBD_OPT_LIST" : "NBD_OPT_GO";
}

/* What an error reply means for the one who wanted something. */
static NBD_FAILURE NbdFailureOfReply(const NBD_CLIENT *Client, uint32_t Type)
{
    switch (Type) {
    case NBD_REP_ERR_UNSUP:
        return Client->Option == NBD_OPT_LIST ? NBD_FAILURE_LIST_UNSUPPORTED : NBD_FAILURE_REFUSED;
    case NBD_REP_ERR_POLICY:
        return NBD_FAILURE_POLICY;
    case NBD_REP_ERR_TLS_REQD:
        return NBD_FAILURE_TLS_REQUIRED;
    case NBD_REP_ERR_UNKNOWN:
        return Client->Option == NBD_OPT_GO ? NBD_FAILURE_UNKNOWN_EXPORT : NBD_FAILURE_REFUSED;
    case NBD_REP_ERR_SHUTDOWN:
        return NBD_FAILURE_SHUTDOWN;
    default:
        return NBD_FAILURE_REFUSED;
    }
}

/* The sentence's first half. */
static const char *NbdWordsOfFailure(NBD_FAILURE Failure)
{
    switch (Failure) {
    case NBD_FAILURE_LIST_UNSUPPORTED:
        return "the server doesn't list its exports";
    case NBD_FAILURE_POLICY:
        return "the server's policy forbids it";
    case NBD_FAILURE_TLS_REQUIRED:
        return "the server insists on TLS";
    case NBD_FAILURE_UNKNOWN_EXPORT:
        return "the server has no export of that name";
    case NBD_FAILURE_SHUTDOWN:
        return "the server is shutting down";
    default:
        return "the server refused";
    }
}

void NbdFailByServer(NBD_CLIENT *Client, uint32_t Type, const void *Words, size_t Length)
{
    NBD_FAILURE Failure = NbdFailureOfReply(Client, Type);
    TEXT Text = NbdFail(Client, Failure);

    Client->ServerError = Type;
    TextAppend(&Text, NbdWordsOfFailure(Failure));
    TextAppend(&Text, " (it answered ");
    TextAppend(&Text, NbdOptionName(Client->Option));
    if (Client->Option == NBD_OPT_GO) {
        TextAppend(&Text, " for export \"");
        TextAppendForeign(&Text, Client->ExportName, Client->ExportNameLength);
        TextAppend(&Text, "\"");
    }
    TextAppend(&Text, " with error ");
    TextAppendHex(&Text, Type, 8);
    TextAppend(&Text, ")");
    if (Length > 0) {
        TextAppend(&Text, "; it says: ");
        TextAppendForeign(&Text, Words, Length);
    }
}

const char *NbdFailureText(const NBD_CLIENT *Client)
{
    return Client->Message;
}
