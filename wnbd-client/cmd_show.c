/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that look at disks: list, show.
 */
#include "command.h"

#include <stdlib.h>

#include <wnbd.h>

#include "disk_json.h"
#include "disk_limits.h"
#include "disk_list.h"
#include "disk_text.h"
#include "errors.h"
#include "remembered.h"

uint32_t CommandList(const COMMAND_LINE *Line)
{
    PWNBD_CONNECTION_LIST List;
    if (CommandOption(Line, "persistent")->Present) {
        return RememberedPrint(CommandOption(Line, "json")->Present);
    }
    DWORD Status = DiskListRead(&List);
    if (Status != ERROR_SUCCESS) {
        free(List);
        return ErrorReport(&(FAILURE){.Action = ACTION_LIST, .Code = Status, .Tried = "list the disks"});
    }
    if (CommandOption(Line, "json")->Present) {
        Status = DiskJsonPrintList(List);
        free(List);
        return Status;
    }
    DiskTextPrintHeader();
    const char *Element = (const char *)List->Connections;
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        DiskTextPrintRow((const WNBD_CONNECTION_INFO *)(const void *)Element);
        Element += List->ElementSize;
    }
    free(List);
    return ERROR_SUCCESS;
}

uint32_t CommandShow(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    WNBD_CONNECTION_INFO Info = {0};
    DWORD Status = WnbdShow(InstanceName, &Info);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_DISK, .Code = Status, .Tried = "show", .Object = InstanceName});
        return DiskListAfter(Status);
    }
    DISK_LIMITS Limits = DiskLimitsRead(Info.DiskNumber);
    if (CommandOption(Line, "json")->Present) {
        return DiskJsonPrintInfo(&Info, &Limits);
    }
    DiskTextPrintInfo(&Info, &Limits);
    return ERROR_SUCCESS;
}
