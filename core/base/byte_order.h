/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Big-endian integers as types. A structure made of them has the layout of a
 * message on the wire or of a CDB: no padding, no alignment, so it may lie
 * anywhere in a buffer, and its fields can't be read without conversion. (The
 * compilers make one instruction of loads byte by byte, but not of stores.)
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "compiler.h"

typedef struct {
    uint8_t Bytes[2];
} BE16;

typedef struct {
    uint8_t Bytes[4];
} BE32;

typedef struct {
    uint8_t Bytes[8];
} BE64;

_Static_assert(sizeof(BE16) == 2 && sizeof(BE32) == 4 && sizeof(BE64) == 8, "no padding");

static inline uint16_t Be16Load(BE16 Value)
{
    return (uint16_t)(((uint32_t)Value.Bytes[0] << 8) | Value.Bytes[1]);
}

static inline uint32_t Be32Load(BE32 Value)
{
    return ((uint32_t)Value.Bytes[0] << 24) | ((uint32_t)Value.Bytes[1] << 16) | ((uint32_t)Value.Bytes[2] << 8) |
           Value.Bytes[3];
}

static inline uint64_t Be64Load(BE64 Value)
{
    return ((uint64_t)Value.Bytes[0] << 56) | ((uint64_t)Value.Bytes[1] << 48) | ((uint64_t)Value.Bytes[2] << 40) |
           ((uint64_t)Value.Bytes[3] << 32) | ((uint64_t)Value.Bytes[4] << 24) | ((uint64_t)Value.Bytes[5] << 16) |
           ((uint64_t)Value.Bytes[6] << 8) | Value.Bytes[7];
}

static inline void Be16Store(BE16 *Field, uint16_t Value)
{
    Field->Bytes[0] = (uint8_t)(Value >> 8);
    Field->Bytes[1] = (uint8_t)Value;
}

static inline void Be32Store(BE32 *Field, uint32_t Value)
{
    uint32_t Swapped = COMPILER_SWAP32(Value);

    memcpy(Field->Bytes, &Swapped, sizeof(Swapped));
}

static inline void Be64Store(BE64 *Field, uint64_t Value)
{
    uint64_t Swapped = COMPILER_SWAP64(Value);

    memcpy(Field->Bytes, &Swapped, sizeof(Swapped));
}
