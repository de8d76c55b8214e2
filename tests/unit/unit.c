/* SPDX-License-Identifier: LGPL-2.1-only */
/* See unit.h. */
#include "unit.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_RETURNED 0
#define STATUS_TRAPPED 42

static void OnTrap(int Signal)
{
    (void)Signal;
    _exit(STATUS_TRAPPED);
}

bool UnitTraps(void (*Function)(void *), void *Argument)
{
    int Status = 0;
    pid_t Child = fork();

    assert_true(Child >= 0);
    if (Child == 0) {
        signal(SIGILL, OnTrap);
        signal(SIGTRAP, OnTrap);
        Function(Argument);
        _exit(STATUS_RETURNED);
    }
    assert_int_equal(waitpid(Child, &Status, 0), Child);
    assert_true(WIFEXITED(Status));
    assert_true(WEXITSTATUS(Status) == STATUS_RETURNED || WEXITSTATUS(Status) == STATUS_TRAPPED);
    return WEXITSTATUS(Status) == STATUS_TRAPPED;
}
