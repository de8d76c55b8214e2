/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Prints the command table for people; see help.h.
 */
#include "help.h"

#include <stdio.h>
#include <string.h>

#include "output.h"

#define INDENT 2

/* An entry of a two-column list: Left, then Text wrapped beside it, or below it where Left is too wide. */
static void PrintEntry(const char *Left, const char *Text, size_t Column)
{
    OutputPrint("%*s%s", INDENT, "", Left);
    size_t At = INDENT + OutputWidth(Left);
    if (At + INDENT > Column) {
        OutputPrint("\n");
        At = 0;
    }
    OutputPrint("%*s", (int)(Column - At), "");
    OutputWrapped(Text, Column, Column);
}

static void FormatArguments(const COMMAND_SPEC *Command, char *Buffer, size_t Size)
{
    size_t Used = 0;
    Buffer[0] = '\0';
    for (const ARGUMENT_SPEC *Argument = Command->Arguments; Argument->Name != NULL; Argument++) {
        const char *Format = Argument->Optional ? " [<%s>]" : " <%s>";
        Used += (size_t)snprintf(Buffer + Used, Size - Used, Format, Argument->Name);
    }
}

static void PrintOption(const OPTION_SPEC *Option)
{
    char Left[64];
    char Text[512];
    snprintf(Left, sizeof(Left), "--%s%s%s", Option->Name, Option->Value != NULL ? " " : "",
             Option->Value != NULL ? Option->Value : "");
    int Used = snprintf(Text, sizeof(Text), "%s", Option->Help);
    char *Rest = Text + Used;
    size_t Size = sizeof(Text) - (size_t)Used;
    if (Option->Kind == OPTION_NUMBER && Option->Choices[0] != 0) {
        snprintf(Rest, Size, ", %llu or %llu", (unsigned long long)Option->Choices[0],
                 (unsigned long long)Option->Choices[1]);
    } else if (Option->Kind == OPTION_NUMBER && Option->Default != 0) {
        snprintf(Rest, Size, " (%llu to %llu, default: %llu)", (unsigned long long)Option->Minimum,
                 (unsigned long long)Option->Maximum, (unsigned long long)Option->Default);
    } else if (Option->Needs != NULL) {
        snprintf(Rest, Size, " (needs --%s)", Option->Needs);
    } else if (Option->DefaultText != NULL) {
        snprintf(Rest, Size, " (default: %s)", Option->DefaultText);
    }
    PrintEntry(Left, Text, 28);
}

static void PrintOptions(const OPTION_SPEC *Options)
{
    for (const OPTION_SPEC *Option = Options; Option->Name != NULL; Option++) {
        PrintOption(Option);
    }
}

void HelpPrintAll(void)
{
    OutputPrint("Usage: wnbd-client <command> [arguments] [options]\n\nCommands:\n");
    for (const COMMAND_SPEC *Command = CommandTable; Command->Name != NULL; Command++) {
        char Left[128];
        char Arguments[64];
        size_t Used = (size_t)snprintf(Left, sizeof(Left), "%s", Command->Name);
        for (size_t Index = 0; Index < COMMAND_MAX_ALIASES && Command->Aliases[Index] != NULL; Index++) {
            Used += (size_t)snprintf(Left + Used, sizeof(Left) - Used, ", %s", Command->Aliases[Index]);
        }
        FormatArguments(Command, Arguments, sizeof(Arguments));
        snprintf(Left + Used, sizeof(Left) - Used, "%s", Arguments);
        PrintEntry(Left, Command->Summary, 37);
    }
    OutputPrint("\nOptions of every command:\n");
    PrintOptions(CommandCommonOptions);
    OutputPrint("\nOptions of every command that changes something:\n");
    PrintOptions(CommandRehearsalOptions);
    OutputPrint("\n");
    OutputWrapped("Options are written --name VALUE or --name=VALUE; what follows -- is no option. The exit status is "
                  "0 on success, otherwise a Win32 error code. Most commands need an elevated prompt. "
                  "'wnbd-client help <command>' explains a command.",
                  0, 0);
}

void HelpPrintCommand(const COMMAND_SPEC *Command)
{
    char Arguments[64];
    FormatArguments(Command, Arguments, sizeof(Arguments));
    OutputPrint("Usage: wnbd-client %s%s [options]\n", Command->Name, Arguments);
    if (Command->Aliases[0] != NULL) {
        OutputPrint("Also:  ");
        for (size_t Index = 0; Index < COMMAND_MAX_ALIASES && Command->Aliases[Index] != NULL; Index++) {
            OutputPrint("%s%s", Index == 0 ? "" : ", ", Command->Aliases[Index]);
        }
        OutputPrint("\n");
    }
    OutputPrint("\n%c", Command->Summary[0] - 'a' + 'A');
    char Rest[256];
    snprintf(Rest, sizeof(Rest), "%s.", Command->Summary + 1);
    OutputWrapped(Rest, 1, 0);
    if (Command->Description != NULL) {
        OutputPrint("\n");
        OutputWrapped(Command->Description, 0, 0);
    }
    if (Command->Arguments[0].Name != NULL) {
        OutputPrint("\nArguments:\n");
    }
    for (const ARGUMENT_SPEC *Argument = Command->Arguments; Argument->Name != NULL; Argument++) {
        PrintEntry(Argument->Name, Argument->Help, 28);
    }
    OutputPrint("\nOptions:\n");
    PrintOptions(Command->Options);
    if (Command->Rehearsal != NULL) {
        PrintOptions(CommandRehearsalOptions);
    }
    PrintOptions(CommandCommonOptions);
}
