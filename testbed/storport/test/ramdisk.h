/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How tests talk to the RAM disk miniport: IOCTL_MINIPORT_PROCESS_SERVICE_IRP with a RAM_COMMAND in, and a RAM_STATE
 * out. The value Fault of the service's Parameters key names a rule of conduct.h that the miniport breaks; SrbType 1
 * makes it ask for STORAGE_REQUEST_BLOCKs.
 */
#pragma once

#define RAM_TARGETS 4u
#define RAM_DISK_SIZE (1024u * 1024u)
#define RAM_BLOCK_SIZE 512u
#define RAM_MAX_TRANSFER (256u * 1024u)
#define RAM_HELD_MAX 64u
#define RAM_IOCTL 0x0004D038u

/* Target 0 has a disk from the start. */
typedef enum {
    RAM_QUERY,   /* nothing but the state */
    RAM_PLUG,    /* a disk appears at Target */
    RAM_UNPLUG,  /* it goes, and is reported missing */
    RAM_VANISH,  /* it answers NO_DEVICE, but REPORT LUNS still lists it */
    RAM_PEND,    /* keep this request until it is cancelled or the adapter goes */
    RAM_BUSY,    /* the next Value requests for a medium get SRB_STATUS_BUSY */
    RAM_FULL,    /* the same with QUEUE FULL while others are held */
    RAM_HOLD,    /* the next Value requests for a medium are kept until RAM_RELEASE or a reset */
    RAM_RELEASE, /* complete what is kept */
    RAM_DEPTH,   /* StorPortSetDeviceQueueDepth(Target, Value); Result says whether it succeeded */
    RAM_PAUSE,   /* StorPortPauseDevice(Target, Value seconds) */
    RAM_RESUME,
    RAM_DEFER,       /* complete requests for a medium by a DPC */
    RAM_RESET_FAILS, /* the next Value resets fail: 1 LUN, 2 LUN and target */
    RAM_RESET_HANGS, /* the next Value reset SRBs are kept until a reset that works, or RAM_RELEASE */
    RAM_RELEASE_ONE, /* complete one of those that are kept, and go on keeping */
    RAM_UNIT_BUSY,   /* StorPortDeviceBusy(Target, Value), and StorPortDeviceReady */
    RAM_UNIT_READY,
    RAM_ADAPTER_BUSY, /* StorPortBusy(Value), and StorPortReady */
    RAM_ADAPTER_READY,
    RAM_ADAPTER_PAUSE, /* StorPortPause(Value seconds) */
    RAM_ADAPTER_RESUME,
    RAM_LINK /* the notification LinkUp with a Value, without LinkDown */
} RAM_COMMAND_CODE;

typedef struct {
    unsigned Command;
    unsigned Target;
    unsigned Value;
} RAM_COMMAND;

typedef struct {
    unsigned Result;
    unsigned Held;        /* requests kept now */
    unsigned MaximumHeld; /* most requests kept at once */
    unsigned LunResets;
    unsigned TargetResets;
    unsigned BusResets;
    unsigned Inquiries;   /* standard INQUIRY commands */
    unsigned UnitStarts;  /* ScsiUnitStart */
    unsigned UnitRemoves; /* ScsiUnitRemove */
    unsigned UnitSurprises;
    unsigned LastDataUnusable; /* the last READ or WRITE had a DataBuffer that isn't its memory */
} RAM_STATE;
