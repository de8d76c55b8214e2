/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the test bed's files share. Locks: GROUND_LOCKs of this test bed are
 * leaves: nobody calls into a driver, and nobody takes a second one, while
 * holding one, apart from the order that a function's comment gives.
 */
#pragma once

#include <nt.h>

#include "ground.h"
#include "native.h"
#include "rules.h"

/* ---- Objects ---- */

#define NATIVE_OBJECT_NOTIFICATION 0x4E540001u
#define NATIVE_OBJECT_SYNCHRONIZATION 0x4E540002u
#define NATIVE_OBJECT_TIMER 0x4E540003u
#define NATIVE_OBJECT_SYNCHRONIZATION_TIMER 0x4E540004u
#define NATIVE_OBJECT_THREAD 0x4E540005u
#define NATIVE_OBJECT_PROCESS 0x4E540006u
#define NATIVE_OBJECT_DPC 0x4E540007u
#define NATIVE_TYPE_DEVICE 3
#define NATIVE_TYPE_DRIVER 4
#define NATIVE_TYPE_FILE 5
#define NATIVE_TYPE_IRP 6

#define NATIVE_LOCKS_MAX 16

struct _EPROCESS {
    DISPATCHER_HEADER Header;
    LONG References;
    ULONG Id;
    bool Ended;
};

struct _KTHREAD {
    DISPATCHER_HEADER Header; /* signalled when the thread has ended */
    LONG References;
    ULONG Id;
    const char *Name;
    KIRQL Irql;
    ULONG LockCount;
    struct {
        PKSPIN_LOCK Lock;
        KIRQL OldIrql; /* only for locks that raised */
        BOOLEAN Raised;
    } Locks[NATIVE_LOCKS_MAX];
    BOOLEAN InDpc;
    ULONG FaultsSpared; /* it is in calls that don't fail: FAULT_SPARE */
    ULONG CriticalRegions;
    uint64_t Tick; /* interrupt time as this thread sees it, 0: as it is */
    PEPROCESS Process;
    NATIVE_GUARD *Guard;
    GROUND_THREAD *Ground;
    PKSTART_ROUTINE Routine;
    PVOID Context;
};

extern uint64_t NtSeed; /* NativeStart's, for reports */

/* Checks the IRQL of the NT function that calls it; also the place where another thread may run. */
void NtEnter(const char *Function, KIRQL Highest);
#define NT_ENTER(Highest) NtEnter(__func__, (Highest))

/* A call into a driver: IRQL and locks are the same afterwards. */
typedef struct {
    const char *What;
    KIRQL Irql;
    ULONG Locks;
} NT_FRAME;
void NtCallbackEnter(NT_FRAME *Frame, const char *What);
void NtCallbackLeave(const NT_FRAME *Frame);
/* Runs the calling thread at Irql, for the callbacks that the test bed makes; returns the IRQL before. */
KIRQL NtSetIrql(KIRQL Irql);
void NtCheckNoLocks(NATIVE_RULE Rule, const char *Function);

/* ---- Faults ---- */

void FaultStart(NATIVE_FAULTS *Plan);
/* Whether the NT function that asks has to fail this time. Once per call, whatever else makes it fail. Any IRQL. */
bool Fault(const char *Function);
/* A call of the test bed's own, which no driver has made and none can answer for: never failed. */
#define FAULT_SPARE(Call)                                                                                              \
    ({                                                                                                                 \
        KeGetCurrentThread()->FaultsSpared++;                                                                          \
        __typeof__(Call) FaultResult = (Call);                                                                         \
        KeGetCurrentThread()->FaultsSpared--;                                                                          \
        FaultResult;                                                                                                   \
    })

/* ---- Dispatcher ---- */

extern GROUND_LOCK NtDispatcherLock;
/* Wakes who waits for Object; under NtDispatcherLock. */
void NtWakeWaiters(const DISPATCHER_HEADER *Object);
/* Makes an object signalled, from inside the test bed, at any IRQL. */
void NtSignal(DISPATCHER_HEADER *Object);

/* ---- What is alive: for leak reports, and for "is this still there?" ---- */

typedef enum {
    TRACK_POOL,
    TRACK_IRP,
    TRACK_MDL,
    TRACK_WORK_ITEM,
    TRACK_DEVICE,
    TRACK_HANDLE,
    TRACK_SOCKET,
    TRACK_ADDRESS_INFO,
    TRACK_WSK_CLIENT,
    TRACK_THREAD,
    TRACK_ETW,
    TRACK_KINDS
} TRACK_KIND;

/* Records Address; Value is the kind's own (pool: size and tag). */
void TrackAdd(TRACK_KIND Kind, const void *Address, uint64_t Value, uint32_t Tag, const void *Caller);
/* Forgets Address; false: it was not there. Value and Tag may be NULL. */
bool TrackRemove(TRACK_KIND Kind, const void *Address, uint64_t *Value, uint32_t *Tag);
bool TrackHas(TRACK_KIND Kind, const void *Address);
/* Stops the process with Rule if anything of Kind is left, and says what. */
void TrackCheckEmpty(TRACK_KIND Kind, NATIVE_RULE Rule, const char *What);
size_t TrackCount(TRACK_KIND Kind);

/* Stops the process if Address lies in paged pool, where Function's object must not. Any IRQL. */
void PoolCheckResident(const void *Address, const char *Function);

/* ---- DPCs, timers, work items, threads ---- */

/* OneProcessor: DPCs run in the network's thread. */
void DpcStart(bool OneProcessor);
void DpcStop(void);
/* With one processor: runs what is queued, in the calling thread, the network's. True: there was something. */
bool DpcServeAll(void);
void TimerStart(void);
void TimerStop(void);
void WorkStart(void);
void WorkStop(void);
/* Waits until no worker is in a routine: each keeps its device until it is out. */
void WorkSettle(void);
/* Stops the process if a queued DPC or timer lies within the memory. */
void DpcCheckFree(const void *Address, size_t Length);
void TimerCheckFree(const void *Address, size_t Length);
void DpcCheckUnload(void);
void TimerCheckUnload(void);
/* Inserts from the timer thread. */
void DpcInsert(PKDPC Dpc, PVOID Argument1, PVOID Argument2);
/* Of a thread or a process; never the same again. */
ULONG PsNewId(void);
void ThreadInitialize(PKTHREAD Thread, const char *Name);
void ThreadSetCurrent(PKTHREAD Thread);

/* ForeignRoutines: how many process-notify routines others have registered. */
void ProcessStart(ULONG ForeignRoutines);
void ProcessCheckUnload(void);
/* Cancels what the process's threads, or that one thread (not NULL), have sent, and waits for each. */
void RequestsEnd(const EPROCESS *Process, const KTHREAD *Thread);

/* ---- IRPs ---- */

struct NT_CALL;

typedef enum { IRP_OWNED, IRP_SENT, IRP_FREED } IRP_STATE;

typedef struct _NATIVE_IRP_STATE {
    volatile LONG State; /* IRP_STATE */
    int Base;            /* CurrentLocation of who sent it first: its owner */
    bool Skipped;        /* the sender gave its own stack location to the next driver */
    /* For IRPs of the test bed: called when every routine has run, in place of the I/O manager's ending. */
    void (*Finish)(PIRP Irp);
    void *Context;
    struct NT_CALL **Calls; /* per stack location: who has been called and waits for what it returns */
} NATIVE_IRP_STATE;

/* The IRP exists and is in State; Function is who wants to know. */
void IrpCheck(const IRP *Irp, IRP_STATE State, const char *Function);
/* Takes over an IRP as a lower driver does: next stack location; checks that it is idle. */
PIO_STACK_LOCATION IrpTake(PIRP Irp, const char *Function);
/* Sends an IRP with Finish set to a stack's top, waits, returns the final status. PASSIVE_LEVEL. */
NTSTATUS IrpSendAndWait(PDEVICE_OBJECT Device, PIRP Irp);
void IrpQuarantineEmpty(void);
void CancelStart(void);

/* ---- MDLs under transfer ---- */

void MdlHold(PMDL Mdl);
void MdlRelease(PMDL Mdl);
void MdlCheckFree(const void *Address, size_t Length);

/* ---- Memory of processes ---- */

/* The system's address of the current process's bytes, which stay until UserPagesUnlock; NULL: it has them not so. */
char *UserPagesLock(const char *Address, size_t Length, bool Write);
bool UserPagesUnlock(const char *System);
/* Takes all of it away. */
void UserProcessEnd(PEPROCESS Process);
/* Stops the process of the test if pages of it are locked. */
void UserProcessCheck(PEPROCESS Process);

/* ---- Devices and PnP ---- */

struct NATIVE_DEVICE;

typedef struct _NATIVE_DEVICE_STATE {
    LIST_ENTRY Link; /* all devices */
    LONG References; /* one for its existence, one per ObReferenceObject */
    BOOLEAN Deleted;
    WCHAR Name[128];
    PDEVICE_OBJECT AttachedTo;
    struct NATIVE_DEVICE *Node; /* of a PDO */
} NATIVE_DEVICE_STATE;

void DriverObjectInitialize(PDRIVER_OBJECT Driver, PDRIVER_EXTENSION Extension);
PDEVICE_OBJECT DeviceTop(PDEVICE_OBJECT Device);
void DeviceReference(PDEVICE_OBJECT Device);
void DeviceDereference(PDEVICE_OBJECT Device);
void PnpStart(void);
void PnpStop(void);
void InterfaceCheckRemoved(PDEVICE_OBJECT Pdo);
PDEVICE_OBJECT InterfaceFind(const GUID *Class);
void InterfaceClear(void);

/* ---- Handles and the registry ---- */

typedef enum { HANDLE_KEY, HANDLE_THREAD, HANDLE_PROCESS } HANDLE_KIND;
HANDLE HandleOpen(HANDLE_KIND Kind, void *Object);
void *HandleGet(HANDLE Handle, HANDLE_KIND Kind, const char *Function);
void RegistryClear(void);

/* ---- Debug output ---- */

void DbgStart(ULONG Level, void (*Log)(uint32_t Level, const char *Text));

/* ---- WSK ---- */

void WskStart(const NATIVE_OPTIONS *Options);
void WskStop(void);
/* Lets the network's thread look for what it has to do, if that is another thread than this one. */
void WskWake(void);

/* ---- Text ---- */

/* UTF-16 to UTF-8, cut to fit, always terminated. */
void TextFromWide(char *Destination, size_t Size, const WCHAR *Source, size_t Characters);
void TextToWide(WCHAR *Destination, size_t Characters, const char *Source);
bool TextEqualNoCase(const char *A, const char *B);
