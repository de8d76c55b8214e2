/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the seeded ground has beside ground.h. Its threads are fibers of one
 * thread of Linux: exactly one runs, and hands over at the places that ground.h
 * names, to one that the generator chooses. Time stands still while a thread
 * can run, and jumps to the next deadline when all wait. So a run is a function
 * of its seed, and of nothing else.
 */
#pragma once

#include "ground.h"

/*
 * Ends the earlier run, in which no thread but the caller's may be left, and begins the next one: time 0, an empty
 * trace. The caller's stack is the process's main one.
 */
void SeededBegin(uint64_t Seed);
/* A number below Below (above 0), from the seed. */
uint32_t SeededBelow(uint32_t Below);
uint64_t SeededNumber(void);
/* True: the seed lets an event happen that has this many chances in a thousand. */
bool SeededChance(uint32_t Thousandths);

/* Adds to the trace: what has happened, by numbers that are the same in every run of the seed (no addresses). */
void SeededNote(uint64_t Value);
/* A hash of all notes, choices of threads and steps of time so far. */
uint64_t SeededTrace(void);
/* How often a thread handed over to another since SeededBegin. */
uint64_t SeededSwitches(void);

/* Names the calling thread for reports; Name stays the caller's. */
void SeededName(const char *Name);
/* Prints every thread's name, what it waits for and its stack. */
void SeededReport(void);
