/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From an argument vector to a checked COMMAND_LINE.
 */
#pragma once

#include "command.h"

#define PARSE_MESSAGE_SIZE 2048

/*
 * Parses Arguments[1] to Arguments[ArgumentCount - 1] (UTF-8) into *Line. Options and positional arguments may come
 * in any order; `--name value` and `--name=value` are the same; after `--` everything is positional. Returns true,
 * or false with what is wrong and what to do in Message, terminated and safe to show. Does not read or write anything
 * else.
 */
bool ParseCommandLine(int ArgumentCount, const char *const *Arguments, COMMAND_LINE *Line,
                      char Message[PARSE_MESSAGE_SIZE]);
