/* SPDX-License-Identifier: LGPL-2.1-only */
/* What ground_seeded.h and simnet.h promise. */
#include "ground_seeded.h"
#include "simnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(Condition)                                                                                              \
    do {                                                                                                               \
        if (!(Condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #Condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define THREADS 4
#define TURNS 200
#define HOUR (3600 * 10000000ull)

/* ---- Threads: each adds to a sum, with a place to hand over between reading and writing it ---- */

static GROUND_LOCK SumLock;
static GROUND_SIGNAL SumChanged;
static uint64_t Sum, Torn;
static bool Locked;

static void AddMain(void *Context)
{
    (void)Context;
    for (int Turn = 0; Turn < TURNS; Turn++) {
        if (Locked) {
            GroundLockEnter(&SumLock);
        }
        uint64_t Before = Sum;
        GroundStep();
        Torn += Sum != Before;
        Sum = Before + 1;
        if (Locked) {
            GroundSignalWakeAll(&SumChanged);
            GroundLockLeave(&SumLock);
        }
    }
}

static uint64_t Adders(uint64_t Seed, bool WithLock)
{
    GROUND_THREAD *Threads[THREADS];
    SeededBegin(Seed);
    memset(&SumLock, 0, sizeof(SumLock));
    GroundSignalInitialize(&SumChanged);
    Sum = Torn = 0;
    Locked = WithLock;
    for (int Index = 0; Index < THREADS; Index++) {
        Threads[Index] = GroundThreadStart(AddMain, NULL, "adder");
    }
    for (int Index = 0; Index < THREADS; Index++) {
        GroundThreadJoin(Threads[Index]);
    }
    return SeededTrace();
}

static void TestThreads(void)
{
    uint64_t AllTorn = 0, Different = 0;
    for (uint64_t Seed = 1; Seed <= 50; Seed++) {
        uint64_t Trace = Adders(Seed, false);
        uint64_t Result = Sum;
        AllTorn += Torn;
        EXPECT(Adders(Seed, false) == Trace && Sum == Result);
        Different += Adders(Seed + 1000, false) != Trace;
        Adders(Seed, true);
        EXPECT(Sum == THREADS * TURNS && Torn == 0);
    }
    /* Hand-overs happen where they may, and seeds differ. */
    EXPECT(AllTorn > 1000 && Different == 50);
}

/* ---- Time ---- */

static void SleepMain(void *Context)
{
    GroundSleep(HOUR);
    *(uint64_t *)Context = GroundNow();
}

static void TestTime(void)
{
    uint64_t Woken = 0;
    SeededBegin(3);
    GROUND_THREAD *Thread = GroundThreadStart(SleepMain, &Woken, "sleeper");
    for (int Turn = 0; Turn < 1000; Turn++) {
        GroundYield();
    }
    /* Nothing else can run but this thread, which spins: time goes on. */
    EXPECT(GroundNow() >= HOUR);
    GroundThreadJoin(Thread);
    EXPECT(Woken >= HOUR && Woken < HOUR + 10000000);
    GROUND_LOCK Lock = GROUND_LOCK_INITIALIZER;
    GROUND_SIGNAL Never;
    GroundSignalInitialize(&Never);
    uint64_t Deadline = GroundNow() + HOUR;
    GroundLockEnter(&Lock);
    GroundSignalWait(&Never, &Lock, Deadline);
    GroundLockLeave(&Lock);
    EXPECT(GroundNow() >= Deadline && GroundNow() < Deadline + 1000);
}

/* ---- What never goes on stops with a report ---- */

static GROUND_LOCK First, Second;

static void CrosswiseMain(void *Context)
{
    GroundLockEnter(&Second);
    GroundSleep(1000);
    GroundLockEnter(&First);
    (void)Context;
}

static void Deadlock(void)
{
    SeededBegin(1);
    GroundThreadStart(CrosswiseMain, NULL, "crosswise");
    GroundLockEnter(&First);
    GroundSleep(1000);
    GroundLockEnter(&Second);
}

static void LostWake(void)
{
    GROUND_SIGNAL Signal;
    SeededBegin(2);
    GroundSignalInitialize(&Signal);
    GroundLockEnter(&First);
    GroundSignalWait(&Signal, &First, UINT64_MAX);
}

static void Spin(void)
{
    SeededBegin(3);
    for (;;) {
        GroundYield();
    }
}

/* The process ends by abort, and its report has these words. */
static void ExpectStop(void (*Routine)(void), const char *Words)
{
    int Pipe[2], Status;
    char Text[8192];
    size_t Length = 0;
    ssize_t Part;
    EXPECT(pipe(Pipe) == 0);
    pid_t Child = fork();
    EXPECT(Child >= 0);
    if (Child == 0) {
        dup2(Pipe[1], STDERR_FILENO);
        close(Pipe[0]);
        close(Pipe[1]);
        Routine();
        _exit(0);
    }
    close(Pipe[1]);
    while ((Part = read(Pipe[0], Text + Length, sizeof(Text) - 1 - Length)) > 0) {
        Length += (size_t)Part;
    }
    Text[Length] = '\0';
    close(Pipe[0]);
    EXPECT(waitpid(Child, &Status, 0) == Child);
    if (!WIFSIGNALED(Status) || WTERMSIG(Status) != SIGABRT || strstr(Text, Words) == NULL) {
        fprintf(stderr, "status 0x%x, no \"%s\" in:\n%s\n", Status, Words, Text);
        abort();
    }
}

static void TestStops(void)
{
    ExpectStop(Deadlock, "every thread waits");
    ExpectStop(Deadlock, "thread 1 \"crosswise\": waits\n");
    ExpectStop(LostWake, "every thread waits");
    ExpectStop(Spin, "spins for ever");
}

/* ---- The network ---- */

#define STREAM_BYTES 5000u

static unsigned char Stream(size_t At)
{
    return (unsigned char)(At * 7 + At / 256);
}

/* Sends a stream and takes back the same one. */
static void EchoMain(void *Context)
{
    SIM_END *End;
    while ((End = SimAccept(Context)) != NULL) {
        unsigned char Byte;
        for (size_t At = 0; At < STREAM_BYTES; At++) {
            Byte = Stream(At);
            EXPECT(SimSend(End, &Byte, 1));
        }
        for (size_t At = 0; At < STREAM_BYTES; At++) {
            EXPECT(SimReceive(End, &Byte, 1, UINT64_MAX) && Byte == Stream(At));
        }
        EXPECT(!SimReceive(End, &Byte, 1, UINT64_MAX));
        SimBreak(End, false);
        SimClose(End);
    }
}

static void Wait(GROUND_POLLER *Poller, int Socket, uint32_t Events)
{
    GROUND_READY Ready;
    GroundPollerArm(Poller, Socket, Events, Poller);
    while (GroundPollerWait(Poller, &Ready, 1) == 0) {
    }
    EXPECT(Ready.Context == Poller && (Ready.Events & Events) != 0);
}

static int Connect(GROUND_POLLER *Poller, uint16_t Port, GROUND_NET Expected)
{
    GROUND_ADDRESS Address = {.Ip = {127, 0, 0, 1}, .Port = Port};
    int Socket;
    EXPECT(GroundSocketOpen(false, &Socket) == GROUND_NET_OK);
    EXPECT(GroundSocketConnect(Socket, &Address) == GROUND_NET_WOULD_BLOCK);
    Wait(Poller, Socket, GROUND_POLL_WRITE);
    EXPECT(GroundSocketConnected(Socket) == Expected);
    return Socket;
}

static void ReceiveStream(GROUND_POLLER *Poller, int Socket)
{
    unsigned char Bytes[300];
    size_t Received;
    for (size_t At = 0; At < STREAM_BYTES; At += Received) {
        GROUND_PIECE Pieces[] = {{Bytes, 100}, {Bytes + 100, 200}};
        GROUND_NET Result = GroundSocketReceive(Socket, Pieces, 2, &Received);
        EXPECT(Result == GROUND_NET_OK || Result == GROUND_NET_WOULD_BLOCK);
        EXPECT((Received == 0) == (Result == GROUND_NET_WOULD_BLOCK));
        for (size_t Index = 0; Index < Received; Index++) {
            EXPECT(Bytes[Index] == Stream(At + Index));
        }
        if (Received == 0) {
            Wait(Poller, Socket, GROUND_POLL_READ);
        }
    }
}

static void SendStream(GROUND_POLLER *Poller, int Socket)
{
    unsigned char Bytes[STREAM_BYTES];
    size_t Sent;
    for (size_t At = 0; At < STREAM_BYTES; At++) {
        Bytes[At] = Stream(At);
    }
    for (size_t At = 0; At < STREAM_BYTES; At += Sent) {
        GROUND_PIECE Piece = {Bytes + At, STREAM_BYTES - At};
        GROUND_NET Result = GroundSocketSend(Socket, &Piece, 1, &Sent);
        EXPECT(Result == (Sent == 0 ? GROUND_NET_WOULD_BLOCK : GROUND_NET_OK));
        if (Sent == 0) {
            Wait(Poller, Socket, GROUND_POLL_WRITE);
        }
    }
}

static void Exchange(uint64_t Seed, const SIM_WEATHER *Weather)
{
    unsigned char Byte;
    size_t Received;
    GROUND_PIECE Piece = {&Byte, 1};
    SeededBegin(Seed);
    SIM_LISTENER *Listener = SimListen(10809, Weather);
    GROUND_THREAD *Echo = GroundThreadStart(EchoMain, Listener, "echo");
    GROUND_POLLER *Poller = GroundPollerOpen();
    int Socket = Connect(Poller, 10809, GROUND_NET_OK);
    ReceiveStream(Poller, Socket);
    SendStream(Poller, Socket);
    GroundSocketShutdown(Socket, false);
    Wait(Poller, Socket, GROUND_POLL_READ);
    EXPECT(GroundSocketReceive(Socket, &Piece, 1, &Received) == GROUND_NET_OK && Received == 0);
    GroundPollerForget(Poller, Socket);
    GroundSocketClose(Socket);
    /* Refused, where nobody listens or the fate says so. */
    GroundSocketClose(Connect(Poller, 10810, GROUND_NET_REFUSED));
    SimFates(Listener, &(SIM_FATE){GROUND_NET_TIMED_OUT, 1000}, 1);
    GroundSocketClose(Connect(Poller, 10809, GROUND_NET_TIMED_OUT));
    GroundPollerClose(Poller);
    SimListenerClose(Listener);
    GroundThreadJoin(Echo);
    SimListenerFree(Listener);
    EXPECT(SimIsEmpty());
}

/* Closing with bytes unread resets the other side; so does an abortive end. */
static void ResetMain(void *Context)
{
    SIM_END *End;
    while ((End = SimAccept(Context)) != NULL) {
        EXPECT(SimSend(End, "unread", 6));
        GroundSleep(100000);
        EXPECT(!SimSend(End, "late", 4));
        SimClose(End);
    }
}

static void TestReset(void)
{
    SeededBegin(9);
    SIM_LISTENER *Listener = SimListen(10809, &(SIM_WEATHER){.CapacityBytes = 4096});
    GROUND_THREAD *Server = GroundThreadStart(ResetMain, Listener, "server");
    GROUND_POLLER *Poller = GroundPollerOpen();
    for (int Abort = 0; Abort < 2; Abort++) {
        int Socket = Connect(Poller, 10809, GROUND_NET_OK);
        Wait(Poller, Socket, GROUND_POLL_READ);
        if (Abort) {
            GroundSocketShutdown(Socket, true);
        }
        GroundPollerForget(Poller, Socket);
        GroundSocketClose(Socket);
    }
    GroundPollerClose(Poller);
    SimListenerClose(Listener);
    GroundThreadJoin(Server);
    SimListenerFree(Listener);
    EXPECT(SimIsEmpty());
}

int main(void)
{
    TestThreads();
    TestTime();
    TestStops();
    for (uint64_t Seed = 1; Seed <= 10; Seed++) {
        Exchange(Seed, &(SIM_WEATHER){.CapacityBytes = 1});
        Exchange(Seed, &(SIM_WEATHER){.CapacityBytes = 65536});
        Exchange(Seed, &(SIM_WEATHER){.CapacityBytes = 1000, .DelayMost = 5000});
        Exchange(Seed, &(SIM_WEATHER){.CapacityBytes = 65536, .SplitOneIn = 1, .Single = true, .DelayMost = 100});
        Exchange(Seed, &(SIM_WEATHER){.CapacityBytes = 300, .SplitOneIn = 2, .DelayMost = 100000});
    }
    TestReset();
    printf("ok\n");
    return 0;
}
