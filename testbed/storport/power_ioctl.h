/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * PORT_IOCTL_POWER: sends the adapter to sleep, or wakes it, as the power manager of Windows does with
 * IRP_MN_SET_POWER. Not Windows': it stands in for the power manager that Wine lacks, for tests.
 *
 * Input: ULONG, not 0: device power state D0, 0: D3. Complete when the adapter is there.
 */
#pragma once

/* CTL_CODE(FILE_DEVICE_CONTROLLER, 0xF01, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS) */
#define PORT_IOCTL_POWER 0x0004FC04
