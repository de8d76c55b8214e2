/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The disks that Windows has made of the adapter's units.
 *
 * The driver knows a disk by its address on the adapter; Windows gives it a
 * number and a device node a moment later, and takes them away a moment after
 * the disk went. So they are looked up at each call, never remembered: every
 * disk interface is asked for its SCSI address (IOCTL_SCSI_GET_ADDRESS), which
 * needs no rights. It is ours if the adapter is its parent in the device tree
 * or, where the system can't tell parents, if it has the adapter's port number
 * (the adapter answers IOCTL_SCSI_GET_ADDRESS itself since Windows 10 1809).
 */
#include "internal.h"

#include <string.h>
#include <winioctl.h>
#include <ntddscsi.h>

static const GUID DiskInterface = {0x53f56307, 0xb6bf, 0x11d0, {0x94, 0xf2, 0x00, 0xa0, 0xc9, 0x1e, 0xfb, 0x8b}};

/* What tells the adapter's disks from others. */
typedef struct {
    bool HasNode;
    DEVINST Node;
    bool HasPort;
    UCHAR Port;
} ADAPTER_IDENTITY;

/* A query without input, on a handle opened with or without FILE_FLAG_OVERLAPPED. */
static bool DeviceQuery(HANDLE Device, DWORD Code, void *Out, DWORD OutSize)
{
    OVERLAPPED Wait = {0};
    DWORD Returned = 0;
    Wait.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!Wait.hEvent) {
        return false;
    }
    bool Good = DeviceIoControl(Device, Code, NULL, 0, Out, OutSize, &Returned, &Wait) ||
                (GetLastError() == ERROR_IO_PENDING && GetOverlappedResult(Device, &Wait, &Returned, TRUE));
    CloseHandle(Wait.hEvent);
    return Good && Returned >= OutSize;
}

static ADAPTER_IDENTITY AdapterIdentify(HANDLE Adapter)
{
    ADAPTER_IDENTITY Identity = {0};
    SCSI_ADDRESS Address = {0};
    Identity.HasNode = AdapterDevInst(&Identity.Node);
    Identity.HasPort = DeviceQuery(Adapter, IOCTL_SCSI_GET_ADDRESS, &Address, sizeof(Address));
    Identity.Port = Address.PortNumber;
    return Identity;
}

static bool DiskIsOurs(const ADAPTER_IDENTITY *Identity, const WINDOWS_DISK *Disk)
{
    DEVINST Parent;
    if (Identity->HasNode && CM_Get_Parent(&Parent, Disk->DevInst, 0) == CR_SUCCESS) {
        return Parent == Identity->Node;
    }
    return Identity->HasPort && Identity->Port == Disk->Port;
}

/* Fills address and number of the disk at Path. */
static bool DiskAsk(const WCHAR *Path, WINDOWS_DISK *Disk)
{
    HANDLE Device = CreateFileW(Path, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (Device == INVALID_HANDLE_VALUE) {
        LogDebug("cannot open %s: %s", NarrowText(Path).Text, ErrorText(GetLastError()).Text);
        return false;
    }
    SCSI_ADDRESS Address = {0};
    STORAGE_DEVICE_NUMBER Number = {0};
    bool Good = DeviceQuery(Device, IOCTL_SCSI_GET_ADDRESS, &Address, sizeof(Address)) &&
                DeviceQuery(Device, IOCTL_STORAGE_GET_DEVICE_NUMBER, &Number, sizeof(Number));
    CloseHandle(Device);
    Disk->Port = Address.PortNumber;
    Disk->Bus = Address.PathId;
    Disk->Target = Address.TargetId;
    Disk->Lun = Address.Lun;
    Disk->Number = (INT32)Number.DeviceNumber;
    return Good;
}

static DWORD DisksAdd(WINDOWS_DISKS *Found, const WINDOWS_DISK *Disk)
{
    if (Found->Count == Found->Capacity) {
        UINT32 Capacity = Found->Capacity ? Found->Capacity * 2 : 8;
        HANDLE Heap = GetProcessHeap();
        WINDOWS_DISK *Larger = Found->Disks ? HeapReAlloc(Heap, 0, Found->Disks, Capacity * sizeof(*Larger))
                                            : HeapAlloc(Heap, 0, Capacity * sizeof(*Larger));
        if (!Larger) {
            return ERROR_OUTOFMEMORY;
        }
        Found->Disks = Larger;
        Found->Capacity = Capacity;
    }
    Found->Disks[Found->Count++] = *Disk;
    return ERROR_SUCCESS;
}

/* Reads one disk interface; false if it isn't one of the adapter's disks. */
static bool DiskRead(HDEVINFO Set, SP_DEVICE_INTERFACE_DATA *Data, const ADAPTER_IDENTITY *Identity, WINDOWS_DISK *Disk)
{
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_W Detail;
        BYTE Bytes[sizeof(SP_DEVICE_INTERFACE_DETAIL_DATA_W) + 512 * sizeof(WCHAR)];
    } Buffer;
    SP_DEVINFO_DATA Node = {0};
    Node.cbSize = sizeof(Node);
    Buffer.Detail.cbSize = sizeof(Buffer.Detail);
    if (!SetupDiGetDeviceInterfaceDetailW(Set, Data, &Buffer.Detail, sizeof(Buffer), NULL, &Node)) {
        return false;
    }
    memset(Disk, 0, sizeof(*Disk));
    Disk->DevInst = Node.DevInst;
    return DiskAsk(Buffer.Detail.DevicePath, Disk) && DiskIsOurs(Identity, Disk) &&
           SetupDiGetDeviceInstanceIdW(Set, &Node, Disk->InstanceId, WNBD_MAX_NAME_LENGTH, NULL);
}

DWORD WindowsDisksFind(HANDLE Adapter, WINDOWS_DISKS *Found)
{
    memset(Found, 0, sizeof(*Found));
    ADAPTER_IDENTITY Identity = AdapterIdentify(Adapter);
    HDEVINFO Set = SetupDiGetClassDevsW(&DiskInterface, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    if (Set == INVALID_HANDLE_VALUE) {
        return GetLastError();
    }
    DWORD Error = ERROR_SUCCESS;
    SP_DEVICE_INTERFACE_DATA Data = {0};
    Data.cbSize = sizeof(Data);
    for (DWORD Index = 0; !Error && SetupDiEnumDeviceInterfaces(Set, NULL, &DiskInterface, Index, &Data); Index++) {
        WINDOWS_DISK Disk;
        if (DiskRead(Set, &Data, &Identity, &Disk)) {
            Error = DisksAdd(Found, &Disk);
        }
    }
    SetupDiDestroyDeviceInfoList(Set);
    if (Error) {
        WindowsDisksFree(Found);
    }
    return Error;
}

bool WindowsDiskIsThere(const WCHAR *InstanceId)
{
    HDEVINFO Set = SetupDiGetClassDevsW(&DiskInterface, NULL, NULL, DIGCF_DEVICEINTERFACE | DIGCF_PRESENT);
    bool There = false;
    if (Set == INVALID_HANDLE_VALUE) {
        return false;
    }
    SP_DEVICE_INTERFACE_DATA Data = {0};
    Data.cbSize = sizeof(Data);
    for (DWORD Index = 0; !There && SetupDiEnumDeviceInterfaces(Set, NULL, &DiskInterface, Index, &Data); Index++) {
        WCHAR Id[WNBD_MAX_NAME_LENGTH];
        SP_DEVINFO_DATA Node = {0};
        Node.cbSize = sizeof(Node);
        /* Fails for want of room for the path, which isn't wanted; the node is filled nevertheless. */
        SetupDiGetDeviceInterfaceDetailW(Set, &Data, NULL, 0, NULL, &Node);
        There = (Data.Flags & SPINT_ACTIVE) != 0 &&
                SetupDiGetDeviceInstanceIdW(Set, &Node, Id, WNBD_MAX_NAME_LENGTH, NULL) &&
                lstrcmpiW(Id, InstanceId) == 0;
    }
    SetupDiDestroyDeviceInfoList(Set);
    return There;
}

void WindowsDisksFree(WINDOWS_DISKS *Found)
{
    if (Found->Disks) {
        HeapFree(GetProcessHeap(), 0, Found->Disks);
    }
    memset(Found, 0, sizeof(*Found));
}

const WINDOWS_DISK *WindowsDiskOf(const WINDOWS_DISKS *Found, const WNBD_CONNECTION_INFO *Info)
{
    for (UINT32 Index = 0; Index < Found->Count; Index++) {
        const WINDOWS_DISK *Disk = &Found->Disks[Index];
        if (Disk->Bus == Info->BusNumber && Disk->Target == Info->TargetId && Disk->Lun == Info->Lun) {
            return Disk;
        }
    }
    return NULL;
}

void WindowsDiskDescribe(const WINDOWS_DISK *Disk, WNBD_CONNECTION_INFO *Info)
{
    Info->DiskNumber = Disk ? Disk->Number : -1;
    memset(Info->PNPDeviceID, 0, sizeof(Info->PNPDeviceID));
    if (Disk) {
        memcpy(Info->PNPDeviceID, Disk->InstanceId, sizeof(Info->PNPDeviceID));
        Info->PNPDeviceID[WNBD_MAX_NAME_LENGTH - 1] = 0;
    }
}
