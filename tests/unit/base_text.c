/* SPDX-License-Identifier: LGPL-2.1-only */
/* base/text.h: numbers, cuts between characters, and what strangers may not put on a screen. */
#include "unit.h"

#include "base/text.h"
#include "base/utf8.h"

#define BAD "\xEF\xBF\xBD" /* U+FFFD */

static void WritesNumbers(void **State)
{
    char Buffer[128];
    TEXT Text;

    (void)State;
    TextInitialize(&Text, Buffer, sizeof(Buffer));
    assert_string_equal(Buffer, "");
    TextAppendDecimal(&Text, 0);
    TextAppend(&Text, " ");
    TextAppendDecimal(&Text, UINT64_MAX);
    TextAppend(&Text, " ");
    TextAppendHex(&Text, 0, 1);
    TextAppend(&Text, " ");
    TextAppendHex(&Text, 0xABC, 4);
    TextAppend(&Text, " ");
    TextAppendHex(&Text, UINT64_MAX, 16);
    assert_string_equal(Buffer, "0 18446744073709551615 0x0 0x0abc 0xffffffffffffffff");
    assert_int_equal(Text.Length, strlen(Buffer));
    assert_false(Text.Cut);
}

static void CutsBetweenCharacters(void **State)
{
    static const char Words[] = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"; /* 1, 2, 3, 4 and 1 bytes */
    static const char *const Expected[] = {
        [4] = "...",
        [5] = "a...",
        [6] = "a...",
        [7] = "a\xC3\xA4...",
        [8] = "a\xC3\xA4...",
        [9] = "a\xC3\xA4...",
        [10] = "a\xC3\xA4\xE2\x82\xAC...",
        [11] = "a\xC3\xA4\xE2\x82\xAC...",
        [12] = Words,
    };

    (void)State;
    for (size_t Size = TEXT_SIZE_MIN; Size < sizeof(Expected) / sizeof(Expected[0]); Size++) {
        char Buffer[16];
        TEXT Text;

        memset(Buffer, '#', sizeof(Buffer));
        TextInitialize(&Text, Buffer, Size);
        TextAppend(&Text, Words);
        assert_string_equal(Buffer, Expected[Size]);
        assert_int_equal(Text.Length, strlen(Buffer));
        assert_int_equal(Buffer[Size], '#');
        assert_int_equal(Text.Cut, Size < sizeof(Words));
        TextInitialize(&Text, Buffer, Size);
        TextAppendForeign(&Text, Words, sizeof(Words) - 1);
        assert_string_equal(Buffer, Expected[Size]);
    }
}

static void DropsWhatFollowsACut(void **State)
{
    char Buffer[8];
    TEXT Text;

    (void)State;
    TextInitialize(&Text, Buffer, sizeof(Buffer));
    TextAppend(&Text, "12345678");
    assert_string_equal(Buffer, "1234...");
    TextAppend(&Text, "x");
    TextAppendDecimal(&Text, 1);
    TextAppendForeign(&Text, "y", 1);
    assert_string_equal(Buffer, "1234...");
}

static void ExpectForeign(const char *Bytes, size_t Length, const char *Expected)
{
    char Buffer[128];
    TEXT Text;

    /* A copy of the exact size, so that the address sanitizer sees a look past its end. */
    char *Copy = malloc(Length > 0 ? Length : 1);

    assert_non_null(Copy);
    memcpy(Copy, Bytes, Length);
    TextInitialize(&Text, Buffer, sizeof(Buffer));
    TextAppendForeign(&Text, Copy, Length);
    free(Copy);
    assert_string_equal(Buffer, Expected);
}

#define FOREIGN(Bytes, Expected) ExpectForeign(Bytes, sizeof(Bytes) - 1, Expected)

static void KeepsGoodCharacters(void **State)
{
    (void)State;
    FOREIGN("", "");
    FOREIGN("plain ~", "plain ~");
    FOREIGN("\xC2\xA0\xDF\xBF", "\xC2\xA0\xDF\xBF");
    FOREIGN("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80", "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80");
    FOREIGN("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}

static void ReplacesWhatIsNotUtf8(void **State)
{
    (void)State;
    FOREIGN("\x80", BAD);
    FOREIGN("a\xFF"
            "b",
            "a" BAD "b");
    FOREIGN("\xC0\x80", BAD BAD);                 /* overlong NUL */
    FOREIGN("\xC1\xBF", BAD BAD);                 /* overlong, two bytes */
    FOREIGN("\xE0\x9F\xBF", BAD BAD BAD);         /* overlong, three bytes */
    FOREIGN("\xF0\x8F\xBF\xBF", BAD BAD BAD BAD); /* overlong, four bytes */
    FOREIGN("\xED\xA0\x80", BAD BAD BAD);         /* surrogate */
    FOREIGN("\xED\xBF\xBF", BAD BAD BAD);         /* surrogate */
    FOREIGN("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* beyond U+10FFFF */
    FOREIGN("\xF8\x88\x80\x80\x80", BAD BAD BAD BAD BAD);
    FOREIGN("\xC3", BAD); /* ends too early */
    FOREIGN("\xE2\x82", BAD BAD);
    FOREIGN("\xF0\x9F\x98", BAD BAD BAD);
    FOREIGN("\xC3(", BAD "(");
}

static void ReplacesWhatChangesTheLine(void **State)
{
    (void)State;
    FOREIGN("a\0b", "a" BAD "b");
    FOREIGN("\r\n\t\x1B[31m\x1F\x7F", BAD BAD BAD BAD "[31m" BAD BAD);
    FOREIGN("\xC2\x80\xC2\x9F", BAD BAD);                     /* C1 controls */
    FOREIGN("\xD8\x9C\xE2\x80\x8E\xE2\x80\x8F", BAD BAD BAD); /* direction marks */
    FOREIGN("\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xAE\xE2\x80\xAF", "\xE2\x80\xA7" BAD BAD "\xE2\x80\xAF");
    FOREIGN("\xE2\x81\xA5\xE2\x81\xA6\xE2\x81\xA9\xE2\x81\xAA", "\xE2\x81\xA5" BAD BAD "\xE2\x81\xAA");
}

static void KnowsNames(void **State)
{
    static const char *const Good[] = {"", "a", " pool/ns/image@snap ", "\xC2\xA0", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"};
    static const char *const Bad[] = {
        "a\n",          "\x1F",         "\x7F",         "\xC2\x9F",         "\xE2\x80\xAE",
        "\xC0\x80",     "\xED\xA0\x80", "caf\xE9",      "\xF4\x90\x80\x80", "\x80",
        "\xF0\x9F\x92", "\xE2\x80",     "x\xE2\x81\xA9"};

    (void)State;
    for (size_t Index = 0; Index < sizeof(Good) / sizeof(Good[0]); Index++) {
        assert_true(Utf8IsName(Good[Index]));
    }
    for (size_t Index = 0; Index < sizeof(Bad) / sizeof(Bad[0]); Index++) {
        assert_false(Utf8IsName(Bad[Index]));
    }
}

static void BeginTooSmall(void *Argument)
{
    char Buffer[TEXT_SIZE_MIN];
    TEXT Text;

    TextInitialize(&Text, Buffer, *(size_t *)Argument);
}

static void NeedsRoomForAnEllipsis(void **State)
{
    size_t Size = TEXT_SIZE_MIN - 1;

    (void)State;
    assert_true(UnitTraps(BeginTooSmall, &Size));
    Size = TEXT_SIZE_MIN;
    assert_false(UnitTraps(BeginTooSmall, &Size));
}

int main(void)
{
    const struct CMUnitTest Tests[] = {cmocka_unit_test(WritesNumbers),
                                       cmocka_unit_test(CutsBetweenCharacters),
                                       cmocka_unit_test(DropsWhatFollowsACut),
                                       cmocka_unit_test(KeepsGoodCharacters),
                                       cmocka_unit_test(ReplacesWhatIsNotUtf8),
                                       cmocka_unit_test(ReplacesWhatChangesTheLine),
                                       cmocka_unit_test(KnowsNames),
                                       cmocka_unit_test(NeedsRoomForAnEllipsis)};

    return cmocka_run_group_tests_name("base.text", Tests, NULL, NULL);
}
