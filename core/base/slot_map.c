/* SPDX-License-Identifier: LGPL-2.1-only */
/* Slots with generations; see slot_map.h. */
#include "slot_map.h"

#include "invariant.h"

#define SLOT_MASK 0xFFFFu
#define GENERATION_STEP 0x10000u

void SlotMapInitialize(SLOT_MAP *Map, SLOT *Memory, uint16_t Count)
{
    INVARIANT(Count >= 1);
    Map->Slots = Memory;
    Map->Count = Count;
    Map->FirstFree = 0;
    Map->Used = 0;
    for (uint16_t Slot = 0; Slot < Count; Slot++) {
        Memory[Slot].Handle = GENERATION_STEP | Slot;
        Memory[Slot].NextFree = Slot + 1 < Count ? (uint16_t)(Slot + 1) : SLOT_NONE;
        Memory[Slot].InUse = false;
    }
}

uint16_t SlotMapTake(SLOT_MAP *Map)
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

void SlotMapFree(SLOT_MAP *Map, uint16_t Slot)
{
    INVARIANT(Slot < Map->Count && Map->Slots[Slot].InUse);
    Map->Slots[Slot].InUse = false;
    Map->Slots[Slot].Handle += GENERATION_STEP;
    Map->Slots[Slot].NextFree = Map->FirstFree;
    Map->FirstFree = Slot;
    Map->Used--;
}

uint64_t SlotMapHandle(const SLOT_MAP *Map, uint16_t Slot)
{
    INVARIANT(Slot < Map->Count && Map->Slots[Slot].InUse);
    return Map->Slots[Slot].Handle;
}

uint16_t SlotMapFind(const SLOT_MAP *Map, uint64_t Handle)
{
    uint16_t Slot = (uint16_t)(Handle & SLOT_MASK);

    if (Slot >= Map->Count || !Map->Slots[Slot].InUse || Map->Slots[Slot].Handle != Handle) {
        return SLOT_NONE;
    }
    return Slot;
}
