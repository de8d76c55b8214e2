/* SPDX-License-Identifier: LGPL-2.1-only */
/* On Windows, DEFINE_GUID defines what it declares otherwise after this. Here it always defines (nt/base.h). */
#pragma once
