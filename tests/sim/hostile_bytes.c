/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A whole session, cut after every byte that the server says: once by closing
 * the connection there, once by standing still. In the handshake the disk is
 * refused with the words for what is missing; afterwards the requests without
 * an answer fail. Nothing is left of it in any case.
 */
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>

#define HANDSHAKE_BYTES (18u + 20 + 12 + 20)
#define READ_BYTES 512u
#define REPLY_BYTES 16u
#define REPLIES_BYTES (REPLY_BYTES + READ_BYTES + 3 * REPLY_BYTES)

/* Cases that stand still run side by side: each takes as long as its time limit. */
#define BATCH 100u
#define SILENT_SECONDS 5u /* in which a busy machine has to answer the rest */

#define ABORTED 1236u
#define TIMED_OUT 10060u

enum { IO_READ, IO_WRITE, IO_FLUSH, IO_UNMAP, IO_COUNT };

typedef struct {
    HOSTILE Hostile;
    SCRIPT Scripts[BATCH];
    WNBD_IOCTL_CREATE_COMMAND Commands[BATCH];
    WNBD_CREATE_RESULT Results[BATCH];
    NATIVE_REQUEST *Requests[BATCH];
    DISK Disks[BATCH];
    DISK_IO Ios[BATCH][IO_COUNT];
    UCHAR Data[BATCH][2][READ_BYTES];
    UCHAR Unmap[BATCH][24];
} RUN;

static RUN Run;

/* The session: all four requests are heard before the first reply, so that what is in flight is known at each byte. */
static void PlaySession(PEER *Peer)
{
    static const UCHAR Data[READ_BYTES];
    SCRIPT_REQUEST Requests[IO_COUNT];
    if (!PeerConnect(Peer, HOSTILE_SIZE)) {
        return;
    }
    for (int Index = 0; Index < IO_COUNT; Index++) {
        if (!PeerHearRequest(Peer, &Requests[Index])) {
            return;
        }
    }
    for (int Index = 0; Index < IO_COUNT; Index++) {
        PeerReply(Peer, 0, Requests[Index].Cookie, Data, Requests[Index].Type == 0 ? READ_BYTES : 0);
    }
    if (!Peer->Over) {
        PeerStall(Peer);
    }
}

/* What the server still owes when it has said so many bytes of the handshake. */
static const char *Awaited(uint64_t Said)
{
    static const struct {
        uint64_t Before;
        const char *Text;
    } Rows[] = {{8, "its greeting"},
                {16, "the second number of its greeting"},
                {18, "its handshake flags"},
                {38, "its reply to an option"},
                {50, "the data of its reply to an option"},
                {HANDSHAKE_BYTES, "its reply to an option"}};
    size_t Row = 0;
    while (Said >= Rows[Row].Before) {
        Row++;
    }
    return Rows[Row].Text;
}

static void BeginMap(size_t Index)
{
    WNBD_IOCTL_CREATE_COMMAND *Command = &Run.Commands[Index];
    char Name[16];
    snprintf(Name, sizeof(Name), "disk%zu", Index);
    Command->IoControlCode = IOCTL_WNBD_CREATE_EX;
    BedProperties(&Command->Properties, Name, Run.Scripts[Index].Port);
    Run.Requests[Index] = NativeIoctlBegin(Run.Hostile.Bed.File, WNBD_IOCTL_CONTROL_CODE, Command, sizeof(*Command),
                                           &Run.Results[Index], sizeof(Run.Results[Index]));
}

static void ExpectRefusal(size_t Index, uint32_t Status, const char *Text)
{
    char Line[256];
    const WNBD_CREATE_RESULT *Result = &Run.Results[Index];
    CHECK(NativeRequestWait(Run.Requests[Index], NULL) == STATUS_SUCCESS);
    if (Result->Status != Status || strcmp(Result->Message, Text) != 0) {
        fprintf(stderr, "after %llu bytes\nexpected: %u %s\nresult:   %u %s\n",
                (unsigned long long)Run.Scripts[Index].Allowed, Status, Text, Result->Status, Result->Message);
        BedFail(__FILE__, __LINE__, "the refusal says what it should");
    }
    CHECK(Result->Phase == WnbdCreatePhaseHandshake);
    snprintf(Line, sizeof(Line), "disk%zu: %s", Index, Text);
    HostileExpectLog(Line);
}

static void PlayNothing(PEER *Peer)
{
    if (Peer->Script->Stalls) {
        PeerStall(Peer);
    }
}

/* Every place in the handshake, side by side. */
static void TestHandshake(bool Stalls)
{
    HostileBegin(Stalls ? "stands still after each byte of the handshake" : "closes after each byte of the handshake");
    for (size_t Said = 0; Said < HANDSHAKE_BYTES; Said++) {
        /* Allowed 0 would be no limit. */
        Run.Scripts[Said] = (SCRIPT){.Play = Said == 0 ? PlayNothing : PlaySession, .Allowed = Said, .Stalls = Stalls};
        ScriptStart(&Run.Scripts[Said]);
        BeginMap(Said);
    }
    for (size_t Said = 0; Said < HANDSHAKE_BYTES; Said++) {
        char Text[128];
        snprintf(Text, sizeof(Text), "the server closed the connection instead of sending %s", Awaited(Said));
        ExpectRefusal(Said, Stalls ? TIMED_OUT : ABORTED,
                      Stalls ? "the server did not finish the NBD handshake within 15 seconds (is it an NBD server?)"
                             : Text);
        ScriptStop(&Run.Scripts[Said]);
    }
    HostileEnd(&Run.Hostile);
}

/* ---- the transmission phase ---- */

static void BeginIo(size_t Index)
{
    static const UCHAR Flush[10] = {0x35}, UnmapCdb[10] = {0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0};
    static const UCHAR Descriptors[24] = {0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8};
    DISK *Disk = &Run.Disks[Index];
    DISK_IO *Io = Run.Ios[Index];
    UCHAR Cdb[16];
    memcpy(Run.Unmap[Index], Descriptors, sizeof(Descriptors));
    DiskCdb16(Cdb, 0x88, 0, 1, false);
    DiskBegin(Disk, &Io[IO_READ], true, Cdb, 16, SRB_FLAGS_DATA_IN, Run.Data[Index][0], READ_BYTES);
    DiskCdb16(Cdb, 0x8A, 1, 1, false);
    DiskBegin(Disk, &Io[IO_WRITE], false, Cdb, 16, SRB_FLAGS_DATA_OUT, Run.Data[Index][1], READ_BYTES);
    DiskBegin(Disk, &Io[IO_FLUSH], false, Flush, 10, 0, NULL, 0);
    DiskBegin(Disk, &Io[IO_UNMAP], false, UnmapCdb, 10, SRB_FLAGS_DATA_OUT, Run.Unmap[Index], sizeof(Descriptors));
}

/* How many of the replies are whole, after so many bytes of them. */
static unsigned Answered(uint64_t Said)
{
    return Said < REPLY_BYTES + READ_BYTES ? 0 : 1 + (unsigned)((Said - REPLY_BYTES - READ_BYTES) / REPLY_BYTES);
}

/* The places from First on, Count of them: maps, asks, and sees what the server has answered succeed, and the rest not.
 */
static void CutReplies(size_t First, size_t Count, bool Stalls)
{
    for (size_t Index = 0; Index < Count; Index++) {
        Run.Scripts[Index] =
            (SCRIPT){.Play = PlaySession, .Allowed = HANDSHAKE_BYTES + First + Index, .Stalls = Stalls};
        ScriptStart(&Run.Scripts[Index]);
        BeginMap(Index);
        CHECK(NativeRequestWait(Run.Requests[Index], NULL) == STATUS_SUCCESS && Run.Results[Index].Status == 0);
        /* "good" and those that are there already; when the server closes, each goes again at once. */
        DiskOpen(&Run.Disks[Index], &Run.Hostile.Bed, Stalls ? Index + 2 : 2);
        Run.Disks[Index].TimeoutSeconds = Stalls ? SILENT_SECONDS : 30;
        BeginIo(Index);
        if (!Stalls) {
            for (unsigned Io = 0; Io < IO_COUNT; Io++) {
                CHECK((DiskWait(&Run.Ios[Index][Io], NULL) == SRB_STATUS_SUCCESS) == (Io < Answered(First + Index)));
            }
            CHECK(NativeChildWait(Run.Hostile.Bed.Adapter, 1, 60000));
            DiskClose(&Run.Disks[Index]);
            ScriptStop(&Run.Scripts[Index]);
        }
    }
}

static void TestClosedReplies(void)
{
    HostileBegin("closes after each byte of the replies");
    /* The last place is the end of the session, which closes with nothing owed. */
    for (size_t Said = 0; Said < REPLIES_BYTES; Said++) {
        char Line[128];
        CutReplies(Said, 1, false);
        snprintf(Line, sizeof(Line), "disk0: the server closed the connection; requests in flight: %u",
                 IO_COUNT - Answered(Said));
        HostileExpectLog(Line);
        HostileForgetLog();
    }
    HostileEnd(&Run.Hostile);
}

static void TestStalledReplies(void)
{
    HostileBegin("stands still after each byte of the replies");
    for (size_t First = 0; First < REPLIES_BYTES; First += BATCH) {
        size_t Count = REPLIES_BYTES - First < BATCH ? REPLIES_BYTES - First : BATCH;
        CutReplies(First, Count, true);
        for (size_t Index = 0; Index < Count; Index++) {
            for (unsigned Io = 0; Io < IO_COUNT; Io++) {
                CHECK((DiskWait(&Run.Ios[Index][Io], NULL) == SRB_STATUS_SUCCESS) == (Io < Answered(First + Index)));
            }
        }
        for (size_t Index = 0; Index < Count; Index++) {
            BedUnmap(&Run.Hostile.Bed, Run.Commands[Index].Properties.InstanceName); /* if it has not ended by itself */
            DiskClose(&Run.Disks[Index]);
        }
        CHECK(NativeChildWait(Run.Hostile.Bed.Adapter, 1, 60000));
        for (size_t Index = 0; Index < Count; Index++) {
            ScriptStop(&Run.Scripts[Index]);
        }
    }
    HostileEnd(&Run.Hostile);
}

int main(int Count, char **Arguments)
{
    HostileStart(&Run.Hostile, Count > 1 ? strtoull(Arguments[1], NULL, 0) : 1);
    TestHandshake(false);
    TestHandshake(true);
    TestClosedReplies();
    TestStalledReplies();
    HostileStop(&Run.Hostile);
    printf("ok\n");
    return 0;
}
