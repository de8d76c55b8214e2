/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the fuzz targets share: a fuzzer's input, read from its front, and what
 * is true of each target. A number is little-endian; past the end, everything
 * reads as 0. tests/fuzz/make-corpus and record.c write the same formats.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const uint8_t *Next;
    size_t Left;
} INPUT;

/* What must hold, or the input is a finding. */
#define MUST(Condition)                                                                                                \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #Condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline uint64_t InputNumber(INPUT *Input, size_t Bytes)
{
    uint64_t Value = 0;
    for (size_t Index = 0; Index < Bytes && Input->Left > 0; Index++) {
        Value |= (uint64_t)*Input->Next++ << (8 * Index);
        Input->Left--;
    }
    return Value;
}

static inline uint8_t InputByte(INPUT *Input)
{
    return (uint8_t)InputNumber(Input, 1);
}

/* Up to Length bytes, where they lie; *Taken is how many there are. */
static inline const uint8_t *InputBytes(INPUT *Input, size_t Length, size_t *Taken)
{
    const uint8_t *Bytes = Input->Next;
    *Taken = Length < Input->Left ? Length : Input->Left;
    Input->Next += *Taken;
    Input->Left -= *Taken;
    return Bytes;
}

/* xorshift32, for what an input leaves open: the sizes of pieces, say. *State is never 0. */
static inline uint32_t InputRandom(uint32_t *State)
{
    *State ^= *State << 13;
    *State ^= *State >> 17;
    *State ^= *State << 5;
    return *State;
}

/* FNV-1a, of what happened: two runs of one input must agree. */
#define INPUT_SUM_START 2166136261u
static inline uint32_t InputSum(uint32_t Sum, const void *Bytes, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++) {
        Sum = (Sum ^ ((const uint8_t *)Bytes)[Index]) * 16777619u;
    }
    return Sum;
}

/* libFuzzer's: runs one input; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length);
