/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the files that carry out commands share. */
#pragma once

#include "adapter.h"
#include "ioctl.h"

/* One command under way. Input and output are the same memory. */
typedef struct {
    ADAPTER *Adapter;
    PIRP Irp;
    PVOID Buffer;
    ULONG InputBytes;
    ULONG OutputBytes;
    ULONG_PTR Information; /* bytes of output, for success */
} COMMAND;

/* STATUS_PENDING: the handler has taken the IRP. */
typedef _IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS HANDLER(COMMAND *Command);

_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN CommandTerminated(const CHAR *String, SIZE_T SizeBytes);
_IRQL_requires_max_(DISPATCH_LEVEL)
BOOLEAN CommandAllZero(const UCHAR *Bytes, SIZE_T SizeBytes);

/* IOCTL_WNBD_CREATE and _CREATE_EX. */
HANDLER CommandCreate;
HANDLER CommandCreateExtended;
