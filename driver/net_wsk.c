/* SPDX-License-Identifier: LGPL-2.1-only */
/* net.h over Winsock Kernel. */
#include "net.h"
#include "pool.h"

static const WSK_CLIENT_DISPATCH NetClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/* Addresses to bind to; const for us, WSK takes a plain pointer. */
static SOCKADDR_IN NetWildcard4 = {.sin_family = AF_INET};
static SOCKADDR_IN6 NetWildcard6 = {.sin6_family = AF_INET6};

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NetStart(NET *Net)
{
    RtlZeroMemory(Net, sizeof(*Net));
    KeInitializeSpinLock(&Net->Lock);
    WSK_CLIENT_NPI Client = {NULL, &NetClientDispatch};
    NTSTATUS Status = WskRegister(&Client, &Net->Registration);
    Net->Registered = NT_SUCCESS(Status);
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void NetStop(NET *Net)
{
    if (Net->Captured) {
        WskReleaseProviderNPI(&Net->Registration);
        Net->Captured = FALSE;
    }
    if (Net->Registered) {
        WskDeregister(&Net->Registration);
        Net->Registered = FALSE;
    }
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NetCapture(NET *Net)
{
    WSK_PROVIDER_NPI Provider;
    KIRQL Irql;
    KeAcquireSpinLock(&Net->Lock, &Irql);
    BOOLEAN Captured = Net->Captured;
    KeReleaseSpinLock(&Net->Lock, Irql);
    if (Captured) {
        return STATUS_SUCCESS;
    }
    NTSTATUS Status = WskCaptureProviderNPI(&Net->Registration, WSK_NO_WAIT, &Provider);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    /* Two first users at once: one capture is kept, the other given back. */
    KeAcquireSpinLock(&Net->Lock, &Irql);
    Captured = Net->Captured;
    if (!Captured) {
        Net->Provider = Provider;
        Net->Captured = TRUE;
    }
    KeReleaseSpinLock(&Net->Lock, Irql);
    if (Captured) {
        WskReleaseProviderNPI(&Net->Registration);
    }
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static NTSTATUS NTAPI NetIrpCompleted(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    NET_OP *Op = Context;
    Op->Done(Op->Context, Irp->IoStatus.Status, Irp->IoStatus.Information);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetOpInitialize(NET_OP *Op, NET_DONE *Done, void *Context)
{
    Op->Done = Done;
    Op->Context = Context;
    Op->Irp = IoAllocateIrp(1, FALSE);
    return Op->Irp != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetOpFree(NET_OP *Op)
{
    if (Op->Irp != NULL) {
        IoFreeIrp(Op->Irp);
        Op->Irp = NULL;
    }
}

/* The operation's IRP, fresh for one more use. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static PIRP NetOpIrp(NET_OP *Op)
{
    IoReuseIrp(Op->Irp, STATUS_UNSUCCESSFUL);
    IoSetCompletionRoutine(Op->Irp, NetIrpCompleted, Op, TRUE, TRUE, TRUE);
    return Op->Irp;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetBufferAllocate(NET_BUFFER *Buffer, ULONG SizeBytes)
{
    Buffer->SizeBytes = SizeBytes;
    Buffer->Bytes = PoolAllocate(SizeBytes);
    if (Buffer->Bytes == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Buffer->Mdl = IoAllocateMdl(Buffer->Bytes, SizeBytes, FALSE, FALSE, NULL);
    if (Buffer->Mdl == NULL) {
        NetBufferFree(Buffer);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    MmBuildMdlForNonPagedPool(Buffer->Mdl);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferFree(NET_BUFFER *Buffer)
{
    if (Buffer->Mdl != NULL) {
        IoFreeMdl(Buffer->Mdl);
        Buffer->Mdl = NULL;
    }
    PoolFree(Buffer->Bytes);
    Buffer->Bytes = NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferJoin(NET_BUFFER *First, NET_BUFFER *Second)
{
    First->Mdl->Next = Second->Mdl;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBufferSplit(NET_BUFFER *First)
{
    First->Mdl->Next = NULL;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void NetResolve(NET *Net, NET_OP *Op, PUNICODE_STRING Host, PADDRINFOEXW *List)
{
    /* No hints: every address that the name has, in the order in which the system prefers them. */
    Net->Provider.Dispatch->WskGetAddressInfo(Net->Provider.Client, Host, NULL, 0, NULL, NULL, List, NULL, NULL,
                                              NetOpIrp(Op));
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void NetFreeAddresses(NET *Net, PADDRINFOEXW List)
{
    Net->Provider.Dispatch->WskFreeAddressInfo(Net->Provider.Client, List);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetSocket(NET *Net, NET_OP *Op, ADDRESS_FAMILY Family)
{
    Net->Provider.Dispatch->WskSocket(Net->Provider.Client, Family, SOCK_STREAM, IPPROTO_TCP,
                                      WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL, NetOpIrp(Op));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static const WSK_PROVIDER_CONNECTION_DISPATCH *NetDispatch(PWSK_SOCKET Socket)
{
    return Socket->Dispatch;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetBind(PWSK_SOCKET Socket, NET_OP *Op, ADDRESS_FAMILY Family)
{
    PSOCKADDR Local = Family == AF_INET6 ? (PSOCKADDR)&NetWildcard6 : (PSOCKADDR)&NetWildcard4;
    NetDispatch(Socket)->WskBind(Socket, Local, 0, NetOpIrp(Op));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetConnect(PWSK_SOCKET Socket, NET_OP *Op, PSOCKADDR Address)
{
    NetDispatch(Socket)->WskConnect(Socket, Address, 0, NetOpIrp(Op));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
NTSTATUS NetSend(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer, ULONG LengthBytes)
{
    WSK_BUF Piece = {Buffer->Mdl, 0, LengthBytes};
    return NetDispatch(Socket)->WskSend(Socket, &Piece, WSK_FLAG_NODELAY, NetOpIrp(Op));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetReceive(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer)
{
    WSK_BUF Room = {Buffer->Mdl, 0, Buffer->SizeBytes};
    NetDispatch(Socket)->WskReceive(Socket, &Room, 0, NetOpIrp(Op));
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void NetClose(PWSK_SOCKET Socket, NET_OP *Op)
{
    NetDispatch(Socket)->Basic.WskCloseSocket(Socket, NetOpIrp(Op));
}
