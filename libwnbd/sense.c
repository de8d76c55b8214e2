/* SPDX-License-Identifier: LGPL-2.1-only */
/* The outcome of a request in SCSI's terms. */
#include "internal.h"

#include <string.h>

/* SAM, "Status codes". */
#define SCSI_STATUS_CHECK_CONDITION 0x02

void WnbdSetSense(PWNBD_STATUS Status, UINT8 SenseKey, UINT8 Asc)
{
    if (!Status) {
        return;
    }
    memset(Status, 0, sizeof(*Status));
    Status->ScsiStatus = SCSI_STATUS_CHECK_CONDITION;
    Status->SenseKey = SenseKey;
    Status->ASC = Asc;
}

void WnbdSetSenseEx(PWNBD_STATUS Status, UINT8 SenseKey, UINT8 Asc, UINT64 Info)
{
    if (!Status) {
        return;
    }
    WnbdSetSense(Status, SenseKey, Asc);
    Status->Information = Info;
    Status->InformationValid = 1;
}
