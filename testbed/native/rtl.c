/* SPDX-License-Identifier: LGPL-2.1-only */
/* Strings: UTF-16 and UTF-8. */
#include "internal.h"

/* One code point of UTF-8; replaces what is malformed by U+FFFD and says so. */
static uint32_t Utf8Next(const char **Source, const char *End, bool *Replaced)
{
    const unsigned char *Bytes = (const unsigned char *)*Source;
    size_t Left = (size_t)(End - *Source), Need = 0;
    uint32_t Point = Bytes[0], Least = 0;
    if (Point < 0x80) {
        (*Source)++;
        return Point;
    }
    if (Point >= 0xC2 && Point < 0xE0) {
        Need = 1, Point &= 0x1F, Least = 0x80;
    } else if (Point >= 0xE0 && Point < 0xF0) {
        Need = 2, Point &= 0x0F, Least = 0x800;
    } else if (Point >= 0xF0 && Point < 0xF5) {
        Need = 3, Point &= 0x07, Least = 0x10000;
    }
    size_t Index = 1;
    while (Index <= Need && Index < Left && (Bytes[Index] & 0xC0) == 0x80) {
        Point = Point << 6 | (Bytes[Index++] & 0x3F);
    }
    *Source += Index;
    if (Need == 0 || Index <= Need || Point < Least || Point > 0x10FFFF || (Point >= 0xD800 && Point < 0xE000)) {
        *Replaced = true;
        return 0xFFFD;
    }
    return Point;
}

static uint32_t Utf16Next(const WCHAR **Source, const WCHAR *End, bool *Replaced)
{
    uint32_t Unit = *(*Source)++;
    if (Unit >= 0xD800 && Unit < 0xDC00 && *Source < End && **Source >= 0xDC00 && **Source < 0xE000) {
        return 0x10000 + ((Unit - 0xD800) << 10) + (uint32_t)(*(*Source)++ - 0xDC00);
    }
    if (Unit >= 0xD800 && Unit < 0xE000) {
        *Replaced = true;
        return 0xFFFD;
    }
    return Unit;
}

static size_t Utf8Put(char *Destination, uint32_t Point)
{
    if (Point < 0x80) {
        Destination[0] = (char)Point;
        return 1;
    }
    if (Point < 0x800) {
        Destination[0] = (char)(0xC0 | Point >> 6);
        Destination[1] = (char)(0x80 | (Point & 0x3F));
        return 2;
    }
    if (Point < 0x10000) {
        Destination[0] = (char)(0xE0 | Point >> 12);
        Destination[1] = (char)(0x80 | (Point >> 6 & 0x3F));
        Destination[2] = (char)(0x80 | (Point & 0x3F));
        return 3;
    }
    Destination[0] = (char)(0xF0 | Point >> 18);
    Destination[1] = (char)(0x80 | (Point >> 12 & 0x3F));
    Destination[2] = (char)(0x80 | (Point >> 6 & 0x3F));
    Destination[3] = (char)(0x80 | (Point & 0x3F));
    return 4;
}

/* [rtlutf8tounicoden]: Destination NULL asks for the size; STATUS_SOME_NOT_MAPPED: something was replaced. */
NTSTATUS RtlUTF8ToUnicodeN(PWSTR Destination, ULONG SizeBytes, PULONG UsedBytes, PCSTR Source, ULONG SourceBytes)
{
    NT_ENTER(PASSIVE_LEVEL);
    const char *End = Source + SourceBytes;
    ULONG Used = 0;
    bool Replaced = false;
    NTSTATUS Status = STATUS_SUCCESS;
    while (Source < End) {
        uint32_t Point = Utf8Next(&Source, End, &Replaced);
        ULONG Need = Point >= 0x10000 ? 4 : 2;
        if (Destination != NULL && Used + Need > SizeBytes) {
            Status = STATUS_BUFFER_TOO_SMALL;
            break;
        }
        if (Destination != NULL && Need == 4) {
            Destination[Used / 2] = (WCHAR)(0xD800 + ((Point - 0x10000) >> 10));
            Destination[Used / 2 + 1] = (WCHAR)(0xDC00 + ((Point - 0x10000) & 0x3FF));
        } else if (Destination != NULL) {
            Destination[Used / 2] = (WCHAR)Point;
        }
        Used += Need;
    }
    if (UsedBytes != NULL) {
        *UsedBytes = Used;
    }
    return Status == STATUS_SUCCESS && Replaced ? STATUS_SOME_NOT_MAPPED : Status;
}

NTSTATUS RtlUnicodeToUTF8N(PSTR Destination, ULONG SizeBytes, PULONG UsedBytes, PCWSTR Source, ULONG SourceBytes)
{
    NT_ENTER(PASSIVE_LEVEL);
    const WCHAR *End = Source + SourceBytes / sizeof(WCHAR);
    ULONG Used = 0;
    bool Replaced = false;
    NTSTATUS Status = STATUS_SUCCESS;
    while (Source < End) {
        char Bytes[4];
        ULONG Need = (ULONG)Utf8Put(Bytes, Utf16Next(&Source, End, &Replaced));
        if (Destination != NULL && Used + Need > SizeBytes) {
            Status = STATUS_BUFFER_TOO_SMALL;
            break;
        }
        if (Destination != NULL) {
            memcpy(Destination + Used, Bytes, Need);
        }
        Used += Need;
    }
    if (UsedBytes != NULL) {
        *UsedBytes = Used;
    }
    return Status == STATUS_SUCCESS && Replaced ? STATUS_SOME_NOT_MAPPED : Status;
}

void TextFromWide(char *Destination, size_t Size, const WCHAR *Source, size_t Characters)
{
    const WCHAR *End = Source + Characters;
    size_t Used = 0;
    bool Replaced = false;
    while (Source < End && Used + 5 < Size) {
        Used += Utf8Put(Destination + Used, Utf16Next(&Source, End, &Replaced));
    }
    Destination[Used] = '\0';
}

void TextToWide(WCHAR *Destination, size_t Characters, const char *Source)
{
    size_t Used = 0;
    while (Source[Used] != '\0' && Used + 1 < Characters) {
        Destination[Used] = (unsigned char)Source[Used];
        Used++;
    }
    Destination[Used] = 0;
}

static int TextLower(int Character)
{
    return Character >= 'A' && Character <= 'Z' ? Character + 32 : Character;
}

bool TextEqualNoCase(const char *A, const char *B)
{
    while (*A != '\0' && TextLower(*A) == TextLower(*B)) {
        A++;
        B++;
    }
    return TextLower(*A) == TextLower(*B);
}

SIZE_T NativeWcslen(const WCHAR *Text)
{
    SIZE_T Length = 0;
    while (Text[Length] != 0) {
        Length++;
    }
    return Length;
}

SIZE_T RtlCompareMemory(const VOID *A, const VOID *B, SIZE_T Length)
{
    const UCHAR *Left = A, *Right = B;
    SIZE_T Equal = memcmp(A, B, Length) == 0 ? Length : 0;
    while (Equal < Length && Left[Equal] == Right[Equal]) {
        Equal++;
    }
    return Equal;
}

VOID RtlInitUnicodeString(PUNICODE_STRING Destination, PCWSTR Source)
{
    NT_ENTER(DISPATCH_LEVEL);
    SIZE_T Length = Source == NULL ? 0 : NativeWcslen(Source) * sizeof(WCHAR);
    Destination->Length = (USHORT)Length;
    Destination->MaximumLength = (USHORT)(Source == NULL ? 0 : Length + sizeof(WCHAR));
    Destination->Buffer = (PWSTR)Source;
}

VOID RtlFreeUnicodeString(PUNICODE_STRING String)
{
    NT_ENTER(PASSIVE_LEVEL);
    if (String->Buffer != NULL) {
        ExFreePool(String->Buffer);
    }
    *String = (UNICODE_STRING){0, 0, NULL};
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
    if (KeGetCurrentIrql() > APC_LEVEL) {
        PoolCheckResident(Destination->Buffer, __func__);
    }
    SIZE_T Added = NativeWcslen(Source) * sizeof(WCHAR), Length = Destination->Length + Added;
    if (Length > Destination->MaximumLength) {
        return STATUS_BUFFER_TOO_SMALL;
    }
    memcpy((PCHAR)Destination->Buffer + Destination->Length, Source, Added);
    Destination->Length = (USHORT)Length;
    if (Length + sizeof(WCHAR) <= Destination->MaximumLength) {
        Destination->Buffer[Length / sizeof(WCHAR)] = 0;
    }
    return STATUS_SUCCESS;
}
