/* SPDX-License-Identifier: LGPL-2.1-only */
/* base/bits.h: lengths on both sides of each power of two. */
#include "unit.h"

#include "base/bits.h"

static void KnowsTheLengthOfEachNumber(void **State)
{
    (void)State;
    assert_int_equal(BitsLength(0), 0);
    for (uint32_t Bit = 0; Bit < 32; Bit++) {
        uint32_t Power = UINT32_C(1) << Bit;
        assert_int_equal(BitsLength(Power), Bit + 1);
        assert_int_equal(BitsLength(Power - 1), Bit);
        assert_int_equal(BitsLength(Power | (Power - 1)), Bit + 1);
    }
}

int main(void)
{
    const struct CMUnitTest Tests[] = {cmocka_unit_test(KnowsTheLengthOfEachNumber)};

    return cmocka_run_group_tests_name("base.bits", Tests, NULL, NULL);
}
