/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asks the system for the cause of an error; see diagnose.h.
 */
#include "diagnose.h"

#include <stdio.h>
#include <string.h>

#include <wnbd.h>

#include "output.h"

bool DiagnoseElevated(void)
{
    HANDLE Token;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &Token)) {
        return true; /* unknown: do not blame it */
    }
    TOKEN_ELEVATION Elevation = {.TokenIsElevated = TRUE};
    DWORD Length;
    GetTokenInformation(Token, TokenElevation, &Elevation, sizeof(Elevation), &Length);
    CloseHandle(Token);
    return Elevation.TokenIsElevated != 0;
}

ADAPTER_TROUBLE DiagnoseAdapter(void)
{
    DEVINST DeviceInst;
    if (WnbdGetAdapterDevInst(&DeviceInst) != ERROR_SUCCESS) {
        return ADAPTER_MISSING;
    }
    return DiagnoseElevated() ? ADAPTER_STARTING : ADAPTER_DENIED;
}

static int VersionCompare(const WNBD_VERSION *A, const WNBD_VERSION *B)
{
    const UINT32 Left[] = {A->Major, A->Minor, A->Patch};
    const UINT32 Right[] = {B->Major, B->Minor, B->Patch};
    for (size_t Index = 0; Index < 3; Index++) {
        if (Left[Index] != Right[Index]) {
            return Left[Index] < Right[Index] ? -1 : 1;
        }
    }
    return 0;
}

bool DiagnoseVersions(char Text[DIAGNOSIS_SIZE])
{
    WNBD_VERSION Driver = {0};
    WNBD_VERSION Library = {0};
    if (WnbdGetDriverVersion(&Driver) != ERROR_SUCCESS || WnbdGetLibVersion(&Library) != ERROR_SUCCESS) {
        return false;
    }
    int Order = VersionCompare(&Driver, &Library);
    if (Order == 0 && strncmp(Driver.Description, Library.Description, sizeof(Driver.Description)) == 0) {
        return false;
    }
    char DriverText[WNBD_MAX_VERSION_STR_LENGTH];
    char LibraryText[WNBD_MAX_VERSION_STR_LENGTH];
    OutputSafe(DriverText, sizeof(DriverText), Driver.Description, sizeof(Driver.Description));
    OutputSafe(LibraryText, sizeof(LibraryText), Library.Description, sizeof(Library.Description));
    snprintf(Text, DIAGNOSIS_SIZE, "wnbd.sys %s is %s libwnbd.dll %s", DriverText,
             Order < 0   ? "older than"
             : Order > 0 ? "newer than"
                         : "of another build than",
             LibraryText);
    return true;
}
