/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Memory of a program, made reachable for the driver: its pages stay where they are until they are unlocked, whatever
 * the program does with its addresses meanwhile. What they hold is the program's to change at any time. Pages that are
 * locked when their process ends stop the system (WDK, bug check 0x76): a request is completed after they are unlocked.
 */
#pragma once

#include "nt.h"

typedef struct {
    PMDL Mdl;
    PUCHAR Bytes; /* where the driver finds them */
    ULONG SizeBytes;
} USER_MEMORY;

/*
 * Locks SizeBytes bytes at Address of the current process, to be read (IoReadAccess) or written (IoWriteAccess) by the
 * driver; none need no memory. STATUS_ACCESS_VIOLATION, or what the memory manager raises, if they aren't all there
 * with that right; STATUS_INSUFFICIENT_RESOURCES. In the context of the process's own thread only.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserMemoryLock(USER_MEMORY *Memory, PVOID Address, ULONG SizeBytes, LOCK_OPERATION Access);
/* In any process's context. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void UserMemoryUnlock(USER_MEMORY *Memory);
