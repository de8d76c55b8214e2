/* SPDX-License-Identifier: LGPL-2.1-only */
/* compiler.h for gcc and clang. */
#pragma once

/* Stops here, for good: an illegal instruction, which is a crash in a process and a bug check in the kernel. */
#define COMPILER_TRAP() __builtin_trap()
