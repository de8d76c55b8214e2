/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the command line to a disk's properties, and what is said if there can't be one; see map.h.
 */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>

#include "errors.h"
#include "output.h"

#define OWNER "wnbd-client"
#define LIST_TIMEOUT_MS 5000
#define LIST_SLACK 16
/* Exports that are named after a refusal; how many a server lists is its choice. */
#define LIST_SHOWN_MAX 100u

static void TextCopy(char *To, size_t Size, const char *From)
{
    snprintf(To, Size, "%s", From);
}

bool MapProperties(const COMMAND_LINE *Line, WNBD_PROPERTIES *Properties)
{
    const OPTION_VALUE *ExportName = CommandOption(Line, "export-name");
    const OPTION_VALUE *DiskSize = CommandOption(Line, "disk-size");
    const OPTION_VALUE *BlockSize = CommandOption(Line, "block-size");
    NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    if (CommandOption(Line, "persistent")->Present && CommandOption(Line, "userspace-nbd")->Present) {
        OutputError("wnbd-client: map: --persistent does not go with --userspace-nbd (the service lets the driver "
                    "serve the disk)\n");
        return false;
    }
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

DWORD MapExportsRead(const NBD_CONNECTION_PROPERTIES *Nbd, PWNBD_EXPORT_LIST *List)
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

void MapExportsPrint(const WNBD_EXPORT_LIST *List)
{
    if (List == NULL) {
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

uint32_t MapFail(const WNBD_PROPERTIES *Properties, DWORD Status, const WNBD_CREATE_RESULT *Result)
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
        PWNBD_EXPORT_LIST List;
        MapExportsPrint(MapExportsRead(Nbd, &List) == ERROR_SUCCESS ? List : NULL);
        free(List);
    }
    return Status;
}
