/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter's way to sleep and back: requests wait in their queues, what the miniport holds is waited for, FLUSH and
 * POWER, ScsiStopAdapter; later ScsiRestartAdapter, POWER, and the queues go on [SCSI_ADAPTER_CONTROL_TYPE]. A miniport
 * that doesn't restart has HwFindAdapter called again instead, at DISPATCH_LEVEL [HW_FIND_ADAPTER]: PORT_OPTIONS.
 * Waits in the dispatch routine of power requests, which Wine, where that would be fatal, doesn't send; its tests have
 * PORT_IOCTL_POWER.
 */
#include "port.h"
#include "power_ioctl.h"

static VOID SetAsleep(ADAPTER *Adapter, BOOLEAN Asleep)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Asleep = Asleep;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

/* PASSIVE_LEVEL. */
static VOID SendPower(ADAPTER *Adapter, STOR_DEVICE_POWER_STATE State)
{
    REQUEST *Request = PortRequestMake(Adapter->Self);

    if (Request == NULL)
        return;
    Request->Fields.Function = SRB_FUNCTION_POWER;
    Request->Fields.PowerState = State;
    Request->Fields.PowerAction = State == StorPowerDeviceD0 ? StorPowerActionNone : StorPowerActionSleep;
    Request->Fields.TimeoutSeconds = PORT_SCAN_TIMEOUT_S;
    Request->Internal = TRUE;
    PortRequestRun(Request);
    PortRequestFree(Request);
}

static VOID Sleep(ADAPTER *Adapter)
{
    SCSI_ADAPTER_CONTROL_STATUS Status;
    KIRQL Irql;

    SetAsleep(Adapter, TRUE);
    PortQueueWaitIdle(Adapter);
    PortAdapterSend(Adapter, SRB_FUNCTION_FLUSH, StorStartDevice);
    SendPower(Adapter, StorPowerDeviceD3);
    /* The IRQL is documented in two ways: at removal it is PASSIVE_LEVEL. */
    Irql = PortPlatformRaise();
    Status = PortAdapterControl(Adapter, ScsiStopAdapter, NULL);
    PortPlatformLower(Irql);
    PORT_REQUIRE(STOP_REFUSED, Status == ScsiAdapterControlSuccess, "adapter %u", (unsigned)Adapter->PortNumber);
    PortTimerHalt(Adapter, TRUE);
    DbgPrint("storport: adapter %u sleeps\n", (unsigned)Adapter->PortNumber);
}

static VOID Wake(ADAPTER *Adapter)
{
    BOOLEAN Restarted;
    KIRQL Irql;

    PortTimerHalt(Adapter, FALSE);
    Irql = PortPlatformRaise();
    if (PortOptions.FindToRestart)
        Restarted = NT_SUCCESS(PortAdapterFind(Adapter)) && NT_SUCCESS(PortAdapterInitialize(Adapter));
    else
        Restarted = PortAdapterControl(Adapter, ScsiRestartAdapter, NULL) == ScsiAdapterControlSuccess;
    PortPlatformLower(Irql);
    PORT_REQUIRE(RESTART_REFUSED, Restarted, "adapter %u", (unsigned)Adapter->PortNumber);
    SendPower(Adapter, StorPowerDeviceD0);
    SetAsleep(Adapter, FALSE);
    DbgPrint("storport: adapter %u is awake\n", (unsigned)Adapter->PortNumber);
    PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

/* PASSIVE_LEVEL, one at a time. */
static VOID Move(ADAPTER *Adapter, BOOLEAN Up)
{
    if (!PortAdapterIsStarted(Adapter) || Adapter->Asleep != Up)
        return;
    if (Up)
        Wake(Adapter);
    else
        Sleep(Adapter);
}

NTSTATUS PortAdapterPower(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const BOOLEAN Up = Stack->Parameters.Power.State.DeviceState == PowerDeviceD0;

    if (Stack->MinorFunction == IRP_MN_SET_POWER && Stack->Parameters.Power.Type == DevicePowerState)
        Move(Adapter, Up);
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(Adapter->Lower, Irp);
}

typedef struct {
    ADAPTER *Adapter;
    PIRP Irp;
    PIO_WORKITEM Work;
} POWER_REQUEST;

static VOID PowerWork(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    const POWER_REQUEST Request = *(POWER_REQUEST *)Context;

    UNREFERENCED_PARAMETER(DeviceObject);
    ExFreePoolWithTag(Context, PORT_TAG);
    Move(Request.Adapter, *(const ULONG *)Request.Irp->AssociatedIrp.SystemBuffer != 0);
    IoFreeWorkItem(Request.Work);
    PortIrpComplete(Request.Irp, STATUS_SUCCESS, 0);
}

NTSTATUS PortAdapterPowerRequest(ADAPTER *Adapter, PIRP Irp)
{
    POWER_REQUEST *Request;

    if (IoGetCurrentIrpStackLocation(Irp)->Parameters.DeviceIoControl.InputBufferLength < sizeof(ULONG))
        return PortIrpComplete(Irp, STATUS_INVALID_PARAMETER, 0);
    Request = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Request), PORT_TAG);
    if (Request == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    Request->Adapter = Adapter;
    Request->Irp = Irp;
    Request->Work = IoAllocateWorkItem(Adapter->Fdo);
    if (Request->Work == NULL) {
        ExFreePoolWithTag(Request, PORT_TAG);
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    IoMarkIrpPending(Irp);
    IoQueueWorkItem(Request->Work, PowerWork, DelayedWorkQueue, Request);
    return STATUS_PENDING;
}
