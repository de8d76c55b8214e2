/* SPDX-License-Identifier: LGPL-2.1-only */
/* Stacks that one thread of Linux runs on by turns, in a way that the address sanitizer follows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    void *Stack; /* mapped, with a page below that can't be touched; NULL: the process's own */
    const void *Bottom;
    size_t Size;
    void *Pointer; /* of the stack, while another runs */
    void *Fake;    /* the address sanitizer's */
    void (*Routine)(void);
    bool Started;
} FIBER;

/* The fiber that is running already, on the stack that the process began with. */
void FiberMain(FIBER *Fiber);
/* Routine runs at the first switch and must not return. */
void FiberMake(FIBER *Fiber, void (*Routine)(void));
/* From is the running one. Ends: it will never run again. */
void FiberSwitch(FIBER *From, FIBER *To, bool Ends);
bool FiberHasRun(const FIBER *Fiber);
/* Of a fiber that has ended or never run, and doesn't run now. */
void FiberFree(FIBER *Fiber);
