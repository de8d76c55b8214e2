/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the user reads when something fails: `wnbd-client: cannot map foo: the cause (what to do)`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What was tried; errors of the same number can have different causes. */
typedef enum {
    ACTION_ANY = 0, /* in the table: whatever was tried */
    ACTION_LIST,
    ACTION_DISK,       /* anything about one disk that must exist: show, stats */
    ACTION_OPERATIONS, /* what has been counted of each operation */
    ACTION_WATCH,      /* the same of a disk that was there */
    ACTION_MAP,
    ACTION_SERVE, /* a disk that was mapped: the program goes on with it */
    ACTION_UNMAP,
    ACTION_OPTION,
    ACTION_KEPT_OPTION, /* an option that there is: its persistent value */
    ACTION_VERSION,
    ACTION_FIND_INF, /* before ACTION_INSTALL */
    ACTION_INSTALL,
    ACTION_UNINSTALL,
    ACTION_RESTART,  /* the adapter */
    ACTION_REMEMBER, /* a mapping */
    ACTION_RECALL,   /* mappings that are remembered */
    ACTION_SERVICE,
    ACTION_OUTPUT, /* writing to standard output, or a file */
} ACTION;

/* A failure. Strings that do not apply are NULL; they need not be safe to show. */
typedef struct {
    ACTION Action;
    uint32_t Code;        /* Win32 error code, not 0 */
    const char *Tried;    /* completes "cannot ...", without the object: "map" */
    const char *Object;   /* what it was tried on: the instance's or file's name */
    const char *Host;     /* of the NBD server */
    uint32_t Port;        /* of the NBD server */
    const char *Export;   /* name of the NBD export */
    uint32_t ServerError; /* NBD_REP_ERR_* that the server answered with, or 0 */
    const char *Message;  /* what the driver or the library said of the cause; preferred to the table's words */
} FAILURE;

/*
 * Writes what failed, why and what to do to standard error. Looks at the system where the number alone does not
 * tell: whether the driver is installed, the user elevated, the driver of another version. Returns Failure->Code.
 */
uint32_t ErrorReport(const FAILURE *Failure);
