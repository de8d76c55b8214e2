/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command service: install, uninstall and run what maps again.
 */
#include "command.h"

#include <string.h>

#include "errors.h"
#include "output.h"
#include "service.h"

static uint32_t ServiceFail(const char *Tried, DWORD Status)
{
    return ErrorReport(&(FAILURE){.Action = ACTION_SERVICE, .Code = Status, .Tried = Tried});
}

uint32_t CommandService(const COMMAND_LINE *Line)
{
    DWORD Status;
    const char *Tried = "install the service";
    if (strcmp(Line->Arguments[0], "install") == 0) {
        Status = ServiceInstall();
    } else if (strcmp(Line->Arguments[0], "uninstall") == 0) {
        Tried = "uninstall the service";
        Status = ServiceUninstall();
    } else {
        Tried = "run the service";
        Status = CommandOption(Line, "foreground")->Present ? ServiceRunHere() : ServiceRun();
    }
    return Status == ERROR_SUCCESS ? ERROR_SUCCESS : ServiceFail(Tried, Status);
}

uint32_t CommandRehearseService(const COMMAND_LINE *Line)
{
    bool Installed = ServiceIsInstalled();
    if (strcmp(Line->Arguments[0], "install") == 0) {
        if (Installed) {
            return ServiceFail("install the service", ERROR_SERVICE_EXISTS);
        }
        OutputPrint("Would install the service and start it\n");
    } else if (strcmp(Line->Arguments[0], "uninstall") == 0) {
        if (!Installed) {
            return ServiceFail("uninstall the service", ERROR_SERVICE_DOES_NOT_EXIST);
        }
        OutputPrint("Would stop the service and remove it\n");
    } else {
        OutputPrint("Would map what list --persistent shows\n");
    }
    return ERROR_SUCCESS;
}
