/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool.exe: exercises \\.\PhysicalDriveN from Win32, for the demo, the tests and people who want to look. This
 * header is what its files share. One thread; every function reports its own failure on stderr and returns false.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <windows.h>
#include <winioctl.h>
#include <ntddscsi.h>

#define REQUEST_BYTES (2u * 1024 * 1024)

typedef struct {
    HANDLE Handle; /* opened for overlapped I/O */
    unsigned Number;
    uint64_t LengthBytes;
    uint32_t BlockBytes;
    uint32_t RequestBytes; /* longest single ReadFile or WriteFile */
} DISK;

/* Prints "disktool: " and the message; with a Win32 error its number and text behind it. */
void Complain(const char *Format, ...) __attribute__((format(__MINGW_PRINTF_FORMAT, 1, 2)));
void ComplainError(DWORD Error, const char *Format, ...) __attribute__((format(__MINGW_PRINTF_FORMAT, 2, 3)));

/* The system's text for Error, without its line end. The result lives until the next call. */
const char *ErrorText(DWORD Error);

/* Decimal or 0x, with K, M or G for powers of 1024. */
bool ParseNumber(const char *What, const char *Text, uint64_t *Value);

/* The value of option Name ("--seed"), Default when it is not there. False: it has no value or a bad one. */
bool OptionNumber(const char *Name, uint64_t Default, uint64_t *Value);
bool OptionPresent(const char *Name);

/* Asks for the length and the block size too. CloseHandle(Disk->Handle) when done. */
bool DiskOpen(unsigned Number, DWORD Access, DISK *Disk);

/* One request, waited for. Returns the Win32 error, 0 for success with all bytes moved. */
DWORD DiskTransfer(const DISK *Disk, bool Write, uint64_t Offset, void *Data, uint32_t LengthBytes);

/* The Win32 error, 0 for success; Returned may be NULL. */
DWORD DiskControl(const DISK *Disk, DWORD Code, void *Input, DWORD InputBytes, void *Output, DWORD OutputBytes,
                  DWORD *Returned);

/* Page-aligned and zeroed; never returns NULL (the program ends). */
void *AllocatePages(size_t Bytes);

/* For overlapped I/O; never returns NULL (the program ends). */
HANDLE MakeEvent(void);

/* A command's words after the disk's number and its own name; options are taken out. */
typedef struct {
    int Count;
    char **Word;
} WORDS;

typedef bool COMMAND_FUNCTION(DISK *Disk, const WORDS *Words);

COMMAND_FUNCTION CommandInfo, CommandScsi, CommandIoctl;
COMMAND_FUNCTION CommandRead, CommandWrite, CommandZero, CommandFlush, CommandHash, CommandHold;
COMMAND_FUNCTION CommandRandom;
bool CommandList(void);
/* disktool_resources.c: the driver process, by the control codes of testbed/storport/resource_ioctl.h. */
bool CommandResources(void);
bool CommandLeak(const WORDS *Words);
/* The same file: what the port driver does to the adapter. */
bool CommandResetBus(void);
bool CommandPower(const WORDS *Words);
bool CommandOrder(const WORDS *Words);

typedef struct {
    uint32_t State[8];
    uint64_t Bytes;
    uint8_t Block[64];
} SHA256;

void Sha256Start(SHA256 *Hash);
void Sha256Add(SHA256 *Hash, const void *Data, size_t Bytes);
void Sha256Finish(SHA256 *Hash, uint8_t Digest[32]);
