/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool's requests to the adapter: resources and leak, which are about what the drivers under Wine own (see
 * resource_ioctl.h), reset-bus, power (power_ioctl.h), and order, what the port driver shall do that it seldom does
 * (order_ioctl.h).
 */
#include "disktool.h"

#include "../storport/order_ioctl.h"
#include "../storport/power_ioctl.h"
#include "../storport/resource_ioctl.h"

#include <setupapi.h>
#include <stdlib.h>
#include <string.h>

/* GUID_DEVINTERFACE_STORAGEPORT */
static const GUID PortInterface = {0x2ACCFE60, 0xC130, 0x11D2, {0xB0, 0x82, 0x00, 0xA0, 0xC9, 0x1E, 0xFB, 0x8B}};

static bool PortOpen(DISK *Port)
{
    HDEVINFO Set = SetupDiGetClassDevsA(&PortInterface, NULL, NULL, DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
    SP_DEVICE_INTERFACE_DATA Interface = {.cbSize = sizeof(Interface)};
    union {
        SP_DEVICE_INTERFACE_DETAIL_DATA_A Detail;
        char Room[1024];
    } Path;

    Port->Handle = INVALID_HANDLE_VALUE;
    Path.Detail.cbSize = sizeof(Path.Detail);
    if (Set == INVALID_HANDLE_VALUE || !SetupDiEnumDeviceInterfaces(Set, NULL, &PortInterface, 0, &Interface) ||
        !SetupDiGetDeviceInterfaceDetailA(Set, &Interface, &Path.Detail, sizeof(Path), NULL, NULL)) {
        ComplainError(GetLastError(), "there is no adapter");
    } else {
        Port->Handle = CreateFileA(Path.Detail.DevicePath, GENERIC_READ | GENERIC_WRITE,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
        if (Port->Handle == INVALID_HANDLE_VALUE) {
            ComplainError(GetLastError(), "cannot open %s", Path.Detail.DevicePath);
        }
    }
    if (Set != INVALID_HANDLE_VALUE) {
        SetupDiDestroyDeviceInfoList(Set);
    }
    return Port->Handle != INVALID_HANDLE_VALUE;
}

/* Returned may be NULL. */
static bool PortControl(DWORD Code, void *Input, DWORD InputBytes, void *Output, DWORD OutputBytes, DWORD *Returned)
{
    DISK Port = {0};
    DWORD Error;

    if (!PortOpen(&Port)) {
        return false;
    }
    Error = DiskControl(&Port, Code, Input, InputBytes, Output, OutputBytes, Returned);
    CloseHandle(Port.Handle);
    if (Error != 0) {
        ComplainError(Error, "the adapter refuses request 0x%08lx", (unsigned long)Code);
    }
    return Error == 0;
}

bool CommandResources(void)
{
    char *Text = AllocatePages(RESOURCE_REPORT_BYTES);
    DWORD Bytes = 0;

    if (!PortControl(RESOURCE_IOCTL_REPORT, NULL, 0, Text, RESOURCE_REPORT_BYTES, &Bytes)) {
        return false;
    }
    fwrite(Text, 1, Bytes, stdout);
    return true;
}

bool CommandLeak(const WORDS *Words)
{
    static const char *const Kinds[] = RESOURCE_KINDS;
    RESOURCE_LEAK Leak = {.Kind = 0};

    if (Words->Count < 1 || Words->Count > 2 || (Words->Count == 2 && strlen(Words->Word[1]) != sizeof(Leak.Tag))) {
        Complain("usage: disktool leak KIND [TAG], with a tag of 4 characters");
        exit(2);
    }
    while (Leak.Kind < RESOURCE_KIND_COUNT && strcmp(Kinds[Leak.Kind], Words->Word[0]) != 0) {
        Leak.Kind++;
    }
    if (strcmp(Words->Word[0], "nothing") == 0) {
        Leak.Kind = RESOURCE_NOTHING;
    } else if (Leak.Kind == RESOURCE_KIND_COUNT) {
        Complain("%s is no kind of thing that is counted", Words->Word[0]);
        exit(2);
    }
    if (Words->Count == 2) {
        memcpy(&Leak.Tag, Words->Word[1], sizeof(Leak.Tag));
    }
    return PortControl(RESOURCE_IOCTL_LEAK, &Leak, sizeof(Leak), NULL, 0, NULL);
}

bool CommandResetBus(void)
{
    STORAGE_BUS_RESET_REQUEST Request = {.PathId = 0};

    return PortControl(IOCTL_STORAGE_RESET_BUS, &Request, sizeof(Request), NULL, 0, NULL);
}

bool CommandPower(const WORDS *Words)
{
    ULONG On;

    if (Words->Count != 1 || (strcmp(Words->Word[0], "on") != 0 && strcmp(Words->Word[0], "off") != 0)) {
        Complain("usage: disktool power off|on");
        exit(2);
    }
    On = strcmp(Words->Word[0], "on") == 0;
    return PortControl(PORT_IOCTL_POWER, &On, sizeof(On), NULL, 0, NULL);
}

bool CommandOrder(const WORDS *Words)
{
    static const char *const Kinds[] = {"miss", "refuse"};
    PORT_ORDER Order = {.Kind = PORT_ORDER_MISS};
    uint64_t Times;

    if (Words->Count != 2 || !ParseNumber("TIMES", Words->Word[1], &Times) || Times > 1000) {
        Complain("usage: disktool order miss|refuse TIMES");
        exit(2);
    }
    while (Order.Kind <= PORT_ORDER_REFUSE && strcmp(Kinds[Order.Kind], Words->Word[0]) != 0) {
        Order.Kind++;
    }
    if (Order.Kind > PORT_ORDER_REFUSE) {
        Complain("%s is nothing that the port driver can be told to do", Words->Word[0]);
        exit(2);
    }
    Order.Count = (unsigned)Times;
    return PortControl(PORT_IOCTL_ORDER, &Order, sizeof(Order), NULL, 0, NULL);
}
