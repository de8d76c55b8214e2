/* SPDX-License-Identifier: LGPL-2.1-only */
/* NBD_OPT_EXPORT_NAME, for servers without NBD_OPT_GO, and what a disk can make of an export's sizes. */
#include "nbd_bench.h"

#define FIXED NBD_HANDSHAKE_FIXED_NEWSTYLE
#define NO_ZEROES NBD_HANDSHAKE_NO_ZEROES
#define BREACH "the server broke the NBD protocol: "
#define EXPORT_NAME "IHAVEOPT\0\0\0\1\0\0\0\4disk"
#define DISC "\x25\x60\x95\x13\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define EXPECT_OUTPUT(Bench, Bytes) BenchExpectOutput(Bench, Bytes, sizeof(Bytes) - 1)
#define CONNECTED "connected size 1048576 flags 0x0005 block 512 minimum 1 preferred 4096 maximum 33554432\n"

static BENCH Bench;
static const uint8_t Zeroes[124];

static void FallsBackFromGo(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, FIXED | NO_ZEROES);
    Bench.OutputLength = 0;
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ERR_UNSUP, NULL, 0);
    EXPECT_OUTPUT(&Bench, EXPORT_NAME);
    BenchExportAnswer(&Bench, 1048576, 5);
    BenchExpectLog(&Bench, CONNECTED);
}

static void FallsBackFromGoWithWords(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, FIXED);
    Bench.OutputLength = 0;
    BenchInfoBlockSize(&Bench, 65536, 65536, 65536); /* means nothing any more, */
    BenchInfoExport(&Bench, 1, 3);                   /* and so does this */
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ERR_UNSUP, "what?", 5);
    EXPECT_OUTPUT(&Bench, EXPORT_NAME);
    BenchExportAnswer(&Bench, 1048576, 5);
    BenchExpectLog(&Bench, ""); /* the zeroes are missing yet */
    BenchFeed(&Bench, Zeroes, 123);
    BenchExpectLog(&Bench, "");
    BenchFeed(&Bench, Zeroes, 1);
    BenchExpectLog(&Bench, CONNECTED);
}

static void UsesExportNameWithoutFixedNewstyle(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0);
    EXPECT_OUTPUT(&Bench, "\0\0\0\0" EXPORT_NAME);
    BenchExportAnswer(&Bench, 1048576, 5);
    BenchFeed(&Bench, Zeroes, sizeof(Zeroes));
    BenchExpectLog(&Bench, CONNECTED);
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, NO_ZEROES);
    EXPECT_OUTPUT(&Bench, "\0\0\0\2" EXPORT_NAME);
    BenchExportAnswer(&Bench, 1048576, 5);
    BenchExpectLog(&Bench, CONNECTED);
}

static void UnderstandsTheServersSilence(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_UNKNOWN_EXPORT,
                       "the server closed the connection when asked for export \"disk\", which is how it says with "
                       "NBD_OPT_EXPORT_NAME that it has none of that name");
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0);
    BenchFeed(&Bench, "\0", 1);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(&Bench, NBD_FAILURE_CLOSED,
                       "the server closed the connection instead of sending its answer to NBD_OPT_EXPORT_NAME");
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0);
    BenchExportAnswer(&Bench, 1048576, 5);
    NbdServerClosed(&Bench.Client);
    BenchExpectFailure(
        &Bench, NBD_FAILURE_CLOSED,
        "the server closed the connection instead of sending the zeroes after its answer to NBD_OPT_EXPORT_NAME");
}

static void RefusesMissingFlags(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, 0);
    BenchExportAnswer(&Bench, 1048576, 0);
    BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL,
                       BREACH "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are 0x0000");
}

static void GivesUpAfterExportName(void **State)
{
    NBD_EVENT Event;
    uint8_t Byte;

    (void)State;
    BenchStart(&Bench, &BenchDisk);
    NbdReceive(&Bench.Client, "NBDMAGICIHAVEOPT\0\0", 18, &Event);
    NbdAbort(&Bench.Client); /* this newstyle has no NBD_OPT_ABORT */
    assert_int_equal(NbdTakeOutput(&Bench.Client, &Byte, 1), 0);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
}

static void GivesUpInsteadOfFallingBack(void **State)
{
    NBD_EVENT Event;

    (void)State;
    BenchStart(&Bench, &BenchDisk);
    BenchGreets(&Bench, FIXED);
    Bench.OutputLength = 0;
    NbdReceive(&Bench.Client, "\0\3\xE8\x89\4\x55\x65\xA9\0\0\0\7\x80\0\0\1\0\0\0\0", 20, &Event);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_HANDSHAKE);
    NbdAbort(&Bench.Client); /* NBD_OPT_GO was answered, NBD_OPT_EXPORT_NAME is not yet sent */
    BenchFeed(&Bench, "", 0);
    EXPECT_OUTPUT(&Bench, "IHAVEOPT\0\0\0\2\0\0\0\0");
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_DONE);
}

/* An NBD_INFO_BLOCK_SIZE and an export of Size, asked for with a disk's BlockSize. */
static void Offer(uint32_t BlockSize, uint64_t Size, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum)
{
    NBD_CONFIG Config = BenchDisk;

    Config.BlockSize = BlockSize;
    BenchStart(&Bench, &Config);
    BenchGreets(&Bench, FIXED);
    Bench.OutputLength = 0;
    BenchInfoExport(&Bench, Size, 1);
    BenchInfoBlockSize(&Bench, Minimum, Preferred, Maximum);
    BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
}

static void RefusesForbiddenConstraints(void **State)
{
    static const struct {
        uint32_t Minimum;
        uint32_t Preferred;
        uint32_t Maximum;
        const char *Text;
    } Rows[] = {
        {0, 4096, 65536,
         BREACH "the minimum block size must be a power of 2, but the server's are minimum 0x0, preferred 0x1000, "
                "maximum 0x10000"},
        {513, 4096, 65536,
         BREACH "the minimum block size must be a power of 2, but the server's are minimum 0x201, preferred 0x1000, "
                "maximum 0x10000"},
        {0x20000, 0x20000, 0x20000,
         BREACH "the minimum block size must not be larger than 0x10000, but the server's are minimum 0x20000, "
                "preferred 0x20000, maximum 0x20000"},
        {1, 0, 65536,
         BREACH "the preferred block size must be a power of 2, but the server's are minimum 0x1, preferred 0x0, "
                "maximum 0x10000"},
        {1, 4095, 65536,
         BREACH "the preferred block size must be a power of 2, but the server's are minimum 0x1, preferred 0xfff, "
                "maximum 0x10000"},
        {1, 256, 65536,
         BREACH "the preferred block size must be at least 0x200, but the server's are minimum 0x1, preferred 0x100, "
                "maximum 0x10000"},
        {1024, 512, 65536,
         BREACH "the preferred block size must be at least the minimum block size, but the server's are minimum "
                "0x400, preferred 0x200, maximum 0x10000"},
        {1, 4096, 4095,
         BREACH "the maximum payload size must be at least the preferred block size, but the server's are minimum "
                "0x1, preferred 0x1000, maximum 0xfff"},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        Offer(0, 1048576, Rows[Row].Minimum, Rows[Row].Preferred, Rows[Row].Maximum);
        BenchExpectFailure(&Bench, NBD_FAILURE_PROTOCOL, Rows[Row].Text);
        EXPECT_OUTPUT(&Bench, "");
    }
}

static void ChoosesTheBlockSize(void **State)
{
    static const struct {
        uint32_t Wanted;
        uint32_t Minimum;
        uint32_t Maximum;
        uint32_t Chosen;
        uint32_t MaximumPayload;
    } Rows[] = {
        {0, 1, 65536, 512, 65536},
        {0, 512, 65536, 512, 65536},
        {0, 1024, 65536, 4096, 65536},
        {0, 4096, 65536, 4096, 65536},
        {512, 1, 65536, 512, 65536},
        {512, 512, 66000, 512, 65536},
        {4096, 1, 4096, 4096, 4096},
        {4096, 1024, 70000, 4096, 69632},
        {4096, 4096, 0xFFFFFFFF, 4096, 0xFFFFF000},
        {512, 1, 0xFFFFFFFF, 512, 0xFFFFFE00},
    };

    (void)State;
    for (size_t Row = 0; Row < sizeof(Rows) / sizeof(Rows[0]); Row++) {
        Offer(Rows[Row].Wanted, 1048576, Rows[Row].Minimum, 4096, Rows[Row].Maximum);
        assert_int_equal(Bench.Client.Phase, NBD_PHASE_TRANSMISSION);
        assert_int_equal(Bench.Client.Export.BlockSize, Rows[Row].Chosen);
        assert_int_equal(Bench.Client.Export.MaximumPayload, Rows[Row].MaximumPayload);
    }
}

static void RefusesLargerBlocksThanTheDisks(void **State)
{
    (void)State;
    Offer(512, 1048576, 1024, 4096, 65536);
    BenchExpectFailure(&Bench, NBD_FAILURE_BLOCK_SIZE,
                       "the server's smallest block is 1024 bytes, but the disk's is 512 bytes");
    EXPECT_OUTPUT(&Bench, DISC);
    Offer(4096, 1048576, 8192, 8192, 65536);
    BenchExpectFailure(&Bench, NBD_FAILURE_BLOCK_SIZE,
                       "the server's smallest block is 8192 bytes, but the disk's is 4096 bytes");
    Offer(0, 1048576, 65536, 65536, 65536);
    BenchExpectFailure(&Bench, NBD_FAILURE_BLOCK_SIZE,
                       "the server's smallest block is 65536 bytes, but the disk's is 4096 bytes");
    Offer(4096, 1048576, 1, 512, 4095);
    BenchExpectFailure(&Bench, NBD_FAILURE_BLOCK_SIZE,
                       "the server's largest request is 4095 bytes, but the disk's block is 4096 bytes");
    EXPECT_OUTPUT(&Bench, DISC);
}

static void RefusesSizesThatNoDiskHas(void **State)
{
    (void)State;
    Offer(512, 511, 1, 4096, 65536);
    BenchExpectFailure(
        &Bench, NBD_FAILURE_SIZE,
        "the export has 511 bytes, but a disk has at least one block (512 bytes) and at most 2^63 - 1 bytes");
    EXPECT_OUTPUT(&Bench, DISC);
    Offer(4096, 0, 1, 4096, 65536);
    BenchExpectFailure(
        &Bench, NBD_FAILURE_SIZE,
        "the export has 0 bytes, but a disk has at least one block (4096 bytes) and at most 2^63 - 1 bytes");
    Offer(512, UINT64_C(1) << 63, 1, 4096, 65536);
    BenchExpectFailure(&Bench, NBD_FAILURE_SIZE,
                       "the export has 9223372036854775808 bytes, but a disk has at least one block (512 bytes) and at "
                       "most 2^63 - 1 bytes");
    EXPECT_OUTPUT(&Bench, DISC);
    Offer(512, 512, 1, 4096, 65536);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_TRANSMISSION);
    Offer(512, INT64_MAX, 1, 4096, 65536);
    assert_int_equal(Bench.Client.Phase, NBD_PHASE_TRANSMISSION);
}

static const struct CMUnitTest Tests[] = {
    cmocka_unit_test(FallsBackFromGo),
    cmocka_unit_test(FallsBackFromGoWithWords),
    cmocka_unit_test(UsesExportNameWithoutFixedNewstyle),
    cmocka_unit_test(UnderstandsTheServersSilence),
    cmocka_unit_test(RefusesMissingFlags),
    cmocka_unit_test(GivesUpAfterExportName),
    cmocka_unit_test(GivesUpInsteadOfFallingBack),
    cmocka_unit_test(RefusesForbiddenConstraints),
    cmocka_unit_test(ChoosesTheBlockSize),
    cmocka_unit_test(RefusesLargerBlocksThanTheDisks),
    cmocka_unit_test(RefusesSizesThatNoDiskHas),
};

BENCH_MAIN("nbd.export")
