/* SPDX-License-Identifier: LGPL-2.1-only */
/* Greeting and NBD_OPT_GO: what is sent, what is understood, what is refused with which words. */
#include "nbd_bench.h"

#define FIXED NBD_HANDSHAKE_FIXED_NEWSTYLE
#define NO_ZEROES NBD_HANDSHAKE_NO_ZEROES
#define BREACH "the server broke the NBD protocol: "

/* Client flags, then NBD_OPT_GO for "disk" with a request for NBD_INFO_BLOCK_SIZE. */
#define GO(Flags) "\0\0\0" Flags "IHAVEOPT\0\0\0\7\0\0\0\x0C\0\0\0\4disk\0\1\0\3"
#define ABORT "IHAVEOPT\0\0\0\2\0\0\0\0"
#define DISC "\x25\x60\x95\x13\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define EXPECT_OUTPUT(Bench, Bytes) BenchExpectOutput(Bench, Bytes, sizeof(Bytes) - 1)

static BENCH Bench;

static void StartGo(void)
{
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, FIXED | NO_ZEROES);
    EXPECT_OUTPUT(&Bench, GO("\3"));
}

static void AcksGo(void)
{
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
}

static void ConnectsWithGo(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    EXPECT_OUTPUT(&Bench, "");
    BenchGreets(&Bench, FIXED | NO_ZEROES);
    EXPECT_OUTPUT(&Bench, GO("\3"));
    BenchInfoExport(&Bench, 1048576, 0x050D);
    BenchInfoBlockSize(&Bench, 512, 65536, 2 * 1024 * 1024);
    BenchExpectLog(&Bench, "");
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_HANDSHAKE);
    AcksGo();
    BenchExpectLog(&Bench,
                   "connected size 1048576 flags 0x050d block 512 minimum 512 preferred 65536 maximum 2097152\n");
    EXPECT_OUTPUT(&Bench, "");
    assert_string_equal(NbdFailureText(&Bench.Client), "");
}

static void RepeatsOnlyFlagsThatItKnows(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0xFFFC | FIXED);
    EXPECT_OUTPUT(&Bench, GO("\1"));
}

static void AsksForTheDefaultExport(void **State)
{
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION};

    (void)State;
    BenchStart(&Bench, &Config);
    BenchGreets(&Bench, FIXED);
    EXPECT_OUTPUT(&Bench, "\0\0\0\1IHAVEOPT\0\0\0\7\0\0\0\x08\0\0\0\0\0\1\0\3");
}

static void AsksForTheLongestName(void **State)
{
    char Name[NBD_EXPORT_NAME_MAX];
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION, .ExportName = Name, .ExportNameLength = sizeof(Name)};

    (void)State;
    memset(Name, 'n', sizeof(Name));
    BenchStart(&Bench, &Config);
    memset(Name, '?', sizeof(Name)); /* the client has its own copy */
    BenchGreets(&Bench, FIXED);
    assert_int_equal(Bench.OutputLength, 4 + 16 + 4 + 255 + 4);
    memset(Name, 'n', sizeof(Name));
    assert_memory_equal(Bench.Output + 16, "\0\0\1\7\0\0\0\xFF", 8);
    assert_memory_equal(Bench.Output + 24, Name, sizeof(Name));
    assert_memory_equal(Bench.Output + 24 + 255, "\0\1\0\3", 4);
}

static void TakesInformationInAnyOrder(void **State)
{
    (void)State;
    StartGo();
    BenchInfoBlockSize(&Bench, 1, 512, 0xFFFFFFFF);
    BenchInfoExport(&Bench, 512, 1);
    AcksGo();
    BenchExpectLog(&Bench, "connected size 512 flags 0x0001 block 512 minimum 1 preferred 512 maximum 4294966784\n");
}

static void IgnoresOtherInformation(void **State)
{
    static uint8_t Long[65536] = {0x12, 0x34};

    (void)State;
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\1disk", 6);
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\2", 2);
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, Long, sizeof(Long));
    BenchInfoExport(&Bench, 1048576, 1);
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, Long, 8197);
    AcksGo();
    BenchExpectLog(&Bench, "connected size 1048576 flags 0x0001 block 512 minimum 1 preferred 4096 maximum 33554432\n");
}

/* What follows bytes that are thrown away is not thrown away with them, though it comes in the same piece. */
static void SkipsNoMoreThanItMust(void **State)
{
    static uint8_t Bytes[20 + 8200 + 32 + 20] = "\0\3\xE8\x89\4\x55\x65\xA9\0\0\0\7\0\0\0\3\0\0\x20\x08\x12\x34";

    (void)State;
    memcpy(Bytes + 20 + 8200, "\0\3\xE8\x89\4\x55\x65\xA9\0\0\0\7\0\0\0\3\0\0\0\x0C\0\0\0\0\0\0\0\x10\0\0\0\1", 32);
    memcpy(Bytes + 20 + 8200 + 32, "\0\3\xE8\x89\4\x55\x65\xA9\0\0\0\7\0\0\0\1\0\0\0\0", 20);
    StartGo();
    BenchFeed(&Bench, Bytes, sizeof(Bytes));
    BenchExpectLog(&Bench, "connected size 1048576 flags 0x0001 block 512 minimum 1 preferred 4096 maximum 33554432\n");
}

static void TakesRepeatedInformation(void **State)
{
    (void)State;
    StartGo();
    for (int Count = 0; Count < 2; Count++) {
        BenchInfoExport(&Bench, 1048576, 0x0083);
        BenchInfoBlockSize(&Bench, 1, 4096, 65536);
    }
    AcksGo();
    BenchExpectLog(&Bench, "connected size 1048576 flags 0x0003 block 512 minimum 1 preferred 4096 maximum 65536\n");
}

static void ForgetsFlagsThatCanNotBeUsed(void **State)
{
    (void)State;
    StartGo();
    BenchInfoExport(&Bench, 1048576, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_DF | NBD_FLAG_SEND_FAST_ZERO);
    AcksGo();
    assert_int_equal(Bench.Client.Export.Flags, NBD_FLAG_HAS_FLAGS);
    StartGo();
    BenchInfoExport(&Bench, 1048576, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO);
    AcksGo();
    assert_int_equal(Bench.Client.Export.Flags,
                     NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO);
}

static void RefusesStrangers(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    assert_false(BenchFeed(&Bench, "SSH-2.0-OpenSSH_9.2", 19));
    BenchExpectFailure(&Bench, NBD_FAILURE_NOT_NBD,
                       "the peer is not an NBD server: byte 0 of its greeting is 0x53, where \"NBDMAGIC\" has 0x4e");
    BenchStart(&Bench, &BenchDisk);
    assert_false(BenchFeed(&Bench, "NBDx", 4)); /* at once, though less than a greeting has come */
    BenchExpectFailure(&Bench, NBD_FAILURE_NOT_NBD,
                       "the peer is not an NBD server: byte 3 of its greeting is 0x78, where \"NBDMAGIC\" has 0x4d");
    BenchStart(&Bench, &BenchDisk);
    assert_false(BenchFeed(&Bench, "NBDMAGICIHAVEOPS\0\3", 18));
    BenchExpectFailure(&Bench, NBD_FAILURE_NOT_NBD,
                       "the peer is not an NBD server: the second number of its greeting must be \"IHAVEOPT\" (it is "
                       "0x49484156454f5053)");
    EXPECT_OUTPUT(&Bench, "");
}

static void RefusesOldstyle(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    assert_false(BenchFeed(&Bench, "NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53", 16));
    BenchExpectFailure(&Bench, NBD_FAILURE_OLDSTYLE,
                       "the server speaks the oldstyle negotiation, which has no export names (its second number is "
                       "0x0000420281861253)");
    EXPECT_OUTPUT(&Bench, "");
}

static void RefusesWrongOptionReplies(void **State)
{
    (void)State;
    StartGo();
    BenchFeed(&Bench, "\0\3\xE8\x89\4\x55\x65\xAA\0\0\0\7\0\0\0\3\0\0\0\0", 20);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the magic of an option reply must be 0x0003e889045565a9, but it is 0x0003e889045565aa");
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_ACK, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "an option reply must name the option that was sent, 0x00000007, but it names "
                              "0x00000003");
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_SERVER, "\0\0\0\0", 4);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, BREACH "replies of type 0x00000002 must not answer NBD_OPT_GO");
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, 0, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, BREACH "replies of type 0x00000000 must not answer NBD_OPT_GO");
    EXPECT_OUTPUT(&Bench, ""); /* who breaks a rule gets no farewell */
}

/* What was still to be said when a rule was broken stays unsaid. */
static void SaysNothingMoreAfterABreach(void **State)
{
    static const uint8_t Bytes[] = "NBDMAGICIHAVEOPT\0\3\0\3\xE8\x89\4\x55\x65\xAA\0\0\0\7\0\0\0\3\0\0\0\0";
    NBD_EVENT Event;
    uint8_t Byte;

    (void)State;
    BenchStart(&Bench, &BenchDisk);
    assert_int_equal(NbdReceive(&Bench.Client, Bytes, sizeof(Bytes) - 1, &Event), sizeof(Bytes) - 1);
    assert_int_equal(Event.Type, NBD_EVENT_FAILED);
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 0);
    BenchStart(&Bench, &BenchDisk);
    assert_int_equal(NbdReceive(&Bench.Client, Bytes, 18, &Event), 18);
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 1);
    assert_int_equal(NbdReceive(&Bench.Client, Bytes + 18, 20, &Event), 20);
    assert_int_equal(Event.Type, NBD_EVENT_FAILED);
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 0);
}

static void RefusesWrongLengths(void **State)
{
    static const uint8_t Data[16] = {0};
    static const struct {
        uint32_t Type;
        uint32_t Length;
        const char *Text;
    } Rows[] = {
        {NBD_REP_ACK, 1,
         BREACH "the data of an option reply of type 0x00000001 must have 0x0 to 0x0 bytes, but it has 0x1"},
        {NBD_REP_INFO, 0,
         BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0x0"},
        {NBD_REP_INFO, 1,
         BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0x1"},
        {NBD_REP_INFO, 0x10001,
         BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0x10001"},
        {NBD_REP_INFO, 0xFFFFFFFF,
         BREACH "the data of an option reply of type 0x00000003 must have 0x2 to 0x10000 bytes, but it has 0xffffffff"},
        {NBD_REP_ERR_UNKNOWN, 0x1001,
         BREACH "the data of an option reply of type 0x80000006 must have 0x0 to 0x1000 bytes, but it has 0x1001"},
        {NBD_REP_INFO, 11, BREACH "the length of NBD_INFO_EXPORT must be 0xc, but it is 0xb"},
        {NBD_REP_INFO, 13, BREACH "the length of NBD_INFO_EXPORT must be 0xc, but it is 0xd"},
        {NBD_REP_INFO, 2, BREACH "the length of NBD_INFO_EXPORT must be 0xc, but it is 0x2"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        StartGo();
        BenchAnswers(&Bench, NBD_OPT_GO, Rows[Row].Type, Rows[Row].Length <= sizeof(Data) ? Data : NULL,
                     Rows[Row].Length);
        BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, Rows[Row].Text);
    }
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\3\0\0\2\0\0\0\2\0\0\0\2", 13);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of NBD_INFO_BLOCK_SIZE must be 0xe, but it is 0xd");
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\3\0\0\2\0\0\0\2\0\0\0\2\0\0", 15);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of NBD_INFO_BLOCK_SIZE must be 0xe, but it is 0xf");
}

static void RefusesAnAckWithoutExport(void **State)
{
    (void)State;
    StartGo();
    BenchInfoBlockSize(&Bench, 1, 4096, 65536);
    AcksGo();
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "NBD_INFO_EXPORT must come before the NBD_REP_ACK of NBD_OPT_GO, but it did not");
}

static void RefusesMissingFlags(void **State)
{
    (void)State;
    StartGo();
    BenchInfoExport(&Bench, 1048576, 0x000C);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are 0x000c");
}

static void RefusesContradictions(void **State)
{
    (void)State;
    StartGo();
    BenchInfoExport(&Bench, 1048576, 1);
    BenchInfoExport(&Bench, 1048577, 1);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "NBD_INFO_EXPORT came twice and contradicts itself: size 0x100000 flags 0x0001, then "
                              "size 0x100001 flags 0x0001");
    StartGo();
    BenchInfoExport(&Bench, 1048576, 1);
    BenchInfoExport(&Bench, 1048576, 3);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "NBD_INFO_EXPORT came twice and contradicts itself: size 0x100000 flags 0x0001, then "
                              "size 0x100000 flags 0x0003");
    for (int Row = 0; Row < 3; Row++) {
        static const char *const Texts[] = {
            BREACH "NBD_INFO_BLOCK_SIZE came twice and contradicts itself: minimum 0x1, preferred 0x1000, maximum "
                   "0x10000, then minimum 0x2, preferred 0x1000, maximum 0x10000",
            BREACH "NBD_INFO_BLOCK_SIZE came twice and contradicts itself: minimum 0x1, preferred 0x1000, maximum "
                   "0x10000, then minimum 0x1, preferred 0x2000, maximum 0x10000",
            BREACH "NBD_INFO_BLOCK_SIZE came twice and contradicts itself: minimum 0x1, preferred 0x1000, maximum "
                   "0x10000, then minimum 0x1, preferred 0x1000, maximum 0x10001",
        };

        StartGo();
        BenchInfoBlockSize(&Bench, 1, 4096, 65536);
        BenchInfoBlockSize(&Bench, Row == 0 ? 2 : 1, Row == 1 ? 8192 : 4096, Row == 2 ? 65537 : 65536);
        BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, Texts[Row]);
    }
}

static void RefusesEndlessReplies(void **State)
{
    (void)State;
    StartGo();
    for (unsigned Count = 0; Count < 256; Count++) {
        BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\1x", 3);
        assert_int_equal(Bench.Client.Phase, NBD_PHASE_HANDSHAKE);
    }
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_INFO, "\0\1x", 3);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "replies to an option must come to an end, but those to NBD_OPT_GO are more than 256");
}

/* Errors that a server may give, and what they mean to the user. */
static void UnderstandsErrors(void **State)
{
    static const struct {
        uint32_t Type;
        NBD_FAILURE Failure;
        const char *Text;
    } Rows[] = {
        {0x80000002, NBD_FAILURE_POLICY,
         "the server's policy forbids it (it answered NBD_OPT_GO for export \"disk\" with error 0x80000002)"},
        {0x80000003, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_GO for export \"disk\" with error 0x80000003)"},
        {0x80000004, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_GO for export \"disk\" with error 0x80000004)"},
        {0x80000005, NBD_FAILURE_TLS_REQUIRED,
         "the server insists on TLS (it answered NBD_OPT_GO for export \"disk\" with error 0x80000005)"},
        {0x80000006, NBD_FAILURE_UNKNOWN_EXPORT,
         "the server has no export of that name (it answered NBD_OPT_GO for export \"disk\" with error 0x80000006)"},
        {0x80000007, NBD_FAILURE_SHUTDOWN,
         "the server is shutting down (it answered NBD_OPT_GO for export \"disk\" with error 0x80000007)"},
        {0x80000009, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_GO for export \"disk\" with error 0x80000009)"},
        {0xFFFFFFFF, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_GO for export \"disk\" with error 0xffffffff)"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        char Text[256];

        StartGo();
        BenchAnswers(&Bench, NBD_OPT_GO, Rows[Row].Type, NULL, 0);
        BenchExpectFailure(&Bench, Rows[Row].Failure, Rows[Row].Text);
        assert_int_equal(Bench.Client.ServerError, Rows[Row].Type);
        EXPECT_OUTPUT(&Bench, ABORT);

        StartGo();
        BenchInfoExport(&Bench, 1048576, 1); /* an error may come after information */
        BenchAnswers(&Bench, NBD_OPT_GO, Rows[Row].Type, "no,\n\x1B[1mreally\xFF", 15);
        snprintf(Text, sizeof(Text), "%s; it says: no,\xEF\xBF\xBD\xEF\xBF\xBD[1mreally\xEF\xBF\xBD", Rows[Row].Text);
        BenchExpectFailure(&Bench, Rows[Row].Failure, Text);
        EXPECT_OUTPUT(&Bench, ABORT);
    }
}

static void CutsLongErrors(void **State)
{
    char Words[4096];

    (void)State;
    memset(Words, 'w', sizeof(Words));
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ERR_POLICY, Words, sizeof(Words));
    assert_int_equal(Bench.Client.Failure, NBD_FAILURE_POLICY);
    assert_int_equal(strlen(NbdFailureText(&Bench.Client)), NBD_TEXT_MAX - 1);
    assert_string_equal(NbdFailureText(&Bench.Client) + NBD_TEXT_MAX - 7, "www...");
}

static void RefusesAnErrorThatWasPrevented(void **State)
{
    (void)State;
    StartGo();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ERR_BLOCK_SIZE_REQD, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "NBD_REP_ERR_BLOCK_SIZE_REQD must not answer an NBD_OPT_GO that asks for "
                              "NBD_INFO_BLOCK_SIZE");
}

static void ClosesBeforeTheEnd(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED, "the server closed the connection instead of sending its greeting");
    BenchStart(&Bench, &BenchDisk);
    BenchFeed(&Bench, "NBDMAGICIHAVEOPT", 16);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED,
                       "the server closed the connection instead of sending its handshake flags");
    StartGo();
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED,
                       "the server closed the connection instead of sending its reply to an option");
}

static void GivesUpPolitely(void **State)
{
    NBD_EVENT Event;
    uint8_t Byte;

    (void)State;
    BenchStart(&Bench, &BenchDisk);
    NbdAbort(&Bench.Client); /* before the client's flags no option may be sent */
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 0);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
    assert_true(BenchFeed(&Bench, "anything", 8));
    BenchExpectLog(&Bench, "");

    BenchStart(&Bench, &BenchDisk);
    NbdReceive(&Bench.Client, "NBDMAGICIHAVEOPT\0\3", 18, &Event); /* NBD_OPT_GO waits, unsent */
    NbdAbort(&Bench.Client);
    BenchFeed(&Bench, "", 0);
    EXPECT_OUTPUT(&Bench, "\0\0\0\3" ABORT);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);

    BenchStart(&Bench, &BenchDisk);
    NbdReceive(&Bench.Client, "NBDMAGICIHAVEOPT\0\3", 18, &Event);
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 1); /* half an option can't be taken back */
    NbdAbort(&Bench.Client);
    BenchFeed(&Bench, "", 0);
    EXPECT_OUTPUT(&Bench, "");

    StartGo(); /* NBD_OPT_GO was sent: no other option before its answer */
    NbdAbort(&Bench.Client);
    BenchFeed(&Bench, "", 0);
    EXPECT_OUTPUT(&Bench, "");
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
    assert_int_equal(Bench.Client.Failure, NBD_FAILURE_NONE);
}

static void SkipsTheHandshake(void **State)
{
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION,
                         .BlockSize = 4096,
                         .SkipHandshake = true,
                         .SkippedSize = 1048576,
                         .SkippedFlags = NBD_FLAG_SEND_FLUSH};

    (void)State;
    BenchStart(&Bench, &Config);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_TRANSMISSION);
    assert_int_equal(Bench.Client.Export.Size, 1048576);
    assert_int_equal(Bench.Client.Export.BlockSize, 4096);
    assert_int_equal(Bench.Client.Export.Flags, NBD_FLAG_SEND_FLUSH | NBD_FLAG_HAS_FLAGS);
    assert_int_equal(Bench.Client.Export.MaximumPayload, NBD_DEFAULT_MAX_PAYLOAD);
    BenchRequests(&Bench, 0x10000, NBD_CMD_FLUSH, 0, 0, 0);
    BenchReplies(&Bench, 0, 0x10000, NULL, 0);
    BenchExpectLog(&Bench, "reply 0x10000 error 0\n");

    Config.SkippedSize = 4095;
    BenchStart(&Bench, &Config);
    BenchExpectFailure(
        &Bench, NBD_FAILURE_SIZE,
        "the export has 4095 bytes, but a disk has at least one block (4096 bytes) and at most 2^63 - 1 bytes");
    BenchFeed(&Bench, "", 0);
    EXPECT_OUTPUT(&Bench, DISC);
}

static const struct CMUnitTest Tests[] = {cmocka_unit_test(ConnectsWithGo),
                                          cmocka_unit_test(RepeatsOnlyFlagsThatItKnows),
                                          cmocka_unit_test(AsksForTheDefaultExport),
                                          cmocka_unit_test(AsksForTheLongestName),
                                          cmocka_unit_test(TakesInformationInAnyOrder),
                                          cmocka_unit_test(IgnoresOtherInformation),
                                          cmocka_unit_test(SkipsNoMoreThanItMust),
                                          cmocka_unit_test(TakesRepeatedInformation),
                                          cmocka_unit_test(ForgetsFlagsThatCanNotBeUsed),
                                          cmocka_unit_test(RefusesStrangers),
                                          cmocka_unit_test(RefusesOldstyle),
                                          cmocka_unit_test(RefusesWrongOptionReplies),
                                          cmocka_unit_test(SaysNothingMoreAfterABreach),
                                          cmocka_unit_test(RefusesWrongLengths),
                                          cmocka_unit_test(RefusesAnAckWithoutExport),
                                          cmocka_unit_test(RefusesMissingFlags),
                                          cmocka_unit_test(RefusesContradictions),
                                          cmocka_unit_test(RefusesEndlessReplies),
                                          cmocka_unit_test(UnderstandsErrors),
                                          cmocka_unit_test(CutsLongErrors),
                                          cmocka_unit_test(RefusesAnErrorThatWasPrevented),
                                          cmocka_unit_test(ClosesBeforeTheEnd),
                                          cmocka_unit_test(GivesUpPolitely),
                                          cmocka_unit_test(SkipsTheHandshake)};

BENCH_MAIN("nbd.handshake")
