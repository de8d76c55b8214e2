/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * launch COMMAND...: runs a command and writes its exit status, a decimal number, to the file CLI_TEST_STATUS: Wine
 * hands on the lowest 8 bits only. The character U+E000 becomes an unpaired surrogate, which no Unix program can pass.
 * With CLI_TEST_LIMITED in the environment the command runs with the token of an administrator who is not elevated,
 * otherwise of one who is: Wine 8 starts programs elevated, Wine 10 doesn't.
 */
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#define START_TRIES 5

/* Returns the command line without its first word, this program's name, and with surrogates where they are wanted. */
static WCHAR *CommandLineRest(void)
{
    WCHAR *At = GetCommandLineW();
    BOOL Quoted = FALSE;
    for (; *At != L'\0' && (Quoted || *At != L' '); At++) {
        Quoted ^= *At == L'"';
    }
    while (*At == L' ') {
        At++;
    }
    for (WCHAR *Character = At; *Character != L'\0'; Character++) {
        if (*Character == 0xE000) {
            *Character = 0xD800;
        }
    }
    return At;
}

/* A token that is elevated or isn't, as wanted: this program's own or its counterpart. NULL: there is none. */
static HANDLE TokenWanted(BOOL Elevated)
{
    HANDLE Own;
    TOKEN_ELEVATION Elevation;
    TOKEN_LINKED_TOKEN Linked = {NULL};
    DWORD Length;
    HANDLE Primary = NULL;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &Own) ||
        !GetTokenInformation(Own, TokenElevation, &Elevation, sizeof(Elevation), &Length)) {
        return NULL;
    }
    if ((Elevation.TokenIsElevated != 0) == Elevated) {
        return Own;
    }
    if (GetTokenInformation(Own, TokenLinkedToken, &Linked, sizeof(Linked), &Length)) {
        DuplicateTokenEx(Linked.LinkedToken, TOKEN_ALL_ACCESS, NULL, SecurityImpersonation, TokenPrimary, &Primary);
    }
    return Primary;
}

static int Fail(const char *What)
{
    fprintf(stderr, "launch: %s failed: %lu\n", What, GetLastError());
    return 255;
}

/* Starts the command. On a busy machine Wine now and then loses a process before it runs (ERROR_INTERNAL_ERROR). */
static BOOL Start(HANDLE Token, PROCESS_INFORMATION *Process)
{
    STARTUPINFOW Startup = {.cb = sizeof(Startup)};
    WCHAR *Command = CommandLineRest();
    for (int Try = 0; Try < START_TRIES; Try++) {
        if (CreateProcessAsUserW(Token, NULL, Command, NULL, NULL, TRUE, 0, NULL, NULL, &Startup, Process)) {
            return TRUE;
        }
        if (GetLastError() != ERROR_INTERNAL_ERROR) {
            break;
        }
    }
    return FALSE;
}

int main(void)
{
    PROCESS_INFORMATION Process;
    HANDLE Token = TokenWanted(getenv("CLI_TEST_LIMITED") == NULL);
    if (Token == NULL) {
        return Fail("making a token");
    }
    if (!Start(Token, &Process)) {
        return Fail("starting the command");
    }
    DWORD Status;
    WaitForSingleObject(Process.hProcess, INFINITE);
    GetExitCodeProcess(Process.hProcess, &Status);
    FILE *File = fopen(getenv("CLI_TEST_STATUS"), "wb");
    if (File == NULL) {
        return Fail("writing the status");
    }
    fprintf(File, "%lu", Status);
    fclose(File);
    return 0;
}
