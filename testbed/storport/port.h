/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The stand-in Storport port driver: its objects and the functions between its files.
 *
 *   MINIPORT   one per driver that called StorPortInitialize
 *   ADAPTER    extension of an adapter's functional device object (FDO)
 *   UNIT       a logical unit: a physical device object (PDO) once it has answered INQUIRY
 *   REQUEST    one SRB on its way through the miniport
 *
 * A request's SRB belongs to the port driver and is made anew for every attempt; the class driver's own SRB is only
 * read and, at the end, written back. HwStartIo is called without a lock, from several threads at once. Completed
 * requests are given back by a DPC, so that a miniport's call never reaches a class driver directly.
 *
 * Concurrency: one spin lock per adapter (Lock) guards its lists, counters and the units' queues; no callback and no
 * other driver is called under it. Everything written against NT calls only; what differs by ground is platform.h.
 */
#pragma once

#include "nt.h"
#include "storport.h"
#include "conduct.h"
#include "platform.h"

#define PORT_TAG ((ULONG)'PtsP')
#define PORT_TICK_MS 50u
#define PORT_BUSY_PAUSE_MS 250u
#define PORT_BUSY_RETRIES 20u
#define PORT_SCAN_TIMEOUT_S 10u
#define PORT_RESET_TIMEOUT_S 10u
#define PORT_TIMER_LATE_S 1u /* a processor may be slow to cancel what it has just requested */
#define PORT_HASH_SIZE 64u
#define PORT_SENSE_MAX 255u
#define PORT_INQUIRY_SIZE 96u
#define PORT_VPD_SIZE 255u
#define PORT_MS_100NS 10000ull
#define PORT_S_100NS 10000000ull

typedef struct _MINIPORT {
    LIST_ENTRY Link; /* in the list of entry.c, guarded by its lock */
    PDRIVER_OBJECT DriverObject;
    HW_INITIALIZATION_DATA Init;
    PVOID HwContext;
    UCHAR BusType; /* STORAGE_BUS_TYPE from the service's Parameters key */
    LONG AdapterCount;
} MINIPORT;

typedef enum { PORT_DEVICE_ADAPTER = 0x41505053, PORT_DEVICE_UNIT = 0x554C5053 } PORT_DEVICE_KIND;

typedef enum {
    ADAPTER_ADDED,   /* AddDevice was here */
    ADAPTER_STARTED, /* between a successful START and STOP or REMOVE */
    ADAPTER_STOPPED, /* found, not running */
    ADAPTER_FAILED,  /* HwFindAdapter failed */
    ADAPTER_REMOVED
} ADAPTER_STATE;

struct _UNIT;
typedef struct _UNIT UNIT;

typedef struct _ADAPTER {
    PORT_DEVICE_KIND Kind; /* first, as in UNIT_DEVICE */
    MINIPORT *Miniport;
    PDEVICE_OBJECT Fdo;
    PDEVICE_OBJECT Pdo;
    PDEVICE_OBJECT Lower;
    ULONG PortNumber;
    UNICODE_STRING InterfaceLink;
    PVOID HwExtension; /* the miniport's; its head points back here */
    PORT_CONFIGURATION_INFORMATION Config;
    BOOLEAN AdapterControls[ScsiAdapterControlMax];
    BOOLEAN UnitControls[ScsiUnitControlMax];
    ADAPTER_STATE State;
    BOOLEAN InHwInitialize;
    PHW_PASSIVE_INITIALIZE_ROUTINE PassiveInitialize;
    volatile LONG MappingCalls; /* for PORT_OPTIONS.FailMappingEvery */

    /* Guarded by Lock. */
    KSPIN_LOCK Lock;
    LIST_ENTRY Units;
    LIST_ENTRY Outstanding[PORT_HASH_SIZE]; /* requests that the miniport holds, by SRB address */
    ULONG OutstandingCount;
    LIST_ENTRY Completed; /* for the completion DPC */
    LIST_ENTRY ServiceIrps;
    LIST_ENTRY EjectIrps; /* for the scan thread */
    LONG Opens;           /* handles of the adapter */
    KEVENT Closed;        /* the last one was closed */
    ULONG ServiceCount;
    ULONG ServiceCalls;    /* of HwProcessServiceRequest, being executed */
    ULONGLONG PausedUntil; /* interrupt time; 0: not paused */
    ULONG BusyCount;       /* completions to wait for before starting more */
    BOOLEAN Asleep;        /* the miniport gets nothing but what takes it there and back */
    BOOLEAN Draining;      /* no new requests: stop or removal */
    BOOLEAN StartIoLocked; /* HwResetBus or HwTimer is running */
    ULONG BusResets;       /* HwResetBus is about to be called, or running: all queues are paused */
    LIST_ENTRY StartCalls; /* START_CALLs of HwStartIo, being executed */
    ULONG StartingCount;   /* those, and requests on the way there */
    ULONGLONG StartNumber; /* of the last call */
    PHW_TIMER Timer;       /* RequestTimerCall */
    ULONGLONG TimerDue;
    BOOLEAN Halted; /* between ScsiStopAdapter and the restart */

    KDPC CompletionDpc;
    KTIMER TickTimer;
    KDPC TickDpc;
    UNIT *Self; /* not a unit: where requests to the adapter itself come from */
    KEVENT ScanEvent;
    volatile LONG ScanWanted;
    PVOID ScanThread;
    volatile LONG ScanStop;
} ADAPTER;

typedef enum {
    UNIT_PROBING, /* asked about by a scan, no PDO yet */
    UNIT_PRESENT, /* found by the last scan: reported to PnP */
    UNIT_GONE,    /* no longer found: PnP is told, and removes the PDO */
    UNIT_REMOVED  /* PDO removed, or never made; nothing is sent to the miniport */
} UNIT_STATE;

struct _UNIT {
    LIST_ENTRY Link; /* in ADAPTER.Units, until removed */
    LONG References; /* list, PDO, scan, requests */
    ADAPTER *Adapter;
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    BOOLEAN Inquired; /* an INQUIRY was sent */
    BOOLEAN Started;  /* IRP_MN_START_DEVICE; guarded by PnP's serialisation */
    BOOLEAN Claimed;
    UNIT_STATE State; /* written by the scan thread and PnP, under Lock */
    PDEVICE_OBJECT Pdo;
    PVOID HwExtension; /* SpecificLuExtensionSize bytes */
    LONG PagingCount;

    /* Guarded by the adapter's Lock. */
    LIST_ENTRY Queue;
    ULONG QueueDepth;
    ULONG Outstanding;
    ULONG BusyCount;
    ULONGLONG PausedUntil;
    BOOLEAN Resetting;
    BOOLEAN Frozen; /* LOCK_QUEUE or QUIESCE_DEVICE by the class driver */

    /* Written by the scan thread before the PDO exists. */
    UCHAR Inquiry[PORT_INQUIRY_SIZE];
    ULONG InquiryLength;
    UCHAR Vpd80[PORT_VPD_SIZE];
    ULONG Vpd80Length;
    UCHAR Vpd83[PORT_VPD_SIZE];
    ULONG Vpd83Length;
    ULONG SeenByScan; /* the scan's number */
    BOOLEAN Reported; /* the PnP manager knows the PDO and will remove it */
};

/* A PDO's device extension. */
typedef struct {
    PORT_DEVICE_KIND Kind;
    UNIT *Unit;
} UNIT_DEVICE;

/* An SRB of either kind, read into one shape. */
typedef struct {
    ULONG Function;
    UCHAR Path;
    UCHAR Target;
    UCHAR Lun;
    UCHAR QueueAction;
    UCHAR SrbStatus;
    UCHAR ScsiStatus;
    UCHAR SenseLength;
    UCHAR CdbLength;
    UCHAR Cdb[16];
    ULONG Flags;
    ULONG DataLength;
    ULONG TimeoutSeconds;
    PVOID DataBuffer;
    PVOID Sense;
    STOR_PNP_ACTION PnpAction;
    ULONG PnpFlags;
    STOR_DEVICE_POWER_STATE PowerState;
    STOR_POWER_ACTION PowerAction;
} SRB_FIELDS;

/* A call of HwStartIo; by its number, because the request may be gone before the call returns. */
typedef struct {
    LIST_ENTRY Link;
    ULONGLONG Number;
} START_CALL;

/* What a reset covers; bits of REQUEST.Aside. */
typedef enum { PORT_SCOPE_UNIT = 1, PORT_SCOPE_TARGET = 2, PORT_SCOPE_BUS = 4 } PORT_SCOPE;

struct _REQUEST;
typedef VOID REQUEST_DONE(struct _REQUEST *Request);

typedef struct _REQUEST {
    LIST_ENTRY Link;            /* UNIT.Queue or ADAPTER.Completed */
    LIST_ENTRY OutstandingLink; /* while Srb is the miniport's */
    UNIT *Unit;                 /* referenced */
    SRB_FIELDS Fields;          /* as asked; the results after completion */
    PMDL Mdl;                   /* of the data, or NULL */
    BOOLEAN OwnMdl;
    PVOID SystemAddress; /* of the data, or NULL */
    REQUEST_DONE *Done;  /* called by the completion DPC (or inline: Inline), owns the request then */
    BOOLEAN Inline;
    BOOLEAN Internal;  /* the port driver's own: not held back by pauses and locks */
    BOOLEAN Scan;      /* a scan's: goes first, and a full unit doesn't keep it waiting */
    BOOLEAN Escalated; /* a reset that took too long; guarded by the adapter's Lock while outstanding */
    ULONGLONG Number;  /* of the START_CALL of this attempt; guarded by the adapter's Lock, as what follows */
    ULONG Aside;       /* PORT_SCOPEs of resets beside which HwStartIo got it: they may leave it */
    ULONGLONG Covers;  /* of a reset: HwStartIo had returned from every lower number when it got this one */
    ULONG Attempts;
    ULONG BusyRetries;
    ULONGLONG Deadline; /* interrupt time, while outstanding */
    PVOID Context;      /* Done's */
    PIRP Irp;           /* Done's */
    PVOID ClassSrb;     /* Done's */

    /* The attempt: one allocation with the SRB, its copy, the extension and the sense buffer, guards between them. */
    PUCHAR Attempt;
    ULONG AttemptLength;
    PVOID Srb;
    ULONG SrbLength;
    PUCHAR Original;
    PVOID SrbExtension;
    PUCHAR Sense;
    ULONG SenseSize;
} REQUEST;

/* entry.c */
MINIPORT *PortMiniportFind(PDRIVER_OBJECT DriverObject);

/* adapter.c, adapter_pnp.c */
ADAPTER *PortAdapterFromExtension(PVOID HwDeviceExtension);
NTSTATUS PortAdapterStart(ADAPTER *Adapter);
/* Action: StorStopDevice, StorRemoveDevice or StorSurpriseRemoval. PASSIVE_LEVEL. */
VOID PortAdapterStop(ADAPTER *Adapter, STOR_PNP_ACTION Action);
/* Any thread, <= DISPATCH_LEVEL. */
BOOLEAN PortAdapterIsStarted(ADAPTER *Adapter);
VOID PortAdapterFree(ADAPTER *Adapter);
SCSI_ADAPTER_CONTROL_STATUS PortAdapterControl(ADAPTER *Adapter, SCSI_ADAPTER_CONTROL_TYPE Type, PVOID Parameters);
NTSTATUS PortAdapterPnp(ADAPTER *Adapter, PIRP Irp);
DRIVER_ADD_DEVICE PortAdapterAdd;
/* Fills the configuration anew: HwFindAdapter and what it must leave. */
NTSTATUS PortAdapterFind(ADAPTER *Adapter);
NTSTATUS PortAdapterInitialize(ADAPTER *Adapter);

/* adapter_power.c */
NTSTATUS PortAdapterPower(ADAPTER *Adapter, PIRP Irp);
/* PORT_IOCTL_POWER */
NTSTATUS PortAdapterPowerRequest(ADAPTER *Adapter, PIRP Irp);

/* Sends the miniport an SRB that concerns the adapter itself, and waits. PASSIVE_LEVEL. */
UCHAR PortAdapterSend(ADAPTER *Adapter, ULONG Function, STOR_PNP_ACTION Action);

/* Moments at which the native test bed may hold a thread of the port driver's, or look at it. */
typedef enum {
    PORT_AT_START_IO,   /* HwStartIo is about to be called with Srb */
    PORT_AT_COMPLETION, /* the miniport is completing Srb */
    PORT_AT_RESET_BUS,  /* HwResetBus is about to be called */
    PORT_AT_TIMER       /* the miniport requests a timer call, or cancels it (Srb is NULL) */
} PORT_MOMENT;

/* Which of several documented behaviours the port driver shows; the native test bed sets them. */
typedef struct {
    VOID (*Hook)(PORT_MOMENT Moment, PVOID Srb); /* may be NULL */
    BOOLEAN ResetExcludesStartIo;                /* HwResetBus waits for HwStartIo on other processors */
    BOOLEAN StartIoAtDispatch;                   /* HwStartIo runs at DISPATCH_LEVEL */
    BOOLEAN StopBeforeServiceIrps;               /* ScsiStopAdapter comes before HwCompleteServiceIrp */
    BOOLEAN FindToRestart;        /* HwFindAdapter at DISPATCH_LEVEL takes the place of ScsiRestartAdapter */
    ULONG FailMappingEvery;       /* every n-th StorPortGetSystemAddress finds no mapping; 0: none */
    volatile LONG MissBusChanges; /* so many BusChangeDetected are ignored */
    volatile LONG RefuseRemovals; /* so many IRP_MN_QUERY_REMOVE_DEVICE are refused */
    ULONG ResetTimeoutSeconds;    /* of the port driver's own reset SRBs; 0: PORT_RESET_TIMEOUT_S */
    ULONG QuarantineDepth;        /* SRBs kept back and watched; 0: as the platform likes */
} PORT_OPTIONS;
extern PORT_OPTIONS PortOptions;

/* ioctl.c: takes one from an option that counts; FALSE when none is left. Any thread, any IRQL. */
BOOLEAN PortOrderTake(volatile LONG *Count);
VOID PortHook(PORT_MOMENT Moment, PVOID Srb);

/* Around every callback: checks that it returns as it was entered. */
typedef struct {
    KIRQL Irql;
    ULONG Locks;
} PORT_CALL;
PORT_CALL PortCallEnter(VOID);
VOID PortCallLeave(PORT_CALL Call, PCSTR Callback);

/* config.c */
VOID PortConfigCheckRegistration(const HW_INITIALIZATION_DATA *Init);
VOID PortConfigPreset(const HW_INITIALIZATION_DATA *Init, PORT_CONFIGURATION_INFORMATION *Config);
VOID PortConfigCheck(const HW_INITIALIZATION_DATA *Init, const PORT_CONFIGURATION_INFORMATION *Config);

/* unit.c */
UNIT *PortUnitFind(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun);
UNIT *PortUnitFindLocked(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun);
/* The first unit for which Visit returns TRUE, referenced, or NULL. Visit runs under Lock and may change the unit. */
UNIT *PortUnitWalk(ADAPTER *Adapter, BOOLEAN (*Visit)(UNIT *Unit, PVOID Context), PVOID Context);
/* Makes a unit that isn't in the adapter's list; the caller's reference is its only one. */
UNIT *PortUnitMake(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun);
UNIT *PortUnitFindOrMake(ADAPTER *Adapter, UCHAR Path, UCHAR Target, UCHAR Lun);
VOID PortUnitReference(UNIT *Unit);
VOID PortUnitDereference(UNIT *Unit);
/* Makes the unit's device and the unit present with it. */
NTSTATUS PortUnitMakePdo(UNIT *Unit);
/* Takes the unit off the list, with the list's reference. */
VOID PortUnitUnlink(UNIT *Unit);
/* Waits until the miniport holds no request of this unit. PASSIVE_LEVEL. */
VOID PortUnitWaitIdle(UNIT *Unit);
VOID PortUnitSendPnp(UNIT *Unit, STOR_PNP_ACTION Action);
BOOLEAN PortUnitControl(UNIT *Unit, SCSI_UNIT_CONTROL_TYPE Type, PVOID Parameters);
VOID PortUnitAddress(const UNIT *Unit, STOR_ADDR_BTL8 *Address);

/* pdo.c, pdo_id.c */
NTSTATUS PortPdoPnp(UNIT *Unit, PIRP Irp);
PWSTR PortPdoId(const UNIT *Unit, BUS_QUERY_ID_TYPE Type);
PWSTR PortPdoText(const UNIT *Unit, DEVICE_TEXT_TYPE Type);
/* Copies an INQUIRY string field without its trailing spaces; Text has room for Length + 1 characters. */
VOID PortInquiryText(const UCHAR *Field, ULONG Length, PCHAR Text);

/* scan.c */
NTSTATUS PortScanStart(ADAPTER *Adapter);
VOID PortScanStop(ADAPTER *Adapter);
/* Asks for a scan; several askings before it begins are one. <= DISPATCH_LEVEL. */
VOID PortScanRequest(ADAPTER *Adapter);
/* The scan thread has something else to do. <= DISPATCH_LEVEL. */
VOID PortScanWake(ADAPTER *Adapter);

/* eject.c */
NTSTATUS PortEject(ADAPTER *Adapter, PIRP Irp);
NTSTATUS PortRemove(ADAPTER *Adapter, PIRP Irp);
/* Serves the requests that wait; refuses them. The first in the scan thread, the second after its end. PASSIVE_LEVEL.
 */
VOID PortEjectServe(ADAPTER *Adapter);
VOID PortEjectRefuse(ADAPTER *Adapter);
/* In the scan thread: serves a PORT_IOCTL_REMOVE. PASSIVE_LEVEL. */
VOID PortRemoveServe(ADAPTER *Adapter, PIRP Irp);
/* Sends a PnP request to the top of a device's stack and waits; see PortUnitSendIrp. */
NTSTATUS PortDeviceSendIrp(PDEVICE_OBJECT Device, UCHAR Minor, DEVICE_CAPABILITIES *Capabilities,
                           ULONG_PTR *Information);
/* The unit with that index of those that PnP knows and that are there, referenced; NULL. */
UNIT *PortUnitAt(ADAPTER *Adapter, ULONG Index);
/*
 * Sends a PnP request to the top of the unit's stack and waits. *Information (may be NULL) is what it came back with.
 * PASSIVE_LEVEL.
 */
NTSTATUS PortUnitSendIrp(UNIT *Unit, UCHAR Minor, DEVICE_CAPABILITIES *Capabilities, ULONG_PTR *Information);

/* srb.c */
VOID PortSrbRead(const VOID *Srb, SRB_FIELDS *Fields);
VOID PortSrbWriteResult(PVOID Srb, const SRB_FIELDS *Fields);
ULONG PortSrbLength(UCHAR SrbType, const SRB_FIELDS *Fields);
VOID PortSrbBuild(UCHAR SrbType, const SRB_FIELDS *Fields, PVOID Sense, PVOID Extension, PVOID Srb);
/* Compares an SRB with its copy from before HwStartIo, apart from what a miniport may write. */
BOOLEAN PortSrbFieldsKept(const VOID *Srb, const VOID *Original, ULONG Length);
NTSTATUS PortSrbStatusToNt(UCHAR SrbStatus);

/* request.c */
REQUEST *PortRequestMake(UNIT *Unit);
VOID PortRequestFree(REQUEST *Request);
/* Gives the request an MDL of its own for Length bytes of non-paged memory. */
NTSTATUS PortRequestDescribe(REQUEST *Request, PVOID Buffer, ULONG Length);
/* Runs an internal request and waits for it. PASSIVE_LEVEL. */
UCHAR PortRequestRun(REQUEST *Request);
NTSTATUS PortRequestPrepareAttempt(REQUEST *Request);
/* The data buffer is mapped before HwStartIo, because MapBuffers covers the request. */
BOOLEAN PortRequestIsMapped(const REQUEST *Request);
VOID PortRequestCheckCompletion(REQUEST *Request);
VOID PortRequestRetireAttempt(REQUEST *Request);
VOID PortQuarantineDrain(VOID);
/* An SRB at this address was completed lately. */
BOOLEAN PortQuarantineKnows(PVOID Srb);

/* queue.c */
VOID PortQueueSubmit(REQUEST *Request);
VOID PortQueuePump(UNIT *Unit);
VOID PortQueuePumpAll(ADAPTER *Adapter);
VOID PortQueueComplete(ADAPTER *Adapter, PVOID Srb);
VOID PortQueueFail(UNIT *Unit, UCHAR SrbStatus);
VOID PortQueueWaitIdle(ADAPTER *Adapter);
REQUEST *PortQueueOutstanding(ADAPTER *Adapter, PVOID Srb);
/* Under Lock: the first of the miniport's requests for which Visit returns TRUE, or NULL. */
REQUEST *PortQueueWalk(ADAPTER *Adapter, BOOLEAN (*Visit)(REQUEST *Request, PVOID Context), PVOID Context);
KDEFERRED_ROUTINE PortQueueCompletionDpc;

/* reset.c. <= DISPATCH_LEVEL, no lock held. */
/* Resets a unit that is marked as resetting, and what is above it if that doesn't help. */
VOID PortResetUnit(UNIT *Unit);
/* A reset SRB comes back: what it covers must have come back before. */
VOID PortResetCheck(REQUEST *Request);
/* Function, a reset of the unit, failed or wasn't answered in time: the next tier. */
VOID PortResetEscalate(UNIT *Unit, ULONG Function);
/* Returns what HwResetBus did. */
BOOLEAN PortResetBus(ADAPTER *Adapter, UCHAR Path);
/* The StartIo lock, which callbacks of a virtual miniport have apart from HwStartIo. Not a spin lock of NT's: a
 * callback that takes its own locks doesn't nest them. */
VOID PortStartIoLock(ADAPTER *Adapter);
VOID PortStartIoUnlock(ADAPTER *Adapter);

/* timeout.c */
/* ScsiStopAdapter has succeeded, or the restart is about to begin. */
VOID PortTimerHalt(ADAPTER *Adapter, BOOLEAN Halted);
/* The miniport has nothing left: it may have no timer. */
VOID PortTimerCheckNone(ADAPTER *Adapter);
KDEFERRED_ROUTINE PortTimeoutTick;

/* service.c */
NTSTATUS PortServiceRequest(ADAPTER *Adapter, PIRP Irp);
ULONG PortServiceComplete(ADAPTER *Adapter, PIRP Irp);
VOID PortServiceFlush(ADAPTER *Adapter);

/* dispatch.c, ioctl.c, property.c, pass_through.c */
VOID PortDispatchInstall(PDRIVER_OBJECT DriverObject);
NTSTATUS PortIrpComplete(PIRP Irp, NTSTATUS Status, ULONG_PTR Information);
NTSTATUS PortScsiRequest(UNIT *Unit, PIRP Irp);
NTSTATUS PortUnitIoctl(UNIT *Unit, PIRP Irp);
NTSTATUS PortAdapterIoctl(ADAPTER *Adapter, PIRP Irp);
NTSTATUS PortPropertyQuery(ADAPTER *Adapter, UNIT *Unit, PIRP Irp);
NTSTATUS PortPassThrough(UNIT *Unit, PIRP Irp, BOOLEAN Direct);
