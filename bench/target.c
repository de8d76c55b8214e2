/* SPDX-License-Identifier: LGPL-2.1-only */
/* target.h: the class driver's part. */
#include "target.h"

#include <nt.h>
#include <storport.h>
#include <wnbd_ioctl.h>

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

static BENCH *Bench;
static TARGET Targets[BENCH_DISKS_MAX];
static uint32_t BlockShift;
static uint64_t InFlight;
static KEVENT Ended;
static KDPC Starter;
static NATIVE_DRIVER *Driver;
static NATIVE_DEVICE *Adapter;
NATIVE_FILE *TargetControl;

/* ---- requests ---- */

/* READ (10) or WRITE (10) in a classic SRB, as disk.sys sends them to a disk below 2 TiB. */
static void BuildSrb(PLACE *Place)
{
    PSCSI_REQUEST_BLOCK Srb = &Place->Srb;
    uint32_t Block = (uint32_t)(Place->Slot.Offset >> BlockShift), Count = Bench->BlockBytes >> BlockShift;
    RtlZeroMemory(Srb, sizeof(*Srb));
    Srb->Length = sizeof(*Srb);
    Srb->Function = SRB_FUNCTION_EXECUTE_SCSI;
    Srb->SrbFlags = Bench->Write ? SRB_FLAGS_DATA_OUT : SRB_FLAGS_DATA_IN;
    Srb->CdbLength = 10;
    Srb->DataBuffer = Place->Slot.Data;
    Srb->DataTransferLength = Bench->BlockBytes;
    Srb->TimeOutValue = 60;
    Srb->SenseInfoBuffer = Place->Sense;
    Srb->SenseInfoBufferLength = sizeof(Place->Sense);
    Srb->OriginalRequest = Place->Irp;
    Srb->Cdb[0] = Bench->Write ? 0x2A : 0x28;
    for (int Index = 0; Index < 4; Index++) {
        Srb->Cdb[2 + Index] = (UCHAR)(Block >> (24 - 8 * Index));
    }
    Srb->Cdb[7] = (UCHAR)(Count >> 8);
    Srb->Cdb[8] = (UCHAR)Count;
}

static IO_COMPLETION_ROUTINE RequestEnded;

static void RequestSend(PLACE *Place)
{
    BenchBegin(Bench, &Place->Slot, Place->Target->Number);
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
    if ((Place->Srb.SrbStatus & 0x3F) != SRB_STATUS_SUCCESS || Place->Srb.DataTransferLength != Bench->BlockBytes) {
        BenchFail("a request fails");
    }
    if (BenchEnded(Bench, &Place->Slot)) {
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
    InFlight = (uint64_t)Bench->Disks * Bench->Depth;
    for (uint32_t Index = 0; Index < Bench->Depth; Index++) {
        for (uint32_t Disk = 0; Disk < Bench->Disks; Disk++) {
            RequestSend(&Targets[Disk].Places[Index]);
        }
    }
}

static void PlaceMake(TARGET *Target, PLACE *Place)
{
    Place->Target = Target;
    BenchSlot(Bench, &Place->Slot);
    Place->Irp = IoAllocateIrp(Target->Top->StackSize, FALSE);
    Place->Mdl = IoAllocateMdl(Place->Slot.Data, Bench->BlockBytes, FALSE, FALSE, NULL);
    MmProbeAndLockPages(Place->Mdl, KernelMode, IoModifyAccess);
}

static void PlaceFree(PLACE *Place)
{
    MmUnlockPages(Place->Mdl);
    IoFreeMdl(Place->Mdl);
    IoFreeIrp(Place->Irp);
    free(Place->Slot.Data);
}

/* ---- the adapter and its disks ---- */

void TargetsStart(BENCH *Workload)
{
    NTSTATUS Status;
    Bench = Workload;
    NativeStart(&(NATIVE_OPTIONS){.Seed = 1, .OneProcessor = true});
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "BusType", 0xE);
    Driver = NativeDriverLoad("wnbd", DriverEntry, &Status);
    Adapter = Driver == NULL ? NULL : NativeDeviceAdd(Driver, WNBD_HARDWAREID, &Status);
    if (Adapter == NULL || !NT_SUCCESS(NativeDeviceStart(Adapter))) {
        BenchFail("the adapter does not start");
    }
    TargetControl = NativeOpen(&WNBD_GUID, NULL);
}

void TargetsStop(void)
{
    NativeClose(TargetControl);
    NativeDeviceRemove(Adapter);
    NativeDriverUnload(Driver);
    NativeStop();
}

void TargetCreate(uint32_t Number, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result)
{
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX, .Properties = *Properties};
    ULONG Used;
    snprintf(Command.Properties.InstanceName, sizeof(Command.Properties.InstanceName), "disk%u", Number);
    NTSTATUS Status =
        NativeIoctl(TargetControl, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), Result, sizeof(*Result), &Used);
    if (!NT_SUCCESS(Status) || Result->Status != 0) {
        BenchFail("a disk can't be mapped");
    }
}

void TargetAwait(uint32_t Number)
{
    if (!NativeChildWait(Adapter, Number + 1, 30000)) {
        BenchFail("a disk does not appear");
    }
}

void TargetRemove(uint32_t Number)
{
    WNBD_IOCTL_REMOVE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_REMOVE};
    snprintf(Command.InstanceName, sizeof(Command.InstanceName), "disk%u", Number);
    NTSTATUS Status = NativeIoctl(TargetControl, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), NULL, 0, NULL);
    if (!NT_SUCCESS(Status) || !NativeChildWait(Adapter, Number, 30000)) {
        BenchFail("a disk can't be unmapped");
    }
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
    Bench->SizeBytes = (Last + 1) << BlockShift;
}

static void TargetsOpen(void)
{
    for (uint32_t Number = 0; Number < Bench->Disks; Number++) {
        TARGET *Target = &Targets[Number];
        Target->Number = Number;
        Target->Child = NativeChild(Adapter, Number);
        Target->Top = NativeDeviceTop(Target->Child);
        for (uint32_t Index = 0; Index < Bench->Depth; Index++) {
            PlaceMake(Target, &Target->Places[Index]);
        }
    }
    ReadCapacity(Targets[0].Child);
}

static void TargetsClose(void)
{
    for (uint32_t Number = 0; Number < Bench->Disks; Number++) {
        for (uint32_t Index = 0; Index < Bench->Depth; Index++) {
            PlaceFree(&Targets[Number].Places[Index]);
        }
        NativeChildRelease(Targets[Number].Child);
    }
}

void TargetsRun(void)
{
    TargetsOpen();
    KeInitializeEvent(&Ended, NotificationEvent, FALSE);
    KeInitializeDpc(&Starter, StartAll, NULL);
    KeInsertQueueDpc(&Starter, NULL, NULL);
    KeWaitForSingleObject(&Ended, Executive, KernelMode, FALSE, NULL);
    TargetsClose();
}
