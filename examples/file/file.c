/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk on a file, with I/O that nobody waits for: a callback begins a read or
 * a write of the file and returns, and a thread of the system's pool answers
 * when it is done. So a few dispatcher threads keep many requests going.
 *
 *   filedisk NAME PATH [MIB]     serves PATH as the disk NAME; with MIB the file is made, or made that large
 *
 * Ctrl-C removes the disk. Begin with the example ramdisk, which is simpler.
 */
#include <wnbd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 512u
#define THREADS 4

/* SPC: sense keys and additional sense codes. */
#define KEY_MEDIUM_ERROR 0x03
#define ASC_WRITE_ERROR 0x0c
#define ASC_UNRECOVERED_READ_ERROR 0x11

typedef struct {
    HANDLE File;
    PTP_IO Io;
} FILE_DISK;

/* A request under way. Its data is behind it: the dispatcher's buffer is lent for the callback only. */
typedef struct {
    OVERLAPPED Overlapped;
    PWNBD_DISK Disk;
    HANDLE File;
    UINT64 Handle;
    UINT64 BlockAddress;
    WnbdRequestType Type;
    BOOLEAN ForceUnitAccess;
    UINT32 Length;
    BYTE Data[];
} JOB;

static PWNBD_DISK TheDisk;

static void Answer(PWNBD_DISK Disk, UINT64 Handle, WnbdRequestType Type, UINT64 BlockAddress, BOOL Good, void *Data,
                   UINT32 Length)
{
    WNBD_IO_RESPONSE Response;
    memset(&Response, 0, sizeof(Response));
    Response.RequestHandle = Handle;
    Response.RequestType = Type;
    if (!Good) {
        WnbdSetSenseEx(&Response.Status, KEY_MEDIUM_ERROR,
                       Type == WnbdReqTypeRead ? ASC_UNRECOVERED_READ_ERROR : ASC_WRITE_ERROR, BlockAddress);
    }
    WnbdSendResponse(Disk, &Response, Data, Length);
}

/* In a thread of the pool: the file has done what it was asked. */
static VOID CALLBACK JobDone(PTP_CALLBACK_INSTANCE Instance, PVOID Context, PVOID Overlapped, ULONG Error,
                             ULONG_PTR Bytes, PTP_IO Io)
{
    JOB *Job = CONTAINING_RECORD(Overlapped, JOB, Overlapped);
    (void)Instance;
    (void)Context;
    (void)Io;
    BOOL Good = Error == NO_ERROR && Bytes == Job->Length;
    if (Good && Job->ForceUnitAccess && Job->Type == WnbdReqTypeWrite) {
        Good = FlushFileBuffers(Job->File);
    }
    Answer(Job->Disk, Job->Handle, Job->Type, Job->BlockAddress, Good, Job->Data, Job->Length);
    free(Job);
}

/* Begins a read or a write. */
static void JobStart(PWNBD_DISK Disk, WnbdRequestType Type, UINT64 Handle, const void *Data, UINT64 BlockAddress,
                     UINT32 BlockCount, BOOLEAN ForceUnitAccess)
{
    PVOID Context = NULL;
    UINT32 Length = BlockCount * BLOCK_SIZE;
    JOB *Job = malloc(sizeof(JOB) + Length);
    WnbdGetUserContext(Disk, &Context);
    FILE_DISK *Own = Context;
    if (!Job) {
        Answer(Disk, Handle, Type, BlockAddress, FALSE, NULL, 0);
        return;
    }
    memset(Job, 0, sizeof(*Job));
    Job->Overlapped.Offset = (DWORD)(BlockAddress * BLOCK_SIZE);
    Job->Overlapped.OffsetHigh = (DWORD)(BlockAddress * BLOCK_SIZE >> 32);
    Job->Disk = Disk;
    Job->File = Own->File;
    Job->Handle = Handle;
    Job->BlockAddress = BlockAddress;
    Job->Type = Type;
    Job->ForceUnitAccess = ForceUnitAccess;
    Job->Length = Length;
    if (Data) {
        memcpy(Job->Data, Data, Length);
    }
    StartThreadpoolIo(Own->Io);
    BOOL Begun = Data ? WriteFile(Own->File, Job->Data, Length, NULL, &Job->Overlapped)
                      : ReadFile(Own->File, Job->Data, Length, NULL, &Job->Overlapped);
    if (!Begun && GetLastError() != ERROR_IO_PENDING) {
        CancelThreadpoolIo(Own->Io); /* JobDone will not come */
        Answer(Disk, Handle, Type, BlockAddress, FALSE, NULL, 0);
        free(Job);
    }
}

static VOID Read(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                 BOOLEAN ForceUnitAccess)
{
    (void)Buffer;
    JobStart(Disk, WnbdReqTypeRead, RequestHandle, NULL, BlockAddress, BlockCount, ForceUnitAccess);
}

static VOID Write(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                  BOOLEAN ForceUnitAccess)
{
    JobStart(Disk, WnbdReqTypeWrite, RequestHandle, Buffer, BlockAddress, BlockCount, ForceUnitAccess);
}

/* Covers what was answered before; that is in the file by then. */
static VOID Flush(PWNBD_DISK Disk, UINT64 RequestHandle, UINT64 BlockAddress, UINT32 BlockCount)
{
    PVOID Context = NULL;
    (void)BlockCount;
    WnbdGetUserContext(Disk, &Context);
    BOOL Good = FlushFileBuffers(((FILE_DISK *)Context)->File);
    Answer(Disk, RequestHandle, WnbdReqTypeFlush, BlockAddress, Good, NULL, 0);
}

static const WNBD_INTERFACE Callbacks = {.Read = Read, .Write = Write, .Flush = Flush};

static BOOL WINAPI OnControl(DWORD Event)
{
    (void)Event;
    WnbdStopDispatcher(TheDisk, NULL);
    return TRUE;
}

/* Opens the file and makes it as large as is wanted; 0: as it is. Returns its size, 0 after a failure. */
static UINT64 FileOpen(const char *Path, UINT64 Wanted, HANDLE *File)
{
    LARGE_INTEGER Size;
    Size.QuadPart = (LONGLONG)Wanted;
    *File = CreateFileA(Path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL, Wanted ? OPEN_ALWAYS : OPEN_EXISTING,
                        FILE_FLAG_OVERLAPPED, NULL);
    if (*File == INVALID_HANDLE_VALUE) {
        return 0;
    }
    if (Wanted && (!SetFilePointerEx(*File, Size, NULL, FILE_BEGIN) || !SetEndOfFile(*File))) {
        return 0;
    }
    return GetFileSizeEx(*File, &Size) ? (UINT64)Size.QuadPart : 0;
}

static DWORD Serve(const char *Name, UINT64 SizeBytes, FILE_DISK *Own)
{
    WNBD_PROPERTIES Properties;
    memset(&Properties, 0, sizeof(Properties));
    snprintf(Properties.InstanceName, sizeof(Properties.InstanceName), "%s", Name);
    snprintf(Properties.Owner, sizeof(Properties.Owner), "file");
    Properties.BlockSize = BLOCK_SIZE;
    Properties.BlockCount = SizeBytes / BLOCK_SIZE;
    Properties.Flags.FlushSupported = 1;
    Properties.Flags.FUASupported = 1;
    DWORD Error = WnbdCreate(&Properties, (PWNBD_INTERFACE)&Callbacks, Own, &TheDisk);
    if (Error) {
        return Error;
    }
    Error = WnbdStartDispatcher(TheDisk, THREADS);
    if (!Error) {
        SetConsoleCtrlHandler(OnControl, TRUE);
        printf("%s is served; Ctrl-C removes it\n", Name);
        fflush(stdout);
        Error = WnbdWaitDispatcher(TheDisk);
        SetConsoleCtrlHandler(OnControl, FALSE);
    }
    WaitForThreadpoolIoCallbacks(Own->Io, FALSE); /* the last answers, before the handle goes */
    WnbdClose(TheDisk);
    return Error;
}

int main(int Count, char **Arguments)
{
    FILE_DISK Own = {INVALID_HANDLE_VALUE, NULL};
    UINT64 Mib = Count == 4 ? strtoull(Arguments[3], NULL, 10) : 0;
    if (Count < 3 || Count > 4 || (Count == 4 && (Mib == 0 || Mib >> 40)) ||
        strlen(Arguments[1]) >= WNBD_MAX_NAME_LENGTH) {
        fprintf(stderr, "usage: filedisk NAME PATH [MIB]\n");
        return ERROR_INVALID_PARAMETER;
    }
    UINT64 SizeBytes = FileOpen(Arguments[2], Mib << 20, &Own.File);
    if (SizeBytes < BLOCK_SIZE) {
        fprintf(stderr, "cannot use %s: error %lu\n", Arguments[2], GetLastError());
        return ERROR_OPEN_FAILED;
    }
    Own.Io = CreateThreadpoolIo(Own.File, JobDone, NULL, NULL);
    if (!Own.Io) {
        fprintf(stderr, "cannot do I/O: error %lu\n", GetLastError());
        return ERROR_OUTOFMEMORY;
    }
    DWORD Error = Serve(Arguments[1], SizeBytes, &Own);
    CloseThreadpoolIo(Own.Io);
    CloseHandle(Own.File);
    return (int)Error;
}
