/* SPDX-License-Identifier: LGPL-2.1-only */
/* Events, timers, DPCs, work items, threads, locks, IRPs, cancel-safe queues, registry, text. */
#include "behaviour.h"
#include "internal.h"

static const LARGE_INTEGER Now;
static const LARGE_INTEGER Soon = {.QuadPart = -20 * 10000}; /* 20 ms */

static NTSTATUS WaitFor(PVOID Object, LARGE_INTEGER Timeout)
{
    return KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, &Timeout);
}

static void Events(void)
{
    KEVENT Manual, Automatic;
    KeInitializeEvent(&Manual, NotificationEvent, FALSE);
    KeInitializeEvent(&Automatic, SynchronizationEvent, FALSE);
    ULONGLONG Start = KeQueryInterruptTime();
    EXPECT(WaitFor(&Manual, Soon) == STATUS_TIMEOUT);
    EXPECT(KeQueryInterruptTime() - Start >= 19 * 10000);
    EXPECT(KeSetEvent(&Manual, 0, FALSE) == 0);
    EXPECT(KeSetEvent(&Manual, 0, FALSE) != 0);
    EXPECT(WaitFor(&Manual, Now) == STATUS_SUCCESS);
    EXPECT(WaitFor(&Manual, Now) == STATUS_SUCCESS);
    EXPECT(KeResetEvent(&Manual) != 0);
    EXPECT(WaitFor(&Manual, Now) == STATUS_TIMEOUT);
    KeSetEvent(&Automatic, 0, FALSE);
    EXPECT(WaitFor(&Automatic, Now) == STATUS_SUCCESS);
    EXPECT(WaitFor(&Automatic, Now) == STATUS_TIMEOUT);
}

static KEVENT Ran;
static LONG Runs;

static VOID CountDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    EXPECT(KeGetCurrentIrql() == DISPATCH_LEVEL);
    EXPECT(Context == &Ran && Argument1 == NULL && Argument2 == NULL);
    InterlockedIncrement(&Runs);
    KeSetEvent(&Ran, 0, FALSE);
}

static void DpcsAndTimers(void)
{
    KDPC Dpc;
    KTIMER Timer;
    LARGE_INTEGER Far = {.QuadPart = -60 * 10000000LL};
    Runs = 0;
    KeInitializeEvent(&Ran, NotificationEvent, FALSE);
    KeInitializeDpc(&Dpc, CountDpc, &Ran);
    for (LONG Count = 1; Count <= 100; Count++) {
        EXPECT(KeInsertQueueDpc(&Dpc, NULL, NULL));
        KeFlushQueuedDpcs();
        EXPECT(ReadAcquire(&Runs) == Count);
    }
    KeClearEvent(&Ran);
    KeInitializeTimer(&Timer);
    EXPECT(!KeSetTimer(&Timer, Far, &Dpc));
    EXPECT(KeSetTimer(&Timer, Soon, &Dpc)); /* replaces */
    MisuseAwait(&Ran);
    EXPECT(ReadAcquire(&Runs) == 101);
    EXPECT(WaitFor(&Timer, Now) == STATUS_SUCCESS);
    EXPECT(!KeCancelTimer(&Timer));
    EXPECT(!KeSetTimer(&Timer, Far, &Dpc));
    EXPECT(!KeReadStateTimer(&Timer));
    EXPECT(KeCancelTimer(&Timer));
    KeSetTimerEx(&Timer, Soon, 5, &Dpc);
    while (ReadAcquire(&Runs) < 104) {
        LARGE_INTEGER Pause = Soon;
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
    EXPECT(KeCancelTimer(&Timer));
    KeFlushQueuedDpcs();
}

static void LocksOutOfOrder(void)
{
    KSPIN_LOCK A, B;
    KIRQL First, Second;
    uint32_t Nested = NativeLocksNested();
    KeInitializeSpinLock(&A);
    KeInitializeSpinLock(&B);
    KeAcquireSpinLock(&A, &First);
    EXPECT(NativeLocksNested() == Nested);
    KeAcquireSpinLock(&B, &Second);
    EXPECT(NativeLocksNested() == Nested + 1);
    KeReleaseSpinLock(&A, Second);
    EXPECT(KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseSpinLock(&B, First);
    EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL);
}

static VOID WorkRan(PDEVICE_OBJECT Device, PVOID Context)
{
    EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL && Device == MisuseDevice);
    KeSetEvent(Context, 0, FALSE);
}

static VOID ThreadRan(PVOID Context)
{
    KeSetEvent(Context, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static void WorkItemsAndThreads(void)
{
    HANDLE Handle;
    PVOID Thread;
    MisuseLoad(true);
    PIO_WORKITEM Item = IoAllocateWorkItem(MisuseDevice);
    for (int Count = 0; Count < 50; Count++) {
        KeInitializeEvent(&Ran, NotificationEvent, FALSE);
        IoQueueWorkItem(Item, WorkRan, DelayedWorkQueue, &Ran);
        EXPECT(WaitFor(&Ran, (LARGE_INTEGER){.QuadPart = -100000000}) == STATUS_SUCCESS);
    }
    IoFreeWorkItem(Item);
    KeInitializeEvent(&Ran, NotificationEvent, FALSE);
    EXPECT(PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, ThreadRan, &Ran) == STATUS_SUCCESS);
    EXPECT(ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &Thread, NULL) ==
           STATUS_SUCCESS);
    ZwClose(Handle);
    EXPECT(WaitFor(Thread, (LARGE_INTEGER){.QuadPart = -100000000}) == STATUS_SUCCESS);
    EXPECT(KeReadStateEvent(&Ran) != 0);
    ObDereferenceObject(Thread);
    MisuseUnload();
}

/* ---- A cancel-safe queue of ioctls ---- */

static struct {
    IO_CSQ Csq;
    KSPIN_LOCK Lock;
    LIST_ENTRY Irps;
} Queue;

static VOID QueueInsert(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    InsertTailList(&Queue.Irps, &Irp->Tail.Overlay.ListEntry);
}

static VOID QueueRemove(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    RemoveEntryList(&Irp->Tail.Overlay.ListEntry);
}

static PIRP QueuePeek(PIO_CSQ Csq, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Csq);
    UNREFERENCED_PARAMETER(Context);
    PLIST_ENTRY Next = Irp == NULL ? Queue.Irps.Flink : Irp->Tail.Overlay.ListEntry.Flink;
    return Next == &Queue.Irps ? NULL : CONTAINING_RECORD(Next, IRP, Tail.Overlay.ListEntry);
}

static VOID QueueLock(PIO_CSQ Csq, PKIRQL Irql)
{
    UNREFERENCED_PARAMETER(Csq);
    KeAcquireSpinLock(&Queue.Lock, Irql);
}

static VOID QueueUnlock(PIO_CSQ Csq, KIRQL Irql)
{
    UNREFERENCED_PARAMETER(Csq);
    KeReleaseSpinLock(&Queue.Lock, Irql);
}

static VOID QueueCanceled(PIO_CSQ Csq, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Csq);
    Irp->IoStatus.Status = STATUS_CANCELLED;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
}

static NTSTATUS QueueDispatch(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    IoCsqInsertIrp(&Queue.Csq, Irp, NULL);
    return STATUS_PENDING;
}

static VOID QueueAnswerNext(PVOID Context)
{
    PIRP Irp = IoCsqRemoveNextIrp(&Queue.Csq, NULL);
    if (Irp != NULL) {
        RtlCopyMemory(Irp->AssociatedIrp.SystemBuffer, "answer", 6);
        Irp->IoStatus.Status = STATUS_SUCCESS;
        Irp->IoStatus.Information = 6;
        IoCompleteRequest(Irp, IO_NO_INCREMENT);
    }
    if (Context != NULL) {
        KeSetEvent(Context, 0, FALSE);
    }
}

/* Cancelling and answering at the same time: one of both gets each request. */
static void CancelSafeQueue(void)
{
    Conduct.DeviceControl = QueueDispatch;
    KeInitializeSpinLock(&Queue.Lock);
    InitializeListHead(&Queue.Irps);
    IoCsqInitialize(&Queue.Csq, QueueInsert, QueueRemove, QueuePeek, QueueLock, QueueUnlock, QueueCanceled);
    MisuseLoad(true);
    NATIVE_FILE *File = NativeOpen(&MisuseGuid, NULL);
    EXPECT(File != NULL);
    for (int Round = 0; Round < 200; Round++) {
        char Output[8];
        HANDLE Thread;
        ULONG Used;
        NATIVE_REQUEST *Request = NativeIoctlBegin(File, MISUSE_IOCTL, NULL, 0, Output, sizeof(Output));
        KeInitializeEvent(&Ran, NotificationEvent, FALSE);
        if (Round % 4 == 0) {
            QueueAnswerNext(NULL);
            EXPECT(NativeRequestWait(Request, &Used) == STATUS_SUCCESS && Used == 6 &&
                   memcmp(Output, "answer", 6) == 0);
            continue;
        }
        PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, QueueAnswerNext, &Ran);
        ZwClose(Thread);
        NativeRequestCancel(Request);
        NTSTATUS Status = NativeRequestWait(Request, NULL);
        EXPECT(Status == STATUS_SUCCESS || Status == STATUS_CANCELLED);
        MisuseAwait(&Ran);
    }
    /* The last thread has set the event and is still on its way out. */
    while (NativeCounts().Threads != 0) {
        LARGE_INTEGER Pause = {.QuadPart = -10000};
        KeDelayExecutionThread(KernelMode, FALSE, &Pause);
    }
    NativeClose(File);
    Conduct.DeviceControl = NULL;
    MisuseUnload();
}

static void OpenDeviceStays(void)
{
    MisuseLoad(true);
    NATIVE_FILE *File = NativeOpen(&MisuseGuid, NULL);
    EXPECT(NativeDeviceRemove(MisuseNode) == STATUS_DEVICE_BUSY);
    NativeDeviceSurpriseRemove(MisuseNode);
    EXPECT(!NativeDevicePresent(MisuseNode));
    EXPECT(NativeIoctl(File, MISUSE_IOCTL, NULL, 0, NULL, 0, NULL) == STATUS_SUCCESS);
    NativeClose(File); /* removes */
    NativePnpSettle();
    MisuseNode = NULL;
    MisuseUnload();
}

static void Registry(void)
{
    HANDLE Key;
    ULONG Needed;
    UNICODE_STRING Path = RTL_CONSTANT_STRING(L"\\Registry\\MACHINE\\Software\\Test");
    UNICODE_STRING Number = RTL_CONSTANT_STRING(L"number"), Text = RTL_CONSTANT_STRING(L"Text");
    OBJECT_ATTRIBUTES Attributes;
    UCHAR Buffer[64];
    PKEY_VALUE_PARTIAL_INFORMATION Information = (PKEY_VALUE_PARTIAL_INFORMATION)Buffer;
    InitializeObjectAttributes(&Attributes, &Path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    EXPECT(ZwOpenKey(&Key, KEY_READ, &Attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
    NativeRegistrySetDword("\\Registry\\Machine\\Software\\Test", "Number", 42);
    NativeRegistrySetString("\\Registry\\Machine\\Software\\Test", "Text", "words");
    EXPECT(ZwOpenKey(&Key, KEY_READ, &Attributes) == STATUS_SUCCESS);
    EXPECT(ZwQueryValueKey(Key, &Number, KeyValuePartialInformation, Buffer, sizeof(Buffer), &Needed) ==
           STATUS_SUCCESS);
    EXPECT(Information->Type == REG_DWORD && Information->DataLength == 4 && Information->Data[0] == 42);
    EXPECT(ZwQueryValueKey(Key, &Text, KeyValuePartialInformation, Buffer, 14, &Needed) == STATUS_BUFFER_OVERFLOW);
    EXPECT(Needed == 12 + 12);
    EXPECT(ZwQueryValueKey(Key, &Text, KeyValuePartialInformation, Buffer, sizeof(Buffer), &Needed) == STATUS_SUCCESS);
    EXPECT(Information->Type == REG_SZ && memcmp(Information->Data, L"words", 12) == 0);
    EXPECT(ZwDeleteValueKey(Key, &Number) == STATUS_SUCCESS);
    EXPECT(ZwDeleteValueKey(Key, &Number) == STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT(ZwClose(Key) == STATUS_SUCCESS);
}

/* A driver's state is a key of its service, which is made when it is asked for. */
static NTSTATUS EntryOpensState(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    UCHAR Buffer[512];
    PKEY_NAME_INFORMATION Name = (PKEY_NAME_INFORMATION)Buffer;
    ULONG Needed;
    HANDLE Key;
    EXPECT(IoOpenDriverRegistryKey(DriverObject, DriverRegKeyPersistentState, KEY_READ, 1, &Key) ==
           STATUS_INVALID_PARAMETER);
    EXPECT(IoOpenDriverRegistryKey(DriverObject, DriverRegKeyPersistentState, KEY_READ, 0, &Key) == STATUS_SUCCESS);
    EXPECT(ZwQueryKey(Key, KeyNameInformation, Buffer, 10, &Needed) == STATUS_BUFFER_OVERFLOW);
    EXPECT(ZwQueryKey(Key, KeyNameInformation, Buffer, sizeof(Buffer), &Needed) == STATUS_SUCCESS);
    EXPECT(Name->NameLength == RegistryPath->Length + 12u && Needed == Name->NameLength + 4);
    EXPECT(memcmp((PUCHAR)Name->Name + RegistryPath->Length, L"\\State", 12) == 0);
    ZwClose(Key);
    return STATUS_SUCCESS;
}

static void DriverState(void)
{
    Conduct.Entry = EntryOpensState;
    MisuseLoad(false);
    Conduct.Entry = NULL;
    MisuseUnload();
}

static void Format(const char *Expected, const char *Format, ...)
{
    char Text[128];
    va_list Arguments;
    va_start(Arguments, Format);
    int Length = _vsnprintf(Text, sizeof(Text), Format, Arguments);
    va_end(Arguments);
    EXPECT(Length == (int)strlen(Expected) && strcmp(Text, Expected) == 0);
}

static void Text(void)
{
    UNICODE_STRING Wide = RTL_CONSTANT_STRING(L"na\u00EFve");
    WCHAR Utf16[8];
    char Utf8[8], Short[4];
    ULONG Used;
    Format("-1 4294967295 1 ff", "%ld %lu %I64u %hhx", -1L, 0xFFFFFFFFul, 1ull, 0x1FF);
    Format("[   7][7   ][0007][0x2a]", "[%4d][%-4d][%04d][%#x]", 7, 7, 7, 42);
    Format("abc ab na\xC3\xAFve x%", "%s %.2s %wZ %c%%", "abc", "abc", &Wide, 'x');
    Format("18446744073709551615 -5", "%llu %I64d", 0xFFFFFFFFFFFFFFFFull, -5ll);
    EXPECT(_snprintf(Short, sizeof(Short), "%s", "abcdef") == -1);
    EXPECT(RtlUTF8ToUnicodeN(Utf16, sizeof(Utf16), &Used, "\xF0\x9F\x98\x80", 4) == STATUS_SUCCESS);
    EXPECT(Used == 4 && Utf16[0] == 0xD83D && Utf16[1] == 0xDE00);
    EXPECT(RtlUnicodeToUTF8N(Utf8, sizeof(Utf8), &Used, Utf16, 4) == STATUS_SUCCESS);
    EXPECT(Used == 4 && memcmp(Utf8, "\xF0\x9F\x98\x80", 4) == 0);
    EXPECT(RtlUTF8ToUnicodeN(Utf16, sizeof(Utf16), &Used, "\xC0\x80", 2) == STATUS_SOME_NOT_MAPPED);
    EXPECT(RtlUTF8ToUnicodeN(Utf16, 2, &Used, "ab", 2) == STATUS_BUFFER_TOO_SMALL);
}

static NT_NOINLINE void RaiseIt(void)
{
    ExRaiseStatus(STATUS_ACCESS_VIOLATION);
}

static void Exceptions(void)
{
    volatile int Reached = 0;
    NTSTATUS Status = STATUS_SUCCESS;
    NT_TRY
    {
        Reached = 1;
        RaiseIt();
        Reached = 2;
    }
    NT_EXCEPT
    {
        Status = NT_EXCEPTION_CODE();
    }
    NT_TRY_END
    EXPECT(Reached == 1 && Status == STATUS_ACCESS_VIOLATION);
}

static HANDLE Created, Ended;
static bool EndedInside;

static VOID Notified(HANDLE ParentId, HANDLE ProcessId, BOOLEAN Create)
{
    UNREFERENCED_PARAMETER(ParentId);
    *(Create ? &Created : &Ended) = ProcessId;
    EndedInside = !Create && PsGetProcessId(PsGetCurrentProcess()) == ProcessId;
}

static VOID NotifiedToo(HANDLE ParentId, HANDLE ProcessId, BOOLEAN Create)
{
    UNREFERENCED_PARAMETER(ParentId);
    UNREFERENCED_PARAMETER(ProcessId);
    UNREFERENCED_PARAMETER(Create);
}

static void Processes(void)
{
    LARGE_INTEGER Zero = Now;
    HANDLE Handle;
    EXPECT(PsSetCreateProcessNotifyRoutine(Notified, FALSE) == STATUS_SUCCESS);
    EXPECT(PsSetCreateProcessNotifyRoutine(Notified, FALSE) == STATUS_INVALID_PARAMETER);
    EXPECT(PsSetCreateProcessNotifyRoutine(NotifiedToo, TRUE) == STATUS_PROCEDURE_NOT_FOUND);
    ProcessStart(63);
    EXPECT(PsSetCreateProcessNotifyRoutine(NotifiedToo, FALSE) == STATUS_INVALID_PARAMETER);
    PEPROCESS Process = NativeProcessCreate();
    EXPECT(Created == PsGetProcessId(Process));
    EXPECT(ObOpenObjectByPointer(Process, OBJ_KERNEL_HANDLE, NULL, SYNCHRONIZE, *PsThreadType, KernelMode, &Handle) ==
           STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT(ObOpenObjectByPointer(Process, OBJ_KERNEL_HANDLE, NULL, SYNCHRONIZE, *PsProcessType, KernelMode, &Handle) ==
           STATUS_SUCCESS);
    EXPECT(ZwWaitForSingleObject(Handle, FALSE, &Zero) == STATUS_TIMEOUT);
    NativeProcessEnd(Process, 0);
    EXPECT(Ended == PsGetProcessId(Process) && EndedInside);
    PEPROCESS Heir = NativeProcessCreateAfter(Process);
    EXPECT(Heir != Process && PsGetProcessId(Heir) == PsGetProcessId(Process));
    NativeProcessDelete(Process); /* the handle keeps it */
    EXPECT(ZwWaitForSingleObject(Handle, FALSE, &Zero) == STATUS_SUCCESS);
    ZwClose(Handle);
    EXPECT(PsSetCreateProcessNotifyRoutine(Notified, TRUE) == STATUS_SUCCESS);
    Ended = NULL;
    NativeProcessDelete(Heir);
    EXPECT(Ended == NULL);
    ProcessStart(0);
}

#define TEST(Function) {#Function, Function}

const BEHAVIOUR BehaviourKernel[] = {
    TEST(Events),
    TEST(DpcsAndTimers),
    TEST(LocksOutOfOrder),
    TEST(WorkItemsAndThreads),
    TEST(CancelSafeQueue),
    TEST(OpenDeviceStays),
    TEST(Registry),
    TEST(DriverState),
    TEST(Text),
    TEST(Exceptions),
    TEST(Processes),
};
const size_t BehaviourKernelCount = RTL_NUMBER_OF(BehaviourKernel);
