/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Help, made from the command table.
 */
#pragma once

#include "command.h"

/* Prints the list of commands to standard output. */
void HelpPrintAll(void);

/* Prints usage, arguments and options of Command to standard output. */
void HelpPrintCommand(const COMMAND_SPEC *Command);
