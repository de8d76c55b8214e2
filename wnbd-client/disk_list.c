/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Reading the list of disks; see disk_list.h.
 */
#include "disk_list.h"

#include <stdbool.h>
#include <stdlib.h>

#include "output.h"

#define LIST_SHOWN 20
#define LIST_TRIES 10
#define LIST_SLACK_BYTES (8 * sizeof(WNBD_CONNECTION_INFO))

DWORD DiskListRead(PWNBD_CONNECTION_LIST *List)
{
    DWORD NeededBytes = sizeof(WNBD_CONNECTION_LIST);
    *List = NULL;
    for (int Try = 0; Try < LIST_TRIES; Try++) {
        DWORD SizeBytes = NeededBytes + LIST_SLACK_BYTES;
        free(*List);
        *List = calloc(1, SizeBytes);
        if (*List == NULL) {
            return ERROR_OUTOFMEMORY;
        }
        NeededBytes = SizeBytes;
        DWORD Status = WnbdList(*List, &NeededBytes);
        if (Status != ERROR_SUCCESS) {
            return Status;
        }
        if (NeededBytes <= SizeBytes) {
            bool Fits = (*List)->Count == 0 || (*List)->ElementSize >= sizeof(WNBD_CONNECTION_INFO);
            return Fits ? ERROR_SUCCESS : ERROR_REVISION_MISMATCH;
        }
    }
    return ERROR_MORE_DATA;
}

uint32_t DiskListAfter(uint32_t Status)
{
    PWNBD_CONNECTION_LIST List = NULL;
    if (Status != ERROR_FILE_NOT_FOUND && Status != ERROR_BUSY) {
        return Status;
    }
    if (DiskListRead(&List) == ERROR_SUCCESS) {
        OutputError(List->Count == 0 ? "No disk is mapped.\n" : "Mapped are:\n");
        const char *Element = (const char *)List->Connections;
        for (UINT32 Index = 0; Index < List->Count && Index < LIST_SHOWN; Index++) {
            const WNBD_PROPERTIES *Properties = &((const WNBD_CONNECTION_INFO *)(const void *)Element)->Properties;
            char Safe[WNBD_MAX_NAME_LENGTH];
            OutputError("  %s\n", OutputSafe(Safe, sizeof(Safe), Properties->InstanceName, WNBD_MAX_NAME_LENGTH));
            Element += List->ElementSize;
        }
        if (List->Count > LIST_SHOWN) {
            OutputError("  and %lu more\n", (unsigned long)(List->Count - LIST_SHOWN));
        }
    }
    free(List);
    return Status;
}
