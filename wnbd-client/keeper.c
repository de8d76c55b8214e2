/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Keeps mapped what is remembered; see keeper.h. A thread does the work, so that Stop is heard while a server that
 * doesn't answer keeps it waiting.
 */
#include "keeper.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "map.h"
#include "mapping.h"
#include "output.h"
#include "remembered.h"

#define LOOK_MS 5000 /* between two looks at the disks, if nothing happens */
#define DELAY_FIRST_MS 1000u
#define DELAY_LAST_MS 60000u

/* A mapping that didn't work. */
typedef struct KEPT {
    struct KEPT *Next;
    char Name[WNBD_MAX_NAME_LENGTH];
    DWORD Status;        /* the last, which has been reported */
    ULONG DelayMs;       /* until the next try */
    ULONGLONG NotBefore; /* GetTickCount64 */
} KEPT;

typedef struct {
    HANDLE Stop;
    HANDLE Changed; /* event: something was remembered or forgotten */
    HKEY Key;
    KEPT *Failures;
    DWORD ListStatus; /* of the last look at what is remembered, which has been reported */
} KEEPER;

/* ---- what doesn't work ---- */

static KEPT *FailureFind(const KEEPER *Keeper, const char *Name)
{
    KEPT *Failure = Keeper->Failures;
    while (Failure != NULL && strcmp(Failure->Name, Name) != 0) {
        Failure = Failure->Next;
    }
    return Failure;
}

static void FailureForget(KEEPER *Keeper, const char *Name)
{
    for (KEPT **Link = &Keeper->Failures; *Link != NULL; Link = &(*Link)->Next) {
        if (strcmp((*Link)->Name, Name) == 0) {
            KEPT *Failure = *Link;
            *Link = Failure->Next;
            free(Failure);
            return;
        }
    }
}

/* Keeps it in mind. Returns whether the reason is a new one. Without memory every reason is. */
static bool FailureKeep(KEEPER *Keeper, const char *Name, DWORD Status)
{
    KEPT *Failure = FailureFind(Keeper, Name);
    if (Failure == NULL) {
        Failure = calloc(1, sizeof(*Failure));
        if (Failure == NULL) {
            return true;
        }
        strncpy(Failure->Name, Name, sizeof(Failure->Name) - 1);
        Failure->Next = Keeper->Failures;
        Keeper->Failures = Failure;
    }
    bool New = Failure->Status != Status;
    ULONG Twice = Failure->DelayMs * 2 < DELAY_LAST_MS ? Failure->DelayMs * 2 : DELAY_LAST_MS;
    Failure->DelayMs = Failure->DelayMs == 0 ? DELAY_FIRST_MS : Twice;
    Failure->Status = Status;
    Failure->NotBefore = GetTickCount64() + Failure->DelayMs;
    return New;
}

static bool FailureIsDue(const KEEPER *Keeper, const char *Name)
{
    const KEPT *Failure = FailureFind(Keeper, Name);
    return Failure == NULL || GetTickCount64() >= Failure->NotBefore;
}

/* How long to wait for the next try, or the next look. */
static DWORD FailureDelayMs(const KEEPER *Keeper)
{
    ULONGLONG Now = GetTickCount64();
    ULONGLONG Delay = LOOK_MS;
    for (const KEPT *Failure = Keeper->Failures; Failure != NULL; Failure = Failure->Next) {
        ULONGLONG Own = Failure->NotBefore > Now ? Failure->NotBefore - Now : 0;
        Delay = Own < Delay ? Own : Delay;
    }
    return (DWORD)Delay;
}

/* ---- mapping ---- */

/* It is mapped. Who has unmapped it meanwhile found no disk, but what was remembered. */
static void KeepOrUndo(const char *Name)
{
    WNBD_PROPERTIES Properties;
    const char *Value;
    char Safe[WNBD_MAX_NAME_LENGTH];
    if (MappingRead(Name, &Properties, &Value) == ERROR_FILE_NOT_FOUND) {
        DWORD Status = WnbdRemoveEx(Name, NULL);
        if (Status != ERROR_SUCCESS && Status != ERROR_FILE_NOT_FOUND) {
            ErrorReport(&(FAILURE){.Action = ACTION_UNMAP, .Code = Status, .Tried = "unmap", .Object = Name});
        }
        return;
    }
    OutputError("wnbd-client: %s is mapped\n", OutputSafe(Safe, sizeof(Safe), Name, strlen(Name)));
}

static void KeepMap(KEEPER *Keeper, const char *Name)
{
    WNBD_PROPERTIES Properties;
    WNBD_CREATE_RESULT Result = {0};
    const char *Value;
    DWORD Status = MappingRead(Name, &Properties, &Value);
    if (Status != ERROR_SUCCESS) {
        if (Status != ERROR_FILE_NOT_FOUND && FailureKeep(Keeper, Name, Status)) {
            RememberedRead(Name, &Properties);
        }
        return;
    }
    Status = WnbdCreateNbd(&Properties, &Result);
    Result.Message[sizeof(Result.Message) - 1] = '\0';
    if (Status == ERROR_SUCCESS || Status == ERROR_ALREADY_EXISTS) {
        FailureForget(Keeper, Name);
    } else if (FailureKeep(Keeper, Name, Status)) {
        MapFail(&Properties, Status, &Result);
    }
    if (Status == ERROR_SUCCESS) {
        KeepOrUndo(Name);
    }
}

/* Whether there is a disk of that name. Where nobody can be asked there is none, and mapping says why. */
static bool IsMapped(const char *Name)
{
    WNBD_CONNECTION_INFO Info;
    return WnbdShow(Name, &Info) == ERROR_SUCCESS;
}

static void KeepAll(KEEPER *Keeper)
{
    MAPPING_NAMES Names;
    DWORD Status = MappingNamesRead(&Names);
    if (Status != ERROR_SUCCESS && Status != Keeper->ListStatus) {
        ErrorReport(&(FAILURE){.Action = ACTION_RECALL, .Code = Status, .Tried = "read what is remembered"});
    }
    Keeper->ListStatus = Status;
    for (size_t Index = 0; Index < Names.Count && WaitForSingleObject(Keeper->Stop, 0) != WAIT_OBJECT_0; Index++) {
        const char *Name = Names.Names[Index];
        if (FailureIsDue(Keeper, Name) && !IsMapped(Name)) {
            KeepMap(Keeper, Name);
        }
    }
    MappingNamesFree(&Names);
}

/* Those of mappings that have been forgotten, or that somebody else has mapped. */
static void FailuresSettle(KEEPER *Keeper)
{
    for (KEPT *Failure = Keeper->Failures; Failure != NULL;) {
        WNBD_PROPERTIES Properties;
        const char *Value;
        KEPT *Next = Failure->Next;
        if (MappingRead(Failure->Name, &Properties, &Value) == ERROR_FILE_NOT_FOUND || IsMapped(Failure->Name)) {
            FailureForget(Keeper, Failure->Name);
        }
        Failure = Next;
    }
}

static DWORD WINAPI KeeperWork(LPVOID Parameter)
{
    KEEPER *Keeper = Parameter;
    const HANDLE Either[] = {Keeper->Stop, Keeper->Changed};
    DWORD Woken = WAIT_OBJECT_0 + 1;
    do {
        /* Once for each change, and before the look: what changes during it is heard of afterwards. */
        if (Woken == WAIT_OBJECT_0 + 1) {
            RegNotifyChangeKeyValue(Keeper->Key, TRUE, REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET,
                                    Keeper->Changed, TRUE);
        }
        KeepAll(Keeper);
        FailuresSettle(Keeper);
        Woken = WaitForMultipleObjects(2, Either, FALSE, FailureDelayMs(Keeper));
    } while (Woken != WAIT_OBJECT_0);
    return ERROR_SUCCESS;
}

DWORD KeeperRun(HANDLE Stop)
{
    /* Not freed: the thread may be using it when the process ends. */
    static KEEPER Keeper;
    Keeper.Stop = Stop;
    Keeper.Changed = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (Keeper.Changed == NULL) {
        return GetLastError();
    }
    DWORD Status = MappingsOpen(&Keeper.Key);
    if (Status != ERROR_SUCCESS) {
        return Status;
    }
    HANDLE Thread = CreateThread(NULL, 0, KeeperWork, &Keeper, 0, NULL);
    if (Thread == NULL) {
        return GetLastError();
    }
    WaitForSingleObject(Stop, INFINITE);
    return ERROR_SUCCESS;
}
