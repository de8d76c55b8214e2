/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command completion: a script for PowerShell's Register-ArgumentCompleter, made of the command table. What it
 * can't know is asked when a key is pressed: the disks, of this program.
 */
#include "command.h"

#include <string.h>

#include <wnbd.h>

#include "base/option_table.h"
#include "buffer.h"
#include "errors.h"
#include "output.h"

/* ", 'LogLevel', ..." */
#define DRIVER_OPTION(Name, Type, Default, Minimum, Maximum, Effect) ", '" #Name "'"
static const char DriverOptions[] = OPTION_TABLE(DRIVER_OPTION);

static const char ScriptBegin[] =
    "# Completes wnbd-client. Printed by: wnbd-client completion powershell\n"
    "Register-ArgumentCompleter -Native -CommandName 'wnbd-client', 'wnbd-client.exe' -ScriptBlock {\n"
    "    param($wordToComplete, $commandAst, $cursorPosition)\n"
    "    $program = $commandAst.CommandElements[0].Extent.Text\n";

static const char ScriptEnd[] =
    "    # The words before the one that is completed.\n"
    "    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |\n"
    "        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |\n"
    "        ForEach-Object { $_.Extent.Text })\n"
    "    $candidates = [ordered]@{}\n"
    "    if ($words.Count -eq 0) {\n"
    "        foreach ($name in $commands.Keys) { $candidates[$name] = $commands[$name].Help }\n"
    "    } elseif ($commands.Contains($words[0])) {\n"
    "        $command = $commands[$words[0]]\n"
    "        $arguments = 0\n"
    "        for ($index = 1; $index -lt $words.Count; $index++) {\n"
    "            if ($words[$index] -like '-*' -or $command.Valued -contains $words[$index - 1]) { continue }\n"
    "            $arguments++\n"
    "        }\n"
    "        if ($wordToComplete -like '-*') {\n"
    "            $candidates = $command.Options\n"
    "        } elseif ($arguments -eq 0 -and $command.Valued -notcontains $words[-1]) {\n"
    "            foreach ($name in (& $command.Choices)) {\n"
    "                if ($name) { $candidates[$name] = $name }\n"
    "            }\n"
    "        }\n"
    "    }\n"
    "    foreach ($name in $candidates.Keys) {\n"
    "        if ($name.StartsWith($wordToComplete, [StringComparison]::OrdinalIgnoreCase)) {\n"
    "            $text = if ($name -match '[^\\w./:=+-]') { \"'\" + $name.Replace(\"'\", \"''\") + \"'\" } "
    "else { $name }\n"
    "            [System.Management.Automation.CompletionResult]::new($text, $name, 'ParameterValue', "
    "$candidates[$name])\n"
    "        }\n"
    "    }\n"
    "}\n";

/* In single quotes, of which one in the text becomes two. */
static void QuotedAdd(BUFFER *Script, const char *Text)
{
    BufferAdd(Script, "'", 1);
    for (; *Text != '\0'; Text++) {
        BufferAdd(Script, "''", *Text == '\'' ? 2 : 0);
        BufferAdd(Script, Text, *Text != '\'');
    }
    BufferAdd(Script, "'", 1);
}

static void OptionsAdd(BUFFER *Script, const OPTION_SPEC *Options)
{
    for (const OPTION_SPEC *Option = Options; Option->Name != NULL; Option++) {
        BufferFormat(Script, "            '--%s' = ", Option->Name);
        QuotedAdd(Script, Option->Help);
        BufferFormat(Script, "\n");
    }
}

/* Those behind which another word is no argument of the command. */
static void ValuedAdd(BUFFER *Script, const OPTION_SPEC *Options)
{
    const char *Between = "";
    BufferFormat(Script, "@(");
    for (const OPTION_SPEC *Option = Options; Option->Name != NULL; Option++) {
        if (Option->Kind != OPTION_FLAG) {
            BufferFormat(Script, "%s'--%s'", Between, Option->Name);
            Between = ", ";
        }
    }
    BufferFormat(Script, ")");
}

/* What the command's first argument may be. */
static void ChoicesAdd(BUFFER *Script, const ARGUMENT_SPEC *Argument)
{
    switch (Argument->Kind) {
    case ARGUMENT_COMMAND:
        BufferFormat(Script, "{ $commands.Keys }");
        break;
    case ARGUMENT_DISK:
        BufferFormat(Script, "{ (& $program list --json 2>$null | ConvertFrom-Json).Disks.InstanceName }");
        break;
    case ARGUMENT_DRIVER_OPTION:
        BufferFormat(Script, "{ $driverOptions }");
        break;
    case ARGUMENT_OTHER:
    default:
        BufferFormat(Script, "{");
        for (size_t Index = 0; Index < COMMAND_MAX_CHOICES && Argument->Choices[Index] != NULL; Index++) {
            BufferFormat(Script, "%s'%s'", Index == 0 ? " " : ", ", Argument->Choices[Index]);
        }
        BufferFormat(Script, " }");
        break;
    }
}

static void CommandAdd(BUFFER *Script, const char *Name, const COMMAND_SPEC *Command)
{
    BufferFormat(Script, "        '%s' = @{ Help = ", Name);
    QuotedAdd(Script, Command->Summary);
    BufferFormat(Script, "; Choices = ");
    ChoicesAdd(Script, &Command->Arguments[0]);
    BufferFormat(Script, "; Valued = ");
    ValuedAdd(Script, Command->Options);
    BufferFormat(Script, "; Options = [ordered]@{\n");
    OptionsAdd(Script, Command->Options);
    if (Command->Rehearsal != NULL) {
        OptionsAdd(Script, CommandRehearsalOptions);
    }
    OptionsAdd(Script, CommandCommonOptions);
    BufferFormat(Script, "        } }\n");
}

static void CommandsAdd(BUFFER *Script)
{
    BufferFormat(Script, "    $commands = [ordered]@{\n");
    for (const COMMAND_SPEC *Command = CommandTable; Command->Name != NULL; Command++) {
        CommandAdd(Script, Command->Name, Command);
        for (size_t Index = 0; Index < COMMAND_MAX_ALIASES && Command->Aliases[Index] != NULL; Index++) {
            if (Command->Aliases[Index][0] != '-') {
                CommandAdd(Script, Command->Aliases[Index], Command);
            }
        }
    }
    BufferFormat(Script, "    }\n");
}

uint32_t CommandCompletion(const COMMAND_LINE *Line)
{
    (void)Line;
    BUFFER Script = {0};
    BufferFormat(&Script, "%s    $driverOptions = %s\n", ScriptBegin, &DriverOptions[strlen(", ")]);
    CommandsAdd(&Script);
    BufferAdd(&Script, ScriptEnd, strlen(ScriptEnd));
    if (Script.Failed) {
        BufferFree(&Script);
        return ErrorReport(&(FAILURE){.Action = ACTION_OUTPUT, .Code = ERROR_OUTOFMEMORY, .Tried = "write the script"});
    }
    OutputPrint("%s", Script.Text);
    BufferFree(&Script);
    return ERROR_SUCCESS;
}
