/* SPDX-License-Identifier: LGPL-2.1-only */
/* Event Tracing for Windows: providers that register, and one session that listens to one of them. */
#include "internal.h"

#include <stdlib.h>

static struct {
    GROUND_LOCK Lock;
    GUID Provider;
    uint8_t Level;
    uint64_t Keywords;
    void (*Take)(const EVENT_DESCRIPTOR *Event, const EVENT_DATA_DESCRIPTOR *Fields, uint32_t Count);
} Session = {.Lock = GROUND_LOCK_INITIALIZER};

/* Gets what a session has: WPP's templates have it so. */
typedef VOID ETW_CLASSIC_CALLBACK(LPCGUID Provider, UCHAR Code, PVOID EnableContext, PVOID Context);

/* A registration; its handle is its address. */
typedef struct {
    GUID Provider;
    ETW_CLASSIC_CALLBACK *Callback; /* NULL: it writes by EtwWrite */
    PVOID Context;
} ETW_PROVIDER;

static struct {
    GUID Provider;
    uint64_t Session;
    void (*Take)(const NATIVE_WPP_MESSAGE *Message);
    ETW_PROVIDER *Registered;
} Classic; /* under Session.Lock */

void NativeEtwListen(const GUID *Provider, uint8_t Level, uint64_t Keywords,
                     void (*Take)(const EVENT_DESCRIPTOR *Event, const EVENT_DATA_DESCRIPTOR *Fields, uint32_t Count))
{
    GroundLockEnter(&Session.Lock);
    Session.Provider = *Provider;
    Session.Level = Level;
    Session.Keywords = Keywords;
    Session.Take = Take;
    GroundLockLeave(&Session.Lock);
}

/* [etwregister] The callback may be NULL. */
NTSTATUS EtwRegister(LPCGUID ProviderId, PETWENABLECALLBACK EnableCallback, PVOID CallbackContext, PREGHANDLE RegHandle)
{
    UNREFERENCED_PARAMETER(CallbackContext);
    NT_ENTER(PASSIVE_LEVEL);
    NT_ASSERT(EnableCallback == NULL);
    if (Fault(__func__)) {
        return STATUS_NO_MEMORY;
    }
    ETW_PROVIDER *Provider = calloc(1, sizeof(*Provider));
    NT_ASSERT(Provider != NULL);
    Provider->Provider = *ProviderId;
    *RegHandle = (REGHANDLE)(ULONG_PTR)Provider;
    TrackAdd(TRACK_ETW, Provider, 0, 0, __builtin_return_address(0));
    return STATUS_SUCCESS;
}

static ETW_PROVIDER *EtwProvider(REGHANDLE Handle, const char *Function)
{
    ETW_PROVIDER *Provider = (ETW_PROVIDER *)(ULONG_PTR)Handle;
    if (!TrackHas(TRACK_ETW, Provider)) {
        NtViolation(RULE_ETW, Function, "no provider has registered with the handle 0x%llx",
                    (unsigned long long)Handle);
    }
    return Provider;
}

NTSTATUS EtwUnregister(REGHANDLE RegHandle)
{
    NT_ENTER(PASSIVE_LEVEL);
    ETW_PROVIDER *Provider = EtwProvider(RegHandle, __func__);
    TrackRemove(TRACK_ETW, Provider, NULL, NULL);
    GroundLockEnter(&Session.Lock);
    if (Classic.Registered == Provider) {
        Classic.Registered = NULL;
    }
    GroundLockLeave(&Session.Lock);
    free(Provider);
    return STATUS_SUCCESS;
}

/* Under the session's lock. Level 0 is always on, and so is keyword 0 [etwproviderenabled]. */
static bool EtwEnabled(const ETW_PROVIDER *Provider, PCEVENT_DESCRIPTOR Event)
{
    return Session.Take != NULL && memcmp(&Session.Provider, &Provider->Provider, sizeof(GUID)) == 0 &&
           Event->Level <= Session.Level && (Event->Keyword == 0 || (Event->Keyword & Session.Keywords) != 0);
}

BOOLEAN EtwEventEnabled(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor)
{
    ETW_PROVIDER *Provider = EtwProvider(RegHandle, __func__);
    GroundLockEnter(&Session.Lock);
    bool Enabled = EtwEnabled(Provider, EventDescriptor);
    GroundLockLeave(&Session.Lock);
    return Enabled;
}

/* Any IRQL; what is written must be resident above APC_LEVEL, and 128 descriptors are the most [etwwrite]. */
NTSTATUS EtwWrite(REGHANDLE RegHandle, PCEVENT_DESCRIPTOR EventDescriptor, LPCGUID ActivityId, ULONG UserDataCount,
                  PEVENT_DATA_DESCRIPTOR UserData)
{
    UNREFERENCED_PARAMETER(ActivityId);
    ETW_PROVIDER *Provider = EtwProvider(RegHandle, __func__);
    NT_ASSERT(UserDataCount <= 128);
    for (ULONG Index = 0; Index < UserDataCount && KeGetCurrentIrql() > APC_LEVEL; Index++) {
        PoolCheckResident((const void *)(ULONG_PTR)UserData[Index].Ptr, __func__);
    }
    GroundLockEnter(&Session.Lock);
    if (EtwEnabled(Provider, EventDescriptor)) {
        Session.Take(EventDescriptor, UserData, UserDataCount);
    }
    GroundLockLeave(&Session.Lock);
    return STATUS_SUCCESS;
}

/* ---- WPP ---- */

/* Tells the provider what the session wants of it, if there is one. */
static void ClassicTell(void)
{
    GroundLockEnter(&Session.Lock);
    ETW_PROVIDER *Provider = Classic.Registered;
    uint64_t Wanted = Classic.Session;
    GroundLockLeave(&Session.Lock);
    if (Provider != NULL) {
        Provider->Callback(&Provider->Provider, Wanted != 0, Wanted != 0 ? &Wanted : NULL, Provider->Context);
    }
}

void NativeWppListen(const GUID *Provider, uint64_t Wanted, void (*Take)(const NATIVE_WPP_MESSAGE *Message))
{
    GroundLockEnter(&Session.Lock);
    Classic.Provider = *Provider;
    Classic.Session = Wanted;
    Classic.Take = Take;
    GroundLockLeave(&Session.Lock);
    ClassicTell();
}

/* As WPP's templates declare it; it has no page. */
static NTSTATUS EtwRegisterClassicProvider(LPCGUID ProviderId, ULONG Type, ETW_CLASSIC_CALLBACK *Callback,
                                           PVOID Context, PREGHANDLE RegHandle)
{
    NT_ASSERT(Type == 0 && Callback != NULL);
    NTSTATUS Status = EtwRegister(ProviderId, NULL, NULL, RegHandle);
    if (NT_SUCCESS(Status)) {
        ETW_PROVIDER *Provider = EtwProvider(*RegHandle, __func__);
        Provider->Callback = Callback;
        Provider->Context = Context;
        GroundLockEnter(&Session.Lock);
        Classic.Registered = Provider;
        bool Wanted = Classic.Session != 0;
        GroundLockLeave(&Session.Lock);
        if (Wanted) {
            ClassicTell();
        }
    }
    return Status;
}

PVOID MmGetSystemRoutineAddress(PUNICODE_STRING SystemRoutineName)
{
    char Name[64];
    NT_ENTER(PASSIVE_LEVEL);
    TextFromWide(Name, sizeof(Name), SystemRoutineName->Buffer, SystemRoutineName->Length / sizeof(WCHAR));
    return strcmp(Name, "EtwRegisterClassicProvider") == 0 ? (PVOID)(ULONG_PTR)EtwRegisterClassicProvider : NULL;
}

/* [wmitracemessage] Pairs of address and length, up to a NULL; the flags must ask for the message's GUID. */
NTSTATUS WmiTraceMessage(ULONG64 LoggerHandle, ULONG MessageFlags, LPCGUID MessageGuid, ULONG MessageNumber, ...)
{
    NATIVE_WPP_MESSAGE Message = {.Flags = MessageFlags, .Id = *MessageGuid, .Number = (uint16_t)MessageNumber};
    va_list Arguments;
    NT_ASSERT((MessageFlags & 2) != 0);
    va_start(Arguments, MessageNumber);
    const void *Field;
    while ((Field = va_arg(Arguments, const void *)) != NULL) {
        SIZE_T Length = va_arg(Arguments, SIZE_T);
        NT_ASSERT(Message.Bytes + Length <= sizeof(Message.Fields));
        memcpy(Message.Fields + Message.Bytes, Field, Length);
        Message.Bytes += (uint32_t)Length;
    }
    va_end(Arguments);
    GroundLockEnter(&Session.Lock);
    if (Classic.Take != NULL && Classic.Session == LoggerHandle) {
        Classic.Take(&Message);
    }
    GroundLockLeave(&Session.Lock);
    return STATUS_SUCCESS;
}
