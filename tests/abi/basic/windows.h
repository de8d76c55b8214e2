/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The basic Windows types on Linux, and nothing else: proves that the public
 * headers need no more, and lets their run-time checks run without Windows.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef char CHAR;
typedef unsigned char UCHAR, BYTE, BOOLEAN;
typedef uint8_t UINT8;
typedef uint16_t USHORT, UINT16;
typedef uint32_t ULONG, UINT32, DWORD, *PDWORD;
typedef int32_t INT, INT32, BOOL, *PBOOL;
typedef int64_t INT64;
typedef uint64_t UINT64;
typedef wchar_t WCHAR;
typedef void VOID, *PVOID, *HANDLE, **PHANDLE, *LPOVERLAPPED;
typedef struct {
    uint32_t Data1;
    uint16_t Data2, Data3;
    uint8_t Data4[8];
} GUID;
#define CONST const
