/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Cases that break one rule each. A case runs in a process of its own, with NT
 * started, and has to be stopped with that rule's name; returning is a failure.
 */
#pragma once

#include <nt.h>

#include "native.h"
#include "rules.h"

typedef struct {
    NATIVE_RULE Rule;
    const char *Name;
    void (*Run)(void);
} MISUSE;

extern const MISUSE MisuseKernel[], MisuseRequests[], MisuseNetwork[];
extern const size_t MisuseKernelCount, MisuseRequestsCount, MisuseNetworkCount;

/* ---- A driver whose conduct the case decides (driver.c) ---- */

typedef struct {
    PDRIVER_ADD_DEVICE AddDevice; /* NULL: makes and attaches a device as it should be */
    PDRIVER_DISPATCH DeviceControl;
    PDRIVER_UNLOAD Unload;
    DRIVER_INITIALIZE *Entry; /* additional work of DriverEntry */
} CONDUCT;

extern CONDUCT Conduct;
extern NATIVE_DRIVER *MisuseDriver;
extern NATIVE_DEVICE *MisuseNode;
extern PDEVICE_OBJECT MisuseDevice; /* its functional device */
extern const GUID MisuseGuid;
#define MISUSE_IOCTL CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Loads it; with Start also adds and starts a device. */
void MisuseLoad(bool Start);
/* Removes the device, if there is one, and unloads. */
void MisuseUnload(void);

/* An event's wait with a limit, for what must happen soon. */
void MisuseAwait(PKEVENT Event);

/* Sends MISUSE_IOCTL with an output buffer of 8 bytes and waits. */
NTSTATUS MisuseIoctl(void);

/* ---- listener.c: the other side of a TCP connection; Linux's half of the tests ---- */

/* Listens on 127.0.0.1 and answers nothing (the system accepts). Returns the port. */
uint16_t ListenerSilent(void);
/* Listens and sends every byte back, for one connection after the other. */
uint16_t ListenerEcho(void);
