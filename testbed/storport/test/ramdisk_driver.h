/* SPDX-License-Identifier: LGPL-2.1-only */
/* Between the files of the RAM disk miniport. */
#pragma once

#include "nt.h"
#include "storport.h"
#include "ramdisk.h"

#define RAM_TAG ((ULONG)'tmaR')

/* The device extension. */
typedef struct {
    BOOLEAN Initialised;
    BOOLEAN Present[RAM_TARGETS];
    BOOLEAN Vanished[RAM_TARGETS];
    PUCHAR Disks[RAM_TARGETS];
    KDPC Dpc;
    UNICODE_STRING Link;
    PDEVICE_OBJECT Fdo;

    KSPIN_LOCK Lock; /* guards what follows */
    ULONG Busy;
    ULONG Full;
    ULONG Hold;
    ULONG ResetFails;
    ULONG ResetHangs;
    PVOID HungResets[2];
    ULONG HungCount;
    BOOLEAN Defer;
    PVOID Held[RAM_HELD_MAX];
    PVOID Deferred[RAM_HELD_MAX];
    ULONG DeferredCount;
    PIRP Pended;
    RAM_STATE State;
    ULONG Marks; /* faults.c: what has happened once */
} RAM;

/* ramdisk.c */
HW_STARTIO RamStartIo;
HW_RESET_BUS RamResetBus;
VOID RamInitialize(RAM *Ram);
/* Increments a counter of Ram->State. <= DISPATCH_LEVEL. */
VOID RamCount(RAM *Ram, unsigned *Counter);
VOID RamExecute(RAM *Ram, PVOID Srb);
VOID RamRelease(RAM *Ram, UCHAR Status);
VOID RamReleaseOne(RAM *Ram);
VOID RamComplete(RAM *Ram, PVOID Srb, UCHAR Status, UCHAR ScsiStatus, ULONG Length);

/* ramdisk_service.c */
HW_PROCESS_SERVICE_REQUEST RamProcessServiceRequest;
HW_COMPLETE_SERVICE_IRP RamCompleteServiceIrp;

/* ramdisk_entry.c */
extern CHAR RamFault[32];
BOOLEAN RamIsFaulty(const RAM *Ram, PCSTR Rule);

/* ramdisk_srb.c: members of SRBs of both kinds. */
ULONG RamFunction(const VOID *Srb);
UCHAR RamTarget(const VOID *Srb);
ULONG RamFlags(const VOID *Srb);
ULONG RamDataLength(const VOID *Srb);
PVOID RamDataBuffer(const VOID *Srb);
PUCHAR RamCdb(PVOID Srb);
PUCHAR RamSense(PVOID Srb, UCHAR *Room);
PUCHAR RamExtension(PVOID Srb);
STOR_PNP_ACTION RamPnpAction(PVOID Srb);
VOID RamSetSenseLength(PVOID Srb, UCHAR Length);
VOID RamSetResult(PVOID Srb, UCHAR Status, UCHAR ScsiStatus, ULONG Length);
VOID RamSetFlags(PVOID Srb, ULONG Flags);

/* faults.c: one broken rule each; they do nothing while RamFault is empty. */
VOID RamFaultInRegistration(HW_INITIALIZATION_DATA *Data);
ULONG RamFaultInFindAdapter(RAM *Ram, PORT_CONFIGURATION_INFORMATION *Config);
VOID RamFaultInHwInitialize(RAM *Ram);
VOID RamFaultInControlTypes(SCSI_SUPPORTED_CONTROL_TYPE_LIST *List);
VOID RamFaultInInquiry(RAM *Ram, const UCHAR *Cdb, PUCHAR Data);
VOID RamFaultInReportLuns(RAM *Ram, PUCHAR Data, ULONG *Length);
/* TRUE: the request was dealt with. */
BOOLEAN RamFaultInStartIo(RAM *Ram, PVOID Srb);
VOID RamFaultAtCompletion(RAM *Ram, PVOID Srb);
VOID RamFaultAfterCompletion(RAM *Ram, PVOID Srb);
VOID RamFaultAtTheEnd(RAM *Ram);
/* TRUE: the IRP was dealt with. */
BOOLEAN RamFaultInService(RAM *Ram, PIRP Irp);
