/* SPDX-License-Identifier: LGPL-2.1-only */
/* The PnP manager's requests, with the answers checked; the root bus, which owns root-enumerated PDOs. */
#include "pnp.h"

static NTSTATUS PnpRequest(NATIVE_DEVICE *Node, const IO_STACK_LOCATION *Request, ULONG_PTR *Information)
{
    PDEVICE_OBJECT Top = DeviceTop(Node->Pdo);
    PIRP Irp = FAULT_SPARE(IoAllocateIrp(Top->StackSize, FALSE));
    *IoGetNextIrpStackLocation(Irp) = *Request;
    /* "The PnP manager sets IoStatus.Status to STATUS_NOT_SUPPORTED" before it sends a request. */
    Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
    NTSTATUS Status = IrpSendAndWait(Top, Irp);
    if (Information != NULL) {
        *Information = Irp->IoStatus.Information;
    }
    IoFreeIrp(Irp);
    return Status;
}

NTSTATUS PnpSend(NATIVE_DEVICE *Node, UCHAR Minor)
{
    IO_STACK_LOCATION Request = {.MajorFunction = IRP_MJ_PNP, .MinorFunction = Minor};
    NTSTATUS Status = PnpRequest(Node, &Request, NULL);
    /* "A driver must succeed" these. */
    if ((Minor == IRP_MN_REMOVE_DEVICE || Minor == IRP_MN_SURPRISE_REMOVAL || Minor == IRP_MN_CANCEL_REMOVE_DEVICE) &&
        !NT_SUCCESS(Status)) {
        NtViolation(RULE_PNP_ANSWER, "IRP_MJ_PNP", "minor 0x%02x failed with 0x%08x, and must not", Minor,
                    (unsigned)Status);
    }
    return Status;
}

NTSTATUS PnpSetPower(NATIVE_DEVICE *Node, DEVICE_POWER_STATE State)
{
    IO_STACK_LOCATION Request = {.MajorFunction = IRP_MJ_POWER, .MinorFunction = IRP_MN_SET_POWER};
    Request.Parameters.Power.Type = DevicePowerState;
    Request.Parameters.Power.State.DeviceState = State;
    return PnpRequest(Node, &Request, NULL);
}

PDEVICE_RELATIONS PnpQueryRelations(NATIVE_DEVICE *Node)
{
    IO_STACK_LOCATION Request = {.MajorFunction = IRP_MJ_PNP, .MinorFunction = IRP_MN_QUERY_DEVICE_RELATIONS};
    ULONG_PTR Information = 0;
    Request.Parameters.QueryDeviceRelations.Type = BusRelations;
    if (!NT_SUCCESS(PnpRequest(Node, &Request, &Information))) {
        return NULL;
    }
    return (PDEVICE_RELATIONS)Information;
}

/* One kind of id; multi-strings one after the other. Returns what is left of the room, NULL: no memory for an id. */
static char *PnpQueryId(NATIVE_DEVICE *Node, BUS_QUERY_ID_TYPE Type, bool Multi, char *Text, const char *End)
{
    IO_STACK_LOCATION Request = {.MajorFunction = IRP_MJ_PNP, .MinorFunction = IRP_MN_QUERY_ID};
    ULONG_PTR Information = 0;
    Request.Parameters.QueryId.IdType = Type;
    NTSTATUS Status = PnpRequest(Node, &Request, &Information);
    if (Status == STATUS_INSUFFICIENT_RESOURCES) {
        return NULL;
    }
    if (!NT_SUCCESS(Status)) {
        if (Type == BusQueryDeviceID || Type == BusQueryInstanceID) {
            NtViolation(RULE_PNP_ANSWER, "IRP_MN_QUERY_ID", "id type %d: status 0x%08x", (int)Type, (unsigned)Status);
        }
        return Text;
    }
    for (const WCHAR *Id = (const WCHAR *)Information; Id != NULL && *Id != 0;) {
        size_t Length = NativeWcslen(Id);
        if ((size_t)(End - Text) <= Length + 2) {
            break;
        }
        TextFromWide(Text, (size_t)(End - Text), Id, Length);
        Text += strlen(Text) + 1;
        Id += Multi ? Length + 1 : Length;
    }
    if (Information != 0) {
        ExFreePool((PVOID)Information);
    }
    return Text;
}

bool PnpQueryIds(NATIVE_DEVICE *Node)
{
    static const struct {
        BUS_QUERY_ID_TYPE Type;
        bool Multi;
    } Lists[] = {{BusQueryDeviceID, false}, {BusQueryHardwareIDs, true}, {BusQueryCompatibleIDs, true}};
    const char *End = Node->Ids + sizeof(Node->Ids) - 1;
    char *Text = Node->Ids;
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Lists) && Text != NULL; Index++) {
        Text = PnpQueryId(Node, Lists[Index].Type, Lists[Index].Multi, Text, End);
    }
    if (Text != NULL) {
        *Text = '\0';
        Text = PnpQueryId(Node, BusQueryInstanceID, false, Node->Instance, Node->Instance + sizeof(Node->Instance) - 1);
    }
    if (Text == NULL) {
        Node->Ids[0] = '\0';
        return false;
    }
    *Text = '\0';
    return true;
}

void PnpQueryCapabilities(NATIVE_DEVICE *Node)
{
    IO_STACK_LOCATION Request = {.MajorFunction = IRP_MJ_PNP, .MinorFunction = IRP_MN_QUERY_CAPABILITIES};
    DEVICE_CAPABILITIES Capabilities = {.Size = sizeof(Capabilities), .Version = 1};
    Capabilities.Address = Capabilities.UINumber = MAXULONG;
    Request.Parameters.DeviceCapabilities.Capabilities = &Capabilities;
    PnpRequest(Node, &Request, NULL);
    if (Capabilities.Size != sizeof(Capabilities) || Capabilities.Version != 1) {
        NtViolation(RULE_PNP_ANSWER, "IRP_MN_QUERY_CAPABILITIES", "size or version were changed");
    }
}

/* ---- The root bus ---- */

static NATIVE_DRIVER PnpRoot;

static NTSTATUS PnpRootDispatch(PDEVICE_OBJECT Device, PIRP Irp)
{
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Irp);
    UNREFERENCED_PARAMETER(Device);
    NTSTATUS Status = Irp->IoStatus.Status;
    switch (Stack->MinorFunction) {
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
        Status = STATUS_SUCCESS;
        break;
    default:
        break; /* as it came: STATUS_NOT_SUPPORTED, or what a driver above put there */
    }
    Irp->IoStatus.Status = Status;
    IofCompleteRequest(Irp, IO_NO_INCREMENT);
    return Status;
}

static NTSTATUS PnpRootSucceed(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    IofCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

PDRIVER_OBJECT PnpRootDriver(void)
{
    return &PnpRoot.Object;
}

void PnpRootStart(void)
{
    DriverObjectInitialize(&PnpRoot.Object, &PnpRoot.Extension);
    PnpRoot.Object.MajorFunction[IRP_MJ_PNP] = PnpRootDispatch;
    PnpRoot.Object.MajorFunction[IRP_MJ_CREATE] = PnpRootSucceed;
    PnpRoot.Object.MajorFunction[IRP_MJ_CLEANUP] = PnpRootSucceed;
    PnpRoot.Object.MajorFunction[IRP_MJ_CLOSE] = PnpRootSucceed;
    PnpRoot.Object.MajorFunction[IRP_MJ_POWER] = PnpRootSucceed;
}
