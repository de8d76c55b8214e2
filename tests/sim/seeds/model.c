/* SPDX-License-Identifier: LGPL-2.1-only */
/* model.h. */
#include "model.h"

#include "ground.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX
#define WORDS (SECTOR_BYTES / 8)

static CANDIDATE *SectorAdd(MODEL *Model, uint32_t Sector)
{
    MODEL_SECTOR *Place = &Model->Sectors[Sector];
    uint64_t Oldest = NEVER;
    for (uint32_t Index = 0; Index < MODEL_READS_MOST; Index++) {
        if (Model->Reads[Index] != 0 && Model->Reads[Index] < Oldest) {
            Oldest = Model->Reads[Index];
        }
    }
    /* Those that nobody can find any more make room. */
    uint32_t Kept = 0;
    for (uint32_t Index = 0; Index < Place->Count; Index++) {
        const CANDIDATE *Candidate = &Place->Candidates[Index];
        if (Candidate->Stable || Candidate->Dropped == NEVER || Candidate->Dropped > Oldest) {
            Place->Candidates[Kept++] = *Candidate;
        }
    }
    Place->Count = Kept;
    if (Place->Count == Place->Room) {
        Place->Room = Place->Room * 2 + 1;
        Place->Candidates = realloc(Place->Candidates, Place->Room * sizeof(CANDIDATE));
        if (Place->Candidates == NULL) {
            abort();
        }
    }
    return &Place->Candidates[Place->Count++];
}

void ModelMake(MODEL *Model, uint32_t Sectors)
{
    memset(Model, 0, sizeof(*Model));
    Model->SectorCount = Sectors;
    Model->Sectors = calloc(Sectors, sizeof(MODEL_SECTOR));
    if (Model->Sectors == NULL) {
        abort();
    }
    for (uint32_t Sector = 0; Sector < Sectors; Sector++) {
        *SectorAdd(Model, Sector) = (CANDIDATE){.Dropped = NEVER, .Stable = true};
    }
}

void ModelFree(MODEL *Model)
{
    for (uint32_t Sector = 0; Sector < Model->SectorCount; Sector++) {
        free(Model->Sectors[Sector].Candidates);
    }
    free(Model->Sectors);
}

uint64_t ModelValue(MODEL *Model)
{
    return ++Model->NextValue;
}

static uint64_t FillWord(uint64_t Value, uint32_t Sector, uint32_t Word)
{
    return (Value * 0x9E3779B97F4A7C15u) ^ ((uint64_t)Sector << 32 | Word << 8 | 1);
}

void ModelFill(uint64_t Value, uint32_t Sector, uint32_t Count, unsigned char *Bytes)
{
    for (uint32_t Index = 0; Index < Count; Index++) {
        uint64_t Words[WORDS];
        Words[0] = Value;
        for (uint32_t Word = 1; Word < WORDS; Word++) {
            Words[Word] = FillWord(Value, Sector + Index, Word);
        }
        memcpy(Bytes + (size_t)Index * SECTOR_BYTES, Words, SECTOR_BYTES);
    }
}

/* The number that the sector's bytes carry; false: they are no whole sector of any write, nor zero. */
static bool SectorValue(uint32_t Sector, const unsigned char *Bytes, uint64_t *Value)
{
    unsigned char Whole[SECTOR_BYTES] = {0};
    memcpy(Value, Bytes, sizeof(*Value));
    if (*Value != 0) {
        ModelFill(*Value, Sector, 1, Whole);
    }
    return memcmp(Bytes, Whole, SECTOR_BYTES) == 0;
}

void ModelWriteBegin(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Value)
{
    uint64_t Now = ++Model->Clock;
    for (uint32_t Index = 0; Index < Count; Index++) {
        *SectorAdd(Model, Sector + Index) =
            (CANDIDATE){.Value = Value, .Begin = Now, .End = NEVER, .Dropped = NEVER, .Stable = true};
    }
}

static CANDIDATE *SectorFind(MODEL *Model, uint32_t Sector, uint64_t Value, uint64_t Begin)
{
    MODEL_SECTOR *Place = &Model->Sectors[Sector];
    for (uint32_t Index = 0; Index < Place->Count; Index++) {
        CANDIDATE *Candidate = &Place->Candidates[Index];
        if (Candidate->Value == Value && (Begin == 0 || Candidate->Begin == Begin)) {
            return Candidate;
        }
    }
    abort(); /* what is under way is never forgotten */
}

/* What ended before Begin is replaced: on the disk, and Stable: on what survives, too. */
static void SectorReplace(MODEL *Model, uint32_t Sector, uint64_t Begin, bool Now, bool Stable)
{
    MODEL_SECTOR *Place = &Model->Sectors[Sector];
    for (uint32_t Index = 0; Index < Place->Count; Index++) {
        CANDIDATE *Candidate = &Place->Candidates[Index];
        if (Candidate->End >= Begin) {
            continue;
        }
        if (Now && Candidate->Dropped == NEVER) {
            Candidate->Dropped = Model->Clock;
        }
        Candidate->Stable = Candidate->Stable && !Stable;
    }
}

void ModelWriteEnd(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Value, bool Done, bool Stable)
{
    uint64_t Now = ++Model->Clock;
    for (uint32_t Index = 0; Index < Count; Index++) {
        CANDIDATE *Candidate = SectorFind(Model, Sector + Index, Value, 0);
        Candidate->End = Now;
        Candidate->Done = Done;
        if (Done) {
            SectorReplace(Model, Sector + Index, Candidate->Begin, true, Stable);
        }
    }
}

uint64_t ModelTrimBegin(MODEL *Model, uint32_t Sector, uint32_t Count)
{
    ModelWriteBegin(Model, Sector, Count, 0);
    return Model->Clock;
}

void ModelTrimEnd(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Begin)
{
    uint64_t Now = ++Model->Clock;
    for (uint32_t Index = 0; Index < Count; Index++) {
        SectorFind(Model, Sector + Index, 0, Begin)->End = Now;
    }
}

uint64_t ModelFlushBegin(MODEL *Model)
{
    return ++Model->Clock;
}

void ModelFlushEnd(MODEL *Model, uint64_t Begin)
{
    ++Model->Clock;
    for (uint32_t Sector = 0; Sector < Model->SectorCount; Sector++) {
        MODEL_SECTOR *Place = &Model->Sectors[Sector];
        uint64_t Last = 0;
        for (uint32_t Index = 0; Place->Count > 1 && Index < Place->Count; Index++) {
            const CANDIDATE *Candidate = &Place->Candidates[Index];
            if (Candidate->Done && Candidate->End < Begin && Candidate->Begin > Last) {
                Last = Candidate->Begin;
            }
        }
        if (Last != 0) {
            SectorReplace(Model, Sector, Last, false, true);
        }
    }
}

uint64_t ModelReadBegin(MODEL *Model)
{
    uint64_t Now = ++Model->Clock;
    for (uint32_t Index = 0; Index < MODEL_READS_MOST; Index++) {
        if (Model->Reads[Index] == 0) {
            Model->Reads[Index] = Now;
            return Now;
        }
    }
    abort();
}

static void Report(const MODEL *Model, uint32_t Sector, uint64_t Value, bool Whole, uint64_t Begin, const char *What)
{
    const MODEL_SECTOR *Place = &Model->Sectors[Sector];
    char Line[200];
    snprintf(Line, sizeof(Line), "model: sector %u: %s %s%" PRIu64 ", which it can't hold (moment %" PRIu64 "):\n",
             Sector, What, Whole ? "write " : "torn or misplaced bytes of write ", Value, Begin);
    GroundWrite(Line);
    for (uint32_t Index = 0; Index < Place->Count; Index++) {
        const CANDIDATE *Candidate = &Place->Candidates[Index];
        snprintf(Line, sizeof(Line), "  write %" PRIu64 ": %" PRIu64 " to %" PRId64 "%s, replaced %" PRId64 "%s\n",
                 Candidate->Value, Candidate->Begin, (int64_t)Candidate->End, Candidate->Done ? ", succeeded" : "",
                 (int64_t)Candidate->Dropped, Candidate->Stable ? ", may survive" : "");
        GroundWrite(Line);
    }
}

/* A read that began at Begin found Value. Then everything else that had ended before is replaced. */
static bool SectorSee(MODEL *Model, uint32_t Sector, uint64_t Value, uint64_t Begin)
{
    MODEL_SECTOR *Place = &Model->Sectors[Sector];
    bool Possible = false;
    for (uint32_t Index = 0; Index < Place->Count; Index++) {
        const CANDIDATE *Candidate = &Place->Candidates[Index];
        Possible = Possible || (Candidate->Value == Value && Candidate->Dropped > Begin);
    }
    for (uint32_t Index = 0; Possible && Index < Place->Count; Index++) {
        CANDIDATE *Candidate = &Place->Candidates[Index];
        if (Candidate->Value != Value && Candidate->End < Begin && Candidate->Dropped == NEVER) {
            Candidate->Dropped = Model->Clock;
        }
    }
    return Possible;
}

bool ModelReadEnd(MODEL *Model, uint64_t Begin, uint32_t Sector, uint32_t Count, const unsigned char *Bytes)
{
    ++Model->Clock;
    for (uint32_t Index = 0; Index < MODEL_READS_MOST; Index++) {
        if (Model->Reads[Index] == Begin) {
            Model->Reads[Index] = 0;
        }
    }
    for (uint32_t Index = 0; Bytes != NULL && Index < Count; Index++) {
        uint64_t Value;
        bool Whole = SectorValue(Sector + Index, Bytes + (size_t)Index * SECTOR_BYTES, &Value);
        if (!Whole || !SectorSee(Model, Sector + Index, Value, Begin)) {
            Report(Model, Sector + Index, Value, Whole, Begin, "a read found");
            return false;
        }
    }
    return true;
}

bool ModelCheckMedium(MODEL *Model, const MEDIUM *Medium, bool PowerLost)
{
    uint64_t Now = ++Model->Clock;
    for (uint32_t Sector = 0; Sector < Model->SectorCount; Sector++) {
        MODEL_SECTOR *Place = &Model->Sectors[Sector];
        bool Possible = false;
        uint64_t Value;
        bool Whole = SectorValue(Sector, Medium->Now + (size_t)Sector * SECTOR_BYTES, &Value);
        for (uint32_t Index = 0; Whole && Index < Place->Count; Index++) {
            const CANDIDATE *Candidate = &Place->Candidates[Index];
            Possible = Possible ||
                       (Candidate->Value == Value && (PowerLost ? Candidate->Stable : Candidate->Dropped == NEVER));
        }
        if (!Possible) {
            Report(Model, Sector, Value, Whole, Now, PowerLost ? "after a power loss it has" : "at the end it has");
            return false;
        }
        if (PowerLost) {
            Place->Candidates[0] = (CANDIDATE){.Value = Value, .Dropped = NEVER, .Stable = true, .Done = true};
            Place->Count = 1;
        } else {
            SectorSee(Model, Sector, Value, Now);
        }
    }
    return true;
}
