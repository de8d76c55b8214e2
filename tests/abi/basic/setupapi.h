/* SPDX-License-Identifier: LGPL-2.1-only */
/* Nothing of it appears in the interface; see windows.h. */
#pragma once
