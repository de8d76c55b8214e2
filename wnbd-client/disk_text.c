/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Text of disks and counters; see disk_text.h.
 */
#include "disk_text.h"

#include <string.h>

#include "latency.h"
#include "output.h"

#define UNITS_PER_MS 10000 /* of 100 ns */
#define INFO_WIDTH 25
#define STATS_WIDTH 30
#define WATCH_VALUES 6

/* Room for a name of the driver's with every byte shown, and for a UTF-16 one as UTF-8. */
typedef struct {
    char Text[WNBD_MAX_NAME_LENGTH * 3 + 1];
} NAME_TEXT;

static const char *Name(NAME_TEXT *Buffer, const char *Text, size_t SizeBytes)
{
    return OutputSafe(Buffer->Text, sizeof(Buffer->Text), Text, SizeBytes);
}

static const char *Boolean(bool Value)
{
    return Value ? "true" : "false";
}

static bool UsesNbd(const WNBD_CONNECTION_INFO *Info)
{
    return Info->Properties.Flags.UseKernelNbd || Info->Properties.Flags.UseUserspaceNbd;
}

/* Text, then blanks up to Width columns, then the two that separate columns. */
static void PrintColumn(const char *Text, size_t Width)
{
    size_t Used = OutputWidth(Text);
    OutputPrint("%s%*s", Text, (int)((Used < Width ? Width - Used : 0) + 2), "");
}

static void PrintColumns(const char *Pid, const char *DiskNumber, const char *Nbd, const char *Owner,
                         const char *InstanceName)
{
    PrintColumn(Pid, 10);
    PrintColumn(DiskNumber, 10);
    PrintColumn(Nbd, 5);
    PrintColumn(Owner, 15);
    OutputPrint("%s\n", InstanceName);
}

void DiskTextPrintHeader(void)
{
    PrintColumns("Pid", "DiskNumber", "Nbd", "Owner", "InstanceName");
}

void DiskTextPrintRow(const WNBD_CONNECTION_INFO *Info)
{
    const WNBD_PROPERTIES *Properties = &Info->Properties;
    char Pid[16];
    char DiskNumber[16];
    NAME_TEXT Owner;
    NAME_TEXT InstanceName;
    snprintf(Pid, sizeof(Pid), "%ld", (long)Properties->Pid);
    snprintf(DiskNumber, sizeof(DiskNumber), "%ld", (long)Info->DiskNumber);
    PrintColumns(Pid, DiskNumber, Boolean(UsesNbd(Info)), Name(&Owner, Properties->Owner, sizeof(Properties->Owner)),
                 Name(&InstanceName, Properties->InstanceName, sizeof(Properties->InstanceName)));
}

static void PrintText(const char *Label, const char *Value)
{
    OutputPrint("%-*s : %s\n", INFO_WIDTH, Label, Value);
}

static void PrintNumber(const char *Label, int64_t Value)
{
    OutputPrint("%-*s : %lld\n", INFO_WIDTH, Label, (long long)Value);
}

static void PrintNbd(const NBD_CONNECTION_PROPERTIES *Nbd)
{
    NAME_TEXT Buffer;
    OutputPrint("\nNbd properties\n");
    PrintText("Hostname", Name(&Buffer, Nbd->Hostname, sizeof(Nbd->Hostname)));
    PrintNumber("PortNumber", Nbd->PortNumber);
    PrintText("ExportName", Name(&Buffer, Nbd->ExportName, sizeof(Nbd->ExportName)));
    PrintText("SkipNegotiation", Boolean(Nbd->Flags.SkipNegotiation));
}

void DiskTextPrintInfo(const WNBD_CONNECTION_INFO *Info, const DISK_LIMITS *Limits)
{
    const WNBD_PROPERTIES *Properties = &Info->Properties;
    NAME_TEXT Buffer;
    OutputPrint("Connection info\n");
    PrintText("InstanceName", Name(&Buffer, Properties->InstanceName, sizeof(Properties->InstanceName)));
    PrintText("SerialNumber", Name(&Buffer, Properties->SerialNumber, sizeof(Properties->SerialNumber)));
    PrintText("Owner", Name(&Buffer, Properties->Owner, sizeof(Properties->Owner)));
    PrintText("ReadOnly", Boolean(Properties->Flags.ReadOnly));
    PrintText("FlushSupported", Boolean(Properties->Flags.FlushSupported));
    PrintText("FUASupported", Boolean(Properties->Flags.FUASupported));
    PrintText("UnmapSupported", Boolean(Properties->Flags.UnmapSupported));
    PrintText("UnmapAnchorSupported", Boolean(Properties->Flags.UnmapAnchorSupported));
    PrintText("UseUserspaceNbd", Boolean(Properties->Flags.UseUserspaceNbd));
    PrintNumber("BlockCount", (int64_t)Properties->BlockCount);
    PrintNumber("BlockSize", Properties->BlockSize);
    PrintNumber("MaxUnmapDescCount", Properties->MaxUnmapDescCount);
    PrintNumber("Pid", Properties->Pid);
    PrintNumber("DiskNumber", Info->DiskNumber);
    PrintText("PNPDeviceID", OutputSafeWide(Buffer.Text, sizeof(Buffer.Text), Info->PNPDeviceID, WNBD_MAX_NAME_LENGTH));
    PrintNumber("BusNumber", Info->BusNumber);
    PrintNumber("TargetId", Info->TargetId);
    PrintNumber("Lun", Info->Lun);
    PrintNumber("MaxIOReqPerLun", Limits->PerLun);
    PrintNumber("MaxIOReqPerAdapter", Limits->PerAdapter);
    if (UsesNbd(Info)) {
        PrintNbd(&Properties->NbdProperties);
    }
}

static void PrintCounter(const char *Label, int64_t Value)
{
    OutputPrint("%-*s : %lld\n", STATS_WIDTH, Label, (long long)Value);
}

static int64_t ElapsedMs(uint64_t Then, uint64_t Now)
{
    if (Then == 0) {
        return -1;
    }
    return Then > Now ? 0 : (int64_t)((Now - Then) / UNITS_PER_MS);
}

void DiskTextPrintStats(const WNBD_DRV_STATS *Stats, uint64_t Now)
{
    OutputPrint("Disk stats\n");
    PrintCounter("TotalReceivedIORequests", Stats->TotalReceivedIORequests);
    PrintCounter("TotalSubmittedIORequests", Stats->TotalSubmittedIORequests);
    PrintCounter("TotalReceivedIOReplies", Stats->TotalReceivedIOReplies);
    PrintCounter("UnsubmittedIORequests", Stats->UnsubmittedIORequests);
    PrintCounter("PendingSubmittedIORequests", Stats->PendingSubmittedIORequests);
    PrintCounter("AbortedSubmittedIORequests", Stats->AbortedSubmittedIORequests);
    PrintCounter("AbortedUnsubmittedIORequests", Stats->AbortedUnsubmittedIORequests);
    PrintCounter("CompletedAbortedIORequests", Stats->CompletedAbortedIORequests);
    PrintCounter("OutstandingIOCount", Stats->OutstandingIOCount);
    PrintCounter("TimeSinceLastReceivedReqMs", ElapsedMs(Stats->LastReceivedReqTimestamp, Now));
    PrintCounter("TimeSinceLastSubmittedReqMs", ElapsedMs(Stats->LastSubmittedReqTimestamp, Now));
    PrintCounter("TimeSinceLastReplyMs", ElapsedMs(Stats->LastReplyTimestamp, Now));
}

/* How the lines of a watch are laid out: the header's texts, and the values'. */
static void PrintWatchRow(const char *Time, const char *Operation, const char *const Values[WATCH_VALUES])
{
    OutputPrint("%-8s  %-9s  %10s  %9s  %9s  %9s  %6s  %7s\n", Time, Operation, Values[0], Values[1], Values[2],
                Values[3], Values[4], Values[5]);
}

void DiskTextPrintWatchHeader(void)
{
    static const char *const Titles[WATCH_VALUES] = {"Requests/s", "MiB/s", "P50Us", "P99Us", "Failed", "Aborted"};
    PrintWatchRow("Time", "Operation", Titles);
}

static void FormatPercentile(char *Buffer, size_t Size, const WNBD_OPERATION_STATS *Stats, unsigned Percent)
{
    uint64_t Us = LatencyPercentile(Stats->Latencies, Percent);
    if (Us == LATENCY_NONE) {
        snprintf(Buffer, Size, "-");
    } else if (Us == LATENCY_BEYOND) {
        snprintf(Buffer, Size, ">%llu", 1ull << (WNBD_LATENCY_BUCKETS - 2));
    } else {
        snprintf(Buffer, Size, "%llu", (unsigned long long)Us);
    }
}

static void PrintWatchOperation(const char *Time, const char *Operation, const WNBD_OPERATION_STATS *Stats,
                                double Seconds)
{
    char Values[WATCH_VALUES][32];
    const char *Texts[WATCH_VALUES];
    snprintf(Values[0], sizeof(Values[0]), "%.1f", (double)Stats->Completed / Seconds);
    snprintf(Values[1], sizeof(Values[1]), "%.2f", (double)Stats->Bytes / Seconds / (1024.0 * 1024.0));
    FormatPercentile(Values[2], sizeof(Values[2]), Stats, 50);
    FormatPercentile(Values[3], sizeof(Values[3]), Stats, 99);
    snprintf(Values[4], sizeof(Values[4]), "%llu", (unsigned long long)Stats->Failed);
    snprintf(Values[5], sizeof(Values[5]), "%llu", (unsigned long long)Stats->Aborted);
    for (size_t Index = 0; Index < WATCH_VALUES; Index++) {
        Texts[Index] = Values[Index];
    }
    PrintWatchRow(Time, Operation, Texts);
}

void DiskTextPrintWatch(const WNBD_DRV_STATS_EX *Before, const WNBD_DRV_STATS_EX *Now)
{
    SYSTEMTIME Local;
    char Time[16];
    bool Idle = true;
    GetLocalTime(&Local);
    snprintf(Time, sizeof(Time), "%02u:%02u:%02u", Local.wHour, Local.wMinute, Local.wSecond);
    for (size_t Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        WNBD_OPERATION_STATS Between;
        LatencyBetween(&Before->Operations[Index], &Now->Operations[Index], &Between);
        if (Between.Completed != 0 || Between.Aborted != 0) {
            PrintWatchOperation(Time, LatencyNames[Index], &Between, LatencyInterval(Before, Now));
            Idle = false;
        }
    }
    if (Idle) {
        OutputPrint("%s  idle\n", Time);
    }
}
