/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Mappings that are remembered, in the registry: HKEY_LOCAL_MACHINE\SOFTWARE\WNBD\Mappings has a key for each, named
 * as the instance, in which a percent sign and a backslash are written as %25 and %5C. Its values:
 *
 *   Hostname, ExportName          REG_SZ
 *   Port, BlockSize               REG_DWORD; without them 10809, and what suits the server
 *   ReadOnly, SkipHandshake       REG_DWORD, 1 or 0; without them 0
 *   DiskSize                      REG_QWORD, bytes; only with SkipHandshake
 *
 * Administrators can write there and all users read, as everywhere in SOFTWARE. Functions return a Win32 error code,
 * 0 for success.
 */
#pragma once

#include <stdbool.h>

#include <windows.h>
#include <wnbd.h>

/*
 * Remembers a mapping, in place of one of the same name. ERROR_ALREADY_EXISTS: there is one of which the name differs
 * in case only, which the registry doesn't tell apart. ERROR_FILENAME_EXCED_RANGE: the key's name would be too long.
 */
DWORD MappingSave(const WNBD_PROPERTIES *Properties);

/* Reads one. ERROR_FILE_NOT_FOUND: there is none. ERROR_BADKEY: *Value (never NULL) is the one that is wrong. */
DWORD MappingRead(const char *InstanceName, WNBD_PROPERTIES *Properties, const char **Value);

/* Forgets one. ERROR_FILE_NOT_FOUND: there is none. */
DWORD MappingForget(const char *InstanceName);

typedef struct {
    size_t Count;
    char (*Names)[WNBD_MAX_NAME_LENGTH];
} MAPPING_NAMES;

/* The names of all, sorted as the registry does; none if there is no key. MappingNamesFree frees them. */
DWORD MappingNamesRead(MAPPING_NAMES *Names);
void MappingNamesFree(MAPPING_NAMES *Names);

/*
 * The key of all mappings, made if it isn't there, for RegNotifyChangeKeyValue. The caller closes it.
 */
DWORD MappingsOpen(HKEY *Key);
