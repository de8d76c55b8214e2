/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands that look at disks: list, show, stats.
 */
#include "command.h"

#include <stdlib.h>

#include <wnbd.h>

#include "disk_limits.h"
#include "disk_text.h"
#include "errors.h"
#include "output.h"

#define LIST_TRIES 10
#define LIST_SLACK_BYTES (8 * sizeof(WNBD_CONNECTION_INFO))

/*
 * Reads the list of disks; the caller frees *List. Disks may be made between two calls, so the buffer has room for a
 * few more and the call is repeated when that was not enough. ERROR_MORE_DATA: they were made faster than we asked.
 */
static DWORD ListRead(PWNBD_CONNECTION_LIST *List)
{
    DWORD NeededBytes = sizeof(WNBD_CONNECTION_LIST);
    *List = NULL;
    for (int Try = 0; Try < LIST_TRIES; Try++) {
        DWORD SizeBytes = NeededBytes + LIST_SLACK_BYTES;
        free(*List);
        *List = calloc(1, SizeBytes);
        if (*List == NULL) {
            return ERROR_OUTOFMEMORY;
        }
        NeededBytes = SizeBytes;
        DWORD Status = WnbdList(*List, &NeededBytes);
        if (Status != ERROR_SUCCESS) {
            return Status;
        }
        if (NeededBytes <= SizeBytes) {
            bool Fits = (*List)->Count == 0 || (*List)->ElementSize >= sizeof(WNBD_CONNECTION_INFO);
            return Fits ? ERROR_SUCCESS : ERROR_REVISION_MISMATCH;
        }
    }
    return ERROR_MORE_DATA;
}

uint32_t CommandList(const COMMAND_LINE *Line)
{
    (void)Line;
    PWNBD_CONNECTION_LIST List;
    DWORD Status = ListRead(&List);
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
        return ErrorReport(&(FAILURE){.Action = ACTION_DISK, .Code = Status, .Tried = "show", .Object = InstanceName});
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
        return ErrorReport(
            &(FAILURE){.Action = ACTION_DISK, .Code = Status, .Tried = "read the counters of", .Object = InstanceName});
    }
    DiskTextPrintStats(&Stats, InterruptTime());
    return ERROR_SUCCESS;
}
