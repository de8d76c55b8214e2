/* SPDX-License-Identifier: LGPL-2.1-only */
/* Threads, and references. A thread that comes from outside (a test's) becomes an NT thread at its first call. */
#include "internal.h"

#include <stdlib.h>

ULONG PsNewId(void)
{
    static volatile ULONG PsNextId = 100;
    return (ULONG)InterlockedIncrement((volatile LONG *)&PsNextId);
}

/* What the ground keeps for each thread. */
typedef struct {
    PKTHREAD Current;
    KTHREAD Foreign;
} PS_LOCAL;
_Static_assert(sizeof(PS_LOCAL) <= GROUND_LOCAL_BYTES, "GroundLocal");

static EPROCESS PsSystem = {.Header = {NATIVE_OBJECT_PROCESS, 0}, .References = 1, .Id = 4};
PEPROCESS PsInitialSystemProcess = &PsSystem;

struct _OBJECT_TYPE {
    const char *Name;
};
static struct _OBJECT_TYPE PsThreadObject = {"Thread"}, PsProcessObject = {"Process"}, PsFileObject = {"File"};
static POBJECT_TYPE PsThreadPointer = &PsThreadObject, PsProcessPointer = &PsProcessObject,
                    PsFilePointer = &PsFileObject;
POBJECT_TYPE *PsThreadType = &PsThreadPointer;
POBJECT_TYPE *PsProcessType = &PsProcessPointer;
POBJECT_TYPE *IoFileObjectType = &PsFilePointer;

void ThreadInitialize(PKTHREAD Thread, const char *Name)
{
    memset(Thread, 0, sizeof(*Thread));
    Thread->Header.Kind = NATIVE_OBJECT_THREAD;
    Thread->References = 1;
    Thread->Id = PsNewId();
    Thread->Name = Name;
    Thread->Process = &PsSystem;
}

void ThreadSetCurrent(PKTHREAD Thread)
{
    ((PS_LOCAL *)GroundLocal())->Current = Thread;
}

PKTHREAD KeGetCurrentThread(VOID)
{
    PS_LOCAL *Local = GroundLocal();
    if (Local->Current == NULL) {
        ThreadInitialize(&Local->Foreign, "test");
        Local->Current = &Local->Foreign;
    }
    return Local->Current;
}

PEPROCESS PsGetCurrentProcess(VOID)
{
    return KeGetCurrentThread()->Process;
}

HANDLE PsGetProcessId(PEPROCESS Process)
{
    return (HANDLE)(ULONG_PTR)Process->Id;
}

VOID KeEnterCriticalRegion(VOID)
{
    NT_ENTER(APC_LEVEL);
    KeGetCurrentThread()->CriticalRegions++;
}

VOID KeLeaveCriticalRegion(VOID)
{
    NT_ENTER(APC_LEVEL);
    NT_ASSERT(KeGetCurrentThread()->CriticalRegions != 0);
    KeGetCurrentThread()->CriticalRegions--;
}

/* ---- System threads ---- */

static void ThreadEnd(PKTHREAD Thread)
{
    NtCheckNoLocks(RULE_LOCK_CALLBACK, "system thread");
    if (Thread->Irql != PASSIVE_LEVEL) {
        NtViolation(RULE_IRQL_CALLBACK, "system thread", "ends at IRQL %u", (unsigned)Thread->Irql);
    }
    TrackRemove(TRACK_THREAD, Thread, NULL, NULL);
    NtSignal(&Thread->Header);
    /* The thread's own reference; it lives on as the current one until the pthread is gone. */
    ThreadSetCurrent(NULL);
    ObfDereferenceObject(Thread);
}

static void ThreadMain(void *Context)
{
    PKTHREAD Thread = Context;
    ThreadSetCurrent(Thread);
    Thread->Routine(Thread->Context);
    ThreadEnd(Thread);
}

NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus)
{
    NT_ENTER(PASSIVE_LEVEL);
    UNREFERENCED_PARAMETER(ExitStatus);
    ThreadEnd(KeGetCurrentThread());
    GroundThreadExit();
}

NTSTATUS PsCreateSystemThread(PHANDLE Handle, ULONG Access, POBJECT_ATTRIBUTES Attributes, HANDLE Process,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE Routine, PVOID Context)
{
    UNREFERENCED_PARAMETER(Access);
    UNREFERENCED_PARAMETER(Attributes);
    UNREFERENCED_PARAMETER(Process);
    NT_ENTER(PASSIVE_LEVEL);
    PKTHREAD Thread = Fault(__func__) ? NULL : malloc(sizeof(*Thread));
    if (Thread == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ThreadInitialize(Thread, "system thread");
    Thread->References = 3; /* the thread, the handle, and this function's */
    Thread->Routine = Routine;
    Thread->Context = Context;
    TrackAdd(TRACK_THREAD, Thread, 0, 0, (const void *)Routine);
    GROUND_THREAD *Ground = GroundThreadStart(ThreadMain, Thread, "system");
    if (Ground == NULL) {
        TrackRemove(TRACK_THREAD, Thread, NULL, NULL);
        free(Thread);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Thread->Ground = Ground;
    if (ClientId != NULL) {
        ClientId->UniqueProcess = PsGetProcessId(&PsSystem);
        ClientId->UniqueThread = (HANDLE)(ULONG_PTR)Thread->Id;
    }
    *Handle = HandleOpen(HANDLE_THREAD, Thread);
    ObfDereferenceObject(Thread);
    return STATUS_SUCCESS;
}

/* ---- References ---- */

LONG_PTR ObfReferenceObject(PVOID Object)
{
    NT_ENTER(DISPATCH_LEVEL);
    switch (*(ULONG *)Object) {
    case NATIVE_OBJECT_THREAD:
        return InterlockedIncrement(&((PKTHREAD)Object)->References);
    case NATIVE_OBJECT_PROCESS:
        return InterlockedIncrement(&((PEPROCESS)Object)->References);
    default:
        break;
    }
    if (*(CSHORT *)Object == NATIVE_TYPE_DEVICE) {
        DeviceReference(Object);
        return 1;
    }
    NtViolation(RULE_OBJECT_INIT, __func__, "there is no object at %p", Object);
}

LONG_PTR ObfDereferenceObject(PVOID Object)
{
    LONG Left;
    NT_ENTER(DISPATCH_LEVEL);
    switch (*(ULONG *)Object) {
    case NATIVE_OBJECT_THREAD:
        Left = InterlockedDecrement(&((PKTHREAD)Object)->References);
        if (Left == 0) {
            GroundThreadRelease(((PKTHREAD)Object)->Ground);
            free(Object);
        }
        return Left;
    case NATIVE_OBJECT_PROCESS:
        Left = InterlockedDecrement(&((PEPROCESS)Object)->References);
        if (Left == 0) {
            free(Object);
        }
        return Left;
    default:
        break;
    }
    if (*(CSHORT *)Object == NATIVE_TYPE_DEVICE) {
        DeviceDereference(Object);
        return 1;
    }
    NtViolation(RULE_OBJECT_INIT, __func__, "there is no object at %p", Object);
}
