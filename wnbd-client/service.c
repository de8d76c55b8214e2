/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The service for the service manager: installed, removed, and told by it when to end. What it does is in keeper.c.
 *
 * Its events go to the Application log. Their texts are those of the program EventCreate.exe, which Windows has: for
 * the ids 1 to 1000 the text that comes with the event, and nothing else.
 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "keeper.h"
#include "output.h"

#define DISPLAY_NAME L"WNBD persistent mappings"
#define DESCRIPTION L"Maps the NBD exports that wnbd-client map --persistent has remembered."
#define EVENT_SOURCE_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" SERVICE_NAME
#define EVENT_TEXTS L"%SystemRoot%\\System32\\EventCreate.exe"
#define EVENT_TYPES (EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE)
#define EVENT_ID 1
#define RESTART_MS 5000
#define RESET_SECONDS 86400
#define STOP_TIMEOUT_MS 30000
#define STOP_PAUSE_MS 100

/* ---- installing ---- */

static DWORD EventSourceMake(void)
{
    HKEY Key;
    DWORD Types = EVENT_TYPES;
    DWORD Status =
        (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, EVENT_SOURCE_KEY, 0, NULL, 0, KEY_WRITE, NULL, &Key, NULL);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    Status = (DWORD)RegSetValueExW(Key, L"EventMessageFile", 0, REG_EXPAND_SZ, (const BYTE *)EVENT_TEXTS,
                                   sizeof(EVENT_TEXTS));
    if (Status == ERROR_SUCCESS) {
        Status = (DWORD)RegSetValueExW(Key, L"TypesSupported", 0, REG_DWORD, (const BYTE *)&Types, sizeof(Types));
    }
    RegCloseKey(Key);
    return Status;
}

/* What it is for, and that Windows starts it again when it has crashed. */
static bool ServiceDescribe(SC_HANDLE Service)
{
    WCHAR Text[] = DESCRIPTION;
    SERVICE_DESCRIPTIONW Description = {.lpDescription = Text};
    SC_ACTION Restart = {.Type = SC_ACTION_RESTART, .Delay = RESTART_MS};
    SERVICE_FAILURE_ACTIONSW Failure = {.dwResetPeriod = RESET_SECONDS, .cActions = 1, .lpsaActions = &Restart};
    return ChangeServiceConfig2W(Service, SERVICE_CONFIG_DESCRIPTION, &Description) &&
           ChangeServiceConfig2W(Service, SERVICE_CONFIG_FAILURE_ACTIONS, &Failure);
}

/* "C:\Program Files\WNBD\wnbd-client.exe" service run; quoted, as no other program may be meant. */
static bool CommandLineMake(WCHAR *Buffer, size_t Size)
{
    WCHAR Path[MAX_PATH];
    DWORD Length = GetModuleFileNameW(NULL, Path, MAX_PATH);
    return Length != 0 && Length < MAX_PATH && swprintf(Buffer, Size, L"\"%ls\" service run", Path) > 0;
}

static DWORD ServiceCreate(SC_HANDLE Manager)
{
    WCHAR Command[MAX_PATH + 32];
    if (!CommandLineMake(Command, sizeof(Command) / sizeof(Command[0]))) {
        return ERROR_FILENAME_EXCED_RANGE;
    }
    SC_HANDLE Service =
        CreateServiceW(Manager, SERVICE_NAME, DISPLAY_NAME, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
                       SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, Command, NULL, NULL, L"Tcpip\0", NULL, NULL);
    if (Service == NULL) {
        return GetLastError();
    }
    DWORD Status = EventSourceMake();
    if (Status == ERROR_SUCCESS && !(ServiceDescribe(Service) && StartServiceW(Service, 0, NULL))) {
        Status = GetLastError();
    }
    if (Status != ERROR_SUCCESS) {
        DeleteService(Service);
        RegDeleteKeyExW(HKEY_LOCAL_MACHINE, EVENT_SOURCE_KEY, 0, 0);
    }
    CloseServiceHandle(Service);
    return Status;
}

DWORD ServiceInstall(void)
{
    SC_HANDLE Manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CREATE_SERVICE | SC_MANAGER_CONNECT);
    if (Manager == NULL) {
        return GetLastError();
    }
    DWORD Status = ServiceCreate(Manager);
    CloseServiceHandle(Manager);
    return Status;
}

/* ---- removing ---- */

/* Returns the service, NULL and *Status if it can't be opened. */
static SC_HANDLE ServiceOpen(DWORD Access, DWORD *Status)
{
    SC_HANDLE Service = NULL;
    SC_HANDLE Manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    if (Manager != NULL) {
        Service = OpenServiceW(Manager, SERVICE_NAME, Access);
    }
    *Status = Service == NULL ? GetLastError() : ERROR_SUCCESS;
    if (Manager != NULL) {
        CloseServiceHandle(Manager);
    }
    return Service;
}

static DWORD ServiceStop(SC_HANDLE Service)
{
    SERVICE_STATUS State;
    if (!ControlService(Service, SERVICE_CONTROL_STOP, &State)) {
        return GetLastError() == ERROR_SERVICE_NOT_ACTIVE ? (DWORD)ERROR_SUCCESS : GetLastError();
    }
    for (DWORD WaitedMs = 0; State.dwCurrentState != SERVICE_STOPPED; WaitedMs += STOP_PAUSE_MS) {
        if (WaitedMs >= STOP_TIMEOUT_MS) {
            return ERROR_SERVICE_REQUEST_TIMEOUT;
        }
        Sleep(STOP_PAUSE_MS);
        if (!QueryServiceStatus(Service, &State)) {
            return GetLastError();
        }
    }
    return ERROR_SUCCESS;
}

DWORD ServiceUninstall(void)
{
    DWORD Status;
    SC_HANDLE Service = ServiceOpen(SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE, &Status);
    if (Service == NULL) {
        return Status;
    }
    Status = ServiceStop(Service);
    if (Status == ERROR_SUCCESS && !DeleteService(Service)) {
        Status = GetLastError();
    }
    CloseServiceHandle(Service);
    if (Status == ERROR_SUCCESS) {
        RegDeleteKeyExW(HKEY_LOCAL_MACHINE, EVENT_SOURCE_KEY, 0, 0);
    }
    return Status;
}

bool ServiceIsInstalled(void)
{
    DWORD Status;
    SC_HANDLE Service = ServiceOpen(SERVICE_QUERY_STATUS, &Status);
    if (Service != NULL) {
        CloseServiceHandle(Service);
    }
    return Status != ERROR_SERVICE_DOES_NOT_EXIST;
}

/* ---- running ---- */

static SERVICE_STATUS_HANDLE Handle;
static HANDLE Stop;   /* event */
static HANDLE Events; /* NULL: what is said is lost */

static void StateSet(DWORD State, DWORD Error)
{
    SERVICE_STATUS Status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS,
                             .dwCurrentState = State,
                             .dwControlsAccepted = State == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP : 0,
                             .dwWin32ExitCode = Error};
    SetServiceStatus(Handle, &Status);
}

/* What would be an error or a warning on a console becomes an event. */
static void EventWrite(const char *Text)
{
    WCHAR Wide[4096];
    const WCHAR *Strings[] = {Wide};
    WORD Type = strstr(Text, "cannot") != NULL ? EVENTLOG_WARNING_TYPE : EVENTLOG_INFORMATION_TYPE;
    if (Events != NULL && MultiByteToWideChar(CP_UTF8, 0, Text, -1, Wide, sizeof(Wide) / sizeof(Wide[0])) != 0) {
        ReportEventW(Events, Type, 0, EVENT_ID, NULL, 1, 0, Strings, NULL);
    }
}

static DWORD WINAPI OnServiceControl(DWORD Control, DWORD EventType, LPVOID EventData, LPVOID Context)
{
    (void)EventType;
    (void)EventData;
    (void)Context;
    if (Control == SERVICE_CONTROL_STOP) {
        StateSet(SERVICE_STOP_PENDING, ERROR_SUCCESS);
        SetEvent(Stop);
        return ERROR_SUCCESS;
    }
    return Control == SERVICE_CONTROL_INTERROGATE ? ERROR_SUCCESS : ERROR_CALL_NOT_IMPLEMENTED;
}

static void WINAPI ServiceMain(DWORD Count, LPWSTR *Arguments)
{
    (void)Count;
    (void)Arguments;
    Handle = RegisterServiceCtrlHandlerExW(SERVICE_NAME, OnServiceControl, NULL);
    if (Handle == NULL) {
        return;
    }
    Events = RegisterEventSourceW(NULL, SERVICE_NAME);
    OutputErrorTo(EventWrite);
    StateSet(SERVICE_RUNNING, ERROR_SUCCESS);
    StateSet(SERVICE_STOPPED, KeeperRun(Stop));
}

DWORD ServiceRun(void)
{
    WCHAR Name[] = SERVICE_NAME;
    const SERVICE_TABLE_ENTRYW Table[] = {{Name, ServiceMain}, {NULL, NULL}};
    Stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (Stop == NULL) {
        return GetLastError();
    }
    return StartServiceCtrlDispatcherW(Table) ? ERROR_SUCCESS : GetLastError();
}

static BOOL WINAPI OnConsoleControl(DWORD Event)
{
    (void)Event;
    SetEvent(Stop);
    return TRUE;
}

DWORD ServiceRunHere(void)
{
    Stop = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (Stop == NULL || !SetConsoleCtrlHandler(OnConsoleControl, TRUE)) {
        return GetLastError();
    }
    return KeeperRun(Stop);
}
