/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a simulated server's export holds, with a write cache that a loss of
 * power takes away: each sector is as last written (Now) and as last flushed
 * (Stable).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR_BYTES 512u

typedef struct {
    uint32_t Sectors;
    bool WriteThrough; /* there is no cache: what is written is stable */
    unsigned char *Now;
    unsigned char *Stable;
    bool *Dirty; /* per sector: Now is not Stable yet */
} MEDIUM;

void MediumMake(MEDIUM *Medium, uint32_t Sectors);
void MediumFree(MEDIUM *Medium);
/* Offsets and lengths in bytes, multiples of SECTOR_BYTES, inside the medium. */
void MediumRead(const MEDIUM *Medium, uint64_t Offset, unsigned char *Bytes, size_t Length);
void MediumWrite(MEDIUM *Medium, uint64_t Offset, const unsigned char *Bytes, size_t Length, bool Fua);
/* Each sector is zero afterwards or as it was, as the seed likes. */
void MediumTrim(MEDIUM *Medium, uint64_t Offset, size_t Length, bool Fua);
void MediumFlush(MEDIUM *Medium);
/* Each sector that was not flushed is as before the writes since, or as after them. */
void MediumLosePower(MEDIUM *Medium);
