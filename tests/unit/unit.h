/* SPDX-License-Identifier: LGPL-2.1-only */
/* What every unit test includes: cmocka with what it needs before it, and a check for invariants. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Whether Function(Argument) is stopped by an INVARIANT (base/invariant.h):
 * runs it in a process of its own. Ending in another way than by a trap or by
 * a return fails the test.
 */
bool UnitTraps(void (*Function)(void *), void *Argument);
