/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command map: an NBD export becomes a disk.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

#include <winsock2.h>
#include <wnbd.h>

#include "errors.h"
#include "map.h"
#include "mapping.h"
#include "output.h"
#include "progress.h"
#include "service.h"

#define DISK_TIMEOUT_MS 10000
#define DISK_RETRY_MS 100

/*
 * Waits until Windows has made the disk, and says which it is. That it takes longer is no failure, as the disk is
 * mapped. ERROR_FILE_NOT_FOUND: it is gone again, which has not been reported.
 */
static uint32_t DiskPrint(const WNBD_PROPERTIES *Properties)
{
    DWORD DiskNumber;
    DWORD Status =
        WnbdPollDiskNumber(Properties->InstanceName, TRUE, FALSE, DISK_TIMEOUT_MS, DISK_RETRY_MS, &DiskNumber);
    if (Status == ERROR_SUCCESS) {
        OutputPrint("Disk %lu: \\\\.\\PhysicalDrive%lu\n", (unsigned long)DiskNumber, (unsigned long)DiskNumber);
        return ERROR_SUCCESS;
    }
    if (Status == ERROR_FILE_NOT_FOUND) {
        return Status;
    }
    char Safe[WNBD_MAX_NAME_LENGTH];
    OutputError("wnbd-client: warning: %s is mapped, but Windows has not made its disk yet (wnbd-client list shows "
                "the disk's number once it is there)\n",
                OutputSafe(Safe, sizeof(Safe), Properties->InstanceName, sizeof(Properties->InstanceName)));
    return ERROR_SUCCESS;
}

/* What is mapped is remembered; and that somebody has to map it again is said where nobody would. */
static uint32_t MapRemember(const WNBD_PROPERTIES *Properties)
{
    DWORD Status = MappingSave(Properties);
    if (Status != ERROR_SUCCESS) {
        return ErrorReport(&(FAILURE){.Action = ACTION_REMEMBER,
                                      .Code = Status,
                                      .Tried = "remember the mapping, which is there now,",
                                      .Object = Properties->InstanceName});
    }
    if (!ServiceIsInstalled()) {
        OutputError("wnbd-client: warning: the service that maps it again is not installed (wnbd-client service "
                    "install)\n");
    }
    return ERROR_SUCCESS;
}

/* ---- Served by this program ---- */

/* The disk that is served, for callbacks that get no context. */
static WNBD_PROPERTIES Served;
/* What came of the handshake, as the driver would tell it: the words are from the library's log. */
static WNBD_CREATE_RESULT ServerSaid;

/* Keeps what the library logs of a handshake that failed, "host:port: words", and shows warnings. */
static void ServerWordsKeep(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                            const char *FunctionName)
{
    char Server[WNBD_MAX_NAME_LENGTH + 16];
    (void)FileName;
    (void)Line;
    (void)FunctionName;
    if (LogLevel == WnbdLogLevelWarning) {
        char Safe[WNBD_LOG_MESSAGE_MAX_SIZE];
        OutputError("wnbd-client: warning: %s\n", OutputSafe(Safe, sizeof(Safe), Message, strlen(Message)));
        return;
    }
    snprintf(Server, sizeof(Server), "%s:%lu: ", Served.NbdProperties.Hostname,
             (unsigned long)Served.NbdProperties.PortNumber);
    if (strncmp(Message, Server, strlen(Server)) == 0) {
        ServerSaid.Phase = WnbdCreatePhaseHandshake;
        snprintf(ServerSaid.Message, sizeof(ServerSaid.Message), "%s", Message + strlen(Server));
    }
}

/* Whether the driver has the disk, and not one of that name that somebody else has made. */
static bool ServedIsThere(void)
{
    WNBD_CONNECTION_INFO Info;
    return WnbdShow(Served.InstanceName, &Info) == ERROR_SUCCESS && (DWORD)Info.Properties.Pid == GetCurrentProcessId();
}

/* Ctrl-C, in a thread of its own: removes the disk, which ends the program. Without one it ends as any program. */
static BOOL WINAPI OnControl(DWORD Event)
{
    (void)Event;
    if (!ServedIsThere()) {
        return FALSE;
    }
    WnbdRemoveEx(Served.InstanceName, NULL);
    return TRUE;
}

static DWORD WINAPI Serve(LPVOID Parameter)
{
    return WnbdRunNbdDaemon(Parameter);
}

/* Says which disk it is once there is one. Returns whether there was one before the thread ended. */
static bool ServedPrint(HANDLE Thread)
{
    while (WaitForSingleObject(Thread, DISK_RETRY_MS) == WAIT_TIMEOUT) {
        if (ServedIsThere()) {
            DiskPrint(&Served);
            ProgressEnd();
            return true;
        }
    }
    return false;
}

static uint32_t ServeFail(const WNBD_PROPERTIES *Properties, DWORD Status)
{
    return ErrorReport(&(FAILURE){.Action = ACTION_SERVE,
                                  .Code = Status,
                                  .Tried = "go on serving",
                                  .Object = Properties->InstanceName,
                                  .Host = Properties->NbdProperties.Hostname,
                                  .Port = Properties->NbdProperties.PortNumber});
}

/* Serves the disk in this process until it is removed. */
static uint32_t MapServe(const WNBD_PROPERTIES *Properties, bool Debug)
{
    DWORD Status = ERROR_OUTOFMEMORY;
    bool WasThere = false;
    Served = *Properties;
    Served.Flags.UseKernelNbd = 0;
    if (!Debug) {
        WnbdSetLogger(ServerWordsKeep);
        WnbdSetLogLevel(WnbdLogLevelWarning);
    }
    HANDLE Thread = CreateThread(NULL, 0, Serve, &Served, 0, NULL);
    if (Thread != NULL) {
        SetConsoleCtrlHandler(OnControl, TRUE);
        WasThere = ServedPrint(Thread);
        WaitForSingleObject(Thread, INFINITE);
        GetExitCodeThread(Thread, &Status);
        CloseHandle(Thread);
    }
    if (Status == ERROR_SUCCESS) {
        return ERROR_SUCCESS;
    }
    if (WasThere) {
        return ServeFail(Properties, Status);
    }
    return MapFail(Properties, Status, &ServerSaid);
}

uint32_t CommandMap(const COMMAND_LINE *Line)
{
    WNBD_PROPERTIES Properties;
    if (!MapProperties(Line, &Properties)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (CommandOption(Line, "userspace-nbd")->Present) {
        return MapServe(&Properties, Line->Debug);
    }
    WNBD_CREATE_RESULT Result = {0};
    DWORD Status = WnbdCreateNbd(&Properties, &Result);
    Result.Message[sizeof(Result.Message) - 1] = '\0';
    if (Status != ERROR_SUCCESS) {
        return MapFail(&Properties, Status, &Result);
    }
    if (Result.Message[0] != '\0') {
        char Name[WNBD_MAX_NAME_LENGTH];
        char Warning[sizeof(Result.Message)];
        OutputError("wnbd-client: warning: %s: %s\n",
                    OutputSafe(Name, sizeof(Name), Properties.InstanceName, sizeof(Properties.InstanceName)),
                    OutputSafe(Warning, sizeof(Warning), Result.Message, sizeof(Result.Message)));
    }
    Status = DiskPrint(&Properties);
    if (Status != ERROR_SUCCESS) {
        return MapFail(&Properties, Status, &(WNBD_CREATE_RESULT){0});
    }
    return CommandOption(Line, "persistent")->Present ? MapRemember(&Properties) : ERROR_SUCCESS;
}
