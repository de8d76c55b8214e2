/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * ramctl.exe: installs ramport.sys and tells it what to do (ramport.h), for the class driver's tests.
 *   ramctl install INF
 *   ramctl plug BLOCKS BLOCKBYTES MAXTRANSFER MAXPAGES [ro] [wce] [fua]
 *   ramctl unplug | hold | release | query-remove
 *   ramctl script OPCODE COUNT SRBSTATUS [SCSISTATUS [KEY ASC ASCQ]] | script OPCODE COUNT short BYTES
 *   ramctl resize BLOCKS
 *   ramctl target NAME             what the DOS device NAME stands for, as an NT path
 *   ramctl open PATH               opens and closes the NT path, prints the open's NTSTATUS
 *   ramctl log                     one line per command: CDB, data bytes, SRB flags, offset in the MDL
 * Exit status 0 when done, else the Win32 error on stderr and 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <newdev.h>
#include <setupapi.h>
#include <winternl.h>

#include "ramport.h"

static const GUID AdapterClass = {0x4d36e97b, 0xe325, 0x11ce, {0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18}};

static int Fail(const char *What)
{
    DWORD Error = GetLastError();

    fprintf(stderr, "ramctl: %s: error %lu\n", What, (unsigned long)Error);
    return 1;
}

static int Install(const char *Inf)
{
    static const char Id[] = "root\\wnbdramport\0";
    SP_DEVINFO_DATA Device = {.cbSize = sizeof(Device)};
    HDEVINFO Set = SetupDiCreateDeviceInfoList(&AdapterClass, NULL);
    BOOL Reboot = FALSE;

    if (Set == INVALID_HANDLE_VALUE ||
        !SetupDiCreateDeviceInfoA(Set, "SCSIADAPTER", &AdapterClass, NULL, NULL, DICD_GENERATE_ID, &Device) ||
        !SetupDiSetDeviceRegistryPropertyA(Set, &Device, SPDRP_HARDWAREID, (const BYTE *)Id, sizeof(Id)) ||
        !SetupDiCallClassInstaller(DIF_REGISTERDEVICE, Set, &Device)) {
        return Fail("cannot create the adapter's device node");
    }
    if (!UpdateDriverForPlugAndPlayDevicesA(NULL, "root\\wnbdramport", Inf, INSTALLFLAG_FORCE, &Reboot)) {
        return Fail("cannot install the driver");
    }
    return 0;
}

static int Control(DWORD Code, const void *Input, DWORD InputBytes, void *Output, DWORD OutputBytes, DWORD *Returned)
{
    HANDLE Port = CreateFileA("\\\\.\\RamPort", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                              OPEN_EXISTING, 0, NULL);

    if (Port == INVALID_HANDLE_VALUE) {
        return Fail("cannot open RamPort");
    }
    if (!DeviceIoControl(Port, Code, (void *)Input, InputBytes, Output, OutputBytes, Returned, NULL)) {
        return Fail("refused");
    }
    CloseHandle(Port);
    return 0;
}

static int Order(DWORD Code, const void *Input, DWORD InputBytes)
{
    DWORD Returned;

    return Control(Code, Input, InputBytes, NULL, 0, &Returned);
}

static uint64_t Number(int Count, char **Word, int Index)
{
    return Index < Count ? strtoull(Word[Index], NULL, 0) : 0;
}

static int Plug(int Count, char **Word)
{
    RAMPORT_DISK Disk = {.Blocks = Number(Count, Word, 2),
                         .BlockBytes = (uint32_t)Number(Count, Word, 3),
                         .MaxTransferBytes = (uint32_t)Number(Count, Word, 4),
                         .MaxPages = (uint32_t)Number(Count, Word, 5)};
    int Index;

    for (Index = 6; Index < Count; Index++) {
        Disk.ReadOnly |= strcmp(Word[Index], "ro") == 0;
        Disk.WriteCache |= strcmp(Word[Index], "wce") == 0;
        Disk.Fua |= strcmp(Word[Index], "fua") == 0;
    }
    return Order(RAMPORT_PLUG, &Disk, sizeof(Disk));
}

static int Script(int Count, char **Word)
{
    RAMPORT_ANSWER Answer = {.Opcode = (uint32_t)Number(Count, Word, 2), .Count = (uint32_t)Number(Count, Word, 3)};

    if (Count == 6 && strcmp(Word[4], "short") == 0) {
        Answer.SrbStatus = 1;
        Answer.Short = (uint32_t)Number(Count, Word, 5);
    } else {
        Answer.SrbStatus = (uint32_t)Number(Count, Word, 4);
        Answer.ScsiStatus = (uint32_t)Number(Count, Word, 5);
        Answer.Key = (uint32_t)Number(Count, Word, 6);
        Answer.Code = (uint32_t)Number(Count, Word, 7);
        Answer.Qualifier = (uint32_t)Number(Count, Word, 8);
    }
    return Order(RAMPORT_SCRIPT, &Answer, sizeof(Answer));
}

static int PrintLog(void)
{
    static RAMPORT_COMMAND Commands[512];
    DWORD Returned = 0;
    DWORD Index;
    uint32_t Byte;

    if (Control(RAMPORT_LOG, NULL, 0, Commands, sizeof(Commands), &Returned) != 0) {
        return 1;
    }
    for (Index = 0; Index < Returned / sizeof(Commands[0]); Index++) {
        const RAMPORT_COMMAND *Command = &Commands[Index];

        for (Byte = 0; Byte < Command->CdbBytes; Byte++) {
            printf("%02x", Command->Cdb[Byte]);
        }
        printf(" %u 0x%x %d\n", Command->DataBytes, Command->SrbFlags, (int)Command->MdlOffset);
    }
    return 0;
}

static int Target(const char *Name)
{
    char Path[1024];

    if (QueryDosDeviceA(Name, Path, sizeof(Path)) == 0) {
        return Fail("cannot look it up");
    }
    printf("%s\n", Path);
    return 0;
}

static int Open(const char *Path)
{
    OBJECT_ATTRIBUTES Attributes;
    IO_STATUS_BLOCK Result;
    UNICODE_STRING Name;
    ANSI_STRING Text;
    NTSTATUS Status;
    HANDLE File;

    RtlInitAnsiString(&Text, Path);
    Status = RtlAnsiStringToUnicodeString(&Name, &Text, TRUE);
    if (Status == 0) {
        InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE, NULL, NULL);
        Status = NtOpenFile(&File, GENERIC_READ | SYNCHRONIZE, &Attributes, &Result, FILE_SHARE_READ | FILE_SHARE_WRITE,
                            FILE_SYNCHRONOUS_IO_NONALERT);
        RtlFreeUnicodeString(&Name);
    }
    if (Status == 0) {
        NtClose(File);
    }
    printf("0x%08lx\n", (unsigned long)Status);
    return 0;
}

int main(int Count, char **Word)
{
    static const struct {
        const char *Name;
        DWORD Code;
    } Plain[] = {{"unplug", RAMPORT_UNPLUG},
                 {"hold", RAMPORT_HOLD},
                 {"release", RAMPORT_RELEASE},
                 {"query-remove", RAMPORT_QUERY_REMOVE}};
    const char *Command = Count > 1 ? Word[1] : "";
    uint64_t Blocks = Number(Count, Word, 2);
    size_t Index;

    for (Index = 0; Index < sizeof(Plain) / sizeof(Plain[0]); Index++) {
        if (strcmp(Command, Plain[Index].Name) == 0) {
            return Order(Plain[Index].Code, NULL, 0);
        }
    }
    if (strcmp(Command, "install") == 0 && Count == 3) {
        return Install(Word[2]);
    }
    if (strcmp(Command, "target") == 0 && Count == 3) {
        return Target(Word[2]);
    }
    if (strcmp(Command, "open") == 0 && Count == 3) {
        return Open(Word[2]);
    }
    if (strcmp(Command, "plug") == 0) {
        return Plug(Count, Word);
    }
    if (strcmp(Command, "script") == 0) {
        return Script(Count, Word);
    }
    if (strcmp(Command, "resize") == 0) {
        return Order(RAMPORT_RESIZE, &Blocks, sizeof(Blocks));
    }
    if (strcmp(Command, "log") == 0) {
        return PrintLog();
    }
    fprintf(stderr, "ramctl: unknown command\n");
    return 2;
}
