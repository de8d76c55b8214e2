/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Prints mappings that are remembered; see remembered.h.
 */
#include "remembered.h"

#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "json.h"
#include "mapping.h"
#include "output.h"

DWORD RememberedRead(const char *Name, WNBD_PROPERTIES *Properties)
{
    const char *Value;
    char Tried[64] = "read the remembered mapping";
    DWORD Status = MappingRead(Name, Properties, &Value);
    if (Status == ERROR_BADKEY) {
        snprintf(Tried, sizeof(Tried), "use the value %s of the remembered mapping", Value);
    }
    if (Status != ERROR_SUCCESS && Status != ERROR_FILE_NOT_FOUND) {
        ErrorReport(&(FAILURE){.Action = ACTION_RECALL, .Code = Status, .Tried = Tried, .Object = Name});
    }
    return Status;
}

static void TextPrint(const char *Name, const WNBD_PROPERTIES *Properties)
{
    char Safe[WNBD_MAX_NAME_LENGTH];
    char Export[WNBD_MAX_NAME_LENGTH];
    char Server[WNBD_MAX_NAME_LENGTH + 8];
    OutputSafe(Safe, sizeof(Safe), Name, strlen(Name));
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    OutputSafe(Server, WNBD_MAX_NAME_LENGTH, Nbd->Hostname, sizeof(Nbd->Hostname));
    snprintf(Server + strlen(Server), 8, ":%lu", (unsigned long)Nbd->PortNumber);
    OutputSafe(Export, sizeof(Export), Nbd->ExportName, sizeof(Nbd->ExportName));
    OutputPrint("%s%*s  %s%*s  %s\n", Server, (int)(24 - OutputWidth(Server)), "", Export,
                (int)(16 - OutputWidth(Export)), "", Safe);
}

static void JsonAdd(JSON *Json, const char *Name, const WNBD_PROPERTIES *Properties)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    JsonObject(Json, NULL);
    JsonText(Json, "InstanceName", Name, WNBD_MAX_NAME_LENGTH);
    JsonText(Json, "Hostname", Nbd->Hostname, sizeof(Nbd->Hostname));
    JsonNumber(Json, "PortNumber", Nbd->PortNumber);
    JsonText(Json, "ExportName", Nbd->ExportName, sizeof(Nbd->ExportName));
    JsonBoolean(Json, "ReadOnly", Properties->Flags.ReadOnly);
    JsonBoolean(Json, "SkipNegotiation", Nbd->Flags.SkipNegotiation);
    JsonNumber(Json, "BlockSize", Properties->BlockSize);
    JsonUnsigned(Json, "BlockCount", Properties->BlockCount);
    JsonObjectEnd(Json);
}

/* Json: NULL for text. Returns the last error. */
static DWORD AllPrint(const MAPPING_NAMES *Names, JSON *Json)
{
    DWORD Last = ERROR_SUCCESS;
    for (size_t Index = 0; Index < Names->Count; Index++) {
        WNBD_PROPERTIES Properties;
        const char *Name = Names->Names[Index];
        DWORD Status = RememberedRead(Name, &Properties);
        if (Status != ERROR_SUCCESS) {
            Last = Status;
        } else if (Json != NULL) {
            JsonAdd(Json, Name, &Properties);
        } else {
            TextPrint(Name, &Properties);
        }
    }
    return Last;
}

uint32_t RememberedPrint(bool Json)
{
    MAPPING_NAMES Names;
    JSON Text = {0};
    uint32_t Status = MappingNamesRead(&Names);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_RECALL, .Code = Status, .Tried = "read what is remembered"});
    } else if (Json) {
        JsonObject(&Text, NULL);
        JsonArray(&Text, "Mappings");
        Status = AllPrint(&Names, &Text);
        JsonArrayEnd(&Text);
        JsonObjectEnd(&Text);
        uint32_t Printed = JsonPrint(&Text);
        Status = Printed != ERROR_SUCCESS ? Printed : Status;
    } else {
        OutputPrint("%-24s  %-16s  %s\n", "Server", "ExportName", "InstanceName");
        Status = AllPrint(&Names, NULL);
    }
    MappingNamesFree(&Names);
    return Status;
}
