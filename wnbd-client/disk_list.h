/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The list of disks that the driver has.
 */
#pragma once

#include <stdint.h>

#include <wnbd.h>

/*
 * Reads the list of disks; the caller frees *List. Disks may be made between two calls, so the buffer has room for a
 * few more and the call is repeated when that was not enough. ERROR_MORE_DATA: they were made faster than we asked.
 */
DWORD DiskListRead(PWNBD_CONNECTION_LIST *List);

/*
 * After "no disk of that name is mapped" (Status ERROR_FILE_NOT_FOUND) and "the adapter is in use" (ERROR_BUSY): writes
 * to standard error which disks are mapped, if that can be found out. Returns Status, whatever it is.
 */
uint32_t DiskListAfter(uint32_t Status);
