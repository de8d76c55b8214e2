/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What is shown where somebody watches: text in colours, and a line about what goes on that vanishes with the next
 * output. Nothing of this file changes what goes into files and pipes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <windows.h>

/* Whether Stream is a console. */
bool ConsoleIs(HANDLE Stream);

/*
 * Writes Text (UTF-8, with CR LF line ends) to the console Stream, as UTF-16, in place of a line of ConsoleTransient's.
 * The name of this program at its beginning is in red, with "warning:" behind it in yellow, unless the environment has
 * NO_COLOR (https://no-color.org) or TERM is "dumb". Returns a Win32 error code, 0 for success. Any thread.
 */
DWORD ConsoleWrite(HANDLE Stream, const char *Text);

/*
 * Shows Text (ASCII, no line end) in the last line of the console that standard error is, in place of the one that was
 * shown before; an empty one takes that away. Does nothing if it is no console. Any thread.
 */
void ConsoleTransient(const char *Text);
