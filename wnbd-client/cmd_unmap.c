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

static uint32_t UnmapFail(const char *InstanceName, DWORD Status)
{
    ErrorReport(&(FAILURE){.Action = ACTION_UNMAP, .Code = Status, .Tried = "unmap", .Object = InstanceName});
    return DiskListAfter(Status);
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
    return Status == ERROR_SUCCESS ? ERROR_SUCCESS : UnmapFail(InstanceName, Status);
}

uint32_t CommandRehearseUnmap(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    WNBD_CONNECTION_INFO Info;
    char Safe[WNBD_MAX_NAME_LENGTH];
    DWORD Status = WnbdShow(InstanceName, &Info);
    if (Status != ERROR_SUCCESS) {
        return UnmapFail(InstanceName, Status);
    }
    OutputPrint("Would remove %s, disk %ld%s\n", OutputSafe(Safe, sizeof(Safe), InstanceName, strlen(InstanceName)),
                (long)Info.DiskNumber,
                CommandOption(Line, "hard-disconnect")->Present ? ", without asking Windows" : "");
    return ERROR_SUCCESS;
}
