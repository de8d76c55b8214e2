/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Winsock Kernel as its reference pages publish it (wsk.h, "Winsock Kernel
 * Functions", "Winsock Kernel Structures"), for connection sockets: mingw-w64
 * has no wsk.h. The socket address types (ws2def.h, ws2ipdef.h) are declared
 * here too, because no user-mode header compiles on both grounds; nothing that
 * includes this file may include a Winsock or a Linux socket header.
 *
 * Include after the ground's NT declarations (nt.h). IRQL: WskRegister,
 * WskDeregister, WskGetAddressInfo and WskFreeAddressInfo PASSIVE_LEVEL;
 * WskCaptureProviderNPI PASSIVE_LEVEL, <= DISPATCH_LEVEL with WSK_NO_WAIT;
 * everything else <= DISPATCH_LEVEL. Every call with an IRP completes that IRP,
 * also where the result is immediate, possibly before the call returns.
 */
#pragma once

#include <nt.h>
#include <stddef.h>

#ifndef WSKAPI
#define WSKAPI NTAPI
#endif

/* ---- Socket addresses (ws2def.h, ws2ipdef.h): Windows' values, on both grounds ---- */

typedef USHORT ADDRESS_FAMILY;

#define AF_UNSPEC 0
#define AF_INET 2
#define AF_INET6 23
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOL_SOCKET 0xffff
#define SO_KEEPALIVE 0x0008
#define SO_RCVBUF 0x1002
#define SO_SNDBUF 0x1001
#define TCP_NODELAY 1
#define TCP_KEEPALIVE 3
#define TCP_KEEPCNT 16
#define TCP_KEEPINTVL 17
#define AI_PASSIVE 0x00000001
#define AI_CANONNAME 0x00000002
#define AI_NUMERICHOST 0x00000004
#define NS_ALL 0
#define NS_DNS 12

typedef struct sockaddr {
    ADDRESS_FAMILY sa_family;
    CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR;

typedef struct in_addr {
    union {
        struct {
            UCHAR s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            USHORT s_w1, s_w2;
        } S_un_w;
        ULONG S_addr; /* network byte order */
    } S_un;
} IN_ADDR, *PIN_ADDR;

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR;

typedef struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port; /* network byte order */
    IN_ADDR sin_addr;
    CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN;

typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port; /* network byte order */
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    ULONG sin6_scope_id;
} SOCKADDR_IN6, *PSOCKADDR_IN6;

typedef struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    CHAR Padding1[6];
    LONGLONG Alignment;
    CHAR Padding2[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE;

typedef struct addrinfoexW {
    int ai_flags; /* AI_* */
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    SIZE_T ai_addrlen;
    PWSTR ai_canonname;
    struct sockaddr *ai_addr;
    PVOID ai_blob;
    SIZE_T ai_bloblen;
    GUID *ai_provider;
    struct addrinfoexW *ai_next;
} ADDRINFOEXW, *PADDRINFOEXW;

/* Ancillary data of WskSendEx and WskReceiveEx, which nothing here uses. */
typedef struct cmsghdr CMSGHDR, *PCMSGHDR;

/* ---- Registration ---- */

#define MAKE_WSK_VERSION(Major, Minor) ((USHORT)((((Major) & 0xFF) << 8) | ((Minor) & 0xFF)))
#define WSK_MAJOR_VERSION(Version) ((UCHAR)(((Version) >> 8) & 0xFF))
#define WSK_MINOR_VERSION(Version) ((UCHAR)((Version) & 0xFF))

#define WSK_NO_WAIT 0
#define WSK_INFINITE_WAIT 0xFFFFFFFFu

/* The provider's handle of this client; opaque. */
typedef PVOID PWSK_CLIENT;

typedef NTSTATUS(WSKAPI *PFN_WSK_CLIENT_EVENT)(PVOID ClientContext, ULONG EventType, PVOID Information,
                                               SIZE_T InformationLength);

typedef struct _WSK_CLIENT_DISPATCH {
    USHORT Version; /* MAKE_WSK_VERSION(1, 0) */
    USHORT Reserved;
    PFN_WSK_CLIENT_EVENT WskClientEvent; /* NULL: no events */
} WSK_CLIENT_DISPATCH, *PWSK_CLIENT_DISPATCH;

/* The dispatch table stays resident until WskDeregister returns; the structure itself is only read. */
typedef struct _WSK_CLIENT_NPI {
    PVOID ClientContext;
    const WSK_CLIENT_DISPATCH *Dispatch;
} WSK_CLIENT_NPI, *PWSK_CLIENT_NPI;

/* The provider's; the client only keeps the memory, non-paged, until WskDeregister returns. */
typedef struct _WSK_REGISTRATION {
    ULONGLONG ReservedRegistrationState;
    PVOID ReservedRegistrationContext;
    KSPIN_LOCK ReservedRegistrationLock;
} WSK_REGISTRATION, *PWSK_REGISTRATION;

struct _WSK_PROVIDER_DISPATCH;

typedef struct _WSK_PROVIDER_NPI {
    PWSK_CLIENT Client;
    const struct _WSK_PROVIDER_DISPATCH *Dispatch;
} WSK_PROVIDER_NPI, *PWSK_PROVIDER_NPI;

/* ---- Sockets and their data ---- */

/* Flags of WskSocket: which kind of socket, and so which dispatch tables. */
#define WSK_FLAG_BASIC_SOCKET 0x00000000u
#define WSK_FLAG_LISTEN_SOCKET 0x00000001u
#define WSK_FLAG_CONNECTION_SOCKET 0x00000002u
#define WSK_FLAG_DATAGRAM_SOCKET 0x00000004u
#define WSK_FLAG_STREAM_SOCKET 0x00000008u

/* Flags of WskSend, WskReceive, WskDisconnect and of the events. */
#define WSK_FLAG_ABORTIVE 0x00000001u          /* WskDisconnect */
#define WSK_FLAG_NODELAY 0x00000002u           /* WskSend */
#define WSK_FLAG_WAITALL 0x00000002u           /* WskReceive */
#define WSK_FLAG_DRAIN 0x00000004u             /* WskReceive */
#define WSK_FLAG_AT_DISPATCH_LEVEL 0x00000008u /* events */

typedef struct _WSK_SOCKET {
    const VOID *Dispatch; /* WSK_PROVIDER_*_DISPATCH of the socket's kind */
} WSK_SOCKET, *PWSK_SOCKET;

/*
 * Length bytes from Offset on of an MDL chain; Offset lies in the first MDL.
 * The MDLs are locked or describe non-paged memory, and both stay until the
 * IRP of the call has completed.
 */
typedef struct _WSK_BUF {
    PMDL Mdl;
    ULONG Offset;
    SIZE_T Length;
} WSK_BUF, *PWSK_BUF;

typedef struct _WSK_DATA_INDICATION {
    struct _WSK_DATA_INDICATION *Next;
    WSK_BUF Buffer;
} WSK_DATA_INDICATION, *PWSK_DATA_INDICATION;

typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_EVENT)(PVOID SocketContext, ULONG Flags, PWSK_DATA_INDICATION DataIndication,
                                                SIZE_T BytesIndicated, SIZE_T *BytesAccepted);
typedef NTSTATUS(WSKAPI *PFN_WSK_DISCONNECT_EVENT)(PVOID SocketContext, ULONG Flags);
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_BACKLOG_EVENT)(PVOID SocketContext, SIZE_T IdealBacklogSize);

typedef struct _WSK_CLIENT_CONNECTION_DISPATCH {
    PFN_WSK_RECEIVE_EVENT WskReceiveEvent;
    PFN_WSK_DISCONNECT_EVENT WskDisconnectEvent;
    PFN_WSK_SEND_BACKLOG_EVENT WskSendBacklogEvent;
} WSK_CLIENT_CONNECTION_DISPATCH, *PWSK_CLIENT_CONNECTION_DISPATCH;

typedef enum { WskSetOption, WskGetOption, WskIoctl, WskControlMax } WSK_CONTROL_SOCKET_TYPE;

typedef NTSTATUS(WSKAPI *PFN_WSK_CONTROL_SOCKET)(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType,
                                                 ULONG ControlCode, ULONG Level, SIZE_T InputSize, PVOID InputBuffer,
                                                 SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned,
                                                 PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_CLOSE_SOCKET)(PWSK_SOCKET Socket, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_BIND)(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_CONNECT)(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_LOCAL_ADDRESS)(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_REMOTE_ADDRESS)(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_DISCONNECT)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_RELEASE_DATA_INDICATION_LIST)(PWSK_SOCKET Socket, PWSK_DATA_INDICATION DataIndication);
typedef NTSTATUS(WSKAPI *PFN_WSK_CONNECT_EX)(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, PWSK_BUF Buffer, ULONG Flags,
                                             PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_SEND_EX)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, ULONG ControlInfoLength,
                                          PCMSGHDR ControlInfo, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_RECEIVE_EX)(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PULONG ControlInfoLength,
                                             PCMSGHDR ControlInfo, PULONG ControlFlags, PIRP Irp);

/* The start of every socket kind's table. */
typedef struct _WSK_PROVIDER_BASIC_DISPATCH {
    PFN_WSK_CONTROL_SOCKET WskControlSocket;
    PFN_WSK_CLOSE_SOCKET WskCloseSocket;
} WSK_PROVIDER_BASIC_DISPATCH, *PWSK_PROVIDER_BASIC_DISPATCH;

typedef struct _WSK_PROVIDER_CONNECTION_DISPATCH {
    WSK_PROVIDER_BASIC_DISPATCH Basic;
    PFN_WSK_BIND WskBind;
    PFN_WSK_CONNECT WskConnect;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
    PFN_WSK_GET_REMOTE_ADDRESS WskGetRemoteAddress;
    PFN_WSK_SEND WskSend;
    PFN_WSK_RECEIVE WskReceive;
    PFN_WSK_DISCONNECT WskDisconnect;
    PFN_WSK_RELEASE_DATA_INDICATION_LIST WskRelease;
    PFN_WSK_CONNECT_EX WskConnectEx;
    PFN_WSK_SEND_EX WskSendEx;       /* newer systems only: not there on the first that we support */
    PFN_WSK_RECEIVE_EX WskReceiveEx; /* the same */
} WSK_PROVIDER_CONNECTION_DISPATCH, *PWSK_PROVIDER_CONNECTION_DISPATCH;

/* ---- The provider ---- */

typedef NTSTATUS(WSKAPI *PFN_WSK_SOCKET)(PWSK_CLIENT Client, ADDRESS_FAMILY AddressFamily, USHORT SocketType,
                                         ULONG Protocol, ULONG Flags, PVOID SocketContext, const VOID *Dispatch,
                                         PEPROCESS OwningProcess, PETHREAD OwningThread,
                                         PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_SOCKET_CONNECT)(PWSK_CLIENT Client, USHORT SocketType, ULONG Protocol,
                                                 PSOCKADDR LocalAddress, PSOCKADDR RemoteAddress, ULONG Flags,
                                                 PVOID SocketContext, const WSK_CLIENT_CONNECTION_DISPATCH *Dispatch,
                                                 PEPROCESS OwningProcess, PETHREAD OwningThread,
                                                 PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_CONTROL_CLIENT)(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize,
                                                 PVOID InputBuffer, SIZE_T OutputSize, PVOID OutputBuffer,
                                                 SIZE_T *OutputSizeReturned, PIRP Irp);
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_ADDRESS_INFO)(PWSK_CLIENT Client, PUNICODE_STRING NodeName,
                                                   PUNICODE_STRING ServiceName, ULONG NameSpace, GUID *Provider,
                                                   PADDRINFOEXW Hints, PADDRINFOEXW *Result, PEPROCESS OwningProcess,
                                                   PETHREAD OwningThread, PIRP Irp);
typedef VOID(WSKAPI *PFN_WSK_FREE_ADDRESS_INFO)(PWSK_CLIENT Client, PADDRINFOEXW AddrInfo);
typedef NTSTATUS(WSKAPI *PFN_WSK_GET_NAME_INFO)(PWSK_CLIENT Client, PSOCKADDR SockAddr, ULONG SockAddrLength,
                                                PUNICODE_STRING NodeName, PUNICODE_STRING ServiceName, ULONG Flags,
                                                PEPROCESS OwningProcess, PETHREAD OwningThread, PIRP Irp);

typedef struct _WSK_PROVIDER_DISPATCH {
    USHORT Version;
    USHORT Reserved;
    PFN_WSK_SOCKET WskSocket;
    PFN_WSK_SOCKET_CONNECT WskSocketConnect;
    PFN_WSK_CONTROL_CLIENT WskControlClient;
    PFN_WSK_GET_ADDRESS_INFO WskGetAddressInfo;
    PFN_WSK_FREE_ADDRESS_INFO WskFreeAddressInfo;
    PFN_WSK_GET_NAME_INFO WskGetNameInfo;
} WSK_PROVIDER_DISPATCH, *PWSK_PROVIDER_DISPATCH;

/* Functions of netio.sys, whose import library is netio. */
NTSTATUS WSKAPI WskRegister(PWSK_CLIENT_NPI WskClientNpi, PWSK_REGISTRATION WskRegistration);
VOID WSKAPI WskDeregister(PWSK_REGISTRATION WskRegistration);
NTSTATUS WSKAPI WskCaptureProviderNPI(PWSK_REGISTRATION WskRegistration, ULONG WaitTimeoutMs,
                                      PWSK_PROVIDER_NPI WskProviderNpi);
VOID WSKAPI WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);

_Static_assert(sizeof(SOCKADDR) == 0x10, "SOCKADDR");
_Static_assert(sizeof(SOCKADDR_IN) == 0x10 && offsetof(SOCKADDR_IN, sin_addr) == 4, "SOCKADDR_IN");
_Static_assert(sizeof(SOCKADDR_IN6) == 0x1C && offsetof(SOCKADDR_IN6, sin6_addr) == 8 &&
                   offsetof(SOCKADDR_IN6, sin6_scope_id) == 0x18,
               "SOCKADDR_IN6");
_Static_assert(sizeof(SOCKADDR_STORAGE) == 0x80, "SOCKADDR_STORAGE");
_Static_assert(sizeof(ADDRINFOEXW) == 0x48 && offsetof(ADDRINFOEXW, ai_addrlen) == 0x10 &&
                   offsetof(ADDRINFOEXW, ai_addr) == 0x20 && offsetof(ADDRINFOEXW, ai_next) == 0x40,
               "ADDRINFOEXW");
_Static_assert(sizeof(WSK_CLIENT_DISPATCH) == 0x10 && offsetof(WSK_CLIENT_DISPATCH, WskClientEvent) == 8,
               "WSK_CLIENT_DISPATCH");
_Static_assert(sizeof(WSK_CLIENT_NPI) == 0x10 && sizeof(WSK_PROVIDER_NPI) == 0x10, "WSK_*_NPI");
_Static_assert(sizeof(WSK_REGISTRATION) == 0x18, "WSK_REGISTRATION");
_Static_assert(sizeof(WSK_BUF) == 0x18 && offsetof(WSK_BUF, Offset) == 8 && offsetof(WSK_BUF, Length) == 0x10,
               "WSK_BUF");
_Static_assert(sizeof(WSK_DATA_INDICATION) == 0x20, "WSK_DATA_INDICATION");
_Static_assert(sizeof(WSK_PROVIDER_DISPATCH) == 0x38 && offsetof(WSK_PROVIDER_DISPATCH, WskGetAddressInfo) == 0x20,
               "WSK_PROVIDER_DISPATCH");
_Static_assert(sizeof(WSK_PROVIDER_BASIC_DISPATCH) == 0x10 &&
                   offsetof(WSK_PROVIDER_BASIC_DISPATCH, WskCloseSocket) == 8,
               "WSK_PROVIDER_BASIC_DISPATCH");
_Static_assert(offsetof(WSK_PROVIDER_CONNECTION_DISPATCH, WskBind) == 0x10 &&
                   offsetof(WSK_PROVIDER_CONNECTION_DISPATCH, WskSend) == 0x30 &&
                   offsetof(WSK_PROVIDER_CONNECTION_DISPATCH, WskDisconnect) == 0x40 &&
                   offsetof(WSK_PROVIDER_CONNECTION_DISPATCH, WskConnectEx) == 0x50,
               "WSK_PROVIDER_CONNECTION_DISPATCH");
_Static_assert(sizeof(WSK_CLIENT_CONNECTION_DISPATCH) == 0x18, "WSK_CLIENT_CONNECTION_DISPATCH");
