/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command unmap: a disk goes away.
 */
#include "command.h"

#include <wnbd.h>

#include "disk_list.h"
#include "errors.h"

#define MILLISECONDS 1000

uint32_t CommandUnmap(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    WNBD_REMOVE_OPTIONS Options = {
        .Flags.HardRemove = CommandOption(Line, "hard-disconnect")->Present,
        .Flags.HardRemoveFallback = !CommandOption(Line, "no-hard-disconnect-fallback")->Present,
        .SoftRemoveTimeoutMs = (DWORD)CommandOption(Line, "soft-disconnect-timeout")->Number * MILLISECONDS,
        .SoftRemoveRetryIntervalMs =
            (DWORD)CommandOption(Line, "soft-disconnect-retry-interval")->Number * MILLISECONDS,
    };
    DWORD Status = WnbdRemoveEx(InstanceName, &Options);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_UNMAP, .Code = Status, .Tried = "unmap", .Object = InstanceName});
        return DiskListAfter(Status);
    }
    return ERROR_SUCCESS;
}
