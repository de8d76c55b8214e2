/* SPDX-License-Identifier: LGPL-2.1-only */
/* The simulated server's side of the handshake: proto, "Newstyle negotiation". */
#include "seeded_server_private.h"

#include <string.h>

#define OPTION_DATA_MOST 1024u
#define REPLY_DATA_MOST 64u

static bool Greet(SERVED *Served)
{
    unsigned char Greeting[18];
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    Put64(Greeting, NBD_GREETING_MAGIC);
    Put64(Greeting + 8, NBD_NEWSTYLE_MAGIC);
    Put16(Greeting + 16,
          Plan->Zeroes ? NBD_HANDSHAKE_FIXED_NEWSTYLE : NBD_HANDSHAKE_FIXED_NEWSTYLE | NBD_HANDSHAKE_NO_ZEROES);
    if (ServedCommits(Served, MISDEED_GREETING, UINT64_MAX)) {
        Greeting[SeededBelow(16)] ^= (unsigned char)(1 + SeededBelow(255));
    } else if (ServedCommits(Served, MISDEED_OLDSTYLE, UINT64_MAX)) {
        Put64(Greeting + 8, NBD_OLDSTYLE_MAGIC);
    }
    return ServedSend(Served, Greeting, sizeof(Greeting));
}

static bool Reply(SERVED *Served, uint32_t Option, uint32_t Type, const void *Data, uint32_t Length)
{
    unsigned char Bytes[20 + REPLY_DATA_MOST];
    Put64(Bytes, NBD_OPTION_REPLY_MAGIC);
    Put32(Bytes + 8, Option);
    Put32(Bytes + 12, Type);
    Put32(Bytes + 16, Length);
    memcpy(Bytes + 20, Data, Length);
    if (ServedCommits(Served, MISDEED_OPTION_MAGIC, UINT64_MAX)) {
        Bytes[SeededBelow(8)] ^= 0x10;
    } else if (ServedCommits(Served, MISDEED_GARBAGE, UINT64_MAX)) {
        for (size_t Index = 0; Index < 20 + Length; Index++) {
            Bytes[Index] = (unsigned char)SeededBelow(256);
        }
    }
    return ServedSend(Served, Bytes, 20 + Length);
}

static uint64_t SizeTold(SERVED *Served)
{
    static const uint64_t Impossible[] = {0, 511, UINT64_MAX, (uint64_t)1 << 63};
    if (ServedCommits(Served, MISDEED_SIZE, UINT64_MAX)) {
        return Impossible[SeededBelow(4)];
    }
    return Served->Server->Plan.SizeBytes;
}

/* NBD_OPT_EXPORT_NAME has no reply, and no way to refuse but the connection's end. */
static bool AnswerExportName(SERVED *Served, bool NoZeroes)
{
    unsigned char Answer[10 + NBD_EXPORT_ANSWER_ZEROES] = {0};
    if (ServedCommits(Served, MISDEED_REFUSE, UINT64_MAX)) {
        return false;
    }
    Served->Server->Counts.Transmitted = true;
    Put64(Answer, SizeTold(Served));
    Put16(Answer + 8, Served->Server->Plan.Flags);
    return ServedSend(Served, Answer, NoZeroes ? 10 : sizeof(Answer));
}

static bool Refuse(SERVED *Served, uint32_t Option)
{
    static const uint32_t Errors[] = {NBD_REP_ERR_POLICY,   NBD_REP_ERR_TLS_REQD,      NBD_REP_ERR_UNKNOWN,
                                      NBD_REP_ERR_SHUTDOWN, 0x80000003u /* invalid */, 0x80000004u /* platform */};
    static const char Words[] = "not you";
    return Reply(Served, Option, Errors[SeededBelow(6)], Words, SeededBelow(2) ? sizeof(Words) - 1 : 0);
}

static bool TellExport(SERVED *Served)
{
    unsigned char Info[12];
    Put16(Info, NBD_INFO_EXPORT);
    Put64(Info + 2, SizeTold(Served));
    Put16(Info + 10, Served->Server->Plan.Flags);
    return Reply(Served, NBD_OPT_GO, NBD_REP_INFO, Info, sizeof(Info));
}

static bool TellBlockSizes(SERVED *Served)
{
    unsigned char Info[14];
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    bool Large = ServedCommits(Served, MISDEED_BLOCK_SIZE, UINT64_MAX);
    Put16(Info, NBD_INFO_BLOCK_SIZE);
    Put32(Info + 2, Large ? 65536 : Plan->Minimum);
    Put32(Info + 6, Large ? 65536 : Plan->Preferred);
    Put32(Info + 10, Large ? 1048576 : Plan->Maximum);
    return Reply(Served, NBD_OPT_GO, NBD_REP_INFO, Info, sizeof(Info));
}

/* True: go on; *Go: to the transmission phase. */
static bool AnswerGo(SERVED *Served, const unsigned char *Data, uint32_t Length, bool *Go)
{
    const SERVER_PLAN *Plan = &Served->Server->Plan;
    uint32_t NameLength = Length < 6 ? UINT32_MAX : Get32(Data);
    if (NameLength > Length - 6 || Length != 6 + NameLength + 2u * Get16(Data + 4 + NameLength)) {
        ServedAccuse(Served, "NBD_OPT_GO of %u bytes with a name of %u", Length, NameLength);
    }
    bool WantsSizes = false;
    for (uint32_t At = 6 + NameLength; At < Length; At += 2) {
        WantsSizes = WantsSizes || Get16(Data + At) == NBD_INFO_BLOCK_SIZE;
    }
    if (ServedCommits(Served, MISDEED_REFUSE, UINT64_MAX)) {
        return Refuse(Served, NBD_OPT_GO);
    }
    if (ServedCommits(Served, MISDEED_NO_EXPORT, UINT64_MAX)) {
        *Go = true;
        return Reply(Served, NBD_OPT_GO, NBD_REP_ACK, "", 0);
    }
    bool SizesFirst = SeededBelow(2) == 0;
    bool TellSizes = Plan->Minimum != 0 || Plan->Misdeed == MISDEED_BLOCK_SIZE;
    /* Sizes that matter are told to those who ask; a client that doesn't must keep to 512 bytes and 32 MiB. */
    if (TellSizes && WantsSizes && SizesFirst && !TellBlockSizes(Served)) {
        return false;
    }
    if (!TellExport(Served) || (TellSizes && WantsSizes && !SizesFirst && !TellBlockSizes(Served))) {
        return false;
    }
    *Go = true;
    Served->Server->Counts.Transmitted = true;
    return Reply(Served, NBD_OPT_GO, NBD_REP_ACK, "", 0);
}

bool ServedHandshake(SERVED *Served)
{
    unsigned char Header[16], Data[OPTION_DATA_MOST];
    bool Go = false;
    if (!Greet(Served) || !ServedReceive(Served, Header, 4)) {
        return false;
    }
    uint32_t ClientFlags = Get32(Header);
    bool NoZeroes = (ClientFlags & NBD_HANDSHAKE_NO_ZEROES) != 0;
    if ((ClientFlags & ~3u) != 0 || (NoZeroes && Served->Server->Plan.Zeroes)) {
        ServedAccuse(Served, "client flags 0x%x", ClientFlags);
    }
    while (!Go) {
        if (!ServedReceive(Served, Header, sizeof(Header))) {
            return false;
        }
        uint32_t Option = Get32(Header + 8), Length = Get32(Header + 12);
        if (Get64(Header) != NBD_NEWSTYLE_MAGIC || Length > sizeof(Data)) {
            ServedAccuse(Served, "option %u of %u bytes", Option, Length);
        }
        if (!ServedReceive(Served, Data, Length)) {
            return false;
        }
        switch (Option) {
        case NBD_OPT_EXPORT_NAME:
            return AnswerExportName(Served, NoZeroes);
        case NBD_OPT_ABORT:
            Reply(Served, Option, NBD_REP_ACK, "", 0);
            return false;
        case NBD_OPT_GO:
            if (Served->Server->Plan.NoGo ? !Reply(Served, Option, NBD_REP_ERR_UNSUP, "", 0)
                                          : !AnswerGo(Served, Data, Length, &Go)) {
                return false;
            }
            break;
        default:
            if (!Reply(Served, Option, NBD_REP_ERR_UNSUP, "", 0)) {
                return false;
            }
            break;
        }
    }
    return true;
}
