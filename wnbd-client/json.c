/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writes JSON; see json.h.
 */
#include "json.h"

#include <string.h>

#include <windows.h>

#include "base/utf8.h"
#include "errors.h"
#include "output.h"

#define REPLACEMENT 0xFFFDu /* U+FFFD REPLACEMENT CHARACTER */

/* What stands before a value. */
static void JsonBegin(JSON *Json, const char *Key)
{
    if (Json->Filled) {
        BufferAdd(&Json->Text, ",", 1);
    }
    if (Key != NULL) {
        BufferFormat(&Json->Text, "\"%s\":", Key);
    }
    Json->Filled = true;
}

static void JsonOpen(JSON *Json, const char *Key, const char *Bracket)
{
    JsonBegin(Json, Key);
    BufferAdd(&Json->Text, Bracket, 1);
    Json->Filled = false;
}

static void JsonClose(JSON *Json, const char *Bracket)
{
    BufferAdd(&Json->Text, Bracket, 1);
    Json->Filled = true;
}

void JsonObject(JSON *Json, const char *Key)
{
    JsonOpen(Json, Key, "{");
}

void JsonObjectEnd(JSON *Json)
{
    JsonClose(Json, "}");
}

void JsonArray(JSON *Json, const char *Key)
{
    JsonOpen(Json, Key, "[");
}

void JsonArrayEnd(JSON *Json)
{
    JsonClose(Json, "]");
}

/* Adds the character at Text, of which Available bytes exist, and returns its length. */
static size_t CharacterAdd(BUFFER *Buffer, const char *Text, size_t Available)
{
    uint32_t Character;
    size_t Length = Utf8Decode((const uint8_t *)Text, Available, &Character);
    if (Length == 0) {
        Character = REPLACEMENT;
    }
    /* All harmful characters are below U+10000, where one escape is enough. */
    if (Length == 0 || Utf8IsHarmful(Character)) {
        BufferFormat(Buffer, "\\u%04x", (unsigned)Character);
        return Length == 0 ? 1 : Length;
    }
    if (*Text == '"' || *Text == '\\') {
        BufferAdd(Buffer, "\\", 1);
    }
    BufferAdd(Buffer, Text, Length);
    return Length;
}

void JsonText(JSON *Json, const char *Key, const char *Text, size_t SizeBytes)
{
    JsonBegin(Json, Key);
    BufferAdd(&Json->Text, "\"", 1);
    for (size_t At = 0; At < SizeBytes && Text[At] != '\0';) {
        At += CharacterAdd(&Json->Text, Text + At, SizeBytes - At);
    }
    BufferAdd(&Json->Text, "\"", 1);
}

void JsonBoolean(JSON *Json, const char *Key, bool Value)
{
    JsonBegin(Json, Key);
    BufferFormat(&Json->Text, "%s", Value ? "true" : "false");
}

void JsonNumber(JSON *Json, const char *Key, int64_t Value)
{
    JsonBegin(Json, Key);
    BufferFormat(&Json->Text, "%lld", (long long)Value);
}

void JsonUnsigned(JSON *Json, const char *Key, uint64_t Value)
{
    JsonBegin(Json, Key);
    BufferFormat(&Json->Text, "%llu", (unsigned long long)Value);
}

void JsonDecimal(JSON *Json, const char *Key, double Value)
{
    JsonBegin(Json, Key);
    BufferFormat(&Json->Text, "%.3f", Value);
}

void JsonSeconds(JSON *Json, const char *Key, uint64_t Units)
{
    JsonBegin(Json, Key);
    BufferFormat(&Json->Text, "%llu.%07llu", (unsigned long long)(Units / 10000000),
                 (unsigned long long)(Units % 10000000));
}

void JsonNull(JSON *Json, const char *Key)
{
    JsonBegin(Json, Key);
    BufferAdd(&Json->Text, "null", 4);
}

uint32_t JsonPrint(JSON *Json)
{
    uint32_t Status = ERROR_SUCCESS;
    if (Json->Text.Failed) {
        Status =
            ErrorReport(&(FAILURE){.Action = ACTION_OUTPUT, .Code = ERROR_OUTOFMEMORY, .Tried = "write the output"});
    } else {
        OutputPrint("%s\n", Json->Text.Text);
    }
    BufferFree(&Json->Text);
    *Json = (JSON){0};
    return Status;
}
