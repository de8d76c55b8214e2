/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What a virtual Storport miniport needs of storport.h: registration, configuration, callbacks, notifications and the
 * port driver's functions. Written from Microsoft's published reference (each page is named beside its structure);
 * names and x64 layouts are Microsoft's, the layouts held by the assertions. Include nt.h first: only its basic types,
 * INTERFACE_TYPE, PDEVICE_OBJECT, PIRP and PMDL are used, so that the same header serves the kernel image and Linux.
 */
#pragma once

#include "storport_srb.h"

/* --- Registration [HW_INITIALIZATION_DATA, StorPortInitialize] --- */

#define SP_UNINITIALIZED_VALUE ((ULONG)~0u)
#define SP_UNTAGGED ((UCHAR)~0u)

/* MapBuffers [HW_INITIALIZATION_DATA]: whose data buffers the port driver maps before HwStartIo. */
#define STOR_MAP_NO_BUFFERS 0
#define STOR_MAP_ALL_BUFFERS 1
#define STOR_MAP_NON_READ_WRITE_BUFFERS 2
#define STOR_MAP_ALL_BUFFERS_INCLUDING_READ_WRITE 3

#define STOR_FEATURE_VIRTUAL_MINIPORT 0x00000001
#define STOR_FEATURE_ATA_PASS_THROUGH 0x00000002
#define STOR_FEATURE_FULL_PNP_DEVICE_CAPABILITIES 0x00000004
#define STOR_FEATURE_DUMP_POINTERS 0x00000008
#define STOR_FEATURE_DEVICE_NAME_NO_SUFFIX 0x00000010
#define STOR_FEATURE_DUMP_RESUME_CAPABLE 0x00000020
#define STOR_FEATURE_EXTRA_IO_INFORMATION 0x00000080
#define STOR_FEATURE_ADAPTER_CONTROL_PRE_FINDADAPTER 0x00000100

#define SRB_TYPE_FLAG_SCSI_REQUEST_BLOCK 0x1
#define SRB_TYPE_FLAG_STORAGE_REQUEST_BLOCK 0x2
#define ADDRESS_TYPE_FLAG_BTL8 0x1

#define SP_RETURN_NOT_FOUND 0
#define SP_RETURN_FOUND 1
#define SP_RETURN_ERROR 2
#define SP_RETURN_BAD_CONFIG 3

/* [SCSI_ADAPTER_CONTROL_TYPE, SCSI_UNIT_CONTROL_TYPE] */
typedef enum _SCSI_ADAPTER_CONTROL_TYPE {
    ScsiQuerySupportedControlTypes = 0,
    ScsiStopAdapter,
    ScsiRestartAdapter,
    ScsiSetBootConfig,
    ScsiSetRunningConfig,
    ScsiPowerSettingNotification,
    ScsiAdapterPower,
    ScsiAdapterPoFxPowerRequired,
    ScsiAdapterPoFxPowerActive,
    ScsiAdapterPoFxPowerSetFState,
    ScsiAdapterPoFxPowerControl,
    ScsiAdapterPrepareForBusReScan,
    ScsiAdapterSystemPowerHints,
    ScsiAdapterFilterResourceRequirements,
    ScsiAdapterPoFxMaxOperationalPower,
    ScsiAdapterPoFxSetPerfState,
    ScsiAdapterSurpriseRemoval,
    ScsiAdapterControlMax
} SCSI_ADAPTER_CONTROL_TYPE,
    *PSCSI_ADAPTER_CONTROL_TYPE;

typedef enum _SCSI_ADAPTER_CONTROL_STATUS {
    ScsiAdapterControlSuccess = 0,
    ScsiAdapterControlUnsuccessful
} SCSI_ADAPTER_CONTROL_STATUS,
    *PSCSI_ADAPTER_CONTROL_STATUS;

typedef enum _SCSI_UNIT_CONTROL_TYPE {
    ScsiQuerySupportedUnitControlTypes = 0,
    ScsiUnitUsage,
    ScsiUnitStart,
    ScsiUnitPower,
    ScsiUnitPoFxPowerInfo,
    ScsiUnitPoFxPowerRequired,
    ScsiUnitPoFxPowerActive,
    ScsiUnitPoFxPowerSetFState,
    ScsiUnitPoFxPowerControl,
    ScsiUnitRemove,
    ScsiUnitSurpriseRemoval,
    ScsiUnitRichDescription,
    ScsiUnitQueryBusType,
    ScsiUnitQueryFruId,
    ScsiUnitControlMax
} SCSI_UNIT_CONTROL_TYPE,
    *PSCSI_UNIT_CONTROL_TYPE;

typedef enum _SCSI_UNIT_CONTROL_STATUS {
    ScsiUnitControlSuccess = 0,
    ScsiUnitControlUnsuccessful
} SCSI_UNIT_CONTROL_STATUS,
    *PSCSI_UNIT_CONTROL_STATUS;

/* Parameters of both QuerySupported types: only SupportedTypeList[i] with i < MaxControlType may be written. */
typedef struct _SCSI_SUPPORTED_CONTROL_TYPE_LIST {
    ULONG MaxControlType;
    BOOLEAN SupportedTypeList[1];
} SCSI_SUPPORTED_CONTROL_TYPE_LIST, *PSCSI_SUPPORTED_CONTROL_TYPE_LIST;

/* Parameters of ScsiUnitUsage [STOR_UC_DEVICE_USAGE]. ScsiUnitStart, -Remove and -SurpriseRemoval take a PSTOR_ADDRESS.
 */
typedef enum _SCSI_UC_DEVICE_USAGE_TYPE {
    ScsiDeviceUsageTypeUndefined = 0,
    ScsiDeviceUsageTypePaging,
    ScsiDeviceUsageTypeHibernation,
    ScsiDeviceUsageTypeDumpFile,
    ScsiDeviceUsageTypeBoot
} SCSI_UC_DEVICE_USAGE_TYPE,
    *PSCSI_UC_DEVICE_USAGE_TYPE;

typedef struct _STOR_UC_DEVICE_USAGE {
    PSTOR_ADDRESS Address;
    SCSI_UC_DEVICE_USAGE_TYPE UsageType;
    BOOLEAN InUse;
} STOR_UC_DEVICE_USAGE, *PSTOR_UC_DEVICE_USAGE;

struct _PORT_CONFIGURATION_INFORMATION;

/*
 * The IRQLs are those of the callbacks' pages, for virtual miniports. HIGH_LEVEL stands for DIRQL, of which they have
 * none. HwFindAdapter: PASSIVE_LEVEL, but DISPATCH_LEVEL in place of ScsiRestartAdapter. HwStorResetBus:
 * DISPATCH_LEVEL, and what SRB_FUNCTION_RESET_BUS asks for is the same.
 */
typedef _IRQL_requires_max_(HIGH_LEVEL)
BOOLEAN HW_INITIALIZE(PVOID DeviceExtension);
typedef HW_INITIALIZE *PHW_INITIALIZE;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN HW_STARTIO(PVOID DeviceExtension, PSCSI_REQUEST_BLOCK Srb);
typedef HW_STARTIO *PHW_STARTIO;
typedef _IRQL_requires_max_(HIGH_LEVEL)
BOOLEAN HW_INTERRUPT(PVOID DeviceExtension);
typedef HW_INTERRUPT *PHW_INTERRUPT;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
ULONG VIRTUAL_HW_FIND_ADAPTER(PVOID DeviceExtension, PVOID HwContext, PVOID BusInformation, PVOID LowerDevice,
                              PCHAR ArgumentString, struct _PORT_CONFIGURATION_INFORMATION *ConfigInfo, PBOOLEAN Again);
typedef VIRTUAL_HW_FIND_ADAPTER *PVIRTUAL_HW_FIND_ADAPTER;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN HW_RESET_BUS(PVOID DeviceExtension, ULONG PathId);
typedef HW_RESET_BUS *PHW_RESET_BUS;
typedef _IRQL_requires_max_(HIGH_LEVEL)
SCSI_ADAPTER_CONTROL_STATUS HW_ADAPTER_CONTROL(PVOID DeviceExtension, SCSI_ADAPTER_CONTROL_TYPE ControlType,
                                               PVOID Parameters);
typedef HW_ADAPTER_CONTROL *PHW_ADAPTER_CONTROL;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
SCSI_UNIT_CONTROL_STATUS HW_UNIT_CONTROL(PVOID DeviceExtension, SCSI_UNIT_CONTROL_TYPE ControlType, PVOID Parameters);
typedef HW_UNIT_CONTROL *PHW_UNIT_CONTROL;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN HW_BUILDIO(PVOID DeviceExtension, PSCSI_REQUEST_BLOCK Srb);
typedef HW_BUILDIO *PHW_BUILDIO;
typedef _IRQL_requires_max_(DISPATCH_LEVEL)
VOID HW_DMA_STARTED(PVOID DeviceExtension);
typedef HW_DMA_STARTED *PHW_DMA_STARTED;
typedef _IRQL_requires_max_(HIGH_LEVEL)
BOOLEAN HW_ADAPTER_STATE(PVOID DeviceExtension, PVOID Context, BOOLEAN SaveState);
typedef HW_ADAPTER_STATE *PHW_ADAPTER_STATE;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_FREE_ADAPTER_RESOURCES(PVOID DeviceExtension);
typedef HW_FREE_ADAPTER_RESOURCES *PHW_FREE_ADAPTER_RESOURCES;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_PROCESS_SERVICE_REQUEST(PVOID DeviceExtension, PVOID Irp);
typedef HW_PROCESS_SERVICE_REQUEST *PHW_PROCESS_SERVICE_REQUEST;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_COMPLETE_SERVICE_IRP(PVOID DeviceExtension);
typedef HW_COMPLETE_SERVICE_IRP *PHW_COMPLETE_SERVICE_IRP;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_INITIALIZE_TRACING(PVOID Arg1, PVOID Arg2);
typedef HW_INITIALIZE_TRACING *PHW_INITIALIZE_TRACING;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_CLEANUP_TRACING(PVOID Arg1);
typedef HW_CLEANUP_TRACING *PHW_CLEANUP_TRACING;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
VOID HW_TRACING_ENABLED(PVOID DeviceExtension, BOOLEAN Enabled);
typedef HW_TRACING_ENABLED *PHW_TRACING_ENABLED;
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
BOOLEAN HW_PASSIVE_INITIALIZE_ROUTINE(PVOID DeviceExtension);
typedef HW_PASSIVE_INITIALIZE_ROUTINE *PHW_PASSIVE_INITIALIZE_ROUTINE;
typedef _IRQL_requires_(DISPATCH_LEVEL)
VOID HW_TIMER(PVOID DeviceExtension);
typedef HW_TIMER *PHW_TIMER;

typedef struct _HW_INITIALIZATION_DATA {
    ULONG HwInitializationDataSize;
    INTERFACE_TYPE AdapterInterfaceType;
    PHW_INITIALIZE HwInitialize;
    PHW_STARTIO HwStartIo;
    PHW_INTERRUPT HwInterrupt;
    PVOID HwFindAdapter; /* PVIRTUAL_HW_FIND_ADAPTER for a virtual miniport */
    PHW_RESET_BUS HwResetBus;
    PHW_DMA_STARTED HwDmaStarted;
    PHW_ADAPTER_STATE HwAdapterState;
    ULONG DeviceExtensionSize;
    ULONG SpecificLuExtensionSize;
    ULONG SrbExtensionSize;
    ULONG NumberOfAccessRanges;
    PVOID Reserved;
    UCHAR MapBuffers;
    BOOLEAN NeedPhysicalAddresses;
    BOOLEAN TaggedQueuing;
    BOOLEAN AutoRequestSense;
    BOOLEAN MultipleRequestPerLu;
    BOOLEAN ReceiveEvent;
    USHORT VendorIdLength;
    PVOID VendorId;
    union {
        USHORT ReservedUshort;
        USHORT PortVersionFlags;
    };
    USHORT DeviceIdLength;
    PVOID DeviceId;
    PHW_ADAPTER_CONTROL HwAdapterControl;
    PHW_BUILDIO HwBuildIo;
    PHW_FREE_ADAPTER_RESOURCES HwFreeAdapterResources;
    PHW_PROCESS_SERVICE_REQUEST HwProcessServiceRequest;
    PHW_COMPLETE_SERVICE_IRP HwCompleteServiceIrp;
    PHW_INITIALIZE_TRACING HwInitializeTracing;
    PHW_CLEANUP_TRACING HwCleanupTracing;
    PHW_TRACING_ENABLED HwTracingEnabled;
    ULONG FeatureSupport;
    ULONG SrbTypeFlags;
    ULONG AddressTypeFlags;
    ULONG Reserved1;
    PHW_UNIT_CONTROL HwUnitControl;
} HW_INITIALIZATION_DATA, *PHW_INITIALIZATION_DATA;

_Static_assert(sizeof(HW_INITIALIZATION_DATA) == 0xD0, "HW_INITIALIZATION_DATA");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, HwFindAdapter) == 0x20, "HwFindAdapter");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, DeviceExtensionSize) == 0x40, "DeviceExtensionSize");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, MapBuffers) == 0x58, "MapBuffers");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, ReceiveEvent) == 0x5D, "ReceiveEvent");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, VendorId) == 0x60, "VendorId");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, HwAdapterControl) == 0x78, "HwAdapterControl");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, HwFreeAdapterResources) == 0x88, "HwFreeAdapterResources");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, HwInitializeTracing) == 0xA0, "HwInitializeTracing");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, FeatureSupport) == 0xB8, "FeatureSupport");
_Static_assert(offsetof(HW_INITIALIZATION_DATA, HwUnitControl) == 0xC8, "HwUnitControl");

/* --- Configuration [PORT_CONFIGURATION_INFORMATION]; fields of interrupts, DMA and access ranges aren't ours --- */

typedef enum _STOR_SYNCHRONIZATION_MODEL {
    StorSynchronizeHalfDuplex = 0,
    StorSynchronizeFullDuplex
} STOR_SYNCHRONIZATION_MODEL;

#define SCSI_DMA64_MINIPORT_SUPPORTED 0x01
#define SCSI_DMA64_SYSTEM_SUPPORTED 0x80
#define SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED 0x02
#define SCSI_DMA64_MINIPORT_FULL64BIT_NO_BOUNDARY_REQ_SUPPORTED 0x03
#define SCSI_DMA64_MINIPORT_64BIT_ONE_4GB_SUPPORTED 0x04

#define SCSI_MAXIMUM_LUNS_PER_TARGET 255
#define SCSI_MAXIMUM_TARGETS_PER_BUS 255

typedef struct _STOR_DUMP_REGION {
    PVOID VirtualBase;
    LARGE_INTEGER PhysicalBase;
    ULONG Length;
} STOR_DUMP_REGION;

typedef struct _PORT_CONFIGURATION_INFORMATION {
    ULONG Length;
    ULONG SystemIoBusNumber;
    INTERFACE_TYPE AdapterInterfaceType;
    ULONG BusInterruptLevel;
    ULONG BusInterruptVector;
    ULONG InterruptMode;
    ULONG MaximumTransferLength; /* bytes */
    ULONG NumberOfPhysicalBreaks;
    ULONG DmaChannel;
    ULONG DmaPort;
    ULONG DmaWidth;
    ULONG DmaSpeed;
    ULONG AlignmentMask;
    ULONG NumberOfAccessRanges;
    PVOID AccessRanges;
    PVOID MiniportDumpData;
    UCHAR NumberOfBuses;
    UCHAR InitiatorBusId[8];
    BOOLEAN ScatterGather;
    BOOLEAN Master;
    BOOLEAN CachesData;
    BOOLEAN AdapterScansDown;
    BOOLEAN AtdiskPrimaryClaimed;
    BOOLEAN AtdiskSecondaryClaimed;
    BOOLEAN Dma32BitAddresses;
    BOOLEAN DemandMode;
    UCHAR MapBuffers;
    BOOLEAN NeedPhysicalAddresses;
    BOOLEAN TaggedQueuing;
    BOOLEAN AutoRequestSense;
    BOOLEAN MultipleRequestPerLu;
    BOOLEAN ReceiveEvent;
    BOOLEAN RealModeInitialized;
    BOOLEAN BufferAccessScsiPortControlled;
    UCHAR MaximumNumberOfTargets;
    UCHAR SrbType;
    UCHAR AddressType;
    ULONG SlotNumber;
    ULONG BusInterruptLevel2;
    ULONG BusInterruptVector2;
    ULONG InterruptMode2;
    ULONG DmaChannel2;
    ULONG DmaPort2;
    ULONG DmaWidth2;
    ULONG DmaSpeed2;
    ULONG DeviceExtensionSize;
    ULONG SpecificLuExtensionSize;
    ULONG SrbExtensionSize;
    UCHAR Dma64BitAddresses;
    BOOLEAN ResetTargetSupported;
    UCHAR MaximumNumberOfLogicalUnits;
    BOOLEAN WmiDataProvider;
    STOR_SYNCHRONIZATION_MODEL SynchronizationModel;
    PVOID HwMSInterruptRoutine;
    ULONG InterruptSynchronizationMode;
    STOR_DUMP_REGION DumpRegion;
    ULONG RequestedDumpBufferSize;
    BOOLEAN VirtualDevice;
    UCHAR DumpMode;
    UCHAR DmaAddressWidth;
    ULONG ExtendedFlags1;
    ULONG MaxNumberOfIO;
    ULONG MaxIOsPerLun;
    ULONG InitialLunQueueDepth;
    ULONG BusResetHoldTime; /* microseconds */
    ULONG FeatureSupport;
} PORT_CONFIGURATION_INFORMATION, *PPORT_CONFIGURATION_INFORMATION;

#define ASSERT_CONFIG_OFFSET(Field, Offset)                                                                            \
    _Static_assert(offsetof(PORT_CONFIGURATION_INFORMATION, Field) == (Offset), #Field)
_Static_assert(sizeof(PORT_CONFIGURATION_INFORMATION) == 0xE0, "PORT_CONFIGURATION_INFORMATION");
ASSERT_CONFIG_OFFSET(MaximumTransferLength, 0x18);
ASSERT_CONFIG_OFFSET(NumberOfPhysicalBreaks, 0x1C);
ASSERT_CONFIG_OFFSET(AlignmentMask, 0x30);
ASSERT_CONFIG_OFFSET(MiniportDumpData, 0x40);
ASSERT_CONFIG_OFFSET(NumberOfBuses, 0x48);
ASSERT_CONFIG_OFFSET(InitiatorBusId, 0x49);
ASSERT_CONFIG_OFFSET(ScatterGather, 0x51);
ASSERT_CONFIG_OFFSET(Master, 0x52);
ASSERT_CONFIG_OFFSET(CachesData, 0x53);
ASSERT_CONFIG_OFFSET(Dma32BitAddresses, 0x57);
ASSERT_CONFIG_OFFSET(MapBuffers, 0x59);
ASSERT_CONFIG_OFFSET(MaximumNumberOfTargets, 0x61);
ASSERT_CONFIG_OFFSET(SrbType, 0x62);
ASSERT_CONFIG_OFFSET(AddressType, 0x63);
ASSERT_CONFIG_OFFSET(DeviceExtensionSize, 0x84);
ASSERT_CONFIG_OFFSET(SpecificLuExtensionSize, 0x88);
ASSERT_CONFIG_OFFSET(SrbExtensionSize, 0x8C);
ASSERT_CONFIG_OFFSET(Dma64BitAddresses, 0x90);
ASSERT_CONFIG_OFFSET(ResetTargetSupported, 0x91);
ASSERT_CONFIG_OFFSET(MaximumNumberOfLogicalUnits, 0x92);
ASSERT_CONFIG_OFFSET(WmiDataProvider, 0x93);
ASSERT_CONFIG_OFFSET(SynchronizationModel, 0x94);
ASSERT_CONFIG_OFFSET(HwMSInterruptRoutine, 0x98);
ASSERT_CONFIG_OFFSET(InterruptSynchronizationMode, 0xA0);
ASSERT_CONFIG_OFFSET(DumpRegion, 0xA8);
ASSERT_CONFIG_OFFSET(RequestedDumpBufferSize, 0xC0);
ASSERT_CONFIG_OFFSET(VirtualDevice, 0xC4);
ASSERT_CONFIG_OFFSET(DumpMode, 0xC5);
ASSERT_CONFIG_OFFSET(DmaAddressWidth, 0xC6);
ASSERT_CONFIG_OFFSET(ExtendedFlags1, 0xC8);
ASSERT_CONFIG_OFFSET(MaxNumberOfIO, 0xCC);
ASSERT_CONFIG_OFFSET(MaxIOsPerLun, 0xD0);
ASSERT_CONFIG_OFFSET(InitialLunQueueDepth, 0xD4);
ASSERT_CONFIG_OFFSET(BusResetHoldTime, 0xD8);
ASSERT_CONFIG_OFFSET(FeatureSupport, 0xDC);
#undef ASSERT_CONFIG_OFFSET

/* --- Capabilities and attributes of a unit [STOR_DEVICE_CAPABILITIES, -_EX, STOR_UNIT_ATTRIBUTES] --- */

typedef struct _STOR_DEVICE_CAPABILITIES {
    USHORT Version;
    USHORT Padding; /* bit-fields of another type start a new unit under Microsoft's rules, and so under all */
    ULONG DeviceD1 : 1;
    ULONG DeviceD2 : 1;
    ULONG LockSupported : 1;
    ULONG EjectSupported : 1;
    ULONG Removable : 1;
    ULONG DockDevice : 1;
    ULONG UniqueID : 1;
    ULONG SilentInstall : 1;
    ULONG SurpriseRemovalOK : 1;
    ULONG NoDisplayInUI : 1;
} STOR_DEVICE_CAPABILITIES, *PSTOR_DEVICE_CAPABILITIES;

_Static_assert(sizeof(STOR_DEVICE_CAPABILITIES) == 8, "STOR_DEVICE_CAPABILITIES");

#define STOR_DEVICE_CAPABILITIES_EX_VERSION_1 0x1

typedef struct _STOR_DEVICE_CAPABILITIES_EX {
    USHORT Version;
    USHORT Size;
    ULONG DeviceD1 : 1;
    ULONG DeviceD2 : 1;
    ULONG LockSupported : 1;
    ULONG EjectSupported : 1;
    ULONG Removable : 1;
    ULONG DockDevice : 1;
    ULONG UniqueID : 1;
    ULONG SilentInstall : 1;
    ULONG RawDeviceOK : 1;
    ULONG SurpriseRemovalOK : 1;
    ULONG NoDisplayInUI : 1;
    ULONG DefaultWriteCacheEnabled : 1;
    ULONG Reserved0 : 20;
    ULONG Address;
    ULONG UINumber;
    ULONG Reserved1[2];
} STOR_DEVICE_CAPABILITIES_EX, *PSTOR_DEVICE_CAPABILITIES_EX;

_Static_assert(sizeof(STOR_DEVICE_CAPABILITIES_EX) == 24, "STOR_DEVICE_CAPABILITIES_EX");
_Static_assert(offsetof(STOR_DEVICE_CAPABILITIES_EX, Address) == 0x08, "Address");
_Static_assert(offsetof(STOR_DEVICE_CAPABILITIES_EX, UINumber) == 0x0C, "UINumber");

typedef struct _STOR_UNIT_ATTRIBUTES {
    ULONG DeviceAttentionSupported : 1;
    ULONG AsyncNotificationSupported : 1;
    ULONG D3ColdNotSupported : 1;
    ULONG Reserved : 29;
} STOR_UNIT_ATTRIBUTES, *PSTOR_UNIT_ATTRIBUTES;

_Static_assert(sizeof(STOR_UNIT_ATTRIBUTES) == 4, "STOR_UNIT_ATTRIBUTES");

/* The ioctl whose IRP HwProcessServiceRequest gets [IOCTL_MINIPORT_PROCESS_SERVICE_IRP]. */
#define IOCTL_MINIPORT_PROCESS_SERVICE_IRP 0x0004D038

/* --- The port driver's functions --- */

#define STOR_STATUS_SUCCESS ((ULONG)0x00000000)
#define STOR_STATUS_UNSUCCESSFUL ((ULONG)0xC1000001)
#define STOR_STATUS_NOT_IMPLEMENTED ((ULONG)0xC1000002)
#define STOR_STATUS_INSUFFICIENT_RESOURCES ((ULONG)0xC1000003)
#define STOR_STATUS_BUFFER_TOO_SMALL ((ULONG)0xC1000004)
#define STOR_STATUS_ACCESS_DENIED ((ULONG)0xC1000005)
#define STOR_STATUS_INVALID_PARAMETER ((ULONG)0xC1000006)
#define STOR_STATUS_INVALID_DEVICE_REQUEST ((ULONG)0xC1000007)
#define STOR_STATUS_INVALID_IRQL ((ULONG)0xC1000008)
#define STOR_STATUS_INVALID_DEVICE_STATE ((ULONG)0xC1000009)
#define STOR_STATUS_INVALID_BUFFER_SIZE ((ULONG)0xC100000A)
#define STOR_STATUS_UNSUPPORTED_VERSION ((ULONG)0xC100000B)
#define STOR_STATUS_BUSY ((ULONG)0xC100000C)

typedef enum _SCSI_NOTIFICATION_TYPE {
    RequestComplete = 0,
    NextRequest,
    NextLuRequest,
    ResetDetected,
    CallDisableInterrupts,
    CallEnableInterrupts,
    RequestTimerCall,
    BusChangeDetected,
    WMIEvent,
    WMIReregister,
    LinkUp,
    LinkDown,
    QueryTickCount,
    BufferOverrunDetected,
    TraceNotification,
    GetExtendedFunctionTable,
    EnablePassiveInitialization = 0x1000,
    InitializeDpc,
    IssueDpc,
    AcquireSpinLock,
    ReleaseSpinLock,
    StateChangeDetectedCall,
    IoTargetRequestServiceTime,
    AsyncNotificationDetected
} SCSI_NOTIFICATION_TYPE,
    *PSCSI_NOTIFICATION_TYPE;

typedef enum _STORPORT_FUNCTION_CODE {
    ExtFunctionAllocatePool = 0,
    ExtFunctionFreePool = 1,
    ExtFunctionGetSystemAddress = 5,
    ExtFunctionGetOriginalMdl = 6,
    ExtFunctionCompleteServiceIrp = 7,
    ExtFunctionGetDeviceObjects = 8,
    ExtFunctionLogSystemEvent = 16,
    ExtFunctionGetRequestInfo = 28,
    ExtFunctionInitializeWorker = 29,
    ExtFunctionQueueWorkItem = 30,
    ExtFunctionFreeWorker = 31,
    ExtFunctionInitializeTimer = 32,
    ExtFunctionRequestTimer = 33,
    ExtFunctionFreeTimer = 34,
    ExtFunctionSetUnitAttributes = 46
} STORPORT_FUNCTION_CODE,
    *PSTORPORT_FUNCTION_CODE;

/* Only from DriverEntry, whose result its result is; fills DriverObject. PASSIVE_LEVEL [StorPortInitialize]. */
ULONG NTAPI StorPortInitialize(PVOID DriverObject, PVOID RegistryPath, PHW_INITIALIZATION_DATA HwInitializationData,
                               PVOID HwContext);
/* What follows DeviceExtension depends on the type: RequestComplete a PSCSI_REQUEST_BLOCK, BusChangeDetected a path. */
VOID StorPortNotification(SCSI_NOTIFICATION_TYPE NotificationType, PVOID HwDeviceExtension, ...);
ULONG StorPortExtendedFunction(STORPORT_FUNCTION_CODE FunctionCode, PVOID HwDeviceExtension, ...);
/* FALSE when there is no such unit or the depth is not 1 to the unit's maximum. At or after the first INQUIRY. */
BOOLEAN NTAPI StorPortSetDeviceQueueDepth(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                          ULONG Depth);
/* A pause ends by itself after TimeoutSeconds. <= DISPATCH_LEVEL. */
BOOLEAN NTAPI StorPortPauseDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                  ULONG TimeoutSeconds);
BOOLEAN NTAPI StorPortResumeDevice(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
BOOLEAN NTAPI StorPortPause(PVOID HwDeviceExtension, ULONG TimeoutSeconds);
BOOLEAN NTAPI StorPortResume(PVOID HwDeviceExtension);
/* Holds new requests until RequestsToComplete outstanding ones are complete, or the matching Ready. */
BOOLEAN NTAPI StorPortDeviceBusy(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                                 ULONG RequestsToComplete);
BOOLEAN NTAPI StorPortDeviceReady(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
BOOLEAN NTAPI StorPortBusy(PVOID HwDeviceExtension, ULONG RequestsToComplete);
BOOLEAN NTAPI StorPortReady(PVOID HwDeviceExtension);
/* NULL when there is no such unit or no per-unit extension was asked for. */
PVOID NTAPI StorPortGetLogicalUnit(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun);
VOID NTAPI StorPortQuerySystemTime(PLARGE_INTEGER CurrentTime);
VOID StorPortDebugPrint(ULONG DebugPrintLevel, PCSTR DebugMessage, ...);
/* Exported by the port driver and forbidden by rules of its verifier (StorPortCompleteRequest, StorPortDeprecated). */
VOID NTAPI StorPortCompleteRequest(PVOID HwDeviceExtension, UCHAR PathId, UCHAR TargetId, UCHAR Lun, UCHAR SrbStatus);
VOID NTAPI StorPortLogError(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb, UCHAR PathId, UCHAR TargetId, UCHAR Lun,
                            ULONG ErrorCode, ULONG UniqueId);

/* Only from HwInitialize [StorPortEnablePassiveInitialization]. */
static inline BOOLEAN StorPortEnablePassiveInitialization(PVOID HwDeviceExtension,
                                                          PHW_PASSIVE_INITIALIZE_ROUTINE HwPassiveInitializeRoutine)
{
    LONG Succeeded = 0;

    StorPortNotification(EnablePassiveInitialization, HwDeviceExtension, HwPassiveInitializeRoutine, &Succeeded);
    return (BOOLEAN)(Succeeded != 0);
}

/* <= DISPATCH_LEVEL. INSUFFICIENT_RESOURCES means that no mapping is possible now; INVALID_PARAMETER no buffer. */
static inline ULONG StorPortGetSystemAddress(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb, PVOID *SystemAddress)
{
    return StorPortExtendedFunction(ExtFunctionGetSystemAddress, HwDeviceExtension, Srb, SystemAddress);
}

/* The MDL of the whole request: the SRB's data may start inside it and be shorter. */
static inline ULONG StorPortGetOriginalMdl(PVOID HwDeviceExtension, PSCSI_REQUEST_BLOCK Srb, PVOID *Mdl)
{
    return StorPortExtendedFunction(ExtFunctionGetOriginalMdl, HwDeviceExtension, Srb, Mdl);
}

/* Completes an IRP that HwProcessServiceRequest got; its IoStatus is set. Never under a spin lock. */
static inline ULONG StorPortCompleteServiceIrp(PVOID HwDeviceExtension, PVOID Irp)
{
    return StorPortExtendedFunction(ExtFunctionCompleteServiceIrp, HwDeviceExtension, Irp);
}

static inline ULONG StorPortGetDeviceObjects(PVOID HwDeviceExtension, PVOID *AdapterDeviceObject,
                                             PVOID *PhysicalDeviceObject, PVOID *LowerDeviceObject)
{
    return StorPortExtendedFunction(ExtFunctionGetDeviceObjects, HwDeviceExtension, AdapterDeviceObject,
                                    PhysicalDeviceObject, LowerDeviceObject);
}

/* Only while an INQUIRY of that unit is being completed [StorPortSetUnitAttributes]. */
static inline ULONG StorPortSetUnitAttributes(PVOID HwDeviceExtension, PSTOR_ADDRESS Address,
                                              STOR_UNIT_ATTRIBUTES Attributes)
{
    return StorPortExtendedFunction(ExtFunctionSetUnitAttributes, HwDeviceExtension, Address, Attributes);
}
