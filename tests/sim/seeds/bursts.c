/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What comes together travels together: requests that arrive while the
 * processor or the connection is busy leave in one send, replies that arrive
 * together are taken by one receive. Counts the driver's sends and receives
 * (the linker's --wrap). The server is the test's, without a handshake.
 */
#include "bed.h"
#include "ground_seeded.h"
#include "net.h"
#include "simnet.h"

#include <stdio.h>

#define PORT 10809u
#define BURST 32u
#define BLOCK 512u
#define REQUEST_BYTES 28u
#define REPLY_BYTES 16u
#define WIRE_READ 0u
#define WIRE_WRITE 1u
#define WIRE_DISC 2u
#define BUSY_BYTES 65536u /* of a write that keeps the connection busy */
#define SEEDS 20u

/* ---- The driver's sends and receives ---- */

static struct {
    uint32_t Sends;
    uint32_t Receives;
} Count;

void __real_NetSend(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer, ULONG LengthBytes);
void __wrap_NetSend(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer, ULONG LengthBytes);
void __real_NetReceive(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer);
void __wrap_NetReceive(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer);

void __wrap_NetSend(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer, ULONG LengthBytes)
{
    Count.Sends++;
    __real_NetSend(Socket, Op, Buffer, LengthBytes);
}

void __wrap_NetReceive(PWSK_SOCKET Socket, NET_OP *Op, NET_BUFFER *Buffer)
{
    Count.Receives++;
    __real_NetReceive(Socket, Op, Buffer);
}

/* ---- The server ---- */

static struct {
    SIM_LISTENER *Listener;
    GROUND_THREAD *Thread;
    bool Reads; /* false: it lets requests wait */
    uint32_t Heard;
    uint32_t Answered; /* so many are answered at once, when the last of them has been heard */
    size_t AnswerBytes;
    UCHAR Answers[(BURST + 1) * (REPLY_BYTES + BLOCK)];
} Server;

static uint32_t Big32(const UCHAR *Bytes)
{
    return (uint32_t)Bytes[0] << 24 | (uint32_t)Bytes[1] << 16 | (uint32_t)Bytes[2] << 8 | Bytes[3];
}

/* Puts the reply among those that will be sent together: a success, and zeros for data. */
static void Answer(const UCHAR *Request)
{
    static const UCHAR Magic[4] = {0x67, 0x44, 0x66, 0x98};
    UCHAR *Reply = Server.Answers + Server.AnswerBytes;
    memset(Reply, 0, REPLY_BYTES + BLOCK);
    memcpy(Reply, Magic, sizeof(Magic));
    memcpy(Reply + 8, Request + 8, 8);
    Server.AnswerBytes += REPLY_BYTES + (Request[7] == WIRE_READ ? BLOCK : 0);
}

static void Serve(void *Context)
{
    static UCHAR Payload[BUSY_BYTES];
    UCHAR Request[REQUEST_BYTES];
    SIM_END *End = SimAccept(Server.Listener);
    (void)Context;
    while (!Server.Reads) {
        GroundSleep(1000);
    }
    while (SimReceive(End, Request, sizeof(Request), UINT64_MAX) && Request[7] != WIRE_DISC) {
        CHECK(Request[7] != WIRE_READ || Big32(Request + 24) == BLOCK);
        CHECK(Request[7] != WIRE_WRITE || SimReceive(End, Payload, Big32(Request + 24), UINT64_MAX));
        Answer(Request);
        if (++Server.Heard == Server.Answered) {
            CHECK(SimSend(End, Server.Answers, Server.AnswerBytes));
        }
    }
    SimBreak(End, false);
    SimClose(End);
}

/* ---- The disk ---- */

static BED Bed;
static DISK Disk;
static DISK_IO Busy, Ios[BURST];
static UCHAR Data[BURST][BLOCK];

static void Start(uint64_t Seed, uint32_t SendWindow, uint32_t CapacityBytes, const NATIVE_OPTIONS *Options)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_PROPERTIES Properties;
    SIM_WEATHER Weather = {.CapacityBytes = CapacityBytes};
    SeededBegin(Seed);
    memset(&Server, 0, sizeof(Server));
    Server.Listener = SimListen(PORT, &Weather);
    Server.Thread = GroundThreadStart(Serve, NULL, "server");
    NativeStart(Options);
    NativeRegistrySetDword(NATIVE_SERVICES "wnbd\\Parameters", "SendWindow", SendWindow);
    BedLoad(&Bed);
    BedProperties(&Properties, "disk", PORT);
    Properties.NbdProperties.Flags.SkipNegotiation = 1;
    Properties.BlockSize = BLOCK;
    Properties.BlockCount = 4096;
    CHECK(BedMap(&Bed, &Properties, &Result) == STATUS_SUCCESS && Result.Status == 0);
    DiskOpen(&Disk, &Bed, 1);
    Count.Sends = 0;
    Count.Receives = 0;
}

static void Stop(void)
{
    BedUnmapDisk(&Bed, &Disk);
    BedStop(&Bed);
    GroundThreadJoin(Server.Thread);
    SimListenerClose(Server.Listener);
    SimListenerFree(Server.Listener);
    CHECK(SimIsEmpty());
}

static void BurstGive(void)
{
    UCHAR Cdb[16];
    for (uint32_t Index = 0; Index < BURST; Index++) {
        DiskCdb16(Cdb, 0x88, Index, 1, false);
        DiskBegin(&Disk, &Ios[Index], false, Cdb, 16, SRB_FLAGS_DATA_IN, Data[Index], BLOCK);
    }
}

static void BurstWait(void)
{
    for (uint32_t Index = 0; Index < BURST; Index++) {
        CHECK(DiskWait(&Ios[Index], NULL) == SRB_STATUS_SUCCESS);
    }
}

static VOID GiveDpc(PKDPC Dpc, PVOID Context, PVOID Argument1, PVOID Argument2)
{
    UNREFERENCED_PARAMETER(Dpc);
    UNREFERENCED_PARAMETER(Context);
    UNREFERENCED_PARAMETER(Argument1);
    UNREFERENCED_PARAMETER(Argument2);
    BurstGive();
}

/*
 * The processor is busy: a DPC gives them. The first finds an idle connection and leaves at once, the others with the
 * DPC that comes after. Each send is over before it returns, so that no window of sends makes requests wait. All
 * replies come at once: the receive that was waiting takes them, and the next one waits.
 */
static void TestProcessor(uint64_t Seed)
{
    static KDPC Dpc;
    Start(Seed, 8, 1u << 20, &(NATIVE_OPTIONS){.Seed = Seed, .OneProcessor = true, .WskSynchronousOneIn = 1});
    Server.Answered = BURST;
    Server.Reads = true;
    KeInitializeDpc(&Dpc, GiveDpc, NULL);
    KeInsertQueueDpc(&Dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    BurstWait();
    if (Count.Sends != 2 || Count.Receives > 2) {
        fprintf(stderr, "seed %llu: %u sends, %u receives\n", (unsigned long long)Seed, Count.Sends, Count.Receives);
    }
    CHECK(Count.Sends == 2);
    CHECK(Count.Receives <= 2);
    Stop();
}

/* The connection is busy: a write is on its way to a server that doesn't read, and no second send may be in flight. */
static void TestConnection(uint64_t Seed)
{
    static UCHAR Written[BUSY_BYTES];
    UCHAR Cdb[16];
    Start(Seed, 1, 4096, &(NATIVE_OPTIONS){.Seed = Seed});
    Server.Answered = BURST + 1;
    DiskCdb16(Cdb, 0x8A, 0, BUSY_BYTES / BLOCK, false);
    DiskBegin(&Disk, &Busy, false, Cdb, 16, SRB_FLAGS_DATA_OUT, Written, BUSY_BYTES);
    while (Count.Sends == 0) {
        GroundSleep(1000);
    }
    BurstGive();
    CHECK(Count.Sends == 1);
    Server.Reads = true;
    CHECK(DiskWait(&Busy, NULL) == SRB_STATUS_SUCCESS);
    BurstWait();
    CHECK(Count.Sends == 2);
    Stop();
}

int main(void)
{
    for (uint64_t Seed = 1; Seed <= SEEDS; Seed++) {
        TestProcessor(Seed);
        TestConnection(Seed);
    }
    printf("ok\n");
    return 0;
}
