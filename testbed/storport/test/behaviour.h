/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the port driver does, one behaviour per row. Run gets a started host with one disk and leaves it able to stop.
 */
#pragma once

#include "host.h"

typedef struct {
    const char *Name;
    void (*Run)(HOST *Host);
    PORT_OPTIONS Options;
} BEHAVIOUR;

extern const BEHAVIOUR Behaviours[];
extern const size_t BehaviourCount;

/* behaviour_queue.c */
void BehaviourBusyRetried(HOST *Host);
void BehaviourBusyGivenUp(HOST *Host);
void BehaviourQueueFull(HOST *Host);
void BehaviourDepth(HOST *Host);
void BehaviourPause(HOST *Host);
void BehaviourAdapterPause(HOST *Host);
void BehaviourUnitBusy(HOST *Host);
void BehaviourAdapterBusy(HOST *Host);
void BehaviourLunReset(HOST *Host);
void BehaviourResetPauses(HOST *Host);
void BehaviourTargetReset(HOST *Host);
void BehaviourBusReset(HOST *Host);
void BehaviourResetHangs(HOST *Host);
void BehaviourResetsHang(HOST *Host);

/* behaviour_ioctl.c */
void BehaviourAddress(HOST *Host);
void BehaviourProperties(HOST *Host);
void BehaviourPassThrough(HOST *Host);
void BehaviourPassThroughRefused(HOST *Host);
void BehaviourServiceCancelled(HOST *Host);
void BehaviourServiceAtRemoval(HOST *Host);
