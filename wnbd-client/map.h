/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What all that maps NBD exports needs: the command map, and its rehearsal.
 */
#pragma once

#include <stdbool.h>

#include <winsock2.h>
#include <wnbd.h>

#include "command.h"

/* Fills the properties from map's command line. False: the options do not fit each other, which has been reported. */
bool MapProperties(const COMMAND_LINE *Line, WNBD_PROPERTIES *Properties);

/* Reads which exports the server offers. Sets *List, for free, also if it fails; then it may be NULL. */
DWORD MapExportsRead(const NBD_CONNECTION_PROPERTIES *Nbd, PWNBD_EXPORT_LIST *List);

/* Says on standard error which exports there are; NULL: that the server doesn't tell. */
void MapExportsPrint(const WNBD_EXPORT_LIST *List);

/* Reports why there is no disk, and which exports there are if the name was wrong. Returns Status. */
uint32_t MapFail(const WNBD_PROPERTIES *Properties, DWORD Status, const WNBD_CREATE_RESULT *Result);
