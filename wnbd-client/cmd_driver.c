/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that install and remove the driver, and restart its adapter.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

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

static uint32_t InstallFail(const char *Name, ACTION Action, DWORD Status)
{
    return ErrorReport(
        &(FAILURE){.Action = Action, .Code = Status, .Tried = "install the driver from", .Object = Name});
}

uint32_t CommandInstallDriver(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    BOOL RebootRequired = FALSE;
    DWORD Status = FileFind(Name);
    if (Status != ERROR_SUCCESS) {
        return InstallFail(Name, ACTION_FIND_INF, Status);
    }
    Status = WnbdInstallDriver(Name, &RebootRequired);
    if (Status != ERROR_SUCCESS) {
        return InstallFail(Name, ACTION_INSTALL, Status);
    }
    if (RebootRequired) {
        OutputPrint("Restart Windows to finish the installation of the driver.\n");
    }
    return ERROR_SUCCESS;
}

uint32_t CommandRehearseInstallDriver(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    char Safe[MAX_PATH * 3];
    DWORD Status = FileFind(Name);
    if (Status != ERROR_SUCCESS) {
        return InstallFail(Name, ACTION_FIND_INF, Status);
    }
    OutputPrint("Would install the driver from %s\n", OutputSafe(Safe, sizeof(Safe), Name, strlen(Name)));
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

/* How many disks are mapped; 0 if there is no adapter. */
static DWORD DisksCount(DWORD *Count)
{
    PWNBD_CONNECTION_LIST List;
    DWORD Status = DiskListRead(&List);
    *Count = Status == ERROR_SUCCESS ? List->Count : 0;
    free(List);
    return Status == ERROR_OPEN_FAILED ? (DWORD)ERROR_SUCCESS : Status;
}

uint32_t CommandRehearseUninstallDriver(const COMMAND_LINE *Line)
{
    (void)Line;
    DWORD Count;
    DWORD Status = DisksCount(&Count);
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(&(FAILURE){.Action = ACTION_LIST, .Code = Status, .Tried = "list the disks"});
    }
    OutputPrint("Would remove %lu disk%s, the adapter and the driver\n", (unsigned long)Count, Count == 1 ? "" : "s");
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

static uint32_t ResetFail(DWORD Status)
{
    ErrorReport(&(FAILURE){.Action = ACTION_RESTART, .Code = Status, .Tried = "restart the WNBD adapter"});
    return DiskListAfter(Status);
}

uint32_t CommandResetAdapter(const COMMAND_LINE *Line)
{
    DWORD Status = CommandOption(Line, "hard-disconnect-mappings")->Present ? DisksRemove() : (DWORD)ERROR_SUCCESS;
    if (Status == ERROR_SUCCESS) {
        Status = WnbdResetAdapterEx((DWORD)CommandOption(Line, "reset-timeout")->Number * MILLISECONDS,
                                    (DWORD)CommandOption(Line, "reset-retry-interval")->Number * MILLISECONDS);
    }
    return Status == ERROR_SUCCESS ? ERROR_SUCCESS : ResetFail(Status);
}

uint32_t CommandRehearseResetAdapter(const COMMAND_LINE *Line)
{
    bool Remove = CommandOption(Line, "hard-disconnect-mappings")->Present;
    DEVINST Adapter;
    DWORD Count = 0;
    DWORD Status = WnbdGetAdapterDevInst(&Adapter);
    if (Status == ERROR_SUCCESS) {
        Status = DisksCount(&Count);
    }
    if (Status == ERROR_SUCCESS && Count != 0 && !Remove) {
        Status = ERROR_BUSY;
    }
    if (Status != ERROR_SUCCESS) {
        return ResetFail(Status);
    }
    if (Remove) {
        OutputPrint("Would remove %lu disk%s and restart the adapter\n", (unsigned long)Count, Count == 1 ? "" : "s");
    } else {
        OutputPrint("Would restart the adapter\n");
    }
    return ERROR_SUCCESS;
}
