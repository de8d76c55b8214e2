/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CDBs and data through Storport into HwStartIo of the live driver, several at
 * once: every request ends, with no more data than it asked for, and afterwards
 * the disk still is what its server has.
 *
 * Input: up to eight requests: STARTIO_* (1), function (1), CDB's length (1),
 * CDB (16), data length (2), length of the data given (1), data.
 */
#include "live.h"

#define REQUESTS_MOST 8u
#define STARTIO_EXTENDED 0x01u
#define STARTIO_IN 0x02u
#define STARTIO_OUT 0x04u
#define STARTIO_READ_ONLY_DISK 0x08u
#define STARTIO_NO_SENSE 0x10u
#define STARTIO_LARGE 0x20u /* the data length is in units of 128 bytes */
#define STARTIO_WAIT 0x40u  /* the requests before have ended */
#define CHECKED_BYTES 4096u

typedef struct {
    DISK_IO Io;
    uint8_t *Data;
    ULONG Length;
} REQUEST;

static const char *const Disks[] = {"disk", "ro"};

/* Others freeze a unit's queue, or the port driver answers them itself. */
static const UCHAR Functions[] = {SRB_FUNCTION_EXECUTE_SCSI,       SRB_FUNCTION_EXECUTE_SCSI, SRB_FUNCTION_EXECUTE_SCSI,
                                  SRB_FUNCTION_RESET_LOGICAL_UNIT, SRB_FUNCTION_RESET_DEVICE, SRB_FUNCTION_RESET_BUS,
                                  SRB_FUNCTION_IO_CONTROL,         SRB_FUNCTION_FLUSH};

static void SetFunction(REQUEST *Request, bool Extended, UCHAR Function, bool NoSense)
{
    SCSI_REQUEST_BLOCK *Classic = &Request->Io.Srb.Classic;
    if (Extended) {
        Request->Io.Srb.Extended.SrbFunction = Function;
    } else {
        Classic->Function = Function;
    }
    if (NoSense && Extended) {
        Request->Io.CdbBlock->SenseInfoBuffer = NULL;
        Request->Io.CdbBlock->SenseInfoBufferLength = 0;
    } else if (NoSense) {
        Classic->SenseInfoBuffer = NULL;
        Classic->SenseInfoBufferLength = 0;
    }
}

static void Begin(INPUT *Input, REQUEST *Request)
{
    uint8_t Flags = InputByte(Input);
    UCHAR Function = Functions[InputByte(Input) % RTL_NUMBER_OF(Functions)];
    uint8_t Cdb[16] = {0};
    size_t CdbLength = InputByte(Input) % (sizeof(Cdb) + 1), Taken;
    const uint8_t *From = InputBytes(Input, sizeof(Cdb), &Taken);
    bool Extended = (Flags & STARTIO_EXTENDED) != 0;
    ULONG Direction =
        ((Flags & STARTIO_IN) != 0 ? SRB_FLAGS_DATA_IN : 0) | ((Flags & STARTIO_OUT) != 0 ? SRB_FLAGS_DATA_OUT : 0);
    DISK *Disk = &LiveDisks[(Flags & STARTIO_READ_ONLY_DISK) != 0];
    memcpy(Cdb, From, Taken);
    Request->Length = (ULONG)InputNumber(Input, 2) % 8193;
    Request->Length *= (Flags & STARTIO_LARGE) != 0 ? 128 : 1;
    Request->Data = Request->Length != 0 ? malloc(Request->Length) : NULL;
    From = InputBytes(Input, InputByte(Input), &Taken);
    for (ULONG Index = 0; Index < Request->Length; Index++) {
        Request->Data[Index] = Index < Taken ? From[Index] : (uint8_t)Index;
    }
    DiskPrepare(Disk, &Request->Io, Extended, Cdb, (UCHAR)CdbLength, Direction, Request->Data, Request->Length);
    SetFunction(Request, Extended, Function, (Flags & STARTIO_NO_SENSE) != 0);
    DiskSend(Disk, &Request->Io, Request->Data, Request->Length);
}

static void End(REQUEST *Request)
{
    ULONG Moved = 0;
    UCHAR Status = DiskWait(&Request->Io, &Moved);
    MUST(Status != SRB_STATUS_PENDING);
    MUST(Moved <= Request->Length);
    MUST(Status != SRB_STATUS_TIMEOUT && Status != SRB_STATUS_INTERNAL_ERROR);
    free(Request->Data);
    Request->Data = NULL;
}

/* The first blocks of both disks are what their server has. */
static void CheckContent(void)
{
    uint8_t Cdb[16], Data[CHECKED_BYTES];
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Disks); Index++) {
        DISK *Disk = &LiveDisks[Index];
        DiskCdb16(Cdb, 0x88, 0, CHECKED_BYTES / Disk->BlockSize, false);
        MUST(DiskCommand(Disk, Cdb, sizeof(Cdb), SRB_FLAGS_DATA_IN, Data, CHECKED_BYTES, NULL) == SRB_STATUS_SUCCESS);
        MUST(memcmp(Data, LiveMemory, CHECKED_BYTES) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *Bytes, size_t Length)
{
    static REQUEST Requests[REQUESTS_MOST];
    INPUT Input = {Bytes, Length};
    size_t Begun = 0, Ended = 0;
    LiveStart(LiveServe, Disks, RTL_NUMBER_OF(Disks));
    memset(LiveMemory, 0, CHECKED_BYTES);
    while (Begun < REQUESTS_MOST && Input.Left > 0) {
        while ((Input.Next[0] & STARTIO_WAIT) != 0 && Ended < Begun) {
            End(&Requests[Ended++]);
        }
        Begin(&Input, &Requests[Begun++]);
    }
    while (Ended < Begun) {
        End(&Requests[Ended++]);
    }
    CheckContent();
    return 0;
}
