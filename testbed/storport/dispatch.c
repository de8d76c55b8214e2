/* SPDX-License-Identifier: LGPL-2.1-only */
/* The driver object's dispatch table: IRPs for adapters and units, told apart by their device extension. */
#include "port.h"

NTSTATUS PortIrpComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information)
{
    Irp->IoStatus.Status = Status;
    Irp->IoStatus.Information = Information;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static ADAPTER *AsAdapter(PDEVICE_OBJECT DeviceObject)
{
    ADAPTER *Adapter = DeviceObject->DeviceExtension;

    return Adapter->Kind == PORT_DEVICE_ADAPTER ? Adapter : NULL;
}

/* The unit of a PDO, referenced; NULL once it was removed. */
static UNIT *AsUnit(PDEVICE_OBJECT DeviceObject)
{
    UNIT_DEVICE *Device = DeviceObject->DeviceExtension;

    if (Device->Unit != NULL)
        PortUnitReference(Device->Unit);
    return Device->Unit;
}

static NTSTATUS ToUnit(PDEVICE_OBJECT DeviceObject, PIRP Irp, NTSTATUS (*Handler)(UNIT *Unit, PIRP Irp))
{
    UNIT *Unit = AsUnit(DeviceObject);
    NTSTATUS Status;

    if (Unit == NULL)
        return PortIrpComplete(Irp, STATUS_DEVICE_DOES_NOT_EXIST, 0);
    Status = Handler(Unit, Irp);
    PortUnitDereference(Unit);
    return Status;
}

/* Counts the handles of an adapter: with one open it isn't removed (remove.c). */
static NTSTATUS DispatchOpenClose(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    const UCHAR Major = IoGetCurrentIrpStackLocation(Irp)->MajorFunction;
    ADAPTER *Adapter = AsAdapter(DeviceObject);

    if (Adapter != NULL && Major == IRP_MJ_CREATE)
        InterlockedIncrement(&Adapter->Opens);
    if (Adapter != NULL && Major == IRP_MJ_CLOSE && InterlockedDecrement(&Adapter->Opens) == 0)
        KeSetEvent(&Adapter->Closed, IO_NO_INCREMENT, FALSE);
    return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
}

static NTSTATUS DispatchPnp(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ADAPTER *Adapter = AsAdapter(DeviceObject);

    return Adapter != NULL ? PortAdapterPnp(Adapter, Irp) : ToUnit(DeviceObject, Irp, PortPdoPnp);
}

static NTSTATUS DispatchPower(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ADAPTER *Adapter = AsAdapter(DeviceObject);

    if (Adapter == NULL)
        return PortIrpComplete(Irp, STATUS_SUCCESS, 0);
    return PortAdapterPower(Adapter, Irp);
}

static NTSTATUS DispatchSystemControl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ADAPTER *Adapter = AsAdapter(DeviceObject);

    if (Adapter == NULL)
        return PortIrpComplete(Irp, Irp->IoStatus.Status, Irp->IoStatus.Information);
    IoSkipCurrentIrpStackLocation(Irp);
    return IoCallDriver(Adapter->Lower, Irp);
}

static NTSTATUS DispatchIoctl(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    ADAPTER *Adapter = AsAdapter(DeviceObject);

    return Adapter != NULL ? PortAdapterIoctl(Adapter, Irp) : ToUnit(DeviceObject, Irp, PortUnitIoctl);
}

static NTSTATUS DispatchScsi(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    if (AsAdapter(DeviceObject) != NULL)
        return PortIrpComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    return ToUnit(DeviceObject, Irp, PortScsiRequest);
}

VOID PortDispatchInstall(PDRIVER_OBJECT DriverObject)
{
    DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchOpenClose;
    DriverObject->MajorFunction[IRP_MJ_PNP] = DispatchPnp;
    DriverObject->MajorFunction[IRP_MJ_POWER] = DispatchPower;
    DriverObject->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = DispatchSystemControl;
    DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchIoctl;
    DriverObject->MajorFunction[IRP_MJ_SCSI] = DispatchScsi;
}
