/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A text that grows; see buffer.h.
 */
#include "buffer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for Length more bytes and the terminator. */
static bool BufferRoom(BUFFER *Buffer, size_t Length)
{
    if (Buffer->Failed || Length < Buffer->Size - Buffer->Used) {
        return !Buffer->Failed;
    }
    size_t Size = 2 * (Buffer->Used + Length + 1);
    char *Text = realloc(Buffer->Text, Size);
    Buffer->Failed = Text == NULL;
    if (Buffer->Failed) {
        return false;
    }
    Buffer->Text = Text;
    Buffer->Size = Size;
    return true;
}

void BufferAdd(BUFFER *Buffer, const char *Bytes, size_t Length)
{
    if (BufferRoom(Buffer, Length)) {
        memcpy(Buffer->Text + Buffer->Used, Bytes, Length);
        Buffer->Used += Length;
        Buffer->Text[Buffer->Used] = '\0';
    }
}

void BufferFormat(BUFFER *Buffer, const char *Format, ...)
{
    va_list Arguments;
    va_start(Arguments, Format);
    va_list Again;
    va_copy(Again, Arguments);
    int Length = vsnprintf(NULL, 0, Format, Again);
    va_end(Again);
    if (Length >= 0 && BufferRoom(Buffer, (size_t)Length)) {
        vsnprintf(Buffer->Text + Buffer->Used, (size_t)Length + 1, Format, Arguments);
        Buffer->Used += (size_t)Length;
    }
    va_end(Arguments);
}

void BufferFree(BUFFER *Buffer)
{
    free(Buffer->Text);
    *Buffer = (BUFFER){0};
}
