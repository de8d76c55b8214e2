/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * SRBs from Storport. A virtual miniport's HwStartIo runs at any IRQL up to
 * DISPATCH_LEVEL, several at once and without a lock (WDK, HwStorStartIo).
 */
#pragma once

#include "nt.h"
#include <storport.h>

BOOLEAN StartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb);
BOOLEAN StartIoResetBus(PVOID Extension, ULONG PathId);
SCSI_UNIT_CONTROL_STATUS StartIoUnitControl(PVOID Extension, SCSI_UNIT_CONTROL_TYPE Type, PVOID Parameters);
