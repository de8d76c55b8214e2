/* SPDX-License-Identifier: LGPL-2.1-only */
/* WSK's registration, and the functions of its provider: sockets, names. */
#include "wsk_internal.h"

#include <stdlib.h>

#define REGISTRATION_STATE 0x57534B5245474953ull
#define DEREGISTER_LIMIT (10 * 10000000ull)
#define RESOLVE_MAX 16

NATIVE_OPTIONS WskOptions;
static GROUND_LOCK WskLock = GROUND_LOCK_INITIALIZER; /* lists, counts of clients, late captures */
static SOCKET *WskSockets;
static uint32_t WskLateCaptures;
static LONG WskResolving;

void WskStart(const NATIVE_OPTIONS *Options)
{
    WskOptions = *Options;
    WskLateCaptures = Options->WskLateCaptures;
    EngineStart();
}

void WskStop(void)
{
    while (__atomic_load_n(&WskResolving, __ATOMIC_ACQUIRE) != 0) {
        GroundSleep(10000);
    }
    EngineStop();
    while (WskSockets != NULL) {
        SOCKET *Socket = WskSockets;
        WskSockets = Socket->Next;
        free(Socket);
    }
}

/* ---- Registration ---- */

static WSK_CLIENT *ClientOf(PWSK_REGISTRATION Registration, const char *Function)
{
    if (Registration->ReservedRegistrationState != REGISTRATION_STATE) {
        NtViolation(RULE_WSK_CLIENT, Function, "nothing is registered at %p", (void *)Registration);
    }
    return Registration->ReservedRegistrationContext;
}

NTSTATUS WSKAPI WskRegister(PWSK_CLIENT_NPI WskClientNpi, PWSK_REGISTRATION WskRegistration)
{
    NT_ENTER(PASSIVE_LEVEL);
    if (WSK_MAJOR_VERSION(WskClientNpi->Dispatch->Version) != 1 || WskClientNpi->Dispatch->Reserved != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "version 0x%04x, reserved %u", WskClientNpi->Dispatch->Version,
                    WskClientNpi->Dispatch->Reserved);
    }
    WSK_CLIENT *Client = Fault(__func__) ? NULL : calloc(1, sizeof(*Client));
    if (Client == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    WskRegistration->ReservedRegistrationState = REGISTRATION_STATE;
    WskRegistration->ReservedRegistrationContext = Client;
    TrackAdd(TRACK_WSK_CLIENT, Client, 0, 0, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

VOID WSKAPI WskDeregister(PWSK_REGISTRATION WskRegistration)
{
    NT_ENTER(PASSIVE_LEVEL);
    WSK_CLIENT *Client = ClientOf(WskRegistration, __func__);
    uint64_t Deadline = GroundNow() + DEREGISTER_LIMIT;
    for (;;) {
        GroundLockEnter(&WskLock);
        LONG Captures = Client->Captures, Sockets = Client->Sockets;
        GroundLockLeave(&WskLock);
        LONG Requests = ReadAcquire(&Client->Requests);
        if (Captures == 0 && Sockets == 0 && Requests == 0) {
            break;
        }
        if (GroundNow() > Deadline) {
            NtViolation(RULE_WSK_CLIENT, __func__, "waits for ever for %d captures, %d sockets, %d requests", Captures,
                        Sockets, Requests);
        }
        GroundSleep(10000);
    }
    WskRegistration->ReservedRegistrationState = 0;
    TrackRemove(TRACK_WSK_CLIENT, Client, NULL, NULL);
    free(Client);
}

static const WSK_PROVIDER_DISPATCH WskProviderDispatch;

NTSTATUS WSKAPI WskCaptureProviderNPI(PWSK_REGISTRATION WskRegistration, ULONG WaitTimeoutMs,
                                      PWSK_PROVIDER_NPI WskProviderNpi)
{
    NtEnter(__func__, WaitTimeoutMs == WSK_NO_WAIT ? DISPATCH_LEVEL : PASSIVE_LEVEL);
    WSK_CLIENT *Client = ClientOf(WskRegistration, __func__);
    if (Fault(__func__)) {
        return STATUS_DEVICE_NOT_READY;
    }
    GroundLockEnter(&WskLock);
    bool Late = WskLateCaptures != 0 && WaitTimeoutMs != WSK_INFINITE_WAIT;
    if (Late) {
        WskLateCaptures--;
    } else {
        Client->Captures++;
    }
    GroundLockLeave(&WskLock);
    if (Late) {
        return STATUS_DEVICE_NOT_READY;
    }
    WskProviderNpi->Client = Client;
    WskProviderNpi->Dispatch = &WskProviderDispatch;
    return STATUS_SUCCESS;
}

VOID WSKAPI WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration)
{
    NT_ENTER(DISPATCH_LEVEL);
    WSK_CLIENT *Client = ClientOf(WskRegistration, __func__);
    GroundLockEnter(&WskLock);
    LONG Left = --Client->Captures;
    GroundLockLeave(&WskLock);
    if (Left < 0) {
        NtViolation(RULE_WSK_CLIENT, __func__, "released more often than captured");
    }
}

static WSK_CLIENT *ClientEnter(PWSK_CLIENT Handle, KIRQL Highest, const char *Function)
{
    WSK_CLIENT *Client = Handle;
    NtEnter(Function, Highest);
    if (!TrackHas(TRACK_WSK_CLIENT, Client)) {
        NtViolation(RULE_WSK_CLIENT, Function, "%p is no registered client", Handle);
    }
    GroundLockEnter(&WskLock);
    bool Captured = Client->Captures > 0;
    GroundLockLeave(&WskLock);
    if (!Captured) {
        NtViolation(RULE_WSK_CLIENT, Function, "the provider is not captured");
    }
    return Client;
}

/* ---- Sockets ---- */

SOCKET *SocketCreate(WSK_CLIENT *Client, bool V6, NTSTATUS *Status)
{
    SOCKET *Socket = calloc(1, sizeof(*Socket));
    if (Socket == NULL) {
        abort();
    }
    *Status = NetStatus(GroundSocketOpen(V6, &Socket->Fd));
    if (!NT_SUCCESS(*Status)) {
        free(Socket);
        return NULL;
    }
    /* Windows decides by itself about small segments; here a request must not wait for an acknowledgement. */
    GroundSocketOption(Socket->Fd, GROUND_OPTION_NODELAY, 1);
    Socket->Public.Dispatch = &WskConnectionDispatch;
    Socket->Client = Client;
    Socket->Lock = (GROUND_LOCK)GROUND_LOCK_INITIALIZER;
    Socket->V6 = V6;
    InitializeListHead(&Socket->Sends);
    InitializeListHead(&Socket->Receives);
    GroundLockEnter(&WskLock);
    Client->Sockets++;
    Socket->Next = WskSockets;
    WskSockets = Socket;
    GroundLockLeave(&WskLock);
    TrackAdd(TRACK_SOCKET, Socket, 0, 0, __builtin_return_address(0));
    return Socket;
}

/* The socket's end, before its close or its failed connection is reported. */
void SocketGone(SOCKET *Socket)
{
    GroundLockEnter(&Socket->Lock);
    if (!Socket->Closing) { /* WskSocketConnect failed: nobody else closes it */
        SocketForget(Socket);
        GroundSocketClose(Socket->Fd);
    }
    Socket->State = SOCKET_CLOSED;
    GroundLockLeave(&Socket->Lock);
    TrackRemove(TRACK_SOCKET, Socket, NULL, NULL);
    GroundLockEnter(&WskLock);
    Socket->Client->Sockets--;
    GroundLockLeave(&WskLock);
}

static void SocketCheckKind(USHORT SocketType, ULONG Protocol, ULONG Flags, ADDRESS_FAMILY Family, const char *Function)
{
    if (SocketType != SOCK_STREAM || Protocol != IPPROTO_TCP || Flags != WSK_FLAG_CONNECTION_SOCKET ||
        (Family != AF_INET && Family != AF_INET6)) {
        NtViolation(RULE_WSK_ARGUMENT, Function, "type %u, protocol %u, flags 0x%x, family %u: only TCP connections",
                    SocketType, Protocol, Flags, Family);
    }
}

static NTSTATUS WskSocket(PWSK_CLIENT Handle, ADDRESS_FAMILY AddressFamily, USHORT SocketType, ULONG Protocol,
                          ULONG Flags, PVOID SocketContext, const VOID *Dispatch, PEPROCESS OwningProcess,
                          PETHREAD OwningThread, PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp)
{
    NTSTATUS Status;
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Dispatch);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    UNREFERENCED_PARAMETER(SecurityDescriptor);
    WSK_CLIENT *Client = ClientEnter(Handle, DISPATCH_LEVEL, __func__);
    SocketCheckKind(SocketType, Protocol, Flags, AddressFamily, __func__);
    WSK_OP *Op = OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__);
    if (Fault(__func__)) {
        return OpFinishCall(Op, STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    SOCKET *Socket = SocketCreate(Client, AddressFamily == AF_INET6, &Status);
    return OpFinishCall(Op, Status, (ULONG_PTR)Socket);
}

static NTSTATUS WskSocketConnect(PWSK_CLIENT Handle, USHORT SocketType, ULONG Protocol, PSOCKADDR LocalAddress,
                                 PSOCKADDR RemoteAddress, ULONG Flags, PVOID SocketContext,
                                 const WSK_CLIENT_CONNECTION_DISPATCH *Dispatch, PEPROCESS OwningProcess,
                                 PETHREAD OwningThread, PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp)
{
    NTSTATUS Status;
    UNREFERENCED_PARAMETER(SocketContext);
    UNREFERENCED_PARAMETER(Dispatch);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    UNREFERENCED_PARAMETER(SecurityDescriptor);
    WSK_CLIENT *Client = ClientEnter(Handle, DISPATCH_LEVEL, __func__);
    if (Flags != 0) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "Flags is reserved: 0, not 0x%x", Flags);
    }
    SocketCheckKind(SocketType, Protocol, WSK_FLAG_CONNECTION_SOCKET, RemoteAddress->sa_family, __func__);
    SOCKET *Socket = NULL;
    Status = STATUS_INSUFFICIENT_RESOURCES;
    if (!Fault(__func__)) {
        Socket = SocketCreate(Client, RemoteAddress->sa_family == AF_INET6, &Status);
    }
    if (Socket == NULL) {
        return OpFinishCall(OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__), Status, 0);
    }
    WSK_OP *Op = OpCreate(OP_CONNECT, Client, Socket, Irp, __func__);
    Op->NewSocket = true;
    Status = SocketBindTo(Socket, LocalAddress);
    if (NT_SUCCESS(Status)) {
        GroundLockEnter(&Socket->Lock);
        Socket->Executing++;
        GroundLockLeave(&Socket->Lock);
        Status = SocketConnectTo(Socket, Op, RemoteAddress);
    }
    if (Status == STATUS_PENDING) {
        return Status;
    }
    return OpFinishCall(Op, Status, NT_SUCCESS(Status) ? (ULONG_PTR)Socket : 0);
}

static NTSTATUS WskControlClient(PWSK_CLIENT Handle, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                 SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp)
{
    UNREFERENCED_PARAMETER(ControlCode);
    UNREFERENCED_PARAMETER(InputSize);
    UNREFERENCED_PARAMETER(InputBuffer);
    UNREFERENCED_PARAMETER(OutputSize);
    UNREFERENCED_PARAMETER(OutputBuffer);
    UNREFERENCED_PARAMETER(OutputSizeReturned);
    WSK_CLIENT *Client = ClientEnter(Handle, DISPATCH_LEVEL, __func__);
    if (Irp == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    return OpFinishCall(OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__), STATUS_NOT_SUPPORTED, 0);
}

/* ---- Names ---- */

/* One resolution: the thread that blocks in it, and the caller's operation until somebody has ended that. */
typedef struct {
    GROUND_LOCK Lock;
    WSK_OP *Op; /* NULL once it was cancelled; guarded by Lock */
    KTHREAD Thread;
    LONG References; /* the thread's and the operation's */
    bool NumericOnly;
    ADDRESS_FAMILY Family;
    char Host[512];
    char Service[64];
    PADDRINFOEXW *Result;
} RESOLUTION;

typedef struct {
    ADDRINFOEXW Info;
    SOCKADDR_STORAGE Address;
} RESOLVED;

static PADDRINFOEXW ResolvedList(const GROUND_ADDRESS *Addresses, int Count, ADDRESS_FAMILY Family)
{
    PADDRINFOEXW First = NULL, *Link = &First;
    for (int Index = 0; Index < Count; Index++) {
        ADDRESS_FAMILY Mine = Addresses[Index].V6 ? AF_INET6 : AF_INET;
        if (Family != AF_UNSPEC && Family != Mine) {
            continue;
        }
        RESOLVED *Entry = calloc(1, sizeof(*Entry));
        if (Entry == NULL) {
            abort();
        }
        Entry->Info.ai_family = Mine;
        Entry->Info.ai_socktype = SOCK_STREAM;
        Entry->Info.ai_protocol = IPPROTO_TCP;
        Entry->Info.ai_addrlen = Mine == AF_INET6 ? sizeof(SOCKADDR_IN6) : sizeof(SOCKADDR_IN);
        Entry->Info.ai_addr = (SOCKADDR *)&Entry->Address;
        AddressToSockaddr(&Addresses[Index], Entry->Info.ai_addr);
        *Link = &Entry->Info;
        Link = &Entry->Info.ai_next;
    }
    return First;
}

static void ResolutionRelease(RESOLUTION *Resolution)
{
    if (InterlockedDecrement(&Resolution->References) == 0) {
        free(Resolution);
    }
}

static void ResolverMain(void *Context)
{
    RESOLUTION *Resolution = Context;
    GROUND_ADDRESS Addresses[RESOLVE_MAX];
    ThreadInitialize(&Resolution->Thread, "resolver");
    ThreadSetCurrent(&Resolution->Thread);
    int Count = GroundResolve(Resolution->Host, Resolution->Service, Resolution->NumericOnly, Addresses, RESOLVE_MAX);
    PADDRINFOEXW List = ResolvedList(Addresses, Count, Resolution->Family), *Result = Resolution->Result;

    GroundLockEnter(&Resolution->Lock);
    WSK_OP *Op = Resolution->Op;
    if (Op != NULL) {
        /* Whose cancel routine runs already, that is left to it. */
        Op = OpClaim(Op, List == NULL ? STATUS_NO_MATCH : STATUS_SUCCESS, 0) ? Op : NULL;
    }
    Resolution->Op = NULL;
    GroundLockLeave(&Resolution->Lock);
    if (Op != NULL) {
        ResolutionRelease(Resolution);
        if (List != NULL) {
            TrackAdd(TRACK_ADDRESS_INFO, List, 0, 0, NULL);
            *Result = List;
        }
        OpPost(Op);
    } else {
        while (List != NULL) {
            PADDRINFOEXW Entry = List;
            List = Entry->ai_next;
            free(CONTAINING_RECORD(Entry, RESOLVED, Info));
        }
    }
    ThreadSetCurrent(NULL);
    ResolutionRelease(Resolution);
    InterlockedDecrement(&WskResolving);
}

static VOID ResolutionCancel(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    WSK_OP *Op = Irp->Tail.Overlay.DriverContext[0];
    RESOLUTION *Resolution = Irp->Tail.Overlay.DriverContext[1];
    GroundLockEnter(&Resolution->Lock);
    /* The resolver has not claimed the operation, or has left it to this routine; either way it is over. */
    Resolution->Op = NULL;
    GroundLockLeave(&Resolution->Lock);
    Op->Status = STATUS_CANCELLED;
    Op->Information = 0;
    OpPost(Op);
    ResolutionRelease(Resolution);
}

/* Starts the thread, unless the IRP is cancelled already. */
static NTSTATUS ResolutionBegin(RESOLUTION *Resolution, WSK_OP *Op)
{
    PIRP Irp = Op->Irp;
    IoMarkIrpPending(Irp);
    Op->Cancelable = true;
    IoSetCancelRoutine(Irp, ResolutionCancel);
    InterlockedIncrement(&WskResolving);
    GROUND_THREAD *Ground = GroundThreadStart(ResolverMain, Resolution, "resolver");
    NT_ASSERT(Ground != NULL);
    GroundThreadRelease(Ground);
    return STATUS_PENDING;
}

static void NameCopy(char *Destination, size_t Size, PUNICODE_STRING Name)
{
    Destination[0] = '\0';
    if (Name != NULL) {
        TextFromWide(Destination, Size, Name->Buffer, Name->Length / sizeof(WCHAR));
    }
}

static NTSTATUS WskGetAddressInfo(PWSK_CLIENT Handle, PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName,
                                  ULONG NameSpace, GUID *Provider, PADDRINFOEXW Hints, PADDRINFOEXW *Result,
                                  PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp)
{
    UNREFERENCED_PARAMETER(NameSpace);
    UNREFERENCED_PARAMETER(Provider);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    WSK_CLIENT *Client = ClientEnter(Handle, PASSIVE_LEVEL, __func__);
    if ((NodeName == NULL && ServiceName == NULL) || Result == NULL) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "neither a name nor a service, or no place for the result");
    }
    if (Fault(__func__)) {
        return OpFinishCall(OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__), STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    RESOLUTION *Resolution = calloc(1, sizeof(*Resolution));
    if (Resolution == NULL) {
        abort();
    }
    Resolution->Lock = (GROUND_LOCK)GROUND_LOCK_INITIALIZER;
    Resolution->References = 2; /* the thread's and the operation's */
    Resolution->Result = Result;
    Resolution->NumericOnly = Hints != NULL && (Hints->ai_flags & AI_NUMERICHOST) != 0;
    Resolution->Family = Hints == NULL ? AF_UNSPEC : (ADDRESS_FAMILY)Hints->ai_family;
    NameCopy(Resolution->Host, sizeof(Resolution->Host), NodeName);
    NameCopy(Resolution->Service, sizeof(Resolution->Service), ServiceName);
    WSK_OP *Op = OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__);
    Irp->Tail.Overlay.DriverContext[1] = Resolution;
    Resolution->Op = Op;
    return ResolutionBegin(Resolution, Op);
}

static VOID WskFreeAddressInfo(PWSK_CLIENT Handle, PADDRINFOEXW AddrInfo)
{
    ClientEnter(Handle, PASSIVE_LEVEL, __func__);
    if (!TrackRemove(TRACK_ADDRESS_INFO, AddrInfo, NULL, NULL)) {
        NtViolation(RULE_WSK_ARGUMENT, __func__, "%p is no address list, or not any more", (void *)AddrInfo);
    }
    while (AddrInfo != NULL) {
        PADDRINFOEXW Entry = AddrInfo;
        AddrInfo = Entry->ai_next;
        free(CONTAINING_RECORD(Entry, RESOLVED, Info));
    }
}

static NTSTATUS WskGetNameInfo(PWSK_CLIENT Handle, PSOCKADDR SockAddr, ULONG SockAddrLength, PUNICODE_STRING NodeName,
                               PUNICODE_STRING ServiceName, ULONG Flags, PEPROCESS OwningProcess, PETHREAD OwningThread,
                               PIRP Irp)
{
    UNREFERENCED_PARAMETER(SockAddr);
    UNREFERENCED_PARAMETER(SockAddrLength);
    UNREFERENCED_PARAMETER(NodeName);
    UNREFERENCED_PARAMETER(ServiceName);
    UNREFERENCED_PARAMETER(Flags);
    UNREFERENCED_PARAMETER(OwningProcess);
    UNREFERENCED_PARAMETER(OwningThread);
    WSK_CLIENT *Client = ClientEnter(Handle, PASSIVE_LEVEL, __func__);
    return OpFinishCall(OpCreate(OP_SIMPLE, Client, NULL, Irp, __func__), STATUS_NOT_SUPPORTED, 0);
}

static const WSK_PROVIDER_DISPATCH WskProviderDispatch = {
    .Version = MAKE_WSK_VERSION(1, 0),
    .WskSocket = WskSocket,
    .WskSocketConnect = WskSocketConnect,
    .WskControlClient = WskControlClient,
    .WskGetAddressInfo = WskGetAddressInfo,
    .WskFreeAddressInfo = WskFreeAddressInfo,
    .WskGetNameInfo = WskGetNameInfo,
};
