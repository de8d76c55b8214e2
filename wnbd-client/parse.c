/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Parsing of command lines against the command table; see parse.h.
 */
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler.h"
#include "output.h"
#include "suggest.h"

typedef struct {
    int Count;
    const char *const *Arguments;
    int Next; /* index of the first argument not looked at */
    bool OptionsEnded;
    COMMAND_LINE *Line;
    char *Message;
} PARSER;

/* What a user typed, as it may be shown. */
typedef struct {
    char Text[256];
} SHOWN;

static const char *Show(SHOWN *Shown, const char *Text)
{
    return OutputSafe(Shown->Text, sizeof(Shown->Text), Text, strlen(Text));
}

static bool ParseFail(PARSER *Parser, const char *Format, ...) PRINTF_LIKE(2, 3);

static bool ParseFail(PARSER *Parser, const char *Format, ...)
{
    const COMMAND_SPEC *Command = Parser->Line->Command;
    int Used = 0;
    if (Command != NULL) {
        Used = snprintf(Parser->Message, PARSE_MESSAGE_SIZE, "%s: ", Command->Name);
    }
    va_list Arguments;
    va_start(Arguments, Format);
    vsnprintf(Parser->Message + Used, PARSE_MESSAGE_SIZE - (size_t)Used, Format, Arguments);
    va_end(Arguments);
    return false;
}

static bool NumberAllowed(const OPTION_SPEC *Option, uint64_t Number)
{
    if (Option->Choices[0] != 0) {
        return Number == Option->Choices[0] || Number == Option->Choices[1];
    }
    return Number >= Option->Minimum && Number <= Option->Maximum;
}

/* Decimal digits only: no sign, no space, no other base. False: not a number, or more than 64 bits. */
static bool NumberParse(const char *Text, uint64_t *Number)
{
    *Number = 0;
    if (*Text == '\0') {
        return false;
    }
    for (; *Text != '\0'; Text++) {
        if (*Text < '0' || *Text > '9') {
            return false;
        }
        uint64_t Digit = (uint64_t)(*Text - '0');
        if (*Number > (UINT64_MAX - Digit) / 10) {
            return false;
        }
        *Number = *Number * 10 + Digit;
    }
    return true;
}

static bool OptionSetNumber(PARSER *Parser, const OPTION_SPEC *Option, OPTION_VALUE *Value, const char *Text)
{
    if (NumberParse(Text, &Value->Number) && NumberAllowed(Option, Value->Number)) {
        return true;
    }
    SHOWN Shown;
    Show(&Shown, Text);
    if (Option->Choices[0] != 0) {
        return ParseFail(Parser, "bad value \"%s\" for --%s (give %llu or %llu)", Shown.Text, Option->Name,
                         (unsigned long long)Option->Choices[0], (unsigned long long)Option->Choices[1]);
    }
    return ParseFail(Parser, "bad value \"%s\" for --%s (give a whole number from %llu to %llu)", Shown.Text,
                     Option->Name, (unsigned long long)Option->Minimum, (unsigned long long)Option->Maximum);
}

static bool OptionSet(PARSER *Parser, const OPTION_SPEC *Option, OPTION_VALUE *Value, const char *Text)
{
    if (Option->Kind == OPTION_NUMBER) {
        return OptionSetNumber(Parser, Option, Value, Text);
    }
    if (strlen(Text) > Option->Maximum) {
        return ParseFail(Parser, "the value for --%s is too long: %zu bytes (%llu at most)", Option->Name, strlen(Text),
                         (unsigned long long)Option->Maximum);
    }
    Value->Text = Text;
    return true;
}

/* Returns the value of an option: behind `=` (Inline), or the next argument. NULL after ParseFail. */
static const char *OptionTakeValue(PARSER *Parser, const OPTION_SPEC *Option, const char *Inline)
{
    if (Inline != NULL) {
        return Inline;
    }
    if (Parser->Next >= Parser->Count) {
        ParseFail(Parser, "--%s needs a value (--%s %s)", Option->Name, Option->Name, Option->Value);
        return NULL;
    }
    const char *Text = Parser->Arguments[Parser->Next];
    if (strncmp(Text, "--", 2) == 0) {
        SHOWN Shown;
        Show(&Shown, Text);
        ParseFail(Parser, "--%s needs a value, and \"%s\" looks like an option (if it is the value: --%s=%s)",
                  Option->Name, Shown.Text, Option->Name, Shown.Text);
        return NULL;
    }
    Parser->Next++;
    return Text;
}

static const OPTION_SPEC *OptionFind(const OPTION_SPEC *Options, const char *Name, size_t Length, size_t *Index)
{
    for (*Index = 0; Options[*Index].Name != NULL; ++*Index) {
        if (strlen(Options[*Index].Name) == Length && strncmp(Options[*Index].Name, Name, Length) == 0) {
            return &Options[*Index];
        }
    }
    return NULL;
}

/* The same among all that the command has. *Present: what says that it is given. */
static const OPTION_SPEC *OptionOfLine(COMMAND_LINE *Line, const char *Name, size_t Length, size_t *Index,
                                       bool **Present)
{
    size_t Unused;
    const OPTION_SPEC *Option = OptionFind(Line->Command->Options, Name, Length, Index);
    if (Option != NULL) {
        *Present = &Line->Options[*Index].Present;
        return Option;
    }
    if (Line->Command->Rehearsal != NULL) {
        Option = OptionFind(CommandRehearsalOptions, Name, Length, &Unused);
        *Present = &Line->DryRun;
    }
    if (Option == NULL) {
        Option = OptionFind(CommandCommonOptions, Name, Length, &Unused);
        *Present = &Line->Debug;
    }
    return Option;
}

static bool OptionUnknown(PARSER *Parser, const char *Argument, size_t Length)
{
    const COMMAND_SPEC *Command = Parser->Line->Command;
    SHOWN Shown;
    OutputSafe(Shown.Text, sizeof(Shown.Text), Argument, Length);
    const char *Nearest = SuggestOption(Command, Shown.Text);
    if (Nearest != NULL) {
        return ParseFail(Parser, "unknown option \"%s\" (did you mean --%s? wnbd-client help %s lists the options)",
                         Shown.Text, Nearest, Command->Name);
    }
    return ParseFail(Parser, "unknown option \"%s\" (wnbd-client help %s lists the options)", Shown.Text,
                     Command->Name);
}

static bool ParseNumberFollows(const PARSER *Parser)
{
    return Parser->Next < Parser->Count && Parser->Arguments[Parser->Next][0] != '\0' &&
           Parser->Arguments[Parser->Next][strspn(Parser->Arguments[Parser->Next], "0123456789")] == '\0';
}

/* An option is there that may be there once. */
static bool ParsePresent(PARSER *Parser, const char *Name, bool *Present)
{
    if (*Present) {
        return ParseFail(Parser, "--%s is given twice (give it once)", Name);
    }
    *Present = true;
    return true;
}

/* Handles an option that stands after the command's name. */
static bool ParseOption(PARSER *Parser, const char *Argument)
{
    COMMAND_LINE *Line = Parser->Line;
    const char *Name = Argument + 2;
    size_t Length = strcspn(Name, "=");
    const char *Inline = Name[Length] == '=' ? Name + Length + 1 : NULL;
    size_t Index = 0;
    bool *Present = NULL;
    const OPTION_SPEC *Option = NULL;
    if (strncmp(Argument, "--", 2) == 0) {
        Option = OptionOfLine(Line, Name, Length, &Index, &Present);
    }
    if (Option == NULL) {
        return OptionUnknown(Parser, Argument, strcspn(Argument, "="));
    }
    if (!ParsePresent(Parser, Option->Name, Present)) {
        return false;
    }
    if (Option->ValueOptional && Inline == NULL && !ParseNumberFollows(Parser)) {
        return true;
    }
    if (Option->Kind != OPTION_FLAG) {
        const char *Text = OptionTakeValue(Parser, Option, Inline);
        return Text != NULL && OptionSet(Parser, Option, &Line->Options[Index], Text);
    }
    if (Inline != NULL) {
        return ParseFail(Parser, "--%s takes no value (write just --%s)", Option->Name, Option->Name);
    }
    return true;
}

static bool ParseCommandName(PARSER *Parser, const char *Name)
{
    const COMMAND_SPEC *Command = CommandFind(Name);
    if (Command == NULL) {
        SHOWN Shown;
        Show(&Shown, Name);
        const char *What = Name[0] == '-' && Name[1] != '\0' ? "option" : "command";
        const char *Nearest = SuggestCommand(Shown.Text);
        if (Nearest != NULL) {
            return ParseFail(Parser, "unknown %s \"%s\" (did you mean %s? wnbd-client help lists the commands)", What,
                             Shown.Text, Nearest);
        }
        return ParseFail(Parser, "unknown %s \"%s\" (wnbd-client help lists the commands)", What, Shown.Text);
    }
    Parser->Line->Command = Command;
    for (size_t Index = 0; Command->Options[Index].Name != NULL; Index++) {
        Parser->Line->Options[Index].Number = Command->Options[Index].Default;
    }
    return true;
}

static bool ChoiceAllowed(const ARGUMENT_SPEC *Spec, const char *Argument)
{
    for (size_t Index = 0; Index < COMMAND_MAX_CHOICES && Spec->Choices[Index] != NULL; Index++) {
        if (strcmp(Spec->Choices[Index], Argument) == 0) {
            return true;
        }
    }
    return Spec->Choices[0] == NULL;
}

/* "one, two or three" */
static const char *ChoicesShow(char *Buffer, size_t Size, const ARGUMENT_SPEC *Spec)
{
    size_t Used = 0;
    for (size_t Index = 0; Index < COMMAND_MAX_CHOICES && Spec->Choices[Index] != NULL; Index++) {
        bool Last = Index + 1 == COMMAND_MAX_CHOICES || Spec->Choices[Index + 1] == NULL;
        const char *Between = Index == 0 ? "" : Last ? " or " : ", ";
        Used += (size_t)snprintf(Buffer + Used, Size - Used, "%s%s", Between, Spec->Choices[Index]);
    }
    return Buffer;
}

static bool ParsePositional(PARSER *Parser, const char *Argument)
{
    COMMAND_LINE *Line = Parser->Line;
    if (Line->Command == NULL) {
        return ParseCommandName(Parser, Argument);
    }
    SHOWN Shown;
    const ARGUMENT_SPEC *Spec = &Line->Command->Arguments[Line->ArgumentCount];
    if (Spec->Name == NULL) {
        return ParseFail(Parser, "unexpected argument \"%s\" (wnbd-client help %s shows the usage)",
                         Show(&Shown, Argument), Line->Command->Name);
    }
    if (*Argument == '\0') {
        return ParseFail(Parser, "the %s is empty (wnbd-client help %s shows the usage)", Spec->Name,
                         Line->Command->Name);
    }
    if (strlen(Argument) > Spec->MaxLengthBytes) {
        return ParseFail(Parser, "the %s is too long: %zu bytes (%zu at most)", Spec->Name, strlen(Argument),
                         Spec->MaxLengthBytes);
    }
    if (!ChoiceAllowed(Spec, Argument)) {
        char Choices[128];
        return ParseFail(Parser, "unknown %s \"%s\" (give %s)", Spec->Name, Show(&Shown, Argument),
                         ChoicesShow(Choices, sizeof(Choices), Spec));
    }
    Line->Arguments[Line->ArgumentCount++] = Argument;
    return true;
}

static bool ParseArgument(PARSER *Parser, const char *Argument)
{
    COMMAND_LINE *Line = Parser->Line;
    if (Parser->OptionsEnded || Argument[0] != '-' || Argument[1] == '\0') {
        return ParsePositional(Parser, Argument);
    }
    if (strcmp(Argument, "--") == 0) {
        Parser->OptionsEnded = true;
        return true;
    }
    if (Line->Command == NULL) {
        /* -v, -h and --help are commands; of the options only this one may stand before the command. */
        return strcmp(Argument, "--debug") == 0 ? ParsePresent(Parser, "debug", &Line->Debug)
                                                : ParseCommandName(Parser, Argument);
    }
    if (strcmp(Argument, "-h") == 0 || strcmp(Argument, "--help") == 0) {
        Line->Help = true;
        return true;
    }
    return ParseOption(Parser, Argument);
}

/* What can only be said of the whole line: arguments that are missing, options that need others. */
static bool ParseComplete(PARSER *Parser)
{
    const COMMAND_LINE *Line = Parser->Line;
    const ARGUMENT_SPEC *Spec = &Line->Command->Arguments[Line->ArgumentCount];
    if (Spec->Name != NULL && !Spec->Optional) {
        return ParseFail(Parser, "the %s is missing (wnbd-client help %s shows the usage)", Spec->Name,
                         Line->Command->Name);
    }
    const OPTION_SPEC *Options = Line->Command->Options;
    for (size_t Index = 0; Options[Index].Name != NULL; Index++) {
        const OPTION_SPEC *Option = &Options[Index];
        if (Line->Options[Index].Present && Option->Needs != NULL && !CommandOption(Line, Option->Needs)->Present) {
            return ParseFail(Parser, "--%s needs --%s too (%s)", Option->Name, Option->Needs, Option->NeedsWhy);
        }
    }
    return true;
}

bool ParseCommandLine(int ArgumentCount, const char *const *Arguments, COMMAND_LINE *Line,
                      char Message[PARSE_MESSAGE_SIZE])
{
    PARSER Parser = {.Count = ArgumentCount, .Arguments = Arguments, .Next = 1, .Line = Line, .Message = Message};
    memset(Line, 0, sizeof(*Line));
    while (Parser.Next < Parser.Count) {
        if (!ParseArgument(&Parser, Arguments[Parser.Next++])) {
            return false;
        }
    }
    if (Line->Command == NULL) {
        ParseFail(&Parser, "no command is given (wnbd-client help lists the commands)");
        return false;
    }
    return Line->Help || ParseComplete(&Parser);
}
