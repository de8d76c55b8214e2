/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Makes closing a socket of Wine's netio.sys safe (seen in Wine 8.0). It cancels the requests in flight, takes back the
 * thread pool's waits for them, waits for callbacks that are under way, and frees the socket. But the pool's waiting
 * thread, woken by the cancelled request's event, doesn't notice that the wait was taken back, and starts its callback
 * for a socket that is gone. So here a wait is never taken back: a request that was given to the pool ends with its
 * callback, a cancelled one too, and closing waits for that.
 *
 * Concurrency: Lock guards the list; a wait is in it from its creation until it is closed, and netio.sys uses no wait
 * that it has closed. Armed is changed with interlocked operations.
 */
#include "port.h"
#include "wine_ground.h"
#include "wine_ntdll.h"

#define CALLBACK_LIMIT_MS 5000

typedef VOID NTAPI WAIT_CALLBACK(PVOID Instance, PVOID Context, PVOID Wait, ULONG Result);

typedef struct {
    LIST_ENTRY Link;
    PVOID Wait; /* the pool's object */
    WAIT_CALLBACK *Callback;
    PVOID Context;
    volatile LONG Armed; /* a request was given to the pool, and its callback hasn't begun */
} NETIO_WAIT;

static KSPIN_LOCK Lock;
static LIST_ENTRY Waits = {&Waits, &Waits};

/* What netio.sys imports, before it was redirected. */
static PVOID(NTAPI *CreateWait)(WAIT_CALLBACK *Callback, PVOID Context, PVOID Environment);
static VOID(NTAPI *SetWait)(PVOID Wait, HANDLE Handle, PVOID Timeout);
static VOID(NTAPI *WaitForCallbacks)(PVOID Wait, ULONG Cancel);
static VOID(NTAPI *CloseWait)(PVOID Wait);

static NETIO_WAIT *Find(PVOID Wait)
{
    NETIO_WAIT *Found = NULL;
    PLIST_ENTRY Link;
    KIRQL Irql;

    KeAcquireSpinLock(&Lock, &Irql);
    for (Link = Waits.Flink; Link != &Waits && Found == NULL; Link = Link->Flink)
        if (CONTAINING_RECORD(Link, NETIO_WAIT, Link)->Wait == Wait)
            Found = CONTAINING_RECORD(Link, NETIO_WAIT, Link);
    KeReleaseSpinLock(&Lock, Irql);
    return Found;
}

static VOID NTAPI Called(PVOID Instance, PVOID Context, PVOID Wait, ULONG Result)
{
    NETIO_WAIT *Entry = Context;
    WAIT_CALLBACK *Callback = Entry->Callback;
    PVOID CallbackContext = Entry->Context;

    /* From here on the pool knows of the callback; and it may well be armed again by what the callback does. */
    InterlockedExchange(&Entry->Armed, 0);
    RtlWakeAddressSingle((const VOID *)&Entry->Armed);
    Callback(Instance, CallbackContext, Wait, Result);
}

static PVOID NTAPI NetioCreateWait(WAIT_CALLBACK *Callback, PVOID Context, PVOID Environment)
{
    NETIO_WAIT *Entry = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*Entry), PORT_TAG);
    KIRQL Irql;

    if (Entry == NULL)
        return NULL;
    Entry->Callback = Callback;
    Entry->Context = Context;
    Entry->Armed = 0;
    Entry->Wait = CreateWait(Called, Entry, Environment);
    if (Entry->Wait == NULL) {
        ExFreePoolWithTag(Entry, PORT_TAG);
        return NULL;
    }
    KeAcquireSpinLock(&Lock, &Irql);
    InsertTailList(&Waits, &Entry->Link);
    KeReleaseSpinLock(&Lock, Irql);
    return Entry->Wait;
}

static VOID NTAPI NetioSetWait(PVOID Wait, HANDLE Handle, PVOID Timeout)
{
    NETIO_WAIT *Entry = Find(Wait);

    if (Entry != NULL && Handle == NULL)
        return;
    if (Entry != NULL)
        InterlockedExchange(&Entry->Armed, 1);
    SetWait(Wait, Handle, Timeout);
}

static VOID NTAPI NetioWaitForCallbacks(PVOID Wait, ULONG Cancel)
{
    static const LONG Armed = 1;
    NETIO_WAIT *Entry = Find(Wait);
    LARGE_INTEGER Pause;
    ULONG WaitedMs;

    Pause.QuadPart = -(LONGLONG)PORT_MS_100NS;
    for (WaitedMs = 0; Entry != NULL && Entry->Armed && WaitedMs < CALLBACK_LIMIT_MS; ++WaitedMs)
        RtlWaitOnAddress((const VOID *)&Entry->Armed, &Armed, sizeof(Armed), &Pause);
    if (Entry != NULL && Entry->Armed) {
        DbgPrint("storport: a cancelled request of Wine's netio.sys doesn't end\n");
        SetWait(Wait, NULL, NULL);
    }
    WaitForCallbacks(Wait, Cancel);
}

static VOID NTAPI NetioCloseWait(PVOID Wait)
{
    NETIO_WAIT *Entry = Find(Wait);
    KIRQL Irql;

    if (Entry != NULL) {
        KeAcquireSpinLock(&Lock, &Irql);
        RemoveEntryList(&Entry->Link);
        KeReleaseSpinLock(&Lock, Irql);
    }
    CloseWait(Wait);
    if (Entry != NULL)
        ExFreePoolWithTag(Entry, PORT_TAG);
}

const WINE_REDIRECTION WineNetioRedirections[] = {
    {"CreateThreadpoolWait", (PVOID)(ULONG_PTR)NetioCreateWait, (PVOID *)&CreateWait},
    {"SetThreadpoolWait", (PVOID)(ULONG_PTR)NetioSetWait, (PVOID *)&SetWait},
    {"WaitForThreadpoolWaitCallbacks", (PVOID)(ULONG_PTR)NetioWaitForCallbacks, (PVOID *)&WaitForCallbacks},
    {"CloseThreadpoolWait", (PVOID)(ULONG_PTR)NetioCloseWait, (PVOID *)&CloseWait},
};
const ULONG WineNetioRedirectionCount = RTL_NUMBER_OF(WineNetioRedirections);
