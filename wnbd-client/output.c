/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing to consoles, files and pipes; see output.h.
 */
#include "output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#include "base/utf8.h"
#include "console.h"

#define LINE_WIDTH 80
#define SUFFIX_MAX 24 /* characters of what a temporary file's name has behind its owner's, with terminator */
#define RENAME_TRIES 20
#define RENAME_PAUSE_MS 50
#define WIDE_MAX 256 /* characters of a text of the driver's */

static volatile LONG FirstFailure;
static void (*ErrorSink)(const char *Text); /* NULL: standard error */

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

/* Writes Text as it is. */
static DWORD StreamWriteExact(DWORD Which, const char *Text)
{
    HANDLE Stream = GetStdHandle(Which);
    size_t LengthBytes = strlen(Text);
    if (Stream == NULL || Stream == INVALID_HANDLE_VALUE || LengthBytes == 0) {
        return ERROR_SUCCESS; /* nobody gave us such a stream, so nobody misses it */
    }
    return ConsoleIs(Stream) ? ConsoleWrite(Stream, Text) : FileWrite(Stream, Text, (DWORD)LengthBytes);
}

static DWORD StreamWrite(DWORD Which, const char *Text)
{
    char *Copy = LineEndsAdd(Text);
    if (Copy == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    DWORD Status = StreamWriteExact(Which, Copy);
    free(Copy);
    return Status;
}

/* Formats a text, for free; NULL: no memory. */
static char *TextFormat(const char *Format, va_list Arguments)
{
    va_list Again;
    va_copy(Again, Arguments);
    int Length = vsnprintf(NULL, 0, Format, Again);
    va_end(Again);
    char *Text = Length >= 0 ? malloc((size_t)Length + 1) : NULL;
    if (Text != NULL) {
        vsnprintf(Text, (size_t)Length + 1, Format, Arguments);
    }
    return Text;
}

static DWORD StreamPrint(DWORD Which, const char *Format, va_list Arguments)
{
    char *Text = TextFormat(Format, Arguments);
    DWORD Status = Text == NULL ? (DWORD)ERROR_NOT_ENOUGH_MEMORY : StreamWrite(Which, Text);
    free(Text);
    return Status;
}

static void StatusKeep(DWORD Status)
{
    if (Status != ERROR_SUCCESS) {
        InterlockedCompareExchange(&FirstFailure, (LONG)Status, 0);
    }
}

void OutputPrint(const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    StatusKeep(StreamPrint(STD_OUTPUT_HANDLE, Format, Arguments));
    va_end(Arguments);
}

void OutputExact(const char *Text)
{
    StatusKeep(StreamWriteExact(STD_OUTPUT_HANDLE, Text));
}

static DWORD FileCreate(const WCHAR *Path, const char *Text)
{
    HANDLE File = CreateFileW(Path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    if (File == INVALID_HANDLE_VALUE) {
        return GetLastError();
    }
    DWORD Status = FileWrite(File, Text, (DWORD)strlen(Text));
    CloseHandle(File);
    return Status;
}

/* Who reads the file may keep it from being replaced meanwhile, which doesn't take long. */
static DWORD FileRename(const WCHAR *From, const WCHAR *To)
{
    DWORD Status = ERROR_SUCCESS;
    for (int Try = 0; Try < RENAME_TRIES; Try++) {
        if (MoveFileExW(From, To, MOVEFILE_REPLACE_EXISTING)) {
            return ERROR_SUCCESS;
        }
        Status = GetLastError();
        if (Status != ERROR_SHARING_VIOLATION && Status != ERROR_ACCESS_DENIED) {
            break;
        }
        Sleep(RENAME_PAUSE_MS);
    }
    return Status;
}

uint32_t OutputReplaceFile(const char *Path, const char *Text)
{
    int Length = MultiByteToWideChar(CP_UTF8, 0, Path, -1, NULL, 0);
    WCHAR *Wide = malloc(((size_t)Length * 2 + SUFFIX_MAX) * sizeof(*Wide));
    if (Wide == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    WCHAR *Beside = Wide + Length;
    MultiByteToWideChar(CP_UTF8, 0, Path, -1, Wide, Length);
    swprintf(Beside, (size_t)Length + SUFFIX_MAX, L"%ls.%lu.tmp", Wide, GetCurrentProcessId());
    DWORD Status = FileCreate(Beside, Text);
    if (Status == ERROR_SUCCESS) {
        Status = FileRename(Beside, Wide);
    }
    if (Status != ERROR_SUCCESS) {
        DeleteFileW(Beside);
    }
    free(Wide);
    return Status;
}

static void SinkPrint(const char *Format, va_list Arguments)
{
    char *Text = TextFormat(Format, Arguments);
    if (Text != NULL) {
        Text[strcspn(Text, "\n")] = '\0';
        ErrorSink(Text);
    }
    free(Text);
}

void OutputError(const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    if (ErrorSink != NULL) {
        SinkPrint(Format, Arguments);
    } else {
        (void)StreamPrint(STD_ERROR_HANDLE, Format, Arguments);
    }
    va_end(Arguments);
}

void OutputErrorTo(void (*Sink)(const char *Text))
{
    ErrorSink = Sink;
}

uint32_t OutputStatus(void)
{
    return (uint32_t)InterlockedCompareExchange(&FirstFailure, 0, 0);
}

/* Returns the length in bytes of the character at Text, of which Available bytes exist; 0 if it can't be shown. */
static size_t CharacterLength(const char *Text, size_t Available)
{
    uint32_t Character;
    size_t Length = Utf8Decode((const uint8_t *)Text, Available, &Character);
    return Length != 0 && !Utf8IsHarmful(Character) ? Length : 0;
}

const char *OutputSafe(char *Buffer, size_t Size, const char *Text, size_t TextSizeBytes)
{
    size_t Used = 0;
    size_t At = 0;
    while (At < TextSizeBytes && Text[At] != '\0') {
        size_t Length = CharacterLength(Text + At, TextSizeBytes - At);
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

const char *OutputSafeWide(char *Buffer, size_t Size, const wchar_t *Text, size_t Length)
{
    char Narrow[WIDE_MAX * 3];
    size_t Count = wcsnlen(Text, Length < WIDE_MAX ? Length : WIDE_MAX);
    int Used =
        Count == 0 ? 0 : WideCharToMultiByte(CP_UTF8, 0, Text, (int)Count, Narrow, (int)sizeof(Narrow), NULL, NULL);
    return OutputSafe(Buffer, Size, Narrow, (size_t)Used);
}

size_t OutputWidth(const char *Text)
{
    size_t Width = 0;
    for (; *Text != '\0'; Text++) {
        Width += !Utf8IsContinuation((uint8_t)*Text);
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
