/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands as one table. The dispatcher checks the sizes before a handler
 * sees anything; the buffer is the I/O manager's copy (METHOD_BUFFERED), so
 * nobody changes it under a handler. No handler waits.
 */
#include "ioctl.h"

#include "base/text.h"
#include "channel_nbd.h"
#include "disk.h"
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
typedef NTSTATUS HANDLER(COMMAND *Command);

typedef struct {
    ULONG Code;
    HANDLER *Handler;
    ULONG InputBytes;  /* at least */
    ULONG OutputBytes; /* at least */
} COMMAND_TYPE;

static BOOLEAN Terminated(const CHAR *String, SIZE_T SizeBytes)
{
    return memchr(String, '\0', SizeBytes) != NULL;
}

static BOOLEAN AllZero(const UCHAR *Bytes, SIZE_T SizeBytes)
{
    for (SIZE_T Index = 0; Index < SizeBytes; Index++) {
        if (Bytes[Index] != 0) {
            return FALSE;
        }
    }
    return TRUE;
}

/* The disk that a command names, with a reference. */
static NTSTATUS CommandDisk(COMMAND *Command, const CHAR *InstanceName, DISK **Disk)
{
    if (!Terminated(InstanceName, WNBD_MAX_NAME_LENGTH)) {
        return STATUS_INVALID_PARAMETER;
    }
    *Disk = AdapterDiskNamed(Command->Adapter, InstanceName);
    return *Disk != NULL ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

static NTSTATUS CommandPing(COMMAND *Command)
{
    UNREFERENCED_PARAMETER(Command);
    return STATUS_SUCCESS;
}

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

/* Why the properties can't be used; NULL if they can. */
static const char *CreateRefusal(const WNBD_PROPERTIES *Properties, UINT32 *Win32Error)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    *Win32Error = WIN32_INVALID_PARAMETER;
    if (!Terminated(Properties->InstanceName, sizeof(Properties->InstanceName)) ||
        !Terminated(Properties->SerialNumber, sizeof(Properties->SerialNumber)) ||
        !Terminated(Properties->Owner, sizeof(Properties->Owner)) ||
        !Terminated(Nbd->Hostname, sizeof(Nbd->Hostname)) || !Terminated(Nbd->ExportName, sizeof(Nbd->ExportName))) {
        return "a name is too long or not terminated";
    }
    if (Properties->InstanceName[0] == '\0') {
        return "the instance name is empty";
    }
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
    if (Nbd->Hostname[0] == '\0') {
        return "the server's name is empty";
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

/* Makes the disk up to the point where it waits for its server. */
static NTSTATUS CreateStart(COMMAND *Command, const WNBD_PROPERTIES *Properties, BOOLEAN Extended, const char **Words)
{
    static const char Leaving[] = "the adapter is being removed";
    DISK *Disk;
    NTSTATUS Status = DiskCreate(Command->Adapter, Properties, &Disk);
    if (!NT_SUCCESS(Status)) {
        *Words = Status == STATUS_SHUTDOWN_IN_PROGRESS ? Leaving : "out of memory";
        return Status;
    }
    Disk->CreateExtended = Extended;
    Disk->Properties.Pid = (INT)(ULONG_PTR)PsGetProcessId(IoGetRequestorProcess(Command->Irp));
    Status = NetCapture(&Command->Adapter->Net);
    *Words = "the network has not started yet (try again)";
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
    if (!PendIrp(&Disk->Create, Command->Irp)) {
        DiskRelease(Disk);
        Status = STATUS_CANCELLED;
    }
    NbdChannelStart(Disk->Channel);
    if (Status == STATUS_CANCELLED) {
        DiskWithdraw(Disk);
    }
    DiskRelease(Disk);
    return Status;
}

static NTSTATUS CommandCreate(COMMAND *Command)
{
    const WNBD_IOCTL_CREATE_COMMAND *Create = Command->Buffer;
    UINT32 Win32Error;
    const char *Words = CreateRefusal(&Create->Properties, &Win32Error);
    return Words != NULL ? StatusOfWin32(Win32Error) : CreateStart(Command, &Create->Properties, FALSE, &Words);
}

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

static NTSTATUS CommandCreateExtended(COMMAND *Command)
{
    const WNBD_IOCTL_CREATE_COMMAND *Create = Command->Buffer;
    UINT32 Win32Error;
    const char *Words = CreateRefusal(&Create->Properties, &Win32Error);
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
    DiskRelease(Disk); /* the pended IRP's */
}

/* ---- the others ---- */

static NTSTATUS CommandRemove(COMMAND *Command)
{
    const WNBD_IOCTL_REMOVE_COMMAND *Remove = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Remove->InstanceName, &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    BOOLEAN Withdrawn = DiskWithdraw(Disk);
    DiskRelease(Disk);
    return Withdrawn ? STATUS_SUCCESS : STATUS_OBJECT_NAME_NOT_FOUND;
}

static NTSTATUS CommandList(COMMAND *Command)
{
    PWNBD_CONNECTION_LIST List = Command->Buffer;
    ULONG Room =
        (Command->OutputBytes - FIELD_OFFSET(WNBD_CONNECTION_LIST, Connections)) / sizeof(WNBD_CONNECTION_INFO);
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
    List->ElementSize = sizeof(WNBD_CONNECTION_INFO);
    List->Count = Count;
    Command->Information = FIELD_OFFSET(WNBD_CONNECTION_LIST, Connections) + Written * sizeof(WNBD_CONNECTION_INFO);
    return STATUS_SUCCESS;
}

static NTSTATUS CommandShow(COMMAND *Command)
{
    const WNBD_IOCTL_SHOW_COMMAND *Show = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Show->InstanceName, &Disk);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    DiskDescribe(Disk, Command->Buffer);
    DiskRelease(Disk);
    Command->Information = sizeof(WNBD_CONNECTION_INFO);
    return STATUS_SUCCESS;
}

static NTSTATUS CommandStats(COMMAND *Command)
{
    const WNBD_IOCTL_STATS_COMMAND *Stats = Command->Buffer;
    DISK *Disk;
    NTSTATUS Status = CommandDisk(Command, Stats->InstanceName, &Disk);
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

static const COMMAND_TYPE Commands[] = {
    {IOCTL_WNBD_PING, CommandPing, sizeof(WNBD_IOCTL_PING_COMMAND), 0},
    {IOCTL_WNBD_CREATE, CommandCreate, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CONNECTION_INFO)},
    {IOCTL_WNBD_REMOVE, CommandRemove, sizeof(WNBD_IOCTL_REMOVE_COMMAND), 0},
    {IOCTL_WNBD_LIST, CommandList, sizeof(WNBD_IOCTL_LIST_COMMAND), FIELD_OFFSET(WNBD_CONNECTION_LIST, Connections)},
    {IOCTL_WNBD_STATS, CommandStats, sizeof(WNBD_IOCTL_STATS_COMMAND), sizeof(WNBD_DRV_STATS)},
    {IOCTL_WNBD_VERSION, CommandVersion, sizeof(WNBD_IOCTL_VERSION_COMMAND), sizeof(WNBD_VERSION)},
    {IOCTL_WNBD_SHOW, CommandShow, sizeof(WNBD_IOCTL_SHOW_COMMAND), sizeof(WNBD_CONNECTION_INFO)},
    {IOCTL_WNBD_CREATE_EX, CommandCreateExtended, sizeof(WNBD_IOCTL_CREATE_COMMAND), sizeof(WNBD_CREATE_RESULT)},
};

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
