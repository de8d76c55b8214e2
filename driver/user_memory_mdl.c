/* SPDX-License-Identifier: LGPL-2.1-only */
/* user_memory.h by memory descriptor lists. WDK: MmProbeAndLockPages, MmGetSystemAddressForMdlSafe. */
#include "user_memory.h"

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS UserMemoryProbe(PMDL Mdl, LOCK_OPERATION Access)
{
    NTSTATUS Status = STATUS_SUCCESS;
    /* As the user's whoever asks: a driver's request gets no more rights. */
    NT_TRY
    MmProbeAndLockPages(Mdl, UserMode, Access);
    NT_EXCEPT
    Status = NT_EXCEPTION_CODE();
    /* No page is locked, whatever the exception's code is (Wine 8's __C_specific_handler hands over none). */
    if (NT_SUCCESS(Status)) {
        Status = STATUS_ACCESS_VIOLATION;
    }
    NT_TRY_END
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS UserMemoryLock(USER_MEMORY *Memory, PVOID Address, ULONG SizeBytes, LOCK_OPERATION Access)
{
    RtlZeroMemory(Memory, sizeof(*Memory));
    if (SizeBytes == 0) {
        return STATUS_SUCCESS;
    }
    PMDL Mdl = IoAllocateMdl(Address, SizeBytes, FALSE, FALSE, NULL);
    if (Mdl == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    NTSTATUS Status = UserMemoryProbe(Mdl, Access);
    if (!NT_SUCCESS(Status)) {
        IoFreeMdl(Mdl);
        return Status;
    }
    Memory->Mdl = Mdl;
    Memory->SizeBytes = SizeBytes;
    /* Flags may stand beside the priority. NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange) */
    Memory->Bytes = MmGetSystemAddressForMdlSafe(Mdl, HighPagePriority | MdlMappingNoExecute);
    if (Memory->Bytes == NULL) {
        UserMemoryUnlock(Memory);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    return STATUS_SUCCESS;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void UserMemoryUnlock(USER_MEMORY *Memory)
{
    if (Memory->Mdl != NULL) {
        MmUnlockPages(Memory->Mdl);
        IoFreeMdl(Memory->Mdl);
        Memory->Mdl = NULL;
    }
}
