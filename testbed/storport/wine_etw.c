/* SPDX-License-Identifier: LGPL-2.1-only */
/* Event tracing, which Wine's ntoskrnl.exe lacks: nobody listens. */
#include "wine_ground.h"

static LONG Providers;

static NTSTATUS NTAPI WineEtwRegister(LPCGUID ProviderId, PETWENABLECALLBACK EnableCallback, PVOID CallbackContext,
                                      PREGHANDLE RegHandle)
{
    UNREFERENCED_PARAMETER(ProviderId);
    UNREFERENCED_PARAMETER(EnableCallback);
    UNREFERENCED_PARAMETER(CallbackContext);
    *RegHandle = (REGHANDLE)InterlockedIncrement(&Providers);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI WineEtwUnregister(REGHANDLE RegHandle)
{
    return RegHandle != 0 ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

static BOOLEAN NTAPI WineEtwEventEnabled(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor)
{
    UNREFERENCED_PARAMETER(RegHandle);
    UNREFERENCED_PARAMETER(EventDescriptor);
    return FALSE;
}

static NTSTATUS NTAPI WineEtwWrite(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor, LPCGUID ActivityId,
                                   ULONG UserDataCount, PEVENT_DATA_DESCRIPTOR UserData)
{
    UNREFERENCED_PARAMETER(EventDescriptor);
    UNREFERENCED_PARAMETER(ActivityId);
    UNREFERENCED_PARAMETER(UserDataCount);
    UNREFERENCED_PARAMETER(UserData);
    return RegHandle != 0 ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

const WINE_REDIRECTION WineEtwRedirections[] = {
    {"EtwRegister", (PVOID)(ULONG_PTR)WineEtwRegister, NULL},
    {"EtwUnregister", (PVOID)(ULONG_PTR)WineEtwUnregister, NULL},
    {"EtwEventEnabled", (PVOID)(ULONG_PTR)WineEtwEventEnabled, NULL},
    {"EtwWrite", (PVOID)(ULONG_PTR)WineEtwWrite, NULL},
};
const ULONG WineEtwRedirectionCount = RTL_NUMBER_OF(WineEtwRedirections);
