/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See wine_resources.h. The handles are those that the system lists for this process, by the type of their object.
 *
 * Concurrency: Lock guards the ordered leak. Reports and orders come from the one thread that dispatches IRPs.
 */
#include "wine_resources.h"
#include "port.h"
#include "resource_ioctl.h"
#include "wine_ground.h"
#include "wine_ntdll.h"

#define LINES 64u
#define HANDLE_TYPES 32u
#define TYPE_NAME 32u
#define HANDLES_ROOM (1024u * 1024u)
#define HOUR_100NS 36000000000ll

/* PROCESS_BASIC_INFORMATION and SYSTEM_HANDLE_INFORMATION_EX of ntdll's published interface. */
typedef struct {
    ULONG_PTR Other[4];
    ULONG_PTR ProcessId;
    ULONG_PTR ParentId;
} BASIC_INFORMATION;

typedef struct {
    PVOID Object;
    ULONG_PTR ProcessId;
    ULONG_PTR Handle;
    ULONG Access;
    USHORT BackTrace;
    USHORT Type;
    ULONG Attributes;
    ULONG Reserved;
} SYSTEM_HANDLE;

typedef struct {
    ULONG_PTR Count;
    ULONG_PTR Reserved;
    SYSTEM_HANDLE Handles[];
} SYSTEM_HANDLES;

typedef struct {
    CHAR Name[TYPE_NAME];
    ULONG Count;
} HANDLE_TYPE;

typedef struct {
    PCHAR Text;
    ULONG Size;
    ULONG Length;
    BOOLEAN Full;
} REPORT;

static const PCSTR Kinds[] = RESOURCE_KINDS;
_Static_assert(RTL_NUMBER_OF(Kinds) == RESOURCE_KIND_COUNT && RESOURCE_KIND_COUNT == BOOK_PROCESS_HANDLE + 1,
               "BOOK_KIND");

static KSPIN_LOCK Lock;
static RESOURCE_LEAK Ordered = {RESOURCE_NOTHING, 0};
static PVOID Kept;
static VOID (*GiveBackKept)(PVOID Thing);
static KEVENT LeakEnd;
static PVOID LeakThread;
static KTIMER LeakTimer;
static KDPC LeakDpc;

static VOID AddText(REPORT *Report, PCSTR Format, ...)
{
    CHAR Line[128];
    va_list Arguments;
    ULONG Length;

    va_start(Arguments, Format);
    PortPlatformFormat(Line, sizeof(Line), Format, Arguments);
    va_end(Arguments);
    Length = (ULONG)strlen(Line);
    Report->Full = Report->Full || Length > Report->Size - Report->Length;
    if (Report->Full)
        return;
    RtlCopyMemory(Report->Text + Report->Length, Line, Length);
    Report->Length += Length;
}

static VOID AddBook(REPORT *Report)
{
    BOOK_LINE *Lines = WineBookAllocate(LINES * sizeof(*Lines));
    ULONG Count, i, j;

    if (Lines == NULL)
        return;
    Count = WineBookSum(Lines, LINES);
    for (i = 0; i < Count; ++i) {
        CHAR Tag[5] = "-";

        if (Lines[i].Tag != 0) {
            RtlCopyMemory(Tag, &Lines[i].Tag, 4);
            for (j = 0; j < 4; ++j)
                Tag[j] = Tag[j] <= ' ' || Tag[j] > '~' ? '?' : Tag[j];
        }
        AddText(Report, "%s %s %u %llu\n", Kinds[Lines[i].Kind], Tag, (unsigned)Lines[i].Count, Lines[i].Bytes);
    }
    WineBookFree(Lines);
}

static ULONG_PTR ThisProcess(VOID)
{
    BASIC_INFORMATION Basic = {.ProcessId = 0};

    NtQueryInformationProcess(NtCurrentProcess(), ProcessBasicInformation, &Basic, sizeof(Basic), NULL);
    return Basic.ProcessId;
}

/* FALSE: it was closed meanwhile. */
static BOOLEAN TypeName(ULONG_PTR Handle, PCHAR Name)
{
    struct {
        UNICODE_STRING Name;
        UCHAR Rest[512];
    } Type;
    ULONG i;

    if (!NT_SUCCESS(NtQueryObject((HANDLE)Handle, ObjectTypeInformation, &Type, sizeof(Type), NULL)))
        return FALSE;
    for (i = 0; i < Type.Name.Length / sizeof(WCHAR) && i < TYPE_NAME - 1; ++i)
        Name[i] = (CHAR)Type.Name.Buffer[i];
    if (i == 0)
        Name[i++] = '-';
    Name[i] = 0;
    return TRUE;
}

static VOID CountHandle(HANDLE_TYPE *Types, ULONG_PTR Handle)
{
    CHAR Name[TYPE_NAME];
    ULONG i;

    if (!TypeName(Handle, Name))
        return;
    for (i = 0; i < HANDLE_TYPES; ++i) {
        if (Types[i].Count != 0 && strcmp(Types[i].Name, Name) != 0)
            continue;
        RtlCopyMemory(Types[i].Name, Name, sizeof(Name));
        ++Types[i].Count;
        return;
    }
}

static VOID AddHandles(REPORT *Report)
{
    SYSTEM_HANDLES *All = WineBookAllocate(HANDLES_ROOM);
    HANDLE_TYPE *Types = WineBookAllocate(HANDLE_TYPES * sizeof(*Types));
    const ULONG_PTR Process = ThisProcess();
    ULONG_PTR i;

    if (All != NULL && Types != NULL &&
        NT_SUCCESS(NtQuerySystemInformation(NT_SYSTEM_EXTENDED_HANDLES, All, HANDLES_ROOM, NULL))) {
        RtlZeroMemory(Types, HANDLE_TYPES * sizeof(*Types));
        for (i = 0; i < All->Count; ++i)
            if (All->Handles[i].ProcessId == Process)
                CountHandle(Types, All->Handles[i].Handle);
        for (i = 0; i < HANDLE_TYPES && Types[i].Count != 0; ++i)
            AddText(Report, "%s %s %u 0\n", Kinds[BOOK_PROCESS_HANDLE], Types[i].Name, (unsigned)Types[i].Count);
    } else {
        Report->Full = TRUE;
    }
    if (Types != NULL)
        WineBookFree(Types);
    if (All != NULL)
        WineBookFree(All);
}

NTSTATUS WineResourceReport(PCHAR Text, ULONG Size, ULONG_PTR *Length)
{
    REPORT Report = {.Text = Text, .Size = Size};

    /* What the quarantine holds depends on what ran last, and is no leak. */
    PortQuarantineDrain();
    AddBook(&Report);
    AddText(&Report, "%s - %u 0\n", Kinds[BOOK_TIMER], (unsigned)WineDpcQueued());
    AddHandles(&Report);
    if (Report.Full)
        return STATUS_BUFFER_TOO_SMALL;
    *Length = Report.Length;
    return STATUS_SUCCESS;
}

BOOLEAN WineWithhold(BOOK_KIND Kind, ULONG Tag, PVOID Thing, VOID (*GiveBack)(PVOID Thing))
{
    BOOLEAN Keep;
    KIRQL Irql;

    if (Ordered.Kind != (unsigned)Kind)
        return FALSE;
    KeAcquireSpinLock(&Lock, &Irql);
    Keep = Ordered.Kind == (unsigned)Kind && (Ordered.Tag == 0 || Ordered.Tag == Tag);
    if (Keep) {
        Ordered.Kind = RESOURCE_NOTHING;
        Kept = Thing;
        GiveBackKept = GiveBack;
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Keep;
}

static VOID NTAPI LeakedThread(PVOID Context)
{
    UNREFERENCED_PARAMETER(Context);
    KeWaitForSingleObject(&LeakEnd, Executive, KernelMode, FALSE, NULL);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS StartThread(VOID)
{
    HANDLE Handle;
    NTSTATUS Status;

    KeInitializeEvent(&LeakEnd, NotificationEvent, FALSE);
    Status = PsCreateSystemThread(&Handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, LeakedThread, NULL);
    if (!NT_SUCCESS(Status))
        return Status;
    Status = ObReferenceObjectByHandle(Handle, THREAD_ALL_ACCESS, NULL, KernelMode, &LeakThread, NULL);
    ZwClose(Handle);
    return Status;
}

static VOID EndThread(VOID)
{
    if (LeakThread == NULL)
        return;
    KeSetEvent(&LeakEnd, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(LeakThread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(LeakThread);
    LeakThread = NULL;
}

static VOID NTAPI LeakedTimer(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
}

static VOID StartTimer(VOID)
{
    LARGE_INTEGER Due;

    Due.QuadPart = -HOUR_100NS;
    KeInitializeTimerEx(&LeakTimer, NotificationTimer);
    KeInitializeDpc(&LeakDpc, LeakedTimer, NULL);
    WineSetTimerEx(&LeakTimer, Due, 0, &LeakDpc);
}

static VOID TakeBack(VOID)
{
    PVOID Thing;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Ordered.Kind = RESOURCE_NOTHING;
    Thing = Kept;
    Kept = NULL;
    KeReleaseSpinLock(&Lock, Irql);
    if (Thing != NULL)
        GiveBackKept(Thing);
    EndThread();
    WineCancelTimer(&LeakTimer);
}

NTSTATUS WineResourceLeak(const VOID *Input, ULONG Length)
{
    const RESOURCE_LEAK *Order = Input;
    KIRQL Irql;

    if (Length != sizeof(*Order) || (Order->Kind > BOOK_TIMER && Order->Kind != RESOURCE_NOTHING))
        return STATUS_INVALID_PARAMETER;
    TakeBack();
    if (Order->Kind == BOOK_THREAD)
        return StartThread();
    if (Order->Kind == BOOK_TIMER) {
        StartTimer();
        return STATUS_SUCCESS;
    }
    KeAcquireSpinLock(&Lock, &Irql);
    Ordered = *Order;
    KeReleaseSpinLock(&Lock, Irql);
    return STATUS_SUCCESS;
}
