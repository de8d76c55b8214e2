/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * INQUIRY of SPC-4: the standard data, and which pages of vital product
 * data are asked for.
 *
 * Threads: reentrant. IRQL: <= DISPATCH_LEVEL, not pageable.
 */
#include <string.h>

#include "scsi/command.h"

#define FLAG_EVPD 0x01u
#define FLAG_CMDDT 0x02u /* command support data, obsolete */

#define VERSION_SPC_4 0x06u
#define RESPONSE_FORMAT 0x02u
#define FLAG7_CMDQUE 0x02u

/* SPC-4, version descriptor values; no version claimed */
#define DESCRIPTOR_SAM_5 0x00A0u
#define DESCRIPTOR_SPC_4 0x0460u
#define DESCRIPTOR_SBC_3 0x04C0u

static void AnswerStandard(const SCSI_COMMAND *Command)
{
    const CDB_INQUIRY *Cdb = Command->Cdb;
    const char *Revision = Command->Disk->Revision;
    INQUIRY_DATA Data = {.Version = VERSION_SPC_4,
                         .ResponseFormat = RESPONSE_FORMAT,
                         .AdditionalLength = sizeof(Data) - 5,
                         .Flags7 = FLAG7_CMDQUE};

    memcpy(Data.Vendor, SCSI_VENDOR, sizeof(Data.Vendor));
    memcpy(Data.Product, SCSI_PRODUCT, sizeof(Data.Product));
    memset(Data.Revision, ' ', sizeof(Data.Revision));
    for (size_t Index = 0; Index < sizeof(Data.Revision) && Revision[Index] != '\0'; Index++) {
        Data.Revision[Index] = (uint8_t)Revision[Index];
    }
    Be16Store(&Data.VersionDescriptors[0], DESCRIPTOR_SAM_5);
    Be16Store(&Data.VersionDescriptors[1], DESCRIPTOR_SPC_4);
    Be16Store(&Data.VersionDescriptors[2], DESCRIPTOR_SBC_3);
    ScsiAnswer(Command, &Data, sizeof(Data), Be16Load(Cdb->Allocation));
}

/* The page code belongs to EVPD and must be 0 without it (SPC-4). */
void ScsiInquiry(const SCSI_COMMAND *Command)
{
    const CDB_INQUIRY *Cdb = Command->Cdb;
    bool Vpd = Cdb->Flags & FLAG_EVPD;

    if ((Cdb->Flags & FLAG_CMDDT) || (!Vpd && Cdb->PageCode != 0)) {
        ScsiRefuse(Command, &ScsiInvalidFieldInCdb);
    } else if (Vpd) {
        ScsiVitalProductData(Command);
    } else {
        AnswerStandard(Command);
    }
}
