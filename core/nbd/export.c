/* SPDX-License-Identifier: LGPL-2.1-only */
/* What a server says about an export, and what a disk can make of it (proto, "Size constraints"). */
#include "nbd.h"

#include "../base/checked.h"
#include "engine.h"
#include "wire.h"

/* "Size constraints": where nothing was said. */
#define NBD_DEFAULT_MINIMUM_BLOCK 1u
#define NBD_DEFAULT_PREFERRED_BLOCK 4096u

/* "Size constraints": the bounds of what may be said. */
#define NBD_MINIMUM_BLOCK_MAX 65536u
#define NBD_PREFERRED_BLOCK_LEAST 512u

/* The two sizes of logical blocks that disks have. */
#define NBD_SMALL_BLOCK 512u
#define NBD_LARGE_BLOCK 4096u

void NbdForgetExport(NBD_CLIENT *Client)
{
    Client->SawExport = false;
    Client->SawBlockSizes = false;
    Client->Export.MinimumBlock = NBD_DEFAULT_MINIMUM_BLOCK;
    Client->Export.PreferredBlock = NBD_DEFAULT_PREFERRED_BLOCK;
    Client->Export.MaximumPayload = NBD_DEFAULT_MAX_PAYLOAD;
}

/* Drops flags that promise what can't be used: of features that were not negotiated or that another one carries. */
static uint16_t NbdUsableFlags(uint16_t Flags)
{
    uint32_t Usable = Flags & ~NBD_FLAG_SEND_DF;

    if ((Usable & NBD_FLAG_SEND_WRITE_ZEROES) == 0) {
        Usable &= ~NBD_FLAG_SEND_FAST_ZERO;
    }
    return (uint16_t)Usable;
}

void NbdSetSizeAndFlags(NBD_CLIENT *Client, uint64_t Size, uint16_t Flags)
{
    NBD_EXPORT *Export = &Client->Export;
    TEXT Text;

    if ((Flags & NBD_FLAG_HAS_FLAGS) == 0) {
        Text = NbdBreach(Client, "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are ");
        TextAppendHex(&Text, Flags, 4);
        return;
    }
    if (Client->SawExport && (Export->Size != Size || Export->Flags != NbdUsableFlags(Flags))) {
        Text = NbdBreach(Client, "NBD_INFO_EXPORT came twice and contradicts itself: size ");
        TextAppendHex(&Text, Export->Size, 1);
        TextAppend(&Text, " flags ");
        TextAppendHex(&Text, Export->Flags, 4);
        TextAppend(&Text, ", then size ");
        TextAppendHex(&Text, Size, 1);
        TextAppend(&Text, " flags ");
        TextAppendHex(&Text, NbdUsableFlags(Flags), 4);
        return;
    }
    Client->SawExport = true;
    Export->Size = Size;
    Export->Flags = NbdUsableFlags(Flags);
}

/* The rule of "Size constraints" that three sizes break, NULL if none. */
static const char *NbdBrokenConstraint(uint32_t Minimum, uint32_t Preferred, uint32_t Maximum)
{
    if (!IsPowerOfTwo32(Minimum)) {
        return "the minimum block size must be a power of 2";
    }
    if (Minimum > NBD_MINIMUM_BLOCK_MAX) {
        return "the minimum block size must not be larger than 0x10000";
    }
    if (!IsPowerOfTwo32(Preferred)) {
        return "the preferred block size must be a power of 2";
    }
    if (Preferred < NBD_PREFERRED_BLOCK_LEAST) {
        return "the preferred block size must be at least 0x200";
    }
    if (Preferred < Minimum) {
        return "the preferred block size must be at least the minimum block size";
    }
    if (Maximum < Preferred) {
        return "the maximum payload size must be at least the preferred block size";
    }
    return NULL;
}

static void NbdAppendConstraints(TEXT *Text, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum)
{
    TextAppend(Text, "minimum ");
    TextAppendHex(Text, Minimum, 1);
    TextAppend(Text, ", preferred ");
    TextAppendHex(Text, Preferred, 1);
    TextAppend(Text, ", maximum ");
    TextAppendHex(Text, Maximum, 1);
}

void NbdSetBlockSizes(NBD_CLIENT *Client, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum)
{
    NBD_EXPORT *Export = &Client->Export;
    const char *Rule = NbdBrokenConstraint(Minimum, Preferred, Maximum);
    TEXT Text;

    if (Rule != NULL) {
        Text = NbdBreach(Client, Rule);
        TextAppend(&Text, ", but the server's are ");
        NbdAppendConstraints(&Text, Minimum, Preferred, Maximum);
        return;
    }
    if (Client->SawBlockSizes &&
        (Export->MinimumBlock != Minimum || Export->PreferredBlock != Preferred || Export->MaximumPayload != Maximum)) {
        Text = NbdBreach(Client, "NBD_INFO_BLOCK_SIZE came twice and contradicts itself: ");
        NbdAppendConstraints(&Text, Export->MinimumBlock, Export->PreferredBlock, Export->MaximumPayload);
        TextAppend(&Text, ", then ");
        NbdAppendConstraints(&Text, Minimum, Preferred, Maximum);
        return;
    }
    Client->SawBlockSizes = true;
    Export->MinimumBlock = Minimum;
    Export->PreferredBlock = Preferred;
    Export->MaximumPayload = Maximum;
}

/* NBD_FAILURE_BLOCK_SIZE: the server can't serve blocks of BlockSize because of Limit. */
static void NbdFailBlockSize(NBD_CLIENT *Client, const char *What, uint32_t Limit, const char *Than, uint32_t BlockSize)
{
    TEXT Text = NbdFail(Client, NBD_FAILURE_BLOCK_SIZE);

    TextAppend(&Text, What);
    TextAppendDecimal(&Text, Limit);
    TextAppend(&Text, Than);
    TextAppendDecimal(&Text, BlockSize);
    TextAppend(&Text, " bytes");
}

bool NbdChooseBlockSize(NBD_CLIENT *Client)
{
    NBD_EXPORT *Export = &Client->Export;
    uint32_t BlockSize = Client->WantedBlockSize;

    if (BlockSize == 0) {
        BlockSize = Export->MinimumBlock <= NBD_SMALL_BLOCK ? NBD_SMALL_BLOCK : NBD_LARGE_BLOCK;
    }
    if (Export->MinimumBlock > BlockSize) {
        NbdFailBlockSize(Client, "the server's smallest block is ", Export->MinimumBlock, " bytes, but the disk's is ",
                         BlockSize);
        return false;
    }
    if (Export->MaximumPayload < BlockSize) {
        NbdFailBlockSize(Client, "the server's largest request is ", Export->MaximumPayload,
                         " bytes, but the disk's block is ", BlockSize);
        return false;
    }
    if (Export->Size < BlockSize || Export->Size > INT64_MAX) {
        TEXT Text = NbdFail(Client, NBD_FAILURE_SIZE);

        TextAppend(&Text, "the export has ");
        TextAppendDecimal(&Text, Export->Size);
        TextAppend(&Text, " bytes, but a disk has at least one block (");
        TextAppendDecimal(&Text, BlockSize);
        TextAppend(&Text, " bytes) and at most 2^63 - 1 bytes");
        return false;
    }
    Export->BlockSize = BlockSize;
    Export->MaximumPayload -= Export->MaximumPayload % BlockSize;
    return true;
}
