/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Control codes and structures of storage devices that the port driver answers, from Microsoft's published reference of
 * ntddscsi.h and ntddstor.h. Its own copy, because the native test bed has no such headers.
 */
#pragma once

#include "nt.h"

#define PORT_IOCTL_SCSI_PASS_THROUGH 0x0004D004
#define PORT_IOCTL_SCSI_MINIPORT 0x0004D008
#define PORT_IOCTL_SCSI_GET_CAPABILITIES 0x00041010
#define PORT_IOCTL_SCSI_PASS_THROUGH_DIRECT 0x0004D014
#define PORT_IOCTL_SCSI_GET_ADDRESS 0x00041018
#define PORT_IOCTL_SCSI_RESCAN_BUS 0x0004101C
#define PORT_IOCTL_STORAGE_QUERY_PROPERTY 0x002D1400
#define PORT_IOCTL_STORAGE_RESET_BUS 0x002D5000

/* STORAGE_BUS_RESET_REQUEST */
typedef struct {
    UCHAR PathId;
} PORT_BUS_RESET_REQUEST;

typedef struct {
    ULONG Length;
    UCHAR PortNumber;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
} PORT_SCSI_ADDRESS;

typedef struct {
    ULONG Length;
    ULONG MaximumTransferLength;
    ULONG MaximumPhysicalPages;
    ULONG SupportedAsynchronousEvents;
    ULONG AlignmentMask;
    BOOLEAN TaggedQueuing;
    BOOLEAN AdapterScansDown;
    BOOLEAN AdapterUsesPio;
} PORT_IO_SCSI_CAPABILITIES;

_Static_assert(sizeof(PORT_IO_SCSI_CAPABILITIES) == 24, "IO_SCSI_CAPABILITIES");

#define PORT_SCSI_IOCTL_DATA_OUT 0
#define PORT_SCSI_IOCTL_DATA_IN 1
#define PORT_SCSI_IOCTL_DATA_UNSPECIFIED 2

/* SCSI_PASS_THROUGH and SCSI_PASS_THROUGH_DIRECT: Data is an offset from the start in the one, a pointer in the other.
 */
typedef struct {
    USHORT Length;
    UCHAR ScsiStatus;
    UCHAR PathId;
    UCHAR TargetId;
    UCHAR Lun;
    UCHAR CdbLength;
    UCHAR SenseInfoLength;
    UCHAR DataIn;
    ULONG DataTransferLength;
    ULONG TimeOutValue;
    ULONG_PTR Data;
    ULONG SenseInfoOffset;
    UCHAR Cdb[16];
} PORT_SCSI_PASS_THROUGH;

_Static_assert(sizeof(PORT_SCSI_PASS_THROUGH) == 0x38, "SCSI_PASS_THROUGH");
_Static_assert(offsetof(PORT_SCSI_PASS_THROUGH, Data) == 0x18, "DataBufferOffset, DataBuffer");
_Static_assert(offsetof(PORT_SCSI_PASS_THROUGH, Cdb) == 0x24, "Cdb");

#define PORT_STORAGE_DEVICE_PROPERTY 0
#define PORT_STORAGE_ADAPTER_PROPERTY 1
#define PORT_STORAGE_DEVICE_ID_PROPERTY 2
#define PORT_STORAGE_MINIPORT_PROPERTY 5
#define PORT_STORAGE_IO_CAPABILITY_PROPERTY 48
#define PORT_PROPERTY_STANDARD_QUERY 0
#define PORT_PROPERTY_EXISTS_QUERY 1

typedef struct {
    ULONG PropertyId;
    ULONG QueryType;
    UCHAR AdditionalParameters[1];
} PORT_STORAGE_PROPERTY_QUERY;

typedef struct {
    ULONG Version;
    ULONG Size;
} PORT_STORAGE_DESCRIPTOR_HEADER;

typedef struct {
    ULONG Version;
    ULONG Size;
    UCHAR DeviceType;
    UCHAR DeviceTypeModifier;
    BOOLEAN RemovableMedia;
    BOOLEAN CommandQueueing;
    ULONG VendorIdOffset;
    ULONG ProductIdOffset;
    ULONG ProductRevisionOffset;
    ULONG SerialNumberOffset;
    ULONG BusType;
    ULONG RawPropertiesLength;
    UCHAR RawDeviceProperties[1];
} PORT_STORAGE_DEVICE_DESCRIPTOR;

_Static_assert(offsetof(PORT_STORAGE_DEVICE_DESCRIPTOR, RawDeviceProperties) == 0x24, "STORAGE_DEVICE_DESCRIPTOR");

typedef struct {
    ULONG Version;
    ULONG Size;
    ULONG NumberOfIdentifiers;
    UCHAR Identifiers[1]; /* PORT_STORAGE_IDENTIFIER, each NextOffset bytes after the one before */
} PORT_STORAGE_DEVICE_ID_DESCRIPTOR;

_Static_assert(sizeof(PORT_STORAGE_DEVICE_ID_DESCRIPTOR) == 0x10, "STORAGE_DEVICE_ID_DESCRIPTOR");
_Static_assert(offsetof(PORT_STORAGE_DEVICE_ID_DESCRIPTOR, Identifiers) == 0x0C, "Identifiers");

typedef struct {
    ULONG CodeSet;
    ULONG Type;
    USHORT IdentifierSize;
    USHORT NextOffset;
    ULONG Association;
    UCHAR Identifier[1];
} PORT_STORAGE_IDENTIFIER;

_Static_assert(offsetof(PORT_STORAGE_IDENTIFIER, Identifier) == 0x10, "STORAGE_IDENTIFIER");

/* STORAGE_MINIPORT_DESCRIPTOR as of Windows 8. */
typedef struct {
    ULONG Version;
    ULONG Size;
    ULONG PortDriver; /* 1: Storport */
    BOOLEAN LunResetSupported;
    BOOLEAN TargetResetSupported;
    USHORT IoTimeoutValue; /* seconds; 0: not set for this adapter */
} PORT_STORAGE_MINIPORT_DESCRIPTOR;

_Static_assert(sizeof(PORT_STORAGE_MINIPORT_DESCRIPTOR) == 0x10, "STORAGE_MINIPORT_DESCRIPTOR");

typedef struct {
    ULONG Version;
    ULONG Size;
    ULONG MaximumTransferLength;
    ULONG MaximumPhysicalPages;
    ULONG AlignmentMask;
    BOOLEAN AdapterUsesPio;
    BOOLEAN AdapterScansDown;
    BOOLEAN CommandQueueing;
    BOOLEAN AcceleratedTransfer;
    UCHAR BusType;
    USHORT BusMajorVersion;
    USHORT BusMinorVersion;
    UCHAR SrbType;
    UCHAR AddressType;
} PORT_STORAGE_ADAPTER_DESCRIPTOR;

_Static_assert(sizeof(PORT_STORAGE_ADAPTER_DESCRIPTOR) == 0x20, "STORAGE_ADAPTER_DESCRIPTOR");
_Static_assert(offsetof(PORT_STORAGE_ADAPTER_DESCRIPTOR, SrbType) == 0x1E, "SrbType");
