/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * MDLs. The system's own memory is all mapped: there an MDL's system address is its virtual address. That of a process
 * has another one (mm_user.c).
 */
#include "internal.h"

#include <stdlib.h>

/* Memory that a transfer uses at the moment: one entry per MDL and transfer. */
typedef struct MDL_TRANSFER {
    struct MDL_TRANSFER *Next;
    PMDL Mdl;
    const char *Address;
    size_t Length;
} MDL_TRANSFER;

static GROUND_LOCK MdlLock = GROUND_LOCK_INITIALIZER;
static MDL_TRANSFER *MdlTransfers;

#define MDL_DESCRIBES (MDL_SOURCE_IS_NONPAGED_POOL | MDL_PAGES_LOCKED | MDL_PARTIAL)

static const char *MdlStart(const MDL *Mdl)
{
    return (const char *)MmGetMdlVirtualAddress(Mdl);
}

VOID NativeInitializeMdl(PMDL Mdl, PVOID Address, SIZE_T Length)
{
    *Mdl = (MDL){.Size = sizeof(MDL),
                 .StartVa = PAGE_ALIGN(Address),
                 .ByteOffset = BYTE_OFFSET(Address),
                 .ByteCount = (ULONG)Length};
}

PMDL IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN Secondary, BOOLEAN ChargeQuota, PIRP Irp)
{
    UNREFERENCED_PARAMETER(ChargeQuota);
    NT_ENTER(DISPATCH_LEVEL);
    PMDL Mdl = Fault(__func__) ? NULL : malloc(sizeof(*Mdl));
    if (Mdl == NULL) {
        return NULL;
    }
    NativeInitializeMdl(Mdl, VirtualAddress, Length);
    TrackAdd(TRACK_MDL, Mdl, Length, 0, __builtin_return_address(0));
    if (Irp != NULL) {
        PMDL *Link = &Irp->MdlAddress;
        while (Secondary && *Link != NULL) {
            Link = &(*Link)->Next;
        }
        *Link = Mdl;
    }
    return Mdl;
}

static void MdlCheckIdle(const MDL *Mdl, const char *Function)
{
    GroundLockEnter(&MdlLock);
    MDL_TRANSFER *Transfer = MdlTransfers;
    while (Transfer != NULL && Transfer->Mdl != Mdl) {
        Transfer = Transfer->Next;
    }
    GroundLockLeave(&MdlLock);
    if (Transfer != NULL) {
        NtViolation(RULE_MDL_IN_FLIGHT, Function, "a transfer uses the MDL at %p", (const void *)Mdl);
    }
}

VOID IoFreeMdl(PMDL Mdl)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (!TrackRemove(TRACK_MDL, Mdl, NULL, NULL)) {
        NtViolation(RULE_MDL_STATE, __func__, "%p is no MDL of IoAllocateMdl, or not any more", (void *)Mdl);
    }
    if (Mdl->MdlFlags & MDL_PAGES_LOCKED) {
        NtViolation(RULE_MDL_STATE, __func__, "the pages of the MDL at %p are locked", (void *)Mdl);
    }
    MdlCheckIdle(Mdl, __func__);
    free(Mdl);
}

VOID MmBuildMdlForNonPagedPool(PMDL Mdl)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (Mdl->MdlFlags & MDL_DESCRIBES) {
        NtViolation(RULE_MDL_STATE, __func__, "the MDL at %p is built already", (void *)Mdl);
    }
    PoolCheckResident(MmGetMdlVirtualAddress(Mdl), __func__);
    Mdl->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
    Mdl->MappedSystemVa = MmGetMdlVirtualAddress(Mdl);
}

VOID IoBuildPartialMdl(PMDL Source, PMDL Target, PVOID VirtualAddress, ULONG Length)
{
    NT_ENTER(DISPATCH_LEVEL);
    const char *Start = VirtualAddress, *SourceStart = MdlStart(Source);
    if (!(Source->MdlFlags & MDL_DESCRIBES)) {
        NtViolation(RULE_MDL_STATE, __func__, "the source MDL at %p is not built", (void *)Source);
    }
    if (Start < SourceStart || Start > SourceStart + Source->ByteCount ||
        Length > (size_t)(SourceStart + Source->ByteCount - Start)) {
        NtViolation(RULE_MDL_RANGE, __func__, "%p, %u bytes: the source has %u bytes at %p", VirtualAddress,
                    (unsigned)Length, (unsigned)Source->ByteCount, (const void *)SourceStart);
    }
    if (Length == 0) { /* "Length: zero: the rest of the source" */
        Length = (ULONG)(SourceStart + Source->ByteCount - Start);
    }
    MdlCheckIdle(Target, __func__);
    NativeInitializeMdl(Target, VirtualAddress, Length);
    Target->MdlFlags = MDL_PARTIAL;
    Target->MappedSystemVa = (char *)Source->MappedSystemVa + (Start - SourceStart);
}

PVOID MmGetSystemAddressForMdlSafe(PMDL Mdl, ULONG Priority)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (!(Mdl->MdlFlags & MDL_DESCRIBES)) {
        NtViolation(RULE_MDL_STATE, __func__, "the MDL at %p is not built", (void *)Mdl);
    }
    if (!(Priority & MdlMappingNoExecute) && !(Mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL)) {
        NtViolation(RULE_MDL_STATE, __func__, "a mapping without MdlMappingNoExecute (memory integrity)");
    }
    return Fault(__func__) ? NULL : Mdl->MappedSystemVa;
}

VOID MmProbeAndLockPages(PMDL Mdl, KPROCESSOR_MODE Mode, LOCK_OPERATION Operation)
{
    NtEnter(__func__, Mode == UserMode ? APC_LEVEL : DISPATCH_LEVEL);
    if (Mdl->MdlFlags & MDL_DESCRIBES) {
        NtViolation(RULE_MDL_STATE, __func__, "the MDL at %p is built already", (void *)Mdl);
    }
    if (Fault(__func__)) {
        ExRaiseStatus(STATUS_WORKING_SET_QUOTA);
    }
    /* Whatever a caller has given, NULL too. */
    char *System = (char *)((ULONG_PTR)Mdl->StartVa + Mdl->ByteOffset);
    if (Mode == UserMode) {
        System = UserPagesLock(System, Mdl->ByteCount, Operation != IoReadAccess);
        Mdl->Process = PsGetCurrentProcess();
    }
    if (System < (char *)0x10000) {
        ExRaiseStatus(STATUS_ACCESS_VIOLATION);
    }
    Mdl->MdlFlags |= MDL_PAGES_LOCKED;
    Mdl->MappedSystemVa = System;
}

VOID MmUnlockPages(PMDL Mdl)
{
    NT_ENTER(DISPATCH_LEVEL);
    if (!(Mdl->MdlFlags & MDL_PAGES_LOCKED)) {
        NtViolation(RULE_MDL_STATE, __func__, "the pages of the MDL at %p are not locked", (void *)Mdl);
    }
    MdlCheckIdle(Mdl, __func__);
    Mdl->MdlFlags &= (CSHORT)~MDL_PAGES_LOCKED;
    if (Mdl->Process != NULL && !UserPagesUnlock(Mdl->MappedSystemVa)) {
        NtViolation(RULE_MDL_STATE, __func__, "the MDL at %p has lost its process's pages", (void *)Mdl);
    }
}

/* ---- Transfers ---- */

void MdlHold(PMDL Mdl)
{
    MDL_TRANSFER *Transfer = malloc(sizeof(*Transfer));
    if (Transfer == NULL) {
        abort();
    }
    if (!(Mdl->MdlFlags & MDL_DESCRIBES)) {
        NtViolation(RULE_MDL_STATE, "WSK", "the MDL at %p is not built", (void *)Mdl);
    }
    *Transfer = (MDL_TRANSFER){.Mdl = Mdl, .Address = MdlStart(Mdl), .Length = Mdl->ByteCount};
    GroundLockEnter(&MdlLock);
    Transfer->Next = MdlTransfers;
    MdlTransfers = Transfer;
    GroundLockLeave(&MdlLock);
}

void MdlRelease(PMDL Mdl)
{
    GroundLockEnter(&MdlLock);
    MDL_TRANSFER **Link = &MdlTransfers;
    while ((*Link)->Mdl != Mdl) {
        Link = &(*Link)->Next;
    }
    MDL_TRANSFER *Transfer = *Link;
    *Link = Transfer->Next;
    GroundLockLeave(&MdlLock);
    free(Transfer);
}

void MdlCheckFree(const void *Address, size_t Length)
{
    const char *Start = Address;
    GroundLockEnter(&MdlLock);
    MDL_TRANSFER *Transfer = MdlTransfers;
    while (Transfer != NULL && (Transfer->Address + Transfer->Length <= Start || Transfer->Address >= Start + Length)) {
        Transfer = Transfer->Next;
    }
    GroundLockLeave(&MdlLock);
    if (Transfer != NULL) {
        NtViolation(RULE_POOL_IN_USE, "ExFreePool", "a transfer uses %zu bytes at %p", Transfer->Length,
                    (const void *)Transfer->Address);
    }
}
