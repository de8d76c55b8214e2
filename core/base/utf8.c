/* SPDX-License-Identifier: LGPL-2.1-only */
/* Characters in UTF-8; see utf8.h. */
#include "utf8.h"

#include <string.h>

bool Utf8IsContinuation(uint8_t Byte)
{
    return (Byte & 0xC0) == 0x80;
}

size_t Utf8Decode(const uint8_t *Bytes, size_t Length, uint32_t *Character)
{
    static const uint32_t Smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t Size;
    uint32_t Value;

    if (Bytes[0] < 0x80) {
        *Character = Bytes[0];
        return 1;
    }
    if (Bytes[0] < 0xC0 || Bytes[0] >= 0xF8) {
        return 0;
    }
    Size = Bytes[0] < 0xE0 ? 2 : Bytes[0] < 0xF0 ? 3 : 4;
    if (Size > Length) {
        return 0;
    }
    Value = Bytes[0] & (0x7Fu >> Size);
    for (size_t Index = 1; Index < Size; Index++) {
        if (!Utf8IsContinuation(Bytes[Index])) {
            return 0;
        }
        Value = (Value << 6) | (Bytes[Index] & 0x3Fu);
    }
    if (Value < Smallest[Size] || Value > 0x10FFFF || (Value >= 0xD800 && Value <= 0xDFFF)) {
        return 0;
    }
    *Character = Value;
    return Size;
}

bool Utf8IsHarmful(uint32_t Character)
{
    return Character < 0x20 || (Character >= 0x7F && Character <= 0x9F) ||      /* controls C0, DEL, C1 */
           Character == 0x061C || Character == 0x200E || Character == 0x200F || /* direction marks */
           (Character >= 0x2028 && Character <= 0x202E) ||                      /* separators, direction embeddings */
           (Character >= 0x2066 && Character <= 0x2069);                        /* direction isolates */
}

bool Utf8IsName(const char *Name)
{
    const uint8_t *Next = (const uint8_t *)Name;
    size_t Length = strlen(Name);

    while (Length > 0) {
        uint32_t Character;
        size_t Size = Utf8Decode(Next, Length, &Character);

        if (Size == 0 || Utf8IsHarmful(Character)) {
            return false;
        }
        Next += Size;
        Length -= Size;
    }
    return true;
}
