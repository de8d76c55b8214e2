/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settings from the service's key in the registry (Parameters), read when the
 * adapter starts. PASSIVE_LEVEL.
 */
#pragma once

#include "nt.h"

/* Remembers where the service's key is; from DriverEntry. RegistryPath is copied. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsStart(PUNICODE_STRING RegistryPath);

/*
 * SendWindow (DWORD): sends that an NBD connection keeps in flight, 1 to
 * CONNECTION_SEND_WINDOW_MAX, default 4. WSK doesn't buffer: a send ends when
 * the transport has taken its data (WDK, WskSend), so one alone would leave
 * the line idle. An installation whose WSK can't do more sets 1.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
ULONG OptionsSendWindow(void);
