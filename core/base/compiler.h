/* SPDX-License-Identifier: LGPL-2.1-only */
/* What each compiler calls its own way. The only place for extensions of the language. */
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include "compiler_msvc.h"
#else
#include "compiler_gnu.h"
#endif
