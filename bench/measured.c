/* SPDX-License-Identifier: LGPL-2.1-only */
/* bench.h: valgrind's client requests, which do nothing outside valgrind. */
#include "bench.h"

#include <valgrind/callgrind.h>

void MeasuredBegin(void)
{
    CALLGRIND_ZERO_STATS;
}

void MeasuredEnd(void)
{
    CALLGRIND_DUMP_STATS;
}
