/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Writes what the tests do as inputs for the fuzz targets: linked into a test
 * with --wrap, it sees the test's commands on their way to the driver or to
 * core/scsi, and puts those of the kind that $FUZZ_KIND names, a few to a file,
 * into the folder $FUZZ_RECORD. The kinds and their formats are the targets
 * scsi, startio and ioctl. One thread only.
 */
#include <nt.h>
#include <storport.h>

#include <stdio.h>
#include <stdlib.h>

#include "native.h"
#include "scsi/scsi.h"
#include "wnbd_ioctl.h"

#define FILE_BYTES 3000u
#define GAP_BYTES 4u /* zeroes inside a patch */

typedef struct {
    const char *Kind;
    unsigned Most; /* requests to a file */
    unsigned Count;
    size_t Length;
    UCHAR Bytes[FILE_BYTES];
} RECORD;

static bool Wanted(const RECORD *Record)
{
    const char *Kind = getenv("FUZZ_KIND");
    return Kind != NULL && getenv("FUZZ_RECORD") != NULL && strcmp(Kind, Record->Kind) == 0;
}

static void Put(RECORD *Record, uint64_t Value, size_t Bytes)
{
    for (size_t Index = 0; Index < Bytes && Record->Length < FILE_BYTES; Index++) {
        Record->Bytes[Record->Length++] = (UCHAR)(Value >> (8 * Index));
    }
}

static void PutBytes(RECORD *Record, const void *Bytes, size_t Length)
{
    for (size_t Index = 0; Index < Length; Index++) {
        Put(Record, ((const UCHAR *)Bytes)[Index], 1);
    }
}

/* A request is complete. */
static void Close(RECORD *Record)
{
    static unsigned Files;
    const char *Folder = getenv("FUZZ_RECORD");
    if (++Record->Count < Record->Most) {
        return;
    }
    char Path[512];
    snprintf(Path, sizeof(Path), "%s/%s-%ld-%u", Folder, Record->Kind, (long)rand(), Files++);
    FILE *File = fopen(Path, "wb");
    if (File == NULL || fwrite(Record->Bytes, 1, Record->Length, File) != Record->Length || fclose(File) != 0) {
        perror(Path);
        exit(1);
    }
    Record->Length = 0;
    Record->Count = 0;
}

/* ---- core/scsi ---- */

void __real_ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                       SCSI_RESULT *Result);
void __wrap_ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                       SCSI_RESULT *Result);

static void RecordDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, const void *Data,
                         size_t DataLength)
{
    static RECORD Record = {.Kind = "scsi", .Most = 1};
    if (!Wanted(&Record)) {
        return;
    }
    unsigned Exponent = 0;
    while (Exponent < 63 && Disk->BlockCount >> Exponent > 1) {
        Exponent++;
    }
    Put(&Record,
        (Disk->BlockSize == 4096 ? 1u : 0) | (Disk->ReadOnly ? 2u : 0) | (Disk->WriteCache ? 4u : 0) |
            (Disk->ForceUnitAccess ? 8u : 0) | (Disk->Unmap ? 0x10u : 0) | (Disk->UnmapAnchor ? 0x20u : 0) |
            (Disk->Rotational ? 0x40u : 0) | (Disk->NaaSpecified ? 0x80u : 0),
        1);
    Put(&Record, Exponent, 1);
    Put(&Record, Disk->BlockCount - (UINT64_C(1) << Exponent), 2);
    Put(&Record, Disk->OptimalBlocks << 2 | (Disk->MaximumUnmapDescriptors & 15) << 12, 2);
    Put(&Record, CdbLength, 1);
    for (size_t Index = 0; Index < 32; Index++) {
        Put(&Record, Index < CdbLength ? Cdb[Index] : 0, 1);
    }
    Put(&Record, DataLength, 2);
    Put(&Record, 0xFF, 1);
    PutBytes(&Record, Data, Data != NULL && DataLength <= 4096 ? DataLength : 0);
    Close(&Record);
}

void __wrap_ScsiDecode(const SCSI_DISK *Disk, const uint8_t *Cdb, size_t CdbLength, void *Data, size_t DataLength,
                       SCSI_RESULT *Result)
{
    RecordDecode(Disk, Cdb, CdbLength, Data, DataLength);
    __real_ScsiDecode(Disk, Cdb, CdbLength, Data, DataLength, Result);
}

/* ---- the driver's commands ---- */

NTSTATUS __real_NativeIoctl(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                            ULONG OutputLength, ULONG *Used);
NTSTATUS __wrap_NativeIoctl(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                            ULONG OutputLength, ULONG *Used);

/* What isn't zero, as patches: returns the end of the run that begins at Start. */
static ULONG RunEnd(const UCHAR *Bytes, ULONG Start, ULONG Length)
{
    ULONG End = Start + 1;
    for (ULONG At = Start; At < Length && At - End < GAP_BYTES && At - Start < 255; At++) {
        End = Bytes[At] != 0 ? At + 1 : End;
    }
    return End;
}

static void PutPatches(RECORD *Record, const UCHAR *Bytes, ULONG Length)
{
    size_t CountAt = Record->Length;
    ULONG Count = 0;
    Put(Record, 0, 1);
    for (ULONG Start = sizeof(ULONG); Start < Length && Count < 255;) {
        if (Bytes[Start] == 0) {
            Start++;
            continue;
        }
        ULONG End = RunEnd(Bytes, Start, Length);
        Put(Record, Start, 2);
        Put(Record, End - Start, 1);
        PutBytes(Record, Bytes + Start, End - Start);
        Start = End;
        Count++;
    }
    if (CountAt < FILE_BYTES) {
        Record->Bytes[CountAt] = (UCHAR)Count;
    }
}

static void RecordIoctl(ULONG Code, const void *Input, ULONG InputLength, ULONG OutputLength)
{
    static RECORD Record = {.Kind = "ioctl", .Most = 4};
    if (!Wanted(&Record)) {
        return;
    }
    ULONG Command = 0;
    memcpy(&Command, Input, InputLength < sizeof(Command) ? InputLength : sizeof(Command));
    Put(&Record, Code == WNBD_IOCTL_CONTROL_CODE ? 0 : 0x20, 1);
    Put(&Record, Code == WNBD_IOCTL_CONTROL_CODE ? Command : Code, 4);
    Put(&Record, InputLength, 2);
    Put(&Record, OutputLength, 2);
    PutPatches(&Record, Input, InputLength);
    Close(&Record);
}

NTSTATUS __wrap_NativeIoctl(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                            ULONG OutputLength, ULONG *Used)
{
    RecordIoctl(Code, Input, InputLength, OutputLength);
    return __real_NativeIoctl(File, Code, Input, InputLength, Output, OutputLength, Used);
}

/* ---- SRBs ---- */

NATIVE_REQUEST *__real_NativeScsiBegin(NATIVE_FILE *File, struct _SCSI_REQUEST_BLOCK *Srb, void *Data,
                                       ULONG DataLength);
NATIVE_REQUEST *__wrap_NativeScsiBegin(NATIVE_FILE *File, struct _SCSI_REQUEST_BLOCK *Srb, void *Data,
                                       ULONG DataLength);

static void RecordSrb(const SCSI_REQUEST_BLOCK *Srb, const void *Data, ULONG DataLength)
{
    static RECORD Record = {.Kind = "startio", .Most = 4};
    if (!Wanted(&Record)) {
        return;
    }
    bool Extended = Srb->Function == SRB_FUNCTION_STORAGE_REQUEST_BLOCK;
    bool Large = DataLength > 8192;
    const STORAGE_REQUEST_BLOCK *Block = (const STORAGE_REQUEST_BLOCK *)Srb;
    const SRBEX_DATA_SCSI_CDB16 *Scsi =
        Extended ? (const SRBEX_DATA_SCSI_CDB16 *)((const UCHAR *)Srb + Block->SrbExDataOffset[0]) : NULL;
    ULONG Flags = Extended ? Block->SrbFlags : Srb->SrbFlags;
    ULONG Given = DataLength < 64 ? DataLength : 64;
    Put(&Record,
        (Extended ? 1u : 0) | ((Flags & SRB_FLAGS_DATA_IN) != 0 ? 2u : 0) |
            ((Flags & SRB_FLAGS_DATA_OUT) != 0 ? 4u : 0) | (Large ? 0x20u : 0),
        1);
    Put(&Record, 0, 1);
    Put(&Record, Extended ? Scsi->CdbLength : Srb->CdbLength, 1);
    PutBytes(&Record, Extended ? Scsi->Cdb : Srb->Cdb, 16);
    Put(&Record, Large ? DataLength / 128 : DataLength, 2);
    Put(&Record, Given, 1);
    PutBytes(&Record, Data, Given);
    Close(&Record);
}

NATIVE_REQUEST *__wrap_NativeScsiBegin(NATIVE_FILE *File, struct _SCSI_REQUEST_BLOCK *Srb, void *Data, ULONG DataLength)
{
    RecordSrb(Srb, Data, DataLength);
    return __real_NativeScsiBegin(File, Srb, Data, DataLength);
}
