/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Every rule of conduct.h is broken by the RAM disk miniport in a process of its own, which must end with the report of
 * exactly that rule; and the miniport without a fault must pass all the same steps. Rules about what is left behind at
 * unload are the native test bed's own here, under its names.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

typedef struct {
    const char *Id;
    const char *Other; /* the native test bed's report of the same breach */
} RULE_CASE;

static const RULE_CASE Cases[] = {
#define X(Id, Text, Page) {#Id, NULL},
    PORT_RULES(X)
#undef X
};

/* Seen by the native test bed, or (LEAK_...) by the Wine ground's own books only. */
static const RULE_CASE Elsewhere[] = {
    {"POOL_FREE", "rule broken: pool-free"},
    {"LEAK_POOL", "rule broken: pool-leak"},
    {"LEAK_IRP", "rule broken: irp-leak"},
    {"LEAK_MDL", "rule broken: mdl-leak"},
    {"LEAK_WORK_ITEM", "rule broken: work-item-leak"},
    {"LEAK_DPC", "rule broken: queued-at-unload"},
    {"LEAK_WSK", "rule broken: wsk-leak"},
    {"LEAK_DEVICE", "rule broken: device-leak"},
    {"LEAK_HANDLE", "rule broken: handle-leak"},
    {"LEAK_THREAD", "rule broken: thread-at-unload"},
};

static char Report[65536];

/* An invalid command that asks for no sense data. */
static void NoSense(DISK *Disk)
{
    static const UCHAR Cdb[6] = {0xFF};
    IO Io;
    const IO_PARAMETERS Parameters = {.Cdb = Cdb,
                                      .CdbLength = 6,
                                      .Flags = SRB_FLAGS_DISABLE_AUTOSENSE,
                                      .SenseLength = sizeof(Io.Sense),
                                      .TimeoutSeconds = 5};

    IoBegin(Disk, &Io, &Parameters);
    CHECK(IoWait(&Io) == SRB_STATUS_ERROR);
}

static void TimedOut(HOST *Host, DISK *Disk)
{
    IO Io;

    HostCommand(Host, RAM_HOLD, 0, 1);
    IoReady(Disk, &Io, 1);
    CHECK(SRB_STATUS(IoWait(&Io)) == SRB_STATUS_BUS_RESET);
}

/* Everything that a fault may wait for. */
static void Steps(const char *Fault)
{
    NATIVE_REQUEST *Pended;
    RAM_COMMAND Pend = {RAM_PEND, 0, 0};
    HOST Host;
    DISK Disk;

    PortOptions.QuarantineDepth = 16;
    HostStart(&Host, Fault, false);
    DiskOpen(&Host, &Disk, 0);
    NoSense(&Disk);
    TimedOut(&Host, &Disk);
    HostCommand(&Host, RAM_PLUG, 1, 0);
    CHECK(NativeChildWait(Host.Adapter, 2, 10000));
    HostCommand(&Host, RAM_UNPLUG, 1, 0);
    CHECK(NativeChildWait(Host.Adapter, 1, 10000));
    HostSleep(200);
    CHECK(NT_SUCCESS(NativeDevicePower(Host.Adapter, false)) && NT_SUCCESS(NativeDevicePower(Host.Adapter, true)));
    DiskClose(&Disk);
    Pended = NativeIoctlBegin(Host.File, RAM_IOCTL, &Pend, sizeof(Pend), NULL, 0);
    NativeDeviceSurpriseRemove(Host.Adapter);
    NativeRequestWait(Pended, NULL);
    NativeClose(Host.File);
    NativePnpSettle();
    NativeDriverUnload(Host.Driver);
    NativeStop();
}

/* Runs the steps with the fault and keeps what they write. TRUE: ended well. */
static bool RunChild(const char *Fault, int *Status)
{
    int Pipe[2];
    size_t Used = 0;
    ssize_t Count;
    pid_t Pid;

    fflush(stdout);
    if (pipe(Pipe) != 0)
        return false;
    Pid = fork();
    if (Pid == 0) {
        close(Pipe[0]);
        dup2(Pipe[1], STDERR_FILENO);
        dup2(Pipe[1], STDOUT_FILENO);
        alarm(60);
        Steps(Fault);
        _exit(0);
    }
    close(Pipe[1]);
    while ((Count = read(Pipe[0], Report + Used, sizeof(Report) - 1 - Used)) > 0)
        Used += (size_t)Count;
    Report[Used] = 0;
    close(Pipe[0]);
    waitpid(Pid, Status, 0);
    return WIFEXITED(*Status) && WEXITSTATUS(*Status) == 0;
}

static const char *ElsewhereReport(const char *Id)
{
    size_t i;

    for (i = 0; i < RTL_NUMBER_OF(Elsewhere); ++i)
        if (strcmp(Elsewhere[i].Id, Id) == 0)
            return Elsewhere[i].Other;
    return NULL;
}

static bool Caught(const char *Id)
{
    char Expected[80];
    const char *Other = ElsewhereReport(Id);
    int Status;

    snprintf(Expected, sizeof(Expected), "STORPORT-VIOLATION: %s:", Id);
    RunChild(Id, &Status);
    return WIFSIGNALED(Status) && WTERMSIG(Status) == SIGABRT &&
           (strstr(Report, Expected) != NULL || (Other != NULL && strstr(Report, Other) != NULL));
}

int main(int argc, char **argv)
{
    bool Good;
    int Failures = 0, Status;
    size_t i;

    if (argc == 2) {
        Steps(strcmp(argv[1], "none") == 0 ? NULL : argv[1]);
        return 0;
    }
    Good = RunChild(NULL, &Status);
    printf("%-24s %s\n", "no fault", Good ? "passes" : "FAILED");
    if (!Good) {
        printf("%s\n", Report);
        ++Failures;
    }
    for (i = 0; i < RTL_NUMBER_OF(Cases); ++i) {
        Good = Caught(Cases[i].Id);
        printf("%-24s %s\n", Cases[i].Id, Good ? "caught" : "FAILED");
        if (!Good) {
            printf("%s\n", Report);
            ++Failures;
        }
    }
    return Failures == 0 ? 0 : 1;
}
