/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settings. The options (base/option_table.h), which programs list and set:
 * each has a present value, in memory, and may have a persistent one, in the
 * registry, where the system keeps a driver's state that changes (decision
 * 0009). And what the INF or an administrator writes into the service's
 * Parameters key, which the driver only reads.
 *
 * A present value is read without a lock, at any IRQL. Who sets one option
 * twice at the same time gets either of the values; the present and the
 * persistent one may then differ until the next OptionsReload.
 */
#pragma once

#include "nt.h"
#include "base/option_table.h"
#include "wnbd_ioctl.h"

#define OPTION_MEMBER(Name, Type, Default, Minimum, Maximum, Effect) Option##Name,
typedef enum { OPTION_TABLE(OPTION_MEMBER) OPTION_COUNT } OPTION;
#undef OPTION_MEMBER

typedef struct {
    const WCHAR *Name;
    const char *NarrowName; /* for events */
    WnbdOptValType Type;    /* WnbdOptBool or WnbdOptInt64 */
    LONG64 Default;
    LONG64 Minimum;
    LONG64 Maximum;
} OPTION_TYPE;

extern const OPTION_TYPE OptionTypes[OPTION_COUNT];
extern volatile LONG64 OptionValues[OPTION_COUNT];

/* The present value; a Bool is 0 or 1. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static inline LONG64 OptionsValue(OPTION Option)
{
    return ReadNoFence64(&OptionValues[Option]);
}

/* Gives the options their defaults and remembers whose they are; from DriverEntry. RegistryPath is copied. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsStart(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath);

/* Finds the persistent values and takes them over; when an adapter starts, in a system thread. Warns of a failure. */
_IRQL_requires_max_(PASSIVE_LEVEL)
void OptionsLoad(void);

/*
 * Every present value becomes the persistent one, where there is one, otherwise the default. A persistent value of
 * another type or out of range is none: a warning names it. Nothing changes if this fails.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsReload(void);

/* STATUS_OBJECT_NAME_NOT_FOUND: the option has no persistent value, or one that is none. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsPersistent(OPTION Option, LONG64 *Value);

/* Sets an option, to a value in its range; with Persistent first its persistent value, and if that fails nothing. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsSet(OPTION Option, LONG64 Value, BOOLEAN Persistent);

/* Back to the default, with Persistent after the persistent value is deleted, if there is one. */
_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsReset(OPTION Option, BOOLEAN Persistent);

/*
 * SendWindow (DWORD, in Parameters): sends that an NBD connection keeps in
 * flight, 1 to CONNECTION_SEND_WINDOW_MAX, default 4. WSK doesn't buffer: a
 * send ends when the transport has taken its data (WDK, WskSend), so one alone
 * would leave the line idle. An installation whose WSK can't do more sets 1.
 */
_IRQL_requires_max_(PASSIVE_LEVEL)
ULONG OptionsSendWindow(void);
