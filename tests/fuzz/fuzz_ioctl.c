/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A caller of the driver's commands who knows no rules: any command, any
 * sizes, any content, several calls one after the other or at once, some of
 * them cancelled. What comes back fits, and is nobody else's memory; in the
 * end nothing is left. The caller may serve a disk of its own, of which
 * Windows asks something now and then.
 *
 * Input: calls: IOCTL_CALL_* (1), with IOCTL_CALL_SERVED what Windows asks for
 * (1), command (4), bytes in (2), bytes out (2), patches (1), then so many
 * patches of the command's bytes: offset (2), length (1), bytes. Before the
 * patches they are 0, or a command that is right.
 */
#include "served.h"

#include "options.h"

#define CALLS_MOST 24u
#define ROOM_BYTES 8192u
#define UNTOUCHED 0xCC
#define RUBBISH 0xB5 /* what the test bed's pool is filled with */

#define IOCTL_CALL_BEGIN 0x01u  /* without waiting */
#define IOCTL_CALL_CANCEL 0x02u /* begun, and cancelled at once */
#define IOCTL_CALL_GOOD 0x04u   /* the bytes are those of a command that is right */
#define IOCTL_CALL_NAME 0x08u   /* and it names the other disk, option or request */
#define IOCTL_CALL_FIT 0x10u    /* sizes are those that the command asks for, plus the input's */
#define IOCTL_CALL_OTHER 0x20u  /* a control code (the command), not a command of ours */
#define IOCTL_CALL_SETTLE 0x40u /* what was begun before has ended */
#define IOCTL_CALL_SERVED 0x80u /* the first one: this process has a disk; then: Windows asks it for something */

typedef struct {
    UCHAR Input[ROOM_BYTES];
    UCHAR Output[ROOM_BYTES];
    ULONG InputBytes;
    ULONG OutputBytes;
    NATIVE_REQUEST *Request;
} CALL;

static CALL Calls[CALLS_MOST];
static bool RubbishGiven; /* an input has it itself */

typedef union {
    ULONG Code;
    WNBD_IOCTL_CREATE_COMMAND Create;
    WNBD_IOCTL_REMOVE_COMMAND Remove;
    WNBD_IOCTL_SHOW_COMMAND Show;
    WNBD_IOCTL_STATS_COMMAND Stats;
    WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
    WNBD_IOCTL_SEND_RSP_COMMAND Send;
    WNBD_IOCTL_GET_DRV_OPT_COMMAND Get;
    WNBD_IOCTL_SET_DRV_OPT_COMMAND Set;
    WNBD_IOCTL_RESET_DRV_OPT_COMMAND Reset;
    WNBD_IOCTL_LIST_DRV_OPT_COMMAND Options;
    WNBD_IOCTL_SET_SIZE_COMMAND Size;
} ANY_COMMAND;

/* A command for options, where it is right. Returns the bytes that go in and come out. */
static ULONG FillOption(ANY_COMMAND *Command, ULONG Code, bool Other, ULONG *OutputBytes)
{
    static const WCHAR Time[] = L"StaleReqTimeoutMs", Switch[] = L"NewMappingsAllowed";
    if (Code == IOCTL_WNBD_LIST_DRV_OPT) {
        *OutputBytes = offsetof(WNBD_OPTION_LIST, Options);
        Command->Options.Persistent = Other;
        return sizeof(Command->Options);
    }
    /* At the same place in all of them. */
    memcpy(Command->Get.Name, Other ? Switch : Time, Other ? sizeof(Switch) : sizeof(Time));
    if (Code == IOCTL_WNBD_GET_DRV_OPT) {
        *OutputBytes = sizeof(WNBD_OPTION_VALUE);
        return sizeof(Command->Get);
    }
    if (Code == IOCTL_WNBD_RESET_DRV_OPT) {
        return sizeof(Command->Reset);
    }
    Command->Set.Value.Type = Other ? WnbdOptBool : WnbdOptInt64;
    return sizeof(Command->Set);
}

static void FillGood(CALL *Call, ULONG Code, const char *Name, uint8_t Flags)
{
    ANY_COMMAND *Command = (ANY_COMMAND *)Call->Input;
    ULONG InputBytes = sizeof(ULONG), OutputBytes = 0;
    switch (Code) {
    case IOCTL_WNBD_CREATE:
    case IOCTL_WNBD_CREATE_EX:
        BedProperties(&Command->Create.Properties, Name, 8);
        if ((Flags & IOCTL_CALL_SERVED) != 0) {
            Command->Create.Properties.Flags.UseKernelNbd = 0;
            Command->Create.Properties.BlockSize = 512;
            Command->Create.Properties.BlockCount = 2048;
        }
        InputBytes = sizeof(Command->Create);
        OutputBytes = Code == IOCTL_WNBD_CREATE ? sizeof(WNBD_CONNECTION_INFO) : sizeof(WNBD_CREATE_RESULT);
        break;
    case IOCTL_WNBD_REMOVE:
        snprintf(Command->Remove.InstanceName, sizeof(Command->Remove.InstanceName), "%s", Name);
        InputBytes = sizeof(Command->Remove);
        break;
    case IOCTL_WNBD_SHOW:
        snprintf(Command->Show.InstanceName, sizeof(Command->Show.InstanceName), "%s", Name);
        InputBytes = sizeof(Command->Show);
        OutputBytes = sizeof(WNBD_CONNECTION_INFO);
        break;
    case IOCTL_WNBD_STATS:
        snprintf(Command->Stats.InstanceName, sizeof(Command->Stats.InstanceName), "%s", Name);
        InputBytes = sizeof(Command->Stats);
        OutputBytes = sizeof(WNBD_DRV_STATS);
        break;
    case IOCTL_WNBD_STATS_EX:
        snprintf(Command->Stats.InstanceName, sizeof(Command->Stats.InstanceName), "%s", Name);
        InputBytes = sizeof(Command->Stats);
        OutputBytes = sizeof(WNBD_DRV_STATS_EX);
        break;
    case IOCTL_WNBD_FETCH_REQ:
        ServedFetch(&Command->Fetch);
        InputBytes = sizeof(Command->Fetch);
        OutputBytes = sizeof(Command->Fetch);
        break;
    case IOCTL_WNBD_SEND_RSP:
        ServedAnswer(&Command->Send, (Flags & IOCTL_CALL_NAME) != 0);
        InputBytes = sizeof(Command->Send);
        break;
    case IOCTL_WNBD_GET_DRV_OPT:
    case IOCTL_WNBD_SET_DRV_OPT:
    case IOCTL_WNBD_RESET_DRV_OPT:
    case IOCTL_WNBD_LIST_DRV_OPT:
        InputBytes = FillOption(Command, Code, (Flags & IOCTL_CALL_NAME) != 0, &OutputBytes);
        break;
    case IOCTL_WNBD_SET_DISK_SIZE:
        Command->Size.ConnectionId = ServedId();
        Command->Size.BlockCount = 4096;
        InputBytes = sizeof(Command->Size);
        break;
    case IOCTL_WNBD_LIST:
        OutputBytes = offsetof(WNBD_CONNECTION_LIST, Connections);
        break;
    case IOCTL_WNBD_VERSION:
        OutputBytes = sizeof(WNBD_VERSION);
        break;
    default:
        break;
    }
    if ((Flags & IOCTL_CALL_FIT) != 0) {
        Call->InputBytes = (InputBytes + Call->InputBytes) % ROOM_BYTES;
        Call->OutputBytes = (OutputBytes + Call->OutputBytes) % ROOM_BYTES;
    }
}

static void Patch(INPUT *Input, CALL *Call)
{
    for (uint8_t Left = InputByte(Input); Left > 0; Left--) {
        size_t Offset = (size_t)InputNumber(Input, 2) % ROOM_BYTES, Taken;
        const uint8_t *From = InputBytes(Input, InputByte(Input), &Taken);
        Taken = Taken < ROOM_BYTES - Offset ? Taken : ROOM_BYTES - Offset;
        memcpy(Call->Input + Offset, From, Taken);
    }
}

/* In a command that is right, the input has an offset in the process's memory. */
static void PlaceBuffer(CALL *Call, ULONG Code)
{
    ANY_COMMAND *Command = (ANY_COMMAND *)Call->Input;
    if (Code == IOCTL_WNBD_FETCH_REQ) {
        Command->Fetch.DataBuffer = ServedAddress((uintptr_t)Command->Fetch.DataBuffer);
    } else if (Code == IOCTL_WNBD_SEND_RSP) {
        Command->Send.DataBuffer = ServedAddress((uintptr_t)Command->Send.DataBuffer);
    }
}

/* A fetch has succeeded. */
static void Take(const CALL *Call, ULONG Used)
{
    const WNBD_IOCTL_FETCH_REQ_COMMAND *Sent = (const void *)Call->Input, *Fetch = (const void *)Call->Output;
    if (Used == sizeof(*Fetch)) {
        MUST(Fetch->DataBufferSize <= Sent->DataBufferSize);
        ServedTake(&Fetch->Request);
    } else {
        MUST(Used == sizeof(Fetch->Request));
        ServedTake((const WNBD_IO_REQUEST *)Call->Output);
    }
}

static void End(CALL *Call)
{
    ULONG Used = 0;
    bool Fetches = *(const ULONG *)Call->Input == IOCTL_WNBD_FETCH_REQ;
    if (Fetches) {
        NativeRequestCancel(Call->Request); /* nobody need ever ask for anything */
    }
    NTSTATUS Status = NativeRequestWait(Call->Request, &Used);
    Call->Request = NULL;
    if (Fetches && NT_SUCCESS(Status)) {
        Take(Call, Used);
    }
    MUST(Status != STATUS_PENDING);
    MUST(NT_SUCCESS(Status) ? Used <= Call->OutputBytes : Used == 0);
    for (ULONG Index = 0; Index + 1 < Used && !RubbishGiven; Index++) {
        MUST(Call->Output[Index] != RUBBISH || Call->Output[Index + 1] != RUBBISH);
    }
    for (ULONG Index = Used; Index < ROOM_BYTES; Index++) {
        MUST(Call->Output[Index] == UNTOUCHED);
    }
}

static void EndAll(size_t Count)
{
    for (size_t Index = 0; Index < Count; Index++) {
        if (Calls[Index].Request != NULL) {
            End(&Calls[Index]);
        }
    }
}

static void Begin(INPUT *Input, CALL *Call, uint8_t Flags)
{
    if ((Flags & IOCTL_CALL_SERVED) != 0) {
        ServedAsk(InputByte(Input));
    }
    ULONG Code = (ULONG)InputNumber(Input, 4), Control = WNBD_IOCTL_CONTROL_CODE;
    memset(Call->Input, 0, sizeof(Call->Input));
    memset(Call->Output, UNTOUCHED, sizeof(Call->Output));
    Call->InputBytes = (ULONG)InputNumber(Input, 2) % ROOM_BYTES;
    Call->OutputBytes = (ULONG)InputNumber(Input, 2) % ROOM_BYTES;
    if ((Flags & IOCTL_CALL_GOOD) != 0) {
        FillGood(Call, Code, (Flags & IOCTL_CALL_NAME) != 0 ? "two" : "one", Flags);
    }
    if ((Flags & IOCTL_CALL_OTHER) != 0) {
        Control = Code & ~3u; /* METHOD_BUFFERED: the test bed has no other */
    }
    memcpy(Call->Input, &Code, sizeof(Code));
    Patch(Input, Call);
    if ((Flags & IOCTL_CALL_GOOD) != 0) {
        PlaceBuffer(Call, Code);
    }
    Call->Request =
        NativeIoctlBegin(LiveBed.File, Control, Call->Input, Call->InputBytes, Call->Output, Call->OutputBytes);
    if ((Flags & IOCTL_CALL_CANCEL) != 0) {
        NativeRequestCancel(Call->Request);
    }
}

/* The next input finds the options as the first one did. */
static void ResetOptions(void)
{
    for (size_t Option = 0; Option < OPTION_COUNT; Option++) {
        WNBD_IOCTL_RESET_DRV_OPT_COMMAND Command = {.IoControlCode = IOCTL_WNBD_RESET_DRV_OPT, .Persistent = TRUE};
        for (size_t Index = 0; OptionTypes[Option].Name[Index] != 0; Index++) {
            Command.Name[Index] = OptionTypes[Option].Name[Index];
        }
        MUST(NativeIoctl(LiveBed.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, NULL) ==
             STATUS_SUCCESS);
        MUST(OptionsValue((OPTION)Option) == OptionTypes[Option].Default);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    INPUT Input = {Bytes, Length};
    LiveStart(LiveServe, NULL, 0);
    RubbishGiven = memchr(Bytes, RUBBISH, Length) != NULL;
    size_t Count = 0;
    if (Length != 0 && (Bytes[0] & IOCTL_CALL_SERVED) != 0) {
        ServedBegin();
    }
    while (Count < CALLS_MOST && Input.Left > 0) {
        uint8_t Flags = InputByte(&Input);
        if ((Flags & IOCTL_CALL_SETTLE) != 0) {
            EndAll(Count);
        }
        Begin(&Input, &Calls[Count], Flags);
        if ((Flags & IOCTL_CALL_BEGIN) == 0) {
            End(&Calls[Count]);
        }
        Count++;
    }
    EndAll(Count);
    ServedEnd();
    ResetOptions();
    LiveSettle();
    return 0;
}
