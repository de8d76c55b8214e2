/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver's whole path, natively: this program is the class driver that
 * sends SRBs into the Storport host of the test bed, which gives them to the
 * driver, which talks TCP to the server; a completed request is sent again from
 * its completion routine. The test bed runs with one processor: everything at
 * DISPATCH_LEVEL happens in one thread, as it does in the peers.
 */
#include "bench.h"

#include <nt.h>
#include <storport.h>
#include <wnbd_ioctl.h>

#include "native.h"
#include "nbd/nbd.h"
#include "pool.h"
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>

DRIVER_INITIALIZE DriverEntry;

struct TARGET;

typedef struct {
    BENCH_SLOT Slot;
    struct TARGET *Target;
    PIRP Irp;
    PMDL Mdl;
    SCSI_REQUEST_BLOCK Srb;
    UCHAR Sense[32];
} PLACE;

typedef struct TARGET {
    uint32_t Number;
    NATIVE_DEVICE *Child;
    PDEVICE_OBJECT Top;
    PLACE Places[BENCH_DEPTH_MAX];
} TARGET;

static BENCH Bench;
static TARGET Targets[BENCH_DISKS_MAX];
static uint32_t BlockShift;
static uint64_t InFlight;
static KEVENT Ended;
static KDPC Starter;
static NATIVE_DRIVER *Driver;
static NATIVE_DEVICE *Adapter;
static NATIVE_FILE *Control;

/* Milliseconds, one per disk: until it is made, until Windows has it, until it is away. */
static double MapMs[BENCH_DISKS_MAX], ReadyMs[BENCH_DISKS_MAX], UnmapMs[BENCH_DISKS_MAX];
static uint64_t DiskBytes;

/* ---- requests ---- */

/* READ (10) or WRITE (10) in a classic SRB, as disk.sys sends them to a disk below 2 TiB. */
static void BuildSrb(PLACE *Place)
{
    PSCSI_REQUEST_BLOCK Srb = &Place->Srb;
    uint32_t Block = (uint32_t)(Place->Slot.Offset >> BlockShift), Count = Bench.BlockBytes >> BlockShift;
    RtlZeroMemory(Srb, sizeof(*Srb));
    Srb->Length = sizeof(*Srb);
    Srb->Function = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->SrbFlags = Bench.Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN;
    Srb->CdbLength = 10;
    Srb->DataBuffer = Place->Slot.Data;
    Srb->DataTransferLength = Bench.BlockBytes;
    Srb->TimeOutValue = 60;
    Srb->SenseInfoBuffer = Place->Sense;
    Srb->SenseInfoBufferLength = sizeof(Place->Sense);
    Srb->OriginalRequest = Place->Irp;
    Srb->Cdb[0] = Bench.Write ? 0x2A : 0x28;
    for (int Index = 0; Index < 4; Index++) {
        Srb->Cdb[2 + Index] = (UCHAR)(Block >> (24 - 8 * Index));
    }
    Srb->Cdb[7] = (UCHAR)(Count >> 8);
    Srb->Cdb[8] = (UCHAR)Count;
}

static IO_COMPLETION_ROUTINE RequestEnded;

static void RequestSend(PLACE *Place)
{
    BenchBegin(&Bench, &Place->Slot, Place->Target->Number);
    BuildSrb(Place);
    IoReuseIrp(Place->Irp, STATUS_SUCCESS);
    Place->Irp->MdlAddress = Place->Mdl;
    PIO_STACK_LOCATION Stack = IoGetNextIrpStackLocation(Place->Irp);
    Stack->MajorFunction = IRP_MJ_SCSI;
    Stack->Parameters.Scsi.Srb = &Place->Srb;
    IoSetCompletionRoutine(Place->Irp, RequestEnded, Place, TRUE, TRUE, TRUE);
    IofCallDriver(Place->Target->Top, Place->Irp);
}

static NTSTATUS NTAPI RequestEnded(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    PLACE *Place = Context;
    if ((Place->Srb.SrbStatus & 0x3F) != SRB_STATUS_SUCCESS || Place->Srb.DataTransferLength != Bench.BlockBytes) {
        BenchFail("a request fails");
    }
    if (BenchEnded(&Bench, &Place->Slot)) {
        RequestSend(Place);
    } else if (--InFlight == 0) {
        KeSetEvent(&Ended, IO_NO_INCREMENT, FALSE);
    }
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* The first requests come from a DPC, and so from the thread of all others. */
static VOID NTAPI StartAll(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    InFlight = (uint64_t)Bench.Disks * Bench.Depth;
    for (uint32_t Index = 0; Index < Bench.Depth; Index++) {
        for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
            RequestSend(&Targets[Disk].Places[Index]);
        }
    }
}

static void PlaceMake(TARGET *Target, PLACE *Place)
{
    Place->Target = Target;
    BenchSlot(&Bench, &Place->Slot);
    Place->Irp = IoAllocateIrp(Target->Top->StackSize, FALSE);
    Place->Mdl = IoAllocateMdl(Place->Slot.Data, Bench.BlockBytes, FALSE, FALSE, NULL);
    MmProbeAndLockPages(Place->Mdl, KernelMode, IoModifyAccess);
}

static void PlaceFree(PLACE *Place)
{
    MmUnlockPages(Place->Mdl);
    IoFreeMdl(Place->Mdl);
    IoFreeIrp(Place->Irp);
    free(Place->Slot.Data);
}

/* ---- disks ---- */

static void Start(void)
{
    NTSTATUS Status;
    NativeStart(&(NATIVE_OPTIONS){.Seed = 1, .OneProcessor = true});
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "BusType", 0xE);
    Driver = NativeDriverLoad("wnbd", DriverEntry, &Status);
    Adapter = Driver == NULL ? NULL : NativeDeviceAdd(Driver, WNBD_HARDWAREID, &Status);
    if (Adapter == NULL || !NT_SUCCESS(NativeDeviceStart(Adapter))) {
        BenchFail("the adapter does not start");
    }
    Control = NativeOpen(&WNBD_GUID, NULL);
}

static void Stop(void)
{
    NativeClose(Control);
    NativeDeviceRemove(Adapter);
    NativeDriverUnload(Driver);
    NativeStop();
}

static double MsSince(uint64_t BeganNs)
{
    return (double)(BenchNowNs() - BeganNs) / 1e6;
}

static void Map(uint32_t Number)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    WNBD_PROPERTIES *Properties = &Command.Properties;
    ULONG Used;
    snprintf(Properties->InstanceName, sizeof(Properties->InstanceName), "disk%u", Number);
    Properties->Flags.UseKernelNbd = 1;
    snprintf(Properties->NbdProperties.Hostname, sizeof(Properties->NbdProperties.Hostname), "127.0.0.1");
    Properties->NbdProperties.PortNumber = Bench.Port;
    uint64_t BeganNs = BenchNowNs();
    NTSTATUS Status =
        NativeIoctl(Control, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), &Used);
    MapMs[Number] = MsSince(BeganNs);
    if (!NT_SUCCESS(Status) || Result.Status != 0) {
        BenchFail("a disk can't be mapped");
    }
    if (!NativeChildWait(Adapter, Number + 1, 30000)) {
        BenchFail("a disk does not appear");
    }
    ReadyMs[Number] = MsSince(BeganNs);
}

static void Unmap(uint32_t Number)
{
    WNBD_IOCTL_REMOVE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_REMOVE};
    snprintf(Command.InstanceName, sizeof(Command.InstanceName), "disk%u", Number);
    uint64_t BeganNs = BenchNowNs();
    NTSTATUS Status = NativeIoctl(Control, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, NULL);
    if (!NT_SUCCESS(Status) || !NativeChildWait(Adapter, Number, 30000)) {
        BenchFail("a disk can't be unmapped");
    }
    UnmapMs[Number] = MsSince(BeganNs);
}

/* READ CAPACITY (10). */
static void ReadCapacity(NATIVE_DEVICE *Child)
{
    UCHAR Capacity[8] = {0};
    SCSI_REQUEST_BLOCK Srb = {.Length = sizeof(Srb),
                              .Function = SRB_FUNCTION_EXECUTE_SCSI,
                              .SrbFlags = SRB_FLAGS_DATA_IN,
                              .CdbLength = 10,
                              .Cdb = {0x25},
                              .DataBuffer = Capacity,
                              .DataTransferLength = sizeof(Capacity),
                              .TimeOutValue = 30};
    NATIVE_FILE *File = NativeOpenDevice(Child);
    NativeRequestWait(NativeScsiBegin(File, &Srb, Capacity, sizeof(Capacity)), NULL);
    NativeClose(File);
    uint64_t Last =
        (uint64_t)Capacity[0] << 24 | (uint64_t)Capacity[1] << 16 | (uint64_t)Capacity[2] << 8 | Capacity[3];
    uint32_t BlockBytes =
        (uint32_t)Capacity[4] << 24 | (uint32_t)Capacity[5] << 16 | (uint32_t)Capacity[6] << 8 | Capacity[7];
    if (BlockBytes == 0) {
        BenchFail("a disk has no capacity");
    }
    BlockShift = (uint32_t)__builtin_ctz(BlockBytes);
    Bench.SizeBytes = (Last + 1) << BlockShift;
}

static void MapAll(void)
{
    uint64_t Before = NativePoolBytes(WNBD_POOL_TAG);
    for (uint32_t Number = 0; Number < Bench.Disks; Number++) {
        Map(Number);
    }
    DiskBytes = (NativePoolBytes(WNBD_POOL_TAG) - Before) / Bench.Disks;
    for (uint32_t Number = 0; Number < Bench.Disks; Number++) {
        TARGET *Target = &Targets[Number];
        Target->Number = Number;
        Target->Child = NativeChild(Adapter, Number);
        Target->Top = NativeDeviceTop(Target->Child);
        for (uint32_t Index = 0; Index < Bench.Depth; Index++) {
            PlaceMake(Target, &Target->Places[Index]);
        }
    }
    ReadCapacity(Targets[0].Child);
}

static void UnmapAll(void)
{
    for (uint32_t Number = 0; Number < Bench.Disks; Number++) {
        for (uint32_t Index = 0; Index < Bench.Depth; Index++) {
            PlaceFree(&Targets[Number].Places[Index]);
        }
        NativeChildRelease(Targets[Number].Child);
    }
    for (uint32_t Number = Bench.Disks; Number-- > 0;) {
        Unmap(Number);
    }
}

static int Compare(const void *A, const void *B)
{
    double Left = *(const double *)A, Right = *(const double *)B;
    return (Left > Right) - (Left < Right);
}

static double Median(double *Values)
{
    qsort(Values, Bench.Disks, sizeof(*Values), Compare);
    return Values[Bench.Disks / 2];
}

int main(int ArgumentCount, char **Arguments)
{
    char Extra[256];
    BenchStart(&Bench, "driver", ArgumentCount, Arguments);
    Start();
    MapAll();
    KeInitializeEvent(&Ended, NotificationEvent, FALSE);
    KeInitializeDpc(&Starter, StartAll, NULL);
    KeInsertQueueDpc(&Starter, NULL, NULL);
    KeWaitForSingleObject(&Ended, Executive, KernelMode, FALSE, NULL);
    UnmapAll();
    Stop();
    snprintf(Extra, sizeof(Extra),
             ", \"map_ms\": %.3f, \"ready_ms\": %.3f, \"unmap_ms\": %.3f, \"disk_bytes\": %llu, \"slot_bytes\": %zu",
             Median(MapMs), Median(ReadyMs), Median(UnmapMs), (unsigned long long)DiskBytes,
             2 * sizeof(REQUEST) + sizeof(WIRE) + sizeof(SLOT) + sizeof(NBD_SLOT));
    BenchReport(&Bench, Extra);
    return 0;
}
