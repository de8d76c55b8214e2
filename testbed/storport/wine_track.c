/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Books of what the miniport allocates and frees, and of the spin locks that its threads hold, kept by the functions to
 * which its imports are redirected.
 *
 * Concurrency: Lock guards the table of things. Lock counts are per thread, in slots found by the thread's number.
 */
#include "port.h"
#include "wine_ground.h"
#include "wsk.h"

#define BUCKETS 1024u
#define THREADS 512u

typedef enum { THING_POOL, THING_IRP, THING_MDL, THING_WORK_ITEM, THING_WSK } THING_KIND;

typedef struct _THING {
    struct _THING *Next;
    THING_KIND Kind;
    PVOID Address;
    ULONG Tag;
    SIZE_T Length;
} THING;

typedef struct {
    PVOID volatile ThreadId;
    LONG Locks;
} THREAD_LOCKS;

static KSPIN_LOCK Lock;
static THING *Things[BUCKETS];
static THREAD_LOCKS Threads[THREADS];

static THING **Bucket(PVOID Address)
{
    return &Things[((ULONG_PTR)Address >> 4) % BUCKETS];
}

static PVOID Remember(THING_KIND Kind, PVOID Address, ULONG Tag, SIZE_T Length)
{
    THING *Thing;
    KIRQL Irql;

    if (Address == NULL)
        return NULL;
    Thing = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Thing), PORT_TAG);
    if (Thing == NULL)
        return Address;
    Thing->Kind = Kind;
    Thing->Address = Address;
    Thing->Tag = Tag;
    Thing->Length = Length;
    KeAcquireSpinLock(&Lock, &Irql);
    Thing->Next = *Bucket(Address);
    *Bucket(Address) = Thing;
    KeReleaseSpinLock(&Lock, Irql);
    return Address;
}

/* FALSE: nothing of this kind is known there; it may have been made by somebody else. */
static BOOLEAN Forget(THING_KIND Kind, PVOID Address, ULONG *Tag)
{
    THING *Found = NULL;
    THING **Link;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    for (Link = Bucket(Address); *Link != NULL && Found == NULL;) {
        if ((*Link)->Address == Address && (*Link)->Kind == Kind) {
            Found = *Link;
            *Link = Found->Next;
        } else {
            Link = &(*Link)->Next;
        }
    }
    KeReleaseSpinLock(&Lock, Irql);
    if (Found == NULL)
        return FALSE;
    if (Tag != NULL)
        *Tag = Found->Tag;
    ExFreePoolWithTag(Found, PORT_TAG);
    return TRUE;
}

static PVOID NTAPI TrackAllocatePool(POOL_TYPE Type, SIZE_T Length, ULONG Tag)
{
    return Remember(THING_POOL, ExAllocatePoolWithTag(Type, Length, Tag), Tag, Length);
}

static VOID NTAPI TrackFreePoolTagged(PVOID Memory, ULONG Tag)
{
    ULONG Allocated = Tag;

    Forget(THING_POOL, Memory, &Allocated);
    PORT_REQUIRE(POOL_FREE, Tag == 0 || Allocated == Tag, "%p was allocated with tag 0x%x and freed with 0x%x", Memory,
                 (unsigned)Allocated, (unsigned)Tag);
    ExFreePoolWithTag(Memory, Tag);
}

static VOID NTAPI TrackFreePool(PVOID Memory)
{
    Forget(THING_POOL, Memory, NULL);
    ExFreePool(Memory);
}

static PIRP NTAPI TrackAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    return Remember(THING_IRP, IoAllocateIrp(StackSize, ChargeQuota), 0, 0);
}

static VOID NTAPI TrackFreeIrp(PIRP Irp)
{
    Forget(THING_IRP, Irp, NULL);
    IoFreeIrp(Irp);
}

static PMDL NTAPI TrackAllocateMdl(PVOID Address, ULONG Length, BOOLEAN Secondary, BOOLEAN ChargeQuota, PIRP Irp)
{
    return Remember(THING_MDL, IoAllocateMdl(Address, Length, Secondary, ChargeQuota, Irp), 0, Length);
}

static VOID NTAPI TrackFreeMdl(PMDL Mdl)
{
    Forget(THING_MDL, Mdl, NULL);
    IoFreeMdl(Mdl);
}

static PIO_WORKITEM NTAPI TrackAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    return Remember(THING_WORK_ITEM, IoAllocateWorkItem(DeviceObject), 0, 0);
}

static VOID NTAPI TrackFreeWorkItem(PIO_WORKITEM WorkItem)
{
    Forget(THING_WORK_ITEM, WorkItem, NULL);
    IoFreeWorkItem(WorkItem);
}

/* netio.sys isn't imported here: these are the miniport's own imports. */
static PVOID OriginalRegister, OriginalDeregister, OriginalCapture, OriginalRelease;

static NTSTATUS NTAPI TrackWskRegister(PWSK_CLIENT_NPI Client, PWSK_REGISTRATION Registration)
{
    const NTSTATUS Status =
        ((NTSTATUS(NTAPI *)(PWSK_CLIENT_NPI, PWSK_REGISTRATION))OriginalRegister)(Client, Registration);

    if (NT_SUCCESS(Status))
        Remember(THING_WSK, Registration, 'ksWr', 0);
    return Status;
}

static VOID NTAPI TrackWskDeregister(PWSK_REGISTRATION Registration)
{
    Forget(THING_WSK, Registration, NULL);
    ((VOID(NTAPI *)(PWSK_REGISTRATION))OriginalDeregister)(Registration);
}

static NTSTATUS NTAPI TrackWskCapture(PWSK_REGISTRATION Registration, ULONG TimeoutMs, PWSK_PROVIDER_NPI Npi)
{
    const NTSTATUS Status =
        ((NTSTATUS(NTAPI *)(PWSK_REGISTRATION, ULONG, PWSK_PROVIDER_NPI))OriginalCapture)(Registration, TimeoutMs, Npi);

    if (NT_SUCCESS(Status))
        Remember(THING_WSK, Registration, 'ksWc', 0);
    return Status;
}

static VOID NTAPI TrackWskRelease(PWSK_REGISTRATION Registration)
{
    Forget(THING_WSK, Registration, NULL);
    ((VOID(NTAPI *)(PWSK_REGISTRATION))OriginalRelease)(Registration);
}

static THREAD_LOCKS *ThisThread(VOID)
{
    PVOID Id = PsGetCurrentThreadId();
    ULONG i, Slot = (ULONG)((ULONG_PTR)Id >> 2) % THREADS;

    for (i = 0; i < THREADS; ++i, Slot = (Slot + 1) % THREADS) {
        if (Threads[Slot].ThreadId == Id)
            return &Threads[Slot];
        if (Threads[Slot].ThreadId == NULL &&
            InterlockedCompareExchangePointer(&Threads[Slot].ThreadId, Id, NULL) == NULL)
            return &Threads[Slot];
    }
    return NULL;
}

static VOID CountLock(LONG Change)
{
    THREAD_LOCKS *Mine = ThisThread();

    if (Mine != NULL)
        Mine->Locks += Change;
}

static KIRQL NTAPI TrackAcquireRaise(PKSPIN_LOCK SpinLock)
{
    const KIRQL Irql = KeAcquireSpinLockRaiseToDpc(SpinLock);

    CountLock(1);
    return Irql;
}

static VOID NTAPI TrackRelease(PKSPIN_LOCK SpinLock, KIRQL Irql)
{
    CountLock(-1);
    KeReleaseSpinLock(SpinLock, Irql);
}

static VOID NTAPI TrackAcquireAtDpc(PKSPIN_LOCK SpinLock)
{
    KeAcquireSpinLockAtDpcLevel(SpinLock);
    CountLock(1);
}

static VOID NTAPI TrackReleaseFromDpc(PKSPIN_LOCK SpinLock)
{
    CountLock(-1);
    KeReleaseSpinLockFromDpcLevel(SpinLock);
}

static VOID NTAPI TrackAcquireQueued(PKSPIN_LOCK SpinLock, PKLOCK_QUEUE_HANDLE Handle)
{
    KeAcquireInStackQueuedSpinLock(SpinLock, Handle);
    CountLock(1);
}

static VOID NTAPI TrackReleaseQueued(PKLOCK_QUEUE_HANDLE Handle)
{
    CountLock(-1);
    KeReleaseInStackQueuedSpinLock(Handle);
}

#define REDIRECT(Name, Function) {Name, (PVOID)(ULONG_PTR)(Function), NULL}
#define REDIRECT_KEEPING(Name, Function, Original) {Name, (PVOID)(ULONG_PTR)(Function), &(Original)}

const WINE_REDIRECTION WineTrackRedirections[] = {
    REDIRECT("ExAllocatePoolWithTag", TrackAllocatePool),
    REDIRECT("ExFreePoolWithTag", TrackFreePoolTagged),
    REDIRECT("ExFreePool", TrackFreePool),
    REDIRECT("IoAllocateIrp", TrackAllocateIrp),
    REDIRECT("IoFreeIrp", TrackFreeIrp),
    REDIRECT("IoAllocateMdl", TrackAllocateMdl),
    REDIRECT("IoFreeMdl", TrackFreeMdl),
    REDIRECT("IoAllocateWorkItem", TrackAllocateWorkItem),
    REDIRECT("IoFreeWorkItem", TrackFreeWorkItem),
    REDIRECT_KEEPING("WskRegister", TrackWskRegister, OriginalRegister),
    REDIRECT_KEEPING("WskDeregister", TrackWskDeregister, OriginalDeregister),
    REDIRECT_KEEPING("WskCaptureProviderNPI", TrackWskCapture, OriginalCapture),
    REDIRECT_KEEPING("WskReleaseProviderNPI", TrackWskRelease, OriginalRelease),
    REDIRECT("KeAcquireSpinLockRaiseToDpc", TrackAcquireRaise),
    REDIRECT("KeReleaseSpinLock", TrackRelease),
    REDIRECT("KeAcquireSpinLockAtDpcLevel", TrackAcquireAtDpc),
    REDIRECT("KeReleaseSpinLockFromDpcLevel", TrackReleaseFromDpc),
    REDIRECT("KeAcquireInStackQueuedSpinLock", TrackAcquireQueued),
    REDIRECT("KeReleaseInStackQueuedSpinLock", TrackReleaseQueued),
};

const ULONG WineTrackRedirectionCount = RTL_NUMBER_OF(WineTrackRedirections);

ULONG WineTrackLocksHeld(VOID)
{
    const THREAD_LOCKS *Mine = ThisThread();

    return Mine == NULL ? 0 : (ULONG)Mine->Locks;
}

static VOID ReportLeak(const THING *Thing)
{
    static const PORT_RULE Rules[] = {PORT_RULE_LEAK_POOL, PORT_RULE_LEAK_IRP, PORT_RULE_LEAK_MDL,
                                      PORT_RULE_LEAK_WORK_ITEM, PORT_RULE_LEAK_WSK};

    PortViolation(Rules[Thing->Kind], "%p, tag 0x%x, %u bytes", Thing->Address, (unsigned)Thing->Tag,
                  (unsigned)Thing->Length);
}

VOID WineTrackCheckLeaks(VOID)
{
    ULONG i;

    for (i = 0; i < BUCKETS; ++i)
        if (Things[i] != NULL)
            ReportLeak(Things[i]);
}
