/* SPDX-License-Identifier: LGPL-2.1-only */
/* Runs each behaviour (behaviour.h) in a process of its own, once per kind of SRB that the miniport asks for. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "behaviour.h"

static bool Run(const BEHAVIOUR *Behaviour, bool Extended)
{
    int Status;
    pid_t Pid;

    fflush(stdout);
    Pid = fork();
    if (Pid == 0) {
        HOST Host;

        alarm(100);
        PortOptions = Behaviour->Options;
        HostStart(&Host, NULL, Extended);
        Behaviour->Run(&Host);
        if (Host.Driver != NULL)
            HostStop(&Host);
        _exit(0);
    }
    waitpid(Pid, &Status, 0);
    return WIFEXITED(Status) && WEXITSTATUS(Status) == 0;
}

int main(int argc, char **argv)
{
    int Failures = 0, Kind;
    size_t i;

    for (i = 0; i < BehaviourCount; ++i)
        for (Kind = 0; Kind < 2; ++Kind) {
            bool Good;

            if (argc == 2 && strcmp(argv[1], Behaviours[i].Name) != 0)
                continue;
            Good = Run(&Behaviours[i], Kind == 1);
            printf("%-28s %-10s %s\n", Behaviours[i].Name, Kind == 1 ? "extended" : "classic", Good ? "ok" : "FAILED");
            Failures += !Good;
        }
    return Failures == 0 ? 0 : 1;
}
