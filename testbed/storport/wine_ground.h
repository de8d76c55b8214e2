/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Between the files of the Wine ground. Wine 8's kernel queues DPCs and never runs them, doesn't know when a timer's
 * DPC has ended, and lacks IoBuildPartialMdl, IoOpenDriverRegistryKey, KeQueryUnbiasedInterruptTime, event tracing and
 * the locking of programs' pages: the miniport's imports of those are redirected to the functions here. The imports
 * that allocate and free are redirected too, so that what a driver leaves behind is seen. netio.sys, which a miniport
 * may use, is redirected where closing a socket crashes.
 */
#pragma once

#include "nt.h"

/* wine_dpc.c: one queue and one thread, which are the DPC level of a machine with one processor. */
VOID WineDpcStart(VOID);
VOID WineDpcStop(VOID);
/* DPCs and timers that are queued. */
ULONG WineDpcQueued(VOID);
BOOLEAN NTAPI WineInsertQueueDpc(PKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2);
BOOLEAN NTAPI WineRemoveQueueDpc(PKDPC Dpc);
VOID NTAPI WineFlushQueuedDpcs(VOID);
BOOLEAN NTAPI WineSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc);
BOOLEAN NTAPI WineSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc);
BOOLEAN NTAPI WineCancelTimer(PKTIMER Timer);

/* wine_registry.c: IoOpenDriverRegistryKey. */
NTSTATUS NTAPI WineOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE Type, ACCESS_MASK Access,
                                         ULONG Flags, PHANDLE Key);

/* wine_imports.c */
typedef struct {
    PCSTR Name;
    PVOID Function;
    PVOID *Original; /* receives what the import was; may be NULL */
} WINE_REDIRECTION;
/* Redirects what the miniport that holds CodeAddress imports, and what the port driver, netio.sys, ntoskrnl.exe do. */
VOID WineRedirectMiniport(PVOID CodeAddress);
/* Redirects what a driver above the port driver imports, so that what it owns is counted. */
VOID WineRedirectClassDriver(PVOID CodeAddress);

/* wine_user.c */
VOID NTAPI WineProbeAndLockPages(PMDL Mdl, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation);
VOID NTAPI WineUnlockPages(PMDL Mdl);

/* wine_netio.c */
extern const WINE_REDIRECTION WineNetioRedirections[];
extern const ULONG WineNetioRedirectionCount;

/*
 * wine_locks.c: the spin locks that the miniport's threads hold, and the IRQL of threads, which Wine doesn't know:
 * raised by the port driver, by spin locks, and in DPCs. WineSetIrql returns what it was.
 */
KIRQL WineIrql(VOID);
KIRQL WineSetIrql(KIRQL Irql);
/* wine_etw.c */
extern const WINE_REDIRECTION WineEtwRedirections[];
extern const ULONG WineEtwRedirectionCount;

extern const WINE_REDIRECTION WineLockRedirections[];
extern const ULONG WineLockRedirectionCount;
ULONG WineTrackLocksHeld(VOID);

/* wine_track.c: what drivers allocate and free; and what ntoskrnl.exe frees for them. */
extern const WINE_REDIRECTION WineTrackRedirections[];
extern const ULONG WineTrackRedirectionCount;
extern const WINE_REDIRECTION WineKernelRedirections[];
extern const ULONG WineKernelRedirectionCount;
/* Complains of what a miniport has left behind. */
VOID WineTrackCheckLeaks(VOID);
