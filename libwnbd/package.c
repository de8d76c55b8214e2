/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A driver's package: whether it can be installed, and what it leaves behind
 * when it was, in the driver store and as a service.
 *
 * A package is ours if its INF installs something for our hardware id, however
 * it is called and whoever provided it: so older and foreign builds of the
 * driver go as well.
 *
 * Source: WDK, "SetupUninstallOEMInf function", "INF Manufacturer section",
 * "INF Models section", "INF SourceDisksFiles section".
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define SERVICE_NAME L"wnbd"

/* How long a driver may take to unload, milliseconds. */
#define STOP_TIMEOUT_MS 10000
#define STOP_POLL_MS 50

/* Length of INF names and fields, as the WDK limits them. */
#define FIELD_LENGTH 256

/* Whether a line of a models section names our hardware id: "description = section, id, compatible ids..." */
static bool LineHasOurId(INFCONTEXT *Line)
{
    WCHAR Id[FIELD_LENGTH];
    DWORD Fields = SetupGetFieldCount(Line);
    for (DWORD Field = 2; Field <= Fields; Field++) {
        if (SetupGetStringFieldW(Line, Field, Id, FIELD_LENGTH, NULL) && _wcsicmp(Id, L"root\\wnbd") == 0) {
            return true;
        }
    }
    return false;
}

static bool ModelsHaveOurId(HINF Inf, const WCHAR *Section)
{
    INFCONTEXT Line;
    bool More = SetupFindFirstLineW(Inf, Section, NULL, &Line);
    while (More) {
        if (LineHasOurId(&Line)) {
            return true;
        }
        More = SetupFindNextLine(&Line, &Line);
    }
    return false;
}

/* Looks through the models sections of one manufacturer: "name = models, decoration, decoration..." */
static bool ManufacturerHasOurId(HINF Inf, INFCONTEXT *Line)
{
    WCHAR Models[FIELD_LENGTH], Decoration[FIELD_LENGTH], Section[FIELD_LENGTH * 2];
    if (!SetupGetStringFieldW(Line, 1, Models, FIELD_LENGTH, NULL)) {
        return false;
    }
    if (ModelsHaveOurId(Inf, Models)) {
        return true;
    }
    DWORD Fields = SetupGetFieldCount(Line);
    for (DWORD Field = 2; Field <= Fields; Field++) {
        if (SetupGetStringFieldW(Line, Field, Decoration, FIELD_LENGTH, NULL)) {
            swprintf(Section, ARRAYSIZE(Section), L"%ls.%ls", Models, Decoration);
            if (ModelsHaveOurId(Inf, Section)) {
                return true;
            }
        }
    }
    return false;
}

static bool InfHasOurId(HINF Inf)
{
    INFCONTEXT Line;
    bool Ours = false;
    bool More = SetupFindFirstLineW(Inf, L"Manufacturer", NULL, &Line);
    while (More && !Ours) {
        Ours = ManufacturerHasOurId(Inf, &Line);
        More = SetupFindNextLine(&Line, &Line);
    }
    return Ours;
}

static bool InfIsOurs(const WCHAR *Path)
{
    HINF Inf = SetupOpenInfFileW(Path, NULL, INF_STYLE_WIN4, NULL);
    if (Inf == INVALID_HANDLE_VALUE) {
        return false;
    }
    bool Ours = InfHasOurId(Inf);
    SetupCloseInfFile(Inf);
    return Ours;
}

/* Whether the file of a line of SourceDisksFiles is there: "name = disk, folder below the INF's" */
static bool SourceFileExists(const WCHAR *InfPath, INFCONTEXT *Line)
{
    WCHAR Name[FIELD_LENGTH], Folder[FIELD_LENGTH], Path[MAX_PATH + FIELD_LENGTH * 2 + 2];
    const WCHAR *Slash = wcsrchr(InfPath, L'\\');
    if (!SetupGetStringFieldW(Line, 0, Name, FIELD_LENGTH, NULL)) {
        return true;
    }
    if (!SetupGetStringFieldW(Line, 2, Folder, FIELD_LENGTH, NULL)) {
        Folder[0] = 0;
    }
    swprintf(Path, sizeof(Path) / sizeof(Path[0]), L"%.*ls%ls%ls%ls", Slash ? (int)(Slash - InfPath) + 1 : 0, InfPath,
             Folder, Folder[0] ? L"\\" : L"", Name);
    if (GetFileAttributesW(Path) != INVALID_FILE_ATTRIBUTES) {
        return true;
    }
    LogError("cannot install %s: %s is missing", NarrowText(InfPath).Text, NarrowText(Path).Text);
    return false;
}

DWORD PackageCheck(const WCHAR *Path)
{
    static const WCHAR *const Sections[] = {L"SourceDisksFiles", L"SourceDisksFiles.amd64"};
    HINF Inf = SetupOpenInfFileW(Path, NULL, INF_STYLE_WIN4, NULL);
    if (Inf == INVALID_HANDLE_VALUE) {
        DWORD Error = GetLastError();
        LogError("cannot install %s: it is no INF: %s", NarrowText(Path).Text, ErrorText(Error).Text);
        return Error;
    }
    DWORD Error = InfHasOurId(Inf) ? ERROR_SUCCESS : ERROR_NO_MORE_ITEMS;
    if (Error) {
        LogError("cannot install %s: it has no driver for %s", NarrowText(Path).Text, WNBD_HARDWAREID);
    }
    for (size_t Index = 0; !Error && Index < sizeof(Sections) / sizeof(Sections[0]); Index++) {
        INFCONTEXT Line;
        bool More = SetupFindFirstLineW(Inf, Sections[Index], NULL, &Line);
        while (More && !Error) {
            Error = SourceFileExists(Path, &Line) ? ERROR_SUCCESS : ERROR_FILE_NOT_FOUND;
            More = SetupFindNextLine(&Line, &Line);
        }
    }
    SetupCloseInfFile(Inf);
    return Error;
}

DWORD PackagesRemove(void)
{
    WCHAR Directory[MAX_PATH], Path[MAX_PATH * 2];
    WIN32_FIND_DATAW Entry;
    DWORD First = ERROR_SUCCESS;
    UINT Length = GetWindowsDirectoryW(Directory, MAX_PATH);
    if (Length == 0 || Length >= MAX_PATH) {
        return GetLastError();
    }
    swprintf(Path, MAX_PATH * 2, L"%ls\\INF\\oem*.inf", Directory);
    HANDLE Search = FindFirstFileW(Path, &Entry);
    if (Search == INVALID_HANDLE_VALUE) {
        return ERROR_SUCCESS;
    }
    do {
        swprintf(Path, MAX_PATH * 2, L"%ls\\INF\\%ls", Directory, Entry.cFileName);
        if (!InfIsOurs(Path)) {
            continue;
        }
        if (SetupUninstallOEMInfW(Entry.cFileName, SUOI_FORCEDELETE, NULL)) {
            LogInfo("removed the driver package %s", NarrowText(Entry.cFileName).Text);
        } else {
            DWORD Error = GetLastError();
            LogError("cannot remove the driver package %s: %s", NarrowText(Entry.cFileName).Text,
                     ErrorText(Error).Text);
            First = First ? First : Error;
        }
    } while (FindNextFileW(Search, &Entry));
    FindClose(Search);
    return First;
}

/* Stops the service and waits for it; true if it has stopped. */
static bool ServiceStop(SC_HANDLE Service)
{
    SERVICE_STATUS Status = {0};
    DEADLINE Deadline = DeadlineAfter(STOP_TIMEOUT_MS, false);
    if (!QueryServiceStatus(Service, &Status) || Status.dwCurrentState == SERVICE_STOPPED) {
        return true;
    }
    /* Windows unloads a driver with its last device; this helps where that hasn't happened, and may be refused. */
    if (!ControlService(Service, SERVICE_CONTROL_STOP, &Status)) {
        LogDebug("the driver's service doesn't take a stop: %s", ErrorText(GetLastError()).Text);
    }
    while (QueryServiceStatus(Service, &Status) && Status.dwCurrentState != SERVICE_STOPPED) {
        if (!DeadlinePause(&Deadline, STOP_POLL_MS)) {
            return false;
        }
    }
    return true;
}

DWORD ServiceRemove(bool *Running)
{
    *Running = false;
    SC_HANDLE Manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (!Manager) {
        return GetLastError();
    }
    SC_HANDLE Service = OpenServiceW(Manager, SERVICE_NAME, SERVICE_QUERY_STATUS | SERVICE_STOP | DELETE);
    DWORD Error = Service ? ERROR_SUCCESS : GetLastError();
    if (Service) {
        *Running = !ServiceStop(Service);
        if (*Running) {
            LogWarning("the driver is still in use; it goes with the next restart");
        }
        if (!DeleteService(Service) && GetLastError() != ERROR_SERVICE_MARKED_FOR_DELETE) {
            Error = GetLastError();
        }
        CloseServiceHandle(Service);
    }
    CloseServiceHandle(Manager);
    if (Error == ERROR_SERVICE_DOES_NOT_EXIST) {
        return ERROR_SUCCESS;
    }
    if (Error) {
        LogError("cannot remove the driver's service: %s%s", ErrorText(Error).Text,
                 Error == ERROR_ACCESS_DENIED ? " (run this as administrator, elevated)" : "");
    }
    return Error;
}
