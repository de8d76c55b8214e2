/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command unmap: a disk goes away.
 */
#include "command.h"

#include <string.h>

#include <wnbd.h>

#include "diagnose.h"
#include "disk_list.h"
#include "errors.h"
#include "mapping.h"
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

/* A mapping that was remembered until the disk was to go. */
typedef struct {
    bool Is;
    bool Readable;
    WNBD_PROPERTIES Properties;
} REMEMBERED;

/* Forgets it before the disk goes: afterwards the service would map it again. */
static DWORD RememberedTake(REMEMBERED *Remembered, const char *InstanceName)
{
    const char *Value;
    DWORD Status = MappingRead(InstanceName, &Remembered->Properties, &Value);
    Remembered->Readable = Status == ERROR_SUCCESS;
    Remembered->Is = Remembered->Readable || Status == ERROR_BADKEY;
    if (!Remembered->Is) {
        return ERROR_SUCCESS;
    }
    Status = MappingForget(InstanceName);
    if (Status != ERROR_SUCCESS && Status != ERROR_FILE_NOT_FOUND) {
        return ErrorReport(&(FAILURE){
            .Action = ACTION_REMEMBER, .Code = Status, .Tried = "forget the mapping", .Object = InstanceName});
    }
    return ERROR_SUCCESS;
}

/* The disk stays, and so does what is remembered; not of a disk that does no more I/O. */
static void RememberedGiveBack(const REMEMBERED *Remembered, DWORD Error)
{
    if (Remembered->Readable && Error != ERROR_DEVICE_IN_USE) {
        MappingSave(&Remembered->Properties);
    }
}

/* Without a driver nothing is mapped, and what is remembered can be forgotten. */
static bool DriverIsMissing(DWORD Status)
{
    return Status == ERROR_OPEN_FAILED && DiagnoseAdapter() == ADAPTER_MISSING;
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
    REMEMBERED Remembered;
    DWORD Status = RememberedTake(&Remembered, InstanceName);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    Status = WnbdRemoveEx(InstanceName, &Options);
    if (Remembered.Is && (Status == ERROR_FILE_NOT_FOUND || DriverIsMissing(Status))) {
        OutputPrint("It was remembered and not mapped; now it is not remembered either.\n");
        return ERROR_SUCCESS;
    }
    if (Status == ERROR_SUCCESS) {
        return ERROR_SUCCESS;
    }
    RememberedGiveBack(&Remembered, Status);
    return UnmapFail(InstanceName, Status);
}

uint32_t CommandRehearseUnmap(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    WNBD_CONNECTION_INFO Info;
    WNBD_PROPERTIES Properties;
    const char *Value;
    char Safe[WNBD_MAX_NAME_LENGTH];
    DWORD Remembered = MappingRead(InstanceName, &Properties, &Value);
    bool Forgets = Remembered == ERROR_SUCCESS || Remembered == ERROR_BADKEY;
    DWORD Status = WnbdShow(InstanceName, &Info);
    OutputSafe(Safe, sizeof(Safe), InstanceName, strlen(InstanceName));
    if (Forgets && (Status == ERROR_FILE_NOT_FOUND || DriverIsMissing(Status))) {
        OutputPrint("Would forget %s, which is not mapped\n", Safe);
        return ERROR_SUCCESS;
    }
    if (Status != ERROR_SUCCESS) {
        return UnmapFail(InstanceName, Status);
    }
    OutputPrint("Would remove %s, disk %ld%s%s\n", Safe, (long)Info.DiskNumber,
                CommandOption(Line, "hard-disconnect")->Present ? ", without asking Windows" : "",
                Forgets ? ", and forget it" : "");
    return ERROR_SUCCESS;
}
