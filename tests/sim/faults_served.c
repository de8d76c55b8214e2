/* SPDX-License-Identifier: LGPL-2.1-only */
/* faults.h. */
#include "faults.h"

#include "provider.h"
#include "settings.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BLOCK 512u
#define BLOCKS 5000u

/* What the process's thread is at: a fetch that is pended ends with the process, a call that is under way doesn't. */
static atomic_bool Waits;

static PROVIDER Provider;
static bool Made; /* there is a disk, or was */

/* What a call comes back with that another one has failed for. */
static bool Starved(NTSTATUS Status, LONG Before)
{
    return (Status == STATUS_INSUFFICIENT_RESOURCES || Status == STATUS_WORKING_SET_QUOTA) && TryGiven() != Before;
}

static bool Gone(NTSTATUS Status)
{
    return Status == STATUS_OBJECT_NAME_NOT_FOUND || Status == STATUS_NOT_FOUND || Status == STATUS_CANCELLED;
}

/* Fetches, obeys and answers until the disk is gone; what fails is tried again. */
static void *ServerMain(void *Context)
{
    SERVER_THREAD *Server = Context;
    for (;;) {
        WNBD_IOCTL_FETCH_REQ_COMMAND Fetch;
        WNBD_IO_RESPONSE Response;
        LONG Before = TryGiven();
        NATIVE_REQUEST *Request = ProviderFetchBegin(&Provider, Server->Buffer, PROVIDER_BUFFER_BYTES, &Fetch);
        atomic_store(&Waits, true);
        NTSTATUS Status = NativeRequestWait(Request, NULL);
        if (Starved(Status, Before)) {
            atomic_store(&Waits, false);
            continue;
        }
        if (Gone(Status) || (Status == STATUS_SUCCESS && Fetch.Request.RequestType == WnbdReqTypeDisconnect)) {
            return NULL;
        }
        atomic_store(&Waits, false);
        CHECK(Status == STATUS_SUCCESS);
        ProviderSuccess(&Response, &Fetch.Request);
        ProviderObey(Server, &Fetch.Request, Fetch.DataBufferSize, &Response);
        UINT32 Bytes = Fetch.Request.RequestType == WnbdReqTypeRead ? Fetch.Request.Cmd.Read.BlockCount * BLOCK : 0;
        do {
            Before = TryGiven();
            Status = ProviderSend(&Provider, &Response, Server->Buffer, Bytes);
        } while (Starved(Status, Before));
        CHECK(Status == STATUS_SUCCESS || Gone(Status));
    }
}

bool ServedTryOptions(BED *Bed)
{
    static union {
        WNBD_OPTION_LIST List;
        UCHAR Bytes[32768];
    } Listed;
    static const char Name[] = "StaleReqTimeoutMs";
    WNBD_IOCTL_LIST_DRV_OPT_COMMAND List = {.IoControlCode = IOCTL_WNBD_LIST_DRV_OPT, .Persistent = TRUE};
    WNBD_OPTION_VALUE Value = {.Type = WnbdOptInt64, .Data.AsInt64 = WNBD_DEFAULT_STALE_REQ_TIMEOUT_MS}, Read;
    NTSTATUS Status = SettingSet(Bed, Name, &Value, true);
    if (Status == STATUS_DEVICE_NOT_READY && TryGiven() != 0) {
        return true; /* where they are kept was not found when the adapter started: it warns, and there are none */
    }
    return TryEnd(NT_SUCCESS(Status), "set an option") &&
           TryEnd(NT_SUCCESS(SettingGet(Bed, Name, true, &Read)), "get an option") &&
           TryEnd(NT_SUCCESS(SettingReload(Bed)), "reload") &&
           TryEnd(NT_SUCCESS(NativeIoctl(Bed->File, WNBD_IOCTL_CONTROL_CODE, &List, sizeof(List), &Listed,
                                         sizeof(Listed), NULL)),
                  "list options") &&
           TryEnd(NT_SUCCESS(SettingReset(Bed, Name, true)), "reset an option");
}

static void Serve(void)
{
    SERVER_THREAD *Server = &Provider.Threads[0];
    Server->Provider = &Provider;
    Server->Buffer = NativeUserAllocate(Provider.Process, PROVIDER_BUFFER_BYTES);
    atomic_store(&Waits, false);
    CHECK(pthread_create(&Server->Thread, NULL, ServerMain, Server) == 0);
}

bool ServedMake(void)
{
    static WNBD_CREATE_RESULT Result;
    WNBD_IOCTL_CREATE_COMMAND Command = {.IoControlCode = IOCTL_WNBD_CREATE_EX};
    ProviderProperties(&Command.Properties, "disk", BLOCKS, BLOCK);
    memset(&Provider, 0, sizeof(Provider));
    Made = false;
    Provider.Process = NativeProcessCreate();
    Provider.File = NativeOpen(&WNBD_GUID, Provider.Process);
    Provider.Medium = calloc(BLOCKS, BLOCK);
    CHECK(Provider.Medium != NULL);
    if (!TryEnd(Provider.File != NULL, "open")) {
        return false;
    }
    NTSTATUS Status =
        NativeIoctl(Provider.File, WNBD_IOCTL_CONTROL_CODE, &Command, sizeof(Command), &Result, sizeof(Result), NULL);
    Made = TryEnd(NT_SUCCESS(Status) && Result.Status == 0, "make the disk");
    if (Made) {
        Provider.Info = Result.ConnectionInfo;
        Serve();
    }
    return Made;
}

void ServedKill(BED *Bed)
{
    while (Made && !atomic_load(&Waits)) {
        sched_yield();
    }
    NativeProcessEnd(Provider.Process, 0);
    /* Without the notification it's seen a moment later. */
    CHECK(NativeChildWait(Bed->Adapter, 0, 60000));
}

void ServedEnd(void)
{
    if (Made) {
        CHECK(pthread_join(Provider.Threads[0].Thread, NULL) == 0);
    }
    if (Provider.File != NULL) {
        NativeClose(Provider.File);
    }
    NativeProcessDelete(Provider.Process);
    free(Provider.Medium);
}
