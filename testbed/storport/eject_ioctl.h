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

/* PNP_VETO_TYPEs */
#define PORT_VETO_OUTSTANDING_OPEN 5u
#define PORT_VETO_DEVICE 6u
#define PORT_VETO_ILLEGAL_REQUEST 8u
#define PORT_VETO_ALREADY_REMOVED 13u

#define PORT_EJECT_NO_VETO 0xFFFFFFFFu

typedef struct {
    unsigned int Veto;   /* PNP_VETO_TYPE, or PORT_EJECT_NO_VETO: the device is removed */
    unsigned int Status; /* NTSTATUS that the request was refused with */
} PORT_EJECT_ANSWER;

/*
 * PORT_IOCTL_REMOVE: asks the port driver to have the adapter itself removed, as the PnP manager does it for
 * CM_Query_And_Remove_SubTree: everybody is asked, from the units up, and either all are removed or none. If all have
 * agreed, the units are removed when the request comes back, and the adapter when its last handle is closed. No input.
 * Output: PORT_REMOVE_ANSWER.
 */
/* CTL_CODE(FILE_DEVICE_CONTROLLER, 0xF03, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS) */
#define PORT_IOCTL_REMOVE 0x0004FC0C

#define PORT_ID_LENGTH 200 /* MAX_DEVICE_ID_LEN */

typedef struct {
    PORT_EJECT_ANSWER Answer;
    unsigned short Id[PORT_ID_LENGTH]; /* instance id of the unit that objected, UTF-16; empty: the adapter itself */
} PORT_REMOVE_ANSWER;
