/* SPDX-License-Identifier: LGPL-2.1-only */
/* Runs the tests of behaviour.h, each on an NT of its own. */
#include "behaviour.h"

#include <stdio.h>
#include <stdlib.h>

void BehaviourFail(const char *File, int Line, const char *Condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", File, Line, Condition);
    abort();
}

static void Run(const BEHAVIOUR *Behaviour, size_t Count)
{
    for (size_t Index = 0; Index < Count; Index++) {
        printf("%s\n", Behaviour[Index].Name);
        fflush(stdout);
        NativeStart(&(NATIVE_OPTIONS){
            .Seed = Index + 1, .WskSynchronousOneIn = 2, .WskShortReceiveOneIn = 3, .WskLateCaptures = 2});
        Behaviour[Index].Run();
        NativeStop();
    }
}

int main(void)
{
    Run(BehaviourKernel, BehaviourKernelCount);
    Run(BehaviourNetwork, BehaviourNetworkCount);
    printf("ok\n");
    return 0;
}
