/* SPDX-License-Identifier: LGPL-2.1-only */
/* The PnP manager's own objects: device nodes and drivers. */
#pragma once

#include "internal.h"

#define PNP_IDS_MAX 1024

typedef enum { NODE_ADDED, NODE_STARTED, NODE_GONE, NODE_REMOVED } NODE_STATE;

struct NATIVE_DRIVER {
    DRIVER_OBJECT Object;
    DRIVER_EXTENSION Extension;
    NATIVE_DRIVER *Next;
    char Service[64];
    char MatchId[128]; /* children with this id get this driver's AddDevice; "" : none */
    WCHAR Path[256];
    WCHAR Name[128];
};

/* Nodes live until NativeStop. All but what is said is the PnP thread's. */
struct NATIVE_DEVICE {
    LIST_ENTRY Link; /* of the parent's children, or of the roots; guarded by PnpLock */
    LIST_ENTRY Children;
    NATIVE_DEVICE *NextNode; /* all nodes, for NativeStop */
    NATIVE_DEVICE *Parent;
    PDEVICE_OBJECT Pdo;  /* referenced until removed */
    volatile LONG State; /* NODE_STATE */
    LONG Opens;          /* guarded by PnpLock */
    bool Linked;         /* guarded by PnpLock */
    bool RemoveWaits;    /* surprise removed, IRP_MN_REMOVE_DEVICE after the last close; guarded by PnpLock */
    bool Seen;
    char Ids[PNP_IDS_MAX]; /* device id, hardware ids, compatible ids, each terminated; then an empty one */
    char Instance[256];
};

extern GROUND_LOCK PnpLock;

/* Counts as open: its removal waits. */
void PnpOpen(NATIVE_DEVICE *Node);
void PnpClose(NATIVE_DEVICE *Node);
NATIVE_DRIVER *PnpDriverFor(NATIVE_DEVICE *Node);

/* pnp_requests.c: PnP requests to a node's stack, from the PnP thread. */
NTSTATUS PnpSend(NATIVE_DEVICE *Node, UCHAR Minor);
NTSTATUS PnpSetPower(NATIVE_DEVICE *Node, DEVICE_POWER_STATE State);
PDEVICE_RELATIONS PnpQueryRelations(NATIVE_DEVICE *Node);
/* False: no memory for them; the node has none then. */
bool PnpQueryIds(NATIVE_DEVICE *Node);
void PnpQueryCapabilities(NATIVE_DEVICE *Node);
PDRIVER_OBJECT PnpRootDriver(void);
void PnpRootStart(void);
