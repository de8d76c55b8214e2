/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the Wine ground takes from ntdll.dll: the driver process is an ordinary one there. */
#pragma once

#include "nt.h"

NTSTATUS NTAPI RtlWaitOnAddress(const VOID *Address, const VOID *Compare, SIZE_T Size, const LARGE_INTEGER *Timeout);
VOID NTAPI RtlWakeAddressSingle(const VOID *Address);
PVOID NTAPI RtlPcToFileHeader(PVOID Address, PVOID *Base);
SIZE_T NTAPI RtlSizeHeap(PVOID Heap, ULONG Flags, const VOID *Memory);
#define NT_SYSTEM_EXTENDED_HANDLES 64u
NTSTATUS NTAPI NtQuerySystemInformation(ULONG Class, PVOID Buffer, ULONG Length, ULONG *Needed);
#define LDR_ADDREF_DLL_PIN 1u
NTSTATUS NTAPI LdrAddRefDll(ULONG Flags, PVOID Image);
NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE Process, PVOID *Base, SIZE_T *Size, ULONG Protect, ULONG *Old);
NTSTATUS NTAPI NtReadVirtualMemory(HANDLE Process, PVOID Address, PVOID Buffer, SIZE_T Length, SIZE_T *Done);
NTSTATUS NTAPI NtWriteVirtualMemory(HANDLE Process, PVOID Address, PVOID Buffer, SIZE_T Length, SIZE_T *Done);
DECLSPEC_NORETURN VOID NTAPI RtlRaiseStatus(NTSTATUS Status);
NTSTATUS NTAPI NtTerminateProcess(HANDLE Process, NTSTATUS ExitStatus);
BOOLEAN NTAPI RtlQueryUnbiasedInterruptTime(ULONGLONG *Time);
int __cdecl _vsnprintf(char *Text, size_t Size, const char *Format, va_list Arguments);
