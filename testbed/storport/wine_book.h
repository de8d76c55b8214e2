/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The book of what the drivers of the process own: one entry per thing, made and struck out by wine_track.c. Its own
 * memory comes from a heap that isn't counted. Any IRQL.
 */
#pragma once

#include "nt.h"

/* What is counted. */
typedef enum {
    BOOK_POOL,
    BOOK_IRP,
    BOOK_MDL,
    BOOK_WORK_ITEM,
    BOOK_WSK,
    BOOK_SOCKET,
    BOOK_DEVICE,
    BOOK_THREAD,
    BOOK_HANDLE,
    BOOK_KINDS,
    BOOK_TIMER = BOOK_KINDS, /* not in the book: wine_dpc.c counts them, and the system all handles of the process */
    BOOK_PROCESS_HANDLE
} BOOK_KIND;

typedef struct _THING {
    struct _THING *Next;
    BOOK_KIND Kind;
    BOOLEAN Miniport; /* made by a miniport's code: it must be gone when the miniport is unloaded */
    PVOID Address;
    ULONG Tag;
    SIZE_T Length;
} THING;

/* One line of a report: everything of one kind with one tag. */
typedef struct {
    BOOK_KIND Kind;
    ULONG Tag;
    ULONG Count;
    ULONGLONG Bytes;
} BOOK_LINE;

/* Memory of the book's own heap; NULL when there is none. */
PVOID WineBookAllocate(SIZE_T Length);
VOID WineBookFree(PVOID Memory);

/* The code from Start to End is a miniport's. */
VOID WineBookAddMiniport(ULONG_PTR Start, ULONG_PTR End);
/* Enters a thing; Caller: the code that made it. Returns Address. NULL isn't entered. */
PVOID WineBookEnter(BOOK_KIND Kind, PVOID Address, ULONG Tag, SIZE_T Length, PVOID Caller);
/* Strikes a thing out. FALSE: it isn't in the book; it may be older than the book, or somebody else's. Tag may be NULL.
 */
BOOLEAN WineBookStrike(BOOK_KIND Kind, PVOID Address, ULONG *Tag);
/* Strikes out what lay in a block of memory that is being freed. */
VOID WineBookStrikeMemory(PVOID Address);
/* Sums the book up in at most Room lines and returns their number. */
ULONG WineBookSum(BOOK_LINE *Lines, ULONG Room);
/* A thing that a miniport has left, or NULL. The miniport is gone, and changes nothing meanwhile. */
const THING *WineBookLeft(VOID);
