/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The SCSI side of a disk: decodes a CDB into either a complete answer
 * (status, sense, data) or a block request that the disk's backend has to
 * serve. Does no I/O and keeps no state.
 *
 * Sources: SPC-4 (primary commands), SBC-3 (block commands), SAM-5 (status);
 * named by command or clause, whose numbers differ between revisions.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_SERIAL_MAX 255u
#define SCSI_SENSE_SIZE 18u /* fixed format, SPC-4 */

/* What the outside sees of a disk. Filled once by its owner; BlockCount may grow under the owner's lock. */
typedef struct {
    uint64_t BlockCount;              /* logical blocks, at least 1 */
    uint32_t BlockSize;               /* bytes: 512 or 4096 */
    uint32_t PhysicalBlockSize;       /* bytes: a power of two, at least BlockSize */
    uint32_t OptimalBlocks;           /* VPD B0 optimal transfer length, blocks; 0 = not reported */
    uint32_t MaximumBlocks;           /* longest READ, WRITE or VERIFY, blocks; 0 = no limit */
    uint32_t MaximumUnmapDescriptors; /* UNMAP: most descriptors in one command; 0 = no limit */
    bool ReadOnly;                    /* WP in mode pages; writes end with DATA PROTECT */
    bool WriteCache;                  /* WCE: the backend can be told to flush */
    bool ForceUnitAccess;             /* DPOFUA: FUA is honoured; set it with WriteCache, or Windows gives up on both */
    bool Unmap;                       /* logical block provisioning: UNMAP works */
    bool UnmapAnchor;
    bool Rotational;   /* VPD B1 medium rotation rate: not reported, else non-rotating */
    bool NaaSpecified; /* VPD 83 carries Naa */
    uint8_t Naa[16];
    char Revision[5];                       /* INQUIRY product revision level, 4 characters */
    char SerialNumber[SCSI_SERIAL_MAX + 1]; /* VPD 80; terminated */
} SCSI_DISK;

/* SAM-5 table of status codes, as far as used. */
typedef enum { SCSI_STATUS_GOOD = 0x00, SCSI_STATUS_CHECK_CONDITION = 0x02 } SCSI_STATUS;

/* Sense keys of SPC-4. */
typedef enum {
    SCSI_SENSE_NO_SENSE = 0x0,
    SCSI_SENSE_RECOVERED_ERROR = 0x1,
    SCSI_SENSE_NOT_READY = 0x2,
    SCSI_SENSE_MEDIUM_ERROR = 0x3,
    SCSI_SENSE_HARDWARE_ERROR = 0x4,
    SCSI_SENSE_ILLEGAL_REQUEST = 0x5,
    SCSI_SENSE_UNIT_ATTENTION = 0x6,
    SCSI_SENSE_DATA_PROTECT = 0x7,
    SCSI_SENSE_ABORTED_COMMAND = 0xB
} SCSI_SENSE_KEY;

/* Sense key with its additional sense code and qualifier (SPC-4). */
typedef struct {
    uint8_t Key;
    uint8_t Asc;
    uint8_t Ascq;
} SCSI_SENSE;

typedef enum {
    SCSI_ACTION_DONE,   /* answered: Status, Sense, DataLength */
    SCSI_ACTION_READ,   /* Lba, Blocks, Fua: fill the data buffer */
    SCSI_ACTION_WRITE,  /* Lba, Blocks, Fua: store the data buffer */
    SCSI_ACTION_VERIFY, /* Lba, Blocks: read the medium, return nothing */
    SCSI_ACTION_FLUSH,  /* with WriteCache only: what was acknowledged goes to the medium; Lba, Blocks (0: all) */
    SCSI_ACTION_UNMAP   /* Descriptors, DescriptorCount: checked, each inside the disk */
} SCSI_ACTION;

typedef struct {
    SCSI_ACTION Action;
    SCSI_STATUS Status;
    SCSI_SENSE Sense;  /* with CHECK CONDITION */
    size_t DataLength; /* DONE: bytes written to the data buffer; else bytes to transfer */
    uint64_t Lba;
    uint32_t Blocks;            /* may be 0: nothing to do, status GOOD */
    bool Fua;                   /* asked for and reported as supported */
    bool Anchor;                /* UNMAP */
    uint32_t DescriptorCount;   /* UNMAP: 0 is legal */
    const uint8_t *Descriptors; /* UNMAP: inside the data buffer; read with ScsiUnmapDescriptor */
    uint64_t UnmapLimit;        /* UNMAP: blocks of the disk, for ScsiUnmapDescriptor; 0 = don't check again */
} SCSI_RESULT;

/*
 * Decodes Cdb (CdbLength bytes, 6 to 16 used; longer ones are refused) for
 * Disk. Data/DataLength is the command's data buffer, both directions: for
 * answers it is written up to DataLength and the allocation length of the CDB,
 * whichever is less; for UNMAP it is read; for READ and WRITE only its length
 * counts: a transfer larger than the buffer is refused. Data may be NULL,
 * which READ, WRITE and VERIFY don't mind; to all others it is a buffer of no
 * bytes, whatever DataLength says.
 */
void ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                SCSI_RESULT *Result);

/*
 * Descriptor Index (below DescriptorCount) of an UNMAP result: Blocks blocks at
 * Lba, Blocks may be 0. Uses Descriptors and UnmapLimit only. Reads the data
 * buffer, which must still be there. Its sender may have changed it meanwhile:
 * what is outside UnmapLimit now is 0 blocks at 0. Ask once per descriptor and
 * keep the answer.
 */
void ScsiUnmapDescriptor(const SCSI_RESULT *Result, uint32_t Index, uint64_t *Lba, uint32_t *Blocks);

/* Fixed format sense data, current error. Writes min(Size, SCSI_SENSE_SIZE) bytes and returns that number. */
size_t ScsiSenseBuild(const SCSI_SENSE *Sense, uint8_t *Buffer, size_t Size);
