/* SPDX-License-Identifier: LGPL-2.1-only */
/* base/byte_order.h: the first byte is the most significant one, at any address. */
#include "unit.h"

#include "base/byte_order.h"

static void StoresBigEndian(void **State)
{
    static const uint8_t Expected[] = {0x12, 0x34, 0x89, 0xAB, 0xCD, 0xEF, 0xFE,
                                       0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10};
    struct {
        BE16 Small;
        BE32 Middle;
        BE64 Large;
    } Message;

    (void)State;
    Be16Store(&Message.Small, 0x1234);
    Be32Store(&Message.Middle, 0x89ABCDEF);
    Be64Store(&Message.Large, 0xFEDCBA9876543210u);
    assert_int_equal(sizeof(Message), sizeof(Expected));
    assert_memory_equal(&Message, Expected, sizeof(Expected));
}

static void LoadsBigEndian(void **State)
{
    static const uint8_t Bytes[] = {0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA, 0xF9, 0xF8, 0xF7};

    (void)State;
    assert_int_equal(Be16Load(*(const BE16 *)&Bytes[1]), 0xFEFD);
    assert_int_equal(Be32Load(*(const BE32 *)&Bytes[1]), 0xFEFDFCFB);
    assert_true(Be64Load(*(const BE64 *)&Bytes[1]) == 0xFEFDFCFBFAF9F8F7u);
}

int main(void)
{
    const struct CMUnitTest Tests[] = {cmocka_unit_test(StoresBigEndian), cmocka_unit_test(LoadsBigEndian)};

    return cmocka_run_group_tests_name("base.byte_order", Tests, NULL, NULL);
}
