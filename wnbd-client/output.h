/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Output of wnbd-client. All text in the program is UTF-8. On a console it is written as UTF-16, so that it
 * shows right whatever the console's code page is; into a file or pipe it goes as UTF-8 with CR LF line ends, as
 * Windows text has them. Each call is one write: lines of several threads do not mix.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

/* Writes formatted text to standard output. A failure is kept for OutputStatus. Any thread. */
void OutputPrint(const char *Format, ...) PRINTF_LIKE(1, 2);

/* The same for standard error; its failures are ignored, as there is nowhere left to report them. */
void OutputError(const char *Format, ...) PRINTF_LIKE(1, 2);

/* From now on gives what OutputError writes to Sink instead, without its line end: a service has no standard error. */
void OutputErrorTo(void (*Sink)(const char *Text));

/* Writes Text to standard output as it is, with its own line ends, for programs. A failure is kept for OutputStatus. */
void OutputExact(const char *Text);

/*
 * Makes Text the content of the file Path (UTF-8) as it is: another file beside it is written first and then takes its
 * name, so that who reads Path finds the old content or the new one. Returns a Win32 error code, 0 for success.
 */
uint32_t OutputReplaceFile(const char *Path, const char *Text);

/* Returns the Win32 code of the first write to standard output that failed, 0 if none did. */
uint32_t OutputStatus(void);

/*
 * Makes Text, of at most TextSizeBytes bytes (less if it is terminated earlier), safe to show: control characters,
 * those that turn the direction of writing and bytes that are not UTF-8 become '?'. What comes from a server or the
 * driver passes through here, so that it can neither forge lines nor steer a terminal. Cuts at a character boundary
 * when Size, at least 1, is too small. Returns Buffer, terminated.
 */
const char *OutputSafe(char *Buffer, size_t Size, const char *Text, size_t TextSizeBytes);

/* The same for UTF-16, at most Length characters of it. */
const char *OutputSafeWide(char *Buffer, size_t Size, const wchar_t *Text, size_t Length);

/* Returns the number of code points of the UTF-8 string Text: what a column's width counts. */
size_t OutputWidth(const char *Text);

/*
 * Writes Text, words separated by one blank, not empty, wrapped at 80 columns. The first line starts at column Column
 * (text before it has been written), the others are indented by Indent. Ends the line.
 */
void OutputWrapped(const char *Text, size_t Column, size_t Indent);
