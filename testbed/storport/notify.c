/* SPDX-License-Identifier: LGPL-2.1-only */
/* What miniports call: StorPortNotification, StorPortExtendedFunction and the exports beside them. */
#include "port.h"

static VOID EnablePassive(ADAPTER *Adapter, PHW_PASSIVE_INITIALIZE_ROUTINE Routine, LONG *Succeeded)
{
    PORT_REQUIRE(PASSIVE_PLACE, Adapter->InHwInitialize, "adapter %u", (unsigned)Adapter->PortNumber);
    Adapter->PassiveInitialize = Routine;
    *Succeeded = TRUE;
}

static VOID SetTimer(ADAPTER *Adapter, PHW_TIMER Timer, ULONG Microseconds)
{
    KIRQL Irql;

    PortHook(PORT_AT_TIMER, Microseconds == 0 ? NULL : Adapter);
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Timer = Microseconds == 0 ? NULL : Timer;
    Adapter->TimerDue = PortPlatformTime() + 10ull * Microseconds;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

/* Storport has been seen to ignore one that came soon after another. */
static VOID BusChanged(ADAPTER *Adapter)
{
    if (!PortOrderTake(&PortOptions.MissBusChanges))
        PortScanRequest(Adapter);
}

static VOID SetPause(ADAPTER *Adapter, UNIT *Unit, ULONG Seconds)
{
    const ULONGLONG Until = Seconds == 0 ? 0 : PortPlatformTime() + Seconds * PORT_S_100NS;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Unit != NULL)
        Unit->PausedUntil = Until;
    else
        Adapter->PausedUntil = Until;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Seconds == 0)
        PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

static VOID SetBusy(ADAPTER *Adapter, UNIT *Unit, ULONG Count)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Unit != NULL)
        Unit->BusyCount = Unit->Outstanding == 0 ? 0 : Count;
    else
        Adapter->BusyCount = Adapter->OutstandingCount == 0 ? 0 : Count;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Count == 0)
        PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

VOID StorPortNotification(SCSI_NOTIFICATION_TYPE NotificationType, PVOID HwDeviceExtension, ...)
{
    ADAPTER *Adapter = PortAdapterFromExtension(HwDeviceExtension);
    va_list Arguments;

    va_start(Arguments, HwDeviceExtension);
    switch (NotificationType) {
    case RequestComplete:
        PortQueueComplete(Adapter, va_arg(Arguments, PVOID));
        break;
    case BusChangeDetected:
        BusChanged(Adapter);
        break;
    case RequestTimerCall: {
        PHW_TIMER Timer = va_arg(Arguments, PHW_TIMER);

        SetTimer(Adapter, Timer, va_arg(Arguments, ULONG));
        break;
    }
    case EnablePassiveInitialization: {
        PHW_PASSIVE_INITIALIZE_ROUTINE Routine = va_arg(Arguments, PHW_PASSIVE_INITIALIZE_ROUTINE);

        EnablePassive(Adapter, Routine, va_arg(Arguments, LONG *));
        break;
    }
    case LinkDown:
        SetPause(Adapter, NULL, 30);
        break;
    case LinkUp:
        SetPause(Adapter, NULL, 0);
        break;
    case QueryTickCount:
        KeQueryTickCount(va_arg(Arguments, PLARGE_INTEGER));
        break;
    case ResetDetected:
    case WMIEvent:
    case WMIReregister:
    case BufferOverrunDetected:
        break;
    default:
        PortViolation(PORT_RULE_NOTIFY_TYPE, "type 0x%x", (unsigned)NotificationType);
    }
    va_end(Arguments);
}

/* The request behind an SRB that the miniport holds; kept alive by the caller, whose SRB it is. */
static REQUEST *FindRequest(ADAPTER *Adapter, PVOID Srb)
{
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueOutstanding(Adapter, Srb);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PORT_REQUIRE(COMPLETE_UNKNOWN, Request != NULL, "the SRB at %p isn't the miniport's", Srb);
    return Request;
}

static ULONG GetSystemAddress(ADAPTER *Adapter, PVOID Srb, PVOID *Address)
{
    const REQUEST *Request = FindRequest(Adapter, Srb);

    if (Request->SystemAddress == NULL)
        return STOR_STATUS_INVALID_PARAMETER;
    if (!PortRequestIsMapped(Request) && PortOptions.FailMappingEvery != 0 &&
        (ULONG)InterlockedIncrement(&Adapter->MappingCalls) % PortOptions.FailMappingEvery == 0)
        return STOR_STATUS_INSUFFICIENT_RESOURCES;
    *Address = Request->SystemAddress;
    return STOR_STATUS_SUCCESS;
}

static ULONG GetOriginalMdl(ADAPTER *Adapter, PVOID Srb, PVOID *Mdl)
{
    const REQUEST *Request = FindRequest(Adapter, Srb);

    if (Request->Mdl == NULL)
        return STOR_STATUS_INVALID_PARAMETER;
    *Mdl = Request->Mdl;
    return STOR_STATUS_SUCCESS;
}

static BOOLEAN IsInquiryOf(REQUEST *Request, PVOID Context)
{
    const STOR_ADDR_BTL8 *Address = Context;
    const SRB_FIELDS *Fields = &Request->Fields;

    return Fields->Path == Address->Path && Fields->Target == Address->Target && Fields->Lun == Address->Lun &&
           Fields->Function == SRB_FUNCTION_EXECUTE_SCSI && Fields->Cdb[0] == 0x12;
}

static ULONG SetUnitAttributes(ADAPTER *Adapter, STOR_ADDR_BTL8 *Address, ULONG Attributes)
{
    BOOLEAN Inquiring;
    KIRQL Irql;

    if (Address == NULL || Address->Type != STOR_ADDRESS_TYPE_BTL8 ||
        Address->AddressLength != STOR_ADDR_BTL8_ADDRESS_LENGTH || Attributes > 7)
        return STOR_STATUS_INVALID_PARAMETER;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Inquiring = PortQueueWalk(Adapter, IsInquiryOf, Address) != NULL;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PORT_REQUIRE(ATTRIBUTES_PLACE, Inquiring, "unit %u:%u:%u", Address->Path, Address->Target, Address->Lun);
    return STOR_STATUS_SUCCESS;
}

static ULONG AllocatePool(ULONG Length, ULONG Tag, PVOID *Memory)
{
    *Memory = ExAllocatePoolWithTag(NonPagedPoolNx, Length, Tag);
    return *Memory == NULL ? STOR_STATUS_INSUFFICIENT_RESOURCES : STOR_STATUS_SUCCESS;
}

static ULONG GetDeviceObjects(ADAPTER *Adapter, va_list Arguments)
{
    PVOID *Fdo = va_arg(Arguments, PVOID *);
    PVOID *Pdo = va_arg(Arguments, PVOID *);
    PVOID *Lower = va_arg(Arguments, PVOID *);

    *Fdo = Adapter->Fdo;
    *Pdo = Adapter->Pdo;
    *Lower = Adapter->Lower;
    return STOR_STATUS_SUCCESS;
}

ULONG StorPortExtendedFunction(STORPORT_FUNCTION_CODE FunctionCode, PVOID HwDeviceExtension, ...)
{
    ADAPTER *Adapter = PortAdapterFromExtension(HwDeviceExtension);
    ULONG Status = STOR_STATUS_NOT_IMPLEMENTED;
    va_list Arguments;
    PVOID First;

    va_start(Arguments, HwDeviceExtension);
    switch (FunctionCode) {
    case ExtFunctionAllocatePool: {
        const ULONG Length = va_arg(Arguments, ULONG);
        const ULONG Tag = va_arg(Arguments, ULONG);

        Status = AllocatePool(Length, Tag, va_arg(Arguments, PVOID *));
        break;
    }
    case ExtFunctionFreePool:
        ExFreePool(va_arg(Arguments, PVOID));
        Status = STOR_STATUS_SUCCESS;
        break;
    case ExtFunctionGetSystemAddress:
        First = va_arg(Arguments, PVOID);
        Status = GetSystemAddress(Adapter, First, va_arg(Arguments, PVOID *));
        break;
    case ExtFunctionGetOriginalMdl:
        First = va_arg(Arguments, PVOID);
        Status = GetOriginalMdl(Adapter, First, va_arg(Arguments, PVOID *));
        break;
    case ExtFunctionCompleteServiceIrp:
        Status = PortServiceComplete(Adapter, va_arg(Arguments, PVOID));
        break;
    case ExtFunctionGetDeviceObjects:
        Status = GetDeviceObjects(Adapter, Arguments);
        break;
    case ExtFunctionSetUnitAttributes:
        First = va_arg(Arguments, PVOID);
        Status = SetUnitAttributes(Adapter, First, va_arg(Arguments, ULONG));
        break;
    default:
        break;
    }
    va_end(Arguments);
    return Status;
}

BOOLEAN NTAPI StorPortSetDeviceQueueDepth(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun, ULONG Depth)
{
    ADAPTER *Adapter = PortAdapterFromExtension(HwDeviceExtension);
    UNIT *Unit = PortUnitFind(Adapter, PathId, TargetId, Lun);
    BOOLEAN Done;
    KIRQL Irql;

    if (Unit == NULL)
        return FALSE;
    PORT_REQUIRE(DEPTH_EARLY, Unit->Inquired, "unit %u:%u:%u wasn't asked for INQUIRY yet", PathId, TargetId, Lun);
    PORT_REQUIRE(DEPTH_EARLY, Depth != 0, "unit %u:%u:%u gets depth 0", PathId, TargetId, Lun);
    Done = Depth <= Adapter->Config.MaxIOsPerLun;
    if (Done) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Unit->QueueDepth = Depth;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        PortPlatformQueueDpc(&Adapter->CompletionDpc);
    }
    PortUnitDereference(Unit);
    return Done;
}

static BOOLEAN WithUnit(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                        VOID (*Set)(ADAPTER *, UNIT *, ULONG), ULONG Value)
{
    ADAPTER *Adapter = PortAdapterFromExtension(HwDeviceExtension);
    UNIT *Unit = PortUnitFind(Adapter, PathId, TargetId, Lun);

    if (Unit == NULL)
        return FALSE;
    Set(Adapter, Unit, Value);
    PortUnitDereference(Unit);
    return TRUE;
}

BOOLEAN NTAPI StorPortPauseDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                  ULONG TimeoutSeconds)
{
    return WithUnit(HwDeviceExtension, PathId, TargetId, Lun, SetPause, TimeoutSeconds);
}

BOOLEAN NTAPI StorPortResumeDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun)
{
    return WithUnit(HwDeviceExtension, PathId, TargetId, Lun, SetPause, 0);
}

BOOLEAN NTAPI StorPortPause(PVOID HwDeviceExtension, ULONG TimeoutSeconds)
{
    SetPause(PortAdapterFromExtension(HwDeviceExtension), NULL, TimeoutSeconds);
    return TRUE;
}

BOOLEAN NTAPI StorPortResume(PVOID HwDeviceExtension)
{
    SetPause(PortAdapterFromExtension(HwDeviceExtension), NULL, 0);
    return TRUE;
}

BOOLEAN NTAPI StorPortDeviceBusy(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                 ULONG RequestsToComplete)
{
    return WithUnit(HwDeviceExtension, PathId, TargetId, Lun, SetBusy, RequestsToComplete);
}

BOOLEAN NTAPI StorPortDeviceReady(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun)
{
    return WithUnit(HwDeviceExtension, PathId, TargetId, Lun, SetBusy, 0);
}

BOOLEAN NTAPI StorPortBusy(PVOID HwDeviceExtension, ULONG RequestsToComplete)
{
    SetBusy(PortAdapterFromExtension(HwDeviceExtension), NULL, RequestsToComplete);
    return TRUE;
}

BOOLEAN NTAPI StorPortReady(PVOID HwDeviceExtension)
{
    SetBusy(PortAdapterFromExtension(HwDeviceExtension), NULL, 0);
    return TRUE;
}

PVOID NTAPI StorPortGetLogicalUnit(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun)
{
    UNIT *Unit = PortUnitFind(PortAdapterFromExtension(HwDeviceExtension), PathId, TargetId, Lun);
    PVOID Extension;

    if (Unit == NULL)
        return NULL;
    Extension = Unit->HwExtension;
    PortUnitDereference(Unit);
    return Extension;
}

VOID NTAPI StorPortQuerySystemTime(PLARGE_INTEGER CurrentTime)
{
    KeQuerySystemTime(CurrentTime);
}

VOID StorPortDebugPrint(ULONG DebugPrintLevel, PCSTR DebugMessage, ...)
{
    CHAR Text[256];
    va_list Arguments;

    va_start(Arguments, DebugMessage);
    PortPlatformFormat(Text, sizeof(Text), DebugMessage, Arguments);
    va_end(Arguments);
    DbgPrint("miniport (%u): %s", (unsigned)DebugPrintLevel, Text);
}

VOID NTAPI StorPortCompleteRequest(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun, UCHAR SrbStatus)
{
    UNREFERENCED_PARAMETER(HwDeviceExtension);
    PortViolation(PORT_RULE_FORBIDDEN_CALL, "StorPortCompleteRequest for %u:%u:%u, status 0x%02x", PathId, TargetId,
                  Lun, SrbStatus);
}

VOID NTAPI StorPortLogError(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                            ULONG ErrorCode, ULONG UniqueId)
{
    UNREFERENCED_PARAMETER(HwDeviceExtension);
    UNREFERENCED_PARAMETER(Srb);
    UNREFERENCED_PARAMETER(UniqueId);
    PortViolation(PORT_RULE_FORBIDDEN_CALL, "StorPortLogError for %u:%u:%u, code 0x%x", PathId, TargetId, Lun,
                  (unsigned)ErrorCode);
}
