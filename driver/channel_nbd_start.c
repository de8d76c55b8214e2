/* SPDX-License-Identifier: LGPL-2.1-only */
/* The beginning and the end of an NBD channel's memory, and what its server's words mean for the disk. */
#include "channel_nbd.h"

#include "base/text.h"
#include "log.h"
#include "pool.h"
#include "status.h"

/*
 * Windows' file systems know physical sectors of up to 4096 bytes, and programs refuse larger ones ["Troubleshoot
 * errors related to system disk sector size greater than 4 KB"]; a server that prefers more still takes 4096.
 */
#define PHYSICAL_BLOCK_MOST 4096u

/* Takes over the addresses, with the port. PASSIVE_LEVEL. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static void ConnectionTakeAddresses(CONNECTION *Connection)
{
    UINT32 Number = Connection->Disk->Properties.NbdProperties.PortNumber;
    USHORT Port = (USHORT)(Number << 8 | Number >> 8); /* network byte order */
    for (PADDRINFOEXW Info = Connection->Resolved; Info != NULL; Info = Info->ai_next) {
        if (Connection->AddressCount == CONNECTION_ADDRESSES) {
            break;
        }
        /* Without hints, an address may be listed once for each kind of socket. */
        if (Info->ai_socktype != 0 && Info->ai_socktype != SOCK_STREAM) {
            continue;
        }
        PSOCKADDR_STORAGE Address = &Connection->Addresses[Connection->AddressCount];
        if (Info->ai_family == AF_INET && Info->ai_addrlen >= sizeof(SOCKADDR_IN)) {
            RtlCopyMemory(Address, Info->ai_addr, sizeof(SOCKADDR_IN));
            ((SOCKADDR_IN *)Address)->sin_port = Port;
        } else if (Info->ai_family == AF_INET6 && Info->ai_addrlen >= sizeof(SOCKADDR_IN6)) {
            RtlCopyMemory(Address, Info->ai_addr, sizeof(SOCKADDR_IN6));
            ((SOCKADDR_IN6 *)Address)->sin6_port = Port;
        } else {
            continue;
        }
        Connection->AddressCount++;
    }
    if (Connection->Resolved != NULL) {
        NetFreeAddresses(&Connection->Disk->Adapter->Net, Connection->Resolved);
        Connection->Resolved = NULL;
    }
}

_Use_decl_annotations_
VOID NTAPI ConnectionResolved(PDEVICE_OBJECT DeviceObject, PVOID Context)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    CONNECTION *Connection = Context;
    DISK *Disk = Connection->Disk;
    /* From RESOLVED on, a DPC can take the connection to its end before this thread gets on. */
    DiskReference(Disk);
    if (NT_SUCCESS(Connection->ControlStatus)) {
        ConnectionTakeAddresses(Connection);
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    const NBD_CONNECTION_PROPERTIES *Nbd = &Disk->Properties.NbdProperties;
    LOG(ResolvedTo, Disk->Properties.InstanceName, Nbd->Hostname, Nbd->PortNumber, Connection->AddressCount,
        (UINT32)Connection->ControlStatus);
    if (Connection->AddressCount == 0) {
        ConnectionNote(Connection, WIN32_HOST_NOT_FOUND, 0,
                       "the name could not be resolved (check its spelling and DNS)");
    }
    ConnectionMove(Connection, CONNECTION_RESOLVED);
    KeReleaseSpinLock(&Disk->Lock, Irql);
    ConnectionDrain(Connection);
    DiskRelease(Disk);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void NbdChannelStart(CHANNEL *Channel)
{
    CONNECTION *Connection = (CONNECTION *)Channel;
    DiskReference(Connection->Disk);
    NetResolve(&Connection->Disk->Adapter->Net, &Connection->Control, &Connection->HostString, &Connection->Resolved);
}

/* ---- what the queue and the disk ask of the channel ---- */

_IRQL_requires_max_(DISPATCH_LEVEL)
static void ConnectionKick(CHANNEL *Channel, BOOLEAN Alone)
{
    CONNECTION *Connection = (CONNECTION *)Channel;
    if (Alone) {
        TransferTransmit(Connection);
    } else {
        /* After what this processor is doing, which may be to give us many requests: one send takes them all. */
        ConnectionQueueDpc(Connection);
    }
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void ConnectionStop(CHANNEL *Channel)
{
    CONNECTION *Connection = (CONNECTION *)Channel;
    KIRQL Irql;
    KeAcquireSpinLock(&Connection->Disk->Lock, &Irql);
    Connection->Stop = TRUE;
    if (!Connection->Finished) {
        ConnectionQueueDpc(Connection);
    }
    KeReleaseSpinLock(&Connection->Disk->Lock, Irql);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void ConnectionFree(CHANNEL *Channel)
{
    CONNECTION *Connection = (CONNECTION *)Channel;
    TransferFree(Connection);
    NetOpFree(&Connection->Control);
    NetOpFree(&Connection->Close);
    if (Connection->ResolveWork != NULL) {
        IoFreeWorkItem(Connection->ResolveWork);
    }
    PoolFree(Connection->Slots);
    PoolFree(Connection);
}

static const CHANNEL_TYPE ConnectionType = {ConnectionKick, TransferRescue, ConnectionStop, ConnectionFree};

/* What the server said, as SCSI and as the published properties. */
_IRQL_requires_(DISPATCH_LEVEL)
static void ConnectionDescribe(CONNECTION *Connection, SCSI_DISK *Scsi)
{
    const NBD_EXPORT *Export = &Connection->Client.Export;
    WNBD_PROPERTIES *Properties = &Connection->Disk->Properties;
    bool Flush = (Export->Flags & NBD_FLAG_SEND_FLUSH) != 0;
    bool Fua = (Export->Flags & NBD_FLAG_SEND_FUA) != 0;
    Scsi->BlockSize = Export->BlockSize;
    Scsi->BlockCount = Export->Size / Export->BlockSize;
    Scsi->PhysicalBlockSize = Export->PreferredBlock > Export->BlockSize ? Export->PreferredBlock : Export->BlockSize;
    if (Scsi->PhysicalBlockSize > PHYSICAL_BLOCK_MOST) {
        Scsi->PhysicalBlockSize = PHYSICAL_BLOCK_MOST;
    }
    Scsi->ReadOnly = Properties->Flags.ReadOnly || (Export->Flags & NBD_FLAG_READ_ONLY) != 0;
    Scsi->WriteCache = Flush;
    Scsi->ForceUnitAccess = Fua || Flush;
    Scsi->Unmap = !Scsi->ReadOnly && (Export->Flags & NBD_FLAG_SEND_TRIM) != 0;
    Scsi->MaximumUnmapDescriptors = Properties->MaxUnmapDescCount;
    Scsi->Rotational = (Export->Flags & NBD_FLAG_ROTATIONAL) != 0;

    Properties->BlockCount = Scsi->BlockCount;
    Properties->BlockSize = Scsi->BlockSize;
    Properties->Flags.ReadOnly = Scsi->ReadOnly;
    Properties->Flags.FlushSupported = Flush;
    Properties->Flags.FUASupported = Scsi->ForceUnitAccess;
    Properties->Flags.UnmapSupported = Scsi->Unmap;
}

_IRQL_requires_(DISPATCH_LEVEL)
void ConnectionEstablished(CONNECTION *Connection)
{
    DISK *Disk = Connection->Disk;
    const NBD_EXPORT *Export = &Connection->Client.Export;
    ConnectionDescribe(Connection, &Disk->Scsi);
    Disk->Queue.BlockSize = Export->BlockSize;
    /* No READ or WRITE is longer; a VERIFY is cut into pieces that don't keep the others waiting for long. */
    Disk->Queue.MaximumPayload = Export->MaximumPayload < WNBD_DEFAULT_MAX_TRANSFER_LENGTH
                                     ? Export->MaximumPayload
                                     : WNBD_DEFAULT_MAX_TRANSFER_LENGTH;
    Disk->Queue.BackendFua = (Export->Flags & NBD_FLAG_SEND_FUA) != 0;
    Disk->Queue.WriteThrough = Disk->Queue.BackendFua && (Export->Flags & NBD_FLAG_SEND_FLUSH) == 0;
    UINT64 Hidden = Export->Size % Export->BlockSize;
    if (Hidden != 0) {
        TEXT Text;
        TextInitialize(&Text, Connection->Success.Message, sizeof(Connection->Success.Message));
        TextAppend(&Text, "the export has ");
        TextAppendDecimal(&Text, Export->Size);
        TextAppend(&Text, " bytes, which is not a multiple of the block size; its last ");
        TextAppendDecimal(&Text, Hidden);
        TextAppend(&Text, " bytes are not part of the disk");
        LOG(ExportTailHidden, Disk->Properties.InstanceName, Export->Size, Hidden);
    }
    Connection->Success.Phase = WnbdCreatePhaseDone;
    Connection->Established = TRUE;
    Connection->Since = KeQueryUnbiasedInterruptTime();
    Connection->Announce = TRUE;
    ConnectionMove(Connection, CONNECTION_READY);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS ConnectionInitialize(CONNECTION *Connection)
{
    DISK *Disk = Connection->Disk;
    KeInitializeDpc(&Connection->Dpc, ConnectionDpc, Connection);
    KeInitializeDpc(&Connection->TimerDpc, ConnectionTimerDpc, Connection);
    KeInitializeTimer(&Connection->Timer);
    Connection->State = CONNECTION_RESOLVING;
    Connection->Since = KeQueryUnbiasedInterruptTime();
    Connection->ControlBusy = TRUE;
    Connection->StreamSlot = SLOT_NONE;
    Connection->TransmitCount = Disk->Adapter->SendWindow + 1;
    Connection->ResolveWork = IoAllocateWorkItem(Disk->Adapter->Fdo);
    Connection->Slots = PoolAllocate(Disk->Queue.Depth * sizeof(NBD_SLOT));
    if (Connection->ResolveWork == NULL || Connection->Slots == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    const CHAR *Host = Disk->Properties.NbdProperties.Hostname;
    ULONG HostBytes;
    NTSTATUS Status = RtlUTF8ToUnicodeN(Connection->Host, sizeof(Connection->Host) - sizeof(WCHAR), &HostBytes, Host,
                                        (ULONG)strlen(Host));
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    Connection->HostString.Buffer = Connection->Host;
    Connection->HostString.Length = (USHORT)HostBytes;
    Connection->HostString.MaximumLength = sizeof(Connection->Host);
    Status = NetOpInitialize(&Connection->Control, ConnectionControlDone, Connection);
    if (NT_SUCCESS(Status)) {
        Status = NetOpInitialize(&Connection->Close, ConnectionCloseDone, Connection);
    }
    if (NT_SUCCESS(Status)) {
        Status = TransferInitialize(Connection);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS NbdChannelCreate(DISK *Disk, CHANNEL **Channel)
{
    CONNECTION *Connection = PoolAllocate(sizeof(*Connection));
    if (Connection == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    Connection->Channel.Type = &ConnectionType;
    Connection->Disk = Disk;
    NTSTATUS Status = ConnectionInitialize(Connection);
    if (!NT_SUCCESS(Status)) {
        ConnectionFree(&Connection->Channel);
        return Status;
    }
    *Channel = &Connection->Channel;
    return STATUS_SUCCESS;
}
