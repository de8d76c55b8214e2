/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that install and remove the driver.
 */
#include "command.h"

#include <stdlib.h>

#include <wnbd.h>

#include "errors.h"
#include "output.h"

#define PATH_SIZE 32768

/*
 * Writes the full path of the file Name (UTF-8) to Path, in the system's code page, as the library takes it. A path
 * that the code page cannot express is replaced by its short form, where the file system has those.
 * ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ERROR_DIRECTORY: no such file. ERROR_NO_UNICODE_TRANSLATION: cannot
 * be expressed.
 */
static DWORD PathForLibrary(const char *Name, WCHAR *Wide, WCHAR *Full, char *Path)
{
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, Name, -1, Wide, PATH_SIZE) == 0) {
        return GetLastError();
    }
    DWORD Attributes = GetFileAttributesW(Wide);
    if (Attributes == INVALID_FILE_ATTRIBUTES) {
        return GetLastError();
    }
    if (Attributes & FILE_ATTRIBUTE_DIRECTORY) {
        return ERROR_DIRECTORY;
    }
    DWORD Length = GetFullPathNameW(Wide, PATH_SIZE, Full, NULL);
    if (Length == 0 || Length >= PATH_SIZE) {
        return Length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    }
    for (int Try = 0; Try < 2; Try++) {
        BOOL Lost = FALSE;
        if (WideCharToMultiByte(CP_ACP, WC_NO_BEST_FIT_CHARS, Full, -1, Path, PATH_SIZE, NULL, &Lost) != 0 && !Lost) {
            return ERROR_SUCCESS;
        }
        Length = GetShortPathNameW(Full, Wide, PATH_SIZE);
        if (Length == 0 || Length >= PATH_SIZE) {
            break;
        }
        wcscpy(Full, Wide);
    }
    return ERROR_NO_UNICODE_TRANSLATION;
}

/* Finds the file and installs from it; *Action says which of the two failed. */
static DWORD Install(const char *Name, BOOL *RebootRequired, ACTION *Action)
{
    WCHAR *Wide = malloc(PATH_SIZE * sizeof(WCHAR));
    WCHAR *Full = malloc(PATH_SIZE * sizeof(WCHAR));
    char *Path = malloc(PATH_SIZE);
    DWORD Status = ERROR_OUTOFMEMORY;
    *Action = ACTION_FIND_INF;
    if (Wide != NULL && Full != NULL && Path != NULL) {
        Status = PathForLibrary(Name, Wide, Full, Path);
    }
    if (Status == ERROR_SUCCESS) {
        *Action = ACTION_INSTALL;
        Status = WnbdInstallDriver(Path, RebootRequired);
    }
    free(Wide);
    free(Full);
    free(Path);
    return Status;
}

uint32_t CommandInstallDriver(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    BOOL RebootRequired = FALSE;
    ACTION Action;
    DWORD Status = Install(Name, &RebootRequired, &Action);
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
