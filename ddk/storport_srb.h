/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * SCSI request blocks of both kinds as a Storport miniport sees them: structures, function, status and flag values.
 * Written from Microsoft's published reference of srb.h and storport.h (pages SCSI_REQUEST_BLOCK,
 * SCSI_PNP_REQUEST_BLOCK, SCSI_POWER_REQUEST_BLOCK, SCSI_WMI_REQUEST_BLOCK, STORAGE_REQUEST_BLOCK, the SRBEX_DATA
 * pages, STOR_ADDRESS, STOR_ADDR_BTL8); x64 layouts, held by the assertions below each structure. Names are
 * Microsoft's. Included by storport.h, after nt.h has supplied the basic types.
 */
#pragma once

/* SRB Function (classic) and SrbFunction (extended). 0x28 in the Function byte says that the SRB is an extended one. */
#define SRB_FUNCTION_EXECUTE_SCSI 0x00
#define SRB_FUNCTION_CLAIM_DEVICE 0x01
#define SRB_FUNCTION_IO_CONTROL 0x02
#define SRB_FUNCTION_RECEIVE_EVENT 0x03
#define SRB_FUNCTION_RELEASE_QUEUE 0x04
#define SRB_FUNCTION_ATTACH_DEVICE 0x05
#define SRB_FUNCTION_RELEASE_DEVICE 0x06
#define SRB_FUNCTION_SHUTDOWN 0x07
#define SRB_FUNCTION_FLUSH 0x08
#define SRB_FUNCTION_ABORT_COMMAND 0x10
#define SRB_FUNCTION_RELEASE_RECOVERY 0x11
#define SRB_FUNCTION_RESET_BUS 0x12
#define SRB_FUNCTION_RESET_DEVICE 0x13
#define SRB_FUNCTION_TERMINATE_IO 0x14
#define SRB_FUNCTION_FLUSH_QUEUE 0x15
#define SRB_FUNCTION_REMOVE_DEVICE 0x16
#define SRB_FUNCTION_WMI 0x17
#define SRB_FUNCTION_LOCK_QUEUE 0x18
#define SRB_FUNCTION_UNLOCK_QUEUE 0x19
#define SRB_FUNCTION_QUIESCE_DEVICE 0x1A
#define SRB_FUNCTION_RESET_LOGICAL_UNIT 0x20
#define SRB_FUNCTION_POWER 0x24
#define SRB_FUNCTION_PNP 0x25
#define SRB_FUNCTION_DUMP_POINTERS 0x26
#define SRB_FUNCTION_FREE_DUMP_POINTERS 0x27
#define SRB_FUNCTION_STORAGE_REQUEST_BLOCK 0x28

/* SrbStatus: a value in the low six bits and two flags. */
#define SRB_STATUS_PENDING 0x00
#define SRB_STATUS_SUCCESS 0x01
#define SRB_STATUS_ABORTED 0x02
#define SRB_STATUS_ABORT_FAILED 0x03
#define SRB_STATUS_ERROR 0x04
#define SRB_STATUS_BUSY 0x05
#define SRB_STATUS_INVALID_REQUEST 0x06
#define SRB_STATUS_INVALID_PATH_ID 0x07
#define SRB_STATUS_NO_DEVICE 0x08
#define SRB_STATUS_TIMEOUT 0x09
#define SRB_STATUS_SELECTION_TIMEOUT 0x0A
#define SRB_STATUS_COMMAND_TIMEOUT 0x0B
#define SRB_STATUS_MESSAGE_REJECTED 0x0D
#define SRB_STATUS_BUS_RESET 0x0E
#define SRB_STATUS_PARITY_ERROR 0x0F
#define SRB_STATUS_REQUEST_SENSE_FAILED 0x10
#define SRB_STATUS_NO_HBA 0x11
#define SRB_STATUS_DATA_OVERRUN 0x12
#define SRB_STATUS_UNEXPECTED_BUS_FREE 0x13
#define SRB_STATUS_PHASE_SEQUENCE_FAILURE 0x14
#define SRB_STATUS_BAD_SRB_BLOCK_LENGTH 0x15
#define SRB_STATUS_REQUEST_FLUSHED 0x16
#define SRB_STATUS_INVALID_LUN 0x20
#define SRB_STATUS_INVALID_TARGET_ID 0x21
#define SRB_STATUS_BAD_FUNCTION 0x22
#define SRB_STATUS_ERROR_RECOVERY 0x23
#define SRB_STATUS_NOT_POWERED 0x24
#define SRB_STATUS_LINK_DOWN 0x25
#define SRB_STATUS_INTERNAL_ERROR 0x30
#define SRB_STATUS_QUEUE_FROZEN 0x40
#define SRB_STATUS_AUTOSENSE_VALID 0x80
#define SRB_STATUS(Status) ((UCHAR)((Status) & ~(SRB_STATUS_AUTOSENSE_VALID | SRB_STATUS_QUEUE_FROZEN)))

#define SRB_FLAGS_NO_DATA_TRANSFER 0x00000000
#define SRB_FLAGS_QUEUE_ACTION_ENABLE 0x00000002
#define SRB_FLAGS_DISABLE_DISCONNECT 0x00000004
#define SRB_FLAGS_DISABLE_SYNCH_TRANSFER 0x00000008
#define SRB_FLAGS_BYPASS_FROZEN_QUEUE 0x00000010
#define SRB_FLAGS_DISABLE_AUTOSENSE 0x00000020
#define SRB_FLAGS_DATA_IN 0x00000040
#define SRB_FLAGS_DATA_OUT 0x00000080
#define SRB_FLAGS_UNSPECIFIED_DIRECTION (SRB_FLAGS_DATA_IN | SRB_FLAGS_DATA_OUT)
#define SRB_FLAGS_NO_QUEUE_FREEZE 0x00000100
#define SRB_FLAGS_ADAPTER_CACHE_ENABLE 0x00000200
#define SRB_FLAGS_FREE_SENSE_BUFFER 0x00000400
#define SRB_FLAGS_D3_PROCESSING 0x00000800
#define SRB_FLAGS_IS_ACTIVE 0x00010000
#define SRB_FLAGS_BYPASS_LOCKED_QUEUE 0x00080000
#define SRB_FLAGS_NO_KEEP_AWAKE 0x00100000

#define SRB_SIMPLE_TAG_REQUEST 0x20
#define SRB_HEAD_OF_QUEUE_TAG_REQUEST 0x21
#define SRB_ORDERED_QUEUE_TAG_REQUEST 0x22

#define SRB_PNP_FLAGS_ADAPTER_REQUEST 0x1
#define SRB_POWER_FLAGS_ADAPTER_REQUEST 0x1
#define SRB_WMI_FLAGS_ADAPTER_REQUEST 0x1

#define SCSISTAT_GOOD 0x00
#define SCSISTAT_CHECK_CONDITION 0x02
#define SCSISTAT_CONDITION_MET 0x04
#define SCSISTAT_BUSY 0x08
#define SCSISTAT_RESERVATION_CONFLICT 0x18
#define SCSISTAT_QUEUE_FULL 0x28

typedef enum _STOR_PNP_ACTION {
    StorStartDevice = 0x0,
    StorRemoveDevice = 0x2,
    StorStopDevice = 0x4,
    StorQueryCapabilities = 0x9,
    StorQueryResourceRequirements = 0xB,
    StorFilterResourceRequirements = 0xD,
    StorSurpriseRemoval = 0x17
} STOR_PNP_ACTION,
    *PSTOR_PNP_ACTION;

typedef enum _STOR_DEVICE_POWER_STATE {
    StorPowerDeviceUnspecified = 0,
    StorPowerDeviceD0,
    StorPowerDeviceD1,
    StorPowerDeviceD2,
    StorPowerDeviceD3,
    StorPowerDeviceMaximum
} STOR_DEVICE_POWER_STATE,
    *PSTOR_DEVICE_POWER_STATE;

typedef enum _STOR_POWER_ACTION {
    StorPowerActionNone = 0,
    StorPowerActionReserved,
    StorPowerActionSleep,
    StorPowerActionHibernate,
    StorPowerActionShutdown,
    StorPowerActionShutdownReset,
    StorPowerActionShutdownOff,
    StorPowerActionWarmEject
} STOR_POWER_ACTION,
    *PSTOR_POWER_ACTION;

typedef struct _SCSI_REQUEST_BLOCK {
    USHORT Length;
    UCHAR Function;
    UCHAR SrbStatus;
    UCHAR ScsiStatus;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
    UCHAR QueueTag;
    UCHAR QueueAction;
    UCHAR CdbLength;
    UCHAR SenseInfoBufferLength;
    ULONG SrbFlags;
    ULONG DataTransferLength;
    ULONG TimeOutValue; /* seconds */
    PVOID DataBuffer;
    PVOID SenseInfoBuffer;
    struct _SCSI_REQUEST_BLOCK *NextSrb;
    PVOID OriginalRequest;
    PVOID SrbExtension;
    union {
        ULONG InternalStatus;
        ULONG QueueSortKey;
        ULONG LinkTimeoutValue;
    };
    ULONG Reserved;
    UCHAR Cdb[16];
} SCSI_REQUEST_BLOCK, *PSCSI_REQUEST_BLOCK;

_Static_assert(sizeof(SCSI_REQUEST_BLOCK) == 0x58, "SCSI_REQUEST_BLOCK");
_Static_assert(offsetof(SCSI_REQUEST_BLOCK, SrbFlags) == 0x0C, "SrbFlags");
_Static_assert(offsetof(SCSI_REQUEST_BLOCK, DataTransferLength) == 0x10, "DataTransferLength");
_Static_assert(offsetof(SCSI_REQUEST_BLOCK, DataBuffer) == 0x18, "DataBuffer");
_Static_assert(offsetof(SCSI_REQUEST_BLOCK, SrbExtension) == 0x38, "SrbExtension");
_Static_assert(offsetof(SCSI_REQUEST_BLOCK, Cdb) == 0x48, "Cdb");

typedef struct _SCSI_PNP_REQUEST_BLOCK {
    USHORT Length;
    UCHAR Function;
    UCHAR SrbStatus;
    UCHAR PnPSubFunction;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
    STOR_PNP_ACTION PnPAction;
    ULONG SrbFlags;
    ULONG DataTransferLength;
    ULONG TimeOutValue;
    PVOID DataBuffer;
    PVOID SenseInfoBuffer;
    struct _SCSI_REQUEST_BLOCK *NextSrb;
    PVOID OriginalRequest;
    PVOID SrbExtension;
    ULONG SrbPnPFlags;
    ULONG Reserved;
    UCHAR Reserved4[16];
} SCSI_PNP_REQUEST_BLOCK, *PSCSI_PNP_REQUEST_BLOCK;

_Static_assert(sizeof(SCSI_PNP_REQUEST_BLOCK) == sizeof(SCSI_REQUEST_BLOCK), "SCSI_PNP_REQUEST_BLOCK");
_Static_assert(offsetof(SCSI_PNP_REQUEST_BLOCK, PnPAction) == 0x08, "PnPAction");
_Static_assert(offsetof(SCSI_PNP_REQUEST_BLOCK, DataBuffer) == 0x18, "DataBuffer");
_Static_assert(offsetof(SCSI_PNP_REQUEST_BLOCK, SrbPnPFlags) == 0x40, "SrbPnPFlags");

typedef struct _SCSI_POWER_REQUEST_BLOCK {
    USHORT Length;
    UCHAR Function;
    UCHAR SrbStatus;
    UCHAR SrbPowerFlags;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
    STOR_DEVICE_POWER_STATE DevicePowerState;
    ULONG SrbFlags;
    ULONG DataTransferLength;
    ULONG TimeOutValue;
    PVOID DataBuffer;
    PVOID SenseInfoBuffer;
    struct _SCSI_REQUEST_BLOCK *NextSrb;
    PVOID OriginalRequest;
    PVOID SrbExtension;
    STOR_POWER_ACTION PowerAction;
    ULONG Reserved;
    UCHAR Reserved5[16];
} SCSI_POWER_REQUEST_BLOCK, *PSCSI_POWER_REQUEST_BLOCK;

_Static_assert(sizeof(SCSI_POWER_REQUEST_BLOCK) == sizeof(SCSI_REQUEST_BLOCK), "SCSI_POWER_REQUEST_BLOCK");
_Static_assert(offsetof(SCSI_POWER_REQUEST_BLOCK, DevicePowerState) == 0x08, "DevicePowerState");
_Static_assert(offsetof(SCSI_POWER_REQUEST_BLOCK, PowerAction) == 0x40, "PowerAction");

typedef struct _SCSI_WMI_REQUEST_BLOCK {
    USHORT Length;
    UCHAR Function;
    UCHAR SrbStatus;
    UCHAR WMISubFunction;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
    UCHAR Reserved1;
    UCHAR WMIFlags;
    UCHAR Reserved2[2];
    ULONG SrbFlags;
    ULONG DataTransferLength;
    ULONG TimeOutValue;
    PVOID DataBuffer;
    PVOID DataPath;
    PVOID Reserved3;
    PVOID OriginalRequest;
    PVOID SrbExtension;
    ULONG Reserved4;
    ULONG Reserved6;
    UCHAR Reserved5[16];
} SCSI_WMI_REQUEST_BLOCK, *PSCSI_WMI_REQUEST_BLOCK;

_Static_assert(sizeof(SCSI_WMI_REQUEST_BLOCK) == sizeof(SCSI_REQUEST_BLOCK), "SCSI_WMI_REQUEST_BLOCK");
_Static_assert(offsetof(SCSI_WMI_REQUEST_BLOCK, WMIFlags) == 0x09, "WMIFlags");
_Static_assert(offsetof(SCSI_WMI_REQUEST_BLOCK, DataPath) == 0x20, "DataPath");

/* Addresses: STOR_ADDRESS is the common head, BTL8 (bus, target, LUN of eight bits each) the kind that we use. */
#define STOR_ADDRESS_TYPE_UNKNOWN 0x0
#define STOR_ADDRESS_TYPE_BTL8 0x1
#define STOR_ADDR_BTL8_ADDRESS_LENGTH 4

typedef struct _STOR_ADDRESS {
    USHORT Type;
    USHORT Port;
    ULONG AddressLength;
    UCHAR AddressData[1];
} STOR_ADDRESS, *PSTOR_ADDRESS;

typedef struct _STOR_ADDR_BTL8 {
    USHORT Type;
    USHORT Port;
    ULONG AddressLength;
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    UCHAR Reserved;
} STOR_ADDR_BTL8, *PSTOR_ADDR_BTL8;

_Static_assert(sizeof(STOR_ADDR_BTL8) == 0x0C, "STOR_ADDR_BTL8");
_Static_assert(offsetof(STOR_ADDR_BTL8, AddressLength) == 0x04, "AddressLength");
_Static_assert(offsetof(STOR_ADDR_BTL8, Path) == 0x08, "Path");
_Static_assert(offsetof(STOR_ADDR_BTL8, Lun) == 0x0A, "Lun");

#define SRB_SIGNATURE 0x53524258 /* 'SRBX' */
#define STORAGE_REQUEST_BLOCK_VERSION_1 0x1
#define SRB_TYPE_SCSI_REQUEST_BLOCK 0
#define SRB_TYPE_STORAGE_REQUEST_BLOCK 1

typedef struct _STORAGE_REQUEST_BLOCK {
    USHORT Length;
    UCHAR Function;
    UCHAR SrbStatus;
    UCHAR ReservedUchar1[4];
    ULONG Signature;
    ULONG Version;
    ULONG SrbLength;
    ULONG SrbFunction;
    ULONG SrbFlags;
    ULONG ReservedUlong1;
    ULONG RequestTag;
    USHORT RequestPriority;
    USHORT RequestAttribute;
    ULONG TimeOutValue; /* seconds */
    ULONG SystemStatus;
    ULONG ZeroGuard1;
    ULONG AddressOffset; /* from the SRB's start */
    ULONG NumSrbExData;
    ULONG DataTransferLength;
    PVOID DataBuffer;
    PVOID ZeroGuard2;
    PVOID OriginalRequest;
    PVOID ClassContext;
    PVOID PortContext;
    PVOID MiniportContext; /* the SRB extension */
    struct _STORAGE_REQUEST_BLOCK *NextSrb;
    ULONG SrbExDataOffset[1]; /* NumSrbExData of them, from the SRB's start; 0 is an empty one */
} STORAGE_REQUEST_BLOCK, *PSTORAGE_REQUEST_BLOCK;

_Static_assert(sizeof(STORAGE_REQUEST_BLOCK) == 0x80, "STORAGE_REQUEST_BLOCK");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, Signature) == 0x08, "Signature");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, SrbFunction) == 0x14, "SrbFunction");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, RequestTag) == 0x20, "RequestTag");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, TimeOutValue) == 0x28, "TimeOutValue");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, AddressOffset) == 0x34, "AddressOffset");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, NumSrbExData) == 0x38, "NumSrbExData");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, DataTransferLength) == 0x3C, "DataTransferLength");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, DataBuffer) == 0x40, "DataBuffer");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, OriginalRequest) == 0x50, "OriginalRequest");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, MiniportContext) == 0x68, "MiniportContext");
_Static_assert(offsetof(STORAGE_REQUEST_BLOCK, SrbExDataOffset) == 0x78, "SrbExDataOffset");

/* The blocks that an extended SRB carries. Length counts what follows the Length field. */
typedef enum _SRBEXDATATYPE {
    SrbExDataTypeUnknown = 0x00,
    SrbExDataTypeBidirectional = 0x01,
    SrbExDataTypeScsiCdb16 = 0x40,
    SrbExDataTypeScsiCdb32 = 0x41,
    SrbExDataTypeScsiCdbVar = 0x42,
    SrbExDataTypeWmi = 0x60,
    SrbExDataTypePower = 0x61,
    SrbExDataTypePnP = 0x62,
    SrbExDataTypeIoInfo = 0x80,
    SrbExDataTypeReserved = 0xFF
} SRBEXDATATYPE,
    *PSRBEXDATATYPE;

typedef struct _SRBEX_DATA {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR Data[1];
} SRBEX_DATA, *PSRBEX_DATA;

typedef struct _SRBEX_DATA_SCSI_CDB16 {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR ScsiStatus;
    UCHAR SenseInfoBufferLength;
    UCHAR CdbLength;
    UCHAR Reserved;
    ULONG Reserved1;
    PVOID SenseInfoBuffer;
    UCHAR Cdb[16];
} SRBEX_DATA_SCSI_CDB16, *PSRBEX_DATA_SCSI_CDB16;

_Static_assert(sizeof(SRBEX_DATA_SCSI_CDB16) == 0x28, "SRBEX_DATA_SCSI_CDB16");
_Static_assert(offsetof(SRBEX_DATA_SCSI_CDB16, SenseInfoBuffer) == 0x10, "SenseInfoBuffer");
_Static_assert(offsetof(SRBEX_DATA_SCSI_CDB16, Cdb) == 0x18, "Cdb");
#define SRBEX_DATA_SCSI_CDB16_LENGTH ((ULONG)(sizeof(SRBEX_DATA_SCSI_CDB16) - offsetof(SRBEX_DATA, Data)))

typedef struct _SRBEX_DATA_SCSI_CDB32 {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR ScsiStatus;
    UCHAR SenseInfoBufferLength;
    UCHAR CdbLength;
    UCHAR Reserved;
    ULONG Reserved1;
    PVOID SenseInfoBuffer;
    UCHAR Cdb[32];
} SRBEX_DATA_SCSI_CDB32, *PSRBEX_DATA_SCSI_CDB32;

_Static_assert(sizeof(SRBEX_DATA_SCSI_CDB32) == 0x38, "SRBEX_DATA_SCSI_CDB32");
#define SRBEX_DATA_SCSI_CDB32_LENGTH ((ULONG)(sizeof(SRBEX_DATA_SCSI_CDB32) - offsetof(SRBEX_DATA, Data)))

typedef struct _SRBEX_DATA_SCSI_CDB_VAR {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR ScsiStatus;
    UCHAR SenseInfoBufferLength;
    UCHAR Reserved[2];
    ULONG CdbLength;
    ULONG Reserved1[2];
    PVOID SenseInfoBuffer;
    UCHAR Cdb[1];
} SRBEX_DATA_SCSI_CDB_VAR, *PSRBEX_DATA_SCSI_CDB_VAR;

_Static_assert(offsetof(SRBEX_DATA_SCSI_CDB_VAR, CdbLength) == 0x0C, "CdbLength");
_Static_assert(offsetof(SRBEX_DATA_SCSI_CDB_VAR, SenseInfoBuffer) == 0x18, "SenseInfoBuffer");
_Static_assert(offsetof(SRBEX_DATA_SCSI_CDB_VAR, Cdb) == 0x20, "Cdb");

typedef struct _SRBEX_DATA_WMI {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR WMISubFunction;
    UCHAR WMIFlags;
    UCHAR Reserved[2];
    ULONG Reserved1;
    PVOID DataPath;
} SRBEX_DATA_WMI, *PSRBEX_DATA_WMI;

_Static_assert(sizeof(SRBEX_DATA_WMI) == 0x18, "SRBEX_DATA_WMI");

typedef struct _SRBEX_DATA_POWER {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR SrbPowerFlags;
    UCHAR Reserved[3];
    STOR_DEVICE_POWER_STATE DevicePowerState;
    STOR_POWER_ACTION PowerAction;
    ULONG Reserved1;
} SRBEX_DATA_POWER, *PSRBEX_DATA_POWER;

_Static_assert(offsetof(SRBEX_DATA_POWER, DevicePowerState) == 0x0C, "DevicePowerState");
_Static_assert(offsetof(SRBEX_DATA_POWER, PowerAction) == 0x10, "PowerAction");

typedef struct _SRBEX_DATA_PNP {
    SRBEXDATATYPE Type;
    ULONG Length;
    UCHAR PnPSubFunction;
    UCHAR Reserved[3];
    STOR_PNP_ACTION PnPAction;
    ULONG SrbPnPFlags;
    ULONG Reserved1;
} SRBEX_DATA_PNP, *PSRBEX_DATA_PNP;

_Static_assert(offsetof(SRBEX_DATA_PNP, PnPAction) == 0x0C, "PnPAction");
_Static_assert(offsetof(SRBEX_DATA_PNP, SrbPnPFlags) == 0x10, "SrbPnPFlags");
#define SRBEX_DATA_PNP_LENGTH ((ULONG)(sizeof(SRBEX_DATA_PNP) - offsetof(SRBEX_DATA, Data)))

typedef struct _SRBEX_DATA_IO_INFO {
    SRBEXDATATYPE Type;
    ULONG Length;
    ULONG Flags;
    ULONG Key;
    ULONG RWLength;
    BOOLEAN IsWriteRequest;
    UCHAR CachePriority;
    UCHAR Reserved[2];
    ULONG Reserved1[4];
} SRBEX_DATA_IO_INFO, *PSRBEX_DATA_IO_INFO;

_Static_assert(offsetof(SRBEX_DATA_IO_INFO, RWLength) == 0x10, "RWLength");
_Static_assert(offsetof(SRBEX_DATA_IO_INFO, IsWriteRequest) == 0x14, "IsWriteRequest");
