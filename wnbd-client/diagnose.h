/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Questions to the system whose answers explain an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIAGNOSIS_SIZE 512

/* Why the adapter could not be opened. */
typedef enum {
    ADAPTER_MISSING,  /* no driver, or no adapter made by it */
    ADAPTER_DENIED,   /* it is there, and this process is not elevated */
    ADAPTER_STARTING, /* it is there, and not open to an elevated process either */
} ADAPTER_TROUBLE;

ADAPTER_TROUBLE DiagnoseAdapter(void);

/* Whether this process runs with an administrator's full rights. */
bool DiagnoseElevated(void);

/*
 * Returns true, with a sentence in Text, if driver and library are of different versions; false if they are the same
 * or one cannot be asked.
 */
bool DiagnoseVersions(char Text[DIAGNOSIS_SIZE]);
