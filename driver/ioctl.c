/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands as one table. The dispatcher checks the sizes before a handler
 * sees anything; the buffer is the I/O manager's copy (METHOD_BUFFERED), so
 * nobody changes it under a handler. No handler waits.
 */
#include "ioctl_command.h"

#include "channel_user.h"
#include "disk.h"
#include "options_ioctl.h"
#include "statistics.h"
#include "version.h"

typedef struct {
    ULONG Code;
    HANDLER *Handler;
    ULONG InputBytes;  /* at least */
    ULONG OutputBytes; /* at least */
} COMMAND_TYPE;

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN CommandTerminated(const CHAR *String, SIZE_T SizeBytes)
{
    return memchr(String, '\0', SizeBytes) != NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN CommandAllZero(const UCHAR *Bytes, SIZE_T SizeBytes)
{
    UCHAR Any = 0;
    for (SIZE_T Index = 0; Index < SizeBytes; Index++) {
        Any |= Bytes[Index];
    }
    return Any == 0;
}

/* The disk that a command names, with a reference. Reserved: the rest of the command, all of which has to be 0. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandDisk(COMMAND *Command, const CHAR *InstanceName, const VOID *Reserved, SIZE_T ReservedBytes,
                            DISK **Disk)
{
    if (!CommandTerminated(InstanceName, WNBD_MAX_NAME_LENGTH) || !CommandAllZero(Reserved, ReservedBytes)) {
        return STATUS_INVALID_PARAMETER;
    }
    *Disk = AdapterDiskNamed(Command->Adapter, InstanceName);
    return *Disk != NULL ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandPing(COMMAND *Command)
{
    UNREFERENCED_PARAMETER(Command);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandVersion(COMMAND *Command)
{
    PWNBD_VERSION Version = Command->Buffer;
    RtlZeroMemory(Version, sizeof(*Version));
    Version->Major = WNBD_VERSION_MAJOR;
    Version->Minor = WNBD_VERSION_MINOR;
    Version->Patch = WNBD_VERSION_PATCH;
    RtlCopyMemory(Version->Description, WNBD_VERSION_STRING, sizeof(WNBD_VERSION_STRING));
    Command->Information = sizeof(*Version);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandRemove(COMMAND *Command)
{
    const WNBD_IOCTL_REMOVE_COMMAND *Remove = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Remove->InstanceName, (const UCHAR *)&Remove->Options,
                                  sizeof(*Remove) - FIELD_OFFSET(WNBD_IOCTL_REMOVE_COMMAND, Options), &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    BOOLEAN Withdrawn = DiskWithdraw(Disk);
    if (Withdrawn) {
        /* Now, not when the connection is closed: nobody who walks the table finds the request any more. */
        IoctlCreateDone(Disk, &OutcomeRemoved);
    }
    DiskRelease(Disk);
    return Withdrawn ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandList(COMMAND *Command)
{
    PWNBD_CONNECTION_LIST List = Command->Buffer;
    const ULONG HeaderBytes = FIELD_OFFSET(WNBD_CONNECTION_LIST, Connections);
    const ULONG ElementBytes = sizeof(WNBD_CONNECTION_INFO);
    ULONG Room = (Command->OutputBytes - HeaderBytes) / ElementBytes;
    ULONG Count = 0;
    ULONG Written = 0;
    DISK *Disk;
    UINT64 Id = 0;
    while ((Disk = AdapterDiskAfter(Command->Adapter, Id)) != NULL) {
        Id = Disk->ConnectionId;
        if (Written < Room) {
            DiskDescribe(Disk, &List->Connections[Written++]);
        }
        Count++;
        DiskRelease(Disk);
    }
    List->ElementSize = ElementBytes;
    List->Count = Count;
    Command->Information = HeaderBytes + (ULONG_PTR)Written * ElementBytes;
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandShow(COMMAND *Command)
{
    const WNBD_IOCTL_SHOW_COMMAND *Show = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Show->InstanceName, Show->Reserved, sizeof(Show->Reserved), &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    DiskDescribe(Disk, Command->Buffer);
    DiskRelease(Disk);
    Command->Information = sizeof(WNBD_CONNECTION_INFO);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandStats(COMMAND *Command)
{
    const WNBD_IOCTL_STATS_COMMAND *Stats = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Stats->InstanceName, Stats->Reserved, sizeof(Stats->Reserved), &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    KIRQL Irql;
    KeAcquireSpinLock(&Disk->Lock, &Irql);
    *(PWNBD_DRV_STATS)Command->Buffer = Disk->Queue.Stats;
    KeReleaseSpinLock(&Disk->Lock, Irql);
    DiskRelease(Disk);
    Command->Information = sizeof(WNBD_DRV_STATS);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandStatsExtended(COMMAND *Command)
{
    const WNBD_IOCTL_STATS_COMMAND *Stats = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Stats->InstanceName, Stats->Reserved, sizeof(Stats->Reserved), &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    StatisticsRead(Disk, Command->Buffer);
    DiskRelease(Disk);
    Command->Information = sizeof(WNBD_DRV_STATS_EX);
    return STATUS_SUCCESS;
}

/* ---- disks that a process serves ---- */

/* A command of the process that serves the disk: Reserved has to be 0, Handler does the rest. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandServe(COMMAND *Command, UINT64 ConnectionId, const UCHAR *Reserved, SIZE_T ReservedBytes,
                             USER_COMMAND *Handler)
{
    if (!CommandAllZero(Reserved, ReservedBytes)) {
        return STATUS_INVALID_PARAMETER;
    }
    DISK *Disk = AdapterDiskOf(Command->Adapter, ConnectionId);
    if (Disk == NULL) {
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    NTSTATUS Status = Handler(Disk, Command->Irp);
    DiskRelease(Disk);
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandFetch(COMMAND *Command)
{
    const WNBD_IOCTL_FETCH_REQ_COMMAND *Fetch = Command->Buffer;
    return CommandServe(Command, Fetch->ConnectionId, Fetch->Reserved, sizeof(Fetch->Reserved), UserChannelFetch);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandRespond(COMMAND *Command)
{
    const WNBD_IOCTL_SEND_RSP_COMMAND *Respond = Command->Buffer;
    return CommandServe(Command, Respond->ConnectionId, Respond->Reserved, sizeof(Respond->Reserved),
                        UserChannelRespond);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandResize(COMMAND *Command)
{
    const WNBD_IOCTL_SET_SIZE_COMMAND *Resize = Command->Buffer;
    return CommandServe(Command, Resize->ConnectionId, Resize->Reserved, sizeof(Resize->Reserved), UserChannelResize);
}

/* ---- options ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandReloadConfig(COMMAND *Command)
{
    UNREFERENCED_PARAMETER(Command);
    return OptionsReload();
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandGetOption(COMMAND *Command)
{
    const WNBD_IOCTL_GET_DRV_OPT_COMMAND *Get = Command->Buffer;
    Command->Information = sizeof(WNBD_OPTION_VALUE);
    return CommandAllZero(Get->Reserved, sizeof(Get->Reserved)) ? OptionsIoctlGet(Command->Buffer)
                                                                : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandSetOption(COMMAND *Command)
{
    const WNBD_IOCTL_SET_DRV_OPT_COMMAND *Set = Command->Buffer;
    BOOLEAN Good = CommandAllZero(Set->Reserved, sizeof(Set->Reserved)) &&
                   CommandAllZero(Set->Value.Reserved, sizeof(Set->Value.Reserved));
    return Good ? OptionsIoctlSet(Set) : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandResetOption(COMMAND *Command)
{
    const WNBD_IOCTL_RESET_DRV_OPT_COMMAND *Reset = Command->Buffer;
    return CommandAllZero(Reset->Reserved, sizeof(Reset->Reserved)) ? OptionsIoctlReset(Reset)
                                                                    : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandListOptions(COMMAND *Command)
{
    const WNBD_IOCTL_LIST_DRV_OPT_COMMAND *List = Command->Buffer;
    return CommandAllZero(List->Reserved, sizeof(List->Reserved))
               ? OptionsIoctlList(Command->Buffer, Command->OutputBytes, List->Persistent, &Command->Information)
               : STATUS_INVALID_PARAMETER;
}

static const COMMAND_TYPE Commands[] = {
    {IOCTL_WNBD_PING, CommandPing, sizeof(WNBD_IOCTL_PING_COMMAND), 0},
    {IOCTL_WNBD_CREATE, CommandCreate, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CONNECTION_INFO)},
    {IOCTL_WNBD_REMOVE, CommandRemove, sizeof(WNBD_IOCTL_REMOVE_COMMAND), 0},
    {IOCTL_WNBD_FETCH_REQ, CommandFetch, sizeof(WNBD_IOCTL_FETCH_REQ_COMMAND), sizeof(WNBD_IO_REQUEST)},
    {IOCTL_WNBD_SEND_RSP, CommandRespond, sizeof(WNBD_IOCTL_SEND_RSP_COMMAND), 0},
    {IOCTL_WNBD_LIST, CommandList, sizeof(WNBD_IOCTL_LIST_COMMAND), FIELD_OFFSET(WNBD_CONNECTION_LIST, Connections)},
    {IOCTL_WNBD_STATS, CommandStats, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS)},
    {IOCTL_WNBD_RELOAD_CONFIG, CommandReloadConfig, sizeof(WNBD_IOCTL_RELOAD_CONFIG_COMMAND), 0},
    {IOCTL_WNBD_VERSION, CommandVersion, sizeof(WNBD_IOCTL_VERSION_COMMAND), sizeof(WNBD_VERSION)},
    {IOCTL_WNBD_SHOW, CommandShow, sizeof(WNBD_IOCTL_SHOW_COMMAND), sizeof(WNBD_CONNECTION_INFO)},
    {IOCTL_WNBD_GET_DRV_OPT, CommandGetOption, sizeof(WNBD_IOCTL_GET_DRV_OPT_COMMAND), sizeof(WNBD_OPTION_VALUE)},
    {IOCTL_WNBD_SET_DRV_OPT, CommandSetOption, sizeof(WNBD_IOCTL_SET_DRV_OPT_COMMAND), 0},
    {IOCTL_WNBD_RESET_DRV_OPT, CommandResetOption, sizeof(WNBD_IOCTL_RESET_DRV_OPT_COMMAND), 0},
    {IOCTL_WNBD_LIST_DRV_OPT, CommandListOptions, sizeof(WNBD_IOCTL_LIST_DRV_OPT_COMMAND),
     FIELD_OFFSET(WNBD_OPTION_LIST, Options)},
    {IOCTL_WNBD_SET_DISK_SIZE, CommandResize, sizeof(WNBD_IOCTL_SET_SIZE_COMMAND), 0},
    {IOCTL_WNBD_CREATE_EX, CommandCreateExtended, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CREATE_RESULT)},
    {IOCTL_WNBD_STATS_EX, CommandStatsExtended, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS_EX)},
};

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandRun(COMMAND *Command)
{
    if (Command->Buffer == NULL || Command->InputBytes < sizeof(ULONG)) {
        return STATUS_INVALID_PARAMETER;
    }
    ULONG Code = *(const ULONG *)Command->Buffer;
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(Commands); Index++) {
        const COMMAND_TYPE *Type = &Commands[Index];
        if (Type->Code != Code) {
            continue;
        }
        if (Command->InputBytes < Type->InputBytes || Command->OutputBytes < Type->OutputBytes) {
            return STATUS_INVALID_PARAMETER;
        }
        return Type->Handler(Command);
    }
    return STATUS_INVALID_DEVICE_REQUEST;
}

_Use_decl_annotations_
VOID IoctlProcess(PVOID Extension, PVOID Irp)
{
    PIRP Request = Irp;
    PIO_STACK_LOCATION Stack = IoGetCurrentIrpStackLocation(Request);
    COMMAND Command = {
        .Adapter = Extension,
        .Irp = Request,
        .Buffer = Request->AssociatedIrp.SystemBuffer,
        .InputBytes = Stack->Parameters.DeviceIoControl.InputBufferLength,
        .OutputBytes = Stack->Parameters.DeviceIoControl.OutputBufferLength,
    };
    NTSTATUS Status = CommandRun(&Command);
    if (Status != STATUS_PENDING) {
        ServiceComplete(Extension, Request, Status, NT_SUCCESS(Status) ? Command.Information : 0);
    }
}
