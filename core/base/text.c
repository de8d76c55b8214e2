/* SPDX-License-Identifier: LGPL-2.1-only */
/* Text in buffers of fixed size; see text.h. */
#include "text.h"

#include <string.h>

#include "invariant.h"

static const char ReplacementCharacter[] = "\xEF\xBF\xBD"; /* U+FFFD */
static const char Ellipsis[] = "...";

void TextInitialize(TEXT *Text, char *Buffer, size_t Size)
{
    INVARIANT(Size >= TEXT_SIZE_MIN);
    Text->Buffer = Buffer;
    Text->Size = Size;
    Text->Length = 0;
    Text->Cut = false;
    Buffer[0] = '\0';
}

static bool IsContinuation(uint8_t Byte)
{
    return (Byte & 0xC0) == 0x80;
}

/* Ends the text with an ellipsis in place of as many whole characters as it needs. */
static void TextCut(TEXT *Text)
{
    size_t Keep = Text->Size - sizeof(Ellipsis);

    if (Text->Length > Keep) {
        while (Keep > 0 && IsContinuation((uint8_t)Text->Buffer[Keep])) {
            Keep--;
        }
        Text->Length = Keep;
    }
    memcpy(Text->Buffer + Text->Length, Ellipsis, sizeof(Ellipsis));
    Text->Length += sizeof(Ellipsis) - 1;
    Text->Cut = true;
}

/* Appends one character, given as its UTF-8 bytes. */
static void TextAppendCharacter(TEXT *Text, const void *Bytes, size_t Length)
{
    if (Text->Cut) {
        return;
    }
    if (Length >= Text->Size - Text->Length) {
        TextCut(Text);
        return;
    }
    memcpy(Text->Buffer + Text->Length, Bytes, Length);
    Text->Length += Length;
    Text->Buffer[Text->Length] = '\0';
}

void TextAppend(TEXT *Text, const char *Words)
{
    while (*Words != '\0') {
        size_t Length = 1;

        while (IsContinuation((uint8_t)Words[Length])) {
            Length++;
        }
        TextAppendCharacter(Text, Words, Length);
        Words += Length;
    }
}

/* Appends Value in Base, with at least Digits digits. */
static void TextAppendNumber(TEXT *Text, uint64_t Value, unsigned Base, unsigned Digits)
{
    char Number[20]; /* 2^64 - 1 has 20 decimal digits */
    size_t Start = sizeof(Number);

    INVARIANT(Digits >= 1 && Digits <= sizeof(Number));
    do {
        Number[--Start] = "0123456789abcdef"[Value % Base];
        Value /= Base;
    } while (Value != 0 || sizeof(Number) - Start < Digits);
    while (Start < sizeof(Number)) {
        TextAppendCharacter(Text, &Number[Start++], 1);
    }
}

void TextAppendDecimal(TEXT *Text, uint64_t Value)
{
    TextAppendNumber(Text, Value, 10, 1);
}

void TextAppendHex(TEXT *Text, uint64_t Value, unsigned Digits)
{
    TextAppend(Text, "0x");
    TextAppendNumber(Text, Value, 16, Digits);
}

/*
 * Decodes the character at Bytes (Length of them, at least one) and returns
 * its length in bytes, 0 if there is no well-formed one.
 */
static size_t Utf8Decode(const uint8_t *Bytes, size_t Length, uint32_t *Character)
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
        if (!IsContinuation(Bytes[Index])) {
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

/* Whether a character does something to the line that it is shown in. */
static bool IsHarmful(uint32_t Character)
{
    return Character < 0x20 || (Character >= 0x7F && Character <= 0x9F) ||      /* controls C0, DEL, C1 */
           Character == 0x061C || Character == 0x200E || Character == 0x200F || /* direction marks */
           (Character >= 0x2028 && Character <= 0x202E) ||                      /* separators, direction embeddings */
           (Character >= 0x2066 && Character <= 0x2069);                        /* direction isolates */
}

void TextAppendForeign(TEXT *Text, const void *Bytes, size_t Length)
{
    const uint8_t *Next = Bytes;

    while (Length > 0) {
        uint32_t Character = 0;
        size_t Size = Utf8Decode(Next, Length, &Character);

        if (Size == 0) {
            Size = 1;
            TextAppendCharacter(Text, ReplacementCharacter, sizeof(ReplacementCharacter) - 1);
        } else if (IsHarmful(Character)) {
            TextAppendCharacter(Text, ReplacementCharacter, sizeof(ReplacementCharacter) - 1);
        } else {
            TextAppendCharacter(Text, Next, Size);
        }
        Next += Size;
        Length -= Size;
    }
}
