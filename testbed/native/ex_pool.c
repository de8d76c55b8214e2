/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Pool: each allocation is one of malloc's, of exactly its size, so that the
 * address sanitizer sees every access beyond it and after its end. Contents
 * start as rubbish, as on Windows.
 */
#include "internal.h"

#include <stdlib.h>

#define POOL_RUBBISH 0xB5

typedef struct PAGED {
    struct PAGED *Next;
    const char *Address;
    SIZE_T Size;
} PAGED;

/* What is alive of paged pool: little, and seldom. */
static struct {
    GROUND_LOCK Lock;
    PAGED *First;
    volatile LONG Count;
} Paged = {.Lock = GROUND_LOCK_INITIALIZER};

static void PagedAdd(const void *Address, SIZE_T Size)
{
    PAGED *Entry = malloc(sizeof(*Entry));
    if (Entry == NULL) {
        abort();
    }
    GroundLockEnter(&Paged.Lock);
    *Entry = (PAGED){Paged.First, Address, Size};
    Paged.First = Entry;
    InterlockedIncrement(&Paged.Count);
    GroundLockLeave(&Paged.Lock);
}

/* The link to the allocation that Address lies in; under the lock. */
static PAGED **PagedFind(const void *Address)
{
    PAGED **Link = &Paged.First;
    while (*Link != NULL && (uintptr_t)Address - (uintptr_t)(*Link)->Address >= (*Link)->Size) {
        Link = &(*Link)->Next;
    }
    return Link;
}

/* False: there is no such allocation. */
static bool PagedRemove(const void *Address)
{
    if (ReadAcquire(&Paged.Count) == 0) {
        return false;
    }
    GroundLockEnter(&Paged.Lock);
    PAGED **Link = PagedFind(Address), *Entry = *Link;
    if (Entry != NULL) {
        *Link = Entry->Next;
        InterlockedDecrement(&Paged.Count);
    }
    GroundLockLeave(&Paged.Lock);
    free(Entry);
    return Entry != NULL;
}

void PoolCheckResident(const void *Address, const char *Function)
{
    if (ReadAcquire(&Paged.Count) == 0) {
        return;
    }
    GroundLockEnter(&Paged.Lock);
    bool Found = *PagedFind(Address) != NULL;
    GroundLockLeave(&Paged.Lock);
    if (Found) {
        NtViolation(RULE_POOL_PAGED, Function, "%p lies in paged pool", Address);
    }
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    void *Memory;
    NtEnter(__func__, PoolType == PagedPool ? APC_LEVEL : DISPATCH_LEVEL);
    if (PoolType == NonPagedPool) {
        NtViolation(RULE_POOL_TYPE, __func__, "NonPagedPool is executable: NonPagedPoolNx");
    }
    if (NumberOfBytes == 0) {
        NtViolation(RULE_POOL_SIZE, __func__, "0 bytes");
    }
    for (ULONG Rest = Tag, Index = 0; Index < 4; Index++, Rest >>= 8) {
        ULONG Character = Rest & 0xFF;
        if ((Character < 0x20 || Character > 0x7E) && !(Character == 0 && Index != 0)) {
            NtViolation(RULE_POOL_TAG, __func__, "tag 0x%08x", (unsigned)Tag);
        }
    }
    /* [exallocatepoolwithtag]: a page or more is aligned to a page, anything else to 16 bytes. */
    if (Fault(__func__) || posix_memalign(&Memory, NumberOfBytes >= PAGE_SIZE ? PAGE_SIZE : 16, NumberOfBytes) != 0) {
        return NULL;
    }
    memset(Memory, POOL_RUBBISH, NumberOfBytes);
    TrackAdd(TRACK_POOL, Memory, NumberOfBytes, Tag, __builtin_return_address(0));
    if (PoolType == PagedPool) {
        PagedAdd(Memory, NumberOfBytes);
    }
    return Memory;
}

static void PoolFreeChecked(PVOID Memory, ULONG Tag, const char *Function)
{
    uint64_t Size;
    uint32_t Allocated;
    NtEnter(Function, DISPATCH_LEVEL);
    if (!TrackRemove(TRACK_POOL, Memory, &Size, &Allocated)) {
        NtViolation(RULE_POOL_FREE, Function, "%p is no allocation, or not any more", Memory);
    }
    if (Tag != 0 && Tag != Allocated) {
        NtViolation(RULE_POOL_FREE, Function, "%p has tag 0x%08x, not 0x%08x", Memory, (unsigned)Allocated,
                    (unsigned)Tag);
    }
    if (PagedRemove(Memory) && KeGetCurrentIrql() > APC_LEVEL) {
        NtViolation(RULE_POOL_PAGED, Function, "%p is paged and freed at IRQL %u", Memory,
                    (unsigned)KeGetCurrentIrql());
    }
    DpcCheckFree(Memory, Size);
    TimerCheckFree(Memory, Size);
    MdlCheckFree(Memory, Size);
    free(Memory);
}

VOID ExFreePoolWithTag(PVOID Memory, ULONG Tag)
{
    PoolFreeChecked(Memory, Tag, __func__);
}

VOID ExFreePool(PVOID Memory)
{
    PoolFreeChecked(Memory, 0, __func__);
}
