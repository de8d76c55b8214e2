/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing to consoles, files and pipes; see output.h.
 */
#include "output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#define LINE_WIDTH 80

static volatile LONG FirstFailure;

static DWORD ConsoleWrite(HANDLE Stream, const char *Text, int LengthBytes)
{
    int Length = MultiByteToWideChar(CP_UTF8, 0, Text, LengthBytes, NULL, 0);
    WCHAR *Wide = Length > 0 ? malloc((size_t)Length * sizeof(*Wide)) : NULL;
    if (Wide == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    MultiByteToWideChar(CP_UTF8, 0, Text, LengthBytes, Wide, Length);
    DWORD Written;
    DWORD Status = WriteConsoleW(Stream, Wide, (DWORD)Length, &Written, NULL) ? ERROR_SUCCESS : GetLastError();
    free(Wide);
    return Status;
}

static DWORD FileWrite(HANDLE Stream, const char *Text, DWORD LengthBytes)
{
    while (LengthBytes > 0) {
        DWORD Written = 0;
        if (!WriteFile(Stream, Text, LengthBytes, &Written, NULL)) {
            return GetLastError();
        }
        if (Written == 0) {
            return ERROR_WRITE_FAULT;
        }
        Text += Written;
        LengthBytes -= Written;
    }
    return ERROR_SUCCESS;
}

/* Returns a copy of Text with CR LF line ends; the caller frees it. NULL: no memory. */
static char *LineEndsAdd(const char *Text)
{
    size_t Lines = 0;
    for (const char *At = Text; *At != '\0'; At++) {
        Lines += *At == '\n';
    }
    char *Copy = malloc(strlen(Text) + Lines + 1);
    if (Copy == NULL) {
        return NULL;
    }
    char *To = Copy;
    for (const char *At = Text; *At != '\0'; At++) {
        if (*At == '\n') {
            *To++ = '\r';
        }
        *To++ = *At;
    }
    *To = '\0';
    return Copy;
}

static DWORD StreamWrite(DWORD Which, const char *Text)
{
    HANDLE Stream = GetStdHandle(Which);
    if (Stream == NULL || Stream == INVALID_HANDLE_VALUE) {
        return ERROR_SUCCESS; /* nobody gave us such a stream, so nobody misses it */
    }
    char *Copy = LineEndsAdd(Text);
    if (Copy == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    DWORD Mode;
    size_t LengthBytes = strlen(Copy);
    DWORD Status = ERROR_SUCCESS;
    if (LengthBytes > 0) {
        Status = GetConsoleMode(Stream, &Mode) ? ConsoleWrite(Stream, Copy, (int)LengthBytes)
                                               : FileWrite(Stream, Copy, (DWORD)LengthBytes);
    }
    free(Copy);
    return Status;
}

static DWORD StreamPrint(DWORD Which, const char *Format, va_list Arguments)
{
    va_list Again;
    va_copy(Again, Arguments);
    int Length = vsnprintf(NULL, 0, Format, Again);
    va_end(Again);
    char *Text = Length >= 0 ? malloc((size_t)Length + 1) : NULL;
    if (Text == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    vsnprintf(Text, (size_t)Length + 1, Format, Arguments);
    DWORD Status = StreamWrite(Which, Text);
    free(Text);
    return Status;
}

void OutputPrint(const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    DWORD Status = StreamPrint(STD_OUTPUT_HANDLE, Format, Arguments);
    va_end(Arguments);
    if (Status != ERROR_SUCCESS) {
        InterlockedCompareExchange(&FirstFailure, (LONG)Status, 0);
    }
}

void OutputError(const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    (void)StreamPrint(STD_ERROR_HANDLE, Format, Arguments);
    va_end(Arguments);
}

uint32_t OutputStatus(void)
{
    return (uint32_t)InterlockedCompareExchange(&FirstFailure, 0, 0);
}

/* Ends a line, or turns the direction of writing: what follows would be shown as something else. */
static bool TurnsText(uint32_t Code)
{
    return Code == 0x061C || Code == 0x200E || Code == 0x200F || (Code >= 0x2028 && Code <= 0x202E) ||
           (Code >= 0x2066 && Code <= 0x2069);
}

/*
 * Returns the length in bytes of the UTF-8 character at Text, of which Available bytes exist; 0 if it is malformed
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), a control character (C0, DEL, C1) or one that
 * TurnsText.
 */
static size_t CharacterLength(const unsigned char *Text, size_t Available)
{
    static const uint32_t Smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char First = Text[0];
    if (First < 0x80) {
        return First >= 0x20 && First != 0x7F;
    }
    size_t Length = First >= 0xF0 ? 4 : First >= 0xE0 ? 3 : 2;
    if (First < 0xC0 || First > 0xF7 || Length > Available) {
        return 0;
    }
    uint32_t Code = First & (0xFFu >> (Length + 1));
    for (size_t Index = 1; Index < Length; Index++) {
        if ((Text[Index] & 0xC0) != 0x80) {
            return 0;
        }
        Code = Code << 6 | (Text[Index] & 0x3F);
    }
    bool Valid = Code >= Smallest[Length] && Code >= 0xA0 && Code <= 0x10FFFF && (Code < 0xD800 || Code > 0xDFFF);
    return Valid && !TurnsText(Code) ? Length : 0;
}

const char *OutputSafe(char *Buffer, size_t Size, const char *Text, size_t TextSizeBytes)
{
    size_t Used = 0;
    size_t At = 0;
    while (At < TextSizeBytes && Text[At] != '\0') {
        size_t Length = CharacterLength((const unsigned char *)Text + At, TextSizeBytes - At);
        size_t Needed = Length == 0 ? 1 : Length;
        if (Used + Needed >= Size) {
            break;
        }
        if (Length == 0) {
            Buffer[Used] = '?';
        } else {
            memcpy(Buffer + Used, Text + At, Length);
        }
        Used += Needed;
        At += Needed;
    }
    Buffer[Used] = '\0';
    return Buffer;
}

size_t OutputWidth(const char *Text)
{
    size_t Width = 0;
    for (; *Text != '\0'; Text++) {
        Width += ((unsigned char)*Text & 0xC0) != 0x80;
    }
    return Width;
}

void OutputWrapped(const char *Text, size_t Column, size_t Indent)
{
    size_t Margin = 0; /* the first line starts where it stands */
    while (*Text != '\0') {
        size_t Length = strcspn(Text, " ");
        while (Text[Length] != '\0') {
            size_t Next = Length + 1 + strcspn(Text + Length + 1, " ");
            if (Column + Next > LINE_WIDTH) {
                break;
            }
            Length = Next;
        }
        OutputPrint("%*s%.*s\n", (int)Margin, "", (int)Length, Text);
        Text += Length;
        Text += *Text == ' ';
        Column = Indent;
        Margin = Indent;
    }
}
