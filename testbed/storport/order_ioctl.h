/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PORT_IOCTL_ORDER: tells the port driver to do something so many times that it may do, but seldom does. Sent by
 * `disktool order`. Input: PORT_ORDER. A new order of a kind replaces what is left of the last one.
 */
#pragma once

/* CTL_CODE(FILE_DEVICE_CONTROLLER, 0xF02, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS) */
#define PORT_IOCTL_ORDER 0x0004FC08

#define PORT_ORDER_MISS 0u   /* ignore BusChangeDetected, as Storport is said to do with one soon after another */
#define PORT_ORDER_REFUSE 1u /* refuse IRP_MN_QUERY_REMOVE_DEVICE of a unit */

typedef struct {
    unsigned Kind;
    unsigned Count;
} PORT_ORDER;
