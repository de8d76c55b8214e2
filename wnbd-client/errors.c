/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The table of causes and remedies; see errors.h.
 */
#include "errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>
#include <wnbd.h>

#include "diagnose.h"
#include "output.h"

/* Not in every winerror.h. */
#ifndef ERROR_INVALID_IMAGE_HASH
#define ERROR_INVALID_IMAGE_HASH 577
#endif
#ifndef ERROR_ELEVATION_REQUIRED
#define ERROR_ELEVATION_REQUIRED 740
#endif

#define SHOWN_SIZE 1024
#define TEXT_SIZE 4096

/*
 * Words for an error number. {object}, {server} (host and port), {host} and {export} stand for those of the failure.
 * A row for the action comes before one for ACTION_ANY.
 */
typedef struct {
    ACTION Action;
    uint32_t Code;
    const char *Cause;
    const char *Advice;
} ERROR_WORDS;

/* NBD protocol document, "Option reply types". */
#define NBD_REP_ERR_TLS_REQD 0x80000005u

static const char ElevatedAdvice[] = "run it from an elevated prompt, as administrator";
static const char InUseAdvice[] = "close the programs and windows that use the disk; --debug tells what stands in the "
                                  "way; --hard-disconnect removes it nevertheless";

static const ERROR_WORDS Words[] = {
    {ACTION_MAP, ERROR_ALREADY_EXISTS, "a disk of that name is mapped already",
     "choose another instance name, or remove it first: wnbd-client unmap {object}"},
    {ACTION_MAP, ERROR_SHUTDOWN_IN_PROGRESS, "the driver takes no new disks at present",
     "if it is not being removed: wnbd-client set-opt NewMappingsAllowed true"},
    {ACTION_MAP, ERROR_NOT_READY, "the network has not started yet", "try again in a moment"},
    {ACTION_MAP, ERROR_NO_SYSTEM_RESOURCES, "the driver ran out of memory",
     "close programs or remove disks, try again"},
    {ACTION_MAP, WSAHOST_NOT_FOUND, "the host name {host} has no address",
     "check its spelling and the DNS servers, or give an address"},
    {ACTION_MAP, ERROR_CONNECTION_REFUSED, "{server} refused the connection",
     "is the NBD server running there, on that port?"},
    {ACTION_MAP, ERROR_NETWORK_UNREACHABLE, "there is no way to the network of {server}",
     "check the network, its routes and firewalls"},
    {ACTION_MAP, ERROR_HOST_UNREACHABLE, "there is no way to {server}", "check the network, its routes and firewalls"},
    {ACTION_MAP, WSAETIMEDOUT, "{server} did not answer in time",
     "is it up, is it an NBD server, and do firewalls let the port through?"},
    {ACTION_MAP, ERROR_CONNECTION_ABORTED, "{server} closed the connection",
     "the server's log should say why; it may not accept this client or export name"},
    {ACTION_MAP, ERROR_BAD_NET_NAME, "{server} has no export \"{export}\"", "name one that it has with --export-name"},
    {ACTION_MAP, ERROR_NETWORK_ACCESS_DENIED, "{server} does not give \"{export}\" to this client",
     "see what the server's configuration and log say of this client's address"},
    {ACTION_MAP, ERROR_BAD_NET_RESP, "{server} does not speak the NBD protocol as it should",
     "is it an NBD server, and a recent one, that listens on that port?"},
    {ACTION_MAP, ERROR_INVALID_BLOCK_LENGTH, "the export's smallest block is larger than the disk's",
     "map it without --block-size, or let the server take smaller requests"},
    {ACTION_MAP, ERROR_OPERATION_ABORTED, "the disk was removed while it was being made",
     "did somebody unmap it, or uninstall the driver?"},
    {ACTION_MAP, ERROR_INVALID_PARAMETER, "the driver does not accept these properties",
     "check the names, the size of the export and the block size"},
    {ACTION_MAP, ERROR_FILE_NOT_FOUND, "the disk was made, and is gone again",
     "did the server end the connection, or somebody unmap it?"},
    {ACTION_SERVE, ERROR_CONNECTION_ABORTED, "{server} closed the connection",
     "the disk is gone; map it again when the server is back"},
    {ACTION_SERVE, ERROR_BAD_NET_RESP, "{server} does not speak the NBD protocol as it should",
     "the disk is gone; --debug shows which rule the server broke"},
    {ACTION_OPERATIONS, ERROR_INVALID_FUNCTION, "the driver does not count operations, it is older than this program",
     "install the wnbd.sys that came with it; stats without options tells what the driver counts"},
    {ACTION_OPERATIONS, ERROR_FILE_NOT_FOUND, "no disk of that name is mapped", "wnbd-client list shows the names"},
    {ACTION_WATCH, ERROR_FILE_NOT_FOUND, "the disk is gone", "was it unmapped, or did its server go away?"},
    {ACTION_DISK, ERROR_FILE_NOT_FOUND, "no disk of that name is mapped", "wnbd-client list shows the names"},
    {ACTION_UNMAP, ERROR_FILE_NOT_FOUND, "no disk of that name is mapped", "wnbd-client list shows the names"},
    {ACTION_UNMAP, ERROR_TIMEOUT, "Windows did not let go of the disk in time", InUseAdvice},
    {ACTION_UNMAP, ERROR_DEVICE_IN_USE, "the disk does no more I/O, but Windows still shows it",
     "close the programs and windows that use it; it goes with the last of them"},
    {ACTION_UNMAP, ERROR_REMOVE_FAILED, "Windows refused to let go of the disk", InUseAdvice},
    {ACTION_OPTION, ERROR_FILE_NOT_FOUND, "the driver has no option of that name",
     "wnbd-client list-opt shows the names"},
    {ACTION_OPTION, ERROR_INVALID_PARAMETER, "the driver does not take that value",
     "wnbd-client help set-opt says what each option takes"},
    {ACTION_KEPT_OPTION, ERROR_FILE_NOT_FOUND, "it has no persistent value",
     "wnbd-client set-opt {object} VALUE --persistent gives it one"},
    {ACTION_FIND_INF, ERROR_FILE_NOT_FOUND, "there is no such file", "give the path of wnbd.inf"},
    {ACTION_FIND_INF, ERROR_PATH_NOT_FOUND, "there is no such folder", "give the path of wnbd.inf"},
    {ACTION_FIND_INF, ERROR_DIRECTORY, "it is a folder", "give the path of wnbd.inf in it"},
    {ACTION_INSTALL, ERROR_FILE_NOT_FOUND, "a file that belongs to it is missing",
     "keep wnbd.sys and wnbd.cat beside wnbd.inf"},
    {ACTION_INSTALL, ERROR_OLD_WIN_VERSION, "this Windows is too old", "Windows 10 1809 or Server 2019 is needed"},
    {ACTION_INSTALL, ERROR_DEVICE_NOT_AVAILABLE, "the adapter does not start with this driver",
     "is the driver signed, or test signing on? --debug shows the adapter's problem code; 52 is the signature"},
    {ACTION_INSTALL, ERROR_INVALID_IMAGE_HASH, "Windows does not trust the driver's signature",
     "a test-signed driver needs test signing: bcdedit /set testsigning yes, and a restart"},
    {ACTION_INSTALL, ERROR_AUTHENTICODE_TRUST_NOT_ESTABLISHED, "Windows does not trust the driver's signature",
     "a test-signed driver needs test signing: bcdedit /set testsigning yes, and a restart"},
    {ACTION_INSTALL, ERROR_NO_CATALOG_FOR_OEM_INF, "the driver has no catalog that Windows trusts",
     "keep wnbd.cat beside wnbd.inf; a test-signed driver needs test signing: bcdedit /set testsigning yes"},
    {ACTION_INSTALL, ERROR_NO_MORE_ITEMS, "the file has no driver for the WNBD adapter", "give the path of wnbd.inf"},
    {ACTION_INSTALL, ERROR_WRONG_INF_STYLE, "the file is not an INF", "give the path of wnbd.inf"},
    {ACTION_INSTALL, ERROR_EXPECTED_SECTION_NAME, "the file is not an INF", "give the path of wnbd.inf"},
    {ACTION_INSTALL, ERROR_GENERAL_SYNTAX, "the file is not an INF", "give the path of wnbd.inf"},
    {ACTION_UNINSTALL, ERROR_BUSY, "the driver is in use", "end the programs that use its disks and try again"},
    {ACTION_RESTART, ERROR_BUSY, "it is in use",
     "unmap the disks and end the programs that use it; --debug tells what stands in the way; "
     "--hard-disconnect-mappings removes the disks"},
    {ACTION_RESTART, ERROR_REMOVE_FAILED, "Windows could not stop it", "--debug tells what stands in the way"},
    {ACTION_RESTART, ERROR_DEVICE_NOT_AVAILABLE, "it was stopped, and does not start again",
     "look at it in Device Manager, or restart Windows"},
    {ACTION_REMEMBER, ERROR_ALREADY_EXISTS, "one is remembered of which the name differs in case only",
     "forget that one with unmap, or choose another name"},
    {ACTION_REMEMBER, ERROR_FILENAME_EXCED_RANGE, "its name is too long for the registry", "choose a shorter one"},
    {ACTION_RECALL, ERROR_BADKEY, "it is missing or wrong",
     "map it again with --persistent, or forget it: wnbd-client unmap {object}"},
    {ACTION_SERVICE, ERROR_SERVICE_EXISTS, "it is installed already",
     "wnbd-client service uninstall removes it, for another program to be installed"},
    {ACTION_SERVICE, ERROR_SERVICE_DOES_NOT_EXIST, "it is not installed", "wnbd-client service install installs it"},
    {ACTION_SERVICE, ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, "only Windows starts it like that",
     "wnbd-client service install installs it; --foreground runs it here"},
    {ACTION_OUTPUT, ERROR_PATH_NOT_FOUND, "there is no such folder", "make it, or name a file in another one"},
    {ACTION_OUTPUT, ERROR_DISK_FULL, "the disk is full", "make room on it"},
    {ACTION_OUTPUT, ERROR_BROKEN_PIPE, "its reader has ended", "let it read everything"},
    {ACTION_OUTPUT, ERROR_NO_DATA, "its reader has ended", "let it read everything"},
    {ACTION_OUTPUT, ERROR_PIPE_NOT_CONNECTED, "its reader has ended", "let it read everything"},
    {ACTION_ANY, ERROR_ACCESS_DENIED, "access is denied", ElevatedAdvice},
    {ACTION_ANY, ERROR_ELEVATION_REQUIRED, "administrator's rights are needed", ElevatedAdvice},
    {ACTION_ANY, ERROR_PRIVILEGE_NOT_HELD, "administrator's rights are needed", ElevatedAdvice},
    {ACTION_ANY, ERROR_SHUTDOWN_IN_PROGRESS, "the driver is being removed", "try again when that is done"},
    {ACTION_ANY, ERROR_INVALID_DATA, "the driver's answer is not understood",
     "install wnbd.sys, libwnbd.dll and wnbd-client.exe of the same version"},
    {ACTION_ANY, ERROR_REVISION_MISMATCH, "wnbd-client.exe and libwnbd.dll do not fit together",
     "install wnbd.sys, libwnbd.dll and wnbd-client.exe of the same version"},
    {ACTION_ANY, ERROR_OUTOFMEMORY, "out of memory", "close programs and try again"},
};

/* Words for what a server answered, where its error says more than the number that the driver made of it. */
static const ERROR_WORDS WantsTls = {
    ACTION_MAP, ERROR_NETWORK_ACCESS_DENIED, "{server} wants TLS, which WNBD does not speak",
    "let the server offer the export without TLS, over a tunnel or a network that you trust"};
static const ERROR_WORDS Refused = {ACTION_MAP, ERROR_BAD_NET_RESP, "{server} refuses \"{export}\"",
                                    "the server's log should say why"};

static const ERROR_WORDS *WordsFind(const FAILURE *Failure)
{
    const ERROR_WORDS *Found = NULL;
    if (Failure->ServerError != 0 && Failure->Code == ERROR_BAD_NET_RESP) {
        return &Refused;
    }
    if (Failure->ServerError == NBD_REP_ERR_TLS_REQD && Failure->Code == ERROR_NETWORK_ACCESS_DENIED) {
        return &WantsTls;
    }
    for (size_t Index = 0; Index < sizeof(Words) / sizeof(Words[0]); Index++) {
        const ERROR_WORDS *Row = &Words[Index];
        if (Row->Code == Failure->Code && (Row->Action == Failure->Action || Row->Action == ACTION_ANY)) {
            if (Found == NULL || Row->Action == Failure->Action) {
                Found = Row;
            }
        }
    }
    return Found;
}

/* The system's text for an error number, without the line end. */
static void SystemText(uint32_t Code, char *Buffer, size_t Size)
{
    WCHAR Wide[512];
    DWORD Length = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, Code, 0, Wide,
                                  sizeof(Wide) / sizeof(Wide[0]), NULL);
    char Text[SHOWN_SIZE];
    int Used = WideCharToMultiByte(CP_UTF8, 0, Wide, (int)Length, Text, sizeof(Text) - 1, NULL, NULL);
    while (Used > 0 && strchr("\r\n. ", Text[Used - 1]) != NULL) {
        Used--;
    }
    Text[Used] = '\0';
    if (Used == 0) {
        snprintf(Buffer, Size, "Windows error %lu", (unsigned long)Code);
        return;
    }
    char Safe[SHOWN_SIZE];
    snprintf(Buffer, Size, "%s, Windows error %lu", OutputSafe(Safe, sizeof(Safe), Text, (size_t)Used),
             (unsigned long)Code);
}

static const char *Placeholder(const FAILURE *Failure, const char *Name, size_t Length, char *Buffer, size_t Size)
{
    if (strncmp(Name, "server", Length) == 0 && Failure->Host != NULL) {
        char Host[SHOWN_SIZE];
        snprintf(Buffer, Size, "%s:%lu", OutputSafe(Host, sizeof(Host), Failure->Host, strlen(Failure->Host)),
                 (unsigned long)Failure->Port);
        return Buffer;
    }
    const char *Value = strncmp(Name, "host", Length) == 0     ? Failure->Host
                        : strncmp(Name, "export", Length) == 0 ? Failure->Export
                                                               : Failure->Object;
    return Value == NULL ? "?" : OutputSafe(Buffer, Size, Value, strlen(Value));
}

/* Copies Template to Buffer with the placeholders filled in. */
static void Expand(const FAILURE *Failure, const char *Template, char *Buffer, size_t Size)
{
    size_t Used = 0;
    while (*Template != '\0' && Used + 1 < Size) {
        if (*Template != '{') {
            Buffer[Used++] = *Template++;
            continue;
        }
        size_t Length = strcspn(Template + 1, "}");
        char Value[SHOWN_SIZE + 16];
        const char *Text = Placeholder(Failure, Template + 1, Length, Value, sizeof(Value));
        size_t Room = Size - 1 - Used;
        size_t Count = strlen(Text) < Room ? strlen(Text) : Room;
        memcpy(Buffer + Used, Text, Count);
        Used += Count;
        Template += Length + 2;
    }
    Buffer[Used] = '\0';
}

/* Errors of the adapter itself, for which the number alone does not tell the cause. */
static bool ExplainAdapter(const FAILURE *Failure, char *Cause, char *Advice)
{
    if (Failure->Code != ERROR_OPEN_FAILED) {
        return false;
    }
    switch (DiagnoseAdapter()) {
    case ADAPTER_MISSING:
        snprintf(Cause, TEXT_SIZE, "the WNBD driver is not installed");
        snprintf(Advice, TEXT_SIZE, "install it from an elevated prompt: wnbd-client install-driver wnbd.inf");
        break;
    case ADAPTER_DENIED:
        snprintf(Cause, TEXT_SIZE, "access to the WNBD adapter is denied");
        snprintf(Advice, TEXT_SIZE, "%s", ElevatedAdvice);
        break;
    case ADAPTER_STARTING:
        snprintf(Cause, TEXT_SIZE, "the WNBD adapter exists and cannot be opened");
        snprintf(Advice, TEXT_SIZE, "look at it in Device Manager; a restart may be pending");
        break;
    }
    return true;
}

/* Commands that the driver does not know, or answers of an unexpected shape. */
static bool ExplainVersions(const FAILURE *Failure, char *Cause, char *Advice)
{
    char Diagnosis[DIAGNOSIS_SIZE];
    /* Names and sizes have been checked: without words of its own, the driver has not known the command's form. */
    bool Form = Failure->Code == ERROR_INVALID_PARAMETER && Failure->Message == NULL;
    bool Suspect = Failure->Code == ERROR_INVALID_FUNCTION || Failure->Code == ERROR_NOT_SUPPORTED ||
                   Failure->Code == ERROR_INVALID_DATA || Failure->Code == ERROR_REVISION_MISMATCH || Form;
    if (!Suspect || !DiagnoseVersions(Diagnosis)) {
        return false;
    }
    snprintf(Cause, TEXT_SIZE, "%s", Diagnosis);
    snprintf(Advice, TEXT_SIZE, "use libwnbd.dll and wnbd.sys of the same version");
    return true;
}

static void Explain(const FAILURE *Failure, char *Cause, char *Advice)
{
    const ERROR_WORDS *Found = WordsFind(Failure);
    char Message[TEXT_SIZE] = "";
    if (Failure->Message != NULL) {
        OutputSafe(Message, sizeof(Message), Failure->Message, strlen(Failure->Message));
    }
    if (ExplainAdapter(Failure, Cause, Advice) || ExplainVersions(Failure, Cause, Advice)) {
        return;
    }
    if (Found != NULL) {
        Expand(Failure, Found->Cause, Cause, TEXT_SIZE);
        Expand(Failure, Found->Advice, Advice, TEXT_SIZE);
    } else {
        SystemText(Failure->Code, Cause, TEXT_SIZE);
        snprintf(Advice, TEXT_SIZE, "try again with --debug to see where it fails");
    }
    if (Message[0] != '\0') {
        snprintf(Cause, TEXT_SIZE, "%s", Message);
    }
    if (Failure->Code == WSAHOST_NOT_FOUND && Failure->Host != NULL && strpbrk(Failure->Host, ":/") != NULL) {
        snprintf(Advice, TEXT_SIZE, "give the host alone, its port with --port and the export with --export-name");
    }
}

uint32_t ErrorReport(const FAILURE *Failure)
{
    char Cause[TEXT_SIZE];
    char Advice[TEXT_SIZE];
    char Object[SHOWN_SIZE] = "";
    Explain(Failure, Cause, Advice);
    if (Failure->Object != NULL) {
        Object[0] = ' ';
        OutputSafe(Object + 1, sizeof(Object) - 1, Failure->Object, strlen(Failure->Object));
    }
    bool Bracketed = Cause[strlen(Cause) - 1] == ')';
    OutputError("wnbd-client: cannot %s%s: %s%s%s%s\n", Failure->Tried, Object, Cause, Bracketed ? "; " : " (", Advice,
                Bracketed ? "" : ")");
    return Failure->Code;
}
