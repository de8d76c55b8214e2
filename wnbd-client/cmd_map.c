/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command map: an NBD export becomes a disk.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include <winsock2.h>
#include <wnbd.h>

#include "errors.h"
#include "output.h"
#include "progress.h"

#define OWNER "wnbd-client"
#define LIST_TIMEOUT_MS 5000
#define LIST_SLACK 16
/* Exports that are named after a refusal; how many a server lists is its choice. */
#define LIST_SHOWN_MAX 100u
#define DISK_TIMEOUT_MS 10000
#define DISK_RETRY_MS 100

static void TextCopy(char *To, size_t Size, const char *From)
{
    snprintf(To, Size, "%s", From);
}

/* Fills the properties from the command line. False: the sizes do not fit each other, which has been reported. */
static bool PropertiesFill(const COMMAND_LINE *Line, WNBD_PROPERTIES *Properties)
{
    const OPTION_VALUE *ExportName = CommandOption(Line, "export-name");
    const OPTION_VALUE *DiskSize = CommandOption(Line, "disk-size");
    const OPTION_VALUE *BlockSize = CommandOption(Line, "block-size");
    NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    memset(Properties, 0, sizeof(*Properties));
    TextCopy(Properties->InstanceName, sizeof(Properties->InstanceName), Line->Arguments[0]);
    TextCopy(Properties->Owner, sizeof(Properties->Owner), OWNER);
    TextCopy(Nbd->Hostname, sizeof(Nbd->Hostname), Line->Arguments[1]);
    TextCopy(Nbd->ExportName, sizeof(Nbd->ExportName), ExportName->Present ? ExportName->Text : Line->Arguments[0]);
    Nbd->PortNumber = (UINT32)CommandOption(Line, "port")->Number;
    Nbd->Flags.SkipNegotiation = CommandOption(Line, "skip-handshake")->Present;
    Properties->Flags.UseKernelNbd = 1;
    Properties->Flags.ReadOnly = CommandOption(Line, "read-only")->Present;
    Properties->BlockSize = (UINT32)BlockSize->Number; /* 0: what suits the server */
    if (DiskSize->Present) {
        Properties->BlockSize = BlockSize->Present ? Properties->BlockSize : WNBD_DEFAULT_BLOCK_SIZE;
        Properties->BlockCount = DiskSize->Number / Properties->BlockSize;
        if (DiskSize->Number % Properties->BlockSize != 0) {
            OutputError("wnbd-client: map: bad value \"%llu\" for --disk-size (give a multiple of the block size, "
                        "%lu bytes)\n",
                        (unsigned long long)DiskSize->Number, (unsigned long)Properties->BlockSize);
            return false;
        }
    }
    return true;
}

/* Reads which exports the server offers; the caller frees *List. */
static DWORD ExportsRead(const NBD_CONNECTION_PROPERTIES *Nbd, PWNBD_EXPORT_LIST *List)
{
    DWORD NeededBytes = 0;
    *List = NULL;
    DWORD Status = WnbdListExports(Nbd->Hostname, Nbd->PortNumber, LIST_TIMEOUT_MS, NULL, &NeededBytes);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    NeededBytes += LIST_SLACK * WNBD_MAX_NAME_LENGTH;
    *List = calloc(1, NeededBytes + sizeof(WNBD_EXPORT_LIST));
    if (*List == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    return WnbdListExports(Nbd->Hostname, Nbd->PortNumber, LIST_TIMEOUT_MS, *List, &NeededBytes);
}

/* After "no such export": says which exports there are. */
static void ExportsPrint(const NBD_CONNECTION_PROPERTIES *Nbd)
{
    PWNBD_EXPORT_LIST List;
    DWORD Status = ExportsRead(Nbd, &List);
    if (Status != ERROR_SUCCESS) {
        OutputError("The server does not tell which exports it offers.\n");
    } else if (List->Count == 0) {
        OutputError("The server offers no exports at present.\n");
    } else {
        OutputError("The server offers:\n");
        UINT32 Shown = List->Count < LIST_SHOWN_MAX ? List->Count : LIST_SHOWN_MAX;
        for (UINT32 Index = 0; Index < Shown; Index++) {
            char Safe[WNBD_MAX_NAME_LENGTH];
            OutputSafe(Safe, sizeof(Safe), List->Names[Index], WNBD_MAX_NAME_LENGTH);
            OutputError("  %s\n", Safe[0] == '\0' ? "(the default export: --export-name=)" : Safe);
        }
        if (Shown < List->Count) {
            OutputError("  and %lu more\n", (unsigned long)(List->Count - Shown));
        }
    }
    free(List);
}

/*
 * Chooses the words for a failure. As long as the server has said nothing, the table of errors is better: it names the
 * server. Afterwards the driver tells what the server said. Returns NULL for the table, or Buffer.
 */
static const char *MapCause(const NBD_CONNECTION_PROPERTIES *Nbd, const WNBD_CREATE_RESULT *Result, char *Buffer,
                            size_t Size)
{
    bool Unheard = Result->Phase == WnbdCreatePhaseResolve || Result->Phase == WnbdCreatePhaseConnect ||
                   Result->Status == WSAETIMEDOUT;
    if (Unheard || Result->Message[0] == '\0') {
        return NULL;
    }
    if (Result->Phase == WnbdCreatePhaseHandshake) {
        snprintf(Buffer, Size, "%s:%lu: %s", Nbd->Hostname, (unsigned long)Nbd->PortNumber, Result->Message);
    } else {
        snprintf(Buffer, Size, "%s", Result->Message);
    }
    return Buffer;
}

static uint32_t MapFail(const WNBD_PROPERTIES *Properties, DWORD Status, const WNBD_CREATE_RESULT *Result)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    char Cause[WNBD_CREATE_MESSAGE_LENGTH + WNBD_MAX_NAME_LENGTH + 16];
    ErrorReport(&(FAILURE){.Action = ACTION_MAP,
                           .Code = Status,
                           .Tried = "map",
                           .Object = Properties->InstanceName,
                           .Host = Nbd->Hostname,
                           .Port = Nbd->PortNumber,
                           .Export = Nbd->ExportName,
                           .ServerError = Result->ServerError,
                           .Message = MapCause(Nbd, Result, Cause, sizeof(Cause))});
    if (Status == ERROR_BAD_NET_NAME) {
        ExportsPrint(Nbd);
    }
    return Status;
}

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
        TextCopy(ServerSaid.Message, sizeof(ServerSaid.Message), Message + strlen(Server));
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
    if (!PropertiesFill(Line, &Properties)) {
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
    return Status == ERROR_SUCCESS ? ERROR_SUCCESS : MapFail(&Properties, Status, &(WNBD_CREATE_RESULT){0});
}
