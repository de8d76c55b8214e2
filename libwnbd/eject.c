/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Asking Windows to let go of a device, once, and to start it again.
 *
 * Source: WDK, "CM_Request_Device_EjectW function", "CM_Query_And_Remove_SubTreeW
 * function", "CM_Setup_DevNode function" and "PNP_VETO_TYPE".
 */
#include "internal.h"

/* Both functions that ask. */
typedef CONFIGRET(WINAPI *ASK_FUNCTION)(DEVINST, PPNP_VETO_TYPE, LPWSTR, ULONG, ULONG);
typedef CONFIGRET(WINAPI *SETUP_FUNCTION)(DEVINST, ULONG);

/* cfgmgr32 is in the process because we import from it; but not each one has these functions. */
static void *ManagerFunction(const char *Name, TEXT *Cause)
{
    HMODULE Library = GetModuleHandleW(L"cfgmgr32.dll");
    void *Function = Library ? (void *)GetProcAddress(Library, Name) : NULL;
    if (!Function) {
        *Cause = FormatText("it can't be asked: this system's cfgmgr32.dll has no %s", Name);
    }
    return Function;
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

/* Asks once. ERROR_BUSY: somebody objected. */
static DWORD Ask(ASK_FUNCTION Function, DEVINST Node, ULONG Flags, TEXT *Cause)
{
    PNP_VETO_TYPE VetoType = PNP_VetoTypeUnknown;
    WCHAR VetoName[MAX_PATH] = L"";
    CONFIGRET Result = Function(Node, &VetoType, VetoName, MAX_PATH, Flags);
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
        return ERROR_BUSY;
    case CR_ACCESS_DENIED:
        *Cause = FormatText("access is denied: run this as administrator, elevated");
        return ERROR_ACCESS_DENIED;
    default:
        *Cause = FormatText("asking failed with configuration manager error 0x%lx", Result);
        return ERROR_REMOVE_FAILED;
    }
}

DWORD EjectDevice(const char *Name, const WCHAR *InstanceId, TEXT *Cause)
{
    DEVINST Node;
    ASK_FUNCTION Eject = (ASK_FUNCTION)ManagerFunction("CM_Request_Device_EjectW", Cause);
    if (!Eject) {
        return ERROR_REMOVE_FAILED;
    }
    CONFIGRET Located = CM_Locate_DevNodeW(&Node, (DEVINSTID_W)(ULONG_PTR)InstanceId, CM_LOCATE_DEVNODE_NORMAL);
    if (Located == CR_NO_SUCH_DEVNODE) {
        return ERROR_SUCCESS;
    }
    if (Located != CR_SUCCESS) {
        *Cause = FormatText("asking failed with configuration manager error 0x%lx", Located);
        return ERROR_REMOVE_FAILED;
    }
    DWORD Error = Ask(Eject, Node, 0, Cause);
    if (Error == ERROR_BUSY) {
        LogDebug("Windows refuses to remove %s (%s): %s", Name, NarrowText(InstanceId).Text, Cause->Text);
    }
    return Error == ERROR_ACCESS_DENIED ? ERROR_REMOVE_FAILED : Error;
}

DWORD DeviceStop(DEVINST Node, TEXT *Cause)
{
    ASK_FUNCTION Stop = (ASK_FUNCTION)ManagerFunction("CM_Query_And_Remove_SubTreeW", Cause);
    if (!Stop) {
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
    DWORD Error = Ask(Stop, Node, CM_REMOVE_UI_NOT_OK | CM_REMOVE_NO_RESTART, Cause);
    if (Error == ERROR_BUSY) {
        LogDebug("Windows refuses to stop the adapter: %s", Cause->Text);
    }
    return Error;
}

DWORD DeviceStart(DEVINST Node, TEXT *Cause)
{
    SETUP_FUNCTION Setup = (SETUP_FUNCTION)ManagerFunction("CM_Setup_DevNode", Cause);
    if (!Setup) {
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
    /* Takes off the mark that CM_REMOVE_NO_RESTART has left. Whether READY needs that, the page doesn't say. */
    CONFIGRET Unmarked = Setup(Node, CM_SETUP_DEVNODE_RESET);
    if (Unmarked != CR_SUCCESS) {
        LogDebug("the adapter's no-restart mark stays: configuration manager error 0x%lx", Unmarked);
    }
    CONFIGRET Result = Setup(Node, CM_SETUP_DEVNODE_READY);
    if (Result != CR_SUCCESS) {
        *Cause = FormatText("it is stopped, and starting it failed with configuration manager error 0x%lx", Result);
        return ERROR_DEVICE_NOT_AVAILABLE;
    }
    return ERROR_SUCCESS;
}
