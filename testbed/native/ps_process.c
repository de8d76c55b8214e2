/* SPDX-License-Identifier: LGPL-2.1-only */
/* Processes of programs: how they begin and end, who is told of it, and what waits for their ends. */
#include "internal.h"

#include <stdlib.h>

/* The system's limit [pssetcreateprocessnotifyroutine]. */
#define NOTIFY_ROUTINES_MAX 64u

static GROUND_LOCK NotifyLock = GROUND_LOCK_INITIALIZER;
static PCREATE_PROCESS_NOTIFY_ROUTINE NotifyRoutines[NOTIFY_ROUTINES_MAX];
static ULONG NotifyForeign; /* so many more that no driver of ours has registered */
static ULONG NotifyRunning; /* routines that run */
static GROUND_SIGNAL NotifyIdle;

/* ---- who is told ---- */

void ProcessStart(ULONG ForeignRoutines)
{
    NotifyForeign = ForeignRoutines;
    GroundSignalInitialize(&NotifyIdle);
}

/* Under NotifyLock. NOTIFY_ROUTINES_MAX: it isn't there. */
static ULONG NotifyFind(PCREATE_PROCESS_NOTIFY_ROUTINE Routine)
{
    ULONG Index = 0;
    while (Index < NOTIFY_ROUTINES_MAX && NotifyRoutines[Index] != Routine) {
        Index++;
    }
    return Index;
}

NTSTATUS PsSetCreateProcessNotifyRoutine(PCREATE_PROCESS_NOTIFY_ROUTINE Routine, BOOLEAN Remove)
{
    NT_ENTER(PASSIVE_LEVEL);
    if (!Remove && Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    GroundLockEnter(&NotifyLock);
    ULONG Index = NotifyFind(Routine);
    bool There = Index < NOTIFY_ROUTINES_MAX;
    bool Done = There == (Remove != FALSE);
    if (Done && Remove) {
        NotifyRoutines[Index] = NULL;
    } else if (Done) {
        Index = NotifyFind(NULL);
        Done = Index < NOTIFY_ROUTINES_MAX - NotifyForeign;
        if (Done) {
            NotifyRoutines[Index] = Routine;
        }
    }
    /* Those that run are waited for [pssetcreateprocessnotifyroutineex]. */
    while (Done && Remove && NotifyRunning != 0) {
        GroundSignalWait(&NotifyIdle, &NotifyLock, UINT64_MAX);
    }
    GroundLockLeave(&NotifyLock);
    return Done ? STATUS_SUCCESS : Remove ? STATUS_PROCEDURE_NOT_FOUND : STATUS_INVALID_PARAMETER;
}

void ProcessCheckUnload(void)
{
    for (ULONG Index = 0; Index < NOTIFY_ROUTINES_MAX; Index++) {
        if (NotifyRoutines[Index] != NULL) {
            NtViolation(RULE_NOTIFY_AT_UNLOAD, "DriverUnload", "the routine at %p is still registered",
                        (void *)NotifyRoutines[Index]);
        }
    }
}

/* The next registered routine at or after *Index, counted as running; NULL: there is none. */
static PCREATE_PROCESS_NOTIFY_ROUTINE NotifyEnter(ULONG *Index)
{
    PCREATE_PROCESS_NOTIFY_ROUTINE Routine = NULL;
    GroundLockEnter(&NotifyLock);
    while (*Index < NOTIFY_ROUTINES_MAX && (Routine = NotifyRoutines[*Index]) == NULL) {
        ++*Index;
    }
    NotifyRunning += Routine != NULL;
    GroundLockLeave(&NotifyLock);
    return Routine;
}

static void NotifyLeave(void)
{
    GroundLockEnter(&NotifyLock);
    if (--NotifyRunning == 0) {
        GroundSignalWakeAll(&NotifyIdle);
    }
    GroundLockLeave(&NotifyLock);
}

/* Runs the routines, in the context that the caller has. Returns how many there were. */
static ULONG NotifyAll(PEPROCESS Process, BOOLEAN Create)
{
    PCREATE_PROCESS_NOTIFY_ROUTINE Routine;
    ULONG Count = 0;
    for (ULONG Index = 0; (Routine = NotifyEnter(&Index)) != NULL; Index++) {
        NT_FRAME Frame;
        NtCallbackEnter(&Frame, "process-notify routine");
        Routine(PsGetProcessId(PsInitialSystemProcess), PsGetProcessId(Process), Create);
        NtCallbackLeave(&Frame);
        NotifyLeave();
        Count++;
    }
    return Count;
}

/* ---- begin and end ---- */

static PEPROCESS ProcessMake(ULONG Id)
{
    PEPROCESS Process = calloc(1, sizeof(*Process));
    if (Process == NULL) {
        abort();
    }
    Process->Header.Kind = NATIVE_OBJECT_PROCESS;
    Process->References = 1;
    Process->Id = Id;
    NotifyAll(Process, TRUE);
    return Process;
}

PEPROCESS NativeProcessCreate(void)
{
    return ProcessMake(PsNewId() * 4);
}

PEPROCESS NativeProcessCreateAfter(PEPROCESS Ended)
{
    NT_ASSERT(Ended->Ended);
    return ProcessMake(Ended->Id);
}

/* In the context of the process's last thread. */
static void ProcessNotifyEnd(PEPROCESS Process)
{
    PKTHREAD Thread = KeGetCurrentThread();
    PEPROCESS Own = Thread->Process;
    Thread->Process = Process;
    ULONG Told = NotifyAll(Process, FALSE);
    Thread->Process = Own;
    /* Its memory is about to be deleted [pcreate_process_notify_routine]. */
    if (Told != 0) {
        UserProcessCheck(Process);
    }
}

void NativeProcessEnd(PEPROCESS Process, NATIVE_PROCESS_END End)
{
    NT_ASSERT(!Process->Ended);
    if ((End & NATIVE_END_NOTIFY_FIRST) && !(End & NATIVE_END_UNNOTIFIED)) {
        ProcessNotifyEnd(Process);
    }
    RequestsEnd(Process, NULL);
    if (!(End & (NATIVE_END_NOTIFY_FIRST | NATIVE_END_UNNOTIFIED))) {
        ProcessNotifyEnd(Process);
    }
    UserProcessEnd(Process);
    Process->Ended = true;
    if (!(End & NATIVE_END_STUCK)) {
        NtSignal(&Process->Header);
    }
}

void NativeProcessDelete(PEPROCESS Process)
{
    if (!Process->Ended) {
        NativeProcessEnd(Process, 0);
    }
    ObfDereferenceObject(Process);
}

/* ---- waiting for an end ---- */

NTSTATUS ObOpenObjectByPointer(PVOID Object, ULONG Attributes, PACCESS_STATE AccessState, ACCESS_MASK Access,
                               POBJECT_TYPE Type, KPROCESSOR_MODE Mode, PHANDLE Handle)
{
    UNREFERENCED_PARAMETER(AccessState);
    UNREFERENCED_PARAMETER(Access);
    NT_ENTER(PASSIVE_LEVEL);
    if (*(ULONG *)Object != NATIVE_OBJECT_PROCESS || (Type != NULL && Type != *PsProcessType)) {
        return STATUS_OBJECT_TYPE_MISMATCH;
    }
    if (!(Attributes & OBJ_KERNEL_HANDLE) || Mode != KernelMode) {
        NtViolation(RULE_HANDLE, __func__, "a driver's handle is a kernel handle, in a process's context");
    }
    if (Fault(__func__)) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ObfReferenceObject(Object);
    *Handle = HandleOpen(HANDLE_PROCESS, Object);
    return STATUS_SUCCESS;
}

NTSTATUS ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    NT_ENTER(PASSIVE_LEVEL);
    return KeWaitForSingleObject(HandleGet(Handle, HANDLE_PROCESS, __func__), Executive, KernelMode, Alertable,
                                 Timeout);
}
