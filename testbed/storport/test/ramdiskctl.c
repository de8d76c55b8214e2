/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramdiskctl.exe: installs the RAM disk miniport and tells it what to do (ramdisk.h), for the port driver's tests.
 *   ramdiskctl install INF [FAULT]     FAULT: a rule of conduct.h that it shall break
 *   ramdiskctl remove                  the adapter, then the service: DriverUnload runs
 *   ramdiskctl COMMAND [TARGET [VALUE]]   COMMAND: a number of ramdisk.h; prints the state, one "name value" per line
 * Exit status 0 when done, else the Win32 error on stderr and 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <newdev.h>
#include <setupapi.h>

#include "ramdisk.h"

static const GUID AdapterClass = {0x4d36e97b, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};
static const GUID Interface = {0x7A5C4B2E, 0x2B7A, 0x4B43, {0x9D, 0x55, 0x52, 0x41, 0x4D, 0x44, 0x49, 0x53}};
static const char HardwareId[] = "root\\wnbdramdisk\0";

static int Fail(const char *What)
{
    fprintf(stderr, "ramdiskctl: %s: error %lu\n", What, (unsigned long)GetLastError());
    return 1;
}

static int SetFault(const char *Fault)
{
    HKEY Key;
    LONG Error = RegCreateKeyExA(HKEY_LOCAL_MACHINE, "SYSTEM\\CurrentControlSet\\Services\\ramdisk\\Parameters", 0,
                                 NULL, 0, KEY_ALL_ACCESS, NULL, &Key, NULL);

    if (Error == ERROR_SUCCESS) {
        Error = RegSetValueExA(Key, "Fault", 0, REG_SZ, (const BYTE *)Fault, (DWORD)strlen(Fault) + 1);
        RegCloseKey(Key);
    }
    SetLastError((DWORD)Error);
    return Error == ERROR_SUCCESS ? 0 : Fail("cannot write the service's Parameters key");
}

static int Install(const char *Inf)
{
    SP_DEVINFO_DATA Device = {.cbSize = sizeof(Device)};
    HDEVINFO Set = SetupDiCreateDeviceInfoList(&AdapterClass, NULL);
    BOOL Reboot = FALSE;

    if (Set == INVALID_HANDLE_VALUE ||
        !SetupDiCreateDeviceInfoA(Set, "SCSIADAPTER", &AdapterClass, NULL, NULL, DICD_GENERATE_ID, &Device) ||
        !SetupDiSetDeviceRegistryPropertyA(Set, &Device, SPDRP_HARDWAREID, (const BYTE *)HardwareId,
                                           sizeof(HardwareId)) ||
        !SetupDiCallClassInstaller(DIF_REGISTERDEVICE, Set, &Device))
        return Fail("cannot create the adapter's device node");
    if (!UpdateDriverForPlugAndPlayDevicesA(NULL, HardwareId, Inf, INSTALLFLAG_FORCE, &Reboot))
        return Fail("cannot install the driver");
    SetupDiDestroyDeviceInfoList(Set);
    return 0;
}

static int StopService(void)
{
    SC_HANDLE Manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    SC_HANDLE Service = OpenServiceA(Manager, "ramdisk", SERVICE_ALL_ACCESS);
    SERVICE_STATUS Status;

    if (Service == NULL)
        return Fail("cannot open the service");
    if (!ControlService(Service, SERVICE_CONTROL_STOP, &Status))
        return Fail("cannot stop the service");
    CloseServiceHandle(Service);
    CloseServiceHandle(Manager);
    return 0;
}

static int Remove(void)
{
    SP_DEVINFO_DATA Device = {.cbSize = sizeof(Device)};
    HDEVINFO Set = SetupDiGetClassDevsA(&AdapterClass, NULL, NULL, DIGCF_PRESENT);
    char Id[256];
    DWORD i;

    for (i = 0; SetupDiEnumDeviceInfo(Set, i, &Device); ++i) {
        if (!SetupDiGetDeviceRegistryPropertyA(Set, &Device, SPDRP_HARDWAREID, NULL, (BYTE *)Id, sizeof(Id), NULL) ||
            _stricmp(Id, HardwareId) != 0)
            continue;
        if (!SetupDiCallClassInstaller(DIF_REMOVE, Set, &Device))
            return Fail("cannot remove the adapter");
        SetupDiDestroyDeviceInfoList(Set);
        return StopService();
    }
    SetLastError(ERROR_NOT_FOUND);
    return Fail("there is no adapter");
}

static HANDLE OpenAdapter(void)
{
    HDEVINFO Set = SetupDiGetClassDevsA(&Interface, NULL, NULL, DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
    SP_DEVICE_INTERFACE_DATA Data = {.cbSize = sizeof(Data)};
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_A Detail;
        char Room[600];
    } Buffer = {.Detail = {.cbSize = sizeof(Buffer.Detail)}};
    HANDLE Adapter = INVALID_HANDLE_VALUE;

    if (SetupDiEnumDeviceInterfaces(Set, NULL, &Interface, 0, &Data) &&
        SetupDiGetDeviceInterfaceDetailA(Set, &Data, &Buffer.Detail, sizeof(Buffer), NULL, NULL))
        Adapter = CreateFileA(Buffer.Detail.DevicePath, GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    return Adapter;
}

static int Command(int argc, char **argv)
{
    RAM_COMMAND In = {(unsigned)atoi(argv[1]), argc > 2 ? (unsigned)atoi(argv[2]) : 0,
                      argc > 3 ? (unsigned)atoi(argv[3]) : 0};
    RAM_STATE State = {0};
    HANDLE Adapter = OpenAdapter();
    DWORD Returned;

    if (Adapter == INVALID_HANDLE_VALUE)
        return Fail("cannot open the adapter");
    if (!DeviceIoControl(Adapter, RAM_IOCTL, &In, sizeof(In), &State, sizeof(State), &Returned, NULL))
        return Fail("the adapter refused the command");
    CloseHandle(Adapter);
    printf("result %u\nheld %u\nmaximum-held %u\nlun-resets %u\ntarget-resets %u\nbus-resets %u\ninquiries %u\n"
           "unit-starts %u\nunit-removes %u\nunit-surprises %u\nlast-data-unusable %u\n",
           State.Result, State.Held, State.MaximumHeld, State.LunResets, State.TargetResets, State.BusResets,
           State.Inquiries, State.UnitStarts, State.UnitRemoves, State.UnitSurprises, State.LastDataUnusable);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "install") == 0)
        return argc > 3 && SetFault(argv[3]) != 0 ? 1 : Install(argv[2]);
    if (argc == 2 && strcmp(argv[1], "remove") == 0)
        return Remove();
    if (argc >= 2)
        return Command(argc, argv);
    fputs("usage: ramdiskctl install INF [FAULT] | remove | COMMAND [TARGET [VALUE]]\n", stderr);
    return 2;
}
