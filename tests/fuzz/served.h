/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A disk that the fuzzer's own process serves, for one input: Windows asks it
 * for something when the input says so, and the input fetches and answers.
 */
#pragma once

#include "live.h"

#define SERVED_ASKED_MOST 16u

/* Makes the disk, as the only one. */
void ServedBegin(void);
/* The disk goes, if it hasn't gone, and what Windows asked for has ended. */
void ServedEnd(void);

/* Windows asks for something of this kind, up to SERVED_ASKED_MOST times; without the disk, nobody does. */
void ServedAsk(uint8_t Kind);

/* The disk's; 0: there is none. */
UINT64 ServedId(void);

/* Commands that are right: a fetch with room for everything; a success for what was fetched first, or last. */
void ServedFetch(WNBD_IOCTL_FETCH_REQ_COMMAND *Command);
void ServedAnswer(WNBD_IOCTL_SEND_RSP_COMMAND *Command, bool First);
/* A fetch has brought this. */
void ServedTake(const WNBD_IO_REQUEST *Request);

/* Where this offset is in the process's memory, which it may write to, or, from SERVED_READ_ONLY on, not. Behind both,
 * it is taken as the address, which is nobody's. */
#define SERVED_READ_ONLY 0x100000u
void *ServedAddress(uint64_t Offset);
