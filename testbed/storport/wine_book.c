/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See wine_book.h.
 *
 * Concurrency: Lock guards the table and the list of miniports' images; the heap is made once, by whoever comes first.
 */
#include "wine_book.h"
#include "wine_ntdll.h"

#define BUCKETS 4096u
#define MINIPORTS 8u

static KSPIN_LOCK Lock;
static THING *Things[BUCKETS];
static struct {
    ULONG_PTR Start;
    ULONG_PTR End;
} Miniports[MINIPORTS];
static ULONG NextMiniport;
static PVOID volatile Heap;

static PVOID TheHeap(VOID)
{
    if (Heap == NULL) {
        PVOID Made = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, NULL);

        if (InterlockedCompareExchangePointer(&Heap, Made, NULL) != NULL && Made != NULL)
            RtlDestroyHeap(Made);
    }
    return Heap;
}

PVOID WineBookAllocate(SIZE_T Length)
{
    PVOID Own = TheHeap();

    return Own == NULL ? NULL : RtlAllocateHeap(Own, 0, Length);
}

VOID WineBookFree(PVOID Memory)
{
    RtlFreeHeap(TheHeap(), 0, Memory);
}

static THING **Bucket(PVOID Address)
{
    return &Things[((ULONG_PTR)Address >> 4) % BUCKETS];
}

VOID WineBookAddMiniport(ULONG_PTR Start, ULONG_PTR End)
{
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    Miniports[NextMiniport].Start = Start;
    Miniports[NextMiniport].End = End;
    NextMiniport = (NextMiniport + 1) % MINIPORTS;
    KeReleaseSpinLock(&Lock, Irql);
}

/* Under Lock. */
static BOOLEAN IsMiniport(ULONG_PTR Caller)
{
    ULONG i;

    for (i = 0; i < MINIPORTS; ++i)
        if (Caller >= Miniports[i].Start && Caller < Miniports[i].End)
            return TRUE;
    return FALSE;
}

PVOID WineBookEnter(BOOK_KIND Kind, PVOID Address, ULONG Tag, SIZE_T Length, PVOID Caller)
{
    THING *Thing;
    KIRQL Irql;

    if (Address == NULL)
        return NULL;
    Thing = WineBookAllocate(sizeof(*Thing));
    if (Thing == NULL)
        return Address;
    Thing->Kind = Kind;
    Thing->Address = Address;
    Thing->Tag = Tag;
    Thing->Length = Length;
    KeAcquireSpinLock(&Lock, &Irql);
    Thing->Miniport = IsMiniport((ULONG_PTR)Caller);
    Thing->Next = *Bucket(Address);
    *Bucket(Address) = Thing;
    KeReleaseSpinLock(&Lock, Irql);
    return Address;
}

static BOOLEAN InMemory(BOOK_KIND Kind)
{
    return Kind == BOOK_POOL || Kind == BOOK_IRP || Kind == BOOK_MDL || Kind == BOOK_WORK_ITEM;
}

/* Kind BOOK_KINDS: whatever kind it is that a block of memory can be. */
static THING *Take(BOOK_KIND Kind, PVOID Address)
{
    THING *Found = NULL;
    THING **Link;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    for (Link = Bucket(Address); *Link != NULL && Found == NULL;) {
        if ((*Link)->Address == Address && ((*Link)->Kind == Kind || (Kind == BOOK_KINDS && InMemory((*Link)->Kind)))) {
            Found = *Link;
            *Link = Found->Next;
        } else {
            Link = &(*Link)->Next;
        }
    }
    KeReleaseSpinLock(&Lock, Irql);
    return Found;
}

BOOLEAN WineBookStrike(BOOK_KIND Kind, PVOID Address, ULONG *Tag)
{
    THING *Found = Take(Kind, Address);

    if (Found == NULL)
        return FALSE;
    if (Tag != NULL)
        *Tag = Found->Tag;
    WineBookFree(Found);
    return TRUE;
}

VOID WineBookStrikeMemory(PVOID Address)
{
    THING *Found = Address == NULL ? NULL : Take(BOOK_KINDS, Address);

    if (Found != NULL)
        WineBookFree(Found);
}

/* Under Lock. What finds no room is left out: the lines are as many as there are tags. */
static ULONG AddTo(BOOK_LINE *Lines, ULONG Count, ULONG Room, const THING *Thing)
{
    ULONG i = 0;

    while (i < Count && (Lines[i].Kind != Thing->Kind || Lines[i].Tag != Thing->Tag))
        ++i;
    if (i == Room)
        return Count;
    if (i == Count) {
        RtlZeroMemory(&Lines[i], sizeof(Lines[i]));
        Lines[i].Kind = Thing->Kind;
        Lines[i].Tag = Thing->Tag;
    }
    ++Lines[i].Count;
    Lines[i].Bytes += Thing->Length;
    return i == Count ? Count + 1 : Count;
}

ULONG WineBookSum(BOOK_LINE *Lines, ULONG Room)
{
    const THING *Thing;
    ULONG Count = 0;
    KIRQL Irql;
    ULONG i;

    KeAcquireSpinLock(&Lock, &Irql);
    for (i = 0; i < BUCKETS; ++i)
        for (Thing = Things[i]; Thing != NULL; Thing = Thing->Next)
            Count = AddTo(Lines, Count, Room, Thing);
    KeReleaseSpinLock(&Lock, Irql);
    return Count;
}

const THING *WineBookLeft(VOID)
{
    const THING *Thing;
    ULONG i;

    for (i = 0; i < BUCKETS; ++i)
        for (Thing = Things[i]; Thing != NULL; Thing = Thing->Next)
            if (Thing->Miniport)
                return Thing;
    return NULL;
}
