/* SPDX-License-Identifier: LGPL-2.1-only */
/* base/checked.h: the edges of what fits. */
#include "unit.h"

#include "base/checked.h"

static void AddsUpToTheEdge(void **State)
{
    uint32_t Small = 7;
    uint64_t Large = 7;

    (void)State;
    assert_false(CheckedAdd32(UINT32_MAX, 1, &Small));
    assert_false(CheckedAdd32(1, UINT32_MAX, &Small));
    assert_int_equal(Small, 7);
    assert_true(CheckedAdd32(UINT32_MAX - 1, 1, &Small));
    assert_int_equal(Small, UINT32_MAX);
    assert_false(CheckedAdd64(UINT64_MAX, 1, &Large));
    assert_false(CheckedAdd64(1, UINT64_MAX, &Large));
    assert_int_equal(Large, 7);
    assert_true(CheckedAdd64(UINT64_MAX, 0, &Large));
    assert_true(Large == UINT64_MAX);
}

static void MultipliesUpToTheEdge(void **State)
{
    uint32_t Small = 7;
    uint64_t Large = 7;

    (void)State;
    assert_false(CheckedMultiply32(0x10000, 0x10000, &Small));
    assert_int_equal(Small, 7);
    assert_true(CheckedMultiply32(0xFFFF, 0x10001, &Small));
    assert_int_equal(Small, UINT32_MAX);
    assert_false(CheckedMultiply64(UINT64_C(1) << 32, UINT64_C(1) << 32, &Large));
    assert_int_equal(Large, 7);
    assert_true(CheckedMultiply64(UINT64_C(0xFFFFFFFF), UINT64_C(0x100000001), &Large));
    assert_true(Large == UINT64_MAX);
    assert_true(CheckedMultiply64(0, UINT64_MAX, &Large));
    assert_int_equal(Large, 0);
    assert_true(CheckedMultiply64(UINT64_MAX, 0, &Large));
    assert_int_equal(Large, 0);
}

static void KnowsWhatLiesInside(void **State)
{
    (void)State;
    assert_true(CheckedRange(0, 10, 10));
    assert_true(CheckedRange(10, 0, 10));
    assert_true(CheckedRange(9, 1, 10));
    assert_false(CheckedRange(9, 2, 10));
    assert_false(CheckedRange(11, 0, 10));
    assert_false(CheckedRange(UINT64_MAX, 2, 10));
    assert_false(CheckedRange(1, UINT64_MAX, UINT64_MAX));
}

static void KnowsPowersOfTwo(void **State)
{
    (void)State;
    assert_false(IsPowerOfTwo32(0));
    assert_true(IsPowerOfTwo32(1));
    assert_false(IsPowerOfTwo32(3));
    assert_true(IsPowerOfTwo32(0x80000000u));
    assert_false(IsPowerOfTwo32(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest Tests[] = {cmocka_unit_test(AddsUpToTheEdge), cmocka_unit_test(MultipliesUpToTheEdge),
                                       cmocka_unit_test(KnowsWhatLiesInside), cmocka_unit_test(KnowsPowersOfTwo)};

    return cmocka_run_group_tests_name("base.checked", Tests, NULL, NULL);
}
