/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands as one table. The dispatcher checks the sizes before a handler
 * sees anything; the buffer is the I/O manager's copy (METHOD_BUFFERED), so
 * nobody changes it under a handler. No handler waits.
 */
#include "ioctl.h"

#include "base/text.h"
#include "base/utf8.h"
#include "channel_nbd.h"
#include "disk.h"
#include "options_ioctl.h"
#include "status.h"
#include "version.h"

/* One command under way. Input and output are the same memory. */
typedef struct {
    ADAPTER *Adapter;
    PIRP Irp;
    PVOID Buffer;
    ULONG InputBytes;
    ULONG OutputBytes;
    ULONG_PTR Information; /* bytes of output, for success */
} COMMAND;

/* STATUS_PENDING: the handler has taken the IRP. */
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS HANDLER(COMMAND *Command);

typedef struct {
    ULONG Code;
    HANDLER *Handler;
    ULONG InputBytes;  /* at least */
    ULONG OutputBytes; /* at least */
} COMMAND_TYPE;

_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN Terminated(const CHAR *String, SIZE_T SizeBytes)
{
    return memchr(String, '\0', SizeBytes) != NULL;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static BOOLEAN AllZero(const UCHAR *Bytes, SIZE_T SizeBytes)
{
    for (SIZE_T Index = 0; Index < SizeBytes; Index++) {
        if (Bytes[Index] != 0) {
            return FALSE;
        }
    }
    return TRUE;
}

/* The disk that a command names, with a reference. Reserved: the rest of the command, all of which has to be 0. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandDisk(COMMAND *Command, const CHAR *InstanceName, const VOID *Reserved, SIZE_T ReservedBytes,
                            DISK **Disk)
{
    if (!Terminated(InstanceName, WNBD_MAX_NAME_LENGTH) || !AllZero(Reserved, ReservedBytes)) {
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

/* ---- making a disk ---- */

/* The texts of the properties, and what may be wrong with each. */
typedef struct {
    ULONG Offset;
    ULONG SizeBytes;
    BOOLEAN Required;
    const char *Endless;
    const char *Unreadable;
    const char *Empty;
} NAME_TYPE;

#define NAME_TYPE_OF(Field, Required, Noun, Most)                                                                      \
    {FIELD_OFFSET(WNBD_PROPERTIES, Field),                                                                             \
     RTL_FIELD_SIZE(WNBD_PROPERTIES, Field),                                                                           \
     Required,                                                                                                         \
     Noun " is too long or not terminated (at most " Most " bytes)",                                                   \
     Noun " is not UTF-8, or has control characters or ones that turn the direction of writing",                       \
     Noun " is empty"}

static const NAME_TYPE NameTypes[] = {
    NAME_TYPE_OF(InstanceName, TRUE, "the instance name", "255"),
    NAME_TYPE_OF(SerialNumber, FALSE, "the serial number", "255"),
    NAME_TYPE_OF(Owner, FALSE, "the owner", "15"),
    NAME_TYPE_OF(NbdProperties.Hostname, TRUE, "the server's name", "255"),
    NAME_TYPE_OF(NbdProperties.ExportName, FALSE, "the export name", "255"),
};

_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *NameRefusal(const WNBD_PROPERTIES *Properties)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(NameTypes); Index++) {
        const NAME_TYPE *Type = &NameTypes[Index];
        const CHAR *Name = (const CHAR *)Properties + Type->Offset;
        if (!Terminated(Name, Type->SizeBytes)) {
            return Type->Endless;
        }
        if (!Utf8IsName(Name)) {
            return Type->Unreadable;
        }
        if (Type->Required && Name[0] == '\0') {
            return Type->Empty;
        }
    }
    return NULL;
}

/* Why the properties can't be used; NULL if they can. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *PropertiesRefusal(const WNBD_PROPERTIES *Properties, UINT32 *Win32Error)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    *Win32Error = WIN32_INVALID_PARAMETER;
    if (Properties->Flags.Reserved != 0 || Nbd->Flags.Reserved != 0 ||
        !AllZero(Properties->Reserved, sizeof(Properties->Reserved)) ||
        !AllZero(Nbd->Reserved, sizeof(Nbd->Reserved))) {
        return "a reserved flag or field is set (is the program made for a newer driver?)";
    }
    if (!Properties->Flags.UseKernelNbd || Properties->Flags.UseUserspaceNbd) {
        *Win32Error = WIN32_NOT_SUPPORTED;
        return "this driver serves NBD disks only (UseKernelNbd), none that a process provides";
    }
    if (Properties->Flags.PersistResSupported || Properties->Flags.UnmapAnchorSupported) {
        *Win32Error = WIN32_NOT_SUPPORTED;
        return "an NBD disk has neither persistent reservations nor anchored blocks";
    }
    if (Nbd->PortNumber == 0 || Nbd->PortNumber > 65535) {
        return "the port is not 1 to 65535";
    }
    if (Properties->BlockSize != 0 && Properties->BlockSize != 512 && Properties->BlockSize != 4096) {
        *Win32Error = WIN32_INVALID_BLOCK_LENGTH;
        return "the block size is neither 512 nor 4096";
    }
    if (Nbd->Flags.SkipNegotiation &&
        (Properties->BlockCount == 0 || Properties->BlockCount > (UINT64)MAXLONGLONG / 4096)) {
        return "without a handshake the disk's size has to be given, below 2^63 bytes";
    }
    return NULL;
}

/* The same for the whole command, whose names are looked at first: they are what people get wrong. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *CreateRefusal(const WNBD_IOCTL_CREATE_COMMAND *Create, UINT32 *Win32Error)
{
    *Win32Error = WIN32_INVALID_PARAMETER;
    const char *Words = NameRefusal(&Create->Properties);
    if (Words == NULL && !AllZero(Create->Reserved, sizeof(Create->Reserved))) {
        Words = "a reserved field of the command is set (is the program made for a newer driver?)";
    }
    return Words != NULL ? Words : PropertiesRefusal(&Create->Properties, Win32Error);
}

/* Makes the disk up to the point where it waits for its server. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CreateStart(COMMAND *Command, const WNBD_PROPERTIES *Properties, BOOLEAN Extended, const char **Words)
{
    static const char Leaving[] = "the adapter is being removed";
    DISK *Disk;
    if (!OptionsValue(OptionNewMappingsAllowed)) {
        *Words = "no new disks are made as long as the option NewMappingsAllowed is false";
        return STATUS_SHUTDOWN_IN_PROGRESS;
    }
    NTSTATUS Status = DiskCreate(Command->Adapter, Properties, &Disk);
    if (!NT_SUCCESS(Status)) {
        *Words = Status == STATUS_SHUTDOWN_IN_PROGRESS ? Leaving
                 : Status == STATUS_QUOTA_EXCEEDED     ? "too many disks exist or are still ending"
                                                       : "out of memory";
        return Status;
    }
    Disk->CreateExtended = Extended;
    /* NULL: the request has no thread, as one that a driver has made [iogetrequestorprocess]. */
    PEPROCESS Requestor = IoGetRequestorProcess(Command->Irp);
    Disk->Properties.Pid = Requestor != NULL ? (INT)(ULONG_PTR)PsGetProcessId(Requestor) : 0;
    Status = NetCapture(&Command->Adapter->Net);
    *Words = "the network has not started yet";
    if (NT_SUCCESS(Status)) {
        Status = AdapterAddDisk(Command->Adapter, Disk);
        *Words = Status == STATUS_OBJECT_NAME_COLLISION  ? "a disk of that name is mapped already"
                 : Status == STATUS_SHUTDOWN_IN_PROGRESS ? Leaving
                                                         : "the adapter has no free address: too many disks";
    }
    if (!NT_SUCCESS(Status)) {
        DiskRelease(Disk);
        return Status;
    }
    /* The pended IRP holds a reference until it is answered or cancelled. */
    DiskReference(Disk);
    Status = STATUS_PENDING;
    AdapterPendBegin(Command->Adapter);
    if (!PendIrp(&Disk->Create, Command->Irp)) {
        AdapterPendEnd(Command->Adapter);
        DiskRelease(Disk);
        Status = STATUS_CANCELLED;
    }
    NbdChannelStart(Disk->Channel);
    if (Status == STATUS_CANCELLED) {
        DiskWithdraw(Disk);
    } else {
        /* AdapterCompleteServiceIrps may have walked by before the IRP was pended, and waits for nothing. */
        AdapterAnswerIfLeaving(Command->Adapter, Disk);
    }
    DiskRelease(Disk);
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandCreate(COMMAND *Command)
{
    const WNBD_IOCTL_CREATE_COMMAND *Create = Command->Buffer;
    UINT32 Win32Error;
    const char *Words = CreateRefusal(Create, &Win32Error);
    return Words != NULL ? StatusOfWin32(Win32Error) : CreateStart(Command, &Create->Properties, FALSE, &Words);
}

const CREATE_OUTCOME OutcomeRemoved = {.Win32Error = WIN32_OPERATION_ABORTED,
                                       .Phase = WnbdCreatePhaseConnect,
                                       .Message = "the disk was removed while it was being made"};

_IRQL_requires_max_(DISPATCH_LEVEL)
void OutcomeSet(CREATE_OUTCOME *Outcome, UINT32 Win32Error, WnbdCreatePhase Phase, UINT32 ServerError,
                const char *Words)
{
    Outcome->Win32Error = Win32Error;
    Outcome->Phase = Phase;
    Outcome->ServerError = ServerError;
    TEXT Text;
    TextInitialize(&Text, Outcome->Message, sizeof(Outcome->Message));
    TextAppend(&Text, Words);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
static void CreateAnswer(PWNBD_CREATE_RESULT Result, UINT32 Win32Error, WnbdCreatePhase Phase, UINT32 ServerError,
                         const char *Words)
{
    RtlZeroMemory(Result, sizeof(*Result));
    Result->Status = Win32Error;
    Result->Phase = Phase;
    Result->ServerError = ServerError;
    TEXT Text;
    TextInitialize(&Text, Result->Message, sizeof(Result->Message));
    TextAppend(&Text, Words);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandCreateExtended(COMMAND *Command)
{
    const WNBD_IOCTL_CREATE_COMMAND *Create = Command->Buffer;
    UINT32 Win32Error;
    const char *Words = CreateRefusal(Create, &Win32Error);
    if (Words == NULL) {
        NTSTATUS Status = CreateStart(Command, &Create->Properties, TRUE, &Words);
        if (Status == STATUS_PENDING || Status == STATUS_CANCELLED) {
            return Status;
        }
        Win32Error = StatusToWin32(Status);
    }
    CreateAnswer(Command->Buffer, Win32Error, WnbdCreatePhaseRequest, 0, Words);
    Command->Information = sizeof(WNBD_CREATE_RESULT);
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void IoctlCreateDone(DISK *Disk, const CREATE_OUTCOME *Outcome)
{
    PIRP Irp = PendTake(&Disk->Create);
    if (Irp == NULL) {
        return;
    }
    NTSTATUS Status = STATUS_SUCCESS;
    ULONG_PTR Information = 0;
    PVOID Buffer = Irp->AssociatedIrp.SystemBuffer;
    if (Disk->CreateExtended) {
        PWNBD_CREATE_RESULT Result = Buffer;
        CreateAnswer(Result, Outcome->Win32Error, Outcome->Phase, Outcome->ServerError, Outcome->Message);
        if (Outcome->Win32Error == 0) {
            DiskDescribe(Disk, &Result->ConnectionInfo);
        }
        Information = sizeof(*Result);
    } else if (Outcome->Win32Error == 0) {
        DiskDescribe(Disk, Buffer);
        Information = sizeof(WNBD_CONNECTION_INFO);
    } else {
        Status = StatusOfWin32(Outcome->Win32Error);
    }
    ServiceComplete(Disk->Adapter, Irp, Status, Information);
    AdapterPendEnd(Disk->Adapter);
    DiskRelease(Disk); /* the pended IRP's */
}

/* ---- the others ---- */

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
    return AllZero(Get->Reserved, sizeof(Get->Reserved)) ? OptionsIoctlGet(Command->Buffer) : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandSetOption(COMMAND *Command)
{
    const WNBD_IOCTL_SET_DRV_OPT_COMMAND *Set = Command->Buffer;
    BOOLEAN Good =
        AllZero(Set->Reserved, sizeof(Set->Reserved)) && AllZero(Set->Value.Reserved, sizeof(Set->Value.Reserved));
    return Good ? OptionsIoctlSet(Set) : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandResetOption(COMMAND *Command)
{
    const WNBD_IOCTL_RESET_DRV_OPT_COMMAND *Reset = Command->Buffer;
    return AllZero(Reset->Reserved, sizeof(Reset->Reserved)) ? OptionsIoctlReset(Reset) : STATUS_INVALID_PARAMETER;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CommandListOptions(COMMAND *Command)
{
    const WNBD_IOCTL_LIST_DRV_OPT_COMMAND *List = Command->Buffer;
    return AllZero(List->Reserved, sizeof(List->Reserved))
               ? OptionsIoctlList(Command->Buffer, Command->OutputBytes, List->Persistent, &Command->Information)
               : STATUS_INVALID_PARAMETER;
}

static const COMMAND_TYPE Commands[] = {
    {IOCTL_WNBD_PING, CommandPing, sizeof(WNBD_IOCTL_PING_COMMAND), 0},
    {IOCTL_WNBD_CREATE, CommandCreate, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CONNECTION_INFO)},
    {IOCTL_WNBD_REMOVE, CommandRemove, sizeof(WNBD_IOCTL_REMOVE_COMMAND), 0},
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
    {IOCTL_WNBD_CREATE_EX, CommandCreateExtended, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CREATE_RESULT)},
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
