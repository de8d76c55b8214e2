/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CDBs and parameter data, byte for byte: SPC-4 (INQUIRY, MODE SENSE,
 * PERSISTENT RESERVE, REPORT LUNS, REQUEST SENSE), SBC-3 (everything about
 * blocks). Private to core/scsi.
 */
#pragma once

#include "base/byte_order.h"

/* READ (6), WRITE (6): SBC-2. */
typedef struct {
    uint8_t Opcode;
    uint8_t LbaHigh; /* 5 bits */
    BE16 LbaLow;
    uint8_t Blocks; /* 0 is 256 */
    uint8_t Control;
} CDB_BLOCKS_6;

/* READ, WRITE, VERIFY (10); SYNCHRONIZE CACHE (10). */
typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    BE32 Lba;
    uint8_t Group;
    BE16 Blocks;
    uint8_t Control;
} CDB_BLOCKS_10;

/* READ, WRITE (12). */
typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    BE32 Lba;
    BE32 Blocks;
    uint8_t Group;
    uint8_t Control;
} CDB_BLOCKS_12;

/* READ, WRITE, VERIFY (16); SYNCHRONIZE CACHE (16). */
typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    BE64 Lba;
    BE32 Blocks;
    uint8_t Group;
    uint8_t Control;
} CDB_BLOCKS_16;

typedef struct {
    uint8_t Opcode;
    uint8_t Reserved1;
    BE32 Lba;
    uint8_t Reserved6[2];
    uint8_t Partial; /* bit 0: PMI */
    uint8_t Control;
} CDB_READ_CAPACITY_10;

typedef struct {
    uint8_t Opcode;
    uint8_t ServiceAction;
    BE64 Lba;
    BE32 Allocation;
    uint8_t Partial; /* bit 0: PMI */
    uint8_t Control;
} CDB_READ_CAPACITY_16;

typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    uint8_t Reserved2[4];
    uint8_t Group;
    BE16 ListLength;
    uint8_t Control;
} CDB_UNMAP;

typedef struct {
    uint8_t Opcode;
    uint8_t ServiceAction;
    uint8_t Reserved2[5];
    BE16 Allocation;
    uint8_t Control;
} CDB_PERSISTENT_RESERVE_IN;

typedef struct {
    uint8_t Opcode;
    uint8_t ServiceAction;
    uint8_t ScopeType; /* bits 7 to 4: scope */
    uint8_t Reserved3[2];
    BE32 ListLength;
    uint8_t Control;
} CDB_PERSISTENT_RESERVE_OUT;

typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    uint8_t PageCode;
    BE16 Allocation;
    uint8_t Control;
} CDB_INQUIRY;

typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    uint8_t PageCode; /* bits 7 to 6: page control */
    uint8_t SubpageCode;
    uint8_t Allocation;
    uint8_t Control;
} CDB_MODE_SENSE_6;

typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    uint8_t PageCode; /* bits 7 to 6: page control */
    uint8_t SubpageCode;
    uint8_t Reserved4[3];
    BE16 Allocation;
    uint8_t Control;
} CDB_MODE_SENSE_10;

typedef struct {
    uint8_t Opcode;
    uint8_t Flags;
    uint8_t Reserved2[2];
    uint8_t Allocation;
    uint8_t Control;
} CDB_REQUEST_SENSE;

typedef struct {
    uint8_t Opcode;
    uint8_t Immediate;
    uint8_t Reserved2;
    uint8_t Modifier;
    uint8_t Flags; /* bits 7 to 4: power condition */
    uint8_t Control;
} CDB_START_STOP;

typedef struct {
    uint8_t Opcode;
    uint8_t Reserved1;
    uint8_t Select;
    uint8_t Reserved3[3];
    BE32 Allocation;
    uint8_t Reserved10;
    uint8_t Control;
} CDB_REPORT_LUNS;

_Static_assert(sizeof(CDB_BLOCKS_6) == 6 && sizeof(CDB_BLOCKS_10) == 10, "CDB");
_Static_assert(sizeof(CDB_BLOCKS_12) == 12 && sizeof(CDB_BLOCKS_16) == 16, "CDB");
_Static_assert(sizeof(CDB_READ_CAPACITY_10) == 10 && sizeof(CDB_READ_CAPACITY_16) == 16, "CDB");
_Static_assert(sizeof(CDB_PERSISTENT_RESERVE_IN) == 10 && sizeof(CDB_PERSISTENT_RESERVE_OUT) == 10, "CDB");
_Static_assert(sizeof(CDB_UNMAP) == 10 && sizeof(CDB_INQUIRY) == 6, "CDB");
_Static_assert(sizeof(CDB_MODE_SENSE_6) == 6 && sizeof(CDB_MODE_SENSE_10) == 10, "CDB");
_Static_assert(sizeof(CDB_REQUEST_SENSE) == 6 && sizeof(CDB_START_STOP) == 6, "CDB");
_Static_assert(sizeof(CDB_REPORT_LUNS) == 12, "CDB");

/* Fixed format sense data. */
typedef struct {
    uint8_t ResponseCode;
    uint8_t Obsolete1;
    uint8_t Key;
    BE32 Information;
    uint8_t AdditionalLength; /* of what follows */
    BE32 CommandInformation;
    uint8_t Asc;
    uint8_t Ascq;
    uint8_t FieldReplaceableUnit;
    uint8_t KeySpecific[3];
} SENSE_FIXED;

/* Descriptor format sense data without descriptors. */
typedef struct {
    uint8_t ResponseCode;
    uint8_t Key;
    uint8_t Asc;
    uint8_t Ascq;
    uint8_t Reserved4[3];
    uint8_t AdditionalLength;
} SENSE_DESCRIPTOR;

_Static_assert(sizeof(SENSE_FIXED) == 18 && sizeof(SENSE_DESCRIPTOR) == 8, "sense data");

/* Standard INQUIRY data. */
typedef struct {
    uint8_t DeviceType;
    uint8_t Removable;
    uint8_t Version;
    uint8_t ResponseFormat;
    uint8_t AdditionalLength; /* of what follows */
    uint8_t Flags5;
    uint8_t Flags6;
    uint8_t Flags7;
    uint8_t Vendor[8];
    uint8_t Product[16];
    uint8_t Revision[4];
    uint8_t VendorSpecific[20];
    uint8_t Reserved56[2];
    BE16 VersionDescriptors[8];
    uint8_t Reserved74[22];
} INQUIRY_DATA;

typedef struct {
    uint8_t DeviceType;
    uint8_t PageCode;
    BE16 PageLength; /* of what follows */
} VPD_HEADER;

/* Designation descriptor of page 83h; the designator itself follows. */
typedef struct {
    uint8_t CodeSet;
    uint8_t Type;
    uint8_t Reserved2;
    uint8_t Length;
} VPD_DESIGNATION;

/* Page B0h after the header. */
typedef struct {
    uint8_t WriteSameNonZero;
    uint8_t MaximumCompareAndWrite;
    BE16 OptimalGranularity;
    BE32 MaximumTransfer;
    BE32 OptimalTransfer;
    BE32 MaximumPrefetch;
    BE32 MaximumUnmapBlocks;
    BE32 MaximumUnmapDescriptors;
    BE32 OptimalUnmapGranularity;
    BE32 UnmapAlignment; /* bit 31: the rest is valid */
    BE64 MaximumWriteSame;
    uint8_t Reserved44[20];
} VPD_BLOCK_LIMITS;

/* Page B1h after the header. */
typedef struct {
    BE16 RotationRate;
    uint8_t ProductType;
    uint8_t FormFactor;
    uint8_t Flags8;
    uint8_t Reserved9[55];
} VPD_BLOCK_CHARACTERISTICS;

/* Page B2h after the header. */
typedef struct {
    uint8_t ThresholdExponent;
    uint8_t Flags5;
    uint8_t ProvisioningType;
    uint8_t Reserved7;
} VPD_PROVISIONING;

_Static_assert(sizeof(INQUIRY_DATA) == 96 && sizeof(VPD_HEADER) == 4 && sizeof(VPD_DESIGNATION) == 4, "INQUIRY");
_Static_assert(sizeof(VPD_BLOCK_LIMITS) == 0x3C && sizeof(VPD_BLOCK_CHARACTERISTICS) == 0x3C, "VPD");
_Static_assert(sizeof(VPD_PROVISIONING) == 4, "VPD");

typedef struct {
    uint8_t DataLength; /* of what follows */
    uint8_t MediumType;
    uint8_t DeviceSpecific;
    uint8_t DescriptorLength;
} MODE_HEADER_6;

typedef struct {
    BE16 DataLength; /* of what follows */
    uint8_t MediumType;
    uint8_t DeviceSpecific;
    uint8_t LongLba; /* bit 0 */
    uint8_t Reserved5;
    BE16 DescriptorLength;
} MODE_HEADER_10;

/* Short LBA form: the block length has the lower 24 bits of the second field. */
typedef struct {
    BE32 Blocks;
    BE32 BlockLength;
} MODE_DESCRIPTOR_SHORT;

/* Long LBA form. */
typedef struct {
    BE64 Blocks;
    uint8_t Reserved8[4];
    BE32 BlockLength;
} MODE_DESCRIPTOR_LONG;

/* Caching, page 08h. */
typedef struct {
    uint8_t PageCode;
    uint8_t PageLength; /* of what follows */
    uint8_t Flags2;
    uint8_t Retention;
    BE16 DisablePrefetchLength;
    BE16 MinimumPrefetch;
    BE16 MaximumPrefetch;
    BE16 MaximumPrefetchCeiling;
    uint8_t Flags12;
    uint8_t Segments;
    BE16 SegmentSize;
    uint8_t Reserved16;
    uint8_t Obsolete17[3];
} MODE_CACHING;

/* Control, page 0Ah. */
typedef struct {
    uint8_t PageCode;
    uint8_t PageLength; /* of what follows */
    uint8_t Flags2;
    uint8_t Flags3;
    uint8_t Flags4;
    uint8_t Flags5;
    uint8_t Obsolete6[2];
    BE16 BusyTimeout;
    BE16 SelfTestTime;
} MODE_CONTROL;

_Static_assert(sizeof(MODE_HEADER_6) == 4 && sizeof(MODE_HEADER_10) == 8, "mode parameter header");
_Static_assert(sizeof(MODE_DESCRIPTOR_SHORT) == 8 && sizeof(MODE_DESCRIPTOR_LONG) == 16, "block descriptor");
_Static_assert(sizeof(MODE_CACHING) == 20 && sizeof(MODE_CONTROL) == 12, "mode page");

typedef struct {
    BE32 LastLba;
    BE32 BlockLength;
} CAPACITY_10;

typedef struct {
    BE64 LastLba;
    BE32 BlockLength;
    uint8_t Protection;
    uint8_t Exponents;  /* bits 3 to 0: logical blocks per physical block */
    BE16 LowestAligned; /* bit 15: LBPME, bit 14: LBPRZ */
    uint8_t Reserved16[16];
} CAPACITY_16;

typedef struct {
    BE16 DataLength;            /* of what follows */
    BE16 DescriptorsDataLength; /* of the descriptors */
    uint8_t Reserved4[4];
} UNMAP_HEADER;

typedef struct {
    BE64 Lba;
    BE32 Blocks;
    uint8_t Reserved12[4];
} UNMAP_DESCRIPTOR;

/* One LUN at most. */
typedef struct {
    BE32 ListLength;
    uint8_t Reserved4[4];
    BE64 Lun;
} LUN_LIST;

_Static_assert(sizeof(CAPACITY_10) == 8 && sizeof(CAPACITY_16) == 32, "READ CAPACITY");
_Static_assert(sizeof(UNMAP_HEADER) == 8 && sizeof(UNMAP_DESCRIPTOR) == 16, "UNMAP");
_Static_assert(sizeof(LUN_LIST) == 16, "REPORT LUNS");
