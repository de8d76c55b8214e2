/* SPDX-License-Identifier: LGPL-2.1-only */
/* See windows.h. */
#pragma once
typedef uint32_t DEVINST, *PDEVINST;
