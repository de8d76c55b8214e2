/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writing to consoles; see console.h. Colours are the console's own attributes: they need no escape sequences, which
 * consoles of Windows 10 take only in a mode that other programs would be left with.
 */
#include "console.h"

#include <stdlib.h>
#include <string.h>

#define ERROR_BEGIN "wnbd-client:"
#define WARNING_BEGIN ERROR_BEGIN " warning:"
#define RED (FOREGROUND_RED | FOREGROUND_INTENSITY)
#define YELLOW (FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_INTENSITY)
#define FOREGROUND (FOREGROUND_RED | FOREGROUND_GREEN | FOREGROUND_BLUE | FOREGROUND_INTENSITY)
#define TRANSIENT_SIZE 120

static SRWLOCK Lock = SRWLOCK_INIT;
static char Shown[TRANSIENT_SIZE]; /* by ConsoleTransient; under Lock */

bool ConsoleIs(HANDLE Stream)
{
    DWORD Mode;
    return GetConsoleMode(Stream, &Mode) != 0;
}

static DWORD Write(HANDLE Stream, const char *Text, size_t LengthBytes)
{
    int Length = MultiByteToWideChar(CP_UTF8, 0, Text, (int)LengthBytes, NULL, 0);
    if (Length <= 0) {
        return ERROR_SUCCESS;
    }
    WCHAR *Wide = malloc((size_t)Length * sizeof(*Wide));
    if (Wide == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    MultiByteToWideChar(CP_UTF8, 0, Text, (int)LengthBytes, Wide, Length);
    DWORD Written;
    DWORD Status = WriteConsoleW(Stream, Wide, (DWORD)Length, &Written, NULL) ? ERROR_SUCCESS : GetLastError();
    free(Wide);
    return Status;
}

static bool ColoursAreWanted(void)
{
    WCHAR Value[8];
    DWORD Size = sizeof(Value) / sizeof(Value[0]);
    if (GetEnvironmentVariableW(L"NO_COLOR", Value, Size) != 0) {
        return false;
    }
    DWORD Length = GetEnvironmentVariableW(L"TERM", Value, Size);
    return Length == 0 || Length >= Size || wcscmp(Value, L"dumb") != 0;
}

/* How many bytes at the beginning of Text have a colour, and which. */
static size_t ColouredBytes(const char *Text, WORD *Colour)
{
    *Colour = YELLOW;
    if (strncmp(Text, WARNING_BEGIN, strlen(WARNING_BEGIN)) == 0) {
        return strlen(WARNING_BEGIN);
    }
    *Colour = RED;
    return strncmp(Text, ERROR_BEGIN " ", strlen(ERROR_BEGIN " ")) == 0 ? strlen(ERROR_BEGIN) : 0;
}

/* Writes what has a colour; returns its length. */
static size_t WriteColoured(HANDLE Stream, const char *Text)
{
    CONSOLE_SCREEN_BUFFER_INFO Info;
    WORD Colour;
    size_t Bytes = ColouredBytes(Text, &Colour);
    if (Bytes == 0 || !ColoursAreWanted() || !GetConsoleScreenBufferInfo(Stream, &Info)) {
        return 0;
    }
    SetConsoleTextAttribute(Stream, (WORD)((Info.wAttributes & ~FOREGROUND) | Colour));
    DWORD Status = Write(Stream, Text, Bytes);
    SetConsoleTextAttribute(Stream, Info.wAttributes);
    return Status == ERROR_SUCCESS ? Bytes : 0;
}

/* Takes away the line that is shown. Under Lock. */
static void TransientErase(HANDLE Stream)
{
    char Line[TRANSIENT_SIZE + 2];
    size_t Length = strlen(Shown);
    if (Length != 0) {
        Line[0] = '\r';
        memset(Line + 1, ' ', Length);
        Line[Length + 1] = '\r';
        Write(Stream, Line, Length + 2);
        Shown[0] = '\0';
    }
}

DWORD ConsoleWrite(HANDLE Stream, const char *Text)
{
    AcquireSRWLockExclusive(&Lock);
    TransientErase(Stream);
    Text += WriteColoured(Stream, Text);
    DWORD Status = Write(Stream, Text, strlen(Text));
    ReleaseSRWLockExclusive(&Lock);
    return Status;
}

void ConsoleTransient(const char *Text)
{
    HANDLE Stream = GetStdHandle(STD_ERROR_HANDLE);
    CONSOLE_SCREEN_BUFFER_INFO Info;
    if (!GetConsoleScreenBufferInfo(Stream, &Info)) {
        return;
    }
    AcquireSRWLockExclusive(&Lock);
    TransientErase(Stream);
    size_t Width = Info.dwSize.X > 1 ? (size_t)Info.dwSize.X - 1 : 0; /* the last column would begin a new line */
    size_t Length = strlen(Text) < Width ? strlen(Text) : Width;
    Length = Length < sizeof(Shown) ? Length : sizeof(Shown) - 1;
    memcpy(Shown, Text, Length);
    Shown[Length] = '\0';
    Write(Stream, Shown, Length);
    ReleaseSRWLockExclusive(&Lock);
}
