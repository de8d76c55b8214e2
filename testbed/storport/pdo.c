/* SPDX-License-Identifier: LGPL-2.1-only */
/* A logical unit's PDO: Plug and Play. Everything runs at PASSIVE_LEVEL. */
#include "port.h"

static NTSTATUS Start(UNIT *Unit, PIRP Irp)
{
    Unit->Started = TRUE;
    PortPlatformWatchStack(Unit->Pdo);
    PortUnitSendPnp(Unit, StorStartDevice);
    PortUnitControl(Unit, ScsiUnitStart, NULL);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS QueryRemove(UNIT *Unit, PIRP Irp)
{
    const BOOLEAN Refused = Unit->PagingCount != 0 || PortOrderTake(&PortOptions.RefuseRemovals);

    return PortIrpComplete(Irp, Refused ? STATUS_DEVICE_BUSY : STATUS_SUCCESS, 0);
}

/* The device stack above is gone. A unit that is no longer there loses its PDO and frees its address; else both stay.
 */
static NTSTATUS Remove(UNIT *Unit, PIRP Irp)
{
    PDEVICE_OBJECT Pdo = Unit->Pdo;
    const BOOLEAN Gone = Unit->State == UNIT_GONE;

    PortQueueFail(Unit, SRB_STATUS_NO_DEVICE);
    PortUnitWaitIdle(Unit);
    if (Unit->Started || Gone) {
        PortUnitSendPnp(Unit, StorRemoveDevice);
        PortUnitControl(Unit, ScsiUnitRemove, NULL);
    }
    Unit->Started = FALSE;
    if (!Gone)
        return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
    ((UNIT_DEVICE *)Pdo->DeviceExtension)->Unit = NULL;
    PortUnitUnlink(Unit);
    PortUnitDereference(Unit);
    PortIrpComplete(Irp, STATUS_SUCCESS, 0);
    IoDeleteDevice(Pdo);
    return STATUS_SUCCESS;
}

static NTSTATUS SurpriseRemoval(UNIT *Unit, PIRP Irp)
{
    PortQueueFail(Unit, SRB_STATUS_NO_DEVICE);
    PortUnitSendPnp(Unit, StorSurpriseRemoval);
    PortUnitControl(Unit, ScsiUnitSurpriseRemoval, NULL);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

/* The miniport's answer to StorQueryCapabilities; all zero when it has none. */
static VOID AskCapabilities(UNIT *Unit, STOR_DEVICE_CAPABILITIES_EX *Answer)
{
    const BOOLEAN Full =
        (Unit->Adapter->Miniport->Init.FeatureSupport & STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES) != 0;
    const ULONG Length = Full ? sizeof(STOR_DEVICE_CAPABILITIES_EX) : sizeof(STOR_DEVICE_CAPABILITIES);
    STOR_DEVICE_CAPABILITIES_EX *Buffer = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Buffer), PORT_TAG);
    REQUEST *Request = PortRequestMake(Unit);

    RtlZeroMemory(Answer, sizeof(*Answer));
    if (Buffer != NULL && Request != NULL) {
        RtlZeroMemory(Buffer, sizeof(*Buffer));
        Request->Fields.Function = SRB_FUNCTION_PNP;
        Request->Fields.PnpAction = StorQueryCapabilities;
        Request->Fields.Flags = SRB_FLAGS_DATA_IN;
        Request->Fields.TimeoutSeconds = PORT_SCAN_TIMEOUT_S;
        Request->Internal = TRUE;
        if (NT_SUCCESS(PortRequestDescribe(Request, Buffer, Length)) &&
            SRB_STATUS(PortRequestRun(Request)) == SRB_STATUS_SUCCESS) {
            if (Full) {
                PORT_REQUIRE(CAPABILITIES,
                             Buffer->Version == STOR_DEVICE_CAPABILITIES_EX_VERSION_1 && Buffer->Size == Length,
                             "Version is %u, Size %u", Buffer->Version, Buffer->Size);
                *Answer = *Buffer;
            } else {
                Answer->Removable = ((STOR_DEVICE_CAPABILITIES *)Buffer)->Removable;
            }
        }
    }
    if (Request != NULL)
        PortRequestFree(Request);
    if (Buffer != NULL)
        ExFreePoolWithTag(Buffer, PORT_TAG);
}

static NTSTATUS QueryCapabilities(UNIT *Unit, PIRP Irp)
{
    DEVICE_CAPABILITIES *Capabilities = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceCapabilities.Capabilities;
    STOR_DEVICE_CAPABILITIES_EX Answer;

    if (Capabilities->Version != 1)
        return PortIrpComplete(Irp, STATUS_UNSUCCESSFUL, 0);
    AskCapabilities(Unit, &Answer);
    Capabilities->LockSupported = Answer.LockSupported;
    Capabilities->EjectSupported = Answer.EjectSupported;
    Capabilities->Removable = Answer.Removable;
    Capabilities->DockDevice = Answer.DockDevice;
    Capabilities->UniqueID = Answer.UniqueID;
    Capabilities->SilentInstall = Answer.SilentInstall;
    Capabilities->RawDeviceOK = Answer.RawDeviceOK;
    Capabilities->SurpriseRemovalOK = Answer.SurpriseRemovalOK;
    Capabilities->NoDisplayInUI = Answer.NoDisplayInUI;
    Capabilities->Address = Unit->Lun;
    Capabilities->UINumber = Unit->Target;
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS CompleteWithText(PIRP Irp, PWSTR Text, BOOLEAN Known)
{
    if (!Known)
        return PortIrpComplete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    return PortIrpComplete(Irp, Text == NULL ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS, (ULONG_PTR)Text);
}

static NTSTATUS QueryId(const UNIT *Unit, PIRP Irp)
{
    const BUS_QUERY_ID_TYPE Type = IoGetCurrentIrpStackLocation(Irp)->Parameters.QueryId.IdType;
    const BOOLEAN Known = Type == BusQueryDeviceID || Type == BusQueryHardwareIDs || Type == BusQueryCompatibleIDs ||
                          Type == BusQueryInstanceID;

    return CompleteWithText(Irp, Known ? PortPdoId(Unit, Type) : NULL, Known);
}

static NTSTATUS QueryText(const UNIT *Unit, PIRP Irp)
{
    const DEVICE_TEXT_TYPE Type = IoGetCurrentIrpStackLocation(Irp)->Parameters.QueryDeviceText.DeviceTextType;

    return CompleteWithText(Irp, PortPdoText(Unit, Type), TRUE);
}

static NTSTATUS QueryRelations(const UNIT *Unit, PIRP Irp)
{
    DEVICE_RELATIONS *Relations;

    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.QueryDeviceRelations.Type != TargetDeviceRelation)
        return PortIrpComplete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    Relations = ExAllocatePoolWithTag(PagedPool, sizeof(*Relations), PORT_TAG);
    if (Relations == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    ObReferenceObject(Unit->Pdo);
    Relations->Count = 1;
    Relations->Objects[0] = Unit->Pdo;
    return PortIrpComplete(Irp, STATUS_SUCCESS, (ULONG_PTR)Relations);
}

static NTSTATUS DeviceUsage(UNIT *Unit, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const BOOLEAN InPath = Stack->Parameters.UsageNotification.InPath;
    STOR_UC_DEVICE_USAGE Usage;
    STOR_ADDR_BTL8 Address;

    PortUnitAddress(Unit, &Address);
    Usage.Address = (PSTOR_ADDRESS)&Address;
    Usage.UsageType = (SCSI_UC_DEVICE_USAGE_TYPE)Stack->Parameters.UsageNotification.Type;
    Usage.InUse = InPath;
    if (!PortUnitControl(Unit, ScsiUnitUsage, &Usage))
        return PortIrpComplete(Irp, STATUS_UNSUCCESSFUL, 0);
    if (InPath)
        InterlockedIncrement(&Unit->PagingCount);
    else
        InterlockedDecrement(&Unit->PagingCount);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

NTSTATUS PortPdoPnp(UNIT *Unit, PIRP Irp)
{
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return Start(Unit, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(Unit, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        return SurpriseRemoval(Unit, Irp);
    case IRP_MN_QUERY_REMOVE_DEVICE:
        return QueryRemove(Unit, Irp);
    case IRP_MN_QUERY_STOP_DEVICE:
        return PortIrpComplete(Irp, Unit->PagingCount != 0 ? STATUS_DEVICE_BUSY : STATUS_SUCCESS, 0);
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_EJECT:
        return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
    case IRP_MN_QUERY_CAPABILITIES:
        return QueryCapabilities(Unit, Irp);
    case IRP_MN_QUERY_ID:
        return QueryId(Unit, Irp);
    case IRP_MN_QUERY_DEVICE_TEXT:
        return QueryText(Unit, Irp);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        return QueryRelations(Unit, Irp);
    case IRP_MN_DEVICE_USAGE_NOTIFICATION:
        return DeviceUsage(Unit, Irp);
    default:
        return PortIrpComplete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    }
}
