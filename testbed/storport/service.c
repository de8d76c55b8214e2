/* SPDX-License-Identifier: LGPL-2.1-only */
/* IOCTL_MINIPORT_PROCESS_SERVICE_IRP: IRPs that are the miniport's until StorPortCompleteServiceIrp. */
#include "port.h"

typedef struct {
    LIST_ENTRY Link; /* in ADAPTER.ServiceIrps, guarded by its Lock */
    PIRP Irp;
    ULONG OutputLength;
} SERVICE;

NTSTATUS PortServiceRequest(ADAPTER *Adapter, PIRP Irp)
{
    const IO_STACK_LOCATION *Stack = IoGetCurrentIrpStackLocation(Irp);
    SERVICE *Service;
    BOOLEAN Accepted;
    PORT_CALL Call;
    KIRQL Irql;

    if (Adapter->Miniport->Init.HwProcessServiceRequest == NULL)
        return PortIrpComplete(Irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    Service = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Service), PORT_TAG);
    if (Service == NULL)
        return PortIrpComplete(Irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    Service->Irp = Irp;
    Service->OutputLength = Stack->Parameters.DeviceIoControl.OutputBufferLength;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Accepted = Adapter->State == ADAPTER_STARTED && !Adapter->Draining;
    if (Accepted) {
        IoMarkIrpPending(Irp);
        InsertTailList(&Adapter->ServiceIrps, &Service->Link);
        ++Adapter->ServiceCount;
        ++Adapter->ServiceCalls;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (!Accepted) {
        ExFreePoolWithTag(Service, PORT_TAG);
        return PortIrpComplete(Irp, STATUS_DEVICE_NOT_READY, 0);
    }
    Call = PortCallEnter();
    Adapter->Miniport->Init.HwProcessServiceRequest(Adapter->HwExtension, Irp);
    PortCallLeave(Call, "HwProcessServiceRequest");
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    --Adapter->ServiceCalls;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return STATUS_PENDING;
}

static SERVICE *Take(ADAPTER *Adapter, PIRP Irp)
{
    SERVICE *Found = NULL;
    LIST_ENTRY *Entry;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (Entry = Adapter->ServiceIrps.Flink; Entry != &Adapter->ServiceIrps && Found == NULL; Entry = Entry->Flink)
        if (CONTAINING_RECORD(Entry, SERVICE, Link)->Irp == Irp)
            Found = CONTAINING_RECORD(Entry, SERVICE, Link);
    if (Found != NULL) {
        RemoveEntryList(&Found->Link);
        --Adapter->ServiceCount;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Found;
}

ULONG PortServiceComplete(ADAPTER *Adapter, PIRP Irp)
{
    SERVICE *Service = Take(Adapter, Irp);
    ULONG OutputLength;

    PORT_REQUIRE(SERVICE_TWICE, Service != NULL, "the IRP at %p", (PVOID)Irp);
    OutputLength = Service->OutputLength;
    ExFreePoolWithTag(Service, PORT_TAG);
    PORT_REQUIRE(SERVICE_STATUS, Irp->IoStatus.Status != STATUS_PENDING, "the IRP at %p", (PVOID)Irp);
    PORT_REQUIRE(SERVICE_STATUS, Irp->IoStatus.Information <= OutputLength, "%u bytes of output in a buffer of %u",
                 (unsigned)Irp->IoStatus.Information, (unsigned)OutputLength);
    /* Whoever cancels the request may be at it. */
    PORT_REQUIRE(SERVICE_CANCEL,
                 InterlockedCompareExchangePointer((PVOID volatile *)&Irp->CancelRoutine, NULL, NULL) == NULL,
                 "the IRP at %p", (PVOID)Irp);
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STOR_STATUS_SUCCESS;
}

/*
 * A request that was on its way to the miniport when HwCompleteServiceIrp ran is not one that it left: it may return
 * from HwProcessServiceRequest first. Nothing says that Storport waits for it before (unconfirmed).
 */
VOID PortServiceFlush(ADAPTER *Adapter)
{
    LARGE_INTEGER Pause;
    ULONG Calls, Left;
    KIRQL Irql;

    Pause.QuadPart = -(LONGLONG)(1 * PORT_MS_100NS);
    for (;;) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Calls = Adapter->ServiceCalls;
        Left = Adapter->ServiceCount;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        if (Calls == 0)
            break;
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
    PORT_REQUIRE(SERVICE_LEFT, Left == 0, "%u IRPs are left", (unsigned)Left);
}
