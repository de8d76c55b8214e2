/* SPDX-License-Identifier: LGPL-2.1-only */
/* Text in buffers of fixed size; see text.h. */
#include "text.h"

#include <string.h>

#include "invariant.h"
#include "utf8.h"

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

/* Ends the text with an ellipsis in place of as many whole characters as it needs. */
static void TextCut(TEXT *Text)
{
    size_t Keep = Text->Size - sizeof(Ellipsis);

    if (Text->Length > Keep) {
        while (Keep > 0 && Utf8IsContinuation((uint8_t)Text->Buffer[Keep])) {
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

        while (Utf8IsContinuation((uint8_t)Words[Length])) {
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

void TextAppendForeign(TEXT *Text, const void *Bytes, size_t Length)
{
    const uint8_t *Next = Bytes;

    while (Length > 0) {
        uint32_t Character = 0;
        size_t Size = Utf8Decode(Next, Length, &Character);

        if (Size == 0) {
            Size = 1;
            TextAppendCharacter(Text, ReplacementCharacter, sizeof(ReplacementCharacter) - 1);
        } else if (Utf8IsHarmful(Character)) {
            TextAppendCharacter(Text, ReplacementCharacter, sizeof(ReplacementCharacter) - 1);
        } else {
            TextAppendCharacter(Text, Next, Size);
        }
        Next += Size;
        Length -= Size;
    }
}
