/* SPDX-License-Identifier: LGPL-2.1-only */
/* Tests of what the test bed's NT does when it is used rightly; each runs with NT started. */
#pragma once

#include "client.h"
#include "misuse.h"

#define EXPECT(Condition)                                                                                              \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            BehaviourFail(__FILE__, __LINE__, #Condition);                                                             \
        }                                                                                                              \
    } while (0)
DECLSPEC_NORETURN void BehaviourFail(const char *File, int Line, const char *Condition);

typedef struct {
    const char *Name;
    void (*Run)(void);
} BEHAVIOUR;

extern const BEHAVIOUR BehaviourKernel[], BehaviourNetwork[];
extern const size_t BehaviourKernelCount, BehaviourNetworkCount;
