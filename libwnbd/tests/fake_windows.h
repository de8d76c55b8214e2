/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Comes before every file of libwnbd-provider-test: what the library asks of
 * the system for a disk that it serves goes to fake_adapter.c instead.
 */
#pragma once

#include <windows.h>

BOOL FakeDeviceIoControl(HANDLE Device, DWORD Code, LPVOID In, DWORD InSize, LPVOID Out, DWORD OutSize,
                         LPDWORD Returned, LPOVERLAPPED Overlapped);
BOOL FakeCancelIoEx(HANDLE File, LPOVERLAPPED Overlapped);
HANDLE FakeCreateThread(LPSECURITY_ATTRIBUTES Attributes, SIZE_T Stack, LPTHREAD_START_ROUTINE Start, LPVOID Parameter,
                        DWORD Flags, LPDWORD Id);
LPVOID FakeVirtualAlloc(LPVOID Address, SIZE_T Size, DWORD Type, DWORD Protection);

#define DeviceIoControl FakeDeviceIoControl
#define CancelIoEx FakeCancelIoEx
#define CreateThread FakeCreateThread
#define VirtualAlloc FakeVirtualAlloc
