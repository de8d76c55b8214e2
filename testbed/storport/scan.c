/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The bus scan: which logical units there are. For every target of every path REPORT LUNS goes to LUN 0; if that fails,
 * INQUIRY to LUN 0 and, when it is answered, to LUNs 1 to 7. Each unit found is asked for INQUIRY and its vital product
 * data pages 00h, 80h and 83h. Runs on a system thread of its own at PASSIVE_LEVEL: at start and after
 * BusChangeDetected. New units get a PDO, missing ones are no longer reported; the PnP manager is told to ask again.
 */
#include "port.h"

#define GUARD_LENGTH 16u
#define GUARD_BYTE 0xFDu
#define STALE_BYTE 0xCCu /* buffers arrive with old contents */
#define LUN_LIST_SIZE (8u + 8u * 255u)
#define FALLBACK_LUNS 8u

typedef struct {
    ADAPTER *Adapter;
    ULONG Number;
    BOOLEAN Starved; /* the last command found no memory and was not sent */
    BOOLEAN Gone;    /* the last command was answered with NO_DEVICE */
    UCHAR Sense[PORT_SENSE_MAX];
    UCHAR Data[LUN_LIST_SIZE + GUARD_LENGTH];
} SCAN;

/* Runs a command that returns up to Length bytes into Scan->Data. 0: failed; else the bytes returned. */
static ULONG Command(SCAN *Scan, UNIT *Unit, const UCHAR *Cdb, UCHAR CdbLength, ULONG Length)
{
    REQUEST *Request = PortRequestMake(Unit);
    ULONG Returned = 0;
    ULONG i;

    Scan->Starved = Request == NULL;
    Scan->Gone = FALSE;
    if (Request == NULL)
        return 0;
    RtlFillMemory(Scan->Data, Length, STALE_BYTE);
    RtlFillMemory(Scan->Data + Length, GUARD_LENGTH, GUARD_BYTE);
    Request->Scan = TRUE;
    Request->Fields.Function = SRB_FUNCTION_EXECUTE_SCSI;
    Request->Fields.Flags = SRB_FLAGS_BYPASS_FROZEN_QUEUE | SRB_FLAGS_DATA_IN | SRB_FLAGS_DISABLE_SYNCH_TRANSFER |
                            SRB_FLAGS_NO_QUEUE_FREEZE;
    Request->Fields.TimeoutSeconds = PORT_SCAN_TIMEOUT_S;
    Request->Fields.Sense = Scan->Sense;
    Request->Fields.SenseLength = sizeof(Scan->Sense);
    Request->Fields.CdbLength = CdbLength;
    RtlCopyMemory(Request->Fields.Cdb, Cdb, CdbLength);
    if (NT_SUCCESS(PortRequestDescribe(Request, Scan->Data, Length))) {
        const UCHAR Status = SRB_STATUS(PortRequestRun(Request));

        Returned = Status == SRB_STATUS_SUCCESS ? Request->Fields.DataLength : 0;
        Scan->Gone = Status == SRB_STATUS_NO_DEVICE;
    }
    Scan->Starved = Request->Attempts == 0;
    PortRequestFree(Request);
    for (i = 0; i < GUARD_LENGTH; ++i)
        PORT_REQUIRE(DATA_OVERRUN, Scan->Data[Length + i] == GUARD_BYTE, "operation 0x%02x with a buffer of %u bytes",
                     Cdb[0], (unsigned)Length);
    return Returned;
}

static ULONG Inquire(SCAN *Scan, UNIT *Unit)
{
    static const UCHAR Cdb[6] = {0x12, 0, 0, 0, PORT_INQUIRY_SIZE, 0};
    const ULONG Returned = Command(Scan, Unit, Cdb, sizeof(Cdb), PORT_INQUIRY_SIZE);

    if (Returned == 0)
        return 0;
    PORT_REQUIRE(INQUIRY_DATA, Returned >= 36, "standard INQUIRY data of %u bytes", (unsigned)Returned);
    PORT_REQUIRE(INQUIRY_DATA, Scan->Data[4] >= 31, "additional length %u", Scan->Data[4]);
    /* Peripheral qualifier 011b: no such unit; 001b: none there now. */
    return (Scan->Data[0] >> 5) == 0 ? Returned : 0;
}

static ULONG InquirePage(SCAN *Scan, UNIT *Unit, UCHAR Page)
{
    const UCHAR Cdb[6] = {0x12, 1, Page, 0, PORT_VPD_SIZE, 0};
    const ULONG Returned = Command(Scan, Unit, Cdb, sizeof(Cdb), PORT_VPD_SIZE);
    ULONG PageLength;

    if (Returned == 0)
        return 0;
    PORT_REQUIRE(INQUIRY_DATA, Returned >= 4 && Scan->Data[1] == Page, "page 0x%02x: %u bytes, page code 0x%02x", Page,
                 (unsigned)Returned, Scan->Data[1]);
    PageLength = 4u + ((ULONG)Scan->Data[2] << 8) + Scan->Data[3];
    PORT_REQUIRE(INQUIRY_DATA, Returned <= PageLength, "page 0x%02x: %u bytes returned, its length says %u", Page,
                 (unsigned)Returned, (unsigned)PageLength);
    return Returned;
}

static VOID CopyPage(const SCAN *Scan, ULONG Returned, PUCHAR Page, ULONG *PageLength)
{
    RtlCopyMemory(Page, Scan->Data, Returned);
    *PageLength = Returned;
}

static BOOLEAN SameBytes(const VOID *A, ULONG ALength, const VOID *B, ULONG BLength)
{
    return ALength == BLength && RtlCompareMemory(A, B, ALength) == ALength;
}

/* A page that page 00h lists. FALSE: the unit has gone away since, or nobody could ask it. */
static BOOLEAN ReadListedPage(SCAN *Scan, UNIT *Unit, UCHAR Code, PUCHAR Page, ULONG *PageLength)
{
    const ULONG Returned = InquirePage(Scan, Unit, Code);

    /* Not asked again after "no device": there may be another disk at the address by now. */
    if (Returned == 0 && (Scan->Starved || Scan->Gone || Inquire(Scan, Unit) == 0))
        return FALSE;
    PORT_REQUIRE(INQUIRY_DATA, Returned != 0, "page 0x%02x is listed and isn't answered", Code);
    CopyPage(Scan, Returned, Page, PageLength);
    return TRUE;
}

/* Who is there now: read into Fresh, a unit that serves as a record only. FALSE: nobody any more. */
static BOOLEAN ReadIdentity(SCAN *Scan, UNIT *Unit, UNIT *Fresh)
{
    BOOLEAN Has80 = FALSE, Has83 = FALSE;
    const ULONG Returned = InquirePage(Scan, Unit, 0x00);
    ULONG i;

    for (i = 4; i < Returned; ++i) {
        PORT_REQUIRE(INQUIRY_DATA, i == 4 || Scan->Data[i] > Scan->Data[i - 1], "page 00h lists 0x%02x after 0x%02x",
                     Scan->Data[i], Scan->Data[i - 1]);
        Has80 = Has80 || Scan->Data[i] == 0x80;
        Has83 = Has83 || Scan->Data[i] == 0x83;
    }
    if (Returned == 0 && (Scan->Starved || Inquire(Scan, Unit) == 0))
        return FALSE;
    return (!Has83 || ReadListedPage(Scan, Unit, 0x83, Fresh->Vpd83, &Fresh->Vpd83Length)) &&
           (!Has80 || ReadListedPage(Scan, Unit, 0x80, Fresh->Vpd80, &Fresh->Vpd80Length));
}

static VOID CheckIdentity(const UNIT *Unit, const UNIT *Fresh)
{
    PORT_REQUIRE(UNIT_REUSED, Unit->State != UNIT_GONE, "%u:%u:%u is back while its device is being removed",
                 Unit->Path, Unit->Target, Unit->Lun);
    /* Vendor and product; the version may change under a running unit. */
    PORT_REQUIRE(UNIT_REUSED,
                 SameBytes(Unit->Inquiry + 8, 24, Fresh->Inquiry + 8, 24) &&
                     SameBytes(Unit->Vpd83, Unit->Vpd83Length, Fresh->Vpd83, Fresh->Vpd83Length) &&
                     SameBytes(Unit->Vpd80, Unit->Vpd80Length, Fresh->Vpd80, Fresh->Vpd80Length),
                 "%u:%u:%u is another disk than before", Unit->Path, Unit->Target, Unit->Lun);
}

static VOID TakeIdentity(UNIT *Unit, const UNIT *Fresh)
{
    RtlCopyMemory(Unit->Inquiry, Fresh->Inquiry, sizeof(Unit->Inquiry));
    RtlCopyMemory(Unit->Vpd80, Fresh->Vpd80, sizeof(Unit->Vpd80));
    RtlCopyMemory(Unit->Vpd83, Fresh->Vpd83, sizeof(Unit->Vpd83));
    Unit->InquiryLength = Fresh->InquiryLength;
    Unit->Vpd80Length = Fresh->Vpd80Length;
    Unit->Vpd83Length = Fresh->Vpd83Length;
}

/* TRUE: a unit is there. */
static BOOLEAN ScanUnit(SCAN *Scan, UCHAR Path, UCHAR Target, UCHAR Lun)
{
    ADAPTER *Adapter = Scan->Adapter;
    UNIT *Unit = PortUnitFindOrMake(Adapter, Path, Target, Lun);
    UNIT *Fresh = PortUnitMake(Adapter, Path, Target, Lun);
    BOOLEAN Found = FALSE;

    if (Unit != NULL && Fresh != NULL) {
        Fresh->InquiryLength = Inquire(Scan, Unit);
        Found = Fresh->InquiryLength != 0;
        RtlCopyMemory(Fresh->Inquiry, Scan->Data, Fresh->InquiryLength);
    }
    Found = Found && ReadIdentity(Scan, Unit, Fresh);
    /* Nobody could be asked: what was there counts as there. */
    if (Unit != NULL && Unit->State == UNIT_PRESENT && (Fresh == NULL || (!Found && Scan->Starved)))
        Unit->SeenByScan = Scan->Number;
    if (Found) {
        if (Unit->State != UNIT_PROBING)
            CheckIdentity(Unit, Fresh);
        Unit->SeenByScan = Scan->Number;
    }
    if (Found && Unit->State == UNIT_PROBING) {
        TakeIdentity(Unit, Fresh);
        if (NT_SUCCESS(PortUnitMakePdo(Unit)))
            DbgPrint("storport: found %u:%u:%u\n", (unsigned)Path, (unsigned)Target, (unsigned)Lun);
    }
    if (Fresh != NULL)
        PortUnitDereference(Fresh);
    if (Unit != NULL)
        PortUnitDereference(Unit);
    return Found;
}

/* Marks the LUNs that REPORT LUNS lists; FALSE when it failed. */
static BOOLEAN ReportLuns(SCAN *Scan, UCHAR Path, UCHAR Target, BOOLEAN *Listed)
{
    static const UCHAR Cdb[12] = {0xA0, 0, 0, 0, 0, 0, 0, 0, (LUN_LIST_SIZE >> 8) & 0xFF, LUN_LIST_SIZE & 0xFF, 0, 0};
    UNIT *Unit = PortUnitFindOrMake(Scan->Adapter, Path, Target, 0);
    ULONG Returned, ListLength, i;

    if (Unit == NULL)
        return FALSE;
    Returned = Command(Scan, Unit, Cdb, sizeof(Cdb), LUN_LIST_SIZE);
    PortUnitDereference(Unit);
    if (Returned == 0)
        return FALSE;
    PORT_REQUIRE(REPORT_LUNS, Returned >= 8, "%u bytes", (unsigned)Returned);
    ListLength =
        ((ULONG)Scan->Data[0] << 24) | ((ULONG)Scan->Data[1] << 16) | ((ULONG)Scan->Data[2] << 8) | Scan->Data[3];
    PORT_REQUIRE(REPORT_LUNS, ListLength % 8 == 0 && Returned <= 8 + ListLength,
                 "LUN list length %u, %u bytes returned", (unsigned)ListLength, (unsigned)Returned);
    for (i = 8; i + 8 <= Returned; i += 8) {
        const UCHAR *Entry = Scan->Data + i;

        PORT_REQUIRE(REPORT_LUNS,
                     Entry[0] == 0 && (Entry[2] | Entry[3] | Entry[4] | Entry[5] | Entry[6] | Entry[7]) == 0,
                     "entry %u isn't a LUN of eight bits", (unsigned)(i / 8 - 1));
        PORT_REQUIRE(REPORT_LUNS, !Listed[Entry[1]], "LUN %u is listed twice", Entry[1]);
        Listed[Entry[1]] = TRUE;
    }
    return TRUE;
}

static VOID ScanTarget(SCAN *Scan, UCHAR Path, UCHAR Target)
{
    const ULONG Maximum = Scan->Adapter->Config.MaximumNumberOfLogicalUnits;
    BOOLEAN Listed[256] = {FALSE};
    ULONG Lun;

    if (ReportLuns(Scan, Path, Target, Listed)) {
        for (Lun = 0; Lun < Maximum; ++Lun)
            if (Listed[Lun])
                ScanUnit(Scan, Path, Target, (UCHAR)Lun);
    } else if (ScanUnit(Scan, Path, Target, 0)) {
        for (Lun = 1; Lun < FALLBACK_LUNS && Lun < Maximum; ++Lun)
            ScanUnit(Scan, Path, Target, (UCHAR)Lun);
    }
}

/* A unit that this scan didn't see and that isn't known as gone yet. */
static BOOLEAN TakeUnseen(UNIT *Unit, PVOID Context)
{
    const SCAN *Scan = Context;

    if (Unit->State == UNIT_PRESENT && Unit->SeenByScan != Scan->Number) {
        Unit->State = UNIT_GONE;
        return TRUE;
    }
    return Unit->State == UNIT_PROBING;
}

/* A PDO that the PnP manager has never heard of: nobody removes it but we, and the miniport isn't told. */
static VOID DropUnreported(UNIT *Unit)
{
    PDEVICE_OBJECT Pdo = Unit->Pdo;

    ((UNIT_DEVICE *)Pdo->DeviceExtension)->Unit = NULL;
    PortUnitUnlink(Unit);
    PortUnitDereference(Unit);
    IoDeleteDevice(Pdo);
}

static VOID DropUnseen(SCAN *Scan)
{
    UNIT *Unit;

    while ((Unit = PortUnitWalk(Scan->Adapter, TakeUnseen, Scan)) != NULL) {
        if (Unit->State == UNIT_PROBING) {
            PortUnitUnlink(Unit);
        } else {
            DbgPrint("storport: %u:%u:%u is gone\n", (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun);
            PortQueueFail(Unit, SRB_STATUS_NO_DEVICE);
            if (!Unit->Reported)
                DropUnreported(Unit);
        }
        PortUnitDereference(Unit);
    }
}

/* Set by another thread, without a lock. */
static BOOLEAN Stopping(ADAPTER *Adapter)
{
    return InterlockedCompareExchange(&Adapter->ScanStop, FALSE, FALSE) != FALSE;
}

static VOID ScanAdapter(ADAPTER *Adapter, ULONG Number)
{
    SCAN *Scan = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Scan), PORT_TAG);
    ULONG Path, Target;

    if (Scan == NULL)
        return;
    Scan->Adapter = Adapter;
    Scan->Number = Number;
    for (Path = 0; Path < Adapter->Config.NumberOfBuses && !Stopping(Adapter); ++Path)
        for (Target = 0; Target < Adapter->Config.MaximumNumberOfTargets && !Stopping(Adapter); ++Target)
            ScanTarget(Scan, (UCHAR)Path, (UCHAR)Target);
    if (!Stopping(Adapter))
        DropUnseen(Scan);
    ExFreePoolWithTag(Scan, PORT_TAG);
}

static VOID ScanThread(PVOID Context)
{
    ADAPTER *Adapter = Context;
    ULONG Number = 0;

    for (;;) {
        KeWaitForSingleObject(&Adapter->ScanEvent, Executive, KernelMode, FALSE, NULL);
        if (Stopping(Adapter))
            break;
        PortEjectServe(Adapter);
        if (InterlockedExchange(&Adapter->ScanWanted, FALSE) == FALSE)
            continue;
        ScanAdapter(Adapter, ++Number);
        if (!Stopping(Adapter))
            IoInvalidateDeviceRelations(Adapter->Pdo, BusRelations);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS PortScanStart(ADAPTER *Adapter)
{
    HANDLE Thread;
    NTSTATUS Status;

    InterlockedExchange(&Adapter->ScanStop, FALSE);
    KeInitializeEvent(&Adapter->ScanEvent, SynchronizationEvent, FALSE);
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, ScanThread, Adapter);
    if (!NT_SUCCESS(Status))
        return Status;
    Status = ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, NULL, KernelMode, &Adapter->ScanThread, NULL);
    NT_ASSERT(NT_SUCCESS(Status));
    ZwClose(Thread);
    return STATUS_SUCCESS;
}

VOID PortScanStop(ADAPTER *Adapter)
{
    if (Adapter->ScanThread == NULL)
        return;
    InterlockedExchange(&Adapter->ScanStop, TRUE);
    KeSetEvent(&Adapter->ScanEvent, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(Adapter->ScanThread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(Adapter->ScanThread);
    Adapter->ScanThread = NULL;
    PortEjectRefuse(Adapter);
}

VOID PortScanWake(ADAPTER *Adapter)
{
    KeSetEvent(&Adapter->ScanEvent, IO_NO_INCREMENT, FALSE);
}

VOID PortScanRequest(ADAPTER *Adapter)
{
    if (!PortAdapterIsStarted(Adapter))
        return;
    InterlockedExchange(&Adapter->ScanWanted, TRUE);
    PortScanWake(Adapter);
}
