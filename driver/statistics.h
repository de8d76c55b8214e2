/* SPDX-License-Identifier: LGPL-2.1-only */
/* What becomes of a disk's requests, by operation, and how long they take: what IOCTL_WNBD_STATS_EX tells. */
#pragma once

#include "disk.h"

/* The request has ended: COMPLETING, with its SrbStatus. Lock held. */
_IRQL_requires_(DISPATCH_LEVEL)
void StatisticsCount(QUEUE *Queue, const REQUEST *Request);

/* All counters of this moment. Lock not held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void StatisticsRead(DISK *Disk, PWNBD_DRV_STATS_EX Stats);
