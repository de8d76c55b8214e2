/* SPDX-License-Identifier: LGPL-2.1-only */
/* server.h over fork and exec. */
#include "server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void ServerFail(const char *What)
{
    perror(What);
    exit(1);
}

static int ServerBind(uint16_t *Port)
{
    struct sockaddr_in Address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t Length = sizeof(Address);
    int Socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (Socket < 0 || bind(Socket, (struct sockaddr *)&Address, sizeof(Address)) != 0 ||
        getsockname(Socket, (struct sockaddr *)&Address, &Length) != 0) {
        ServerFail("cannot find a free port");
    }
    *Port = ntohs(Address.sin_port);
    return Socket;
}

uint16_t ServerFreePort(void)
{
    uint16_t Port;
    close(ServerBind(&Port));
    return Port;
}

uint16_t ServerRefusing(void)
{
    uint16_t Port;
    ServerBind(&Port); /* stays open and doesn't listen, until the test ends */
    return Port;
}

uint16_t ServerSilent(void)
{
    uint16_t Port;
    /* The socket stays open until the test ends; the system completes connections by itself. */
    if (listen(ServerBind(&Port), 64) != 0) {
        ServerFail("cannot listen");
    }
    return Port;
}

/*
 * A process that sees this one end, by the end of a pipe, and kills the server, which may be stopped then. A parent
 * death signal doesn't do: nbdkit sets SIGTERM as its own.
 */
static void ServerGuard(SERVER *Server)
{
    int Pipe[2];
    if (pipe2(Pipe, O_CLOEXEC) != 0) {
        ServerFail("cannot make a pipe");
    }
    Server->Guard = fork();
    if (Server->Guard == 0) {
        char Byte;
        /* Nothing else: a socket's peer would not see it closed. */
        dup2(Pipe[0], 0);
        close_range(1, ~0u, 0);
        while (read(0, &Byte, 1) < 0) {
        }
        kill(Server->Pid, SIGKILL);
        _exit(0);
    }
    close(Pipe[0]); /* the other end stays open as long as this process lives */
}

void ServerStart(SERVER *Server, const char *const *Arguments)
{
    const char *Line[32] = {"nbdkit", "--foreground", "--ipaddr", "127.0.0.1"};
    char Port[8];
    int Count = 4;
    Server->Port = ServerFreePort();
    snprintf(Port, sizeof(Port), "%u", Server->Port);
    snprintf(Server->PidFile, sizeof(Server->PidFile), "/tmp/wnbd-sim-%d-%u.pid", (int)getpid(), Server->Port);
    Line[Count++] = "--port";
    Line[Count++] = Port;
    Line[Count++] = "--pidfile";
    Line[Count++] = Server->PidFile;
    while (*Arguments != NULL && Count < 31) {
        Line[Count++] = *Arguments++;
    }
    Server->Pid = fork();
    if (Server->Pid == 0) {
        execvp(Line[0], (char *const *)Line);
        ServerFail("cannot run nbdkit (install the package nbdkit)");
    }
    if (Server->Pid < 0) {
        ServerFail("cannot start nbdkit");
    }
    ServerGuard(Server);
    /* nbdkit writes the file once it listens. */
    for (int Tries = 0; access(Server->PidFile, F_OK) != 0; Tries++) {
        struct timespec Pause = {.tv_nsec = 10 * 1000 * 1000};
        if (Tries == 1000 || waitpid(Server->Pid, NULL, WNOHANG) != 0) {
            fprintf(stderr, "nbdkit does not listen\n");
            exit(1);
        }
        nanosleep(&Pause, NULL);
    }
}

static bool ServerListens(uint16_t Port)
{
    struct sockaddr_in Address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(Port)};
    int Socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool Listens = Socket >= 0 && connect(Socket, (struct sockaddr *)&Address, sizeof(Address)) == 0;
    close(Socket);
    return Listens;
}

void ServerStartLine(SERVER *Server, const char *Line, const char *Folder)
{
    char Port[8];
    Server->Port = ServerFreePort();
    Server->PidFile[0] = '\0';
    snprintf(Port, sizeof(Port), "%u", Server->Port);
    Server->Pid = fork();
    if (Server->Pid == 0) {
        if (chdir(Folder) == 0 && setenv("PORT", Port, 1) == 0) {
            execl("/bin/sh", "sh", "-c", Line, (char *)NULL);
        }
        ServerFail("cannot run the shell");
    }
    ServerGuard(Server);
    for (int Tries = 0; !ServerListens(Server->Port); Tries++) {
        struct timespec Pause = {.tv_nsec = 10 * 1000 * 1000};
        if (Tries == 3000 || waitpid(Server->Pid, NULL, WNOHANG) != 0) {
            fprintf(stderr, "the server does not listen: %s\n", Line);
            exit(1);
        }
        nanosleep(&Pause, NULL);
    }
}

static void ServerSignal(const SERVER *Server, int Signal)
{
    if (kill(Server->Pid, Signal) != 0) {
        ServerFail("cannot signal nbdkit");
    }
}

void ServerPause(const SERVER *Server)
{
    int Status;
    ServerSignal(Server, SIGSTOP);
    /* Its threads may run for a moment yet. */
    if (waitpid(Server->Pid, &Status, WUNTRACED) != Server->Pid || !WIFSTOPPED(Status)) {
        ServerFail("cannot stop nbdkit");
    }
}

void ServerResume(const SERVER *Server)
{
    ServerSignal(Server, SIGCONT);
}

static void ServerEnd(SERVER *Server, int Signal)
{
    if (Server->Pid > 0) {
        if (Server->Guard > 0) {
            kill(Server->Guard, SIGKILL);
            waitpid(Server->Guard, NULL, 0);
        }
        kill(Server->Pid, Signal);
        waitpid(Server->Pid, NULL, 0);
        if (Server->PidFile[0] != '\0') {
            unlink(Server->PidFile);
        }
        Server->Pid = 0;
    }
}

void ServerKill(SERVER *Server)
{
    ServerEnd(Server, SIGKILL);
}

void ServerStop(SERVER *Server)
{
    ServerEnd(Server, SIGTERM);
}
