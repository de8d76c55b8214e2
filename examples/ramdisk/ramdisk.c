/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk in memory, served by this process: the smallest useful WNBD provider.
 *
 *   ramdisk NAME MIB     makes the disk NAME of MIB mebibytes; Ctrl-C removes it
 *
 * Needs an elevated prompt, like everything that talks to the driver. Copy it
 * and put your own storage where the memory is.
 */
#include <wnbd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 512u
#define THREADS 4

/* What the callbacks need; WnbdGetUserContext returns it. */
typedef struct {
    BYTE *Memory;
} RAM_DISK;

static PWNBD_DISK TheDisk;

static RAM_DISK *RamOf(PWNBD_DISK Disk)
{
    PVOID Context = NULL;
    WnbdGetUserContext(Disk, &Context);
    return Context;
}

/* Says that a request is done. Data goes with reads only. */
static void Answer(PWNBD_DISK Disk, UINT64 Handle, WnbdRequestType Type, void *Data, UINT32 Length)
{
    WNBD_IO_RESPONSE Response;
    memset(&Response, 0, sizeof(Response));
    Response.RequestHandle = Handle;
    Response.RequestType = Type;
    /* What fails is answered with a sense key and a code, for example WnbdSetSense(&Response.Status, 3, 0x11). */
    DWORD Error = WnbdSendResponse(Disk, &Response, Data, Length);
    if (Error) {
        fprintf(stderr, "an answer to %s was not taken: error %lu\n", WnbdRequestTypeToStr(Type), Error);
    }
}

/*
 * The callbacks run in the dispatcher's threads, several at once. Addresses are
 * inside the disk: the driver sees to that. This disk answers before a callback
 * returns; another may do so later and from any thread.
 */
static VOID Read(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                 BOOLEAN ForceUnitAccess)
{
    (void)Buffer; /* room for what is read; the data may as well be somewhere else, as here */
    (void)ForceUnitAccess;
    BYTE *Data = RamOf(Disk)->Memory + BlockAddress * BLOCK_SIZE;
    Answer(Disk, RequestHandle, WnbdReqTypeRead, Data, BlockCount * BLOCK_SIZE);
}

static VOID Write(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                  BOOLEAN ForceUnitAccess)
{
    (void)ForceUnitAccess; /* there is nothing more stable than the memory */
    memcpy(RamOf(Disk)->Memory + BlockAddress * BLOCK_SIZE, Buffer, (size_t)BlockCount * BLOCK_SIZE);
    Answer(Disk, RequestHandle, WnbdReqTypeWrite, NULL, 0);
}

static VOID Unmap(PWNBD_DISK Disk, UINT64 RequestHandle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count)
{
    for (UINT32 Index = 0; Index < Count; Index++) {
        memset(RamOf(Disk)->Memory + Descriptors[Index].BlockAddress * BLOCK_SIZE, 0,
               (size_t)Descriptors[Index].BlockCount * BLOCK_SIZE);
    }
    Answer(Disk, RequestHandle, WnbdReqTypeUnmap, NULL, 0);
}

/* No Flush: Windows is told that there is no cache to be written out. */
static const WNBD_INTERFACE Callbacks = {.Read = Read, .Write = Write, .Unmap = Unmap};

/*
 * Ctrl-C, in a thread of its own: asks Windows to let go of the disk, which may
 * write to it until then, and removes it. The main thread sees the end.
 */
static BOOL WINAPI OnControl(DWORD Event)
{
    (void)Event;
    WnbdStopDispatcher(TheDisk, NULL);
    return TRUE;
}

static void Announce(const char *Name)
{
    DWORD Number;
    if (WnbdPollDiskNumber(Name, TRUE, FALSE, 10000, 100, &Number) == 0) {
        printf("%s is \\\\.\\PhysicalDrive%lu; Ctrl-C removes it\n", Name, Number);
    } else {
        printf("%s is there, but Windows does not show it yet; Ctrl-C removes it\n", Name);
    }
    fflush(stdout);
}

static DWORD Serve(const char *Name, UINT64 SizeBytes, RAM_DISK *Ram)
{
    WNBD_PROPERTIES Properties;
    memset(&Properties, 0, sizeof(Properties));
    snprintf(Properties.InstanceName, sizeof(Properties.InstanceName), "%s", Name);
    snprintf(Properties.Owner, sizeof(Properties.Owner), "ramdisk");
    Properties.BlockSize = BLOCK_SIZE;
    Properties.BlockCount = SizeBytes / BLOCK_SIZE;
    Properties.Flags.UnmapSupported = 1;
    Properties.MaxUnmapDescCount = 16;

    DWORD Error = WnbdCreate(&Properties, (PWNBD_INTERFACE)&Callbacks, Ram, &TheDisk);
    if (Error) {
        return Error;
    }
    Error = WnbdStartDispatcher(TheDisk, THREADS);
    if (!Error) {
        SetConsoleCtrlHandler(OnControl, TRUE);
        Announce(Name);
        Error = WnbdWaitDispatcher(TheDisk); /* until somebody removes the disk */
        SetConsoleCtrlHandler(OnControl, FALSE);
    }
    WnbdClose(TheDisk);
    return Error;
}

int main(int Count, char **Arguments)
{
    char *End = NULL;
    UINT64 Mib = Count == 3 ? strtoull(Arguments[2], &End, 10) : 0;
    if (Mib == 0 || Mib > 1024 * 1024 || *End != '\0' || strlen(Arguments[1]) >= WNBD_MAX_NAME_LENGTH) {
        fprintf(stderr, "usage: ramdisk NAME MIB\n");
        return ERROR_INVALID_PARAMETER;
    }
    RAM_DISK Ram;
    Ram.Memory = VirtualAlloc(NULL, (SIZE_T)(Mib << 20), MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); /* zeroes */
    if (!Ram.Memory) {
        fprintf(stderr, "there is not that much memory\n");
        return ERROR_OUTOFMEMORY;
    }
    /* The library writes to stderr what goes wrong: see WnbdSetLogger. */
    DWORD Error = Serve(Arguments[1], Mib << 20, &Ram);
    VirtualFree(Ram.Memory, 0, MEM_RELEASE);
    return (int)Error;
}
