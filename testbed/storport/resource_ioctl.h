/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Two control codes of the test bed's port driver under Wine, sent to an adapter (GUID_DEVINTERFACE_STORAGEPORT) by
 * `disktool resources` and `disktool leak`. Both METHOD_BUFFERED.
 */
#pragma once

/*
 * Output: text, one line for each kind of thing that the drivers of the driver process own: "KIND NAME COUNT BYTES\n".
 * NAME is the pool tag, what a handle or a WSK entry is, or "-". Kinds: pool, irp, mdl, work-item, wsk, socket, device,
 * thread, handle (that the drivers have opened), timer (with queued DPCs), process-handle (all that the process has, by
 * the type of the object). ERROR_INSUFFICIENT_BUFFER when it doesn't fit.
 */
#define RESOURCE_IOCTL_REPORT 0x0004E004

/*
 * Input: RESOURCE_LEAK. The next thing of this kind that a driver gives back is kept instead, as if the driver had
 * forgotten it; a thread or a timer is started at once and goes on. One at a time: with Kind RESOURCE_NOTHING what was
 * kept is given back at last.
 */
#define RESOURCE_IOCTL_LEAK 0x0004E008

typedef struct {
    unsigned Kind; /* an index of RESOURCE_KINDS' list, or RESOURCE_NOTHING */
    unsigned Tag;  /* of pool; 0: any */
} RESOURCE_LEAK;

#define RESOURCE_NOTHING (~0u)
#define RESOURCE_KINDS                                                                                                 \
    {"pool", "irp", "mdl", "work-item", "wsk", "socket", "device", "thread", "handle", "timer", "process-handle"}
#define RESOURCE_KIND_COUNT 11
#define RESOURCE_REPORT_BYTES 16384
