/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Arithmetic on numbers from outside. Each function returns false, and leaves
 * *Result alone, where the mathematical result doesn't fit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool CheckedAdd32(uint32_t Left, uint32_t Right, uint32_t *Result)
{
    if (Right > UINT32_MAX - Left) {
        return false;
    }
    *Result = Left + Right;
    return true;
}

static inline bool CheckedAdd64(uint64_t Left, uint64_t Right, uint64_t *Result)
{
    if (Right > UINT64_MAX - Left) {
        return false;
    }
    *Result = Left + Right;
    return true;
}

static inline bool CheckedMultiply32(uint32_t Left, uint32_t Right, uint32_t *Result)
{
    uint64_t Product = (uint64_t)Left * Right;

    if (Product > UINT32_MAX) {
        return false;
    }
    *Result = (uint32_t)Product;
    return true;
}

static inline bool CheckedMultiply64(uint64_t Left, uint64_t Right, uint64_t *Result)
{
    if (Left != 0 && Right > UINT64_MAX / Left) {
        return false;
    }
    *Result = Left * Right;
    return true;
}

/* Whether [Offset, Offset + Length) lies inside [0, Size). An empty range at Size does. */
static inline bool CheckedRange(uint64_t Offset, uint64_t Length, uint64_t Size)
{
    return Offset <= Size && Length <= Size - Offset;
}

static inline bool IsPowerOfTwo32(uint32_t Value)
{
    return Value != 0 && (Value & (Value - 1)) == 0;
}
