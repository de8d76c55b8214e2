/* SPDX-License-Identifier: LGPL-2.1-only */
/* native.h's files and requests: what the I/O manager and a class driver do for their callers. */
#include "pnp.h"

#include <stdlib.h>

#include <storport.h>

struct NATIVE_FILE {
    FILE_OBJECT Object;
    NATIVE_DEVICE *Node; /* open */
    PDEVICE_OBJECT Top;  /* referenced */
    KTHREAD Thread;      /* the caller as drivers see it */
    bool Created;        /* IRP_MJ_CREATE succeeded: cleanup and close are due */
    bool OwnProcess;
};

struct NATIVE_REQUEST {
    LIST_ENTRY Link; /* RequestList */
    LONG References;
    bool Ending; /* its thread ends */
    bool OfDriver;
    /* who has sent it; perhaps gone by now */
    const EPROCESS *Process;
    const KTHREAD *Thread;
    PIRP Irp;
    KEVENT Done;
    PMDL Mdl;
    void *SystemBuffer;
    void *Output;
    ULONG OutputLength;
};

static GROUND_LOCK RequestLock = GROUND_LOCK_INITIALIZER;
static LIST_ENTRY RequestList = {&RequestList, &RequestList}; /* what has been sent and not been waited for */

/* Runs as the file's process while a request is sent, as a user's thread would. */
static void RequestSend(NATIVE_FILE *File, PIRP Irp)
{
    PKTHREAD Thread = KeGetCurrentThread();
    PEPROCESS Process = Thread->Process;
    NATIVE_REQUEST *Request = Irp->Native->Context;
    IoGetNextIrpStackLocation(Irp)->FileObject = &File->Object;
    Irp->Tail.Overlay.OriginalFileObject = &File->Object;
    Irp->Tail.Overlay.Thread = Request->OfDriver ? NULL : &File->Thread;
    Request->Process = File->Thread.Process;
    Request->Thread = &File->Thread;
    GroundLockEnter(&RequestLock);
    InsertTailList(&RequestList, &Request->Link);
    GroundLockLeave(&RequestLock);
    Thread->Process = File->Thread.Process;
    IofCallDriver(File->Top, Irp);
    Thread->Process = Process;
}

static void RequestFinished(PIRP Irp)
{
    NATIVE_REQUEST *Request = Irp->Native->Context;
    if (Request->Output != NULL && !NT_ERROR(Irp->IoStatus.Status)) {
        if (Irp->IoStatus.Information > Request->OutputLength) {
            NtViolation(RULE_IRP_LENGTH, "IoCompleteRequest", "Information is %llu, the output buffer has %u bytes",
                        Irp->IoStatus.Information, (unsigned)Request->OutputLength);
        }
        memcpy(Request->Output, Request->SystemBuffer, Irp->IoStatus.Information);
    }
    NtSignal(&Request->Done.Header);
}

static NATIVE_REQUEST *RequestCreate(NATIVE_FILE *File, UCHAR Major)
{
    NATIVE_REQUEST *Request = calloc(1, sizeof(*Request));
    if (Request == NULL) {
        abort();
    }
    KeInitializeEvent(&Request->Done, NotificationEvent, FALSE);
    Request->References = 1;
    Request->Irp = FAULT_SPARE(IoAllocateIrp(File->Top->StackSize, FALSE));
    Request->Irp->Native->Context = Request;
    Request->Irp->Native->Finish = RequestFinished;
    Request->Irp->RequestorMode = UserMode;
    IoGetNextIrpStackLocation(Request->Irp)->MajorFunction = Major;
    return Request;
}

void NativeRequestCancel(NATIVE_REQUEST *Request)
{
    IoCancelIrp(Request->Irp);
}

bool NativeRequestPoll(NATIVE_REQUEST *Request, uint32_t TimeoutMs)
{
    LARGE_INTEGER Timeout = {.QuadPart = -(LONGLONG)TimeoutMs * 10000};
    return KeWaitForSingleObject(&Request->Done, Executive, KernelMode, FALSE, &Timeout) == STATUS_SUCCESS;
}

static void RequestRelease(NATIVE_REQUEST *Request)
{
    GroundLockEnter(&RequestLock);
    bool Last = --Request->References == 0;
    if (Last) {
        RemoveEntryList(&Request->Link);
    }
    GroundLockLeave(&RequestLock);
    if (!Last) {
        return;
    }
    if (Request->Mdl != NULL) {
        MmUnlockPages(Request->Mdl);
        IoFreeMdl(Request->Mdl);
    }
    if (Request->SystemBuffer != NULL) {
        ExFreePool(Request->SystemBuffer);
    }
    IoFreeIrp(Request->Irp);
    free(Request);
}

NTSTATUS NativeRequestWait(NATIVE_REQUEST *Request, ULONG *Used)
{
    KeWaitForSingleObject(&Request->Done, Executive, KernelMode, FALSE, NULL);
    NTSTATUS Status = Request->Irp->IoStatus.Status;
    if (Used != NULL) {
        *Used = (ULONG)Request->Irp->IoStatus.Information;
    }
    RequestRelease(Request);
    return Status;
}

/* One that ends with its thread or process, referenced, and once; NULL: none is left. */
static NATIVE_REQUEST *RequestToEnd(const EPROCESS *Process, const KTHREAD *Thread)
{
    NATIVE_REQUEST *Found = NULL;
    GroundLockEnter(&RequestLock);
    for (PLIST_ENTRY Entry = RequestList.Flink; Entry != &RequestList && Found == NULL; Entry = Entry->Flink) {
        NATIVE_REQUEST *Request = CONTAINING_RECORD(Entry, NATIVE_REQUEST, Link);
        if (!Request->Ending && Request->Process == Process && (Thread == NULL || Request->Thread == Thread)) {
            Request->Ending = true;
            Request->References++;
            Found = Request;
        }
    }
    GroundLockLeave(&RequestLock);
    return Found;
}

void RequestsEnd(const EPROCESS *Process, const KTHREAD *Thread)
{
    NATIVE_REQUEST *Request;
    while ((Request = RequestToEnd(Process, Thread)) != NULL) {
        IoCancelIrp(Request->Irp);
        KeWaitForSingleObject(&Request->Done, Executive, KernelMode, FALSE, NULL);
        RequestRelease(Request);
    }
}

void NativeThreadEnd(NATIVE_FILE *File)
{
    RequestsEnd(File->Thread.Process, &File->Thread);
}

NATIVE_REQUEST *NativeIoctlMake(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                                ULONG OutputLength)
{
    NATIVE_REQUEST *Request = RequestCreate(File, IRP_MJ_DEVICE_CONTROL);
    PIO_STACK_LOCATION Stack = IoGetNextIrpStackLocation(Request->Irp);
    ULONG Length = InputLength > OutputLength ? InputLength : OutputLength;
    NT_ASSERT(METHOD_FROM_CTL_CODE(Code) == METHOD_BUFFERED);
    if (Length != 0) {
        Request->SystemBuffer = FAULT_SPARE(ExAllocatePoolWithTag(NonPagedPoolNx, Length, 'boSN'));
    }
    if (InputLength != 0) {
        memcpy(Request->SystemBuffer, Input, InputLength);
    }
    Request->Output = OutputLength == 0 ? NULL : Output;
    Request->OutputLength = OutputLength;
    Request->Irp->AssociatedIrp.SystemBuffer = Request->SystemBuffer;
    Request->Irp->Flags = IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | (OutputLength != 0 ? IRP_INPUT_OPERATION : 0);
    Request->Irp->UserBuffer = Output;
    Stack->Parameters.DeviceIoControl.IoControlCode = Code;
    Stack->Parameters.DeviceIoControl.InputBufferLength = InputLength;
    Stack->Parameters.DeviceIoControl.OutputBufferLength = OutputLength;
    return Request;
}

void NativeRequestSend(NATIVE_FILE *File, NATIVE_REQUEST *Request)
{
    RequestSend(File, Request->Irp);
}

NATIVE_REQUEST *NativeIoctlBegin(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                                 ULONG OutputLength)
{
    NATIVE_REQUEST *Request = NativeIoctlMake(File, Code, Input, InputLength, Output, OutputLength);
    NativeRequestSend(File, Request);
    return Request;
}

NTSTATUS NativeIoctl(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                     ULONG OutputLength, ULONG *Used)
{
    return NativeRequestWait(NativeIoctlBegin(File, Code, Input, InputLength, Output, OutputLength), Used);
}

NTSTATUS NativeIoctlOfDriver(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                             ULONG OutputLength)
{
    NATIVE_REQUEST *Request = NativeIoctlMake(File, Code, Input, InputLength, Output, OutputLength);
    Request->OfDriver = true;
    NativeRequestSend(File, Request);
    return NativeRequestWait(Request, NULL);
}

NATIVE_REQUEST *NativeScsiBegin(NATIVE_FILE *File, struct _SCSI_REQUEST_BLOCK *Srb, void *Data, ULONG DataLength)
{
    NATIVE_REQUEST *Request = RequestCreate(File, IRP_MJ_SCSI);
    PIO_STACK_LOCATION Stack = IoGetNextIrpStackLocation(Request->Irp);
    if (Srb->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK) {
        ((PSTORAGE_REQUEST_BLOCK)Srb)->OriginalRequest = Request->Irp;
    } else {
        Srb->OriginalRequest = Request->Irp;
    }
    if (Data != NULL) {
        Request->Mdl = FAULT_SPARE(IoAllocateMdl(Data, DataLength, FALSE, FALSE, Request->Irp));
        KeGetCurrentThread()->FaultsSpared++;
        MmProbeAndLockPages(Request->Mdl, KernelMode, IoModifyAccess);
        KeGetCurrentThread()->FaultsSpared--;
    }
    Request->Irp->RequestorMode = KernelMode;
    Stack->Parameters.Scsi.Srb = Srb;
    RequestSend(File, Request->Irp);
    return Request;
}

/* ---- Files ---- */

static NTSTATUS FileRequest(NATIVE_FILE *File, UCHAR Major)
{
    NATIVE_REQUEST *Request = RequestCreate(File, Major);
    RequestSend(File, Request->Irp);
    return NativeRequestWait(Request, NULL);
}

static NATIVE_FILE *FileCreate(NATIVE_DEVICE *Node, PEPROCESS Process)
{
    NATIVE_FILE *File = calloc(1, sizeof(*File));
    if (File == NULL) {
        abort();
    }
    PnpOpen(Node);
    File->Node = Node;
    File->Top = DeviceTop(Node->Pdo);
    DeviceReference(File->Top);
    File->Object.Type = NATIVE_TYPE_FILE;
    File->Object.Size = sizeof(FILE_OBJECT);
    File->Object.DeviceObject = Node->Pdo;
    ThreadInitialize(&File->Thread, "caller");
    File->OwnProcess = Process == NULL;
    File->Thread.Process = Process == NULL ? NativeProcessCreate() : Process;
    return File;
}

NATIVE_FILE *NativeOpen(const GUID *InterfaceClass, PEPROCESS Process)
{
    PDEVICE_OBJECT Pdo = InterfaceFind(InterfaceClass);
    /* Opens are possible once the device has started [iosetdeviceinterfacestate]. */
    if (Pdo == NULL || Pdo->Native->Node == NULL || !NativeDevicePresent(Pdo->Native->Node)) {
        return NULL;
    }
    NATIVE_FILE *File = FileCreate(Pdo->Native->Node, Process);
    File->Created = true;
    if (!NT_SUCCESS(FileRequest(File, IRP_MJ_CREATE))) {
        File->Created = false;
        NativeClose(File);
        return NULL;
    }
    return File;
}

NATIVE_FILE *NativeOpenDevice(NATIVE_DEVICE *Device)
{
    return FileCreate(Device, PsInitialSystemProcess);
}

PEPROCESS NativeFileProcess(NATIVE_FILE *File)
{
    return File->Thread.Process;
}

void NativeClose(NATIVE_FILE *File)
{
    if (File->Created) {
        FileRequest(File, IRP_MJ_CLEANUP);
        FileRequest(File, IRP_MJ_CLOSE);
    }
    DeviceDereference(File->Top);
    PnpClose(File->Node);
    if (File->OwnProcess) {
        NativeProcessDelete(File->Thread.Process);
    }
    free(File);
}
