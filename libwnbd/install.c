/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Installing and uninstalling the driver.
 *
 * The adapter is a root-enumerated device: an INF can't make it, so its node
 * is registered here and the driver then installed for its hardware id.
 *
 * Source: WDK, "SetupDiCreateDeviceInfo function", "DIF_REGISTERDEVICE",
 * "UpdateDriverForPlugAndPlayDevices function", "DIF_REMOVE".
 */
#include "internal.h"

#include <string.h>
#include <newdev.h>

/* The setup class "Storage controllers", and its name, which becomes part of the instance id. */
static const GUID AdapterClass = {0x4d36e97b, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};
static const WCHAR AdapterClassName[] = L"SCSIADAPTER";

/* How long a driver may take from its installation to a working adapter, milliseconds. */
#define START_TIMEOUT_MS 15000

/* A REG_MULTI_SZ with our hardware id. */
static const WCHAR HardwareIds[] = L"root\\wnbd\0";

/* An adapter's node, open in its set; the set is destroyed by NodeClose. */
typedef struct {
    HDEVINFO Set;
    SP_DEVINFO_DATA Node;
} ADAPTER_NODE;

static void NodeClose(ADAPTER_NODE *Adapter)
{
    SetupDiDestroyDeviceInfoList(Adapter->Set);
}

/* Whether one of the node's hardware ids is ours. */
static bool NodeIsOurs(HDEVINFO Set, SP_DEVINFO_DATA *Node)
{
    /* Room for two terminators behind what the registry holds. */
    WCHAR Ids[512 + 2] = {0};
    if (!SetupDiGetDeviceRegistryPropertyW(Set, Node, SPDRP_HARDWAREID, NULL, (BYTE *)Ids, 512 * sizeof(WCHAR), NULL)) {
        return false;
    }
    for (const WCHAR *Id = Ids; *Id; Id += wcslen(Id) + 1) {
        if (_wcsicmp(Id, HardwareIds) == 0) {
            return true;
        }
    }
    return false;
}

/* Finds the first of our adapters, present or not. */
static bool NodeFind(ADAPTER_NODE *Adapter)
{
    Adapter->Set = SetupDiGetClassDevsW(NULL, L"ROOT", NULL, DIGCF_ALLCLASSES);
    if (Adapter->Set == INVALID_HANDLE_VALUE) {
        return false;
    }
    Adapter->Node.cbSize = sizeof(Adapter->Node);
    for (DWORD Index = 0; SetupDiEnumDeviceInfo(Adapter->Set, Index, &Adapter->Node); Index++) {
        if (NodeIsOurs(Adapter->Set, &Adapter->Node)) {
            return true;
        }
    }
    NodeClose(Adapter);
    return false;
}

/* Registers a new adapter. */
static DWORD NodeCreate(ADAPTER_NODE *Adapter)
{
    Adapter->Set = SetupDiCreateDeviceInfoList(&AdapterClass, NULL);
    if (Adapter->Set == INVALID_HANDLE_VALUE) {
        return GetLastError();
    }
    Adapter->Node.cbSize = sizeof(Adapter->Node);
    if (SetupDiCreateDeviceInfoW(Adapter->Set, AdapterClassName, &AdapterClass, NULL, NULL, DICD_GENERATE_ID,
                                 &Adapter->Node) &&
        SetupDiSetDeviceRegistryPropertyW(Adapter->Set, &Adapter->Node, SPDRP_HARDWAREID, (const BYTE *)HardwareIds,
                                          sizeof(HardwareIds)) &&
        SetupDiCallClassInstaller(DIF_REGISTERDEVICE, Adapter->Set, &Adapter->Node)) {
        return ERROR_SUCCESS;
    }
    DWORD Error = GetLastError();
    NodeClose(Adapter);
    return Error;
}

/* Removes an adapter's node; sets *Reboot if Windows says that it is still in use. */
static DWORD NodeRemove(ADAPTER_NODE *Adapter, bool *Reboot)
{
    SP_REMOVEDEVICE_PARAMS Removal = {0};
    SP_DEVINSTALL_PARAMS_W Parameters = {0};
    Removal.ClassInstallHeader.cbSize = sizeof(Removal.ClassInstallHeader);
    Removal.ClassInstallHeader.InstallFunction = DIF_REMOVE;
    Removal.Scope = DI_REMOVEDEVICE_GLOBAL;
    Parameters.cbSize = sizeof(Parameters);
    /* All hardware profiles; a system that doesn't know them (Wine) refuses, and has but one. */
    if (!SetupDiSetClassInstallParamsW(Adapter->Set, &Adapter->Node, &Removal.ClassInstallHeader, sizeof(Removal))) {
        LogDebug("cannot choose the scope of the removal: %s", ErrorText(GetLastError()).Text);
    }
    if (!SetupDiCallClassInstaller(DIF_REMOVE, Adapter->Set, &Adapter->Node)) {
        return GetLastError();
    }
    if (SetupDiGetDeviceInstallParamsW(Adapter->Set, &Adapter->Node, &Parameters) &&
        (Parameters.Flags & (DI_NEEDREBOOT | DI_NEEDRESTART))) {
        *Reboot = true;
    }
    return ERROR_SUCCESS;
}

/* The full path of an existing file, from a name in UTF-8 or, if it isn't that, in the system's code page. */
static DWORD FileLocate(const char *FileName, WCHAR *Path, DWORD Length)
{
    WCHAR Wide[MAX_PATH];
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, FileName, -1, Wide, MAX_PATH) &&
        !MultiByteToWideChar(CP_ACP, 0, FileName, -1, Wide, MAX_PATH)) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Needed = GetFullPathNameW(Wide, Length, Path, NULL);
    if (Needed == 0 || Needed >= Length) {
        return Needed ? ERROR_INVALID_PARAMETER : GetLastError();
    }
    DWORD Attributes = GetFileAttributesW(Path);
    if (Attributes == INVALID_FILE_ATTRIBUTES) {
        return GetLastError() == ERROR_PATH_NOT_FOUND ? ERROR_FILE_NOT_FOUND : GetLastError();
    }
    return Attributes & FILE_ATTRIBUTE_DIRECTORY ? ERROR_FILE_NOT_FOUND : ERROR_SUCCESS;
}

/* RtlGetVersion tells the truth whatever the program's manifest says. */
static bool WindowsIsNewEnough(void)
{
    typedef LONG(WINAPI * VERSION_FUNCTION)(RTL_OSVERSIONINFOW *);
    HMODULE Library = GetModuleHandleW(L"ntdll.dll");
    VERSION_FUNCTION GetVersionOf = Library ? (VERSION_FUNCTION)(void *)GetProcAddress(Library, "RtlGetVersion") : NULL;
    RTL_OSVERSIONINFOW Version = {0};
    Version.dwOSVersionInfoSize = sizeof(Version);
    if (!GetVersionOf || GetVersionOf(&Version)) {
        return true;
    }
    if (Version.dwMajorVersion != WNBD_REQ_WIN_VERSION_MAJOR) {
        return Version.dwMajorVersion > WNBD_REQ_WIN_VERSION_MAJOR;
    }
    if (Version.dwMinorVersion != WNBD_REQ_WIN_VERSION_MINOR) {
        return Version.dwMinorVersion > WNBD_REQ_WIN_VERSION_MINOR;
    }
    return Version.dwBuildNumber >= WNBD_REQ_WIN_VERSION_BUILD;
}

/* The number of the problem that Device Manager shows ("code 52"), 0 if there is none. */
static ULONG NodeProblem(const ADAPTER_NODE *Adapter)
{
    ULONG Status = 0;
    ULONG Problem = 0;
    return CM_Get_DevNode_Status(&Status, &Problem, Adapter->Node.DevInst, 0) == CR_SUCCESS ? Problem : 0;
}

/* Installs the driver for the hardware id and sees it start. */
static DWORD DriverUpdate(const ADAPTER_NODE *Adapter, const WCHAR *Path, bool *Reboot)
{
    BOOL Wanted = FALSE;
    if (!UpdateDriverForPlugAndPlayDevicesW(NULL, HardwareIds, Path, INSTALLFLAG_FORCE, &Wanted)) {
        DWORD Error = GetLastError();
        LogError("cannot install %s: %s%s", NarrowText(Path).Text, ErrorText(Error).Text,
                 Error == ERROR_ACCESS_DENIED ? " (run this as administrator, elevated)"
                                              : " (is the package complete, and is it signed?)");
        return Error;
    }
    *Reboot = Wanted != FALSE;
    /* Windows reports the installation of a driver that it then doesn't load (unsigned, say) as a success. */
    DWORD Error = *Reboot || AdapterAwait(START_TIMEOUT_MS) ? ERROR_SUCCESS : ERROR_DEVICE_NOT_AVAILABLE;
    if (Error) {
        LogError("the adapter doesn't start with the driver of %s (problem code %lu; 52: the driver is not signed and "
                 "test signing is off)",
                 NarrowText(Path).Text, NodeProblem(Adapter));
    }
    return Error;
}

/* Takes away what the failed installation of a first driver has left. */
static void InstallUndo(ADAPTER_NODE *Adapter)
{
    bool Ignored = false;
    if (NodeRemove(Adapter, &Ignored) || ServiceRemove(&Ignored) || PackagesRemove()) {
        LogWarning("what was installed could not be removed again (uninstall-driver may do it)");
    }
}

/* Installs the driver for the adapter; if that fails and there was no adapter before, nothing is left of it. */
static DWORD InstallFor(const WCHAR *Path, bool *Reboot)
{
    ADAPTER_NODE Adapter;
    bool Existed = NodeFind(&Adapter);
    DWORD Error = Existed ? ERROR_SUCCESS : NodeCreate(&Adapter);
    if (Error) {
        LogError("cannot register the WNBD adapter: %s", ErrorText(Error).Text);
        return Error;
    }
    Error = DriverUpdate(&Adapter, Path, Reboot);
    if (Error && !Existed) {
        InstallUndo(&Adapter);
    }
    NodeClose(&Adapter);
    return Error;
}

DWORD WnbdInstallDriver(CONST CHAR *FileName, PBOOL RebootRequired)
{
    WCHAR Path[MAX_PATH];
    bool Reboot = false;
    if (!FileName || !FileName[0]) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = FileLocate(FileName, Path, MAX_PATH);
    if (Error) {
        LogError("cannot install %s: %s", FileName, ErrorText(Error).Text);
        return Error;
    }
    if (!WindowsIsNewEnough()) {
        LogError("WNBD needs Windows %d build %d (Windows 10 1809, Windows Server 2019) or later",
                 WNBD_REQ_WIN_VERSION_MAJOR, WNBD_REQ_WIN_VERSION_BUILD);
        return ERROR_OLD_WIN_VERSION;
    }
    Error = PackageCheck(Path);
    if (Error) {
        return Error;
    }
    Error = InstallFor(Path, &Reboot);
    if (RebootRequired) {
        *RebootRequired = Reboot;
    }
    return Error;
}

/* Ends all disks, so that removing the adapter isn't refused because of them. */
static void DisconnectAll(void)
{
    TEXT Cause;
    HANDLE Adapter;
    if (AdapterOpen(&Adapter, &Cause)) {
        LogDebug("no disks to disconnect: %s", Cause.Text);
        return;
    }
    if (WnbdRemoveAllDisks(Adapter)) {
        LogWarning("not all disks could be disconnected before the driver is removed");
    }
    CloseHandle(Adapter);
}

/* Removes all adapters, present or not. */
static DWORD AdaptersRemove(bool *Reboot)
{
    ADAPTER_NODE Adapter;
    while (NodeFind(&Adapter)) {
        DWORD Error = NodeRemove(&Adapter, Reboot);
        NodeClose(&Adapter);
        if (Error) {
            LogError("cannot remove the WNBD adapter: %s%s", ErrorText(Error).Text,
                     Error == ERROR_ACCESS_DENIED ? " (run this as administrator, elevated)" : "");
            return Error;
        }
        if (*Reboot) {
            /* The node stays listed until the restart. */
            break;
        }
    }
    return ERROR_SUCCESS;
}

DWORD WnbdUninstallDriver(PBOOL RebootRequired)
{
    bool Reboot = false;
    bool Running = false;
    DisconnectAll();
    DWORD Error = AdaptersRemove(&Reboot);
    if (!Error) {
        Error = ServiceRemove(&Running);
    }
    if (!Error) {
        Error = PackagesRemove();
    }
    if (RebootRequired) {
        *RebootRequired = Reboot || Running;
    }
    return Error;
}
