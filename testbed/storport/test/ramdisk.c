/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A virtual miniport with up to four RAM disks: the port driver's own tests run on it, and with a fault named in the
 * registry it breaks exactly one rule of conduct.h (faults.c). Uses Storport and NT calls only, under Wine and
 * natively.
 */
#include "ramdisk_driver.h"

static const UCHAR Names[] = "WNBDTESTRAM DISK        1.0 ";

VOID RamCount(RAM *Ram, unsigned *Counter)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Ram->Lock, &Irql);
    ++*Counter;
    KeReleaseSpinLock(&Ram->Lock, Irql);
}

VOID RamComplete(RAM *Ram, PVOID Srb, UCHAR Status, UCHAR ScsiStatus, ULONG Length)
{
    RamSetResult(Srb, Status, ScsiStatus, Length);
    RamFaultAtCompletion(Ram, Srb);
    StorPortNotification(RequestComplete, Ram, Srb);
    RamFaultAfterCompletion(Ram, Srb);
}

/* Fixed format, 18 bytes: ILLEGAL REQUEST, invalid command operation code. */
static VOID CheckCondition(RAM *Ram, PVOID Srb)
{
    UCHAR Room = 0;
    PUCHAR Sense = RamSense(Srb, &Room);
    UCHAR Status = SRB_STATUS_ERROR;
    const UCHAR Length = Room < 18 ? Room : 18;

    if (Sense != NULL && Room != 0 &&
        ((RamFlags(Srb) & SRB_FLAGS_DISABLE_AUTOSENSE) == 0 || RamIsFaulty(Ram, "SENSE_UNWANTED"))) {
        UCHAR Data[18] = {0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20};

        RtlCopyMemory(Sense, Data, Length);
        RamSetSenseLength(Srb, Length);
        Status |= SRB_STATUS_AUTOSENSE_VALID;
    }
    RamComplete(Ram, Srb, Status, SCSISTAT_CHECK_CONDITION, 0);
}

static VOID Answer(RAM *Ram, PVOID Srb, const UCHAR *Data, ULONG Length)
{
    if (Length > RamDataLength(Srb))
        Length = RamDataLength(Srb);
    /* MapBuffers has it mapped: no READ or WRITE comes here. */
    if (Length != 0)
        RtlCopyMemory(RamDataBuffer(Srb), Data, Length);
    RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, Length);
}

static VOID Inquiry(RAM *Ram, PVOID Srb, const UCHAR *Cdb)
{
    UCHAR Data[64] = {0};
    ULONG Length = 36;
    const UCHAR Target = RamTarget(Srb);

    if ((Cdb[1] & 1) == 0) {
        RamCount(Ram, &Ram->State.Inquiries);
        Data[2] = 6;
        Data[3] = 2;
        Data[4] = 31;
        Data[7] = 2;
        RtlCopyMemory(Data + 8, Names, 28);
    } else if (Cdb[2] == 0x00) {
        Data[3] = 3;
        Data[5] = 0x80;
        Data[6] = 0x83;
        Length = 7;
    } else if (Cdb[2] == 0x80) {
        Data[1] = 0x80;
        Data[3] = 4;
        RtlCopyMemory(Data + 4, "RAM", 3);
        Data[7] = (UCHAR)('0' + Target);
        Length = 8;
    } else if (Cdb[2] == 0x83) {
        Data[1] = 0x83;
        Data[3] = 12;
        Data[4] = 2; /* ASCII */
        Data[5] = 1; /* T10 vendor identification */
        Data[7] = 8;
        RtlCopyMemory(Data + 8, "WNBDTES", 7);
        Data[15] = (UCHAR)('0' + Target);
        Length = 16;
    } else {
        CheckCondition(Ram, Srb);
        return;
    }
    RamFaultInInquiry(Ram, Cdb, Data);
    Answer(Ram, Srb, Data, Length < Cdb[4] ? Length : Cdb[4]);
}

static VOID ReportLuns(RAM *Ram, PVOID Srb)
{
    UCHAR Data[24] = {0};
    ULONG Length = 16;

    Data[3] = 8;
    RamFaultInReportLuns(Ram, Data, &Length);
    Answer(Ram, Srb, Data, Length);
}

static VOID ReadCapacity(RAM *Ram, PVOID Srb)
{
    const ULONG Last = RAM_DISK_SIZE / RAM_BLOCK_SIZE - 1;
    const UCHAR Data[8] = {0, 0, (UCHAR)(Last >> 8), (UCHAR)Last, 0, 0, RAM_BLOCK_SIZE >> 8, 0};

    Answer(Ram, Srb, Data, sizeof(Data));
}

static VOID Transfer(RAM *Ram, PVOID Srb, const UCHAR *Cdb)
{
    const ULONG Block = ((ULONG)Cdb[2] << 24) | ((ULONG)Cdb[3] << 16) | ((ULONG)Cdb[4] << 8) | Cdb[5];
    const ULONG Length = (((ULONG)Cdb[7] << 8) | Cdb[8]) * RAM_BLOCK_SIZE;
    PUCHAR Disk = Ram->Disks[RamTarget(Srb)];
    PVOID Buffer = NULL;
    ULONG Status;
    KIRQL Irql;

    if (Block > RAM_DISK_SIZE / RAM_BLOCK_SIZE || Length > RAM_DISK_SIZE - Block * RAM_BLOCK_SIZE ||
        Length != RamDataLength(Srb)) {
        CheckCondition(Ram, Srb);
        return;
    }
    Status = StorPortGetSystemAddress(Ram, Srb, &Buffer);
    if (Status == STOR_STATUS_INSUFFICIENT_RESOURCES) {
        RamComplete(Ram, Srb, SRB_STATUS_BUSY, SCSISTAT_GOOD, Length);
        return;
    }
    KeAcquireSpinLock(&Ram->Lock, &Irql);
    Ram->State.LastDataUnusable = RamDataBuffer(Srb) != Buffer;
    KeReleaseSpinLock(&Ram->Lock, Irql);
    if (Cdb[0] == 0x2A)
        RtlCopyMemory(Disk + Block * RAM_BLOCK_SIZE, Buffer, Length);
    else
        RtlCopyMemory(Buffer, Disk + Block * RAM_BLOCK_SIZE, Length);
    RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, Length);
}

VOID RamExecute(RAM *Ram, PVOID Srb)
{
    const UCHAR *Cdb = RamCdb(Srb);

    switch (Cdb[0]) {
    case 0x00:
        RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, 0);
        break;
    case 0x12:
        Inquiry(Ram, Srb, Cdb);
        break;
    case 0x25:
        ReadCapacity(Ram, Srb);
        break;
    case 0x28:
    case 0x2A:
        Transfer(Ram, Srb, Cdb);
        break;
    case 0xA0:
        ReportLuns(Ram, Srb);
        break;
    default:
        CheckCondition(Ram, Srb);
        break;
    }
}

static BOOLEAN IsMedium(UCHAR Operation)
{
    return Operation == 0x00 || Operation == 0x28 || Operation == 0x2A;
}

/* Busy, held or deferred requests; TRUE: the request was taken care of. */
static BOOLEAN Diverted(RAM *Ram, PVOID Srb)
{
    enum { NO, BUSY, FULL, HELD, DEFERRED } What = NO;
    KIRQL Irql;

    if (!IsMedium(RamCdb(Srb)[0]))
        return FALSE;
    KeAcquireSpinLock(&Ram->Lock, &Irql);
    if (Ram->Busy != 0) {
        --Ram->Busy;
        What = BUSY;
    } else if (Ram->Full != 0 && Ram->State.Held != 0) {
        --Ram->Full;
        What = FULL;
    } else if (Ram->Hold != 0 && Ram->State.Held < RAM_HELD_MAX) {
        --Ram->Hold;
        Ram->Held[Ram->State.Held++] = Srb;
        if (Ram->State.Held > Ram->State.MaximumHeld)
            Ram->State.MaximumHeld = Ram->State.Held;
        What = HELD;
    } else if (Ram->Defer && Ram->DeferredCount < RAM_HELD_MAX) {
        Ram->Deferred[Ram->DeferredCount++] = Srb;
        What = DEFERRED;
    }
    KeReleaseSpinLock(&Ram->Lock, Irql);
    if (What == BUSY || What == FULL)
        RamComplete(Ram, Srb, SRB_STATUS_BUSY, What == FULL ? SCSISTAT_QUEUE_FULL : SCSISTAT_BUSY, RamDataLength(Srb));
    if (What == DEFERRED)
        KeInsertQueueDpc(&Ram->Dpc, NULL, NULL);
    return What != NO;
}

static VOID DeferredDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    RAM *Ram = DeferredContext;
    PVOID Srb;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    do {
        KeAcquireSpinLock(&Ram->Lock, &Irql);
        Srb = Ram->DeferredCount == 0 ? NULL : Ram->Deferred[--Ram->DeferredCount];
        KeReleaseSpinLock(&Ram->Lock, Irql);
        if (Srb != NULL)
            RamExecute(Ram, Srb);
    } while (Srb != NULL);
}

/* Completes what is held: as asked for, or with Status when that isn't 0. */
VOID RamRelease(RAM *Ram, UCHAR Status)
{
    PVOID Srb;
    KIRQL Irql;

    do {
        KeAcquireSpinLock(&Ram->Lock, &Irql);
        Srb = Ram->State.Held == 0 ? NULL : Ram->Held[--Ram->State.Held];
        KeReleaseSpinLock(&Ram->Lock, Irql);
        if (Srb != NULL && Status == 0)
            RamExecute(Ram, Srb);
        else if (Srb != NULL)
            RamComplete(Ram, Srb, Status, SCSISTAT_GOOD, 0);
    } while (Srb != NULL);
}

VOID RamReleaseOne(RAM *Ram)
{
    PVOID Srb;
    KIRQL Irql;

    KeAcquireSpinLock(&Ram->Lock, &Irql);
    Srb = Ram->State.Held == 0 ? NULL : Ram->Held[--Ram->State.Held];
    KeReleaseSpinLock(&Ram->Lock, Irql);
    if (Srb != NULL)
        RamExecute(Ram, Srb);
}

/* Answers the resets that were kept. */
static VOID ReleaseResets(RAM *Ram)
{
    PVOID Srb;
    KIRQL Irql;

    do {
        KeAcquireSpinLock(&Ram->Lock, &Irql);
        Srb = Ram->HungCount == 0 ? NULL : Ram->HungResets[--Ram->HungCount];
        KeReleaseSpinLock(&Ram->Lock, Irql);
        if (Srb != NULL)
            RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, 0);
    } while (Srb != NULL);
}

static VOID Reset(RAM *Ram, PVOID Srb, unsigned *Counter)
{
    BOOLEAN Fails, Hangs;
    KIRQL Irql;

    RamCount(Ram, Counter);
    KeAcquireSpinLock(&Ram->Lock, &Irql);
    Fails = Ram->ResetFails != 0;
    if (Fails)
        --Ram->ResetFails;
    Hangs = !Fails && Ram->ResetHangs != 0 && Ram->HungCount < RTL_NUMBER_OF(Ram->HungResets);
    if (Hangs) {
        --Ram->ResetHangs;
        Ram->HungResets[Ram->HungCount++] = Srb;
    }
    KeReleaseSpinLock(&Ram->Lock, Irql);
    if (Hangs)
        return;
    if (Fails) {
        RamComplete(Ram, Srb, SRB_STATUS_ERROR, SCSISTAT_GOOD, 0);
        return;
    }
    if (!RamIsFaulty(Ram, "RESET_LEFT") && !RamIsFaulty(Ram, "TIMEOUT_LEFT"))
        RamRelease(Ram, SRB_STATUS_BUS_RESET);
    ReleaseResets(Ram);
    RamComplete(Ram, Srb, RamIsFaulty(Ram, "TIMEOUT_LEFT") ? SRB_STATUS_ERROR : SRB_STATUS_SUCCESS, SCSISTAT_GOOD, 0);
}

static VOID Pnp(RAM *Ram, PVOID Srb)
{
    STOR_DEVICE_CAPABILITIES_EX Capabilities;

    if (RamPnpAction(Srb) == StorQueryCapabilities && RamDataLength(Srb) >= sizeof(Capabilities)) {
        RtlZeroMemory(&Capabilities, sizeof(Capabilities));
        Capabilities.Version = STOR_DEVICE_CAPABILITIES_EX_VERSION_1;
        Capabilities.Size = RamIsFaulty(Ram, "CAPABILITIES") ? 8 : sizeof(Capabilities);
        Capabilities.Removable = 1;
        Capabilities.SurpriseRemovalOK = 1;
        Capabilities.SilentInstall = 1;
        RtlCopyMemory(RamDataBuffer(Srb), &Capabilities, sizeof(Capabilities));
    }
    RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, RamDataLength(Srb));
}

static VOID ExecuteScsi(RAM *Ram, PVOID Srb)
{
    const UCHAR Target = RamTarget(Srb);
    const BOOLEAN Listing = RamCdb(Srb)[0] == 0xA0;

    if (Target >= RAM_TARGETS || !Ram->Present[Target])
        RamComplete(Ram, Srb, SRB_STATUS_NO_DEVICE, SCSISTAT_GOOD, 0);
    else if (Ram->Vanished[Target] && !Listing)
        RamComplete(Ram, Srb, SRB_STATUS_NO_DEVICE, SCSISTAT_GOOD, 0);
    else if (!Diverted(Ram, Srb))
        RamExecute(Ram, Srb);
}

BOOLEAN RamStartIo(PVOID DeviceExtension, PSCSI_REQUEST_BLOCK Srb)
{
    RAM *Ram = DeviceExtension;

    if (RamFaultInStartIo(Ram, Srb))
        return RamIsFaulty(Ram, "COMPLETE_REFUSED") ? FALSE : TRUE;
    switch (RamFunction(Srb)) {
    case SRB_FUNCTION_EXECUTE_SCSI:
        ExecuteScsi(Ram, Srb);
        break;
    case SRB_FUNCTION_FLUSH:
    case SRB_FUNCTION_SHUTDOWN:
        RamComplete(Ram, Srb, SRB_STATUS_SUCCESS, SCSISTAT_GOOD, 0);
        break;
    case SRB_FUNCTION_RESET_LOGICAL_UNIT:
        Reset(Ram, Srb, &Ram->State.LunResets);
        break;
    case SRB_FUNCTION_RESET_DEVICE:
        Reset(Ram, Srb, &Ram->State.TargetResets);
        break;
    case SRB_FUNCTION_PNP:
        Pnp(Ram, Srb);
        break;
    default:
        RamComplete(Ram, Srb, SRB_STATUS_INVALID_REQUEST, SCSISTAT_GOOD, 0);
        break;
    }
    return TRUE;
}

BOOLEAN RamResetBus(PVOID DeviceExtension, ULONG PathId)
{
    RAM *Ram = DeviceExtension;

    UNREFERENCED_PARAMETER(PathId);
    RamCount(Ram, &Ram->State.BusResets);
    if (!RamIsFaulty(Ram, "TIMEOUT_LEFT"))
        RamRelease(Ram, SRB_STATUS_BUS_RESET);
    ReleaseResets(Ram);
    return !RamIsFaulty(Ram, "TIMEOUT_LEFT");
}

VOID RamInitialize(RAM *Ram)
{
    KeInitializeSpinLock(&Ram->Lock);
    KeInitializeDpc(&Ram->Dpc, DeferredDpc, Ram);
    Ram->Present[0] = TRUE;
}
