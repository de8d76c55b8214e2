/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool.exe: the command line. Commands are one table, from which the help is printed. See disktool.h.
 */
#include "disktool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NO_SUCH_DEVICE 433 /* ERROR_NO_SUCH_DEVICE, which the headers lack */

typedef struct {
    const char *Name;
    const char *Arguments;
    const char *Help;
    int MinWords;
    int MaxWords;
    DWORD Access;
    COMMAND_FUNCTION *Function;
} COMMAND;

static const COMMAND Commands[] = {
    {"info", "", "what the disk says of itself", 0, 0, GENERIC_READ | GENERIC_WRITE, CommandInfo},
    {"read", "OFFSET LENGTH FILE", "copy from the disk into a file", 3, 3, GENERIC_READ, CommandRead},
    {"write", "OFFSET FILE", "copy a file onto the disk", 2, 2, GENERIC_READ | GENERIC_WRITE, CommandWrite},
    {"zero", "OFFSET LENGTH", "write zeroes", 2, 2, GENERIC_READ | GENERIC_WRITE, CommandZero},
    {"flush", "", "FlushFileBuffers", 0, 0, GENERIC_READ | GENERIC_WRITE, CommandFlush},
    {"sha256", "[OFFSET LENGTH]", "digest of a range, or of the whole disk", 0, 2, GENERIC_READ, CommandHash},
    {"random", "[OPTION...]", "random reads and writes at a queue depth, checked against a model in memory", 0, 0,
     GENERIC_READ | GENERIC_WRITE, CommandRandom},
    {"scsi", "CDBHEX [in LENGTH | out FILE]", "send one SCSI command (SCSI_PASS_THROUGH_DIRECT)", 1, 3,
     GENERIC_READ | GENERIC_WRITE, CommandScsi},
    {"ioctl", "CODE:INPUTHEX:ROOM...", "control requests; prints error, bytes returned and the bytes of each", 1, 64,
     GENERIC_READ | GENERIC_WRITE, CommandIoctl},
    {"hold", "SECONDS", "keep the disk open", 1, 1, GENERIC_READ, CommandHold},
};

static const char OptionHelp[] = "\n"
                                 "read, write, zero, sha256 take --request BYTES: longest single request (2M).\n"
                                 "random takes:\n"
                                 "  --seed S                 of the random numbers (1)\n"
                                 "  --count C                operations (1000)\n"
                                 "  --depth D                in flight at once, at most 64 (32)\n"
                                 "  --min BYTES --max BYTES  of one operation (one block, 64K)\n"
                                 "  --offset O --length L    range of the disk (0, the disk but at most 64M)\n"
                                 "  --expect-errors          count failed I/Os instead of stopping at the first\n"
                                 "N is the N of PhysicalDriveN. Numbers may be hexadecimal (0x) and end in K, M or G.\n"
                                 "Exit status: 0 success, 1 failure, 2 wrong usage.\n";

static char **Options; /* the words that begin with --, with their values */
static int OptionCount;

static void Help(FILE *Stream)
{
    size_t Index;

    fprintf(Stream, "disktool: exercises a disk, \\\\.\\PhysicalDriveN\n\n");
    for (Index = 0; Index < sizeof(Commands) / sizeof(Commands[0]); Index++) {
        const COMMAND *Command = &Commands[Index];

        fprintf(Stream, "  disktool N %s %-*s %s\n", Command->Name, (int)(34 - strlen(Command->Name)),
                Command->Arguments, Command->Help);
    }
    fprintf(Stream, "  disktool list                                the disks that have announced themselves\n");
    fprintf(Stream, "  disktool resources                           what the driver process owns, one kind a line\n");
    fprintf(Stream, "  disktool leak KIND [TAG]                     let the drivers forget to give one back\n");
    fprintf(Stream, "  disktool leak nothing                        give back what was forgotten\n");
    fprintf(Stream, "  disktool reset-bus                           have the adapter's bus reset\n");
    fprintf(Stream, "  disktool power off|on                        send the adapter to sleep, wake it\n");
    fprintf(Stream,
            "  disktool order miss TIMES                    let the port driver miss that disks have changed\n");
    fprintf(Stream, "  disktool order refuse TIMES                  let it refuse to have a disk removed\n");
    fprintf(Stream, "  disktool wait N SECONDS                      until the disk is there\n");
    fprintf(Stream, "  disktool wait-gone N SECONDS                 until it is not\n");
    fputs(OptionHelp, Stream);
}

/* What both complaints begin with. */
static void ComplainBegin(const char *Format, va_list Arguments)
{
    fflush(stdout);
    fprintf(stderr, "disktool: ");
    vfprintf(stderr, Format, Arguments);
}

void Complain(const char *Format, ...)
{
    va_list Arguments;

    va_start(Arguments, Format);
    ComplainBegin(Format, Arguments);
    va_end(Arguments);
    fprintf(stderr, "\n");
}

const char *ErrorText(DWORD Error)
{
    static char Text[256];
    DWORD Length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, Error,
                                  MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US), Text, sizeof(Text), NULL);

    while (Length > 0 && (Text[Length - 1] == '\n' || Text[Length - 1] == '\r' || Text[Length - 1] == ' ')) {
        Length--;
    }
    Text[Length] = '\0';
    if (Length == 0 && Error == NO_SUCH_DEVICE) {
        return "The device does not exist (any more)."; /* Wine has no text for this one */
    }
    return Length > 0 ? Text : "(the system has no text for it)";
}

void ComplainError(DWORD Error, const char *Format, ...)
{
    va_list Arguments;

    va_start(Arguments, Format);
    ComplainBegin(Format, Arguments);
    va_end(Arguments);
    fprintf(stderr, ": error %lu: %s\n", (unsigned long)Error, ErrorText(Error));
}

static bool ScaleNumber(const char *Suffix, uint64_t *Value)
{
    static const char Letters[] = "kmg";
    const char *Letter;
    int Shift;

    if (*Suffix == '\0') {
        return true;
    }
    Letter = strchr(Letters, Suffix[0] | 0x20);
    if (Letter == NULL || Suffix[1] != '\0') {
        return false;
    }
    Shift = 10 * (int)(Letter - Letters + 1);
    if (*Value > UINT64_MAX >> Shift) {
        return false;
    }
    *Value <<= Shift;
    return true;
}

bool ParseNumber(const char *What, const char *Text, uint64_t *Value)
{
    bool Hexadecimal = Text[0] == '0' && (Text[1] == 'x' || Text[1] == 'X');
    char *End = NULL;

    errno = 0;
    *Value = strtoull(Text, &End, Hexadecimal ? 16 : 10);
    if (Text[0] < '0' || Text[0] > '9' || errno != 0 || !ScaleNumber(End, Value)) {
        Complain("%s: \"%s\" is not a number (decimal or 0x..., optionally with K, M or G)", What, Text);
        return false;
    }
    return true;
}

static const char *OptionFind(const char *Name, bool *Present)
{
    int Index;

    *Present = false;
    for (Index = 0; Index < OptionCount; Index += 2) {
        if (strcmp(Options[Index], Name) == 0) {
            *Present = true;
            return Options[Index + 1];
        }
    }
    return NULL;
}

bool OptionPresent(const char *Name)
{
    bool Present;

    OptionFind(Name, &Present);
    return Present;
}

bool OptionNumber(const char *Name, uint64_t Default, uint64_t *Value)
{
    bool Present;
    const char *Text = OptionFind(Name, &Present);

    *Value = Default;
    return !Present || ParseNumber(Name, Text, Value);
}

/* Moves the options out of the words. Their values follow them; --expect-errors has none. */
static bool OptionsTake(const char *Command, WORDS *Words)
{
    static const char *const Known[] = {"--request", "--seed", "--count",  "--depth",
                                        "--min",     "--max",  "--offset", "--length"};
    bool Random = strcmp(Command, "random") == 0;
    int Left = 0;
    int Index;

    Options = calloc((size_t)Words->Count + 1, 2 * sizeof(*Options));
    for (Index = 0; Index < Words->Count; Index++) {
        char *Word = Words->Word[Index];
        size_t Try;

        if (strncmp(Word, "--", 2) != 0) {
            Words->Word[Left++] = Word;
            continue;
        }
        if (Random && strcmp(Word, "--expect-errors") == 0) {
            Options[OptionCount++] = Word;
            Options[OptionCount++] = NULL;
            continue;
        }
        for (Try = 0; Try < sizeof(Known) / sizeof(Known[0]) && strcmp(Known[Try], Word) != 0; Try++) {
        }
        if (Try == sizeof(Known) / sizeof(Known[0]) || (Try > 0) != Random) {
            Complain("%s has no option %s (disktool help lists them)", Command, Word);
            return false;
        }
        if (Index + 1 == Words->Count) {
            Complain("%s needs a value", Word);
            return false;
        }
        Options[OptionCount++] = Word;
        Options[OptionCount++] = Words->Word[++Index];
    }
    Words->Count = Left;
    return true;
}

void *AllocatePages(size_t Bytes)
{
    void *Memory = VirtualAlloc(NULL, Bytes, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);

    if (Memory == NULL) {
        ComplainError(GetLastError(), "cannot allocate %llu bytes of memory", (unsigned long long)Bytes);
        exit(1);
    }
    return Memory;
}

HANDLE MakeEvent(void)
{
    HANDLE Event = CreateEventA(NULL, TRUE, FALSE, NULL);

    if (Event == NULL) {
        ComplainError(GetLastError(), "cannot make an event");
        exit(1);
    }
    return Event;
}

static HANDLE DiskOpenHandle(unsigned Number, DWORD Access)
{
    char Name[32];

    snprintf(Name, sizeof(Name), "\\\\.\\PhysicalDrive%u", Number);
    return CreateFileA(Name, Access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED,
                       NULL);
}

static DWORD Await(HANDLE Handle, BOOL Started, OVERLAPPED *Overlapped, DWORD *Bytes)
{
    if (!Started && GetLastError() != ERROR_IO_PENDING) {
        return GetLastError();
    }
    return GetOverlappedResult(Handle, Overlapped, Bytes, TRUE) ? 0 : GetLastError();
}

DWORD DiskControl(const DISK *Disk, DWORD Code, void *Input, DWORD InputBytes, void *Output, DWORD OutputBytes,
                  DWORD *Returned)
{
    OVERLAPPED Overlapped = {.hEvent = MakeEvent()};
    DWORD Bytes = 0;
    DWORD Error = Await(Disk->Handle,
                        DeviceIoControl(Disk->Handle, Code, Input, InputBytes, Output, OutputBytes, NULL, &Overlapped),
                        &Overlapped, &Bytes);

    CloseHandle(Overlapped.hEvent);
    if (Returned != NULL) {
        *Returned = Bytes;
    }
    return Error;
}

DWORD DiskTransfer(const DISK *Disk, bool Write, uint64_t Offset, void *Data, uint32_t LengthBytes)
{
    OVERLAPPED Overlapped = {.hEvent = MakeEvent()};
    DWORD Bytes = 0;
    DWORD Error;
    BOOL Started;

    Overlapped.Offset = (DWORD)Offset;
    Overlapped.OffsetHigh = (DWORD)(Offset >> 32);
    Started = Write ? WriteFile(Disk->Handle, Data, LengthBytes, NULL, &Overlapped)
                    : ReadFile(Disk->Handle, Data, LengthBytes, NULL, &Overlapped);
    Error = Await(Disk->Handle, Started, &Overlapped, &Bytes);
    CloseHandle(Overlapped.hEvent);
    return Error == 0 && Bytes != LengthBytes ? ERROR_HANDLE_EOF : Error;
}

bool DiskOpen(unsigned Number, DWORD Access, DISK *Disk)
{
    GET_LENGTH_INFORMATION Length = {0};
    DISK_GEOMETRY Geometry = {0};
    DWORD Error;

    memset(Disk, 0, sizeof(*Disk));
    Disk->Number = Number;
    Disk->RequestBytes = REQUEST_BYTES;
    Disk->Handle = DiskOpenHandle(Number, Access);
    if (Disk->Handle == INVALID_HANDLE_VALUE) {
        ComplainError(GetLastError(), "cannot open PhysicalDrive%u", Number);
        return false;
    }
    Error = DiskControl(Disk, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &Length, sizeof(Length), NULL);
    if (Error == 0) {
        Error = DiskControl(Disk, IOCTL_DISK_GET_DRIVE_GEOMETRY, NULL, 0, &Geometry, sizeof(Geometry), NULL);
    }
    if (Error != 0) {
        ComplainError(Error, "PhysicalDrive%u does not tell its size", Number);
        CloseHandle(Disk->Handle);
        return false;
    }
    Disk->LengthBytes = (uint64_t)Length.Length.QuadPart;
    Disk->BlockBytes = Geometry.BytesPerSector;
    return true;
}

static bool CommandWait(bool Gone, const WORDS *Words)
{
    ULONGLONG Start = GetTickCount64();
    uint64_t Number;
    uint64_t Seconds;

    if (Words->Count != 2) {
        Complain("usage: disktool %s N SECONDS", Gone ? "wait-gone" : "wait");
        exit(2);
    }
    if (!ParseNumber("N", Words->Word[0], &Number) || !ParseNumber("SECONDS", Words->Word[1], &Seconds)) {
        exit(2);
    }
    for (;;) {
        HANDLE Handle = DiskOpenHandle((unsigned)Number, GENERIC_READ);

        if ((Handle == INVALID_HANDLE_VALUE) == Gone) {
            return true;
        }
        if (Handle != INVALID_HANDLE_VALUE) {
            CloseHandle(Handle);
        }
        if (GetTickCount64() - Start >= Seconds * 1000) {
            Complain("PhysicalDrive%u is %s after %llu seconds", (unsigned)Number,
                     Gone ? "still there" : "still not there", (unsigned long long)Seconds);
            return false;
        }
        Sleep(50);
    }
}

static const COMMAND *CommandFind(const char *Name)
{
    size_t Index;

    for (Index = 0; Index < sizeof(Commands) / sizeof(Commands[0]); Index++) {
        if (strcmp(Commands[Index].Name, Name) == 0) {
            return &Commands[Index];
        }
    }
    return NULL;
}

static int RunOnDisk(int Count, char **Word)
{
    const COMMAND *Command = Count >= 2 ? CommandFind(Word[1]) : NULL;
    WORDS Words = {.Count = Count - 2, .Word = Word + 2};
    uint64_t RequestBytes;
    uint64_t Number;
    DISK Disk;
    bool Done;

    if (!ParseNumber("disk number", Word[0], &Number)) {
        return 2;
    }
    if (Command == NULL) {
        Complain("%s (disktool help lists the commands)", Count >= 2 ? "unknown command" : "a command is missing");
        return 2;
    }
    if (!OptionsTake(Command->Name, &Words)) {
        return 2;
    }
    if (Words.Count < Command->MinWords || Words.Count > Command->MaxWords) {
        Complain("usage: disktool N %s %s", Command->Name, Command->Arguments);
        return 2;
    }
    if (!OptionNumber("--request", REQUEST_BYTES, &RequestBytes)) {
        return 2;
    }
    if (RequestBytes == 0 || RequestBytes > 0x40000000) {
        Complain("--request: 1 byte to 1G, not %llu", (unsigned long long)RequestBytes);
        return 2;
    }
    if (Number > 9999) {
        Complain("disk number: 0 to 9999, not %llu", (unsigned long long)Number);
        return 2;
    }
    if (!DiskOpen((unsigned)Number, Command->Access, &Disk)) {
        return 1;
    }
    Disk.RequestBytes = (uint32_t)RequestBytes;
    Done = Command->Function(&Disk, &Words);
    CloseHandle(Disk.Handle);
    return Done ? 0 : 1;
}

static int Run(int Count, char **Word)
{
    WORDS Words = {.Count = Count - 2, .Word = Word + 2};

    if (Count < 2) {
        Help(stderr);
        return 2;
    }
    if (strcmp(Word[1], "help") == 0 || strcmp(Word[1], "--help") == 0) {
        Help(stdout);
        return 0;
    }
    if (strcmp(Word[1], "list") == 0) {
        return CommandList() ? 0 : 1;
    }
    if (strcmp(Word[1], "resources") == 0) {
        return CommandResources() ? 0 : 1;
    }
    if (strcmp(Word[1], "leak") == 0) {
        return CommandLeak(&Words) ? 0 : 1;
    }
    if (strcmp(Word[1], "reset-bus") == 0) {
        return CommandResetBus() ? 0 : 1;
    }
    if (strcmp(Word[1], "power") == 0) {
        return CommandPower(&Words) ? 0 : 1;
    }
    if (strcmp(Word[1], "order") == 0) {
        return CommandOrder(&Words) ? 0 : 1;
    }
    if (strcmp(Word[1], "wait") == 0 || strcmp(Word[1], "wait-gone") == 0) {
        return CommandWait(strcmp(Word[1], "wait-gone") == 0, &Words) ? 0 : 1;
    }
    return RunOnDisk(Count - 1, Word + 1);
}

int main(int Count, char **Word)
{
    int Status = Run(Count, Word);

    /* Else what the program found out is lost without anybody's noticing. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        Complain("cannot write the output: %s", strerror(errno));
        return 1;
    }
    return Status;
}
