/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What differs between compilers: the only place of wnbd-client that uses an extension.
 */
#pragma once

#include <stdio.h>

/* Lets the compiler compare the format in parameter Format with the arguments from parameter First on. */
#if defined(__clang__)
#define PRINTF_LIKE(Format, First) __attribute__((format(printf, Format, First)))
#elif defined(__GNUC__)
#define PRINTF_LIKE(Format, First) __attribute__((format(gnu_printf, Format, First)))
#else
#define PRINTF_LIKE(Format, First)
#endif
