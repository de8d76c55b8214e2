/* SPDX-License-Identifier: LGPL-2.1-only */
/* compiler.h for Microsoft's compiler. */
#pragma once

#include <intrin.h>

/* Stops here, for good; 7 is FAST_FAIL_FATAL_APP_EXIT. */
#define COMPILER_TRAP() __fastfail(7)
