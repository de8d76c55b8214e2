/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The removal of a unit's device on a program's request, as the PnP manager of Windows does it for
 * CM_Request_Device_Eject: IRP_MN_QUERY_REMOVE_DEVICE to the device's stack; if anybody objects
 * IRP_MN_CANCEL_REMOVE_DEVICE, else IRP_MN_REMOVE_DEVICE. The unit stays the adapter's until a scan misses it
 * [CM_Request_Device_EjectW; IRP_MN_QUERY_REMOVE_DEVICE; PNP_VETO_TYPE].
 *
 * Requests are pended and served by the scan's thread: nobody but a scan takes units away, so none goes meanwhile.
 */
#include "port.h"
#include "eject_ioctl.h"

/* Hands a request to the scan thread. */
static NTSTATUS Pend(ADAPTER *Adapter, PIRP Irp)
{
    BOOLEAN Refused;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Refused = Adapter->Draining;
    if (!Refused) {
        IoMarkIrpPending(Irp);
        InsertTailList(&Adapter->EjectIrps, &Irp->Tail.Overlay.ListEntry);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Refused)
        return PortIrpComplete(Irp, STATUS_DEVICE_NOT_READY, 0);
    PortScanWake(Adapter);
    return STATUS_PENDING;
}

NTSTATUS PortEject(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const ULONG Length = Stack->Parameters.DeviceIoControl.InputBufferLength;
    const WCHAR *Id = Irp->AssociatedIrp.SystemBuffer;

    if (Length < sizeof(WCHAR) || Length % sizeof(WCHAR) != 0 || Id[Length / sizeof(WCHAR) - 1] != 0)
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(PORT_EJECT_ANSWER))
        return PortIrpComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    return Pend(Adapter, Irp);
}

NTSTATUS PortRemove(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);

    if (Stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(PORT_REMOVE_ANSWER))
        return PortIrpComplete(Irp, STATUS_BUFFER_TOO_SMALL, 0);
    return Pend(Adapter, Irp);
}

static PIRP TakeIrp(ADAPTER *Adapter)
{
    PIRP Irp = NULL;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (!IsListEmpty(&Adapter->EjectIrps))
        Irp = CONTAINING_RECORD(RemoveHeadList(&Adapter->EjectIrps), IRP, Tail.Overlay.ListEntry);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Irp;
}

/* Counts *Context down: the unit with that index of those that PnP knows and that are there. */
static BOOLEAN IsAtIndex(UNIT *Unit, PVOID Context)
{
    ULONG *Index = Context;

    return Unit->State == UNIT_PRESENT && Unit->Reported && (*Index)-- == 0;
}

UNIT *PortUnitAt(ADAPTER *Adapter, ULONG Index)
{
    return PortUnitWalk(Adapter, IsAtIndex, &Index);
}

/* Device ids are ASCII [Device Identification Strings]. */
static WCHAR Upper(WCHAR Character)
{
    return Character >= L'a' && Character <= L'z' ? (WCHAR)(Character - L'a' + L'A') : Character;
}

/* Whether Id begins with Part, apart from case; *Rest is what follows. */
static BOOLEAN BeginsWith(const WCHAR *Id, const WCHAR *Part, const WCHAR **Rest)
{
    while (*Part != 0 && Upper(*Id) == Upper(*Part)) {
        ++Id;
        ++Part;
    }
    *Rest = Id;
    return *Part == 0;
}

/* A device instance id is the device id, a backslash, the instance id. */
static BOOLEAN HasId(const UNIT *Unit, const WCHAR *Id)
{
    PWSTR Device = PortPdoId(Unit, BusQueryDeviceID);
    PWSTR Instance = PortPdoId(Unit, BusQueryInstanceID);
    const WCHAR *Rest;
    const BOOLEAN Same = Device != NULL && Instance != NULL && BeginsWith(Id, Device, &Rest) && *Rest == L'\\' &&
                         BeginsWith(Rest + 1, Instance, &Rest) && *Rest == 0;

    if (Device != NULL)
        ExFreePool(Device);
    if (Instance != NULL)
        ExFreePool(Instance);
    return Same;
}

static UNIT *FindUnit(ADAPTER *Adapter, const WCHAR *Id)
{
    UNIT *Unit;
    ULONG Index;

    for (Index = 0; (Unit = PortUnitAt(Adapter, Index)) != NULL; ++Index) {
        if (HasId(Unit, Id))
            return Unit;
        PortUnitDereference(Unit);
    }
    return NULL;
}

static NTSTATUS PnpDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

NTSTATUS PortDeviceSendIrp(PDEVICE_OBJECT Device, UCHAR Minor, DEVICE_CAPABILITIES *Capabilities,
                           ULONG_PTR *Information)
{
    PDEVICE_OBJECT Top = IoGetAttachedDeviceReference(Device);
    PIRP Irp = IoAllocateIrp(Top->StackSize, FALSE);
    NTSTATUS Status = STATUS_INSUFFICIENT_RESOURCES;
    PIO_STACK_LOCATION Stack;
    KEVENT Done;

    if (Irp != NULL) {
        KeInitializeEvent(&Done, NotificationEvent, FALSE);
        Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
        Stack = IoGetNextIrpStackLocation(Irp);
        Stack->MajorFunction = IRP_MJ_PNP;
        Stack->MinorFunction = Minor;
        if (Capabilities != NULL)
            Stack->Parameters.DeviceCapabilities.Capabilities = Capabilities;
        IoSetCompletionRoutine(Irp, PnpDone, &Done, TRUE, TRUE, TRUE);
        IoCallDriver(Top, Irp);
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
        Status = Irp->IoStatus.Status;
        if (Information != NULL)
            *Information = Irp->IoStatus.Information;
        IoFreeIrp(Irp);
    }
    ObDereferenceObject(Top);
    return Status;
}

NTSTATUS PortUnitSendIrp(UNIT *Unit, UCHAR Minor, DEVICE_CAPABILITIES *Capabilities, ULONG_PTR *Information)
{
    return PortDeviceSendIrp(Unit->Pdo, Minor, Capabilities, Information);
}

static BOOLEAN IsRemovable(UNIT *Unit)
{
    DEVICE_CAPABILITIES Capabilities;

    RtlZeroMemory(&Capabilities, sizeof(Capabilities));
    Capabilities.Size = sizeof(Capabilities);
    Capabilities.Version = 1;
    Capabilities.Address = 0xFFFFFFFF;
    Capabilities.UINumber = 0xFFFFFFFF;
    return NT_SUCCESS(PortUnitSendIrp(Unit, IRP_MN_QUERY_CAPABILITIES, &Capabilities, NULL)) &&
           (Capabilities.Removable || Capabilities.EjectSupported);
}

static PORT_EJECT_ANSWER EjectUnit(UNIT *Unit)
{
    PORT_EJECT_ANSWER Answer = {PORT_EJECT_NO_VETO, STATUS_SUCCESS};
    ULONG_PTR OpenHandles = 0;
    NTSTATUS Status;

    if (!Unit->Started) {
        Answer.Veto = PORT_VETO_ALREADY_REMOVED;
        return Answer;
    }
    if (!IsRemovable(Unit)) {
        Answer.Veto = PORT_VETO_ILLEGAL_REQUEST;
        return Answer;
    }
    Status = PortUnitSendIrp(Unit, IRP_MN_QUERY_REMOVE_DEVICE, NULL, &OpenHandles);
    if (NT_SUCCESS(Status)) {
        PortUnitSendIrp(Unit, IRP_MN_REMOVE_DEVICE, NULL, NULL);
        DbgPrint("storport: %u:%u:%u is ejected\n", (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun);
        return Answer;
    }
    PortUnitSendIrp(Unit, IRP_MN_CANCEL_REMOVE_DEVICE, NULL, NULL);
    Answer.Veto = OpenHandles != 0 ? PORT_VETO_OUTSTANDING_OPEN : PORT_VETO_DEVICE;
    Answer.Status = (unsigned int)Status;
    DbgPrint("storport: %u:%u:%u isn't ejected: status 0x%08x, %u open handles\n", (unsigned)Unit->Path,
             (unsigned)Unit->Target, (unsigned)Unit->Lun, (unsigned)Status, (unsigned)OpenHandles);
    return Answer;
}

VOID PortEjectServe(ADAPTER *Adapter)
{
    PIRP Irp;

    while ((Irp = TakeIrp(Adapter)) != NULL) {
        UNIT *Unit;

        if (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.IoControlCode == PORT_IOCTL_REMOVE) {
            PortRemoveServe(Adapter, Irp);
            continue;
        }
        Unit = FindUnit(Adapter, Irp->AssociatedIrp.SystemBuffer);
        if (Unit == NULL) {
            PortIrpComplete(Irp, STATUS_OBJECT_NAME_NOT_FOUND, 0);
            continue;
        }
        *(PORT_EJECT_ANSWER *)Irp->AssociatedIrp.SystemBuffer = EjectUnit(Unit);
        PortUnitDereference(Unit);
        PortIrpComplete(Irp, STATUS_SUCCESS, sizeof(PORT_EJECT_ANSWER));
    }
}

VOID PortEjectRefuse(ADAPTER *Adapter)
{
    PIRP Irp;

    while ((Irp = TakeIrp(Adapter)) != NULL)
        PortIrpComplete(Irp, STATUS_DEVICE_NOT_READY, 0);
}
