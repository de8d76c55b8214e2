/* SPDX-License-Identifier: LGPL-2.1-only */
/* base/slot_map.h: handles are found while their slot is in use, and never again. */
#include "unit.h"

#include "base/slot_map.h"

#define COUNT 4u

static void HandsOutEverySlotOnce(void **State)
{
    SLOT Memory[COUNT];
    SLOT_MAP Map;
    bool Seen[COUNT] = {false};

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    assert_int_equal(Map.Used, 0);
    for (unsigned Index = 0; Index < COUNT; Index++) {
        uint16_t Slot = SlotMapTake(&Map);

        assert_true(Slot < COUNT && !Seen[Slot]);
        Seen[Slot] = true;
        assert_true(SlotMapHandle(&Map, Slot) == ((UINT64_C(1) << 16) | Slot));
    }
    assert_int_equal(SlotMapTake(&Map), SLOT_NONE);
    assert_int_equal(Map.Used, COUNT);
}

static void LastFreedIsFirstTaken(void **State)
{
    SLOT Memory[COUNT];
    SLOT_MAP Map;

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    for (unsigned Index = 0; Index < COUNT; Index++) {
        SlotMapTake(&Map);
    }
    SlotMapFree(&Map, 2);
    SlotMapFree(&Map, 0);
    assert_int_equal(Map.Used, COUNT - 2);
    assert_int_equal(SlotMapTake(&Map), 0);
    assert_int_equal(SlotMapTake(&Map), 2);
    assert_int_equal(SlotMapTake(&Map), SLOT_NONE);
}

static void FindsOnlyLivingHandles(void **State)
{
    SLOT Memory[COUNT];
    SLOT_MAP Map;
    uint64_t First;
    uint64_t Second;
    uint16_t Slot;

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    Slot = SlotMapTake(&Map);
    First = SlotMapHandle(&Map, Slot);
    assert_int_equal(SlotMapFind(&Map, First), Slot);
    SlotMapFree(&Map, Slot);
    assert_int_equal(SlotMapFind(&Map, First), SLOT_NONE);
    assert_int_equal(SlotMapFind(&Map, First + 0x10000), SLOT_NONE); /* its next handle, not handed out yet */
    assert_int_equal(SlotMapTake(&Map), Slot);
    Second = SlotMapHandle(&Map, Slot);
    assert_true(Second != First);
    assert_int_equal(SlotMapFind(&Map, First), SLOT_NONE);
    assert_int_equal(SlotMapFind(&Map, Second), Slot);
    assert_int_equal(SlotMapFind(&Map, Second + 0x10000), SLOT_NONE);
}

static void RefusesForgedHandles(void **State)
{
    SLOT Memory[COUNT + 1];
    SLOT_MAP Map;

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    assert_int_equal(SlotMapTake(&Map), 0);
    assert_int_equal(SlotMapFind(&Map, 0), SLOT_NONE);
    assert_int_equal(SlotMapFind(&Map, 0x10000 | 1), SLOT_NONE); /* a free slot with its next handle */
    assert_int_equal(SlotMapFind(&Map, 0x10000 | COUNT), SLOT_NONE);
    assert_int_equal(SlotMapFind(&Map, UINT64_MAX), SLOT_NONE);
    Memory[COUNT].Handle = 0x10000 | COUNT; /* behind the map's memory there may be anything */
    Memory[COUNT].InUse = true;
    assert_int_equal(SlotMapFind(&Map, 0x10000 | COUNT), SLOT_NONE);
}

/* The generation fills 48 bits, and running out of them doesn't touch the slot number. */
static void WrapsTheGeneration(void **State)
{
    SLOT Memory[COUNT];
    SLOT_MAP Map;
    uint64_t Last = (UINT64_MAX << 16) | 3;

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    for (unsigned Index = 0; Index < COUNT; Index++) {
        SlotMapTake(&Map);
    }
    Memory[3].Handle = Last;
    assert_int_equal(SlotMapFind(&Map, Last), 3);
    SlotMapFree(&Map, 3);
    assert_int_equal(SlotMapTake(&Map), 3);
    assert_true(SlotMapHandle(&Map, 3) == 3);
    assert_int_equal(SlotMapFind(&Map, Last), SLOT_NONE);
}

static void HoldsTheMostSlots(void **State)
{
    static SLOT Memory[0xFFFF];
    SLOT_MAP Map;

    (void)State;
    SlotMapInitialize(&Map, Memory, 0xFFFF);
    for (unsigned Index = 0; Index < 0xFFFF; Index++) {
        assert_int_equal(SlotMapTake(&Map), Index);
    }
    assert_int_equal(SlotMapTake(&Map), SLOT_NONE);
    assert_int_equal(SlotMapFind(&Map, SlotMapHandle(&Map, 0xFFFE)), 0xFFFE);
}

static void FreeTwice(void *Argument)
{
    SlotMapFree(Argument, 1);
}

static void FreeBeyond(void *Argument)
{
    SlotMapFree(Argument, COUNT);
}

static void AskForDeadHandle(void *Argument)
{
    SlotMapHandle(Argument, 1);
}

static void CatchesMisuse(void **State)
{
    SLOT Memory[COUNT];
    SLOT_MAP Map;

    (void)State;
    SlotMapInitialize(&Map, Memory, COUNT);
    assert_int_equal(SlotMapTake(&Map), 0);
    assert_true(UnitTraps(FreeTwice, &Map));
    assert_true(UnitTraps(FreeBeyond, &Map));
    assert_true(UnitTraps(AskForDeadHandle, &Map));
    assert_int_equal(SlotMapTake(&Map), 1);
    assert_false(UnitTraps(FreeTwice, &Map));
    assert_false(UnitTraps(AskForDeadHandle, &Map));
    SlotMapFree(&Map, 1);
    assert_true(UnitTraps(FreeTwice, &Map));
    assert_true(UnitTraps(AskForDeadHandle, &Map));
}

int main(void)
{
    const struct CMUnitTest Tests[] = {
        cmocka_unit_test(HandsOutEverySlotOnce),  cmocka_unit_test(LastFreedIsFirstTaken),
        cmocka_unit_test(FindsOnlyLivingHandles), cmocka_unit_test(RefusesForgedHandles),
        cmocka_unit_test(WrapsTheGeneration),     cmocka_unit_test(HoldsTheMostSlots),
        cmocka_unit_test(CatchesMisuse)};

    return cmocka_run_group_tests_name("base.slot_map", Tests, NULL, NULL);
}
