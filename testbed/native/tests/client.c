/* SPDX-License-Identifier: LGPL-2.1-only */
/* client.h. */
#include "client.h"

#define TAG ((ULONG)'tseT')

static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

void ClientOpen(CLIENT *Client)
{
    WSK_CLIENT_NPI Npi = {NULL, &ClientDispatch};
    RtlZeroMemory(Client, sizeof(*Client));
    WskRegister(&Npi, &Client->Registration);
    WskCaptureProviderNPI(&Client->Registration, WSK_INFINITE_WAIT, &Client->Provider);
}

static NTSTATUS ClientCompleted(PDEVICE_OBJECT Device, PIRP Irp, PVOID Context)
{
    CLIENT_IRP *Mine = Context;
    UNREFERENCED_PARAMETER(Device);
    UNREFERENCED_PARAMETER(Irp);
    InterlockedIncrement(&Mine->Count);
    KeSetEvent(&Mine->Done, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

void ClientIrpStart(CLIENT_IRP *Irp)
{
    Irp->Irp = IoAllocateIrp(1, FALSE);
    Irp->Count = 0;
    KeInitializeEvent(&Irp->Done, NotificationEvent, FALSE);
    IoSetCompletionRoutine(Irp->Irp, ClientCompleted, Irp, TRUE, TRUE, TRUE);
}

NTSTATUS ClientIrpWait(CLIENT_IRP *Irp, ULONG_PTR *Information)
{
    KeWaitForSingleObject(&Irp->Done, Executive, KernelMode, FALSE, NULL);
    NTSTATUS Status = Irp->Irp->IoStatus.Status;
    if (Information != NULL) {
        *Information = Irp->Irp->IoStatus.Information;
    }
    IoFreeIrp(Irp->Irp);
    return Status;
}

NTSTATUS ClientSocket(CLIENT *Client, ADDRESS_FAMILY Family)
{
    CLIENT_IRP Irp;
    ULONG_PTR Information;
    ClientIrpStart(&Irp);
    Client->Provider.Dispatch->WskSocket(Client->Provider.Client, Family, SOCK_STREAM, IPPROTO_TCP,
                                         WSK_FLAG_CONNECTION_SOCKET, NULL, NULL, NULL, NULL, NULL, Irp.Irp);
    NTSTATUS Status = ClientIrpWait(&Irp, &Information);
    if (NT_SUCCESS(Status)) {
        Client->Socket = (PWSK_SOCKET)Information;
        Client->Calls = Client->Socket->Dispatch;
    }
    return Status;
}

NTSTATUS ClientBind(CLIENT *Client, ADDRESS_FAMILY Family)
{
    CLIENT_IRP Irp;
    SOCKADDR_STORAGE Local = {.ss_family = Family};
    ClientIrpStart(&Irp);
    Client->Calls->WskBind(Client->Socket, (PSOCKADDR)&Local, 0, Irp.Irp);
    return ClientIrpWait(&Irp, NULL);
}

NTSTATUS ClientConnect(CLIENT *Client, uint16_t Port)
{
    CLIENT_IRP Irp;
    SOCKADDR_IN Remote = {.sin_family = AF_INET, .sin_port = RtlUshortByteSwap(Port)};
    Remote.sin_addr.S_un.S_un_b.s_b1 = 127;
    Remote.sin_addr.S_un.S_un_b.s_b4 = 1;
    ClientIrpStart(&Irp);
    Client->Calls->WskConnect(Client->Socket, (PSOCKADDR)&Remote, 0, Irp.Irp);
    return ClientIrpWait(&Irp, NULL);
}

void ClientConnected(CLIENT *Client, uint16_t Port)
{
    ClientOpen(Client);
    NT_ASSERT(ClientSocket(Client, AF_INET) == STATUS_SUCCESS);
    NT_ASSERT(ClientBind(Client, AF_INET) == STATUS_SUCCESS);
    NT_ASSERT(ClientConnect(Client, Port) == STATUS_SUCCESS);
}

void ClientClose(CLIENT *Client)
{
    if (Client->Socket != NULL) {
        CLIENT_IRP Irp;
        ClientIrpStart(&Irp);
        Client->Calls->Basic.WskCloseSocket(Client->Socket, Irp.Irp);
        NT_ASSERT(ClientIrpWait(&Irp, NULL) == STATUS_SUCCESS);
    }
    WskReleaseProviderNPI(&Client->Registration);
    WskDeregister(&Client->Registration);
}

PMDL ClientBuffer(ULONG Length)
{
    PVOID Memory = ExAllocatePoolWithTag(NonPagedPoolNx, Length, TAG);
    PMDL Mdl = IoAllocateMdl(Memory, Length, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(Mdl);
    return Mdl;
}

void ClientBufferFree(PMDL Mdl)
{
    PVOID Memory = MmGetMdlVirtualAddress(Mdl);
    IoFreeMdl(Mdl);
    ExFreePoolWithTag(Memory, TAG);
}
