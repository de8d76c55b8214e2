/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Conditions that only a mistake in our own code can break: a caller that
 * ignores a function's contract, a state that can't follow another. Going on
 * would mean to write the wrong bytes to somebody's disk, so it stops in every
 * build. Nothing that comes from a peer, a user or a file is checked with it.
 */
#pragma once

#include "compiler.h"

#define INVARIANT(Condition) ((Condition) ? (void)0 : COMPILER_TRAP())
