/* SPDX-License-Identifier: LGPL-2.1-only */
/* NBD_OPT_LIST: the exports' names as they may be shown, and lists that are none. */
#include "nbd_bench.h"

#define FIXED NBD_HANDSHAKE_FIXED_NEWSTYLE
#define BREACH "the server broke the NBD protocol: "
#define LIST "\0\0\0\1IHAVEOPT\0\0\0\3\0\0\0\0"
#define ABORT "IHAVEOPT\0\0\0\2\0\0\0\0"
#define EXPECT_OUTPUT(Bench, Bytes) BenchExpectOutput(Bench, Bytes, sizeof(Bytes) - 1)

static BENCH Bench;

static void StartList(void)
{
    BenchStart(&Bench, &BenchList);
    BenchGreets(&Bench, FIXED);
    EXPECT_OUTPUT(&Bench, LIST);
}

static void EndsList(void)
{
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_ACK, NULL, 0);
}

static void ListsExports(void **State)
{
    (void)State;
    StartList();
    BenchLists(&Bench, "first", "");
    BenchLists(&Bench, "", "the default");
    BenchLists(&Bench, "\xC3\xA4 b", "two\xE2\x82\xAC");
    EndsList();
    BenchExpectLog(&Bench, "listed \"first\" \"\"\n"
                           "listed \"\" \"the default\"\n"
                           "listed \"\xC3\xA4 b\" \"two\xE2\x82\xAC\"\n"
                           "list end\n");
    EXPECT_OUTPUT(&Bench, ABORT);
    BenchAnswers(&Bench, NBD_OPT_ABORT, NBD_REP_ACK, NULL, 0); /* swallowed */
    BenchExpectLog(&Bench, "");
    NbdServerClosed(&Bench.Client);
    assert_int_equal(Bench.Client.Failure, NBD_FAILURE_NONE);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
}

static void ListsNothing(void **State)
{
    (void)State;
    StartList();
    EndsList();
    BenchExpectLog(&Bench, "list end\n");
    EXPECT_OUTPUT(&Bench, ABORT);
}

static void NeedsNoSlots(void **State)
{
    (void)State;
    NbdInitialize(&Bench.Client, &BenchList, NULL, 0);
    BenchGreets(&Bench, FIXED);
    EndsList();
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
}

static void MakesNamesHarmless(void **State)
{
    (void)State;
    StartList();
    BenchLists(&Bench, "a\nb\x1B", "\xFF\xE2\x80\xAE");
    BenchExpectLog(&Bench, "listed \"a\xEF\xBF\xBD"
                           "b\xEF\xBF\xBD\" \"\xEF\xBF\xBD\xEF\xBF\xBD\"\n");
}

static void CutsLongNames(void **State)
{
    static char Longest[4097];
    char Expected[2048];
    char Cut[NBD_TEXT_MAX];

    (void)State;
    memset(Longest, 'l', 4096);
    memset(Cut, 'l', sizeof(Cut));
    memcpy(Cut + NBD_TEXT_MAX - 4, "...", 4);
    snprintf(Expected, sizeof(Expected), "listed \"%s\" \"%s\"\nlisted \"short\" \"\"\nlist end\n", Cut, Cut);
    StartList();
    BenchLists(&Bench, Longest, Longest);
    BenchLists(&Bench, "short", "");
    EndsList();
    BenchExpectLog(&Bench, Expected);
}

static void RefusesNamesOutsideTheirReply(void **State)
{
    static uint8_t Data[8196];

    (void)State;
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, "\0\0\0\2x", 5);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of a name must not exceed its NBD_REP_SERVER's length less 4, 0x1, but it is "
                              "0x2");
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, "\xFF\xFF\xFF\xFFx", 5);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of a name must not exceed its NBD_REP_SERVER's length less 4, 0x1, but it is "
                              "0xffffffff");
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, "\0\0\0", 3);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH
                       "the data of an option reply of type 0x00000002 must have 0x4 to 0x2004 bytes, but it has 0x3");
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, NULL, 8197);
    BenchExpectFailure(
        &Bench, NBD_FAILURE_PROTOCOL,
        BREACH "the data of an option reply of type 0x00000002 must have 0x4 to 0x2004 bytes, but it has 0x2005");
    StartList();
    memcpy(Data, "\0\0\x10\x01", 4);
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, Data, sizeof(Data));
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of an export's name must not exceed 0x1000, but it is 0x1001");
    StartList();
    memcpy(Data, "\0\0\x0F\xFF", 4);
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, Data, sizeof(Data));
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "the length of an export's description must not exceed 0x1000, but it is 0x1001");
    EXPECT_OUTPUT(&Bench, "");
}

static void RefusesWrongReplies(void **State)
{
    (void)State;
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_INFO, "\0\1", 2);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, BREACH "replies of type 0x00000003 must not answer NBD_OPT_LIST");
    StartList();
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_ACK, "x", 1);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH
                       "the data of an option reply of type 0x00000001 must have 0x0 to 0x0 bytes, but it has 0x1");
    StartList();
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "an option reply must name the option that was sent, 0x00000003, but it names "
                              "0x00000007");
}

static void UnderstandsErrors(void **State)
{
    static const struct {
        uint32_t Type;
        NBD_FAILURE Failure;
        const char *Text;
    } Rows[] = {
        {0x80000001, NBD_FAILURE_LIST_UNSUPPORTED,
         "the server doesn't list its exports (it answered NBD_OPT_LIST with error 0x80000001); it says: sorry"},
        {0x80000002, NBD_FAILURE_POLICY,
         "the server's policy forbids it (it answered NBD_OPT_LIST with error 0x80000002); it says: sorry"},
        {0x80000005, NBD_FAILURE_TLS_REQUIRED,
         "the server insists on TLS (it answered NBD_OPT_LIST with error 0x80000005); it says: sorry"},
        {0x80000006, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_LIST with error 0x80000006); it says: sorry"},
        {0x80000007, NBD_FAILURE_SHUTDOWN,
         "the server is shutting down (it answered NBD_OPT_LIST with error 0x80000007); it says: sorry"},
        {0x80000008, NBD_FAILURE_REFUSED,
         "the server refused (it answered NBD_OPT_LIST with error 0x80000008); it says: sorry"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        StartList();
        BenchLists(&Bench, "one", "");
        BenchExpectLog(&Bench, "listed \"one\" \"\"\n");
        BenchAnswers(&Bench, NBD_OPT_LIST, Rows[Row].Type, "sorry", 5);
        BenchExpectFailure(&Bench, Rows[Row].Failure, Rows[Row].Text);
        assert_int_equal(Bench.Client.ServerError, Rows[Row].Type);
        EXPECT_OUTPUT(&Bench, ABORT);
    }
}

static void NeedsFixedNewstyle(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchList);
    BenchGreets(&Bench, 0xFF02);
    BenchExpectFailure(&Bench, NBD_FAILURE_OLDSTYLE,
                       "the server speaks the newstyle negotiation that isn't \"fixed\" (handshake flags 0xff02), "
                       "which can't list exports");
    EXPECT_OUTPUT(&Bench, "");
}

static void RefusesEndlessLists(void **State)
{
    (void)State;
    StartList();
    for (unsigned Count = 0; Count < 65536; Count++) {
        BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, "\0\0\0\1x", 5);
        BenchExpectLog(&Bench, "listed \"x\" \"\"\n");
    }
    BenchAnswers(&Bench, NBD_OPT_LIST, NBD_REP_SERVER, "\0\0\0\1x", 5);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH
                       "replies to an option must come to an end, but those to NBD_OPT_LIST are more than 65536");
}

static const struct CMUnitTest Tests[] = {
    cmocka_unit_test(ListsExports),        cmocka_unit_test(ListsNothing),
    cmocka_unit_test(NeedsNoSlots),        cmocka_unit_test(MakesNamesHarmless),
    cmocka_unit_test(CutsLongNames),       cmocka_unit_test(RefusesNamesOutsideTheirReply),
    cmocka_unit_test(RefusesWrongReplies), cmocka_unit_test(UnderstandsErrors),
    cmocka_unit_test(NeedsFixedNewstyle),  cmocka_unit_test(RefusesEndlessLists),
};

BENCH_MAIN("nbd.list")
