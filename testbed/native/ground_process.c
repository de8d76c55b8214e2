/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground.h's part about the process, the same for every ground. */
#include "ground.h"

#include <execinfo.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GROUND_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GROUND_ASAN 1
#endif
#ifdef GROUND_ASAN
#include <sanitizer/asan_interface.h>
#endif

void GroundWrite(const char *Text)
{
    size_t Length = strlen(Text);
    while (Length > 0) {
        ssize_t Written = write(STDERR_FILENO, Text, Length);
        if (Written <= 0) {
            return;
        }
        Text += Written;
        Length -= (size_t)Written;
    }
}

void GroundBacktrace(void)
{
#ifdef GROUND_ASAN
    __sanitizer_print_stack_trace();
#else
    void *Frames[48];
    int Count = backtrace(Frames, 48);
    backtrace_symbols_fd(Frames, Count, STDERR_FILENO);
#endif
}

bool GroundIsStatic(const void *Address)
{
    extern char __data_start[], _end[]; /* the linker's */
    return (uintptr_t)Address >= (uintptr_t)__data_start && (uintptr_t)Address < (uintptr_t)_end;
}

void GroundPoison(const void *Address, size_t Length)
{
#ifdef GROUND_ASAN
    __asan_poison_memory_region(Address, Length);
#else
    (void)Address;
    (void)Length;
#endif
}

void GroundUnpoison(const void *Address, size_t Length)
{
#ifdef GROUND_ASAN
    __asan_unpoison_memory_region(Address, Length);
#else
    (void)Address;
    (void)Length;
#endif
}
