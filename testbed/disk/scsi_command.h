/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The commands that a disk class driver sends, as bytes. Sources: SPC-4 (INQUIRY, MODE SENSE), SBC-3 (the others).
 */
#pragma once

#include "nt.h"

enum {
    CDB_TEST_UNIT_READY = 0x00,
    CDB_INQUIRY = 0x12,
    CDB_MODE_SENSE_6 = 0x1A,
    CDB_READ_CAPACITY_10 = 0x25,
    CDB_READ_10 = 0x28,
    CDB_WRITE_10 = 0x2A,
    CDB_SYNCHRONIZE_CACHE_10 = 0x35,
    CDB_UNMAP = 0x42,
    CDB_READ_16 = 0x88,
    CDB_WRITE_16 = 0x8A,
    CDB_SERVICE_ACTION_IN_16 = 0x9E
};

#define CDB_READ_CAPACITY_16_ACTION 0x10 /* service action of 9E */
#define CDB_FUA 0x08                     /* byte 1 of READ and WRITE (10), (16) */
#define INQUIRY_EVPD 0x01                /* byte 1 of INQUIRY */
#define MODE_PAGE_CACHING 0x08
#define MODE_DEVICE_WRITE_PROTECTED 0x80 /* device-specific parameter of the mode header, SBC-3 6.5.1 */
#define MODE_DEVICE_DPOFUA 0x10
#define MODE_CACHING_WCE 0x04 /* byte 2 of the caching page */

static inline VOID PutBe16(UCHAR *To, USHORT Value)
{
    To[0] = (UCHAR)(Value >> 8);
    To[1] = (UCHAR)Value;
}

static inline VOID PutBe32(UCHAR *To, ULONG Value)
{
    PutBe16(To, (USHORT)(Value >> 16));
    PutBe16(To + 2, (USHORT)Value);
}

static inline VOID PutBe64(UCHAR *To, ULONGLONG Value)
{
    PutBe32(To, (ULONG)(Value >> 32));
    PutBe32(To + 4, (ULONG)Value);
}

static inline ULONG GetBe32(const UCHAR *From)
{
    return ((ULONG)From[0] << 24) | ((ULONG)From[1] << 16) | ((ULONG)From[2] << 8) | From[3];
}

static inline ULONGLONG GetBe64(const UCHAR *From)
{
    return ((ULONGLONG)GetBe32(From) << 32) | GetBe32(From + 4);
}
