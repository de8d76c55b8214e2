/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the native tests of the port driver share: the RAM disk miniport started on it, commands to it, and SRBs to its
 * disks. Functions stop the process at the first thing that isn't as expected. One thread, PASSIVE_LEVEL.
 */
#pragma once

#include <stdbool.h>

#include "port.h"
#include "native.h"
#include "ramdisk.h"

#define CHECK(Condition) ((Condition) ? (void)0 : HostFail(__FILE__, __LINE__, #Condition))
__attribute__((noreturn)) void HostFail(const char *File, int Line, const char *Condition);

typedef struct {
    NATIVE_DRIVER *Driver;
    NATIVE_DEVICE *Adapter;
    NATIVE_FILE *File; /* the adapter's interface, open */
    bool Extended;     /* the miniport asks for STORAGE_REQUEST_BLOCKs */
} HOST;

/* Loads the miniport with the fault (NULL: none), starts the adapter and waits for its first disk. */
void HostStart(HOST *Host, const char *Fault, bool Extended);
/* The way back: DriverUnload and the checks for what is left included. */
void HostStop(HOST *Host);
RAM_STATE HostCommand(HOST *Host, RAM_COMMAND_CODE Command, unsigned Target, unsigned Value);
/* Waits until the state's member is at least Value. */
#define HOST_WAIT(Host, Member, Value)                                                                                 \
    do {                                                                                                               \
        int HostTries = 0;                                                                                             \
        while (HostCommand((Host), RAM_QUERY, 0, 0).Member < (Value)) {                                                \
            CHECK(HostTries++ < 1000);                                                                                 \
            HostSleep(10);                                                                                             \
        }                                                                                                              \
    } while (0)
void HostSleep(unsigned Ms);
/* Milliseconds since some start. */
unsigned HostNow(void);

/* A disk as a class driver has it. */
typedef struct {
    NATIVE_DEVICE *Child;
    NATIVE_FILE *File;
} DISK;
void DiskOpen(HOST *Host, DISK *Disk, size_t Index);
void DiskClose(DISK *Disk);

/* One SRB on its way; of the extended kind when Extended is set. */
typedef struct {
    union {
        SCSI_REQUEST_BLOCK Classic;
        STORAGE_REQUEST_BLOCK Extended;
        UCHAR Bytes[256];
    } Srb;
    SRBEX_DATA_SCSI_CDB16 *Cdb;
    UCHAR Sense[32];
    bool IsExtended;
    NATIVE_REQUEST *Request;
} IO;

/* Data lies at Offset in its MDL, which describes Offset bytes more. SenseLength at most sizeof(Sense). */
typedef struct {
    bool Extended;
    const UCHAR *Cdb;
    UCHAR CdbLength;
    ULONG Flags;
    PUCHAR Data;
    ULONG Length;
    ULONG Offset;
    UCHAR SenseLength;
    ULONG TimeoutSeconds;
} IO_PARAMETERS;
void IoBegin(DISK *Disk, IO *Io, const IO_PARAMETERS *Parameters);
/* The SRB status with its flags. */
UCHAR IoWait(IO *Io);
ULONG IoLength(const IO *Io);
UCHAR IoSenseLength(const IO *Io);
/* READ(10) or WRITE(10) of Length bytes at Block. */
void IoTransfer(DISK *Disk, IO *Io, bool Write, ULONG Block, PUCHAR Data, ULONG Length);
/* TEST UNIT READY. */
void IoReady(DISK *Disk, IO *Io, ULONG TimeoutSeconds);
