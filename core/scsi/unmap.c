/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * UNMAP of SBC-3: the only command whose parameter list is read. The list
 * may lie in memory that its sender can change meanwhile, so each use fetches
 * its bytes once, and a descriptor is checked again when it is used.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include "base/checked.h"
#include "scsi/command.h"

#define FLAG_ANCHOR 0x01u

/* Copies by volatile reads: the compiler can't go back to the source afterwards. */
static void Fetch(void *To, const volatile uint8_t *From, size_t Length)
{
    uint8_t *Bytes = To;

    for (size_t Index = 0; Index < Length; Index++) {
        Bytes[Index] = From[Index];
    }
}

static void FetchDescriptor(const uint8_t *Descriptors, uint32_t Index, uint64_t *Lba, uint32_t *Blocks)
{
    UNMAP_DESCRIPTOR Descriptor;

    Fetch(&Descriptor, Descriptors + Index * sizeof(Descriptor), sizeof(Descriptor));
    *Lba = Be64Load(Descriptor.Lba);
    *Blocks = Be32Load(Descriptor.Blocks);
}

void ScsiUnmapDescriptor(const SCSI_RESULT *Result, uint32_t Index, uint64_t *Lba, uint32_t *Blocks)
{
    FetchDescriptor(Result->Descriptors, Index, Lba, Blocks);
    if (Result->UnmapLimit != 0 && !CheckedRange(*Lba, *Blocks, Result->UnmapLimit)) {
        *Lba = 0;
        *Blocks = 0;
    }
}

/*
 * How many whole descriptors the list of ListLength bytes holds: the shortest
 * of the three lengths counts, and what is left of a descriptor at its end is
 * ignored (SBC-3, UNMAP parameter list).
 */
static uint32_t DescriptorCount(const uint8_t *List, size_t ListLength)
{
    UNMAP_HEADER Header;
    size_t Available, Length;

    Fetch(&Header, List, sizeof(Header));
    Available = Be16Load(Header.DataLength) + sizeof(Header.DataLength);
    Length = Be16Load(Header.DescriptorsDataLength);
    if (Available > ListLength) {
        Available = ListLength;
    }
    if (Available < sizeof(Header)) {
        return 0;
    }
    if (Length > Available - sizeof(Header)) {
        Length = Available - sizeof(Header);
    }
    return (uint32_t)(Length / sizeof(UNMAP_DESCRIPTOR));
}

static bool CheckDescriptors(const SCSI_COMMAND *Command, const uint8_t *Descriptors, uint32_t Count)
{
    uint32_t Maximum = Command->Disk->MaximumUnmapDescriptors;

    if (Maximum != 0 && Count > Maximum) {
        ScsiRefuse(Command, &ScsiInvalidFieldInList);
        return false;
    }
    for (uint32_t Index = 0; Index < Count; Index++) {
        uint64_t Lba;
        uint32_t Blocks;

        FetchDescriptor(Descriptors, Index, &Lba, &Blocks);
        if (!ScsiCheckRange(Command, Lba, Blocks)) {
            return false;
        }
    }
    return true;
}

/* What can be said before the parameter list is read; NULL if there is nothing to object. */
static const SCSI_SENSE *ObjectionOf(const SCSI_COMMAND *Command, bool Anchor, size_t ListLength)
{
    if (Anchor && !Command->Disk->UnmapAnchor) {
        return &ScsiInvalidFieldInCdb;
    }
    if (Command->Disk->ReadOnly) {
        return &ScsiWriteProtected;
    }
    if ((ListLength != 0 && ListLength < sizeof(UNMAP_HEADER)) || ListLength > ScsiRoom(Command)) {
        return &ScsiParameterListLength;
    }
    return NULL;
}

void ScsiUnmap(const SCSI_COMMAND *Command)
{
    const CDB_UNMAP *Cdb = Command->Cdb;
    size_t ListLength = Be16Load(Cdb->ListLength);
    bool Anchor = Cdb->Flags & FLAG_ANCHOR;
    const SCSI_SENSE *Objection = ObjectionOf(Command, Anchor, ListLength);
    const uint8_t *Descriptors = NULL;
    uint32_t Count = 0;

    if (Objection != NULL) {
        ScsiRefuse(Command, Objection);
        return;
    }
    if (ListLength != 0) {
        Count = DescriptorCount(Command->Data, ListLength);
        Descriptors = (const uint8_t *)Command->Data + sizeof(UNMAP_HEADER);
    }
    if (!CheckDescriptors(Command, Descriptors, Count)) {
        return;
    }
    Command->Result->Action = SCSI_ACTION_UNMAP;
    Command->Result->DataLength = ListLength;
    Command->Result->Anchor = Anchor;
    Command->Result->Descriptors = Descriptors;
    Command->Result->DescriptorCount = Count;
    Command->Result->UnmapLimit = Command->BlockCount;
}
