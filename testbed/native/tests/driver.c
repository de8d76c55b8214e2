/* SPDX-License-Identifier: LGPL-2.1-only */
/* The driver of misuse.h. */
#include "misuse.h"

CONDUCT Conduct;
NATIVE_DRIVER *MisuseDriver;
NATIVE_DEVICE *MisuseNode;
PDEVICE_OBJECT MisuseDevice;
const GUID MisuseGuid = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

static PDEVICE_OBJECT MisuseLower;
static UNICODE_STRING MisuseLink;

static NTSTATUS MisuseAddDevice(PDRIVER_OBJECT Driver, PDEVICE_OBJECT Pdo)
{
    IoCreateDevice(Driver, 64, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &MisuseDevice);
    MisuseLower = IoAttachDeviceToDeviceStack(MisuseDevice, Pdo);
    IoRegisterDeviceInterface(Pdo, &MisuseGuid, NULL, &MisuseLink);
    MisuseDevice->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static NTSTATUS MisusePnp(PDEVICE_OBJECT Device, PIRP Irp)
{
    UCHAR Minor = IoGetCurrentIrpStackLocation(Irp)->MinorFunction;
    UNREFERENCED_PARAMETER(Device);
    if (Minor == IRP_MN_START_DEVICE) {
        IoSetDeviceInterfaceState(&MisuseLink, TRUE);
    }
    if (Minor == IRP_MN_REMOVE_DEVICE) {
        IoSetDeviceInterfaceState(&MisuseLink, FALSE);
        RtlFreeUnicodeString(&MisuseLink);
    }
    if (Minor != IRP_MN_QUERY_DEVICE_RELATIONS) {
        Irp->IoStatus.Status = STATUS_SUCCESS;
    }
    IoSkipCurrentIrpStackLocation(Irp);
    NTSTATUS Status = IoCallDriver(MisuseLower, Irp);
    if (Minor == IRP_MN_REMOVE_DEVICE) {
        IoDetachDevice(MisuseLower);
        IoDeleteDevice(MisuseDevice);
    }
    return Status;
}

static NTSTATUS MisuseSucceed(PDEVICE_OBJECT Device, PIRP Irp)
{
    UNREFERENCED_PARAMETER(Device);
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS MisuseEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING RegistryPath)
{
    Driver->DriverExtension->AddDevice = Conduct.AddDevice != NULL ? Conduct.AddDevice : MisuseAddDevice;
    Driver->DriverUnload = Conduct.Unload;
    Driver->MajorFunction[IRP_MJ_PNP] = MisusePnp;
    Driver->MajorFunction[IRP_MJ_CREATE] = MisuseSucceed;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = MisuseSucceed;
    Driver->MajorFunction[IRP_MJ_CLOSE] = MisuseSucceed;
    Driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] =
        Conduct.DeviceControl != NULL ? Conduct.DeviceControl : MisuseSucceed;
    return Conduct.Entry != NULL ? Conduct.Entry(Driver, RegistryPath) : STATUS_SUCCESS;
}

void MisuseLoad(bool Start)
{
    NTSTATUS Status;
    MisuseDriver = NativeDriverLoad("misuse", MisuseEntry, &Status);
    if (Start) {
        MisuseNode = NativeDeviceAdd(MisuseDriver, "root\\misuse", &Status);
        NativeDeviceStart(MisuseNode);
    }
}

void MisuseUnload(void)
{
    if (MisuseNode != NULL) {
        NativeDeviceRemove(MisuseNode);
        MisuseNode = NULL;
    }
    NativeDriverUnload(MisuseDriver);
}

void MisuseAwait(PKEVENT Event)
{
    LARGE_INTEGER Limit = {.QuadPart = -10 * 10000000};
    KeWaitForSingleObject(Event, Executive, KernelMode, FALSE, &Limit);
}

NTSTATUS MisuseIoctl(void)
{
    UCHAR Output[8];
    NATIVE_FILE *File = NativeOpen(&MisuseGuid, NULL);
    NTSTATUS Status = NativeIoctl(File, MISUSE_IOCTL, NULL, 0, Output, sizeof(Output), NULL);
    NativeClose(File);
    return Status;
}
