/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter's tick: ends pauses, runs RequestTimerCall timers, and watches over requests that the miniport holds for
 * longer than their TimeOutValue. Those lead to a reset of the logical unit, then of the target, then of the bus; after
 * the last one nothing may be left [Multi-Tier Reset in Storport].
 */
#include "port.h"

typedef enum { SCOPE_UNIT, SCOPE_TARGET, SCOPE_BUS } SCOPE;

static BOOLEAN InScope(const REQUEST *Request, const UNIT *Unit, SCOPE Scope)
{
    const UNIT *Other = Request->Unit;

    return Other->Path == Unit->Path && (Scope == SCOPE_BUS || Other->Target == Unit->Target) &&
           (Scope != SCOPE_UNIT || Other->Lun == Unit->Lun);
}

/* The SRB of a request in the scope of a reset that the miniport still holds, or NULL. A reset that was given up
 * counts, too. */
static PVOID StillHeld(UNIT *Unit, SCOPE Scope)
{
    ADAPTER *Adapter = Unit->Adapter;
    PVOID Srb = NULL;
    LIST_ENTRY *Entry;
    KIRQL Irql;
    ULONG i;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (i = 0; i < PORT_HASH_SIZE; ++i)
        for (Entry = Adapter->Outstanding[i].Flink; Entry != &Adapter->Outstanding[i]; Entry = Entry->Flink) {
            const REQUEST *Request = CONTAINING_RECORD(Entry, REQUEST, OutstandingLink);

            if (InScope(Request, Unit, Scope) && (!Request->Internal || (Request->Escalated && Scope == SCOPE_BUS)))
                Srb = Request->Srb;
        }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Srb;
}

static VOID ResetEnded(UNIT *Unit)
{
    ADAPTER *Adapter = Unit->Adapter;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Unit->Resetting = FALSE;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

static VOID ResetBus(UNIT *Unit)
{
    ADAPTER *Adapter = Unit->Adapter;
    PORT_CALL Call;
    BOOLEAN Done;
    PVOID Srb;
    KIRQL Irql;

    DbgPrint("storport: reset of bus %u\n", (unsigned)Unit->Path);
    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    Call = PortCallEnter();
    Done = Adapter->Miniport->Init.HwResetBus(Adapter->HwExtension, Unit->Path);
    PortCallLeave(Call, "HwResetBus");
    KeLowerIrql(Irql);
    Srb = StillHeld(Unit, SCOPE_BUS);
    PORT_REQUIRE(RESET_LEFT, !Done || Srb == NULL, "HwResetBus succeeded and the SRB at %p isn't complete", Srb);
    PORT_REQUIRE(TIMEOUT_LEFT, Srb == NULL, "the SRB at %p, after all resets", Srb);
    ResetEnded(Unit);
}

static VOID Reset(UNIT *Unit, ULONG Function);

/* The reset failed or took too long: the next tier. */
static VOID Escalate(UNIT *Unit, ULONG Function)
{
    if (Function == SRB_FUNCTION_RESET_LOGICAL_UNIT)
        Reset(Unit, SRB_FUNCTION_RESET_DEVICE);
    else
        ResetBus(Unit);
}

static VOID ResetDone(REQUEST *Request)
{
    UNIT *Unit = Request->Unit;
    const ULONG Function = Request->Fields.Function;
    const SCOPE Scope = Function == SRB_FUNCTION_RESET_LOGICAL_UNIT ? SCOPE_UNIT : SCOPE_TARGET;

    if (!Request->Escalated) {
        const BOOLEAN Done = SRB_STATUS(Request->Fields.SrbStatus) == SRB_STATUS_SUCCESS;
        PVOID Srb = StillHeld(Unit, Scope);

        PORT_REQUIRE(RESET_LEFT, !Done || Srb == NULL, "function 0x%x succeeded and the SRB at %p isn't complete",
                     (unsigned)Function, Srb);
        if (Done)
            ResetEnded(Unit);
        else
            Escalate(Unit, Function);
    }
    PortRequestFree(Request);
}

static VOID Reset(UNIT *Unit, ULONG Function)
{
    REQUEST *Request = PortRequestMake(Unit);

    DbgPrint("storport: reset (function 0x%x) of %u:%u:%u\n", (unsigned)Function, (unsigned)Unit->Path,
             (unsigned)Unit->Target, (unsigned)Unit->Lun);
    if (Request == NULL) {
        ResetBus(Unit);
        return;
    }
    Request->Fields.Function = Function;
    Request->Fields.TimeoutSeconds =
        PortOptions.ResetTimeoutSeconds != 0 ? PortOptions.ResetTimeoutSeconds : PORT_RESET_TIMEOUT_S;
    Request->Internal = TRUE;
    Request->Done = ResetDone;
    PortQueueSubmit(Request);
}

static BOOLEAN IsReset(const REQUEST *Request)
{
    return Request->Fields.Function == SRB_FUNCTION_RESET_LOGICAL_UNIT ||
           Request->Fields.Function == SRB_FUNCTION_RESET_DEVICE;
}

/* The unit of a reset that isn't answered in time, referenced, or NULL. Its late answer will change nothing. */
static UNIT *TakeOverdueReset(ADAPTER *Adapter, ULONGLONG Now, ULONG *Function)
{
    UNIT *Unit = NULL;
    LIST_ENTRY *Entry;
    KIRQL Irql;
    ULONG i;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (i = 0; i < PORT_HASH_SIZE; ++i)
        for (Entry = Adapter->Outstanding[i].Flink; Entry != &Adapter->Outstanding[i]; Entry = Entry->Flink) {
            REQUEST *Request = CONTAINING_RECORD(Entry, REQUEST, OutstandingLink);

            if (Unit != NULL || !Request->Internal || !IsReset(Request) || Request->Escalated ||
                Request->Deadline > Now)
                continue;
            Request->Escalated = TRUE;
            *Function = Request->Fields.Function;
            Unit = Request->Unit;
            PortUnitReference(Unit);
        }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Unit;
}

/* A unit with a request whose time is over, referenced and marked as resetting, or NULL. */
static UNIT *TakeOverdueUnit(ADAPTER *Adapter, ULONGLONG Now)
{
    UNIT *Unit = NULL;
    LIST_ENTRY *Entry;
    KIRQL Irql;
    ULONG i;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    for (i = 0; i < PORT_HASH_SIZE && Unit == NULL; ++i)
        for (Entry = Adapter->Outstanding[i].Flink; Entry != &Adapter->Outstanding[i]; Entry = Entry->Flink) {
            REQUEST *Request = CONTAINING_RECORD(Entry, REQUEST, OutstandingLink);

            if (Request->Deadline == 0 || Request->Deadline > Now)
                continue;
            if (Request->Internal && !IsReset(Request)) {
                KeReleaseSpinLock(&Adapter->Lock, Irql);
                PortViolation(PORT_RULE_TIMEOUT_LEFT, "function 0x%x to %u:%u:%u isn't answered",
                              (unsigned)Request->Fields.Function, Request->Unit->Path, Request->Unit->Target,
                              Request->Unit->Lun);
            }
            if (Request->Internal || Request->Unit->Resetting)
                continue;
            Unit = Request->Unit;
            Unit->Resetting = TRUE;
            PortUnitReference(Unit);
            DbgPrint("storport: operation 0x%02x of %u:%u:%u took longer than %u s\n", (unsigned)Request->Fields.Cdb[0],
                     (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun,
                     (unsigned)Request->Fields.TimeoutSeconds);
            break;
        }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Unit;
}

static VOID RunTimer(ADAPTER *Adapter, ULONGLONG Now)
{
    PHW_TIMER Timer = NULL;
    PORT_CALL Call;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Adapter->Timer != NULL && Adapter->TimerDue <= Now) {
        Timer = Adapter->Timer;
        Adapter->Timer = NULL;
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Timer == NULL)
        return;
    Call = PortCallEnter();
    Timer(Adapter->HwExtension);
    PortCallLeave(Call, "HwTimer");
}

VOID PortTimeoutTick(PKDPC Dpc, PVOID DeferredContext, PVOID SystemArgument1, PVOID SystemArgument2)
{
    ADAPTER *Adapter = DeferredContext;
    const ULONGLONG Now = PortPlatformTime();
    ULONG Function;
    UNIT *Unit;

    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(SystemArgument1);
    UNREFERENCED_PARAMETER(SystemArgument2);
    RunTimer(Adapter, Now);
    while ((Unit = TakeOverdueReset(Adapter, Now, &Function)) != NULL) {
        DbgPrint("storport: reset (function 0x%x) of %u:%u:%u isn't answered\n", (unsigned)Function,
                 (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun);
        Escalate(Unit, Function);
        PortUnitDereference(Unit);
    }
    while ((Unit = TakeOverdueUnit(Adapter, Now)) != NULL) {
        Reset(Unit, SRB_FUNCTION_RESET_LOGICAL_UNIT);
        PortUnitDereference(Unit);
    }
    PortQueuePumpAll(Adapter);
}
