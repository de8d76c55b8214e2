/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A PnP manager: device nodes, their start, enumeration and removal. One
 * thread does everything, one action after the other, at PASSIVE_LEVEL in the
 * system process; whoever wants something queues an action.
 */
#include "pnp.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum {
    ACTION_START,
    ACTION_STOP,
    ACTION_POWER_DOWN,
    ACTION_POWER_UP,
    ACTION_ENUMERATE,
    ACTION_REMOVE,
    ACTION_SURPRISE,
    ACTION_LAST_CLOSE
} ACTION_KIND;

typedef struct {
    LIST_ENTRY Link;
    ACTION_KIND Kind;
    NATIVE_DEVICE *Node;
    bool Waited; /* by the thread that queued it, which frees it */
    KEVENT Done;
    NTSTATUS Status;
} PNP_ACTION;

GROUND_LOCK PnpLock = GROUND_LOCK_INITIALIZER;
static struct {
    GROUND_SIGNAL Changed;
    LIST_ENTRY Queue;
    LIST_ENTRY Roots;
    NATIVE_DEVICE *Nodes;
    bool Busy;
    bool Stopping;
    GROUND_THREAD *Ground;
    KTHREAD Thread;
} Pnp;

/* ---- Nodes ---- */

static NATIVE_DEVICE *NodeCreate(NATIVE_DEVICE *Parent, PDEVICE_OBJECT Pdo)
{
    NATIVE_DEVICE *Node = calloc(1, sizeof(*Node));
    if (Node == NULL) {
        abort();
    }
    InitializeListHead(&Node->Children);
    Node->Parent = Parent;
    Node->Pdo = Pdo;
    Node->State = NODE_ADDED;
    Node->Linked = true;
    Pdo->Native->Node = Node;
    GroundLockEnter(&PnpLock);
    Node->NextNode = Pnp.Nodes;
    Pnp.Nodes = Node;
    InsertTailList(Parent == NULL ? &Pnp.Roots : &Parent->Children, &Node->Link);
    GroundLockLeave(&PnpLock);
    return Node;
}

static NATIVE_DEVICE *NodeNext(NATIVE_DEVICE *Parent, NATIVE_DEVICE *Previous)
{
    GroundLockEnter(&PnpLock);
    PLIST_ENTRY Entry = Previous == NULL ? Parent->Children.Flink : Previous->Link.Flink;
    GroundLockLeave(&PnpLock);
    return Entry == &Parent->Children ? NULL : CONTAINING_RECORD(Entry, NATIVE_DEVICE, Link);
}

/* ---- The PnP thread's work ---- */

static void NodeEnumerate(NATIVE_DEVICE *Node);

static NTSTATUS NodeStart(NATIVE_DEVICE *Node)
{
    NTSTATUS Status = PnpSend(Node, IRP_MN_START_DEVICE);
    if (NT_SUCCESS(Status)) {
        InterlockedExchange(&Node->State, NODE_STARTED);
        NodeEnumerate(Node);
    }
    return Status;
}

/* For the sake of its resources: the device starts again soon, and its children have been told nothing. */
static NTSTATUS NodeStop(NATIVE_DEVICE *Node)
{
    NTSTATUS Status = PnpSend(Node, IRP_MN_QUERY_STOP_DEVICE);
    return NT_SUCCESS(Status) ? PnpSend(Node, IRP_MN_STOP_DEVICE) : Status;
}

static void NodeCheckInitialized(NATIVE_DEVICE *Node, const char *Who)
{
    if (DeviceTop(Node->Pdo)->Flags & DO_DEVICE_INITIALIZING) {
        NtViolation(RULE_PNP_ANSWER, Who, "DO_DEVICE_INITIALIZING is still set in the device");
    }
}

static NTSTATUS NodeAddDriver(NATIVE_DEVICE *Node, NATIVE_DRIVER *Driver)
{
    NT_FRAME Frame;
    NtCallbackEnter(&Frame, "AddDevice");
    NTSTATUS Status = Driver->Extension.AddDevice(&Driver->Object, Node->Pdo);
    NtCallbackLeave(&Frame);
    if (NT_SUCCESS(Status)) {
        NodeCheckInitialized(Node, "AddDevice");
    }
    return Status;
}

static void NodeArrived(NATIVE_DEVICE *Node)
{
    NodeCheckInitialized(Node, "IRP_MN_QUERY_DEVICE_RELATIONS");
    if (!PnpQueryIds(Node)) {
        return; /* the next enumeration tries again */
    }
    PnpQueryCapabilities(Node);
    NATIVE_DRIVER *Driver = PnpDriverFor(Node);
    if (Driver == NULL || NT_SUCCESS(NodeAddDriver(Node, Driver))) {
        NodeStart(Node);
    }
}

/* IRP_MN_REMOVE_DEVICE, and the node lets go of its PDO. Children have been removed. */
static void NodeRemove(NATIVE_DEVICE *Node)
{
    PDEVICE_OBJECT Pdo = Node->Pdo;
    PnpSend(Node, IRP_MN_REMOVE_DEVICE);
    InterfaceCheckRemoved(Pdo);
    InterlockedExchange(&Node->State, NODE_REMOVED);
    GroundLockEnter(&PnpLock);
    if (Node->Linked) {
        RemoveEntryList(&Node->Link);
        Node->Linked = false;
    }
    GroundLockLeave(&PnpLock);
    Pdo->Native->Node = NULL;
    if (Node->Parent == NULL) {
        IoDeleteDevice(Pdo);
    }
    DeviceDereference(Pdo);
}

static void NodeSurprise(NATIVE_DEVICE *Node)
{
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL); Child != NULL; Child = NodeNext(Node, Child)) {
        NodeSurprise(Child);
    }
    if (InterlockedExchange(&Node->State, NODE_GONE) == NODE_STARTED) {
        PnpSend(Node, IRP_MN_SURPRISE_REMOVAL);
    }
}

/* After the surprise: removed at once, or at the last close. False: something is still open. */
static bool NodeRemoveClosed(NATIVE_DEVICE *Node)
{
    bool All = true;
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL), *Next; Child != NULL; Child = Next) {
        Next = NodeNext(Node, Child);
        All = NodeRemoveClosed(Child) && All;
    }
    GroundLockEnter(&PnpLock);
    bool Wait = Node->Opens != 0 || !All;
    Node->RemoveWaits = Wait;
    GroundLockLeave(&PnpLock);
    if (!Wait) {
        NodeRemove(Node);
    }
    return !Wait;
}

static void NodeEnumerate(NATIVE_DEVICE *Node)
{
    if (ReadAcquire(&Node->State) != NODE_STARTED) {
        return;
    }
    PDEVICE_RELATIONS Relations = PnpQueryRelations(Node);
    if (Relations == NULL) {
        return; /* nothing learned: what was there counts as there */
    }
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL); Child != NULL; Child = NodeNext(Node, Child)) {
        Child->Seen = false;
    }
    for (ULONG Index = 0; Index < Relations->Count; Index++) {
        NATIVE_DEVICE *Known = Relations->Objects[Index]->Native->Node;
        if (Known != NULL) {
            Known->Seen = true;
            DeviceDereference(Relations->Objects[Index]);
        } else {
            NodeCreate(Node, Relations->Objects[Index])->Seen = true;
        }
    }
    ExFreePool(Relations);
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL), *Next; Child != NULL; Child = Next) {
        Next = NodeNext(Node, Child);
        if (!Child->Seen && ReadAcquire(&Child->State) != NODE_GONE) {
            NodeSurprise(Child);
            NodeRemoveClosed(Child);
        }
    }
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL); Child != NULL; Child = NodeNext(Node, Child)) {
        if (ReadAcquire(&Child->State) == NODE_ADDED && Child->Ids[0] == '\0') {
            NodeArrived(Child);
        }
    }
}

/* Node and children: everybody agrees, or everybody is told that it was nothing. */
static NTSTATUS NodeQueryRemove(NATIVE_DEVICE *Node)
{
    NTSTATUS Status = STATUS_SUCCESS;
    GroundLockEnter(&PnpLock);
    bool Open = Node->Opens != 0;
    GroundLockLeave(&PnpLock);
    if (Open) {
        return STATUS_DEVICE_BUSY;
    }
    for (NATIVE_DEVICE *Child = NodeNext(Node, NULL); Child != NULL && NT_SUCCESS(Status);
         Child = NodeNext(Node, Child)) {
        Status = NodeQueryRemove(Child);
    }
    if (NT_SUCCESS(Status) && ReadAcquire(&Node->State) == NODE_STARTED) {
        Status = PnpSend(Node, IRP_MN_QUERY_REMOVE_DEVICE);
    }
    if (!NT_SUCCESS(Status) && ReadAcquire(&Node->State) == NODE_STARTED) {
        PnpSend(Node, IRP_MN_CANCEL_REMOVE_DEVICE);
    }
    return Status;
}

static NTSTATUS NodeDoRemove(NATIVE_DEVICE *Node)
{
    NTSTATUS Status = NodeQueryRemove(Node);
    if (NT_SUCCESS(Status)) {
        NodeRemoveClosed(Node);
    }
    return Status;
}

static void ActionRun(PNP_ACTION *Action)
{
    switch (Action->Kind) {
    case ACTION_START:
        Action->Status = NodeStart(Action->Node);
        break;
    case ACTION_STOP:
        Action->Status = NodeStop(Action->Node);
        break;
    case ACTION_POWER_DOWN:
        Action->Status = PnpSetPower(Action->Node, PowerDeviceD3);
        break;
    case ACTION_POWER_UP:
        Action->Status = PnpSetPower(Action->Node, PowerDeviceD0);
        break;
    case ACTION_ENUMERATE:
        NodeEnumerate(Action->Node);
        break;
    case ACTION_REMOVE:
        Action->Status = NodeDoRemove(Action->Node);
        break;
    case ACTION_SURPRISE:
        NodeSurprise(Action->Node);
        NodeRemoveClosed(Action->Node);
        break;
    case ACTION_LAST_CLOSE:
        for (NATIVE_DEVICE *Node = Action->Node; Node != NULL && Node->RemoveWaits; Node = Node->Parent) {
            if (ReadAcquire(&Node->State) == NODE_REMOVED || !NodeRemoveClosed(Node)) {
                break;
            }
        }
        break;
    }
}

static void PnpMain(void *Context)
{
    UNREFERENCED_PARAMETER(Context);
    ThreadInitialize(&Pnp.Thread, "PnP");
    ThreadSetCurrent(&Pnp.Thread);
    GroundLockEnter(&PnpLock);
    while (!Pnp.Stopping || !IsListEmpty(&Pnp.Queue)) {
        if (IsListEmpty(&Pnp.Queue)) {
            GroundSignalWait(&Pnp.Changed, &PnpLock, UINT64_MAX);
            continue;
        }
        PNP_ACTION *Action = CONTAINING_RECORD(RemoveHeadList(&Pnp.Queue), PNP_ACTION, Link);
        Pnp.Busy = true;
        GroundLockLeave(&PnpLock);
        ActionRun(Action);
        bool Waited = Action->Waited;
        if (Waited) {
            KeSetEvent(&Action->Done, 0, FALSE);
        } else {
            free(Action);
        }
        GroundLockEnter(&PnpLock);
        Pnp.Busy = false;
        GroundSignalWakeAll(&Pnp.Changed);
    }
    GroundLockLeave(&PnpLock);
}

static void ActionQueue(PNP_ACTION *Action)
{
    GroundLockEnter(&PnpLock);
    InsertTailList(&Pnp.Queue, &Action->Link);
    GroundSignalWakeAll(&Pnp.Changed);
    GroundLockLeave(&PnpLock);
}

static void ActionQueueAlone(ACTION_KIND Kind, NATIVE_DEVICE *Node)
{
    PNP_ACTION *Action = calloc(1, sizeof(*Action));
    if (Action == NULL) {
        abort();
    }
    Action->Kind = Kind;
    Action->Node = Node;
    ActionQueue(Action);
}

static NTSTATUS ActionQueueAndWait(ACTION_KIND Kind, NATIVE_DEVICE *Node)
{
    PNP_ACTION Action = {.Kind = Kind, .Node = Node, .Waited = true};
    KeInitializeEvent(&Action.Done, NotificationEvent, FALSE);
    ActionQueue(&Action);
    KeWaitForSingleObject(&Action.Done, Executive, KernelMode, FALSE, NULL);
    return Action.Status;
}

void PnpStart(void)
{
    GroundSignalInitialize(&Pnp.Changed);
    InitializeListHead(&Pnp.Queue);
    InitializeListHead(&Pnp.Roots);
    Pnp.Stopping = false;
    PnpRootStart();
    Pnp.Ground = GroundThreadStart(PnpMain, NULL, "pnp");
}

void PnpStop(void)
{
    GroundLockEnter(&PnpLock);
    Pnp.Stopping = true;
    GroundSignalWakeAll(&Pnp.Changed);
    GroundLockLeave(&PnpLock);
    GroundThreadJoin(Pnp.Ground);
    GroundSignalDestroy(&Pnp.Changed);
    while (Pnp.Nodes != NULL) {
        NATIVE_DEVICE *Node = Pnp.Nodes;
        Pnp.Nodes = Node->NextNode;
        free(Node);
    }
}

/* ---- What drivers call ---- */

VOID IoInvalidateDeviceRelations(PDEVICE_OBJECT PhysicalDeviceObject, DEVICE_RELATION_TYPE Type)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (PhysicalDeviceObject->Native->Node == NULL) {
        NtViolation(RULE_DEVICE, __func__, "the device at %p is no PDO that PnP knows", (void *)PhysicalDeviceObject);
    }
    if (Type == BusRelations) {
        ActionQueueAlone(ACTION_ENUMERATE, PhysicalDeviceObject->Native->Node);
    }
}

/* ---- native.h ---- */

NATIVE_DEVICE *NativeDeviceAdd(NATIVE_DRIVER *Driver, const char *HardwareId, NTSTATUS *Status)
{
    PDEVICE_OBJECT Pdo;
    FAULT_SPARE(
        IoCreateDevice(PnpRootDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, FILE_AUTOGENERATED_DEVICE_NAME, FALSE, &Pdo));
    Pdo->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    DeviceReference(Pdo);
    NATIVE_DEVICE *Node = NodeCreate(NULL, Pdo);
    snprintf(Node->Ids, sizeof(Node->Ids) - 1, "%s", HardwareId);
    snprintf(Node->Instance, sizeof(Node->Instance), "0000");
    *Status = NodeAddDriver(Node, Driver);
    if (NT_SUCCESS(*Status)) {
        return Node;
    }
    GroundLockEnter(&PnpLock);
    RemoveEntryList(&Node->Link);
    Node->Linked = false;
    GroundLockLeave(&PnpLock);
    InterlockedExchange(&Node->State, NODE_REMOVED);
    IoDeleteDevice(Pdo);
    DeviceDereference(Pdo);
    return NULL;
}

NTSTATUS NativeDeviceStart(NATIVE_DEVICE *Device)
{
    return ActionQueueAndWait(ACTION_START, Device);
}

NTSTATUS NativeDeviceStop(NATIVE_DEVICE *Device)
{
    return ActionQueueAndWait(ACTION_STOP, Device);
}

NTSTATUS NativeDevicePower(NATIVE_DEVICE *Device, bool On)
{
    return ActionQueueAndWait(On ? ACTION_POWER_UP : ACTION_POWER_DOWN, Device);
}

NTSTATUS NativeDeviceRemove(NATIVE_DEVICE *Device)
{
    return ActionQueueAndWait(ACTION_REMOVE, Device);
}

void NativeDeviceSurpriseRemove(NATIVE_DEVICE *Device)
{
    ActionQueueAndWait(ACTION_SURPRISE, Device);
}

void NativePnpSettle(void)
{
    GroundLockEnter(&PnpLock);
    while (Pnp.Busy || !IsListEmpty(&Pnp.Queue)) {
        GroundSignalWait(&Pnp.Changed, &PnpLock, UINT64_MAX);
    }
    GroundLockLeave(&PnpLock);
}

void PnpOpen(NATIVE_DEVICE *Node)
{
    GroundLockEnter(&PnpLock);
    Node->Opens++;
    GroundLockLeave(&PnpLock);
}

void PnpClose(NATIVE_DEVICE *Node)
{
    GroundLockEnter(&PnpLock);
    bool Last = --Node->Opens == 0 && Node->RemoveWaits;
    GroundLockLeave(&PnpLock);
    if (Last) {
        ActionQueueAlone(ACTION_LAST_CLOSE, Node);
    }
}

size_t NativeChildCount(NATIVE_DEVICE *Device)
{
    size_t Count = 0;
    GroundLockEnter(&PnpLock);
    for (PLIST_ENTRY Entry = Device->Children.Flink; Entry != &Device->Children; Entry = Entry->Flink) {
        Count += ReadAcquire(&CONTAINING_RECORD(Entry, NATIVE_DEVICE, Link)->State) == NODE_STARTED;
    }
    GroundLockLeave(&PnpLock);
    return Count;
}

bool NativeChildWait(NATIVE_DEVICE *Device, size_t Count, uint32_t TimeoutMs)
{
    uint64_t Deadline = GroundNow() + (uint64_t)TimeoutMs * 10000;
    bool Reached = NativeChildCount(Device) == Count;
    while (!Reached && GroundNow() < Deadline) {
        GroundSleep(10000);
        Reached = NativeChildCount(Device) == Count;
    }
    return Reached;
}

NATIVE_DEVICE *NativeChild(NATIVE_DEVICE *Device, size_t Index)
{
    NATIVE_DEVICE *Found = NULL;
    GroundLockEnter(&PnpLock);
    for (PLIST_ENTRY Entry = Device->Children.Flink; Entry != &Device->Children && Found == NULL;
         Entry = Entry->Flink) {
        NATIVE_DEVICE *Child = CONTAINING_RECORD(Entry, NATIVE_DEVICE, Link);
        if (ReadAcquire(&Child->State) == NODE_STARTED && Index-- == 0) {
            Child->Opens++;
            Found = Child;
        }
    }
    GroundLockLeave(&PnpLock);
    return Found;
}

void NativeChildRelease(NATIVE_DEVICE *Child)
{
    PnpClose(Child);
}

bool NativeDeviceHasId(NATIVE_DEVICE *Device, const char *Id)
{
    for (const char *Text = Device->Ids; *Text != '\0'; Text += strlen(Text) + 1) {
        if (TextEqualNoCase(Text, Id)) {
            return true;
        }
    }
    return false;
}

bool NativeDevicePresent(NATIVE_DEVICE *Device)
{
    return ReadAcquire(&Device->State) == NODE_STARTED;
}

PDEVICE_OBJECT NativeDeviceTop(NATIVE_DEVICE *Device)
{
    return DeviceTop(Device->Pdo);
}
