/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * map --dry-run: whether the name is free, the driver takes disks, the server is there and has the export.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "output.h"

/* Whether the driver would take the disk: ERROR_SUCCESS, or what map would fail with. */
static DWORD DriverCheck(const WNBD_PROPERTIES *Properties)
{
    WNBD_CONNECTION_INFO Info;
    WNBD_OPTION_VALUE Allowed = {0};
    DWORD Status = WnbdShow(Properties->InstanceName, &Info);
    if (Status != ERROR_FILE_NOT_FOUND) {
        return Status == ERROR_SUCCESS ? (DWORD)ERROR_ALREADY_EXISTS : Status;
    }
    Status = WnbdGetDrvOpt("NewMappingsAllowed", &Allowed, FALSE);
    return Status == ERROR_SUCCESS && !Allowed.Data.AsBool ? (DWORD)ERROR_SHUTDOWN_IN_PROGRESS : Status;
}

static bool ListHas(const WNBD_EXPORT_LIST *List, const char *Name)
{
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        if (strncmp(List->Names[Index], Name, WNBD_MAX_NAME_LENGTH) == 0) {
            return true;
        }
    }
    return false;
}

/* Asks the server. That it doesn't list the export is no failure: some servers list nothing, or not all. */
static DWORD ServerCheck(const NBD_CONNECTION_PROPERTIES *Nbd)
{
    PWNBD_EXPORT_LIST List;
    char Safe[WNBD_MAX_NAME_LENGTH];
    DWORD Status = MapExportsRead(Nbd, &List);
    if (Status == ERROR_NOT_SUPPORTED) {
        MapExportsPrint(NULL);
        Status = ERROR_SUCCESS;
    } else if (Status == ERROR_SUCCESS && !ListHas(List, Nbd->ExportName)) {
        OutputError("wnbd-client: warning: the server does not list the export \"%s\"\n",
                    OutputSafe(Safe, sizeof(Safe), Nbd->ExportName, sizeof(Nbd->ExportName)));
        MapExportsPrint(List);
    }
    free(List);
    return Status;
}

uint32_t CommandRehearseMap(const COMMAND_LINE *Line)
{
    WNBD_PROPERTIES Properties;
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties.NbdProperties;
    char Name[WNBD_MAX_NAME_LENGTH];
    char Export[WNBD_MAX_NAME_LENGTH];
    char Host[WNBD_MAX_NAME_LENGTH];
    if (!MapProperties(Line, &Properties)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Status = DriverCheck(&Properties);
    /* Without a handshake there is no question that the server could be asked. */
    if (Status == ERROR_SUCCESS && !Nbd->Flags.SkipNegotiation) {
        Status = ServerCheck(Nbd);
    }
    if (Status != ERROR_SUCCESS) {
        return MapFail(&Properties, Status, &(WNBD_CREATE_RESULT){0});
    }
    OutputPrint("Would map %s: the export \"%s\" of %s:%lu%s%s\n",
                OutputSafe(Name, sizeof(Name), Properties.InstanceName, sizeof(Properties.InstanceName)),
                OutputSafe(Export, sizeof(Export), Nbd->ExportName, sizeof(Nbd->ExportName)),
                OutputSafe(Host, sizeof(Host), Nbd->Hostname, sizeof(Nbd->Hostname)), (unsigned long)Nbd->PortNumber,
                Properties.Flags.ReadOnly ? ", read-only" : "",
                CommandOption(Line, "persistent")->Present ? ", persistently" : "");
    return ERROR_SUCCESS;
}
