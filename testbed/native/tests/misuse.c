/* SPDX-License-Identifier: LGPL-2.1-only */
/* Runs every case of misuse.h in a process of its own, and sees to it that every rule has one. */
#include "misuse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char Report[65536];

static void Child(const MISUSE *Misuse, int Output)
{
    dup2(Output, STDERR_FILENO);
    alarm(60);
    NativeStart(&(NATIVE_OPTIONS){.Seed = 1, .WskSynchronousOneIn = 2});
    Misuse->Run();
    fprintf(stderr, "not caught\n");
    _exit(0);
}

/* What the child writes, until it ends. */
static void Collect(int Input)
{
    size_t Used = 0;
    ssize_t Count;
    while ((Count = read(Input, Report + Used, sizeof(Report) - 1 - Used)) > 0) {
        Used += (size_t)Count;
    }
    Report[Used] = '\0';
}

static bool Caught(const MISUSE *Misuse)
{
    int Pipe[2], Status;
    char Expected[80];
    fflush(stdout);
    if (pipe(Pipe) != 0) {
        return false;
    }
    pid_t Pid = fork();
    if (Pid == 0) {
        close(Pipe[0]);
        Child(Misuse, Pipe[1]);
    }
    close(Pipe[1]);
    Collect(Pipe[0]);
    close(Pipe[0]);
    waitpid(Pid, &Status, 0);
    snprintf(Expected, sizeof(Expected), "rule broken: %s ====", NtRuleName(Misuse->Rule));
    return WIFSIGNALED(Status) && WTERMSIG(Status) == SIGABRT && strstr(Report, Expected) != NULL &&
           strstr(Report, "page:   ") != NULL && strstr(Report, "seed:   ") != NULL;
}

static bool Run(const MISUSE *Misuse, size_t Count, bool *Tested)
{
    bool All = true;
    for (size_t Index = 0; Index < Count; Index++) {
        bool Good = Caught(&Misuse[Index]);
        printf("%s %s: %s\n", Good ? "ok  " : "FAIL", NtRuleName(Misuse[Index].Rule), Misuse[Index].Name);
        if (!Good) {
            printf("%s\n", Report);
        }
        Tested[Misuse[Index].Rule] = true;
        All = All && Good;
    }
    return All;
}

int main(void)
{
    bool Tested[RULE_COUNT] = {false};
    bool All = Run(MisuseKernel, MisuseKernelCount, Tested);
    All = Run(MisuseRequests, MisuseRequestsCount, Tested) && All;
    All = Run(MisuseNetwork, MisuseNetworkCount, Tested) && All;
    for (int Rule = 0; Rule < RULE_COUNT; Rule++) {
        if (!Tested[Rule]) {
            printf("FAIL rule %s: nobody breaks it here\n", NtRuleName((NATIVE_RULE)Rule));
            All = false;
        }
    }
    return All ? 0 : 1;
}
