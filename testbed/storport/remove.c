/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The removal of the adapter on a program's request, as the PnP manager of Windows does it for
 * CM_Query_And_Remove_SubTree: IRP_MN_QUERY_REMOVE_DEVICE to the stacks of all units, then to the adapter's; if anybody
 * objects, or has a handle open, IRP_MN_CANCEL_REMOVE_DEVICE to all that were asked, else IRP_MN_REMOVE_DEVICE in the
 * same order [CM_Query_And_Remove_SubTreeW; Handling an IRP_MN_QUERY_REMOVE_DEVICE Request; Handling a
 * GUID_TARGET_DEVICE_QUERY_REMOVE Event].
 */
#include "port.h"
#include "eject_ioctl.h"

/* Sends all units' stacks a request, up to the first that fails it, which is returned, referenced. */
static UNIT *SendUnits(ADAPTER *Adapter, UCHAR Minor, PORT_EJECT_ANSWER *Answer)
{
    UNIT *Unit;
    ULONG Index;

    for (Index = 0; (Unit = PortUnitAt(Adapter, Index)) != NULL; ++Index) {
        ULONG_PTR OpenHandles = 0;
        const NTSTATUS Status = Unit->Started ? PortUnitSendIrp(Unit, Minor, NULL, &OpenHandles) : STATUS_SUCCESS;

        if (!NT_SUCCESS(Status)) {
            Answer->Veto = OpenHandles != 0 ? PORT_VETO_OUTSTANDING_OPEN : PORT_VETO_DEVICE;
            Answer->Status = (unsigned int)Status;
            return Unit;
        }
        PortUnitDereference(Unit);
    }
    return NULL;
}

/* The adapter's own stack, and its handles: one is the asker's. */
static VOID AskAdapter(ADAPTER *Adapter, PORT_EJECT_ANSWER *Answer)
{
    const NTSTATUS Status = PortDeviceSendIrp(Adapter->Fdo, IRP_MN_QUERY_REMOVE_DEVICE, NULL, NULL);

    if (!NT_SUCCESS(Status)) {
        Answer->Veto = PORT_VETO_DEVICE;
        Answer->Status = (unsigned int)Status;
    } else if (InterlockedCompareExchange(&Adapter->Opens, 0, 0) > 1) {
        Answer->Veto = PORT_VETO_OUTSTANDING_OPEN;
    }
}

static VOID NameUnit(const UNIT *Unit, PORT_REMOVE_ANSWER *Output)
{
    const BUS_QUERY_ID_TYPE Types[] = {BusQueryDeviceID, BusQueryInstanceID};
    ULONG Length = 0;
    ULONG Type;

    for (Type = 0; Type < RTL_NUMBER_OF(Types); ++Type) {
        PWSTR Text = PortPdoId(Unit, Types[Type]);
        ULONG Index;

        for (Index = 0; Text != NULL && Text[Index] != 0 && Length + 2 < PORT_ID_LENGTH; ++Index)
            Output->Id[Length++] = Text[Index];
        if (Type == 0)
            Output->Id[Length++] = L'\\';
        if (Text != NULL)
            ExFreePool(Text);
    }
    Output->Id[Length] = 0;
}

/* Takes the adapter away when nobody has it open any more: the PnP manager's part that comes after the answer. */
static VOID RemovalThread(PVOID Context)
{
    ADAPTER *Adapter = Context;

    KeWaitForSingleObject(&Adapter->Closed, Executive, KernelMode, FALSE, NULL);
    PortDeviceSendIrp(Adapter->Fdo, IRP_MN_REMOVE_DEVICE, NULL, NULL);
    DbgPrint("storport: an adapter is removed\n");
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS RemovalStart(ADAPTER *Adapter)
{
    HANDLE Thread;
    NTSTATUS Status;

    /* The asker's handle is still open. */
    KeInitializeEvent(&Adapter->Closed, NotificationEvent, FALSE);
    Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, RemovalThread, Adapter);
    if (NT_SUCCESS(Status))
        ZwClose(Thread);
    return Status;
}

VOID PortRemoveServe(ADAPTER *Adapter, PIRP Irp)
{
    PORT_REMOVE_ANSWER *Output = Irp->AssociatedIrp.SystemBuffer;
    PORT_EJECT_ANSWER Ignored;
    UNIT *Objector;
    NTSTATUS Status = STATUS_SUCCESS;

    RtlZeroMemory(Output, sizeof(*Output));
    Output->Answer.Veto = PORT_EJECT_NO_VETO;
    Objector = SendUnits(Adapter, IRP_MN_QUERY_REMOVE_DEVICE, &Output->Answer);
    if (Objector == NULL)
        AskAdapter(Adapter, &Output->Answer);
    if (Output->Answer.Veto == PORT_EJECT_NO_VETO) {
        SendUnits(Adapter, IRP_MN_REMOVE_DEVICE, &Ignored);
        Status = RemovalStart(Adapter);
    } else {
        /* Who wasn't asked may be told as well [IRP_MN_CANCEL_REMOVE_DEVICE]. */
        PortDeviceSendIrp(Adapter->Fdo, IRP_MN_CANCEL_REMOVE_DEVICE, NULL, NULL);
        SendUnits(Adapter, IRP_MN_CANCEL_REMOVE_DEVICE, &Ignored);
        DbgPrint("storport: an adapter isn't removed: veto %u\n", Output->Answer.Veto);
    }
    if (Objector != NULL) {
        NameUnit(Objector, Output);
        PortUnitDereference(Objector);
    }
    PortIrpComplete(Irp, Status, sizeof(*Output));
}
