/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The options as programs see them: what the commands GET, SET, RESET and
 * LIST_DRV_OPT do with a buffer that has been checked for its size and its
 * reserved members. Names and texts in it are the caller's. PASSIVE_LEVEL.
 *
 * STATUS_OBJECT_NAME_NOT_FOUND: no option of that name, or no persistent value. STATUS_INVALID_PARAMETER: a text
 * without end; a value of another type that is no text for it, or out of range.
 */
#pragma once

#include "options.h"

/* The answer takes the place of the command. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlGet(PVOID Buffer);
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlSet(const WNBD_IOCTL_SET_DRV_OPT_COMMAND *Set);
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlReset(const WNBD_IOCTL_RESET_DRV_OPT_COMMAND *Reset);
/* As many elements as there is room for; Count is that of all. *Information: bytes of that. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlList(PWNBD_OPTION_LIST List, ULONG RoomBytes, BOOLEAN Persistent, ULONG_PTR *Information);
