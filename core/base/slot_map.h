/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Slots with generations: a fixed number of places, each handed out under a
 * handle that is never equal to an earlier handle of the same place (until
 * 2^48 reuses). Looking a handle up is one index and one compare; a stale or
 * forged handle is recognised. No allocation: the memory is the caller's.
 *
 * Threads: none; the caller holds its lock. IRQL: any. What each request takes
 * its way through is inline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "invariant.h"

#define SLOT_NONE 0xFFFFu
#define SLOT_GENERATION_STEP 0x10000u

typedef struct {
    uint64_t Handle;   /* slot in the low 16 bits, generation above; of the present or next use */
    uint16_t NextFree; /* SLOT_NONE ends the list; meaningless while in use */
    bool InUse;
} SLOT;

typedef struct {
    SLOT *Slots;
    uint16_t Count;
    uint16_t FirstFree;
    uint16_t Used;
} SLOT_MAP;

/* Memory is Count places (1 to 65535) of the caller's; all become free with generation 1. */
void SlotMapInitialize(SLOT_MAP *Map, SLOT *Memory, uint16_t Count);

/* Takes a free slot and returns its number, SLOT_NONE if all are in use. Last freed, first taken. */
static inline uint16_t SlotMapTake(SLOT_MAP *Map)
{
    uint16_t Slot = Map->FirstFree;

    if (Slot == SLOT_NONE) {
        return SLOT_NONE;
    }
    Map->FirstFree = Map->Slots[Slot].NextFree;
    Map->Slots[Slot].InUse = true;
    Map->Used++;
    return Slot;
}

/* Gives a slot in use back; its handle is dead from now on. */
static inline void SlotMapFree(SLOT_MAP *Map, uint16_t Slot)
{
    INVARIANT(Slot < Map->Count && Map->Slots[Slot].InUse);
    Map->Slots[Slot].InUse = false;
    Map->Slots[Slot].Handle += SLOT_GENERATION_STEP;
    Map->Slots[Slot].NextFree = Map->FirstFree;
    Map->FirstFree = Slot;
    Map->Used--;
}

/* The handle of a slot in use. */
static inline uint64_t SlotMapHandle(const SLOT_MAP *Map, uint16_t Slot)
{
    INVARIANT(Slot < Map->Count && Map->Slots[Slot].InUse);
    return Map->Slots[Slot].Handle;
}

/* The slot in use that Handle names, SLOT_NONE if it names none (any more). */
static inline uint16_t SlotMapFind(const SLOT_MAP *Map, uint64_t Handle)
{
    uint16_t Slot = (uint16_t)(Handle & 0xFFFFu);

    if (Slot >= Map->Count || !Map->Slots[Slot].InUse || Map->Slots[Slot].Handle != Handle) {
        return SLOT_NONE;
    }
    return Slot;
}
