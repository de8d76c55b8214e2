/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool: control requests as they are, for tests that compare structures byte by byte with their documentation.
 */
#include "disktool.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MAX (4u * 1024 * 1024)

/* The hexadecimal digits up to ':' or the end. False: they are no whole bytes, or too many. */
static bool ParseHex(const char *Text, uint8_t *Bytes, size_t *Length)
{
    size_t Digits = 0;

    for (; *Text != '\0' && *Text != ':'; Text++, Digits++) {
        unsigned Character = (unsigned char)*Text;

        if (!isxdigit((int)Character) || Digits / 2 == BUFFER_MAX) {
            return false;
        }
        Bytes[Digits / 2] = (uint8_t)(Bytes[Digits / 2] << 4 |
                                      (isdigit((int)Character) ? Character - '0' : (Character | 0x20) - 'a' + 10));
    }
    *Length = Digits / 2;
    return Digits % 2 == 0;
}

static bool IoctlOne(const DISK *Disk, const char *Word)
{
    const char *Input = strchr(Word, ':');
    const char *Room = Input != NULL ? strchr(Input + 1, ':') : NULL;
    uint8_t *In = calloc(1, BUFFER_MAX);
    uint8_t *Out = calloc(1, BUFFER_MAX);
    size_t InBytes = 0;
    DWORD Returned = 0;
    bool Good = false;
    uint64_t OutBytes;
    DWORD Index;

    if (In == NULL || Out == NULL || Room == NULL || !ParseHex(Input + 1, In, &InBytes) ||
        !ParseNumber("ROOM", Room + 1, &OutBytes) || OutBytes > BUFFER_MAX) {
        Complain("%s: not CODE:INPUTHEX:ROOM", Word);
    } else {
        DWORD Error = DiskControl(Disk, (DWORD)strtoul(Word, NULL, 0), InBytes != 0 ? In : NULL, (DWORD)InBytes,
                                  OutBytes != 0 ? Out : NULL, (DWORD)OutBytes, &Returned);

        printf("%lu %lu ", (unsigned long)Error, (unsigned long)Returned);
        for (Index = 0; Index < Returned && Index < OutBytes; Index++) {
            printf("%02x", Out[Index]);
        }
        printf("\n");
        Good = true;
    }
    free(In);
    free(Out);
    return Good;
}

bool CommandIoctl(DISK *Disk, const WORDS *Words)
{
    int Index;

    for (Index = 0; Index < Words->Count; Index++) {
        if (!IoctlOne(Disk, Words->Word[Index])) {
            return false;
        }
    }
    return true;
}
