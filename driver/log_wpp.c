/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * log_sinks.h over WmiTraceMessage: events as WPP's messages, which tracefmt and TraceView show with the .tmf that
 * tools/events makes. Microsoft's preprocessor makes calls like these of a driver's source; it runs on Windows only.
 */
#include "log_sinks.h"

/* Of the messages: the .tmf has it as its name. */
#define LOG_WPP_MESSAGES {0x6E1BD93C, 0x84C7, 0x4E0A, {0xB2, 0x5D, 0x3F, 0x1A, 0x90, 0x6C, 0x5E, 0x27}}
#define LOG_WPP_PROVIDER {0xE35EAF83, 0x0F07, 0x418A, {0x90, 0x7C, 0x14, 0x1C, 0xD2, 0x00, 0xF2, 0x52}}

/* TRACE_MESSAGE_SEQUENCE, _GUID, _TIMESTAMP, _SYSTEMINFO (evntrace.h). */
#define LOG_WPP_HEADER (1u | 2u | 8u | 32u)
#define LOG_WPP_ENABLE 1u
/* The one flag of the provider. */
#define LOG_WPP_FLAG 1u

/* Windows has this for WPP and documents it nowhere; so it is looked up, as WPP does, and may be missing. */
_IRQL_requires_max_(PASSIVE_LEVEL)
typedef VOID NTAPI LOG_WPP_CALLBACK(LPCGUID Provider, UCHAR Code, PVOID EnableContext, PVOID Context);
_IRQL_requires_max_(PASSIVE_LEVEL)
typedef NTSTATUS NTAPI LOG_WPP_REGISTER(LPCGUID Provider, ULONG Type, LOG_WPP_CALLBACK *Callback, PVOID Context,
                                        PREGHANDLE Handle);

static REGHANDLE LogWppHandle; /* changes while nobody writes; 0: not registered */
/* Whom it goes to: from the lowest bit on the logger (16 bits), its level (8), 8 of Windows' own, flags (32). */
static volatile LONG64 LogWppSession;

_IRQL_requires_max_(PASSIVE_LEVEL)
static VOID NTAPI LogWppEnable(LPCGUID Provider, UCHAR Code, PVOID EnableContext, PVOID Context)
{
    LONG64 Session = 0;
    UNREFERENCED_PARAMETER(Provider);
    UNREFERENCED_PARAMETER(Context);
    if (Code == LOG_WPP_ENABLE && EnableContext != NULL) {
        RtlCopyMemory(&Session, EnableContext, sizeof(Session));
    }
    InterlockedExchange64(&LogWppSession, Session);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogWppStart(void)
{
    static const GUID Provider = LOG_WPP_PROVIDER;
    UNICODE_STRING Name;
    RtlInitUnicodeString(&Name, L"EtwRegisterClassicProvider");
    LOG_WPP_REGISTER *Register = (LOG_WPP_REGISTER *)(ULONG_PTR)MmGetSystemRoutineAddress(&Name);
    if (Register == NULL || !NT_SUCCESS(Register(&Provider, 0, LogWppEnable, NULL, &LogWppHandle))) {
        LogWppHandle = 0;
    }
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogWppStop(void)
{
    if (LogWppHandle != 0) {
        EtwUnregister(LogWppHandle);
        LogWppHandle = 0;
    }
    InterlockedExchange64(&LogWppSession, 0);
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void LogWppWrite(const LOG_EVENT *Event, const LOG_VALUE *Values)
{
    static const GUID Messages = LOG_WPP_MESSAGES;
    const void *Fields[LOG_FIELDS_MAX] = {NULL};
    SIZE_T Sizes[LOG_FIELDS_MAX] = {0};
    ULONG64 Session = (ULONG64)ReadNoFence64(&LogWppSession);
    if (Event->Descriptor.Level > (UCHAR)(Session >> 16) || (Session >> 32 & LOG_WPP_FLAG) == 0) {
        return;
    }
    for (ULONG Index = 0; Event->Types[Index] != '\0'; Index++) {
        BOOLEAN Text = Event->Types[Index] == 's';
        Fields[Index] = Text ? (const void *)Values[Index].Text : &Values[Index];
        Sizes[Index] = Text ? strlen(Values[Index].Text) + 1 : LogFieldSize(Event->Types[Index]);
    }
    /* The first NULL ends the list. */
    WmiTraceMessage(Session, LOG_WPP_HEADER, &Messages, Event->Descriptor.Id, Fields[0], Sizes[0], Fields[1], Sizes[1],
                    Fields[2], Sizes[2], Fields[3], Sizes[3], Fields[4], Sizes[4], Fields[5], Sizes[5], Fields[6],
                    Sizes[6], Fields[7], Sizes[7], NULL, (SIZE_T)0);
}
