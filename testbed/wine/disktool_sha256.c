/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * SHA-256, from FIPS 180-4 (sections 4.1.2, 4.2.2, 5.1.1, 6.2). Here because Wine's bcrypt.dll may lack the libraries
 * that it needs.
 */
#include "disktool.h"

#include <string.h>

static const uint32_t RoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t Rotate(uint32_t Value, unsigned Bits)
{
    return (Value >> Bits) | (Value << (32 - Bits));
}

static void Sha256Block(uint32_t State[8], const uint8_t *Block)
{
    uint32_t Schedule[64];
    uint32_t V[8];
    unsigned T;

    for (T = 0; T < 16; T++) {
        Schedule[T] = ((uint32_t)Block[4 * T] << 24) | ((uint32_t)Block[4 * T + 1] << 16) |
                      ((uint32_t)Block[4 * T + 2] << 8) | Block[4 * T + 3];
    }
    for (; T < 64; T++) {
        uint32_t A = Schedule[T - 15];
        uint32_t B = Schedule[T - 2];

        Schedule[T] = Schedule[T - 16] + (Rotate(A, 7) ^ Rotate(A, 18) ^ (A >> 3)) + Schedule[T - 7] +
                      (Rotate(B, 17) ^ Rotate(B, 19) ^ (B >> 10));
    }
    memcpy(V, State, sizeof(V));
    for (T = 0; T < 64; T++) {
        uint32_t First = V[7] + (Rotate(V[4], 6) ^ Rotate(V[4], 11) ^ Rotate(V[4], 25)) +
                         ((V[4] & V[5]) ^ (~V[4] & V[6])) + RoundConstants[T] + Schedule[T];
        uint32_t Second =
            (Rotate(V[0], 2) ^ Rotate(V[0], 13) ^ Rotate(V[0], 22)) + ((V[0] & V[1]) ^ (V[0] & V[2]) ^ (V[1] & V[2]));

        memmove(&V[1], &V[0], 7 * sizeof(V[0]));
        V[4] += First;
        V[0] = First + Second;
    }
    for (T = 0; T < 8; T++) {
        State[T] += V[T];
    }
}

void Sha256Start(SHA256 *Hash)
{
    static const uint32_t Initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(Hash->State, Initial, sizeof(Initial));
    Hash->Bytes = 0;
}

void Sha256Add(SHA256 *Hash, const void *Data, size_t Bytes)
{
    const uint8_t *From = Data;

    while (Bytes > 0) {
        size_t Used = Hash->Bytes % 64;
        size_t Part = 64 - Used < Bytes ? 64 - Used : Bytes;

        if (Part == 64) {
            Sha256Block(Hash->State, From);
        } else {
            memcpy(Hash->Block + Used, From, Part);
            if (Used + Part == 64) {
                Sha256Block(Hash->State, Hash->Block);
            }
        }
        Hash->Bytes += Part;
        From += Part;
        Bytes -= Part;
    }
}

void Sha256Finish(SHA256 *Hash, uint8_t Digest[32])
{
    uint64_t Bits = Hash->Bytes * 8;
    uint8_t Pad[72] = {0x80};
    size_t PadBytes = 64 - (Hash->Bytes + 8) % 64;
    unsigned Index;

    for (Index = 0; Index < 8; Index++) {
        Pad[PadBytes + Index] = (uint8_t)(Bits >> (56 - 8 * Index));
    }
    Sha256Add(Hash, Pad, PadBytes + 8);
    for (Index = 0; Index < 32; Index++) {
        Digest[Index] = (uint8_t)(Hash->State[Index / 4] >> (24 - 8 * (Index % 4)));
    }
}
