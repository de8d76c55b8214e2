/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands about the program itself: version, help.
 */
#include "command.h"

#include <string.h>

#include <wnbd.h>

#include "errors.h"
#include "help.h"
#include "output.h"
#include "suggest.h"
#include "version.h"

static void PrintVersion(const char *Name, const char *Version, size_t SizeBytes)
{
    char Safe[WNBD_MAX_VERSION_STR_LENGTH];
    OutputPrint("%s: %s\n", Name, OutputSafe(Safe, sizeof(Safe), Version, SizeBytes));
}

uint32_t CommandVersion(const COMMAND_LINE *Line)
{
    (void)Line;
    PrintVersion("wnbd-client.exe", WNBD_VERSION_STRING, sizeof(WNBD_VERSION_STRING));
    WNBD_VERSION Version = {0};
    DWORD Status = WnbdGetLibVersion(&Version);
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(&(FAILURE){
            .Action = ACTION_VERSION, .Code = Status, .Tried = "read the version of", .Object = "libwnbd.dll"});
    }
    PrintVersion("libwnbd.dll", Version.Description, sizeof(Version.Description));
    Status = WnbdGetDriverVersion(&Version);
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(
            &(FAILURE){.Action = ACTION_VERSION, .Code = Status, .Tried = "read the version of", .Object = "wnbd.sys"});
    }
    PrintVersion("wnbd.sys", Version.Description, sizeof(Version.Description));
    return ERROR_SUCCESS;
}

uint32_t CommandHelp(const COMMAND_LINE *Line)
{
    if (Line->ArgumentCount == 0) {
        HelpPrintAll();
        return ERROR_SUCCESS;
    }
    const char *Name = Line->Arguments[0];
    const COMMAND_SPEC *Command = CommandFind(Name);
    if (Command != NULL) {
        HelpPrintCommand(Command);
        return ERROR_SUCCESS;
    }
    char Safe[WNBD_MAX_NAME_LENGTH];
    const char *Nearest = SuggestCommand(Name);
    OutputError("wnbd-client: help: unknown command \"%s\" (%s%s%swnbd-client help lists the commands)\n",
                OutputSafe(Safe, sizeof(Safe), Name, strlen(Name)), Nearest != NULL ? "did you mean " : "",
                Nearest != NULL ? Nearest : "", Nearest != NULL ? "? " : "");
    return ERROR_INVALID_PARAMETER;
}
