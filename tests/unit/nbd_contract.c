/* SPDX-License-Identifier: LGPL-2.1-only */
/* What stops at once because our own code is wrong: forbidden transitions, and callers that break the contract. */
#include "nbd_bench.h"

#include "nbd/engine.h"

#define ALL_FLAGS                                                                                                      \
    (NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES)

static BENCH Bench;

static void Enter(void *Argument)
{
    NbdEnterState(&Bench.Client, *(NBD_STATE *)Argument);
}

static void CatchesForbiddenTransitions(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    for (unsigned From = 0; From < NBD_STATE_COUNT; From++) {
        for (unsigned To = 0; To < NBD_STATE_COUNT; To++) {
            NBD_STATE Next = (NBD_STATE)To;

            Bench.Client.State = (uint8_t)From;
            assert_int_equal(UnitTraps(Enter, &Next), (NbdStateTable[From].Next & (1u << To)) == 0);
        }
    }
}

/* The picture that the table must draw, seen from outside. */
static void KeepsTheTableSane(void **State)
{
    (void)State;
    for (unsigned From = 0; From < NBD_STATE_COUNT; From++) {
        const NBD_STATE_ROW *Row = &NbdStateTable[From];
        bool Final = Row->Phase == NBD_PHASE_DONE || Row->Phase == NBD_PHASE_FAILED;

        assert_true(Row->Bytes <= NBD_OPTION_BUFFER);
        assert_true(Row->Next < 1u << NBD_STATE_COUNT);
        assert_int_equal(Row->Next == 0, Final);
        if (!Final) {
            assert_int_equal(Row->Next & NBD_TO_END, NBD_TO_END);
        }
        for (unsigned To = 0; To < NBD_STATE_COUNT; To++) {
            if ((Row->Next & (1u << To)) != 0) {
                assert_true(NbdStateTable[To].Phase >= Row->Phase); /* no way back into the handshake */
            }
        }
    }
}

typedef struct {
    uint64_t Cookie;
    uint64_t Offset;
    uint32_t Command; /* NBD_COMMAND or none */
    uint32_t Length;
    uint16_t CommandFlags;
    uint16_t ExportFlags;
    bool Trapped;
} ROW;

static void Request(void *Argument)
{
    const ROW *Row = Argument;
    uint8_t Wire[NBD_REQUEST_SIZE];

    NbdRequest(&Bench.Client, Row->Cookie, (NBD_COMMAND)Row->Command, Row->CommandFlags, Row->Offset, Row->Length,
               Wire);
}

static void CatchesForbiddenRequests(void **State)
{
    static const ROW Rows[] = {
        {1, 0, NBD_CMD_READ, 512, 0, 1, false},
        {1, 0, NBD_CMD_READ, 0, 0, 1, true},                               /* nothing */
        {1, 0, NBD_CMD_READ, 1025, 0, 1, true},                            /* not in blocks */
        {1, 256, NBD_CMD_READ, 512, 0, 1, true},                           /* not at a block */
        {1, 1048576 - 512, NBD_CMD_READ, 512, 0, 1, false},                /* the last block */
        {1, 1048576 - 512, NBD_CMD_READ, 1024, 0, 1, true},                /* over the end */
        {1, 1048576, NBD_CMD_READ, 512, 0, 1, true},                       /* behind the end */
        {1, UINT64_MAX - 511, NBD_CMD_READ, 512, 0, 1, true},              /* around the end */
        {1, 0, NBD_CMD_READ, 65536, 0, 1, false},                          /* the largest */
        {1, 0, NBD_CMD_READ, 66048, 0, 1, true},                           /* larger */
        {1, 0, NBD_CMD_WRITE, 66048, 0, 1, true},                          /* larger */
        {1, 0, NBD_CMD_READ, 512, NBD_CMD_FLAG_FUA, ALL_FLAGS, true},      /* means nothing */
        {1, 0, NBD_CMD_READ, 512, 0, 3, false},                            /* read-only */
        {1, 0, NBD_CMD_WRITE, 512, 0, 1, false},                           /* needs no flag */
        {1, 0, NBD_CMD_WRITE, 512, 0, 3, true},                            /* read-only */
        {1, 0, NBD_CMD_WRITE, 512, NBD_CMD_FLAG_FUA, 9, false},            /* FUA offered */
        {1, 0, NBD_CMD_WRITE, 512, NBD_CMD_FLAG_FUA, 1, true},             /* FUA not offered */
        {1, 0, NBD_CMD_WRITE, 512, NBD_CMD_FLAG_NO_HOLE, ALL_FLAGS, true}, /* means nothing */
        {1, 0, NBD_CMD_FLUSH, 0, 0, 5, false},                             /* offered */
        {1, 0, NBD_CMD_FLUSH, 0, 0, 7, false},                             /* read-only may flush */
        {1, 0, NBD_CMD_FLUSH, 0, 0, 1, true},                              /* not offered */
        {1, 0, NBD_CMD_FLUSH, 512, 0, 5, true},                            /* has no length */
        {1, 512, NBD_CMD_FLUSH, 0, 0, 5, true},                            /* has no offset */
        {1, 0, NBD_CMD_FLUSH, 0, NBD_CMD_FLAG_FUA, ALL_FLAGS, true},       /* means nothing */
        {1, 0, NBD_CMD_TRIM, 1048576, 0, 0x21, false},                     /* larger than payload may be */
        {1, 0, NBD_CMD_TRIM, 512, 0, 1, true},                             /* not offered */
        {1, 0, NBD_CMD_TRIM, 512, 0, 0x23, true},                          /* read-only */
        {1, 0, NBD_CMD_TRIM, 512, NBD_CMD_FLAG_NO_HOLE, ALL_FLAGS, true},  /* means nothing */
        {1, 0, NBD_CMD_WRITE_ZEROES, 1048576, NBD_CMD_FLAG_NO_HOLE, 0x41, false},
        {1, 0, NBD_CMD_WRITE_ZEROES, 512, 0, 1, true},                    /* not offered */
        {1, 0, NBD_CMD_WRITE_ZEROES, 512, 4, ALL_FLAGS, true},            /* no such flag */
        {1, 0, NBD_CMD_DISC, 0, 0, ALL_FLAGS, true},                      /* NbdDisconnect's */
        {1, 0, 5, 512, 0, 0xFFFF & ~2u, true},                            /* NBD_CMD_CACHE: not ours */
        {0x10000 | (BENCH_SLOTS - 1), 0, NBD_CMD_READ, 512, 0, 1, false}, /* the last slot */
        {0x10000 | BENCH_SLOTS, 0, NBD_CMD_READ, 512, 0, 1, true},        /* no such slot */
        {UINT64_MAX, 0, NBD_CMD_READ, 512, 0, 1, true},                   /* no such slot */
        {2, 0, NBD_CMD_READ, 512, 0, 1, true},                            /* slot in flight */
        {0x10002, 0, NBD_CMD_READ, 512, 0, 1, true},                      /* slot in flight */
    };

    (void)State;
    for (size_t Index = 0; Index < sizeof(Rows) / sizeof(Rows[0]); Index++) {
        ROW Row = Rows[Index];

        BenchStart(&Bench, &BenchDisk);
        BenchGreets(&Bench, NBD_HANDSHAKE_FIXED_NEWSTYLE);
        BenchInfoExport(&Bench, 1048576, Row.ExportFlags);
        BenchInfoBlockSize(&Bench, 512, 4096, 65536);
        BenchAnswers(&Bench, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
        BenchRequests(&Bench, 2, NBD_CMD_READ, 0, 0, 512);
        Bench.Slots[BENCH_SLOTS].InFlight = false; /* the place behind the last slot is forbidden all the same */
        if (UnitTraps(Request, &Row) != Row.Trapped) {
            fail_msg("row %zu must %s", Index, Row.Trapped ? "be caught" : "be allowed");
        }
    }
}

static void CatchesRequestsOutsideTransmission(void **State)
{
    ROW Row = {1, 0, NBD_CMD_READ, 512, 0, 1, true};
    uint8_t Wire[NBD_REQUEST_SIZE];

    (void)State;
    BenchStart(&Bench, &BenchDisk);
    assert_true(UnitTraps(Request, &Row));
    BenchConnect(&Bench, &BenchDisk, 1048576, 1);
    assert_false(UnitTraps(Request, &Row));
    NbdDisconnect(&Bench.Client, Wire);
    assert_true(UnitTraps(Request, &Row));
    BenchConnect(&Bench, &BenchDisk, 1048576, 1);
    NbdServerClosed(&Bench.Client);
    assert_true(UnitTraps(Request, &Row));
}

static void Disconnect(void *Argument)
{
    uint8_t Wire[NBD_REQUEST_SIZE];

    NbdDisconnect(Argument, Wire);
}

static void CatchesDisconnectOutsideTransmission(void **State)
{
    (void)State;
    BenchStart(&Bench, &BenchDisk);
    assert_true(UnitTraps(Disconnect, &Bench.Client));
    BenchConnect(&Bench, &BenchDisk, 1048576, 1);
    assert_false(UnitTraps(Disconnect, &Bench.Client));
}

static void Initialize(void *Argument)
{
    NBD_SLOT Slots[1];

    NbdInitialize(&Bench.Client, Argument, Slots, 1);
}

static void InitializeWithoutSlots(void *Argument)
{
    NbdInitialize(&Bench.Client, Argument, NULL, 0);
}

static void CatchesForbiddenConfigurations(void **State)
{
    static char Name[NBD_EXPORT_NAME_MAX + 1];
    NBD_CONFIG Config = {.Goal = NBD_GOAL_TRANSMISSION, .ExportName = Name, .ExportNameLength = NBD_EXPORT_NAME_MAX};

    (void)State;
    assert_false(UnitTraps(Initialize, &Config));
    assert_true(UnitTraps(InitializeWithoutSlots, &Config));
    Config.BlockSize = 1024;
    assert_true(UnitTraps(Initialize, &Config));
    Config.BlockSize = 4096;
    assert_false(UnitTraps(Initialize, &Config));
    Config.ExportNameLength++;
    assert_true(UnitTraps(Initialize, &Config));
    Config.ExportNameLength = 0;
    Config.SkipHandshake = true;
    assert_false(UnitTraps(Initialize, &Config));
    Config.Goal = NBD_GOAL_LIST;
    assert_true(UnitTraps(Initialize, &Config));
}

static const struct CMUnitTest Tests[] = {
    cmocka_unit_test(CatchesForbiddenTransitions),
    cmocka_unit_test(KeepsTheTableSane),
    cmocka_unit_test(CatchesForbiddenRequests),
    cmocka_unit_test(CatchesRequestsOutsideTransmission),
    cmocka_unit_test(CatchesDisconnectOutsideTransmission),
    cmocka_unit_test(CatchesForbiddenConfigurations),
};

BENCH_MAIN("nbd.contract")
