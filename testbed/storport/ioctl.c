/* SPDX-License-Identifier: LGPL-2.1-only */
/* Device control requests of adapters and units. */
#include "port.h"
#include "eject_ioctl.h"
#include "order_ioctl.h"
#include "power_ioctl.h"
#include "storage_ioctl.h"

static NTSTATUS GetAddress(const ADAPTER *Adapter, const UNIT *Unit, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    PORT_SCSI_ADDRESS *Address = Irp->AssociatedIrp.SystemBuffer;

    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(*Address))
        return PortIrpComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlZeroMemory(Address, sizeof(*Address));
    Address->Length = sizeof(*Address);
    Address->PortNumber = (UCHAR)Adapter->PortNumber;
    if (Unit != NULL) {
        Address->PathId = Unit->Path;
        Address->TargetId = Unit->Target;
        Address->Lun = Unit->Lun;
    }
    return PortIrpComplete(Irp, STATUS_SUCCESS, sizeof(*Address));
}

static NTSTATUS GetCapabilities(const ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    PORT_IO_SCSI_CAPABILITIES *Capabilities = Irp->AssociatedIrp.SystemBuffer;

    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(*Capabilities))
        return PortIrpComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlZeroMemory(Capabilities, sizeof(*Capabilities));
    Capabilities->Length = sizeof(*Capabilities);
    Capabilities->MaximumTransferLength = Adapter->Config.MaximumTransferLength;
    Capabilities->MaximumPhysicalPages = Adapter->Config.NumberOfPhysicalBreaks;
    Capabilities->AlignmentMask = Adapter->Config.AlignmentMask;
    Capabilities->TaggedQueuing = Adapter->Config.TaggedQueuing;
    return PortIrpComplete(Irp, STATUS_SUCCESS, sizeof(*Capabilities));
}

static VOID IoControlDone(REQUEST *Request)
{
    PIRP Irp = Request->Irp;
    const NTSTATUS Status = PortSrbStatusToNt(Request->Fields.SrbStatus);
    const ULONG Information = NT_SUCCESS(Status) ? Request->Fields.DataLength : 0;

    PortRequestFree(Request);
    PortIrpComplete(Irp, Status, Information);
}

/* IOCTL_SCSI_MINIPORT: the buffer goes to the miniport in an SRB_FUNCTION_IO_CONTROL request. */
static NTSTATUS MiniportIoctl(UNIT *Unit, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const ULONG In = Stack->Parameters.DeviceIoControl.InputBufferLength;
    const ULONG Out = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    const ULONG HeaderLength = 28; /* SRB_IO_CONTROL */
    REQUEST *Request;

    if (In < HeaderLength)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    Request = PortRequestMake(Unit);
    if (Request == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    Request->Fields.Function = SRB_FUNCTION_IO_CONTROL;
    Request->Fields.Flags = SRB_FLAGS_DATA_IN | SRB_FLAGS_DATA_OUT;
    Request->Fields.TimeoutSeconds = PORT_SCAN_TIMEOUT_S;
    Request->Irp = Irp;
    Request->Done = IoControlDone;
    if (!NT_SUCCESS(PortRequestDescribe(Request, Irp->AssociatedIrp.SystemBuffer, In > Out ? In : Out))) {
        PortRequestFree(Request);
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(Irp);
    PortQueueSubmit(Request);
    return STATUS_PENDING;
}

static NTSTATUS Rescan(ADAPTER *Adapter, PIRP Irp)
{
    PortScanRequest(Adapter);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

/* IOCTL_STORAGE_RESET_BUS. */
static NTSTATUS ResetBus(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const PORT_BUS_RESET_REQUEST *Request = Irp->AssociatedIrp.SystemBuffer;

    if (Stack->Parameters.DeviceIoControl.InputBufferLength < sizeof(*Request) ||
        Request->PathId >= Adapter->Config.NumberOfBuses)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    return PortIrpComplete(Irp, PortResetBus(Adapter, Request->PathId) ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR, 0);
}

BOOLEAN PortOrderTake(volatile LONG *Count)
{
    LONG Left = InterlockedCompareExchange(Count, 0, 0);

    while (Left > 0) {
        const LONG Seen = InterlockedCompareExchange(Count, Left - 1, Left);

        if (Seen == Left)
            return TRUE;
        Left = Seen;
    }
    return FALSE;
}

static NTSTATUS TakeOrder(PIRP Irp)
{
    const PORT_ORDER *Order = Irp->AssociatedIrp.SystemBuffer;

    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.InputBufferLength != sizeof(*Order) ||
        Order->Kind > PORT_ORDER_REFUSE)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    InterlockedExchange(Order->Kind == PORT_ORDER_MISS ? &PortOptions.MissBusChanges : &PortOptions.RefuseRemovals,
                        (LONG)Order->Count);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

NTSTATUS PortUnitIoctl(UNIT *Unit, PIRP Irp)
{
    switch (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode) {
    case PORT_IOCTL_SCSI_GET_ADDRESS:
        return GetAddress(Unit->Adapter, Unit, Irp);
    case PORT_IOCTL_SCSI_GET_CAPABILITIES:
        return GetCapabilities(Unit->Adapter, Irp);
    case PORT_IOCTL_SCSI_RESCAN_BUS:
        return Rescan(Unit->Adapter, Irp);
    case PORT_IOCTL_SCSI_PASS_THROUGH:
        return PortPassThrough(Unit, Irp, FALSE);
    case PORT_IOCTL_SCSI_PASS_THROUGH_DIRECT:
        return PortPassThrough(Unit, Irp, TRUE);
    case PORT_IOCTL_SCSI_MINIPORT:
        return MiniportIoctl(Unit, Irp);
    case PORT_IOCTL_STORAGE_QUERY_PROPERTY:
        return PortPropertyQuery(Unit->Adapter, Unit, Irp);
    default:
        return PortIrpComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static NTSTATUS PlatformIoctl(PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    ULONG_PTR Information;
    const NTSTATUS Status =
        PortPlatformControl(Stack->Parameters.DeviceIoControl.IoControlCode, Irp->AssociatedIrp.SystemBuffer,
                            Stack->Parameters.DeviceIoControl.InputBufferLength,
                            Stack->Parameters.DeviceIoControl.OutputBufferLength, &Information);

    return PortIrpComplete(Irp, Status, Information);
}

NTSTATUS PortAdapterIoctl(ADAPTER *Adapter, PIRP Irp)
{
    const ULONG Code = IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode;

    if (!PortAdapterIsStarted(Adapter))
        return PortIrpComplete(Irp, STATUS_DEVICE_NOT_READY, 0);
    switch (Code) {
    case IOCTL_MINIPORT_PROCESS_SERVICE_IRP:
        return PortServiceRequest(Adapter, Irp);
    case PORT_IOCTL_SCSI_GET_ADDRESS:
        return GetAddress(Adapter, NULL, Irp);
    case PORT_IOCTL_SCSI_GET_CAPABILITIES:
        return GetCapabilities(Adapter, Irp);
    case PORT_IOCTL_SCSI_RESCAN_BUS:
        return Rescan(Adapter, Irp);
    case PORT_IOCTL_SCSI_MINIPORT:
        return MiniportIoctl(Adapter->Self, Irp);
    case PORT_IOCTL_EJECT:
        return PortEject(Adapter, Irp);
    case PORT_IOCTL_REMOVE:
        return PortRemove(Adapter, Irp);
    case PORT_IOCTL_ORDER:
        return TakeOrder(Irp);
    case PORT_IOCTL_POWER:
        return PortAdapterPowerRequest(Adapter, Irp);
    case PORT_IOCTL_STORAGE_RESET_BUS:
        return ResetBus(Adapter, Irp);
    case PORT_IOCTL_STORAGE_QUERY_PROPERTY:
        return PortPropertyQuery(Adapter, NULL, Irp);
    default:
        return PlatformIoctl(Irp);
    }
}
