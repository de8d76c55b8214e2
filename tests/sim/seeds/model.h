/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a disk may hold, as far as those who use it can know. Each sector is a
 * register; a write is known from its start and from its end on, by the number
 * that it writes into each of its sectors. From that follows which numbers a
 * read may find: those of writes that no later write has surely replaced. The
 * same is kept for what may be found after the server has lost its power.
 *
 * Time is the order of the calls. A write that failed or was aborted may have
 * happened or not, but happens no more once it has ended: the driver holds
 * requests to its sectors back until the server has answered it.
 */
#pragma once

#include "medium.h"

/* A number that a sector may hold. 0: the sector is all zero, as at first, or trimmed. */
typedef struct {
    uint64_t Value;
    uint64_t Begin;
    uint64_t End;     /* UINT64_MAX: still under way */
    uint64_t Dropped; /* when it was surely replaced; UINT64_MAX: not yet */
    bool Done;        /* a write that succeeded: what ended before its Begin is replaced */
    bool Stable;      /* may be found after a loss of power */
} CANDIDATE;

typedef struct {
    CANDIDATE *Candidates;
    uint32_t Count;
    uint32_t Room;
} MODEL_SECTOR;

#define MODEL_READS_MOST 64u

typedef struct {
    MODEL_SECTOR *Sectors;
    uint32_t SectorCount;
    uint64_t Clock;
    uint64_t NextValue;
    uint64_t Reads[MODEL_READS_MOST]; /* when those under way began; 0: none */
} MODEL;

void ModelMake(MODEL *Model, uint32_t Sectors);
void ModelFree(MODEL *Model);

/* A number for one write. */
uint64_t ModelValue(MODEL *Model);
/* The bytes of Count sectors from Sector on that a write of Value consists of. */
void ModelFill(uint64_t Value, uint32_t Sector, uint32_t Count, unsigned char *Bytes);

void ModelWriteBegin(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Value);
/* Done: it succeeded; Stable: and its promise was that it survives a loss of power. */
void ModelWriteEnd(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Value, bool Done, bool Stable);
/* Returns the trim's own begin, for ModelTrimEnd. */
uint64_t ModelTrimBegin(MODEL *Model, uint32_t Sector, uint32_t Count);
void ModelTrimEnd(MODEL *Model, uint32_t Sector, uint32_t Count, uint64_t Begin);
uint64_t ModelFlushBegin(MODEL *Model);
/* A flush that began so succeeded: what had been written before is stable. */
void ModelFlushEnd(MODEL *Model, uint64_t Begin);
uint64_t ModelReadBegin(MODEL *Model);
/* Checks what was read; Bytes NULL: the read failed. False: impossible, and a report was printed. */
bool ModelReadEnd(MODEL *Model, uint64_t Begin, uint32_t Sector, uint32_t Count, const unsigned char *Bytes);

/* Nothing is under way: the medium must hold what it may; what it does hold is then known. */
bool ModelCheckMedium(MODEL *Model, const MEDIUM *Medium, bool PowerLost);
