/* SPDX-License-Identifier: LGPL-2.1-only */
/* The port driver's platform functions on the native test bed: NT's own, whose checks are made beneath. */
#include "platform.h"

#include "native.h"

VOID PortPlatformAttach(PDRIVER_OBJECT DriverObject, PVOID Callback)
{
    UNREFERENCED_PARAMETER(DriverObject);
    UNREFERENCED_PARAMETER(Callback);
}

VOID PortPlatformDetach(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
    KeFlushQueuedDpcs();
}

BOOLEAN PortPlatformQueueDpc(PKDPC Dpc)
{
    return KeInsertQueueDpc(Dpc, NULL, NULL);
}

VOID PortPlatformFlushDpcs(VOID)
{
    KeFlushQueuedDpcs();
}

VOID PortPlatformStartTimer(PKTIMER Timer, ULONG PeriodMs, PKDPC Dpc)
{
    LARGE_INTEGER Due = {.QuadPart = -(LONGLONG)PeriodMs * 10000};
    KeSetTimerEx(Timer, Due, (LONG)PeriodMs, Dpc);
}

VOID PortPlatformStopTimer(PKTIMER Timer)
{
    KeCancelTimer(Timer);
}

ULONGLONG PortPlatformTime(VOID)
{
    return KeQueryInterruptTime();
}

KIRQL PortPlatformRaise(VOID)
{
    KIRQL Irql;

    KeRaiseIrql(DISPATCH_LEVEL, &Irql);
    return Irql;
}

VOID PortPlatformLower(KIRQL Irql)
{
    KeLowerIrql(Irql);
}

KIRQL PortPlatformIrql(VOID)
{
    return KeGetCurrentIrql();
}

ULONG PortPlatformLocksHeld(VOID)
{
    return NativeLocksHeld();
}

VOID PortPlatformFormat(PCHAR Text, SIZE_T Size, PCSTR Format, va_list Arguments)
{
    _vsnprintf(Text, Size - 1, Format, Arguments);
    Text[Size - 1] = '\0';
}

VOID PortPlatformStop(PCSTR Text)
{
    NativeStopWith(Text);
}

ULONG PortPlatformQuarantineDepth(VOID)
{
    return 0; /* released SRBs go to pool, whose allocations the address sanitizer keeps unusable */
}

NTSTATUS PortPlatformReadUser(PIRP Irp, PVOID System, PVOID User, SIZE_T Length)
{
    UNREFERENCED_PARAMETER(Irp);
    RtlCopyMemory(System, User, Length);
    return STATUS_SUCCESS;
}

NTSTATUS PortPlatformWriteUser(PIRP Irp, PVOID User, PVOID System, SIZE_T Length)
{
    UNREFERENCED_PARAMETER(Irp);
    RtlCopyMemory(User, System, Length);
    return STATUS_SUCCESS;
}

VOID PortPlatformWatchStack(PDEVICE_OBJECT PhysicalDevice)
{
    UNREFERENCED_PARAMETER(PhysicalDevice);
}

NTSTATUS PortPlatformControl(ULONG Code, PVOID Buffer, ULONG InLength, ULONG OutLength, ULONG_PTR *Information)
{
    UNREFERENCED_PARAMETER(Code);
    UNREFERENCED_PARAMETER(Buffer);
    UNREFERENCED_PARAMETER(InLength);
    UNREFERENCED_PARAMETER(OutLength);
    *Information = 0;
    return STATUS_INVALID_DEVICE_REQUEST;
}
