/* SPDX-License-Identifier: LGPL-2.1-only */
/* Redirects imports of the miniport's image to functions of ours, by writing its import address table. */
#include "port.h"
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
    {"KeInsertQueueDpc", (PVOID)(ULONG_PTR)WineInsertQueueDpc},
    {"KeRemoveQueueDpc", (PVOID)(ULONG_PTR)WineRemoveQueueDpc},
    {"KeFlushQueuedDpcs", (PVOID)(ULONG_PTR)WineFlushQueuedDpcs},
    {"KeSetTimer", (PVOID)(ULONG_PTR)WineSetTimer},
    {"KeSetTimerEx", (PVOID)(ULONG_PTR)WineSetTimerEx},
    {"KeCancelTimer", (PVOID)(ULONG_PTR)WineCancelTimer},
    {"IoBuildPartialMdl", (PVOID)(ULONG_PTR)WineBuildPartialMdl},
};

static BOOLEAN SameName(PCSTR A, PCSTR B)
{
    while (*A != 0 && *A == *B) {
        ++A;
        ++B;
    }
    return *A == *B;
}

static PVOID Lookup(const WINE_REDIRECTION *Table, ULONG Count, PCSTR Name)
{
    ULONG i;

    for (i = 0; i < Count; ++i)
        if (SameName(Table[i].Name, Name))
            return Table[i].Function;
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

VOID WineRedirectImports(PVOID CodeAddress)
{
    const IMPORT_DESCRIPTOR *Descriptor;
    PUCHAR Base = NULL;
    PUCHAR Header;

    if (RtlPcToFileHeader(CodeAddress, (PVOID *)&Base) == NULL) {
        DbgPrint("storport: no image holds the miniport's code at %p\n", CodeAddress);
        return;
    }
    Header = Base + *(ULONG *)(Base + PE_OFFSET_FIELD);
    Descriptor = (const IMPORT_DESCRIPTOR *)(Base + *(ULONG *)(Header + PE_IMPORT_DIRECTORY));
    for (; Descriptor->Name != 0; ++Descriptor) {
        const ULONGLONG *Names = (const ULONGLONG *)(Base + Descriptor->LookupTable);
        PVOID *Slots = (PVOID *)(Base + Descriptor->AddressTable);
        ULONG i;

        for (i = 0; Names[i] != 0; ++i) {
            PVOID Function;

            if ((Names[i] & PE_ORDINAL_FLAG) != 0)
                continue;
            Function = Lookup(Redirections, RTL_NUMBER_OF(Redirections), (PCSTR)Base + Names[i] + 2);
            if (Function == NULL)
                Function = Lookup(WineTrackRedirections, WineTrackRedirectionCount, (PCSTR)Base + Names[i] + 2);
            if (Function != NULL)
                Write(&Slots[i], Function);
        }
    }
}
