/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The memory of programs, which the driver process doesn't share (seen in Wine 8.0, whose MmProbeAndLockPages does
 * nothing). Pages that the miniport locks as the user are copied from the process that has sent the request; what the
 * miniport has changed is copied back when it unlocks them, which is before the process can look: its request is
 * completed afterwards. What differs from Windows: the process's later changes aren't seen, pages that may not be
 * written are written all the same, and locked pages don't outlive the process.
 */
#include "port.h"
#include "wine_book.h"
#include "wine_ground.h"
#include "wine_ntdll.h"

#define COMPARED_BYTES 4096u

typedef struct {
    HANDLE Process;
    PUCHAR User;
    SIZE_T Length;
    PUCHAR Before; /* what the process had there, if that may be changed */
    UCHAR Bytes[];
} LOCKED;

static VOID Forget(LOCKED *Locked)
{
    if (Locked->Process != NULL)
        ZwClose(Locked->Process);
    WineBookFree(Locked);
}

static NTSTATUS Copy(LOCKED *Locked)
{
    OBJECT_ATTRIBUTES Attributes;
    CLIENT_ID Id = {PsGetProcessId(IoGetCurrentProcess()), NULL};
    NTSTATUS Status;
    SIZE_T Done = 0;

    InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    Status = ZwOpenProcess(&Locked->Process, PROCESS_ALL_ACCESS, &Attributes, &Id);
    if (!NT_SUCCESS(Status))
        return Status;
    Status = NtReadVirtualMemory(Locked->Process, Locked->User, Locked->Bytes, Locked->Length, &Done);
    if (!NT_SUCCESS(Status) || Done != Locked->Length)
        return STATUS_ACCESS_VIOLATION;
    if (Locked->Before != NULL)
        RtlCopyMemory(Locked->Before, Locked->Bytes, Locked->Length);
    return STATUS_SUCCESS;
}

VOID NTAPI WineProbeAndLockPages(PMDL Mdl, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation)
{
    const SIZE_T Length = MmGetMdlByteCount(Mdl);
    const BOOLEAN Write = Operation != IoReadAccess;
    NTSTATUS Status = STATUS_WORKING_SET_QUOTA;
    LOCKED *Locked;

    if (Mode != UserMode)
        return;
    Locked = WineBookAllocate(sizeof(*Locked) + (Write ? 2 : 1) * Length);
    if (Locked != NULL) {
        Locked->Process = NULL;
        Locked->User = MmGetMdlVirtualAddress(Mdl);
        Locked->Length = Length;
        Locked->Before = Write ? Locked->Bytes + Length : NULL;
        Status = Copy(Locked);
        if (!NT_SUCCESS(Status))
            Forget(Locked);
    }
    if (!NT_SUCCESS(Status))
        RtlRaiseStatus(Status); /* Wine has no ExRaiseStatus */
    Mdl->MappedSystemVa = Locked->Bytes;
    Mdl->MdlFlags |= MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA;
}

/* All from the first byte that the miniport has changed to the last piece in which it has. */
static VOID CopyBack(const LOCKED *Locked)
{
    const SIZE_T First = RtlCompareMemory(Locked->Before, Locked->Bytes, Locked->Length);
    SIZE_T End = Locked->Length;
    SIZE_T Done;

    while (End > First + COMPARED_BYTES &&
           RtlEqualMemory(Locked->Before + End - COMPARED_BYTES, Locked->Bytes + End - COMPARED_BYTES, COMPARED_BYTES))
        End -= COMPARED_BYTES;
    /* A process that has gone has nobody who would miss it. */
    if (First < End)
        NtWriteVirtualMemory(Locked->Process, Locked->User + First, (PVOID)(Locked->Bytes + First), End - First, &Done);
}

VOID NTAPI WineUnlockPages(PMDL Mdl)
{
    LOCKED *Locked;

    if ((Mdl->MdlFlags & MDL_PAGES_LOCKED) == 0)
        return;
    Locked = CONTAINING_RECORD(Mdl->MappedSystemVa, LOCKED, Bytes);
    if (Locked->Before != NULL)
        CopyBack(Locked);
    Forget(Locked);
    Mdl->MappedSystemVa = NULL;
    Mdl->MdlFlags &= (CSHORT) ~(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA);
}
