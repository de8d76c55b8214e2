/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ground_fiber.h, for x86-64 and the System V calling convention. Not
 * swapcontext: that makes two system calls for signal masks each time, and the
 * address sanitizer's wrapper around it forgets what is poisoned on the stack.
 */
#include "ground_fiber.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define PAGE_BYTES 4096u
#define STACK_BYTES (512u * 1024)
#define SPARE_MOST 128u

static void *SpareStacks[SPARE_MOST];
static unsigned SpareCount;
static FIBER *FiberRunning;

/* What a callee keeps goes onto the stack, the stack pointer to *Save; then the same backwards from Load. */
void FiberExchange(void **Save, void *Load);
__asm__(".text\n"
        ".globl FiberExchange\n"
        ".type FiberExchange, @function\n"
        "FiberExchange:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size FiberExchange, .-FiberExchange\n");

static void FiberArrived(FIBER *Fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(Fiber->Fake, NULL, NULL);
#else
    (void)Fiber;
#endif
}

static void FiberBegin(void)
{
    FiberArrived(FiberRunning);
    FiberRunning->Routine();
    abort();
}

void FiberMain(FIBER *Fiber)
{
    static void *Bottom;
    static size_t Size;
    pthread_attr_t Attributes;
    if (Bottom == NULL) {
        if (pthread_getattr_np(pthread_self(), &Attributes) != 0 ||
            pthread_attr_getstack(&Attributes, &Bottom, &Size) != 0) {
            abort();
        }
        pthread_attr_destroy(&Attributes);
    }
    *Fiber = (FIBER){.Bottom = Bottom, .Size = Size, .Started = true};
    FiberRunning = Fiber;
}

void FiberMake(FIBER *Fiber, void (*Routine)(void))
{
    unsigned char *Stack;
    if (SpareCount != 0) {
        Stack = SpareStacks[--SpareCount];
    } else {
        Stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (Stack == MAP_FAILED || mprotect(Stack, PAGE_BYTES, PROT_NONE) != 0) {
            abort();
        }
    }
    *Fiber = (FIBER){.Stack = Stack, .Bottom = Stack + PAGE_BYTES, .Size = STACK_BYTES - PAGE_BYTES};
    Fiber->Routine = Routine;
    /* As if FiberExchange had been called by FiberBegin's call: six registers, where to go, and no caller above. */
    void **Top = (void **)(Stack + STACK_BYTES) - 1;
    *Top = NULL;
    *--Top = (void *)(uintptr_t)FiberBegin;
    for (int Register = 0; Register < 6; Register++) {
        *--Top = NULL;
    }
    Fiber->Pointer = Top;
}

void FiberSwitch(FIBER *From, FIBER *To, bool Ends)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(Ends ? NULL : &From->Fake, To->Bottom, To->Size);
#else
    (void)Ends;
#endif
    FiberRunning = To;
    To->Started = true;
    FiberExchange(&From->Pointer, To->Pointer);
    FiberArrived(From);
}

bool FiberHasRun(const FIBER *Fiber)
{
    return Fiber->Started;
}

void FiberFree(FIBER *Fiber)
{
#ifdef FIBER_ASAN
    /* Frames that were never left. */
    __asan_unpoison_memory_region(Fiber->Bottom, Fiber->Size);
#endif
    if (SpareCount < SPARE_MOST) {
        SpareStacks[SpareCount++] = Fiber->Stack;
    } else {
        munmap(Fiber->Stack, STACK_BYTES);
    }
}
