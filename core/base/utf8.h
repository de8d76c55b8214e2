/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Characters in UTF-8 (Unicode 15.0, table 3-7), and which of them can stand
 * in a name. Threads, IRQL: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the byte is not the first one of its character. */
bool Utf8IsContinuation(uint8_t Byte);

/*
 * Decodes the character at Bytes (Length of them, at least one) and returns
 * its length in bytes, 0 if there is no well-formed one.
 */
size_t Utf8Decode(const uint8_t *Bytes, size_t Length, uint32_t *Character);

/* Whether a character does something to the line that it is shown in: controls, line ends, direction of writing. */
bool Utf8IsHarmful(uint32_t Character);

/*
 * Whether a terminated string can be a name that people see: well-formed UTF-8
 * without harmful characters. "" can; what else a name needs is its owner's.
 */
bool Utf8IsName(const char *Name);
