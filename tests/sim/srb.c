/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * driver/srb.h: both kinds of SRB say the same. Storport gives a miniport the
 * kind that it registered for; some requests come as classic ones all the same
 * (WDK, HwStorStartIo, remarks), which no port driver of the test bed does.
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"
#include "srb.h"

#define SENSE_BYTES 18

/* One request in one of its kinds, in which every member has a value of its own. */
typedef struct {
    union {
        SCSI_REQUEST_BLOCK Classic;
        SCSI_PNP_REQUEST_BLOCK ClassicPnp;
        STORAGE_REQUEST_BLOCK Extended;
        UCHAR Bytes[256];
    } Srb;
    SRBEX_DATA_SCSI_CDB16 *Cdb; /* in an extended one */
    UCHAR Sense[32];
    UCHAR Data[64];
    UCHAR Context[16];
} REQUEST;

static const UCHAR Inquiry[6] = {0x12, 0, 0, 0, 36, 0};

static void MakeClassic(REQUEST *Request, UCHAR Function)
{
    PSCSI_REQUEST_BLOCK Srb = &Request->Srb.Classic;
    memset(Request, 0, sizeof(*Request));
    Srb->Length = sizeof(*Srb);
    Srb->Function = Function;
    Srb->PathId = 1;
    Srb->TargetId = 2;
    Srb->Lun = 3;
    Srb->SrbFlags = SRB_FLAGS_DATA_IN;
    Srb->DataBuffer = Request->Data;
    Srb->DataTransferLength = sizeof(Request->Data);
    Srb->SrbExtension = Request->Context;
    Srb->SenseInfoBuffer = Request->Sense;
    Srb->SenseInfoBufferLength = sizeof(Request->Sense);
    Srb->CdbLength = sizeof(Inquiry);
    memcpy(Srb->Cdb, Inquiry, sizeof(Inquiry));
}

/* Returns the place of the block that follows header and address. */
static PVOID MakeExtended(REQUEST *Request, ULONG Function)
{
    PSTORAGE_REQUEST_BLOCK Srb = &Request->Srb.Extended;
    memset(Request, 0, sizeof(*Request));
    Srb->Length = offsetof(STORAGE_REQUEST_BLOCK, Signature);
    Srb->Function = SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    Srb->Signature = SRB_SIGNATURE;
    Srb->Version = STORAGE_REQUEST_BLOCK_VERSION_1;
    Srb->SrbLength = sizeof(Request->Srb.Bytes);
    Srb->SrbFunction = Function;
    Srb->SrbFlags = SRB_FLAGS_DATA_IN;
    Srb->DataBuffer = Request->Data;
    Srb->DataTransferLength = sizeof(Request->Data);
    Srb->MiniportContext = Request->Context;
    Srb->AddressOffset = sizeof(STORAGE_REQUEST_BLOCK);
    Srb->NumSrbExData = 1;
    Srb->SrbExDataOffset[0] = sizeof(STORAGE_REQUEST_BLOCK) + 16;
    STOR_ADDR_BTL8 *Address = (STOR_ADDR_BTL8 *)(Request->Srb.Bytes + Srb->AddressOffset);
    *Address = (STOR_ADDR_BTL8){.Type = STOR_ADDRESS_TYPE_BTL8, .AddressLength = STOR_ADDR_BTL8_ADDRESS_LENGTH};
    Address->Path = 1;
    Address->Target = 2;
    Address->Lun = 3;
    return Request->Srb.Bytes + Srb->SrbExDataOffset[0];
}

static void MakeScsi(REQUEST *Request, bool Extended)
{
    if (!Extended) {
        MakeClassic(Request, SRB_FUNCTION_EXECUTE_SCSI);
        return;
    }
    Request->Cdb = NULL;
    SRBEX_DATA_SCSI_CDB16 *Cdb = MakeExtended(Request, SRB_FUNCTION_EXECUTE_SCSI);
    Cdb->Type = SrbExDataTypeScsiCdb16;
    Cdb->Length = SRBEX_DATA_SCSI_CDB16_LENGTH;
    Cdb->CdbLength = sizeof(Inquiry);
    Cdb->SenseInfoBuffer = Request->Sense;
    Cdb->SenseInfoBufferLength = sizeof(Request->Sense);
    memcpy(Cdb->Cdb, Inquiry, sizeof(Inquiry));
    Request->Cdb = Cdb;
}

static UCHAR StatusOf(const REQUEST *Request, bool Extended)
{
    return Extended ? Request->Srb.Extended.SrbStatus : Request->Srb.Classic.SrbStatus;
}

static UCHAR ScsiStatusOf(const REQUEST *Request, bool Extended)
{
    return Extended ? Request->Cdb->ScsiStatus : Request->Srb.Classic.ScsiStatus;
}

static UCHAR SenseLengthOf(const REQUEST *Request, bool Extended)
{
    return Extended ? Request->Cdb->SenseInfoBufferLength : Request->Srb.Classic.SenseInfoBufferLength;
}

static void SetSenseLength(REQUEST *Request, bool Extended, UCHAR Length)
{
    *(Extended ? &Request->Cdb->SenseInfoBufferLength : &Request->Srb.Classic.SenseInfoBufferLength) = Length;
}

static void Reads(bool Extended)
{
    REQUEST Request;
    UCHAR Path, Target, Lun, Length = 0;
    MakeScsi(&Request, Extended);
    CHECK(SrbIsExtended(&Request.Srb) == Extended);
    CHECK(SrbFunction(&Request.Srb) == SRB_FUNCTION_EXECUTE_SCSI);
    SrbAddress(&Request.Srb, &Path, &Target, &Lun);
    CHECK(Path == 1 && Target == 2 && Lun == 3);
    CHECK(SrbFlags(&Request.Srb) == SRB_FLAGS_DATA_IN);
    CHECK(SrbDataBuffer(&Request.Srb) == Request.Data);
    CHECK(SrbDataLength(&Request.Srb) == sizeof(Request.Data));
    CHECK(SrbExtension(&Request.Srb) == Request.Context);
    const UCHAR *Cdb = SrbCdb(&Request.Srb, &Length);
    CHECK(Cdb != NULL && Length == sizeof(Inquiry) && memcmp(Cdb, Inquiry, Length) == 0);
}

/* A CDB that would not fit where it says to be. */
static void ReadsNoCdb(bool Extended)
{
    REQUEST Request;
    UCHAR Length = 0;
    MakeScsi(&Request, Extended);
    *(Extended ? &Request.Cdb->CdbLength : &Request.Srb.Classic.CdbLength) = 17;
    CHECK(SrbCdb(&Request.Srb, &Length) == NULL);
    if (!Extended) {
        return;
    }
    Request.Cdb->CdbLength = sizeof(Inquiry);
    Request.Cdb->Type = SrbExDataTypeBidirectional;
    CHECK(SrbCdb(&Request.Srb, &Length) == NULL);
    Request.Cdb->Type = SrbExDataTypeScsiCdb16;
    Request.Srb.Extended.SrbExDataOffset[0] = sizeof(Request.Srb.Bytes) - 4;
    CHECK(SrbCdb(&Request.Srb, &Length) == NULL);
    Request.Srb.Extended.NumSrbExData = 0;
    CHECK(SrbCdb(&Request.Srb, &Length) == NULL);
}

static void Writes(bool Extended)
{
    static const SCSI_SENSE Protected = {.Key = SCSI_SENSE_DATA_PROTECT, .Asc = 0x27};
    REQUEST Request;
    MakeScsi(&Request, Extended);
    SrbSetDataLength(&Request.Srb, 36);
    CHECK(SrbDataLength(&Request.Srb) == 36);
    SrbSetScsiResult(&Request.Srb, SCSI_STATUS_GOOD, &Protected);
    CHECK(StatusOf(&Request, Extended) == SRB_STATUS_SUCCESS && ScsiStatusOf(&Request, Extended) == 0);
    CHECK(Request.Sense[2] == 0);

    SrbSetScsiResult(&Request.Srb, SCSI_STATUS_RESERVATION_CONFLICT, &Protected);
    CHECK(StatusOf(&Request, Extended) == SRB_STATUS_ERROR && Request.Sense[2] == 0);
    CHECK(ScsiStatusOf(&Request, Extended) == SCSI_STATUS_RESERVATION_CONFLICT);

    SrbSetScsiResult(&Request.Srb, SCSI_STATUS_CHECK_CONDITION, &Protected);
    CHECK(StatusOf(&Request, Extended) == (SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID));
    CHECK(ScsiStatusOf(&Request, Extended) == SCSI_STATUS_CHECK_CONDITION);
    CHECK(SenseLengthOf(&Request, Extended) == SENSE_BYTES);
    CHECK((Request.Sense[2] & 0x0F) == SCSI_SENSE_DATA_PROTECT && Request.Sense[12] == 0x27);

    MakeScsi(&Request, Extended);
    SetSenseLength(&Request, Extended, 0);
    SrbSetScsiResult(&Request.Srb, SCSI_STATUS_CHECK_CONDITION, &Protected);
    CHECK(StatusOf(&Request, Extended) == SRB_STATUS_ERROR && Request.Sense[2] == 0);
    CHECK(ScsiStatusOf(&Request, Extended) == SCSI_STATUS_CHECK_CONDITION);

    MakeScsi(&Request, Extended);
    *(Extended ? &Request.Srb.Extended.SrbFlags : &Request.Srb.Classic.SrbFlags) |= SRB_FLAGS_DISABLE_AUTOSENSE;
    SrbSetScsiResult(&Request.Srb, SCSI_STATUS_CHECK_CONDITION, &Protected);
    CHECK(StatusOf(&Request, Extended) == SRB_STATUS_ERROR && Request.Sense[2] == 0);

    MakeScsi(&Request, Extended);
    SrbSetQueueFull(&Request.Srb);
    CHECK(StatusOf(&Request, Extended) == SRB_STATUS_BUSY);
    CHECK(ScsiStatusOf(&Request, Extended) == SCSISTAT_QUEUE_FULL);
    CHECK(SrbDataLength(&Request.Srb) == sizeof(Request.Data));
}

static void Pnp(bool Extended)
{
    REQUEST Request;
    STOR_PNP_ACTION Action;
    ULONG Flags;
    if (Extended) {
        SRBEX_DATA_PNP *Block = MakeExtended(&Request, SRB_FUNCTION_PNP);
        CHECK(!SrbPnp(&Request.Srb, &Action, &Flags));
        Block->Type = SrbExDataTypePnP;
        Block->Length = SRBEX_DATA_PNP_LENGTH;
        Block->PnPAction = StorRemoveDevice;
        Block->SrbPnPFlags = SRB_PNP_FLAGS_ADAPTER_REQUEST;
    } else {
        MakeClassic(&Request, SRB_FUNCTION_PNP);
        Request.Srb.ClassicPnp.PnPAction = StorRemoveDevice;
        Request.Srb.ClassicPnp.SrbPnPFlags = SRB_PNP_FLAGS_ADAPTER_REQUEST;
    }
    CHECK(SrbFunction(&Request.Srb) == SRB_FUNCTION_PNP);
    CHECK(SrbPnp(&Request.Srb, &Action, &Flags));
    CHECK(Action == StorRemoveDevice && Flags == SRB_PNP_FLAGS_ADAPTER_REQUEST);
}

int main(void)
{
    static const struct {
        const char *Name;
        void (*Run)(bool Extended);
    } Tests[] = {
        {"what comes in is read", Reads},
        {"what is broken is not read", ReadsNoCdb},
        {"results go where they belong", Writes},
        {"PnP requests", Pnp},
    };
    for (size_t Index = 0; Index < 2 * RTL_NUMBER_OF(Tests); Index++) {
        printf("%s, %s\n", Tests[Index / 2].Name, Index % 2 != 0 ? "extended" : "classic");
        fflush(stdout);
        Tests[Index / 2].Run(Index % 2 != 0);
    }
    printf("ok\n");
    return 0;
}
