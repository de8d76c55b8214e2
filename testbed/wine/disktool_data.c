/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool: the commands that move data in order: read, write, zero, sha256, and flush and hold. Offsets and lengths
 * go to the driver as they are given, so that its refusals can be seen.
 */
#include "disktool.h"

#include <errno.h>
#include <string.h>

static bool TransferChecked(const DISK *Disk, bool Write, uint64_t Offset, void *Data, uint32_t LengthBytes)
{
    DWORD Error = DiskTransfer(Disk, Write, Offset, Data, LengthBytes);

    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u: cannot %s %u bytes at 0x%llx", Disk->Number, Write ? "write" : "read",
                      LengthBytes, (unsigned long long)Offset);
        return false;
    }
    return true;
}

/* Called for each piece that was read; false ends the reading. */
typedef bool PIECE_FUNCTION(void *Context, const void *Data, uint32_t Bytes);

static bool ReadPieces(const DISK *Disk, uint64_t Offset, uint64_t LengthBytes, PIECE_FUNCTION *Function, void *Context)
{
    void *Buffer = AllocatePages(Disk->RequestBytes);
    bool Good = true;

    while (Good && LengthBytes > 0) {
        uint32_t Bytes = LengthBytes < Disk->RequestBytes ? (uint32_t)LengthBytes : Disk->RequestBytes;

        Good = TransferChecked(Disk, false, Offset, Buffer, Bytes) && Function(Context, Buffer, Bytes);
        Offset += Bytes;
        LengthBytes -= Bytes;
    }
    VirtualFree(Buffer, 0, MEM_RELEASE);
    return Good;
}

typedef struct {
    FILE *Stream;
    const char *Name;
} FILE_TARGET;

static bool PieceToFile(void *Context, const void *Data, uint32_t Bytes)
{
    FILE_TARGET *Target = Context;

    if (fwrite(Data, 1, Bytes, Target->Stream) != Bytes) {
        Complain("%s: cannot write: %s", Target->Name, strerror(errno));
        return false;
    }
    return true;
}

bool CommandRead(DISK *Disk, const WORDS *Words)
{
    FILE_TARGET Target = {.Name = Words->Word[2]};
    uint64_t Offset;
    uint64_t LengthBytes;
    bool Good;

    if (!ParseNumber("OFFSET", Words->Word[0], &Offset) || !ParseNumber("LENGTH", Words->Word[1], &LengthBytes)) {
        return false;
    }
    Target.Stream = fopen(Target.Name, "wb");
    if (Target.Stream == NULL) {
        Complain("%s: cannot create: %s", Target.Name, strerror(errno));
        return false;
    }
    Good = ReadPieces(Disk, Offset, LengthBytes, PieceToFile, &Target);
    if (fclose(Target.Stream) != 0 && Good) {
        Complain("%s: cannot write: %s", Target.Name, strerror(errno));
        Good = false;
    }
    if (Good) {
        printf("read %llu bytes at 0x%llx\n", (unsigned long long)LengthBytes, (unsigned long long)Offset);
    }
    return Good;
}

bool CommandWrite(DISK *Disk, const WORDS *Words)
{
    const char *Name = Words->Word[1];
    void *Buffer = AllocatePages(Disk->RequestBytes);
    uint64_t Total = 0;
    uint64_t Offset;
    bool Good = true;
    size_t Bytes;
    FILE *Stream;

    if (!ParseNumber("OFFSET", Words->Word[0], &Offset)) {
        return false;
    }
    Stream = fopen(Name, "rb");
    if (Stream == NULL) {
        Complain("%s: cannot open: %s", Name, strerror(errno));
        return false;
    }
    while (Good && (Bytes = fread(Buffer, 1, Disk->RequestBytes, Stream)) > 0) {
        Good = TransferChecked(Disk, true, Offset + Total, Buffer, (uint32_t)Bytes);
        Total += Bytes;
    }
    if (Good && ferror(Stream)) {
        Complain("%s: cannot read: %s", Name, strerror(errno));
        Good = false;
    }
    fclose(Stream);
    VirtualFree(Buffer, 0, MEM_RELEASE);
    if (Good) {
        printf("wrote %llu bytes at 0x%llx\n", (unsigned long long)Total, (unsigned long long)Offset);
    }
    return Good;
}

bool CommandZero(DISK *Disk, const WORDS *Words)
{
    void *Buffer = AllocatePages(Disk->RequestBytes);
    uint64_t Offset;
    uint64_t LengthBytes;
    uint64_t Done = 0;
    bool Good = true;

    if (!ParseNumber("OFFSET", Words->Word[0], &Offset) || !ParseNumber("LENGTH", Words->Word[1], &LengthBytes)) {
        return false;
    }
    while (Good && Done < LengthBytes) {
        uint32_t Bytes = LengthBytes - Done < Disk->RequestBytes ? (uint32_t)(LengthBytes - Done) : Disk->RequestBytes;

        Good = TransferChecked(Disk, true, Offset + Done, Buffer, Bytes);
        Done += Bytes;
    }
    VirtualFree(Buffer, 0, MEM_RELEASE);
    if (Good) {
        printf("zeroed %llu bytes at 0x%llx\n", (unsigned long long)LengthBytes, (unsigned long long)Offset);
    }
    return Good;
}

bool CommandFlush(DISK *Disk, const WORDS *Words)
{
    (void)Words;
    if (!FlushFileBuffers(Disk->Handle)) {
        ComplainError(GetLastError(), "PhysicalDrive%u: cannot flush", Disk->Number);
        return false;
    }
    printf("flushed\n");
    return true;
}

static bool PieceToHash(void *Context, const void *Data, uint32_t Bytes)
{
    Sha256Add(Context, Data, Bytes);
    return true;
}

bool CommandHash(DISK *Disk, const WORDS *Words)
{
    uint64_t LengthBytes = Disk->LengthBytes;
    uint64_t Offset = 0;
    uint8_t Digest[32];
    unsigned Index;
    SHA256 Hash;

    if (Words->Count == 1) {
        Complain("usage: disktool N sha256 [OFFSET LENGTH]");
        return false;
    }
    if (Words->Count == 2 &&
        (!ParseNumber("OFFSET", Words->Word[0], &Offset) || !ParseNumber("LENGTH", Words->Word[1], &LengthBytes))) {
        return false;
    }
    Sha256Start(&Hash);
    if (!ReadPieces(Disk, Offset, LengthBytes, PieceToHash, &Hash)) {
        return false;
    }
    Sha256Finish(&Hash, Digest);
    for (Index = 0; Index < sizeof(Digest); Index++) {
        printf("%02x", Digest[Index]);
    }
    printf("\n");
    return true;
}

bool CommandHold(DISK *Disk, const WORDS *Words)
{
    uint64_t Seconds;

    if (!ParseNumber("SECONDS", Words->Word[0], &Seconds)) {
        return false;
    }
    if (Seconds > 86400) {
        Complain("SECONDS: a day at most, not %llu", (unsigned long long)Seconds);
        return false;
    }
    printf("holding PhysicalDrive%u\n", Disk->Number);
    fflush(stdout);
    Sleep((DWORD)Seconds * 1000);
    return true;
}
