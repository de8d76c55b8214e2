/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command stats: counters of a disk, once or again and again.
 */
#include "command.h"

#include <wnbd.h>

#include "disk_json.h"
#include "disk_list.h"
#include "disk_text.h"
#include "errors.h"
#include "output.h"

static HANDLE Stop; /* set when Ctrl-C is pressed */

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

/* All of `stats` without options, which older drivers know too. */
static uint32_t StatsPrint(const char *InstanceName)
{
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

static uint32_t OperationsFail(const char *InstanceName, DWORD Status)
{
    ErrorReport(&(FAILURE){
        .Action = ACTION_OPERATIONS, .Code = Status, .Tried = "read the counters of", .Object = InstanceName});
    return DiskListAfter(Status);
}

static BOOL WINAPI OnStop(DWORD Event)
{
    return (Event == CTRL_C_EVENT || Event == CTRL_BREAK_EVENT) && SetEvent(Stop);
}

/* Looks once every IntervalMs; the first look is only what the next one is compared with. */
static uint32_t StatsWatch(const char *InstanceName, bool Json, DWORD IntervalMs)
{
    WNBD_DRV_STATS_EX Before;
    WNBD_DRV_STATS_EX Now;
    DWORD Status = WnbdGetDriverStatsEx(InstanceName, &Before);
    if (Status != ERROR_SUCCESS) {
        return OperationsFail(InstanceName, Status);
    }
    if (!Json) {
        DiskTextPrintWatchHeader();
    }
    while (Status == ERROR_SUCCESS && OutputStatus() == 0 && WaitForSingleObject(Stop, IntervalMs) == WAIT_TIMEOUT) {
        Status = WnbdGetDriverStatsEx(InstanceName, &Now);
        if (Status == ERROR_SUCCESS && Now.ConnectionId != Before.ConnectionId) {
            Status = ERROR_FILE_NOT_FOUND; /* another disk has the name now */
        }
        if (Status != ERROR_SUCCESS) {
            return ErrorReport(
                &(FAILURE){.Action = ACTION_WATCH, .Code = Status, .Tried = "go on watching", .Object = InstanceName});
        }
        if (Json) {
            Status = DiskJsonPrintStats(InstanceName, &Now, &Before);
        } else {
            DiskTextPrintWatch(&Before, &Now);
        }
        Before = Now;
    }
    return Status;
}

uint32_t CommandStats(const COMMAND_LINE *Line)
{
    const char *InstanceName = Line->Arguments[0];
    const OPTION_VALUE *Watch = CommandOption(Line, "watch");
    bool Json = CommandOption(Line, "json")->Present;
    if (Watch->Present) {
        Stop = CreateEventW(NULL, TRUE, FALSE, NULL);
        if (Stop == NULL) {
            return OperationsFail(InstanceName, GetLastError());
        }
        SetConsoleCtrlHandler(OnStop, TRUE);
        return StatsWatch(InstanceName, Json, (DWORD)Watch->Number * 1000);
    }
    if (!Json) {
        return StatsPrint(InstanceName);
    }
    WNBD_DRV_STATS_EX Stats;
    DWORD Status = WnbdGetDriverStatsEx(InstanceName, &Stats);
    return Status == ERROR_SUCCESS ? DiskJsonPrintStats(InstanceName, &Stats, NULL)
                                   : OperationsFail(InstanceName, Status);
}
