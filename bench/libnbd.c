/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The first peer: libnbd's asynchronous API as a good program uses it. One
 * thread; requests are issued whenever a place is free, completions come by
 * callback, several connections are waited for with one poll.
 */
#include "bench.h"

#include <libnbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    struct nbd_handle *Handle;
    uint32_t Number;
    BENCH_SLOT Slots[BENCH_DEPTH_MAX];
    BENCH_SLOT *Free[BENCH_DEPTH_MAX];
    uint32_t FreeCount;
} PEER;

static BENCH Bench;
static PEER Peers[BENCH_DISKS_MAX];
static uint64_t InFlight;

/* A callback's context: which slot of which peer. */
static PEER *SlotPeer(BENCH_SLOT *Slot)
{
    return &Peers[((char *)Slot - (char *)Peers) / (ptrdiff_t)sizeof(PEER)];
}

static int OnDone(void *Context, int *Error)
{
    BENCH_SLOT *Slot = Context;
    PEER *Peer = SlotPeer(Slot);
    if (*Error != 0) {
        BenchFail("the server reports an error");
    }
    InFlight--;
    if (BenchEnded(&Bench, Slot)) {
        Peer->Free[Peer->FreeCount++] = Slot;
    }
    return 1;
}

static void Issue(PEER *Peer)
{
    BENCH_SLOT *Slot = Peer->Free[--Peer->FreeCount];
    nbd_completion_callback Callback = {.callback = OnDone, .user_data = Slot};
    BenchBegin(&Bench, Slot, Peer->Number);
    InFlight++;
    int64_t Cookie = Bench.Write ? nbd_aio_pwrite(Peer->Handle, Slot->Data, Bench.BlockBytes, Slot->Offset, Callback, 0)
                                 : nbd_aio_pread(Peer->Handle, Slot->Data, Bench.BlockBytes, Slot->Offset, Callback, 0);
    if (Cookie < 0) {
        BenchFail(nbd_get_error());
    }
}

static void Connect(PEER *Peer, uint32_t Number)
{
    char Port[8];
    snprintf(Port, sizeof(Port), "%u", Bench.Port);
    Peer->Number = Number;
    Peer->Handle = nbd_create();
    if (Peer->Handle == NULL || nbd_connect_tcp(Peer->Handle, "127.0.0.1", Port) < 0) {
        BenchFail(nbd_get_error());
    }
    Bench.SizeBytes = (uint64_t)nbd_get_size(Peer->Handle);
    /* What it checks and clears for careless callers is not needed here. */
    nbd_set_strict_mode(Peer->Handle, 0);
    nbd_set_pread_initialize(Peer->Handle, false);
    for (uint32_t Index = 0; Index < Bench.Depth; Index++) {
        BenchSlot(&Bench, &Peer->Slots[Index]);
        Peer->Free[Peer->FreeCount++] = &Peer->Slots[Index];
    }
}

static void Notify(PEER *Peer, const struct pollfd *File)
{
    unsigned Direction = nbd_aio_get_direction(Peer->Handle);
    int Result = 0;
    if ((File->revents & (POLLIN | POLLHUP)) && (Direction & LIBNBD_AIO_DIRECTION_READ)) {
        Result = nbd_aio_notify_read(Peer->Handle);
    } else if ((File->revents & POLLOUT) && (Direction & LIBNBD_AIO_DIRECTION_WRITE)) {
        Result = nbd_aio_notify_write(Peer->Handle);
    }
    if (Result < 0) {
        BenchFail(nbd_get_error());
    }
}

static void Wait(void)
{
    struct pollfd Files[BENCH_DISKS_MAX];
    if (Bench.Disks == 1) {
        if (nbd_poll(Peers[0].Handle, -1) < 0) {
            BenchFail(nbd_get_error());
        }
        return;
    }
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        unsigned Direction = nbd_aio_get_direction(Peers[Disk].Handle);
        Files[Disk].fd = nbd_aio_get_fd(Peers[Disk].Handle);
        Files[Disk].events = (short)((Direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
                                     (Direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
        Files[Disk].revents = 0;
    }
    if (poll(Files, Bench.Disks, -1) < 0) {
        BenchFail("poll");
    }
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        if (Files[Disk].revents != 0) {
            Notify(&Peers[Disk], &Files[Disk]);
        }
    }
}

int main(int ArgumentCount, char **Arguments)
{
    BenchStart(&Bench, "libnbd", ArgumentCount, Arguments);
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        Connect(&Peers[Disk], Disk);
    }
    while (Bench.Phase != BENCH_ENDING || InFlight != 0) {
        for (uint32_t Disk = 0; Disk < Bench.Disks && Bench.Phase != BENCH_ENDING; Disk++) {
            while (Peers[Disk].FreeCount != 0) {
                Issue(&Peers[Disk]);
            }
        }
        Wait();
    }
    for (uint32_t Disk = 0; Disk < Bench.Disks; Disk++) {
        nbd_shutdown(Peers[Disk].Handle, 0);
        nbd_close(Peers[Disk].Handle);
    }
    BenchReport(&Bench, "");
    return 0;
}
