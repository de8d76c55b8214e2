/* SPDX-License-Identifier: LGPL-2.1-only */
/* compiler.h for gcc and clang. */
#pragma once

/* Stops here, for good: an illegal instruction, which is a crash in a process and a bug check in the kernel. */
#define COMPILER_TRAP() __builtin_trap()

/* Bytes in the opposite order. */
#define COMPILER_SWAP32(Value) __builtin_bswap32(Value)
#define COMPILER_SWAP64(Value) __builtin_bswap64(Value)

/* One load or store of a word that other processors may store or load meanwhile. Orders nothing else. */
#define COMPILER_LOAD64(Address) __atomic_load_n((Address), __ATOMIC_RELAXED)
#define COMPILER_STORE64(Address, Value) __atomic_store_n((Address), (Value), __ATOMIC_RELAXED)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte_order.h swaps");
