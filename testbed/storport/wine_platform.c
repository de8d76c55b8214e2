/* SPDX-License-Identifier: LGPL-2.1-only */
/* The port driver's platform functions for Wine, and the image's entry point. */
#include "port.h"
#include "resource_ioctl.h"
#include "wine_ground.h"
#include "wine_ntdll.h"
#include "wine_resources.h"

#define EXIT_VIOLATION ((NTSTATUS)0xE0575042)

static volatile LONG Attached;

BOOLEAN NTAPI StorPortDllMain(PVOID Instance, ULONG Reason, PVOID Reserved);

/* With an import of ntdll.dll the image is entered as a DLL, and unloaded again unless this is TRUE. */
BOOLEAN NTAPI StorPortDllMain(PVOID Instance, ULONG Reason, PVOID Reserved)
{
    UNREFERENCED_PARAMETER(Instance);
    UNREFERENCED_PARAMETER(Reason);
    UNREFERENCED_PARAMETER(Reserved);
    return TRUE;
}

VOID PortPlatformAttach(PDRIVER_OBJECT DriverObject, PVOID Callback)
{
    UNREFERENCED_PARAMETER(DriverObject);
    WineRedirectMiniport(Callback);
    if (InterlockedIncrement(&Attached) == 1)
        WineDpcStart();
}

VOID PortPlatformDetach(PDRIVER_OBJECT DriverObject)
{
    ULONG Queued;

    UNREFERENCED_PARAMETER(DriverObject);
    WineFlushQueuedDpcs();
    if (InterlockedDecrement(&Attached) != 0)
        return;
    Queued = WineDpcQueued();
    PORT_REQUIRE(LEAK_DPC, Queued == 0, "%u are queued", (unsigned)Queued);
    WineDpcStop();
    WineTrackCheckLeaks();
}

BOOLEAN PortPlatformQueueDpc(PKDPC Dpc)
{
    return WineInsertQueueDpc(Dpc, NULL, NULL);
}

VOID PortPlatformFlushDpcs(VOID)
{
    WineFlushQueuedDpcs();
}

VOID PortPlatformStartTimer(PKTIMER Timer, ULONG PeriodMs, PKDPC Dpc)
{
    LARGE_INTEGER Due;

    Due.QuadPart = -(LONGLONG)(PeriodMs * PORT_MS_100NS);
    WineSetTimerEx(Timer, Due, (LONG)PeriodMs, Dpc);
}

VOID PortPlatformStopTimer(PKTIMER Timer)
{
    WineCancelTimer(Timer);
}

ULONGLONG PortPlatformTime(VOID)
{
    ULONGLONG Time;

    RtlQueryUnbiasedInterruptTime(&Time);
    return Time;
}

KIRQL PortPlatformRaise(VOID)
{
    return WineSetIrql(DISPATCH_LEVEL);
}

VOID PortPlatformLower(KIRQL Irql)
{
    WineSetIrql(Irql);
}

KIRQL PortPlatformIrql(VOID)
{
    return WineIrql();
}

ULONG PortPlatformLocksHeld(VOID)
{
    return WineTrackLocksHeld();
}

VOID PortPlatformFormat(PCHAR Text, SIZE_T Size, PCSTR Format, va_list Arguments)
{
    _vsnprintf(Text, Size - 1, Format, Arguments);
    Text[Size - 1] = 0;
}

/* Appends to C:\wnbd-violations.txt, where the tests look. */
static VOID Record(PCSTR Text)
{
    UNICODE_STRING Name = RTL_CONSTANT_STRING(L"\\??\\C:\\wnbd-violations.txt");
    OBJECT_ATTRIBUTES Attributes;
    IO_STATUS_BLOCK Status;
    LARGE_INTEGER End;
    HANDLE File;

    InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    if (!NT_SUCCESS(ZwCreateFile(&File, FILE_APPEND_DATA | SYNCHRONIZE, &Attributes, &Status, NULL,
                                 FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN_IF,
                                 FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0)))
        return;
    End.QuadPart = -1; /* FILE_WRITE_TO_END_OF_FILE */
    ZwWriteFile(File, NULL, NULL, NULL, &Status, (PVOID)(ULONG_PTR)Text, (ULONG)strlen(Text), &End, NULL);
    ZwClose(File);
}

VOID PortPlatformStop(PCSTR Text)
{
    Record(Text);
    for (;;)
        NtTerminateProcess(NtCurrentProcess(), EXIT_VIOLATION);
}

ULONG PortPlatformQuarantineDepth(VOID)
{
    return 64;
}

static NTSTATUS OpenRequestor(PIRP Irp, HANDLE *Process)
{
    OBJECT_ATTRIBUTES Attributes;
    CLIENT_ID Id = {PsGetProcessId(IoGetRequestorProcess(Irp)), NULL};

    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    return ZwOpenProcess(Process, PROCESS_ALL_ACCESS, &Attributes, &Id);
}

NTSTATUS PortPlatformReadUser(PIRP Irp, PVOID System, PVOID User, SIZE_T Length)
{
    HANDLE Process;
    SIZE_T Done;
    NTSTATUS Status = OpenRequestor(Irp, &Process);

    if (!NT_SUCCESS(Status))
        return Status;
    Status = NtReadVirtualMemory(Process, User, System, Length, &Done);
    ZwClose(Process);
    return NT_SUCCESS(Status) ? Status : STATUS_ACCESS_VIOLATION; /* what probing the pages would raise */
}

NTSTATUS PortPlatformWriteUser(PIRP Irp, PVOID User, PVOID System, SIZE_T Length)
{
    HANDLE Process;
    SIZE_T Done;
    NTSTATUS Status = OpenRequestor(Irp, &Process);

    if (!NT_SUCCESS(Status))
        return Status;
    Status = NtWriteVirtualMemory(Process, User, System, Length, &Done);
    ZwClose(Process);
    return NT_SUCCESS(Status) ? Status : STATUS_ACCESS_VIOLATION; /* what probing the pages would raise */
}

VOID PortPlatformWatchStack(PDEVICE_OBJECT PhysicalDevice)
{
    if (PhysicalDevice->AttachedDevice != NULL)
        WineRedirectClassDriver(
            (PVOID)(ULONG_PTR)PhysicalDevice->AttachedDevice->DriverObject->MajorFunction[IRP_MJ_PNP]);
}

NTSTATUS PortPlatformControl(ULONG Code, PVOID Buffer, ULONG InLength, ULONG OutLength, ULONG_PTR *Information)
{
    *Information = 0;
    switch (Code) {
    case RESOURCE_IOCTL_REPORT:
        return WineResourceReport(Buffer, OutLength, Information);
    case RESOURCE_IOCTL_LEAK:
        return WineResourceLeak(Buffer, InLength);
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
}
