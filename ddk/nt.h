/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The kernel's interface for a PE image: mingw-w64's ntifs.h and ntddk.h, with what has to be put right about them,
 * and the exception guards. Driver sources include this file and never the system's headers themselves: the native
 * test bed has an nt.h of its own earlier on the include path, which declares the same names for Linux.
 *
 * Guards: NT_TRY { ... } NT_EXCEPT { ... } NT_TRY_END. The handler runs when the guarded code raised an exception;
 * NT_EXCEPTION_CODE() is its status there, and nowhere else. Under clang only what happens inside a called function
 * is guarded, so the access that may fault lives in a function marked NT_NOINLINE of its own. Neither return, goto nor
 * break may leave the guarded block. gcc has no structured exception handling: its image, which is compiled for a
 * second opinion and not shipped, runs the block unguarded.
 */
#pragma once

/* clang's intrin.h warns of 3DNow, which nobody asked for. */
#define _MM3DNOW_H_INCLUDED
#include <intrin.h>

/*
 * intrin.h declares these two as external inline functions and wdm.h defines them again as static ones; clang then
 * emits an external definition into every object. Under another name wdm.h's are plain static functions.
 */
#define InterlockedBitTestAndSet WdmInterlockedBitTestAndSet
#define InterlockedBitTestAndReset WdmInterlockedBitTestAndReset
#include <ntifs.h>
#include <ntddk.h>

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel's clocks are shared memory on x64. They are read by a load of their own, never as an operand of something
 * else, because a ground that has no such memory can emulate that one instruction.
 */
#undef KeQueryInterruptTime
#undef KeQuerySystemTime
#undef KeQueryTickCount
static inline ULONG64 NtReadSharedClock(ULONG_PTR Address)
{
    ULONG64 Value = *(volatile ULONG64 *)Address;

#if !defined(_MSC_VER) || defined(__clang__)
    __asm__ volatile("" : "+r"(Value));
#endif
    return Value;
}
#define KeQueryInterruptTime() NtReadSharedClock(0xFFFFF78000000008ull)
#define KeQuerySystemTime(Time) ((void)((Time)->QuadPart = (LONGLONG)NtReadSharedClock(0xFFFFF78000000014ull)))
#define KeQueryTickCount(Count) ((void)((Count)->QuadPart = (LONGLONG)NtReadSharedClock(0xFFFFF78000000320ull)))

/* Flags of MmGetSystemAddressForMdlSafe's priority that mingw-w64 doesn't know [MmGetSystemAddressForMdlSafe]. */
#ifndef MdlMappingNoExecute
#define MdlMappingNoExecute 0x40000000
#define MdlMappingNoWrite 0x80000000
#endif

/* What mingw-w64 lacks of winnt.h, and of wdm.h about the registry. ddk/ntoskrnl.def has the function for the linker.
 */
#ifndef ReadNoFence
static inline LONG NtReadNoFence(const volatile LONG *Source)
{
    return *Source;
}
#define ReadNoFence NtReadNoFence
#endif
#ifndef ReadNoFence64
static inline LONG64 NtReadNoFence64(const volatile LONG64 *Source)
{
    return *Source;
}
#define ReadNoFence64 NtReadNoFence64
#endif

/* Answer of ZwQueryKey to KeyNameInformation: NameLength bytes of the key's full path, not terminated. */
typedef struct _KEY_NAME_INFORMATION {
    ULONG NameLength;
    WCHAR Name[1];
} KEY_NAME_INFORMATION, *PKEY_NAME_INFORMATION;

typedef enum _DRIVER_REGKEY_TYPE { DriverRegKeyParameters, DriverRegKeyPersistentState } DRIVER_REGKEY_TYPE;

/* The key of a driver's parameters or state [IoOpenDriverRegistryKey]. PASSIVE_LEVEL, in a system thread. Flags: 0. */
NTKERNELAPI NTSTATUS NTAPI IoOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE RegKeyType,
                                                   ACCESS_MASK DesiredAccess, ULONG Flags, PHANDLE DriverRegKey);

/* Declared by wdm.h only where WPP's preprocessor has run [WmiTraceMessage]. Any IRQL; pairs of address and SIZE_T. */
NTKERNELAPI NTSTATUS WmiTraceMessage(ULONG64 LoggerHandle, ULONG MessageFlags, LPCGUID MessageGuid,
                                     USHORT MessageNumber, ...);

#if defined(_MSC_VER) && !defined(__clang__)
#define NT_NOINLINE __declspec(noinline)
#define NT_UNUSED
#else
#define NT_NOINLINE __attribute__((noinline))
#define NT_UNUSED __attribute__((unused))
#endif

/*
 * wdm.h reads the interrupt time from the page that the kernel shares with programs. Wine has no such page in a
 * driver's process; it emulates the read, but understands a plain load only, not an addition or comparison with memory.
 * In a function of its own the read stays a load.
 */
static NT_NOINLINE NT_UNUSED ULONGLONG NtQueryInterruptTime(VOID)
{
    return KeQueryInterruptTime();
}
#undef KeQueryInterruptTime
#define KeQueryInterruptTime NtQueryInterruptTime

#if defined(__clang__) || defined(_MSC_VER)
#define NT_TRY __try {
#define NT_EXCEPT                                                                                                      \
    }                                                                                                                  \
    __except (EXCEPTION_EXECUTE_HANDLER)                                                                               \
    {
#define NT_TRY_END }
#define NT_EXCEPTION_CODE() ((NTSTATUS)GetExceptionCode())
#else
#define NT_TRY                                                                                                         \
    {                                                                                                                  \
        const NTSTATUS NtGuardStatus = STATUS_SUCCESS;                                                                 \
        if (NtGuardStatus == STATUS_SUCCESS) {
#define NT_EXCEPT                                                                                                      \
    }                                                                                                                  \
    else                                                                                                               \
    {
#define NT_TRY_END                                                                                                     \
    }                                                                                                                  \
    }
#define NT_EXCEPTION_CODE() NtGuardStatus
#endif
