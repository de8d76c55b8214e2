/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asking Windows to let go of a device, once.
 *
 * Source: WDK, "CM_Request_Device_EjectW function" and "PNP_VETO_TYPE".
 */
#include "internal.h"

typedef CONFIGRET(WINAPI *EJECT_FUNCTION)(DEVINST, PPNP_VETO_TYPE, LPWSTR, ULONG, ULONG);

/* cfgmgr32 is in the process because we import from it; but not each one has this function. */
static EJECT_FUNCTION EjectFunction(void)
{
    HMODULE Library = GetModuleHandleW(L"cfgmgr32.dll");
    return Library ? (EJECT_FUNCTION)(void *)GetProcAddress(Library, "CM_Request_Device_EjectW") : NULL;
}

static const char *VetoText(PNP_VETO_TYPE Type)
{
    static const char *const Texts[] = {
        "unknown",
        "a legacy device",
        "a removal that is still going on",
        "a program",
        "a service",
        "an open file or handle",
        "a device",
        "a driver",
        "a device that can't be removed now",
        "too little power",
        "a device that can't be disabled",
        "a legacy driver",
        "missing rights",
        "the device has already been removed",
    };
    return (size_t)Type < sizeof(Texts) / sizeof(Texts[0]) ? Texts[Type] : Texts[0];
}

DWORD EjectDevice(const char *Name, const WCHAR *InstanceId, TEXT *Cause)
{
    EJECT_FUNCTION Eject = EjectFunction();
    if (!Eject) {
        *Cause = FormatText("it can't be asked: this system's cfgmgr32.dll has no CM_Request_Device_EjectW");
        return ERROR_REMOVE_FAILED;
    }
    DEVINST Node;
    PNP_VETO_TYPE VetoType = PNP_VetoTypeUnknown;
    WCHAR VetoName[MAX_PATH] = L"";
    CONFIGRET Result = CM_Locate_DevNodeW(&Node, (DEVINSTID_W)(ULONG_PTR)InstanceId, CM_LOCATE_DEVNODE_NORMAL);
    if (Result == CR_SUCCESS) {
        Result = Eject(Node, &VetoType, VetoName, MAX_PATH, 0);
    }
    switch (Result) {
    case CR_SUCCESS:
    case CR_NO_SUCH_DEVNODE:
        return ERROR_SUCCESS;
    case CR_REMOVE_VETOED:
        if (VetoType == PNP_VetoAlreadyRemoved) {
            return ERROR_SUCCESS;
        }
        *Cause = FormatText("vetoed by %s (PNP_VETO_TYPE %d): %s", VetoText(VetoType), (int)VetoType,
                            NarrowText(VetoName).Text);
        LogDebug("Windows refuses to remove %s (%s): %s", Name, NarrowText(InstanceId).Text, Cause->Text);
        return ERROR_BUSY;
    default:
        *Cause = FormatText("asking failed with configuration manager error 0x%lx", Result);
        return ERROR_REMOVE_FAILED;
    }
}
