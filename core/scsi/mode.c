/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * MODE SENSE (6) and (10) of SPC-4, with the pages as one table.
 * Nothing can be changed: there is no MODE SELECT.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define FLAG_DBD 0x08u
#define FLAG_LLBAA 0x10u

#define PAGE_CODE 0x3Fu
#define PAGE_ALL 0x3Fu
#define SUBPAGE_NONE 0x00u
#define SUBPAGE_ALL 0xFFu
#define CONTROL_SHIFT 6
#define CONTROL_CHANGEABLE 1
#define CONTROL_SAVED 3

#define DEVICE_WP 0x80u
#define DEVICE_DPOFUA 0x10u

#define CACHING_WCE 0x04u
#define CONTROL2_GLTSD 0x02u /* there are no log parameters to save */
#define CONTROL3_UNRESTRICTED_REORDERING 0x10u

typedef struct {
    uint8_t Bytes[64];
    size_t Length;
} MODE_DATA;

/* Current and default values, which are the same, of a page. */
typedef struct {
    uint8_t Code;
    uint8_t LengthBytes; /* with the page's two bytes of header */
    void (*Fill)(const SCSI_DISK *Disk, uint8_t *Page);
} MODE_PAGE;

/* What both forms of the command have in common. */
typedef struct {
    uint8_t Control;
    uint8_t PageCode;
    uint8_t SubpageCode;
    bool Descriptor;
    bool LongLba;
} MODE_QUERY;

static void FillCaching(const SCSI_DISK *Disk, uint8_t *Page)
{
    MODE_CACHING Caching = {.Flags2 = Disk->WriteCache ? CACHING_WCE : 0};

    memcpy(Page, &Caching, sizeof(Caching));
}

/* Requests are served in any order. TAS, QERR, D_SENSE, SWP and the times are 0. */
static void FillControl(const SCSI_DISK *Disk, uint8_t *Page)
{
    MODE_CONTROL Control = {.Flags2 = CONTROL2_GLTSD, .Flags3 = CONTROL3_UNRESTRICTED_REORDERING};

    (void)Disk;
    memcpy(Page, &Control, sizeof(Control));
}

/* Ascending by page code, as page 3Fh lists them. */
static const MODE_PAGE ModePages[] = {
    {0x08, sizeof(MODE_CACHING), FillCaching},
    {0x0A, sizeof(MODE_CONTROL), FillControl},
};

_Static_assert(sizeof(MODE_HEADER_10) + sizeof(MODE_DESCRIPTOR_LONG) + sizeof(MODE_CACHING) + sizeof(MODE_CONTROL) <=
                   sizeof(((MODE_DATA *)0)->Bytes),
               "all pages fit");

/* The block descriptor is no mode page: the page control field doesn't concern it. */
static void PutDescriptor(const SCSI_COMMAND *Command, const MODE_QUERY *Query, MODE_DATA *Data)
{
    uint64_t BlockCount = Command->BlockCount;
    uint32_t BlockSize = Command->Disk->BlockSize;
    MODE_DESCRIPTOR_SHORT Short;
    MODE_DESCRIPTOR_LONG Long = {0};

    if (!Query->Descriptor) {
        return;
    }
    if (Query->LongLba) {
        Be64Store(&Long.Blocks, BlockCount);
        Be32Store(&Long.BlockLength, BlockSize);
        memcpy(Data->Bytes + Data->Length, &Long, sizeof(Long));
        Data->Length += sizeof(Long);
    } else {
        Be32Store(&Short.Blocks, BlockCount < UINT32_MAX ? (uint32_t)BlockCount : UINT32_MAX);
        Be32Store(&Short.BlockLength, BlockSize);
        memcpy(Data->Bytes + Data->Length, &Short, sizeof(Short));
        Data->Length += sizeof(Short);
    }
}

/* Appends the pages asked for; none of them has subpages. Returns false if there is no such page. */
static bool PutPages(const SCSI_DISK *Disk, const MODE_QUERY *Query, MODE_DATA *Data)
{
    bool Found = false;

    if (Query->SubpageCode != SUBPAGE_NONE && Query->SubpageCode != SUBPAGE_ALL) {
        return false;
    }
    for (size_t Index = 0; Index < sizeof(ModePages) / sizeof(ModePages[0]); Index++) {
        const MODE_PAGE *Page = &ModePages[Index];
        uint8_t *To = Data->Bytes + Data->Length;

        if (Query->PageCode != PAGE_ALL && Query->PageCode != Page->Code) {
            continue;
        }
        if (Query->Control != CONTROL_CHANGEABLE) {
            Page->Fill(Disk, To);
        }
        To[0] = Page->Code;
        To[1] = (uint8_t)(Page->LengthBytes - 2);
        Data->Length += Page->LengthBytes;
        Found = true;
    }
    return Found;
}

/* Appends descriptor and pages to the room left for the header; false if the command is refused. */
static bool PutParameters(const SCSI_COMMAND *Command, const MODE_QUERY *Query, MODE_DATA *Data)
{
    if (Query->Control == CONTROL_SAVED) {
        ScsiRefuse(Command, &ScsiSavingNotSupported);
        return false;
    }
    PutDescriptor(Command, Query, Data);
    if (!PutPages(Command->Disk, Query, Data)) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
        return false;
    }
    return true;
}

static uint8_t DeviceSpecificOf(const SCSI_DISK *Disk)
{
    return (uint8_t)((Disk->ReadOnly ? DEVICE_WP : 0) | (Disk->ForceUnitAccess ? DEVICE_DPOFUA : 0));
}

static size_t DescriptorLengthOf(const MODE_QUERY *Query)
{
    if (!Query->Descriptor) {
        return 0;
    }
    return Query->LongLba ? sizeof(MODE_DESCRIPTOR_LONG) : sizeof(MODE_DESCRIPTOR_SHORT);
}

void ScsiModeSense6(const SCSI_COMMAND *Command)
{
    const CDB_MODE_SENSE_6 *Cdb = Command->Cdb;
    MODE_QUERY Query = {.Control = Cdb->PageCode >> CONTROL_SHIFT,
                        .PageCode = Cdb->PageCode & PAGE_CODE,
                        .SubpageCode = Cdb->SubpageCode,
                        .Descriptor = !(Cdb->Flags & FLAG_DBD)};
    MODE_HEADER_6 Header = {.DeviceSpecific = DeviceSpecificOf(Command->Disk),
                            .DescriptorLength = (uint8_t)DescriptorLengthOf(&Query)};
    MODE_DATA Data = {.Length = sizeof(Header)};

    if (!PutParameters(Command, &Query, &Data)) {
        return;
    }
    Header.DataLength = (uint8_t)(Data.Length - sizeof(Header.DataLength));
    memcpy(Data.Bytes, &Header, sizeof(Header));
    ScsiAnswer(Command, Data.Bytes, Data.Length, Cdb->Allocation);
}

void ScsiModeSense10(const SCSI_COMMAND *Command)
{
    const CDB_MODE_SENSE_10 *Cdb = Command->Cdb;
    MODE_QUERY Query = {.Control = Cdb->PageCode >> CONTROL_SHIFT,
                        .PageCode = Cdb->PageCode & PAGE_CODE,
                        .SubpageCode = Cdb->SubpageCode,
                        .Descriptor = !(Cdb->Flags & FLAG_DBD),
                        .LongLba = !(Cdb->Flags & FLAG_DBD) && (Cdb->Flags & FLAG_LLBAA)};
    MODE_HEADER_10 Header = {.DeviceSpecific = DeviceSpecificOf(Command->Disk), .LongLba = Query.LongLba};
    MODE_DATA Data = {.Length = sizeof(Header)};

    if (!PutParameters(Command, &Query, &Data)) {
        return;
    }
    Be16Store(&Header.DescriptorLength, (uint16_t)DescriptorLengthOf(&Query));
    Be16Store(&Header.DataLength, (uint16_t)(Data.Length - sizeof(Header.DataLength)));
    memcpy(Data.Bytes, &Header, sizeof(Header));
    ScsiAnswer(Command, Data.Bytes, Data.Length, Be16Load(Cdb->Allocation));
}
