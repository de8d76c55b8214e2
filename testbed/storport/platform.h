/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the port driver can't say in NT calls that run everywhere: one implementation for Wine (wine_*.c), whose kernel
 * lacks some, and one for the native test bed (native_platform.c). The build chooses.
 */
#pragma once

#include "nt.h"

/*
 * Prepares the ground for a miniport before its first callback; undone by PortPlatformDetach. Callback is any address
 * in the miniport's code. PASSIVE_LEVEL.
 */
VOID PortPlatformAttach(PDRIVER_OBJECT DriverObject, PVOID Callback);
/* After the miniport's last callback: drains DPCs and checks for what the driver left behind. PASSIVE_LEVEL. */
VOID PortPlatformDetach(PDRIVER_OBJECT DriverObject);
/* KeInsertQueueDpc. */
BOOLEAN PortPlatformQueueDpc(PKDPC Dpc);
/* Waits until the DPCs queued so far have run. PASSIVE_LEVEL. */
VOID PortPlatformFlushDpcs(VOID);
/* KeSetTimerEx with a period, and KeCancelTimer. After a cancel and a flush the DPC doesn't run any more. */
VOID PortPlatformStartTimer(PKTIMER Timer, ULONG PeriodMs, PKDPC Dpc);
VOID PortPlatformStopTimer(PKTIMER Timer);
/* KeQueryUnbiasedInterruptTime: 100 ns since some start. Any IRQL. */
ULONGLONG PortPlatformTime(VOID);
/* KeRaiseIrql to DISPATCH_LEVEL, returning what it was, and KeLowerIrql: instructions that Wine doesn't run. */
KIRQL PortPlatformRaise(VOID);
VOID PortPlatformLower(KIRQL Irql);
/* KeGetCurrentIrql, where that means something and costs little. */
KIRQL PortPlatformIrql(VOID);
/* Spin locks that this thread holds, as far as the ground can tell; else 0. */
ULONG PortPlatformLocksHeld(VOID);
/* vsnprintf: always terminated. Any IRQL. */
VOID PortPlatformFormat(PCHAR Text, SIZE_T Size, PCSTR Format, va_list Arguments);
/* Leaves Text where the tests find it and ends the process. Any IRQL. */
__attribute__((noreturn)) VOID PortPlatformStop(PCSTR Text);
/* Released SRBs kept back, poisoned, so that late writes are seen; 0 leaves that to the ground's own pool checks. */
ULONG PortPlatformQuarantineDepth(VOID);
/*
 * Copy between System and the memory of the process that sent Irp, which need not be the current one.
 * STATUS_ACCESS_VIOLATION when the process has no such memory. PASSIVE_LEVEL.
 */
NTSTATUS PortPlatformReadUser(PIRP Irp, PVOID System, PVOID User, SIZE_T Length);
NTSTATUS PortPlatformWriteUser(PIRP Irp, PVOID User, PVOID System, SIZE_T Length);
/* The driver above PhysicalDevice has started: what it owns is counted too. PASSIVE_LEVEL. */
VOID PortPlatformWatchStack(PDEVICE_OBJECT PhysicalDevice);
/*
 * A control request to an adapter that the port driver itself doesn't know: the ground may have some of its own
 * (resource_ioctl.h); else STATUS_INVALID_DEVICE_REQUEST. Buffer: METHOD_BUFFERED. Returns the IRP's status and, in
 * Information, the bytes of output. PASSIVE_LEVEL.
 */
NTSTATUS PortPlatformControl(ULONG Code, PVOID Buffer, ULONG InLength, ULONG OutLength, ULONG_PTR *Information);
