/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * wnbd-client.exe, the command line of WNBD: turns the command line into UTF-8, sets the log up and runs a command.
 */
#include <stdlib.h>
#include <string.h>

#include <wnbd.h>
#include <shellapi.h>

#include "command.h"
#include "errors.h"
#include "help.h"
#include "output.h"
#include "parse.h"
#include "progress.h"

static void LogMessage(WnbdLogLevel LogLevel, const char *Message, const char *FileName, UINT32 Line,
                       const char *FunctionName)
{
    char Safe[WNBD_LOG_MESSAGE_MAX_SIZE];
    OutputError("libwnbd: %s: %s (%s, %s:%u)\n", WnbdLogLevelToStr(LogLevel),
                OutputSafe(Safe, sizeof(Safe), Message, strlen(Message)), FunctionName, FileName, Line);
}

/* Returns the UTF-8 form of Wide, which the caller frees; NULL if it is not Unicode or memory ran out. */
static char *Utf8FromWide(const WCHAR *Wide)
{
    int Size = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, Wide, -1, NULL, 0, NULL, NULL);
    char *Text = Size > 0 ? malloc((size_t)Size) : NULL;
    if (Text != NULL) {
        WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, Wide, -1, Text, Size, NULL, NULL);
    }
    return Text;
}

static void ArgumentsFree(int Count, char **Arguments)
{
    for (int Index = 0; Arguments != NULL && Index < Count; Index++) {
        free(Arguments[Index]);
    }
    free((void *)Arguments);
}

/* Returns the program's arguments in UTF-8, for ArgumentsFree; NULL after reporting why it could not. */
static char **ArgumentsRead(int *Count)
{
    LPWSTR *Wide = CommandLineToArgvW(GetCommandLineW(), Count);
    char **Arguments = Wide == NULL ? NULL : (char **)calloc((size_t)*Count + 1, sizeof(*Arguments));
    if (Arguments == NULL) {
        OutputError("wnbd-client: cannot read the command line: out of memory (close programs and try again)\n");
        LocalFree((HLOCAL)Wide);
        return NULL;
    }
    for (int Index = 0; Index < *Count; Index++) {
        Arguments[Index] = Utf8FromWide(Wide[Index]);
        if (Arguments[Index] == NULL) {
            OutputError("wnbd-client: argument %d is not valid Unicode (write it without unpaired surrogates)\n",
                        Index);
            ArgumentsFree(*Count, Arguments);
            Arguments = NULL;
            break;
        }
    }
    LocalFree((HLOCAL)Wide);
    return Arguments;
}

static uint32_t Run(int Count, const char *const *Arguments)
{
    COMMAND_LINE Line;
    char Message[PARSE_MESSAGE_SIZE];
    if (!ParseCommandLine(Count, Arguments, &Line, Message)) {
        OutputError("wnbd-client: %s\n", Message);
        return ERROR_INVALID_PARAMETER;
    }
    if (Line.Help) {
        HelpPrintCommand(Line.Command);
        return ERROR_SUCCESS;
    }
    /* Without --debug the commands' own words are enough: they say what the library's log would. */
    WnbdSetLogger(LogMessage);
    WnbdSetLogLevel(Line.Debug ? WnbdLogLevelDebug : WnbdLogLevelCritical);
    ProgressBegin(Line.Command->Waiting);
    uint32_t Status = Line.DryRun ? Line.Command->Rehearsal(&Line) : Line.Command->Handler(&Line);
    ProgressEnd();
    return Status;
}

int main(void)
{
    int Count;
    char **Arguments = ArgumentsRead(&Count);
    if (Arguments == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    uint32_t Status = Run(Count, (const char *const *)Arguments);
    ArgumentsFree(Count, Arguments);
    if (Status == ERROR_SUCCESS && OutputStatus() != 0) {
        Status = ErrorReport(&(FAILURE){.Action = ACTION_OUTPUT, .Code = OutputStatus(), .Tried = "write the output"});
    }
    return (int)Status;
}
