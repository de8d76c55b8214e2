/* SPDX-License-Identifier: LGPL-2.1-only */
/**
 * @file
 * WNBD: the library (libwnbd.dll), in C and in C++.
 *
 * A disk is made in one of two ways. An NBD disk is served by the driver,
 * which connects to the NBD server itself: WnbdCreateNbd, or WnbdCreate with
 * Flags.UseKernelNbd, and the disk outlives the program. A disk of the
 * program's own is served by callbacks: WnbdCreate with a WNBD_INTERFACE,
 * WnbdStartDispatcher, and WnbdSendResponse for each request.
 *
 * Rules for all functions, unless a function says otherwise
 *  - The result is a Win32 error code, 0 (ERROR_SUCCESS) after success.
 *    Nothing throws; GetLastError is not part of the interface.
 *  - Strings are UTF-8 and terminated. Pointers are required unless marked
 *    "may be NULL"; memory belongs to the caller and is not kept.
 *  - Every function checks its arguments: ERROR_INVALID_PARAMETER.
 *  - Functions that talk to the driver need administrator's rights:
 *    ERROR_OPEN_FAILED if the driver isn't installed or may not be opened, and
 *    the log says which.
 *  - Functions may be called from any thread, at the same time. A disk
 *    (PWNBD_DISK) may be used from several threads; WnbdClose must be the last.
 *  - Memory that runs out is ERROR_OUTOFMEMORY here,
 *    ERROR_NO_SYSTEM_RESOURCES in the driver.
 *
 * The Ioctl functions send one command over an adapter handle of
 * WnbdOpenAdapter. With Overlapped NULL they wait for the answer. Otherwise
 * they may return ERROR_IO_PENDING; the buffers for data and answers and the
 * OVERLAPPED must then stay until GetOverlappedResult says that it is done.
 * The OVERLAPPED needs an event. What else is passed may be freed at return.
 */
#pragma once

#include <windows.h>
#include <cfgmgr32.h>
#include <setupapi.h>
#include "wnbd_ioctl.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Threads of a dispatcher: fewest. */
#define WNBD_MIN_DISPATCHER_THREAD_COUNT 1
/** Threads of a dispatcher: most. */
#define WNBD_MAX_DISPATCHER_THREAD_COUNT 255

/** Longest log message, bytes with terminator; longer ones are cut. */
#define WNBD_LOG_MESSAGE_MAX_SIZE 4096

/** Soft removal: how long Windows may refuse, milliseconds. */
#define WNBD_DEFAULT_RM_TIMEOUT_MS 30000
/** Soft removal: the pause between attempts, milliseconds. */
#define WNBD_DEFAULT_RM_RETRY_INTERVAL_MS 2000

/** The oldest Windows that WNBD runs on, Windows 10 1809 and Windows Server 2019: 10.0.17763. */
#define WNBD_REQ_WIN_VERSION_MAJOR 10
/** See WNBD_REQ_WIN_VERSION_MAJOR. */
#define WNBD_REQ_WIN_VERSION_MINOR 0
/** See WNBD_REQ_WIN_VERSION_MAJOR. */
#define WNBD_REQ_WIN_VERSION_BUILD 17763

/** Importance of a log message; a level includes those above it. */
typedef enum {
    WnbdLogLevelCritical = 0, /**< nothing works any more */
    WnbdLogLevelError = 1,    /**< something failed */
    WnbdLogLevelWarning = 2,  /**< something is not as it should be */
    WnbdLogLevelInfo = 3,     /**< what happens */
    WnbdLogLevelDebug = 4,    /**< how */
    WnbdLogLevelTrace = 5     /**< in detail */
} WnbdLogLevel;
WNBD_ASSERT_SZ_EQ(WnbdLogLevel, 4);

/** The name of a level, upper case; TRACE for a value that is none. Never NULL. */
static inline const char *WnbdLogLevelToStr(WnbdLogLevel LogLevel)
{
    switch (LogLevel) {
    case WnbdLogLevelCritical:
        return "CRITICAL";
    case WnbdLogLevelError:
        return "ERROR";
    case WnbdLogLevelWarning:
        return "WARNING";
    case WnbdLogLevelInfo:
        return "INFO";
    case WnbdLogLevelDebug:
        return "DEBUG";
    case WnbdLogLevelTrace:
    default:
        return "TRACE";
    }
}

/**
 * Takes a log message. The texts are terminated and valid during the call only; Message has no line end. Called from
 * any thread that is in the library, several at once; it must not call the library.
 */
typedef VOID (*LogMessageFunc)(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                               const char *FunctionName);

typedef struct _WNBD_DISK WNBD_DISK, *PWNBD_DISK;

/**
 * The callbacks of a disk, one per kind of request. They run in the dispatcher's threads, several at once, and may
 * answer (WnbdSendResponse with RequestHandle) before they return or later, from any thread, in any order. Addresses
 * and counts are in logical blocks, inside the disk.
 */

/**
 * Reads into Buffer, which has room for BlockCount blocks (at most WNBD_DEFAULT_MAX_TRANSFER_LENGTH bytes), belongs to
 * the dispatcher's thread and is valid until the callback returns.
 */
typedef VOID (*ReadFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                         BOOLEAN ForceUnitAccess);
/**
 * Writes Buffer, which holds BlockCount blocks (at most WNBD_DEFAULT_MAX_TRANSFER_LENGTH bytes), belongs to the
 * dispatcher's thread and is valid until the callback returns. ForceUnitAccess: it is on stable storage before the
 * answer.
 */
typedef VOID (*WriteFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, PVOID Buffer, UINT64 BlockAddress, UINT32 BlockCount,
                          BOOLEAN ForceUnitAccess);
/** Everything answered before is on stable storage before this is answered. BlockCount 0: to the end. */
typedef VOID (*FlushFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, UINT64 BlockAddress, UINT32 BlockCount);
/** Descriptors has Count ranges that aren't needed any more; valid until the callback returns. */
typedef VOID (*UnmapFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, PWNBD_UNMAP_DESCRIPTOR Descriptors, UINT32 Count);
/** SPC, PERSISTENT RESERVE IN: the answer's data is the parameter data. */
typedef VOID (*PersistResInFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, UINT8 ServiceAction);
/** SPC, PERSISTENT RESERVE OUT: Buffer has ParameterListLength bytes, valid until the callback returns. */
typedef VOID (*PersistResOutFunc)(PWNBD_DISK Disk, UINT64 RequestHandle, UINT8 ServiceAction, UINT8 Scope, UINT8 Type,
                                  PVOID Buffer, UINT32 ParameterListLength);

/**
 * The callbacks of a disk. One that is NULL: the disk doesn't have that ability, whatever its flags say. Without Write
 * it is read-only; Read is required.
 */
typedef struct _WNBD_INTERFACE {
    ReadFunc Read;                   /**< required */
    WriteFunc Write;                 /**< NULL: read-only */
    FlushFunc Flush;                 /**< NULL: no write cache */
    UnmapFunc Unmap;                 /**< NULL: no TRIM */
    PersistResInFunc PersistResIn;   /**< NULL: no persistent reservations */
    PersistResOutFunc PersistResOut; /**< NULL: no persistent reservations */
    VOID *Reserved[13];              /**< 0 */
} WNBD_INTERFACE, *PWNBD_INTERFACE;
WNBD_ASSERT_SZ_EQ(WNBD_INTERFACE, 152);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_INTERFACE, Write, 8, Flush, 16, Unmap, 24, PersistResIn, 32);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_INTERFACE, PersistResOut, 40, Reserved, 48);

/**
 * The library's counters of a disk that this process serves, since WnbdCreate. Always: TotalReceivedRequests ==
 * TotalSubmittedRequests + UnsubmittedRequests + InvalidRequests, and if each request is answered once,
 * TotalSubmittedRequests == TotalReceivedReplies + PendingSubmittedRequests.
 */
typedef struct _WNBD_USR_STATS {
    UINT64 TotalReceivedRequests;    /**< from the driver */
    UINT64 TotalSubmittedRequests;   /**< given to a callback */
    UINT64 TotalReceivedReplies;     /**< answers given to the library, without those that the driver refused */
    UINT64 UnsubmittedRequests;      /**< now: received, not yet given to a callback */
    UINT64 PendingSubmittedRequests; /**< now: given to a callback, not yet answered */
    UINT64 PendingReplies;           /**< now: answers being handed to the driver */
    UINT64 ReadErrors;               /**< answers to reads with a status other than success */
    UINT64 WriteErrors;              /**< as ReadErrors, of writes */
    UINT64 FlushErrors;              /**< as ReadErrors, of flushes */
    UINT64 UnmapErrors;              /**< as ReadErrors, of UNMAPs */
    UINT64 InvalidRequests;          /**< refused by the library: no callback, or values that can't be */
    UINT64 TotalRWRequests;          /**< reads and writes given to a callback */
    UINT64 TotalReadBlocks;          /**< blocks of the reads */
    UINT64 TotalWrittenBlocks;       /**< blocks of the writes */
    UINT64 PersistResInErrors;       /**< as ReadErrors, of PERSISTENT RESERVE IN */
    UINT64 PersistResOutErrors;      /**< as ReadErrors, of PERSISTENT RESERVE OUT */
    BYTE Reserved[128];              /**< 0 */
} WNBD_USR_STATS, *PWNBD_USR_STATS;
WNBD_ASSERT_SZ_EQ(WNBD_USR_STATS, 256);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_USR_STATS, TotalSubmittedRequests, 8, TotalReceivedReplies, 16, UnsubmittedRequests, 24);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_USR_STATS, PendingSubmittedRequests, 32, PendingReplies, 40, ReadErrors, 48);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_USR_STATS, WriteErrors, 56, FlushErrors, 64, UnmapErrors, 72, InvalidRequests, 80);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_USR_STATS, TotalRWRequests, 88, TotalReadBlocks, 96, TotalWrittenBlocks, 104);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_USR_STATS, PersistResInErrors, 112, PersistResOutErrors, 120, Reserved, 128);

/**
 * A disk of this process, made by WnbdCreate and by nothing else: the library has more behind it. The members are the
 * library's; they may be read, better with its functions, which see them whole.
 */
struct _WNBD_DISK {
    HANDLE Handle;                       /**< of the adapter; for GetOverlappedResult and the Ioctl functions */
    PVOID Context;                       /**< the caller's, see WnbdGetUserContext */
    WNBD_PROPERTIES Properties;          /**< as accepted; BlockCount as WnbdSetDiskSize has left it */
    WNBD_CONNECTION_INFO ConnectionInfo; /**< as the driver answered */
    const WNBD_INTERFACE *Interface;     /**< the caller's callbacks; NULL where the driver serves the disk */
    BOOLEAN Stopping;                    /**< the disk is being removed, or is gone */
    BOOLEAN Stopped;                     /**< all threads of the dispatcher have ended */
    BOOLEAN Started;                     /**< there was a dispatcher */
    HANDLE *DispatcherThreads;           /**< its threads, DispatcherThreadsCount of them */
    UINT32 DispatcherThreadsCount;       /**< 0 as long as there is no dispatcher */
    WNBD_USR_STATS Stats;                /**< see WnbdGetUserspaceStats */
};
WNBD_ASSERT_SZ_EQ(WNBD_DISK, 3704);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_DISK, Context, 8, Properties, 16, ConnectionInfo, 1384, Interface, 3416);
WNBD_ASSERT_OFFSETS_EQ_4(WNBD_DISK, Stopping, 3424, Stopped, 3425, Started, 3426, DispatcherThreads, 3432);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_DISK, DispatcherThreadsCount, 3440, Stats, 3448);

/** How a disk is removed; all 0 is a soft removal without fallback that waits for ever. */
typedef struct {
    UINT32 HardRemove : 1;         /**< at once, without asking Windows: open files lose what isn't written */
    UINT32 HardRemoveFallback : 1; /**< hard, if the soft removal fails or takes too long */
    UINT32 Reserved : 30;          /**< 0 */
} WNBD_REMOVE_FLAGS, *PWNBD_REMOVE_FLAGS;
WNBD_ASSERT_SZ_EQ(WNBD_REMOVE_FLAGS, 4);

/** How a disk is removed, and how long that may take. */
typedef struct {
    WNBD_REMOVE_FLAGS Flags;         /**< soft or hard */
    DWORD SoftRemoveTimeoutMs;       /**< give up when Windows has refused for so long; 0: never */
    DWORD SoftRemoveRetryIntervalMs; /**< pause between attempts */
    BYTE Reserved[64];               /**< 0 */
} WNBD_REMOVE_OPTIONS, *PWNBD_REMOVE_OPTIONS;
WNBD_ASSERT_SZ_EQ(WNBD_REMOVE_OPTIONS, 76);
WNBD_ASSERT_OFFSETS_EQ_3(WNBD_REMOVE_OPTIONS, SoftRemoveTimeoutMs, 4, SoftRemoveRetryIntervalMs, 8, Reserved, 12);

/* ---- Making and removing disks ---- */

/**
 * Makes a disk and returns its handle in *PDisk, which WnbdClose frees.
 *
 * With Properties->Flags.UseKernelNbd the driver serves it: Interface may be NULL, no dispatcher is needed, and the
 * disk stays when the handle is closed. Otherwise Interface, which must stay valid until WnbdClose, serves it once
 * WnbdStartDispatcher was called, which should be soon: Windows begins to read. BlockCount and BlockSize are the
 * caller's. Flags that need a callback which is NULL are taken back (ReadOnly is set without Write); Disk->Properties
 * has what came of them. The disk ends with the process. Context is for WnbdGetUserContext.
 *
 * ERROR_INVALID_PARAMETER also for an Interface without Read. ERROR_ALREADY_EXISTS: there is a disk of that name.
 * ERROR_SHUTDOWN_IN_PROGRESS: the adapter takes no new disks. Other errors of NBD disks: see WNBD_CREATE_RESULT; the
 * log has the text. ERROR_NOT_SUPPORTED: this library or driver doesn't serve that kind of disk.
 */
DWORD WnbdCreate(const PWNBD_PROPERTIES Properties, const PWNBD_INTERFACE Interface, PVOID Context, PWNBD_DISK *PDisk);

/**
 * Makes an NBD disk that the driver serves; sets Flags.UseKernelNbd itself. Returns the outcome. *Result is filled in
 * either case: ConnectionInfo after success, Message with the cause of a failure, or with a warning. An addition to the
 * published interface.
 */
DWORD WnbdCreateNbd(const PWNBD_PROPERTIES Properties, PWNBD_CREATE_RESULT Result);

/** Export names of an NBD server: Names has Count elements. */
typedef struct {
    UINT32 Count;                        /**< elements of Names */
    UINT32 Reserved;                     /**< 0 */
    CHAR Names[1][WNBD_MAX_NAME_LENGTH]; /**< UTF-8, terminated */
} WNBD_EXPORT_LIST, *PWNBD_EXPORT_LIST;
WNBD_ASSERT_SZ_EQ(WNBD_EXPORT_LIST, 264);
WNBD_ASSERT_OFFSETS_EQ_2(WNBD_EXPORT_LIST, Reserved, 4, Names, 8);

/**
 * Asks an NBD server, from this process, which exports it offers. PortNumber 0 is 10809. TimeoutMs limits connection
 * and conversation, not the look-up of the name, milliseconds; 0 is 30000. Needs neither driver nor rights.
 *
 * *BufferSize: in, bytes at List, which may be NULL if it is 0; out, bytes needed for the whole list. As many names as
 * fit are stored; a buffer that is too small is no error. Servers change: allow for more at the second call.
 *
 * ERROR_NOT_SUPPORTED: the server doesn't list its exports. Connection errors as in WNBD_CREATE_RESULT. An addition to
 * the published interface.
 */
DWORD WnbdListExports(const char *Hostname, UINT32 PortNumber, DWORD TimeoutMs, PWNBD_EXPORT_LIST List,
                      PDWORD BufferSize);

/**
 * Makes a disk on an NBD export and serves it from this process, over one connection, until it is removed: 0. Sets
 * Flags.UseUserspaceNbd itself; size and abilities are the server's, as with UseKernelNbd. For where the driver should
 * not talk to the network; each request crosses into the process and back.
 *
 * A connection that is lost ends the disk: ERROR_CONNECTION_ABORTED, or another error of connections in
 * WNBD_CREATE_RESULT, which also says what else can fail before there is a disk; the log has the text. WnbdRemoveEx, in
 * any thread or process, ends it as it ends any disk.
 */
DWORD WnbdRunNbdDaemon(const PWNBD_PROPERTIES Properties);

/**
 * Removes a disk. RemoveOptions may be NULL: soft, WNBD_DEFAULT_RM_TIMEOUT_MS and WNBD_DEFAULT_RM_RETRY_INTERVAL_MS,
 * with hard removal as fallback. The handle must still be closed (WnbdClose). Another disk that has the same name by
 * now is left alone.
 *
 * Of a disk that this process serves: during a soft removal the dispatcher goes on, for Windows writes out what it has,
 * and ends when the driver has no request left; so don't call it in a thread that has answers to give. After a hard one
 * the dispatcher fetches nothing more. Called in a callback, it only begins the removal and returns 0: the log says if
 * it fails, and WnbdWaitDispatcher when it is done.
 *
 * A soft removal asks Windows, so that file systems flush and programs with open files can object. The log names what
 * objects: as debug messages, and as a warning when the disk was removed nevertheless, as fallback.
 * ERROR_FILE_NOT_FOUND: no such disk. ERROR_TIMEOUT: Windows refused until the timeout. ERROR_REMOVE_FAILED: it failed
 * for another reason. In these two cases the disk is still there. ERROR_DEVICE_IN_USE: it does no more I/O, but Windows
 * still shows it.
 */
DWORD WnbdRemove(PWNBD_DISK Disk, PWNBD_REMOVE_OPTIONS RemoveOptions);
/** The same for any disk, by its name. */
DWORD WnbdRemoveEx(const char *InstanceName, PWNBD_REMOVE_OPTIONS RemoveOptions);

/** Removes all disks, hard. Goes on after a failure and returns the first one. */
DWORD WnbdRemoveAllDisks(HANDLE AdapterHandle);

/**
 * Changes the size of a disk, in logical blocks, at least 1; Windows notices by itself. For disks that this process
 * serves. Shrinking loses what was there; requests that were under way may still go beyond the new end.
 * ERROR_FILE_NOT_FOUND: the disk is gone.
 */
DWORD WnbdSetDiskSize(PWNBD_DISK Disk, UINT64 BlockCount);

/**
 * Frees a disk's handle; usually after WnbdRemove and, if it was started, after WnbdWaitDispatcher. Disk may be NULL.
 * No other call may use it any more, but a WnbdRemove or WnbdStopDispatcher that has begun in another thread may go on.
 *
 * A disk that this process serves and that is still there is removed hard, for nobody else could serve it; then the end
 * of the dispatcher's threads is awaited, and with it that of every callback. Called in a callback it waits for
 * nothing: the last thread frees the handle.
 */
VOID WnbdClose(PWNBD_DISK Disk);

/* ---- Looking at disks ---- */

/**
 * All disks, with DiskNumber and PNPDeviceID as they are at this moment. *BufferSize: in, bytes at ConnectionList,
 * which may be NULL if it is 0; out, bytes needed. A buffer that is too small is not an error: as many disks as fit are
 * stored. Call twice, and once more if disks were made in between.
 */
DWORD WnbdList(PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize);

/**
 * One disk. DiskNumber is -1 and PNPDeviceID empty as long as Windows has not made the disk. ERROR_FILE_NOT_FOUND: no
 * such disk.
 */
DWORD WnbdShow(const char *InstanceName, PWNBD_CONNECTION_INFO ConnectionInfo);

/**
 * The same by handle, as the driver answered when the disk was made, with the size that WnbdSetDiskSize has set since;
 * the driver is not asked.
 */
DWORD WnbdGetConnectionInfo(PWNBD_DISK Disk, PWNBD_CONNECTION_INFO ConnectionInfo);

/**
 * Waits until Windows has made the disk and returns its number in *DiskNumber. ExpectMapped: a disk that the driver
 * doesn't know is an error at once (ERROR_FILE_NOT_FOUND); otherwise it is waited for as well. TryOpen: the disk must
 * also open, for reading and writing (a read-only disk: for reading). TimeoutMs: 0 tries once; INFINITE is possible.
 * RetryIntervalMs: pause between attempts. ERROR_TIMEOUT.
 */
DWORD WnbdPollDiskNumber(const char *InstanceName, BOOLEAN ExpectMapped, BOOLEAN TryOpen, DWORD TimeoutMs,
                         DWORD RetryIntervalMs, PDWORD DiskNumber);

/** The library's counters of a disk of this process, all of one moment. 0 for a disk that the driver serves. */
DWORD WnbdGetUserspaceStats(PWNBD_DISK Disk, PWNBD_USR_STATS Stats);

/** The Context that was given to WnbdCreate. */
DWORD WnbdGetUserContext(PWNBD_DISK Disk, PVOID *Context);

/** The driver's counters of any disk. ERROR_FILE_NOT_FOUND: no such disk. */
DWORD WnbdGetDriverStats(const char *InstanceName, PWNBD_DRV_STATS Stats);

/**
 * The same and more: bytes, errors and latencies of each kind of operation, all of one moment (WNBD_DRV_STATS_EX has
 * the units). ERROR_FILE_NOT_FOUND: no such disk. ERROR_INVALID_FUNCTION: the driver is older than this library and has
 * only WnbdGetDriverStats. An addition to the published interface.
 */
DWORD WnbdGetDriverStatsEx(const char *InstanceName, PWNBD_DRV_STATS_EX Stats);

/* ---- Log and versions ---- */

/** Where messages go from now on; NULL is stderr, as at the start. For the whole process. */
VOID WnbdSetLogger(LogMessageFunc Logger);
/** The least important level that is logged; WnbdLogLevelWarning at the start. For the whole process. */
VOID WnbdSetLogLevel(WnbdLogLevel LogLevel);

/** The version of this library. */
DWORD WnbdGetLibVersion(PWNBD_VERSION Version);
/** The version of the driver that is running. */
DWORD WnbdGetDriverVersion(PWNBD_VERSION Version);

/* ---- Serving a disk ---- */

/**
 * Fills a status: CHECK CONDITION with sense key and additional sense code of SPC, the qualifier 0. Everything else of
 * *Status becomes 0, but for Information, for most errors the block address, and InformationValid.
 */
void WnbdSetSenseEx(PWNBD_STATUS Status, UINT8 SenseKey, UINT8 Asc, UINT64 Info);
/** The same without Information. */
void WnbdSetSense(PWNBD_STATUS Status, UINT8 SenseKey, UINT8 Asc);

/**
 * Starts ThreadCount threads that fetch requests and call the callbacks. Each has a buffer of
 * WNBD_DEFAULT_MAX_TRANSFER_LENGTH bytes. A request for which there is no callback, or whose values can't be, is
 * answered by the library: ILLEGAL REQUEST.
 *
 * ERROR_INVALID_PARAMETER unless ThreadCount is WNBD_MIN_ to WNBD_MAX_DISPATCHER_THREAD_COUNT.
 * ERROR_ALREADY_INITIALIZED: it was started before, which is possible once per disk. ERROR_NOT_SUPPORTED: the driver
 * serves the disk. ERROR_OUTOFMEMORY: not so many threads; none was started.
 */
DWORD WnbdStartDispatcher(PWNBD_DISK Disk, DWORD ThreadCount);

/**
 * Removes the disk, and with it the dispatcher, as WnbdRemove does, whose errors it has: in a callback, too, and
 * without waiting for the threads. Where it fails the dispatcher goes on. ERROR_NOT_SUPPORTED: the driver serves the
 * disk.
 */
DWORD WnbdStopDispatcher(PWNBD_DISK Disk, PWNBD_REMOVE_OPTIONS RemoveOptions);

/**
 * Waits until all threads of the dispatcher have ended; any number of times, in any number of threads. 0: because the
 * disk is gone, whoever removed it. Otherwise the error with which the driver could not be asked any more.
 * ERROR_NOT_READY: it was not started. ERROR_POSSIBLE_DEADLOCK: in a callback.
 */
DWORD WnbdWaitDispatcher(PWNBD_DISK Disk);

/**
 * Answers a request, once. Response: RequestHandle and RequestType of the request, and its Status. DataBuffer,
 * DataBufferSize: the data of a successful read (exactly BlockCount blocks) or PERSISTENT RESERVE IN; with any other
 * answer it is ignored. All of it is the caller's again at return.
 *
 * Any thread, also after the callback has returned, until WnbdClose. ERROR_NOT_FOUND: no such request waits, or it was
 * answered before. ERROR_FILE_NOT_FOUND: the disk is gone, and nobody waits. Other errors mean that the answer was
 * refused, because it doesn't fit its request (another type, data of another length) or its data can't be read: the
 * request still waits, and Windows resets the disk if nothing better comes. ERROR_NOT_SUPPORTED: the driver serves the
 * disk.
 */
DWORD WnbdSendResponse(PWNBD_DISK Disk, PWNBD_IO_RESPONSE Response, PVOID DataBuffer, UINT32 DataBufferSize);
/**
 * The same with an OVERLAPPED (may be NULL), as with the Ioctl functions: wait with GetOverlappedResult(Disk->Handle,
 * ...); until then DataBuffer must stay. An answer that is pending at return is counted, whatever becomes of it.
 */
DWORD WnbdSendResponseEx(PWNBD_DISK Disk, PWNBD_IO_RESPONSE Response, PVOID DataBuffer, UINT32 DataBufferSize,
                         LPOVERLAPPED Overlapped);

/* ---- The driver's options ---- */

/**
 * The options: LogLevel (0 errors, 1 and 2 warnings too, 3 information too, 4 everything), DbgPrintEnabled (whether
 * that goes to debuggers), NewMappingsAllowed (FALSE: no disk can be made), MaxIOReqPerAdapter and MaxIOReqPerLun (1 to
 * WNBD_ABS_MAX_...; taken when the adapter starts). EtwLoggingEnabled and WppLoggingEnabled (whether events go to the
 * System log and trace sessions, and to sessions of WPP). RemoveStaleConnections (whether the disk of a process that
 * hangs goes), StaleReqTimeoutMs and StaleConnTimeoutMs (when one does: 1 to 2147483647).
 *
 * Names are compared without case; an unknown one is ERROR_FILE_NOT_FOUND. Persistent: the value that an option gets
 * when the adapter starts, or at WnbdIoctlReloadConfig; without one that is the default, whatever was set before.
 * Getting one that isn't set is ERROR_FILE_NOT_FOUND; setting and resetting change the present value as well. A
 * WnbdOptWstr given for an option of another type is converted: decimal digits; true, false, 1, 0.
 * ERROR_INVALID_PARAMETER if it can't be, if another type is given, or if the value is out of range.
 */
DWORD WnbdGetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent);
/** Sets an option; see WnbdGetDrvOpt. Persistent: the value is kept as well. */
DWORD WnbdSetDrvOpt(const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent);
/** Gives an option its default; see WnbdGetDrvOpt. Persistent: the value that is kept is forgotten as well. */
DWORD WnbdResetDrvOpt(const char *Name, BOOLEAN Persistent);
/** All options, or those with a persistent value. The buffer rule is WnbdList's. */
DWORD WnbdListDrvOpt(PWNBD_OPTION_LIST OptionList, PDWORD BufferSize, BOOLEAN Persistent);

/* ---- The driver and its adapter ---- */

/**
 * Installs the driver from an .inf file (a path in UTF-8, or else in the system's code page) and makes the adapter, or
 * updates the one that exists; returns when it works. *RebootRequired, which may be NULL, says whether Windows wants a
 * restart first. If there was no adapter before, a failed installation leaves nothing behind.
 *
 * ERROR_FILE_NOT_FOUND: no such file, or one that the .inf names isn't beside it (the log says which).
 * ERROR_NO_MORE_ITEMS: the .inf has no driver for the adapter. ERROR_OLD_WIN_VERSION: see WNBD_REQ_WIN_VERSION_*.
 * ERROR_DEVICE_NOT_AVAILABLE: the adapter doesn't start with the driver. Other errors are Windows' own.
 */
DWORD WnbdInstallDriver(CONST CHAR *FileName, PBOOL RebootRequired);

/**
 * Removes all disks (hard), all adapters and the driver package. Succeeds if there is nothing to remove.
 * *RebootRequired, which may be NULL: something is in use and goes only with a restart.
 */
DWORD WnbdUninstallDriver(PBOOL RebootRequired);

/**
 * Restarts the adapter, so that options that are read at its start take effect; returns when it works again.
 * ERROR_BUSY: there are disks, or something has the adapter open, and the log says what.
 *
 * ERROR_ACCESS_DENIED: only administrators may. ERROR_DEVICE_NOT_AVAILABLE: it stopped and did not start again.
 * ERROR_CALL_NOT_IMPLEMENTED: this system's cfgmgr32.dll can't do it.
 */
DWORD WnbdResetAdapter(VOID);
/**
 * The same, tried again every RetryIntervalMs, milliseconds, for TimeoutMs as long as it is ERROR_BUSY; 0 tries once,
 * INFINITE is possible.
 */
DWORD WnbdResetAdapterEx(DWORD TimeoutMs, DWORD RetryIntervalMs);

/** Opens the adapter; CloseHandle closes it. The handle is for the Ioctl functions (FILE_FLAG_OVERLAPPED). */
DWORD WnbdOpenAdapter(PHANDLE Handle);

/** The adapter's device node. ERROR_OPEN_FAILED: there is none. */
DWORD WnbdGetAdapterDevInst(PDEVINST DeviceInst);

/* ---- One command each; see the numbers in wnbd_ioctl.h ---- */

/** IOCTL_WNBD_PING. */
DWORD WnbdIoctlPing(HANDLE Adapter, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_CREATE. */
DWORD WnbdIoctlCreate(HANDLE Adapter, PWNBD_PROPERTIES Properties, PWNBD_CONNECTION_INFO ConnectionInfo,
                      LPOVERLAPPED Overlapped);
/**
 * IOCTL_WNBD_CREATE_EX. Returns 0 if the driver answered; Result->Status is the outcome. An addition to the published
 * interface.
 */
DWORD WnbdIoctlCreateEx(HANDLE Adapter, PWNBD_PROPERTIES Properties, PWNBD_CREATE_RESULT Result,
                        LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_REMOVE. RemoveOptions may be NULL. */
DWORD WnbdIoctlRemove(HANDLE Adapter, const char *InstanceName, PWNBD_REMOVE_COMMAND_OPTIONS RemoveOptions,
                      LPOVERLAPPED Overlapped);
/**
 * IOCTL_WNBD_LIST. The buffer rule is WnbdList's. With an OVERLAPPED *BufferSize is not changed, ConnectionList is
 * required, and its Count is the number of disks, even where fewer fit. DiskNumber and PNPDeviceID are whatever the
 * driver knows.
 */
DWORD WnbdIoctlList(HANDLE Adapter, PWNBD_CONNECTION_LIST ConnectionList, PDWORD BufferSize, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_SHOW. DiskNumber and PNPDeviceID are whatever the driver knows. */
DWORD WnbdIoctlShow(HANDLE Adapter, const char *InstanceName, PWNBD_CONNECTION_INFO ConnectionInfo,
                    LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_STATS. */
DWORD WnbdIoctlStats(HANDLE Adapter, const char *InstanceName, PWNBD_DRV_STATS Stats, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_STATS_EX, as WnbdGetDriverStatsEx. An addition to the published interface. */
DWORD WnbdIoctlStatsEx(HANDLE Adapter, const char *InstanceName, PWNBD_DRV_STATS_EX Stats, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_RELOAD_CONFIG: every option gets its persistent value, or its default where there is none. */
DWORD WnbdIoctlReloadConfig(HANDLE Adapter, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_VERSION. */
DWORD WnbdIoctlVersion(HANDLE Adapter, PWNBD_VERSION Version, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_GET_DRV_OPT, as WnbdGetDrvOpt. */
DWORD WnbdIoctlGetDrvOpt(HANDLE Adapter, const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent,
                         LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_SET_DRV_OPT, as WnbdSetDrvOpt. */
DWORD WnbdIoctlSetDrvOpt(HANDLE Adapter, const char *Name, PWNBD_OPTION_VALUE Value, BOOLEAN Persistent,
                         LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_RESET_DRV_OPT, as WnbdResetDrvOpt. */
DWORD WnbdIoctlResetDrvOpt(HANDLE Adapter, const char *Name, BOOLEAN Persistent, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_LIST_DRV_OPT, as WnbdListDrvOpt; with an OVERLAPPED as WnbdIoctlList. */
DWORD WnbdIoctlListDrvOpt(HANDLE Adapter, PWNBD_OPTION_LIST OptionList, PDWORD BufferSize, BOOLEAN Persistent,
                          LPOVERLAPPED Overlapped);
/**
 * IOCTL_WNBD_FETCH_REQ: waits for a request. DataBuffer gets a write's data, an UNMAP's descriptors or the parameters
 * of a PERSISTENT RESERVE OUT, and should have WNBD_DEFAULT_MAX_TRANSFER_LENGTH bytes. The last request is
 * WnbdReqTypeDisconnect. For the process that made the disk: ERROR_ACCESS_DENIED for others. ERROR_FILE_NOT_FOUND: no
 * such disk (any more).
 */
DWORD WnbdIoctlFetchRequest(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, PWNBD_IO_REQUEST Request, PVOID DataBuffer,
                            UINT32 DataBufferSize, LPOVERLAPPED Overlapped);
/** IOCTL_WNBD_SET_DISK_SIZE. BlockCount is at least 1. ERROR_FILE_NOT_FOUND. */
DWORD WnbdIoctlSetDiskSize(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, UINT64 BlockCount, LPOVERLAPPED Overlapped);
/**
 * IOCTL_WNBD_SEND_RSP. DataBufferSize is 0 unless the answer has data (WnbdSendResponse, also for the errors).
 * ERROR_ACCESS_DENIED.
 */
DWORD WnbdIoctlSendResponse(HANDLE Adapter, WNBD_CONNECTION_ID ConnectionId, PWNBD_IO_RESPONSE Response,
                            PVOID DataBuffer, UINT32 DataBufferSize, LPOVERLAPPED Overlapped);
/**
 * How many requests Windows lets be in flight, to this disk and to all disks of the adapter: what the options
 * MaxIOReqPerLun and MaxIOReqPerAdapter were when the adapter started. DiskHandle is a handle of the disk
 * (PhysicalDriveN), not of the adapter; no access right is needed. Waits for the answer in either case: an OVERLAPPED
 * is for a handle that has requests of other threads under way. A disk that does not tell fails with Windows' error.
 */
DWORD WnbdIoctlGetIOLimits(HANDLE DiskHandle, PDWORD LunMaxIoCount, PDWORD AdapterMaxIoCount, LPOVERLAPPED Overlapped);

#ifdef __cplusplus
}
#endif
