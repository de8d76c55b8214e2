/* SPDX-License-Identifier: LGPL-2.1-only */
/* The table of behaviours, and those of discovery and data. */
#include "behaviour.h"

#include <stdlib.h>

static void Discovery(HOST *Host)
{
    NATIVE_DEVICE *Child = NativeChild(Host->Adapter, 0);

    CHECK(NativeDeviceHasId(Child, "SCSI\\DiskWNBDTESTRAM_DISK________1.0_"));
    CHECK(NativeDeviceHasId(Child, "SCSI\\DiskWNBDTESTRAM_DISK________"));
    CHECK(NativeDeviceHasId(Child, "SCSI\\DiskWNBDTEST"));
    CHECK(NativeDeviceHasId(Child, "SCSI\\Disk"));
    CHECK(NativeDeviceHasId(Child, "GenDisk"));
    NativeChildRelease(Child);
    CHECK(HostCommand(Host, RAM_QUERY, 0, 0).UnitStarts == 1);
}

/* With Offset the data begin inside their MDL. */
static void RoundTrip(DISK *Disk, bool Extended, ULONG Offset)
{
    static const UCHAR Write[10] = {0x2A, 0, 0, 0, 0, 4, 0, 0, 16, 0}, Read[10] = {0x28, 0, 0, 0, 0, 4, 0, 0, 16, 0};
    const ULONG Length = 16 * RAM_BLOCK_SIZE;
    PUCHAR Data = malloc(Length + Offset);
    IO_PARAMETERS Parameters = {.Extended = Extended,
                                .Cdb = Write,
                                .CdbLength = 10,
                                .Flags = SRB_FLAGS_DATA_OUT,
                                .Data = Data,
                                .Length = Length,
                                .Offset = Offset,
                                .SenseLength = 18,
                                .TimeoutSeconds = 10};
    ULONG i;
    IO Io;

    for (i = 0; i < Length; ++i)
        Data[Offset + i] = (UCHAR)(i * 7 + Offset + Extended);
    IoBegin(Disk, &Io, &Parameters);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS && IoLength(&Io) == Length);
    memset(Data, 0, Length + Offset);
    Parameters.Cdb = Read;
    Parameters.Flags = SRB_FLAGS_DATA_IN;
    IoBegin(Disk, &Io, &Parameters);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS && IoLength(&Io) == Length);
    for (i = 0; i < Length; ++i)
        CHECK(Data[Offset + i] == (UCHAR)(i * 7 + Offset + Extended));
    for (i = 0; i < Offset; ++i)
        CHECK(Data[i] == 0);
    free(Data);
}

static void Data(HOST *Host)
{
    DISK Disk;

    DiskOpen(Host, &Disk, 0);
    RoundTrip(&Disk, false, 0);
    RoundTrip(&Disk, true, 0);
    RoundTrip(&Disk, false, 520);
    RoundTrip(&Disk, true, 5000);
    CHECK(HostCommand(Host, RAM_DEFER, 0, 0).LastDataUnusable);
    RoundTrip(&Disk, false, 0);
    DiskClose(&Disk);
}

static void TransferLimit(HOST *Host)
{
    PUCHAR Buffer = malloc(RAM_MAX_TRANSFER + RAM_BLOCK_SIZE);
    DISK Disk;
    IO Io;

    DiskOpen(Host, &Disk, 0);
    IoTransfer(&Disk, &Io, false, 0, Buffer, RAM_MAX_TRANSFER);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    IoTransfer(&Disk, &Io, false, 0, Buffer, RAM_MAX_TRANSFER + RAM_BLOCK_SIZE);
    CHECK(IoWait(&Io) == SRB_STATUS_INVALID_REQUEST);
    DiskClose(&Disk);
    free(Buffer);
}

static UCHAR Invalid(DISK *Disk, IO *Io, bool Extended, UCHAR SenseLength, ULONG Flags)
{
    static const UCHAR Cdb[6] = {0xFF};
    const IO_PARAMETERS Parameters = {.Extended = Extended,
                                      .Cdb = Cdb,
                                      .CdbLength = 6,
                                      .Flags = Flags,
                                      .SenseLength = SenseLength,
                                      .TimeoutSeconds = 10};

    IoBegin(Disk, Io, &Parameters);
    return IoWait(Io);
}

static void Sense(HOST *Host)
{
    DISK Disk;
    IO Io;
    int Extended;

    DiskOpen(Host, &Disk, 0);
    for (Extended = 0; Extended < 2; ++Extended) {
        CHECK(Invalid(&Disk, &Io, Extended, 32, 0) == (SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID));
        CHECK(IoSenseLength(&Io) == 18 && Io.Sense[0] == 0x70 && Io.Sense[12] == 0x20 && Io.Sense[18] == 0);
        CHECK(Invalid(&Disk, &Io, Extended, 8, 0) == (SRB_STATUS_ERROR | SRB_STATUS_AUTOSENSE_VALID));
        CHECK(IoSenseLength(&Io) == 8 && Io.Sense[8] == 0);
        CHECK(Invalid(&Disk, &Io, Extended, 0, 0) == SRB_STATUS_ERROR);
        CHECK(Invalid(&Disk, &Io, Extended, 32, SRB_FLAGS_DISABLE_AUTOSENSE) == SRB_STATUS_ERROR);
        CHECK(Io.Sense[0] == 0);
    }
    DiskClose(&Disk);
}

/* Until the device is gone, requests for it still come and are answered. */
static void Removal(HOST *Host, RAM_COMMAND_CODE How)
{
    RAM_STATE State;
    DISK Disk;
    IO Io;

    HostCommand(Host, RAM_PLUG, 3, 0);
    DiskOpen(Host, &Disk, 1);
    IoReady(&Disk, &Io, 10);
    CHECK(IoWait(&Io) == SRB_STATUS_SUCCESS);
    HostCommand(Host, How, 3, 0);
    HOST_WAIT(Host, UnitSurprises, 1);
    IoReady(&Disk, &Io, 10);
    CHECK(IoWait(&Io) == SRB_STATUS_NO_DEVICE);
    CHECK(HostCommand(Host, RAM_QUERY, 0, 0).UnitRemoves == 0);
    DiskClose(&Disk);
    HOST_WAIT(Host, UnitRemoves, 1);
    /* The address is free again. */
    HostCommand(Host, RAM_PLUG, 3, 0);
    CHECK(NativeChildWait(Host->Adapter, 2, 10000));
    State = HostCommand(Host, RAM_QUERY, 0, 0);
    CHECK(State.UnitStarts == 3 && State.UnitRemoves == 1 && State.UnitSurprises == 1);
}

static void Unplugged(HOST *Host)
{
    Removal(Host, RAM_UNPLUG);
}

static void Vanished(HOST *Host)
{
    Removal(Host, RAM_VANISH);
}

/* Requests that the miniport holds when the disk goes are waited for; those in the queue fail. */
static void RemovalUnderLoad(HOST *Host)
{
    DISK Disk;
    IO Ios[4];
    int i;

    HostCommand(Host, RAM_PLUG, 1, 0);
    DiskOpen(Host, &Disk, 1);
    HostCommand(Host, RAM_DEPTH, 1, 2);
    HostCommand(Host, RAM_HOLD, 0, 4);
    for (i = 0; i < 4; ++i)
        IoReady(&Disk, &Ios[i], 30);
    HOST_WAIT(Host, Held, 2);
    HostCommand(Host, RAM_UNPLUG, 1, 0);
    CHECK(IoWait(&Ios[2]) == SRB_STATUS_NO_DEVICE);
    CHECK(IoWait(&Ios[3]) == SRB_STATUS_NO_DEVICE);
    CHECK(!NativeRequestPoll(Ios[0].Request, 0));
    HostCommand(Host, RAM_RELEASE, 0, 0);
    CHECK(IoWait(&Ios[0]) == SRB_STATUS_SUCCESS);
    CHECK(IoWait(&Ios[1]) == SRB_STATUS_SUCCESS);
    DiskClose(&Disk);
    HOST_WAIT(Host, UnitRemoves, 1);
}

/* Changes that come faster than scans: the last state is what counts. */
static void ManyChanges(HOST *Host)
{
    unsigned i;

    for (i = 0; i < 30; ++i) {
        HostCommand(Host, RAM_PLUG, 1 + i % 3, 0);
        CHECK(NativeChildWait(Host->Adapter, 2, 10000));
        HostCommand(Host, RAM_UNPLUG, 1 + i % 3, 0);
        CHECK(NativeChildWait(Host->Adapter, 1, 10000));
        HOST_WAIT(Host, UnitRemoves, i + 1);
    }
}

const BEHAVIOUR Behaviours[] = {
    {"discovery", Discovery, {0}},
    {"data", Data, {0}},
    {"data at DISPATCH_LEVEL", Data, {.StartIoAtDispatch = TRUE}},
    {"data without mappings", Data, {.FailMappingEvery = 2}},
    {"transfer limit", TransferLimit, {0}},
    {"sense", Sense, {0}},
    {"unplugged", Unplugged, {0}},
    {"vanished", Vanished, {0}},
    {"removal under load", RemovalUnderLoad, {0}},
    {"many changes", ManyChanges, {0}},
    {"busy, retried", BehaviourBusyRetried, {0}},
    {"busy, given up", BehaviourBusyGivenUp, {0}},
    {"queue full", BehaviourQueueFull, {0}},
    {"depth", BehaviourDepth, {0}},
    {"pause", BehaviourPause, {0}},
    {"pause of the adapter", BehaviourAdapterPause, {0}},
    {"unit busy", BehaviourUnitBusy, {0}},
    {"adapter busy", BehaviourAdapterBusy, {0}},
    {"reset of the bus, asked for", BehaviourResetPauses, {0}},
    {"reset of the unit", BehaviourLunReset, {0}},
    {"reset of the target", BehaviourTargetReset, {0}},
    {"reset of the bus", BehaviourBusReset, {0}},
    {"reset without answer", BehaviourResetHangs, {.ResetTimeoutSeconds = 1}},
    {"resets without answer", BehaviourResetsHang, {.ResetTimeoutSeconds = 1}},
    {"address", BehaviourAddress, {0}},
    {"properties", BehaviourProperties, {0}},
    {"pass-through", BehaviourPassThrough, {0}},
    {"pass-through, refused", BehaviourPassThroughRefused, {0}},
    {"service, cancelled", BehaviourServiceCancelled, {0}},
    {"service, at removal", BehaviourServiceAtRemoval, {0}},
    {"service, after the stop", BehaviourServiceAtRemoval, {.StopBeforeServiceIrps = TRUE}},
};

const size_t BehaviourCount = RTL_NUMBER_OF(Behaviours);
