/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramport.sys: what the disk answers. See ramport_model.h.
 */
#include "ramport_model.h"
#include "../scsi_command.h"

NTSTATUS ModelCreate(MODEL *Model, const RAMPORT_DISK *Wanted, ULONG Tag)
{
    Model->Disk = *Wanted;
    Model->MediumBytes =
        Wanted->Blocks < MEDIUM_MOST / Wanted->BlockBytes ? Wanted->Blocks * Wanted->BlockBytes : MEDIUM_MOST;
    Model->Medium = ExAllocatePoolWithTag(NonPagedPoolNx, Model->MediumBytes, Tag);
    if (Model->Medium == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    RtlZeroMemory(Model->Medium, Model->MediumBytes);
    return STATUS_SUCCESS;
}

VOID ModelSense(SCSI_REQUEST_BLOCK *Srb, ULONG Key, ULONG Code, ULONG Qualifier)
{
    UCHAR *Sense = Srb->SenseInfoBuffer;

    Srb->SrbStatus = SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID;
    Srb->ScsiStatus = SCSISTAT_CHECK_CONDITION;
    Srb->DataTransferLength = 0;
    if (Sense != NULL && Srb->SenseInfoBufferLength >= 18) {
        RtlZeroMemory(Sense, 18);
        Sense[0] = 0x70;
        Sense[2] = (UCHAR)Key;
        Sense[7] = 10;
        Sense[12] = (UCHAR)Code;
        Sense[13] = (UCHAR)Qualifier;
        Srb->SenseInfoBufferLength = 18;
    }
}

static VOID Give(SCSI_REQUEST_BLOCK *Srb, UCHAR *Data, const UCHAR *Answer, ULONG Bytes)
{
    ULONG Room = Srb->DataTransferLength < Bytes ? Srb->DataTransferLength : Bytes;

    RtlCopyMemory(Data, Answer, Room);
    Srb->DataTransferLength = Room;
    Srb->SrbStatus = SRB_STATUS_SUCCESS;
}

static VOID ServeInquiry(SCSI_REQUEST_BLOCK *Srb, UCHAR *Data)
{
    static const UCHAR Standard[36] = "\x00\x00\x06\x02\x1f\x00\x00\x02"
                                      "RAM     RAMDISK         1.0";
    static const UCHAR Pages[] = {0, 0x00, 0, 5, 0x00, 0x80, 0x83, 0xB1, 0xB2};
    static const UCHAR Serial[] = {0, 0x80, 0, 4, 'R', '1', '2', '3'};
    static const UCHAR Identity[] = {0, 0x83, 0, 0};
    static const UCHAR Rotation[64] = {0, 0xB1, 0, 60, 0, 1};
    static const UCHAR Provisioning[8] = {0, 0xB2, 0, 4, 0, 0x80};

    if ((Srb->Cdb[1] & INQUIRY_EVPD) == 0) {
        Give(Srb, Data, Standard, sizeof(Standard));
        return;
    }
    switch (Srb->Cdb[2]) {
    case 0x00:
        Give(Srb, Data, Pages, sizeof(Pages));
        break;
    case 0x80:
        Give(Srb, Data, Serial, sizeof(Serial));
        break;
    case 0x83:
        Give(Srb, Data, Identity, sizeof(Identity));
        break;
    case 0xB1:
        Give(Srb, Data, Rotation, sizeof(Rotation));
        break;
    case 0xB2:
        Give(Srb, Data, Provisioning, sizeof(Provisioning));
        break;
    default:
        ModelSense(Srb, 5, 0x24, 0);
        break;
    }
}

static VOID ServeCapacity(const MODEL *Model, SCSI_REQUEST_BLOCK *Srb, UCHAR *Data)
{
    UCHAR Answer[32] = {0};

    if (Srb->Cdb[0] == CDB_READ_CAPACITY_10) {
        PutBe32(Answer, Model->Disk.Blocks - 1 > 0xFFFFFFFF ? 0xFFFFFFFF : (ULONG)(Model->Disk.Blocks - 1));
        PutBe32(Answer + 4, Model->Disk.BlockBytes);
        Give(Srb, Data, Answer, 8);
        return;
    }
    PutBe64(Answer, Model->Disk.Blocks - 1);
    PutBe32(Answer + 8, Model->Disk.BlockBytes);
    Answer[13] = Model->Disk.BlockBytes == 512 ? 3 : 0;
    Give(Srb, Data, Answer, sizeof(Answer));
}

static VOID ServeModes(const MODEL *Model, SCSI_REQUEST_BLOCK *Srb, UCHAR *Data)
{
    UCHAR Answer[24] = {23, 0, 0, 0, 0x08, 0x12};

    Answer[2] = (UCHAR)((Model->Disk.ReadOnly ? 0x80 : 0) | (Model->Disk.Fua ? 0x10 : 0));
    Answer[6] = Model->Disk.WriteCache ? MODE_CACHING_WCE : 0;
    Give(Srb, Data, Answer, sizeof(Answer));
}

static VOID ServeTransfer(const MODEL *Model, SCSI_REQUEST_BLOCK *Srb, UCHAR *Data)
{
    BOOLEAN Long = (Srb->Cdb[0] & 0x80) != 0;
    BOOLEAN Write = Srb->Cdb[0] == CDB_WRITE_10 || Srb->Cdb[0] == CDB_WRITE_16;
    ULONGLONG Block = Long ? GetBe64(&Srb->Cdb[2]) : GetBe32(&Srb->Cdb[2]);
    ULONG Count = Long ? GetBe32(&Srb->Cdb[10]) : (ULONG)(Srb->Cdb[7] << 8 | Srb->Cdb[8]);

    if (Block > Model->Disk.Blocks || Count > Model->Disk.Blocks - Block) {
        ModelSense(Srb, 5, 0x21, 0);
    } else if (Count * Model->Disk.BlockBytes != Srb->DataTransferLength) {
        DbgPrint("ramport: RAMPORT-ERROR: CDB and SRB differ in length\n");
        ModelSense(Srb, 4, 0, 0);
    } else if (Write && Model->Disk.ReadOnly) {
        ModelSense(Srb, 7, 0x27, 0);
    } else if (Block * Model->Disk.BlockBytes + Srb->DataTransferLength > Model->MediumBytes) {
        RtlZeroMemory(Data, Write ? 0 : Srb->DataTransferLength);
        Srb->SrbStatus = SRB_STATUS_SUCCESS;
    } else if (Write) {
        RtlCopyMemory(Model->Medium + Block * Model->Disk.BlockBytes, Data, Srb->DataTransferLength);
        Srb->SrbStatus = SRB_STATUS_SUCCESS;
    } else {
        RtlCopyMemory(Data, Model->Medium + Block * Model->Disk.BlockBytes, Srb->DataTransferLength);
        Srb->SrbStatus = SRB_STATUS_SUCCESS;
    }
}

VOID ModelServe(const MODEL *Model, SCSI_REQUEST_BLOCK *Srb, UCHAR *Data)
{
    switch (Srb->Cdb[0]) {
    case CDB_TEST_UNIT_READY:
    case CDB_SYNCHRONIZE_CACHE_10:
        Srb->SrbStatus = SRB_STATUS_SUCCESS;
        break;
    case CDB_INQUIRY:
        ServeInquiry(Srb, Data);
        break;
    case CDB_READ_CAPACITY_10:
    case CDB_SERVICE_ACTION_IN_16:
        ServeCapacity(Model, Srb, Data);
        break;
    case CDB_MODE_SENSE_6:
        ServeModes(Model, Srb, Data);
        break;
    case CDB_READ_10:
    case CDB_READ_16:
    case CDB_WRITE_10:
    case CDB_WRITE_16:
        ServeTransfer(Model, Srb, Data);
        break;
    default:
        ModelSense(Srb, 5, 0x20, 0);
        break;
    }
}
