/* SPDX-License-Identifier: LGPL-2.1-only */
/* The functions of a WSK connection socket. */
#include "wsk_internal.h"

bool AddressFromSockaddr(const SOCKADDR *Sockaddr, GROUND_ADDRESS *Address)
{
    memset(Address, 0, sizeof(*Address));
    if (Sockaddr->sa_family == AF_INET) {
        const SOCKADDR_IN *In = (const SOCKADDR_IN *)Sockaddr;
        memcpy(Address->Ip, &In->sin_addr, 4);
        Address->Port = RtlUshortByteSwap(In->sin_port);
        return true;
    }
    if (Sockaddr->sa_family == AF_INET6) {
        const SOCKADDR_IN6 *In6 = (const SOCKADDR_IN6 *)Sockaddr;
        Address->V6 = true;
        memcpy(Address->Ip, &In6->sin6_addr, 16);
        Address->Port = RtlUshortByteSwap(In6->sin6_port);
        Address->Scope = In6->sin6_scope_id;
        return true;
    }
    return false;
}

void AddressToSockaddr(const GROUND_ADDRESS *Address, SOCKADDR *Sockaddr)
{
    if (Address->V6) {
        SOCKADDR_IN6 *In6 = (SOCKADDR_IN6 *)Sockaddr;
        memset(In6, 0, sizeof(*In6));
        In6->sin6_family = AF_INET6;
        In6->sin6_port = RtlUshortByteSwap(Address->Port);
        In6->sin6_scope_id = Address->Scope;
        memcpy(&In6->sin6_addr, Address->Ip, 16);
    } else {
        SOCKADDR_IN *In = (SOCKADDR_IN *)Sockaddr;
        memset(In, 0, sizeof(*In));
        In->sin_family = AF_INET;
        In->sin_port = RtlUshortByteSwap(Address->Port);
        memcpy(&In->sin_addr, Address->Ip, 4);
    }
}

/* Entry of every function but the close: the socket is open, and stays so until SocketLeave. */
static SOCKET *SocketEnter(PWSK_SOCKET Public, const char *Function)
{
    SOCKET *Socket = (SOCKET *)Public;
    NtEnter(Function, DISPATCH_LEVEL);
    GroundLockEnter(&Socket->Lock);
    bool Gone = Socket->Closing || Socket->State == SOCKET_CLOSED;
    Socket->Executing++;
    GroundLockLeave(&Socket->Lock);
    if (Gone) {
        NtViolation(RULE_WSK_CLOSED, Function, "the socket at %p is closed or being closed", (void *)Socket);
    }
    return Socket;
}

/* Before the completion that this call may make itself: that one may close the socket. */
static void SocketLeave(SOCKET *Socket)
{
    GroundLockEnter(&Socket->Lock);
    Socket->Executing--;
    GroundLockLeave(&Socket->Lock);
}

static NTSTATUS WskControlSocket(PWSK_SOCKET Public, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                 ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                 PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    UNREFERENCED_PARAMETER(OutputSize);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputSizeReturned);
    SOCKET *Socket = SocketEnter(Public, __func__);
    WSK_OP *Op = OpCreate(OP_SIMPLE, Socket->Client, Socket, Irp, __func__);
    NTSTATUS Status = STATUS_NOT_SUPPORTED;
    if (Fault(__func__)) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
    } else if (RequestType == WskSetOption && InputSize >= sizeof(ULONG) && InputBuffer != NULL) {
        bool Keepalive = Level == SOL_SOCKET && ControlCode == SO_KEEPALIVE;
        bool NoDelay = Level == IPPROTO_TCP && ControlCode == TCP_NODELAY;
        if ((Keepalive || NoDelay) &&
            GroundSocketOption(Socket->Fd, Keepalive ? GROUND_OPTION_KEEPALIVE : GROUND_OPTION_NODELAY,
                               *(const ULONG *)InputBuffer != 0)) {
            Status = STATUS_SUCCESS;
        }
    }
    SocketLeave(Socket);
    return OpFinishCall(Op, Status, 0);
}

static NTSTATUS WskCloseSocket(PWSK_SOCKET Public, PIRP Irp)
{
    SOCKET *Socket = (SOCKET *)Public;
    NT_ENTER(DISPATCH_LEVEL);
    GroundLockEnter(&Socket->Lock);
    bool Again = Socket->Closing || Socket->State == SOCKET_CLOSED, Busy = Socket->Executing != 0;
    Socket->Closing = true;
    GroundLockLeave(&Socket->Lock);
    if (Again || Busy) {
        NtViolation(RULE_WSK_CLOSE, __func__, "the socket at %p %s", (void *)Socket,
                    Again ? "is closed already" : "is in use by another call");
    }
    WSK_OP *Close = OpCreate(OP_CLOSE, Socket->Client, Socket, Irp, __func__);
    IoMarkIrpPending(Irp);
    LIST_ENTRY Pending;
    InitializeListHead(&Pending);
    GroundLockEnter(&Socket->Lock);
    SocketForget(Socket);
    if (!Socket->Disconnected && Socket->State == SOCKET_CONNECTED) {
        GroundSocketShutdown(Socket->Fd, true);
    }
    GroundSocketClose(Socket->Fd);
    if (Socket->Connect != NULL && OpClaim(Socket->Connect, STATUS_CANCELLED, 0)) {
        InsertTailList(&Pending, &Socket->Connect->Link);
    }
    Socket->Connect = NULL;
    PLIST_ENTRY Queues[] = {&Socket->Sends, &Socket->Receives};
    for (size_t Queue = 0; Queue < RTL_NUMBER_OF(Queues); Queue++) {
        while (!IsListEmpty(Queues[Queue])) {
            WSK_OP *Op = CONTAINING_RECORD(Queues[Queue]->Flink, WSK_OP, Link);
            if (OpClaim(Op, STATUS_CANCELLED, Op->Kind == OP_RECEIVE ? Op->Done : 0)) {
                InsertTailList(&Pending, &Op->Link);
            }
        }
    }
    /* The close counts itself: without other operations it is due at once. */
    bool Now = --Socket->Outstanding == 0;
    if (!Now) {
        Socket->Close = Close;
    }
    GroundLockLeave(&Socket->Lock);
    while (!IsListEmpty(&Pending)) {
        OpPost(CONTAINING_RECORD(RemoveHeadList(&Pending), WSK_OP, Link));
    }
    if (Now) {
        OpPost(Close);
    }
    return STATUS_PENDING;
}

NTSTATUS SocketBindTo(SOCKET *Socket, const SOCKADDR *Local)
{
    GROUND_ADDRESS Address;
    if (!AddressFromSockaddr(Local, &Address) || Address.V6 != Socket->V6) {
        NtViolation(RULE_WSK_ARGUMENT, "WskBind", "address family %u is not the socket's", Local->sa_family);
    }
    GroundLockEnter(&Socket->Lock);
    bool Order = Socket->State == SOCKET_OPEN;
    NTSTATUS Status = Order ? NetStatus(GroundSocketBind(Socket->Fd, &Address)) : STATUS_SUCCESS;
    if (Order && NT_SUCCESS(Status)) {
        Socket->State = SOCKET_BOUND;
    }
    GroundLockLeave(&Socket->Lock);
    if (!Order) {
        NtViolation(RULE_WSK_ORDER, "WskBind", "the socket at %p is bound already", (void *)Socket);
    }
    return Status;
}

static NTSTATUS WskBind(PWSK_SOCKET Public, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp)
{
    SOCKET *Socket = SocketEnter(Public, __func__);
    if (Flags != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "Flags is reserved: 0, not 0x%x", Flags);
    }
    WSK_OP *Op = OpCreate(OP_SIMPLE, Socket->Client, Socket, Irp, __func__);
    NTSTATUS Status = Fault(__func__) ? STATUS_INSUFFICIENT_RESOURCES : SocketBindTo(Socket, LocalAddress);
    SocketLeave(Socket);
    return OpFinishCall(Op, Status, 0);
}

NTSTATUS SocketConnectTo(SOCKET *Socket, WSK_OP *Op, const SOCKADDR *Remote)
{
    GROUND_ADDRESS Address;
    if (!AddressFromSockaddr(Remote, &Address) || Address.V6 != Socket->V6) {
        NtViolation(RULE_WSK_ARGUMENT, "WskConnect", "address family %u is not the socket's", Remote->sa_family);
    }
    GroundLockEnter(&Socket->Lock);
    if (Socket->State != SOCKET_BOUND) {
        GroundLockLeave(&Socket->Lock);
        NtViolation(RULE_WSK_ORDER, "WskConnect", "the socket at %p is %s", (void *)Socket,
                    Socket->State == SOCKET_OPEN ? "not bound" : "connected already");
    }
    NTSTATUS Status = NetStatus(GroundSocketConnect(Socket->Fd, &Address));
    if (Status == STATUS_PENDING) {
        Socket->State = SOCKET_CONNECTING;
        Socket->Connect = Op;
        if (OpQueue(Op, NULL)) {
            SocketArm(Socket);
        } else {
            Socket->Connect = NULL;
        }
    } else if (NT_SUCCESS(Status)) {
        Socket->State = SOCKET_CONNECTED;
    }
    Socket->Executing--; /* before the connection can be reported, and the socket closed */
    GroundLockLeave(&Socket->Lock);
    return Status;
}

static NTSTATUS WskConnect(PWSK_SOCKET Public, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp)
{
    SOCKET *Socket = SocketEnter(Public, __func__);
    if (Flags != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "Flags is reserved: 0, not 0x%x", Flags);
    }
    WSK_OP *Op = OpCreate(OP_CONNECT, Socket->Client, Socket, Irp, __func__);
    if (Fault(__func__)) {
        SocketLeave(Socket);
        return OpFinishCall(Op, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    NTSTATUS Status = SocketConnectTo(Socket, Op, RemoteAddress);
    return Status == STATUS_PENDING ? Status : OpFinishCall(Op, Status, 0);
}

static NTSTATUS SocketGetAddress(PWSK_SOCKET Public, PSOCKADDR Result, bool Remote, PIRP Irp, const char *Function)
{
    GROUND_ADDRESS Address;
    SOCKET *Socket = SocketEnter(Public, Function);
    WSK_OP *Op = OpCreate(OP_SIMPLE, Socket->Client, Socket, Irp, Function);
    NTSTATUS Status =
        Fault(Function) ? STATUS_INSUFFICIENT_RESOURCES : NetStatus(GroundSocketAddress(Socket->Fd, Remote, &Address));
    if (NT_SUCCESS(Status)) {
        AddressToSockaddr(&Address, Result);
    }
    SocketLeave(Socket);
    return OpFinishCall(Op, Status, 0);
}

static NTSTATUS WskGetLocalAddress(PWSK_SOCKET Public, PSOCKADDR LocalAddress, PIRP Irp)
{
    return SocketGetAddress(Public, LocalAddress, false, Irp, __func__);
}

static NTSTATUS WskGetRemoteAddress(PWSK_SOCKET Public, PSOCKADDR RemoteAddress, PIRP Irp)
{
    return SocketGetAddress(Public, RemoteAddress, true, Irp, __func__);
}

static void BufferHold(WSK_OP *Op, const WSK_BUF *Buffer, const char *Function)
{
    SIZE_T Available = 0;
    for (PMDL Mdl = Buffer->Mdl; Mdl != NULL; Mdl = Mdl->Next) {
        Available += Mdl->ByteCount;
    }
    if (Buffer->Length != 0 && (Buffer->Mdl == NULL || Buffer->Offset >= Buffer->Mdl->ByteCount ||
                                Buffer->Length > Available - Buffer->Offset)) {
        NtViolation(RULE_MDL_RANGE, Function, "offset %u, length %llu: the first MDL has %u bytes, all have %llu",
                    (unsigned)Buffer->Offset, Buffer->Length, Buffer->Mdl == NULL ? 0 : Buffer->Mdl->ByteCount,
                    Available);
    }
    for (PMDL Mdl = Buffer->Mdl; Mdl != NULL; Mdl = Mdl->Next) {
        MdlHold(Mdl);
    }
    Op->Buffer = *Buffer;
}

/* Starts a transfer. True: pending; otherwise the operation has its result. */
static bool SocketTransfer(SOCKET *Socket, WSK_OP *Op, bool Try)
{
    GroundLockEnter(&Socket->Lock);
    bool Send = Op->Kind == OP_SEND;
    bool Order = Socket->State == SOCKET_CONNECTED;
    PLIST_ENTRY Queue = Send ? &Socket->Sends : &Socket->Receives;
    bool Done = false;
    if (Order && IsListEmpty(Queue) && (Try || Socket->Broken != STATUS_SUCCESS)) {
        Done = Send ? SocketTrySend(Socket, Op) : SocketTryReceive(Socket, Op);
    }
    if (Order && !Done && OpQueue(Op, Queue)) {
        SocketArm(Socket);
    }
    Socket->Executing--;
    GroundLockLeave(&Socket->Lock);
    if (!Order) {
        NtViolation(RULE_WSK_ORDER, Send ? "WskSend" : "WskReceive", "the socket at %p is not connected",
                    (void *)Socket);
    }
    return !Done;
}

/*
 * TCP leaves nothing out: after bytes that were taken and not sent, no others can follow. Who has seen the call fail
 * when it returns has to know by itself that what it sends next would take their place. The IRP "will be completed with
 * a failure status" [PFN_WSK_SEND]: before or after that.
 */
static NTSTATUS SocketFailSend(SOCKET *Socket, WSK_OP *Op)
{
    bool Told = GroundOneIn(WskOptions.WskSynchronousOneIn);
    bool Now = Told && GroundOneIn(2);
    GroundLockEnter(&Socket->Lock);
    if (!Told) {
        SocketBreak(Socket, STATUS_CONNECTION_ABORTED);
    }
    Socket->Executing--;
    GroundLockLeave(&Socket->Lock);
    NTSTATUS Status = OpFinish(Op, STATUS_INSUFFICIENT_RESOURCES, 0, Now);
    return Told ? STATUS_INSUFFICIENT_RESOURCES : Status;
}

static NTSTATUS WskSend(PWSK_SOCKET Public, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    SOCKET *Socket = SocketEnter(Public, __func__);
    if ((Flags & ~WSK_FLAG_NODELAY) != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "unknown flags 0x%x", Flags);
    }
    WSK_OP *Op = OpCreate(OP_SEND, Socket->Client, Socket, Irp, __func__);
    if (Fault(__func__)) {
        return SocketFailSend(Socket, Op);
    }
    BufferHold(Op, Buffer, __func__);
    return SocketTransfer(Socket, Op, true) ? STATUS_PENDING : OpFinishCall(Op, Op->Status, Op->Information);
}

static NTSTATUS WskReceive(PWSK_SOCKET Public, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    SOCKET *Socket = SocketEnter(Public, __func__);
    if ((Flags & ~(WSK_FLAG_WAITALL | WSK_FLAG_DRAIN)) != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "unknown flags 0x%x", Flags);
    }
    WSK_OP *Op = OpCreate(OP_RECEIVE, Socket->Client, Socket, Irp, __func__);
    if (Fault(__func__)) {
        SocketLeave(Socket);
        return OpFinishCall(Op, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    BufferHold(Op, Buffer, __func__);
    Op->WaitAll = (Flags & WSK_FLAG_WAITALL) != 0;
    bool Try = GroundOneIn(WskOptions.WskSynchronousOneIn);
    return SocketTransfer(Socket, Op, Try) ? STATUS_PENDING : OpFinishCall(Op, Op->Status, Op->Information);
}

static NTSTATUS WskDisconnect(PWSK_SOCKET Public, PWSK_BUF Buffer, ULONG Flags, PIRP Irp)
{
    SOCKET *Socket = SocketEnter(Public, __func__);
    if ((Flags & ~WSK_FLAG_ABORTIVE) != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "unknown flags 0x%x", Flags);
    }
    WSK_OP *Op = OpCreate(OP_SIMPLE, Socket->Client, Socket, Irp, __func__);
    NTSTATUS Status = Buffer != NULL ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
    if (Fault(__func__)) {
        Status = STATUS_INSUFFICIENT_RESOURCES;
    }
    GroundLockEnter(&Socket->Lock);
    if (Socket->State != SOCKET_CONNECTED) {
        Status = STATUS_CONNECTION_INVALID;
    } else if (NT_SUCCESS(Status)) {
        GroundSocketShutdown(Socket->Fd, (Flags & WSK_FLAG_ABORTIVE) != 0);
        Socket->Disconnected = true;
        if (Flags & WSK_FLAG_ABORTIVE) {
            SocketBreak(Socket, STATUS_LOCAL_DISCONNECT);
        }
    }
    Socket->Executing--;
    GroundLockLeave(&Socket->Lock);
    return OpFinishCall(Op, Status, 0);
}

static NTSTATUS WskRelease(PWSK_SOCKET Public, PWSK_DATA_INDICATION DataIndication)
{
    UNREFERENCED_PARAMETER(DataIndication);
    NtViolation(RULE_WSK_ARGUMENT, __func__, "nothing was indicated for the socket at %p", (void *)Public);
}

const WSK_PROVIDER_CONNECTION_DISPATCH WskConnectionDispatch = {
    .Basic = {.WskControlSocket = WskControlSocket, .WskCloseSocket = WskCloseSocket},
    .WskBind = WskBind,
    .WskConnect = WskConnect,
    .WskGetLocalAddress = WskGetLocalAddress,
    .WskGetRemoteAddress = WskGetRemoteAddress,
    .WskSend = WskSend,
    .WskReceive = WskReceive,
    .WskDisconnect = WskDisconnect,
    .WskRelease = WskRelease,
};
