/* SPDX-License-Identifier: LGPL-2.1-only */
/* The adapter FDO's side of Plug and Play: start, stop, removal, and the units as its children. PASSIVE_LEVEL. */
#include <initguid.h>
#include "port.h"

/* GUID_DEVINTERFACE_STORAGEPORT: what Storport itself registers for every adapter. */
DEFINE_GUID(PortInterfaceGuid, 0x2ACCFE60, 0xC130, 0x11D2, 0xB0, 0x82, 0x00, 0xA0, 0xC9, 0x1E, 0xFB, 0x8B);

static NTSTATUS LowerDone(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    KeSetEvent(Context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Sends the IRP down and gets it back. */
static NTSTATUS ForwardAndWait(ADAPTER *Adapter, PIRP Irp)
{
    NTSTATUS Status;
    KEVENT Done;

    KeInitializeEvent(&Done, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(Irp);
    IoSetCompletionRoutine(Irp, LowerDone, &Done, TRUE, TRUE, TRUE);
    Status = IoCallDriver(Adapter->Lower, Irp);
    if (Status == STATUS_PENDING) {
        KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
        Status = Irp->IoStatus.Status;
    }
    return Status;
}

static NTSTATUS Forward(ADAPTER *Adapter, PIRP Irp, NTSTATUS Status)
{
    Irp->IoStatus.Status = Status;
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Adapter->Lower, Irp);
}

static VOID EnableInterface(ADAPTER *Adapter)
{
    if (Adapter->InterfaceLink.Buffer == NULL &&
        !NT_SUCCESS(IoRegisterDeviceInterface(Adapter->Pdo, &PortInterfaceGuid, NULL, &Adapter->InterfaceLink)))
        return;
    IoSetDeviceInterfaceState(&Adapter->InterfaceLink, TRUE);
}

static VOID DisableInterface(ADAPTER *Adapter)
{
    if (Adapter->InterfaceLink.Buffer != NULL)
        IoSetDeviceInterfaceState(&Adapter->InterfaceLink, FALSE);
}

static NTSTATUS Start(ADAPTER *Adapter, PIRP Irp)
{
    NTSTATUS Status;

    /* A root-enumerated PDO leaves the status as it is where the system has nothing to start. */
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Status = ForwardAndWait(Adapter, Irp);
    if (NT_SUCCESS(Status))
        Status = PortAdapterStart(Adapter);
    if (NT_SUCCESS(Status))
        EnableInterface(Adapter);
    return PortIrpComplete(Irp, Status, 0);
}

/* A unit that still has a device stack on its PDO. It doesn't come back. */
static BOOLEAN TakeAttached(UNIT *Unit, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    if (Unit->Pdo == NULL || Unit->Pdo->AttachedDevice == NULL)
        return FALSE;
    Unit->State = UNIT_GONE;
    return TRUE;
}

/*
 * Units whose device stack was told to go and is still waiting for its handles. Windows would keep the adapter for as
 * long; Wine doesn't.
 */
static VOID EvictUnits(ADAPTER *Adapter)
{
    UNIT *Unit;

    while ((Unit = PortUnitWalk(Adapter, TakeAttached, NULL)) != NULL) {
        BOOLEAN Removed;

        PortUnitSendIrp(Unit, IRP_MN_REMOVE_DEVICE, NULL, NULL);
        Removed = Unit->State == UNIT_REMOVED;
        PortUnitDereference(Unit);
        if (!Removed)
            return;
    }
}

static NTSTATUS Remove(ADAPTER *Adapter, PIRP Irp)
{
    PDEVICE_OBJECT Fdo = Adapter->Fdo;
    PDEVICE_OBJECT Lower = Adapter->Lower;
    NTSTATUS Status;

    DisableInterface(Adapter);
    PortScanStop(Adapter);
    EvictUnits(Adapter);
    if (Adapter->State == ADAPTER_STARTED)
        PortAdapterStop(Adapter, StorRemoveDevice);
    PortAdapterFree(Adapter);
    if (Adapter->InterfaceLink.Buffer != NULL)
        RtlFreeUnicodeString(&Adapter->InterfaceLink);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(Irp);
    Status = IoCallDriver(Lower, Irp);
    IoDetachDevice(Lower);
    IoDeleteDevice(Fdo);
    return Status;
}

static NTSTATUS SurpriseRemoval(ADAPTER *Adapter, PIRP Irp)
{
    DisableInterface(Adapter);
    if (Adapter->State == ADAPTER_STARTED)
        PortAdapterStop(Adapter, StorSurpriseRemoval);
    return Forward(Adapter, Irp, STATUS_SUCCESS);
}

static NTSTATUS Stop(ADAPTER *Adapter, PIRP Irp)
{
    if (Adapter->State == ADAPTER_STARTED)
        PortAdapterStop(Adapter, StorStopDevice);
    return Forward(Adapter, Irp, STATUS_SUCCESS);
}

/* A disk in the paging path keeps its adapter [IRP_MN_QUERY_REMOVE_DEVICE]. */
static BOOLEAN InUse(ADAPTER *Adapter)
{
    BOOLEAN Used = FALSE;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (Entry = Adapter->Units.Flink; Entry != &Adapter->Units; Entry = Entry->Flink)
        Used = Used || CONTAINING_RECORD(Entry, UNIT, Link)->PagingCount != 0;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Used;
}

static ULONG CollectUnits(ADAPTER *Adapter, DEVICE_RELATIONS *Relations, ULONG Room)
{
    ULONG Count = 0;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (Entry = Adapter->Units.Flink; Entry != &Adapter->Units; Entry = Entry->Flink) {
        UNIT *Unit = CONTAINING_RECORD(Entry, UNIT, Link);

        if (Unit->State != UNIT_PRESENT)
            continue;
        if (Count < Room) {
            ObReferenceObject(Unit->Pdo);
            Unit->Reported = TRUE;
            Relations->Objects[Count] = Unit->Pdo;
        }
        ++Count;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Count;
}

static NTSTATUS QueryRelations(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    DEVICE_RELATIONS *Relations;
    ULONG Room;

    if (Stack->Parameters.QueryDeviceRelations.Type != BusRelations)
        return Forward(Adapter, Irp, Irp->IoStatus.Status);
    /* Units that are found between the two passes wait for the next query, which their scan asks for. */
    Room = CollectUnits(Adapter, NULL, 0);
    Relations = ExAllocatePoolWithTag(PagedPool, sizeof(*Relations) + Room * sizeof(PDEVICE_OBJECT), PORT_TAG);
    if (Relations == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    Relations->Count = CollectUnits(Adapter, Relations, Room);
    if (Relations->Count > Room)
        Relations->Count = Room;
    Irp->IoStatus.Information = (ULONG_PTR)Relations;
    return Forward(Adapter, Irp, STATUS_SUCCESS);
}

NTSTATUS PortAdapterPnp(ADAPTER *Adapter, PIRP Irp)
{
    switch (IoGetCurrentIrpStackLocation(Irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        return Start(Adapter, Irp);
    case IRP_MN_REMOVE_DEVICE:
        return Remove(Adapter, Irp);
    case IRP_MN_SURPRISE_REMOVAL:
        return SurpriseRemoval(Adapter, Irp);
    case IRP_MN_STOP_DEVICE:
        return Stop(Adapter, Irp);
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
        if (InUse(Adapter))
            return PortIrpComplete(Irp, STATUS_DEVICE_BUSY, 0);
        return Forward(Adapter, Irp, STATUS_SUCCESS);
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
        return Forward(Adapter, Irp, STATUS_SUCCESS);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        return QueryRelations(Adapter, Irp);
    default:
        return Forward(Adapter, Irp, Irp->IoStatus.Status);
    }
}
