/* SPDX-License-Identifier: LGPL-2.1-only */
/* Reports breaches of the rules in conduct.h. */
#include "port.h"

typedef struct {
    PCSTR Id;
    PCSTR Text;
    PCSTR Page;
} RULE;

static const RULE Rules[] = {
#define X(Id, Text, Page) {#Id, Text, Page},
    PORT_RULES(X)
#undef X
};

_Static_assert(sizeof(Rules) / sizeof(Rules[0]) == PORT_RULE_COUNT, "one entry per rule");

/* Static, because a stack deep in the storage stack has no room for them; a violation ends the process anyhow. */
static CHAR DetailsText[512];
static CHAR Line[1024];
static volatile LONG Reported;

static VOID LineFormat(PCSTR Format, ...)
{
    va_list Arguments;

    va_start(Arguments, Format);
    PortPlatformFormat(Line, sizeof(Line), Format, Arguments);
    va_end(Arguments);
}

VOID PortViolation(PORT_RULE Rule, PCSTR Details, ...)
{
    va_list Arguments;

    /* The first breach tells; what other threads find while the process ends comes of it. */
    while (InterlockedExchange(&Reported, 1) != 0)
        YieldProcessor();
    va_start(Arguments, Details);
    PortPlatformFormat(DetailsText, sizeof(DetailsText), Details, Arguments);
    va_end(Arguments);
    LineFormat("STORPORT-VIOLATION: %s: %s (%s) [%s]\n", Rules[Rule].Id, DetailsText, Rules[Rule].Text,
               Rules[Rule].Page);
    DbgPrint("%s", Line);
    PortPlatformStop(Line);
}
