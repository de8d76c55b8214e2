/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sentences put together in a buffer of fixed size, without the C library's
 * formatting. The buffer always holds terminated, valid UTF-8; what doesn't
 * fit is cut off between characters and replaced by "...".
 *
 * Threads: a TEXT belongs to its caller. IRQL: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_SIZE_MIN 4u

typedef struct {
    char *Buffer;
    size_t Size;   /* bytes of Buffer */
    size_t Length; /* bytes used, without the terminator */
    bool Cut;      /* something didn't fit; everything further is dropped */
} TEXT;

/* Begins an empty text in Buffer, the caller's, of Size bytes (at least TEXT_SIZE_MIN). */
void TextInitialize(TEXT *Text, char *Buffer, size_t Size);

/* Appends a terminated string of our own: valid UTF-8, not checked. */
void TextAppend(TEXT *Text, const char *Words);

/* Appends a number in decimal. */
void TextAppendDecimal(TEXT *Text, uint64_t Value);

/* Appends "0x" and a number in hexadecimal with at least Digits (1 to 16) digits. */
void TextAppendHex(TEXT *Text, uint64_t Value, unsigned Digits);

/*
 * Appends Length bytes from a stranger. Bytes that are not UTF-8 (Unicode
 * 15.0, table 3-7), control characters and characters that turn the direction
 * of writing or end a line appear as U+FFFD, so that a terminal or a log shows
 * one harmless line.
 */
void TextAppendForeign(TEXT *Text, const void *Bytes, size_t Length);
