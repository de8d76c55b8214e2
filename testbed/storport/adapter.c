/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * An adapter's life as its miniport sees it: HwFindAdapter, HwInitialize, passive initialisation, control types, then
 * the scan; at the end the drain, FLUSH, the PnP request, HwCompleteServiceIrp, ScsiStopAdapter and
 * HwFreeAdapterResources [Life Cycle of a Storport Driver; HW_ADAPTER_CONTROL].
 */
#include "port.h"

#define HW_EXTENSION_SIGNATURE 0x5458457770745350ull

/* Lies before the miniport's device extension. */
typedef struct {
    ULONGLONG Signature;
    ADAPTER *Adapter;
} HW_EXTENSION_HEAD;

PORT_OPTIONS PortOptions;

VOID PortHook(PORT_MOMENT Moment, PVOID Srb)
{
    if (PortOptions.Hook != NULL)
        PortOptions.Hook(Moment, Srb);
}

PORT_CALL PortCallEnter(VOID)
{
    const PORT_CALL Call = {PortPlatformIrql(), PortPlatformLocksHeld()};

    return Call;
}

VOID PortCallLeave(PORT_CALL Call, PCSTR Callback)
{
    const KIRQL Irql = PortPlatformIrql();
    const ULONG Locks = PortPlatformLocksHeld();

    PORT_REQUIRE(CALLBACK_IRQL, Locks == Call.Locks, "%s returned with %d spin locks held", Callback,
                 (int)(Locks - Call.Locks));
    PORT_REQUIRE(CALLBACK_IRQL, Irql == Call.Irql, "%s was called at IRQL %u and returned at %u", Callback, Call.Irql,
                 Irql);
}

ADAPTER *PortAdapterFromExtension(PVOID HwDeviceExtension)
{
    const HW_EXTENSION_HEAD *Head = (HW_EXTENSION_HEAD *)HwDeviceExtension - 1;

    PORT_REQUIRE(EXTENSION_FOREIGN, HwDeviceExtension != NULL && Head->Signature == HW_EXTENSION_SIGNATURE,
                 "the address %p", HwDeviceExtension);
    return Head->Adapter;
}

NTSTATUS PortAdapterAdd(PDRIVER_OBJECT DriverObject, PDEVICE_OBJECT PhysicalDeviceObject)
{
    static volatile LONG NextPort;
    MINIPORT *Miniport = PortMiniportFind(DriverObject);
    HW_EXTENSION_HEAD *Head;
    PDEVICE_OBJECT Fdo;
    ADAPTER *Adapter;
    SIZE_T Length;
    NTSTATUS Status;
    ULONG i;

    Status = IoCreateDevice(DriverObject, sizeof(ADAPTER), NULL, FILE_DEVICE_CONTROLLER, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &Fdo);
    if (!NT_SUCCESS(Status))
        return Status;
    Length = sizeof(*Head) + Miniport->Init.DeviceExtensionSize;
    Head = ExAllocatePoolWithTag(NonPagedPoolNx, Length, PORT_TAG);
    if (Head == NULL) {
        IoDeleteDevice(Fdo);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    /* Zeroed once: a second HwFindAdapter sees what the first life left [HW_INITIALIZATION_DATA]. */
    RtlZeroMemory(Head, Length);
    Adapter = Fdo->DeviceExtension;
    RtlZeroMemory(Adapter, sizeof(*Adapter));
    Head->Signature = HW_EXTENSION_SIGNATURE;
    Head->Adapter = Adapter;
    Adapter->Kind = PORT_DEVICE_ADAPTER;
    Adapter->Miniport = Miniport;
    Adapter->HwExtension = Head + 1;
    Adapter->Fdo = Fdo;
    Adapter->Pdo = PhysicalDeviceObject;
    Adapter->PortNumber = (ULONG)InterlockedIncrement(&NextPort) - 1;
    KeInitializeSpinLock(&Adapter->Lock);
    InitializeListHead(&Adapter->Units);
    InitializeListHead(&Adapter->StartCalls);
    InitializeListHead(&Adapter->Completed);
    InitializeListHead(&Adapter->ServiceIrps);
    InitializeListHead(&Adapter->EjectIrps);
    KeInitializeEvent(&Adapter->Closed, NotificationEvent, FALSE);
    for (i = 0; i < PORT_HASH_SIZE; ++i)
        InitializeListHead(&Adapter->Outstanding[i]);
    KeInitializeDpc(&Adapter->CompletionDpc, PortQueueCompletionDpc, Adapter);
    KeInitializeDpc(&Adapter->TickDpc, PortTimeoutTick, Adapter);
    KeInitializeTimerEx(&Adapter->TickTimer, NotificationTimer);
    PortConfigPreset(&Miniport->Init, &Adapter->Config);
    Adapter->Self = PortUnitMake(Adapter, 0, 0, 0);
    if (Adapter->Self == NULL) {
        ExFreePoolWithTag(Head, PORT_TAG);
        IoDeleteDevice(Fdo);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Adapter->Lower = IoAttachDeviceToDeviceStack(Fdo, PhysicalDeviceObject);
    InterlockedIncrement(&Miniport->AdapterCount);
    Fdo->Flags |= DO_DIRECT_IO;
    Fdo->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

SCSI_ADAPTER_CONTROL_STATUS PortAdapterControl(ADAPTER *Adapter, SCSI_ADAPTER_CONTROL_TYPE Type, PVOID Parameters)
{
    SCSI_ADAPTER_CONTROL_STATUS Status;
    const PORT_CALL Call = PortCallEnter();

    Status = Adapter->Miniport->Init.HwAdapterControl(Adapter->HwExtension, Type, Parameters);
    PortCallLeave(Call, "HwAdapterControl");
    return Status;
}

/* The list with room for Maximum entries and a guard behind them. */
static VOID QueryControlTypes(ADAPTER *Adapter, BOOLEAN Unit, ULONG Maximum, BOOLEAN *Supported)
{
    ULONG Buffer[(sizeof(ULONG) + ScsiAdapterControlMax + ScsiUnitControlMax + 16) / sizeof(ULONG) + 1];
    SCSI_SUPPORTED_CONTROL_TYPE_LIST *List = (SCSI_SUPPORTED_CONTROL_TYPE_LIST *)Buffer;
    BOOLEAN Answered;
    PORT_CALL Call;
    ULONG i;

    RtlZeroMemory(Buffer, sizeof(Buffer));
    List->MaxControlType = Maximum;
    RtlFillMemory(List->SupportedTypeList + Maximum, 16, 0xFD);
    if (Unit) {
        Call = PortCallEnter();
        Answered = Adapter->Miniport->Init.HwUnitControl(Adapter->HwExtension, ScsiQuerySupportedUnitControlTypes,
                                                         List) == ScsiUnitControlSuccess;
        PortCallLeave(Call, "HwUnitControl");
    } else {
        Answered = PortAdapterControl(Adapter, ScsiQuerySupportedControlTypes, List) == ScsiAdapterControlSuccess;
    }
    PORT_REQUIRE(CONTROL_TYPES, List->MaxControlType == Maximum, "MaxControlType was changed");
    for (i = 0; i < 16; ++i)
        PORT_REQUIRE(CONTROL_TYPES, List->SupportedTypeList[Maximum + i] == 0xFD, "entry %u of %u was written",
                     (unsigned)(Maximum + i), (unsigned)Maximum);
    for (i = 0; i < Maximum; ++i)
        Supported[i] = Answered && List->SupportedTypeList[i];
}

static VOID QueryControls(ADAPTER *Adapter)
{
    QueryControlTypes(Adapter, FALSE, ScsiAdapterControlMax, Adapter->AdapterControls);
    PORT_REQUIRE(CONTROL_TYPES, Adapter->AdapterControls[ScsiStopAdapter], "ScsiStopAdapter isn't supported");
    PORT_REQUIRE(CONTROL_TYPES, Adapter->AdapterControls[ScsiRestartAdapter], "ScsiRestartAdapter isn't supported");
    RtlZeroMemory(Adapter->UnitControls, sizeof(Adapter->UnitControls));
    if (Adapter->Miniport->Init.HwUnitControl != NULL)
        QueryControlTypes(Adapter, TRUE, ScsiUnitControlMax, Adapter->UnitControls);
}

NTSTATUS PortAdapterFind(ADAPTER *Adapter)
{
    PVIRTUAL_HW_FIND_ADAPTER HwFindAdapter = (PVIRTUAL_HW_FIND_ADAPTER)Adapter->Miniport->Init.HwFindAdapter;
    CHAR Arguments[1] = {0};
    BOOLEAN Again = FALSE;
    PORT_CALL Call;
    ULONG Result;

    PortConfigPreset(&Adapter->Miniport->Init, &Adapter->Config);
    Call = PortCallEnter();
    Result = HwFindAdapter(Adapter->HwExtension, Adapter->Pdo, Adapter->Fdo, Adapter->Lower, Arguments,
                           &Adapter->Config, &Again);
    PortCallLeave(Call, "HwFindAdapter");
    PORT_REQUIRE(FIND_RESULT, Result <= SP_RETURN_BAD_CONFIG, "HwFindAdapter returned %u", (unsigned)Result);
    if (Result != SP_RETURN_FOUND) {
        DbgPrint("storport: HwFindAdapter returned %u, the adapter isn't started\n", (unsigned)Result);
        return Result == SP_RETURN_NOT_FOUND ? STATUS_NO_SUCH_DEVICE : STATUS_DEVICE_CONFIGURATION_ERROR;
    }
    PortConfigCheck(&Adapter->Miniport->Init, &Adapter->Config);
    return STATUS_SUCCESS;
}

NTSTATUS PortAdapterInitialize(ADAPTER *Adapter)
{
    PORT_CALL Call = PortCallEnter();
    BOOLEAN Done;

    Adapter->PassiveInitialize = NULL;
    Adapter->InHwInitialize = TRUE;
    Done = Adapter->Miniport->Init.HwInitialize(Adapter->HwExtension);
    Adapter->InHwInitialize = FALSE;
    PortCallLeave(Call, "HwInitialize");
    if (Done && Adapter->PassiveInitialize != NULL) {
        Call = PortCallEnter();
        Done = Adapter->PassiveInitialize(Adapter->HwExtension);
        PortCallLeave(Call, "HwStorPassiveInitializeRoutine");
    }
    return Done ? STATUS_SUCCESS : STATUS_ADAPTER_HARDWARE_ERROR;
}

/* Functions that may come and must be answered, whatever the answer is; an unknown one not with success [HW_STARTIO].
 */
static VOID ProbeFunctions(ADAPTER *Adapter)
{
    static const UCHAR Unknown[] = {SRB_FUNCTION_WMI, SRB_FUNCTION_DUMP_POINTERS, 0x3E};
    ULONG i;

    for (i = 0; i < RTL_NUMBER_OF(Unknown); ++i) {
        const UCHAR Status = PortAdapterSend(Adapter, Unknown[i], StorStartDevice);

        PORT_REQUIRE(FUNCTION_UNKNOWN, Unknown[i] != 0x3E || SRB_STATUS(Status) != SRB_STATUS_SUCCESS,
                     "function 0x%02x", Unknown[i]);
    }
}

/* Requests look at the state from any thread. */
static VOID MoveTo(ADAPTER *Adapter, ADAPTER_STATE State)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->State = State;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

BOOLEAN PortAdapterIsStarted(ADAPTER *Adapter)
{
    BOOLEAN Started;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Started = Adapter->State == ADAPTER_STARTED;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Started;
}

NTSTATUS PortAdapterStart(ADAPTER *Adapter)
{
    NTSTATUS Status = PortAdapterFind(Adapter);

    if (!NT_SUCCESS(Status)) {
        MoveTo(Adapter, ADAPTER_FAILED);
        return Status;
    }
    MoveTo(Adapter, ADAPTER_STOPPED);
    Status = PortAdapterInitialize(Adapter);
    if (!NT_SUCCESS(Status))
        return Status;
    QueryControls(Adapter);
    Adapter->Self->QueueDepth = Adapter->Config.MaxNumberOfIO;
    Adapter->Draining = FALSE;
    PortPlatformStartTimer(&Adapter->TickTimer, PORT_TICK_MS, &Adapter->TickDpc);
    ProbeFunctions(Adapter);
    Status = PortScanStart(Adapter);
    if (!NT_SUCCESS(Status)) {
        PortAdapterStop(Adapter, StorStopDevice);
        return Status;
    }
    MoveTo(Adapter, ADAPTER_STARTED);
    PortScanRequest(Adapter);
    return STATUS_SUCCESS;
}

UCHAR PortAdapterSend(ADAPTER *Adapter, ULONG Function, STOR_PNP_ACTION Action)
{
    REQUEST *Request = PortRequestMake(Adapter->Self);
    UCHAR Status;

    if (Request == NULL)
        return SRB_STATUS_INTERNAL_ERROR;
    Request->Fields.Function = Function;
    Request->Fields.TimeoutSeconds = PORT_SCAN_TIMEOUT_S;
    Request->Internal = TRUE;
    if (Function == SRB_FUNCTION_PNP) {
        Request->Fields.PnpAction = Action;
        Request->Fields.PnpFlags = SRB_PNP_FLAGS_ADAPTER_REQUEST;
    }
    Status = PortRequestRun(Request);
    PortRequestFree(Request);
    return Status;
}

static BOOLEAN HasQueue(UNIT *Unit, PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    return !IsListEmpty(&Unit->Queue);
}

static VOID FailQueues(ADAPTER *Adapter)
{
    UNIT *Unit;

    while ((Unit = PortUnitWalk(Adapter, HasQueue, NULL)) != NULL) {
        PortQueueFail(Unit, SRB_STATUS_NO_DEVICE);
        PortUnitDereference(Unit);
    }
}

static VOID CompleteServiceIrps(ADAPTER *Adapter)
{
    PORT_CALL Call;

    if (Adapter->Miniport->Init.HwCompleteServiceIrp == NULL)
        return;
    Call = PortCallEnter();
    Adapter->Miniport->Init.HwCompleteServiceIrp(Adapter->HwExtension);
    PortCallLeave(Call, "HwCompleteServiceIrp");
    PortServiceFlush(Adapter);
}

VOID PortAdapterStop(ADAPTER *Adapter, STOR_PNP_ACTION Action)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Draining = TRUE;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PortScanStop(Adapter);
    FailQueues(Adapter);
    PortQueueWaitIdle(Adapter);
    if (Action != StorSurpriseRemoval)
        PortAdapterSend(Adapter, SRB_FUNCTION_FLUSH, StorStartDevice);
    PortAdapterSend(Adapter, SRB_FUNCTION_PNP, Action);
    if (Action == StorSurpriseRemoval && Adapter->AdapterControls[ScsiAdapterSurpriseRemoval])
        PortAdapterControl(Adapter, ScsiAdapterSurpriseRemoval, NULL);
    if (Action != StorStopDevice && !PortOptions.StopBeforeServiceIrps)
        CompleteServiceIrps(Adapter);
    PORT_REQUIRE(STOP_REFUSED, PortAdapterControl(Adapter, ScsiStopAdapter, NULL) == ScsiAdapterControlSuccess,
                 "adapter %u", (unsigned)Adapter->PortNumber);
    if (Action != StorStopDevice && PortOptions.StopBeforeServiceIrps)
        CompleteServiceIrps(Adapter);
    PortPlatformStopTimer(&Adapter->TickTimer);
    PortPlatformFlushDpcs();
    MoveTo(Adapter, ADAPTER_STOPPED);
}

/* The last unit objects go with the adapter: PnP has removed their device stacks before. */
static VOID DeleteUnits(ADAPTER *Adapter)
{
    UNIT *Unit;
    KIRQL Irql;

    for (;;) {
        PDEVICE_OBJECT Pdo;

        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Unit = IsListEmpty(&Adapter->Units) ? NULL : CONTAINING_RECORD(Adapter->Units.Flink, UNIT, Link);
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        if (Unit == NULL)
            return;
        Pdo = Unit->Pdo;
        PortUnitUnlink(Unit);
        if (Pdo != NULL) {
            ((UNIT_DEVICE *)Pdo->DeviceExtension)->Unit = NULL;
            PortUnitDereference(Unit);
            IoDeleteDevice(Pdo);
        }
    }
}

VOID PortAdapterFree(ADAPTER *Adapter)
{
    HW_EXTENSION_HEAD *Head = (HW_EXTENSION_HEAD *)Adapter->HwExtension - 1;
    PORT_CALL Call;

    if (Adapter->State == ADAPTER_ADDED || Adapter->State == ADAPTER_FAILED) {
        /* Storport tells the miniport of a removal even when HwFindAdapter never ran (its extension is all zero then).
         */
        PortAdapterSend(Adapter, SRB_FUNCTION_PNP, StorRemoveDevice);
    } else {
        Call = PortCallEnter();
        Adapter->Miniport->Init.HwFreeAdapterResources(Adapter->HwExtension);
        PortCallLeave(Call, "HwFreeAdapterResources");
    }
    PortPlatformFlushDpcs();
    PortTimerCheckNone(Adapter);
    DeleteUnits(Adapter);
    PortUnitDereference(Adapter->Self);
    InterlockedDecrement(&Adapter->Miniport->AdapterCount);
    Head->Signature = 0;
    ExFreePoolWithTag(Head, PORT_TAG);
    MoveTo(Adapter, ADAPTER_REMOVED);
}
