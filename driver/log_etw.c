/* SPDX-License-Identifier: LGPL-2.1-only */
/* log_sinks.h over EtwRegister and EtwWrite. */
#include "log_sinks.h"

#include "base/utf8.h"

/* UTF-16 units of all texts of an event: on the stack, which is there at DISPATCH_LEVEL, too (WDK, EtwWrite). */
#define LOG_ETW_UNITS 320u
#define LOG_ETW_REPLACEMENT 0xFFFDu

/* Changes while nobody writes; 0: not registered. */
static REGHANDLE LogEtwHandle;

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEtwStart(void)
{
    static const GUID Provider = LOG_PROVIDER;
    if (!NT_SUCCESS(EtwRegister(&Provider, NULL, NULL, &LogEtwHandle))) {
        LogEtwHandle = 0;
    }
}

_IRQL_requires_max_(PASSIVE_LEVEL)
void LogEtwStop(void)
{
    if (LogEtwHandle != 0) {
        EtwUnregister(LogEtwHandle);
        LogEtwHandle = 0;
    }
}

/* In UTF-16, terminated, cut to Room units; returns how many it has with the terminator. */
_IRQL_requires_max_(DISPATCH_LEVEL)
static ULONG LogEtwText(WCHAR *Units, ULONG Room, const CHAR *Text)
{
    const UCHAR *Next = (const UCHAR *)Text;
    size_t Left = strlen(Text);
    ULONG Used = 0;
    while (Left != 0) {
        uint32_t Character = 0;
        size_t Size = Utf8Decode(Next, Left, &Character);
        if (Size == 0 || Utf8IsHarmful(Character)) {
            Character = LOG_ETW_REPLACEMENT;
        }
        ULONG Need = Character >= 0x10000 ? 2 : 1;
        if (Used + Need >= Room) {
            break;
        }
        if (Need == 2) {
            Units[Used++] = (WCHAR)(0xD800 + ((Character - 0x10000) >> 10));
            Units[Used++] = (WCHAR)(0xDC00 + ((Character - 0x10000) & 0x3FF));
        } else {
            Units[Used++] = (WCHAR)Character;
        }
        Next += Size != 0 ? Size : 1;
        Left -= Size != 0 ? Size : 1;
    }
    Units[Used] = 0;
    return Used + 1;
}

_IRQL_requires_max_(DISPATCH_LEVEL)
void LogEtwWrite(const LOG_EVENT *Event, const LOG_VALUE *Values)
{
    EVENT_DATA_DESCRIPTOR Data[LOG_FIELDS_MAX];
    WCHAR Units[LOG_ETW_UNITS];
    ULONG Used = 0;
    ULONG Texts = 0;
    ULONG Count;
    if (LogEtwHandle == 0 || !EtwEventEnabled(LogEtwHandle, &Event->Descriptor)) {
        return;
    }
    for (const CHAR *Type = Event->Types; *Type != '\0'; Type++) {
        Texts += *Type == 's';
    }
    for (Count = 0; Event->Types[Count] != '\0'; Count++) {
        const void *Field = &Values[Count];
        ULONG Size = LogFieldSize(Event->Types[Count]);
        if (Event->Types[Count] == 's') {
            /* A long one leaves as much to each of the others. */
            Field = &Units[Used];
            Size = LogEtwText(&Units[Used], (LOG_ETW_UNITS - Used) / Texts--, Values[Count].Text);
            Used += Size;
            Size *= sizeof(WCHAR);
        }
        EventDataDescCreate(&Data[Count], Field, Size);
    }
    EtwWrite(LogEtwHandle, &Event->Descriptor, NULL, Count, Data);
}
