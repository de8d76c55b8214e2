/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * "Did you mean": the known name that is nearest to a mistyped one.
 */
#pragma once

#include "command.h"

/* Returns the name or alias of a command that resembles Name, NULL if none does. */
const char *SuggestCommand(const char *Name);

/* Returns the name, without dashes, of an option of Command or of every command that resembles Name; NULL if none does.
 */
const char *SuggestOption(const COMMAND_SPEC *Command, const char *Name);
