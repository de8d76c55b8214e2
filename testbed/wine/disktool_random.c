/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * disktool N random: reads and writes at random places, many in flight, checked against a model of the disk in memory.
 *
 * Requests in flight never overlap where one of them writes, so what a read has to return is known when it completes.
 * At the end the whole range is read once more. The same seed picks the same sequence as long as no pick has to be
 * dropped because of an overlap.
 */
#include "disktool.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64u
#define ERROR_KINDS 16u
#define DEFAULT_RANGE (64u * 1024 * 1024)

typedef struct {
    bool Active;
    bool Write;
    uint32_t Number; /* which operation, from 1 */
    uint32_t Bytes;
    uint64_t At; /* in the range */
    uint8_t *Buffer;
    OVERLAPPED Overlapped;
} OPERATION;

typedef struct {
    const DISK *Disk;
    /* What was asked for. */
    uint64_t Seed;
    uint64_t Count;
    uint64_t Depth;
    uint64_t MinBlocks;
    uint64_t MaxBlocks;
    uint64_t Offset;
    uint64_t LengthBytes;
    bool ExpectErrors;
    /* The model: content, who wrote each block last, and the blocks whose content a failed write left open. */
    uint8_t *Model;
    uint32_t *Writer;
    bool *Unknown;
    /* Progress. */
    uint64_t Random;
    uint32_t Started;
    uint32_t InFlight;
    uint64_t Reads, Writes, BytesRead, BytesWritten;
    uint64_t Failures, Mismatches;
    struct {
        DWORD Error;
        uint64_t Count;
    } Errors[ERROR_KINDS];
    OPERATION Operations[DEPTH_MAX];
} RUN;

/* xorshift64*, Vigna 2014 */
static uint64_t RandomNext(RUN *Run)
{
    Run->Random ^= Run->Random >> 12;
    Run->Random ^= Run->Random << 25;
    Run->Random ^= Run->Random >> 27;
    return Run->Random * 0x2545F4914F6CDD1Dull;
}

static uint64_t RandomBelow(RUN *Run, uint64_t Limit)
{
    return (RandomNext(Run) >> 11) % Limit;
}

static bool RunOptions(RUN *Run)
{
    const DISK *Disk = Run->Disk;
    uint64_t Min;
    uint64_t Max;
    uint64_t Rest;

    if (!OptionNumber("--seed", 1, &Run->Seed) || !OptionNumber("--count", 1000, &Run->Count) ||
        !OptionNumber("--depth", 32, &Run->Depth) || !OptionNumber("--offset", 0, &Run->Offset) ||
        !OptionNumber("--min", Disk->BlockBytes, &Min) || !OptionNumber("--max", 64 * 1024, &Max)) {
        return false;
    }
    Rest = Run->Offset < Disk->LengthBytes ? Disk->LengthBytes - Run->Offset : 0;
    if (!OptionNumber("--length", Rest < DEFAULT_RANGE ? Rest : DEFAULT_RANGE, &Run->LengthBytes)) {
        return false;
    }
    Run->ExpectErrors = OptionPresent("--expect-errors");
    Run->MinBlocks = Min / Disk->BlockBytes;
    Run->MaxBlocks = Max / Disk->BlockBytes;
    if (Run->Depth < 1 || Run->Depth > DEPTH_MAX) {
        Complain("--depth: 1 to %u", DEPTH_MAX);
    } else if (Run->Count > UINT32_MAX) {
        Complain("--count: at most %u", UINT32_MAX);
    } else if (Run->LengthBytes > Rest || Run->LengthBytes == 0) {
        Complain("--offset, --length: the disk ends at 0x%llx", (unsigned long long)Disk->LengthBytes);
    } else if (Min == 0 || Max < Min || Max > Run->LengthBytes || Max > 0x40000000) {
        Complain("--min, --max: 1 block of %u bytes to 1G and to the range's length", Disk->BlockBytes);
    } else if (((Min | Max | Run->Offset | Run->LengthBytes) % Disk->BlockBytes) != 0) {
        Complain("--min, --max, --offset, --length: multiples of the disk's block, %u bytes", Disk->BlockBytes);
    } else {
        return true;
    }
    return false;
}

static void CountError(RUN *Run, DWORD Error)
{
    unsigned Index;

    Run->Failures++;
    for (Index = 0; Index < ERROR_KINDS; Index++) {
        if (Run->Errors[Index].Count == 0 || Run->Errors[Index].Error == Error) {
            Run->Errors[Index].Error = Error;
            Run->Errors[Index].Count++;
            return;
        }
    }
}

/* Compares what was read with the model; reports the first byte that differs in the whole run. */
static void CheckRead(RUN *Run, uint64_t At, const uint8_t *Data, uint32_t Bytes, uint32_t Operation)
{
    uint32_t BlockBytes = Run->Disk->BlockBytes;
    uint32_t Done;
    uint32_t Byte;

    for (Done = 0; Done < Bytes; Done += BlockBytes) {
        uint64_t Block = (At + Done) / BlockBytes;
        const uint8_t *Expected = Run->Model + At + Done;

        if (Run->Unknown[Block] || memcmp(Expected, Data + Done, BlockBytes) == 0) {
            continue;
        }
        if (Run->Mismatches++ > 0) {
            continue;
        }
        for (Byte = 0; Expected[Byte] == Data[Done + Byte]; Byte++) {
        }
        fflush(stdout);
        fprintf(stderr,
                "disktool: PhysicalDrive%u: mismatch at byte 0x%llx: expected 0x%02x, read 0x%02x, by a read of %u "
                "bytes at 0x%llx (operation %u, seed %llu); the block was last written by operation %u\n",
                Run->Disk->Number, (unsigned long long)(Run->Offset + At + Done + Byte), Expected[Byte],
                Data[Done + Byte], Bytes, (unsigned long long)(Run->Offset + At), Operation,
                (unsigned long long)Run->Seed, Run->Writer[Block]);
    }
}

/* Reads the range into Model, or (Check) compares it with the Model. */
static bool Sweep(RUN *Run, bool Check)
{
    uint8_t *Buffer = AllocatePages(REQUEST_BYTES);
    uint64_t At;
    bool Good = true;

    for (At = 0; Good && At < Run->LengthBytes; At += REQUEST_BYTES) {
        uint64_t Rest = Run->LengthBytes - At;
        uint32_t Bytes = Rest < REQUEST_BYTES ? (uint32_t)Rest : REQUEST_BYTES;
        DWORD Error = DiskTransfer(Run->Disk, false, Run->Offset + At, Buffer, Bytes);

        if (Error != 0 && Check && Run->ExpectErrors) {
            CountError(Run, Error);
        } else if (Error != 0) {
            ComplainError(Error, "PhysicalDrive%u: cannot read %u bytes at 0x%llx", Run->Disk->Number, Bytes,
                          (unsigned long long)(Run->Offset + At));
            Good = false;
        } else if (Check) {
            CheckRead(Run, At, Buffer, Bytes, Run->Started + 1);
        } else {
            memcpy(Run->Model + At, Buffer, Bytes);
        }
    }
    VirtualFree(Buffer, 0, MEM_RELEASE);
    return Good;
}

static bool Overlaps(const RUN *Run, bool Write, uint64_t At, uint32_t Bytes)
{
    uint64_t Index;

    for (Index = 0; Index < Run->Depth; Index++) {
        const OPERATION *Other = &Run->Operations[Index];

        if (Other->Active && (Write || Other->Write) && At < Other->At + Other->Bytes && Other->At < At + Bytes) {
            return true;
        }
    }
    return false;
}

static void FillBuffer(RUN *Run, OPERATION *Operation)
{
    uint32_t Index;

    for (Index = 0; Index < Operation->Bytes; Index += 8) {
        uint64_t Value = RandomNext(Run);

        memcpy(Operation->Buffer + Index, &Value, sizeof(Value));
    }
}

static void OperationCompleted(RUN *Run, OPERATION *Operation, DWORD Error);

static void OperationSubmit(RUN *Run, OPERATION *Operation)
{
    HANDLE Event = Operation->Overlapped.hEvent;
    uint64_t Offset = Run->Offset + Operation->At;
    BOOL Started;

    Operation->Active = true;
    Operation->Number = ++Run->Started;
    Run->InFlight++;
    memset(&Operation->Overlapped, 0, sizeof(Operation->Overlapped));
    Operation->Overlapped.hEvent = Event;
    Operation->Overlapped.Offset = (DWORD)Offset;
    Operation->Overlapped.OffsetHigh = (DWORD)(Offset >> 32);
    ResetEvent(Event);
    if (Operation->Write) {
        FillBuffer(Run, Operation);
        Started = WriteFile(Run->Disk->Handle, Operation->Buffer, Operation->Bytes, NULL, &Operation->Overlapped);
    } else {
        memset(Operation->Buffer, 0xA5, Operation->Bytes);
        Started = ReadFile(Run->Disk->Handle, Operation->Buffer, Operation->Bytes, NULL, &Operation->Overlapped);
    }
    if (!Started && GetLastError() != ERROR_IO_PENDING) {
        OperationCompleted(Run, Operation, GetLastError());
    }
}

/* Picks a place that collides with nothing in flight. False: none was found, wait for a completion. */
static bool OperationPick(RUN *Run, OPERATION *Operation)
{
    unsigned Try;

    for (Try = 0; Try < 32; Try++) {
        uint64_t Blocks = Run->MinBlocks + RandomBelow(Run, Run->MaxBlocks - Run->MinBlocks + 1);
        uint64_t Room = Run->LengthBytes / Run->Disk->BlockBytes - Blocks + 1;

        Operation->Write = RandomBelow(Run, 2) != 0;
        Operation->At = RandomBelow(Run, Room) * Run->Disk->BlockBytes;
        Operation->Bytes = (uint32_t)Blocks * Run->Disk->BlockBytes;
        if (!Overlaps(Run, Operation->Write, Operation->At, Operation->Bytes)) {
            return true;
        }
    }
    return false;
}

static void OperationFailed(RUN *Run, const OPERATION *Operation, DWORD Error)
{
    uint64_t Block = Operation->At / Run->Disk->BlockBytes;
    uint64_t Blocks = Operation->Bytes / Run->Disk->BlockBytes;

    CountError(Run, Error);
    if (Operation->Write) {
        memset(Run->Unknown + Block, true, Blocks * sizeof(*Run->Unknown));
    }
    if (!Run->ExpectErrors && Run->Failures == 1) {
        ComplainError(Error, "PhysicalDrive%u: cannot %s %u bytes at 0x%llx (operation %u, seed %llu)",
                      Run->Disk->Number, Operation->Write ? "write" : "read", Operation->Bytes,
                      (unsigned long long)(Run->Offset + Operation->At), Operation->Number,
                      (unsigned long long)Run->Seed);
    }
}

static void OperationCompleted(RUN *Run, OPERATION *Operation, DWORD Error)
{
    uint64_t Block = Operation->At / Run->Disk->BlockBytes;
    uint64_t Blocks = Operation->Bytes / Run->Disk->BlockBytes;
    uint64_t Index;

    Operation->Active = false;
    Run->InFlight--;
    if (Error != 0) {
        OperationFailed(Run, Operation, Error);
        return;
    }
    if (!Operation->Write) {
        Run->Reads++;
        Run->BytesRead += Operation->Bytes;
        CheckRead(Run, Operation->At, Operation->Buffer, Operation->Bytes, Operation->Number);
        return;
    }
    Run->Writes++;
    Run->BytesWritten += Operation->Bytes;
    memcpy(Run->Model + Operation->At, Operation->Buffer, Operation->Bytes);
    for (Index = 0; Index < Blocks; Index++) {
        Run->Writer[Block + Index] = Operation->Number;
        Run->Unknown[Block + Index] = false;
    }
}

static void WaitForOne(RUN *Run)
{
    HANDLE Events[DEPTH_MAX] = {NULL};
    OPERATION *Owners[DEPTH_MAX];
    DWORD Count = 0;
    DWORD Bytes = 0;
    DWORD Result;
    DWORD Error = 0;
    uint64_t Index;

    for (Index = 0; Index < Run->Depth; Index++) {
        if (Run->Operations[Index].Active) {
            Owners[Count] = &Run->Operations[Index];
            Events[Count++] = Run->Operations[Index].Overlapped.hEvent;
        }
    }
    Result = WaitForMultipleObjects(Count, Events, FALSE, INFINITE);
    if (Result >= WAIT_OBJECT_0 + Count) {
        ComplainError(GetLastError(), "cannot wait for an operation");
        exit(1);
    }
    if (!GetOverlappedResult(Run->Disk->Handle, &Owners[Result]->Overlapped, &Bytes, FALSE)) {
        Error = GetLastError();
    } else if (Bytes != Owners[Result]->Bytes) {
        Error = ERROR_HANDLE_EOF;
    }
    OperationCompleted(Run, Owners[Result], Error);
}

static bool Stopped(const RUN *Run)
{
    return Run->Mismatches > 0 || (Run->Failures > 0 && !Run->ExpectErrors);
}

static void RunOperations(RUN *Run)
{
    while (Run->InFlight > 0 || (Run->Started < Run->Count && !Stopped(Run))) {
        bool More = Run->Started < Run->Count && Run->InFlight < Run->Depth && !Stopped(Run);
        OPERATION *Free = Run->Operations;

        while (More && Free->Active) {
            Free++;
        }
        if (More && OperationPick(Run, Free)) {
            OperationSubmit(Run, Free);
        } else if (Run->InFlight > 0) {
            WaitForOne(Run);
        }
    }
}

static bool RunReport(const RUN *Run)
{
    unsigned Index;

    printf("%llu reads (%llu bytes), %llu writes (%llu bytes), depth %llu, seed %llu: %llu failed, %llu mismatches\n",
           (unsigned long long)Run->Reads, (unsigned long long)Run->BytesRead, (unsigned long long)Run->Writes,
           (unsigned long long)Run->BytesWritten, (unsigned long long)Run->Depth, (unsigned long long)Run->Seed,
           (unsigned long long)Run->Failures, (unsigned long long)Run->Mismatches);
    for (Index = 0; Index < ERROR_KINDS && Run->Errors[Index].Count > 0; Index++) {
        printf("error %lu, %llu times: %s\n", (unsigned long)Run->Errors[Index].Error,
               (unsigned long long)Run->Errors[Index].Count, ErrorText(Run->Errors[Index].Error));
    }
    return !Stopped(Run);
}

bool CommandRandom(DISK *Disk, const WORDS *Words)
{
    RUN *Run = AllocatePages(sizeof(*Run));
    uint64_t Index;

    (void)Words;
    Run->Disk = Disk;
    if (!RunOptions(Run)) {
        return false;
    }
    Run->Random = Run->Seed * 0x9E3779B97F4A7C15ull + 1;
    Run->Model = AllocatePages(Run->LengthBytes);
    Run->Writer = AllocatePages(Run->LengthBytes / Disk->BlockBytes * sizeof(*Run->Writer));
    Run->Unknown = AllocatePages(Run->LengthBytes / Disk->BlockBytes * sizeof(*Run->Unknown));
    for (Index = 0; Index < Run->Depth; Index++) {
        Run->Operations[Index].Buffer = AllocatePages(Run->MaxBlocks * Disk->BlockBytes);
        Run->Operations[Index].Overlapped.hEvent = MakeEvent();
    }
    if (!Sweep(Run, false)) {
        return false;
    }
    RunOperations(Run);
    if (!Stopped(Run) && !Sweep(Run, true)) {
        return false;
    }
    return RunReport(Run);
}
