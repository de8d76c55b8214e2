/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk's device object and its names: \Device\HarddiskN\DRn, \??\PhysicalDriveN, and the numbers. All functions run
 * at PASSIVE_LEVEL.
 */
#pragma once

#include "disk.h"

VOID NameInitialize(VOID);

/*
 * Creates the device object with a DISK as its extension under the lowest N that nobody uses, and keeps the number.
 * NameDelete undoes it.
 */
NTSTATUS NameCreateDevice(PDRIVER_OBJECT Driver, DISK **Disk);

/* Makes \??\PhysicalDriveN, and takes it away. The second may be called without the first, and twice. */
NTSTATUS NameCreateLink(DISK *Disk);
VOID NameDeleteLink(DISK *Disk);

/*
 * Gives the number back and has the device object deleted later, by NameReap. Not at once, because of Wine: its
 * dispatcher still writes to the device object after a request to it has completed, and an adapter that goes doesn't
 * wait for the handles of its disks.
 */
VOID NameDelete(DISK *Disk);

/* The last handle of a deleted disk closed. */
VOID NameLastClose(DISK *Disk);

/* Deletes the device objects that nobody can touch any more; All: at unload, without looking. */
VOID NameReap(BOOLEAN All);
