/* SPDX-License-Identifier: LGPL-2.1-only */
/* See nbd_bench.h. */
#include "nbd_bench.h"

size_t BenchChunk = SIZE_MAX;

const NBD_CONFIG BenchDisk = {.Goal = NBD_GOAL_TRANSMISSION, .ExportName = "disk", .ExportNameLength = 4};
const NBD_CONFIG BenchList = {.Goal = NBD_GOAL_LIST};

static const uint32_t SumStart = 2166136261u;

static uint32_t SumMore(uint32_t Sum, const uint8_t *Bytes, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++) {
        Sum = (Sum ^ Bytes[Index]) * 16777619u;
    }
    return Sum;
}

uint32_t BenchSum(const void *Bytes, size_t Length)
{
    return SumMore(SumStart, Bytes, Length);
}

void BenchStart(BENCH *Bench, const NBD_CONFIG *Config)
{
    memset(Bench, 0xA5, offsetof(BENCH, Log)); /* the engine may rely on nothing that it finds */
    Bench->OutputLength = 0;
    Bench->LogLength = 0;
    Bench->Log[0] = '\0';
    memset(Bench->Received, 0, sizeof(Bench->Received));
    Bench->Slots[BENCH_SLOTS] = (NBD_SLOT){.Cookie = BENCH_FOREIGN_COOKIE, .InFlight = true};
    NbdInitialize(&Bench->Client, Config, Bench->Slots, BENCH_SLOTS);
}

__attribute__((format(printf, 2, 3))) static void BenchLog(BENCH *Bench, const char *Format, ...)
{
    va_list Arguments;
    int Length;

    va_start(Arguments, Format);
    Length = vsnprintf(Bench->Log + Bench->LogLength, sizeof(Bench->Log) - Bench->LogLength, Format, Arguments);
    va_end(Arguments);
    assert_true(Length >= 0 && (size_t)Length < sizeof(Bench->Log) - Bench->LogLength);
    Bench->LogLength += (size_t)Length;
}

static void LogReply(BENCH *Bench, const NBD_EVENT *Event, const uint8_t *Input, size_t InputLength)
{
    size_t Slot = Event->Cookie & 0xFFFF;

    assert_true(Slot < BENCH_SLOTS);
    if (Event->Length > 0) {
        assert_true(Event->Data >= Input && Event->Data + Event->Length <= Input + InputLength);
        assert_int_equal(Event->Offset, Bench->Received[Slot]);
        if (Bench->Received[Slot] == 0) {
            Bench->Sum[Slot] = SumStart;
        }
        Bench->Sum[Slot] = SumMore(Bench->Sum[Slot], Event->Data, Event->Length);
        Bench->Received[Slot] += Event->Length;
    } else {
        assert_true(Event->Last);
    }
    if (Event->Last) {
        BenchLog(Bench, "reply 0x%llx error %d", (unsigned long long)Event->Cookie, (int)Event->Error);
        if (Bench->Received[Slot] > 0) {
            BenchLog(Bench, " bytes %u sum %08x", Bench->Received[Slot], Bench->Sum[Slot]);
        }
        BenchLog(Bench, "\n");
        Bench->Received[Slot] = 0;
    }
}

static void LogEvent(BENCH *Bench, const NBD_EVENT *Event, const uint8_t *Input, size_t InputLength)
{
    const NBD_EXPORT *Export = &Bench->Client.Export;

    switch (Event->Type) {
    case NBD_EVENT_NONE:
        break;
    case NBD_EVENT_LISTED:
        BenchLog(Bench, "listed \"%s\" \"%s\"\n", Event->Name, Event->Description);
        break;
    case NBD_EVENT_LIST_END:
        assert_int_equal(Bench->Client.Phase, NBD_PHASE_DONE);
        BenchLog(Bench, "list end\n");
        break;
    case NBD_EVENT_CONNECTED:
        assert_int_equal(Bench->Client.Phase, NBD_PHASE_TRANSMISSION);
        BenchLog(Bench, "connected size %llu flags 0x%04x block %u minimum %u preferred %u maximum %u\n",
                 (unsigned long long)Export->Size, Export->Flags, Export->BlockSize, Export->MinimumBlock,
                 Export->PreferredBlock, Export->MaximumPayload);
        break;
    case NBD_EVENT_REPLY:
        LogReply(Bench, Event, Input, InputLength);
        break;
    case NBD_EVENT_FAILED:
        assert_int_equal(Bench->Client.Phase, NBD_PHASE_FAILED);
        BenchLog(Bench, "failed %d %s\n", (int)Bench->Client.Failure, NbdFailureText(&Bench->Client));
        break;
    }
}

static void TakeOutput(BENCH *Bench)
{
    size_t Taken;

    /* An odd size, so that messages leave in parts. */
    do {
        assert_true(sizeof(Bench->Output) - Bench->OutputLength >= 7);
        Taken = NbdTakeOutput(&Bench->Client, Bench->Output + Bench->OutputLength, 7);
        Bench->OutputLength += Taken;
    } while (Taken > 0);
}

bool BenchFeed(BENCH *Bench, const void *Bytes, size_t Length)
{
    const uint8_t *Rest = Bytes;

    while (Length > 0 && Bench->Client.Phase != NBD_PHASE_FAILED) {
        size_t Chunk = Length < BenchChunk ? Length : BenchChunk;
        uint8_t *Copy = malloc(Chunk); /* of the exact size, for the address sanitizer */
        NBD_EVENT Event;
        size_t Consumed;

        assert_non_null(Copy);
        memcpy(Copy, Rest, Chunk);
        Consumed = NbdReceive(&Bench->Client, Copy, Chunk, &Event);
        assert_true(Consumed <= Chunk);
        assert_true(Consumed > 0 || Event.Type == NBD_EVENT_FAILED);
        LogEvent(Bench, &Event, Copy, Chunk);
        free(Copy);
        Rest += Consumed;
        Length -= Consumed;
    }
    TakeOutput(Bench);
    return Bench->Client.Phase != NBD_PHASE_FAILED;
}

void BenchCloses(BENCH *Bench)
{
    NBD_PHASE Phase = Bench->Client.Phase;

    NbdServerClosed(&Bench->Client);
    if (Phase != Bench->Client.Phase) {
        BenchLog(Bench, "closed %d %s\n", (int)Bench->Client.Failure, NbdFailureText(&Bench->Client));
    }
}

void BenchGreets(BENCH *Bench, uint16_t HandshakeFlags)
{
    struct {
        BE64 Magic;
        BE64 Style;
        BE16 Flags;
    } Greeting;

    Be64Store(&Greeting.Magic, NBD_GREETING_MAGIC);
    Be64Store(&Greeting.Style, NBD_NEWSTYLE_MAGIC);
    Be16Store(&Greeting.Flags, HandshakeFlags);
    BenchFeed(Bench, &Greeting, sizeof(Greeting));
}

void BenchAnswers(BENCH *Bench, uint32_t Option, uint32_t Type, const void *Data, uint32_t Length)
{
    NBD_OPTION_REPLY Reply;

    Be64Store(&Reply.Magic, NBD_OPTION_REPLY_MAGIC);
    Be32Store(&Reply.Option, Option);
    Be32Store(&Reply.Type, Type);
    Be32Store(&Reply.Length, Length);
    BenchFeed(Bench, &Reply, sizeof(Reply));
    if (Length > 0 && Data != NULL) {
        BenchFeed(Bench, Data, Length);
    }
}

void BenchInfoExport(BENCH *Bench, uint64_t Size, uint16_t Flags)
{
    NBD_INFO_EXPORT_REPLY Info;

    Be16Store(&Info.Type, NBD_INFO_EXPORT);
    Be64Store(&Info.Size, Size);
    Be16Store(&Info.Flags, Flags);
    BenchAnswers(Bench, NBD_OPT_GO, NBD_REP_INFO, &Info, sizeof(Info));
}

void BenchInfoBlockSize(BENCH *Bench, uint32_t Minimum, uint32_t Preferred, uint32_t Maximum)
{
    NBD_INFO_BLOCK_SIZE_REPLY Info;

    Be16Store(&Info.Type, NBD_INFO_BLOCK_SIZE);
    Be32Store(&Info.Minimum, Minimum);
    Be32Store(&Info.Preferred, Preferred);
    Be32Store(&Info.Maximum, Maximum);
    BenchAnswers(Bench, NBD_OPT_GO, NBD_REP_INFO, &Info, sizeof(Info));
}

void BenchLists(BENCH *Bench, const char *Name, const char *Description)
{
    uint8_t Data[4 + 4096 + 4096];
    size_t NameLength = strlen(Name);
    size_t DescriptionLength = strlen(Description);
    BE32 Length;

    assert_true(NameLength <= 4096 && DescriptionLength <= 4096);
    Be32Store(&Length, (uint32_t)NameLength);
    memcpy(Data, &Length, sizeof(Length));
    memcpy(Data + sizeof(Length), Name, NameLength);
    memcpy(Data + sizeof(Length) + NameLength, Description, DescriptionLength);
    BenchAnswers(Bench, NBD_OPT_LIST, NBD_REP_SERVER, Data,
                 (uint32_t)(sizeof(Length) + NameLength + DescriptionLength));
}

void BenchExportAnswer(BENCH *Bench, uint64_t Size, uint16_t Flags)
{
    NBD_EXPORT_ANSWER Answer;

    Be64Store(&Answer.Size, Size);
    Be16Store(&Answer.Flags, Flags);
    BenchFeed(Bench, &Answer, sizeof(Answer));
}

void BenchReplies(BENCH *Bench, uint32_t Error, uint64_t Cookie, const void *Data, size_t Length)
{
    NBD_SIMPLE_REPLY Reply;

    Be32Store(&Reply.Magic, NBD_SIMPLE_REPLY_MAGIC);
    Be32Store(&Reply.Error, Error);
    Be64Store(&Reply.Cookie, Cookie);
    BenchFeed(Bench, &Reply, sizeof(Reply));
    BenchFeed(Bench, Data, Length);
}

void BenchConnect(BENCH *Bench, const NBD_CONFIG *Config, uint64_t Size, uint16_t Flags)
{
    BenchStart(Bench, Config);
    BenchGreets(Bench, NBD_HANDSHAKE_FIXED_NEWSTYLE | NBD_HANDSHAKE_NO_ZEROES);
    BenchInfoExport(Bench, Size, Flags);
    BenchAnswers(Bench, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
    assert_int_equal(Bench->Client.Phase, NBD_PHASE_TRANSMISSION);
    Bench->LogLength = 0;
    Bench->Log[0] = '\0';
    Bench->OutputLength = 0;
}

void BenchRequests(BENCH *Bench, uint64_t Cookie, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset, uint32_t Length)
{
    assert_true(sizeof(Bench->Output) - Bench->OutputLength >= NBD_REQUEST_SIZE);
    NbdRequest(&Bench->Client, Cookie, Command, Flags, Offset, Length, Bench->Output + Bench->OutputLength);
    Bench->OutputLength += NBD_REQUEST_SIZE;
}

void BenchExpectLog(BENCH *Bench, const char *Expected)
{
    assert_string_equal(Bench->Log, Expected);
    Bench->LogLength = 0;
    Bench->Log[0] = '\0';
}

void BenchExpectOutput(BENCH *Bench, const void *Expected, size_t Length)
{
    assert_int_equal(Bench->OutputLength, Length);
    if (Length > 0) {
        assert_memory_equal(Bench->Output, Expected, Length);
    }
    Bench->OutputLength = 0;
}

void BenchExpectFailure(BENCH *Bench, NBD_FAILURE Failure, const char *Text)
{
    NBD_EVENT Event;

    assert_int_equal(Bench->Client.Phase, NBD_PHASE_FAILED);
    assert_string_equal(NbdFailureText(&Bench->Client), Text);
    assert_int_equal(Bench->Client.Failure, Failure);
    assert_int_equal(NbdReceive(&Bench->Client, "x", 1, &Event), 0);
    assert_int_equal(Event.Type, NBD_EVENT_FAILED);
    NbdServerClosed(&Bench->Client);
    assert_int_equal(Bench->Client.Failure, Failure);
}

uint32_t BenchRandom(uint32_t *Seed)
{
    /* xorshift32 */
    *Seed ^= *Seed << 13;
    *Seed ^= *Seed >> 17;
    *Seed ^= *Seed << 5;
    return *Seed;
}
