/* SPDX-License-Identifier: LGPL-2.1-only */
/* Operations and the engine that ends them: see wsk_internal.h. */
#include "wsk_internal.h"

#include <stdlib.h>

static struct {
    GROUND_LOCK Lock;
    LIST_ENTRY Posted;
    bool Stopping;
    GROUND_POLLER *Poller;
    GROUND_THREAD *Ground;
    KTHREAD Thread;
} Engine = {.Lock = GROUND_LOCK_INITIALIZER};

NTSTATUS NetStatus(GROUND_NET Result)
{
    switch (Result) {
    case GROUND_NET_OK:
        return STATUS_SUCCESS;
    case GROUND_NET_WOULD_BLOCK:
        return STATUS_PENDING;
    case GROUND_NET_REFUSED:
        return STATUS_CONNECTION_REFUSED;
    case GROUND_NET_RESET:
        return STATUS_CONNECTION_RESET;
    case GROUND_NET_UNREACHABLE:
        return STATUS_HOST_UNREACHABLE;
    case GROUND_NET_TIMED_OUT:
        return STATUS_IO_TIMEOUT;
    case GROUND_NET_NOT_LOCAL:
        return STATUS_INVALID_ADDRESS_COMPONENT;
    case GROUND_NET_IN_USE:
        return STATUS_ADDRESS_ALREADY_EXISTS;
    case GROUND_NET_NO_RESOURCES:
        return STATUS_INSUFFICIENT_RESOURCES;
    case GROUND_NET_UNSUPPORTED:
        return STATUS_NOT_SUPPORTED;
    case GROUND_NET_FAILED:
        break;
    }
    return STATUS_UNEXPECTED_NETWORK_ERROR;
}

/* ---- The life of an operation ---- */

WSK_OP *OpCreate(WSK_OP_KIND Kind, WSK_CLIENT *Client, SOCKET *Socket, PIRP Irp, const char *Function)
{
    const UCHAR Always = SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL;
    WSK_OP *Op = calloc(1, sizeof(*Op));
    if (Op == NULL) {
        abort();
    }
    if (Irp == NULL) {
        NtViolation(RULE_WSK_IRP, Function, "called without an IRP");
    }
    PIO_STACK_LOCATION Stack = IrpTake(Irp, Function);
    if (Stack->CompletionRoutine == NULL || (Stack->Control & Always) != Always) {
        NtViolation(RULE_WSK_IRP, Function, "IRP %p has no completion routine for success, error and cancel",
                    (void *)Irp);
    }
    *Op = (WSK_OP){.Kind = Kind, .Irp = Irp, .Socket = Socket, .Client = Client};
    InitializeListHead(&Op->Link);
    Irp->Tail.Overlay.DriverContext[0] = Op;
    if (Socket != NULL) {
        GroundLockEnter(&Socket->Lock);
        Socket->Outstanding++;
        GroundLockLeave(&Socket->Lock);
    } else {
        InterlockedIncrement(&Client->Requests);
    }
    return Op;
}

static void OpReleaseBuffer(WSK_OP *Op)
{
    for (PMDL Mdl = Op->Buffer.Mdl; Mdl != NULL; Mdl = Mdl->Next) {
        MdlRelease(Mdl);
    }
    Op->Buffer.Mdl = NULL;
}

/* The last thing that a close waits for has ended. */
static void SocketOperationEnded(SOCKET *Socket)
{
    GroundLockEnter(&Socket->Lock);
    WSK_OP *Close = NULL;
    if (--Socket->Outstanding == 0) {
        Close = Socket->Close;
        Socket->Close = NULL;
    }
    GroundLockLeave(&Socket->Lock);
    if (Close != NULL) {
        OpPost(Close);
    }
}

void OpComplete(WSK_OP *Op)
{
    SOCKET *Socket = Op->Socket;
    WSK_CLIENT *Client = Op->Client;
    PIRP Irp = Op->Irp;
    bool IsClose = Op->Kind == OP_CLOSE;
    OpReleaseBuffer(Op);
    Irp->IoStatus.Status = Op->Status;
    Irp->IoStatus.Information = Op->Information;
    bool Gone = IsClose || (Op->NewSocket && !NT_SUCCESS(Op->Status));
    free(Op);
    IofCompleteRequest(Irp, IO_NETWORK_INCREMENT);
    if (Gone) { /* only now: WskDeregister waits for this, and the driver's code may go after it */
        SocketGone(Socket);
    }
    if (Socket == NULL) {
        InterlockedDecrement(&Client->Requests);
    } else if (!IsClose) {
        SocketOperationEnded(Socket);
    }
}

void WskWake(void)
{
    if (KeGetCurrentThread() != &Engine.Thread) {
        GroundPollerWake(Engine.Poller);
    }
}

void OpPost(WSK_OP *Op)
{
    GroundLockEnter(&Engine.Lock);
    InsertTailList(&Engine.Posted, &Op->Link);
    GroundLockLeave(&Engine.Lock);
    WskWake();
}

NTSTATUS OpFinishCall(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information)
{
    return OpFinish(Op, Status, Information, GroundOneIn(WskOptions.WskSynchronousOneIn));
}

NTSTATUS OpFinish(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information, bool Now)
{
    Op->Status = Status;
    Op->Information = Information;
    if (Now) {
        OpComplete(Op);
        return Status;
    }
    IoMarkIrpPending(Op->Irp);
    OpPost(Op);
    return STATUS_PENDING;
}

bool OpClaim(WSK_OP *Op, NTSTATUS Status, ULONG_PTR Information)
{
    RemoveEntryList(&Op->Link);
    InitializeListHead(&Op->Link);
    Op->Status = Status;
    Op->Information = Information;
    if (Op->Cancelable && IoSetCancelRoutine(Op->Irp, NULL) == NULL) {
        Op->Finished = true;
        return false;
    }
    return true;
}

static VOID OpCancel(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoReleaseCancelSpinLock(Irp->CancelIrql);
    WSK_OP *Op = Irp->Tail.Overlay.DriverContext[0];
    SOCKET *Socket = Op->Socket;
    GroundLockEnter(&Socket->Lock);
    if (!Op->Finished) {
        RemoveEntryList(&Op->Link);
        if (Socket->Connect == Op) {
            Socket->Connect = NULL;
            SocketBreak(Socket, STATUS_CANCELLED);
        }
        Op->Status = STATUS_CANCELLED;
        Op->Information = Op->Kind == OP_RECEIVE ? Op->Done : 0;
        if (Op->Kind == OP_SEND && Op->Done != 0) {
            /* Part of it is in the stream: nothing can follow. */
            SocketBreak(Socket, STATUS_CONNECTION_ABORTED);
        }
    }
    GroundLockLeave(&Socket->Lock);
    OpPost(Op);
}

bool OpQueue(WSK_OP *Op, PLIST_ENTRY Queue)
{
    IoMarkIrpPending(Op->Irp);
    if (Queue != NULL) {
        InsertTailList(Queue, &Op->Link);
    }
    Op->Cancelable = true;
    IoSetCancelRoutine(Op->Irp, OpCancel);
    if (__atomic_load_n(&Op->Irp->Cancel, __ATOMIC_SEQ_CST) && IoSetCancelRoutine(Op->Irp, NULL) != NULL) {
        RemoveEntryList(&Op->Link);
        Op->Status = STATUS_CANCELLED;
        Op->Information = 0;
        OpPost(Op);
        return false;
    }
    return true;
}

/* ---- Data ---- */

/* The pieces of an operation's buffer from Done on; Limit bytes at most. */
static size_t OpPieces(const WSK_OP *Op, GROUND_PIECE *Pieces, SIZE_T Limit)
{
    SIZE_T Skip = Op->Buffer.Offset + Op->Done, Left = Op->Buffer.Length - Op->Done;
    size_t Count = 0;
    Left = Left < Limit ? Left : Limit;
    for (PMDL Mdl = Op->Buffer.Mdl; Mdl != NULL && Left != 0 && Count < GROUND_PIECES_MAX; Mdl = Mdl->Next) {
        SIZE_T Size = Mdl->ByteCount;
        if (Skip >= Size) {
            Skip -= Size;
            continue;
        }
        Size -= Skip;
        Size = Size < Left ? Size : Left;
        Pieces[Count++] = (GROUND_PIECE){(char *)MmGetMdlVirtualAddress(Mdl) + Skip, Size};
        Left -= Size;
        Skip = 0;
    }
    return Count;
}

/* True: the operation has its result in Status and Information. */
bool SocketTrySend(SOCKET *Socket, WSK_OP *Op)
{
    while (Socket->Broken == STATUS_SUCCESS) {
        GROUND_PIECE Pieces[GROUND_PIECES_MAX];
        size_t Count = OpPieces(Op, Pieces, Op->Buffer.Length), Sent = 0;
        if (Count == 0) {
            Op->Status = STATUS_SUCCESS;
            Op->Information = Op->Done;
            return true;
        }
        GROUND_NET Result = GroundSocketSend(Socket->Fd, Pieces, Count, &Sent);
        Op->Done += Sent;
        if (Result == GROUND_NET_WOULD_BLOCK) {
            return false;
        }
        if (Result != GROUND_NET_OK) {
            SocketBreak(Socket, NetStatus(Result));
        }
    }
    Op->Status = Socket->Broken;
    Op->Information = 0;
    return true;
}

bool SocketTryReceive(SOCKET *Socket, WSK_OP *Op)
{
    while (Socket->Broken == STATUS_SUCCESS) {
        GROUND_PIECE Pieces[GROUND_PIECES_MAX];
        SIZE_T Limit = Op->Buffer.Length - Op->Done;
        if (GroundOneIn(WskOptions.WskShortReceiveOneIn)) {
            Limit = GroundOneIn(2) ? 1 : (Limit + 1) / 2;
        }
        size_t Count = OpPieces(Op, Pieces, Limit), Received = 0;
        GROUND_NET Result = Count == 0 ? GROUND_NET_OK : GroundSocketReceive(Socket->Fd, Pieces, Count, &Received);
        Op->Done += Received;
        if (Result == GROUND_NET_WOULD_BLOCK) {
            return false;
        }
        if (Result == GROUND_NET_OK) {
            if (Op->WaitAll && Received != 0 && Op->Done != Op->Buffer.Length) {
                continue;
            }
            Op->Status = STATUS_SUCCESS;
            Op->Information = Op->Done;
            return true;
        }
        SocketBreak(Socket, NetStatus(Result));
    }
    /* What came before the end is still given. */
    Op->Status = Op->Done != 0 ? STATUS_SUCCESS : Socket->Broken;
    Op->Information = Op->Done;
    return true;
}

void SocketBreak(SOCKET *Socket, NTSTATUS Status)
{
    if (Socket->Broken == STATUS_SUCCESS) {
        Socket->Broken = Status;
    }
}

void SocketArm(SOCKET *Socket)
{
    uint32_t Events = 0;
    if (Socket->Closing || Socket->State == SOCKET_CLOSED) {
        return;
    }
    if (Socket->Connect != NULL || !IsListEmpty(&Socket->Sends)) {
        Events |= GROUND_POLL_WRITE;
    }
    if (!IsListEmpty(&Socket->Receives)) {
        Events |= GROUND_POLL_READ;
    }
    if (Events != 0) {
        GroundPollerArm(Engine.Poller, Socket->Fd, Events, Socket);
    }
}

void SocketForget(SOCKET *Socket)
{
    GroundPollerForget(Engine.Poller, Socket->Fd);
}

/* ---- The engine's thread ---- */

/* Collects what can be completed now, under the lock. */
static void SocketProgress(SOCKET *Socket, uint32_t Events, PLIST_ENTRY Ready)
{
    WSK_OP *Connect = Socket->Connect;
    if (Connect != NULL && (Events & GROUND_POLL_WRITE)) {
        NTSTATUS Status = NetStatus(GroundSocketConnected(Socket->Fd));
        Socket->Connect = NULL;
        Socket->State = NT_SUCCESS(Status) ? SOCKET_CONNECTED : SOCKET_BOUND;
        if (OpClaim(Connect, Status, NT_SUCCESS(Status) && Connect->NewSocket ? (ULONG_PTR)Socket : 0)) {
            InsertTailList(Ready, &Connect->Link);
        }
    }
    while (!IsListEmpty(&Socket->Sends)) {
        WSK_OP *Op = CONTAINING_RECORD(Socket->Sends.Flink, WSK_OP, Link);
        if (!SocketTrySend(Socket, Op)) {
            break;
        }
        if (OpClaim(Op, Op->Status, Op->Information)) {
            InsertTailList(Ready, &Op->Link);
        }
    }
    while (!IsListEmpty(&Socket->Receives)) {
        WSK_OP *Op = CONTAINING_RECORD(Socket->Receives.Flink, WSK_OP, Link);
        if (!SocketTryReceive(Socket, Op)) {
            break;
        }
        if (OpClaim(Op, Op->Status, Op->Information)) {
            InsertTailList(Ready, &Op->Link);
        }
    }
}

static void EngineCompleteAll(PLIST_ENTRY Ready)
{
    while (!IsListEmpty(Ready)) {
        OpComplete(CONTAINING_RECORD(RemoveHeadList(Ready), WSK_OP, Link));
    }
}

static void EngineServe(SOCKET *Socket, uint32_t Events)
{
    LIST_ENTRY Ready;
    InitializeListHead(&Ready);
    GroundLockEnter(&Socket->Lock);
    if (!Socket->Closing && Socket->State != SOCKET_CLOSED) {
        SocketProgress(Socket, Events, &Ready);
        SocketArm(Socket);
    }
    GroundLockLeave(&Socket->Lock);
    EngineCompleteAll(&Ready);
}

/* True: there was something. */
static bool EngineServePosted(void)
{
    LIST_ENTRY Ready;
    InitializeListHead(&Ready);
    GroundLockEnter(&Engine.Lock);
    while (!IsListEmpty(&Engine.Posted)) {
        InsertTailList(&Ready, RemoveHeadList(&Engine.Posted));
    }
    GroundLockLeave(&Engine.Lock);
    bool Any = !IsListEmpty(&Ready);
    EngineCompleteAll(&Ready);
    return Any;
}

static bool EngineIsStopping(void)
{
    GroundLockEnter(&Engine.Lock);
    bool Stopping = Engine.Stopping && IsListEmpty(&Engine.Posted);
    GroundLockLeave(&Engine.Lock);
    return Stopping;
}

/* With one processor, clock interrupts come between the pieces of work. */
static void EngineTick(void)
{
    if (WskOptions.OneProcessor) {
        Engine.Thread.Tick = GroundNow();
    }
}

static void EngineMain(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    ThreadInitialize(&Engine.Thread, "network");
    Engine.Thread.InDpc = TRUE;
    ThreadSetCurrent(&Engine.Thread);
    NtSetIrql(DISPATCH_LEVEL);
    while (!EngineIsStopping()) {
        GROUND_READY Ready[32];
        size_t Count = GroundPollerWait(Engine.Poller, Ready, 32);
        EngineTick();
        for (size_t Index = 0; Index < Count; Index++) {
            EngineServe(Ready[Index].Context, Ready[Index].Events);
        }
        bool Any;
        do { /* what these leave to this thread comes without a wake-up */
            Any = EngineServePosted();
            Any = DpcServeAll() || Any;
            EngineTick();
        } while (Any);
    }
}

void EngineStart(void)
{
    InitializeListHead(&Engine.Posted);
    Engine.Stopping = false;
    Engine.Poller = GroundPollerOpen();
    NT_ASSERT(Engine.Poller != NULL);
    Engine.Ground = GroundThreadStart(EngineMain, NULL, "network");
}

void EngineStop(void)
{
    GroundLockEnter(&Engine.Lock);
    Engine.Stopping = true;
    GroundLockLeave(&Engine.Lock);
    GroundPollerWake(Engine.Poller);
    GroundThreadJoin(Engine.Ground);
    GroundPollerClose(Engine.Poller);
}
