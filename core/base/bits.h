/* SPDX-License-Identifier: LGPL-2.1-only */
/* Questions about single bits. */
#pragma once

#include <stdint.h>

/* How many bits Value has, without leading zeros: 0 of 0, 1 of 1, 2 of 2 and 3, 32 of 2^31 and above. */
static inline uint32_t BitsLength(uint32_t Value)
{
    uint32_t Length = 0;
    for (uint32_t Step = 16; Step != 0; Step /= 2) {
        if (Value >> Step != 0) {
            Value >>= Step;
            Length += Step;
        }
    }
    return Length + Value;
}
