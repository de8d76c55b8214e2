/* SPDX-License-Identifier: LGPL-2.1-only */
/* Requests of the transmission phase (proto, "Request message" and "Request types"). */
#include "nbd.h"

#include <string.h>

#include "../base/byte_order.h"
#include "../base/checked.h"
#include "../base/invariant.h"
#include "engine.h"
#include "wire.h"

_Static_assert(sizeof(NBD_REQUEST) == NBD_REQUEST_SIZE, "public size of a request");

static void NbdEncode(uint8_t *Wire, uint64_t Cookie, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset,
                      uint32_t Length)
{
    NBD_REQUEST *Request = (NBD_REQUEST *)Wire;

    Be32Store(&Request->Magic, NBD_REQUEST_MAGIC);
    Be16Store(&Request->Flags, Flags);
    Be16Store(&Request->Type, (uint16_t)Command);
    Be64Store(&Request->Cookie, Cookie);
    Be64Store(&Request->Offset, Offset);
    Be32Store(&Request->Length, Length);
}

/* What the document says of each command, by its number. */
typedef struct {
    uint16_t Needed;  /* NBD_FLAG_* of the export */
    uint16_t Allowed; /* NBD_CMD_FLAG_* */
    bool Known;
    bool Payload; /* has Length bytes of payload in one of the directions */
    bool Writes;  /* not for a read-only export */
} NBD_COMMAND_ROW;

static const NBD_COMMAND_ROW NbdCommands[] = {
    [NBD_CMD_READ] = {.Known = true, .Payload = true},
    [NBD_CMD_WRITE] = {.Known = true, .Payload = true, .Writes = true, .Allowed = NBD_CMD_FLAG_FUA},
    [NBD_CMD_FLUSH] = {.Known = true, .Needed = NBD_FLAG_SEND_FLUSH},
    [NBD_CMD_TRIM] = {.Known = true, .Writes = true, .Needed = NBD_FLAG_SEND_TRIM, .Allowed = NBD_CMD_FLAG_FUA},
    [NBD_CMD_WRITE_ZEROES] = {.Known = true,
                              .Writes = true,
                              .Needed = NBD_FLAG_SEND_WRITE_ZEROES,
                              .Allowed = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE},
};

/* Whether the caller kept NbdRequest's contract about the export. */
static bool NbdIsAllowed(const NBD_EXPORT *Export, NBD_COMMAND Command, uint16_t CommandFlags, uint64_t Offset,
                         uint32_t Length)
{
    const NBD_COMMAND_ROW *Row;
    uint32_t Needed;

    if ((uint32_t)Command >= sizeof(NbdCommands) / sizeof(NbdCommands[0])) {
        return false;
    }
    Row = &NbdCommands[Command];
    if (!Row->Known) {
        return false;
    }
    Needed = Row->Needed | ((CommandFlags & NBD_CMD_FLAG_FUA) != 0 ? NBD_FLAG_SEND_FUA : 0);
    if ((CommandFlags & ~Row->Allowed) != 0 || (Export->Flags & Needed) != Needed) {
        return false;
    }
    if (Command == NBD_CMD_FLUSH) {
        return Offset == 0 && Length == 0;
    }
    if (Row->Writes && (Export->Flags & NBD_FLAG_READ_ONLY) != 0) {
        return false;
    }
    if (Row->Payload && Length > Export->MaximumPayload) {
        return false;
    }
    return Length > 0 && ((Offset | Length) & (Export->MinimumBlock - 1)) == 0 &&
           CheckedRange(Offset, Length, Export->Size);
}

void NbdRequest(NBD_CLIENT *Client, uint64_t Cookie, NBD_COMMAND Command, uint16_t CommandFlags, uint64_t Offset,
                uint32_t Length, uint8_t Wire[NBD_REQUEST_SIZE])
{
    uint16_t Index = (uint16_t)(Cookie & 0xFFFF);
    NBD_SLOT *Slot;

    INVARIANT(Client->Phase == NBD_PHASE_TRANSMISSION);
    INVARIANT(Index < Client->SlotCount && !Client->Slots[Index].InFlight);
    INVARIANT(NbdIsAllowed(&Client->Export, Command, CommandFlags, Offset, Length));
    Slot = &Client->Slots[Index];
    Slot->Cookie = Cookie;
    Slot->Length = Length;
    Slot->Command = (uint8_t)Command;
    Slot->InFlight = true;
    Client->InFlight++;
    NbdEncode(Wire, Cookie, Command, CommandFlags, Offset, Length);
}

void NbdDisconnect(NBD_CLIENT *Client, uint8_t Wire[NBD_REQUEST_SIZE])
{
    INVARIANT(Client->Phase == NBD_PHASE_TRANSMISSION);
    NbdEncode(Wire, 0, NBD_CMD_DISC, 0, 0, 0);
    NbdEnterState(Client, NBD_STATE_DONE);
}

void NbdPutDisconnect(NBD_CLIENT *Client)
{
    uint8_t Wire[NBD_REQUEST_SIZE];

    NbdEncode(Wire, 0, NBD_CMD_DISC, 0, 0, 0);
    NbdPutOutput(Client, Wire, sizeof(Wire));
}
