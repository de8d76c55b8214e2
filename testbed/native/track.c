/* SPDX-License-Identifier: LGPL-2.1-only */
/* What is alive, by kind: one hash table under one lock. */
#include "internal.h"

#include <stdlib.h>

#define TRACK_BUCKETS 4096u

typedef struct TRACK_ENTRY {
    struct TRACK_ENTRY *Next;
    const void *Address;
    const void *Caller;
    uint64_t Value;
    uint32_t Tag;
    TRACK_KIND Kind;
} TRACK_ENTRY;

static GROUND_LOCK TrackLock = GROUND_LOCK_INITIALIZER;
static TRACK_ENTRY *TrackTable[TRACK_BUCKETS];
static size_t TrackCounts[TRACK_KINDS];

static TRACK_ENTRY **TrackBucket(const void *Address)
{
    uint64_t Hash = (uint64_t)(uintptr_t)Address * 0x9E3779B97F4A7C15u;
    return &TrackTable[(Hash >> 40) % TRACK_BUCKETS];
}

void TrackAdd(TRACK_KIND Kind, const void *Address, uint64_t Value, uint32_t Tag, const void *Caller)
{
    TRACK_ENTRY *Entry = malloc(sizeof(*Entry));
    if (Entry == NULL) {
        abort();
    }
    *Entry = (TRACK_ENTRY){.Address = Address, .Caller = Caller, .Value = Value, .Tag = Tag, .Kind = Kind};
    GroundLockEnter(&TrackLock);
    TRACK_ENTRY **Bucket = TrackBucket(Address);
    Entry->Next = *Bucket;
    *Bucket = Entry;
    TrackCounts[Kind]++;
    GroundLockLeave(&TrackLock);
}

static TRACK_ENTRY **TrackFind(TRACK_KIND Kind, const void *Address)
{
    TRACK_ENTRY **Link = TrackBucket(Address);
    while (*Link != NULL && ((*Link)->Address != Address || (*Link)->Kind != Kind)) {
        Link = &(*Link)->Next;
    }
    return Link;
}

bool TrackRemove(TRACK_KIND Kind, const void *Address, uint64_t *Value, uint32_t *Tag)
{
    GroundLockEnter(&TrackLock);
    TRACK_ENTRY **Link = TrackFind(Kind, Address);
    TRACK_ENTRY *Entry = *Link;
    if (Entry != NULL) {
        *Link = Entry->Next;
        TrackCounts[Kind]--;
    }
    GroundLockLeave(&TrackLock);
    if (Entry == NULL) {
        return false;
    }
    if (Value != NULL) {
        *Value = Entry->Value;
    }
    if (Tag != NULL) {
        *Tag = Entry->Tag;
    }
    free(Entry);
    return true;
}

bool TrackHas(TRACK_KIND Kind, const void *Address)
{
    GroundLockEnter(&TrackLock);
    bool Found = *TrackFind(Kind, Address) != NULL;
    GroundLockLeave(&TrackLock);
    return Found;
}

size_t TrackCount(TRACK_KIND Kind)
{
    GroundLockEnter(&TrackLock);
    size_t Count = TrackCounts[Kind];
    GroundLockLeave(&TrackLock);
    return Count;
}

uint64_t NativePoolBytes(uint32_t Tag)
{
    uint64_t Sum = 0;
    GroundLockEnter(&TrackLock);
    for (size_t Bucket = 0; Bucket < TRACK_BUCKETS; Bucket++) {
        for (TRACK_ENTRY *Entry = TrackTable[Bucket]; Entry != NULL; Entry = Entry->Next) {
            Sum += Entry->Kind == TRACK_POOL && Entry->Tag == Tag ? Entry->Value : 0;
        }
    }
    GroundLockLeave(&TrackLock);
    return Sum;
}

void TrackCheckEmpty(TRACK_KIND Kind, NATIVE_RULE Rule, const char *What)
{
    TRACK_ENTRY Found = {0};
    GroundLockEnter(&TrackLock);
    size_t Count = TrackCounts[Kind];
    for (size_t Bucket = 0; Bucket < TRACK_BUCKETS && Found.Address == NULL; Bucket++) {
        for (TRACK_ENTRY *Entry = TrackTable[Bucket]; Entry != NULL; Entry = Entry->Next) {
            if (Entry->Kind == Kind) {
                Found = *Entry;
                break;
            }
        }
    }
    GroundLockLeave(&TrackLock);
    if (Count != 0) {
        char Tag[5] = {0};
        memcpy(Tag, &Found.Tag, 4);
        NtViolation(Rule, What, "%zu left; one is %p, %llu, tag \"%s\", made by a call from %p", Count, Found.Address,
                    (unsigned long long)Found.Value, Tag, Found.Caller);
    }
}
