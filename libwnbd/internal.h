/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the library's files share. Nothing here is exported; the public
 * interface and its rules are in wnbd.h.
 *
 * Threads: the library keeps no state but the logger (log.c) and what is behind
 * a PWNBD_DISK (disk.h), so everything here may be called from any thread at
 * the same time.
 */
#pragma once

#include <wnbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- log.c ---- */

#if defined(__clang__) || defined(__GNUC__)
#define LOG_FORMAT(Index) __attribute__((format(printf, (Index), (Index) + 1)))
#else
#define LOG_FORMAT(Index)
#endif

/* Sends a message to the logger if its level is wanted. Use the macros below. */
void LogWrite(WnbdLogLevel Level, const char *File, UINT32 Line, const char *Function, const char *Format, ...)
    LOG_FORMAT(5);

#define LogError(...) LogWrite(WnbdLogLevelError, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LogWarning(...) LogWrite(WnbdLogLevelWarning, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LogInfo(...) LogWrite(WnbdLogLevelInfo, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LogDebug(...) LogWrite(WnbdLogLevelDebug, __FILE__, __LINE__, __func__, __VA_ARGS__)

/* ---- text.c ---- */

/* Longest text that is made for a message, bytes with terminator. */
#define TEXT_MAX 512

/* A text by value, so that it can be made inside an argument list. */
typedef struct {
    char Text[TEXT_MAX];
} TEXT;

/* The system's words for a Win32 error code, UTF-8, or its number where there are none. */
TEXT ErrorText(DWORD Error);

/* UTF-16 as UTF-8, cut if it is too long; for log messages. */
TEXT NarrowText(const WCHAR *Wide);

/* A formatted text, cut if it is too long. */
TEXT FormatText(const char *Format, ...) LOG_FORMAT(1);

/*
 * Copies a name given by a caller to Buffer, which has WNBD_MAX_NAME_LENGTH
 * bytes. False, and nothing copied, if it is NULL, empty or too long.
 */
bool TextCopyName(CHAR *Buffer, const char *Name);

/*
 * Whether Properties can be sent: all texts terminated, the instance has a
 * name, an NBD disk has a server. If not, *Cause says why.
 */
bool PropertiesAreValid(const WNBD_PROPERTIES *Properties, TEXT *Cause);

/* ---- control.c ---- */

/*
 * Sends one command. In starts with its IoControlCode. Out may be NULL.
 *
 * Overlapped NULL: waits; fails with ERROR_INVALID_DATA if the driver answers
 * with less than MinimumOut bytes; *Returned (may be NULL) is what it answered.
 * Otherwise: as DeviceIoControl, ERROR_IO_PENDING included; In may be freed
 * at return, Out must stay until the request is done.
 */
DWORD ControlSend(HANDLE Adapter, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD MinimumOut, DWORD *Returned,
                  LPOVERLAPPED Overlapped);

/*
 * DeviceIoControl that waits, on a handle opened with or without
 * FILE_FLAG_OVERLAPPED; Overlapped may be NULL. *Returned: bytes of the answer.
 */
DWORD ControlDevice(HANDLE Device, DWORD Code, void *In, DWORD InSize, void *Out, DWORD OutSize, DWORD *Returned,
                    LPOVERLAPPED Overlapped);

/*
 * Sends a command that is answered with a list, whose elements have at least
 * ElementBytes; the rules are WnbdIoctlList's.
 */
DWORD ControlList(HANDLE Adapter, void *In, DWORD InSize, void *List, PDWORD BufferSize, UINT32 ElementBytes,
                  LPOVERLAPPED Overlapped);

/* ---- windows_disk.c ---- */

/* A disk that Windows has made. */
typedef struct {
    DEVINST DevInst;
    UCHAR Port; /* SCSI address: the adapter's port number, bus, target, unit */
    UCHAR Bus;
    UCHAR Target;
    UCHAR Lun;
    INT32 Number; /* N of \\.\PhysicalDriveN */
    WCHAR InstanceId[WNBD_MAX_NAME_LENGTH];
} WINDOWS_DISK;

/* The disks of one adapter. WindowsDisksFree frees it. */
typedef struct {
    WINDOWS_DISK *Disks;
    UINT32 Count;
    UINT32 Capacity;
} WINDOWS_DISKS;

/* Finds the disks that Windows has made of the adapter's units at this moment. */
DWORD WindowsDisksFind(HANDLE Adapter, WINDOWS_DISKS *Found);
void WindowsDisksFree(WINDOWS_DISKS *Found);

/* Whether Windows shows a disk with this device instance id, somebody's or ours. */
bool WindowsDiskIsThere(const WCHAR *InstanceId);

/* The disk at a connection's address, or NULL. It lives as long as Found. */
const WINDOWS_DISK *WindowsDiskOf(const WINDOWS_DISKS *Found, const WNBD_CONNECTION_INFO *Info);

/* Fills DiskNumber and PNPDeviceID: -1 and "" if Disk is NULL. */
void WindowsDiskDescribe(const WINDOWS_DISK *Disk, WNBD_CONNECTION_INFO *Info);

/* ---- disk.c ---- */

/* WnbdShow over an open adapter. */
DWORD DiskShow(HANDLE Adapter, const char *InstanceName, WNBD_CONNECTION_INFO *Info);

/* ---- remove.c ---- */

/* WnbdRemoveEx, of the disk ConnectionId only, whoever has the name now; 0: of any. */
DWORD DiskRemove(const char *InstanceName, WNBD_CONNECTION_ID ConnectionId, const WNBD_REMOVE_OPTIONS *Options);

/* ---- eject.c ---- */

/*
 * Asks Windows once to let go of the device InstanceId of the disk Name, which
 * takes as long as Windows does. ERROR_BUSY: somebody objected, it may be tried
 * again. ERROR_REMOVE_FAILED: it can't be asked, or failed. *Cause then says
 * who or why. A device that is gone already is a success.
 */
DWORD EjectDevice(const char *Name, const WCHAR *InstanceId, TEXT *Cause);

/*
 * Asks Windows once to stop a device and everything below it. ERROR_BUSY:
 * somebody objected. ERROR_ACCESS_DENIED: only administrators may.
 * ERROR_REMOVE_FAILED, ERROR_CALL_NOT_IMPLEMENTED: it failed, can't be asked.
 * *Cause says who or why.
 */
DWORD DeviceStop(DEVINST Node, TEXT *Cause);

/* Starts a device that DeviceStop has stopped. ERROR_DEVICE_NOT_AVAILABLE, ERROR_CALL_NOT_IMPLEMENTED: see *Cause. */
DWORD DeviceStart(DEVINST Node, TEXT *Cause);

/* ---- deadline.c ---- */

/* A moment until which something is tried again. */
typedef struct {
    ULONGLONG AtMs; /* GetTickCount64 */
    bool Never;
} DEADLINE;

DEADLINE DeadlineAfter(DWORD TimeoutMs, bool Never);

/* Milliseconds left, at most Most; 0 if the deadline has passed. */
DWORD DeadlineLeft(const DEADLINE *Deadline, DWORD Most);

/* Sleeps before the next attempt, at least 10 ms, not much beyond the deadline; false if it has passed. */
bool DeadlinePause(const DEADLINE *Deadline, DWORD IntervalMs);

/* ---- adapter.c ---- */

/* Path of an adapter's device interface and its node; found in the order of the system. */
typedef struct {
    DEVINST DevInst;
    WCHAR Path[512];
} ADAPTER_INTERFACE;

/* The Index-th adapter that is present; false if there are not so many. */
bool AdapterEnumerate(DWORD Index, ADAPTER_INTERFACE *Interface);

/* Like WnbdGetAdapterDevInst, without a message. */
bool AdapterDevInst(DEVINST *DevInst);

/* Waits until the adapter is there; false: it was not in time. */
bool AdapterAwait(DWORD TimeoutMs);

/* Like WnbdOpenAdapter; says why it failed in *Cause instead of the log. */
DWORD AdapterOpen(HANDLE *Adapter, TEXT *Cause);

/* ---- package.c ---- */

/*
 * Whether the INF at the full path Path can be installed, before anything is
 * changed: it is one (otherwise the setup API's error), has a driver for our
 * hardware id (ERROR_NO_MORE_ITEMS) and its files are there
 * (ERROR_FILE_NOT_FOUND). Logs the cause.
 */
DWORD PackageCheck(const WCHAR *Path);

/* Removes the packages that serve our hardware id from the driver store. Logs each. The first error, 0 if none. */
DWORD PackagesRemove(void);

/*
 * Stops the driver's service, waits until it has stopped, and deletes it.
 * *Running: it could not be stopped, so it goes with the next restart.
 */
DWORD ServiceRemove(bool *Running);
