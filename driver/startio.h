/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * SRBs from Storport. A virtual miniport's HwStartIo runs at any IRQL up to
 * DISPATCH_LEVEL, several at once and without a lock (WDK, HwStorStartIo).
 */
#pragma once

#include "nt.h"
#include <storport.h>

HW_STARTIO StartIo;
HW_RESET_BUS StartIoResetBus;
HW_UNIT_CONTROL StartIoUnitControl;
