/* SPDX-License-Identifier: LGPL-2.1-only */
/* Device nodes that CM_Locate_DevNodeW has handed out. Any thread. */
#pragma once

#include <windows.h>
#include <cfgmgr32.h>

/* The instance id of a node, which stays as long as the DLL; NULL if the node isn't one of ours. */
const WCHAR *NodeInstanceId(DEVINST Node);
