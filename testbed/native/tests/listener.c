/* SPDX-License-Identifier: LGPL-2.1-only */
/* The other side of a TCP connection. Knows nothing of NT. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

uint16_t ListenerSilent(void);
uint16_t ListenerEcho(void);

static int Listen(uint16_t *Port)
{
    struct sockaddr_in Address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t Length = sizeof(Address);
    int Socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (Socket < 0 || bind(Socket, (struct sockaddr *)&Address, sizeof(Address)) != 0 || listen(Socket, 16) != 0 ||
        getsockname(Socket, (struct sockaddr *)&Address, &Length) != 0) {
        perror("cannot listen");
        exit(1);
    }
    *Port = ntohs(Address.sin_port);
    return Socket;
}

uint16_t ListenerSilent(void)
{
    uint16_t Port;
    Listen(&Port);
    return Port;
}

static void *Echo(void *Context)
{
    int Listener = (int)(intptr_t)Context;
    for (;;) {
        char Bytes[4096];
        ssize_t Count;
        int Socket = accept(Listener, NULL, NULL);
        if (Socket < 0) {
            return NULL;
        }
        while ((Count = recv(Socket, Bytes, sizeof(Bytes), 0)) > 0) {
            if (send(Socket, Bytes, (size_t)Count, MSG_NOSIGNAL) != Count) {
                break;
            }
        }
        close(Socket);
    }
}

uint16_t ListenerEcho(void)
{
    uint16_t Port;
    pthread_t Thread;
    int Socket = Listen(&Port);
    if (pthread_create(&Thread, NULL, Echo, (void *)(intptr_t)Socket) != 0) {
        perror("cannot start a thread");
        exit(1);
    }
    pthread_detach(Thread);
    return Port;
}
