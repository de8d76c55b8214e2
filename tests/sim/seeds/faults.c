/* SPDX-License-Identifier: LGPL-2.1-only */
/* Calls that fail on purpose in a life, and what that excuses: life.h. */
#include "life.h"

#include "status.h"

#include <stdio.h>
#include <string.h>

static NATIVE_FAULTS Plan;
static LIFE *Failing;

/* By itself: a life without faults is the same whatever is drawn here. */
uint32_t FaultsDraw(uint64_t Seed)
{
    static const uint32_t Rates[] = {20, 50, 150, 500};
    uint64_t Drawn = Seed * 0x9E3779B97F4A7C15u >> 32;
    return Drawn % 4 == 3 ? Rates[Drawn / 4 % 4] : 0;
}

static FAULT_KIND KindOf(const char *Function)
{
    static const struct {
        const char *Function;
        FAULT_KIND Kind;
    } Kinds[] = {
        {"ExAllocatePoolWithTag", FAULT_MEMORY},
        {"IoAllocateIrp", FAULT_MEMORY},
        {"IoAllocateMdl", FAULT_MEMORY},
        {"IoAllocateWorkItem", FAULT_MEMORY},
        {"MmProbeAndLockPages", FAULT_MEMORY},
        {"ObOpenObjectByPointer", FAULT_MEMORY},
        {"WskSocket", FAULT_CONNECT},
        {"WskBind", FAULT_CONNECT},
        {"WskConnect", FAULT_CONNECT},
        {"WskSend", FAULT_TRANSFER},
        {"WskReceive", FAULT_TRANSFER},
        {"WskGetAddressInfo", FAULT_RESOLVE},
        {"WskCaptureProviderNPI", FAULT_CAPTURE},
        {"MmGetSystemAddressForMdlSafe", FAULT_MAPPING},
        {"PsCreateSystemThread", FAULT_THREAD},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Kinds); Index++) {
        if (strcmp(Kinds[Index].Function, Function) == 0) {
            return Kinds[Index].Kind;
        }
    }
    return FAULT_START;
}

static void OnFailed(const char *Function)
{
    Failing->Faults.Given[KindOf(Function)]++;
    LifeSay(NULL, "%s fails on purpose", Function);
}

NATIVE_FAULTS *FaultsBegin(LIFE *Life, uint32_t OneIn)
{
    Failing = Life;
    Plan.OneIn = OneIn;
    Plan.Given = 0;
    Plan.Failed = OnFailed;
    return OneIn != 0 ? &Plan : NULL;
}

uint32_t FaultsGiven(void)
{
    return (uint32_t)ReadAcquire(&Plan.Given);
}

uint32_t FaultsSince(const LIFE *Life, const FAULTS *Before, FAULT_KIND Kind)
{
    return Life->Faults.Given[Kind] - Before->Given[Kind];
}

bool FaultsAny(const LIFE *Life, const FAULTS *Before)
{
    return memcmp(&Life->Faults, Before, sizeof(*Before)) != 0;
}

bool FaultsRefuse(const SLOT *Slot, NTSTATUS Status, const WNBD_CREATE_RESULT *Answer)
{
    static const struct {
        FAULT_KIND Kind;
        NTSTATUS Status; /* of a request that has no other answer */
        uint32_t Win32;
        const char *Words;
    } Refusals[] = {
        {FAULT_MEMORY, STATUS_INSUFFICIENT_RESOURCES, WIN32_NO_SYSTEM_RESOURCES, "out of memory"},
        {FAULT_CAPTURE, STATUS_DEVICE_NOT_READY, WIN32_NOT_READY, "the network has not started yet"},
        {FAULT_RESOLVE, STATUS_BAD_NETWORK_PATH, WIN32_HOST_NOT_FOUND, "the name could not be resolved"},
        {FAULT_TRANSFER, STATUS_CONNECTION_ABORTED, WIN32_CONNECTION_ABORTED, "the connection to the server was lost"},
    };
    for (size_t Index = 0; Index < RTL_NUMBER_OF(Refusals); Index++) {
        bool Same = NT_SUCCESS(Status)
                        ? Answer->Status == Refusals[Index].Win32 &&
                              strncmp(Answer->Message, Refusals[Index].Words, strlen(Refusals[Index].Words)) == 0
                        : Status == Refusals[Index].Status;
        if (Same && FaultsSince(Slot->Life, &Slot->Faults, Refusals[Index].Kind) != 0) {
            return true;
        }
    }
    /* Each attempt to connect failed, by a fault or by its fate; of the last one it is told how. */
    return Slot->Reachable != 0 && FaultsSince(Slot->Life, &Slot->Faults, FAULT_CONNECT) >= Slot->Reachable &&
           (!NT_SUCCESS(Status) || Answer->Phase == WnbdCreatePhaseConnect);
}

bool FaultsRefuseSrb(const LIFE *Life, const FAULTS *Before, UCHAR SrbStatus)
{
    return (SrbStatus == SRB_STATUS_INTERNAL_ERROR && FaultsSince(Life, Before, FAULT_MEMORY) != 0) ||
           (SrbStatus == SRB_STATUS_INVALID_REQUEST && FaultsSince(Life, Before, FAULT_MAPPING) != 0);
}

/* The driver says of which disk, and why: "wnbd: disk0: ...". */
static void HearOfDisk(SLOT *Slot, const char *Words)
{
    const LIFE *Life = Slot->Life;
    bool Lost = strncmp(Words, "the connection to the server was lost", 37) == 0 &&
                FaultsSince(Life, &Slot->Faults, FAULT_TRANSFER) != 0;
    bool Stuck = strncmp(Words, "no memory for the rest of a write", 33) == 0 &&
                 FaultsSince(Life, &Slot->Faults, FAULT_MEMORY) != 0;
    Slot->MayEnd = Slot->MayEnd || Lost || Stuck;
}

void FaultsHear(const char *Text)
{
    static const FAULTS None;
    LIFE *Life = Failing;
    if (strstr(Text, "no memory for that: the bus is reset") != NULL && FaultsSince(Life, &None, FAULT_MEMORY) != 0) {
        Life->BusResetsActive++; /* and never less: nobody says when it is over */
    }
    for (uint32_t Index = 0; Index < Life->SlotCount; Index++) {
        SLOT *Slot = &Life->Slots[Index];
        char Before[32];
        int Length = snprintf(Before, sizeof(Before), "wnbd: %s: ", Slot->Name);
        if (strncmp(Text, Before, (size_t)Length) == 0) {
            HearOfDisk(Slot, Text + Length);
        }
    }
}

NTSTATUS FaultsAsk(LIFE *Life, const void *Command, ULONG CommandBytes, void *Answer, ULONG AnswerBytes, ULONG *Used)
{
    NTSTATUS Status;
    FAULTS Before;
    do {
        Before = Life->Faults;
        Status = NativeIoctl(Life->Bed.File, WNBD_IOCTL_CONTROL_CODE, Command, CommandBytes, Answer, AnswerBytes, Used);
    } while (Status == STATUS_INSUFFICIENT_RESOURCES && FaultsSince(Life, &Before, FAULT_MEMORY) != 0);
    return Status;
}
