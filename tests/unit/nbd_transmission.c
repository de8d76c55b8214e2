/* SPDX-License-Identifier: LGPL-2.1-only */
/* Requests and replies: their bytes, their order, and replies that belong to nothing. */
#include "nbd_bench.h"

#define BREACH "the server broke the NBD protocol: "
#define EXPECT_OUTPUT(Bench, Bytes) BenchExpectOutput(Bench, Bytes, sizeof(Bytes) - 1)
#define ALL_FLAGS                                                                                                      \
    (NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES)
#define SIZE (UINT64_C(1) << 40)
#define COOKIE UINT64_C(0x0123456789AB0003)

static BENCH Bench;

static void EncodesRequests(void **State)
{
    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, COOKIE, NBD_CMD_READ, 0, UINT64_C(0x8070605000), 0x01020300);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\0\0\0\x01\x23\x45\x67\x89\xAB\0\3\0\0\0\x80\x70\x60\x50\0\1\2\3\0");
    BenchRequests(&Bench, 4, NBD_CMD_WRITE, 0, 512, 1024);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\0\0\1\0\0\0\0\0\0\0\4\0\0\0\0\0\0\2\0\0\0\4\0");
    BenchRequests(&Bench, 5, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 512, 1024);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\1\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\2\0\0\0\4\0");
    BenchRequests(&Bench, 6, NBD_CMD_FLUSH, 0, 0, 0);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\0\0\3\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\0");
    BenchRequests(&Bench, 7, NBD_CMD_TRIM, NBD_CMD_FLAG_FUA, 0, 0xFFFFFFFF);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\1\0\4\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF");
    BenchRequests(&Bench, 8, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE, 0, 512);
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\3\0\6\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\2\0");
    assert_int_equal(Bench.Client.InFlight, 6);
}

static void Disconnects(void **State)
{
    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, COOKIE, NBD_CMD_READ, 0, 0, 512);
    NbdDisconnect(&Bench.Client, Bench.Output);
    Bench.OutputLength = NBD_REQUEST_SIZE;
    EXPECT_OUTPUT(&Bench, "\x25\x60\x95\x13\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
    BenchReplies(&Bench, NBD_EIO, COOKIE, NULL, 0); /* too late, and nobody's concern */
    NbdServerClosed(&Bench.Client);
    NbdAbort(&Bench.Client);
    BenchExpectLog(&Bench, "");
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
}

static void ReportsEveryError(void **State)
{
    static const uint32_t Known[] = {0, 1, 5, 12, 22, 28, 75, 95, 108};
    static const uint32_t Unknown[] = {2, 4, 6, 11, 13, 21, 23, 107, 109, 0x80000000, 0x05000000, 0xFFFFFFFF};

    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    for (size_t Row = 0; Row < sizeof(Known) / sizeof(Known[0]); Row++) {
        char Expected[64];

        snprintf(Expected, sizeof(Expected), "reply 0x123456789ab0003 error %u\n", Known[Row]);
        BenchRequests(&Bench, COOKIE, NBD_CMD_WRITE, 0, 0, 512);
        BenchReplies(&Bench, Known[Row], COOKIE, NULL, 0);
        BenchExpectLog(&Bench, Expected);
        assert_int_equal(Bench.Client.InFlight, 0);
        Bench.OutputLength = 0;
    }
    for (size_t Row = 0; Row < sizeof(Unknown) / sizeof(Unknown[0]); Row++) {
        BenchRequests(&Bench, COOKIE, NBD_CMD_READ, 0, 0, 512);
        BenchReplies(&Bench, Unknown[Row], COOKIE, NULL, 0);
        BenchExpectLog(&Bench, "reply 0x123456789ab0003 error 22\n");
        assert_int_equal(Bench.Client.InFlight, 0);
        Bench.OutputLength = 0;
    }
}

static void AnErrorHasNoPayload(void **State)
{
    uint8_t Data[512];
    char Expected[128];

    (void)State;
    memset(Data, 0x5A, sizeof(Data));
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 1, NBD_CMD_READ, 0, 0, 512);
    BenchRequests(&Bench, 2, NBD_CMD_READ, 0, 0, 512);
    BenchReplies(&Bench, NBD_EIO, 1, NULL, 0);
    BenchReplies(&Bench, 0, 2, Data, sizeof(Data));
    snprintf(Expected, sizeof(Expected), "reply 0x1 error 5\nreply 0x2 error 0 bytes 512 sum %08x\n",
             BenchSum(Data, sizeof(Data)));
    BenchExpectLog(&Bench, Expected);
}

/* Payload is not copied, and a piece is reported as soon as it is there. */
static void PointsIntoTheInput(void **State)
{
    uint8_t Message[16 + 1024] = "\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\1";
    NBD_EVENT Event;

    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 1, NBD_CMD_READ, 0, 0, 1024);
    assert_int_equal(NbdReceive(&Bench.Client, Message, 16, &Event), 16);
    assert_int_equal(Event.Type, NBD_EVENT_NONE);
    assert_int_equal(NbdReceive(&Bench.Client, Message + 16, 700, &Event), 700);
    assert_int_equal(Event.Type, NBD_EVENT_REPLY);
    assert_int_equal(Event.Cookie, 1);
    assert_int_equal(Event.Offset, 0);
    assert_int_equal(Event.Length, 700);
    assert_ptr_equal(Event.Data, Message + 16);
    assert_false(Event.Last);
    assert_int_equal(Bench.Client.InFlight, 1);
    assert_int_equal(NbdReceive(&Bench.Client, Message + 716, 324, &Event), 324);
    assert_int_equal(Event.Type, NBD_EVENT_REPLY);
    assert_int_equal(Event.Offset, 700);
    assert_int_equal(Event.Length, 324);
    assert_ptr_equal(Event.Data, Message + 716);
    assert_true(Event.Last);
    assert_int_equal(Event.Error, NBD_OK);
    assert_int_equal(Bench.Client.InFlight, 0);
}

/* Header and payload in one input are one event, and the next reply's bytes stay where they are. */
static void TakesOneReplyAtATime(void **State)
{
    uint8_t Messages[16 + 512 + 16] = "\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\1";
    NBD_EVENT Event;

    (void)State;
    memcpy(Messages + 528, "\x67\x44\x66\x98\0\0\0\5\0\0\0\0\0\0\0\2", 16);
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 1, NBD_CMD_READ, 0, 0, 512);
    BenchRequests(&Bench, 2, NBD_CMD_FLUSH, 0, 0, 0);
    assert_int_equal(NbdReceive(&Bench.Client, Messages, sizeof(Messages), &Event), 528);
    assert_ptr_equal(Event.Data, Messages + 16);
    assert_int_equal(Event.Length, 512);
    assert_true(Event.Last);
    assert_int_equal(NbdReceive(&Bench.Client, Messages + 528, 16, &Event), 16);
    assert_int_equal(Event.Cookie, 2);
    assert_int_equal(Event.Error, NBD_EIO);
    assert_int_equal(Event.Length, 0);
    assert_null(Event.Data);
    assert_true(Event.Last);
}

/* All slots in flight, answered in shuffled orders, each slot used again and again with a new generation. */
static void TakesRepliesInAnyOrder(void **State)
{
    uint32_t Seed = 1;

    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    for (uint64_t Round = 1; Round <= 100; Round++) {
        uint64_t Order[BENCH_SLOTS];
        uint32_t Lengths[BENCH_SLOTS];

        for (uint32_t Slot = 0; Slot < BENCH_SLOTS; Slot++) {
            uint32_t Other = BenchRandom(&Seed) % (Slot + 1);

            Lengths[Slot] = 512 * (BenchRandom(&Seed) % 3);
            BenchRequests(&Bench, Round << 16 | Slot, Lengths[Slot] > 0 ? NBD_CMD_READ : NBD_CMD_FLUSH, 0, 0,
                          Lengths[Slot]);
            Order[Slot] = Order[Other];
            Order[Other] = Round << 16 | Slot;
        }
        Bench.OutputLength = 0;
        assert_int_equal(Bench.Client.InFlight, BENCH_SLOTS);
        for (uint32_t Index = 0; Index < BENCH_SLOTS; Index++) {
            uint32_t Length = Lengths[Order[Index] & 0xFFFF];
            char Expected[128];
            uint8_t Data[1024];

            memset(Data, (int)(Index + Round), sizeof(Data));
            BenchReplies(&Bench, 0, Order[Index], Data, Length);
            if (Length > 0) {
                snprintf(Expected, sizeof(Expected), "reply 0x%llx error 0 bytes %u sum %08x\n",
                         (unsigned long long)Order[Index], Length, BenchSum(Data, Length));
            } else {
                snprintf(Expected, sizeof(Expected), "reply 0x%llx error 0\n", (unsigned long long)Order[Index]);
            }
            BenchExpectLog(&Bench, Expected);
            assert_int_equal(Bench.Client.InFlight, BENCH_SLOTS - 1 - Index);
        }
    }
}

static void RefusesOtherMagics(void **State)
{
    static const struct {
        const char *Bytes;
        const char *Text;
    } Rows[] = {
        {"\x67\x44\x66\x99\0\0\0\0\0\0\0\0\0\0\0\1",
         BREACH "the magic of a reply must be 0x67446698, but it is 0x67446699"},
        {"\x96\x74\x46\x68\0\0\0\0\0\0\0\0\0\0\0\1",
         BREACH "the magic of a reply must be 0x67446698, but it is 0x96744668"},
        {"\x66\x8E\x33\xEF\0\1\0\0\0\0\0\0\0\0\0\1",
         BREACH "a reply must be a simple one (magic 0x67446698) where no other kind was negotiated, but it is "
                "0x668e33ef"},
        {"\x6E\x8A\x27\x8C\0\1\0\0\0\0\0\0\0\0\0\1",
         BREACH "a reply must be a simple one (magic 0x67446698) where no other kind was negotiated, but it is "
                "0x6e8a278c"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
        BenchRequests(&Bench, 1, NBD_CMD_FLUSH, 0, 0, 0);
        BenchFeed(&Bench, Rows[Row].Bytes, 16);
        BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, Rows[Row].Text);
        assert_int_equal(Bench.Client.InFlight, 1);
    }
}

static void RefusesOtherCookies(void **State)
{
    static const struct {
        uint64_t Cookie;
        const char *Text;
    } Rows[] = {
        {UINT64_C(0x0123456789AA0003),
         BREACH "a reply must carry the cookie of a request in flight, but it carries 0x0123456789aa0003, whose place "
                "belongs to the request 0x0123456789ab0003"},
        {UINT64_C(0x0123456789AB0004),
         BREACH "a reply must carry the cookie of a request in flight, but it carries 0x0123456789ab0004, whose place "
                "has no request in flight"},
        {BENCH_FOREIGN_COOKIE,
         BREACH "a reply must carry the cookie of a request in flight, but it carries 0x0123456789ab0040, whose place "
                "does not exist"},
        {UINT64_MAX, BREACH "a reply must carry the cookie of a request in flight, but it carries 0xffffffffffffffff, "
                            "whose place does not exist"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        for (uint32_t Error = 0; Error < 2; Error++) {
            BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
            BenchRequests(&Bench, COOKIE, NBD_CMD_READ, 0, 0, 512);
            BenchReplies(&Bench, Error, Rows[Row].Cookie, NULL, 0);
            BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, Rows[Row].Text);
        }
    }
}

/* A second reply to the same request, and one to the slot's former request. */
static void RefusesStaleCookies(void **State)
{
    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 0x10001, NBD_CMD_FLUSH, 0, 0, 0);
    BenchReplies(&Bench, 0, 0x10001, NULL, 0);
    BenchExpectLog(&Bench, "reply 0x10001 error 0\n");
    BenchReplies(&Bench, 0, 0x10001, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "a reply must carry the cookie of a request in flight, but it carries "
                              "0x0000000000010001, whose place has no request in flight");
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 0x10001, NBD_CMD_FLUSH, 0, 0, 0);
    BenchReplies(&Bench, 0, 0x10001, NULL, 0);
    BenchExpectLog(&Bench, "reply 0x10001 error 0\n");
    BenchRequests(&Bench, 0x20001, NBD_CMD_FLUSH, 0, 0, 0);
    BenchReplies(&Bench, 0, 0x10001, NULL, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "a reply must carry the cookie of a request in flight, but it carries "
                              "0x0000000000010001, whose place belongs to the request 0x0000000000020001");
}

static void ClosesInTransmission(void **State)
{
    (void)State;
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED, "the server closed the connection; requests in flight: 0");
    BenchConnect(&Bench, &BenchDisk, SIZE, ALL_FLAGS);
    BenchRequests(&Bench, 1, NBD_CMD_READ, 0, 0, 512);
    BenchRequests(&Bench, 2, NBD_CMD_FLUSH, 0, 0, 0);
    BenchReplies(&Bench, 0, 1, "x", 1);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED, "the server closed the connection; requests in flight: 2");
}

static const struct CMUnitTest Tests[] = {
    cmocka_unit_test(EncodesRequests),        cmocka_unit_test(Disconnects),
    cmocka_unit_test(ReportsEveryError),      cmocka_unit_test(AnErrorHasNoPayload),
    cmocka_unit_test(PointsIntoTheInput),     cmocka_unit_test(TakesOneReplyAtATime),
    cmocka_unit_test(TakesRepliesInAnyOrder), cmocka_unit_test(RefusesOtherMagics),
    cmocka_unit_test(RefusesOtherCookies),    cmocka_unit_test(RefusesStaleCookies),
    cmocka_unit_test(ClosesInTransmission),
};

BENCH_MAIN("nbd.transmission")
