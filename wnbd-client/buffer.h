/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A text that grows. When memory runs out it keeps what it has and Failed is set, so that one look at the end is
 * enough.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

/* Zero is an empty one. BufferFree frees it. */
typedef struct {
    char *Text; /* terminated; NULL as long as it is empty */
    size_t Used;
    size_t Size;
    bool Failed;
} BUFFER;

void BufferAdd(BUFFER *Buffer, const char *Bytes, size_t Length);
void BufferFormat(BUFFER *Buffer, const char *Format, ...) PRINTF_LIKE(2, 3);
void BufferFree(BUFFER *Buffer);
