/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writes JSON (RFC 8259), on one line. Each function adds one value, or begins or ends one; Key is its name in an
 * object and NULL in an array or at the top. docs/statistics.md lists the keys, which scripts rely on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* Zero is an empty one. */
typedef struct {
    BUFFER Text;
    bool Filled; /* the innermost object or array has a value */
} JSON;

void JsonObject(JSON *Json, const char *Key);
void JsonObjectEnd(JSON *Json);
void JsonArray(JSON *Json, const char *Key);
void JsonArrayEnd(JSON *Json);

/*
 * A UTF-8 text of at most SizeBytes bytes, less if it is terminated earlier. Whatever could steer a terminal is
 * escaped, bytes that are not UTF-8 become U+FFFD.
 */
void JsonText(JSON *Json, const char *Key, const char *Text, size_t SizeBytes);
void JsonBoolean(JSON *Json, const char *Key, bool Value);
void JsonNumber(JSON *Json, const char *Key, int64_t Value);
void JsonUnsigned(JSON *Json, const char *Key, uint64_t Value);
/* With three decimals. */
void JsonDecimal(JSON *Json, const char *Key, double Value);
/* Units of 100 ns, as seconds, exactly. */
void JsonSeconds(JSON *Json, const char *Key, uint64_t Units);
void JsonNull(JSON *Json, const char *Key);

/* Writes it to standard output, with a line end, and frees it. Returns 0, or a Win32 error code after reporting it. */
uint32_t JsonPrint(JSON *Json);
