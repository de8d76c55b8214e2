/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CM_Query_And_Remove_SubTreeW and CM_Setup_DevNode, which Wine has as stubs, for an adapter of the test bed's port
 * driver. That asks and removes (testbed/storport/remove.c); Wine itself starts a root-enumerated device that it
 * doesn't have when the driver's service is told to look for new ones, as its setupapi does after an installation.
 *
 * Source: WDK, "CM_Query_And_Remove_SubTreeW function" and "CM_Setup_DevNode function".
 */
#include "node.h"

#include <setupapi.h>
#include <winioctl.h>
#include <winsvc.h>

#include "eject_ioctl.h"

#define WAIT_MS 30000
#define POLL_MS 100
/* Wine's own: see its winedevice. */
#define SERVICE_CONTROL_REENUMERATE_ROOT_DEVICES 128

/* GUID_DEVINTERFACE_STORAGEPORT */
static const GUID PortInterface = {0x2ACCFE60, 0xC130, 0x11D2, {0xB0, 0x82, 0x00, 0xA0, 0xC9, 0x1E, 0xFB, 0x8B}};

/* A device that was removed with CM_REMOVE_NO_RESTART: READY alone doesn't start it. */
static volatile LONG MayNotRestart;

typedef union {
    SP_DEVICE_INTERFACE_DETAIL_DATA_W Detail;
    BYTE Bytes[sizeof(SP_DEVICE_INTERFACE_DETAIL_DATA_W) + 512 * sizeof(WCHAR)];
} PATH;

/* The way to the adapter, which has one as long as it works. */
static BOOL PortFind(const WCHAR *InstanceId, PATH *Path)
{
    SP_DEVICE_INTERFACE_DATA Data = {.cbSize = sizeof(Data)};
    BOOL Found = FALSE;
    HDEVINFO Set = SetupDiGetClassDevsW(&PortInterface, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    if (Set == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    for (DWORD Index = 0; !Found && SetupDiEnumDeviceInterfaces(Set, NULL, &PortInterface, Index, &Data); Index++) {
        WCHAR Id[MAX_DEVICE_ID_LEN];
        SP_DEVINFO_DATA Device = {.cbSize = sizeof(Device)};
        Path->Detail.cbSize = sizeof(Path->Detail);
        Found = SetupDiGetDeviceInterfaceDetailW(Set, &Data, &Path->Detail, sizeof(*Path), NULL, &Device) &&
                SetupDiGetDeviceInstanceIdW(Set, &Device, Id, MAX_DEVICE_ID_LEN, NULL) &&
                lstrcmpiW(Id, InstanceId) == 0;
    }
    SetupDiDestroyDeviceInfoList(Set);
    return Found;
}

static BOOL PortRemove(const WCHAR *Path, PORT_REMOVE_ANSWER *Output)
{
    DWORD Returned = 0;
    HANDLE Port = CreateFileW(Path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, 0, NULL);
    if (Port == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    BOOL Good = DeviceIoControl(Port, PORT_IOCTL_REMOVE, NULL, 0, Output, sizeof(*Output), &Returned, NULL) &&
                Returned == sizeof(*Output);
    CloseHandle(Port);
    return Good;
}

CONFIGRET WINAPI CM_Query_And_Remove_SubTreeW(DEVINST Node, PPNP_VETO_TYPE VetoType, LPWSTR VetoName, ULONG NameLength,
                                              ULONG Flags)
{
    const WCHAR *Id = NodeInstanceId(Node);
    PATH Path;
    PORT_REMOVE_ANSWER Output;
    if (Flags & ~(ULONG)(CM_REMOVE_UI_NOT_OK | CM_REMOVE_NO_RESTART)) {
        return CR_INVALID_FLAG;
    }
    if (!Id) {
        return CR_INVALID_DEVNODE;
    }
    if (!PortFind(Id, &Path)) {
        return CR_NO_SUCH_DEVNODE;
    }
    if (!PortRemove(Path.Detail.DevicePath, &Output)) {
        return CR_FAILURE;
    }
    if (Output.Answer.Veto != PORT_EJECT_NO_VETO) {
        if (VetoType) {
            *VetoType = (PNP_VETO_TYPE)Output.Answer.Veto;
        }
        if (VetoName && NameLength > 0) {
            lstrcpynW(VetoName, Output.Id[0] ? (const WCHAR *)Output.Id : Id, (int)NameLength);
        }
        return CR_REMOVE_VETOED;
    }
    InterlockedExchange(&MayNotRestart, (Flags & CM_REMOVE_NO_RESTART) != 0);
    for (DWORD Waited = 0; PortFind(Id, &Path); Waited += POLL_MS) {
        if (Waited >= WAIT_MS) {
            return CR_FAILURE;
        }
        Sleep(POLL_MS);
    }
    return CR_SUCCESS;
}

/* The service of the device's driver. */
static SC_HANDLE ServiceOpen(SC_HANDLE Manager, const WCHAR *InstanceId)
{
    WCHAR Name[256];
    SP_DEVINFO_DATA Device = {.cbSize = sizeof(Device)};
    SC_HANDLE Service = NULL;
    HDEVINFO Set = SetupDiCreateDeviceInfoList(NULL, NULL);
    if (SetupDiOpenDeviceInfoW(Set, InstanceId, NULL, 0, &Device) &&
        SetupDiGetDeviceRegistryPropertyW(Set, &Device, SPDRP_SERVICE, NULL, (BYTE *)Name, sizeof(Name), NULL)) {
        Service = OpenServiceW(Manager, Name, SERVICE_START | SERVICE_USER_DEFINED_CONTROL);
    }
    SetupDiDestroyDeviceInfoList(Set);
    return Service;
}

/* Wine has the device until the last of its removal, which comes after that of its interface: tried again so long. */
static CONFIGRET ServiceStartDevice(SC_HANDLE Service, const WCHAR *InstanceId)
{
    PATH Path;
    for (DWORD Waited = 0; Waited < WAIT_MS && !PortFind(InstanceId, &Path); Waited += POLL_MS) {
        SERVICE_STATUS Status;
        if (!ControlService(Service, SERVICE_CONTROL_REENUMERATE_ROOT_DEVICES, &Status)) {
            StartServiceW(Service, 0, NULL);
        }
        Sleep(POLL_MS);
    }
    return PortFind(InstanceId, &Path) ? CR_SUCCESS : CR_FAILURE;
}

CONFIGRET WINAPI CM_Setup_DevNode(DEVINST Node, ULONG Flags)
{
    const WCHAR *Id = NodeInstanceId(Node);
    if (!Id) {
        return CR_INVALID_DEVNODE;
    }
    if (Flags == CM_SETUP_DEVNODE_RESET) {
        InterlockedExchange(&MayNotRestart, FALSE);
        return CR_SUCCESS;
    }
    if (Flags != CM_SETUP_DEVNODE_READY) {
        return CR_INVALID_FLAG;
    }
    if (MayNotRestart) {
        return CR_SUCCESS;
    }
    SC_HANDLE Manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE Service = Manager ? ServiceOpen(Manager, Id) : NULL;
    CONFIGRET Result = Service ? ServiceStartDevice(Service, Id) : CR_FAILURE;
    if (Service) {
        CloseServiceHandle(Service);
    }
    if (Manager) {
        CloseServiceHandle(Manager);
    }
    return Result;
}
