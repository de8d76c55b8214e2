/* SPDX-License-Identifier: LGPL-2.1-only */
/* Where Windows enters: registration with Storport. */
#include "adapter.h"
#include "ioctl.h"
#include "log.h"
#include "options.h"
#include "owner.h"
#include "queue.h"
#include "startio.h"

DRIVER_INITIALIZE DriverEntry;

_Use_decl_annotations_
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    LogStart();
    NTSTATUS Status = OptionsStart(DriverObject, RegistryPath);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    OwnersStart();
    /* Unused members must be 0 (WDK, StorPortInitialize). */
    HW_INITIALIZATION_DATA Data;
    RtlZeroMemory(&Data, sizeof(Data));
    Data.HwInitializationDataSize = sizeof(Data);
    Data.AdapterInterfaceType = Internal; /* a virtual miniport */
    Data.HwInitialize = AdapterInitialize;
    Data.HwStartIo = StartIo;
    Data.HwFindAdapter = (PVOID)(ULONG_PTR)AdapterFind; /* either of two signatures: the member has none */
    Data.HwResetBus = StartIoResetBus;
    Data.HwAdapterControl = AdapterControl;
    Data.HwUnitControl = StartIoUnitControl;
    Data.HwFreeAdapterResources = AdapterFree;
    Data.HwProcessServiceRequest = IoctlProcess;
    Data.HwCompleteServiceIrp = AdapterCompleteServiceIrps;
    Data.DeviceExtensionSize = sizeof(ADAPTER);
    Data.SrbExtensionSize = sizeof(QUEUE_RESET);
    Data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    Data.TaggedQueuing = TRUE;
    Data.AutoRequestSense = TRUE;
    Data.MultipleRequestPerLu = TRUE;
    Data.FeatureSupport = STOR_FEATURE_VIRTUAL_MINIPORT | STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES;
    Data.SrbTypeFlags = SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK | SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK;
    Data.AddressTypeFlags = ADDRESS_TYPE_FLAG_BTL8;
    /* It is declared as ULONG, and described as an NTSTATUS (WDK, StorPortInitialize). */
    Status = (NTSTATUS)StorPortInitialize(DriverObject, RegistryPath, &Data, NULL);
    if (!NT_SUCCESS(Status)) {
        LOG(RegistrationFailed, (UINT32)Status);
    }
    return Status;
}
