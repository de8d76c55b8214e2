/* SPDX-License-Identifier: LGPL-2.1-only */
/* See nbd_session.h. */
#include "nbd_session.h"

#include <dirent.h>

#define SESSIONS_MAX 64u

static char Names[SESSIONS_MAX][256];
static size_t NameCount;

static int CompareNames(const void *Left, const void *Right)
{
    return strcmp(Left, Right);
}

size_t SessionCount(void)
{
    DIR *Directory = opendir(SESSION_DIRECTORY);
    struct dirent *Entry;

    assert_non_null(Directory);
    NameCount = 0;
    while ((Entry = readdir(Directory)) != NULL) {
        const char *Extension = strrchr(Entry->d_name, '.');

        if (Extension != NULL && strcmp(Extension, ".session") == 0) {
            assert_true(NameCount < SESSIONS_MAX);
            snprintf(Names[NameCount++], sizeof(Names[0]), "%s", Entry->d_name);
        }
    }
    closedir(Directory);
    qsort(Names, NameCount, sizeof(Names[0]), CompareNames);
    return NameCount;
}

const char *SessionName(size_t Index)
{
    assert_true(Index < NameCount);
    return Names[Index];
}

static void AddBytes(SESSION *Session, SESSION_KIND Kind, const char *Hex)
{
    SESSION_STEP *Step = Session->StepCount > 0 ? &Session->Steps[Session->StepCount - 1] : NULL;
    unsigned Byte;

    if (Step == NULL || Step->Kind != Kind) {
        assert_true(Session->StepCount < SESSION_STEPS_MAX);
        Step = &Session->Steps[Session->StepCount++];
        Step->Kind = Kind;
        Step->Start = Session->BytesLength;
        Step->Length = 0;
    }
    for (; sscanf(Hex, "%2x", &Byte) == 1; Hex += 2) {
        assert_true(Session->BytesLength < SESSION_BYTES_MAX);
        Session->Bytes[Session->BytesLength++] = (uint8_t)Byte;
        Step->Length++;
        Session->ServerLength += Kind == SESSION_SERVER;
    }
}

static void SetConfig(SESSION *Session, const char *Words)
{
    char Goal[8] = "";
    unsigned BlockSize = 0;

    assert_true(sscanf(Words, "%7s %u %255[^\n]", Goal, &BlockSize, Session->ExportName) >= 2);
    Session->Config.Goal = strcmp(Goal, "list") == 0 ? NBD_GOAL_LIST : NBD_GOAL_TRANSMISSION;
    Session->Config.BlockSize = BlockSize;
    Session->Config.ExportName = Session->ExportName;
    Session->Config.ExportNameLength = strlen(Session->ExportName);
}

void SessionLoad(SESSION *Session, size_t Index)
{
    char Path[1024];
    char Line[1024];
    int Comments = 0;
    FILE *File;

    snprintf(Path, sizeof(Path), "%s/%s", SESSION_DIRECTORY, SessionName(Index));
    File = fopen(Path, "r");
    assert_non_null(File);
    memset(Session, 0, sizeof(*Session));
    while (fgets(Line, sizeof(Line), File) != NULL) {
        switch (Line[0]) {
        case '#':
            if (++Comments == 2) {
                SetConfig(Session, Line + 2);
            }
            break;
        case '<':
            AddBytes(Session, SESSION_SERVER, Line + 2);
            break;
        case '>':
            AddBytes(Session, SESSION_CLIENT, Line + 2);
            break;
        case '!':
            AddBytes(Session, SESSION_CLOSE, "");
            break;
        case '=':
            assert_true(strlen(Session->Log) + strlen(Line) < sizeof(Session->Log));
            strcat(Session->Log, Line + 2);
            break;
        default:
            fail_msg("%s: a line that is none of a session: %s", Path, Line);
        }
    }
    fclose(File);
    assert_true(Comments >= 2 && Session->ServerLength > 0 && Session->Log[0] != '\0');
}

/* The server says Bytes, which begin at Position of all that it says. */
static void PlayServer(BENCH *Bench, SESSION_VARIATION *Variation, const uint8_t *Bytes, size_t Length, size_t Position)
{
    static uint8_t Copy[SESSION_BYTES_MAX];
    size_t Done = 0;

    memcpy(Copy, Bytes, Length);
    if (Variation->Flip >= Position && Variation->Flip < Position + Length) {
        Copy[Variation->Flip - Position] ^= Variation->FlipMask;
    }
    while (Done < Length) {
        size_t Piece = Length - Done;

        if (Variation->Split > Position + Done && Variation->Split < Position + Length) {
            Piece = Variation->Split - (Position + Done);
        }
        if (Variation->Seed != 0 && Piece > 1) {
            size_t Most = 1 + BenchRandom(&Variation->Seed) % 64;

            Piece = Piece < Most ? Piece : Most;
        }
        BenchFeed(Bench, Copy + Done, Piece);
        Done += Piece;
    }
}

/* The client says what it said: requests of the transmission phase. */
static void PlayRequests(BENCH *Bench, const uint8_t *Bytes, size_t Length)
{
    uint8_t Wire[NBD_REQUEST_SIZE];

    while (Length > 0) {
        const NBD_REQUEST *Request = (const NBD_REQUEST *)Bytes;
        NBD_COMMAND Command;
        size_t Size = sizeof(*Request);

        assert_true(Length >= Size);
        Command = (NBD_COMMAND)Be16Load(Request->Type);
        if (Command == NBD_CMD_DISC) {
            NbdDisconnect(&Bench->Client, Wire);
        } else {
            NbdRequest(&Bench->Client, Be64Load(Request->Cookie), Command, Be16Load(Request->Flags),
                       Be64Load(Request->Offset), Be32Load(Request->Length), Wire);
        }
        assert_memory_equal(Wire, Request, sizeof(Wire));
        if (Command == NBD_CMD_WRITE) {
            Size += Be32Load(Request->Length);
        }
        assert_true(Length >= Size);
        Bytes += Size;
        Length -= Size;
    }
}

/* Whether the client stands where it stood when the session was recorded, so that the same requests are allowed. */
static bool IsAsRecorded(const BENCH *Bench, const SESSION *Session)
{
    const char *Connected = strstr(Session->Log, "connected");
    size_t Length = Connected != NULL ? strcspn(Connected, "\n") : 0;

    return Bench->Client.Phase == NBD_PHASE_TRANSMISSION && Bench->LogLength >= Length && Length > 0 &&
           memcmp(Bench->Log, Connected, Length) == 0;
}

void SessionPlay(const SESSION *Session, const SESSION_VARIATION *Variation, BENCH *Bench)
{
    SESSION_VARIATION Rest = *Variation;
    bool Changed = Variation->Flip != SIZE_MAX;
    size_t Position = 0;

    BenchStart(Bench, &Session->Config);
    for (size_t Index = 0; Index < Session->StepCount; Index++) {
        const SESSION_STEP *Step = &Session->Steps[Index];
        const uint8_t *Bytes = Session->Bytes + Step->Start;

        if (Step->Kind == SESSION_SERVER) {
            PlayServer(Bench, &Rest, Bytes, Step->Length, Position);
            Position += Step->Length;
        } else if (Step->Kind == SESSION_CLOSE) {
            BenchCloses(Bench);
        } else if (Bench->OutputLength > 0) {
            if (!Changed) {
                assert_int_equal(Bench->OutputLength, Step->Length);
                assert_memory_equal(Bench->Output, Bytes, Step->Length);
            }
            Bench->OutputLength = 0;
        } else if (!Changed || (IsAsRecorded(Bench, Session) && Bench->Client.InFlight == 0)) {
            PlayRequests(Bench, Bytes, Step->Length);
        }
    }
    BenchCloses(Bench);
    assert_true(Bench->Client.Phase == NBD_PHASE_DONE || Bench->Client.Phase == NBD_PHASE_FAILED);
    assert_int_equal(Bench->Client.Phase == NBD_PHASE_FAILED, NbdFailureText(&Bench->Client)[0] != '\0');
    assert_int_equal(Bench->Client.Phase == NBD_PHASE_FAILED, Bench->Client.Failure != NBD_FAILURE_NONE);
}
