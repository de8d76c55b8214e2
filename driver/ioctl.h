/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The control path: commands of libwnbd, which come through
 * IOCTL_MINIPORT_PROCESS_SERVICE_IRP with their number in the first ULONG.
 */
#pragma once

#include "nt.h"
#include <storport.h>
#include "wnbd_ioctl.h"

typedef struct DISK DISK;

/* How the making of a disk ended. */
typedef struct {
    UINT32 Win32Error; /* 0: the disk is there */
    WnbdCreatePhase Phase;
    UINT32 ServerError;                       /* NBD_REP_ERR_* or 0 */
    CHAR Message[WNBD_CREATE_MESSAGE_LENGTH]; /* UTF-8: the cause, or a warning, or "" */
} CREATE_OUTCOME;

/* The outcome for a disk that was removed while it was being made. */
extern const CREATE_OUTCOME OutcomeRemoved;

/* Fills an outcome; Words are ours, copied. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void OutcomeSet(CREATE_OUTCOME *Outcome, UINT32 Win32Error, WnbdCreatePhase Phase, UINT32 ServerError,
                const char *Words);

/* HwProcessServiceRequest. PASSIVE_LEVEL, in the context of the caller's thread. */
HW_PROCESS_SERVICE_REQUEST IoctlProcess;

/* Answers the create request of Disk, if it still waits. No lock held, <= DISPATCH_LEVEL. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void IoctlCreateDone(DISK *Disk, const CREATE_OUTCOME *Outcome);
