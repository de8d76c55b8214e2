/* SPDX-License-Identifier: LGPL-2.1-only */
/* A real NBD server as a child process, on a free port of 127.0.0.1. Knows nothing of NT. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    pid_t Pid;
    pid_t Guard; /* kills the server when this program ends without */
    uint16_t Port;
    char PidFile[64];
} SERVER;

/*
 * Starts nbdkit with these arguments (plugin, its parameters, filters; NULL
 * ends the list) and waits until it listens. Stops the test if it can't.
 */
void ServerStart(SERVER *Server, const char *const *Arguments);
/* Starts the server that this line of the shell ends in (exec), in Folder, and waits until $PORT takes connections. */
void ServerStartLine(SERVER *Server, const char *Line, const char *Folder);
/* Stops it where it stands, and lets it go on. */
void ServerPause(const SERVER *Server);
void ServerResume(const SERVER *Server);
/* Kills it, as a machine dies: connections end without a word. */
void ServerKill(SERVER *Server);
/* Asks it to end, and waits. */
void ServerStop(SERVER *Server);
/* A port of 127.0.0.1 at which connections are accepted, and nothing is ever said. */
uint16_t ServerSilent(void);
/* A port of 127.0.0.1 at which nothing listens. */
uint16_t ServerFreePort(void);
/* A port that refuses connections and that no other program gets while this one runs. */
uint16_t ServerRefusing(void);
