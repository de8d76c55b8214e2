/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that install and remove the driver, and restart its adapter.
 */
#include "command.h"

#include <stdlib.h>

#include <wnbd.h>

#include "disk_list.h"
#include "errors.h"
#include "output.h"

#define MILLISECONDS 1000

/* Says whether Name (UTF-8) is a file. ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_DIRECTORY: it is not. */
static DWORD FileFind(const char *Name)
{
    int Length = MultiByteToWideChar(CP_UTF8, 0, Name, -1, NULL, 0);
    WCHAR *Wide = malloc((size_t)Length * sizeof(*Wide));
    if (Wide == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    MultiByteToWideChar(CP_UTF8, 0, Name, -1, Wide, Length);
    DWORD Attributes = GetFileAttributesW(Wide);
    DWORD Status = Attributes == INVALID_FILE_ATTRIBUTES     ? GetLastError()
                   : (Attributes & FILE_ATTRIBUTE_DIRECTORY) ? ERROR_DIRECTORY
                                                             : ERROR_SUCCESS;
    free(Wide);
    return Status;
}

uint32_t CommandInstallDriver(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    BOOL RebootRequired = FALSE;
    ACTION Action = ACTION_FIND_INF;
    DWORD Status = FileFind(Name);
    if (Status == ERROR_SUCCESS) {
        Action = ACTION_INSTALL;
        Status = WnbdInstallDriver(Name, &RebootRequired);
    }
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(
            &(FAILURE){.Action = Action, .Code = Status, .Tried = "install the driver from", .Object = Name});
    }
    if (RebootRequired) {
        OutputPrint("Restart Windows to finish the installation of the driver.\n");
    }
    return ERROR_SUCCESS;
}

uint32_t CommandUninstallDriver(const COMMAND_LINE *Line)
{
    (void)Line;
    BOOL RebootRequired = FALSE;
    DWORD Status = WnbdUninstallDriver(&RebootRequired);
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(&(FAILURE){.Action = ACTION_UNINSTALL, .Code = Status, .Tried = "uninstall the driver"});
    }
    if (RebootRequired) {
        OutputPrint("Restart Windows to finish the removal of the driver.\n");
    }
    return ERROR_SUCCESS;
}

static DWORD DisksRemove(void)
{
    HANDLE Adapter;
    DWORD Status = WnbdOpenAdapter(&Adapter);
    if (Status == ERROR_SUCCESS) {
        Status = WnbdRemoveAllDisks(Adapter);
        CloseHandle(Adapter);
    }
    return Status;
}

uint32_t CommandResetAdapter(const COMMAND_LINE *Line)
{
    DWORD Status = CommandOption(Line, "hard-disconnect-mappings")->Present ? DisksRemove() : (DWORD)ERROR_SUCCESS;
    if (Status == ERROR_SUCCESS) {
        Status = WnbdResetAdapterEx((DWORD)CommandOption(Line, "reset-timeout")->Number * MILLISECONDS,
                                    (DWORD)CommandOption(Line, "reset-retry-interval")->Number * MILLISECONDS);
    }
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_RESTART, .Code = Status, .Tried = "restart the WNBD adapter"});
        return DiskListAfter(Status);
    }
    return ERROR_SUCCESS;
}
