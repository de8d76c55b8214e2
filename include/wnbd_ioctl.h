/* SPDX-License-Identifier: LGPL-2.1-only */
/**
 * @file
 * WNBD: the commands that the driver (wnbd.sys) takes, and their structures.
 *
 * Most programs want wnbd.h, whose functions send these commands. This header is for both sides of the driver's
 * interface, in C and in C++. It needs only the basic Windows types, so include windows.h (programs) or ntddk.h
 * (drivers) before it.
 *
 * How a command is sent: open the adapter's device interface WNBD_GUID for reading and writing, then call
 * DeviceIoControl with IOCTL_MINIPORT_PROCESS_SERVICE_IRP (WNBD_IOCTL_CONTROL_CODE). The input buffer is one of the
 * structures whose names end in _COMMAND, with one of the IOCTL_WNBD_ numbers in its first member IoControlCode; the
 * output buffer is named at each number, where "in" and "out" are the buffers, and without "out" there is none. The
 * Win32 errors are what GetLastError says; every command also fails with ERROR_INVALID_PARAMETER for a buffer that is
 * too short, a string without terminator or a Reserved member that isn't 0; a number that the driver doesn't know is
 * ERROR_INVALID_FUNCTION. The device is open to administrators and SYSTEM only.
 *
 * Rules for all structures:
 *  - Zero a structure before filling it: Reserved members must be 0, so that they can get a meaning later.
 *  - CHAR strings are UTF-8, WCHAR strings UTF-16; both are terminated, and their longest lengths (WNBD_MAX_...) count
 * the terminator.
 *  - Names have no control characters (to U+001F, U+007F to U+009F), nor U+061C, U+200E, U+200F, U+2028 to U+202E,
 *    U+2066 to U+2069; blanks and path characters are allowed. They are compared byte by byte, so case counts.
 *  - Sizes and offsets are those of x64 Windows and never change (asserted below).
 */
#pragma once

#include <stddef.h>

/** @cond */
#ifdef __cplusplus
#define WNBD_STATIC_ASSERT(Condition, Text) static_assert(Condition, Text)
#else
#define WNBD_STATIC_ASSERT(Condition, Text) _Static_assert(Condition, Text)
#endif

/* Fails to compile unless Structure has exactly Size bytes. */
#define WNBD_ASSERT_SZ_EQ(Structure, Size)                                                                             \
    WNBD_STATIC_ASSERT(sizeof(Structure) == (Size), "the size of " #Structure " must be " #Size)

/* Fails to compile unless Field is at byte Offset of Structure. */
#define WNBD_ASSERT_OFFSET_EQ(Structure, Field, Offset)                                                                \
    WNBD_STATIC_ASSERT(offsetof(Structure, Field) == (Offset), #Structure "." #Field " must be at byte " #Offset)

/* The same for several fields of one structure. */
#define WNBD_ASSERT_OFFSETS_EQ_2(Structure, A, OffsetA, B, OffsetB)                                                    \
    WNBD_ASSERT_OFFSET_EQ(Structure, A, OffsetA);                                                                      \
    WNBD_ASSERT_OFFSET_EQ(Structure, B, OffsetB)
#define WNBD_ASSERT_OFFSETS_EQ_3(Structure, A, OffsetA, B, OffsetB, C, OffsetC)                                        \
    WNBD_ASSERT_OFFSETS_EQ_2(Structure, A, OffsetA, B, OffsetB);                                                       \
    WNBD_ASSERT_OFFSET_EQ(Structure, C, OffsetC)
#define WNBD_ASSERT_OFFSETS_EQ_4(Structure, A, OffsetA, B, OffsetB, C, OffsetC, D, OffsetD)                            \
    WNBD_ASSERT_OFFSETS_EQ_2(Structure, A, OffsetA, B, OffsetB);                                                       \
    WNBD_ASSERT_OFFSETS_EQ_2(Structure, C, OffsetC, D, OffsetD)
/** @endcond */

/** Device interface class of the adapter: {949dd17c-b06c-4c14-8e13-f1a3a4a6dbcb}. */
static const GUID WNBD_GUID = {0x949dd17c, 0xb06c, 0x4c14, {0x8e, 0x13, 0xf1, 0xa3, 0xa4, 0xa6, 0xdb, 0xcb}};

#define WNBD_HARDWAREID "root\\wnbd"                /**< Hardware id of the adapter's device node. */
#define WNBD_HARDWAREID_LEN sizeof(WNBD_HARDWAREID) /**< Its length in bytes, with the terminator. */

#define WNBD_IOCTL_CONTROL_CODE 0x0004D038 /**< Of every command: IOCTL_MINIPORT_PROCESS_SERVICE_IRP. */

/** Is the driver there? In: WNBD_IOCTL_PING_COMMAND. */
#define IOCTL_WNBD_PING 1
/**
 * Makes a disk. In: WNBD_IOCTL_CREATE_COMMAND; out: WNBD_CONNECTION_INFO. With Flags.UseKernelNbd it pends until the
 * driver is connected; without, this process serves the disk, which is there at once. Windows finds it a moment later.
 * Fails with ERROR_ALREADY_EXISTS, ERROR_SHUTDOWN_IN_PROGRESS, ERROR_NO_SYSTEM_RESOURCES, and for an NBD disk with the
 * error of the connection (see IOCTL_WNBD_CREATE_EX, which also says it in words).
 */
#define IOCTL_WNBD_CREATE 2
/** Takes a disk away at once, without asking Windows. In: WNBD_IOCTL_REMOVE_COMMAND. ERROR_FILE_NOT_FOUND. */
#define IOCTL_WNBD_REMOVE 3
/**
 * Waits for a request to a disk that this process serves; 256 may wait at once. Until it ends, the buffer is the
 * driver's. In and out: WNBD_IOCTL_FETCH_REQ_COMMAND; out, if there is no room for that, WNBD_IO_REQUEST alone. When
 * the disk goes, each that waits gets WnbdReqTypeDisconnect. ERROR_FILE_NOT_FOUND: it is gone; ERROR_ACCESS_DENIED:
 * another process's; ERROR_NOACCESS: the buffer can't be written; ERROR_INSUFFICIENT_BUFFER: the next request's data,
 * which stays, has no room in it; ERROR_NOT_ENOUGH_QUOTA: too many wait.
 */
#define IOCTL_WNBD_FETCH_REQ 4
/**
 * Answers a fetched request. In: WNBD_IOCTL_SEND_RSP_COMMAND, of whose buffer a successful READ or PERSISTENT RESERVE
 * IN is taken before it returns. Of the SCSI statuses, BUSY and TASK SET FULL reach Windows as B/55/03, unknown ones as
 * 4/44/00. What is refused changes nothing. ERROR_FILE_NOT_FOUND, ERROR_ACCESS_DENIED, ERROR_NOACCESS as above;
 * ERROR_NOT_FOUND: no such request waits (any more); ERROR_INVALID_HANDLE: it is of another type.
 * ERROR_INVALID_USER_BUFFER: a success with not as many bytes as were asked for. That ends the request, with 4/44/00.
 */
#define IOCTL_WNBD_SEND_RSP 5
/**
 * All disks. In: WNBD_IOCTL_LIST_COMMAND; out: WNBD_CONNECTION_LIST with as many elements as fit. A buffer for fewer
 * elements than there are disks, or none, is no error: Count says how many disks there are.
 */
#define IOCTL_WNBD_LIST 6
/** Counters of a disk. In: WNBD_IOCTL_STATS_COMMAND; out: WNBD_DRV_STATS. ERROR_FILE_NOT_FOUND. */
#define IOCTL_WNBD_STATS 7
/** Gives every option its persistent value, or else its default. In: WNBD_IOCTL_RELOAD_CONFIG_COMMAND. */
#define IOCTL_WNBD_RELOAD_CONFIG 8
/** The driver's version. In: WNBD_IOCTL_VERSION_COMMAND; out: WNBD_VERSION. */
#define IOCTL_WNBD_VERSION 9
/** One disk. In: WNBD_IOCTL_SHOW_COMMAND; out: WNBD_CONNECTION_INFO. ERROR_FILE_NOT_FOUND. */
#define IOCTL_WNBD_SHOW 10
/** An option's value. In: WNBD_IOCTL_GET_DRV_OPT_COMMAND; out: WNBD_OPTION_VALUE. ERROR_FILE_NOT_FOUND. */
#define IOCTL_WNBD_GET_DRV_OPT 11
/** Sets an option. In: WNBD_IOCTL_SET_DRV_OPT_COMMAND. ERROR_FILE_NOT_FOUND; a wrong value: ERROR_INVALID_PARAMETER. */
#define IOCTL_WNBD_SET_DRV_OPT 12
/** Gives an option its default again. In: WNBD_IOCTL_RESET_DRV_OPT_COMMAND. ERROR_FILE_NOT_FOUND. */
#define IOCTL_WNBD_RESET_DRV_OPT 13
/** All options. In: WNBD_IOCTL_LIST_DRV_OPT_COMMAND; out: WNBD_OPTION_LIST, as IOCTL_WNBD_LIST. */
#define IOCTL_WNBD_LIST_DRV_OPT 14
/** Changes a disk's size. In: WNBD_IOCTL_SET_SIZE_COMMAND. ERROR_ACCESS_DENIED: another process serves the disk. */
#define IOCTL_WNBD_SET_DISK_SIZE 15
/**
 * Makes a disk and tells how that went in words, which IOCTL_WNBD_CREATE can't: a failing request carries no output.
 * In: WNBD_IOCTL_CREATE_COMMAND with IoControlCode 64; out: WNBD_CREATE_RESULT, whose Status says whether there is a
 * disk: the request succeeds unless the buffers are wrong. An addition to the published interface.
 */
#define IOCTL_WNBD_CREATE_EX 64

#define WNBD_MAX_NAME_LENGTH 256        /**< Instance names, serial numbers, host names, names of exports and others. */
#define WNBD_MAX_OWNER_LENGTH 16        /**< Owner of a disk. */
#define WNBD_MAX_OPT_NAME_LENGTH 64     /**< Names of options in answers. */
#define WNBD_MAX_VERSION_STR_LENGTH 128 /**< Versions as a text. */
#define WNBD_NAA_ID_LENGTH 16           /**< NAA identifier, raw bytes. */
#define WNBD_CREATE_MESSAGE_LENGTH 1024 /**< Message of WNBD_CREATE_RESULT. */
#define WNBD_DEFAULT_MAX_TRANSFER_LENGTH (2 * 1024 * 1024) /**< Largest read or write of a provider, bytes. */

#define WNBD_DEFAULT_MAX_IO_REQ_PER_ADAPTER 1000 /**< Requests in flight to all disks: default. */
#define WNBD_ABS_MAX_IO_REQ_PER_ADAPTER 131072   /**< The same: largest value. */
#define WNBD_DEFAULT_MAX_IO_REQ_PER_LUN 255      /**< Requests in flight to a disk: default. */
#define WNBD_ABS_MAX_IO_REQ_PER_LUN 1024         /**< The same: largest value. */

#define WNBD_DEFAULT_STALE_REQ_TIMEOUT_MS 15000  /**< A process hangs that owes so old a request: StaleReqTimeoutMs. */
#define WNBD_DEFAULT_STALE_CONN_TIMEOUT_MS 60000 /**< And has said nothing for so long: StaleConnTimeoutMs. */
#define WNBD_DEFAULT_BLOCK_SIZE 512 /**< Of an NBD disk where neither the caller nor the server names one, bytes. */

/** Names one life of a disk. Never used again, not even for a disk mapped later under the same name. */
typedef UINT64 WNBD_CONNECTION_ID;
typedef WNBD_CONNECTION_ID *PWNBD_CONNECTION_ID; /**< A pointer to one. */

/** What the provider of a disk is asked to do. */
typedef enum {
    WnbdReqTypeUnknown = 0,      /**< none */
    WnbdReqTypeRead = 1,         /**< READ */
    WnbdReqTypeWrite = 2,        /**< WRITE */
    WnbdReqTypeFlush = 3,        /**< SYNCHRONIZE CACHE */
    WnbdReqTypeUnmap = 4,        /**< UNMAP */
    WnbdReqTypeDisconnect = 5,   /**< the disk is going away; no further request comes, no answer is expected */
    WnbdReqTypePersistResIn = 6, /**< PERSISTENT RESERVE IN */
    WnbdReqTypePersistResOut = 7 /**< PERSISTENT RESERVE OUT */
} WnbdRequestType;
WNBD_ASSERT_SZ_EQ(WnbdRequestType, 4);

/** The name of a request type, for logs. Never NULL; any thread, any IRQL. */
static inline const char *WnbdRequestTypeToStr(WnbdRequestType RequestType)
{
    static const char *const Names[] = {
        "UNKNOWN", "READ", "WRITE", "FLUSH", "UNMAP", "DISCONNECT", "PERSISTENT_RESERVE_IN", "PERSISTENT_RESERVE_OUT"};
    return (size_t)RequestType < sizeof(Names) / sizeof(Names[0]) ? Names[RequestType] : Names[0];
}

/** How to connect to an NBD server. */
typedef struct {
    UINT32 SkipNegotiation : 1; /**< no handshake; BlockCount and BlockSize of the properties are the export's size */
    UINT32 Reserved : 31;       /**< 0 */
} NBD_CONNECTION_FLAGS, *PNBD_CONNECTION_FLAGS;
WNBD_ASSERT_SZ_EQ(NBD_CONNECTION_FLAGS, 4);

/** An export of an NBD server. */
typedef struct {
    CHAR Hostname[WNBD_MAX_NAME_LENGTH];   /**< name or address */
    UINT32 PortNumber;                     /**< TCP, 1 to 65535; NBD's own is 10809 */
    CHAR ExportName[WNBD_MAX_NAME_LENGTH]; /**< "" is the server's default export */
    NBD_CONNECTION_FLAGS Flags;            /**< how */
    UCHAR Reserved[32];                    /**< 0 */
} NBD_CONNECTION_PROPERTIES, *PNBD_CONNECTION_PROPERTIES;
WNBD_ASSERT_SZ_EQ(NBD_CONNECTION_PROPERTIES, 552);
WNBD_ASSERT_OFFSETS_EQ_4(NBD_CONNECTION_PROPERTIES, PortNumber, 256, ExportName, 260, Flags, 516, Reserved, 520);

/**
 * What a disk can do. For an NBD disk the caller sets ReadOnly if it wants that; what the server offers is filled in by
 * the driver. For a disk served by a process the caller sets what its callbacks implement.
 */
typedef struct {
    UINT32 ReadOnly : 1;             /**< Windows sees a write-protected disk */
    UINT32 FlushSupported : 1;       /**< without it, Windows is told that there is no write cache */
    UINT32 FUASupported : 1;         /**< writes that are on stable storage when they are answered */
    UINT32 UnmapSupported : 1;       /**< unused blocks can be given back (TRIM) */
    UINT32 UnmapAnchorSupported : 1; /**< UNMAP with the anchor bit */
    UINT32 UseKernelNbd : 1;         /**< the driver connects to NbdProperties itself */
    UINT32 PersistResSupported : 1;  /**< persistent reservations */
    UINT32 NaaIdSpecified : 1;       /**< NaaIdentifier is valid */
    UINT32 UseUserspaceNbd : 1;      /**< libwnbd connects to NbdProperties and serves the disk */
    UINT32 Reserved : 23;            /**< 0 */
} WNBD_FLAGS, *PWNBD_FLAGS;
WNBD_ASSERT_SZ_EQ(WNBD_FLAGS, 4);

/** A name for the disk that is unique in the world, of the kind that SPC calls NAA; raw bytes. */
typedef struct {
    UCHAR data[WNBD_NAA_ID_LENGTH]; /**< as in VPD page 83h */
} WNBD_NAA_ID, *PWNBD_NAA_ID;
WNBD_ASSERT_SZ_EQ(WNBD_NAA_ID, 16);

/** A disk, as the caller wants it and, in answers, as the driver accepted it. */
typedef struct {
    CHAR InstanceName[WNBD_MAX_NAME_LENGTH]; /**< identifies the disk; not empty */
    CHAR SerialNumber[WNBD_MAX_NAME_LENGTH]; /**< what Windows shows; "" is the instance name */
    CHAR Owner[WNBD_MAX_OWNER_LENGTH];       /**< name of the program that made the disk, for people */
    WNBD_FLAGS Flags;                        /**< what it can do */
    UINT64 BlockCount;        /**< size in logical blocks; an NBD server gives it, unless SkipNegotiation is set */
    UINT32 BlockSize;         /**< bytes of a logical block: 512 or 4096; 0 with NBD: what suits the server */
    UINT32 MaxUnmapDescCount; /**< most descriptors in one UNMAP; 0 is 1 */
    INT32 Pid;                /**< process that made the disk; filled by the driver */
    NBD_CONNECTION_PROPERTIES NbdProperties; /**< with UseKernelNbd or UseUserspaceNbd, else zero */
    WNBD_NAA_ID NaaIdentifier;               /**< with NaaIdSpecified, else zero */
    UCHAR Reserved[240];                     /**< 0 */
} WNBD_PROPERTIES, *PWNBD_PROPERTIES;
WNBD_ASSERT_SZ_EQ(WNBD_PROPERTIES, 1368);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_PROPERTIES, SerialNumber, 256, Owner, 512, Flags, 528, BlockCount, 536);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_PROPERTIES, BlockSize, 544, MaxUnmapDescCount, 548, Pid, 552, NbdProperties, 556);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_PROPERTIES, NaaIdentifier, 1108, Reserved, 1124);

/** State of a disk. Both names are the structure itself: so it was published; programs write Info.ConnectionFlags.X. */
typedef struct {
    UINT32 Disconnecting : 1; /**< the disk is on its way out */
    UINT32 Reserved : 31;     /**< 0 */
} WNBD_CONNECTION_INFO_FLAGS, PWNBD_CONNECTION_INFO_FLAGS;
WNBD_ASSERT_SZ_EQ(WNBD_CONNECTION_INFO_FLAGS, 4);

/** A disk that exists. */
typedef struct {
    WNBD_PROPERTIES Properties;                  /**< as accepted; sizes and flags from the server filled in */
    PWNBD_CONNECTION_INFO_FLAGS ConnectionFlags; /**< its state */
    USHORT BusNumber;                            /**< SCSI address of the disk on our adapter */
    USHORT TargetId;                             /**< SCSI target */
    USHORT Lun;                                  /**< SCSI logical unit: 0 */
    WNBD_CONNECTION_ID ConnectionId;             /**< of this life of the disk */
    INT32 DiskNumber;                        /**< N of PhysicalDriveN; -1 as long as Windows has not made the disk */
    WCHAR PNPDeviceID[WNBD_MAX_NAME_LENGTH]; /**< device instance id of the disk; "" as long as there is none */
    UCHAR Reserved[124];                     /**< 0 */
} WNBD_CONNECTION_INFO, *PWNBD_CONNECTION_INFO;
WNBD_ASSERT_SZ_EQ(WNBD_CONNECTION_INFO, 2032);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_CONNECTION_INFO, ConnectionFlags, 1368, BusNumber, 1372, TargetId, 1374, Lun, 1376);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_CONNECTION_INFO, ConnectionId, 1384, DiskNumber, 1392, PNPDeviceID, 1396, Reserved, 1908);

/** All disks: Connections has Count elements of ElementSize bytes. */
typedef struct {
    UINT32 ElementSize;                  /**< bytes from one element to the next: use it instead of sizeof */
    UINT32 Count;                        /**< elements; in an answer, how many disks there are */
    WNBD_CONNECTION_INFO Connections[1]; /**< the first of Count */
} WNBD_CONNECTION_LIST, *PWNBD_CONNECTION_LIST;
WNBD_ASSERT_SZ_EQ(WNBD_CONNECTION_LIST, 2040);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_CONNECTION_LIST, Count, 4, Connections, 8);

/**
 * Counters of a disk since it was made. "Received" is what Windows asked of the driver, "submitted" what the driver
 * passed on to the server or process, "replies" what came back from there. An aborted request is one that Windows gave
 * up (time-out or reset) or that ended with the disk. Timestamps are interrupt time (KeQueryInterruptTime, in programs
 * QueryInterruptTime or GetTickCount64() * 10000), 100 ns units since the system started; 0 is never.
 */
typedef struct {
    INT64 TotalReceivedIORequests;      /**< from Windows */
    INT64 TotalSubmittedIORequests;     /**< passed on */
    INT64 TotalReceivedIOReplies;       /**< replies from the server or process */
    INT64 UnsubmittedIORequests;        /**< now: received, waiting to be passed on */
    INT64 PendingSubmittedIORequests;   /**< now: passed on, reply not yet here */
    INT64 AbortedSubmittedIORequests;   /**< aborted after they had been passed on */
    INT64 AbortedUnsubmittedIORequests; /**< aborted before that */
    INT64 CompletedAbortedIORequests;   /**< replies that came for aborted requests */
    INT64 OutstandingIOCount;           /**< now: requests that Windows waits for */
    UINT64 LastReceivedReqTimestamp;    /**< of the last one from Windows */
    UINT64 LastSubmittedReqTimestamp;   /**< of the last one passed on */
    UINT64 LastReplyTimestamp;          /**< of the last reply */
    INT64 Reserved[12];                 /**< 0 */
} WNBD_DRV_STATS, *PWNBD_DRV_STATS;
WNBD_ASSERT_SZ_EQ(WNBD_DRV_STATS, 192);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, TotalSubmittedIORequests, 8, TotalReceivedIOReplies, 16);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, UnsubmittedIORequests, 24, PendingSubmittedIORequests, 32);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, AbortedSubmittedIORequests, 40, AbortedUnsubmittedIORequests, 48);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, CompletedAbortedIORequests, 56, OutstandingIOCount, 64);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, LastReceivedReqTimestamp, 72, LastSubmittedReqTimestamp, 80);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DRV_STATS, LastReplyTimestamp, 88, Reserved, 96);

/** A version, of the driver or the library. */
typedef struct {
    UINT32 Major;                                  /**< of major.minor.patch */
    UINT32 Minor;                                  /**< of major.minor.patch */
    UINT32 Patch;                                  /**< of major.minor.patch */
    CHAR Description[WNBD_MAX_VERSION_STR_LENGTH]; /**< as a text, with the commit: "0.3.0-5-gabcdef" */
    UCHAR Reserved[256];                           /**< 0 */
} WNBD_VERSION, *PWNBD_VERSION;
WNBD_ASSERT_SZ_EQ(WNBD_VERSION, 396);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_VERSION, Minor, 4, Patch, 8, Description, 12, Reserved, 140);

/** Type of an option's value. */
typedef enum {
    WnbdOptUnknown = 0, /**< none */
    WnbdOptBool = 1,    /**< TRUE or FALSE */
    WnbdOptInt64 = 2,   /**< a number */
    WnbdOptWstr = 3     /**< a text */
} WnbdOptValType;
WNBD_ASSERT_SZ_EQ(WnbdOptValType, 4);

/** An option's value. A text (WnbdOptWstr) given for another type is converted by the driver. */
typedef struct {
    WnbdOptValType Type; /**< which member of Data is valid */
    union {
        BOOLEAN AsBool;                     /**< WnbdOptBool */
        INT64 AsInt64;                      /**< WnbdOptInt64 */
        WCHAR AsWstr[WNBD_MAX_NAME_LENGTH]; /**< WnbdOptWstr */
    } Data;                                 /**< the value */
    UCHAR Reserved[64];                     /**< 0 */
} WNBD_OPTION_VALUE, *PWNBD_OPTION_VALUE;
WNBD_ASSERT_SZ_EQ(WNBD_OPTION_VALUE, 584);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_OPTION_VALUE, Data, 8, Reserved, 520);

/** An option of the driver. */
typedef struct {
    WCHAR Name[WNBD_MAX_OPT_NAME_LENGTH]; /**< compared without case */
    WnbdOptValType Type;                  /**< of both values */
    WNBD_OPTION_VALUE Default;            /**< without a value of its own */
    WNBD_OPTION_VALUE Value;              /**< present or persistent, as asked */
    UCHAR Reserved[64];                   /**< 0 */
} WNBD_OPTION, *PWNBD_OPTION;
WNBD_ASSERT_SZ_EQ(WNBD_OPTION, 1368);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_OPTION, Type, 128, Default, 136, Value, 720, Reserved, 1304);

/** All options: Options has Count elements of ElementSize bytes. */
typedef struct {
    UINT32 ElementSize;     /**< bytes from one element to the next */
    UINT32 Count;           /**< elements */
    WNBD_OPTION Options[1]; /**< the first of Count */
} WNBD_OPTION_LIST, *PWNBD_OPTION_LIST;
WNBD_ASSERT_SZ_EQ(WNBD_OPTION_LIST, 1376);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_OPTION_LIST, Count, 4, Options, 8);

/** One range of an UNMAP; Count of them are in the data buffer. */
typedef struct {
    UINT64 BlockAddress; /**< first logical block */
    UINT32 BlockCount;   /**< how many */
    UINT32 Reserved;     /**< 0 */
} WNBD_UNMAP_DESCRIPTOR, *PWNBD_UNMAP_DESCRIPTOR;
WNBD_ASSERT_SZ_EQ(WNBD_UNMAP_DESCRIPTOR, 16);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_UNMAP_DESCRIPTOR, BlockCount, 8, Reserved, 12);

/** A request to the process that serves the disk. Addresses and counts are in logical blocks. */
typedef struct {
    UINT64 RequestHandle;        /**< goes into the response; valid until then */
    WnbdRequestType RequestType; /**< which member of Cmd is valid */
    union {
        struct {
            UINT64 BlockAddress;        /**< the first */
            UINT32 BlockCount;          /**< how many */
            UINT32 ForceUnitAccess : 1; /**< from stable storage */
            UINT32 Reserved : 31;       /**< 0 */
        } Read;                         /**< the data goes into the response */
        struct {
            UINT64 BlockAddress;        /**< the first */
            UINT32 BlockCount;          /**< how many */
            UINT32 ForceUnitAccess : 1; /**< on stable storage before the response */
            UINT32 Reserved : 31;       /**< 0 */
        } Write;                        /**< the data is in the data buffer */
        struct {
            UINT64 BlockAddress; /**< BlockCount 0: everything from BlockAddress on */
            UINT32 BlockCount;   /**< how many */
            UINT32 Reserved;     /**< 0 */
        } Flush;                 /**< to stable storage */
        struct {
            UINT32 Count;         /**< of WNBD_UNMAP_DESCRIPTOR in the data buffer */
            UINT32 Anchor : 1;    /**< the blocks stay anchored */
            UINT32 Reserved : 31; /**< 0 */
        } Unmap;                  /**< blocks that aren't needed any more */
        struct {
            UINT8 ServiceAction;     /**< of SPC's PERSISTENT RESERVE IN */
            USHORT AllocationLength; /**< most bytes that the response may have */
        } PersistResIn;              /**< reads reservations */
        struct {
            UINT8 ServiceAction;        /**< of SPC's PERSISTENT RESERVE OUT */
            UINT8 Scope : 4;            /**< of the reservation */
            UINT8 Type : 4;             /**< of the reservation */
            USHORT ParameterListLength; /**< bytes in the data buffer */
        } PersistResOut;                /**< changes reservations */
    } Cmd;                              /**< what is asked for */
    UCHAR Reserved[32];                 /**< 0 */
} WNBD_IO_REQUEST, *PWNBD_IO_REQUEST;
WNBD_ASSERT_SZ_EQ(WNBD_IO_REQUEST, 64);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_IO_REQUEST, RequestType, 8, Cmd, 16, Cmd.Read.BlockCount, 24, Cmd.Write.BlockCount, 24);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IO_REQUEST, Cmd.Flush.BlockCount, 24, Cmd.Flush.Reserved, 28);
WNBD_ASSERT_OFFSET_EQ(WNBD_IO_REQUEST, Cmd.PersistResIn.AllocationLength, 18);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IO_REQUEST, Cmd.PersistResOut.ParameterListLength, 18, Reserved, 32);

/** Outcome of a request, in SCSI's terms (SAM for the status, SPC for sense key, ASC, ASCQ). All 0 is success. */
typedef struct {
    UINT8 ScsiStatus;            /**< 0 good, 2 check condition: sense follows */
    UINT8 SenseKey;              /**< with ScsiStatus 2 */
    UINT8 ASC;                   /**< additional sense code */
    UINT8 ASCQ;                  /**< its qualifier */
    UINT64 Information;          /**< for many errors, the block address; with InformationValid */
    UINT64 ReservedCSI;          /**< 0 */
    UINT32 ReservedSKS;          /**< 0 */
    UINT32 ReservedFRU : 8;      /**< 0 */
    UINT32 InformationValid : 1; /**< Information counts */
} WNBD_STATUS, *PWNBD_STATUS;
WNBD_ASSERT_SZ_EQ(WNBD_STATUS, 32);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_STATUS, SenseKey, 1, ASC, 2, ASCQ, 3);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_STATUS, Information, 8, ReservedCSI, 16, ReservedSKS, 24);

/** The answer to a request. */
typedef struct {
    UINT64 RequestHandle;        /**< the request's */
    WnbdRequestType RequestType; /**< the request's */
    WNBD_STATUS Status;          /**< how it ended */
    UCHAR Reserved[32];          /**< 0 */
} WNBD_IO_RESPONSE, *PWNBD_IO_RESPONSE;
WNBD_ASSERT_SZ_EQ(WNBD_IO_RESPONSE, 80);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IO_RESPONSE, RequestType, 8, Status, 16, Reserved, 48);

/** The command number alone: input of IOCTL_WNBD_PING, _LIST, _RELOAD_CONFIG and _VERSION. */
typedef struct {
    ULONG IoControlCode; /**< one of those */
} WNBD_IOCTL_BASE_COMMAND, *PWNBD_IOCTL_BASE_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_BASE_COMMAND, 4);

typedef WNBD_IOCTL_BASE_COMMAND WNBD_IOCTL_PING_COMMAND, *PWNBD_IOCTL_PING_COMMAND; /**< IOCTL_WNBD_PING. */
typedef WNBD_IOCTL_BASE_COMMAND WNBD_IOCTL_LIST_COMMAND, *PWNBD_IOCTL_LIST_COMMAND; /**< IOCTL_WNBD_LIST. */
typedef WNBD_IOCTL_BASE_COMMAND WNBD_IOCTL_RELOAD_CONFIG_COMMAND, *PWNBD_IOCTL_RELOAD_CONFIG_COMMAND; /**< its in */
typedef WNBD_IOCTL_BASE_COMMAND WNBD_IOCTL_VERSION_COMMAND, *PWNBD_IOCTL_VERSION_COMMAND; /**< IOCTL_WNBD_VERSION. */

/** Makes a disk. */
typedef struct {
    ULONG IoControlCode;        /**< IOCTL_WNBD_CREATE or IOCTL_WNBD_CREATE_EX */
    WNBD_PROPERTIES Properties; /**< the disk */
    UCHAR Reserved[32];         /**< 0 */
} WNBD_IOCTL_CREATE_COMMAND, *PWNBD_IOCTL_CREATE_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_CREATE_COMMAND, 1408);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_CREATE_COMMAND, Properties, 8, Reserved, 1376);

/** Nothing to choose yet. */
typedef struct {
    UINT32 Reserved : 32; /**< 0 */
} WNBD_REMOVE_COMMAND_FLAGS, *PWNBD_REMOVE_COMMAND_FLAGS;
WNBD_ASSERT_SZ_EQ(WNBD_REMOVE_COMMAND_FLAGS, 4);

/** How a disk is taken away. */
typedef struct {
    WNBD_REMOVE_COMMAND_FLAGS Flags; /**< zero */
    UCHAR Reserved[80];              /**< 0 */
} WNBD_REMOVE_COMMAND_OPTIONS, *PWNBD_REMOVE_COMMAND_OPTIONS;
WNBD_ASSERT_SZ_EQ(WNBD_REMOVE_COMMAND_OPTIONS, 84);
WNBD_ASSERT_OFFSET_EQ(WNBD_REMOVE_COMMAND_OPTIONS, Reserved, 4);

/** Takes a disk away. */
typedef struct {
    ULONG IoControlCode;                     /**< IOCTL_WNBD_REMOVE */
    CHAR InstanceName[WNBD_MAX_NAME_LENGTH]; /**< the disk */
    WNBD_REMOVE_COMMAND_OPTIONS Options;     /**< zero */
    UCHAR Reserved[32];                      /**< 0 */
} WNBD_IOCTL_REMOVE_COMMAND, *PWNBD_IOCTL_REMOVE_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_REMOVE_COMMAND, 376);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_REMOVE_COMMAND, InstanceName, 4, Options, 260, Reserved, 344);

/** Request and DataBufferSize are filled in by the driver, in the output buffer. */
typedef struct {
    ULONG IoControlCode;             /**< IOCTL_WNBD_FETCH_REQ */
    WNBD_IO_REQUEST Request;         /**< out: the request */
    WNBD_CONNECTION_ID ConnectionId; /**< the disk */
    PVOID DataBuffer;      /**< the caller's memory, for the data of a write; WNBD_DEFAULT_MAX_TRANSFER_LENGTH bytes */
    UINT32 DataBufferSize; /**< in: bytes at DataBuffer; out: bytes of them that were filled */
    UCHAR Reserved[32];    /**< 0 */
} WNBD_IOCTL_FETCH_REQ_COMMAND, *PWNBD_IOCTL_FETCH_REQ_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_FETCH_REQ_COMMAND, 128);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_FETCH_REQ_COMMAND, Request, 8, ConnectionId, 72, DataBuffer, 80);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_FETCH_REQ_COMMAND, DataBufferSize, 88, Reserved, 92);

/** Answers a request. */
typedef struct {
    ULONG IoControlCode;             /**< IOCTL_WNBD_SEND_RSP */
    WNBD_IO_RESPONSE Response;       /**< the answer */
    WNBD_CONNECTION_ID ConnectionId; /**< the disk */
    PVOID DataBuffer;                /**< the caller's memory: the data of a successful read */
    UINT32 DataBufferSize;           /**< bytes */
    UCHAR Reserved[32];              /**< 0 */
} WNBD_IOCTL_SEND_RSP_COMMAND, *PWNBD_IOCTL_SEND_RSP_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_SEND_RSP_COMMAND, 144);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_SEND_RSP_COMMAND, Response, 8, ConnectionId, 88, DataBuffer, 96);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_SEND_RSP_COMMAND, DataBufferSize, 104, Reserved, 108);

/** Asks for a disk's counters. */
typedef struct {
    ULONG IoControlCode;                     /**< IOCTL_WNBD_STATS or IOCTL_WNBD_STATS_EX */
    CHAR InstanceName[WNBD_MAX_NAME_LENGTH]; /**< the disk */
    UCHAR Reserved[32];                      /**< 0 */
} WNBD_IOCTL_STATS_COMMAND, *PWNBD_IOCTL_STATS_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_STATS_COMMAND, 292);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_STATS_COMMAND, InstanceName, 4, Reserved, 260);

/** Asks for one disk. */
typedef struct {
    ULONG IoControlCode;                     /**< IOCTL_WNBD_SHOW */
    CHAR InstanceName[WNBD_MAX_NAME_LENGTH]; /**< the disk */
    UCHAR Reserved[32];                      /**< 0 */
} WNBD_IOCTL_SHOW_COMMAND, *PWNBD_IOCTL_SHOW_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_SHOW_COMMAND, 292);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_SHOW_COMMAND, InstanceName, 4, Reserved, 260);

/** The commands for options. Persistent: the value that outlives a restart, not the present one. */
typedef struct {
    ULONG IoControlCode;              /**< IOCTL_WNBD_GET_DRV_OPT */
    WCHAR Name[WNBD_MAX_NAME_LENGTH]; /**< the option */
    BOOLEAN Persistent;               /**< the persistent value, not the present one */
    UCHAR Reserved[32];               /**< 0 */
} WNBD_IOCTL_GET_DRV_OPT_COMMAND, *PWNBD_IOCTL_GET_DRV_OPT_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_GET_DRV_OPT_COMMAND, 552);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_GET_DRV_OPT_COMMAND, Name, 4, Persistent, 516, Reserved, 517);

/** Sets an option. */
typedef struct {
    ULONG IoControlCode;              /**< IOCTL_WNBD_SET_DRV_OPT */
    WCHAR Name[WNBD_MAX_NAME_LENGTH]; /**< the option */
    WNBD_OPTION_VALUE Value;          /**< its new value */
    BOOLEAN Persistent;               /**< also keep the value */
    UCHAR Reserved[32];               /**< 0 */
} WNBD_IOCTL_SET_DRV_OPT_COMMAND, *PWNBD_IOCTL_SET_DRV_OPT_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_SET_DRV_OPT_COMMAND, 1144);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_IOCTL_SET_DRV_OPT_COMMAND, Name, 4, Value, 520, Persistent, 1104, Reserved, 1105);

/** Gives an option its default. */
typedef struct {
    ULONG IoControlCode;              /**< IOCTL_WNBD_RESET_DRV_OPT */
    WCHAR Name[WNBD_MAX_NAME_LENGTH]; /**< the option */
    BOOLEAN Persistent;               /**< also forget the kept value */
    UCHAR Reserved[32];               /**< 0 */
} WNBD_IOCTL_RESET_DRV_OPT_COMMAND, *PWNBD_IOCTL_RESET_DRV_OPT_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_RESET_DRV_OPT_COMMAND, 552);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_RESET_DRV_OPT_COMMAND, Name, 4, Persistent, 516, Reserved, 517);

/** Lists options; see WNBD_IOCTL_GET_DRV_OPT_COMMAND. */
typedef struct {
    ULONG IoControlCode; /**< IOCTL_WNBD_LIST_DRV_OPT */
    BOOLEAN Persistent;  /**< only options with a persistent value, and that */
    UCHAR Reserved[32];  /**< 0 */
} WNBD_IOCTL_LIST_DRV_OPT_COMMAND, *PWNBD_IOCTL_LIST_DRV_OPT_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_LIST_DRV_OPT_COMMAND, 40);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_IOCTL_LIST_DRV_OPT_COMMAND, Persistent, 4, Reserved, 5);

/** Changes a disk's size. */
typedef struct {
    ULONG IoControlCode;             /**< IOCTL_WNBD_SET_DISK_SIZE */
    WNBD_CONNECTION_ID ConnectionId; /**< the disk */
    UINT64 BlockCount;               /**< the new size in logical blocks */
    UCHAR Reserved[32];              /**< 0 */
} WNBD_IOCTL_SET_SIZE_COMMAND, *PWNBD_IOCTL_SET_SIZE_COMMAND;
WNBD_ASSERT_SZ_EQ(WNBD_IOCTL_SET_SIZE_COMMAND, 56);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_IOCTL_SET_SIZE_COMMAND, ConnectionId, 8, BlockCount, 16, Reserved, 24);

/** IOCTL_WNBD_CREATE_EX: how far the making of the disk got. An addition to the published interface. */
typedef enum {
    WnbdCreatePhaseRequest = 0,   /**< the properties were refused */
    WnbdCreatePhaseResolve = 1,   /**< looking up the host name */
    WnbdCreatePhaseConnect = 2,   /**< TCP connect */
    WnbdCreatePhaseHandshake = 3, /**< NBD negotiation */
    WnbdCreatePhaseDisk = 4,      /**< making the disk */
    WnbdCreatePhaseDone = 5       /**< there is a disk */
} WnbdCreatePhase;
WNBD_ASSERT_SZ_EQ(WnbdCreatePhase, 4);

/**
 * Outcome of IOCTL_WNBD_CREATE_EX. An addition to the published interface.
 *
 * Status, besides 0 and what any command can fail with:
 *
 *     ERROR_ALREADY_EXISTS          183 a disk of that name exists
 *     ERROR_SHUTDOWN_IN_PROGRESS   1115 no new mappings, or the adapter is going away
 *     ERROR_NO_SYSTEM_RESOURCES    1450 out of memory, or too many disks: 255 at once, and 65 more that are ending
 *     WSAHOST_NOT_FOUND           11001 the host name has no address
 *     ERROR_CONNECTION_REFUSED     1225 nothing listens at that port
 *     ERROR_HOST_UNREACHABLE       1232 no way to that host
 *     WSAETIMEDOUT                10060 connecting or negotiating took too long
 *     ERROR_CONNECTION_ABORTED     1236 the server closed the connection
 *     ERROR_BAD_NET_NAME             67 the server has no such export
 *     ERROR_NETWORK_ACCESS_DENIED    65 the server's policy refuses us, or it wants TLS
 *     ERROR_BAD_NET_RESP             58 not an NBD server, or one that breaks the protocol
 *     ERROR_INVALID_BLOCK_LENGTH   1106 the server's smallest block is larger than the disk's
 *     ERROR_INVALID_PARAMETER        87 the properties, or the size of the export, are not possible
 */
typedef struct {
    UINT32 Status;                            /**< Win32 error code; 0: the disk exists */
    WnbdCreatePhase Phase;                    /**< how far it got */
    UINT32 ServerError;                       /**< NBD_REP_ERR_* that the server answered with, or 0 */
    UINT32 Reserved0;                         /**< 0 */
    WNBD_CONNECTION_INFO ConnectionInfo;      /**< valid if Status is 0 */
    CHAR Message[WNBD_CREATE_MESSAGE_LENGTH]; /**< UTF-8: the cause of a failure; after success a warning, or "" */
    UCHAR Reserved[256];                      /**< 0 */
} WNBD_CREATE_RESULT, *PWNBD_CREATE_RESULT;
WNBD_ASSERT_SZ_EQ(WNBD_CREATE_RESULT, 3328);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_CREATE_RESULT, Phase, 4, ServerError, 8, Reserved0, 12, ConnectionInfo, 16);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_CREATE_RESULT, Message, 2048, Reserved, 3072);
#include "wnbd_stats.h"
