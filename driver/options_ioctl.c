/* SPDX-License-Identifier: LGPL-2.1-only */
/* options_ioctl.h: names and values in the caller's words. */
#include "options_ioctl.h"

/* Bytes of a text and its terminator; 0 if it has none within Size characters. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static ULONG TextBytes(const WCHAR *Text, ULONG Size)
{
    for (ULONG Index = 0; Index < Size; Index++) {
        if (Text[Index] == 0) {
            return (Index + 1) * sizeof(WCHAR);
        }
    }
    return 0;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static WCHAR TextLower(WCHAR Character)
{
    return Character >= 'A' && Character <= 'Z' ? (WCHAR)(Character + ('a' - 'A')) : Character;
}

/* Whether two terminated texts are the same but for the case of Latin letters; options have no others. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN TextIs(const WCHAR *Text, const WCHAR *Wanted)
{
    while (*Text != 0 && TextLower(*Text) == TextLower(*Wanted)) {
        Text++;
        Wanted++;
    }
    return *Text == *Wanted;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static NTSTATUS OptionsFind(const WCHAR *Name, OPTION *Option)
{
    if (TextBytes(Name, WNBD_MAX_NAME_LENGTH) == 0) {
        return STATUS_INVALID_PARAMETER;
    }
    for (*Option = 0; *Option < OPTION_COUNT; (*Option)++) {
        if (TextIs(Name, OptionTypes[*Option].Name)) {
            return STATUS_SUCCESS;
        }
    }
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

/* ---- values ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
static void ValueFill(PWNBD_OPTION_VALUE Value, OPTION Option, LONG64 Number)
{
    RtlZeroMemory(Value, sizeof(*Value));
    Value->Type = OptionTypes[Option].Type;
    if (Value->Type == WnbdOptBool) {
        Value->Data.AsBool = Number != 0;
    } else {
        Value->Data.AsInt64 = Number;
    }
}

/* Decimal digits, at least one, and nothing else; no option has a negative value. */
_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN ValueReadNumber(const WCHAR *Text, LONG64 *Number)
{
    *Number = 0;
    for (ULONG Index = 0; Text[Index] != 0 || Index == 0; Index++) {
        LONG64 Digit = Text[Index] - '0';
        if (Digit < 0 || Digit > 9 || *Number > (MAXLONGLONG - Digit) / 10) {
            return FALSE;
        }
        *Number = *Number * 10 + Digit;
    }
    return TRUE;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN ValueReadText(const OPTION_TYPE *Type, const WCHAR *Text, LONG64 *Number)
{
    if (TextBytes(Text, WNBD_MAX_NAME_LENGTH) == 0) {
        return FALSE;
    }
    if (Type->Type == WnbdOptBool && (TextIs(Text, L"true") || TextIs(Text, L"false"))) {
        *Number = TextIs(Text, L"true");
        return TRUE;
    }
    return ValueReadNumber(Text, Number);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static BOOLEAN ValueRead(const OPTION_TYPE *Type, const WNBD_OPTION_VALUE *Value, LONG64 *Number)
{
    if (Value->Type == WnbdOptWstr) {
        return ValueReadText(Type, Value->Data.AsWstr, Number);
    }
    *Number = Value->Type == WnbdOptBool ? Value->Data.AsBool != 0 : Value->Data.AsInt64;
    return Value->Type == Type->Type;
}

/* ---- commands ---- */

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlGet(PVOID Buffer)
{
    const WNBD_IOCTL_GET_DRV_OPT_COMMAND *Get = Buffer;
    OPTION Option;
    LONG64 Number = 0;
    NTSTATUS Status = OptionsFind(Get->Name, &Option);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    if (Get->Persistent) {
        Status = OptionsPersistent(Option, &Number);
    } else {
        Number = OptionsValue(Option);
    }
    if (NT_SUCCESS(Status)) {
        ValueFill(Buffer, Option, Number);
    }
    return Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlSet(const WNBD_IOCTL_SET_DRV_OPT_COMMAND *Set)
{
    OPTION Option;
    LONG64 Number;
    NTSTATUS Status = OptionsFind(Set->Name, &Option);
    if (!NT_SUCCESS(Status)) {
        return Status;
    }
    const OPTION_TYPE *Type = &OptionTypes[Option];
    if (!ValueRead(Type, &Set->Value, &Number) || Number < Type->Minimum || Number > Type->Maximum) {
        return STATUS_INVALID_PARAMETER;
    }
    return OptionsSet(Option, Number, Set->Persistent);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlReset(const WNBD_IOCTL_RESET_DRV_OPT_COMMAND *Reset)
{
    OPTION Option;
    NTSTATUS Status = OptionsFind(Reset->Name, &Option);
    return NT_SUCCESS(Status) ? OptionsReset(Option, Reset->Persistent) : Status;
}

_IRQL_requires_max_(PASSIVE_LEVEL)
static void OptionsDescribe(PWNBD_OPTION Element, OPTION Option, LONG64 Number)
{
    const OPTION_TYPE *Type = &OptionTypes[Option];
    RtlZeroMemory(Element, sizeof(*Element));
    RtlCopyMemory(Element->Name, Type->Name, TextBytes(Type->Name, WNBD_MAX_OPT_NAME_LENGTH));
    Element->Type = Type->Type;
    ValueFill(&Element->Default, Option, Type->Default);
    ValueFill(&Element->Value, Option, Number);
}

_IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS OptionsIoctlList(PWNBD_OPTION_LIST List, ULONG RoomBytes, BOOLEAN Persistent, ULONG_PTR *Information)
{
    const ULONG HeaderBytes = FIELD_OFFSET(WNBD_OPTION_LIST, Options);
    const ULONG ElementBytes = sizeof(WNBD_OPTION);
    ULONG Room = (RoomBytes - HeaderBytes) / ElementBytes;
    ULONG Count = 0;
    ULONG Written = 0;
    for (ULONG Option = 0; Option < OPTION_COUNT; Option++) {
        LONG64 Number = OptionsValue(Option);
        NTSTATUS Status = Persistent ? OptionsPersistent(Option, &Number) : STATUS_SUCCESS;
        if (Status == STATUS_OBJECT_NAME_NOT_FOUND) {
            continue;
        }
        if (!NT_SUCCESS(Status)) {
            return Status;
        }
        if (Written < Room) {
            OptionsDescribe(&List->Options[Written++], Option, Number);
        }
        Count++;
    }
    List->ElementSize = ElementBytes;
    List->Count = Count;
    *Information = HeaderBytes + (ULONG_PTR)Written * ElementBytes;
    return STATUS_SUCCESS;
}
