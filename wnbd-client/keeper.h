/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeps mapped what is remembered.
 */
#pragma once

#include <windows.h>

/*
 * Maps what is remembered (mapping.h) and not mapped, until the event Stop is set: at once, when something is
 * remembered, and again and again as long as it doesn't work or when a disk has gone; each mapping a second after its
 * first failure, then after twice as long, up to a minute. Says by OutputError what it has mapped, and each new reason
 * why it can't. Disks stay when it ends; a map that is under way then ends with the process. Returns a Win32 error
 * code.
 */
DWORD KeeperRun(HANDLE Stop);
