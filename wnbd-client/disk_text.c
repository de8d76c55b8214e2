/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Text of disks and counters; see disk_text.h.
 */
#include "disk_text.h"

#include <string.h>

#include "output.h"

#define UNITS_PER_MS 10000 /* of 100 ns */
#define INFO_WIDTH 25
#define STATS_WIDTH 30

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
