/* SPDX-License-Identifier: LGPL-2.1-only */
/* Slots with generations; see slot_map.h. */
#include "slot_map.h"

void SlotMapInitialize(SLOT_MAP *Map, SLOT *Memory, uint16_t Count)
{
    INVARIANT(Count >= 1);
    Map->Slots = Memory;
    Map->Count = Count;
    Map->FirstFree = 0;
    Map->Used = 0;
    for (uint16_t Slot = 0; Slot < Count; Slot++) {
        Memory[Slot].Handle = SLOT_GENERATION_STEP | Slot;
        Memory[Slot].NextFree = Slot + 1 < Count ? (uint16_t)(Slot + 1) : SLOT_NONE;
        Memory[Slot].InUse = false;
    }
}
