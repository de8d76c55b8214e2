/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Checks of what a miniport registers (HW_INITIALIZATION_DATA) and of how it fills in the configuration that Storport
 * hands it in HwFindAdapter (PORT_CONFIGURATION_INFORMATION).
 */
#include "port.h"

static VOID CheckCallbacks(const HW_INITIALIZATION_DATA *Init)
{
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwInitialize != NULL, "HwInitialize is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwStartIo != NULL, "HwStartIo is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwFindAdapter != NULL, "HwFindAdapter is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwResetBus != NULL, "HwResetBus is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwAdapterControl != NULL, "HwAdapterControl is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwFreeAdapterResources != NULL, "HwFreeAdapterResources is missing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwProcessServiceRequest == NULL || Init->HwCompleteServiceIrp != NULL,
                 "HwProcessServiceRequest without HwCompleteServiceIrp");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwInitializeTracing == NULL || Init->HwCleanupTracing != NULL,
                 "HwInitializeTracing without HwCleanupTracing");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwInterrupt == NULL, "HwInterrupt is set");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwDmaStarted == NULL, "HwDmaStarted is set");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwAdapterState == NULL, "HwAdapterState is set");
    PORT_REQUIRE(INIT_CALLBACKS, Init->HwBuildIo == NULL, "HwBuildIo is set");
}

VOID PortConfigCheckRegistration(const HW_INITIALIZATION_DATA *Init)
{
    const ULONG Size = Init->HwInitializationDataSize;

    PORT_REQUIRE(INIT_SIZE, Size == sizeof(*Init), "the size is 0x%x, this port driver knows 0x%x", (unsigned)Size,
                 (unsigned)sizeof(*Init));
    CheckCallbacks(Init);
    PORT_REQUIRE(INIT_VIRTUAL, Init->AdapterInterfaceType == Internal, "AdapterInterfaceType is %d",
                 (int)Init->AdapterInterfaceType);
    PORT_REQUIRE(INIT_VIRTUAL, (Init->FeatureSupport & STOR_FEATURE_VIRTUAL_MINIPORT) != 0, "FeatureSupport is 0x%x",
                 (unsigned)Init->FeatureSupport);
    PORT_REQUIRE(INIT_FIELDS, Init->Reserved == NULL && Init->Reserved1 == 0, "a reserved member isn't zero");
    PORT_REQUIRE(INIT_FIELDS, Init->NumberOfAccessRanges == 0, "NumberOfAccessRanges is %u",
                 (unsigned)Init->NumberOfAccessRanges);
    PORT_REQUIRE(INIT_FIELDS, Init->VendorIdLength == 0 && Init->DeviceIdLength == 0, "VendorId or DeviceId is given");
    PORT_REQUIRE(INIT_FIELDS, Init->VendorId == NULL && Init->DeviceId == NULL, "VendorId or DeviceId is given");
    PORT_REQUIRE(INIT_FIELDS, Init->TaggedQueuing == TRUE, "TaggedQueuing isn't TRUE");
    PORT_REQUIRE(INIT_FIELDS, Init->AutoRequestSense == TRUE, "AutoRequestSense isn't TRUE");
    PORT_REQUIRE(INIT_FIELDS, Init->MultipleRequestPerLu == TRUE, "MultipleRequestPerLu isn't TRUE");
    PORT_REQUIRE(INIT_FIELDS, Init->ReceiveEvent == FALSE, "ReceiveEvent is set");
    PORT_REQUIRE(INIT_FIELDS, Init->MapBuffers <= STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE, "MapBuffers is %u",
                 (unsigned)Init->MapBuffers);
    PORT_REQUIRE(INIT_SRB_TYPE, Init->SrbTypeFlags != 0 && Init->SrbTypeFlags <= 3, "SrbTypeFlags is 0x%x",
                 (unsigned)Init->SrbTypeFlags);
    PORT_REQUIRE(INIT_SRB_TYPE, Init->AddressTypeFlags == ADDRESS_TYPE_FLAG_BTL8, "AddressTypeFlags is 0x%x",
                 (unsigned)Init->AddressTypeFlags);
}

VOID PortConfigPreset(const HW_INITIALIZATION_DATA *Init, PORT_CONFIGURATION_INFORMATION *Config)
{
    RtlZeroMemory(Config, sizeof(*Config));
    Config->Length = sizeof(*Config);
    Config->AdapterInterfaceType = Init->AdapterInterfaceType;
    Config->MaximumTransferLength = SP_UNINITIALIZED_VALUE;
    Config->NumberOfPhysicalBreaks = 0x11;
    Config->DmaChannel = Config->DmaPort = SP_UNINITIALIZED_VALUE;
    Config->MaximumNumberOfTargets = 128;
    Config->MaximumNumberOfLogicalUnits = 8;
    Config->ScatterGather = Config->Master = TRUE;
    Config->NeedPhysicalAddresses = Config->TaggedQueuing = TRUE;
    Config->AutoRequestSense = Config->MultipleRequestPerLu = TRUE;
    Config->Dma32BitAddresses = TRUE;
    Config->Dma64BitAddresses = SCSI_DMA64_SYSTEM_SUPPORTED;
    Config->WmiDataProvider = TRUE;
    Config->MapBuffers = Init->MapBuffers;
    Config->DeviceExtensionSize = Init->DeviceExtensionSize;
    Config->SpecificLuExtensionSize = Init->SpecificLuExtensionSize;
    Config->SrbExtensionSize = Init->SrbExtensionSize;
    Config->SrbType = (Init->SrbTypeFlags & SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK) ? SRB_TYPE_STORAGE_REQUEST_BLOCK
                                                                                 : SRB_TYPE_SCSI_REQUEST_BLOCK;
    Config->AddressType = STOR_ADDRESS_TYPE_BTL8;
    Config->MaxNumberOfIO = 1000;
    Config->MaxIOsPerLun = 255;
    Config->InitialLunQueueDepth = 250;
}

/* NumberOfPhysicalBreaks counts the pages of the longest transfer; classpnp keeps one back for unaligned buffers. */
static VOID CheckLimits(const PORT_CONFIGURATION_INFORMATION *Config)
{
    ULONG Pages;

    PORT_REQUIRE(FIND_LIMITS,
                 Config->MaximumTransferLength != SP_UNINITIALIZED_VALUE && Config->MaximumTransferLength != 0,
                 "MaximumTransferLength is 0x%x", (unsigned)Config->MaximumTransferLength);
    PORT_REQUIRE(FIND_LIMITS,
                 Config->NumberOfPhysicalBreaks != SP_UNINITIALIZED_VALUE && Config->NumberOfPhysicalBreaks != 0,
                 "NumberOfPhysicalBreaks is 0x%x", (unsigned)Config->NumberOfPhysicalBreaks);
    Pages = (Config->MaximumTransferLength >> PAGE_SHIFT) +
            ((Config->MaximumTransferLength & (PAGE_SIZE - 1)) != 0 ? 1 : 0);
    PORT_REQUIRE(FIND_BREAKS, Config->NumberOfPhysicalBreaks > Pages,
                 "NumberOfPhysicalBreaks is %u, transfers of %u bytes take %u pages and one more",
                 (unsigned)Config->NumberOfPhysicalBreaks, (unsigned)Config->MaximumTransferLength, (unsigned)Pages);
}

static VOID CheckQueues(const PORT_CONFIGURATION_INFORMATION *Config)
{
    const UCHAR Dma64 = Config->Dma64BitAddresses & (UCHAR)~SCSI_DMA64_SYSTEM_SUPPORTED;

    PORT_REQUIRE(FIND_MAX_IO, Config->MaxNumberOfIO != 0, "MaxNumberOfIO is 0");
    PORT_REQUIRE(FIND_MAX_IO, Config->MaxNumberOfIO <= 1000 || Dma64 >= SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED,
                 "MaxNumberOfIO is %u, Dma64BitAddresses 0x%x", (unsigned)Config->MaxNumberOfIO,
                 (unsigned)Config->Dma64BitAddresses);
    PORT_REQUIRE(FIND_LUN_IO, Config->MaxIOsPerLun != 0 && Config->MaxIOsPerLun <= Config->MaxNumberOfIO,
                 "MaxIOsPerLun is %u, MaxNumberOfIO %u", (unsigned)Config->MaxIOsPerLun,
                 (unsigned)Config->MaxNumberOfIO);
    PORT_REQUIRE(FIND_LUN_IO, Config->MaxIOsPerLun <= 255 || Config->SrbType == SRB_TYPE_STORAGE_REQUEST_BLOCK,
                 "MaxIOsPerLun is %u with SCSI_REQUEST_BLOCK", (unsigned)Config->MaxIOsPerLun);
    PORT_REQUIRE(FIND_LUN_IO, Config->InitialLunQueueDepth != 0, "InitialLunQueueDepth is 0");
}

VOID PortConfigCheck(const HW_INITIALIZATION_DATA *Init, const PORT_CONFIGURATION_INFORMATION *Config)
{
    PORT_REQUIRE(FIND_VIRTUAL_DEVICE, Config->VirtualDevice == TRUE, "VirtualDevice is %u",
                 (unsigned)Config->VirtualDevice);
    PORT_REQUIRE(FIND_PRESET, Config->Length == sizeof(*Config), "Length is %u", (unsigned)Config->Length);
    PORT_REQUIRE(FIND_PRESET, Config->ScatterGather && Config->Master, "ScatterGather or Master isn't TRUE");
    PORT_REQUIRE(FIND_PRESET, Config->NeedPhysicalAddresses && Config->TaggedQueuing,
                 "NeedPhysicalAddresses or TaggedQueuing isn't TRUE");
    PORT_REQUIRE(FIND_PRESET, Config->AutoRequestSense && Config->MultipleRequestPerLu && Config->Dma32BitAddresses,
                 "AutoRequestSense, MultipleRequestPerLu or Dma32BitAddresses isn't TRUE");
    PORT_REQUIRE(FIND_PRESET, Config->WmiDataProvider, "WmiDataProvider isn't TRUE");
    PORT_REQUIRE(FIND_PRESET, (Config->Dma64BitAddresses & SCSI_DMA64_SYSTEM_SUPPORTED) != 0,
                 "Dma64BitAddresses is 0x%x: the system's bit was cleared", (unsigned)Config->Dma64BitAddresses);
    CheckLimits(Config);
    PORT_REQUIRE(FIND_BUSES, Config->NumberOfBuses != 0, "NumberOfBuses is 0");
    PORT_REQUIRE(FIND_BUSES, Config->MaximumNumberOfTargets != 0, "MaximumNumberOfTargets is 0");
    PORT_REQUIRE(FIND_BUSES, Config->MaximumNumberOfLogicalUnits != 0, "MaximumNumberOfLogicalUnits is 0");
    PORT_REQUIRE(FIND_DUPLEX, Config->SynchronizationModel == StorSynchronizeFullDuplex, "the model is %d",
                 (int)Config->SynchronizationModel);
    PORT_REQUIRE(FIND_SRB_TYPE,
                 Config->SrbType <= SRB_TYPE_STORAGE_REQUEST_BLOCK &&
                     (Init->SrbTypeFlags & (1u << Config->SrbType)) != 0,
                 "SrbType is %u, SrbTypeFlags 0x%x", (unsigned)Config->SrbType, (unsigned)Init->SrbTypeFlags);
    PORT_REQUIRE(FIND_SRB_TYPE, Config->AddressType == STOR_ADDRESS_TYPE_BTL8, "AddressType is %u",
                 (unsigned)Config->AddressType);
    CheckQueues(Config);
}
