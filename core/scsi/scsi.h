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
#define SCSI_SENSE_SIZE 18u              /* fixed format, SPC-4 */
#define SCSI_UNMAP_DESCRIPTORS_MAX 4095u /* of 16 bytes, behind 8 of header: the list has a length of 16 bits */

/* What the outside sees of a disk. Filled once by its owner, except for BlockCount, which ScsiResize may change. */
typedef struct {
    uint64_t BlockCount;              /* logical blocks: ScsiSizeIsValid */
    uint32_t BlockSize;               /* bytes: 512 or 4096 */
    uint32_t PhysicalBlockSize;       /* bytes: a power of two, at least BlockSize */
    uint32_t OptimalBlocks;           /* VPD B0 optimal transfer length, blocks; 0 = not reported */
    uint32_t MaximumBlocks;           /* longest READ, WRITE or VERIFY, blocks; 0 = no limit */
    uint32_t MaximumUnmapDescriptors; /* UNMAP: most descriptors in one command; 0 = no limit */
    bool ReadOnly;                    /* WP in mode pages; writes end with DATA PROTECT */
    bool WriteCache;                  /* WCE: the backend can be told to flush */
    bool ForceUnitAccess;             /* DPOFUA: FUA is honoured; set it with WriteCache, or Windows gives up on both */
    bool Unmap;                       /* logical block provisioning: UNMAP works */
    bool UnmapAnchor;                 /* UNMAP may anchor blocks */
    bool PersistentReservations;      /* PERSISTENT RESERVE IN and OUT exist: the backend serves them */
    bool Rotational;                  /* VPD B1 medium rotation rate: not reported, else non-rotating */
    bool NaaSpecified;                /* VPD 83 carries Naa */
    uint8_t Naa[16];
    char Revision[5];                       /* INQUIRY product revision level, 4 characters */
    char SerialNumber[SCSI_SERIAL_MAX + 1]; /* VPD 80; terminated */
} SCSI_DISK;

/* SAM-5 table of status codes, as far as used. */
typedef enum {
    SCSI_STATUS_GOOD = 0x00,
    SCSI_STATUS_CHECK_CONDITION = 0x02,
    SCSI_STATUS_BUSY = 0x08,
    SCSI_STATUS_RESERVATION_CONFLICT = 0x18,
    SCSI_STATUS_TASK_SET_FULL = 0x28
} SCSI_STATUS;

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
    SCSI_SENSE_ABORTED_COMMAND = 0xB,
    SCSI_SENSE_COMPLETED = 0xF
} SCSI_SENSE_KEY;

/* Sense key with its additional sense code and qualifier, and the INFORMATION field (SPC-4). */
typedef struct {
    uint8_t Key;
    uint8_t Asc;
    uint8_t Ascq;
    bool InformationValid;
    uint64_t Information; /* with InformationValid; for commands about blocks, the LBA of the first bad one */
} SCSI_SENSE;

typedef enum {
    SCSI_ACTION_DONE,   /* answered: Status, Sense, DataLength */
    SCSI_ACTION_READ,   /* Lba, Blocks, Fua: fill the data buffer */
    SCSI_ACTION_WRITE,  /* Lba, Blocks, Fua: store the data buffer */
    SCSI_ACTION_VERIFY, /* Lba, Blocks: read the medium, return nothing */
    SCSI_ACTION_FLUSH,  /* with WriteCache only: what was acknowledged goes to the medium; Lba, Blocks (0: all) */
    SCSI_ACTION_UNMAP,  /* Descriptors, DescriptorCount: checked, each inside the disk */
    SCSI_ACTION_PERSISTENT_RESERVE_IN, /* ServiceAction: fill the data buffer, DataLength bytes at most */
    SCSI_ACTION_PERSISTENT_RESERVE_OUT /* ServiceAction, Scope, Type; the data buffer starts with the parameter list */
} SCSI_ACTION;

typedef struct {
    SCSI_ACTION Action;
    SCSI_STATUS Status;
    SCSI_SENSE Sense;  /* with CHECK CONDITION */
    size_t DataLength; /* DONE: bytes written to the data buffer; else bytes to transfer, 65535 at most for PERSISTENT
                          RESERVE IN and OUT */
    uint64_t Lba;
    uint32_t Blocks;            /* may be 0: nothing to do, status GOOD */
    bool Fua;                   /* asked for and reported as supported */
    bool Anchor;                /* UNMAP */
    uint32_t DescriptorCount;   /* UNMAP: 0 is legal */
    const uint8_t *Descriptors; /* UNMAP: inside the data buffer; read with ScsiUnmapDescriptor */
    uint64_t UnmapLimit;        /* UNMAP: blocks of the disk, for ScsiUnmapDescriptor; 0 = don't check again */
    uint8_t ServiceAction;      /* PERSISTENT RESERVE: one that SPC-4 defines */
    uint8_t Scope;              /* PERSISTENT RESERVE OUT: four bits, as they came; so is Type */
    uint8_t Type;
} SCSI_RESULT;

/*
 * Whether a disk may have BlockCount blocks of BlockSize bytes: at least one
 * block, and below 2^63 bytes, as Windows' byte offsets are signed. SCSI alone
 * allows more; the decoder itself works with every BlockCount but 0.
 */
static inline bool ScsiSizeIsValid(uint64_t BlockCount, uint32_t BlockSize)
{
    return BlockCount != 0 && BlockCount <= INT64_MAX / BlockSize;
}

/*
 * Changes the size of a disk while others decode for it: each command sees the
 * old or the new size, and only one of them. One call at a time. Callers tell
 * the initiator with ScsiReportAttention.
 */
void ScsiResize(SCSI_DISK *Disk, uint64_t BlockCount);

/*
 * Decodes Cdb (CdbLength bytes, 6 to 16 used; longer ones are refused) for
 * Disk. Data/DataLength is the command's data buffer, both directions: for
 * answers it is written up to DataLength and the allocation length of the CDB,
 * whichever is less; for UNMAP it is read; for READ, WRITE and PERSISTENT
 * RESERVE only its length counts: a transfer out of the buffer that is larger
 * than that, and a READ into it, are refused. Data may be NULL, which READ,
 * WRITE and VERIFY don't mind; to all others it is a buffer of no bytes,
 * whatever DataLength says.
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

/* The capacity of the disk has changed: 6/2A/09. */
extern const SCSI_SENSE ScsiCapacityChanged;

/*
 * Takes the place of ScsiDecode while the unit attention condition Attention
 * is pending (SAM-5, unit attention conditions). True: Result is the answer to
 * the command, and the condition is over: CHECK CONDITION, or, for REQUEST
 * SENSE, GOOD with the sense as data. False: the command doesn't report it
 * (INQUIRY, REPORT LUNS, a broken REQUEST SENSE) and has to be decoded as ever;
 * the condition remains.
 */
bool ScsiReportAttention(const SCSI_SENSE *Attention, const uint8_t *Cdb, size_t CdbLength, void *Data,
                         size_t DataLength, SCSI_RESULT *Result);

/*
 * The status with which to end a command that a backend has answered with
 * Status and, for CHECK CONDITION, Sense. GOOD, RESERVATION CONFLICT and CHECK
 * CONDITION with a sense key stay as they are. BUSY and TASK SET FULL become
 * ABORTED COMMAND, INSUFFICIENT RESOURCES (B/55/03), which is tried again as
 * well, but not for ever. All else is a backend that has gone wrong: HARDWARE
 * ERROR, INTERNAL TARGET FAILURE (4/44/00).
 */
SCSI_STATUS ScsiBackendStatus(uint8_t Status, SCSI_SENSE *Sense);

/*
 * Fixed format sense data, current error. Writes min(Size, SCSI_SENSE_SIZE)
 * bytes and returns that number. INFORMATION that doesn't fit into the format's
 * 32 bits is left out, with VALID 0: D_SENSE in the Control mode page is 0, so
 * the format stays the fixed one (SPC-4, fixed format sense data).
 */
size_t ScsiSenseBuild(const SCSI_SENSE *Sense, uint8_t *Buffer, size_t Size);
