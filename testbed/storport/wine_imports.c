/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Redirects imports to functions of ours, by writing import address tables: those of the miniport, of netio.sys if the
 * miniport uses that, of the class driver and of this image, and of ntoskrnl.exe.
 */
#include "port.h"
#include "wine_book.h"
#include "wine_ground.h"
#include "wine_ntdll.h"

/* The parts of a PE image that lead to its imports [PE Format]. */
typedef struct {
    ULONG LookupTable;
    ULONG TimeDateStamp;
    ULONG ForwarderChain;
    ULONG Name;
    ULONG AddressTable;
} IMPORT_DESCRIPTOR;

#define PE_OFFSET_FIELD 0x3C
#define PE_OPTIONAL_HEADER 24u
#define PE_IMAGE_SIZE (PE_OPTIONAL_HEADER + 56u)
#define PE_IMPORT_DIRECTORY (PE_OPTIONAL_HEADER + 112u + 8u)
#define PE_ORDINAL_FLAG 0x8000000000000000ull

static VOID NTAPI WineBuildPartialMdl(PMDL Source, PMDL Target, PVOID VirtualAddress, ULONG Length)
{
    const ULONG_PTR Offset = (ULONG_PTR)VirtualAddress - (ULONG_PTR)MmGetMdlVirtualAddress(Source);

    if (Length == 0)
        Length = MmGetMdlByteCount(Source) - (ULONG)Offset;
    Target->StartVa = PAGE_ALIGN(VirtualAddress);
    Target->ByteOffset = BYTE_OFFSET(VirtualAddress);
    Target->ByteCount = Length;
    Target->MappedSystemVa = (PUCHAR)MmGetSystemAddressForMdlSafe(Source, NormalPagePriority) + Offset;
    Target->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL;
}

static const WINE_REDIRECTION Redirections[] = {
    {"KeInsertQueueDpc", (PVOID)(ULONG_PTR)WineInsertQueueDpc, NULL},
    {"KeRemoveQueueDpc", (PVOID)(ULONG_PTR)WineRemoveQueueDpc, NULL},
    {"KeFlushQueuedDpcs", (PVOID)(ULONG_PTR)WineFlushQueuedDpcs, NULL},
    {"KeSetTimer", (PVOID)(ULONG_PTR)WineSetTimer, NULL},
    {"KeSetTimerEx", (PVOID)(ULONG_PTR)WineSetTimerEx, NULL},
    {"KeCancelTimer", (PVOID)(ULONG_PTR)WineCancelTimer, NULL},
    {"KeQueryUnbiasedInterruptTime", (PVOID)(ULONG_PTR)PortPlatformTime, NULL},
    {"IoBuildPartialMdl", (PVOID)(ULONG_PTR)WineBuildPartialMdl, NULL},
    {"MmProbeAndLockPages", (PVOID)(ULONG_PTR)WineProbeAndLockPages, NULL},
    {"MmUnlockPages", (PVOID)(ULONG_PTR)WineUnlockPages, NULL},
};

static BOOLEAN SameName(PCSTR A, PCSTR B)
{
    while (*A != 0 && *A == *B) {
        ++A;
        ++B;
    }
    return *A == *B;
}

static const WINE_REDIRECTION *Lookup(const WINE_REDIRECTION *Table, ULONG Count, PCSTR Name)
{
    ULONG i;

    for (i = 0; i < Count; ++i)
        if (SameName(Table[i].Name, Name))
            return &Table[i];
    return NULL;
}

static VOID Write(PVOID *Slot, PVOID Function)
{
    SIZE_T Length = sizeof(*Slot);
    PVOID Page = Slot;
    ULONG Old;

    if (!NT_SUCCESS(NtProtectVirtualMemory(NtCurrentProcess(), &Page, &Length, PAGE_READWRITE, &Old))) {
        DbgPrint("storport: an import at %p can't be redirected: the page isn't writable\n", (PVOID)Slot);
        return;
    }
    *Slot = Function;
    Length = sizeof(*Slot);
    Page = Slot;
    NtProtectVirtualMemory(NtCurrentProcess(), &Page, &Length, Old, &Old);
}

static VOID Redirect(PVOID *Slot, const WINE_REDIRECTION *Redirection)
{
    if (*Slot == Redirection->Function)
        return;
    if (Redirection->Original != NULL)
        *Redirection->Original = *Slot;
    Write(Slot, Redirection->Function);
}

/* Looks at every import of the image that holds CodeAddress. */
static VOID RedirectImage(PVOID CodeAddress, const WINE_REDIRECTION *(*Choose)(PCSTR Name, PVOID *Slot))
{
    const IMPORT_DESCRIPTOR *Descriptor;
    PUCHAR Base = NULL;
    PUCHAR Header;

    if (RtlPcToFileHeader(CodeAddress, (PVOID *)&Base) == NULL) {
        DbgPrint("storport: no image holds the code at %p\n", CodeAddress);
        return;
    }
    Header = Base + *(ULONG *)(Base + PE_OFFSET_FIELD);
    Descriptor = (const IMPORT_DESCRIPTOR *)(Base + *(ULONG *)(Header + PE_IMPORT_DIRECTORY));
    for (; Descriptor->Name != 0; ++Descriptor) {
        const ULONGLONG *Names = (const ULONGLONG *)(Base + Descriptor->LookupTable);
        PVOID *Slots = (PVOID *)(Base + Descriptor->AddressTable);
        ULONG i;

        for (i = 0; Names[i] != 0; ++i) {
            const WINE_REDIRECTION *Redirection;

            if ((Names[i] & PE_ORDINAL_FLAG) != 0)
                continue;
            Redirection = Choose((PCSTR)Base + Names[i] + 2, &Slots[i]);
            if (Redirection != NULL)
                Redirect(&Slots[i], Redirection);
        }
    }
}

/* netio.sys has no other user in the process, and stays loaded as long as the miniport. */
static const WINE_REDIRECTION *LookupNetio(PCSTR Name, PVOID *Slot)
{
    const WINE_REDIRECTION *Redirection = Lookup(WineNetioRedirections, WineNetioRedirectionCount, Name);

    UNREFERENCED_PARAMETER(Slot);
    return Redirection != NULL ? Redirection : Lookup(WineTrackRedirections, WineTrackRedirectionCount, Name);
}

static const WINE_REDIRECTION *LookupDriver(PCSTR Name, PVOID *Slot)
{
    UNREFERENCED_PARAMETER(Slot);
    return Lookup(WineTrackRedirections, WineTrackRedirectionCount, Name);
}

static const WINE_REDIRECTION *LookupMiniport(PCSTR Name, PVOID *Slot)
{
    const WINE_REDIRECTION *Redirection = Lookup(Redirections, RTL_NUMBER_OF(Redirections), Name);

    if (SameName(Name, "WskRegister"))
        RedirectImage(*Slot, LookupNetio);
    if (Redirection == NULL)
        Redirection = Lookup(WineLockRedirections, WineLockRedirectionCount, Name);
    if (Redirection == NULL)
        Redirection = Lookup(WineEtwRedirections, WineEtwRedirectionCount, Name);
    return Redirection != NULL ? Redirection : LookupDriver(Name, Slot);
}

static const WINE_REDIRECTION *LookupKernel(PCSTR Name, PVOID *Slot)
{
    UNREFERENCED_PARAMETER(Slot);
    return Lookup(WineKernelRedirections, WineKernelRedirectionCount, Name);
}

static const WINE_REDIRECTION *LookupPort(PCSTR Name, PVOID *Slot)
{
    if (SameName(Name, "IoCreateDevice"))
        RedirectImage(*Slot, LookupKernel);
    return LookupDriver(Name, Slot);
}

static VOID NoteMiniport(PVOID CodeAddress)
{
    PUCHAR Base = NULL;

    if (RtlPcToFileHeader(CodeAddress, (PVOID *)&Base) != NULL) {
        const PUCHAR Header = Base + *(ULONG *)(Base + PE_OFFSET_FIELD);

        WineBookAddMiniport((ULONG_PTR)Base, (ULONG_PTR)Base + *(ULONG *)(Header + PE_IMAGE_SIZE));
    }
}

/* ntoskrnl.exe and the class driver call this image from now on, also when the last miniport has gone. */
static VOID StayLoaded(VOID)
{
    PVOID Base = NULL;

    if (RtlPcToFileHeader((PVOID)(ULONG_PTR)StayLoaded, &Base) != NULL)
        LdrAddRefDll(LDR_ADDREF_DLL_PIN, Base);
}

VOID WineRedirectMiniport(PVOID CodeAddress)
{
    StayLoaded();
    NoteMiniport(CodeAddress);
    RedirectImage((PVOID)(ULONG_PTR)WineRedirectMiniport, LookupPort);
    RedirectImage(CodeAddress, LookupMiniport);
}

VOID WineRedirectClassDriver(PVOID CodeAddress)
{
    RedirectImage(CodeAddress, LookupDriver);
}
