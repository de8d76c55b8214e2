/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asks Windows for the queue depth of a disk; see disk_limits.h.
 */
#include "disk_limits.h"

#include <stddef.h>
#include <wchar.h>

#include <windows.h>
#include <winioctl.h>

/* STORAGE_DEVICE_IO_CAPABILITY_DESCRIPTOR, which not every winioctl.h has. */
typedef struct {
    DWORD Version;
    DWORD Size;
    DWORD LunMaxIoCount;
    DWORD AdapterMaxIoCount;
} IO_CAPABILITY;
_Static_assert(sizeof(IO_CAPABILITY) == 16, "as Windows defines it");

#define IO_CAPABILITY_PROPERTY ((STORAGE_PROPERTY_ID)48) /* StorageDeviceIoCapabilityProperty */

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
    STORAGE_PROPERTY_QUERY Query = {.PropertyId = IO_CAPABILITY_PROPERTY, .QueryType = PropertyStandardQuery};
    IO_CAPABILITY Answer = {0};
    DWORD Length = 0;
    BOOL Answered = DeviceIoControl(Disk, IOCTL_STORAGE_QUERY_PROPERTY, &Query, sizeof(Query), &Answer, sizeof(Answer),
                                    &Length, NULL);
    if (Answered && Length >= sizeof(Answer) && Answer.Size >= sizeof(Answer)) {
        Limits.PerLun = Answer.LunMaxIoCount;
        Limits.PerAdapter = Answer.AdapterMaxIoCount;
    }
    CloseHandle(Disk);
    return Limits;
}
