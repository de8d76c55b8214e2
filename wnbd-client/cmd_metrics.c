/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command metrics: the counters of all disks in Prometheus' text format, version 0.0.4.
 */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include <wnbd.h>

#include "base/utf8.h"
#include "buffer.h"
#include "disk_list.h"
#include "errors.h"
#include "latency.h"
#include "output.h"

/* A disk's counters, and its own labels as they stand between braces. */
typedef struct {
    BUFFER Labels;
    const WNBD_CONNECTION_INFO *Info;
    WNBD_DRV_STATS_EX Stats;
} DISK_METRICS;

typedef struct {
    size_t Count;
    DISK_METRICS *Disks;
    BUFFER Text;
} METRICS;

typedef struct {
    const char *Name;
    const char *Type;
    const char *Help;
    size_t Offset; /* of the 64-bit value */
} METRIC;

#define COUNTER(Name, Field, Help) {"wnbd_disk_" Name "_total", "counter", Help, offsetof(WNBD_DRV_STATS, Field)}
#define GAUGE(Name, Field, Help) {"wnbd_disk_" Name, "gauge", Help, offsetof(WNBD_DRV_STATS, Field)}
static const METRIC DiskMetrics[] = {
    COUNTER("requests_received", TotalReceivedIORequests, "Requests that Windows sent to the disk."),
    COUNTER("requests_submitted", TotalSubmittedIORequests, "Requests passed on to the server or process."),
    COUNTER("replies_received", TotalReceivedIOReplies, "Answers of the server or process."),
    COUNTER("submitted_aborted", AbortedSubmittedIORequests, "Requests passed on that were given up."),
    COUNTER("unsubmitted_aborted", AbortedUnsubmittedIORequests, "Requests given up before they were passed on."),
    COUNTER("aborted_answered", CompletedAbortedIORequests, "Answers to requests that had been given up."),
    GAUGE("requests_unsubmitted", UnsubmittedIORequests, "Requests that wait to be passed on."),
    GAUGE("requests_pending", PendingSubmittedIORequests, "Requests passed on and not answered yet."),
    GAUGE("requests_outstanding", OutstandingIOCount, "Requests that Windows waits for."),
};
#undef COUNTER
#undef GAUGE

#define COUNTER(Name, Field, Help)                                                                                     \
    {"wnbd_disk_operation_" Name "_total", "counter", Help, offsetof(WNBD_OPERATION_STATS, Field)}
static const METRIC OperationMetrics[] = {
    COUNTER("bytes", Bytes, "Bytes read, written, unmapped or verified by requests that did not fail."),
    COUNTER("failed", Failed, "Requests that ended with an error."),
    COUNTER("aborted", Aborted, "Requests given back by a reset or with the disk."),
};
#undef COUNTER

static const char Histogram[] = "wnbd_disk_operation_duration_seconds";

/* A label's value, with the format's escapes. Bytes that are not UTF-8 become U+FFFD. */
static void LabelAdd(BUFFER *Buffer, const char *Name, const char *Text, size_t SizeBytes)
{
    BufferFormat(Buffer, "%s%s=\"", Buffer->Used != 0 ? "," : "", Name);
    for (size_t At = 0; At < SizeBytes && Text[At] != '\0';) {
        uint32_t Character;
        size_t Length = Utf8Decode((const uint8_t *)Text + At, SizeBytes - At, &Character);
        if (Length == 0) {
            BufferAdd(Buffer, "\xEF\xBF\xBD", 3);
        } else if (Character == '\n') {
            BufferAdd(Buffer, "\\n", 2);
        } else {
            BufferAdd(Buffer, "\\", Character == '"' || Character == '\\');
            BufferAdd(Buffer, Text + At, Length);
        }
        At += Length == 0 ? 1 : Length;
    }
    BufferAdd(Buffer, "\"", 1);
}

static void FamilyAdd(BUFFER *Text, const char *Name, const char *Type, const char *Help)
{
    BufferFormat(Text, "# HELP %s %s\n# TYPE %s %s\n", Name, Help, Name, Type);
}

static uint64_t ValueOf(const void *Structure, size_t Offset)
{
    uint64_t Value;
    memcpy(&Value, (const char *)Structure + Offset, sizeof(Value));
    return Value;
}

/* What is said of the disks themselves. */
static void DisksAdd(METRICS *Metrics)
{
    BUFFER *Text = &Metrics->Text;
    FamilyAdd(Text, "wnbd_disks", "gauge", "Disks that are mapped.");
    BufferFormat(Text, "wnbd_disks %llu\n", (unsigned long long)Metrics->Count);
    FamilyAdd(Text, "wnbd_disk_info", "gauge", "Always 1: the number that Windows gave the disk, its owner.");
    for (size_t Index = 0; Index < Metrics->Count; Index++) {
        const DISK_METRICS *Disk = &Metrics->Disks[Index];
        BUFFER Owner = {0};
        LabelAdd(&Owner, "owner", Disk->Info->Properties.Owner, sizeof(Disk->Info->Properties.Owner));
        BufferFormat(Text, "wnbd_disk_info{%s,number=\"%d\",%s} 1\n", Disk->Labels.Text, (int)Disk->Info->DiskNumber,
                     Owner.Failed ? "" : Owner.Text);
        Text->Failed |= Owner.Failed;
        BufferFree(&Owner);
    }
    FamilyAdd(Text, "wnbd_disk_size_bytes", "gauge", "Size of the disk.");
    for (size_t Index = 0; Index < Metrics->Count; Index++) {
        const WNBD_PROPERTIES *Properties = &Metrics->Disks[Index].Info->Properties;
        BufferFormat(Text, "wnbd_disk_size_bytes{%s} %llu\n", Metrics->Disks[Index].Labels.Text,
                     (unsigned long long)Properties->BlockCount * Properties->BlockSize);
    }
}

static void DiskCountersAdd(METRICS *Metrics)
{
    for (size_t Row = 0; Row < sizeof(DiskMetrics) / sizeof(DiskMetrics[0]); Row++) {
        const METRIC *Metric = &DiskMetrics[Row];
        FamilyAdd(&Metrics->Text, Metric->Name, Metric->Type, Metric->Help);
        for (size_t Index = 0; Index < Metrics->Count; Index++) {
            const DISK_METRICS *Disk = &Metrics->Disks[Index];
            BufferFormat(&Metrics->Text, "%s{%s} %lld\n", Metric->Name, Disk->Labels.Text,
                         (long long)ValueOf(&Disk->Stats.Counters, Metric->Offset));
        }
    }
}

/* The operation's name as a label's value: in lower case, as is usual there. */
static const char *OperationLabel(size_t Operation)
{
    static const char *const Labels[WNBD_OPERATION_COUNT] = {"read", "write", "flush", "unmap", "other"};
    return Labels[Operation];
}

static void OperationsAdd(METRICS *Metrics)
{
    for (size_t Row = 0; Row < sizeof(OperationMetrics) / sizeof(OperationMetrics[0]); Row++) {
        const METRIC *Metric = &OperationMetrics[Row];
        FamilyAdd(&Metrics->Text, Metric->Name, Metric->Type, Metric->Help);
        for (size_t Index = 0; Index < Metrics->Count * WNBD_OPERATION_COUNT; Index++) {
            const DISK_METRICS *Disk = &Metrics->Disks[Index / WNBD_OPERATION_COUNT];
            size_t Operation = Index % WNBD_OPERATION_COUNT;
            BufferFormat(&Metrics->Text, "%s{%s,operation=\"%s\"} %llu\n", Metric->Name, Disk->Labels.Text,
                         OperationLabel(Operation),
                         (unsigned long long)ValueOf(&Disk->Stats.Operations[Operation], Metric->Offset));
        }
    }
}

/* One histogram: its buckets count everything up to their bound. */
static void HistogramAdd(BUFFER *Text, const DISK_METRICS *Disk, size_t Operation)
{
    const WNBD_OPERATION_STATS *Stats = &Disk->Stats.Operations[Operation];
    const char *Disks = Disk->Labels.Text;
    const char *Name = OperationLabel(Operation);
    uint64_t Count = 0;
    for (unsigned Bucket = 0; Bucket < WNBD_LATENCY_BUCKETS; Bucket++) {
        uint64_t Us = UINT64_C(1) << Bucket;
        Count += Stats->Latencies[Bucket];
        BufferFormat(Text, "%s_bucket{%s,operation=\"%s\",le=\"", Histogram, Disks, Name);
        if (Bucket == WNBD_LATENCY_BUCKETS - 1) {
            BufferAdd(Text, "+Inf", 4);
        } else {
            BufferFormat(Text, "%llu.%06llu", (unsigned long long)(Us / 1000000), (unsigned long long)(Us % 1000000));
        }
        BufferFormat(Text, "\"} %llu\n", (unsigned long long)Count);
    }
    BufferFormat(Text, "%s_sum{%s,operation=\"%s\"} %llu.%07llu\n", Histogram, Disks, Name,
                 (unsigned long long)(Stats->LatencySum / 10000000),
                 (unsigned long long)(Stats->LatencySum % 10000000));
    BufferFormat(Text, "%s_count{%s,operation=\"%s\"} %llu\n", Histogram, Disks, Name, (unsigned long long)Count);
}

static void MetricsWrite(METRICS *Metrics)
{
    DisksAdd(Metrics);
    DiskCountersAdd(Metrics);
    OperationsAdd(Metrics);
    FamilyAdd(&Metrics->Text, Histogram, "histogram", "From when the driver got a request to its end.");
    for (size_t Index = 0; Index < Metrics->Count * WNBD_OPERATION_COUNT; Index++) {
        HistogramAdd(&Metrics->Text, &Metrics->Disks[Index / WNBD_OPERATION_COUNT], Index % WNBD_OPERATION_COUNT);
    }
}

/* Looks at every disk of the list. One that goes meanwhile is left out. */
static DWORD MetricsRead(METRICS *Metrics, const WNBD_CONNECTION_LIST *List)
{
    const char *Element = (const char *)List->Connections;
    Metrics->Disks = calloc((size_t)List->Count + 1, sizeof(*Metrics->Disks));
    if (Metrics->Disks == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        const WNBD_CONNECTION_INFO *Info = (const WNBD_CONNECTION_INFO *)(const void *)Element;
        const WNBD_PROPERTIES *Properties = &Info->Properties;
        DISK_METRICS *Disk = &Metrics->Disks[Metrics->Count];
        Element += List->ElementSize;
        DWORD Status = WnbdGetDriverStatsEx(Properties->InstanceName, &Disk->Stats);
        if (Status == ERROR_FILE_NOT_FOUND) {
            continue;
        }
        if (Status != ERROR_SUCCESS) {
            return Status;
        }
        Disk->Info = Info;
        LabelAdd(&Disk->Labels, "disk", Properties->InstanceName, sizeof(Properties->InstanceName));
        Metrics->Count++;
        if (Disk->Labels.Failed) {
            return ERROR_OUTOFMEMORY;
        }
    }
    return ERROR_SUCCESS;
}

static void MetricsFree(METRICS *Metrics)
{
    for (size_t Index = 0; Index < Metrics->Count; Index++) {
        BufferFree(&Metrics->Disks[Index].Labels);
    }
    free(Metrics->Disks);
    BufferFree(&Metrics->Text);
}

/* Makes the text; the caller frees *Metrics in any case. */
static DWORD MetricsMake(METRICS *Metrics)
{
    PWNBD_CONNECTION_LIST List;
    DWORD Status = DiskListRead(&List);
    if (Status == ERROR_SUCCESS) {
        Status = MetricsRead(Metrics, List);
    }
    if (Status == ERROR_SUCCESS) {
        MetricsWrite(Metrics);
        Status = Metrics->Text.Failed ? ERROR_OUTOFMEMORY : ERROR_SUCCESS;
    }
    free(List);
    return Status;
}

uint32_t CommandMetrics(const COMMAND_LINE *Line)
{
    const char *Path = CommandOption(Line, "output")->Text;
    METRICS Metrics = {0};
    DWORD Status = MetricsMake(&Metrics);
    if (Status != ERROR_SUCCESS) {
        ErrorReport(&(FAILURE){.Action = ACTION_OPERATIONS, .Code = Status, .Tried = "read the counters of the disks"});
    } else if (Path == NULL) {
        OutputExact(Metrics.Text.Text);
    } else {
        Status = OutputReplaceFile(Path, Metrics.Text.Text);
        if (Status != ERROR_SUCCESS) {
            ErrorReport(&(FAILURE){.Action = ACTION_OUTPUT, .Code = Status, .Tried = "write", .Object = Path});
        }
    }
    MetricsFree(&Metrics);
    return Status;
}
