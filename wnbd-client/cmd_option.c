/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Commands about the driver's options: list-opt, get-opt, set-opt, reset-opt.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wnbd.h>

#include "base/option_table.h"
#include "errors.h"
#include "output.h"

#define NAME_WIDTH_LEAST 18
#define LIST_TRIES 10

/* Room for a name or a text of the driver's as UTF-8. */
typedef struct {
    char Text[WNBD_MAX_NAME_LENGTH * 3 + 1];
} SHOWN_OPTION;

/* What this program knows of an option; a newer driver may have others. */
typedef struct {
    const char *Name;
    int64_t Minimum;
    int64_t Maximum;
    WnbdOptValType Type;
    OPTION_EFFECT Effect;
} KNOWN_OPTION;

#define KNOWN_ROW(Name, Type, Default, Minimum, Maximum, Effect)                                                       \
    {#Name, Minimum, Maximum, WnbdOpt##Type, OPTION_EFFECT_##Effect},
static const KNOWN_OPTION KnownOptions[] = {OPTION_TABLE(KNOWN_ROW)};

static const KNOWN_OPTION *KnownFind(const char *Name)
{
    for (size_t Index = 0; Index < sizeof(KnownOptions) / sizeof(KnownOptions[0]); Index++) {
        if (_stricmp(KnownOptions[Index].Name, Name) == 0) {
            return &KnownOptions[Index];
        }
    }
    return NULL;
}

/* ---- the driver's list ---- */

/* Sets *List, for free, also if it fails; then it may be NULL. */
static DWORD ListRead(bool Persistent, PWNBD_OPTION_LIST *List)
{
    DWORD NeededBytes = sizeof(WNBD_OPTION_LIST);
    *List = NULL;
    for (int Try = 0; Try < LIST_TRIES; Try++) {
        DWORD SizeBytes = NeededBytes;
        free(*List);
        *List = calloc(1, SizeBytes);
        if (*List == NULL) {
            return ERROR_OUTOFMEMORY;
        }
        DWORD Status = WnbdListDrvOpt(*List, &NeededBytes, Persistent);
        if (Status != ERROR_SUCCESS) {
            return Status;
        }
        if (NeededBytes <= SizeBytes) {
            bool Fits = (*List)->Count == 0 || (*List)->ElementSize >= sizeof(WNBD_OPTION);
            return Fits ? ERROR_SUCCESS : ERROR_REVISION_MISMATCH;
        }
    }
    return ERROR_MORE_DATA;
}

static const WNBD_OPTION *ListElement(const WNBD_OPTION_LIST *List, UINT32 Index)
{
    return (const WNBD_OPTION *)(const void *)((const char *)List->Options + (size_t)Index * List->ElementSize);
}

static const char *ElementName(SHOWN_OPTION *Shown, const WNBD_OPTION *Option)
{
    return OutputSafeWide(Shown->Text, sizeof(Shown->Text), Option->Name, WNBD_MAX_OPT_NAME_LENGTH);
}

static const char *ValueText(SHOWN_OPTION *Shown, const WNBD_OPTION_VALUE *Value)
{
    switch (Value->Type) {
    case WnbdOptBool:
        return Value->Data.AsBool ? "true" : "false";
    case WnbdOptInt64:
        snprintf(Shown->Text, sizeof(Shown->Text), "%lld", (long long)Value->Data.AsInt64);
        return Shown->Text;
    case WnbdOptWstr:
        return OutputSafeWide(Shown->Text, sizeof(Shown->Text), Value->Data.AsWstr, WNBD_MAX_NAME_LENGTH);
    case WnbdOptUnknown:
    default:
        return "?";
    }
}

static void ListPrint(const WNBD_OPTION_LIST *List)
{
    SHOWN_OPTION Name;
    SHOWN_OPTION Value;
    SHOWN_OPTION Default;
    size_t Width = NAME_WIDTH_LEAST;
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        size_t Own = OutputWidth(ElementName(&Name, ListElement(List, Index)));
        Width = Own > Width ? Own : Width;
    }
    for (UINT32 Index = 0; Index < List->Count; Index++) {
        const WNBD_OPTION *Option = ListElement(List, Index);
        ElementName(&Name, Option);
        OutputPrint("%s%*s : %s (Default: %s)\n", Name.Text, (int)(Width - OutputWidth(Name.Text)), "",
                    ValueText(&Value, &Option->Value), ValueText(&Default, &Option->Default));
    }
}

/* ---- failures ---- */

/* Whether the driver has an option of that name; with Show, says which it has if not. */
static bool NameIsKnown(const char *Wanted, bool Show)
{
    PWNBD_OPTION_LIST List = NULL;
    bool Known = false;
    SHOWN_OPTION Name;
    if (ListRead(false, &List) == ERROR_SUCCESS) {
        for (UINT32 Index = 0; Index < List->Count && !Known; Index++) {
            Known = _stricmp(ElementName(&Name, ListElement(List, Index)), Wanted) == 0;
        }
        if (!Known && Show) {
            OutputError("The options are:\n");
            for (UINT32 Index = 0; Index < List->Count; Index++) {
                OutputError("  %s\n", ElementName(&Name, ListElement(List, Index)));
            }
        }
    }
    free(List);
    return Known;
}

static uint32_t Fail(DWORD Status, const char *Tried, const char *Name, const char *Message)
{
    ErrorReport(
        &(FAILURE){.Action = ACTION_OPTION, .Code = Status, .Tried = Tried, .Object = Name, .Message = Message});
    if (Status == ERROR_FILE_NOT_FOUND) {
        NameIsKnown(Name, true);
    }
    return Status;
}

static uint32_t FailToSet(DWORD Status, const char *Name, const char *Text)
{
    char Message[1024];
    char Safe[WNBD_MAX_NAME_LENGTH];
    const KNOWN_OPTION *Known = KnownFind(Name);
    OutputSafe(Safe, sizeof(Safe), Text, strlen(Text));
    if (Status != ERROR_INVALID_PARAMETER || Known == NULL) {
        return Fail(Status, "set the option", Name, NULL);
    }
    if (Known->Type == WnbdOptBool) {
        snprintf(Message, sizeof(Message), "\"%s\" is neither true nor false", Safe);
    } else {
        snprintf(Message, sizeof(Message), "\"%s\" is not a whole number from %lld to %lld", Safe,
                 (long long)Known->Minimum, (long long)Known->Maximum);
    }
    return Fail(Status, "set the option", Name, Message);
}

/* What somebody who has changed an option should know. */
static void NoteEffect(const char *Name, bool Persistent)
{
    const KNOWN_OPTION *Known = KnownFind(Name);
    if (Known == NULL || Known->Effect == OPTION_EFFECT_AT_ONCE) {
        return;
    }
    if (Persistent) {
        OutputPrint("%s takes effect when the adapter starts again.\n", Known->Name);
    } else {
        OutputError("wnbd-client: warning: %s takes effect when the adapter starts again, and what was changed without "
                    "--persistent is forgotten by then\n",
                    Known->Name);
    }
}

/* ---- commands ---- */

static bool IsPersistent(const COMMAND_LINE *Line)
{
    return CommandOption(Line, "persistent")->Present;
}

uint32_t CommandListOptions(const COMMAND_LINE *Line)
{
    PWNBD_OPTION_LIST List;
    DWORD Status = ListRead(IsPersistent(Line), &List);
    if (Status == ERROR_SUCCESS) {
        ListPrint(List);
    } else {
        ErrorReport(&(FAILURE){.Action = ACTION_OPTION, .Code = Status, .Tried = "list the options"});
    }
    free(List);
    return Status;
}

uint32_t CommandGetOption(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    WNBD_OPTION_VALUE Value = {0};
    SHOWN_OPTION Shown;
    DWORD Status = WnbdGetDrvOpt(Name, &Value, IsPersistent(Line));
    if (Status == ERROR_FILE_NOT_FOUND && IsPersistent(Line) && NameIsKnown(Name, false)) {
        return ErrorReport(
            &(FAILURE){.Action = ACTION_KEPT_OPTION, .Code = Status, .Tried = "read the option", .Object = Name});
    }
    if (Status != ERROR_SUCCESS) {
        return Fail(Status, "read the option", Name, NULL);
    }
    char Safe[WNBD_MAX_NAME_LENGTH];
    OutputPrint("Name: %s\nValue: %s\n", OutputSafe(Safe, sizeof(Safe), Name, strlen(Name)), ValueText(&Shown, &Value));
    return ERROR_SUCCESS;
}

uint32_t CommandSetOption(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    const char *Text = Line->Arguments[1];
    /* As text: which type the option has is the driver's knowledge. */
    WNBD_OPTION_VALUE Value = {.Type = WnbdOptWstr};
    MultiByteToWideChar(CP_UTF8, 0, Text, -1, Value.Data.AsWstr, WNBD_MAX_NAME_LENGTH);
    DWORD Status = WnbdSetDrvOpt(Name, &Value, IsPersistent(Line));
    if (Status != ERROR_SUCCESS) {
        return FailToSet(Status, Name, Text);
    }
    NoteEffect(Name, IsPersistent(Line));
    return ERROR_SUCCESS;
}

uint32_t CommandResetOption(const COMMAND_LINE *Line)
{
    const char *Name = Line->Arguments[0];
    DWORD Status = WnbdResetDrvOpt(Name, IsPersistent(Line));
    if (Status != ERROR_SUCCESS) {
        return Fail(Status, "reset the option", Name, NULL);
    }
    NoteEffect(Name, IsPersistent(Line));
    return ERROR_SUCCESS;
}

/* Whether the driver would take Text for the option, as it converts it. */
static bool ValueFits(const KNOWN_OPTION *Known, const char *Text)
{
    int64_t Number = 0;
    if (Known->Type == WnbdOptBool && (_stricmp(Text, "true") == 0 || _stricmp(Text, "false") == 0)) {
        return true;
    }
    for (size_t Index = 0; Text[Index] != '\0' || Index == 0; Index++) {
        if (Text[Index] < '0' || Text[Index] > '9' || Number > (INT64_MAX - 9) / 10) {
            return false;
        }
        Number = Number * 10 + (Text[Index] - '0');
    }
    return Number >= Known->Minimum && Number <= Known->Maximum;
}

/* Says what --dry-run has found: Does, the option, To, and what there is at present. */
static uint32_t RehearsalPrint(const COMMAND_LINE *Line, const char *Tried, const char *Does, const char *To)
{
    const char *Name = Line->Arguments[0];
    WNBD_OPTION_VALUE Value = {0};
    SHOWN_OPTION Shown;
    char SafeName[WNBD_MAX_NAME_LENGTH];
    char SafeTo[WNBD_MAX_NAME_LENGTH];
    DWORD Status = WnbdGetDrvOpt(Name, &Value, FALSE);
    if (Status != ERROR_SUCCESS) {
        return Fail(Status, Tried, Name, NULL);
    }
    OutputPrint("Would %s %s%s%s; it is %s at present\n", Does,
                OutputSafe(SafeName, sizeof(SafeName), Name, strlen(Name)),
                OutputSafe(SafeTo, sizeof(SafeTo), To, strlen(To)), IsPersistent(Line) ? ", persistently" : "",
                ValueText(&Shown, &Value));
    return ERROR_SUCCESS;
}

uint32_t CommandRehearseSetOption(const COMMAND_LINE *Line)
{
    char To[WNBD_MAX_NAME_LENGTH + 8];
    const KNOWN_OPTION *Known = KnownFind(Line->Arguments[0]);
    if (Known != NULL && !ValueFits(Known, Line->Arguments[1])) {
        return FailToSet(ERROR_INVALID_PARAMETER, Line->Arguments[0], Line->Arguments[1]);
    }
    snprintf(To, sizeof(To), " to %s", Line->Arguments[1]);
    return RehearsalPrint(Line, "set the option", "set", To);
}

uint32_t CommandRehearseResetOption(const COMMAND_LINE *Line)
{
    return RehearsalPrint(Line, "reset the option", "reset", "");
}
