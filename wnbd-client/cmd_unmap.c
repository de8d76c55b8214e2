/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command unmap: a disk goes away.
 */
#include "command.h"

#include <string.h>

#include <wnbd.h>

#include "disk_list.h"
#include "errors.h"
#include "output.h"

#define MILLISECONDS 1000

/* Without --debug: a disk that Windows did not want to let go is never removed in silence. */
static void WarningShow(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                        const char *FunctionName)
{
    char Safe[WNBD_LOG_MESSAGE_MAX_SIZE];
    (void)FileName;
    (void)Line;
    (void)FunctionName;
    if (LogLevel == WnbdLogLevelWarning) {
        OutputError("wnbd-client: warning: %s\n", OutputSafe(Safe, sizeof(Safe), Message, strlen(Message)));
    }
}

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
    if (!Line->Debug) {
        WnbdSetLogger(WarningShow);
        WnbdSetLogLevel(WnbdLogLevelWarning);
    }
    DWORD Status = WnbdRemoveEx(InstanceName, &Options);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_UNMAP, .Code = Status, .Tried = "unmap", .Object = InstanceName});
        return DiskListAfter(Status);
    }
    return ERROR_SUCCESS;
}
