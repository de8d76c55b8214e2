/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A hostile caller, one request at a time: every command number, every size,
 * any content. What the driver has to answer is worked out here, from
 * wnbd_ioctl.h alone. No answer holds memory that nobody wrote: the pool of the
 * test bed starts as rubbish, of which none may come back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "server.h"

#define ROOM_BYTES 16384u
#define RUBBISH 0xB5 /* of the pool; no request here holds it twice in a row */
#define UNTOUCHED 0xCC
#define WIN32_CONNECTION_REFUSED 1225

typedef struct {
    ULONG Code;
    ULONG InputBytes;
    ULONG OutputBytes;
    ULONG NameOffset;     /* 0: the command names no disk */
    ULONG ReservedOffset; /* from here to the end, everything has to be 0 */
} ROW;

static const ROW Rows[] = {
    {IOCTL_WNBD_PING, sizeof(WNBD_IOCTL_PING_COMMAND), 0, 0, 0},
    {IOCTL_WNBD_LIST, sizeof(WNBD_IOCTL_LIST_COMMAND), offsetof(WNBD_CONNECTION_LIST, Connections), 0, 0},
    {IOCTL_WNBD_VERSION, sizeof(WNBD_IOCTL_VERSION_COMMAND), sizeof(WNBD_VERSION), 0, 0},
    {IOCTL_WNBD_REMOVE, sizeof(WNBD_IOCTL_REMOVE_COMMAND), 0, offsetof(WNBD_IOCTL_REMOVE_COMMAND, InstanceName),
     offsetof(WNBD_IOCTL_REMOVE_COMMAND, Options)},
    {IOCTL_WNBD_STATS, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS),
     offsetof(WNBD_IOCTL_STATS_COMMAND, InstanceName), offsetof(WNBD_IOCTL_STATS_COMMAND, Reserved)},
    {IOCTL_WNBD_SHOW, sizeof(WNBD_IOCTL_SHOW_COMMAND), sizeof(WNBD_CONNECTION_INFO),
     offsetof(WNBD_IOCTL_SHOW_COMMAND, InstanceName), offsetof(WNBD_IOCTL_SHOW_COMMAND, Reserved)},
    {IOCTL_WNBD_RELOAD_CONFIG, sizeof(WNBD_IOCTL_RELOAD_CONFIG_COMMAND), 0, 0, 0},
    {IOCTL_WNBD_GET_DRV_OPT, sizeof(WNBD_IOCTL_GET_DRV_OPT_COMMAND), sizeof(WNBD_OPTION_VALUE), 0, 0},
    {IOCTL_WNBD_SET_DRV_OPT, sizeof(WNBD_IOCTL_SET_DRV_OPT_COMMAND), 0, 0, 0},
    {IOCTL_WNBD_RESET_DRV_OPT, sizeof(WNBD_IOCTL_RESET_DRV_OPT_COMMAND), 0, 0, 0},
    {IOCTL_WNBD_LIST_DRV_OPT, sizeof(WNBD_IOCTL_LIST_DRV_OPT_COMMAND), offsetof(WNBD_OPTION_LIST, Options), 0, 0},
    {IOCTL_WNBD_FETCH_REQ, sizeof(WNBD_IOCTL_FETCH_REQ_COMMAND), sizeof(WNBD_IO_REQUEST), 0,
     offsetof(WNBD_IOCTL_FETCH_REQ_COMMAND, Reserved)},
    {IOCTL_WNBD_SEND_RSP, sizeof(WNBD_IOCTL_SEND_RSP_COMMAND), 0, 0, offsetof(WNBD_IOCTL_SEND_RSP_COMMAND, Reserved)},
    {IOCTL_WNBD_SET_DISK_SIZE, sizeof(WNBD_IOCTL_SET_SIZE_COMMAND), 0, 0,
     offsetof(WNBD_IOCTL_SET_SIZE_COMMAND, Reserved)},
    {IOCTL_WNBD_CREATE, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CONNECTION_INFO), 0, 0},
    {IOCTL_WNBD_CREATE_EX, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CREATE_RESULT), 0, 0},
    {IOCTL_WNBD_STATS_EX, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS_EX),
     offsetof(WNBD_IOCTL_STATS_COMMAND, InstanceName), offsetof(WNBD_IOCTL_STATS_COMMAND, Reserved)},
};

static uint64_t RandomState;
static uint16_t ClosedPort;

static uint32_t Random(void)
{
    RandomState = RandomState * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(RandomState >> 33) ^ (uint32_t)(RandomState << 20);
}

static const ROW *RowOf(ULONG Code)
{
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        if (Rows[Index].Code == Code) {
            return &Rows[Index];
        }
    }
    return NULL;
}

static bool AllZero(const UCHAR *Bytes, size_t Count)
{
    for (size_t Index = 0; Index < Count; Index++) {
        if (Bytes[Index] != 0) {
            return false;
        }
    }
    return true;
}

/* The commands for options. No name here is an option's. */
static NTSTATUS ExpectedOption(const UCHAR *Input, ULONG Code)
{
#define ZERO(Type, Field) AllZero(Input + offsetof(Type, Field), RTL_FIELD_SIZE(Type, Field))
    bool Good = true;
    switch (Code) {
    case IOCTL_WNBD_LIST_DRV_OPT:
        return ZERO(WNBD_IOCTL_LIST_DRV_OPT_COMMAND, Reserved) ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    case IOCTL_WNBD_GET_DRV_OPT:
        Good = ZERO(WNBD_IOCTL_GET_DRV_OPT_COMMAND, Reserved);
        break;
    case IOCTL_WNBD_SET_DRV_OPT:
        Good = ZERO(WNBD_IOCTL_SET_DRV_OPT_COMMAND, Reserved) && ZERO(WNBD_IOCTL_SET_DRV_OPT_COMMAND, Value.Reserved);
        break;
    case IOCTL_WNBD_RESET_DRV_OPT:
        Good = ZERO(WNBD_IOCTL_RESET_DRV_OPT_COMMAND, Reserved);
        break;
    default:
        return STATUS_SUCCESS;
    }
#undef ZERO
    const WCHAR *Name = (const WCHAR *)(const void *)(Input + offsetof(WNBD_IOCTL_GET_DRV_OPT_COMMAND, Name));
    ULONG Length = 0;
    while (Length < WNBD_MAX_NAME_LENGTH && Name[Length] != 0) {
        Length++;
    }
    return Good && Length < WNBD_MAX_NAME_LENGTH ? STATUS_OBJECT_NAME_NOT_FOUND : STATUS_INVALID_PARAMETER;
}

/* What the header demands. Properties given to those that make disks are bad ones here. */
static NTSTATUS Expected(const UCHAR *Input, ULONG InputBytes, ULONG OutputBytes)
{
    ULONG Code;
    if (InputBytes < sizeof(Code)) {
        return STATUS_INVALID_PARAMETER;
    }
    memcpy(&Code, Input, sizeof(Code));
    const ROW *Row = RowOf(Code);
    if (Row == NULL) {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (InputBytes < Row->InputBytes || OutputBytes < Row->OutputBytes || Code == IOCTL_WNBD_CREATE) {
        return STATUS_INVALID_PARAMETER;
    }
    bool Serves = Code == IOCTL_WNBD_FETCH_REQ || Code == IOCTL_WNBD_SEND_RSP || Code == IOCTL_WNBD_SET_DISK_SIZE;
    if (Row->NameOffset == 0 && !Serves) {
        return ExpectedOption(Input, Code);
    }
    /* Behind what the process that serves a disk sends, there is padding. */
    ULONG End = Serves ? Row->ReservedOffset + 32 : Row->InputBytes;
    for (ULONG Index = Row->ReservedOffset; Index < End; Index++) {
        if (Input[Index] != 0) {
            return STATUS_INVALID_PARAMETER;
        }
    }
    if (Serves) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    const char *Name = (const char *)Input + Row->NameOffset;
    if (memchr(Name, 0, WNBD_MAX_NAME_LENGTH) == NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    return Code != IOCTL_WNBD_REMOVE && strcmp(Name, "victim") == 0 ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

/* Sends it and checks everything that is true of any answer. */
static NTSTATUS Throw(BED *Bed, const UCHAR *Input, ULONG InputBytes, UCHAR *Output, ULONG OutputBytes)
{
    ULONG Used = 0;
    memset(Output, UNTOUCHED, ROOM_BYTES);
    NTSTATUS Status = NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, Input, InputBytes, Output, OutputBytes, &Used);
    CHECK(Status != STATUS_PENDING);
    CHECK(NT_SUCCESS(Status) ? Used <= OutputBytes : Used == 0);
    for (ULONG Index = 0; Index + 1 < Used; Index++) {
        CHECK(Output[Index] != RUBBISH || Output[Index + 1] != RUBBISH);
    }
    for (ULONG Index = Used; Index < ROOM_BYTES; Index++) {
        CHECK(Output[Index] == UNTOUCHED);
    }
    return Status;
}

static void ThrowExpected(BED *Bed, const UCHAR *Input, ULONG InputBytes, ULONG OutputBytes)
{
    static UCHAR Output[ROOM_BYTES];
    NTSTATUS Wanted = Expected(Input, InputBytes, OutputBytes);
    NTSTATUS Status = Throw(Bed, Input, InputBytes, Output, OutputBytes);
    if (Status != Wanted) {
        ULONG Code = 0;
        memcpy(&Code, Input, InputBytes < 4 ? InputBytes : 4);
        fprintf(stderr, "command %u, %u bytes in, %u out: status 0x%08x, expected 0x%08x\n", (unsigned)Code,
                (unsigned)InputBytes, (unsigned)OutputBytes, (unsigned)Status, (unsigned)Wanted);
    }
    CHECK(Status == Wanted);
    if (Status == STATUS_SUCCESS && *(const ULONG *)Input == IOCTL_WNBD_CREATE_EX) {
        CHECK(((const WNBD_CREATE_RESULT *)Output)->Status != 0);
        CHECK(((const WNBD_CREATE_RESULT *)Output)->Phase == WnbdCreatePhaseRequest);
    }
}

static void FillRandom(UCHAR *Bytes, ULONG Count)
{
    for (ULONG Index = 0; Index < Count; Index++) {
        Bytes[Index] = (UCHAR)Random() & 0x7F;
    }
}

static void Codes(BED *Bed)
{
    UCHAR Input[ROOM_BYTES] = {0};
    for (ULONG Round = 0; Round < 20000; Round++) {
        ULONG Code = Round < 512 ? Round : Round < 640 ? (1u << (Round % 32)) + Round / 32 % 4 - 2 : Random();
        memcpy(Input, &Code, sizeof(Code));
        ThrowExpected(Bed, Input, ROOM_BYTES / 4, ROOM_BYTES / 4);
        ThrowExpected(Bed, Input, Random() % ROOM_BYTES, Random() % ROOM_BYTES);
    }
}

static void Sizes(BED *Bed)
{
    UCHAR Input[ROOM_BYTES] = {0};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        const ROW *Row = &Rows[Index];
        memcpy(Input, &Row->Code, sizeof(Row->Code));
        for (ULONG Bytes = 0; Bytes <= Row->InputBytes + 16; Bytes++) {
            ThrowExpected(Bed, Input, Bytes, Row->OutputBytes);
            ThrowExpected(Bed, Input, Bytes, 0);
        }
        for (ULONG Bytes = 0; Bytes <= Row->OutputBytes + 16; Bytes++) {
            ThrowExpected(Bed, Input, Row->InputBytes, Bytes);
            ThrowExpected(Bed, Input, 0, Bytes);
        }
    }
}

/* With a disk there: the list in every size between none and enough, names of which only one is the disk's. */
static void Disks(BED *Bed)
{
    static UCHAR Output[ROOM_BYTES];
    ULONG Header = offsetof(WNBD_CONNECTION_LIST, Connections);
    WNBD_IOCTL_LIST_COMMAND List = {IOCTL_WNBD_LIST};
    for (ULONG Bytes = Header; Bytes < Header + 3 * sizeof(WNBD_CONNECTION_INFO); Bytes += Bytes % 64 == 8 ? 1 : 7) {
        CHECK(Throw(Bed, (UCHAR *)&List, sizeof(List), Output, Bytes) == STATUS_SUCCESS);
        CHECK(((WNBD_CONNECTION_LIST *)Output)->Count == 1);
    }
    UCHAR Input[1024] = {0};
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Rows); Index++) {
        const ROW *Row = &Rows[Index];
        if (Row->NameOffset == 0 || Row->Code == IOCTL_WNBD_REMOVE) {
            continue;
        }
        memset(Input, 0, sizeof(Input));
        memcpy(Input, &Row->Code, sizeof(Row->Code));
        strcpy((char *)Input + Row->NameOffset, "victim");
        /* What stands after a name's end is nobody's business. */
        memset(Input + Row->NameOffset + 7, 0x5A, WNBD_MAX_NAME_LENGTH - 7);
        CHECK(Expected(Input, Row->InputBytes, Row->OutputBytes) == STATUS_SUCCESS);
        ThrowExpected(Bed, Input, Row->InputBytes, Row->OutputBytes);
        for (ULONG At = 4; At < Row->InputBytes; At++) {
            UCHAR Kept = Input[At];
            Input[At] = 0x81;
            ThrowExpected(Bed, Input, Row->InputBytes, Row->OutputBytes + 8);
            Input[At] = Kept;
        }
    }
}

static void Contents(BED *Bed)
{
    UCHAR Input[ROOM_BYTES];
    for (ULONG Round = 0; Round < 4000; Round++) {
        const ROW *Row = &Rows[Round % RTL_NUMBER_OF(Rows)];
        switch (Round / RTL_NUMBER_OF(Rows) % 4) {
        case 0:
            memset(Input, 0, sizeof(Input));
            break;
        case 1:
            memset(Input, 0xFF, sizeof(Input));
            break;
        default:
            FillRandom(Input, sizeof(Input));
        }
        memcpy(Input, &Row->Code, sizeof(Row->Code));
        ThrowExpected(Bed, Input, Row->InputBytes + Random() % 64, Row->OutputBytes + Random() % 64);
        ThrowExpected(Bed, Input, Random() % (2 * Row->InputBytes), Random() % (2 * Row->OutputBytes + 1));
    }
}

/* Whether byte At of a create command has to be 0. */
static bool IsReserved(size_t At)
{
    size_t Start = offsetof(WNBD_IOCTL_CREATE_COMMAND, Properties);
#define WITHIN(Base, Type, Field)                                                                                      \
    (At >= (Base) + offsetof(Type, Field) && At < (Base) + RTL_SIZEOF_THROUGH_FIELD(Type, Field))
    return WITHIN(0, WNBD_IOCTL_CREATE_COMMAND, Reserved) || WITHIN(Start, WNBD_PROPERTIES, Reserved) ||
           WITHIN(Start, WNBD_PROPERTIES, NbdProperties.Reserved) ||
           (WITHIN(Start, WNBD_PROPERTIES, NbdProperties.Flags) &&
            At != Start + offsetof(WNBD_PROPERTIES, NbdProperties.Flags));
#undef WITHIN
}

/* Commands for an option that there is, in which one byte after the other is spoiled: all of the name and of Reserved
 * count. */
static void OptionByteWrong(BED *Bed)
{
    static UCHAR Output[ROOM_BYTES];
    static const WCHAR Name[] = L"WppLoggingEnabled";
    static const ULONG Codes[] = {IOCTL_WNBD_GET_DRV_OPT, IOCTL_WNBD_SET_DRV_OPT, IOCTL_WNBD_RESET_DRV_OPT};
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Good = {0}, Bad; /* the others are as long as its name and a few bytes */
    memcpy(Good.Name, Name, sizeof(Name));
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Codes); Index++) {
        Good.IoControlCode = Codes[Index];
        Good.Value.Type = Codes[Index] == IOCTL_WNBD_SET_DRV_OPT ? WnbdOptBool : WnbdOptUnknown;
        const ROW *Row = RowOf(Codes[Index]);
        CHECK(Throw(Bed, (UCHAR *)&Good, Row->InputBytes, Output, Row->OutputBytes) == STATUS_SUCCESS);
        for (size_t At = sizeof(ULONG); At < Row->InputBytes; At++) {
            Bad = Good;
            ((UCHAR *)&Bad)[At] ^= 0x81;
            NTSTATUS Status = Throw(Bed, (UCHAR *)&Bad, Row->InputBytes, Output, Row->OutputBytes);
            if (ExpectedOption((const UCHAR *)&Bad, Codes[Index]) == STATUS_INVALID_PARAMETER) {
                CHECK(Status == STATUS_INVALID_PARAMETER);
            } else if (At < sizeof(ULONG) + sizeof(Name)) {
                CHECK(Status == STATUS_OBJECT_NAME_NOT_FOUND);
            }
        }
    }
    memset(Good.Name, 'W', sizeof(Good.Name));
    CHECK(Throw(Bed, (UCHAR *)&Good, sizeof(Good), Output, 0) == STATUS_INVALID_PARAMETER);
}

/* A good request in which one byte after the other is spoiled: refused, or sent on to a server that isn't there. */
static void OneByteWrong(BED *Bed)
{
    static UCHAR Output[ROOM_BYTES];
    WNBD_CREATE_RESULT *Result = (WNBD_CREATE_RESULT *)Output;
    WNBD_IOCTL_CREATE_COMMAND Good = {.IoControlCode = IOCTL_WNBD_CREATE_EX}, Bad;
    BedProperties(&Good.Properties, "spoiled", ClosedPort);
    CHECK(Throw(Bed, (UCHAR *)&Good, sizeof(Good), Output, sizeof(*Result)) == STATUS_SUCCESS);
    CHECK(Result->Status == WIN32_CONNECTION_REFUSED && Result->Phase == WnbdCreatePhaseConnect);
    for (size_t At = offsetof(WNBD_IOCTL_CREATE_COMMAND, Properties); At < sizeof(Good); At++) {
        Bad = Good;
        ((UCHAR *)&Bad)[At] ^= 0x81;
        size_t Port = offsetof(WNBD_IOCTL_CREATE_COMMAND, Properties.NbdProperties.PortNumber);
        if (At == Port || At == Port + 1) {
            continue; /* another port, at which somebody may listen */
        }
        CHECK(Throw(Bed, (UCHAR *)&Bad, sizeof(Bad), Output, sizeof(*Result)) == STATUS_SUCCESS);
        CHECK(Result->Status != 0 && Result->Message[0] != '\0');
        CHECK(!IsReserved(At) || Result->Phase == WnbdCreatePhaseRequest);
        CHECK(Result->Phase == WnbdCreatePhaseRequest || Result->Status == WIN32_CONNECTION_REFUSED);
    }
}

/* Other control codes, which the port driver answers or passes on as requests (SRB_FUNCTION_IO_CONTROL). */
static void OtherCodes(BED *Bed)
{
    static const ULONG Known[] = {0x0004D008 /* IOCTL_SCSI_MINIPORT */, 0x00041010 /* IOCTL_SCSI_GET_CAPABILITIES */,
                                  0x00041018 /* IOCTL_SCSI_GET_ADDRESS */, 0x0004101C /* IOCTL_SCSI_RESCAN_BUS */,
                                  0x002D1400 /* IOCTL_STORAGE_QUERY_PROPERTY */};
    UCHAR Input[512], Output[512];
    for (ULONG Round = 0; Round < 4000; Round++) {
        ULONG Code = Round % 2 == 0 ? Known[Random() % RTL_NUMBER_OF(Known)] : Random() & ~3u;
        ULONG InputBytes = Random() % sizeof(Input), OutputBytes = Random() % sizeof(Output), Used = 0;
        FillRandom(Input, sizeof(Input));
        if (Code == WNBD_IOCTL_CONTROL_CODE) {
            continue;
        }
        NTSTATUS Status = NativeIoctl(Bed->File, Code, Input, InputBytes, Output, OutputBytes, &Used);
        CHECK(NT_SUCCESS(Status) ? Used <= OutputBytes : Used == 0);
        CHECK(Code != Known[0] || !NT_SUCCESS(Status));
    }
}

int main(int Count, char **Arguments)
{
    static const char *const Memory[] = {"memory", "16M", NULL};
    static WNBD_CREATE_RESULT Result;
    BED Bed;
    SERVER Server;
    WNBD_PROPERTIES Properties;
    NATIVE_OPTIONS Options = {.Seed = Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1};
    static const struct {
        const char *Name;
        void (*Run)(BED *Bed);
    } Tests[] = {
        {"every command number", Codes},
        {"every size", Sizes},
        {"any content", Contents},
        {"sizes and contents where there is a disk", Disks},
        {"one byte of a good request wrong", OneByteWrong},
        {"one byte of a good request for an option wrong", OptionByteWrong},
        {"other control codes", OtherCodes},
    };
    printf("seed %llu\n", (unsigned long long)Options.Seed);
    RandomState = Options.Seed;
    ClosedPort = ServerRefusing();
    ServerStart(&Server, Memory);
    BedStart(&Bed, &Options);
    BedProperties(&Properties, "victim", Server.Port);
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Tests); Index++) {
        printf("%s\n", Tests[Index].Name);
        fflush(stdout);
        if (Tests[Index].Run == Disks) {
            CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
            CHECK(NativeChildWait(Bed.Adapter, 1, 20000));
        }
        Tests[Index].Run(&Bed);
        if (Tests[Index].Run == Disks) {
            CHECK(BedUnmap(&Bed, "victim") == STATUS_SUCCESS);
            CHECK(NativeChildWait(Bed.Adapter, 0, 20000));
        }
    }
    BedStop(&Bed);
    ServerStop(&Server);
    printf("ok\n");
    return 0;
}
