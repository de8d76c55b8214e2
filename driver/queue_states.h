/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Between queue.c and queue_done.c, which alone change the state of a request or a wire request, by these functions:
 * each change is a legal one.
 */
#pragma once

#include "queue.h"

#include "base/invariant.h"

#define BIT(State) (1u << (State))
#define QUEUE_NEXT(Name, Owner, Next) Next,
static const UCHAR RequestNext[REQUEST_STATE_COUNT] = {REQUEST_STATES(QUEUE_NEXT)};
static const UCHAR WireNext[WIRE_STATE_COUNT] = {WIRE_STATES(QUEUE_NEXT)};
#undef QUEUE_NEXT

_IRQL_requires_(DISPATCH_LEVEL)
static inline void RequestMove(REQUEST *Request, REQUEST_STATE State)
{
    INVARIANT(RequestNext[Request->State] & BIT(State));
    Request->State = (UCHAR)State;
}

_IRQL_requires_(DISPATCH_LEVEL)
static inline void WireMove(WIRE *Wire, WIRE_STATE State)
{
    INVARIANT(WireNext[Wire->State] & BIT(State));
    Wire->State = (UCHAR)State;
}

/* Completes what is on QUEUE.Done. */
KDEFERRED_ROUTINE QueueDoneDpc;
