/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Disks and counters as JSON; see disk_json.h.
 */
#include "disk_json.h"

#include <string.h>

#include "json.h"
#include "latency.h"
#include "output.h"

#define UNITS_PER_MS 10000 /* of 100 ns */

/* What is not known is -1 here, and null there. */
static void NumberAdd(JSON *Json, const char *Key, int64_t Value)
{
    if (Value < 0) {
        JsonNull(Json, Key);
    } else {
        JsonNumber(Json, Key, Value);
    }
}

static void WideAdd(JSON *Json, const char *Key, const WCHAR *Text, size_t Length)
{
    char Narrow[WNBD_MAX_NAME_LENGTH * 3 + 1];
    OutputSafeWide(Narrow, sizeof(Narrow), Text, Length);
    JsonText(Json, Key, Narrow, sizeof(Narrow));
}

static bool IsNbd(const WNBD_PROPERTIES *Properties)
{
    return Properties->Flags.UseKernelNbd || Properties->Flags.UseUserspaceNbd;
}

static void RowAdd(JSON *Json, const WNBD_CONNECTION_INFO *Info)
{
    const WNBD_PROPERTIES *Properties = &Info->Properties;
    JsonObject(Json, NULL);
    JsonText(Json, "InstanceName", Properties->InstanceName, sizeof(Properties->InstanceName));
    JsonNumber(Json, "Pid", Properties->Pid);
    NumberAdd(Json, "DiskNumber", Info->DiskNumber);
    JsonBoolean(Json, "Nbd", IsNbd(Properties));
    JsonText(Json, "Owner", Properties->Owner, sizeof(Properties->Owner));
    JsonObjectEnd(Json);
}

uint32_t DiskJsonPrintList(const WNBD_CONNECTION_LIST *List)
{
    JSON Json = {0};
    const char *Element = (const char *)List->Connections;
    JsonObject(&Json, NULL);
    JsonArray(&Json, "Disks");
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        RowAdd(&Json, (const WNBD_CONNECTION_INFO *)(const void *)Element);
        Element += List->ElementSize;
    }
    JsonArrayEnd(&Json);
    JsonObjectEnd(&Json);
    return JsonPrint(&Json);
}

static void NbdAdd(JSON *Json, const NBD_CONNECTION_PROPERTIES *Nbd)
{
    JsonObject(Json, "NbdProperties");
    JsonText(Json, "Hostname", Nbd->Hostname, sizeof(Nbd->Hostname));
    JsonUnsigned(Json, "PortNumber", Nbd->PortNumber);
    JsonText(Json, "ExportName", Nbd->ExportName, sizeof(Nbd->ExportName));
    JsonBoolean(Json, "SkipNegotiation", Nbd->Flags.SkipNegotiation);
    JsonObjectEnd(Json);
}

uint32_t DiskJsonPrintInfo(const WNBD_CONNECTION_INFO *Info, const DISK_LIMITS *Limits)
{
    const WNBD_PROPERTIES *Properties = &Info->Properties;
    JSON Json = {0};
    JsonObject(&Json, NULL);
    JsonText(&Json, "InstanceName", Properties->InstanceName, sizeof(Properties->InstanceName));
    JsonText(&Json, "SerialNumber", Properties->SerialNumber, sizeof(Properties->SerialNumber));
    JsonText(&Json, "Owner", Properties->Owner, sizeof(Properties->Owner));
    JsonBoolean(&Json, "ReadOnly", Properties->Flags.ReadOnly);
    JsonBoolean(&Json, "FlushSupported", Properties->Flags.FlushSupported);
    JsonBoolean(&Json, "FUASupported", Properties->Flags.FUASupported);
    JsonBoolean(&Json, "UnmapSupported", Properties->Flags.UnmapSupported);
    JsonBoolean(&Json, "UnmapAnchorSupported", Properties->Flags.UnmapAnchorSupported);
    JsonBoolean(&Json, "UseUserspaceNbd", Properties->Flags.UseUserspaceNbd);
    JsonUnsigned(&Json, "BlockCount", Properties->BlockCount);
    JsonUnsigned(&Json, "BlockSize", Properties->BlockSize);
    JsonUnsigned(&Json, "MaxUnmapDescCount", Properties->MaxUnmapDescCount);
    JsonNumber(&Json, "Pid", Properties->Pid);
    NumberAdd(&Json, "DiskNumber", Info->DiskNumber);
    WideAdd(&Json, "PNPDeviceID", Info->PNPDeviceID, WNBD_MAX_NAME_LENGTH);
    JsonUnsigned(&Json, "BusNumber", Info->BusNumber);
    JsonUnsigned(&Json, "TargetId", Info->TargetId);
    JsonUnsigned(&Json, "Lun", Info->Lun);
    NumberAdd(&Json, "MaxIOReqPerLun", Limits->PerLun);
    NumberAdd(&Json, "MaxIOReqPerAdapter", Limits->PerAdapter);
    if (IsNbd(Properties)) {
        NbdAdd(&Json, &Properties->NbdProperties);
    }
    JsonObjectEnd(&Json);
    return JsonPrint(&Json);
}

static void ElapsedAdd(JSON *Json, const char *Key, uint64_t Then, uint64_t Now)
{
    NumberAdd(Json, Key, Then == 0 ? -1 : Then > Now ? 0 : (int64_t)((Now - Then) / UNITS_PER_MS));
}

static void CountersAdd(JSON *Json, const WNBD_DRV_STATS *Stats, uint64_t Now)
{
    JsonNumber(Json, "TotalReceivedIORequests", Stats->TotalReceivedIORequests);
    JsonNumber(Json, "TotalSubmittedIORequests", Stats->TotalSubmittedIORequests);
    JsonNumber(Json, "TotalReceivedIOReplies", Stats->TotalReceivedIOReplies);
    JsonNumber(Json, "UnsubmittedIORequests", Stats->UnsubmittedIORequests);
    JsonNumber(Json, "PendingSubmittedIORequests", Stats->PendingSubmittedIORequests);
    JsonNumber(Json, "AbortedSubmittedIORequests", Stats->AbortedSubmittedIORequests);
    JsonNumber(Json, "AbortedUnsubmittedIORequests", Stats->AbortedUnsubmittedIORequests);
    JsonNumber(Json, "CompletedAbortedIORequests", Stats->CompletedAbortedIORequests);
    JsonNumber(Json, "OutstandingIOCount", Stats->OutstandingIOCount);
    ElapsedAdd(Json, "TimeSinceLastReceivedReqMs", Stats->LastReceivedReqTimestamp, Now);
    ElapsedAdd(Json, "TimeSinceLastSubmittedReqMs", Stats->LastSubmittedReqTimestamp, Now);
    ElapsedAdd(Json, "TimeSinceLastReplyMs", Stats->LastReplyTimestamp, Now);
}

static void PercentileAdd(JSON *Json, const char *Key, const WNBD_OPERATION_STATS *Stats, unsigned Percent)
{
    uint64_t Us = LatencyPercentile(Stats->Latencies, Percent);
    if (Us == LATENCY_NONE || Us == LATENCY_BEYOND) {
        JsonNull(Json, Key);
    } else {
        JsonUnsigned(Json, Key, Us);
    }
}

static void OperationAdd(JSON *Json, const char *Key, const WNBD_OPERATION_STATS *Stats)
{
    JsonObject(Json, Key);
    JsonUnsigned(Json, "Completed", Stats->Completed);
    JsonUnsigned(Json, "Failed", Stats->Failed);
    JsonUnsigned(Json, "Aborted", Stats->Aborted);
    JsonUnsigned(Json, "Bytes", Stats->Bytes);
    JsonSeconds(Json, "LatencyTotalSeconds", Stats->LatencySum);
    PercentileAdd(Json, "P50Us", Stats, 50);
    PercentileAdd(Json, "P99Us", Stats, 99);
    JsonArray(Json, "Latencies");
    for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
        JsonUnsigned(Json, NULL, Stats->Latencies[Bucket]);
    }
    JsonArrayEnd(Json);
    JsonObjectEnd(Json);
}

/* What one operation did in Seconds, which are more than 0. */
static void RatesAdd(JSON *Json, const char *Key, const WNBD_OPERATION_STATS *Stats, double Seconds)
{
    JsonObject(Json, Key);
    JsonDecimal(Json, "RequestsPerSecond", (double)Stats->Completed / Seconds);
    JsonDecimal(Json, "BytesPerSecond", (double)Stats->Bytes / Seconds);
    JsonUnsigned(Json, "Failed", Stats->Failed);
    JsonUnsigned(Json, "Aborted", Stats->Aborted);
    PercentileAdd(Json, "P50Us", Stats, 50);
    PercentileAdd(Json, "P99Us", Stats, 99);
    JsonObjectEnd(Json);
}

static void IntervalAdd(JSON *Json, const WNBD_DRV_STATS_EX *Before, const WNBD_DRV_STATS_EX *Now)
{
    double Seconds = LatencyInterval(Before, Now);
    JsonObject(Json, "Interval");
    JsonDecimal(Json, "Seconds", Seconds);
    JsonObject(Json, "Operations");
    for (unsigned Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        WNBD_OPERATION_STATS Between;
        LatencyBetween(&Before->Operations[Index], &Now->Operations[Index], &Between);
        RatesAdd(Json, LatencyNames[Index], &Between, Seconds);
    }
    JsonObjectEnd(Json);
    JsonObjectEnd(Json);
}

uint32_t DiskJsonPrintStats(const char *InstanceName, const WNBD_DRV_STATS_EX *Stats, const WNBD_DRV_STATS_EX *Before)
{
    JSON Json = {0};
    JsonObject(&Json, NULL);
    JsonText(&Json, "InstanceName", InstanceName, strlen(InstanceName));
    JsonUnsigned(&Json, "ConnectionId", Stats->ConnectionId);
    CountersAdd(&Json, &Stats->Counters, Stats->Timestamp);
    JsonObject(&Json, "Operations");
    for (unsigned Index = 0; Index < WNBD_OPERATION_COUNT; Index++) {
        OperationAdd(&Json, LatencyNames[Index], &Stats->Operations[Index]);
    }
    JsonObjectEnd(&Json);
    if (Before != NULL) {
        IntervalAdd(&Json, Before, Stats);
    }
    JsonObjectEnd(&Json);
    return JsonPrint(&Json);
}
