/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The command table: one description of every command, argument and option. Parsing (parse.c), help (help.c) and
 * the suggestions for mistyped names are made from it and from nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_MAX_ALIASES 2
#define COMMAND_MAX_ARGUMENTS 2
#define COMMAND_MAX_OPTIONS 9
#define COMMAND_MAX_CHOICES 3

typedef enum {
    OPTION_FLAG = 0, /* present or not */
    OPTION_NUMBER,   /* decimal, Minimum to Maximum or one of Choices */
    OPTION_TEXT,     /* UTF-8, at most Maximum bytes */
} OPTION_KIND;

typedef struct {
    const char *Name; /* without the dashes; NULL ends the list */
    OPTION_KIND Kind;
    const char *Value;   /* what help calls the value; NULL for a flag */
    bool ValueOptional;  /* OPTION_NUMBER: without a value it is Default; the next argument is one if it has digits only
                          */
    uint64_t Minimum;    /* OPTION_NUMBER */
    uint64_t Maximum;    /* OPTION_NUMBER: largest value; OPTION_TEXT: longest, bytes */
    uint64_t Choices[2]; /* OPTION_NUMBER: the only values allowed, if the first is not 0 */
    uint64_t Default;    /* OPTION_NUMBER: used when the option is not given, if not 0 */
    const char *DefaultText; /* OPTION_TEXT: what help says of the default; NULL: nothing */
    const char *Needs;       /* option without which this one has no meaning, or NULL */
    const char *NeedsWhy;    /* said when it is missing */
    const char *Help;        /* one sentence without a full stop */
} OPTION_SPEC;

/* What there is to choose from for who completes an argument by a key. */
typedef enum {
    ARGUMENT_OTHER = 0, /* anything, Choices, a file */
    ARGUMENT_COMMAND,
    ARGUMENT_DISK, /* one that is mapped */
    ARGUMENT_DRIVER_OPTION,
} ARGUMENT_KIND;

typedef struct {
    const char *Name; /* as help shows it; NULL ends the list */
    ARGUMENT_KIND Kind;
    bool Optional;
    size_t MaxLengthBytes;                    /* longest value, without the terminator */
    const char *Choices[COMMAND_MAX_CHOICES]; /* the only values allowed, if the first is not NULL */
    const char *Help;
} ARGUMENT_SPEC;

typedef struct COMMAND_LINE COMMAND_LINE;

/* Runs a command. Errors have been reported to the user when it returns. Returns 0 or a Win32 error code. */
typedef uint32_t COMMAND_HANDLER(const COMMAND_LINE *Line);

typedef struct {
    const char *Name; /* NULL ends the table */
    const char *Aliases[COMMAND_MAX_ALIASES];
    COMMAND_HANDLER *Handler;
    COMMAND_HANDLER *Rehearsal; /* of a command that changes the system: what --dry-run does instead; or NULL */
    const char *Summary;        /* one line, for the list of commands */
    const char *Description;    /* paragraph below the usage line, or NULL */
    const char *Waiting;        /* ASCII: what is shown of a command that takes long, or NULL */
    ARGUMENT_SPEC Arguments[COMMAND_MAX_ARGUMENTS + 1];
    OPTION_SPEC Options[COMMAND_MAX_OPTIONS + 1];
} COMMAND_SPEC;

typedef struct {
    bool Present;     /* given on the command line */
    uint64_t Number;  /* OPTION_NUMBER: its value or the default */
    const char *Text; /* OPTION_TEXT: its value; NULL if not given */
} OPTION_VALUE;

/* A command line that has been checked against the table. Its strings belong to the argument vector. */
struct COMMAND_LINE {
    const COMMAND_SPEC *Command; /* NULL: no command was named */
    const char *Arguments[COMMAND_MAX_ARGUMENTS];
    size_t ArgumentCount;
    OPTION_VALUE Options[COMMAND_MAX_OPTIONS]; /* by position in Command->Options */
    bool Debug;                                /* --debug */
    bool DryRun;                               /* --dry-run */
    bool Help;                                 /* --help or -h after a command: show its help instead */
};

/* The table, ended by an entry without a name. */
extern const COMMAND_SPEC CommandTable[];

/* The options that every command has (--debug), ended by one without a name. */
extern const OPTION_SPEC CommandCommonOptions[];

/* The option of commands that have a rehearsal (--dry-run), ended by one without a name. */
extern const OPTION_SPEC CommandRehearsalOptions[];

/* Returns the command with the name or alias Name, NULL if there is none. */
const COMMAND_SPEC *CommandFind(const char *Name);

/* Returns the value of option Name, which the command of Line has. */
const OPTION_VALUE *CommandOption(const COMMAND_LINE *Line, const char *Name);

uint32_t CommandVersion(const COMMAND_LINE *Line);                 /* cmd_info.c */
uint32_t CommandHelp(const COMMAND_LINE *Line);                    /* cmd_info.c */
uint32_t CommandCompletion(const COMMAND_LINE *Line);              /* cmd_completion.c */
uint32_t CommandService(const COMMAND_LINE *Line);                 /* cmd_service.c */
uint32_t CommandRehearseService(const COMMAND_LINE *Line);         /* cmd_service.c */
uint32_t CommandList(const COMMAND_LINE *Line);                    /* cmd_show.c */
uint32_t CommandShow(const COMMAND_LINE *Line);                    /* cmd_show.c */
uint32_t CommandStats(const COMMAND_LINE *Line);                   /* cmd_stats.c */
uint32_t CommandMetrics(const COMMAND_LINE *Line);                 /* cmd_metrics.c */
uint32_t CommandMap(const COMMAND_LINE *Line);                     /* cmd_map.c */
uint32_t CommandUnmap(const COMMAND_LINE *Line);                   /* cmd_unmap.c */
uint32_t CommandListOptions(const COMMAND_LINE *Line);             /* cmd_option.c */
uint32_t CommandGetOption(const COMMAND_LINE *Line);               /* cmd_option.c */
uint32_t CommandSetOption(const COMMAND_LINE *Line);               /* cmd_option.c */
uint32_t CommandResetOption(const COMMAND_LINE *Line);             /* cmd_option.c */
uint32_t CommandInstallDriver(const COMMAND_LINE *Line);           /* cmd_driver.c */
uint32_t CommandUninstallDriver(const COMMAND_LINE *Line);         /* cmd_driver.c */
uint32_t CommandResetAdapter(const COMMAND_LINE *Line);            /* cmd_driver.c */
uint32_t CommandRehearseMap(const COMMAND_LINE *Line);             /* rehearse_map.c */
uint32_t CommandRehearseUnmap(const COMMAND_LINE *Line);           /* cmd_unmap.c */
uint32_t CommandRehearseSetOption(const COMMAND_LINE *Line);       /* cmd_option.c */
uint32_t CommandRehearseResetOption(const COMMAND_LINE *Line);     /* cmd_option.c */
uint32_t CommandRehearseInstallDriver(const COMMAND_LINE *Line);   /* cmd_driver.c */
uint32_t CommandRehearseUninstallDriver(const COMMAND_LINE *Line); /* cmd_driver.c */
uint32_t CommandRehearseResetAdapter(const COMMAND_LINE *Line);    /* cmd_driver.c */
