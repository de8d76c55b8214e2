/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A packet: one SCSI command on its way through the port driver. It owns an SRB, the IRP that carries it, the sense
 * buffer and, for commands of our own, the data; it sends itself again when the result calls for that, and reports the
 * final result once.
 *
 * The sender has entered the disk (DiskEnter) for as long as a packet of its is alive.
 */
#pragma once

#include "disk.h"

#define PACKET_SENSE_BYTES 252u /* the most that descriptor format sense has, SPC-4 4.5 */
#define PACKET_RETRIES 4u       /* as often as classpnp sends a request again (its MAXIMUM_RETRIES) */

typedef struct PACKET PACKET;

/* The result: STATUS_SUCCESS or what classpnp makes of SRB status and sense. IRQL <= DISPATCH_LEVEL. Owns Packet. */
typedef VOID PACKET_DONE(PACKET *Packet, NTSTATUS Status);

struct PACKET {
    SCSI_REQUEST_BLOCK Srb; /* after completion: status and DataTransferLength, the bytes moved */
    DISK *Disk;
    PIRP Irp;
    PACKET_DONE *Done;
    PVOID Context; /* of Done */

    /* What to transfer; the SRB's copies are set afresh each time that it is sent. */
    PMDL Mdl;
    PVOID Data;
    ULONG DataBytes;
    PVOID OwnBuffer; /* NULL when the data belongs to somebody else */

    ULONG RetriesLeft;
    LIST_ENTRY RetryLink;
    ULONGLONG RetryTime; /* ClockMs */
    UCHAR Sense[PACKET_SENSE_BYTES];
};

/* Before and after everything else here. PASSIVE_LEVEL. */
NTSTATUS PacketInitialize(VOID);
VOID PacketUninitialize(VOID);

/*
 * A packet for the given command, without data. Flags: SRB_FLAGS_DATA_IN or _OUT when data will be set. NULL: no
 * memory.
 */
PACKET *PacketCreate(DISK *Disk, const UCHAR *Cdb, UCHAR CdbBytes, ULONG Flags);

/* The same with a zeroed buffer of the packet's own. */
PACKET *PacketCreateWithBuffer(DISK *Disk, const UCHAR *Cdb, UCHAR CdbBytes, ULONG Flags, ULONG BufferBytes);

VOID PacketFree(PACKET *Packet);

/* Sends; Done is called exactly once, perhaps before the return. */
VOID PacketSend(PACKET *Packet, PACKET_DONE *Done, PVOID Context);

/* Sends and waits. PASSIVE_LEVEL, PnP's thread only. The packet stays the caller's. */
NTSTATUS PacketSendAndWait(PACKET *Packet);

/* sense.c: what becomes of a completed SRB, as classpnp's ClassInterpretSenseInfo decides. */
typedef struct {
    NTSTATUS Status;
    BOOLEAN Retry;
    BOOLEAN CapacityChanged; /* unit attention 2A/09: read the capacity again */
    ULONG DelayMs;           /* before a retry */
} VERDICT;

VERDICT SenseJudge(const SCSI_REQUEST_BLOCK *Srb, const UCHAR *Sense);
