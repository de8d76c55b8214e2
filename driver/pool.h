/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Memory of the driver: non-paged, never executable, zeroed. ExAllocatePool2
 * exists only from Windows 10 2004 on, so the older call is used (WDK,
 * Updating deprecated ExAllocatePool calls). IRQL: <= DISPATCH_LEVEL.
 */
#pragma once

#include "nt.h"

#define WNBD_POOL_TAG 'dbnW'

_IRQL_requires_max_(DISPATCH_LEVEL)
static inline PVOID PoolAllocate(SIZE_T SizeBytes)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, SizeBytes, WNBD_POOL_TAG);
    if (Memory != NULL) {
        RtlZeroMemory(Memory, SizeBytes);
    }
    return Memory;
}

/* NULL is nothing to free. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline void PoolFree(PVOID Memory)
{
    if (Memory != NULL) {
        ExFreePoolWithTag(Memory, WNBD_POOL_TAG);
    }
}
