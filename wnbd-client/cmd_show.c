/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that look at disks: list, show, stats.
 */
#include "command.h"

#include <stdlib.h>

#include <wnbd.h>

#include "disk_limits.h"
#include "disk_list.h"
#include "disk_text.h"
#include "errors.h"
#include "output.h"

uint32_t CommandList(const COMMAND_LINE *Line)
{
    (void)Line;
    PWNBD_CONNECTION_LIST List;
    DWORD Status = DiskListRead(&List);
    if (Status != ERROR_SUCCESS) {
        free(List);
        return ErrorReport(&(FAILURE){.Action = ACTION_LIST, .Code = Status, .Tried = "list the disks"});
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
    DiskTextPrintInfo(&Info, &Limits);
    return ERROR_SUCCESS;
}

/*
 * The clock of the driver's time stamps (KeQueryInterruptTime), 100 ns units. QueryInterruptTime is looked up, as not
 * every system that runs us has it; the tick count is the same clock in milliseconds.
 */
static uint64_t InterruptTime(void)
{
    typedef VOID WINAPI QUERY_INTERRUPT_TIME(PULONGLONG InterruptTime);
    HMODULE Kernel = GetModuleHandleW(L"kernelbase.dll");
    FARPROC Address = Kernel == NULL ? NULL : GetProcAddress(Kernel, "QueryInterruptTime");
    if (Address == NULL) {
        return GetTickCount64() * 10000;
    }
    ULONGLONG Now;
    ((QUERY_INTERRUPT_TIME *)(void *)Address)(&Now);
    return Now;
}

uint32_t CommandStats(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    WNBD_DRV_STATS Stats = {0};
    DWORD Status = WnbdGetDriverStats(InstanceName, &Stats);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(
            &(FAILURE){.Action = ACTION_DISK, .Code = Status, .Tried = "read the counters of", .Object = InstanceName});
        return DiskListAfter(Status);
    }
    DiskTextPrintStats(&Stats, InterruptTime());
    return ERROR_SUCCESS;
}
