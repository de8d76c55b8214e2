/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter's way to sleep and back: requests wait in their queues, what the miniport holds is waited for, FLUSH and
 * POWER, ScsiStopAdapter; later ScsiRestartAdapter, POWER, and the queues go on [SCSI_ADAPTER_CONTROL_TYPE]. A miniport
 * that doesn't restart has HwFindAdapter called again instead, at DISPATCH_LEVEL [HW_FIND_ADAPTER]: PORT_OPTIONS.
 * Waits in the dispatch routine: Wine, where that would be fatal, sends no power requests.
 */
#include "port.h"

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
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    Status = PortAdapterControl(Adapter, ScsiStopAdapter, NULL);
    KeLowerIrql(Irql);
    PORT_REQUIRE(STOP_REFUSED, Status == ScsiAdapterControlSuccess, "adapter %u", (unsigned)Adapter->PortNumber);
}

static VOID Wake(ADAPTER *Adapter)
{
    BOOLEAN Restarted;
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    if (PortOptions.FindToRestart)
        Restarted = NT_SUCCESS(PortAdapterFind(Adapter)) && NT_SUCCESS(PortAdapterInitialize(Adapter));
    else
        Restarted = PortAdapterControl(Adapter, ScsiRestartAdapter, NULL) == ScsiAdapterControlSuccess;
    KeLowerIrql(Irql);
    PORT_REQUIRE(RESTART_REFUSED, Restarted, "adapter %u", (unsigned)Adapter->PortNumber);
    SendPower(Adapter, StorPowerDeviceD0);
    SetAsleep(Adapter, FALSE);
    PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

NTSTATUS PortAdapterPower(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    const BOOLEAN Up = Stack->Parameters.Power.State.DeviceState == PowerDeviceD0;

    if (Stack->MinorFunction == IRP_MN_SET_POWER && Stack->Parameters.Power.Type == DevicePowerState &&
        Adapter->State == ADAPTER_STARTED && Adapter->Asleep == Up) {
        if (Up)
            Wake(Adapter);
        else
            Sleep(Adapter);
    }
    IoSkipCurrentIrpStackLocation(Irp);
    return PoCallDriver(Adapter->Lower, Irp);
}
