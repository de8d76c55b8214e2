/* SPDX-License-Identifier: LGPL-2.1-only */
/* medium.h. */
#include "medium.h"

#include "ground_seeded.h"

#include <stdlib.h>
#include <string.h>

static void *Allocate(size_t Count, size_t Size)
{
    void *Memory = calloc(Count, Size);
    if (Memory == NULL) {
        abort();
    }
    return Memory;
}

void MediumMake(MEDIUM *Medium, uint32_t Sectors)
{
    Medium->Sectors = Sectors;
    Medium->WriteThrough = false;
    Medium->Now = Allocate(Sectors, SECTOR_BYTES);
    Medium->Stable = Allocate(Sectors, SECTOR_BYTES);
    Medium->Dirty = Allocate(Sectors, sizeof(bool));
}

void MediumFree(MEDIUM *Medium)
{
    free(Medium->Now);
    free(Medium->Stable);
    free(Medium->Dirty);
}

void MediumRead(const MEDIUM *Medium, uint64_t Offset, unsigned char *Bytes, size_t Length)
{
    memcpy(Bytes, Medium->Now + Offset, Length);
}

/* The sectors' new content is in Now. */
static void MediumWritten(MEDIUM *Medium, uint64_t Offset, size_t Length, bool Fua)
{
    bool Stable = Fua || Medium->WriteThrough;
    if (Stable) {
        memcpy(Medium->Stable + Offset, Medium->Now + Offset, Length);
    }
    for (size_t Sector = 0; Sector < Length / SECTOR_BYTES; Sector++) {
        Medium->Dirty[Offset / SECTOR_BYTES + Sector] = !Stable;
    }
}

void MediumWrite(MEDIUM *Medium, uint64_t Offset, const unsigned char *Bytes, size_t Length, bool Fua)
{
    memcpy(Medium->Now + Offset, Bytes, Length);
    MediumWritten(Medium, Offset, Length, Fua);
}

void MediumTrim(MEDIUM *Medium, uint64_t Offset, size_t Length, bool Fua)
{
    for (size_t At = 0; At < Length; At += SECTOR_BYTES) {
        if (SeededBelow(4) != 0) {
            memset(Medium->Now + Offset + At, 0, SECTOR_BYTES);
            MediumWritten(Medium, Offset + At, SECTOR_BYTES, Fua);
        }
    }
}

void MediumFlush(MEDIUM *Medium)
{
    memcpy(Medium->Stable, Medium->Now, (size_t)Medium->Sectors * SECTOR_BYTES);
    memset(Medium->Dirty, 0, Medium->Sectors * sizeof(bool));
}

void MediumLosePower(MEDIUM *Medium)
{
    for (uint32_t Sector = 0; Sector < Medium->Sectors; Sector++) {
        if (Medium->Dirty[Sector] && SeededBelow(2) == 0) {
            memcpy(Medium->Now + (size_t)Sector * SECTOR_BYTES, Medium->Stable + (size_t)Sector * SECTOR_BYTES,
                   SECTOR_BYTES);
        }
    }
    MediumFlush(Medium);
}
