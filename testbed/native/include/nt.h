/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * NT's kernel declarations for Linux: what the driver and the Storport host
 * use of wdm.h, ntddk.h and ntifs.h, and no more, with Windows' names and type
 * sizes. It stands in for ddk/nt.h, which the cross build finds instead. Build
 * with -fshort-wchar -fms-extensions; include no other system's headers beside
 * it, except C's own.
 *
 * What the functions check is in ../rules.h, each with the page it comes from.
 */
#pragma once

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nt/base.h"
#include "nt/status.h"
#include "nt/rtl.h"
#include "nt/ke.h"
#include "nt/io.h"
#include "nt/pnp.h"
#include "nt/zw.h"
