/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * cfgmgr32.dll for Wine, beside the program and chosen by WINEDLLOVERRIDES: Wine's own has no
 * CM_Request_Device_EjectW, and no more than a stub of what finds the device (node.c). The half of it that is the PnP
 * manager's is done by the test bed's port driver (testbed/storport/eject.c), which sends the requests to the device's
 * drivers.
 *
 * Source: WDK, "CM_Request_Device_EjectW function" and "PNP_VETO_TYPE".
 */
#include "node.h"

#include <setupapi.h>
#include <winioctl.h>

#include "eject_ioctl.h"

/* GUID_DEVINTERFACE_STORAGEPORT */
static const GUID PortInterface = {0x2ACCFE60, 0xC130, 0x11D2, {0xB0, 0x82, 0x00, 0xA0, 0xC9, 0x1E, 0xFB, 0x8B}};

static BOOL PortEject(const WCHAR *Path, const WCHAR *InstanceId, PORT_EJECT_ANSWER *Answer)
{
    HANDLE Port = CreateFileW(Path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, 0, NULL);
    if (Port == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    DWORD Returned = 0;
    DWORD Length = ((DWORD)lstrlenW(InstanceId) + 1) * sizeof(WCHAR);
    BOOL Good = DeviceIoControl(Port, PORT_IOCTL_EJECT, (void *)(ULONG_PTR)InstanceId, Length, Answer, sizeof(*Answer),
                                &Returned, NULL) &&
                Returned == sizeof(*Answer);
    CloseHandle(Port);
    return Good;
}

/* Asks one adapter after the other, until one knows the device. */
static BOOL Eject(const WCHAR *InstanceId, PORT_EJECT_ANSWER *Answer)
{
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_W Detail;
        BYTE Bytes[sizeof(SP_DEVICE_INTERFACE_DETAIL_DATA_W) + 512 * sizeof(WCHAR)];
    } Buffer;
    SP_DEVICE_INTERFACE_DATA Data = {0};
    BOOL Known = FALSE;
    HDEVINFO Set = SetupDiGetClassDevsW(&PortInterface, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    if (Set == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    Data.cbSize = sizeof(Data);
    for (DWORD Index = 0; !Known && SetupDiEnumDeviceInterfaces(Set, NULL, &PortInterface, Index, &Data); Index++) {
        Buffer.Detail.cbSize = sizeof(Buffer.Detail);
        Known = SetupDiGetDeviceInterfaceDetailW(Set, &Data, &Buffer.Detail, sizeof(Buffer), NULL, NULL) &&
                PortEject(Buffer.Detail.DevicePath, InstanceId, Answer);
    }
    SetupDiDestroyDeviceInfoList(Set);
    return Known;
}

CONFIGRET WINAPI CM_Request_Device_EjectW(DEVINST Node, PPNP_VETO_TYPE VetoType, LPWSTR VetoName, ULONG NameLength,
                                          ULONG Flags)
{
    const WCHAR *InstanceId = NodeInstanceId(Node);
    PORT_EJECT_ANSWER Answer;
    if (Flags != 0) {
        return CR_INVALID_FLAG;
    }
    if (!InstanceId) {
        return CR_INVALID_DEVNODE;
    }
    if (!Eject(InstanceId, &Answer)) {
        return CR_NO_SUCH_DEVNODE;
    }
    if (Answer.Veto == PORT_EJECT_NO_VETO) {
        return CR_SUCCESS;
    }
    if (VetoType) {
        *VetoType = (PNP_VETO_TYPE)Answer.Veto;
    }
    if (VetoName && NameLength > 0) {
        /* Of all the kinds that the port driver tells, it is the device's instance id. */
        lstrcpynW(VetoName, InstanceId, (int)NameLength);
    }
    return CR_REMOVE_VETOED;
}
