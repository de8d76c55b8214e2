/* SPDX-License-Identifier: LGPL-2.1-only */
/* compiler.h for Microsoft's compiler. */
#pragma once

#include <intrin.h>

/* Stops here, for good; 7 is FAST_FAIL_FATAL_APP_EXIT. */
#define COMPILER_TRAP() __fastfail(7)

/* Bytes in the opposite order; all machines that this compiler is for are little-endian. */
#define COMPILER_SWAP32(Value) _byteswap_ulong(Value)
#define COMPILER_SWAP64(Value) _byteswap_uint64(Value)

/* One load or store of a word that other processors may store or load meanwhile. Orders nothing else. */
#define COMPILER_LOAD64(Address) (*(const volatile unsigned __int64 *)(Address))
#define COMPILER_STORE64(Address, Value) ((void)(*(volatile unsigned __int64 *)(Address) = (Value)))
