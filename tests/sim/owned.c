/* SPDX-License-Identifier: LGPL-2.1-only */
/* owned.h. */
#include "owned.h"

#include "storage_ioctl.h"

#include <stdio.h>
#include <unistd.h>

#define BLOCKS 8192u

_Atomic ULONGLONG ClockAhead;
_Atomic ULONGLONG Asleep;
atomic_uint Delays;
static atomic_uint Looks; /* at processes */
static char Warning[256]; /* the last one with "Windows will not tell" */

void Pause(void)
{
    usleep(1000);
}

/* ---- what the linker puts in front ---- */

ULONGLONG __real_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID);
ULONGLONG __wrap_KeQueryInterruptTime(VOID)
{
    return __real_KeQueryInterruptTime() + atomic_load(&ClockAhead) + atomic_load(&Asleep);
}

ULONGLONG __real_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID);
ULONGLONG __wrap_KeQueryUnbiasedInterruptTime(VOID)
{
    return __real_KeQueryUnbiasedInterruptTime() + atomic_load(&ClockAhead);
}

NTSTATUS __real_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS __wrap_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSTATUS __wrap_ZwWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout)
{
    NTSTATUS Status = __real_ZwWaitForSingleObject(Handle, Alertable, Timeout);
    atomic_fetch_add(&Looks, 1);
    return Status;
}

NTSTATUS __real_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTSTATUS __wrap_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval);
NTSTATUS __wrap_KeDelayExecutionThread(KPROCESSOR_MODE Mode, BOOLEAN Alertable, PLARGE_INTEGER Interval)
{
    atomic_fetch_add(&Delays, 1);
    return __real_KeDelayExecutionThread(Mode, Alertable, Interval);
}

/* ---- the beginning and the end of a case ---- */

void Serve(SERVED *Served, BED *Bed, const char *Name, size_t Count)
{
    WNBD_PROPERTIES Properties;
    ProviderProperties(&Properties, Name, BLOCKS, BLOCK_BYTES);
    ProviderStart(&Served->Provider, Bed, &Properties);
    Served->Buffer = NativeUserAllocate(Served->Provider.Process, WRITE_BYTES);
    /* Its first commands are answered by the driver. */
    DiskOpen(&Served->Disk, Bed, Count);
    Served->Disk.TimeoutSeconds = 1000000;
}

void Request(SERVED *Served, UCHAR Code, ULONG Bytes)
{
    UCHAR Cdb[16];
    DiskCdb16(Cdb, Code, 0, Bytes / BLOCK_BYTES, false);
    DiskBegin(&Served->Disk, &Served->Io, false, Cdb, 16, Code == 0x88 ? SRB_FLAGS_DATA_IN : SRB_FLAGS_DATA_OUT,
              Served->Data, Bytes);
}

NATIVE_REQUEST *FetchBegin(SERVED *Served)
{
    return ProviderFetchBegin(&Served->Provider, Served->Buffer, WRITE_BYTES, &Served->Fetch);
}

void FetchOne(SERVED *Served)
{
    CHECK(ProviderFetch(&Served->Provider, Served->Buffer, WRITE_BYTES, &Served->Fetch) == STATUS_SUCCESS);
}

NTSTATUS Answer(SERVED *Served)
{
    WNBD_IO_RESPONSE Response;
    UINT32 Bytes = Served->Fetch.Request.RequestType == WnbdReqTypeRead
                       ? Served->Fetch.Request.Cmd.Read.BlockCount * BLOCK_BYTES
                       : 0;
    ProviderSuccess(&Response, &Served->Fetch.Request);
    return ProviderSend(&Served->Provider, &Response, Served->Buffer, Bytes);
}

void Works(SERVED *Served)
{
    Request(Served, 0x88, 4096);
    FetchOne(Served);
    CHECK(Answer(Served) == STATUS_SUCCESS);
    CHECK(DiskWait(&Served->Io, NULL) == SRB_STATUS_SUCCESS);
}

void EndProvider(SERVED *Served)
{
    ProviderEnd(&Served->Provider);
    DiskClose(&Served->Disk);
}

void CheckGone(SERVED *Served, BED *Bed, size_t Children)
{
    CHECK(NativeChildWait(Bed->Adapter, Children, GONE_MS));
    CHECK(BedDiskCount(Bed) == Children);
    CHECK(BedUnmap(Bed, Served->Provider.Info.Properties.InstanceName) == STATUS_OBJECT_NAME_NOT_FOUND);
}

void Reset(BED *Bed)
{
    PORT_BUS_RESET_REQUEST Request = {.PathId = 0};
    CHECK(NativeIoctl(Bed->File, PORT_IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL) ==
          STATUS_SUCCESS);
}

void AwaitLooks(unsigned Count)
{
    unsigned Goal = atomic_load(&Looks) + Count;
    for (unsigned Pauses = 0; atomic_load(&Looks) < Goal; Pauses++) {
        CHECK(Pauses < GONE_MS); /* nobody is looked at any more */
        Pause();
    }
}

static void Log(uint32_t Level, const char *Text)
{
    if (Level <= DPFLTR_WARNING_LEVEL && strstr(Text, "Windows will not tell") != NULL) {
        snprintf(Warning, sizeof(Warning), "%s", Text);
    }
}

void Start(BED *Bed, uint32_t Foreign)
{
    Warning[0] = '\0';
    atomic_store(&ClockAhead, 0);
    atomic_store(&Asleep, 0);
    BedStart(Bed, &(NATIVE_OPTIONS){.Seed = 7, .ForeignNotifyRoutines = Foreign, .Log = Log});
    CHECK((Warning[0] != '\0') == (Foreign == 64));
}
