/* SPDX-License-Identifier: LGPL-2.1-only */
/* The driver's options by its commands. Names and texts are ASCII. */
#pragma once

#include "bed.h"

/* Where the test bed keeps the driver's state. */
#define SETTINGS_STATE NATIVE_SERVICES "wnbd\\State"

NTSTATUS SettingGet(BED *Bed, const char *Name, bool Persistent, WNBD_OPTION_VALUE *Value);
NTSTATUS SettingSet(BED *Bed, const char *Name, const WNBD_OPTION_VALUE *Value, bool Persistent);
NTSTATUS SettingSetText(BED *Bed, const char *Name, const char *Text, bool Persistent);
NTSTATUS SettingReset(BED *Bed, const char *Name, bool Persistent);
NTSTATUS SettingReload(BED *Bed);
/* The present value of an option that there is; a Bool is 0 or 1. */
int64_t Setting(BED *Bed, const char *Name);

/* The adapter is removed and made anew; its disks have gone before. */
void SettingRestartAdapter(BED *Bed);
