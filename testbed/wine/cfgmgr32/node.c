/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CM_Locate_DevNodeW, a stub in Wine: device instance ids become numbers, one for each id in this process.
 *
 * Source: WDK, "CM_Locate_DevNodeW function".
 */
#include "node.h"

#include <setupapi.h>

#define NODE_COUNT 256u
/* Far from the numbers of setupapi.dll, which are indexes of a table as well. */
#define NODE_FIRST 0x70000000u

static SRWLOCK NodeLock = SRWLOCK_INIT; /* protects what follows; an id that is set never changes */
static WCHAR NodeIds[NODE_COUNT][MAX_DEVICE_ID_LEN];

const WCHAR *NodeInstanceId(DEVINST Node)
{
    const WCHAR *Id = NULL;
    if (Node >= NODE_FIRST && Node - NODE_FIRST < NODE_COUNT) {
        AcquireSRWLockShared(&NodeLock);
        if (NodeIds[Node - NODE_FIRST][0]) {
            Id = NodeIds[Node - NODE_FIRST];
        }
        ReleaseSRWLockShared(&NodeLock);
    }
    return Id;
}

static BOOL NodeExists(const WCHAR *Id)
{
    HDEVINFO Set = SetupDiCreateDeviceInfoList(NULL, NULL);
    if (Set == INVALID_HANDLE_VALUE) {
        return FALSE;
    }
    BOOL Exists = SetupDiOpenDeviceInfoW(Set, Id, NULL, 0, NULL);
    SetupDiDestroyDeviceInfoList(Set);
    return Exists;
}

CONFIGRET WINAPI CM_Locate_DevNodeW(PDEVINST Node, DEVINSTID_W Id, ULONG Flags)
{
    CONFIGRET Result = CR_OUT_OF_MEMORY;
    if (Flags != CM_LOCATE_DEVNODE_NORMAL) {
        return CR_INVALID_FLAG;
    }
    if (!Node || !Id || !Id[0] || lstrlenW(Id) >= MAX_DEVICE_ID_LEN) {
        return Node ? CR_INVALID_DEVICE_ID : CR_INVALID_POINTER;
    }
    if (!NodeExists(Id)) {
        return CR_NO_SUCH_DEVNODE;
    }
    AcquireSRWLockExclusive(&NodeLock);
    for (DWORD Index = 0; Index < NODE_COUNT && Result != CR_SUCCESS; Index++) {
        if (!NodeIds[Index][0]) {
            lstrcpynW(NodeIds[Index], Id, MAX_DEVICE_ID_LEN);
        }
        if (lstrcmpiW(NodeIds[Index], Id) == 0) {
            *Node = NODE_FIRST + Index;
            Result = CR_SUCCESS;
        }
    }
    ReleaseSRWLockExclusive(&NodeLock);
    return Result;
}
