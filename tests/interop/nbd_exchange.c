/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Talks to a real NBD server through the engine, for test_servers.py.
 *
 *   nbd-exchange PORT list
 *   nbd-exchange PORT EXPORT BLOCK-SIZE COMMAND...
 *
 * BLOCK-SIZE is 512, 4096 or 0. Commands are carried out in order:
 *   info                          prints what the server said of the export
 *   read OFFSET LENGTH FILE       writes what it reads to FILE
 *   write OFFSET LENGTH FILE      sends FILE's first bytes; write-fua the same with FUA
 *   flush | trim OFFSET LENGTH | zeroes OFFSET LENGTH
 *   random SEED COUNT DEPTH FILE  reads and writes at random, compares with a model, and writes the model to FILE
 */
#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t Number(const char *Text)
{
    char *End;
    unsigned long long Value = strtoull(Text, &End, 0);
    if (*Text == '\0' || *End != '\0') {
        Fail("'%s' is not a number", Text);
    }
    return Value;
}

static void *Allocate(uint64_t Length)
{
    void *Memory = malloc(Length > 0 ? (size_t)Length : 1);
    if (Memory == NULL) {
        Fail("no memory for %llu bytes", (unsigned long long)Length);
    }
    return Memory;
}

static void SaveFile(const char *Path, const uint8_t *Bytes, uint64_t Length)
{
    FILE *File = fopen(Path, "wb");
    if (File == NULL || fwrite(Bytes, 1, (size_t)Length, File) != Length || fclose(File) != 0) {
        Fail("cannot write %s", Path);
    }
}

static uint8_t *LoadFile(const char *Path, uint64_t Length)
{
    uint8_t *Bytes = Allocate(Length);
    FILE *File = fopen(Path, "rb");
    if (File == NULL || fread(Bytes, 1, (size_t)Length, File) != Length) {
        Fail("cannot read %llu bytes of %s", (unsigned long long)Length, Path);
    }
    fclose(File);
    return Bytes;
}

/* One command of any length, in pieces that the server takes, all in flight together. */
static void Transfer(CONNECTION *Connection, NBD_COMMAND Command, uint16_t Flags, uint64_t Offset, uint64_t Length,
                     uint8_t *Buffer)
{
    unsigned Slots[CONNECTION_DEPTH];
    uint64_t Done = 0;
    do {
        unsigned Count = 0;
        do {
            uint64_t Piece = Length - Done;
            if (Piece > Connection->Client.Export.MaximumPayload) {
                Piece = Connection->Client.Export.MaximumPayload;
            }
            uint8_t *Place = Buffer == NULL ? NULL : Buffer + Done;
            Slots[Count++] = ConnectionStart(Connection, Command, Flags, Offset + Done, (uint32_t)Piece, Place);
            Done += Piece;
        } while (Done < Length && Count < CONNECTION_DEPTH);
        for (unsigned I = 0; I < Count; I++) {
            NBD_ERROR Error = ConnectionWait(Connection, Slots[I]);
            if (Error != NBD_OK) {
                Fail("the server answers command %d at %llu with error %d", (int)Command, (unsigned long long)Offset,
                     (int)Error);
            }
        }
    } while (Done < Length);
}

static void Info(const NBD_EXPORT *Export)
{
    printf("size %llu\nflags %#x\nblock-size %u\nminimum %u\npreferred %u\nmaximum %u\n",
           (unsigned long long)Export->Size, Export->Flags, Export->BlockSize, Export->MinimumBlock,
           Export->PreferredBlock, Export->MaximumPayload);
}

static uint64_t NextRandom(uint64_t *State)
{
    *State ^= *State << 13;
    *State ^= *State >> 7;
    *State ^= *State << 17;
    return *State;
}

/* A random read or write in flight: what it should find, or has changed. */
typedef struct {
    bool Active;
    bool IsRead;
    unsigned Slot;
    uint64_t Offset;
    uint32_t Length;
    uint8_t *Buffer;
} PROBE;

static void FinishProbe(CONNECTION *Connection, PROBE *Probe, const uint8_t *Model)
{
    NBD_ERROR Error = ConnectionWait(Connection, Probe->Slot);
    if (Error != NBD_OK) {
        Fail("a random request at %llu failed with error %d", (unsigned long long)Probe->Offset, (int)Error);
    }
    if (Probe->IsRead && memcmp(Probe->Buffer, Model + Probe->Offset, Probe->Length) != 0) {
        Fail("a random read of %u bytes at %llu differs from the model", Probe->Length,
             (unsigned long long)Probe->Offset);
    }
    free(Probe->Buffer);
    Probe->Active = false;
}

static bool Overlaps(const PROBE *A, const PROBE *B)
{
    return A->Active && A->Offset < B->Offset + B->Length && B->Offset < A->Offset + A->Length &&
           !(A->IsRead && B->IsRead);
}

static void StartProbe(CONNECTION *Connection, PROBE *Probe, uint8_t *Model, uint64_t *State)
{
    Probe->Buffer = Allocate(Probe->Length);
    if (!Probe->IsRead) {
        for (uint32_t I = 0; I < Probe->Length; I += sizeof(uint64_t)) {
            uint64_t Word = NextRandom(State);
            memcpy(Probe->Buffer + I, &Word, sizeof Word);
        }
        memcpy(Model + Probe->Offset, Probe->Buffer, Probe->Length);
    }
    Probe->Slot = ConnectionStart(Connection, Probe->IsRead ? NBD_CMD_READ : NBD_CMD_WRITE, 0, Probe->Offset,
                                  Probe->Length, Probe->Buffer);
    Probe->Active = true;
}

static void RandomTraffic(CONNECTION *Connection, uint64_t Seed, uint64_t Count, unsigned Depth, const char *Path)
{
    const NBD_EXPORT *Export = &Connection->Client.Export;
    if (Depth < 1 || Depth > CONNECTION_DEPTH) {
        Fail("the depth %u is not 1 to %u", Depth, CONNECTION_DEPTH);
    }
    uint8_t *Model = Allocate(Export->Size);
    Transfer(Connection, NBD_CMD_READ, 0, 0, Export->Size, Model);
    PROBE *Probes = Allocate(Depth * sizeof *Probes);
    memset(Probes, 0, Depth * sizeof *Probes);
    uint64_t State = Seed * 0x9E3779B97F4A7C15u + 1;
    uint64_t Blocks = Export->Size / Export->BlockSize;
    for (uint64_t I = 0; I < Count; I++) {
        PROBE Next = {.IsRead = NextRandom(&State) % 2 == 0, .Offset = NextRandom(&State) % Blocks * Export->BlockSize};
        uint64_t Length = (1 + NextRandom(&State) % 32) * Export->BlockSize;
        Next.Length = (uint32_t)(Length < Export->Size - Next.Offset ? Length : Export->Size - Next.Offset);
        if (Next.Length > Export->MaximumPayload) {
            Next.Length = Export->MaximumPayload;
        }
        /* The order of overlapping requests in flight is the server's choice: none are made. */
        for (unsigned J = 0; J < Depth; J++) {
            if (Overlaps(&Probes[J], &Next) || (J == I % Depth && Probes[J].Active)) {
                FinishProbe(Connection, &Probes[J], Model);
            }
        }
        Probes[I % Depth] = Next;
        StartProbe(Connection, &Probes[I % Depth], Model, &State);
    }
    for (unsigned J = 0; J < Depth; J++) {
        if (Probes[J].Active) {
            FinishProbe(Connection, &Probes[J], Model);
        }
    }
    SaveFile(Path, Model, Export->Size);
    free(Probes);
    free(Model);
}

static void WriteFile(CONNECTION *Connection, char **Words, uint16_t Flags)
{
    uint64_t Length = Number(Words[1]);
    uint8_t *Bytes = LoadFile(Words[2], Length);
    Transfer(Connection, NBD_CMD_WRITE, Flags, Number(Words[0]), Length, Bytes);
    free(Bytes);
}

static void ReadFile(CONNECTION *Connection, char **Words)
{
    uint64_t Length = Number(Words[1]);
    uint8_t *Bytes = Allocate(Length);
    Transfer(Connection, NBD_CMD_READ, 0, Number(Words[0]), Length, Bytes);
    SaveFile(Words[2], Bytes, Length);
    free(Bytes);
}

/* Carries out the command at Words, which holds Count words, and returns how many words it was. */
static int Command(CONNECTION *Connection, char **Words, int Count)
{
    static const struct {
        const char *Name;
        int Words;
    } Names[] = {{"info", 1}, {"flush", 1}, {"trim", 3},      {"zeroes", 3},
                 {"read", 4}, {"write", 4}, {"write-fua", 4}, {"random", 5}};
    size_t Which = 0;
    while (Which < sizeof Names / sizeof *Names && strcmp(Words[0], Names[Which].Name) != 0) {
        Which++;
    }
    if (Which == sizeof Names / sizeof *Names || Count < Names[Which].Words) {
        Fail("'%s' is not a command, or lacks arguments", Words[0]);
    }
    switch (Which) {
    case 0:
        Info(&Connection->Client.Export);
        break;
    case 1:
        Transfer(Connection, NBD_CMD_FLUSH, 0, 0, 0, NULL);
        break;
    case 2:
        Transfer(Connection, NBD_CMD_TRIM, 0, Number(Words[1]), Number(Words[2]), NULL);
        break;
    case 3:
        Transfer(Connection, NBD_CMD_WRITE_ZEROES, 0, Number(Words[1]), Number(Words[2]), NULL);
        break;
    case 4:
        ReadFile(Connection, Words + 1);
        break;
    case 5:
    case 6:
        WriteFile(Connection, Words + 1, Which == 6 ? NBD_CMD_FLAG_FUA : 0);
        break;
    default:
        RandomTraffic(Connection, Number(Words[1]), Number(Words[2]), (unsigned)Number(Words[3]), Words[4]);
        break;
    }
    return Names[Which].Words;
}

int main(int Count, char **Words)
{
    if (Count < 3 || (Count < 4 && strcmp(Words[2], "list") != 0)) {
        Fail("usage: nbd-exchange PORT list | PORT EXPORT BLOCK-SIZE COMMAND...");
    }
    static CONNECTION Connection;
    NBD_CONFIG Config = {.Goal = NBD_GOAL_LIST};
    if (Count > 3) {
        Config.Goal = NBD_GOAL_TRANSMISSION;
        Config.ExportName = Words[2];
        Config.ExportNameLength = strlen(Words[2]);
        Config.BlockSize = (uint32_t)Number(Words[3]);
    }
    ConnectionOpen(&Connection, (uint16_t)Number(Words[1]), &Config);
    ConnectionHandshake(&Connection);
    for (int I = 4; I < Count;) {
        I += Command(&Connection, Words + I, Count - I);
    }
    ConnectionClose(&Connection);
    return 0;
}
