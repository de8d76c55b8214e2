/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The adapter's tick: ends pauses, runs RequestTimerCall timers, and watches over requests that the miniport holds for
 * longer than their TimeOutValue. Those lead to resets (reset.c).
 */
#include "port.h"

static BOOLEAN IsReset(const REQUEST *Request)
{
    return Request->Fields.Function == SRB_FUNCTION_RESET_LOGICAL_UNIT ||
           Request->Fields.Function == SRB_FUNCTION_RESET_DEVICE;
}

static BOOLEAN IsOverdueReset(REQUEST *Request, PVOID Context)
{
    const ULONGLONG *Now = Context;

    return Request->Internal && IsReset(Request) && !Request->Escalated && Request->Deadline <= *Now;
}

/* The unit of a reset that isn't answered in time, referenced, or NULL. Its late answer will change nothing. */
static UNIT *TakeOverdueReset(ADAPTER *Adapter, ULONGLONG Now, ULONG *Function)
{
    UNIT *Unit = NULL;
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueWalk(Adapter, IsOverdueReset, &Now);
    if (Request != NULL) {
        Request->Escalated = TRUE;
        *Function = Request->Fields.Function;
        Unit = Request->Unit;
        PortUnitReference(Unit);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Unit;
}

/* Overdue, and nobody resets its unit yet. */
static BOOLEAN IsOverdue(REQUEST *Request, PVOID Context)
{
    const ULONGLONG *Now = Context;

    return !Request->Internal && !Request->Unit->Resetting && Request->Deadline != 0 && Request->Deadline <= *Now;
}

/* A unit with a request whose time is over, referenced and marked as resetting, or NULL. */
static UNIT *TakeOverdueUnit(ADAPTER *Adapter, ULONGLONG Now)
{
    UNIT *Unit = NULL;
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueWalk(Adapter, IsOverdue, &Now);
    if (Request != NULL) {
        Unit = Request->Unit;
        Unit->Resetting = TRUE;
        PortUnitReference(Unit);
        DbgPrint("storport: operation 0x%02x of %u:%u:%u took longer than %u s\n", (unsigned)Request->Fields.Cdb[0],
                 (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun,
                 (unsigned)Request->Fields.TimeoutSeconds);
    }
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    return Unit;
}

static BOOLEAN IsUnanswered(REQUEST *Request, PVOID Context)
{
    const ULONGLONG *Now = Context;

    return Request->Internal && !IsReset(Request) && Request->Deadline != 0 && Request->Deadline <= *Now;
}

/* The port driver's own requests are never reset: each must be answered. */
static VOID CheckUnanswered(ADAPTER *Adapter, ULONGLONG Now)
{
    SRB_FIELDS Fields;
    REQUEST *Request;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Request = PortQueueWalk(Adapter, IsUnanswered, &Now);
    if (Request != NULL)
        Fields = Request->Fields;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    if (Request != NULL)
        PortViolation(PORT_RULE_TIMEOUT_LEFT, "function 0x%x to %u:%u:%u isn't answered", (unsigned)Fields.Function,
                      Fields.Path, Fields.Target, Fields.Lun);
}

VOID PortTimerHalt(ADAPTER *Adapter, BOOLEAN Halted)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Adapter->Halted = Halted;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
}

VOID PortTimerCheckNone(ADAPTER *Adapter)
{
    BOOLEAN Left;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    Left = Adapter->Timer != NULL;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PORT_REQUIRE(TIMER_LEFT, !Left, "adapter %u is freed", (unsigned)Adapter->PortNumber);
}

static VOID RunTimer(ADAPTER *Adapter, ULONGLONG Now)
{
    PHW_TIMER Timer = NULL;
    BOOLEAN Left;
    PORT_CALL Call;
    KIRQL Irql;

    KeAcquireSpinLock(&Adapter->Lock, &Irql);
    if (Adapter->Timer != NULL && Adapter->TimerDue <= Now && !Adapter->Halted) {
        Timer = Adapter->Timer;
        Adapter->Timer = NULL;
    }
    Left = Adapter->Timer != NULL && Adapter->Halted && Adapter->TimerDue + PORT_TIMER_LATE_S * PORT_S_100NS <= Now;
    KeReleaseSpinLock(&Adapter->Lock, Irql);
    PORT_REQUIRE(TIMER_LEFT, !Left, "adapter %u is stopped", (unsigned)Adapter->PortNumber);
    if (Timer == NULL)
        return;
    PortStartIoLock(Adapter); /* [HW_TIMER] */
    Call = PortCallEnter();
    Timer(Adapter->HwExtension);
    PortCallLeave(Call, "HwTimer");
    PortStartIoUnlock(Adapter);
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
    CheckUnanswered(Adapter, Now);
    while ((Unit = TakeOverdueReset(Adapter, Now, &Function)) != NULL) {
        DbgPrint("storport: reset (function 0x%x) of %u:%u:%u isn't answered\n", (unsigned)Function,
                 (unsigned)Unit->Path, (unsigned)Unit->Target, (unsigned)Unit->Lun);
        PortResetEscalate(Unit, Function);
        PortUnitDereference(Unit);
    }
    while ((Unit = TakeOverdueUnit(Adapter, Now)) != NULL) {
        PortResetUnit(Unit);
        PortUnitDereference(Unit);
    }
    PortQueuePumpAll(Adapter);
}
