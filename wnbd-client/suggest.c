/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Nearest names by edit distance (insertions, deletions, substitutions and swapped neighbours count one each; case
 * does not count).
 */
#include "suggest.h"

#include <ctype.h>
#include <string.h>

#define SUGGEST_MAX_LENGTH 40

typedef struct {
    const char *Wanted;
    const char *Best;
    size_t BestDistance;
} NEAREST;

static size_t Least(size_t A, size_t B)
{
    return A < B ? A : B;
}

static bool SameLetter(char A, char B)
{
    return tolower((unsigned char)A) == tolower((unsigned char)B);
}

static size_t EditDistance(const char *A, size_t LengthA, const char *B, size_t LengthB)
{
    size_t Rows[3][SUGGEST_MAX_LENGTH + 1];
    for (size_t Column = 0; Column <= LengthB; Column++) {
        Rows[0][Column] = Column;
    }
    for (size_t Row = 1; Row <= LengthA; Row++) {
        size_t *Now = Rows[Row % 3];
        const size_t *Before = Rows[(Row - 1) % 3];
        Now[0] = Row;
        for (size_t Column = 1; Column <= LengthB; Column++) {
            size_t Cost = !SameLetter(A[Row - 1], B[Column - 1]);
            Now[Column] = Least(Before[Column - 1] + Cost, Least(Before[Column], Now[Column - 1]) + 1);
            if (Row > 1 && Column > 1 && SameLetter(A[Row - 1], B[Column - 2]) &&
                SameLetter(A[Row - 2], B[Column - 1])) {
                Now[Column] = Least(Now[Column], Rows[(Row - 2) % 3][Column - 2] + 1);
            }
        }
    }
    return Rows[LengthA % 3][LengthB];
}

static void NearestOffer(NEAREST *Nearest, const char *Name)
{
    const char *Wanted = Nearest->Wanted;
    size_t WantedLength = strlen(Wanted);
    size_t NameLength = strlen(Name);
    if (WantedLength == 0 || WantedLength > SUGGEST_MAX_LENGTH || NameLength > SUGGEST_MAX_LENGTH) {
        return;
    }
    size_t Distance = EditDistance(Wanted, WantedLength, Name, NameLength);
    if (WantedLength >= 3 && strncmp(Wanted, Name, WantedLength) == 0) {
        Distance = 1; /* an abbreviation */
    }
    size_t Limit = NameLength <= 3 ? 1 : NameLength / 3;
    if (Distance <= (Limit == 1 ? 2 : Limit) && Distance < NameLength && Distance < Nearest->BestDistance) {
        Nearest->Best = Name;
        Nearest->BestDistance = Distance;
    }
}

static const char *WithoutDashes(const char *Name)
{
    return Name + strspn(Name, "-");
}

const char *SuggestCommand(const char *Name)
{
    NEAREST Nearest = {.Wanted = WithoutDashes(Name), .BestDistance = SIZE_MAX};
    for (const COMMAND_SPEC *Command = CommandTable; Command->Name != NULL; Command++) {
        NearestOffer(&Nearest, Command->Name);
        for (size_t Index = 0; Index < COMMAND_MAX_ALIASES && Command->Aliases[Index] != NULL; Index++) {
            if (Command->Aliases[Index][0] != '-') {
                NearestOffer(&Nearest, Command->Aliases[Index]);
            }
        }
    }
    return Nearest.Best;
}

static void NearestOfOptions(NEAREST *Nearest, const OPTION_SPEC *Options)
{
    for (const OPTION_SPEC *Option = Options; Option->Name != NULL; Option++) {
        NearestOffer(Nearest, Option->Name);
    }
}

const char *SuggestOption(const COMMAND_SPEC *Command, const char *Name)
{
    NEAREST Nearest = {.Wanted = WithoutDashes(Name), .BestDistance = SIZE_MAX};
    NearestOfOptions(&Nearest, Command->Options);
    if (Command->Rehearsal != NULL) {
        NearestOfOptions(&Nearest, CommandRehearsalOptions);
    }
    NearestOfOptions(&Nearest, CommandCommonOptions);
    return Nearest.Best;
}
