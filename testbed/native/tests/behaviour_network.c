/* SPDX-License-Identifier: LGPL-2.1-only */
/* WSK over real sockets. */
#include "behaviour.h"

#define LENGTH 200000u

static NTSTATUS Send(CLIENT *Client, PMDL Mdl, ULONG Offset, SIZE_T Length)
{
    CLIENT_IRP Irp;
    ULONG_PTR Information;
    WSK_BUF Buffer = {Mdl, Offset, Length};
    ClientIrpStart(&Irp);
    Client->Calls->WskSend(Client->Socket, &Buffer, WSK_FLAG_NODELAY, Irp.Irp);
    NTSTATUS Status = ClientIrpWait(&Irp, &Information);
    EXPECT(!NT_SUCCESS(Status) || Information == Length);
    return Status;
}

static NTSTATUS Receive(CLIENT *Client, PMDL Mdl, ULONG Offset, SIZE_T Length, ULONG Flags, ULONG_PTR *Received)
{
    CLIENT_IRP Irp;
    WSK_BUF Buffer = {Mdl, Offset, Length};
    ClientIrpStart(&Irp);
    Client->Calls->WskReceive(Client->Socket, &Buffer, Flags, Irp.Irp);
    return ClientIrpWait(&Irp, Received);
}

/* A chain of two MDLs, sent from an offset, comes back: in pieces, and at once with WAITALL. */
static void Echo(void)
{
    CLIENT Client;
    PMDL First = ClientBuffer(1000), Second = ClientBuffer(LENGTH), Back = ClientBuffer(LENGTH);
    PUCHAR A = MmGetMdlVirtualAddress(First), B = MmGetMdlVirtualAddress(Second), C = MmGetMdlVirtualAddress(Back);
    ULONG_PTR Received;
    ULONG Pieces = 0;
    ClientConnected(&Client, ListenerEcho());
    First->Next = Second;
    for (ULONG Index = 0; Index < 1000; Index++) {
        A[Index] = (UCHAR)(Index * 7);
    }
    for (ULONG Index = 0; Index < LENGTH; Index++) {
        B[Index] = (UCHAR)(Index * 13 + Index / 256);
    }
    EXPECT(Send(&Client, First, 900, 100 + 50000) == STATUS_SUCCESS);
    for (ULONG Total = 0; Total < 50100; Total += (ULONG)Received, Pieces++) {
        EXPECT(Receive(&Client, Back, Total, 50100 - Total, 0, &Received) == STATUS_SUCCESS && Received != 0);
    }
    EXPECT(Pieces > 1);
    EXPECT(memcmp(C, A + 900, 100) == 0 && memcmp(C + 100, B, 50000) == 0);
    EXPECT(Send(&Client, Second, 0, LENGTH) == STATUS_SUCCESS);
    EXPECT(Receive(&Client, Back, 0, LENGTH, WSK_FLAG_WAITALL, &Received) == STATUS_SUCCESS);
    EXPECT(Received == LENGTH && memcmp(B, C, LENGTH) == 0);
    ClientClose(&Client);
    ClientBufferFree(First);
    ClientBufferFree(Second);
    ClientBufferFree(Back);
}

/* Calls whose result is there at once complete before they return, or after: both have to occur. */
static void SynchronousAndNot(void)
{
    CLIENT Client;
    int Synchronous = 0, Later = 0;
    ClientConnected(&Client, ListenerSilent());
    for (int Count = 0; Count < 100; Count++) {
        CLIENT_IRP Irp;
        SOCKADDR_STORAGE Address;
        ClientIrpStart(&Irp);
        NTSTATUS Status = Client.Calls->WskGetRemoteAddress(Client.Socket, (PSOCKADDR)&Address, Irp.Irp);
        if (Status == STATUS_PENDING) {
            Later++;
        } else {
            EXPECT(Status == STATUS_SUCCESS && ReadAcquire(&Irp.Count) == 1);
            Synchronous++;
        }
        EXPECT(ClientIrpWait(&Irp, NULL) == STATUS_SUCCESS);
        EXPECT(ReadAcquire(&Irp.Count) == 1);
        EXPECT(Address.ss_family == AF_INET);
    }
    EXPECT(Synchronous > 10 && Later > 10);
    ClientClose(&Client);
}

/* A close ends what is pending, and comes after it. */
static void CloseEndsPending(void)
{
    CLIENT Client;
    CLIENT_IRP Receives[3], Close;
    PMDL Mdl = ClientBuffer(64);
    ClientConnected(&Client, ListenerSilent());
    for (int Index = 0; Index < 3; Index++) {
        WSK_BUF Buffer = {Mdl, 0, 64};
        ClientIrpStart(&Receives[Index]);
        EXPECT(Client.Calls->WskReceive(Client.Socket, &Buffer, 0, Receives[Index].Irp) == STATUS_PENDING);
    }
    ClientIrpStart(&Close);
    Client.Calls->Basic.WskCloseSocket(Client.Socket, Close.Irp);
    EXPECT(ClientIrpWait(&Close, NULL) == STATUS_SUCCESS);
    for (int Index = 0; Index < 3; Index++) {
        EXPECT(ReadAcquire(&Receives[Index].Count) == 1);
        EXPECT(ClientIrpWait(&Receives[Index], NULL) == STATUS_CANCELLED);
    }
    Client.Socket = NULL;
    ClientClose(&Client);
    ClientBufferFree(Mdl);
}

static void Cancelled(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    PMDL Mdl = ClientBuffer(64);
    WSK_BUF Buffer = {Mdl, 0, 64};
    ULONG_PTR Received;
    ClientConnected(&Client, ListenerSilent());
    ClientIrpStart(&Irp);
    Client.Calls->WskReceive(Client.Socket, &Buffer, 0, Irp.Irp);
    EXPECT(IoCancelIrp(Irp.Irp));
    EXPECT(ClientIrpWait(&Irp, &Received) == STATUS_CANCELLED && Received == 0);
    ClientClose(&Client);
    ClientBufferFree(Mdl);
}

/* A send that the peer doesn't take stays pending, is cancelled in the middle, and ends the stream. */
static void SendStalls(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    const ULONG Length = 16 * 1024 * 1024;
    PMDL Mdl = ClientBuffer(Length);
    WSK_BUF Buffer = {Mdl, 0, Length};
    LARGE_INTEGER Pause = {.QuadPart = -100 * 10000};
    ClientConnected(&Client, ListenerSilent());
    ClientIrpStart(&Irp);
    EXPECT(Client.Calls->WskSend(Client.Socket, &Buffer, 0, Irp.Irp) == STATUS_PENDING);
    EXPECT(KeWaitForSingleObject(&Irp.Done, Executive, KernelMode, FALSE, &Pause) == STATUS_TIMEOUT);
    EXPECT(IoCancelIrp(Irp.Irp));
    EXPECT(ClientIrpWait(&Irp, NULL) == STATUS_CANCELLED);
    EXPECT(Send(&Client, Mdl, 0, 1) == STATUS_CONNECTION_ABORTED);
    ClientClose(&Client);
    ClientBufferFree(Mdl);
}

static void Refused(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    EXPECT(ClientSocket(&Client, AF_INET) == STATUS_SUCCESS);
    EXPECT(ClientBind(&Client, AF_INET) == STATUS_SUCCESS);
    EXPECT(ClientConnect(&Client, 1) == STATUS_CONNECTION_REFUSED);
    ClientClose(&Client);
}

static void VersionSix(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    NTSTATUS Status = ClientSocket(&Client, AF_INET6);
    /* A machine without IPv6 says so. */
    EXPECT(Status == STATUS_NOT_SUPPORTED || (NT_SUCCESS(Status) && ClientBind(&Client, AF_INET6) == STATUS_SUCCESS));
    ClientClose(&Client);
}

static NTSTATUS Resolve(CLIENT *Client, PCWSTR Name, PADDRINFOEXW *List, bool Cancel)
{
    CLIENT_IRP Irp;
    UNICODE_STRING Host, Service = RTL_CONSTANT_STRING(L"10809");
    RtlInitUnicodeString(&Host, Name);
    ClientIrpStart(&Irp);
    Client->Provider.Dispatch->WskGetAddressInfo(Client->Provider.Client, &Host, &Service, 0, NULL, NULL, List, NULL,
                                                 NULL, Irp.Irp);
    if (Cancel) {
        IoCancelIrp(Irp.Irp);
    }
    return ClientIrpWait(&Irp, NULL);
}

static void Names(void)
{
    CLIENT Client;
    PADDRINFOEXW List = NULL;
    ClientOpen(&Client);
    EXPECT(Resolve(&Client, L"127.0.0.1", &List, false) == STATUS_SUCCESS);
    EXPECT(List != NULL && List->ai_family == AF_INET && List->ai_addrlen == sizeof(SOCKADDR_IN));
    EXPECT(((PSOCKADDR_IN)List->ai_addr)->sin_port == RtlUshortByteSwap(10809));
    EXPECT(((PSOCKADDR_IN)List->ai_addr)->sin_addr.S_un.S_un_b.s_b1 == 127);
    Client.Provider.Dispatch->WskFreeAddressInfo(Client.Provider.Client, List);
    EXPECT(Resolve(&Client, L"::1", &List, false) == STATUS_SUCCESS);
    EXPECT(List->ai_family == AF_INET6 && ((PSOCKADDR_IN6)List->ai_addr)->sin6_addr.u.Byte[15] == 1);
    Client.Provider.Dispatch->WskFreeAddressInfo(Client.Provider.Client, List);
    EXPECT(Resolve(&Client, L"256.256.256.256", &List, false) == STATUS_NO_MATCH);
    for (int Count = 0; Count < 20; Count++) {
        NTSTATUS Status = Resolve(&Client, L"127.0.0.1", &List, true);
        EXPECT(Status == STATUS_SUCCESS || Status == STATUS_CANCELLED);
        if (NT_SUCCESS(Status)) {
            Client.Provider.Dispatch->WskFreeAddressInfo(Client.Provider.Client, List);
        }
    }
    ClientClose(&Client);
}

/* NATIVE_OPTIONS.WskLateCaptures is 2 here. */
static void LateProvider(void)
{
    static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
    WSK_CLIENT_NPI Npi = {NULL, &Dispatch};
    WSK_REGISTRATION Registration;
    WSK_PROVIDER_NPI Provider;
    EXPECT(WskRegister(&Npi, &Registration) == STATUS_SUCCESS);
    EXPECT(WskCaptureProviderNPI(&Registration, WSK_NO_WAIT, &Provider) == STATUS_DEVICE_NOT_READY);
    EXPECT(WskCaptureProviderNPI(&Registration, WSK_NO_WAIT, &Provider) == STATUS_DEVICE_NOT_READY);
    EXPECT(WskCaptureProviderNPI(&Registration, WSK_NO_WAIT, &Provider) == STATUS_SUCCESS);
    WskReleaseProviderNPI(&Registration);
    WskDeregister(&Registration);
}

#define TEST(Function) {#Function, Function}

const BEHAVIOUR BehaviourNetwork[] = {
    TEST(Echo),         TEST(SynchronousAndNot), TEST(CloseEndsPending), TEST(Cancelled),
    TEST(SendStalls),   TEST(Refused),           TEST(VersionSix),       TEST(Names),
    TEST(LateProvider),
};
const size_t BehaviourNetworkCount = RTL_NUMBER_OF(BehaviourNetwork);
