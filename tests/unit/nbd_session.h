/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Recorded sessions: what a real server said to the engine, to be said again
 * in any chunking. A session is a text file of lines:
 *
 *   # words       the first names the server and what is done, the second has "list" or "disk", the disk's block
 *                 size and the export's name
 *   < hex         bytes of the server
 *   > hex         bytes of the client, in answer to all that was said before
 *   !             the server closed the connection
 *   = event       a line of the bench's log; all of them together are the whole log
 */
#pragma once

#include "nbd_bench.h"

#define SESSION_STEPS_MAX 64u
#define SESSION_BYTES_MAX (256u * 1024)

typedef enum { SESSION_SERVER, SESSION_CLIENT, SESSION_CLOSE } SESSION_KIND;

typedef struct {
    SESSION_KIND Kind;
    size_t Start; /* of its bytes in SESSION.Bytes */
    size_t Length;
} SESSION_STEP;

typedef struct {
    NBD_CONFIG Config;
    char ExportName[NBD_EXPORT_NAME_MAX + 1];
    uint8_t Bytes[SESSION_BYTES_MAX];
    size_t BytesLength;
    SESSION_STEP Steps[SESSION_STEPS_MAX];
    size_t StepCount;
    size_t ServerLength; /* bytes of the server, all steps */
    char Log[64 * 1024];
} SESSION;

/* How a session is said again. */
typedef struct {
    size_t Split;     /* the server's bytes are cut after this many; SIZE_MAX: not */
    uint32_t Seed;    /* not 0: they are cut at random places as well, up to 64 bytes apart */
    size_t Flip;      /* this byte of the server is changed; SIZE_MAX: none */
    uint8_t FlipMask; /* by exclusive or with this */
} SESSION_VARIATION;

/* Where the sessions are, and how many; fails the test if one can't be read. */
size_t SessionCount(void);
const char *SessionName(size_t Index);
void SessionLoad(SESSION *Session, size_t Index);

/*
 * Plays a session on the bench. Unchanged, the client must say exactly what it
 * said when it was recorded; changed, it must come to an end all the same.
 */
void SessionPlay(const SESSION *Session, const SESSION_VARIATION *Variation, BENCH *Bench);
