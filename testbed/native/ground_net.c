/* SPDX-License-Identifier: LGPL-2.1-only */
/* ground.h's sockets over Linux: real TCP, one epoll instance. */
#include "ground.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * What is asked of a socket, and what epoll knows. A report answers what was asked, and epoll goes on looking: who asks
 * again, as for the next receive, needs no call then. Epoll is told to look at less only when it reports what nobody
 * asked for.
 */
typedef struct {
    void *Context;
    uint32_t Asked; /* GROUND_POLL_* */
    uint32_t Known; /* the same, as epoll has it */
    bool Added;
    uint32_t Generation; /* of the socket's number: a report may come late, for one that was closed */
} GROUND_WATCH;

#define GROUND_WATCHES_MAX 4096 /* sockets are numbered from 0 on */
#define GROUND_WAKE_KEY UINT64_MAX

struct GROUND_POLLER {
    int Epoll;
    int Wake;
    pthread_mutex_t Mutex; /* guards the rest */
    GROUND_WATCH Watches[GROUND_WATCHES_MAX];
};

static GROUND_NET GroundNetError(int Error)
{
    switch (Error) {
    case 0:
        return GROUND_NET_OK;
    case EAGAIN:
    case EINPROGRESS:
        return GROUND_NET_WOULD_BLOCK;
    case ECONNREFUSED:
        return GROUND_NET_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
    case ENOTCONN:
        return GROUND_NET_RESET;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return GROUND_NET_UNREACHABLE;
    case ETIMEDOUT:
        return GROUND_NET_TIMED_OUT;
    case EADDRNOTAVAIL:
        return GROUND_NET_NOT_LOCAL;
    case EADDRINUSE:
        return GROUND_NET_IN_USE;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return GROUND_NET_UNSUPPORTED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return GROUND_NET_NO_RESOURCES;
    default:
        return GROUND_NET_FAILED;
    }
}

static socklen_t GroundToSystem(const GROUND_ADDRESS *Address, struct sockaddr_storage *System)
{
    memset(System, 0, sizeof(*System));
    if (Address->V6) {
        struct sockaddr_in6 *In6 = (struct sockaddr_in6 *)System;
        In6->sin6_family = AF_INET6;
        In6->sin6_port = htons(Address->Port);
        In6->sin6_scope_id = Address->Scope;
        memcpy(&In6->sin6_addr, Address->Ip, 16);
        return sizeof(*In6);
    }
    struct sockaddr_in *In = (struct sockaddr_in *)System;
    In->sin_family = AF_INET;
    In->sin_port = htons(Address->Port);
    memcpy(&In->sin_addr, Address->Ip, 4);
    return sizeof(*In);
}

static bool GroundFromSystem(const struct sockaddr *System, GROUND_ADDRESS *Address)
{
    memset(Address, 0, sizeof(*Address));
    if (System->sa_family == AF_INET6) {
        const struct sockaddr_in6 *In6 = (const struct sockaddr_in6 *)System;
        Address->V6 = true;
        Address->Port = ntohs(In6->sin6_port);
        Address->Scope = In6->sin6_scope_id;
        memcpy(Address->Ip, &In6->sin6_addr, 16);
        return true;
    }
    if (System->sa_family == AF_INET) {
        const struct sockaddr_in *In = (const struct sockaddr_in *)System;
        Address->Port = ntohs(In->sin_port);
        memcpy(Address->Ip, &In->sin_addr, 4);
        return true;
    }
    return false;
}

GROUND_NET GroundSocketOpen(bool V6, int *Socket)
{
    *Socket = socket(V6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *Socket < 0 ? GroundNetError(errno) : GROUND_NET_OK;
}

void GroundSocketClose(int Socket)
{
    close(Socket);
}

GROUND_NET GroundSocketBind(int Socket, const GROUND_ADDRESS *Address)
{
    struct sockaddr_storage System;
    socklen_t Length = GroundToSystem(Address, &System);
    return bind(Socket, (struct sockaddr *)&System, Length) != 0 ? GroundNetError(errno) : GROUND_NET_OK;
}

GROUND_NET GroundSocketConnect(int Socket, const GROUND_ADDRESS *Address)
{
    struct sockaddr_storage System;
    socklen_t Length = GroundToSystem(Address, &System);
    return connect(Socket, (struct sockaddr *)&System, Length) != 0 ? GroundNetError(errno) : GROUND_NET_OK;
}

GROUND_NET GroundSocketConnected(int Socket)
{
    int Error = 0;
    socklen_t Length = sizeof(Error);
    if (getsockopt(Socket, SOL_SOCKET, SO_ERROR, &Error, &Length) != 0) {
        return GroundNetError(errno);
    }
    return GroundNetError(Error);
}

static size_t GroundToVector(const GROUND_PIECE *Pieces, size_t Count, struct iovec *Vector)
{
    if (Count > GROUND_PIECES_MAX) {
        Count = GROUND_PIECES_MAX;
    }
    for (size_t Index = 0; Index < Count; Index++) {
        Vector[Index].iov_base = Pieces[Index].Base;
        Vector[Index].iov_len = Pieces[Index].Length;
    }
    return Count;
}

GROUND_NET GroundSocketSend(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Sent)
{
    struct iovec Vector[GROUND_PIECES_MAX];
    struct msghdr Message = {.msg_iov = Vector, .msg_iovlen = GroundToVector(Pieces, Count, Vector)};
    ssize_t Result = sendmsg(Socket, &Message, MSG_NOSIGNAL | MSG_DONTWAIT);
    *Sent = Result > 0 ? (size_t)Result : 0;
    return Result < 0 ? GroundNetError(errno) : GROUND_NET_OK;
}

GROUND_NET GroundSocketReceive(int Socket, const GROUND_PIECE *Pieces, size_t Count, size_t *Received)
{
    struct iovec Vector[GROUND_PIECES_MAX];
    struct msghdr Message = {.msg_iov = Vector, .msg_iovlen = GroundToVector(Pieces, Count, Vector)};
    ssize_t Result = recvmsg(Socket, &Message, MSG_DONTWAIT);
    *Received = Result > 0 ? (size_t)Result : 0;
    return Result < 0 ? GroundNetError(errno) : GROUND_NET_OK;
}

void GroundSocketShutdown(int Socket, bool Abort)
{
    if (Abort) {
        struct linger Linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(Socket, SOL_SOCKET, SO_LINGER, &Linger, sizeof(Linger));
    }
    shutdown(Socket, Abort ? SHUT_RDWR : SHUT_WR);
}

GROUND_NET GroundSocketAddress(int Socket, bool Remote, GROUND_ADDRESS *Address)
{
    struct sockaddr_storage System;
    socklen_t Length = sizeof(System);
    int Result = Remote ? getpeername(Socket, (struct sockaddr *)&System, &Length)
                        : getsockname(Socket, (struct sockaddr *)&System, &Length);
    if (Result != 0) {
        return GroundNetError(errno);
    }
    return GroundFromSystem((struct sockaddr *)&System, Address) ? GROUND_NET_OK : GROUND_NET_FAILED;
}

bool GroundSocketOption(int Socket, GROUND_OPTION Option, int Value)
{
    switch (Option) {
    case GROUND_OPTION_KEEPALIVE:
        return setsockopt(Socket, SOL_SOCKET, SO_KEEPALIVE, &Value, sizeof(Value)) == 0;
    case GROUND_OPTION_NODELAY:
        return setsockopt(Socket, IPPROTO_TCP, TCP_NODELAY, &Value, sizeof(Value)) == 0;
    }
    return false;
}

GROUND_POLLER *GroundPollerOpen(void)
{
    GROUND_POLLER *Poller = calloc(1, sizeof(*Poller));
    if (Poller == NULL) {
        return NULL;
    }
    pthread_mutex_init(&Poller->Mutex, NULL);
    Poller->Epoll = epoll_create1(EPOLL_CLOEXEC);
    Poller->Wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event Event = {.events = EPOLLIN, .data.u64 = GROUND_WAKE_KEY};
    if (Poller->Epoll < 0 || Poller->Wake < 0 || epoll_ctl(Poller->Epoll, EPOLL_CTL_ADD, Poller->Wake, &Event) != 0) {
        GroundPollerClose(Poller);
        return NULL;
    }
    return Poller;
}

void GroundPollerClose(GROUND_POLLER *Poller)
{
    if (Poller->Epoll >= 0) {
        close(Poller->Epoll);
    }
    if (Poller->Wake >= 0) {
        close(Poller->Wake);
    }
    pthread_mutex_destroy(&Poller->Mutex);
    free(Poller);
}

/* Tells epoll what is asked; the mutex is held. */
static void GroundWatchTell(GROUND_POLLER *Poller, int Socket, GROUND_WATCH *Watch)
{
    struct epoll_event Event = {.data.u64 = (uint64_t)Watch->Generation << 32 | (uint32_t)Socket};
    Event.events = (Watch->Asked & GROUND_POLL_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
                   (Watch->Asked & GROUND_POLL_WRITE ? (uint32_t)EPOLLOUT : 0u);
    if (Watch->Asked == 0) {
        /* Hang-ups are reported even to those who ask for nothing. */
        epoll_ctl(Poller->Epoll, EPOLL_CTL_DEL, Socket, NULL);
        Watch->Added = false;
    } else {
        epoll_ctl(Poller->Epoll, Watch->Added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, Socket, &Event);
        Watch->Added = true;
    }
    Watch->Known = Watch->Asked;
}

void GroundPollerArm(GROUND_POLLER *Poller, int Socket, uint32_t Events, void *Context)
{
    if (Socket >= GROUND_WATCHES_MAX) {
        abort();
    }
    pthread_mutex_lock(&Poller->Mutex);
    GROUND_WATCH *Watch = &Poller->Watches[Socket];
    Watch->Context = Context;
    Watch->Asked = Events;
    if ((Events & ~Watch->Known) != 0) {
        GroundWatchTell(Poller, Socket, Watch);
    }
    pthread_mutex_unlock(&Poller->Mutex);
}

void GroundPollerForget(GROUND_POLLER *Poller, int Socket)
{
    pthread_mutex_lock(&Poller->Mutex);
    GROUND_WATCH *Watch = &Poller->Watches[Socket];
    if (Watch->Added) {
        epoll_ctl(Poller->Epoll, EPOLL_CTL_DEL, Socket, NULL);
    }
    *Watch = (GROUND_WATCH){.Generation = Watch->Generation + 1};
    pthread_mutex_unlock(&Poller->Mutex);
}

void GroundPollerWake(GROUND_POLLER *Poller)
{
    uint64_t One = 1;
    if (write(Poller->Wake, &One, sizeof(One)) < 0) {
        return; /* full: a wake-up is pending already */
    }
}

/* What epoll reports of a socket, if somebody asked for it; the mutex is held. */
static bool GroundWatchReport(GROUND_POLLER *Poller, const struct epoll_event *Event, GROUND_READY *Ready)
{
    int Socket = (int)(uint32_t)Event->data.u64;
    GROUND_WATCH *Watch = &Poller->Watches[Socket];
    uint32_t Events = (Event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? GROUND_POLL_READ : 0u) |
                      (Event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? GROUND_POLL_WRITE : 0u);
    if (Event->data.u64 >> 32 != Watch->Generation) {
        return false;
    }
    if ((Events & Watch->Asked) == 0) {
        if (Watch->Added) {
            GroundWatchTell(Poller, Socket, Watch);
        }
        return false;
    }
    *Ready = (GROUND_READY){Watch->Context, Events};
    Watch->Asked = 0;
    return true;
}

size_t GroundPollerWait(GROUND_POLLER *Poller, GROUND_READY *Ready, size_t Capacity)
{
    struct epoll_event Events[32];
    int Count = epoll_wait(Poller->Epoll, Events, Capacity < 32 ? (int)Capacity : 32, -1);
    size_t Used = 0;
    pthread_mutex_lock(&Poller->Mutex);
    for (int Index = 0; Index < Count; Index++) {
        uint64_t Value;
        if (Events[Index].data.u64 != GROUND_WAKE_KEY) {
            Used += GroundWatchReport(Poller, &Events[Index], &Ready[Used]);
        } else if (read(Poller->Wake, &Value, sizeof(Value)) < 0) {
            continue;
        }
    }
    pthread_mutex_unlock(&Poller->Mutex);
    return Used;
}

int GroundResolve(const char *Host, const char *Service, bool NumericOnly, GROUND_ADDRESS *Addresses, int Capacity)
{
    struct addrinfo Hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *List;
    int Count = 0;
    Hints.ai_flags = NumericOnly ? AI_NUMERICHOST : 0;
    if (getaddrinfo(Host[0] != '\0' ? Host : NULL, Service[0] != '\0' ? Service : NULL, &Hints, &List) != 0) {
        return -1;
    }
    for (struct addrinfo *Entry = List; Entry != NULL && Count < Capacity; Entry = Entry->ai_next) {
        if (GroundFromSystem(Entry->ai_addr, &Addresses[Count])) {
            Count++;
        }
    }
    freeaddrinfo(List);
    return Count;
}
