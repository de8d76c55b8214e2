/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PORT_IOCTL_EJECT: asks the port driver to have one of its units removed as the PnP manager of Windows does it for
 * CM_Request_Device_Eject. Not Windows': it stands in for the part of the PnP manager that Wine lacks, and only the
 * test bed's cfgmgr32.dll sends it.
 *
 * Input: the device instance id of the unit, UTF-16, terminated. Output: PORT_EJECT_ANSWER. The request itself fails
 * only if it could not be tried: STATUS_OBJECT_NAME_NOT_FOUND if the adapter has no such unit.
 */
#pragma once

/* CTL_CODE(FILE_DEVICE_CONTROLLER, 0xF00, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS) */
#define PORT_IOCTL_EJECT 0x0004FC00

#define PORT_EJECT_NO_VETO 0xFFFFFFFFu

typedef struct {
    unsigned int Veto;   /* PNP_VETO_TYPE, or PORT_EJECT_NO_VETO: the device is removed */
    unsigned int Status; /* NTSTATUS that the request was refused with */
} PORT_EJECT_ANSWER;
