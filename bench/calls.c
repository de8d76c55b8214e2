/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Counts the calls of the system's network functions, of this program and of the libraries that it uses: these
 * definitions come before libc's, which they call.
 */
#include "bench.h"

#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

uint64_t CallsTransfers;
uint64_t CallsPolls;
uint64_t CallsIoctls;

/* Type Name(Parameters), which counts in Counter and calls the real function with Arguments. */
#define COUNTED(Counter, Type, Name, Parameters, Arguments)                                                            \
    Type Name Parameters;                                                                                              \
    Type Name Parameters                                                                                               \
    {                                                                                                                  \
        static Type(*Real) Parameters;                                                                                 \
        if (Real == NULL) {                                                                                            \
            Real = (Type(*) Parameters)dlsym(RTLD_NEXT, #Name);                                                        \
        }                                                                                                              \
        __atomic_fetch_add(&Counter, 1, __ATOMIC_RELAXED);                                                             \
        return Real Arguments;                                                                                         \
    }

COUNTED(CallsTransfers, ssize_t, send, (int Socket, const void *Data, size_t Length, int Flags),
        (Socket, Data, Length, Flags))
COUNTED(CallsTransfers, ssize_t, sendmsg, (int Socket, const struct msghdr *Message, int Flags),
        (Socket, Message, Flags))
COUNTED(CallsTransfers, ssize_t, writev, (int Socket, const struct iovec *Pieces, int Count), (Socket, Pieces, Count))
COUNTED(CallsTransfers, ssize_t, recv, (int Socket, void *Data, size_t Length, int Flags),
        (Socket, Data, Length, Flags))
COUNTED(CallsTransfers, ssize_t, __recv_chk, (int Socket, void *Data, size_t Length, size_t Room, int Flags),
        (Socket, Data, Length, Room, Flags))
COUNTED(CallsTransfers, ssize_t, recvmsg, (int Socket, struct msghdr *Message, int Flags), (Socket, Message, Flags))
COUNTED(CallsTransfers, ssize_t, read, (int File, void *Data, size_t Length), (File, Data, Length))
COUNTED(CallsTransfers, ssize_t, write, (int File, const void *Data, size_t Length), (File, Data, Length))
COUNTED(CallsPolls, int, poll, (struct pollfd * Files, nfds_t Count, int TimeoutMs), (Files, Count, TimeoutMs))
COUNTED(CallsPolls, int, __poll_chk, (struct pollfd * Files, nfds_t Count, int TimeoutMs, size_t Room),
        (Files, Count, TimeoutMs, Room))
COUNTED(CallsPolls, int, epoll_wait, (int Epoll, struct epoll_event *Events, int Count, int TimeoutMs),
        (Epoll, Events, Count, TimeoutMs))
COUNTED(CallsPolls, int, epoll_ctl, (int Epoll, int Operation, int File, struct epoll_event *Event),
        (Epoll, Operation, File, Event))
