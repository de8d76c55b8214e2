/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whatever a server says in the handshake, core/nbd either connects, lists or
 * fails with a sentence; and it does the same however the bytes are cut.
 *
 * Input: one byte of HANDSHAKE_*, one byte for the sizes of pieces, the
 * server's bytes.
 */
#include "input.h"

#include "base/utf8.h"
#include "nbd/nbd.h"

#define HANDSHAKE_LIST 0x01u
#define HANDSHAKE_BLOCK_SHIFT 1u /* two bits: none, 512, 4096, none */
#define HANDSHAKE_LONG_NAME 0x08u
#define HANDSHAKE_NO_NAME 0x10u
#define HANDSHAKE_ABORTS 0x20u /* the client gives up after the last byte */

static NBD_CONFIG Configure(uint8_t Choice)
{
    static const uint32_t BlockSizes[] = {0, 512, 4096, 0};
    static char LongName[NBD_EXPORT_NAME_MAX];
    NBD_CONFIG Config = {.ExportName = "foo", .ExportNameLength = 3};
    Config.Goal = (Choice & HANDSHAKE_LIST) != 0 ? NBD_GOAL_LIST : NBD_GOAL_TRANSMISSION;
    Config.BlockSize = BlockSizes[(Choice >> HANDSHAKE_BLOCK_SHIFT) & 3];
    if ((Choice & HANDSHAKE_LONG_NAME) != 0) {
        memset(LongName, 'n', sizeof(LongName));
        Config.ExportName = LongName;
        Config.ExportNameLength = sizeof(LongName);
    } else if ((Choice & HANDSHAKE_NO_NAME) != 0) {
        Config.ExportNameLength = 0;
    }
    return Config;
}

static void CheckText(const char *Text)
{
    MUST(memchr(Text, '\0', NBD_TEXT_MAX) != NULL && Utf8IsName(Text));
}

static void CheckConnected(const NBD_CLIENT *Client)
{
    const NBD_EXPORT *Export = &Client->Export;
    MUST(Client->Phase == NBD_PHASE_TRANSMISSION);
    MUST(Export->BlockSize == 512 || Export->BlockSize == 4096);
    MUST(Export->Size >= Export->BlockSize && Export->Size <= INT64_MAX);
    MUST(Export->MinimumBlock != 0 && Export->MinimumBlock <= Export->BlockSize);
    MUST(Export->MaximumPayload >= Export->BlockSize && Export->MaximumPayload % Export->BlockSize == 0);
    MUST((Export->Flags & NBD_FLAG_HAS_FLAGS) != 0);
}

static uint32_t SumExport(uint32_t Sum, const NBD_EXPORT *Export)
{
    const uint64_t Values[] = {Export->Size,         Export->Flags,          Export->BlockSize,
                               Export->MinimumBlock, Export->PreferredBlock, Export->MaximumPayload};
    return InputSum(Sum, Values, sizeof(Values));
}

static uint32_t SumEvent(uint32_t Sum, const NBD_CLIENT *Client, const NBD_EVENT *Event)
{
    if (Event->Type == NBD_EVENT_NONE) {
        return Sum;
    }
    Sum = InputSum(Sum, &Event->Type, sizeof(Event->Type));
    switch (Event->Type) {
    case NBD_EVENT_LISTED:
        CheckText(Event->Name);
        CheckText(Event->Description);
        Sum = InputSum(Sum, Event->Name, strlen(Event->Name) + 1);
        return InputSum(Sum, Event->Description, strlen(Event->Description) + 1);
    case NBD_EVENT_CONNECTED:
        CheckConnected(Client);
        return SumExport(Sum, &Client->Export);
    case NBD_EVENT_FAILED:
        MUST(Client->Phase == NBD_PHASE_FAILED && Client->Failure != NBD_FAILURE_NONE);
        CheckText(NbdFailureText(Client));
        MUST(NbdFailureText(Client)[0] != '\0');
        return InputSum(Sum, NbdFailureText(Client), strlen(NbdFailureText(Client)));
    case NBD_EVENT_LIST_END:
        MUST(Client->Phase == NBD_PHASE_DONE);
        return Sum;
    default:
        MUST(!"an event of the handshake");
        return Sum;
    }
}

static uint32_t TakeOutput(NBD_CLIENT *Client, uint32_t Sum)
{
    uint8_t Output[NBD_OUTPUT_BUFFER];
    size_t Taken;
    while ((Taken = NbdTakeOutput(Client, Output, sizeof(Output))) != 0) {
        MUST(Taken <= sizeof(Output));
        Sum = InputSum(Sum, Output, Taken);
    }
    return Sum;
}

/* Seed 0: all at once. Returns the sum of everything that was seen. */
static uint32_t Run(const NBD_CONFIG *Config, const uint8_t *Bytes, size_t Length, uint32_t Seed, bool Aborts)
{
    static NBD_CLIENT Client;
    NBD_SLOT Slots[4];
    NBD_EVENT Event;
    uint32_t Sum = INPUT_SUM_START;
    uint32_t Sent = INPUT_SUM_START; /* by itself: one call may go past several messages before output is taken */
    memset(&Client, 0xA5, sizeof(Client));
    NbdInitialize(&Client, Config, Slots, 4);
    while (Length > 0 && Client.Phase == NBD_PHASE_HANDSHAKE) {
        size_t Piece = Seed == 0 ? Length : 1 + InputRandom(&Seed) % 24;
        Piece = Piece < Length ? Piece : Length;
        uint8_t *Copy = malloc(Piece); /* of the exact size, for the address sanitizer */
        MUST(Copy != NULL);
        memcpy(Copy, Bytes, Piece);
        size_t Consumed = NbdReceive(&Client, Copy, Piece, &Event);
        MUST(Consumed <= Piece && (Consumed > 0 || Event.Type == NBD_EVENT_FAILED));
        Sum = SumEvent(Sum, &Client, &Event);
        free(Copy);
        Sent = TakeOutput(&Client, Sent);
        Bytes += Consumed;
        Length -= Consumed;
    }
    if (Aborts) {
        NbdAbort(&Client);
    } else {
        NbdServerClosed(&Client);
    }
    Sent = TakeOutput(&Client, Sent);
    MUST(Client.Phase != NBD_PHASE_HANDSHAKE);
    if (Client.Phase == NBD_PHASE_FAILED) {
        MUST(NbdReceive(&Client, "x", 1, &Event) == 0 && Event.Type == NBD_EVENT_FAILED);
        Sum = InputSum(Sum, NbdFailureText(&Client), strlen(NbdFailureText(&Client)));
    }
    /* Who breaks a rule isn't told what was still to be said: how much that was depends on the pieces. */
    return Client.Failure == NBD_FAILURE_PROTOCOL ? Sum : InputSum(Sum, &Sent, sizeof(Sent));
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    INPUT Input = {Bytes, Length};
    uint8_t Choice = InputByte(&Input);
    uint32_t Seed = InputByte(&Input) + 1u;
    NBD_CONFIG Config = Configure(Choice);
    bool Aborts = (Choice & HANDSHAKE_ABORTS) != 0;
    uint32_t Whole = Run(&Config, Input.Next, Input.Left, 0, Aborts);
    MUST(Run(&Config, Input.Next, Input.Left, Seed, Aborts) == Whole);
    return 0;
}
