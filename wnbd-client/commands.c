/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The table of commands and options; see command.h. Names, aliases and defaults are those that scripts already
 * use: they only ever grow.
 */
#include "command.h"

#include <assert.h>
#include <string.h>

#include <wnbd.h>

#include "base/option_table.h"

#define NAME_MAX_BYTES (WNBD_MAX_NAME_LENGTH - 1)
#define PATH_MAX_BYTES 32767
#define MILLISECONDS 1000
#define WATCH_SECONDS_MAX 86400
#define SECONDS_MAX (UINT32_MAX / MILLISECONDS) /* the library takes milliseconds in 32 bits */

#define DISK_ARGUMENT                                                                                                  \
    {.Name = "instance-name",                                                                                          \
     .Kind = ARGUMENT_DISK,                                                                                            \
     .MaxLengthBytes = NAME_MAX_BYTES,                                                                                 \
     .Help = "the disk, as 'list' names it"}

#define JSON_OPTION {.Name = "json", .Help = "print it as JSON, for scripts"}

#define OPTION_ARGUMENT                                                                                                \
    {.Name = "name",                                                                                                   \
     .Kind = ARGUMENT_DRIVER_OPTION,                                                                                   \
     .MaxLengthBytes = NAME_MAX_BYTES,                                                                                 \
     .Help = "the option, as 'list-opt' names it"}

/* What each of the driver's options takes, as part of a sentence. */
#define OPTION_TAKES_Bool(Minimum, Maximum) "true or false"
#define OPTION_TAKES_Int64(Minimum, Maximum) Minimum " to " Maximum
#define OPTION_WHEN_AT_ONCE ""
#define OPTION_WHEN_AT_START ", from the adapter's next start"
#define OPTION_TAKES(Name, Type, Default, Minimum, Maximum, Effect)                                                    \
    " " #Name " (" OPTION_TAKES_##Type(#Minimum, #Maximum) OPTION_WHEN_##Effect ");"

const OPTION_SPEC CommandCommonOptions[] = {
    {.Name = "debug", .Help = "write what the library does to standard error"},
    {.Name = NULL},
};

const OPTION_SPEC CommandRehearsalOptions[] = {
    {.Name = "dry-run", .Help = "change nothing: check what can be checked, and say what would be done"},
    {.Name = NULL},
};

const COMMAND_SPEC CommandTable[] = {
    {
        .Name = "version",
        .Aliases = {"-v"},
        .Handler = CommandVersion,
        .Summary = "print the versions of this program, the library and the driver",
        .Description = "Prints one line each for wnbd-client.exe, libwnbd.dll and wnbd.sys. Without an installed "
                       "driver the third line is missing and the exit status is not 0.",
    },
    {
        .Name = "help",
        .Aliases = {"-h", "--help"},
        .Handler = CommandHelp,
        .Summary = "list the commands, or explain one",
        .Arguments = {{.Name = "command-name",
                       .Kind = ARGUMENT_COMMAND,
                       .Optional = true,
                       .MaxLengthBytes = NAME_MAX_BYTES,
                       .Help = "the command to explain"}},
    },
    {
        .Name = "completion",
        .Handler = CommandCompletion,
        .Summary = "print a script by which a shell completes commands",
        .Description = "The script is for PowerShell's profile: it completes commands, options, the names of mapped "
                       "disks and of the driver's options.",
        .Arguments = {{.Name = "shell",
                       .MaxLengthBytes = NAME_MAX_BYTES,
                       .Choices = {"powershell"},
                       .Help = "the shell: powershell"}},
    },
    {
        .Name = "list",
        .Aliases = {"ls"},
        .Handler = CommandList,
        .Summary = "list the mapped disks",
        .Description = "Prints a header, and a line for each disk: the process that mapped it, the number Windows gave "
                       "the disk (-1 while it has none), whether it is an NBD disk, the program that owns it, and its "
                       "instance name.",
        .Options = {JSON_OPTION,
                    {.Name = "persistent", .Help = "list the mappings that are remembered instead, mapped or not"}},
    },
    {
        .Name = "show",
        .Handler = CommandShow,
        .Summary = "show everything about one disk",
        .Description = "MaxIOReqPerLun and MaxIOReqPerAdapter are Windows' own limits; -1: Windows does not tell them.",
        .Arguments = {DISK_ARGUMENT},
        .Options = {JSON_OPTION},
    },
    {
        .Name = "map",
        .Handler = CommandMap,
        .Rehearsal = CommandRehearseMap,
        .Waiting = "waiting for the server, and for Windows to make the disk",
        .Summary = "make a Windows disk of an NBD export",
        .Description = "The driver connects to the server and makes the disk, which stays when this program ends. "
                       "Once Windows has it, its number and path are printed, as in Disk 1: \\\\.\\PhysicalDrive1",
        .Arguments = {{.Name = "instance-name",
                       .MaxLengthBytes = NAME_MAX_BYTES,
                       .Help = "name for the disk; it identifies the disk in all other commands and is its "
                               "serial number"},
                      {.Name = "hostname",
                       .MaxLengthBytes = NAME_MAX_BYTES,
                       .Help = "name or address of the NBD server"}},
        .Options = {{.Name = "port",
                     .Kind = OPTION_NUMBER,
                     .Value = "PORT",
                     .Minimum = 1,
                     .Maximum = 65535,
                     .Default = 10809,
                     .Help = "TCP port of the server"},
                    {.Name = "export-name",
                     .Kind = OPTION_TEXT,
                     .Value = "NAME",
                     .Maximum = NAME_MAX_BYTES,
                     .DefaultText = "the instance name",
                     .Help = "the server's name for the export"},
                    {.Name = "read-only", .Help = "refuse writes to the disk"},
                    {.Name = "persistent",
                     .Help = "remember it: the service (wnbd-client help service) maps it again after a restart, until "
                             "it is unmapped"},
                    {.Name = "userspace-nbd",
                     .Help = "serve the disk from this program, which then runs until the disk is removed or Ctrl-C "
                             "is pressed"},
                    {.Name = "skip-handshake",
                     .Needs = "disk-size",
                     .NeedsWhy = "a server that is not asked does not tell it",
                     .Help = "do not negotiate: the server starts with the transmission phase"},
                    {.Name = "disk-size",
                     .Kind = OPTION_NUMBER,
                     .Value = "BYTES",
                     .Minimum = 512,
                     .Maximum = INT64_MAX,
                     .Needs = "skip-handshake",
                     .NeedsWhy = "otherwise the server says how large the export is",
                     .Help = "size of the disk, a multiple of the block size"},
                    {.Name = "block-size",
                     .Kind = OPTION_NUMBER,
                     .Value = "BYTES",
                     .Minimum = 512,
                     .Maximum = 4096,
                     .Choices = {512, 4096},
                     .Help = "logical block size of the disk"}},
    },
    {
        .Name = "unmap",
        .Aliases = {"rm"},
        .Handler = CommandUnmap,
        .Rehearsal = CommandRehearseUnmap,
        .Waiting = "waiting for Windows to let go of the disk",
        .Summary = "remove a disk",
        .Description = "Windows is asked to let go of the disk first (soft disconnect), so that caches are flushed and "
                       "programs that use it can object. If that fails or takes too long, the disk is removed "
                       "nevertheless (hard disconnect). --debug tells what stands in the way. A mapping that was "
                       "remembered (map --persistent) is forgotten.",
        .Arguments = {DISK_ARGUMENT},
        .Options = {{.Name = "hard-disconnect", .Help = "remove the disk at once, without asking Windows"},
                    {.Name = "no-hard-disconnect-fallback", .Help = "leave the disk alone if Windows does not let go"},
                    {.Name = "soft-disconnect-timeout",
                     .Kind = OPTION_NUMBER,
                     .Value = "SECONDS",
                     .Maximum = SECONDS_MAX,
                     .Default = WNBD_DEFAULT_RM_TIMEOUT_MS / MILLISECONDS,
                     .Help = "how long to try the soft disconnect; 0: for ever"},
                    {.Name = "soft-disconnect-retry-interval",
                     .Kind = OPTION_NUMBER,
                     .Value = "SECONDS",
                     .Minimum = 1,
                     .Maximum = SECONDS_MAX,
                     .Default = WNBD_DEFAULT_RM_RETRY_INTERVAL_MS / MILLISECONDS,
                     .Help = "pause between two tries"}},
    },
    {
        .Name = "stats",
        .Handler = CommandStats,
        .Summary = "print the driver's I/O counters of one disk",
        .Description =
            "The TimeSince... lines are in milliseconds; -1: it has not happened yet. With --watch: what each "
            "kind of operation did since the line before, and the time within which 50 and 99 of 100 "
            "requests were done.",
        .Arguments = {DISK_ARGUMENT},
        .Options = {{.Name = "json",
                     .Help = "print it as JSON, for scripts, with bytes and latencies of each kind of operation"},
                    {.Name = "watch",
                     .Kind = OPTION_NUMBER,
                     .Value = "[SECONDS]",
                     .ValueOptional = true,
                     .Minimum = 1,
                     .Maximum = WATCH_SECONDS_MAX,
                     .Default = 1,
                     .Help = "look again and again, until Ctrl-C is pressed or the disk goes"}},
    },
    {
        .Name = "metrics",
        .Handler = CommandMetrics,
        .Summary = "print the counters of all disks for Prometheus",
        .Description = "Prints the text format that Prometheus reads. The textfile collectors of node_exporter and "
                       "windows_exporter take it from a file.",
        .Options = {{.Name = "output",
                     .Kind = OPTION_TEXT,
                     .Value = "FILE",
                     .Maximum = PATH_MAX_BYTES,
                     .Help = "write it to a file, whose content is replaced at once"}},
    },
    {
        .Name = "list-opt",
        .Handler = CommandListOptions,
        .Summary = "list the driver's options",
        .Description = "Prints a line for each: its name, its present value and its default.",
        .Options = {{.Name = "persistent", .Help = "only those with a persistent value, and that"}},
    },
    {
        .Name = "get-opt",
        .Handler = CommandGetOption,
        .Summary = "print one of the driver's options",
        .Arguments = {OPTION_ARGUMENT},
        .Options = {{.Name = "persistent", .Help = "the persistent value instead of the present one"}},
    },
    {
        .Name = "set-opt",
        .Handler = CommandSetOption,
        .Rehearsal = CommandRehearseSetOption,
        .Summary = "set one of the driver's options",
        .Description = "When the adapter starts, every option gets its persistent value, or its default if it has "
                       "none. The options, and what they take:" OPTION_TABLE(OPTION_TAKES) " case does not "
                                                                                           "matter.",
        .Arguments = {OPTION_ARGUMENT, {.Name = "value", .MaxLengthBytes = NAME_MAX_BYTES, .Help = "its new value"}},
        .Options = {{.Name = "persistent", .Help = "make it the persistent value too"}},
    },
    {
        .Name = "reset-opt",
        .Handler = CommandResetOption,
        .Rehearsal = CommandRehearseResetOption,
        .Summary = "reset one of the driver's options",
        .Arguments = {OPTION_ARGUMENT},
        .Options = {{.Name = "persistent", .Help = "delete its persistent value too"}},
    },
    {
        .Name = "install-driver",
        .Handler = CommandInstallDriver,
        .Rehearsal = CommandRehearseInstallDriver,
        .Waiting = "waiting for Windows to install the driver",
        .Summary = "install the WNBD driver",
        .Description = "Needs an elevated prompt. Says so if Windows must be restarted.",
        .Arguments = {{.Name = "filename",
                       .MaxLengthBytes = PATH_MAX_BYTES,
                       .Help = "path of wnbd.inf, with wnbd.sys beside it"}},
    },
    {
        .Name = "uninstall-driver",
        .Handler = CommandUninstallDriver,
        .Rehearsal = CommandRehearseUninstallDriver,
        .Waiting = "waiting for Windows to remove the driver",
        .Summary = "remove all disks, the adapter and the WNBD driver",
        .Description = "Disks are removed without asking Windows (hard disconnect). Needs an elevated prompt. Says so "
                       "if Windows must be restarted.",
    },
    {
        .Name = "service",
        .Handler = CommandService,
        .Rehearsal = CommandRehearseService,
        .Summary = "install, remove or run the service that maps what is remembered",
        .Description = "The service maps what map --persistent has remembered: when Windows has started, when the "
                       "driver takes disks again (NewMappingsAllowed), when a disk was lost. What it does and why it "
                       "can't is in the Application event log, source wnbd-mappings. Needs an elevated prompt.",
        .Arguments = {{.Name = "action",
                       .MaxLengthBytes = NAME_MAX_BYTES,
                       .Choices = {"install", "uninstall", "run"},
                       .Help = "install: and start it; uninstall: stop it, which leaves the disks; run: what Windows "
                               "starts"}},
        .Options = {{.Name = "foreground", .Help = "run: in this window, until Ctrl-C is pressed"}},
    },
    {
        .Name = "reset-adapter",
        .Handler = CommandResetAdapter,
        .Rehearsal = CommandRehearseResetAdapter,
        .Waiting = "waiting for Windows to restart the adapter",
        .Summary = "restart the WNBD adapter",
        .Description = "Options that are read when the adapter starts take effect; every option gets its persistent "
                       "value, or its default. The adapter is not restarted as long as disks are mapped or a program "
                       "uses it. Needs an elevated prompt.",
        .Options = {{.Name = "hard-disconnect-mappings", .Help = "remove all disks first, without asking Windows"},
                    {.Name = "reset-timeout",
                     .Kind = OPTION_NUMBER,
                     .Value = "SECONDS",
                     .Maximum = SECONDS_MAX,
                     .Default = 10,
                     .Help = "how long to try while something is in the way; 0: once"},
                    {.Name = "reset-retry-interval",
                     .Kind = OPTION_NUMBER,
                     .Value = "SECONDS",
                     .Minimum = 1,
                     .Maximum = SECONDS_MAX,
                     .Default = 1,
                     .Help = "pause between two tries"}},
    },
    {.Name = NULL},
};

const COMMAND_SPEC *CommandFind(const char *Name)
{
    for (const COMMAND_SPEC *Command = CommandTable; Command->Name != NULL; Command++) {
        if (strcmp(Command->Name, Name) == 0) {
            return Command;
        }
        for (size_t Index = 0; Index < COMMAND_MAX_ALIASES && Command->Aliases[Index] != NULL; Index++) {
            if (strcmp(Command->Aliases[Index], Name) == 0) {
                return Command;
            }
        }
    }
    return NULL;
}

const OPTION_VALUE *CommandOption(const COMMAND_LINE *Line, const char *Name)
{
    size_t Index = 0;
    while (Line->Command->Options[Index].Name != NULL && strcmp(Line->Command->Options[Index].Name, Name) != 0) {
        Index++;
    }
    assert(Line->Command->Options[Index].Name != NULL);
    return &Line->Options[Index];
}
