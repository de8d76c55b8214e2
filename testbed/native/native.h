/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The test bed as tests see it: start NT, load a driver's DriverEntry, give it
 * a root-enumerated device, open its interface, send requests, take it all
 * away again. All functions: any thread, PASSIVE_LEVEL. A broken rule
 * (rules.h) stops the process.
 *
 *     NativeStart(&(NATIVE_OPTIONS){.Seed = 1});
 *     NATIVE_DRIVER *Driver = NativeDriverLoad("wnbd", DriverEntry);
 *     NATIVE_DEVICE *Adapter = NativeDeviceAdd(Driver, "root\\wnbd");
 *     NativeDeviceStart(Adapter);
 *     NATIVE_FILE *File = NativeOpen(&InterfaceGuid, NULL);
 *     NativeIoctl(File, Code, In, InLength, Out, OutLength, &Used);
 *     NativeClose(File);
 *     NativeDeviceRemove(Adapter);
 *     NativeDriverUnload(Driver);
 *     NativeStop();
 */
#pragma once

#include <nt.h>

/*
 * Faults: which of the calls that can fail do so. A place is a call stack, from
 * the call to the start of its thread. One plan may be shared by processes
 * that are forks of each other and run one after the other.
 */
#define NATIVE_FAULT_PLACES 2048
#define NATIVE_FAULT_FRAMES 32

typedef struct {
    uint64_t Key; /* stays the same as long as the program does */
    char Function[32];
    size_t FrameCount;
    uint64_t Frames[NATIVE_FAULT_FRAMES];
} NATIVE_FAULT_PLACE;

typedef struct {
    uint64_t Target; /* the place whose first call fails; 0: none */
    uint32_t OneIn;  /* one in so many calls fails, whatever its place, and no place is recorded; 0: none */
    /* Whether a call fails, in place of both, NULL: as they say. From the thread that makes the call, at any IRQL. */
    bool (*Chosen)(const char *Function);
    volatile LONG Given; /* so many calls have failed */
    /* Hears of each call that fails, NULL: nobody does. From the thread that makes the call, at any IRQL. */
    void (*Failed)(const char *Function);
    volatile LONG Count; /* of Places: all that were called so far */
    NATIVE_FAULT_PLACE Places[NATIVE_FAULT_PLACES];
} NATIVE_FAULTS;

/* Writes the call stack to stderr. */
void NativeFaultPrint(const NATIVE_FAULT_PLACE *Place);

#define NATIVE_LOG_NONE UINT32_MAX

typedef struct {
    uint64_t Seed;
    NATIVE_FAULTS *Faults; /* NULL: nothing fails, and nothing is recorded */
    /* One in so many WSK calls that could complete at once does so before it returns; 0: none, 1: all. */
    uint32_t WskSynchronousOneIn;
    /* One in so many receives is given less than has arrived; 0: none. */
    uint32_t WskShortReceiveOneIn;
    /* So many captures without waiting fail first, as early in a boot. */
    uint32_t WskLateCaptures;
    /*
     * DPCs run in the thread that ends network operations, after what it is doing, as on a machine with one processor:
     * less can happen at the same time, and nothing waits for another thread. For measuring.
     */
    bool OneProcessor;
    /* So many process-notify routines are others' already; 64 are all there can be. */
    uint32_t ForeignNotifyRoutines;
    /* Debug messages of this level and below go to stderr (DPFLTR_*_LEVEL); NATIVE_LOG_NONE: none. */
    uint32_t LogLevel;
    /* Every debug message goes here as well, NULL: nowhere. Called at any IRQL, from any thread, several at once. */
    void (*Log)(uint32_t Level, const char *Text);
} NATIVE_OPTIONS;

/* What is alive of all that drivers and the host have to give back. */
typedef struct {
    size_t PoolAllocations;
    size_t Irps;
    size_t Mdls;
    size_t WorkItems;
    size_t Devices;
    size_t Handles;
    size_t Sockets;
    size_t AddressLists;
    size_t Threads;
} NATIVE_COUNTS;

typedef struct NATIVE_DRIVER NATIVE_DRIVER;
typedef struct NATIVE_DEVICE NATIVE_DEVICE;
typedef struct NATIVE_FILE NATIVE_FILE;
typedef struct NATIVE_REQUEST NATIVE_REQUEST;

void NativeStart(const NATIVE_OPTIONS *Options);
/* Ends every thread of the test bed, after a last look for what was left behind. */
void NativeStop(void);
/* Any thread; what goes on meanwhile may or may not be counted. */
NATIVE_COUNTS NativeCounts(void);
/* Bytes of pool that are allocated with Tag. */
uint64_t NativePoolBytes(uint32_t Tag);

/* How often a thread has acquired a spin lock while it held another, since the process began. */
uint32_t NativeLocksNested(void);

/* ---- Registry: paths like \Registry\Machine\System\CurrentControlSet\Services\wnbd\Parameters ---- */

#define NATIVE_SERVICES "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"
void NativeRegistrySetDword(const char *Path, const char *Name, uint32_t Value);
void NativeRegistrySetQword(const char *Path, const char *Name, uint64_t Value);
/* False: there is none. Of the value, the first 8 bytes. */
bool NativeRegistryGet(const char *Path, const char *Name, uint32_t *Type, uint64_t *Value);
void NativeRegistrySetString(const char *Path, const char *Name, const char *Value);

/* ---- Event tracing ---- */

/*
 * Takes the place of a session: the provider's events of this level and below (ETW's numbers) with one of these
 * keywords, or without, go to Take, at any IRQL, one at a time; NULL: nobody listens any more.
 */
void NativeEtwListen(const GUID *Provider, uint8_t Level, uint64_t Keywords,
                     void (*Take)(const EVENT_DESCRIPTOR *Event, const EVENT_DATA_DESCRIPTOR *Fields, uint32_t Count));

/*
 * Takes the place of a session of WPP's messages, for the one provider that there may be: its callback is called with
 * Session (what EtwRegisterClassicProvider's callback gets: logger, level, flags), 0 to end it. Message is the header's
 * flags, the message's identifier and number; the fields come one behind the other.
 */
typedef struct {
    uint32_t Flags;
    GUID Id;
    uint16_t Number;
    uint32_t Bytes;
    uint8_t Fields[2048];
} NATIVE_WPP_MESSAGE;
void NativeWppListen(const GUID *Provider, uint64_t Session, void (*Take)(const NATIVE_WPP_MESSAGE *Message));

/* ---- Drivers and devices ---- */

/* Calls Entry with the service's registry path. NULL and *Status if it fails. */
NATIVE_DRIVER *NativeDriverLoad(const char *Service, PDRIVER_INITIALIZE Entry, NTSTATUS *Status);
/* DriverUnload, then checks that nothing is left of pool, IRPs, MDLs, devices, timers, DPCs, threads, sockets. */
void NativeDriverUnload(NATIVE_DRIVER *Driver);

/* The driver's AddDevice is called for children that have this id. */
void NativeDriverMatch(NATIVE_DRIVER *Driver, const char *Id);

/* A root-enumerated device: its PDO exists, AddDevice has been called. NULL and *Status if that fails. */
NATIVE_DEVICE *NativeDeviceAdd(NATIVE_DRIVER *Driver, const char *HardwareId, NTSTATUS *Status);
/* IRP_MN_START_DEVICE, then the children. */
NTSTATUS NativeDeviceStart(NATIVE_DEVICE *Device);
/* IRP_MN_STOP_DEVICE, as before a start with other resources. */
NTSTATUS NativeDeviceStop(NATIVE_DEVICE *Device);
/* IRP_MN_SET_POWER to the device's stack alone: D0 or D3. */
NTSTATUS NativeDevicePower(NATIVE_DEVICE *Device, bool On);
/* Asks (IRP_MN_QUERY_REMOVE_DEVICE), then removes children and device. */
NTSTATUS NativeDeviceRemove(NATIVE_DEVICE *Device);
/* The device is gone: IRP_MN_SURPRISE_REMOVAL, IRP_MN_REMOVE_DEVICE, children first. */
void NativeDeviceSurpriseRemove(NATIVE_DEVICE *Device);
/* Waits until the PnP manager has nothing to do. */
void NativePnpSettle(void);

/* ---- Children, as the PnP manager knows them ---- */

size_t NativeChildCount(NATIVE_DEVICE *Device);
/* Waits until there are Count started children; false after TimeoutMs. */
bool NativeChildWait(NATIVE_DEVICE *Device, size_t Count, uint32_t TimeoutMs);
/*
 * The started child at Index, NULL if there are fewer. It counts as open until
 * NativeChildRelease: its removal waits for that.
 */
NATIVE_DEVICE *NativeChild(NATIVE_DEVICE *Device, size_t Index);
void NativeChildRelease(NATIVE_DEVICE *Child);
/* Whether a device id, hardware id or compatible id matches, ignoring case. */
bool NativeDeviceHasId(NATIVE_DEVICE *Device, const char *Id);
bool NativeDevicePresent(NATIVE_DEVICE *Device);
/* Top of the device's stack, for NativeSend. */
PDEVICE_OBJECT NativeDeviceTop(NATIVE_DEVICE *Device);

/* ---- Requests ---- */

/*
 * Opens the first enabled device interface of the class, as Process (NULL: a
 * process of its own); NULL: there is none, or the driver refused.
 */
NATIVE_FILE *NativeOpen(const GUID *InterfaceClass, PEPROCESS Process);
/* Opens a device as a class driver does: no create request. */
NATIVE_FILE *NativeOpenDevice(NATIVE_DEVICE *Device);
/* Cleanup and close. Requests that are still pending are cancelled by the caller before. */
void NativeClose(NATIVE_FILE *File);

/* A buffered ioctl; waits for its end. Used may be NULL. */
NTSTATUS NativeIoctl(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                     ULONG OutputLength, ULONG *Used);

/* The same from a driver, whose request has no thread, and so no process. */
NTSTATUS NativeIoctlOfDriver(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                             ULONG OutputLength);

/* The same without waiting. Output must stay until NativeRequestWait has returned. */
NATIVE_REQUEST *NativeIoctlBegin(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                                 ULONG OutputLength);
/* The same in two steps: from the first on, another thread may cancel it. */
NATIVE_REQUEST *NativeIoctlMake(NATIVE_FILE *File, ULONG Code, const void *Input, ULONG InputLength, void *Output,
                                ULONG OutputLength);
void NativeRequestSend(NATIVE_FILE *File, NATIVE_REQUEST *Request);
/*
 * IRP_MJ_SCSI for the device's stack: the SRB is the caller's, Data (non-paged, may be NULL) is described by an MDL.
 */
NATIVE_REQUEST *NativeScsiBegin(NATIVE_FILE *File, struct _SCSI_REQUEST_BLOCK *Srb, void *Data, ULONG DataLength);
void NativeRequestCancel(NATIVE_REQUEST *Request);
/* True: completed within TimeoutMs. */
bool NativeRequestPoll(NATIVE_REQUEST *Request, uint32_t TimeoutMs);
/* Waits for the end and frees the request. Used may be NULL. */
NTSTATUS NativeRequestWait(NATIVE_REQUEST *Request, ULONG *Used);

/* ---- Processes ---- */

/* A process for NativeOpen. */
PEPROCESS NativeProcessCreate(void);
/* One that gets the id of another, which has ended. */
PEPROCESS NativeProcessCreateAfter(PEPROCESS Ended);

/*
 * How a process ends, killed or by itself: what its threads have sent is cancelled and waited for, process-notify
 * routines are told, its memory is taken away, its object is signalled. Which of the first two comes first is not
 * documented. Some of it can be left out.
 */
typedef enum {
    NATIVE_END_NOTIFY_FIRST = 1,
    NATIVE_END_UNNOTIFIED = 2, /* as under Wine */
    NATIVE_END_STUCK = 4       /* the object is never signalled: something else keeps the process from going */
} NATIVE_PROCESS_END;
void NativeProcessEnd(PEPROCESS Process, NATIVE_PROCESS_END End);
/* The thread that sends a file's requests ends, its process goes on. */
void NativeThreadEnd(NATIVE_FILE *File);
/* Lets go of it; it ends before, if it hasn't yet. */
void NativeProcessDelete(PEPROCESS Process);
PEPROCESS NativeFileProcess(NATIVE_FILE *File);

/*
 * Memory of a process, zeroed, in whole pages: what drivers reach of it by probing and locking pages as the user, and
 * nothing else. It may be taken away, or the right to write there, while pages are locked. Address: any in it.
 */
void *NativeUserAllocate(PEPROCESS Process, size_t Length);
void NativeUserProtect(void *Address, bool Writable);
void NativeUserFree(void *Address);

/* How many spin locks the calling thread holds. Any IRQL. */
ULONG NativeLocksHeld(void);
/* Reports a broken rule of another layer (the Storport host's) and stops the process. Any IRQL. */
DECLSPEC_NORETURN void NativeStopWith(const char *Text);
