/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * WnbdRunNbdDaemon: an NBD export served from this process, over one connection.
 *
 * The dispatcher's threads send requests, one thread receives the replies and
 * answers. Lock protects the engine, the parts and the jobs; SendLock keeps the
 * bytes of a request together. Neither is held while the other is awaited.
 */
#include "talk.h"

#include <stdlib.h>
#include <string.h>

#define THREADS 4
/* Requests on the wire at once: what Windows keeps going for one disk, at most. */
#define PARTS WNBD_ABS_MAX_IO_REQ_PER_LUN
#define HANDSHAKE_TIMEOUT_MS 30000
#define INPUT_BYTES (256 * 1024)
/* Trimmed by one request: NBD's length has 32 bits, and it must be a multiple of every block size. */
#define TRIM_BYTES (1u << 30)
#define UNMAP_DESCRIPTORS 256

/* A request of Windows. It ends when its last part has. */
typedef struct JOB {
    struct JOB *Next; /* in a list of those that are to be answered */
    UINT64 Handle;
    WnbdRequestType Type;
    NBD_ERROR Error; /* of the first part that failed */
    UINT32 Parts;    /* on the wire, and one while more may come */
    UINT32 Length;   /* bytes at Data */
    BYTE Data[];     /* what is read */
} JOB;

/* What is on the wire; its number is the low half of the cookie. */
typedef struct {
    JOB *Job;        /* NULL: free */
    UINT32 Position; /* in Job->Data */
} PART;

typedef struct {
    CONVERSATION Talk;
    PWNBD_DISK Disk;
    SRWLOCK Lock;
    SRWLOCK SendLock;
    CONDITION_VARIABLE PartFree;
    NBD_CLIENT Client;
    NBD_SLOT Slots[PARTS];
    PART Parts[PARTS];
    UINT64 Cookies; /* given so far */
    bool Leaving;   /* the disk is gone: the end of the connection is no failure */
    DWORD Error;    /* what ended the connection */
    uint8_t Input[INPUT_BYTES];
} DAEMON;

/* ---- answers ---- */

/* The same words for Windows that the driver has for its own disks (queue.c). */
static void SetSense(WNBD_STATUS *Status, NBD_ERROR Error, WnbdRequestType Type)
{
    switch (Error) {
    case NBD_OK:
        break;
    case NBD_EPERM: /* write protected */
        WnbdSetSense(Status, 0x07, 0x27);
        break;
    case NBD_ENOSPC: /* space allocation failed write protect */
        WnbdSetSense(Status, 0x07, 0x27);
        Status->ASCQ = 0x07;
        break;
    case NBD_EINVAL:
    case NBD_EOVERFLOW:
    case NBD_ENOTSUP: /* invalid field in CDB */
        WnbdSetSense(Status, 0x05, 0x24);
        break;
    case NBD_ENOMEM: /* insufficient resources */
        WnbdSetSense(Status, 0x0b, 0x55);
        Status->ASCQ = 0x03;
        break;
    case NBD_ESHUTDOWN: /* logical unit not ready */
        WnbdSetSense(Status, 0x02, 0x04);
        break;
    case NBD_EIO: /* unrecovered read error, write error */
    default:
        WnbdSetSense(Status, 0x03, Type == WnbdReqTypeRead ? 0x11 : 0x0c);
        break;
    }
}

static void JobAnswer(const DAEMON *Daemon, JOB *Job)
{
    WNBD_IO_RESPONSE Response = {0};
    Response.RequestHandle = Job->Handle;
    Response.RequestType = Job->Type;
    SetSense(&Response.Status, Job->Error, Job->Type);
    DWORD Error = WnbdSendResponse(Daemon->Disk, &Response, Job->Length ? Job->Data : NULL, Job->Length);
    if (Error) {
        LogDebug("the driver did not take an answer: %s", ErrorText(Error).Text);
    }
    free(Job);
}

/* One part has ended, or no more will come. The job is added to *Done with the last. Lock held. */
static void JobPartEnds(JOB *Job, NBD_ERROR Error, JOB **Done)
{
    if (Error != NBD_OK && Job->Error == NBD_OK) {
        Job->Error = Error;
    }
    if (--Job->Parts == 0) {
        Job->Next = *Done;
        *Done = Job;
    }
}

static void JobsAnswer(const DAEMON *Daemon, JOB *Done)
{
    while (Done) {
        JOB *Next = Done->Next;
        JobAnswer(Daemon, Done);
        Done = Next;
    }
}

/* ---- requests ---- */

static JOB *JobBegin(DAEMON *Daemon, WnbdRequestType Type, UINT64 Handle, UINT32 Length)
{
    JOB *Job = malloc(sizeof(*Job) + Length);
    if (!Job) {
        WNBD_IO_RESPONSE Response = {.RequestHandle = Handle, .RequestType = Type};
        SetSense(&Response.Status, NBD_ENOMEM, Type);
        WnbdSendResponse(Daemon->Disk, &Response, NULL, 0);
        return NULL;
    }
    memset(Job, 0, sizeof(*Job));
    Job->Handle = Handle;
    Job->Type = Type;
    Job->Length = Length;
    Job->Parts = 1;
    return Job;
}

static void JobSent(DAEMON *Daemon, JOB *Job)
{
    JOB *Done = NULL;
    AcquireSRWLockExclusive(&Daemon->Lock);
    JobPartEnds(Job, NBD_OK, &Done);
    ReleaseSRWLockExclusive(&Daemon->Lock);
    JobsAnswer(Daemon, Done);
}

/* A free part; PARTS if there is none. Lock held. */
static UINT32 PartFind(const DAEMON *Daemon)
{
    UINT32 Index = 0;
    while (Index < PARTS && Daemon->Parts[Index].Job) {
        Index++;
    }
    return Index;
}

/* Puts a request on the wire; false: the connection is lost, and the job knows. */
static bool PartEncode(DAEMON *Daemon, JOB *Job, NBD_COMMAND Command, bool Fua, UINT64 Offset, UINT32 Length,
                       UINT32 Position, uint8_t Wire[NBD_REQUEST_SIZE])
{
    AcquireSRWLockExclusive(&Daemon->Lock);
    UINT32 Part = PartFind(Daemon);
    while (Part == PARTS && Daemon->Client.Phase == NBD_PHASE_TRANSMISSION) {
        SleepConditionVariableSRW(&Daemon->PartFree, &Daemon->Lock, INFINITE, 0);
        Part = PartFind(Daemon);
    }
    bool Good = Daemon->Client.Phase == NBD_PHASE_TRANSMISSION;
    if (Good) {
        Daemon->Parts[Part].Job = Job;
        Daemon->Parts[Part].Position = Position;
        Job->Parts++;
        NbdRequest(&Daemon->Client, ++Daemon->Cookies << 16 | Part, Command, Fua ? NBD_CMD_FLAG_FUA : 0, Offset, Length,
                   Wire);
    } else if (Job->Error == NBD_OK) {
        Job->Error = NBD_ESHUTDOWN;
    }
    ReleaseSRWLockExclusive(&Daemon->Lock);
    return Good;
}

static bool PartSend(DAEMON *Daemon, JOB *Job, NBD_COMMAND Command, bool Fua, UINT64 Offset, UINT32 Length,
                     UINT32 Position, const BYTE *Payload)
{
    uint8_t Wire[NBD_REQUEST_SIZE];
    if (!PartEncode(Daemon, Job, Command, Fua, Offset, Length, Position, Wire)) {
        return false;
    }
    AcquireSRWLockExclusive(&Daemon->SendLock);
    DWORD Error = TalkSend(&Daemon->Talk, Wire, sizeof(Wire));
    if (!Error && Payload) {
        Error = TalkSend(&Daemon->Talk, Payload, Length);
    }
    ReleaseSRWLockExclusive(&Daemon->SendLock);
    if (Error) {
        /* The thread that receives finds the connection closed, and ends what is under way. */
        shutdown(Daemon->Talk.Socket, SD_BOTH);
    }
    return !Error;
}

/* All of a range, in as many parts as the server wants. */
static void RangeSend(DAEMON *Daemon, JOB *Job, NBD_COMMAND Command, bool Fua, UINT64 Offset, UINT64 Length,
                      UINT32 Most, const BYTE *Payload)
{
    UINT32 Position = 0;
    bool Good = true;
    while (Good && Length) {
        UINT32 Part = Length < Most ? (UINT32)Length : Most;
        Good = PartSend(Daemon, Job, Command, Fua, Offset, Part, Position, Payload ? Payload + Position : NULL);
        Offset += Part;
        Length -= Part;
        Position += Part;
    }
}

static DAEMON *DaemonOf(PWNBD_DISK Disk)
{
    return Disk->Context;
}

static VOID ServeRead(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    DAEMON *Daemon = DaemonOf(Disk);
    const NBD_EXPORT *Export = &Daemon->Client.Export;
    UINT32 Length = Count * Export->BlockSize;
    JOB *Job = JobBegin(Daemon, WnbdReqTypeRead, Handle, Length);
    (void)Buffer;
    (void)Fua;
    if (Job) {
        RangeSend(Daemon, Job, NBD_CMD_READ, false, Address * Export->BlockSize, Length, Export->MaximumPayload, NULL);
        JobSent(Daemon, Job);
    }
}

static VOID ServeWrite(PWNBD_DISK Disk, UINT64 Handle, PVOID Buffer, UINT64 Address, UINT32 Count, BOOLEAN Fua)
{
    DAEMON *Daemon = DaemonOf(Disk);
    const NBD_EXPORT *Export = &Daemon->Client.Export;
    JOB *Job = JobBegin(Daemon, WnbdReqTypeWrite, Handle, 0);
    if (Job) {
        /* All of it is sent when this returns: the buffer needs no copy. */
        RangeSend(Daemon, Job, NBD_CMD_WRITE, Fua && (Export->Flags & NBD_FLAG_SEND_FUA), Address * Export->BlockSize,
                  (UINT64)Count * Export->BlockSize, Export->MaximumPayload, Buffer);
        JobSent(Daemon, Job);
    }
}

static VOID ServeFlush(PWNBD_DISK Disk, UINT64 Handle, UINT64 Address, UINT32 Count)
{
    DAEMON *Daemon = DaemonOf(Disk);
    JOB *Job = JobBegin(Daemon, WnbdReqTypeFlush, Handle, 0);
    (void)Address;
    (void)Count;
    if (Job) {
        PartSend(Daemon, Job, NBD_CMD_FLUSH, false, 0, 0, 0, NULL);
        JobSent(Daemon, Job);
    }
}

static VOID ServeUnmap(PWNBD_DISK Disk, UINT64 Handle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count)
{
    DAEMON *Daemon = DaemonOf(Disk);
    UINT32 BlockSize = Daemon->Client.Export.BlockSize;
    JOB *Job = JobBegin(Daemon, WnbdReqTypeUnmap, Handle, 0);
    if (Job) {
        for (UINT32 Index = 0; Index < Count; Index++) {
            RangeSend(Daemon, Job, NBD_CMD_TRIM, false, Descriptors[Index].BlockAddress * BlockSize,
                      (UINT64)Descriptors[Index].BlockCount * BlockSize, TRIM_BYTES, NULL);
        }
        JobSent(Daemon, Job);
    }
}

static const WNBD_INTERFACE ServeInterface = {
    .Read = ServeRead, .Write = ServeWrite, .Flush = ServeFlush, .Unmap = ServeUnmap};

/* ---- replies ---- */

/* A piece of a reply. Lock held. */
static void ReplyTake(DAEMON *Daemon, const NBD_EVENT *Event, JOB **Done)
{
    PART *Part = &Daemon->Parts[Event->Cookie & 0xffff];
    if (Event->Length) {
        memcpy(Part->Job->Data + Part->Position + Event->Offset, Event->Data, Event->Length);
    }
    if (Event->Last) {
        JobPartEnds(Part->Job, Event->Error, Done);
        Part->Job = NULL;
        WakeConditionVariable(&Daemon->PartFree);
    }
}

/* Gives bytes to the engine; false: the connection is over. */
static bool InputDigest(DAEMON *Daemon, size_t Length)
{
    const uint8_t *Bytes = Daemon->Input;
    JOB *Done = NULL;
    AcquireSRWLockExclusive(&Daemon->Lock);
    if (Length == 0) {
        NbdServerClosed(&Daemon->Client);
    }
    while (Length && Daemon->Client.Phase != NBD_PHASE_FAILED) {
        NBD_EVENT Event;
        size_t Used = NbdReceive(&Daemon->Client, Bytes, Length, &Event);
        if (Event.Type == NBD_EVENT_REPLY) {
            ReplyTake(Daemon, &Event, &Done);
        }
        Bytes += Used;
        Length -= Used;
    }
    bool Good = Daemon->Client.Phase == NBD_PHASE_TRANSMISSION;
    ReleaseSRWLockExclusive(&Daemon->Lock);
    JobsAnswer(Daemon, Done);
    return Good;
}

/* The connection is over: so is all that is under way, and the disk, unless it was the first to go. */
static void ConnectionEnd(DAEMON *Daemon, DWORD Error)
{
    WNBD_REMOVE_OPTIONS Options = {.Flags = {.HardRemove = 1}};
    JOB *Done = NULL;
    AcquireSRWLockExclusive(&Daemon->Lock);
    if (Daemon->Client.Phase == NBD_PHASE_TRANSMISSION) {
        NbdServerClosed(&Daemon->Client);
    }
    bool Leaving = Daemon->Leaving;
    if (!Leaving) {
        Daemon->Error = Error ? Error : TalkFailureError(Daemon->Client.Failure);
        LogError("the connection of %s to %s:%u is lost: %s", Daemon->Disk->Properties.InstanceName,
                 Daemon->Talk.Hostname, Daemon->Talk.Port,
                 Error ? ErrorText(Error).Text : NbdFailureText(&Daemon->Client));
    }
    for (UINT32 Index = 0; Index < PARTS; Index++) {
        if (Daemon->Parts[Index].Job) {
            JobPartEnds(Daemon->Parts[Index].Job, NBD_ESHUTDOWN, &Done);
            Daemon->Parts[Index].Job = NULL;
        }
    }
    WakeAllConditionVariable(&Daemon->PartFree);
    ReleaseSRWLockExclusive(&Daemon->Lock);
    JobsAnswer(Daemon, Done);
    if (!Leaving) {
        WnbdStopDispatcher(Daemon->Disk, &Options);
    }
}

static DWORD WINAPI Receiver(LPVOID Parameter)
{
    DAEMON *Daemon = Parameter;
    size_t Length = 0;
    DWORD Error;
    do {
        Error = TalkReceive(&Daemon->Talk, Daemon->Input, sizeof(Daemon->Input), &Length);
    } while (!Error && InputDigest(Daemon, Length));
    ConnectionEnd(Daemon, Error);
    return 0;
}

/* ---- the daemon's life ---- */

static void EngineBegin(DAEMON *Daemon, const WNBD_PROPERTIES *Properties)
{
    NBD_CONFIG Config = {0};
    Config.Goal = NBD_GOAL_TRANSMISSION;
    Config.ExportName = Properties->NbdProperties.ExportName;
    Config.ExportNameLength = strlen(Properties->NbdProperties.ExportName);
    Config.BlockSize = Properties->BlockSize;
    Config.SkipHandshake = Properties->NbdProperties.Flags.SkipNegotiation;
    Config.SkippedSize =
        Properties->BlockCount * (Properties->BlockSize ? Properties->BlockSize : WNBD_DEFAULT_BLOCK_SIZE);
    Config.SkippedFlags = (uint16_t)(NBD_FLAG_HAS_FLAGS | (Properties->Flags.ReadOnly ? NBD_FLAG_READ_ONLY : 0u) |
                                     (Properties->Flags.FlushSupported ? NBD_FLAG_SEND_FLUSH : 0u) |
                                     (Properties->Flags.FUASupported ? NBD_FLAG_SEND_FUA : 0u) |
                                     (Properties->Flags.UnmapSupported ? NBD_FLAG_SEND_TRIM : 0u));
    NbdInitialize(&Daemon->Client, &Config, Daemon->Slots, PARTS);
}

static DWORD Handshake(DAEMON *Daemon)
{
    NBD_CLIENT *Client = &Daemon->Client;
    DWORD Error = TalkFlush(&Daemon->Talk, Client);
    while (!Error && Client->Phase == NBD_PHASE_HANDSHAKE) {
        const uint8_t *Bytes = Daemon->Input;
        size_t Length = 0;
        Error = TalkReceive(&Daemon->Talk, Daemon->Input, sizeof(Daemon->Input), &Length);
        if (!Error && Length == 0) {
            NbdServerClosed(Client);
        }
        while (!Error && Length && Client->Phase != NBD_PHASE_FAILED) {
            NBD_EVENT Event;
            size_t Used = NbdReceive(Client, Bytes, Length, &Event);
            Bytes += Used;
            Length -= Used;
        }
        if (!Error) {
            DWORD Sent = TalkFlush(&Daemon->Talk, Client);
            Error = Client->Phase == NBD_PHASE_FAILED ? ERROR_SUCCESS : Sent;
        }
    }
    if (!Error && Client->Phase == NBD_PHASE_FAILED) {
        LogError("%s:%u: %s", Daemon->Talk.Hostname, Daemon->Talk.Port, NbdFailureText(Client));
        return TalkFailureError(Client->Failure);
    }
    if (Error) {
        LogError("cannot negotiate with %s:%u: %s", Daemon->Talk.Hostname, Daemon->Talk.Port, ErrorText(Error).Text);
    }
    return Error;
}

/* The disk that the server's export makes. */
static WNBD_PROPERTIES DiskProperties(const DAEMON *Daemon, const WNBD_PROPERTIES *Wanted)
{
    const NBD_EXPORT *Export = &Daemon->Client.Export;
    WNBD_PROPERTIES Properties = *Wanted;
    Properties.Flags.UseUserspaceNbd = 1;
    Properties.Flags.ReadOnly = Wanted->Flags.ReadOnly || (Export->Flags & NBD_FLAG_READ_ONLY);
    Properties.Flags.FlushSupported = (Export->Flags & NBD_FLAG_SEND_FLUSH) != 0;
    Properties.Flags.FUASupported = (Export->Flags & NBD_FLAG_SEND_FUA) != 0;
    Properties.Flags.UnmapSupported = (Export->Flags & NBD_FLAG_SEND_TRIM) && !Properties.Flags.ReadOnly;
    Properties.BlockSize = Export->BlockSize;
    Properties.BlockCount = Export->Size / Export->BlockSize;
    Properties.MaxUnmapDescCount = UNMAP_DESCRIPTORS;
    return Properties;
}

/* Serves the disk over the connection until both are gone. */
static DWORD DaemonServe(DAEMON *Daemon, const WNBD_PROPERTIES *Wanted)
{
    uint8_t Farewell[NBD_REQUEST_SIZE];
    WNBD_PROPERTIES Properties = DiskProperties(Daemon, Wanted);
    DWORD Error = WnbdCreate(&Properties, (PWNBD_INTERFACE)(ULONG_PTR)&ServeInterface, Daemon, &Daemon->Disk);
    if (Error) {
        return Error;
    }
    HANDLE Thread = CreateThread(NULL, 0, Receiver, Daemon, 0, NULL);
    Error = Thread ? WnbdStartDispatcher(Daemon->Disk, THREADS) : ERROR_OUTOFMEMORY;
    if (!Error) {
        Error = WnbdWaitDispatcher(Daemon->Disk);
    }
    AcquireSRWLockExclusive(&Daemon->Lock);
    Daemon->Leaving = true;
    bool Polite = Daemon->Client.Phase == NBD_PHASE_TRANSMISSION;
    if (Polite) {
        NbdDisconnect(&Daemon->Client, Farewell);
    }
    ReleaseSRWLockExclusive(&Daemon->Lock);
    if (Polite && TalkSend(&Daemon->Talk, Farewell, sizeof(Farewell))) {
        LogDebug("%s:%u was left without a farewell", Daemon->Talk.Hostname, Daemon->Talk.Port);
    }
    shutdown(Daemon->Talk.Socket, SD_BOTH);
    if (Thread) {
        WaitForSingleObject(Thread, INFINITE);
        CloseHandle(Thread);
    }
    WnbdClose(Daemon->Disk);
    return Daemon->Error ? Daemon->Error : Error;
}

static DWORD DaemonRun(DAEMON *Daemon, const WNBD_PROPERTIES *Properties)
{
    int NoDelay = 1;
    Daemon->Talk.Socket = INVALID_SOCKET;
    Daemon->Talk.Hostname = Properties->NbdProperties.Hostname;
    Daemon->Talk.Port = Properties->NbdProperties.PortNumber;
    Daemon->Talk.Deadline = DeadlineAfter(HANDSHAKE_TIMEOUT_MS, false);
    DWORD Error = TalkConnect(&Daemon->Talk);
    if (Error) {
        return Error;
    }
    setsockopt(Daemon->Talk.Socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&NoDelay, sizeof(NoDelay));
    EngineBegin(Daemon, Properties);
    Error = Handshake(Daemon);
    if (!Error) {
        Daemon->Talk.Deadline = DeadlineAfter(0, true);
        Error = DaemonServe(Daemon, Properties);
    }
    closesocket(Daemon->Talk.Socket);
    return Error;
}

DWORD WnbdRunNbdDaemon(const PWNBD_PROPERTIES Properties)
{
    TEXT Cause;
    WSADATA Winsock;
    WNBD_PROPERTIES Own = {0};
    if (Properties) {
        Own = *Properties;
        Own.Flags.UseKernelNbd = 0;
        Own.Flags.UseUserspaceNbd = 1;
    }
    if (!PropertiesAreValid(Properties ? &Own : NULL, &Cause)) {
        LogError("%s", Cause.Text);
        return ERROR_INVALID_PARAMETER;
    }
    if (Own.BlockSize != 0 && Own.BlockSize != 512 && Own.BlockSize != 4096) {
        LogError("disk %s: the block size is neither 512 nor 4096", Own.InstanceName);
        return ERROR_INVALID_BLOCK_LENGTH;
    }
    if (Own.NbdProperties.Flags.SkipNegotiation && (!Own.BlockCount || Own.BlockCount > (UINT64)MAXLONGLONG / 4096)) {
        LogError("disk %s: without a handshake its size has to be given, below 2^63 bytes", Own.InstanceName);
        return ERROR_INVALID_PARAMETER;
    }
    DAEMON *Daemon = calloc(1, sizeof(*Daemon));
    if (!Daemon) {
        return ERROR_OUTOFMEMORY;
    }
    DWORD Error = (DWORD)WSAStartup(MAKEWORD(2, 2), &Winsock);
    if (!Error) {
        Error = DaemonRun(Daemon, &Own);
        WSACleanup();
    }
    free(Daemon);
    return Error;
}
