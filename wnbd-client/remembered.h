/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The mappings that are remembered, for who looks at them: `list --persistent`, and the service.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <wnbd.h>

/* MappingRead, which also reports what is wrong with it, but not that it isn't there. Returns a Win32 error code. */
DWORD RememberedRead(const char *Name, WNBD_PROPERTIES *Properties);

/* Prints those that can be read; of the others, on standard error, why not. Returns 0 or a Win32 error code. */
uint32_t RememberedPrint(bool Json);
