/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground.h's call stacks. */
#include "ground.h"

#include <execinfo.h>
#include <stdio.h>

extern const char __executable_start[], etext[]; /* the linker's */

/* The sanitizers' own, where one is linked. */
extern void __sanitizer_symbolize_pc(void *Address, const char *Format, char *Text, size_t Size) __attribute__((weak));

size_t GroundFrames(uint64_t *Offsets, size_t Capacity)
{
    void *Frames[64];
    size_t Count = 0;
    int Depth = backtrace(Frames, 64);
    for (int Index = 0; Index < Depth && Count < Capacity; Index++) {
        uintptr_t Address = (uintptr_t)Frames[Index], Start = (uintptr_t)__executable_start;
        if (Address >= Start && Address < (uintptr_t)etext) {
            Offsets[Count++] = Address - Start;
        }
    }
    return Count;
}

void GroundFrameName(uint64_t Offset, char *Text, size_t Size)
{
    if (__sanitizer_symbolize_pc != NULL) {
        __sanitizer_symbolize_pc((void *)((uintptr_t)__executable_start + Offset), "%f %s:%l", Text, Size);
    } else {
        snprintf(Text, Size, "0x%llx", (unsigned long long)Offset);
    }
}
