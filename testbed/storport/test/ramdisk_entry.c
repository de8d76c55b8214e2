/* SPDX-License-Identifier: LGPL-2.1-only */
/* The RAM disk miniport's registration and the adapter's life. */
#include <initguid.h>
#include "ramdisk_driver.h"

/* {7A5C4B2E-2B7A-4B43-9D55-52414D444953}: the interface of the RAM disk adapter. */
DEFINE_GUID(RamInterfaceGuid, 0x7A5C4B2E, 0x2B7A, 0x4B43, 0x9D, 0x55, 0x52, 0x41, 0x4D, 0x44, 0x49, 0x53);

CHAR RamFault[32];
static ULONG ExtendedSrbs;

DRIVER_INITIALIZE RamDriverEntry;

BOOLEAN RamIsFaulty(const RAM *Ram, PCSTR Rule)
{
    ULONG i = 0;

    UNREFERENCED_PARAMETER(Ram);
    while (RamFault[i] != 0 && RamFault[i] == Rule[i])
        ++i;
    return RamFault[0] != 0 && RamFault[i] == Rule[i];
}

static ULONG FindAdapter(PVOID DeviceExtension, PVOID HwContext, PVOID BusInformation, PVOID LowerDevice,
                         PCHAR ArgumentString, PPORT_CONFIGURATION_INFORMATION Config, PBOOLEAN Again)
{
    RAM *Ram = DeviceExtension;

    Ram->Fdo = BusInformation;
    UNREFERENCED_PARAMETER(LowerDevice);
    UNREFERENCED_PARAMETER(ArgumentString);
    *Again = FALSE;
    Config->VirtualDevice = TRUE;
    Config->MaximumTransferLength = RAM_MAX_TRANSFER;
    Config->NumberOfPhysicalBreaks = RAM_MAX_TRANSFER / PAGE_SIZE + 1;
    Config->NumberOfBuses = 1;
    Config->MaximumNumberOfTargets = RAM_TARGETS;
    Config->MaximumNumberOfLogicalUnits = 1;
    Config->SynchronizationModel = StorSynchronizeFullDuplex;
    Config->MaxIOsPerLun = 32;
    Config->InitialLunQueueDepth = 32;
    if (ExtendedSrbs == 0)
        Config->SrbType = SRB_TYPE_SCSI_REQUEST_BLOCK;
    RamInitialize(Ram);
    if (Ram->Disks[0] == NULL) {
        Ram->Disks[0] = ExAllocatePoolWithTag(NonPagedPoolNx, RAM_DISK_SIZE, RAM_TAG);
        if (Ram->Disks[0] == NULL)
            return SP_RETURN_ERROR;
        RtlZeroMemory(Ram->Disks[0], RAM_DISK_SIZE);
    }
    if (Ram->Link.Buffer == NULL)
        IoRegisterDeviceInterface(HwContext, &RamInterfaceGuid, NULL, &Ram->Link);
    IoSetDeviceInterfaceState(&Ram->Link, TRUE);
    Ram->Initialised = TRUE;
    return RamFaultInFindAdapter(Ram, Config);
}

static BOOLEAN HwInitialize(PVOID DeviceExtension)
{
    RamFaultInHwInitialize(DeviceExtension);
    return TRUE;
}

static SCSI_ADAPTER_CONTROL_STATUS AdapterControl(PVOID DeviceExtension, SCSI_ADAPTER_CONTROL_TYPE ControlType,
                                                  PVOID Parameters)
{
    SCSI_SUPPORTED_CONTROL_TYPE_LIST *List = Parameters;

    if (ControlType == ScsiQuerySupportedControlTypes) {
        List->SupportedTypeList[ScsiQuerySupportedControlTypes] = TRUE;
        List->SupportedTypeList[ScsiStopAdapter] = TRUE;
        List->SupportedTypeList[ScsiRestartAdapter] = TRUE;
        RamFaultInControlTypes(List);
    }
    if (ControlType == ScsiRestartAdapter && RamIsFaulty(DeviceExtension, "RESTART_REFUSED"))
        return ScsiAdapterControlUnsuccessful;
    return ControlType == ScsiStopAdapter && RamIsFaulty(DeviceExtension, "STOP_REFUSED")
               ? ScsiAdapterControlUnsuccessful
               : ScsiAdapterControlSuccess;
}

static SCSI_UNIT_CONTROL_STATUS UnitControl(PVOID DeviceExtension, SCSI_UNIT_CONTROL_TYPE ControlType, PVOID Parameters)
{
    RAM *Ram = DeviceExtension;
    SCSI_SUPPORTED_CONTROL_TYPE_LIST *List = Parameters;

    switch (ControlType) {
    case ScsiQuerySupportedUnitControlTypes:
        List->SupportedTypeList[ScsiQuerySupportedUnitControlTypes] = TRUE;
        List->SupportedTypeList[ScsiUnitStart] = TRUE;
        List->SupportedTypeList[ScsiUnitRemove] = TRUE;
        List->SupportedTypeList[ScsiUnitSurpriseRemoval] = TRUE;
        break;
    case ScsiUnitStart:
        RamCount(Ram, &Ram->State.UnitStarts);
        break;
    case ScsiUnitRemove:
        RamCount(Ram, &Ram->State.UnitRemoves);
        break;
    case ScsiUnitSurpriseRemoval:
        RamCount(Ram, &Ram->State.UnitSurprises);
        break;
    default:
        return ScsiUnitControlUnsuccessful;
    }
    return ScsiUnitControlSuccess;
}

static VOID FreeAdapterResources(PVOID DeviceExtension)
{
    RAM *Ram = DeviceExtension;
    ULONG i;

    if (!Ram->Initialised)
        return;
    KeFlushQueuedDpcs();
    RamFaultAtTheEnd(Ram);
    IoSetDeviceInterfaceState(&Ram->Link, FALSE);
    RtlFreeUnicodeString(&Ram->Link);
    for (i = RamIsFaulty(Ram, "LEAK_POOL") ? 1 : 0; i < RAM_TARGETS; ++i)
        if (Ram->Disks[i] != NULL)
            ExFreePoolWithTag(Ram->Disks[i], RamIsFaulty(Ram, "POOL_FREE") ? 'rehO' : RAM_TAG);
}

/* Values Fault (string) and SrbType (number) of the service's Parameters key. */
static VOID ReadParameters(PUNICODE_STRING RegistryPath)
{
    static WCHAR Suffix[] = L"\\Parameters";
    UNICODE_STRING FaultName = RTL_CONSTANT_STRING(L"Fault");
    UNICODE_STRING TypeName = RTL_CONSTANT_STRING(L"SrbType");
    WCHAR PathBuffer[200];
    UCHAR Buffer[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 64];
    KEY_VALUE_PARTIAL_INFORMATION *Information = (KEY_VALUE_PARTIAL_INFORMATION *)Buffer;
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING Path = {0, sizeof(PathBuffer), PathBuffer};
    ULONG Needed, i;
    HANDLE Key;

    if (RegistryPath->Length + sizeof(Suffix) > sizeof(PathBuffer))
        return;
    RtlCopyMemory(PathBuffer, RegistryPath->Buffer, RegistryPath->Length);
    RtlCopyMemory((PUCHAR)PathBuffer + RegistryPath->Length, Suffix, sizeof(Suffix));
    Path.Length = (USHORT)(RegistryPath->Length + sizeof(Suffix) - sizeof(WCHAR));
    InitializeObjectAttributes(&Attributes, &Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    RamFault[0] = 0;
    ExtendedSrbs = 0;
    if (!NT_SUCCESS(ZwOpenKey(&Key, KEY_READ, &Attributes)))
        return;
    if (NT_SUCCESS(ZwQueryValueKey(Key, &FaultName, KeyValuePartialInformation, Buffer, sizeof(Buffer), &Needed)))
        for (i = 0; i + 1 < sizeof(RamFault) && i < Information->DataLength / sizeof(WCHAR); ++i)
            RamFault[i] = (CHAR)((const WCHAR *)Information->Data)[i];
    if (NT_SUCCESS(ZwQueryValueKey(Key, &TypeName, KeyValuePartialInformation, Buffer, sizeof(Buffer), &Needed)))
        ExtendedSrbs = Information->Data[0];
    ZwClose(Key);
}

NTSTATUS RamDriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    HW_INITIALIZATION_DATA Data;

    ReadParameters(RegistryPath);
    RtlZeroMemory(&Data, sizeof(Data));
    Data.HwInitializationDataSize = sizeof(Data);
    Data.AdapterInterfaceType = Internal;
    Data.HwInitialize = HwInitialize;
    Data.HwStartIo = RamStartIo;
    Data.HwFindAdapter = (PVOID)(ULONG_PTR)FindAdapter;
    Data.HwResetBus = RamResetBus;
    Data.HwAdapterControl = AdapterControl;
    Data.HwUnitControl = UnitControl;
    Data.HwFreeAdapterResources = FreeAdapterResources;
    Data.HwProcessServiceRequest = RamProcessServiceRequest;
    Data.HwCompleteServiceIrp = RamCompleteServiceIrp;
    Data.DeviceExtensionSize = sizeof(RAM);
    Data.SrbExtensionSize = 24;
    Data.SpecificLuExtensionSize = 16;
    Data.MapBuffers = STOR_MAP_NON_READ_WRITE_BUFFERS;
    Data.TaggedQueuing = TRUE;
    Data.AutoRequestSense = TRUE;
    Data.MultipleRequestPerLu = TRUE;
    Data.FeatureSupport = STOR_FEATURE_VIRTUAL_MINIPORT | STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES;
    Data.SrbTypeFlags = SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK | SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK;
    Data.AddressTypeFlags = ADDRESS_TYPE_FLAG_BTL8;
    RamFaultInRegistration(&Data);
    return (NTSTATUS)StorPortInitialize(DriverObject, RegistryPath, &Data, NULL);
}
