/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asks Windows for the queue depth of a disk; see disk_limits.h.
 */
#include "disk_limits.h"

#include <wchar.h>

#include <wnbd.h>

DISK_LIMITS DiskLimitsRead(int32_t DiskNumber)
{
    DISK_LIMITS Limits = {.PerLun = -1, .PerAdapter = -1};
    WCHAR Path[64];
    if (DiskNumber < 0) {
        return Limits;
    }
    swprintf(Path, sizeof(Path) / sizeof(Path[0]), L"\\\\.\\PhysicalDrive%d", (int)DiskNumber);
    HANDLE Disk = CreateFileW(Path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (Disk == INVALID_HANDLE_VALUE) {
        return Limits;
    }
    DWORD PerLun;
    DWORD PerAdapter;
    if (WnbdIoctlGetIOLimits(Disk, &PerLun, &PerAdapter, NULL) == ERROR_SUCCESS) {
        Limits.PerLun = PerLun;
        Limits.PerAdapter = PerAdapter;
    }
    CloseHandle(Disk);
    return Limits;
}
