/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeps the book of what drivers own: the functions to which the imports are redirected of the miniport, of this port
 * driver, of the class driver above it, and of Wine's netio.sys and ntoskrnl.exe. The originals are kept, because this
 * file's own calls would come back here.
 */
#include "port.h"
#include "wine_book.h"
#include "wine_ground.h"
#include "wine_ntdll.h"
#include "wine_resources.h"
#include "wsk.h"

#define CALLER __builtin_return_address(0)

static __typeof__(ExAllocatePoolWithTag) *RealAllocatePool;
static __typeof__(ExFreePoolWithTag) *RealFreePoolTagged;
static __typeof__(ExFreePool) *RealFreePool;
static __typeof__(IoAllocateIrp) *RealAllocateIrp;
static __typeof__(IoBuildDeviceIoControlRequest) *RealBuildIoctl;
static __typeof__(IoFreeIrp) *RealFreeIrp;
static __typeof__(IoAllocateMdl) *RealAllocateMdl;
static __typeof__(IoFreeMdl) *RealFreeMdl;
static __typeof__(IoAllocateWorkItem) *RealAllocateWorkItem;
static __typeof__(IoFreeWorkItem) *RealFreeWorkItem;
static __typeof__(IoCreateDevice) *RealCreateDevice;
static __typeof__(IoDeleteDevice) *RealDeleteDevice;
static __typeof__(PsCreateSystemThread) *RealCreateThread;
static NTSTATUS(NTAPI *RealTerminateThread)(NTSTATUS Status);
static __typeof__(ZwOpenKey) *RealOpenKey;
static __typeof__(ZwOpenProcess) *RealOpenProcess;
static __typeof__(ZwCreateDirectoryObject) *RealCreateDirectory;
static __typeof__(ZwOpenSymbolicLinkObject) *RealOpenLink;
static __typeof__(ZwClose) *RealClose;
static __typeof__(WskRegister) *RealRegister;
static __typeof__(WskDeregister) *RealDeregister;
static __typeof__(WskCaptureProviderNPI) *RealCapture;
static __typeof__(WskReleaseProviderNPI) *RealRelease;
static ULONG_PTR(NTAPI *RealSocket)(int Family, int Type, int Protocol, PVOID Info, ULONG Group, ULONG Flags);
static int(NTAPI *RealCloseSocket)(ULONG_PTR Socket);
static BOOLEAN(NTAPI *RealHeapFree)(PVOID Heap, ULONG Flags, PVOID Memory);

static PVOID NTAPI TrackAllocatePool(POOL_TYPE Type, SIZE_T Length, ULONG Tag)
{
    return WineBookEnter(BOOK_POOL, RealAllocatePool(Type, Length, Tag), Tag, Length, CALLER);
}

static VOID GiveBackPool(PVOID Memory)
{
    RealFreePool(Memory);
}

static VOID NTAPI TrackFreePoolTagged(PVOID Memory, ULONG Tag)
{
    ULONG Allocated = Tag;

    if (WineWithhold(BOOK_POOL, Tag, Memory, GiveBackPool))
        return;
    WineBookStrike(BOOK_POOL, Memory, &Allocated);
    PORT_REQUIRE(POOL_FREE, Tag == 0 || Allocated == Tag, "%p was allocated with tag 0x%x and freed with 0x%x", Memory,
                 (unsigned)Allocated, (unsigned)Tag);
    RealFreePoolTagged(Memory, Tag);
}

static VOID NTAPI TrackFreePool(PVOID Memory)
{
    WineBookStrike(BOOK_POOL, Memory, NULL);
    RealFreePool(Memory);
}

/*
 * Small blocks, such as IRPs, are kept as they are until so many others have been freed: a cancellation that crosses
 * with its IRP's completion reaches ntoskrnl.exe afterwards, with the pointer (seen in Wine 8.0, dispatch_cancel). In
 * an IRP that is complete it finds no cancel routine.
 */
#define KEPT_BLOCKS 512u
#define KEPT_BYTES 2048u

static KSPIN_LOCK KeptLock;
static struct {
    PVOID Heap;
    PVOID Memory;
} Kept[KEPT_BLOCKS];
static ULONG NextKept;

static VOID Keep(PVOID *Heap, PVOID *Memory)
{
    PVOID OldHeap, OldMemory;
    KIRQL Irql;

    KeAcquireSpinLock(&KeptLock, &Irql);
    OldHeap = Kept[NextKept].Heap;
    OldMemory = Kept[NextKept].Memory;
    Kept[NextKept].Heap = *Heap;
    Kept[NextKept].Memory = *Memory;
    NextKept = (NextKept + 1) % KEPT_BLOCKS;
    KeReleaseSpinLock(&KeptLock, Irql);
    *Heap = OldHeap;
    *Memory = OldMemory;
}

/* ntoskrnl.exe itself frees what drivers give it: texts and relations for PnP, MDLs and IRPs that it completes. */
static BOOLEAN NTAPI TrackHeapFree(PVOID Heap, ULONG Flags, PVOID Memory)
{
    WineBookStrikeMemory(Memory);
    if (Memory != NULL && RtlSizeHeap(Heap, 0, Memory) <= KEPT_BYTES)
        Keep(&Heap, &Memory);
    return Memory == NULL || RealHeapFree(Heap, Flags, Memory);
}

static PIRP NTAPI TrackAllocateIrp(CCHAR StackSize, BOOLEAN ChargeQuota)
{
    return WineBookEnter(BOOK_IRP, RealAllocateIrp(StackSize, ChargeQuota), 0, 0, CALLER);
}

/* Freed by its completion. */
static PIRP NTAPI TrackBuildIoctl(ULONG Code, PDEVICE_OBJECT DeviceObject, PVOID In, ULONG InLength, PVOID Out,
                                  ULONG OutLength, BOOLEAN Internal, PKEVENT Event, PIO_STATUS_BLOCK Status)
{
    return WineBookEnter(BOOK_IRP,
                         RealBuildIoctl(Code, DeviceObject, In, InLength, Out, OutLength, Internal, Event, Status), 0,
                         0, CALLER);
}

static VOID GiveBackIrp(PVOID Irp)
{
    WineBookStrike(BOOK_IRP, Irp, NULL);
    RealFreeIrp(Irp);
}

static VOID NTAPI TrackFreeIrp(PIRP Irp)
{
    if (!WineWithhold(BOOK_IRP, 0, Irp, GiveBackIrp))
        GiveBackIrp(Irp);
}

static PMDL NTAPI TrackAllocateMdl(PVOID Address, ULONG Length, BOOLEAN Secondary, BOOLEAN ChargeQuota, PIRP Irp)
{
    return WineBookEnter(BOOK_MDL, RealAllocateMdl(Address, Length, Secondary, ChargeQuota, Irp), 0, Length, CALLER);
}

static VOID GiveBackMdl(PVOID Mdl)
{
    WineBookStrike(BOOK_MDL, Mdl, NULL);
    RealFreeMdl(Mdl);
}

static VOID NTAPI TrackFreeMdl(PMDL Mdl)
{
    if (!WineWithhold(BOOK_MDL, 0, Mdl, GiveBackMdl))
        GiveBackMdl(Mdl);
}

static PIO_WORKITEM NTAPI TrackAllocateWorkItem(PDEVICE_OBJECT DeviceObject)
{
    return WineBookEnter(BOOK_WORK_ITEM, RealAllocateWorkItem(DeviceObject), 0, 0, CALLER);
}

static VOID GiveBackWorkItem(PVOID WorkItem)
{
    WineBookStrike(BOOK_WORK_ITEM, WorkItem, NULL);
    RealFreeWorkItem(WorkItem);
}

static VOID NTAPI TrackFreeWorkItem(PIO_WORKITEM WorkItem)
{
    if (!WineWithhold(BOOK_WORK_ITEM, 0, WorkItem, GiveBackWorkItem))
        GiveBackWorkItem(WorkItem);
}

static NTSTATUS NTAPI TrackCreateDevice(PDRIVER_OBJECT DriverObject, ULONG ExtensionLength, PUNICODE_STRING Name,
                                        DEVICE_TYPE Type, ULONG Characteristics, BOOLEAN Exclusive,
                                        PDEVICE_OBJECT *DeviceObject)
{
    const NTSTATUS Status =
        RealCreateDevice(DriverObject, ExtensionLength, Name, Type, Characteristics, Exclusive, DeviceObject);

    if (NT_SUCCESS(Status))
        WineBookEnter(BOOK_DEVICE, *DeviceObject, 0, ExtensionLength, CALLER);
    return Status;
}

static VOID GiveBackDevice(PVOID DeviceObject)
{
    WineBookStrike(BOOK_DEVICE, DeviceObject, NULL);
    RealDeleteDevice(DeviceObject);
}

static VOID NTAPI TrackDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
    if (!WineWithhold(BOOK_DEVICE, 0, DeviceObject, GiveBackDevice))
        GiveBackDevice(DeviceObject);
}

static NTSTATUS EnterHandle(NTSTATUS Status, const HANDLE *Handle, ULONG Tag, PVOID Caller)
{
    if (NT_SUCCESS(Status))
        WineBookEnter(BOOK_HANDLE, *Handle, Tag, 0, Caller);
    return Status;
}

typedef struct {
    PKSTART_ROUTINE Routine;
    PVOID Context;
} THREAD_START;

static VOID NTAPI TrackTerminateThread(NTSTATUS Status)
{
    WineBookStrike(BOOK_THREAD, PsGetCurrentThreadId(), NULL);
    RealTerminateThread(Status);
}

static VOID NTAPI ThreadStart(PVOID Context)
{
    const THREAD_START Start = *(THREAD_START *)Context;

    WineBookFree(Context);
    WineBookEnter(BOOK_THREAD, PsGetCurrentThreadId(), 0, 0, (PVOID)(ULONG_PTR)Start.Routine);
    Start.Routine(Start.Context);
    WineBookStrike(BOOK_THREAD, PsGetCurrentThreadId(), NULL);
}

static NTSTATUS NTAPI TrackCreateThread(PHANDLE Thread, ULONG Access, POBJECT_ATTRIBUTES Attributes, HANDLE Process,
                                        PCLIENT_ID Id, PKSTART_ROUTINE Routine, PVOID Context)
{
    THREAD_START *Start = WineBookAllocate(sizeof(*Start));
    NTSTATUS Status;

    if (Start == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    Start->Routine = Routine;
    Start->Context = Context;
    Status = RealCreateThread(Thread, Access, Attributes, Process, Id, ThreadStart, Start);
    if (!NT_SUCCESS(Status))
        WineBookFree(Start);
    return EnterHandle(Status, Thread, 'drhT', CALLER);
}

static NTSTATUS NTAPI TrackOpenKey(PHANDLE Key, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes)
{
    return EnterHandle(RealOpenKey(Key, Access, Attributes), Key, 'syeK', CALLER);
}

static NTSTATUS NTAPI TrackOpenDriverKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE Type, ACCESS_MASK Access,
                                         ULONG Flags, PHANDLE Key)
{
    return EnterHandle(WineOpenDriverRegistryKey(DriverObject, Type, Access, Flags, Key), Key, 'syeK', CALLER);
}

static NTSTATUS NTAPI TrackOpenProcess(PHANDLE Process, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes,
                                       PCLIENT_ID Id)
{
    return EnterHandle(RealOpenProcess(Process, Access, Attributes, Id), Process, 'corP', CALLER);
}

static NTSTATUS NTAPI TrackCreateDirectory(PHANDLE Directory, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes)
{
    return EnterHandle(RealCreateDirectory(Directory, Access, Attributes), Directory, 'sriD', CALLER);
}

static NTSTATUS NTAPI TrackOpenLink(PHANDLE Link, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes)
{
    return EnterHandle(RealOpenLink(Link, Access, Attributes), Link, 'kniL', CALLER);
}

static VOID GiveBackHandle(PVOID Handle)
{
    WineBookStrike(BOOK_HANDLE, Handle, NULL);
    RealClose(Handle);
}

static NTSTATUS NTAPI TrackClose(HANDLE Handle)
{
    if (WineWithhold(BOOK_HANDLE, 0, Handle, GiveBackHandle))
        return STATUS_SUCCESS;
    WineBookStrike(BOOK_HANDLE, Handle, NULL);
    return RealClose(Handle);
}

static NTSTATUS NTAPI TrackWskRegister(PWSK_CLIENT_NPI Client, PWSK_REGISTRATION Registration)
{
    const NTSTATUS Status = RealRegister(Client, Registration);

    if (NT_SUCCESS(Status))
        WineBookEnter(BOOK_WSK, Registration, 'ksWr', 0, CALLER);
    return Status;
}

static VOID NTAPI TrackWskDeregister(PWSK_REGISTRATION Registration)
{
    WineBookStrike(BOOK_WSK, Registration, NULL);
    RealDeregister(Registration);
}

static NTSTATUS NTAPI TrackWskCapture(PWSK_REGISTRATION Registration, ULONG TimeoutMs, PWSK_PROVIDER_NPI Npi)
{
    const NTSTATUS Status = RealCapture(Registration, TimeoutMs, Npi);

    if (NT_SUCCESS(Status))
        WineBookEnter(BOOK_WSK, Registration, 'ksWc', 0, CALLER);
    return Status;
}

static VOID NTAPI TrackWskRelease(PWSK_REGISTRATION Registration)
{
    WineBookStrike(BOOK_WSK, Registration, NULL);
    RealRelease(Registration);
}

/* netio.sys opens one of these per WSK socket. Only the miniport has any. */
static ULONG_PTR NTAPI TrackSocket(int Family, int Type, int Protocol, PVOID Info, ULONG Group, ULONG Flags)
{
    const ULONG_PTR Socket = RealSocket(Family, Type, Protocol, Info, Group, Flags);

    if (Socket != ~(ULONG_PTR)0)
        WineBookEnter(BOOK_SOCKET, (PVOID)Socket, 0, 0, CALLER);
    return Socket;
}

static VOID GiveBackSocket(PVOID Socket)
{
    WineBookStrike(BOOK_SOCKET, Socket, NULL);
    RealCloseSocket((ULONG_PTR)Socket);
}

static int NTAPI TrackCloseSocket(ULONG_PTR Socket)
{
    if (WineWithhold(BOOK_SOCKET, 0, (PVOID)Socket, GiveBackSocket))
        return 0;
    WineBookStrike(BOOK_SOCKET, (PVOID)Socket, NULL);
    return RealCloseSocket(Socket);
}

#define REDIRECT(Name, Function, Real) {Name, (PVOID)(ULONG_PTR)(Function), (PVOID *)&(Real)}

const WINE_REDIRECTION WineTrackRedirections[] = {
    REDIRECT("ExAllocatePoolWithTag", TrackAllocatePool, RealAllocatePool),
    REDIRECT("ExFreePoolWithTag", TrackFreePoolTagged, RealFreePoolTagged),
    REDIRECT("ExFreePool", TrackFreePool, RealFreePool),
    REDIRECT("IoAllocateIrp", TrackAllocateIrp, RealAllocateIrp),
    REDIRECT("IoBuildDeviceIoControlRequest", TrackBuildIoctl, RealBuildIoctl),
    REDIRECT("IoFreeIrp", TrackFreeIrp, RealFreeIrp),
    REDIRECT("IoAllocateMdl", TrackAllocateMdl, RealAllocateMdl),
    REDIRECT("IoFreeMdl", TrackFreeMdl, RealFreeMdl),
    REDIRECT("IoAllocateWorkItem", TrackAllocateWorkItem, RealAllocateWorkItem),
    REDIRECT("IoFreeWorkItem", TrackFreeWorkItem, RealFreeWorkItem),
    REDIRECT("IoCreateDevice", TrackCreateDevice, RealCreateDevice),
    REDIRECT("IoDeleteDevice", TrackDeleteDevice, RealDeleteDevice),
    REDIRECT("PsCreateSystemThread", TrackCreateThread, RealCreateThread),
    REDIRECT("PsTerminateSystemThread", TrackTerminateThread, RealTerminateThread),
    REDIRECT("ZwOpenKey", TrackOpenKey, RealOpenKey),
    {"IoOpenDriverRegistryKey", (PVOID)(ULONG_PTR)TrackOpenDriverKey, NULL},
    REDIRECT("ZwOpenProcess", TrackOpenProcess, RealOpenProcess),
    REDIRECT("ZwCreateDirectoryObject", TrackCreateDirectory, RealCreateDirectory),
    REDIRECT("ZwOpenSymbolicLinkObject", TrackOpenLink, RealOpenLink),
    REDIRECT("ZwClose", TrackClose, RealClose),
    REDIRECT("WskRegister", TrackWskRegister, RealRegister),
    REDIRECT("WskDeregister", TrackWskDeregister, RealDeregister),
    REDIRECT("WskCaptureProviderNPI", TrackWskCapture, RealCapture),
    REDIRECT("WskReleaseProviderNPI", TrackWskRelease, RealRelease),
    REDIRECT("WSASocketW", TrackSocket, RealSocket),
    REDIRECT("closesocket", TrackCloseSocket, RealCloseSocket),
};
const ULONG WineTrackRedirectionCount = RTL_NUMBER_OF(WineTrackRedirections);

const WINE_REDIRECTION WineKernelRedirections[] = {
    REDIRECT("HeapFree", TrackHeapFree, RealHeapFree),
};
const ULONG WineKernelRedirectionCount = RTL_NUMBER_OF(WineKernelRedirections);

VOID WineTrackCheckLeaks(VOID)
{
    static const PORT_RULE Rules[BOOK_KINDS] = {
        [BOOK_POOL] = PORT_RULE_LEAK_POOL,     [BOOK_IRP] = PORT_RULE_LEAK_IRP,
        [BOOK_MDL] = PORT_RULE_LEAK_MDL,       [BOOK_WORK_ITEM] = PORT_RULE_LEAK_WORK_ITEM,
        [BOOK_WSK] = PORT_RULE_LEAK_WSK,       [BOOK_SOCKET] = PORT_RULE_LEAK_WSK,
        [BOOK_DEVICE] = PORT_RULE_LEAK_DEVICE, [BOOK_THREAD] = PORT_RULE_LEAK_THREAD,
        [BOOK_HANDLE] = PORT_RULE_LEAK_HANDLE,
    };
    const THING *Thing = WineBookLeft();

    if (Thing != NULL)
        PortViolation(Rules[Thing->Kind], "%p, tag 0x%x, %u bytes", Thing->Address, (unsigned)Thing->Tag,
                      (unsigned)Thing->Length);
}
