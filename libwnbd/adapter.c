/* SPDX-License-Identifier: LGPL-2.1-only */
/* The adapter: finding and opening it, and the versions of driver and library. */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <version.h>

#define AWAIT_POLL_MS 50

/* The node of a device of a list, by a number that outlives the list. */
static bool AdapterNode(HDEVINFO Set, SP_DEVINFO_DATA *Data, DEVINST *Node)
{
    WCHAR Id[MAX_DEVICE_ID_LEN];
    return SetupDiGetDeviceInstanceIdW(Set, Data, Id, MAX_DEVICE_ID_LEN, NULL) &&
           CM_Locate_DevNodeW(Node, Id, CM_LOCATE_DEVNODE_NORMAL) == CR_SUCCESS;
}

/* Reads path and node of an interface; false if the system won't say. */
static bool AdapterDetail(HDEVINFO Set, SP_DEVICE_INTERFACE_DATA *Data, ADAPTER_INTERFACE *Interface)
{
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_W Detail;
        BYTE Bytes[sizeof(SP_DEVICE_INTERFACE_DETAIL_DATA_W) + sizeof(Interface->Path)];
    } Buffer;
    SP_DEVINFO_DATA Node = {0};
    Node.cbSize = sizeof(Node);
    Buffer.Detail.cbSize = sizeof(Buffer.Detail);
    if (!SetupDiGetDeviceInterfaceDetailW(Set, Data, &Buffer.Detail, sizeof(Buffer), NULL, &Node)) {
        LogWarning("cannot read the path of an adapter: %s", ErrorText(GetLastError()).Text);
        return false;
    }
    size_t Length = wcslen(Buffer.Detail.DevicePath);
    if (Length >= sizeof(Interface->Path) / sizeof(WCHAR) || !AdapterNode(Set, &Node, &Interface->DevInst)) {
        return false;
    }
    memcpy(Interface->Path, Buffer.Detail.DevicePath, (Length + 1) * sizeof(WCHAR));
    return true;
}

bool AdapterEnumerate(DWORD Index, ADAPTER_INTERFACE *Interface)
{
    HDEVINFO Set = SetupDiGetClassDevsW(&WNBD_GUID, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    if (Set == INVALID_HANDLE_VALUE) {
        return false;
    }
    SP_DEVICE_INTERFACE_DATA Data = {0};
    Data.cbSize = sizeof(Data);
    bool Found =
        SetupDiEnumDeviceInterfaces(Set, NULL, &WNBD_GUID, Index, &Data) && AdapterDetail(Set, &Data, Interface);
    SetupDiDestroyDeviceInfoList(Set);
    return Found;
}

bool AdapterDevInst(DEVINST *DevInst)
{
    ADAPTER_INTERFACE Interface;
    if (!AdapterEnumerate(0, &Interface)) {
        return false;
    }
    *DevInst = Interface.DevInst;
    return true;
}

bool AdapterAwait(DWORD TimeoutMs)
{
    DEADLINE Deadline = DeadlineAfter(TimeoutMs, false);
    DEVINST Node;
    while (!AdapterDevInst(&Node)) {
        if (!DeadlinePause(&Deadline, AWAIT_POLL_MS)) {
            return false;
        }
    }
    return true;
}

DWORD AdapterOpen(HANDLE *Adapter, TEXT *Cause)
{
    ADAPTER_INTERFACE Interface;
    DWORD Error = ERROR_SUCCESS;
    for (DWORD Index = 0; AdapterEnumerate(Index, &Interface); Index++) {
        *Adapter = CreateFileW(Interface.Path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                               OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
        if (*Adapter != INVALID_HANDLE_VALUE) {
            return ERROR_SUCCESS;
        }
        Error = GetLastError();
        LogDebug("cannot open %s: %s", NarrowText(Interface.Path).Text, ErrorText(Error).Text);
    }
    if (Error == ERROR_SUCCESS) {
        *Cause = FormatText("there is no WNBD adapter: the driver is not installed, or its device is disabled (to "
                            "install it, run wnbd-client install-driver)");
    } else if (Error == ERROR_ACCESS_DENIED) {
        *Cause = FormatText("access to the WNBD adapter is denied: run this as administrator, elevated");
    } else {
        *Cause = FormatText("cannot open the WNBD adapter: %s", ErrorText(Error).Text);
    }
    return ERROR_OPEN_FAILED;
}

DWORD WnbdOpenAdapter(PHANDLE Handle)
{
    TEXT Cause;
    HANDLE Adapter;
    if (!Handle) {
        return ERROR_INVALID_PARAMETER;
    }
    DWORD Error = AdapterOpen(&Adapter, &Cause);
    if (Error) {
        LogError("%s", Cause.Text);
        return Error;
    }
    *Handle = Adapter;
    return ERROR_SUCCESS;
}

DWORD WnbdGetAdapterDevInst(PDEVINST DeviceInst)
{
    if (!DeviceInst) {
        return ERROR_INVALID_PARAMETER;
    }
    if (!AdapterDevInst(DeviceInst)) {
        LogError("there is no WNBD adapter: the driver is not installed, or its device is disabled");
        return ERROR_OPEN_FAILED;
    }
    return ERROR_SUCCESS;
}

DWORD WnbdGetLibVersion(PWNBD_VERSION Version)
{
    if (!Version) {
        return ERROR_INVALID_PARAMETER;
    }
    memset(Version, 0, sizeof(*Version));
    Version->Major = WNBD_VERSION_MAJOR;
    Version->Minor = WNBD_VERSION_MINOR;
    Version->Patch = WNBD_VERSION_PATCH;
    snprintf(Version->Description, sizeof(Version->Description), "%s", WNBD_VERSION_STRING);
    return ERROR_SUCCESS;
}

DWORD WnbdGetDriverVersion(PWNBD_VERSION Version)
{
    if (!Version) {
        return ERROR_INVALID_PARAMETER;
    }
    HANDLE Adapter;
    DWORD Error = WnbdOpenAdapter(&Adapter);
    if (Error) {
        return Error;
    }
    Error = WnbdIoctlVersion(Adapter, Version, NULL);
    CloseHandle(Adapter);
    return Error;
}
