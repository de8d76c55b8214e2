/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The units' queues: which request goes to the miniport when, and how it comes back. A request is held back by its
 * unit's depth, pauses, BUSY and QUEUE FULL, and by the adapter's own limits; resets and PnP requests (Internal) by
 * nothing.
 */
#include "port.h"

static LIST_ENTRY *HashBucket(ADAPTER *Adapter, PVOID Srb)
{
    return &Adapter->Outstanding[((ULONG_PTR)Srb >> 6) % PORT_HASH_SIZE];
}

REQUEST *PortQueueOutstanding(ADAPTER *Adapter, PVOID Srb)
{
    LIST_ENTRY *Head = HashBucket(Adapter, Srb);
    LIST_ENTRY *Entry;

    for (Entry = Head->Flink; Entry != Head; Entry = Entry->Flink) {
        REQUEST *Request = CONTAINING_RECORD(Entry, REQUEST, OutstandingLink);

        if (Request->Srb == Srb)
            return Request;
    }
    return NULL;
}

REQUEST *PortQueueWalk(ADAPTER *Adapter, BOOLEAN (*Visit)(REQUEST *Request, PVOID Context), PVOID Context)
{
    REQUEST *First = NULL;
    LIST_ENTRY *Entry;
    ULONG i;

    /* Buckets go by addresses, which are different in each run; what is found must not. */
    for (i = 0; i < PORT_HASH_SIZE; ++i)
        for (Entry = Adapter->Outstanding[i].Flink; Entry != &Adapter->Outstanding[i]; Entry = Entry->Flink) {
            REQUEST *Request = CONTAINING_RECORD(Entry, REQUEST, OutstandingLink);

            if (Visit(Request, Context) && (First == NULL || Request->Number < First->Number))
                First = Request;
        }
    return First;
}

/* Under Lock: whether the unit's first request may go to the miniport now. */
static BOOLEAN MayStart(const UNIT *Unit, ULONGLONG Now)
{
    const ADAPTER *Adapter = Unit->Adapter;

    if (IsListEmpty(&Unit->Queue) || Unit->Resetting || Unit->PausedUntil > Now || Adapter->PausedUntil > Now ||
        Adapter->Asleep || Adapter->BusResets != 0 || Adapter->BusyCount != 0 ||
        Adapter->OutstandingCount >= Adapter->Config.MaxNumberOfIO)
        return FALSE;
    if (CONTAINING_RECORD(Unit->Queue.Flink, REQUEST, Link)->Scan)
        return TRUE;
    return !Unit->Frozen && Unit->BusyCount == 0 && Unit->Outstanding < Unit->QueueDepth;
}

/* Under Lock: one completion fewer to wait for. */
static VOID CountDown(UNIT *Unit)
{
    ADAPTER *Adapter = Unit->Adapter;

    --Unit->Outstanding;
    --Adapter->OutstandingCount;
    if (Unit->BusyCount != 0)
        --Unit->BusyCount;
    if (Unit->Outstanding == 0)
        Unit->BusyCount = 0;
    if (Adapter->BusyCount != 0)
        --Adapter->BusyCount;
    if (Adapter->OutstandingCount == 0)
        Adapter->BusyCount = 0;
}

/*
 * Under Lock: hands a request that isn't the miniport's (any more) to its owner, by the DPC. The DPC is queued under
 * the lock, so that who waits for the adapter to become idle sees either the count or the DPC.
 */
static VOID FinishLocked(REQUEST *Request)
{
    ADAPTER *Adapter = Request->Unit->Adapter;

    if (!Request->Inline)
        InsertTailList(&Adapter->Completed, &Request->Link);
    PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

/* What FinishLocked leaves to do without the lock. */
static VOID FinishUnlocked(REQUEST *Request, BOOLEAN Inline)
{
    if (Inline)
        Request->Done(Request);
}

/* The miniport can't take the request now. Under Lock; TRUE: it was queued again. */
static BOOLEAN RequeueBusy(REQUEST *Request)
{
    UNIT *Unit = Request->Unit;

    if (Unit->State == UNIT_REMOVED || Request->Internal || ++Request->BusyRetries > PORT_BUSY_RETRIES)
        return FALSE;
    if (Request->Fields.ScsiStatus == SCSISTAT_QUEUE_FULL && Unit->Outstanding != 0)
        Unit->BusyCount = Unit->Outstanding < 4 ? 1 : Unit->Outstanding / 4;
    else
        Unit->PausedUntil = PortPlatformTime() + PORT_BUSY_PAUSE_MS * PORT_MS_100NS;
    InsertHeadList(&Unit->Queue, &Request->Link);
    return TRUE;
}

/* The attempt is over and off the outstanding list. */
static VOID AttemptEnded(REQUEST *Request)
{
    UNIT *Unit = Request->Unit;
    ADAPTER *Adapter = Unit->Adapter;
    const BOOLEAN Inline = Request->Inline;
    BOOLEAN Requeued = FALSE;
    KIRQL Irql;

    PortRequestRetireAttempt(Request);
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    CountDown(Unit);
    if (SRB_STATUS(Request->Fields.SrbStatus) == SRB_STATUS_BUSY)
        Requeued = RequeueBusy(Request);
    if (!Requeued)
        FinishLocked(Request);
    else
        PortPlatformQueueDpc(&Adapter->CompletionDpc);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (!Requeued)
        FinishUnlocked(Request, Inline);
}

/* The request of an SRB that the miniport holds, which it holds no more; NULL if it doesn't hold it. */
static REQUEST *TakeBack(ADAPTER *Adapter, PVOID Srb)
{
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueOutstanding(Adapter, Srb);
    if (Request != NULL)
        RemoveEntryList(&Request->OutstandingLink);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Request;
}

VOID PortQueueComplete(ADAPTER *Adapter, PVOID Srb)
{
    REQUEST *Request;

    PortHook(PORT_AT_COMPLETION, Srb);
    Request = TakeBack(Adapter, Srb);
    PORT_REQUIRE(COMPLETE_TWICE, Request != NULL || !PortQuarantineKnows(Srb), "the SRB at %p", Srb);
    PORT_REQUIRE(COMPLETE_UNKNOWN, Request != NULL, "the SRB at %p", Srb);
    PortRequestCheckCompletion(Request);
    PortResetCheck(Request);
    AttemptEnded(Request);
}

/* HwStartIo returned FALSE: the SRB is the port driver's again and must not have been completed. */
static VOID Refused(ADAPTER *Adapter, PVOID Srb)
{
    REQUEST *Request = TakeBack(Adapter, Srb);

    PORT_REQUIRE(COMPLETE_REFUSED, Request != NULL, "HwStartIo returned FALSE for the SRB at %p, which is complete",
                 Srb);
    Request->Fields.SrbStatus = SRB_STATUS_BUSY;
    Request->Fields.ScsiStatus = SCSISTAT_GOOD;
    AttemptEnded(Request);
}

/* HwStartIo of a virtual miniport runs at any IRQL up to DISPATCH_LEVEL, without a lock [HW_STARTIO]. */
static BOOLEAN CallStartIo(ADAPTER *Adapter, PVOID Srb)
{
    const BOOLEAN Raise = PortOptions.StartIoAtDispatch;
    PORT_CALL Call;
    BOOLEAN Taken;
    KIRQL Irql = PASSIVE_LEVEL;

    if (Raise)
        Irql = PortPlatformRaise();
    PortHook(PORT_AT_START_IO, Srb);
    Call = PortCallEnter();
    Taken = Adapter->Miniport->Init.HwStartIo(Adapter->HwExtension, Srb);
    PortCallLeave(Call, "HwStartIo");
    if (Raise)
        PortPlatformLower(Irql);
    return Taken;
}

/* Under Lock: the request is on its way to HwStartIo. */
static VOID CountUp(UNIT *Unit)
{
    ++Unit->Outstanding;
    ++Unit->Adapter->OutstandingCount;
    ++Unit->Adapter->StartingCount;
}

/* HwStartIo gets the SRB. Beside a reset that has begun, it may be left by that. */
static VOID StartBegin(REQUEST *Request, START_CALL *Call)
{
    ADAPTER *Adapter = Request->Unit->Adapter;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Call->Number = ++Adapter->StartNumber;
    InsertTailList(&Adapter->StartCalls, &Call->Link);
    Request->Number = Call->Number;
    Request->Covers = CONTAINING_RECORD(Adapter->StartCalls.Flink, START_CALL, Link)->Number;
    Request->Aside = Request->Unit->Resetting ? PORT_SCOPE_UNIT | PORT_SCOPE_TARGET : 0;
    if (Adapter->BusResets != 0)
        Request->Aside |= PORT_SCOPE_BUS;
    InsertTailList(HashBucket(Adapter, Request->Srb), &Request->OutstandingLink);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

static VOID StartEnd(ADAPTER *Adapter, START_CALL *Call)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    RemoveEntryList(&Call->Link);
    --Adapter->StartingCount;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

/* Counted as outstanding already. The request may be gone when HwStartIo returns. */
static VOID Start(REQUEST *Request)
{
    ADAPTER *Adapter = Request->Unit->Adapter;
    const ULONG TimeoutSeconds = Request->Fields.TimeoutSeconds;
    START_CALL Call;
    BOOLEAN Taken;
    PVOID Srb;
    KIRQL Irql;

    if (!NT_SUCCESS(PortRequestPrepareAttempt(Request))) {
        const BOOLEAN Inline = Request->Inline;

        Request->Fields.SrbStatus = SRB_STATUS_INTERNAL_ERROR;
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        CountDown(Request->Unit);
        --Adapter->StartingCount;
        FinishLocked(Request);
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        FinishUnlocked(Request, Inline);
        return;
    }
    Srb = Request->Srb;
    ++Request->Attempts;
    Request->Deadline = TimeoutSeconds == 0 ? 0 : PortPlatformTime() + TimeoutSeconds * PORT_S_100NS;
    if (Request->Fields.Function == SRB_FUNCTION_EXECUTE_SCSI && Request->Fields.Cdb[0] == 0x12)
        Request->Unit->Inquired = TRUE;
    StartBegin(Request, &Call);
    Taken = CallStartIo(Adapter, Srb);
    if (!Taken)
        Refused(Adapter, Srb);
    StartEnd(Adapter, &Call);
}

VOID PortQueuePump(UNIT *Unit)
{
    ADAPTER *Adapter = Unit->Adapter;
    REQUEST *Request;
    KIRQL Irql;

    for (;;) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        if (!MayStart(Unit, PortPlatformTime())) {
            KeReleaseSpinLock(&Adapter->Lock, Irql);
            return;
        }
        Request = CONTAINING_RECORD(RemoveHeadList(&Unit->Queue), REQUEST, Link);
        CountUp(Unit);
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        Start(Request);
    }
}

static BOOLEAN MayStartAt(UNIT *Unit, PVOID Context)
{
    const ULONGLONG *Now = Context;

    return MayStart(Unit, *Now);
}

VOID PortQueuePumpAll(ADAPTER *Adapter)
{
    /* One unit at a time, because a callback can't be made under the lock that guards the list. */
    for (;;) {
        ULONGLONG Now = PortPlatformTime();
        UNIT *Unit = PortUnitWalk(Adapter, MayStartAt, &Now);

        if (Unit == NULL)
            return;
        PortQueuePump(Unit);
        PortUnitDereference(Unit);
    }
}

VOID PortQueueSubmit(REQUEST *Request)
{
    UNIT *Unit = Request->Unit;
    ADAPTER *Adapter = Unit->Adapter;
    const BOOLEAN Inline = Request->Inline;
    const BOOLEAN Bypasses = Request->Internal;
    BOOLEAN Accepted;
    KIRQL Irql;

    PortUnitReference(Unit); /* the request, and its reference with it, may be gone before the end */
    Request->Fields.SrbStatus = SRB_STATUS_PENDING;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Accepted = Request->Internal || (!Adapter->Draining && Unit->State != UNIT_GONE && Unit->State != UNIT_REMOVED);
    if (Accepted && Request->Internal) {
        CountUp(Unit);
    } else if (Accepted && Request->Scan) {
        InsertHeadList(&Unit->Queue, &Request->Link);
    } else if (Accepted) {
        InsertTailList(&Unit->Queue, &Request->Link);
    } else {
        Request->Fields.SrbStatus = SRB_STATUS_NO_DEVICE;
        Request->Fields.DataLength = 0;
        FinishLocked(Request);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (!Accepted)
        FinishUnlocked(Request, Inline);
    else if (Bypasses)
        Start(Request);
    else
        PortQueuePump(Unit);
    PortUnitDereference(Unit);
}

VOID PortQueueFail(UNIT *Unit, UCHAR SrbStatus)
{
    ADAPTER *Adapter = Unit->Adapter;
    REQUEST *Request;
    BOOLEAN Inline = FALSE;
    KIRQL Irql;

    for (;;) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Request = IsListEmpty(&Unit->Queue) ? NULL : CONTAINING_RECORD(RemoveHeadList(&Unit->Queue), REQUEST, Link);
        if (Request != NULL) {
            Request->Fields.SrbStatus = SrbStatus;
            Request->Fields.DataLength = 0;
            Inline = Request->Inline;
            FinishLocked(Request);
        }
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        if (Request == NULL)
            return;
        FinishUnlocked(Request, Inline);
    }
}

VOID PortQueueWaitIdle(ADAPTER *Adapter)
{
    LARGE_INTEGER Pause;
    BOOLEAN Idle;
    KIRQL Irql;

    Pause.QuadPart = -(LONGLONG)(5 * PORT_MS_100NS);
    for (;;) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Idle = Adapter->OutstandingCount == 0 && Adapter->StartingCount == 0 && IsListEmpty(&Adapter->Completed);
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        if (Idle)
            break;
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
    PortPlatformFlushDpcs();
}

VOID PortQueueCompletionDpc(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    ADAPTER *Adapter = DeferredContext;
    REQUEST *Request;
    KIRQL Irql;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    for (;;) {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Request = IsListEmpty(&Adapter->Completed)
                      ? NULL
                      : CONTAINING_RECORD(RemoveHeadList(&Adapter->Completed), REQUEST, Link);
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        if (Request == NULL)
            break;
        Request->Done(Request);
    }
    PortQueuePumpAll(Adapter);
}
