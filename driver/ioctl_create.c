/* SPDX-License-Identifier: LGPL-2.1-only */
/* The commands that make a disk. */
#include "ioctl_command.h"

#include "base/text.h"
#include "base/utf8.h"
#include "channel_nbd.h"
#include "disk.h"
#include "options.h"
#include "status.h"

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
    NAME_TYPE_OF(NbdProperties.Hostname, FALSE, "the server's name", "255"),
    NAME_TYPE_OF(NbdProperties.ExportName, FALSE, "the export name", "255"),
};

_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *NameRefusal(const WNBD_PROPERTIES *Properties)
{
    for (ULONG Index = 0; Index < RTL_NUMBER_OF(NameTypes); Index++) {
        const NAME_TYPE *Type = &NameTypes[Index];
        const CHAR *Name = (const CHAR *)Properties + Type->Offset;
        if (!CommandTerminated(Name, Type->SizeBytes)) {
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

/* The same for the server of an NBD disk, whoever connects to it. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *ServerRefusal(const NBD_CONNECTION_PROPERTIES *Nbd)
{
    if (Nbd->Hostname[0] == '\0') {
        return "the server's name is empty";
    }
    if (Nbd->PortNumber == 0 || Nbd->PortNumber > 65535) {
        return "the port is not 1 to 65535";
    }
    return NULL;
}

/* The same for a disk that the driver connects to its server. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *KernelNbdRefusal(const WNBD_PROPERTIES *Properties, UINT32 *Win32Error)
{
    if (Properties->Flags.PersistResSupported || Properties->Flags.UnmapAnchorSupported) {
        *Win32Error = WIN32_NOT_SUPPORTED;
        return "an NBD disk has neither persistent reservations nor anchored blocks";
    }
    const char *Words = ServerRefusal(&Properties->NbdProperties);
    if (Words != NULL) {
        return Words;
    }
    if (Properties->BlockSize != 0 && Properties->BlockSize != 512 && Properties->BlockSize != 4096) {
        *Win32Error = WIN32_INVALID_BLOCK_LENGTH;
        return "the block size is neither 512 nor 4096";
    }
    if (Properties->NbdProperties.Flags.SkipNegotiation && !ScsiSizeIsValid(Properties->BlockCount, 4096)) {
        return "without a handshake the disk's size has to be given, below 2^63 bytes";
    }
    return NULL;
}

/* The same for a disk that a process serves. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *ServedRefusal(const WNBD_PROPERTIES *Properties, UINT32 *Win32Error)
{
    if (Properties->Flags.UnmapAnchorSupported && !Properties->Flags.UnmapSupported) {
        return "blocks can be anchored only where they can be unmapped";
    }
    if (Properties->BlockSize != 512 && Properties->BlockSize != 4096) {
        *Win32Error = WIN32_INVALID_BLOCK_LENGTH;
        return "the block size is neither 512 nor 4096";
    }
    if (!ScsiSizeIsValid(Properties->BlockCount, Properties->BlockSize)) {
        return "the disk's size has to be given, below 2^63 bytes";
    }
    if (Properties->MaxUnmapDescCount > SCSI_UNMAP_DESCRIPTORS_MAX) {
        return "more descriptors are allowed in an UNMAP command than the 4095 that one can have";
    }
    return Properties->Flags.UseUserspaceNbd ? ServerRefusal(&Properties->NbdProperties) : NULL;
}

/* Why the properties can't be used; NULL if they can. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *PropertiesRefusal(const WNBD_PROPERTIES *Properties, UINT32 *Win32Error)
{
    const NBD_CONNECTION_PROPERTIES *Nbd = &Properties->NbdProperties;
    *Win32Error = WIN32_INVALID_PARAMETER;
    if (Properties->Flags.Reserved != 0 || Nbd->Flags.Reserved != 0 ||
        !CommandAllZero(Properties->Reserved, sizeof(Properties->Reserved)) ||
        !CommandAllZero(Nbd->Reserved, sizeof(Nbd->Reserved))) {
        return "a reserved flag or field is set (is the program made for a newer driver?)";
    }
    if (!Properties->Flags.UseKernelNbd) {
        return ServedRefusal(Properties, Win32Error);
    }
    if (Properties->Flags.UseUserspaceNbd) {
        return "the disk is to be served by the driver and by a process at once (UseKernelNbd, UseUserspaceNbd)";
    }
    return KernelNbdRefusal(Properties, Win32Error);
}

/* The same for the whole command, whose names are looked at first: they are what people get wrong. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static const char *CreateRefusal(const WNBD_IOCTL_CREATE_COMMAND *Create, UINT32 *Win32Error)
{
    *Win32Error = WIN32_INVALID_PARAMETER;
    const char *Words = NameRefusal(&Create->Properties);
    if (Words == NULL && !CommandAllZero(Create->Reserved, sizeof(Create->Reserved))) {
        Words = "a reserved field of the command is set (is the program made for a newer driver?)";
    }
    return Words != NULL ? Words : PropertiesRefusal(&Create->Properties, Win32Error);
}

const CREATE_OUTCOME OutcomeRemoved = {.Win32Error = WIN32_OPERATION_ABORTED,
                                       .Phase = WnbdCreatePhaseConnect,
                                       .Message = "the disk was removed while it was being made"};

static const char CreateLeaving[] = "the adapter is being removed";

/* Makes a disk that has its name and place, with a reference for the caller. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CreateDisk(COMMAND *Command, const WNBD_PROPERTIES *Properties, DISK **Result, const char **Words)
{
    DISK *Disk;
    if (!OptionsValue(OptionNewMappingsAllowed)) {
        *Words = "no new disks are made as long as the option NewMappingsAllowed is false";
        return STATUS_SHUTDOWN_IN_PROGRESS;
    }
    /* NULL: the request has no thread, as one that a driver has made [iogetrequestorprocess]. */
    PEPROCESS Requestor = IoGetRequestorProcess(Command->Irp);
    if (Requestor == NULL && !Properties->Flags.UseKernelNbd) {
        *Words = "no process has asked for the disk, so none would serve it";
        return STATUS_INVALID_PARAMETER;
    }
    NTSTATUS Status = DiskCreate(Command->Adapter, Properties, Requestor, &Disk);
    if (!NT_SUCCESS(Status)) {
        *Words = Status == STATUS_SHUTDOWN_IN_PROGRESS ? CreateLeaving
                 : Status == STATUS_QUOTA_EXCEEDED     ? "too many disks exist or are still ending"
                                                       : "out of memory";
        return Status;
    }
    Disk->Properties.Pid = Requestor != NULL ? (INT)(ULONG_PTR)PsGetProcessId(Requestor) : 0;
    if (Properties->Flags.UseKernelNbd) {
        Status = NetCapture(&Command->Adapter->Net);
        *Words = "the network has not started yet";
    }
    if (NT_SUCCESS(Status)) {
        Status = AdapterAddDisk(Command->Adapter, Disk);
        *Words = Status == STATUS_OBJECT_NAME_COLLISION  ? "a disk of that name is mapped already"
                 : Status == STATUS_SHUTDOWN_IN_PROGRESS ? CreateLeaving
                                                         : "the adapter has no free address: too many disks";
    }
    if (!NT_SUCCESS(Status)) {
        DiskRelease(Disk);
        return Status;
    }
    *Result = Disk;
    return STATUS_SUCCESS;
}

/* Has the driver connect the disk, which the request waits for. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CreateConnect(COMMAND *Command, DISK *Disk)
{
    NTSTATUS Status = STATUS_PENDING;
    /* The pended IRP holds a reference until it is answered or cancelled. */
    DiskReference(Disk);
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
    return Status;
}

/*
 * Makes the disk. STATUS_PENDING: it waits for its server. STATUS_SUCCESS: a process serves it, so it is there already,
 * with a reference for the caller in *Result.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS CreateStart(COMMAND *Command, BOOLEAN Extended, DISK **Result, const char **Words)
{
    const WNBD_IOCTL_CREATE_COMMAND *Create = Command->Buffer;
    BOOLEAN Connects = Create->Properties.Flags.UseKernelNbd;
    DISK *Disk;
    NTSTATUS Status = CreateDisk(Command, &Create->Properties, &Disk, Words);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Connects) {
        Disk->CreateExtended = Extended;
        Status = CreateConnect(Command, Disk);
    } else if (!DiskOnline(Disk)) {
        Status = STATUS_SHUTDOWN_IN_PROGRESS;
        *Words = OutcomeRemoved.Message;
    }
    if (Status == STATUS_SUCCESS) {
        *Result = Disk;
    } else {
        DiskRelease(Disk);
    }
    return Status;
}

_Use_decl_annotations_
NTSTATUS CommandCreate(COMMAND *Command)
{
    UINT32 Win32Error;
    DISK *Disk = NULL;
    const char *Words = CreateRefusal(Command->Buffer, &Win32Error);
    NTSTATUS Status = Words != NULL ? StatusOfWin32(Win32Error) : CreateStart(Command, FALSE, &Disk, &Words);
    if (Disk != NULL) {
        DiskDescribe(Disk, Command->Buffer);
        DiskRelease(Disk);
        Command->Information = sizeof(WNBD_CONNECTION_INFO);
    }
    return Status;
}

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

_Use_decl_annotations_
NTSTATUS CommandCreateExtended(COMMAND *Command)
{
    PWNBD_CREATE_RESULT Result = Command->Buffer;
    UINT32 Win32Error;
    DISK *Disk = NULL;
    const char *Words = CreateRefusal(Command->Buffer, &Win32Error);
    if (Words == NULL) {
        NTSTATUS Status = CreateStart(Command, TRUE, &Disk, &Words);
        if (Status == STATUS_PENDING || Status == STATUS_CANCELLED) {
            return Status;
        }
        Win32Error = StatusToWin32(Status);
    }
    if (Disk != NULL) {
        CreateAnswer(Result, 0, WnbdCreatePhaseDone, 0, "");
        DiskDescribe(Disk, &Result->ConnectionInfo);
        DiskRelease(Disk);
    } else {
        CreateAnswer(Result, Win32Error, WnbdCreatePhaseRequest, 0, Words);
    }
    Command->Information = sizeof(*Result);
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
