/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Servers that break the rules of the handshake, and those that keep them with
 * values that make no disk: the disk is refused with exactly these words, in
 * the result and in the log, and nothing is left of it.
 */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>

#define GREETING "NBDMAGICIHAVEOPT\0\3"
#define NOT_FIXED "NBDMAGICIHAVEOPT\0\2"
#define OLD_ZEROES "NBDMAGICIHAVEOPT\0\0"

/* Messages: numbers are literals of their bytes, most significant first. */
#define REPLY(Option, Type, Length) "\0\3\xE8\x89\4\x55\x65\xA9\0\0\0" Option Type Length
#define INFO(Length) REPLY("\7", "\0\0\0\3", "\0\0\0" Length)
#define EXPORT(Size, Flags) INFO("\x0C") "\0\0" Size Flags
#define SIZES(Minimum, Preferred, Maximum) INFO("\x0E") "\0\3" Minimum Preferred Maximum
#define ACK REPLY("\7", "\0\0\0\1", "\0\0\0\0")
#define ERROR(Type, Length) REPLY("\7", "\x80\0\0" Type, "\0\0\0" Length)
#define MIB_1 "\0\0\0\0\0\x10\0\0"
#define FLAGS "\0\x2D"
#define K1 "\0\0\4\0"
#define K4 "\0\0\x10\0"
#define K64 "\0\1\0\0"

#define BREACH "the server broke the NBD protocol: "
#define ANSWERED " (it answered NBD_OPT_GO for export \"disk\" with error 0x"
#define BLOCK_RULE(Rule, Values) BREACH Rule ", but the server's are " Values
#define SIZE_RULE(Size)                                                                                                \
    "the export has " Size " bytes, but a disk has at least one block (512 bytes) and at most 2^63 - 1 bytes"
#define HARMLESS "\xEF\xBF\xBD"

/* Win32 errors of WNBD_CREATE_RESULT. */
#define NOT_NBD 58u
#define DENIED 65u
#define NO_EXPORT 67u
#define NO_SIZE 87u
#define NO_BLOCK 1106u
#define ABORTED 1236u

typedef struct {
    const char *What;
    BYTES First;     /* said at once */
    BYTES Answer;    /* said after the first option was heard, if there is one */
    uint32_t Times;  /* that many times; 0: once */
    BYTES Second;    /* said after another option was heard, if there is one */
    bool Closes;     /* then closes; otherwise it waits for the client to do that */
    uint32_t Status; /* Win32 error */
    uint32_t ServerError;
    const char *Text;
} CASE;

#define SAYS(What, Bytes, Status, Text) {What, BYTES_OF(Bytes), {0}, 0, {0}, false, Status, 0, Text}
#define CLOSES(What, Bytes, Text) {What, BYTES_OF(Bytes), {0}, 0, {0}, true, ABORTED, 0, Text}
#define ANSWERS(What, Bytes, Status, Text) {What, BYTES_OF(GREETING), BYTES_OF(Bytes), 0, {0}, false, Status, 0, Text}
#define REFUSES(What, Bytes, Status, Error, Text)                                                                      \
    {What, BYTES_OF(GREETING), BYTES_OF(Bytes), 0, {0}, false, Status, Error, Text}
#define REPEATS(What, Bytes, Times, Text)                                                                              \
    {What, BYTES_OF(GREETING), BYTES_OF(Bytes), Times, {0}, false, NOT_NBD, 0, Text}
#define AFTER_UNSUP(What, Bytes, Closes, Status, Text)                                                                 \
    {What, BYTES_OF(GREETING), BYTES_OF(ERROR("\1", "\0")), 0, BYTES_OF(Bytes), Closes, Status, 0, Text}
#define BY_NAME(What, Style, Bytes, Status, Text)                                                                      \
    {What, BYTES_OF(Style), BYTES_OF(Bytes), 0, {0}, false, Status, 0, Text}

static const CASE Cases[] = {
    /* The greeting. */
    SAYS("another protocol", "SSH-2.0-OpenSSH_9.2\r\n", NOT_NBD,
         "the peer is not an NBD server: byte 0 of its greeting is 0x53, where \"NBDMAGIC\" has 0x4e"),
    SAYS("the last byte of the first magic", "NBDMAGID", NOT_NBD,
         "the peer is not an NBD server: byte 7 of its greeting is 0x44, where \"NBDMAGIC\" has 0x43"),
    SAYS("another second magic", "NBDMAGICIHAVEOPS\0\3", NOT_NBD,
         "the peer is not an NBD server: the second number of its greeting must be \"IHAVEOPT\" (it is "
         "0x49484156454f5053)"),
    SAYS("oldstyle", "NBDMAGIC\0\0\x42\2\x81\x86\x12\x53", NOT_NBD,
         "the server speaks the oldstyle negotiation, which has no export names (its second number is "
         "0x0000420281861253)"),
    CLOSES("closes at once", "", "the server closed the connection instead of sending its greeting"),
    /* Option replies. */
    ANSWERS("another magic", "\0\3\xE8\x89\4\x55\x65\xAA\0\0\0\7\0\0\0\3\0\0\0\0", NOT_NBD,
            BREACH "the magic of an option reply must be 0x0003e889045565a9, but it is 0x0003e889045565aa"),
    ANSWERS("another option", REPLY("\3", "\0\0\0\1", "\0\0\0\0"), NOT_NBD,
            BREACH "an option reply must name the option that was sent, 0x00000007, but it names 0x00000003"),
    ANSWERS("a reply of NBD_OPT_LIST", REPLY("\7", "\0\0\0\2", "\0\0\0\4") "\0\0\0\0", NOT_NBD,
            BREACH "replies of type 0x00000002 must not answer NBD_OPT_GO"),
    ANSWERS("a reply of no type", REPLY("\7", "\0\0\0\0", "\0\0\0\0"), NOT_NBD,
            BREACH "replies of type 0x00000000 must not answer NBD_OPT_GO"),
    ANSWERS("a reply of an unknown type", REPLY("\7", "\x7F\xFF\xFF\xFF", "\0\0\0\0"), NOT_NBD,
            BREACH "replies of type 0x7fffffff must not answer NBD_OPT_GO"),
    ANSWERS("an ACK with data", REPLY("\7", "\0\0\0\1", "\0\0\0\1") "x", NOT_NBD,
            BREACH "the data of an option reply of type 0x00000001 must have 0x0 to 0x0 bytes, but it has 0x1"),
    ANSWERS("an ACK of 4 GiB", REPLY("\7", "\0\0\0\1", "\xFF\xFF\xFF\xFF"), NOT_NBD,
            BREACH "the data of an option reply of type 0x00000001 must have 0x0 to 0x0 bytes, but it has 0xffffffff"),
    ANSWERS("information without a type", INFO("\1") "\0", NOT_NBD,
            BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0x1"),
    ANSWERS("information of 64 KiB and a byte", REPLY("\7", "\0\0\0\3", "\0\1\0\1"), NOT_NBD,
            BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0x10001"),
    ANSWERS("an error text of 4 GiB", REPLY("\7", "\x80\0\0\6", "\xFF\xFF\xFF\xFF"), NOT_NBD,
            BREACH "the data of an option reply of type 0x80000006 must have 0x0 to 0x1000 bytes, but it has "
                   "0xffffffff"),
    ANSWERS("an error text of 4 KiB and a byte", REPLY("\7", "\x80\0\0\6", "\0\0\x10\1"), NOT_NBD,
            BREACH "the data of an option reply of type 0x80000006 must have 0x0 to 0x1000 bytes, but it has 0x1001"),
    ANSWERS("NBD_INFO_EXPORT too short", INFO("\x0B") "\0\0" MIB_1 "\0", NOT_NBD,
            BREACH "the length of NBD_INFO_EXPORT must be 0xc, but it is 0xb"),
    ANSWERS("NBD_INFO_EXPORT too long", INFO("\x0D") "\0\0" MIB_1 FLAGS "\0", NOT_NBD,
            BREACH "the length of NBD_INFO_EXPORT must be 0xc, but it is 0xd"),
    ANSWERS("NBD_INFO_BLOCK_SIZE too short", INFO("\x0D") "\0\3" K1 K4 "\0\1\0", NOT_NBD,
            BREACH "the length of NBD_INFO_BLOCK_SIZE must be 0xe, but it is 0xd"),
    ANSWERS("NBD_INFO_BLOCK_SIZE too long", INFO("\x0F") "\0\3" K1 K4 K64 "\0", NOT_NBD,
            BREACH "the length of NBD_INFO_BLOCK_SIZE must be 0xe, but it is 0xf"),
    ANSWERS("an ACK before the export", ACK, NOT_NBD,
            BREACH "NBD_INFO_EXPORT must come before the NBD_REP_ACK of NBD_OPT_GO, but it did not"),
    ANSWERS("an error that was prevented", ERROR("\x08", "\0"), NOT_NBD,
            BREACH "NBD_REP_ERR_BLOCK_SIZE_REQD must not answer an NBD_OPT_GO that asks for NBD_INFO_BLOCK_SIZE"),
    REPEATS("endless information", INFO("\3") "\0\1x", 300,
            BREACH "replies to an option must come to an end, but those to NBD_OPT_GO are more than 256"),
    REPEATS("endless exports", EXPORT(MIB_1, FLAGS), 300,
            BREACH "replies to an option must come to an end, but those to NBD_OPT_GO are more than 256"),
    /* Flags, sizes, blocks. */
    ANSWERS("flags without NBD_FLAG_HAS_FLAGS", EXPORT(MIB_1, "\0\x0C") ACK, NOT_NBD,
            BREACH "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are 0x000c"),
    ANSWERS("two sizes", EXPORT(MIB_1, FLAGS) EXPORT("\0\0\0\0\0\x20\0\0", FLAGS) ACK, NOT_NBD,
            BREACH "NBD_INFO_EXPORT came twice and contradicts itself: size 0x100000 flags 0x002d, then size 0x200000 "
                   "flags 0x002d"),
    ANSWERS("two sets of flags", EXPORT(MIB_1, FLAGS) EXPORT(MIB_1, "\0\x2F") ACK, NOT_NBD,
            BREACH "NBD_INFO_EXPORT came twice and contradicts itself: size 0x100000 flags 0x002d, then size 0x100000 "
                   "flags 0x002f"),
    ANSWERS("two sets of block sizes", SIZES(K1, K4, K64) SIZES(K4, K4, K64) EXPORT(MIB_1, FLAGS) ACK, NOT_NBD,
            BREACH "NBD_INFO_BLOCK_SIZE came twice and contradicts itself: minimum 0x400, preferred 0x1000, maximum "
                   "0x10000, then minimum 0x1000, preferred 0x1000, maximum 0x10000"),
    ANSWERS("size 0", EXPORT("\0\0\0\0\0\0\0\0", FLAGS) ACK, NO_SIZE, SIZE_RULE("0")),
    ANSWERS("less than a block", EXPORT("\0\0\0\0\0\0\1\xFF", FLAGS) ACK, NO_SIZE, SIZE_RULE("511")),
    ANSWERS("size 2^63", EXPORT("\x80\0\0\0\0\0\0\0", FLAGS) ACK, NO_SIZE, SIZE_RULE("9223372036854775808")),
    ANSWERS("size 2^64 - 1", EXPORT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", FLAGS) ACK, NO_SIZE,
            SIZE_RULE("18446744073709551615")),
    ANSWERS(
        "smallest block 0", SIZES("\0\0\0\0", K4, K64), NOT_NBD,
        BLOCK_RULE("the minimum block size must be a power of 2", "minimum 0x0, preferred 0x1000, maximum 0x10000")),
    ANSWERS(
        "smallest block 1536", SIZES("\0\0\6\0", K4, K64), NOT_NBD,
        BLOCK_RULE("the minimum block size must be a power of 2", "minimum 0x600, preferred 0x1000, maximum 0x10000")),
    ANSWERS("smallest block 128 KiB", SIZES("\0\2\0\0", "\0\2\0\0", "\0\2\0\0"), NOT_NBD,
            BLOCK_RULE("the minimum block size must not be larger than 0x10000",
                       "minimum 0x20000, preferred 0x20000, maximum 0x20000")),
    ANSWERS("preferred block 0", SIZES("\0\0\0\1", "\0\0\0\0", K64), NOT_NBD,
            BLOCK_RULE("the preferred block size must be a power of 2", "minimum 0x1, preferred 0x0, maximum 0x10000")),
    ANSWERS(
        "preferred block 256", SIZES("\0\0\0\1", "\0\0\1\0", K64), NOT_NBD,
        BLOCK_RULE("the preferred block size must be at least 0x200", "minimum 0x1, preferred 0x100, maximum 0x10000")),
    ANSWERS("preferred below smallest", SIZES(K4, K1, K64), NOT_NBD,
            BLOCK_RULE("the preferred block size must be at least the minimum block size",
                       "minimum 0x1000, preferred 0x400, maximum 0x10000")),
    ANSWERS("largest below preferred", SIZES(K1, K4, K1), NOT_NBD,
            BLOCK_RULE("the maximum payload size must be at least the preferred block size",
                       "minimum 0x400, preferred 0x1000, maximum 0x400")),
    ANSWERS("smallest block 64 KiB", SIZES(K64, K64, K64) EXPORT(MIB_1, FLAGS) ACK, NO_BLOCK,
            "the server's smallest block is 65536 bytes, but the disk's is 4096 bytes"),
    /* Errors of the server, with its words. */
    REFUSES("policy", ERROR("\2", "\0"), DENIED, 0x80000002, "the server's policy forbids it" ANSWERED "80000002)"),
    REFUSES("TLS", ERROR("\5", "\0"), DENIED, 0x80000005, "the server insists on TLS" ANSWERED "80000005)"),
    REFUSES("unknown export", ERROR("\6", "\0"), NO_EXPORT, 0x80000006,
            "the server has no export of that name" ANSWERED "80000006)"),
    REFUSES("shutdown", ERROR("\7", "\0"), ABORTED, 0x80000007, "the server is shutting down" ANSWERED "80000007)"),
    REFUSES("an unknown error", REPLY("\7", "\xFF\xFF\xFF\xFF", "\0\0\0\0"), NOT_NBD, 0xFFFFFFFF,
            "the server refused" ANSWERED "ffffffff)"),
    REFUSES("terminal escapes", ERROR("\2", "\x10") "\x1B[2J\x1B]0;pwned\7\r\n", DENIED, 0x80000002,
            "the server's policy forbids it" ANSWERED "80000002); it says: " HARMLESS "[2J" HARMLESS
            "]0;pwned" HARMLESS HARMLESS HARMLESS),
    REFUSES("zeroes", ERROR("\2", "\5") "\0a\0b\0", DENIED, 0x80000002,
            "the server's policy forbids it" ANSWERED "80000002); it says: " HARMLESS "a" HARMLESS "b" HARMLESS),
    REFUSES("text that is not UTF-8", ERROR("\2", "\x09") "\xFF\xC0\xAF\xED\xA0\x80\xE2\x82%", DENIED, 0x80000002,
            "the server's policy forbids it" ANSWERED
            "80000002); it says: " HARMLESS HARMLESS HARMLESS HARMLESS HARMLESS HARMLESS HARMLESS HARMLESS "%"),
    REFUSES("text that turns around",
            ERROR("\2", "\x08") "\xE2\x80\xAE"
                                "ab"
                                "\xD8\x9C"
                                "c",
            DENIED, 0x80000002,
            "the server's policy forbids it" ANSWERED "80000002); it says: " HARMLESS "ab" HARMLESS "c"),
    REFUSES("text that is a format", ERROR("\2", "\x08") "%s%n%p%x", DENIED, 0x80000002,
            "the server's policy forbids it" ANSWERED "80000002); it says: %s%n%p%x"),
    /* NBD_OPT_EXPORT_NAME. */
    AFTER_UNSUP("no GO, then closes", "", true, NO_EXPORT,
                "the server closed the connection when asked for export \"disk\", which is how it says with "
                "NBD_OPT_EXPORT_NAME that it has none of that name"),
    AFTER_UNSUP("no GO, then closes in its answer", MIB_1, true, ABORTED,
                "the server closed the connection instead of sending its answer to NBD_OPT_EXPORT_NAME"),
    AFTER_UNSUP("no GO, then an option reply", ACK, false, NOT_NBD,
                BREACH "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are 0x0000"),
    BY_NAME("not fixed, size 0", NOT_FIXED, "\0\0\0\0\0\0\0\0" FLAGS, NO_SIZE, SIZE_RULE("0")),
    BY_NAME("not fixed, size 2^64 - 1", NOT_FIXED, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" FLAGS, NO_SIZE,
            SIZE_RULE("18446744073709551615")),
    {"not fixed, closes in the zeroes",
     BYTES_OF(OLD_ZEROES),
     BYTES_OF(MIB_1 FLAGS "\0\0\0"),
     0,
     {0},
     true,
     ABORTED,
     0,
     "the server closed the connection instead of sending the zeroes after its answer to NBD_OPT_EXPORT_NAME"},
};

static void PlayCase(PEER *Peer)
{
    const CASE *Case = Peer->Script->Context;
    uint32_t Option;
    if (!PeerSay(Peer, Case->First.Bytes, Case->First.Length)) {
        return;
    }
    if (Case->Answer.Bytes != NULL) {
        if (!PeerHearOption(Peer, true, &Option)) {
            return;
        }
        for (uint32_t Time = 0; Time < (Case->Times != 0 ? Case->Times : 1); Time++) {
            PeerSay(Peer, Case->Answer.Bytes, Case->Answer.Length);
        }
    }
    if (Case->Second.Bytes != NULL) {
        if (!PeerHearOption(Peer, false, &Option)) {
            return;
        }
        PeerSay(Peer, Case->Second.Bytes, Case->Second.Length);
    }
    if (!Case->Closes) {
        PeerStall(Peer);
    }
}

/* Maps "disk" on the script's server: refused, with this text in the result and in the log. */
static void ExpectRefusal(HOSTILE *Hostile, const SCRIPT *Script, uint32_t Status, uint32_t ServerError,
                          const char *Text)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    char Line[WNBD_CREATE_MESSAGE_LENGTH + 8];
    BedProperties(&Properties, "disk", Script->Port);
    strcpy(Properties.NbdProperties.ExportName, "disk");
    CHECK(BedMap(&Hostile->Bed, &Properties, &Result) == STATUS_SUCCESS);
    if (Result.Status != Status || strcmp(Result.Message, Text) != 0) {
        fprintf(stderr, "expected: %u %s\nresult:   %u %s\n", Status, Text, Result.Status, Result.Message);
        BedFail(__FILE__, __LINE__, "the refusal says what it should");
    }
    CHECK(Result.ServerError == ServerError && Result.Phase == WnbdCreatePhaseHandshake);
    snprintf(Line, sizeof(Line), "disk: %s", Text);
    HostileExpectLog(Line);
    CHECK(HostileLogLines() == 1);
}

static void TestCases(HOSTILE *Hostile)
{
    printf("refused, and nothing left\n");
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Cases); Index++) {
        const CASE *Case = &Cases[Index];
        SCRIPT Script = {.Play = PlayCase, .Context = Case};
        HostileBegin(Case->What);
        ScriptStart(&Script);
        ExpectRefusal(Hostile, &Script, Case->Status, Case->ServerError, Case->Text);
        ScriptStop(&Script);
        HostileEnd(Hostile);
    }
}

static void PlayLongText(PEER *Peer)
{
    char Words[4096];
    uint32_t Option;
    memset(Words, 'w', sizeof(Words));
    if (PeerSay(Peer, GREETING, 18) && PeerHearOption(Peer, true, &Option)) {
        PeerAnswer(Peer, SCRIPT_OPT_GO, 0x80000002, Words, sizeof(Words));
        PeerStall(Peer);
    }
}

static void TestLongText(HOSTILE *Hostile)
{
    char Text[512] = "the server's policy forbids it" ANSWERED "80000002); it says: ";
    SCRIPT Script = {.Play = PlayLongText};
    HostileBegin("an error text of 4 KiB is cut");
    size_t Start = strlen(Text);
    memset(Text + Start, 'w', sizeof(Text) - Start);
    strcpy(Text + sizeof(Text) - 4, "...");
    ScriptStart(&Script);
    ExpectRefusal(Hostile, &Script, DENIED, 0x80000002, Text);
    ScriptStop(&Script);
    HostileEnd(Hostile);
}

static void PlaySize(PEER *Peer)
{
    if (PeerConnect(Peer, *(const uint64_t *)Peer->Script->Context)) {
        PeerStall(Peer);
    }
}

/* A server that has another size each time: each disk has the size that was said to it. */
static void TestChangingSizes(HOSTILE *Hostile)
{
    static const uint64_t Sizes[] = {HOSTILE_SIZE, 512, 513, 1023, UINT64_C(1) << 40, INT64_MAX, HOSTILE_SIZE};
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    DISK Disk;
    uint64_t Size = 0;
    SCRIPT Script = {.Play = PlaySize, .Context = &Size};
    HostileBegin("another size at each connection");
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Sizes); Index++) {
        char Warning[160] = "";
        Size = Sizes[Index];
        ScriptStart(&Script);
        BedProperties(&Properties, "disk", Script.Port);
        CHECK(BedMap(&Hostile->Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
        if (Size % 512 != 0) {
            snprintf(Warning, sizeof(Warning),
                     "the export has %llu bytes, which is not a multiple of the block size; its last %u bytes are not "
                     "part of the disk",
                     (unsigned long long)Size, (unsigned)(Size % 512));
        }
        CHECK(strcmp(Result.Message, Warning) == 0);
        DiskOpen(&Disk, &Hostile->Bed, 2);
        CHECK(Disk.BlockSize == 512 && Disk.BlockCount == Size / 512);
        CHECK(BedUnmap(&Hostile->Bed, "disk") == STATUS_SUCCESS);
        CHECK(NativeChildWait(Hostile->Bed.Adapter, 1, 20000));
        DiskClose(&Disk);
        ScriptStop(&Script);
    }
    HostileEnd(Hostile);
}

int main(int Count, char **Arguments)
{
    static HOSTILE Hostile;
    HostileStart(&Hostile, Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1);
    TestCases(&Hostile);
    TestLongText(&Hostile);
    TestChangingSizes(&Hostile);
    HostileStop(&Hostile);
    printf("ok\n");
    return 0;
}
