/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The driver on the native test bed, as tests want it: an adapter that is
 * there, disks that come and go, and I/O to them. What fails stops the test.
 */
#pragma once

#include <nt.h>
#include <storport.h>
#include <wnbd_ioctl.h>

#include "native.h"

#define CHECK(Condition)                                                                                               \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            BedFail(__FILE__, __LINE__, #Condition);                                                                   \
        }                                                                                                              \
    } while (0)
DECLSPEC_NORETURN void BedFail(const char *File, int Line, const char *Condition);

typedef struct {
    NATIVE_DRIVER *Driver;
    NATIVE_DEVICE *Adapter;
    NATIVE_FILE *File; /* the adapter's interface, open */
} BED;

/* Starts the test bed, loads the driver, starts the adapter, opens it. */
void BedStart(BED *Bed, const NATIVE_OPTIONS *Options);
/* The same in a test bed that has been started: a test may set the registry before. */
void BedLoad(BED *Bed);
/* False: a call failed that was told to, and everything has been taken away again, with all checks. */
bool BedTryLoad(BED *Bed);
/* The way back, with all checks for what was left behind. */
void BedStop(BED *Bed);

/* Properties for an export on 127.0.0.1. */
void BedProperties(WNBD_PROPERTIES *Properties, const char *Name, uint16_t Port);
/* IOCTL_WNBD_CREATE_EX; the outcome is in *Result. */
NTSTATUS BedMap(BED *Bed, const WNBD_PROPERTIES *Properties, WNBD_CREATE_RESULT *Result);
NTSTATUS BedUnmap(BED *Bed, const char *Name);
/* How many disks IOCTL_WNBD_LIST tells of. */
UINT32 BedDiskCount(BED *Bed);
/* Waits until it is so many: a disk that ends by itself may do so before Windows has seen it. */
void BedAwaitDisks(BED *Bed, UINT32 Count);

/* What is alive when nothing goes on, once that stays the same for half a second: a scan by the host allocates. */
NATIVE_COUNTS BedQuietCounts(void);

/* A disk: the child that has this name, as a class driver would open it. */
typedef struct {
    NATIVE_DEVICE *Child;
    NATIVE_FILE *File;
    uint32_t BlockSize;
    uint64_t BlockCount;
    uint32_t TimeoutSeconds; /* of requests; 30 from DiskOpen on */
} DISK;

/* Waits for the arrival of the Count-th child and opens the last one. */
void DiskOpen(DISK *Disk, BED *Bed, size_t Count);
void DiskClose(DISK *Disk);
/* The usual way there and back: the only disk of Bed, named "disk", served at Port. */
void BedMapDisk(BED *Bed, DISK *Disk, uint16_t Port);
void BedUnmapDisk(BED *Bed, DISK *Disk);

/* One SRB on its way. Classic or extended. */
typedef struct {
    union {
        SCSI_REQUEST_BLOCK Classic;
        STORAGE_REQUEST_BLOCK Extended;
        UCHAR Bytes[512];
    } Srb;
    SRBEX_DATA_SCSI_CDB16 *CdbBlock; /* in an extended one */
    UCHAR Sense[32];
    NATIVE_REQUEST *Request;
} DISK_IO;

/* DirectionFlags: SRB_FLAGS_DATA_IN, _OUT or 0. Data stays until DiskWait. */
void DiskBegin(DISK *Disk, DISK_IO *Io, bool Extended, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
               void *Data, ULONG Length);
/* The same in two steps, between which a test may change the SRB. */
void DiskPrepare(DISK *Disk, DISK_IO *Io, bool Extended, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags,
                 void *Data, ULONG Length);
void DiskSend(DISK *Disk, DISK_IO *Io, void *Data, ULONG Length);
/* Returns the SRB status without flags; *Moved (may be NULL): DataTransferLength. */
UCHAR DiskWait(DISK_IO *Io, ULONG *Moved);
UCHAR DiskCommand(DISK *Disk, const UCHAR *Cdb, UCHAR CdbLength, ULONG DirectionFlags, void *Data, ULONG Length,
                  ULONG *Moved);
/* READ(16) and WRITE(16) in blocks. */
void DiskCdb16(UCHAR *Cdb, UCHAR Code, uint64_t Block, uint32_t Count, bool Fua);
