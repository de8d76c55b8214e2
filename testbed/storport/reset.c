/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Resets: of the logical unit, then of the target, then of the bus, each when the one before failed or wasn't answered
 * in time; after the last nothing may be left [Multi-Tier Reset in Storport]. A unit that is being reset gets no new
 * requests; HwResetBus is called after all queues have been paused [HW_RESET_BUS].
 *
 * HwStartIo of a virtual miniport is called without a lock [HW_STARTIO], so a call may be running on another processor:
 * the reset gives its SRB back, or the SRB comes later and survives. Or, since HwResetBus has the StartIo lock, no call
 * is running by then: PORT_OPTIONS.ResetExcludesStartIo. Every other SRB of a successful reset's scope must be complete
 * when it ends [bug check 0xF0]; a reset SRB ends when the miniport completes it, whoever has sent it.
 */
#include "port.h"

typedef struct {
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    PORT_SCOPE Kind;
} SCOPE;

static SCOPE ScopeOf(const UNIT *Unit, PORT_SCOPE Kind)
{
    const SCOPE Scope = {Unit->Path, Unit->Target, Unit->Lun, Kind};

    return Scope;
}

static BOOLEAN InScope(const REQUEST *Request, const SCOPE *Scope)
{
    const UNIT *Unit = Request->Unit;

    return Unit->Path == Scope->Path && (Scope->Kind == PORT_SCOPE_BUS || Unit->Target == Scope->Target) &&
           (Scope->Kind != PORT_SCOPE_UNIT || Unit->Lun == Scope->Lun);
}

/* Under Lock: whether HwStartIo hasn't returned from this attempt. */
static BOOLEAN IsStarting(const REQUEST *Request)
{
    const ADAPTER *Adapter = Request->Unit->Adapter;
    const LIST_ENTRY *Entry;

    for (Entry = Adapter->StartCalls.Flink; Entry != &Adapter->StartCalls; Entry = Entry->Flink)
        if (CONTAINING_RECORD(Entry, START_CALL, Link)->Number == Request->Number)
            return TRUE;
    return FALSE;
}

/* Sets aside what runs beside the reset. */
static BOOLEAN SetAside(REQUEST *Request, PVOID Context)
{
    const SCOPE *Scope = Context;

    if (InScope(Request, Scope) && IsStarting(Request))
        Request->Aside |= Scope->Kind;
    else if (InScope(Request, Scope))
        Request->Aside &= ~(ULONG)Scope->Kind;
    return FALSE;
}

/* The reset of this scope begins. */
static VOID Begin(ADAPTER *Adapter, SCOPE Scope)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    PortQueueWalk(Adapter, SetAside, &Scope);
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

/* A reset that was given up counts, too. */
static BOOLEAN IsLeft(REQUEST *Request, PVOID Context)
{
    const SCOPE *Scope = Context;

    return InScope(Request, Scope) && (Request->Aside & Scope->Kind) == 0 &&
           (!Request->Internal || (Request->Escalated && Scope->Kind == PORT_SCOPE_BUS));
}

/* The SRB of a request in the scope of a reset that the miniport still holds, or NULL. */
static PVOID StillHeld(ADAPTER *Adapter, SCOPE Scope)
{
    PVOID Srb = NULL;
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueWalk(Adapter, IsLeft, &Scope);
    if (Request != NULL)
        Srb = Request->Srb;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Srb;
}

static PORT_SCOPE KindOf(ULONG Function)
{
    return Function == SRB_FUNCTION_RESET_LOGICAL_UNIT ? PORT_SCOPE_UNIT
           : Function == SRB_FUNCTION_RESET_DEVICE     ? PORT_SCOPE_TARGET
                                                       : PORT_SCOPE_BUS;
}

static BOOLEAN IsReset(const REQUEST *Request)
{
    return Request->Fields.Function == SRB_FUNCTION_RESET_LOGICAL_UNIT ||
           Request->Fields.Function == SRB_FUNCTION_RESET_DEVICE || Request->Fields.Function == SRB_FUNCTION_RESET_BUS;
}

/* Under Lock: what the reset should have given back. Numbers from Covers on may have come beside it. */
static BOOLEAN IsCovered(REQUEST *Request, PVOID Context)
{
    const REQUEST *Reset = Context;
    const SCOPE Scope = ScopeOf(Reset->Unit, KindOf(Reset->Fields.Function));

    return !Request->Internal && InScope(Request, &Scope) && Request->Number < Reset->Covers;
}

VOID PortResetCheck(REQUEST *Request)
{
    ADAPTER *Adapter = Request->Unit->Adapter;
    REQUEST *Left;
    PVOID Srb;
    KIRQL Irql;

    if (!IsReset(Request) || SRB_STATUS(Request->Fields.SrbStatus) != SRB_STATUS_SUCCESS)
        return;
    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Left = PortQueueWalk(Adapter, IsCovered, Request);
    Srb = Left == NULL ? NULL : Left->Srb;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PORT_REQUIRE(RESET_LEFT, Srb == NULL, "function 0x%x is answered and the SRB at %p isn't complete",
                 (unsigned)Request->Fields.Function, Srb);
}

VOID PortStartIoLock(ADAPTER *Adapter)
{
    BOOLEAN Mine;
    KIRQL Irql;

    do {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Mine = !Adapter->StartIoLocked;
        Adapter->StartIoLocked = TRUE;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        YieldProcessor();
    } while (!Mine);
}

VOID PortStartIoUnlock(ADAPTER *Adapter)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->StartIoLocked = FALSE;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

/* All queues of the adapter are paused or go on. */
static VOID Pause(ADAPTER *Adapter, BOOLEAN On)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->BusResets += On ? 1 : (ULONG)-1;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (!On)
        PortPlatformQueueDpc(&Adapter->CompletionDpc);
}

/* Waits until no HwStartIo is running. */
static VOID WaitForStartIo(ADAPTER *Adapter)
{
    BOOLEAN Running;
    KIRQL Irql;

    do {
        KeAcquireSpinLock(&Adapter->Lock, &Irql);
        Running = Adapter->StartingCount != 0;
        KeReleaseSpinLock(&Adapter->Lock, Irql);
        YieldProcessor();
    } while (Running);
}

BOOLEAN PortResetBus(ADAPTER *Adapter, UCHAR Path)
{
    const SCOPE Scope = {Path, 0, 0, PORT_SCOPE_BUS};
    PORT_CALL Call;
    BOOLEAN Done;
    PVOID Srb;
    KIRQL Irql;

    DbgPrint("storport: reset of bus %u\n", (unsigned)Path);
    Pause(Adapter, TRUE);
    if (PortOptions.ResetExcludesStartIo)
        WaitForStartIo(Adapter);
    PortStartIoLock(Adapter);
    Begin(Adapter, Scope);
    PortHook(PORT_AT_RESET_BUS, NULL);
    Irql = PortPlatformRaise();
    Call = PortCallEnter();
    Done = Adapter->Miniport->Init.HwResetBus(Adapter->HwExtension, Path);
    PortCallLeave(Call, "HwResetBus");
    PortPlatformLower(Irql);
    PortStartIoUnlock(Adapter);
    Srb = StillHeld(Adapter, Scope);
    PORT_REQUIRE(RESET_LEFT, !Done || Srb == NULL, "HwResetBus succeeded and the SRB at %p isn't complete", Srb);
    Pause(Adapter, FALSE);
    return Done;
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

/* The last tier. */
static VOID ResetBusOf(UNIT *Unit)
{
    PVOID Srb;

    PortResetBus(Unit->Adapter, Unit->Path);
    Srb = StillHeld(Unit->Adapter, ScopeOf(Unit, PORT_SCOPE_BUS));
    PORT_REQUIRE(TIMEOUT_LEFT, Srb == NULL, "the SRB at %p, after all resets", Srb);
    ResetEnded(Unit);
}

static VOID ResetDone(REQUEST *Request)
{
    UNIT *Unit = Request->Unit;
    const ULONG Function = Request->Fields.Function;

    if (!Request->Escalated) {
        const BOOLEAN Done = SRB_STATUS(Request->Fields.SrbStatus) == SRB_STATUS_SUCCESS;
        PVOID Srb = StillHeld(Unit->Adapter, ScopeOf(Unit, KindOf(Function)));

        PORT_REQUIRE(RESET_LEFT, !Done || Srb == NULL, "function 0x%x succeeded and the SRB at %p isn't complete",
                     (unsigned)Function, Srb);
        if (Done)
            ResetEnded(Unit);
        else
            PortResetEscalate(Unit, Function);
    }
    PortRequestFree(Request);
}

static VOID Reset(UNIT *Unit, ULONG Function, PORT_SCOPE Kind)
{
    REQUEST *Request = PortRequestMake(Unit);

    DbgPrint("storport: reset (function 0x%x) of %u:%u:%u\n", (unsigned)Function, (unsigned)Unit->Path,
             (unsigned)Unit->Target, (unsigned)Unit->Lun);
    if (Request == NULL) {
        DbgPrint("storport: no memory for that: the bus is reset\n");
        ResetBusOf(Unit);
        return;
    }
    Request->Fields.Function = Function;
    Request->Fields.TimeoutSeconds =
        PortOptions.ResetTimeoutSeconds != 0 ? PortOptions.ResetTimeoutSeconds : PORT_RESET_TIMEOUT_S;
    Request->Internal = TRUE;
    Request->Done = ResetDone;
    Begin(Unit->Adapter, ScopeOf(Unit, Kind));
    PortQueueSubmit(Request);
}

VOID PortResetUnit(UNIT *Unit)
{
    Reset(Unit, SRB_FUNCTION_RESET_LOGICAL_UNIT, PORT_SCOPE_UNIT);
}

VOID PortResetEscalate(UNIT *Unit, ULONG Function)
{
    if (Function == SRB_FUNCTION_RESET_LOGICAL_UNIT)
        Reset(Unit, SRB_FUNCTION_RESET_DEVICE, PORT_SCOPE_TARGET);
    else
        ResetBusOf(Unit);
}
