/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The service that maps what is remembered (mapping.h): after Windows has started, after the driver takes disks again
 * (NewMappingsAllowed), after a disk was lost. Functions return a Win32 error code, 0 for success.
 */
#pragma once

#include <stdbool.h>

#include <windows.h>

#define SERVICE_NAME L"wnbd-mappings"

/*
 * Installs this program as the service, and starts it. ERROR_SERVICE_EXISTS: it is there. If it can't be started it is
 * not installed either.
 */
DWORD ServiceInstall(void);

/* Stops the service, which leaves its disks, and removes it. ERROR_SERVICE_DOES_NOT_EXIST: it isn't there. */
DWORD ServiceUninstall(void);

/* Whether it is installed, as far as this user may know. */
bool ServiceIsInstalled(void);

/* The service's process. ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: Windows hasn't started it as that. */
DWORD ServiceRun(void);

/* Does the service's work in this process until Ctrl-C, and says on the console what it does. */
DWORD ServiceRunHere(void);
