/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A request's memory: what the miniport gets for one attempt, guarded on all sides, the checks when it comes back, and
 * the quarantine in which released memory waits so that late writes are seen.
 */
#include "port.h"

#define GUARD_LENGTH 16u
#define GUARD_BYTE 0xFDu
#define EXTENSION_BYTE 0xA5u /* an SRB extension is uninitialised memory */
#define SENSE_BYTE 0x5Eu
#define DEAD_BYTE 0xDDu
#define QUARANTINE_MAX 256u
/* Keeps the address that a request had, for its MDL's sake, and makes touching it fault: not canonical on x64. */
#define UNMAPPED_BITS 0x00DE000000000000ull

typedef struct {
    PUCHAR Memory;
    ULONG Length;
    PVOID Srb; /* an address only: tells a second completion from that of an unknown SRB */
} RETIRED;

static struct {
    KSPIN_LOCK Lock;
    ULONG Next;
    RETIRED Entries[QUARANTINE_MAX];
} Quarantine;

static ULONG AlignUp(ULONG Length)
{
    return (Length + 15u) & ~15u;
}

static BOOLEAN AllBytes(const UCHAR *Memory, ULONG Length, UCHAR Byte)
{
    ULONG i;

    for (i = 0; i < Length; ++i)
        if (Memory[i] != Byte)
            return FALSE;
    return TRUE;
}

REQUEST *PortRequestMake(UNIT *Unit)
{
    REQUEST *Request = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Request), PORT_TAG);

    if (Request == NULL)
        return NULL;
    RtlZeroMemory(Request, sizeof(*Request));
    PortUnitReference(Unit);
    Request->Unit = Unit;
    Request->Fields.Path = Unit->Path;
    Request->Fields.Target = Unit->Target;
    Request->Fields.Lun = Unit->Lun;
    Request->Fields.QueueAction = SRB_SIMPLE_TAG_REQUEST;
    return Request;
}

VOID PortRequestFree(REQUEST *Request)
{
    NT_ASSERT(Request->Attempt == NULL);
    if (Request->OwnMdl)
        IoFreeMdl(Request->Mdl);
    PortUnitDereference(Request->Unit);
    ExFreePoolWithTag(Request, PORT_TAG);
}

NTSTATUS PortRequestDescribe(REQUEST *Request, PVOID Buffer, ULONG Length)
{
    Request->Fields.DataBuffer = Buffer;
    Request->Fields.DataLength = Length;
    Request->SystemAddress = Buffer;
    Request->Mdl = IoAllocateMdl(Buffer, Length, FALSE, FALSE, NULL);
    if (Request->Mdl == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    Request->OwnMdl = TRUE;
    MmBuildMdlForNonPagedPool(Request->Mdl);
    return STATUS_SUCCESS;
}

static BOOLEAN IsReadWrite(const SRB_FIELDS *Fields)
{
    if (Fields->Function != SRB_FUNCTION_EXECUTE_SCSI)
        return FALSE;
    switch (Fields->Cdb[0]) {
    case 0x08: /* READ and WRITE of 6, 10, 12 and 16 bytes */
    case 0x0A:
    case 0x28:
    case 0x2A:
    case 0xA8:
    case 0xAA:
    case 0x88:
    case 0x8A:
        return TRUE;
    default:
        return FALSE;
    }
}

BOOLEAN PortRequestIsMapped(const REQUEST *Request)
{
    const UCHAR Map = Request->Unit->Adapter->Config.MapBuffers;

    if (Request->Fields.Function == SRB_FUNCTION_IO_CONTROL || Request->Fields.Function == SRB_FUNCTION_PNP)
        return TRUE;
    return Map == STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE ||
           (Map != STOR_MAP_NO_BUFFERS && !IsReadWrite(&Request->Fields));
}

/* What the miniport sees in DataBuffer: usable where it is mapped, else an address that faults. */
static PVOID VisibleBuffer(const REQUEST *Request)
{
    if (Request->Fields.DataLength == 0)
        return NULL;
    if (PortRequestIsMapped(Request))
        return Request->SystemAddress;
    return (PVOID)((ULONG_PTR)Request->SystemAddress ^ UNMAPPED_BITS);
}

static BOOLEAN WantsSense(const SRB_FIELDS *Fields)
{
    return Fields->Function == SRB_FUNCTION_EXECUTE_SCSI && Fields->Sense != NULL && Fields->SenseLength != 0;
}

NTSTATUS PortRequestPrepareAttempt(REQUEST *Request)
{
    const PORT_CONFIGURATION_INFORMATION *Config = &Request->Unit->Adapter->Config;
    const ULONG SrbLength = PortSrbLength(Config->SrbType, &Request->Fields);
    const ULONG ExtensionLength = Config->SrbExtensionSize;
    const ULONG SenseLength = WantsSense(&Request->Fields) ? Request->Fields.SenseLength : 0;
    const ULONG SrbOffset = GUARD_LENGTH;
    const ULONG ExtensionOffset = SrbOffset + AlignUp(SrbLength) + GUARD_LENGTH;
    const ULONG SenseOffset = ExtensionOffset + AlignUp(ExtensionLength) + GUARD_LENGTH;
    const ULONG CopyOffset = SenseOffset + AlignUp(SenseLength) + GUARD_LENGTH;
    const ULONG Total = CopyOffset + SrbLength;
    SRB_FIELDS Fields = Request->Fields;

    Request->Attempt = ExAllocatePoolWithTag(NonPagedPoolNx, Total, PORT_TAG);
    if (Request->Attempt == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlFillMemory(Request->Attempt, Total, GUARD_BYTE);
    Request->AttemptLength = Total;
    Request->Srb = Request->Attempt + SrbOffset;
    Request->SrbLength = SrbLength;
    Request->Original = Request->Attempt + CopyOffset;
    Request->SrbExtension = ExtensionLength == 0 ? NULL : Request->Attempt + ExtensionOffset;
    Request->Sense = SenseLength == 0 ? NULL : Request->Attempt + SenseOffset;
    Request->SenseSize = SenseLength;
    if (ExtensionLength != 0)
        RtlFillMemory(Request->SrbExtension, ExtensionLength, EXTENSION_BYTE);
    if (SenseLength != 0)
        RtlFillMemory(Request->Sense, SenseLength, SENSE_BYTE);
    Fields.DataBuffer = VisibleBuffer(Request);
    PortSrbBuild(Config->SrbType, &Fields, Request->Sense, Request->SrbExtension, Request->Srb);
    RtlCopyMemory(Request->Original, Request->Srb, SrbLength);
    return STATUS_SUCCESS;
}

static VOID CheckGuards(const REQUEST *Request)
{
    const ULONG ExtensionLength = Request->Unit->Adapter->Config.SrbExtensionSize;
    const UCHAR *SrbEnd = (const UCHAR *)Request->Srb + Request->SrbLength;
    const UCHAR *Extension = Request->Attempt + GUARD_LENGTH + AlignUp(Request->SrbLength) + GUARD_LENGTH;
    const UCHAR *Sense = Extension + AlignUp(ExtensionLength) + GUARD_LENGTH;
    const UCHAR *SenseEnd = Sense + Request->SenseSize;

    PORT_REQUIRE(SRB_OVERRUN, AllBytes(Request->Attempt, GUARD_LENGTH, GUARD_BYTE), "function 0x%x: before the SRB",
                 (unsigned)Request->Fields.Function);
    PORT_REQUIRE(SRB_OVERRUN, AllBytes(SrbEnd, GUARD_LENGTH, GUARD_BYTE), "function 0x%x: behind the SRB",
                 (unsigned)Request->Fields.Function);
    PORT_REQUIRE(SRB_OVERRUN, AllBytes(Extension + ExtensionLength, GUARD_LENGTH, GUARD_BYTE),
                 "function 0x%x: behind the SRB extension of %u bytes", (unsigned)Request->Fields.Function,
                 (unsigned)ExtensionLength);
    PORT_REQUIRE(SRB_OVERRUN, AllBytes(SenseEnd, GUARD_LENGTH, GUARD_BYTE),
                 "function 0x%x: behind the sense buffer of %u bytes", (unsigned)Request->Fields.Function,
                 (unsigned)Request->SenseSize);
}

static VOID CheckSense(const REQUEST *Request, const SRB_FIELDS *Result)
{
    const unsigned Operation = Result->Cdb[0];
    const BOOLEAN Wanted = Request->Sense != NULL && (Request->Fields.Flags & SRB_FLAGS_DISABLE_AUTOSENSE) == 0;
    UCHAR Code;

    if ((Result->SrbStatus & SRB_STATUS_AUTOSENSE_VALID) == 0) {
        PORT_REQUIRE(SENSE_MISSING, !Wanted || Result->ScsiStatus != SCSISTAT_CHECK_CONDITION,
                     "operation 0x%02x: CHECK CONDITION without SRB_STATUS_AUTOSENSE_VALID", Operation);
        return;
    }
    PORT_REQUIRE(SENSE_UNWANTED, Wanted, "operation 0x%02x: status 0x%02x, flags 0x%x, %u bytes of sense buffer",
                 Operation, Result->SrbStatus, (unsigned)Request->Fields.Flags, (unsigned)Request->SenseSize);
    PORT_REQUIRE(SENSE_MISSING, Result->SenseLength != 0 && Result->SenseLength <= Request->SenseSize,
                 "operation 0x%02x: %u bytes of sense in a buffer of %u", Operation, Result->SenseLength,
                 (unsigned)Request->SenseSize);
    Code = Request->Sense[0] & 0x7F;
    PORT_REQUIRE(SENSE_MISSING, Code >= 0x70 && Code <= 0x73, "operation 0x%02x: response code 0x%02x", Operation,
                 Request->Sense[0]);
    PORT_REQUIRE(SENSE_MISSING, Result->SenseLength == Request->SenseSize || Result->SenseLength >= 8,
                 "operation 0x%02x: only %u bytes of sense in a buffer of %u", Operation, Result->SenseLength,
                 (unsigned)Request->SenseSize);
    PORT_REQUIRE(SENSE_STATUS,
                 SRB_STATUS(Result->SrbStatus) == SRB_STATUS_ERROR && Result->ScsiStatus == SCSISTAT_CHECK_CONDITION,
                 "operation 0x%02x: SrbStatus 0x%02x, ScsiStatus 0x%02x", Operation, Result->SrbStatus,
                 Result->ScsiStatus);
}

static VOID CheckStatus(const REQUEST *Request, const SRB_FIELDS *Result)
{
    const unsigned Function = (unsigned)Request->Fields.Function;
    const UCHAR Status = SRB_STATUS(Result->SrbStatus);

    PORT_REQUIRE(COMPLETE_PENDING, Status != SRB_STATUS_PENDING, "function 0x%x, operation 0x%02x", Function,
                 Request->Fields.Cdb[0]);
    PORT_REQUIRE(COMPLETE_FROZEN, (Result->SrbStatus & SRB_STATUS_QUEUE_FROZEN) == 0, "function 0x%x, status 0x%02x",
                 Function, Result->SrbStatus);
    PORT_REQUIRE(DATA_GROWN, Result->DataLength <= Request->Fields.DataLength,
                 "function 0x%x, operation 0x%02x: %u bytes asked for, %u reported", Function, Request->Fields.Cdb[0],
                 (unsigned)Request->Fields.DataLength, (unsigned)Result->DataLength);
    PORT_REQUIRE(DATA_BUSY, Status != SRB_STATUS_BUSY || Result->DataLength == Request->Fields.DataLength,
                 "operation 0x%02x: %u bytes asked for, %u reported", Request->Fields.Cdb[0],
                 (unsigned)Request->Fields.DataLength, (unsigned)Result->DataLength);
    if (Request->Fields.Function != SRB_FUNCTION_EXECUTE_SCSI)
        return;
    PORT_REQUIRE(SCSI_STATUS,
                 Status != SRB_STATUS_SUCCESS || Result->ScsiStatus == SCSISTAT_GOOD ||
                     Result->ScsiStatus == SCSISTAT_CONDITION_MET,
                 "operation 0x%02x: SrbStatus 0x%02x, ScsiStatus 0x%02x", Request->Fields.Cdb[0], Result->SrbStatus,
                 Result->ScsiStatus);
    CheckSense(Request, Result);
}

VOID PortRequestCheckCompletion(REQUEST *Request)
{
    SRB_FIELDS Result;

    CheckGuards(Request);
    PORT_REQUIRE(SRB_FIELDS, PortSrbFieldsKept(Request->Srb, Request->Original, Request->SrbLength),
                 "function 0x%x, operation 0x%02x", (unsigned)Request->Fields.Function, Request->Fields.Cdb[0]);
    PortSrbRead(Request->Srb, &Result);
    CheckStatus(Request, &Result);
    Request->Fields.SrbStatus = Result.SrbStatus;
    Request->Fields.ScsiStatus = Result.ScsiStatus;
    if (SRB_STATUS(Result.SrbStatus) == SRB_STATUS_BUSY)
        return;
    Request->Fields.DataLength = Result.DataLength;
    if ((Result.SrbStatus & SRB_STATUS_AUTOSENSE_VALID) != 0) {
        RtlCopyMemory(Request->Fields.Sense, Request->Sense, Result.SenseLength);
        Request->Fields.SenseLength = Result.SenseLength;
    }
}

static VOID Release(const RETIRED *Entry)
{
    if (Entry->Memory == NULL)
        return;
    PORT_REQUIRE(SRB_AFTER, AllBytes(Entry->Memory, Entry->Length, DEAD_BYTE), "the SRB was at %p", Entry->Srb);
    ExFreePoolWithTag(Entry->Memory, PORT_TAG);
}

VOID PortRequestRetireAttempt(REQUEST *Request)
{
    const ULONG Depth = PortOptions.QuarantineDepth != 0 ? PortOptions.QuarantineDepth : PortPlatformQuarantineDepth();
    RETIRED Entry = {Request->Attempt, Request->AttemptLength, Request->Srb};
    RETIRED Evicted;
    KIRQL Irql;

    RtlFillMemory(Entry.Memory, Entry.Length, DEAD_BYTE);
    Request->Attempt = NULL;
    Request->Srb = NULL;
    Request->SrbExtension = NULL;
    Request->Sense = NULL;
    if (Depth == 0) {
        ExFreePoolWithTag(Entry.Memory, PORT_TAG);
        Entry.Memory = NULL;
    }
    KeAcquireSpinLock(&Quarantine.Lock, &Irql);
    Evicted = Quarantine.Entries[Quarantine.Next];
    Quarantine.Entries[Quarantine.Next] = Entry;
    Quarantine.Next = (Quarantine.Next + 1) % (Depth == 0 || Depth > QUARANTINE_MAX ? QUARANTINE_MAX : Depth);
    KeReleaseSpinLock(&Quarantine.Lock, Irql);
    Release(&Evicted);
}

BOOLEAN PortQuarantineKnows(PVOID Srb)
{
    BOOLEAN Found = FALSE;
    KIRQL Irql;
    ULONG i;

    KeAcquireSpinLock(&Quarantine.Lock, &Irql);
    for (i = 0; i < QUARANTINE_MAX; ++i)
        Found = Found || (Quarantine.Entries[i].Srb != NULL && Quarantine.Entries[i].Srb == Srb);
    KeReleaseSpinLock(&Quarantine.Lock, Irql);
    return Found;
}

VOID PortQuarantineDrain(VOID)
{
    RETIRED Entry;
    KIRQL Irql;
    ULONG i;

    for (i = 0; i < QUARANTINE_MAX; ++i) {
        KeAcquireSpinLock(&Quarantine.Lock, &Irql);
        Entry = Quarantine.Entries[i];
        RtlZeroMemory(&Quarantine.Entries[i], sizeof(Entry));
        KeReleaseSpinLock(&Quarantine.Lock, Irql);
        Release(&Entry);
    }
}

static VOID SignalDone(REQUEST *Request)
{
    KeSetEvent(Request->Context, IO_NO_INCREMENT, FALSE);
}

UCHAR PortRequestRun(REQUEST *Request)
{
    KEVENT Done;

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    Request->Done = SignalDone;
    Request->Inline = TRUE;
    Request->Context = &Done;
    PortQueueSubmit(Request);
    KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
    return Request->Fields.SrbStatus;
}
