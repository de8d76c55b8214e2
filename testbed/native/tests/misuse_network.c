/* SPDX-License-Identifier: LGPL-2.1-only */
/* Misuse of Winsock Kernel. */
#include "misuse.h"

#include "client.h"

static void ReleasedUncaptured(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    WskReleaseProviderNPI(&Client.Registration);
    WskReleaseProviderNPI(&Client.Registration);
}

static void UsedAfterRelease(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    WskReleaseProviderNPI(&Client.Registration);
    ClientSocket(&Client, AF_INET);
}

static void IrpWithoutRoutine(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    Client.Provider.Dispatch->WskSocket(Client.Provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP,
                                        WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL,
                                        IoAllocateIrp(1, FALSE));
}

static void Receive(CLIENT *Client, CLIENT_IRP *Irp, PMDL Mdl, ULONG Offset, SIZE_T Length, ULONG Flags)
{
    WSK_BUF Buffer = {Mdl, Offset, Length};
    ClientIrpStart(Irp);
    Client->Calls->WskReceive(Client->Socket, &Buffer, Flags, Irp->Irp);
}

static void FlagsUnknown(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    ClientConnected(&Client, ListenerSilent());
    Receive(&Client, &Irp, ClientBuffer(64), 0, 64, 0x40000000);
}

static void ConnectedUnbound(void)
{
    CLIENT Client;
    ClientOpen(&Client);
    ClientSocket(&Client, AF_INET);
    ClientConnect(&Client, 1);
}

static void SentUnconnected(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    ClientOpen(&Client);
    ClientSocket(&Client, AF_INET);
    ClientBind(&Client, AF_INET);
    Receive(&Client, &Irp, ClientBuffer(64), 0, 64, 0);
}

static void CloseOnly(CLIENT *Client)
{
    CLIENT_IRP Irp;
    ClientIrpStart(&Irp);
    Client->Calls->Basic.WskCloseSocket(Client->Socket, Irp.Irp);
    ClientIrpWait(&Irp, NULL);
}

static void UsedAfterClose(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    ClientConnected(&Client, ListenerSilent());
    CloseOnly(&Client);
    Receive(&Client, &Irp, ClientBuffer(64), 0, 64, 0);
}

static void ClosedTwice(void)
{
    CLIENT Client;
    ClientConnected(&Client, ListenerSilent());
    CloseOnly(&Client);
    CloseOnly(&Client);
}

static void SocketLeaked(void)
{
    CLIENT Client;
    MisuseLoad(false);
    ClientConnected(&Client, ListenerSilent());
    MisuseUnload();
}

static void RegistrationLeaked(void)
{
    CLIENT Client;
    MisuseLoad(false);
    ClientOpen(&Client);
    MisuseUnload();
}

static void BufferFreedInFlight(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    PMDL Mdl = ClientBuffer(64);
    ClientConnected(&Client, ListenerSilent());
    Receive(&Client, &Irp, Mdl, 0, 64, 0);
    IoFreeMdl(Mdl);
}

static void MemoryFreedInFlight(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    PMDL Mdl = ClientBuffer(64);
    ClientConnected(&Client, ListenerSilent());
    Receive(&Client, &Irp, Mdl, 0, 64, 0);
    ExFreePool(MmGetMdlVirtualAddress(Mdl));
}

static void IrpFreedInFlight(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    ClientConnected(&Client, ListenerSilent());
    Receive(&Client, &Irp, ClientBuffer(64), 0, 64, 0);
    IoFreeIrp(Irp.Irp);
}

static void BufferTooShort(void)
{
    CLIENT Client;
    CLIENT_IRP Irp;
    ClientConnected(&Client, ListenerSilent());
    Receive(&Client, &Irp, ClientBuffer(64), 1, 64, 0);
}

#define CASE(Rule, Function) {RULE_##Rule, #Function, Function}

const MISUSE MisuseNetwork[] = {
    CASE(WSK_CLIENT, ReleasedUncaptured),
    CASE(WSK_CLIENT, UsedAfterRelease),
    CASE(WSK_IRP, IrpWithoutRoutine),
    CASE(WSK_ARGUMENT, FlagsUnknown),
    CASE(WSK_ORDER, ConnectedUnbound),
    CASE(WSK_ORDER, SentUnconnected),
    CASE(WSK_CLOSED, UsedAfterClose),
    CASE(WSK_CLOSE, ClosedTwice),
    CASE(WSK_LEAK, SocketLeaked),
    CASE(WSK_LEAK, RegistrationLeaked),
    CASE(MDL_IN_FLIGHT, BufferFreedInFlight),
    CASE(POOL_IN_USE, MemoryFreedInFlight),
    CASE(IRP_IN_FLIGHT, IrpFreedInFlight),
    CASE(MDL_RANGE, BufferTooShort),
};
const size_t MisuseNetworkCount = RTL_NUMBER_OF(MisuseNetwork);
