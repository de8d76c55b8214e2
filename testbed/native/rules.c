/* SPDX-License-Identifier: LGPL-2.1-only */
/* Reports of broken rules. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *Name;
    const char *Page;
    const char *Text;
} NtRules[RULE_COUNT] = {
#define NT_RULE_ROW(Id, Name, Page, Text) [RULE_##Id] = {Name, Page, Text},
    NATIVE_RULES(NT_RULE_ROW)
#undef NT_RULE_ROW
};

const char *NtRuleName(NATIVE_RULE Rule)
{
    return NtRules[Rule].Name;
}

void NtViolation(NATIVE_RULE Rule, const char *Function, const char *Format, ...)
{
    char Details[600], Report[1400];
    PKTHREAD Thread = KeGetCurrentThread();
    va_list Arguments;
    va_start(Arguments, Format);
    vsnprintf(Details, sizeof(Details), Format, Arguments);
    va_end(Arguments);
    snprintf(Report, sizeof(Report),
             "\n==== rule broken: %s ====\n"
             "  in:     %s\n"
             "  what:   %s\n"
             "  rule:   %s\n"
             "  page:   %s\n"
             "  thread: %s, IRQL %u, %u spin locks held\n"
             "  seed:   %llu\n",
             NtRules[Rule].Name, Function, Details, NtRules[Rule].Text, NtRules[Rule].Page, Thread->Name,
             (unsigned)Thread->Irql, (unsigned)Thread->LockCount, (unsigned long long)NtSeed);
    GroundWrite(Report);
    GroundBacktrace();
    abort();
}

VOID NativeAssertFailed(const char *Expression, const char *File, int Line)
{
    NtViolation(RULE_ASSERTION, File, "line %d: %s", Line, Expression);
}

VOID KeBugCheckEx(ULONG Code, ULONG_PTR P1, ULONG_PTR P2, ULONG_PTR P3, ULONG_PTR P4)
{
    NtViolation(RULE_BUG_CHECK, __func__, "0x%x (0x%llx, 0x%llx, 0x%llx, 0x%llx)", Code, P1, P2, P3, P4);
}

void NativeStopWith(const char *Text)
{
    char Seed[40];
    snprintf(Seed, sizeof(Seed), "\n  seed:   %llu\n", (unsigned long long)NtSeed);
    GroundWrite(Text);
    GroundWrite(Seed);
    GroundBacktrace();
    abort();
}
