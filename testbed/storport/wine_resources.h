/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the drivers of the process own, on demand; and leaks on demand, which prove that they are counted. */
#pragma once

#include "nt.h"
#include "wine_book.h"

/* See RESOURCE_IOCTL_REPORT. PASSIVE_LEVEL. */
NTSTATUS WineResourceReport(PCHAR Text, ULONG Size, ULONG_PTR *Length);
/* See RESOURCE_IOCTL_LEAK. PASSIVE_LEVEL. */
NTSTATUS WineResourceLeak(const VOID *Input, ULONG Length);
/*
 * Asked before a thing is given back. TRUE: it is to be kept, as a leak was ordered; GiveBack is called later, when the
 * leak is taken back, at PASSIVE_LEVEL. Any IRQL.
 */
BOOLEAN WineWithhold(BOOK_KIND Kind, ULONG Tag, PVOID Thing, VOID (*GiveBack)(PVOID Thing));
